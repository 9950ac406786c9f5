# 50-manifest: what should be there, what is there, and so what is to be done. Reads only.

# An entry is a line of MANIFEST: KIND SHA256 MODE OWNER UNITS PATH [TARGET].

# bundle_entries: MANIFEST without its first line, and the links that enable the units
bundle_entries() {
	sed 1d "$HERE/MANIFEST"
	for unit in $UNITS; do
		[ ! -f "$HERE/root$UNIT_FOLDER/$unit" ] || enabling_links "$unit" <"$HERE/root$UNIT_FOLDER/$unit"
	done
}

# source_of KIND SHA256 PATH: SOURCE becomes the file that holds an entry's content: in the bundle, or kept here. What
# is not kept may be in the bundle at hand; its digest is compared before it is put in place (57-aside).
source_of() {
	SOURCE=$HERE/root$3
	[ "$1" != block ] || SOURCE=$HERE/blocks$3
	[ -z "$SOURCE_KEPT" ] || [ ! -f "$FILES/$2" ] || SOURCE=$FILES/$2
}

# enabling_links UNIT: the entries that `systemctl enable` would make of the [Install] section on stdin
enabling_links() {
	awk -v unit="$1" -v folder="$UNIT_FOLDER" '
		sub(/^WantedBy=/, "") { kind = "wants" }
		sub(/^RequiredBy=/, "") { kind = "requires" }
		kind {
			for (i = 1; i <= NF; i++) print "link - - 0:0 - " folder "/" $i "." kind "/" unit " " folder "/" unit
			kind = ""
		}'
}

# state_text: the text of the state's manifest for what is desired
state_text() {
	printf '%s\n' "# bundler manifest 1" "# generation $GENERATION" "# cluster $CLUSTER" "# node $NODE" \
		"# kubernetes $KUBERNETES" "# bundler $BUNDLER_VERSION" "# not-after $NOT_AFTER" "# subnet $POD_SUBNET" "# waiting $WAITING" \
		"# units $UNITS"
	printf '%s\n' "$DESIRED"
}

# state_files: what says what we put here: the manifest, and the journal of a run that has not ended
state_files() {
	[ ! -f "$STATE/manifest" ] || cat "$STATE/manifest"
	[ ! -f "$STATE/journal" ] || sed '/^was /d' "$STATE/journal"
}

# state_field NAME: what the state says under that name
state_field() {
	state_files | sed -n "s/^# $1 //p" | tail -n 1
}

# installed_entries: the entries of the state, one a path; a path of two manifests carries both digests
installed_entries() {
	state_files | awk '
		/^#/ { next }
		{
			if ($6 in digest) digest[$6] = digest[$6] "," $2
			else { order[++count] = $6; digest[$6] = $2 }
			line[$6] = $0
		}
		END {
			for (i = 1; i <= count; i++) {
				$0 = line[order[i]]
				$2 = digest[order[i]]
				print
			}
		}'
}

# survey ENTRIES: each entry with what the host has, as STATE OURS KIND SHA256 MODE OWNER UNITS PATH [TARGET].
# STATE: same, absent, mode (only mode or owner differ), content, or other (something of another kind).
# OURS: whether the installed bundle lists the path. All hashing is done by one process.
survey() {
	{
		printf '%s\n' "$INSTALLED" | awk 'NF { print "ours", $6 }'
		host_stats "$1"
		host_digests "$1"
		each host_link "$(entries_of link "$1")"
		each host_block "$(entries_of block "$1")"
		printf '%s\n' "$1" | awk 'NF { print "entry", $0 }'
	} | judge
}

# entries_of KIND ENTRIES
entries_of() {
	printf '%s\n' "$2" | awk -v kind="$1" '$1 == kind'
}

# host_paths KIND ENTRIES: the paths, relative to the host's root
host_paths() {
	entries_of "$1" "$2" | awk '{ print "." $6 }'
}

# host_stats ENTRIES: `stat TYPE MODE OWNER PATH` of what is there; a folder may be reached by a link
host_stats() {
	{
		{
			host_paths file "$1"
			host_paths link "$1"
			host_paths block "$1"
		} | xargs -r stat -c 'stat %f %a %u:%g %n' 2>/dev/null || :
		host_paths dir "$1" | xargs -r stat -L -c 'stat %f %a %u:%g %n' 2>/dev/null || :
	} | awk '{ $2 = substr($2, 1, length($2) - 3); print }'
}

