/* Options, and how to see whether one takes effect: for t_option_scope. */
#include "common.h"

/* When the option is set: before the endpoint is made, between that and the peer's coming, or with the peer there. */
#define MOMENTS 3
static const char *const transports[] = {"tcp", "ipc", "inproc"};

typedef struct
{
    const char *transport;
    /* The socket with the option binds; if not, it connects. */
    int binds;
    int moment;
    /* What the table says: whether the option takes effect. */
    int expected;
    void *ctx, *s, *peer, *monitor;
    char ep[EP_SIZE];
    void (*set) (void *s);
} cell_t;

typedef struct
{
    /* The option takes effect. */
    int (*effect) (cell_t *c);
    /* For each transport what bind says, then connect: a digit for each moment, or - where it cannot be asked. */
    const char *says[3][2];
} row_t;

static int over (const cell_t *c, const char *transport)
{
    return !strcmp (c->transport, transport);
}

/* How long to wait for something that happens, or does not, with the effect: long where it is to happen. */
static int patience (const cell_t *c, int with_effect)
{
    return c->expected == with_effect ? 5000 : 300;
}

/* Another name for each cell. */
static void name_endpoint (cell_t *c)
{
    if (over (c, "tcp"))
        free_tcp (c->ep);
    else if (over (c, "ipc"))
        ipc_path (c->ep, "scope");
    else
        strcpy (c->ep, "inproc://scope");
}

static void begin (cell_t *c, int type, int peer_type, void (*set) (void *))
{
    c->ctx = ctx_new ();
    c->s = sock (c->ctx, type);
    c->peer = sock (c->ctx, peer_type);
    c->set = set;
    set_int (c->s, ZMQ_RECONNECT_IVL, 20);
    set_int (c->peer, ZMQ_RECONNECT_IVL, 20);
    name_endpoint (c);
}

static void at_moment (cell_t *c, int moment)
{
    if (c->moment == moment)
        c->set (c->s);
}

/* The socket's endpoint, without a peer yet. */
static void make_endpoint (cell_t *c)
{
    at_moment (c, 0);
    if (c->binds) {
        bind_any (c->s, c->transport, c->ep);
    } else {
        OK (zmq_connect (c->s, c->ep));
    }
    at_moment (c, 1);
}

static void peer_comes (cell_t *c)
{
    if (c->binds)
        OK (zmq_connect (c->peer, c->ep));
    else
        OK (zmq_bind (c->peer, c->ep));
}

