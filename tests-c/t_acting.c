/*
 * Options that act while connections come, live and go: filters, time limits, sizes, threads, properties, and
 * from when on a value counts. zmq_setsockopt(3), zmq_msg_gets(3), RFC 23, RFC 37.
 */
#include "common.h"
#include <dirent.h>
#include <sched.h>

/* A draft in zmq.h, but the released library has it. */
#ifndef ZMQ_METADATA
#define ZMQ_METADATA 95
#endif

static const unsigned char greeting_31[64] = {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 1, 'N', 'U', 'L', 'L'};

static void *pair_socket (void *ctx, void *s, const char *name, int events)
{
    static int counter;
    char ep[EP_SIZE];
    void *monitor = sock (ctx, ZMQ_PAIR);
    snprintf (ep, sizeof ep, "inproc://monitor-%s-%d", name, counter++);
    OK (zmq_socket_monitor (s, ep, events));
    OK (zmq_connect (monitor, ep));
    return monitor;
}

/* The next event within `ms`, 0 if there is none. */
static int event_within (void *monitor, int ms)
{
    uint32_t value;
    char address[EP_SIZE];
    return readable (monitor, ms) ? next_event (monitor, &value, address) : 0;
}

/* ---- from when on ------------------------------------------------------------------------------------------------- */

/* A listener has the options of its bind, a connection those of its connect; what is set later is for later ones. */
GROUP (later_security_is_for_later_binds)
{
    void *ctx = ctx_new (), *server = sock (ctx, ZMQ_PULL), *client = sock (ctx, ZMQ_PUSH), *monitor;
    char open[EP_SIZE], closed[EP_SIZE];
    bind_any (server, "tcp", open);
    set_int (server, ZMQ_PLAIN_SERVER, 1);
    bind_any (server, "tcp", closed);
    OK (zmq_connect (client, open));
    SEND (client, "nobody asked me", 0);
    RECV (server, "nobody asked me");
    OK (zmq_close (client));
    client = sock (ctx, ZMQ_PUSH);
    monitor = pair_socket (ctx, client, "late", ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL);
    OK (zmq_connect (client, closed));
    int event = event_within (monitor, 5000);
    CHECK (event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL || event == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL);
    OK (zmq_close (monitor));
    OK (zmq_close (client));
    OK (zmq_close (server));
    OK (zmq_ctx_term (ctx));
}

GROUP (later_names_are_for_later_connects)
{
    void *ctx = ctx_new (), *router = sock (ctx, ZMQ_ROUTER), *dealer = sock (ctx, ZMQ_DEALER);
    char ep[EP_SIZE];
    free_tcp (ep);
    OK (zmq_setsockopt (dealer, ZMQ_ROUTING_ID, "first", 5));
    OK (zmq_setsockopt (dealer, ZMQ_METADATA, "X-when:first", 12));
    set_int (dealer, ZMQ_RECONNECT_IVL, 10);
    OK (zmq_connect (dealer, ep));
    OK (zmq_setsockopt (dealer, ZMQ_ROUTING_ID, "second", 6));
    OK (zmq_setsockopt (dealer, ZMQ_METADATA, "X-then:second", 13));
    SEND (dealer, "hello", 0);
    /* Only now is there somebody to say a name to. */
    EVENTUALLY (zmq_bind (router, ep) == 0, 5000);
    RECV (router, "first");
    zmq_msg_t msg;
    OK (zmq_msg_init (&msg));
    IS (zmq_msg_recv (&msg, router, 0), 5);
    CHECK (zmq_msg_gets (&msg, "X-when") && !strcmp (zmq_msg_gets (&msg, "X-when"), "first"));
    CHECK (zmq_msg_gets (&msg, "X-then") == NULL);
    OK (zmq_msg_close (&msg));
    OK (zmq_close (router));
    OK (zmq_close (dealer));
    OK (zmq_ctx_term (ctx));
}

