/*
 * Any socket from any thread at any time: what zmq_socket(3) of libzmq forbids and ours promises. With libzmq these
 * crash or lose messages, so they stand in known-differences.txt. Only `handed_over` is legal there too.
 */
#include "common.h"
#include <sched.h>

enum { THREADS = 8, PER_THREAD = 10000 };

typedef struct
{
    void *socket;
    int number;
    int parts;
} work_t;

/* Body: thread, sequence, part. */
typedef struct
{
    int thread, sequence, part, parts;
} stamp_t;

static pthread_barrier_t together;
static void *hammer (void *arg)
{
    work_t *w = (work_t *) arg;
    pthread_barrier_wait (&together);
    for (int i = 0; i < PER_THREAD; i++) {
        /* A message sent in one call, so that it cannot interleave with another thread's. */
        stamp_t stamp = {w->number, i, 0, 1};
        if (zmq_send (w->socket, &stamp, sizeof stamp, 0) != (int) sizeof stamp)
            fail_at (__FILE__, __LINE__, "send in thread %d", w->number);
    }
    return NULL;
}

/* Uses the socket for a long time, once, for a while, and so on: who is taken for the socket's only user changes all the time. */
static void *in_runs (void *arg)
{
    static const int runs[] = {3000, 1, 40, 500};
    work_t *w = (work_t *) arg;
    pthread_barrier_wait (&together);
    for (int i = 0, run = w->number; i < PER_THREAD; run++) {
        for (int end = i + runs[run % 4]; i < end && i < PER_THREAD; i++) {
            stamp_t stamp = {w->number, i, 0, 1};
            if (zmq_send (w->socket, &stamp, sizeof stamp, 0) != (int) sizeof stamp)
                fail_at (__FILE__, __LINE__, "send in thread %d", w->number);
        }
        sched_yield ();
    }
    return NULL;
}

static void start (pthread_t *threads, work_t *work, void *socket, void *(*body) (void *) )
{
    for (int t = 0; t < THREADS; t++) {
        work[t].socket = socket;
        work[t].number = t;
        CHECK (pthread_create (&threads[t], NULL, body, &work[t]) == 0);
    }
}

static void join (pthread_t *threads)
{
    for (int t = 0; t < THREADS; t++)
        pthread_join (threads[t], NULL);
}

/* Every thread's messages arrive, each once and in that thread's order. */
static void many_writers (int out_type, int in_type, const char *transport, void *(*writer) (void *) )
{
    void *ctx = ctx_new (), *out = sock (ctx, out_type), *in = sock (ctx, in_type);
    char ep[EP_SIZE];
    int next[THREADS] = {0};
    pthread_t threads[THREADS];
    work_t work[THREADS];
    set_int (out, ZMQ_SNDHWM, 0);
    set_int (in, ZMQ_RCVHWM, 0);
    if (in_type == ZMQ_SUB)
        OK (zmq_setsockopt (in, ZMQ_SUBSCRIBE, "", 0));
    bind_any (out, transport, ep);
    OK (zmq_connect (in, ep));
    if (out_type == ZMQ_XPUB) {
        char hello;
        IS (zmq_recv (out, &hello, 1, 0), 1);
    }
    pthread_barrier_init (&together, NULL, THREADS);
    start (threads, work, out, writer);
    for (int i = 0; i < THREADS * PER_THREAD; i++) {
        stamp_t stamp;
        IS (zmq_recv (in, &stamp, sizeof stamp, 0), sizeof stamp);
        CHECK (stamp.thread >= 0 && stamp.thread < THREADS);
        IS (stamp.sequence, next[stamp.thread]);
        next[stamp.thread]++;
    }
    join (threads);
    RECV_NONE (in, 20);
    OK (zmq_close (out));
    OK (zmq_close (in));
    OK (zmq_ctx_term (ctx));
}

