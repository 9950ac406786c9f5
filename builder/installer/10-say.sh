# 10-say: what the run tells the terminal and the log.
#
# A message is a format and its arguments: say 'wrote %s' "$path". The format is a constant in quotes, English, with no
# directive but %s, so that it can be the key under which 12-chinese.sh and 13-chinese-refusals.sh have it in Chinese.
# The arguments stand in the same order in both. tests/shell/test_words.py holds the tables to the calls.

# fill FORMAT [ARG]...: FILLED becomes the format with an argument in the place of each %s. Arguments that no %s is
# left for are dropped, and nothing else has a meaning: no process, no backslash, no option.
fill() {
	FILLED=
	fill_rest=$1
	while [ "$fill_rest" != "${fill_rest#*%s}" ]; do
		[ $# -eq 1 ] || shift
		FILLED=$FILLED${fill_rest%%%s*}$1
		fill_rest=${fill_rest#*%s}
	done
	FILLED=$FILLED$fill_rest
}

# express FORMAT [ARG]...: SAID becomes the message in English, as the log has it, TOLD in the reader's language
express() {
	SAID=
	TOLD=
	within "$@"
}

# within FORMAT [ARG]...: what was expressed becomes the last argument of another message
within() {
	fill "$@" "$SAID"
	SAID=$FILLED
	translate "$1"
	shift
	fill "$TRANSLATED" "$@" "$TOLD"
	TOLD=$FILLED
}

# log TEXT: a line of the log, once it is open; a full disk must not stop a run that only wants to speak
log() {
	[ -n "$LOG" ] || return 0
	printf '%s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$*" >>"$LOG" || :
}

# json_line LEVEL TEXT: one object for machines; it goes to stdout, whatever the level
json_line() {
	printf '{"time":"%s","level":"%s","message":"%s"}\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$1" \
		"$(printf '%s' "$2" | tr '\n\t' '  ' | tr -d '\000-\037' | sed 's/[\\"]/\\&/g')"
}

# tell: what was expressed, as an ordinary line
tell() {
	if [ -n "$JSON" ]; then
		json_line info "$TOLD"
	else
		printf '%s\n' "$TOLD"
	fi
	log "$SAID"
}

# tell_warning: what was expressed, as a warning
tell_warning() {
	[ -z "$JSON" ] || json_line warning "$TOLD"
	within 'warning: %s'
	[ -n "$JSON" ] || printf '%s\n' "$TOLD" >&2
	log "$SAID"
}

# fail: what was expressed ends the run
fail() {
	if [ -n "$JSON" ]; then
		json_line error "$TOLD"
	else
		printf 'install.sh: %s\n' "$TOLD" >&2
	fi
	log "error: $SAID"
	exit 1
}

# say FORMAT [ARG]...
say() {
	express "$@"
	tell
}

# say_as_is TEXT: a line that programs read, in English for everyone
say_as_is() {
	SAID=$1
	TOLD=$1
	tell
}

# detail FORMAT [ARG]...: an indented line that goes to stdout only
detail() {
	express "$@"
	printf '    %s\n' "$TOLD"
}

# show: details for people, from stdin
show() {
	if [ -n "$JSON" ]; then
		cat >/dev/null
	else
		cat
	fi
}

# warn FORMAT [ARG]...
warn() {
	express "$@"
	tell_warning
}

# die FORMAT [ARG]...
die() {
	express "$@"
	fail
}

# die_of_disk FORMAT [ARG]...: something could not be written or removed
die_of_disk() {
	express "$@"
	within '%s; look for a file system that is full or read-only (df -h, dmesg), then run ./install.sh again'
	fail
}

# would FORMAT [ARG]...: in a dry run says what would be done and succeeds; fails in a real one. The key is the whole
# message, with its `would `.
would() {
	[ -n "$DRY" ] || return 1
	would_format="would $1"
	shift
	say "$would_format" "$@"
}

# problem NAME FORMAT [ARG]...: notes a failed check, unless that name is ignored
problem() {
	problem_name=$1
	shift
	express "$@"
	if ignored "$problem_name"; then
		within '[%s] %s (ignored)' "$problem_name"
		tell_warning
	else
		PROBLEMS="${PROBLEMS}[$problem_name] $TOLD$NL"
	fi
}

# refuse_problems FORMAT [ARG]...: ends the run when any check failed; all of them are listed
refuse_problems() {
	[ -n "$PROBLEMS" ] || return 0
	if [ -n "$JSON" ]; then
		# -r keeps backslashes
		printf '%s' "$PROBLEMS" | while read -r one_problem; do
			json_line problem "$one_problem"
		done
	else
		printf '%s' "$PROBLEMS" >&2
	fi
	express "$@"
	within '%s; nothing was written'
	fail
}

# open_log: from now on all lines go to the log, too (an image's tree gets none)
open_log() {
	[ -z "$ROOT" ] || return 0
	make_parents "$LOGS/install.log"
	chmod 0700 "$LOGS"
	LOG=$LOGS/install.log
	log "install.sh $BUNDLER_VERSION: Kubernetes $KUBERNETES, node $NODE of cluster $CLUSTER"
}
