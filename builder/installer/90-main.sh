# 90-main: from the command line to the action.

main() {
	choose_language "$READER"
	parse_args "$@"
	find_bundle
	catch_signals
	case $ACTION in
	help) usage ;;
	version) printf '%s\n' "bundler $BUNDLER_VERSION, Kubernetes $KUBERNETES, bundle format $BUNDLE_FORMAT" ;;
	verify)
		need_tools
		verify_bundle
		say 'the bundle is whole'
		;;
	install) install_bundle ;;
	uninstall) uninstall ;;
	rollback) rollback ;;
	generations) list_generations ;;
	resume) resume ;;
	abort) abort_run ;;
	check) check_now ;;
	repair) repair ;;
	support) support ;;
	status) show_status ;;
	esac
}
