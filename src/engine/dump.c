/* SPDX-License-Identifier: BSD-2-Clause */
/* What kind of file it is, by its magic or else by its name; and how lines are made. */
#include "engine/dump.h"

#include "base/coding.h"
#include "engine/blob_pointer.h"
#include "engine/identity.h"
#include "engine/origin.h"

#include <inttypes.h>
#include <stdlib.h>

/* ---- lines ---- */

static void keep(struct dump *dump, kv_status status)
{
	if (dump->status == KV_OK)
		dump->status = status;
}

void dump_begin(struct dump *dump, const char *word)
{
	buf_clear(&dump->line);
	keep(dump, buf_printf(&dump->line, "%s", word));
}

void dump_number(struct dump *dump, const char *name, uint64_t number)
{
	keep(dump, buf_printf(&dump->line, " %s=%" PRIu64, name, number));
}

void dump_hex(struct dump *dump, const char *name, uint64_t number)
{
	keep(dump, buf_printf(&dump->line, " %s=%016" PRIx64, name, number));
}

void dump_bytes(struct dump *dump, const char *name, struct slice bytes)
{
	keep(dump, buf_printf(&dump->line, " %s=", name));
	keep(dump, fsck_quote(bytes, &dump->line));
}

void dump_id(struct dump *dump, const struct store_id *id)
{
	keep(dump, buf_printf(&dump->line, " store="));
	for (size_t i = 0; i < sizeof id->bytes; i++)
		keep(dump, buf_printf(&dump->line, "%02x", id->bytes[i]));
}

void dump_end(struct dump *dump)
{
	keep(dump, buf_append_byte(&dump->line, '\n'));
	if (dump->status == KV_OK)
		dump->printer->line(dump->printer->arg, buf_slice(&dump->line));
}

void dump_range(struct dump *dump, uint64_t sequence, struct slice first, struct slice end)
{
	dump_begin(dump, "delete-range");
	dump_number(dump, "sequence", sequence);
	dump_bytes(dump, "first", first);
	dump_bytes(dump, "end", end);
	dump_end(dump);
}

static void dump_pointer(struct dump *dump, struct slice value)
{
	struct blob_pointer pointer;

	if (!blob_pointer_decode(value, &pointer))
		return;
	dump_number(dump, "bytes", pointer.size);
	dump_number(dump, "file", pointer.number);
	dump_hex(dump, "checksum", pointer.checksum);
}

void dump_entry(struct dump *dump, const struct entry *entry)
{
	static const char *const words[] = { [ENTRY_DELETE] = "delete", [ENTRY_PUT] = "put", [ENTRY_BLOB] = "blob" };

	if (entry->kind == ENTRY_RANGE_DELETE) {
		dump_range(dump, entry->sequence, entry->key, entry->value);
		return;
	}
	dump_begin(dump, words[entry->kind]);
	dump_number(dump, "sequence", entry->sequence);
	dump_bytes(dump, "key", entry->key);
	if (entry->kind == ENTRY_PUT)
		dump_number(dump, "bytes", entry->value.len);
	else if (entry->kind == ENTRY_BLOB)
		dump_pointer(dump, entry->value);
	if (entry->expires_unix_ms)
		dump_number(dump, "expires", entry->expires_unix_ms);
	if (entry->kind == ENTRY_PUT && dump->printer->values)
		dump_bytes(dump, "value", entry->value);
	dump_end(dump);
}

void dump_meta(struct dump *dump, const struct sst_meta *meta)
{
	dump_number(dump, "number", meta->number);
	dump_number(dump, "bytes", meta->file_bytes);
	dump_number(dump, "entries", meta->entries);
	dump_number(dump, "deletes", meta->tombstones);
	dump_number(dump, "first-sequence", meta->first_sequence);
	dump_number(dump, "last-sequence", meta->last_sequence);
	dump_number(dump, "oldest-expiry", meta->oldest_expiry_unix_ms);
	dump_number(dump, "key-bytes", meta->key_bytes);
	dump_number(dump, "value-bytes", meta->value_bytes);
	dump_number(dump, "range-applied", meta->range_applied);
	dump_number(dump, "blobs", meta->blobs);
	dump_number(dump, "blob-bytes", meta->blob_bytes);
	dump_bytes(dump, "smallest", buf_slice(&meta->smallest));
	dump_bytes(dump, "largest", buf_slice(&meta->largest));
}

void dump_fault(struct dump *dump, uint64_t offset, const char *what)
{
	struct fsck_finding finding = { .kind = FSCK_DAMAGE, .file = dump->name, .has_offset = true, .offset = offset,
		.what = what };

	dump->faults++;
	dump->sink->tell(dump->sink->arg, &finding);
}

