/* High-water marks, linger, IMMEDIATE, CONFLATE, timeouts. zmq_setsockopt(3); zmq_socket(3), "Mute state". */
#include "common.h"

static int fill (void *s, const char *body, int limit)
{
    int sent = 0;
    while (sent < limit && zmq_send (s, body, strlen (body), ZMQ_DONTWAIT) != -1)
        sent++;
    if (sent < limit)
        IS (errno, EAGAIN);
    return sent;
}

static int drain (void *s)
{
    char buf[16];
    int got = 0;
    while (zmq_recv (s, buf, sizeof buf, ZMQ_DONTWAIT) != -1)
        got++;
    IS (errno, EAGAIN);
    return got;
}

/* inproc: the sum of both marks; 0 on either side is no limit. */
GROUP (inproc_sums_both_marks)
{
    static const struct { int send, receive, want; } cases[] = {{1, 1, 2}, {2, 3, 5}, {10, 10, 20}, {1, 0, -1}, {0, 1, -1}, {0, 0, -1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int sender_binds = 0; sender_binds < 2; sender_binds++) {
            void *ctx = ctx_new (), *push = sock (ctx, ZMQ_PUSH), *pull = sock (ctx, ZMQ_PULL);
            char ep[EP_SIZE];
            set_int (push, ZMQ_SNDHWM, cases[i].send);
            set_int (pull, ZMQ_RCVHWM, cases[i].receive);
            bind_any (sender_binds ? push : pull, "inproc", ep);
            OK (zmq_connect (sender_binds ? pull : push, ep));
            IS (fill (push, "x", 5000), cases[i].want == -1 ? 5000 : cases[i].want);
            IS (drain (pull), cases[i].want == -1 ? 5000 : cases[i].want);
            OK (zmq_close (push));
            OK (zmq_close (pull));
            OK (zmq_ctx_term (ctx));
        }
}

/* A multipart message counts as one; a refused part refuses from the first on. */
GROUP (multipart_counts_once)
{
    void *ctx = ctx_new (), *push = sock (ctx, ZMQ_PUSH), *pull = sock (ctx, ZMQ_PULL);
    char ep[EP_SIZE], buf[8];
    set_int (push, ZMQ_SNDHWM, 2);
    set_int (pull, ZMQ_RCVHWM, 2);
    bind_any (pull, "inproc", ep);
    OK (zmq_connect (push, ep));
    for (int i = 0; i < 4; i++) {
        IS (zmq_send (push, "1", 1, ZMQ_SNDMORE | ZMQ_DONTWAIT), 1);
        IS (zmq_send (push, "2", 1, ZMQ_SNDMORE | ZMQ_DONTWAIT), 1);
        IS (zmq_send (push, "3", 1, ZMQ_DONTWAIT), 1);
    }
    FAILS (zmq_send (push, "1", 1, ZMQ_SNDMORE | ZMQ_DONTWAIT), EAGAIN);
    for (int i = 0; i < 12; i++)
        IS (zmq_recv (pull, buf, sizeof buf, 0), 1);
    FAILS (zmq_recv (pull, buf, sizeof buf, ZMQ_DONTWAIT), EAGAIN);
    OK (zmq_close (push));
    OK (zmq_close (pull));
    OK (zmq_ctx_term (ctx));
}

/* Without a peer a connecting socket queues up to its own mark, then blocks or drops. */
GROUP (queue_before_the_peer)
{
    static const struct { int type, type_of_peer; } cases[] = {{ZMQ_PUSH, ZMQ_PULL}, {ZMQ_DEALER, ZMQ_DEALER}, {ZMQ_PAIR, ZMQ_PAIR}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        void *ctx = ctx_new (), *out = sock (ctx, cases[i].type), *in;
        char ep[EP_SIZE], buf[8];
        free_tcp (ep);
        set_int (out, ZMQ_SNDHWM, 7);
        set_int (out, ZMQ_RECONNECT_IVL, 10);
        OK (zmq_connect (out, ep));
        IS (fill (out, "x", 1000), 7);
        CHECK (!writable (out, 0));
        in = sock (ctx, cases[i].type_of_peer);
        OK (zmq_bind (in, ep));
        for (int k = 0; k < 7; k++)
            IS (zmq_recv (in, buf, sizeof buf, 0), 1);
        CHECK (writable (out, 5000));
        OK (zmq_close (out));
        OK (zmq_close (in));
        OK (zmq_ctx_term (ctx));
    }
}

/* tcp: both marks bound what is queued, beside what the kernel holds. */
GROUP (tcp_bounds)
{
    void *ctx = ctx_new (), *push = sock (ctx, ZMQ_PUSH), *pull = sock (ctx, ZMQ_PULL);
    static char body[65536];
    char ep[EP_SIZE];
    int sent = 0, quiet = 0, n;
    set_int (push, ZMQ_SNDHWM, 5);
    set_int (pull, ZMQ_RCVHWM, 5);
    set_int (push, ZMQ_SNDBUF, 65536);
    set_int (pull, ZMQ_RCVBUF, 65536);
    bind_any (pull, "tcp", ep);
    OK (zmq_connect (push, ep));
    /* Until nothing goes for a while. */
    while (quiet < 50) {
        if (zmq_send (push, body, sizeof body, ZMQ_DONTWAIT) != -1) {
            sent++;
            quiet = 0;
        } else {
            IS (errno, EAGAIN);
            quiet++;
            sleep_ms (5);
        }
        CHECK (sent < 200);
    }
    CHECK (sent >= 5);
    set_int (pull, ZMQ_RCVTIMEO, 5000);
    for (n = 0; n < sent; n++)
        IS (zmq_recv (pull, body, sizeof body, 0), sizeof body);
    FAILS (zmq_recv (pull, body, sizeof body, ZMQ_DONTWAIT), EAGAIN);
    SEND (push, "goes on", 0);
    RECV (pull, "goes on");
    OK (zmq_close (push));
    OK (zmq_close (pull));
    OK (zmq_ctx_term (ctx));
}

/* Receivers that are away take a full queue each, and the sender has one more for each of them: so much is taken before
   it stops, whatever the kernel holds between, as long as that is less than half of the mark. */
static void both_marks (const char *transport, size_t size)
{
    enum { PULLS = 3, MARK = 200 };
    void *ctx = ctx_new (), *push = sock (ctx, ZMQ_PUSH), *pulls[PULLS];
    char ep[EP_SIZE], *body = calloc (1, size);
    int sent = 0, got = 0;
    set_int (push, ZMQ_SNDHWM, MARK);
    set_int (push, ZMQ_SNDBUF, 4096);
    bind_any (push, transport, ep);
    for (int i = 0; i < PULLS; i++) {
        pulls[i] = sock (ctx, ZMQ_PULL);
        set_int (pulls[i], ZMQ_RCVHWM, MARK);
        set_int (pulls[i], ZMQ_RCVBUF, 4096);
        OK (zmq_connect (pulls[i], ep));
    }
    /* The watchdog says when that is not taken: on a busy machine it may take its time. */
    for (; sent < PULLS * 2 * MARK; sent++)
        IS (zmq_send (push, body, size, 0), size);
    set_int (push, ZMQ_SNDTIMEO, 400);
    FAILS (zmq_send (push, body, size, 0), EAGAIN);
    while (got < sent)
        for (int i = 0; i < PULLS; i++)
            while (zmq_recv (pulls[i], body, size, ZMQ_DONTWAIT) != -1)
                got++;
    IS (got, sent);
    free (body);
    OK (zmq_close (push));
    for (int i = 0; i < PULLS; i++)
        OK (zmq_close (pulls[i]));
    OK (zmq_ctx_term (ctx));
}

GROUP (both_marks_tcp) { both_marks ("tcp", 8192); }
GROUP (both_marks_ipc) { both_marks ("ipc", 8192); }
GROUP (both_marks_small) { both_marks ("tcp", 1000); }

/* Those that drop at the mark: PUB, and ROUTER unless MANDATORY (then EAGAIN). */
GROUP (droppers)
{
    void *ctx = ctx_new (), *pub = sock (ctx, ZMQ_XPUB), *sub = sock (ctx, ZMQ_SUB);
    char ep[EP_SIZE], buf[8];
    set_int (pub, ZMQ_SNDHWM, 5);
    set_int (sub, ZMQ_RCVHWM, 5);
    bind_any (pub, "inproc", ep);
    OK (zmq_connect (sub, ep));
    OK (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "", 0));
    IS (zmq_recv (pub, buf, sizeof buf, 0), 1);
    IS (fill (pub, "x", 1000), 1000);
    IS (drain (sub), 10);
    OK (zmq_close (pub));
    OK (zmq_close (sub));

    void *router = sock (ctx, ZMQ_ROUTER), *dealer = sock (ctx, ZMQ_DEALER);
    set_int (router, ZMQ_SNDHWM, 5);
    set_int (dealer, ZMQ_RCVHWM, 5);
    OK (zmq_setsockopt (dealer, ZMQ_ROUTING_ID, "D", 1));
    bind_any (router, "inproc", ep);
    OK (zmq_connect (dealer, ep));
    for (int i = 0; i < 1000; i++) {
        SEND (router, "D", ZMQ_SNDMORE);
        SEND (router, "x", 0);
    }
    IS (drain (dealer), 10);
    set_int (router, ZMQ_ROUTER_MANDATORY, 1);
    int sent = 0;
    while (zmq_send (router, "D", 1, ZMQ_SNDMORE | ZMQ_DONTWAIT) == 1) {
        IS (zmq_send (router, "x", 1, ZMQ_DONTWAIT), 1);
        sent++;
        CHECK (sent < 100);
    }
    IS (errno, EAGAIN);
    IS (drain (dealer), sent);
    OK (zmq_close (router));
    OK (zmq_close (dealer));
    OK (zmq_ctx_term (ctx));
}

