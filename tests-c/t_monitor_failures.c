/* What socket monitors hear of binds, accepts, connects and handshakes that fail. */
#include "monitor.h"

/* ---- failed binds ------------------------------------------------------------------------------------------------ */

/* The address comes without its transport. If a socket had been made, that ends first: by name only with ipc. */
static void failed_bind (const char *ep, int error, int had_socket)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PULL), *mon = monitor (ctx, s);
    IS (zmq_bind (s, ep), -1);
    if (had_socket)
        FD_EVENT (mon, ZMQ_EVENT_CLOSED, strncmp (ep, "ipc:", 4) ? "" : ep);
    VALUE_EVENT (mon, ZMQ_EVENT_BIND_FAILED, strstr (ep, "://") + 3, error);
    last_words (s, mon);
    OK (zmq_ctx_term (ctx));
}

GROUP (bind_failed)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PULL);
    char ep[EP_SIZE];
    bind_any (s, "tcp", ep);
    failed_bind (ep, EADDRINUSE, 1);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
    /* Of TEST-NET-1, no address of this machine. */
    failed_bind ("tcp://192.0.2.1:5555", EADDRNOTAVAIL, 1);
    failed_bind ("tcp://nosuchdev0:5555", ENODEV, 0);
    failed_bind ("tcp://127.0.0.1", EINVAL, 0);
    ipc_path (ep, "nowhere/socket");
    failed_bind (ep, ENOENT, 1);
    strcpy (ep, "ipc:///");
    memset (ep + 7, 'x', 120);
    ep[127] = 0;
    failed_bind (ep, ENAMETOOLONG, 0);
}

/* What is no address at all is the caller's to know, not the monitor's. */
GROUP (bind_refused_at_once)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PULL), *mon = monitor (ctx, s);
    FAILS (zmq_bind (s, "nonsense"), EINVAL);
    FAILS (zmq_bind (s, "foo://127.0.0.1:*"), EPROTONOSUPPORT);
    last_words (s, mon);
    OK (zmq_ctx_term (ctx));
}

/* ---- failed accepts ---------------------------------------------------------------------------------------------- */

GROUP (accept_filtered)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PULL), *mon = monitor (ctx, s);
    char ep[EP_SIZE];
    int fd;
    OK (zmq_setsockopt (s, ZMQ_TCP_ACCEPT_FILTER, "10.0.0.0/8", 10));
    bind_any (s, "tcp", ep);
    EVENT (mon, ZMQ_EVENT_LISTENING, ep);
    fd = raw_connect (ep);
    VALUE_EVENT (mon, ZMQ_EVENT_ACCEPT_FAILED, ep, EAGAIN);
    CHECK (raw_closed (fd, 5000));
    close (fd);
    OK (zmq_close (s));
    OK (zmq_close (mon));
    OK (zmq_ctx_term (ctx));
}

GROUP (accept_without_descriptors)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PULL), *mon = monitor (ctx, s);
    struct rlimit few = {64, 64};
    struct sockaddr_in a;
    char ep[EP_SIZE];
    int fd = socket (AF_INET, SOCK_STREAM, 0);
    bind_any (s, "tcp", ep);
    EVENT (mon, ZMQ_EVENT_LISTENING, ep);
    CHECK (setrlimit (RLIMIT_NOFILE, &few) == 0);
    while (dup (fd) >= 0)
        ;
    memset (&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    a.sin_port = htons ((uint16_t) atoi (strrchr (ep, ':') + 1));
    CHECK (connect (fd, (struct sockaddr *) &a, sizeof a) == 0);
    VALUE_EVENT (mon, ZMQ_EVENT_ACCEPT_FAILED, ep, EMFILE);
}

/* ---- failed connects --------------------------------------------------------------------------------------------- */

/* `delayed`: the system does not know at once. */
static void failed_connect (const char *ep, int delayed)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PUSH), *mon = monitor (ctx, s);
    int i;
    uint32_t wait;
    set_int (s, ZMQ_RECONNECT_IVL, 30);
    OK (zmq_connect (s, ep));
    for (i = 0; i < 3; i++) {
        if (delayed)
            VALUE_EVENT (mon, ZMQ_EVENT_CONNECT_DELAYED, ep, EINPROGRESS);
        FD_EVENT (mon, ZMQ_EVENT_CLOSED, ep);
        wait = EVENT (mon, ZMQ_EVENT_CONNECT_RETRIED, ep);
        CHECK (wait >= 30 && wait < 60);
    }
    OK (zmq_close (s));
    OK (zmq_close (mon));
    OK (zmq_ctx_term (ctx));
}

