#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Run vlpictl against test/fake_device.c and print TAP. Started by "make check", which sets the variables.
# Builds three ways: plain, with sanitizers, and plain under valgrind, as far as this machine can.
# VLPICTL_PARTS="check metrics preflight report verify explain names large" runs these parts only, and builds the first way only.
# VLPICTL_BREAK=1 expects one wrong thing on purpose, to see that a failure is one.

set -u
LC_ALL=C
export LC_ALL
unset VLPICTL_FAKE

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
nr=0 failed=0 skipped=0 run=
PARTS="check metrics preflight report verify explain names"

tap() { # RESULT NAME
	nr=$((nr + 1))
	if [ "$1" = 0 ]; then
		echo "ok $nr - $kind: $2"
	else
		failed=$((failed + 1))
		echo "not ok $nr - $kind: $2"
	fi
}

skip() { # NAME WHY
	nr=$((nr + 1)) skipped=$((skipped + 1))
	echo "ok $nr - $1 # SKIP $2"
}

# run the command with a fake; leaves $tmp/out, $tmp/err and $status
v() { # FAKE ARG...
	VLPICTL_FAKE=$1
	export VLPICTL_FAKE
	shift
	$run "$bin" "$@" >"$tmp/out" 2>"$tmp/err"
	status=$?
	keep_json
}

# All that is JSON is held against the schemas in the end.
keep_json() {
	[ "$(head -c 1 "$tmp/out" | tr -d '\0')" != '{' ] || cat "$tmp/out" >>"$tmp/json-all"
}

schemas() {
	for python in python3 /usr/bin/python3; do
		"$python" -c 'import jsonschema' 2>/dev/null && break
	done
	if ! "$python" -c 'import jsonschema' 2>/dev/null; then
		skip schemas "no python3-jsonschema"
		return
	fi
	"$python" -B "${VLPICTL_SRC}test/schemas.py" "${VLPICTL_SRC}schema" "$tmp/json-all" >"$tmp/py" 2>&1
	ok=$?
	tap $ok "schemas: all JSON is as they say: $(tail -n 1 "$tmp/py")"
	[ $ok = 0 ] || sed 's/^/# /' "$tmp/py"
}

finish() {
	echo "1..$nr"
	echo "$((nr - failed - skipped)) passed, $failed failed, $skipped skipped"
	[ "$failed" = 0 ]
	exit
}

show() { sed 's/^/# /' "$tmp/out" "$tmp/err" | head -40; }

# the last v ended with this status, and OUT/ERR has a line that matches (or is empty for "-")
expect() { # NAME STATUS FILE PATTERN
	ok=0
	[ "$status" = "$2" ] || ok=1
	if [ "$4" = - ]; then
		[ ! -s "$tmp/$3" ] || ok=1
	else
		grep -q -e "$4" "$tmp/$3" || ok=1
	fi
	tap $ok "$1"
	[ $ok = 0 ] || { echo "# status $status, expected $2 and in $3: $4"; show; }
}

same() { # NAME, expected on stdin
	cat >"$tmp/want"
	if cmp -s "$tmp/want" "$tmp/out" && [ "$status" = 0 ]; then
		tap 0 "$1"
	else
		tap 1 "$1"
		diff "$tmp/want" "$tmp/out" | sed 's/^/# /'
	fi
}

json() { # NAME PYTHON-EXPRESSION over d
	if ! command -v python3 >/dev/null; then
		skip "$1" "no python3"
		return
	fi
	python3 - "$tmp/out" "$2" >"$tmp/py" 2>&1 <<-'PY'
		import json, sys
		def no_twice(pairs):
		    assert len(dict(pairs)) == len(pairs), "a key comes twice"
		    return dict(pairs)
		d = json.load(open(sys.argv[1]), object_pairs_hook=no_twice)
		sys.exit(not eval(sys.argv[2]))
	PY
	ok=$?
	tap $ok "$1"
	[ $ok = 0 ] || { sed 's/^/# /' "$tmp/py"; show; }
}

printable() { # NAME: nothing but printable ASCII, blanks and newlines on either stream
	[ "$(cat "$tmp/out" "$tmp/err" | tr -d '\040-\176\n' | wc -c)" = 0 ]
	tap $? "$1"
}

