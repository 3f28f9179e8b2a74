/*
 * Transports over families of the kernel's that few machines have whole: zmq_vsock(7), zmq_tipc(7). What libzmq 4.3.6 answers is known
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

/* A question and its answer. What is asked while a lost connection is still thought alive is lost. */
static int is_answered (void *req, void *rep)
{
    char got[8];
    SEND (req, "again", 0);
    if (!readable (rep, 50))
        return 0;
    IS (zmq_recv (rep, got, sizeof got, 0), 5);
    SEND (rep, "yes", 0);
    return readable (req, 500) && zmq_recv (req, got, sizeof got, 0) == 3;
}

/* Both ends of a connection: what monitors call it, short and long messages, parts, and a peer that comes again. */
static void talk (const char *bound, const char *reached_by, const char *accepted)
{
    void *ctx = ctx_new (), *rep = sock (ctx, ZMQ_REP), *req = sock (ctx, ZMQ_REQ), *mon = monitor (ctx, rep);
    static char big[300000], back[sizeof big];
    char at[EP_SIZE];
    uint32_t value;
    memset (big, 'b', sizeof big);
    set_int (req, ZMQ_RECONNECT_IVL, 10);
    set_int (req, ZMQ_REQ_RELAXED, 1);
    OK (zmq_bind (rep, bound));
    IS (next_event (mon, &value, at), ZMQ_EVENT_LISTENING);
    OK (zmq_connect (req, reached_by));
    SEND (req, "one", ZMQ_SNDMORE);
    IS (zmq_send (req, big, sizeof big, 0), sizeof big);
    RECV (rep, "one");
    IS (zmq_recv (rep, back, sizeof back, 0), sizeof back);
    CHECK (!memcmp (big, back, sizeof big));
    SEND (rep, "two", 0);
    RECV (req, "two");
    last_endpoint (rep, at);
    heard (mon, ZMQ_EVENT_ACCEPTED, accepted ? accepted : at);
    OK (zmq_socket_monitor (rep, NULL, 0));
    OK (zmq_close (mon));
    OK (zmq_close (rep));
    rep = sock (ctx, ZMQ_REP);
    EVENTUALLY (zmq_bind (rep, bound) == 0, 5000);
    EVENTUALLY (is_answered (req, rep), 10000);
    OK (zmq_close (rep));
    OK (zmq_close (req));
    OK (zmq_ctx_term (ctx));
}

GROUP (vsock_messages)
{
    families_are_ours = 1;
    talk ("vsock://*:6000", "vsock://3:6000", "vsock://*:6000");
    talk ("vsock://3:6000", "vsock://3:6000", "vsock://3:6000");
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

/* ---- zmq_tipc(7) --------------------------------------------------------------------------------------------------- */

static uint32_t failed_bind (void *s, void *mon, const char *given)
{
    IS (zmq_bind (s, given), -1);
    return event_at (__FILE__, __LINE__, mon, ZMQ_EVENT_BIND_FAILED, given + 7);
}

/* Endpoints, as monitors name them, and what the kernel is asked for. Who is bound to a service is unbound by that. */
GROUP (tipc_names)
{
    static const struct { const char *given, *heard; uint8_t kind; uint32_t numbers[3]; } good[] = {
        {"tipc://{5560,0,0}", "tipc://{5560, 0, 0}", TIPC_ADDR_NAMESEQ, {5560, 0, 0}},
        {"tipc://{5560, 3,9}x", "tipc://{5560, 3, 9}", TIPC_ADDR_NAMESEQ, {5560, 3, 9}},
        {"tipc://{5560,3}@0.0.0", "tipc://{5560, 3, 0}", TIPC_ADDR_NAME, {5560, 3, 0}},
        {"tipc://{5560,3}", "tipc://{5560, 3, 16777216}", TIPC_ADDR_NAME, {5560, 3, 1u << 24}},
        {"tipc://<*>", NULL, 0, {0, 0, 0}}};
    static const char *const bad[] = {"tipc://{63,0,0}", "tipc://{5560,9,3}", "tipc://{5560}", "tipc://{5560,3}@1", "tipc://<*",
                                      "tipc://5560,0", "tipc://<1.2.3>"};
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_ROUTER), *mon = monitor (ctx, s);
    char ep[EP_SIZE];
    unsigned reference;
    IS (zmq_has ("tipc"), 1);
    families_are_ours = 1;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        memset (&last_bound, 0, sizeof last_bound);
        OK (zmq_bind (s, good[i].given));
        IS (last_bound.tipc.addrtype, good[i].kind);
        CHECK (!memcmp (&last_bound.tipc.addr, good[i].numbers, sizeof good[i].numbers));
        IS (last_bound.tipc.scope, good[i].kind == TIPC_ADDR_NAMESEQ ? TIPC_ZONE_SCOPE : 0);
        last_endpoint (s, ep);
        IS (sscanf (ep, "tipc://<1.1.10:%u>", &reference), 1);
        heard (mon, ZMQ_EVENT_LISTENING, good[i].heard ? good[i].heard : ep);
        if (good[i].heard) {
            OK (zmq_unbind (s, good[i].given));
            heard (mon, ZMQ_EVENT_CLOSED, good[i].heard);
            FAILS (zmq_unbind (s, good[i].given), ENOENT);
        }
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        failed_bind (s, mon, bad[i]);
        IS (zmq_connect (s, bad[i]), -1);
    }
    FAILS (zmq_connect (s, "tipc://<*>"), EINVAL);
    IS (failed_bind (s, mon, "tipc://<1.2.3:4>"), EINVAL);
    OK (zmq_close (mon));
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

