/*
 * Several threads wait for one socket, in different calls: whoever stops waiting, and for whatever reason, leaves the
 * others able to learn of what comes. With libzmq one thread at a time may use a socket, so these stand in
 * known-differences.txt.
 */
#include "common.h"
#include <sched.h>
#include <sys/syscall.h>

enum { RECEIVE, SEND_, POLL_ };

/* One call in a thread of its own. */
typedef struct
{
    void *socket;
    int call;
    int timeout;
    pthread_t thread;
    _Atomic pid_t tid;
    int rc, error;
    _Atomic int64_t ended;
} call_t;

static char big[200000];

static void *run_call (void *arg)
{
    call_t *c = (call_t *) arg;
    char buf[8];
    c->tid = (pid_t) syscall (SYS_gettid);
    do {
        zmq_pollitem_t item = {c->socket, 0, ZMQ_POLLIN, 0};
        if (c->call == RECEIVE)
            c->rc = zmq_recv (c->socket, buf, sizeof buf, 0);
        else if (c->call == SEND_)
            c->rc = zmq_send (c->socket, big, sizeof big, 0);
        else
            c->rc = zmq_poll (&item, 1, c->timeout);
        c->error = errno;
        /* A sender goes on until it has to wait, and ends when it could not for so long. */
    } while (c->call == SEND_ && c->rc > 0);
    c->ended = now_ms ();
    return NULL;
}

/* The state of the thread in the eyes of the kernel, 0 if it has ended. */
static char state_of (pid_t tid)
{
    char path[64], line[512], *at;
    FILE *f;
    sprintf (path, "/proc/self/task/%d/stat", (int) tid);
    if (!(f = fopen (path, "r")))
        return 0;
    at = fgets (line, sizeof line, f) ? strrchr (line, ')') : NULL;
    fclose (f);
    return at ? at[2] : 0;
}

/* Waits until the thread sleeps, and goes on sleeping. False if its call has ended before. */
static int falls_asleep (call_t *c)
{
    for (int asleep = 0; asleep < 5 && !c->ended; sleep_ms (2))
        asleep = c->tid && state_of (c->tid) == 'S' ? asleep + 1 : 0;
    return !c->ended;
}

static void until_asleep (call_t *c)
{
    CHECK (falls_asleep (c));
}

/* Starts a call, with this timeout. */
static void start (call_t *c, void *socket, int call, int timeout)
{
    memset (c, 0, sizeof *c);
    c->socket = socket;
    c->call = call;
    c->timeout = timeout;
    set_int (socket, call == SEND_ ? ZMQ_SNDTIMEO : ZMQ_RCVTIMEO, timeout);
    CHECK (pthread_create (&c->thread, NULL, run_call, c) == 0);
}

/* The same, and waits until it sleeps. */
static void begin (call_t *c, void *socket, int call, int timeout)
{
    start (c, socket, call, timeout);
    until_asleep (c);
}

/* The call ended within `ms` of `since`. */
static void ends (call_t *c, int64_t since, int ms)
{
    OK (pthread_join (c->thread, NULL));
    if (c->ended - since > ms)
        fail_at (__FILE__, __LINE__, "call %d ended only after %d ms with %d", c->call, (int) (c->ended - since), c->rc);
}

static void *ctx, *us, *peer;

/* Two DEALERs that have exchanged a message. */
static void open_pair (const char *transport)
{
    char ep[EP_SIZE];
    ctx = ctx_new ();
    us = sock (ctx, ZMQ_DEALER);
    peer = sock (ctx, ZMQ_DEALER);
    set_int (us, ZMQ_SNDHWM, 2);
    set_int (peer, ZMQ_RCVHWM, 2);
    bind_any (us, transport, ep);
    OK (zmq_connect (peer, ep));
    SEND (peer, "hi", 0);
    RECV (us, "hi");
}

static void close_pair (void)
{
    OK (zmq_close (us));
    OK (zmq_close (peer));
    OK (zmq_ctx_term (ctx));
}

static const char *const transports[] = {"tcp", "ipc", "inproc"};
#define EACH_TRANSPORT(t) for (int t = 0; t < 3; t++)

