# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The module, the tests and the tools, built in the cross-build root; and the initramfs made of them.

# copy_tree FROM TO: sources without what a build left there
copy_tree() {
	mkdir -p "$2"
	# Nothing is built from docs, which check-matrix --record may be writing.
	tar -c -C "$1" --exclude-vcs --exclude=./docs --exclude='*.o' --exclude='*.ko' --exclude='*.mod' --exclude='*.mod.c' \
		--exclude='.*.cmd' --exclude=Module.symvers --exclude=modules.order . | tar -x -C "$2"
}

# in_root NAME COMMAND...: runs it in the root, its output to a file that is shown when it fails
in_root() {
	local name=$1
	shift
	chroot "$ROOT" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/build "$@" \
		>"$OUT/build-$name.log" 2>&1 && return
	tail -n 60 "$OUT/build-$name.log" >&2
	die "building the $name failed (see above)"
}

# What a build leaves that goes into the initramfs.
products() { # DIR
	case $1 in
	*/module|*/helpers|*/vdpa) find "$1" -name '*.ko' ;;
	*) find "$1" -maxdepth 1 -type f -perm /111 ;;
	esac
}

# built NAME INPUT... -- COMMAND...: what COMMAND builds of INPUT, all below this run's directory, is in NAME there; from
# the cache, where the same was built before. There are many runs of one state of the tree.
built() {
	local name=$1 inputs=() key dir
	shift
	while [[ $1 != -- ]]; do
		inputs+=("$1")
		shift
	done
	shift
	key=$({
		echo "$(basename "$ROOT") $KVER $KPKG $name ${*//$BUILD/}"
		cd "$ROOT$BUILD" && find "${inputs[@]}" -type f -print0 | sort -z | xargs -0 sha256sum
	} | sha256sum | cut -c1-20)
	dir=$CACHE/built/$key
	if [[ -d $dir ]]; then
		mkdir -p "$ROOT$BUILD/$name"
		cp -a "$dir/." "$ROOT$BUILD/$name"
		touch "$dir"
		return
	fi
	in_root "$name" "$@"
	once "$dir" keep_products "$ROOT$BUILD/$name"
	find "$CACHE/built" -mindepth 1 -maxdepth 1 -mmin +2880 -exec rm -rf {} +
}

keep_products() { # FROM DIR
	products "$1" | while read -r file; do cp -a "$file" "$2"; done
}

