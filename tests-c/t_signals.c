/* Signals: a call that waits returns EINTR, whenever the signal comes (zmq_recv(3), zmq_poll(3)). */
#include "common.h"

static volatile sig_atomic_t handled, between;
static void handler (int signal)
{
    (void) signal;
    /* Between two calls it is the application's to notice. */
    if (between)
        _exit (3);
    handled++;
}

static void handle (int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    OK (sigaction (SIGUSR1, &action, NULL));
}

/* An echo server in a process of its own, which ends when its wait is interrupted. */
static void serve (int out, int polls, int flags)
{
    char ep[EP_SIZE], body[16];
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_REP);
    handle (flags);
    bind_any (s, "tcp", ep);
    CHECK (write (out, ep, sizeof ep) == sizeof ep);
    for (;;) {
        int n = 0;
        if (polls) {
            zmq_pollitem_t item = {s, 0, ZMQ_POLLIN, 0};
            between = 0;
            n = zmq_poll (&item, 1, -1);
            between = 1;
        }
        if (n >= 0) {
            between = 0;
            n = zmq_recv (s, body, sizeof body, 0);
            between = 1;
        }
        if (n < 0)
            break;
        /* A message came first: the rest of that call was no wait. */
        if (handled)
            _exit (3);
        IS (zmq_send (s, body, (size_t) n, 0), n);
    }
    IS (zmq_errno (), EINTR);
    CHECK (handled);
    _exit (2);
}

/* Whether a wait that begins about when the signal comes goes on all the same. */
static int is_lost (int us, int polls, int flags)
{
    char ep[EP_SIZE], body[16];
    int up[2], status;
    OK (pipe (up));
    pid_t server = fork ();
    CHECK (server >= 0);
    if (!server)
        serve (up[1], polls, flags);
    CHECK (read (up[0], ep, sizeof ep) == sizeof ep);
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_REQ);
    OK (zmq_connect (s, ep));
    for (int i = 0; i < 200; i++) {
        IS (zmq_send (s, "hello", 5, 0), 5);
        IS (zmq_recv (s, body, sizeof body, 0), 5);
    }
    for (struct timespec a, b, *first = &a; us >= 0;) {
        clock_gettime (CLOCK_MONOTONIC, &b);
        if (first) {
            a = b;
            first = NULL;
        }
        if ((b.tv_sec - a.tv_sec) * 1000000 + (b.tv_nsec - a.tv_nsec) / 1000 >= us)
            break;
    }
    OK (kill (server, SIGUSR1));
    /* Whoever has missed it waits for ever; who has not may be kept from the processor for a while. */
    pid_t ended = 0;
    for (int64_t until = now_ms () + (int64_t) (1000 * crowd ()); !ended && now_ms () < until; sleep_ms (1))
        ended = waitpid (server, &status, WNOHANG);
    if (!ended) {
        kill (server, SIGKILL);
        waitpid (server, &status, 0);
    } else
        CHECK (WIFEXITED (status) && (WEXITSTATUS (status) == 2 || WEXITSTATUS (status) == 3));
    close (up[0]);
    close (up[1]);
    zmq_close (s);
    zmq_ctx_term (ctx);
    return !ended;
}

/* A handler that runs in the first microsecond of a call, before signals are held, runs before the wait; on a busy machine a
 * thread may stand there for long, but not again and again. Nine of ten are lost where none are held. */
static void just_after_a_message (int polls, int flags)
{
    for (int i = 0; i < 40; i++) {
        int tries = 3;
        while (tries && is_lost (i * i * 2, polls, flags))
            tries--;
        if (!tries)
            fail_at (__FILE__, __LINE__, "three signals did not interrupt after %d us", i * i * 2);
    }
}

GROUP (interrupts_receiving_just_after_a_message)
{
    just_after_a_message (0, 0);
}

GROUP (interrupts_polling_just_after_a_message)
{
    just_after_a_message (1, 0);
}

