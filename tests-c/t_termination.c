/*
 * From every state a context can be in, it ends: zmq_ctx_term(3), zmq_ctx_shutdown(3) or zmq_close(3) comes at any moment, with
 * signals meanwhile, and returns within its bound, which is ZMQ_LINGER and nothing else; no descriptor and no thread is left.
 *
 * TERMINATIONS (6) says how often each state is ended, TERMINATION_LOAD how many processes keep the machine busy meanwhile,
 * TERMINATION_SEED when exactly. `make terminations` asks for 1000.
 */
#include "common.h"

enum { MOST = 8, SLACK = 20000 };

/* How a context ends, in turn. */
enum { TERM, SHUTDOWN, CLOSE, WAYS };

typedef struct
{
    void *ctx, *theirs;
    void *mine[MOST], *peers[MOST]; /* to be closed by whoever ends it all: ours, and others' of the context `theirs` */
    void *held[MOST];               /* those a thread is in a call with, and closes when that says ETERM */
    pthread_t threads[MOST];
    int fds[MOST];
    int mines, peer_count, helds, fd_count;
    int linger; /* what an end may take, in milliseconds */
} world_t;

typedef struct
{
    void *socket, *second;
    int call;
} call_t;

enum { RECEIVE, SEND_SMALL, SEND_LARGE, POLL, POLL_ALL, PROXY };

static void *mine (world_t *w, int type) { return w->mine[w->mines++] = sock (w->ctx, type); }
static void *peer (world_t *w, int type) { return w->peers[w->peer_count++] = sock (w->theirs, type); }

static int raw (world_t *w, int fd)
{
    CHECK (fd >= 0);
    return w->fds[w->fd_count++] = fd;
}

/* ---- threads that are in a call ------------------------------------------------------------------------------------ */

static int one_call (call_t *c, char *body)
{
    zmq_pollitem_t items[2] = {{c->socket, 0, ZMQ_POLLIN, 0}, {c->second, 0, ZMQ_POLLIN, 0}};
    switch (c->call) {
        case RECEIVE:
            return zmq_recv (c->socket, body, 100, 0);
        case SEND_SMALL:
            return zmq_send (c->socket, body, 100, 0);
        case SEND_LARGE:
            return zmq_send (c->socket, body, 3000000, 0);
        case POLL:
            return zmq_poll (items, 1, -1);
        case POLL_ALL:
            return zmq_poll (items, 2, -1);
        default:
            return zmq_proxy (c->socket, c->second, NULL);
    }
}

static void *calls (void *arg)
{
    call_t *c = (call_t *) arg;
    char *body = calloc (1, 3000000);
    CHECK (body);
    while (one_call (c, body) != -1 || errno == EINTR || errno == EAGAIN)
        ;
    if (errno != ETERM && errno != ENOTSOCK)
        fail_at (__FILE__, __LINE__, "call %d", c->call);
    /* Under another's hands it is closed already. */
    zmq_close (c->socket);
    if (c->second)
        zmq_close (c->second);
    free (body);
    free (c);
    return NULL;
}

/* A thread that is in this call, with sockets that are its own from now on. */
static void held (world_t *w, int call, void *socket, void *second)
{
    call_t *c = calloc (1, sizeof *c);
    CHECK (c);
    *c = (call_t){socket, second, call};
    for (int i = 0; i < w->mines; i++)
        while (i < w->mines && (w->mine[i] == socket || w->mine[i] == second))
            w->mine[i] = w->mine[--w->mines];
    w->held[w->helds] = socket;
    IS (pthread_create (&w->threads[w->helds++], NULL, calls, c), 0);
}

/* ---- peers that are none ------------------------------------------------------------------------------------------- */

static int listens (char *ep, int backlog)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl (INADDR_LOOPBACK)}};
    socklen_t size = sizeof a;
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    OK (bind (fd, (struct sockaddr *) &a, size));
    OK (listen (fd, backlog));
    OK (getsockname (fd, (struct sockaddr *) &a, &size));
    snprintf (ep, EP_SIZE, "tcp://127.0.0.1:%d", ntohs (a.sin_port));
    return fd;
}

