# 30-verify: is the bundle whole, and nothing else than what was built?

# find_bundle: HERE becomes the folder that this script lies in, whatever its name
find_bundle() {
	case $0 in
	*/*) HERE=${0%/*}/ ;;
	*) HERE=./ ;;
	esac
	case $HERE in
	/*) ;;
	*) HERE=./$HERE ;;
	esac
	# the x keeps a newline at the end of the folder's name
	HERE=$(cd "$HERE" && pwd -P && echo x) || die "the bundle's folder cannot be entered; move the bundle to another folder, as /root, and run ./install.sh there"
	HERE=${HERE%?x}
}

# need_tools: what this script itself cannot do without
need_tools() {
	for tool in awk cat chmod chown cp cut date dd find grep head id ln mkdir mv readlink rm rmdir sed sha256sum \
		sleep sort stat sync tail tr wc uname xargs; do
		command -v "$tool" >/dev/null || die '[Commands] %s is missing; install coreutils, findutils, awk, sed or busybox' "$tool"
	done
	ABREAST=
	! xargs -P 2 true </dev/null 2>/dev/null || ABREAST='-P 2 -n 1'
}

# digests: `digest SHA256 PATH` of those paths on stdin, one a line, that are plain files. Large ones are read two at a
# time: a second processor takes half of them, and a disk that turns still reads well.
digests() {
	plain_files=$(xargs -r stat -c '%f %s %n' 2>/dev/null | grep '^8') || return 0
	{
		# shellcheck disable=SC2086 # its words
		printf '%s\n' "$plain_files" | awk -v small="$SMALL" '$2 > small { print $3 }' | xargs -r $ABREAST sha256sum
		printf '%s\n' "$plain_files" | awk -v small="$SMALL" '$2 <= small { print $3 }' | xargs -r sha256sum
	} | sed 's/^/digest /'
}

# verify_bundle: every step prints what is wrong, and `checked` at its end: a step that broke off is no success. Some
# lines are enough: what is wrong with every file must not be too long for a shell whose printf is a program.
verify_bundle() {
	check_signature
	verify_step odd_files
	verify_step sums_against_files
	compare_large
	verify_step content_against_sums
	verify_step manifest_against_sums
}

# verify_step FUNCTION: runs in the bundle's folder
verify_step() {
	damage=$(cd "$HERE/" && "$1" | tr -c '\n -~' '?' | awk 'NR <= 20 || $0 == "checked"')
	[ "$damage" != checked ] || return 0
	printf '%s\n' "${damage%checked}" | if [ -n "$CHINESE" ]; then chinese_damage; else cat; fi >&2
	die 'the bundle is damaged or was altered; nothing was written; unpack or copy it again'
}

# compare_large: a re-run would read every large file twice by sha256sum, in the bundle and on the host. A host's file
# that has the digest of SHA256SUMS vouches for the bundle's if the two are equal byte for byte, which GNU cmp tells in a
# fraction of the time; busybox's is slower than its sha256sum. HASHED becomes what sha256sum said of the host's files,
# for the survey that follows; EQUAL the names in SHA256SUMS that need no other check. `verify` knows no host and reads
# everything.
compare_large() {
	EQUAL=
	HASHED=
	[ "$ACTION" != verify ] && cmp --version 2>/dev/null | grep -q GNU || return 0
	HASHED=$(large_twins | digests)
	EQUAL=$(
		{
			cat "$HERE/SHA256SUMS"
			printf '%s\n' "$HASHED"
		} | awk '
			$1 != "digest" { wanted["." substr($2, 7)] = $1; next }
			wanted[$3] == $2 { print substr($3, 2) }' | while read -r twin; do
			! cmp -s "$HERE/root$twin" ".$twin" || echo "./root$twin"
		done
	)
}

# large_twins: the host's files, relative to its root, that are as large as the bundle's large file of that path
large_twins() {
	large_files=$(cd "$HERE/root" && find . -type f -size +1023k -exec stat -c '%s %n' {} + 2>/dev/null) || :
	{
		printf '%s\n' "$large_files"
		printf '%s\n' "$large_files" | awk '{ print $2 }' | xargs -r stat -c '%s %n' 2>/dev/null
	} | awk 'NF && seen[$0]++ { print $2 }'
}

# odd_files: links, devices and pipes have no place in a bundle; its four own files must be there
odd_files() {
	find . ! -type f ! -type d | sed 's/$/: neither a file nor a folder/'
	for own_file in install.sh MANIFEST manifest.json SHA256SUMS; do
		[ -f "$own_file" ] || echo "./$own_file: missing"
	done
	echo checked
}

# sums_against_files: SHA256SUMS is well-formed and lists every file, and only files that are there
sums_against_files() {
	find . -type f ! -path ./SHA256SUMS ! -path ./SHA256SUMS.sig | awk '
		FILENAME == "SHA256SUMS" {
			path = substr($0, 67)
			if (length($1) != 64 || $1 ~ /[^0-9a-f]/ || substr($0, 65, 2) != "  " || path !~ /^\.\/[A-Za-z0-9._@+\/-]+$/ ||
				path ~ /\/\// || (path "/") ~ /\/\.\.\// || path in listed)
				print "SHA256SUMS: line " FNR " cannot be read"
			listed[path] = 1
			next
		}
		{ if (!($0 in listed) || $0 in found) print $0 ": not listed in SHA256SUMS"; found[$0] = 1 }
		END { for (path in listed) if (!(path in found)) print path ": missing"; print "checked" }
	' SHA256SUMS -
}

# content_against_sums: everything is read but what was compared; what has not the digest of SHA256SUMS is altered
content_against_sums() {
	{
		printf '%s\n' "$EQUAL" | awk 'NF { print "equal -", $1 }'
		{
			printf '%s\n' "$EQUAL" --
			cat SHA256SUMS
		} | awk '$1 == "--" { second = 1; next } !second { equal[$1] = 1; next } !($2 in equal) { print $2 }' | digests
	} | awk '
		FILENAME == "SHA256SUMS" { path[++wanted] = $2; sum[$2] = $1; next }
		$1 == "equal" || $2 == sum[$3] { good[$3] = 1 }
		END {
			for (i = 1; i <= wanted; i++) if (!(path[i] in good)) print path[i] ": not what was built (its sha256 differs)"
			print "checked"
		}' SHA256SUMS -
}

# manifest_against_sums: MANIFEST is well-formed and agrees with root/ and blocks/
manifest_against_sums() {
	awk '
		function bad(what) { print "MANIFEST: line " FNR ": " what }
		function plain(path) {
			return path ~ /^\/[A-Za-z0-9._@+\/-]+$/ && path !~ /\/\// && path !~ /\/$/ && (path "/") !~ /\/\.\.?\//
		}
		function held(file) {
			used[file] = 1
			if (sum[file] != $2) bad(file " is not in the bundle with that sha256")
		}
		FILENAME == "SHA256SUMS" { sum[substr($2, 3)] = $1; next }
		FNR == 1 { if ($0 != "# bundler manifest 1") bad("not a manifest of format 1"); next }
		!plain($6) || $6 in seen || NF != ($1 == "link" ? 7 : 6) { bad("cannot be read"); next }
		$5 !~ /^[A-Za-z0-9@._,-]+$/ { bad("units cannot be read") }
		{ seen[$6] = 1 }
		$1 ~ /^(file|dir)$/ && ($3 !~ /^[0-7][0-7][0-7][0-7]$/ || $4 != "0:0") { bad("mode or owner cannot be read") }
		$1 == "file" { held("root" $6); next }
		$1 == "block" { held("blocks" $6); next }
		$1 == "link" { if ($7 !~ /^[A-Za-z0-9._@+\/-]+$/) bad("link cannot be read"); next }
		$1 != "dir" { bad("unknown kind") }
		END { for (file in sum) if (file ~ /^(root|blocks)\// && !(file in used)) print file ": not in MANIFEST"; print "checked" }
	' SHA256SUMS MANIFEST
}
