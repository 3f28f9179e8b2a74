/*
 * Peers that send what no ZeroMQ peer sends. Whatever it is: the process lives, the listener keeps accepting, other
 * clients are served, and the connection is closed where the protocol is violated (RFC 23, RFC 37, RFC 13, RFC 15).
 */
#include "hostile.h"

static int server_type;

static void serve (int type)
{
    ctx = ctx_new ();
    server = sock (ctx, type);
    server_type = type;
    if (type == ZMQ_SUB)
        OK (zmq_setsockopt (server, ZMQ_SUBSCRIBE, "", 0));
    bind_any (server, "tcp", ep);
}

/* Receives until it is this, as the first part of a message; what strangers have sent goes. */
static void comes (const char *what, size_t size)
{
    for (;;) {
        char buf[300];
        int n = zmq_recv (server, buf, sizeof buf, 0);
        CHECK (n >= 0);
        if (n == (int) size && !memcmp (buf, what, size))
            return;
        while (RCVMORE (server))
            CHECK (zmq_recv (server, buf, sizeof buf, 0) >= 0);
    }
}

/* A decent client still gets what it wants. (Under a new name each time: the last one may not quite be gone yet.) */
static void others_are_served (void)
{
    static int calls;
    void *client;
    char buf[300], name[16], topic[18];
    sprintf (name, "decent-%02d", calls++);
    sprintf (topic, "\1%s", name);
    switch (server_type) {
        case ZMQ_ROUTER:
            client = sock (ctx, ZMQ_DEALER);
            OK (zmq_setsockopt (client, ZMQ_ROUTING_ID, name, 9));
            OK (zmq_connect (client, ep));
            SEND (client, "still there?", 0);
            comes (name, 9);
            RECV (server, "still there?");
            SEND (server, name, ZMQ_SNDMORE);
            SEND (server, "sure", 0);
            RECV (client, "sure");
            break;
        case ZMQ_PULL:
            client = sock (ctx, ZMQ_PUSH);
            OK (zmq_connect (client, ep));
            SEND (client, name, 0);
            comes (name, 9);
            break;
        case ZMQ_XPUB:
            client = sock (ctx, ZMQ_SUB);
            OK (zmq_connect (client, ep));
            OK (zmq_setsockopt (client, ZMQ_SUBSCRIBE, name, 9));
            comes (topic, 10);
            SEND (server, name, 0);
            RECV (client, name);
            break;
        default:
            client = sock (ctx, ZMQ_REQ);
            OK (zmq_connect (client, ep));
            SEND (client, "still there?", 0);
            /* What came from others is answered, too. */
            for (int is_it = 0; !is_it;) {
                int n = zmq_recv (server, buf, sizeof buf, 0);
                CHECK (n >= 0);
                is_it = n == 12 && !memcmp (buf, "still there?", 12);
                while (RCVMORE (server))
                    CHECK (zmq_recv (server, buf, sizeof buf, 0) >= 0);
                SEND (server, "sure", 0);
            }
            RECV (client, "sure");
    }
    OK (zmq_close (client));
}

static void finish (void)
{
    others_are_served ();
    OK (zmq_close (server));
    OK (zmq_ctx_term (ctx));
}

/* Greetings exchanged and READY sent as `type`; the server's READY is read. */
static int shake_hands_as (const char *type, const unsigned char *greeting)
{
    unsigned char ready[100], got[64], head[2], body[256];
    int fd = raw_connect (ep), n = (int) strlen (type);
    CHECK (raw_write (fd, greeting, 64));
    CHECK (raw_read (fd, got, 64));
    ready[0] = 4;
    ready[1] = (unsigned char) (6 + 1 + 11 + 4 + n);
    memcpy (ready + 2, "\5READY\13Socket-Type\0\0\0", 6 + 12 + 3);
    ready[23] = (unsigned char) n;
    memcpy (ready + 24, type, (size_t) n);
    CHECK (raw_write (fd, ready, (size_t) (24 + n)));
    CHECK (raw_read (fd, head, 2));
    IS (head[0], 4);
    CHECK (raw_read (fd, body, head[1]));
    CHECK (!memcmp (body, "\5READY", 6));
    return fd;
}

