/*
 * What others can see of a process (docs/stats.md), against what the test has counted itself. libzmq has nothing like it.
 */
#define ONLY_OURS
#define ZMQ_BUILD_DRAFT_API
#include "stats.h"

/* A few messages of several sizes and numbers of parts; what they make together. */
static const int sizes[][3] = {{5, -1, -1}, {0, -1, -1}, {300, -1, -1}, {70000, -1, -1}, {3, 0, 9}, {200, 9000, 1}};
enum { MESSAGES = sizeof sizes / sizeof *sizes };

static uint64_t send_all (void *s)
{
    static char body[70000];
    uint64_t bytes = 0;
    for (int i = 0; i < MESSAGES; i++)
        for (int part = 0; part < 3 && sizes[i][part] >= 0; part++) {
            int more = part < 2 && sizes[i][part + 1] >= 0;
            IS (zmq_send (s, body, (size_t) sizes[i][part], more ? ZMQ_SNDMORE : 0), sizes[i][part]);
            bytes += (uint64_t) sizes[i][part];
        }
    return bytes;
}

/* Receives messages, some with zmq_recv and some with zmq_msg_recv. */
static void receive_all (void *s, int count)
{
    static char body[70000];
    for (int i = 0; i < count; i++)
        do {
            zmq_msg_t msg;
            if (i % 2 == 0) {
                OK (zmq_recv (s, body, sizeof body, 0));
                continue;
            }
            OK (zmq_msg_init (&msg));
            OK (zmq_msg_recv (&msg, s, 0));
            OK (zmq_msg_close (&msg));
        } while (get_int (s, ZMQ_RCVMORE));
}

static void push_pull (const char *transport)
{
    void *ctx = ctx_new (), *push = sock (ctx, ZMQ_PUSH), *pull = sock (ctx, ZMQ_PULL);
    char ep[EP_SIZE];
    uint64_t bytes = 0;
    bind_any (pull, transport, ep);
    OK (zmq_connect (push, ep));
    for (int round = 0; round < 5; round++) {
        bytes += send_all (push);
        receive_all (pull, MESSAGES);
    }
    IS (SENT (ZMQ_PUSH), 5 * MESSAGES);
    IS (SENT_BYTES (ZMQ_PUSH), bytes);
    IS (RECEIVED (ZMQ_PULL), 5 * MESSAGES);
    IS (RECEIVED_BYTES (ZMQ_PULL), bytes);
    IS (SENT (ZMQ_PULL) + RECEIVED (ZMQ_PUSH), 0);
    IS (WORD_OF_PEER (ZMQ_PUSH, PEER_STATE), READY);
    IS (BYTE_OF_PEER (ZMQ_PUSH, PEER_DIRECTION), 1);
    IS (BYTE_OF_PEER (ZMQ_PULL, PEER_DIRECTION), 2);
    CHECK (!strcmp ((const char *) peer_of (ZMQ_PUSH) + PEER_ENDPOINT, ep));
    CHECK (!strcmp ((const char *) socket_of (ZMQ_PULL) + SOCKET_ENDPOINT, ep));
    IS (WORD_OF_SOCKET (ZMQ_PULL, SOCKET_BOUND), 1);
    IS (WORD_OF_SOCKET (ZMQ_PUSH, SOCKET_CONNECTED), 1);
    CHECK (WORD_OF_SOCKET (ZMQ_PUSH, SOCKET_CONTEXT) > 0 && WORD_OF_SOCKET (ZMQ_PUSH, SOCKET_STATE) == 1);
    if (strcmp (transport, "inproc")) {
        IS (BYTE_OF_PEER (ZMQ_PUSH, PEER_PEER_TYPE), ZMQ_PULL);
        IS (BYTE_OF_PEER (ZMQ_PULL, PEER_PEER_TYPE), ZMQ_PUSH);
        IS (BYTE_OF_PEER (ZMQ_PULL, PEER_ZMTP_MAJOR) * 10 + BYTE_OF_PEER (ZMQ_PULL, PEER_ZMTP_MINOR), 31);
        IS (BYTE_OF_PEER (ZMQ_PULL, PEER_MECHANISM), ZMQ_NULL);
        EVENTUALLY (OF_PEER (ZMQ_PUSH, PEER_LEFT) == 5 * MESSAGES, 2000);
        CHECK (OF_PEER (ZMQ_PULL, PEER_HEARD_AT) > 0);
        IS (WORD_OF_PEER (ZMQ_PUSH, PEER_LIMIT_OUT), 1000);
        IS (WORD_OF_PEER (ZMQ_PUSH, PEER_PEER_PID), strcmp (transport, "ipc") ? 0 : getpid ());
    } else {
        IS (WORD_OF_PEER (ZMQ_PUSH, PEER_LIMIT_OUT), 2000);
        CHECK (OF_PEER (ZMQ_PUSH, PEER_LINK) && OF_PEER (ZMQ_PUSH, PEER_LINK) == OF_PEER (ZMQ_PULL, PEER_LINK));
    }
    /* What peers have counted that are gone is the socket's. */
    OK (zmq_close (push));
    /* Within the process who is left hears of it with its next call. */
    EVENTUALLY ((get_int (pull, ZMQ_EVENTS), peers_of (ZMQ_PULL) == 0), 2000);
    IS (OF_SOCKET (ZMQ_PULL, SOCKET_MESSAGES_IN), 5 * MESSAGES);
    IS (OF_SOCKET (ZMQ_PULL, SOCKET_BYTES_IN), bytes);
    EVENTUALLY (socket_of (ZMQ_PUSH) == NULL, 2000);
    OK (zmq_close (pull));
    OK (zmq_ctx_term (ctx));
    CHECK (socket_of (ZMQ_PULL) == NULL);
}

