/*
 * Everything comes and goes, for SOAK_SECONDS (3600), and nothing is left: after each round the process is measured when it is at
 * rest. What it has in memory, what malloc has given out, its descriptors and its threads are in the last third of the time what
 * they were in the first but for little, or it fails. A line is printed each minute. `make soak`, tools/soak.sh.
 */
#include "common.h"
#include <malloc.h>

static unsigned seed;
static unsigned below (unsigned limit) { return (unsigned) rand_r (&seed) % limit; }

/* What lives as long as the process, as in a server. */
static void *base, *router, *pull, *push, *xpub, *sub, *curve;
static char router_ep[EP_SIZE], pull_ep[EP_SIZE], xpub_ep[EP_SIZE], curve_ep[EP_SIZE];
static char server_public[41], server_secret[41];
static char body[1 << 20];
static long lent, freed;

static void begin (void)
{
    base = ctx_new ();
    OK (zmq_ctx_set (base, ZMQ_MAX_SOCKETS, 5000));
    bind_any (router = sock (base, ZMQ_ROUTER), "tcp", router_ep);
    bind_any (pull = sock (base, ZMQ_PULL), "ipc", pull_ep);
    OK (zmq_connect (push = sock (base, ZMQ_PUSH), pull_ep));
    bind_any (xpub = sock (base, ZMQ_XPUB), "tcp", xpub_ep);
    OK (zmq_connect (sub = sock (base, ZMQ_SUB), xpub_ep));
    curve = sock (base, ZMQ_PULL);
    OK (zmq_curve_keypair (server_public, server_secret));
    set_int (curve, ZMQ_CURVE_SERVER, 1);
    OK (zmq_setsockopt (curve, ZMQ_CURVE_SECRETKEY, server_secret, 41));
    bind_any (curve, "tcp", curve_ep);
    void *all[] = {router, pull, push, xpub, sub, curve};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        set_int (all[i], ZMQ_RCVTIMEO, 20000);
        set_int (all[i], ZMQ_SNDTIMEO, 20000);
        set_int (all[i], ZMQ_SNDHWM, 0);
        set_int (all[i], ZMQ_RCVHWM, 0);
    }
}

/* ---- what comes and goes --------------------------------------------------------------------------------------------- */

static void connections (void)
{
    void *ctx = ctx_new (), *s[30];
    char id[32];
    for (int i = 0; i < 30; i++) {
        OK (zmq_connect (s[i] = sock (ctx, ZMQ_DEALER), router_ep));
        SEND (s[i], "hello", 0);
    }
    for (int i = 0; i < 30; i++) {
        int n = zmq_recv (router, id, sizeof id, 0);
        CHECK (n > 0);
        RECV (router, "hello");
        IS (zmq_send (router, id, (size_t) n, ZMQ_SNDMORE), n);
        SEND (router, "answer", 0);
    }
    for (int i = 0; i < 30; i++) {
        set_int (s[i], ZMQ_RCVTIMEO, 20000);
        RECV (s[i], "answer");
        OK (zmq_close (s[i]));
    }
    OK (zmq_ctx_term (ctx));
}

/* Peers that say nothing, something else, or half of it. */
static void strangers (void)
{
    int fds[20];
    for (int i = 0; i < 20; i++) {
        fds[i] = raw_connect (i % 2 ? router_ep : curve_ep);
        raw_write (fds[i], "\377\0\0\0\0\0\0\0\0\177\3\0CURVE\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", below (40));
    }
    for (int i = 0; i < 20; i++) {
        struct linger reset = {1, 0};
        if (below (2))
            setsockopt (fds[i], SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close (fds[i]);
    }
}

static void sockets (void)
{
    void *s[120];
    for (int i = 0; i < 120; i++)
        s[i] = sock (base, i % 12);
    for (int i = 0; i < 120; i++)
        OK (zmq_close (s[i]));
}

static void contexts (void)
{
    for (int i = 0; i < 5; i++) {
        void *ctx = ctx_new (), *a = sock (ctx, ZMQ_PAIR), *b = sock (ctx, ZMQ_PAIR);
        OK (zmq_ctx_set (ctx, ZMQ_IO_THREADS, 1 + (int) below (3)));
        OK (zmq_bind (a, "inproc://a"));
        OK (zmq_connect (b, "inproc://a"));
        SEND (a, "unread", 0);
        OK (zmq_close (b));
        OK (zmq_close (a));
        OK (zmq_ctx_term (ctx));
    }
}

static void subscriptions (void)
{
    char topic[32], got[40];
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 1000; i++) {
            int n = sprintf (topic, "%d.topic", i);
            OK (zmq_setsockopt (sub, round ? ZMQ_UNSUBSCRIBE : ZMQ_SUBSCRIBE, topic, (size_t) n));
        }
    for (int i = 0; i < 2000; i++)
        CHECK (zmq_recv (xpub, got, sizeof got, 0) > 0);
}