/* Several rounds, so that a library without this promise fails every time. */
static void rounds (int out_type, int in_type, void *(*writer) (void *) )
{
    static const char *const transports[] = {"tcp", "inproc", "ipc"};
    for (int round = 0; round < 3; round++)
        many_writers (out_type, in_type, transports[round % 3], writer);
}

GROUP (push_from_all)
{
    rounds (ZMQ_PUSH, ZMQ_PULL, hammer);
}

GROUP (push_in_runs)
{
    rounds (ZMQ_PUSH, ZMQ_PULL, in_runs);
}

GROUP (dealer_from_all)
{
    rounds (ZMQ_DEALER, ZMQ_DEALER, hammer);
}

GROUP (pub_from_all)
{
    rounds (ZMQ_XPUB, ZMQ_SUB, hammer);
}

/* Several threads receive from one socket: every message goes to exactly one. */
static int seen[THREADS * PER_THREAD];
static void *taker (void *arg)
{
    work_t *w = (work_t *) arg;
    int number;
    for (;;) {
        if (zmq_recv (w->socket, &number, sizeof number, 0) == -1) {
            IS (errno, ETERM);
            return NULL;
        }
        __atomic_add_fetch (&seen[number], 1, __ATOMIC_SEQ_CST);
        __atomic_add_fetch (&w->parts, 1, __ATOMIC_SEQ_CST);
    }
}

GROUP (pull_by_all)
{
    void *ctx = ctx_new (), *out = sock (ctx, ZMQ_PUSH), *in = sock (ctx, ZMQ_PULL);
    char ep[EP_SIZE];
    pthread_t threads[THREADS];
    work_t work[THREADS];
    memset (work, 0, sizeof work);
    bind_any (in, "tcp", ep);
    OK (zmq_connect (out, ep));
    start (threads, work, in, taker);
    for (int i = 0; i < THREADS * PER_THREAD; i++)
        IS (zmq_send (out, &i, sizeof i, 0), sizeof i);
    for (;;) {
        int total = 0;
        for (int t = 0; t < THREADS; t++)
            total += __atomic_load_n (&work[t].parts, __ATOMIC_SEQ_CST);
        if (total == THREADS * PER_THREAD)
            break;
        sleep_ms (2);
    }
    OK (zmq_ctx_shutdown (ctx));
    join (threads);
    for (int i = 0; i < THREADS * PER_THREAD; i++)
        IS (seen[i], 1);
    OK (zmq_close (out));
    OK (zmq_close (in));
    OK (zmq_ctx_term (ctx));
}

/* One DEALER, all threads sending, receiving, polling and reading options, while endpoints come and go. */
static _Atomic int stop_chaos;
static void *chaos (void *arg)
{
    work_t *w = (work_t *) arg;
    char buf[16], ep[64];
    unsigned seed = (unsigned) w->number;
    sprintf (ep, "inproc://chaos-%d", w->number);
    while (!stop_chaos) {
        zmq_pollitem_t item = {w->socket, 0, ZMQ_POLLIN | ZMQ_POLLOUT, 0};
        switch (rand_r (&seed) % 8) {
            case 0:
                zmq_poll (&item, 1, 0);
                break;
            case 1:
                get_int (w->socket, ZMQ_EVENTS);
                break;
            case 2:
                if (zmq_bind (w->socket, ep) == 0)
                    OK (zmq_unbind (w->socket, ep));
                break;
            case 3:
                zmq_recv (w->socket, buf, sizeof buf, ZMQ_DONTWAIT);
                break;
            case 4:
                set_int (w->socket, ZMQ_RCVTIMEO, 10);
                break;
            default:
                zmq_send (w->socket, "chaos", 5, ZMQ_DONTWAIT);
        }
    }
    return NULL;
}

