/*
 * fork(2): a child can use contexts that have no sockets yet, and any of its own, whatever other threads were doing at the
 * fork; it can close what it has inherited, and the parent notices nothing of all that.
 */
#include "common.h"
#include "forks.h"

#define ROUNDS 1000

/* The exit status of a child that does this; a signal that ended it as 1000 and more. */
static int in_child (int (*work) (void *), void *arg)
{
    int status = 0;
    pid_t pid;
    fflush (NULL);
    pid = fork ();
    CHECK (pid >= 0);
    if (pid == 0) {
        signal (SIGALRM, SIG_DFL);
        alarm_in (10);
        _exit (work (arg));
    }
    IS (waitpid (pid, &status, 0), pid);
    return WIFEXITED (status) ? WEXITSTATUS (status) : 1000 + WTERMSIG (status);
}

/* Questions and answers between two sockets of the context. */
static int talk (void *ctx, const char *transport)
{
    char ep[EP_SIZE];
    void *server = sock (ctx, ZMQ_REP), *client = sock (ctx, ZMQ_REQ);
    bind_any (server, transport, ep);
    OK (zmq_connect (client, ep));
    for (int i = 0; i < 20; i++) {
        SEND (client, "question", 0);
        RECV (server, "question");
        SEND (server, "answer", 0);
        CHECK (readable (client, 5000));
        RECV (client, "answer");
    }
    OK (zmq_close (client));
    OK (zmq_close (server));
    return 0;
}

static int talk_in_all_ways (void *ctx)
{
    return talk (ctx, "tcp") || talk (ctx, "ipc") || talk (ctx, "inproc");
}

static int talk_and_end (void *ctx)
{
    return talk_in_all_ways (ctx) || zmq_ctx_term (ctx);
}

static int talk_with_own_context (void *unused UNUSED)
{
    return talk_and_end (ctx_new ());
}

static int talk_in_grandchild (void *ctx)
{
    return in_child (talk_in_all_ways, ctx);
}

/* As daemons do: everything is set up, then the process puts itself into the background. */
GROUP (context_before_the_fork)
{
    void *ctx = ctx_new ();
    OK (zmq_ctx_set (ctx, ZMQ_IO_THREADS, 2));
    IS (in_child (talk_in_all_ways, ctx), 0);
    IS (in_child (talk_in_grandchild, ctx), 0);
    talk (ctx, "tcp");
    OK (zmq_ctx_term (ctx));
    /* The library was used before. */
    IS (in_child (talk_with_own_context, NULL), 0);
}

static int count_sockets (void *ctx)
{
    int made = 0;
    void *s[8];
    if (zmq_ctx_get (ctx, ZMQ_MAX_SOCKETS) != 3 || zmq_ctx_get (ctx, ZMQ_BLOCKY) != 0)
        return 100;
    while (made < 8 && (s[made] = zmq_socket (ctx, ZMQ_PAIR)))
        made++;
    if (errno != EMFILE || get_int (s[0], ZMQ_LINGER) != 0)
        return 101;
    for (int i = 0; i < made; i++)
        OK (zmq_close (s[i]));
    return made;
}

GROUP (options_of_the_context)
{
    void *ctx = ctx_new ();
    OK (zmq_ctx_set (ctx, ZMQ_MAX_SOCKETS, 3));
    OK (zmq_ctx_set (ctx, ZMQ_BLOCKY, 0));
    IS (in_child (count_sockets, ctx), 3);
    OK (zmq_ctx_term (ctx));
}

/* Sockets with a connection and a message on its way. */
typedef struct
{
    void *ctx, *push, *pull, *idle;
    char ep[EP_SIZE];
} parents_t;

static void set_up (parents_t *p)
{
    p->ctx = ctx_new ();
    p->push = sock (p->ctx, ZMQ_PUSH);
    p->pull = sock (p->ctx, ZMQ_PULL);
    p->idle = sock (p->ctx, ZMQ_SUB);
    bind_any (p->pull, "tcp", p->ep);
    OK (zmq_connect (p->push, p->ep));
    SEND (p->push, "first", 0);
    RECV (p->pull, "first");
}

