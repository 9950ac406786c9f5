# 62-diff: what --dry-run shows of a change. Contents of secret files are never shown.

# show_file STATE OURS KIND SHA256 MODE OWNER UNITS PATH: a diff of a text, size and digest of anything else
show_file() {
	source_of file "$4" "$8"
	if [ "$1" = mode ]; then
		detail 'only its mode or owner: %s becomes %s %s' "$(stat -c '%a %u:%g' ".$8")" "$5" "$6"
	elif ! public "$5" || { [ -f ".$8" ] && ! public "$(stat -c %a ".$8")"; }; then
		detail 'mode %s: the content is secret and not shown' "$5"
	elif is_text "$SOURCE" && { [ ! -f ".$8" ] || is_text ".$8"; }; then
		show_diff "$8"
	else
		detail '%s bytes, sha256 %s' "$(size_of "$SOURCE")" "$4"
		[ ! -f ".$8" ] || detail 'is now %s bytes, sha256 %s' "$(size_of ".$8")" "$(sha256sum <".$8" | cut -d ' ' -f 1)"
	fi
}

# show_block PATH SHA256: the lines between our markers, old and new; by hand, as busybox's diff would copy its stdin
# into a temporary file
show_block() {
	printf '    %s\n' "--- $1 (now)" "+++ $1 (bundle)" "@@ $(block_begin) @@"
	[ ! -f ".$1" ] || block_content "$1" | sed 's/^/    -/'
	source_of block "$2" "$1"
	sed 's/^/    +/' "$SOURCE"
}

# show_diff PATH: how the host's text becomes that of SOURCE
show_diff() {
	if ! command -v diff >/dev/null; then
		detail '(no diff on this host)'
		return 0
	fi
	now=.$1
	[ -f "$now" ] || now=/dev/null
	diff -u -L "$1 (now)" -L "$1 (bundle)" "$now" "$SOURCE" | sed 's/^/    /' || :
}

# public MODE: whether others than the owner may read
public() {
	case $1 in
	*[4567]? | *[4567]) return 0 ;;
	esac
	return 1
}

# is_text FILE: judged by its first 4 KiB: no byte that a text has not
is_text() {
	[ "$(dd if="$1" bs=4096 count=1 2>/dev/null | tr -d '\t\n\r -~\200-\377' | wc -c)" -eq 0 ]
}

size_of() {
	stat -c %s "$1"
}
