# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034 # variables that are set here are used in run and build.sh
# From Debian's archive: kernels, headers, cross-build roots, the kselftest headers. Everything goes to the cache,
# nothing to the tree, and apt runs on a private root, so the machine's own package state is not touched.

# ---- mirrors -------------------------------------------------------------------------------------------------

# The mirrors are those of this machine's apt: `debian_uri Debian` is its main archive, `debian_uri Debian-Security`
# the security one.
debian_uri() {
	# shellcheck disable=SC2016 # apt's own variables
	# Labels come from the Release files, which a fresh machine does not have yet.
	apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' |
		awk -F'|' -v label="$1" '$1 == "Debian" && $2 == label && !seen++ { print $3 }'
}

suite_line() { # SUITE MAIN-URI SECURITY-URI
	local uri=$2
	[[ $1 != *-security ]] || uri=$3
	printf 'deb [arch=amd64,arm64 signed-by=%s] %s %s main\n' /usr/share/keyrings/debian-archive-keyring.gpg "$uri" "$1"
}

suite_lines() { # SUITE...
	local main security suite
	main=$(debian_uri Debian)
	if [[ -z $main ]]; then
		apt-get update -qq || die "apt-get update failed on this machine"
		main=$(debian_uri Debian)
	fi
	[[ -n $main ]] || die "this machine's apt has no Debian archive to take the mirror from"
	security=$(debian_uri Debian-Security)
	[[ -n $security ]] || security=${main%/}-security	# its usual place
	for suite; do suite_line "$suite" "$main" "$security"; done
}

# ---- the private apt root of one series ----------------------------------------------------------------------

# series_row SERIES: sets RELEASE, SUITES and WITHOUT_HEADERS from the table
series_row() {
	local series rest
	while read -r series RELEASE rest; do
		if [[ $series == "$1" ]]; then
			WITHOUT_HEADERS=''
			[[ $rest != *image-only ]] || WITHOUT_HEADERS=1
			read -ra SUITES <<<"$RELEASE ${rest%image-only}"
			return
		fi
	done < <(grep -v '^#' "$LAB/kernels")
	die "no kernel series $1 in $LAB/kernels, only: $(awk '!/^#/ { printf "%s ", $1 }' "$LAB/kernels")"
}

# Lists are kept by suites: several series share them, and those of a changed table are others.
apt_dir() { # SERIES
	series_row "$1"
	local name="${SUITES[*]}"
	echo "$CACHE/apt/${name// /+}"
}

# The machine's own apt configuration (proxy, checks) stays in force; `-c` is read after it.
private_apt() { # SERIES apt-get|apt-cache ARG...
	local conf tool=$2
	conf=$(apt_dir "$1")/apt.conf
	shift 2
	"$tool" -c "$conf" "$@"
}

# The package lists of a series, refreshed when older than a day (or when FORCE is set: a package went missing).
# Without network the old ones must do.
apt_lists() { # SERIES
	local dir
	dir=$(apt_dir "$1")
	if [[ -z ${FORCE-} && -e $dir/updated ]]; then
		[[ -z $OFFLINE ]] || return 0
		[[ -z $(find "$dir/updated" -mmin +1440) ]] || locked "apt-$(basename "$dir")" apt_update "$1" || true
		return 0
	fi
	locked "apt-$(basename "$dir")" apt_update "$1"
}

