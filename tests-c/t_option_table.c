/*
 * The table of options: for each option and each of the twelve socket types its default, its range, the sizes it takes
 * and gives, who has it, and what is read back. zmq_setsockopt(3), zmq_getsockopt(3).
 */
#include "expect.h"
#include <limits.h>

#define TYPES 12
#define BIT(type) (1u << (type))
#define ALL (BIT (TYPES) - 1)
#define SUBSCRIBERS (BIT (ZMQ_SUB) | BIT (ZMQ_XSUB))
#define PUBLISHERS (BIT (ZMQ_PUB) | BIT (ZMQ_XPUB))
/* REP is a ROUTER inside, and takes its options. */
#define ROUTERS (BIT (ZMQ_ROUTER) | BIT (ZMQ_REP))

static const char *const type_names[TYPES] = {"PAIR",   "PUB",  "SUB",  "REQ",  "REP",  "DEALER",
                                              "ROUTER", "PULL", "PUSH", "XPUB", "XSUB", "STREAM"};

static int refused (void *s, int option, const void *value, size_t size)
{
    errno = 0;
    return zmq_setsockopt (s, option, value, size) == -1 && errno == EINVAL;
}

static int unreadable (void *s, int option, size_t size)
{
    char buffer[400];
    errno = 0;
    return zmq_getsockopt (s, option, buffer, &size) == -1 && errno == EINVAL;
}

/* ---- int ---------------------------------------------------------------------------------------------------------- */

enum
{
    PLAIN_INT,
    /* Any number, read back as 0 or 1. */
    FLAG,
    /* Deciseconds on the wire: read back without the rest. */
    DECI,
    /* Cannot be read. */
    WRITE_ONLY
};

typedef struct
{
    int option;
    const char *name;
    int kind;
    unsigned types;
    int def, low, high;
} int_row_t;

#define ROW(option, kind, types, def, low, high)                                                                       \
    {                                                                                                                  \
        option, #option, kind, types, def, low, high                                                                   \
    }

