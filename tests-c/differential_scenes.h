/*
 * What scripts begin with: pairs of sockets that talk, or one of the scenes: plain peers that say every byte of the
 * protocol themselves, security, a proxy, a peer that comes late. Included once, by differential.c.
 */
#ifndef TESTS_C_DIFFERENTIAL_SCENES_H
#define TESTS_C_DIFFERENTIAL_SCENES_H

#include "differential_scripts.h"

/* ---- plain peers ------------------------------------------------------------------------------------------------ */

static const char *partner_of (int type)
{
    static const char *const partners[TYPES] = {"PAIR", "SUB",  "PUB",  "REP",  "REQ", "DEALER",
                                                "DEALER", "PUSH", "PULL", "SUB", "PUB", "-"};
    return partners[type];
}

/* A message as a peer of this type may send it, in frames. */
static void plain_message (maker_t *m, int peer, int type, int old)
{
    if (type == ZMQ_SUB) /* Its peer publishes: subscriptions come from there. */
        line (m, "plain_frame %d 0 %s", peer, PICK (m, topics));
    else if (type == ZMQ_PUB || type == ZMQ_XPUB)
        line (m, old || chance (m, 50) ? "plain_frame %d 0 \\x0%d%s" : "plain_frame %d 4 \\x09SUBSCRIBE%.0d%s", peer, below (m, 5) > 0,
              PICK (m, topics));
    else {
        if (type == ZMQ_REP || type == ZMQ_REQ)
            line (m, "plain_frame %d 1 -", peer);
        for (int i = below (m, 3); i > 1; i--)
            line (m, "plain_frame %d 1 %s", peer, some_data (m));
        line (m, "plain_frame %d %d %s", peer, chance (m, 10) ? 2 : 0, some_data (m));
    }
}

/* What is no message. Empty commands, flags that are reserved, subscriptions to who does not publish, and PINGs without
 * their first two bytes are left out: libzmq takes them for something (see the explained list). */
static void plain_oddity (maker_t *m, int peer, int whole, int publishes)
{
    static const char *const commands[] = {"\\x04PING\\x00\\x00abc", "\\x04PING\\x00\\x64", "\\x04PONGabc", "\\x04NONE",
                                           "\\x05ERROR\\x03abc", "\\x05READY"};
    static const int flags[] = {0, 1, 2, 3};
    switch (below (m, whole ? 2 : 6)) {
        case 0: line (m, "plain_shut %d", peer); break;
        case 1: line (m, "plain_close %d", peer); break;
        /* Of a subscription among parts libzmq makes a message with them. */
        case 2:
            line (m, "plain_frame %d %d %s", peer, PICK (m, flags) & (publishes ? 2 : 3), some_data (m));
            break;
        default: line (m, "plain_frame %d 4 %s", peer, PICK (m, commands));
    }
}

/* ZMTP 1.0 and 2.0, whose handshakes libzmq does not tell its monitors of. */
static void greet_of_old (maker_t *m, int peer, const char *type, int version)
{
    if (version == 2) {
        line (m, "plain_send %d \\xff\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x01\\x7f\\x01\\x%02x\\x00\\x00", peer,
              type_of (type));
        return;
    }
    line (m, "plain_send %d %s", peer, chance (m, 50) ? "\\x01\\x00" : "\\x04\\x00abc");
    line (m, "plain_send %d \\x03\\x00AB", peer);
}

static void greet (maker_t *m, int peer, const char *type)
{
    static const char *const mechanisms[] = {"PLAIN", "CURVE", "XXXX", "null"};
    /* libzmq's XSUB subscribes with messages although its peer speaks ZMTP 3.1. */
    int minor = m->types[0] == ZMQ_XSUB ? 0 : below (m, 3) / 2;
    line (m, "plain_greet %d %d %s %d", peer, minor, chance (m, 95) ? "NULL" : PICK (m, mechanisms), 0);
    if (chance (m, 20))
        line (m, "plain_recv %d", peer);
    if (chance (m, 3))
        type = type_names[below (m, TYPES)];
    if (chance (m, 20))
        line (m, "plain_ready %d %s %s", peer, type, some_bytes (m));
    else
        line (m, "plain_ready %d %s", peer, type);
}

