/*
 * Names of peers are looked up by a name server of our own, in a network and a file system that only this process sees;
 * and those that end with ".slow" by a getaddrinfo of our own, which takes as long as the test likes.
 */
#define _GNU_SOURCE
#include "common.h"
#include <dlfcn.h>
#include <net/if.h>
#include <netdb.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

/* ---- the name server -------------------------------------------------------------------------------------------- */

#define TYPE_A 1
#define TYPE_AAAA 28

/* What the server knows of "peer.test": IPv4 addresses, IPv6 addresses, or nothing. */
static struct
{
    pthread_mutex_t lock;
    /* Questions are swallowed. */
    int silent;
    const char *a[3], *aaaa[3];
    /* Questions so far. */
    int asked;
    int fd;
} server = {.lock = PTHREAD_MUTEX_INITIALIZER};

static size_t append (uint8_t *reply, size_t at, int type, const char *text)
{
    uint8_t address[16];
    size_t length = type == TYPE_A ? 4 : 16;
    const uint8_t head[] = {0xc0, 12, 0, (uint8_t) type, 0, 1, 0, 0, 0, 0, 0, (uint8_t) length};
    CHECK (inet_pton (type == TYPE_A ? AF_INET : AF_INET6, text, address) == 1);
    memcpy (reply + at, head, sizeof head);
    memcpy (reply + at + sizeof head, address, length);
    return at + sizeof head + length;
}

static void *serve_names (void *unused)
{
    for (;;) {
        uint8_t question[512], reply[1024];
        struct sockaddr_in from;
        socklen_t from_size = sizeof from;
        ssize_t n = recvfrom (server.fd, question, sizeof question, 0, (struct sockaddr *) &from, &from_size);
        if (n < 17)
            continue;
        size_t end = 12;
        while (end < (size_t) n && question[end])
            end += question[end] + 1u;
        end += 5;
        CHECK (end <= (size_t) n);
        int type = question[end - 3], answers = 0, known;
        size_t size = end;
        memcpy (reply, question, end);
        pthread_mutex_lock (&server.lock);
        server.asked++;
        const char **texts = type == TYPE_A ? server.a : server.aaaa;
        for (int i = 0; (type == TYPE_A || type == TYPE_AAAA) && i < 3 && texts[i]; i++, answers++)
            size = append (reply, size, type, texts[i]);
        known = server.a[0] || server.aaaa[0];
        int silent = server.silent;
        pthread_mutex_unlock (&server.lock);
        reply[2] = 0x81;
        reply[3] = known ? 0x80 : 0x83;
        memset (reply + 6, 0, 6);
        reply[7] = (uint8_t) answers;
        if (!silent)
            CHECK (sendto (server.fd, reply, size, 0, (struct sockaddr *) &from, from_size) == (ssize_t) size);
    }
    return unused;
}

static int asked (void)
{
    pthread_mutex_lock (&server.lock);
    int n = server.asked;
    pthread_mutex_unlock (&server.lock);
    return n;
}

static void wait_until_asked (int times)
{
    int64_t until = now_ms () + 10000;
    while (asked () < times) {
        CHECK (now_ms () < until);
        usleep (1000);
    }
}