static const int_row_t ints[] = {
    ROW (ZMQ_RATE, PLAIN_INT, ALL, 100, 1, INT_MAX),
    ROW (ZMQ_RECOVERY_IVL, PLAIN_INT, ALL, 10000, 0, INT_MAX),
    ROW (ZMQ_SNDBUF, PLAIN_INT, ALL, -1, -1, INT_MAX),
    ROW (ZMQ_RCVBUF, PLAIN_INT, ALL, -1, -1, INT_MAX),
    ROW (ZMQ_LINGER, PLAIN_INT, ALL & ~SUBSCRIBERS, -1, -1, INT_MAX),
    ROW (ZMQ_RECONNECT_IVL, PLAIN_INT, ALL, 100, -1, INT_MAX),
    ROW (ZMQ_BACKLOG, PLAIN_INT, ALL, 100, 0, INT_MAX),
    ROW (ZMQ_RECONNECT_IVL_MAX, PLAIN_INT, ALL, 0, 0, INT_MAX),
    ROW (ZMQ_SNDHWM, PLAIN_INT, ALL, 1000, 0, INT_MAX),
    ROW (ZMQ_RCVHWM, PLAIN_INT, ALL, 1000, 0, INT_MAX),
    ROW (ZMQ_MULTICAST_HOPS, PLAIN_INT, ALL, 1, 1, INT_MAX),
    ROW (ZMQ_RCVTIMEO, PLAIN_INT, ALL, -1, -1, INT_MAX),
    ROW (ZMQ_SNDTIMEO, PLAIN_INT, ALL, -1, -1, INT_MAX),
    ROW (ZMQ_IPV4ONLY, PLAIN_INT, ALL, 1, 0, 1),
    ROW (ZMQ_ROUTER_MANDATORY, WRITE_ONLY, ROUTERS, 0, 0, INT_MAX),
    ROW (ZMQ_TCP_KEEPALIVE, PLAIN_INT, ALL, -1, -1, 1),
    ROW (ZMQ_TCP_KEEPALIVE_CNT, PLAIN_INT, ALL, -1, -1, INT_MAX),
    ROW (ZMQ_TCP_KEEPALIVE_IDLE, PLAIN_INT, ALL, -1, -1, INT_MAX),
    ROW (ZMQ_TCP_KEEPALIVE_INTVL, PLAIN_INT, ALL, -1, -1, INT_MAX),
    ROW (ZMQ_IMMEDIATE, PLAIN_INT, ALL, 0, 0, 1),
    ROW (ZMQ_XPUB_VERBOSE, WRITE_ONLY, PUBLISHERS, 0, 0, INT_MAX),
    ROW (ZMQ_ROUTER_RAW, WRITE_ONLY, ROUTERS, 0, 0, INT_MAX),
    ROW (ZMQ_IPV6, PLAIN_INT, ALL, 0, 0, 1),
    ROW (ZMQ_PLAIN_SERVER, PLAIN_INT, ALL, 0, 0, 1),
    ROW (ZMQ_CURVE_SERVER, PLAIN_INT, ALL, 0, 0, 1),
    ROW (ZMQ_PROBE_ROUTER, WRITE_ONLY, ROUTERS | BIT (ZMQ_DEALER) | BIT (ZMQ_REQ), 0, 0, INT_MAX),
    ROW (ZMQ_REQ_CORRELATE, WRITE_ONLY, BIT (ZMQ_REQ), 0, 0, INT_MAX),
    ROW (ZMQ_REQ_RELAXED, WRITE_ONLY, BIT (ZMQ_REQ), 0, 0, INT_MAX),
    ROW (ZMQ_CONFLATE, PLAIN_INT, ALL, 0, 0, 1),
    ROW (ZMQ_ROUTER_HANDOVER, WRITE_ONLY, ROUTERS, 0, 0, INT_MAX),
    ROW (ZMQ_TOS, PLAIN_INT, ALL, 0, 0, INT_MAX),
    ROW (ZMQ_HANDSHAKE_IVL, PLAIN_INT, ALL, 30000, 0, INT_MAX),
    ROW (ZMQ_XPUB_NODROP, WRITE_ONLY, PUBLISHERS, 0, 0, INT_MAX),
    ROW (ZMQ_XPUB_MANUAL, WRITE_ONLY, PUBLISHERS, 0, 0, INT_MAX),
    ROW (ZMQ_STREAM_NOTIFY, WRITE_ONLY, BIT (ZMQ_STREAM), 0, 0, 1),
    ROW (ZMQ_INVERT_MATCHING, FLAG, ALL, 0, INT_MIN, INT_MAX),
    ROW (ZMQ_HEARTBEAT_IVL, PLAIN_INT, ALL, 0, 0, INT_MAX),
    ROW (ZMQ_HEARTBEAT_TTL, DECI, ALL, 0, -99, 6553599),
    ROW (ZMQ_HEARTBEAT_TIMEOUT, PLAIN_INT, ALL, -1, 0, INT_MAX),
    ROW (ZMQ_XPUB_VERBOSER, WRITE_ONLY, PUBLISHERS, 0, 0, INT_MAX),
    ROW (ZMQ_CONNECT_TIMEOUT, PLAIN_INT, ALL, 0, 0, INT_MAX),
    ROW (ZMQ_TCP_MAXRT, PLAIN_INT, ALL, 0, 0, INT_MAX),
    ROW (ZMQ_MULTICAST_MAXTPDU, PLAIN_INT, ALL, 1500, 1, INT_MAX),
    ROW (ZMQ_USE_FD, PLAIN_INT, ALL, -1, -1, INT_MAX),
};

#define INTS (sizeof ints / sizeof *ints)

static int normal (int kind, int value)
{
    return kind == FLAG ? value != 0 : kind == DECI ? value / 100 * 100 : value;
}

