# 32-trust: is it the bundle of someone whom this host trusts, and can nobody change it while we work?

# check_folder_safe: root works from this folder, so that nobody else may be able to write to it, or to swap it for
# another. What is copied out of it is compared with the manifest again (57-aside).
check_folder_safe() {
	unsafe=$(cd "$HERE/" && find . \( ! -user 0 -o -perm -0002 -o \( -perm -0020 ! -group 0 \) \) ! -type l | sed -n '1,3s/^/  /p' | tr -c '\n -~' '?')
	[ -z "$unsafe" ] || {
		printf '%s\n' "$unsafe" >&2
		die '[Bundle] others than root own or may write to these files; nothing was written; as root, unpack the tarball again, or: chown -R 0:0 . && chmod -R go-w .'
	}
	above=$HERE
	while [ -n "$above" ]; do
		above=${above%/*}
		folder_is_safe "${above:-/}" ||
			die "[Bundle] others than root may swap what lies in %s; nothing was written; move the bundle to a folder of root's, as /root" "${above:-/}"
	done
}

# folder_is_safe FOLDER: root's, and nobody else may rename what is in it (in a sticky folder each only what is his)
folder_is_safe() {
	stat -L -c '%u %g %a' "$1" | awk '{
		mode = substr("000" $3, length($3))
		sticky = substr(mode, 1, 1) % 2
		group_writes = substr(mode, 3, 1) ~ /[2367]/ && $2 != 0
		others_write = substr(mode, 4, 1) ~ /[2367]/
		exit !($1 == 0 && (sticky || !(group_writes || others_write)))
	}'
}

# check_signature: with a key on this host, the signature must be that key's; --require-signature wants both
check_signature() {
	[ -n "$KEY" ] || [ ! -f /etc/bundler/trusted.pub ] || KEY=/etc/bundler/trusted.pub
	if [ -z "$KEY" ]; then
		[ -z "$REQUIRE_SIGNATURE" ] || die '[Signature] there is no key to check the signature with; give --key FILE, or put it at /etc/bundler/trusted.pub'
	elif [ -f "$HERE/SHA256SUMS.sig" ]; then
		command -v openssl >/dev/null || die '[Signature] openssl is missing, and there is a key (%s) to check the signature with; install openssl' "$KEY"
		openssl dgst -sha256 -verify "$KEY" -signature "$HERE/SHA256SUMS.sig" "$HERE/SHA256SUMS" >/dev/null 2>&1 ||
			die '[Signature] SHA256SUMS.sig is not a signature of %s; nothing was written; get the bundle from those who built it' "$KEY"
	elif [ -n "$REQUIRE_SIGNATURE" ] || [ "$KEY" != /etc/bundler/trusted.pub ]; then
		die '[Signature] the bundle is not signed; nothing was written; build it with --sign-key'
	else
		warn '[Signature] the bundle is not signed, though this host has a key to check with; build it with --sign-key'
	fi
}
