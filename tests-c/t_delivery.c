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

MAIN (ENTRY (single_message_after_bursts_tcp), ENTRY (single_message_after_bursts_ipc));
