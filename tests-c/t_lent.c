/*
 * What zmq_send(3) was given is the caller's again when it returns, also if the kernel has not taken all of it: whoever
 * hands over what is left, in whichever call, and whatever the sender did not wait for.
 */
#include "common.h"

enum { SIZE = 1500000, COUNT = 12 };

static const char *const transports[] = {"tcp", "ipc"};

static void *ctx, *ctx2, *in, *out;
static char *body, *got, *want;

static void fill (char *to, int number)
{
    memset (to, number, SIZE);
    for (int i = 0; i < SIZE; i += 512)
        to[i] = (char) (number + i / 512);
}

/* `out` is connected to `in`, of types that fit, and nothing keeps it from sending. */
static void begin (const char *transport, int to, int from)
{
    char ep[EP_SIZE];
    ctx = ctx_new ();
    ctx2 = ctx_new ();
    out = sock (ctx, to);
    in = sock (ctx2, from);
    set_int (out, ZMQ_SNDHWM, 0);
    set_int (out, ZMQ_LINGER, -1);
    set_int (in, ZMQ_RCVHWM, 1);
    set_int (in, ZMQ_RCVTIMEO, 5000);
    if (from == ZMQ_SUB)
        OK (zmq_setsockopt (in, ZMQ_SUBSCRIBE, "", 0));
    bind_any (in, transport, ep);
    OK (zmq_connect (out, ep));
    if (from == ZMQ_SUB) {
        int tries = 0;
        do {
            SEND (out, "-", 0);
            CHECK (++tries < 1000);
        } while (!readable (in, 10));
    } else
        SEND (out, "-", 0);
    RECV (in, "-");
    body = calloc (1, SIZE);
    got = malloc (SIZE);
    want = calloc (1, SIZE);
    CHECK (body && got && want);
}

static void end (void)
{
    free (body);
    free (got);
    free (want);
    OK (zmq_close (in));
    OK (zmq_ctx_term (ctx));
    OK (zmq_ctx_term (ctx2));
}

/* Message `number` comes as it was when it was sent. */
static void arrives (int number)
{
    int size;
    /* What a subscriber needed to be known. */
    while ((size = zmq_recv (in, got, SIZE, 0)) == 1)
        ;
    IS (size, SIZE);
    fill (want, number);
    if (memcmp (got, want, SIZE))
        fail_at (__FILE__, __LINE__, "message %d is not what was sent", number);
}

static void send_and_overwrite (int number, int flags)
{
    fill (body, number);
    IS (zmq_send (out, body, SIZE, flags), SIZE);
    memset (body, 'x', SIZE);
}

static void sent_all_at_once (int to, int from, int flags)
{
    for (int t = 0; t < 2; t++) {
        begin (transports[t], to, from);
        for (int i = 0; i < COUNT; i++)
            send_and_overwrite (i, flags);
        OK (zmq_close (out));
        for (int i = 0; i < COUNT; i++)
            arrives (i);
        end ();
    }
}

GROUP (of_one_that_does_not_wait) { sent_all_at_once (ZMQ_PUSH, ZMQ_PULL, ZMQ_DONTWAIT); }
GROUP (of_one_that_may_wait) { sent_all_at_once (ZMQ_PUSH, ZMQ_PULL, 0); }
GROUP (of_a_publisher) { sent_all_at_once (ZMQ_PUB, ZMQ_SUB, 0); }
GROUP (of_a_dealer) { sent_all_at_once (ZMQ_DEALER, ZMQ_DEALER, ZMQ_DONTWAIT); }

MAIN (ENTRY (of_one_that_does_not_wait), ENTRY (of_one_that_may_wait), ENTRY (of_a_publisher), ENTRY (of_a_dealer))
