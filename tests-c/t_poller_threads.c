/* Draft: a poller that several threads use, and sockets that are closed while they are in it. libzmq leaves both undefined. */
#define ZMQ_BUILD_DRAFT_API
#include "common.h"

static void *poller, *ctx;

typedef struct
{
    pthread_t thread;
    long timeout;
    int rc, error;
    zmq_poller_event_t event;
} wait_t;

static void *waits (void *arg)
{
    wait_t *w = arg;
    w->rc = zmq_poller_wait (poller, &w->event, w->timeout);
    w->error = errno;
    return NULL;
}

static void begin (wait_t *w, long timeout)
{
    w->timeout = timeout;
    w->rc = 99;
    OK (pthread_create (&w->thread, NULL, waits, w));
    /* Mostly it sleeps by then. */
    usleep (3000);
}

static void end (wait_t *w, int rc, int error)
{
    OK (pthread_join (w->thread, NULL));
    IS (w->rc, rc);
    if (rc)
        IS (w->error, error);
}

/* Who waits goes on with what another thread makes of the list. */
GROUP (changed_meanwhile)
{
    char ep[EP_SIZE];
    wait_t w;
    int fd[2];
    ctx = ctx_new ();
    poller = zmq_poller_new ();
    void *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH), *idle = sock (ctx, ZMQ_PULL);
    bind_any (in, "tcp", ep);
    OK (zmq_connect (out, ep));
    OK (zmq_poller_add (poller, idle, NULL, ZMQ_POLLIN));
    /* Added with something to receive, and before there is. */
    SEND (out, "one", 0);
    CHECK (readable (in, 5000));
    begin (&w, -1);
    OK (zmq_poller_add (poller, in, &w, ZMQ_POLLIN));
    end (&w, 0, 0);
    CHECK (w.event.socket == in && w.event.user_data == &w);
    RECV (in, "one");
    OK (zmq_poller_modify (poller, in, 0));
    begin (&w, -1);
    OK (zmq_poller_modify (poller, in, ZMQ_POLLIN));
    SEND (out, "two", 0);
    end (&w, 0, 0);
    RECV (in, "two");
    /* Removed: what comes then is not told of; with the last one there is nothing to wait for. */
    begin (&w, 100);
    OK (zmq_poller_remove (poller, in));
    SEND (out, "three", 0);
    end (&w, -1, EAGAIN);
    begin (&w, -1);
    OK (zmq_poller_remove (poller, idle));
    end (&w, -1, EFAULT);
    /* A descriptor, to who has nothing but a time to wait for. */
    OK (pipe (fd));
    begin (&w, 10000);
    OK (zmq_poller_add_fd (poller, fd[0], &w, ZMQ_POLLIN));
    IS (write (fd[1], "x", 1), 1);
    end (&w, 0, 0);
    CHECK (w.event.socket == NULL && w.event.fd == fd[0]);
    /* The poller ends. */
    OK (zmq_poller_modify_fd (poller, fd[0], ZMQ_POLLERR));
    begin (&w, -1);
    void *ended = poller;
    OK (zmq_poller_destroy (&ended));
    end (&w, -1, EFAULT);
    FAILS (zmq_poller_size (poller), EFAULT);
    OK (zmq_close (in));
    OK (zmq_close (out));
    OK (zmq_close (idle));
    OK (zmq_ctx_term (ctx));
}