apt_update() { # SERIES
	local dir
	dir=$(apt_dir "$1")
	# Another run may have done it while this one waited.
	[[ -n ${FORCE-} || ! -e $dir/updated || -n $(find "$dir/updated" -mmin +1440) ]] || return 0
	series_row "$1"
	say "fetching the package lists of ${SUITES[*]}"
	mkdir -p "$dir"/{lists,cache,archives/partial}
	: >"$dir/status"
	suite_lines "${SUITES[@]}" >"$dir/sources.list"
	cat >"$dir/apt.conf" <<-END
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
		Dir::State::status "$dir/status";
		Dir::State::lists "$dir/lists";
		Dir::Cache "$dir/cache";
		Dir::Cache::archives "$dir/archives";
		Dir::Etc::sourcelist "$dir/sources.list";
		Dir::Etc::sourceparts "/dev/null";
		Dir::Etc::preferences "/dev/null";
		Dir::Etc::preferencesparts "/dev/null";
		APT::Architecture "amd64";
		APT::Architectures { "amd64"; "arm64"; };
		APT::Sandbox::User "root";
		Acquire::Languages "none";
		Acquire::Retries "3";
	END
	if private_apt "$1" apt-get update -qq -o APT::Update::Error-Mode=any >&2; then
		touch "$dir/updated"
	elif [[ -e $dir/updated && -z ${FORCE-} ]]; then
		say "could not refresh them, going on with the old ones"
	else
		die "could not fetch the package lists of ${SUITES[*]}"
	fi
}

# download SERIES DIR PACKAGE[:ARCH][=VERSION]...
download() {
	local series=$1 dir=$2
	shift 2
	say "downloading $*"
	(cd "$dir" && private_apt "$series" apt-get download -qq "$@" >&2) && return
	# The archive moves on: a version that the lists name may be gone.
	FORCE=1 apt_lists "$series"
	(cd "$dir" && private_apt "$series" apt-get download -qq "$@" >&2) || die "cannot download $*"
}

# ---- kernels -------------------------------------------------------------------------------------------------

# packages_of_kernels SERIES FLAVOUR PACKAGE: the releases of which the archive has that package, such as "6.1.0-56-arm64".
packages_of_kernels() {
	private_apt "$1" apt-cache pkgnames "$3-" | sed -n "s/:arm64\$//; s/^$3-//p" |
		grep -E "^${1//./\\.}\.[0-9][^-]*(-[0-9]+)?-$2\$" | sort -u
}

# newest_kernel SERIES FLAVOUR: prints "RELEASE VERSION", such as "6.1.0-56-arm64 6.1.192-2". Header packages are
# looked at because most often a kernel without headers is of no use, and because not every series has a metapackage.
# Those of a new kernel are in the archive for some hours before its image is, which has to be signed first.
newest_kernel() {
	local name version best='' best_name='' package=linux-headers releases
	series_row "$1"
	[[ -z $WITHOUT_HEADERS ]] || package=linux-image
	releases=$(comm -12 <(packages_of_kernels "$1" "$2" "$package") <(packages_of_kernels "$1" "$2" linux-image))
	while read -r name version; do
		if [[ -z $best ]] || dpkg --compare-versions "$version" gt "$best"; then
			best=$version best_name=$name
		fi
	done < <(xargs -r -I{} "$(command -v apt-cache)" -c "$(apt_dir "$1")/apt.conf" madison "$package-{}:arm64" <<<"$releases" |
		awk '{ sub(/:arm64$/, "", $1); print $1, $3 }')
	[[ -n $best ]] || die "no $package package with an image for a $1 kernel of flavour $2 in Debian's suites for it"
	printf '%s %s\n' "${best_name#"$package-"}" "$best"
}

# Sets KVER, KPKG (Debian's version of the package), KDIR (the unpacked kernel), VMLINUZ and KMODULES.
need_kernel() { # SERIES FLAVOUR
	apt_lists "$1"
	read -r KVER KPKG < <(newest_kernel "$1" "$2")
	[[ -n ${KPKG-} ]] || exit 2
	KDIR=$CACHE/kernel/${KVER}_$KPKG
	once "$KDIR" unpack_kernel "$1" "$KVER" "$KPKG"
	VMLINUZ=$(find "$KDIR" -type f -name 'vmlinuz*' | head -n1)
	[[ -n $VMLINUZ ]] || die "no vmlinuz in the packages of kernel $KVER"
	KMODULES=$(find "$KDIR" -type d -path "*/lib/modules/$KVER" | head -n1)
	[[ -n $KMODULES ]] || die "no modules in the packages of kernel $KVER"
}

