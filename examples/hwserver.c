/* Hello world, the server: answers World to every Hello. Runs for as many requests as it is told. */
#include "example.h"

int main (int argc, char **argv)
{
    usage (argc, 3, "hwserver ENDPOINT REQUESTS");
    void *context = zmq_ctx_new (), *responder = open_socket (context, ZMQ_REP, argv[1]);
    char text[100];
    for (int left = atoi (argv[2]); left > 0; left--) {
        receive_string (responder, text, sizeof text);
        printf ("server: received %s\n", text);
        send_string (responder, "World");
    }
    zmq_close (responder);
    zmq_ctx_term (context);
    return 0;
}