/* How many times as long all takes beside others who want the processors, too: as it was at first. */
static int times (void)
{
    static _Atomic int known;
    if (!known)
        known = (int) crowd ();
    return known;
}

enum { FIRST = 500 };
#define LONG (4000 * times ())
/* A tool's threads need their time, but less than what nobody has woken. */
#define PROMPTLY ((slower () > 1 ? 3000 : 1000) * times ())

/* What came is there for the second call at once, whatever became of the first. */
static void second_is_served (call_t *second)
{
    int64_t sent = now_ms ();
    SEND (peer, "news", 0);
    ends (second, sent, PROMPTLY);
    IS (second->rc, second->call == POLL_ ? 1 : 4);
    if (second->call == POLL_)
        RECV (us, "news");
}

/* The first one's time is over while the second sleeps behind it. */
static void after_timeout (int first, int second)
{
    EACH_TRANSPORT (t) {
        call_t a, b;
        open_pair (transports[t]);
        /* On a busy machine the time may be over before the thread is seen to sleep. */
        int patience = FIRST;
        for (start (&a, us, first, patience); !falls_asleep (&a); start (&a, us, first, patience)) {
            OK (pthread_join (a.thread, NULL));
            CHECK ((patience *= 2) < LONG);
        }
        begin (&b, us, second, 2 * LONG);
        OK (pthread_join (a.thread, NULL));
        IS (a.rc, first == POLL_ ? 0 : -1);
        CHECK (first == POLL_ || a.error == EAGAIN);
        until_asleep (&b);
        second_is_served (&b);
        close_pair ();
    }
}

GROUP (receiver_after_receivers_timeout) { after_timeout (RECEIVE, RECEIVE); }
GROUP (receiver_after_senders_timeout) { after_timeout (SEND_, RECEIVE); }
GROUP (receiver_after_pollers_timeout) { after_timeout (POLL_, RECEIVE); }
GROUP (poller_after_receivers_timeout) { after_timeout (RECEIVE, POLL_); }
GROUP (poller_after_senders_timeout) { after_timeout (SEND_, POLL_); }

static void on_signal (int number) { (void) number; }

/* The first one is interrupted. */
static void after_signal (int first, int second)
{
    struct sigaction act;
    memset (&act, 0, sizeof act);
    act.sa_handler = on_signal;
    OK (sigaction (SIGUSR1, &act, NULL));
    EACH_TRANSPORT (t) {
        call_t a, b;
        open_pair (transports[t]);
        begin (&a, us, first, LONG);
        begin (&b, us, second, LONG);
        OK (pthread_kill (a.thread, SIGUSR1));
        OK (pthread_join (a.thread, NULL));
        IS (a.rc, -1);
        IS (a.error, EINTR);
        until_asleep (&b);
        second_is_served (&b);
        close_pair ();
    }
}

GROUP (receiver_after_receivers_signal) { after_signal (RECEIVE, RECEIVE); }
GROUP (receiver_after_senders_signal) { after_signal (SEND_, RECEIVE); }
GROUP (poller_after_receivers_signal) { after_signal (RECEIVE, POLL_); }

/* The first one goes on waiting, for something else: a sender that is woken by what a receiver needs. */
static void beside (int first, int second)
{
    EACH_TRANSPORT (t) {
        call_t a, b;
        open_pair (transports[t]);
        begin (&a, us, first, LONG);
        begin (&b, us, second, LONG);
        second_is_served (&b);
        if (first == SEND_) {
            /* Room for the sender: until it has sent what it had, and more, and waits again. */
            char buf[4];
            set_int (peer, ZMQ_RCVTIMEO, PROMPTLY);
            for (int i = 0; i < 20; i++)
                IS (zmq_recv (peer, buf, sizeof buf, 0), sizeof big);
            OK (zmq_ctx_shutdown (ctx));
        } else
            SEND (peer, "more", 0);
        ends (&a, now_ms (), LONG + PROMPTLY);
        close_pair ();
    }
}

GROUP (receiver_beside_a_blocked_sender) { beside (SEND_, RECEIVE); }
GROUP (poller_beside_a_blocked_sender) { beside (SEND_, POLL_); }

