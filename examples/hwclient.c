/* Hello world, the client. */
#include "example.h"

int main (int argc, char **argv)
{
    usage (argc, 3, "hwclient ENDPOINT REQUESTS");
    void *context = zmq_ctx_new (), *requester = open_socket (context, ZMQ_REQ, argv[1]);
    char text[100];
    for (int i = 0; i < atoi (argv[2]); i++) {
        sprintf (text, "Hello %d", i);
        send_string (requester, text);
        receive_string (requester, text, sizeof text);
        printf ("client: received %s %d\n", text, i);
        if (strcmp (text, "World"))
            return 1;
    }
    zmq_close (requester);
    zmq_ctx_term (context);
    return 0;
}
