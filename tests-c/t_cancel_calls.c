/*
 * pthread_cancel(3) where nobody waits: a thread that is in a function of the application's that the library calls, or
 * that calls the library, ends there or later. The process lives.
 */
#include "victims.h"

static void nap (int timer, void *arg)
{
    (void) timer;
    pthread_cleanup_push (clean, arg);
    sleep_ms (20000);
    pthread_cleanup_pop (0);
}

static void leave (int timer, void *arg)
{
    (void) timer;
    pthread_exit (arg);
}

static void execute (void *timers)
{
    sleep_ms (5);
    zmq_timers_execute (timers);
}

GROUP (handlers_of_timers)
{
    void *timers = zmq_timers_new (), *result;
    victim_t inner = {.body = NULL}, v = {.body = execute, .argument = timers};
    int timer = zmq_timers_add (timers, 1, nap, &inner);
    OK (timer);
    begin (&v);
    sleep_ms (50);
    until_asleep (&v);
    IS (pthread_cancel (v.thread), 0);
    ends_cancelled (&v);
    IS (inner.cleaned, 1);
    OK (zmq_timers_cancel (timers, timer));
    OK (zmq_timers_add (timers, 1, leave, &inner));
    begin (&v);
    IS (pthread_join (v.thread, &result), 0);
    CHECK (result == &inner);
    IS (v.cleaned, 2);
    OK (zmq_timers_destroy (&timers));
}

static char lent[10];
static _Atomic int freed;

static void free_slowly (void *data, void *hint)
{
    (void) data;
    (void) hint;
    sleep_ms (1);
    freed++;
}

static int is_done (int call, void *ctx, void *s)
{
    char ep[EP_SIZE], public[41], secret[41];
    size_t size = sizeof ep;
    zmq_msg_t msg;
    switch (call) {
    case 0:
        zmq_msg_init_data (&msg, lent, sizeof lent, free_slowly, NULL);
        zmq_msg_close (&msg);
        return 0;
    case 1:
        zmq_bind (s, "tcp://lo:*");
        return 0;
    case 2:
        zmq_bind (s, "ipc://*");
        return 0;
    case 3:
        zmq_bind (s, "tcp://localhost:*");
        return 0;
    case 4:
        zmq_connect (s, "tcp://localhost:1");
        return 0;
    case 5:
        zmq_connect (s, "ipc:///nobody/is/there");
        return 0;
    case 6:
        bind_any (s, "tcp", ep);
        zmq_unbind (s, ep);
        return 0;
    case 7:
        zmq_curve_keypair (public, secret);
        return 0;
    case 8:
        zmq_socket_monitor (s, "inproc://monitor", ZMQ_EVENT_ALL);
        return 0;
    case 9:
        zmq_getsockopt (s, ZMQ_EVENTS, ep, &size);
        return 0;
    case 10:
        zmq_close (zmq_socket (ctx, ZMQ_PULL));
        return 0;
    case 11:
        zmq_ctx_term (zmq_ctx_new ());
        return 0;
    case 12:
        zmq_close (s);
        return 0;
    }
    return 1;
}

static void *do_pending (void *arg)
{
    int call = *(int *) arg;
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_REP);
    pthread_setcancelstate (PTHREAD_CANCEL_DISABLE, NULL);
    IS (pthread_cancel (pthread_self ()), 0);
    pthread_setcancelstate (PTHREAD_CANCEL_ENABLE, NULL);
    if (is_done (call, ctx, s))
        return NULL;
    pthread_testcancel ();
    return NULL;
}

/* Whether they notice or not: the thread ends, the process lives. */
GROUP (calls_that_do_not_wait)
{
    for (int call = 0;; call++) {
        pthread_t thread;
        void *result;
        IS (pthread_create (&thread, NULL, do_pending, &call), 0);
        IS (pthread_join (thread, &result), 0);
        if (!result)
            break;
        CHECK (result == PTHREAD_CANCELED);
    }
    /* What libzmq was in the middle of stays so. */
    fflush (NULL);
    _exit (0);
}

MAIN (ENTRY (handlers_of_timers), ENTRY (calls_that_do_not_wait))