GROUP (everything_from_all)
{
    void *ctx = ctx_new (), *a = sock (ctx, ZMQ_DEALER), *b = sock (ctx, ZMQ_DEALER);
    char ep[EP_SIZE];
    pthread_t threads[THREADS];
    work_t work[THREADS];
    bind_any (a, "tcp", ep);
    OK (zmq_connect (b, ep));
    start (threads, work, a, chaos);
    for (int64_t until = now_ms () + 1500; now_ms () < until;) {
        char buf[16];
        zmq_recv (b, buf, sizeof buf, ZMQ_DONTWAIT);
        zmq_send (b, "back", 4, ZMQ_DONTWAIT);
    }
    stop_chaos = 1;
    join (threads);
    OK (zmq_close (a));
    OK (zmq_close (b));
    OK (zmq_ctx_term (ctx));
}

/* Closing while others use it: they get ENOTSOCK (or ETERM), nobody crashes. */
static void *until_closed (void *arg)
{
    work_t *w = (work_t *) arg;
    char buf[16];
    for (;;) {
        int rc = w->number % 2 ? zmq_send (w->socket, "x", 1, ZMQ_DONTWAIT) : zmq_recv (w->socket, buf, sizeof buf, ZMQ_DONTWAIT);
        if (rc == -1 && errno != EAGAIN) {
            CHECK (errno == ENOTSOCK || errno == ETERM);
            return NULL;
        }
    }
}

GROUP (closed_under_their_hands)
{
    for (int round = 0; round < 30; round++) {
        void *ctx = ctx_new (), *a = sock (ctx, ZMQ_DEALER), *b = sock (ctx, ZMQ_DEALER);
        char ep[EP_SIZE];
        pthread_t threads[THREADS];
        work_t work[THREADS];
        bind_any (a, "tcp", ep);
        OK (zmq_connect (b, ep));
        start (threads, work, a, until_closed);
        sleep_ms (3);
        OK (zmq_close (a));
        join (threads);
        OK (zmq_close (b));
        OK (zmq_ctx_term (ctx));
    }
}

/* Legal everywhere: a mutex around each use. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static void *polite (void *arg)
{
    work_t *w = (work_t *) arg;
    for (int i = 0; i < 300; i++) {
        stamp_t stamp = {w->number, i, 0, 1};
        pthread_mutex_lock (&mutex);
        IS (zmq_send (w->socket, &stamp, sizeof stamp, 0), sizeof stamp);
        pthread_mutex_unlock (&mutex);
    }
    return NULL;
}

GROUP (handed_over)
{
    void *ctx = ctx_new (), *out = sock (ctx, ZMQ_PUSH), *in = sock (ctx, ZMQ_PULL);
    char ep[EP_SIZE];
    int next[THREADS] = {0};
    pthread_t threads[THREADS];
    work_t work[THREADS];
    bind_any (in, "tcp", ep);
    OK (zmq_connect (out, ep));
    start (threads, work, out, polite);
    for (int i = 0; i < THREADS * 300; i++) {
        stamp_t stamp;
        IS (zmq_recv (in, &stamp, sizeof stamp, 0), sizeof stamp);
        IS (stamp.sequence, next[stamp.thread]);
        next[stamp.thread]++;
    }
    join (threads);
    OK (zmq_close (out));
    OK (zmq_close (in));
    OK (zmq_ctx_term (ctx));
}

/* Different sockets of one context in different threads, all talking to each other: as intended since ever. */
static void *requester (void *arg)
{
    work_t *w = (work_t *) arg;
    void *req = sock (w->socket, ZMQ_REQ);
    OK (zmq_connect (req, "inproc://service"));
    for (int i = 0; i < 200; i++) {
        int back, body = w->number * 1000 + i;
        IS (zmq_send (req, &body, sizeof body, 0), sizeof body);
        IS (zmq_recv (req, &back, sizeof back, 0), sizeof back);
        IS (back, body);
    }
    OK (zmq_close (req));
    return NULL;
}

