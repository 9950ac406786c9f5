# 45-preflight: can this host carry a node? Every check runs; what failed is listed in one go.

preflight() {
	check_paths
	if [ -z "$ROOT" ]; then
		check_systemd
		check_commands
		check_modules
		check_cgroups
		check_ports
		check_clock
		check_existing
		check_surroundings
	fi
}

check_systemd() {
	if [ ! -d ./run/systemd/system ] || ! command -v systemctl >/dev/null; then
		problem Systemd 'systemd does not run here, and the units need it; install on a host that systemd has booted'
		return 0
	fi
	systemd_version=$(systemctl --version | awk 'NR == 1 { print $2 + 0 }')
	[ "$systemd_version" -ge 232 ] || problem Systemd 'systemd %s is too old; 232 or newer is needed; upgrade the system' "$systemd_version"
}

# check_commands: what the kubelet, kube-proxy and our own units call
check_commands() {
	missing=
	for tool in ip iptables iptables-restore iptables-save modprobe mount sysctl umount $COMMANDS; do
		command -v "$tool" >/dev/null || missing="$missing $tool"
	done
	[ -z "$missing" ] || problem Commands 'missing:%s; install the packages that hold them (iproute2, iptables, kmod, procps, util-linux, ipset)' "$missing"
	command -v conntrack >/dev/null || warn 'conntrack is missing: UDP flows to Services that moved stay stale for a while; install conntrack (conntrack-tools)'
}

# bundle_lines FOLDER: the lines of the desired files in that folder of the host, without comments
bundle_lines() {
	printf '%s\n' "$DESIRED" | awk -v folder="$1/" '$1 == "file" && index($6, folder) == 1 { print $2, $6 }' | while read -r listed_sha listed; do
		source_of file "$listed_sha" "$listed"
		sed -e '/^[[:space:]]*[#;]/d' -e '/^[[:space:]]*$/d' "$SOURCE"
	done
}

check_modules() {
	for module in $(bundle_lines /etc/modules-load.d); do
		module_present "$module" || modprobe -n -q "$module" 2>/dev/null ||
			problem KernelModules 'the kernel has no module %s; install the full kernel package' "$module"
	done
}

# module_present NAME: loaded, or part of the kernel
module_present() {
	! module_loaded "$1" || return 0
	! grep -q "[[:space:]]$1\$" ./proc/filesystems 2>/dev/null || return 0
	grep -q "/$1\.ko" "./lib/modules/$(uname -r)/modules.builtin" 2>/dev/null
}

check_cgroups() {
	if [ -r ./sys/fs/cgroup/cgroup.controllers ]; then
		controllers=$(cat ./sys/fs/cgroup/cgroup.controllers)
	else
		controllers=$(awk '$4 == 1 { print $1 }' ./proc/cgroups 2>/dev/null | tr '\n' ' ')
	fi
	missing=
	for controller in cpu cpuset memory pids; do
		has "$controller" "$controllers" || missing="$missing $controller"
	done
	[ -z "$missing" ] || problem Cgroups "the kernel's cgroups lack:%s; enable them (kernel command line, e.g. cgroup_enable=memory)" "$missing"
}

# check_ports: the node's ports are free, or held by the units of this bundle
check_ports() {
	for port in $PORTS; do
		for inode in $(listeners "$port"); do
			holder=$(socket_holder "$inode")
			ours_runs "$holder" || port_problem "$port" "$holder"
			break
		done
	done
}

# listeners PORT: the inodes of the sockets that listen on a TCP port
listeners() {
	port_hex=$(printf ':%04X' "$1")
	cat ./proc/net/tcp ./proc/net/tcp6 2>/dev/null |
		awk -v port="$port_hex" '$4 == "0A" && substr($2, length($2) - 4) == port { print $10 }'
}

# socket_holder INODE: a process that has the socket open
socket_holder() {
	(
		set +f
		cd ./proc && ls -l [0-9]*/fd 2>/dev/null
	) | awk -v socket="socket:[$1]" '/\/fd:$/ { split($0, p, "/"); pid = p[1] } $NF == socket { print pid; exit }'
}

# port_problem PORT PID: PID is empty when nobody knows who has it
port_problem() {
	if [ -n "$2" ] && [ -r "./proc/$2/comm" ]; then
		problem Ports 'port %s is in use by %s (process %s); stop it' "$1" "$(cat "./proc/$2/comm")" "$2"
	else
		problem Ports 'port %s is in use by an unknown process; find it with ss -ltnp and stop it' "$1"
	fi
}

# ours_runs PID: whether the process belongs to one of our units
ours_runs() {
	[ -n "$1" ] || return 1
	for unit in $UNITS; do
		! grep -q "/$unit\$" "./proc/$1/cgroup" 2>/dev/null || return 0
	done
	return 1
}

check_clock() {
	if before "$(date +%s)" "$NOT_BEFORE"; then
		problem Clock "this host's clock (%s) is before the time that the bundle's certificates begin; set the clock" "$(date -u)"
	elif ! before "$(date +%s)" "$NOT_AFTER"; then
		problem Clock "the bundle's certificates have ended by this host's clock (%s); build a new bundle, or set the clock" "$(date -u)"
	fi
}

# before A B: whether A is before B, in epoch seconds; in awk, as some shells count in 32 bits
before() {
	awk -v a="$1" -v b="$2" 'BEGIN { exit !(a + 0 < b + 0) }'
}

# check_existing: another Kubernetes, or another cluster of ours, is not taken over by accident
check_existing() {
	for trace in /etc/kubernetes/kubelet.conf /etc/kubernetes/manifests /etc/rancher /var/lib/rancher /var/snap/microk8s; do
		! there ".$trace" || problem ExistingKubernetes '%s is there: another Kubernetes is or was installed; remove it first (kubeadm reset, k3s-uninstall.sh, ...)' "$trace"
	done
	for unit in $UNITS; do
		check_unit_is_ours "$unit"
	done
}

# check_unit_is_ours UNIT: no unit of that name runs from a file that is neither installed nor in the bundle
check_unit_is_ours() {
	unit_file=$UNIT_FOLDER/$1
	if there ".$unit_file"; then
		owned_or_equal "$unit_file" || problem ExistingKubernetes '%s is there and not ours; stop its unit and move it away' "$unit_file"
		return 0
	fi
	case $(unit_state "$1") in
	active | activating | reloading)
		problem ExistingKubernetes 'a unit %s that is not ours runs; stop and disable it: systemctl disable --now %s' "$1" "$1"
		;;
	esac
}

# owned_or_equal PATH: whether we installed it, or it is what we would install
owned_or_equal() {
	! installed_entries | awk -v path="$1" '$6 == path { found = 1 } END { exit !found }' || return 0
	[ -f "$HERE/root$1" ] && [ "$(sha256sum <".$1")" = "$(sha256sum <"$HERE/root$1")" ]
}

# check_cluster: a host is a node of one cluster at a time, and its blocks carry that cluster's name
check_cluster() {
	old_cluster=$(state_field cluster)
	case $old_cluster in
	'' | "$CLUSTER") ;;
	*) die 'this host is a node of the cluster %s; run ./install.sh --uninstall first; nothing was written' "$old_cluster" ;;
	esac
}