/* Closed while it is in a poller, before a wait and during one: ENOTSOCK, also if its place is another's by then. */
GROUP (closed_sockets)
{
    zmq_poller_event_t event;
    wait_t w;
    ctx = ctx_new ();
    for (int round = 0; round < 30; round++) {
        poller = zmq_poller_new ();
        void *s = sock (ctx, ZMQ_PAIR);
        OK (zmq_poller_add (poller, s, NULL, ZMQ_POLLIN));
        if (round % 3 == 0)
            OK (zmq_close (s));
        if (round % 3 == 1)
            begin (&w, -1);
        if (round % 3 == 1) {
            OK (zmq_close (s));
            end (&w, -1, ENOTSOCK);
        }
        if (round % 3 == 2) {
            /* Its place is taken at once. */
            OK (zmq_close (s));
            void *next = sock (ctx, ZMQ_PAIR), *peer = sock (ctx, ZMQ_PAIR);
            OK (zmq_bind (next, "inproc://next"));
            OK (zmq_connect (peer, "inproc://next"));
            SEND (peer, "not for the poller", 0);
            FAILS (zmq_poller_wait (poller, &event, 0), ENOTSOCK);
            if (next == s) {
                FAILS (zmq_poller_remove (poller, next), EINVAL);
                OK (zmq_poller_add (poller, next, NULL, ZMQ_POLLIN));
                OK (zmq_poller_wait (poller, &event, -1));
                IS (zmq_poller_size (poller), 1);
                OK (zmq_poller_remove (poller, next));
            }
            OK (zmq_close (next));
            OK (zmq_close (peer));
        } else {
            FAILS (zmq_poller_wait (poller, &event, 0), ENOTSOCK);
            FAILS (zmq_poller_wait (poller, &event, -1), ENOTSOCK);
            FAILS (zmq_poller_modify (poller, s, 0), ENOTSOCK);
            /* It is taken out all the same. */
            FAILS (zmq_poller_remove (poller, s), ENOTSOCK);
            IS (zmq_poller_size (poller), 0);
            FAILS (zmq_poller_wait (poller, &event, 0), EAGAIN);
        }
        OK (zmq_poller_destroy (&poller));
    }
    OK (zmq_ctx_term (ctx));
}

enum { SOCKETS = 6, EACH = 300 };
static void *ins[SOCKETS], *outs[SOCKETS];
static int got, stop;

static void *receives (void *arg)
{
    (void) arg;
    zmq_poller_event_t events[SOCKETS];
    char body[8];
    while (!__atomic_load_n (&stop, __ATOMIC_SEQ_CST)) {
        int n = zmq_poller_wait_all (poller, events, SOCKETS, 20);
        if (n < 0 && errno != EAGAIN)
            fail_at (__FILE__, __LINE__, "zmq_poller_wait_all");
        for (int i = 0; i < n; i++)
            while (zmq_recv (events[i].socket, body, sizeof body, ZMQ_DONTWAIT) != -1)
                __atomic_fetch_add (&got, 1, __ATOMIC_SEQ_CST);
    }
    return NULL;
}

static void *changes (void *arg)
{
    (void) arg;
    for (int i = 0; !__atomic_load_n (&stop, __ATOMIC_SEQ_CST); i++) {
        void *s = ins[i % SOCKETS];
        if (zmq_poller_remove (poller, s) == 0)
            OK (zmq_poller_add (poller, s, NULL, ZMQ_POLLIN));
        OK (zmq_poller_modify (poller, s, 0));
        OK (zmq_poller_modify (poller, s, ZMQ_POLLIN));
        usleep (200);
    }
    return NULL;
}

/* Several threads wait and receive, another changes the list all the time: nothing stays unnoticed. */
GROUP (all_at_once)
{
    pthread_t threads[4];
    char ep[EP_SIZE];
    ctx = ctx_new ();
    poller = zmq_poller_new ();
    for (int i = 0; i < SOCKETS; i++) {
        ins[i] = sock (ctx, ZMQ_PULL);
        outs[i] = sock (ctx, ZMQ_PUSH);
        bind_any (ins[i], i % 2 ? "tcp" : "inproc", ep);
        OK (zmq_connect (outs[i], ep));
        OK (zmq_poller_add (poller, ins[i], NULL, ZMQ_POLLIN));
    }
    for (int i = 0; i < 4; i++)
        OK (pthread_create (&threads[i], NULL, i ? receives : changes, NULL));
    for (int n = 0; n < EACH; n++)
        for (int i = 0; i < SOCKETS; i++)
            SEND (outs[i], "x", 0);
    EVENTUALLY (__atomic_load_n (&got, __ATOMIC_SEQ_CST) == SOCKETS * EACH, 20000);
    __atomic_store_n (&stop, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < 4; i++)
        OK (pthread_join (threads[i], NULL));
    OK (zmq_poller_destroy (&poller));
    for (int i = 0; i < SOCKETS; i++) {
        OK (zmq_close (ins[i]));
        OK (zmq_close (outs[i]));
    }
    OK (zmq_ctx_term (ctx));
}

MAIN (ENTRY (changed_meanwhile), ENTRY (closed_sockets), ENTRY (all_at_once))
