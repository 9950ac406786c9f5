# 10-say: what the run tells the terminal and the log.

# log TEXT: a line of the log, once it is open; a full disk must not stop a run that only wants to speak
log() {
	[ -n "$LOG" ] || return 0
	printf '%s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$*" >>"$LOG" || :
}

say() {
	printf '%s\n' "$*"
	log "$*"
}

warn() {
	printf 'warning: %s\n' "$*" >&2
	log "warning: $*"
}

die() {
	printf 'install.sh: %s\n' "$*" >&2
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
	printf '%s' "$PROBLEMS" >&2
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