GROUP (push_pull_tcp) { push_pull ("tcp"); }
GROUP (push_pull_ipc) { push_pull ("ipc"); }
GROUP (push_pull_inproc) { push_pull ("inproc"); }

/* A queue to nobody, and one to a peer that takes nothing: how long, and since when it is full. */
static void queue (const char *transport)
{
    static char body[50000];
    bool inproc = !strcmp (transport, "inproc");
    void *ctx = ctx_new (), *push = sock (ctx, ZMQ_PUSH), *pull;
    char ep[EP_SIZE];
    int sent = 7;
    pull = sock (ctx, ZMQ_PULL);
    set_int (pull, ZMQ_RCVHWM, 20);
    set_int (push, ZMQ_SNDHWM, 20);
    bind_any (pull, transport, ep);
    OK (zmq_unbind (pull, ep));
    set_int (push, ZMQ_SNDBUF, 4096);
    set_int (pull, ZMQ_RCVBUF, 4096);
    OK (zmq_connect (push, ep));
    for (int i = 0; i < 7; i++)
        SEND (push, "x", 0);
    IS (OF_PEER (ZMQ_PUSH, PEER_MESSAGES_OUT) - OF_PEER (ZMQ_PUSH, PEER_LEFT), 7);
    CHECK (inproc ? WORD_OF_PEER (ZMQ_PUSH, PEER_STATE) == UNBOUND : WORD_OF_PEER (ZMQ_PUSH, PEER_STATE) != READY);
    IS (OF_PEER (ZMQ_PUSH, PEER_FULL_SINCE), 0);
    OK (zmq_bind (pull, ep));
    CHECK (readable (pull, 5000));
    if (!inproc)
        EVENTUALLY (OF_PEER (ZMQ_PUSH, PEER_LEFT) == 7, 2000);
    while (zmq_send (push, body, sizeof body, ZMQ_DONTWAIT) >= 0 || writable (push, 50))
        sent = (int) SENT (ZMQ_PUSH);
    sent = (int) SENT (ZMQ_PUSH);
    CHECK (OF_PEER (ZMQ_PUSH, PEER_FULL_SINCE) > 0);
    CHECK (OF_SOCKET (ZMQ_PUSH, SOCKET_AGAIN_OUT) > 0);
    if (!inproc) {
        /* For a call that does not wait what the kernel has just taken counts for a while. */
        uint64_t left = OF_PEER (ZMQ_PUSH, PEER_MESSAGES_OUT) - OF_PEER (ZMQ_PUSH, PEER_LEFT);
        CHECK (left > 10 && left <= 20 && WORD_OF_PEER (ZMQ_PUSH, PEER_DEEPEST_OUT) >= left);
        CHECK (OF_PEER (ZMQ_PUSH, PEER_STALLED_SINCE) > 0);
        EVENTUALLY (OF_PEER (ZMQ_PULL, PEER_CAME) - OF_PEER (ZMQ_PULL, PEER_MESSAGES_IN) == 20, 2000);
        IS (WORD_OF_PEER (ZMQ_PULL, PEER_DEEPEST_IN), 20);
    } else
        IS (sent, 40);
    receive_all (pull, sent);
    IS (RECEIVED (ZMQ_PULL), sent);
    CHECK (writable (push, 5000));
    EVENTUALLY (OF_PEER (ZMQ_PUSH, PEER_FULL_SINCE) == 0, 2000);
    if (!inproc)
        EVENTUALLY (OF_PEER (ZMQ_PUSH, PEER_LEFT) == (uint64_t) sent && OF_PEER (ZMQ_PUSH, PEER_STALLED_SINCE) == 0, 2000);
    OK (zmq_close (push));
    OK (zmq_close (pull));
    OK (zmq_ctx_term (ctx));
}

