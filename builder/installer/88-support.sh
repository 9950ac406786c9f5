# 88-support: what someone needs who is to help: logs, versions, rules, journal, unit states. No keys, no contents.

support() {
	need_root
	need_tools
	[ -n "$OUTPUT" ] || usage_error 'support needs --output FILE'
	{ command -v tar && command -v gzip; } >/dev/null || die '[Commands] tar and gzip are needed; install them'
	enter_root
	WORK=$(mktemp -d) || die 'no temporary folder could be made; see that /tmp is there and has room'
	mkdir "$WORK/bundler-support"
	each gather "$(support_list)"
	[ -n "$ROOT" ] || for unit in $(installed_units); do
		gather "unit-$unit" systemctl status --no-pager --full --lines=20 "$unit"
		gather "journal-$unit" journalctl --no-pager --unit "$unit" --lines 500
	done
	(cd "$WORK" && tar cf - bundler-support | gzip >support.tar.gz) || die_of_disk 'the archive could not be written'
	{ cp "$WORK/support.tar.gz" "$OUTPUT" && chmod 0600 "$OUTPUT"; } || die_of_disk '%s could not be written' "$OUTPUT"
	say 'wrote %s; it holds no keys and no contents of files, but names, addresses and logs: look through it first' "$OUTPUT"
}

# support_list: NAME COMMAND…
support_list() {
	for state_part in manifest journal origins; do
		[ ! -f "$STATE/$state_part" ] || echo "state-$state_part cat $STATE/$state_part"
	done
	printf '%s\n' "generations ls -lR $STATE" "log tail -n 2000 $LOGS/install.log" "drift support_drift"
	printf '%s\n' "release cat ./etc/os-release" "hosts cat ./etc/hosts"
	[ -z "$ROOT" ] || return 0
	printf '%s\n' "kernel uname -a" "date date -u" "systemd systemctl --version" "units systemctl list-units --all --no-pager" \
		"addresses ip addr" "routes ip route show table all" "rules iptables-save" "nft nft list ruleset" \
		"modules cat ./proc/modules" "mounts cat ./proc/self/mountinfo" "memory cat ./proc/meminfo" "disk df -k" \
		"inodes df -i" "sysctl sysctl -a" "sockets cat ./proc/net/tcp ./proc/net/tcp6" "containers crictl ps -a"
}

support_drift() {
	INSTALLED=$(installed_entries)
	CLUSTER=$(state_field cluster)
	survey "$INSTALLED" | grep -v '^same ' || echo none
}

# gather NAME COMMAND…: what it prints, with secrets struck out; a command that is not there or fails is noted
gather() {
	gather_name=$1
	shift
	{
		echo "\$ $*"
		"$@" 2>&1 || echo "(failed: $?)"
	} | strike_secrets >"$WORK/bundler-support/$gather_name.txt"
}

# strike_secrets: keys in PEM, tokens and passwords as they appear in logs and command lines
strike_secrets() {
	sed -e '/-----BEGIN [A-Z ]*PRIVATE KEY-----/,/-----END [A-Z ]*PRIVATE KEY-----/s/.*/(struck out)/' \
		-e 's/[Bb]earer [A-Za-z0-9._~+\/=-]*/Bearer (struck out)/g' \
		-e 's/\([Tt]oken\|[Pp]assword\|[Ss]ecret\|key-data\)\(["'"'"' ]*[:=]["'"'"' ]*\)[^ "'"'"',}]*/\1\2(struck out)/g' \
		-e 's/\<[a-z0-9]\{6\}\.[a-z0-9]\{16\}\>/(struck out)/g'
}
