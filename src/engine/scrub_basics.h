/* SPDX-License-Identifier: BSD-2-Clause */
/* The scrub's look at the two files without which no start is possible, FORMAT and MANIFEST. */
#ifndef KV_ENGINE_SCRUB_BASICS_H
#define KV_ENGINE_SCRUB_BASICS_H

#include "engine/engine_internal.h"

/* Damage is told once. A damaged MANIFEST is written anew, since what it should say is in memory; FORMAT is not. KV_NO_MEMORY: to be
 * tried again; all else is KV_OK. The scrub's thread. */
kv_status scrub_basics_check(struct engine *engine);
kv_status scrub_basics_check_manifest(struct engine *engine); /* that one alone */

#endif
