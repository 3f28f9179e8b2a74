/*
 * Options that the kernel carries out, read back from the descriptors themselves: those of the listener, of the accepted
 * and of the connecting side. zmq_setsockopt(3), socket(7), ip(7), ipv6(7), tcp(7).
 */
#include "common.h"

/* What tests may have open, and more. */
#define MOST_FDS 300

typedef struct
{
    int listener, accepted, connecting;
} fds_t;

static int port_of (int fd, int peer)
{
    struct sockaddr_storage a;
    socklen_t len = sizeof a;
    if ((peer ? getpeername : getsockname) (fd, (struct sockaddr *) &a, &len) == -1)
        return -1;
    if (a.ss_family == AF_INET)
        return ntohs (((struct sockaddr_in *) &a)->sin_port);
    return a.ss_family == AF_INET6 ? ntohs (((struct sockaddr_in6 *) &a)->sin6_port) : -1;
}

static int kernel_int (int fd, int level, int option)
{
    int value = -4242;
    socklen_t len = sizeof value;
    if (getsockopt (fd, level, option, &value, &len) == -1)
        fail_at (__FILE__, __LINE__, "getsockopt of the system (%d, %d)", level, option);
    return value;
}

/* The descriptors at both ends of the one TCP connection to `port`, and its listener. */
static fds_t find_tcp (int port)
{
    fds_t found = {-1, -1, -1};
    for (int fd = 3; fd < MOST_FDS; fd++) {
        int listens;
        socklen_t len = sizeof listens;
        if (getsockopt (fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == -1)
            continue;
        if (listens && port_of (fd, 0) == port)
            found.listener = fd;
        else if (!listens && port_of (fd, 0) == port)
            found.accepted = fd;
        else if (!listens && port_of (fd, 1) == port)
            found.connecting = fd;
    }
    CHECK (found.listener != -1 && found.accepted != -1 && found.connecting != -1);
    return found;
}

/* One message makes sure that both sides are there. */
static fds_t connected_pair (void *in, void *out, const char *to)
{
    char ep[EP_SIZE];
    OK (zmq_bind (in, to));
    last_endpoint (in, ep);
    OK (zmq_connect (out, ep));
    SEND (out, "x", 0);
    RECV (in, "x");
    return find_tcp (atoi (strrchr (ep, ':') + 1));
}

typedef struct
{
    int option, value;
} setting_t;

static fds_t pair_with (void *ctx, const setting_t *settings, size_t count, int ipv6, void **in, void **out)
{
    *in = sock (ctx, ZMQ_PULL);
    *out = sock (ctx, ZMQ_PUSH);
    set_int (*in, ZMQ_IPV6, ipv6);
    set_int (*out, ZMQ_IPV6, ipv6);
    for (size_t i = 0; i < count; i++) {
        set_int (*in, settings[i].option, settings[i].value);
        set_int (*out, settings[i].option, settings[i].value);
    }
    return connected_pair (*in, *out, ipv6 ? "tcp://[::1]:*" : "tcp://127.0.0.1:*");
}

static int has_ipv6 (void)
{
    struct sockaddr_in6 a;
    int fd = socket (AF_INET6, SOCK_STREAM, 0), works;
    memset (&a, 0, sizeof a);
    a.sin6_family = AF_INET6;
    a.sin6_addr = in6addr_loopback;
    works = fd != -1 && bind (fd, (struct sockaddr *) &a, sizeof a) == 0;
    close (fd);
    return works;
}

/* One setting (or a few), and what each descriptor then says. NONE: whatever a fresh socket of the system says. */
#define NONE (-123456)
typedef struct
{
    const char *name;
    setting_t settings[4];
    int level, option, listener, accepted, connecting;
} kernel_row_t;

#define KEEPALIVE                                                                                                      \
    {                                                                                                                  \
        {ZMQ_TCP_KEEPALIVE, 1}, {ZMQ_TCP_KEEPALIVE_CNT, 3}, {ZMQ_TCP_KEEPALIVE_IDLE, 11}, { ZMQ_TCP_KEEPALIVE_INTVL, 7 } \
    }

static const kernel_row_t rows[] = {
    {"TOS", {{ZMQ_TOS, 0x28}}, IPPROTO_IP, IP_TOS, 0x28, 0x28, 0x28},
    {"TOS, low bits", {{ZMQ_TOS, 0x128}}, IPPROTO_IP, IP_TOS, 0x28, 0x28, 0x28},
    {"no TOS", {{ZMQ_TOS, 0}}, IPPROTO_IP, IP_TOS, 0, 0, 0},
    /* Linux doubles what it is asked for (socket(7)). */
    {"SNDBUF", {{ZMQ_SNDBUF, 20000}}, SOL_SOCKET, SO_SNDBUF, 40000, 40000, 40000},
    {"RCVBUF", {{ZMQ_RCVBUF, 30000}}, SOL_SOCKET, SO_RCVBUF, 60000, 60000, 60000},
    {"keepalive is the system's choice", {{ZMQ_TCP_KEEPALIVE, -1}}, SOL_SOCKET, SO_KEEPALIVE, 0, 0, 0},
    {"KEEPALIVE", {{ZMQ_TCP_KEEPALIVE, 1}}, SOL_SOCKET, SO_KEEPALIVE, NONE, 1, 1},
    {"no KEEPALIVE", {{ZMQ_TCP_KEEPALIVE, 0}}, SOL_SOCKET, SO_KEEPALIVE, 0, 0, 0},
    {"KEEPALIVE_CNT", KEEPALIVE, IPPROTO_TCP, TCP_KEEPCNT, NONE, 3, 3},
    {"KEEPALIVE_IDLE", KEEPALIVE, IPPROTO_TCP, TCP_KEEPIDLE, NONE, 11, 11},
    {"KEEPALIVE_INTVL", KEEPALIVE, IPPROTO_TCP, TCP_KEEPINTVL, NONE, 7, 7},
    {"KEEPALIVE_IDLE alone", {{ZMQ_TCP_KEEPALIVE_IDLE, 11}}, IPPROTO_TCP, TCP_KEEPIDLE, NONE, NONE, NONE},
    {"MAXRT", {{ZMQ_TCP_MAXRT, 1234}}, IPPROTO_TCP, TCP_USER_TIMEOUT, NONE, 1234, 1234},
    {"no MAXRT", {{ZMQ_TCP_MAXRT, 0}}, IPPROTO_TCP, TCP_USER_TIMEOUT, 0, 0, 0},
    {"no delay", {{ZMQ_TOS, 0}}, IPPROTO_TCP, TCP_NODELAY, NONE, 1, 1},
};

static void check_kernel (const char *name, const char *side, int fd, const kernel_row_t *row, int want)
{
    int got = kernel_int (fd, row->level, row->option);
    if (want == NONE) {
        int fresh = socket (AF_INET, SOCK_STREAM, 0);
        want = kernel_int (fresh, row->level, row->option);
        close (fresh);
    }
    if (got != want)
        fail_at (__FILE__, __LINE__, "%s, %s: %d, expected %d", name, side, got, want);
}

static void check_rows (int ipv6)
{
    void *ctx = ctx_new ();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const kernel_row_t *row = &rows[i];
        size_t count = 0;
        void *in, *out;
        while (count < 4 && row->settings[count].option)
            count++;
        fds_t fds = pair_with (ctx, row->settings, count, ipv6, &in, &out);
        check_kernel (row->name, "listener", fds.listener, row, row->listener);
        check_kernel (row->name, "accepted", fds.accepted, row, row->accepted);
        check_kernel (row->name, "connecting", fds.connecting, row, row->connecting);
        OK (zmq_close (in));
        OK (zmq_close (out));
        /* Its descriptors must not be found by the next. */
        EVENTUALLY (fcntl (fds.listener, F_GETFD) == -1 && fcntl (fds.accepted, F_GETFD) == -1, 5000);
    }
    OK (zmq_ctx_term (ctx));
}

