/*
 * Programs close descriptors that are not theirs: daemons all of them, careless ones a number twice. What relied on them
 * stops, but nothing spins, hangs or ends the process, and what is made afterwards works.
 */
#include "common.h"

static const char *transports[] = {"tcp", "ipc", "inproc"};

static double cpu_seconds (void)
{
    struct rusage u;
    OK (getrusage (RUSAGE_SELF, &u));
    return (double) (u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double) (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static int is_open (int fd)
{
    return fcntl (fd, F_GETFD) != -1;
}

#define HIGHEST 64

/* Sockets that talk; what they opened; `first` to `last` of that closed, and something else opened in its place; then the
   sockets are used, if `use`, and everything ends. False if there is no such descriptor. */
static int close_under_sockets (const char *transport, int which, int use, int reopen)
{
    int before[HIGHEST], ours[HIGHEST], count = 0, null = open ("/dev/null", O_RDWR);
    char ep[EP_SIZE], buf[8];
    double used;
    void *ctx, *push, *pull;
    for (int fd = 0; fd < HIGHEST; fd++)
        before[fd] = is_open (fd);
    ctx = ctx_new ();
    push = sock (ctx, ZMQ_PUSH);
    pull = sock (ctx, ZMQ_PULL);
    if (use)
        set_int (push, ZMQ_LINGER, -1);
    set_int (push, ZMQ_SNDTIMEO, 100);
    set_int (pull, ZMQ_RCVTIMEO, 100);
    bind_any (pull, transport, ep);
    OK (zmq_connect (push, ep));
    SEND (push, "x", 0);
    CHECK (readable (pull, 5000));
    RECV (pull, "x");
    readable (pull, 1);
    for (int fd = 0; fd < HIGHEST; fd++)
        if (is_open (fd) && !before[fd])
            ours[count++] = fd;
    CHECK (count > 0);
    if (which >= count)
        return 0;
    for (int i = 0; i < count; i++)
        if (which < 0 || i == which) {
            close (ours[i]);
            if (reopen)
                IS (dup2 (null, ours[i]), ours[i]);
        }
    used = cpu_seconds ();
    sleep_ms (50);
    if (use) {
        zmq_pollitem_t item = {pull, 0, ZMQ_POLLIN, 0};
        zmq_send (push, "y", 1, 0);
        zmq_recv (pull, buf, sizeof buf, 0);
        zmq_poll (&item, 1, 100);
        zmq_recv (pull, buf, sizeof buf, 0);
    }
    OK (zmq_close (push));
    OK (zmq_close (pull));
    OK (zmq_ctx_term (ctx));
    CHECK (cpu_seconds () - used < 0.04 * slower ());
    return 1;
}

static int in_child (const char *transport, int which, int use, int reopen)
{
    int status = 0;
    pid_t pid;
    fflush (NULL);
    pid = fork ();
    CHECK (pid >= 0);
    if (pid == 0) {
        signal (SIGALRM, SIG_DFL);
        alarm_in (10);
        _exit (close_under_sockets (transport, which, use, reopen) ? 0 : 77);
    }
    IS (waitpid (pid, &status, 0), pid);
    if (status != 0 && (!WIFEXITED (status) || WEXITSTATUS (status) != 77))
        fail_at (__FILE__, __LINE__, "%s, descriptor %d, use %d, reopen %d: status 0x%x", transport, which, use, reopen,
                 status);
    return status == 0;
}

GROUP (all_closed)
{
    for (int t = 0; t < 3; t++)
        for (int use = 0; use < 2; use++)
            for (int reopen = 0; reopen < 2; reopen++)
                CHECK (in_child (transports[t], -1, use, reopen));
}

/* One of them, whichever it is: the sets, what wakes threads, a listener, a connection. */
static void one_closed (int reopen)
{
    for (int t = 0; t < 3; t++) {
        int which = 0;
        while (in_child (transports[t], which, 0, reopen) && in_child (transports[t], which, 1, reopen))
            which++;
        CHECK (which >= 3);
    }
}

GROUP (any_one_closed)
{
    one_closed (0);
}

GROUP (any_one_is_something_else)
{
    one_closed (1);
}

/* A thread keeps a descriptor of its own for its next waits. */
GROUP (new_sockets_after_all_was_closed)
{
    for (int round = 0; round < 3; round++) {
        void *ctx = ctx_new (), *push = sock (ctx, ZMQ_PUSH);
        zmq_pollitem_t items[6];
        char ep[EP_SIZE];
        for (int i = 0; i < 6; i++) {
            items[i] = (zmq_pollitem_t){sock (ctx, ZMQ_PULL), 0, ZMQ_POLLIN, 0};
            bind_any (items[i].socket, "tcp", ep);
        }
        OK (zmq_connect (push, ep));
        for (int i = 0; i < 10; i++) {
            SEND (push, "x", 0);
            IS (zmq_poll (items, 6, 5000), 1);
            RECV (items[5].socket, "x");
            IS (zmq_poll (items, 6, 1), 0);
        }
        for (int fd = 3; fd < HIGHEST; fd++)
            close (fd);
        for (int i = 0; i < 6; i++)
            OK (zmq_close (items[i].socket));
        OK (zmq_close (push));
        OK (zmq_ctx_term (ctx));
    }
}

MAIN (ENTRY (all_closed), ENTRY_SLOW (any_one_closed, 90), ENTRY_SLOW (any_one_is_something_else, 90),
      ENTRY (new_sockets_after_all_was_closed))