static void write_file (const char *path, const char *text)
{
    int fd = open (path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    CHECK (fd >= 0 && write (fd, text, strlen (text)) == (ssize_t) strlen (text) && close (fd) == 0);
}

/* From here on this process has a network of its own, and the server for names. */
static void private_names (void)
{
    char path[] = "/tmp/zt-resolv-XXXXXX", map[64];
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons (53)};
    struct ifreq lo = {.ifr_name = "lo"};
    pthread_t thread;
    unsigned uid = getuid (), gid = getgid ();
    int fd;
    if (unshare (CLONE_NEWNS | CLONE_NEWNET) == -1) {
        if (unshare (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET) == -1)
            fail_at (__FILE__, __LINE__, "this test needs root or user namespaces");
        write_file ("/proc/self/setgroups", "deny");
        snprintf (map, sizeof map, "0 %u 1", uid);
        write_file ("/proc/self/uid_map", map);
        snprintf (map, sizeof map, "0 %u 1", gid);
        write_file ("/proc/self/gid_map", map);
    }
    CHECK (mount ("none", "/", "", MS_REC | MS_PRIVATE, NULL) == 0);
    fd = mkstemp (path);
    CHECK (fd >= 0 && close (fd) == 0);
    write_file (path, "nameserver 127.0.0.1\noptions timeout:4 attempts:2\n");
    CHECK (mount (path, "/etc/resolv.conf", "", MS_BIND, NULL) == 0);
    CHECK (unlink (path) == 0);
    fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK (fd >= 0 && ioctl (fd, SIOCGIFFLAGS, &lo) == 0);
    lo.ifr_flags |= IFF_UP;
    CHECK (ioctl (fd, SIOCSIFFLAGS, &lo) == 0);
    at.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    CHECK (bind (fd, (struct sockaddr *) &at, sizeof at) == 0);
    server.fd = fd;
    CHECK (pthread_create (&thread, NULL, serve_names, NULL) == 0);
}

static void peer_is_at (const char *a, const char *second, const char *aaaa)
{
    pthread_mutex_lock (&server.lock);
    server.a[0] = a;
    server.a[1] = second;
    server.aaaa[0] = aaaa;
    pthread_mutex_unlock (&server.lock);
}

/* The endpoint "tcp://peer.test:PORT" with the port of another. */
static void by_name (char *name, const char *ep) { sprintf (name, "tcp://peer.test%s", strrchr (ep, ':')); }

/* A message gets from a PUSH that knows the name to a PULL at `bound`. */
static void reaches (const char *bound, int ipv6)
{
    void *ctx = ctx_new (), *pull = sock (ctx, ZMQ_PULL), *push = sock (ctx, ZMQ_PUSH);
    char ep[EP_SIZE], name[EP_SIZE];
    size_t size = sizeof ep;
    set_int (pull, ZMQ_IPV6, 1);
    set_int (push, ZMQ_IPV6, ipv6);
    set_int (push, ZMQ_RECONNECT_IVL, 20);
    OK (zmq_bind (pull, bound));
    OK (zmq_getsockopt (pull, ZMQ_LAST_ENDPOINT, ep, &size));
    by_name (name, ep);
    OK (zmq_connect (push, name));
    SEND (push, "found", 0);
    RECV (pull, "found");
    OK (zmq_close (push));
    OK (zmq_close (pull));
    OK (zmq_ctx_term (ctx));
}

/* ---- slow look-ups ---------------------------------------------------------------------------------------------- */

static struct
{
    pthread_mutex_t lock;
    pthread_cond_t change;
    /* Look-ups end. */
    int open;
    /* Look-ups begun, under way, the most at a time, and how many of them let signals in. */
    int begun, now, most, signals;
} slow = {.lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER};

/* The library's calls come here, as a program's own definition goes before that of the C library. */
int getaddrinfo (const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    static int (*real) (const char *, const char *, const struct addrinfo *, struct addrinfo **);
    if (!real)
        *(void **) &real = dlsym (RTLD_NEXT, "getaddrinfo");
    const char *end = strrchr (name, '.');
    if (!end || strcmp (end, ".slow") || (hints && hints->ai_flags & AI_NUMERICHOST))
        return real (name, service, hints, found);
    sigset_t mask;
    pthread_sigmask (SIG_BLOCK, NULL, &mask);
    pthread_mutex_lock (&slow.lock);
    slow.begun++;
    slow.most = ++slow.now > slow.most ? slow.now : slow.most;
    slow.signals += !sigismember (&mask, SIGTERM) || !sigismember (&mask, SIGUSR1) || !sigismember (&mask, SIGCHLD);
    pthread_cond_broadcast (&slow.change);
    while (!slow.open)
        pthread_cond_wait (&slow.change, &slow.lock);
    slow.now--;
    pthread_mutex_unlock (&slow.lock);
    return real ("127.0.0.1", service, hints, found);
}

static void open_slow (void)
{
    pthread_mutex_lock (&slow.lock);
    slow.open = 1;
    pthread_cond_broadcast (&slow.change);
    pthread_mutex_unlock (&slow.lock);
}

