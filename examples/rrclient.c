/* A client of the queue: requests of two parts, each answered by some worker. */
#include "example.h"

int main (int argc, char **argv)
{
    usage (argc, 4, "rrclient ENDPOINT NAME REQUESTS");
    void *context = zmq_ctx_new (), *requester = open_socket (context, ZMQ_REQ, argv[1]);
    int requests = atoi (argv[3]);
    char number[20], text[100], want[100];
    for (int i = 0; i < requests; i++) {
        sprintf (number, "%d", i);
        check (zmq_send (requester, argv[2], strlen (argv[2]), ZMQ_SNDMORE) >= 0, "zmq_send");
        send_string (requester, number);
        receive_string (requester, text, sizeof text);
        snprintf (want, sizeof want, "%s-%s done", argv[2], number);
        if (strcmp (text, want)) {
            fprintf (stderr, "%s instead of %s\n", text, want);
            return 1;
        }
    }
    printf ("client %s: %d answers\n", argv[2], requests);
    zmq_close (requester);
    zmq_ctx_term (context);
    return 0;
}
