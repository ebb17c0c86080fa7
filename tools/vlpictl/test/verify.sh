# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh disable=SC2154
# vlpictl verify: sourced by run.sh. While it waits, the fake device has $VLPICTL_ROOT_AFTER become the host, and signals for
# its waiters: 40 for host IRQ 53, 7 for 56, none for 52. Holders are 51, 54 and 55.

interrupts() { # before|after IRQ=COUNT...
	mkdir -p "$tmp/$1/proc"
	dir=$1
	shift
	{
		echo '            CPU0       CPU1'
		for c; do
			printf '%4s: %10d %10d   ITS-MSI 524288 Edge      vfio-msix[0](0000:01:00.0)\n' "${c%%=*}" "${c#*=}" 1000
		done
		echo 'IPI0:        100        200       Rescheduling interrupts'
		echo ' Err:          0'
	} >"$tmp/$dir/proc/interrupts"
}

verify() { # FAKE ARG...
	f=$1
	shift
	VLPICTL_FAKE=$f VLPICTL_ROOT=$tmp/before VLPICTL_ROOT_AFTER=$tmp/after $run "$bin" verify "$@" >"$tmp/out" 2>"$tmp/err"
	status=$?
	keep_json
}

part_verify() {
	interrupts before 51=5 52=6 53=7 54=8 55=9 56=10 57=11 58=12
	interrupts after 51=5 52=6 53=47 54=8 55=9 56=17 57=11 58=22
	verify two-vms
	expect "verify: ok" 0 out '^ok: 3 holders whose handlers did not run, 2 waiters whose signals match$'
	verify two-vms -r -o host-irq,state,handler,signals,result
	same "verify: what is judged, and how" <<-'END'
		HOST-IRQ STATE HANDLER SIGNALS RESULT
		55 holder 0 0 ok
		54 holder 0 0 ok
		53 waiter 40 40 ok
		52 waiter 0 0 quiet
		57 not-msi 0 0 -
		58 unresolved 10 0 -
		51 holder 0 0 ok
		56 waiter 7 7 ok
	END
	verify two-vms --json --seconds 3
	json "verify --json" 'd["format"] == 1 and d["command"] == "verify" and d["verdict"] == "ok" and d["seconds"] == 3 and d["clients"][2] == {"vm": 1, "pid": 1001, "comm": "qemu-system-aar", "vintid": 8193, "state": "waiter", "host_irq": 53, "handler": 40, "signals": 40, "result": "ok"} and d["clients"][4]["result"] is None'
	# The handler of one signal may not have been counted yet, or may have been before.
	for n in 46 48; do
		interrupts after 51=5 52=6 53=$n 54=8 55=9 56=17 57=11 58=22
		verify two-vms
		expect "verify: one in between is no error ($n)" 0 out '^ok: '
	done
	for n in 45 49 7; do
		interrupts after 51=5 52=6 53=$n 54=8 55=9 56=17 57=11 58=22
		verify two-vms
		expect "verify: a waiter whose signals do not match ($n)" 1 out '^WRONG: 1 clients; report it with the output of: vlpictl report'
		expect "verify: which one ($n)" 1 out ' 8193 waiter  *53  *[0-9]*  *40 WRONG$'
	done
	interrupts after 51=5 52=6 53=47 54=9 55=9 56=17 57=11 58=22
	verify two-vms
	expect "verify: a holder's handler ran" 1 out ' 8193 holder  *54  *1  *0 WRONG$'
	verify two-vms --json
	json_status=$status
	json "verify --json: wrong" 'd["verdict"] == "wrong" and [c["host_irq"] for c in d["clients"] if c["result"] == "WRONG"] == [54]'
	[ "$json_status" = 1 ]
	tap $? "verify --json: wrong is told by the exit status, too"
	interrupts after 51=9 52=6 53=47 54=8 55=9 56=17 57=11 58=22
	verify verify-event -r -n -o host-irq,result
	expect "verify: what changed meanwhile is not judged" 0 out '^51 changed$'
	verify verify-lost -r -n -o host-irq,result
	[ "$(awk '$2 == "changed"' "$tmp/out" | wc -l)" = 8 ]
	tap $? "verify: where events were lost, nothing is judged"
	interrupts after 51=5 52=6 53=47 54=8 56=17 57=11 58=22
	verify two-vms -r -n -o host-irq,handler,result
	expect "verify: no handler, no judgement" 0 out '^55 - -$'
	interrupts after 51=5 52=6 53=2 54=8 55=9 56=17 57=11 58=22
	verify two-vms -r -n -o host-irq,result
	expect "verify: a count that goes back is another handler's" 0 out '^53 changed$'
	verify empty
	expect "verify: no client" 0 out '^nothing to verify: '
	rm "$tmp/before/proc/interrupts"
	verify two-vms
	expect "verify: no /proc/interrupts" 1 err "^vlpictl: can't read /proc/interrupts: "
	expect "verify: no /proc/interrupts: nothing is printed" 1 out -
	echo nonsense >"$tmp/before/proc/interrupts"
	verify two-vms
	expect "verify: a file that is something else" 1 err 'not as expected'
	for t in 'enoent:load it with: modprobe' 'eacces:run vlpictl as root' 'event-old:keeps no events'; do
		verify "${t%%:*}"
		expect "verify: ${t%%:*}" 1 err "^vlpictl: .*${t#*:}"
	done
	for n in 0 3601 -1 x '' 1x; do
		v enoent verify --seconds "$n"
		expect "verify --seconds '$n'" 2 err 'number from 1 to 3600'
	done
}
