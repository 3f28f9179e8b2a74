/*  zbench: one C program that measures any libzmq-compatible library.
 *
 *  Build once:   cc -O2 -o zbench zbench.c $(pkg-config --cflags --libs libzmq) -lpthread
 *  Run against:  LD_LIBRARY_PATH=<dir holding libzmq.so.5> ./zbench MODE ARGS...
 *  `make bench` does both and compares; see bench/README.md.
 *
 *  Every mode prints one line: "MODE ARGS | name=value ...".
 *  Rates are per second; latencies are one-way microseconds (round trip / 2);
 *  cpu is user+system microseconds per message over every process involved.
 *
 *    lat   ENDPOINT SIZE COUNT          REQ/REP ping-pong (DEALER/DEALER with "lat-dd")
 *    thr   ENDPOINT SIZE COUNT          PUSH -> PULL, zmq_send/zmq_recv
 *    thrm  ENDPOINT SIZE COUNT          PUSH -> PULL, zmq_msg_init_data/zmq_msg_recv (zero copy)
 *    pub   ENDPOINT SIZE COUNT SUBS     one PUB, SUBS subscribers, lossless (XPUB_NODROP)
 *    rtr   ENDPOINT SIZE COUNT CLIENTS  ROUTER echo, CLIENTS DEALERs, 16 in flight each
 *    radio ENDPOINT SIZE COUNT [DISHES] RADIO -> DISHES, lossless; udp: one (needs a libzmq with drafts)
 *    pipe2 ENDPOINT SIZE COUNT          PUSH -> (PULL zmq_proxy PUSH) -> PULL
 *    conn  ENDPOINT CLIENTS             connect, handshake and one message from each client
 *    subs  TOPICS COUNT                 TOPICS subscriptions, COUNT publishes matched
 *    idle  ENDPOINT CLIENTS SECONDS     cpu burnt by CLIENTS idle connections
 *    fanin   ENDPOINT SIZE COUNT CLIENTS ACTIVE  CLIENTS PUSH -> one PULL; ACTIVE of them send, in turn
 *    fanout  ENDPOINT SIZE COUNT CLIENTS ACTIVE  one PUB -> CLIENTS SUB, lossless; ACTIVE of them match
 *    fanecho ENDPOINT SIZE COUNT CLIENTS ACTIVE  ROUTER echo; ACTIVE of CLIENTS DEALERs ask in turn, 64 in flight
 *    hog   SECONDS                      does nothing, with all its might: the other work of a busy machine
 *    rawlat ENDPOINT SIZE COUNT         the same ping-pong with plain send/recv: the floor (tcp, ipc)
 *    rawthr ENDPOINT SIZE COUNT         length-prefixed messages batched by hand into 64 KiB writes: the ceiling
 *
 *  ENDPOINT is tcp | ws | wss | ipc | inproc; a "+curve" suffix turns CURVE on (tcp+curve), and first makes
 *  sure that the library really speaks it: an unencrypted run must not pass for a fast one.
 *  inproc runs both sides as threads of one process, the others as two processes.
 */
#define _GNU_SOURCE
#define ZMQ_BUILD_DRAFT_API /* for `radio` */
#include <zmq.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#include "world.h"

static size_t size;
static long count;
static int peers, dd;
static double t_elapsed;

/* -------------------------------------------------------------------- lat */
static void lat_peer (void)
{
    void *c = ctx_get_one (), *s = sock (c, dd ? ZMQ_DEALER : ZMQ_REP, 1);
    MUST (!zmq_bind (s, ep_a));
    char *b = malloc (size + 1);
    for (long i = 0; i < count + 1000; i++) {
        int n = zmq_recv (s, b, size, 0);
        MUST (n == (int) size);
        MUST (zmq_send (s, b, size, 0) == n);
    }
    zmq_close (s);
    ctx_drop (c);
    free (b);
}
static double *lat;
static void lat_main (void)
{
    void *c = ctx_get_one (), *s = sock (c, dd ? ZMQ_DEALER : ZMQ_REQ, 0);
    usleep (100000);
    MUST (!zmq_connect (s, ep_a));
    char *b = calloc (1, size + 1);
    lat = malloc (sizeof (double) * count);
    for (long i = -1000; i < count; i++) {
        double t = now_s ();
        MUST (zmq_send (s, b, size, 0) == (int) size);
        MUST (zmq_recv (s, b, size, 0) == (int) size);
        if (i >= 0) { lat[i] = (now_s () - t) / 2 * 1e6; t_elapsed += lat[i] * 2e-6; }
    }
    zmq_close (s);
    ctx_drop (c);
    free (b);
}