static void greets (int fd, const char *mechanism)
{
    unsigned char greeting[64] = {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 0};
    strncpy ((char *) greeting + 12, mechanism, 20);
    CHECK (raw_write (fd, greeting, sizeof greeting));
}

static void ready (int fd, const char *type)
{
    unsigned char command[100] = {4, 0};
    size_t length = strlen (type), size = 6 + 12 + 4 + length;
    memcpy (command + 2, "\5READY\13Socket-Type\0\0\0", 21);
    command[1] = (unsigned char) size;
    command[2 + 21] = (unsigned char) length;
    memcpy (command + 2 + 22, type, length);
    CHECK (raw_write (fd, command, 2 + size));
}

static void mechanism (void *s, const char *name, int server)
{
    char public[41], secret[41];
    if (!strcmp (name, "PLAIN")) {
        if (server)
            set_int (s, ZMQ_PLAIN_SERVER, 1);
        else {
            OK (zmq_setsockopt (s, ZMQ_PLAIN_USERNAME, "me", 2));
            OK (zmq_setsockopt (s, ZMQ_PLAIN_PASSWORD, "x", 1));
        }
    }
    if (!strcmp (name, "CURVE")) {
        OK (zmq_curve_keypair (public, secret));
        OK (zmq_setsockopt (s, ZMQ_CURVE_SECRETKEY, secret, 41));
        if (server)
            set_int (s, ZMQ_CURVE_SERVER, 1);
        else {
            OK (zmq_setsockopt (s, ZMQ_CURVE_PUBLICKEY, public, 41));
            OK (zmq_setsockopt (s, ZMQ_CURVE_SERVERKEY, public, 41));
        }
    }
}

/* ---- states --------------------------------------------------------------------------------------------------------- */

static char ep[EP_SIZE];
static void nothing (world_t *w) { mine (w, ZMQ_PAIR), mine (w, ZMQ_PUB); }

static void bound (world_t *w)
{
    bind_any (mine (w, ZMQ_REP), "tcp", ep);
    bind_any (mine (w, ZMQ_SUB), "ipc", ep);
    bind_any (mine (w, ZMQ_PULL), "inproc", ep);
}

static void refused (world_t *w)
{
    void *s = mine (w, ZMQ_DEALER);
    set_int (s, ZMQ_RECONNECT_IVL, 1);
    free_tcp (ep);
    OK (zmq_connect (s, ep));
    ipc_path (ep, "nobody");
    OK (zmq_connect (s, ep));
    SEND (s, "x", 0);
}

/* A listener whose queue is full does not answer the SYN. */
static void connecting (world_t *w)
{
    raw (w, listens (ep, 0));
    raw (w, raw_connect (ep));
    for (int i = 0; i < 3; i++)
        OK (zmq_connect (mine (w, ZMQ_DEALER), ep));
}

static void greeting (world_t *w)
{
    raw (w, listens (ep, 10));
    OK (zmq_connect (mine (w, ZMQ_REQ), ep));
    bind_any (mine (w, ZMQ_REP), "tcp", ep);
    raw (w, raw_connect (ep));
    raw_write (raw (w, raw_connect (ep)), "\377\0\0\0", 4);
}

static void handshaking (world_t *w, const char *name)
{
    int listener = raw (w, listens (ep, 10));
    void *client = mine (w, ZMQ_DEALER), *server = mine (w, ZMQ_DEALER);
    mechanism (client, name, 0);
    mechanism (server, name, 1);
    OK (zmq_connect (client, ep));
    int fd = raw (w, accept (listener, NULL, NULL));
    greets (fd, name);
    bind_any (server, "tcp", ep);
    greets (raw (w, raw_connect (ep)), name);
}
static void handshaking_null (world_t *w) { handshaking (w, "NULL"); }
static void handshaking_plain (world_t *w) { handshaking (w, "PLAIN"); }
static void handshaking_curve (world_t *w) { handshaking (w, "CURVE"); }

