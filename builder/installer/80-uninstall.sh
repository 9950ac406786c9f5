# 80-uninstall: the host as it was before. What someone changed since is left, and listed.

uninstall() {
	need_root
	need_tools
	enter_root
	INSTALLED=$(installed_entries)
	if [ -z "$INSTALLED" ]; then
		[ -n "$DRY" ] || tidy_state
		purge_later
		return 0
	fi
	CLUSTER=$(state_field cluster) # the installed one, whose name the blocks carry
	check_installed_folders
	check_mounts
	refuse_problems 'this host cannot be cleaned yet'
	if [ -z "$DRY" ]; then
		take_lock
		clean_up
		INSTALLED=$(installed_entries)
		begin_uninstall
	fi
	PLAN=$(survey "$INSTALLED")
	[ -n "$ROOT" ] || remove_images
	[ -n "$ROOT" ] || stop_units
	each retire_entry "$PLAN"
	[ -n "$ROOT" ] || withdraw
	remove_identities
	[ -n "$ROOT" ] || reload_systemd
	if [ -n "$DRY" ]; then
		say 'would remove the folders that it made, where they are empty, and /var/lib/bundler'
		purge "$DATA"
		end_dry_run
	fi
	changed_folders | sync_paths
	leave_word
	remove_state
	report_kept
	purge "$DATA"
	say 'done: %s removed or put back; pods that still run are gone with the next boot' "$REMOVED"
}

# begin_uninstall: from now on the next run finishes this one. What was there before us is in `origins`.
begin_uninstall() {
	{
		state_files | sed -e '/^# run /d' -e '/^# purge /d'
		echo "# run uninstall"
		echo "# purge $PURGE"
	} | write_state journal
}

# check_installed_folders: a link that came since must not lead the uninstall elsewhere
check_installed_folders() {
	each check_folder "$(printf '%s\n' "$INSTALLED" | awk '{ sub(/\/[^\/]*$/, "", $6); print $6 }' | sort -u | sed '/^$/d')"
	for made_folder in $(made_folders); do
		[ ! -L ".$made_folder" ] || problem Paths '%s was a folder that we made and is a link now; put the folder back' "$made_folder"
	done
}

made_folders() {
	sed -n 's/^absent - - - - //p' "$STATE/origins" 2>/dev/null || :
}

# check_mounts: nothing is removed through a mount
check_mounts() {
	for made_folder in $(made_folders) $(printf '%s\n' "$INSTALLED" | awk '$1 == "file" { print $6 }'); do
		mounted_on=$(mounts_at "${ROOT%/}$made_folder")
		[ -z "$mounted_on" ] || problem Mounts 'something is mounted on %s; unmount it: umount %s' "$made_folder" "${ROOT%/}$made_folder"
	done
}

# mounts_at PATH: the mount points that are that path
mounts_at() {
	awk -v path="$1" '$5 == path { print $5 }' ./proc/self/mountinfo 2>/dev/null || :
}

# stop_units: last started, first stopped
stop_units() {
	backwards=
	for unit in $(installed_units); do
		backwards="$unit $backwards"
	done
	for unit in $backwards; do
		! runs "$unit" || stop_unit "$unit"
	done
}

# retire_entry STATE OURS KIND SHA256 MODE OWNER UNITS PATH [TARGET]: what we put there leaves again
retire_entry() {
	case $1/$3 in
	*/dir) retire_folder "$8" ;;
	absent/block) ;;
	*/block) take_out_block "$8" ;; # whatever stands between our markers is ours
	absent/* | same/* | mode/*) put_back "$8" ;;
	*) is_original "$8" || keep_changed "$8" ;;
	esac
}

# is_original PATH: an interrupted run never came to replace it, or has put it back
is_original() {
	[ "$(what_is "$1" "")" = "$(origin_of "$1")" ]
}

keep_changed() {
	KEPT="$KEPT$1$NL"
	say 'left %s: it was changed since the install' "$1"
}

# retire_folder PATH: a folder that was there before us gets its mode back
retire_folder() {
	each restore_mode "$(origin_of "$1")"
}

# restore_mode KIND - MODE OWNER - PATH
restore_mode() {
	[ "$1" = dir ] && [ -d ".$6" ] || return 0
	! would 'give %s its mode %s back' "$6" "$3" || return 0
	{ chown "$4" ".$6" && chmod "$3" ".$6"; } || die_of_disk '%s could not get its mode back' "$6"
	say 'gave %s its mode %s back' "$6" "$3"
}

# remove_state: the folders that we made, the log and the state. What stood where something is left, stays. The order
# lets the next run go on wherever this one dies: the lists go only when nothing depends on them any more.
remove_state() {
	rm -rf "$STATE.new"
	made=$(made_folders | sort -r)
	each keep_origin "$KEPT"
	LOG=
	rm -f "$LOGS/install.log"
	remove_folders "$made"
	rm -f "$STATE/manifest"
	rm -f "$STATE/journal"
	rm -rf "$STATE/generations" "$STATE/attributes" "$FILES"
	rm -f "$STATE/journal.done" "$STATE/origins" "$STATE/images" "$STATE/identity-of" "$STATE/.new" "$STATE/.have"
	remove_folders "${STATE#.}$NL${LOGS#.}$NL$made"
	[ -z "$LOCK" ] || rm -f "$LOCK"
	LOCK=
}

# remove_folders FOLDERS: where they are empty
remove_folders() {
	for made_folder in $1; do
		[ ! -d ".$made_folder" ] || rmdir ".$made_folder" 2>/dev/null || :
	done
}

# keep_origin PATH: for the user, who changed what we put in its place
keep_origin() {
	each keep_origin_file "$(origin_of "$1")"
}

# keep_origin_file KIND SHA256 MODE OWNER - PATH
keep_origin_file() {
	[ "$1" = file ] || return 0
	make_parents "$STATE/original$6"
	cp -p "$FILES/$2" "$STATE/original$6" || die_of_disk '%s: what stood there before could not be kept' "$6"
}

report_kept() {
	[ -n "$KEPT" ] || return 0
	warn 'left because they were changed since the install (what stood there before is in /var/lib/bundler/original):'
	printf '%s' "$KEPT" >&2
}
