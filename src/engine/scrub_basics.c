/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/scrub_basics.h"

#include "engine/identity.h"

/* Says what is wrong the first time; `bit` is the file's in scrub.damaged_basics. True: it cannot be read. */
static bool tell(struct engine *engine, unsigned bit, kv_status status, const struct kv_error *err)
{
	char line[KV_ERROR_FILE_MAX + KV_ERROR_TEXT_MAX];
	unsigned before = atomic_load_explicit(&engine->scrub.damaged_basics, memory_order_relaxed);

	if (status == KV_OK) {
		atomic_store_explicit(&engine->scrub.damaged_basics, before & ~bit, memory_order_relaxed);
		return false;
	}
	atomic_store_explicit(&engine->scrub.damaged_basics, before | bit, memory_order_relaxed);
	if (!(before & bit))
		health_event(&engine->health, LOG_LEVEL_ERROR,
			"%s: the next start would be refused",
			kv_error_format(err, line, sizeof line));
	return true;
}

/* What the kernel has in memory says nothing about the disk. */
static void forget(struct engine *engine, const char *name)
{
	struct file file = { .fd = -1 };

	if (file_open(&engine->dir, name, FILE_READ, &file, NULL) == KV_OK)
		file_forget(&file, 0, INT64_MAX);
	file_close(&file);
}

static kv_status check_format(struct engine *engine)
{
	struct kv_error err = { 0 };
	struct store_id id;
	kv_status status;

	forget(engine, "FORMAT");
	status = identity_read(&engine->dir, &id, &err);
	if (status == KV_OK && memcmp(&id, &engine->id, sizeof id) != 0)
		status = kv_error_corrupt(&err, "FORMAT", 0, "it names another store");
	if (status == KV_NO_MEMORY)
		return status;
	(void)tell(engine, SCRUB_FORMAT_DAMAGED, status, &err);
	return KV_OK;
}

/* What it should say is in memory; so it is written anew, as with every change of the tables. */
static void mend_manifest(struct engine *engine)
{
	struct kv_error err = { 0 };

	if (health_write_status(&engine->health) != KV_OK)
		return;
	if (catalog_apply(&engine->catalog, &(struct catalog_edit){ 0 }, &err) != KV_OK) {
		health_report(&engine->health, "cannot write the MANIFEST anew", &err);
		return;
	}
	(void)tell(engine, SCRUB_MANIFEST_DAMAGED, KV_OK, NULL);
	health_event(&engine->health, LOG_LEVEL_WARNING,
		"MANIFEST was damaged and has been written anew");
}

kv_status scrub_basics_check_manifest(struct engine *engine)
{
	struct kv_error err = { 0 };
	struct manifest manifest = { 0 };
	kv_status status;

	forget(engine, "MANIFEST");
	status = manifest_read(&engine->dir, &engine->id, &manifest, &err);
	if (status == KV_OK)
		manifest_free(&manifest);
	if (status == KV_NO_MEMORY)
		return status;
	if (tell(engine, SCRUB_MANIFEST_DAMAGED, status, &err))
		mend_manifest(engine);
	return KV_OK;
}

kv_status scrub_basics_check(struct engine *engine)
{
	kv_status status = check_format(engine);

	return status == KV_OK ? scrub_basics_check_manifest(engine) : status;
}
