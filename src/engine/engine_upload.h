/* SPDX-License-Identifier: BSD-2-Clause */
/* What the commit path does with the uploads of a write; the rest of engine_upload.c is in engine.h. */
#ifndef KV_ENGINE_ENGINE_UPLOAD_H
#define KV_ENGINE_ENGINE_UPLOAD_H

#include "engine/engine.h"

/* Syncs and closes their files; not the directory. After a failure the write cannot be committed any more. */
kv_status engine_upload_sync_all(struct engine_write *write, struct kv_error *err);

/* Of all values together. */
uint64_t engine_upload_bytes_all(const struct engine_write *write);

/* Their files stay, whoever gives up references: it is not known whether the write is in the log. */
void engine_upload_keep_all(struct engine_write *write);

#endif