static void go_on_and_end (parents_t *p)
{
    for (int i = 0; i < 100; i++) {
        SEND (p->push, "more", 0);
        CHECK (readable (p->pull, 5000));
        RECV (p->pull, "more");
    }
    OK (zmq_close (p->push));
    OK (zmq_close (p->pull));
    OK (zmq_close (p->idle));
    OK (zmq_ctx_term (p->ctx));
}

static int close_what_is_inherited (void *arg)
{
    parents_t *p = (parents_t *) arg;
    char ep[EP_SIZE];
    set_int (p->push, ZMQ_LINGER, 100);
    IS (get_int (p->push, ZMQ_LINGER), 100);
    IS (get_int (p->pull, ZMQ_LINGER), 0);
    IS (get_int (p->pull, ZMQ_TYPE), ZMQ_PULL);
    IS (get_int (p->pull, ZMQ_RCVMORE), 0);
    last_endpoint (p->pull, ep);
    CHECK (!strcmp (ep, p->ep));
    set_int (p->pull, ZMQ_RCVHWM, 5);
    OK (zmq_setsockopt (p->idle, ZMQ_SUBSCRIBE, "topic", 5));
    FAILS (zmq_setsockopt (p->pull, 9999, ep, 4), EINVAL);
    FAILS (zmq_setsockopt (p->pull, ZMQ_LINGER, ep, 3), EINVAL);
    OK (zmq_close (p->push));
    FAILS (zmq_close (p->push), ENOTSOCK);
    OK (zmq_close (p->pull));
    OK (zmq_close (p->idle));
    return talk_with_own_context (NULL);
}

GROUP (inherited_sockets_are_closed)
{
    parents_t p;
    set_up (&p);
    for (int i = 0; i < 5; i++)
        IS (in_child (close_what_is_inherited, &p), 0);
    IS (get_int (p.push, ZMQ_LINGER), 0);
    go_on_and_end (&p);
}

static int end_inherited_context (void *arg)
{
    parents_t *p = (parents_t *) arg;
    void *unused = ctx_new ();
    IS (in_child (talk_and_end, unused), 0);
    OK (zmq_ctx_term (unused));
    OK (zmq_close (p->push));
    IS (zmq_ctx_term (p->ctx), 0);
    FAILS (zmq_ctx_term (p->ctx), EFAULT);
    return talk_with_own_context (NULL);
}

GROUP (inherited_context_ends)
{
    parents_t p;
    set_up (&p);
    IS (in_child (end_inherited_context, &p), 0);
    go_on_and_end (&p);
}

static int talk_anew (void *arg)
{
    parents_t *p = (parents_t *) arg;
    return talk_and_end (p->ctx);
}

GROUP (inherited_context_begins_anew)
{
    parents_t p;
    set_up (&p);
    OK (zmq_bind (p.idle, "inproc://taken"));
    IS (in_child (talk_anew, &p), 0);
    go_on_and_end (&p);
}

static int use_what_is_inherited (void *arg)
{
    parents_t *p = (parents_t *) arg;
    char buf[8];
    int value;
    size_t size = sizeof value;
    zmq_pollitem_t item = {p->pull, 0, ZMQ_POLLIN, 0};
    zmq_pollitem_t out = {p->push, 0, ZMQ_POLLOUT, 0};
    void *own = sock (ctx_new (), ZMQ_PUSH);
    FAILS (zmq_send (p->push, "child", 5, 0), ETERM);
    FAILS (zmq_recv (p->pull, buf, sizeof buf, 0), ETERM);
    FAILS (zmq_poll (&item, 1, -1), ETERM);
    FAILS (zmq_poll (&out, 1, -1), ETERM);
    FAILS (zmq_bind (p->pull, "tcp://127.0.0.1:*"), ETERM);
    FAILS (zmq_connect (p->push, p->ep), ETERM);
    FAILS (zmq_disconnect (p->push, p->ep), ETERM);
    FAILS (zmq_getsockopt (p->pull, ZMQ_EVENTS, &value, &size), ETERM);
    FAILS (zmq_proxy (p->pull, own, NULL), ETERM);
    FAILS (zmq_proxy (p->pull, p->push, NULL), ETERM);
    FAILS (zmq_socket_monitor (p->pull, "inproc://monitor", ZMQ_EVENT_ALL), ETERM);
    return 0;
}

