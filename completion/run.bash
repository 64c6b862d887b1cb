# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Completion of ./run for bash, while one works on floe: source completion/run.bash

_floe_run() {
	local word=${COMP_WORDS[COMP_CWORD]} words

	case $COMP_CWORD:${COMP_WORDS[1]} in
	1:*) words="demo test build bench sweep record fuzz lint clean help" ;;
	*:test) words="--help --quick --list $("${COMP_WORDS[0]}" test --list 2>/dev/null)" ;;
	2:bench) words="--help floed heap peers record static" ;;
	2:sweep) words="--help --quick --schedule --calls --wakes --stopped --elastic" ;;
	*) words=--help ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

complete -F _floe_run ./run
