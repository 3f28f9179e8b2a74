/* A worker behind the queue. Runs until it is stopped. */
#include "example.h"

int main (int argc, char **argv)
{
    usage (argc, 2, "rrworker ENDPOINT");
    void *context = zmq_ctx_new (), *responder = open_socket (context, ZMQ_REP, argv[1]);
    char name[40], number[20], answer[100];
    for (;;) {
        receive_string (responder, name, sizeof name);
        receive_string (responder, number, sizeof number);
        snprintf (answer, sizeof answer, "%s-%s done", name, number);
        send_string (responder, answer);
    }
}
