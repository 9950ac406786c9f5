# 46-surroundings: what else lives on this host, and what it forbids. Part of the preflight; all have a name.

check_surroundings() {
	check_kernel
	check_swap
	check_memory
	check_read_only
	check_noexec
	check_iptables
	check_firewall
	check_runtimes
	check_selinux
	check_apparmor
	check_routes
	check_cloud_init
}

check_kernel() {
	kernel=$(uname -r)
	printf '%s\n' "$kernel" | awk -F '[.-]' '{ exit !($1 * 1000 + $2 >= 3010) }' ||
		problem Kernel 'the kernel is %s; Kubernetes needs 3.10 or newer; upgrade it and reboot' "$kernel"
	lacking=
	for feature in overlay nf_conntrack nf_nat xt_comment xt_mark xt_conntrack xt_nat xt_statistic; do
		module_present "$feature" || modprobe -n -q "$feature" 2>/dev/null || lacking="$lacking $feature"
	done
	[ -z "$lacking" ] || problem Kernel 'the kernel lacks:%s; install the full kernel package (modules-extra)' "$lacking"
}

# check_swap: the kubelet does not start with swap on, unless its configuration allows it
check_swap() {
	[ -n "$(awk 'NR > 1' ./proc/swaps 2>/dev/null || :)" ] || return 0
	if desired_file kubelet-config.yml | grep -q '^failSwapOn: *false'; then
		warn 'swap is on: memory limits of pods are not kept; turn it off with swapoff -a and in /etc/fstab'
	else
		problem Swap 'swap is on, and the kubelet does not start with it; swapoff -a, and take it out of /etc/fstab'
	fi
}

# desired_file NAME: the content of the desired file of that name
desired_file() {
	printf '%s\n' "$DESIRED" | awk -v name="/$1" '$1 == "file" && substr($6, length($6) - length(name) + 1) == name { print $2, $6 }' |
		while read -r desired_sha desired_path; do
			source_of file "$desired_sha" "$desired_path"
			cat "$SOURCE"
		done
}

check_memory() {
	memory=$(awk '$1 == "MemTotal:" { print int($2 / 1024) }' ./proc/meminfo 2>/dev/null || :)
	if [ "${memory:-1024}" -lt 400 ]; then
		problem Memory 'this host has %s MiB of memory, and a node does not run in less than 400; give it 1024 or more' "$memory"
	elif [ "${memory:-1024}" -lt 900 ]; then
		warn 'this host has %s MiB of memory; a node wants 1024 or more' "$memory"
	fi
}

