# 83-repair: what is installed is put right, without a new generation.

repair() {
	need_root
	need_tools
	enter_root
	[ ! -f "$STATE/journal" ] || [ "$(journal_field run)" = repair ] || die 'a run was interrupted; finish it (./install.sh resume) or undo it (./install.sh abort) first'
	[ -f "$STATE/manifest" ] || die 'nothing is installed here; run ./install.sh first'
	adopt_manifest "$STATE/manifest"
	check_paths
	make_plan
	check_contents
	check_disk
	refuse_problems 'not everything can be repaired'
	if nothing_to_do; then
		say 'nothing to do: everything is as it was installed'
		return 0
	fi
	carry_out
}