/* A sender gets its room while a receiver sleeps in front of it. */
GROUP (sender_behind_a_receiver)
{
    EACH_TRANSPORT (t) {
        call_t a, b;
        char buf[4];
        open_pair (transports[t]);
        begin (&a, us, RECEIVE, LONG);
        begin (&b, us, SEND_, LONG);
        set_int (peer, ZMQ_RCVTIMEO, PROMPTLY);
        for (int i = 0; i < 20; i++)
            IS (zmq_recv (peer, buf, sizeof buf, 0), sizeof big);
        SEND (peer, "news", 0);
        ends (&a, now_ms (), PROMPTLY);
        IS (a.rc, 4);
        OK (zmq_ctx_shutdown (ctx));
        ends (&b, now_ms (), PROMPTLY);
        IS (b.error, ETERM);
        close_pair ();
    }
}

/* As many messages as threads: the one that is woken takes one, the others the rest. */
GROUP (as_many_receivers_as_messages)
{
    enum { THREADS = 4 };
    EACH_TRANSPORT (t) {
        call_t calls[THREADS];
        int64_t sent;
        open_pair (transports[t]);
        for (int i = 0; i < THREADS; i++)
            begin (&calls[i], us, RECEIVE, LONG);
        sent = now_ms ();
        for (int i = 0; i < THREADS; i++)
            SEND (peer, "news", 0);
        for (int i = 0; i < THREADS; i++) {
            ends (&calls[i], sent, PROMPTLY);
            IS (calls[i].rc, 4);
        }
        close_pair ();
    }
}

/* A thread that does not wait reads two messages at once and takes one: the other is the waiting thread's. */
GROUP (what_another_thread_has_read)
{
    for (int t = 0; t < 2; t++) {
        open_pair (transports[t]);
        for (int round = 0; round < 300; round++) {
            call_t a;
            char buf[8];
            int64_t sent;
            memset (&a, 0, sizeof a);
            a.socket = us;
            a.call = RECEIVE;
            CHECK (pthread_create (&a.thread, NULL, run_call, &a) == 0);
            while (!a.tid || (round % 4 == 0 && state_of (a.tid) != 'S'))
                sched_yield ();
            /* Both in one piece: parts leave with the last one. */
            SEND (peer, "1", ZMQ_DONTWAIT);
            SEND (peer, "2", ZMQ_DONTWAIT);
            sent = now_ms ();
            while (zmq_recv (us, buf, sizeof buf, ZMQ_DONTWAIT) == -1)
                CHECK (errno == EAGAIN && now_ms () - sent < PROMPTLY);
            ends (&a, sent, PROMPTLY);
            IS (a.rc, 1);
        }
        close_pair ();
    }
}

/* All threads to come share a processor with this one. */
static void share_a_processor (void)
{
    cpu_set_t set;
    int cpu;
    OK (sched_getaffinity (0, sizeof set, &set));
    for (cpu = 0; !CPU_ISSET (cpu, &set); cpu++)
        ;
    CPU_ZERO (&set);
    CPU_SET (cpu, &set);
    OK (sched_setaffinity (0, sizeof set, &set));
}

enum { AT_EVENTS, FOR_INPUT, FOR_ROOM, LOOKS };

/* A look of another thread, which receives nothing. */
static void look (int how)
{
    zmq_pollitem_t item = {us, 0, how == FOR_INPUT ? ZMQ_POLLIN : ZMQ_POLLOUT, 0};
    if (how == AT_EVENTS)
        get_int (us, ZMQ_EVENTS);
    else
        OK (zmq_poll (&item, 1, 0));
}

/* The kernel has woken a thread that sleeps on the socket, and before it comes to look (whoever is woken in SCHED_BATCH
 * takes nobody's processor away) another one has looked and taken what there was to see: it tells the first. */
