/* Two people talk: waits for a line from the keyboard and for one from the other, whichever comes first (zmq_poll(3)).
 * Ends when both have said all they had; an empty message says that. */
#include "example.h"
#include <unistd.h>

int main (int argc, char **argv)
{
    usage (argc, 3, "talk ENDPOINT NAME");
    void *context = zmq_ctx_new (), *other = open_socket (context, ZMQ_PAIR, argv[1]);
    int speaks = 1, hears = 1;
    while (speaks || hears) {
        /* An entry with a socket waits for that, one without for a descriptor; events 0 asks for nothing. */
        zmq_pollitem_t items[] = {{other, 0, hears ? ZMQ_POLLIN : 0, 0}, {NULL, STDIN_FILENO, speaks ? ZMQ_POLLIN : 0, 0}};
        char text[200];
        check (zmq_poll (items, speaks ? 2 : 1, -1) >= 0, "zmq_poll");
        if (items[0].revents & ZMQ_POLLIN) {
            receive_string (other, text, sizeof text);
            hears = *text != 0;
            if (hears)
                printf ("%s hears: %s", argv[2], text);
        }
        if (items[1].revents) {
            int n = read (STDIN_FILENO, text, sizeof text);
            speaks = n > 0;
            check (zmq_send (other, text, speaks ? n : 0, 0) >= 0, "zmq_send");
        }
    }
    zmq_close (other);
    zmq_ctx_term (context);
    return 0;
}
