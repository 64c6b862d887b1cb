/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOOLS_COMMAND_H
#define TOOLS_COMMAND_H

/*
 * The sub-commands, each from the file of its name; main.c shows them in this order. `help` and
 * `version` are in main.c itself, because they are about the others.
 */

#include "frame.h"

extern const struct command pub_command;
extern const struct command echo_command;
extern const struct command notify_command;
extern const struct command listen_command;
extern const struct command get_command;
extern const struct command set_command;
extern const struct command ls_command;
extern const struct command info_command;
extern const struct command call_command;
extern const struct command hz_command;
extern const struct command bw_command;
extern const struct command delay_command;
extern const struct command top_command;
extern const struct command clean_command;
extern const struct command doctor_command;

#endif
