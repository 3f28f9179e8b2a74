/* Listeners: peers that come one after the other. */
#include "common.h"

/* A peer of an endpoint of tcp or ipc, before its handshake. */
static int dial (const char *ep)
{
    if (strncmp (ep, "ipc://", 6))
        return raw_connect (ep);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK (strlen (ep + 6) < sizeof address.sun_path);
    strcpy (address.sun_path, ep + 6);
    OK (connect (fd, (struct sockaddr *) &address, sizeof address));
    return fd;
}

/* Each peer has said all it has to say in the handshake before the next one connects: so it is told. */
GROUP (in_the_order_in_which_things_happen)
{
    static const char greeting[64] = "\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01NULL";
    static const char ready[] = "\4\x1a\5READY\13Socket-Type\0\0\0\4PUSH", *transports[] = {"tcp", "ipc"};
    for (int i = 0; i < 2; i++)
        for (int round = 0; round < 50; round++) {
            char ep[EP_SIZE], address[EP_SIZE], in[64];
            void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PULL), *mon = monitor (ctx, s);
            int fds[4];
            uint32_t value;
            bind_any (s, transports[i], ep);
            IS (next_event (mon, &value, address), ZMQ_EVENT_LISTENING);
            for (int k = 0; k < 4; k++) {
                fds[k] = dial (ep);
                CHECK (raw_write (fds[k], greeting, sizeof greeting) && raw_read (fds[k], in, 64));
                CHECK (raw_write (fds[k], ready, sizeof ready - 1));
            }
            for (int k = 0; k < 4; k++) {
                IS (next_event (mon, &value, address), ZMQ_EVENT_ACCEPTED);
                IS (next_event (mon, &value, address), ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
            }
            for (int k = 0; k < 4; k++)
                close (fds[k]);
            zmq_close (mon);
            zmq_close (s);
            zmq_ctx_term (ctx);
        }
}

/* An abstract address without a name. (With a monitor libzmq says EAGAIN, but tells the monitor EINVAL.) */
GROUP (nameless)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PULL), *mon = monitor (ctx, s);
    char address[EP_SIZE];
    uint32_t value;
    IS (zmq_bind (s, "ipc://@"), -1);
    set_int (mon, ZMQ_RCVTIMEO, 5000);
    IS (next_event (mon, &value, address), ZMQ_EVENT_BIND_FAILED);
    CHECK (value == EINVAL && !strcmp (address, "@"));
    zmq_close (mon);
    zmq_close (s);
    zmq_ctx_term (ctx);
}

MAIN (ENTRY (nameless), ENTRY (in_the_order_in_which_things_happen))