/* With an errno, and unbound by what ZMQ_LAST_ENDPOINT says: libzmq does neither. */
GROUP (tipc_names_that_work)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_ROUTER);
    char ep[EP_SIZE];
    families_are_ours = 1;
    static const char *const given[] = {"tipc://{5560,7,9}", "tipc://{5560,7}@0.0.0", "tipc://<*>"};
    for (int i = 0; i < 3; i++) {
        OK (zmq_bind (s, given[i]));
        last_endpoint (s, ep);
        OK (zmq_unbind (s, ep));
        FAILS (zmq_unbind (s, ep), ENOENT);
        FAILS (zmq_unbind (s, given[i]), ENOENT);
    }
    OK (zmq_connect (s, "tipc://{5560,7}@0.0.0"));
    last_endpoint (s, ep);
    CHECK (!strcmp (ep, "tipc://{5560, 7, 0}"));
    OK (zmq_disconnect (s, ep));
    FAILS (zmq_bind (s, "tipc://{5560,9,3}"), EINVAL);
    FAILS (zmq_connect (s, "tipc://{63,0}"), EINVAL);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

GROUP (tipc_messages)
{
    families_are_ours = 1;
    talk ("tipc://{5560,3,9}", "tipc://{5560,7}@0.0.0", NULL);
}

/* A socket is reached by its reference as long as it listens. */
GROUP (tipc_references)
{
    void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH), *mon = monitor (ctx, out);
    char ep[EP_SIZE];
    families_are_ours = 1;
    OK (zmq_bind (in, "tipc://<*>"));
    last_endpoint (in, ep);
    OK (zmq_connect (out, ep));
    SEND (out, "x", 0);
    RECV (in, "x");
    heard (mon, ZMQ_EVENT_CONNECTED, ep);
    OK (zmq_close (mon));
    OK (zmq_close (in));
    OK (zmq_close (out));
    OK (zmq_ctx_term (ctx));
}

/* The kernel's own, as far as it has any. */
GROUP (tipc_of_the_kernel)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PULL), *mon = monitor (ctx, s);
    int fd = socket (AF_TIPC, SOCK_STREAM | SOCK_CLOEXEC, 0), why = errno;
    if (fd == -1)
        IS (failed_bind (s, mon, "tipc://{5560,0,0}"), why);
    else
        OK (zmq_bind (s, "tipc://{5560,0,0}"));
    OK (zmq_connect (s, "tipc://{5560,0}@0.0.0"));
    if (fd >= 0)
        close (fd);
    OK (zmq_close (mon));
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

MAIN (ENTRY (vsock_names), ENTRY (vsock_messages), ENTRY (vsock_connects), ENTRY (vsock_of_the_kernel), ENTRY (tipc_names),
      ENTRY (tipc_names_that_work), ENTRY (tipc_messages), ENTRY (tipc_references), ENTRY (tipc_of_the_kernel))
