/* What was sent before a socket, or an endpoint of it, was closed: it arrives, whatever the peer has said meanwhile. */
#include "common.h"

#define COUNT 20
#define SIZE 100000

enum how { CLOSE, DISCONNECT, UNBIND, SHORT_LINGER };

/* The sender, in a context of its own. */
static void *ctx_a, *a;

static void *end_a (void *arg)
{
    (void) arg;
    OK (zmq_close (a));
    OK (zmq_ctx_term (ctx_a));
    return NULL;
}

/* A sends a lot and goes, having left `unread` messages of B unread. B reads only then. */
static void all_arrives (const char *transport, enum how how, int unread, size_t size)
{
    char ep[EP_SIZE], id[10], news[SIZE] = "", *body = malloc (SIZE);
    void *ctx_b = ctx_new (), *b = sock (ctx_b, ZMQ_ROUTER);
    pthread_t thread;
    ctx_a = ctx_new ();
    a = zmq_socket (ctx_a, ZMQ_DEALER);
    CHECK (a && body);
    memset (body, 7, SIZE);
    OK (zmq_setsockopt (a, ZMQ_ROUTING_ID, "a", 1));
    set_int (a, ZMQ_RCVHWM, 1);
    set_int (b, ZMQ_RCVHWM, 1);
    set_int (b, ZMQ_RCVTIMEO, 5000);
    set_int (b, ZMQ_LINGER, 0);
    if (how == SHORT_LINGER)
        set_int (a, ZMQ_LINGER, 10000);
    if (how == UNBIND) {
        bind_any (a, transport, ep);
        OK (zmq_connect (b, ep));
    } else {
        bind_any (b, transport, ep);
        OK (zmq_connect (a, ep));
    }
    SEND (a, "hello", 0);
    IS (zmq_recv (b, id, sizeof id, 0), 1);
    RECV (b, "hello");
    SEND (b, "a", ZMQ_SNDMORE);
    SEND (b, "go", 0);
    RECV (a, "go");
    for (int i = 0; i < unread; i++) {
        SEND (b, "a", ZMQ_SNDMORE);
        IS (zmq_send (b, news, size, ZMQ_DONTWAIT), (int) size);
    }
    for (int i = 0; i < COUNT; i++)
        IS (zmq_send (a, body, SIZE, 0), SIZE);
    if (how == DISCONNECT)
        OK (zmq_disconnect (a, ep));
    if (how == UNBIND)
        OK (zmq_unbind (a, ep));
    CHECK (pthread_create (&thread, NULL, end_a, NULL) == 0);
    sleep_ms (50);
    for (int i = 0; i < COUNT; i++) {
        if (zmq_recv (b, id, sizeof id, 0) != 1 || zmq_recv (b, body, SIZE, 0) != SIZE)
            fail_at (__FILE__, __LINE__, "%s %d: %d of %d arrived", transport, how, i, COUNT);
        CHECK (body[0] == 7 && body[SIZE - 1] == 7);
    }
    CHECK (pthread_join (thread, NULL) == 0);
    OK (zmq_close (b));
    OK (zmq_ctx_term (ctx_b));
    free (body);
}

GROUP (unread_input)
{
    all_arrives ("tcp", CLOSE, 5, 4);
    all_arrives ("tcp", CLOSE, 0, 4);
    all_arrives ("tcp", SHORT_LINGER, 5, 4);
    all_arrives ("ipc", CLOSE, 5, 4);
}

GROUP (unread_input_of_an_endpoint)
{
    all_arrives ("tcp", DISCONNECT, 5, 4);
    all_arrives ("tcp", UNBIND, 5, 4);
    all_arrives ("ipc", DISCONNECT, 5, 4);
    all_arrives ("ipc", UNBIND, 5, 4);
}

/* More than a receiver takes that does not receive. */
GROUP (much_unread_input)
{
    all_arrives ("tcp", CLOSE, 100, SIZE);
    all_arrives ("tcp", DISCONNECT, 100, SIZE);
    all_arrives ("tcp", UNBIND, 100, SIZE);
    all_arrives ("ipc", CLOSE, 100, SIZE);
}

/* A socket with a peer that does not read, and has more in the kernel than that takes; `said`: bytes the peer has sent. */
static int64_t time_to_end (int linger, size_t said, int close_peer)
{
    char ep[EP_SIZE], *body = calloc (1, 1 << 20);
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_STREAM);
    int fd, sent = 0;
    uint8_t id[8];
    bind_any (s, "tcp", ep);
    fd = raw_connect (ep);
    CHECK (zmq_recv (s, id, sizeof id, 0) == 5);
    CHECK (zmq_recv (s, body, 1, 0) == 0);
    set_int (s, ZMQ_LINGER, linger);
    while (sent < 200 && zmq_send (s, id, 5, ZMQ_SNDMORE | ZMQ_DONTWAIT) == 5
           && zmq_send (s, body, linger < 0 ? 100000 : 1 << 20, ZMQ_DONTWAIT) != -1 && (linger >= 0 || sent < 9))
        sent++;
    CHECK (raw_write (fd, body, said));
    sleep_ms (20);
    int64_t began = now_ms ();
    OK (zmq_close (s));
    if (close_peer)
        close (fd);
    OK (zmq_ctx_term (ctx));
    began = now_ms () - began;
    if (!close_peer)
        close (fd);
    free (body);
    return began;
}

/* Nobody waits for ever for a peer that reads nothing, once the kernel has everything. Where others want the processors, too,
 * all takes longer. */
GROUP (a_peer_that_reads_nothing)
{
    CHECK (time_to_end (-1, 0, 0) < 3000 * slower () * crowd ());
    CHECK (time_to_end (0, 0, 0) < 1000 * slower () * crowd ());
    CHECK (time_to_end (0, 1000, 0) < 1000 * slower () * crowd ());
    CHECK (time_to_end (300, 1000, 0) < 3000 * slower () * crowd ());
    CHECK (time_to_end (300, 0, 0) < 3000 * slower () * crowd ());
    CHECK (time_to_end (100000 * slower (), 1000, 1) < 3000 * slower () * crowd ());
}

MAIN (ENTRY (unread_input), ENTRY (unread_input_of_an_endpoint), ENTRY (much_unread_input), ENTRY (a_peer_that_reads_nothing));
