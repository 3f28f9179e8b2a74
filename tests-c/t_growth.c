/*
 * What opens and closes sockets, makes and takes back endpoints, and ends pipes does not grow with how many there are: four times as
 * many cost four times the processor time of the calling thread, and not sixteen times. Each is measured several times,
 * and the least counts: other work on the machine only ever adds.
 */
#include "common.h"
#include <malloc.h>
#include <time.h>

enum { FEW = 1000, MANY = 4 * FEW, TIMES = 4 };

static double cpu_ms (void)
{
    struct timespec t;
    CHECK (clock_gettime (CLOCK_THREAD_CPUTIME_ID, &t) == 0);
    return (double) t.tv_sec * 1e3 + (double) t.tv_nsec / 1e6;
}

/* What some work costs in two parts, for so many. */
typedef void work_t (int count, double *first, double *second);

static void linear_from (int few, int times, const char *what, work_t *work)
{
    double least[2][2] = {{1e9, 1e9}, {1e9, 1e9}};
    /* What many need and few do not is pages that are given back and come anew. */
    mallopt (M_TRIM_THRESHOLD, 256 << 20);
    for (int i = 0; i < times; i++)
        for (int many = 0; many < 2; many++) {
            double cost[2];
            work (many ? 4 * few : few, &cost[0], &cost[1]);
            for (int part = 0; part < 2; part++)
                least[many][part] = cost[part] < least[many][part] ? cost[part] : least[many][part];
        }
    for (int part = 0; part < 2; part++) {
        /* Between 4 and 16; what takes no time says nothing. */
        if (least[1][part] > 8 * least[0][part] + 1)
            fail_at (__FILE__, __LINE__, "%s, part %d: %.2f ms for %d, %.2f ms for %d", what, part + 1, least[0][part], few,
                     least[1][part], 4 * few);
    }
}

static void linear (const char *what, work_t *work) { linear_from (FEW, TIMES, what, work); }

static void sockets (int count, double *first, double *second)
{
    static void *s[MANY];
    void *ctx = ctx_new ();
    OK (zmq_ctx_set (ctx, ZMQ_MAX_SOCKETS, MANY + 10));
    double start = cpu_ms ();
    for (int i = 0; i < count; i++)
        CHECK ((s[i] = zmq_socket (ctx, ZMQ_PUSH)));
    double opened = cpu_ms ();
    for (int i = 0; i < count; i++)
        OK (zmq_close (s[i]));
    *second = cpu_ms () - opened;
    *first = opened - start;
    OK (zmq_ctx_term (ctx));
}

typedef int call_t (void *, const char *);

static void endpoints (int type, const char *format, int count, call_t *make, call_t *end, double *first, double *second)
{
    void *ctx = ctx_new (), *s = sock (ctx, type);
    char ep[EP_SIZE];
    /* Nobody comes back meanwhile. */
    set_int (s, ZMQ_RECONNECT_IVL, 100000);
    double start = cpu_ms ();
    for (int i = 0; i < count; i++) {
        snprintf (ep, sizeof ep, format, (int) getpid (), i);
        OK (make (s, ep));
    }
    double made = cpu_ms ();
    for (int i = 0; i < count; i++) {
        snprintf (ep, sizeof ep, format, (int) getpid (), i);
        OK (end (s, ep));
    }
    *second = cpu_ms () - made;
    *first = made - start;
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

static void ipc_connects (int count, double *first, double *second)
{
    endpoints (ZMQ_PUSH, "ipc://@zt-grow-%d-%d", count, zmq_connect, zmq_disconnect, first, second);
}

static void single_connects (int count, double *first, double *second)
{
    endpoints (ZMQ_SUB, "ipc://@zt-grow-%d-%d", count, zmq_connect, zmq_disconnect, first, second);
}

static void inproc_connects (int count, double *first, double *second)
{
    endpoints (ZMQ_PUSH, "inproc://grow-%d-%d", count, zmq_connect, zmq_disconnect, first, second);
}

static void inproc_binds (int count, double *first, double *second)
{
    endpoints (ZMQ_PULL, "inproc://grow-%d-%d", count, zmq_bind, zmq_unbind, first, second);
}

/* Each name has a peer. */
static void inproc_peers (int count, double *first, double *second)
{
    void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
    char ep[EP_SIZE];
    double start = cpu_ms ();
    for (int i = 0; i < count; i++) {
        snprintf (ep, sizeof ep, "inproc://grow-%d", i);
        OK (zmq_bind (in, ep));
        OK (zmq_connect (out, ep));
    }
    double made = cpu_ms ();
    for (int i = 0; i < count; i++) {
        snprintf (ep, sizeof ep, "inproc://grow-%d", i);
        OK (zmq_disconnect (out, ep));
        OK (zmq_unbind (in, ep));
    }
    *second = cpu_ms () - made;
    *first = made - start;
    OK (zmq_close (out));
    OK (zmq_close (in));
    OK (zmq_ctx_term (ctx));
}

/* As many peers at once as it takes until a search of all of them for each of them shows. */
enum { PEERS = 4000 };

/* What the ends of one socket's pipes to another cost: of that which has connected and sent, or subscribed, and of the other one,
 * which hears of them all at once. */
static void many_pipes (int connects, int binds, int count, double *first, double *second)
{
    void *ctx = ctx_new (), *a = sock (ctx, connects), *b = sock (ctx, binds);
    int events;
    size_t size = sizeof events;
    OK (zmq_bind (b, "inproc://many"));
    if (connects == ZMQ_SUB)
        OK (zmq_setsockopt (a, ZMQ_SUBSCRIBE, "", 0));
    for (int i = 0; i < count; i++)
        OK (zmq_connect (a, "inproc://many"));
    OK (zmq_getsockopt (b, ZMQ_EVENTS, &events, &size));
    for (int i = 0; connects == ZMQ_PUSH && i < count; i++)
        SEND (a, "m", 0);
    double start = cpu_ms ();
    OK (zmq_close (a));
    double closed = cpu_ms ();
    OK (zmq_getsockopt (b, ZMQ_EVENTS, &events, &size));
    OK (zmq_close (b));
    *second = cpu_ms () - closed;
    *first = closed - start;
    OK (zmq_ctx_term (ctx));
}

static void senders (int count, double *first, double *second)
{
    many_pipes (ZMQ_PUSH, ZMQ_PULL, count, first, second);
}

static void subscribers (int count, double *first, double *second)
{
    many_pipes (ZMQ_SUB, ZMQ_PUB, count, first, second);
}

GROUP (open_and_close) { linear ("open and close", sockets); }
GROUP (connect_and_disconnect) { linear ("connect and disconnect", ipc_connects); }
GROUP (connect_once_and_disconnect) { linear ("connect and disconnect of a SUB", single_connects); }
GROUP (connect_and_disconnect_within) { linear ("connect and disconnect within the process", inproc_connects); }
GROUP (bind_and_unbind_within) { linear ("bind and unbind within the process", inproc_binds); }
GROUP (with_peers_within) { linear ("bind and connect, disconnect and unbind within the process", inproc_peers); }
GROUP (many_senders_within) { linear_from (PEERS, 2, "many senders within the process", senders); }
GROUP (many_subscribers_within) { linear_from (PEERS, 2, "many subscribers within the process", subscribers); }

MAIN (ENTRY (open_and_close), ENTRY (connect_and_disconnect), ENTRY (connect_once_and_disconnect),
      ENTRY (connect_and_disconnect_within), ENTRY (bind_and_unbind_within), ENTRY (with_peers_within), ENTRY (many_senders_within), ENTRY (many_subscribers_within))
