/*
 * What the two ends of an exchange between processes do: interop.c runs it with every pair of socket types,
 * interop_security.c with PLAIN, CURVE and ZAP. Included once per program.
 */
#ifndef TESTS_C_INTEROP_H
#define TESTS_C_INTEROP_H

#include "certificates.h"
#include "common.h"

#ifndef MESSAGES
#define MESSAGES 22
#endif
enum { CONTROL = 3, CASE_SECONDS = 20 };

static const char *const transports[] = {"tcp", "ipc"};

/* ---- messages --------------------------------------------------------------------------------------------------- */

static const size_t sizes[] = {0, 1, 64, 255, 256, 8192, 1 << 20};
static unsigned char scratch[1 << 20];

static int parts_of (int number)
{
    return number % 4 == 3 ? 3 : 1;
}

static size_t make_part (int number, int part)
{
    size_t size = sizes[(number + part) % 7];
    for (size_t i = 0; i < size; i++)
        scratch[i] = (unsigned char) (number * 31 + part * 7 + (int) (i ^ (i >> 8)));
    return size;
}

static void send_message (void *s, int number)
{
    for (int part = 0; part < parts_of (number); part++) {
        size_t size = make_part (number, part);
        IS (zmq_send (s, scratch, size, part + 1 < parts_of (number) ? ZMQ_SNDMORE : 0), size);
    }
}

/* Looks at the metadata of every part, if set. */
static void (*inspect) (zmq_msg_t *msg);

static void verify_part (zmq_msg_t *msg, int number, int part)
{
    if (inspect)
        inspect (msg);
    size_t size = make_part (number, part);
    if (zmq_msg_size (msg) != size || memcmp (zmq_msg_data (msg), scratch, size))
        fail_at (__FILE__, __LINE__, "message %d part %d: %zu bytes, expected %zu", number, part, zmq_msg_size (msg), size);
    IS (zmq_msg_more (msg), part + 1 < parts_of (number));
}

/* `first` was received already, or is NULL. */
static void receive_message (void *s, int number, zmq_msg_t *first)
{
    zmq_msg_t msg;
    OK (zmq_msg_init (&msg));
    for (int part = 0; part < parts_of (number); part++) {
        if (part == 0 && first) {
            verify_part (first, number, 0);
            continue;
        }
        OK (zmq_msg_recv (&msg, s, 0));
        verify_part (&msg, number, part);
    }
    OK (zmq_msg_close (&msg));
}

/* ---- the control channel ---------------------------------------------------------------------------------------- */

static void tell (const char *text)
{
    char line[EP_SIZE] = {0};
    snprintf (line, sizeof line, "%s", text);
    CHECK (raw_write (CONTROL, line, sizeof line));
}

static void hear (char *text)
{
    CHECK (raw_read (CONTROL, text, EP_SIZE));
}

static void meet (void)
{
    char text[EP_SIZE];
    tell ("here");
    hear (text);
    CHECK (!strcmp (text, "here"));
}

/* ---- patterns: what each end does ------------------------------------------------------------------------------- */

static int is_publisher (int type)
{
    return type == ZMQ_PUB || type == ZMQ_XPUB;
}

/* Publishes until the subscriber has heard something, then the real messages. */
static void publish (void *s)
{
    struct pollfd heard = {CONTROL, POLLIN, 0};
    char text[EP_SIZE];
    while (poll (&heard, 1, 2) == 0)
        SEND (s, "sync", 0);
    hear (text);
    for (int i = 0; i < MESSAGES; i++)
        send_message (s, i);
}

static void subscribe (void *s, int type)
{
    zmq_msg_t msg;
    if (type == ZMQ_XSUB)
        IS (zmq_send (s, "\1", 1, 0), 1);
    else
        OK (zmq_setsockopt (s, ZMQ_SUBSCRIBE, "", 0));
    OK (zmq_msg_init (&msg));
    for (int told = 0;; told = 1) {
        OK (zmq_msg_recv (&msg, s, 0));
        if (zmq_msg_size (&msg) != 4 || memcmp (zmq_msg_data (&msg), "sync", 4))
            break;
        if (!told)
            tell ("heard");
    }
    receive_message (s, 0, &msg);
    OK (zmq_msg_close (&msg));
    for (int i = 1; i < MESSAGES; i++)
        receive_message (s, i, NULL);
}

