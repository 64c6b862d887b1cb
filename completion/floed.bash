# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Completion of `floed` for bash. Which options there are is asked of the program itself.

_floed() {
	local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} options

	# Bash takes "=" for a word of its own.
	if [[ $word == = ]]; then
		word=
	elif [[ $previous == = ]]; then
		previous=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	COMPREPLY=()
	case $previous in
	--config | -c) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
	--dir | -d) mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
	--log-level | -l) mapfile -t COMPREPLY < <(compgen -W "off error warning info verbose" -- "$word") ;;
	--monitoring | -m) mapfile -t COMPREPLY < <(compgen -W "on off" -- "$word") ;;
	--domain | -n | --wait | -w) ;;
	*)
		options=$(floed --help 2>/dev/null | grep -oE -e '^ +(-., )?--[a-z-]+' | grep -oE -e '--[a-z-]+')
		mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
		;;
	esac
}

complete -F _floed floed