# shellcheck disable=SC1090,SC1091
. "${VLPICTL_SRC}test/check.sh"
# shellcheck disable=SC1090,SC1091
. "${VLPICTL_SRC}test/metrics.sh"
# shellcheck disable=SC1090,SC1091
. "${VLPICTL_SRC}test/preflight.sh"
# shellcheck disable=SC1090,SC1091
. "${VLPICTL_SRC}test/verify.sh"
# shellcheck disable=SC1090,SC1091
. "${VLPICTL_SRC}test/report.sh"
# shellcheck disable=SC1090,SC1091
. "${VLPICTL_SRC}test/explain.sh"
# shellcheck disable=SC1090,SC1091
. "${VLPICTL_SRC}test/names.sh"
# shellcheck disable=SC1090,SC1091
. "${VLPICTL_SRC}test/large.sh"
# shellcheck disable=SC1090,SC1091
. "${VLPICTL_SRC}test/completion.sh"

suite() {
	json_writer
	for part in $PARTS; do
		"part_$part"
	done

	# what an operator sees
	v two-vms
	expect "bare command is status, verdict first" 0 out '^ok: 3 of 4 vLPIs injected directly, 3 waiters'
	cp "$tmp/out" "$tmp/bare"
	v two-vms status
	same "status is the bare command" <"$tmp/bare"
	expect "totals" 0 out 'connects 12, grants 4, promotions 1, revokes 2'
	v two-vms -r
	same "status --raw: VMs only" <<-'END'
		VM PID NAME COMM SLOTS HELD WAITERS SIGNALS INJECTIONS
		1 1001 1001-14 qemu-system-aar 2 2 2 300 270
		2 1002 1002-9 qemu-system-aar 2 1 1 100 90
	END
	v two-vms status --json
	json "status --json: format, numbers as numbers" \
		'd["format"] == 1 and d["verdict"] == "ok" and d["attention"] == [] and d["now"]["held"] == 3 and d["totals"]["signals"] == 400 and d["consistent"] is True and d["vms"][0]["waiters"] == 2 and d["module"]["abi"] == 2'
	json "status --json: these members, in this order" \
		'list(d) == "format command verdict attention module now totals generation consistent vms".split() and list(d["now"]) == "vms slots held clients waiters reassign dead_strays foreign".split() and list(d["totals"]) == "connects grants promotions revokes grant_failures gate_refusals unmaps_behind forced_unmaps repairs signals injections".split() and list(d["vms"][0]) == "vm pid name comm slots held waiters signals injections".split()'
	v empty
	expect "no client: ok" 0 out '^ok: loaded, no client yet'
	v empty -J
	json "no client, JSON: an empty list" 'd["vms"] == [] and d["verdict"] == "ok"'
	v empty dump
	expect "dump without a client says so" 0 err 'no client'
	v empty dump -J
	json "dump without a client, JSON" 'd["clients"] == []'

	v attention
	expect "dead strays: reboot" 0 out '^attention: host IRQs .* is gone: 3; reboot the host'
	expect "reassign: what to do" 0 out '^attention: clients that could not be taken over .*: 2; deassign and assign their irqfds anew'
	expect "an eventfd that another VM has is seen" 0 out '^attention: clients whose eventfd another VM .*: 1; nothing, if '
	expect "a second forwarded IRQ is seen" 0 out '^attention: vLPIs with more than one host IRQ .*: 1; '
	expect "waiters without a holder are seen" 0 out '^attention: vLPIs with waiters and no holder: 1; '
	expect "unmappable clients are seen" 0 out '^attention: clients that KVM or the hardware turned down: 3; '
	head -1 "$tmp/out" >"$tmp/first"
	grep -q '^attention:' "$tmp/first" && ! grep -q '^ok' "$tmp/out"
	tap $? "the verdict is the first line, and not ok"
	v attention -J
	json "attention in JSON" \
		'd["verdict"] == "attention" and {a["code"]: a["count"] for a in d["attention"]} == {"double-map": 1, "dead-strays": 3, "mismatch": 1, "no-holder": 1, "reassign": 2, "shut-out": 1, "unmappable": 3}'

	# dump: order, absent values, filters
	v two-vms dump -r -o VM,VINTID,STATE,POS,ID
	same "dump is sorted: VM, vLPI (none last), place" <<-'END'
		VM VINTID STATE POS ID
		1 8192 holder 0 5
		1 8193 holder 0 4
		1 8193 waiter 1 3
		1 8193 waiter 2 2
		1 - not-msi - 7
		1 - unresolved - 8
		2 8192 holder 0 1
		2 8192 waiter 1 6
		2 8200 idle - 9
	END
	v attention dump --vm 2 -r -n -o state,host_irq,fwd,gsi,devid,error,note
	same "dump --vm, every state and error" <<-'END'
		holder 51 yes 21 8 - -
		waiter 56 no 26 8 - -
		idle - no 29 8 - -
		unmappable 60 no 30 8 ENOSPC -
		unmappable 61 no 31 8 ENOTSUPP -
		unmappable 62 no 32 8 errno-4000 -
		holder 63 yes 33 8 - reassign
		waiter 64 no 34 8 - reassign
		waiter 65 no 35 8 - -
		state-99 66 no 36 8 - -
		idle - no 37 8 - shut-out
	END
	v foreign status
	expect "a foreign mapping is no problem" 0 out '^ok: 3 of 6 vLPIs injected directly, 2 foreign, 4 waiters '
	expect "vLPIs with one are counted" 0 out '^now: .*(held directly 3, foreign 2)'
	v foreign dump --vm 2 -r -n -o vintid,state,pos,note
	same "dump of vLPIs that have one" <<-'END'
		8192 holder 0 -
		8192 waiter 1 -
		8200 idle - -
		8201 waiter 1 foreign
		8202 idle - foreign,unsettled
	END
	v foreign-twice status
	expect "one beside a holder is two" 0 out '^attention: vLPIs with more than one host IRQ .*: 1; '
	v attention dump --vintid 0x2001 -r -n -o VM,POS,FWD,NOTE
	same "dump --vintid (hex), a forwarded waiter is noted" <<-'END'
		1 0 yes -
		1 1 no -
		1 2 yes still-forwarded
	END
	v two-vms dump --vm 2 --vintid 8192 -P -o +ID
	same "dump --pairs: names for a shell, +COL adds" <<-'END'
		VM="2" GUEST="" PID="1002" COMM="qemu-system-aar" VINTID="8192" STATE="holder" POS="0" HOST_IRQ="51" DEVICE="" FWD="yes" GSI="21" DEVID="8" EVENTID="0" SIGNALS="0" INJECTIONS="0" ERROR="" NOTE="" ID="1"
		VM="2" GUEST="" PID="1002" COMM="qemu-system-aar" VINTID="8192" STATE="waiter" POS="1" HOST_IRQ="56" DEVICE="" FWD="no" GSI="26" DEVID="8" EVENTID="0" SIGNALS="100" INJECTIONS="90" ERROR="" NOTE="" ID="6"
	END
	v two-vms dump -J
	json "dump --json: numbers, booleans and null" \
		'd["format"] == 1 and d["generation"] == 35 and len(d["clients"]) == 9 and d["clients"][0]["fwd"] is True and d["clients"][0]["vintid"] == 8192 and d["clients"][4]["vintid"] is None and d["clients"][5]["error"] == "ENOENT" and d["clients"][2]["host_irq"] == 53'
	json "dump --json: these members, in this order" \
		'list(d) == ["format", "command", "generation", "consistent", "clients"] and list(d["clients"][0]) == "vm guest pid comm vintid state pos host_irq device fwd gsi devid eventid signals injections error note".split()'
	v two-vms dump --vm 77
	expect "no match says so" 0 err 'no client matches'

	# walks of several calls
	v many dump -r -n -o ID
	[ "$(sort -un "$tmp/out" | wc -l)" = 9000 ] && [ ! -s "$tmp/err" ]
	tap $? "9000 clients in three calls, each once"
	v change-once dump -r -n -o ID
	[ "$(sort -un "$tmp/out" | wc -l)" = 8999 ] && [ ! -s "$tmp/err" ]
	tap $? "a change in the middle: walked again, the lost client is not shown"
	v change-always dump -r -n -o ID
	expect "changes without end: says so, and shows what there is" 0 err 'warning: clients changed during each of 8'
	[ "$(sort -un "$tmp/out" | wc -l)" = 9000 ]
	tap $? "changes without end: all clients"
	v change-always dump -J
	json "changes without end: JSON is marked" 'd["consistent"] is False and len(d["clients"]) == 9000'
	v eintr dump -r -n -o ID
	expect "EINTR is asked again" 0 out '^9$'
	v grown
	expect "a module that knows more is fine" 0 out '^ok:'

	# events
	v two-vms events
	same "events" <<-'END'
		        TIME    SEQ  VM VINTID HOST-IRQ EVENT        WHY       ERROR
		   12.000345     41   1      -       51 connect      connected -
		   12.000400     42   1   8193       51 grant        vacant    -
		   13.999999     43   1   8193       52 wait         refused   ENOSPC
		   14.000000     50   -   8193       53 gate_refuse  unknown   EBUSY
		 1000.000000     51   2      -        - resolve_fail no-lpi    errno-4000
		 1000.000001     53   2   8193       51 event-77     why-99    -
	END
	expect "a gap is told of" 0 err '^vlpictl: 7 events were overwritten'
	for f in grown eintr; do
		v $f events -r -n -o seq,error,host_irq
		same "$f: events" <<-'END'
			41 - 51
			42 - 51
			43 ENOSPC 52
			50 EBUSY 53
			51 errno-4000 -
			53 - 51
		END
	done
	v two-vms events -P -o SEQ,HOST-IRQ,VINTID,WHY
	expect "events --pairs" 0 out '^SEQ="51" HOST_IRQ="" VINTID="" WHY="no-lpi"$'
	v two-vms events -J
	json "events --json: numbers and null, and what is missing" \
		'd["format"] == 1 and d["command"] == "events" and d["overwritten"] == 7 and len(d["events"]) == 6 and {k: v for k, v in d["events"][0].items() if k != "date"} == {"time": 12.000345, "seq": 41, "vm": 1, "pid": 1001, "guest": None, "vintid": None, "host_irq": 51, "device": None, "event": "connect", "why": "connected", "error": None}'
	expect "events --json: a gap is told of there" 0 err -
	v empty events
	expect "no event says so" 0 err 'no event'
	expect "no event, no heading" 0 out -
	v empty events -J
	json "no event, JSON" 'd["events"] == [] and d["overwritten"] == 0'
	v event-many events -r -n -o SEQ
	[ "$(sort -un "$tmp/out" | wc -l)" = 3000 ]
	tap $? "3000 events in many calls, each once"
	v event-endless events -r -n -o SEQ
	[ "$status" = 0 ] && [ "$(wc -l <"$tmp/out")" = 16384 ]
	tap $? "events without end: it ends"
	for f in two-vms eintr; do
		v $f events --follow -n -o seq
		expect "$f: events --follow ends with the device, and says so" 1 err 'waiting for events failed'
		[ "$(tail -3 "$tmp/out" | tr -d ' ' | tr '\n' ' ')" = '53 54 55 ' ]
		tap $? "$f: events --follow prints what comes"
	done
	v two-vms events -f
	[ "$(grep -c TIME "$tmp/out")" = 1 ] && [ "$(awk '{ print NF }' "$tmp/out" | sort -u)" = 8 ] &&
		[ "$(cut -c 1-13 "$tmp/out" | awk '{ print length }' | sort -u)" = 13 ]
	tap $? "events --follow: one heading, and the columns in line"
	v two-vms events -f -J
	sed 's/^}$/},/; 1s/^/[/' "$tmp/out" | sed '$s/,$/]/' >"$tmp/all"
	mv "$tmp/all" "$tmp/out"
	json "events --follow --json: an object a piece" '[len(o["events"]) for o in d] == [6, 1, 1] and d[2]["events"][0]["seq"] == 55'
	for t in 'event-old:keeps no events; unload it' 'event-small:an impossible size' 'event-odd:an impossible size' \
		'event-large:an impossible size' 'event-part:a part of an event' 'event-disorder:out of order' \
		'event-eio:reading events failed' 'event-eof:come to an end' 'enoent:load it with: modprobe vlpi_broker' \
		'abi-newer:newer than ABI 2' 'enotty:install the vlpictl'
	do
		for cmd in events 'events -J'; do
			# shellcheck disable=SC2086
			v "${t%%:*}" $cmd
			expect "${t%%:*}: $cmd says what to do" 1 err "^vlpictl: .*${t#*:}"
			expect "${t%%:*}: $cmd prints nothing else" 1 out -
		done
	done

	# every error: status 1, nothing on stdout, what to do
	for t in 'enoent:load it with: modprobe vlpi_broker' 'enodev:load it with: modprobe vlpi_broker' \
		'eacces:run vlpictl as root' "emfile:can't open" 'abi-newer:newer than ABI 2.*install the vlpictl' \
		'abi-older:older than ABI 2.*install the vlpictl' 'short-info:INFO with 152 bytes' \
		'short-dump:DUMP with 40 bytes' 'enotty:install the vlpictl' 'einval:install the vlpictl' \
		'enomem:no memory' 'stuck:although more exist' 'overrun:more clients than' \
		'disorder:out of order' 'loop:a cursor that is not'
	do
		for cmd in status 'dump -J'; do
			# shellcheck disable=SC2086
			v "${t%%:*}" $cmd
			expect "${t%%:*}: $cmd says what to do" 1 err "^vlpictl: .*${t#*:}"
			expect "${t%%:*}: $cmd prints nothing else" 1 out -
		done
	done

	# garbage from a process name
	for cmd in status dump 'dump -J -o +NAME' 'status -J' 'dump -r -o +NAME' 'dump -P -o +NAME'; do
		# shellcheck disable=SC2086
		v garbage $cmd
		printable "garbage in names, $cmd: printable"
	done
	v garbage dump -n -o comm --vm 2 --vintid 8192
	expect "garbage is escaped, and can be had back" 0 out '^\\x1b\]0;evil\\x07"\\x5c\\x0a\\x09\\x9b\\xff$'
	v garbage dump -J -o comm,name
	# shellcheck disable=SC2016
	json "garbage in JSON" '[c["name"] for c in d["clients"] if "evil" in c["comm"]] == ["] [ { } \\x7f $(reboot) `id` '"'"' \\x0d\\x0a\\x08\\x1b"]'
	v garbage dump -r -n -o VM,NAME,COMM
	awk 'NF != 3 { exit 1 }' "$tmp/out"
	tap $? "garbage in raw: as many fields as columns"

	# usage
	v two-vms nonsense
	expect "unknown subcommand" 2 err 'no subcommand "nonsense"'
	v two-vms dump --nonsense
	expect "unknown option" 2 err 'nonsense'
	v two-vms dump -J -r
	expect "two views" 2 err 'exclude each other'
	for o in NOPE '' 'VM,' 'VM,vm' +VM; do
		v two-vms dump -o "$o"
		expect "--output '$o'" 2 err column
	done
	for n in -1 '' ' 1' 1x 0x 18446744073709551616; do
		v two-vms dump --vm "$n"
		expect "--vm '$n'" 2 err 'takes a number'
	done
	v two-vms dump --vintid 4294967296
	expect "--vintid out of range" 2 err 'takes a number up to 4294967295'
	v two-vms events extra
	expect "extra argument of events" 2 err '"extra"'
	v two-vms status extra
	expect "extra argument" 2 err '"extra"'
	for a in 'dump extra' 'events --nonsense' 'status -o NOPE' 'dump --vm x'; do
		# shellcheck disable=SC2086
		v enoent $a
		expect "$a: wrong usage is told before the module is asked" 2 out -
	done
	for a in help -h --help 'help help' 'help dump' 'help status' 'help events' 'help check' 'help metrics' 'dump -h' 'events -h' 'status --help'; do
		# shellcheck disable=SC2086
		v enoent $a
		expect "$a needs no module" 0 out '^Usage: vlpictl'
	done
	v enoent -V
	expect "--version" 0 out "^vlpictl $VERSION\$"
	v enoent dump --version
	expect "--version of a subcommand" 0 out "^vlpictl $VERSION\$"
	v two-vms help nonsense
	expect "help nonsense" 2 err 'no subcommand'
	if [ -c /dev/full ]; then
		for c in dump 'events -f'; do
			# shellcheck disable=SC2086
			VLPICTL_FAKE=two-vms $run "$bin" $c >/dev/full 2>"$tmp/err"
			status=$?
			expect "a full disk is an error: $c" 1 err "can't write"
			! grep -q waiting "$tmp/err"
			tap $? "a full disk is the end: $c"
		done
	else
		skip "a full disk is an error" "no /dev/full"
	fi
	[ -z "${VLPICTL_BREAK:-}" ] || { v two-vms; expect "broken on purpose" 0 out '^no such line'; }
}

