# 48-paths: is there room for the files, and does no folder, file or link stand in their way?

# check_paths: nothing in the way of any entry. Never ignorable: a write would fail half-way, or leave the image.
check_paths() {
	each check_folder "$(all_folders)"
	each check_entry "$DESIRED"
}

# all_folders: every folder that an entry needs, parents first
all_folders() {
	{
		printf '%s\n' "$DESIRED"
		echo "file - - - - /var/lib/bundler/manifest"
		echo "file - - - - /var/log/bundler/install.log"
	} | awk 'NF {
		count = split($6, part, "/")
		folder = ""
		for (i = 2; i <= ($1 == "dir" ? count : count - 1); i++) { folder = folder "/" part[i]; print folder }
	}' | sort -u
}

check_folder() {
	there ".$1" || return 0
	if [ ! -d ".$1" ]; then
		problem Paths '%s is not a folder; move it away' "$1"
	elif [ -n "$ROOT" ] && [ -L ".$1" ]; then
		inside_root "$1" || problem Paths '%s is a link that leads out of %s; make it a relative link, or a folder' "$1" "$ROOT"
	fi
}

inside_root() {
	case $(cd ".$1" && pwd -P)/ in
	"${ROOT%/}"/*) return 0 ;;
	esac
	return 1
}

# check_entry KIND SHA256 MODE OWNER UNITS PATH
check_entry() {
	[ "$1" != dir ] || return 0
	if [ -d ".$6" ] && [ ! -L ".$6" ]; then
		problem Paths '%s is a folder where a %s must be; move it away' "$6" "$1"
	elif [ "$1" = block ] && there ".$6"; then
		check_block_file "$6"
	elif there ".$6" && [ ! -f ".$6" ] && [ ! -L ".$6" ]; then
		problem Paths '%s is a device, pipe or socket; move it away' "$6"
	fi
}

# check_block_file PATH: a file that a block can be put into and taken out of without harm to its other lines
check_block_file() {
	if [ -L ".$1" ] || [ ! -f ".$1" ]; then
		problem Paths '%s is not a plain file; make it one' "$1"
	elif ! awk -v begin="$(block_begin)" -v end="$(block_end)" '
		$0 == begin { if (open || blocks++) exit 1; open = 1 }
		$0 == end { if (!open) exit 1; open = 0 }
		END { if (open) exit 1 }' ".$1"; then
		problem Paths "%s: the lines '%s' and '%s' do not make one block; put them right" "$1" "$(block_begin)" "$(block_end)"
	fi
}

# check_disk: every file system has room, and inodes, for what lies on it at the worst moment: the new files beside the
# old ones, and what is kept. On a host without a bundle the one that holds /opt must have DISK_KIB.
check_disk() {
	lacking=$(
		bytes_to_write | by_place | while read -r folder bytes inodes; do
			echo "$(file_system "$folder") $bytes $inodes"
		done | awk '
			{ free[$1] = $2; nodes[$1] = $3; mount[$1] = $4; need[$1] += $5; wanted[$1] += $6 }
			END {
				for (device in need) {
					if (need[device] > free[device])
						print "Disk", mount[device], int(need[device] / 1048576) + 1, int(free[device] / 1048576)
					if (nodes[device] != "-" && wanted[device] > nodes[device])
						print "Inodes", mount[device], wanted[device], nodes[device]
				}
			}'
	)
	each disk_problem "$lacking"
}

# disk_problem NAME FOLDER NEEDED FREE
disk_problem() {
	case $1 in
	Disk) problem Disk '%s needs %s MiB free and has %s MiB; make room' "$2" "$3" "$4" ;;
	Inodes) problem Inodes '%s needs %s inodes free and has %s inodes; make room' "$2" "$3" "$4" ;;
	esac
}

# bytes_to_write: `FOLDER BYTES INODES`: each new file in its folder, and what the state keeps: small new contents,
# and files that are replaced, where a second name cannot do (another file system)
bytes_to_write() {
	writing=$(printf '%s\n' "$PLAN" | awk '$1 != "same" && $1 != "mode" && $3 == "file" { print $3, $4, $8, $1 }')
	[ -n "$INSTALLED" ] || [ -z "$writing" ] || echo "/opt $(awk -v kib="$DISK_KIB" 'BEGIN { printf "%.0f", kib * 1024 }') 0"
	printf '%s\n' "$PLAN" | awk '$1 != "same" && $3 == "link" { sub(/\/[^\/]*$/, "", $8); print $8, 0, 1 }'
	missing_folders | awk '{ print $1, 4096, 1 }'
	state_device=$(file_system /var/lib/bundler)
	printf '%s\n' "$writing" | with_sizes | while read -r bytes kind digest path state; do
		# what /opt gets at first is in DISK_KIB
		[ -n "$INSTALLED" ] || case $path in /opt/*) bytes=0 ;; esac
		echo "${path%/*} $((bytes / 4096 * 4096 + 4096)) 1"
		[ "$bytes" -gt "$SMALL" ] || echo "/var/lib/bundler $((bytes / 4096 * 4096 + 4096)) 1"
		[ "$state" != content ] || kept_bytes "$path"
	done
}

# with_sizes: lines of `KIND SHA256 PATH …` with the bytes of their sources before them, by one process for all;
# those whose source is not here are left out
with_sizes() {
	set --
	sized_lines=
	while read -r kind digest path rest; do
		[ -n "$kind" ] || continue
		source_of "$kind" "$digest" "$path"
		[ -f "$SOURCE" ] || continue
		set -- "$@" "$SOURCE"
		sized_lines="$sized_lines$kind $digest $path $rest$NL"
	done
	[ $# -eq 0 ] || {
		stat -c %s "$@"
		printf '%s' "$sized_lines"
	} | awk 'NF == 1 { size[++sizes] = $1; next } { print size[++lines], $0 }'
}

# by_place: `FOLDER BYTES INODES` summed by the folder that is there already
by_place() {
	while read -r folder bytes inodes; do
		place_of "$folder"
		echo "${PLACE:-/} $bytes $inodes"
	done | awk '{ bytes[$1] += $2; inodes[$1] += $3 } END { for (folder in bytes) printf "%s %.0f %d\n", folder, bytes[folder], inodes[folder] }'
}

# place_of FOLDER: PLACE becomes the folder that is there: itself, or the one that it will be made in; empty for /
place_of() {
	PLACE=$1
	while [ ! -d ".$PLACE" ]; do
		PLACE=${PLACE%/*}
	done
}

# kept_bytes PATH: what it takes to keep what stands there now
kept_bytes() {
	here=$(file_system "${1%/*}")
	[ "${here%% *}" = "${state_device%% *}" ] || echo "/var/lib/bundler $(size_of ".$1") 1"
}

# file_system FOLDER: device, free bytes, free inodes (- where they are not counted), and the folder's place_of.
# Not df: busybox's knows no file system whose mount point it does not see, as in a chroot.
file_system() {
	place_of "$1"
	space_free=$(stat -f -c '%a %S %c %d' ".$PLACE" | awk '{ printf "%.0f %s", $1 * $2, ($3 > 0 ? $4 : "-") }')
	echo "$(stat -c %d ".$PLACE") $space_free ${PLACE:-/}"
}