static void ask (void *s, int delimiter)
{
    for (int i = 0; i < MESSAGES; i++) {
        if (delimiter)
            SEND (s, "", ZMQ_SNDMORE);
        send_message (s, i);
        if (delimiter)
            RECV (s, "");
        receive_message (s, i + 1, NULL);
    }
}

static void answer (void *s, int router)
{
    char id[256];
    for (int i = 0; i < MESSAGES; i++) {
        int n = 0;
        if (router) {
            n = zmq_recv (s, id, sizeof id, 0);
            CHECK (n > 0);
            RECV (s, "");
        }
        receive_message (s, i, NULL);
        if (router) {
            IS (zmq_send (s, id, (size_t) n, ZMQ_SNDMORE), n);
            SEND (s, "", ZMQ_SNDMORE);
        }
        send_message (s, i + 1);
    }
}

static void send_all (void *s)
{
    for (int i = 0; i < MESSAGES; i++)
        send_message (s, i);
}

static void receive_all (void *s)
{
    for (int i = 0; i < MESSAGES; i++)
        receive_message (s, i, NULL);
}

/* Everything is taken in first and then answered. */
static void route (void *s)
{
    char id[256];
    int n = 0;
    for (int i = 0; i < MESSAGES; i++) {
        n = zmq_recv (s, id, sizeof id, 0);
        CHECK (n > 0);
        receive_message (s, i, NULL);
    }
    for (int i = 0; i < MESSAGES; i++) {
        IS (zmq_send (s, id, (size_t) n, ZMQ_SNDMORE), n);
        send_message (s, i);
    }
}

static void route_to_router (void *s, const char *peer)
{
    set_int (s, ZMQ_ROUTER_MANDATORY, 1);
    for (int i = 0; i < MESSAGES; i++) {
        EVENTUALLY (zmq_send (s, peer, strlen (peer), ZMQ_SNDMORE) != -1, 10000);
        send_message (s, i);
    }
    for (int i = 0; i < MESSAGES; i++) {
        RECV (s, peer);
        receive_message (s, i, NULL);
    }
}

static void exchange (void *s, int type, int peer, int left)
{
    if (is_publisher (type))
        publish (s);
    else if (is_publisher (peer))
        subscribe (s, type);
    else if (type == ZMQ_REQ)
        ask (s, 0);
    else if (type == ZMQ_REP)
        answer (s, 0);
    else if (type == ZMQ_ROUTER && peer == ZMQ_REQ)
        answer (s, 1);
    else if (type == ZMQ_DEALER && peer == ZMQ_REP)
        ask (s, 1);
    else if (type == ZMQ_PUSH)
        send_all (s);
    else if (type == ZMQ_PULL)
        receive_all (s);
    else if (type == ZMQ_ROUTER && peer == ZMQ_ROUTER)
        route_to_router (s, left ? "right" : "left");
    else if (type == ZMQ_ROUTER)
        route (s);
    else {
        send_all (s);
        receive_all (s);
    }
}

/* What TLS needs, with the numbers that the draft API has for it. */
static void secure (void *s)
{
    OK (zmq_setsockopt (s, 103, server_key, sizeof server_key - 1));
    OK (zmq_setsockopt (s, 104, server_crt, sizeof server_crt - 1));
    OK (zmq_setsockopt (s, 105, authority_crt, sizeof authority_crt - 1));
    OK (zmq_setsockopt (s, 106, "server.test", 11));
}

