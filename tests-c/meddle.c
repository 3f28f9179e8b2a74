/*
 * Two processes, each with a libzmq of its own, send each other numbered messages through a proxy that meddles
 * (meddle_proxy.h), or are killed in the middle of it. Nothing arrives twice, torn or glued to another, the sender's
 * order holds, everything after the last cut arrives, and what a cut costs is no more than what the kernel had taken.
 *
 *   meddle LEFT_LIBDIR RIGHT_LIBDIR LABEL    the driver: prints `ok|FAIL meddle:LABEL:CASE` lines
 *   meddle end ...                           one end (started by the driver, with what they share on descriptor 3)
 *
 * The left one connects, the right one binds. MEDDLE_ALL=1 cuts after each byte in each way, and says what was lost;
 * otherwise after some of them. MEDDLE_ONLY=CASE runs one, MEDDLE_SEED=n changes the pieces.
 */
#include "meddle_proxy.h"
#include <sys/mman.h>

enum { LEFT, RIGHT, SHARED = 3, FINAL = 200, HWM = 50, SMALL = 24 };
enum { RUNNING, FINISHING, PUBLISHING };

/* What both ends and the driver see. Only its own side writes what a side says. */
static struct shared
{
    volatile int phase;
    int lenient[2]; /* it is libzmq: not all of this holds there */
    struct
    {
        volatile long sent, received, last, gap, bytes, final;
        char why[200];
    } side[2];
} * shared;

typedef struct
{
    const char *name, *transport, *mechanism;
    int flood;     /* messages of this size as fast as they go; 0: small ones, now and then a long one */
    int handshake; /* about as many bytes come before the first message */
    int stride;    /* of the bytes after which to cut, without MEDDLE_ALL */
} case_t;

static const case_t cases[] = {
    {"null-tcp", "tcp", "null", 0, 92, 5},      {"null-ipc", "ipc", "null", 0, 92, 5},      {"plain-tcp", "tcp", "plain", 0, 130, 11},
    {"plain-ipc", "ipc", "plain", 0, 130, 11},  {"curve-tcp", "tcp", "curve", 0, 560, 31},  {"curve-ipc", "ipc", "curve", 0, 560, 31},
    {"flood-tcp", "tcp", "null", 100, 0, 0},    {"flood-ipc", "ipc", "null", 100, 0, 0},    {"long-tcp", "tcp", "null", 70000, 0, 0},
    {"long-ipc", "ipc", "null", 70000, 0, 0},   {"killed-tcp", "tcp", "null", 0, 0, 0},     {"killed-ipc", "ipc", "null", 0, 0, 0},
    {"publisher-tcp", "tcp", "null", 0, 0, 0},  {"publisher-ipc", "ipc", "null", 0, 0, 0},
};
enum { CASES = sizeof cases / sizeof *cases };

/* ---- one end ------------------------------------------------------------------------------------------------------ */

static int me;
/* libzmq reads the old connection of a peer that comes back and the new one in turns (known-differences.txt, t_whole):
 * each message once, in any order. */
enum { NUMBERS = 1 << 22 };
static uint8_t seen[NUMBERS / 8];

static void wrong (const char *format, ...)
{
    va_list args;
    va_start (args, format);
    vsnprintf (shared->side[me].why, sizeof shared->side[me].why, format, args);
    _exit (1);
}

static size_t size_of (const case_t *c, long number, int part)
{
    size_t size = c->flood ? (size_t) c->flood : number % 97 == 96 ? 20000 : (size_t) (SMALL + (number + part) % 17);
    return size;
}

/* Of a message that this side sends. libzmq may refuse the second part of one whose connection has just ended. */
static int parts_of (int side, long number)
{
    return number % 5 == 4 && !shared->lenient[side] ? 3 : 1;
}

static char body[100000], expected[100000];

static size_t fill (char *to, const case_t *c, long number, int part)
{
    size_t size = size_of (c, number, part);
    memset (to, (int) (number * 7 + part), size);
    memcpy (to, &number, sizeof number);
    to[8] = (char) part;
    return size;
}