GROUP (queue_tcp) { queue ("tcp"); }
GROUP (queue_ipc) { queue ("ipc"); }
GROUP (queue_inproc) { queue ("inproc"); }

/* A socket whose queue is full says so to who asks how much waits, and the numbers are the same. */
GROUP (the_same_numbers_through_the_api)
{
    void *ctx = ctx_new (), *router = sock (ctx, ZMQ_ROUTER), *dealer = sock (ctx, ZMQ_DEALER), *mon = sock (ctx, ZMQ_PAIR);
    char ep[EP_SIZE], frame[EP_SIZE];
    uint64_t values[2] = {0, 0};
    set_int (router, ZMQ_ROUTER_MANDATORY, 1);
    set_int (router, ZMQ_SNDHWM, 4);
    set_int (dealer, ZMQ_RCVHWM, 4);
    set_int (router, ZMQ_SNDBUF, 4096);
    set_int (dealer, ZMQ_RCVBUF, 4096);
    bind_any (router, "tcp", ep);
    OK (zmq_socket_monitor_versioned (router, "inproc://m", ZMQ_EVENT_PIPES_STATS, 2, ZMQ_PAIR));
    OK (zmq_connect (mon, "inproc://m"));
    OK (zmq_setsockopt (dealer, ZMQ_ROUTING_ID, "X", 1));
    OK (zmq_connect (dealer, ep));
    for (int i = 0; i < 3; i++)
        SEND (dealer, "here", 0);
    RECV (router, "X");
    RECV (router, "here");
    /* Both marks: the peer takes four, which may be after the queue was full for the first time; then four wait for good. */
    for (int sent = 0, tries = 0; sent < 8 || zmq_socket_get_peer_state (router, "X", 1) == ZMQ_POLLOUT;) {
        static char body[100000];
        if (zmq_socket_get_peer_state (router, "X", 1) != ZMQ_POLLOUT) {
            CHECK (++tries < 5000);
            sleep_ms (1);
            continue;
        }
        SEND (router, "X", ZMQ_SNDMORE | ZMQ_DONTWAIT);
        IS (zmq_send (router, body, sizeof body, ZMQ_DONTWAIT), sizeof body);
        sent++;
    }
    CHECK (OF_PEER (ZMQ_ROUTER, PEER_FULL_SINCE) > 0);
    /* Until nothing moves. */
    for (int tries = 0; values[1] < 2 || values[0] != OF_PEER (ZMQ_ROUTER, PEER_MESSAGES_OUT) - OF_PEER (ZMQ_ROUTER, PEER_LEFT);
         tries++) {
        CHECK (tries < 500);
        sleep_ms (2);
        OK (zmq_socket_monitor_pipes_stats (router));
        for (int i = 0; i < 6; i++) {
            int size = zmq_recv (mon, frame, sizeof frame, 0);
            if (i == 2 || i == 3) {
                IS (size, 8);
                memcpy (&values[i - 2], frame, 8);
            }
        }
    }
    CHECK (values[0] > 0);
    IS (OF_PEER (ZMQ_ROUTER, PEER_CAME) - OF_PEER (ZMQ_ROUTER, PEER_MESSAGES_IN), values[1]);
    IS (values[1], 2);
    /* The id of the peer is no part of what is sent. */
    IS (OF_PEER (ZMQ_ROUTER, PEER_BYTES_OUT), OF_PEER (ZMQ_ROUTER, PEER_MESSAGES_OUT) * 100000);
    OK (zmq_close (dealer));
    OK (zmq_close (router));
    OK (zmq_close (mon));
    OK (zmq_ctx_term (ctx));
}

