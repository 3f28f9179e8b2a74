/*
 * Two processes, each with a libzmq of its own, one the server of GSSAPI (left) and one its client (right), in a realm of
 * the program's own: in clear, and encrypted with a ZAP handler in the server's process, either end binding.
 *
 *   interop_gssapi SERVER_LIBDIR CLIENT_LIBDIR LABEL    prints `ok|FAIL interop_gssapi:LABEL:...` lines
 */
#define MESSAGES 12
#include "gssapi.h"
#include "interop.h"

/* The server's type, then the client's. */
static const struct
{
    const char *name;
    int server, client;
} pairs[] = {
    {"REP-REQ", ZMQ_REP, ZMQ_REQ},
    {"PULL-PUSH", ZMQ_PULL, ZMQ_PUSH},
    {"ROUTER-DEALER", ZMQ_ROUTER, ZMQ_DEALER},
    /* One of these two. */
    {"SUB-PUB", ZMQ_SUB, ZMQ_PUB},
    {"PUB-SUB", ZMQ_PUB, ZMQ_SUB},
};
enum { PAIRS = sizeof pairs / sizeof *pairs - 1, CASES = PAIRS * 2 };

/* In clear without a handler, and encrypted with one. */
enum { GROUPS = 2 };
static int is_plaintext (int group) { return group == 0; }
static int has_handler (int group) { return group == 1; }

/* A SUB of libzmq 4.3.4 encrypts its subscriptions in a way that no libzmq understands: there it publishes. */
static int pair_of (int number)
{
    const char *label = getenv ("INTEROP_LABEL");
    return number / 2 == PAIRS - 1 && label && !strcmp (label, "system-ours") ? PAIRS : number / 2;
}

static int cases (int group)
{
    (void) group;
    return CASES;
}

static void name (char *text, int group, int number)
{
    sprintf (text, "%s%s/%s/%s-binds", is_plaintext (group) ? "in-clear" : "encrypted", has_handler (group) ? "-with-handler" : "",
             pairs[pair_of (number)].name, number % 2 ? "server" : "client");
}

/* ---- the ZAP handler, who knows alice ----------------------------------------------------------------------------------- */

static void *handle (void *handler)
{
    char parts[10][256];
    for (;;) {
        int count = 0, size;
        do {
            if ((size = zmq_recv (handler, parts[count], 255, 0)) == -1) {
                IS (errno, ETERM);
                OK (zmq_close (handler));
                return NULL;
            }
            parts[count++][size] = 0;
        } while (RCVMORE (handler) && count < 10);
        CHECK (count == 7 && !strcmp (parts[5], "GSSAPI"));
        int known = !strcmp (parts[6], "alice@ZMQ.TEST");
        SEND (handler, "1.0", ZMQ_SNDMORE);
        SEND (handler, parts[1], ZMQ_SNDMORE);
        SEND (handler, known ? "200" : "400", ZMQ_SNDMORE);
        SEND (handler, "", ZMQ_SNDMORE);
        SEND (handler, known ? "Alice" : "", ZMQ_SNDMORE);
        SEND (handler, "", 0);
    }
}

static int expects_alice;

static void look (zmq_msg_t *msg)
{
    const char *user = zmq_msg_gets (msg, "User-Id");
    CHECK (expects_alice ? user && !strcmp (user, "Alice") : !user);
}

static void run (int group, int number, int left)
{
    int pair = pair_of (number), type = left ? pairs[pair].server : pairs[pair].client;
    void *ctx = ctx_new (), *s = sock (ctx, type), *handler = NULL;
    pthread_t thread;
    inspect = look;
    expects_alice = left && has_handler (group);
    if (expects_alice) {
        handler = sock (ctx, ZMQ_REP);
        OK (zmq_bind (handler, "inproc://zeromq.zap.01"));
        IS (pthread_create (&thread, NULL, handle, handler), 0);
    }
    if (left)
        gssapi_server (s, "zmq@localhost", is_plaintext (group));
    else
        gssapi_client (s, "alice", "zmq@localhost", is_plaintext (group));
    run_exchange (s, type, left ? pairs[pair].client : pairs[pair].server, left, "tcp", left == number % 2);
    OK (zmq_ctx_shutdown (ctx));
    if (handler)
        IS (pthread_join (thread, NULL), 0);
    OK (zmq_ctx_term (ctx));
}

int main (int argc, char **argv)
{
    static const interop_t what = {"interop_gssapi", GROUPS, cases, name, run};
    int failed;
    if (argc == 4) {
        if (!kdc_is_installed ()) {
            fprintf (stderr, "interop_gssapi: please install krb5-kdc and krb5-admin-server\n");
            return 2;
        }
        setenv ("INTEROP_LABEL", argv[3], 1);
        kdc_start ();
    }
    failed = interop_main (&what, argc, argv);
    kdc_end ();
    return failed;
}
