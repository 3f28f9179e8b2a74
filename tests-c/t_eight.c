/*
 * Eight threads on the same sockets, of every type, with every kind of call: nothing is promised of what arrives, only that
 * every call returns with what it may return, and that the context ends. What it is for is `make tsan`, `make asan` and
 * `make valgrind`, which see what goes wrong on the way. With libzmq these crash (known-differences.txt).
 * EIGHT_CALLS (250) says how many calls each thread makes, EIGHT_SEED which.
 */
/* With libzmq some hang: not for long. */
#ifndef WATCHDOG
#define WATCHDOG 10
#endif
#include "common.h"

enum { THREADS = 8 };

static void *pair[2];
static char endpoint[EP_SIZE], other[EP_SIZE];
static unsigned seed;
static int calls;
static int stopped;

/* The call worked, or failed with what says that it cannot be done now, or by this type. */
static void may_fail (long result, const char *what)
{
    static const int known[] = {EAGAIN, EFSM, ENOTSUP, EINVAL, EHOSTUNREACH, ENOENT, EADDRINUSE, ECONNREFUSED, ETERM, ENOTSOCK};
    size_t i;
    if (result != -1)
        return;
    for (i = 0; i < sizeof known / sizeof *known; i++)
        if (errno == known[i])
            return;
    fail_at (__FILE__, __LINE__, "%s", what);
}

static void send_one (void *s, unsigned size, int flags)
{
    static char body[100000];
    zmq_msg_t msg;
    if (size & 1) {
        may_fail (zmq_send (s, body, size, flags), "zmq_send");
        return;
    }
    OK (zmq_msg_init_size (&msg, size));
    memset (zmq_msg_data (&msg), 7, size);
    long sent = zmq_msg_send (&msg, s, flags);
    may_fail (sent, "zmq_msg_send");
    if (sent == -1)
        OK (zmq_msg_close (&msg));
}

static void receive_one (void *s, int into_message)
{
    char body[300];
    zmq_msg_t msg;
    if (!into_message) {
        may_fail (zmq_recv (s, body, sizeof body, ZMQ_DONTWAIT), "zmq_recv");
        return;
    }
    OK (zmq_msg_init (&msg));
    may_fail (zmq_msg_recv (&msg, s, ZMQ_DONTWAIT), "zmq_msg_recv");
    OK (zmq_msg_close (&msg));
}

static void one_call (unsigned *state)
{
    static const unsigned sizes[] = {0, 1, 2, 30, 41, 256, 3001, 20000, 90001};
    void *s = pair[rand_r (state) % 2];
    unsigned size = sizes[(unsigned) rand_r (state) % (sizeof sizes / sizeof *sizes)];
    zmq_pollitem_t items[2] = {{pair[0], 0, ZMQ_POLLIN, 0}, {pair[1], 0, ZMQ_POLLIN | ZMQ_POLLOUT, 0}};
    char topic[2] = {(char) (rand_r (state) % 3), 0}, text[EP_SIZE];
    size_t length = sizeof text;
    int value = 1 + rand_r (state) % 100, which = rand_r (state) % 32;
    size_t int_size = sizeof value;
    switch (which) {
        case 0:
            may_fail (zmq_setsockopt (s, ZMQ_SUBSCRIBE, topic, 1), "ZMQ_SUBSCRIBE");
            break;
        case 1:
            may_fail (zmq_setsockopt (s, ZMQ_UNSUBSCRIBE, topic, 1), "ZMQ_UNSUBSCRIBE");
            break;
        case 2:
            may_fail (zmq_setsockopt (s, value & 1 ? ZMQ_SNDHWM : ZMQ_RCVHWM, &value, sizeof value), "ZMQ_..HWM");
            break;
        case 3:
            may_fail (zmq_getsockopt (s, ZMQ_EVENTS, &value, &int_size), "ZMQ_EVENTS");
            break;
        case 4:
            may_fail (zmq_getsockopt (s, ZMQ_LAST_ENDPOINT, text, &length), "ZMQ_LAST_ENDPOINT");
            break;
        case 5:
            may_fail (zmq_connect (pair[1], endpoint), "zmq_connect");
            break;
        case 6:
            may_fail (zmq_disconnect (pair[1], endpoint), "zmq_disconnect");
            break;
        case 7:
            if (zmq_bind (pair[0], other) == 0)
                may_fail (zmq_unbind (pair[0], other), "zmq_unbind");
            break;
        case 8:
        case 9:
            may_fail (zmq_poll (items, 2, value % 3), "zmq_poll");
            break;
        case 10:
            send_one (s, 5, ZMQ_SNDMORE | ZMQ_DONTWAIT);
            send_one (s, size, ZMQ_DONTWAIT);
            break;
        default:
            if (which % 2)
                send_one (s, size, ZMQ_DONTWAIT);
            else
                receive_one (s, size & 1);
    }
}

