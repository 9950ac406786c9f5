# 78-back: finishing and undoing runs that were interrupted, and going back to an older generation.

# finish_other_run: an interrupted run that was no install is finished first. Fails if there is none.
finish_other_run() {
	! end_other_tidying || return 0
	[ -f "$STATE/journal" ] || return 1
	other_run=$(journal_field run)
	[ "$other_run" != install ] || return 1
	if [ -n "$DRY" ]; then
		say 'would finish an interrupted %s first; nothing was written' "$other_run"
		exit 2
	fi
	finish_run
	say 'finished an interrupted %s; run ./install.sh again to install this bundle' "$other_run"
}

# end_other_tidying: a run that was no install died after its work was done; fails if there is none
end_other_tidying() {
	[ -z "$DRY" ] && [ -f "$STATE/journal.done" ] || return 1
	other_run=$(manifest_field "$STATE/journal.done" run)
	[ "$other_run" != install ] || return 1
	end_tidying
	say 'finished an interrupted %s; run ./install.sh again for anything else' "$other_run"
}

# finish_run: goes on with what the journal says
finish_run() {
	ACTION=$(journal_field run)
	case $ACTION in
	rollback)
		TO=$(journal_field generation)
		rollback_to "$TO"
		;;
	abort)
		take_lock
		undo_run
		;;
	uninstall)
		PURGE=$(journal_field purge)
		uninstall
		;;
	repair) repair ;;
	*) die 'the journal in /var/lib/bundler cannot be read; run ./install.sh abort' ;;
	esac
}

resume() {
	need_root
	need_tools
	enter_root
	if [ ! -f "$STATE/journal" ]; then
		say 'nothing to do: no run was interrupted'
		return 0
	fi
	if [ "$(journal_field run)" != install ]; then
		finish_run
		return 0
	fi
	ACTION=install
	[ "$(journal_field bundle)" = "$(bundle_digest)" ] ||
		die 'the interrupted run was of another bundle (%s, Kubernetes %s); run resume with its install.sh, or run abort' "$(journal_field node)" "$(journal_field kubernetes)"
	install_bundle
}

abort_run() {
	need_root
	need_tools
	enter_root
	if [ ! -f "$STATE/journal" ]; then
		tidy_state
		say 'nothing to do: no run was interrupted'
		return 0
	fi
	[ "$(journal_field run)" != uninstall ] ||
		die 'an uninstall cannot be undone, as it keeps no copy of what it removes; finish it with resume, then install again'
	take_lock
	open_log
	if is_recorded; then
		clean_up
		end_run
		say 'nothing to undo: the interrupted run had done its work, and was only tidying up'
		return 0
	fi
	undo_run
	say 'undone: this host is as it was before the interrupted run'
}

# tidy_state: what a run left that died before it began to change anything, or after it had ended
tidy_state() {
	[ -d "$STATE" ] || [ -d "$STATE.new" ] || return 0
	take_lock
	clean_up
	if [ -f "$STATE/manifest" ]; then
		end_run
	else
		remove_state
	fi
}

# is_recorded: the run of the journal has come to its end but for the tidying: its generation is the installed one
is_recorded() {
	recorded_number=$(journal_field generation)
	[ "$recorded_number" != "$(journal_field from)" ] && [ "$recorded_number" = "$(installed_number)" ]
}

# forget_generation: one that an install wrote down, and that never was
forget_generation() {
	[ "$1" = install ] && [ "$(journal_field generation)" != "$(journal_field from)" ] || return 0
	rm -rf "$STATE/generations/$(journal_field generation)"
}

# undo_run: puts back what was there before the run of the journal, also if an abort was itself interrupted
undo_run() {
	undone_run=$(journal_field run)
	restarts=$(journal_field restart)
	forget_generation "$undone_run"
	[ "$undone_run" = abort ] || sed 's/^# run .*/# run abort/' "$STATE/journal" | write_state journal
	MISSING=
	clean_up
	INSTALLED=
	plan_undo
	apply_undo
	if [ -f "$STATE/manifest" ]; then
		adopt_manifest "$STATE/manifest"
		end_run
	else
		remove_state
	fi
}