/* ---- what is dropped --------------------------------------------------------------------------------------------- */

static void pub_sub (const char *transport)
{
    static char body[20000];
    void *ctx = ctx_new (), *pub = sock (ctx, ZMQ_PUB), *sub = sock (ctx, ZMQ_SUB), *other = sock (ctx, ZMQ_SUB);
    char ep[EP_SIZE];
    uint64_t got = 0, written;
    set_int (pub, ZMQ_SNDHWM, 10);
    set_int (pub, ZMQ_SNDBUF, 4096);
    set_int (sub, ZMQ_RCVHWM, 10);
    set_int (sub, ZMQ_RCVBUF, 4096);
    bind_any (pub, transport, ep);
    for (int i = 0; i < 5; i++)
        SEND (pub, "a nobody", 0);
    IS (OF_SOCKET (ZMQ_PUB, SOCKET_DROPPED_NO_PEER), 5);
    IS (OF_SOCKET (ZMQ_PUB, SOCKET_DROPPED_BEFORE), 5);
    IS (WORD_OF_SOCKET (ZMQ_SUB, SOCKET_SUBSCRIPTIONS), 0);
    OK (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "a", 1));
    OK (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "ab", 2));
    IS (WORD_OF_SOCKET (ZMQ_SUB, SOCKET_SUBSCRIPTIONS), 2);
    OK (zmq_connect (sub, ep));
    EVENTUALLY ((get_int (pub, ZMQ_EVENTS), WORD_OF_SOCKET (ZMQ_PUB, SOCKET_SUBSCRIPTIONS) == 2), 5000);
    for (int i = 0; i < 3; i++)
        SEND (pub, "b unwanted", 0);
    SEND (pub, "b in parts", ZMQ_SNDMORE);
    SEND (pub, "a", 0);
    IS (OF_SOCKET (ZMQ_PUB, SOCKET_FILTERED_OUT), 4);
    IS (OF_SOCKET (ZMQ_PUB, SOCKET_DROPPED_NO_PEER), 5);
    IS (SENT (ZMQ_PUB) + DROPPED (ZMQ_PUB), 0);
    /* Subscriptions are no messages. */
    IS (RECEIVED (ZMQ_PUB) + SENT (ZMQ_SUB), 0);
    body[0] = 'a';
    for (int i = 0; i < 600; i++)
        IS (zmq_send (pub, body, sizeof body, 0), sizeof body);
    written = SENT (ZMQ_PUB);
    CHECK (written < 600 && written >= 10);
    IS (written + DROPPED (ZMQ_PUB), 600);
    CHECK (OF_PEER (ZMQ_PUB, PEER_FULL_SINCE) > 0);
    set_int (sub, ZMQ_RCVTIMEO, 300);
    while (zmq_recv (sub, body, sizeof body, 0) > 0)
        got++;
    IS (got, written);
    IS (RECEIVED (ZMQ_SUB), written);
    IS (RECEIVED_BYTES (ZMQ_SUB), written * sizeof body);
    CHECK (OF_SOCKET (ZMQ_SUB, SOCKET_AGAIN_IN) == 1 && OF_SOCKET (ZMQ_SUB, SOCKET_BLOCKED_IN) > 0);
    OK (zmq_setsockopt (sub, ZMQ_UNSUBSCRIBE, "a", 1));
    IS (WORD_OF_SOCKET (ZMQ_SUB, SOCKET_SUBSCRIPTIONS), 1);
    OK (zmq_close (sub));
    OK (zmq_close (other));
    EVENTUALLY ((get_int (pub, ZMQ_EVENTS), peers_of (ZMQ_PUB) == 0), 5000);
    SEND (pub, "a nobody again", 0);
    IS (OF_SOCKET (ZMQ_PUB, SOCKET_DROPPED_NO_PEER), 6);
    IS (OF_SOCKET (ZMQ_PUB, SOCKET_DROPPED_BEFORE), 5);
    IS (SENT (ZMQ_PUB) + DROPPED (ZMQ_PUB), 600);
    OK (zmq_close (pub));
    OK (zmq_ctx_term (ctx));
}

