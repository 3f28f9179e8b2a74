/*
 * pthread_cancel(3): a thread that waits in a call ends there, its cleanup handlers run, and what it waited for is as
 * usable as before. Nothing is lost by it: a call that is cancelled has taken nothing and sent nothing.
 */
#include "victims.h"

typedef struct
{
    void *ctx, *push, *pull;
} pair_t;

static const char *const transports[] = {"tcp", "ipc", "inproc"};

static pair_t connected (const char *transport)
{
    pair_t p;
    char ep[EP_SIZE];
    p.ctx = ctx_new ();
    p.push = sock (p.ctx, ZMQ_PUSH);
    p.pull = sock (p.ctx, ZMQ_PULL);
    set_int (p.push, ZMQ_SNDHWM, 10);
    set_int (p.pull, ZMQ_RCVHWM, 10);
    set_int (p.push, ZMQ_SNDTIMEO, 5000);
    bind_any (p.pull, transport, ep);
    OK (zmq_connect (p.push, ep));
    return p;
}

/* Usable from this thread, nothing has been lost, and all of it ends. */
static void still_works (pair_t p)
{
    set_int (p.pull, ZMQ_RCVTIMEO, 5000);
    for (int i = 0; i < 5; i++) {
        SEND (p.push, "afterwards", 0);
        RECV (p.pull, "afterwards");
    }
    OK (zmq_close (p.push));
    OK (zmq_close (p.pull));
    OK (zmq_ctx_term (p.ctx));
}

static void receive (void *s)
{
    char buf[8];
    zmq_recv (s, buf, sizeof buf, 0);
}

static void receive_msg (void *s)
{
    zmq_msg_t msg;
    zmq_msg_init (&msg);
    zmq_msg_recv (&msg, s, 0);
}

static void receive_iov (void *s)
{
    struct iovec iov[2];
    size_t count = 2;
    zmq_recviov (s, iov, &count, 0);
}

static void poll_one (void *s)
{
    zmq_pollitem_t item = {s, 0, ZMQ_POLLIN, 0};
    zmq_poll (&item, 1, -1);
}

/* So many that the thread keeps a set of them, and a descriptor. */
static void poll_many (void *s)
{
    int ends[2];
    OK (pipe (ends));
    zmq_pollitem_t items[] = {{s, 0, ZMQ_POLLIN, 0}, {s, 0, ZMQ_POLLIN, 0}, {s, 0, ZMQ_POLLIN, 0},
                              {s, 0, ZMQ_POLLIN, 0}, {s, 0, ZMQ_POLLIN, 0}, {NULL, ends[0], ZMQ_POLLIN, 0}};
    for (int i = 0; i < 5; i++)
        zmq_poll (items, i < 4 ? 5 : 6, i < 4 ? 1 : -1);
}

GROUP (receivers)
{
    for (int i = 0; i < 3; i++) {
        pair_t p = connected (transports[i]);
        cancel_asleep (receive, p.pull);
        cancel_asleep (receive_msg, p.pull);
        cancel_asleep (receive_iov, p.pull);
        set_int (p.pull, ZMQ_RCVTIMEO, 20000);
        cancel_asleep (receive, p.pull);
        still_works (p);
    }
}

GROUP (pollers)
{
    for (int i = 0; i < 3; i++) {
        pair_t p = connected (transports[i]);
        cancel_asleep (poll_one, p.pull);
        cancel_asleep (poll_many, p.pull);
        still_works (p);
    }
}

static char big[100000];

static void send_all (void *s)
{
    while (zmq_send (s, big, sizeof big, 0) > 0)
        ;
}

static void send_messages (void *s)
{
    zmq_msg_t msg;
    do {
        zmq_msg_init_size (&msg, sizeof big);
        memcpy (zmq_msg_data (&msg), big, sizeof big);
    } while (zmq_msg_send (&msg, s, 0) > 0);
}