static void receiving_a_message (world_t *w)
{
    void *in = mine (w, ZMQ_PULL);
    bind_any (in, "tcp", ep);
    int fd = raw (w, raw_connect (ep));
    greets (fd, "NULL");
    ready (fd, "PUSH");
    /* The length of a million bytes, and some of them. */
    raw_write (fd, "\2\0\0\0\0\0\017\102\100abc", 12);
    held (w, RECEIVE, in, NULL);
}

static void sending_a_message (world_t *w)
{
    void *out = mine (w, ZMQ_PUSH);
    bind_any (out, "tcp", ep);
    int fd = raw (w, raw_connect (ep));
    greets (fd, "NULL");
    ready (fd, "PULL");
    set_int (out, ZMQ_SNDHWM, 2);
    held (w, SEND_LARGE, out, NULL);
}

static void in_recv (world_t *w)
{
    static const char *const transports[] = {"tcp", "ipc", "inproc"};
    for (int i = 0; i < 3; i++) {
        void *in = mine (w, ZMQ_PULL), *out = mine (w, ZMQ_PUSH);
        bind_any (in, transports[i], ep);
        OK (zmq_connect (out, ep));
        held (w, RECEIVE, in, NULL);
    }
}

static void in_send (world_t *w)
{
    static const char *const transports[] = {"tcp", "ipc", "inproc"};
    for (int i = 0; i < 3; i++) {
        void *in = mine (w, ZMQ_PULL), *out = mine (w, ZMQ_PUSH);
        set_int (out, ZMQ_SNDHWM, 5);
        set_int (in, ZMQ_RCVHWM, 5);
        bind_any (in, transports[i], ep);
        OK (zmq_connect (out, ep));
        held (w, i == 1 ? SEND_LARGE : SEND_SMALL, out, NULL);
    }
}

static void in_poll (world_t *w)
{
    void *a = mine (w, ZMQ_SUB), *b = mine (w, ZMQ_ROUTER), *c = mine (w, ZMQ_PAIR);
    bind_any (a, "tcp", ep);
    bind_any (b, "inproc", ep);
    held (w, POLL_ALL, a, b);
    held (w, POLL, c, NULL);
}

static void in_proxy (world_t *w)
{
    void *front = mine (w, ZMQ_ROUTER), *back = mine (w, ZMQ_DEALER);
    bind_any (front, "tcp", ep);
    void *client = mine (w, ZMQ_REQ);
    OK (zmq_connect (client, ep));
    bind_any (back, "tcp", ep);
    void *service = mine (w, ZMQ_REP);
    OK (zmq_connect (service, ep));
    SEND (client, "x", 0);
    held (w, PROXY, front, back);
    held (w, RECEIVE, client, NULL);
}

/* More than the kernel takes, for a peer that does not read. */
static void *with_unsent (world_t *w, int count)
{
    static char body[50000];
    void *out = mine (w, ZMQ_PUSH), *in = peer (w, ZMQ_PULL);
    set_int (in, ZMQ_RCVHWM, 1);
    /* So that little is more than the kernel takes. */
    set_int (in, ZMQ_RCVBUF, 5000);
    set_int (out, ZMQ_SNDBUF, 5000);
    bind_any (in, "tcp", ep);
    OK (zmq_connect (out, ep));
    for (int i = 0; i < count; i++)
        IS (zmq_send (out, body, sizeof body, 0), sizeof body);
    return out;
}

/* To a peer that is not there, and to one that does not read. */
static void lingering (world_t *w, int linger)
{
    void *nobody = mine (w, ZMQ_PUSH), *out = with_unsent (w, 60);
    free_tcp (ep);
    OK (zmq_connect (nobody, ep));
    SEND (nobody, "x", 0);
    set_int (out, ZMQ_LINGER, linger);
    set_int (nobody, ZMQ_LINGER, linger);
    w->linger = linger;
}
static void lingering_not (world_t *w) { lingering (w, 0); }
static void lingering_a_while (world_t *w) { lingering (w, 40); }
/* For ever, which ends because the peer reads. */
static void lingering_for_ever (world_t *w) { set_int (with_unsent (w, 20), ZMQ_LINGER, -1); }

