/* SPDX-License-Identifier: BSD-2-Clause */
/* Packing one version: see memtable_version.h. */
#include "engine/memtable_version.h"

size_t memtable_version_bytes(size_t value_len)
{
	return value_len + VERSION_ALIGN - 1 + sizeof(uint64_t) + sizeof(struct memtable_version) +
		VERSION_ALIGN - 1;
}

struct memtable_version *memtable_version_new(struct arena *arena, const struct entry *entry)
{
	size_t value_room = (entry->value.len + VERSION_ALIGN - 1) & ~(size_t)(VERSION_ALIGN - 1);
	size_t expiry_room = entry->expires_unix_ms != 0 ? sizeof entry->expires_unix_ms : 0;
	size_t before = value_room + expiry_room;
	uint8_t *start = arena_alloc(arena, before + sizeof(struct memtable_version), VERSION_ALIGN);
	struct memtable_version *ret;

	if (!start)
		return NULL;
	ret = (struct memtable_version *)(start + before);
	*ret = (struct memtable_version){
		.tag = entry->sequence << 8 | (expiry_room > 0 ? VERSION_HAS_EXPIRY : 0) | entry->kind,
		.value_len = (uint32_t)entry->value.len,
	};
	if (expiry_room > 0)
		memcpy(start + value_room, &entry->expires_unix_ms, expiry_room);
	if (entry->value.len > 0)
		memcpy(start + value_room - entry->value.len, entry->value.data, entry->value.len);
	return ret;
}
