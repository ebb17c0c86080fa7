# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh disable=SC2034,SC2154
# vlpictl explain and version: sourced by run.sh.

x() { # ARG...: the log is in $tmp/log
	$run "$bin" explain "$@" <"$tmp/log" >"$tmp/out" 2>"$tmp/err"
	status=$?
}

# The lines that the module can write, with a 7 for each number and a name for each name.
module_lines() {
	sed -n 's/.*pr_\(err\|warn\|info\|warn_once\|warn_ratelimited\)("\([^"]*\)\\n".*/\2/p' "${VLPICTL_SRC}../../src"/*.c |
		sed 's/%[a-z]*u/7/g; s/%d/7/g; s/%s/name/g; s/^/[    1.000000] vlpi_broker: /'
}

part_explain() {
	for t in 'vfio-pci 0000:01:00.0: irq bypass producer (token 00000000d1b4c8e3) registration fails: 66311:had not mapped the MSI yet' \
		'irq bypass consumer (token 00000000d1b4c8e3) registration fails: -16:Another irqfd still has that eventfd' \
		'irq bypass consumer (eventfd 00000000d1b4c8e3) registration fails: -12:could not connect an irqfd' \
		'vhost-vdpa: vq 3, irq bypass producer (token 00000000d1b4c8e3) registration fails, ret =  -16:could not connect a device' \
		'WARNING: CPU: 1 PID: 433 at arch/arm64/kvm/vgic/vgic-v4.c:500 kvm_vgic_v4_unset_forwarding+0x140/0x17c:share an MSI of the guest' \
		'pc : lpi_write_config+0x1c/0x30:configuration' 'kvm [1]: GICv4 support disabled:is not told to' \
		'Loading of unsigned module is rejected:takes signed modules only'
	do
		echo "[   12.345678] ${t%:*}" >"$tmp/log"
		x
		expect "explain: ${t%%:*}" 0 out "${t##*:}"
		grep -q '^    To do: ' "$tmp/out"
		tap $? "explain: ${t%%:*}: what to do"
	done
	module_lines >"$tmp/lines"
	[ "$(wc -l <"$tmp/lines")" -ge 15 ]
	tap $? "explain: the module's lines are found in its sources"
	bad=
	while read -r line; do
		echo "$line" >"$tmp/log"
		x
		[ "$(head -1 "$tmp/out")" = "$line" ] || bad="$bad; $line"
	done <"$tmp/lines"
	[ -z "$bad" ]
	tap $? "explain: each line that the module can write${bad:+; not$bad}"
	cp "$tmp/lines" "$tmp/log"
	x
	# Two of the module's lines may be of one kind.
	[ "$(grep -c '^\[' "$tmp/out")" -ge $(($(wc -l <"$tmp/lines") - 2)) ]
	tap $? "explain: a kind a paragraph"
	[ "$(sed '/^\[/d' "$tmp/out" | wc -L)" -le 80 ]
	tap $? "explain: within 80 columns"
	for i in 1 2 3; do echo "kernel: vlpi_broker: host IRQ $i is still forwarded to a VM that is gone"; done >"$tmp/log"
	x
	expect "explain: the first of many, and how many" 0 out '(3 such lines)'
	expect "explain: the first of them" 0 out 'host IRQ 1 is still'
	printf 'one\ntwo\n\n' >"$tmp/log"
	x
	expect "explain: nothing that it knows: says so" 0 err '3 lines, and none that'
	expect "explain: and no more" 0 out -
	: >"$tmp/log"
	x
	expect "explain: no line" 0 err '0 lines'
	printf 'irq bypass producer (\033[31m\377) registration fails: 66311\r\n' >"$tmp/log"
	x
	printable "explain: what the log says is made printable"
	head -c 100000 /dev/urandom >"$tmp/log"
	x
	expect "explain: random bytes" 0 err 'lines, and none'
	{ printf 'vlpi_broker: host IRQ '; head -c 200000 /dev/zero | tr '\0' x; echo ' is still forwarded to a VM that is gone'; } >"$tmp/log"
	x
	expect "explain: a line without end" 0 out 'xxx$'
	printf 'a\nirq bypass consumer (x) registration fails: -16\n' >"$tmp/log"
	x --json
	json "explain --json" 'd["command"] == "explain" and d["lines"] == 2 and [(k["count"], k["line"]) for k in d["known"]] == [(1, "irq bypass consumer (x) registration fails: -16")]'
	keep_json
	v enoent explain extra
	expect "explain: wrong usage" 2 err '"extra"'

	v two-vms version
	expect "version: of vlpictl" 0 out "^vlpictl:  *$VERSION, ABI 2\$"
	expect "version: of the module" 0 out '^vlpi_broker: 0\.1\.0, ABI 2$'
	v enoent version
	expect "version: no module" 0 out '^vlpi_broker: the module is not loaded '
	expect "version: no module, no complaint" 0 err -
	v abi-newer version
	expect "version: another ABI" 0 out '^vlpi_broker: 0\.1\.0, ABI 3; they do not fit'
	v two-vms version --json
	json "version --json" 'd["vlpictl"]["abi"] == 2 and d["module"] == {"version": "0.1.0", "abi": 2}'
	v abi-newer --json version
	json "--json version, another ABI" 'd["module"]["abi"] == 3'
	v enoent version --json
	json "version --json, no module" 'd["module"] is None'
	v short-info version
	expect "version: a module that can't be asked" 0 out 'INFO with'
}
