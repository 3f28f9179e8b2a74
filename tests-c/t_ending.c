/* What still works on a socket after zmq_ctx_term(3) or zmq_ctx_shutdown(3) has begun. */
#include "common.h"

static int call (void *s, int which)
{
    int value = 0;
    size_t size = sizeof value;
    char text[256];
    size_t length = sizeof text;
    switch (which) {
        case 0:
            return zmq_setsockopt (s, ZMQ_LINGER, &value, sizeof value);
        case 1:
            return zmq_setsockopt (s, ZMQ_SUBSCRIBE, "a", 1);
        case 2:
            return zmq_setsockopt (s, ZMQ_RCVHWM, &value, sizeof value);
        case 3:
            return zmq_getsockopt (s, ZMQ_LINGER, &value, &size);
        case 4:
            return zmq_getsockopt (s, ZMQ_TYPE, &value, &size);
        case 5:
            return zmq_getsockopt (s, ZMQ_FD, &value, &size);
        case 6:
            return zmq_getsockopt (s, ZMQ_LAST_ENDPOINT, text, &length);
        case 7:
            return zmq_getsockopt (s, ZMQ_RCVMORE, &value, &size);
        case 8:
            return zmq_socket_monitor (s, NULL, 0);
        /* Those below do not work, */
        case 9:
            return zmq_socket_monitor (s, "inproc://monitor", ZMQ_EVENT_ALL);
        /* and those below tell the socket of it. */
        case 10:
            return zmq_getsockopt (s, ZMQ_EVENTS, &value, &size);
        case 11:
            return zmq_bind (s, "tcp://127.0.0.1:*");
        case 12:
            return zmq_connect (s, "tcp://127.0.0.1:9");
        case 13:
            return zmq_unbind (s, "tcp://127.0.0.1:9");
        case 14:
            return zmq_disconnect (s, "tcp://127.0.0.1:9");
        case 15:
            return zmq_send (s, "x", 1, ZMQ_DONTWAIT);
        case 16:
            return zmq_recv (s, text, 1, ZMQ_DONTWAIT);
        default: {
            zmq_pollitem_t item = {s, 0, ZMQ_POLLIN, 0};
            return zmq_poll (&item, 1, 0);
        }
    }
}
enum { WORK = 9, TELL = 10, CALLS = 18 };

static void *term_thread (void *ctx)
{
    OK (zmq_ctx_term (ctx));
    return NULL;
}

static void ending (int shutdown)
{
    for (int which = 0; which < CALLS; which++) {
        char byte;
        void *ctx = ctx_new (), *s = sock (ctx, ZMQ_SUB), *first = sock (ctx, ZMQ_PAIR);
        pthread_t thread;
        if (shutdown)
            OK (zmq_ctx_shutdown (ctx));
        pthread_create (&thread, NULL, term_thread, ctx);
        /* Another socket learns of it. */
        FAILS (zmq_recv (first, &byte, 1, 0), ETERM);
        for (int again = 0; again < 2; again++)
            if (which < WORK)
                OK (call (s, which));
            else
                FAILS (call (s, which), ETERM);
        if (which < TELL)
            OK (call (s, 0));
        else
            for (int other = 0; other < CALLS; other++)
                FAILS (call (s, other), ETERM);
        OK (zmq_close (s));
        OK (zmq_close (first));
        pthread_join (thread, NULL);
    }
}

GROUP (calls_after_term)
{
    ending (0);
}

GROUP (calls_after_shutdown)
{
    ending (1);
}

/* What programs do that learn of the end from one socket: the others do not linger. */
GROUP (linger_of_the_others)
{
    char byte;
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PAIR), *other = sock (ctx, ZMQ_DEALER);
    set_int (other, ZMQ_LINGER, -1);
    OK (zmq_connect (other, "tcp://127.0.0.1:9"));
    IS (zmq_send (other, "x", 1, 0), 1);
    pthread_t thread;
    pthread_create (&thread, NULL, term_thread, ctx);
    FAILS (zmq_recv (s, &byte, 1, 0), ETERM);
    set_int (other, ZMQ_LINGER, 0);
    OK (zmq_close (other));
    OK (zmq_close (s));
    pthread_join (thread, NULL);
}

MAIN (ENTRY (calls_after_term), ENTRY (calls_after_shutdown), ENTRY (linger_of_the_others))
