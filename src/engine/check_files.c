/* SPDX-License-Identifier: BSD-2-Clause */
/* Names, FORMAT and MANIFEST; and what a directory holds beside the store. */
#include "engine/check.h"

#include "base/checksum.h"
#include "base/coding.h"
#include "engine/identity.h"
#include "engine/origin.h"
#include "engine/scrub_state.h"

#include <errno.h>
#include <stdlib.h>

/* ---- the list ---- */

struct list {
	struct check *check;
	bool any;   /* a file of a store is there */
	bool full;  /* out of memory */
};

static bool add_file(struct check *check, enum filename_kind kind, uint64_t number)
{
	size_t count = check->file_count;
	struct check_file *grown = check->files;

	if ((count & (count - 1)) == 0) {
		grown = reallocarray(check->files, count ? 2 * count : 1, sizeof *grown);
		if (!grown)
			return false;
		check->files = grown;
	}
	grown[check->file_count++] = (struct check_file){ .kind = kind, .number = number };
	if (number > check->number_max)
		check->number_max = number;
	return true;
}

static int look_at(void *arg, const char *name)
{
	struct list *list = arg;
	uint64_t number;
	enum filename_kind kind = filename_parse(name, &number);

	if (kind == FILENAME_FORMAT || kind == FILENAME_MANIFEST || number > 0)
		list->any = true;
	if (kind == FILENAME_TEMP)
		list->check->has_temp = true;
	if (number > 0 && number <= FILENAME_NUMBER_USED_MAX && !add_file(list->check, kind, number)) {
		list->full = true;
		return 1;
	}
	return 0;
}

static int compare_files(const void *a, const void *b)
{
	const struct check_file *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return (x->number > y->number) - (x->number < y->number);
}

kv_status check_list(struct check *check, struct kv_error *err)
{
	struct list list = { .check = check };
	kv_status status;

	check->file_count = 0;
	check->has_temp = false;
	status = dir_list(&check->dir, look_at, &list, err);
	if (status != KV_OK)
		return status;
	if (list.full)
		return kv_error_set(err, KV_NO_MEMORY, "no memory to list the directory");
	if (!list.any)
		return kv_error_set(err, KV_NOT_FOUND, "there is no store in '%s'", check->dir.path);
	if (check->file_count > 1)
		qsort(check->files, check->file_count, sizeof *check->files, compare_files);
	return KV_OK;
}

/* ---- FORMAT and MANIFEST ---- */

/* `any`: of which no key is known. */
static void tell_error(struct check *check, const char *name, const struct kv_error *err, enum fsck_scope scope)
{
	struct fsck_finding finding = { .kind = FSCK_DAMAGE, .file = name, .has_offset = err->has_offset,
		.offset = err->offset, .what = err->text, .scope = scope };

	check_tell(check, &finding);
}

/* *ret_state says what became of it; else a failure of the check. */
static kv_status judge(struct check *check, kv_status status, const char *name, enum fsck_scope scope,
	enum check_state *ret_state, const struct kv_error *err)
{
	struct kv_error missing = { .text = "it is missing" };

	if (status == KV_UNSUPPORTED || status == KV_IO || status == KV_NO_MEMORY)
		return status;
	*ret_state = status == KV_OK ? CHECK_GOOD : status == KV_NOT_FOUND ? CHECK_MISSING : CHECK_DAMAGED;
	if (status != KV_OK)
		tell_error(check, name, status == KV_NOT_FOUND ? &missing : err, scope);
	else
		check->report.files++;
	return KV_OK;
}

static bool id_in_manifest(const struct check *check, struct store_id *ret)
{
	struct buf bytes = { 0 };
	bool good = file_read_whole(&check->dir, "MANIFEST", 1 << 30, &bytes, NULL) == KV_OK &&
		bytes.len >= MANIFEST_HEADER_BYTES + MANIFEST_CHECKSUM_BYTES &&
		get_fixed64(bytes.data) == MANIFEST_MAGIC &&
		get_fixed64(bytes.data + bytes.len - MANIFEST_CHECKSUM_BYTES) ==
			checksum64(slice_of(bytes.data, bytes.len - MANIFEST_CHECKSUM_BYTES), MANIFEST_MAGIC);

	if (good)
		memcpy(ret->bytes, bytes.data + MANIFEST_HEADER_STORE_ID, sizeof ret->bytes);
	buf_free(&bytes);
	return good;
}

/* Every file of a store tells its id. */
static bool find_id(const struct check *check, struct store_id *ret)
{
	if (id_in_manifest(check, ret))
		return true;
	for (size_t i = 0; i < check->file_count; i++) {
		const struct check_file *file = &check->files[i];
		char name[FILENAME_MAX_BYTES];
		struct origin origin;

		if (origin_read(&check->dir, filename_make(name, file->kind, file->number), file->kind, &origin, NULL) != KV_OK)
			continue;
		*ret = origin.id;
		return true;
	}
	return false;
}

