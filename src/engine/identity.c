/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * FORMAT is text, so that a person who finds a directory can tell what it is:
 *
 *	kvstored 2
 *	store-id 0123456789abcdef0123456789abcdef
 *	checksum 0123456789abcdef
 *
 * In every version the first line tells the version and the last one the checksum of all before it,
 * so that a newer version is told from damage. Each line ends with a newline, and there is nothing
 * else.
 */
#include "engine/identity.h"

#include "base/checksum.h"
#include "engine/file_error.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>

#define NAME      "FORMAT"
#define TEMP_NAME "FORMAT.new"

#define VERSION_PREFIX  "kvstored "
#define STORE_ID_PREFIX "store-id "
#define CHECKSUM_PREFIX "checksum "

/* "KV-FORM1"; only to be different from the checksums of other files */
#define CHECKSUM_SEED UINT64_C(0x314d524f462d564b)

enum {
	READ_MAX_BYTES = 4096, /* room for what newer versions add */
	TEXT_MAX_BYTES = 128,
	CHECKSUM_LINE_BYTES = sizeof(CHECKSUM_PREFIX) - 1 + 16 + 1,
};

/* ---- text ---- */

static bool skip(struct slice *text, const char *prefix)
{
	struct slice p = slice_of_string(prefix);

	if (!slice_starts_with(*text, p))
		return false;
	*text = slice_of(text->data + p.len, text->len - p.len);
	return true;
}

static bool read_hex_digit(struct slice *text, uint8_t *ret)
{
	static const char digits[] = "0123456789abcdef";
	const char *found;

	if (text->len == 0)
		return false;
	found = memchr(digits, *text->data, sizeof digits - 1);
	if (!found)
		return false;
	*ret = (uint8_t)(found - digits);
	*text = slice_of(text->data + 1, text->len - 1);
	return true;
}