static void wait_until_begun (int times)
{
    pthread_mutex_lock (&slow.lock);
    while (slow.begun < times)
        pthread_cond_wait (&slow.change, &slow.lock);
    pthread_mutex_unlock (&slow.lock);
}

static void slow_name (char *name, int number, const char *ep)
{
    sprintf (name, "tcp://peer%d.slow%s", number, strrchr (ep, ':'));
}

/* ---- groups ----------------------------------------------------------------------------------------------------- */

/* A name server that does not answer delays nobody but the one who asked. */
GROUP (silent_server_delays_nobody)
{
    private_names ();
    server.silent = 1;
    void *ctx = ctx_new (), *pull = sock (ctx, ZMQ_PULL), *push = sock (ctx, ZMQ_PUSH), *asker = sock (ctx, ZMQ_PUSH);
    char ep[EP_SIZE], text[16];
    OK (zmq_connect (asker, "tcp://peer.test:5555"));
    wait_until_asked (1);
    int64_t start = now_ms ();
    bind_any (pull, "tcp", ep);
    OK (zmq_connect (push, ep));
    for (int i = 0; i < 100; i++) {
        sprintf (text, "%d", i);
        SEND (push, text, 0);
        RECV (pull, text);
    }
    set_int (asker, ZMQ_LINGER, 0);
    OK (zmq_close (asker));
    OK (zmq_close (push));
    OK (zmq_close (pull));
    OK (zmq_ctx_term (ctx));
    int took = (int) (now_ms () - start);
    /* The look-up is given up after eight seconds. */
    if (took > 3000)
        fail_at (__FILE__, __LINE__, "it took %d ms while a name was looked up", took);
}

/* The socket that asked works over its other endpoints meanwhile. */
GROUP (silent_server_does_not_delay_other_endpoints)
{
    private_names ();
    server.silent = 1;
    void *ctx = ctx_new (), *pull = sock (ctx, ZMQ_PULL), *push = sock (ctx, ZMQ_PUSH);
    char ep[EP_SIZE];
    set_int (push, ZMQ_IMMEDIATE, 1);
    OK (zmq_connect (push, "tcp://peer.test:5555"));
    wait_until_asked (1);
    int64_t start = now_ms ();
    bind_any (pull, "tcp", ep);
    OK (zmq_connect (push, ep));
    SEND (push, "not by name", 0);
    RECV (pull, "not by name");
    CHECK (now_ms () - start < 3000);
    set_int (push, ZMQ_LINGER, 0);
    OK (zmq_close (push));
    OK (zmq_close (pull));
    OK (zmq_ctx_term (ctx));
}

GROUP (name_with_one_address)
{
    private_names ();
    peer_is_at ("127.0.0.1", NULL, NULL);
    reaches ("tcp://127.0.0.1:*", 0);
}

GROUP (name_with_an_ipv6_address)
{
    private_names ();
    peer_is_at (NULL, NULL, "::1");
    reaches ("tcp://[::1]:*", 1);
}

/* Nothing listens at one of two addresses. */
GROUP (every_address_is_tried)
{
    private_names ();
    peer_is_at ("127.0.0.9", "127.0.0.1", NULL);
    reaches ("tcp://127.0.0.1:*", 0);
    peer_is_at ("127.0.0.1", "127.0.0.9", NULL);
    reaches ("tcp://127.0.0.1:*", 0);
}

/* A peer that has addresses of both kinds listens at one of them. */
GROUP (both_families_are_tried)
{
    private_names ();
    peer_is_at ("127.0.0.1", NULL, "::1");
    reaches ("tcp://127.0.0.1:*", 1);
    reaches ("tcp://[::1]:*", 1);
}

