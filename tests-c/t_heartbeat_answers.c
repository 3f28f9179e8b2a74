/*
 * PINGs are answered in time whatever the program does with its socket meanwhile: a peer with ZMQ_HEARTBEAT_IVL 20 gives
 * us up 20 ms after a PING without an answer. RFC 37, "Connection Heartbeating".
 */
#include "common.h"

static const unsigned char greeting_31[64] = {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 1, 'N', 'U', 'L', 'L'};

/* What a peer with a short interval puts up with. */
#define IN_TIME 18
/* What it may get where a peer has sent PINGs before. */
#define SOON 12
/* No answer at all. */
#define NEVER 2000

/* A raw peer of this type whose handshake with the socket at `ep` is over. */
static int raw_peer (const char *ep, const char *type)
{
    unsigned char ready[80] = "\4\0\5READY\13Socket-Type\0\0\0", head[2], body[255];
    size_t len = strlen (type), size = 23;
    int fd = raw_connect (ep);
    ready[size++] = (unsigned char) len;
    memcpy (ready + size, type, len);
    size += len;
    ready[1] = (unsigned char) (size - 2);
    CHECK (raw_write (fd, greeting_31, 64));
    CHECK (raw_read (fd, body, 64));
    CHECK (raw_write (fd, ready, size));
    CHECK (raw_read (fd, head, 2) && head[0] == 4 && raw_read (fd, body, head[1]));
    return fd;
}

static void ping (int fd)
{
    CHECK (raw_write (fd, "\4\7\4PING\0\0", 9));
}

/* Whether a PONG is there within `ms`; other frames are passed over. */
static int pong (int fd, int ms)
{
    unsigned char head[2], body[255];
    int64_t until = now_ms () + ms;
    for (;;) {
        struct pollfd p = {fd, POLLIN, 0};
        int64_t left = until - now_ms ();
        if (poll (&p, 1, left > 0 ? (int) left : 0) != 1)
            return 0;
        CHECK (raw_read (fd, head, 2) && raw_read (fd, body, head[1]));
        if (head[0] == 4 && head[1] == 5 && !memcmp (body, "\4PONG", 5))
            return 1;
    }
}

typedef struct { void *ctx, *s; int fd; char ep[EP_SIZE]; } pair_t;

static pair_t pair_of (int type, const char *peer)
{
    pair_t pair = {ctx_new (), NULL, -1, ""};
    pair.s = sock (pair.ctx, type);
    set_int (pair.s, ZMQ_RCVHWM, 0);
    if (type == ZMQ_SUB)
        OK (zmq_setsockopt (pair.s, ZMQ_SUBSCRIBE, "", 0));
    bind_any (pair.s, "tcp", pair.ep);
    pair.fd = raw_peer (pair.ep, peer);
    /* Until the socket has the connection, too. */
    ping (pair.fd);
    CHECK (pong (pair.fd, NEVER));
    return pair;
}

static void pair_end (pair_t *pair)
{
    close (pair->fd);
    OK (zmq_close (pair->s));
    OK (zmq_ctx_term (pair->ctx));
}

static int get_events (void *s)
{
    int events;
    size_t size = sizeof events;
    OK (zmq_getsockopt (s, ZMQ_EVENTS, &events, &size));
    return events;
}

/* The program only looks at ZMQ_EVENTS, and is away for 40 ms each time. */
static void looking_at_events (int type, const char *peer)
{
    enum { ROUNDS = 20 };
    pair_t pair = pair_of (type, peer);
    int in_time = 0;
    for (int i = 0; i < ROUNDS; i++) {
        int64_t start = now_ms ();
        get_events (pair.s);
        ping (pair.fd);
        CHECK (pong (pair.fd, NEVER));
        int64_t took = now_ms () - start;
        in_time += took <= SOON;
        if (took < 40)
            sleep_ms ((int) (40 - took));
    }
    /* On a busy machine some may be late. */
    CHECK (in_time > ROUNDS / 2);
    pair_end (&pair);
}

GROUP (a_program_that_looks_at_events_now_and_then)
{
    looking_at_events (ZMQ_DEALER, "DEALER");
    looking_at_events (ZMQ_SUB, "PUB");
    looking_at_events (ZMQ_PUSH, "PULL");
}

/* The same with the first PING of a connection, for which the socket cannot be prepared. */
GROUP (the_first_ping)
{
    enum { ROUNDS = 20 };
    void *ctx = ctx_new ();
    int in_time = 0;
    for (int i = 0; i < ROUNDS; i++) {
        void *s = sock (ctx, ZMQ_DEALER);
        char ep[EP_SIZE];
        bind_any (s, "tcp", ep);
        int fd = raw_peer (ep, "DEALER");
        for (int k = 0; k < 8; k++) {
            get_events (s);
            sleep_ms (20);
        }
        get_events (s);
        int64_t start = now_ms ();
        ping (fd);
        CHECK (pong (fd, NEVER));
        in_time += now_ms () - start <= IN_TIME;
        close (fd);
        OK (zmq_close (s));
    }
    CHECK (in_time > ROUNDS / 2);
    OK (zmq_ctx_term (ctx));
}

typedef struct { int fd, in_time; volatile int done; } pinger_t;

/* Pings, and looks for the answers among all that comes. */
static void *pinger (void *arg)
{
    pinger_t *peer = (pinger_t *) arg;
    static char bytes[65536 + 7];
    for (int i = 0; i < 20; i++) {
        ssize_t kept = 0, count;
        int64_t start = now_ms ();
        ping (peer->fd);
        for (;;) {
            CHECK ((count = recv (peer->fd, bytes + kept, 65536, 0)) > 0);
            count += kept;
            if (memmem (bytes, (size_t) count, "\4\5\4PONG", 7))
                break;
            kept = count < 6 ? count : 6;
            memmove (bytes, bytes + count - kept, (size_t) kept);
        }
        peer->in_time += now_ms () - start <= IN_TIME;
        for (start = now_ms (); now_ms () - start < 10;)
            CHECK (recv (peer->fd, bytes, 65536, 0) > 0);
    }
    peer->done = 1;
    return NULL;
}

/* Something is to be flushed whenever somebody looks. */
GROUP (a_program_that_sends_all_the_time)
{
    pair_t pair = pair_of (ZMQ_DEALER, "DEALER");
    pinger_t peer = {pair.fd, 0, 0};
    pthread_t thread;
    set_int (pair.s, ZMQ_SNDHWM, 0);
    OK (pthread_create (&thread, NULL, pinger, &peer));
    while (!peer.done) {
        get_events (pair.s);
        for (int64_t start = now_ms (); now_ms () - start < 60 && !peer.done;)
            for (int i = 0; i < 20; i++)
                SEND (pair.s, "hello", 0);
    }
    OK (pthread_join (thread, NULL));
    CHECK (peer.in_time > 10);
    pair_end (&pair);
}

MAIN (ENTRY (a_program_that_looks_at_events_now_and_then), ENTRY (the_first_ping),
      ENTRY (a_program_that_sends_all_the_time))