static void plain_call (maker_t *m, int peer, int type, int old)
{
    int way = below (m, 10), frames = type == ZMQ_REQ || type == ZMQ_REP || old;
    if (type == ZMQ_STREAM && way < 7) {
        /* What comes together is one piece or several. */
        line (m, "plain_send %d %s", peer, some_data (m));
        line (m, "drain 0");
    }
    else if (old == 1 && way < 6)
        line (m, "plain_send %d \\x02\\x00%c", peer, 'A' + below (m, 3));
    else if (way < 5)
        plain_message (m, peer, type, old);
    else if (way < 6)
        plain_oddity (m, peer, frames, type == ZMQ_PUB || type == ZMQ_XPUB);
    else if (way < 7)
        line (m, "drain 0");
    else {
        if (way < 9)
            send_message (m, 0);
        line (m, "plain_recv %d", peer);
    }
}

/* Socket 0 and one or two plain peers. */
static void plain_scene (maker_t *m)
{
    int type = below (m, TYPES), connects = chance (m, 40), raw = type == ZMQ_ROUTER && chance (m, 15);
    int old = type == ZMQ_STREAM || raw || chance (m, 90) ? 0 : type == ZMQ_REQ || type == ZMQ_REP ? 2 : 1 + below (m, 2);
    int peers = 1 + (!connects && type != ZMQ_PAIR && chance (m, 30));
    make_socket (m, m->count++, type);
    m->third = 1;
    /* REQ_CORRELATE: what numbers requests have is chance. */
    for (int i = below (m, 3); i > 0 && type != ZMQ_REQ; i--)
        characteristic_option (m, 0);
    if (chance (m, 10))
        line (m, "set 0 MAXMSGSIZE l %d", 400 + below (m, 300));
    if (chance (m, 15))
        line (m, "set 0 ROUTING_ID s me");
    if (raw) {
        line (m, "set 0 ROUTER_RAW i 1");
        type = ZMQ_STREAM;
    }
    if (!old && chance (m, 50))
        line (m, "monitor 0 65535");
    subscribe (m, 0);
    if (connects) {
        line (m, "plain_bind 0");
        line (m, "connect 0 !0");
        line (m, "plain_accept 0");
    } else
        line (m, "bind 0 %s", chance (m, 70) ? "tcp://127.0.0.1:*" : "ipc://p0");
    for (int i = 0; i < peers; i++) {
        if (!connects)
            line (m, "plain_connect %d @0", i);
        if (old)
            greet_of_old (m, i, partner_of (type), old);
        else if (type != ZMQ_STREAM)
            greet (m, i, partner_of (type));
        line (m, "plain_recv %d", i);
    }
    m->connected = 1;
    for (int i = 4 + below (m, 14); i > 0; i--)
        if (chance (m, 70))
            plain_call (m, below (m, peers), type, old);
        else
            some_call (m);
}

/* ---- security --------------------------------------------------------------------------------------------------- */

/* Of zmq_curve(7), of which the second is nobody's. */
static const char *const public_keys[] = {"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7", "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"};
static const char *const secret_keys[] = {"JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6", "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"};

