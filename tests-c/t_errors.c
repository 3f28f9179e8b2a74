/* The errno of every function on bad handles, unknown endpoints, wrong sizes, wrong states: zmq_*(3), "ERRORS". */
#include "common.h"

static char garbage[4096] __attribute__ ((aligned (64)));

GROUP (context_handles)
{
    FAILS (zmq_ctx_term (NULL), EFAULT);
    FAILS (zmq_ctx_destroy (NULL), EFAULT);
    FAILS (zmq_term (NULL), EFAULT);
    FAILS (zmq_ctx_shutdown (NULL), EFAULT);
    FAILS (zmq_ctx_set (NULL, ZMQ_IO_THREADS, 1), EFAULT);
    FAILS (zmq_ctx_get (NULL, ZMQ_IO_THREADS), EFAULT);
    errno = 0;
    CHECK (zmq_socket (NULL, ZMQ_PAIR) == NULL);
    IS (errno, EFAULT);
}

GROUP (garbage_context)
{
    memset (garbage, 0x5a, sizeof garbage);
    FAILS (zmq_ctx_term (garbage), EFAULT);
    FAILS (zmq_ctx_shutdown (garbage), EFAULT);
    FAILS (zmq_ctx_set (garbage, ZMQ_IO_THREADS, 1), EFAULT);
    FAILS (zmq_ctx_get (garbage, ZMQ_IO_THREADS), EFAULT);
    errno = 0;
    CHECK (zmq_socket (garbage, ZMQ_PAIR) == NULL);
    IS (errno, EFAULT);
}

/* Every function that takes a socket, on `s`, which is none. */
static void all_socket_calls_fail (void *s)
{
    char buf[8] = "x";
    size_t size = sizeof buf, count = 1;
    int value = 1;
    zmq_msg_t msg;
    struct iovec iov = {buf, 1};
    zmq_pollitem_t item;

    FAILS (zmq_close (s), ENOTSOCK);
    FAILS (zmq_bind (s, "inproc://x"), ENOTSOCK);
    FAILS (zmq_connect (s, "inproc://x"), ENOTSOCK);
    FAILS (zmq_unbind (s, "inproc://x"), ENOTSOCK);
    FAILS (zmq_disconnect (s, "inproc://x"), ENOTSOCK);
    FAILS (zmq_setsockopt (s, ZMQ_LINGER, &value, sizeof value), ENOTSOCK);
    FAILS (zmq_getsockopt (s, ZMQ_LINGER, &value, &size), ENOTSOCK);
    FAILS (zmq_send (s, "a", 1, 0), ENOTSOCK);
    FAILS (zmq_send (s, "a", 1, ZMQ_DONTWAIT), ENOTSOCK);
    FAILS (zmq_send_const (s, "a", 1, 0), ENOTSOCK);
    FAILS (zmq_recv (s, buf, 1, 0), ENOTSOCK);
    FAILS (zmq_socket_monitor (s, "inproc://mon", ZMQ_EVENT_ALL), ENOTSOCK);
    OK (zmq_msg_init_size (&msg, 3));
    FAILS (zmq_msg_send (&msg, s, 0), ENOTSOCK);
    FAILS (zmq_sendmsg (s, &msg, 0), ENOTSOCK);
    IS (zmq_msg_size (&msg), 3);
    FAILS (zmq_msg_recv (&msg, s, 0), ENOTSOCK);
    FAILS (zmq_recvmsg (s, &msg, 0), ENOTSOCK);
    OK (zmq_msg_close (&msg));
    FAILS (zmq_sendiov (s, &iov, 1, 0), ENOTSOCK);
    FAILS (zmq_recviov (s, &iov, &count, 0), ENOTSOCK);
    if (s) {
        item.socket = s;
        item.fd = 0;
        item.events = ZMQ_POLLIN;
        FAILS (zmq_poll (&item, 1, 0), ENOTSOCK);
    }
}

