/*
 * zmq_pgm(7) within this machine: multicast over the loopback interface, by its address. Between network namespaces and
 * between libraries: interop_multicast.sh. Without libpgm-5.3.so.0 there is nothing to be tried; the program says so and passes.
 */
#include "common.h"
#include "forks.h"
#include "multicast.h"

/* What no address is, and what never uses it. */
GROUP (endpoints)
{
    void *ctx = ctx_new ();
    static const int types[] = {ZMQ_PAIR, ZMQ_REQ, ZMQ_REP, ZMQ_DEALER, ZMQ_ROUTER, ZMQ_PULL, ZMQ_PUSH, ZMQ_STREAM};
    for (unsigned i = 0; i < sizeof types / sizeof *types; i++) {
        void *s = sock (ctx, types[i]);
        FAILS (zmq_connect (s, "epgm://127.0.0.1;239.192.1.1:5555"), ENOCOMPATPROTO);
        FAILS (zmq_bind (s, "pgm://127.0.0.1;239.192.1.1:5555"), ENOCOMPATPROTO);
        OK (zmq_close (s));
    }
    void *sub = sock (ctx, ZMQ_SUB);
    if (!zmq_has ("pgm")) {
        FAILS (zmq_connect (sub, "epgm://127.0.0.1;239.192.1.1:5555"), EPROTONOSUPPORT);
        FAILS (zmq_bind (sub, "pgm://127.0.0.1;239.192.1.1:5555"), EPROTONOSUPPORT);
    } else {
        static const char *bad[] = {"x", "*:5555", "127.0.0.1;239.192.1.1", "nosuch;239.192.1.1:5555", "lo;239.192.1.1:5555",
                                    "127.0.0.1;10.0.0.1:5555", "127.0.0.1;host.invalid:5555", "10.9.9.9;239.192.1.1:5555",
                                    "127.0.0.1; 239.192.1.1:5555", "127.0.0.1;239.192.1.1:5555:1"};
        for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
            char ep[EP_SIZE];
            snprintf (ep, sizeof ep, "epgm://%s", bad[i]);
            FAILS (zmq_connect (sub, ep), EINVAL);
            FAILS (zmq_bind (sub, ep), EINVAL);
            FAILS (zmq_disconnect (sub, ep), ENOENT);
        }
        FAILS (zmq_connect (sub, "epgm://"), EINVAL);
        FAILS (zmq_disconnect (sub, multicast_endpoint ()), ENOENT);
        OK (zmq_bind (sub, multicast_endpoint ()));
        char last[EP_SIZE];
        size_t size = sizeof last;
        OK (zmq_getsockopt (sub, ZMQ_LAST_ENDPOINT, last, &size));
        IS (strcmp (last, multicast_endpoint ()), 0);
        /* Once is enough. */
        OK (zmq_connect (sub, multicast_endpoint ()));
        OK (zmq_disconnect (sub, multicast_endpoint ()));
        FAILS (zmq_disconnect (sub, multicast_endpoint ()), ENOENT);
    }
    OK (zmq_close (sub));
    OK (zmq_ctx_term (ctx));
}

/* libzmq takes these for ports, or says no and leaves errno as it was. */
GROUP (ports_are_numbers)
{
    NEEDS_PGM ();
    void *ctx = ctx_new (), *sub = sock (ctx, ZMQ_SUB);
    static const char *bad[] = {"0", "*", "", "70000", "-1", "5555x", " 5555"};
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        char ep[EP_SIZE];
        snprintf (ep, sizeof ep, "epgm://127.0.0.1;239.192.1.1:%s", bad[i]);
        FAILS (zmq_connect (sub, ep), EINVAL);
    }
    OK (zmq_close (sub));
    OK (zmq_ctx_term (ctx));
}

/* No packet is as small as its headers, and none as large: libzmq's connect says nothing, and nothing is ever sent. */
GROUP (packets_have_a_size)
{
    NEEDS_PGM ();
    void *ctx = ctx_new (), *pub = sock (ctx, ZMQ_PUB);
    static const int bad[] = {1, 56, 70, 65536, 1000000};
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        set_int (pub, ZMQ_MULTICAST_MAXTPDU, bad[i]);
        FAILS (zmq_connect (pub, multicast_endpoint ()), EINVAL);
    }
    OK (zmq_close (pub));
    OK (zmq_ctx_term (ctx));
}

/* Parts, long messages, and what nobody has subscribed to. */
GROUP (messages)
{
    NEEDS_PGM ();
    void *ctx = ctx_new (), *sub = multicast_socket (ctx, ZMQ_SUB), *pub = multicast_socket (ctx, ZMQ_PUB);
    subscribe_to_some (sub);
    OK (zmq_connect (sub, multicast_endpoint ()));
    OK (zmq_bind (pub, multicast_endpoint ()));
    SETTLE ();
    for (int i = 0; i < 10; i++) {
        send_some (pub, i);
        receive_some (sub, i);
    }
    OK (zmq_close (sub));
    OK (zmq_close (pub));
    OK (zmq_ctx_term (ctx));
}

