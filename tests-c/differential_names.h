/*
 * Names and numbers of what scripts of calls speak about: socket types, options, events, errno. Included by
 * differential_results.h and differential_scripts.h.
 */
#ifndef TESTS_C_DIFFERENTIAL_NAMES_H
#define TESTS_C_DIFFERENTIAL_NAMES_H

#include "common.h"
#include <limits.h>

enum { SOCKETS = 8, CONTEXTS = 2, MESSAGES = 4, TYPES = 12 };

static const char *const type_names[TYPES] = {"PAIR",   "PUB",  "SUB",  "REQ",  "REP",  "DEALER",
                                              "ROUTER", "PULL", "PUSH", "XPUB", "XSUB", "STREAM"};

#define BIT(type) (1 << ZMQ_##type)
/* Who may talk to whom. */
static const int fitting[TYPES] = {
    BIT (PAIR),
    BIT (SUB) | BIT (XSUB),
    BIT (PUB) | BIT (XPUB),
    BIT (REP) | BIT (ROUTER),
    BIT (REQ) | BIT (DEALER),
    BIT (REP) | BIT (DEALER) | BIT (ROUTER),
    BIT (REQ) | BIT (DEALER) | BIT (ROUTER),
    BIT (PUSH),
    BIT (PULL),
    BIT (SUB) | BIT (XSUB),
    BIT (PUB) | BIT (XPUB),
    0,
};
#undef BIT

/* How the generator chooses values for an option. */
enum {
    /* Any number, at and beyond the edges. */
    ANY,
    /* 0 and 1, mostly: what changes how the socket behaves. */
    FLAG,
    /* A timer that would act at a moment of its own: never, long, or a value that is refused. */
    TIMER,
    /* Of a high-water mark: small, to be reached. */
    MARK,
    /* Of the kernel's buffers: none so small that a message takes its time. */
    BUFFER,
    /* Bytes. */
    BYTES,
    /* Prefixes of messages. */
    TOPIC,
    /* Read only. */
    READ,
    /* Waits: none, or an instant. */
    WAIT
};

typedef struct
{
    const char *name;
    int number, kind;
} option_t;

#define O(name, kind)                                                                                                  \
    {                                                                                                                  \
        #name, ZMQ_##name, kind                                                                                        \
    }
static const option_t options[] = {
    O (AFFINITY, ANY),
    O (ROUTING_ID, BYTES),
    O (SUBSCRIBE, TOPIC),
    O (UNSUBSCRIBE, TOPIC),
    O (RATE, ANY),
    O (RECOVERY_IVL, ANY),
    O (SNDBUF, BUFFER),
    O (RCVBUF, BUFFER),
    O (RCVMORE, READ),
    O (FD, READ),
    O (EVENTS, READ),
    O (TYPE, READ),
    O (LINGER, TIMER),
    O (RECONNECT_IVL, TIMER),
    O (BACKLOG, ANY),
    O (RECONNECT_IVL_MAX, TIMER),
    O (MAXMSGSIZE, ANY),
    O (SNDHWM, MARK),
    O (RCVHWM, MARK),
    O (MULTICAST_HOPS, ANY),
    O (RCVTIMEO, WAIT),
    O (SNDTIMEO, WAIT),
    O (LAST_ENDPOINT, READ),
    O (ROUTER_MANDATORY, FLAG),
    O (TCP_KEEPALIVE, ANY),
    O (TCP_KEEPALIVE_CNT, ANY),
    O (TCP_KEEPALIVE_IDLE, ANY),
    O (TCP_KEEPALIVE_INTVL, ANY),
    O (IMMEDIATE, FLAG),
    O (XPUB_VERBOSE, FLAG),
    O (ROUTER_RAW, READ),
    O (IPV6, FLAG),
    O (IPV4ONLY, FLAG),
    O (MECHANISM, READ),
    O (PLAIN_SERVER, FLAG),
    O (PLAIN_USERNAME, BYTES),
    O (PLAIN_PASSWORD, BYTES),
    O (CURVE_SERVER, FLAG),
    O (CURVE_PUBLICKEY, BYTES),
    O (CURVE_SECRETKEY, BYTES),
    O (CURVE_SERVERKEY, BYTES),
    O (PROBE_ROUTER, FLAG),
    O (REQ_CORRELATE, FLAG),
    O (REQ_RELAXED, FLAG),
    O (CONFLATE, FLAG),
    O (ZAP_DOMAIN, BYTES),
    O (ROUTER_HANDOVER, FLAG),
    O (TOS, ANY),
    O (CONNECT_ROUTING_ID, BYTES),
    O (HANDSHAKE_IVL, TIMER),
    O (XPUB_NODROP, FLAG),
    O (XPUB_MANUAL, FLAG),
    O (XPUB_WELCOME_MSG, BYTES),
    O (STREAM_NOTIFY, FLAG),
    O (INVERT_MATCHING, FLAG),
    O (HEARTBEAT_IVL, TIMER),
    O (HEARTBEAT_TTL, TIMER),
    O (HEARTBEAT_TIMEOUT, TIMER),
    O (XPUB_VERBOSER, FLAG),
    O (CONNECT_TIMEOUT, TIMER),
    O (TCP_MAXRT, TIMER),
    O (THREAD_SAFE, READ),
    O (MULTICAST_MAXTPDU, ANY),
    O (USE_FD, READ),
    O (TCP_ACCEPT_FILTER, BYTES),
    O (IPC_FILTER_PID, READ),
#undef O
    /* No options at all. Drafts' are a question of how a library was built. */
    {"1", 1, ANY},
    {"-1", -1, ANY},
    {"100000", 100000, ANY},
};
enum { OPTIONS = sizeof options / sizeof *options };

