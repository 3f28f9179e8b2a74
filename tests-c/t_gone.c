/* What is left of a peer that has gone, or that we let go: its messages, what they say of it, and what can be sent to it. */
#include "common.h"

static const char *transports[] = {"tcp", "ipc", "inproc"};

static void bind_to (void *s, const char *transport, char *ep)
{
    if (!strcmp (transport, "inproc"))
        OK (zmq_bind (s, strcpy (ep, "inproc://here")));
    else
        bind_any (s, transport, ep);
}

/* How many messages are there. */
static int drain (void *s)
{
    char part[64];
    int count = 0;
    while (zmq_recv (s, part, sizeof part, 0) >= 0)
        count += !get_int (s, ZMQ_RCVMORE);
    IS (zmq_errno (), EAGAIN);
    return count;
}

/* zmq_setsockopt(3), ZMQ_ROUTER_MANDATORY: EHOSTUNREACH if a message cannot be routed, also while there is something of
 * that peer to be read. */
GROUP (router_answers_who_has_gone)
{
    for (int i = 0; i < 3; i++) {
        char ep[EP_SIZE], id[64], body[8];
        void *ctx = ctx_new (), *r = sock (ctx, ZMQ_ROUTER), *d = sock (ctx, ZMQ_DEALER);
        set_int (r, ZMQ_ROUTER_MANDATORY, 1);
        set_int (r, ZMQ_RCVTIMEO, 5000);
        set_int (r, ZMQ_SNDTIMEO, 5000);
        /* What is sent in a row may leave together, a little later. */
        set_int (d, ZMQ_LINGER, 5000);
        bind_to (r, transports[i], ep);
        OK (zmq_connect (d, ep));
        for (int k = 0; k < 3; k++)
            IS (zmq_send (d, "m", 1, 0), 1);
        int n = zmq_recv (r, id, sizeof id, 0);
        CHECK (n > 0);
        IS (zmq_recv (r, body, sizeof body, 0), 1);
        IS (zmq_send (r, id, (size_t) n, ZMQ_SNDMORE), n);
        IS (zmq_send (r, "a", 1, 0), 1);
        OK (zmq_close (d));
        int64_t began = now_ms ();
        /* Until the end is seen there is room. */
        while (zmq_send (r, id, (size_t) n, ZMQ_SNDMORE) == n) {
            IS (zmq_send (r, "a", 1, 0), 1);
            CHECK (now_ms () - began < 5000);
            sleep_ms (5);
        }
        IS (zmq_errno (), EHOSTUNREACH);
        CHECK (now_ms () - began < 4000);
        /* The rest can be read all the same, and then the peer is unknown. */
        set_int (r, ZMQ_RCVTIMEO, 100);
        IS (drain (r), 2);
        FAILS (zmq_send (r, id, (size_t) n, ZMQ_SNDMORE), EHOSTUNREACH);
        OK (zmq_close (r));
        OK (zmq_ctx_term (ctx));
    }
}

static void from_here (void *s, int transport)
{
    zmq_msg_t m;
    OK (zmq_msg_init (&m));
    IS (zmq_msg_recv (&m, s, 0), 2);
    const char *type = zmq_msg_gets (&m, "Socket-Type"), *peer = zmq_msg_gets (&m, "Peer-Address");
    CHECK (type && !strcmp (type, "PUSH") && peer);
    CHECK (transport || !strcmp (peer, "127.0.0.1"));
    CHECK (zmq_msg_get (&m, ZMQ_SRCFD) > 0);
    OK (zmq_msg_close (&m));
}

