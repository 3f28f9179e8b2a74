/*
 * Corners of the API in which our library once differed from libzmq, or still does, for the reason that stands in
 * known-differences.txt.
 */
#include "common.h"
#include <dirent.h>

static const char *const wires[] = {"tcp", "ipc"};

/* How many there are of /proc/self/fd. */
static int descriptors (void)
{
    int count = 0;
    DIR *dir = opendir ("/proc/self/fd");
    CHECK (dir != NULL);
    while (readdir (dir))
        count++;
    closedir (dir);
    return count;
}

/* A PAIR in conversation with `first`, and `second` connected to it, too, whose events go to `mon`. */
typedef struct
{
    void *ctx, *bound, *first, *second, *mon;
    char ep[EP_SIZE];
} three_t;

static three_t three (const char *transport)
{
    three_t t = {.ctx = ctx_new ()};
    t.bound = sock (t.ctx, ZMQ_PAIR);
    t.first = sock (t.ctx, ZMQ_PAIR);
    t.second = sock (t.ctx, ZMQ_PAIR);
    t.mon = monitor (t.ctx, t.second);
    bind_any (t.bound, transport, t.ep);
    OK (zmq_connect (t.first, t.ep));
    SEND (t.first, "hello", 0);
    RECV (t.bound, "hello");
    set_int (t.second, ZMQ_RECONNECT_IVL, 10);
    OK (zmq_connect (t.second, t.ep));
    SEND (t.second, "early", 0);
    uint32_t value;
    char address[EP_SIZE];
    while (next_event (t.mon, &value, address) != ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
        ;
    return t;
}

static void end_three (three_t *t)
{
    OK (zmq_close (t->first));
    OK (zmq_close (t->second));
    OK (zmq_close (t->mon));
    OK (zmq_close (t->bound));
    OK (zmq_ctx_term (t->ctx));
}

/* ---- PAIR ------------------------------------------------------------------------------------------------------- */

/* Who connects to a PAIR that has a peer stays connected: it does not come again and again. */
GROUP (pair_has_a_second_peer_wait)
{
    for (int i = 0; i < 2; i++) {
        three_t t = three (wires[i]);
        CHECK (!readable (t.mon, 200));
        RECV_NONE (t.bound, 0);
        SEND (t.bound, "answer", 0);
        RECV (t.first, "answer");
        SEND (t.first, "more", 0);
        RECV (t.bound, "more");
        OK (zmq_disconnect (t.second, t.ep));
        FAILS (zmq_disconnect (t.second, t.ep), ENOENT);
        end_three (&t);
    }
}

/* One that connects to two has both endpoints. */
GROUP (pair_connects_to_two)
{
    void *ctx = ctx_new (), *one = sock (ctx, ZMQ_PAIR), *two = sock (ctx, ZMQ_PAIR), *s = sock (ctx, ZMQ_PAIR);
    char first[EP_SIZE], second[EP_SIZE];
    bind_any (one, "tcp", first);
    bind_any (two, "tcp", second);
    OK (zmq_connect (s, first));
    OK (zmq_connect (s, second));
    for (int i = 0; i < 3; i++) {
        SEND (s, "to the first", 0);
        RECV (one, "to the first");
    }
    CHECK (!readable (two, 100));
    OK (zmq_disconnect (s, second));
    OK (zmq_disconnect (s, first));
    OK (zmq_close (s));
    OK (zmq_close (two));
    OK (zmq_close (one));
    OK (zmq_ctx_term (ctx));
}

/* When the first is gone, the one that has waited is the peer, and nothing it sent is lost. */
GROUP (pair_goes_on_with_who_has_waited)
{
    for (int i = 0; i < 2; i++) {
        three_t t = three (wires[i]);
        SEND (t.first, "last", 0);
        CHECK (readable (t.bound, 1000));
        OK (zmq_close (t.first));
        RECV (t.bound, "last");
        RECV (t.bound, "early");
        SEND (t.bound, "answer", 0);
        RECV (t.second, "answer");
        t.first = sock (t.ctx, ZMQ_PAIR);
        end_three (&t);
    }
}

/* Those that give up while they wait leave nothing behind, whatever they have sent. */
GROUP (pair_forgets_who_gives_up)
{
    three_t t = three ("tcp");
    int before = descriptors ();
    for (int i = 0; i < 20; i++) {
        void *other = sock (t.ctx, ZMQ_PAIR);
        OK (zmq_connect (other, t.ep));
        set_int (other, ZMQ_LINGER, -1);
        SEND (other, "lost", 0);
        OK (zmq_close (other));
    }
    int64_t until = now_ms () + 5000 * slower ();
    /* And stay so: one may be on its way. */
    for (int looks = 0; looks < 20 && now_ms () < until; sleep_ms (5))
        looks = descriptors () <= before ? looks + 1 : 0;
    CHECK (descriptors () <= before);
    OK (zmq_disconnect (t.second, t.ep));
    RECV_NONE (t.bound, 50);
    SEND (t.first, "still here", 0);
    RECV (t.bound, "still here");
    OK (zmq_close (t.first));
    RECV_NONE (t.bound, 100);
    t.first = sock (t.ctx, ZMQ_PAIR);
    end_three (&t);
}

/* ---- endpoints -------------------------------------------------------------------------------------------------- */

/* Who disconnects from a socket of the process that has closed, and has not been told so, succeeds. */
GROUP (disconnect_from_who_has_closed)
{
    static const int types[][2] = {{ZMQ_DEALER, ZMQ_DEALER}, {ZMQ_PAIR, ZMQ_PAIR}, {ZMQ_PULL, ZMQ_PUSH}};
    void *ctx = ctx_new ();
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        void *in = sock (ctx, types[i][0]), *out = sock (ctx, types[i][1]);
        OK (zmq_bind (in, "inproc://closes"));
        OK (zmq_connect (out, "inproc://closes"));
        OK (zmq_close (in));
        sleep_ms (60);
        OK (zmq_disconnect (out, "inproc://closes"));
        FAILS (zmq_disconnect (out, "inproc://closes"), ENOENT);
        OK (zmq_close (out));
    }
    OK (zmq_ctx_term (ctx));
}

