# 20-args: the command line.

# what `--ignore-preflight-errors` takes; `all` means the first line only
IGNORABLE='Systemd Commands KernelModules Cgroups Ports Clock Disk ExistingKubernetes'
IGNORABLE_BY_NAME='Hostname Address'

usage() {
	printf '%s\n' "Usage: ./install.sh [ACTION] [OPTION]...
Makes this host the node $NODE of the cluster $CLUSTER (Kubernetes $KUBERNETES), without a network.

Actions (without one: install):
  --dry-run     show every change that an install would make, and make none
  --uninstall   stop the units, remove what was installed, put back what was there before
  --status      what is installed, what differs from it, units, certificates
  --verify      check the bundle only
  --help        this text
  --version     the versions of bundler and Kubernetes

Options:
  --root DIR    work on an image's tree in DIR; start nothing, ask nothing of this host
  --wait SECONDS
                how long units may take to become active (default 180)
  --ignore-preflight-errors NAME[,NAME]...
                $IGNORABLE,
                or all of these; and, only by name: $IGNORABLE_BY_NAME

Exit codes: 0 done, or nothing to do (--status: all is well); 1 refused or failed (--status: something is
not well); 2 --dry-run only: there are changes to make.
Log: /var/log/bundler/install.log"
}

usage_error() {
	die "$1; see ./install.sh --help"
}

# set_action NAME: one action a run; --dry-run goes with install and --uninstall
set_action() {
	[ "$ACTION" = install ] || [ "$ACTION" = "$1" ] || usage_error "--$ACTION and --$1 do not go together"
	ACTION=$1
}

parse_args() {
	while [ $# -gt 0 ]; do
		case $1 in
		--dry-run) DRY=1 ;;
		--uninstall | --status | --verify | --help | --version) set_action "${1#--}" ;;
		-h) set_action help ;;
		--root=* | --wait=* | --ignore-preflight-errors=*) set_option "${1%%=*}" "${1#*=}" ;;
		--root | --wait | --ignore-preflight-errors)
			[ $# -gt 1 ] || usage_error "$1 needs a value"
			set_option "$1" "$2"
			shift
			;;
		*) usage_error "unknown argument: $1" ;;
		esac
		shift
	done
	case $DRY$ACTION in
	1install | 1uninstall) ;;
	1*) usage_error "--dry-run and --$ACTION do not go together" ;;
	esac
}

set_option() {
	[ -n "$2" ] || usage_error "$1 needs a value"
	case $1 in
	--root) ROOT=$2 ;;
	--wait) set_wait "$2" ;;
	--ignore-preflight-errors) set_ignored "$2" ;;
	esac
}

set_wait() {
	case $1 in
	*[!0-9]* | ??????*) usage_error "--wait takes a number of seconds, not $1" ;;
	esac
	WAIT=$1
}

set_ignored() {
	IFS=,
	for ignored_name in $1; do
		IFS=$BLANKS
		[ "$ignored_name" != all ] || ignored_name=$IGNORABLE
		case " $IGNORABLE $IGNORABLE_BY_NAME " in
		*" $ignored_name "*) IGNORED="$IGNORED $ignored_name" ;;
		*) usage_error "--ignore-preflight-errors: no such name: $ignored_name; there are: all $IGNORABLE $IGNORABLE_BY_NAME" ;;
		esac
	done
	IFS=$BLANKS
}

ignored() {
	has "$1" "$IGNORED"
}
