# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034 # variables that are set here are used in run and build.sh
# Flavours that Debian has not: kernels with the instruments of config/FLAVOUR.config, from Debian's linux-source of the
# series, configured as config/ says and built in the cross-build root. Once; the result and the build tree are kept in
# the cache, named after all that goes in.

is_debug() { [[ $1 != base && -e $LAB/config/$1.config ]]; } # FLAVOUR

# What building a kernel takes beyond building a module.
DEBUG_ROOT_PACKAGES=gcc,libc6-dev,flex,bison,bc,libelf-dev,libssl-dev,zlib1g-dev,perl,python3,kmod,cpio,xz-utils

debug_fragments() { # SERIES FLAVOUR: files, those of the series only if there are any
	local name
	for name in base "base-$1" "$2" "$2-$1"; do
		[[ ! -e $LAB/config/$name.config ]] || echo "$LAB/config/$name.config"
	done
}

# Sets KVER, KPKG, KDIR, VMLINUZ and KMODULES as need_kernel() does, and KBUILD.
need_debug_kernel() { # SERIES FLAVOUR
	local version sum
	series_row "$1"
	[[ -z $WITHOUT_HEADERS ]] || die "there is no flavour $2 of kernel $1: it is image-only"
	apt_lists "$1"
	need_root "$1"
	version=$(private_apt "$1" apt-cache madison "linux-source-$1" | awk 'NR == 1 { print $3 }')
	[[ -n $version ]] || die "no package linux-source-$1 in Debian's suites for $1"
	mapfile -t FRAGMENTS < <(debug_fragments "$1" "$2")
	sum=$(cat "${FRAGMENTS[@]}" | cksum | cut -d' ' -f1)
	KPKG=$version-$sum
	KSOURCE=/usr/src/lab-linux-$version
	KBUILD=/usr/src/lab-build-$1-$2-$KPKG
	KDIR=$CACHE/kernel/$1-${2}_$KPKG
	once "$ROOT$KSOURCE" unpack_kernel_source "$1" "$version"
	[[ -e $ROOT$KBUILD/lab-built ]] || locked "$(basename "$KBUILD")" build_kernel "$1" "$2"
	once "$KDIR" take_kernel
	KVER=$(cat "$ROOT$KBUILD/include/config/kernel.release")
	VMLINUZ=$KDIR/boot/vmlinuz-$KVER
	KMODULES=$KDIR/lib/modules/$KVER
}

unpack_kernel_source() { # SERIES VERSION DIR
	download "$1" "$3" "linux-source-$1=$2"
	say "unpacking the kernel source (a minute)"
	dpkg-deb --fsys-tarfile "$3"/*.deb | tar -x -O --wildcards './usr/src/linux-source-*.tar.xz' | xz -d -T0 |
		tar -x -C "$3" --strip-components=1 --exclude='*/drivers/gpu/drm/amd/include/*'
	rm "$3"/*.deb
	[[ -e $3/Makefile ]] || die "linux-source-$1 is not laid out as expected"
}

# kernel_make TARGET...: in the root, output to the build's own log
kernel_make() {
	chroot "$ROOT" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/build \
		KBUILD_BUILD_USER=lab KBUILD_BUILD_HOST=lab \
		nice make -C "$KSOURCE" "O=$KBUILD" "-j$(nproc)" ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu- "$@" \
		>>"$ROOT$KBUILD/lab.log" 2>&1 && return
	tail -n 40 "$ROOT$KBUILD/lab.log" >&2
	die "building the kernel failed (see above, and $ROOT$KBUILD/lab.log)"
}

build_kernel() { # SERIES FLAVOUR
	local line missing=()
	[[ ! -e $ROOT$KBUILD/lab-built ]] || return 0		# another run was faster
	say "building the $2 kernel of $1: once, ten minutes or more ($ROOT$KBUILD/lab.log)"
	mkdir -p "$ROOT$KBUILD"
	: >"$ROOT$KBUILD/lab.log"
	cat "${FRAGMENTS[@]}" >"$ROOT$KBUILD/lab.config"
	echo "CONFIG_LOCALVERSION=\"-$2\"" >>"$ROOT$KBUILD/lab.config"
	# Newer kernels have it on without asking.
	sed -i '/^config PROVE_RAW_LOCK_NESTING/,/depends/s/ if !ARCH_SUPPORTS_RT$//;/^config PROVE_RAW_LOCK_NESTING/,/help/s/default y if ARCH_SUPPORTS_RT/default n/' \
		"$ROOT$KSOURCE/lib/Kconfig.debug"
	kernel_make "KCONFIG_ALLCONFIG=$KBUILD/lab.config" alldefconfig
	# Kconfig drops without a word what depends on something that is off.
	while read -r line; do
		grep -qxF "$line" "$ROOT$KBUILD/.config" || { [[ $line == '# '* ]] && ! grep -q "^${line:2:-11}=" "$ROOT$KBUILD/.config"; } ||
			missing+=("$line")
	done < <(grep -E '^(# )?CONFIG_' "$ROOT$KBUILD/lab.config")
	((!${#missing[@]})) || die "kernel $1 cannot be configured so: ${missing[*]}"
	kernel_make Image modules
	touch "$ROOT$KBUILD/lab-built"
}

take_kernel() { # DIR
	local kver
	kver=$(cat "$ROOT$KBUILD/include/config/kernel.release")
	kernel_make "INSTALL_MOD_PATH=$KBUILD/lab-modules" INSTALL_MOD_STRIP=1 modules_install
	mkdir "$1/boot"
	cp "$ROOT$KBUILD/arch/arm64/boot/Image" "$1/boot/vmlinuz-$kver"
	cp "$ROOT$KBUILD/.config" "$1/boot/config-$kver"
	cp -a "$ROOT$KBUILD/lab-modules/lib" "$1"
	rm -f "$1/lib/modules/$kver"/{build,source}
	rm -r "$ROOT$KBUILD/lab-modules"
}