/* And what that has sent can still be received. */
GROUP (drained_after_disconnect_from_who_has_closed)
{
    void *ctx = ctx_new (), *in = sock (ctx, ZMQ_DEALER), *out = sock (ctx, ZMQ_DEALER);
    OK (zmq_bind (in, "inproc://closes"));
    OK (zmq_connect (out, "inproc://closes"));
    CHECK (writable (in, 1000));
    SEND (in, "one", 0);
    SEND (in, "two", 0);
    OK (zmq_close (in));
    sleep_ms (60);
    OK (zmq_disconnect (out, "inproc://closes"));
    RECV (out, "one");
    RECV (out, "two");
    RECV_NONE (out, 0);
    FAILS (zmq_disconnect (out, "inproc://closes"), ENOENT);
    OK (zmq_close (out));
    OK (zmq_ctx_term (ctx));
}

/* Of a socket that has connected to itself the binding goes first, and then the connections. */
GROUP (unbind_of_who_is_connected_to_itself)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_DEALER), *other = sock (ctx, ZMQ_DEALER);
    OK (zmq_bind (s, "inproc://own"));
    OK (zmq_connect (s, "inproc://own"));
    OK (zmq_connect (s, "inproc://own"));
    OK (zmq_unbind (s, "inproc://own"));
    OK (zmq_bind (other, "inproc://own"));
    SEND (s, "still here", 0);
    RECV (s, "still here");
    OK (zmq_disconnect (s, "inproc://own"));
    /* With libzmq the other ends, which are its own, learn of it when it looks. */
    RECV_NONE (s, 20);
    FAILS (zmq_send (s, "nobody", 6, ZMQ_DONTWAIT), EAGAIN);
    FAILS (zmq_disconnect (s, "inproc://own"), ENOENT);
    OK (zmq_close (other));
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

