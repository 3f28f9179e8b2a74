/*
 * The memory that statistics are in (docs/stats.md): sealed, not the parent's after a fork, and none where there can be none.
 */
#define ONLY_OURS
#define ZMQ_BUILD_DRAFT_API
#include "stats.h"
#include <sys/mman.h>

static void receive (void *s, int count)
{
    char body[16];
    for (int i = 0; i < count; i++)
        OK (zmq_recv (s, body, sizeof body, 0));
}

GROUP (sealed)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PULL);
    int fd = stats_open (getpid ()), seals, writes;
    char path[64];
    CHECK (fd >= 0);
    OK (seals = fcntl (fd, F_GET_SEALS));
    CHECK (seals & F_SEAL_SHRINK && seals & F_SEAL_GROW && seals & F_SEAL_FUTURE_WRITE);
    snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
    writes = open (path, O_RDWR);
    if (writes >= 0) {
        FAILS (pwrite (writes, "x", 1, 0), EPERM);
        FAILS (ftruncate (writes, 0), EPERM);
        CHECK (mmap (NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, writes, 0) == MAP_FAILED);
        OK (close (writes));
    }
    IS (lseek (fd, 0, SEEK_END), STATS_SIZE);
    OK (close (fd));
    CHECK (stats_of_process (getpid ()) && number (stats_bytes, HEADER_START_TIME) > 0);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

/* The child counts for itself, in memory of its own, and nothing in its parent's. */
GROUP (forks)
{
    void *ctx = ctx_new (), *push = sock (ctx, ZMQ_PUSH), *pull = sock (ctx, ZMQ_PULL);
    char ep[EP_SIZE];
    int status;
    bind_any (pull, "inproc", ep);
    OK (zmq_connect (push, ep));
    SEND (push, "parent", 0);
    pid_t child = fork ();
    if (child == 0) {
        void *own = ctx_new (), *out, *in;
        CHECK (!stats_of_process (getpid ()));
        out = sock (own, ZMQ_PUSH);
        in = sock (own, ZMQ_PULL);
        bind_any (in, "tcp", ep);
        OK (zmq_connect (out, ep));
        for (int i = 0; i < 3; i++)
            SEND (out, "child", 0);
        receive (in, 3);
        IS (SENT (ZMQ_PUSH), 3);
        IS (RECEIVED (ZMQ_PULL), 3);
        /* What the parent left is closed without a trace. */
        OK (zmq_close (push));
        OK (zmq_close (pull));
        CHECK (stats_of_process (getppid ()));
        CHECK (find_record (1, SOCKET_TYPE, ZMQ_PUSH) != NULL);
        OK (zmq_close (out));
        OK (zmq_close (in));
        OK (zmq_ctx_term (own));
        _exit (0);
    }
    IS (waitpid (child, &status, 0), child);
    IS (status, 0);
    IS (SENT (ZMQ_PUSH), 1);
    receive (pull, 1);
    IS (RECEIVED (ZMQ_PULL), 1);
    IS (peers_of (ZMQ_PUSH), 1);
    OK (zmq_close (push));
    OK (zmq_close (pull));
    OK (zmq_ctx_term (ctx));
}

/* How many such memories the process has descriptors of. */
static int memories (void)
{
    int count = 0;
    for (int fd = 3; fd < 100; fd++) {
        char link[64], target[64] = "";
        snprintf (link, sizeof link, "/proc/self/fd/%d", fd);
        if (readlink (link, target, sizeof target - 1) > 0 && !strncmp (target, "/memfd:zmq-stats", 16))
            count++;
    }
    return count;
}

/* Of a child of a child of a child there is one, its own, however many there were before it. */
GROUP (generations)
{
    int status;
    for (int generation = 0; generation < 4; generation++) {
        void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PULL);
        IS (memories (), 1);
        CHECK (stats_of_process (getpid ()));
        OK (zmq_close (s));
        OK (zmq_ctx_term (ctx));
        pid_t child = fork ();
        if (child) {
            IS (waitpid (child, &status, 0), child);
            IS (status, 0);
            if (generation)
                _exit (0);
            return;
        }
    }
    _exit (0);
}

/* As a whole program would. */
static void exchange_in_a_context (void)
{
    void *ctx = ctx_new ();
    exchange_something (ctx);
    OK (zmq_ctx_term (ctx));
}

GROUP (switched_off)
{
    OK (setenv ("ZMQ_STATS", "0", 1));
    exchange_in_a_context ();
    CHECK (!stats_of_process (getpid ()));
}

/* Where files must not be so long no signal comes, and no descriptor is left. */
GROUP (limited_files)
{
    struct rlimit limit;
    OK (getrlimit (RLIMIT_FSIZE, &limit));
    limit.rlim_cur = 100000;
    OK (setrlimit (RLIMIT_FSIZE, &limit));
    exchange_in_a_context ();
    CHECK (!stats_of_process (getpid ()));
}