/* A blocked writer goes on once about half of the queue was read. */
static void *blocked_sender (void *s)
{
    IS (zmq_send (s, "late", 4, 0), 4);
    return NULL;
}

GROUP (blocked_send_resumes)
{
    for (int t = 0; t < 2; t++) {
        void *ctx = ctx_new (), *push = sock (ctx, ZMQ_PUSH), *pull = sock (ctx, ZMQ_PULL);
        char ep[EP_SIZE], buf[16] = "";
        pthread_t thread;
        set_int (push, ZMQ_SNDHWM, 4);
        set_int (pull, ZMQ_RCVHWM, 4);
        if (t == 0) {
            bind_any (pull, "inproc", ep);
            OK (zmq_connect (push, ep));
        } else {
            free_tcp (ep);
            set_int (push, ZMQ_RECONNECT_IVL, 10);
            OK (zmq_connect (push, ep));
        }
        int sent = fill (push, "x", 100);
        IS (sent, t ? 4 : 8);
        pthread_create (&thread, NULL, blocked_sender, push);
        sleep_ms (30);
        if (t == 1)
            OK (zmq_bind (pull, ep));
        for (int i = 0; i < sent; i++)
            IS (zmq_recv (pull, buf, sizeof buf, 0), 1);
        RECV (pull, "late");
        pthread_join (thread, NULL);
        OK (zmq_close (push));
        OK (zmq_close (pull));
        OK (zmq_ctx_term (ctx));
    }
}