static void check_value (void *s, const int_row_t *row, int type, int set, int valid)
{
    int value = -77, rc;
    size_t size = sizeof value;
    if (!valid) {
        EXPECT (refused (s, row->option, &set, sizeof set), "%s %s takes %d", type_names[type], row->name, set);
        return;
    }
    rc = zmq_setsockopt (s, row->option, &set, sizeof set);
    EXPECT (rc == 0, "%s %s refuses %d", type_names[type], row->name, set);
    if (row->kind == WRITE_ONLY)
        return;
    rc = zmq_getsockopt (s, row->option, &value, &size);
    EXPECT (rc == 0 && size == 4 && value == normal (row->kind, set), "%s %s: set %d, read %d", type_names[type], row->name,
            set, value);
}

static void check_int (void *ctx, const int_row_t *row, int type)
{
    static const size_t sizes[] = {0, 1, 2, 3, 5, 8, 33, 41, 256};
    void *s = zmq_socket (ctx, type);
    char bytes[256] = {1};
    int value = -77, has = !!(row->types & BIT (type)), good = row->low > 0 ? row->low : row->high < 1 ? row->high : 1;
    size_t size = sizeof value;
    CHECK (s != NULL);
    if (row->kind != WRITE_ONLY && (has || row->option == ZMQ_LINGER)) {
        int rc = zmq_getsockopt (s, row->option, &value, &size);
        /* SUB and XSUB send nothing that would be worth lingering for. */
        EXPECT (rc == 0 && size == 4 && value == (has ? row->def : 0), "%s %s is %d at first", type_names[type], row->name, value);
    } else
        EXPECT (unreadable (s, row->option, 4), "%s %s can be read", type_names[type], row->name);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        EXPECT (refused (s, row->option, bytes, sizes[i]), "%s %s takes %zu bytes", type_names[type], row->name, sizes[i]);
        EXPECT (unreadable (s, row->option, sizes[i]), "%s %s read into %zu bytes", type_names[type], row->name, sizes[i]);
    }
    EXPECT (refused (s, row->option, NULL, 0), "%s %s takes NULL", type_names[type], row->name);
    has |= row->option == ZMQ_LINGER;
    check_value (s, row, type, good, has);
    check_value (s, row, type, row->low, has);
    check_value (s, row, type, row->high, has);
    if (row->low > INT_MIN) {
        check_value (s, row, type, row->low - 1, 0);
        check_value (s, row, type, INT_MIN, 0);
    }
    if (row->high < INT_MAX) {
        check_value (s, row, type, row->high + 1, 0);
        check_value (s, row, type, INT_MAX, 0);
    }
    /* What was refused changed nothing. */
    if (has && row->kind != WRITE_ONLY)
        IS (get_int (s, row->option), normal (row->kind, row->high));
    OK (zmq_close (s));
}

GROUP (ints_of_every_type)
{
    void *ctx = ctx_new ();
    for (size_t i = 0; i < INTS; i++)
        for (int type = 0; type < TYPES; type++)
            check_int (ctx, &ints[i], type);
    OK (zmq_ctx_term (ctx));
    IS (wrong, 0);
}

/* ---- 64 bits ------------------------------------------------------------------------------------------------------ */

GROUP (wide_ints)
{
    static const size_t sizes[] = {0, 1, 2, 4, 7, 9, 16, 256};
    static const int64_t values[] = {INT64_MIN, -2, -1, 0, 1, 0x7fffffff, 0x100000000LL, INT64_MAX};
    static const struct { int option; int64_t def; } wide[] = {{ZMQ_AFFINITY, 0}, {ZMQ_MAXMSGSIZE, -1}};
    void *ctx = ctx_new ();
    for (int type = 0; type < TYPES; type++)
        for (size_t k = 0; k < 2; k++) {
            void *s = sock (ctx, type);
            char bytes[256] = {1};
            int64_t value = 77;
            size_t size = sizeof value;
            OK (zmq_getsockopt (s, wide[k].option, &value, &size));
            EXPECT (value == wide[k].def && size == 8, "%s %d at first", type_names[type], wide[k].option);
            for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
                EXPECT (refused (s, wide[k].option, bytes, sizes[i]), "%s %d takes %zu bytes", type_names[type], wide[k].option, sizes[i]);
                EXPECT (unreadable (s, wide[k].option, sizes[i]), "%s %d gives %zu bytes", type_names[type], wide[k].option, sizes[i]);
            }
            EXPECT (refused (s, wide[k].option, NULL, 0), "%s %d takes NULL", type_names[type], wide[k].option);
            for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
                OK (zmq_setsockopt (s, wide[k].option, &values[i], 8));
                size = 8;
                OK (zmq_getsockopt (s, wide[k].option, &value, &size));
                CHECK (value == values[i] && size == 8);
            }
            OK (zmq_close (s));
        }
    OK (zmq_ctx_term (ctx));
    IS (wrong, 0);
}

