/* A worker: pulls tasks, works, pushes results, until the sink publishes KILL. Fails if there was
 * nothing to do. */
#include "example.h"
#include <time.h>

int main (int argc, char **argv)
{
    usage (argc, 4, "taskwork TASKS-ENDPOINT RESULTS-ENDPOINT CONTROL-ENDPOINT");
    void *context = zmq_ctx_new (), *receiver = open_socket (context, ZMQ_PULL, argv[1]);
    void *sender = open_socket (context, ZMQ_PUSH, argv[2]), *controller = open_socket (context, ZMQ_SUB, argv[3]);
    int done = 0;
    char text[20];
    check (zmq_setsockopt (controller, ZMQ_SUBSCRIBE, "", 0) == 0, "ZMQ_SUBSCRIBE");
    for (;;) {
        zmq_pollitem_t items[] = {{receiver, 0, ZMQ_POLLIN, 0}, {controller, 0, ZMQ_POLLIN, 0}};
        check (zmq_poll (items, 2, -1) > 0, "zmq_poll");
        if (items[0].revents & ZMQ_POLLIN) {
            receive_string (receiver, text, sizeof text);
            struct timespec work = {0, atoi (text) * 1000000L};
            nanosleep (&work, NULL);
            send_string (sender, text);
            done++;
        }
        if (items[1].revents & ZMQ_POLLIN)
            break;
    }
    printf ("worker: did %d tasks\n", done);
    zmq_close (controller);
    zmq_close (sender);
    zmq_close (receiver);
    zmq_ctx_term (context);
    return done == 0;
}
