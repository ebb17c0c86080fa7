# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh disable=SC2154
# Completions: sourced by run.sh.

# What bash offers for the last word.
bash_offers() { # WORD...
	PATH=$tmp/bin:$PATH bash -c '
		. "$1"
		shift
		COMP_WORDS=(vlpictl "$@") COMP_CWORD=$#
		_vlpictl
		printf "%s\n" "${COMPREPLY[@]}"' - "${VLPICTL_SRC}contrib/completion/vlpictl.bash" "$@" 2>"$tmp/err" |
		sort | tr '\n' ' '
}

offers() { # WANTED WORD...
	want=$1
	shift
	got=$(bash_offers "$@")
	[ "$got" = "$want" ] && [ ! -s "$tmp/err" ]
	ok=$?
	tap $ok "bash completes: vlpictl $*"
	[ $ok = 0 ] || { echo "# $got"; sed 's/^/# /' "$tmp/err"; }
}

contrib_completion() {
	mkdir -p "$tmp/bin"
	ln -sf "$bin" "$tmp/bin/vlpictl"
	offers 'check dump events explain help metrics preflight report status verify version ' ''
	offers 'check ' c
	offers 'verify version ' help v
	offers '--follow ' events --f
	offers '--version --vintid --vm ' dump --v
	offers '--seconds ' verify --s
	offers '--format ' metrics --f
	offers 'openmetrics prometheus ' metrics --format ''
	offers '--help ' check --h
	offers '--json ' --j
	offers 'VINTID VM ' dump -o v
	offers 'VM,STATE ' dump -o VM,st
	offers '+FALLBACK +FWD ' dump -o +f
	offers 'RESULT ' verify --output re
	# Each option of each subcommand, and none that it has not.
	bad=
	for c in status dump events check metrics preflight report verify explain version; do
		for o in $(bash_offers $c --); do
			v enoent $c "$o"
			! grep -q 'unrecognized option' "$tmp/err" || bad="$bad $c:$o"
		done
	done
	[ -z "$bad" ]
	tap $? "bash completes no option that there is not${bad:+:$bad}"
	if command -v zsh >/dev/null; then
		zsh -n "${VLPICTL_SRC}contrib/completion/_vlpictl" 2>"$tmp/err"
		tap $? "zsh takes its completion"
		PATH=$tmp/bin:$PATH zsh -fc '
			typeset -a words=(vlpictl dump --v) offered
			integer CURRENT=3
			compadd() { offered=("${@:#--}") }
			. "$1"
			print -r -- ${(M)offered:#--v*}' - "${VLPICTL_SRC}contrib/completion/_vlpictl" >"$tmp/out" 2>"$tmp/err"
		grep -qx -e '--vm --vintid --version' "$tmp/out"
		ok=$?
		tap $ok "zsh completes: vlpictl dump --v"
		[ $ok = 0 ] || show
	else
		skip "zsh completion" "no zsh"
	fi
	rm -r "${tmp:?}/bin"
}
