/* The three devices of 2.x: queue (XREP-XREQ), forwarder (SUB-PUB), streamer (PULL-PUSH). Runs until it is stopped. */
#include "demo.h"

int main (int argc, char **argv)
{
    usage (argc, 4, "device queue|forwarder|streamer FRONTEND BACKEND");
    int queue = !strcmp (argv[1], "queue"), forwarder = !strcmp (argv[1], "forwarder");
    void *context = zmq_init (1);
    void *front = open_socket (context, queue ? ZMQ_XREP : forwarder ? ZMQ_SUB : ZMQ_PULL, argv[2]);
    void *back = open_socket (context, queue ? ZMQ_XREQ : forwarder ? ZMQ_PUB : ZMQ_PUSH, argv[3]);
    if (forwarder)
        check (zmq_setsockopt (front, ZMQ_SUBSCRIBE, "", 0) == 0, "ZMQ_SUBSCRIBE");
    printf ("device: %s\n", argv[1]);
    zmq_device (queue ? ZMQ_QUEUE : forwarder ? ZMQ_FORWARDER : ZMQ_STREAMER, front, back);
    check (0, "zmq_device");
    return 1;
}
