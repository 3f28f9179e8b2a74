/*
 * WebSocket over TLS: whom a client believes, what happens to who speaks something else, and that nothing is lost where records
 * of TLS are between messages and the kernel. What WebSocket and ZWS are otherwise is t_ws's. libzmq ends the process where a
 * certificate is missing, so this runs with ours only.
 */
#define ZMQ_BUILD_DRAFT_API
#include "certificates.h"
#include "monitor.h"
#include "wss.h"

/* ---- options ---------------------------------------------------------------------------------------------------- */

GROUP (options)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PULL);
    char buf[4096];
    for (int option = ZMQ_WSS_KEY_PEM; option <= ZMQ_WSS_TRUST_SYSTEM; option++) {
        size_t size = sizeof buf;
        FAILS (zmq_getsockopt (s, option, buf, &size), EINVAL);
        if (option == ZMQ_WSS_TRUST_SYSTEM)
            break;
        OK (zmq_setsockopt (s, option, "anything", 8));
        OK (zmq_setsockopt (s, option, "", 0));
        OK (zmq_setsockopt (s, option, NULL, 0));
    }
    int v[] = {-1, 2, 0, 1};
    for (int i = 0; i < 4; i++)
        if ((zmq_setsockopt (s, ZMQ_WSS_TRUST_SYSTEM, v + i, sizeof *v) == 0) != (i > 1))
            fail_at (__FILE__, __LINE__, "%d", v[i]);
    FAILS (zmq_setsockopt (s, ZMQ_WSS_TRUST_SYSTEM, v, 1), EINVAL);
    FAILS (zmq_setsockopt (s, ZMQ_WSS_TRUST_SYSTEM, NULL, 0), EINVAL);
    IS (zmq_has ("wss"), 1);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

/* Nobody listens without a certificate and its key, or trusts what makes no sense (libzmq: the process ends). */
GROUP (what_makes_no_sense)
{
    static const struct
    {
        const char *crt, *key;
    } wrong[] = {{"", ""}, {server_crt, ""}, {"", server_key}, {server_crt, expired_key}, {"-----BEGIN CERTIFICATE-----", server_key},
                 {server_crt, "nothing"}, {server_key, server_crt}};
    void *ctx = ctx_new ();
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        void *s = sock (ctx, ZMQ_PULL), *mon = monitor (ctx, s);
        identity (s, wrong[i].crt, wrong[i].key);
        FAILS (zmq_bind (s, "wss://127.0.0.1:*"), EINVAL);
        EVENT (mon, ZMQ_EVENT_BIND_FAILED, "127.0.0.1:*");
        OK (zmq_close (s));
        OK (zmq_close (mon));
    }
    void *c = sock (ctx, ZMQ_PUSH);
    text (c, ZMQ_WSS_TRUST_PEM, "nothing");
    FAILS (zmq_connect (c, "wss://127.0.0.1:5"), EINVAL);
    text (c, ZMQ_WSS_TRUST_PEM, "");
    text (c, ZMQ_WSS_HOSTNAME, "no name");
    FAILS (zmq_connect (c, "wss://127.0.0.1:5"), EINVAL);
    text (c, ZMQ_WSS_HOSTNAME, "");
    OK (zmq_connect (c, "wss://127.0.0.1:5/x"));
    OK (zmq_disconnect (c, "wss://127.0.0.1:5/x"));
    OK (zmq_close (c));
    OK (zmq_ctx_term (ctx));
}

/* ---- whom a client believes ------------------------------------------------------------------------------------- */