unpack_kernel() { # SERIES KVER KPKG DIR
	local series=$1 kver=$2 kpkg=$3 dir=$4 deb p have=()
	# Up to 6.x all is in linux-image; in 7.x that one is empty, and the other three hold the kernel,
	# its modules, and modules.builtin and the like. 6.18 names a linux-base that the archive does not have.
	for p in linux-image linux-binary linux-modules linux-base; do
		[[ -z $(private_apt "$series" apt-cache madison "$p-$kver:arm64" 2>/dev/null) ]] || have+=("$p-$kver:arm64=$kpkg")
	done
	((${#have[@]})) || die "kernel $kver has headers in the archive, but no image"
	mkdir "$dir/debs"
	download "$series" "$dir/debs" "${have[@]}"
	for deb in "$dir"/debs/*.deb; do dpkg-deb -x "$deb" "$dir"; done
	rm -r "$dir/debs"
}

# ---- cross-build roots ---------------------------------------------------------------------------------------

ROOT_PACKAGES=make,gcc-aarch64-linux-gnu,libc6-dev-arm64-cross,pahole
# For vlpictl. Debian has no static libsmartcols.
ROOT_ARM64_PACKAGES=(libsmartcols-dev:arm64 libsmartcols1:arm64)
# What a program linked with it needs at run time, in the initramfs.
SHARED_LIBS=(usr/aarch64-linux-gnu/lib/{ld-linux-aarch64.so.1,libc.so.6} usr/lib/aarch64-linux-gnu/libsmartcols.so.1)

# Sets ROOT: an amd64 root of the release with the arm64 cross compiler and libraries.
# arm64 packages are unpacked, not installed: linux-headers-*-arm64 would pull in an arm64 compiler in place of the
# cross one.
need_root() { # SERIES
	series_row "$1"
	ROOT=$CACHE/root/$RELEASE-$(cksum <<<"$ROOT_PACKAGES ${ROOT_ARM64_PACKAGES[*]}" | cut -d' ' -f1)
	once "$ROOT" bootstrap "$1" "$RELEASE"
}

# need_headers SERIES: the headers of kernel KVER in ROOT
need_headers() {
	series_row "$1"
	[[ -z $WITHOUT_HEADERS ]] || die "kernel $1 has no headers in Debian's suites: it can only be run with --stock, and without --vdpa"
	[[ -e $ROOT/lab/headers-$KVER ]] || locked "headers-$(basename "$ROOT")" add_headers "$1"
}

bootstrap() { # SERIES RELEASE DIR
	local series=$1 release=$2 dir=$3
	say "making the cross-build root of Debian $release (a minute or two)"
	debootstrap_into "$dir" "$series" "$release" --variant=apt --architectures=amd64,arm64 \
		--include="$ROOT_PACKAGES"
	mkdir -p "$dir"/lab/debs "$dir/build"
	download "$series" "$dir/lab/debs" "${ROOT_ARM64_PACKAGES[@]}"
	unpack_into "$dir"
}

# The first of the suites is the release; others are taken from too.
debootstrap_into() { # DIR SERIES SUITES MMDEBSTRAP-OPTION...
	local dir=$1 series=$2 release=${3%% *} suites=${3// /|} opts=()
	shift 3
	# What this machine's apt needs to reach its mirror, the root's apt needs too.
	readarray -t opts < <(apt-config dump --format '%F "%v";%n' Acquire |
		grep -E '^Acquire::(https?|Check-|Force|Retries|Proxy)' | grep -v ' "";$' | sed 's/^/--aptopt=/')
	grep -E " ($suites|$release-security) main\$" "$(apt_dir "$series")/sources.list" |
		mmdebstrap --quiet "$@" "${opts[@]}" "$release" "$dir" - >&2 ||
			die "mmdebstrap could not make a root of Debian $release"
}

# Unpacks lab/debs. Not by dpkg-deb -x, which would turn the root's /lib link into a directory.
unpack_into() { # ROOT
	local deb
	for deb in "$1"/lab/debs/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$1" --keep-directory-symlink
	done
	rm -r "$1/lab/debs"
}

add_headers() { # SERIES
	local want
	[[ ! -e $ROOT/lab/headers-$KVER ]] || return 0
	# The -common headers and the build tools (scripts/mod/modpost and the like, amd64) under the names it gives them.
	want=$(private_apt "$1" apt-cache show "linux-headers-$KVER:arm64=$KPKG" | awk '/^Depends:/ && !n++' |
		grep -oE 'linux-(headers-[^ ,]*-common[^ ,]*|kbuild-[^ ,:]*)' | sed "s/$/=$KPKG/" |
		sed 's/^linux-kbuild-[^=]*/&:amd64/')
	rm -rf "$ROOT/lab/debs"
	mkdir "$ROOT/lab/debs"
	# shellcheck disable=SC2086 # a list of words
	download "$1" "$ROOT/lab/debs" "linux-headers-$KVER:arm64=$KPKG" $want
	unpack_into "$ROOT"
	[[ -e $ROOT/lib/modules/$KVER/build/Makefile || -L $ROOT/lib/modules/$KVER/build ]] ||
		die "no /lib/modules/$KVER/build in the header packages of kernel $KVER"
	touch "$ROOT/lab/headers-$KVER"
}

# ---- the rest ------------------------------------------------------------------------------------------------

# The emulator is trixie's (10.0), run with trixie's libraries. On bookworm's 7.2 a vCPU was once seen scheduled in and
# never out, while VMs came and went, and the VMM crashed; the module was not loaded at that moment. Not proven, but a
# stale translation of code that was patched would explain it: static keys and ftrace patch code all the time here.
QEMU_SERIES=7.3

# Sets QEMU, the command. To be called before anything that asks for another series.
need_qemu() {
	local dir
	series_row "$QEMU_SERIES"
	dir=$CACHE/qemu-$RELEASE
	if [[ ! -e $dir ]]; then
		apt_lists "$QEMU_SERIES"
		once "$dir" unpack_qemu
	fi
	QEMU=("$dir/usr/lib64/ld-linux-x86-64.so.2" --library-path "$dir/usr/lib/x86_64-linux-gnu"
		"$dir/usr/bin/qemu-system-aarch64" -L "$dir/usr/share/qemu")
}

unpack_qemu() { # DIR
	say "unpacking the emulator of Debian $RELEASE"
	debootstrap_into "$1" "$QEMU_SERIES" "$RELEASE" --variant=extract --architectures=amd64 \
		--include=qemu-system-arm
}

# Sets BUSYBOX
need_busybox() { # SERIES
	series_row "$1"
	BUSYBOX=$CACHE/busybox-$RELEASE/busybox
	once "$CACHE/busybox-$RELEASE" unpack_busybox "$1"
}

unpack_busybox() { # SERIES DIR
	download "$1" "$2" busybox-static:arm64
	dpkg-deb --fsys-tarfile "$2"/*.deb | tar -x -C "$2" --wildcards --transform 's,.*/,,' '*/bin/busybox'
	rm "$2"/*.deb
}

# Sets SPARSE. It has to know what the headers use, and to run in the cross-build root: bookworm's own there, elsewhere
# the one of the newest Debian release, since trixie's knows no __typeof_unqual__.
need_sparse() { # SERIES
	local series=$1
	series_row "$series"
	[[ $RELEASE == bookworm ]] || series=7.2
	apt_lists "$series"
	series_row "$series"
	SPARSE=$CACHE/sparse-$RELEASE/sparse
	once "$CACHE/sparse-$RELEASE" unpack_sparse "$series"
	series_row "$1"
}

unpack_sparse() { # SERIES DIR
	download "$1" "$2" sparse:amd64
	dpkg-deb --fsys-tarfile "$2"/*.deb | tar -x -C "$2" --transform 's,.*/,,' ./usr/bin/sparse
	rm "$2"/*.deb
}

# trace-cmd, bpftrace, and perf: that of the kernel KPKG if there is one, or the newest.
TRACERS_PACKAGES=(trace-cmd bpftrace linux-perf)

# Sets TRACERS, a directory with bin/ and lib/ of the machine.
need_tracers() { # SERIES
	series_row "$1"
	TRACERS=$CACHE/tracers-$RELEASE-$KPKG
	once "$TRACERS" unpack_tracers "$1"
}

unpack_tracers() { # SERIES DIR
	local root=$2/root packages="${TRACERS_PACKAGES[*]}" name
	say "unpacking ${TRACERS_PACKAGES[*]} (half a minute)"
	# The kernel's own, if it is of the root's release: that of 5.10 (bullseye) knows less than the test asks for.
	private_apt "$1" apt-cache madison linux-perf:arm64 |
		awk -F' *[|] *' -v v="$KPKG" -v r=" ${RELEASE}[-/]" '$2 == v && $3 ~ r { found = 1 } END { exit !found }' &&
		packages=${packages/linux-perf/linux-perf=$KPKG}
	debootstrap_into "$root" "$1" "${SUITES[*]}" --variant=extract --architectures=arm64 --include="${packages// /,}"
	mkdir -p "$2/bin" "$2/lib"
	for name in trace-cmd bpftrace perf; do
		cp -L "$root/usr/bin/$name" "$2/bin/" || die "no $name in Debian's packages of ${TRACERS_PACKAGES[*]}"
	done
	# Below /lib or /usr/lib, by release.
	find "$root" -path '*/lib/aarch64-linux-gnu/*.so*' ! -path '*/aarch64-linux-gnu/*/*' -exec cp -at "$2/lib" {} +
	[[ -e $2/lib/ld-linux-aarch64.so.1 ]] || die "no dynamic linker in Debian's packages of ${TRACERS_PACKAGES[*]}"
	rm -rf --one-file-system "$root"
}

# A few files of one kernel's source serve all of them: the kselftest headers (6.1's harness cannot select tests with
# -t), and the checkers of tests/run/lint. Sets LINUX_SOURCE.
LINUX_SOURCE_SERIES=6.12
LINUX_SOURCE_FILES=(tools/testing/selftests/kselftest{,_harness,_module}.h
	scripts/{checkpatch.pl,spelling.txt,const_structs.checkpatch,kernel-doc})

need_linux_source() {
	LINUX_SOURCE=$CACHE/linux-source-$LINUX_SOURCE_SERIES
	[[ ! -e $LINUX_SOURCE ]] || return 0
	apt_lists "$LINUX_SOURCE_SERIES"
	once "$LINUX_SOURCE" unpack_linux_source
}

unpack_linux_source() { # DIR
	local dir=$1 f
	download "$LINUX_SOURCE_SERIES" "$dir" "linux-source-$LINUX_SOURCE_SERIES"
	say "unpacking the kselftest headers from it (half a minute)"
	dpkg-deb --fsys-tarfile "$dir"/*.deb | tar -x -O --wildcards './usr/src/linux-source-*.tar.xz' | xz -d -T0 |
		tar -x -C "$dir" --wildcards --transform 's,.*/,,' "${LINUX_SOURCE_FILES[@]/#/*/}"
	rm "$dir"/*.deb
	for f in "${LINUX_SOURCE_FILES[@]}"; do
		[[ -e $dir/${f##*/} ]] || die "linux-source-$LINUX_SOURCE_SERIES has no $f"
	done
}

