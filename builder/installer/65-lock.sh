# 65-lock: one run at a time. The lock is a link whose target is the process id: it is made in one step.

# take_lock: /run is empty after a boot, so that a lock there is of this boot; an image keeps it at its top
take_lock() {
	lock_name=./run/bundler.lock
	[ -z "$ROOT" ] || lock_name=./.bundler.lock
	ln -s "$$" "$lock_name" 2>/dev/null || take_over_lock
	LOCK=$lock_name
}

# take_over_lock: a dead run's lock is replaced, by one run only
take_over_lock() {
	lock_holder=$(readlink "$lock_name" || :)
	! kill -0 "$lock_holder" 2>/dev/null || die 'another run (process %s) is at work; wait for it' "$lock_holder"
	if there "$lock_name.takeover" && ! kill -0 "$(readlink "$lock_name.takeover" || :)" 2>/dev/null; then
		rm -f "$lock_name.takeover" # of a run that died while it took over
	fi
	ln -s "$$" "$lock_name.takeover" 2>/dev/null || die 'another run is taking over; remove %s.takeover if there is none' "${lock_name#.}"
	if [ "$(readlink "$lock_name" || :)" = "$lock_holder" ]; then
		rm -f "$lock_name"
	fi
	ln -s "$$" "$lock_name" 2>/dev/null || lock_holder=lost
	rm -f "$lock_name.takeover"
	[ "$lock_holder" != lost ] || die 'another run has just begun; wait for it'
	warn 'took over the lock of process %s, which is gone' "$lock_holder"
}