GROUP (random_bytes)
{
    serve (ZMQ_REP);
    unsigned seed = 20240607;
    for (int i = 0; i < 40; i++) {
        unsigned char junk[700];
        size_t n = (size_t) (rand_r (&seed) % 700) + 1;
        for (size_t k = 0; k < n; k++)
            junk[k] = (unsigned char) rand_r (&seed);
        int fd = raw_connect (ep);
        raw_write (fd, junk, n);
        close (fd);
    }
    finish ();
}

GROUP (http_request)
{
    serve (ZMQ_REP);
    int fd = raw_connect (ep);
    static const char get[] = "GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/8\r\nAccept: */*\r\n\r\n";
    CHECK (raw_write (fd, get, sizeof get - 1));
    others_are_served ();
    close (fd);
    finish ();
}

/* Connects and says nothing, or stops in the middle of the greeting. */
GROUP (silent_peers)
{
    serve (ZMQ_REP);
    int fds[65];
    for (int i = 0; i <= 64; i++) {
        fds[i] = raw_connect (ep);
        raw_write (fds[i], greeting_null, (size_t) i);
    }
    others_are_served ();
    for (int i = 0; i <= 64; i++)
        close (fds[i]);
    finish ();
}

GROUP (handshake_timeout)
{
    ctx = ctx_new ();
    server = sock (ctx, ZMQ_REP);
    server_type = ZMQ_REP;
    set_int (server, ZMQ_HANDSHAKE_IVL, 200);
    bind_any (server, "tcp", ep);
    int silent = raw_connect (ep), half = raw_connect (ep), no_ready = raw_connect (ep);
    raw_write (half, greeting_null, 30);
    raw_write (no_ready, greeting_null, 64);
    CHECK (raw_closed (silent, 5000));
    CHECK (raw_closed (half, 5000));
    CHECK (raw_closed (no_ready, 5000));
    finish ();
}

GROUP (connect_and_hang_up)
{
    serve (ZMQ_REP);
    for (int i = 0; i < 200; i++) {
        int fd = raw_connect (ep);
        struct linger reset = {1, 0};
        if (i % 2)
            setsockopt (fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        if (i % 3 == 0)
            raw_write (fd, greeting_null, 64);
        close (fd);
    }
    finish ();
}

GROUP (unknown_mechanism)
{
    serve (ZMQ_REP);
    unsigned char greeting[64];
    static const char *const names[] = {"PLAIN", "CURVE", "GSSAPI", "nonsense", "null", "ABCDEFGHIJKLMNOPQRST", ""};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        memset (greeting, 0, sizeof greeting);
        memcpy (greeting, greeting_null, 12);
        memcpy (greeting + 12, names[i], strlen (names[i]));
        int fd = raw_connect (ep);
        CHECK (raw_write (fd, greeting, 64));
        CHECK (raw_closed (fd, 5000));
        close (fd);
    }
    finish ();
}

/* Lengths nobody can mean. */
GROUP (impossible_lengths)
{
    static const uint64_t lengths[] = {0x7fffffffffffffffULL, 0xffffffffffffffffULL, 0x8000000000000000ULL, 0xffffffffffffff00ULL};
    serve (ZMQ_ROUTER);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (int flags = 0; flags <= 1; flags++) {
            int fd = shake_hands_as ("DEALER", greeting_null);
            frame_of_length (fd, flags, lengths[i]);
            raw_write (fd, "some body", 9);
            CHECK (raw_closed (fd, 5000));
            close (fd);
        }
    finish ();
}

/* Lengths one could mean, of a body that never comes: nothing is allocated for it. */
GROUP (promised_lengths)
{
    struct rlimit limit = {(rlim_t) 3 << 30, (rlim_t) 3 << 30};
    int fds[8];
    CHECK (setrlimit (RLIMIT_AS, &limit) == 0);
    serve (ZMQ_ROUTER);
    for (int i = 0; i < 8; i++) {
        fds[i] = shake_hands_as ("DEALER", greeting_null);
        frame_of_length (fds[i], i % 2, 1ULL << 33);
        raw_write (fds[i], "some body", 9);
    }
    others_are_served ();
    for (int i = 0; i < 8; i++)
        close (fds[i]);
    finish ();
}

