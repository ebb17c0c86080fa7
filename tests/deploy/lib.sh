# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What the tests of installing share: results, and a root of a Debian release that a test may write into.

DEPLOY=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
LAB=$DEPLOY/../lab TREE=$(cd "$DEPLOY/../.." && pwd)
# shellcheck source=tests/lab/lib.sh
. "$LAB/lib.sh"
# shellcheck source=tests/lab/fetch.sh
. "$LAB/fetch.sh"
# shellcheck source=tests/lab/build.sh
. "$LAB/build.sh"

# A host has these, too.
ROOT_PACKAGES+=,kmod,dkms,openssl

OFFLINE='' PASSED=0 FAILED=0
OUT=$(mktemp -d -t vlpi-deploy.XXXXXX)
MOUNTED=()

clean_up() {
	local m
	for m in "${MOUNTED[@]}"; do umount -R "$m"; done
	((FAILED)) || rm -rf "$OUT"
}
trap clean_up EXIT

# ok NAME COMMAND...: one line of the result
ok() {
	local name=$1
	shift
	if "$@"; then
		echo "ok - $name"
		PASSED=$((PASSED + 1))
	else
		echo "not ok - $name"
		FAILED=$((FAILED + 1))
	fi
}

finish() {
	((!FAILED)) || echo "logs are in $OUT"
	echo "$PASSED passed, $FAILED failed"
	((FAILED == 0))
	exit
}

# Sets R: a copy of the root $1 that is written to, and forgotten at the end.
writable() { # ROOT NAME
	R=$OUT/$2/root
	mkdir -p "$OUT/$2"/{root,upper,work}
	mount -t overlay overlay -o "lowerdir=$1,upperdir=$OUT/$2/upper,workdir=$OUT/$2/work" "$R" ||
		die "no overlay can be mounted here"
	MOUNTED=("$R" "${MOUNTED[@]}")
	mkdir -p "$R/proc" "$R/dev" "$R/build"
	mount -t proc proc "$R/proc"
	mount --rbind --make-rslave /dev "$R/dev"
}

# A shell command in $R, in the tree there; its output goes to a log that is named after the first word.
LOG=
in_r() { # NAME COMMAND
	LOG=$OUT/$1-$KVER.log
	chroot "$R" /usr/bin/env -i PATH=/shim:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
		HOME=/root "${R_ENV[@]}" sh -c "cd /build/vlpi_broker && $2" >"$LOG" 2>&1
}
R_ENV=()

says() { grep -qE -- "$1" "$LOG"; }
silent() { ! says "$1"; }

# The machine that kernel KVER of $R runs on, as far as a build asks for it.
shims() {
	mkdir -p "$R/shim"
	cat >"$R/shim/uname" <<-END
		#!/bin/sh
		case \$1 in
		-r) echo $KVER ;;
		-m) echo aarch64 ;;
		*) exec /bin/uname "\$@" ;;
		esac
	END
	printf '#!/bin/sh\nexec "$@"\n' >"$R/shim/sudo"
	printf '#!/bin/sh\nexec aarch64-linux-gnu-strip "$@"\n' >"$R/shim/strip"
	chmod +x "$R"/shim/*
}

# The kernel itself, as its package leaves it: depmod needs no more of it than these.
add_kernel() {
	cp "$KMODULES"/modules.{order,builtin*} "$R/lib/modules/$KVER/"
	chroot "$R" depmod "$KVER"
}