# KVM's own selftests need these of the source of their kernel; and that kernel's headers for user space, which Debian
# has of all architectures in one package.
SELFTESTS_FILES=(scripts/subarch.include arch/arm64/tools tools/{arch/arm64,build,include,lib/rbtree.c,scripts}
	tools/testing/selftests/{kvm,rseq,cgroup,clone3,lib.mk,kselftest{,_harness}.h})

# Sets SELFTESTS_SOURCE: the selftests of kernel KPKG, which must be known, with all they are built of.
need_selftests_source() { # SERIES
	SELFTESTS_SOURCE=$CACHE/selftests-source-$KPKG-$(cksum <<<"${SELFTESTS_FILES[*]}" | cut -d' ' -f1)
	once "$SELFTESTS_SOURCE" unpack_selftests_source "$1"
}

unpack_selftests_source() { # SERIES DIR
	local dir=$2
	mkdir "$dir/deb"
	download "$1" "$dir/deb" "linux-source-$1=$KPKG" "linux-libc-dev=$KPKG"
	say "unpacking KVM's selftests from it (half a minute)"
	dpkg-deb --fsys-tarfile "$dir"/deb/linux-source-*.deb | tar -x -O --wildcards './usr/src/linux-source-*.tar.xz' |
		xz -d -T0 | tar -x -C "$dir" --strip-components=1 --wildcards "${SELFTESTS_FILES[@]/#/linux-source-*/}"
	dpkg-deb --fsys-tarfile "$dir"/deb/linux-libc-dev_*.deb |
		tar -x -C "$dir" ./usr/include/{linux,asm-generic} ./usr/lib/linux/uapi/arm64/asm
	mv "$dir/usr/lib/linux/uapi/arm64/asm" "$dir/usr/include"
	rm -r "$dir/usr/lib"
	rm -r "$dir/deb"
}

