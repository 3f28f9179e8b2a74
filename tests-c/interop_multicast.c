/*
 * Multicast between two network namespaces (network_namespaces(7)), a library in each, with a third between them whose bridge
 * (bridge.h) loses, delays and doubles some of the packets:
 *
 *   interop_multicast LIBDIR_OF_SENDER LIBDIR_OF_RECEIVER LABEL
 *
 * Needs root and ip(8), and libpgm-5.3.so.0 and libnorm.so.1: says so and passes where that is not to be had.
 */
#include "common.h"
#include "bridge.h"
#include <sched.h>
#include <sys/mman.h>

static const struct
{
    const char *name, *endpoint;
    int port, sends, receives;
    enum faults faults;
} cases[] = {
    {"epgm:PUB-SUB", "epgm://%s;239.192.1.1:%d", 5555, ZMQ_PUB, ZMQ_SUB, NO_FAULTS},
    {"epgm:XPUB-XSUB", "epgm://%s;239.192.1.2:%d", 5556, ZMQ_XPUB, ZMQ_XSUB, NO_FAULTS},
    {"pgm:PUB-SUB", "pgm://%s;239.192.1.3:%d", 5557, ZMQ_PUB, ZMQ_SUB, NO_FAULTS},
    {"norm:PUB-SUB", "norm://%s;239.192.1.4:%d", 5558, ZMQ_PUB, ZMQ_SUB, NO_FAULTS},
    {"norm:XPUB-XSUB", "norm://7,%s;239.192.1.5:%d", 5559, ZMQ_XPUB, ZMQ_XSUB, NO_FAULTS},
    {"epgm:lost", "epgm://%s;239.192.2.1:%d", 5560, ZMQ_PUB, ZMQ_SUB, LOSES},
    {"epgm:late", "epgm://%s;239.192.2.2:%d", 5561, ZMQ_PUB, ZMQ_SUB, REORDERS},
    {"epgm:doubled", "epgm://%s;239.192.2.3:%d", 5562, ZMQ_PUB, ZMQ_SUB, DOUBLES},
    {"epgm:broken", "epgm://%s;239.192.2.4:%d", 5563, ZMQ_PUB, ZMQ_SUB, BREAKS_UNASKED},
    {"norm:lost", "norm://%s;239.192.2.5:%d", 5564, ZMQ_PUB, ZMQ_SUB, LOSES},
    {"norm:late", "norm://%s;239.192.2.6:%d", 5565, ZMQ_PUB, ZMQ_SUB, REORDERS},
    {"norm:doubled", "norm://%s;239.192.2.7:%d", 5566, ZMQ_PUB, ZMQ_SUB, DOUBLES},
    {"norm:broken", "norm://%s;239.192.2.8:%d", 5567, ZMQ_PUB, ZMQ_SUB, BREAKS},
};
enum { CASES = sizeof cases / sizeof *cases };

static int run (const char *command)
{
    char line[300];
    snprintf (line, sizeof line, "%s >/dev/null 2>&1", command);
    return system (line) == 0;
}

/* By libnorm. */
static int is_norm (int which)
{
    return cases[which].name[0] == 'n';
}

/* libnorm begins slowly, and loss makes it slower. */
static int messages (int which)
{
    static const int of_norm[] = {[NO_FAULTS] = 60, [LOSES] = 10, [REORDERS] = 20, [DOUBLES] = 20, [BREAKS] = 120};
    return is_norm (which) ? of_norm[cases[which].faults] : 300;
}

/* Whether the library is there that it needs. To lose something for good by libnorm takes options of the draft API, and
   libzmq's SUB, which ends its process then (4.3.4 and 4.3.6), is not asked to. */
static int is_there (int which)
{
    return zmq_has (is_norm (which) ? "norm" : "pgm")
           && !(is_norm (which) && cases[which].faults >= BREAKS && getenv ("WITH_LIBZMQ"));
}

/* The so-and-so-many-th message: a topic, and a body of any length up to several packets. libzmq sends nothing more by libnorm
   after a message of more than 2038 octets. */
static size_t body_of (int which, int number, char *to)
{
    size_t size = (size_t) (number * 37 % (is_norm (which) ? 2000 : 6000));
    for (size_t i = 0; i < size; i++)
        to[i] = (char) ('a' + (number + i) % 26);
    return size;
}

/* What only a library with the draft API has. */
enum { NORM_MODE = 117, NORM_BUFFER_SIZE = 119, NORM_PUSH = 124 };