/* Whether both are connected within this time. Nothing to wait for within the process. */
static int are_connected (cell_t *c, int ms)
{
    int64_t until = now_ms () + ms;
    uint32_t value;
    char address[EP_SIZE];
    if (over (c, "inproc"))
        return 1;
    while (readable (c->monitor, (int) (until - now_ms () < 0 ? 0 : until - now_ms ())))
        if (next_event (c->monitor, &value, address) == ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
            return 1;
    return 0;
}

/* All of it. */
static void meet (cell_t *c)
{
    c->monitor = monitor (c->ctx, c->peer);
    make_endpoint (c);
    peer_comes (c);
    CHECK (are_connected (c, 10000));
    /* Each finds what the other, or the I/O thread, has left for it. libzmq's may have to be asked again. */
    for (int i = 0; i < 10; i++) {
        get_int (c->s, ZMQ_EVENTS);
        get_int (c->peer, ZMQ_EVENTS);
        sleep_ms (5);
    }
    at_moment (c, 2);
    get_int (c->peer, ZMQ_EVENTS);
}

/* ---- options and what they do ----------------------------------------------------------------------------------- */

static void set_conflate (void *s)
{
    set_int (s, ZMQ_CONFLATE, 1);
}

/* Of ten messages one is left. */
static int conflates (cell_t *c)
{
    int got = 0;
    char digit[2] = "0";
    begin (c, ZMQ_PULL, ZMQ_PUSH, set_conflate);
    meet (c);
    for (; digit[0] <= '9'; digit[0]++)
        SEND (c->peer, digit, 0);
    /* The last one comes in any case; where it is alone the others had their time. */
    sleep_ms (100);
    for (char last = 0; last != '9'; got++)
        IS (zmq_recv (c->s, &last, 1, 0), 1);
    CHECK (got == 10 || got == 1 || !over (c, "inproc"));
    return got < 10;
}

static int conflates_outgoing (cell_t *c)
{
    int got = 0;
    char digit[2] = "0";
    begin (c, ZMQ_PUSH, ZMQ_PULL, set_conflate);
    meet (c);
    for (; digit[0] <= '9'; digit[0]++)
        SEND (c->s, digit, 0);
    for (char last = 0; last != '9'; got++)
        IS (zmq_recv (c->peer, &last, 1, 0), 1);
    return got < 10;
}

static void set_routing_id (void *s)
{
    OK (zmq_setsockopt (s, ZMQ_ROUTING_ID, "me", 2));
}

static int names_itself (cell_t *c)
{
    char id[8];
    begin (c, ZMQ_DEALER, ZMQ_ROUTER, set_routing_id);
    meet (c);
    SEND (c->s, "m", 0);
    return zmq_recv (c->peer, id, sizeof id, 0) == 2;
}

/* What is on its way in the kernel counts little. */
static void little_in_the_kernel (void *s)
{
    set_int (s, ZMQ_SNDBUF, 32768);
    set_int (s, ZMQ_RCVBUF, 32768);
}

/* How many messages of 4 KiB `from` gets rid of to a peer that does not receive. */
static int unread (void *from)
{
    static char body[4096];
    int sent = 0;
    set_int (from, ZMQ_SNDTIMEO, 300);
    while (sent < 5000 && zmq_send (from, body, sizeof body, 0) != -1)
        sent++;
    return sent;
}

static void set_little_out (void *s)
{
    set_int (s, ZMQ_SNDHWM, 2);
}

static int holds_little_outgoing (cell_t *c)
{
    begin (c, ZMQ_PUSH, ZMQ_PULL, set_little_out);
    little_in_the_kernel (c->s);
    little_in_the_kernel (c->peer);
    set_int (c->peer, ZMQ_RCVHWM, 1);
    meet (c);
    return unread (c->s) < 500;
}

static void set_little_in (void *s)
{
    set_int (s, ZMQ_RCVHWM, 2);
}

static int holds_little_incoming (cell_t *c)
{
    begin (c, ZMQ_PULL, ZMQ_PUSH, set_little_in);
    little_in_the_kernel (c->s);
    little_in_the_kernel (c->peer);
    set_int (c->peer, ZMQ_SNDHWM, 1);
    meet (c);
    return unread (c->peer) < 500;
}

static void set_linger (void *s)
{
    set_int (s, ZMQ_LINGER, 0);
}

/* What is unsent when the socket is closed does not arrive. */
static int does_not_linger (cell_t *c)
{
    begin (c, ZMQ_PUSH, ZMQ_PULL, set_linger);
    set_int (c->s, ZMQ_LINGER, -1);
    make_endpoint (c);
    SEND (c->s, "m", 0);
    at_moment (c, 2);
    OK (zmq_close (c->s));
    /* It is libzmq's reaper that closes it in the end. */
    sleep_ms (100);
    peer_comes (c);
    return !readable (c->peer, patience (c, 0));
}

/* The same when the endpoint is taken back. */
static int does_not_linger_at_disconnect (cell_t *c)
{
    begin (c, ZMQ_PUSH, ZMQ_PULL, set_linger);
    set_int (c->s, ZMQ_LINGER, -1);
    make_endpoint (c);
    SEND (c->s, "m", 0);
    at_moment (c, 2);
    OK (zmq_disconnect (c->s, c->ep));
    sleep_ms (100);
    peer_comes (c);
    return !readable (c->peer, patience (c, 0));
}

static void set_immediate (void *s)
{
    set_int (s, ZMQ_IMMEDIATE, 1);
}

/* Nothing is queued for a peer that is not there. */
static int waits_for_a_peer (cell_t *c)
{
    begin (c, ZMQ_PUSH, ZMQ_PULL, set_immediate);
    make_endpoint (c);
    return zmq_send (c->s, "m", 1, ZMQ_DONTWAIT) == -1;
}

static void set_maxmsgsize (void *s)
{
    int64_t limit = 100;
    OK (zmq_setsockopt (s, ZMQ_MAXMSGSIZE, &limit, sizeof limit));
}

static int refuses_long_ones (cell_t *c)
{
    char body[1000] = "";
    begin (c, ZMQ_PULL, ZMQ_PUSH, set_maxmsgsize);
    meet (c);
    IS (zmq_send (c->peer, body, sizeof body, 0), sizeof body);
    return !readable (c->s, patience (c, 0));
}

static void set_reconnect_never (void *s)
{
    set_int (s, ZMQ_RECONNECT_IVL, -1);
}

/* A plain peer hangs up and waits for the next attempt. */
static int does_not_reconnect (cell_t *c)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    struct pollfd p = {.fd = socket (AF_INET, SOCK_STREAM, 0), .events = POLLIN};
    socklen_t size = sizeof a;
    int fd;
    begin (c, ZMQ_PUSH, ZMQ_PULL, set_reconnect_never);
    CHECK (p.fd >= 0 && bind (p.fd, (struct sockaddr *) &a, size) == 0 && listen (p.fd, 5) == 0);
    CHECK (getsockname (p.fd, (struct sockaddr *) &a, &size) == 0);
    sprintf (c->ep, "tcp://127.0.0.1:%d", ntohs (a.sin_port));
    make_endpoint (c);
    fd = accept (p.fd, NULL, NULL);
    CHECK (fd >= 0);
    at_moment (c, 2);
    CHECK (close (fd) == 0);
    return poll (&p, 1, patience (c, 0)) == 0;
}

