/* SPDX-License-Identifier: BSD-2-Clause */
/* kvctl token ...: each takes the arguments from its own name on, and returns an exit status of sysexits.h, having told why. */
#ifndef KV_TOOLS_TOKEN_COMMAND_H
#define KV_TOOLS_TOKEN_COMMAND_H

#define TOKEN_COMMAND_FILE "/etc/kvstored/tokens"

int token_command_add(int argc, char **argv);
int token_command_list(int argc, char **argv);
int token_command_remove(int argc, char **argv);

#endif