# mount_options PATH: those of the file system that the path lies on, or will lie on
mount_options() {
	option_path=.$1
	while [ ! -d "$option_path" ]; do
		option_path=${option_path%/*}
	done
	option_path=$(cd "$option_path" && pwd -P)
	awk -v path="$option_path" '
		$5 == "/" || $5 == path || index(path, $5 "/") == 1 {
			if (length($5) >= best) { best = length($5); options = $6 "," $NF }
		}
		END { print options }' ./proc/self/mountinfo 2>/dev/null || :
}

# check_read_only: what we write to can be written to
check_read_only() {
	for top in $(all_folders | awk -F / '{ print "/" $2 "/" $3 }' | sort -u); do
		case ,$(mount_options "${top%/}"), in
		*,ro,*) problem ReadOnly '%s is mounted read-only; remount it: mount -o remount,rw (an immutable system wants another place for it)' "${top%/}" ;;
		esac
	done
}

# check_noexec: our programs can be run where they are put
check_noexec() {
	for program_folder in $(printf '%s\n' "$DESIRED" | awk '$1 == "file" && $3 ~ /[1357]/ { sub(/\/[^\/]*$/, "", $6); print $6 }' | sort -u); do
		case ,$(mount_options "$program_folder"), in
		*,noexec,*) problem NoExec '%s is mounted noexec, and programs go there; remount it: mount -o remount,exec' "$program_folder" ;;
		esac
	done
	case ,$(mount_options /tmp), in
	*,noexec,*) warn '/tmp is mounted noexec: tools that unpack themselves there do not run; if one is needed: mount -o remount,exec /tmp' ;;
	esac
}

# check_iptables: rules of the one kind are not seen by the tools of the other
check_iptables() {
	case $(iptables --version 2>/dev/null || :) in
	*nf_tables*)
		[ ! -s ./proc/net/ip_tables_names ] ||
			problem Iptables 'iptables here writes nf_tables rules, but legacy tables are loaded, too (%s); remove the legacy rules (iptables-legacy -F) and reboot' "$(tr '\n' ' ' <./proc/net/ip_tables_names)"
		;;
	*legacy*)
		command -v iptables-nft-save >/dev/null || return 0
		! iptables-nft-save 2>/dev/null | grep -q '^-A' ||
			problem Iptables 'iptables here writes legacy rules, but there are nf_tables rules, too; choose one kind: update-alternatives --config iptables'
		;;
	esac
}

# check_firewall: a firewall that knows nothing of the cluster drops its traffic
check_firewall() {
	if [ "$(unit_state firewalld.service)" = active ]; then
		problem Firewall "firewalld runs and would drop the cluster's traffic; systemctl disable --now firewalld, or open it for the cluster's networks (%s) and ports (%s)" "$NETWORKS" "$PORTS"
	fi
	if grep -qi '^ENABLED=yes' ./etc/ufw/ufw.conf 2>/dev/null; then
		problem Firewall "ufw is enabled and would drop the cluster's traffic; ufw disable, or allow the cluster's networks (%s) and ports (%s)" "$NETWORKS" "$PORTS"
	fi
	! iptables-save 2>/dev/null | grep -q '^:INPUT DROP' || warn 'iptables drops what no rule lets in: see that the ports %s are open to the other nodes' "$PORTS"
	! iptables-save 2>/dev/null | grep -q '^:FORWARD DROP' || warn "iptables drops what is forwarded: see that the cluster's networks (%s) are let through" "$NETWORKS"
	[ "$(unit_state nftables.service)" != active ] || warn "nftables.service loads rules of its own: see that they let the cluster's networks (%s) and ports (%s) through" "$NETWORKS" "$PORTS"
}

# check_runtimes: another container runtime or Kubernetes that runs now
check_runtimes() {
	for runtime in docker.service cri-docker.service crio.service k3s.service k3s-agent.service rke2-server.service rke2-agent.service; do
		[ "$(unit_state "$runtime")" != active ] ||
			problem ExistingRuntime "%s runs; two of a kind take each other's ports, cgroups and rules: systemctl disable --now %s" "$runtime" "$runtime"
	done
}

# check_selinux: files get their labels by restorecon; without it an enforcing host keeps the units from them
check_selinux() {
	[ "$(cat ./sys/fs/selinux/enforce 2>/dev/null || :)" = 1 ] || return 0
	command -v restorecon >/dev/null || problem Selinux 'SELinux enforces, and restorecon is missing; install policycoreutils, or setenforce 0'
}

# check_apparmor: containerd gives pods its profile only where it can load one
check_apparmor() {
	[ "$(cat ./sys/module/apparmor/parameters/enabled 2>/dev/null || :)" = Y ] || return 0
	command -v apparmor_parser >/dev/null || warn 'AppArmor is on, and apparmor_parser is missing: pods run without a profile, and those that ask for one do not start; install the package apparmor'
}

# check_routes: no route of the host leads into the cluster's own networks. On a node there are such, of ours.
check_routes() {
	[ -z "$(installed_entries)" ] || return 0
	overlapping=$(ip -4 route show 2>/dev/null | awk -v networks="$NETWORKS" '
		function number(address, part) { split(address, part, "."); return ((part[1] * 256 + part[2]) * 256 + part[3]) * 256 + part[4] }
		function overlap(a, b, x, y, bits, length_left) {
			split(a, x, "/"); split(b, y, "/")
			if (x[2] == "") x[2] = 32
			if (y[2] == "") y[2] = 32
			bits = 1 # not by the power operator: busybox may be without it
			for (length_left = 32 - (x[2] + 0 < y[2] + 0 ? x[2] : y[2]); length_left > 0; length_left--) bits *= 2
			return int(number(x[1]) / bits) == int(number(y[1]) / bits)
		}
		$1 ~ /^[0-9]/ {
			count = split(networks, network, " ")
			for (i = 1; i <= count; i++) if (overlap($1, network[i])) print $1, "overlaps", network[i]
		}' | tr '\n' ',')
	[ -z "$overlapping" ] || problem Routes "a route of this host leads into the cluster's networks: %s; remove the route, or give the cluster other networks (network.podCIDR, network.serviceCIDR)" "${overlapping%,}"
	ip -4 route show 2>/dev/null | grep -q '^default' || warn "there is no default route: programs that look for one to find this host's address fail; the kubelet is told %s; add a route if others need one" "$ADDRESS"
}

# check_cloud_init: it would write /etc/hosts anew at each boot
check_cloud_init() {
	printf '%s\n' "$DESIRED" | grep -q '^block .* /etc/hosts$' || return 0
	[ -d ./etc/cloud ] || return 0
	! find ./etc/cloud -name '*.cfg' -type f -exec cat {} + | grep -Eq '^[[:space:]]*manage_etc_hosts:[[:space:]]*(true|.?template.?)' ||
		problem CloudInit 'cloud-init writes /etc/hosts anew at each boot (manage_etc_hosts in /etc/cloud); set it to false or localhost'
}
