/* Clocks, endpoints, sockets and two sides of zbench.c, of which it is a part. */

/* Keys that are secret from nobody. */
#include "../tests-c/certificates.h"

#define MUST(x)                                                                \
    do {                                                                       \
        if (!(x)) {                                                            \
            fprintf (stderr, "zbench:%d: %s: %s\n", __LINE__, #x,              \
                     zmq_strerror (zmq_errno ()));                             \
            exit (1);                                                          \
        }                                                                      \
    } while (0)

static double now_s (void)
{
    struct timespec t;
    clock_gettime (CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}
static double cpu_of (int who)
{
    struct rusage r;
    getrusage (who, &r);
    return r.ru_utime.tv_sec + r.ru_stime.tv_sec
           + (r.ru_utime.tv_usec + r.ru_stime.tv_usec) * 1e-6;
}
static double cpu_all (void) { return cpu_of (RUSAGE_SELF) + cpu_of (RUSAGE_CHILDREN); }
static long rss_kib (void)
{
    long pages = 0;
    FILE *f = fopen ("/proc/self/statm", "r");
    if (f) {
        if (fscanf (f, "%*s %ld", &pages) != 1) pages = 0;
        fclose (f);
    }
    return pages * (sysconf (_SC_PAGESIZE) / 1024);
}
static int cmp_d (const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return x < y ? -1 : x > y;
}

/* ------------------------------------------------------------------ world */
static char kind[16];       /* tcp, ws, wss, ipc, udp or inproc */
static int curve;           /* +curve given */
static char ep_a[128], ep_b[128];
static char s_pub[41], s_sec[41], c_pub[41], c_sec[41];
static void *shared_ctx;    /* inproc only */

static int free_port (void)
{
    int fd = socket (AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    MUST (!bind (fd, (void *) &a, sizeof a) && !getsockname (fd, (void *) &a, &n));
    close (fd);
    return ntohs (a.sin_port);
}
static void set_world (const char *e)
{
    snprintf (kind, sizeof kind, "%s", e);
    char *plus = strchr (kind, '+');
    if (plus) { *plus = 0; curve = 1; }
    const char *tmp = getenv ("TMPDIR");
    char *out[2] = {ep_a, ep_b};
    for (int i = 0; i < 2; i++) {
        if (!strcmp (kind, "udp") && i == 0) snprintf (out[i], 128, "udp://127.0.0.1:%d", free_port ());
        else if (!strcmp (kind, "tcp") || !strcmp (kind, "ws") || !strcmp (kind, "wss")) snprintf (out[i], 128, "%s://127.0.0.1:%d", kind, free_port ());
        else if (!strcmp (kind, "ipc") || !strcmp (kind, "udp")) snprintf (out[i], 128, "ipc://%s/zbench-%d-%d", tmp ? tmp : "/tmp", (int) getpid (), i);
        else if (!strcmp (kind, "inproc")) snprintf (out[i], 128, "inproc://zbench-%d", i);
        else { fprintf (stderr, "zbench: unknown endpoint kind %s\n", e); exit (2); }
    }
    if (curve) {
        MUST (!zmq_curve_keypair (s_pub, s_sec));
        MUST (!zmq_curve_keypair (c_pub, c_sec));
    }
}
static void *ctx_get_one (void)
{
    if (!strcmp (kind, "inproc")) {
        if (!shared_ctx) { shared_ctx = zmq_ctx_new (); zmq_ctx_set (shared_ctx, ZMQ_MAX_SOCKETS, 20000); }
        return shared_ctx;
    }
    void *c = zmq_ctx_new ();
    zmq_ctx_set (c, ZMQ_MAX_SOCKETS, 20000);
    return c;
}
static void ctx_drop (void *c) { if (c != shared_ctx) MUST (!zmq_ctx_term (c)); }
static void hwm (void *s, int n)
{
    MUST (!zmq_setsockopt (s, ZMQ_SNDHWM, &n, sizeof n));
    MUST (!zmq_setsockopt (s, ZMQ_RCVHWM, &n, sizeof n));
}
/* The one side of wss has a certificate, the other one trusts who vouches for it. */
static void set_tls (void *s, int server)
{
    struct { int option; const char *text; } with[2][2] = {
        {{ZMQ_WSS_TRUST_PEM, authority_crt}, {ZMQ_WSS_HOSTNAME, "server.test"}},
        {{ZMQ_WSS_CERT_PEM, server_crt}, {ZMQ_WSS_KEY_PEM, server_key}},
    };
    for (int i = 0; i < 2; i++)
        MUST (!zmq_setsockopt (s, with[server][i].option, with[server][i].text, strlen (with[server][i].text)));
}

static void *sock (void *ctx, int type, int server)
{
    void *s = zmq_socket (ctx, type);
    MUST (s);
    if (curve && server) {
        int one = 1;
        MUST (!zmq_setsockopt (s, ZMQ_CURVE_SERVER, &one, sizeof one));
        MUST (!zmq_setsockopt (s, ZMQ_CURVE_SECRETKEY, s_sec, 40));
    } else if (curve) {
        MUST (!zmq_setsockopt (s, ZMQ_CURVE_SERVERKEY, s_pub, 40));
        MUST (!zmq_setsockopt (s, ZMQ_CURVE_PUBLICKEY, c_pub, 40));
        MUST (!zmq_setsockopt (s, ZMQ_CURVE_SECRETKEY, c_sec, 40));
    }
    if (!strcmp (kind, "wss")) set_tls (s, server);
    return s;
}

/* A CURVE server's greeting names its mechanism at octet 12 (RFC 37, "Mechanism"). */
static void check_curve (void)
{
    void *c = zmq_ctx_new (), *s = sock (c, ZMQ_REP, 1);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = 5};
    char endpoint[64], greeting[64] = {(char) 0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3};
    int port = free_port (), linger = 0;
    MUST (!zmq_setsockopt (s, ZMQ_LINGER, &linger, sizeof linger));
    snprintf (endpoint, sizeof endpoint, "tcp://127.0.0.1:%d", port);
    MUST (!zmq_bind (s, endpoint));
    a.sin_port = htons (port);
    int fd = socket (AF_INET, SOCK_STREAM, 0);
    MUST (!setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience));
    MUST (!connect (fd, (void *) &a, sizeof a));
    memcpy (greeting + 12, "CURVE", 5);
    MUST (send (fd, greeting, 64, MSG_NOSIGNAL) == 64);
    MUST (recv (fd, greeting, 64, MSG_WAITALL) == 64);
    if (memcmp (greeting + 12, "CURVE", 6)) {
        fprintf (stderr, "zbench: a CURVE server offers mechanism %.20s: not encrypted\n", greeting + 12);
        exit (1);
    }
    close (fd);
    zmq_close (s);
    MUST (!zmq_ctx_term (c));
}

/* Runs peer() beside main_side(): a thread for inproc, a process otherwise. */
typedef void (side_fn) (void);
static void *thread_main (void *f) { ((side_fn *) f) (); return NULL; }
static void beside (side_fn *peer, side_fn *main_side)
{
    if (!strcmp (kind, "inproc")) {
        ctx_get_one ();
        pthread_t t;
        MUST (!pthread_create (&t, NULL, thread_main, (void *) peer));
        main_side ();
        pthread_join (t, NULL);
        MUST (!zmq_ctx_term (shared_ctx));
    } else {
        pid_t p = fork ();
        if (!p) { peer (); exit (0); }
        main_side ();
        int st = 0;
        waitpid (p, &st, 0);
        if (st) { fprintf (stderr, "zbench: peer failed (%d)\n", st); exit (1); }
    }
}
