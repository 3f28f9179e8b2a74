/* Options: defaults, ranges, sizes, what can be read and written. zmq_setsockopt(3), zmq_getsockopt(3), zmq_ctx_set(3). */
#include "common.h"

typedef struct
{
    int option;
    const char *name;
    long def;
    /* Values accepted (up to 4) and refused with EINVAL (up to 3); NONE ends a list. */
    long good[4];
    long bad[3];
} int_option_t;

#define NONE 0x7eadbeefL
#define ROW(o, def, g1, g2, g3, g4, b1, b2, b3)                                                                        \
    {                                                                                                                  \
        o, #o, def, {g1, g2, g3, g4}, {b1, b2, b3}                                                                     \
    }

static const int_option_t int_options[] = {
    ROW (ZMQ_SNDHWM, 1000, 0, 1, 50000, NONE, -1, NONE, NONE),
    ROW (ZMQ_RCVHWM, 1000, 0, 1, 50000, NONE, -1, NONE, NONE),
    ROW (ZMQ_RATE, 100, 1, 40000, NONE, NONE, 0, -1, NONE),
    ROW (ZMQ_RECOVERY_IVL, 10000, 0, 1, 20000, NONE, -1, NONE, NONE),
    ROW (ZMQ_SNDBUF, -1, -1, 0, 65536, NONE, -2, NONE, NONE),
    ROW (ZMQ_RCVBUF, -1, -1, 0, 65536, NONE, -2, NONE, NONE),
    ROW (ZMQ_LINGER, -1, -1, 0, 1000, NONE, -2, NONE, NONE),
    ROW (ZMQ_RECONNECT_IVL, 100, -1, 0, 5000, NONE, -2, NONE, NONE),
    ROW (ZMQ_RECONNECT_IVL_MAX, 0, 0, 5000, NONE, NONE, -1, NONE, NONE),
    ROW (ZMQ_BACKLOG, 100, 0, 1, 128, NONE, -1, NONE, NONE),
    ROW (ZMQ_MULTICAST_HOPS, 1, 1, 8, NONE, NONE, 0, -1, NONE),
    ROW (ZMQ_MULTICAST_MAXTPDU, 1500, 1, 9000, NONE, NONE, 0, -1, NONE),
    ROW (ZMQ_RCVTIMEO, -1, -1, 0, 250, NONE, -2, NONE, NONE),
    ROW (ZMQ_SNDTIMEO, -1, -1, 0, 250, NONE, -2, NONE, NONE),
    ROW (ZMQ_IPV6, 0, 0, 1, NONE, NONE, 2, -1, NONE),
    ROW (ZMQ_IMMEDIATE, 0, 0, 1, NONE, NONE, 2, -1, NONE),
    ROW (ZMQ_TCP_KEEPALIVE, -1, -1, 0, 1, NONE, 2, -2, NONE),
    ROW (ZMQ_TCP_KEEPALIVE_CNT, -1, -1, 1, 5, NONE, -2, NONE, NONE),
    ROW (ZMQ_TCP_KEEPALIVE_IDLE, -1, -1, 1, 5, NONE, -2, NONE, NONE),
    ROW (ZMQ_TCP_KEEPALIVE_INTVL, -1, -1, 1, 5, NONE, -2, NONE, NONE),
    ROW (ZMQ_TCP_MAXRT, 0, 0, 1000, NONE, NONE, -1, NONE, NONE),
    ROW (ZMQ_TOS, 0, 0, 0x28, NONE, NONE, -1, NONE, NONE),
    ROW (ZMQ_HANDSHAKE_IVL, 30000, 0, 1, 5000, NONE, -1, NONE, NONE),
    ROW (ZMQ_CONNECT_TIMEOUT, 0, 0, 1, 5000, NONE, -1, NONE, NONE),
    ROW (ZMQ_HEARTBEAT_IVL, 0, 0, 1, 5000, NONE, -1, NONE, NONE),
    ROW (ZMQ_HEARTBEAT_TTL, 0, 0, 100, 5000, 6553500, 6553600, NONE, NONE),
    ROW (ZMQ_HEARTBEAT_TIMEOUT, -1, 0, 1, 5000, NONE, -1, NONE, NONE),
    ROW (ZMQ_INVERT_MATCHING, 0, 0, 1, NONE, NONE, NONE, NONE, NONE),
    ROW (ZMQ_USE_FD, -1, -1, NONE, NONE, NONE, -2, NONE, NONE),
    ROW (ZMQ_PLAIN_SERVER, 0, 0, 1, NONE, NONE, 2, -1, NONE),
    ROW (ZMQ_CURVE_SERVER, 0, 0, 1, NONE, NONE, 2, -1, NONE),
    ROW (ZMQ_VMCI_CONNECT_TIMEOUT, NONE, NONE, NONE, NONE, NONE, 0, NONE, NONE),
    ROW (ZMQ_ROUTER_MANDATORY, NONE, NONE, NONE, NONE, NONE, 0, 1, NONE),
    ROW (ZMQ_XPUB_VERBOSE, NONE, NONE, NONE, NONE, NONE, 0, 1, NONE),
    ROW (ZMQ_REQ_RELAXED, NONE, NONE, NONE, NONE, NONE, 0, 1, NONE),
};

