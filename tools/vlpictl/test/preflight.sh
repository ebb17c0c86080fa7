# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh disable=SC2154
# vlpictl preflight: sourced by run.sh. VLPICTL_ROOT is a directory in which vlpictl finds another host's files. It is for
# tests alone, and no manual names it.

put() { # PATH TEXT
	mkdir -p "$(dirname "$host$1")"
	printf '%s\n' "$2" >"$host$1"
}

log() { # LINE...: of the kernel, behind the first
	put /dev/kmsg '6,1,0,-;Linux version 6.1.0-56-arm64'
	for line; do
		printf '6,2,0,-;%s\n SUBSYSTEM=x\n' "$line" >>"$host/dev/kmsg"
	done
}

# As the lab's 6.1 says it.
GIC4='GICv3: GICv4 features: '
GOOD='kvm [1]: GICv4 support enabled'
VHE='kvm [1]: VHE mode initialized successfully'

# A host on which all is well. The functions are those of the module's sources, as its loading would look for them.
host() {
	host=$tmp/host
	rm -rf "$host"
	cp -r "$tmp/good" "$host"
}

functions() {
	sed -n 's/^[[:space:]{]*"\([a-z][a-z0-9_]*\)", *\((void \*)\)*&.*/\1/p; s/^#define COMPAT_[A-Z_]*[[:space:]]*"\([a-z_]*\)"$/\1/p' \
		"${VLPICTL_SRC}../../src"/*.[ch] | sort -u
	echo register_kprobe
}

redirected() {
	sed -n '/^static const struct hook [a-z_]*\(\[\]\)* = {/,/^};/s/^.*"\([a-z_0-9]*\)", .*/\1/p' "${VLPICTL_SRC}../../src"/*.c
}

good_host() {
	host=$tmp/good
	put /proc/sys/kernel/arch aarch64
	put /proc/sys/kernel/osrelease 6.1.0-56-arm64
	put /proc/version 'Linux version 6.1.0-56-arm64 (debian-kernel@lists.debian.org) (gcc-12 (Debian 12.2.0-14+deb12u1)) #1 SMP Debian 6.1.192-2'
	put /proc/cmdline 'root=/dev/sda1 ro kvm-arm.vgic_v4_enable=1 quiet'
	put /proc/sys/kernel/ftrace_enabled 1
	put /sys/kernel/btf/vmlinux x
	put /sys/kernel/security/lockdown '[none] integrity confidentiality'
	put /sys/module/module/parameters/sig_enforce N
	put /dev/kvm ''
	log "$GIC4" "$GOOD" "$VHE"
	put /lib/modules/6.1.0-56-arm64/build/Makefile ''
	functions | sed 's/^/ffff800008000000 T /' >"$host/proc/kallsyms"
	mkdir -p "$host/sys/kernel/tracing"
	redirected >"$host/sys/kernel/tracing/available_filter_functions"
	: >"$host/sys/kernel/tracing/enabled_functions"
}

p() { # ARG...
	VLPICTL_ROOT=$host PATH="$tmp/bin:$PATH" $run "$bin" preflight "$@" >"$tmp/out" 2>"$tmp/err"
	status=$?
}

says() { # NAME STATUS LINE: that line, and no other that is not PASS
	p
	expect "preflight: $1" "$2" out "^$3"
	[ "$(grep -vc '^PASS' "$tmp/out")" = 1 ]
	tap $? "preflight: $1: and nothing else"
}

signed_by() { # SIGNER: as modinfo says it
	put /lib/modules/6.1.0-56-arm64/updates/dkms/vlpi_broker.ko x
	mkdir -p "$tmp/bin"
	printf '#!/bin/sh\n[ "$*" = "-F signer %s/lib/modules/6.1.0-56-arm64/updates/dkms/vlpi_broker.ko" ] && echo "%s"\n' \
		"$host" "$1" >"$tmp/bin/modinfo"
	chmod +x "$tmp/bin/modinfo"
}

