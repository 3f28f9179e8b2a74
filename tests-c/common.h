/*
 * Helpers of the C tests. A test program is a list of groups; every group runs in a process of its own under a
 * watchdog, so that a crash or a hang in one neither hides the others nor blocks the runner.
 *
 *   GROUP (name) { ... CHECK (cond); ... }
 *   MAIN (ENTRY (name), ENTRY (other));
 *
 * Output: one line `ok <program>:<group> <ms>` or `FAIL <program>:<group> <why>` per group. Exit code 0 if all passed.
 * `program GROUP...` runs only those groups; `program -n GROUP` runs one in this very process (for a debugger);
 * `program -l` lists the groups.
 */
#ifndef TESTS_C_COMMON_H
#define TESTS_C_COMMON_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>


#define UNUSED __attribute__ ((unused))
#define EP_SIZE 300

/* Seconds a group may take. Not a timing assertion: only there so that nothing hangs. */
#ifndef WATCHDOG
#define WATCHDOG 30
#endif

static void UNUSED fail_at (const char *file, int line, const char *format, ...)
{
    int saved = errno;
    va_list args;
    fflush (stdout);
    fprintf (stderr, "    %s:%d: ", file, line);
    va_start (args, format);
    vfprintf (stderr, format, args);
    va_end (args);
    fprintf (stderr, " [errno %d: %s]\n", saved, zmq_strerror (saved));
    fflush (stderr);
    _exit (1);
}

