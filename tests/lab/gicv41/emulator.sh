# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The emulator of GICv4.1: Debian's QEMU, with gicv41.patch. Built once, of nothing but what a machine of the lab has.

# What it is built with. Unpacked only: none of their scripts has to run, and on a busy disk those take minutes.
GICV41_ROOT_PACKAGES=base-files,bash,bison,bzip2,coreutils,dash,diffutils,dpkg-dev,findutils,flex,gcc,grep,gzip,libc6-dev,\
libfdt-dev,libglib2.0-dev,libpixman-1-dev,make,mawk,meson,ninja-build,patch,pkg-config,python3,python3-pip,python3-venv,sed,tar,xz-utils
GICV41_CONFIGURE=(--target-list=aarch64-softmmu --with-devices-aarch64=vlpi-lab --without-default-features
	--without-default-devices --enable-tcg --enable-fdt=system --enable-pixman --enable-attr --enable-trace-backends=log
	--disable-docs --disable-tools --disable-install-blobs --disable-debug-info --cc=gcc)

# Has QEMU begin with it. What it is linked with, and its firmware, are those of Debian's.
need_gicv41_qemu() {
	local dir
	series_row "$QEMU_SERIES"
	dir=$CACHE/qemu-gicv41-$RELEASE-$(cat "$LAB"/gicv41/{gicv41.patch,emulator.sh} | cksum | cut -d' ' -f1)
	if [[ ! -e $dir ]]; then
		apt_lists "$QEMU_SERIES"
		once "$dir" build_gicv41_qemu
	fi
	QEMU=("${QEMU[@]/%*\/qemu-system-aarch64/$dir/qemu-system-aarch64}")
}

build_gicv41_qemu() { # DIR
	local dir=$1 root=$1/root
	say "building an emulator of GICv4.1 (once; ten minutes on two cores that have nothing else to do)"
	debootstrap_into "$root" "$QEMU_SERIES" "$RELEASE" --variant=extract --architectures=amd64 \
		--include="$GICV41_ROOT_PACKAGES"
	# Made by a script of theirs.
	ln -s mawk "$root/usr/bin/awk"
	mkdir "$root/src"
	download_source "$root/src" qemu
	cp "$LAB/gicv41/gicv41.patch" "$root/src"
	cat >"$root/src/build" <<-END
		set -e
		cd /src
		dpkg-source --no-check -x ./*.dsc qemu
		cd qemu
		patch -p1 <../gicv41.patch
		./configure ${GICV41_CONFIGURE[*]}
		ninja -C build qemu-system-aarch64
	END
	# To a file of this machine: who waits wants to look.
	chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin LC_ALL=C HOME=/tmp bash /src/build 2>&1 |
		tee "$OUT/build-emulator.log" | say_tenths || {
			tail -n 30 "$OUT/build-emulator.log" >&2
			die "building the emulator failed (see above)"
		}
	cp "$root/src/qemu/build/qemu-system-aarch64" "$dir"
	rm -rf "$root"
}

# Of what ninja prints.
say_tenths() {
	local line tenth=0 n
	while read -r line; do
		[[ $line =~ ^\[([0-9]+)/([0-9]+)\] ]] || continue
		n=$((10 * BASH_REMATCH[1] / BASH_REMATCH[2]))
		((n > tenth)) || continue
		tenth=$n
		say "the emulator: $((tenth * 10)) % built"
	done
}

# The source package of the release, not unpacked
download_source() { # DIR PACKAGE
	local apt opts
	apt=$(mktemp -d "$1/apt.XXXXXX")
	mkdir -p "$apt/lists/partial"
	opts=(-o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt" -o "Dir::Etc::sourcelist=$apt/sources.list")
	sed -n "/ $RELEASE main\$/s/^deb \[arch=[^ ]* /deb-src [/p" "$(apt_dir "$QEMU_SERIES")/sources.list" >"$apt/sources.list"
	say "downloading the source of $2"
	if ! private_apt "$QEMU_SERIES" apt-get update -qq -o APT::Update::Error-Mode=any "${opts[@]}" >&2 ||
		! (cd "$1" && private_apt "$QEMU_SERIES" apt-get source -qq --download-only "${opts[@]}" "$2" >&2); then
		die "cannot download the source of $2"
	fi
	rm -r "$apt"
}
