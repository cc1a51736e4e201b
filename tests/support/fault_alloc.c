/* SPDX-License-Identifier: BSD-2-Clause */
/* The linker (--wrap) sends every call of an allocation function to __wrap_..., which decides. */
#include "support/fault_alloc.h"

#include "base/huge_pages.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

static atomic_uint_fast64_t count;
static atomic_uint_fast64_t failed;
static atomic_uint_fast64_t fail_at; /* 0: never */
static atomic_bool fail_later;
static atomic_bool only_here; /* fault_alloc_fail_here() */
static _Thread_local bool is_here;
static _Thread_local int paused;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t n, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void *__real_huge_pages_alloc(size_t bytes, bool huge);
int __real_posix_memalign(void **ret, size_t align, size_t size);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t n, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
void *__wrap_huge_pages_alloc(size_t bytes, bool huge);
int __wrap_posix_memalign(void **ret, size_t align, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t max);

void fault_alloc_fail(uint64_t nth, bool from_then_on)
{
	atomic_store(&fail_at, 0);
	atomic_store(&only_here, false);
	is_here = false;
	atomic_store(&count, 0);
	atomic_store(&failed, 0);
	atomic_store(&fail_later, from_then_on);
	atomic_store(&fail_at, nth);
}

void fault_alloc_fail_here(uint64_t nth)
{
	fault_alloc_fail(0, false);
	is_here = nth != 0;
	atomic_store(&only_here, nth != 0);
	atomic_store(&count, 0);
	atomic_store(&fail_at, nth);
}

void fault_alloc_pause(void)
{
	paused++;
}

void fault_alloc_resume(void)
{
	paused--;
}

uint64_t fault_alloc_count(void)
{
	return atomic_load(&count);
}

uint64_t fault_alloc_failed(void)
{
	return atomic_load(&failed);
}

static bool must_fail(void)
{
	uint64_t n, at;
	bool ret;

	if (paused > 0 || (atomic_load(&only_here) && !is_here))
		return false;
	n = atomic_fetch_add(&count, 1) + 1;
	at = atomic_load(&fail_at);
	ret = at != 0 && (n == at || (n > at && atomic_load(&fail_later)));
	if (ret) {
		atomic_fetch_add(&failed, 1);
		errno = ENOMEM;
	}
	return ret;
}

void *__wrap_malloc(size_t size)
{
	return must_fail() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return must_fail() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return must_fail() ? NULL : __real_realloc(old, size);
}

void *__wrap_reallocarray(void *old, size_t n, size_t size)
{
	return must_fail() ? NULL : __real_reallocarray(old, n, size);
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
	return must_fail() ? NULL : __real_aligned_alloc(align, size);
}

void *__wrap_huge_pages_alloc(size_t bytes, bool huge)
{
	return must_fail() ? NULL : __real_huge_pages_alloc(bytes, huge);
}

int __wrap_posix_memalign(void **ret, size_t align, size_t size)
{
	return must_fail() ? ENOMEM : __real_posix_memalign(ret, align, size);
}

char *__wrap_strndup(const char *text, size_t max)
{
	size_t len = strnlen(text, max);
	char *ret = __wrap_malloc(len + 1);

	if (!ret)
		return NULL;
	memcpy(ret, text, len);
	ret[len] = '\0';
	return ret;
}

char *__wrap_strdup(const char *text)
{
	return __wrap_strndup(text, strlen(text));
}
