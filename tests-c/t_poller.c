/* Draft: zmq_poller_*, zmq_ppoll, zmq_ctx_set_ext, zmq_msg_init_buffer. */
#define ZMQ_BUILD_DRAFT_API
#include "common.h"

#define EVENT_IS(event, s, number, data, what)                                                                         \
    CHECK ((event).socket == (s) && (event).fd == (number) && (event).user_data == (data) && (event).events == (what))

static int fired[3];

/* A pair of sockets that are connected within the process. */
static void two (void *ctx, void **one, void **other)
{
    char ep[EP_SIZE];
    *one = sock (ctx, ZMQ_PAIR);
    *other = sock (ctx, ZMQ_PAIR);
    bind_any (*one, "inproc", ep);
    OK (zmq_connect (*other, ep));
}

/* What is no poller and what is no socket. */
GROUP (arguments)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PAIR), *p = zmq_poller_new (), *null = NULL;
    void *none[] = {NULL, &null, s, ctx};
    zmq_poller_event_t event;
    int fd;
    CHECK (p != NULL);
    for (int i = 0; i < 4; i++) {
        FAILS (zmq_poller_destroy (&none[i]), EFAULT);
        FAILS (zmq_poller_size (none[i]), EFAULT);
        FAILS (zmq_poller_add (none[i], s, NULL, ZMQ_POLLIN), EFAULT);
        FAILS (zmq_poller_modify (none[i], s, ZMQ_POLLIN), EFAULT);
        FAILS (zmq_poller_remove (none[i], s), EFAULT);
        FAILS (zmq_poller_add_fd (none[i], 0, NULL, ZMQ_POLLIN), EFAULT);
        FAILS (zmq_poller_modify_fd (none[i], 0, ZMQ_POLLIN), EFAULT);
        FAILS (zmq_poller_remove_fd (none[i], 0), EFAULT);
        FAILS (zmq_poller_wait (none[i], &event, 0), EFAULT);
        FAILS (zmq_poller_wait_all (none[i], &event, 1, 0), EFAULT);
        FAILS (zmq_poller_fd (none[i], &fd), EFAULT);
    }
    FAILS (zmq_poller_destroy (NULL), EFAULT);
    FAILS (zmq_poller_add (p, NULL, NULL, ZMQ_POLLIN), ENOTSOCK);
    FAILS (zmq_poller_add (p, ctx, NULL, ZMQ_POLLIN), ENOTSOCK);
    FAILS (zmq_poller_modify (p, NULL, ZMQ_POLLIN), ENOTSOCK);
    FAILS (zmq_poller_remove (p, NULL), ENOTSOCK);
    FAILS (zmq_poller_add_fd (p, -1, NULL, ZMQ_POLLIN), EBADF);
    FAILS (zmq_poller_modify_fd (p, -1, ZMQ_POLLIN), EBADF);
    FAILS (zmq_poller_remove_fd (p, -1), EBADF);
    FAILS (zmq_poller_add (p, s, NULL, 16), EINVAL);
    FAILS (zmq_poller_add_fd (p, 0, NULL, -1), EINVAL);
    FAILS (zmq_poller_modify (p, s, ZMQ_POLLIN), EINVAL);
    FAILS (zmq_poller_remove (p, s), EINVAL);
    FAILS (zmq_poller_modify_fd (p, 0, ZMQ_POLLIN), EINVAL);
    FAILS (zmq_poller_remove_fd (p, 0), EINVAL);
    FAILS (zmq_poller_fd (p, NULL), EINVAL);
    OK (zmq_poller_add (p, s, NULL, ZMQ_POLLIN));
    FAILS (zmq_poller_add (p, s, NULL, ZMQ_POLLIN), EINVAL);
    FAILS (zmq_poller_modify (p, s, 32), EINVAL);
    FAILS (zmq_poller_wait (p, NULL, 0), EFAULT);
    for (int room = -1; room < 2; room++)
        FAILS (zmq_poller_wait_all (p, NULL, room, 0), EFAULT);
    FAILS (zmq_poller_wait_all (p, &event, -1, 0), EINVAL);
    FAILS (zmq_poller_fd (p, &fd), EINVAL);
    IS (zmq_poller_size (p), 1);
    OK (zmq_poller_destroy (&p));
    CHECK (p == NULL);
    FAILS (zmq_poller_destroy (&p), EFAULT);
    IS (zmq_has ("draft"), 1);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

