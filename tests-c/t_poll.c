/* zmq_poll(3) and the contract of ZMQ_FD (zmq_getsockopt(3)). */
#include "common.h"

GROUP (arguments)
{
    zmq_pollitem_t item = {NULL, -1, ZMQ_POLLIN, 0};
    FAILS (zmq_poll (NULL, 1, 0), EFAULT);
    FAILS (zmq_poll (&item, -1, 0), EINVAL);
    IS (zmq_poll (NULL, 0, 0), 0);
    int64_t start = now_ms ();
    IS (zmq_poll (NULL, 0, 60), 0);
    CHECK (now_ms () - start >= 58);
}

GROUP (sockets)
{
    static const char *const transports[] = {"inproc", "tcp", "ipc"};
    for (int t = 0; t < 3; t++) {
        void *ctx = ctx_new (), *a = sock (ctx, ZMQ_PAIR), *b = sock (ctx, ZMQ_PAIR);
        char ep[EP_SIZE];
        bind_any (a, transports[t], ep);
        OK (zmq_connect (b, ep));
        zmq_pollitem_t items[2] = {{a, 0, ZMQ_POLLIN, 7}, {b, 0, ZMQ_POLLIN | ZMQ_POLLOUT, 7}};
        IS (zmq_poll (items, 2, 0), 1);
        IS (items[0].revents, 0);
        IS (items[1].revents, ZMQ_POLLOUT);
        SEND (b, "x", 0);
        items[1].events = 0;
        IS (zmq_poll (items, 2, -1), 1);
        IS (items[0].revents, ZMQ_POLLIN);
        IS (items[1].revents, 0);
        /* Level-triggered: still there. */
        IS (zmq_poll (items, 1, 0), 1);
        RECV (a, "x");
        IS (zmq_poll (items, 1, 0), 0);
        IS (items[0].revents, 0);
        OK (zmq_close (a));
        OK (zmq_close (b));
        OK (zmq_ctx_term (ctx));
    }
}

GROUP (timeouts)
{
    void *ctx = ctx_new (), *a = sock (ctx, ZMQ_PULL);
    char ep[EP_SIZE];
    bind_any (a, "tcp", ep);
    zmq_pollitem_t item = {a, 0, ZMQ_POLLIN, 0};
    static const int waits[] = {0, 1, 50, 200};
    for (int i = 0; i < 4; i++) {
        int64_t start = now_ms ();
        IS (zmq_poll (&item, 1, waits[i]), 0);
        int took = (int) (now_ms () - start);
        CHECK (took >= waits[i] - 2 && took < waits[i] + 1000);
    }
    OK (zmq_close (a));
    OK (zmq_ctx_term (ctx));
}

GROUP (descriptors_and_sockets)
{
    void *ctx = ctx_new (), *a = sock (ctx, ZMQ_PULL), *b = sock (ctx, ZMQ_PUSH);
    char ep[EP_SIZE];
    int fds[2];
    CHECK (pipe (fds) == 0);
    bind_any (a, "tcp", ep);
    OK (zmq_connect (b, ep));
    zmq_pollitem_t items[3] = {{a, 0, ZMQ_POLLIN, 0}, {NULL, fds[0], ZMQ_POLLIN, 0}, {NULL, fds[1], ZMQ_POLLOUT, 0}};
    IS (zmq_poll (items, 2, 0), 0);
    IS (zmq_poll (items, 3, 0), 1);
    IS (items[2].revents, ZMQ_POLLOUT);
    CHECK (write (fds[1], "x", 1) == 1);
    IS (zmq_poll (items, 2, -1), 1);
    IS (items[0].revents, 0);
    IS (items[1].revents, ZMQ_POLLIN);
    SEND (b, "x", 0);
    EVENTUALLY (zmq_poll (items, 2, -1) == 2, 5000);
    IS (items[0].revents, ZMQ_POLLIN);
    /* The writer hangs up: an error condition on a plain descriptor. */
    close (fds[1]);
    char c;
    CHECK (read (fds[0], &c, 1) == 1);
    IS (zmq_poll (items + 1, 1, -1), 1);
    CHECK (items[1].revents & (ZMQ_POLLERR | ZMQ_POLLIN));
    close (fds[0]);
    /* The socket wins where both are given. */
    zmq_pollitem_t both = {a, fds[0], ZMQ_POLLIN, 0};
    IS (zmq_poll (&both, 1, 0), 1);
    OK (zmq_close (a));
    OK (zmq_close (b));
    OK (zmq_ctx_term (ctx));
}