/* Properties belong to the message (zmq_msg_gets(3)). */
GROUP (messages_keep_the_properties_of_their_peer)
{
    for (int i = 0; i < 2; i++)
        for (int ends = 0; ends < 2; ends++) {
            char ep[EP_SIZE];
            void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
            set_int (in, ZMQ_RCVTIMEO, 5000);
            bind_to (in, transports[i], ep);
            void *mon = monitor (ctx, in);
            OK (zmq_connect (out, ep));
            for (int k = 0; k < 6; k++)
                IS (zmq_send (out, k & 1 ? "m2" : "m1", 2, k == 2 ? ZMQ_SNDMORE : 0), 2);
            from_here (in, i);
            /* From our side or its. */
            if (ends) {
                set_int (in, ZMQ_RCVTIMEO, 1000);
                sleep_ms ((int) (100 * slower () * crowd ()));
                OK (zmq_unbind (in, ep));
            } else {
                OK (zmq_close (out));
                uint32_t value;
                char address[EP_SIZE];
                while (next_event (mon, &value, address) != ZMQ_EVENT_DISCONNECTED)
                    ;
            }
            for (int k = 1; k < 6; k++)
                from_here (in, i);
            if (ends)
                OK (zmq_close (out));
            OK (zmq_close (mon));
            OK (zmq_close (in));
            OK (zmq_ctx_term (ctx));
        }
}

/* What has come before zmq_unbind can be received after it; zmq_disconnect drops it. What was sent leaves in both cases. */
GROUP (drained_after_the_endpoint_is_gone)
{
    for (int i = 0; i < 3; i++)
        for (int connects = 0; connects < 2; connects++) {
            char ep[EP_SIZE];
            void *ctx = ctx_new (), *a = sock (ctx, ZMQ_DEALER), *b = sock (ctx, ZMQ_DEALER);
            set_int (a, ZMQ_RCVTIMEO, 300);
            set_int (b, ZMQ_RCVTIMEO, 300);
            bind_to (connects ? b : a, transports[i], ep);
            OK (zmq_connect (connects ? a : b, ep));
            for (int k = 0; k < 5; k++) {
                IS (zmq_send (b, "part", 4, ZMQ_SNDMORE), 4);
                IS (zmq_send (b, "end", 3, 0), 3);
            }
            /* So that it is all there: nothing tells of it. */
            CHECK (readable (a, 5000));
            sleep_ms ((int) (100 * slower () * crowd ()));
            char part[8];
            IS (zmq_recv (a, part, sizeof part, 0), 4);
            IS (zmq_recv (a, part, sizeof part, 0), 3);
            for (int k = 0; k < 3; k++)
                IS (zmq_send (a, "answer", 6, 0), 6);
            OK (connects ? zmq_disconnect (a, ep) : zmq_unbind (a, ep));
            IS (drain (a), connects ? 0 : 4);
            IS (drain (b), 3);
            OK (zmq_close (a));
            OK (zmq_close (b));
            OK (zmq_ctx_term (ctx));
        }
}

/* The same with much to send and a peer that reads it late; and closing does not wait for what nobody read. */
GROUP (both_ways_after_unbind)
{
    enum { SIZE = 10000, COUNT = 300 };
    static char body[SIZE];
    for (int i = 0; i < 2; i++)
        for (int close_first = 0; close_first < 2; close_first++) {
            char ep[EP_SIZE];
            void *ctx = ctx_new (), *a = sock (ctx, ZMQ_PAIR), *b = sock (ctx, ZMQ_PAIR);
            set_int (a, ZMQ_RCVTIMEO, 300);
            set_int (b, ZMQ_RCVTIMEO, 5000);
            /* Else what the kernel has not taken yet is dropped: how much that is depends on who is faster. */
            set_int (a, ZMQ_LINGER, 20000);
            bind_to (a, transports[i], ep);
            OK (zmq_connect (b, ep));
            for (int k = 0; k < 20; k++)
                IS (zmq_send (b, body, SIZE, 0), SIZE);
            CHECK (readable (a, 5000));
            for (int k = 0; k < COUNT; k++)
                IS (zmq_send (a, body, SIZE, 0), SIZE);
            sleep_ms ((int) (100 * slower () * crowd ()));
            OK (zmq_unbind (a, ep));
            if (close_first)
                OK (zmq_close (a));
            else
                IS (drain (a), 20);
            for (int k = 0; k < COUNT; k++)
                IS (zmq_recv (b, body, SIZE, 0), SIZE);
            if (!close_first)
                OK (zmq_close (a));
            OK (zmq_close (b));
            OK (zmq_ctx_term (ctx));
        }
}

