/* SPDX-License-Identifier: BSD-2-Clause */
/* The changes of the fake store: what a test says. Any thread. */
#ifndef KV_SUPPORT_FAKE_CHANGES_H
#define KV_SUPPORT_FAKE_CHANGES_H

#include "store/store.h"

/* None, and none fail. Without it there are no changes: KV_UNSUPPORTED. */
void fake_changes_begin(void);
void fake_changes_end(void);
/* The next version; key and value are copied. Then those who watch are told. */
void fake_changes_add(enum store_change_kind kind, const char *key, const char *value);
/* What comes after the last one, in the place of KV_NOT_FOUND; those who watch are told. */
void fake_changes_fail(kv_status status);
/* Every second call says KV_BUSY. */
void fake_changes_be_busy(void);
/* Readers and watches that are open. */
unsigned fake_changes_open(void);

#endif
