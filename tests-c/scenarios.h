/*
 * What sockets of all kinds do, told so that it goes on whatever fails on the way: each step is tried again until it
 * succeeds. For tests in which system calls and memory fail: nobody hangs, and it works once the shortage is over.
 */
#ifndef TESTS_C_SCENARIOS_H
#define TESTS_C_SCENARIOS_H

#include "common.h"

/* Milliseconds that a step may take, with all its attempts. */
#define PATIENCE 8000

/* Tries until it succeeds. Whoever is short of something hears so, and asks again. */
#define UNTIL(cond)                                                                                                    \
    do {                                                                                                               \
        int64_t until_ = now_ms () + PATIENCE;                                                                         \
        for (int tries_ = 0; !(cond); tries_++) {                                                                      \
            if (now_ms () > until_)                                                                                    \
                fail_at (__FILE__, __LINE__, "not in %d attempts: %s", tries_, #cond);                                 \
            sleep_ms (tries_ < 10 ? 0 : 5);                                                                            \
        }                                                                                                              \
    } while (0)

static int set (void *s, int option, int value)
{
    return zmq_setsockopt (s, option, &value, sizeof value) == 0;
}

static void *a_context (void)
{
    void *ctx;
    UNTIL ((ctx = zmq_ctx_new ()) != NULL);
    return ctx;
}

static void *a_socket (void *ctx, int type)
{
    void *s;
    UNTIL ((s = zmq_socket (ctx, type)) != NULL);
    UNTIL (set (s, ZMQ_LINGER, 0));
    UNTIL (set (s, ZMQ_SNDTIMEO, 40));
    UNTIL (set (s, ZMQ_RCVTIMEO, 40));
    UNTIL (set (s, ZMQ_RECONNECT_IVL, 5));
    return s;
}

static void a_bind (void *s, const char *transport, char *ep)
{
    static int counter;
    size_t size = EP_SIZE;
    if (!strcmp (transport, "tcp"))
        strcpy (ep, "tcp://127.0.0.1:*");
    else
        snprintf (ep, EP_SIZE, "%s://%s/zs-%d-%d", transport, getenv ("TMPDIR") ? getenv ("TMPDIR") : "/tmp", (int) getpid (), counter++);
    UNTIL (zmq_bind (s, ep) == 0);
    UNTIL ((size = EP_SIZE, zmq_getsockopt (s, ZMQ_LAST_ENDPOINT, ep, &size)) == 0);
}

static void an_end (void *ctx, void **sockets, int count)
{
    for (int i = 0; i < count; i++)
        OK (zmq_close (sockets[i]));
    UNTIL (zmq_ctx_term (ctx) == 0);
}

/* The last part of a message that comes; -1 if none does for now. */
static int last_part (void *s, char *part, size_t size)
{
    int n = zmq_recv (s, part, size, 0), more = 0;
    size_t len = sizeof more;
    while (n >= 0 && zmq_getsockopt (s, ZMQ_RCVMORE, &more, (len = sizeof more, &len)) == 0 && more)
        n = zmq_recv (s, part, size, 0);
    return n;
}

/* A message of `size` octets goes from one to the other; again, if it was lost with its connection. */
static void passes (void *from, void *to, size_t size)
{
    static unsigned char number, body[70000], got[70000];
    int64_t until = now_ms () + PATIENCE;
    memset (body, ++number, size);
    for (;;) {
        int sent = zmq_send (from, body, size, 0) == (int) size, n;
        while ((n = last_part (to, (char *) got, sizeof got)) >= 0)
            if (n == (int) size && !memcmp (got, body, size))
                return;
        if (now_ms () > until)
            fail_at (__FILE__, __LINE__, "%d octets do not come, and were%s sent last", (int) size, sent ? "" : " not");
    }
}

/* The same, and the answer: a REQ that is tired of waiting asks again. */
static void asks (void *req, void *rep)
{
    static unsigned char number;
    unsigned char question[2] = {'q', ++number}, got[100];
    int64_t until = now_ms () + PATIENCE;
    for (;;) {
        int64_t again = now_ms () + 700;
        int n;
        /* Who asks again drops the connection, and begins with the next from the start: not at once. */
        zmq_send (req, question, 2, 0);
        while (now_ms () < again) {
            /* An answer that is not sent is still owed. */
            if ((n = zmq_recv (rep, got, sizeof got, 0)) >= 0)
                UNTIL (zmq_send (rep, got, (size_t) n, 0) == n);
            if (last_part (req, (char *) got, sizeof got) == 2 && !memcmp (got, question, 2))
                return;
        }
        if (now_ms () > until)
            fail_at (__FILE__, __LINE__, "no answer to question %d", number);
    }
}

/* ---- the scenarios ------------------------------------------------------------------------------------------------ */

static void push_pull (void)
{
    char ep[EP_SIZE];
    void *ctx = a_context (), *all[] = {a_socket (ctx, ZMQ_PULL), a_socket (ctx, ZMQ_PUSH)};
    a_bind (all[0], "tcp", ep);
    UNTIL (zmq_connect (all[1], ep) == 0);
    passes (all[1], all[0], 5);
    passes (all[1], all[0], 70000);
    an_end (ctx, all, 2);
}

static void req_rep (void)
{
    char ep[EP_SIZE];
    void *ctx = a_context (), *all[] = {a_socket (ctx, ZMQ_REP), a_socket (ctx, ZMQ_REQ)};
    UNTIL (set (all[1], ZMQ_REQ_RELAXED, 1));
    UNTIL (set (all[1], ZMQ_REQ_CORRELATE, 1));
    a_bind (all[0], "ipc", ep);
    UNTIL (zmq_connect (all[1], ep) == 0);
    for (int i = 0; i < 3; i++)
        asks (all[1], all[0]);
    an_end (ctx, all, 2);
}

static void inproc (void)
{
    void *ctx = a_context (), *all[] = {a_socket (ctx, ZMQ_PAIR), a_socket (ctx, ZMQ_PAIR)};
    zmq_pollitem_t item = {all[0], 0, ZMQ_POLLIN, 0};
    UNTIL (zmq_connect (all[1], "inproc://a") == 0);
    UNTIL (zmq_bind (all[0], "inproc://a") == 0);
    passes (all[1], all[0], 5);
    passes (all[0], all[1], 70000);
    UNTIL (zmq_send (all[1], "x", 1, 0) == 1);
    UNTIL (zmq_poll (&item, 1, 50) == 1);
    an_end (ctx, all, 2);
}

static void pub_sub (void)
{
    char ep[EP_SIZE];
    void *ctx = a_context (), *all[] = {a_socket (ctx, ZMQ_XPUB), a_socket (ctx, ZMQ_SUB), a_socket (ctx, ZMQ_SUB)};
    a_bind (all[0], "tcp", ep);
    for (int i = 1; i < 3; i++) {
        UNTIL (zmq_setsockopt (all[i], ZMQ_SUBSCRIBE, "", 0) == 0);
        UNTIL (zmq_connect (all[i], ep) == 0);
    }
    for (int i = 1; i < 3; i++)
        passes (all[0], all[i], 100);
    an_end (ctx, all, 3);
}

static void dealer_router (void)
{
    char ep[EP_SIZE], part[100];
    void *ctx = a_context (), *all[] = {a_socket (ctx, ZMQ_ROUTER), a_socket (ctx, ZMQ_DEALER)};
    a_bind (all[0], "tcp", ep);
    UNTIL (zmq_setsockopt (all[1], ZMQ_ROUTING_ID, "id", 2) == 0);
    UNTIL (zmq_connect (all[1], ep) == 0);
    passes (all[1], all[0], 5);
    /* The other side goes, and comes back at the same place. */
    OK (zmq_close (all[0]));
    all[0] = a_socket (ctx, ZMQ_ROUTER);
    UNTIL (zmq_bind (all[0], ep) == 0);
    passes (all[1], all[0], 5);
    /* As long as something of a connection that has gone is unread, its id is taken. */
    UNTIL ((last_part (all[0], part, sizeof part), zmq_send (all[0], "id", 2, ZMQ_SNDMORE)) == 2 && zmq_send (all[0], "back", 4, 0) == 4
           && zmq_recv (all[1], part, sizeof part, 0) == 4);
    an_end (ctx, all, 2);
}

static void curve (void)
{
    char ep[EP_SIZE], public[41], secret[41];
    void *ctx = a_context (), *all[] = {a_socket (ctx, ZMQ_PULL), a_socket (ctx, ZMQ_PUSH)};
    UNTIL (zmq_curve_keypair (public, secret) == 0);
    UNTIL (set (all[0], ZMQ_CURVE_SERVER, 1));
    UNTIL (zmq_setsockopt (all[0], ZMQ_CURVE_SECRETKEY, secret, 41) == 0);
    UNTIL (zmq_setsockopt (all[1], ZMQ_CURVE_SERVERKEY, public, 41) == 0);
    UNTIL (zmq_setsockopt (all[1], ZMQ_CURVE_PUBLICKEY, public, 41) == 0);
    UNTIL (zmq_setsockopt (all[1], ZMQ_CURVE_SECRETKEY, secret, 41) == 0);
    a_bind (all[0], "tcp", ep);
    UNTIL (zmq_connect (all[1], ep) == 0);
    passes (all[1], all[0], 5);
    passes (all[1], all[0], 70000);
    an_end (ctx, all, 2);
}

static void monitored (void)
{
    char ep[EP_SIZE], got[EP_SIZE];
    void *ctx = a_context (), *all[] = {a_socket (ctx, ZMQ_PULL), a_socket (ctx, ZMQ_PUSH), a_socket (ctx, ZMQ_PAIR)};
    UNTIL (zmq_socket_monitor (all[0], "inproc://m", ZMQ_EVENT_ALL) == 0);
    UNTIL (zmq_connect (all[2], "inproc://m") == 0);
    a_bind (all[0], "tcp", ep);
    UNTIL (zmq_connect (all[1], ep) == 0);
    passes (all[1], all[0], 5);
    UNTIL (last_part (all[2], got, sizeof got) >= 0);
    UNTIL (zmq_socket_monitor (all[0], NULL, 0) == 0);
    an_end (ctx, all, 3);
}

static void *a_proxy (void *sockets)
{
    void **all = sockets;
    while (zmq_proxy (all[0], all[1], NULL) == -1 && errno != ETERM)
        sleep_ms (1);
    OK (zmq_close (all[0]));
    OK (zmq_close (all[1]));
    return NULL;
}

static void proxied (void)
{
    char front[EP_SIZE], back[EP_SIZE];
    pthread_t thread;
    void *ctx = a_context (), *inner[] = {a_socket (ctx, ZMQ_PULL), a_socket (ctx, ZMQ_PUSH)};
    void *all[] = {a_socket (ctx, ZMQ_PUSH), a_socket (ctx, ZMQ_PULL)};
    a_bind (inner[0], "tcp", front);
    a_bind (inner[1], "tcp", back);
    UNTIL (pthread_create (&thread, NULL, a_proxy, inner) == 0);
    UNTIL (zmq_connect (all[0], front) == 0);
    UNTIL (zmq_connect (all[1], back) == 0);
    passes (all[0], all[1], 5);
    passes (all[0], all[1], 70000);
    OK (zmq_close (all[0]));
    OK (zmq_close (all[1]));
    UNTIL (zmq_ctx_shutdown (ctx) == 0);
    pthread_join (thread, NULL);
    an_end (ctx, NULL, 0);
}

static const struct scenario
{
    const char *name;
    void (*run) (void);
} scenarios[] = {{"push_pull", push_pull},         {"req_rep", req_rep}, {"inproc", inproc},      {"pub_sub", pub_sub},
                 {"dealer_router", dealer_router}, {"curve", curve},     {"monitored", monitored}, {"proxied", proxied}};

static const struct scenario UNUSED *scenario_named (const char *name)
{
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
        if (!strcmp (scenarios[i].name, name))
            return &scenarios[i];
    return NULL;
}

/* Descriptors that are open, but for that of the statistics, which a process keeps. */
static int UNUSED open_files (void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++) {
        int seals = -1;
        if (fcntl (fd, F_GETFD) == -1)
            continue;
        /* Nothing else here is sealed so. */
        seals = fcntl (fd, F_GET_SEALS);
        count += seals == -1 || !(seals & F_SEAL_GROW);
    }
    return count;
}

#endif
