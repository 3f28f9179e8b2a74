/*
 * Messages of several parts arrive whole or not at all, and the parts of two never become one: whatever else is wrong
 * with what a peer sends, and whenever it leaves. And a peer that leaves and comes back is heard in the order in which
 * it spoke.
 */
#include "common.h"

static const char greeting[64] = "\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01NULL";

/* A peer of a bound socket that sends what it likes. */
static int peer (const char *ep, const char *type)
{
    char ready[64], in[64 + 2 + 255];
    int fd = raw_connect (ep), n = (int) strlen (type);
    CHECK (raw_write (fd, greeting, sizeof greeting) && raw_read (fd, in, 64));
    n = snprintf (ready, sizeof ready, "%c%c%cREADY%cSocket-Type%c%c%c%c%s", 4, 22 + n, 5, 11, 0, 0, 0, n, type);
    CHECK (raw_write (fd, ready, (size_t) n));
    CHECK (raw_read (fd, in, 2) && raw_read (fd, in + 2, (size_t) (unsigned char) in[1]));
    return fd;
}

#define PUT(fd, bytes) CHECK (raw_write (fd, bytes, sizeof bytes - 1))

typedef struct
{
    int type;
    const char *peer;
} kind_t;

static const kind_t kinds[] = {{ZMQ_PULL, "PUSH"}, {ZMQ_SUB, "PUB"}, {ZMQ_DEALER, "DEALER"}, {ZMQ_ROUTER, "DEALER"}};
#define KINDS 4

/* The parts of the next message ("a|b"); of a ROUTER's the id goes first. */
static const char *message (void *s, int type)
{
    static char got[600];
    char part[200];
    got[0] = 0;
    int more = 1, first = 1;
    if (type == ZMQ_ROUTER) {
        IS (zmq_recv (s, part, sizeof part, 0), 5);
        IS (RCVMORE (s), 1);
    }
    for (; more; first = 0) {
        int n = zmq_recv (s, part, sizeof part - 1, 0);
        CHECK (n >= 0 && n < (int) sizeof part);
        part[n] = 0;
        snprintf (got + strlen (got), sizeof got - strlen (got), "%s%s", first ? "" : "|", part);
        more = RCVMORE (s);
    }
    return got;
}

static void expect (void *s, int type, const char *want)
{
    const char *got = message (s, type);
    if (strcmp (got, want))
        fail_at (__FILE__, __LINE__, "received \"%s\", expected \"%s\"", got, want);
}

/* What becomes of the bytes: a message, none, or either, as libzmq is less strict. */
enum { MESSAGE, NOTHING, EITHER };

/* One peer sends "good" and then these bytes, perhaps the message a|b|c; another one sends "from B". */
static void two_peers (const char *bytes, size_t size, int outcome)
{
    for (int k = 0; k < KINDS; k++) {
        char ep[EP_SIZE];
        void *ctx = ctx_new (), *s = sock (ctx, kinds[k].type);
        int64_t most = 100;
        OK (zmq_setsockopt (s, ZMQ_MAXMSGSIZE, &most, sizeof most));
        if (kinds[k].type == ZMQ_SUB)
            OK (zmq_setsockopt (s, ZMQ_SUBSCRIBE, "", 0));
        set_int (s, ZMQ_RCVTIMEO, 5000);
        bind_any (s, "tcp", ep);
        for (int here = 0; here < 2; here++) {
            int a = peer (ep, kinds[k].peer), b;
            PUT (a, "\0\4good");
            expect (s, kinds[k].type, "good");
            /* Read by the application, or by the I/O thread for it. */
            if (!here)
                sleep_ms (50);
            CHECK (raw_write (a, bytes, size));
            if (!here)
                sleep_ms (50);
            b = peer (ep, kinds[k].peer);
            PUT (b, "\0\6from B");
            int came = 0, from_b = 0;
            while (!from_b || (outcome == MESSAGE && !came) || readable (s, 20)) {
                const char *got = message (s, kinds[k].type);
                int is_b = !strcmp (got, "from B"), is_a = !strcmp (got, "a|b|c");
                if (!is_b && (!is_a || outcome == NOTHING))
                    fail_at (__FILE__, __LINE__, "received \"%s\"", got);
                came += is_a;
                from_b += is_b;
            }
            CHECK (came <= 1 && from_b == 1);
            if (!came)
                CHECK (raw_closed (a, 5000));
            close (a);
            close (b);
        }
        zmq_close (s);
        zmq_ctx_term (ctx);
    }
}

