/*
 * The path of a message, in one thread: sends a batch, receives it, again and again. For counting instructions:
 *   path SOCKETS ENDPOINT CALLS SIZE BATCHES
 * SOCKETS: push-pull, two-parts (the same with messages of two parts), dealer-router, router-dealer, pub-sub (who sends is
 * named first), or req-rep (a batch is 100 questions, each answered before the next). CALLS: zmq_send, zmq_recv or other
 * for calls with buffers, zmq_msg_send or zmq_msg_recv for calls with messages.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#define MUST(x) do { if (!(x)) { fprintf (stderr, "path: %s: %s\n", #x, zmq_strerror (zmq_errno ())); exit (1); } } while (0)

enum { BATCH = 100 };

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

/* Who sends, who receives, and of how many parts a message is: a ROUTER's begin with the id of the peer. */
static const struct pair {
    const char *name;
    int sends, receives, parts_out, parts_in;
} PAIRS[] = {
    {"push-pull", ZMQ_PUSH, ZMQ_PULL, 1, 1},
    {"two-parts", ZMQ_PUSH, ZMQ_PULL, 2, 2},
    {"dealer-router", ZMQ_DEALER, ZMQ_ROUTER, 1, 2},
    {"router-dealer", ZMQ_ROUTER, ZMQ_DEALER, 2, 1},
    {"pub-sub", ZMQ_PUB, ZMQ_SUB, 1, 1},
    {"req-rep", ZMQ_REQ, ZMQ_REP, 1, 1},
};

static char body[65536];
static int size, by_message;
static zmq_msg_t incoming;

static void send_part (void *s, int length, int flags)
{
    if (by_message) {
        zmq_msg_t m;
        MUST (!zmq_msg_init_size (&m, length));
        memcpy (zmq_msg_data (&m), body, length);
        MUST (zmq_msg_send (&m, s, flags) == length);
    } else
        MUST (zmq_send (s, body, length, flags) == length);
}

static void send_message (void *s, const struct pair *p)
{
    /* The id of the only peer, see main: as long as it is, of a body's beginning. */
    if (p->parts_out == 2)
        send_part (s, p->sends == ZMQ_ROUTER ? 5 : size, ZMQ_SNDMORE);
    send_part (s, size, 0);
}

static int receive_part (void *s)
{
    static char into[sizeof body];
    if (!by_message)
        return zmq_recv (s, into, sizeof into, 0);
    return zmq_msg_recv (&incoming, s, 0);
}

static void receive_message (void *s, const struct pair *p)
{
    if (p->parts_in == 2)
        MUST (receive_part (s) > 0);
    MUST (receive_part (s) == size);
}

/* What a publisher says before a subscription has reached it is for nobody. */
static void wait_for_subscription (void *pub, void *sub, const struct pair *p)
{
    zmq_pollitem_t item = {sub, 0, ZMQ_POLLIN, 0};
    do
        send_message (pub, p);
    while (zmq_poll (&item, 1, 2) == 0);
    while (zmq_poll (&item, 1, 2) > 0)
        receive_message (sub, p);
}

int main (int argc, char **argv)
{
    MUST (argc == 6);
    const struct pair *p = PAIRS, *end = PAIRS + sizeof PAIRS / sizeof *PAIRS;
    while (p < end && strcmp (p->name, argv[1]))
        p++;
    by_message = !strncmp (argv[3], "zmq_msg_", 8);
    size = atoi (argv[4]);
    MUST (p < end && size > 0 && size <= (int) sizeof body);

    char endpoint[256];
    size_t length = sizeof endpoint;
    void *ctx = zmq_ctx_new (), *to = zmq_socket (ctx, p->receives), *from = zmq_socket (ctx, p->sends);
    memset (body, 7, sizeof body);
    MUST (!zmq_msg_init (&incoming));
    if (p->receives == ZMQ_SUB)
        MUST (!zmq_setsockopt (to, ZMQ_SUBSCRIBE, body, 4));
    MUST (!zmq_bind (to, argv[2]) && !zmq_getsockopt (to, ZMQ_LAST_ENDPOINT, endpoint, &length));
    if (p->sends == ZMQ_ROUTER)
        MUST (!zmq_setsockopt (from, ZMQ_CONNECT_ROUTING_ID, body, 5));
    MUST (!zmq_connect (from, endpoint));
    if (p->receives == ZMQ_SUB)
        wait_for_subscription (from, to, p);

    for (int batches = atoi (argv[5]); batches > 0; batches--) {
        int events, asks = p->sends == ZMQ_REQ;
        size_t width = sizeof events;
        for (int i = 0; i < BATCH; i++) {
            send_message (from, p);
            if (asks) {
                receive_message (to, p);
                send_message (to, p);
                receive_message (from, p);
            }
        }
        /* All of it leaves now: to wait for the rest takes as many instructions as the clock likes. */
        MUST (!zmq_getsockopt (from, ZMQ_EVENTS, &events, &width));
        for (int i = 0; i < BATCH && !asks; i++)
            receive_message (to, p);
    }
    MUST (!zmq_msg_close (&incoming) && !zmq_close (from) && !zmq_close (to) && !zmq_ctx_term (ctx));
    return 0;
}