GROUP (pub_sub_tcp) { pub_sub ("tcp"); }
GROUP (pub_sub_inproc) { pub_sub ("inproc"); }

/* One encoding for several subscribers is counted for each. */
GROUP (many_subscribers)
{
    enum { SUBS = 4, COUNT = 500 };
    void *ctx = ctx_new (), *pub = sock (ctx, ZMQ_PUB), *subs[SUBS];
    char ep[EP_SIZE];
    bind_any (pub, "tcp", ep);
    for (int i = 0; i < SUBS; i++) {
        subs[i] = sock (ctx, ZMQ_SUB);
        OK (zmq_setsockopt (subs[i], ZMQ_SUBSCRIBE, "", 0));
        OK (zmq_connect (subs[i], ep));
        /* One after the other: the number of topics is the same for all. */
        for (bool here = false; !here;) {
            SEND (pub, "-", 0);
            here = readable (subs[i], 2);
        }
    }
    uint64_t before = SENT (ZMQ_PUB), bytes = SENT_BYTES (ZMQ_PUB);
    for (int i = 0; i < COUNT; i++)
        SEND (pub, "seventeen letters", 0);
    EVENTUALLY (SENT (ZMQ_PUB) == before + SUBS * COUNT, 2000);
    IS (SENT_BYTES (ZMQ_PUB), bytes + SUBS * COUNT * 17);
    IS (DROPPED (ZMQ_PUB), 0);
    for (int i = 0; i < SUBS; i++)
        OK (zmq_close (subs[i]));
    OK (zmq_close (pub));
    OK (zmq_ctx_term (ctx));
}

/* A SUB that gets what it did not ask for (from an XPUB in manual mode) counts it. */
GROUP (filtered_by_the_subscriber)
{
    void *ctx = ctx_new (), *xpub = sock (ctx, ZMQ_XPUB), *sub = sock (ctx, ZMQ_SUB);
    char ep[EP_SIZE], topic[8];
    set_int (xpub, ZMQ_XPUB_MANUAL, 1);
    bind_any (xpub, "tcp", ep);
    OK (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "a", 1));
    OK (zmq_connect (sub, ep));
    IS (zmq_recv (xpub, topic, sizeof topic, 0), 2);
    OK (zmq_setsockopt (xpub, ZMQ_SUBSCRIBE, "", 0));
    for (int i = 0; i < 6; i++)
        SEND (xpub, "unwanted", 0);
    SEND (xpub, "a", 0);
    RECV (sub, "a");
    IS (OF_SOCKET (ZMQ_SUB, SOCKET_FILTERED_IN), 6);
    IS (RECEIVED (ZMQ_SUB), 7);
    OK (zmq_close (sub));
    OK (zmq_close (xpub));
    OK (zmq_ctx_term (ctx));
}

