/* Draft: monitors of version 2, how many messages wait, and whether a peer of a ROUTER has room. */
#define ZMQ_BUILD_DRAFT_API
#include "common.h"

/* Settles what has come and gone, as any call on a socket does. */
static void look (void *s) { (void) get_int (s, ZMQ_EVENTS); }

static uint64_t u64_frame (void *mon)
{
    uint64_t value = 0;
    IS (zmq_recv (mon, &value, sizeof value, 0), sizeof value);
    IS (get_int (mon, ZMQ_RCVMORE), 1);
    return value;
}

static void end_frame (void *mon, char *end, int more)
{
    int size = zmq_recv (mon, end, EP_SIZE - 1, 0);
    CHECK (size >= 0 && size < EP_SIZE);
    end[size] = '\0';
    IS (get_int (mon, ZMQ_RCVMORE), more);
}

/* The next event: its values, and both ends if they are asked for. */
static void event2 (void *mon, uint64_t want, uint64_t count, uint64_t *values, char *local, char *remote)
{
    char own[EP_SIZE], others[EP_SIZE];
    IS (u64_frame (mon), want);
    IS (u64_frame (mon), count);
    for (uint64_t i = 0; i < count; i++)
        values[i] = u64_frame (mon);
    end_frame (mon, local ? local : own, 1);
    end_frame (mon, remote ? remote : others, 0);
}

/* An event of one value with these ends, of which "*" stands for one that is not known before. */
static uint64_t expect (void *mon, uint64_t want, const char *local, const char *remote)
{
    char own[EP_SIZE], others[EP_SIZE];
    uint64_t value;
    event2 (mon, want, 1, &value, own, others);
    CHECK (!strcmp (own, local) || (*local == '*' && strstr (own, "://")));
    CHECK (!strcmp (others, remote) || (*remote == '*' && strstr (others, "://")));
    return value;
}

static void *monitor_some (void *ctx, void *s, int type, uint64_t wanted)
{
    static int number;
    void *mon = sock (ctx, type == ZMQ_PUB ? ZMQ_SUB : type == ZMQ_PUSH ? ZMQ_PULL : ZMQ_PAIR);
    char name[40];
    snprintf (name, sizeof name, "inproc://monitor-%d", number++);
    OK (zmq_socket_monitor_versioned (s, name, wanted, 2, type));
    OK (zmq_connect (mon, name));
    return mon;
}

static void *monitor2 (void *ctx, void *s, int type)
{
    return monitor_some (ctx, s, type, ZMQ_EVENT_ALL_V2);
}

GROUP (what_is_accepted)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PULL);
    FAILS (zmq_socket_monitor_versioned (NULL, "inproc://m", ZMQ_EVENT_ALL, 2, ZMQ_PAIR), ENOTSOCK);
    FAILS (zmq_socket_monitor_versioned (s, "tcp://127.0.0.1:*", ZMQ_EVENT_ALL, 2, ZMQ_PAIR), EPROTONOSUPPORT);
    FAILS (zmq_socket_monitor_versioned (s, "tcp://127.0.0.1:*", ZMQ_EVENT_ALL, 1, ZMQ_SUB), EPROTONOSUPPORT);
    FAILS (zmq_socket_monitor_versioned (s, "tcp://127.0.0.1:*", ZMQ_EVENT_ALL_V2, 1, ZMQ_PAIR), EINVAL);
    /* Version 1 has 16 events, whatever else is wanted. */
    FAILS (zmq_socket_monitor_versioned (s, "inproc://m", ZMQ_EVENT_ALL_V2, 1, ZMQ_PAIR), EINVAL);
    FAILS (zmq_socket_monitor_versioned (s, NULL, ZMQ_EVENT_ALL_V2, 1, ZMQ_PAIR), EINVAL);
    FAILS (zmq_socket_monitor (s, "inproc://m", ZMQ_EVENT_ALL_V2), EINVAL);
    FAILS (zmq_socket_monitor (s, "inproc://m", -1), EINVAL);
    FAILS (zmq_socket_monitor (s, NULL, -1), EINVAL);
    OK (zmq_socket_monitor_versioned (s, NULL, 0, 1, 99));
    for (int version = -1; version < 4; version++)
        for (int type = -1; type < 21; type++) {
            int fits = type == ZMQ_PAIR || type == ZMQ_PUB || type == ZMQ_PUSH;
            char name[40];
            snprintf (name, sizeof name, "inproc://m%d-%d", version, type);
            int rc = zmq_socket_monitor_versioned (s, name, ZMQ_EVENT_ALL, version, type);
            IS (rc, fits ? 0 : -1);
            if (rc == -1)
                IS (errno, EINVAL);
            OK (zmq_close (s));
            s = sock (ctx, ZMQ_PULL);
        }
    OK (zmq_socket_monitor_versioned (s, "inproc://m", 1ull << 40, 2, ZMQ_PAIR));
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

