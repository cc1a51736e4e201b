/* SPDX-License-Identifier: BSD-2-Clause */
/* Test programs end at the first thing they cannot do: one line on stderr, exit status 1. */
#ifndef KV_SUPPORT_DIE_H
#define KV_SUPPORT_DIE_H

#include "base/status.h"

_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* die() with errno's text after the message. */
_Noreturn void die_errno(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Only for calls that fail for lack of memory alone (struct buf). */
void must(kv_status status);

#endif