GROUP (later_limits_are_for_later_binds)
{
    void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
    int64_t few = 10;
    char ep[EP_SIZE], body[100];
    bind_any (in, "tcp", ep);
    OK (zmq_setsockopt (in, ZMQ_MAXMSGSIZE, &few, sizeof few));
    OK (zmq_setsockopt (in, ZMQ_TCP_ACCEPT_FILTER, "10.255.255.1", 12));
    OK (zmq_connect (out, ep));
    memset (body, 'b', sizeof body);
    IS (zmq_send (out, body, 100, 0), 100);
    IS (zmq_recv (in, body, sizeof body, 0), 100);
    OK (zmq_close (in));
    OK (zmq_close (out));
    OK (zmq_ctx_term (ctx));
}

/* ---- filters ------------------------------------------------------------------------------------------------------ */

/* Whether a client gets through to a server with these filters. */
static int gets_through (void *ctx, void *server, const char *transport)
{
    char ep[EP_SIZE], got[10];
    void *client = sock (ctx, ZMQ_PUSH), *refused = pair_socket (ctx, server, "filter", ZMQ_EVENT_ACCEPT_FAILED), *items[2] = {server, refused};
    int through;
    bind_any (server, transport, ep);
    OK (zmq_connect (client, ep));
    SEND (client, "let me in", 0);
    zmq_pollitem_t poll[2] = {{items[0], 0, ZMQ_POLLIN, 0}, {items[1], 0, ZMQ_POLLIN, 0}};
    CHECK (zmq_poll (poll, 2, 5000) > 0);
    through = !!poll[0].revents;
    /* It is one or the other. */
    CHECK (through == !poll[1].revents);
    if (through)
        IS (zmq_recv (server, got, sizeof got, 0), 9);
    OK (zmq_socket_monitor (server, NULL, 0));
    OK (zmq_close (refused));
    OK (zmq_close (client));
    OK (zmq_close (server));
    return through;
}

static int filtered (void *ctx, const char *first, const char *second)
{
    void *server = sock (ctx, ZMQ_PULL);
    OK (zmq_setsockopt (server, ZMQ_TCP_ACCEPT_FILTER, first, strlen (first)));
    if (second)
        OK (zmq_setsockopt (server, ZMQ_TCP_ACCEPT_FILTER, second, strlen (second)));
    return gets_through (ctx, server, "tcp");
}

GROUP (tcp_accept_filter)
{
    void *ctx = ctx_new (), *server;
    CHECK (filtered (ctx, "127.0.0.1", NULL));
    CHECK (filtered (ctx, "127.0.0.0/8", NULL));
    CHECK (filtered (ctx, "0.0.0.0/0", NULL));
    CHECK (filtered (ctx, "10.0.0.0/8", "127.0.0.1/32"));
    CHECK (!filtered (ctx, "10.0.0.0/8", NULL));
    CHECK (!filtered (ctx, "127.0.0.2", NULL));
    CHECK (!filtered (ctx, "127.0.0.2/31", "126.0.0.0/8"));
    server = sock (ctx, ZMQ_PULL);
    OK (zmq_setsockopt (server, ZMQ_TCP_ACCEPT_FILTER, "10.0.0.0/8", 10));
    OK (zmq_setsockopt (server, ZMQ_TCP_ACCEPT_FILTER, NULL, 0));
    CHECK (gets_through (ctx, server, "tcp"));
    /* ipc has filters of its own. */
    server = sock (ctx, ZMQ_PULL);
    OK (zmq_setsockopt (server, ZMQ_TCP_ACCEPT_FILTER, "10.0.0.0/8", 10));
    CHECK (gets_through (ctx, server, "ipc"));
    OK (zmq_ctx_term (ctx));
}

static int ipc_filtered (void *ctx, int option, int value, int other_option, int other_value)
{
    void *server = sock (ctx, ZMQ_PULL);
    set_int (server, option, value);
    if (other_option)
        set_int (server, other_option, other_value);
    return gets_through (ctx, server, "ipc");
}

