/* Memory that there is not, and lengths that no object can have: an error, and nothing else has happened. */
#include "common.h"
#include <sched.h>

/* The address space that the process may have beyond what it has; -1: any. */
static void limit_memory (long extra)
{
    struct rlimit limit;
    CHECK (getrlimit (RLIMIT_AS, &limit) == 0);
    limit.rlim_cur = RLIM_INFINITY;
    if (extra >= 0) {
        unsigned long pages = 0;
        FILE *file = fopen ("/proc/self/statm", "r");
        CHECK (file && fscanf (file, "%lu", &pages) == 1);
        fclose (file);
        limit.rlim_cur = pages * 4096 + (unsigned long) extra;
    }
    CHECK (setrlimit (RLIMIT_AS, &limit) == 0);
}

/* Takes what malloc has left. */
static void use_memory_up (void)
{
    limit_memory (0);
    for (size_t size = 1 << 20; size >= 16; size /= 2)
        while (malloc (size))
            ;
}

static const size_t impossible[] = {(size_t) -1,  (size_t) -2,  (size_t) -9,
                                    (size_t) -40, (size_t) -99, (size_t) 1 << 63};
#define IMPOSSIBLE (sizeof impossible / sizeof *impossible)

static void pair_over (const char *transport, void **ctx, void **a, void **b)
{
    char ep[EP_SIZE];
    *ctx = ctx_new ();
    *a = sock (*ctx, ZMQ_PAIR);
    *b = sock (*ctx, ZMQ_PAIR);
    set_int (*a, ZMQ_RCVTIMEO, 10000);
    set_int (*b, ZMQ_RCVTIMEO, 10000);
    bind_any (*a, transport, ep);
    OK (zmq_connect (*b, ep));
    SEND (*b, "hello", 0);
    RECV (*a, "hello");
}

static void sizes_over (const char *transport)
{
    void *ctx, *a, *b;
    pair_over (transport, &ctx, &a, &b);
    for (unsigned i = 0; i < IMPOSSIBLE; i++)
        for (int flags = 0; flags < 4; flags++) {
            struct iovec vector = {"x", impossible[i]};
            zmq_msg_t msg;
            FAILS (zmq_send (b, "x", impossible[i], flags), ENOMEM);
            FAILS (zmq_sendiov (b, &vector, 1, flags), ENOMEM);
            FAILS (zmq_msg_init_size (&msg, impossible[i]), ENOMEM);
        }
    SEND (b, "after", 0);
    RECV (a, "after");
    /* More room than there can be is room enough. */
    char buf[16] = "";
    SEND (b, "long", 0);
    IS (zmq_recv (a, buf, (size_t) -1, 0), 4);
    CHECK (!strcmp (buf, "long"));
    OK (zmq_close (a));
    OK (zmq_close (b));
    OK (zmq_ctx_term (ctx));
}

GROUP (sizes_of_messages)
{
    sizes_over ("inproc");
    sizes_over ("ipc");
    sizes_over ("tcp");
}

GROUP (sizes_of_options)
{
    static const int options[] = {ZMQ_AFFINITY, ZMQ_ROUTING_ID, ZMQ_LINGER, ZMQ_MAXMSGSIZE, ZMQ_PLAIN_USERNAME, ZMQ_CURVE_PUBLICKEY,
                                  ZMQ_ZAP_DOMAIN};
    char value[100] = "some value";
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PAIR);
    for (unsigned i = 0; i < IMPOSSIBLE; i++)
        for (unsigned o = 0; o < sizeof options / sizeof *options; o++)
            FAILS (zmq_setsockopt (s, options[o], value, impossible[i]), EINVAL);
    for (unsigned i = 0; i < IMPOSSIBLE; i++) {
        size_t size = impossible[i];
        FAILS (zmq_getsockopt (s, ZMQ_LINGER, value, &size), EINVAL);
    }
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

/* libzmq ends the process, or takes what there cannot be. */
GROUP (sizes_that_libzmq_accepts)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_SUB), *x = sock (ctx, ZMQ_XPUB), *d = sock (ctx, ZMQ_DEALER);
    char value[100] = "127.0.0.1";
    for (unsigned i = 0; i < IMPOSSIBLE; i++) {
        zmq_msg_t msg;
        FAILS (zmq_setsockopt (s, ZMQ_SUBSCRIBE, value, impossible[i]), EINVAL);
        FAILS (zmq_setsockopt (s, ZMQ_UNSUBSCRIBE, value, impossible[i]), EINVAL);
        FAILS (zmq_setsockopt (x, ZMQ_XPUB_WELCOME_MSG, value, impossible[i]), EINVAL);
        FAILS (zmq_setsockopt (d, ZMQ_CONNECT_ROUTING_ID, value, impossible[i]), EINVAL);
        FAILS (zmq_msg_init_data (&msg, value, impossible[i], NULL, NULL), ENOMEM);
        FAILS (zmq_send_const (d, value, impossible[i], ZMQ_DONTWAIT), ENOMEM);
    }
    OK (zmq_setsockopt (s, ZMQ_SUBSCRIBE, "a", 1));
    for (int i = 0; i < 500; i++)
        free (malloc ((size_t) i * 16));
    OK (zmq_close (s));
    OK (zmq_close (x));
    OK (zmq_close (d));
    OK (zmq_ctx_term (ctx));
}

