# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Completion of `floe` for bash. What can be completed is asked of the program itself, so that it
# is never out of date: `floe help --names`, `floe COMMAND --help`, `floe ls --names`.

# The options --dir and --domain of the line, for the commands that are asked.
_floe_domain() {
	local i value

	for ((i = 2; i < COMP_CWORD; i++)); do
		[[ ${COMP_WORDS[i]} == --dir || ${COMP_WORDS[i]} == --domain ]] || continue
		# Bash takes "=" for a word of its own.
		value=${COMP_WORDS[i + 1]}
		[[ $value != = ]] || value=${COMP_WORDS[i + 2]}
		printf '%s=%s\n' "${COMP_WORDS[i]}" "$value"
	done
}

# What a command is about; nothing: anything that has a name.
_floe_kinds() {
	case $1 in
	call) printf '%s\n' --kinds=service ;;
	notify | listen) printf '%s\n' --kinds=event ;;
	get | set) printf '%s\n' --kinds=board ;;
	ls | info) ;;
	*) printf '%s\n' --kinds=topic ;;
	esac
}

# Topics may have blanks and quotes in their names.
_floe_topics() {
	local word=$1 domain topic

	mapfile -t domain < <(_floe_domain; _floe_kinds "${COMP_WORDS[1]}")
	while IFS= read -r topic; do
		[[ $topic == "$word"* ]] && COMPREPLY+=("$(printf '%q' "$topic")")
	done < <(floe ls --names "${domain[@]}" 2>/dev/null)
}

_floe_options() {
	local command=$1 word=$2 options

	options=$(floe "$command" --help 2>/dev/null | grep -oE -e '^ +(-., )?--[a-z-]+' |
		grep -oE -e '--[a-z-]+')
	mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
}

_floe_operands() {
	local command=$1 word=$2

	if [[ $command == bag && $COMP_CWORD == 2 ]]; then
		mapfile -t COMPREPLY < <(compgen -W "info check repair" -- "$word")
	elif [[ $command == bag || $command == play ]]; then
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
	else
		_floe_topics "$word"
	fi
}

_floe() {
	local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local command=${COMP_WORDS[1]}

	COMPREPLY=()
	if ((COMP_CWORD == 1)) || [[ $command == help && $COMP_CWORD == 2 ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(floe help --names 2>/dev/null)" -- "$word")
		return
	fi
	case $previous in
	--dir) mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
	--format) mapfile -t COMPREPLY < <(compgen -W "text hex json raw" -- "$word") ;;
	--compress) mapfile -t COMPREPLY < <(compgen -W "none lz4 zstd" -- "$word") ;;
	--kinds) mapfile -t COMPREPLY < <(compgen -W "topic service event board node publisher subscriber notifier writer server client" -- "$word") ;;
	--states) mapfile -t COMPREPLY < <(compgen -W "alive dead closed broken hidden" -- "$word") ;;
	--output) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
	*)
		case $word in
		-*) _floe_options "$command" "$word" ;;
		*) _floe_operands "$command" "$word" ;;
		esac
		;;
	esac
}

complete -F _floe floe
