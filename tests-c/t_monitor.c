/* What socket monitors hear: events, in which order, with which value and address. */
#include "monitor.h"

/* ---- bind, accept, close ---------------------------------------------------------------------------------------- */

static void life_of_a_connection (const char *transport)
{
    void *ctx = ctx_new (), *pull = sock (ctx, ZMQ_PULL), *push = sock (ctx, ZMQ_PUSH);
    void *server = monitor (ctx, pull), *client = monitor (ctx, push);
    char ep[EP_SIZE];
    int listening, accepted, connected;
    bind_any (pull, transport, ep);
    listening = FD_EVENT (server, ZMQ_EVENT_LISTENING, ep);
    OK (zmq_connect (push, ep));
    accepted = FD_EVENT (server, ZMQ_EVENT_ACCEPTED, ep);
    VALUE_EVENT (server, ZMQ_EVENT_HANDSHAKE_SUCCEEDED, ep, 0);
    /* A Unix domain socket connects at once. */
    if (!strcmp (transport, "tcp"))
        VALUE_EVENT (client, ZMQ_EVENT_CONNECT_DELAYED, ep, EINPROGRESS);
    connected = FD_EVENT (client, ZMQ_EVENT_CONNECTED, ep);
    VALUE_EVENT (client, ZMQ_EVENT_HANDSHAKE_SUCCEEDED, ep, 0);
    CHECK (listening != accepted && accepted != connected);
    /* Who ends a connection does not report it, who loses one does. */
    last_words (push, client);
    IS (FD_EVENT (server, ZMQ_EVENT_DISCONNECTED, ep), accepted);
    OK (zmq_unbind (pull, ep));
    IS (FD_EVENT (server, ZMQ_EVENT_CLOSED, ep), listening);
    last_words (pull, server);
    OK (zmq_ctx_term (ctx));
}

GROUP (tcp) { life_of_a_connection ("tcp"); }
GROUP (ipc) { life_of_a_connection ("ipc"); }

static void server_leaves (const char *transport)
{
    void *ctx = ctx_new (), *pull = sock (ctx, ZMQ_PULL), *push = sock (ctx, ZMQ_PUSH);
    void *server = monitor (ctx, pull), *client = monitor (ctx, push);
    char ep[EP_SIZE];
    int connected, listening, tcp = !strcmp (transport, "tcp");
    uint32_t wait;
    set_int (push, ZMQ_RECONNECT_IVL, 20);
    bind_any (pull, transport, ep);
    listening = FD_EVENT (server, ZMQ_EVENT_LISTENING, ep);
    OK (zmq_connect (push, ep));
    EVENT (server, ZMQ_EVENT_ACCEPTED, ep);
    EVENT (server, ZMQ_EVENT_HANDSHAKE_SUCCEEDED, ep);
    if (tcp)
        EVENT (client, ZMQ_EVENT_CONNECT_DELAYED, ep);
    connected = FD_EVENT (client, ZMQ_EVENT_CONNECTED, ep);
    EVENT (client, ZMQ_EVENT_HANDSHAKE_SUCCEEDED, ep);
    OK (zmq_close (pull));
    IS (FD_EVENT (server, ZMQ_EVENT_CLOSED, ep), listening);
    EVENT (server, ZMQ_EVENT_MONITOR_STOPPED, "");
    OK (zmq_close (server));
    IS (FD_EVENT (client, ZMQ_EVENT_DISCONNECTED, ep), connected);
    wait = EVENT (client, ZMQ_EVENT_CONNECT_RETRIED, ep);
    CHECK (wait >= 20 && wait < 40);
    if (tcp)
        EVENT (client, ZMQ_EVENT_CONNECT_DELAYED, ep);
    FD_EVENT (client, ZMQ_EVENT_CLOSED, ep);
    wait = EVENT (client, ZMQ_EVENT_CONNECT_RETRIED, ep);
    CHECK (wait >= 20 && wait < 40);
    OK (zmq_close (push));
    OK (zmq_close (client));
    OK (zmq_ctx_term (ctx));
}

GROUP (tcp_server_leaves) { server_leaves ("tcp"); }
GROUP (ipc_server_leaves) { server_leaves ("ipc"); }

