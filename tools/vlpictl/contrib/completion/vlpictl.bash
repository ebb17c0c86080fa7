# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# bash completion for vlpictl. Options and columns come from vlpictl's own help, so there is nothing to keep in step.

_vlpictl() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command=status word
	COMPREPLY=()
	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		[[ $word == -* ]] || { command=$word; break; }
	done
	case $prev in
	--format)
		mapfile -t COMPREPLY < <(compgen -W "openmetrics prometheus" -- "$cur")
		return
		;;
	--vm|--pid|--irq|--vintid|--since|-s|--seconds)
		return
		;;
	-o|--output)
		case $command in
		metrics|report)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			;;
		*)
			# What stands before the last comma stays.
			local list="" last=${cur##*,}
			[[ $cur != *,* ]] || list=${cur%,*},
			[[ $last != +* ]] || { list+=+ last=${last#+}; }
			mapfile -t COMPREPLY < <(compgen -P "$list" -W "$(vlpictl help "$command" 2>/dev/null |
				sed -n '/^Columns/,$s/^ [ *+] \([A-Z][A-Z-]*\) .*/\1/p')" -- "${last^^}")
			[[ ${COMPREPLY[*]} ]] && compopt -o nospace 2>/dev/null
			;;
		esac
		return
		;;
	esac
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(vlpictl help "$command" 2>/dev/null |
			sed -n 's/^ \(-., \|    \)\(--[a-z]*\).*/\2/p')" -- "$cur")
	elif ((COMP_CWORD == 1)) || [[ $prev == help ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(vlpictl help 2>/dev/null |
			sed -n '/^Subcommands/,/^$/s/^  \([a-z]*\) .*/\1/p')" -- "$cur")
	fi
}

complete -F _vlpictl vlpictl