GROUP (null_socket)
{
    all_socket_calls_fail (NULL);
}

GROUP (garbage_socket)
{
    memset (garbage, 0, sizeof garbage);
    all_socket_calls_fail (garbage);
    memset (garbage, 0xff, sizeof garbage);
    all_socket_calls_fail (garbage);
}

/* A closed socket stays ENOTSOCK, with the context alive and others open. */
GROUP (closed_socket)
{
    void *ctx = ctx_new (), *other = sock (ctx, ZMQ_PAIR), *s = sock (ctx, ZMQ_PAIR);
    OK (zmq_close (s));
    all_socket_calls_fail (s);
    OK (zmq_close (other));
    OK (zmq_ctx_term (ctx));
}

/* The same once the slot may have been reused, and after the context has gone. */
GROUP (closed_socket_after_term)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PAIR);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
    FAILS (zmq_close (s), ENOTSOCK);
    FAILS (zmq_send (s, "a", 1, ZMQ_DONTWAIT), ENOTSOCK);
    FAILS (zmq_ctx_term (ctx), EFAULT);
    FAILS (zmq_ctx_get (ctx, ZMQ_IO_THREADS), EFAULT);
    errno = 0;
    CHECK (zmq_socket (ctx, ZMQ_PAIR) == NULL);
    IS (errno, EFAULT);
}

/* A context is no socket and a socket no context. */
GROUP (swapped_handles)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PAIR);
    FAILS (zmq_send (ctx, "a", 1, ZMQ_DONTWAIT), ENOTSOCK);
    FAILS (zmq_close (ctx), ENOTSOCK);
    FAILS (zmq_ctx_term (s), EFAULT);
    FAILS (zmq_ctx_get (s, ZMQ_IO_THREADS), EFAULT);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

GROUP (socket_types)
{
    void *ctx = ctx_new ();
    int type;
    for (type = ZMQ_PAIR; type <= ZMQ_STREAM; type++) {
        void *s = zmq_socket (ctx, type);
        CHECK (s != NULL);
        IS (get_int (s, ZMQ_TYPE), type);
        OK (zmq_close (s));
    }
    static const int bad[] = {-1, -100, 77, 1000, 0x7fffffff};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        errno = 0;
        CHECK (zmq_socket (ctx, bad[i]) == NULL);
        IS (errno, EINVAL);
    }
    OK (zmq_ctx_term (ctx));
}

/* ---- endpoints -------------------------------------------------------------------------------------------------- */

typedef struct
{
    int type;
    const char *endpoint;
    int bind_errno;    /* 0: succeeds, -1: not tried */
    int connect_errno;
} endpoint_case_t;

