/* Life and death of contexts: zmq_ctx_term(3), zmq_ctx_shutdown(3), zmq_ctx_set(3); threads, signals and fork. */
#include "common.h"

static _Atomic int done;
static void *term_thread (void *ctx)
{
    OK (zmq_ctx_term (ctx));
    __atomic_store_n (&done, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

GROUP (term_waits_for_open_sockets)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_DEALER);
    pthread_t thread;
    pthread_create (&thread, NULL, term_thread, ctx);
    sleep_ms (80);
    CHECK (!done);
    /* Sockets learn of it at their next call. */
    EVENTUALLY (zmq_send (s, "x", 1, ZMQ_DONTWAIT) == -1 && errno == ETERM, 2000);
    CHECK (!done);
    OK (zmq_close (s));
    pthread_join (thread, NULL);
    CHECK (done);
}

typedef struct
{
    void *socket;
    int (*call) (void *);
    int rc, error;
} blocked_t;

static int do_recv (void *s)
{
    char buf[8];
    return zmq_recv (s, buf, sizeof buf, 0);
}
static int do_send (void *s)
{
    return zmq_send (s, "x", 1, 0);
}
static int do_poll (void *s)
{
    zmq_pollitem_t item = {s, 0, ZMQ_POLLIN, 0};
    return zmq_poll (&item, 1, -1);
}
static int do_proxy (void *s)
{
    return zmq_proxy (s, s, NULL);
}

static void *block (void *arg)
{
    blocked_t *b = (blocked_t *) arg;
    b->rc = b->call (b->socket);
    b->error = errno;
    OK (zmq_close (b->socket));
    return NULL;
}

/* Shutdown (and term) wake whoever is blocked, with ETERM. */
GROUP (blocked_calls_end_with_eterm)
{
    static int (*const calls[]) (void *) = {do_recv, do_send, do_poll, do_proxy};
    for (int with_term = 0; with_term < 2; with_term++)
        for (int i = 0; i < 4; i++) {
            void *ctx = ctx_new ();
            blocked_t b = {sock (ctx, ZMQ_DEALER), calls[i], 0, 0};
            pthread_t thread;
            char ep[EP_SIZE];
            if (calls[i] != do_send)
                bind_any (b.socket, i % 2 ? "inproc" : "tcp", ep);
            pthread_create (&thread, NULL, block, &b);
            sleep_ms (30);
            if (!with_term)
                OK (zmq_ctx_shutdown (ctx));
            OK (zmq_ctx_term (ctx));
            pthread_join (thread, NULL);
            IS (b.rc, -1);
            IS (b.error, ETERM);
        }
}

static void *shut_down (void *ctx)
{
    sleep_ms (30);
    OK (zmq_ctx_shutdown (ctx));
    return NULL;
}

/* So does a thread that never has to wait: it sends and receives within the process. */
GROUP (busy_calls_end_with_eterm)
{
    for (int round = 0; round < 3; round++) {
        void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
        pthread_t thread;
        char byte = 'm';
        int rc = 0;
        OK (zmq_bind (in, "inproc://busy"));
        OK (zmq_connect (out, "inproc://busy"));
        OK (pthread_create (&thread, NULL, shut_down, ctx));
        for (int64_t until = now_ms () + 3000; rc != -1;) {
            CHECK (now_ms () < until);
            for (int i = 0; i < 100 && rc != -1; i++) {
                rc = zmq_send (out, &byte, 1, 0);
                if (rc != -1)
                    rc = zmq_recv (in, &byte, 1, 0);
            }
        }
        IS (errno, ETERM);
        OK (pthread_join (thread, NULL));
        OK (zmq_close (in));
        OK (zmq_close (out));
        OK (zmq_ctx_term (ctx));
    }
}

/* Whoever is about to wait when the context stops does not wait. */
typedef struct
{
    void *socket;
    int started;
} about_to_wait_t;

