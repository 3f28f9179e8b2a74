/* Hello world, encrypted: the server. Who knows its public key may talk to it; a ZAP handler could choose among clients by
 * their keys (zmq_curve(7), rfc.zeromq.org/spec/27). */
#include "example.h"

int main (int argc, char **argv)
{
    usage (argc, 4, "curveserver ENDPOINT ITS-SECRET-KEY REQUESTS");
    void *context = zmq_ctx_new (), *responder = zmq_socket (context, ZMQ_REP);
    int server = 1;
    char text[100];
    check (zmq_setsockopt (responder, ZMQ_CURVE_SERVER, &server, sizeof server) == 0, "ZMQ_CURVE_SERVER");
    check (zmq_setsockopt (responder, ZMQ_CURVE_SECRETKEY, argv[2], strlen (argv[2])) == 0, "ZMQ_CURVE_SECRETKEY");
    join (responder, argv[1]);
    for (int left = atoi (argv[3]); left > 0; left--) {
        receive_string (responder, text, sizeof text);
        printf ("server: received %s\n", text);
        send_string (responder, "World, in confidence");
    }
    zmq_close (responder);
    zmq_ctx_term (context);
    return 0;
}
