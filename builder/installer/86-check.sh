# 86-check: the host's state for monitoring: one line, an exit code, and metrics if they are asked for.

check_now() {
	need_root
	need_tools
	enter_root
	INSTALLED=$(installed_entries)
	[ -n "$INSTALLED" ] || die 'nothing is installed here; run ./install.sh first'
	CLUSTER=$(state_field cluster)
	UNITS=$(installed_units)
	WAITING=
	paths=$(survey "$INSTALLED")
	drifted=$(printf '%s\n' "$paths" | awk '!/^same / { count++ } END { print count + 0 }')
	down=
	[ -n "$ROOT" ] || down=$(not_active)
	days=$(awk -v now="$(date +%s)" -v end="$(state_field not-after)" 'BEGIN { print int((end - now) / 86400) }')
	interrupted=0
	[ ! -f "$STATE/journal" ] || interrupted=1
	[ -z "$METRICS" ] || metrics | write_metrics
	summary="$drifted paths drifted, $(printf '%s' "$down" | awk 'END { print NR }') units down, certificates $days days"
	[ "$interrupted" = 0 ] || summary="$summary, a run was interrupted"
	if [ "$drifted" = 0 ] && [ -z "$down" ] && [ "$days" -ge 1 ] && [ "$interrupted" = 0 ]; then
		say_as_is "well: generation $(installed_number), $summary"
		return 0
	fi
	say_as_is "not well: generation $(installed_number), $summary; see ./install.sh status"
	return 1
}

# metrics: for the textfile collector of Prometheus' node exporter
metrics() {
	metric generation "The installed generation." "$(installed_number)"
	metric paths "Paths that are installed." "$(printf '%s\n' "$paths" | awk 'END { print NR }')"
	metric paths_drifted "Paths that are not as they were installed." "$drifted"
	metric interrupted "Whether a run was interrupted." "$interrupted"
	metric certificates_end_seconds "When the first certificate ends, in seconds since 1970." "$(state_field not-after)"
	metric checked_seconds "When this was written, in seconds since 1970." "$(date +%s)"
	[ -z "$ROOT" ] || return 0
	printf '%s\n' "# HELP bundler_unit_active Whether the unit is active." "# TYPE bundler_unit_active gauge"
	for unit in $UNITS; do
		unit_up=0
		[ "$(unit_state "$unit")" != active ] || unit_up=1
		printf '%s\n' "bundler_unit_active{unit=\"$unit\"} $unit_up"
	done
}

# metric NAME HELP VALUE
metric() {
	printf '%s\n' "# HELP bundler_$1 $2" "# TYPE bundler_$1 gauge" "bundler_$1 $3"
}

# write_metrics: the file is whole at any time; the name aside has no .prom, which the collector looks for
write_metrics() {
	metrics_aside=${METRICS%/*}/.bundler-new
	{ cat >"$metrics_aside" && chmod 0644 "$metrics_aside" && mv -f "$metrics_aside" "$METRICS"; } || die_of_disk '%s could not be written' "$METRICS"
}
