/*
 * Two processes, each with a libzmq of its own, exchange numbered messages over every legal pair of socket types, over
 * tcp and ipc, or the transport that INTEROP_TRANSPORT names, with either end binding; contents and order are verified at both ends.
 *
 *   interop LEFT_LIBDIR RIGHT_LIBDIR LABEL    the driver: runs all pairs and prints `ok|FAIL interop:LABEL:...` lines
 *   interop left|right PAIR                   one end (started by the driver, with the other end on descriptor 3)
 */
#include "interop.h"

typedef struct
{
    const char *name;
    int left, right;
} pair_t;

static const pair_t pairs[] = {
    {"PAIR-PAIR", ZMQ_PAIR, ZMQ_PAIR},         {"REQ-REP", ZMQ_REQ, ZMQ_REP},       {"REQ-ROUTER", ZMQ_REQ, ZMQ_ROUTER},
    {"DEALER-REP", ZMQ_DEALER, ZMQ_REP},       {"DEALER-ROUTER", ZMQ_DEALER, ZMQ_ROUTER}, {"DEALER-DEALER", ZMQ_DEALER, ZMQ_DEALER},
    {"ROUTER-ROUTER", ZMQ_ROUTER, ZMQ_ROUTER}, {"PUSH-PULL", ZMQ_PUSH, ZMQ_PULL},   {"PUB-SUB", ZMQ_PUB, ZMQ_SUB},
    {"PUB-XSUB", ZMQ_PUB, ZMQ_XSUB},           {"XPUB-SUB", ZMQ_XPUB, ZMQ_SUB},     {"XPUB-XSUB", ZMQ_XPUB, ZMQ_XSUB},
};
enum { PAIRS = sizeof pairs / sizeof *pairs };

/* Two transports, or one, each with either end binding. */
static int cases (int group)
{
    (void) group;
    return getenv ("INTEROP_TRANSPORT") ? 2 : 4;
}

static const char *transport (int number)
{
    const char *only = getenv ("INTEROP_TRANSPORT");
    return only ? only : transports[number / 2];
}

static void name (char *text, int group, int number)
{
    sprintf (text, "%s/%s/%s-binds", pairs[group].name, transport (number), number % 2 ? "left" : "right");
}

static void run (int group, int number, int left)
{
    const pair_t *p = &pairs[group];
    int type = left ? p->left : p->right, peer = left ? p->right : p->left;
    void *ctx = ctx_new (), *s = zmq_socket (ctx, type);
    CHECK (s != NULL);
    run_exchange (s, type, peer, left, transport (number), left == number % 2);
    OK (zmq_ctx_term (ctx));
}

int main (int argc, char **argv)
{
    static const interop_t what = {"interop", PAIRS, cases, name, run};
    return interop_main (&what, argc, argv);
}
