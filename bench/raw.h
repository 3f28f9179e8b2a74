/* The floor and the ceiling: the same with plain sockets. A part of zbench.c. */

static int raw_pair[2];
static void raw_open (void)
{
    if (!strcmp (kind, "ipc")) { MUST (!socketpair (AF_UNIX, SOCK_STREAM, 0, raw_pair)); return; }
    int l = socket (AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    MUST (!bind (l, (void *) &a, sizeof a) && !listen (l, 1) && !getsockname (l, (void *) &a, &n));
    raw_pair[0] = socket (AF_INET, SOCK_STREAM, 0);
    MUST (!connect (raw_pair[0], (void *) &a, n));
    raw_pair[1] = accept (l, NULL, NULL);
    for (int i = 0; i < 2; i++) setsockopt (raw_pair[i], IPPROTO_TCP, 1 /* TCP_NODELAY */, &one, sizeof one);
    close (l);
}
static void raw_all (int fd, char *b, size_t n, int out)
{
    while (n) {
        ssize_t r = out ? send (fd, b, n, 0) : recv (fd, b, n, 0);
        MUST (r > 0);
        b += r;
        n -= r;
    }
}
static void rawlat_peer (void)
{
    char *b = malloc (size);
    for (long i = 0; i < count + 1000; i++) { raw_all (raw_pair[1], b, size, 0); raw_all (raw_pair[1], b, size, 1); }
    free (b);
}
static void rawlat_main (void)
{
    char *b = calloc (1, size);
    lat = malloc (sizeof (double) * count);
    for (long i = -1000; i < count; i++) {
        double t = now_s ();
        raw_all (raw_pair[0], b, size, 1);
        raw_all (raw_pair[0], b, size, 0);
        if (i >= 0) { lat[i] = (now_s () - t) / 2 * 1e6; t_elapsed += lat[i] * 2e-6; }
    }
    free (b);
}
static void rawthr_peer (void)
{
    size_t cap = 65536 + size + 8, n = 0;
    char *b = malloc (cap), *src = calloc (1, size);
    uint64_t len = size;
    for (long i = 0; i < count; i++) {
        memcpy (b + n, &len, 8);
        memcpy (b + n + 8, src, size);
        n += 8 + size;
        if (n >= 65536) { raw_all (raw_pair[1], b, n, 1); n = 0; }
    }
    raw_all (raw_pair[1], b, n, 1);
    free (b);
    free (src);
}
static void rawthr_main (void)
{
    size_t cap = 262144 + size + 8, have = 0, at = 0;
    char *b = malloc (cap), *dst = malloc (size);
    double t = 0;
    for (long i = 0; i < count; i++) {
        uint64_t len = 0;
        while (have - at < 8 || (memcpy (&len, b + at, 8), have - at < 8 + len)) {
            memmove (b, b + at, have - at);
            have -= at;
            at = 0;
            ssize_t r = recv (raw_pair[0], b + have, cap - have, 0);
            MUST (r > 0);
            have += r;
            if (t == 0) t = now_s ();
        }
        memcpy (dst, b + at + 8, len);
        at += 8 + len;
    }
    t_elapsed = now_s () - t;
    free (b);
    free (dst);
}