static void *some_calls (void *arg)
{
    unsigned state = seed * 8 + (unsigned) (size_t) arg;
    for (int i = 0; i < calls; i++)
        one_call (&state);
    /* And while the sockets are closed. */
    while (!__atomic_load_n (&stopped, __ATOMIC_ACQUIRE))
        one_call (&state);
    return NULL;
}

static void *a_monitor (void *s)
{
    char name[64];
    snprintf (name, sizeof name, "inproc://events-%p", s);
    while (!__atomic_load_n (&stopped, __ATOMIC_ACQUIRE)) {
        may_fail (zmq_socket_monitor (s, name, ZMQ_EVENT_ALL), "zmq_socket_monitor");
        sleep_ms (1);
        may_fail (zmq_socket_monitor (s, NULL, 0), "zmq_socket_monitor (NULL)");
    }
    return NULL;
}

static void eight (int bound, int connected)
{
    static const char *const transports[] = {"tcp", "inproc", "ipc"};
    const char *given = getenv ("EIGHT_CALLS");
    seed = seed_from ("EIGHT_SEED");
    calls = given ? atoi (given) : 250;
    for (int i = 0; i < 3; i++) {
        void *ctx = ctx_new ();
        pthread_t threads[THREADS + 1];
        /* STREAM is of TCP only. */
        if (bound == ZMQ_STREAM && i)
            break;
        stopped = 0;
        pair[0] = sock (ctx, bound);
        pair[1] = sock (ctx, connected);
        bind_any (pair[0], transports[i], endpoint);
        snprintf (other, sizeof other, "inproc://eight-other");
        OK (zmq_connect (pair[1], endpoint));
        for (size_t t = 0; t < THREADS; t++)
            IS (pthread_create (&threads[t], NULL, some_calls, (void *) t), 0);
        IS (pthread_create (&threads[THREADS], NULL, a_monitor, pair[1]), 0);
        sleep_ms (30);
        if (i == 1)
            OK (zmq_ctx_shutdown (ctx));
        OK (zmq_close (pair[0]));
        OK (zmq_close (pair[1]));
        __atomic_store_n (&stopped, 1, __ATOMIC_RELEASE);
        for (int t = 0; t <= THREADS; t++)
            IS (pthread_join (threads[t], NULL), 0);
        OK (zmq_ctx_term (ctx));
    }
}

GROUP (pair) { eight (ZMQ_PAIR, ZMQ_PAIR); }
GROUP (pub_sub) { eight (ZMQ_PUB, ZMQ_SUB); }
GROUP (xpub_xsub) { eight (ZMQ_XPUB, ZMQ_XSUB); }
GROUP (req_rep) { eight (ZMQ_REP, ZMQ_REQ); }
GROUP (dealer_router) { eight (ZMQ_ROUTER, ZMQ_DEALER); }
GROUP (dealer_dealer) { eight (ZMQ_DEALER, ZMQ_DEALER); }
GROUP (push_pull) { eight (ZMQ_PULL, ZMQ_PUSH); }
GROUP (stream) { eight (ZMQ_STREAM, ZMQ_STREAM); }

MAIN (ENTRY (pair), ENTRY (pub_sub), ENTRY (xpub_xsub), ENTRY (req_rep), ENTRY (dealer_router), ENTRY (dealer_dealer), ENTRY (push_pull), ENTRY (stream))