/* A version that nobody knows has no events. */
GROUP (unknown_version)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PULL), *mon = sock (ctx, ZMQ_PAIR);
    char ep[EP_SIZE];
    OK (zmq_socket_monitor_versioned (s, "inproc://m", ZMQ_EVENT_ALL_V2, 3, ZMQ_PAIR));
    OK (zmq_connect (mon, "inproc://m"));
    bind_any (s, "tcp", ep);
    FAILS (zmq_socket_monitor_pipes_stats (s), EAGAIN);
    OK (zmq_close (s));
    IS (readable (mon, 50), 0);
    OK (zmq_close (mon));
    OK (zmq_ctx_term (ctx));
}

static void life (const char *transport)
{
    int tcp = !strcmp (transport, "tcp");
    void *ctx = ctx_new (), *pull = sock (ctx, ZMQ_PULL), *push = sock (ctx, ZMQ_PUSH);
    void *server = monitor2 (ctx, pull, ZMQ_PAIR), *client = monitor2 (ctx, push, ZMQ_PAIR);
    char ep[EP_SIZE], local[EP_SIZE], remote[EP_SIZE];
    uint64_t listening, accepted, connected, value;
    set_int (push, ZMQ_RECONNECT_IVL, -1);
    bind_any (pull, transport, ep);
    listening = expect (server, ZMQ_EVENT_LISTENING, ep, "");
    OK (zmq_connect (push, ep));
    event2 (server, ZMQ_EVENT_ACCEPTED, 1, &accepted, local, remote);
    CHECK (!strcmp (local, ep) && (tcp ? strncmp (remote, "tcp://127.0.0.1:", 16) == 0 : !strcmp (remote, "ipc://")));
    expect (server, ZMQ_EVENT_HANDSHAKE_SUCCEEDED, ep, remote);
    if (tcp)
        IS (expect (client, ZMQ_EVENT_CONNECT_DELAYED, "", ep), EINPROGRESS);
    connected = expect (client, ZMQ_EVENT_CONNECTED, remote, ep);
    IS (expect (client, ZMQ_EVENT_HANDSHAKE_SUCCEEDED, remote, ep), 0);
    CHECK (connected != accepted && accepted != listening);
    /* Who loses a connection still knows both ends of it. */
    OK (zmq_close (pull));
    value = expect (server, ZMQ_EVENT_CLOSED, ep, "");
    IS (value, listening);
    IS (expect (server, ZMQ_EVENT_MONITOR_STOPPED, "", ""), 0);
    IS (expect (client, ZMQ_EVENT_DISCONNECTED, remote, ep), connected);
    OK (zmq_close (push));
    expect (client, ZMQ_EVENT_MONITOR_STOPPED, "", "");
    OK (zmq_close (client));
    OK (zmq_close (server));
    OK (zmq_ctx_term (ctx));
}

GROUP (life_tcp) { life ("tcp"); }
GROUP (life_ipc) { life ("ipc"); }

/* A failed bind names what it was asked for, and the descriptor belongs to nobody. */
GROUP (failed_bind)
{
    void *ctx = ctx_new (), *first = sock (ctx, ZMQ_PULL), *second = sock (ctx, ZMQ_PULL);
    void *mon = monitor2 (ctx, second, ZMQ_PAIR);
    char ep[EP_SIZE];
    bind_any (first, "tcp", ep);
    FAILS (zmq_bind (second, ep), EADDRINUSE);
    expect (mon, ZMQ_EVENT_CLOSED, "", "");
    IS (expect (mon, ZMQ_EVENT_BIND_FAILED, ep + strlen ("tcp://"), ""), EADDRINUSE);
    OK (zmq_close (first));
    OK (zmq_close (second));
    OK (zmq_close (mon));
    OK (zmq_ctx_term (ctx));
}

/* Events go to subscribers by their number, and to one of several workers. */
GROUP (types)
{
    uint64_t wanted = ZMQ_EVENT_LISTENING;
    void *ctx = ctx_new (), *a = sock (ctx, ZMQ_PULL), *b = sock (ctx, ZMQ_PULL);
    void *sub = monitor2 (ctx, a, ZMQ_PUB), *pull = monitor2 (ctx, b, ZMQ_PUSH);
    char ep[EP_SIZE];
    OK (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, &wanted, sizeof wanted));
    bind_any (a, "tcp", ep);
    expect (sub, ZMQ_EVENT_LISTENING, ep, "");
    OK (zmq_unbind (a, ep));
    bind_any (a, "tcp", ep);
    expect (sub, ZMQ_EVENT_LISTENING, ep, "");
    OK (zmq_close (a));
    IS (readable (sub, 20), 0);
    bind_any (b, "tcp", ep);
    expect (pull, ZMQ_EVENT_LISTENING, ep, "");
    OK (zmq_close (b));
    expect (pull, ZMQ_EVENT_CLOSED, ep, "");
    expect (pull, ZMQ_EVENT_MONITOR_STOPPED, "", "");
    OK (zmq_close (sub));
    OK (zmq_close (pull));
    OK (zmq_ctx_term (ctx));
}

