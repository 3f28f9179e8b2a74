/*
 * zmq_udp(7): RADIO, DISH and DGRAM. What libzmq 4.3.6 does is known from a build of it with drafts; Debian's has none of
 * these types (known-differences.txt).
 */
#define ZMQ_BUILD_DRAFT_API 1
#include "common.h"

static void say (void *radio, const char *group, const void *body, size_t size)
{
    zmq_msg_t msg;
    OK (zmq_msg_init_size (&msg, size));
    memcpy (zmq_msg_data (&msg), body, size);
    OK (zmq_msg_set_group (&msg, group));
    IS (zmq_msg_send (&msg, radio, 0), size);
}
#define SAY(radio, group, text) say (radio, group, text, strlen (text))

static void hear_at (int line, void *dish, const char *group, const void *body, size_t size)
{
    zmq_msg_t msg;
    OK (zmq_msg_init (&msg));
    int got = zmq_msg_recv (&msg, dish, 0);
    if (got != (int) size || memcmp (zmq_msg_data (&msg), body, size) || strcmp (zmq_msg_group (&msg), group))
        fail_at (__FILE__, line, "%d bytes of group %s, expected %d of %s", got, got < 0 ? "" : zmq_msg_group (&msg), (int) size,
                 group);
    OK (zmq_msg_close (&msg));
}
#define HEAR(dish, group, text) hear_at (__LINE__, dish, group, text, strlen (text))

/* A port that nobody has, for datagrams. */
static int free_udp (void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl (INADDR_LOOPBACK)}};
    socklen_t size = sizeof a;
    int fd = socket (AF_INET, SOCK_DGRAM, 0);
    OK (bind (fd, (struct sockaddr *) &a, size));
    OK (getsockname (fd, (struct sockaddr *) &a, &size));
    close (fd);
    return ntohs (a.sin_port);
}

static const char *at (const char *format, int port)
{
    static char ep[4][EP_SIZE];
    static int next;
    char *to = ep[next++ % 4];
    snprintf (to, EP_SIZE, format, port);
    return to;
}

/* Binds, and waits until libzmq has, too, which does that later: a datagram that it is too early for is lost. */
static void bind_now (void *s, const char *ep)
{
    OK (zmq_bind (s, ep));
    sleep_ms (50);
}

GROUP (radio_to_dish)
{
    void *ctx = ctx_new (), *radio = sock (ctx, ZMQ_RADIO), *dish = sock (ctx, ZMQ_DISH);
    int port = free_udp ();
    static char long_one[8000];
    memset (long_one, 'l', sizeof long_one);
    bind_now (dish, at ("udp://127.0.0.1:%d", port));
    OK (zmq_connect (radio, at ("udp://127.0.0.1:%d", port)));
    OK (zmq_join (dish, "TV"));
    SAY (radio, "Movies", "not joined");
    SAY (radio, "TV", "Friends");
    SAY (radio, "TV", "");
    say (radio, "TV", long_one, sizeof long_one);
    HEAR (dish, "TV", "Friends");
    HEAR (dish, "TV", "");
    hear_at (__LINE__, dish, "TV", long_one, sizeof long_one);
    OK (zmq_join (dish, "Movies"));
    OK (zmq_leave (dish, "TV"));
    SAY (radio, "TV", "left");
    SAY (radio, "Movies", "joined");
    HEAR (dish, "Movies", "joined");
    RECV_NONE (dish, 20);
    OK (zmq_close (radio));
    OK (zmq_close (dish));
    OK (zmq_ctx_term (ctx));
}