# host_digests ENTRIES: `digest SHA256 PATH` of the plain files that are there; what was read just now is not read again
host_digests() {
	printf '%s\n' "$HASHED"
	{
		printf '%s\n' "$HASHED"
		host_paths file "$1"
	} | awk '$1 == "digest" { known[$3] = 1; next } NF && !($1 in known)' | digests
}

host_link() {
	[ ! -L ".$6" ] || echo "target $(readlink ".$6") .$6"
}

host_block() {
	[ ! -f ".$6" ] || [ -L ".$6" ] || ! has_block "$6" || echo "digest $(block_content "$6" | sha256sum | cut -d ' ' -f 1) .$6"
}

judge() {
	awk '
		function differs(path, mode, holder) {
			sub(/^0+/, "", mode)
			return mode != bits[path] || owner[path] != holder
		}
		function state_of(kind, wanted, mode, holder, path, target) {
			if (kind == "block") return !(path in digest) ? "absent" : (digest_ok(wanted, path) ? "same" : "content")
			if (!(path in type)) return "absent"
			if (kind == "dir") return type[path] != "4" ? "other" : (differs(path, mode, holder) ? "mode" : "same")
			if (kind == "link") return type[path] != "a" ? "other" : (target != "" && link[path] == target ? "same" : "content")
			if (type[path] != "8") return "other"
			if (!digest_ok(wanted, path)) return "content"
			return differs(path, mode, holder) ? "mode" : "same"
		}
		function digest_ok(wanted, path) { return index("," wanted ",", "," digest[path] ",") > 0 }
		$1 == "ours" { ours["." $2] = 1 }
		$1 == "stat" { type[$5] = $2; bits[$5] = $3; owner[$5] = $4 }
		$1 == "digest" { digest[$3] = $2 }
		$1 == "target" { link[$3] = $2 }
		$1 == "entry" {
			path = "." $7
			sub(/^entry /, "")
			print state_of($1, $2, $3, $4, path, $7), (path in ours ? "ours" : "foreign"), $0
		}'
}

# make_plan: PLAN for every entry of the bundle, STALE for what an older bundle left, and what follows from them
make_plan() {
	INSTALLED=$(installed_entries)
	PLAN=$(survey "$DESIRED")
	STALE=$(survey "$(not_desired "$INSTALLED")")
	UNFINISHED=
	[ ! -f "$STATE/journal" ] || UNFINISHED=1
	GENERATION=$(number_of_target)
	RESTARTS=$(units_to_restart)
	KERNEL_PLAN=
	UNIT_PLAN=
	[ -n "$ROOT" ] || plan_running
}

# not_desired ENTRIES: those whose path is not desired any more
not_desired() {
	printf '%s\n' "$DESIRED" "--" "$1" | awk '
		$1 == "--" { second = 1; next }
		!second { wanted[$6] = 1; next }
		NF && !($6 in wanted)'
}

# units_to_restart: the units whose inputs change, or changed in a run that did not end
units_to_restart() {
	{
		printf '%s\n' "$PLAN" | awk '$1 != "same" && NF && $7 != "-" { print $7 }'
		printf '%s\n' "$STALE" | awk '$1 != "absent" && NF && $7 != "-" { print $7 }'
		[ -z "$UNFINISHED" ] || sed -n 's/^# restart //p' "$STATE/journal"
		! subnet_changed && ! renamed || echo kubelet.service # it is stopped meanwhile
	} | tr ',' ' ' | tr -s ' ' '\n' | awk 'NF && !seen[$0]++' | tr '\n' ' '
}

# changed_below FOLDER: whether an entry below it is written or removed
changed_below() {
	{
		printf '%s\n' "$PLAN" | grep -v '^same '
		printf '%s\n' "$STALE"
	} | awk -v folder="$1/" 'index($8, folder) == 1 { found = 1 } END { exit !found }'
}

# nothing_to_do: the host is as the bundle wants it, and the state says so
nothing_to_do() {
	[ -z "$STALE$KERNEL_PLAN$UNIT_PLAN$UNFINISHED" ] || return 1
	! printf '%s\n' "$PLAN" | grep -qv '^same ' || return 1
	[ -f "$STATE/manifest" ] && [ "$(cat "$STATE/manifest")" = "$(state_text)" ]
}
