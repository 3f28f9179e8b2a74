/* Weather updates for a handful of places, published until somebody stops it. */
#include "example.h"
#include <time.h>

int main (int argc, char **argv)
{
    usage (argc, 2, "wuserver ENDPOINT");
    void *context = zmq_ctx_new (), *publisher = open_socket (context, ZMQ_PUB, argv[1]);
    static const char *const places[] = {"10001", "10013", "20002", "60601", "94105"};
    struct timespec pause = {0, 500000};
    srand (7);
    for (;;) {
        char update[60];
        sprintf (update, "%s %d %d", places[rand () % 5], rand () % 60 - 20, rand () % 50 + 10);
        send_string (publisher, update);
        nanosleep (&pause, NULL);
    }
}