/* What poll has promised is there after zmq_unbind, too, also a long message, which has a place of its own. */
GROUP (polled_before_unbind)
{
    static const size_t sizes[] = {1, 8192, 70000, 1000000};
    static char body[1000000];
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 4; k++) {
            char ep[EP_SIZE];
            void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
            bind_to (in, transports[i], ep);
            OK (zmq_connect (out, ep));
            IS (zmq_send (out, body, sizes[k], 0), sizes[k]);
            CHECK (readable (in, 5000));
            CHECK (get_int (in, ZMQ_EVENTS) & ZMQ_POLLIN);
            OK (zmq_unbind (in, ep));
            CHECK (get_int (in, ZMQ_EVENTS) & ZMQ_POLLIN);
            IS (zmq_recv (in, body, sizeof body, ZMQ_DONTWAIT), sizes[k]);
            OK (zmq_close (in));
            OK (zmq_close (out));
            OK (zmq_ctx_term (ctx));
        }
}

/* zmq_setsockopt(3), ZMQ_CONFLATE: "keep only one message in its inbound/outbound queue, this message being the last
 * message received", also when an older one was looked at. */
static char looked_at_and_received (const char *transport, int conflates_out, int ms)
{
    char ep[EP_SIZE], got, rest;
    void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
    set_int (in, ZMQ_CONFLATE, 1);
    set_int (out, ZMQ_CONFLATE, conflates_out);
    set_int (in, ZMQ_RCVTIMEO, 5000);
    bind_to (in, transport, ep);
    OK (zmq_connect (out, ep));
    SEND (out, "3", 0);
    CHECK (readable (in, 5000));
    SEND (out, "4", 0);
    sleep_ms (ms);
    CHECK (readable (in, 5000));
    IS (zmq_recv (in, &got, 1, 0), 1);
    if (got == '4')
        FAILS (zmq_recv (in, &rest, 1, ZMQ_DONTWAIT), EAGAIN);
    OK (zmq_close (in));
    OK (zmq_close (out));
    OK (zmq_ctx_term (ctx));
    return got;
}

GROUP (conflate_after_a_look)
{
    for (int i = 0; i < 3; i++) {
        /* On a busy machine the second one takes its time; whoever keeps the first one keeps it every time. */
        int ms = 100;
        while (looked_at_and_received (transports[i], i == 2, ms) != '4')
            CHECK ((ms *= 3) < 3000);
    }
}

/* The handshake of a DEALER that says what it likes. */
static int hello (int fd)
{
    static const char greeting[64] = "\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL", ready[] = "\4\34\5READY\13Socket-Type\0\0\0\6DEALER";
    char in[64 + 2 + 255];
    CHECK (fd >= 0 && raw_write (fd, greeting, sizeof greeting) && raw_write (fd, ready, sizeof ready - 1));
    CHECK (raw_read (fd, in, 66) && raw_read (fd, in, (uint8_t) in[65]));
    return fd;
}

/* The same of one that connects, over tcp or ipc. */
static int raw_peer (const char *ep)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (!strncmp (ep, "tcp", 3))
        return hello (raw_connect (ep));
    strcpy (a.sun_path, ep + 6);
    int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK (connect (fd, (struct sockaddr *) &a, sizeof a) == 0);
    return hello (fd);
}

/* The loss of a connection is learned first by who sends: what the peer said before can all be read, however much it is
 * and whoever is away, and nothing is sent to it meanwhile. */
