# 58-journal: what there was before. Two lists of entries, both on the disk before anything is changed:
# `origins` says what stood at our paths before the first generation, for uninstall; the `journal` of a run says
# what it aims at and, in its `was` lines, what stood there before it, for resume and abort. Contents are kept in
# files/ by their sha256.
#
# Beside MANIFEST's kinds they know: `absent - - - - PATH`, `unit STATE - - - NAME`, those of 72-beyond (sysctl, module,
# tmpfile, chain), and `link SHA256 …` for a link whose target is not plain and is kept as content.

# journal_field NAME: what the journal's head says under that name
journal_field() {
	[ ! -f "$STATE/journal" ] || manifest_field "$STATE/journal" "$1"
}

was_lines() {
	sed -n 's/^was //p' "$STATE/journal" 2>/dev/null || :
}

# origin_of PATH: the entry of what stood there before us, if something did
origin_of() {
	awk -v path="$1" '$6 == path && $1 != "absent" { print; exit }' "$STATE/origins" 2>/dev/null || :
}

# what_is PATHS FOLDERS: an entry for each path, of what stands there now. Folders may be reached by a link.
what_is() {
	{
		printf '%s\n' "$1" "$2" | awk 'NF { print "path ." $1 }'
		printf '%s\n' "$1" | awk 'NF { print "." $1 }' | xargs -r stat -c 'stat %f %a %u:%g %n' 2>/dev/null || :
		printf '%s\n' "$2" | awk 'NF { print "." $1 }' | xargs -r stat -L -c 'stat %f %a %u:%g %n' 2>/dev/null || :
		printf '%s\n' "$1" | awk 'NF { print "." $1 }' | digests
		each link_target_line "$1"
	} | awk '
		$1 == "stat" { type[$5] = substr($2, 1, length($2) - 3); mode[$5] = $3; owner[$5] = $4 }
		$1 == "digest" { digest[$3] = $2 }
		$1 == "target" { digest[$2] = $3; target[$2] = $4 }
		$1 == "path" { path[++count] = $2 }
		END {
			for (i = 1; i <= count; i++) {
				p = path[i]
				name = substr(p, 2)
				if (type[p] == "8") print "file", digest[p], mode[p], owner[p], "-", name
				else if (type[p] == "4") print "dir -", mode[p], owner[p], "-", name
				else if (type[p] == "a") print "link", digest[p], "-", owner[p], "-", name, target[p]
				else print "absent - - - -", name
			}
		}' | sed 's/ $//'
}

# link_target_line PATH: `target PATH - TARGET` of a plain target, `target PATH SHA256` of any other
link_target_line() {
	[ -L ".$1" ] || return 0
	target_text=$(readlink ".$1" && echo x)
	target_text=${target_text%"${NL}x"}
	case $target_text in
	*[!A-Za-z0-9._@+/-]*) echo "target .$1 $(printf '%s' "$target_text" | sha256sum | cut -d ' ' -f 1)" ;;
	*) echo "target .$1 - $target_text" ;;
	esac
}

# missing_folders: those that the plan needs and the host has not, parents first
missing_folders() {
	for wanted_folder in $(all_folders); do
		[ -d ".$wanted_folder" ] || echo "$wanted_folder"
	done
}

# new_origins: what stands at paths that become ours with this run, and the folders that have to be made
new_origins() {
	foreign=$(printf '%s\n' "$PLAN" | awk '$2 == "foreign" && $3 != "dir" && ($1 != "absent" || $3 == "block") { print $8 }')
	foreign_folders=$(printf '%s\n' "$PLAN" | awk '$2 == "foreign" && $3 == "dir" && $1 == "mode" { print $8 }')
	what_is "$foreign" "$foreign_folders" | sed '/^absent/d'
	printf '%s\n' "$MISSING" | awk 'NF { print "absent - - - -", $1 }'
	beyond_origins
}

# new_befores: what this run is going to change, as it is now
new_befores() {
	changing=$(
		printf '%s\n' "$PLAN" | awk 'NF && $1 != "same" && $3 != "dir" { print $8 }'
		printf '%s\n' "$STALE" | awk 'NF && $1 != "absent" && $3 != "dir" { print $8 }'
		tmpfiles_missing | awk '{ print $2 }'
	)
	changing_folders=$(
		printf '%s\n' "$MISSING"
		printf '%s\n' "$PLAN" | awk '$1 == "mode" && $3 == "dir" { print $8 }'
		printf '%s\n' "$STALE" | awk 'NF && $1 != "absent" && $3 == "dir" { print $8 }'
	)
	what_is "$changing" "$changing_folders"
	beyond_befores
	[ -n "$ROOT" ] || units_now
}

# units_now: whether each unit runs that this run may start or stop
units_now() {
	for unit in $(installed_units) $UNITS; do
		if runs "$unit"; then
			echo "unit active - - - $unit"
		else
			echo "unit inactive - - - $unit"
		fi
	done
}