GROUP (inherited_sockets_say_so)
{
    parents_t p;
    set_up (&p);
    IS (in_child (use_what_is_inherited, &p), 0);
    go_on_and_end (&p);
}

/* ---- who is woken ------------------------------------------------------------------------------------------------ */

static _Atomic int asked, stop;

static void *send_when_asked (void *push)
{
    for (int done = 0; !stop;) {
        if (asked == done) {
            sleep_ms (1);
            continue;
        }
        done++;
        sleep_ms (2);
        SEND (push, "x", 0);
    }
    return NULL;
}

/* A child polls for ever, sockets of its own; the parent's thread, of which it is a copy, polls as before. */
static void poll_beside_a_child (const char *transport, int sockets)
{
    void *ctx = ctx_new (), *push = sock (ctx, ZMQ_PUSH);
    zmq_pollitem_t items[8];
    char ep[EP_SIZE];
    pthread_t thread;
    pid_t pid;
    stop = asked = 0;
    for (int i = 0; i < sockets; i++) {
        items[i] = (zmq_pollitem_t){sock (ctx, ZMQ_PULL), 0, ZMQ_POLLIN, 0};
        bind_any (items[i].socket, transport, ep);
    }
    OK (zmq_connect (push, ep));
    for (int i = 0; i < 5; i++)
        IS (zmq_poll (items, sockets, 2), 0);
    fflush (NULL);
    pid = fork ();
    CHECK (pid >= 0);
    if (pid == 0) {
        void *own = ctx_new ();
        prctl (PR_SET_PDEATHSIG, SIGKILL);
        for (int i = 0; i < sockets; i++) {
            items[i].socket = sock (own, ZMQ_PULL);
            bind_any (items[i].socket, transport, ep);
        }
        for (;;)
            zmq_poll (items, sockets, -1);
    }
    sleep_ms (50);
    IS (pthread_create (&thread, NULL, send_when_asked, push), 0);
    for (int i = 0; i < 100; i++) {
        int64_t start = now_ms ();
        char buf[4];
        asked++;
        IS (zmq_poll (items, sockets, 4000), 1);
        CHECK (now_ms () - start < 3000);
        IS (zmq_recv (items[sockets - 1].socket, buf, sizeof buf, ZMQ_DONTWAIT), 1);
    }
    stop = 1;
    pthread_join (thread, NULL);
    kill (pid, SIGKILL);
    IS (waitpid (pid, NULL, 0), pid);
    for (int i = 0; i < sockets; i++)
        OK (zmq_close (items[i].socket));
    OK (zmq_close (push));
    OK (zmq_ctx_term (ctx));
}

GROUP (child_takes_no_wake_up)
{
    poll_beside_a_child ("inproc", 1);
}

GROUP (child_takes_no_wake_up_of_many_sockets)
{
    poll_beside_a_child ("tcp", 6);
}

/* ---- locks that only the parent has ------------------------------------------------------------------------------- */

static void *open_and_close (void *ctx)
{
    void *s[8];
    for (int round = 0; !stop; round++) {
        void *own = round % 16 ? NULL : zmq_ctx_new ();
        for (int i = 0; i < 8; i++)
            s[i] = zmq_socket (own ? own : ctx, ZMQ_PAIR);
        zmq_ctx_set (ctx, ZMQ_MAX_SOCKETS, 1000 + round % 8);
        for (int i = 0; i < 8; i++)
            if (s[i])
                zmq_close (s[i]);
        if (own)
            zmq_ctx_term (own);
    }
    return NULL;
}