GROUP (int_defaults_and_ranges)
{
    void *ctx = ctx_new (), *s = zmq_socket (ctx, ZMQ_DEALER);
    int wrong = 0;
    for (size_t i = 0; i < sizeof int_options / sizeof *int_options; i++) {
        const int_option_t *o = &int_options[i];
        int value = -77;
        size_t size = sizeof value;
        int rc = zmq_getsockopt (s, o->option, &value, &size);
        if (o->def == NONE ? rc != -1 : (rc != 0 || value != o->def || size != sizeof value))
            wrong += !!fprintf (stderr, "    %s: get = %d, value %d, default expected %ld\n", o->name, rc, value, o->def);
        for (int k = 0; k < 4 && o->good[k] != NONE; k++) {
            value = (int) o->good[k];
            if (zmq_setsockopt (s, o->option, &value, sizeof value) != 0) {
                wrong += !!fprintf (stderr, "    %s: %d refused\n", o->name, value);
                continue;
            }
            value = -77;
            size = sizeof value;
            rc = zmq_getsockopt (s, o->option, &value, &size);
            if (rc != 0 || value != o->good[k])
                wrong += !!fprintf (stderr, "    %s: set %ld, read %d\n", o->name, o->good[k], value);
        }
        for (int k = 0; k < 3 && o->bad[k] != NONE; k++) {
            value = (int) o->bad[k];
            errno = 0;
            rc = zmq_setsockopt (s, o->option, &value, sizeof value);
            if (rc != -1 || errno != EINVAL)
                wrong += !!fprintf (stderr, "    %s: %d gives %d, errno %d\n", o->name, value, rc, errno);
        }
    }
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
    IS (wrong, 0);
}

GROUP (int_sizes)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_DEALER);
    int64_t wide = 1;
    int value;
    size_t size;
    FAILS (zmq_setsockopt (s, ZMQ_SNDHWM, &wide, 8), EINVAL);
    FAILS (zmq_setsockopt (s, ZMQ_SNDHWM, &wide, 2), EINVAL);
    FAILS (zmq_setsockopt (s, ZMQ_SNDHWM, &wide, 0), EINVAL);
    FAILS (zmq_setsockopt (s, ZMQ_LINGER, NULL, 0), EINVAL);
    FAILS (zmq_setsockopt (s, ZMQ_MAXMSGSIZE, &wide, 4), EINVAL);
    OK (zmq_setsockopt (s, ZMQ_MAXMSGSIZE, &wide, 8));
    FAILS (zmq_setsockopt (s, ZMQ_AFFINITY, &wide, 4), EINVAL);
    OK (zmq_setsockopt (s, ZMQ_AFFINITY, &wide, 8));
    size = 2;
    FAILS (zmq_getsockopt (s, ZMQ_SNDHWM, &value, &size), EINVAL);
    size = 0;
    FAILS (zmq_getsockopt (s, ZMQ_SNDHWM, &value, &size), EINVAL);
    size = 4;
    FAILS (zmq_getsockopt (s, ZMQ_MAXMSGSIZE, &value, &size), EINVAL);
    /* Numbers want their exact size; only what describes the socket's state takes more room and says what it used. */
    char big[64];
    static const int exact[] = {ZMQ_SNDHWM, ZMQ_MAXMSGSIZE, ZMQ_AFFINITY, ZMQ_TYPE, ZMQ_LINGER, ZMQ_IPV6};
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++) {
        size = sizeof big;
        FAILS (zmq_getsockopt (s, exact[i], big, &size), EINVAL);
    }
    static const int roomy[] = {ZMQ_RCVMORE, ZMQ_FD, ZMQ_EVENTS, ZMQ_THREAD_SAFE};
    for (size_t i = 0; i < sizeof roomy / sizeof *roomy; i++) {
        size = sizeof big;
        OK (zmq_getsockopt (s, roomy[i], big, &size));
        IS (size, 4);
    }
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