GROUP (senders)
{
    void *ctx = ctx_new (), *alone = sock (ctx, ZMQ_PUSH);
    cancel_asleep (send_all, alone);
    cancel_asleep (send_messages, alone);
    OK (zmq_close (alone));
    OK (zmq_ctx_term (ctx));
    for (int i = 0; i < 3; i++) {
        pair_t p = connected (transports[i]);
        set_int (p.push, ZMQ_SNDTIMEO, -1);
        cancel_asleep (send_all, p.push);
        cancel_asleep (send_messages, p.push);
        set_int (p.pull, ZMQ_RCVTIMEO, 300);
        while (zmq_recv (p.pull, big, 1, 0) > 0)
            ;
        IS (zmq_errno (), EAGAIN);
        still_works (p);
    }
}

static void proxy (void *arg)
{
    void **sides = (void **) arg;
    zmq_proxy (sides[0], sides[1], NULL);
}

/* While it sleeps, and while it always has something to do. */
GROUP (proxies)
{
    char in[EP_SIZE], out[EP_SIZE];
    void *ctx = ctx_new (), *sides[] = {sock (ctx, ZMQ_PULL), sock (ctx, ZMQ_PUSH)};
    void *push = sock (ctx, ZMQ_PUSH), *pull = sock (ctx, ZMQ_PULL);
    bind_any (sides[0], "tcp", in);
    bind_any (sides[1], "tcp", out);
    OK (zmq_connect (push, in));
    OK (zmq_connect (pull, out));
    cancel_asleep (proxy, sides);
    victim_t v = {.body = proxy, .argument = sides};
    begin (&v);
    SEND (push, "through", 0);
    RECV (pull, "through");
    for (int64_t until = now_ms () + 50; now_ms () < until;) {
        zmq_send (push, "flood", 5, ZMQ_DONTWAIT);
        zmq_recv (pull, big, 10, ZMQ_DONTWAIT);
    }
    IS (pthread_cancel (v.thread), 0);
    ends_cancelled (&v);
    /* Another goes on where it was. */
    v.cleaned = 0;
    begin (&v);
    set_int (pull, ZMQ_RCVTIMEO, 5000);
    SEND (push, "last", 0);
    do {
        OK (zmq_recv (pull, big, 10, 0));
    } while (memcmp (big, "last", 4));
    IS (pthread_cancel (v.thread), 0);
    ends_cancelled (&v);
    OK (zmq_close (push));
    OK (zmq_close (pull));
    OK (zmq_close (sides[0]));
    OK (zmq_close (sides[1]));
    OK (zmq_ctx_term (ctx));
}

static void term (void *ctx)
{
    zmq_ctx_term (ctx);
}

GROUP (ending_a_context)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PULL);
    char buf[8];
    cancel_asleep (term, ctx);
    FAILS (zmq_recv (s, buf, sizeof buf, 0), ETERM);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

static void sleep_long (void *arg)
{
    (void) arg;
    zmq_sleep (20);
}

static void poll_nothing (void *arg)
{
    (void) arg;
    zmq_poll (NULL, 0, -1);
}

static void receive_in_thread (void *s)
{
    char buf[8];
    IS (zmq_recv (s, buf, sizeof buf, 0), 2);
}

static void join (void *thread)
{
    zmq_threadclose (thread);
}

GROUP (sleepers)
{
    pair_t p = connected ("inproc");
    cancel_asleep (sleep_long, NULL);
    cancel_asleep (poll_nothing, NULL);
    void *thread = zmq_threadstart (receive_in_thread, p.pull);
    CHECK (thread);
    victim_t v = {.body = join, .argument = thread};
    begin (&v);
    until_asleep (&v);
    IS (pthread_cancel (v.thread), 0);
    ends_cancelled (&v);
    SEND (p.push, "go", 0);
    zmq_threadclose (thread);
    still_works (p);
}

