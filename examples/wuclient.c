/* Collects weather updates of one place and prints the average temperature. */
#include "example.h"

int main (int argc, char **argv)
{
    usage (argc, 4, "wuclient ENDPOINT PLACE UPDATES");
    void *context = zmq_ctx_new (), *subscriber = open_socket (context, ZMQ_SUB, argv[1]);
    int updates = atoi (argv[3]);
    long total = 0;
    check (zmq_setsockopt (subscriber, ZMQ_SUBSCRIBE, argv[2], strlen (argv[2])) == 0, "ZMQ_SUBSCRIBE");
    for (int i = 0; i < updates; i++) {
        char update[100], place[20];
        int temperature, humidity;
        receive_string (subscriber, update, sizeof update);
        if (sscanf (update, "%19s %d %d", place, &temperature, &humidity) != 3 || strncmp (place, argv[2], strlen (argv[2]))) {
            fprintf (stderr, "not subscribed to: %s\n", update);
            return 1;
        }
        total += temperature;
    }
    printf ("subscriber: average temperature of %d updates for '%s' is %ld C\n", updates, argv[2], total / updates);
    zmq_close (subscriber);
    zmq_ctx_term (context);
    return 0;
}