# first_of_each LINES…: of the entries with one kind of thing and name, the first
first_of_each() {
	printf '%s\n' "$@" | awk '{ key = ($1 ~ /^(unit|sysctl|module|chain|tmpfile)$/ ? $1 : "") " " $6 } NF && !seen[key]++'
}

# begin_state: first the contents that may have to come back, then what was there before us, then the journal. From
# then on all paths of the journal are ours, and a run that dies is finished or undone by the next.
begin_state() {
	from_number=$(journal_field from)
	from_number=${from_number:-$(installed_number)}
	origins=$(new_origins)
	befores=$(new_befores)
	each keep_content "$(printf '%s\n' "$origins" "$befores" | awk '$1 == "file" || $1 == "link" && $2 != "-"')"
	each keep_attributes "$(printf '%s\n' "$origins" | awk '$1 == "file"')"
	each keep_source "$(small_sources)"
	first_of_each "$origins" "$(cat "$STATE/origins" 2>/dev/null || :)" | sort | write_state origins
	find "$FILES" -type f | sync_paths
	{
		state_text
		echo "# run $ACTION"
		echo "# from $from_number"
		echo "# bundle $(bundle_digest)"
		echo "# restart $RESTARTS"
		first_of_each "$(was_lines)" "$befores" | sed 's/^/was /'
	} | write_state journal
}

# bundle_digest: the digest of all digests, so that a run is resumed by the very bundle that began it
bundle_digest() {
	sha256sum <"$HERE/SHA256SUMS" | cut -d ' ' -f 1
}

# keep_content KIND SHA256 MODE OWNER - PATH: a large file is about to be replaced, so that a second name is enough
keep_content() {
	[ ! -f "$FILES/$2" ] || return 0
	TEMP=$FILES/.new
	rm -f "$TEMP"
	if [ "$1" = link ]; then
		printf '%s' "$(readlink ".$6")" >"$TEMP" || die_of_disk '%s could not be kept' "$6"
	elif [ "$(size_of ".$6")" -le "$SMALL" ] || ! ln ".$6" "$TEMP" 2>/dev/null; then
		cp -p ".$6" "$TEMP" || die_of_disk '%s could not be kept' "$6"
	fi
	mv -f "$TEMP" "$FILES/$2" || die_of_disk '%s could not be kept' "$6"
	TEMP=
}

# keep_attributes KIND SHA256 MODE OWNER - PATH: the extended attributes of what stood there before us, on an empty file
# of that name. busybox's cp knows none.
keep_attributes() {
	make_parents "$STATE/attributes$6"
	cp --attributes-only --preserve=all ".$6" "$STATE/attributes$6" 2>/dev/null || :
}

# small_sources: `SHA256 FILE` of the small new contents, which are kept at once: a generation can be gone back to,
# and a file repaired, also when someone edited it in its place. Large ones are kept when they are replaced.
small_sources() {
	printf '%s\n' "$DESIRED" | awk '$1 == "file" || $1 == "block" { print $1, $2, $6 }' | with_sizes | while read -r bytes kind digest path; do
		[ -f "$FILES/$digest" ] || [ "$bytes" -gt "$SMALL" ] || echo "$kind $digest $path"
	done
}

# keep_source KIND SHA256 PATH
keep_source() {
	source_of "$1" "$2" "$3"
	TEMP=$FILES/.new
	{ cp "$SOURCE" "$TEMP" && mv -f "$TEMP" "$FILES/$2"; } || die_of_disk '%s could not be kept' "$3"
	TEMP=
}

# write_state NAME: stdin becomes that file of the state, and is on the disk
write_state() {
	make_parents "$STATE/$1"
	TEMP=$STATE/.new
	cat >"$TEMP" || die_of_disk '/var/lib/bundler/%s could not be written' "$1"
	printf '%s\n' "$TEMP" | sync_paths
	mv -f "$TEMP" "$STATE/$1" || die_of_disk '/var/lib/bundler/%s could not be written' "$1"
	TEMP=
	printf '%s\n' "$STATE" | sync_paths
}

# open_state: the state's folder comes into being with the list of the folders that have to be made
open_state() {
	MISSING=$(missing_folders)
	if [ ! -d "$STATE" ]; then
		make_parents "$STATE"
		rm -rf "$STATE.new"
		mkdir "$STATE.new" || die_of_disk '/var/lib/bundler could not be made'
		printf '%s\n' "$MISSING" | awk 'NF { print "absent - - - -", $1 }' >"$STATE.new/origins"
		printf '%s\n' "$STATE.new/origins" | sync_paths
		mv "$STATE.new" "$STATE" || die_of_disk '/var/lib/bundler could not be made'
	fi
	{ chmod 0700 "$STATE" && mkdir -p "$FILES"; } || die_of_disk '/var/lib/bundler could not be made'
}