GROUP (believed)
{
    static const struct
    {
        const char *crt, *key, *trust, *name;
    } good[] = {{server_crt, server_key, authority_crt, "server.test"}, {server_crt, server_key, authority_crt, "127.0.0.1"},
                {server_crt, server_key, authority_crt, "SERVER.test"}, {server_crt, server_key, authority_crt, ""},
                {server_crt, server_key, server_crt, "server.test"},    {common_crt, common_key, authority_crt, "server.test"},
                {self_crt, self_key, self_crt, "self.test"},            {self_crt, self_key, self_crt, ""}};
    void *ctx = ctx_new ();
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char ep[EP_SIZE];
        void *s = server (ctx, ZMQ_REP, good[i].crt, good[i].key, ep), *c = sock (ctx, ZMQ_REQ);
        CHECK (!strncmp (ep, "wss://127.0.0.1:", 16) && !strcmp (strchr (ep + 6, '/'), "/page"));
        trust (c, good[i].trust, good[i].name);
        OK (zmq_connect (c, ep));
        SEND (c, "question", 0);
        RECV (s, "question");
        SEND (s, "answer", 0);
        RECV (c, "answer");
        OK (zmq_close (c));
        OK (zmq_close (s));
    }
    OK (zmq_ctx_term (ctx));
}

/* Each ends one connection, with an event on either side; the client comes again after a while. */
GROUP (not_believed)
{
    static const struct
    {
        const char *crt, *key, *trust, *name;
        int system;
    } bad[] = {{server_crt, server_key, authority_crt, "other.test", 0}, {server_crt, server_key, authority_crt, "127.0.0.2", 0},
               {expired_crt, expired_key, authority_crt, "server.test", 0}, {expired_crt, expired_key, expired_crt, "", 0},
               {server_crt, server_key, self_crt, "server.test", 0}, {server_crt, server_key, "", "", 0},
               {self_crt, self_key, authority_crt, "", 0}, {self_crt, self_key, self_crt, "server.test", 0},
               {common_crt, common_key, authority_crt, "authority", 0}, {self_crt, self_key, "", "self.test", 1},
               {self_crt, self_key, self_crt, "", 1}};
    void *ctx = ctx_new ();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char ep[EP_SIZE];
        void *s = server (ctx, ZMQ_PULL, bad[i].crt, bad[i].key, ep), *c = sock (ctx, ZMQ_PUSH);
        void *smon = monitor (ctx, s), *cmon = monitor (ctx, c);
        trust (c, bad[i].trust, bad[i].name);
        if (bad[i].system)
            set_int (c, ZMQ_WSS_TRUST_SYSTEM, 1);
        set_int (c, ZMQ_RECONNECT_IVL, NOT_AGAIN);
        OK (zmq_connect (c, ep));
        EVENT (cmon, ZMQ_EVENT_CONNECT_DELAYED, ep);
        FD_EVENT (cmon, ZMQ_EVENT_CONNECTED, ep);
        EVENT (cmon, NO_DETAIL, ep);
        FD_EVENT (cmon, ZMQ_EVENT_DISCONNECTED, ep);
        EVENT (cmon, ZMQ_EVENT_CONNECT_RETRIED, ep);
        FD_EVENT (smon, ZMQ_EVENT_ACCEPTED, ep);
        EVENT (smon, NO_DETAIL, ep);
        FD_EVENT (smon, ZMQ_EVENT_DISCONNECTED, ep);
        OK (zmq_close (c));
        OK (zmq_close (s));
        OK (zmq_close (smon));
        OK (zmq_close (cmon));
    }
    OK (zmq_ctx_term (ctx));
}

/* ---- who speaks something else ---------------------------------------------------------------------------------- */

GROUP (tls_to_one_without)
{
    void *ctx = ctx_new (), *plain = sock (ctx, ZMQ_PULL), *c = sock (ctx, ZMQ_PUSH);
    void *smon = monitor (ctx, plain), *cmon = monitor (ctx, c);
    char ep[EP_SIZE], wss[EP_SIZE + 1] = "wss";
    OK (zmq_bind (plain, "ws://127.0.0.1:*"));
    last_endpoint (plain, ep);
    strcpy (wss + 3, ep + 2);
    set_int (c, ZMQ_RECONNECT_IVL, NOT_AGAIN);
    trust (c, authority_crt, "");
    OK (zmq_connect (c, wss));
    EVENT (cmon, ZMQ_EVENT_CONNECT_DELAYED, wss);
    FD_EVENT (cmon, ZMQ_EVENT_CONNECTED, wss);
    EVENT (cmon, NO_DETAIL, wss);
    FD_EVENT (cmon, ZMQ_EVENT_DISCONNECTED, wss);
    FD_EVENT (smon, ZMQ_EVENT_LISTENING, ep);
    FD_EVENT (smon, ZMQ_EVENT_ACCEPTED, ep);
    EVENT (smon, NO_DETAIL, ep);
    FD_EVENT (smon, ZMQ_EVENT_DISCONNECTED, ep);
    OK (zmq_close (c));
    OK (zmq_close (plain));
    OK (zmq_close (smon));
    OK (zmq_close (cmon));
    OK (zmq_ctx_term (ctx));
}

