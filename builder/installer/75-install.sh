# 75-install: the list of steps of an install, which --dry-run goes through, too.

install_bundle() {
	need_root
	need_tools
	check_folder_safe
	enter_root
	verify_bundle
	DESIRED=$(bundle_entries)
	check_host
	check_cluster
	if finish_other_run; then
		return 0
	fi
	preflight
	refuse_problems 'this host cannot be the node yet'
	end_tidying
	make_plan
	check_disk
	refuse_problems 'this host cannot be the node yet'
	if nothing_to_do; then
		say 'nothing to do: %s is as this bundle wants it' "$NODE"
		return 0
	fi
	show_notice
	carry_out
}

show_notice() {
	[ -z "$NOTICE" ] || printf '\n*** %s ***\n\n' "$NOTICE" >&2
}

end_dry_run() {
	say 'nothing was written'
	exit 2
}

# carry_out: makes what is planned, or shows it
carry_out() {
	if [ -n "$DRY" ]; then
		apply_plan
		end_state
		end_dry_run
	fi
	[ -n "$LOCK" ] || take_lock
	open_state
	clean_up
	HASHED=   # of a moment when another run may have been at work
	make_plan # again, for the same reason
	open_log
	begin_state
	apply_plan
	settle
	say 'done: %s written, %s unchanged, %s removed, %s restarted, %s started' "$WRITTEN" "$UNCHANGED" "$REMOVED" "$RESTARTED" "$STARTED"
}

# clean_up: what a run that was killed left beside its places
clean_up() {
	[ ! -f "$STATE/journal" ] || remove_asides "$(state_files | awk '!/^#/ { sub(/\/[^\/]*$/, "", $6); print $6 }' | sort -u)"
	rm -f "$STATE/.new" "$STATE/.have" "$FILES/.new"
}

# apply_plan: every change, in order. All new content is on the disk before the first of it takes its place.
apply_plan() {
	each apply_folder "$PLAN"
	[ -n "$DRY" ] || stage_plan
	each run_step "$(units_to stop_unit)"
	[ -n "$ROOT" ] || move_node
	each apply_entry "$PLAN"
	STAGED=
	each retire_entry "$STALE"
	[ -n "$DRY" ] || relabel
	[ -n "$DRY" ] || drop_folders
	[ -n "$DRY" ] || changed_folders | sync_paths
	each run_step "$KERNEL_PLAN"
	reload_if_changed
	each run_step "$(units_to restart_unit)"
	each run_step "$(units_to start_unit)"
}

# relabel: SELinux labels as the host's policy has them for these paths
relabel() {
	[ -z "$ROOT" ] && [ -d ./sys/fs/selinux ] && command -v restorecon >/dev/null || return 0
	printf '%s\n' "$PLAN" | awk 'NF && $1 != "same" { print $8 }' | xargs -r restorecon -F || warn 'restorecon failed: see that SELinux lets the units read /opt/kubernetes'
}

# drop_folders: folders that an older generation made and this one has no use for, where they are empty
drop_folders() {
	{
		all_folders
		echo --
		sed -n 's/^absent - - - - //p' "$STATE/origins"
	} | awk '$1 == "--" { second = 1; next } !second { wanted[$1] = 1; next } !($1 in wanted)' | sort -r | while read -r folder; do
		rmdir ".$folder" 2>/dev/null || :
	done
}

# changed_folders: those that something was renamed in, and that are there
changed_folders() {
	printf '%s\n' "$PLAN" "$STALE" | awk 'NF && $1 != "same" { path = "." $8; sub(/\/[^\/]*$/, "", path); print path }' | sort -u |
		while read -r folder; do
			[ ! -d "$folder" ] || printf '%s\n' "$folder"
		done
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

# apply_folder STATE OURS KIND SHA256 MODE OWNER UNITS PATH
apply_folder() {
	if [ "$3" = dir ] && [ "$1" != same ]; then
		put_dir "$8" "$5" "$6"
	elif [ -z "$DRY" ]; then
		make_parents ".$8"
	fi
}

# apply_entry STATE OURS KIND SHA256 MODE OWNER UNITS PATH [TARGET]
apply_entry() {
	if [ "$1" = same ]; then
		UNCHANGED=$((UNCHANGED + 1))
		return 0
	fi
	case $3 in
	file) put_file "$@" ;;
	link) put_link "$8" "${9-}" ;;
	block) put_block "$8" "$4" ;;
	esac
	WRITTEN=$((WRITTEN + 1))
}

# settle: the units come up, and what is desired becomes what is installed; or the generation before is put back
settle() {
	if [ -n "$ROOT" ] || wait_for_units; then
		end_state
		return 0
	fi
	before=$(journal_field from)
	if [ "$ACTION" = rollback ] || [ "${before:-0}" = 0 ] || [ "$before" = "$GENERATION" ]; then
		end_state
		die 'everything is installed, but not every unit is active; what they lack may be another host (etcd, the API server); put right what the lines above name, then run ./install.sh again'
	fi
	failed_generation=$GENERATION
	warn 'generation %s did not come up; generation %s is put back' "$failed_generation" "$before"
	undo_run
	wait_for_units || :
	die 'generation %s did not come up within %s seconds, and generation %s is back; see the log: /var/log/bundler/install.log' "$failed_generation" "$WAIT" "$before"
}
