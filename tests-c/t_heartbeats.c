/*
 * Heartbeats: PING and PONG between sockets and with raw peers. zmq_setsockopt(3), ZMQ_HEARTBEAT_IVL, _TIMEOUT, _TTL; RFC 37.
 */
#include "common.h"

static const unsigned char greeting_31[64] = {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 1, 'N', 'U', 'L', 'L'};

/* The next event within `ms`, 0 if there is none. */
static int event_within (void *monitor, int ms)
{
    uint32_t value;
    char address[EP_SIZE];
    return readable (monitor, ms) ? next_event (monitor, &value, address) : 0;
}

/* A socket that hears when `s` loses a connection. */
static void *losses (void *ctx, void *s)
{
    static int counter;
    char ep[EP_SIZE];
    void *monitor = sock (ctx, ZMQ_PAIR);
    snprintf (ep, sizeof ep, "inproc://losses-%d", counter++);
    OK (zmq_socket_monitor (s, ep, ZMQ_EVENT_DISCONNECTED));
    OK (zmq_connect (monitor, ep));
    return monitor;
}

/* Memory in use. */
static long resident_kb (void)
{
    long pages = 0;
    FILE *f = fopen ("/proc/self/statm", "r");
    CHECK (f && fscanf (f, "%*d %ld", &pages) == 1);
    fclose (f);
    return pages * (sysconf (_SC_PAGESIZE) / 1024);
}

/* A raw DEALER whose handshake with the socket at `ep` is over. */
static int raw_dealer (const char *ep)
{
    static const unsigned char ready[] = "\4\34\5READY\13Socket-Type\0\0\0\6DEALER";
    unsigned char got[64], head[2], body[255];
    int fd = raw_connect (ep);
    CHECK (raw_write (fd, greeting_31, 64));
    CHECK (raw_read (fd, got, 64));
    CHECK (raw_write (fd, ready, 30));
    CHECK (raw_read (fd, head, 2) && head[0] == 4);
    CHECK (raw_read (fd, body, head[1]));
    return fd;
}

/* The body of the next short command. */
static int raw_command (int fd, unsigned char *body)
{
    unsigned char head[2];
    if (!raw_read (fd, head, 2))
        return -1;
    IS (head[0], 4);
    CHECK (raw_read (fd, body, head[1]));
    return head[1];
}

static void *heartbeating (void *ctx, int ivl, int timeout, int ttl, char *ep)
{
    void *s = sock (ctx, ZMQ_ROUTER);
    if (ivl >= 0)
        set_int (s, ZMQ_HEARTBEAT_IVL, ivl);
    if (timeout >= 0)
        set_int (s, ZMQ_HEARTBEAT_TIMEOUT, timeout);
    if (ttl >= 0)
        set_int (s, ZMQ_HEARTBEAT_TTL, ttl);
    bind_any (s, "tcp", ep);
    return s;
}