static void secure_scene (maker_t *m)
{
    static const char *const names[] = {"a", "ab", "a*31", "a*255"};
    static const char *const statuses[] = {"200", "200", "user", "user", "400", "300", "500", "999", "silent"};
    const int *types = pairs[below (m, sizeof pairs / sizeof *pairs - 1)];
    int reversed = chance (m, 50), server = chance (m, 50), client = !server, kind = below (m, 5);
    m->count = 2;
    make_socket (m, 0, types[reversed]);
    make_socket (m, 1, types[!reversed]);
    m->partner[0] = 1;
    m->partner[1] = 0;
    if (chance (m, 60))
        line (m, "zap 0 %s", PICK (m, statuses));
    if (kind < 2) {
        line (m, "set %d PLAIN_SERVER i 1", server);
        line (m, "set %d PLAIN_USERNAME s %s", client, PICK (m, names));
        line (m, "set %d PLAIN_PASSWORD s %s", client, PICK (m, names));
    } else if (kind < 4) {
        line (m, "set %d CURVE_SERVER i 1", server);
        line (m, "set %d CURVE_SECRETKEY s %s", server, secret_keys[0]);
        line (m, "set %d CURVE_PUBLICKEY s %s", client, public_keys[1]);
        line (m, "set %d CURVE_SECRETKEY s %s", client, secret_keys[1]);
        line (m, "set %d CURVE_SERVERKEY s %s", client, public_keys[0]);
    }
    if (kind == 4 || chance (m, 40))
        line (m, "set %d ZAP_DOMAIN s %s", server, chance (m, 80) ? "global" : "-");
    if (chance (m, 30))
        line (m, "set %d ROUTING_ID s c1", client);
    if (chance (m, 60))
        line (m, "monitor 0 65535");
    if (chance (m, 60))
        line (m, "monitor 1 65535");
    subscribe (m, 1), subscribe (m, 0);
    line (m, "bind 0 %s", chance (m, 50) ? "tcp://127.0.0.1:*" : "ipc://p0");
    line (m, "connect 1 @0");
    subscribe (m, 1), subscribe (m, 0);
    m->connected = 1;
    for (int i = 4 + below (m, 12); i > 0; i--)
        some_call (m);
}

/* ---- proxies ---------------------------------------------------------------------------------------------------- */

static void proxy_scene (maker_t *m)
{
    /* Front, back, client, server. */
    static const int chains[][4] = {
        {ZMQ_ROUTER, ZMQ_DEALER, ZMQ_REQ, ZMQ_REP},   {ZMQ_ROUTER, ZMQ_DEALER, ZMQ_DEALER, ZMQ_REP},
        {ZMQ_XSUB, ZMQ_XPUB, ZMQ_PUB, ZMQ_SUB},       {ZMQ_XPUB, ZMQ_XSUB, ZMQ_SUB, ZMQ_PUB},
        {ZMQ_PULL, ZMQ_PUSH, ZMQ_PUSH, ZMQ_PULL},     {ZMQ_DEALER, ZMQ_DEALER, ZMQ_DEALER, ZMQ_DEALER},
        {ZMQ_PAIR, ZMQ_PAIR, ZMQ_PAIR, ZMQ_PAIR},
    };
    static const char *const steers[] = {"PAUSE", "RESUME", "RESUME", "STATISTICS", "STATISTICS", "TERMINATE"};
    static const char *const transports[] = {"inproc://f", "ipc://f", "tcp://127.0.0.1:*"};
    const int *chain = PICK (m, chains);
    int captured = chance (m, 40);
    for (int i = 0; i < 4; i++)
        make_socket (m, m->count++, chain[i]);
    if (captured) {
        make_socket (m, m->count++, ZMQ_PUSH);
        make_socket (m, m->count++, ZMQ_PULL);
        line (m, "bind 4 inproc://captured");
        line (m, "connect 5 @4");
    }
    line (m, "bind 0 %s", PICK (m, transports));
    line (m, "bind 1 %s", chance (m, 50) ? "inproc://b" : "ipc://b");
    line (m, captured ? "proxy 0 1 4" : "proxy 0 1");
    m->partner[2] = 3;
    m->partner[3] = 2;
    m->inproc[2] = m->inproc[3] = 0;
    m->third = m->connected = 1;
    m->first = 2;
    subscribe (m, 2), subscribe (m, 3);
    line (m, "connect 2 @0");
    line (m, "connect 3 @1");
    for (int i = 3 + below (m, 10); i > 0; i--)
        /* libzmq has its proxies' orders captured, too. */
        if (!captured && chance (m, 25))
            line (m, "steer %s", PICK (m, steers));
        else if (captured && chance (m, 20))
            line (m, "drain 5");
        else if (chance (m, 70))
            exchange (m, 2 + below (m, 2));
        else
            some_call (m);
}