# Random bytes where the ABI has no rule: nothing unprintable, JSON parses, the rows are all there.
fuzz() {
	bad=
	for i in $(seq 1 "$1"); do
		v "fuzz:$i" dump -P -o +NAME,ID
		[ $status = 0 ] && [ "$(cat "$tmp/out" "$tmp/err" | tr -d '\040-\176\n' | wc -c)" = 0 ] || bad="$bad $i"
		v "fuzz:$i"
		[ $status = 0 ] && [ "$(cat "$tmp/out" "$tmp/err" | tr -d '\040-\176\n' | wc -c)" = 0 ] || bad="$bad $i"
		v "fuzz:$i" events -P
		[ $status = 0 ] && [ "$(cat "$tmp/out" "$tmp/err" | tr -d '\040-\176\n' | wc -c)" = 0 ] || bad="$bad $i"
		for c in dump status events; do
			v "fuzz:$i" $c -J
			[ $status = 0 ] || bad="$bad $i"
			cat "$tmp/out" >>"$tmp/fuzz.json"
		done
	done
	[ -z "$bad" ]
	tap $? "fuzz, $1 seeds${bad:+; bad:$bad}"
	cp "$tmp/fuzz.json" "$tmp/out"
	if command -v python3 >/dev/null; then
		python3 - "$tmp/out" >"$tmp/py" 2>&1 <<-'PY'
			import json, sys
			s, at, n = open(sys.argv[1]).read(), 0, 0
			while at < len(s):
			    d, at = json.JSONDecoder().raw_decode(s, at)
			    at += 1
			    n += 1
			print(n, "objects")
		PY
		ok=$?
		tap $ok "fuzz: all JSON parses"
		[ $ok = 0 ] || sed 's/^/# /' "$tmp/py"
	fi
}

