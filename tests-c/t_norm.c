/*
 * NORM (RFC 5740) as libzmq uses it, within this machine. Between network namespaces and between libraries: interop_multicast.c.
 * Without libnorm.so.1 there is not much to be tried; the program says so and passes.
 */
#include "common.h"
#include "multicast.h"
#include "forks.h"

#define NEEDS_NORM()                                                                                                   \
    do {                                                                                                               \
        if (!zmq_has ("norm")) {                                                                                       \
            fprintf (stderr, "    skipped: no libnorm.so.1\n");                                                        \
            return;                                                                                                    \
        }                                                                                                              \
    } while (0)

static const char *endpoint (void)
{
    static char ep[EP_SIZE];
    int port = multicast_port ();
    snprintf (ep, sizeof ep, "norm://lo;239.193.%d.%d:%d", port >> 8 & 255, port & 255, port);
    return ep;
}

/* What never uses it, what always could, and what is said without the library. */
GROUP (endpoints)
{
    void *ctx = ctx_new ();
    static const int none[] = {ZMQ_PAIR, ZMQ_REQ, ZMQ_REP, ZMQ_DEALER, ZMQ_ROUTER, ZMQ_PULL, ZMQ_PUSH, ZMQ_STREAM};
    for (unsigned i = 0; i < sizeof none / sizeof *none; i++) {
        void *s = sock (ctx, none[i]);
        FAILS (zmq_connect (s, endpoint ()), ENOCOMPATPROTO);
        FAILS (zmq_bind (s, endpoint ()), ENOCOMPATPROTO);
        OK (zmq_close (s));
    }
    static const int types[] = {ZMQ_PUB, ZMQ_SUB, ZMQ_XPUB, ZMQ_XSUB};
    for (unsigned i = 0; i < sizeof types / sizeof *types; i++) {
        void *s = sock (ctx, types[i]);
        set_int (s, ZMQ_LINGER, 0);
        FAILS (zmq_connect (s, "norm://"), EINVAL);
        FAILS (zmq_disconnect (s, endpoint ()), ENOENT);
        if (!zmq_has ("norm")) {
            FAILS (zmq_connect (s, endpoint ()), EPROTONOSUPPORT);
            FAILS (zmq_bind (s, endpoint ()), EPROTONOSUPPORT);
        } else {
            char last[EP_SIZE];
            size_t size = sizeof last;
            OK (zmq_bind (s, endpoint ()));
            OK (zmq_getsockopt (s, ZMQ_LAST_ENDPOINT, last, &size));
            IS (strcmp (last, endpoint ()), 0);
            OK (zmq_unbind (s, endpoint ()));
            FAILS (zmq_unbind (s, endpoint ()), ENOENT);
            OK (zmq_connect (s, endpoint ()));
            OK (zmq_disconnect (s, endpoint ()));
        }
        OK (zmq_close (s));
    }
    OK (zmq_ctx_term (ctx));
}

/* libzmq takes some of these, and aborts with the others. */
GROUP (what_is_no_endpoint)
{
    NEEDS_NORM ();
    static const char *bad[] = {"x", "*:5555", "239.193.1.1", "239.193.1.1:0", "239.193.1.1:*", "239.193.1.1:5555x", "239.193.1.1:70000",
                                "x,239.193.1.1:5555", "0,239.193.1.1:5555", ";239.193.1.1:5555", "lo;:5555", "lo;lo;239.193.1.1:5555",
                                "nosuch;239.193.1.1:5555", "host.invalid:5555"};
    static const int types[] = {ZMQ_PUB, ZMQ_SUB};
    void *ctx = ctx_new ();
    for (int t = 0; t < 2; t++) {
        void *s = sock (ctx, types[t]);
        for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
            char ep[EP_SIZE];
            snprintf (ep, sizeof ep, "norm://%s", bad[i]);
            if (zmq_connect (s, ep) != -1 || zmq_errno () != EINVAL)
                fail_at (__FILE__, __LINE__, "%s: errno %d", ep, zmq_errno ());
            FAILS (zmq_bind (s, ep), EINVAL);
        }
        OK (zmq_close (s));
    }
    OK (zmq_ctx_term (ctx));
}

/* Parts, long messages, what nobody has subscribed to, and a socket that is closed at once: all that was sent leaves first. */
GROUP (messages)
{
    NEEDS_NORM ();
    void *ctx = ctx_new (), *sub = sock (ctx, ZMQ_SUB), *pub = sock (ctx, ZMQ_PUB);
    subscribe_to_some (sub);
    set_int (pub, ZMQ_LINGER, -1);
    OK (zmq_connect (sub, endpoint ()));
    OK (zmq_bind (pub, endpoint ()));
    for (int i = 0; i < 2; i++)
        send_some (pub, i);
    OK (zmq_close (pub));
    for (int i = 0; i < 2; i++)
        receive_some (sub, i);
    OK (zmq_close (sub));
    OK (zmq_ctx_term (ctx));
}