/* ---- who comes late --------------------------------------------------------------------------------------------- */

/* One side is connected to a name of nobody: its queue fills up, or is refused; then somebody comes. */
static void late_scene (maker_t *m)
{
    const int *types = pairs[below (m, sizeof pairs / sizeof *pairs - 1)];
    int reversed = chance (m, 50), comes = chance (m, 70);
    m->count = 2;
    make_socket (m, 0, types[reversed]);
    make_socket (m, 1, types[!reversed]);
    m->partner[0] = 1;
    m->partner[1] = 0;
    line (m, "set 0 SNDHWM i %d", 1 + below (m, 5));
    line (m, "set 0 RCVHWM i %d", 1 + below (m, 5));
    if (chance (m, 20))
        line (m, "set 0 IMMEDIATE i 1");
    if (comes)
        line (m, "set 0 RECONNECT_IVL i 1");
    subscribe (m, 0);
    line (m, "connect 0 %s", comes || chance (m, 50) ? "ipc://late" : "tcp://127.0.0.1:1");
    m->third = m->connected = 1;
    for (int i = below (m, 3); i > 0; i--)
        send_message (m, 0);
    if (chance (m, 60))
        line (m, "flood 0 8");
    if (!comes)
        return;
    line (m, "late_bind 1 ipc://late");
    subscribe (m, 1);
    line (m, "drain 1");
    for (int i = below (m, 6); i > 0; i--)
        exchange (m, below (m, 2));
    /* Once more. */
    if (chance (m, 50)) {
        line (m, "close 1");
        send_message (m, 0);
        make_socket (m, 1, types[!reversed]);
        m->partner[0] = 1;
        m->partner[1] = 0;
        line (m, "late_bind 1 ipc://late");
        subscribe (m, 1);
        line (m, "drain 1");
        exchange (m, 1);
        exchange (m, 0);
    }
}

/* ---- scripts ---------------------------------------------------------------------------------------------------- */

static void pairs_scene (maker_t *m)
{
    for (int i = 1 + below (m, 10) / 7; i > 0; i--)
        make_pair (m);
    if (chance (m, 40) && m->types[0] != ZMQ_STREAM) {
        /* A third, beside a pair. */
        m->third = 1;
        make_socket (m, m->count++, m->types[1]);
        if (chance (m, 80)) {
            m->partner[m->count - 1] = 0;
            m->inproc[m->count - 1] = m->inproc[0];
            line (m, "connect %d @0", m->count - 1);
            subscribe (m, m->count - 1);
        }
    }
    for (int i = 6 + below (m, 24); i > 0; i--)
        some_call (m);
}

/* Into SCRIPT bytes. */
static void make_script (uint64_t seed, char *text)
{
    maker_t m = {.state = seed * 0x2545f4914f6cdd1dull + 1, .text = text, .letter = 'A'};
    text[0] = 0;
    line (&m, "ctx_new 0");
    if (chance (&m, 10))
        line (&m, "ctx_set 0 %s %d", context_options[below (&m, 9)].name, PICK (&m, ((int[]){0, 1, 2, -1})));
    if (chance (&m, 15))
        line (&m, "ctx_new 1");
    int scene = below (&m, 100);
    if (scene < 70)
        pairs_scene (&m);
    else if (scene < 83)
        plain_scene (&m);
    else if (scene < 93)
        secure_scene (&m);
    else if (scene < 98)
        proxy_scene (&m);
    else
        late_scene (&m);
}

#endif
