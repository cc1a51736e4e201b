/* SPDX-License-Identifier: BSD-2-Clause */
/* The exit status of kvfsck for a failure: kvfsck(8) lists them. */
#ifndef KV_TOOLS_FSCK_EXIT_H
#define KV_TOOLS_FSCK_EXIT_H

#include "base/status.h"

int fsck_exit_code(const struct kv_error *err);

#endif