/* Which type binds and which connects, and what is wrong with addresses. */
GROUP (endpoints)
{
    static const struct { int type, binds; const char *ep; int error; } cases[] = {
        {ZMQ_RADIO, 1, "udp://*:5556", ENOCOMPATPROTO},
        {ZMQ_RADIO, 1, "udp://x", ENOCOMPATPROTO},
        {ZMQ_DISH, 0, "udp://127.0.0.1:5556", ENOCOMPATPROTO},
        {ZMQ_DISH, 0, "udp://x", ENOCOMPATPROTO},
        {ZMQ_DGRAM, 0, "udp://127.0.0.1:5556", ENOCOMPATPROTO},
        {ZMQ_PUB, 1, "udp://127.0.0.1:5556", ENOCOMPATPROTO},
        {ZMQ_PUSH, 0, "udp://127.0.0.1:5556", ENOCOMPATPROTO},
        {ZMQ_RADIO, 0, "udp://*:5556", EINVAL},
        {ZMQ_RADIO, 0, "udp://127.0.0.1:*", EINVAL},
        {ZMQ_RADIO, 0, "udp://lo:5556", EINVAL},
        {ZMQ_RADIO, 0, "udp://x", EINVAL},
        {ZMQ_DISH, 1, "udp://x", EINVAL},
        {ZMQ_DISH, 1, "udp://nosuch;239.0.0.1:5556", ENODEV},
        {ZMQ_RADIO, 0, "udp://nosuch;239.0.0.1:5556", ENODEV}};
    void *ctx = ctx_new ();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        void *s = sock (ctx, cases[i].type);
        int rc = cases[i].binds ? zmq_bind (s, cases[i].ep) : zmq_connect (s, cases[i].ep);
        if (rc != -1 || errno != cases[i].error)
            fail_at (__FILE__, __LINE__, "case %d, %s: %d", (int) i, cases[i].ep, rc);
        OK (zmq_close (s));
    }
    OK (zmq_ctx_term (ctx));
}

GROUP (datagrams)
{
    void *ctx = ctx_new (), *a = sock (ctx, ZMQ_DGRAM), *b = sock (ctx, ZMQ_DGRAM);
    int one = free_udp (), other = free_udp ();
    char from[EP_SIZE], body[EP_SIZE];
    static const char *const nowhere[] = {"nonsense", "127.0.0.1", ""};
    bind_now (a, at ("udp://127.0.0.1:%d", one));
    bind_now (b, at ("udp://127.0.0.1:%d", other));
    for (int i = 0; i < 3; i++) {
        SEND (a, nowhere[i], ZMQ_SNDMORE);
        SEND (a, "lost", 0);
    }
    FAILS (zmq_send (a, "no address", 10, 0), EINVAL);
    SEND (a, at ("127.0.0.1:%d", other), ZMQ_SNDMORE);
    FAILS (zmq_send (a, "too many", 8, ZMQ_SNDMORE), EINVAL);
    SEND (a, "question", 0);
    int n, length = zmq_recv (b, from, sizeof from, 0);
    CHECK (length > 0 && RCVMORE (b) && !from[length - 1]);
    CHECK (!strcmp (from, at ("127.0.0.1:%d", one)));
    n = zmq_recv (b, body, sizeof body, 0);
    CHECK (n == 8 && !memcmp (body, "question", 8) && !RCVMORE (b));
    /* With the zero that ends it, and without. */
    IS (zmq_send (b, from, (size_t) length, ZMQ_SNDMORE), length);
    SEND (b, "answer", 0);
    IS (zmq_recv (a, from, sizeof from, 0), strlen (at ("127.0.0.1:%d", other)) + 1);
    RECV (a, "answer");
    OK (zmq_close (a));
    OK (zmq_close (b));
    OK (zmq_ctx_term (ctx));
}

/* Whether datagrams to groups come back over the loopback interface here. */
static int groups_work (int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons ((uint16_t) port)};
    struct ip_mreqn on = {.imr_address = {htonl (INADDR_LOOPBACK)}};
    struct timeval patience = {0, 200000};
    char got = 0;
    int in = socket (AF_INET, SOCK_DGRAM, 0), out = socket (AF_INET, SOCK_DGRAM, 0);
    inet_pton (AF_INET, "239.0.0.1", &to.sin_addr);
    on.imr_multiaddr = to.sin_addr;
    setsockopt (in, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (bind (in, (struct sockaddr *) &to, sizeof to) == 0 && setsockopt (in, IPPROTO_IP, IP_ADD_MEMBERSHIP, &on, sizeof on) == 0
        && setsockopt (out, IPPROTO_IP, IP_MULTICAST_IF, &on, sizeof on) == 0
        && sendto (out, "x", 1, 0, (struct sockaddr *) &to, sizeof to) == 1)
        recv (in, &got, 1, 0);
    close (in);
    close (out);
    return got == 'x';
}