/* ---- how many messages wait ------------------------------------------------------------------------------------- */

GROUP (stats_refused)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PULL);
    FAILS (zmq_socket_monitor_pipes_stats (NULL), ENOTSOCK);
    FAILS (zmq_socket_monitor_pipes_stats (s), EINVAL);
    OK (zmq_socket_monitor_versioned (s, "inproc://m", ZMQ_EVENT_ALL, 1, ZMQ_PAIR));
    FAILS (zmq_socket_monitor_pipes_stats (s), EINVAL);
    OK (zmq_close (s));
    s = sock (ctx, ZMQ_PULL);
    OK (zmq_socket_monitor_versioned (s, "inproc://n", ZMQ_EVENT_ALL, 2, ZMQ_PAIR));
    FAILS (zmq_socket_monitor_pipes_stats (s), EINVAL);
    OK (zmq_close (s));
    s = sock (ctx, ZMQ_PULL);
    OK (zmq_socket_monitor_versioned (s, "inproc://o", ZMQ_EVENT_ALL_V2, 2, ZMQ_PAIR));
    FAILS (zmq_socket_monitor_pipes_stats (s), EAGAIN);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

/* libzmq tells of this when both ends of the pipe have been looked at. */
static void stats_of (void *s, void *peer, void *mon, uint64_t *values, char *local, char *remote)
{
    OK (zmq_socket_monitor_pipes_stats (s));
    do {
        look (peer);
        look (s);
    } while (!readable (mon, 5));
    event2 (mon, ZMQ_EVENT_PIPES_STATS, 2, values, local, remote);
}

/* What has been written to a peer that is not there yet, and what has come from one that is. */
static void stats (const char *transport)
{
    int inproc = !strcmp (transport, "inproc");
    void *ctx = ctx_new (), *in = sock (ctx, ZMQ_DEALER), *out = sock (ctx, ZMQ_DEALER);
    void *out_mon = sock (ctx, ZMQ_PAIR), *in_mon = sock (ctx, ZMQ_PAIR);
    char ep[EP_SIZE], local[EP_SIZE], remote[EP_SIZE];
    uint64_t values[2];
    bind_any (in, transport, ep);
    OK (zmq_unbind (in, ep));
    OK (zmq_socket_monitor_versioned (out, "inproc://out", ZMQ_EVENT_PIPES_STATS, 2, ZMQ_PAIR));
    OK (zmq_socket_monitor_versioned (in, "inproc://in", ZMQ_EVENT_PIPES_STATS, 2, ZMQ_PAIR));
    OK (zmq_connect (out_mon, "inproc://out"));
    OK (zmq_connect (in_mon, "inproc://in"));
    OK (zmq_connect (out, ep));
    /* A message in parts is one. */
    for (int i = 0; i < 5; i++) {
        SEND (out, "part", ZMQ_SNDMORE);
        SEND (out, "last", 0);
    }
    stats_of (out, in, out_mon, values, local, remote);
    IS (values[0], 5);
    IS (values[1], 0);
    CHECK (!*local && !strcmp (remote, inproc ? "" : ep));
    OK (zmq_bind (in, ep));
    CHECK (readable (in, 5000));
    do
        stats_of (in, out, in_mon, values, local, remote);
    while (values[1] < 5);
    IS (values[1], 5);
    IS (values[0], 0);
    if (inproc)
        CHECK (!*local && !*remote);
    else
        CHECK (!strcmp (local, ep) && !strncmp (remote, transport, 3));
    for (int i = 0; i < 5; i++) {
        RECV (in, "part");
        RECV (in, "last");
    }
    OK (zmq_close (in));
    OK (zmq_close (out));
    OK (zmq_close (in_mon));
    OK (zmq_close (out_mon));
    OK (zmq_ctx_term (ctx));
}

GROUP (stats_tcp) { stats ("tcp"); }
GROUP (stats_ipc) { stats ("ipc"); }
GROUP (stats_inproc) { stats ("inproc"); }