/* Whether there was room. Parts of a message that had room for its first one are all taken. */
static int say (void *s, const case_t *c, long number)
{
    for (int part = 0; part < parts_of (me, number); part++) {
        size_t size = fill (body, c, number, part);
        int flags = ZMQ_DONTWAIT | (part + 1 < parts_of (me, number) ? ZMQ_SNDMORE : 0);
        if (zmq_send (s, body, size, flags) == -1) {
            if (errno != EAGAIN || part)
                wrong ("part %d of message %ld: %s", part, number, zmq_strerror (errno));
            return 0;
        }
    }
    return 1;
}

/* Takes a message, if there is one. */
static int hear (void *s, const case_t *c)
{
    int n = zmq_recv (s, body, sizeof body, ZMQ_DONTWAIT), other = !me;
    long number = 0;
    if (n == -1)
        return 0;
    memcpy (&number, body, sizeof number);
    if (shared->lenient[me] && number > 0 && number < NUMBERS && !(seen[number / 8] >> number % 8 & 1))
        seen[number / 8] |= (uint8_t) (1 << number % 8);
    else if (shared->lenient[me] || number <= shared->side[me].last)
        wrong ("message %ld after %ld", number, shared->side[me].last);
    if (n < SMALL || number < 1 || number > shared->side[other].sent + 1)
        wrong ("message of %d bytes with the number %ld of %ld", n, number, shared->side[other].sent);
    for (int part = 0; part < parts_of (other, number); part++) {
        if (part)
            n = zmq_recv (s, body, sizeof body, ZMQ_DONTWAIT);
        size_t size = fill (expected, c, number, part);
        int more = get_int (s, ZMQ_RCVMORE);
        if (n != (int) size || memcmp (body, expected, size) || more != (part + 1 < parts_of (other, number)))
            wrong ("part %d of message %ld: %d bytes for %zu, more %d", part, number, n, size, more);
        shared->side[me].bytes += n;
    }
    if (number > shared->side[me].last + 1)
        shared->side[me].gap = number;
    shared->side[me].received++;
    if (number > shared->side[me].last)
        shared->side[me].last = number;
    return 1;
}

static void exchange (void *s, const case_t *c)
{
    int64_t spoke = 0;
    for (;;) {
        int finishing = shared->phase == FINISHING, done = shared->side[me].final && shared->side[me].sent >= shared->side[me].final + FINAL;
        struct timespec t;
        clock_gettime (CLOCK_MONOTONIC, &t);
        int64_t now = t.tv_sec * 1000000L + t.tv_nsec / 1000;
        zmq_pollitem_t item = {s, 0, ZMQ_POLLIN, 0};
        if (finishing && !shared->side[me].final)
            shared->side[me].final = shared->side[me].sent + 1;
        /* Who floods is the left one. */
        int pause = !c->flood ? 60 : me == RIGHT ? 500 : 0, speaks = !done && (finishing || now - spoke > pause);
        if (speaks && say (s, c, shared->side[me].sent + 1)) {
            shared->side[me].sent++;
            spoke = now;
        } else
            speaks = 0;
        for (int k = 0; k < 100 && hear (s, c); k++)
            speaks = 1;
        if (!speaks)
            zmq_poll (&item, 1, 1);
    }
}

static void publish (void *s)
{
    for (;;) {
        long number = shared->side[me].sent + 1;
        for (int topic = 0; topic < 2; topic++) {
            body[0] = (char) ('a' + topic);
            memcpy (body + 1, &number, sizeof number);
            OK (zmq_send (s, body, 50, 0));
        }
        shared->side[me].sent = number;
        usleep (200);
    }
}

static void follow (void *s)
{
    OK (zmq_setsockopt (s, ZMQ_SUBSCRIBE, "b", 1));
    for (;;) {
        long number;
        int n = zmq_recv (s, body, sizeof body, 0);
        memcpy (&number, body + 1, sizeof number);
        if (n != 50 || body[0] != 'b' || number <= shared->side[me].last)
            wrong ("%d bytes, topic %c, message %ld after %ld", n, body[0], number, shared->side[me].last);
        shared->side[me].received++;
        shared->side[me].last = number;
    }
}