/* -------------------------------------------------------------------- thr
 * The first message tells that the connection is there. The second one carries the time at which the
 * sender began: a clock that the receiver starts would not see what was queued before it woke up. */
static int zero_copy;
static double began_at (const void *body)
{
    double t;
    memcpy (&t, body, sizeof t);
    return t;
}
static void no_free (void *d, void *h) { (void) d; (void) h; }
static void thr_peer (void)
{
    void *c = ctx_get_one (), *s = sock (c, ZMQ_PUSH, 0);
    usleep (100000);
    MUST (!zmq_connect (s, ep_a));
    char *b = calloc (1, size + 1);
    for (long i = 0; i < count + 1; i++) {
        if (i == 1) {
            usleep (100000);
            double t = now_s ();
            memcpy (b, &t, sizeof t);
        }
        if (zero_copy) {
            zmq_msg_t m;
            MUST (!zmq_msg_init_data (&m, b, size, no_free, NULL));
            MUST (zmq_msg_send (&m, s, 0) == (int) size);
        } else
            MUST (zmq_send (s, b, size, 0) == (int) size);
    }
    zmq_close (s);
    ctx_drop (c);
    if (!zero_copy) free (b);
}
static void thr_recv (const char *ep)
{
    void *c = ctx_get_one (), *s = sock (c, ZMQ_PULL, 1);
    MUST (!zmq_bind (s, ep));
    char *b = malloc (size + 1);
    zmq_msg_t m;
    zmq_msg_init (&m);
    double t = 0;
    for (long i = 0; i < count + 1; i++) {
        int n = zero_copy ? zmq_msg_recv (&m, s, 0) : zmq_recv (s, b, size, 0);
        MUST (n == (int) size);
        if (i == 1) t = began_at (zero_copy ? zmq_msg_data (&m) : b);
    }
    t_elapsed = now_s () - t;
    zmq_msg_close (&m);
    zmq_close (s);
    ctx_drop (c);
    free (b);
}
static void thr_main (void) { thr_recv (ep_a); }

#include "udp.h"

/* -------------------------------------------------------------------- pub */
static void *sub_thread (void *c)
{
    void *s = sock (c, ZMQ_SUB, 0);
    hwm (s, 0);
    MUST (!zmq_setsockopt (s, ZMQ_SUBSCRIBE, "A", 1));
    MUST (!zmq_connect (s, ep_a));
    char *b = malloc (size + 1);
    for (long i = 0; i < count; i++) MUST (zmq_recv (s, b, size, 0) == (int) size);
    zmq_close (s);
    free (b);
    return NULL;
}
static void pub_peer (void)
{
    void *c = ctx_get_one ();
    usleep (100000);
    pthread_t *t = calloc (peers, sizeof *t);
    for (int i = 0; i < peers; i++) pthread_create (&t[i], NULL, sub_thread, c);
    for (int i = 0; i < peers; i++) pthread_join (t[i], NULL);
    free (t);
    ctx_drop (c);
}
static void pub_main (void)
{
    void *c = ctx_get_one (), *s = sock (c, ZMQ_XPUB, 1);
    int one = 1;
    MUST (!zmq_setsockopt (s, ZMQ_XPUB_NODROP, &one, sizeof one));
    MUST (!zmq_setsockopt (s, ZMQ_XPUB_VERBOSE, &one, sizeof one));
    MUST (!zmq_bind (s, ep_a));
    char *b = calloc (1, size + 1), in[16];
    b[0] = 'A';
    for (int i = 0; i < peers; i++) MUST (zmq_recv (s, in, sizeof in, 0) == 2);
    double t = now_s ();
    for (long i = 0; i < count; i++) MUST (zmq_send (s, b, size, 0) == (int) size);
    zmq_close (s);
    t_elapsed = -t; /* main adds the time when the last subscriber is done */
    ctx_drop (c);
    free (b);
}