GROUP (one_without_to_tls)
{
    static const struct
    {
        const char *bytes;
        size_t size;
    } said[] = {
#define SAID(text) {text, sizeof text - 1}
        SAID ("GET / HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\n\r\n"),
        SAID ("\xff\0\0\0\0\0\0\0\1\x7f\3\0NULL"),                /* ZMTP */
        SAID ("\x16\3\1\0\5\1\0\0\1\0"),                          /* a hello of one octet */
        SAID ("\x16\3\1\0\0"),                                    /* a record of nothing */
        SAID ("\x16\3\1\xff\xff"),                                /* a record that is too long */
        SAID ("\x17\3\3\0\1x"),                                   /* something to say already */
        SAID ("\x15\3\3\0\2\2\50"),                               /* an alert */
        SAID ("\x14\3\3\0\1\1"),                                  /* a change of ciphers */
        SAID ("\x16\3\1\0\4\1\xff\xff\xff"),                      /* a hello of 16 MiB */
        SAID ("\x80\x2e\1\3\1\0\x15\0\0\0\x10"),                  /* SSL 2.0 */
        SAID ("\x16\2\0\0\5\1\0\0\1\0"),
    };
    void *ctx = ctx_new ();
    char ep[EP_SIZE], port[EP_SIZE];
    void *s = server (ctx, ZMQ_PULL, server_crt, server_key, ep), *mon = monitor (ctx, s);
    port_of (ep, port);
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        int fd = raw_connect (port);
        CHECK (raw_write (fd, said[i].bytes, said[i].size));
        /* A piece of a record may be the beginning of one. */
        shutdown (fd, SHUT_WR);
        if (!raw_closed (fd, 5000))
            fail_at (__FILE__, __LINE__, "number %d", (int) i);
        FD_EVENT (mon, ZMQ_EVENT_ACCEPTED, ep);
        EVENT (mon, NO_DETAIL, ep);
        FD_EVENT (mon, ZMQ_EVENT_DISCONNECTED, ep);
        close (fd);
    }
    /* Many bytes of no sense are not kept. */
    static char noise[300000];
    unsigned state = seed_from ("SEED");
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < sizeof noise; i++)
            noise[i] = (char) ((state = state * 1664525 + 1013904223) >> 24);
        memcpy (noise, round % 2 ? "\x16\3\1\x40\0\1\0\xff" : "\x16\3\1\1\0\1\0\0", 8);
        int fd = raw_connect (port);
        raw_write (fd, noise, sizeof noise);
        CHECK (raw_closed (fd, 5000));
        close (fd);
    }
    OK (zmq_close (s));
    OK (zmq_close (mon));
    OK (zmq_ctx_term (ctx));
}

/* ZMQ_HANDSHAKE_IVL is for TLS, too: for one who says nothing, and one who says a hello for ever. */
GROUP (time_is_limited)
{
    void *ctx = ctx_new ();
    char ep[EP_SIZE], port[EP_SIZE];
    void *s = sock (ctx, ZMQ_PULL), *mon = monitor (ctx, s);
    set_int (s, ZMQ_HANDSHAKE_IVL, 100);
    listen_at (s, server_crt, server_key, ep);
    port_of (ep, port);
    FD_EVENT (mon, ZMQ_EVENT_LISTENING, ep);
    /* Before the first of them is accepted. */
    int64_t began = now_ms ();
    int quiet = raw_connect (port), slow = raw_connect (port);
    CHECK (raw_write (slow, "\x16\3\1\2\0\1\0\1\xfc", 9));
    while (raw_write (slow, "x", 1) && now_ms () < began + 5000)
        sleep_ms (5);
    CHECK (raw_closed (quiet, 5000) && now_ms () >= began + 90 && now_ms () < began + 5000);
    for (int i = 0; i < 2; i++) {
        FD_EVENT (mon, ZMQ_EVENT_ACCEPTED, ep);
    }
    for (int i = 0; i < 2; i++) {
        EVENT (mon, NO_DETAIL, ep);
        FD_EVENT (mon, ZMQ_EVENT_DISCONNECTED, ep);
    }
    close (quiet);
    close (slow);
    OK (zmq_close (s));
    OK (zmq_close (mon));
    OK (zmq_ctx_term (ctx));
}