static void secure (void *s, const char *mechanism)
{
    static const char server_public[] = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7", server_secret[] = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6";
    static const char client_public[] = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID", client_secret[] = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";
    if (!strcmp (mechanism, "plain")) {
        if (me == RIGHT)
            set_int (s, ZMQ_PLAIN_SERVER, 1);
        else {
            OK (zmq_setsockopt (s, ZMQ_PLAIN_USERNAME, "somebody", 8));
            OK (zmq_setsockopt (s, ZMQ_PLAIN_PASSWORD, "password", 8));
        }
    } else if (!strcmp (mechanism, "curve")) {
        if (me == RIGHT) {
            set_int (s, ZMQ_CURVE_SERVER, 1);
            OK (zmq_setsockopt (s, ZMQ_CURVE_SECRETKEY, server_secret, 40));
        } else {
            OK (zmq_setsockopt (s, ZMQ_CURVE_SERVERKEY, server_public, 40));
            OK (zmq_setsockopt (s, ZMQ_CURVE_PUBLICKEY, client_public, 40));
            OK (zmq_setsockopt (s, ZMQ_CURVE_SECRETKEY, client_secret, 40));
        }
    }
}

/* Lets everybody in. */
static void *doorkeeper (void *s)
{
    for (;;) {
        char id[10], part[300];
        IS (zmq_recv (s, part, sizeof part, 0), 3);
        int n = zmq_recv (s, id, sizeof id, 0);
        while (RCVMORE (s))
            OK (zmq_recv (s, part, sizeof part, 0));
        SEND (s, "1.0", ZMQ_SNDMORE);
        IS (zmq_send (s, id, (size_t) n, ZMQ_SNDMORE), n);
        SEND (s, "200", ZMQ_SNDMORE);
        SEND (s, "", ZMQ_SNDMORE);
        SEND (s, "", ZMQ_SNDMORE);
        SEND (s, "", 0);
    }
    return NULL;
}

static int end (const case_t *c, const char *ep)
{
    pthread_t thread;
    int publishes = shared->phase == PUBLISHING;
    void *ctx = ctx_new (), *s = sock (ctx, !publishes ? ZMQ_DEALER : me == RIGHT ? ZMQ_PUB : ZMQ_SUB);
    set_int (s, ZMQ_RECONNECT_IVL, 1);
    set_int (s, ZMQ_HANDSHAKE_IVL, 300);
    set_int (s, ZMQ_SNDHWM, HWM);
    set_int (s, ZMQ_SNDBUF, 32768);
    set_int (s, ZMQ_RCVBUF, 32768);
    secure (s, c->mechanism);
    if (!strcmp (c->mechanism, "plain")) {
        void *zap = sock (ctx, ZMQ_REP);
        OK (zmq_bind (zap, "inproc://zeromq.zap.01"));
        CHECK (pthread_create (&thread, NULL, doorkeeper, zap) == 0);
    }
    /* Whoever had this place may have been killed before it could count. */
    shared->side[me].sent++;
    if (me == RIGHT)
        for (int tries = 0; zmq_bind (s, ep) == -1; tries++) {
            CHECK (tries < 100);
            sleep_ms (20);
        }
    else
        OK (zmq_connect (s, ep));
    if (!publishes)
        exchange (s, c);
    else if (me == RIGHT)
        publish (s);
    else
        follow (s);
    return 0;
}

/* ---- the driver --------------------------------------------------------------------------------------------------- */

static const char *libdirs[2], *label, *program;
static pid_t pids[2];
static char problem[300], front[EP_SIZE], back[EP_SIZE];
static int all;

static void start (int side, int which, const char *ep)
{
    char text[3][20];
    sprintf (text[0], "%d", side);
    sprintf (text[1], "%d", which);
    pids[side] = fork ();
    if (pids[side] == 0) {
        setenv ("LD_LIBRARY_PATH", libdirs[side], 1);
        execl ("/proc/self/exe", program, "end", text[0], text[1], ep, (char *) NULL);
        _exit (3);
    }
}

/* Ends an end, which must not have ended by itself. */
static void end_of (int side)
{
    int status;
    if (!pids[side])
        return;
    kill (pids[side], SIGKILL);
    waitpid (pids[side], &status, 0);
    pids[side] = 0;
    if (!WIFSIGNALED (status) || WTERMSIG (status) != SIGKILL)
        snprintf (problem, sizeof problem, "the %s end: %s", side ? "right" : "left", shared->side[side].why);
}