/* ---- linger ----------------------------------------------------------------------------------------------------- */

GROUP (linger_zero_forgets)
{
    void *ctx = ctx_new (), *push = sock (ctx, ZMQ_PUSH);
    char ep[EP_SIZE];
    int64_t start = now_ms ();
    free_tcp (ep);
    OK (zmq_connect (push, ep));
    IS (fill (push, "x", 100), 100);
    OK (zmq_close (push));
    OK (zmq_ctx_term (ctx));
    CHECK (now_ms () - start < 2000);
}

GROUP (linger_waits_that_long)
{
    void *ctx = ctx_new (), *push = sock (ctx, ZMQ_PUSH);
    char ep[EP_SIZE];
    int64_t start = now_ms ();
    free_tcp (ep);
    set_int (push, ZMQ_LINGER, 200 * slower ());
    OK (zmq_connect (push, ep));
    SEND (push, "x", 0);
    OK (zmq_close (push));
    CHECK (now_ms () - start < 150 * slower ());
    OK (zmq_ctx_term (ctx));
    int took = (int) (now_ms () - start);
    CHECK (took >= 195 && took < 3000 * slower ());
}

/* LINGER -1: close and term, and all is delivered, even to a peer that appears only then. */
GROUP (linger_forever_delivers)
{
    char ep[EP_SIZE], want[16];
    int status;
    free_tcp (ep);
    /* The sender is a process that has nothing left to do but to linger. */
    pid_t pid = fork ();
    if (pid == 0) {
        void *ctx = ctx_new (), *push = zmq_socket (ctx, ZMQ_PUSH);
        set_int (push, ZMQ_RECONNECT_IVL, 10);
        OK (zmq_connect (push, ep));
        for (int i = 0; i < 500; i++) {
            sprintf (want, "%d", i);
            SEND (push, want, 0);
        }
        OK (zmq_close (push));
        OK (zmq_ctx_term (ctx));
        _exit (0);
    }
    sleep_ms (100);
    void *ctx2 = ctx_new (), *pull = sock (ctx2, ZMQ_PULL);
    OK (zmq_bind (pull, ep));
    for (int i = 0; i < 500; i++) {
        sprintf (want, "%d", i);
        RECV (pull, want);
    }
    CHECK (waitpid (pid, &status, 0) == pid && status == 0);
    OK (zmq_close (pull));
    OK (zmq_ctx_term (ctx2));
}