/* ---- strings and bytes -------------------------------------------------------------------------------------------- */

enum
{
    /* Read back with a NUL behind it. */
    STRING,
    BYTES,
    UNREADABLE
};
enum
{
    NULL_REFUSED,
    NULL_CLEARS,
    /* The mechanism goes back to NULL, the text stays. */
    NULL_KEEPS
};

typedef struct
{
    int option;
    const char *name;
    int kind;
    unsigned types;
    size_t shortest, longest;
    int null;
} text_row_t;

#define TEXT(option, kind, types, shortest, longest, null)                                                             \
    {                                                                                                                  \
        option, #option, kind, types, shortest, longest, null                                                          \
    }

/* Longer than anything tried. */
#define ENDLESS 100000

static const text_row_t texts[] = {
    TEXT (ZMQ_ROUTING_ID, BYTES, ALL, 1, 255, NULL_REFUSED),
    TEXT (ZMQ_PLAIN_USERNAME, STRING, ALL, 1, 255, NULL_KEEPS),
    TEXT (ZMQ_PLAIN_PASSWORD, STRING, ALL, 1, 255, NULL_KEEPS),
    TEXT (ZMQ_ZAP_DOMAIN, STRING, ALL, 1, 255, NULL_REFUSED),
    TEXT (ZMQ_SOCKS_PROXY, STRING, ALL, 1, ENDLESS, NULL_CLEARS),
    TEXT (ZMQ_BINDTODEVICE, STRING, ALL, 1, 16, NULL_CLEARS),
    TEXT (ZMQ_CONNECT_ROUTING_ID, UNREADABLE, ROUTERS | BIT (ZMQ_STREAM), 1, ENDLESS, NULL_REFUSED),
    TEXT (ZMQ_XPUB_WELCOME_MSG, UNREADABLE, PUBLISHERS, 0, ENDLESS, NULL_CLEARS),
    TEXT (ZMQ_SUBSCRIBE, UNREADABLE, BIT (ZMQ_SUB), 0, ENDLESS, NULL_CLEARS),
    TEXT (ZMQ_UNSUBSCRIBE, UNREADABLE, BIT (ZMQ_SUB), 0, ENDLESS, NULL_CLEARS),
};

#define TEXTS (sizeof texts / sizeof *texts)

static void check_read_back (void *s, const text_row_t *row, int type, const char *value, size_t length)
{
    char back[600];
    size_t with_nul = length + (row->kind == STRING), size = sizeof back;
    memset (back, 0x5a, sizeof back);
    EXPECT (zmq_getsockopt (s, row->option, back, &size) == 0 && size == with_nul && !memcmp (back, value, length) && (row->kind == BYTES || !back[length]),
            "%s %s of %zu bytes is read as %zu", type_names[type], row->name, length, size);
    size = with_nul;
    EXPECT (zmq_getsockopt (s, row->option, back, &size) == 0 && size == with_nul, "%s %s into the exact room", type_names[type], row->name);
    if (with_nul)
        EXPECT (unreadable (s, row->option, with_nul - 1), "%s %s into too little room", type_names[type], row->name);
}