static void *about_to_wait (void *arg)
{
    about_to_wait_t *w = (about_to_wait_t *) arg;
    char buf[8];
    __atomic_store_n (&w->started, 1, __ATOMIC_SEQ_CST);
    FAILS (zmq_recv (w->socket, buf, sizeof buf, 0), ETERM);
    return NULL;
}

GROUP (shutdown_meets_a_beginning_wait)
{
    for (int round = 0; round < 5000; round++) {
        void *ctx = ctx_new ();
        about_to_wait_t w = {sock (ctx, ZMQ_PULL), 0};
        pthread_t thread;
        OK (zmq_bind (w.socket, "inproc://nobody"));
        CHECK (pthread_create (&thread, NULL, about_to_wait, &w) == 0);
        while (!__atomic_load_n (&w.started, __ATOMIC_SEQ_CST))
            sched_yield ();
        for (volatile int pause = 0; pause < round * 37 % 60000; pause++)
            ;
        OK (zmq_ctx_shutdown (ctx));
        CHECK (pthread_join (thread, NULL) == 0);
        OK (zmq_close (w.socket));
        OK (zmq_ctx_term (ctx));
    }
}

GROUP (shutdown_twice)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PAIR);
    OK (zmq_ctx_shutdown (ctx));
    OK (zmq_ctx_shutdown (ctx));
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

GROUP (shutdown_before_any_socket)
{
    void *ctx = ctx_new ();
    OK (zmq_ctx_shutdown (ctx));
    errno = 0;
    CHECK (zmq_socket (ctx, ZMQ_PAIR) == NULL);
    IS (errno, ETERM);
    OK (zmq_ctx_term (ctx));
}

GROUP (term_unused)
{
    for (int i = 0; i < 50; i++)
        OK (zmq_ctx_term (ctx_new ()));
    void *ctx = zmq_init (2);
    CHECK (ctx != NULL);
    IS (zmq_ctx_get (ctx, ZMQ_IO_THREADS), 2);
    OK (zmq_term (ctx));
    errno = 0;
    CHECK (zmq_init (-1) == NULL);
    IS (errno, EINVAL);
}

static void on_signal (int number)
{
    (void) number;
}

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

GROUP (term_interrupted_then_again)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PUSH);
    struct sigaction action;
    pthread_t thread;
    memset (&action, 0, sizeof action);
    action.sa_handler = on_signal;
    CHECK (sigaction (SIGUSR1, &action, NULL) == 0);
    victim = pthread_self ();
    pthread_create (&thread, NULL, signaller, NULL);
    FAILS (zmq_ctx_term (ctx), EINTR);
    FAILS (zmq_ctx_term (ctx), EINTR);
    stop_signals = 1;
    pthread_join (thread, NULL);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

GROUP (max_sockets)
{
    void *ctx = ctx_new (), *s[11];
    OK (zmq_ctx_set (ctx, ZMQ_MAX_SOCKETS, 10));
    for (int i = 0; i < 10; i++)
        s[i] = sock (ctx, ZMQ_PAIR);
    errno = 0;
    CHECK (zmq_socket (ctx, ZMQ_PAIR) == NULL);
    IS (errno, EMFILE);
    OK (zmq_close (s[3]));
    EVENTUALLY ((s[3] = zmq_socket (ctx, ZMQ_PAIR)) != NULL, 2000);
    for (int i = 0; i < 10; i++)
        OK (zmq_close (s[i]));
    OK (zmq_ctx_term (ctx));
}

GROUP (no_io_threads)
{
    void *ctx = ctx_new (), *a, *b;
    OK (zmq_ctx_set (ctx, ZMQ_IO_THREADS, 0));
    a = sock (ctx, ZMQ_PAIR);
    b = sock (ctx, ZMQ_PAIR);
    OK (zmq_bind (a, "inproc://x"));
    OK (zmq_connect (b, "inproc://x"));
    SEND (b, "x", 0);
    RECV (a, "x");
    FAILS (zmq_bind (a, "tcp://127.0.0.1:*"), EMTHREAD);
    FAILS (zmq_connect (a, "tcp://127.0.0.1:5555"), EMTHREAD);
    OK (zmq_close (a));
    OK (zmq_close (b));
    OK (zmq_ctx_term (ctx));
}