/* What is found, in the order in which the sockets came; what is found of nothing. */
GROUP (events)
{
    void *ctx = ctx_new (), *a, *b, *p = zmq_poller_new ();
    zmq_poller_event_t e[3];
    memset (e, 0x55, sizeof e);
    two (ctx, &a, &b);
    FAILS (zmq_poller_wait (p, e, 0), EAGAIN);
    EVENT_IS (e[0], NULL, -1, NULL, 0);
    FAILS (zmq_poller_wait (p, e, -1), EFAULT);
    OK (zmq_poller_add (p, a, &fired[0], ZMQ_POLLIN));
    OK (zmq_poller_add (p, b, &fired[1], ZMQ_POLLOUT | ZMQ_POLLERR | ZMQ_POLLPRI));
    IS (zmq_poller_wait (p, e, -1), 0);
    EVENT_IS (e[0], b, -1, &fired[1], ZMQ_POLLOUT);
    SEND (b, "hello", 0);
    IS (zmq_poller_wait_all (p, e, 3, -1), 2);
    EVENT_IS (e[0], a, -1, &fired[0], ZMQ_POLLIN);
    EVENT_IS (e[1], b, -1, &fired[1], ZMQ_POLLOUT);
    EVENT_IS (e[2], NULL, -1, NULL, 0);
    IS (zmq_poller_wait_all (p, e, 1, 0), 1);
    EVENT_IS (e[0], a, -1, &fired[0], ZMQ_POLLIN);
    FAILS (zmq_poller_wait_all (p, e, 0, 0), EAGAIN);
    /* Still there: who looks again is told again. */
    OK (zmq_poller_modify (p, b, ZMQ_POLLERR));
    IS (zmq_poller_wait_all (p, e, 3, 100), 1);
    RECV (a, "hello");
    FAILS (zmq_poller_wait_all (p, e, 3, 0), EAGAIN);
    int64_t start = now_ms ();
    FAILS (zmq_poller_wait (p, e, 30), EAGAIN);
    CHECK (now_ms () - start >= 29);
    /* None of all that is there can come. */
    OK (zmq_poller_modify (p, b, 0));
    OK (zmq_poller_modify (p, a, 0));
    FAILS (zmq_poller_wait_all (p, e, 3, 0), EAGAIN);
    FAILS (zmq_poller_wait_all (p, e, 3, 10), EAGAIN);
    FAILS (zmq_poller_wait_all (p, e, 3, -1), EFAULT);
    IS (zmq_poller_size (p), 2);
    OK (zmq_poller_remove (p, a));
    OK (zmq_poller_remove (p, b));
    IS (zmq_poller_size (p), 0);
    OK (zmq_poller_destroy (&p));
    OK (zmq_close (a));
    OK (zmq_close (b));
    OK (zmq_ctx_term (ctx));
}

GROUP (descriptors)
{
    void *ctx = ctx_new (), *a, *b, *p = zmq_poller_new ();
    zmq_poller_event_t e[3];
    int fd[2];
    char byte;
    two (ctx, &a, &b);
    OK (pipe (fd));
    OK (zmq_poller_add_fd (p, fd[0], &fired[0], ZMQ_POLLIN));
    FAILS (zmq_poller_add_fd (p, fd[0], &fired[0], ZMQ_POLLIN), EINVAL);
    OK (zmq_poller_add (p, a, &fired[1], ZMQ_POLLIN));
    OK (zmq_poller_add_fd (p, fd[1], &fired[2], ZMQ_POLLOUT));
    IS (zmq_poller_size (p), 3);
    IS (zmq_poller_wait (p, e, 0), 0);
    EVENT_IS (e[0], NULL, fd[1], &fired[2], ZMQ_POLLOUT);
    OK (zmq_poller_modify_fd (p, fd[1], 0));
    FAILS (zmq_poller_wait (p, e, 0), EAGAIN);
    IS (write (fd[1], "x", 1), 1);
    SEND (b, "hello", 0);
    IS (zmq_poller_wait_all (p, e, 3, 1000), 2);
    EVENT_IS (e[0], NULL, fd[0], &fired[0], ZMQ_POLLIN);
    EVENT_IS (e[1], a, -1, &fired[1], ZMQ_POLLIN);
    RECV (a, "hello");
    IS (read (fd[0], &byte, 1), 1);
    FAILS (zmq_poller_wait (p, e, 0), EAGAIN);
    OK (zmq_poller_remove_fd (p, fd[1]));
    close (fd[1]);
    IS (zmq_poller_wait (p, e, 1000), 0);
    EVENT_IS (e[0], NULL, fd[0], &fired[0], ZMQ_POLLERR);
    OK (zmq_poller_remove_fd (p, fd[0]));
    FAILS (zmq_poller_remove_fd (p, fd[0]), EINVAL);
    /* One that is not open. */
    OK (zmq_poller_add_fd (p, 12345, NULL, ZMQ_POLLIN));
    IS (zmq_poller_wait (p, e, 1000), 0);
    EVENT_IS (e[0], NULL, 12345, NULL, ZMQ_POLLERR);
    OK (zmq_poller_destroy (&p));
    OK (zmq_close (a));
    OK (zmq_close (b));
    OK (zmq_ctx_term (ctx));
}