static void check_text (void *ctx, const text_row_t *row, int type)
{
    static const size_t lengths[] = {0, 1, 2, 4, 8, 15, 16, 17, 32, 33, 40, 41, 254, 255, 256, 300};
    void *s = sock (ctx, type);
    char value[300];
    size_t last = 0;
    int has = !!(row->types & BIT (type));
    memset (value, 'v', sizeof value);
    if (row->kind == UNREADABLE)
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
            EXPECT (unreadable (s, row->option, lengths[i]), "%s %s can be read", type_names[type], row->name);
    else
        check_read_back (s, row, type, "", 0);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        size_t length = lengths[i];
        if (!has || length < row->shortest || length > row->longest) {
            EXPECT (refused (s, row->option, value, length), "%s %s takes %zu bytes", type_names[type], row->name, length);
            continue;
        }
        EXPECT (zmq_setsockopt (s, row->option, value, length) == 0, "%s %s refuses %zu bytes", type_names[type], row->name, length);
        last = length;
        if (row->kind != UNREADABLE)
            check_read_back (s, row, type, value, length);
    }
    if (has && row->null != NULL_REFUSED)
        EXPECT (zmq_setsockopt (s, row->option, NULL, 0) == 0, "%s %s refuses NULL", type_names[type], row->name);
    else
        EXPECT (refused (s, row->option, NULL, 0), "%s %s takes NULL", type_names[type], row->name);
    if (row->kind != UNREADABLE)
        check_read_back (s, row, type, value, row->null == NULL_CLEARS ? 0 : last);
    /* What is inside does not matter. */
    if (has && row->kind != UNREADABLE) {
        OK (zmq_setsockopt (s, row->option, "a\0b", 3));
        check_read_back (s, row, type, "a\0b", 3);
    }
    OK (zmq_close (s));
}

GROUP (strings_of_every_type)
{
    void *ctx = ctx_new ();
    for (size_t i = 0; i < TEXTS; i++)
        for (int type = 0; type < TYPES; type++)
            check_text (ctx, &texts[i], type);
    OK (zmq_ctx_term (ctx));
    IS (wrong, 0);
}

GROUP (keys_of_every_type)
{
    static const char good[] = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";
    static const char *const bad[] = {
      "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf",   "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf77x",
      "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf~", "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf ",
      /* Five characters that are more than 32 bits. */
      "#####################################(((", "%nSc1%nSc1%nSc1%nSc1%nSc1%nSc1%nSc1%nSc1"};
    static const int options[] = {ZMQ_CURVE_PUBLICKEY, ZMQ_CURVE_SECRETKEY, ZMQ_CURVE_SERVERKEY};
    static const size_t lengths[] = {0, 1, 31, 33, 39, 42, 64, 256};
    static const size_t rooms[] = {0, 1, 4, 31, 33, 40, 42, 64, 256};
    void *ctx = ctx_new ();
    for (int type = 0; type < TYPES; type++)
        for (int k = 0; k < 3; k++) {
            void *s = sock (ctx, type);
            uint8_t raw[32], back[300], zeros[32] = {0};
            char longer[257];
            size_t size = 32;
            memset (longer, '0', sizeof longer);
            OK (zmq_getsockopt (s, options[k], back, &size));
            CHECK (size == 32 && !memcmp (back, zeros, 32));
            IS (get_int (s, ZMQ_MECHANISM), ZMQ_NULL);
            for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
                EXPECT (refused (s, options[k], bad[i], strlen (bad[i])), "%s %d takes \"%s\"", type_names[type], options[k], bad[i]);
            for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
                EXPECT (refused (s, options[k], longer, lengths[i]), "%s %d takes %zu bytes", type_names[type], options[k], lengths[i]);
            EXPECT (refused (s, options[k], NULL, 0), "%s %d takes NULL", type_names[type], options[k]);
            /* 41 bytes are 40 and their NUL. */
            EXPECT (refused (s, options[k], longer, 41), "%s %d takes 41 characters", type_names[type], options[k]);
            IS (get_int (s, ZMQ_MECHANISM), ZMQ_NULL);
            CHECK (zmq_z85_decode (raw, good) == raw);
            OK (zmq_setsockopt (s, options[k], raw, 32));
            IS (get_int (s, ZMQ_MECHANISM), ZMQ_CURVE);
            size = 41;
            OK (zmq_getsockopt (s, options[k], back, &size));
            CHECK (size == 41 && !memcmp (back, good, 41));
            OK (zmq_setsockopt (s, options[k], longer, 40));
            OK (zmq_setsockopt (s, options[k], good, 41));
            size = 32;
            OK (zmq_getsockopt (s, options[k], back, &size));
            CHECK (size == 32 && !memcmp (back, raw, 32));
            for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++)
                EXPECT (unreadable (s, options[k], rooms[i]), "%s %d into %zu bytes", type_names[type], options[k], rooms[i]);
            OK (zmq_close (s));
        }
    OK (zmq_ctx_term (ctx));
    IS (wrong, 0);
}