/* Received messages remain readable after the sender has closed. */
GROUP (delivered_after_close)
{
    static const char *const transports[] = {"inproc", "tcp", "ipc"};
    for (int t = 0; t < 3; t++) {
        void *ctx = ctx_new (), *pull = sock (ctx, ZMQ_PULL), *push = zmq_socket (ctx, ZMQ_PUSH);
        char ep[EP_SIZE], want[16];
        bind_any (pull, transports[t], ep);
        OK (zmq_connect (push, ep));
        for (int i = 0; i < 300; i++) {
            sprintf (want, "%d", i);
            SEND (push, want, 0);
        }
        OK (zmq_close (push));
        for (int i = 0; i < 300; i++) {
            sprintf (want, "%d", i);
            RECV (pull, want);
        }
        OK (zmq_close (pull));
        OK (zmq_ctx_term (ctx));
    }
}

/* ---- immediate, conflate, timeouts -------------------------------------------------------------------------------- */

GROUP (immediate_waits_for_the_connection)
{
    void *ctx = ctx_new (), *push = sock (ctx, ZMQ_PUSH), *pull = sock (ctx, ZMQ_PULL);
    char ep[EP_SIZE];
    free_tcp (ep);
    set_int (push, ZMQ_IMMEDIATE, 1);
    set_int (push, ZMQ_RECONNECT_IVL, 10);
    OK (zmq_connect (push, ep));
    FAILS (zmq_send (push, "x", 1, ZMQ_DONTWAIT), EAGAIN);
    CHECK (!writable (push, 30));
    OK (zmq_bind (pull, ep));
    CHECK (writable (push, 5000));
    SEND (push, "now", 0);
    RECV (pull, "now");
    /* The peer goes: writing is over again. */
    OK (zmq_close (pull));
    EVENTUALLY (!writable (push, 0), 5000);
    OK (zmq_close (push));
    OK (zmq_ctx_term (ctx));
}

GROUP (immediate_balances_over_the_living)
{
    void *ctx = ctx_new (), *push = sock (ctx, ZMQ_PUSH), *pull = sock (ctx, ZMQ_PULL);
    char ep[EP_SIZE], nobody[EP_SIZE];
    set_int (push, ZMQ_IMMEDIATE, 1);
    bind_any (pull, "tcp", ep);
    free_tcp (nobody);
    OK (zmq_connect (push, nobody));
    OK (zmq_connect (push, ep));
    for (int i = 0; i < 20; i++)
        SEND (push, "x", 0);
    for (int i = 0; i < 20; i++)
        RECV (pull, "x");
    OK (zmq_close (push));
    OK (zmq_close (pull));
    OK (zmq_ctx_term (ctx));
}

GROUP (conflate_keeps_the_last)
{
    static const struct { int out, in; } cases[] = {{ZMQ_PUSH, ZMQ_PULL}, {ZMQ_DEALER, ZMQ_DEALER}};
    for (int c = 0; c < 2; c++) {
        void *ctx = ctx_new (), *out = sock (ctx, cases[c].out), *in = sock (ctx, cases[c].in);
        char ep[EP_SIZE], buf[16];
        set_int (in, ZMQ_CONFLATE, 1);
        bind_any (in, "tcp", ep);
        OK (zmq_connect (out, ep));
        for (int i = 0; i < 200; i++) {
            sprintf (buf, "%d", i);
            SEND (out, buf, 0);
        }
        SEND (out, "last", 0);
        sleep_ms (200);
        RECV (in, "last");
        RECV_NONE (in, 20);
        OK (zmq_close (out));
        OK (zmq_close (in));
        OK (zmq_ctx_term (ctx));
    }
}

