/* "Reads on TCP unicast and forwards on multicast": a forwarder device between publishers that connect to it, and whoever
 * listens to a multicast group (zmq_pgm(7)). No subscription travels to it: it has subscribed to all, and receivers choose. */
#include "example.h"

int main (int argc, char **argv)
{
    if (!zmq_has ("pgm")) {
        fprintf (stderr, "forwarder: multicast needs libpgm-5.3.so.0 (Debian, Ubuntu: apt install libpgm-5.3-0)\n");
        return 3;
    }
    usage (argc, 4, "forwarder FRONTEND EPGM-BACKEND KILOBITS-PER-SECOND");
    void *context = zmq_init (1);
    void *front = open_socket (context, ZMQ_XSUB, argv[1]), *back = zmq_socket (context, ZMQ_XPUB);
    int rate = atoi (argv[3]);
    check (back != NULL, "zmq_socket");
    check (zmq_setsockopt (back, ZMQ_RATE, &rate, sizeof rate) == 0, "ZMQ_RATE");
    join (back, argv[2]);
    check (zmq_send (front, "\1", 1, 0) == 1, "subscribe");
    printf ("forwarder: %s to %s\n", argv[1] + 1, argv[2] + 1);
    zmq_device (ZMQ_FORWARDER, front, back);
    check (0, "zmq_device");
    return 1;
}