/* The same in the handshake, where every frame is a small command. */
GROUP (huge_command)
{
    static const uint64_t lengths[] = {0xffffffffffffffffULL, 0x7fffffffffffffffULL};
    serve (ZMQ_ROUTER);
    for (int i = 0; i < 2; i++) {
        int fd = raw_connect (ep);
        CHECK (raw_write (fd, greeting_null, 64));
        frame_of_length (fd, 4, lengths[i]);
        raw_write (fd, "\5READY", 6);
        CHECK (raw_closed (fd, 5000));
        close (fd);
    }
    finish ();
}

static int command_closes (const void *bytes, size_t size)
{
    int fd = raw_connect (ep), closed;
    CHECK (raw_write (fd, greeting_null, 64));
    raw_write (fd, bytes, size);
    closed = raw_closed (fd, 5000);
    close (fd);
    return closed;
}
#define COMMAND_CLOSES(literal) CHECK (command_closes (literal, sizeof (literal) - 1))

static void command_says_goodbye (const char *bytes)
{
    int fd = raw_connect (ep);
    CHECK (raw_write (fd, greeting_null, 64));
    raw_write (fd, bytes, 9);
    close (fd);
}

GROUP (malformed_handshake)
{
    serve (ZMQ_ROUTER);
    /* A message where READY is due. */
    COMMAND_CLOSES ("\0\5hello");
    COMMAND_CLOSES ("\1\5hello");
    /* An unknown command, a truncated name, an empty command. */
    COMMAND_CLOSES ("\4\6\5HELLO");
    COMMAND_CLOSES ("\4\3\5RE");
    COMMAND_CLOSES ("\4\0");
    COMMAND_CLOSES ("\4\1\0");
    COMMAND_CLOSES ("\4\1\377");
    /* Properties that end too early: in the name, in the length, in the value. */
    COMMAND_CLOSES ("\4\012\5READY\13Soc");
    COMMAND_CLOSES ("\4\24\5READY\13Socket-Type\0\0");
    COMMAND_CLOSES ("\4\31\5READY\13Socket-Type\0\0\0\6DEA");
    COMMAND_CLOSES ("\4\31\5READY\13Socket-Type\377\377\377\377DEA");
    COMMAND_CLOSES ("\4\31\5READY\13Socket-Type\177\377\377\377DEA");
    /* A socket type that is none, or does not fit. */
    COMMAND_CLOSES ("\4\33\5READY\13Socket-Type\0\0\0\5BOGUS");
    COMMAND_CLOSES ("\4\31\5READY\13Socket-Type\0\0\0\3SUB");
    /* ERROR with a broken reason; a proper one is for the peer to act upon, by hanging up. */
    COMMAND_CLOSES ("\4\7\5ERROR\377");
    COMMAND_CLOSES ("\4\6\5ERROR");
    command_says_goodbye ("\4\7\5ERROR\0");
    finish ();
}

/* After the handshake: commands that come too late or too short. */
GROUP (malformed_traffic)
{
    serve (ZMQ_ROUTER);
    static const struct { const char *bytes; size_t size; } traffic[] = {
        {"\4\4\4PIN", 6}, {"\4\5\4PING", 7}, {"\4\6\4PING\0", 8}, {"\4\0", 2}, {"\4\1\0", 3}, {"\4\1\377", 3},
        {"\4\6\5READY", 8}, {"\4\7\5ERROR\0", 9}, {"\4\6\5HELLO", 8}, {"\6\0\0\0\0\0\0\0\0", 9}, {"\377\377\377", 3}, {"\370\1x", 3},
        {"\4\13\12SUBSCRIBEx", 13}, {"\4\7\6CANCEL", 9}, {"\4\5\4PONG", 7},
    };
    for (size_t i = 0; i < sizeof traffic / sizeof *traffic; i++)
        for (int version = 0; version < 2; version++) {
            int fd = shake_hands_as ("DEALER", version ? greeting_31 : greeting_null);
            raw_write (fd, traffic[i].bytes, traffic[i].size);
            raw_write (fd, "\0\5after", 7);
            /* Some of these are ignored, some end the connection; none ends more than that. */
            raw_closed (fd, 10);
            close (fd);
        }
    finish ();
}

