/*
 * Peers within the process: those that have gone before the other side looked, and those that came first.
 */
#include "common.h"

/* Peers that come and go in the groups about memory, and what they may leave behind in all. */
#define MANY 8000
#define LITTLE_KB 40000

static long resident_kb (void)
{
    long all, pages = 0;
    FILE *f = fopen ("/proc/self/statm", "r");
    CHECK (f && fscanf (f, "%ld %ld", &all, &pages) == 2);
    fclose (f);
    return pages * (sysconf (_SC_PAGESIZE) / 1024);
}

/* A socket; libzmq may need a while to take leave of closed ones. */
static void *next_sock (void *ctx, int type)
{
    void *s = zmq_socket (ctx, type);
    for (int i = 0; !s && errno == EMFILE && i < 1000; i++) {
        sleep_ms (1);
        s = zmq_socket (ctx, type);
    }
    if (!s)
        fail_at (__FILE__, __LINE__, "no more sockets");
    set_int (s, ZMQ_LINGER, 0);
    return s;
}

static void *named (void *ctx, int type, const char *id)
{
    void *s = sock (ctx, type);
    if (*id)
        OK (zmq_setsockopt (s, ZMQ_ROUTING_ID, id, strlen (id)));
    return s;
}

/*
 * A peer whose message gets through, at the latest when the one before it is forgotten: libzmq's reaper takes its time.
 * With `gone` it is closed before the other side looks (the result is of no use then).
 */
static void *next_peer (void *ctx, int type, const char *id, void *to, const char *name, int gone)
{
    for (int i = 0; i < 100; i++) {
        void *s = named (ctx, type, id);
        OK (zmq_connect (s, name));
        SEND (s, "m", 0);
        if (gone)
            OK (zmq_close (s));
        if (readable (to, 50))
            return s;
        if (!gone)
            OK (zmq_close (s));
    }
    fail_at (__FILE__, __LINE__, "the next peer is not let in");
    return NULL;
}

/* A peer that sends one message and has gone before it is received leaves nothing behind but that. */
GROUP (gone_before_they_were_noticed)
{
    void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL);
    long before = 0;
    OK (zmq_bind (in, "inproc://in"));
    for (int i = 0; i < MANY; i++) {
        void *out = next_sock (ctx, ZMQ_PUSH);
        OK (zmq_connect (out, "inproc://in"));
        SEND (out, "m", 0);
        OK (zmq_close (out));
        RECV (in, "m");
        if (i == 500)
            before = resident_kb ();
    }
    CHECK (resident_kb () - before < LITTLE_KB);
    OK (zmq_close (in));
    OK (zmq_ctx_term (ctx));
}

/* Nobody binds the name, or who has bound it never looks: peers without a word leave nothing at all. */
static void come_and_go (void *ctx, const char *name)
{
    long before = 0;
    for (int i = 0; i < MANY; i++) {
        void *out = next_sock (ctx, i % 2 ? ZMQ_DEALER : ZMQ_PUSH);
        OK (zmq_connect (out, name));
        if (i % 3 == 0)
            OK (zmq_disconnect (out, name));
        OK (zmq_close (out));
        if (i == 500)
            before = resident_kb ();
    }
    CHECK (resident_kb () - before < LITTLE_KB);
}

GROUP (nobody_binds)
{
    come_and_go (ctx_new (), "inproc://none");
}

GROUP (binder_never_looks)
{
    void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out;
    OK (zmq_bind (in, "inproc://in"));
    come_and_go (ctx, "inproc://in");
    out = sock (ctx, ZMQ_PUSH);
    OK (zmq_connect (out, "inproc://in"));
    SEND (out, "m", 0);
    RECV (in, "m");
    OK (zmq_close (in));
    OK (zmq_close (out));
    OK (zmq_ctx_term (ctx));
}

/* What was accepted arrives, whatever became of the sender before the name was bound. */
GROUP (sent_before_bind)
{
    void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out[3];
    for (int i = 0; i < 3; i++) {
        out[i] = sock (ctx, ZMQ_PUSH);
        OK (zmq_connect (out[i], "inproc://in"));
        SEND (out[i], "m", 0);
    }
    OK (zmq_close (out[0]));
    OK (zmq_disconnect (out[1], "inproc://in"));
    FAILS (zmq_send (out[1], "m", 1, ZMQ_DONTWAIT), EAGAIN);
    OK (zmq_bind (in, "inproc://in"));
    for (int i = 0; i < 3; i++)
        RECV (in, "m");
    RECV_NONE (in, 20);
    OK (zmq_close (out[1]));
    OK (zmq_close (out[2]));
    OK (zmq_close (in));
    OK (zmq_ctx_term (ctx));
}