GROUP (urgent_data)
{
    struct sockaddr_in addr;
    socklen_t len = sizeof addr;
    int l = socket (AF_INET, SOCK_STREAM, 0);
    memset (&addr, 0, sizeof addr);
    addr.sin_family = AF_INET;
    addr.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    CHECK (bind (l, (struct sockaddr *) &addr, sizeof addr) == 0 && listen (l, 1) == 0);
    CHECK (getsockname (l, (struct sockaddr *) &addr, &len) == 0);
    int c = socket (AF_INET, SOCK_STREAM, 0);
    CHECK (connect (c, (struct sockaddr *) &addr, sizeof addr) == 0);
    int s = accept (l, NULL, NULL);
    CHECK (send (c, "!", 1, MSG_OOB) == 1);
    zmq_pollitem_t item = {NULL, s, ZMQ_POLLPRI, 0};
    IS (zmq_poll (&item, 1, 2000), 1);
    IS (item.revents, ZMQ_POLLPRI);
    /* Of what there is, that which was asked for. */
    CHECK (send (c, "?", 1, 0) == 1);
    for (short events = 0; events < 16; events++) {
        short there = events & (ZMQ_POLLIN | ZMQ_POLLOUT | ZMQ_POLLPRI);
        item.events = ZMQ_POLLIN;
        IS (zmq_poll (&item, 1, 2000), 1);
        item.events = events;
        IS (zmq_poll (&item, 1, 0), there != 0);
        IS (item.revents, there);
    }
    close (s);
    close (c);
    close (l);
}

GROUP (one_socket_twice)
{
    void *ctx = ctx_new (), *a = sock (ctx, ZMQ_PAIR), *b = sock (ctx, ZMQ_PAIR);
    char ep[EP_SIZE];
    bind_any (a, "inproc", ep);
    OK (zmq_connect (b, ep));
    SEND (b, "x", 0);
    zmq_pollitem_t items[2] = {{a, 0, ZMQ_POLLIN, 0}, {a, 0, ZMQ_POLLOUT, 0}};
    IS (zmq_poll (items, 2, 1000), 2);
    IS (items[0].revents, ZMQ_POLLIN);
    IS (items[1].revents, ZMQ_POLLOUT);
    OK (zmq_close (a));
    OK (zmq_close (b));
    OK (zmq_ctx_term (ctx));
}

static void *send_later (void *s)
{
    sleep_ms (50);
    IS (zmq_send (s, "woken", 5, 0), 5);
    return NULL;
}

GROUP (blocked_poll_is_woken)
{
    static const char *const transports[] = {"inproc", "tcp", "ipc"};
    for (int t = 0; t < 3; t++) {
        void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *in2 = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
        char ep[EP_SIZE];
        pthread_t thread;
        bind_any (in2, "tcp", ep);
        bind_any (in, transports[t], ep);
        OK (zmq_connect (out, ep));
        pthread_create (&thread, NULL, send_later, out);
        zmq_pollitem_t items[2] = {{in2, 0, ZMQ_POLLIN, 0}, {in, 0, ZMQ_POLLIN, 0}};
        IS (zmq_poll (items, 2, -1), 1);
        IS (items[1].revents, ZMQ_POLLIN);
        RECV (in, "woken");
        pthread_join (thread, NULL);
        OK (zmq_close (in));
        OK (zmq_close (in2));
        OK (zmq_close (out));
        OK (zmq_ctx_term (ctx));
    }
}