# All that the writer can write, byte by byte, and as a reader of JSON has it.
json_writer() {
	"$bin-json" >"$tmp/out" 2>"$tmp/err"
	status=$?
	same "writer: layout, escapes, numbers, nesting" <<-'END'
		{
		   "quotes": "say \"\\\" {[,:]}",
		   "controls": "\u0008\u0009\u000a\u001b[m\u007f",
		   "no_utf8": "a\ufffd\ufffd",
		   "cut": "qemu-system-\ufffd",
		   "nothing": "",
		   "most": 18446744073709551615,
		   "odd": 9007199254740993,
		   "least": 0,
		   "yes": true,
		   "no": false,
		   "none": null,
		   "time": 12.000345,
		   "empty": [],
		   "members": {},
		   "nested": [
		      [
		         1,
		         2
		      ],
		      {"a": {"b": true}, "c": 3}
		   ]
		}
		[]
	END
	sed -i '$d' "$tmp/out"
	json "writer: strings come back, and bytes that are no ASCII as U+FFFD" \
		'[d[k] for k in ("quotes", "controls", "no_utf8", "cut", "nothing")] == ["say \"\\\" {[,:]}", "\b\t\n\x1b[m\x7f", "a\ufffd\ufffd", "qemu-system-\ufffd", ""]'
	json "writer: 64 bits are exact" '[d[k] for k in ("most", "odd", "least", "time")] == [2**64 - 1, 2**53 + 1, 0, 12.000345]'
	json "writer: nesting" '[d[k] for k in ("yes", "no", "none", "empty", "members", "nested")] == [True, False, None, [], {}, [[1, 2], {"a": {"b": True}, "c": 3}]]'
}

