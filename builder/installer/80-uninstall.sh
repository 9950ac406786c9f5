# 80-uninstall: the host as it was before. What someone changed since is left, and listed.

uninstall() {
	need_root
	need_tools
	enter_root
	INSTALLED=$(installed_entries)
	if [ -z "$INSTALLED" ]; then
		say "nothing to do: nothing is installed here"
		return 0
	fi
	CLUSTER=$(state_field cluster) # the installed one, whose name the blocks carry
	check_installed_folders
	if [ -z "$DRY" ]; then
		take_lock
		INSTALLED=$(installed_entries)
	fi
	PLAN=$(survey "$INSTALLED")
	[ -n "$ROOT" ] || stop_units
	each retire_entry "$PLAN"
	[ -n "$ROOT" ] || reload_systemd
	if [ -n "$DRY" ]; then
		say "would remove the folders that it made, where they are empty, and /var/lib/bundler"
		say "nothing was written"
		exit 2
	fi
	remove_state
	report_kept
	say "done: $REMOVED removed or put back; loaded modules, sysctls, and pods that still run are gone with the next boot"
}

# check_installed_folders: a link that came since must not lead an image's uninstall to this host
check_installed_folders() {
	each check_folder "$(printf '%s\n' "$INSTALLED" | awk '{ sub(/\/[^\/]*$/, "", $6); print $6 }' | sort -u | sed '/^$/d')"
	refuse_problems "the image's folders are not safe to work in"
}

# stop_units: last started, first stopped
stop_units() {
	backwards=
	for unit in $(state_field units); do
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

# is_original PATH: an interrupted run never came to replace it
is_original() {
	[ -f "$STATE/original$1" ] && [ -f ".$1" ] && [ "$(sha256sum <".$1")" = "$(sha256sum <"$STATE/original$1")" ] || return 1
	rm -f "$STATE/original$1"
}

keep_changed() {
	KEPT="$KEPT$1$NL"
	say "left $1: it was changed since the install"
}

# retire_folder PATH: a folder that was there before us gets its mode back
retire_folder() {
	[ -f "$STATE/modes" ] || return 0
	each restore_mode "$(awk -v path="$1" '$6 == path { print; exit }' "$STATE/modes")"
}

# restore_mode KIND - MODE OWNER - PATH
restore_mode() {
	! would "give $6 its mode $3 back" || return 0
	{ chown "$4" ".$6" && chmod "$3" ".$6"; } || die "$6 could not get its mode back"
	say "gave $6 its mode $3 back"
}

# remove_state: the state and the log; originals that could not be put back stay
remove_state() {
	created=$(sort -r "$STATE/created" 2>/dev/null || :)
	rm -f "$STATE/manifest" "$STATE/manifest.next" "$STATE/modes" "$STATE/created" "$LOGS/install.log"
	rm -f "$LOCK"
	LOCK=
	find "$STATE" -depth -type d -exec rmdir {} \; 2>/dev/null || :
	each remove_folder "$created"
}

remove_folder() {
	rmdir ".$1" 2>/dev/null || :
}

report_kept() {
	[ -n "$KEPT" ] || return 0
	warn "left because they were changed since the install (what stood there before is in /var/lib/bundler/original):"
	printf '%s' "$KEPT" >&2
}