GROUP (a_later_part_is_too_large)
{
    char bytes[12 + 2 + 200] = "\1\12"
                               "first part";
    bytes[12] = 0, bytes[13] = (char) 200;
    two_peers (bytes, sizeof bytes, NOTHING);
}

GROUP (a_command_between_the_parts)
{
    static const char bad[] = "\1\1a\4\5\4PING\1\1b\0\1c", good[] = "\1\1a\4\7\4PING\0\0\1\1b\4\4\3NEW\0\1c";
    static const char flags[] = "\1\1a\1\1b\10\1c";
    two_peers (bad, sizeof bad - 1, EITHER);
    two_peers (flags, sizeof flags - 1, EITHER);
    two_peers (good, sizeof good - 1, MESSAGE);
}

GROUP (the_peer_leaves_within_a_message)
{
    char ep[EP_SIZE];
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PULL);
    set_int (s, ZMQ_RCVTIMEO, 5000);
    bind_any (s, "tcp", ep);
    int a = peer (ep, "PUSH"), b;
    PUT (a, "\1\1a\1\1b\0\1c\1\1d\1\1e");
    RECV (s, "a");
    IS (RCVMORE (s), 1);
    close (a);
    sleep_ms (50);
    b = peer (ep, "PUSH");
    PUT (b, "\0\6from B");
    sleep_ms (50);
    RECV (s, "b");
    IS (RCVMORE (s), 1);
    RECV (s, "c");
    IS (RCVMORE (s), 0);
    RECV (s, "from B");
    RECV_NONE (s, 20);
    close (b);
    zmq_close (s);
    zmq_ctx_term (ctx);
}

/* zmq_setsockopt(3), ZMQ_CONFLATE: "Does not support multi-part messages, in particular, only one part of it is kept". */
GROUP (conflate_keeps_the_last_part)
{
    static const char part[] = "\1\1p";
    static char parts[20000 * 3];
    static const int counts[] = {1, 100, 9999, 10000, 20000};
    char ep[EP_SIZE];
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PULL);
    set_int (s, ZMQ_CONFLATE, 1);
    set_int (s, ZMQ_RCVTIMEO, 10000);
    bind_any (s, "tcp", ep);
    for (int i = 0; i < 20000; i++)
        memcpy (parts + 3 * i, part, 3);
    for (int i = 0; i < 10; i++) {
        int a = peer (ep, "PUSH");
        CHECK (raw_write (a, parts, (size_t) counts[i / 2] * 3));
        PUT (a, "\0\4last");
        /* Read by the I/O thread first, or by the application. */
        sleep_ms (i % 2 * 100);
        expect (s, ZMQ_PULL, "last");
        RECV_NONE (s, 20);
        close (a);
    }
    zmq_close (s);
    zmq_ctx_term (ctx);
}

GROUP (conflate_sends_the_last_part)
{
    static const char *transports[] = {"tcp", "ipc", "inproc"};
    for (int i = 0; i < 3; i++) {
        char ep[EP_SIZE];
        void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
        set_int (out, ZMQ_CONFLATE, 1);
        set_int (in, ZMQ_RCVTIMEO, 5000);
        bind_any (in, transports[i], ep);
        OK (zmq_connect (out, ep));
        CHECK (writable (out, 5000));
        for (int round = 0; round < 3; round++) {
            SEND (out, "a", ZMQ_SNDMORE);
            SEND (out, "b", ZMQ_SNDMORE);
            SEND (out, "c", 0);
            expect (in, ZMQ_PULL, "c");
        }
        zmq_close (out);
        zmq_close (in);
        zmq_ctx_term (ctx);
    }
}