/* Behind a wildcard the listener has one name and each connection the address it came to. */
static void wildcard (int ipv6, const char *listener, const char *host, const char *name)
{
    void *ctx = ctx_new (), *pull = sock (ctx, ZMQ_PULL), *push = sock (ctx, ZMQ_PUSH), *mon = monitor (ctx, pull);
    char ep[EP_SIZE], expected[EP_SIZE], there[EP_SIZE];
    int listening, accepted;
    set_int (pull, ZMQ_IPV6, ipv6);
    set_int (push, ZMQ_IPV6, ipv6);
    OK (zmq_bind (pull, "tcp://*:*"));
    last_endpoint (pull, ep);
    snprintf (expected, sizeof expected, "tcp://%s%s", listener, strrchr (ep, ':'));
    CHECK (!strcmp (ep, expected));
    snprintf (there, sizeof there, "tcp://%s%s", host, strrchr (ep, ':'));
    snprintf (expected, sizeof expected, "tcp://%s%s", name, strrchr (ep, ':'));
    listening = FD_EVENT (mon, ZMQ_EVENT_LISTENING, ep);
    OK (zmq_connect (push, there));
    accepted = FD_EVENT (mon, ZMQ_EVENT_ACCEPTED, expected);
    EVENT (mon, ZMQ_EVENT_HANDSHAKE_SUCCEEDED, expected);
    OK (zmq_close (push));
    IS (FD_EVENT (mon, ZMQ_EVENT_DISCONNECTED, expected), accepted);
    OK (zmq_unbind (pull, ep));
    IS (FD_EVENT (mon, ZMQ_EVENT_CLOSED, ep), listening);
    last_words (pull, mon);
    OK (zmq_ctx_term (ctx));
}

static int has_ipv6 (void)
{
    struct sockaddr_in6 a;
    int ok, fd = socket (AF_INET6, SOCK_STREAM, 0);
    memset (&a, 0, sizeof a);
    a.sin6_family = AF_INET6;
    a.sin6_addr = in6addr_loopback;
    ok = fd >= 0 && bind (fd, (struct sockaddr *) &a, sizeof a) == 0;
    close (fd);
    return ok;
}

GROUP (accepted_address)
{
    wildcard (0, "0.0.0.0", "127.0.0.1", "127.0.0.1");
    wildcard (0, "0.0.0.0", "127.0.0.2", "127.0.0.2");
    if (has_ipv6 ()) {
        wildcard (1, "[::]", "[::1]", "[::1]");
        wildcard (1, "[::]", "127.0.0.1", "[::ffff:127.0.0.1]");
    }
}

/* The connecting side says what it was told, not what that means. */
GROUP (connected_address)
{
    static const char *const forms[] = {"tcp://localhost%s", "tcp://127.0.0.1:0;127.0.0.1%s", "tcp://127.1%s"};
    int i;
    for (i = 0; i < 3; i++) {
        void *ctx = ctx_new (), *pull = sock (ctx, ZMQ_PULL), *push = sock (ctx, ZMQ_PUSH), *mon = monitor (ctx, push);
        char ep[EP_SIZE], there[EP_SIZE];
        bind_any (pull, "tcp", ep);
        snprintf (there, sizeof there, forms[i], strrchr (ep, ':'));
        OK (zmq_connect (push, there));
        EVENT (mon, ZMQ_EVENT_CONNECT_DELAYED, there);
        EVENT (mon, ZMQ_EVENT_CONNECTED, there);
        EVENT (mon, ZMQ_EVENT_HANDSHAKE_SUCCEEDED, there);
        last_words (push, mon);
        OK (zmq_close (pull));
        OK (zmq_ctx_term (ctx));
    }
}

GROUP (inproc_is_silent)
{
    void *ctx = ctx_new (), *a = sock (ctx, ZMQ_PAIR), *b = sock (ctx, ZMQ_PAIR);
    void *on_a = monitor (ctx, a), *on_b = monitor (ctx, b);
    char ep[EP_SIZE];
    bind_any (a, "inproc", ep);
    OK (zmq_connect (b, ep));
    SEND (b, "hello", 0);
    RECV (a, "hello");
    /* libzmq ends neither end of the connection before the other. */
    OK (zmq_close (a));
    last_words (b, on_b);
    VALUE_EVENT (on_a, ZMQ_EVENT_MONITOR_STOPPED, "", 0);
    OK (zmq_close (on_a));
    OK (zmq_ctx_term (ctx));
}

/* ---- connections without handshake ------------------------------------------------------------------------------- */

static void *open_stream (void *ctx, char *ep, void **mon, int *fd, int *accepted, char *id, int *id_size)
{
    void *s = sock (ctx, ZMQ_STREAM);
    *mon = monitor (ctx, s);
    bind_any (s, "tcp", ep);
    EVENT (*mon, ZMQ_EVENT_LISTENING, ep);
    *fd = raw_connect (ep);
    *accepted = FD_EVENT (*mon, ZMQ_EVENT_ACCEPTED, ep);
    *id_size = zmq_recv (s, id, 256, 0);
    CHECK (*id_size > 0 && RCVMORE (s));
    RECV (s, "");
    return s;
}