GROUP (heartbeats_are_sent)
{
    void *ctx = ctx_new (), *s;
    unsigned char body[255];
    char ep[EP_SIZE];
    int fd;
    s = heartbeating (ctx, 50, 60000, 2345, ep);
    int64_t start = now_ms ();
    fd = raw_dealer (ep);
    for (int i = 0; i < 3; i++) {
        IS (raw_command (fd, body), 7);
        /* The ttl in deciseconds. */
        CHECK (!memcmp (body, "\4PING\0\27", 7));
    }
    CHECK (now_ms () - start >= 95);
    close (fd);
    OK (zmq_close (s));
    /* No interval, no heartbeats. */
    s = heartbeating (ctx, 0, 100, 100, ep);
    fd = raw_dealer (ep);
    struct pollfd quiet = {fd, POLLIN, 0};
    IS (poll (&quiet, 1, 300), 0);
    close (fd);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

GROUP (heartbeat_without_answer)
{
    void *ctx = ctx_new (), *s;
    char ep[EP_SIZE];
    int fd;
    s = heartbeating (ctx, 100, 200, -1, ep);
    int64_t start = now_ms ();
    fd = raw_dealer (ep);
    CHECK (raw_closed (fd, 10000));
    CHECK (now_ms () - start >= 290);
    close (fd);
    OK (zmq_close (s));
    /* Unless set the timeout is the interval. */
    s = heartbeating (ctx, 100, -1, -1, ep);
    start = now_ms ();
    fd = raw_dealer (ep);
    CHECK (raw_closed (fd, 10000));
    CHECK (now_ms () - start >= 190);
    close (fd);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

GROUP (heartbeat_with_answers)
{
    void *ctx = ctx_new (), *s;
    unsigned char body[255];
    char ep[EP_SIZE];
    s = heartbeating (ctx, 100, 2000, -1, ep);
    int fd = raw_dealer (ep);
    for (int i = 0; i < 8; i++) {
        IS (raw_command (fd, body), 7);
        CHECK (!memcmp (body, "\4PING\0\0", 7));
        CHECK (raw_write (fd, "\4\5\4PONG", 7));
    }
    /* Still a connection. */
    CHECK (raw_write (fd, "\0\5alive", 7));
    char id[300];
    CHECK (zmq_recv (s, id, sizeof id, 0) == 5);
    RECV (s, "alive");
    close (fd);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

GROUP (pings_of_peers)
{
    void *ctx = ctx_new (), *s;
    unsigned char body[255];
    char ep[EP_SIZE];
    int fd;
    s = heartbeating (ctx, -1, -1, -1, ep);
    fd = raw_dealer (ep);
    /* No ttl, then one with a context, which comes back (up to 16 octets). */
    CHECK (raw_write (fd, "\4\7\4PING\0\0", 9));
    IS (raw_command (fd, body), 5);
    CHECK (!memcmp (body, "\4PONG", 5));
    CHECK (raw_write (fd, "\4\12\4PING\0\0ctx", 12));
    IS (raw_command (fd, body), 8);
    CHECK (!memcmp (body, "\4PONGctx", 8));
    struct pollfd open = {fd, POLLIN, 0};
    IS (poll (&open, 1, 300), 0);
    /* Two deciseconds, and then nothing. */
    int64_t start = now_ms ();
    CHECK (raw_write (fd, "\4\7\4PING\0\2", 9));
    IS (raw_command (fd, body), 5);
    CHECK (raw_closed (fd, 10000));
    CHECK (now_ms () - start >= 190);
    close (fd);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

/* Between sockets of the library nobody notices but the dead. */
GROUP (heartbeats_between_sockets)
{
    void *ctx = ctx_new (), *s, *client = sock (ctx, ZMQ_DEALER), *events;
    char ep[EP_SIZE], id[300];
    s = heartbeating (ctx, 50, 5000, 5000, ep);
    set_int (client, ZMQ_HEARTBEAT_IVL, 50);
    set_int (client, ZMQ_HEARTBEAT_TIMEOUT, 5000);
    events = losses (ctx, client);
    OK (zmq_connect (client, ep));
    for (int i = 0; i < 5; i++) {
        SEND (client, "beat", 0);
        CHECK (zmq_recv (s, id, sizeof id, 0) == 5);
        RECV (s, "beat");
        /* Nothing but heartbeats for a while. */
        IS (event_within (events, 120), 0);
    }
    OK (zmq_close (events));
    OK (zmq_close (client));
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

/* Both sides ping and tell a time to live, and talk at a pace of their own: no timer takes the mark of another. */
GROUP (nobody_healthy_is_lost)
{
    void *ctx = ctx_new (), *a = sock (ctx, ZMQ_REQ), *b = sock (ctx, ZMQ_REP), *lost[2];
    char ep[EP_SIZE];
    set_int (a, ZMQ_HEARTBEAT_IVL, 25);
    set_int (b, ZMQ_HEARTBEAT_IVL, 35);
    set_int (a, ZMQ_HEARTBEAT_TTL, 500);
    set_int (b, ZMQ_HEARTBEAT_TTL, 500);
    set_int (a, ZMQ_HEARTBEAT_TIMEOUT, 400);
    set_int (b, ZMQ_HEARTBEAT_TIMEOUT, 400);
    lost[0] = losses (ctx, a);
    lost[1] = losses (ctx, b);
    bind_any (b, "tcp", ep);
    OK (zmq_connect (a, ep));
    for (int i = 0; i < 25; i++) {
        SEND (a, "request", 0);
        RECV (b, "request");
        sleep_ms (i % 2 * 60);
        SEND (b, "reply", 0);
        RECV (a, "reply");
        sleep_ms (i % 3 * 30);
    }
    IS (event_within (lost[0], 0), 0);
    IS (event_within (lost[1], 0), 0);
    OK (zmq_close (lost[0]));
    OK (zmq_close (lost[1]));
    OK (zmq_close (a));
    OK (zmq_close (b));
    OK (zmq_ctx_term (ctx));
}

/* A PING comes just before the time to live of an earlier one ends, again and again. */
GROUP (each_ping_begins_a_new_life)
{
    void *ctx = ctx_new (), *s;
    char ep[EP_SIZE];
    s = heartbeating (ctx, 30, 20000, -1, ep);
    int fd = -1, in_time = 0;
    /* Whoever has to wait for a processor for so long is late itself, and begins anew, with times as much longer. */
    for (int times = 1; !in_time; times *= 2) {
        char ping[] = "\4\7\4PING\0";
        CHECK (times <= 32);
        ping[8] = (char) (2 * times);
        fd = raw_dealer (ep);
        in_time = 1;
        for (int i = 0; i < 4 + 21 / times && in_time; i++) {
            int64_t before = now_ms ();
            int heard = raw_write (fd, ping, 9);
            in_time = now_ms () < before + 50 * times;
            CHECK (heard || !in_time);
            sleep_ms (95 * times);
            in_time = in_time && now_ms () < before + 150 * times;
        }
        if (!in_time)
            close (fd);
    }
    struct pollfd p = {fd, POLLIN, 0};
    char rest[4096];
    while (poll (&p, 1, 0) == 1)
        CHECK (recv (fd, rest, sizeof rest, 0) > 0);
    CHECK (raw_closed (fd, 5000));
    close (fd);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

/* Nor do PINGs leave anything behind, although each asks for a timer of nearly two hours. */
GROUP (pings_leave_nothing_behind)
{
    void *ctx = ctx_new (), *s;
    unsigned char body[255];
    char ep[EP_SIZE];
    long before = 0;
    s = heartbeating (ctx, -1, -1, -1, ep);
    int fd = raw_dealer (ep);
    for (int i = 0; i < 40000; i++) {
        CHECK (raw_write (fd, i % 2 ? "\4\7\4PING\377\377" : "\4\7\4PING\0\144", 9));
        IS (raw_command (fd, body), 5);
        if (i == 1000)
            before = resident_kb ();
    }
    CHECK (resident_kb () - before < 1024);
    close (fd);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

/* A peer that pings and takes no answer costs no memory, and what it says between its PINGs is received. When it reads
   at last it gets answers in the order of its PINGs, the newest among them. */
static void flood_of_pings (int away)
{
    enum { ROUNDS = 40, PINGS = 10000, SIZE = 13 };
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_ROUTER);
    static unsigned char bytes[PINGS * SIZE + 7];
    unsigned char head[2], body[255];
    char ep[EP_SIZE], id[300];
    uint32_t number = 0, last = 0;
    set_int (s, ZMQ_SNDBUF, 16384);
    bind_any (s, "tcp", ep);
    int fd = raw_dealer (ep);
    long before = resident_kb ();
    for (int i = 0; i < ROUNDS; i++) {
        for (int k = 0; k < PINGS; k++) {
            unsigned char *to = bytes + k * SIZE;
            memcpy (to, "\4\13\4PING\0\0", 9);
            number++;
            for (int digit = 0; digit < 4; digit++)
                to[9 + digit] = (unsigned char) (number >> (24 - 8 * digit));
        }
        memcpy (bytes + PINGS * SIZE, "\0\5hello", 7);
        CHECK (raw_write (fd, bytes, sizeof bytes));
        if (away)
            sleep_ms (2);
        CHECK (zmq_recv (s, id, sizeof id, 0) == 5);
        RECV (s, "hello");
    }
    CHECK (resident_kb () - before < 1500);
    IS (zmq_send (s, id, 5, ZMQ_SNDMORE), 5);
    SEND (s, "answer", 0);
    for (int answered = 0; last < number || !answered;) {
        CHECK (raw_read (fd, head, 2) && raw_read (fd, body, head[1]));
        if (head[0] == 0) {
            IS (head[1], 6);
            answered = 1;
            continue;
        }
        IS (head[1], 9);
        uint32_t context = 0;
        for (int digit = 0; digit < 4; digit++)
            context = context << 8 | body[5 + digit];
        CHECK (context > last && !memcmp (body, "\4PONG", 5));
        last = context;
    }
    close (fd);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

GROUP (a_peer_that_takes_no_answers)
{
    flood_of_pings (0);
    flood_of_pings (1);
}

MAIN (ENTRY (heartbeats_are_sent), ENTRY (heartbeat_without_answer), ENTRY (heartbeat_with_answers), ENTRY (pings_of_peers),
      ENTRY (heartbeats_between_sockets), ENTRY (nobody_healthy_is_lost), ENTRY (each_ping_begins_a_new_life),
      ENTRY (pings_leave_nothing_behind), ENTRY (a_peer_that_takes_no_answers));