/* -------------------------------------------------------------------- rtr */
static void rtr_peer (void)
{
    void *c = ctx_get_one ();
    usleep (100000);
    void **s = calloc (peers, sizeof *s);
    zmq_pollitem_t *it = calloc (peers, sizeof *it);
    long *left = calloc (peers, sizeof *left), *sent = calloc (peers, sizeof *sent);
    char *b = calloc (1, size + 1);
    long each = count / peers, alive = peers;
    for (int i = 0; i < peers; i++) {
        s[i] = sock (c, ZMQ_DEALER, 0);
        MUST (!zmq_connect (s[i], ep_a));
        it[i] = (zmq_pollitem_t) {s[i], 0, ZMQ_POLLIN, 0};
        left[i] = each;
        for (int k = 0; k < 16 && sent[i] < each; k++, sent[i]++)
            MUST (zmq_send (s[i], b, size, 0) == (int) size);
    }
    while (alive) {
        MUST (zmq_poll (it, peers, 20000) > 0);
        for (int i = 0; i < peers; i++)
            if (it[i].revents & ZMQ_POLLIN)
                while (left[i] && zmq_recv (s[i], b, size, ZMQ_DONTWAIT) == (int) size) {
                    if (!--left[i]) alive--;
                    if (sent[i] < each) { sent[i]++; MUST (zmq_send (s[i], b, size, 0) == (int) size); }
                }
    }
    for (int i = 0; i < peers; i++) zmq_close (s[i]);
    ctx_drop (c);
}
static void rtr_main (void)
{
    void *c = ctx_get_one (), *s = sock (c, ZMQ_ROUTER, 1);
    hwm (s, 0);
    MUST (!zmq_bind (s, ep_a));
    zmq_msg_t id, body;
    double t = 0;
    long n = count / peers * peers;
    for (long i = 0; i < n; i++) {
        zmq_msg_init (&id);
        zmq_msg_init (&body);
        MUST (zmq_msg_recv (&id, s, 0) >= 0);
        MUST (zmq_msg_recv (&body, s, 0) == (int) size);
        if (!i) t = now_s ();
        MUST (zmq_msg_send (&id, s, ZMQ_SNDMORE) >= 0);
        MUST (zmq_msg_send (&body, s, 0) >= 0);
    }
    t_elapsed = now_s () - t;
    zmq_close (s);
    ctx_drop (c);
}

/* ------------------------------------------------------------------ pipe2 */
static void *proxy_thread (void *arg)
{
    void **f = arg;
    zmq_proxy (f[0], f[1], NULL);
    zmq_close (f[0]);
    zmq_close (f[1]);
    return NULL;
}
static void pipe2_main (void)
{
    void *c = ctx_get_one ();
    void *f[2] = {sock (c, ZMQ_PULL, 1), sock (c, ZMQ_PUSH, 1)};
    MUST (!zmq_bind (f[0], ep_a) && !zmq_bind (f[1], ep_b));
    pthread_t t;
    pthread_create (&t, NULL, proxy_thread, f);
    void *s = sock (c, ZMQ_PULL, 0);
    MUST (!zmq_connect (s, ep_b));
    char *b = malloc (size + 1);
    double t0 = 0;
    for (long i = 0; i < count + 1; i++) {
        MUST (zmq_recv (s, b, size, 0) == (int) size);
        if (i == 1) t0 = began_at (b);
    }
    t_elapsed = now_s () - t0;
    zmq_close (s);
    zmq_ctx_shutdown (c);
    pthread_join (t, NULL);
    ctx_drop (c);
}