/* More than a few, each in two pollers; a message for each in turn. */
GROUP (many_in_two_pollers)
{
    enum { N = 20 };
    void *ctx = ctx_new (), *in[N], *out[N], *p[2] = {zmq_poller_new (), zmq_poller_new ()};
    zmq_poller_event_t e[N];
    char ep[EP_SIZE];
    for (int i = 0; i < N; i++) {
        in[i] = sock (ctx, ZMQ_PULL);
        out[i] = sock (ctx, ZMQ_PUSH);
        bind_any (in[i], i % 2 ? "tcp" : "inproc", ep);
        OK (zmq_connect (out[i], ep));
        for (int j = 0; j < 2; j++)
            OK (zmq_poller_add (p[j], in[i], &in[i], ZMQ_POLLIN));
    }
    for (int round = 0; round < 60; round++) {
        int to = round * 7 % N;
        SEND (out[to], "one", 0);
        for (int j = 0; j < 2; j++) {
            IS (zmq_poller_wait_all (p[j], e, N, 5000), 1);
            EVENT_IS (e[0], in[to], -1, &in[to], ZMQ_POLLIN);
        }
        RECV (in[to], "one");
    }
    for (int i = 0; i < N; i++) {
        OK (zmq_poller_remove (p[0], in[i]));
        OK (zmq_close (out[i]));
    }
    FAILS (zmq_poller_wait_all (p[0], e, N, 0), EAGAIN);
    OK (zmq_poller_destroy (&p[0]));
    OK (zmq_poller_destroy (&p[1]));
    for (int i = 0; i < N; i++)
        OK (zmq_close (in[i]));
    OK (zmq_ctx_term (ctx));
}

static int readable_within (int fd, int ms)
{
    struct pollfd item = {fd, POLLIN, 0};
    return poll (&item, 1, ms);
}

/* A descriptor for event loops, if there is a socket that libzmq lets several threads use. */
GROUP (poller_descriptor)
{
    void *ctx = ctx_new (), *server = sock (ctx, ZMQ_SERVER), *client = sock (ctx, ZMQ_CLIENT);
    void *pull = sock (ctx, ZMQ_PULL), *p = zmq_poller_new ();
    zmq_poller_event_t e[2];
    char ep[EP_SIZE];
    int fd = -1;
    OK (zmq_poller_add (p, pull, NULL, ZMQ_POLLIN));
    FAILS (zmq_poller_fd (p, &fd), EINVAL);
    OK (zmq_poller_add (p, server, NULL, ZMQ_POLLIN));
    OK (zmq_poller_fd (p, &fd));
    CHECK (fd >= 0);
    /* What cannot be watched is refused, and is not half there. */
    FAILS (zmq_poller_add_fd (p, 999, NULL, ZMQ_POLLIN), EBADF);
    IS (zmq_poller_size (p), 2);
    bind_any (server, "tcp", ep);
    OK (zmq_connect (client, ep));
    for (int round = 0; round < 50; round++) {
        SEND (client, "hello", 0);
        int found = -1;
        while (found == -1) {
            IS (readable_within (fd, 5000), 1);
            found = zmq_poller_wait_all (p, e, 2, 0);
            CHECK (found == 1 || errno == EAGAIN);
        }
        EVENT_IS (e[0], server, -1, NULL, ZMQ_POLLIN);
        RECV (server, "hello");
        while (zmq_poller_wait_all (p, e, 2, 0) != -1)
            ;
        CHECK (errno == EAGAIN);
    }
    IS (readable_within (fd, 0), 0);
    OK (zmq_poller_remove (p, server));
    OK (zmq_poller_fd (p, &fd));
    OK (zmq_poller_destroy (&p));
    OK (zmq_close (server));
    OK (zmq_close (client));
    OK (zmq_close (pull));
    OK (zmq_ctx_term (ctx));
}