#define LONG50 "12345678901234567890123456789012345678901234567890"
static const endpoint_case_t endpoint_cases[] = {
    {ZMQ_PAIR, "", EINVAL, EINVAL},
    {ZMQ_PAIR, "tcp", EINVAL, EINVAL},
    {ZMQ_PAIR, "tcp:", EINVAL, EINVAL},
    {ZMQ_PAIR, "tcp:/", EINVAL, EINVAL},
    {ZMQ_PAIR, "tcp://", EINVAL, EINVAL},
    {ZMQ_PAIR, "://", EINVAL, EINVAL},
    {ZMQ_PAIR, "nope", EINVAL, EINVAL},
    {ZMQ_PAIR, "127.0.0.1:5555", EINVAL, EINVAL},
    {ZMQ_PAIR, "inproc://", EINVAL, EINVAL},
    {ZMQ_PAIR, "ipc://", EINVAL, EINVAL},
    {ZMQ_PAIR, "udp", EINVAL, EINVAL},
    {ZMQ_PAIR, "nope://x", EPROTONOSUPPORT, EPROTONOSUPPORT},
    {ZMQ_PAIR, "TCP://127.0.0.1:5555", EPROTONOSUPPORT, EPROTONOSUPPORT},
    {ZMQ_PAIR, "http://127.0.0.1:5555", EPROTONOSUPPORT, EPROTONOSUPPORT},
    {ZMQ_PAIR, "://x", EINVAL, EINVAL},
    {ZMQ_PAIR, "vmci://x", EPROTONOSUPPORT, EPROTONOSUPPORT},
    {ZMQ_PAIR, "tcp://127.0.0.1", EINVAL, EINVAL},
    {ZMQ_PAIR, "tcp://127.0.0.1:", EINVAL, EINVAL},
    {ZMQ_PAIR, "tcp://127.0.0.1:abc", EINVAL, EINVAL},
    /* A connecting side looks at the port only when it connects, in the background. */
    {ZMQ_PAIR, "tcp://127.0.0.1:65536", EINVAL, -1},
    {ZMQ_PAIR, "tcp://127.0.0.1:-1", -1, EINVAL},
    {ZMQ_PAIR, "tcp://:5555", -1, 0},
    {ZMQ_PAIR, "tcp://*:5555", -1, EINVAL},
    {ZMQ_PAIR, "tcp://127.0.0.1:0", 0, 0},
    {ZMQ_PAIR, "tcp://127.0.0.1:*", 0, EINVAL},
    /* Names of hosts are for connecting, names of interfaces for binding. */
    {ZMQ_PAIR, "tcp://localhost:0", ENODEV, 0},
    {ZMQ_PAIR, "tcp://nosuchhost.invalid:5555", ENODEV, 0},
    {ZMQ_PAIR, "tcp://nosuchdev0:5555", ENODEV, 0},
    {ZMQ_PAIR, "tcp://0.0.0.256:0", ENODEV, 0},
    {ZMQ_PAIR, "tcp://192.0.2.1:5555", EADDRNOTAVAIL, 0},
    {ZMQ_PAIR, "tcp://lo:0", 0, -1},
    {ZMQ_PAIR, "tcp://[::1]:0", -1, 0},
    {ZMQ_PAIR, "ipc://*", 0, -1},
    {ZMQ_PAIR, "ipc:///no/such/dir/socket", ENOENT, 0},
    {ZMQ_PAIR, "ipc:///" LONG50 LONG50 LONG50, ENAMETOOLONG, ENAMETOOLONG},
    {ZMQ_PAIR, "ipc://@", EINVAL, EINVAL},
    {ZMQ_PAIR, "ipc://@zt-errors-abstract", 0, 0},
    {ZMQ_PAIR, "inproc://errors", 0, 0},
    {ZMQ_PAIR, "udp://127.0.0.1:5555", ENOCOMPATPROTO, ENOCOMPATPROTO},
    {ZMQ_REQ, "pgm://127.0.0.1;239.192.1.1:5555", ENOCOMPATPROTO, ENOCOMPATPROTO},
    {ZMQ_PUSH, "epgm://127.0.0.1;239.192.1.1:5555", ENOCOMPATPROTO, ENOCOMPATPROTO},
    {ZMQ_STREAM, "inproc://errors-stream", 0, 0},
};

GROUP (endpoints)
{
    void *ctx = ctx_new ();
    int wrong = 0;
    for (size_t i = 0; i < sizeof endpoint_cases / sizeof *endpoint_cases; i++) {
        const endpoint_case_t *c = &endpoint_cases[i];
        for (int connecting = 0; connecting < 2; connecting++) {
            int want = connecting ? c->connect_errno : c->bind_errno, rc;
            void *s;
            if (want == -1)
                continue;
            s = sock (ctx, c->type);
            errno = 0;
            rc = connecting ? zmq_connect (s, c->endpoint) : zmq_bind (s, c->endpoint);
            if ((rc == 0 ? 0 : errno) != want)
                wrong += !!fprintf (stderr, "    %s (\"%s\") = %d with errno %d (%s), expected %d\n",
                                    connecting ? "zmq_connect" : "zmq_bind", c->endpoint, rc, errno,
                                    zmq_strerror (errno), want);
            OK (zmq_close (s));
        }
    }
    OK (zmq_ctx_term (ctx));
    IS (wrong, 0);
}