#define BIG ((size_t) 200 << 20)

/* A message that there is no memory for is not sent, and the messages around it are. */
static void no_memory_for_copy (const char *transport, int sender, int receiver, int late)
{
    char ep[EP_SIZE];
    char *big = malloc (BIG);
    void *ctx = ctx_new (), *from = sock (ctx, sender), *to = sock (ctx, receiver);
    CHECK (big);
    memset (big, 1, BIG);
    set_int (to, ZMQ_RCVTIMEO, 10000);
    if (receiver == ZMQ_SUB)
        OK (zmq_setsockopt (to, ZMQ_SUBSCRIBE, "", 0));
    if (receiver == ZMQ_DEALER)
        OK (zmq_setsockopt (to, ZMQ_ROUTING_ID, "peer", 4));
    if (late)
        free_tcp (ep);
    else
        bind_any (to, transport, ep);
    OK (zmq_connect (from, ep));
    if (sender == ZMQ_ROUTER)
        set_int (from, ZMQ_ROUTER_MANDATORY, 1);
    if (!late && sender == ZMQ_ROUTER)
        EVENTUALLY (zmq_send (from, "peer", 4, ZMQ_SNDMORE) == 4 && zmq_send (from, "hello", 5, 0) == 5, 5000);
    else if (!late && sender == ZMQ_PUB)
        EVENTUALLY (zmq_send (from, "hello", 5, 0) == 5 && readable (to, 20), 5000);
    else
        SEND (from, "hello", 0);
    if (!late)
        RECV (to, "hello");
    while (!late && sender == ZMQ_PUB && zmq_recv (to, ep, sizeof ep, ZMQ_DONTWAIT) == 5)
        ;
    for (int flags = 0; flags < 2; flags++) {
        if (sender == ZMQ_ROUTER)
            SEND (from, "peer", ZMQ_SNDMORE);
        limit_memory (64 << 20);
        FAILS (zmq_send (from, big, BIG, flags), ENOMEM);
        limit_memory (-1);
        SEND (from, "one", ZMQ_SNDMORE);
        limit_memory (64 << 20);
        FAILS (zmq_send (from, big, BIG, flags), ENOMEM);
        FAILS (zmq_send (from, big, BIG, flags | ZMQ_SNDMORE), ENOMEM);
        limit_memory (-1);
        SEND (from, "two", 0);
    }
    if (late) {
        OK (zmq_bind (to, ep));
        RECV (to, "hello");
    }
    for (int flags = 0; flags < 2; flags++) {
        RECV (to, "one");
        IS (RCVMORE (to), 1);
        RECV (to, "two");
        IS (RCVMORE (to), 0);
    }
    OK (zmq_close (from));
    OK (zmq_close (to));
    OK (zmq_ctx_term (ctx));
    free (big);
}

GROUP (no_memory_for_a_copy)
{
    static const char *transports[] = {"inproc", "ipc", "tcp"};
    for (int t = 0; t < 3; t++) {
        no_memory_for_copy (transports[t], ZMQ_PAIR, ZMQ_PAIR, 0);
        no_memory_for_copy (transports[t], ZMQ_PUSH, ZMQ_PULL, 0);
        no_memory_for_copy (transports[t], ZMQ_PUB, ZMQ_SUB, 0);
        no_memory_for_copy (transports[t], ZMQ_ROUTER, ZMQ_DEALER, 0);
    }
    no_memory_for_copy ("tcp", ZMQ_PUSH, ZMQ_PULL, 1);
    no_memory_for_copy ("tcp", ZMQ_DEALER, ZMQ_DEALER, 1);
}

/* A thread's first malloc takes 64 MiB of addresses. That of the I/O thread must not come between looking how many there are and
 * the limit: somebody it has accepted has sent something. */
static void io_thread_has_memory (void *ctx)
{
    void *in = sock (ctx, ZMQ_PAIR), *out = sock (ctx, ZMQ_PAIR);
    char ep[EP_SIZE];
    bind_any (in, "tcp", ep);
    OK (zmq_connect (out, ep));
    SEND (out, "hello", 0);
    RECV (in, "hello");
    OK (zmq_close (out));
    OK (zmq_close (in));
}

