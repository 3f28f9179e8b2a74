/*
 * The path of a message, in one thread: sends a batch, receives it, again and again. For counting instructions:
 *   path ENDPOINT SIZE BATCHES
 */
#define _GNU_SOURCE
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#define MUST(x) do { if (!(x)) { fprintf (stderr, "path: %s: %s\n", #x, zmq_strerror (zmq_errno ())); return 1; } } while (0)

/* Callgrind makes a program some 40 times slower, and how often the library looks at the clock and the kernel depends on
 * how fast it is. So time goes slower here, too, for whoever asks the C library for it, as ours does when it learns how
 * fast the processor counts. */
int clock_gettime (clockid_t which, struct timespec *at)
{
    int rc = (int) syscall (SYS_clock_gettime, which, at);
    if (rc == 0 && which == CLOCK_MONOTONIC) {
        long long slow = (at->tv_sec * 1000000000LL + at->tv_nsec) / 20;
        at->tv_sec = slow / 1000000000;
        at->tv_nsec = slow % 1000000000;
    }
    return rc;
}

int main (int argc, char **argv)
{
    char buffer[65536], endpoint[256];
    size_t length = sizeof endpoint;
    int size = argc > 2 ? atoi (argv[2]) : 64, batches = argc > 3 ? atoi (argv[3]) : 100;
    void *ctx = zmq_ctx_new (), *pull = zmq_socket (ctx, ZMQ_PULL), *push = zmq_socket (ctx, ZMQ_PUSH);
    memset (buffer, 7, sizeof buffer);
    MUST (argc > 1 && size > 0 && size <= (int) sizeof buffer);
    MUST (!zmq_bind (pull, argv[1]) && !zmq_getsockopt (pull, ZMQ_LAST_ENDPOINT, endpoint, &length));
    MUST (!zmq_connect (push, endpoint));
    for (int b = 0; b < batches; b++) {
        for (int i = 0; i < 100; i++)
            MUST (zmq_send (push, buffer, size, 0) == size);
        /* All of it leaves now: to wait for the rest takes as many instructions as the clock likes. */
        int events;
        size_t width = sizeof events;
        MUST (!zmq_getsockopt (push, ZMQ_EVENTS, &events, &width));
        for (int i = 0; i < 100; i++)
            MUST (zmq_recv (pull, buffer, sizeof buffer, 0) == size);
    }
    MUST (!zmq_close (push) && !zmq_close (pull) && !zmq_ctx_term (ctx));
    return 0;
}