/* ---- which file ---- */

kv_status dump_origin(struct dump *dump, enum filename_kind kind, struct kv_error *err)
{
	struct origin origin;
	kv_status status = origin_read(&dump->dir, dump->name, kind, &origin, err);

	if (status == KV_OK) {
		dump->id = origin.id;
		dump->number = origin.number;
		dump->has_id = dump->has_origin = true;
	}
	return status == KV_NOT_FOUND ? KV_OK : status;
}

static kv_status dump_format(struct dump *dump, struct kv_error *err)
{
	struct store_id id;
	kv_status status = identity_read(&dump->dir, &id, err);

	if (status == KV_CORRUPT)
		dump_fault(dump, err->offset, err->text);
	if (status != KV_OK)
		return status;
	dump_begin(dump, "format");
	dump_number(dump, "version", FORMAT_VERSION);
	dump_id(dump, &id);
	dump_end(dump);
	return KV_OK;
}

static const struct {
	uint64_t magic;
	enum filename_kind kind;
	kv_status (*dump)(struct dump *dump, struct kv_error *err);
} kinds[] = {
	{ WAL_MAGIC, FILENAME_WAL, dump_log },
	{ SST_MAGIC, FILENAME_TABLE, dump_table },
	{ MANIFEST_MAGIC, FILENAME_MANIFEST, dump_manifest },
	{ BLOB_MAGIC, FILENAME_BLOB, dump_blob },
	{ 0, FILENAME_FORMAT, dump_format },
};

/* The magic of a table stands in its footer. */
static kv_status read_magics(struct dump *dump, uint64_t *ret_first, uint64_t *ret_footer, struct kv_error *err)
{
	uint8_t bytes[8] = { 0 };
	struct file file;
	kv_status status = file_open(&dump->dir, dump->name, FILE_READ, &file, err);

	*ret_first = *ret_footer = 0;
	if (status != KV_OK)
		return status;
	status = file_size(&file, &dump->file_bytes, err);
	if (status == KV_OK && dump->file_bytes >= sizeof bytes) {
		status = file_read_at(&file, bytes, sizeof bytes, 0, err);
		*ret_first = get_fixed64(bytes);
	}
	if (status == KV_OK && dump->file_bytes >= SST_FOOTER_BYTES) {
		status = file_read_at(&file, bytes, sizeof bytes, dump->file_bytes - SST_FOOTER_BYTES, err);
		*ret_footer = get_fixed64(bytes);
	}
	file_close(&file);
	return status;
}

static kv_status dump_file(struct dump *dump, struct kv_error *err)
{
	enum filename_kind kind = filename_parse(dump->name, &dump->number);
	uint64_t first, footer;
	kv_status status = read_magics(dump, &first, &footer, err);

	if (status != KV_OK)
		return status;
	status = identity_read(&dump->dir, &dump->id, err);
	if (status == KV_IO || status == KV_NO_MEMORY)
		return status;
	dump->has_id = status == KV_OK;
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (kinds[i].magic != 0 && (kinds[i].magic == (kinds[i].magic == SST_MAGIC ? footer : first)))
			return kinds[i].dump(dump, err);
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (kinds[i].kind == kind)
			return kinds[i].dump(dump, err);
	return kv_error_set(err, KV_INVALID, "%s is no file of a store", dump->name);
}

/* `path` into the directory, "." when there is none, and the name. */
static char *directory_of(const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');

	*ret_name = slash ? slash + 1 : path;
	if (!slash)
		return strdup(".");
	return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

kv_status engine_dump(const struct fs *fs, const char *path, const struct fsck_printer *printer,
	const struct fsck_sink *sink, struct kv_error *err)
{
	struct dump dump = { .printer = printer, .sink = sink, .dir = { .fd = -1 } };
	char *directory = directory_of(path, &dump.name);
	struct kv_error own = { 0 };
	kv_status status;

	err = err ? err : &own; /* findings are made of it */
	if (!directory)
		return kv_error_set(err, KV_NO_MEMORY, "no memory to print '%s'", path);
	status = dir_open(fs, directory, false, &dump.dir, err);
	if (status == KV_OK)
		status = dump_file(&dump, err);
	if (status == KV_OK && dump.status != KV_OK)
		status = kv_error_set(err, dump.status, "no memory to print '%s'", path);
	if (status == KV_OK && dump.faults > 0)
		status = kv_error_set(err, KV_CORRUPT, "'%s' could not be printed as a whole", path);
	dir_close(&dump.dir);
	buf_free(&dump.line);
	free(directory);
	return status;
}