# ---- for a VMM and a guest that nobody here wrote ------------------------------------------------------------------

# Sets VDPA_SOURCE: vDPA's core, vhost_vdpa and vp_vdpa from the source of kernel KPKG, which must be known.
need_vdpa_source() { # SERIES
	VDPA_SOURCE=$CACHE/vdpa-source-$KPKG
	once "$VDPA_SOURCE" unpack_vdpa_source "$1"
}

unpack_vdpa_source() { # SERIES DIR
	local dir=$2 f
	mkdir "$dir/deb"
	download "$1" "$dir/deb" "linux-source-$1=$KPKG"
	say "unpacking vDPA from it (half a minute)"
	dpkg-deb --fsys-tarfile "$dir"/deb/*.deb | tar -x -O --wildcards './usr/src/linux-source-*.tar.xz' | xz -d -T0 |
		tar -x -C "$dir" --wildcards --transform 's,.*/vhost/vdpa\.c,vhost_vdpa.c,' --transform 's,.*/,,' \
			'*/drivers/vdpa/vdpa.c' '*/drivers/vdpa/virtio_pci/vp_vdpa.c' '*/drivers/vhost/'{vdpa.c,vhost.h}
	for f in vdpa.c vhost_vdpa.c vhost.h vp_vdpa.c; do
		[[ -e $dir/$f ]] || die "linux-source-$1 has no $f"
	done
	rm -r "$dir/deb"
}