/* A source means nothing to a bind, but has to be an address of this machine. */
GROUP (bind_with_a_source)
{
    static const char *const refused[] = {"tcp://a;127.0.0.1:*", "tcp://;127.0.0.1:*", "tcp://0;*:*", "tcp://a;b",
                                          "tcp://127.0.0.1:*;"};
    static const char *const taken[] = {"tcp://127.0.0.1:0;127.0.0.1:*", "tcp://lo:0;lo:*", "tcp://127.0.0.1:1;*:*",
                                        "tcp://*:*;127.0.0.1:*"};
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PULL);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        FAILS (zmq_bind (s, refused[i]), EINVAL);
    FAILS (zmq_bind (s, "tcp://nowhere:0;127.0.0.1:*"), ENODEV);
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        OK (zmq_bind (s, taken[i]));
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

/* ---- XPUB ------------------------------------------------------------------------------------------------------- */

/* The subscriptions of peers end with the endpoint they came by; within the process only with the peer. */
GROUP (unsubscriptions_when_an_endpoint_goes)
{
    static const char *const transports[] = {"tcp", "ipc", "inproc"};
    for (int i = 0; i < 3; i++)
        for (int connects = 0; connects < 2; connects++) {
            void *ctx = ctx_new (), *xpub = sock (ctx, ZMQ_XPUB), *sub = sock (ctx, ZMQ_SUB);
            char ep[EP_SIZE], got[8] = "";
            bind_any (connects ? sub : xpub, transports[i], ep);
            OK (zmq_connect (connects ? xpub : sub, ep));
            OK (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "A", 1));
            OK (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "B", 1));
            for (int n = 0; n < 2; n++) {
                /* libzmq's SUB learns of a new peer in its own calls only. */
                while (!readable (xpub, 5))
                    readable (sub, 0);
                IS (zmq_recv (xpub, got, sizeof got, 0), 2);
            }
            OK (connects ? zmq_disconnect (xpub, ep) : zmq_unbind (xpub, ep));
            int wanted = i == 2 && !connects ? 0 : 2;
            int64_t until = now_ms () + (wanted ? 5000 : 100);
            int seen = 0;
            while (now_ms () < until && (!wanted || seen < wanted)) {
                readable (sub, 0);
                if (!readable (xpub, 5))
                    continue;
                IS (zmq_recv (xpub, got, sizeof got, 0), 2);
                CHECK (got[0] == 0 && got[1] == 'A' + seen);
                seen++;
            }
            IS (seen, wanted);
            OK (zmq_close (sub));
            OK (zmq_close (xpub));
            OK (zmq_ctx_term (ctx));
        }
}

/* ---- STREAM ----------------------------------------------------------------------------------------------------- */

static void *stream (void *ctx, uint8_t id[5], int *fd)
{
    void *s = sock (ctx, ZMQ_STREAM);
    char ep[EP_SIZE];
    bind_any (s, "tcp", ep);
    *fd = raw_connect (ep);
    IS (zmq_recv (s, id, 5, 0), 5);
    IS (zmq_recv (s, ep, sizeof ep, 0), 0);
    return s;
}