/* ------------------------------------------------------------- conn, idle */
static double idle_secs;
static long rss_per_conn_b;
static double cpu_idle;
static void conn_peer (void)
{
    void *c = ctx_get_one ();
    usleep (100000);
    void **s = calloc (peers, sizeof *s);
    for (int i = 0; i < peers; i++) {
        s[i] = sock (c, ZMQ_PUSH, 0);
        MUST (!zmq_connect (s[i], ep_a));
        MUST (zmq_send (s[i], "x", 1, 0) == 1);
    }
    if (idle_secs > 0) usleep ((useconds_t) ((idle_secs + 1) * 1e6));
    else usleep (300000);
    for (int i = 0; i < peers; i++) zmq_close (s[i]);
    ctx_drop (c);
}
static void conn_main (void)
{
    void *c = ctx_get_one (), *s = sock (c, ZMQ_PULL, 1);
    int bl = 4096;
    MUST (!zmq_setsockopt (s, ZMQ_BACKLOG, &bl, sizeof bl));
    MUST (!zmq_bind (s, ep_a));
    long r0 = rss_kib ();
    usleep (100000);
    double t = now_s ();
    char b[8];
    for (int i = 0; i < peers; i++) MUST (zmq_recv (s, b, sizeof b, 0) == 1);
    t_elapsed = now_s () - t;
    rss_per_conn_b = (rss_kib () - r0) * 1024 / peers;
    if (idle_secs > 0) {
        usleep (500000); /* what follows the last message is not idle yet */
        double c0 = cpu_of (RUSAGE_SELF);
        usleep ((useconds_t) (idle_secs * 1e6));
        cpu_idle = cpu_of (RUSAGE_SELF) - c0;
    }
    zmq_close (s);
    ctx_drop (c);
}

/* ------------------------------------------------- fanin, fanout, fanecho */
#include "fan.h"

/* -------------------------------------------------------------------- raw */
#include "raw.h"

/* ------------------------------------------------------------------- subs */
static void subs_run (long topics)
{
    void *c = zmq_ctx_new (), *p = zmq_socket (c, ZMQ_XPUB), *s = zmq_socket (c, ZMQ_SUB);
    hwm (p, 0);
    hwm (s, 0);
    MUST (!zmq_bind (p, "inproc://subs") && !zmq_connect (s, "inproc://subs"));
    char t[64];
    long r0 = rss_kib ();
    double t0 = now_s ();
    for (long i = 0; i < topics; i++) {
        int n = snprintf (t, sizeof t, "market/%ld/instrument/%ld", i % 997, i);
        MUST (!zmq_setsockopt (s, ZMQ_SUBSCRIBE, t, n));
    }
    for (long i = 0; i < topics; i++) MUST (zmq_recv (p, t, sizeof t, 0) > 0);
    double t1 = now_s ();
    long r1 = rss_kib ();
    unsigned x = 12345;
    for (long i = 0; i < count; i++) {
        x = x * 1664525u + 1013904223u;
        long k = x % topics;
        int n = snprintf (t, sizeof t, "market/%ld/instrument/%ld", k % 997, k);
        MUST (zmq_send (p, t, n, 0) == n);
    }
    for (long i = 0; i < count; i++) MUST (zmq_recv (s, t, sizeof t, 0) > 0);
    double t2 = now_s ();
    printf ("subs %ld %ld | subscribe=%.0f/s match=%.0f/s mem=%.0fB/topic\n", topics, count,
            topics / (t1 - t0), count / (t2 - t1), (r1 - r0) * 1024.0 / topics);
    zmq_close (p);
    zmq_close (s);
    zmq_ctx_term (c);
}

/* As many descriptors as the mode needs with either library. */
static void raise_descriptors (int connections)
{
    struct rlimit limit;
    rlim_t want = 1024 + 4 * (rlim_t) connections;
    MUST (!getrlimit (RLIMIT_NOFILE, &limit));
    if (limit.rlim_cur >= want) return;
    limit.rlim_cur = want;
    if (limit.rlim_max < want) limit.rlim_max = want; /* for root only */
    if (setrlimit (RLIMIT_NOFILE, &limit)) {
        getrlimit (RLIMIT_NOFILE, &limit);
        limit.rlim_cur = limit.rlim_max; /* enough, or a call will fail and say so */
        MUST (!setrlimit (RLIMIT_NOFILE, &limit));
    }
}

static int usage (void)
{
    fprintf (stderr, "usage: see the top of zbench.c\n");
    return 2;
}

/* It must outlive neither its time nor who started it. */
static int hog (double seconds)
{
    volatile unsigned spins = 0;
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    for (double until = now_s () + seconds; now_s () < until;)
        for (int i = 0; i < 10000; i++) spins++;
    return 0;
}

