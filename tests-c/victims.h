/* Threads that are cancelled (pthread_cancel(3)). */
#ifndef TESTS_C_VICTIMS_H
#define TESTS_C_VICTIMS_H

#include "common.h"
#include <sys/syscall.h>

/* A thread to be cancelled. */
typedef struct
{
    void (*body) (void *);
    void *argument;
    int state, kind;
    pthread_t thread;
    _Atomic pid_t tid;
    _Atomic int cleaned;
} victim_t;

static void UNUSED clean (void *arg)
{
    ((victim_t *) arg)->cleaned++;
}

static void *run (void *arg)
{
    victim_t *v = (victim_t *) arg;
    pthread_setcancelstate (v->state, NULL);
    pthread_setcanceltype (v->kind, NULL);
    pthread_cleanup_push (clean, v);
    v->tid = (pid_t) syscall (SYS_gettid);
    v->body (v->argument);
    pthread_cleanup_pop (0);
    return NULL;
}

static void begin (victim_t *v)
{
    IS (pthread_create (&v->thread, NULL, run, v), 0);
}

/* Until the thread sleeps, and goes on sleeping. */
static void until_asleep (victim_t *v)
{
    for (int asleep = 0; asleep < 10; sleep_ms (1)) {
        char path[64], line[512], *at = NULL;
        FILE *f;
        sprintf (path, "/proc/self/task/%d/stat", (int) v->tid);
        if (v->tid && (f = fopen (path, "r"))) {
            at = fgets (line, sizeof line, f) ? strrchr (line, ')') : NULL;
            fclose (f);
        }
        asleep = at && at[2] == 'S' ? asleep + 1 : 0;
    }
}

/* It ends by being cancelled, soon. */
static void ends_cancelled (victim_t *v)
{
    void *result = NULL;
    struct timespec until;
    clock_gettime (CLOCK_REALTIME, &until);
    until.tv_sec += 5;
    IS (pthread_timedjoin_np (v->thread, &result, &until), 0);
    CHECK (result == PTHREAD_CANCELED);
    IS (v->cleaned, 1);
}

/* Waits in `body`, is cancelled, and ends. */
static void UNUSED cancel_asleep (void (*body) (void *), void *argument)
{
    for (int kind = 0; kind < 2; kind++) {
        victim_t v = {.body = body, .argument = argument};
        v.kind = kind ? PTHREAD_CANCEL_ASYNCHRONOUS : PTHREAD_CANCEL_DEFERRED;
        begin (&v);
        until_asleep (&v);
        IS (pthread_cancel (v.thread), 0);
        ends_cancelled (&v);
    }
}

#endif