/* Several get what is sent to a group. */
GROUP (multicast)
{
    int port = free_udp ();
    if (!groups_work (port))
        return;
    void *ctx = ctx_new (), *radio = sock (ctx, ZMQ_RADIO), *dish[2];
    for (int i = 0; i < 2; i++) {
        dish[i] = sock (ctx, ZMQ_DISH);
        bind_now (dish[i], at (i ? "udp://127.0.0.1;239.0.0.1:%d" : "udp://lo;239.0.0.1:%d", port));
        OK (zmq_join (dish[i], "TV"));
    }
    set_int (radio, ZMQ_MULTICAST_HOPS, 3);
    OK (zmq_connect (radio, at ("udp://lo;239.0.0.1:%d", port)));
    SAY (radio, "TV", "here");
    for (int i = 0; i < 2; i++) {
        HEAR (dish[i], "TV", "here");
        OK (zmq_close (dish[i]));
    }
    OK (zmq_close (radio));
    OK (zmq_ctx_term (ctx));
}

/* Two groups of the network on one port do not mix; libzmq gives a DISH what is sent to either. */
GROUP (multicast_groups_do_not_mix)
{
    int port = free_udp ();
    if (!groups_work (port))
        return;
    void *ctx = ctx_new (), *radio[2], *dish[2];
    static const char *const groups[] = {"udp://lo;239.0.0.1:%d", "udp://lo;239.0.0.2:%d"}, *const names[] = {"first", "second"};
    for (int i = 0; i < 2; i++) {
        dish[i] = sock (ctx, ZMQ_DISH);
        bind_now (dish[i], at (groups[i], port));
        OK (zmq_join (dish[i], "TV"));
    }
    for (int i = 0; i < 2; i++) {
        radio[i] = sock (ctx, ZMQ_RADIO);
        OK (zmq_connect (radio[i], at (groups[i], port)));
        SAY (radio[i], "TV", names[i]);
    }
    for (int i = 0; i < 2; i++) {
        HEAR (dish[i], "TV", names[i]);
        RECV_NONE (dish[i], 20);
        OK (zmq_close (dish[i]));
        OK (zmq_close (radio[i]));
    }
    OK (zmq_ctx_term (ctx));
}

/* ZMQ_LAST_ENDPOINT is an endpoint, without wildcards, and undoes the bind; libzmq's is none. */
GROUP (last_endpoint_is_one)
{
    void *ctx = ctx_new (), *dish = sock (ctx, ZMQ_DISH), *radio = sock (ctx, ZMQ_RADIO);
    char ep[EP_SIZE];
    int port;
    OK (zmq_bind (dish, "udp://127.0.0.1:*"));
    last_endpoint (dish, ep);
    IS (sscanf (ep, "udp://127.0.0.1:%d", &port), 1);
    OK (zmq_join (dish, "A"));
    OK (zmq_connect (radio, ep));
    SAY (radio, "A", "x");
    HEAR (dish, "A", "x");
    OK (zmq_unbind (dish, ep));
    FAILS (zmq_unbind (dish, ep), ENOENT);
    OK (zmq_disconnect (radio, ep));
    FAILS (zmq_disconnect (radio, ep), ENOENT);
    OK (zmq_close (dish));
    OK (zmq_close (radio));
    OK (zmq_ctx_term (ctx));
}

/* Whatever comes, messages of the groups that were joined are received, and nothing else. */
GROUP (hostile_datagrams)
{
    void *ctx = ctx_new (), *dish = sock (ctx, ZMQ_DISH);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = {htonl (INADDR_LOOPBACK)}};
    int port = free_udp (), fd = socket (AF_INET, SOCK_DGRAM, 0);
    static char bytes[65507];
    to.sin_port = htons ((uint16_t) port);
    OK (connect (fd, (struct sockaddr *) &to, sizeof to));
    bind_now (dish, at ("udp://127.0.0.1:%d", port));
    OK (zmq_join (dish, "A"));
    for (int size = 0; size < 300; size++) {
        memset (bytes, size % 256, 300);
        IS (send (fd, bytes, (size_t) size, 0), size);
        IS (send (fd, "\1Ax", 3, 0), 3);
        HEAR (dish, "A", "x");
    }
    memset (bytes, 255, sizeof bytes);
    IS (send (fd, bytes, sizeof bytes, 0), sizeof bytes);
    memcpy (bytes, "\1A", 2);
    IS (send (fd, bytes, sizeof bytes, 0), sizeof bytes);
    hear_at (__LINE__, dish, "A", bytes + 2, sizeof bytes - 2);
    RECV_NONE (dish, 10);
    close (fd);
    OK (zmq_close (dish));
    OK (zmq_ctx_term (ctx));
}