GROUP (router_to_nobody)
{
    void *ctx = ctx_new (), *router = sock (ctx, ZMQ_ROUTER), *dealer = sock (ctx, ZMQ_DEALER);
    char ep[EP_SIZE];
    bind_any (router, "tcp", ep);
    OK (zmq_setsockopt (dealer, ZMQ_ROUTING_ID, "X", 1));
    OK (zmq_connect (dealer, ep));
    SEND (dealer, "here", 0);
    RECV (router, "X");
    RECV (router, "here");
    for (int i = 0; i < 3; i++) {
        SEND (router, "nobody", ZMQ_SNDMORE);
        SEND (router, "text", ZMQ_SNDMORE);
        SEND (router, "text", 0);
    }
    IS (OF_SOCKET (ZMQ_ROUTER, SOCKET_DROPPED_UNKNOWN), 3);
    SEND (router, "X", ZMQ_SNDMORE);
    SEND (router, "text", 0);
    RECV (dealer, "text");
    IS (OF_SOCKET (ZMQ_ROUTER, SOCKET_DROPPED_UNKNOWN), 3);
    IS (SENT (ZMQ_ROUTER), 1);
    IS (SENT_BYTES (ZMQ_ROUTER), 4);
    /* What is refused is not dropped. */
    set_int (router, ZMQ_ROUTER_MANDATORY, 1);
    FAILS (zmq_send (router, "nobody", 6, ZMQ_SNDMORE), EHOSTUNREACH);
    IS (OF_SOCKET (ZMQ_ROUTER, SOCKET_DROPPED_UNKNOWN), 3);
    OK (zmq_close (dealer));
    OK (zmq_close (router));
    OK (zmq_ctx_term (ctx));
}

static void req_rep (const char *transport)
{
    void *ctx = ctx_new (), *req = sock (ctx, ZMQ_REQ), *rep = sock (ctx, ZMQ_REP);
    char ep[EP_SIZE];
    bind_any (rep, transport, ep);
    OK (zmq_connect (req, ep));
    for (int i = 0; i < 50; i++) {
        SEND (req, "question", 0);
        RECV (rep, "question");
        SEND (rep, "yes", 0);
        RECV (req, "yes");
    }
    IS (SENT (ZMQ_REQ), 50);
    IS (SENT_BYTES (ZMQ_REQ), 400);
    IS (RECEIVED (ZMQ_REP), 50);
    IS (RECEIVED_BYTES (ZMQ_REP), 400);
    IS (SENT (ZMQ_REP), 50);
    IS (SENT_BYTES (ZMQ_REP), 150);
    IS (RECEIVED (ZMQ_REQ), 50);
    IS (RECEIVED_BYTES (ZMQ_REQ), 150);
    /* An answer for who is gone. */
    SEND (req, "question", 0);
    RECV (rep, "question");
    OK (zmq_close (req));
    EVENTUALLY ((get_int (rep, ZMQ_EVENTS), peers_of (ZMQ_REP) == 0), 5000);
    SEND (rep, "yes", 0);
    IS (OF_SOCKET (ZMQ_REP, SOCKET_DROPPED_UNKNOWN), 1);
    IS (SENT (ZMQ_REP), 50);
    OK (zmq_close (rep));
    OK (zmq_ctx_term (ctx));
}

GROUP (req_rep_tcp) { req_rep ("tcp"); }
GROUP (req_rep_inproc) { req_rep ("inproc"); }

/* ---- connections ------------------------------------------------------------------------------------------------- */

GROUP (reconnects_and_refusals)
{
    void *ctx = ctx_new (), *push = sock (ctx, ZMQ_PUSH), *pull = sock (ctx, ZMQ_PULL);
    char ep[EP_SIZE];
    set_int (push, ZMQ_RECONNECT_IVL, 20);
    bind_any (pull, "tcp", ep);
    OK (zmq_connect (push, ep));
    SEND (push, "one", 0);
    RECV (pull, "one");
    IS (WORD_OF_PEER (ZMQ_PUSH, PEER_RECONNECTS), 0);
    OK (zmq_close (pull));
    EVENTUALLY (WORD_OF_PEER (ZMQ_PUSH, PEER_ATTEMPTS) >= 2, 5000);
    IS (WORD_OF_PEER (ZMQ_PUSH, PEER_ERROR), ECONNREFUSED);
    CHECK (OF_PEER (ZMQ_PUSH, PEER_RETRY_AT) > 0);
    pull = sock (ctx, ZMQ_PULL);
    OK (zmq_bind (pull, ep));
    SEND (push, "two", 0);
    RECV (pull, "two");
    IS (WORD_OF_PEER (ZMQ_PUSH, PEER_RECONNECTS), 1);
    IS (WORD_OF_PEER (ZMQ_PUSH, PEER_ATTEMPTS), 0);
    IS (WORD_OF_PEER (ZMQ_PUSH, PEER_STATE), READY);
    IS (SENT (ZMQ_PUSH), 2);
    OK (zmq_close (push));
    OK (zmq_close (pull));
    OK (zmq_ctx_term (ctx));
}