static void *open_side (void *ctx, int which, const char *interface, int type)
{
    char ep[EP_SIZE];
    static const int fixed = 0, kilobytes = 64, on = 1;
    snprintf (ep, sizeof ep, cases[which].endpoint, interface, cases[which].port);
    void *s = sock (ctx, type);
    set_int (s, ZMQ_RATE, 20000);
    set_int (s, ZMQ_SNDHWM, 0);
    set_int (s, ZMQ_RCVHWM, 0);
    if (type == ZMQ_SUB) {
        OK (zmq_setsockopt (s, ZMQ_SUBSCRIBE, "A", 1));
        OK (zmq_setsockopt (s, ZMQ_SUBSCRIBE, "end", 3));
    }
    /* What is lost is soon more than is kept to be sent again. (If some of it is, and some not, libpgm now and then delivers
       nothing more of that sender, whoever uses it: so nothing is.) */
    if (cases[which].faults >= BREAKS && type == ZMQ_PUB) {
        set_int (s, ZMQ_RECOVERY_IVL, 10);
        if (is_norm (which)) {
            OK (zmq_setsockopt (s, NORM_MODE, &fixed, sizeof fixed));
            OK (zmq_setsockopt (s, NORM_BUFFER_SIZE, &kilobytes, sizeof kilobytes));
            OK (zmq_setsockopt (s, NORM_PUSH, &on, sizeof on));
        }
    }
    OK (zmq_connect (s, ep));
    return s;
}

