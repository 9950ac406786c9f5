# 85-status: what is installed, and whether the host still is as it was installed.

show_status() {
	need_root
	need_tools
	enter_root
	INSTALLED=$(installed_entries)
	[ -n "$INSTALLED" ] || die 'nothing is installed here; run ./install.sh first'
	CLUSTER=$(state_field cluster)
	WELL=1
	say 'node %s of cluster %s: Kubernetes %s, bundler %s' "$(state_field node)" "$CLUSTER" "$(state_field kubernetes)" "$(state_field bundler)"
	say 'generation %s of those that are kept: %s' "$(installed_number)" "$(generation_numbers | tr '\n' ' ')"
	if [ -f "$STATE/journal" ]; then
		not_well 'a run was interrupted (%s); finish it with ./install.sh resume, or undo it with ./install.sh abort' "$(journal_field run)"
	fi
	DRIFTED=
	each status_entry "$(survey "$INSTALLED")"
	say '%s paths are as installed' "$UNCHANGED"
	[ -z "$DRIFTED" ] || say 'put the others back with: ./install.sh repair'
	if [ -z "$ROOT" ]; then
		status_units
	fi
	status_certificates
	[ -n "$WELL" ]
}

# not_well FORMAT [ARG]...
not_well() {
	WELL=
	say "$@"
}

# drift FORMAT PATH
drift() {
	DRIFTED=1
	not_well "$@"
}

# status_entry STATE OURS KIND SHA256 MODE OWNER UNITS PATH [TARGET]
status_entry() {
	case $1 in
	same) UNCHANGED=$((UNCHANGED + 1)) ;;
	absent) drift 'missing: %s' "$8" ;;
	mode) drift 'mode or owner changed: %s' "$8" ;;
	*) drift 'changed: %s' "$8" ;;
	esac
}

status_units() {
	for unit in $(installed_units); do
		unit_now=$(unit_state "$unit")
		if [ "$unit_now" = active ]; then
			say '%s: active' "$unit"
		else
			not_well '%s: %s; see: journalctl -u %s -n 50' "$unit" "${unit_now:-unknown}" "$unit"
		fi
	done
}

status_certificates() {
	days=$(awk -v now="$(date +%s)" -v end="$(state_field not-after)" 'BEGIN { print int((end - now) / 86400) }')
	if [ "$days" -ge 1 ]; then
		say 'certificates: %s days left' "$days"
	else
		not_well 'certificates: ended, or within a day of it; build a new bundle'
	fi
}