GROUP (null_endpoint)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PAIR);
    FAILS (zmq_bind (s, NULL), EINVAL);
    FAILS (zmq_connect (s, NULL), EINVAL);
    FAILS (zmq_unbind (s, NULL), EINVAL);
    FAILS (zmq_disconnect (s, NULL), EINVAL);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

GROUP (address_in_use)
{
    void *ctx = ctx_new (), *a = sock (ctx, ZMQ_PAIR), *b = sock (ctx, ZMQ_PAIR);
    char ep[EP_SIZE];
    bind_any (a, "tcp", ep);
    FAILS (zmq_bind (b, ep), EADDRINUSE);
    FAILS (zmq_bind (a, ep), EADDRINUSE);
    bind_any (a, "inproc", ep);
    FAILS (zmq_bind (b, ep), EADDRINUSE);
    FAILS (zmq_bind (a, ep), EADDRINUSE);
    OK (zmq_bind (a, "ipc://@zt-in-use"));
    FAILS (zmq_bind (b, "ipc://@zt-in-use"), EADDRINUSE);
    OK (zmq_close (a));
    OK (zmq_close (b));
    OK (zmq_ctx_term (ctx));
}

GROUP (unbind_disconnect_unknown)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PAIR);
    char too_long[EP_SIZE];
    snprintf (too_long, sizeof too_long, "ipc://%0150d", 0);
    const char *const known[] = {"tcp://127.0.0.1:5555", "ipc:///tmp/zt-unknown", "inproc://unknown", too_long, "ipc://@"};
    for (int i = 0; i < 5; i++) {
        FAILS (zmq_unbind (s, known[i]), ENOENT);
        FAILS (zmq_disconnect (s, known[i]), ENOENT);
    }
    FAILS (zmq_unbind (s, "tcp"), EINVAL);
    FAILS (zmq_disconnect (s, "tcp"), EINVAL);
    FAILS (zmq_unbind (s, "nope://x"), EPROTONOSUPPORT);
    FAILS (zmq_disconnect (s, "nope://x"), EPROTONOSUPPORT);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

/* ---- operations a type does not have ---------------------------------------------------------------------------- */

GROUP (unsupported_operations)
{
    void *ctx = ctx_new ();
    static const int no_send[] = {ZMQ_SUB, ZMQ_PULL}, no_recv[] = {ZMQ_PUB, ZMQ_PUSH};
    char buf[4];
    for (int i = 0; i < 2; i++) {
        void *s = sock (ctx, no_send[i]);
        FAILS (zmq_send (s, "a", 1, 0), ENOTSUP);
        FAILS (zmq_send (s, "a", 1, ZMQ_DONTWAIT), ENOTSUP);
        OK (zmq_close (s));
        s = sock (ctx, no_recv[i]);
        FAILS (zmq_recv (s, buf, 1, 0), ENOTSUP);
        FAILS (zmq_recv (s, buf, 1, ZMQ_DONTWAIT), ENOTSUP);
        OK (zmq_close (s));
    }
    OK (zmq_ctx_term (ctx));
}

GROUP (wrong_state)
{
    void *ctx = ctx_new (), *req = sock (ctx, ZMQ_REQ), *rep = sock (ctx, ZMQ_REP);
    char ep[EP_SIZE], buf[8];
    bind_any (rep, "inproc", ep);
    OK (zmq_connect (req, ep));
    FAILS (zmq_recv (req, buf, 1, 0), EFSM);
    FAILS (zmq_recv (req, buf, 1, ZMQ_DONTWAIT), EFSM);
    FAILS (zmq_send (rep, "a", 1, 0), EFSM);
    SEND (req, "question", 0);
    FAILS (zmq_send (req, "again", 5, 0), EFSM);
    RECV (rep, "question");
    FAILS (zmq_recv (rep, buf, 1, 0), EFSM);
    SEND (rep, "answer", 0);
    FAILS (zmq_send (rep, "again", 5, 0), EFSM);
    RECV (req, "answer");
    OK (zmq_close (req));
    OK (zmq_close (rep));
    OK (zmq_ctx_term (ctx));
}

