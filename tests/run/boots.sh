# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034 # SKIPPED is used where this is sourced
# For tests/run/check and its kin: a boot of the lab with programs of tests/run/suite, and what is made of it.
# To be set before: TESTS; later OUT, and suite MACHINE [BOOT], which prints the lines of tests/run/suite that are for it.
# A machine is a kernel series, with a flavour if it is not Debian's plain one: 7.3-debug.

# How long a boot may take in all.
BOOT_SECONDS=1500
PASSED=0 FAILED=0 SKIPPED=0

die() { echo "${0##*/}: error: $*" >&2; exit 2; }
say() { echo "${0##*/}: $*"; }
ok() { PASSED=$((PASSED + 1)); echo "ok - $*"; }
not_ok() { FAILED=$((FAILED + 1)); echo "not ok - $*"; }

# lab NAME MACHINE ARGUMENT...: one boot; its output and results go to $OUT/NAME-MACHINE
lab() {
	local dir=$OUT/$1-$2 kernel=(--kernel "${2%%-*}") rc=0
	[[ $2 != *-* ]] || kernel+=(--flavour "${2#*-}")
	shift 2
	mkdir -p "$dir"
	say "$(basename "$dir"): begins"
	"$TESTS/lab/run" "${kernel[@]}" --out "$dir" "$@" >"$dir/run.log" 2>&1 || rc=$?
	echo "$rc" >"$dir/status"
	say "$(basename "$dir"): ended with $rc"
}

# What the machine printed, one line a test; and the machine's own verdict (kernel log, ITS trace) as one more.
judge_module() { # NAME MACHINE
	local dir=$OUT/$1-$2 line
	while read -r line; do
		case $line in
		*'# SKIP'*) SKIPPED=$((SKIPPED + 1)); echo "ok - $2 $1: $line" ;;
		'ok '*) ok "$2 $1: ${line#ok * }" ;;
		*) not_ok "$2 $1: ${line#not ok * }" ;;
		esac
	done < <(grep -aE '^(not )?ok ' "$dir/tap" 2>/dev/null || true)
	if [[ $(cat "$dir/status" 2>/dev/null) == 0 ]]; then
		ok "$2 $1: the kernel log is clean, and never two host IRQs on one vLPI in the ITS trace"
	else
		grep -a '^lab: ' "$dir/run.log" | tail -n 12
		not_ok "$2 $1: the run as a whole; see $dir"
	fi
}

boots() { suite "$1" | awk '!seen[$2]++ { print $2 }'; } # MACHINE

# with_module BOOT MACHINE: the programs of a boot, on the machine that its first line asks for
with_module() {
	local options programs
	eval "options=($(suite "$2" "$1" | awk 'NR == 1 { $1 = $2 = $3 = ""; print }'))"
	mapfile -t programs < <(suite "$2" "$1" | awk '{ print $1 }')
	lab "$1" "$2" --module --timeout "$BOOT_SECONDS" "${options[@]}" "${programs[@]}"
}

# Two machines at a time: each has two busy CPUs when its sources fire, and this is made for two.
JOBS=2
running=0
begin() { # COMMAND...
	((running < JOBS)) || { wait -n; running=$((running - 1)); }
	"$@" &
	running=$((running + 1))
}