/* ZMQ_NORM_MODE and ZMQ_NORM_BUFFER_SIZE, which only a library with the draft API has. */
enum { MODE = 117, BUFFER_SIZE = 119 };

/* What the library has no room for waits until it has. */
GROUP (more_than_it_holds)
{
    NEEDS_NORM ();
    void *ctx = ctx_new (), *sub = sock (ctx, ZMQ_SUB), *pub = sock (ctx, ZMQ_PUB);
    int fixed = 0, size = 64;
    if (zmq_setsockopt (pub, MODE, &fixed, sizeof fixed) == 0) {
        OK (zmq_setsockopt (pub, BUFFER_SIZE, &size, sizeof size));
        set_int (pub, ZMQ_RATE, 10000);
        set_int (pub, ZMQ_SNDHWM, 0);
        OK (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "", 0));
        OK (zmq_connect (sub, endpoint ()));
        OK (zmq_bind (pub, endpoint ()));
        char body[1000] = "";
        for (int i = 0; i < 70; i++) {
            memcpy (body, &i, sizeof i);
            IS (zmq_send (pub, body, sizeof body, 0), sizeof body);
        }
        for (int i = 0; i < 70; i++) {
            int number;
            IS (zmq_recv (sub, body, sizeof body, 0), sizeof body);
            memcpy (&number, body, sizeof number);
            IS (number, i);
        }
    }
    OK (zmq_close (sub));
    OK (zmq_close (pub));
    OK (zmq_ctx_term (ctx));
}

/* What libnorm keeps for those who may ask for it again leaves no room for more, and each time it is asked it says that it has
   sent everything: who asked each time would never rest. libzmq does not (4.3.6). */
GROUP (a_sender_without_room_rests)
{
    NEEDS_NORM ();
    void *ctx = ctx_new (), *pub = sock (ctx, ZMQ_PUB);
    int fixed = 0, size = 64;
    if (zmq_setsockopt (pub, MODE, &fixed, sizeof fixed) == 0) {
        OK (zmq_setsockopt (pub, BUFFER_SIZE, &size, sizeof size));
        set_int (pub, ZMQ_RATE, 100000);
        set_int (pub, ZMQ_SNDHWM, 0);
        OK (zmq_bind (pub, endpoint ()));
        static char body[1000];
        for (int i = 0; i < 200; i++)
            IS (zmq_send (pub, body, sizeof body, 0), sizeof body);
        struct rusage before, after;
        sleep_ms (200);
        OK (getrusage (RUSAGE_SELF, &before));
        sleep_ms (500);
        OK (getrusage (RUSAGE_SELF, &after));
        /* Tens of thousands on an idle machine. */
        long times = after.ru_nvcsw - before.ru_nvcsw;
        if (times > 600)
            fail_at (__FILE__, __LINE__, "woke %ld times", times);
    }
    OK (zmq_close (pub));
    OK (zmq_ctx_term (ctx));
}

/* The library's thread is the parent's: the child closes what it has of it, and the parent's goes on. */
GROUP (fork_leaves_it_alone)
{
    NEEDS_NORM ();
    void *ctx = ctx_new (), *sub = sock (ctx, ZMQ_SUB), *pub = sock (ctx, ZMQ_PUB);
    OK (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "", 0));
    OK (zmq_connect (sub, endpoint ()));
    OK (zmq_bind (pub, endpoint ()));
    pid_t child = fork ();
    if (child == 0) {
        zmq_close (pub);
        zmq_close (sub);
        _exit (0);
    }
    int status;
    IS (waitpid (child, &status, 0), child);
    IS (status, 0);
    SEND (pub, "still here", 0);
    RECV (sub, "still here");
    OK (zmq_close (sub));
    OK (zmq_close (pub));
    OK (zmq_ctx_term (ctx));
}

/* A lock that is another thread's, of the parent's. */
GROUP (child_opens_one_too)
{
    NEEDS_NORM ();
    fork_beside_look_ups (ZMQ_SUB, endpoint (), like_the_parent);
}

/* The parent's go on, whatever children do with them. */
GROUP (children_end)
{
    NEEDS_NORM ();
    children_end_beside (sock, endpoint ());
}

MAIN (ENTRY (endpoints), ENTRY (what_is_no_endpoint), ENTRY (messages), ENTRY (more_than_it_holds),
      ENTRY (a_sender_without_room_rests), ENTRY (fork_leaves_it_alone),
      ENTRY (child_opens_one_too), ENTRY (children_end))
