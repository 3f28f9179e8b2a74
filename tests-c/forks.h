/*
 * For tests of fork(2): children that do something, and a look-up of names (getaddrinfo(3)) that holds a lock for long, as the C
 * library's holds some for short. A child that is made in the middle of one has the lock, and nobody who opens it.
 */
#ifndef TESTS_C_FORKS_H
#define TESTS_C_FORKS_H

#include <dlfcn.h>
#include <netdb.h>

static pthread_mutex_t names = PTHREAD_MUTEX_INITIALIZER;
static volatile int looking_up, slow_names;

/* In the place of the C library's, for all that is loaded. */
int getaddrinfo (const char *restrict node, const char *restrict service, const struct addrinfo *restrict hints, struct addrinfo **restrict to)
{
    static int (*real) (const char *, const char *, const struct addrinfo *, struct addrinfo **);
    if (!real)
        *(void **) &real = dlsym (RTLD_NEXT, "getaddrinfo");
    if (!slow_names)
        return real (node, service, hints, to);
    pthread_mutex_lock (&names);
    looking_up = 1;
    sleep_ms (5);
    int result = real (node, service, hints, to);
    looking_up = 0;
    pthread_mutex_unlock (&names);
    return result;
}

/* The exit status of a child that does this, a signal that ended it as 1000 and more, 2000 if it does not end. */
static int UNUSED in_a_child (int (*work) (void *, int), void *arg, int how)
{
    int status = 0;
    fflush (NULL);
    pid_t pid = fork ();
    CHECK (pid >= 0);
    if (pid == 0)
        _exit (work (arg, how));
    int64_t until = now_ms () + 5000;
    while (waitpid (pid, &status, WNOHANG) == 0) {
        if (now_ms () > until) {
            kill (pid, SIGKILL);
            waitpid (pid, &status, 0);
            return 2000;
        }
        sleep_ms (1);
    }
    return WIFEXITED (status) ? WEXITSTATUS (status) : 1000 + WTERMSIG (status);
}

typedef struct
{
    void *ctx;
    const char *ep;
    int type;
    volatile int stop;
} opener_t;

static void UNUSED *opens_and_closes (void *arg)
{
    opener_t *one = arg;
    while (!one->stop) {
        void *s = sock (one->ctx, one->type);
        OK (zmq_connect (s, one->ep));
        sleep_ms (10);
        OK (zmq_close (s));
    }
    return NULL;
}

/* Children are made while another thread connects to this endpoint, in the middle of a look-up. */
static void UNUSED fork_beside_look_ups (int type, const char *ep, int (*work) (void *, int))
{
    opener_t one = {ctx_new (), ep, type, 0};
    pthread_t thread;
    slow_names = 1;
    IS (pthread_create (&thread, NULL, opens_and_closes, &one), 0);
    for (int i = 0; i < 5; i++) {
        /* Who does not look up anything has no such lock. */
        for (int64_t until = now_ms () + 200; !looking_up && now_ms () < until;)
            sched_yield ();
        IS (in_a_child (work, (void *) ep, i), 0);
    }
    one.stop = 1;
    IS (pthread_join (thread, NULL), 0);
    OK (zmq_ctx_term (one.ctx));
}

/* A child that publishes and subscribes there, too. */
static int UNUSED like_the_parent (void *ep, int how UNUSED)
{
    void *ctx = ctx_new (), *sub = sock (ctx, ZMQ_SUB), *pub = sock (ctx, ZMQ_PUB);
    OK (zmq_connect (sub, ep));
    OK (zmq_connect (pub, ep));
    OK (zmq_close (sub));
    OK (zmq_close (pub));
    return zmq_ctx_term (ctx);
}

static struct
{
    void *ctx, *pub, *sub;
} parents;

/* In all ways in which a child may end with what is its parent's. */
static int UNUSED ends (void *unused UNUSED, int how)
{
    if (how & 1) {
        OK (zmq_close (parents.pub));
        OK (zmq_close (parents.sub));
    }
    if (how & 2)
        OK (zmq_ctx_term (parents.ctx));
    if (how & 4)
        exit (0);
    return 0;
}

/* Children end in the middle of messages between sockets of the parent, which go on. */
static void UNUSED children_end_beside (void *(*make) (void *, int), const char *ep)
{
    parents.ctx = ctx_new ();
    void *sub = parents.sub = make (parents.ctx, ZMQ_SUB), *pub = parents.pub = make (parents.ctx, ZMQ_PUB);
    OK (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "", 0));
    OK (zmq_connect (sub, ep));
    OK (zmq_connect (pub, ep));
    sleep_ms (50);
    for (int how = 0; how < 8; how++) {
        for (int i = 0; i < 10; i++)
            IS (zmq_send (pub, &i, sizeof i, 0), sizeof i);
        IS (in_a_child (ends, NULL, how), 0);
        for (int i = 0, got = -1; i < 10; i++) {
            IS (zmq_recv (sub, &got, sizeof got, 0), sizeof got);
            IS (got, i);
        }
    }
    OK (zmq_close (sub));
    OK (zmq_close (pub));
    OK (zmq_ctx_term (parents.ctx));
}

#endif