GROUP (connect_refused)
{
    char tcp[EP_SIZE], ep[EP_SIZE];
    free_tcp (tcp);
    failed_connect (tcp, 1);
    snprintf (ep, sizeof ep, "tcp://127.0.0.1:0;%s", tcp + 6);
    failed_connect (ep, 1);
    /* Not an address of ours to come from. */
    snprintf (ep, sizeof ep, "tcp://192.0.2.1:0;%s", tcp + 6);
    failed_connect (ep, 0);
    ipc_path (ep, "nobody");
    failed_connect (ep, 0);
    ipc_path (ep, "nowhere/nobody");
    failed_connect (ep, 0);
    sprintf (ep, "ipc://@zt-%d-nobody", (int) getpid ());
    failed_connect (ep, 0);
}

/* A name that means nothing makes no attempt to close. */
GROUP (connect_unresolved)
{
    static const char *const endpoints[] = {"tcp://no..such..name:5555", "tcp://nosuchdev0:0;127.0.0.1:5555"};
    int i, j;
    for (i = 0; i < 2; i++) {
        void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PUSH), *mon = monitor (ctx, s);
        set_int (s, ZMQ_RECONNECT_IVL, 20);
        OK (zmq_connect (s, endpoints[i]));
        for (j = 0; j < 2; j++)
            EVENT (mon, ZMQ_EVENT_CONNECT_RETRIED, endpoints[i]);
        OK (zmq_close (s));
        OK (zmq_close (mon));
        OK (zmq_ctx_term (ctx));
    }
}

/* ZMQ_RECONNECT_IVL of -1, and of 0: one attempt, no more. The endpoint stays, and what is sent waits. */
GROUP (no_second_attempt)
{
    static const int intervals[] = {-1, 0};
    int i;
    for (i = 0; i < 2; i++) {
        void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PUSH), *mon = monitor (ctx, s);
        char ep[EP_SIZE];
        free_tcp (ep);
        set_int (s, ZMQ_RECONNECT_IVL, intervals[i]);
        OK (zmq_connect (s, ep));
        EVENT (mon, ZMQ_EVENT_CONNECT_DELAYED, ep);
        FD_EVENT (mon, ZMQ_EVENT_CLOSED, ep);
        SEND (s, "to nobody", ZMQ_DONTWAIT);
        OK (zmq_disconnect (s, ep));
        FAILS (zmq_disconnect (s, ep), ENOENT);
        last_words (s, mon);
        OK (zmq_ctx_term (ctx));
    }
}

/* A connection that was lost takes its endpoint with it then. */
GROUP (no_reconnection)
{
    static const int intervals[] = {-1, 0};
    int i;
    for (i = 0; i < 2; i++) {
        void *ctx = ctx_new (), *pull = sock (ctx, ZMQ_PULL), *s = sock (ctx, ZMQ_PUSH), *mon = monitor (ctx, s);
        char ep[EP_SIZE];
        set_int (s, ZMQ_RECONNECT_IVL, intervals[i]);
        bind_any (pull, "tcp", ep);
        OK (zmq_connect (s, ep));
        EVENT (mon, ZMQ_EVENT_CONNECT_DELAYED, ep);
        EVENT (mon, ZMQ_EVENT_CONNECTED, ep);
        EVENT (mon, ZMQ_EVENT_HANDSHAKE_SUCCEEDED, ep);
        OK (zmq_close (pull));
        EVENT (mon, ZMQ_EVENT_DISCONNECTED, ep);
        EVENTUALLY (!writable (s, 0), 5000);
        FAILS (zmq_disconnect (s, ep), ENOENT);
        last_words (s, mon);
        OK (zmq_ctx_term (ctx));
    }
}

/* A listener whose backlog is full leaves others waiting. */
static void *connect_to_nothing (void *ctx, int timeout, char *ep, void **mon)
{
    void *s = sock (ctx, ZMQ_PUSH);
    raw_listen (ep, 0);
    raw_connect (ep);
    *mon = monitor (ctx, s);
    set_int (s, ZMQ_RECONNECT_IVL, NOT_AGAIN);
    set_int (s, ZMQ_CONNECT_TIMEOUT, timeout);
    OK (zmq_connect (s, ep));
    EVENT (*mon, ZMQ_EVENT_CONNECT_DELAYED, ep);
    return s;
}

GROUP (connect_timeout)
{
    char ep[EP_SIZE];
    void *ctx = ctx_new (), *mon, *s = connect_to_nothing (ctx, 100, ep, &mon);
    FD_EVENT (mon, ZMQ_EVENT_CLOSED, ep);
    EVENT (mon, ZMQ_EVENT_CONNECT_RETRIED, ep);
    last_words (s, mon);
    OK (zmq_ctx_term (ctx));
}