/* Nobody's subscription comes to a publisher, and all is sent; of an endpoint that goes XPUB hears as of a subscriber. */
GROUP (xpub_xsub)
{
    NEEDS_PGM ();
    void *ctx = ctx_new (), *xsub = multicast_socket (ctx, ZMQ_XSUB), *xpub = multicast_socket (ctx, ZMQ_XPUB);
    OK (zmq_connect (xsub, multicast_endpoint ()));
    OK (zmq_connect (xpub, multicast_endpoint ()));
    SEND (xsub, "\1topic", 0);
    SETTLE ();
    FAILS (zmq_recv (xpub, NULL, 0, ZMQ_DONTWAIT), EAGAIN);
    IS (get_int (xpub, ZMQ_EVENTS), ZMQ_POLLOUT);
    SEND (xpub, "anything", 0);
    RECV (xsub, "anything");
    OK (zmq_disconnect (xpub, multicast_endpoint ()));
    char got[4];
    IS (zmq_recv (xpub, got, sizeof got, 0), 1);
    IS (got[0], 0);
    OK (zmq_close (xsub));
    OK (zmq_close (xpub));
    OK (zmq_ctx_term (ctx));
}

/* Who comes in the middle of a stream, and of a message, begins with a whole one. */
GROUP (late)
{
    NEEDS_PGM ();
    void *ctx = ctx_new (), *pub = multicast_socket (ctx, ZMQ_PUB);
    OK (zmq_connect (pub, multicast_endpoint ()));
    static char big[2000];
    memset (big, 'x', sizeof big);
    void *subs[5];
    for (int i = 0; i < 5; i++) {
        subs[i] = multicast_socket (ctx, ZMQ_SUB);
        OK (zmq_setsockopt (subs[i], ZMQ_SUBSCRIBE, "", 0));
        OK (zmq_connect (subs[i], multicast_endpoint ()));
        for (int n = 0; n < 3; n++) {
            IS (zmq_send (pub, big, sizeof big, ZMQ_SNDMORE), sizeof big);
            SEND (pub, "end", 0);
        }
    }
    SETTLE ();
    SEND (pub, "last", 0);
    for (int i = 0; i < 5; i++)
        for (;;) {
            char got[16];
            int size = zmq_recv (subs[i], got, sizeof got, 0);
            if (size == 4 && !memcmp (got, "last", 4))
                break;
            IS (size, sizeof big);
            RECV (subs[i], "end");
        }
    for (int i = 0; i < 5; i++)
        OK (zmq_close (subs[i]));
    OK (zmq_close (pub));
    OK (zmq_ctx_term (ctx));
}

/* ZMQ_RATE is kept, what waits counts for ZMQ_SNDHWM, and what was sent before ZMQ_LINGER arrives. */
GROUP (rate)
{
    NEEDS_PGM ();
    void *ctx = ctx_new (), *sub = multicast_socket (ctx, ZMQ_SUB), *pub = sock (ctx, ZMQ_XPUB);
    set_int (pub, ZMQ_RATE, 400);
    set_int (pub, ZMQ_SNDHWM, 20);
    set_int (pub, ZMQ_XPUB_NODROP, 1);
    set_int (pub, ZMQ_LINGER, 5000);
    OK (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "", 0));
    OK (zmq_connect (sub, multicast_endpoint ()));
    OK (zmq_connect (pub, multicast_endpoint ()));
    SETTLE ();
    int sent = 0;
    char body[1000] = "";
    int64_t begun = now_ms ();
    for (; sent < 10000 && zmq_send (pub, body, sizeof body, ZMQ_DONTWAIT) != -1; sent++)
        ;
    IS (errno, EAGAIN);
    CHECK (sent >= 20 && sent < 100);
    OK (zmq_send (pub, body, sizeof body, 0));
    OK (zmq_close (pub));
    for (int i = 0; i <= sent; i++)
        IS (zmq_recv (sub, body, sizeof body, 0), sizeof body);
    /* 50 octets a millisecond, and what libpgm lets go at once, a second's. */
    CHECK (sent - 55 <= (now_ms () - begun) / 20);
    OK (zmq_close (sub));
    OK (zmq_ctx_term (ctx));
}