static void *traffic (void *ctx)
{
    static __thread char big[100000];
    char ep[EP_SIZE];
    void *push = sock (ctx, ZMQ_PUSH), *pull = sock (ctx, ZMQ_PULL);
    bind_any (pull, "inproc", ep);
    OK (zmq_connect (push, ep));
    while (!stop) {
        for (int i = 0; i < 50; i++)
            zmq_send (push, big, i % 10 ? 500 : sizeof big, ZMQ_DONTWAIT);
        while (zmq_recv (pull, big, sizeof big, ZMQ_DONTWAIT) >= 0)
            ;
    }
    OK (zmq_close (push));
    OK (zmq_close (pull));
    return NULL;
}

static int work_like_the_parent (void *ctx)
{
    static char big[100000];
    char ep[EP_SIZE];
    void *own, *s[30], *push, *pull;
    if (zmq_ctx_get (ctx, ZMQ_IO_THREADS) != 1)
        return 2;
    own = ctx_new ();
    for (int i = 0; i < 30; i++)
        if (!(s[i] = zmq_socket (own, ZMQ_PAIR)))
            return 3;
    push = sock (own, ZMQ_PUSH);
    pull = sock (own, ZMQ_PULL);
    bind_any (pull, "inproc", ep);
    OK (zmq_connect (push, ep));
    for (int i = 0; i < 30; i++)
        if (zmq_send (push, big, i % 10 ? 500 : sizeof big, 0) < 0 || zmq_recv (pull, big, sizeof big, 0) < 0)
            return 4;
    for (int i = 0; i < 30; i++)
        OK (zmq_close (s[i]));
    OK (zmq_close (push));
    OK (zmq_close (pull));
    return zmq_ctx_term (own);
}

GROUP (forks_beside_busy_threads)
{
    void *ctx = ctx_new ();
    pthread_t threads[4];
    int64_t until = now_ms () + 12000;
    stop = 0;
    for (int i = 0; i < 4; i++)
        IS (pthread_create (&threads[i], NULL, i < 2 ? open_and_close : traffic, ctx), 0);
    sleep_ms (50);
    for (int i = 0; i < ROUNDS && now_ms () < until; i++)
        IS (in_child (work_like_the_parent, ctx), 0);
    stop = 1;
    for (int i = 0; i < 4; i++)
        pthread_join (threads[i], NULL);
    OK (zmq_ctx_term (ctx));
}

/* ---- locks of the C library --------------------------------------------------------------------------------------- */

static int talk_by_name (void *unused UNUSED, int how UNUSED)
{
    char ep[EP_SIZE];
    void *ctx = ctx_new (), *server = sock (ctx, ZMQ_REP), *client = sock (ctx, ZMQ_REQ);
    bind_any (server, "tcp", ep);
    char *port = strrchr (ep, ':'), by_name[EP_SIZE];
    snprintf (by_name, sizeof by_name, "tcp://localhost%s", port);
    OK (zmq_connect (client, by_name));
    SEND (client, "question", 0);
    if (!readable (server, 3000))
        return 5;
    RECV (server, "question");
    OK (zmq_close (client));
    OK (zmq_close (server));
    return zmq_ctx_term (ctx);
}

/* A look-up in another thread, which the fork waits for. */
GROUP (child_looks_up_names)
{
    fork_beside_look_ups (ZMQ_PUSH, "tcp://localhost:9", talk_by_name);
}

MAIN (ENTRY (context_before_the_fork), ENTRY (options_of_the_context), ENTRY (inherited_sockets_are_closed),
      ENTRY (inherited_context_ends), ENTRY (inherited_context_begins_anew), ENTRY (inherited_sockets_say_so),
      ENTRY (child_takes_no_wake_up), ENTRY (child_takes_no_wake_up_of_many_sockets),
      ENTRY (forks_beside_busy_threads), ENTRY (child_looks_up_names))