part_preflight() {
	unset VLPICTL_FAKE
	rm -rf "${tmp:?}/good" "${tmp:?}/bin"
	good_host
	host
	p
	expect "preflight: a good host passes" 0 err -
	[ "$(sed 's/^\(PASS [a-z-]*\) .*/\1/' "$tmp/out" | tr '\n' ' ')" = 'PASS machine PASS kernel PASS kvm PASS gic PASS direct-injection PASS virt-msi-bypass PASS btf PASS functions PASS ftrace PASS rivals PASS module PASS signature PASS rt ' ]
	ok=$?
	tap $ok "preflight: each question is answered once"
	[ $ok = 0 ] || show
	expect "preflight: the mode of KVM" 0 out 'VHE mode$'
	p --json
	json "preflight --json" 'd["format"] == 1 and d["command"] == "preflight" and d["verdict"] == "PASS" and len(d["checks"]) == 13 and all(list(c) == ["check", "result", "finding", "remedy"] and c["remedy"] is None for c in d["checks"])'

	host; put /proc/sys/kernel/arch x86_64
	says "another machine" 1 'FAIL machine .*x86_64; .*arm64 hosts only'

	# what is tested
	for k in 5.10.0-33-arm64 6.12.9+deb13-arm64 7.2.13-arm64 7.3.4+deb13-arm64; do
		host; put /proc/sys/kernel/osrelease $k; put /lib/modules/$k/build/Makefile ''
		p
		expect "preflight: $k is tested" 0 out "^PASS kernel .*$k: Debian's"
	done
	for k in 5.1.0 6.9.1 6.16.3-arm64 7.30.1 6.10.0 56.1.0; do
		host; put /proc/sys/kernel/osrelease $k; put /lib/modules/$k/build/Makefile ''
		says "$k is not tested" 0 "WARN kernel .*$k is of a series that is not tested; .*try it on a host without"
	done
	host; put /proc/sys/kernel/osrelease 5.10.0-60.18.0.50.oe2203.aarch64; put /proc/version 'Linux version 5.10.0-60.18.0.50.oe2203.aarch64 (abuild@x)'
	put /lib/modules/5.10.0-60.18.0.50.oe2203.aarch64/build/Makefile ''
	says "a vendor's kernel" 0 "WARN kernel .*is not Debian's kernel; "
	want=$(sed '/image-only/d; s/^\([0-9.]*\) .*/\1/; /^[0-9]/!d' "${VLPICTL_SRC}../../tests/lab/kernels")
	[ "$(sed -n 's/^static const char \*const tested\[\] = { \(.*\) };/\1/p' "${VLPICTL_SRC}preflight.c" | tr -d '", ' | tr -d '\n')" = "$(printf %s "$want" | tr -d '\n')" ]
	tap $? "preflight: tested kernels are those of tests/lab/kernels"

	# KVM
	host; rm "$host/dev/kvm"; log "$GIC4" 'kvm [1]: HYP mode not available'
	p
	expect "preflight: not started at EL2" 1 out '^FAIL kvm .*not started at EL2; firmware or hypervisor'
	host; rm "$host/dev/kvm"; put /proc/cmdline 'kvm-arm.vgic_v4_enable=1 kvm-arm.mode=none'
	says "KVM is off" 1 'FAIL kvm .*switched off; boot without kvm-arm.mode=none'
	host; rm "$host/dev/kvm"
	says "no KVM" 1 'FAIL kvm .*no /dev/kvm; boot a kernel with CONFIG_KVM'
	for t in 'kvm [1]: Hyp mode initialized successfully:nVHE' 'kvm [1]: Hyp nVHE mode initialized successfully:nVHE'; do
		host; log "$GIC4" "$GOOD" "${t%:*}"
		p
		expect "preflight: ${t%:*}" 0 out "^PASS kvm .*in nVHE mode"
	done
	host; log "$GIC4" "$GOOD" 'kvm [1]: Protected nVHE mode initialized successfully'
	says "protected KVM" 0 'WARN kvm .*protected mode'

	# GIC
	host; log "$GIC4" 'kvm [1]: GICv4 support disabled' "$VHE"; put /proc/cmdline quiet
	says "GICv4 that is not enabled: the boot line" 1 'FAIL direct-injection .*without direct injection; add kvm-arm.vgic_v4_enable=1 to the kernel.s command line'
	expect "preflight: and GICv4 is seen" 1 out '^PASS gic  *GICv4$'
	for c in kvm-arm.vgic_v4_enable=0 'kvm-arm.vgic_v4_enable=1 kvm-arm.vgic_v4_enable=0' xkvm-arm.vgic_v4_enable=1 kvm-arm.vgic_v4_enable=; do
		host; log "$GIC4" 'kvm [1]: GICv4 support disabled' "$VHE"; put /proc/cmdline "$c"
		p
		expect "preflight: $c is off" 1 out '^FAIL direct-injection .*add kvm-arm.vgic_v4_enable=1'
	done
	host; log "$GIC4" 'kvm [1]: GICv4.1 support enabled' "$VHE"
	says "GICv4.1" 0 'WARN gic  *GICv4.1; .*vlpictl verify'
	host; log 'GICv3: GICv3 features: 16 PPIs' "$VHE"
	p
	expect "preflight: GICv3: nothing to do" 1 out '^FAIL gic  *GICv3: no interrupt controller with GICv4; nothing: the host is not affected'
	expect "preflight: GICv3: enabled in vain" 1 out '^FAIL direct-injection .*although kvm-arm.vgic_v4_enable is on'
	host; log "$VHE"
	p
	expect "preflight: no GICv3 at all" 1 out '^FAIL gic  *neither GICv4 nor GICv3; nothing'
	host; rm "$host/dev/kmsg"
	p
	expect "preflight: no log: told, and not guessed" 0 out "^WARN gic .*log can't be read.*; run it as root"
	expect "preflight: no log: injection, too" 0 out '^WARN direct-injection .*whether KVM obeys; run it as root'
	put /proc/cmdline quiet
	p
	expect "preflight: no log, and not enabled" 1 out '^FAIL direct-injection .*add kvm-arm'
	for n in 3 4; do
		host; rm "$host/dev/kmsg"; mkdir -p "$host/sys/firmware/acpi/tables"
		# A header of 44 bytes, a GICC of 76, a GICD.
		{ head -c 44 /dev/zero; printf '\013\114'; head -c 74 /dev/zero; printf '\014\030'; head -c 18 /dev/zero; echo "$n" | tr "34\n" "\003\004\005" | head -c 1; head -c 3 /dev/zero; } \
			>"$host/sys/firmware/acpi/tables/APIC"
		p
		if [ $n = 3 ]; then
			expect "preflight: ACPI says GICv3" 1 out '^FAIL gic  *GICv3: no'
		else
			expect "preflight: ACPI says GICv4" 0 out '^PASS gic  *GICv4'
		fi
	done
	printf '\014\030' >>"$host/sys/firmware/acpi/tables/APIC"
	p
	expect "preflight: a table that is cut" 0 out '^PASS gic  *GICv4'
	host; put /proc/cmdline 'kvm-arm.vgic_v4_enable=1 kvm-arm.virt_msi_bypass=1'
	says "virt_msi_bypass" 1 'FAIL virt-msi-bypass .*boot without kvm-arm.virt_msi_bypass'

	# what the module needs
	host; rm "$host/sys/kernel/btf/vmlinux"
	says "no BTF" 1 'FAIL btf .*boot a kernel with CONFIG_DEBUG_INFO_BTF'
	host; sed -i '/register_kprobe/d' "$host/proc/kallsyms"
	says "no kprobes" 1 'FAIL functions .*no kprobes; boot a kernel with CONFIG_KPROBES'
	bad=
	for f in $(functions); do
		case $f in
		irq_set_affinity) sed -i '/[ _]irq_set_affinity/d' "$host/proc/kallsyms";;
		vgic_its_invalidate_cache) sed -i '/vgic_its_invalidate/d' "$host/proc/kallsyms";;
		__irq_set_affinity|vgic_its_invalidate_all_caches|register_kprobe) continue;;
		*) sed "/ $f\$/d" "$tmp/good/proc/kallsyms" >"$host/proc/kallsyms";;
		esac
		[ "$kind" = plain ] || [ "$f" = its_map_vlpi ] || continue
		p
		[ $status = 1 ] && grep -q '^FAIL functions .*no function' "$tmp/out" || bad="$bad $f"
	done
	[ -z "$bad" ]
	tap $? "preflight: each function that the module's sources name is asked for${bad:+; not:$bad}"
	host; sed -i '/vgic_its_invalidate_cache/d; / irq_set_affinity/d' "$host/proc/kallsyms"
	p
	expect "preflight: one of two names is enough" 0 out '^PASS functions'
	host; rm "$host/proc/kallsyms"
	says "functions that can't be listed" 0 'WARN functions .*run it as root'
	host; put /proc/sys/kernel/ftrace_enabled 0
	says "ftrace is off" 1 'FAIL ftrace .*sysctl kernel.ftrace_enabled=1'
	host; rm "$host/proc/sys/kernel/ftrace_enabled"
	says "no ftrace" 1 'FAIL ftrace .*CONFIG_FUNCTION_TRACER'
	bad=
	for f in $(redirected); do
		[ "$kind" = plain ] || [ "$f" = its_map_vlpi ] || continue
		grep -vxF "$f" "$tmp/good/sys/kernel/tracing/available_filter_functions" >"$host/sys/kernel/tracing/available_filter_functions"
		put /proc/sys/kernel/ftrace_enabled 1
		p
		grep -q "^FAIL ftrace .*$f() can't be redirected" "$tmp/out" || bad="$bad $f"
	done
	[ -z "$bad" ]
	tap $? "preflight: each function that the module redirects must be traceable${bad:+; not:$bad}"
	host; rm -r "$host/sys/kernel/tracing"
	p
	expect "preflight: no tracefs is no failure" 0 out '^PASS ftrace .*not to be read'

	# rivals
	host; put /sys/kernel/livepatch/fix_a/vmlinux/kvm_irqfd,1/patched 1
	says "a live patch of ours" 1 'FAIL rivals .*the live patch fix_a has a function that the module needs; disable it'
	host; put /sys/kernel/livepatch/fix_b/vmlinux/tcp_sendmsg,1/patched 1
	says "another live patch" 0 'WARN rivals .*the live patch fix_b is there; '
	host; put /proc/livepatch/state 'Index	Patch	State