GROUP (several_io_threads)
{
    void *ctx = ctx_new (), *pull, *push[8];
    char ep[EP_SIZE];
    uint64_t affinity = 2;
    OK (zmq_ctx_set (ctx, ZMQ_IO_THREADS, 3));
    pull = sock (ctx, ZMQ_PULL);
    OK (zmq_setsockopt (pull, ZMQ_AFFINITY, &affinity, sizeof affinity));
    bind_any (pull, "tcp", ep);
    for (int i = 0; i < 8; i++) {
        push[i] = sock (ctx, ZMQ_PUSH);
        OK (zmq_connect (push[i], ep));
        SEND (push[i], "x", 0);
    }
    for (int i = 0; i < 8; i++)
        RECV (pull, "x");
    for (int i = 0; i < 8; i++)
        OK (zmq_close (push[i]));
    OK (zmq_close (pull));
    OK (zmq_ctx_term (ctx));
}

static void *close_it (void *s)
{
    OK (zmq_close (s));
    return NULL;
}

/* A socket is made in one thread, used in a second, closed in a third (with the hand-over between them). */
static void *use_it (void *s)
{
    SEND (s, "from another thread", 0);
    return NULL;
}

GROUP (sockets_move_between_threads)
{
    void *ctx = ctx_new (), *pull = sock (ctx, ZMQ_PULL), *push = sock (ctx, ZMQ_PUSH);
    char ep[EP_SIZE];
    pthread_t thread;
    bind_any (pull, "tcp", ep);
    OK (zmq_connect (push, ep));
    for (int i = 0; i < 10; i++) {
        pthread_create (&thread, NULL, use_it, push);
        pthread_join (thread, NULL);
    }
    for (int i = 0; i < 10; i++)
        RECV (pull, "from another thread");
    pthread_create (&thread, NULL, close_it, push);
    pthread_join (thread, NULL);
    pthread_create (&thread, NULL, close_it, pull);
    pthread_join (thread, NULL);
    OK (zmq_ctx_term (ctx));
}

/* Many short lives leave nothing behind: descriptors come back. */
static int open_descriptors (void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++)
        if (fcntl (fd, F_GETFD) != -1)
            count++;
    return count;
}

GROUP (descriptors_come_back)
{
    int before = -1;
    for (int round = 0; round < 20; round++) {
        void *ctx = ctx_new (), *a = sock (ctx, ZMQ_REP), *b = sock (ctx, ZMQ_REQ);
        char ep[EP_SIZE];
        bind_any (a, round % 2 ? "tcp" : "ipc", ep);
        OK (zmq_connect (b, ep));
        SEND (b, "x", 0);
        RECV (a, "x");
        OK (zmq_close (a));
        OK (zmq_close (b));
        OK (zmq_ctx_term (ctx));
        if (round == 1)
            before = open_descriptors ();
    }
    IS (open_descriptors (), before);
}

static int threads (void)
{
    char line[200];
    int count = -1;
    FILE *f = fopen ("/proc/self/status", "r");
    while (f && fgets (line, sizeof line, f))
        sscanf (line, "Threads: %d", &count);
    if (f)
        fclose (f);
    return count;
}

GROUP (threads_come_and_go)
{
    int before = threads ();
    void *ctx = ctx_new ();
    /* A context without sockets has no threads yet. */
    IS (threads (), before);
    void *s = sock (ctx, ZMQ_PAIR);
    OK (zmq_bind (s, "tcp://127.0.0.1:*"));
    CHECK (threads () > before);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
    IS (threads (), before);
}

/* ---- fork --------------------------------------------------------------------------------------------------------- */

