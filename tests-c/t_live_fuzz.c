/*
 * Somebody in the middle: a relay changes, cuts, doubles and withholds what peers say to sockets of every type, at every
 * stage of a conversation, with every mechanism, on the side that binds and on the side that connects. Meanwhile a good
 * peer of each socket exchanges messages with it, one after the other, and each of them has to arrive. The bytes that
 * strangers announce cost no memory.
 *
 * LIVE_FUZZ_SECONDS (1 for each group) and LIVE_FUZZ_SEED (the same each time without it) say for how long and which; `make fuzz` asks for more.
 */
#include "common.h"

enum { NULL_, PLAIN, CURVE };

/* Both sides of a conversation. */
static const struct pairing
{
    int victim, peer;
} pairings[] = {{ZMQ_PULL, ZMQ_PUSH}, {ZMQ_SUB, ZMQ_PUB},   {ZMQ_XSUB, ZMQ_XPUB},     {ZMQ_DEALER, ZMQ_DEALER}, {ZMQ_PAIR, ZMQ_PAIR}, {ZMQ_ROUTER, ZMQ_DEALER},
                {ZMQ_REP, ZMQ_REQ},   {ZMQ_XPUB, ZMQ_XSUB}, {ZMQ_PUB, ZMQ_SUB},       {ZMQ_PUSH, ZMQ_PULL},     {ZMQ_REQ, ZMQ_REP},   {ZMQ_STREAM, ZMQ_DEALER}};
#define KINDS ((int) (sizeof pairings / sizeof *pairings))

static void *victims[KINDS], *good[KINDS], *bad[KINDS][2];
static int raw[KINDS];        /* what a good peer of a STREAM is */
static char target[KINDS][EP_SIZE]; /* where the relay connects to */
static int doors[KINDS];      /* where the relay listens */
static char door_ep[KINDS][EP_SIZE];
static _Atomic int over, attacked;
static unsigned long seed;
static int mechanism, bound_side;

static unsigned below (unsigned limit)
{
    static __thread unsigned long state;
    if (!state) {
        static unsigned long threads;
        state = seed * 0x9e3779b97f4a7c15ul + __atomic_add_fetch (&threads, 1, __ATOMIC_RELAXED);
    }
    state = state * 6364136223846793005ul + 1442695040888963407ul;
    return (unsigned) (state >> 33) % (limit ? limit : 1);
}

/* ---- who may come in --------------------------------------------------------------------------------------------- */

static char server_public[41], server_secret[41], client_public[41], client_secret[41];

static void secure (void *s, int server)
{
    if (mechanism == PLAIN && server)
        set_int (s, ZMQ_PLAIN_SERVER, 1);
    else if (mechanism == PLAIN) {
        OK (zmq_setsockopt (s, ZMQ_PLAIN_USERNAME, "good", 4));
        OK (zmq_setsockopt (s, ZMQ_PLAIN_PASSWORD, "password", 8));
    } else if (mechanism == CURVE && server) {
        set_int (s, ZMQ_CURVE_SERVER, 1);
        OK (zmq_setsockopt (s, ZMQ_CURVE_SECRETKEY, server_secret, 41));
    } else if (mechanism == CURVE) {
        OK (zmq_setsockopt (s, ZMQ_CURVE_SERVERKEY, server_public, 41));
        OK (zmq_setsockopt (s, ZMQ_CURVE_PUBLICKEY, client_public, 41));
        OK (zmq_setsockopt (s, ZMQ_CURVE_SECRETKEY, client_secret, 41));
    }
}

static void *gate_keeper (void *handler)
{
    for (;;) {
        char frames[12][256];
        int sizes[12], n = 0, fine = 0;
        do {
            int size = zmq_recv (handler, frames[n], 256, 0);
            if (size == -1 && errno == ETERM) {
                zmq_close (handler);
                return NULL;
            }
            sizes[n] = size < 0 ? 0 : size > 256 ? 256 : size;
            if (n < 11)
                n++;
        } while (get_int (handler, ZMQ_RCVMORE));
        if (n == 8 && sizes[5] == 5 && !memcmp (frames[5], "PLAIN", 5))
            fine = sizes[6] == 4 && !memcmp (frames[6], "good", 4) && sizes[7] == 8 && !memcmp (frames[7], "password", 8);
        else if (n == 7 && sizes[5] == 5 && !memcmp (frames[5], "CURVE", 5) && sizes[6] == 32) {
            uint8_t wanted[32];
            zmq_z85_decode (wanted, client_public);
            fine = !memcmp (frames[6], wanted, 32);
        }
        zmq_send (handler, "1.0", 3, ZMQ_SNDMORE);
        zmq_send (handler, frames[1], (size_t) sizes[1], ZMQ_SNDMORE);
        zmq_send (handler, fine ? "200" : "400", 3, ZMQ_SNDMORE);
        zmq_send (handler, "", 0, ZMQ_SNDMORE);
        zmq_send (handler, "user", 4, ZMQ_SNDMORE);
        zmq_send (handler, "", 0, 0);
    }
}

