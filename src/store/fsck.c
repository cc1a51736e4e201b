/* SPDX-License-Identifier: BSD-2-Clause */
/* The types of the engine do not pass through the store's face: here they are translated. */
#include "store/fsck.h"

#include "engine/engine.h"

struct teller {
	store_finding_tell tell;
	void *arg;
};

static const enum store_finding_kind kinds[] = {
	[FSCK_REMARK] = STORE_FINDING_REMARK,
	[FSCK_DAMAGE] = STORE_FINDING_DAMAGE,
	[FSCK_LOST] = STORE_FINDING_LOST,
	[FSCK_DONE] = STORE_FINDING_DONE,
};

static const enum store_finding_scope scopes[] = {
	[FSCK_SCOPE_NONE] = STORE_SCOPE_NONE,
	[FSCK_SCOPE_KEYS] = STORE_SCOPE_KEYS,
	[FSCK_SCOPE_ANY] = STORE_SCOPE_ANY,
};

static void pass_on(void *arg, const struct fsck_finding *from)
{
	const struct teller *teller = arg;
	struct store_finding finding = {
		.kind = kinds[from->kind],
		.file = from->file,
		.has_offset = from->has_offset,
		.offset = from->offset,
		.what = from->what,
		.scope = scopes[from->scope],
		.first = from->first,
		.last = from->last,
	};

	teller->tell(teller->arg, &finding);
}

static void take_report(const struct fsck_report *from, struct store_fsck_report *ret)
{
	*ret = (struct store_fsck_report){
		.files = from->files,
		.entries = from->entries,
		.damages = from->damages,
		.remarks = from->remarks,
		.losses = from->losses,
		.needs_stale = from->needs_stale,
	};
}

kv_status store_check(const struct fs *fs, const char *path, store_finding_tell tell, void *arg,
	struct store_fsck_report *ret, struct kv_error *err)
{
	struct teller teller = { .tell = tell, .arg = arg };
	struct fsck_sink sink = { .tell = pass_on, .arg = &teller };
	struct fsck_report report;
	kv_status status = engine_check(fs, path, &sink, &report, err);

	if (status == KV_OK)
		take_report(&report, ret);
	return status;
}

kv_status store_dump(const struct fs *fs, const char *path, const struct store_printer *printer, store_finding_tell tell,
	void *arg, struct kv_error *err)
{
	struct teller teller = { .tell = tell, .arg = arg };
	struct fsck_sink sink = { .tell = pass_on, .arg = &teller };
	struct fsck_printer to = { .line = printer->line, .arg = printer->arg, .values = printer->values };

	return engine_dump(fs, path, &to, &sink, err);
}

kv_status store_quote(struct slice bytes, struct buf *to)
{
	return fsck_quote(bytes, to);
}

kv_status store_repair(const struct fs *fs, const char *path, bool accept_stale, store_finding_tell tell, void *arg,
	struct store_fsck_report *ret, struct kv_error *err)
{
	struct teller teller = { .tell = tell, .arg = arg };
	struct fsck_sink sink = { .tell = pass_on, .arg = &teller };
	struct fsck_report report;
	kv_status status = engine_repair(fs, path, accept_stale, &sink, &report, err);

	if (status == KV_OK)
		take_report(&report, ret);
	return status;
}