/* This end of a case: binds or connects, does its part, and closes. */
static void UNUSED run_exchange (void *s, int type, int peer, int left, const char *transport, int binds)
{
    char ep[EP_SIZE];
    OK (zmq_setsockopt (s, ZMQ_ROUTING_ID, left ? "left" : "right", left ? 4 : 5));
    if (!strcmp (transport, "wss"))
        secure (s);
    if (binds) {
        bind_any (s, transport, ep);
        tell (ep);
    } else {
        hear (ep);
        OK (zmq_connect (s, ep));
    }
    exchange (s, type, peer, left);
    meet ();
    set_int (s, ZMQ_LINGER, 0);
    OK (zmq_close (s));
}

/* ---- processes -------------------------------------------------------------------------------------------------- */

/* A program is a number of groups of cases; each group is run by two processes of its own. */
typedef struct
{
    const char *program;
    int groups;
    int (*cases) (int group);
    void (*name) (char *text, int group, int number);
    void (*run) (int group, int number, int left);
} interop_t;

/* Starts this program as one end: what to do, the control channel and standard output. */
static pid_t start_end (const char *self, const char *libdir, const char *side, int group, int control, int out)
{
    pid_t pid = fork ();
    if (pid == 0) {
        char text[12];
        sprintf (text, "%d", group);
        if (dup2 (control, CONTROL) < 0 || dup2 (out, 1) < 0)
            _exit (3);
        for (int fd = CONTROL + 1; fd < 64; fd++)
            close (fd);
        setenv ("LD_LIBRARY_PATH", libdir, 1);
        execl (self, self, side, text, (char *) NULL);
        _exit (3);
    }
    return pid;
}

static int run_end (const interop_t *what, int left, int group)
{
    struct timeval patience = {CASE_SECONDS, 0};
    setsockopt (CONTROL, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 0; i < what->cases (group); i++) {
        alarm (CASE_SECONDS);
        what->run (group, i, left);
        if (left)
            CHECK (write (1, ".", 1) == 1);
    }
    return 0;
}

static int drive_group (const interop_t *what, const char *self, char **argv, int group)
{
    int control[2], out[2], done = 0, status, failed = 0;
    char name[200], dot;
    pid_t pids[2];
    CHECK (socketpair (AF_UNIX, SOCK_STREAM, 0, control) == 0 && pipe (out) == 0);
    fcntl (out[0], F_SETFD, FD_CLOEXEC);
    pids[0] = start_end (self, argv[1], "left", group, control[0], out[1]);
    pids[1] = start_end (self, argv[2], "right", group, control[1], 2);
    close (control[0]);
    close (control[1]);
    close (out[1]);
    while (read (out[0], &dot, 1) == 1) {
        what->name (name, group, done++);
        printf ("ok %s:%s:%s\n", what->program, argv[3], name);
    }
    close (out[0]);
    for (int i = 0; i < 2; i++) {
        waitpid (pids[i], &status, 0);
        if (status)
            fprintf (stderr, "    %s end: %s %d\n", i ? "right" : "left", WIFSIGNALED (status) ? "signal" : "exit",
                     WIFSIGNALED (status) ? WTERMSIG (status) : WEXITSTATUS (status));
    }
    /* The end of a process is the end of the group. */
    for (; done < what->cases (group); failed++) {
        what->name (name, group, done++);
        printf ("FAIL %s:%s:%s%s\n", what->program, argv[3], name, failed ? " (not reached)" : "");
    }
    fflush (stdout);
    return failed;
}

/* PROGRAM LEFT_LIBDIR RIGHT_LIBDIR LABEL drives; PROGRAM left|right GROUP is an end, with the control channel at 3. */
static int interop_main (const interop_t *what, int argc, char **argv)
{
    char self[4096] = {0};
    int failed = 0;
    if (argc == 3)
        return run_end (what, !strcmp (argv[1], "left"), atoi (argv[2]));
    if (argc != 4 || readlink ("/proc/self/exe", self, sizeof self - 1) < 0) {
        fprintf (stderr, "usage: %s LEFT_LIBDIR RIGHT_LIBDIR LABEL\n", what->program);
        return 2;
    }
    for (int group = 0; group < what->groups; group++)
        failed += drive_group (what, self, argv, group);
    return failed != 0;
}

#endif
