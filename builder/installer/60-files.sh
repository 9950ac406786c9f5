# 60-files: the only functions that change files of the host. Each makes one change; what it puts in place lies
# aside already (57-aside), so that a reader sees the old file or the new one and never a part.

# make_parents PATH: makes the folders above a path that are not there
make_parents() {
	parent=${1%/*}
	[ ! -d "$parent" ] || return 0
	missing_parents=
	while [ ! -d "$parent" ]; do
		missing_parents="$parent$NL$missing_parents"
		parent=${parent%/*}
	done
	each make_folder "$missing_parents"
}

# make_folder PATH: it has its mode from the first moment on, as nobody would correct it after a lost power
make_folder() {
	[ -d "$1" ] || (umask 022 && mkdir "$1" && chown 0:0 "$1") || die_of_disk '%s could not be made' "$1"
}

# put_dir PATH MODE OWNER: a folder with that mode
put_dir() {
	! would 'make %s with mode %s' "$1" "$2" || return 0
	make_parents ".$1"
	make_folder ".$1"
	{ chown "$3" ".$1" && chmod "$2" ".$1"; } || die_of_disk '%s could not be given mode %s' "$1" "$2"
	say 'made %s with mode %s' "$1" "$2"
}

# put_file STATE OURS KIND SHA256 MODE OWNER UNITS PATH
put_file() {
	if would 'write %s' "$8"; then
		show_file "$@" | show
		return 0
	fi
	if [ "$1" = mode ]; then
		{ chown "$6" ".$8" && chmod "$5" ".$8"; } || die_of_disk '%s could not be given mode %s' "$8" "$5"
	else
		rename_to ".$8"
	fi
	say 'wrote %s' "$8"
}

# put_link PATH TARGET
put_link() {
	! would 'link %s to %s' "$1" "$2" || return 0
	rename_to ".$1"
	say 'linked %s to %s' "$1" "$2"
}

# put_block PATH SHA256: the bundle's lines between our two marker lines, in a file that otherwise stays as it is
put_block() {
	if would 'write the block of %s' "$1"; then
		show_block "$1" "$2" | show
		return 0
	fi
	rename_to ".$1"
	say 'wrote the block of %s' "$1"
}

block_begin() {
	echo "# BEGIN bundler $CLUSTER"
}

block_end() {
	echo "# END bundler $CLUSTER"
}

has_block() {
	grep -qxF "$(block_begin)" ".$1"
}

# block_content PATH: the lines between the markers
block_content() {
	awk -v begin="$(block_begin)" -v end="$(block_end)" '
		$0 == end { inside = 0 }
		inside
		$0 == begin { inside = 1 }' ".$1"
}

# with_block PATH FILE: the host's file with FILE's lines as the block in the place of the old one, or at the end
with_block() {
	with_block_of=.$1
	[ -f "$with_block_of" ] || with_block_of=/dev/null
	awk -v begin="$(block_begin)" -v end="$(block_end)" '
		FILENAME == ARGV[1] { block = block $0 "\n"; next }
		$0 == begin { printf "%s\n%s%s\n", begin, block, end; done = inside = 1; next }
		$0 == end { inside = 0; next }
		!inside
		END { if (!done) printf "%s\n%s%s\n", begin, block, end }' "$2" "$with_block_of"
}

# without_block PATH: the host's file without our lines
without_block() {
	awk -v begin="$(block_begin)" -v end="$(block_end)" '
		$0 == begin { inside = 1; next }
		$0 == end { inside = 0; next }
		!inside' ".$1"
}

# put_back PATH: what stood there before us, or nothing
put_back() {
	origin=$(origin_of "$1")
	if [ -n "$origin" ]; then
		! would 'put back %s' "$1" || return 0
		source_kept_before=$SOURCE_KEPT
		SOURCE_KEPT=1
		each stage_entry "absent ours $origin"
		SOURCE_KEPT=$source_kept_before
		check_origin "$1" "$origin"
		rename_to ".$1"
		STAGED=
		REMOVED=$((REMOVED + 1))
		say 'put back %s' "$1"
	elif there ".$1"; then
		! would 'remove %s' "$1" || return 0
		rm -f ".$1" || die_of_disk '%s could not be removed' "$1"
		REMOVED=$((REMOVED + 1))
		say 'removed %s' "$1"
	fi
}

# check_origin PATH ENTRY: what lies aside is what stood there
check_origin() {
	case $2 in
	"file "*) ;;
	*) return 0 ;;
	esac
	aside_of ".$1"
	origin_digest=${2#file }
	[ "$(sha256sum <"$ASIDE" | cut -d ' ' -f 1)" = "${origin_digest%% *}" ] ||
		die 'what stood at %s is not whole any more in /var/lib/bundler/files; nothing was put there; put a copy of it, with that sha256, at /var/lib/bundler/files/%s, then run this again' "$1" "${origin_digest%% *}"
}

# take_out_block PATH: our lines leave the file; the rest of it stays as it is now
take_out_block() {
	# the x keeps empty lines at the end
	if [ "$(without_block "$1" && echo x)" = "$(original_lines "$1" && echo x)" ]; then
		put_back "$1" # nobody else changed it: also its last line's missing newline comes back
		return 0
	fi
	! would 'take the block out of %s' "$1" || return 0
	aside_of ".$1"
	STAGED="- $ASIDE$NL"
	{ cp -a ".$1" "$ASIDE" && without_block "$1" >"$ASIDE"; } || die_of_disk '%s could not be written' "$1"
	rename_to ".$1"
	STAGED=
	REMOVED=$((REMOVED + 1))
	say 'took the block out of %s' "$1"
}

# original_lines PATH: the lines of the file that stood there before us
original_lines() {
	original_file=$(origin_of "$1" | awk '$1 == "file" { print $2 }')
	[ -z "$original_file" ] || awk 1 "$FILES/$original_file"
}
