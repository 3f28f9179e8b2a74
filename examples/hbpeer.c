/* The peer of hbwatch: stops with all its threads when it is told to, as a machine does that hangs. Its connection stays. */
#include "example.h"
#include <signal.h>

int main (int argc, char **argv)
{
    usage (argc, 2, "hbpeer ENDPOINT");
    void *context = zmq_ctx_new (), *peer = open_socket (context, ZMQ_DEALER, argv[1]);
    char text[100];
    receive_string (peer, text, sizeof text);
    printf ("peer: %s\n", text);
    raise (SIGSTOP);
    printf ("peer: awake again\n");
    zmq_close (peer);
    zmq_ctx_term (context);
    return 0;
}
