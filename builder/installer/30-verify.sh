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
}

# verify_bundle: every step prints what is wrong, and `checked` at its end: a step that broke off is no success. Some
# lines are enough: what is wrong with every file must not be too long for a shell whose printf is a program.
verify_bundle() {
	check_signature
	for verify_step in odd_files sums_against_files content_against_sums manifest_against_sums; do
		damage=$(cd "$HERE/" && "$verify_step" | tr -c '\n -~' '?' | awk 'NR <= 20 || $0 == "checked"')
		[ "$damage" != checked ] || continue
		printf '%s\n' "${damage%checked}" | if [ -n "$CHINESE" ]; then chinese_damage; else cat; fi >&2
		die 'the bundle is damaged or was altered; nothing was written; unpack or copy it again'
	done
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

# content_against_sums: one process reads everything; what it does not call OK is altered
content_against_sums() {
	sha256sum -c SHA256SUMS 2>/dev/null | awk '
		FILENAME == "SHA256SUMS" { wanted++; next }
		/: OK$/ { good++; next }
		{ sub(/: FAILED.*$/, ""); print $0 ": not what was built (its sha256 differs)" }
		END { if (!wanted || good < wanted) print "SHA256SUMS: " good + 0 " of " wanted + 0 " files are whole"; print "checked" }
	' SHA256SUMS -
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