static void set_handshake_ivl (void *s)
{
    set_int (s, ZMQ_HANDSHAKE_IVL, 50);
}

static int hangs_up_on_the_silent (cell_t *c)
{
    begin (c, ZMQ_PULL, ZMQ_PUSH, set_handshake_ivl);
    make_endpoint (c);
    return raw_closed (raw_connect (c->ep), patience (c, 1));
}

static void set_heartbeat_ivl (void *s)
{
    set_int (s, ZMQ_HEARTBEAT_IVL, 50);
}

/* A plain TCP peer of ZMTP 3.1 that is through with the handshake. */
static int shake_hands (const char *ep, const char *type)
{
    static const unsigned char greeting[64] = {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 1, 'N', 'U', 'L', 'L'};
    unsigned char got[64], ready[64] = "\4\0\5READY\13Socket-Type\0\0\0", head[2];
    int fd = raw_connect (ep), size = (int) strlen (type);
    memcpy (ready + 24, type, (size_t) size);
    ready[23] = (unsigned char) size;
    ready[1] = (unsigned char) (22 + size);
    CHECK (raw_write (fd, greeting, 64) && raw_read (fd, got, 64));
    CHECK (raw_write (fd, ready, (size_t) (24 + size)));
    CHECK (raw_read (fd, head, 2) && head[0] == 4 && raw_read (fd, got, head[1]));
    return fd;
}

static int pings (cell_t *c)
{
    struct pollfd p = {.events = POLLIN};
    begin (c, ZMQ_PULL, ZMQ_PUSH, set_heartbeat_ivl);
    make_endpoint (c);
    p.fd = shake_hands (c->ep, "PUSH");
    at_moment (c, 2);
    return poll (&p, 1, patience (c, 1)) == 1;
}

static void set_plain_server (void *s)
{
    set_int (s, ZMQ_PLAIN_SERVER, 1);
}

static void set_plain_client (void *s)
{
    OK (zmq_setsockopt (s, ZMQ_PLAIN_USERNAME, "u", 1));
    OK (zmq_setsockopt (s, ZMQ_PLAIN_PASSWORD, "p", 1));
}

/* A peer without security is refused. */
static int is_secured (cell_t *c)
{
    begin (c, ZMQ_PULL, ZMQ_PUSH, c->binds ? set_plain_server : set_plain_client);
    make_endpoint (c);
    c->monitor = monitor (c->ctx, c->peer);
    peer_comes (c);
    return !are_connected (c, patience (c, 0));
}

static void set_keepalive (void *s)
{
    set_int (s, ZMQ_TCP_KEEPALIVE, 1);
}

static void set_tos (void *s)
{
    set_int (s, ZMQ_TOS, 0x28);
}

/* What the kernel says of the socket's connection. */
static int kernel_option (cell_t *c, int level, int name)
{
    zmq_msg_t msg;
    int value = -1, fd;
    socklen_t size = sizeof value;
    meet (c);
    SEND (c->peer, "m", 0);
    OK (zmq_msg_init (&msg));
    IS (zmq_msg_recv (&msg, c->s, 0), 1);
    fd = zmq_msg_get (&msg, ZMQ_SRCFD);
    CHECK (fd >= 0 && getsockopt (fd, level, name, &value, &size) == 0);
    OK (zmq_msg_close (&msg));
    return value;
}

static int keeps_alive (cell_t *c)
{
    begin (c, ZMQ_PULL, ZMQ_PUSH, set_keepalive);
    return kernel_option (c, SOL_SOCKET, SO_KEEPALIVE) != 0;
}

static int has_type_of_service (cell_t *c)
{
    begin (c, ZMQ_PULL, ZMQ_PUSH, set_tos);
    return kernel_option (c, IPPROTO_IP, IP_TOS) == 0x28;
}

static void set_rcvbuf (void *s)
{
    set_int (s, ZMQ_RCVBUF, 20000);
}

static int has_small_buffer (cell_t *c)
{
    begin (c, ZMQ_PULL, ZMQ_PUSH, set_rcvbuf);
    return kernel_option (c, SOL_SOCKET, SO_RCVBUF) == 40000;
}