/* Sends until memory is used up, and receives exactly what was accepted. */
static void queue_until_no_memory (const char *transport, size_t size)
{
    char ep[EP_SIZE];
    char *body = calloc (1, size), *got = malloc (size);
    unsigned sent = 0, received = 0;
    void *ctx = ctx_new (), *push = sock (ctx, ZMQ_PUSH), *pull = sock (ctx, ZMQ_PULL);
    int late = !strcmp (transport, "late");
    set_int (pull, ZMQ_RCVTIMEO, 10000);
    set_int (push, ZMQ_SNDHWM, 0);
    set_int (pull, ZMQ_RCVHWM, 1);
    if (late)
        free_tcp (ep);
    else
        bind_any (pull, transport, ep);
    if (!strcmp (transport, "inproc"))
        set_int (pull, ZMQ_RCVHWM, 0);
    OK (zmq_connect (push, ep));
    SEND (push, "hello", 0);
    if (!late)
        RECV (pull, "hello");
    io_thread_has_memory (ctx);
    limit_memory (24 << 20);
    for (;;) {
        memcpy (body, &sent, sizeof sent);
        if (zmq_send (push, body, size, ZMQ_DONTWAIT) == -1)
            break;
        sent++;
    }
    IS (errno, ENOMEM);
    CHECK (sent > 100);
    limit_memory (-1);
    if (late) {
        OK (zmq_bind (pull, ep));
        RECV (pull, "hello");
    }
    for (; received < sent; received++) {
        IS (zmq_recv (pull, got, size, 0), (int) size);
        CHECK (!memcmp (got, &received, sizeof received));
    }
    FAILS (zmq_recv (pull, got, size, ZMQ_DONTWAIT), EAGAIN);
    OK (zmq_close (push));
    OK (zmq_close (pull));
    OK (zmq_ctx_term (ctx));
    free (body);
    free (got);
}

/* libzmq ends the process. */
GROUP (no_memory_for_a_queue)
{
    queue_until_no_memory ("late", 1000);
    queue_until_no_memory ("late", 30);
    queue_until_no_memory ("late", 20000);
    queue_until_no_memory ("tcp", 1000);
    queue_until_no_memory ("tcp", 20000);
    queue_until_no_memory ("ipc", 300);
    queue_until_no_memory ("inproc", 30);
    queue_until_no_memory ("inproc", 1000);
    queue_until_no_memory ("inproc", 20000);
}

/* What came through the process is received although there is no memory left. */
GROUP (received_without_memory)
{
    void *ctx, *a, *b;
    char body[300];
    zmq_msg_t first, msg[8];
    pair_over ("inproc", &ctx, &a, &b);
    for (int i = 0; i < 9; i++) {
        memset (body, 'a' + i, sizeof body);
        IS (zmq_send (b, body, sizeof body, i < 8 ? ZMQ_SNDMORE : 0), (int) sizeof body);
    }
    OK (zmq_msg_init (&first));
    IS (zmq_msg_recv (&first, a, 0), (int) sizeof body);
    use_memory_up ();
    for (int i = 0; i < 8; i++) {
        OK (zmq_msg_init (&msg[i]));
        IS (zmq_msg_recv (&msg[i], a, 0), (int) sizeof body);
        IS (zmq_msg_more (&msg[i]), i < 7);
    }
    /* Others use the queue meanwhile. */
    limit_memory (-1);
    for (int i = 0; i < 100; i++) {
        SEND (b, "between", 0);
        RECV (a, "between");
    }
    for (int i = 0; i < 8; i++) {
        memset (body, 'b' + i, sizeof body);
        CHECK (zmq_msg_size (&msg[i]) == sizeof body && !memcmp (zmq_msg_data (&msg[i]), body, sizeof body));
        OK (zmq_msg_close (&msg[i]));
    }
    OK (zmq_msg_close (&first));
    OK (zmq_close (a));
    OK (zmq_close (b));
    OK (zmq_ctx_term (ctx));
}

static volatile int no_memory;

static void *poll_without_memory (void *s)
{
    while (!no_memory)
        sched_yield ();
    for (int i = 0; i < 3; i++) {
        zmq_pollitem_t item = {s, 0, ZMQ_POLLIN, 0};
        if (zmq_poll (&item, 1, 20) > 0)
            return s;
    }
    return NULL;
}

/* A thread that never waited before keeps nothing for its next waits, and waits all the same. */
GROUP (first_wait_without_memory)
{
    void *ctx, *a, *b, *wrong = NULL;
    pthread_t thread;
    zmq_pollitem_t item;
    pair_over ("inproc", &ctx, &a, &b);
    item = (zmq_pollitem_t){b, 0, ZMQ_POLLIN, 0};
    IS (pthread_create (&thread, NULL, poll_without_memory, a), 0);
    use_memory_up ();
    no_memory = 1;
    /* This one did not, either. */
    zmq_poll (&item, 1, 20);
    IS (pthread_join (thread, &wrong), 0);
    CHECK (!wrong);
    limit_memory (-1);
    IS (zmq_poll (&item, 1, 20), 0);
    SEND (a, "after", 0);
    IS (zmq_poll (&item, 1, 5000), 1);
    RECV (b, "after");
    OK (zmq_close (a));
    OK (zmq_close (b));
    OK (zmq_ctx_term (ctx));
}

MAIN (ENTRY (sizes_of_messages), ENTRY (sizes_of_options), ENTRY (sizes_that_libzmq_accepts), ENTRY (no_memory_for_a_copy),
      ENTRY (no_memory_for_a_queue), ENTRY (received_without_memory), ENTRY (first_wait_without_memory));