# Sets VMM_IMAGE: a file system with Debian's arm64 QEMU, firmware and a few programs for host and guest.
VMM_SERIES=7.3
VMM_PACKAGES=qemu-system-arm,qemu-efi-aarch64,python3,libsmartcols1,ethtool,iperf3,fio,kexec-tools,iproute2

need_vmm_image() {
	local dir
	series_row "$VMM_SERIES"
	dir=$CACHE/vmm-$RELEASE-$(cksum <<<"$VMM_PACKAGES" | cut -d' ' -f1)
	VMM_IMAGE=$dir/image
	[[ ! -e $dir ]] || return 0
	apt_lists "$VMM_SERIES"
	once "$dir" make_vmm_image
}

make_vmm_image() { # DIR
	local dir=$1 root=$1/root
	say "unpacking Debian $RELEASE's arm64 QEMU and firmware, and making a disk of them (a minute)"
	debootstrap_into "$root" "$VMM_SERIES" "$RELEASE" --variant=extract --architectures=arm64 --include="$VMM_PACKAGES"
	# AAVMF has the same firmware once more, padded to the size of a flash chip, six times over.
	rm -r "$root"/usr/share/{AAVMF,doc,man,locale,info}
	# Nothing in it has run, so what base-files would have made is missing; and places to mount on.
	ln -sfn usr/lib "$root/lib"
	ln -sfn usr/bin "$root/bin"
	mkdir -p "$root"/{proc,sys,dev,tmp,lab}
	# No journal: it is never written to.
	mke2fs -q -t ext4 -O ^has_journal -d "$root" "$dir/image" 768M >/dev/null
	rm -r "$root"
}