1	klp_fix	enabled'
	says "a live patch without ftrace" 0 'WARN rivals .*/proc/livepatch/state; '
	host; printf 'tcp_sendmsg (1) R I \t\ttramp: x\nits_map_vlpi (1) R I     \ttramp: ftrace_regs_caller (call_direct_funcs+0x0)\n' >"$host/sys/kernel/tracing/enabled_functions"
	says "another owner" 1 'FAIL rivals .*its_map_vlpi() is redirected already; unload'
	mkdir -p "$host/sys/module/vlpi_broker"; : >"$host/sys/module/vlpi_broker/refcnt"
	p
	expect "preflight: the owner is the module itself" 0 out '^PASS rivals .*loaded already'
	host; printf 'its_map_vlpi (1)           \ttramp: IDLE\n' >"$host/sys/kernel/tracing/enabled_functions"
	p
	expect "preflight: a tracer is no rival" 0 out '^PASS rivals'

	# signatures
	sb=/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c
	host; mkdir -p "$host/sys/firmware/efi/efivars"; printf '\006\000\000\000\001' >"$host$sb"
	p
	expect "preflight: Secure Boot that does not enforce" 0 out '^PASS signature .*Secure Boot is on, but'
	put /sys/kernel/security/lockdown 'none [integrity] confidentiality'
	says "lockdown, and no module yet" 0 'WARN signature .*locked down: the module will have to be signed; .*mokutil --import'
	signed_by ''
	says "lockdown, and not signed" 1 'FAIL signature .*is not signed; .*mokutil --import'
	signed_by 'DKMS module signing key'
	put /proc/keys '2a1f 1f I------ 1 perm 1f030000 0 0 asymmetri Debian Secure Boot CA: 6ccece7e: X509.rsa 4da5b5b4 []'
	says "a key that is not enrolled" 1 'FAIL signature .*has no key of DKMS module signing key, who signed'
	put /proc/keys '2a1f 1f I------ 1 perm 1f030000 0 0 asymmetri DKMS module signing key: 12ab34cd: X509.rsa 12ab34cd []'
	p
	expect "preflight: a key that is enrolled" 0 out '^PASS signature .*has the key of DKMS module signing key'
	rm "$host/proc/keys"
	says "keys that can't be listed" 0 "WARN signature .*can't be listed; run it as root"
	host; put /sys/module/module/parameters/sig_enforce Y
	says "signatures are enforced" 0 'WARN signature .*the kernel enforces signatures: the module will'
	rm -rf "${tmp:?}/bin"

	# the rest
	for t in '/sys/kernel/realtime:1:a real-time kernel' '/proc/version:Linux version 6.12 Debian SMP PREEMPT_RT:a real-time kernel' \
		'/proc/cmdline:kvm-arm.vgic_v4_enable=1 threadirqs:booted with threadirqs'; do
		host; f=${t%%:*} t=${t#*:}; put "$f" "${t%%:*}"
		says "$f: rt" 0 "WARN rt .*${t#*:}.*; .*docs/rt.md"
	done
	host; rm -r "${host:?}/lib"
	says "no headers" 0 'WARN module .*no headers to build it; install the headers'
	host; log "$GIC4" "$GOOD" "$VHE"; printf 'kvm\033]0;evil\007\377 x' >"$host/proc/sys/kernel/osrelease"
	p
	printable "preflight: what the files say is made printable"
	p --json
	json "preflight --json with problems" 'd["verdict"] == "WARN" and all(c["remedy"] for c in d["checks"] if c["result"] != "PASS")'
	mkdir -p "$tmp/nothing"; host=$tmp/nothing; put /proc/sys/kernel/arch aarch64
	p
	expect "preflight: an empty host ends" 1 err -
	v enoent preflight extra
	expect "preflight: wrong usage" 2 err '"extra"'
	v enoent help preflight
	expect "help preflight" 0 out '^Usage: vlpictl preflight'
}
