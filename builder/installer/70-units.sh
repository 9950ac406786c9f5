# 70-units: kernel modules, sysctls and units: what runs now, what has to, and the few functions that change it.

# plan_running: KERNEL_PLAN and UNIT_PLAN, from what runs now
plan_running() {
	KERNEL_PLAN=$(
		plan_modules
		plan_sysctls
		plan_tmpfiles
	)
	UNIT_PLAN=$(plan_units)
}

plan_modules() {
	for module in $(bundle_lines /etc/modules-load.d); do
		module_present "$module" || echo "load_module $module"
	done
}

# plan_sysctls: the keys whose value is another one now
plan_sysctls() {
	bundle_lines /etc/sysctl.d | while IFS='=' read -r key value; do
		key=$(printf '%s' "$key" | tr -d '[:space:]')
		value=$(one_line "$value")
		[ "$(sysctl_value "$key")" = "$value" ] || echo "set_sysctl $key $value"
	done
}

# one_line TEXT: its words with one space between
one_line() {
	printf '%s' "$1" | awk '{ $1 = $1; printf "%s%s", (NR > 1 ? " " : ""), $0 }'
}

# plan_tmpfiles: our tmpfiles.d files of which something is not there, or must be made anew with another subnet
plan_tmpfiles() {
	{
		tmpfiles_missing
		! subnet_changed || printf '%s\n' "$DESIRED" | network_tmpfiles
	} | awk '!seen[$1]++ { print "create_tmpfiles", $1 }'
}

unit_state() {
	systemctl is-active "$1" 2>/dev/null || :
}

# plan_units: `stop_unit`, `restart_unit` and `start_unit` lines; units of others are restarted only if they run
plan_units() {
	old_units=$(installed_units)
	for unit in $old_units; do
		has "$unit" "$UNITS" || ! runs "$unit" || echo "stop_unit $unit"
	done
	for unit in $RESTARTS; do
		has "$unit" "$UNITS $old_units" || ! runs "$unit" || echo "restart_unit $unit"
	done
	for unit in $UNITS; do
		if ! runs "$unit"; then
			echo "start_unit $unit"
		elif has "$unit" "$RESTARTS"; then
			echo "restart_unit $unit"
		fi
	done
}

# installed_units: the units of what is installed, and of a run that has not ended, in start order
installed_units() {
	state_files | sed -n 's/^# units //p' | tr -s ' ' '\n' | awk 'NF && !seen[$0]++' | tr '\n' ' '
}

# runs UNIT: whether it is up or on its way
runs() {
	case $(unit_state "$1") in
	active | activating | reloading) return 0 ;;
	esac
	return 1
}

# units_to NAME: the lines of UNIT_PLAN that do that
units_to() {
	printf '%s\n' "$UNIT_PLAN" | awk -v name="$1" '$1 == name'
}

load_module() {
	! would 'load the module %s' "$1" || return 0
	modprobe "$1" || die 'the module %s could not be loaded; see: modprobe -v %s; dmesg' "$1" "$1"
	say 'loaded the module %s' "$1"
}

# set_sysctl KEY VALUE...
set_sysctl() {
	sysctl_key=$1
	shift
	! would 'set %s = %s' "$sysctl_key" "$*" || return 0
	sysctl -w "$sysctl_key=$*" >/dev/null || die '%s could not be set; see what forbids it (sysctl %s; dmesg), then run ./install.sh again' "$sysctl_key" "$sysctl_key"
	say 'set %s = %s' "$sysctl_key" "$*"
}

create_tmpfiles() {
	! would 'create what %s lists' "$1" || return 0
	systemd-tmpfiles --create "$1" || die 'systemd-tmpfiles could not create what %s lists; see what it says above, then run ./install.sh again' "$1"
	say 'created what %s lists' "$1"
}

reload_systemd() {
	! would 'reload systemd' || return 0
	systemctl daemon-reload || die 'systemctl daemon-reload failed; see: journalctl -n 50; then run ./install.sh again'
	say 'reloaded systemd'
}

# Jobs are only queued: a unit may wait for another host (flanneld for etcd), and the order is in the units.
restart_unit() {
	! would 'restart %s' "$1" || return 0
	systemctl --no-block restart "$1" || die '%s could not be restarted; see: systemctl status %s' "$1" "$1"
	RESTARTED=$((RESTARTED + 1))
	say 'restarted %s' "$1"
}

start_unit() {
	! would 'start %s' "$1" || return 0
	systemctl --no-block start "$1" || die '%s could not be started; see: systemctl status %s' "$1" "$1"
	STARTED=$((STARTED + 1))
	say 'started %s' "$1"
}

stop_unit() {
	! would 'stop %s' "$1" || return 0
	systemctl stop "$1" || die '%s could not be stopped; see: systemctl status %s' "$1" "$1"
	say 'stopped %s' "$1"
}

# wait_for_units: all of them are up, and still are after a moment; else says which are not, and fails. What only
# waits for another host (etcd for its majority, and what needs it) is no failure: hosts are installed in any order.
wait_for_units() {
	waited=0
	down=$(not_active)
	while [ -n "$down" ]; do
		if [ "$waited" -ge "$WAIT" ] || has_failed "$down"; then
			only_waiting "$down" || { each report_unit "$down" && return 1; }
			each report_waiting "$down"
			return 0
		fi
		# seldom after a while: asking systemd takes what the units need to come up, on a small host
		pause=$((waited < 10 ? 1 : 5))
		sleep "$pause"
		waited=$((waited + pause))
		down=$(not_active)
	done
	[ -n "$UNIT_PLAN" ] || return 0
	sleep 2 # a unit that dies at once looks active for a moment
	down=$(not_active)
	[ -n "$down" ] || return 0
	each report_unit "$down"
	return 1
}

# not_active: the units that are not, each with its state; one call for all of them
not_active() {
	# shellcheck disable=SC2086 # a list of words
	{ systemctl is-active $UNITS 2>/dev/null || :; } | awk -v units="$UNITS" '
		{ state[NR] = $1 }
		END {
			count = split(units, name, " ")
			for (i = 1; i <= count; i++)
				if (state[i] != "active") print name[i] " is " (state[i] != "" ? state[i] : "unknown")
		}'
}

# only_waiting LINES: what is not up is on its way, and may have to wait for another host
only_waiting() {
	printf '%s\n' "$1" | awk -v waiting=" $WAITING " '
		index(waiting, " " $1 " ") == 0 || ($3 != "activating" && $3 != "inactive") { bad = 1 }
		END { exit bad }'
}

report_waiting() {
	say '%s waits for another host (etcd, the API server) and comes up with it' "$1"
}

has_failed() {
	printf '%s\n' "$1" | grep -q ' is failed$'
}

# report_unit UNIT is STATE
report_unit() {
	warn '%s is %s; see: systemctl status %s; journalctl -u %s -n 50' "$1" "$3" "$1" "$1"
}