static pthread_t keep_gate (void *ctx)
{
    pthread_t thread;
    void *handler = sock (ctx, ZMQ_REP);
    OK (zmq_bind (handler, "inproc://zeromq.zap.01"));
    CHECK (pthread_create (&thread, NULL, gate_keeper, handler) == 0);
    return thread;
}

/* ---- the relay --------------------------------------------------------------------------------------------------- */

#define LINKS 64

static struct link
{
    int fds[2];      /* who came, and to whom */
    unsigned left[2]; /* bytes of each until something happens to what it says */
    int64_t until;   /* a time at which it ends */
} links[LINKS];

static unsigned soon (void)
{
    static const unsigned spans[] = {1, 12, 64, 64, 120, 300, 3000, 30000};
    return below (spans[below (8)]);
}

/* A reset now and then: unread input does it, too. */
static void cut (struct link *l)
{
    struct linger hard = {1, 0};
    for (int i = 0; i < 2; i++) {
        if (below (3) == 0)
            setsockopt (l->fds[i], SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        if (l->fds[i] >= 0)
            close (l->fds[i]);
        l->fds[i] = -1;
    }
    l->until = 0;
}

static int open_to (const char *ep)
{
    struct sockaddr_in a;
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memset (&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    a.sin_port = htons ((uint16_t) atoi (strrchr (ep, ':') + 1));
    if (connect (fd, (struct sockaddr *) &a, sizeof a) == -1) {
        close (fd);
        return -1;
    }
    fcntl (fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void welcome (int kind)
{
    int i, fd = accept4 (doors[kind], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    for (i = 0; i < LINKS && links[i].until; i++)
        ;
    if (fd < 0)
        return;
    if (i == LINKS)
        cut (&links[i = (int) below (LINKS)]);
    links[i].fds[0] = fd;
    links[i].fds[1] = open_to (target[kind]);
    links[i].left[0] = soon ();
    links[i].left[1] = soon ();
    links[i].until = now_ms () + 5 + below (below (4) ? 40 : 400);
    attacked++;
    if (links[i].fds[1] < 0)
        cut (&links[i]);
}

/* Changes `size` bytes at `data`, from `at` on; there is room for 600 more. The new size. */
static size_t spoil (uint8_t *data, size_t size, size_t at)
{
    static const uint8_t edges[] = {0, 1, 2, 4, 6, 7, 8, 0x7f, 0x80, 0xfe, 0xff};
    size_t len = below (1u << below (9)), i;
    if (len > size - at)
        len = size - at;
    switch (below (7)) {
        case 0: /* left out */
            memmove (data + at, data + at + len, size - at - len);
            return size - len;
        case 1: /* doubled */
            memmove (data + at + len, data + at, size - at);
            return size + len;
        case 2: /* noise between */
            memmove (data + at + len, data + at, size - at);
            for (i = 0; i < len; i++)
                data[at + i] = (uint8_t) below (256);
            return size + len;
        case 3: /* as a length it would be a large one */
            for (i = 0; i < 8 && at + i < size; i++)
                data[at + i] = i == 0 && below (2) ? 0x7f : 0xff;
            return size;
        case 4: /* a long frame is announced, and what follows is its body */
            memmove (data + at + 9, data + at, size - at);
            memcpy (data + at, "\2\0\0\0\0\0\0\0\0", 9);
            data[at] = (uint8_t) (2 | below (2) | (below (8) == 0) << 2);
            data[at + 1 + below (8)] = (uint8_t) (1 << below (8));
            return size + 9;
        case 5:
            data[at] = edges[below (sizeof edges)];
            return size;
        default:
            data[at] ^= (uint8_t) (1 << below (8));
            return size;
    }
}

static void pass (struct link *l, int from)
{
    uint8_t data[4096 + 4096];
    ssize_t n = recv (l->fds[from], data, 4096, 0);
    size_t size = (size_t) n;
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN)
            cut (l);
        return;
    }
    for (int i = 0; i < 4 && l->left[from] < size && size < 7000; i++) {
        unsigned what = below (12), at = l->left[from];
        if (what == 0) {
            send (l->fds[1 - from], data, at, MSG_NOSIGNAL | MSG_DONTWAIT);
            return cut (l);
        }
        if (what == 1)
            return; /* nothing of it arrives */
        size = spoil (data, size, at);
        l->left[from] = at + 1 + soon ();
    }
    l->left[from] -= (unsigned) (size < l->left[from] ? size : l->left[from]);
    /* In two pieces now and then. Who does not take it is cut off. */
    size_t first = below (2) ? size : below ((unsigned) size + 1);
    if (send (l->fds[1 - from], data, first, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t) first
        || send (l->fds[1 - from], data + first, size - first, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t) (size - first))
        cut (l);
}

static void *relay (void *unused)
{
    struct pollfd items[KINDS + 2 * LINKS];
    while (!over) {
        for (int i = 0; i < KINDS; i++)
            items[i] = (struct pollfd){doors[i], POLLIN, 0};
        for (int i = 0; i < 2 * LINKS; i++)
            items[KINDS + i] = (struct pollfd){links[i / 2].until ? links[i / 2].fds[i % 2] : -1, POLLIN, 0};
        poll (items, KINDS + 2 * LINKS, 5);
        for (int i = 0; i < 2 * LINKS; i++)
            if (items[KINDS + i].revents && links[i / 2].until)
                pass (&links[i / 2], i % 2);
        for (int i = 0; i < KINDS; i++)
            if (items[i].revents)
                welcome (i);
        for (int i = 0; i < LINKS; i++)
            if (links[i].until && now_ms () > links[i].until)
                cut (&links[i]);
    }
    for (int i = 0; i < LINKS; i++)
        if (links[i].until)
            cut (&links[i]);
    return unused;
}

/* Who has been told that it is not wanted does not come back by itself. */
static void anew (int kind, void *s)
{
    zmq_disconnect (s, door_ep[kind]);
    OK (zmq_connect (s, door_ep[kind]));
}

/* Peers that talk through the relay, of the right kind and with the right keys. */
static void *talk (void *unused)
{
    static char junk[70000];
    while (!over) {
        for (int i = 0; i < KINDS; i++)
            for (int j = 0; j < 2; j++) {
                zmq_msg_t msg;
                if (!bad[i][j])
                    continue;
                if (bound_side && below (30) == 0)
                    anew (i, bad[i][j]);
                zmq_msg_init (&msg);
                for (int n = 0; n < 20 && zmq_msg_recv (&msg, bad[i][j], ZMQ_DONTWAIT) >= 0; n++)
                    ;
                zmq_msg_close (&msg);
                for (int n = 0; n < 3; n++)
                    zmq_send (bad[i][j], junk, below (1u << below (17)) % sizeof junk, ZMQ_DONTWAIT | (below (3) ? 0 : ZMQ_SNDMORE));
                if (pairings[i].peer == ZMQ_SUB) {
                    char topic[600];
                    memset (topic, 'a' + (int) below (3), sizeof topic);
                    zmq_setsockopt (bad[i][j], below (2) ? ZMQ_SUBSCRIBE : ZMQ_UNSUBSCRIBE, topic, below (600));
                }
            }
        sleep_ms (1);
    }
    return unused;
}

/* ---- the good ones ----------------------------------------------------------------------------------------------- */

static char token[40];

/* Takes what is there. Whether the token is the last part of a message; what asks for an answer gets one. */
static int heard (void *s, int type)
{
    for (;;) {
        char part[64], id[64];
        int n = zmq_recv (s, part, sizeof part, ZMQ_DONTWAIT), id_size = n;
        if (n < 0) {
            CHECK (errno == EAGAIN || errno == EFSM);
            return 0;
        }
        memcpy (id, part, sizeof id);
        while (RCVMORE (s))
            n = zmq_recv (s, part, sizeof part, ZMQ_DONTWAIT);
        if (type == ZMQ_REP)
            OK (zmq_send (s, part, n < 64 ? (size_t) n : 64, ZMQ_DONTWAIT));
        if (n == (int) strlen (token) && !memcmp (part, token, (size_t) n)) {
            if (type == ZMQ_ROUTER && zmq_send (s, id, (size_t) id_size, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0)
                zmq_send (s, token, strlen (token), ZMQ_DONTWAIT);
            return 1;
        }
    }
}

static void say (int kind, void *from)
{
    int rc = from ? zmq_send (from, token, strlen (token), ZMQ_DONTWAIT) : raw_write (raw[kind], token, strlen (token)) - 1;
    CHECK (rc >= 0 || errno == EAGAIN || errno == EFSM);
}

/* One message of the good peer, or to it. It is said once, unless others may take it or nobody knew yet who wants it. */
static void exchange (int kind, int first)
{
    static int number;
    int type = pairings[kind].victim, sends = type == ZMQ_XPUB || type == ZMQ_PUB || type == ZMQ_PUSH || type == ZMQ_REQ;
    void *from = sends ? victims[kind] : good[kind], *to = sends ? good[kind] : victims[kind];
    int to_type = sends ? pairings[kind].peer : type, arrived = 0, answered = type != ZMQ_ROUTER && type != ZMQ_REP && type != ZMQ_REQ;
    int again = first || type == ZMQ_PUSH || type == ZMQ_REQ;
    int64_t start = now_ms (), said = start;
    snprintf (token, sizeof token, "good-%08d-%016lx", number++, seed);
    say (kind, from);
    while (!arrived || !answered) {
        zmq_pollitem_t items[2] = {{to, 0, ZMQ_POLLIN, 0}, {victims[kind], 0, ZMQ_POLLIN, 0}};
        zmq_poll (items, 2, 5);
        arrived |= heard (to, to_type);
        if (sends && type != ZMQ_PUB && type != ZMQ_PUSH && heard (victims[kind], type))
            answered = 1;
        if (!sends && good[kind] && !answered && heard (good[kind], pairings[kind].peer))
            answered = 1;
        if (again && !(arrived && answered) && now_ms () - said > (first ? 300 : 40)) {
            say (kind, from);
            said = now_ms ();
        }
        if (now_ms () - start > 10000)
            fail_at (__FILE__, __LINE__, "%s of type %d and its good peer: message %d has not come, LIVE_FUZZ_SEED=%lu", arrived ? "answer" : "socket", type, number - 1, seed);
    }
}

/* ---- a group ------------------------------------------------------------------------------------------------------ */

static long status_kb (const char *what)
{
    char line[200];
    long kb = -1;
    FILE *f = fopen ("/proc/self/status", "r");
    while (f && fgets (line, sizeof line, f))
        if (!strncmp (line, what, strlen (what)))
            kb = atol (line + strlen (what) + 1);
    if (f)
        fclose (f);
    return kb;
}

static void *prepared (void *ctx, int type, int server)
{
    void *s = sock (ctx, type);
    set_int (s, ZMQ_RECONNECT_IVL, 2);
    set_int (s, ZMQ_HANDSHAKE_IVL, 300);
    if (type == ZMQ_REQ) {
        set_int (s, ZMQ_REQ_RELAXED, 1);
        set_int (s, ZMQ_REQ_CORRELATE, 1);
    }
    if (type != ZMQ_STREAM)
        secure (s, server);
    return s;
}

static void subscribe (void *s, int type)
{
    if (type == ZMQ_SUB)
        OK (zmq_setsockopt (s, ZMQ_SUBSCRIBE, "", 0));
    if (type == ZMQ_XSUB)
        OK (zmq_send (s, "\1", 1, 0));
}

static void set_up (int i, void *ctx, void *their_ctx, int bound)
{
    int type = pairings[i].victim, peer = pairings[i].peer;
    char ep[EP_SIZE], own[EP_SIZE];
    victims[i] = prepared (ctx, type, bound);
    doors[i] = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    free_tcp (door_ep[i]);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK), .sin_port = htons ((uint16_t) atoi (strrchr (door_ep[i], ':') + 1))};
    int one = 1;
    setsockopt (doors[i], SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    CHECK (bind (doors[i], (struct sockaddr *) &a, sizeof a) == 0 && listen (doors[i], 100) == 0);
    if (bound) {
        bind_any (victims[i], "tcp", ep);
        strcpy (target[i], ep);
        if (type == ZMQ_STREAM)
            raw[i] = raw_connect (ep);
        else {
            good[i] = prepared (their_ctx, peer, 0);
            OK (zmq_connect (good[i], ep));
        }
    } else {
        good[i] = prepared (their_ctx, peer, 1);
        bind_any (good[i], "tcp", ep);
        OK (zmq_connect (victims[i], ep));
    }
    subscribe (victims[i], type);
    if (good[i])
        subscribe (good[i], peer);
    exchange (i, 1);
    /* The good ones know each other. Now the others. */
    for (int j = 0; j < (bound ? 2 : 1); j++) {
        bad[i][j] = prepared (their_ctx, peer, !bound);
        subscribe (bad[i][j], peer);
        if (bound)
            OK (zmq_connect (bad[i][j], door_ep[i]));
        else
            bind_any (bad[i][j], "tcp", target[i]);
    }
    if (!bound) {
        strcpy (own, door_ep[i]);
        OK (zmq_connect (victims[i], own));
    }
}

static void attack (int which, int bound)
{
    void *ctx = ctx_new (), *their_ctx = ctx_new ();
    pthread_t gates[2], threads[2];
    const char *seconds = getenv ("LIVE_FUZZ_SECONDS"), *given = getenv ("LIVE_FUZZ_SEED");
    int rounds = 0, kinds = bound && which == NULL_ ? KINDS : KINDS - 1;
    int length = seconds ? atoi (seconds) : 1;
    alarm ((unsigned) length + 30);
    mechanism = which;
    bound_side = bound;
    seed = given ? strtoul (given, NULL, 0) : 8 + (unsigned long) which * 2 + (unsigned long) bound;
    OK (zmq_curve_keypair (server_public, server_secret));
    OK (zmq_curve_keypair (client_public, client_secret));
    gates[0] = keep_gate (ctx);
    gates[1] = keep_gate (their_ctx);
    memset (doors, -1, sizeof doors);
    for (int i = 0; i < kinds; i++)
        set_up (i, ctx, their_ctx, bound);
    long before = status_kb ("VmRSS");
    CHECK (pthread_create (&threads[0], NULL, relay, NULL) == 0);
    CHECK (pthread_create (&threads[1], NULL, talk, NULL) == 0);
    int64_t end = now_ms () + 1000 * length;
    while (now_ms () < end || rounds < 3) {
        for (int i = 0; i < kinds; i++) {
            exchange (i, 0);
            if (!bound && below (3) == 0)
                anew (i, victims[i]);
        }
        rounds++;
    }
    over = 1;
    for (int i = 0; i < 2; i++)
        pthread_join (threads[i], NULL);
    for (int i = 0; i < kinds; i++)
        exchange (i, 0);
    fprintf (stderr, "%d messages of each, %d attacks, memory %ld kB before, %ld kB at most, seed %lu\n", rounds, attacked, before, status_kb ("VmHWM"), seed);
    CHECK (attacked > 20);
    /* Queues may fill: 1000 messages of up to 64 KiB here and there. */
    CHECK (status_kb ("VmHWM") - before < 400 * 1024);
    for (int i = 0; i < kinds; i++) {
        OK (zmq_close (victims[i]));
        if (good[i])
            OK (zmq_close (good[i]));
        for (int j = 0; j < 2; j++)
            if (bad[i][j])
                OK (zmq_close (bad[i][j]));
        close (doors[i]);
    }
    OK (zmq_ctx_shutdown (ctx));
    OK (zmq_ctx_shutdown (their_ctx));
    for (int i = 0; i < 2; i++)
        pthread_join (gates[i], NULL);
    OK (zmq_ctx_term (ctx));
    OK (zmq_ctx_term (their_ctx));
}

GROUP (bound_null) { attack (NULL_, 1); }
GROUP (bound_plain) { attack (PLAIN, 1); }
GROUP (bound_curve) { attack (CURVE, 1); }
GROUP (connecting_null) { attack (NULL_, 0); }
GROUP (connecting_plain) { attack (PLAIN, 0); }
GROUP (connecting_curve) { attack (CURVE, 0); }

MAIN (ENTRY (bound_null), ENTRY (bound_plain), ENTRY (bound_curve), ENTRY (connecting_null), ENTRY (connecting_plain), ENTRY (connecting_curve))
