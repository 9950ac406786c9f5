# 57-aside: new content is written beside its place, checked and brought to the disk before any of it takes its
# place. Until then a full disk, a bad copy or a lost power changes nothing that anyone reads.

# aside_of PATH: ASIDE becomes the name beside PATH that the new content is written to. It carries no suffix, for
# folders whose readers pick files by suffix (/etc/cni/net.d, /etc/systemd/system): each dot becomes an =, which
# no name in MANIFEST has.
aside_of() {
	ASIDE=${1%/*}/.bundler-new-
	aside_rest=${1##*/}
	while [ "$aside_rest" != "${aside_rest#*.}" ]; do
		ASIDE=$ASIDE${aside_rest%%.*}=
		aside_rest=${aside_rest#*.}
	done
	ASIDE=$ASIDE$aside_rest
}

# stage_plan: everything that is to be written lies aside, is what was built, and is on the disk
stage_plan() {
	each stage_entry "$PLAN"
	check_staged
	printf '%s' "$STAGED" | awk '{ print $2 }' | sync_paths
}

# stage_entry STATE OURS KIND SHA256 MODE OWNER UNITS PATH [TARGET]
stage_entry() {
	case $1/$3 in
	same/* | mode/file | */dir) return 0 ;;
	esac
	aside_of ".$8"
	STAGED="$STAGED$4 $ASIDE$NL"
	rm -f "$ASIDE"
	case $3 in
	file) stage_file "$@" ;;
	link) stage_link "$8" "$4" "${9-}" ;;
	block) stage_block "$8" "$4" ;;
	esac
}

stage_file() {
	source_of file "$4" "$8"
	{ cp "$SOURCE" "$ASIDE" && chown "$6" "$ASIDE" && chmod "$5" "$ASIDE" && give_attributes "$8" "$4"; } || die_of_disk '%s could not be written' "$8"
}

# give_attributes PATH SHA256: what stood there before us gets its extended attributes back
give_attributes() {
	[ -f "$STATE/attributes$1" ] || return 0
	case $(origin_of "$1") in
	"file $2 "*) cp --attributes-only --preserve=xattr "$STATE/attributes$1" "$ASIDE" 2>/dev/null || : ;;
	esac
}

# stage_link PATH SHA256 [TARGET]: an odd target is kept as a file's content, so that no word is split
stage_link() {
	link_target=${3-}
	if [ -z "$link_target" ]; then
		link_target=$(cat "$FILES/$2" && echo x)
		link_target=${link_target%x}
	fi
	ln -s "$link_target" "$ASIDE" || die_of_disk '%s could not be linked' "$1"
}

# stage_block PATH SHA256: the rest of the file, its mode and its owner stay as they are
stage_block() {
	source_of block "$2" "$1"
	if [ -f ".$1" ]; then
		cp -a ".$1" "$ASIDE" || die_of_disk '%s could not be copied' "$1"
		with_block "$1" "$SOURCE" >"$ASIDE" || die_of_disk '%s could not be written' "$1"
	else
		{ with_block "$1" "$SOURCE" >"$ASIDE" && chmod 0644 "$ASIDE"; } || die_of_disk '%s could not be written' "$1"
	fi
}

# check_staged: what lies aside has the digests of the manifest. A bundle that changes after it was verified, or a
# disk that does not keep what it is given, ends the run here.
check_staged() {
	staged_files=$(
		printf '%s\n' "$PLAN" | awk '$1 != "same" && $1 != "mode" && $3 == "file" { print $4, "." $8 }' |
			while read -r staged_digest staged_path; do
				aside_of "$staged_path"
				echo "$staged_digest $ASIDE"
			done
	)
	bad_copies=$(
		{
			printf '%s\n' "$staged_files"
			printf '%s\n' "$staged_files" | awk '{ print $2 }' | digests
		} | awk '
			$1 != "digest" { if (NF) wanted[$2] = $1; next }
			wanted[$3] == $2 { delete wanted[$3] }
			END { for (path in wanted) print path }'
	)
	[ -z "$bad_copies" ] || die 'not what the manifest lists once it was copied: %s; nothing was put in place; copy the bundle again' "$bad_copies"
}

# rename_to PATH: what lies aside takes its place
rename_to() {
	aside_of "$1"
	move_to "$ASIDE" "$1"
}

# move_to FROM PATH: mv would move into a folder that a link points to
move_to() {
	[ ! -L "$2" ] || [ ! -d "$2" ] || rm -f "$2"
	mv -f "$1" "$2" || die_of_disk '%s could not be written' "$2"
}

# sync_paths: the files and folders on stdin are on the disk after this. A sync that takes no names writes all.
sync_paths() {
	xargs -r sync 2>/dev/null || sync || die 'the disk could not be written to (sync failed); look for its errors with dmesg, then run ./install.sh again'
}

# remove_asides FOLDERS: what a run that was killed left beside its places
remove_asides() {
	for aside_folder in $1; do
		[ ! -d ".$aside_folder" ] || find ".$aside_folder/." ! -name . -prune -name '.bundler-new*' -exec rm -rf {} \;
	done
}
