/*
 * What zmq_send(3) has accepted leaves, in order, whatever came before it: bursts, pauses, and calls on the same socket
 * by other threads.
 */
#include "common.h"

enum { SIZE = 1000, FROM = 60, TO = 260 };

static const struct { int sender, receiver; } pairs[] = {
    {ZMQ_PUSH, ZMQ_PULL}, {ZMQ_DEALER, ZMQ_DEALER}, {ZMQ_PUB, ZMQ_SUB}, {ZMQ_ROUTER, ZMQ_DEALER}};

static void send_one (void *s, int type, const void *body, size_t size)
{
    if (type == ZMQ_ROUTER)
        IS (zmq_send (s, "peer", 4, ZMQ_SNDMORE), 4);
    IS (zmq_send (s, body, size, 0), (int) size);
}

/* The first message comes before the pipe is known to be there. */
static void until_connected (void *sender, int type, void *receiver)
{
    char buf[8];
    set_int (receiver, ZMQ_RCVTIMEO, 20);
    do
        send_one (sender, type, "x", 1);
    while (zmq_recv (receiver, buf, sizeof buf, 0) == -1);
    while (zmq_recv (receiver, buf, sizeof buf, 0) != -1)
        ;
    set_int (receiver, ZMQ_RCVTIMEO, 10000);
}

/* Bursts of every length: one of them ends just when a batch was full and has gone out, and nothing is held back. A
 * single message after a pause then has nobody behind it that would push it out. */
static void single_after_bursts (const char *transport, int sender_type, int receiver_type)
{
    void *ctx = ctx_new (), *sender = sock (ctx, sender_type), *receiver = sock (ctx, receiver_type);
    static char burst[SIZE], buf[SIZE];
    char ep[EP_SIZE];
    set_int (sender, ZMQ_SNDHWM, 0);
    set_int (receiver, ZMQ_RCVHWM, 0);
    OK (zmq_setsockopt (receiver, ZMQ_ROUTING_ID, "peer", 4));
    if (receiver_type == ZMQ_SUB)
        OK (zmq_setsockopt (receiver, ZMQ_SUBSCRIBE, "", 0));
    bind_any (receiver, transport, ep);
    OK (zmq_connect (sender, ep));
    until_connected (sender, sender_type, receiver);
    for (int length = FROM; length < TO; length++) {
        for (int i = 0; i < length; i++)
            send_one (sender, sender_type, burst, SIZE);
        for (int i = 0; i < length; i++)
            IS (zmq_recv (receiver, buf, SIZE, 0), SIZE);
        /* The application does something else. */
        usleep (3000);
        send_one (sender, sender_type, "last", 4);
        IS (zmq_recv (receiver, buf, SIZE, 0), 4);
    }
    OK (zmq_close (sender));
    OK (zmq_close (receiver));
    OK (zmq_ctx_term (ctx));
}

GROUP (single_message_after_bursts_tcp)
{
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        single_after_bursts ("tcp", pairs[i].sender, pairs[i].receiver);
}

GROUP (single_message_after_bursts_ipc)
{
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        single_after_bursts ("ipc", pairs[i].sender, pairs[i].receiver);
}

/* ---- long messages ------------------------------------------------------------------------------------------------ */

enum { LONG = 300000, COUNT = 30 };
static char connect_to[EP_SIZE];

static void send_and_receive_all (void *s)
{
    char *body = calloc (1, LONG);
    set_int (s, ZMQ_RCVTIMEO, 10000);
    set_int (s, ZMQ_LINGER, -1);
    for (int i = 0; i < COUNT; i++) {
        body[0] = (char) i;
        IS (zmq_send (s, body, LONG, 0), LONG);
    }
    for (int i = 0; i < COUNT; i++) {
        IS (zmq_recv (s, body, LONG, 0), LONG);
        IS (body[0], i);
    }
    free (body);
}

static void *other_end (void *unused)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PAIR);
    OK (zmq_connect (s, connect_to));
    send_and_receive_all (s);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
    return unused;
}

/* Both ends send more than the kernel takes, and then receive: whoever waits for a message goes on sending. */
GROUP (both_ends_send_first)
{
    static const char *const transports[] = {"tcp", "ipc"};
    for (int round = 0; round < 30; round++) {
        void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PAIR);
        pthread_t thread;
        bind_any (s, transports[round % 2], connect_to);
        IS (pthread_create (&thread, NULL, other_end, NULL), 0);
        send_and_receive_all (s);
        OK (zmq_close (s));
        IS (pthread_join (thread, NULL), 0);
        OK (zmq_ctx_term (ctx));
    }
}

static double cpu (void)
{
    struct rusage r;
    CHECK (getrusage (RUSAGE_SELF, &r) == 0);
    return (double) (r.ru_utime.tv_sec + r.ru_stime.tv_sec) + 1e-6 * (double) (r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

/* A peer that stops in the middle of a long message is waited for asleep. */
GROUP (half_a_long_message)
{
    static const unsigned char greeting[64] = {0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0, 'N', 'U', 'L', 'L'};
    static const unsigned char ready[] = "\4\32\5READY\13Socket-Type\0\0\0\4PUSH";
    static const unsigned char head[] = {2, 0, 0, 0, 0, 0, 0x10, 0, 0};
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PULL);
    char ep[EP_SIZE], *half = calloc (1, 1 << 19), *buf = calloc (1, 1 << 20);
    bind_any (s, "tcp", ep);
    int fd = raw_connect (ep);
    CHECK (raw_write (fd, greeting, 64) && raw_write (fd, ready, sizeof ready - 1) && raw_write (fd, head, sizeof head));
    CHECK (raw_write (fd, half, 1 << 19));
    set_int (s, ZMQ_RCVTIMEO, 1000);
    double before = cpu ();
    FAILS (zmq_recv (s, buf, 1 << 20, 0), EAGAIN);
    CHECK (cpu () - before < 0.4);
    CHECK (raw_write (fd, half, 1 << 19));
    set_int (s, ZMQ_RCVTIMEO, 10000);
    IS (zmq_recv (s, buf, 1 << 20, 0), 1 << 20);
    close (fd);
    free (half);
    free (buf);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

MAIN (ENTRY (single_message_after_bursts_tcp), ENTRY (single_message_after_bursts_ipc), ENTRY (both_ends_send_first),
      ENTRY (half_a_long_message));
