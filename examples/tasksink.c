/* The sink: waits for its workers, learns how many results to expect, collects them, then ends the workers. */
#include "example.h"

int main (int argc, char **argv)
{
    usage (argc, 5, "tasksink RESULTS-ENDPOINT CONTROL-ENDPOINT START-ENDPOINT WORKERS");
    void *context = zmq_ctx_new (), *receiver = open_socket (context, ZMQ_PULL, argv[1]);
    void *controller = open_socket (context, ZMQ_XPUB, argv[2]), *start = open_socket (context, ZMQ_PULL, argv[3]);
    char text[20];
    int expected, total = 0, verbose = 1;
    /* Every worker subscribes to the control channel; who has not would miss the end. */
    check (zmq_setsockopt (controller, ZMQ_XPUB_VERBOSE, &verbose, sizeof verbose) == 0, "ZMQ_XPUB_VERBOSE");
    for (int i = 0; i < atoi (argv[4]); i++)
        receive_string (controller, text, sizeof text);
    receive_string (start, text, sizeof text);
    expected = atoi (text);
    for (int i = 0; i < expected; i++) {
        receive_string (receiver, text, sizeof text);
        total += atoi (text);
    }
    printf ("sink: %d results, %d ms of work\n", expected, total);
    send_string (controller, "KILL");
    zmq_close (start);
    zmq_close (receiver);
    zmq_close (controller);
    zmq_ctx_term (context);
    return 0;
}
