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

/* A raw peer of this type and routing id whose handshake with the socket at `ep` is over. */
static int raw_peer (const char *ep, const char *type, const char *id)
{
    unsigned char ready[80] = "\4\0\5READY\13Socket-Type\0\0\0", head[2], body[255];
    size_t len = strlen (type), size = 23;
    int fd = raw_connect (ep);
    ready[size++] = (unsigned char) len;
    memcpy (ready + size, type, len);
    size += len;
    if (id) {
        memcpy (ready + size, "\10Identity\0\0\0\1", 13);
        ready[size + 13] = (unsigned char) id[0];
        size += 14;
    }
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
    pair.fd = raw_peer (pair.ep, peer, NULL);
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

/* On a machine that is busy with something else both sides wait for a processor, too: then most answers are late, and it is
 * tried again. Without anybody who looks they all are, or do not come at all. */
static void in_some_try (int (*most_come_in_time) (int), int what)
{
    int tries = 8;
    while (tries && !most_come_in_time (what))
        tries--;
    CHECK (tries);
}

/* The program only looks at ZMQ_EVENTS, and is away for 40 ms each time. */
static int looking_at_events (int what)
{
    static const struct { int type; const char *peer; } cases[] = {{ZMQ_DEALER, "DEALER"}, {ZMQ_SUB, "PUB"}, {ZMQ_PUSH, "PULL"}};
    enum { ROUNDS = 20 };
    pair_t pair = pair_of (cases[what].type, cases[what].peer);
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
    pair_end (&pair);
    return in_time > ROUNDS / 2;
}

GROUP (a_program_that_looks_at_events_now_and_then)
{
    for (int what = 0; what < 3; what++)
        in_some_try (looking_at_events, what);
}

/* The same with the first PING of a connection, for which the socket cannot be prepared. */
static int first_pings (int what UNUSED)
{
    enum { ROUNDS = 20 };
    void *ctx = ctx_new ();
    int in_time = 0;
    for (int i = 0; i < ROUNDS; i++) {
        void *s = sock (ctx, ZMQ_DEALER);
        char ep[EP_SIZE];
        bind_any (s, "tcp", ep);
        int fd = raw_peer (ep, "DEALER", NULL);
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
    OK (zmq_ctx_term (ctx));
    return in_time > ROUNDS / 2;
}

GROUP (the_first_ping)
{
    in_some_try (first_pings, 0);
}

/* It looks again and again, and its pattern has no use for what it would read. */
static int looking_all_the_time (int what)
{
    static const struct { int type, events; const char *peer; } cases[] = {
        {ZMQ_REQ, ZMQ_POLLIN, "REP"},  {ZMQ_REQ, 0, "REP"},  {ZMQ_REP, ZMQ_POLLOUT, "REQ"},
        {ZMQ_PUSH, ZMQ_POLLIN, "PULL"}, {ZMQ_PUSH, 0, "PULL"}};
    pair_t pair = pair_of (cases[what].type, cases[what].peer);
    int in_time = 0;
    for (int round = 0; round < 10; round++) {
        int answered = 0;
        int64_t start = now_ms (), took = 0;
        ping (pair.fd);
        while (!answered && (took = now_ms () - start) < NEVER) {
            zmq_pollitem_t item = {pair.s, 0, (short) cases[what].events, 0};
            if (item.events)
                IS (zmq_poll (&item, 1, 1), 0);
            else
                get_events (pair.s);
            answered = pong (pair.fd, 1);
        }
        CHECK (answered);
        in_time += took <= IN_TIME;
    }
    pair_end (&pair);
    return in_time > 5;
}

GROUP (a_program_that_looks_all_the_time)
{
    for (int what = 0; what < 5; what++)
        in_some_try (looking_all_the_time, what);
}

/* Sleeps in zmq_poll until something comes that is for the application. */
static void *sleeper (void *arg)
{
    pair_t *pair = (pair_t *) arg;
    zmq_pollitem_t items[5];
    void *others[4];
    for (int i = 0; i < 4; i++) {
        others[i] = sock (pair->ctx, ZMQ_PULL);
        items[i] = (zmq_pollitem_t) {others[i], 0, ZMQ_POLLIN, 0};
    }
    char ep[EP_SIZE];
    bind_any (others[0], "tcp", ep);
    items[4] = (zmq_pollitem_t) {pair->s, 0, ZMQ_POLLIN, 0};
    /* Alone, and in a large company, which is looked at together. */
    IS (zmq_poll (items + 4, 1, 500 * slower ()), 0);
    IS (zmq_poll (items, 5, 500 * slower ()), 0);
    for (int i = 0; i < 4; i++)
        OK (zmq_close (others[i]));
    return NULL;
}

GROUP (a_program_that_sleeps_in_poll)
{
    static const struct { int type; const char *peer; } cases[] = {{ZMQ_REQ, "REP"}, {ZMQ_PUSH, "PULL"}, {ZMQ_PULL, "PUSH"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pair_t pair = pair_of (cases[i].type, cases[i].peer);
        pthread_t thread;
        OK (pthread_create (&thread, NULL, sleeper, &pair));
        for (int round = 0; round < 9; round++) {
            sleep_ms (100 * slower ());
            ping (pair.fd);
            CHECK (pong (pair.fd, 90 * slower ()));
        }
        OK (pthread_join (thread, NULL));
        pair_end (&pair);
    }
}

/* How long this thread has had a processor: what it has none for is nobody's fault. */
static int64_t worked_us (void)
{
    struct timespec now;
    OK (clock_gettime (CLOCK_THREAD_CPUTIME_ID, &now));
    return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static void busy_us (int us)
{
    int64_t until = worked_us () + us;
    while (worked_us () < until)
        ;
}

/* A PING stands behind messages that were received with it and that the program takes its time for. How often the answer
 * came in time: hardly ever, if nobody looks. */
static int answered_behind (int messages, int us)
{
    enum { ROUNDS = 12 };
    pair_t pair = pair_of (ZMQ_PULL, "PUSH");
    unsigned char *bytes = malloc ((size_t) messages * 7 + 9);
    char buffer[16];
    int in_time = 0;
    for (int i = 0; i < messages; i++)
        memcpy (bytes + 7 * i, "\0\5hello", 7);
    memcpy (bytes + messages * 7, "\4\7\4PING\0\0", 9);
    for (int round = 0; round < ROUNDS; round++) {
        int answered = 0;
        CHECK (raw_write (pair.fd, bytes, (size_t) messages * 7 + 9));
        int64_t start = worked_us ();
        for (int i = 0; i < messages; i++) {
            IS (zmq_recv (pair.s, buffer, sizeof buffer, 0), 5);
            busy_us (us);
            if (!answered && i % 16 == 0 && pong (pair.fd, 0)) {
                answered = 1;
                in_time += worked_us () - start <= IN_TIME * 1000;
            }
        }
        CHECK (answered || pong (pair.fd, NEVER));
    }
    free (bytes);
    pair_end (&pair);
    return in_time > ROUNDS / 2;
}

static int few_that_take_long (int us)
{
    return answered_behind (200, us);
}

static int many_that_take_little (int us)
{
    return answered_behind (3000, us);
}

GROUP (a_slow_receiver)
{
    in_some_try (few_that_take_long, 300);
    in_some_try (many_that_take_little, 20);
}

/* One peer takes nothing, and the program waits for it; the other one's PING was there before. */
GROUP (a_sender_without_room)
{
    enum { SIZE = 100000 };
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_ROUTER);
    static char body[SIZE];
    char ep[EP_SIZE];
    set_int (s, ZMQ_ROUTER_MANDATORY, 1);
    set_int (s, ZMQ_SNDHWM, 1);
    set_int (s, ZMQ_SNDTIMEO, 150);
    set_int (s, ZMQ_LINGER, 0);
    bind_any (s, "tcp", ep);
    int full = raw_peer (ep, "DEALER", "A"), other = raw_peer (ep, "DEALER", "B");
    ping (other);
    CHECK (pong (other, NEVER));
    while (zmq_send (s, "A", 1, ZMQ_SNDMORE) == 1)
        IS (zmq_send (s, body, SIZE, 0), SIZE);
    IS (zmq_errno (), EAGAIN);
    for (int round = 0; round < 5; round++) {
        ping (other);
        /* One that waits, and one that tries again and again. */
        int flags = round % 2 ? ZMQ_DONTWAIT : 0;
        for (int64_t start = now_ms (); now_ms () - start < 150;)
            FAILS (zmq_send (s, "A", 1, ZMQ_SNDMORE | flags), EAGAIN);
        CHECK (pong (other, 0));
    }
    close (full);
    close (other);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

typedef struct { int fd, in_time; clockid_t program; _Atomic int done; } pinger_t;

static int64_t ms_of (clockid_t clock)
{
    struct timespec now;
    OK (clock_gettime (clock, &now));
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Pings, and looks for the answers among all that comes. Each message says how long its sender has had a processor: on a busy
 * machine nobody can do anything while it has none, and what it has sent waits until its peer has one. */
static void *pinger (void *arg)
{
    enum { MESSAGE = 2 + sizeof (int64_t), KEPT = MESSAGE + 6 };
    pinger_t *peer = (pinger_t *) arg;
    static char bytes[65536 + KEPT];
    for (int i = 0; i < 20; i++) {
        ssize_t kept = 0, count;
        int64_t start = ms_of (peer->program), said;
        char *found;
        ping (peer->fd);
        for (;;) {
            CHECK ((count = recv (peer->fd, bytes + kept, 65536, 0)) > 0);
            count += kept;
            if ((found = memmem (bytes, (size_t) count, "\4\5\4PONG", 7)))
                break;
            kept = count < KEPT ? count : KEPT;
            memmove (bytes, bytes + count - kept, (size_t) kept);
        }
        /* Without one in front of it here it follows what came before the PING. */
        said = start;
        if (found - bytes >= MESSAGE) {
            CHECK (!memcmp (found - MESSAGE, "\0\10", 2));
            memcpy (&said, found - sizeof said, sizeof said);
        }
        peer->in_time += said - start <= IN_TIME;
        for (start = now_ms (); now_ms () - start < 10;)
            CHECK (recv (peer->fd, bytes, 65536, 0) > 0);
    }
    peer->done = 1;
    return NULL;
}

/* Something is to be flushed whenever somebody looks. */
static int sending_all_the_time (int what UNUSED)
{
    pair_t pair = pair_of (ZMQ_DEALER, "DEALER");
    pinger_t peer = {pair.fd, 0, 0, 0};
    pthread_t thread;
    OK (pthread_getcpuclockid (pthread_self (), &peer.program));
    set_int (pair.s, ZMQ_SNDHWM, 0);
    OK (pthread_create (&thread, NULL, pinger, &peer));
    while (!peer.done) {
        get_events (pair.s);
        for (int64_t start = now_ms (); now_ms () - start < 60 && !peer.done;) {
            int64_t says = ms_of (peer.program);
            for (int i = 0; i < 20; i++)
                IS (zmq_send (pair.s, &says, sizeof says, 0), sizeof says);
        }
    }
    OK (pthread_join (thread, NULL));
    pair_end (&pair);
    return peer.in_time > 10;
}

GROUP (a_program_that_sends_all_the_time)
{
    in_some_try (sending_all_the_time, 0);
}

typedef struct { int message, ping, pause; } writer_t;

static void *writer (void *arg)
{
    writer_t *to = (writer_t *) arg;
    sleep_ms (to->pause);
    CHECK (raw_write (to->message, "\0\5hello", 7));
    ping (to->ping);
    return NULL;
}

/* A receiver that slept, for long or not, gets a message, and goes away with it. The same look has shown it another peer's
 * PING. */
GROUP (a_receiver_that_goes_away)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PULL);
    char ep[EP_SIZE];
    bind_any (s, "tcp", ep);
    writer_t to = {raw_peer (ep, "PUSH", NULL), raw_peer (ep, "PUSH", NULL), 0};
    ping (to.ping);
    CHECK (pong (to.ping, NEVER));
    for (int i = 0; i < 33; i++) {
        pthread_t thread;
        to.pause = i % 11;
        OK (pthread_create (&thread, NULL, writer, &to));
        RECV (s, "hello");
        CHECK (pong (to.ping, NEVER));
        OK (pthread_join (thread, NULL));
    }
    close (to.message);
    close (to.ping);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

MAIN (ENTRY (a_program_that_looks_at_events_now_and_then), ENTRY (the_first_ping), ENTRY (a_program_that_looks_all_the_time),
      ENTRY (a_program_that_sleeps_in_poll), ENTRY (a_slow_receiver), ENTRY (a_sender_without_room),
      ENTRY (a_program_that_sends_all_the_time), ENTRY (a_receiver_that_goes_away));