typedef struct
{
    const char *name;
    int number;
} name_t;

#define N(prefix, name)                                                                                                \
    {                                                                                                                  \
        #name, prefix##name                                                                                            \
    }
static const name_t event_names[] = {
    N (ZMQ_EVENT_, CONNECTED),
    N (ZMQ_EVENT_, CONNECT_DELAYED),
    N (ZMQ_EVENT_, CONNECT_RETRIED),
    N (ZMQ_EVENT_, LISTENING),
    N (ZMQ_EVENT_, BIND_FAILED),
    N (ZMQ_EVENT_, ACCEPTED),
    N (ZMQ_EVENT_, ACCEPT_FAILED),
    N (ZMQ_EVENT_, CLOSED),
    N (ZMQ_EVENT_, CLOSE_FAILED),
    N (ZMQ_EVENT_, DISCONNECTED),
    N (ZMQ_EVENT_, MONITOR_STOPPED),
    N (ZMQ_EVENT_, HANDSHAKE_FAILED_NO_DETAIL),
    N (ZMQ_EVENT_, HANDSHAKE_SUCCEEDED),
    N (ZMQ_EVENT_, HANDSHAKE_FAILED_PROTOCOL),
    N (ZMQ_EVENT_, HANDSHAKE_FAILED_AUTH),
    {NULL, 0},
};
static const name_t context_options[] = {
    N (ZMQ_, IO_THREADS),
    N (ZMQ_, MAX_SOCKETS),
    N (ZMQ_, SOCKET_LIMIT),
    N (ZMQ_, THREAD_SCHED_POLICY),
    N (ZMQ_, MAX_MSGSZ),
    N (ZMQ_, MSG_T_SIZE),
    N (ZMQ_, THREAD_NAME_PREFIX),
    N (ZMQ_, IPV6),
    N (ZMQ_, BLOCKY),
    /* Of these, threads of a context that is in use would end libzmq's process. */
    N (ZMQ_, THREAD_PRIORITY),
    N (ZMQ_, THREAD_AFFINITY_CPU_ADD),
    N (ZMQ_, THREAD_AFFINITY_CPU_REMOVE),
    {NULL, 0},
};
static const name_t flag_names[] = {{"0", 0}, {"DONTWAIT", ZMQ_DONTWAIT}, {"MORE", ZMQ_SNDMORE}, {"BOTH", 3}, {NULL, 0}};
#undef N

static int number_of (const name_t *names, const char *word)
{
    for (; names->name; names++)
        if (!strcmp (names->name, word))
            return names->number;
    return atoi (word);
}

static int type_of (const char *word)
{
    for (int i = 0; i < TYPES; i++)
        if (!strcmp (type_names[i], word))
            return i;
    return atoi (word);
}

static int option_of (const char *word)
{
    for (int i = 0; i < OPTIONS; i++)
        if (!strcmp (options[i].name, word))
            return options[i].number;
    return atoi (word);
}

static const char *error_name (int error)
{
    static char text[32];
    switch (error) {
        case EFSM: return "EFSM";
        case ENOCOMPATPROTO: return "ENOCOMPATPROTO";
        case ETERM: return "ETERM";
        case EMTHREAD: return "EMTHREAD";
    }
    const char *name = strerrorname_np (error);
    snprintf (text, sizeof text, "errno-%d", error);
    return name ? name : text;
}

#endif