GROUP (a_socket_per_thread)
{
    void *ctx = ctx_new (), *rep = sock (ctx, ZMQ_REP);
    pthread_t threads[THREADS];
    work_t work[THREADS];
    OK (zmq_bind (rep, "inproc://service"));
    start (threads, work, ctx, requester);
    for (int i = 0; i < THREADS * 200; i++) {
        int body;
        IS (zmq_recv (rep, &body, sizeof body, 0), sizeof body);
        IS (zmq_send (rep, &body, sizeof body, 0), sizeof body);
    }
    join (threads);
    OK (zmq_close (rep));
    OK (zmq_ctx_term (ctx));
}

/* The socket is closed, or its context ends, or another thread sends, while a thread waits for the kernel to take a long
 * message: what was sent of it comes as it was. */
enum { LENT_SIZE = 1500000 };

/* Receives a long message, or whatever the other thread sent. Whether anything came. */
static int receive_lent (void *in, char *got)
{
    int size = zmq_recv (in, got, LENT_SIZE, 0);
    if (size > 1) {
        IS (size, LENT_SIZE);
        CHECK (got[0] == 7 && got[LENT_SIZE / 2] == 7 && got[LENT_SIZE - 1] == 7);
    }
    return size > 0;
}

static void *send_between (void *s)
{
    while (zmq_send (s, "-", 1, 0) == 1)
        sleep_ms (1);
    CHECK (errno == ETERM || errno == ENOTSOCK);
    return NULL;
}

static void *send_until_it_ends (void *s)
{
    char *body = malloc (LENT_SIZE);
    CHECK (body);
    for (;;) {
        memset (body, 7, LENT_SIZE);
        int sent = zmq_send (s, body, LENT_SIZE, 0);
        memset (body, 0, LENT_SIZE);
        if (sent == LENT_SIZE)
            continue;
        CHECK (errno == ETERM || errno == ENOTSOCK);
        free (body);
        return NULL;
    }
}

GROUP (ending_while_a_long_message_goes)
{
    char *got = malloc (LENT_SIZE);
    CHECK (got);
    for (int round = 0; round < 20; round++) {
        void *ctx = ctx_new (), *ctx2 = ctx_new (), *out = sock (ctx, ZMQ_PUSH), *in = sock (ctx2, ZMQ_PULL);
        char ep[EP_SIZE];
        pthread_t sender, other;
        set_int (out, ZMQ_SNDHWM, 4);
        set_int (out, ZMQ_LINGER, round % 4 < 2 ? 0 : 200);
        bind_any (in, "ipc", ep);
        OK (zmq_connect (out, ep));
        OK (pthread_create (&sender, NULL, send_until_it_ends, out));
        if (round % 3 == 2)
            OK (pthread_create (&other, NULL, send_between, out));
        for (int i = 0; i <= round; i++)
            CHECK (receive_lent (in, got));
        if (round % 2)
            OK (zmq_ctx_shutdown (ctx));
        else
            OK (zmq_close (out));
        OK (pthread_join (sender, NULL));
        if (round % 3 == 2)
            OK (pthread_join (other, NULL));
        set_int (in, ZMQ_RCVTIMEO, 50);
        while (receive_lent (in, got))
            ;
        if (round % 2)
            OK (zmq_close (out));
        OK (zmq_close (in));
        OK (zmq_ctx_term (ctx));
        OK (zmq_ctx_term (ctx2));
    }
    free (got);
}

/* With libzmq many of these hang: not for long. */
#undef WATCHDOG
#define WATCHDOG 15
MAIN (ENTRY (push_from_all), ENTRY (push_in_runs), ENTRY (dealer_from_all), ENTRY (pub_from_all), ENTRY (pull_by_all),
      ENTRY (everything_from_all), ENTRY (closed_under_their_hands), ENTRY_SLOW (ending_while_a_long_message_goes, 60),
      ENTRY (handed_over), ENTRY (a_socket_per_thread))