/* The end of the context. */
GROUP (context_ends)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PAIR), *p = zmq_poller_new ();
    zmq_poller_event_t event;
    OK (zmq_poller_add (p, s, NULL, ZMQ_POLLIN));
    OK (zmq_ctx_shutdown (ctx));
    FAILS (zmq_poller_wait (p, &event, 0), ETERM);
    FAILS (zmq_poller_wait (p, &event, -1), ETERM);
    OK (zmq_poller_remove (p, s));
    OK (zmq_poller_add (p, s, NULL, ZMQ_POLLIN));
    OK (zmq_poller_destroy (&p));
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

static volatile sig_atomic_t handled;
static void handler (int number)
{
    (void) number;
    handled++;
}

/* The mask counts while it waits and not longer; what was held and is let in interrupts the wait. */
GROUP (ppoll)
{
    void *ctx = ctx_new (), *a, *b;
    struct sigaction action = {.sa_handler = handler};
    sigset_t held, none;
    OK (sigaction (SIGUSR1, &action, NULL));
    sigemptyset (&none);
    sigemptyset (&held);
    sigaddset (&held, SIGUSR1);
    two (ctx, &a, &b);
    OK (pthread_sigmask (SIG_BLOCK, &held, NULL));
    zmq_pollitem_t items[2] = {{a, 0, ZMQ_POLLIN, 0}, {b, 0, ZMQ_POLLIN, 0}};
    raise (SIGUSR1);
    IS (zmq_ppoll (items, 2, 20, NULL), 0);
    IS (zmq_ppoll (items, 2, 20, &held), 0);
    IS (handled, 0);
    FAILS (zmq_ppoll (items, 2, 10000, &none), EINTR);
    IS (handled, 1);
    raise (SIGUSR1);
    FAILS (zmq_ppoll (items, 1, 0, &none), EINTR);
    IS (handled, 2);
    /* With something to report it does not come in. */
    SEND (b, "hello", 0);
    raise (SIGUSR1);
    IS (zmq_ppoll (items, 2, -1, &none), 1);
    IS (items[0].revents, ZMQ_POLLIN);
    IS (handled, 2);
    RECV (a, "hello");
    sigset_t now;
    OK (pthread_sigmask (SIG_BLOCK, NULL, &now));
    CHECK (sigismember (&now, SIGUSR1));
    FAILS (zmq_ppoll (NULL, 1, 0, &none), EFAULT);
    FAILS (zmq_ppoll (items, -1, 0, &none), EINVAL);
    OK (zmq_close (a));
    OK (zmq_close (b));
    OK (zmq_ctx_term (ctx));
}

/* The same with nothing to wait for but time. */
GROUP (ppoll_of_nothing)
{
    struct sigaction action = {.sa_handler = handler};
    sigset_t held, none;
    OK (sigaction (SIGUSR1, &action, NULL));
    sigemptyset (&none);
    sigemptyset (&held);
    sigaddset (&held, SIGUSR1);
    OK (pthread_sigmask (SIG_BLOCK, &held, NULL));
    raise (SIGUSR1);
    IS (zmq_ppoll (NULL, 0, 0, NULL), 0);
    IS (zmq_ppoll (NULL, 0, 5, NULL), 0);
    FAILS (zmq_ppoll (NULL, 0, 2000, &none), EINTR);
    IS (handled, 1);
}

/* A signal while it sleeps, over and over: whenever it comes it is not lost. */
static pthread_t waiter;
static _Atomic int rounds;
static void *raiser (void *arg)
{
    (void) arg;
    for (int seen = 0; seen < 200;) {
        if (rounds != seen) {
            seen = rounds;
            usleep ((unsigned) (seen * 7 % 90));
            pthread_kill (waiter, SIGUSR1);
        }
        usleep (10);
    }
    return NULL;
}

GROUP (ppoll_is_interrupted)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PULL);
    struct sigaction action = {.sa_handler = handler};
    char ep[EP_SIZE];
    sigset_t held, none;
    pthread_t thread;
    OK (sigaction (SIGUSR1, &action, NULL));
    bind_any (s, "tcp", ep);
    sigemptyset (&none);
    sigemptyset (&held);
    sigaddset (&held, SIGUSR1);
    OK (pthread_sigmask (SIG_BLOCK, &held, NULL));
    waiter = pthread_self ();
    OK (pthread_create (&thread, NULL, raiser, NULL));
    zmq_pollitem_t item = {s, 0, ZMQ_POLLIN, 0};
    for (int i = 1; i <= 200; i++) {
        rounds = i;
        FAILS (zmq_ppoll (&item, 1, 10000, &none), EINTR);
        IS (handled, i);
    }
    OK (pthread_join (thread, NULL));
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

static int set_text (void *ctx, const char *text, size_t size)
{
    return zmq_ctx_set_ext (ctx, ZMQ_THREAD_NAME_PREFIX, text, size);
}