/* The peer's end counts as a failed handshake, however late. */
GROUP (stream_peer_leaves)
{
    void *ctx = ctx_new (), *mon, *s;
    char ep[EP_SIZE], id[256];
    int fd, accepted, size;
    s = open_stream (ctx, ep, &mon, &fd, &accepted, id, &size);
    IS (zmq_send (s, id, (size_t) size, ZMQ_SNDMORE), size);
    SEND (s, "hello", 0);
    CHECK (raw_read (fd, id, 5) && !memcmp (id, "hello", 5));
    close (fd);
    VALUE_EVENT (mon, NO_DETAIL, ep, EPIPE);
    IS (FD_EVENT (mon, ZMQ_EVENT_DISCONNECTED, ep), accepted);
    OK (zmq_close (s));
    OK (zmq_close (mon));
    OK (zmq_ctx_term (ctx));
}

GROUP (stream_peer_resets)
{
    struct linger hard = {1, 0};
    void *ctx = ctx_new (), *mon, *s;
    char ep[EP_SIZE], id[256];
    int fd, accepted, size;
    uint32_t value;
    s = open_stream (ctx, ep, &mon, &fd, &accepted, id, &size);
    setsockopt (fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close (fd);
    value = EVENT (mon, NO_DETAIL, ep);
    CHECK (value == ECONNRESET || value == EPIPE);
    IS (FD_EVENT (mon, ZMQ_EVENT_DISCONNECTED, ep), accepted);
    OK (zmq_close (s));
    OK (zmq_close (mon));
    OK (zmq_ctx_term (ctx));
}

GROUP (stream_peer_is_dropped)
{
    void *ctx = ctx_new (), *mon, *s;
    char ep[EP_SIZE], id[256];
    int fd, accepted, size;
    s = open_stream (ctx, ep, &mon, &fd, &accepted, id, &size);
    IS (zmq_send (s, id, (size_t) size, ZMQ_SNDMORE), size);
    SEND (s, "", 0);
    OK (zmq_close (s));
    CHECK (raw_closed (fd, 5000));
    close (fd);
    EVENT (mon, ZMQ_EVENT_CLOSED, ep);
    EVENT (mon, ZMQ_EVENT_MONITOR_STOPPED, "");
    OK (zmq_close (mon));
    OK (zmq_ctx_term (ctx));
}

/* ---- monitors themselves ----------------------------------------------------------------------------------------- */

GROUP (only_what_is_asked_for)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PULL), *mon = sock (ctx, ZMQ_PAIR);
    char ep[EP_SIZE];
    OK (zmq_socket_monitor (s, "inproc://only", ZMQ_EVENT_CLOSED | ZMQ_EVENT_MONITOR_STOPPED));
    OK (zmq_connect (mon, "inproc://only"));
    bind_any (s, "tcp", ep);
    OK (zmq_unbind (s, ep));
    FD_EVENT (mon, ZMQ_EVENT_CLOSED, ep);
    last_words (s, mon);
    OK (zmq_ctx_term (ctx));
}

GROUP (a_new_monitor_replaces_the_old)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PULL), *old = monitor (ctx, s), *mon = monitor (ctx, s);
    char ep[EP_SIZE];
    VALUE_EVENT (old, ZMQ_EVENT_MONITOR_STOPPED, "", 0);
    bind_any (s, "tcp", ep);
    EVENT (mon, ZMQ_EVENT_LISTENING, ep);
    OK (zmq_socket_monitor (s, NULL, 0));
    VALUE_EVENT (mon, ZMQ_EVENT_MONITOR_STOPPED, "", 0);
    OK (zmq_close (s));
    OK (zmq_close (old));
    OK (zmq_close (mon));
    OK (zmq_ctx_term (ctx));
}

MAIN (ENTRY (tcp), ENTRY (ipc), ENTRY (tcp_server_leaves), ENTRY (ipc_server_leaves), ENTRY (accepted_address),
      ENTRY (connected_address), ENTRY (inproc_is_silent), ENTRY (stream_peer_leaves), ENTRY (stream_peer_resets),
      ENTRY (stream_peer_is_dropped), ENTRY (only_what_is_asked_for), ENTRY (a_new_monitor_replaces_the_old))