/* What has been read does not count any more, to the part. */
GROUP (stats_shrink)
{
    static const char *const kinds[] = {"tcp", "ipc", "inproc"};
    for (int kind = 0; kind < 3; kind++) {
        void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PAIR), *out = sock (ctx, ZMQ_PAIR), *mon;
        char ep[EP_SIZE];
        uint64_t values[2];
        bind_any (in, kinds[kind], ep);
        OK (zmq_connect (out, ep));
        mon = monitor_some (ctx, in, ZMQ_PAIR, ZMQ_EVENT_PIPES_STATS);
        for (int i = 0; i < 3; i++) {
            SEND (out, "part", ZMQ_SNDMORE);
            SEND (out, "last", 0);
        }
        static const int left[] = {3, 2, 2, 1, 1, 0};
        for (int i = 0; i < 6; i++) {
            RECV (in, i % 2 ? "last" : "part");
            do
                stats_of (in, out, mon, values, NULL, NULL);
            while (values[1] < (uint64_t) left[i]);
            IS (values[1], left[i]);
        }
        OK (zmq_close (in));
        OK (zmq_close (out));
        OK (zmq_close (mon));
        OK (zmq_ctx_term (ctx));
    }
}

/* ---- peers of a ROUTER ------------------------------------------------------------------------------------------ */

static void peer_state (const char *transport)
{
    static char body[100000];
    void *ctx = ctx_new (), *router = sock (ctx, ZMQ_ROUTER), *dealer = sock (ctx, ZMQ_DEALER);
    char ep[EP_SIZE];
    int sent = 0;
    set_int (router, ZMQ_ROUTER_MANDATORY, 1);
    set_int (router, ZMQ_SNDHWM, 2);
    set_int (dealer, ZMQ_RCVHWM, 2);
    set_int (router, ZMQ_SNDBUF, 4096);
    set_int (dealer, ZMQ_RCVBUF, 4096);
    bind_any (router, transport, ep);
    OK (zmq_setsockopt (dealer, ZMQ_ROUTING_ID, "X", 1));
    FAILS (zmq_socket_get_peer_state (router, "X", 1), EHOSTUNREACH);
    OK (zmq_connect (dealer, ep));
    SEND (dealer, "here", 0);
    RECV (router, "X");
    RECV (router, "here");
    IS (zmq_socket_get_peer_state (router, "X", 1), ZMQ_POLLOUT);
    FAILS (zmq_socket_get_peer_state (router, "Y", 1), EHOSTUNREACH);
    FAILS (zmq_socket_get_peer_state (router, "XX", 2), EHOSTUNREACH);
    /* As long as it says so a message finds room, and there is an end to that: when the kernel has taken what it takes. */
    for (int full = 0; full < 5; full++) {
        for (; zmq_socket_get_peer_state (router, "X", 1) == ZMQ_POLLOUT; full = 0) {
            SEND (router, "X", ZMQ_SNDMORE | ZMQ_DONTWAIT);
            IS (zmq_send (router, body, sizeof body, ZMQ_DONTWAIT), sizeof body);
            CHECK (++sent < 1000);
        }
        sleep_ms (20 * slower ());
    }
    IS (zmq_socket_get_peer_state (router, "X", 1), 0);
    FAILS (zmq_send (router, "X", 1, ZMQ_SNDMORE | ZMQ_DONTWAIT), EAGAIN);
    for (; sent; sent--)
        IS (zmq_recv (dealer, body, sizeof body, 0), sizeof body);
    SEND (router, "X", ZMQ_SNDMORE);
    SEND (router, "more", 0);
    RECV (dealer, "more");
    set_int (dealer, ZMQ_LINGER, 0);
    OK (zmq_close (dealer));
    OK (zmq_close (router));
    OK (zmq_ctx_term (ctx));
}

GROUP (peer_state_tcp) { peer_state ("tcp"); }
GROUP (peer_state_ipc) { peer_state ("ipc"); }
GROUP (peer_state_inproc) { peer_state ("inproc"); }

GROUP (peer_state_refused)
{
    void *ctx = ctx_new ();
    FAILS (zmq_socket_get_peer_state (NULL, "X", 1), ENOTSOCK);
    for (int type = ZMQ_PAIR; type <= ZMQ_CHANNEL; type++) {
        void *s = sock (ctx, type);
        int named = type == ZMQ_ROUTER || type == ZMQ_REP;
        FAILS (zmq_socket_get_peer_state (s, "foo", 3), named ? EHOSTUNREACH : ENOTSUP);
        FAILS (zmq_socket_get_peer_state (s, NULL, 0), named ? EHOSTUNREACH : ENOTSUP);
        OK (zmq_close (s));
    }
    OK (zmq_ctx_term (ctx));
}

MAIN (ENTRY (what_is_accepted), ENTRY (unknown_version), ENTRY (life_tcp), ENTRY (life_ipc), ENTRY (failed_bind),
      ENTRY (types), ENTRY (stats_refused), ENTRY (stats_tcp), ENTRY (stats_ipc), ENTRY (stats_inproc),
      ENTRY (stats_shrink), ENTRY (peer_state_tcp), ENTRY (peer_state_ipc), ENTRY (peer_state_inproc),
      ENTRY (peer_state_refused))
