# 82-purge: data that belongs to the cluster's programs, which only --purge removes.

# where the programs of a node keep what they made themselves
DATA='/var/lib/etcd /var/lib/kubelet /var/lib/containerd /var/lib/cni /var/log/pods /var/log/containers /var/log/kubernetes /run/flannel'

# leave_word: that the data which is there is of our programs, and which folders are ours, should they become empty;
# without it no later run may take them for that
leave_word() {
	word=
	for data in $DATA $(identities); do
		! there ".$data" || word="${word}data $data$NL"
	done
	if [ -z "$word" ]; then
		rm -f "$STATE/left" # of an earlier time, and removed by hand since
		return 0
	fi
	{
		printf '%s' "$word"
		made_folders | sort -r | sed 's/^/folder /'
	} | write_state left
	[ -n "$PURGE" ] || say 'the data of the programs stays; ./install.sh uninstall --purge removes it'
}

# purge_later: what an uninstall left, if it was asked for the data only now, or died
purge_later() {
	if [ -n "$PURGE" ] && [ -f "$STATE/left" ]; then
		remove_identities
		purge "$(sed -n 's/^data //p' "$STATE/left" | tr '\n' ' ')"
		[ -z "$DRY" ] || end_dry_run
		return 0
	fi
	say 'nothing to do: nothing is installed here'
}

# purge FOLDERS: those of them that are data folders, without a mount in them; never through a link, never across a
# file system. What came to another data folder after an uninstall is someone else's.
purge() {
	[ -n "$PURGE" ] || return 0
	for data in $DATA; do
		! has "$data" "$1" || purge_folder "$data"
	done
	[ -z "$PROBLEMS" ] || {
		printf '%s' "$PROBLEMS" >&2
		die 'not all data could be removed; reboot this host, then run ./install.sh uninstall --purge again'
	}
	[ -n "$DRY" ] || forget_word
}

# forget_word: the data is gone, and the folders of ours that it was in go after it
forget_word() {
	[ ! -f "$STATE/left" ] || remove_folders "$(sed -n 's/^folder //p' "$STATE/left")"
	rm -f "$STATE/left"
	remove_folders "${STATE#.}"
}

purge_folder() {
	there ".$1" || return 0
	! would 'remove %s and all in it' "$1" || return 0
	mounted_below=$(awk -v path="${ROOT%/}$1" '$5 == path || index($5, path "/") == 1 { print $5 }' ./proc/self/mountinfo 2>/dev/null | awk 'NR <= 3' | tr '\n' ' ' || :)
	if [ -L ".$1" ]; then
		problem Mounts '%s is a link; remove what it leads to by hand' "$1"
	elif [ -n "$mounted_below" ]; then
		problem Mounts 'something is mounted in %s: %s; unmount it' "$1" "$mounted_below"
	else
		rm -rf ".$1" || die_of_disk '%s could not be removed' "$1"
		say 'removed %s and all in it' "$1"
	fi
}
