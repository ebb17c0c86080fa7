# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh disable=SC2154
# vlpictl report, and the plugin for sos: sourced by run.sh.

part_report() {
	mkdir -p "$tmp/report/tmp" "$tmp/report/root/proc" "$tmp/report/root/dev"
	echo 'quiet kvm-arm.vgic_v4_enable=1' >"$tmp/report/root/proc/cmdline"
	echo '6,1,0,-;Linux version 6.1' >"$tmp/report/root/dev/kmsg"
	TMPDIR=$tmp/report/tmp VLPICTL_ROOT=$tmp/report/root
	export TMPDIR VLPICTL_ROOT
	v two-vms report -o "$tmp/report/r.tar.gz"
	[ "$status" = 0 ] && [ "$(cat "$tmp/out")" = "$tmp/report/r.tar.gz" ] && [ ! -s "$tmp/err" ]
	ok=$?
	tap $ok "report: says where it is"
	[ $ok = 0 ] || show
	[ "$(stat -c %a "$tmp/report/r.tar.gz")" = 600 ]
	tap $? "report: is root's"
	[ -z "$(ls "$tmp/report/tmp")" ]
	tap $? "report: leaves nothing else"
	mkdir "$tmp/report/x"
	tar -xzf "$tmp/report/r.tar.gz" -C "$tmp/report/x" --strip-components=1
	tap $? "report: is a tarball with one directory"
	bad=
	for t in vlpictl-version:vlpictl status:'^ok: 3 of 4' status.json:'"verdict": "ok"' dump.json:'"fallback": "thread"' \
		events.json:'"event": "gate_refuse"' preflight:'^[A-Z]* *machine' proc-cmdline:vgic_v4_enable=1 kernel.log:'Linux version 6.1' \
		missing:'^/proc/version: No such file'
	do
		grep -q -e "${t#*:}" "$tmp/report/x/${t%%:*}" || bad="$bad ${t%%:*}"
	done
	[ -z "$bad" ]
	tap $? "report: has all${bad:+; not:$bad}"
	v enoent report -o "$tmp/report/r.tar.gz"
	rm -r "$tmp/report/x"
	mkdir "$tmp/report/x"
	tar -xzf "$tmp/report/r.tar.gz" -C "$tmp/report/x" --strip-components=1
	[ "$status" = 0 ] && grep -q 'not loaded' "$tmp/report/x/status" && grep -q '^status: exit status 1' "$tmp/report/x/missing"
	tap $? "report: without the module it is one, too"
	v two-vms report -o "$tmp/none/r.tar.gz"
	expect "report: no directory" 1 err "^vlpictl: can't make a file beside"
	mkdir "$tmp/report/bin"
	printf '#!/bin/sh\nexit 3\n' >"$tmp/report/bin/tar"
	chmod +x "$tmp/report/bin/tar"
	old=$PATH PATH=$tmp/report/bin:$PATH
	v two-vms report -o "$tmp/report/s.tar.gz"
	PATH=$old
	expect "report: tar fails" 1 err "^vlpictl: tar can't pack the report (exit status 3)"
	[ ! -e "$tmp/report/s.tar.gz" ] && [ -z "$(ls "$tmp/report/tmp")" ]
	tap $? "report: a failure leaves nothing"
	# Ended while tar runs, and before it. Not by ^C: a shell in the background has its children ignore that.
	# shellcheck disable=SC2016
	printf '#!/bin/sh\nkill -TERM $PPID\n' >"$tmp/report/bin/tar"
	PATH=$tmp/report/bin:$PATH
	v two-vms report -o "$tmp/report/s.tar.gz"
	cp "$tmp/report/bin/tar" "$tmp/report/bin/modinfo"
	first=$status
	v two-vms report -o "$tmp/report/s.tar.gz"
	PATH=$old
	[ "$first" = 143 ] && [ "$status" = 143 ] && ! grep -q vlpictl "$tmp/err"
	ok=$?
	tap $ok "report: a signal ends it"
	[ $ok = 0 ] || { echo "# status $first, $status"; show; }
	[ -z "$(ls "$tmp/report/tmp")" ] && [ -z "$(find "$tmp/report" -name 's.tar.gz*')" ]
	tap $? "report: a signal leaves nothing"
	TMPDIR=$tmp/none
	v two-vms report -o "$tmp/report/s.tar.gz"
	expect "report: no TMPDIR" 1 err "^vlpictl: can't make a directory"
	unset TMPDIR VLPICTL_ROOT
	v two-vms report -o ''
	expect "report: no file" 2 err 'name of a file'
	rm -r "$tmp/report"
}

# The plugin, as sos loads it.
contrib_report() {
	for python in python3 /usr/bin/python3; do
		"$python" -c 'import sos.report.plugins' 2>/dev/null && break
	done
	if ! "$python" -c 'import sos.report.plugins' 2>/dev/null; then
		skip "sos plugin" "no sos (package sosreport)"
		return
	fi
	"$python" - "${VLPICTL_SRC}contrib/sos/vlpi_broker.py" >"$tmp/out" 2>"$tmp/err" <<-'PY'
		import importlib.util, sys
		sys.dont_write_bytecode = True
		spec = importlib.util.spec_from_file_location("vlpi_broker", sys.argv[1])
		module = importlib.util.module_from_spec(spec)
		spec.loader.exec_module(module)
		plugin = module.VlpiBroker.__new__(module.VlpiBroker)
		plugin.add_cmd_output = lambda commands: print(*commands, sep="\n")
		plugin.add_copy_spec = lambda files: print(*files, sep="\n")
		plugin.setup()
	PY
	status=$?
	expect "sos plugin: loads, and asks vlpictl" 0 out '^vlpictl status --json$'
	bad=
	grep '^vlpictl ' "$tmp/out" >"$tmp/commands"
	while read -r _ args; do
		# shellcheck disable=SC2086
		v two-vms $args
		[ "$status" = 0 ] || [ "$args" = preflight ] || bad="$bad; $args"
	done <"$tmp/commands"
	[ -z "$bad" ]
	tap $? "sos plugin: vlpictl takes its commands${bad:+; not${bad#;}}"
}
