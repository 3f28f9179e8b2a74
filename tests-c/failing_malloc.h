/*
 * Memory that fails when a test wants it: malloc and its kin are this program's own, which take the place of the C
 * library's for every library in it.
 */
#ifndef TESTS_C_FAILING_MALLOC_H
#define TESTS_C_FAILING_MALLOC_H

#include "common.h"
#include <dlfcn.h>
#include <execinfo.h>
#include <malloc.h>
#include <sys/mman.h>

void *__libc_malloc (size_t);
void *__libc_calloc (size_t, size_t);
void *__libc_realloc (void *, size_t);
void *__libc_memalign (size_t, size_t);

/* Shared with the parent. */
static struct report
{
    long made, refused;
    int frames;
    long at[40]; /* where in the library the last one that was refused was asked for */
} *report;
static long first, last; /* the calls that fail */
static int counting;
static char *library;

static int refused (void)
{
    long number;
    if (!counting)
        return 0;
    number = __atomic_add_fetch (&report->made, 1, __ATOMIC_RELAXED);
    if (number < first || number > last)
        return 0;
    if (getenv ("NO_MEMORY_WHERE")) {
        void *frames[40];
        int count = backtrace (frames, 40);
        for (int i = 0; i < count; i++)
            report->at[i] = (char *) frames[i] - library;
        report->frames = count;
    }
    __atomic_add_fetch (&report->refused, 1, __ATOMIC_RELAXED);
    errno = ENOMEM;
    return 1;
}

void *malloc (size_t size)
{
    return refused () ? NULL : __libc_malloc (size);
}

void *calloc (size_t count, size_t size)
{
    return refused () ? NULL : __libc_calloc (count, size);
}

void *realloc (void *old, size_t size)
{
    return refused () ? NULL : __libc_realloc (old, size);
}

void *memalign (size_t align, size_t size)
{
    return refused () ? NULL : __libc_memalign (align, size);
}

void *aligned_alloc (size_t align, size_t size)
{
    return refused () ? NULL : __libc_memalign (align, size);
}

int posix_memalign (void **to, size_t align, size_t size)
{
    return refused () || !(*to = __libc_memalign (align, size)) ? ENOMEM : 0;
}

static void make_report (void)
{
    void *frames[4];
    Dl_info info;
    CHECK (backtrace (frames, 4) > 0);
    CHECK (dladdr ((void *) zmq_poll, &info));
    library = info.dli_fbase;
    report = mmap (NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK (report != MAP_FAILED);
}

/* From now on there is none, until `counting` is 0. */
static void UNUSED no_memory (void)
{
    report->refused = 0;
    first = 1;
    last = 1L << 60;
    counting = 1;
}

#endif