/* A subscriber that has gone is heard of twice. */
GROUP (subscriber_came_and_went)
{
    for (int bound = 0; bound < 2; bound++) {
        void *ctx = ctx_new (), *pub = sock (ctx, ZMQ_XPUB), *sub = sock (ctx, ZMQ_SUB);
        if (bound)
            OK (zmq_bind (pub, "inproc://pub"));
        OK (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "a", 1));
        OK (zmq_connect (sub, "inproc://pub"));
        OK (zmq_close (sub));
        if (!bound)
            OK (zmq_bind (pub, "inproc://pub"));
        RECV (pub, "\1a");
        char frame[2];
        IS (zmq_recv (pub, frame, 2, 0), 2);
        CHECK (frame[0] == 0 && frame[1] == 'a');
        OK (zmq_close (pub));
        OK (zmq_ctx_term (ctx));
    }
}

/* Whether a ROUTER with ZMQ_ROUTER_MANDATORY has a peer of this name. */
static int reaches (void *router, const char *id)
{
    if (zmq_send (router, id, strlen (id), ZMQ_SNDMORE) == -1) {
        CHECK (errno == EHOSTUNREACH || errno == EAGAIN);
        return errno == EAGAIN;
    }
    SEND (router, "?", 0);
    return 1;
}

/* The name of a ROUTER's peer is free again, and whoever has gone cannot be reached. */
GROUP (router_forgets_who_has_gone)
{
    void *ctx = ctx_new (), *router = sock (ctx, ZMQ_ROUTER), *peer;
    set_int (router, ZMQ_ROUTER_MANDATORY, 1);
    set_int (router, ZMQ_SNDTIMEO, 0);
    OK (zmq_bind (router, "inproc://router"));
    for (int i = 0; i < 50; i++) {
        peer = next_peer (ctx, ZMQ_DEALER, "A", router, "inproc://router", i % 2);
        RECV (router, "A");
        RECV (router, "m");
        if (i % 2 == 0) {
            SEND (router, "A", ZMQ_SNDMORE);
            SEND (router, "x", 0);
            RECV (peer, "x");
            OK (zmq_close (peer));
        }
        EVENTUALLY (!readable (router, 0) && !reaches (router, "A"), 2000);
    }
    OK (zmq_close (router));
    OK (zmq_ctx_term (ctx));
}

GROUP (pair_takes_a_successor)
{
    void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PAIR);
    OK (zmq_bind (in, "inproc://pair"));
    for (int i = 0; i < 20; i++) {
        next_peer (ctx, ZMQ_PAIR, "", in, "inproc://pair", 1);
        RECV (in, "m");
        EVENTUALLY (!readable (in, 0) && !writable (in, 0), 2000);
    }
    OK (zmq_close (in));
    OK (zmq_ctx_term (ctx));
}

/* Nor is it in the way if it never said anything and nobody has looked. */
GROUP (pair_never_met_the_first)
{
    void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PAIR), *first = sock (ctx, ZMQ_PAIR), *second = sock (ctx, ZMQ_PAIR);
    OK (zmq_bind (in, "inproc://pair"));
    OK (zmq_connect (first, "inproc://pair"));
    OK (zmq_close (first));
    OK (zmq_connect (second, "inproc://pair"));
    SEND (second, "m", 0);
    IS (readable (in, 1000), 1);
    RECV (in, "m");
    OK (zmq_close (second));
    OK (zmq_close (in));
    OK (zmq_ctx_term (ctx));
}

/* The end of a former pipe is no news of the one that has its place now. */
GROUP (connected_elsewhere)
{
    void *ctx = ctx_new (), *one = sock (ctx, ZMQ_PULL), *other = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
    OK (zmq_bind (one, "inproc://one"));
    OK (zmq_bind (other, "inproc://other"));
    for (int i = 0; i < 3; i++) {
        OK (zmq_connect (out, "inproc://one"));
        SEND (out, "1", 0);
        RECV (one, "1");
        OK (zmq_disconnect (out, "inproc://one"));
        OK (zmq_connect (out, "inproc://other"));
        IS (readable (one, 0), 0);
        SEND (out, "2", ZMQ_DONTWAIT);
        RECV (other, "2");
        OK (zmq_disconnect (out, "inproc://other"));
    }
    OK (zmq_close (one));
    OK (zmq_close (other));
    OK (zmq_close (out));
    OK (zmq_ctx_term (ctx));
}

/* Whoever connects before the name is bound knows its peer's routing id from then on. */
GROUP (router_connected_first)
{
    void *ctx = ctx_new (), *router = named (ctx, ZMQ_ROUTER, "R"), *other = named (ctx, ZMQ_ROUTER, "D"),
         *dealer = named (ctx, ZMQ_DEALER, "A"), *nameless = sock (ctx, ZMQ_DEALER);
    char id[8];
    set_int (router, ZMQ_ROUTER_MANDATORY, 1);
    OK (zmq_connect (router, "inproc://dealer"));
    IS (writable (router, 0), 0);
    FAILS (zmq_send (router, "A", 1, ZMQ_SNDMORE), EHOSTUNREACH);
    OK (zmq_bind (dealer, "inproc://dealer"));
    /* The binder has not done anything else yet. */
    IS (writable (router, 0), 1);
    SEND (router, "A", ZMQ_SNDMORE);
    SEND (router, "1", 0);
    RECV (dealer, "1");
    SEND (dealer, "2", 0);
    RECV (router, "A");
    RECV (router, "2");
    /* Both name each other. */
    OK (zmq_connect (router, "inproc://other"));
    OK (zmq_bind (other, "inproc://other"));
    SEND (other, "R", ZMQ_SNDMORE);
    SEND (other, "3", 0);
    RECV (router, "D");
    RECV (router, "3");
    SEND (router, "D", ZMQ_SNDMORE);
    SEND (router, "4", 0);
    RECV (other, "R");
    RECV (other, "4");
    OK (zmq_connect (router, "inproc://nameless"));
    OK (zmq_bind (nameless, "inproc://nameless"));
    SEND (nameless, "5", 0);
    IS (zmq_recv (router, id, sizeof id, 0), 5);
    RECV (router, "5");
    OK (zmq_close (router));
    OK (zmq_close (dealer));
    OK (zmq_close (other));
    OK (zmq_close (nameless));
    OK (zmq_ctx_term (ctx));
}