compile() { # PROGRAM FLAGS SOURCE...
	out=$1 flags=$2 src=
	shift 2
	for f in "$@"; do
		src="$src $VLPICTL_SRC$f"
	done
	# The flags are meant to be split; the quotes in them are for eval.
	eval "$CC $CFLAGS_CHECK -O1 -g $flags -o $out $src $LIBS_CHECK" 2>"$tmp/build"
}

build() { # NAME FLAG...
	bin=$tmp/vlpictl-$1
	shift
	# shellcheck disable=SC2086
	compile "$bin" "$*" $SOURCES test/fake_device.c && compile "$bin-json" "$*" test/json_test.c json.c
}

echo "TAP version 13"
kind=plain
if ! build plain -Werror; then
	sed 's/^/# /' "$tmp/build"
	echo "Bail out! vlpictl doesn't build with $CC"
	exit 1
fi
if [ -n "${VLPICTL_PARTS:-}" ]; then
	for part in $VLPICTL_PARTS; do
		"part_$part"
		! command -v "contrib_$part" >/dev/null || "contrib_$part"
	done
	finish
fi
suite
kind=large
part_large
kind=contrib
contrib_metrics
contrib_report
contrib_completion

if command -v valgrind >/dev/null; then
	kind=valgrind
	run="valgrind -q --error-exitcode=99 --leak-check=full"
	for t in 'two-vms status' 'attention dump' 'events' 'event-many events -f' 'event-part events' 'attention check' 'stays check' 'garbage metrics' 'enomem metrics' 'garbage dump -J' 'change-always dump -r' 'stuck dump' 'empty -J'; do
		# shellcheck disable=SC2086
		v $t
		[ $status != 99 ] && ! grep -q '^==' "$tmp/err"
		tap $? "$t"
	done
	run=
