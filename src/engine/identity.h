/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which store a directory holds: the file FORMAT (text: "kvstored 1\nstore-id <32 hex digits>\n"
 * and a checksum line; doc/format.md), and LOCK, which one process at a time holds.
 */
#ifndef KV_ENGINE_IDENTITY_H
#define KV_ENGINE_IDENTITY_H

#include "base/file.h"
#include "engine/format.h"

/* KV_NOT_FOUND: no FORMAT. KV_UNSUPPORTED: another version (the text names both). KV_CORRUPT:
 * unreadable. */
kv_status identity_read(const struct dir *dir, struct store_id *ret, struct kv_error *err);

/* Makes a random id (getrandom) and writes FORMAT durably. KV_INVALID when there is one already. */
kv_status identity_create(const struct dir *dir, struct store_id *ret, struct kv_error *err);

/* Writes FORMAT for a store that has an id, durably; replaces one that is there. For repair. */
kv_status identity_write(const struct dir *dir, const struct store_id *id, struct kv_error *err);

/* Takes LOCK, which is created when missing and never removed. KV_BUSY: another process has it. */
kv_status identity_lock(const struct dir *dir, struct file *ret, struct kv_error *err);

#endif