static bool read_hex(struct slice *text, uint8_t *to, size_t len)
{
	uint8_t high, low;

	for (size_t i = 0; i < len; i++) {
		if (!read_hex_digit(text, &high) || !read_hex_digit(text, &low))
			return false;
		to[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* Decimal, no leading zero, at least 1. */
static bool read_version(struct slice *text, uint32_t *ret)
{
	uint32_t v = 0;
	size_t n = 0;

	while (n < text->len && text->data[n] >= '0' && text->data[n] <= '9' && v < 100000000) {
		v = v * 10 + (uint32_t)(text->data[n] - '0');
		if (v == 0)
			return false;
		n++;
	}
	*text = slice_of(text->data + n, text->len - n);
	*ret = v;
	return n > 0;
}

static uint64_t checksum_of(const void *text, size_t len)
{
	return checksum64(slice_of(text, len), CHECKSUM_SEED);
}

/* The last line is right for all before it, which goes to *ret. */
static bool check_checksum(struct slice text, struct slice *ret)
{
	char expected[CHECKSUM_LINE_BYTES + 1];
	size_t len;

	if (text.len < CHECKSUM_LINE_BYTES)
		return false;
	len = text.len - CHECKSUM_LINE_BYTES;
	snprintf(expected, sizeof expected, CHECKSUM_PREFIX "%016" PRIx64 "\n",
		checksum_of(text.data, len));
	*ret = slice_of(text.data, len);
	return memcmp(text.data + len, expected, CHECKSUM_LINE_BYTES) == 0;
}

static kv_status parse(struct slice text, const char *dir_path, struct store_id *ret,
	struct kv_error *err)
{
	struct slice rest;
	struct store_id id;
	uint32_t version;

	if (!check_checksum(text, &rest) || !skip(&rest, VERSION_PREFIX) ||
		!read_version(&rest, &version) || !skip(&rest, "\n"))
		return file_error(err, KV_CORRUPT, dir_path, NAME, 0,
			"this is not the text that a kvstored wrote");
	if (version != FORMAT_VERSION)
		return file_error(err, KV_UNSUPPORTED, dir_path, NAME, sizeof(VERSION_PREFIX) - 1,
			"format version %" PRIu32 " is %s than the %d that this kvstored reads", version,
			version > FORMAT_VERSION ? "newer" : "older", FORMAT_VERSION);
	if (!skip(&rest, STORE_ID_PREFIX) || !read_hex(&rest, id.bytes, sizeof id.bytes) ||
		!skip(&rest, "\n") || rest.len > 0)
		return file_error(err, KV_CORRUPT, dir_path, NAME, text.len - rest.len,
			"there is no store id, or more than one");
	*ret = id;
	return KV_OK;
}

static size_t make_text(char text[TEXT_MAX_BYTES], const struct store_id *id)
{
	size_t len = (size_t)snprintf(text, TEXT_MAX_BYTES, VERSION_PREFIX "%d\n" STORE_ID_PREFIX,
		FORMAT_VERSION);

	for (size_t i = 0; i < sizeof id->bytes; i++)
		len += (size_t)snprintf(text + len, TEXT_MAX_BYTES - len, "%02x", id->bytes[i]);
	text[len++] = '\n';
	len += (size_t)snprintf(text + len, TEXT_MAX_BYTES - len,
		CHECKSUM_PREFIX "%016" PRIx64 "\n", checksum_of(text, len));
	return len;
}

/* ---- files ---- */

kv_status identity_read(const struct dir *dir, struct store_id *ret, struct kv_error *err)
{
	struct buf text = { 0 };
	kv_status status = file_read_whole(dir, NAME, READ_MAX_BYTES, &text, err);

	if (status == KV_OK)
		status = parse(buf_slice(&text), dir->path, ret, err);
	buf_free(&text);
	return status;
}

static kv_status write_temp(const struct dir *dir, struct slice text, struct kv_error *err)
{
	struct file file = { .fd = -1 };
	kv_status status;

	/* one may be left over from a crash */
	status = dir_unlink(dir, TEMP_NAME, err);
	if (status != KV_OK && status != KV_NOT_FOUND)
		return status;
	status = file_open(dir, TEMP_NAME, FILE_CREATE, &file, err);
	if (status == KV_OK)
		status = file_write_at(&file, text, 0, err);
	if (status == KV_OK)
		status = file_sync(&file, err);
	file_close(&file);
	return status;
}

static kv_status random_id(struct store_id *ret, struct kv_error *err)
{
	ssize_t n;

	/* up to 256 bytes come as a whole */
	do
		n = getrandom(ret->bytes, sizeof ret->bytes, 0);
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)sizeof ret->bytes)
		return KV_OK;
	return kv_error_errno(err, n < 0 ? errno : EIO, "", "cannot get random bytes");
}

static kv_status put_text(const struct dir *dir, const struct store_id *id, bool keep_existing, struct kv_error *err)
{
	char text[TEXT_MAX_BYTES];
	kv_status status = write_temp(dir, slice_of(text, make_text(text, id)), err);

	if (status == KV_OK)
		status = dir_rename(dir, TEMP_NAME, dir, NAME, keep_existing, err);
	if (status == KV_OK)
		return dir_sync(dir, err);
	dir_unlink(dir, TEMP_NAME, NULL); /* the first error is the one to tell */
	return status;
}

kv_status identity_create(const struct dir *dir, struct store_id *ret, struct kv_error *err)
{
	struct store_id id;
	kv_status status = random_id(&id, err);

	if (status == KV_OK)
		status = put_text(dir, &id, true, err);
	if (status == KV_OK)
		*ret = id;
	return status;
}

kv_status identity_write(const struct dir *dir, const struct store_id *id, struct kv_error *err)
{
	return put_text(dir, id, false, err);
}

kv_status identity_lock(const struct dir *dir, struct file *ret, struct kv_error *err)
{
	struct file file = { .fd = -1 };
	kv_status status = file_open(dir, "LOCK", FILE_OPEN_OR_CREATE, &file, err);

	if (status == KV_OK)
		status = file_lock(&file, err);
	if (status == KV_BUSY && err)
		snprintf(err->text, sizeof err->text, "another process has the store open");
	if (status == KV_OK)
		*ret = file;
	else
		file_close(&file);
	return status;
}
