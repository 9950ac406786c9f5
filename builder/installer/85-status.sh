# 85-status: what is installed, and whether the host still is as it was installed.

show_status() {
	need_root
	need_tools
	enter_root
	INSTALLED=$(installed_entries)
	[ -n "$INSTALLED" ] || die "nothing is installed here"
	CLUSTER=$(state_field cluster)
	WELL=1
	say "node $(state_field node) of cluster $CLUSTER: Kubernetes $(state_field kubernetes), bundler $(state_field bundler)"
	say "generation $(installed_number) of those that are kept: $(generation_numbers | tr '\n' ' ')"
	if [ -f "$STATE/journal" ]; then
		not_well "a run was interrupted ($(journal_field run)); finish it with ./install.sh resume, or undo it with ./install.sh abort"
	fi
	each status_entry "$(survey "$INSTALLED")"
	say "$UNCHANGED paths are as installed"
	if [ -z "$ROOT" ]; then
		status_units
	fi
	status_certificates
	[ -n "$WELL" ]
}

not_well() {
	WELL=
	say "$*"
}

# status_entry STATE OURS KIND SHA256 MODE OWNER UNITS PATH [TARGET]
status_entry() {
	case $1 in
	same) UNCHANGED=$((UNCHANGED + 1)) ;;
	absent) not_well "missing: $8" ;;
	mode) not_well "mode or owner changed: $8" ;;
	*) not_well "changed: $8" ;;
	esac
}

status_units() {
	for unit in $(installed_units); do
		unit_now=$(unit_state "$unit")
		if [ "$unit_now" = active ]; then
			say "$unit: active"
		else
			not_well "$unit: ${unit_now:-unknown}"
		fi
	done
}

status_certificates() {
	days=$(awk -v now="$(date +%s)" -v end="$(state_field not-after)" 'BEGIN { print int((end - now) / 86400) }')
	if [ "$days" -ge 1 ]; then
		say "certificates: $days days left"
	else
		not_well "certificates: ended, or within a day of it; build a new bundle"
	fi
}