static void sends (int which, int go)
{
    void *ctx = ctx_new (), *s = open_side (ctx, which, "10.98.0.1", cases[which].sends);
    static char body[6000];
    char ready;
    IS (read (go, &ready, 1), 1);
    sleep_ms (50);
    for (int i = 0; i < messages (which); i++) {
        char topic[20];
        snprintf (topic, sizeof topic, "%c%d", cases[which].receives == ZMQ_SUB && i % 3 == 2 ? 'B' : 'A', i);
        SEND (s, topic, ZMQ_SNDMORE);
        size_t size = body_of (which, i, body);
        IS (zmq_send (s, body, size, 0), size);
        /* Slower than ZMQ_RATE: with ZMQ_NORM_PUSH what is faster is not sent at all. */
        if (cases[which].faults >= BREAKS)
            sleep_ms (1);
    }
    /* Until the other side has all: what is lost on its way is sent again by who is still there. */
    struct pollfd fd = {go, POLLIN, 0};
    do
        SEND (s, "end", 0);
    while (poll (&fd, 1, 100) == 0);
    IS (read (go, &ready, 1), 1);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

/* Receives a message whole, and says which it is; -1: the last. -2: libzmq's SUB (4.3.4 and 4.3.6) goes on after a loss as if nothing
   had happened, and what there was of a message has the next one for its rest. */
static int take (int which, void *s, int may_be_glued)
{
    static char body[6001], expected[6001];
    int number = -1, parts = 1;
    char topic[20] = "";
    int size = zmq_recv (s, topic, sizeof topic - 1, 0), is_end = size == 3 && !memcmp (topic, "end", 3);
    CHECK (size > 0);
    int known = is_end || (size < (int) sizeof topic && sscanf (topic, "A%d", &number) == 1);
    for (; get_int (s, ZMQ_RCVMORE); parts++)
        size = zmq_recv (s, body, sizeof body, 0);
    if (may_be_glued && (!known || parts != 2 - is_end || (!is_end && size != (int) body_of (which, number, expected))))
        return -2;
    CHECK (known);
    IS (parts, is_end ? 1 : 2);
    if (is_end)
        return -1;
    IS (size, body_of (which, number, expected));
    IS (memcmp (body, expected, size), 0);
    return number;
}

static void receives (int which, int go)
{
    void *ctx = ctx_new (), *s = open_side (ctx, which, "10.98.0.2", cases[which].receives);
    int breaks = cases[which].faults >= BREAKS, last = -1, count = 0, number, all = messages (which);
    sleep_ms (50);
    IS (write (go, "", 1), 1);
    while ((number = take (which, s, breaks && getenv ("WITH_LIBZMQ") != NULL)) != -1) {
        if (number == -2)
            continue;
        CHECK (number > last && number < all);
        last = number;
        count++;
    }
    if (!breaks)
        IS (count, cases[which].receives == ZMQ_SUB ? all - all / 3 : all);
    IS (write (go, "", 1), 1);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

/* This program with a library, as one side of a case. */
static pid_t start (const char *self, const char *library, int which, const char *role, int says_go)
{
    pid_t child = fork ();
    if (child)
        return child;
    char number[8], fd[8];
    snprintf (number, sizeof number, "%d", which);
    snprintf (fd, sizeof fd, "%d", says_go);
    setenv ("LD_LIBRARY_PATH", library, 1);
    setenv ("PGM_MIN_LOG_LEVEL", "ERROR", 1);
    execl (self, self, role, number, fd, (char *) NULL);
    _exit (3);
}

/* Of all processes: which cases failed, and what says when to go. */
static char *failed;
static int go[CASES][2];

static void run_cases (const char *self, const char *library, const char *role, int end)
{
    pid_t sides[CASES];
    int status;
    for (int i = 0; i < CASES; i++)
        sides[i] = is_there (i) ? start (self, library, i, role, go[i][end]) : 0;
    for (int i = 0; i < CASES; i++)
        if (sides[i] && (waitpid (sides[i], &status, 0) != sides[i] || status))
            failed[i] = 1;
}

/* What other namespaces are for. */
static void receiving_side (char **argv, int ready)
{
    CHECK (run ("ip addr add 10.98.0.2/24 dev v1 && ip link set v1 up"));
    IS (write (ready, "", 1), 1);
    run_cases (argv[0], argv[2], "receives", 1);
}

static void bridge_between (char **argv UNUSED, int ready)
{
    static crossing_t crossings[CASES];
    for (int i = 0; i < CASES; i++)
        crossings[i].port = cases[i].port, crossings[i].faults = cases[i].faults;
    CHECK (run ("ip link set w0 up && ip link set w1 up"));
    bridge ("w0", "w1", crossings, CASES, ready);
}

/* A process in a namespace of its own with these interfaces, which has said that it is ready. */
static pid_t in_another (void (*work) (char **, int), char **argv, const char *interfaces)
{
    int to[2], from[2];
    char line[200], ready;
    OK (pipe (to));
    OK (pipe (from));
    pid_t child = fork ();
    if (child == 0) {
        prctl (PR_SET_PDEATHSIG, SIGKILL);
        OK (unshare (CLONE_NEWNET));
        IS (write (from[1], "", 1), 1);
        IS (read (to[0], &ready, 1), 1);
        work (argv, from[1]);
        _exit (0);
    }
    IS (read (from[0], &ready, 1), 1);
    snprintf (line, sizeof line, "for i in %s; do ip link set $i netns %d || exit 1; done", interfaces, (int) child);
    CHECK (run (line));
    IS (write (to[1], "", 1), 1);
    IS (read (from[0], &ready, 1), 1);
    return child;
}

int main (int argc, char **argv)
{
    alarm (60);
    if (argc == 4 && !strcmp (argv[1], "sends"))
        return sends (atoi (argv[2]), atoi (argv[3])), 0;
    if (argc == 4 && !strcmp (argv[1], "receives"))
        return receives (atoi (argv[2]), atoi (argv[3])), 0;
    CHECK (argc == 4);
    /* The label says so. */
    if (strstr (argv[3], "system"))
        setenv ("WITH_LIBZMQ", "1", 1);
    for (int i = 0; i < CASES; i++)
        OK (pipe (go[i]));
    for (int i = 0; i < CASES; i++)
        if (!zmq_has (is_norm (i) ? "norm" : "pgm"))
            fprintf (stderr, "skipped: no library for %s\n", cases[i].name);
    if (unshare (CLONE_NEWNET) == -1
        || !run ("ip link add v0 type veth peer name w0 && ip link add v1 type veth peer name w1")) {
        fprintf (stderr, "skipped: no network namespaces, or no ip(8)\n");
        for (int i = 0; i < CASES; i++)
            printf ("ok interop_multicast:%s:%s left out\n", argv[3], cases[i].name);
        return 0;
    }
    failed = mmap (NULL, CASES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK (failed != MAP_FAILED);
    pid_t middle = in_another (bridge_between, argv, "w0 w1"), other = in_another (receiving_side, argv, "v1");
    CHECK (run ("ip addr add 10.98.0.1/24 dev v0 && ip link set v0 up"));
    run_cases (argv[0], argv[1], "sends", 0);
    int status, all = 0;
    IS (waitpid (other, &status, 0), other);
    IS (status, 0);
    /* It goes on until then. */
    IS (waitpid (middle, &status, WNOHANG), 0);
    OK (kill (middle, SIGKILL));
    for (int i = 0; i < CASES; i++) {
        printf ("%s interop_multicast:%s:%s\n", failed[i] ? "FAIL" : "ok", argv[3], cases[i].name);
        all |= failed[i];
    }
    return all;
}