static void another_looks (int call, int peers)
{
    struct sched_param none = {0};
    share_a_processor ();
    for (int t = 0; t < 2; t++) {
        char ep[EP_SIZE];
        size_t size = sizeof ep;
        void *second = NULL;
        open_pair (transports[t]);
        if (peers == 2) {
            OK (zmq_getsockopt (us, ZMQ_LAST_ENDPOINT, ep, &size));
            second = sock (ctx, ZMQ_DEALER);
            OK (zmq_connect (second, ep));
            SEND (second, "hi", 0);
            RECV (us, "hi");
        }
        for (int round = 0; round < 8 * LOOKS; round++) {
            call_t a;
            int64_t sent;
            begin (&a, us, call, LONG);
            OK (sched_setscheduler (a.tid, SCHED_BATCH, &none));
            sent = now_ms ();
            SEND (peer, "news", 0);
            look (round % LOOKS);
            ends (&a, sent, PROMPTLY);
            IS (a.rc, call == POLL_ ? 1 : 4);
            if (call == POLL_)
                RECV (us, "news");
        }
        if (second)
            OK (zmq_close (second));
        close_pair ();
    }
}

GROUP (receiver_while_another_looks) { another_looks (RECEIVE, 1); }
GROUP (receiver_while_another_looks_at_two_peers) { another_looks (RECEIVE, 2); }
GROUP (poller_while_another_looks) { another_looks (POLL_, 1); }
GROUP (poller_while_another_looks_at_two_peers) { another_looks (POLL_, 2); }

/* All of them end with the context, and with the socket. */
GROUP (all_end_with_what_they_wait_for)
{
    for (int round = 0; round < 6; round++) {
        call_t calls[3];
        int64_t since;
        int closes = round % 2;
        open_pair (transports[round / 2]);
        begin (&calls[0], us, SEND_, -1);
        begin (&calls[1], us, RECEIVE, -1);
        begin (&calls[2], us, POLL_, -1);
        since = now_ms ();
        if (closes)
            OK (zmq_close (us));
        else
            OK (zmq_ctx_shutdown (ctx));
        for (int i = 0; i < 3; i++) {
            ends (&calls[i], since, PROMPTLY);
            IS (calls[i].rc, -1);
            IS (calls[i].error, closes ? ENOTSOCK : ETERM);
        }
        if (!closes)
            OK (zmq_close (us));
        OK (zmq_close (peer));
        OK (zmq_ctx_term (ctx));
    }
}

static _Atomic int turn;

static void *poll_now (void *arg)
{
    call_t *c = arg;
    zmq_pollitem_t item = {c->socket, 0, ZMQ_POLLIN, 0};
    turn = 1;
    c->rc = zmq_poll (&item, 1, c->timeout);
    c->error = errno;
    c->ended = now_ms ();
    return NULL;
}

/* A socket is closed at whatever moment of a call that begins to wait for it: the call says so, not that some descriptor is
 * none. */
GROUP (closed_while_a_poll_begins)
{
    for (int round = 0; round < 600; round++) {
        call_t c;
        int64_t since;
        open_pair (transports[round % 2]);
        memset (&c, 0, sizeof c);
        c.socket = us;
        c.timeout = -1;
        turn = 0;
        OK (pthread_create (&c.thread, NULL, poll_now, &c));
        while (!turn)
            sched_yield ();
        for (volatile int i = 0; i < round * 50; i++)
            ;
        since = now_ms ();
        OK (zmq_close (us));
        ends (&c, since, PROMPTLY);
        IS (c.rc, -1);
        IS (c.error, ENOTSOCK);
        OK (zmq_close (peer));
        OK (zmq_ctx_term (ctx));
    }
}

#undef WATCHDOG
#define WATCHDOG 12
MAIN (ENTRY (receiver_after_receivers_timeout), ENTRY (receiver_after_senders_timeout), ENTRY (receiver_after_pollers_timeout),
      ENTRY (poller_after_receivers_timeout), ENTRY (poller_after_senders_timeout), ENTRY (receiver_after_receivers_signal),
      ENTRY (receiver_after_senders_signal), ENTRY (poller_after_receivers_signal), ENTRY (receiver_beside_a_blocked_sender),
      ENTRY (poller_beside_a_blocked_sender), ENTRY (sender_behind_a_receiver), ENTRY (as_many_receivers_as_messages),
      ENTRY (what_another_thread_has_read), ENTRY (receiver_while_another_looks),
      ENTRY (receiver_while_another_looks_at_two_peers), ENTRY (poller_while_another_looks),
      ENTRY (poller_while_another_looks_at_two_peers), ENTRY (all_end_with_what_they_wait_for), ENTRY (closed_while_a_poll_begins))