static void bursts (void)
{
    static const char *const transports[] = {"tcp", "ipc", "inproc"};
    void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
    char ep[EP_SIZE];
    set_int (in, ZMQ_RCVHWM, 0);
    set_int (out, ZMQ_SNDHWM, 0);
    set_int (in, ZMQ_RCVTIMEO, 20000);
    bind_any (in, transports[below (3)], ep);
    OK (zmq_connect (out, ep));
    for (int i = 0; i < 4000; i++)
        IS (zmq_send (out, body, 1000, 0), 1000);
    for (int i = 0; i < 5; i++)
        IS (zmq_send (out, body, sizeof body, 0), sizeof body);
    /* Of some bursts the end is never read. */
    for (int i = 0, read = below (2) ? 4005 : 100; i < read; i++)
        CHECK (zmq_recv (in, body, sizeof body, 0) > 0);
    OK (zmq_close (out));
    OK (zmq_close (in));
    OK (zmq_ctx_term (ctx));
    /* And over what stays. */
    for (int i = 0; i < 4000; i++)
        IS (zmq_send (push, body, 1000, 0), 1000);
    for (int i = 0; i < 4000; i++)
        IS (zmq_recv (pull, body, sizeof body, 0), 1000);
}

static void reconnects (void)
{
    void *ctx = ctx_new (), *out = sock (ctx, ZMQ_PUSH);
    char ep[EP_SIZE];
    free_tcp (ep);
    set_int (out, ZMQ_RECONNECT_IVL, 2);
    OK (zmq_connect (out, ep));
    for (int i = 0; i < 4; i++) {
        void *theirs = ctx_new (), *in = sock (theirs, ZMQ_PULL);
        /* What is sent while the last one goes may go with it. */
        set_int (in, ZMQ_RCVTIMEO, 100);
        if (zmq_bind (in, ep) == 0 && zmq_send (out, "again", 5, ZMQ_DONTWAIT) == 5)
            zmq_recv (in, body, 100, 0);
        OK (zmq_close (in));
        OK (zmq_ctx_term (theirs));
    }
    OK (zmq_close (out));
    OK (zmq_ctx_term (ctx));
}

static void encrypted (void)
{
    void *ctx = ctx_new ();
    char public[41], secret[41];
    for (int i = 0; i < 6; i++) {
        void *s = sock (ctx, ZMQ_PUSH);
        OK (zmq_curve_keypair (public, secret));
        OK (zmq_setsockopt (s, ZMQ_CURVE_PUBLICKEY, public, 41));
        OK (zmq_setsockopt (s, ZMQ_CURVE_SECRETKEY, secret, 41));
        /* One of them has the wrong key, and gets nowhere. */
        OK (zmq_setsockopt (s, ZMQ_CURVE_SERVERKEY, i == 3 ? public : server_public, 41));
        OK (zmq_connect (s, curve_ep));
        set_int (s, ZMQ_SNDHWM, 10);
        IS (zmq_send (s, body, 5000, 0), 5000);
        if (i != 3)
            IS (zmq_recv (curve, body, sizeof body, 0), 5000);
        OK (zmq_close (s));
    }
    OK (zmq_ctx_term (ctx));
}

