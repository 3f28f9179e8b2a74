/* The three devices of 2.x: queue (XREP-XREQ), forwarder (SUB-PUB), streamer (PULL-PUSH). Passes messages on from when
 * as many peers as told are at the back, until it is stopped. */
#include "example.h"

int main (int argc, char **argv)
{
    usage (argc, 5, "device queue|forwarder|streamer FRONTEND BACKEND PEERS");
    int queue = !strcmp (argv[1], "queue"), forwarder = !strcmp (argv[1], "forwarder");
    void *context = zmq_init (1);
    void *front = open_socket (context, queue ? ZMQ_XREP : forwarder ? ZMQ_SUB : ZMQ_PULL, argv[2]);
    if (forwarder)
        check (zmq_setsockopt (front, ZMQ_SUBSCRIBE, "", 0) == 0, "ZMQ_SUBSCRIBE");
    int kind = queue ? ZMQ_XREQ : forwarder ? ZMQ_PUB : ZMQ_PUSH;
    void *back = open_for_peers (context, kind, argv[3], atoi (argv[4]));
    printf ("device: %s\n", argv[1]);
    zmq_device (queue ? ZMQ_QUEUE : forwarder ? ZMQ_FORWARDER : ZMQ_STREAMER, front, back);
    check (0, "zmq_device");
    return 1;
}