/* conn and idle. */
static int connections (const char *where, double began)
{
    raise_descriptors (peers);
    beside (conn_peer, conn_main);
    if (idle_secs > 0)
        printf ("idle %s %d | cpu_ms_per_s=%.3f\n", where, peers, cpu_idle / idle_secs * 1e3);
    else
        printf ("conn %s %d | connects=%.0f/s rss=%ldB/conn cpu=%.1fus/conn\n", where, peers,
                peers / t_elapsed, rss_per_conn_b, (cpu_all () - began) / peers * 1e6);
    return 0;
}

/* lat, lat-dd and rawlat. */
static int latency (const char *m, const char *where, int raw, double began)
{
    dd = !raw && m[3] != 0;
    if (raw) beside (rawlat_peer, rawlat_main);
    else beside (lat_peer, lat_main);
    qsort (lat, count, sizeof *lat, cmp_d);
    printf ("%s %s %zu | p50=%.2f p99=%.2f p999=%.2f mean=%.2f us cpu=%.2fus/rt\n", m, where, size,
            lat[count / 2], lat[count * 99 / 100], lat[count * 999 / 1000],
            t_elapsed / count / 2 * 1e6, (cpu_all () - began) / (count + 1000) * 1e6);
    return 0;
}

/* The modes that tell a rate. */
static int throughput (const char *m, const char *where, double began)
{
    if (!strcmp (m, "thr") || !strcmp (m, "thrm")) {
        zero_copy = m[3] != 0;
        beside (thr_peer, thr_main);
    } else if (!strcmp (m, "pub")) {
        beside (pub_peer, pub_main);
        t_elapsed += now_s ();
    } else if (!strcmp (m, "rtr"))
        beside (rtr_peer, rtr_main);
    else if (!strcmp (m, "rawthr"))
        beside (rawthr_peer, rawthr_main);
    else if (!strcmp (m, "radio") && zmq_join && !strcmp (kind, "udp"))
        beside (radio_peer, radio_main);
    else if (!strcmp (m, "radio") && zmq_join) {
        beside (dishes_peer, dishes_main);
        t_elapsed += now_s ();
    }
    else if (!strcmp (m, "pipe2"))
        beside (thr_peer, pipe2_main);
    else { fprintf (stderr, "zbench: unknown mode %s\n", m); return 2; }
    double n = (double) count * (!strcmp (m, "pub") || !strcmp (m, "radio") ? peers : 1);
    printf ("%s %s %zu x%d | rate=%.0f/s MBps=%.1f cpu=%.3fus/msg\n", m, where, size, peers,
            n / t_elapsed, n / t_elapsed * size / 1e6, (cpu_all () - began) / n * 1e6);
    return 0;
}

int main (int argc, char **v)
{
    if (argc < 3) return usage ();
    const char *m = v[1];
    if (!strcmp (m, "hog")) return hog (atof (v[2]));
    if (argc < 4) return usage ();
    if (!strcmp (m, "subs")) { count = atol (v[3]); subs_run (atol (v[2])); return 0; }
    set_world (v[2]);
    if (curve) check_curve ();
    double began = cpu_all ();
    if (!strcmp (m, "conn") || !strcmp (m, "idle")) {
        if (*m == 'i' && argc < 5) return usage ();
        peers = atoi (v[3]);
        if (*m == 'i') idle_secs = atof (v[4]);
        return connections (v[2], began);
    }
    if (argc < 5) return usage ();
    size = strtoul (v[3], 0, 10);
    count = atol (v[4]);
    peers = argc > 5 ? atoi (v[5]) : 1;
    if (size < sizeof (double) || size > INT32_MAX || count < 1 || peers < 1) {
        fprintf (stderr, "zbench: SIZE from 8, COUNT and the number of peers from 1\n");
        return 2;
    }
    raise_descriptors (peers);
    if (!strncmp (m, "fan", 3)) {
        active = argc > 6 ? atoi (v[6]) : peers;
        if (active < 1 || active > peers) { fprintf (stderr, "zbench: ACTIVE from 1 to CLIENTS\n"); return 2; }
        fan_mode = m;
        fan_run (v[2]);
        return 0;
    }
    int raw = !strncmp (m, "raw", 3);
    if (raw) raw_open ();
    if (!strcmp (m, "lat") || !strcmp (m, "lat-dd") || !strcmp (m, "rawlat"))
        return latency (m, v[2], raw, began);
    return throughput (m, v[2], began);
}