static bool has_file_of(const struct check *check, const struct store_id *id)
{
	for (size_t i = 0; i < check->file_count; i++) {
		const struct check_file *file = &check->files[i];
		char name[FILENAME_MAX_BYTES];
		struct origin origin;

		if (origin_read(&check->dir, filename_make(name, file->kind, file->number), file->kind, &origin, NULL) == KV_OK &&
			memcmp(origin.id.bytes, id->bytes, sizeof id->bytes) == 0)
			return true;
	}
	return false;
}

/* A FORMAT that no other file agrees with is the one that does not belong here. */
static void doubt_format(struct check *check)
{
	struct kv_error foreign = { .text = "it is that of another store than all other files" };
	struct store_id id;

	if (has_file_of(check, &check->id) || !find_id(check, &id) || memcmp(id.bytes, check->id.bytes, sizeof id.bytes) == 0)
		return;
	check->id = id;
	check->format_state = CHECK_DAMAGED;
	tell_error(check, "FORMAT", &foreign, FSCK_SCOPE_NONE);
}

kv_status check_identity(struct check *check, struct kv_error *err)
{
	kv_status status = identity_read(&check->dir, &check->id, err);

	status = judge(check, status, "FORMAT", FSCK_SCOPE_NONE, &check->format_state, err);
	if (status != KV_OK)
		return status;
	if (check->format_state == CHECK_GOOD)
		doubt_format(check);
	else if (!find_id(check, &check->id))
		return kv_error_corrupt(err, "FORMAT", 0, "no file tells which store this is: nothing can be checked");
	return KV_OK;
}

kv_status check_manifest(struct check *check, struct kv_error *err)
{
	kv_status status = manifest_read(&check->dir, &check->id, &check->manifest, err);

	return judge(check, status, "MANIFEST", FSCK_SCOPE_ANY, &check->manifest_state, err);
}

/* ---- what is left ---- */

bool check_in_list(const uint64_t *numbers, size_t count, uint64_t number)
{
	for (size_t i = 0; i < count; i++)
		if (numbers[i] == number)
			return true;
	return false;
}

bool check_is_named(const struct check *check, enum filename_kind kind, uint64_t number)
{
	const struct manifest *manifest = &check->manifest;

	if (kind == FILENAME_BLOB)
		return blob_check_is_needed(check->blobs, number);
	if (check->manifest_state != CHECK_GOOD)
		return true;
	if (kind == FILENAME_WAL)
		return check_in_list(manifest->wal_numbers, manifest->wal_count, number) ||
			check_in_list(manifest->history, manifest->history_count, number);
	for (size_t i = 0; i < manifest->table_count; i++)
		if (manifest->tables[i].meta.number == number)
			return true;
	return false;
}

/* Nothing depends on it. */
static void look_at_scrub(struct check *check, const char *name)
{
	struct scrub_list list = { 0 };

	if (scrub_state_read(&check->dir, &check->id, &list, NULL) == KV_CORRUPT)
		check_say(check, FSCK_REMARK, name, "it is damaged; the scrub begins anew");
	scrub_list_free(&list);
}

/* The one kind of thing in the place of a file that no start can remove. */
static bool is_directory(const struct check *check, const char *name)
{
	struct kv_error err = { 0 };
	struct dir dir;
	kv_status status = dir_open_at(&check->dir, name, false, &dir, &err);

	if (status == KV_OK)
		dir_close(&dir);
	return status == KV_OK || err.errnum == EACCES;
}

static int tell_foreign(void *arg, const char *name)
{
	uint64_t number;
	enum filename_kind kind = filename_parse(name, &number);

	if (number > FILENAME_NUMBER_USED_MAX)
		check_say(arg, FSCK_DAMAGE, name, "no store comes to this number, and none for new files is left behind it");
	else if (kind == FILENAME_TEMP && is_directory(arg, name))
		check_say(arg, FSCK_DAMAGE, name, "it is a directory; a start cannot remove it");
	else if (kind == FILENAME_TEMP)
		check_say(arg, FSCK_REMARK, name, "left by a crash; the next start removes it");
	else if (kind == FILENAME_SCRUB)
		look_at_scrub(arg, name);
	else if (kind == FILENAME_FOREIGN)
		check_say(arg, FSCK_REMARK, name, "no file of a store; it is left alone");
	return 0;
}

void check_leftovers(struct check *check)
{
	char name[FILENAME_MAX_BYTES];

	for (size_t i = 0; i < check->file_count; i++) {
		const struct check_file *file = &check->files[i];

		if (!check_is_named(check, file->kind, file->number))
			check_say(check, FSCK_REMARK, filename_make(name, file->kind, file->number),
				"%s; the next start removes it", file->kind == FILENAME_BLOB ?
					"no entry that can be read points to it" :
					"MANIFEST does not name it");
		else
			check->report.files++;
	}
	if (dir_list(&check->dir, tell_foreign, check, NULL) != KV_OK)
		check_say(check, FSCK_REMARK, "", "the directory could not be listed again");
}
