# 76-moved: a bundle that gives this host another name, its cluster another CA, or its pods another subnet. What the old
# ones left behind would be preferred to the new, so it goes first: these are the recipes that one would else follow by
# hand.

NETWORK_CACHES='/var/lib/cni/networks /var/lib/cni/flannel /var/lib/cni/results'
IDENTITY=/opt/kubernetes/ssl # the kubelet's --cert-dir

# installed_field NAME: what the installed manifest says, whatever a run that is at work aims at
installed_field() {
	[ ! -f "$STATE/manifest" ] || manifest_field "$STATE/manifest" "$1"
}

# subnet_changed: whether the pods of this host were given addresses of another subnet than POD_SUBNET
subnet_changed() {
	[ -z "$ROOT" ] || return 1
	old_subnet=$(installed_field subnet)
	[ -n "$old_subnet" ] && [ "$old_subnet" != "$POD_SUBNET" ]
}

# network_tmpfiles: the paths of the tmpfiles.d files, among the entries on stdin, that make what flanneld reads
network_tmpfiles() {
	awk '$1 == "file" && $6 ~ /^\/etc\/tmpfiles\.d\/.*flannel/ { print $6 }'
}

# identity_key NODE: whom a kubelet's own certificates belong to: the node, and the CA that signed them, by its digest in
# the entries on stdin. Under another CA the kubelet would still prefer them to the ones of its kubeconfig.
identity_key() {
	awk -v node="$1" -v path="$IDENTITY/ca.pem" '$6 == path { authority = substr($2, 1, 8) } END { print node "-" authority }'
}

# installed_identity: that of the installed bundle, or nothing
installed_identity() {
	[ ! -f "$STATE/manifest" ] || identity_key "$(installed_field node)" <"$STATE/manifest"
}

# desired_identity: that of what is to be installed
desired_identity() {
	printf '%s\n' "$DESIRED" | identity_key "$NODE"
}

# renamed: whether the kubelet of this host was another node, or one under another CA
renamed() {
	old_identity=$(installed_identity)
	[ -n "$old_identity" ] && [ "$old_identity" != "$(desired_identity)" ]
}

# move_node: before new files take their places. The kubelet is started again at the end, as it is among RESTARTS.
move_node() {
	if subnet_changed; then
		stop_kubelet
		drop_pod_network
	fi
	if renamed; then
		stop_kubelet
		take_identity "$(desired_identity)"
	fi
}

# move_node_back: the same when the run of the journal is undone; it may not have come so far
move_node_back() {
	[ -f "$STATE/manifest" ] && [ -z "$ROOT" ] || return 0
	if [ -n "$(installed_field subnet)" ] && [ "$(journal_field subnet)" != "$(installed_field subnet)" ]; then
		stop_kubelet
		drop_pod_network
	fi
	aimed_identity=$(identity_key "$(journal_field node)" <"$STATE/journal")
	[ "$aimed_identity" = "$(installed_identity)" ] || take_identity "$(installed_identity)"
}

stop_kubelet() {
	[ -z "$ROOT" ] || return 0
	! runs kubelet.service || stop_unit kubelet.service
}

# drop_pod_network: pods end, and with them the links and caches that hold addresses of the old subnet. flanneld would
# take the subnet of subnet.env again. Its lease in etcd is cleared by the unit that reserves the new one.
drop_pod_network() {
	! would 'end the pods of this host, and remove the links and caches of their old network' || return 0
	kill_pods
	for pod_link in cni0 flannel.1; do
		ip link show dev "$pod_link" >/dev/null 2>&1 || continue
		ip link del "$pod_link" || die '%s could not be removed; by hand: ip link del %s; then run this again' "$pod_link" "$pod_link"
		say 'removed the link %s' "$pod_link"
	done
	for network_cache in $NETWORK_CACHES; do
		if [ -d ".$network_cache" ] && [ ! -L ".$network_cache" ]; then
			find ".$network_cache" -xdev ! -type d -exec rm -f {} \;
			say 'emptied %s' "$network_cache"
		fi
	done
	rm -f ./run/flannel/subnet.env
}

# kill_pods: containers outlive the kubelet and containerd
kill_pods() {
	containerd_answers || return 0
	ctr tasks ls -q 2>/dev/null | while read -r task; do
		ctr tasks kill -a -s KILL "$task" >/dev/null 2>&1 || :
	done
}

# take_identity KEY: the certificates that the kubelet asked for under the old name are put aside, and those of an
# earlier time under the new name are taken up again, so that going back works, too. identity-of says whose those in
# place are, once that is no longer the installed manifest's.
take_identity() {
	identity_owner=$(cat "$STATE/identity-of" 2>/dev/null || installed_identity)
	if [ "$identity_owner" != "$1" ]; then
		! would 'put the certificates aside that the kubelet got as %s' "${identity_owner%-*}" || return 0
		identity_files "$IDENTITY" | while read -r identity_file; do
			move_identity "$identity_file" "$IDENTITY/.of-$identity_owner/${identity_file##*/}"
		done || exit 1
		printf '%s\n' "$1" | write_state identity-of
		say 'put the certificates aside that the kubelet got as %s' "${identity_owner%-*}"
	fi
	[ -z "$DRY" ] && [ -d ".$IDENTITY/.of-$1" ] || return 0
	things_in "$IDENTITY/.of-$1" | while read -r identity_file; do
		identity_place=$IDENTITY/${identity_file##*/}
		[ "${identity_file##*/}" != kubelet.kubeconfig ] || identity_place=/opt/kubernetes/cfg/kubelet.kubeconfig
		move_identity "$identity_file" "$identity_place"
	done || exit 1
	rmdir ".$IDENTITY/.of-$1" || :
}

# move_identity FROM TO: renamed on one file system, so that it is never half there
move_identity() {
	make_parents ".$2"
	mv -f ".$1" ".$2" || die '%s could not be written' "$2"
}

# things_in FOLDER [TEST]...: the paths of what lies right in it, where it is there, that find's tests hold for
things_in() {
	things_folder=$1
	shift
	[ ! -d ".$things_folder" ] || find ".$things_folder/." ! -name . -prune "$@" | sed 's/^\.//; s/\/\.\//\//'
}

# identity_files FOLDER: what the kubelet wrote itself: its certificates, and the kubeconfig where the bundle has none
identity_files() {
	things_in "$1" \( -name 'kubelet-client-*' -o -name 'kubelet-server-*' -o -name kubelet.crt -o -name kubelet.key \)
	[ ! -f ./opt/kubernetes/cfg/kubelet.kubeconfig ] ||
		printf '%s\n' "$DESIRED" "$(installed_entries)" | grep -q ' /opt/kubernetes/cfg/kubelet.kubeconfig$' ||
		echo /opt/kubernetes/cfg/kubelet.kubeconfig
}

# identities: all that kubelets of this host were given
identities() {
	DESIRED=
	identity_files "$IDENTITY"
	things_in "$IDENTITY" -name '.of-*'
}

# remove_identities: with --purge
remove_identities() {
	[ -n "$PURGE" ] || return 0
	for identity_name in $(identities); do
		! would 'remove %s' "$identity_name" || continue
		rm -rf ".$identity_name" || die '%s could not be removed' "$identity_name"
		say 'removed %s' "$identity_name"
	done
}