GROUP (ipc_filters)
{
    void *ctx = ctx_new (), *server;
    int pid = (int) getpid (), uid = (int) getuid (), gid = (int) getgid (), nobody = 1999999999;
    CHECK (ipc_filtered (ctx, ZMQ_IPC_FILTER_PID, pid, 0, 0));
    CHECK (!ipc_filtered (ctx, ZMQ_IPC_FILTER_PID, pid + 1, 0, 0));
    CHECK (ipc_filtered (ctx, ZMQ_IPC_FILTER_UID, uid, 0, 0));
    CHECK (!ipc_filtered (ctx, ZMQ_IPC_FILTER_UID, nobody, 0, 0));
    CHECK (ipc_filtered (ctx, ZMQ_IPC_FILTER_GID, gid, 0, 0));
    CHECK (!ipc_filtered (ctx, ZMQ_IPC_FILTER_GID, nobody, 0, 0));
    /* One that matches is enough. */
    CHECK (ipc_filtered (ctx, ZMQ_IPC_FILTER_UID, nobody, ZMQ_IPC_FILTER_PID, pid));
    CHECK (ipc_filtered (ctx, ZMQ_IPC_FILTER_PID, pid + 1, ZMQ_IPC_FILTER_PID, pid));
    server = sock (ctx, ZMQ_PULL);
    set_int (server, ZMQ_IPC_FILTER_UID, nobody);
    OK (zmq_setsockopt (server, ZMQ_IPC_FILTER_UID, NULL, 0));
    CHECK (gets_through (ctx, server, "ipc"));
    OK (zmq_ctx_term (ctx));
}

/* ---- sizes -------------------------------------------------------------------------------------------------------- */

/* Each part for itself, on every transport with a wire. */
static void check_size_limit (const char *transport, int64_t limit, int curve)
{
    void *ctx = ctx_new ();
    char ep[EP_SIZE], *body = calloc (1, 20001);
    int fits = (int) limit;
    /* Something to look up, no limit. */
    OK (zmq_ctx_set (ctx, ZMQ_MAX_MSGSZ, 10));
    void *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
    OK (zmq_setsockopt (in, ZMQ_MAXMSGSIZE, &limit, sizeof limit));
    set_int (in, ZMQ_RCVTIMEO, 5000);
    if (curve)
        encrypt (in, out);
    bind_any (in, transport, ep);
    OK (zmq_connect (out, ep));
    IS (zmq_send (out, body, (size_t) fits, ZMQ_SNDMORE), fits);
    IS (zmq_send (out, body, (size_t) fits, 0), fits);
    IS (zmq_recv (in, body, 20001, 0), fits);
    IS (zmq_recv (in, body, 20001, 0), fits);
    void *monitor = pair_socket (ctx, in, "size", ZMQ_EVENT_DISCONNECTED);
    IS (zmq_send (out, body, (size_t) fits + 1, 0), fits + 1);
    IS (event_within (monitor, 5000), ZMQ_EVENT_DISCONNECTED);
    FAILS (zmq_recv (in, body, 20001, ZMQ_DONTWAIT), EAGAIN);
    OK (zmq_close (monitor));
    OK (zmq_close (in));
    OK (zmq_close (out));
    OK (zmq_ctx_term (ctx));
    free (body);
}

GROUP (max_message_size_at_its_edge)
{
    /* Libzmq holds the commands of the handshake to the limit, too: not much less than 100 works. */
    static const int64_t limits[] = {100, 255, 256, 8192, 20000};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        check_size_limit ("tcp", limits[i], 0);
        check_size_limit ("ipc", limits[i], 0);
    }
}

/* The message counts, not what encryption makes of it. */
GROUP (max_message_size_of_encrypted_messages)
{
    static const int64_t limits[] = {1000, 20000};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        check_size_limit ("tcp", limits[i], 1);
        check_size_limit ("ipc", limits[i], 1);
    }
}

