/* Memory that was needed for a moment goes back to the system: a program that had a burst, many peers or many
 * subscriptions is as small afterwards as it was before. */
#include "common.h"

/* Kilobytes of the process that are in memory. */
static long resident (void)
{
    unsigned long all = 0, pages = 0;
    FILE *file = fopen ("/proc/self/statm", "r");
    CHECK (file && fscanf (file, "%lu %lu", &all, &pages) == 2);
    fclose (file);
    return (long) pages * (sysconf (_SC_PAGESIZE) / 1024);
}

/* Within two seconds, one of which is the machine's, nine tenths of what there was beyond `before` are back; two megabytes
 * are no matter. */
static void goes_back (const char *what, long before, long full)
{
    int64_t until = now_ms () + 2000;
    long now, left = (full - before) / 10 > 2200 ? (full - before) / 10 : 2200;
    CHECK (full > before + left);
    while ((now = resident ()) - before > left)
        if (now_ms () > until) {
            fail_at (__FILE__, __LINE__, "%s: %ld KiB at first, %ld at most, %ld at last", what, before, full, now);
            break;
        } else
            sleep_ms (20);
}

enum { BURST = 60000, SIZE = 1024 };

GROUP (a_drained_burst)
{
    static const char *const transports[] = {"tcp", "ipc", "inproc"};
    for (unsigned t = 0; t < 3; t++) {
        void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
        static char body[SIZE];
        char ep[EP_SIZE];
        long before, full;
        set_int (in, ZMQ_RCVHWM, 0);
        set_int (out, ZMQ_SNDHWM, 0);
        bind_any (in, transports[t], ep);
        OK (zmq_connect (out, ep));
        SEND (out, "first", 0);
        RECV (in, "first");
        before = resident ();
        for (int i = 0; i < BURST; i++)
            IS (zmq_send (out, body, SIZE, 0), SIZE);
        full = resident ();
        /* What waits has little around it: the kernel has some of it at most. */
        if (full - before > BURST / 1024 * SIZE * 12 / 10)
            fail_at (__FILE__, __LINE__, "%s: %ld KiB for %d", transports[t], full - before, BURST / 1024 * SIZE);
        for (int i = 0; i < BURST; i++)
            IS (zmq_recv (in, body, SIZE, 0), SIZE);
        goes_back (transports[t], before, full);
        OK (zmq_close (in));
        OK (zmq_close (out));
        OK (zmq_ctx_term (ctx));
    }
}

GROUP (peers_that_have_gone)
{
    enum { PEERS = 400 };
    static void *peers[PEERS];
    void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL);
    char ep[EP_SIZE];
    long before, full;
    bind_any (in, "tcp", ep);
    before = resident ();
    for (int i = 0; i < PEERS; i++) {
        peers[i] = sock (ctx, ZMQ_PUSH);
        OK (zmq_connect (peers[i], ep));
        SEND (peers[i], "here", 0);
    }
    for (int i = 0; i < PEERS; i++)
        RECV (in, "here");
    full = resident ();
    for (int i = 0; i < PEERS; i++)
        OK (zmq_close (peers[i]));
    goes_back ("peers", before, full);
    OK (zmq_close (in));
    OK (zmq_ctx_term (ctx));
}

GROUP (subscriptions_that_were_cancelled)
{
    enum { TOPICS = 200000 };
    void *ctx = ctx_new (), *pub = sock (ctx, ZMQ_XPUB), *sub = sock (ctx, ZMQ_SUB);
    char ep[EP_SIZE], topic[32], news[32];
    long before, full = 0;
    set_int (pub, ZMQ_RCVHWM, 0);
    set_int (sub, ZMQ_SNDHWM, 0);
    bind_any (pub, "tcp", ep);
    OK (zmq_connect (sub, ep));
    before = resident ();
    for (int cancel = 0; cancel < 2; cancel++) {
        for (int i = 0; i < TOPICS; i++) {
            int size = sprintf (topic, "some/topic/%d", i);
            OK (zmq_setsockopt (sub, cancel ? ZMQ_UNSUBSCRIBE : ZMQ_SUBSCRIBE, topic, (size_t) size));
        }
        for (int i = 0; i < TOPICS; i++)
            CHECK (zmq_recv (pub, news, sizeof news, 0) > 1 && news[0] == !cancel);
        if (!cancel)
            full = resident ();
    }
    goes_back ("subscriptions", before, full);
    OK (zmq_close (sub));
    OK (zmq_close (pub));
    OK (zmq_ctx_term (ctx));
}

#undef WATCHDOG
#define WATCHDOG 30
MAIN (ENTRY (a_drained_burst), ENTRY (peers_that_have_gone), ENTRY (subscriptions_that_were_cancelled))
