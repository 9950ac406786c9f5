# 66-generations: the bundles that were installed here, and that can be gone back to.

# installed_number: the generation that is installed, or 0
installed_number() {
	manifest_number=$(sed -n 's/^# generation //p' "$STATE/manifest" 2>/dev/null | awk 'NR == 1' || :)
	echo "${manifest_number:-0}"
}

# generation_numbers: those that are kept, in order
generation_numbers() {
	[ ! -d "$STATE/generations" ] || find "$STATE/generations" -type f -name manifest | awk -F / '{ print $(NF - 1) }' | sort -n
}

# number_of_target: a bundle that is installed already keeps its number, any other gets the next one
number_of_target() {
	if [ "$ACTION" = rollback ]; then
		echo "$TO"
		return 0
	fi
	wanted_text=$(state_text | sed '/^# generation /d')
	for number_file in "$STATE/manifest" "$STATE/journal"; do
		[ -f "$number_file" ] || continue
		if [ "$(sed -e '/^# generation /d' -e '/^# run /d' -e '/^# from /d' -e '/^# bundle /d' -e '/^# restart /d' -e '/^was /d' "$number_file")" = "$wanted_text" ]; then
			sed -n 's/^# generation //p' "$number_file"
			return 0
		fi
	done
	{
		generation_numbers
		installed_number
	} | sort -n | awk 'END { print $1 + 1 }'
}

# adopt_manifest FILE: what that manifest says becomes what is desired; contents come from files/
adopt_manifest() {
	SOURCE_KEPT=1
	DESIRED=$(sed '/^#/d' "$1")
	CLUSTER=$(manifest_field "$1" cluster)
	NODE=$(manifest_field "$1" node)
	KUBERNETES=$(manifest_field "$1" kubernetes)
	BUNDLER_VERSION=$(manifest_field "$1" bundler)
	NOT_AFTER=$(manifest_field "$1" not-after)
	POD_SUBNET=$(manifest_field "$1" subnet)
	UNITS=$(manifest_field "$1" units)
	WAITING=$(manifest_field "$1" waiting)
	GENERATION=$(manifest_field "$1" generation)
}

# manifest_field FILE NAME: the first line says which format it is
manifest_field() {
	sed -n "1d; s/^# $2 //p" "$1" | awk 'NR == 1'
}

# end_state: what is desired is what is installed, and the run has ended
end_state() {
	! would 'record this bundle in /var/lib/bundler as generation %s' "$GENERATION" || return 0
	state_text | write_state "generations/$GENERATION/manifest"
	state_text | write_state manifest
	end_run
	say 'recorded this bundle in /var/lib/bundler as generation %s' "$GENERATION"
}

# end_run: the journal is closed, and with it goes what nobody can go back to any more. Under its other name it only
# says that this tidying has not ended.
end_run() {
	[ ! -f "$STATE/journal" ] || mv -f "$STATE/journal" "$STATE/journal.done" || die_of_disk 'the journal could not be closed'
	printf '%s\n' "$STATE" | sync_paths
	prune_origins
	prune_generations
	prune_files
	rm -f "$STATE/journal.done"
}

# end_tidying: what a run that died after its work was done has left
end_tidying() {
	[ -z "$DRY" ] && [ -f "$STATE/journal.done" ] || return 0
	take_lock
	clean_up
	end_run
}

# prune_origins: what stood at a path before us is of no use once the path is not ours, nor a folder that is gone
prune_origins() {
	{
		sed 's/^/entry /' "$STATE/manifest"
		made_folders | while read -r folder; do
			[ ! -d ".$folder" ] || echo "entry - - - - - $folder"
		done
		cat "$STATE/origins"
	} | awk '
		$1 == "entry" { ours[$7] = 1; next }
		$1 ~ /^(sysctl|module|chain|tmpfile)$/ || ($6 in ours)' | sort >"$STATE/.have"
	[ "$(cat "$STATE/.have")" = "$(cat "$STATE/origins")" ] || write_state origins <"$STATE/.have"
	rm -f "$STATE/.have"
}

# prune_generations: the newest stay, and the installed one
prune_generations() {
	generation_numbers | sort -rn | awk -v keep="$KEEP" -v installed="$(installed_number)" '
		$1 == installed { next }
		++count > keep - 1' | while read -r number; do
		rm -rf "$STATE/generations/$number"
	done
}

# prune_files: contents that no list names
prune_files() {
	find "$FILES" -type f | awk -F / '{ print $NF }' >"$STATE/.have"
	find "$STATE" -type f \( -name manifest -o -name origins -o -name journal \) -exec cat {} + | awk '
		FILENAME != "-" { have[$1] = 1; next }
		{ delete have[$1 == "was" ? $3 : $2] }
		END { for (name in have) print name }' "$STATE/.have" - | while read -r name; do
		rm -f "$FILES/$name"
	done
	rm -f "$STATE/.have"
}

# list_generations: number, versions, and which one is installed
list_generations() {
	need_root
	need_tools
	enter_root
	[ -n "$(generation_numbers)" ] || die 'nothing is installed here; run ./install.sh first'
	for number in $(generation_numbers); do
		generation_file=$STATE/generations/$number/manifest
		express 'generation %s: Kubernetes %s, bundler %s, %s paths, written %s' "$number" "$(manifest_field "$generation_file" kubernetes)" \
			"$(manifest_field "$generation_file" bundler)" "$(grep -vc '^#' "$generation_file")" "$(date -u -r "$generation_file" +%Y-%m-%dT%H:%M:%SZ)"
		[ "$number" != "$(installed_number)" ] || within '%s (installed)'
		tell
	done
}