static void monitors (void)
{
    for (int i = 0; i < 5; i++) {
        void *s = sock (base, ZMQ_DEALER), *mon = monitor (base, s);
        char address[EP_SIZE];
        uint32_t value;
        OK (zmq_connect (s, router_ep));
        set_int (mon, ZMQ_RCVTIMEO, 20000);
        while (next_event (mon, &value, address) != ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
            ;
        if (i % 2)
            OK (zmq_socket_monitor (s, NULL, 0));
        OK (zmq_close (s));
        OK (zmq_close (mon));
    }
}

static void give_back (void *data, void *hint)
{
    (void) hint;
    free (data);
    __atomic_add_fetch (&freed, 1, __ATOMIC_RELAXED);
}

static void lends (void)
{
    for (int i = 0; i < 200; i++, lent++) {
        zmq_msg_t msg, copy;
        size_t size = 1 + below (20000);
        OK (zmq_msg_init_data (&msg, calloc (1, size), size, give_back, NULL));
        OK (zmq_msg_init (&copy));
        OK (zmq_msg_copy (&copy, &msg));
        IS (zmq_msg_send (&msg, push, 0), size);
        OK (zmq_msg_recv (&msg, pull, 0));
        OK (zmq_msg_close (&msg));
        OK (zmq_msg_close (&copy));
    }
    EVENTUALLY (__atomic_load_n (&freed, __ATOMIC_RELAXED) == lent, 20000);
}

static void endpoints (void)
{
    void *s = sock (base, ZMQ_DEALER);
    char ep[EP_SIZE];
    for (int i = 0; i < 10; i++) {
        bind_any (s, i % 3 == 0 ? "tcp" : i % 3 == 1 ? "ipc" : "inproc", ep);
        OK (zmq_connect (s, router_ep));
        OK (zmq_disconnect (s, router_ep));
        OK (zmq_unbind (s, ep));
        snprintf (ep, sizeof ep, "inproc://never-%d", i);
        OK (zmq_connect (s, ep));
        zmq_send (s, "half", 4, ZMQ_SNDMORE | ZMQ_DONTWAIT);
        zmq_send (s, "whole", 5, ZMQ_DONTWAIT);
        if (i % 2)
            OK (zmq_disconnect (s, ep));
    }
    OK (zmq_close (s));
    /* What was sent to a name waits for who binds it, until the context ends, as with libzmq. */
    s = sock (base, ZMQ_DEALER);
    for (int i = 0; i < 10; i++) {
        snprintf (ep, sizeof ep, "inproc://never-%d", i);
        OK (zmq_bind (s, ep));
    }
    OK (zmq_close (s));
}

static void *a_thread (void *arg)
{
    void *s = sock (base, ZMQ_DEALER);
    (void) arg;
    OK (zmq_connect (s, router_ep));
    SEND (s, "from a thread", 0);
    OK (zmq_close (s));
    return NULL;
}

static void of_threads (void)
{
    pthread_t threads[6];
    for (int i = 0; i < 6; i++)
        IS (pthread_create (&threads[i], NULL, a_thread, NULL), 0);
    for (int i = 0; i < 6; i++)
        IS (pthread_join (threads[i], NULL), 0);
    /* Closed without linger: some have sent it, others not. */
    while (readable (router, 5))
        CHECK (zmq_recv (router, body, sizeof body, 0) >= 0);
}

static const struct churn
{
    const char *name;
    void (*run) (void);
} churns[] = {{"connections", connections}, {"strangers", strangers}, {"sockets", sockets}, {"contexts", contexts}, {"subscriptions", subscriptions},
              {"bursts", bursts}, {"reconnects", reconnects}, {"encrypted", encrypted}, {"monitors", monitors}, {"lends", lends},
              {"endpoints", endpoints}, {"threads", of_threads}};
enum { CHURNS = sizeof churns / sizeof *churns };

/* ---- what is left ---------------------------------------------------------------------------------------------------- */

enum { RESIDENT, GIVEN_OUT, DESCRIPTORS, TASKS, MEASURES };
static const char *const names[MEASURES] = {"KiB in memory", "KiB given out by malloc", "descriptors", "threads"};
/* By how much the last third may be above the first: malloc keeps pages in pieces, and gives out some for what is on its way. */
static const long grows[MEASURES] = {3000, 60, 0, 0};
typedef struct
{
    long of[MEASURES];
} sample_t;

static sample_t measure (void)
{
    unsigned long all = 0, pages = 0;
    FILE *file = fopen ("/proc/self/statm", "r");
    struct mallinfo2 info = mallinfo2 ();
    sample_t now;
    CHECK (file && fscanf (file, "%lu %lu", &all, &pages) == 2);
    fclose (file);
    now.of[RESIDENT] = (long) (pages * 4);
    now.of[GIVEN_OUT] = (long) ((info.uordblks + info.hblkhd) / 1024);
    now.of[DESCRIPTORS] = entries_of ("/proc/self/fd");
    now.of[TASKS] = entries_of ("/proc/self/task");
    return now;
}

/* The least of some measurements: what is still on its way then is not what is left. */
static sample_t at_rest (void)
{
    sample_t least = measure ();
    for (int i = 0; i < 25; i++) {
        sleep_ms (20);
        sample_t now = measure ();
        for (int m = 0; m < MEASURES; m++)
            if (now.of[m] < least.of[m])
                least.of[m] = now.of[m];
    }
    return least;
}

static int by_size (const void *a, const void *b) { return *(const long *) a < *(const long *) b ? -1 : *(const long *) a > *(const long *) b; }

static long median (const sample_t *samples, int count, int what)
{
    static long sorted[100000];
    for (int i = 0; i < count; i++)
        sorted[i] = samples[i].of[what];
    qsort (sorted, (size_t) count, sizeof *sorted, by_size);
    return sorted[count / 2];
}

int main (int argc, char **argv)
{
    (void) argc;
    static sample_t samples[100000];
    const char *given = getenv ("SOAK_SECONDS");
    int64_t start = now_ms (), end = start + (given ? atoi (given) : 3600) * 1000L, said = 0;
    int count = 0, failed = 0;
    /* What malloc keeps for each thread counts as given out, and grows until there is some of each size. */
    if (!getenv ("GLIBC_TUNABLES")) {
        setenv ("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", 1);
        execv ("/proc/self/exe", argv);
    }
    setvbuf (stdout, NULL, _IOLBF, 0);
    seed = seed_from ("SOAK_SEED");
    printf ("SOAK_SEED=%u\n", seed);
    begin ();
    /* What is made once is there after some rounds. */
    for (int round = -4; round < 0 || (now_ms () < end && count < 100000) || count < 9; round++) {
        for (int i = 0; i < CHURNS * 2; i++) {
            const struct churn *next = &churns[i < CHURNS ? (unsigned) i : below (CHURNS)];
            /* Who hangs is known by name. */
            alarm (300);
            if (getenv ("SOAK_ALOUD"))
                fprintf (stderr, "%s\n", next->name);
            next->run ();
        }
        if (round < 0)
            continue;
        sample_t now = samples[count++] = at_rest ();
        if (now_ms () - said > 60000) {
            said = now_ms ();
            printf ("   %5d s, round %5d: %ld KiB in memory, %ld given out, %ld descriptors, %ld threads\n", (int) (said - start) / 1000, round, now.of[RESIDENT],
                    now.of[GIVEN_OUT], now.of[DESCRIPTORS], now.of[TASKS]);
        }
    }
    for (int m = 0; m < MEASURES; m++) {
        long first = median (samples, count / 3, m), last = median (samples + count - count / 3, count / 3, m);
        int bad = last - first > grows[m];
        failed += bad;
        printf ("%s soak:%s: %ld at first, %ld at last, in %d rounds of %d\n", bad ? "FAIL" : "ok", names[m], first, last, count, CHURNS * 2);
    }
    void *all[] = {router, pull, push, xpub, sub, curve};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        OK (zmq_close (all[i]));
    OK (zmq_ctx_term (base));
    return failed != 0;
}
