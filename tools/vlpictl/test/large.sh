# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh disable=SC2154
# vlpictl on a host with a million irqfds: sourced by run.sh. Its memory is limited to what it takes for a few thousand, its
# time by TIME; a walk of all for each of them would take hours.

LARGE=67108864
TIME=120

# As v, with these limits.
v_limited() { # FAKE ARG...
	VLPICTL_FAKE=$1
	export VLPICTL_FAKE
	shift
	prlimit --as=$LARGE timeout $TIME "$bin" "$@" >"$tmp/out" 2>"$tmp/err"
	status=$?
}

# As v, on a terminal.
v_terminal() { # FAKE COMMAND
	VLPICTL_FAKE=$1
	export VLPICTL_FAKE
	script -qec "$bin $2 >$tmp/rows" /dev/null >"$tmp/out" 2>"$tmp/err" </dev/null
	status=$?
}

part_large() {
	v_limited million dump -r -n -o ID
	[ "$status" = 0 ] && [ "$(sort -un "$tmp/out" | wc -l)" = 1000000 ] && [ ! -s "$tmp/err" ]
	tap $? "a million clients, each once"
	v_limited million dump -n -o HOST-IRQ,STATE,VINTID
	[ "$status" = 0 ] && [ "$(awk '{ print length }' "$tmp/out" | sort -u | wc -l)" = 1 ] && [ "$(wc -l <"$tmp/out")" = 1000000 ]
	tap $? "a million clients in a table, the columns in line"
	v_limited million dump -J -o id
	json "a million clients in one object" \
		'len(d["clients"]) == 1000000 and d["consistent"] is True and d["generation"] == 7000 and d["command"] == "dump"'
	v_limited million dump --vm 700 --vintid 8192 -r -n -o ID
	[ "$status" = 0 ] && [ "$(wc -l <"$tmp/out")" = 10 ] && [ ! -s "$tmp/err" ]
	tap $? "a vLPI among a million clients"
	v_limited million dump --vm 1001
	expect "none of a million matches" 0 err 'no client matches'
	expect "none of a million matches: no heading" 0 out -
	v_limited million-change dump -r -n -o ID
	[ "$(sort -un "$tmp/out" | wc -l)" = 1000000 ] && [ "$(wc -l <"$tmp/err")" = 1 ]
	tap $? "a VM that changes without end: the others are read once"
	v_limited million-enomem dump -r
	expect "the module stops half-way: status, and why" 1 err 'has no memory for the request DUMP'
	v_limited million status -r -n
	[ "$status" = 0 ] && [ "$(wc -l <"$tmp/out")" = 1000 ]
	tap $? "status of a thousand VMs"
	v_limited million status -J
	json "status of a thousand VMs, JSON" \
		'd["verdict"] == "ok" and sum(v["held"] for v in d["vms"]) == 100000 and sum(v["waiters"] for v in d["vms"]) == 900000'
	v_limited million check
	expect "check" 0 out '^VLPI_BROKER OK'
	v_limited million metrics
	expect "metrics" 0 out '^vlpi_broker_vm_clients{vm="1000",.*} 1000$'
	v_limited million events -r -n -o PID
	[ "$status" = 0 ] && [ "$(sort -u "$tmp/out" | tr '\n' ' ')" = '- 1001 1002 ' ]
	tap $? "events know whose the VMs are"
	mkdir -p "$tmp/large/proc"
	awk 'BEGIN { print "      CPU0"; for (i = 50; i < 55606; i++) print i ": 0 ITS-MSI 0 Edge x" }' >"$tmp/large/proc/interrupts"
	VLPICTL_ROOT=$tmp/large
	export VLPICTL_ROOT
	v_limited million verify --seconds 1 -r -n -o RESULT
	unset VLPICTL_ROOT
	[ "$status" = 0 ] && [ "$(sort "$tmp/out" | uniq -c | tr -s ' \n' ' ')" = ' 11112 ok 44444 quiet ' ]
	ok=$?
	tap $ok "verify of 55,556 host IRQs"
	[ $ok = 0 ] || { sort "$tmp/out" | uniq -c | sed 's/^/# /'; sed 's/^/# /' "$tmp/err"; }
	rm -r "$tmp/large"

	if ! command -v script >/dev/null; then
		skip "progress" "no script"
		return
	fi
	v_terminal slow 'dump -r -n -o ID'
	[ "$status" = 0 ] && tr '\r' '\n' <"$tmp/out" | grep -q '^vlpictl: [1-9][0-9]* clients read' &&
		tail -c 4 "$tmp/out" | grep -q "$(printf '\r\033\[K')"
	ok=$?
	tap $ok "what takes more than two seconds says how far it is, on a terminal, and takes the line away"
	[ $ok = 0 ] || od -c "$tmp/out" | sed 's/^/# /'
	[ "$(wc -l <"$tmp/rows")" = 9000 ]
	tap $? "the rows are as ever"
	v_terminal many 'dump -r -n -o ID'
	[ "$status" = 0 ] && [ ! -s "$tmp/out" ]
	tap $? "what takes less says nothing"
	v slow status -r
	expect "without a terminal there is no progress" 0 err -
	rm "$tmp/rows"
}
