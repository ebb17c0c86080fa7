# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh disable=SC2154
# vlpictl check: sourced by run.sh.

part_check() {
	v two-vms check
	expect "check: ok is 0" 0 out '^VLPI_BROKER OK - 3 of 4 vLPIs injected directly, 3 waiters served in software | '
	expect "check: nothing beside it" 0 err -
	expect "check: performance data" 0 out ' | vms=2 vlpis=4 held=3 clients=9 waiters=3 double-map=0;;0 dead-strays=0;;0 .* unmappable=0;0 connects=12c .* injections=360c$'
	v empty check
	expect "check: no client is ok" 0 out '^VLPI_BROKER OK - loaded, no client yet | '
	v warning check
	expect "check: slower than could be is a warning" 1 out '^VLPI_BROKER WARNING - clients that KVM or the hardware turned down: 1; .*unmappable=1;0'
	v attention check
	expect "check: harm is critical, and all is told" 2 out '^VLPI_BROKER CRITICAL - vLPIs with more than one .*: 1; .*VM that is gone: 3; .*turned down: 3; see ERROR'
	v passing check
	expect "check: what passes is looked at again" 0 out '^VLPI_BROKER OK'
	v stays check
	expect "check: what stays is critical" 2 out '^VLPI_BROKER CRITICAL .*waiters and no holder: 1; '
	for f in enoent enodev; do
		v $f check
		expect "check: $f, no module, is critical" 2 out '^VLPI_BROKER CRITICAL - the module is not loaded .*modprobe vlpi_broker$'
	done
	for t in 'eacces:run vlpictl as root' "emfile:can't open" 'abi-newer:newer than ABI 2' 'short-info:INFO with' 'short-dump:DUMP with' \
		'enotty:install' 'einval:install' 'enomem:no memory' 'stuck:although more' 'loop:a cursor'
	do
		v "${t%%:*}" check
		expect "check: ${t%%:*} is unknown" 3 out "^VLPI_BROKER UNKNOWN - .*${t#*:}"
	done
	bad=
	for f in two-vms empty warning attention stays enoent eacces abi-newer garbage change-always fuzz:1 fuzz:2 fuzz:3; do
		v $f check
		[ "$(wc -l <"$tmp/out")" = 1 ] && [ ! -s "$tmp/err" ] && [ "$(tr -cd '|' <"$tmp/out" | wc -c)" -le 1 ] &&
			[ "$(tr -d '\040-\176\n' <"$tmp/out" | wc -c)" = 0 ] || bad="$bad $f"
	done
	[ -z "$bad" ]
	tap $? "check: one printable line, whatever it is${bad:+; not so:$bad}"
	# What check says is what status says.
	for f in two-vms attention warning stays; do
		v $f -J
		grep -q '"verdict": "ok"' "$tmp/out"
		ok=$?
		v $f check
		[ $((status != 0)) = $ok ]
		tap $? "check and status agree: $f"
	done
	v two-vms check extra
	expect "check: wrong usage is unknown" 3 err '"extra"'
	v two-vms check --nonsense
	expect "check: an option that there is not is unknown" 3 err nonsense
	v two-vms check -J
	expect "check: has no view" 3 out -
	v enoent check --help
	expect "check --help" 0 out '^Usage: vlpictl check'
}