static void looking_up (world_t *w)
{
    OK (zmq_connect (mine (w, ZMQ_DEALER), "tcp://localhost:9"));
    OK (zmq_connect (mine (w, ZMQ_PUB), "tcp://nobody.invalid:9"));
}

/* Nobody answers the handler's questions. */
static void zap_asked (world_t *w)
{
    void *handler = mine (w, ZMQ_REP), *server = mine (w, ZMQ_PULL), *client = peer (w, ZMQ_PUSH);
    OK (zmq_bind (handler, "inproc://zeromq.zap.01"));
    mechanism (server, "PLAIN", 1);
    mechanism (client, "PLAIN", 0);
    bind_any (server, "tcp", ep);
    OK (zmq_connect (client, ep));
    held (w, RECEIVE, server, NULL);
}

static void monitor_full (world_t *w)
{
    void *s = mine (w, ZMQ_DEALER), *listener = w->mine[w->mines++] = sock (w->ctx, ZMQ_PAIR);
    set_int (listener, ZMQ_RCVHWM, 1);
    OK (zmq_socket_monitor (s, "inproc://events", ZMQ_EVENT_ALL));
    OK (zmq_connect (listener, "inproc://events"));
    set_int (s, ZMQ_RECONNECT_IVL, 1);
    free_tcp (ep);
    for (int i = 0; i < 4; i++) {
        OK (zmq_connect (s, ep));
        OK (zmq_disconnect (s, ep));
    }
    OK (zmq_connect (s, ep));
}

static void inproc_half_made (world_t *w)
{
    void *out = mine (w, ZMQ_PUSH), *in = mine (w, ZMQ_PULL), *full = mine (w, ZMQ_PUSH);
    OK (zmq_connect (out, "inproc://later"));
    OK (zmq_connect (in, "inproc://never"));
    set_int (full, ZMQ_SNDHWM, 3);
    OK (zmq_connect (full, "inproc://later"));
    SEND (out, "first", ZMQ_SNDMORE);
    held (w, SEND_SMALL, full, NULL);
    held (w, RECEIVE, in, NULL);
}

static void parts (world_t *w)
{
    void *a = mine (w, ZMQ_PAIR), *b = mine (w, ZMQ_PAIR);
    char first[8];
    bind_any (a, "tcp", ep);
    OK (zmq_connect (b, ep));
    SEND (b, "one", ZMQ_SNDMORE);
    SEND (b, "two", 0);
    IS (zmq_recv (a, first, sizeof first, 0), 3);
    SEND (a, "half", ZMQ_SNDMORE);
}

static void request_open (world_t *w)
{
    void *req = mine (w, ZMQ_REQ), *rep = mine (w, ZMQ_REP);
    char body[8];
    bind_any (rep, "ipc", ep);
    OK (zmq_connect (req, ep));
    SEND (req, "x", 0);
    IS (zmq_recv (rep, body, sizeof body, 0), 1);
    held (w, RECEIVE, req, NULL);
}

static void subscribed (world_t *w)
{
    void *sub = mine (w, ZMQ_SUB), *pub = mine (w, ZMQ_XPUB), *early = mine (w, ZMQ_SUB);
    for (int i = 0; i < 200; i++) {
        char topic[8];
        OK (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, topic, (size_t) sprintf (topic, "%d", i)));
        OK (zmq_setsockopt (early, ZMQ_SUBSCRIBE, topic, strlen (topic)));
    }
    free_tcp (ep);
    OK (zmq_connect (early, ep));
    bind_any (pub, "tcp", ep);
    OK (zmq_connect (sub, ep));
    held (w, RECEIVE, sub, NULL);
}

static void a_stream (world_t *w)
{
    void *stream = mine (w, ZMQ_STREAM);
    bind_any (stream, "tcp", ep);
    raw_write (raw (w, raw_connect (ep)), "hello", 5);
    held (w, RECEIVE, stream, NULL);
}

