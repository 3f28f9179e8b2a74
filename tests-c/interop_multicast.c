/*
 * Multicast between two network namespaces (network_namespaces(7)) with a pair of veth(4) between them, a library in each:
 *
 *   interop_multicast LIBDIR_OF_SENDER LIBDIR_OF_RECEIVER LABEL
 *
 * Needs root and ip(8), and libpgm-5.3.so.0 and libnorm.so.1: says so and passes where that is not to be had.
 */
#include "common.h"
#include <sched.h>

static const struct
{
    const char *name, *endpoint;
    int sends, receives;
} cases[] = {
    {"epgm:PUB-SUB", "epgm://%s;239.192.1.1:5555", ZMQ_PUB, ZMQ_SUB},
    {"epgm:XPUB-XSUB", "epgm://%s;239.192.1.2:5556", ZMQ_XPUB, ZMQ_XSUB},
    {"pgm:PUB-SUB", "pgm://%s;239.192.1.3:5557", ZMQ_PUB, ZMQ_SUB},
    {"norm:PUB-SUB", "norm://%s;239.192.1.4:5558", ZMQ_PUB, ZMQ_SUB},
    {"norm:XPUB-XSUB", "norm://7,%s;239.192.1.5:5559", ZMQ_XPUB, ZMQ_XSUB},
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

/* libnorm begins slowly. */
static int messages (int which)
{
    return is_norm (which) ? 60 : 300;
}

/* Whether the library is there that it needs. */
static int is_there (int which)
{
    return zmq_has (is_norm (which) ? "norm" : "pgm");
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

static void *open_side (void *ctx, int which, const char *interface, int type)
{
    char ep[EP_SIZE];
    snprintf (ep, sizeof ep, cases[which].endpoint, interface);
    void *s = sock (ctx, type);
    set_int (s, ZMQ_RATE, 20000);
    set_int (s, ZMQ_SNDHWM, 0);
    set_int (s, ZMQ_RCVHWM, 0);
    if (type == ZMQ_SUB) {
        OK (zmq_setsockopt (s, ZMQ_SUBSCRIBE, "A", 1));
        OK (zmq_setsockopt (s, ZMQ_SUBSCRIBE, "end", 3));
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
    }
    SEND (s, "end", 0);
    /* Until the other side has all: what is lost on its way is sent again by who is still there. */
    IS (read (go, &ready, 1), 1);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

static void receives (int which, int go)
{
    void *ctx = ctx_new (), *s = open_side (ctx, which, "10.98.0.2", cases[which].receives);
    static char body[6001], expected[6001];
    sleep_ms (50);
    IS (write (go, "", 1), 1);
    for (int i = 0; i < messages (which); i++) {
        char topic[20];
        if (cases[which].receives == ZMQ_SUB && i % 3 == 2)
            continue;
        snprintf (topic, sizeof topic, "A%d", i);
        RECV (s, topic);
        IS (get_int (s, ZMQ_RCVMORE), 1);
        int size = zmq_recv (s, body, sizeof body, 0);
        IS (size, body_of (which, i, expected));
        IS (memcmp (body, expected, size), 0);
    }
    RECV (s, "end");
    IS (write (go, "", 1), 1);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

/* This program with a library, as one side of a case. */
static pid_t start (const char *self, const char *library, int which, const char *role, int go)
{
    pid_t child = fork ();
    if (child)
        return child;
    char number[8], fd[8];
    snprintf (number, sizeof number, "%d", which);
    snprintf (fd, sizeof fd, "%d", go);
    setenv ("LD_LIBRARY_PATH", library, 1);
    setenv ("PGM_MIN_LOG_LEVEL", "ERROR", 1);
    execl (self, self, role, number, fd, (char *) NULL);
    _exit (3);
}

/* Waits in a namespace of its own, with v1, and runs the receivers there. */
static int other_side (const char *self, const char *library, int in, int out[CASES][2])
{
    char ready;
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    if (unshare (CLONE_NEWNET) == -1 || write (out[0][1], "", 1) != 1 || read (in, &ready, 1) != 1
        || !run ("ip addr add 10.98.0.2/24 dev v1 && ip link set v1 up"))
        return 1;
    pid_t sides[CASES];
    int status, failed = 0;
    for (int i = 0; i < CASES; i++)
        sides[i] = is_there (i) ? start (self, library, i, "receives", out[i][1]) : 0;
    for (int i = 0; i < CASES; i++)
        if (sides[i] && (waitpid (sides[i], &status, 0) != sides[i] || status))
            failed |= 2 << i;
    return failed;
}

int main (int argc, char **argv)
{
    alarm (60);
    if (argc == 4 && !strcmp (argv[1], "sends"))
        return sends (atoi (argv[2]), atoi (argv[3])), 0;
    if (argc == 4 && !strcmp (argv[1], "receives"))
        return receives (atoi (argv[2]), atoi (argv[3])), 0;
    CHECK (argc == 4);
    const char *why = NULL;
    int out[CASES][2], in[2];
    for (int i = 0; i < CASES; i++)
        OK (pipe (out[i]));
    OK (pipe (in));
    for (int i = 0; i < CASES; i++)
        if (!is_there (i))
            fprintf (stderr, "skipped: no library for %s\n", cases[i].name);
    if (unshare (CLONE_NEWNET) == -1 || !run ("ip link add v0 type veth peer name v1"))
        why = "no network namespaces, or no ip(8)";
    if (why) {
        fprintf (stderr, "skipped: %s\n", why);
        for (int i = 0; i < CASES; i++)
            printf ("ok interop_multicast:%s:%s left out\n", argv[3], cases[i].name);
        return 0;
    }
    pid_t other = fork ();
    if (other == 0)
        _exit (other_side (argv[0], argv[2], in[0], out));
    char line[100], ready;
    IS (read (out[0][0], &ready, 1), 1);
    snprintf (line, sizeof line, "ip link set v1 netns %d", (int) other);
    CHECK (run (line) && run ("ip addr add 10.98.0.1/24 dev v0 && ip link set v0 up"));
    IS (write (in[1], "", 1), 1);
    pid_t sides[CASES];
    int status, there, failed = 0;
    for (int i = 0; i < CASES; i++)
        sides[i] = is_there (i) ? start (argv[0], argv[1], i, "sends", out[i][0]) : 0;
    for (int i = 0; i < CASES; i++)
        if (sides[i] && (waitpid (sides[i], &status, 0) != sides[i] || status))
            failed |= 2 << i;
    IS (waitpid (other, &there, 0), other);
    failed |= WIFEXITED (there) ? WEXITSTATUS (there) : 1;
    for (int i = 0; i < CASES; i++)
        printf ("%s interop_multicast:%s:%s\n", failed & (1 | 2 << i) ? "FAIL" : "ok", argv[3], cases[i].name);
    return failed != 0;
}