/* ---- lists -------------------------------------------------------------------------------------------------------- */

GROUP (filters_of_every_type)
{
    static const char *const good[] = {"127.0.0.1", "127.0.0.1/8", "0.0.0.0/0", "10.0.0.0/32"};
    static const char *const bad[] = {"", "x", "127.0.0.1/33", "127.0.0.1/-1", "127.0.0.1/", "::1", "localhost", "127.0.0.1:5"};
    static const int ids[] = {ZMQ_IPC_FILTER_PID, ZMQ_IPC_FILTER_UID, ZMQ_IPC_FILTER_GID};
    void *ctx = ctx_new ();
    for (int type = 0; type < TYPES; type++) {
        void *s = sock (ctx, type);
        char bytes[300] = {1};
        for (size_t i = 0; i < sizeof good / sizeof *good; i++)
            EXPECT (zmq_setsockopt (s, ZMQ_TCP_ACCEPT_FILTER, good[i], strlen (good[i])) == 0, "%s refuses %s", type_names[type], good[i]);
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
            EXPECT (refused (s, ZMQ_TCP_ACCEPT_FILTER, bad[i], strlen (bad[i])), "%s takes %s", type_names[type], bad[i]);
        set_int (s, ZMQ_IPV6, 1);
        OK (zmq_setsockopt (s, ZMQ_TCP_ACCEPT_FILTER, "::1/128", 7));
        CHECK (refused (s, ZMQ_TCP_ACCEPT_FILTER, "::1/129", 7));
        OK (zmq_setsockopt (s, ZMQ_TCP_ACCEPT_FILTER, NULL, 0));
        for (int k = 0; k < 3; k++) {
            static const int values[] = {INT_MIN, -1, 0, 1, INT_MAX};
            static const size_t sizes[] = {1, 2, 3, 5, 8, 300};
            for (size_t i = 0; i < sizeof values / sizeof *values; i++)
                set_int (s, ids[k], values[i]);
            for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
                EXPECT (refused (s, ids[k], bytes, sizes[i]), "%s %d takes %zu bytes", type_names[type], ids[k], sizes[i]);
            CHECK (unreadable (s, ids[k], 4));
            OK (zmq_setsockopt (s, ids[k], NULL, 0));
        }
        CHECK (unreadable (s, ZMQ_TCP_ACCEPT_FILTER, 300));
        OK (zmq_close (s));
    }
    OK (zmq_ctx_term (ctx));
    IS (wrong, 0);
}

/* ZMQ_METADATA is a draft in zmq.h, but the released library has it. */
#ifndef ZMQ_METADATA
#define ZMQ_METADATA 95
#endif