# Sets BUILD: this run's directory in the root, as seen from inside. Removed at the end of the run.
start_build() {
	local dir
	find "$ROOT/build" -mindepth 1 -maxdepth 1 -mmin +1440 -exec rm -rf --one-file-system {} +	# runs that were killed
	dir=$(mktemp -d "$ROOT/build/XXXXXX")
	on_exit rm -rf "$dir"
	chmod 755 "$dir"
	BUILD=${dir#"$ROOT"}
}

# A compiler that has sparse look at each of our files first, as kbuild does with C=1. Not by kbuild: the headers of 7.x
# come without the script that it starts sparse with.
make_sparse_cc() {
	install -m 755 "$SPARSE" "$ROOT$BUILD/sparse"
	cat >"$ROOT$BUILD/cc" <<-END
		#!/bin/sh
		case "\$*" in
		*" -c "*src/*.c)
			$BUILD/sparse -D__CHECKER__ -D__linux__ -Dlinux -D__STDC__ -Dunix -D__unix__ --arch=aarch64 -m64 \\
				-mlittle-endian -Wbitwise -Wno-return-void -Wno-unknown-attribute "\$@" >>$BUILD/sparse.log 2>&1 ||
				echo "sparse ended with \$?: \$*" >>$BUILD/sparse.log
			echo "\$*" >>$BUILD/sparse.files
		esac
		exec aarch64-linux-gnu-gcc "\$@"
	END
	chmod 755 "$ROOT$BUILD/cc"
	: >"$ROOT$BUILD/sparse.log"
}

# The altered header comes before all others, so that its guard keeps the installed one out.
# shellcheck disable=SC2153 # KBUILD is what it says: where kbuild finds the kernel, as seen from inside
alter_header() {
	local file=${ALTERED%%=*} common
	common=$(chroot "$ROOT" sed -n 's|^include \(/.*\)/Makefile$|\1|p' "$KBUILD/Makefile")
	[[ -r $ROOT$common/include/$file ]] || die "the headers of $KVER have no include/$file"
	sed "${ALTERED#*=}" "$ROOT$common/include/$file" >"$ROOT$BUILD/altered.h"
	! cmp -s "$ROOT$common/include/$file" "$ROOT$BUILD/altered.h" || die "sed changes nothing of include/$file: ${ALTERED#*=}"
	# Some headers count on who includes them.
	sed -i '1i #include <linux/spinlock.h>' "$ROOT$BUILD/altered.h"
	KBUILD_ARGS+=("KCFLAGS=-include $BUILD/altered.h")
}

build_module() {
	local src=${VLPI_SRC:-$TREE} m cc=aarch64-linux-gnu-gcc how
	[[ -e $src/Kbuild ]] || die "$src holds no module source (no Kbuild file); set VLPI_SRC if it is elsewhere"
	say "building the module for $KVER"
	copy_tree "$src" "$ROOT$BUILD/module"
	if [[ -n $PLANTED ]]; then
		"$TREE/tests/planted/apply" "$ROOT$BUILD/module" "$PLANTED" >"$OUT/planted.log" ||
			die "the bug $PLANTED cannot be planted in the source of $src"
	fi
	if [[ -n $SPARSE ]]; then
		make_sparse_cc
		cc=$BUILD/cc
	fi
	[[ -z $ALTERED ]] || alter_header
	# Who asks for more than the module wants to read what is said of it.
	how=(built module module/{Kbuild,dkms.conf,src,include} --)
	[[ -z $SPARSE && ${#KBUILD_ARGS[@]} == 0 ]] || how=(in_root module)
	"${how[@]}" make -s -j"$(nproc)" -C "$KBUILD" "M=$BUILD/module" ARCH=arm64 \
		CROSS_COMPILE=aarch64-linux-gnu- "CC=$cc" "${KBUILD_ARGS[@]}" modules
	if [[ -n $SPARSE ]]; then
		[[ -s $ROOT$BUILD/sparse.files ]] || die "sparse was given no file"
		cp "$ROOT$BUILD/sparse.log" "$OUT"
	fi
	m=$(find "$ROOT$BUILD/module" -name '*.ko' | wc -l)
	((m)) || die "the module's build made no .ko file"
	say "module built$(grep -sc 'warning:' "$OUT/build-module.log" | sed '/^0$/d; s/.*/, with & compiler warnings (build-module.log)/')"
}

build_tests() {
	[[ -e $TREE/tests/Makefile ]] || die "$TREE/tests has no Makefile: there are no tests to build"
	say "building the tests"
	need_linux_source
	copy_tree "$TREE" "$ROOT$BUILD/tree"
	mkdir -p "$ROOT$BUILD/kselftest" "$ROOT$BUILD/tests"
	cp "$LINUX_SOURCE"/*.h "$ROOT$BUILD/kselftest"
	built tests tree/tests tree/include tree/dkms.conf tree/tools/{selftest,vlpictl} kselftest -- \
		make -j"$(nproc)" -C "$BUILD/tree/tests" ARCH=arm64 CC=aarch64-linux-gnu-gcc \
		"KSELFTEST_INC=$BUILD/kselftest" "OUT=$BUILD/tests" ${TEST_CFLAGS:+"CFLAGS=-O2 -g $TEST_CFLAGS"}
}

# Kernel modules that only tests load, with what the module itself is built with. That of vlpi-selftest too.
build_helpers() {
	copy_tree "$TREE/tests/lab/modules" "$ROOT$BUILD/helpers"
	copy_tree "$TREE/tools/selftest" "$ROOT$BUILD/helpers/selftest"
	built helpers helpers -- \
		make -s -j"$(nproc)" -C "$KBUILD" "M=$BUILD/helpers" ARCH=arm64 \
		CROSS_COMPILE=aarch64-linux-gnu- CC=aarch64-linux-gnu-gcc modules
}

# vDPA as Debian's source has it, in front of it what tests/lab/qemu/vdpa adds. Modules that the kernel has are its own.
build_vdpa() {
	local lacking=() m
	say "building vDPA modules for $KVER"
	for m in vdpa vhost_vdpa vp_vdpa; do
		[[ -n $(find "$KMODULES" -name "$m.ko*") ]] || lacking+=("$m.o")
	done
	mkdir -p "$ROOT$BUILD/vdpa"
	cp "$VDPA_SOURCE"/*.[ch] "$TREE"/tests/lab/qemu/vdpa/* "$ROOT$BUILD/vdpa"
	built vdpa vdpa -- make -s -j"$(nproc)" -C "$KBUILD" "M=$BUILD/vdpa" ARCH=arm64 \
		CROSS_COMPILE=aarch64-linux-gnu- CC=aarch64-linux-gnu-gcc "VDPA_MODULES=${lacking[*]}" modules
}

# KVM's own selftests, those that are named: one that is in a directory goes without it. The Makefile of the selftests
# links for a shared libc.
build_selftests() { # PROGRAM...
	say "building KVM's selftests of $KPKG"
	mkdir -p "$ROOT$BUILD/linux" "$ROOT$BUILD/selftests"
	cp -a "$SELFTESTS_SOURCE/." "$ROOT$BUILD/linux"
	cat >"$ROOT$BUILD/linux/build" <<-END
		#!/bin/sh -e
		make -s -j\$(nproc) -C $BUILD/linux/tools/testing/selftests/kvm ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu- \\
			OUTPUT=$BUILD/linux/out LDFLAGS='-pthread -static -s' EXTRA_CFLAGS=-w "\$@"
		cp "\$@" $BUILD/selftests
	END
	chmod 755 "$ROOT$BUILD/linux/build"
	built selftests linux -- "$BUILD/linux/build" "${@/#/$BUILD/linux/out/}"
}

build_tools() {
	[[ -d $TREE/tools/vlpictl ]] || return 0
	say "building vlpictl"
	copy_tree "$TREE" "$ROOT$BUILD/tree"
	mkdir -p "$ROOT$BUILD/tools"
	built tools tree/tools/vlpictl tree/include tree/dkms.conf -- make -j"$(nproc)" -C "$BUILD/tree/tools/vlpictl" CC=aarch64-linux-gnu-gcc \
		"OUT=$BUILD/tools"
}

# ---- initramfs -----------------------------------------------------------------------------------------------

# Modules a test may need, with all they depend on. Those that a kernel lacks or has built in are passed over; init
# says what it misses. VirtIO over MMIO, not PCI: its interrupts then stay out of the ITS trace.
INITRD_MODULES=(vfio-pci vfio_iommu_type1 virtio_mmio virtio_console vdpa vhost_vdpa nvme e1000e igb)

# need_initrd_base: the part that depends on the kernel only, cached. Sets BASE.
need_initrd_base() {
	BASE=$CACHE/initrd/${KVER}_$KPKG-$(cksum <<<"${INITRD_MODULES[*]}" | cut -d' ' -f1)
	once "$BASE" make_initrd_base
}

make_initrd_base() { # DIR
	local dir=$1 mods=$1/lib/modules/$KVER tree=$1/tree m ko to
	say "unpacking the kernel modules for the initramfs"
	mkdir -p "$dir"/{bin,sbin,dev,proc,sys,tmp,root,tests,lab} "$mods" "$tree/lib/modules"
	install -m 755 "$BUSYBOX" "$dir/bin/busybox"
	# depmod wants to write next to the modules, and the cached kernel is not to be touched.
	cp -rs "$KMODULES" "$tree/lib/modules/$KVER"
	rm -f "$tree/lib/modules/$KVER"/modules.{dep,alias,symbols,softdep,devname}{,.bin}
	depmod -b "$tree" "$KVER" 2>/dev/null
	for m in "${INITRD_MODULES[@]}"; do
		# "insmod PATH" lines; empty for a built-in one
		modprobe -d "$tree" -S "$KVER" --show-depends "$m" 2>/dev/null | awk '$1 == "insmod" { print $2 }' || true
	done | sort -u | while read -r ko; do
		to=$mods/${ko#"$tree/lib/modules/$KVER/"}
		to=${to%.xz} to=${to%.zst}
		mkdir -p "$(dirname "$to")"
		case $ko in
		*.xz) xz -dc "$ko" >"$to" ;;
		*.zst) zstd -qdc "$ko" >"$to" ;;
		*) cp -L "$ko" "$to" ;;
		esac
	done
	# Of use to modprobe, and not in every image.
	for m in "$KMODULES"/modules.{builtin*,order}; do [[ ! -e $m ]] || cp "$m" "$mods"; done
	rm -r "$tree"
}

# With libraries of their own, so that nothing else of the machine uses those.
add_tracers() { # STAGE
	local name
	mkdir "$1/tracers"
	cp -a "$TRACERS/." "$1/tracers"
	for name in "$TRACERS"/bin/*; do
		name=${name##*/}
		cat >"$1/bin/$name" <<-END
			#!/bin/sh
			exec /tracers/lib/ld-linux-aarch64.so.1 --library-path /tracers/lib /tracers/bin/$name "\$@"
		END
		chmod 755 "$1/bin/$name"
	done
}