static void beating (world_t *w)
{
    void *s = mine (w, ZMQ_DEALER);
    set_int (s, ZMQ_HEARTBEAT_IVL, 1);
    set_int (s, ZMQ_HEARTBEAT_TIMEOUT, 5);
    bind_any (s, "tcp", ep);
    int fd = raw (w, raw_connect (ep));
    greets (fd, "NULL");
    ready (fd, "DEALER");
}

static void asking_a_proxy (world_t *w)
{
    void *s = mine (w, ZMQ_DEALER);
    raw (w, listens (ep, 10));
    OK (zmq_setsockopt (s, ZMQ_SOCKS_PROXY, ep + 6, strlen (ep + 6)));
    OK (zmq_connect (s, "tcp://192.0.2.1:9"));
}

static void *pours (void *arg)
{
    char body[64] = "";
    while (zmq_send (arg, body, sizeof body, 0) != -1 || errno == EINTR)
        ;
    CHECK (errno == ETERM || errno == ENOTSOCK);
    zmq_close (arg);
    return NULL;
}

/* In the middle of a stream, with encryption. */
static void streaming (world_t *w)
{
    void *in = mine (w, ZMQ_PULL), *out = mine (w, ZMQ_PUSH);
    encrypt (in, out);
    bind_any (in, "tcp", ep);
    OK (zmq_connect (out, ep));
    held (w, RECEIVE, in, NULL);
    w->held[w->helds] = out;
    w->mines--;
    IS (pthread_create (&w->threads[w->helds++], NULL, pours, out), 0);
}

/* ---- the end --------------------------------------------------------------------------------------------------------- */

static int descriptors (void) { return entries_of ("/proc/self/fd"); }
static int threads (void) { return entries_of ("/proc/self/task"); }

/* ThreadSanitizer has a thread, and descriptors, that come and go as it likes. */
#ifdef __SANITIZE_THREAD__
enum { COUNTED = 0 };
#else
enum { COUNTED = 1 };
#endif

static void on_signal (int number) { (void) number; }

static int quiet;
static void *signals (void *arg)
{
    while (!__atomic_load_n (&quiet, __ATOMIC_ACQUIRE)) {
        pthread_kill (*(pthread_t *) arg, SIGUSR1);
        kill (getpid (), SIGUSR1);
        usleep (300);
    }
    return NULL;
}

static void close_all (void **sockets, int count)
{
    for (int i = 0; i < count; i++)
        OK (zmq_close (sockets[i]));
}

/* The peer of one that lingers until all is sent. */
static void *reads (void *in)
{
    char body[8];
    set_int (in, ZMQ_RCVTIMEO, SLACK);
    for (int i = 0; i < 20;)
        if (zmq_recv (in, body, sizeof body, 0) >= 0)
            i++;
        else
            CHECK (errno == EINTR);
    return NULL;
}

static void end (world_t *w, int way, int for_ever)
{
    pthread_t reader;
    if (for_ever)
        IS (pthread_create (&reader, NULL, reads, w->peers[0]), 0);
    if (way == SHUTDOWN)
        OK (zmq_ctx_shutdown (w->ctx));
    if (way == CLOSE)
        for (int i = 0; i < w->helds; i++)
            /* Unless it has closed it itself. */
            CHECK (zmq_close (w->held[i]) == 0 || errno == ENOTSOCK);
    if (way != TERM)
        for (int i = 0; i < w->helds; i++)
            IS (pthread_join (w->threads[i], NULL), 0);
    close_all (w->mine, w->mines);
    while (zmq_ctx_term (w->ctx) == -1)
        IS (errno, EINTR);
    if (way == TERM)
        for (int i = 0; i < w->helds; i++)
            IS (pthread_join (w->threads[i], NULL), 0);
    if (for_ever)
        IS (pthread_join (reader, NULL), 0);
}