static void *bind_later (void *ep)
{
    void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL);
    sleep_ms (50);
    OK (zmq_bind (in, (char *) ep));
    RECV (in, "x");
    OK (zmq_close (in));
    OK (zmq_ctx_term (ctx));
    return NULL;
}

/* POLLOUT appears when a peer does. */
GROUP (poll_out_waits_for_a_peer)
{
    void *ctx = ctx_new (), *out = sock (ctx, ZMQ_PUSH);
    char ep[EP_SIZE];
    pthread_t thread;
    free_tcp (ep);
    set_int (out, ZMQ_IMMEDIATE, 1);
    set_int (out, ZMQ_RECONNECT_IVL, 10);
    OK (zmq_connect (out, ep));
    pthread_create (&thread, NULL, bind_later, ep);
    CHECK (writable (out, 10000));
    SEND (out, "x", 0);
    pthread_join (thread, NULL);
    OK (zmq_close (out));
    OK (zmq_ctx_term (ctx));
}

/* ---- EINTR -------------------------------------------------------------------------------------------------------- */

static volatile int signalled;
static void on_signal (int number)
{
    (void) number;
    signalled++;
}

static void catch_usr1 (void)
{
    struct sigaction action;
    memset (&action, 0, sizeof action);
    action.sa_handler = on_signal;
    CHECK (sigaction (SIGUSR1, &action, NULL) == 0);
}

/* Sends the caller's thread signals until told to stop; the first may come before the call blocks. */
static pthread_t victim;
static _Atomic int stop_signals;
static void *signaller (void *unused)
{
    (void) unused;
    while (!stop_signals) {
        sleep_ms (30);
        pthread_kill (victim, SIGUSR1);
    }
    return NULL;
}

#define WITH_SIGNALS(call)                                                                                             \
    do {                                                                                                               \
        pthread_t thread_;                                                                                             \
        victim = pthread_self ();                                                                                      \
        stop_signals = 0;                                                                                              \
        pthread_create (&thread_, NULL, signaller, NULL);                                                              \
        FAILS (call, EINTR);                                                                                           \
        stop_signals = 1;                                                                                              \
        pthread_join (thread_, NULL);                                                                                  \
    } while (0)

GROUP (interrupted)
{
    void *ctx = ctx_new (), *pull = sock (ctx, ZMQ_PULL), *push = sock (ctx, ZMQ_PUSH);
    char ep[EP_SIZE], buf[8];
    int fds[2];
    CHECK (pipe (fds) == 0);
    catch_usr1 ();
    bind_any (pull, "tcp", ep);
    zmq_pollitem_t item = {pull, 0, ZMQ_POLLIN, 0}, plain = {NULL, fds[0], ZMQ_POLLIN, 0};
    WITH_SIGNALS (zmq_poll (&item, 1, -1));
    WITH_SIGNALS (zmq_poll (&item, 1, 10000));
    WITH_SIGNALS (zmq_poll (&plain, 1, -1));
    WITH_SIGNALS (zmq_recv (pull, buf, sizeof buf, 0));
    WITH_SIGNALS (zmq_send (push, "x", 1, 0));
    set_int (pull, ZMQ_RCVTIMEO, 10000);
    WITH_SIGNALS (zmq_recv (pull, buf, sizeof buf, 0));
    /* Unharmed. */
    OK (zmq_connect (push, ep));
    SEND (push, "x", 0);
    RECV (pull, "x");
    CHECK (signalled >= 6);
    OK (zmq_close (pull));
    OK (zmq_close (push));
    OK (zmq_ctx_term (ctx));
}

/* ---- ZMQ_FD ------------------------------------------------------------------------------------------------------- */

static int fd_ready (int fd, int ms)
{
    struct pollfd p = {fd, POLLIN, 0};
    return poll (&p, 1, ms) == 1;
}

