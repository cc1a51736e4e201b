/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The names of open descriptors are kept in a table, so that rules and records can speak of names. A name
 * leaves the table before its descriptor is closed: the number may be given out again at once.
 */
#define _GNU_SOURCE
#include "support/fault_fs.h"
#include "support/runner.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	RULES_MAX = 16,
	FDS_MAX = 4096,
	NAME_SIZE = 64,
};

struct rule {
	struct fault_rule what;
	uint64_t seen; /* matching operations so far */
};

struct fault_fs {
	struct fs fs;           /* constant */
	const struct fs *below; /* constant */

	pthread_mutex_t mu;

	/* guarded by mu */
	uint64_t counts[FAULT_OP_COUNT];
	uint64_t failed;
	struct rule rules[RULES_MAX];
	int rule_count;
	size_t max_bytes;
	bool maps;
	void (*hook)(void *arg, enum fault_op op, const char *name);
	void *hook_arg;
	bool recording;
	struct buf record;
	char names[FDS_MAX][NAME_SIZE];
};

const char *fault_op_name(enum fault_op op)
{
	static const char *const names[] = { "open", "close", "pread", "pwritev", "fdatasync", "fsync", "writeback",
		"ftruncate", "fallocate", "rename", "link", "unlink", "mkdir", "rmdir", "size", "lock", "list",
		"space", "map", "any" };

	return names[op];
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static void set_name(struct fault_fs *f, int fd, const char *name)
{
	if (fd < 0 || fd >= FDS_MAX)
		return;
	pthread_mutex_lock(&f->mu);
	snprintf(f->names[fd], NAME_SIZE, "%s", base_name(name));
	pthread_mutex_unlock(&f->mu);
}

static void get_name(struct fault_fs *f, int fd, char ret_name[NAME_SIZE])
{
	ret_name[0] = '\0';
	if (fd < 0 || fd >= FDS_MAX)
		return;
	pthread_mutex_lock(&f->mu);
	memcpy(ret_name, f->names[fd], NAME_SIZE);
	pthread_mutex_unlock(&f->mu);
}

/* The rule that fails this operation, or NULL. Every matching rule counts it. */
static const struct fault_rule *match_locked(struct fault_fs *f, enum fault_op op, const char *name)
{
	const struct fault_rule *ret = NULL;

	for (int i = 0; i < f->rule_count; i++) {
		struct rule *rule = &f->rules[i];

		if (rule->what.op != op && rule->what.op != FAULT_ANY)
			continue;
		if (rule->what.name_part && !strstr(name, rule->what.name_part))
			continue;
		rule->seen++;
		if (!ret && (rule->what.from_then_on ? rule->seen >= rule->what.nth :
						       rule->seen == rule->what.nth))
			ret = &rule->what;
	}
	return ret;
}

/* What every operation does first. Returns the errno to fail with, or 0; what has to be known of the rule goes
 * to ret_torn_bytes, which may be NULL. */
static int begin(struct fault_fs *f, enum fault_op op, const char *name, const char *line,
	size_t *ret_torn_bytes)
{
	void (*hook)(void *arg, enum fault_op op, const char *name);
	const struct fault_rule *rule;
	kv_status status = KV_OK;
	void *arg;
	int ret = 0;

	pthread_mutex_lock(&f->mu);
	f->counts[op]++;
	rule = match_locked(f, op, name);
	if (rule) {
		f->failed++;
		ret = rule->errnum;
		if (ret_torn_bytes)
			*ret_torn_bytes = rule->torn_bytes;
	}
	if (f->recording)
		status = buf_printf(&f->record, "%s%s\n", line, rule ? " failed" : "");
	hook = f->hook;
	arg = f->hook_arg;
	pthread_mutex_unlock(&f->mu);
	/* only a failed assertion may allocate: see fault_alloc.h */
	if (status != KV_OK)
		ck_abort_msg("no memory for the record");
	if (hook)
		hook(arg, op, name);
	return ret;
}

/* Operations whose line is their name and the file's. */
static int begin_plain(struct fault_fs *f, enum fault_op op, const char *name)
{
	char line[2 * NAME_SIZE];

	snprintf(line, sizeof line, "%s %s", fault_op_name(op), name);
	return begin(f, op, name, line, NULL);
}

static int begin_fd(struct fault_fs *f, enum fault_op op, int fd)
{
	char name[NAME_SIZE];

	get_name(f, fd, name);
	return begin_plain(f, op, name);
}

/* With up to two numbers behind the name. */
static int begin_numbers(struct fault_fs *f, enum fault_op op, int fd, int count, uint64_t a, uint64_t b,
	size_t *ret_torn_bytes)
{
	char name[NAME_SIZE];
	char line[3 * NAME_SIZE];

	get_name(f, fd, name);
	if (count == 1)
		snprintf(line, sizeof line, "%s %s %" PRIu64, fault_op_name(op), name, a);
	else
		snprintf(line, sizeof line, "%s %s %" PRIu64 " %" PRIu64, fault_op_name(op), name, a, b);
	return begin(f, op, name, line, ret_torn_bytes);
}

static int begin_pair(struct fault_fs *f, enum fault_op op, const char *from, const char *to)
{
	char line[4 * NAME_SIZE];

	snprintf(line, sizeof line, "%s %.64s %.64s", fault_op_name(op), base_name(from), base_name(to));
	return begin(f, op, base_name(from), line, NULL);
}

static int failure(int errnum)
{
	errno = errnum;
	return -1;
}

static int fault_open(void *ctx, int dir_fd, const char *name, int flags, mode_t mode)
{
	struct fault_fs *f = ctx;
	char line[2 * NAME_SIZE];
	int errnum;
	int fd;

	snprintf(line, sizeof line, "%s %.64s", flags & O_CREAT ? "create" : "open", base_name(name));
	errnum = begin(f, FAULT_OPEN, base_name(name), line, NULL);
	if (errnum != 0)
		return failure(errnum);
	fd = f->below->ops->open(f->below->ctx, dir_fd, name, flags, mode);
	set_name(f, fd, name);
	return fd;
}

static int fault_close(void *ctx, int fd)
{
	struct fault_fs *f = ctx;
	int errnum = begin_fd(f, FAULT_CLOSE, fd);
	int result;

	set_name(f, fd, "");
	result = f->below->ops->close(f->below->ctx, fd);
	return errnum != 0 ? failure(errnum) : result;
}

static size_t max_bytes(struct fault_fs *f)
{
	size_t ret;

	pthread_mutex_lock(&f->mu);
	ret = f->max_bytes == 0 ? SIZE_MAX : f->max_bytes;
	pthread_mutex_unlock(&f->mu);
	return ret;
}

static ssize_t fault_pread(void *ctx, int fd, void *to, size_t len, off_t offset)
{
	struct fault_fs *f = ctx;
	int errnum = begin_numbers(f, FAULT_PREAD, fd, 2, (uint64_t)offset, len, NULL);
	size_t max = max_bytes(f);

	if (errnum != 0)
		return failure(errnum);
	return f->below->ops->pread(f->below->ctx, fd, to, len < max ? len : max, offset);
}

/* At most `max` bytes of the pieces. */
static ssize_t write_some(struct fault_fs *f, int fd, const struct iovec *iov, int count, off_t offset,
	size_t max)
{
	struct iovec cut[16];
	size_t left = max;
	int used = 0;

	if (count > 16)
		ck_abort_msg("%d pieces in one write", count);
	for (; used < count && left > 0; used++) {
		cut[used] = iov[used];
		if (cut[used].iov_len > left)
			cut[used].iov_len = left;
		left -= cut[used].iov_len;
	}
	return f->below->ops->pwritev(f->below->ctx, fd, cut, used, offset);
}

static ssize_t fault_pwritev(void *ctx, int fd, const struct iovec *iov, int count, off_t offset)
{
	struct fault_fs *f = ctx;
	size_t torn_bytes = 0;
	size_t len = 0;
	int errnum;

	for (int i = 0; i < count; i++)
		len += iov[i].iov_len;
	errnum = begin_numbers(f, FAULT_PWRITEV, fd, 2, (uint64_t)offset, len, &torn_bytes);
	if (errnum == 0)
		return write_some(f, fd, iov, count, offset, max_bytes(f));
	if (torn_bytes > 0)
		ck_assert_int_ge(write_some(f, fd, iov, count, offset, torn_bytes), 0);
	return failure(errnum);
}

static int fault_fdatasync(void *ctx, int fd)
{
	struct fault_fs *f = ctx;
	int errnum = begin_fd(f, FAULT_FDATASYNC, fd);

	return errnum != 0 ? failure(errnum) : f->below->ops->fdatasync(f->below->ctx, fd);
}

static int fault_fsync(void *ctx, int fd)
{
	struct fault_fs *f = ctx;
	int errnum = begin_fd(f, FAULT_FSYNC, fd);

	return errnum != 0 ? failure(errnum) : f->below->ops->fsync(f->below->ctx, fd);
}

static int fault_writeback(void *ctx, int fd, off_t offset, off_t len)
{
	struct fault_fs *f = ctx;
	int errnum = begin_numbers(f, FAULT_WRITEBACK, fd, 2, (uint64_t)offset, (uint64_t)len, NULL);

	if (errnum != 0)
		return failure(errnum);
	return f->below->ops->writeback(f->below->ctx, fd, offset, len);
}

static int fault_ftruncate(void *ctx, int fd, off_t len)
{
	struct fault_fs *f = ctx;
	int errnum = begin_numbers(f, FAULT_FTRUNCATE, fd, 1, (uint64_t)len, 0, NULL);

	return errnum != 0 ? failure(errnum) : f->below->ops->ftruncate(f->below->ctx, fd, len);
}

static int fault_fallocate(void *ctx, int fd, int mode, off_t offset, off_t len)
{
	struct fault_fs *f = ctx;
	int errnum = begin_numbers(f, FAULT_FALLOCATE, fd, 1, (uint64_t)(offset + len), 0, NULL);

	if (errnum != 0)
		return failure(errnum);
	return f->below->ops->fallocate(f->below->ctx, fd, mode, offset, len);
}

static int fault_rename(void *ctx, int from_dir_fd, const char *from, int to_dir_fd, const char *to,
	unsigned flags)
{
	struct fault_fs *f = ctx;
	int errnum = begin_pair(f, FAULT_RENAME, from, to);

	if (errnum != 0)
		return failure(errnum);
	return f->below->ops->rename(f->below->ctx, from_dir_fd, from, to_dir_fd, to, flags);
}

static int fault_link(void *ctx, int from_dir_fd, const char *from, int to_dir_fd, const char *to)
{
	struct fault_fs *f = ctx;
	int errnum = begin_pair(f, FAULT_LINK, from, to);

	if (errnum != 0)
		return failure(errnum);
	return f->below->ops->link(f->below->ctx, from_dir_fd, from, to_dir_fd, to);
}

static int fault_unlink(void *ctx, int dir_fd, const char *name)
{
	struct fault_fs *f = ctx;
	int errnum = begin_plain(f, FAULT_UNLINK, base_name(name));

	return errnum != 0 ? failure(errnum) : f->below->ops->unlink(f->below->ctx, dir_fd, name);
}

static int fault_mkdir(void *ctx, int dir_fd, const char *name, mode_t mode)
{
	struct fault_fs *f = ctx;
	int errnum = begin_plain(f, FAULT_MKDIR, base_name(name));

	return errnum != 0 ? failure(errnum) : f->below->ops->mkdir(f->below->ctx, dir_fd, name, mode);
}

static int fault_rmdir(void *ctx, int dir_fd, const char *name)
{
	struct fault_fs *f = ctx;
	int errnum = begin_plain(f, FAULT_RMDIR, base_name(name));

	return errnum != 0 ? failure(errnum) : f->below->ops->rmdir(f->below->ctx, dir_fd, name);
}

static int fault_size(void *ctx, int fd, uint64_t *ret_bytes)
{
	struct fault_fs *f = ctx;
	int errnum = begin_fd(f, FAULT_SIZE, fd);

	return errnum != 0 ? failure(errnum) : f->below->ops->size(f->below->ctx, fd, ret_bytes);
}

static int fault_lock(void *ctx, int fd)
{
	struct fault_fs *f = ctx;
	int errnum = begin_fd(f, FAULT_LOCK, fd);

	return errnum != 0 ? failure(errnum) : f->below->ops->lock(f->below->ctx, fd);
}

static int fault_list(void *ctx, int dir_fd, int (*each)(void *arg, const char *name), void *arg)
{
	struct fault_fs *f = ctx;
	int errnum = begin_fd(f, FAULT_LIST, dir_fd);

	return errnum != 0 ? failure(errnum) : f->below->ops->list(f->below->ctx, dir_fd, each, arg);
}

static int fault_space(void *ctx, int dir_fd, uint64_t *ret_free_bytes)
{
	struct fault_fs *f = ctx;
	int errnum = begin_fd(f, FAULT_SPACE, dir_fd);

	if (errnum != 0)
		return failure(errnum);
	return f->below->ops->space(f->below->ctx, dir_fd, ret_free_bytes);
}

static bool allows_maps(struct fault_fs *f)
{
	bool ret;

	pthread_mutex_lock(&f->mu);
	ret = f->maps;
	pthread_mutex_unlock(&f->mu);
	return ret;
}

static void *fault_map(void *ctx, int fd, off_t offset, size_t len)
{
	struct fault_fs *f = ctx;
	int errnum = ENODEV;

	if (allows_maps(f))
		errnum = begin_numbers(f, FAULT_MAP, fd, 2, (uint64_t)offset, len, NULL);
	if (errnum == 0)
		return f->below->ops->map(f->below->ctx, fd, offset, len);
	errno = errnum;
	return NULL;
}

static void fault_unmap(void *ctx, void *at, size_t len)
{
	struct fault_fs *f = ctx;

	f->below->ops->unmap(f->below->ctx, at, len);
}

static const struct fs_ops fault_ops = {
	.open = fault_open,
	.close = fault_close,
	.pread = fault_pread,
	.pwritev = fault_pwritev,
	.fdatasync = fault_fdatasync,
	.fsync = fault_fsync,
	.writeback = fault_writeback,
	.ftruncate = fault_ftruncate,
	.fallocate = fault_fallocate,
	.rename = fault_rename,
	.link = fault_link,
	.unlink = fault_unlink,
	.mkdir = fault_mkdir,
	.rmdir = fault_rmdir,
	.size = fault_size,
	.lock = fault_lock,
	.list = fault_list,
	.space = fault_space,
	.map = fault_map,
	.unmap = fault_unmap,
};

struct fault_fs *fault_fs_new(const struct fs *below)
{
	struct fault_fs *fault = calloc(1, sizeof *fault);

	ck_assert_ptr_nonnull(fault);
	fault->fs = (struct fs){ .ops = &fault_ops, .ctx = fault };
	fault->below = below;
	pthread_mutex_init(&fault->mu, NULL);
	return fault;
}

struct fault_fs *fault_fs_free(struct fault_fs *fault)
{
	if (!fault)
		return NULL;
	pthread_mutex_destroy(&fault->mu);
	buf_free(&fault->record);
	free(fault);
	return NULL;
}

const struct fs *fault_fs_fs(struct fault_fs *fault)
{
	return &fault->fs;
}

void fault_fs_add(struct fault_fs *fault, struct fault_rule rule)
{
	pthread_mutex_lock(&fault->mu);
	ck_assert_int_lt(fault->rule_count, RULES_MAX);
	fault->rules[fault->rule_count++] = (struct rule){ .what = rule };
	pthread_mutex_unlock(&fault->mu);
}

void fault_fs_fail(struct fault_fs *fault, enum fault_op op, uint64_t nth, int errnum)
{
	fault_fs_add(fault, (struct fault_rule){ .op = op, .nth = nth, .errnum = errnum });
}

void fault_fs_fail_from(struct fault_fs *fault, enum fault_op op, uint64_t nth, int errnum)
{
	fault_fs_add(fault, (struct fault_rule){ .op = op, .nth = nth, .errnum = errnum, .from_then_on = true });
}

void fault_fs_heal(struct fault_fs *fault)
{
	pthread_mutex_lock(&fault->mu);
	fault->rule_count = 0;
	pthread_mutex_unlock(&fault->mu);
}

uint64_t fault_fs_count(struct fault_fs *fault, enum fault_op op)
{
	uint64_t ret = 0;

	pthread_mutex_lock(&fault->mu);
	for (int i = 0; i < FAULT_OP_COUNT; i++)
		if (op == FAULT_ANY || i == (int)op)
			ret += fault->counts[i];
	pthread_mutex_unlock(&fault->mu);
	return ret;
}

uint64_t fault_fs_failed(struct fault_fs *fault)
{
	uint64_t ret;

	pthread_mutex_lock(&fault->mu);
	ret = fault->failed;
	pthread_mutex_unlock(&fault->mu);
	return ret;
}

void fault_fs_shorten(struct fault_fs *fault, size_t max)
{
	pthread_mutex_lock(&fault->mu);
	fault->max_bytes = max;
	pthread_mutex_unlock(&fault->mu);
}

void fault_fs_allow_maps(struct fault_fs *fault)
{
	pthread_mutex_lock(&fault->mu);
	fault->maps = true;
	pthread_mutex_unlock(&fault->mu);
}

void fault_fs_hook(struct fault_fs *fault,
	void (*hook)(void *arg, enum fault_op op, const char *name), void *arg)
{
	pthread_mutex_lock(&fault->mu);
	fault->hook = hook;
	fault->hook_arg = arg;
	pthread_mutex_unlock(&fault->mu);
}

void fault_fs_record(struct fault_fs *fault, bool on)
{
	pthread_mutex_lock(&fault->mu);
	fault->recording = on;
	pthread_mutex_unlock(&fault->mu);
}

/* A copy with a NUL at its end. */
static char *copy_record(struct fault_fs *f, bool clear)
{
	char *ret;

	pthread_mutex_lock(&f->mu);
	ret = strndup(f->record.data ? (const char *)f->record.data : "", f->record.len);
	if (clear)
		buf_clear(&f->record);
	pthread_mutex_unlock(&f->mu);
	ck_assert_ptr_nonnull(ret);
	return ret;
}

char *fault_fs_take_record(struct fault_fs *fault)
{
	return copy_record(fault, true);
}

bool fault_fs_in_order(struct fault_fs *fault, const char *const starts[])
{
	char *text = copy_record(fault, false);
	char *rest = text;
	const char *line;

	while (*starts && (line = strsep(&rest, "\n")) != NULL)
		if (strncmp(line, *starts, strlen(*starts)) == 0)
			starts++;
	free(text);
	return *starts == NULL;
}