GROUP (close_while_connecting)
{
    char ep[EP_SIZE];
    void *ctx = ctx_new (), *mon, *s = connect_to_nothing (ctx, 0, ep, &mon);
    OK (zmq_close (s));
    FD_EVENT (mon, ZMQ_EVENT_CLOSED, ep);
    EVENT (mon, ZMQ_EVENT_MONITOR_STOPPED, "");
    OK (zmq_close (mon));
    OK (zmq_ctx_term (ctx));
}

GROUP (disconnect_while_connecting)
{
    char ep[EP_SIZE];
    void *ctx = ctx_new (), *mon, *s = connect_to_nothing (ctx, 0, ep, &mon);
    OK (zmq_disconnect (s, ep));
    /* libzmq goes on when the socket is used again. */
    EVENTUALLY (zmq_send (s, "", 0, ZMQ_DONTWAIT) == -1 && readable (mon, 0), 5000);
    FD_EVENT (mon, ZMQ_EVENT_CLOSED, ep);
    last_words (s, mon);
    OK (zmq_ctx_term (ctx));
}

/* ---- handshakes -------------------------------------------------------------------------------------------------- */

#define ZEROS16 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define GREETING(mechanism) "\xff\0\0\0\0\0\0\0\1\x7f\3\0" mechanism "\0" ZEROS16 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define NULL_GREETING GREETING ("NULL" ZEROS16)
#define PLAIN_GREETING GREETING ("PLAIN" "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")
#define CURVE_GREETING GREETING ("CURVE" "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")
#define READY(type) "\4\x1a\5READY\x0bSocket-Type\0\0\0\4" type

enum { OPEN, SHUT };
enum { WITH_NULL, WITH_PLAIN, WITH_CURVE };
enum { ONCE, AGAIN };

typedef struct
{
    const char *what, *bytes;
    size_t size;
    int mechanism, then, event;
    uint32_t value;
    /* For those who connected: whether they try again. */
    int retried;
} failure_t;
#define ROW(what, bytes, mechanism, then, event, value, retried)                                                       \
    {                                                                                                                  \
        what, bytes, sizeof (bytes) - 1, mechanism, then, event, value, retried                                        \
    }

static const char secret_key[] = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";
static const char public_key[] = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
static const char server_key[] = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";

static void play (const failure_t *f, int fd)
{
    fprintf (stderr, "    %s\n", f->what);
    raw_write (fd, f->bytes, f->size);
    if (f->then == SHUT)
        shutdown (fd, SHUT_WR);
}

/* The failure, and the end of the connection. */
static void expect_failure (const failure_t *f, void *mon, const char *ep, int fd)
{
    if (f->event)
        VALUE_EVENT (mon, f->event, ep, f->value);
    IS (FD_EVENT (mon, ZMQ_EVENT_DISCONNECTED, ep), fd);
}