/* An id without MORE, and the data after it, are for nobody. */
GROUP (stream_id_without_more)
{
    uint8_t id[5];
    char got[4];
    int fd;
    void *ctx = ctx_new (), *s = stream (ctx, id, &fd);
    IS (zmq_send (s, id, 5, 0), 5);
    SEND (s, "lost", 0);
    IS (zmq_send (s, id, 5, ZMQ_SNDMORE), 5);
    SEND (s, "here", 0);
    CHECK (raw_read (fd, got, 4) && !memcmp (got, "here", 4));
    close (fd);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

/* An id without MORE is all there is of a message: what comes then is another. */
GROUP (stream_id_alone)
{
    uint8_t id[5];
    char got[4];
    int fd;
    void *ctx = ctx_new (), *s = stream (ctx, id, &fd);
    IS (zmq_send (s, id, 5, 0), 5);
    IS (zmq_send (s, id, 5, ZMQ_SNDMORE), 5);
    SEND (s, "here", 0);
    CHECK (raw_read (fd, got, 4) && !memcmp (got, "here", 4));
    FAILS (zmq_send (s, "nobody", 6, ZMQ_SNDMORE), EHOSTUNREACH);
    SEND (s, "lost", 0);
    IS (zmq_send (s, id, 5, ZMQ_SNDMORE), 5);
    SEND (s, "more", 0);
    CHECK (raw_read (fd, got, 4) && !memcmp (got, "more", 4));
    close (fd);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

/* ---- ROUTER ----------------------------------------------------------------------------------------------------- */

/* Parts that `who` got of a probe, while `other` looks after its news. */
static int probed (void *who, void *other, int wanted)
{
    int parts = 0;
    char part[8];
    int64_t until = now_ms () + (wanted ? 5000 : 50);
    while (parts < 2 && now_ms () < until) {
        readable (other, 0);
        parts += zmq_recv (who, part, sizeof part, ZMQ_DONTWAIT) >= 0;
    }
    return parts;
}

static void probe (int raw, int bind_first)
{
    void *ctx = ctx_new (), *in = sock (ctx, ZMQ_ROUTER), *out = sock (ctx, ZMQ_ROUTER);
    set_int (in, ZMQ_PROBE_ROUTER, 1);
    if (raw)
        set_int (in, ZMQ_ROUTER_RAW, 1);
    OK (bind_first ? zmq_bind (in, "inproc://probe") : zmq_connect (out, "inproc://probe"));
    OK (bind_first ? zmq_connect (out, "inproc://probe") : zmq_bind (in, "inproc://probe"));
    IS (probed (out, in, 2), 2);
    IS (probed (in, out, 0), 0);
    OK (zmq_close (out));
    OK (zmq_close (in));
    OK (zmq_ctx_term (ctx));
}

/* Within the process a ROUTER_RAW probes like any other. */
GROUP (probes_within_the_process)
{
    probe (0, 1);
    probe (1, 1);
}

/* Whoever comes first. */
GROUP (probes_who_came_before_the_bind)
{
    probe (0, 0);
    probe (1, 0);
}

/* ---- plain peers ------------------------------------------------------------------------------------------------ */

/* A peer of a socket of type DEALER that begins like this. */
static void begin_plainly (int fd, const char *mechanism)
{
    unsigned char greeting[64] = {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 1};
    static const char ready[] = "\4\x1c\5READY\xbSocket-Type\0\0\0\6DEALER";
    strcpy ((char *) greeting + 12, mechanism);
    CHECK (raw_write (fd, greeting, sizeof greeting) && raw_write (fd, ready, sizeof ready - 1));
}

/* A peer with which there is nothing to be had is not tried again, and what is sent goes to others. */
GROUP (refused_endpoints_get_nothing)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl (INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    char bad[EP_SIZE], good[EP_SIZE], told[EP_SIZE];
    uint32_t value;
    int listener = socket (AF_INET, SOCK_STREAM, 0);
    OK (bind (listener, (struct sockaddr *) &address, size) | listen (listener, 1));
    OK (getsockname (listener, (struct sockaddr *) &address, &size));
    snprintf (bad, sizeof bad, "tcp://127.0.0.1:%d", ntohs (address.sin_port));
    void *ctx = ctx_new (), *in = sock (ctx, ZMQ_DEALER), *out = sock (ctx, ZMQ_DEALER), *mon = monitor (ctx, out);
    OK (zmq_connect (out, bad));
    SEND (out, "lost", 0);
    int fd = accept (listener, NULL, NULL);
    begin_plainly (fd, "CURVE");
    while (next_event (mon, &value, told) != ZMQ_EVENT_DISCONNECTED)
        ;
    /* libzmq's socket hears of it a moment later. */
    int64_t until = now_ms () + 2000;
    while (writable (out, 0) && now_ms () < until)
        sleep_ms (2);
    FAILS (zmq_send (out, "nobody", 6, ZMQ_DONTWAIT), EAGAIN);
    bind_any (in, "tcp", good);
    OK (zmq_connect (out, good));
    for (int i = 0; i < 4; i++) {
        SEND (out, "here", 0);
        RECV (in, "here");
    }
    OK (zmq_disconnect (out, bad));
    FAILS (zmq_disconnect (out, bad), ENOENT);
    close (fd);
    close (listener);
    OK (zmq_close (mon));
    OK (zmq_close (out));
    OK (zmq_close (in));
    OK (zmq_ctx_term (ctx));
}

/* SUBSCRIBE and CANCEL are for who publishes; for others they are commands like any that a later version may have. */
GROUP (subscriptions_to_who_does_not_publish)
{
    static const char frames[] = "\4\xb\11SUBSCRIBEA\4\x8\6CANCELA\4\5\4NONE\0\1A";
    void *ctx = ctx_new (), *in = sock (ctx, ZMQ_DEALER);
    char ep[EP_SIZE];
    bind_any (in, "tcp", ep);
    int fd = raw_connect (ep);
    begin_plainly (fd, "NULL");
    CHECK (raw_write (fd, frames, sizeof frames - 1));
    RECV (in, "A");
    RECV_NONE (in, 20);
    close (fd);
    OK (zmq_close (in));
    OK (zmq_ctx_term (ctx));
}

/* ---- monitors --------------------------------------------------------------------------------------------------- */

/* What is wrong with an endpoint is the same as for zmq_bind, as far as the transport goes. */
GROUP (monitors_at_odd_endpoints)
{
    static const struct { const char *endpoint; int error; } odd[] = {
        {"udp://127.0.0.1:1", ENOCOMPATPROTO}, {"pgm://eth0;239.0.0.1:5", ENOCOMPATPROTO}, {"ipc://", EINVAL},
        {"://", EINVAL}, {"foo://", EINVAL}, {"inproc://", EINVAL}, {"x", EINVAL}, {"foo://x", EPROTONOSUPPORT},
        {"tcp://x", EPROTONOSUPPORT}, {"ipc://x", EPROTONOSUPPORT}, {"INPROC://x", EPROTONOSUPPORT},
    };
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_REP), *other = sock (ctx, ZMQ_PUB);
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        FAILS (zmq_socket_monitor (s, odd[i].endpoint, ZMQ_EVENT_ALL), odd[i].error);
    FAILS (zmq_socket_monitor (other, "pgm://eth0;239.0.0.1:5", ZMQ_EVENT_ALL), EPROTONOSUPPORT);
    OK (zmq_close (other));
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

/* Of a peer of a type that does not fit a listener tells the same whatever the transport. */
GROUP (peers_that_do_not_fit)
{
    for (int i = 0; i < 2; i++) {
        void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_SUB), *mon;
        char ep[EP_SIZE], address[EP_SIZE];
        uint32_t value;
        bind_any (in, wires[i], ep);
        mon = monitor (ctx, in);
        OK (zmq_connect (out, ep));
        IS (next_event (mon, &value, address), ZMQ_EVENT_ACCEPTED);
        IS (next_event (mon, &value, address), ZMQ_EVENT_DISCONNECTED);
        CHECK (!readable (mon, 50));
        OK (zmq_close (mon));
        OK (zmq_close (out));
        OK (zmq_close (in));
        OK (zmq_ctx_term (ctx));
    }
}

MAIN (ENTRY (pair_has_a_second_peer_wait), ENTRY (pair_connects_to_two), ENTRY (pair_forgets_who_gives_up),
      ENTRY_SLOW (pair_goes_on_with_who_has_waited, 8), ENTRY (disconnect_from_who_has_closed),
      ENTRY (drained_after_disconnect_from_who_has_closed), ENTRY (unbind_of_who_is_connected_to_itself), ENTRY (bind_with_a_source),
      ENTRY (unsubscriptions_when_an_endpoint_goes), ENTRY (stream_id_without_more), ENTRY_SLOW (stream_id_alone, 10),
      ENTRY (probes_within_the_process), ENTRY_SLOW (probes_who_came_before_the_bind, 10), ENTRY (refused_endpoints_get_nothing),
      ENTRY_SLOW (subscriptions_to_who_does_not_publish, 5), ENTRY (monitors_at_odd_endpoints), ENTRY (peers_that_do_not_fit))