else
	skip valgrind "no valgrind"
fi

if build asan -fsanitize=address,undefined -fno-sanitize-recover=all && VLPICTL_FAKE=empty "$bin" >/dev/null 2>&1; then
	kind=asan
	suite
	fuzz 60
else
	skip asan "$CC can't build with sanitizers"
	kind=plain
	build plain -Werror
	fuzz 60
fi

kind=json
schemas
if command -v mandoc >/dev/null; then
	kind='man page'
	# Whether the manuals referred to are indexed is this machine's affair.
	mandoc -T lint -W style "${VLPICTL_SRC}vlpictl.8" 2>&1 | grep -v 'mandoc\.db' >"$tmp/lint"
	[ ! -s "$tmp/lint" ]
	tap $? "mandoc -T lint"
	sed 's/^/# /' "$tmp/lint"
else
	skip "mandoc -T lint" "no mandoc"
fi
kind='man page'
for c in dump status events verify; do
	v enoent $c -h
	miss=
	# shellcheck disable=SC2013
	for col in $(sed -n '/^Columns/,$s/^ [ *+] \([A-Z][A-Z-]*\) .*/\1/p' "$tmp/out"); do
		grep -q "^\.It Cm $col\$" "${VLPICTL_SRC}vlpictl.8" || miss="$miss $col"
	done
	[ -z "$miss" ]
	tap $? "every column of $c is in the man page${miss:+; missing:$miss}"
done

for c in status dump events check metrics preflight report verify explain version; do
	v enoent $c -h
	miss=
	# shellcheck disable=SC2013
	for o in $(sed -n 's/^ \(-., \|    \)-\(-[a-z]*\).*/\2/p' "$tmp/out"); do
		grep -q -e "^\.It Fl \(. , \)*$o\( \|\$\)" "${VLPICTL_SRC}vlpictl.8" || miss="$miss -$o"
	done
	grep -q "^\.It Cm $c\$" "${VLPICTL_SRC}vlpictl.8" || miss="$miss $c"
	[ -z "$miss" ]
	tap $? "$c and each option of it is in the man page${miss:+; missing:$miss}"
done

finish
