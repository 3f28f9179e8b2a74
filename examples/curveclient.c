/* Hello world, encrypted: the client. It knows the server by its key, and makes one for itself that nobody has seen. */
#include "example.h"

int main (int argc, char **argv)
{
    usage (argc, 4, "curveclient ENDPOINT PUBLIC-KEY-OF-SERVER REQUESTS");
    void *context = zmq_ctx_new (), *requester = zmq_socket (context, ZMQ_REQ);
    char text[100], public_key[41], secret_key[41];
    check (zmq_curve_keypair (public_key, secret_key) == 0, "zmq_curve_keypair");
    check (zmq_setsockopt (requester, ZMQ_CURVE_SERVERKEY, argv[2], strlen (argv[2])) == 0, "ZMQ_CURVE_SERVERKEY");
    check (zmq_setsockopt (requester, ZMQ_CURVE_PUBLICKEY, public_key, 40) == 0, "ZMQ_CURVE_PUBLICKEY");
    check (zmq_setsockopt (requester, ZMQ_CURVE_SECRETKEY, secret_key, 40) == 0, "ZMQ_CURVE_SECRETKEY");
    join (requester, argv[1]);
    for (int left = atoi (argv[3]); left > 0; left--) {
        send_string (requester, "Hello");
        receive_string (requester, text, sizeof text);
        printf ("client: received %s\n", text);
    }
    zmq_close (requester);
    zmq_ctx_term (context);
    return 0;
}
