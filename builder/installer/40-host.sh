# 40-host: is this the host that the bundle was made for?

need_root() {
	[ "$(id -u)" = 0 ] || die '[Root] run this as root; nothing was written'
}

# enter_root: the working folder becomes the root of the host's tree; ROOT its true name, empty for this host
enter_root() {
	if [ -z "$ROOT" ]; then
		cd /
		return 0
	fi
	case $ROOT in
	/*) ;;
	*) ROOT=./$ROOT ;;
	esac
	[ -d "$ROOT" ] || die "--root: %s is not a folder; give the folder that holds the image's tree" "$ROOT"
	cd "$ROOT/" || die '--root: %s cannot be entered; give a folder that root may enter' "$ROOT"
	ROOT=$(pwd -P && echo x)
	ROOT=${ROOT%?x}
}

# check_host: refuses a host with another name, address or architecture
check_host() {
	if [ -n "$ROOT" ]; then
		check_image_name
	else
		check_name
		check_address
		check_arch
	fi
	refuse_problems 'this bundle is for %s (%s, %s), and this is another host' "$NODE" "$ADDRESS" "$ARCH"
}

# same_name NAME: whether it is the node's; a short form counts when the node's name has no dot
same_name() {
	host_name=$(printf '%s' "$1" | tr '[:upper:]' '[:lower:]')
	case $NODE in
	*.*) [ "$host_name" = "$NODE" ] ;;
	*) [ "${host_name%%.*}" = "$NODE" ] ;;
	esac
}

# hostname_file: the first word of etc/hostname, or nothing
hostname_file() {
	[ ! -f ./etc/hostname ] || awk '!/^#/ && NF { print $1; exit }' ./etc/hostname
}

check_name() {
	if same_name "$(uname -n)" || same_name "$(hostname_file)"; then
		return 0
	fi
	problem Hostname 'this host is called %s; take the bundle made for it, or name the host: hostnamectl set-hostname %s' "$(uname -n)" "$NODE"
}

# check_image_name: an image that already has a name must have the node's
check_image_name() {
	image_name=$(hostname_file)
	case $image_name in
	'' | localhost) return 0 ;;
	esac
	same_name "$image_name" || problem Hostname "the image's etc/hostname says %s; take the bundle made for it, or write %s there" "$image_name" "$NODE"
}

check_address() {
	found_addresses=$(host_addresses | tr '\n' ' ')
	! has "$ADDRESS" "$found_addresses" || return 0
	problem Address 'no interface of this host has %s; it has: %s; take the bundle made for this host, or set the address' "$ADDRESS" "${found_addresses% }"
}

# host_addresses: IPv4 addresses of this host, one a line, by the first means that is there
host_addresses() {
	if command -v ip >/dev/null; then
		ip -o -4 addr show | awk '{ for (i = 1; i < NF; i++) if ($i == "inet") { split($(i + 1), a, "/"); print a[1] } }'
	elif [ -r /proc/net/fib_trie ]; then
		awk '$1 == "|--" { address = $2 } /\/32 host LOCAL/ && !(address in seen) { seen[address] = 1; print address }' /proc/net/fib_trie
	elif command -v ifconfig >/dev/null; then
		ifconfig -a | sed -n 's/^ *inet \(addr:\)\{0,1\}\([0-9.]*\).*/\2/p'
	fi
}

check_arch() {
	case $(uname -m) in
	x86_64) host_arch=amd64 ;;
	aarch64) host_arch=arm64 ;;
	*) host_arch=$(uname -m) ;;
	esac
	[ "$host_arch" = "$ARCH" ] || problem Arch 'this host is %s; take the bundle made for it' "$host_arch"
}