static int well (void)
{
    for (int i = 0; i < 2; i++) {
        int status;
        if (pids[i] && waitpid (pids[i], &status, WNOHANG) == pids[i]) {
            pids[i] = 0;
            snprintf (problem, sizeof problem, "the %s end: %s (status %x)", i ? "right" : "left", shared->side[i].why, status);
        }
    }
    return !problem[0];
}

#define AWAIT(cond, ms, what)                                                                                          \
    do {                                                                                                               \
        int64_t until_ = now_ms () + (ms);                                                                             \
        while (well () && !(cond)) {                                                                                   \
            relay (1);                                                                                                 \
            if (now_ms () > until_)                                                                                    \
                snprintf (problem, sizeof problem, "not within %d ms: %s", (int) (ms), what);                          \
        }                                                                                                              \
    } while (0)

/* Both ends hear what the other one says from now on. */
static void await_traffic (const char *what)
{
    long left = shared->side[LEFT].sent + 20, right = shared->side[RIGHT].sent + 20;
    AWAIT (shared->side[RIGHT].last > left && shared->side[LEFT].last > right, 8000, what);
}

/* Cuts connection after connection. */
static void cut_all (const case_t *c)
{
    long limit = c->flood ? (all ? 100 : 12) : c->handshake + 150 + (all ? 4000 : 600), step = all && !c->flood ? 1 : c->stride, at = 0;
    int turn = 0;
    while (well () && at < limit) {
        long before = cuts;
        plan_t p = {turn % 2, all ? turn / 2 % ACTIONS : (int) below (ACTIONS), at, turn % 3 == 2 ? 7 : 0};
        if (c->flood)
            p = (plan_t){0, (int) (at % ACTIONS), 100000 + (long) below (300000), 0};
        next_plan = p;
        AWAIT (cuts > before, 5000, "another connection, or enough bytes of it");
        turn++;
        if (c->flood)
            at++;
        else if (turn % (all ? 2 * ACTIONS : 2) == 0)
            /* Each byte of the handshake and the first messages, then some. */
            at += at < c->handshake + 150 ? step : 61 * step;
    }
    if (problem[0])
        sprintf (problem + strlen (problem), " (cut %ld, %s after byte %ld from the %s)", cuts, action_names[next_plan.action], next_plan.at, next_plan.from ? "right" : "left");
    next_plan = (plan_t){0, 0, -1, 0};
}

/* What both ends were told to say last arrives without a gap. */
static void finish (void)
{
    await_traffic ("traffic after the last cut");
    shared->phase = FINISHING;
    for (int i = 0; i < 2 && well (); i++) {
        AWAIT (shared->side[i].final && shared->side[i].sent >= shared->side[i].final + FINAL, 8000, "the end");
        AWAIT (shared->side[!i].last == shared->side[i].sent, 8000, "everything after the last cut");
        if (well () && shared->side[!i].gap > shared->side[i].final)
            snprintf (problem, sizeof problem, "lost after the last cut, before message %ld; the final ones begin at %ld", shared->side[!i].gap, shared->side[i].final);
    }
}

static void count_losses (const case_t *c)
{
    long lost[2], most = 0;
    for (int i = 0; i < 2; i++)
        lost[i] = shared->side[i].sent - shared->side[!i].received;
    double each = shared->side[RIGHT].received ? (double) shared->side[RIGHT].bytes / shared->side[RIGHT].received : 1;
    if (all)
        printf ("lost %s:%s %ld cuts; left to right %.2f messages, %.0f bytes a cut of %ld; right to left %.2f of %ld\n", label, c->name, cuts, (double) lost[0] / cuts,
                lost[0] * each / cuts, shared->side[0].sent, (double) lost[1] / cuts, shared->side[1].sent);
    /* Four buffers of 32 KiB, which the kernel doubles, and the proxy's; behind them a bound pipe, which ends with its connection. */
    if (c->flood)
        most = cuts * (8 * 32768 + 65536 + 16384) / c->flood + cuts;
    if (c->flood && lost[0] > most && !problem[0])
        snprintf (problem, sizeof problem, "%ld messages were lost in %ld cuts, more than %ld", lost[0], cuts, most);
}

