/*
 * One peer that sends without end what nobody gets anything of holds no call, no lock and no thread for long, and what comes
 * behind a burst of it is received without further ado. What a call may take is meant generously: machines are busy.
 */
#include "common.h"

/* The longest that a call may take whose timeout is TIMEOUT, or that does not wait; in milliseconds. */
#define LONG 1500
#define TIMEOUT 100

static void *ctx, *server;
static char ep[EP_SIZE];

static void serve (int type)
{
    if (!ctx)
        ctx = ctx_new ();
    server = sock (ctx, type);
    set_int (server, ZMQ_RCVTIMEO, TIMEOUT);
    if (type == ZMQ_SUB)
        OK (zmq_setsockopt (server, ZMQ_SUBSCRIBE, "good", 4));
    bind_any (server, "tcp", ep);
}

static void finish (void)
{
    OK (zmq_close (server));
    OK (zmq_ctx_term (ctx));
    ctx = NULL;
}

/* ---- peers ------------------------------------------------------------------------------------------------------- */

/* A peer of this type whose handshake with the socket at `where` is over. */
static int raw_peer (const char *where, const char *type)
{
    static const unsigned char greeting[64] = {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 1, 'N', 'U', 'L', 'L'};
    unsigned char ready[100] = {4}, got[64], head[2], body[255];
    int fd = raw_connect (where);
    size_t n = strlen (type);
    CHECK (raw_write (fd, greeting, 64) && raw_read (fd, got, 64));
    memcpy (ready + 2, "\5READY\13Socket-Type\0\0\0", 21);
    ready[1] = (unsigned char) (22 + n);
    ready[23] = (unsigned char) n;
    memcpy (ready + 24, type, n);
    CHECK (raw_write (fd, ready, 24 + n));
    CHECK (raw_read (fd, head, 2) && head[0] == 4 && raw_read (fd, body, head[1]));
    return fd;
}

/* What is sent again and again. */
typedef struct
{
    const char *type;
    const char *bytes;
    size_t size;
} nonsense_t;
#define NONSENSE(type, bytes)                                                                                          \
    {                                                                                                                  \
        type, bytes, sizeof bytes - 1                                                                                  \
    }
static const nonsense_t to_router = NONSENSE ("DEALER", "\4\4\3FOO");
static const nonsense_t to_rep = NONSENSE ("REQ", "\0\7nodelim");
static const nonsense_t to_req = NONSENSE ("REP", "\0\7nodelim");
static const nonsense_t to_sub = NONSENSE ("PUB", "\0\7nodelim");
static const nonsense_t to_pub = NONSENSE ("SUB", "\4\13\11SUBSCRIBEx\4\10\6CANCELx");
static const nonsense_t to_push = NONSENSE ("PULL", "\0\7nodelim");

static char *repeated (const nonsense_t *what, size_t times)
{
    char *all = malloc (what->size * times);
    CHECK (all);
    for (size_t i = 0; i < times; i++)
        memcpy (all + i * what->size, what->bytes, what->size);
    return all;
}

/* A process that sends it to the socket at `ep` until it is killed, which the end of the group is for. */
static pid_t flood (const nonsense_t *what)
{
    enum { TIMES = 20000 };
    int began[2];
    char byte;
    pid_t pid;
    CHECK (pipe (began) == 0);
    pid = fork ();
    CHECK (pid != -1);
    if (pid == 0) {
        char *all = repeated (what, TIMES);
        int fd = raw_peer (ep, what->type), on = 1;
        /* More than the buffers between us hold. */
        for (int i = 0; raw_write (fd, all, what->size * TIMES); i++)
            if (on && i >= 20)
                on = write (began[1], "", 1) != 1;
        _exit (0);
    }
    close (began[1]);
    /* A socket that reads no further when it has enough of it lets nobody get so far, and libzmq cuts some connections. */
    struct pollfd p = {began[0], POLLIN, 0};
    if (poll (&p, 1, 300) == 1)
        CHECK (read (began[0], &byte, 1) >= 0);
    close (began[0]);
    return pid;
}

static void end_flood (pid_t pid)
{
    kill (pid, SIGKILL);
    IS (waitpid (pid, NULL, 0), pid);
}