/* With a name of its own choice it may send at once. */
GROUP (router_names_the_peer)
{
    void *ctx = ctx_new (), *router = sock (ctx, ZMQ_ROUTER), *dealer = named (ctx, ZMQ_DEALER, "A");
    set_int (router, ZMQ_ROUTER_MANDATORY, 1);
    OK (zmq_setsockopt (router, ZMQ_CONNECT_ROUTING_ID, "C", 1));
    OK (zmq_connect (router, "inproc://dealer"));
    SEND (router, "C", ZMQ_SNDMORE);
    SEND (router, "1", 0);
    OK (zmq_bind (dealer, "inproc://dealer"));
    FAILS (zmq_send (router, "A", 1, ZMQ_SNDMORE), EHOSTUNREACH);
    SEND (router, "C", ZMQ_SNDMORE);
    SEND (router, "2", 0);
    RECV (dealer, "1");
    RECV (dealer, "2");
    SEND (dealer, "3", 0);
    RECV (router, "C");
    RECV (router, "3");
    OK (zmq_close (router));
    OK (zmq_close (dealer));
    OK (zmq_ctx_term (ctx));
}

/* Of two peers with one name the first is heard. */
GROUP (router_first_of_two_names)
{
    void *ctx = ctx_new (), *router = sock (ctx, ZMQ_ROUTER), *one = named (ctx, ZMQ_DEALER, "A"),
         *two = named (ctx, ZMQ_DEALER, "A");
    OK (zmq_connect (router, "inproc://one"));
    OK (zmq_connect (router, "inproc://two"));
    OK (zmq_bind (two, "inproc://two"));
    OK (zmq_bind (one, "inproc://one"));
    SEND (one, "1", 0);
    SEND (two, "2", 0);
    RECV (router, "A");
    RECV (router, "2");
    RECV_NONE (router, 50);
    OK (zmq_close (router));
    OK (zmq_close (one));
    OK (zmq_close (two));
    OK (zmq_ctx_term (ctx));
}

/* Another limit counts what is on its way, and not what was read before it, of which the reader had not told. */
static void *send_one (void *s)
{
    SEND (s, "after", 0);
    return NULL;
}

GROUP (limits_lowered_between_messages)
{
    for (int waits = 0; waits < 2; waits++) {
        void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
        pthread_t sender;
        char buf[8];
        int got;
        set_int (in, ZMQ_RCVHWM, 10);
        set_int (out, ZMQ_SNDHWM, 10);
        OK (zmq_bind (in, "inproc://limits"));
        OK (zmq_connect (out, "inproc://limits"));
        for (int i = 0; i < 9; i++) {
            SEND (out, "m", 0);
            RECV (in, "m");
        }
        set_int (in, ZMQ_RCVHWM, 1);
        set_int (out, ZMQ_SNDHWM, 1);
        if (waits) {
            /* It finds no room and sleeps before the reader looks; with libzmq there is room. */
            OK (pthread_create (&sender, NULL, send_one, out));
            sleep_ms (50);
        }
        got = zmq_recv (in, buf, sizeof buf, ZMQ_DONTWAIT);
        if (!waits)
            IS (zmq_send (out, "after", 5, ZMQ_DONTWAIT), 5);
        set_int (in, ZMQ_RCVTIMEO, 3000);
        if (got == -1)
            RECV (in, "after");
        if (waits)
            OK (pthread_join (sender, NULL));
        OK (zmq_close (in));
        OK (zmq_close (out));
        OK (zmq_ctx_term (ctx));
    }
}

MAIN (ENTRY (gone_before_they_were_noticed), ENTRY (nobody_binds), ENTRY (binder_never_looks), ENTRY (sent_before_bind),
      ENTRY (subscriber_came_and_went), ENTRY (router_forgets_who_has_gone), ENTRY (pair_takes_a_successor),
      ENTRY (pair_never_met_the_first), ENTRY (connected_elsewhere), ENTRY (router_connected_first),
      ENTRY (router_names_the_peer), ENTRY (router_first_of_two_names),
      ENTRY (limits_lowered_between_messages))