/* The loop every binding has: wait for the descriptor, read ZMQ_EVENTS, receive until EAGAIN. No message may be missed. */
GROUP (fd_event_loop)
{
    static const char *const transports[] = {"inproc", "tcp", "ipc"};
    for (int t = 0; t < 3; t++) {
        void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
        char ep[EP_SIZE], buf[16];
        int fd, got = 0;
        bind_any (in, transports[t], ep);
        OK (zmq_connect (out, ep));
        fd = get_int (in, ZMQ_FD);
        CHECK (fd >= 0);
        IS (get_int (in, ZMQ_FD), fd);
        for (int burst = 0; burst < 30; burst++) {
            for (int i = 0; i <= burst; i++)
                SEND (out, "x", 0);
            for (int want = got + burst + 1; got < want;) {
                while (!(get_int (in, ZMQ_EVENTS) & ZMQ_POLLIN))
                    CHECK (fd_ready (fd, 5000));
                while (zmq_recv (in, buf, sizeof buf, ZMQ_DONTWAIT) == 1)
                    got++;
                IS (errno, EAGAIN);
            }
        }
        OK (zmq_close (in));
        OK (zmq_close (out));
        OK (zmq_ctx_term (ctx));
    }
}

/* Edge-triggered: after ZMQ_EVENTS was read the descriptor is quiet until something new, even with messages unread. */
GROUP (fd_is_edge_triggered)
{
    void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
    char ep[EP_SIZE];
    bind_any (in, "tcp", ep);
    OK (zmq_connect (out, ep));
    int fd = get_int (in, ZMQ_FD);
    SEND (out, "1", 0);
    CHECK (fd_ready (fd, 5000));
    EVENTUALLY (get_int (in, ZMQ_EVENTS) & ZMQ_POLLIN, 5000);
    CHECK (!fd_ready (fd, 50));
    IS (get_int (in, ZMQ_EVENTS), ZMQ_POLLIN);
    RECV (in, "1");
    CHECK (!fd_ready (fd, 50));
    IS (get_int (in, ZMQ_EVENTS), 0);
    SEND (out, "2", 0);
    CHECK (fd_ready (fd, 5000));
    EVENTUALLY (get_int (in, ZMQ_EVENTS) & ZMQ_POLLIN, 5000);
    RECV (in, "2");
    OK (zmq_close (in));
    OK (zmq_close (out));
    OK (zmq_ctx_term (ctx));
}

/* An idle socket's descriptor does not keep a loop busy. */
GROUP (fd_quiet_when_idle)
{
    void *ctx = ctx_new (), *in = sock (ctx, ZMQ_DEALER), *out = sock (ctx, ZMQ_DEALER);
    char ep[EP_SIZE];
    bind_any (in, "tcp", ep);
    OK (zmq_connect (out, ep));
    SEND (out, "x", 0);
    RECV (in, "x");
    sleep_ms (50);
    int fd = get_int (in, ZMQ_FD), wakes = 0;
    for (int64_t until = now_ms () + 150; now_ms () < until;)
        if (fd_ready (fd, 20)) {
            get_int (in, ZMQ_EVENTS);
            wakes++;
        }
    CHECK (wakes <= 3);
    OK (zmq_close (in));
    OK (zmq_close (out));
    OK (zmq_ctx_term (ctx));
}

/* Becoming writable again is an event too. */
GROUP (fd_tells_writable)
{
    void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
    char ep[EP_SIZE], buf[4];
    set_int (out, ZMQ_SNDHWM, 2);
    set_int (in, ZMQ_RCVHWM, 2);
    bind_any (in, "inproc", ep);
    OK (zmq_connect (out, ep));
    int fd = get_int (out, ZMQ_FD);
    while (zmq_send (out, "x", 1, ZMQ_DONTWAIT) == 1)
        ;
    IS (get_int (out, ZMQ_EVENTS), 0);
    while (zmq_recv (in, buf, sizeof buf, ZMQ_DONTWAIT) == 1)
        ;
    CHECK (fd_ready (fd, 5000));
    IS (get_int (out, ZMQ_EVENTS), ZMQ_POLLOUT);
    OK (zmq_close (in));
    OK (zmq_close (out));
    OK (zmq_ctx_term (ctx));
}