static void kill_all (int which)
{
    int rounds = all ? 60 : 6;
    for (int k = 0; k < rounds && well (); k++) {
        int side = k % 2;
        await_traffic ("traffic between two ends that came back");
        for (int i = 0; i < (int) below (20); i++)
            relay (1);
        end_of (side);
        cuts++;
        start (side, which, side ? back : front);
    }
}

static void restart_publishers (int which)
{
    int rounds = all ? 40 : 4;
    for (int k = 0; k < rounds && well (); k++) {
        long before = shared->side[LEFT].received + 50;
        AWAIT (shared->side[LEFT].received >= before, 5000, "the subscriber hears nothing");
        end_of (RIGHT);
        start (RIGHT, which, back);
    }
    long before = shared->side[LEFT].received + 50;
    AWAIT (shared->side[LEFT].received >= before, 5000, "the subscriber hears nothing");
}

static int run_case (int which)
{
    const case_t *c = &cases[which];
    int64_t began = now_ms ();
    int publishes = !strncmp (c->name, "publisher", 9);
    memset (shared, 0, sizeof *shared);
    /* The label names the libraries, left-right. */
    shared->lenient[LEFT] = !strncmp (label, "system", 6);
    shared->lenient[RIGHT] = !strcmp (strrchr (label, '-') + 1, "system");
    problem[0] = 0;
    cuts = 0;
    if (publishes)
        shared->phase = PUBLISHING;
    if (!strcmp (c->transport, "tcp")) {
        free_tcp (front);
        free_tcp (back);
    } else {
        ipc_path (front, "front");
        ipc_path (back, "back");
        unlink (front + 6);
    }
    next_plan = (plan_t){0, 0, -1, 0};
    start (RIGHT, which, back);
    open_door (front, back);
    start (LEFT, which, front);
    if (publishes)
        restart_publishers (which);
    else {
        await_traffic ("traffic");
        /* The connection that is there ends so that others come. */
        if (the_link.open && c->stride + c->flood)
            hang_up (&the_link, 0), cuts++;
        if (c->stride + c->flood)
            cut_all (c);
        else
            kill_all (which);
        if (well ())
            finish ();
        if (well ())
            count_losses (c);
    }
    for (int i = 0; i < 2; i++)
        end_of (i);
    close_door ();
    if (problem[0])
        printf ("FAIL meddle:%s:%s %s; MEDDLE_SEED=%s\n", label, c->name, problem, getenv ("MEDDLE_SEED") ? getenv ("MEDDLE_SEED") : "1");
    else
        printf ("ok meddle:%s:%s %d ms, %ld cuts\n", label, c->name, (int) (now_ms () - began), cuts);
    return problem[0] != 0;
}

int main (int argc, char **argv)
{
    int bad = 0;
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    if (argc == 5 && !strcmp (argv[1], "end")) {
        me = atoi (argv[2]);
        shared = mmap (NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, SHARED, 0);
        CHECK (shared != MAP_FAILED);
        return end (&cases[atoi (argv[3])], argv[4]);
    }
    CHECK (argc == 4 && strchr (argv[3], '-'));
    label = argv[3];
    program = argv[0];
    libdirs[0] = argv[1];
    libdirs[1] = argv[2];
    all = getenv ("MEDDLE_ALL") != NULL;
    setvbuf (stdout, NULL, _IOLBF, 0);
    int fd = memfd_create ("meddle", 0);
    CHECK (dup2 (fd, SHARED) == SHARED && ftruncate (SHARED, sizeof *shared) == 0);
    shared = mmap (NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, SHARED, 0);
    CHECK (shared != MAP_FAILED);
    for (int i = 0; i < CASES; i++)
        if (!getenv ("MEDDLE_ONLY") || !strcmp (getenv ("MEDDLE_ONLY"), cases[i].name)) {
            random_state = getenv ("MEDDLE_SEED") ? (uint64_t) atoll (getenv ("MEDDLE_SEED")) : 1;
            bad |= run_case (i);
        }
    return bad;
}