GROUP (unknown_numbers)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_DEALER);
    static const int unknown[] = {-1, 0, 1, 2, 3, 7, 9999, 0x7fffffff};
    int value = 0;
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        size_t size = sizeof value;
        FAILS (zmq_setsockopt (s, unknown[i], &value, sizeof value), EINVAL);
        FAILS (zmq_getsockopt (s, unknown[i], &value, &size), EINVAL);
    }
    /* Read-only ones. */
    static const int read_only[] = {ZMQ_TYPE, ZMQ_RCVMORE, ZMQ_FD, ZMQ_EVENTS, ZMQ_LAST_ENDPOINT, ZMQ_MECHANISM, ZMQ_THREAD_SAFE};
    for (size_t i = 0; i < sizeof read_only / sizeof *read_only; i++)
        FAILS (zmq_setsockopt (s, read_only[i], &value, sizeof value), EINVAL);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

GROUP (wide_defaults)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_DEALER);
    int64_t max = 0;
    uint64_t affinity = 7;
    size_t size = sizeof max;
    OK (zmq_getsockopt (s, ZMQ_MAXMSGSIZE, &max, &size));
    CHECK (max == -1);
    size = sizeof affinity;
    OK (zmq_getsockopt (s, ZMQ_AFFINITY, &affinity, &size));
    CHECK (affinity == 0);
    IS (get_int (s, ZMQ_TYPE), ZMQ_DEALER);
    IS (get_int (s, ZMQ_RCVMORE), 0);
    IS (get_int (s, ZMQ_MECHANISM), ZMQ_NULL);
    IS (get_int (s, ZMQ_THREAD_SAFE), 0);
    IS (get_int (s, ZMQ_EVENTS), 0);
    IS (get_int (s, ZMQ_IPV4ONLY), 1);
    CHECK (get_int (s, ZMQ_FD) >= 0);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

GROUP (routing_id)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_DEALER);
    char id[300], back[300];
    size_t size = sizeof back;
    memset (id, 'x', sizeof id);
    OK (zmq_getsockopt (s, ZMQ_ROUTING_ID, back, &size));
    IS (size, 0);
    FAILS (zmq_setsockopt (s, ZMQ_ROUTING_ID, id, 0), EINVAL);
    FAILS (zmq_setsockopt (s, ZMQ_ROUTING_ID, id, 256), EINVAL);
    OK (zmq_setsockopt (s, ZMQ_ROUTING_ID, id, 255));
    size = sizeof back;
    OK (zmq_getsockopt (s, ZMQ_ROUTING_ID, back, &size));
    IS (size, 255);
    OK (zmq_setsockopt (s, ZMQ_IDENTITY, "abc", 3));
    size = sizeof back;
    OK (zmq_getsockopt (s, ZMQ_IDENTITY, back, &size));
    IS (size, 3);
    CHECK (!memcmp (back, "abc", 3));
    size = 2;
    FAILS (zmq_getsockopt (s, ZMQ_ROUTING_ID, back, &size), EINVAL);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

GROUP (strings)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_DEALER);
    static const int options[] = {ZMQ_PLAIN_USERNAME, ZMQ_PLAIN_PASSWORD, ZMQ_ZAP_DOMAIN, ZMQ_SOCKS_PROXY};
    char back[300], longest[256];
    memset (longest, 'y', sizeof longest);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        size_t size = sizeof back;
        OK (zmq_getsockopt (s, options[i], back, &size));
        IS (size, 1);
        IS (back[0], 0);
        OK (zmq_setsockopt (s, options[i], "text", 4));
        size = sizeof back;
        OK (zmq_getsockopt (s, options[i], back, &size));
        IS (size, 5);
        CHECK (!strcmp (back, "text"));
        size = 4;
        FAILS (zmq_getsockopt (s, options[i], back, &size), EINVAL);
    }
    FAILS (zmq_setsockopt (s, ZMQ_PLAIN_USERNAME, longest, 256), EINVAL);
    OK (zmq_setsockopt (s, ZMQ_PLAIN_USERNAME, longest, 255));
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