/* A part that is a subscription already known is no news, but may be the end of a message. */
GROUP (xpub_keeps_messages_apart)
{
    char ep[EP_SIZE];
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_XPUB);
    set_int (s, ZMQ_RCVTIMEO, 5000);
    bind_any (s, "tcp", ep);
    int a = peer (ep, "SUB"), b = peer (ep, "SUB");
    PUT (a, "\4\13\11SUBSCRIBEk");
    expect (s, ZMQ_XPUB, "\1k");
    PUT (a, "\1\1A\0\2\1k");
    expect (s, ZMQ_XPUB, "A|\1k");
    PUT (a, "\1\1A\1\2\1k\0\4rest");
    expect (s, ZMQ_XPUB, "A|\1k|rest");
    PUT (b, "\0\1B");
    expect (s, ZMQ_XPUB, "B");
    close (a);
    close (b);
    zmq_close (s);
    zmq_ctx_term (ctx);
}

/* `count` messages of two parts: "I", and a number that begins with `from`. */
static void numbers (int fd, int from, int count)
{
    static char bytes[9 * 400];
    CHECK (count <= 400);
    for (int i = 0; i < count; i++) {
        char number[5];
        snprintf (number, sizeof number, "%04d", (from + i) % 10000);
        memcpy (bytes + 9 * i, "\1\1I\0\4", 5);
        memcpy (bytes + 9 * i + 5, number, 4);
    }
    CHECK (raw_write (fd, bytes, (size_t) (9 * count)));
}

/* A peer that was cut off and came back: what it sent before comes before what it sends now, although the program has
 * not yet read it, or not even the library. */
static void cut_off (int count, int hwm)
{
    for (int k = 0; k < KINDS; k++) {
        char ep[EP_SIZE], want[32];
        void *ctx = ctx_new (), *s = sock (ctx, kinds[k].type);
        set_int (s, ZMQ_RCVTIMEO, 5000);
        if (hwm)
            set_int (s, ZMQ_RCVHWM, hwm);
        if (kinds[k].type == ZMQ_SUB)
            OK (zmq_setsockopt (s, ZMQ_SUBSCRIBE, "", 0));
        bind_any (s, "tcp", ep);
        int fd = -1, next = 0;
        for (int life = 0; life < 4; life++) {
            if (fd >= 0)
                close (fd);
            fd = peer (ep, kinds[k].peer);
            numbers (fd, life * count, count);
            /* Something of each before the next. */
            for (int i = 0; i < 3; i++, next++) {
                snprintf (want, sizeof want, "I|%04d", next);
                expect (s, kinds[k].type, want);
            }
        }
        for (; next < 4 * count; next++) {
            snprintf (want, sizeof want, "I|%04d", next);
            expect (s, kinds[k].type, want);
        }
        close (fd);
        zmq_close (s);
        zmq_ctx_term (ctx);
    }
}

GROUP (a_peer_comes_back)
{
    cut_off (20, 0);
}

GROUP (a_peer_with_much_unread_comes_back)
{
    cut_off (400, 0);
    cut_off (400, 5);
}

MAIN (ENTRY (a_later_part_is_too_large), ENTRY (a_command_between_the_parts), ENTRY (the_peer_leaves_within_a_message),
      ENTRY (conflate_keeps_the_last_part), ENTRY (conflate_sends_the_last_part), ENTRY (xpub_keeps_messages_apart),
      ENTRY (a_peer_comes_back), ENTRY (a_peer_with_much_unread_comes_back))