GROUP (would_block)
{
    void *ctx = ctx_new ();
    static const int sends_block[] = {ZMQ_PAIR, ZMQ_REQ, ZMQ_DEALER, ZMQ_PUSH};
    static const int recvs_block[] = {ZMQ_PAIR, ZMQ_REP, ZMQ_DEALER, ZMQ_ROUTER, ZMQ_SUB, ZMQ_XSUB, ZMQ_XPUB, ZMQ_PULL, ZMQ_STREAM};
    char buf[4];
    for (size_t i = 0; i < sizeof sends_block / sizeof *sends_block; i++) {
        void *s = sock (ctx, sends_block[i]);
        FAILS (zmq_send (s, "a", 1, ZMQ_DONTWAIT), EAGAIN);
        set_int (s, ZMQ_SNDTIMEO, 10);
        FAILS (zmq_send (s, "a", 1, 0), EAGAIN);
        OK (zmq_close (s));
    }
    for (size_t i = 0; i < sizeof recvs_block / sizeof *recvs_block; i++) {
        void *s = sock (ctx, recvs_block[i]);
        FAILS (zmq_recv (s, buf, 1, ZMQ_DONTWAIT), EAGAIN);
        set_int (s, ZMQ_RCVTIMEO, 10);
        FAILS (zmq_recv (s, buf, 1, 0), EAGAIN);
        OK (zmq_close (s));
    }
    OK (zmq_ctx_term (ctx));
}

/* After zmq_ctx_shutdown every call but close fails with ETERM. */
GROUP (terminated)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_DEALER);
    char buf[4];
    int value = 0;
    size_t size = sizeof value;
    zmq_pollitem_t item = {s, 0, ZMQ_POLLIN, 0};
    OK (zmq_ctx_shutdown (ctx));
    FAILS (zmq_send (s, "a", 1, 0), ETERM);
    FAILS (zmq_recv (s, buf, 1, 0), ETERM);
    FAILS (zmq_recv (s, buf, 1, ZMQ_DONTWAIT), ETERM);
    FAILS (zmq_bind (s, "inproc://x"), ETERM);
    FAILS (zmq_connect (s, "inproc://x"), ETERM);
    FAILS (zmq_unbind (s, "inproc://x"), ETERM);
    FAILS (zmq_disconnect (s, "inproc://x"), ETERM);
    FAILS (zmq_setsockopt (s, ZMQ_LINGER, &value, sizeof value), ETERM);
    FAILS (zmq_getsockopt (s, ZMQ_LINGER, &value, &size), ETERM);
    FAILS (zmq_socket_monitor (s, "inproc://mon", ZMQ_EVENT_ALL), ETERM);
    FAILS (zmq_poll (&item, 1, 0), ETERM);
    errno = 0;
    CHECK (zmq_socket (ctx, ZMQ_PAIR) == NULL);
    IS (errno, ETERM);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