/* ---- time limits -------------------------------------------------------------------------------------------------- */

GROUP (handshake_interval)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PULL), *patient = sock (ctx, ZMQ_PULL);
    char ep[EP_SIZE];
    int a, b;
    set_int (s, ZMQ_HANDSHAKE_IVL, 100);
    bind_any (s, "tcp", ep);
    void *monitor = pair_socket (ctx, s, "handshake", ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL);
    int64_t start = now_ms ();
    a = raw_connect (ep);
    CHECK (raw_closed (a, 5000));
    CHECK (now_ms () - start >= 95);
    IS (event_within (monitor, 5000), ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL);
    /* Half a handshake is none. */
    b = raw_connect (ep);
    CHECK (raw_write (b, greeting_31, 64));
    CHECK (raw_closed (b, 5000));
    /* Zero is no limit. */
    set_int (patient, ZMQ_HANDSHAKE_IVL, 0);
    bind_any (patient, "tcp", ep);
    close (a);
    a = raw_connect (ep);
    CHECK (!raw_closed (a, 400));
    close (a);
    close (b);
    OK (zmq_close (monitor));
    OK (zmq_close (s));
    OK (zmq_close (patient));
    OK (zmq_ctx_term (ctx));
}

/* A listener with a full queue answers nobody. */
static int deaf_listener (char *ep, int *fillers)
{
    struct sockaddr_in a;
    socklen_t len = sizeof a;
    int fd = socket (AF_INET, SOCK_STREAM, 0);
    memset (&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    CHECK (bind (fd, (struct sockaddr *) &a, sizeof a) == 0 && listen (fd, 0) == 0);
    CHECK (getsockname (fd, (struct sockaddr *) &a, &len) == 0);
    sprintf (ep, "tcp://127.0.0.1:%d", ntohs (a.sin_port));
    for (int i = 0; i < 3; i++) {
        fillers[i] = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect (fillers[i], (struct sockaddr *) &a, sizeof a);
    }
    return fd;
}

GROUP (connect_timeout)
{
    void *ctx = ctx_new (), *hasty = sock (ctx, ZMQ_PUSH), *patient = sock (ctx, ZMQ_PUSH), *events, *none;
    char ep[EP_SIZE];
    int fillers[3], fd = deaf_listener (ep, fillers);
    set_int (hasty, ZMQ_CONNECT_TIMEOUT, 150);
    events = pair_socket (ctx, hasty, "hasty", ZMQ_EVENT_ALL);
    none = pair_socket (ctx, patient, "patient", ZMQ_EVENT_ALL);
    int64_t start = now_ms ();
    OK (zmq_connect (hasty, ep));
    OK (zmq_connect (patient, ep));
    IS (event_within (events, 5000), ZMQ_EVENT_CONNECT_DELAYED);
    IS (event_within (events, 5000), ZMQ_EVENT_CLOSED);
    CHECK (now_ms () - start >= 145);
    IS (event_within (events, 5000), ZMQ_EVENT_CONNECT_RETRIED);
    /* The system's own limit is minutes away. */
    IS (event_within (none, 5000), ZMQ_EVENT_CONNECT_DELAYED);
    IS (event_within (none, 400), 0);
    for (int i = 0; i < 3; i++)
        close (fillers[i]);
    close (fd);
    OK (zmq_close (events));
    OK (zmq_close (none));
    OK (zmq_close (hasty));
    OK (zmq_close (patient));
    OK (zmq_ctx_term (ctx));
}

/* ---- I/O threads -------------------------------------------------------------------------------------------------- */

static void set_affinity (void *s, uint64_t affinity)
{
    OK (zmq_setsockopt (s, ZMQ_AFFINITY, &affinity, sizeof affinity));
}

GROUP (affinity)
{
    void *ctx = ctx_new ();
    char ep[EP_SIZE];
    OK (zmq_ctx_set (ctx, ZMQ_IO_THREADS, 3));
    for (int mask = 0; mask < 8; mask++) {
        void *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
        set_affinity (in, (uint64_t) mask);
        set_affinity (out, (uint64_t) (7 - mask));
        bind_any (in, mask % 2 ? "tcp" : "ipc", ep);
        OK (zmq_connect (out, ep));
        SEND (out, "x", 0);
        RECV (in, "x");
        OK (zmq_close (in));
        OK (zmq_close (out));
    }
    /* A thread there is not. */
    void *s = sock (ctx, ZMQ_PULL);
    set_affinity (s, 8);
    FAILS (zmq_bind (s, "tcp://127.0.0.1:*"), EMTHREAD);
    FAILS (zmq_connect (s, "tcp://127.0.0.1:5555"), EMTHREAD);
    OK (zmq_bind (s, "inproc://needs-no-thread"));
    set_affinity (s, 9);
    OK (zmq_bind (s, "tcp://127.0.0.1:*"));
    set_affinity (s, 1ULL << 63);
    FAILS (zmq_bind (s, "tcp://127.0.0.1:*"), EMTHREAD);
    FAILS (zmq_connect (s, "tcp://127.0.0.1:5555"), EMTHREAD);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

/* The library's threads among ours, by their names; how many there are. */
static int named_threads (const char *name, pid_t *ids, int most)
{
    DIR *tasks = opendir ("/proc/self/task");
    struct dirent *task;
    int found = 0;
    CHECK (tasks != NULL);
    while ((task = readdir (tasks))) {
        char path[300], comm[32] = "";
        snprintf (path, sizeof path, "/proc/self/task/%s/comm", task->d_name);
        FILE *f = fopen (path, "r");
        if (!f)
            continue;
        if (fgets (comm, sizeof comm, f) && !strncmp (comm, name, strlen (name)) && found < most)
            ids[found++] = (pid_t) atoi (task->d_name);
        fclose (f);
    }
    closedir (tasks);
    return found;
}

GROUP (thread_options)
{
    void *ctx = ctx_new (), *s;
    pid_t ids[16];
    cpu_set_t allowed, used;
    int cpu = 0, threads;
    CHECK (sched_getaffinity (0, sizeof allowed, &allowed) == 0);
    while (!CPU_ISSET (cpu, &allowed))
        cpu++;
    OK (zmq_ctx_set (ctx, ZMQ_IO_THREADS, 2));
    OK (zmq_ctx_set (ctx, ZMQ_THREAD_NAME_PREFIX, 77));
    OK (zmq_ctx_set (ctx, ZMQ_THREAD_AFFINITY_CPU_ADD, cpu));
    OK (zmq_ctx_set (ctx, ZMQ_THREAD_SCHED_POLICY, SCHED_BATCH));
    /* They start with the first socket. */
    IS (named_threads ("77/ZMQbg", ids, 16), 0);
    s = sock (ctx, ZMQ_PULL);
    OK (zmq_bind (s, "tcp://127.0.0.1:*"));
    EVENTUALLY ((threads = named_threads ("77/ZMQbg/IO", ids, 16)) == 2, 5000);
    for (int i = 0; i < threads; i++) {
        EVENTUALLY (sched_getscheduler (ids[i]) == SCHED_BATCH, 5000);
        EVENTUALLY (sched_getaffinity (ids[i], sizeof used, &used) == 0 && CPU_COUNT (&used) == 1, 5000);
        CHECK (CPU_ISSET (cpu, &used));
    }
    IS (sched_getscheduler (0), SCHED_OTHER);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
    IS (named_threads ("77/ZMQbg", ids, 16), 0);
}

/* ---- properties --------------------------------------------------------------------------------------------------- */

static const char *property (zmq_msg_t *msg, const char *name)
{
    const char *value = zmq_msg_gets (msg, name);
    return value ? value : "(none)";
}

static void check_properties (const char *transport, const char *address)
{
    void *ctx = ctx_new (), *server = sock (ctx, ZMQ_ROUTER), *client = sock (ctx, ZMQ_DEALER);
    int wire = strcmp (transport, "inproc") != 0;
    char ep[EP_SIZE];
    zmq_msg_t msg;
    OK (zmq_setsockopt (server, ZMQ_METADATA, "X-role:server", 13));
    OK (zmq_setsockopt (client, ZMQ_METADATA, "X-role:client", 13));
    OK (zmq_setsockopt (client, ZMQ_METADATA, "X-Role:other case", 17));
    OK (zmq_setsockopt (client, ZMQ_METADATA, "X-role:not the first", 20));
    OK (zmq_setsockopt (client, ZMQ_METADATA, "X-url:tcp://a:1", 15));
    OK (zmq_setsockopt (client, ZMQ_ROUTING_ID, "me", 2));
    bind_any (server, transport, ep);
    OK (zmq_connect (client, ep));
    SEND (client, "to the server", 0);
    OK (zmq_msg_init (&msg));
    /* The frame with the name, which the ROUTER made, has them too; the body is what came. */
    IS (zmq_msg_recv (&msg, server, 0), 2);
    IS (zmq_msg_recv (&msg, server, 0), 13);
    CHECK (!strcmp (property (&msg, "X-role"), wire ? "client" : "(none)"));
    CHECK (!strcmp (property (&msg, "X-Role"), wire ? "other case" : "(none)"));
    CHECK (!strcmp (property (&msg, "X-url"), wire ? "tcp://a:1" : "(none)"));
    CHECK (!strcmp (property (&msg, "X-"), "(none)"));
    CHECK (!strcmp (property (&msg, "Socket-Type"), wire ? "DEALER" : "(none)"));
    CHECK (!strcmp (property (&msg, "Identity"), wire ? "me" : "(none)"));
    CHECK (!strcmp (property (&msg, "Peer-Address"), wire ? address : "(none)"));
    CHECK (!strcmp (property (&msg, "User-Id"), "(none)"));
    if (wire) {
        struct sockaddr_storage a;
        socklen_t len = sizeof a;
        int fd = zmq_msg_get (&msg, ZMQ_SRCFD);
        CHECK (fd > 2);
        CHECK (getpeername (fd, (struct sockaddr *) &a, &len) == 0);
        IS (a.ss_family, strcmp (transport, "tcp") ? AF_UNIX : AF_INET);
    } else
        FAILS (zmq_msg_get (&msg, ZMQ_SRCFD), EINVAL);
    SEND (server, "me", ZMQ_SNDMORE);
    SEND (server, "to the client", 0);
    IS (zmq_msg_recv (&msg, client, 0), 13);
    CHECK (!strcmp (property (&msg, "X-role"), wire ? "server" : "(none)"));
    CHECK (!strcmp (property (&msg, "Socket-Type"), wire ? "ROUTER" : "(none)"));
    CHECK (!strcmp (property (&msg, "Peer-Address"), wire ? address : "(none)"));
    OK (zmq_msg_close (&msg));
    OK (zmq_close (server));
    OK (zmq_close (client));
    OK (zmq_ctx_term (ctx));
}

/* However the parts before it were received, and whoever asked before whether there is something. */
GROUP (properties_after_plain_receives)
{
    static const int types[] = {ZMQ_ROUTER, ZMQ_REP, ZMQ_DEALER, ZMQ_PULL, ZMQ_SUB, ZMQ_XSUB};
    static const int peers[] = {ZMQ_DEALER, ZMQ_REQ, ZMQ_DEALER, ZMQ_PUSH, ZMQ_PUB, ZMQ_XPUB};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        void *ctx = ctx_new (), *in = sock (ctx, types[i]), *out = sock (ctx, peers[i]);
        char ep[EP_SIZE], buf[300];
        zmq_msg_t msg;
        OK (zmq_msg_init (&msg));
        if (types[i] == ZMQ_SUB)
            OK (zmq_setsockopt (in, ZMQ_SUBSCRIBE, "", 0));
        bind_any (in, "tcp", ep);
        OK (zmq_connect (out, ep));
        if (types[i] == ZMQ_XSUB)
            SEND (in, "\1", 0);
        for (int polled = 0; polled < 2; polled++)
            for (int way = 0; way < 2; way++) {
                do {
                    /* Until the publisher knows us. */
                    SEND (out, "one", ZMQ_SNDMORE);
                    SEND (out, "two", 0);
                } while ((peers[i] == ZMQ_PUB || peers[i] == ZMQ_XPUB) && !readable (in, 20));
                if (polled)
                    CHECK (readable (in, 5000));
                if (types[i] == ZMQ_ROUTER)
                    IS (zmq_recv (in, buf, sizeof buf, 0), 5);
                if (way)
                    RECV (in, "one");
                else
                    IS (zmq_msg_recv (&msg, in, 0), 3);
                IS (zmq_msg_recv (&msg, in, 0), 3);
                CHECK (!strcmp (property (&msg, "Peer-Address"), "127.0.0.1"));
                /* And the other way round. */
                if (types[i] == ZMQ_REP) {
                    SEND (in, "back", 0);
                    RECV (out, "back");
                }
            }
        OK (zmq_msg_close (&msg));
        OK (zmq_close (in));
        OK (zmq_close (out));
        OK (zmq_ctx_term (ctx));
    }
}

GROUP (properties_of_connections)
{
    char ipc[100];
    snprintf (ipc, sizeof ipc, "localhost:%d:%d:%d", (int) getuid (), (int) getgid (), (int) getpid ());
    check_properties ("tcp", "127.0.0.1");
    check_properties ("ipc", ipc);
    check_properties ("inproc", "");
}

/* A peer that leaves while the ZAP handler thinks is not kept until that has an answer. */
GROUP (gone_before_the_zap_handler_answers)
{
    static const unsigned char greeting[64] = {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 0, 'N', 'U', 'L', 'L'};
    static const unsigned char ready[] = "\4\32\5READY\13Socket-Type\0\0\0\4PUSH";
    unsigned char theirs[64];
    void *ctx = ctx_new (), *handler = sock (ctx, ZMQ_REP), *s = sock (ctx, ZMQ_PULL);
    char ep[EP_SIZE];
    OK (zmq_bind (handler, "inproc://zeromq.zap.01"));
    OK (zmq_setsockopt (s, ZMQ_ZAP_DOMAIN, "here", 4));
    bind_any (s, "tcp", ep);
    void *monitor = pair_socket (ctx, s, "left", ZMQ_EVENT_DISCONNECTED);
    int fd = raw_connect (ep);
    CHECK (raw_write (fd, greeting, sizeof greeting) && raw_read (fd, theirs, sizeof theirs));
    CHECK (raw_write (fd, ready, sizeof ready - 1));
    /* The question is there, and nobody answers it. */
    CHECK (readable (handler, 5000));
    close (fd);
    IS (event_within (monitor, 5000), ZMQ_EVENT_DISCONNECTED);
    OK (zmq_close (monitor));
    OK (zmq_close (s));
    OK (zmq_close (handler));
    OK (zmq_ctx_term (ctx));
}

MAIN (ENTRY (later_security_is_for_later_binds), ENTRY (later_names_are_for_later_connects),
      ENTRY (later_limits_are_for_later_binds), ENTRY (tcp_accept_filter), ENTRY (ipc_filters),
      ENTRY (max_message_size_at_its_edge), ENTRY (max_message_size_of_encrypted_messages), ENTRY (handshake_interval),
      ENTRY (gone_before_the_zap_handler_answers), ENTRY (connect_timeout),
      ENTRY (affinity), ENTRY (thread_options), ENTRY (properties_of_connections), ENTRY (properties_after_plain_receives))