/* A name that is not there yet is looked up again. */
GROUP (name_appears_later)
{
    private_names ();
    void *ctx = ctx_new (), *pull = sock (ctx, ZMQ_PULL), *push = sock (ctx, ZMQ_PUSH);
    char ep[EP_SIZE], name[EP_SIZE];
    bind_any (pull, "tcp", ep);
    by_name (name, ep);
    set_int (push, ZMQ_RECONNECT_IVL, 20);
    OK (zmq_connect (push, name));
    SEND (push, "at last", 0);
    wait_until_asked (3);
    peer_is_at ("127.0.0.1", NULL, NULL);
    RECV (pull, "at last");
    OK (zmq_close (push));
    OK (zmq_close (pull));
    OK (zmq_ctx_term (ctx));
}

/* However many names are looked up at once, few threads do so, none of which gets the application's signals; and all
 * names are looked up in the end. */
GROUP (few_threads_look_up_many_names)
{
    enum { NAMES = 200 };
    void *ctx = ctx_new (), *pull = sock (ctx, ZMQ_PULL), *push = sock (ctx, ZMQ_PUSH);
    char ep[EP_SIZE], name[EP_SIZE];
    bind_any (pull, "tcp", ep);
    /* Nobody gets more than one. */
    set_int (push, ZMQ_IMMEDIATE, 1);
    set_int (push, ZMQ_SNDTIMEO, 5000);
    for (int i = 0; i < NAMES; i++) {
        slow_name (name, i, ep);
        OK (zmq_connect (push, name));
    }
    wait_until_begun (1);
    usleep (50000);
    CHECK (entries_of ("/proc/self/task") <= 24);
    open_slow ();
    wait_until_begun (NAMES);
    CHECK (slow.begun == NAMES && slow.most <= 16 && slow.signals == 0);
    for (int i = 0; i < NAMES; i++) {
        SEND (push, "found", 0);
        RECV (pull, "found");
    }
    OK (zmq_close (push));
    OK (zmq_close (pull));
    OK (zmq_ctx_term (ctx));
}

/* A look-up that takes for ever does not keep a context from ending, and has nothing of it. What has not begun then
 * never does. */
GROUP (context_ends_during_lookups)
{
    int descriptors = entries_of ("/proc/self/fd");
    for (int round = 0; round < 3; round++) {
        void *ctx = ctx_new (), *push = sock (ctx, ZMQ_PUSH);
        char name[EP_SIZE];
        for (int i = 0; i < 100; i++) {
            slow_name (name, i, ":5555");
            OK (zmq_connect (push, name));
        }
        wait_until_begun (1);
        OK (zmq_close (push));
        OK (zmq_ctx_term (ctx));
        /* Whoever has just begun to look something up has a file open for a moment. */
        EVENTUALLY (entries_of ("/proc/self/fd") == descriptors, 5000);
    }
    open_slow ();
    while (entries_of ("/proc/self/task") > 1)
        usleep (1000);
    CHECK (slow.begun <= 16 && slow.now == 0 && entries_of ("/proc/self/fd") == descriptors);
}

/* The socket that asked is closed, and another is in its place. */
GROUP (answer_for_a_socket_that_is_gone)
{
    void *ctx = ctx_new (), *pull = sock (ctx, ZMQ_PULL), *push = sock (ctx, ZMQ_PUSH);
    char ep[EP_SIZE], name[EP_SIZE];
    bind_any (pull, "tcp", ep);
    slow_name (name, 0, ep);
    OK (zmq_connect (push, name));
    wait_until_begun (1);
    OK (zmq_close (push));
    push = sock (ctx, ZMQ_PUSH);
    OK (zmq_connect (push, ep));
    SEND (push, "one", 0);
    open_slow ();
    SEND (push, "two", 0);
    RECV (pull, "one");
    RECV (pull, "two");
    OK (zmq_close (push));
    OK (zmq_close (pull));
    OK (zmq_ctx_term (ctx));
}

MAIN (ENTRY (silent_server_delays_nobody), ENTRY (silent_server_does_not_delay_other_endpoints),
      ENTRY (name_with_one_address), ENTRY (name_with_an_ipv6_address), ENTRY (every_address_is_tried),
      ENTRY_SLOW (both_families_are_tried, 8), ENTRY (name_appears_later), ENTRY (few_threads_look_up_many_names),
      ENTRY_SLOW (context_ends_during_lookups, 8), ENTRY (answer_for_a_socket_that_is_gone))