GROUP (read_to_the_end_when_sending_fails)
{
    /* More than a high-water mark, and what the kernel holds. */
    enum { COUNT = 150, SIZE = 200 };
    for (int i = 0; i < 2; i++)
        for (int reset = 0; reset < 2; reset++) {
            char ep[EP_SIZE], body[SIZE + 2] = {0, (char) SIZE};
            struct linger hard = {1, 0};
            void *ctx = ctx_new (), *d = sock (ctx, ZMQ_DEALER);
            set_int (d, ZMQ_RCVHWM, 10);
            set_int (d, ZMQ_RCVTIMEO, 5000);
            bind_to (d, transports[i], ep);
            int fd = raw_peer (ep);
            EVENTUALLY (writable (d, 0), 5000);
            for (int k = 0; k < COUNT; k++) {
                memcpy (body + 2, &k, sizeof k);
                CHECK (raw_write (fd, body, sizeof body));
            }
            sleep_ms (50);
            if (reset)
                setsockopt (fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
            close (fd);
            for (int k = 0; k < 4; k++) {
                zmq_send (d, "x", 1, ZMQ_DONTWAIT);
                sleep_ms (5);
            }
            for (int k = 0; k < COUNT; k++) {
                int got = -1;
                IS (zmq_recv (d, &got, sizeof got, 0), SIZE);
                IS (got, k);
                zmq_send (d, "x", 1, ZMQ_DONTWAIT);
            }
            RECV_NONE (d, 20);
            OK (zmq_close (d));
            OK (zmq_ctx_term (ctx));
        }
}

/* Who only reads no more (Unix domain sockets tell us) may go on speaking. */
GROUP (read_on_from_a_peer_that_reads_no_more)
{
    char ep[EP_SIZE];
    void *ctx = ctx_new (), *d = sock (ctx, ZMQ_DEALER);
    set_int (d, ZMQ_RCVTIMEO, 5000);
    bind_to (d, "ipc", ep);
    int fd = raw_peer (ep), later = 0;
    EVENTUALLY (writable (d, 0), 5000);
    shutdown (fd, SHUT_RD);
    for (; later < 3; later++) {
        for (int k = 0; k < 3; k++) {
            zmq_send (d, "x", 1, ZMQ_DONTWAIT);
            sleep_ms (later * 10);
        }
        CHECK (raw_write (fd, "\0\1m", 3));
        RECV (d, "m");
    }
    sleep_ms (1500);
    CHECK (raw_write (fd, "\0\3end", 5));
    RECV (d, "end");
    close (fd);
    /* The pipe goes with it, and the next peer is served. */
    fd = raw_peer (ep);
    CHECK (raw_write (fd, "\0\4next", 6));
    RECV (d, "next");
    close (fd);
    OK (zmq_close (d));
    OK (zmq_ctx_term (ctx));
}

/* ... but does not keep us from connecting again, once it is silent; what waits goes to the next connection. */
GROUP (connects_again_when_the_peer_reads_no_more)
{
    char ep[EP_SIZE], in[6];
    struct timeval patience = {5, 0};
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    void *ctx = ctx_new (), *d = sock (ctx, ZMQ_DEALER);
    int door = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    set_int (d, ZMQ_RCVTIMEO, 5000);
    ipc_path (ep, "door");
    strcpy (a.sun_path, ep + 6);
    CHECK (bind (door, (struct sockaddr *) &a, sizeof a) == 0 && listen (door, 5) == 0);
    setsockopt (door, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    OK (zmq_connect (d, ep));
    for (int turn = 0; turn < 2; turn++) {
        int fd = hello (accept (door, NULL, NULL));
        if (turn == 1) {
            CHECK (raw_read (fd, in, 6) && !memcmp (in, "\0\1a\0\1b", 6));
            break;
        }
        CHECK (raw_write (fd, "\0\5first", 7));
        RECV (d, "first");
        shutdown (fd, SHUT_RD);
        SEND (d, "a", 0);
        SEND (d, "b", 0);
        sleep_ms (100);
        CHECK (raw_write (fd, "\0\4last", 6));
        RECV (d, "last");
    }
    unlink (a.sun_path);
    OK (zmq_close (d));
    OK (zmq_ctx_term (ctx));
}

MAIN (ENTRY (router_answers_who_has_gone), ENTRY (messages_keep_the_properties_of_their_peer),
      ENTRY (drained_after_the_endpoint_is_gone), ENTRY (both_ways_after_unbind), ENTRY (polled_before_unbind), ENTRY (read_to_the_end_when_sending_fails),
      ENTRY (read_on_from_a_peer_that_reads_no_more), ENTRY (connects_again_when_the_peer_reads_no_more), ENTRY (conflate_after_a_look))