static int flood_ends;

static void *flood (void *fd)
{
    while (!__atomic_load_n (&flood_ends, __ATOMIC_RELAXED))
        if (send (*(int *) fd, "\377rubbish", 8, 0) != 8)
            sched_yield ();
    return NULL;
}

/* Rubbish that comes faster than it can be dropped keeps nobody who has something else to do with the socket. */
GROUP (floods)
{
    void *ctx = ctx_new (), *dish = sock (ctx, ZMQ_DISH);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = {htonl (INADDR_LOOPBACK)}};
    int port = free_udp (), fd = socket (AF_INET, SOCK_DGRAM, 0);
    pthread_t thread;
    to.sin_port = htons ((uint16_t) port);
    OK (connect (fd, (struct sockaddr *) &to, sizeof to));
    bind_now (dish, at ("udp://127.0.0.1:%d", port));
    OK (zmq_join (dish, "A"));
    pthread_create (&thread, NULL, flood, &fd);
    for (int i = 0; i < 100; i++) {
        IS (get_int (dish, ZMQ_EVENTS) & ZMQ_POLLIN, 0);
        FAILS (zmq_recv (dish, NULL, 0, ZMQ_DONTWAIT), EAGAIN);
    }
    for (int heard = 0; heard < 5;) {
        send (fd, "\1Ax", 3, 0);
        if (readable (dish, 1)) {
            HEAR (dish, "A", "x");
            heard++;
        }
    }
    __atomic_store_n (&flood_ends, 1, __ATOMIC_RELAXED);
    pthread_join (thread, NULL);
    close (fd);
    OK (zmq_close (dish));
    OK (zmq_ctx_term (ctx));
}

/* A message that is too long for a datagram is lost, and no other. */
GROUP (too_long)
{
    void *ctx = ctx_new (), *dish = sock (ctx, ZMQ_DISH), *radio = sock (ctx, ZMQ_RADIO);
    int port = free_udp ();
    static char bytes[70000];
    bind_now (dish, at ("udp://127.0.0.1:%d", port));
    OK (zmq_connect (radio, at ("udp://localhost:%d", port)));
    OK (zmq_join (dish, "A"));
    SAY (radio, "A", "before");
    say (radio, "A", bytes, sizeof bytes);
    SAY (radio, "A", "behind");
    HEAR (dish, "A", "before");
    HEAR (dish, "A", "behind");
    OK (zmq_close (dish));
    OK (zmq_close (radio));
    OK (zmq_ctx_term (ctx));
}

/* A burst: who waits for it is told, whatever it looks at, and all that the kernel has room for comes. */
GROUP (bursts)
{
    void *ctx = ctx_new (), *dish = sock (ctx, ZMQ_DISH), *radio = sock (ctx, ZMQ_RADIO);
    int port = free_udp (), next = 0;
    bind_now (dish, at ("udp://127.0.0.1:%d", port));
    OK (zmq_connect (radio, at ("udp://127.0.0.1:%d", port)));
    OK (zmq_join (dish, "A"));
    set_int (dish, ZMQ_RCVTIMEO, 5000);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 50; i++) {
            int number = round * 50 + i;
            say (radio, "A", &number, sizeof number);
        }
        for (int i = 0; i < 50; i++, next++) {
            if (i % 3 == 0)
                CHECK (readable (dish, 5000));
            hear_at (__LINE__, dish, "A", &next, sizeof next);
        }
    }
    FAILS (zmq_recv (dish, &next, sizeof next, ZMQ_DONTWAIT), EAGAIN);
    OK (zmq_close (dish));
    OK (zmq_close (radio));
    OK (zmq_ctx_term (ctx));
}