static void from (const char *name, void (*begin) (world_t *), int with_helpers)
{
    const char *given = getenv ("TERMINATIONS"), *load = getenv ("TERMINATION_LOAD");
    int many = given ? atoi (given) : 6, ways = getenv ("SIDE") && !strcmp (getenv ("SIDE"), "system") ? CLOSE : WAYS;
    unsigned seed = seed_from ("TERMINATION_SEED");
    pthread_t self = pthread_self ();
    struct sigaction action = {.sa_handler = on_signal};
    int64_t longest = 0;
    int fds = descriptors (), tasks;
    alarm ((unsigned) (60 + 5 * many));
    OK (sigaction (SIGUSR1, &action, NULL));
    for (int i = load ? atoi (load) : 0; i > 0; i--)
        if (fork () == 0) {
            prctl (PR_SET_PDEATHSIG, SIGKILL);
            for (volatile unsigned busy = 0;; busy++)
                ;
        }
    tasks = threads ();
    for (int i = 0; i < many; i++) {
        int way = i % ways, disturbed = i / ways % 2;
        world_t w = {.ctx = ctx_new (), .theirs = ctx_new ()};
        pthread_t annoyer;
        begin (&w);
        usleep ((useconds_t) rand_r (&seed) % (i % 4 == 3 ? 20000 : 1500));
        quiet = 0;
        if (disturbed)
            IS (pthread_create (&annoyer, NULL, signals, &self), 0);
        int64_t start = now_ms ();
        end (&w, way, begin == lingering_for_ever);
        int64_t took = now_ms () - start;
        __atomic_store_n (&quiet, 1, __ATOMIC_RELEASE);
        if (disturbed)
            IS (pthread_join (annoyer, NULL), 0);
        if (took > longest)
            longest = took;
        if (took > w.linger + SLACK)
            fail_at (__FILE__, __LINE__, "%s, end %d of %d: %d ms", name, i, many, (int) took);
        for (int fd = 0; fd < w.fd_count; fd++)
            close (w.fds[fd]);
        close_all (w.peers, w.peer_count);
        OK (zmq_ctx_term (w.theirs));
        /* A helper waits for a name server as long as that likes, and nobody for it; the kernel counts a thread that was joined for
         * a moment. */
        if (COUNTED && !with_helpers) {
            IS (descriptors (), fds);
            EVENTUALLY (threads () == tasks, SLACK);
        }
    }
    EVENTUALLY (!COUNTED || (descriptors () == fds && threads () == tasks), 40000);
    fprintf (stderr, "    %s: ended %d times, in %d ms at most\n", name, many, (int) longest);
}

#define STATE(name) GROUP (from_##name) { from (#name, name, name == looking_up); }
STATE (nothing) STATE (bound) STATE (refused) STATE (connecting) STATE (greeting) STATE (handshaking_null)
STATE (handshaking_plain) STATE (handshaking_curve) STATE (receiving_a_message) STATE (sending_a_message)
STATE (in_recv) STATE (in_send) STATE (in_poll) STATE (in_proxy) STATE (lingering_not) STATE (lingering_a_while)
STATE (lingering_for_ever) STATE (looking_up) STATE (zap_asked) STATE (monitor_full) STATE (inproc_half_made)
STATE (parts) STATE (request_open) STATE (subscribed) STATE (a_stream) STATE (beating) STATE (asking_a_proxy)
STATE (streaming)

MAIN (ENTRY (from_nothing), ENTRY (from_bound), ENTRY (from_refused), ENTRY (from_connecting), ENTRY (from_greeting),
      ENTRY (from_handshaking_null), ENTRY (from_handshaking_plain), ENTRY (from_handshaking_curve),
      ENTRY (from_receiving_a_message), ENTRY (from_sending_a_message), ENTRY (from_in_recv), ENTRY (from_in_send),
      ENTRY (from_in_poll), ENTRY (from_in_proxy), ENTRY (from_lingering_not), ENTRY (from_lingering_a_while),
      ENTRY (from_lingering_for_ever), ENTRY (from_looking_up), ENTRY (from_zap_asked), ENTRY (from_monitor_full),
      ENTRY (from_inproc_half_made), ENTRY (from_parts), ENTRY (from_request_open), ENTRY (from_subscribed),
      ENTRY (from_a_stream), ENTRY (from_beating), ENTRY (from_asking_a_proxy), ENTRY (from_streaming))