/* NULL here, PLAIN there. */
GROUP (mechanisms_differ)
{
    void *ctx = ctx_new (), *push = sock (ctx, ZMQ_PUSH), *pull = sock (ctx, ZMQ_PULL);
    char ep[EP_SIZE];
    set_int (pull, ZMQ_PLAIN_SERVER, 1);
    bind_any (pull, "tcp", ep);
    OK (zmq_connect (push, ep));
    EVENTUALLY (WORD_OF_SOCKET (ZMQ_PULL, SOCKET_FAILURES) >= 1, 5000);
    IS (WORD_OF_SOCKET (ZMQ_PULL, SOCKET_FAILURE), 3);
    IS (socket_of (ZMQ_PULL)[SOCKET_FAILURE_OURS], ZMQ_PLAIN);
    IS (socket_of (ZMQ_PULL)[SOCKET_FAILURE_THEIRS], ZMQ_NULL);
    CHECK (!strncmp ((const char *) socket_of (ZMQ_PULL) + SOCKET_FAILURE_ADDRESS, "tcp://127.0.0.1:", 16));
    EVENTUALLY (WORD_OF_PEER (ZMQ_PUSH, PEER_FAILURE) != 0, 5000);
    OK (zmq_close (push));
    OK (zmq_close (pull));
    OK (zmq_ctx_term (ctx));
}

/* A call that waits says since when, and how long all have waited. */
static void *wait_for_message (void *s)
{
    RECV (s, "late");
    return NULL;
}

GROUP (blocked)
{
    void *ctx = ctx_new (), *push = sock (ctx, ZMQ_PUSH), *pull = sock (ctx, ZMQ_PULL);
    char ep[EP_SIZE];
    pthread_t thread;
    set_int (push, ZMQ_SNDTIMEO, 20);
    FAILS (zmq_send (push, "x", 1, 0), EAGAIN);
    IS (OF_SOCKET (ZMQ_PUSH, SOCKET_AGAIN_OUT), 1);
    CHECK (OF_SOCKET (ZMQ_PUSH, SOCKET_BLOCKED_OUT) >= 15000000);
    IS (OF_SOCKET (ZMQ_PUSH, SOCKET_BLOCKED_OUT_SINCE), 0);
    FAILS (zmq_recv (pull, ep, 1, ZMQ_DONTWAIT), EAGAIN);
    IS (OF_SOCKET (ZMQ_PULL, SOCKET_AGAIN_IN), 1);
    bind_any (pull, "tcp", ep);
    OK (zmq_connect (push, ep));
    IS (pthread_create (&thread, NULL, wait_for_message, pull), 0);
    EVENTUALLY (OF_SOCKET (ZMQ_PULL, SOCKET_BLOCKED_IN_SINCE) > 0, 5000);
    SEND (push, "late", 0);
    IS (pthread_join (thread, NULL), 0);
    IS (OF_SOCKET (ZMQ_PULL, SOCKET_BLOCKED_IN_SINCE), 0);
    CHECK (OF_SOCKET (ZMQ_PULL, SOCKET_BLOCKED_IN) > 0);
    OK (zmq_close (push));
    OK (zmq_close (pull));
    OK (zmq_ctx_term (ctx));
}

/* Who is closed, and has something to send, is still to be seen, with what it waits for. */
static void *terminate (void *ctx)
{
    OK (zmq_ctx_term (ctx));
    return NULL;
}