GROUP (context_options)
{
    void *ctx = ctx_new ();
    FAILS (zmq_ctx_set (ctx, ZMQ_MAX_SOCKETS, 0), EINVAL);
    FAILS (zmq_ctx_set (ctx, ZMQ_MAX_SOCKETS, -1), EINVAL);
    FAILS (zmq_ctx_set (ctx, ZMQ_IO_THREADS, -1), EINVAL);
    FAILS (zmq_ctx_set (ctx, ZMQ_IPV6, -1), EINVAL);
    FAILS (zmq_ctx_set (ctx, ZMQ_MAX_MSGSZ, -1), EINVAL);
    FAILS (zmq_ctx_set (ctx, ZMQ_MSG_T_SIZE, 64), EINVAL);
    FAILS (zmq_ctx_set (ctx, 4711, 1), EINVAL);
    FAILS (zmq_ctx_get (ctx, 4711), EINVAL);
    FAILS (zmq_ctx_get (ctx, -1), EINVAL);
    OK (zmq_ctx_term (ctx));
}

GROUP (monitor)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_DEALER), *other = sock (ctx, ZMQ_DEALER);
    FAILS (zmq_socket_monitor (s, "tcp://127.0.0.1:*", ZMQ_EVENT_ALL), EPROTONOSUPPORT);
    FAILS (zmq_socket_monitor (s, "nonsense", ZMQ_EVENT_ALL), EINVAL);
    OK (zmq_socket_monitor (s, "inproc://mon", ZMQ_EVENT_ALL));
    FAILS (zmq_socket_monitor (other, "inproc://mon", ZMQ_EVENT_ALL), EADDRINUSE);
    OK (zmq_close (s));
    OK (zmq_close (other));
    OK (zmq_ctx_term (ctx));
}

/* Stopping a monitor nobody listens to must not wait for a listener. */
GROUP (monitor_stop_unheard)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_DEALER);
    OK (zmq_socket_monitor (s, "inproc://mon", ZMQ_EVENT_ALL));
    OK (zmq_socket_monitor (s, NULL, 0));
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

GROUP (proxy)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_ROUTER);
    FAILS (zmq_proxy (NULL, s, NULL), EFAULT);
    FAILS (zmq_proxy (s, NULL, NULL), EFAULT);
    FAILS (zmq_proxy (NULL, NULL, NULL), EFAULT);
    FAILS (zmq_proxy_steerable (NULL, s, NULL, NULL), EFAULT);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

/* zmq_strerror(3): its own texts, and libc's for the rest. */
GROUP (strerror)
{
    static const struct { int number; const char *text; } texts[] = {
        {EFSM, "Operation cannot be accomplished in current state"},
        {ENOCOMPATPROTO, "The protocol is not compatible with the socket type"},
        {ETERM, "Context was terminated"},
        {EMTHREAD, "No thread available"},
        {EHOSTUNREACH, "Host unreachable"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        CHECK (!strcmp (zmq_strerror (texts[i].number), texts[i].text));
    static const int libc[] = {0, EPERM, EAGAIN, EINVAL, ENOTSOCK, EADDRINUSE, EPROTONOSUPPORT, 99999};
    for (size_t i = 0; i < sizeof libc / sizeof *libc; i++) {
        char want[200];
        strcpy (want, strerror (libc[i]));
        CHECK (!strcmp (zmq_strerror (libc[i]), want));
    }
    IS (EFSM, 156384712 + 51);
    IS (ENOCOMPATPROTO, 156384712 + 52);
    IS (ETERM, 156384712 + 53);
    IS (EMTHREAD, 156384712 + 54);
    errno = 4711;
    IS (zmq_errno (), 4711);
}

MAIN (ENTRY (context_handles), ENTRY (garbage_context), ENTRY (null_socket), ENTRY (garbage_socket),
      ENTRY (closed_socket), ENTRY (closed_socket_after_term), ENTRY (swapped_handles), ENTRY (socket_types),
      ENTRY (endpoints), ENTRY (null_endpoint), ENTRY (address_in_use), ENTRY (unbind_disconnect_unknown),
      ENTRY (unsupported_operations), ENTRY (wrong_state), ENTRY (would_block), ENTRY (terminated),
      ENTRY (context_options), ENTRY (monitor), ENTRY_SLOW (monitor_stop_unheard, 3), ENTRY (proxy), ENTRY (strerror))