/* The child terminates the context it inherited, or ignores it and uses its own; the parent goes on undisturbed. */
GROUP (fork_with_context)
{
    for (int child_terminates = 0; child_terminates < 2; child_terminates++) {
        void *ctx = ctx_new (), *pull = sock (ctx, ZMQ_PULL), *push = sock (ctx, ZMQ_PUSH);
        char ep[EP_SIZE];
        int status;
        bind_any (pull, "tcp", ep);
        OK (zmq_connect (push, ep));
        SEND (push, "before", 0);
        RECV (pull, "before");
        pid_t pid = fork ();
        if (pid == 0) {
            if (child_terminates) {
                OK (zmq_close (pull));
                OK (zmq_close (push));
                /* It returns; with libzmq's answer being EINTR. */
                zmq_ctx_term (ctx);
            }
            void *own = ctx_new (), *mine = sock (own, ZMQ_PUSH);
            OK (zmq_connect (mine, ep));
            set_int (mine, ZMQ_LINGER, 5000);
            SEND (mine, "child", 0);
            OK (zmq_close (mine));
            OK (zmq_ctx_term (own));
            _exit (0);
        }
        RECV (pull, "child");
        CHECK (waitpid (pid, &status, 0) == pid);
        CHECK (WIFEXITED (status) && WEXITSTATUS (status) == 0);
        SEND (push, "after", 0);
        RECV (pull, "after");
        OK (zmq_close (pull));
        OK (zmq_close (push));
        OK (zmq_ctx_term (ctx));
    }
}

/* A child that only exits, as after popen () or in a test runner. */
GROUP (fork_and_exit)
{
    void *ctx = ctx_new (), *a = sock (ctx, ZMQ_PAIR), *b = sock (ctx, ZMQ_PAIR);
    char ep[EP_SIZE];
    bind_any (a, "inproc", ep);
    OK (zmq_connect (b, ep));
    SEND (a, "queued", 0);
    for (int i = 0; i < 3; i++) {
        int status;
        pid_t pid = fork ();
        if (pid == 0)
            exit (0);
        CHECK (waitpid (pid, &status, 0) == pid && status == 0);
    }
    RECV (b, "queued");
    OK (zmq_close (a));
    OK (zmq_close (b));
    OK (zmq_ctx_term (ctx));
}

/* Descriptors do not leak into what the process starts. */
GROUP (exec_inherits_nothing)
{
    void *ctx = ctx_new (), *a = sock (ctx, ZMQ_REP), *b = sock (ctx, ZMQ_REQ);
    char ep[EP_SIZE];
    int status;
    bind_any (a, "tcp", ep);
    OK (zmq_connect (b, ep));
    SEND (b, "x", 0);
    RECV (a, "x");
    pid_t pid = fork ();
    if (pid == 0) {
        execl ("/bin/sh", "sh", "-c", "for f in /proc/self/fd/*; do case $(readlink $f) in socket:*|*eventfd*|*eventpoll*) exit 1;; esac; done; exit 0", (char *) NULL);
        _exit (2);
    }
    CHECK (waitpid (pid, &status, 0) == pid);
    IS (WEXITSTATUS (status), 0);
    OK (zmq_close (a));
    OK (zmq_close (b));
    OK (zmq_ctx_term (ctx));
}

MAIN (ENTRY (term_waits_for_open_sockets), ENTRY (blocked_calls_end_with_eterm), ENTRY (busy_calls_end_with_eterm),
      ENTRY_SLOW (shutdown_meets_a_beginning_wait, 90), ENTRY (shutdown_twice),
      ENTRY (shutdown_before_any_socket), ENTRY (term_unused), ENTRY (term_interrupted_then_again), ENTRY (max_sockets),
      ENTRY (no_io_threads), ENTRY (several_io_threads), ENTRY (sockets_move_between_threads),
      ENTRY (descriptors_come_back), ENTRY (threads_come_and_go), ENTRY (fork_with_context), ENTRY (fork_and_exit),
      ENTRY (exec_inherits_nothing))