GROUP (plain_sets_the_mechanism)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_DEALER);
    OK (zmq_setsockopt (s, ZMQ_PLAIN_USERNAME, "u", 1));
    IS (get_int (s, ZMQ_MECHANISM), ZMQ_PLAIN);
    OK (zmq_setsockopt (s, ZMQ_PLAIN_USERNAME, NULL, 0));
    IS (get_int (s, ZMQ_MECHANISM), ZMQ_NULL);
    set_int (s, ZMQ_PLAIN_SERVER, 1);
    IS (get_int (s, ZMQ_MECHANISM), ZMQ_PLAIN);
    set_int (s, ZMQ_PLAIN_SERVER, 0);
    IS (get_int (s, ZMQ_MECHANISM), ZMQ_NULL);
    set_int (s, ZMQ_CURVE_SERVER, 1);
    IS (get_int (s, ZMQ_MECHANISM), ZMQ_CURVE);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

GROUP (curve_keys)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_DEALER);
    const char *z85 = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";
    uint8_t raw[32], back[64];
    size_t size;
    static const int keys[] = {ZMQ_CURVE_PUBLICKEY, ZMQ_CURVE_SECRETKEY, ZMQ_CURVE_SERVERKEY};
    CHECK (zmq_z85_decode (raw, z85) == raw);
    for (int i = 0; i < 3; i++) {
        static const size_t bad[] = {0, 1, 31, 33, 39, 42, 64};
        for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
            FAILS (zmq_setsockopt (s, keys[i], "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7rq:rM>}U?@Lns47E1%kR.o@n", bad[k]), EINVAL);
        OK (zmq_setsockopt (s, keys[i], z85, 40));
        OK (zmq_setsockopt (s, keys[i], z85, 41));
        OK (zmq_setsockopt (s, keys[i], raw, 32));
        size = 32;
        OK (zmq_getsockopt (s, keys[i], back, &size));
        CHECK (!memcmp (back, raw, 32));
        size = 41;
        OK (zmq_getsockopt (s, keys[i], back, &size));
        CHECK (!strcmp ((char *) back, z85));
        size = 40;
        FAILS (zmq_getsockopt (s, keys[i], back, &size), EINVAL);
        size = 64;
        FAILS (zmq_getsockopt (s, keys[i], back, &size), EINVAL);
        FAILS (zmq_setsockopt (s, keys[i], "~~~~>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7!", 40), EINVAL);
    }
    IS (get_int (s, ZMQ_MECHANISM), ZMQ_CURVE);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

/* Options that only some types have. */
GROUP (per_type)
{
    void *ctx = ctx_new ();
    static const struct { int option, type, other; } options[] = {
        {ZMQ_ROUTER_MANDATORY, ZMQ_ROUTER, ZMQ_DEALER}, {ZMQ_ROUTER_RAW, ZMQ_ROUTER, ZMQ_DEALER},
        {ZMQ_ROUTER_HANDOVER, ZMQ_ROUTER, ZMQ_PUB},     {ZMQ_PROBE_ROUTER, ZMQ_DEALER, ZMQ_SUB},
        {ZMQ_PROBE_ROUTER, ZMQ_REQ, ZMQ_PUSH},          {ZMQ_PROBE_ROUTER, ZMQ_ROUTER, ZMQ_PAIR},
        {ZMQ_REQ_CORRELATE, ZMQ_REQ, ZMQ_REP},          {ZMQ_REQ_RELAXED, ZMQ_REQ, ZMQ_DEALER},
        {ZMQ_XPUB_VERBOSE, ZMQ_XPUB, ZMQ_XSUB},         {ZMQ_XPUB_VERBOSER, ZMQ_XPUB, ZMQ_SUB},
        {ZMQ_XPUB_NODROP, ZMQ_XPUB, ZMQ_DEALER},        {ZMQ_XPUB_MANUAL, ZMQ_XPUB, ZMQ_SUB},
        {ZMQ_STREAM_NOTIFY, ZMQ_STREAM, ZMQ_ROUTER},
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        void *s = sock (ctx, options[i].type), *other = sock (ctx, options[i].other);
        int one = 1, value = 0, minus = -1;
        size_t size = sizeof value;
        OK (zmq_setsockopt (s, options[i].option, &one, sizeof one));
        FAILS (zmq_setsockopt (s, options[i].option, &minus, sizeof minus), EINVAL);
        FAILS (zmq_setsockopt (s, options[i].option, &one, 1), EINVAL);
        FAILS (zmq_setsockopt (other, options[i].option, &one, sizeof one), EINVAL);
        FAILS (zmq_getsockopt (s, options[i].option, &value, &size), EINVAL);
        OK (zmq_close (s));
        OK (zmq_close (other));
    }
    void *pub = sock (ctx, ZMQ_PUB), *sub = sock (ctx, ZMQ_SUB);
    FAILS (zmq_setsockopt (pub, ZMQ_SUBSCRIBE, "a", 1), EINVAL);
    OK (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "a", 1));
    OK (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, NULL, 0));
    OK (zmq_setsockopt (sub, ZMQ_UNSUBSCRIBE, "never", 5));
    OK (zmq_setsockopt (sub, ZMQ_UNSUBSCRIBE, "a", 1));
    OK (zmq_close (pub));
    OK (zmq_close (sub));
    OK (zmq_ctx_term (ctx));
}