/* A call returns in time. */
#define SOON(call)                                                                                                     \
    do {                                                                                                               \
        int64_t began_ = now_ms ();                                                                                    \
        call;                                                                                                          \
        int64_t took_ = now_ms () - began_;                                                                            \
        if (took_ >= LONG)                                                                                             \
            fail_at (__FILE__, __LINE__, "%s took %d ms", #call, (int) took_);                                         \
    } while (0)

/* ---- calls ------------------------------------------------------------------------------------------------------- */

/* Nothing comes of the flood, however one asks, and one knows it in time. */
static void nothing_is_received (int type, const nonsense_t *what)
{
    char buf[100];
    serve (type);
    pid_t pid = flood (what);
    for (int i = 0; i < 3; i++) {
        zmq_pollitem_t item = {server, 0, ZMQ_POLLIN, 0};
        SOON (FAILS (zmq_recv (server, buf, sizeof buf, 0), EAGAIN));
        SOON (FAILS (zmq_recv (server, buf, sizeof buf, ZMQ_DONTWAIT), EAGAIN));
        int ready, events;
        SOON (ready = zmq_poll (&item, 1, TIMEOUT));
        SOON (events = get_int (server, ZMQ_EVENTS));
        /* (libzmq finds out later that a request is none.) */
        CHECK (type == ZMQ_REP || (ready == 0 && !(events & ZMQ_POLLIN)));
    }
    end_flood (pid);
    finish ();
}

GROUP (unknown_commands)
{
    nothing_is_received (ZMQ_ROUTER, &to_router);
}
GROUP (requests_without_delimiter)
{
    nothing_is_received (ZMQ_REP, &to_rep);
}
GROUP (topics_nobody_wants)
{
    nothing_is_received (ZMQ_SUB, &to_sub);
}

/* Many sockets are polled in another way than one. */
GROUP (poll_of_many)
{
    enum { MANY = 6 };
    zmq_pollitem_t items[MANY];
    serve (ZMQ_SUB);
    pid_t pid = flood (&to_sub);
    for (int i = 0; i < MANY; i++)
        items[i] = (zmq_pollitem_t){i == 2 ? server : sock (ctx, ZMQ_PULL), 0, ZMQ_POLLIN, 0};
    for (int i = 0; i < 8; i++)
        SOON (IS (zmq_poll (items, MANY, TIMEOUT / 2), 0));
    end_flood (pid);
    for (int i = 0; i < MANY; i++)
        if (i != 2)
            OK (zmq_close (items[i].socket));
    finish ();
}

/* Replies that are none, of a peer that was asked nothing. */
GROUP (replies_without_delimiter)
{
    char buf[100];
    serve (ZMQ_REQ);
    int asked = raw_peer (ep, "REP");
    pid_t pid = flood (&to_req);
    SOON (SEND (server, "hello", 0));
    for (int i = 0; i < 3; i++)
        SOON (FAILS (zmq_recv (server, buf, sizeof buf, 0), EAGAIN));
    close (asked);
    end_flood (pid);
    finish ();
}

/* The I/O thread reads what these sockets have no use for, and the application may have their locks all the same. */
static void sends_return (int type, const nonsense_t *what)
{
    serve (type);
    pid_t pid = flood (what);
    for (int64_t until = now_ms () + 500; now_ms () < until;) {
        SOON (zmq_send (server, "good", 4, ZMQ_DONTWAIT));
        SOON (set_int (server, ZMQ_SNDTIMEO, 1000));
        SOON (get_int (server, ZMQ_EVENTS));
        sleep_ms (1);
    }
    end_flood (pid);
    finish ();
}

GROUP (subscriptions)
{
    sends_return (ZMQ_PUB, &to_pub);
}
GROUP (messages_for_a_push)
{
    sends_return (ZMQ_PUSH, &to_push);
}

static void *receive (void *error)
{
    char buf[100];
    *(int *) error = zmq_recv (server, buf, sizeof buf, 0) == -1 ? errno : 0;
    return NULL;
}

/* Another thread may use the socket meanwhile, and the context can be stopped. */
static void others_have_the_lock (int type, const nonsense_t *what)
{
    pthread_t thread;
    int error = 0;
    serve (type);
    set_int (server, ZMQ_RCVTIMEO, -1);
    pid_t pid = flood (what);
    IS (pthread_create (&thread, NULL, receive, &error), 0);
    for (int64_t until = now_ms () + 500; now_ms () < until;) {
        /* (Not something that libzmq, whose sockets are for one thread, comes to harm by.) */
        SOON (set_int (server, ZMQ_HANDSHAKE_IVL, 10000));
        sleep_ms (1);
    }
    SOON (OK (zmq_ctx_shutdown (ctx)); IS (pthread_join (thread, NULL), 0));
    IS (error, ETERM);
    end_flood (pid);
    finish ();
}

GROUP (others_have_the_lock_of_a_router)
{
    others_have_the_lock (ZMQ_ROUTER, &to_router);
}
GROUP (others_have_the_lock_of_a_sub)
{
    others_have_the_lock (ZMQ_SUB, &to_sub);
}

/* ---- others ------------------------------------------------------------------------------------------------------ */

/* Another socket of the context gets handshakes done. */
static void other_sockets_are_served (int type, const nonsense_t *what)
{
    char other_ep[EP_SIZE];
    serve (type);
    void *other = sock (ctx, ZMQ_PULL);
    bind_any (other, "tcp", other_ep);
    pid_t pid = flood (what);
    for (int64_t until = now_ms () + 700; now_ms () < until; sleep_ms (20)) {
        int fd = -1;
        SOON (fd = raw_peer (other_ep, "PUSH"));
        close (fd);
    }
    end_flood (pid);
    OK (zmq_close (other));
    finish ();
}

GROUP (other_sockets_than_a_pub)
{
    other_sockets_are_served (ZMQ_PUB, &to_pub);
}
GROUP (other_sockets_than_a_push)
{
    other_sockets_are_served (ZMQ_PUSH, &to_push);
}
GROUP (other_sockets_than_a_router)
{
    other_sockets_are_served (ZMQ_ROUTER, &to_router);
}

/* Other peers of the same socket are heard. */
static void other_peers_are_heard (int type, int peer_type, const nonsense_t *what)
{
    enum { FLOODS = 3, MESSAGES = 100 };
    pid_t pids[FLOODS];
    char buf[100];
    serve (type);
    set_int (server, ZMQ_RCVTIMEO, 10000);
    for (int i = 0; i < FLOODS; i++)
        pids[i] = flood (what);
    void *peer = sock (ctx, peer_type);
    OK (zmq_connect (peer, ep));
    int received = 0;
    for (int64_t until = now_ms () + 10000; received < MESSAGES;) {
        CHECK (now_ms () < until);
        zmq_send (peer, "good", 4, ZMQ_DONTWAIT);
        int n = zmq_recv (server, buf, sizeof buf, peer_type == ZMQ_PUB ? ZMQ_DONTWAIT : 0);
        received += n == 4 && !memcmp (buf, "good", 4);
    }
    for (int i = 0; i < FLOODS; i++)
        end_flood (pids[i]);
    OK (zmq_close (peer));
    finish ();
}

GROUP (other_peers_of_a_router)
{
    other_peers_are_heard (ZMQ_ROUTER, ZMQ_DEALER, &to_router);
}
GROUP (other_peers_of_a_sub)
{
    other_peers_are_heard (ZMQ_SUB, ZMQ_PUB, &to_sub);
}

/* ---- what comes behind ------------------------------------------------------------------------------------------- */

/* Enough of it for many turns, and then `last`; nothing else makes an event for that. */
static int burst (const nonsense_t *what, const char *last, size_t size)
{
    enum { TIMES = 30000 };
    char *all = repeated (what, TIMES);
    int fd = raw_peer (ep, what->type);
    all = realloc (all, what->size * TIMES + size);
    CHECK (all);
    memcpy (all + what->size * TIMES, last, size);
    CHECK (raw_write (fd, all, what->size * TIMES + size));
    free (all);
    return fd;
}

typedef struct
{
    const nonsense_t *what;
    const char *last;
    size_t size;
    int fd;
} burst_t;

static void *send_burst (void *arg)
{
    burst_t *b = arg;
    b->fd = burst (b->what, b->last, b->size);
    return NULL;
}

/* The message behind a burst is received, in all ways of waiting for it. */
static void what_comes_behind_is_received (int type, const nonsense_t *what, const char *last, size_t size)
{
    enum { RECV, POLL, DESCRIPTOR, WAYS };
    for (int way = 0; way < WAYS; way++) {
        pthread_t thread;
        burst_t b = {what, last, size, -1};
        char buf[100];
        serve (type);
        set_int (server, ZMQ_RCVTIMEO, 10000);
        IS (pthread_create (&thread, NULL, send_burst, &b), 0);
        int n = -1;
        while (n == -1) {
            if (way == POLL)
                CHECK (readable (server, 10000));
            if (way == DESCRIPTOR)
                while (!(get_int (server, ZMQ_EVENTS) & ZMQ_POLLIN)) {
                    struct pollfd p = {get_int (server, ZMQ_FD), POLLIN, 0};
                    IS (poll (&p, 1, 10000), 1);
                }
            n = zmq_recv (server, buf, sizeof buf, way == RECV ? 0 : ZMQ_DONTWAIT);
            CHECK (n != -1 || (errno == EAGAIN && way != RECV));
        }
        while (n >= 0 && RCVMORE (server))
            n = zmq_recv (server, buf, sizeof buf, 0);
        CHECK (n == 4 && !memcmp (buf, "good", 4));
        IS (pthread_join (thread, NULL), 0);
        close (b.fd);
        finish ();
    }
}

GROUP (behind_unknown_commands)
{
    what_comes_behind_is_received (ZMQ_ROUTER, &to_router, "\0\4good", 6);
}
GROUP (behind_requests_without_delimiter)
{
    what_comes_behind_is_received (ZMQ_REP, &to_rep, "\1\0\0\4good", 8);
}
GROUP (behind_topics_nobody_wants)
{
    what_comes_behind_is_received (ZMQ_SUB, &to_sub, "\0\4good", 6);
}

/* The application is away: the I/O thread comes to the end of it, and answers the PING there. */
static void a_ping_behind_is_answered (int type, const nonsense_t *what)
{
    unsigned char pong[7];
    serve (type);
    struct timeval patience = {3 * slower (), 0};
    int fd = burst (what, "\4\7\4PING\0\0", 9);
    setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    CHECK (raw_read (fd, pong, 7));
    CHECK (!memcmp (pong, "\4\5\4PONG", 7));
    close (fd);
    finish ();
}

GROUP (ping_behind_subscriptions)
{
    a_ping_behind_is_answered (ZMQ_PUB, &to_pub);
}
GROUP (ping_behind_messages_for_a_push)
{
    a_ping_behind_is_answered (ZMQ_PUSH, &to_push);
}
GROUP (ping_behind_unknown_commands)
{
    a_ping_behind_is_answered (ZMQ_ROUTER, &to_router);
}

typedef struct { int fd, pause; char *bytes; size_t size; } late_t;

static void *send_late (void *arg)
{
    late_t *late = (late_t *) arg;
    sleep_ms (late->pause);
    CHECK (raw_write (late->fd, late->bytes, late->size));
    return NULL;
}

/* A receiver that slept gets the message in front of a flood, and does not call again: the PING behind it is answered. */
GROUP (ping_behind_what_a_receiver_left)
{
    enum { TIMES = 8000 };
    struct timeval patience = {3, 0};
    unsigned char pong[7];
    serve (ZMQ_PULL);
    set_int (server, ZMQ_RCVTIMEO, 5000);
    char *bytes = repeated (&to_router, TIMES);
    size_t size = to_router.size * TIMES;
    late_t late = {raw_peer (ep, "PUSH"), 0, malloc (size + 16), size + 16};
    CHECK (late.bytes);
    setsockopt (late.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    for (int round = 0; round < 11; round++) {
        /* Behind a turn's worth of it, and more behind that. */
        size_t first = round % 2 ? size / 2 : 0;
        pthread_t thread;
        memcpy (late.bytes, bytes, first);
        memcpy (late.bytes + first, "\0\5hello", 7);
        memcpy (late.bytes + first + 7, bytes, size - first);
        memcpy (late.bytes + size + 7, "\4\7\4PING\0\0", 9);
        late.pause = 10 - round;
        OK (pthread_create (&thread, NULL, send_late, &late));
        RECV (server, "hello");
        CHECK (raw_read (late.fd, pong, 7));
        CHECK (!memcmp (pong, "\4\5\4PONG", 7));
        OK (pthread_join (thread, NULL));
    }
    free (bytes);
    free (late.bytes);
    close (late.fd);
    finish ();
}

/* ---- the beginning of a message ------------------------------------------------------------------------------------ */

static double cpu_ms (void)
{
    struct timespec t;
    clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double) t.tv_sec * 1e3 + (double) t.tv_nsec / 1e6;
}

/* Whoever waits for the rest sleeps meanwhile, and leaves the socket's lock to others. */
GROUP (the_rest_does_not_come)
{
    char byte;
    double used;
    serve (ZMQ_PULL);
    int fd = raw_peer (ep, "PUSH");
    CHECK (raw_write (fd, "\0\5whole\0\144begins", 15));
    set_int (server, ZMQ_RCVTIMEO, 2000);
    IS (zmq_recv (server, &byte, 1, 0), 5);
    used = cpu_ms ();
    FAILS (zmq_recv (server, &byte, 1, 0), EAGAIN);
    used = cpu_ms () - used;
    if (used > 300)
        fail_at (__FILE__, __LINE__, "%.0f ms of a processor", used);
    close (fd);
    finish ();
}

MAIN (ENTRY (the_rest_does_not_come), ENTRY (unknown_commands), ENTRY (requests_without_delimiter), ENTRY (topics_nobody_wants), ENTRY (poll_of_many),
      ENTRY (replies_without_delimiter), ENTRY (subscriptions), ENTRY (messages_for_a_push),
      ENTRY (others_have_the_lock_of_a_router), ENTRY (others_have_the_lock_of_a_sub), ENTRY (other_sockets_than_a_pub),
      ENTRY (other_sockets_than_a_push), ENTRY (other_sockets_than_a_router), ENTRY (other_peers_of_a_router),
      ENTRY (other_peers_of_a_sub), ENTRY (behind_unknown_commands), ENTRY (behind_requests_without_delimiter),
      ENTRY (behind_topics_nobody_wants), ENTRY (ping_behind_subscriptions), ENTRY (ping_behind_messages_for_a_push),
      ENTRY (ping_behind_unknown_commands), ENTRY (ping_behind_what_a_receiver_left))