GROUP (handshake_failures_of_clients)
{
    static const failure_t failures[] = {
        ROW ("silence", "", WITH_NULL, OPEN, NO_DETAIL, EAGAIN, 0),
        ROW ("part of a greeting", "\xff\0\0\0", WITH_NULL, OPEN, NO_DETAIL, EAGAIN, 0),
        ROW ("no READY", NULL_GREETING, WITH_NULL, OPEN, NO_DETAIL, EAGAIN, 0),
        ROW ("silent end", "", WITH_NULL, SHUT, NO_DETAIL, EPIPE, 0),
        ROW ("end in the greeting", "\xff\0\0\0", WITH_NULL, SHUT, NO_DETAIL, EPIPE, 0),
        ROW ("end before READY", NULL_GREETING, WITH_NULL, SHUT, NO_DETAIL, EPIPE, 0),
        ROW ("HTTP", "GET / HTTP/1.1\r\n\r\n", WITH_NULL, SHUT, NO_DETAIL, EPIPE, 0),
        ROW ("PLAIN, not NULL", PLAIN_GREETING, WITH_NULL, OPEN, PROTOCOL, 0x11000002, 0),
        ROW ("NULL, not PLAIN", NULL_GREETING, WITH_PLAIN, OPEN, PROTOCOL, 0x11000002, 0),
        ROW ("NULL, not CURVE", NULL_GREETING, WITH_CURVE, OPEN, PROTOCOL, 0x11000002, 0),
        ROW ("unknown mechanism", GREETING ("XXXX" ZEROS16), WITH_NULL, OPEN, PROTOCOL, 0x11000002, 0),
        ROW ("illegal pair", NULL_GREETING READY ("PULL"), WITH_NULL, OPEN, 0, 0, 0),
        ROW ("damaged READY", NULL_GREETING "\4\x0a\5READY\x0bSoc", WITH_NULL, OPEN, 0, 0, 0),
        ROW ("unknown command", NULL_GREETING "\4\4\3FOO", WITH_NULL, OPEN, PROTOCOL, 0x10000001, 0),
        ROW ("empty command", NULL_GREETING "\4\0", WITH_NULL, OPEN, PROTOCOL, 0x10000001, 0),
        ROW ("a message", NULL_GREETING "\0\3abc", WITH_NULL, OPEN, PROTOCOL, 0x10000001, 0),
        ROW ("ERROR with a status", NULL_GREETING "\4\x0a\5ERROR\3" "400", WITH_NULL, OPEN, AUTH, 400, 0),
        ROW ("damaged ERROR", NULL_GREETING "\4\7\5ERROR\3", WITH_NULL, OPEN, PROTOCOL, 0x10000015, 0),
        ROW ("nobody to ask", PLAIN_GREETING "\4\x0a\5HELLO\1a\1b", WITH_PLAIN, OPEN, NO_DETAIL, EFAULT, 0),
        ROW ("damaged HELLO", PLAIN_GREETING "\4\7\5HELLO\7", WITH_PLAIN, OPEN, PROTOCOL, 0x10000013, 0),
        ROW ("READY, not HELLO", PLAIN_GREETING READY ("PUSH"), WITH_PLAIN, OPEN, PROTOCOL, 0x10000001, 0),
        ROW ("damaged HELLO", CURVE_GREETING "\4\7\5HELLO\7", WITH_CURVE, OPEN, PROTOCOL, 0x10000013, 0),
        ROW ("READY, not HELLO", CURVE_GREETING READY ("PUSH"), WITH_CURVE, OPEN, PROTOCOL, 0x10000001, 0),
        ROW ("ZMTP 1.0, not CURVE", "\1\0", WITH_CURVE, OPEN, 0, 0, 0),
        ROW ("ZMTP 2.0, not PLAIN", "\xff\0\0\0\0\0\0\0\1\x7f\1\x08\0\0", WITH_PLAIN, OPEN, 0, 0, 0),
    };
    size_t i;
    for (i = 0; i < sizeof failures / sizeof *failures; i++) {
        const failure_t *f = &failures[i];
        void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PULL), *mon = monitor (ctx, s);
        char ep[EP_SIZE];
        int fd, accepted;
        if (f->mechanism == WITH_PLAIN)
            set_int (s, ZMQ_PLAIN_SERVER, 1);
        if (f->mechanism == WITH_CURVE) {
            set_int (s, ZMQ_CURVE_SERVER, 1);
            OK (zmq_setsockopt (s, ZMQ_CURVE_SECRETKEY, secret_key, 40));
        }
        set_int (s, ZMQ_HANDSHAKE_IVL, f->value == EAGAIN ? 200 : 20000);
        bind_any (s, "tcp", ep);
        EVENT (mon, ZMQ_EVENT_LISTENING, ep);
        fd = raw_connect (ep);
        accepted = FD_EVENT (mon, ZMQ_EVENT_ACCEPTED, ep);
        play (f, fd);
        expect_failure (f, mon, ep, accepted);
        close (fd);
        OK (zmq_close (s));
        EVENT (mon, ZMQ_EVENT_CLOSED, ep);
        EVENT (mon, ZMQ_EVENT_MONITOR_STOPPED, "");
        OK (zmq_close (mon));
        OK (zmq_ctx_term (ctx));
    }
}

