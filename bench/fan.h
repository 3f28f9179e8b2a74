/*  Part of zbench.c: the modes with one socket on one side and many on the other, up to 10000.
 *  Both sides of these have one thread of ours, and the CLIENTS sockets are used in turn: what grows is
 *  the library's work. Connecting and closing are not measured: the sides wait for each other before and
 *  after the messages. */
#define IN_STEP 250         /* so many connections are opened before all of them must be there */
#define PER_PROCESS 5000    /* sockets of one far process: more may not have descriptors enough */
#define MAX_FAR 16
static const long fan_window = 64;

static struct fan {         /* shared by all processes */
    double began[MAX_FAR + 1], ended[MAX_FAR], near_cpu, far_cpu[MAX_FAR];
} *fan;
static const char *fan_mode;
static int fan_far_sides, fan_me, active;
static int fan_pipe[MAX_FAR + 1][2]; /* the last one is read by the near side */

static void fan_open (void)
{
    fan_far_sides = strcmp (kind, "inproc") ? (peers + PER_PROCESS - 1) / PER_PROCESS : 1;
    if (fan_far_sides > MAX_FAR || peers % fan_far_sides) {
        fprintf (stderr, "zbench: CLIENTS must be a multiple of %d and at most %d\n", fan_far_sides, MAX_FAR * PER_PROCESS);
        exit (2);
    }
    if (strcmp (fan_mode, "fanout")) count = (count + active - 1) / active * active;
    fan = mmap (NULL, sizeof *fan, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    MUST (fan != MAP_FAILED);
    for (int i = 0; i <= MAX_FAR; i++) MUST (!pipe (fan_pipe[i]));
}
/* Either returns once all sides have come here. */
static void fan_far_meet (void)
{
    char c = 0;
    MUST (write (fan_pipe[MAX_FAR][1], &c, 1) == 1 && read (fan_pipe[fan_me][0], &c, 1) == 1);
}
static void fan_near_meet (void)
{
    char c;
    for (int i = 0; i < fan_far_sides; i++) MUST (read (fan_pipe[MAX_FAR][0], &c, 1) == 1);
    for (int i = 0; i < fan_far_sides; i++) MUST (write (fan_pipe[i][1], &c, 1) == 1);
}
/* The i-th of the active ones, which are spread over all. */
static int fan_turn (long i) { return (int) (i % active) * (peers / active); }

/* Each far process gets its share of the sockets and of the messages. */
static void fan_split (void)
{
    for (int i = 1; i < fan_far_sides && !fan_me; i++) {
        pid_t p = fork ();
        MUST (p >= 0);
        if (!p) fan_me = i;
    }
    if (fan_far_sides == 1) return;
    int mine = active / fan_far_sides + (fan_me < active % fan_far_sides);
    if (strcmp (fan_mode, "fanout")) count = count / active * mine;
    peers /= fan_far_sides;
    active = mine;
}
/* Connected sockets of a type, after each one has said that it is there. */
static void **fan_sockets (void *c, int type, char *b)
{
    void **s = calloc (peers, sizeof *s);
    char *matches = calloc (1, peers);
    MUST (s && matches);
    for (int i = 0; i < active; i++) matches[fan_turn (i)] = 1;
    for (int i = 0; i < peers; i++) {
        s[i] = sock (c, type, 0);
        if (type == ZMQ_SUB) {
            hwm (s[i], 0);
            MUST (!zmq_setsockopt (s[i], ZMQ_SUBSCRIBE, matches[i] ? "A" : "B", 1));
        }
        MUST (!zmq_connect (s[i], ep_a));
        if (type != ZMQ_SUB) MUST (zmq_send (s[i], b, size, 0) == (int) size);
        if ((i + 1) % IN_STEP == 0 || i == peers - 1) fan_far_meet ();
    }
    free (matches);
    return s;
}
static void fan_far (int type, void (*work) (void **, char *))
{
    fan_split ();
    void *c = ctx_get_one ();
    char *b = calloc (1, size + 1);
    fan_far_meet (); /* the near side is bound */
    void **s = fan_sockets (c, type, b);
    fan_far_meet ();
    double cpu = cpu_of (RUSAGE_SELF);
    fan->began[fan_me] = now_s ();
    if (active) work (s, b);
    fan->ended[fan_me] = now_s ();
    fan_far_meet ();
    fan->far_cpu[fan_me] = cpu_of (RUSAGE_SELF) - cpu;
    fan_far_meet ();
    for (int i = 0; i < peers; i++) zmq_close (s[i]);
    free (s);
    free (b);
    ctx_drop (c);
    if (fan_me) exit (0);
    for (int i = 1; i < fan_far_sides; i++) {
        int status;
        MUST (wait (&status) > 0 && !status);
    }
}
static void *fan_near (void *c, int type)
{
    void *s = sock (c, type, 1);
    int one = 1, backlog = 4096;
    MUST (!zmq_setsockopt (s, ZMQ_BACKLOG, &backlog, sizeof backlog));
    if (type == ZMQ_XPUB) {
        MUST (!zmq_setsockopt (s, ZMQ_XPUB_NODROP, &one, sizeof one));
        MUST (!zmq_setsockopt (s, ZMQ_XPUB_VERBOSE, &one, sizeof one));
    }
    MUST (!zmq_bind (s, ep_a));
    fan_near_meet ();
    char *b = malloc (size + 16);
    int each = peers / fan_far_sides;
    for (int i = 0; i < each; i++) {
        for (int k = 0; k < fan_far_sides; k++) {
            if (type == ZMQ_ROUTER) MUST (zmq_recv (s, b, size + 16, 0) > 0);
            MUST (zmq_recv (s, b, size + 16, 0) > 0);
        }
        if ((i + 1) % IN_STEP == 0 || i == each - 1) fan_near_meet ();
    }
    free (b);
    fan_near_meet ();
    fan->near_cpu = -cpu_of (RUSAGE_SELF);
    fan->began[MAX_FAR] = now_s ();
    return s;
}
static void fan_near_end (void *c, void *s)
{
    fan_near_meet ();
    fan->near_cpu += cpu_of (RUSAGE_SELF);
    fan_near_meet ();
    zmq_close (s);
    ctx_drop (c);
}
static void fanin_work (void **s, char *b)
{
    for (long i = 0; i < count; i++) MUST (zmq_send (s[fan_turn (i)], b, size, 0) == (int) size);
}
static void fanin_peer (void) { fan_far (ZMQ_PUSH, fanin_work); }
static void fanin_main (void)
{
    void *c = ctx_get_one (), *s = fan_near (c, ZMQ_PULL);
    char *b = malloc (size + 1);
    for (long i = 0; i < count; i++) MUST (zmq_recv (s, b, size, 0) == (int) size);
    fan->ended[0] = now_s ();
    fan_near_end (c, s);
    free (b);
}
static void fanout_work (void **s, char *b)
{
    for (long i = 0; i < count; i++)
        for (int k = 0; k < active; k++) MUST (zmq_recv (s[fan_turn (k)], b, size, 0) == (int) size);
}
static void fanout_peer (void) { fan_far (ZMQ_SUB, fanout_work); }
static void fanout_main (void)
{
    void *c = ctx_get_one (), *s = fan_near (c, ZMQ_XPUB);
    char *b = calloc (1, size + 1);
    b[0] = 'A';
    for (long i = 0; i < count; i++) MUST (zmq_send (s, b, size, 0) == (int) size);
    fan_near_end (c, s);
    free (b);
}
static void fanecho_work (void **s, char *b)
{
    for (long i = 0; i < count + fan_window; i++) {
        if (i >= fan_window) MUST (zmq_recv (s[fan_turn (i - fan_window)], b, size, 0) == (int) size);
        if (i < count) MUST (zmq_send (s[fan_turn (i)], b, size, 0) == (int) size);
    }
}
static void fanecho_peer (void) { fan_far (ZMQ_DEALER, fanecho_work); }
static void fanecho_main (void)
{
    void *c = ctx_get_one (), *s = fan_near (c, ZMQ_ROUTER);
    zmq_msg_t id, body;
    for (long i = 0; i < count; i++) {
        zmq_msg_init (&id);
        zmq_msg_init (&body);
        MUST (zmq_msg_recv (&id, s, 0) >= 0);
        MUST (zmq_msg_recv (&body, s, 0) == (int) size);
        MUST (zmq_msg_send (&id, s, ZMQ_SNDMORE) >= 0);
        MUST (zmq_msg_send (&body, s, 0) >= 0);
    }
    fan_near_end (c, s);
}
static void fan_run (const char *endpoint)
{
    fan_open ();
    if (!strcmp (fan_mode, "fanin")) beside (fanin_peer, fanin_main);
    else if (!strcmp (fan_mode, "fanout")) beside (fanout_peer, fanout_main);
    else beside (fanecho_peer, fanecho_main);
    double n = (double) count * (strcmp (fan_mode, "fanout") ? 1 : active);
    /* Whoever began first, as the other one may have got a processor much later. */
    double began = fan->began[MAX_FAR], ended = 0, cpu = fan->near_cpu;
    for (int i = 0; i < fan_far_sides; i++) {
        if (fan->began[i] < began) began = fan->began[i];
        if (fan->ended[i] > ended) ended = fan->ended[i];
        if (strcmp (kind, "inproc")) cpu += fan->far_cpu[i]; /* the same process otherwise */
    }
    printf ("%s %s %zu x%d/%d | rate=%.0f/s cpu=%.3fus/msg near_cpu=%.3fus/msg\n", fan_mode, endpoint, size, active,
            peers, n / (ended - began), cpu / n * 1e6, fan->near_cpu / n * 1e6);
}
