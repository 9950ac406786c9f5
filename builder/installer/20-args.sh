# 20-args: the command line.

# what `--ignore-preflight-errors` takes; `all` means the first line only
IGNORABLE='Systemd Commands KernelModules Cgroups Ports Clock Disk Inodes ExistingKubernetes'
IGNORABLE="$IGNORABLE Kernel Swap Memory ReadOnly NoExec Iptables Firewall ExistingRuntime Selinux Routes CloudInit"
IGNORABLE_BY_NAME='Hostname Address'

ACTIONS='install uninstall rollback generations resume abort status check repair support verify help version'

usage() {
	if [ -n "$CHINESE" ]; then
		chinese_usage
		return 0
	fi
	printf '%s\n' "Usage: ./install.sh [ACTION] [OPTION]...
Makes this host the node $NODE of the cluster $CLUSTER (Kubernetes $KUBERNETES), without a network.

Actions (without one: install; each may be written with -- before it, too):
  uninstall     stop the units, remove what was installed, put back what was there before
  rollback      go back to the generation before this one, or to that of --to
  generations   list the bundles that were installed here and can be gone back to
  resume        finish a run that was interrupted; a plain run does this, too
  abort         undo a run that was interrupted
  status        what is installed, what differs from it, units, certificates
  check         the same for monitoring: one line, exit code; metrics by --prometheus
  repair        put back what was changed by hand
  support       pack logs, versions, rules and states, without secrets, into --output
  verify        check the bundle only
  help          this text
  version       the versions of bundler and Kubernetes

Options:
  --dry-run     show every change that install, uninstall, rollback or repair would make, and make none
  --root DIR    work on an image's tree in DIR; start nothing, ask nothing of this host
  --wait SECONDS
                how long units may take to become active (default 180); then the generation before is put back
  --to N        with rollback: the generation to go back to
  --purge       with uninstall: remove the data of etcd, kubelet and containerd, too
  --keep-generations N
                how many generations to keep, the new one among them (default 3)
  --key FILE    the public key that must have signed the bundle (default: /etc/bundler/trusted.pub, if it is there)
  --require-signature
                refuse a bundle that is not signed, and a host without a key
  --prometheus FILE
                with check: write metrics for the node exporter's textfile collector
  --output FILE with support: the archive to write
  --json        progress for machines: one JSON object a line
  --lang zh|en  the language of the messages (default: as LC_ALL, LC_MESSAGES or LANG say)
  --ignore-preflight-errors NAME[,NAME]...
                $IGNORABLE,
                or all of these; and, only by name: $IGNORABLE_BY_NAME

Exit codes: 0 done, or nothing to do (status: all is well); 1 refused or failed (status: something is
not well); 2 --dry-run only: there are changes to make.
Log: /var/log/bundler/install.log"
}

# usage_error FORMAT [ARG]...
usage_error() {
	express "$@"
	within '%s; see ./install.sh --help'
	fail
}

# set_action NAME: one action a run
set_action() {
	[ "$ACTION" = install ] || [ "$ACTION" = "$1" ] || usage_error '%s and %s do not go together' "$ACTION" "$1"
	ACTION=$1
}

parse_args() {
	while [ $# -gt 0 ]; do
		case $1 in
		--dry-run) DRY=1 ;;
		--purge) PURGE=1 ;;
		--json) JSON=1 ;;
		--require-signature) REQUIRE_SIGNATURE=1 ;;
		-h) set_action help ;;
		--root=* | --key=* | --prometheus=* | --output=* | --wait=* | --to=* | --keep-generations=* | --lang=* | --ignore-preflight-errors=*) set_option "${1%%=*}" "${1#*=}" ;;
		--root | --key | --prometheus | --output | --wait | --to | --keep-generations | --lang | --ignore-preflight-errors)
			[ $# -gt 1 ] || usage_error '%s needs a value' "$1"
			set_option "$1" "$2"
			shift
			;;
		*)
			! has "${1#--}" "$ACTIONS" || set_action "${1#--}"
			has "${1#--}" "$ACTIONS" || usage_error 'unknown argument: %s' "$1"
			;;
		esac
		shift
	done
	check_together
}

# check_together: options that only some actions know
check_together() {
	[ -z "$DRY" ] || has "$ACTION" "install uninstall rollback repair" || usage_error '--dry-run and %s do not go together' "$ACTION"
	[ -z "$PURGE" ] || [ "$ACTION" = uninstall ] || usage_error '--purge goes with uninstall only'
	[ -z "$TO" ] || [ "$ACTION" = rollback ] || usage_error '--to goes with rollback only'
}

set_option() {
	[ -n "$2" ] || usage_error '%s needs a value' "$1"
	case $1 in
	--root) ROOT=$2 ;;
	--key)
		[ -f "$2" ] || usage_error '--key: %s is not a file' "$2"
		KEY=$(from_here "$2")
		;;
	--prometheus) METRICS=$(from_here "$2") ;;
	--output) OUTPUT=$(from_here "$2") ;;
	--wait | --to | --keep-generations) set_number "$1" "$2" ;;
	--lang) set_language "$2" ;;
	--ignore-preflight-errors) set_ignored "$2" ;;
	esac
}

# from_here FILE: its absolute name, before we go to the host's root
from_here() {
	from_folder=$(cd "$(dirname -- "$1")" && pwd -P) || usage_error '%s: its folder is not there; make it first' "$1"
	echo "${from_folder%/}/$(basename -- "$1")"
}

set_number() {
	case $2 in
	*[!0-9]* | ??????*) usage_error '%s takes a number, not %s' "$1" "$2" ;;
	esac
	case $1 in
	--wait) WAIT=$2 ;;
	--to) TO=$2 ;;
	--keep-generations)
		[ "$2" -ge 1 ] || usage_error '--keep-generations takes 1 or more'
		KEEP=$2
		;;
	esac
}

set_ignored() {
	IFS=,
	for ignored_name in $1; do
		IFS=$BLANKS
		[ "$ignored_name" != all ] || ignored_name=$IGNORABLE
		case " $IGNORABLE $IGNORABLE_BY_NAME " in
		*" $ignored_name "*) IGNORED="$IGNORED $ignored_name" ;;
		*) usage_error '--ignore-preflight-errors: no such name: %s; there are: all %s %s' "$ignored_name" "$IGNORABLE" "$IGNORABLE_BY_NAME" ;;
		esac
	done
	IFS=$BLANKS
}

ignored() {
	has "$1" "$IGNORED"
}
