/* Event loops on ZMQ_FD that never read ZMQ_EVENTS: they do what there is to do until EAGAIN, and wait. Nothing is missed,
 * and nobody is woken for nothing (but for room to send, with libzmq and with us). */
#include "common.h"

enum { COUNT = 100 };

static const char *transports[] = {"tcp", "ipc", "inproc"};

static void connect_to (void *binder, void *connecter, const char *transport)
{
    char ep[EP_SIZE];
    if (!strcmp (transport, "inproc"))
        OK (zmq_bind (binder, strcpy (ep, "inproc://here")));
    else
        bind_any (binder, transport, ep);
    OK (zmq_connect (connecter, ep));
}

static void *send_slowly (void *s)
{
    for (int i = 0; i < COUNT; i++) {
        sleep_ms (2);
        /* Now and then several at once. */
        for (int k = 0; k <= i % 3; k++)
            IS (zmq_send (s, &i, sizeof i, 0), sizeof i);
    }
    return NULL;
}

GROUP (receives_until_there_is_no_more)
{
    for (int t = 0; t < 3; t++) {
        void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
        connect_to (in, out, transports[t]);
        struct pollfd fd = {get_int (in, ZMQ_FD), POLLIN, 0};
        int got = 0, last = 0, value, woken = 0, all = 0;
        for (int i = 0; i < COUNT; i++)
            all += i % 3 + 1;
        pthread_t thread;
        pthread_create (&thread, NULL, send_slowly, out);
        int64_t until = now_ms () + 10000;
        do {
            while (zmq_recv (in, &value, sizeof value, ZMQ_DONTWAIT) == sizeof value) {
                CHECK (value >= last);
                last = value;
                got++;
            }
            IS (zmq_errno (), EAGAIN);
            CHECK (now_ms () < until);
            woken += got < all && poll (&fd, 1, 5000) == 1;
        } while (got < all);
        pthread_join (thread, NULL);
        if (woken > 3 * all)
            fail_at (__FILE__, __LINE__, "%s: woken %d times for %d messages", transports[t], woken, all);
        /* Quiet now. */
        for (int i = 0; i < 3; i++)
            FAILS (zmq_recv (in, &value, sizeof value, ZMQ_DONTWAIT), EAGAIN);
        IS (poll (&fd, 1, 30), 0);
        zmq_close (out);
        zmq_close (in);
        zmq_ctx_term (ctx);
    }
}

static void *receive_slowly (void *s)
{
    for (int i = 0; i < COUNT; i++) {
        int value;
        if (i % 10 == 0)
            sleep_ms (5);
        IS (zmq_recv (s, &value, sizeof value, 0), sizeof value);
        IS (value, i);
    }
    return NULL;
}

GROUP (sends_until_there_is_no_room)
{
    for (int t = 0; t < 3; t++) {
        void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
        set_int (in, ZMQ_RCVHWM, 3);
        set_int (out, ZMQ_SNDHWM, 3);
        connect_to (in, out, transports[t]);
        struct pollfd fd = {get_int (out, ZMQ_FD), POLLIN, 0};
        int next = 0;
        pthread_t thread;
        pthread_create (&thread, NULL, receive_slowly, in);
        int64_t until = now_ms () + 10000;
        for (;;) {
            while (next < COUNT && zmq_send (out, &next, sizeof next, ZMQ_DONTWAIT) == sizeof next)
                next++;
            if (next == COUNT)
                break;
            IS (zmq_errno (), EAGAIN);
            CHECK (now_ms () < until);
            OK (poll (&fd, 1, 5000));
        }
        pthread_join (thread, NULL);
        zmq_close (out);
        zmq_close (in);
        zmq_ctx_term (ctx);
    }
}

MAIN (ENTRY (receives_until_there_is_no_more), ENTRY (sends_until_there_is_no_room))