/* Cancelled before the call, which need not wait. */
static void *pending_call (void *s)
{
    zmq_pollitem_t item = {s, 0, ZMQ_POLLIN, 0};
    zmq_msg_t msg;
    char call, buf[8];
    pthread_setcancelstate (PTHREAD_CANCEL_DISABLE, NULL);
    IS (pthread_cancel (pthread_self ()), 0);
    /* While that is off, nothing happens. */
    IS (zmq_poll (&item, 1, 1000), 1);
    IS (zmq_recv (s, &call, 1, 0), 1);
    zmq_msg_init (&msg);
    pthread_setcancelstate (PTHREAD_CANCEL_ENABLE, NULL);
    if (call == 0)
        return zmq_recv (s, buf, sizeof buf, 0) > 0 ? s : NULL;
    if (call == 1)
        return zmq_recv (s, buf, sizeof buf, ZMQ_DONTWAIT) > 0 ? s : NULL;
    if (call == 2)
        return zmq_msg_recv (&msg, s, 0) > 0 ? s : NULL;
    zmq_poll (&item, 1, call == 3 ? -1 : 0);
    return NULL;
}

/* Libraries need not notice each time. Either the thread ends, or it has the message. */
GROUP (pending_before_a_call_that_need_not_wait)
{
    pair_t p = connected ("tcp");
    set_int (p.pull, ZMQ_RCVTIMEO, 5000);
    for (char call = 0; call < 5; call++) {
        pthread_t thread;
        void *result;
        IS (zmq_send (p.push, &call, 1, 0), 1);
        SEND (p.push, "kept", 0);
        CHECK (readable (p.pull, 5000));
        sleep_ms (20);
        IS (pthread_create (&thread, NULL, pending_call, p.pull), 0);
        IS (pthread_join (thread, &result), 0);
        if (result != p.pull)
            RECV (p.pull, "kept");
    }
    still_works (p);
}

/* A thread that never has to wait ends all the same. */
static void receive_for_ever (void *s)
{
    char buf[8];
    for (;;)
        IS (zmq_recv (s, buf, sizeof buf, 0), 4);
}

static void send_for_ever (void *s)
{
    for (;;)
        IS (zmq_send (s, "busy", 4, 0), 4);
}

GROUP (always_busy)
{
    for (int i = 0; i < 3; i++) {
        pair_t p = connected (transports[i]);
        victim_t in = {.body = receive_for_ever, .argument = p.pull}, out = {.body = send_for_ever, .argument = p.push};
        set_int (p.push, ZMQ_SNDTIMEO, -1);
        begin (&in);
        begin (&out);
        sleep_ms (20);
        IS (pthread_cancel (i % 2 ? out.thread : in.thread), 0);
        ends_cancelled (i % 2 ? &out : &in);
        sleep_ms (20);
        IS (pthread_cancel (i % 2 ? in.thread : out.thread), 0);
        ends_cancelled (i % 2 ? &in : &out);
        set_int (p.pull, ZMQ_RCVTIMEO, 300);
        while (zmq_recv (p.pull, big, 4, 0) > 0)
            ;
        IS (zmq_errno (), EAGAIN);
        still_works (p);
    }
}

static void receive_kept (void *s)
{
    char buf[8];
    IS (zmq_recv (s, buf, sizeof buf, 0), 4);
    IS (zmq_send (s, "x", 1, ZMQ_DONTWAIT), -1);
}

/* A wait is not even interrupted. */
GROUP (disabled)
{
    for (int i = 0; i < 3; i++) {
        pair_t p = connected (transports[i]);
        victim_t v = {.body = receive_kept, .argument = p.pull, .state = PTHREAD_CANCEL_DISABLE};
        void *result;
        begin (&v);
        until_asleep (&v);
        IS (pthread_cancel (v.thread), 0);
        sleep_ms (20);
        SEND (p.push, "kept", 0);
        IS (pthread_join (v.thread, &result), 0);
        CHECK (!result && !v.cleaned);
        still_works (p);
    }
}

static void receive_one (void *s)
{
    char buf[8];
    IS (zmq_recv (s, buf, sizeof buf, 0), 3);
}