GROUP (context_defaults)
{
    void *ctx = ctx_new ();
    IS (zmq_ctx_get (ctx, ZMQ_IO_THREADS), 1);
    IS (zmq_ctx_get (ctx, ZMQ_MAX_SOCKETS), 1023);
    IS (zmq_ctx_get (ctx, ZMQ_SOCKET_LIMIT), 65535);
    IS (zmq_ctx_get (ctx, ZMQ_IPV6), 0);
    IS (zmq_ctx_get (ctx, ZMQ_BLOCKY), 1);
    IS (zmq_ctx_get (ctx, ZMQ_MAX_MSGSZ), 0x7fffffff);
    IS (zmq_ctx_get (ctx, ZMQ_MSG_T_SIZE), 64);
    IS (sizeof (zmq_msg_t), 64);
    OK (zmq_ctx_set (ctx, ZMQ_IO_THREADS, 3));
    IS (zmq_ctx_get (ctx, ZMQ_IO_THREADS), 3);
    OK (zmq_ctx_set (ctx, ZMQ_MAX_SOCKETS, 12));
    IS (zmq_ctx_get (ctx, ZMQ_MAX_SOCKETS), 12);
    OK (zmq_ctx_set (ctx, ZMQ_MAX_MSGSZ, 1000));
    IS (zmq_ctx_get (ctx, ZMQ_MAX_MSGSZ), 1000);
    OK (zmq_ctx_term (ctx));
}

GROUP (context_options_reach_sockets)
{
    void *ctx = ctx_new (), *before = zmq_socket (ctx, ZMQ_PUSH), *after;
    OK (zmq_ctx_set (ctx, ZMQ_IPV6, 1));
    OK (zmq_ctx_set (ctx, ZMQ_BLOCKY, 0));
    after = zmq_socket (ctx, ZMQ_PUSH);
    IS (get_int (before, ZMQ_IPV6), 0);
    IS (get_int (before, ZMQ_LINGER), -1);
    IS (get_int (after, ZMQ_IPV6), 1);
    IS (get_int (after, ZMQ_LINGER), 0);
    OK (zmq_close (before));
    OK (zmq_close (after));
    OK (zmq_ctx_term (ctx));
}

/* A message over ZMQ_MAXMSGSIZE costs its sender the connection, not the receiver anything. */
GROUP (max_message_size)
{
    void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
    int64_t max = 100;
    char ep[EP_SIZE], body[101];
    memset (body, 'm', sizeof body);
    OK (zmq_setsockopt (in, ZMQ_MAXMSGSIZE, &max, sizeof max));
    bind_any (in, "tcp", ep);
    OK (zmq_connect (out, ep));
    IS (zmq_send (out, body, 100, 0), 100);
    IS (zmq_recv (in, body, sizeof body, 0), 100);
    IS (zmq_send (out, body, 101, 0), 101);
    RECV_NONE (in, 100);
    /* The connection is made anew and works. */
    OK (zmq_close (out));
    out = sock (ctx, ZMQ_PUSH);
    OK (zmq_connect (out, ep));
    SEND (out, "fine", 0);
    RECV (in, "fine");
    OK (zmq_close (in));
    OK (zmq_close (out));
    OK (zmq_ctx_term (ctx));
}

MAIN (ENTRY (int_defaults_and_ranges), ENTRY (int_sizes), ENTRY (unknown_numbers), ENTRY (wide_defaults),
      ENTRY (routing_id), ENTRY (strings), ENTRY (plain_sets_the_mechanism), ENTRY (curve_keys), ENTRY (per_type),
      ENTRY (context_defaults), ENTRY (context_options_reach_sockets), ENTRY (max_message_size))
