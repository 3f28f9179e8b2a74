/*
 * Scripts of calls, made from a seed: the same seed gives the same script everywhere. They know roughly what the
 * sockets are, so that most calls mean something, and leave out what depends on the moment: waits for ever, timers that
 * act by themselves, floods into the kernel, new attempts to connect.
 */
#ifndef TESTS_C_DIFFERENTIAL_SCRIPTS_H
#define TESTS_C_DIFFERENTIAL_SCRIPTS_H

#include "differential_names.h"

enum { SCRIPT = 1 << 14 };

typedef struct
{
    uint64_t state;
    char *text;
    size_t size;
    int types[SOCKETS];
    /* Pairs that talk: socket i and its partner, or -1; whether they do so within the process. */
    int partner[SOCKETS], inproc[SOCKETS], connected, third;
    /* Random calls are of the sockets from `first` on; those before belong to a proxy. */
    int count, first;
    char letter;
} maker_t;

/* splitmix64. */
static uint64_t next (maker_t *m)
{
    uint64_t z = m->state += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static int below (maker_t *m, int n)
{
    return (next (m) >> 33) % n;
}

static int chance (maker_t *m, int percent)
{
    return below (m, 100) < percent;
}

#define PICK(m, list) ((list)[below (m, sizeof (list) / sizeof *(list))])

static void __attribute__ ((format (printf, 2, 3))) line (maker_t *m, const char *format, ...)
{
    va_list args;
    if (m->size > SCRIPT - LINE)
        return;
    va_start (args, format);
    m->size += vsnprintf (m->text + m->size, 300, format, args);
    va_end (args);
    m->text[m->size++] = '\n';
    m->text[m->size] = 0;
}

/* ---- words ------------------------------------------------------------------------------------------------------ */

static const char *const topics[] = {"A", "B", "AB", "-", "ABC", "C", "A*300"};

static const char *some_data (maker_t *m)
{
    static char text[32];
    static const int sizes[] = {0, 1, 1, 2, 3, 5, 5, 29, 30, 33, 34, 255, 256, 300, 8192, 70000};
    m->letter = m->letter == 'Z' ? 'A' : m->letter + 1;
    if (chance (m, 15))
        return PICK (m, topics);
    if (chance (m, 6)) {
        snprintf (text, sizeof text, "\\x0%d%c", below (m, 3), 'A' + below (m, 3));
        return text;
    }
    snprintf (text, sizeof text, "%c*%d", m->letter, PICK (m, sizes));
    return text;
}

static const char *some_bytes (maker_t *m)
{
    static const char *const bytes[] = {"-",    "a",    "b",     "ab",    "\\x00ab", "a*31", "a*32",
                                        "a*40", "a*41", "a*255", "a*256", "global",  "r0",
                                        "rq:rP>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"};
    return PICK (m, bytes);
}

/* Longer than the path of a socket may be. */
#define TWENTY "aaaaaaaaaaaaaaaaaaaa"
#define LONG "ipc://" TWENTY TWENTY TWENTY TWENTY TWENTY TWENTY

static const char *some_endpoint (maker_t *m)
{
    static char text[16];
    static const char *const endpoints[] = {
        "tcp://127.0.0.1:*", "tcp://127.0.0.1:0", "tcp://*:*", "tcp://127.0.0.1:1", "tcp://127.0.0.1",
        "tcp://127.0.0.1:", "tcp://127.0.0.1:65536", "tcp://127.0.0.1:-1", "tcp://:*", "tcp://",
        "tcp://[::1]:*", "tcp://127.0.0.1:x", "tcp://nowhere0:*", "tcp://lo:*", "tcp:/127.0.0.1:1", "tcp", "",
        "://", "a", "inproc://", "inproc://a", "inproc://b", "inproc://c", "ipc://", "ipc://a", "ipc://b",
        "ipc://*", "ipc://@x", "ipc://@", "ipc://nowhere/a", LONG, "udp://127.0.0.1:1", "http://127.0.0.1:1",
        "TCP://127.0.0.1:*", "inproc://monitor-0", "tcp://127.0.0.1:*;x", "tcp://127.0.0.1:0;127.0.0.1:1",
        "tcp://256.0.0.1:1", "tcp://127.0.0.1:1/path", "vmci://1:1", "tcp://*:0", "tcp://127.0.0.1:00001",
    };
    if (chance (m, 40)) {
        snprintf (text, sizeof text, chance (m, 80) ? "@%d" : "inproc://p%d", below (m, m->count + 1));
        return text;
    }
    const char *endpoint = PICK (m, endpoints);
    return endpoint[0] ? endpoint : "?";
}

/* Parts behind another that look like a subscription are one for libzmq. */
static const char *some_flags (maker_t *m, int s)
{
    static const char *const flags[] = {"0", "0", "0", "0", "0", "0", "0", "MORE", "MORE", "DONTWAIT", "DONTWAIT", "BOTH"};
    return m->types[s] == ZMQ_XSUB ? "DONTWAIT" : PICK (m, flags);
}

/* ---- options ---------------------------------------------------------------------------------------------------- */

static int some_number (maker_t *m, int kind)
{
    static const int any[] = {INT_MIN, -2, -1, 0, 1, 2, 3, 7, 100, 255, 256, 65535, 65536, INT_MAX - 1, INT_MAX};
    static const int timer[] = {INT_MIN, -2, -1, 0, 60000, 100000, 6553500, 6553600, INT_MAX};
    static const int mark[] = {-1, 0, 1, 2, 3, 5, 10, 1000, INT_MAX, INT_MIN};
    static const int flag[] = {0, 1, 1, 1, 1, 2, -1, 3};
    static const int wait[] = {0, 1, -2, 0};
    static const int size[] = {INT_MIN, -2, -1, 262144};
    switch (kind) {
        case FLAG: return PICK (m, flag);
        case TIMER: return PICK (m, timer);
        case MARK: return PICK (m, mark);
        case WAIT: return PICK (m, wait);
        case BUFFER: return PICK (m, size);
    }
    return PICK (m, any);
}

static void set_option (maker_t *m, int s)
{
    const option_t *o = &options[below (m, OPTIONS)];
    /* When a new high-water mark is met by what is on its way is chance. */
    if (o->kind == MARK && m->connected)
        return;
    /* Who finds first that two mechanisms do not fit is chance. */
    if ((strstr (o->name, "PLAIN") || strstr (o->name, "CURVE")) && !m->connected)
        return;
    if (o->kind == TOPIC || o->kind == BYTES) {
        if (chance (m, 90))
            line (m, "set %d %s s %s", s, o->name, o->kind == TOPIC ? PICK (m, topics) : some_bytes (m));
        else
            line (m, "set %d %s n 0", s, o->name);
        return;
    }
    int way = o->kind == READ ? 99 : o->kind == MARK ? 80 + below (m, 20) : below (m, 100);
    if (way < 80)
        line (m, "set %d %s i %d", s, o->name, some_number (m, o->kind));
    else if (way < 88)
        line (m, "set %d %s l %d", s, o->name, some_number (m, o->kind));
    else
        line (m, "set %d %s s a*%d", s, o->name, 1 + 2 * below (m, 6));
}

static void get_option (maker_t *m, int s)
{
    static const int sizes[] = {0, 1, 3, 4, 4, 4, 4, 5, 7, 8, 8, 32, 40, 41, 42, 255, 256, 300};
    line (m, "get %d %s %d", s, options[below (m, OPTIONS)].name, PICK (m, sizes));
}

static int facing (const maker_t *m, int s, int type)
{
    return m->partner[s] >= 0 && m->types[m->partner[s]] == type;
}

/* An option that the socket's pattern is about, before it has any peer. */
static void characteristic_option (maker_t *m, int s)
{
    static const char *const of_type[TYPES][7] = {
        {"CONFLATE", "IMMEDIATE"},
        {"SNDHWM", "INVERT_MATCHING", "CONFLATE", "XPUB_NODROP", "XPUB_VERBOSE"},
        {"RCVHWM", "INVERT_MATCHING", "CONFLATE"},
        {"REQ_RELAXED", "REQ_CORRELATE", "PROBE_ROUTER"},
        {"ROUTER_MANDATORY", "ROUTER_HANDOVER", "IMMEDIATE"},
        {"PROBE_ROUTER", "CONFLATE", "IMMEDIATE", "SNDHWM"},
        {"ROUTER_MANDATORY", "ROUTER_HANDOVER", "PROBE_ROUTER", "SNDHWM"},
        {"CONFLATE", "RCVHWM"},
        {"CONFLATE", "SNDHWM", "IMMEDIATE"},
        {"XPUB_VERBOSE", "XPUB_VERBOSER", "XPUB_MANUAL", "XPUB_NODROP", "INVERT_MATCHING", "SNDHWM"},
        {"RCVHWM", "XPUB_VERBOSE", "CONFLATE"},
        {"STREAM_NOTIFY", "IMMEDIATE"},
    };
    if (m->types[s] < 0 || m->types[s] >= TYPES)
        return;
    const char *name = of_type[m->types[s]][below (m, 7)];
    if (!name)
        return;
    int mark = strstr (name, "HWM") != NULL;
    if (mark && (m->connected || !m->inproc[s]))
        return;
    if (name[0] == 'P' && (facing (m, s, ZMQ_REP) || facing (m, s, ZMQ_REQ)))
        return;
    line (m, "set %d %s i %d", s, name, mark ? 1 + below (m, 5) : chance (m, 85));
}

/* ---- sockets ---------------------------------------------------------------------------------------------------- */

static const int pairs[][2] = {
    {ZMQ_PAIR, ZMQ_PAIR}, {ZMQ_PUB, ZMQ_SUB}, {ZMQ_PUB, ZMQ_XSUB}, {ZMQ_XPUB, ZMQ_SUB}, {ZMQ_XPUB, ZMQ_XSUB},
    {ZMQ_REQ, ZMQ_REP}, {ZMQ_REQ, ZMQ_ROUTER}, {ZMQ_DEALER, ZMQ_REP}, {ZMQ_DEALER, ZMQ_ROUTER}, {ZMQ_DEALER, ZMQ_DEALER},
    {ZMQ_ROUTER, ZMQ_ROUTER}, {ZMQ_PUSH, ZMQ_PULL}, {ZMQ_STREAM, ZMQ_STREAM},
};

static void make_socket (maker_t *m, int s, int type)
{
    static const char *const odd[] = {"-1", "99", "21"};
    m->types[s] = type;
    m->partner[s] = -1;
    m->inproc[s] = 0;
    if (type >= 0)
        line (m, "socket %d 0 %s", s, type_names[type]);
    else
        line (m, "socket %d 0 %s", s, PICK (m, odd));
}

static void subscribe (maker_t *m, int s)
{
    if (m->types[s] == ZMQ_SUB)
        line (m, "set %d SUBSCRIBE s %s", s, PICK (m, topics));
    else if (m->types[s] == ZMQ_XSUB)
        line (m, "send %d 0 \\x01%s", s, chance (m, 50) ? "A" : "");
}

static void make_pair (maker_t *m)
{
    static const char *const transports[] = {"inproc", "inproc", "ipc", "tcp"};
    int a = m->count, b = a + 1, reversed = chance (m, 50);
    const int *types = pairs[below (m, sizeof pairs / sizeof *pairs)];
    const char *transport = PICK (m, transports);
    m->count += 2;
    m->connected = 0;
    make_socket (m, a, types[reversed]);
    make_socket (m, b, types[!reversed]);
    m->partner[a] = b;
    m->partner[b] = a;
    m->inproc[a] = m->inproc[b] = transport[1] == 'n';
    for (int i = below (m, 4); i > 0; i--)
        characteristic_option (m, chance (m, 50) ? a : b);
    if (chance (m, 25))
        line (m, "set %d ROUTING_ID s r%d", b, b);
    if (chance (m, 15))
        set_option (m, chance (m, 50) ? a : b);
    if (chance (m, 35))
        line (m, "monitor %d %d", a, chance (m, 80) ? 65535 : 0x1230);
    if (chance (m, 35))
        line (m, "monitor %d 65535", b);
    if (chance (m, 50))
        subscribe (m, b), subscribe (m, a);
    if (m->inproc[a] && chance (m, 30)) {
        line (m, "connect %d inproc://p%d", b, a);
        line (m, "bind %d inproc://p%d", a, a);
    } else {
        if (transport[0] == 't')
            line (m, "bind %d tcp://127.0.0.1:*", a);
        else
            line (m, "bind %d %s://p%d", a, transport, a);
        line (m, "connect %d @%d", b, a);
    }
    subscribe (m, b), subscribe (m, a);
    m->connected = 1;
}

/* ---- calls ------------------------------------------------------------------------------------------------------ */

static int addresses (int type)
{
    return type == ZMQ_ROUTER || type == ZMQ_STREAM;
}

static void send_message (maker_t *m, int s)
{
    if (m->types[s] == ZMQ_STREAM && chance (m, 99))
        line (m, "send_id %d MORE", s);
    else if (addresses (m->types[s]) && chance (m, 85)) {
        if (chance (m, 80))
            line (m, "send_id %d MORE", s);
        else
            line (m, "send %d MORE r%d", s, below (m, SOCKETS));
        if (m->types[s] == ZMQ_ROUTER && facing (m, s, ZMQ_REQ) && chance (m, 98))
            line (m, "send %d MORE -", s);
    } else if (m->types[s] == ZMQ_DEALER && facing (m, s, ZMQ_REP) && chance (m, 99))
        line (m, "send %d MORE -", s);
    for (int parts = m->types[s] == ZMQ_STREAM || m->types[s] == ZMQ_XSUB ? 0 : below (m, 6) / 3; parts > 0; parts--)
        line (m, "send %d MORE %s", s, some_data (m));
    line (m, "send %d 0 %s", s, some_data (m));
}

static void exchange (maker_t *m, int s)
{
    int other = m->partner[s];
    send_message (m, s);
    /* Which of several peers' messages comes first is nobody's promise: they are received one by one. */
    if (other < 0 || (m->types[s] != ZMQ_STREAM && !m->third && chance (m, 20)))
        return;
    line (m, "drain %d", other);
    if (chance (m, 60)) {
        send_message (m, other);
        line (m, "drain %d", s);
    }
}

static void message_call (maker_t *m, int s)
{
    static const char *const inits[] = {"msg_init", "msg_init_size", "msg_init_data"};
    static const int properties_to_set[] = {0, 1, 2, 3, 4, -1};
    static const char *const properties[] = {"Socket-Type", "Identity",   "Identity",   "Peer-Address",
                                             "User-Id",     "Routing-Id", "X-none",     "socket-type"};
    int a = below (m, MESSAGES), b = below (m, MESSAGES);
    switch (below (m, 8)) {
        case 0: case 1: line (m, "%s %d %s", PICK (m, inits), a, some_data (m)); break;
        case 2: line (m, "msg_%s %d %d", chance (m, 50) ? "copy" : "move", a, b); break;
        case 3: line (m, "msg_close %d", a); break;
        case 4:
            if (chance (m, 80))
                line (m, "msg_get %d %d", a, below (m, 6));
            else
                line (m, "msg_set %d %d %d", a, PICK (m, properties_to_set), below (m, 2));
            break;
        case 5:
            line (m, "msg_init %d", a);
            line (m, "msg_recv %d %d DONTWAIT", s, a);
            line (m, "msg_gets %d %s", a, PICK (m, properties));
            break;
        case 6:
            line (m, "%s %d %s", PICK (m, inits), a, some_data (m));
            line (m, "msg_send %d %d %s", s, a, some_flags (m, s));
            break;
        case 7: line (m, "msg_recv %d %d DONTWAIT", s, a); break;
    }
}

static void poll_call (maker_t *m)
{
    static const int masks[] = {1, 2, 3, 3, 0, 4, 7, 8, 15, -1}, waits[] = {0, 0, 0, 0, 1, 1, 1, 20};
    char text[100] = "";
    for (int i = below (m, 4); i >= 0; i--) {
        size_t used = strlen (text);
        if (chance (m, 85))
            snprintf (text + used, sizeof text - used, " %d:%d", below (m, m->count), PICK (m, masks));
        else
            snprintf (text + used, sizeof text - used, " %c:%d", "rwrwceb"[below (m, 7)], below (m, 16));
    }
    line (m, "poll %d%s", PICK (m, waits), text);
}

static void context_call (maker_t *m)
{
    static const int values[] = {-1, 0, 1, 2, 3, 100, INT_MAX, INT_MIN};
    const char *name = context_options[below (m, 12)].name;
    if (chance (m, 40))
        line (m, "ctx_set %d %s %d", 1, name, PICK (m, values));
    else
        line (m, "ctx_get %d %s", below (m, 2), name);
}

static void other_call (maker_t *m)
{
    static const char *const capabilities[] = {"ipc", "curve", "IPC", "x", "inproc"};
    static const char *const z85[] = {"HelloWorld", "Hello", "Hell", "-", "Hel~o", "#####", "%nSc0", "%nSc1", "00000"};
    static const char *const keys[] = {"JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6",
                                       "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"};
    static const char *const timers[] = {"cancel", "reset", "interval"};
    static const int errors[] = {0,    1,    11,    22,           93,    ZMQ_HAUSNUMERO, ZMQ_HAUSNUMERO + 1,
                                 EFSM, ENOCOMPATPROTO, ETERM, EMTHREAD, -1};
    switch (below (m, 11)) {
        case 0: line (m, "has %s", PICK (m, capabilities)); break;
        case 1: line (m, "strerror %d", PICK (m, errors)); break;
        case 2: line (m, "z85_encode %s", some_data (m)); break;
        case 3: line (m, "z85_decode %s", PICK (m, z85)); break;
        case 4: line (m, "curve_public %s", PICK (m, keys)); break;
        case 5: case 6: line (m, "null %d", below (m, 23)); break;
        case 7: line (m, "timers_add 1000000"); break;
        case 8: line (m, "timers_%s %d", PICK (m, timers), 1 + below (m, 3)); break;
        case 9: line (m, "timers_execute"); break;
        case 10: line (m, "timers_timeout"); break;
    }
}

static void endpoint_call (maker_t *m, int s)
{
    static const char *const names[] = {"bind", "bind", "connect", "connect", "unbind", "disconnect"};
    const char *name = PICK (m, names), *where = some_endpoint (m);
    /* Of the pieces of several byte streams libzmq promises nothing. */
    if (m->types[s] == ZMQ_STREAM && name[0] == 'c')
        name = "disconnect";
    /* With a peer that it cannot talk to a socket may have room for messages or not. */
    int other = where[0] == '@' ? atoi (where + 1) : !strncmp (where, "inproc://p", 10) ? atoi (where + 10) : -1;
    if (name[0] == 'c' && other >= 0 && other < m->count) {
        int fits = m->types[s] >= 0 && m->types[other] >= 0 && fitting[m->types[s]] & 1 << m->types[other];
        m->third |= fits != 0;
        name = fits ? name : "disconnect";
    }
    /* A port of a number of its own can be bound by one process only. */
    int port = strstr (where, ":1") && !strstr (where, ":*");
    if (name[0] == 'b' && (port || strstr (where, ":00001") || strstr (where, ":-1") || strchr (where, '@')))
        where = "inproc://a";
    line (m, "%s %d %s", name, s, where);
}

static void end_call (maker_t *m, int s)
{
    switch (below (m, 10)) {
        case 0: case 1: case 2: case 3: line (m, "close %d", s); break;
        case 4: case 5:
            line (m, "close %d", s);
            make_socket (m, s, chance (m, 95) ? below (m, TYPES) : -1);
            break;
        case 6: line (m, "ctx_stop 0"); break;
        case 7:
            if (chance (m, 50))
                line (m, "unmonitor %d", s);
            else
                line (m, "monitor_at %d %s %d", s, some_endpoint (m), 0);
            break;
        case 8: line (m, "disconnect %d @%d", s, m->partner[s] >= 0 ? m->partner[s] : s); break;
        case 9: line (m, "unbind %d @%d", s, s); break;
    }
}

static void some_call (maker_t *m)
{
    static const int rooms[] = {0, 1, 4, 100, 100000};
    int s = m->first + below (m, m->count - m->first), way = below (m, 100);
    /* Data without an id before it is a difference that is known, and a message without a delimiter another. */
    int sends = (way >= 32 && way < 42) || (way >= 51 && way < 58) || (way >= 88 && way < 92);
    int type = m->types[s];
    int envelopes = (type == ZMQ_DEALER && facing (m, s, ZMQ_REP)) || (type == ZMQ_ROUTER && facing (m, s, ZMQ_REQ));
    if (sends && (m->third || type == ZMQ_STREAM || envelopes))
        way = 0;
    if (way < 32)
        exchange (m, s);
    else if (way < 42)
        line (m, "send %d %s %s", s, some_flags (m, s), some_data (m));
    else if (way < 48)
        line (m, "recv %d %s %d", s, chance (m, 80) ? "DONTWAIT" : "0", m->third ? 100000 : PICK (m, rooms));
    else if (way < 51)
        line (m, "drain %d", s);
    else if (way < 58)
        message_call (m, s);
    else if (way < 65)
        set_option (m, s);
    else if (way < 68)
        characteristic_option (m, s);
    else if (way < 74)
        get_option (m, s);
    else if (way < 78)
        subscribe (m, s);
    else if (way < 82)
        poll_call (m);
    else if (way < 88)
        endpoint_call (m, s);
    else if (way < 90)
        line (m, "%s %d %d %s", chance (m, 50) ? "sendiov" : "recviov", s, below (m, 5), some_flags (m, s));
    else if (way < 92)
        line (m, m->inproc[s] && !m->third ? "flood %d %d" : "get %d TYPE %d", s, m->inproc[s] && !m->third ? 12 : 4);
    else if (way < 94)
        other_call (m);
    else if (way < 96)
        context_call (m);
    else if (way < 97 && m->types[s] == ZMQ_SUB)
        line (m, "set %d UNSUBSCRIBE s %s", s, PICK (m, topics));
    else
        end_call (m, s);
}

#endif
