/*
 * WebSocket: ZWS 2.0 (RFC 45), by hand and between sockets, and STREAM over ws. libzmq goes on with much that RFC 6455 forbids, or stands
 * still, and has no STREAM there: this runs with a libzmq of the draft API only; the exchange with Debian's is `interop` over ws.
 */
#define ZMQ_BUILD_DRAFT_API
#include "common.h"

/* ---- a peer by hand --------------------------------------------------------------------------------------------- */

enum { CLOSE = 8, PING = 9, PONG = 10 };

static char head[20000];

/* A request with these sub-protocols and further lines. */
static int ask (const char *ep, const char *protocols, const char *more)
{
    int fd = raw_connect (ep);
    snprintf (head, sizeof head,
              "GET /page HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s%s%s%s\r\n",
              protocols ? "Sec-WebSocket-Protocol: " : "", protocols ? protocols : "", protocols ? "\r\n" : "", more);
    CHECK (raw_write (fd, head, strlen (head)));
    return fd;
}

/* The head of the answer. */
static const char *answer (int fd)
{
    size_t n = 0;
    do {
        if (n + 1 >= sizeof head || !raw_read (fd, head + n, 1))
            break;
        head[++n] = 0;
    } while (n < 4 || strcmp (head + n - 4, "\r\n\r\n"));
    head[n] = 0;
    return head;
}

/* A frame of a client; bits 7 and 3 to 0 of `first` are FIN and the opcode. */
static size_t frame (char *to, int first, const void *payload, size_t size)
{
    static const char mask[4] = {0x12, 0x34, 0x56, 0x78};
    size_t n = 2;
    to[0] = (char) first;
    to[1] = (char) (0x80 | (size < 126 ? size : 126));
    if (size >= 126) {
        to[2] = (char) (size >> 8);
        to[3] = (char) size;
        n = 4;
    }
    memcpy (to + n, mask, 4);
    for (size_t i = 0; i < size; i++)
        to[n + 4 + i] = (char) (((const char *) payload)[i] ^ mask[i % 4]);
    return n + 4 + size;
}

static void say (int fd, int first, const void *payload, size_t size)
{
    static char bytes[70000];
    CHECK (raw_write (fd, bytes, frame (bytes, first, payload, size)));
}
#define SAY(fd, text) say (fd, 0x82, text, sizeof text - 1)

/* The next frame of the server is this one. */
static void heard_at (int line, int fd, int first, const void *payload, size_t size)
{
    unsigned char bytes[300];
    if (!raw_read (fd, bytes, 2))
        fail_at (__FILE__, line, "no frame");
    size_t n = bytes[1];
    if (bytes[0] != first || n != size || !raw_read (fd, bytes + 2, n) || memcmp (bytes + 2, payload, n))
        fail_at (__FILE__, line, "frame %02x of %d bytes, expected %02x of %d", bytes[0], (int) n, first, (int) size);
}
#define HEARD(fd, text) heard_at (__LINE__, fd, 0x82, text, sizeof text - 1)