GROUP (many_sockets_in_one_poll)
{
    enum { N = 150 };
    void *ctx = ctx_new (), *in[N], *out[N];
    static zmq_pollitem_t items[N];
    char ep[EP_SIZE];
    for (int i = 0; i < N; i++) {
        in[i] = sock (ctx, ZMQ_PULL);
        out[i] = sock (ctx, ZMQ_PUSH);
        bind_any (in[i], "inproc", ep);
        OK (zmq_connect (out[i], ep));
        items[i].socket = in[i];
        items[i].events = ZMQ_POLLIN;
    }
    IS (zmq_poll (items, N, 0), 0);
    for (int i = 0; i < N; i += 7)
        SEND (out[i], "x", 0);
    IS (zmq_poll (items, N, 1000), (N + 6) / 7);
    for (int i = 0; i < N; i++)
        IS (items[i].revents, i % 7 ? 0 : ZMQ_POLLIN);
    for (int i = 0; i < N; i++) {
        OK (zmq_close (in[i]));
        OK (zmq_close (out[i]));
    }
    OK (zmq_ctx_term (ctx));
}

typedef struct
{
    zmq_pollitem_t *items;
    int count, rc, error;
} poll_t;

static void *poll_again_and_again (void *arg)
{
    poll_t *p = (poll_t *) arg;
    do
        p->rc = zmq_poll (p->items, p->count, -1);
    while (p->rc == 1 && p->items[0].revents == 0 && zmq_recv (p->items[1].socket, NULL, 0, 0) >= 0);
    p->error = errno;
    return NULL;
}

/* Asleep, with another thread at the sockets, until the context ends. */
static void polled_until_the_end (void *ctx, zmq_pollitem_t *items, int count, void **in, void **out)
{
    poll_t p = {items, count, 0, 0};
    pthread_t thread;
    OK (zmq_close (items[0].socket));
    OK (zmq_close (out[0]));
    items[0].socket = in[0] = sock (ctx, ZMQ_PULL);
    out[0] = NULL;
    pthread_create (&thread, NULL, poll_again_and_again, &p);
    for (int k = 0; k < 100; k++) {
        SEND (out[1], "x", 0);
        if (k % 10 == 0)
            sleep_ms (3);
        FAILS (zmq_recv (in[5], NULL, 0, ZMQ_DONTWAIT), EAGAIN);
    }
    sleep_ms (20);
    OK (zmq_ctx_shutdown (ctx));
    pthread_join (thread, NULL);
    IS (p.rc, -1);
    IS (p.error, ETERM);
}

/* A thread that polls the same sockets again and again sees every message, wherever it comes from and whoever else
 * looks at the sockets; also when one is closed and another takes its place, and when the context ends. */