/* What was sent before the socket is closed, or the endpoint undone, has left. */
GROUP (closed_after_sending)
{
    void *ctx = ctx_new (), *dish = sock (ctx, ZMQ_DISH);
    int port = free_udp ();
    bind_now (dish, at ("udp://127.0.0.1:%d", port));
    OK (zmq_join (dish, "A"));
    for (int i = 0; i < 2; i++) {
        void *radio = zmq_socket (ctx, ZMQ_RADIO);
        OK (zmq_connect (radio, at ("udp://127.0.0.1:%d", port)));
        for (int n = 0; n < 30; n++)
            SAY (radio, "A", "x");
        if (i)
            OK (zmq_disconnect (radio, at ("udp://127.0.0.1:%d", port)));
        OK (zmq_close (radio));
        for (int n = 0; n < 30; n++)
            HEAR (dish, "A", "x");
    }
    OK (zmq_close (dish));
    OK (zmq_ctx_term (ctx));
}

/* Who sleeps on ZMQ_FD hears of datagrams. */
GROUP (descriptor)
{
    void *ctx = ctx_new (), *a = sock (ctx, ZMQ_DGRAM), *b = sock (ctx, ZMQ_DGRAM);
    int one = free_udp (), other = free_udp (), fd;
    size_t size = sizeof fd;
    bind_now (a, at ("udp://127.0.0.1:%d", one));
    bind_now (b, at ("udp://127.0.0.1:%d", other));
    OK (zmq_getsockopt (b, ZMQ_FD, &fd, &size));
    for (int i = 0; i < 20; i++) {
        char from[EP_SIZE];
        while (get_int (b, ZMQ_EVENTS) & ZMQ_POLLIN) {
            IS (zmq_recv (b, from, sizeof from, 0) > 0, 1);
            RECV (b, "x");
        }
        SEND (a, at ("127.0.0.1:%d", other), ZMQ_SNDMORE);
        SEND (a, "x", 0);
        struct pollfd item = {fd, POLLIN, 0};
        IS (poll (&item, 1, 5000), 1);
    }
    OK (zmq_close (a));
    OK (zmq_close (b));
    OK (zmq_ctx_term (ctx));
}

/* ZMQ_CONFLATE is taken, and is about queues to connections: every datagram is received. */
GROUP (conflate_is_for_others)
{
    void *ctx = ctx_new (), *radio = sock (ctx, ZMQ_RADIO), *dish = sock (ctx, ZMQ_DISH);
    void *from = sock (ctx, ZMQ_DGRAM), *to = sock (ctx, ZMQ_DGRAM), *all[] = {radio, dish, from, to};
    int port = free_udp (), other = free_udp ();
    const char *ep = at ("127.0.0.1:%d", other);
    char text[2] = "", sender[EP_SIZE];
    for (int i = 0; i < 4; i++)
        set_int (all[i], ZMQ_CONFLATE, 1);
    OK (zmq_join (dish, "TV"));
    bind_now (dish, at ("udp://127.0.0.1:%d", port));
    OK (zmq_connect (radio, at ("udp://127.0.0.1:%d", port)));
    OK (zmq_bind (from, "udp://127.0.0.1:*"));
    bind_now (to, at ("udp://127.0.0.1:%d", other));
    for (int i = 0; i < 10; i++) {
        text[0] = (char) ('0' + i);
        SAY (radio, "TV", text);
        SEND (from, ep, ZMQ_SNDMORE);
        SEND (from, text, 0);
    }
    /* They are all here when the last one is. */
    sleep_ms (20);
    for (int i = 0; i < 10; i++) {
        text[0] = (char) ('0' + i);
        HEAR (dish, "TV", text);
        CHECK (zmq_recv (to, sender, sizeof sender, 0) > 0);
        RECV (to, text);
    }
    for (int i = 0; i < 4; i++)
        OK (zmq_close (all[i]));
    OK (zmq_ctx_term (ctx));
}

MAIN (ENTRY (radio_to_dish), ENTRY (endpoints), ENTRY (datagrams), ENTRY (multicast), ENTRY (multicast_groups_do_not_mix),
      ENTRY (last_endpoint_is_one), ENTRY (hostile_datagrams), ENTRY (floods), ENTRY (too_long), ENTRY (bursts), ENTRY (closed_after_sending),
      ENTRY (descriptor), ENTRY (conflate_is_for_others))
