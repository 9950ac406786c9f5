# 60-files: the only functions that change files of the host. Each makes one change: it writes aside in the same
# folder and renames, so that a reader sees the old file or the new one and never a part.

# write_aside PATH: TEMP becomes the name beside PATH that the new content is written to. The name carries no
# suffix, for folders whose readers pick files by suffix (/etc/cni/net.d, /etc/systemd/system).
write_aside() {
	make_parents "$1"
	TEMP=${1%/*}/.bundler-new
	rm -f "$TEMP"
}

# rename_to PATH: what was written aside takes its place
rename_to() {
	# mv would move into a folder that a link points to
	[ ! -L "$1" ] || rm -f "$1"
	mv -f "$TEMP" "$1" || die "$1 could not be written"
	TEMP=
}

# make_parents PATH: makes the folders above a path that are not there, and notes them as ours
make_parents() {
	parent=${1%/*}
	[ ! -d "$parent" ] || return 0
	missing_folders=
	while [ ! -d "$parent" ]; do
		missing_folders="$parent$NL$missing_folders"
		parent=${parent%/*}
	done
	each make_folder "$missing_folders"
}

make_folder() {
	{ mkdir "$1" && chown 0:0 "$1" && chmod 0755 "$1"; } || die "$1 could not be made"
	# the state's own folder may be the one that was just made: then the note waits for it
	CREATED_WAITING="$CREATED_WAITING${1#.}$NL"
	if [ -d "$STATE" ]; then
		printf '%s' "$CREATED_WAITING" >>"$STATE/created"
		CREATED_WAITING=
	fi
}

# put_file PATH MODE STATE
put_file() {
	if would "write $1"; then
		show_file "$1" "$2" "$3"
		return 0
	fi
	write_aside ".$1"
	{ cp "$HERE/root$1" "$TEMP" && chown 0:0 "$TEMP" && chmod "$2" "$TEMP"; } || die "$1 could not be written"
	rename_to ".$1"
	say "wrote $1"
}

# put_link PATH TARGET
put_link() {
	! would "link $1 to $2" || return 0
	write_aside ".$1"
	ln -s "$2" "$TEMP" || die "$1 could not be linked"
	rename_to ".$1"
	say "linked $1 to $2"
}

# put_dir PATH MODE STATE OURS: a folder with that mode; the mode of a foreign one is noted for --uninstall
put_dir() {
	! would "make $1 with mode $2" || return 0
	make_parents ".$1"
	if [ "$3" = absent ]; then
		make_folder ".$1"
	elif [ "$4" = foreign ]; then
		stat -L -c "dir - %a %u:%g - $1" ".$1" >>"$STATE/modes"
	fi
	{ chown 0:0 ".$1" && chmod "$2" ".$1"; } || die "$1 could not be given mode $2"
	say "made $1 with mode $2"
}

# put_block PATH: the bundle's lines between our two marker lines, in a file that otherwise stays as it is
put_block() {
	if would "write the block of $1"; then
		show_block "$1"
		return 0
	fi
	write_aside ".$1"
	if [ -f ".$1" ]; then
		cp -p ".$1" "$TEMP" || die "$1 could not be copied"
		with_block "$1" >"$TEMP" || die "$1 could not be written"
	else
		{ with_block "$1" >"$TEMP" && chmod 0644 "$TEMP"; } || die "$1 could not be written"
	fi
	rename_to ".$1"
	say "wrote the block of $1"
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

# with_block PATH: the host's file with the bundle's block in the place of the old one, or at the end
with_block() {
	with_block_of=.$1
	[ -f "$with_block_of" ] || with_block_of=/dev/null
	awk -v begin="$(block_begin)" -v end="$(block_end)" '
		FILENAME == ARGV[1] { block = block $0 "\n"; next }
		$0 == begin { printf "%s\n%s%s\n", begin, block, end; done = inside = 1; next }
		$0 == end { inside = 0; next }
		!inside
		END { if (!done) printf "%s\n%s%s\n", begin, block, end }' "$HERE/blocks$1" "$with_block_of"
}

# without_block PATH: the host's file without our lines
without_block() {
	awk -v begin="$(block_begin)" -v end="$(block_end)" '
		$0 == begin { inside = 1; next }
		$0 == end { inside = 0; next }
		!inside' ".$1"
}

# keep_original PATH: a copy of what stood there before us, for --uninstall
keep_original() {
	original=$STATE/original$1
	write_aside "$original"
	cp -pP ".$1" "$TEMP" || die "$1 could not be kept aside"
	rename_to "$original"
}

# put_back PATH: what stood there before us, or nothing
put_back() {
	original=$STATE/original$1
	if there "$original"; then
		! would "put back $1" || return 0
		write_aside ".$1"
		cp -pP "$original" "$TEMP" || die "$1 could not be put back"
		rename_to ".$1"
		rm -f "$original"
		REMOVED=$((REMOVED + 1))
		say "put back $1"
	elif there ".$1"; then
		! would "remove $1" || return 0
		rm -f ".$1" || die "$1 could not be removed"
		REMOVED=$((REMOVED + 1))
		say "removed $1"
	fi
}

# take_out_block PATH: our lines leave the file; the rest of it stays as it is now
take_out_block() {
	# the x keeps empty lines at the end
	if [ "$(without_block "$1" && echo x)" = "$(original_lines "$1" && echo x)" ]; then
		put_back "$1" # nobody else changed it: also its last line's missing newline comes back
		return 0
	fi
	! would "take the block out of $1" || return 0
	write_aside ".$1"
	{ cp -p ".$1" "$TEMP" && without_block "$1" >"$TEMP"; } || die "$1 could not be written"
	rename_to ".$1"
	REMOVED=$((REMOVED + 1))
	say "took the block out of $1"
}

original_lines() {
	[ ! -f "$STATE/original$1" ] || awk 1 "$STATE/original$1"
}

# write_state NAME: stdin becomes that file of the state
write_state() {
	write_aside "$STATE/$1"
	cat >"$TEMP" || die "/var/lib/bundler/$1 could not be written"
	rename_to "$STATE/$1"
}