GROUP (lingering)
{
    void *ctx = ctx_new (), *push = zmq_socket (ctx, ZMQ_PUSH), *pull;
    char ep[EP_SIZE];
    pthread_t thread;
    pull = sock (ctx, ZMQ_PULL);
    bind_any (pull, "tcp", ep);
    OK (zmq_close (pull));
    set_int (push, ZMQ_RECONNECT_IVL, 20);
    set_int (push, ZMQ_LINGER, 10000);
    OK (zmq_connect (push, ep));
    for (int i = 0; i < 17; i++)
        SEND (push, "x", 0);
    OK (zmq_close (push));
    IS (pthread_create (&thread, NULL, terminate, ctx), 0);
    EVENTUALLY (WORD_OF_SOCKET (ZMQ_PUSH, SOCKET_TERMINATING) == 1, 5000);
    IS (WORD_OF_SOCKET (ZMQ_PUSH, SOCKET_STATE), 2);
    IS (WORD_OF_SOCKET (ZMQ_PUSH, SOCKET_LINGER), 10000);
    IS (OF_PEER (ZMQ_PUSH, PEER_MESSAGES_OUT) - OF_PEER (ZMQ_PUSH, PEER_LEFT), 17);
    CHECK (!strcmp ((const char *) peer_of (ZMQ_PUSH) + PEER_ENDPOINT, ep));
    void *other = ctx_new ();
    pull = sock (other, ZMQ_PULL);
    OK (zmq_bind (pull, ep));
    for (int i = 0; i < 17; i++)
        RECV (pull, "x");
    IS (pthread_join (thread, NULL), 0);
    CHECK (socket_of (ZMQ_PUSH) == NULL);
    OK (zmq_close (pull));
    OK (zmq_ctx_term (other));
}

/* Of messages that give way to newer ones (ZMQ_CONFLATE) one waits. */
static void conflated (const char *transport)
{
    void *ctx = ctx_new (), *push = sock (ctx, ZMQ_PUSH), *pull = sock (ctx, ZMQ_PULL);
    char ep[EP_SIZE];
    set_int (pull, ZMQ_CONFLATE, 1);
    set_int (push, ZMQ_CONFLATE, 1);
    bind_any (pull, transport, ep);
    OK (zmq_connect (push, ep));
    SEND (push, "first", 0);
    RECV (pull, "first");
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 50; i++)
            SEND (push, i < 49 ? "old" : "new", 0);
        if (!strcmp (transport, "inproc"))
            IS (OF_PEER (ZMQ_PUSH, PEER_MESSAGES_OUT) - OF_PEER (ZMQ_PUSH, PEER_LEFT)
                  - OF_PEER (ZMQ_PULL, PEER_MESSAGES_IN), 1);
        char body[4];
        do
            IS (zmq_recv (pull, body, 4, 0), 3);
        while (memcmp (body, "new", 3));
        if (!strcmp (transport, "inproc"))
            IS (OF_PEER (ZMQ_PUSH, PEER_MESSAGES_OUT) - OF_PEER (ZMQ_PUSH, PEER_LEFT)
                  - OF_PEER (ZMQ_PULL, PEER_MESSAGES_IN), 0);
        else
            IS (OF_PEER (ZMQ_PUSH, PEER_MESSAGES_OUT) - OF_PEER (ZMQ_PUSH, PEER_LEFT), 0);
    }
    IS (SENT (ZMQ_PUSH), 101);
    OK (zmq_close (push));
    OK (zmq_close (pull));
    OK (zmq_ctx_term (ctx));
}

GROUP (conflated_tcp) { conflated ("tcp"); }
GROUP (conflated_inproc) { conflated ("inproc"); }

MAIN (ENTRY (push_pull_tcp), ENTRY (push_pull_ipc), ENTRY (push_pull_inproc), ENTRY (queue_tcp), ENTRY (queue_ipc),
      ENTRY (queue_inproc), ENTRY (the_same_numbers_through_the_api), ENTRY (pub_sub_tcp), ENTRY (pub_sub_inproc),
      ENTRY (many_subscribers), ENTRY (filtered_by_the_subscriber), ENTRY (router_to_nobody), ENTRY (req_rep_tcp),
      ENTRY (req_rep_inproc), ENTRY (reconnects_and_refusals), ENTRY (mechanisms_differ), ENTRY (blocked),
      ENTRY (lingering), ENTRY (conflated_tcp), ENTRY (conflated_inproc))
