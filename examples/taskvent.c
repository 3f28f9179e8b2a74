/* The ventilator: waits for those who take tasks, tells the sink to start, then hands out tasks, each a workload in milliseconds. */
#include "example.h"

int main (int argc, char **argv)
{
    usage (argc, 5, "taskvent TASKS-ENDPOINT SINK-ENDPOINT TASKS PEERS");
    void *context = zmq_ctx_new (), *sender = open_for_peers (context, ZMQ_PUSH, argv[1], atoi (argv[4]));
    void *sink = open_socket (context, ZMQ_PUSH, argv[2]);
    int tasks = atoi (argv[3]), total = 0;
    char text[20];
    srand (3);
    sprintf (text, "%d", tasks);
    send_string (sink, text);
    for (int i = 0; i < tasks; i++) {
        int workload = rand () % 5 + 1;
        total += workload;
        sprintf (text, "%d", workload);
        send_string (sender, text);
    }
    printf ("ventilator: %d tasks, %d ms of work\n", tasks, total);
    zmq_close (sink);
    zmq_close (sender);
    zmq_ctx_term (context);
    return 0;
}