# Sets INITRD
make_initrd() {
	local stage=$OUT/initrd d
	need_initrd_base
	cp -a "$BASE" "$stage"
	install -m 755 "$LAB/init" "$stage/init"
	write_conf >"$stage/lab/conf"
	printf '%s\n' "${TESTS[@]}" >"$stage/lab/tests"
	mkdir "$stage/lib/modules/$KVER/updates"
	for d in module helpers vdpa; do
		[[ -z $BUILD || ! -d $ROOT$BUILD/$d ]] ||
			products "$ROOT$BUILD/$d" | xargs -r cp -t "$stage/lib/modules/$KVER/updates"
	done
	for d in tests selftests tools; do
		[[ -z $BUILD || ! -d $ROOT$BUILD/$d ]] ||
			products "$ROOT$BUILD/$d" | xargs -r cp -t "$stage/tests"
	done
	if [[ -n $BUILD && -d $ROOT$BUILD/tools ]]; then
		for d in "${SHARED_LIBS[@]}"; do cp -L "$ROOT/$d" "$stage/lib/"; done
	fi
	[[ -z $TRACERS ]] || add_tracers "$stage"
	[[ -z $OVERLAY ]] || cp -aL "$OVERLAY/." "$stage"
	[[ -z $GUEST ]] || add_guest "$stage/qemu"
	depmod -b "$stage" "$KVER"
	INITRD=$OUT/initrd.cpio
	pack "$stage" "$INITRD"
}

# pack DIR FILE: an initramfs. Not compressed: unpacking is slow on an emulated CPU.
pack() {
	(cd "$1" && find . | cpio --quiet -o -H newc -R 0:0) >"$2"
	rm -r "$1"
}

# A kernel and an initramfs for a guest of the host, in DIR
add_guest() { # DIR
	local stage=$OUT/guest
	mkdir -p "$1"
	cp -a "$BASE" "$stage"
	cp -a "$GUEST/." "$stage"
	depmod -b "$stage" "$KVER"
	cp "$VMLINUZ" "$1/vmlinuz"
	pack "$stage" "$1/initrd"
}
