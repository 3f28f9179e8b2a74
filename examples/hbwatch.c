/* Heartbeats: a peer that hangs, or whose cable is out, says nothing, and TCP waits for minutes. This one asks every 50 ms
 * whether the peer is there, and gives the connection up when nothing has come for 200 ms. A monitor tells. */
#include "example.h"

static int next_event (void *monitor)
{
    unsigned char event[6]; /* a number of 16 bits and a value of 32, then a part that says where */
    check (zmq_recv (monitor, event, sizeof event, 0) == sizeof event && zmq_recv (monitor, NULL, 0, 0) >= 0, "zmq_recv");
    uint16_t number;
    memcpy (&number, event, sizeof number);
    return number;
}

int main (int argc, char **argv)
{
    usage (argc, 2, "hbwatch ENDPOINT");
    void *context = zmq_ctx_new (), *watcher = zmq_socket (context, ZMQ_DEALER), *monitor = zmq_socket (context, ZMQ_PAIR);
    int interval = 50, timeout = 200;
    check (zmq_setsockopt (watcher, ZMQ_HEARTBEAT_IVL, &interval, sizeof interval) == 0, "ZMQ_HEARTBEAT_IVL");
    check (zmq_setsockopt (watcher, ZMQ_HEARTBEAT_TIMEOUT, &timeout, sizeof timeout) == 0, "ZMQ_HEARTBEAT_TIMEOUT");
    check (zmq_socket_monitor (watcher, "inproc://events", ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED) == 0,
           "zmq_socket_monitor");
    check (zmq_connect (monitor, "inproc://events") == 0, "inproc://events");
    join (watcher, argv[1]);
    check (next_event (monitor) == ZMQ_EVENT_HANDSHAKE_SUCCEEDED, "a peer");
    printf ("watcher: a peer is here\n");
    send_string (watcher, "Good night");
    check (next_event (monitor) == ZMQ_EVENT_DISCONNECTED, "its end");
    printf ("watcher: it is silent, and gone\n");
    zmq_close (monitor);
    zmq_close (watcher);
    zmq_ctx_term (context);
    return 0;
}