/* Whichever of two waiters is cancelled, the other learns of what comes. */
GROUP (second_waiter)
{
    void (*const bodies[]) (void *) = {receive, poll_one};
    for (int i = 0; i < 12; i++) {
        pair_t p = connected (transports[i / 4]);
        victim_t cancelled = {.body = bodies[i % 2], .argument = p.pull};
        victim_t other = {.body = receive_one, .argument = p.pull};
        void *result;
        struct timespec until;
        victim_t *first = i & 2 ? &other : &cancelled, *second = i & 2 ? &cancelled : &other;
        begin (first);
        until_asleep (first);
        begin (second);
        until_asleep (second);
        IS (pthread_cancel (cancelled.thread), 0);
        ends_cancelled (&cancelled);
        SEND (p.push, "one", 0);
        clock_gettime (CLOCK_REALTIME, &until);
        until.tv_sec += 3;
        IS (pthread_timedjoin_np (other.thread, &result, &until), 0);
        CHECK (!result);
        still_works (p);
    }
}

/* ---- at any moment ---------------------------------------------------------------------------------------------- */

static _Atomic uint32_t sent, received;

static void receive_numbers (void *s)
{
    uint32_t number;
    for (;;) {
        int n = zmq_recv (s, &number, sizeof number, 0);
        IS (n, 4);
        IS (number, received);
        received++;
    }
}

static void receive_numbers_polling (void *s)
{
    zmq_pollitem_t item = {s, 0, ZMQ_POLLIN, 0};
    uint32_t number;
    for (;;) {
        IS (zmq_poll (&item, 1, -1), 1);
        while (zmq_recv (s, &number, sizeof number, ZMQ_DONTWAIT) == 4) {
            IS (number, received);
            received++;
        }
    }
}

static void send_numbers (void *s)
{
    for (;;) {
        uint32_t number = sent;
        IS (zmq_send (s, &number, sizeof number, 0), 4);
        sent++;
        if (number % 64 == 0)
            sched_yield ();
    }
}

/* The sender and the receiver are cancelled in turn, and others go on where they were. */
static void at_any_moment (const char *transport, void (*receiver) (void *), int times)
{
    pair_t p = connected (transport);
    victim_t in = {.body = receiver, .argument = p.pull}, out = {.body = send_numbers, .argument = p.push};
    unsigned seed = 1;
    set_int (p.push, ZMQ_SNDTIMEO, -1);
    sent = received = 0;
    begin (&in);
    begin (&out);
    for (int i = 0; i < times; i++) {
        victim_t *v = i % 2 ? &in : &out;
        struct timespec t = {0, rand_r (&seed) % 400000};
        nanosleep (&t, NULL);
        IS (pthread_cancel (v->thread), 0);
        ends_cancelled (v);
        v->cleaned = 0;
        begin (v);
    }
    IS (pthread_cancel (out.thread), 0);
    ends_cancelled (&out);
    EVENTUALLY (received == sent, 5000);
    IS (pthread_cancel (in.thread), 0);
    ends_cancelled (&in);
    CHECK (sent > 100);
    still_works (p);
}

GROUP (at_any_moment_tcp)
{
    at_any_moment ("tcp", receive_numbers, 1000);
}

GROUP (at_any_moment_inproc)
{
    at_any_moment ("inproc", receive_numbers, 1000);
}

GROUP (at_any_moment_polling)
{
    at_any_moment ("ipc", receive_numbers_polling, 500);
    at_any_moment ("inproc", receive_numbers_polling, 500);
}

MAIN (ENTRY (receivers), ENTRY (pollers), ENTRY (senders), ENTRY (proxies), ENTRY (ending_a_context), ENTRY (sleepers),
      ENTRY (pending_before_a_call_that_need_not_wait), ENTRY_SLOW (always_busy, 15), ENTRY (disabled), ENTRY (second_waiter),
      ENTRY (at_any_moment_tcp), ENTRY (at_any_moment_inproc), ENTRY (at_any_moment_polling))