GROUP (handshake_failures_of_servers)
{
    static const failure_t failures[] = {
        ROW ("silence", "", WITH_NULL, OPEN, NO_DETAIL, EAGAIN, AGAIN),
        ROW ("no READY", NULL_GREETING, WITH_NULL, OPEN, NO_DETAIL, EAGAIN, AGAIN),
        ROW ("silent end", "", WITH_NULL, SHUT, NO_DETAIL, EPIPE, AGAIN),
        ROW ("end before READY", NULL_GREETING, WITH_NULL, SHUT, NO_DETAIL, EPIPE, AGAIN),
        ROW ("HTTP", "HTTP/1.1 400 Bad\r\n\r\n", WITH_NULL, SHUT, NO_DETAIL, EPIPE, AGAIN),
        ROW ("PLAIN, not NULL", PLAIN_GREETING, WITH_NULL, OPEN, PROTOCOL, 0x11000002, ONCE),
        ROW ("NULL, not PLAIN", NULL_GREETING, WITH_PLAIN, OPEN, PROTOCOL, 0x11000002, ONCE),
        ROW ("NULL, not CURVE", NULL_GREETING, WITH_CURVE, OPEN, PROTOCOL, 0x11000002, ONCE),
        ROW ("illegal pair", NULL_GREETING READY ("PUSH"), WITH_NULL, OPEN, 0, 0, ONCE),
        ROW ("unknown command", NULL_GREETING "\4\4\3FOO", WITH_NULL, OPEN, PROTOCOL, 0x10000001, ONCE),
        ROW ("READY, not WELCOME", PLAIN_GREETING READY ("PULL"), WITH_PLAIN, OPEN, PROTOCOL, 0x10000001, ONCE),
        ROW ("damaged WELCOME", CURVE_GREETING "\4\x09\7WELCOME\7", WITH_CURVE, OPEN, PROTOCOL, 0x11000001, ONCE),
    };
    size_t i;
    for (i = 0; i < sizeof failures / sizeof *failures; i++) {
        const failure_t *f = &failures[i];
        void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PUSH), *mon = monitor (ctx, s);
        char ep[EP_SIZE];
        int listener = raw_listen (ep, 4), fd, connected;
        if (f->mechanism == WITH_PLAIN)
            OK (zmq_setsockopt (s, ZMQ_PLAIN_USERNAME, "me", 2));
        if (f->mechanism == WITH_CURVE) {
            OK (zmq_setsockopt (s, ZMQ_CURVE_SECRETKEY, secret_key, 40));
            OK (zmq_setsockopt (s, ZMQ_CURVE_PUBLICKEY, public_key, 40));
            OK (zmq_setsockopt (s, ZMQ_CURVE_SERVERKEY, server_key, 40));
        }
        set_int (s, ZMQ_RECONNECT_IVL, NOT_AGAIN);
        set_int (s, ZMQ_HANDSHAKE_IVL, f->value == EAGAIN ? 200 : 20000);
        OK (zmq_connect (s, ep));
        fd = accept (listener, NULL, NULL);
        EVENT (mon, ZMQ_EVENT_CONNECT_DELAYED, ep);
        connected = FD_EVENT (mon, ZMQ_EVENT_CONNECTED, ep);
        play (f, fd);
        expect_failure (f, mon, ep, connected);
        if (f->retried == AGAIN)
            EVENT (mon, ZMQ_EVENT_CONNECT_RETRIED, ep);
        last_words (s, mon);
        close (fd);
        close (listener);
        OK (zmq_ctx_term (ctx));
    }
}

/* With no key of a server there is nothing that HELLO's box could be made with: whether it is of zeros or was never set. */
GROUP (curve_client_without_a_server_key)
{
    for (int zeros = 0; zeros < 2; zeros++) {
        void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PUSH), *mon = monitor (ctx, s);
        char ep[EP_SIZE], none[32] = "";
        int listener = raw_listen (ep, 4), fd;
        OK (zmq_setsockopt (s, ZMQ_CURVE_SECRETKEY, secret_key, 40));
        if (zeros)
            OK (zmq_setsockopt (s, ZMQ_CURVE_SERVERKEY, none, 32));
        set_int (s, ZMQ_RECONNECT_IVL, NOT_AGAIN);
        OK (zmq_connect (s, ep));
        fd = accept (listener, NULL, NULL);
        CHECK (raw_write (fd, CURVE_GREETING, sizeof (CURVE_GREETING) - 1));
        EVENT (mon, ZMQ_EVENT_CONNECT_DELAYED, ep);
        FD_EVENT (mon, ZMQ_EVENT_CONNECTED, ep);
        VALUE_EVENT (mon, PROTOCOL, ep, ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC);
        OK (zmq_close (s));
        OK (zmq_close (mon));
        close (fd);
        close (listener);
        OK (zmq_ctx_term (ctx));
    }
}

MAIN (ENTRY (bind_failed), ENTRY (bind_refused_at_once), ENTRY (accept_filtered), ENTRY (accept_without_descriptors),
      ENTRY (connect_refused), ENTRY (connect_unresolved), ENTRY (no_second_attempt), ENTRY (no_reconnection),
      ENTRY (connect_timeout), ENTRY (close_while_connecting), ENTRY (disconnect_while_connecting),
      ENTRY (handshake_failures_of_clients), ENTRY (handshake_failures_of_servers),
      ENTRY (curve_client_without_a_server_key))