GROUP (metadata_of_every_type)
{
    static const char *const good[] = {"X-a:b", "X-a:b:c", "X-a b:c"};
    static const char *const bad[] = {"", ":", "X-", "X-:", "X-a", "X-a:", "X-:v", "x-a:b", "a:b", " X-a:b", "X:b"};
    void *ctx = ctx_new ();
    for (int type = 0; type < TYPES; type++) {
        void *s = sock (ctx, type);
        char name[300];
        for (size_t i = 0; i < sizeof good / sizeof *good; i++)
            EXPECT (zmq_setsockopt (s, ZMQ_METADATA, good[i], strlen (good[i])) == 0, "%s refuses \"%s\"", type_names[type], good[i]);
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
            EXPECT (refused (s, ZMQ_METADATA, bad[i], strlen (bad[i])), "%s takes \"%s\"", type_names[type], bad[i]);
        EXPECT (refused (s, ZMQ_METADATA, NULL, 0), "%s takes NULL", type_names[type]);
        memset (name, 'n', sizeof name);
        memcpy (name, "X-", 2);
        memcpy (name + 255, ":v", 2);
        OK (zmq_setsockopt (s, ZMQ_METADATA, name, 257));
        memcpy (name + 255, "n:v", 3);
        CHECK (refused (s, ZMQ_METADATA, name, 258));
        CHECK (unreadable (s, ZMQ_METADATA, 300));
        OK (zmq_close (s));
    }
    OK (zmq_ctx_term (ctx));
    IS (wrong, 0);
}

/* ---- what a socket says of itself --------------------------------------------------------------------------------- */

GROUP (read_only)
{
    static const int options[] = {ZMQ_RCVMORE, ZMQ_FD,        ZMQ_EVENTS,     ZMQ_TYPE,
                                  ZMQ_LAST_ENDPOINT, ZMQ_MECHANISM, ZMQ_THREAD_SAFE};
    /* Nobody to wait for: these can be sent to, it goes nowhere. */
    const unsigned droppers = PUBLISHERS | BIT (ZMQ_ROUTER) | BIT (ZMQ_STREAM) | BIT (ZMQ_XSUB);
    void *ctx = ctx_new ();
    for (int type = 0; type < TYPES; type++) {
        void *s = sock (ctx, type);
        static const size_t sizes[] = {0, 1, 4, 8, 33, 256};
        char bytes[256] = {0};
        for (size_t i = 0; i < sizeof options / sizeof *options; i++)
            for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
                EXPECT (refused (s, options[i], bytes, sizes[k]), "%s takes %d with %zu bytes", type_names[type], options[i], sizes[k]);
        IS (get_int (s, ZMQ_TYPE), type);
        IS (get_int (s, ZMQ_RCVMORE), 0);
        IS (get_int (s, ZMQ_THREAD_SAFE), 0);
        IS (get_int (s, ZMQ_MECHANISM), ZMQ_NULL);
        EXPECT (get_int (s, ZMQ_EVENTS) == (droppers & BIT (type) ? ZMQ_POLLOUT : 0), "%s has events %d", type_names[type], get_int (s, ZMQ_EVENTS));
        IS (get_int (s, ZMQ_FD), get_int (s, ZMQ_FD));
        size_t size = 1;
        OK (zmq_getsockopt (s, ZMQ_LAST_ENDPOINT, bytes, &size));
        IS (size, 1);
        CHECK (unreadable (s, ZMQ_LAST_ENDPOINT, 0));
        CHECK (unreadable (s, ZMQ_TYPE, 8));
        CHECK (unreadable (s, ZMQ_MECHANISM, 8));
        OK (zmq_bind (s, "tcp://127.0.0.1:*"));
        size = sizeof bytes;
        OK (zmq_getsockopt (s, ZMQ_LAST_ENDPOINT, bytes, &size));
        CHECK (size == strlen (bytes) + 1 && !strncmp (bytes, "tcp://127.0.0.1:", 16) && !strchr (bytes, '*'));
        CHECK (unreadable (s, ZMQ_LAST_ENDPOINT, size - 1));
        OK (zmq_close (s));
    }
    OK (zmq_ctx_term (ctx));
    IS (wrong, 0);
}