GROUP (tcp_over_ipv4)
{
    check_rows (0);
}

GROUP (tcp_over_ipv6)
{
    static const setting_t tos = {ZMQ_TOS, 0x28};
    void *ctx, *in, *out;
    if (!has_ipv6 ())
        return;
    check_rows (1);
    ctx = ctx_new ();
    fds_t fds = pair_with (ctx, &tos, 1, 1, &in, &out);
    IS (kernel_int (fds.listener, IPPROTO_IPV6, IPV6_TCLASS), 0x28);
    IS (kernel_int (fds.accepted, IPPROTO_IPV6, IPV6_TCLASS), 0x28);
    IS (kernel_int (fds.connecting, IPPROTO_IPV6, IPV6_TCLASS), 0x28);
    OK (zmq_close (in));
    OK (zmq_close (out));
    OK (zmq_ctx_term (ctx));
}

/* An option is for the binds and connects that follow. */
GROUP (set_too_late)
{
    static const setting_t late[] = {{ZMQ_TOS, 0x28}, {ZMQ_SNDBUF, 20000}, {ZMQ_TCP_KEEPALIVE, 1}, {ZMQ_TCP_MAXRT, 1234}};
    void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
    char ep[EP_SIZE];
    bind_any (in, "tcp", ep);
    for (size_t i = 0; i < sizeof late / sizeof *late; i++)
        set_int (in, late[i].option, late[i].value);
    OK (zmq_connect (out, ep));
    for (size_t i = 0; i < sizeof late / sizeof *late; i++)
        set_int (out, late[i].option, late[i].value);
    SEND (out, "x", 0);
    RECV (in, "x");
    fds_t fds = find_tcp (atoi (strrchr (ep, ':') + 1));
    for (int k = 0; k < 2; k++) {
        int fd = k ? fds.accepted : fds.connecting;
        IS (kernel_int (fd, IPPROTO_IP, IP_TOS), 0);
        CHECK (kernel_int (fd, SOL_SOCKET, SO_SNDBUF) != 40000);
        IS (kernel_int (fd, SOL_SOCKET, SO_KEEPALIVE), 0);
        IS (kernel_int (fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
    }
    OK (zmq_close (in));
    OK (zmq_close (out));
    OK (zmq_ctx_term (ctx));
}

/* The length of the queue is among what TCP_INFO tells of a listener. */
static int backlog_of (void *ctx, int backlog)
{
    struct tcp_info info;
    socklen_t len = sizeof info;
    setting_t setting = {ZMQ_BACKLOG, backlog};
    void *in, *out;
    fds_t fds = pair_with (ctx, &setting, 1, 0, &in, &out);
    CHECK (getsockopt (fds.listener, IPPROTO_TCP, TCP_INFO, &info, &len) == 0);
    OK (zmq_close (in));
    OK (zmq_close (out));
    EVENTUALLY (fcntl (fds.listener, F_GETFD) == -1 && fcntl (fds.accepted, F_GETFD) == -1, 5000);
    return (int) info.tcpi_sacked;
}

GROUP (backlog)
{
    void *ctx = ctx_new ();
    IS (backlog_of (ctx, 5), 5);
    IS (backlog_of (ctx, 100), 100);
    IS (backlog_of (ctx, 0), 0);
    /* As long as the system allows. */
    CHECK (backlog_of (ctx, 0x7fffffff) > 100);
    OK (zmq_ctx_term (ctx));
}

static void device_of (int fd, char *name)
{
    socklen_t len = 32;
    memset (name, 0, 32);
    CHECK (getsockopt (fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len) == 0);
}

GROUP (bind_to_device)
{
    void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
    char name[32];
    int rc, fd = socket (AF_INET, SOCK_STREAM, 0);
    /* Kernels before 5.7 let only the administrator do this. */
    int allowed = setsockopt (fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2) == 0;
    close (fd);
    OK (zmq_setsockopt (in, ZMQ_BINDTODEVICE, "lo", 2));
    OK (zmq_setsockopt (out, ZMQ_BINDTODEVICE, "lo", 3));
    if (!allowed) {
        FAILS (zmq_bind (in, "tcp://127.0.0.1:*"), EPERM);
    } else {
        fds_t fds = connected_pair (in, out, "tcp://127.0.0.1:*");
        device_of (fds.listener, name);
        CHECK (!strcmp (name, "lo"));
        device_of (fds.accepted, name);
        CHECK (!strcmp (name, "lo"));
        device_of (fds.connecting, name);
        CHECK (!strcmp (name, "lo"));
        OK (zmq_setsockopt (in, ZMQ_BINDTODEVICE, "nosuchif0", 9));
        errno = 0;
        rc = zmq_bind (in, "tcp://127.0.0.1:*");
        CHECK (rc == -1 && errno == ENODEV);
        OK (zmq_setsockopt (in, ZMQ_BINDTODEVICE, NULL, 0));
        OK (zmq_bind (in, "tcp://127.0.0.1:*"));
    }
    OK (zmq_close (in));
    OK (zmq_close (out));
    OK (zmq_ctx_term (ctx));
}

/* Unix domain sockets keep the buffers of the system. */
GROUP (ipc_buffers)
{
    void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
    char ep[EP_SIZE];
    int fresh = socket (AF_UNIX, SOCK_STREAM, 0), found = 0;
    int usual = kernel_int (fresh, SOL_SOCKET, SO_SNDBUF);
    close (fresh);
    set_int (in, ZMQ_SNDBUF, 20000);
    set_int (out, ZMQ_SNDBUF, 20000);
    bind_any (in, "ipc", ep);
    OK (zmq_connect (out, ep));
    SEND (out, "x", 0);
    RECV (in, "x");
    for (int fd = 3; fd < MOST_FDS; fd++) {
        struct sockaddr_storage a;
        socklen_t len = sizeof a;
        if (getsockname (fd, (struct sockaddr *) &a, &len) == -1 || a.ss_family != AF_UNIX)
            continue;
        found++;
        IS (kernel_int (fd, SOL_SOCKET, SO_SNDBUF), usual);
    }
    CHECK (found >= 3);
    OK (zmq_close (in));
    OK (zmq_close (out));
    OK (zmq_ctx_term (ctx));
}

/* The kernel takes no more of small messages for who reads nothing than it does of libzmq's small writes: that is what is lost with
 * the connection. And no less: that is what may be sent before the high-water mark is met. */
GROUP (taken_for_who_reads_nothing)
{
    static const char greeting[64] = "\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL", ready[] = "\4\32\5READY\13Socket-Type\0\0\0\4PULL";
    void *ctx = ctx_new (), *out = sock (ctx, ZMQ_PUSH);
    char ep[EP_SIZE], body[100] = {0}, in[66 + 255];
    int taken = 0, quiet = 0, most = 0;
    FILE *file = fopen ("/proc/sys/net/ipv4/tcp_wmem", "r");
    CHECK (file && fscanf (file, "%*d %*d %d", &most) == 1);
    fclose (file);
    set_int (out, ZMQ_LINGER, 0);
    bind_any (out, "tcp", ep);
    int fd = raw_connect (ep);
    CHECK (raw_write (fd, greeting, sizeof greeting) && raw_write (fd, ready, sizeof ready - 1));
    CHECK (raw_read (fd, in, 66) && raw_read (fd, in, (uint8_t) in[65]));
    while (quiet < 20) {
        if (zmq_send (out, body, sizeof body, ZMQ_DONTWAIT) == sizeof body) {
            taken++;
            quiet = 0;
        } else {
            IS (errno, EAGAIN);
            quiet++;
            sleep_ms (5);
        }
    }
    fprintf (stderr, "    %d messages\n", taken);
    CHECK (taken < 33000);
    CHECK (taken > 25000 || most < 4 << 20);
    close (fd);
    OK (zmq_close (out));
    OK (zmq_ctx_term (ctx));
}

/* ---- ZMQ_USE_FD --------------------------------------------------------------------------------------------------- */

static int listen_tcp (void)
{
    struct sockaddr_in a;
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memset (&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    CHECK (bind (fd, (struct sockaddr *) &a, sizeof a) == 0 && listen (fd, 10) == 0);
    return fd;
}

static int listen_ipc (const char *ep)
{
    struct sockaddr_un a;
    int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memset (&a, 0, sizeof a);
    a.sun_family = AF_UNIX;
    strcpy (a.sun_path, ep + strlen ("ipc://"));
    CHECK (bind (fd, (struct sockaddr *) &a, sizeof a) == 0 && listen (fd, 10) == 0);
    return fd;
}

GROUP (use_fd_tcp)
{
    void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
    int fd = listen_tcp (), port = port_of (fd, 0);
    char ep[EP_SIZE], want[EP_SIZE];
    snprintf (want, sizeof want, "tcp://127.0.0.1:%d", port);
    set_int (in, ZMQ_USE_FD, fd);
    IS (get_int (in, ZMQ_USE_FD), fd);
    /* What the listener does not have, its connections get. */
    set_int (in, ZMQ_TOS, 0x28);
    set_int (in, ZMQ_TCP_KEEPALIVE, 1);
    OK (zmq_bind (in, "tcp://127.0.0.1:*"));
    last_endpoint (in, ep);
    CHECK (!strcmp (ep, want));
    OK (zmq_connect (out, ep));
    SEND (out, "through the given one", 0);
    RECV (in, "through the given one");
    fds_t fds = find_tcp (port);
    IS (fds.listener, fd);
    IS (kernel_int (fds.listener, IPPROTO_IP, IP_TOS), 0);
    IS (kernel_int (fds.accepted, IPPROTO_IP, IP_TOS), 0x28);
    IS (kernel_int (fds.accepted, SOL_SOCKET, SO_KEEPALIVE), 1);
    IS (kernel_int (fds.connecting, SOL_SOCKET, SO_KEEPALIVE), 0);
    /* It belongs to the socket, which closes it. */
    OK (zmq_unbind (in, ep));
    EVENTUALLY (fcntl (fd, F_GETFD) == -1, 5000);
    OK (zmq_close (in));
    OK (zmq_close (out));
    OK (zmq_ctx_term (ctx));
}

GROUP (use_fd_ipc)
{
    void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
    char ep[EP_SIZE], last[EP_SIZE];
    int fd;
    ipc_path (ep, "given");
    fd = listen_ipc (ep);
    set_int (in, ZMQ_USE_FD, fd);
    OK (zmq_bind (in, ep));
    last_endpoint (in, last);
    CHECK (!strcmp (ep, last));
    OK (zmq_connect (out, ep));
    SEND (out, "through the given one", 0);
    RECV (in, "through the given one");
    OK (zmq_close (in));
    OK (zmq_close (out));
    OK (zmq_ctx_term (ctx));
    CHECK (fcntl (fd, F_GETFD) == -1);
    unlink (ep + strlen ("ipc://"));
}

/* Peers that were there before the socket was. */
GROUP (use_fd_with_a_queue)
{
    void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
    int fd = listen_tcp ();
    char ep[EP_SIZE];
    snprintf (ep, sizeof ep, "tcp://127.0.0.1:%d", port_of (fd, 0));
    OK (zmq_connect (out, ep));
    SEND (out, "early", 0);
    struct pollfd waiting = {fd, POLLIN, 0};
    IS (poll (&waiting, 1, 5000), 1);
    set_int (in, ZMQ_USE_FD, fd);
    OK (zmq_bind (in, ep));
    RECV (in, "early");
    OK (zmq_close (in));
    OK (zmq_close (out));
    OK (zmq_ctx_term (ctx));
}

MAIN (ENTRY (tcp_over_ipv4), ENTRY (tcp_over_ipv6), ENTRY (set_too_late), ENTRY (backlog), ENTRY (bind_to_device),
      ENTRY (ipc_buffers), ENTRY (taken_for_who_reads_nothing), ENTRY (use_fd_tcp), ENTRY (use_fd_ipc), ENTRY (use_fd_with_a_queue))