# plan_undo: PLAN for what was there, STALE for what was not
plan_undo() {
	SOURCE_KEPT=1
	UNITS=$(sed -n 's/^# units //p' "$STATE/manifest" 2>/dev/null | awk 'NR == 1' || :)
	WAITING=$(sed -n 's/^# waiting //p' "$STATE/manifest" 2>/dev/null | awk 'NR == 1' || :)
	journal_units=$(journal_field units)
	DESIRED=$(was_lines | awk '$1 == "file" || $1 == "dir" || $1 == "link"')
	PLAN=$(survey "$DESIRED")
	KERNEL_PLAN=
	UNIT_PLAN=
	[ -z "$ROOT" ] || return 0
	KERNEL_PLAN=$(plan_undo_beyond)
	UNIT_PLAN=$(was_lines | awk '$1 == "unit" { print $6, $2 }' | while read -r unit was; do
		if [ "$was" = inactive ]; then
			! has "$unit" "$journal_units" || ! runs "$unit" || echo "stop_unit $unit"
		elif has "$unit" "$restarts"; then
			echo "restart_unit $unit"
		elif ! runs "$unit"; then
			echo "start_unit $unit"
		fi
	done)
}

# plan_undo_beyond: sysctls (those that had a value), and what was not there
plan_undo_beyond() {
	was_lines | awk '
		$1 == "sysctl" && NF > 6 { $1 = "set_sysctl"; $2 = $3 = $4 = $5 = ""; gsub(/ +/, " "); print }
		$1 == "chain" { print "remove_chain", $6 }
		$1 == "module" { unload = "unload_module " $6 "\n" unload }
		END { printf "%s", unload }'
	[ ! -f "$STATE/manifest" ] || [ "$(journal_field subnet)" = "$(installed_field subnet)" ] ||
		network_tmpfiles <"$STATE/manifest" | sed 's/^/create_tmpfiles /'
}

# apply_undo: as apply_plan, with what did not exist leaving at the end
apply_undo() {
	each undo_folder "$PLAN"
	stage_plan
	each run_step "$(units_to stop_unit)"
	move_node_back
	each apply_entry "$PLAN"
	STAGED=
	each undo_absent "$(was_lines | awk '$1 == "absent"' | sort -r -k 6)"
	changed_folders | sync_paths
	each run_step "$KERNEL_PLAN"
	[ -n "$ROOT" ] || reload_systemd
	each run_step "$(units_to restart_unit)"
	each run_step "$(units_to start_unit)"
}

# undo_folder STATE OURS KIND SHA256 MODE OWNER UNITS PATH
undo_folder() {
	[ "$3" != dir ] || [ "$1" = same ] || put_dir "$8" "$5" "$6"
	[ "$3" = dir ] || make_parents ".$8"
}

# undo_absent absent - - - - PATH
undo_absent() {
	if [ -d ".$6" ] && [ ! -L ".$6" ]; then
		rmdir ".$6" 2>/dev/null || : # not empty: someone else uses it by now, or the state lies in it
	elif there ".$6"; then
		rm -f ".$6" || die_of_disk '%s could not be removed' "$6"
		REMOVED=$((REMOVED + 1))
		say 'removed %s' "$6"
	fi
}

rollback() {
	need_root
	need_tools
	enter_root
	if [ -f "$STATE/journal" ] && [ "$(journal_field run)" != rollback ]; then
		die 'a run was interrupted; finish it (./install.sh resume) or undo it (./install.sh abort) first'
	fi
	! end_other_tidying || return 0
	rollback_number=$(installed_number)
	[ "$rollback_number" != 0 ] || die 'nothing is installed here; run ./install.sh first'
	[ -n "$TO" ] || TO=$(generation_numbers | awk -v now="$rollback_number" '$1 < now { last = $1 } END { print last }')
	[ -n "$TO" ] || die 'there is no generation before %s; see ./install.sh generations' "$rollback_number"
	[ -f "$STATE/generations/$TO/manifest" ] || die 'there is no generation %s; see ./install.sh generations' "$TO"
	rollback_to "$TO"
}

rollback_to() {
	adopt_manifest "$STATE/generations/$1/manifest"
	NOT_BEFORE=0
	check_clock
	check_paths
	end_tidying
	make_plan
	check_contents
	check_disk
	refuse_problems 'generation %s cannot be gone back to' "$1"
	if nothing_to_do; then
		say 'nothing to do: generation %s is installed' "$1"
		return 0
	fi
	carry_out
}

# check_contents: what has to be written is still kept; a file that will be replaced is kept by this run itself
check_contents() {
	each check_content "$(printf '%s\n' "$PLAN" | awk '$1 != "same" && $1 != "mode" && ($3 == "file" || $3 == "block") { print $3, $4, $8 }')"
}

# check_content KIND SHA256 PATH
check_content() {
	source_of "$@"
	kept_digest=
	[ ! -f "$SOURCE" ] || kept_digest=$(sha256sum <"$SOURCE" | cut -d ' ' -f 1)
	[ "$kept_digest" = "$2" ] ||
		problem Contents '%s of that generation is not kept, nor in the bundle at hand; install its bundle itself' "$3"
}
