/*
 * Transports over families of the kernel's that few machines have whole: zmq_vsock(7). What libzmq 4.3.6 answers is known
 * from a build of it with drafts; Debian's has no vsock (known-differences.txt).
 */
#include "families.h"

/* What the monitor heard of this event, which is the next. */
static void heard (void *mon, int want, const char *address)
{
    event_at (__FILE__, __LINE__, mon, want, address);
}

/* Endpoints as they are given, as monitors name who is bound to them, and as ZMQ_LAST_ENDPOINT does, if the port is not
 * the system's choice. */
GROUP (vsock_names)
{
    static const struct { const char *given, *heard, *last; } good[] = {
        {"vsock://*:5555", "vsock://*:5555", "vsock://*:5555"}, {"vsock://*:*", "vsock://*:*", NULL},
        {"vsock://3:5555", "vsock://3:5555", "vsock://3:5555"}, {"vsock://1:5556", "vsock://1:5556", "vsock://1:5556"},
        {"vsock://-1:5", "vsock://*:5", "vsock://*:5"},         {"vsock://3:-1", "vsock://3:*", NULL},
        {"vsock://3: 5x", "vsock://3:5", "vsock://3:5"},        {"vsock://0x3:*", NULL, NULL},
        {"vsock://77:5", NULL, NULL}};
    static const char *const bad[] = {"vsock://3", "vsock://:5", "vsock://3:", "vsock://x:5", "vsock://3:*5", "vsock://@1:5",
                                      "vsock://4294967296:5"};
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_ROUTER), *mon = monitor (ctx, s);
    char ep[EP_SIZE];
    IS (zmq_has ("vsock"), 1);
    families_are_ours = 1;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        if (!good[i].heard) {
            FAILS (zmq_bind (s, good[i].given), EADDRNOTAVAIL);
            uint32_t value;
            IS (next_event (mon, &value, ep), ZMQ_EVENT_CLOSED);
            IS (event_at (__FILE__, __LINE__, mon, ZMQ_EVENT_BIND_FAILED, good[i].given + 8), EADDRNOTAVAIL);
            continue;
        }
        OK (zmq_bind (s, good[i].given));
        heard (mon, ZMQ_EVENT_LISTENING, good[i].heard);
        last_endpoint (s, ep);
        if (good[i].last)
            CHECK (!strcmp (ep, good[i].last));
        else
            CHECK (!strchr (strrchr (ep, ':'), '*') && atoi (strrchr (ep, ':') + 1) >= 10000);
        FAILS (zmq_bind (s, ep), EADDRINUSE);
        heard (mon, ZMQ_EVENT_CLOSED, ep);
        heard (mon, ZMQ_EVENT_BIND_FAILED, ep + 8);
        OK (zmq_unbind (s, ep));
        heard (mon, ZMQ_EVENT_CLOSED, good[i].heard);
        FAILS (zmq_unbind (s, ep), ENOENT);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        IS (zmq_bind (s, bad[i]), -1);
        IS (event_at (__FILE__, __LINE__, mon, ZMQ_EVENT_BIND_FAILED, bad[i] + 8), EINVAL);
        FAILS (zmq_connect (s, bad[i]), EINVAL);
    }
    OK (zmq_close (mon));
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

/* Both ends of a connection: what monitors call it, short and long messages, parts, and a peer that comes again. */
static void talk (const char *bound, const char *(*reached_by) (void *s, char *ep), const char *accepted)
{
    void *ctx = ctx_new (), *rep = sock (ctx, ZMQ_REP), *req = sock (ctx, ZMQ_REQ), *mon, *there;
    static char big[300000], back[sizeof big];
    char at[EP_SIZE];
    memset (big, 'b', sizeof big);
    set_int (req, ZMQ_RECONNECT_IVL, 10);
    set_int (req, ZMQ_REQ_RELAXED, 1);
    mon = monitor (ctx, req);
    for (int round = 0; round < 2; round++) {
        EVENTUALLY (zmq_bind (rep, bound) == 0, 5000);
        there = monitor (ctx, rep);
        if (round == 0)
            OK (zmq_connect (req, reached_by (rep, at)));
        SEND (req, "one", ZMQ_SNDMORE);
        IS (zmq_send (req, big, sizeof big, 0), sizeof big);
        RECV (rep, "one");
        IS (zmq_recv (rep, back, sizeof back, 0), sizeof back);
        CHECK (!memcmp (big, back, sizeof big));
        SEND (rep, "two", 0);
        RECV (req, "two");
        if (!accepted)
            last_endpoint (rep, at);
        event_at (__FILE__, __LINE__, there, ZMQ_EVENT_ACCEPTED, accepted ? accepted : at);
        OK (zmq_close (there));
        OK (zmq_close (rep));
        rep = sock (ctx, ZMQ_REP);
    }
    OK (zmq_close (mon));
    OK (zmq_close (rep));
    OK (zmq_close (req));
    OK (zmq_ctx_term (ctx));
}

static const char *by_machine (void *s UNUSED, char *ep UNUSED)
{
    return "vsock://3:6000";
}

GROUP (vsock_messages)
{
    families_are_ours = 1;
    talk ("vsock://*:6000", by_machine, "vsock://*:6000");
    talk ("vsock://3:6000", by_machine, "vsock://3:6000");
}

/* Whoever nobody listens to is refused, and asked again. ZMQ_LAST_ENDPOINT is what was given, as libzmq writes it. */
GROUP (vsock_connects)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_DEALER), *mon = monitor (ctx, s), *in;
    char ep[EP_SIZE];
    families_are_ours = 1;
    set_int (s, ZMQ_RECONNECT_IVL, 10);
    OK (zmq_connect (s, "vsock://3:7000"));
    last_endpoint (s, ep);
    CHECK (!strcmp (ep, "vsock://3:7000"));
    heard (mon, ZMQ_EVENT_CLOSED, ep);
    heard (mon, ZMQ_EVENT_CONNECT_RETRIED, ep);
    CHECK (last_connected.vm.svm_cid == 3 && last_connected.vm.svm_port == 7000);
    in = sock (ctx, ZMQ_DEALER);
    OK (zmq_bind (in, "vsock://*:7000"));
    SEND (s, "x", 0);
    RECV (in, "x");
    OK (zmq_disconnect (s, ep));
    FAILS (zmq_disconnect (s, ep), ENOENT);
    OK (zmq_connect (s, "vsock://*:*"));
    last_endpoint (s, ep);
    CHECK (!strcmp (ep, "vsock://*:*"));
    OK (zmq_connect (s, "vsock://@:1"));
    EVENTUALLY (last_connected.vm.svm_cid == VMADDR_CID_HOST && last_connected.vm.svm_port == 1, 5000);
    OK (zmq_close (mon));
    OK (zmq_close (in));
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

/* The kernel's own, as far as it has any. */
GROUP (vsock_of_the_kernel)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
    char ep[EP_SIZE];
    int fd = socket (AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0), why = errno, port;
    if (fd == -1) {
        FAILS (zmq_bind (s, "vsock://*:*"), why);
    } else {
        OK (zmq_bind (s, "vsock://*:*"));
        last_endpoint (s, ep);
        IS (sscanf (ep, "vsock://*:%d", &port), 1);
        OK (zmq_unbind (s, ep));
        FAILS (zmq_bind (s, "vsock://4242:77777"), EADDRNOTAVAIL);
    }
    close (fd);
    OK (zmq_connect (out, "vsock://1:77777"));
    OK (zmq_close (out));
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

MAIN (ENTRY (vsock_names), ENTRY (vsock_messages), ENTRY (vsock_connects), ENTRY (vsock_of_the_kernel))
