# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh disable=SC2154
# Names of devices and guests, and filters, in dump and events: sourced by run.sh.

# The host of the fake's two VMs, 1001 and 1002.
names_host() {
	host=$tmp/names
	rm -rf "$host"
	for d in 0000:01:00.0:51 0000:01:00.0:52 0000:82:01.3:53; do
		mkdir -p "$host/sys/bus/pci/devices/${d%:*}/msi_irqs"
		echo msix >"$host/sys/bus/pci/devices/${d%:*}/msi_irqs/${d##*:}"
		ln -sfn ../../../bus/pci/drivers/vfio-pci "$host/sys/bus/pci/devices/${d%:*}/driver"
	done
	mkdir -p "$host/sys/bus/pci/devices/0000:00:00.0" "$host/sys/kernel/irq/51" "$host/proc/1001" "$host/proc/1002"
	echo 'vfio-msix[0](0000:01:00.0)' >"$host/sys/kernel/irq/51/actions"
	printf 'qemu-system-aarch64\0-name\0guest=web-01,,a,debug-threads=on\0-S\0' >"$host/proc/1001/cmdline"
	printf 'qemu-kvm\0-name\0' >"$host/proc/1002/cmdline"
	# shellcheck disable=SC2028 # the escapes are systemd's
	echo '0::/machine.slice/machine-qemu\x2d12\x2ddb\x2d02\x20b.scope/libvirt/emulator' >"$host/proc/1002/cgroup"
	VLPICTL_ROOT=$host
	export VLPICTL_ROOT
}

part_names() {
	names_host
	v two-vms dump -r -o VM,GUEST,HOST-IRQ,DEVICE,DRIVER,HANDLER
	expect "names: a guest by QEMU's -name, a host IRQ by its device" 0 out '^1 web-01,a 53 0000:82:01.3 vfio-pci -$'
	expect "names: what the driver calls its handler" 0 out '^2 .* 51 0000:01:00.0 vfio-pci vfio-msix\[0\](0000:01:00.0)$'
	expect "names: a guest by libvirt's cgroup, a host IRQ of no PCI device" 0 out '^2 db-02\\x20b 56 - - -$'
	for f in two-vms warning; do
		v $f dump
		[ "$(wc -L <"$tmp/out")" -le 80 ]
		ok=$?
		tap $ok "dump: within 80 columns: $f"
		[ $ok = 0 ] || show
	done
	expect "dump: these columns" 0 out '^VM GUEST *VINTID STATE *POS HOST-IRQ DEVICE *SIGNALS ERROR *NOTE$'
	v two-vms events -r -n -o SEQ,PID,GUEST,DEVICE,DRIVER,HANDLER
	expect "names: in events" 0 out '^41 1001 web-01,a 0000:01:00.0 vfio-pci vfio-msix'
	expect "names: in events, a VM that is not known" 0 out '^50 - - 0000:82:01.3 vfio-pci -$'
	v two-vms events -J
	json "names: in events --json" 'd["events"][0]["guest"] == "web-01,a" and d["events"][0]["device"] == "0000:01:00.0" and d["events"][3]["pid"] is None'
	TZ=UTC
	export TZ
	v two-vms events -r -n -o SEQ,DATE
	expect "events: a date" 0 out '^51 2026-11-27T17:20:00\.000+0000$'
	unset TZ
	printf 'x\0-name\0%0200d\033[m\0' 7 >"$host/proc/1001/cmdline"
	v two-vms dump --vm 1
	printable "names: a long one, and controls"
	printf 'x\0-name' >"$host/proc/1001/cmdline"
	printf '0::/machine-qemu\\x2d1.scope' >"$host/proc/1002/cgroup"
	v two-vms dump -n -r -o GUEST
	[ "$(sort -u "$tmp/out")" = - ]
	tap $? "names: half a command line, half a cgroup"
	unset VLPICTL_ROOT

	# filters
	v two-vms dump -n -r -o ID --pid 1002
	same "dump --pid" <<-'END'
		1
		6
		9
	END
	v two-vms dump -n -r -o ID --irq 53
	[ "$(cat "$tmp/out")" = 3 ] && [ "$status" = 0 ]
	tap $? "dump --irq"
	v two-vms dump --irq 53 --pid 1002
	expect "dump: filters that exclude each other" 0 err 'no client matches'
	for t in '--vm 2:51 53' '--vm=1:41 42 43' '--pid 1001:41 42 43' '--irq 51:41 42 53' '--vintid 8193 --irq 0x33:42 53' \
		'--since 1s:51 53' '--since 5m:51 53' '--since 16m:51 53' '--since 1h:41 42 43 50 51 53' '--since 987:43 50 51 53' '--since 0:'
	do
		# shellcheck disable=SC2086
		v two-vms events -n -r -o SEQ ${t%%:*}
		[ "$(tr '\n' ' ' <"$tmp/out" | sed 's/ $//')" = "${t#*:}" ] && [ "$status" = 0 ]
		ok=$?
		tap $ok "events ${t%%:*}"
		[ $ok = 0 ] || show
	done
	v two-vms events --since 0
	expect "events: none matches, and it says so" 0 err 'no event matches'
	v two-vms events --since 0 -J
	json "events: none matches, JSON" 'd["events"] == [] and d["overwritten"] == 7'
	v two-vms events -f -r -n -o SEQ --irq 51
	[ "$(tr '\n' ' ' <"$tmp/out")" = '41 42 53 54 55 ' ]
	ok=$?
	tap $ok "events --follow --irq"
	[ $ok = 0 ] || show
	for n in -1 '' ' 1' 1x s 1w 5mm 0x 60000d; do
		v two-vms events --since "$n"
		expect "--since '$n'" 2 err 'takes a time'
	done
	v two-vms events --irq 4294967296
	expect "--irq out of range" 2 err 'takes a number up to 4294967295'

	# the command line
	for a in '--json dump' '-J dump' 'dump --json' '--json --noheadings dump' '-Jn dump'; do
		# shellcheck disable=SC2086
		v two-vms $a
		json "$a" 'd["command"] == "dump"'
	done
	v two-vms --raw events -n
	expect "--raw events" 0 out '^12\.000345 '
	for t in 'stat:status' 'dmup:dump' 'evnets:events' 'Dump:dump' 'versoin:version' 'pre:preflight' 'explian:explain'; do
		v two-vms "${t%:*}"
		expect "a hint: ${t%:*}" 2 err "is it \"${t#*:}\"?"
	done
	for t in xyzzy '' z nonsense; do
		v two-vms "$t"
		! grep -q 'is it' "$tmp/err" && [ "$status" = 2 ]
		tap $? "no hint: '$t'"
	done
}