/* The names of the threads of this process: whether one is this. */
static int has_thread (const char *name)
{
    char path[64], line[64];
    int found = 0;
    for (int id = getpid (); id < getpid () + 200; id++) {
        snprintf (path, sizeof path, "/proc/self/task/%d/comm", id);
        FILE *file = fopen (path, "r");
        if (!file)
            continue;
        found |= fgets (line, sizeof line, file) && !strcmp (line, name);
        fclose (file);
    }
    return found;
}

GROUP (context_options)
{
    void *ctx = ctx_new ();
    char text[40], wide[8] = {2};
    int number = 2;
    size_t size = sizeof number;
    OK (zmq_ctx_set_ext (ctx, ZMQ_IO_THREADS, &number, sizeof number));
    number = 0;
    OK (zmq_ctx_get_ext (ctx, ZMQ_IO_THREADS, &number, &size));
    IS (number, 2);
    IS (zmq_ctx_get (ctx, ZMQ_IO_THREADS), 2);
    for (size = 0; size < 8; size++)
        if (size != sizeof number) {
            FAILS (zmq_ctx_set_ext (ctx, ZMQ_IO_THREADS, wide, size), EINVAL);
            size_t room = size;
            FAILS (zmq_ctx_get_ext (ctx, ZMQ_IO_THREADS, text, &room), EINVAL);
        }
    number = -1;
    FAILS (zmq_ctx_set_ext (ctx, ZMQ_IO_THREADS, &number, sizeof number), EINVAL);
    FAILS (zmq_ctx_set_ext (ctx, 999, &number, sizeof number), EINVAL);
    FAILS (zmq_ctx_set_ext (NULL, ZMQ_IO_THREADS, &number, sizeof number), EFAULT);
    size = sizeof number;
    FAILS (zmq_ctx_get_ext (NULL, ZMQ_IO_THREADS, &number, &size), EFAULT);
    FAILS (zmq_ctx_get_ext (ctx, ZMQ_THREAD_AFFINITY_CPU_ADD, &number, &size), EINVAL);
    /* A text, but one of four bytes is a number. */
    FAILS (set_text (ctx, "", 0), EINVAL);
    FAILS (set_text (ctx, "ABCDEFGHIJKLMNOPQ", 17), EINVAL);
    OK (set_text (ctx, "ABCDEFGHIJKLMNOP", 16));
    memset (text, 0, sizeof text);
    size = sizeof text;
    OK (zmq_ctx_get_ext (ctx, ZMQ_THREAD_NAME_PREFIX, text, &size));
    CHECK (!strcmp (text, "ABCDEFGHIJKLMNOP") && size == sizeof text);
    size = 15;
    FAILS (zmq_ctx_get_ext (ctx, ZMQ_THREAD_NAME_PREFIX, text, &size), EINVAL);
    IS (zmq_ctx_get (ctx, ZMQ_THREAD_NAME_PREFIX), 0);
    OK (set_text (ctx, "ABCD", 4));
    IS (zmq_ctx_get (ctx, ZMQ_THREAD_NAME_PREFIX), 0x44434241);
    OK (set_text (ctx, "12ab9", 6));
    IS (zmq_ctx_get (ctx, ZMQ_THREAD_NAME_PREFIX), 12);
    OK (set_text (ctx, "Mine!", 6));
    void *s = sock (ctx, ZMQ_PAIR);
    EVENTUALLY (has_thread ("Mine!/ZMQbg/IO/\n"), 5000);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

GROUP (messages_of_a_buffer)
{
    static char body[100000];
    zmq_msg_t msg;
    memset (body, 'x', sizeof body);
    for (size_t size = 0; size <= sizeof body; size = size * 3 + 1) {
        OK (zmq_msg_init_buffer (&msg, body, size));
        CHECK (zmq_msg_size (&msg) == size && !memcmp (zmq_msg_data (&msg), body, size));
        CHECK (size == 0 || zmq_msg_data (&msg) != body);
        OK (zmq_msg_close (&msg));
    }
    OK (zmq_msg_init_buffer (&msg, NULL, 0));
    IS (zmq_msg_size (&msg), 0);
    OK (zmq_msg_close (&msg));
}

MAIN (ENTRY (arguments), ENTRY (events), ENTRY (descriptors), ENTRY (many_in_two_pollers), ENTRY (poller_descriptor), ENTRY (context_ends),
      ENTRY (ppoll), ENTRY (ppoll_of_nothing), ENTRY (ppoll_is_interrupted), ENTRY (context_options), ENTRY (messages_of_a_buffer))
