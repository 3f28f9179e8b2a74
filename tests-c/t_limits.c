/* Many connections, and too few descriptors: the listener pauses and recovers, nothing spins, nothing dies. */
#include "common.h"

static void limit_descriptors (int soft)
{
    struct rlimit limit;
    CHECK (getrlimit (RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = (rlim_t) soft;
    CHECK (setrlimit (RLIMIT_NOFILE, &limit) == 0);
}

static double cpu_seconds (void)
{
    struct rusage usage;
    getrusage (RUSAGE_SELF, &usage);
    return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

GROUP (many_connections)
{
    enum { N = 200 };
    void *ctx = ctx_new (), *router = sock (ctx, ZMQ_ROUTER), *dealers[N];
    char ep[EP_SIZE], id[8], buf[8];
    bind_any (router, "tcp", ep);
    for (int i = 0; i < N; i++) {
        dealers[i] = sock (ctx, ZMQ_DEALER);
        OK (zmq_connect (dealers[i], ep));
    }
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < N; i++)
            IS (zmq_send (dealers[i], &i, sizeof i, 0), sizeof i);
        for (int i = 0; i < N; i++) {
            int n = zmq_recv (router, id, sizeof id, 0);
            IS (n, 5);
            IS (zmq_recv (router, buf, sizeof buf, 0), sizeof i);
            IS (zmq_send (router, id, 5, ZMQ_SNDMORE), 5);
            IS (zmq_send (router, buf, sizeof i, 0), sizeof i);
        }
        for (int i = 0; i < N; i++) {
            int got = -1;
            IS (zmq_recv (dealers[i], &got, sizeof got, 0), sizeof got);
            IS (got, i);
        }
    }
    for (int i = 0; i < N; i++)
        OK (zmq_close (dealers[i]));
    OK (zmq_close (router));
    OK (zmq_ctx_term (ctx));
}

GROUP (many_short_connections)
{
    void *ctx = ctx_new (), *pull = sock (ctx, ZMQ_PULL);
    char ep[EP_SIZE];
    bind_any (pull, "tcp", ep);
    limit_descriptors (100);
    for (int i = 0; i < 400; i++) {
        void *push = sock (ctx, ZMQ_PUSH);
        OK (zmq_connect (push, ep));
        SEND (push, "x", 0);
        RECV (pull, "x");
        OK (zmq_close (push));
    }
    OK (zmq_close (pull));
    OK (zmq_ctx_term (ctx));
}

/* Takes all descriptors that are left. */
static int hoard[1024], hoarded;
static void take_all (void)
{
    int fd;
    while (hoarded < 1024 && (fd = open ("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        hoard[hoarded++] = fd;
}
static void give_back (int keep)
{
    while (hoarded > keep)
        close (hoard[--hoarded]);
}

/* The clients live in another process, which has descriptors enough. */
static pid_t start_client (const char *ep, int clients)
{
    pid_t pid = fork ();
    if (pid == 0) {
        void *ctx = ctx_new (), *s[64];
        for (int i = 0; i < clients; i++) {
            s[i] = sock (ctx, ZMQ_REQ);
            set_int (s[i], ZMQ_RECONNECT_IVL, 20);
            OK (zmq_connect (s[i], ep));
            SEND (s[i], "hello", 0);
        }
        for (int i = 0; i < clients; i++)
            RECV (s[i], "world");
        _exit (0);
    }
    return pid;
}

/* Out of descriptors the listener cannot accept; once there are some again it serves everybody who waits. */
GROUP (listener_pauses_and_recovers)
{
    int pipe_fds[2], status;
    char ep[EP_SIZE], buf[8];
    CHECK (pipe (pipe_fds) == 0);
    free_tcp (ep);
    pid_t pid = fork ();
    if (pid == 0) {
        char go;
        CHECK (read (pipe_fds[0], &go, 1) == 1);
        pid_t client = start_client (ep, 20);
        CHECK (waitpid (client, &status, 0) == client && status == 0);
        _exit (0);
    }
    limit_descriptors (80);
    void *ctx = ctx_new (), *rep = sock (ctx, ZMQ_REP);
    set_int (rep, ZMQ_RCVTIMEO, 15000);
    OK (zmq_bind (rep, ep));
    take_all ();
    CHECK (write (pipe_fds[1], "g", 1) == 1);
    double before = cpu_seconds ();
    RECV_NONE (rep, 500);
    double burnt = cpu_seconds () - before;
    give_back (0);
    for (int i = 0; i < 20; i++) {
        IS (zmq_recv (rep, buf, sizeof buf, 0), 5);
        SEND (rep, "world", 0);
    }
    CHECK (waitpid (pid, &status, 0) == pid && status == 0);
    OK (zmq_close (rep));
    OK (zmq_ctx_term (ctx));
    /* It did not spin on the connections it could not take. */
    if (burnt > 0.25)
        fail_at (__FILE__, __LINE__, "burnt %.3f s of CPU while out of descriptors", burnt);
}

/* A connecting socket that finds no descriptor tries again later. */
GROUP (connector_recovers)
{
    void *ctx = ctx_new (), *pull = sock (ctx, ZMQ_PULL), *push = sock (ctx, ZMQ_PUSH);
    char ep[EP_SIZE];
    bind_any (pull, "tcp", ep);
    set_int (push, ZMQ_RECONNECT_IVL, 20);
    limit_descriptors (60);
    take_all ();
    OK (zmq_connect (push, ep));
    SEND (push, "patience", 0);
    sleep_ms (150);
    give_back (0);
    RECV (pull, "patience");
    OK (zmq_close (push));
    OK (zmq_close (pull));
    OK (zmq_ctx_term (ctx));
}

/* Creating and binding without descriptors fails with an errno; and works again afterwards. */
GROUP (calls_fail_with_an_errno)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_REP), *more[64];
    int count = 0;
    limit_descriptors (60);
    take_all ();
    errno = 0;
    IS (zmq_bind (s, "tcp://127.0.0.1:*"), -1);
    CHECK (errno == EMFILE || errno == ENFILE);
    /* Sockets may or may not need a descriptor each. */
    errno = 0;
    while (count < 64 && (more[count] = zmq_socket (ctx, ZMQ_PAIR)) != NULL)
        count++;
    CHECK (count == 64 || errno == EMFILE);
    while (count)
        OK (zmq_close (more[--count]));
    give_back (0);
    OK (zmq_bind (s, "tcp://127.0.0.1:*"));
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

/* A new context with no descriptor left at all: an errno from zmq_socket, then recovery. */
GROUP (context_without_descriptors)
{
    limit_descriptors (40);
    void *ctx = ctx_new ();
    take_all ();
    errno = 0;
    void *s = zmq_socket (ctx, ZMQ_PAIR);
    CHECK (s != NULL || errno == EMFILE);
    give_back (0);
    if (!s)
        EVENTUALLY ((s = zmq_socket (ctx, ZMQ_PAIR)) != NULL, 2000);
    OK (zmq_bind (s, "tcp://127.0.0.1:*"));
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

/* Idle means idle: no CPU for sockets that have nothing to do. */
GROUP (idle_burns_nothing)
{
    enum { N = 50 };
    void *ctx = ctx_new (), *router = sock (ctx, ZMQ_ROUTER), *dealers[N];
    char ep[EP_SIZE], buf[16];
    bind_any (router, "tcp", ep);
    for (int i = 0; i < N; i++) {
        dealers[i] = sock (ctx, ZMQ_DEALER);
        OK (zmq_connect (dealers[i], ep));
        SEND (dealers[i], "x", 0);
    }
    for (int i = 0; i < N; i++) {
        IS (zmq_recv (router, buf, sizeof buf, 0), 5);
        RECV (router, "x");
    }
    sleep_ms (100);
    double before = cpu_seconds ();
    sleep_ms (1000);
    double burnt = cpu_seconds () - before;
    if (burnt > 0.02)
        fail_at (__FILE__, __LINE__, "burnt %.3f s of CPU in an idle second", burnt);
    for (int i = 0; i < N; i++)
        OK (zmq_close (dealers[i]));
    OK (zmq_close (router));
    OK (zmq_ctx_term (ctx));
}

MAIN (ENTRY (many_connections), ENTRY (many_short_connections), ENTRY (listener_pauses_and_recovers),
      ENTRY (connector_recovers), ENTRY (calls_fail_with_an_errno), ENTRY (context_without_descriptors),
      ENTRY (idle_burns_nothing))
