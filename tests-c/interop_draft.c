/*
 * The draft types between two processes, as interop.c has the others: numbered messages of one part, over tcp, ipc and
 * ws, and RADIO to DISH and DGRAM over udp; with either end binding where both can.
 *
 *   interop_draft LEFT_LIBDIR RIGHT_LIBDIR LABEL
 *
 * run.sh has it between processes with this library: the system's has no drafts. With a libzmq that has, built by
 * hand, at either end it is the same command.
 */
#define ZMQ_BUILD_DRAFT_API
#include "interop.h"

typedef struct
{
    const char *name;
    int left, right, udp;
} pair_t;

static const pair_t pairs[] = {
    {"CLIENT-SERVER", ZMQ_CLIENT, ZMQ_SERVER, 0}, {"RADIO-DISH", ZMQ_RADIO, ZMQ_DISH, 0},
    {"SCATTER-GATHER", ZMQ_SCATTER, ZMQ_GATHER, 0}, {"CHANNEL-CHANNEL", ZMQ_CHANNEL, ZMQ_CHANNEL, 0},
    {"PEER-PEER", ZMQ_PEER, ZMQ_PEER, 0}, {"RADIO-DISH", ZMQ_RADIO, ZMQ_DISH, 1}, {"DGRAM-DGRAM", ZMQ_DGRAM, ZMQ_DGRAM, 1},
};
enum { PAIRS = sizeof pairs / sizeof *pairs };
static const char *const streams[] = {"tcp", "ipc", "ws"};

static int cases (int group)
{
    return pairs[group].udp ? 1 : 6;
}

static const char *transport (int group, int number)
{
    return pairs[group].udp ? "udp" : streams[number / 2];
}

static void name (char *text, int group, int number)
{
    sprintf (text, "%s/%s/%s-binds", pairs[group].name, transport (group, number), number % 2 ? "left" : "right");
}

/* libzmq has room for 8 KiB in a datagram. */
static size_t body_of (int number, int udp)
{
    size_t size = make_part (number, 0);
    return udp && size > 255 ? 255 : size;
}

static void send_one (void *s, int number, uint32_t id, const char *to_group, int udp)
{
    zmq_msg_t msg;
    size_t size = body_of (number, udp);
    OK (zmq_msg_init_size (&msg, size));
    memcpy (zmq_msg_data (&msg), scratch, size);
    if (id)
        OK (zmq_msg_set_routing_id (&msg, id));
    if (to_group)
        OK (zmq_msg_set_group (&msg, to_group));
    IS (zmq_msg_send (&msg, s, 0), size);
}

static uint32_t receive_one (void *s, int number, const char *of_group, int udp)
{
    zmq_msg_t msg;
    size_t size = body_of (number, udp);
    OK (zmq_msg_init (&msg));
    IS (zmq_msg_recv (&msg, s, 0), size);
    CHECK (memcmp (zmq_msg_data (&msg), scratch, size) == 0 && !zmq_msg_more (&msg));
    CHECK (!strcmp (zmq_msg_group (&msg), of_group));
    uint32_t id = zmq_msg_routing_id (&msg);
    OK (zmq_msg_close (&msg));
    return id;
}

/* Messages of another group until the member has heard one of its own, then the real ones. */
static void radio (void *s, int udp)
{
    struct pollfd heard = {CONTROL, POLLIN, 0};
    char text[EP_SIZE];
    while (poll (&heard, 1, 2) == 0) {
        send_one (s, 1, 0, "elsewhere", udp);
        send_one (s, 0, 0, "sync", udp);
    }
    hear (text);
    for (int i = 0; i < MESSAGES; i++)
        send_one (s, i, 0, "group", udp);
}

static void dish (void *s, int udp)
{
    zmq_msg_t msg;
    OK (zmq_msg_init (&msg));
    for (int told = 0;; told = 1) {
        OK (zmq_msg_recv (&msg, s, 0));
        if (strcmp (zmq_msg_group (&msg), "sync"))
            break;
        if (!told)
            tell ("heard");
    }
    CHECK (!strcmp (zmq_msg_group (&msg), "group"));
    IS (zmq_msg_size (&msg), body_of (0, udp));
    OK (zmq_msg_close (&msg));
    for (int i = 1; i < MESSAGES; i++)
        receive_one (s, i, "group", udp);
}

