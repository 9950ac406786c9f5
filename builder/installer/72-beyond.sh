# 72-beyond: what a run changes beyond files and units: kernel modules, sysctls, what tmpfiles.d lists, iptables chains,
# images. Each is written down before it is made, in `origins` (what leaves again with the uninstall) and in the `was`
# lines of the journal (what leaves again with an abort). Mounts and swap are never changed.
#
#	module STATE - - - NAME      tmpfile - - - - PATH      chain STATE - - - TABLE/NAME      sysctl - - - - KEY VALUE
#
# Images are handed to containerd by a unit, which writes to `images` what containerd had not before.

# beyond_origins: what is ours from this run on, as it was not there before
beyond_origins() {
	modules_planned | awk '{ print "module - - - -", $1 }'
	tmpfiles_missing | awk '{ print "tmpfile - - - -", $2 }'
	chains_missing | awk '{ print "chain - - - -", $1 }'
	sysctls_now | while read -r line; do
		sysctl_rest=${line#sysctl - - - - }
		sed 's/$/ /' "$STATE/origins" 2>/dev/null | grep -qF "sysctl - - - - ${sysctl_rest%% *} " || printf '%s\n' "$line"
	done
}

# beyond_befores: what this run is going to change, as it is now
beyond_befores() {
	[ -z "$ROOT" ] || return 0
	modules_planned | awk '{ print "module absent - - -", $1 }'
	chains_missing | awk '{ print "chain absent - - -", $1 }'
	sysctls_now
}

modules_planned() {
	printf '%s\n' "$KERNEL_PLAN" | awk '$1 == "load_module" { print $2 }'
}

# tmpfiles_missing: `FILE PATH` of what our tmpfiles.d files list and what is not there
tmpfiles_missing() {
	[ -z "$ROOT" ] || return 0
	printf '%s\n' "$DESIRED" | awk '$1 == "file" && $6 ~ /^\/etc\/tmpfiles\.d\// { print $2, $6 }' | while read -r listed_sha listed; do
		source_of file "$listed_sha" "$listed"
		awk '!/^#/ && NF { print $2 }' "$SOURCE" | while read -r wanted; do
			there ".$wanted" || printf '%s\n' "$listed $wanted"
		done
	done
}

# chains_missing: the chains of our iptables.rules that are not there, as TABLE/NAME
chains_missing() {
	[ -z "$ROOT" ] && command -v iptables >/dev/null || return 0
	desired_file iptables.rules | awk '
		/^\*/ { table = substr($1, 2) }
		/^:/ { print table "/" substr($1, 2) }' | while read -r chain; do
		chain_present "$chain" || printf '%s\n' "$chain"
	done
}

# chain_present TABLE/NAME
chain_present() {
	[ -n "$(iptables -w 10 -t "${1%%/*}" -S "${1#*/}" 2>/dev/null || :)" ]
}

# remove_chain TABLE/NAME: with the rules that jump to it; our own unit does this when it stops, if it can
remove_chain() {
	command -v iptables >/dev/null && chain_present "$1" || return 0
	! would 'remove the iptables chain %s' "$1" || return 0
	iptables -w 10 -t "${1%%/*}" -S | awk -v chain="${1#*/}" '$1 == "-A" && $(NF - 1) == "-j" && $NF == chain { $1 = "-D"; print }' |
		while read -r jump; do
			# shellcheck disable=SC2086 # the words of the rule
			iptables -w 10 -t "${1%%/*}" $jump || :
		done
	if iptables -w 10 -t "${1%%/*}" -F "${1#*/}" && iptables -w 10 -t "${1%%/*}" -X "${1#*/}"; then
		say 'removed the iptables chain %s' "$1"
	else
		warn 'the iptables chain %s could not be removed; a rule of someone else may jump to it: see iptables-save' "$1"
	fi
}

# module_loaded NAME: by the name that the kernel has it under
module_loaded() {
	[ -d "./sys/module/$(printf '%s' "$1" | tr - _)" ]
}

# unload_module NAME: what it brought with it stays, as it may have been there before
unload_module() {
	module_loaded "$1" || return 0
	! would 'unload the module %s' "$1" || return 0
	if rmmod "$1" 2>/dev/null; then
		say 'unloaded the module %s' "$1"
	else
		say 'the module %s stays loaded, as something uses it; it is gone with the next boot' "$1"
	fi
}

# remove_tmpfile PATH: in /run, from where it would be gone with the next boot
remove_tmpfile() {
	there ".$1" || return 0
	if [ -d ".$1" ] && [ ! -L ".$1" ]; then
		if [ -n "$DRY" ]; then
			say 'would remove %s' "$1"
		elif rmdir ".$1" 2>/dev/null; then
			say 'removed %s' "$1"
		fi
		return 0
	fi
	! would 'remove %s' "$1" || return 0
	rm -f ".$1" || die '%s could not be removed' "$1"
	say 'removed %s' "$1"
}

# origin_names KIND: last first, as the later may use the earlier
origin_names() {
	sed -n "s/^$1 - - - - //p" "$STATE/origins" 2>/dev/null | sort -r || :
}

# settings_of ENTRIES: `KEY VALUE` of the sysctls that installed files set; a path of two manifests has two digests
settings_of() {
	printf '%s\n' "$1" | awk '$1 == "file" && $6 ~ /^\/etc\/sysctl\.d\// { print $2 }' | tr ',' '\n' | while read -r setting_sha; do
		[ ! -f "$FILES/$setting_sha" ] || sed -e '/^[[:space:]]*[#;]/d' -e '/^[[:space:]]*$/d' "$FILES/$setting_sha"
	done | awk -F '=' '{ key = $1; gsub(/[ \t]/, "", key); sub(/^[^=]*=/, ""); $0 = $0; gsub(/[ \t]+/, " "); sub(/^ /, ""); sub(/ $/, ""); print key, $0 }'
}

# reset_sysctls: those that still are what we set; what someone has set since stays
reset_sysctls() {
	SETTINGS=$(settings_of "$INSTALLED")
	each reset_sysctl "$(sed -n 's/^sysctl - - - - //p' "$STATE/origins" 2>/dev/null || :)"
}

# reset_sysctl KEY [VALUE…]: without a value, as it came with a module
reset_sysctl() {
	reset_key=$1
	shift
	reset_now=$(sysctl_value "$reset_key")
	[ $# -gt 0 ] && [ "$reset_now" != "$*" ] || return 0
	if printf '%s\n' "$SETTINGS" | grep -qxF "$reset_key $reset_now"; then
		set_sysctl "$reset_key" "$@"
	else
		say 'left %s = %s: it was changed since the install' "$reset_key" "$reset_now"
	fi
}

# sysctl_value KEY: in one line; nothing where the kernel has no such key now
sysctl_value() {
	one_line "$(cat "./proc/sys/$(printf '%s' "$1" | tr . /)" 2>/dev/null || :)"
}

# sysctls_now: the values of the sysctls that this run sets
sysctls_now() {
	printf '%s\n' "$KERNEL_PLAN" | awk '$1 == "set_sysctl" { print $2 }' | while read -r key; do
		now=$(sysctl_value "$key")
		printf '%s\n' "sysctl - - - - $key${now:+ $now}"
	done
}

# withdraw: everything of this kind leaves with the uninstall, after the units were stopped
withdraw() {
	each remove_chain "$(origin_names chain)"
	reset_sysctls
	each unload_module "$(origin_names module)"
	each remove_tmpfile "$(origin_names tmpfile)"
}

# containerd_answers: whether ours is there and runs
containerd_answers() {
	[ -x ./opt/containerd/bin/ctr ] && runs containerd.service
}

# ctr WORD...: of our containerd, about what belongs to the kubelet
ctr() {
	./opt/containerd/bin/ctr -n k8s.io "$@"
}

# remove_images: with --purge, those that the containerd of this host had not before; a data disk may outlive the purge
remove_images() {
	[ -n "$PURGE" ] && [ -f "$STATE/images" ] || return 0
	containerd_answers || return 0
	each remove_image "$(awk '{ print $1 }' "$STATE/images" | sort -u)"
}

remove_image() {
	[ -n "$(ctr images ls -q "name==$1" 2>/dev/null || :)" ] || return 0
	! would 'remove the image %s' "$1" || return 0
	if ctr images rm --sync "$1" >/dev/null 2>&1; then
		say 'removed the image %s' "$1"
	else
		warn 'the image %s could not be removed; with containerd running: ctr -n k8s.io images rm %s' "$1" "$1"
	fi
}