/* SA_RESTART makes no difference. */
GROUP (restarting_is_no_way_out)
{
    just_after_a_message (0, SA_RESTART);
    just_after_a_message (1, SA_RESTART);
}

/* Calls leave the mask of the thread as it was. */
GROUP (mask_stays)
{
    char ep[EP_SIZE], body[8];
    sigset_t before, after;
    void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
    bind_any (in, "tcp", ep);
    OK (zmq_connect (out, ep));
    sigemptyset (&before);
    sigaddset (&before, SIGUSR2);
    OK (pthread_sigmask (SIG_SETMASK, &before, NULL));
    OK (pthread_sigmask (SIG_SETMASK, NULL, &before));
    for (int i = 0; i < 300; i++) {
        set_int (in, ZMQ_RCVTIMEO, i % 3);
        if (i & 1)
            IS (zmq_send (out, "x", 1, 0), 1);
        int n = zmq_recv (in, body, sizeof body, 0);
        CHECK (n == 1 || zmq_errno () == EAGAIN);
        if (i % 5 == 0) {
            zmq_pollitem_t item = {in, 0, ZMQ_POLLIN, 0};
            OK (zmq_poll (&item, 1, 1));
        }
        OK (pthread_sigmask (SIG_SETMASK, NULL, &after));
        for (int signal = 1; signal < 32; signal++)
            IS (sigismember (&after, signal), sigismember (&before, signal));
    }
    zmq_close (out);
    zmq_close (in);
    zmq_ctx_term (ctx);
}

typedef struct
{
    void *front, *back, *capture;
    int rc, error;
} proxy_t;

static void *run_proxy (void *arg)
{
    proxy_t *p = (proxy_t *) arg;
    p->rc = zmq_proxy (p->front, p->back, p->capture);
    p->error = errno;
    return NULL;
}

/* A proxy that waits because its capture socket has no peer yet has taken nothing that a signal could cost. */
GROUP (a_proxy_loses_nothing)
{
    void *ctx = ctx_new (), *push = sock (ctx, ZMQ_PUSH), *pull = sock (ctx, ZMQ_PULL), *tap = sock (ctx, ZMQ_PULL);
    proxy_t p = {sock (ctx, ZMQ_PULL), sock (ctx, ZMQ_PUSH), sock (ctx, ZMQ_PUSH), 0, 0};
    char front[EP_SIZE], back[EP_SIZE], cap[EP_SIZE];
    pthread_t thread;
    handle (0);
    bind_any (p.front, "inproc", front);
    bind_any (p.back, "inproc", back);
    bind_any (p.capture, "inproc", cap);
    OK (zmq_connect (pull, back));
    OK (zmq_connect (push, front));
    SEND (push, "one", ZMQ_SNDMORE);
    SEND (push, "two", 0);
    pthread_create (&thread, NULL, run_proxy, &p);
    usleep (50000);
    while (pthread_tryjoin_np (thread, NULL)) {
        pthread_kill (thread, SIGUSR1);
        usleep (1000);
    }
    IS (p.rc, -1);
    IS (p.error, EINTR);
    OK (zmq_connect (tap, cap));
    pthread_create (&thread, NULL, run_proxy, &p);
    void *takers[2] = {pull, tap};
    for (int i = 0; i < 2; i++) {
        set_int (takers[i], ZMQ_RCVTIMEO, 2000);
        RECV (takers[i], "one");
        RECV (takers[i], "two");
    }
    OK (zmq_ctx_shutdown (ctx));
    pthread_join (thread, NULL);
    IS (p.error, ETERM);
    void *all[6] = {push, pull, tap, p.front, p.back, p.capture};
    for (int i = 0; i < 6; i++)
        OK (zmq_close (all[i]));
    OK (zmq_ctx_term (ctx));
}

MAIN (ENTRY (interrupts_receiving_just_after_a_message), ENTRY (interrupts_polling_just_after_a_message),
      ENTRY (restarting_is_no_way_out), ENTRY (mask_stays), ENTRY (a_proxy_loses_nothing))
