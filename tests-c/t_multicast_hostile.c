/*
 * Whoever is on the network can send packets to a group: octets drawn at random, and packets of a good sender that are cut, changed,
 * doubled and sent again later. What libpgm and libnorm make of them is theirs; the process has to live, hold no more than it can,
 * and receive what good senders say. The seed is fixed, or HOSTILE_SEED. libnorm is not sent changed packets, unless HOSTILE_CHANGES
 * is set: it does not survive them (docs/design/faults.md).
 */
#include "common.h"
#include "multicast.h"

enum { KEPT = 64, PACKET = 1500, ROUNDS = 40, AT_ONCE = 50 };

typedef struct
{
    int fd, count;
    /* Whether packets are changed, too, not only cut and said again. */
    int changes;
    struct sockaddr_in to;
    unsigned char packets[KEPT][PACKET];
    int sizes[KEPT];
    unsigned seed;
} enemy_t;

static unsigned draw (enemy_t *e, unsigned below)
{
    e->seed = e->seed * 1103515245 + 12345;
    return (e->seed >> 16) % below;
}

/* Hears what is said to the group, and says something itself. */
static void enters (enemy_t *e, const char *group, int port)
{
    int on = 1;
    e->seed = seed_from ("HOSTILE_SEED");
    e->count = 0;
    OK (e->fd = socket (AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0));
    OK (setsockopt (e->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
    OK (setsockopt (e->fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on));
    e->to = (struct sockaddr_in) {.sin_family = AF_INET, .sin_port = htons (port)};
    IS (inet_pton (AF_INET, group, &e->to.sin_addr), 1);
    OK (bind (e->fd, (struct sockaddr *) &e->to, sizeof e->to));
    struct ip_mreq join = {e->to.sin_addr, {htonl (INADDR_LOOPBACK)}};
    OK (setsockopt (e->fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof join));
    OK (setsockopt (e->fd, IPPROTO_IP, IP_MULTICAST_IF, &join.imr_interface, sizeof join.imr_interface));
}

/* Keeps some of what it hears; its own is among it, so that packets are changed more than once. */
static void listens (enemy_t *e)
{
    unsigned char packet[PACKET];
    int size;
    while ((size = recv (e->fd, packet, sizeof packet, 0)) >= 0) {
        int place = e->count < KEPT ? e->count++ : (int) draw (e, KEPT);
        memcpy (e->packets[place], packet, size);
        e->sizes[place] = size;
    }
}

static void says_something (enemy_t *e)
{
    unsigned char packet[PACKET];
    int size = draw (e, 3) ? draw (e, 100) : draw (e, PACKET), how = e->count ? draw (e, 8) : 0;
    for (int i = 0; i < size; i++)
        packet[i] = draw (e, 256);
    if (how) {
        int which = draw (e, e->count);
        size = e->sizes[which];
        memcpy (packet, e->packets[which], size);
        if (how < 3)
            size = draw (e, size + 1);
        /* Mostly headers. */
        for (int i = e->changes ? draw (e, 6) : 0; how > 1 && size && i > 0; i--)
            packet[draw (e, size < 40 || !draw (e, 4) ? size : 40)] = draw (e, 2) ? draw (e, 256) : (unsigned[]) {0, 1, 127, 128, 255}[draw (e, 5)];
    }
    /* What is full is a network that loses something. */
    sendto (e->fd, packet, size, 0, (struct sockaddr *) &e->to, sizeof e->to);
}

static long resident (void)
{
    long pages = 0;
    FILE *f = fopen ("/proc/self/statm", "r");
    CHECK (f && fscanf (f, "%*d %ld", &pages) == 1);
    fclose (f);
    return pages * sysconf (_SC_PAGESIZE);
}

static void *opens (void *ctx, int type, const char *ep)
{
    void *s = multicast_socket (ctx, type);
    if (type == ZMQ_SUB)
        OK (zmq_setsockopt (s, ZMQ_SUBSCRIBE, "", 0));
    OK (zmq_connect (s, ep));
    return s;
}

/* Somebody new says something, again and again, until it is heard. */
static void is_heard (void *ctx, void *sub, const char *ep, int number)
{
    void *pub = opens (ctx, ZMQ_PUB, ep);
    char text[40], got[2000];
    snprintf (text, sizeof text, "good %d", number);
    int64_t until = now_ms () + 5000;
    for (int size = -1; size != (int) strlen (text) || memcmp (got, text, size);) {
        CHECK (now_ms () < until);
        SEND (pub, text, 0);
        while (readable (sub, 20) && (size = zmq_recv (sub, got, sizeof got, 0)) >= 0)
            if (size == (int) strlen (text) && !memcmp (got, text, size))
                break;
    }
    OK (zmq_close (pub));
}

static void hostile (const char *ep, const char *group, int port, int changes)
{
    void *ctx = ctx_new (), *sub = opens (ctx, ZMQ_SUB, ep), *pub = opens (ctx, ZMQ_PUB, ep);
    static enemy_t enemy;
    static char body[3000];
    enters (&enemy, group, port);
    enemy.changes = changes;
    SETTLE ();
    is_heard (ctx, sub, ep, 0);
    long before = resident ();
    for (int round = 1; round <= ROUNDS; round++) {
        zmq_send (pub, body, draw (&enemy, sizeof body), ZMQ_DONTWAIT);
        listens (&enemy);
        for (int i = 0; i < AT_ONCE; i++)
            says_something (&enemy);
        while (zmq_recv (sub, body, sizeof body, ZMQ_DONTWAIT) >= 0)
            ;
    }
    is_heard (ctx, sub, ep, 1);
    long grown = resident () - before;
    CHECK (grown < 64L << 20);
    close (enemy.fd);
    OK (zmq_close (sub));
    OK (zmq_close (pub));
    OK (zmq_ctx_term (ctx));
}

GROUP (epgm)
{
    NEEDS_PGM ();
    char group[20];
    int port = multicast_port ();
    snprintf (group, sizeof group, "239.192.%d.%d", port >> 8 & 255, port & 255);
    hostile (multicast_endpoint (), group, port, 1);
}

GROUP (norm)
{
    if (!zmq_has ("norm")) {
        fprintf (stderr, "    skipped: no libnorm.so.1\n");
        return;
    }
    char group[20], ep[EP_SIZE];
    int port = multicast_port ();
    snprintf (group, sizeof group, "239.194.%d.%d", port >> 8 & 255, port & 255);
    snprintf (ep, sizeof ep, "norm://lo;%s:%d", group, port);
    hostile (ep, group, port, getenv ("HOSTILE_CHANGES") != NULL);
}

MAIN (ENTRY (epgm), ENTRY (norm))