/* Without a descriptor for it: all goes on without. */
GROUP (no_descriptors)
{
    void *ctx = ctx_new (), *first = sock (ctx, ZMQ_PULL);
    int fds[2000], count = 0;
    struct rlimit limit;
    (void) first;
    pid_t child = fork ();
    if (child == 0) {
        void *own = ctx_new ();
        OK (getrlimit (RLIMIT_NOFILE, &limit));
        limit.rlim_cur = 200;
        OK (setrlimit (RLIMIT_NOFILE, &limit));
        while (count < 2000 && (fds[count] = open ("/dev/null", O_RDONLY)) >= 0)
            count++;
        void *s = zmq_socket (own, ZMQ_PULL);
        if (s)
            OK (zmq_close (s));
        while (count)
            OK (close (fds[--count]));
        exchange_in_a_context ();
        OK (zmq_ctx_term (own));
        _exit (0);
    }
    int status;
    IS (waitpid (child, &status, 0), child);
    IS (status, 0);
    OK (zmq_close (first));
    OK (zmq_ctx_term (ctx));
}

/* Daemons close what they do not know. Then nothing is to be seen, and whatever file has the number is left alone. */
GROUP (closed_descriptors)
{
    enum { PUSHES = 40 };
    char path[] = "/tmp/zt-stats-XXXXXX", ep[EP_SIZE];
    void *ctx = ctx_new (), *pull = sock (ctx, ZMQ_PULL), *pushes[PUSHES];
    struct stat status;
    int file = mkstemp (path), ours = -1;
    OK (unlink (path));
    for (int fd = 3; fd < 100 && ours == -1; fd++) {
        char link[64], target[64] = "";
        snprintf (link, sizeof link, "/proc/self/fd/%d", fd);
        if (readlink (link, target, sizeof target - 1) > 0 && !strncmp (target, "/memfd:zmq-stats", 16))
            ours = fd;
    }
    CHECK (ours >= 0);
    OK (dup2 (file, ours));
    CHECK (!stats_of_process (getpid ()));
    bind_any (pull, "tcp", ep);
    for (int i = 0; i < PUSHES; i++) {
        pushes[i] = sock (ctx, ZMQ_PUSH);
        OK (zmq_connect (pushes[i], ep));
        SEND (pushes[i], "x", 0);
    }
    receive (pull, PUSHES);
    OK (fstat (file, &status));
    CHECK (status.st_size == 0 && status.st_blocks == 0);
    for (int i = 0; i < PUSHES; i++)
        OK (zmq_close (pushes[i]));
    OK (zmq_close (pull));
    OK (zmq_ctx_term (ctx));
}

/* What finds no place is counted, and comes to be seen when there is one. */
GROUP (full)
{
    enum { SOCKETS = 2200 };
    static void *sockets[SOCKETS];
    void *ctx = ctx_new ();
    uint32_t room, shown = 0;
    OK (zmq_ctx_set (ctx, ZMQ_MAX_SOCKETS, SOCKETS + 10));
    for (int i = 0; i < SOCKETS; i++) {
        sockets[i] = zmq_socket (ctx, ZMQ_PULL);
        CHECK (sockets[i] != NULL);
    }
    CHECK (stats_of_process (getpid ()));
    room = word (stats_bytes, HEADER_RECORDS);
    CHECK (room > 1000 && room < SOCKETS);
    IS (word (stats_bytes, HEADER_USED), room);
    IS (word (stats_bytes, HEADER_HIDDEN_SOCKETS), SOCKETS - room);
    for (uint32_t n = 0; n < room; n++)
        shown += word (record_at (n), RECORD_KIND) == 1;
    IS (shown, room);
    OK (zmq_bind (sockets[0], "inproc://full"));
    for (int i = 1; i < 20; i++)
        OK (zmq_connect (sockets[i], "inproc://full"));
    IS (get_int (sockets[0], ZMQ_EVENTS), 0);
    CHECK (stats_of_process (getpid ()));
    IS (word (stats_bytes, HEADER_HIDDEN_PEERS), 38);
    for (int i = 0; i < SOCKETS; i++)
        OK (zmq_close (sockets[i]));
    CHECK (stats_of_process (getpid ()));
    IS (word (stats_bytes, HEADER_HIDDEN_SOCKETS), 0);
    IS (word (stats_bytes, HEADER_HIDDEN_PEERS), 0);
    CHECK (socket_of (ZMQ_PULL) == NULL);
    sockets[0] = sock (ctx, ZMQ_PULL);
    CHECK (socket_of (ZMQ_PULL) != NULL);
    OK (zmq_close (sockets[0]));
    OK (zmq_ctx_term (ctx));
}

MAIN (ENTRY (sealed), ENTRY (forks), ENTRY (generations), ENTRY (switched_off), ENTRY (limited_files), ENTRY (no_descriptors),
      ENTRY (closed_descriptors), ENTRY (full))
