# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Small things that every part of the lab uses: messages, the cache, locks.

CACHE=${VLPI_LAB_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/vlpi_broker}

# What a bare Debian needs before anything here works.
HOST_PACKAGES=(mmdebstrap debian-archive-keyring cpio e2fsprogs kmod patch python3 xz-utils zstd make)

say() { printf 'lab: %s\n' "$*" >&2; }
die() { say "error: $*"; exit 2; }

# locked NAME COMMAND...: only one process at a time, over all runs that share the cache.
# The lock's file descriptor is closed for what the command starts, so that nothing left behind can keep it.
locked() {
	local name=$1 fd
	shift
	mkdir -p "$CACHE/lock"
	exec {fd}>"$CACHE/lock/$name"
	flock -n "$fd" || { say "waiting for another run: $name"; flock "$fd"; }
	("$@") {fd}>&-
	exec {fd}>&-
}

# once DIR COMMAND...: DIR, filled by COMMAND if it is not there yet. COMMAND gets the name of an empty directory
# as its last argument; that one is renamed to DIR when all went well, so a DIR that exists is complete.
once() {
	[[ -e $1 ]] || locked "$(basename "$1")" fill "$@"
}

fill() {
	local dir=$1 tmp
	shift
	[[ ! -e $dir ]] || return 0		# another run was faster
	mkdir -p "$(dirname "$dir")"
	tmp=$(mktemp -d "$dir.tmp.XXXXXX")
	# shellcheck disable=SC2064 # this tmp, now
	trap "rm -rf --one-file-system '$tmp'" EXIT
	chmod 755 "$tmp"
	"$@" "$tmp"
	mv -T "$tmp" "$dir"
}

# The packages this machine lacks are installed, and only those.
need_host_packages() {
	local p missing=()
	for p in "${HOST_PACKAGES[@]}"; do
		[[ $(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null || true) == installed ]] || missing+=("$p")
	done
	((${#missing[@]})) || return 0
	locked host-packages install_packages "${missing[@]}"
}

install_packages() {
	export DEBIAN_FRONTEND=noninteractive
	say "installing on this machine: $*"
	apt-get install -qq -y --no-install-recommends "$@" >/dev/null 2>&1 && return
	# A fresh machine has no package lists, or old ones.
	apt-get update -qq || die "apt-get update failed on this machine"
	apt-get install -qq -y --no-install-recommends "$@" >/dev/null || die "apt-get cannot install: $*"
}