/* Numbers without a meaning in this build, for every type. */
GROUP (nobody_has_these)
{
    static const int numbers[] = {-1, 0, 1, 2, 3, 10, 20, 26, 29, 30, 67, 70, 82, 83, ZMQ_VMCI_BUFFER_SIZE, ZMQ_VMCI_BUFFER_MIN_SIZE,
                                  ZMQ_VMCI_BUFFER_MAX_SIZE, ZMQ_VMCI_CONNECT_TIMEOUT, 9999, INT_MAX, INT_MIN};
    static const size_t sizes[] = {0, 1, 4, 8, 33};
    void *ctx = ctx_new ();
    char bytes[64] = {1};
    for (int type = 0; type < TYPES; type++) {
        void *s = sock (ctx, type);
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
            for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
                EXPECT (refused (s, numbers[i], bytes, sizes[k]), "%s takes option %d", type_names[type], numbers[i]);
                EXPECT (unreadable (s, numbers[i], sizes[k]), "%s gives option %d", type_names[type], numbers[i]);
            }
        OK (zmq_close (s));
    }
    OK (zmq_ctx_term (ctx));
    IS (wrong, 0);
}

/* ---- the security options among each other ------------------------------------------------------------------------ */

GROUP (mechanism_by_the_last_word)
{
    static const char key[] = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";
    static const struct { int option; const char *text; int number, mechanism, plain_server, curve_server; } steps[] = {
      {ZMQ_PLAIN_SERVER, NULL, 1, ZMQ_PLAIN, 1, 0},     {ZMQ_CURVE_SERVER, NULL, 1, ZMQ_CURVE, 0, 1},
      {ZMQ_CURVE_PUBLICKEY, key, 0, ZMQ_CURVE, 0, 1},   {ZMQ_CURVE_SECRETKEY, key, 0, ZMQ_CURVE, 0, 1},
      {ZMQ_CURVE_SERVERKEY, key, 0, ZMQ_CURVE, 0, 0},   {ZMQ_PLAIN_USERNAME, "u", 0, ZMQ_PLAIN, 0, 0},
      {ZMQ_PLAIN_SERVER, NULL, 1, ZMQ_PLAIN, 1, 0},     {ZMQ_PLAIN_PASSWORD, "p", 0, ZMQ_PLAIN, 0, 0},
      {ZMQ_PLAIN_PASSWORD, NULL, -1, ZMQ_NULL, 0, 0},   {ZMQ_CURVE_SECRETKEY, key, 0, ZMQ_CURVE, 0, 0},
      {ZMQ_PLAIN_SERVER, NULL, 0, ZMQ_NULL, 0, 0},      {ZMQ_CURVE_SERVER, NULL, 1, ZMQ_CURVE, 0, 1},
      {ZMQ_PLAIN_USERNAME, NULL, -1, ZMQ_NULL, 0, 0},   {ZMQ_CURVE_SERVER, NULL, 0, ZMQ_NULL, 0, 0}};
    void *ctx = ctx_new ();
    for (int type = 0; type < TYPES; type++) {
        void *s = sock (ctx, type);
        for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
            if (steps[i].text)
                OK (zmq_setsockopt (s, steps[i].option, steps[i].text, strlen (steps[i].text)));
            else if (steps[i].number < 0)
                OK (zmq_setsockopt (s, steps[i].option, NULL, 0));
            else
                set_int (s, steps[i].option, steps[i].number);
            EXPECT (get_int (s, ZMQ_MECHANISM) == steps[i].mechanism, "%s: mechanism after step %zu", type_names[type], i);
            EXPECT (get_int (s, ZMQ_PLAIN_SERVER) == steps[i].plain_server, "%s: plain server after step %zu", type_names[type], i);
            EXPECT (get_int (s, ZMQ_CURVE_SERVER) == steps[i].curve_server, "%s: curve server after step %zu", type_names[type], i);
        }
        OK (zmq_close (s));
    }
    OK (zmq_ctx_term (ctx));
    IS (wrong, 0);
}

MAIN (ENTRY (ints_of_every_type), ENTRY (wide_ints), ENTRY (strings_of_every_type), ENTRY (keys_of_every_type),
      ENTRY (filters_of_every_type), ENTRY (metadata_of_every_type), ENTRY (read_only), ENTRY (nobody_has_these),
      ENTRY (mechanism_by_the_last_word))