GROUP (the_same_sockets_again)
{
    enum { N = 9 };
    static const char *const transports[] = {"tcp", "inproc", "ipc"};
    void *ctx = ctx_new (), *in[N], *out[N];
    zmq_pollitem_t items[N];
    char ep[EP_SIZE];
    for (int i = 0; i < N; i++) {
        in[i] = sock (ctx, ZMQ_DEALER);
        out[i] = sock (ctx, ZMQ_DEALER);
        bind_any (in[i], transports[i % 3], ep);
        /* Some have no connection yet when they are polled first. */
        if (i < 6)
            OK (zmq_connect (out[i], ep));
        items[i] = (zmq_pollitem_t){in[i], 0, ZMQ_POLLIN, 0};
        for (int k = 0; k < (i < 6 ? 0 : 10); k++)
            IS (zmq_poll (items, i + 1, 0), 0);
        if (i >= 6)
            OK (zmq_connect (out[i], ep));
    }
    for (int round = 0; round < 300; round++) {
        int i = round * 7 % N;
        if (round % 50 == 20) {
            /* Another socket, perhaps at the same address, with a set of its own. */
            OK (zmq_close (in[i]));
            OK (zmq_close (out[i]));
            in[i] = items[i].socket = sock (ctx, ZMQ_DEALER);
            out[i] = sock (ctx, ZMQ_DEALER);
            bind_any (in[i], transports[round / 50 % 3], ep);
            OK (zmq_connect (out[i], ep));
        }
        /* Sleeping, spinning and looking once. */
        IS (zmq_poll (items, N, round % 3), 0);
        SEND (out[i], "1", 0);
        if (round % 2)
            SEND (out[i], "2", 0);
        if (round % 5 == 0)
            EVENTUALLY (zmq_poll (items, N, 0) == 1, 5000);
        else
            IS (zmq_poll (items, N, 5000), 1);
        for (int k = 0; k < N; k++)
            IS (items[k].revents, k == i ? ZMQ_POLLIN : 0);
        RECV (in[i], "1");
        if (round % 2) {
            if (round % 4 == 1)
                IS (zmq_poll (items, N, 5000), 1);
            RECV (in[i], "2");
        }
        /* The other direction does not disturb. */
        SEND (in[i], "back", 0);
        RECV (out[i], "back");
    }
    polled_until_the_end (ctx, items, N, in, out);
    for (int i = 0; i < N; i++) {
        OK (zmq_close (in[i]));
        if (out[i])
            OK (zmq_close (out[i]));
    }
    OK (zmq_ctx_term (ctx));
}

/* Room to send is no reason not to look for something to receive, with few sockets or with many; and a message that comes
 * while the poll waits ends it, whichever socket it is for. */
GROUP (in_beside_out)
{
    enum { N = 70 };
    void *ctx = ctx_new (), *pair[N], *peer[N];
    zmq_pollitem_t items[N];
    char ep[EP_SIZE];
    for (int i = 0; i < N; i++) {
        pair[i] = sock (ctx, ZMQ_PAIR);
        peer[i] = sock (ctx, ZMQ_PAIR);
        bind_any (pair[i], i % 2 ? "tcp" : "ipc", ep);
        OK (zmq_connect (peer[i], ep));
        SEND (peer[i], "hello", 0);
        RECV (pair[i], "hello");
        items[i] = (zmq_pollitem_t){pair[i], 0, ZMQ_POLLIN | ZMQ_POLLOUT, 0};
    }
    for (int i = 0; i < N; i += 23)
        SEND (peer[i], "news", 0);
    for (int i = 0; i < N; i += 23) {
        int count = i ? N : 1, until = 5000;
        do {
            IS (zmq_poll (items, count, 1000), count);
            usleep (1000);
        } while (!(items[i].revents & ZMQ_POLLIN) && --until);
        IS (items[i].revents, ZMQ_POLLIN | ZMQ_POLLOUT);
        RECV (pair[i], "news");
    }
    for (int i = 0; i < N; i++)
        items[i].events = ZMQ_POLLIN;
    IS (zmq_poll (items, N, 20), 0);
    for (int round = 0; round < 100; round++) {
        int to = round * 31 % N;
        SEND (peer[to], "one", 0);
        IS (zmq_poll (items, N, 5000), 1);
        for (int i = 0; i < N; i++)
            IS (items[i].revents, i == to ? ZMQ_POLLIN : 0);
        RECV (pair[to], "one");
    }
    for (int i = 0; i < N; i++) {
        OK (zmq_close (pair[i]));
        OK (zmq_close (peer[i]));
    }
    OK (zmq_ctx_term (ctx));
}

MAIN (ENTRY (arguments), ENTRY (sockets), ENTRY (timeouts), ENTRY (descriptors_and_sockets), ENTRY (urgent_data),
      ENTRY (one_socket_twice), ENTRY (blocked_poll_is_woken), ENTRY (poll_out_waits_for_a_peer), ENTRY (interrupted),
      ENTRY (fd_event_loop), ENTRY (fd_is_edge_triggered), ENTRY (fd_quiet_when_idle), ENTRY (fd_tells_writable),
      ENTRY (many_sockets_in_one_poll), ENTRY (the_same_sockets_again), ENTRY (in_beside_out))
