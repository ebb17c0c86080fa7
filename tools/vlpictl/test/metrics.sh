# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh disable=SC2154
# vlpictl metrics, its units and its alerts: sourced by run.sh.

# A file for the parser, of what has just been printed.
keep() { # NAME FORMAT
	cp "$tmp/out" "$tmp/metrics/$1.$2"
}

has() { # FILE LINE...
	name=$1 miss=
	shift
	for line; do
		grep -qxF -e "$line" "$tmp/metrics/$name.samples" || miss="$miss; $line"
	done
	[ -z "$miss" ]
	tap $? "metrics: $name has what it should${miss:+, missing: ${miss#; }}"
}

# What prometheus_client has understood of all that was kept. Where it is missing that is a failure: nothing else says
# whether this is OpenMetrics. Starting Python takes the time, so that is done once.
parse_metrics() {
	for python in python3 /usr/bin/python3; do
		"$python" -c 'import prometheus_client' 2>/dev/null && break
	done
	"$python" "${VLPICTL_SRC}test/openmetrics.py" "$tmp"/metrics/* >"$tmp/py" 2>&1
	ok=$?
	tap $ok "metrics: prometheus_client runs"
	[ $ok = 0 ] || sed 's/^/# /' "$tmp/py"
	for format in openmetrics prometheus; do
		for f in two-vms attention foreign empty garbage enoent fuzz:1 fuzz:2 fuzz:3 fuzz:4; do
			[ -s "$tmp/metrics/$f.$format.samples" ] && [ ! -e "$tmp/metrics/$f.$format.error" ]
			ok=$?
			tap $ok "metrics: $f is $format to prometheus_client"
			[ $ok = 0 ] || sed 's/^/# /' "$tmp/metrics/$f.$format.error"
		done
		has two-vms.$format 'gauge vlpi_broker_up - 1' 'gauge vlpi_broker_module_info abi=2,version=0.1.0 1' \
			'gauge vlpi_broker_vlpis - 4' 'gauge vlpi_broker_vlpis_held - 3' 'gauge vlpi_broker_waiters - 3' \
			'counter vlpi_broker_connects_total - 12' 'counter vlpi_broker_injections_total - 360' \
			'gauge vlpi_broker_attention problem=no-holder,severity=critical 0' \
			'gauge vlpi_broker_vm_waiters comm=qemu-system-aar,name=1001-14,pid=1001,vm=1 2' \
			'gauge vlpi_broker_vm_vlpis_held comm=qemu-system-aar,name=1002-9,pid=1002,vm=2 1'
		has foreign.$format 'gauge vlpi_broker_vlpis_held - 3' 'gauge vlpi_broker_vlpis_foreign - 2'
		has attention.$format 'gauge vlpi_broker_attention problem=double-map,severity=critical 1' \
			'gauge vlpi_broker_attention problem=dead-strays,severity=critical 3' \
			'gauge vlpi_broker_attention problem=unmappable,severity=warning 3'
		# shellcheck disable=SC1003,SC2016
		grep -qF 'comm=\x1b]0;evil\x07"\x5c\x0a\x09\x9b\xff,name=] [ { } \x7f $(reboot)' "$tmp/metrics/garbage.$format.samples"
		tap $? "metrics: $format: garbage comes back escaped as elsewhere"
		[ "$(cat "$tmp/metrics/enoent.$format.samples")" = 'gauge vlpi_broker_up - 0' ]
		tap $? "metrics: $format: without the module, that alone"
	done
}

part_metrics() {
	rm -rf "$tmp/metrics"
	mkdir "$tmp/metrics"
	for format in openmetrics prometheus; do
		for f in two-vms attention foreign empty garbage enoent fuzz:1 fuzz:2 fuzz:3 fuzz:4; do
			v $f metrics --format $format
			expect "metrics: $f, $format" 0 err -
			printable "metrics: $f, $format: printable"
			keep $f $format
		done
	done
	v two-vms metrics
	[ "$(tail -1 "$tmp/out")" = '# EOF' ] && cmp -s "$tmp/out" "$tmp/metrics/two-vms.openmetrics"
	tap $? "metrics: OpenMetrics is the default, and ends"
	for t in 'eacces:run vlpictl as root' 'abi-newer:newer than ABI' 'enomem:no memory' 'stuck:although more'; do
		v "${t%%:*}" metrics
		expect "metrics: ${t%%:*} is told" 1 err "^vlpictl: .*${t#*:}"
		cmp -s "$tmp/out" "$tmp/metrics/enoent.openmetrics"
		tap $? "metrics: ${t%%:*}: down"
	done
	[ "$kind" != plain ] || parse_metrics

	# the file
	mkdir -p "$tmp/dir"
	echo old >"$tmp/dir/f.prom"
	ln "$tmp/dir/f.prom" "$tmp/dir/link"
	(umask 077; v two-vms metrics --output "$tmp/dir/f.prom"; exit "$status")
	status=$?
	[ $status = 0 ] && [ ! -s "$tmp/out" ] && grep -q '^vlpi_broker_up 1' "$tmp/dir/f.prom" && [ "$(cat "$tmp/dir/link")" = old ]
	tap $? "metrics --output: replaced, not written over"
	[ "$(stat -c %a "$tmp/dir/f.prom")" = 644 ]
	tap $? "metrics --output: others may read it"
	[ "$(ls "$tmp/dir")" = "$(printf 'f.prom\nlink')" ]
	tap $? "metrics --output: nothing is left beside it"
	v enoent metrics -o "$tmp/dir/f.prom"
	grep -q '^vlpi_broker_up 0' "$tmp/dir/f.prom"
	tap $? "metrics --output: no module replaces it, too"
	v two-vms metrics -o "$tmp/none/f.prom"
	expect "metrics --output: no directory" 1 err "^vlpictl: can't make a file beside .*No such file"
	mkdir "$tmp/dir/d.prom"
	v two-vms metrics -o "$tmp/dir/d.prom"
	expect "metrics --output: can't be replaced" 1 err "^vlpictl: can't write .*d.prom"
	[ "$(ls "$tmp/dir")" = "$(printf 'd.prom\nf.prom\nlink')" ]
	tap $? "metrics --output: a failure leaves nothing"
	rm -r "$tmp/dir"
	if [ "$kind" = plain ] && command -v strace >/dev/null; then
		mkdir "$tmp/dir"
		VLPICTL_FAKE=two-vms strace -o "$tmp/calls" "$bin" metrics -o "$tmp/dir/f.prom" >"$tmp/out" 2>"$tmp/err"
		grep -o '^\(fsync\|rename\)' "$tmp/calls" | tr '\n' ' ' >"$tmp/order"
		[ "$(cat "$tmp/order")" = 'fsync rename fsync ' ]
		tap $? "metrics --output: on the disk before it has its name"
		rm -r "$tmp/dir"
	fi
	v two-vms metrics --format xml
	expect "metrics: no such format" 2 err 'openmetrics or prometheus, not "xml"'
	v two-vms metrics -o ''
	expect "metrics: no file" 2 err 'name of a file'
	v enoent help metrics
	expect "help metrics" 0 out '^Usage: vlpictl metrics'
}

# Once, not for each way of building.
contrib_metrics() {
	if command -v promtool >/dev/null; then
		v attention metrics --format prometheus
		promtool check metrics <"$tmp/out" >"$tmp/err" 2>&1
		ok=$?
		tap $ok "promtool check metrics"
		[ $ok = 0 ] || show
		promtool check rules "${VLPICTL_SRC}contrib/prometheus/vlpi_broker.rules.yml" >"$tmp/err" 2>&1
		tap $? "promtool check rules"
		promtool test rules "${VLPICTL_SRC}test/rules_test.yml" >"$tmp/out" 2>&1
		ok=$?
		tap $ok "promtool test rules: each alert fires when it should"
		[ $ok = 0 ] || show
	else
		skip "promtool" "no promtool (package prometheus)"
	fi
	if command -v systemd-analyze >/dev/null; then
		mkdir "$tmp/units"
		for unit in service timer; do
			sed "s|/usr/local/sbin/vlpictl|$bin|" "${VLPICTL_SRC}contrib/systemd/vlpictl-metrics.$unit" \
				>"$tmp/units/vlpictl-metrics.$unit"
		done
		systemd-analyze verify --man=no "$tmp/units/vlpictl-metrics.service" "$tmp/units/vlpictl-metrics.timer" \
			>"$tmp/out" 2>"$tmp/err"
		status=$?
		expect "systemd-analyze verify" 0 err -
	else
		skip "systemd-analyze verify" "no systemd-analyze"
	fi
	# What the unit runs is what vlpictl takes.
	sed -n 's|^ExecStart=/usr/local/sbin/vlpictl \(.*\) --output .*|\1|p' "${VLPICTL_SRC}contrib/systemd/vlpictl-metrics.service" >"$tmp/args"
	# shellcheck disable=SC2046
	v two-vms $(cat "$tmp/args")
	expect "the unit's command" 0 out '^# TYPE vlpi_broker_connects_total counter'
}