/* A PING with less than its time-to-live, and one with more context than allowed (RFC 37: 16 bytes). */
GROUP (pings)
{
    serve (ZMQ_ROUTER);
    unsigned char pong[64];
    int fd = shake_hands_as ("DEALER", greeting_31);
    CHECK (raw_write (fd, "\4\13\4PING\0\0ctxt", 13));
    CHECK (raw_read (fd, pong, 2 + 5 + 4));
    CHECK (!memcmp (pong, "\4\11\4PONGctxt", 11));
    unsigned char fat[2 + 5 + 2 + 200] = "\4\317\4PING\0\0";
    raw_write (fd, fat, sizeof fat);
    raw_closed (fd, 20);
    close (fd);
    finish ();
}

/* Parts without end, and then a hang-up: nothing of it is delivered. */
GROUP (more_without_end)
{
    serve (ZMQ_PULL);
    int fd = shake_hands_as ("PUSH", greeting_null);
    static char parts[3 * 2000];
    for (int i = 0; i < 2000; i++)
        memcpy (parts + 3 * i, "\1\1p", 3);
    for (int i = 0; i < 20; i++)
        raw_write (fd, parts, sizeof parts);
    others_are_served ();
    close (fd);
    sleep_ms (50);
    RECV_NONE (server, 50);
    finish ();
}

GROUP (empty_frames)
{
    serve (ZMQ_PULL);
    int fd = shake_hands_as ("PUSH", greeting_null);
    for (int i = 0; i < 500; i++)
        raw_write (fd, "\0\0", 2);
    char buf[4];
    for (int i = 0; i < 500; i++)
        IS (zmq_recv (server, buf, sizeof buf, 0), 0);
    close (fd);
    finish ();
}

/* ROUTER: an envelope only, or an empty message. */
GROUP (rep_without_body)
{
    serve (ZMQ_REP);
    int fd = shake_hands_as ("REQ", greeting_null);
    raw_write (fd, "\0\1x", 3);
    raw_write (fd, "\0\0", 2);
    raw_write (fd, "\1\0\0\0", 4);
    raw_write (fd, "\1\0\1\0\0\0", 6);
    sleep_ms (20);
    char buf[8];
    while (zmq_recv (server, buf, sizeof buf, ZMQ_DONTWAIT) >= 0)
        if (!RCVMORE (server))
            zmq_send (server, "ok", 2, 0);
    close (fd);
    finish ();
}

static void subscription (int fd, const char *topic, size_t size)
{
    unsigned char head[10] = {2};
    uint64_t length = size + 1;
    for (int i = 0; i < 8; i++)
        head[8 - i] = (unsigned char) (length >> (8 * i));
    head[9] = 1;
    raw_write (fd, head, 10);
    raw_write (fd, topic, size);
}

GROUP (huge_topic)
{
    serve (ZMQ_XPUB);
    static char topic[1 << 20];
    memset (topic, 't', sizeof topic);
    int fd = shake_hands_as ("SUB", greeting_null);
    subscription (fd, topic, sizeof topic);
    others_are_served ();
    /* The tree is taken down with the connection, too. */
    close (fd);
    sleep_ms (50);
    finish ();
}

GROUP (very_many_topics)
{
    serve (ZMQ_XPUB);
    int fd = shake_hands_as ("SUB", greeting_null);
    static char batch[1000 * 11 + 1];
    for (int i = 0; i < 300; i++) {
        char *p = batch;
        for (int k = 0; k < 1000; k++) {
            p[0] = 0;
            p[1] = 9;
            p[2] = 1;
            sprintf (p + 3, "%08d", i * 1000 + k);
            p += 11;
        }
        raw_write (fd, batch, sizeof batch - 1);
        /* The application keeps up. */
        char buf[32];
        while (zmq_recv (server, buf, sizeof buf, ZMQ_DONTWAIT) > 0)
            ;
    }
    others_are_served ();
    close (fd);
    finish ();
}

GROUP (metadata_galore)
{
    serve (ZMQ_XPUB);
    /* READY of 60 kB: Socket-Type and many X- properties. */
    static unsigned char ready[70000];
    unsigned char *p = ready + 9;
    memcpy (p, "\5READY\13Socket-Type\0\0\0\3SUB", 25);
    p += 25;
    for (int i = 0; i < 3000; i++) {
        p += sprintf ((char *) p, "%cX-Prop-%05d", 12, i);
        memcpy (p, "\0\0\0\4data", 8);
        p += 8;
    }
    uint64_t length = (uint64_t) (p - ready - 9);
    ready[0] = 6;
    for (int i = 0; i < 8; i++)
        ready[8 - i] = (unsigned char) (length >> (8 * i));
    int fd = raw_connect (ep);
    raw_write (fd, greeting_null, 64);
    raw_write (fd, ready, (size_t) (p - ready));
    raw_write (fd, "\0\2\1a", 4);
    others_are_served ();
    close (fd);
    finish ();
}

