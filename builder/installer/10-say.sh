# 10-say: what the run tells the terminal and the log.

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

say() {
	if [ -n "$JSON" ]; then
		json_line info "$*"
	else
		printf '%s\n' "$*"
	fi
	log "$*"
}

# show: details for people, from stdin
show() {
	if [ -n "$JSON" ]; then
		cat >/dev/null
	else
		cat
	fi
}

warn() {
	if [ -n "$JSON" ]; then
		json_line warning "$*"
	else
		printf 'warning: %s\n' "$*" >&2
	fi
	log "warning: $*"
}

die() {
	if [ -n "$JSON" ]; then
		json_line error "$*"
	else
		printf 'install.sh: %s\n' "$*" >&2
	fi
	log "error: $*"
	exit 1
}

# would TEXT: in a dry run says what would be done and succeeds; fails in a real one
would() {
	[ -n "$DRY" ] || return 1
	say "would $*"
}

# problem NAME TEXT: notes a failed check, unless that name is ignored
problem() {
	if ignored "$1"; then
		warn "[$1] $2 (ignored)"
	else
		PROBLEMS="${PROBLEMS}[$1] $2$NL"
	fi
}

# refuse_problems WHAT: ends the run when any check failed; all of them are listed
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
	die "$1; nothing was written"
}

# open_log: from now on all lines go to the log, too (an image's tree gets none)
open_log() {
	[ -z "$ROOT" ] || return 0
	make_parents "$LOGS/install.log"
	chmod 0700 "$LOGS"
	LOG=$LOGS/install.log
	log "install.sh $BUNDLER_VERSION: Kubernetes $KUBERNETES, node $NODE of cluster $CLUSTER"
}