#define CHECK(cond)                                                                                                    \
    do {                                                                                                               \
        if (!(cond))                                                                                                   \
            fail_at (__FILE__, __LINE__, "CHECK failed: %s", #cond);                                                   \
    } while (0)
/* The call succeeds (anything but -1). */
#define OK(expr)                                                                                                       \
    do {                                                                                                               \
        if ((long) (expr) == -1)                                                                                       \
            fail_at (__FILE__, __LINE__, "%s = -1", #expr);                                                            \
    } while (0)
/* The call returns exactly this integer. */
#define IS(expr, want)                                                                                                 \
    do {                                                                                                               \
        long got_ = (long) (expr), want_ = (long) (want);                                                              \
        if (got_ != want_)                                                                                             \
            fail_at (__FILE__, __LINE__, "%s = %ld, expected %ld", #expr, got_, want_);                                \
    } while (0)
/* The call returns -1 with this errno. */
#define FAILS(expr, err)                                                                                               \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        long got_ = (long) (expr);                                                                                     \
        if (got_ != -1 || errno != (err))                                                                              \
            fail_at (__FILE__, __LINE__, "%s = %ld, expected -1 with %s (%d)", #expr, got_, #err, (int) (err));        \
    } while (0)

/* ---- time ------------------------------------------------------------------------------------------------------ */

static int64_t UNUSED now_ms (void)
{
    struct timespec t;
    clock_gettime (CLOCK_MONOTONIC, &t);
    return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void UNUSED sleep_ms (int ms)
{
    struct timespec t = {ms / 1000, (ms % 1000) * 1000000L};
    while (nanosleep (&t, &t) == -1 && errno == EINTR)
        ;
}

/* Wait until the condition holds, up to `ms`; for state that another thread reaches in its own time. */
#define EVENTUALLY(cond, ms)                                                                                           \
    do {                                                                                                               \
        int64_t until_ = now_ms () + (ms);                                                                             \
        while (!(cond)) {                                                                                              \
            if (now_ms () >= until_)                                                                                   \
                fail_at (__FILE__, __LINE__, "not within %d ms: %s", (int) (ms), #cond);                               \
            sleep_ms (2);                                                                                              \
        }                                                                                                              \
    } while (0)

/*
 * What a test draws at random comes from this number, which is the same each time: who runs it again sees the same. The
 * environment variable chooses another (`make soak` does); who fails says which it was.
 */
static unsigned UNUSED seed_from (const char *variable)
{
    const char *given = getenv (variable);
    return given ? (unsigned) strtoul (given, NULL, 0) : 1;
}

/* ---- sockets --------------------------------------------------------------------------------------------------- */

static void UNUSED *ctx_new (void)
{
    void *ctx = zmq_ctx_new ();
    CHECK (ctx != NULL);
    return ctx;
}

static void UNUSED set_int (void *s, int option, int value)
{
    if (zmq_setsockopt (s, option, &value, sizeof value) == -1)
        fail_at (__FILE__, __LINE__, "setsockopt (%d, %d)", option, value);
}

static int UNUSED get_int (void *s, int option)
{
    int value = -4242;
    size_t size = sizeof value;
    if (zmq_getsockopt (s, option, &value, &size) == -1)
        fail_at (__FILE__, __LINE__, "getsockopt (%d)", option);
    return value;
}

/* A socket that cannot keep a failed test alive: linger 0. */
static void UNUSED *sock (void *ctx, int type)
{
    void *s = zmq_socket (ctx, type);
    if (!s)
        fail_at (__FILE__, __LINE__, "zmq_socket (type %d)", type);
    set_int (s, ZMQ_LINGER, 0);
    return s;
}

static void UNUSED last_endpoint (void *s, char *ep)
{
    size_t size = EP_SIZE;
    OK (zmq_getsockopt (s, ZMQ_LAST_ENDPOINT, ep, &size));
    CHECK (size == strlen (ep) + 1);
}

/* An ipc endpoint of this process in TMPDIR, so that the runner can sweep it away. */
static void UNUSED ipc_path (char *ep, const char *name)
{
    const char *dir = getenv ("TMPDIR");
    snprintf (ep, EP_SIZE, "ipc://%s/zt-%d-%s", dir ? dir : "/tmp", (int) getpid (), name);
}

/* Bind to a fresh endpoint of the given transport ("tcp", "ipc" or "inproc"); `ep` gets what to connect to. */
static void UNUSED bind_any (void *s, const char *transport, char *ep)
{
    static int counter;
    char wanted[EP_SIZE];
    if (!strcmp (transport, "tcp") || !strncmp (transport, "ws", 2))
        snprintf (wanted, sizeof wanted, "%s://127.0.0.1:*", transport);
    else if (!strcmp (transport, "ipc")) {
        char name[16];
        snprintf (name, sizeof name, "%d", counter++);
        ipc_path (wanted, name);
    } else
        snprintf (wanted, sizeof wanted, "inproc://zt-%d-%d", (int) getpid (), counter++);
    if (zmq_bind (s, wanted) == -1)
        fail_at (__FILE__, __LINE__, "zmq_bind (%s)", wanted);
    last_endpoint (s, ep);
}

/* How many entries a directory of /proc has. The descriptor of the statistics, which a process keeps, is none that it has
 * opened. */
static int UNUSED entries_of (const char *path)
{
    DIR *dir = opendir (path);
    int count = 0;
    CHECK (dir);
    for (struct dirent *entry; (entry = readdir (dir));) {
        char target[20] = "";
        ssize_t length = readlinkat (dirfd (dir), entry->d_name, target, sizeof target);
        count += entry->d_name[0] != '.' && (length < 16 || memcmp (target, "/memfd:zmq-stats", 16));
    }
    closedir (dir);
    return count;
}

/* A free TCP endpoint nobody listens on (yet). */
static void UNUSED free_tcp (char *ep)
{
    struct sockaddr_in a;
    socklen_t len = sizeof a;
    int fd = socket (AF_INET, SOCK_STREAM, 0);
    memset (&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    CHECK (bind (fd, (struct sockaddr *) &a, sizeof a) == 0);
    CHECK (getsockname (fd, (struct sockaddr *) &a, &len) == 0);
    close (fd);
    sprintf (ep, "tcp://127.0.0.1:%d", ntohs (a.sin_port));
}

/* Listens with plain TCP; the endpoint to connect to comes back in `ep`. */
static int UNUSED raw_listen (char *ep, int backlog)
{
    struct sockaddr_in a;
    socklen_t len = sizeof a;
    int one = 1, fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memset (&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    CHECK (bind (fd, (struct sockaddr *) &a, sizeof a) == 0 && listen (fd, backlog) == 0);
    CHECK (getsockname (fd, (struct sockaddr *) &a, &len) == 0);
    sprintf (ep, "tcp://127.0.0.1:%d", ntohs (a.sin_port));
    return fd;
}

#define SEND(s, str, flags) IS (zmq_send (s, str, strlen (str), flags), strlen (str))

#define RECV(s, want)                                                                                                  \
    do {                                                                                                               \
        char buf_[600];                                                                                                \
        int n_ = zmq_recv (s, buf_, sizeof buf_ - 1, 0);                                                               \
        if (n_ < 0)                                                                                                    \
            fail_at (__FILE__, __LINE__, "recv on %s failed, expected \"%s\"", #s, want);                              \
        buf_[n_ < 599 ? n_ : 599] = 0;                                                                                 \
        if (n_ != (int) strlen (want) || memcmp (buf_, want, (size_t) n_))                                             \
            fail_at (__FILE__, __LINE__, "received \"%s\" (%d bytes) on %s, expected \"%s\"", buf_, n_, #s, want);     \
    } while (0)

/* Nothing arrives within `ms`. */
#define RECV_NONE(s, ms)                                                                                               \
    do {                                                                                                               \
        char buf_[600] = "";                                                                                           \
        zmq_pollitem_t item_ = {s, 0, ZMQ_POLLIN, 0};                                                                  \
        int got_ = zmq_poll (&item_, 1, ms);                                                                           \
        if (got_ != 0) {                                                                                               \
            zmq_recv (s, buf_, sizeof buf_ - 1, ZMQ_DONTWAIT);                                                         \
            fail_at (__FILE__, __LINE__, "unexpected message \"%s\" on %s", buf_, #s);                                 \
        }                                                                                                              \
        FAILS (zmq_recv (s, buf_, sizeof buf_, ZMQ_DONTWAIT), EAGAIN);                                                 \
    } while (0)

#define RCVMORE(s) get_int (s, ZMQ_RCVMORE)

static int UNUSED readable (void *s, int ms)
{
    zmq_pollitem_t item = {s, 0, ZMQ_POLLIN, 0};
    int rc = zmq_poll (&item, 1, ms);
    return rc == 1 && (item.revents & ZMQ_POLLIN);
}

static int UNUSED writable (void *s, int ms)
{
    zmq_pollitem_t item = {s, 0, ZMQ_POLLOUT, 0};
    int rc = zmq_poll (&item, 1, ms);
    return rc == 1 && (item.revents & ZMQ_POLLOUT);
}

/* CURVE for who binds and who connects, with new keys. */
static void UNUSED encrypt (void *server, void *client)
{
    char public_key[41], secret_key[41];
    OK (zmq_curve_keypair (public_key, secret_key));
    set_int (server, ZMQ_CURVE_SERVER, 1);
    OK (zmq_setsockopt (server, ZMQ_CURVE_SECRETKEY, secret_key, 41));
    OK (zmq_setsockopt (client, ZMQ_CURVE_SERVERKEY, public_key, 41));
    OK (zmq_setsockopt (client, ZMQ_CURVE_PUBLICKEY, public_key, 41));
    OK (zmq_setsockopt (client, ZMQ_CURVE_SECRETKEY, secret_key, 41));
}

/* A message of a PUSH arrives at a PULL, over tcp. */
static void UNUSED exchange_something (void *ctx)
{
    void *push = sock (ctx, ZMQ_PUSH), *pull = sock (ctx, ZMQ_PULL);
    char ep[EP_SIZE];
    bind_any (pull, "tcp", ep);
    OK (zmq_connect (push, ep));
    SEND (push, "x", 0);
    RECV (pull, "x");
    OK (zmq_close (push));
    OK (zmq_close (pull));
}

/* ---- monitors --------------------------------------------------------------------------------------------------- */

/* A socket that hears all events of `s` from now on. */
static void UNUSED *monitor (void *ctx, void *s)
{
    static int counter;
    char ep[64];
    void *mon = sock (ctx, ZMQ_PAIR);
    snprintf (ep, sizeof ep, "inproc://zt-monitor-%d", counter++);
    OK (zmq_socket_monitor (s, ep, ZMQ_EVENT_ALL));
    OK (zmq_connect (mon, ep));
    return mon;
}

/* The next event; `address` holds EP_SIZE bytes. */
static int UNUSED next_event (void *mon, uint32_t *value, char *address)
{
    uint8_t head[6];
    uint16_t event;
    int n = zmq_recv (mon, head, sizeof head, 0);
    CHECK (n == (int) sizeof head && RCVMORE (mon) == 1);
    memcpy (&event, head, sizeof event);
    memcpy (value, head + 2, sizeof *value);
    n = zmq_recv (mon, address, EP_SIZE - 1, 0);
    CHECK (n >= 0 && n < EP_SIZE && RCVMORE (mon) == 0);
    address[n] = 0;
    return event;
}

/* The next event is this one; returns its value. */
static uint32_t UNUSED event_at (const char *file, int line, void *mon, int want, const char *address)
{
    uint32_t value = 0;
    char got_address[EP_SIZE];
    int got = next_event (mon, &value, got_address);
    if (got != want || strcmp (got_address, address))
        fail_at (file, line, "event 0x%x with value %u at \"%s\", expected 0x%x at \"%s\"", got, value, got_address,
                 want, address);
    return value;
}
#define EVENT(mon, want, address) event_at (__FILE__, __LINE__, mon, want, address)

/* ---- plain TCP, for peers that are not ZeroMQ ------------------------------------------------------------------- */

static int UNUSED raw_connect (const char *ep)
{
    struct sockaddr_in a;
    struct timeval patience = {5, 0};
    int one = 1, fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK (fd >= 0);
    memset (&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    a.sin_port = htons ((uint16_t) atoi (strrchr (ep, ':') + 1));
    if (connect (fd, (struct sockaddr *) &a, sizeof a) == -1)
        fail_at (__FILE__, __LINE__, "connect to %s", ep);
    setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    return fd;
}

/* Everything is written, or the peer has hung up (returns 0). */
static int UNUSED raw_write (int fd, const void *data, size_t size)
{
    const char *p = (const char *) data;
    while (size) {
        ssize_t n = send (fd, p, size, MSG_NOSIGNAL);
        if (n <= 0)
            return 0;
        p += n;
        size -= (size_t) n;
    }
    return 1;
}

static int UNUSED raw_read (int fd, void *data, size_t size)
{
    char *p = (char *) data;
    while (size) {
        ssize_t n = recv (fd, p, size, 0);
        if (n <= 0)
            return 0;
        p += n;
        size -= (size_t) n;
    }
    return 1;
}

/* The peer closes the connection within `ms` (whatever it sends before that is swallowed). */
static int UNUSED raw_closed (int fd, int ms)
{
    int64_t until = now_ms () + ms;
    char buf[4096];
    for (;;) {
        struct pollfd p = {fd, POLLIN, 0};
        int64_t left = until - now_ms ();
        if (left <= 0 || poll (&p, 1, (int) left) <= 0)
            return 0;
        if (recv (fd, buf, sizeof buf, 0) <= 0)
            return 1;
    }
}

/* ---- groups ----------------------------------------------------------------------------------------------------- */

typedef struct
{
    const char *name;
    void (*run) (void);
    int seconds;
} group_t;

#define GROUP(name) static void group_##name (void)
#define ENTRY(name)                                                                                                    \
    {                                                                                                                  \
#name, group_##name, WATCHDOG                                                                                  \
    }
/* For the few that need longer. */
#define ENTRY_SLOW(name, seconds)                                                                                      \
    {                                                                                                                  \
#name, group_##name, seconds                                                                                   \
    }

/* How many times as long everything may take: under a tool more than once (sanitized.sh). */
static int UNUSED slower (void)
{
    const char *times = getenv ("TESTS_C_SLOWER");
    return times ? atoi (times) : 1;
}

/* How many threads there are for each processor that want one, this one aside, now or of late; 1 at least (proc(5), loadavg). */
static double UNUSED crowd (void)
{
    double average[3], most = 0;
    int running = 0;
    FILE *f = fopen ("/proc/loadavg", "re");
    if (!f)
        return 1;
    if (fscanf (f, "%lf %lf %lf %d", &average[0], &average[1], &average[2], &running) == 4)
        most = average[0] > running ? average[0] : running;
    fclose (f);
    double each = (most - 1) / (double) sysconf (_SC_NPROCESSORS_ONLN);
    return each > 1 ? each : 1;
}

/* As alarm(2), for whatever would hang otherwise: later where others want the processors, too. */
static void UNUSED alarm_in (int seconds)
{
    alarm ((unsigned) (seconds * slower () * crowd ()));
}

/* How long a group may take. The runner names the groups that are known to fail with the library it looks at (run.sh): for
 * those that hang there, seconds will do. */
static int UNUSED allowed_seconds (const group_t *g)
{
    const char *known = getenv ("TESTS_C_KNOWN");
    char name[128];
    snprintf (name, sizeof name, " %s:%s ", program_invocation_short_name, g->name);
    return (known && strstr (known, name) && g->seconds > 6 ? 6 : g->seconds) * slower ();
}

static sigset_t UNUSED child_ended (void)
{
    sigset_t set;
    sigemptyset (&set);
    sigaddset (&set, SIGCHLD);
    return set;
}

/* Waits for the end of a group's process, which is ended (1) if it hangs: that is, if it has not got through in so many seconds
 * of which only its share of the processors is counted. Work is no hang because others work, too. SIGCHLD is blocked. */
static int UNUSED watch_group (pid_t pid, double seconds, int *status)
{
    enum { LOOKS = 4 };
    const struct timespec look = {0, 1000000000 / LOOKS};
    sigset_t ended = child_ended ();
    pid_t found;
    while ((found = waitpid (pid, status, WNOHANG)) == 0 || (found == -1 && errno == EINTR)) {
        if (sigtimedwait (&ended, NULL, &look) == -1 && errno == EAGAIN)
            seconds -= 1.0 / LOOKS / crowd ();
        if (seconds > 0)
            continue;
        kill (-pid, SIGKILL);
        waitpid (pid, status, 0);
        return 1;
    }
    return 0;
}

static void UNUSED run_in_child (const group_t *g)
{
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    signal (SIGPIPE, SIG_DFL);
    g->run ();
    fflush (NULL);
#ifdef __SANITIZE_ADDRESS__
    /* Leaks are looked for by what exit(3) calls. */
    exit (0);
#endif
    _exit (0);
}

static int UNUSED run_group (const char *program, const group_t *g)
{
    int status = 0, hung;
    int64_t start = now_ms ();
    sigset_t ended = child_ended (), before;
    pid_t pid;
    sigprocmask (SIG_BLOCK, &ended, &before);
    /* So that the runner can tell whose messages on stderr are whose. */
    if (getenv ("TESTS_C_MARK"))
        fprintf (stderr, "## %s:%s\n", program, g->name);
    fflush (NULL);
    pid = fork ();
    if (pid == 0) {
        setpgid (0, 0);
        sigprocmask (SIG_SETMASK, &before, NULL);
        run_in_child (g);
    }
    /* By both, so that it is so before either goes on. */
    setpgid (pid, pid);
    hung = watch_group (pid, allowed_seconds (g), &status);
    sigprocmask (SIG_SETMASK, &before, NULL);
    /* Whatever the group itself forked goes with it. */
    kill (-pid, SIGKILL);
    if (WIFEXITED (status) && WEXITSTATUS (status) == 0) {
        printf ("ok %s:%s %d ms\n", program, g->name, (int) (now_ms () - start));
        return 0;
    }
    if (WIFSIGNALED (status))
        printf ("FAIL %s:%s %s (signal %d) after %d ms\n", program, g->name,
                hung || WTERMSIG (status) == SIGALRM ? "watchdog" : "crash", WTERMSIG (status), (int) (now_ms () - start));
    else
        printf ("FAIL %s:%s after %d ms\n", program, g->name, (int) (now_ms () - start));
    return 1;
}

static int UNUSED run_groups (const group_t *groups, size_t count, int argc, char **argv)
{
    const char *program = strrchr (argv[0], '/') ? strrchr (argv[0], '/') + 1 : argv[0];
    int failed = 0;
    size_t i;
    int a;
    setvbuf (stdout, NULL, _IOLBF, 0);
    for (i = 0; i < count; i++) {
        int wanted = argc == 1;
        if (argc == 2 && !strcmp (argv[1], "-l"))
            puts (groups[i].name);
        for (a = 1; a < argc; a++)
            wanted |= !strcmp (argv[a], groups[i].name);
        if (!wanted)
            continue;
        if (argc > 2 && !strcmp (argv[1], "-n")) {
            groups[i].run ();
            return 0;
        }
        failed += run_group (program, &groups[i]);
    }
    return failed != 0;
}

#define MAIN(...)                                                                                                      \
    int main (int argc, char **argv)                                                                                   \
    {                                                                                                                  \
        static const group_t groups[] = {__VA_ARGS__};                                                                 \
        return run_groups (groups, sizeof groups / sizeof *groups, argc, argv);                                        \
    }

#endif
