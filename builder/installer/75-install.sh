# 75-install: the list of steps of an install, which --dry-run goes through, too.

install_bundle() {
	need_root
	need_tools
	verify_bundle
	enter_root
	check_host
	check_cluster
	preflight
	refuse_problems "this host cannot be the node yet"
	make_plan
	check_disk
	refuse_problems "this host cannot be the node yet"
	if nothing_to_do; then
		say "nothing to do: $NODE is as this bundle wants it"
		return 0
	fi
	show_notice
	if [ -n "$DRY" ]; then
		apply_plan
		end_state
		say "nothing was written"
		exit 2
	fi
	open_state
	take_lock
	make_plan # again, now that no other run is at work
	open_log
	begin_state
	apply_plan
	end_state
	[ -n "$ROOT" ] || wait_for_units
	say "done: $WRITTEN written, $UNCHANGED unchanged, $REMOVED removed, $RESTARTED restarted, $STARTED started"
}

show_notice() {
	[ -z "$NOTICE" ] || printf '\n*** %s ***\n\n' "$NOTICE" >&2
}

# open_state: the folder that keeps what was there before us, for root's eyes only
open_state() {
	make_parents "$STATE/manifest"
	chmod 0700 "$STATE"
}

# begin_state: first what was there before us, then the note that a run is at work and what it owns. From then
# on every path of manifest.next is ours: an interrupted run is finished by the next one.
begin_state() {
	each begin_entry "$PLAN"
	{
		state_text
		echo "# restart $RESTARTS"
	} | write_state manifest.next
}

# begin_entry STATE OURS KIND SHA256 MODE OWNER UNITS PATH [TARGET]
begin_entry() {
	[ "$2" = foreign ] && [ "$3" != dir ] || return 0
	! there ".$8" || keep_original "$8"
}

end_state() {
	! would "record this bundle in /var/lib/bundler" || return 0
	state_text | write_state manifest
	rm -f "$STATE/manifest.next"
	say "recorded this bundle in /var/lib/bundler"
}

# apply_plan: every change, in order
apply_plan() {
	each run_step "$(units_to stop_unit)"
	each apply_entry "$PLAN"
	each retire_entry "$STALE"
	each run_step "$KERNEL_PLAN"
	reload_if_changed
	each run_step "$(units_to restart_unit)"
	each run_step "$(units_to start_unit)"
}

# reload_if_changed: systemd reads its unit files again, also those of a run that did not come so far
reload_if_changed() {
	[ -z "$ROOT" ] || return 0
	if [ -n "$UNFINISHED" ] || changed_below "$UNIT_FOLDER"; then
		reload_systemd
	fi
}

run_step() {
	"$@"
}

# apply_entry STATE OURS KIND SHA256 MODE OWNER UNITS PATH [TARGET]
apply_entry() {
	if [ "$1" = same ]; then
		UNCHANGED=$((UNCHANGED + 1))
		return 0
	fi
	case $3 in
	file) put_file "$8" "$5" "$1" ;;
	dir) put_dir "$8" "$5" "$1" "$2" ;;
	link) put_link "$8" "$9" ;;
	block) put_block "$8" ;;
	esac
	WRITTEN=$((WRITTEN + 1))
}