/* ZMTP 1.0 (unversioned) frames: lengths are one byte or 0xff and eight. */
GROUP (zmtp_1_frames)
{
    static const char *const greetings[] = {"\1\0", "\2\0x", "\377\0\0\0\0\0\0\0\1\0", "\377\0\0\0\0\0\0\0\2\0x", "\0", "\377\377\377\377\377\377\377\377\377\0"};
    static const size_t greeting_sizes[] = {2, 3, 10, 11, 1, 10};
    static const struct { const char *bytes; size_t size; } frames[] = {
        {"\0", 1}, {"\1\0", 2}, {"\1\1", 2}, {"\377\0\0\0\0\0\0\0\0", 9}, {"\377\377\377\377\377\377\377\377\377\0", 10},
        {"\377\177\377\377\377\377\377\377\377\0", 10}, {"\377\200\0\0\0\0\0\0\0\0", 10}, {"\377\0\0\0\2\0\0\0\0\0x", 11}, {"\6\377hello", 7},
    };
    serve (ZMQ_ROUTER);
    for (size_t g = 0; g < sizeof greetings / sizeof *greetings; g++)
        for (size_t f = 0; f < sizeof frames / sizeof *frames; f++) {
            int fd = raw_connect (ep);
            raw_write (fd, greetings[g], greeting_sizes[g]);
            raw_write (fd, frames[f].bytes, frames[f].size);
            raw_closed (fd, 3);
            close (fd);
        }
    finish ();
}

/* ZMTP 2.0: revision 1 greetings with any socket type byte, then frames. */
GROUP (zmtp_2_greetings)
{
    serve (ZMQ_ROUTER);
    for (int revision = 0; revision < 4; revision++)
        for (int type = 0; type < 256; type += 17) {
            unsigned char bytes[24] = {0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, (unsigned char) revision, (unsigned char) type, 0, 0, 0, 3, 'a', 'b', 'c'};
            int fd = raw_connect (ep);
            raw_write (fd, bytes, 19);
            raw_closed (fd, 2);
            close (fd);
        }
    finish ();
}

/* Every prefix of a valid conversation, then a hang-up; and every byte of it damaged, one at a time. */
GROUP (damaged_conversations)
{
    static const char tail[] = "\4\34\5READY\13Socket-Type\0\0\0\6DEALER\0\5hello\1\1a\0\1b";
    unsigned char all[64 + sizeof tail - 1];
    memcpy (all, greeting_31, 64);
    memcpy (all + 64, tail, sizeof tail - 1);
    serve (ZMQ_ROUTER);
    for (size_t i = 0; i <= sizeof all; i++) {
        int fd = raw_connect (ep);
        raw_write (fd, all, i);
        close (fd);
    }
    for (size_t i = 0; i < sizeof all; i++)
        for (int bit = 0; bit < 8; bit += 3) {
            int fd = raw_connect (ep);
            all[i] = (unsigned char) (all[i] ^ (1 << bit));
            raw_write (fd, all, sizeof all);
            all[i] = (unsigned char) (all[i] ^ (1 << bit));
            close (fd);
        }
    finish ();
}

MAIN (ENTRY_SLOW (random_bytes, 10), ENTRY (http_request), ENTRY (silent_peers), ENTRY (handshake_timeout),
      ENTRY (connect_and_hang_up), ENTRY (unknown_mechanism), ENTRY (impossible_lengths), ENTRY (promised_lengths),
      ENTRY (huge_command), ENTRY (malformed_handshake), ENTRY (malformed_traffic), ENTRY (pings),
      ENTRY (more_without_end), ENTRY (empty_frames), ENTRY (rep_without_body), ENTRY (huge_topic),
      ENTRY (very_many_topics), ENTRY (metadata_galore), ENTRY (zmtp_1_frames), ENTRY (zmtp_2_greetings),
      ENTRY (damaged_conversations))