/* Whoever has numbers of its peers answers with them. */
static void serve (void *s)
{
    for (int i = 0; i < MESSAGES; i++) {
        uint32_t id = receive_one (s, i, "", 0);
        CHECK (id != 0);
        send_one (s, i + 1, id, NULL, 0);
    }
}

static void client (void *s, uint32_t id)
{
    for (int i = 0; i < MESSAGES; i++) {
        send_one (s, i, id, NULL, 0);
        IS (receive_one (s, i + 1, "", 0), id);
    }
}

static void channel (void *s)
{
    for (int i = 0; i < MESSAGES; i++)
        send_one (s, i, 0, NULL, 0);
    for (int i = 0; i < MESSAGES; i++)
        receive_one (s, i, "", 0);
}

/* The right end answers to where a datagram came from. */
static void datagrams (void *s, int left, const char *peer)
{
    char from[EP_SIZE], body[256];
    for (int i = 0; i < MESSAGES; i++) {
        if (left) {
            IS (zmq_send (s, peer, strlen (peer), ZMQ_SNDMORE), strlen (peer));
            IS (zmq_send (s, scratch, body_of (i, 1), 0), body_of (i, 1));
        }
        int n = zmq_recv (s, from, sizeof from, 0);
        CHECK (n > 0 && (size_t) n < sizeof from);
        IS (zmq_recv (s, body, sizeof body, 0), body_of (i, 1));
        CHECK (memcmp (body, scratch, body_of (i, 1)) == 0);
        if (!left) {
            IS (zmq_send (s, from, (size_t) n, ZMQ_SNDMORE), n);
            IS (zmq_send (s, body, body_of (i, 1), 0), body_of (i, 1));
        }
    }
}

/* A port that nobody has, for who cannot say which it was given. */
static void free_udp (char *ep)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl (INADDR_LOOPBACK)}};
    socklen_t size = sizeof a;
    int fd = socket (AF_INET, SOCK_DGRAM, 0);
    CHECK (fd >= 0 && bind (fd, (struct sockaddr *) &a, size) == 0 && getsockname (fd, (struct sockaddr *) &a, &size) == 0);
    close (fd);
    sprintf (ep, "udp://127.0.0.1:%d", ntohs (a.sin_port));
}

static void run (int group, int number, int left)
{
    const pair_t *p = &pairs[group];
    int type = left ? p->left : p->right, binds = left == number % 2;
    uint32_t id = 0;
    char ep[EP_SIZE] = "";
    void *ctx = ctx_new (), *s = zmq_socket (ctx, type);
    CHECK (s != NULL);
    if (type == ZMQ_DISH) {
        OK (zmq_join (s, "sync"));
        OK (zmq_join (s, "group"));
    }
    if (binds) {
        if (p->udp) {
            free_udp (ep);
            OK (zmq_bind (s, ep));
        } else {
            bind_any (s, transport (group, number), ep);
        }
        tell (ep);
    } else {
        hear (ep);
        if (type == ZMQ_PEER)
            CHECK ((id = zmq_connect_peer (s, ep)) != 0);
        else if (type == ZMQ_DGRAM)
            OK (zmq_bind (s, "udp://127.0.0.1:*"));
        else
            OK (zmq_connect (s, ep));
    }
    if (type == ZMQ_RADIO)
        radio (s, p->udp);
    else if (type == ZMQ_DISH)
        dish (s, p->udp);
    else if (type == ZMQ_CLIENT || (type == ZMQ_PEER && !binds))
        client (s, id);
    else if (type == ZMQ_SERVER || type == ZMQ_PEER)
        serve (s);
    else if (type == ZMQ_CHANNEL)
        channel (s);
    else if (type == ZMQ_DGRAM)
        datagrams (s, left, ep + strlen ("udp://"));
    else
        for (int i = 0; i < MESSAGES; i++)
            if (left)
                send_one (s, i, 0, NULL, 0);
            else
                receive_one (s, i, "", 0);
    meet ();
    set_int (s, ZMQ_LINGER, 0);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

int main (int argc, char **argv)
{
    static const interop_t what = {"interop_draft", PAIRS, cases, name, run};
    return interop_main (&what, argc, argv);
}