/* ---- nothing is lost -------------------------------------------------------------------------------------------- */

/* However the network cuts it: bytes that come one by one, and records of which some are here and one is half. */
GROUP (in_pieces)
{
    void *ctx = ctx_new ();
    char ep[EP_SIZE], via[EP_SIZE];
    for (int piece = 1; piece < 20000; piece = piece * 7 + 3) {
        void *s = server (ctx, ZMQ_REP, server_crt, server_key, ep), *c = sock (ctx, ZMQ_REQ);
        relay_t r = {.piece = piece};
        relay_begin (&r, ep, via);
        trust (c, authority_crt, "server.test");
        OK (zmq_connect (c, via));
        static char body[50000], got[50000];
        for (size_t size = 1; size <= sizeof body / (piece < 10 ? 20 : 1); size = size * 3 + 1) {
            memset (body, (int) size, size);
            IS (zmq_send (c, body, size, 0), size);
            IS (zmq_recv (s, got, sizeof got, 0), size);
            CHECK (!memcmp (body, got, size));
            SEND (s, "", 0);
            RECV (c, "");
        }
        OK (zmq_close (c));
        OK (zmq_close (s));
        relay_end (&r);
    }
    OK (zmq_ctx_term (ctx));
}

/* What is changed on the way is noticed, wherever that is, and nobody gets it. The connection ends, and the next one is good. */
GROUP (damage)
{
    static const char body[] = "the same again and again";
    void *ctx = ctx_new ();
    char ep[EP_SIZE], via[EP_SIZE], got[100];
    for (int at = 3; at < 1500; at += at / 3 + 1)
        for (int to_server = 0; to_server < 2; to_server++) {
            void *s = sock (ctx, ZMQ_PULL), *c = sock (ctx, ZMQ_PUSH);
            /* Of a length that was changed each end waits for the other. */
            set_int (c, ZMQ_HANDSHAKE_IVL, 50);
            set_int (s, ZMQ_HANDSHAKE_IVL, 50);
            listen_at (s, server_crt, server_key, ep);
            relay_t r = {.piece = 20000, .damage = at, .to_server = to_server};
            relay_begin (&r, ep, via);
            trust (c, authority_crt, "server.test");
            set_int (c, ZMQ_RECONNECT_IVL, 1);
            set_int (s, ZMQ_RCVTIMEO, 3);
            OK (zmq_connect (c, via));
            for (int arrived = 0, sent = 0; arrived < 50;) {
                if (sent < 1000 || sent < 20 * arrived) {
                    SEND (c, body, 0);
                    sent++;
                }
                int n = zmq_recv (s, got, sizeof got, 0);
                CHECK (n < 0 ? errno == EAGAIN : n == sizeof body - 1 && !memcmp (got, body, sizeof body - 1));
                arrived += n > 0;
            }
            OK (zmq_close (c));
            OK (zmq_close (s));
            relay_end (&r);
        }
    OK (zmq_ctx_term (ctx));
}