static void set_filter (void *s)
{
    OK (zmq_setsockopt (s, ZMQ_TCP_ACCEPT_FILTER, "10.0.0.0/8", 10));
}

static int filters (cell_t *c)
{
    begin (c, ZMQ_PULL, ZMQ_PUSH, set_filter);
    make_endpoint (c);
    c->monitor = monitor (c->ctx, c->peer);
    peer_comes (c);
    return !are_connected (c, patience (c, 0));
}

static void set_socks (void *s)
{
    /* Where nobody listens. */
    OK (zmq_setsockopt (s, ZMQ_SOCKS_PROXY, "127.0.0.1:1", 11));
}

static int goes_through_the_proxy (cell_t *c)
{
    begin (c, ZMQ_PULL, ZMQ_PUSH, set_socks);
    make_endpoint (c);
    c->monitor = monitor (c->ctx, c->peer);
    peer_comes (c);
    return !are_connected (c, patience (c, 0));
}

static void set_welcome (void *s)
{
    OK (zmq_setsockopt (s, ZMQ_XPUB_WELCOME_MSG, "W", 1));
}

static int welcomes (cell_t *c)
{
    begin (c, ZMQ_XPUB, ZMQ_SUB, set_welcome);
    OK (zmq_setsockopt (c->peer, ZMQ_SUBSCRIBE, "W", 1));
    meet (c);
    /* Within the process it is the publisher's next call that lets the peer in. */
    IS (readable (c->s, 5000), 1);
    return readable (c->peer, patience (c, 1));
}

static void set_probe (void *s)
{
    set_int (s, ZMQ_PROBE_ROUTER, 1);
}

static int probes (cell_t *c)
{
    begin (c, ZMQ_DEALER, ZMQ_ROUTER, set_probe);
    meet (c);
    return readable (c->peer, patience (c, 1));
}

static void set_mandatory (void *s)
{
    set_int (s, ZMQ_ROUTER_MANDATORY, 1);
}

static int is_mandatory (cell_t *c)
{
    begin (c, ZMQ_ROUTER, ZMQ_DEALER, set_mandatory);
    meet (c);
    return zmq_send (c->s, "nobody", 6, ZMQ_SNDMORE) == -1;
}

static void set_handover (void *s)
{
    set_int (s, ZMQ_ROUTER_HANDOVER, 1);
}

/* The second peer of one name is heard, not the first. */
static int hands_over (cell_t *c)
{
    void *second;
    begin (c, ZMQ_ROUTER, ZMQ_DEALER, set_handover);
    /* Back again, it would take its name away from the other one before that is heard. */
    set_int (c->peer, ZMQ_RECONNECT_IVL, -1);
    OK (zmq_setsockopt (c->peer, ZMQ_ROUTING_ID, "A", 1));
    meet (c);
    SEND (c->peer, "1", 0);
    RECV (c->s, "A");
    RECV (c->s, "1");
    second = sock (c->ctx, ZMQ_DEALER);
    OK (zmq_setsockopt (second, ZMQ_ROUTING_ID, "A", 1));
    OK (zmq_connect (second, c->ep));
    SEND (second, "2", 0);
    return readable (c->s, patience (c, 1));
}

static void set_raw (void *s)
{
    set_int (s, ZMQ_ROUTER_RAW, 1);
}

/* A plain peer hears no greeting. */
static int is_raw (cell_t *c)
{
    struct pollfd p = {.events = POLLIN};
    begin (c, ZMQ_ROUTER, ZMQ_DEALER, set_raw);
    make_endpoint (c);
    p.fd = raw_connect (c->ep);
    return poll (&p, 1, patience (c, 0)) == 0;
}

static void set_no_notes (void *s)
{
    set_int (s, ZMQ_STREAM_NOTIFY, 0);
}

/* Nothing is heard of a peer that says nothing. */
static int does_not_note (cell_t *c)
{
    begin (c, ZMQ_STREAM, ZMQ_STREAM, set_no_notes);
    make_endpoint (c);
    raw_connect (c->ep);
    return !readable (c->s, patience (c, 0));
}

static void set_nodrop (void *s)
{
    set_int (s, ZMQ_XPUB_NODROP, 1);
}

static int does_not_drop (cell_t *c)
{
    begin (c, ZMQ_XPUB, ZMQ_SUB, set_nodrop);
    little_in_the_kernel (c->s);
    little_in_the_kernel (c->peer);
    set_int (c->s, ZMQ_SNDHWM, 2);
    set_int (c->peer, ZMQ_RCVHWM, 2);
    OK (zmq_setsockopt (c->peer, ZMQ_SUBSCRIBE, "", 0));
    meet (c);
    IS (readable (c->s, 5000), 1);
    return unread (c->s) < 500;
}
