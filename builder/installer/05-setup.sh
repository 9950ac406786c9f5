# 05-setup: the ground that the other fragments stand on.
#
# From `enter_root` on, the working folder is the root of the host's tree (/ or the --root folder), and every
# path of the host is written relative to it: ./opt/kubernetes. The names in MANIFEST are of a plain charset,
# so they may be split at spaces; the bundle's own folder may have any name and is always quoted.

set -euf # -f: no globbing, so that a word that is split is only split
umask 077
READER=${LC_ALL:-${LC_MESSAGES:-${LANG:-}}} # the locale of whoever reads what we say
LC_ALL=C
export LC_ALL
unset CDPATH
PATH=${PATH:+$PATH:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

NL='
'
BLANKS=" 	$NL"
IFS=$BLANKS

STATE=./var/lib/bundler # what is installed, what was there before, and the journal of a run that is at work
FILES=$STATE/files      # contents that may have to be put back, by their sha256
SMALL=1048576           # bytes; what is no larger is kept when it is installed, the rest when it is replaced
LOGS=./var/log/bundler
UNIT_FOLDER=/etc/systemd/system

ACTION=install
DRY=
ROOT=
IGNORED=
WAIT=180 # seconds that units may take to become active
TO=      # the generation to roll back to
KEEP=3   # generations that are kept, the installed one among them
PURGE=
KEY=
REQUIRE_SIGNATURE=
METRICS=
OUTPUT=
JSON=
CHINESE=
WORK=
BEGUN=$(date +%s)

HERE=
LOG=
LOCK=
TEMP=
PROBLEMS=
DESIRED=
SOURCE_KEPT=
EQUAL=
HASHED=
ABREAST=
SETTINGS=
INSTALLED=
GENERATION=
PLAN=
STALE=
RESTARTS=
KERNEL_PLAN=
UNIT_PLAN=
UNFINISHED=
STAGED=
MISSING=
WRITTEN=0
UNCHANGED=0
REMOVED=0
RESTARTED=0
STARTED=0
KEPT=

# each FUNCTION LINES: calls FUNCTION once for every line, with the line's words
each() {
	IFS=$NL
	for each_line in $2; do
		IFS=$BLANKS
		# shellcheck disable=SC2086 # the words of the line
		"$1" $each_line
	done
	IFS=$BLANKS
}

# has WORD LIST: whether the word stands in the list of words
has() {
	case " $2 " in
	*" $1 "*) return 0 ;;
	esac
	return 1
}

# there PATH: whether anything stands there, a dangling link too
there() {
	[ -e "$1" ] || [ -L "$1" ]
}

# on_exit CODE: nothing half-made stays behind. The code is passed, as mksh would take that of the trap's last command.
on_exit() {
	trap - EXIT
	trap '' HUP INT TERM
	[ -z "$TEMP" ] || rm -f "$TEMP"
	[ -z "$STAGED" ] || printf '%s' "$STAGED" | awk '{ print $2 }' | xargs -r rm -f
	[ -z "$WORK" ] || rm -rf "$WORK"
	[ -z "$LOCK" ] || rm -f "$LOCK"
	log "ended with exit code $1 after $(($(date +%s) - BEGUN)) s"
	[ -z "$JSON" ] || json_line end "exit code $1"
	exit "$1"
}

# catch_signals: a signal's trap does the work itself, as mksh does not come to that of EXIT when the signal has also
# ended the program that it waits for
catch_signals() {
	trap 'on_exit $?' EXIT
	trap 'on_exit 129' HUP
	trap 'on_exit 130' INT
	trap 'on_exit 143' TERM
}
