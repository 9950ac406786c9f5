# 48-paths: is there room for the files, and does no folder, file or link stand in their way?

# check_paths: nothing in the way of any entry. Never ignorable: a write would fail half-way, or leave the image.
check_paths() {
	each check_folder "$(all_folders)"
	each check_entry "$(desired_entries)"
}

# all_folders: every folder that an entry needs, parents first
all_folders() {
	{
		desired_entries
		echo "file - - - - /var/lib/bundler/manifest"
		echo "file - - - - /var/log/bundler/install.log"
	} | awk '{
		count = split($6, part, "/")
		folder = ""
		for (i = 2; i <= ($1 == "dir" ? count : count - 1); i++) { folder = folder "/" part[i]; print folder }
	}' | sort -u
}

check_folder() {
	there ".$1" || return 0
	if [ ! -d ".$1" ]; then
		problem Paths "$1 is not a folder; move it away"
	elif [ -n "$ROOT" ] && [ -L ".$1" ]; then
		inside_root "$1" || problem Paths "$1 is a link that leads out of $ROOT; make it a relative link, or a folder"
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
		problem Paths "$6 is a folder where a $1 must be; move it away"
	elif [ "$1" = block ] && there ".$6"; then
		check_block_file "$6"
	fi
}

# check_block_file PATH: a file that a block can be put into and taken out of without harm to its other lines
check_block_file() {
	if [ -L ".$1" ] || [ ! -f ".$1" ]; then
		problem Paths "$1 is not a plain file; make it one"
	elif ! awk -v begin="$(block_begin)" -v end="$(block_end)" '
		$0 == begin { if (open || blocks++) exit 1; open = 1 }
		$0 == end { if (!open) exit 1; open = 0 }
		END { if (open) exit 1 }' ".$1"; then
		problem Paths "$1: the lines '$(block_begin)' and '$(block_end)' do not make one block; put them right"
	fi
}

# check_disk: every file system has room for what will be written to it. On a host without a bundle the one
# that holds /opt must have DISK_KIB.
check_disk() {
	needs=$(kib_to_write | while read -r folder kib; do
		[ "$folder" != /opt ] || [ -n "$INSTALLED" ] || kib=$DISK_KIB
		echo "$(file_system "$folder") $kib"
	done | awk '{ free[$1] = $2; mount[$1] = $3; need[$1] += $4 }
		END { for (device in need) if (need[device] > free[device]) print mount[device], int(need[device] / 1024) + 1, int(free[device] / 1024) }')
	each disk_problem "$needs"
}

disk_problem() {
	problem Disk "$1 needs $2 MiB free and has $3 MiB; make room"
}

# kib_to_write: top folder and KiB of the files of the plan that are not there yet
kib_to_write() {
	printf '%s\n' "$PLAN" | awk '$1 != "same" && $3 == "file" { print "./root" $8 }' |
		(cd "$HERE/" && xargs -r stat -c '%s %n') |
		awk '{ split($2, part, "/"); sum["/" part[3]] += $1 } END { for (folder in sum) print folder, int(sum[folder] / 1024) + 1 }'
}

# file_system FOLDER: device, free KiB and the folder that is there: itself, or the root that it will be made in.
# Not df: busybox's knows no file system whose mount point it does not see, as in a chroot.
file_system() {
	space_of=.$1
	[ -d "$space_of" ] || space_of=.
	space_name=${space_of#.}
	space_free=$(stat -f -c '%a %S' "$space_of" | awk '{ printf "%.0f", $1 * $2 / 1024 }')
	echo "$(stat -c %d "$space_of") $space_free ${space_name:-/}"
}
