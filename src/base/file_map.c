/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The copy is guarded: while it runs, its thread has told the handler of SIGBUS which addresses it writes to and where to go on when
 * one of them has no page.
 */
#define _GNU_SOURCE
#include "base/file_map.h"

#include <assert.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <ucontext.h>

/* TSan runs every handler with all signals blocked, whatever its flags say: left by a jump, that must be undone. */
#ifdef __SANITIZE_THREAD__
enum { SAVE_MASK = 1 };
#else
enum { SAVE_MASK = 0 };
#endif

/* What this thread is writing to. */
struct guard {
	volatile sig_atomic_t armed;
	const uint8_t *volatile from;
	const uint8_t *volatile to;
	sigjmp_buf go_on;
};

static _Thread_local struct guard guard;
static struct sigaction before; /* constant once `installed` */
static bool installed;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* As if we had not been there: a page that is missing will be missed again when we return. */
static void pass_on(const siginfo_t *info)
{
	sigaction(SIGBUS, &before, NULL);
	if (info->si_code <= 0) /* sent by somebody */
		raise(SIGBUS);
}

static void on_sigbus(int number, siginfo_t *info, void *context)
{
	const uint8_t *address = info->si_addr;

	(void)number;
	if (guard.armed && info->si_code > 0 && address >= guard.from && address < guard.to) {
		guard.armed = 0;
		/* as a return would do; so no copy has to ask for the mask before */
		pthread_sigmask(SIG_SETMASK, &((const ucontext_t *)context)->uc_sigmask, NULL);
		siglongjmp(guard.go_on, 1);
	}
	pass_on(info);
}

static void install(void)
{
	/* SA_NODEFER: for raise() in pass_on() */
	struct sigaction action = { .sa_sigaction = on_sigbus,
		.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK };

	sigemptyset(&action.sa_mask);
	installed = sigaction(SIGBUS, &action, &before) == 0;
}

kv_status file_map(const struct file *file, uint64_t offset, size_t len, struct file_map *ret)
{
	const struct fs *fs = file->fs;
	void *at;

	assert(offset % FILE_MAP_ALIGN == 0 && offset <= INT64_MAX && len > 0 && len <= INT64_MAX - offset);
	pthread_once(&once, install);
	if (!installed || !fs->ops->map)
		return KV_UNSUPPORTED;
	at = fs->ops->map(fs->ctx, file->fd, (off_t)offset, len);
	if (!at)
		return KV_UNSUPPORTED;
	*ret = (struct file_map){ .fs = fs, .at = at, .offset = offset, .len = len };
	return KV_OK;
}

void file_unmap(struct file_map *map)
{
	if (map->at)
		map->fs->ops->unmap(map->fs->ctx, map->at, map->len);
	map->at = NULL;
}

bool file_map_write(const struct file_map *map, struct slice data, uint64_t offset)
{
	uint8_t *to = map->at + (offset - map->offset);

	assert(file_map_holds(map, offset, data.len));
	if (data.len == 0)
		return true;
	if (sigsetjmp(guard.go_on, SAVE_MASK) != 0)
		return false;
	guard.from = to;
	guard.to = to + data.len;
	guard.armed = 1;
	atomic_signal_fence(memory_order_seq_cst);
	memcpy(to, data.data, data.len);
	atomic_signal_fence(memory_order_seq_cst);
	guard.armed = 0;
	return true;
}