/* TLS that cannot write now is no error. */
GROUP (a_burst)
{
    enum { COUNT = 10000, SIZE = 1000 };
    void *ctx = ctx_new ();
    char ep[EP_SIZE];
    void *s = server (ctx, ZMQ_PULL, server_crt, server_key, ep), *c = sock (ctx, ZMQ_PUSH);
    static char body[SIZE];
    set_int (c, ZMQ_SNDHWM, 0);
    trust (c, authority_crt, "");
    OK (zmq_connect (c, ep));
    for (int i = 0; i < COUNT; i++) {
        memcpy (body, &i, sizeof i);
        IS (zmq_send (c, body, SIZE, 0), SIZE);
    }
    for (int i = 0; i < COUNT; i++) {
        int number;
        IS (zmq_recv (s, body, SIZE, 0), SIZE);
        memcpy (&number, body, sizeof number);
        IS (number, i);
    }
    OK (zmq_close (c));
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

/* What lingers arrives, with a receiver that takes it late: what TLS has not handed to the kernel is not sent. */
GROUP (nothing_is_lost_at_the_end)
{
    enum { COUNT = 100, SIZE = 100000 };
    void *ctx = ctx_new ();
    char ep[EP_SIZE];
    void *s = sock (ctx, ZMQ_PULL), *c = sock (ctx, ZMQ_PUSH);
    static char body[SIZE];
    set_int (c, ZMQ_LINGER, -1);
    set_int (c, ZMQ_SNDHWM, 0);
    set_int (c, ZMQ_SNDBUF, 20000);
    set_int (s, ZMQ_RCVHWM, 10);
    listen_at (s, server_crt, server_key, ep);
    trust (c, authority_crt, "");
    OK (zmq_connect (c, ep));
    for (int i = 0; i < COUNT; i++) {
        memcpy (body, &i, sizeof i);
        IS (zmq_send (c, body, SIZE, 0), SIZE);
    }
    OK (zmq_close (c));
    for (int i = 0; i < COUNT; i++) {
        int number;
        IS (zmq_recv (s, body, SIZE, 0), SIZE);
        memcpy (&number, body, sizeof number);
        IS (number, i);
    }
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

/* ---- what else goes over it ------------------------------------------------------------------------------------- */

GROUP (security_and_heartbeats)
{
    char ep[EP_SIZE];
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_REP), *c = sock (ctx, ZMQ_REQ);
    encrypt (s, c);
    listen_at (s, server_crt, server_key, ep);
    set_int (c, ZMQ_HEARTBEAT_IVL, 5);
    set_int (c, ZMQ_HEARTBEAT_TIMEOUT, 2000);
    trust (c, authority_crt, "server.test");
    OK (zmq_connect (c, ep));
    for (int i = 0; i < 20; i++) {
        SEND (c, "question", 0);
        RECV (s, "question");
        sleep_ms (3);
        SEND (s, "answer", 0);
        RECV (c, "answer");
    }
    OK (zmq_close (c));
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

static size_t recv_id (void *s, char *id)
{
    int n = zmq_recv (s, id, 256, 0);
    CHECK (n > 0 && RCVMORE (s) == 1);
    return (size_t) n;
}

GROUP (streams)
{
    void *ctx = ctx_new ();
    char ep[EP_SIZE], theirs[256], ours[256];
    void *s = server (ctx, ZMQ_STREAM, server_crt, server_key, ep), *c = sock (ctx, ZMQ_STREAM);
    trust (c, authority_crt, "server.test");
    OK (zmq_connect (c, ep));
    size_t n = recv_id (s, theirs), m = recv_id (c, ours);
    RECV (s, "");
    RECV (c, "");
    for (int i = 0; i < 100; i++) {
        IS (zmq_send (c, ours, m, ZMQ_SNDMORE), m);
        SEND (c, "to the server", 0);
        IS (zmq_send (s, theirs, n, ZMQ_SNDMORE), n);
        SEND (s, "to the client", 0);
    }
    for (int i = 0; i < 100; i++) {
        CHECK (recv_id (s, theirs) == n && recv_id (c, ours) == m);
        RECV (s, "to the server");
        RECV (c, "to the client");
    }
    OK (zmq_close (c));
    CHECK (recv_id (s, theirs) == n);
    RECV (s, "");
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

MAIN (ENTRY (options), ENTRY (what_makes_no_sense), ENTRY (believed), ENTRY (not_believed), ENTRY (tls_to_one_without),
      ENTRY (one_without_to_tls), ENTRY (time_is_limited), ENTRY (in_pieces), ENTRY (damage), ENTRY (a_burst),
      ENTRY (nothing_is_lost_at_the_end), ENTRY (security_and_heartbeats), ENTRY (streams));