/* A peer without a mechanism, by this name. */
static int peer (const char *ep, const char *id)
{
    char text[100] = "";
    int fd = ask (ep, "ZWS2.0", "");
    CHECK (strstr (answer (fd), "101 Switching Protocols\r\n") && strstr (head, "\r\nSec-WebSocket-Protocol: ZWS2.0\r\n"));
    CHECK (strstr (head, "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    HEARD (fd, "\0");
    strcpy (text + 1, id);
    say (fd, 0x82, text, 1 + strlen (id));
    return fd;
}

typedef struct
{
    void *ctx, *s;
    char ep[EP_SIZE], port[EP_SIZE];
} server_t;

static server_t serve (int type)
{
    server_t v = {.ctx = ctx_new ()};
    v.s = sock (v.ctx, type);
    OK (zmq_bind (v.s, "ws://127.0.0.1:*/page"));
    last_endpoint (v.s, v.ep);
    strcpy (v.port, v.ep);
    *strrchr (v.port, '/') = 0;
    return v;
}

static void end (server_t *v)
{
    OK (zmq_close (v->s));
    OK (zmq_ctx_term (v->ctx));
}

/* ---- addresses -------------------------------------------------------------------------------------------------- */

GROUP (addresses)
{
    static const struct
    {
        const char *given, *path;
        int error;
    } binds[] = {{"ws://127.0.0.1:*", "/", 0},     {"ws://127.0.0.1:*/", "/", 0},   {"ws://*:*/a", "/a", 0},
                 {"ws://lo:*", "/", 0},            {"ws://127.0.0.1", "", EINVAL},  {"ws://127.0.0.1/x", "", EINVAL},
                 {"ws://127.0.0.1:/x", "", EINVAL}, {"ws://", "", EINVAL},          {"ws:///x", "", EINVAL},
                 {"ws://127.0.0.1:x", "", EINVAL}, {"ws://nobody.invalid:5", "", ENODEV}, {"ws://localhost:*/z", "", ENODEV}};
    void *ctx = ctx_new ();
    for (size_t i = 0; i < sizeof binds / sizeof *binds; i++) {
        char ep[EP_SIZE];
        void *s = sock (ctx, ZMQ_PULL);
        int rc = zmq_bind (s, binds[i].given);
        if (binds[i].error ? rc != -1 || errno != binds[i].error : rc != 0)
            fail_at (__FILE__, __LINE__, "%s: %d, errno %d", binds[i].given, rc, errno);
        if (rc == 0) {
            last_endpoint (s, ep);
            CHECK (!strncmp (ep, "ws://", 5) && !strcmp (strchr (ep + 5, '/'), binds[i].path));
            OK (zmq_unbind (s, ep));
            FAILS (zmq_unbind (s, ep), ENOENT);
        }
        OK (zmq_close (s));
    }
    static const char *const wrong[] = {"ws://*:5", "ws://127.0.0.1", "ws://127.0.0.1:*", "ws://:5", "ws://a b:5", "ws://127.0.0.1/x"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        void *s = sock (ctx, ZMQ_PULL);
        int rc = zmq_connect (s, wrong[i]);
        if (rc != -1 || errno != EINVAL)
            fail_at (__FILE__, __LINE__, "%s: %d, errno %d", wrong[i], rc, errno);
        OK (zmq_close (s));
    }
    char ep[EP_SIZE];
    void *s = sock (ctx, ZMQ_PULL);
    OK (zmq_connect (s, "ws://127.0.0.1:5"));
    last_endpoint (s, ep);
    CHECK (!strcmp (ep, "ws://127.0.0.1:5/"));
    OK (zmq_disconnect (s, "ws://127.0.0.1:5"));
    OK (zmq_connect (s, "ws://127.0.0.1:5"));
    OK (zmq_disconnect (s, ep));
    FAILS (zmq_disconnect (s, ep), ENOENT);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

/* ---- peers by hand ---------------------------------------------------------------------------------------------- */

GROUP (without_a_mechanism)
{
    server_t v = serve (ZMQ_ROUTER);
    int fd = peer (v.port, "me");
    SAY (fd, "\1one");
    SAY (fd, "\0two");
    RECV (v.s, "me");
    RECV (v.s, "one");
    RECV (v.s, "two");
    SEND (v.s, "me", ZMQ_SNDMORE);
    SEND (v.s, "", ZMQ_SNDMORE);
    SEND (v.s, "answer", 0);
    HEARD (fd, "\1");
    HEARD (fd, "\0answer");
    /* Frames that came with the request, in any pieces. */
    char all[400];
    size_t n = 0;
    int other = raw_connect (v.port);
    close (ask (v.port, "x,ZWS2.0,ZWS2.0/NULL", ""));
    n = strlen (strcpy (all, head));
    n += frame (all + n, 0x82, "\0you", 4);
    n += frame (all + n, 0x82, "\0glued", 6);
    for (size_t i = 0; i < n; i++)
        CHECK (raw_write (other, all + i, 1));
    RECV (v.s, "you");
    RECV (v.s, "glued");
    CHECK (strstr (answer (other), "Protocol: ZWS2.0\r\n"));
    close (other);
    close (fd);
    end (&v);
}

GROUP (with_a_mechanism)
{
    server_t v = serve (ZMQ_XPUB);
    int fd = ask (v.port, "ZWS2.0/NULL", "");
    CHECK (strstr (answer (fd), "Protocol: ZWS2.0/NULL\r\n"));
    SAY (fd, "\2\5READY\13Socket-Type\0\0\0\3SUB");
    SAY (fd, "\0\1A");
    HEARD (fd, "\2\5READY\13Socket-Type\0\0\0\4XPUB");
    RECV (v.s, "\1A");
    SEND (v.s, "B no", 0);
    SEND (v.s, "A yes", 0);
    HEARD (fd, "\0A yes");
    SAY (fd, "\0\0A");
    close (fd);
    end (&v);
}

/* What RFC 6455 asks of a server, and what no client may say. libzmq goes on with most of it, or stands still. */
GROUP (fragments_and_control_frames)
{
    server_t v = serve (ZMQ_PULL);
    int fd = peer (v.port, "");
    say (fd, 0x02, "\0fr", 3);
    say (fd, 0x80 | PING, "between", 7);
    say (fd, 0x00, "ag", 2);
    say (fd, 0x00, "", 0);
    say (fd, 0x80, "ments", 5);
    RECV (v.s, "fragments");
    heard_at (__LINE__, fd, 0x80 | PONG, "between", 7);
    say (fd, 0x80 | PONG, "unasked", 7);
    SAY (fd, "\0last");
    say (fd, 0x80 | CLOSE, "\3\xe8 bye", 6);
    RECV (v.s, "last");
    heard_at (__LINE__, fd, 0x80 | CLOSE, "\3\xe8", 2);
    CHECK (raw_closed (fd, 5000));
    close (fd);
    end (&v);
}

GROUP (hostile_requests)
{
    server_t v = serve (ZMQ_PULL);
    static const char *const wrong[] = {
        "Sec-WebSocket-Version: 8\r\n", "Sec-WebSocket-Key: another\r\n", ": \r\n", "no header\r\n",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        int fd = ask (v.port, "ZWS2.0", wrong[i]);
        CHECK (!strncmp (answer (fd), "HTTP/1.1 4", 10));
        CHECK (raw_closed (fd, 5000));
        close (fd);
    }
    int fd = ask (v.port, "chat", "");
    CHECK (!strncmp (answer (fd), "HTTP/1.1 400 ", 13));
    close (fd);
    static const char *const others[] = {"GET / HTTP/1.1\r\nHost: here\r\n\r\n", "POST / HTTP/1.1\r\nHost: here\r\n\r\n",
                                         "GET /page HTTP/1.0\r\nUpgrade: websocket\r\n\r\n"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        fd = raw_connect (v.port);
        CHECK (raw_write (fd, others[i], strlen (others[i])));
        CHECK (!strncmp (answer (fd), "HTTP/1.1 4", 10));
        CHECK (raw_closed (fd, 5000));
        close (fd);
    }
    fd = raw_connect (v.port);
    CHECK (raw_write (fd, "\xff\0\0\0\0\0\0\0\1\x7f\3", 11) && raw_closed (fd, 5000));
    close (fd);
    /* 16 KiB of headers, and no more. */
    static char line[17000] = "X: ";
    memset (line + 3, 'x', 16000);
    strcpy (line + 16003, "\r\n");
    fd = ask (v.port, "ZWS2.0", line);
    CHECK (strstr (answer (fd), " 101 "));
    close (fd);
    memset (line + 3, 'x', 16500);
    strcpy (line + 16503, "\r\n");
    fd = ask (v.port, "ZWS2.0", line);
    CHECK (raw_closed (fd, 5000));
    close (fd);
    end (&v);
}

GROUP (hostile_frames)
{
    server_t v = serve (ZMQ_PULL);
    static const struct
    {
        const char *bytes;
        size_t size;
    } wrong[] = {
#define WRONG(text) {text, sizeof text - 1}
        WRONG ("\x82\1\0"),                                       /* no mask */
        WRONG ("\x81\x82\0\0\0\0\0x"),                            /* text */
        WRONG ("\x82\x80\0\0\0\0"),                               /* no flags */
        WRONG ("\x82\x82\0\0\0\0\3x"),                            /* more, and a command */
        WRONG ("\x82\x83\0\0\0\0\2\0\x09"),                       /* a command without a name */
        WRONG ("\xc2\x82\0\0\0\0\0x"),                            /* an extension */
        WRONG ("\x83\x82\0\0\0\0\0x"),                            /* no opcode */
        WRONG ("\x80\x82\0\0\0\0\0x"),                            /* more of nothing */
        WRONG ("\x82\xfe\0\2\0\0\0\0\0x"),                        /* a length too long */
        WRONG ("\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0"), /* a length that is none */
        WRONG ("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0"), /* more than there is */
        WRONG ("\x89\xfe\0\x7e\0\0\0\0"),                         /* a long Ping */
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        int fd = peer (v.port, "");
        SAY (fd, "\0before");
        CHECK (raw_write (fd, wrong[i].bytes, wrong[i].size));
        RECV (v.s, "before");
        if (!raw_closed (fd, 5000))
            fail_at (__FILE__, __LINE__, "number %d", (int) i);
        close (fd);
    }
    /* A peer that sends Pings and takes no answer. */
    int fd = peer (v.port, "");
    static char pings[131 * 1000];
    size_t n = 0;
    for (int i = 0; i < 1000; i++)
        n += frame (pings + n, 0x80 | PING, pings, 125);
    for (int i = 0; i < 100; i++)
        if (!raw_write (fd, pings, n))
            break;
    SAY (fd, "\0behind");
    RECV (v.s, "behind");
    close (fd);
    end (&v);
}

/* Who keeps to the rules and never comes to an end of what is said before the first message. As fast as it is read that comes, and
 * others of the I/O thread would have to wait as long: no time that is measured there ends it. */
GROUP (greetings_without_end)
{
    server_t v = serve (ZMQ_PULL);
    static const struct
    {
        const char *frame;
        size_t size;
    } endless[] = {{"\0\x80\0\0\0\0", 6}, {"\x8a\x80\0\0\0\0", 6}};
    static char bytes[6 << 10];
    for (size_t i = 0; i < sizeof endless / sizeof *endless; i++) {
        for (size_t at = 0; at < sizeof bytes; at += endless[i].size)
            memcpy (bytes + at, endless[i].frame, endless[i].size);
        int fd = ask (v.port, "ZWS2.0", "");
        CHECK (strstr (answer (fd), " 101 "));
        say (fd, 0x02, "", 0);
        int much = 2 << 20;
        while (much > 0 && raw_write (fd, bytes, sizeof bytes))
            much -= sizeof bytes;
        if (!raw_closed (fd, 5000))
            fail_at (__FILE__, __LINE__, "number %d", (int) i);
        close (fd);
    }
    end (&v);
}

/* ---- sockets ---------------------------------------------------------------------------------------------------- */

GROUP (security_and_heartbeats)
{
    server_t v = serve (ZMQ_DEALER);
    void *s = sock (v.ctx, ZMQ_REP), *c = sock (v.ctx, ZMQ_REQ);
    char ep[EP_SIZE];
    encrypt (s, c);
    OK (zmq_bind (s, "ws://127.0.0.1:*"));
    last_endpoint (s, ep);
    /* Control frames are not encrypted, and stand between those that are. */
    set_int (c, ZMQ_HEARTBEAT_IVL, 5);
    set_int (c, ZMQ_HEARTBEAT_TIMEOUT, 2000);
    OK (zmq_connect (c, ep));
    for (int i = 0; i < 20; i++) {
        SEND (c, "question", 0);
        RECV (s, "question");
        sleep_ms (3);
        SEND (s, "answer", 0);
        RECV (c, "answer");
    }
    /* Nobody without keys is let in. */
    int fd = ask (ep, "ZWS2.0,ZWS2.0/NULL", "");
    CHECK (raw_closed (fd, 5000));
    close (fd);
    OK (zmq_close (c));
    OK (zmq_close (s));
    end (&v);
}

/* What one connection has not sent the next one does; what lingers arrives. */
GROUP (nothing_is_lost_at_the_end)
{
    enum { COUNT = 200, SIZE = 100000 };
    server_t v = serve (ZMQ_PULL);
    void *c = sock (v.ctx, ZMQ_PUSH);
    static char body[SIZE];
    set_int (c, ZMQ_LINGER, -1);
    set_int (c, ZMQ_SNDHWM, 0);
    set_int (v.s, ZMQ_RCVHWM, 10);
    OK (zmq_connect (c, v.ep));
    for (int i = 0; i < COUNT; i++) {
        memcpy (body, &i, sizeof i);
        IS (zmq_send (c, body, SIZE, 0), SIZE);
    }
    OK (zmq_close (c));
    for (int i = 0; i < COUNT; i++) {
        int number;
        IS (zmq_recv (v.s, body, SIZE, 0), SIZE);
        memcpy (&number, body, sizeof number);
        IS (number, i);
    }
    end (&v);
}

/* ---- STREAM ----------------------------------------------------------------------------------------------------- */

static size_t recv_id (void *s, char *id)
{
    int n = zmq_recv (s, id, 256, 0);
    CHECK (n > 0 && RCVMORE (s) == 1);
    return (size_t) n;
}

static void send_to (void *s, const char *id, size_t n, const char *text)
{
    IS (zmq_send (s, id, n, ZMQ_SNDMORE), n);
    SEND (s, text, 0);
}

/* Any WebSocket peer: its messages, and that it comes and goes. */
GROUP (stream_serves)
{
    server_t v = serve (ZMQ_STREAM);
    char id[256];
    int fd = ask (v.port, NULL, "");
    CHECK (strstr (answer (fd), " 101 ") && !strstr (head, "Protocol:"));
    size_t n = recv_id (v.s, id);
    RECV (v.s, "");
    say (fd, 0x82, "", 0);
    SAY (fd, "binary");
    say (fd, 0x01, "te", 2);
    say (fd, 0x80 | PING, "?", 1);
    say (fd, 0x80, "xt", 2);
    CHECK (recv_id (v.s, id) == n);
    RECV (v.s, "binary");
    CHECK (recv_id (v.s, id) == n);
    RECV (v.s, "text");
    heard_at (__LINE__, fd, 0x80 | PONG, "?", 1);
    send_to (v.s, id, n, "to you");
    heard_at (__LINE__, fd, 0x82, "to you", 6);
    say (fd, 0x80 | CLOSE, "", 0);
    CHECK (recv_id (v.s, id) == n);
    RECV (v.s, "");
    close (fd);
    /* The application closes. */
    fd = ask (v.port, "chat, other", "");
    CHECK (strstr (answer (fd), "Protocol: chat\r\n"));
    n = recv_id (v.s, id);
    RECV (v.s, "");
    send_to (v.s, id, n, "last");
    send_to (v.s, id, n, "");
    heard_at (__LINE__, fd, 0x82, "last", 4);
    heard_at (__LINE__, fd, 0x80 | CLOSE, "\3\xe9", 2);
    CHECK (raw_closed (fd, 5000));
    close (fd);
    end (&v);
}

GROUP (stream_connects)
{
    server_t v = serve (ZMQ_STREAM);
    void *c = sock (v.ctx, ZMQ_STREAM);
    char theirs[256], ours[256];
    OK (zmq_connect (c, v.ep));
    size_t n = recv_id (v.s, theirs);
    RECV (v.s, "");
    size_t m = recv_id (c, ours);
    RECV (c, "");
    for (int i = 0; i < 100; i++) {
        send_to (c, ours, m, "to the server");
        send_to (v.s, theirs, n, "to the client");
    }
    for (int i = 0; i < 100; i++) {
        CHECK (recv_id (v.s, theirs) == n && recv_id (c, ours) == m);
        RECV (v.s, "to the server");
        RECV (c, "to the client");
    }
    OK (zmq_close (c));
    CHECK (recv_id (v.s, theirs) == n);
    RECV (v.s, "");
    end (&v);
}

MAIN (ENTRY (addresses), ENTRY (without_a_mechanism), ENTRY (with_a_mechanism), ENTRY (fragments_and_control_frames),
      ENTRY (hostile_requests), ENTRY (hostile_frames), ENTRY (greetings_without_end), ENTRY (security_and_heartbeats),
      ENTRY (nothing_is_lost_at_the_end), ENTRY (stream_serves), ENTRY (stream_connects));