/* The high-water mark of a receiver, and what sleeps on ZMQ_FD or in zmq_poll. */
GROUP (waiting)
{
    NEEDS_PGM ();
    void *ctx = ctx_new (), *sub = multicast_socket (ctx, ZMQ_SUB), *pub = multicast_socket (ctx, ZMQ_PUB);
    OK (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "", 0));
    set_int (sub, ZMQ_RCVHWM, 5);
    OK (zmq_connect (sub, multicast_endpoint ()));
    OK (zmq_connect (pub, multicast_endpoint ()));
    SETTLE ();
    for (int i = 0; i < 100; i++)
        SEND (pub, "x", 0);
    sleep_ms (20);
    for (int i = 0; i < 100; i++)
        RECV (sub, "x");
    for (int i = 0; i < 10; i++) {
        zmq_pollitem_t item = {sub, 0, ZMQ_POLLIN, 0};
        IS (zmq_poll (&item, 1, 0), 0);
        SEND (pub, "y", 0);
        IS (zmq_poll (&item, 1, 5000), 1);
        RECV (sub, "y");
        struct pollfd fd = {0, POLLIN, 0};
        size_t size = sizeof fd.fd;
        OK (zmq_getsockopt (sub, ZMQ_FD, &fd.fd, &size));
        while (get_int (sub, ZMQ_EVENTS) & ZMQ_POLLIN)
            RECV (sub, "z");
        SEND (pub, "z", 0);
        IS (poll (&fd, 1, 5000), 1);
        EVENTUALLY (get_int (sub, ZMQ_EVENTS) & ZMQ_POLLIN, 5000);
        RECV (sub, "z");
    }
    OK (zmq_close (sub));
    OK (zmq_close (pub));
    OK (zmq_ctx_term (ctx));
}

/* Packets that anybody can send: offsets behind their end, frames that cannot be, and none at all. What follows arrives. */
GROUP (hostile_packets)
{
    NEEDS_PGM ();
    void *ctx = ctx_new (), *sub = multicast_socket (ctx, ZMQ_SUB);
    OK (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "", 0));
    set_int (sub, ZMQ_RCVTIMEO, 5000);
    OK (zmq_connect (sub, multicast_endpoint ()));
    SETTLE ();
    static const struct
    {
        const char *bytes;
        unsigned size;
    } payloads[] = {
        {"\0", 1}, {"\0\0", 2}, {"\xff\xff", 2}, {"\xff\xfe", 2}, {"\0\1", 2}, {"\0\5\2\0x", 5}, {"\xff\xffgarbage", 9},
        {"\0\0\0\0\0\0", 6}, {"\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\0x", 13}, {"\0\0\xff\0\0\0\0\0\0\0\0\0", 12},
        {"\0\0\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0x", 13}, {"\0\0\2\1a", 5}, {"", 0},
    };
    const unsigned count = sizeof payloads / sizeof *payloads;
    for (unsigned i = 0; i < count; i++) {
        /* A sender of his own for each, and one for all. */
        send_packet (100 + i, 0, payloads[i].bytes, payloads[i].size);
        send_packet (100 + i, 1, "\0\1x\3\0ok", 7);
        send_packet (1, i, payloads[i].bytes, payloads[i].size);
    }
    send_packet (1, count, "\0\0\4\0end", 7);
    send_packet (2, 0, "\0\0\4\0END", 7);
    int others = 0;
    for (;;) {
        char got[300];
        int size = zmq_recv (sub, got, sizeof got, 0);
        CHECK (size >= 0);
        if (size == 3 && !memcmp (got, "END", 3))
            break;
        others++;
    }
    CHECK (others > 0);
    OK (zmq_close (sub));
    OK (zmq_ctx_term (ctx));
}

/* A child of fork(2) has the library, and its own sockets. */
GROUP (forked)
{
    NEEDS_PGM ();
    void *ctx = ctx_new (), *pub = multicast_socket (ctx, ZMQ_PUB), *sub = multicast_socket (ctx, ZMQ_SUB);
    OK (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "", 0));
    OK (zmq_connect (sub, multicast_endpoint ()));
    OK (zmq_connect (pub, multicast_endpoint ()));
    SETTLE ();
    pid_t child = fork ();
    if (child == 0) {
        void *own = ctx_new (), *out = multicast_socket (own, ZMQ_PUB);
        OK (zmq_connect (out, multicast_endpoint ()));
        SEND (out, "child", 0);
        sleep_ms (50);
        OK (zmq_close (out));
        OK (zmq_ctx_term (own));
        _exit (0);
    }
    RECV (sub, "child");
    int status;
    IS (waitpid (child, &status, 0), child);
    IS (status, 0);
    SEND (pub, "parent", 0);
    RECV (sub, "parent");
    OK (zmq_close (sub));
    OK (zmq_close (pub));
    OK (zmq_ctx_term (ctx));
}

/* A lock that is another thread's, of the parent's. */
GROUP (child_opens_one_too)
{
    NEEDS_PGM ();
    fork_beside_look_ups (ZMQ_SUB, multicast_endpoint (), like_the_parent);
}

/* The parent's go on, whatever children do with them. */
GROUP (children_end)
{
    NEEDS_PGM ();
    children_end_beside (multicast_socket, multicast_endpoint ());
}

MAIN (ENTRY (endpoints), ENTRY (ports_are_numbers), ENTRY (packets_have_a_size), ENTRY (messages), ENTRY (xpub_xsub), ENTRY (late),
      ENTRY (rate), ENTRY (waiting), ENTRY (hostile_packets), ENTRY (forked),
      ENTRY (child_opens_one_too), ENTRY (children_end))