GROUP (timeouts)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_DEALER);
    char buf[4];
    int64_t start;
    set_int (s, ZMQ_RCVTIMEO, 100);
    set_int (s, ZMQ_SNDTIMEO, 100);
    start = now_ms ();
    FAILS (zmq_recv (s, buf, sizeof buf, 0), EAGAIN);
    CHECK (now_ms () - start >= 98 && now_ms () - start < 1500);
    start = now_ms ();
    FAILS (zmq_send (s, "x", 1, 0), EAGAIN);
    CHECK (now_ms () - start >= 98 && now_ms () - start < 1500);
    set_int (s, ZMQ_RCVTIMEO, 0);
    start = now_ms ();
    FAILS (zmq_recv (s, buf, sizeof buf, 0), EAGAIN);
    CHECK (now_ms () - start < 100);
    /* DONTWAIT goes before any timeout. */
    set_int (s, ZMQ_RCVTIMEO, -1);
    FAILS (zmq_recv (s, buf, sizeof buf, ZMQ_DONTWAIT), EAGAIN);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

static void *send_later (void *s)
{
    sleep_ms (50);
    IS (zmq_send (s, "woken", 5, 0), 5);
    return NULL;
}

GROUP (blocked_receive_is_woken)
{
    static const char *const transports[] = {"inproc", "tcp", "ipc"};
    for (int t = 0; t < 3; t++) {
        void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
        char ep[EP_SIZE];
        pthread_t thread;
        bind_any (in, transports[t], ep);
        OK (zmq_connect (out, ep));
        pthread_create (&thread, NULL, send_later, out);
        RECV (in, "woken");
        pthread_join (thread, NULL);
        OK (zmq_close (in));
        OK (zmq_close (out));
        OK (zmq_ctx_term (ctx));
    }
}

/* What was sent goes out although the application does nothing more with the socket. */
GROUP (sent_without_further_calls)
{
    void *ctx = ctx_new (), *ctx2 = ctx_new (), *in = sock (ctx2, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
    char ep[EP_SIZE];
    bind_any (in, "tcp", ep);
    OK (zmq_connect (out, ep));
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 50; i++)
            SEND (out, "x", 0);
        for (int i = 0; i < 50; i++)
            RECV (in, "x");
    }
    OK (zmq_close (in));
    OK (zmq_close (out));
    OK (zmq_ctx_term (ctx));
    OK (zmq_ctx_term (ctx2));
}

/* The same over many sockets in turn, in any number, and with few messages on each. */
GROUP (sent_in_turn_without_further_calls)
{
    enum { SOCKETS = 40 };
    void *ctx = ctx_new (), *ctx2 = ctx_new (), *in = sock (ctx2, ZMQ_PULL), *out[SOCKETS];
    char ep[EP_SIZE], body[8], seen[SOCKETS];
    bind_any (in, "tcp", ep);
    set_int (in, ZMQ_RCVTIMEO, 5000);
    for (int i = 0; i < SOCKETS; i++) {
        out[i] = sock (ctx, ZMQ_PUSH);
        OK (zmq_connect (out[i], ep));
        SEND (out[i], "hello", 0);
        RECV (in, "hello");
    }
    for (int round = 0; round < 50; round++) {
        int used = 1 + round * 7 % SOCKETS, each = 1 + round % 5;
        for (int n = 0; n < each; n++)
            for (int i = 0; i < used; i++) {
                char message[2] = {(char) i, (char) n};
                IS (zmq_send (out[i], message, sizeof message, 0), 2);
            }
        /* Each sender's in order. */
        memset (seen, 0, sizeof seen);
        for (int n = 0; n < each * used; n++) {
            IS (zmq_recv (in, body, sizeof body, 0), 2);
            CHECK (body[0] >= 0 && body[0] < used);
            IS (body[1], seen[(int) body[0]]++);
        }
    }
    for (int i = 0; i < SOCKETS; i++)
        OK (zmq_close (out[i]));
    OK (zmq_close (in));
    OK (zmq_ctx_term (ctx));
    OK (zmq_ctx_term (ctx2));
}

MAIN (ENTRY (inproc_sums_both_marks), ENTRY (multipart_counts_once), ENTRY (queue_before_the_peer),
      ENTRY (tcp_bounds), ENTRY (both_marks_tcp), ENTRY (both_marks_ipc), ENTRY (both_marks_small), ENTRY (droppers),
      ENTRY (blocked_send_resumes), ENTRY (linger_zero_forgets),
      ENTRY (linger_waits_that_long), ENTRY (linger_forever_delivers), ENTRY (delivered_after_close),
      ENTRY (immediate_waits_for_the_connection), ENTRY (immediate_balances_over_the_living),
      ENTRY (conflate_keeps_the_last), ENTRY (timeouts), ENTRY (blocked_receive_is_woken),
      ENTRY (sent_without_further_calls), ENTRY (sent_in_turn_without_further_calls))
