/*
 * The path of a message, in one thread: sends a batch, receives it, again and again. For counting instructions:
 *   path ENDPOINT SIZE BATCHES
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define MUST(x) do { if (!(x)) { fprintf (stderr, "path: %s: %s\n", #x, zmq_strerror (zmq_errno ())); return 1; } } while (0)

int main (int argc, char **argv)
{
    char buffer[65536], endpoint[256];
    size_t length = sizeof endpoint;
    int size = argc > 2 ? atoi (argv[2]) : 64, batches = argc > 3 ? atoi (argv[3]) : 100;
    void *ctx = zmq_ctx_new (), *pull = zmq_socket (ctx, ZMQ_PULL), *push = zmq_socket (ctx, ZMQ_PUSH);
    memset (buffer, 7, sizeof buffer);
    MUST (argc > 1 && size > 0 && size <= (int) sizeof buffer);
    MUST (!zmq_bind (pull, argv[1]) && !zmq_getsockopt (pull, ZMQ_LAST_ENDPOINT, endpoint, &length));
    MUST (!zmq_connect (push, endpoint));
    for (int b = 0; b < batches; b++) {
        for (int i = 0; i < 100; i++)
            MUST (zmq_send (push, buffer, size, 0) == size);
        for (int i = 0; i < 100; i++)
            MUST (zmq_recv (pull, buffer, sizeof buffer, 0) == size);
    }
    MUST (!zmq_close (push) && !zmq_close (pull) && !zmq_ctx_term (ctx));
    return 0;
}
