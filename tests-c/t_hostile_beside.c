/*
 * Servers that are no ZeroMQ, to which our socket connects, and peers that try to get by the security of a server:
 * beside t_hostile, which has what no ZeroMQ peer sends.
 */
#include "hostile.h"

/* ---- the other way round: our socket connects, and what listens is no ZeroMQ ---------------------------------------- */

/* Hang-ups, at whatever point, are tried again, until somebody decent listens. */
GROUP (server_that_hangs_up)
{
    int listener = raw_listen (ep, 10);
    ctx = ctx_new ();
    void *dealer = sock (ctx, ZMQ_DEALER);
    set_int (dealer, ZMQ_RECONNECT_IVL, 5);
    OK (zmq_connect (dealer, ep));
    SEND (dealer, "x", 0);
    for (int i = 0; i < 12; i++) {
        int fd = accept (listener, NULL, NULL);
        CHECK (fd >= 0);
        switch (i % 4) {
            case 0:
                raw_write (fd, greeting_null, 64);
                break;
            case 1:
                raw_write (fd, greeting_null, 30);
                break;
            case 2:
                raw_write (fd, greeting_null, 64);
                raw_write (fd, "\4\7\5ERROR\0", 9);
                break;
        }
        raw_closed (fd, 10);
        close (fd);
    }
    close (listener);
    void *router = sock (ctx, ZMQ_ROUTER);
    EVENTUALLY (zmq_bind (router, ep) == 0, 5000);
    SEND (dealer, "decent", 0);
    char buf[300];
    for (int found = 0; !found;) {
        int n = zmq_recv (router, buf, sizeof buf, 0);
        CHECK (n >= 0);
        found = n == 6 && !memcmp (buf, "decent", 6);
    }
    OK (zmq_close (dealer));
    OK (zmq_close (router));
    OK (zmq_ctx_term (ctx));
}

/* Servers that violate the protocol; whether to try those again is left open (libzmq does not). */
GROUP (server_that_lies)
{
    unsigned char plain[64];
    memcpy (plain, greeting_null, 64);
    memcpy (plain + 12, "PLAIN", 5);
    for (int kind = 0; kind < 6; kind++) {
        int listener = raw_listen (ep, 10);
        ctx = ctx_new ();
        void *dealer = sock (ctx, ZMQ_DEALER);
        set_int (dealer, ZMQ_RECONNECT_IVL, 5);
        OK (zmq_connect (dealer, ep));
        SEND (dealer, "x", 0);
        int fd = accept (listener, NULL, NULL);
        CHECK (fd >= 0);
        raw_write (fd, kind == 5 ? plain : greeting_null, kind == 4 ? 0 : 64);
        switch (kind) {
            case 0:
                frame_of_length (fd, 4, 0xffffffffffffffffULL);
                break;
            case 1:
                raw_write (fd, "\4\6\5HELLO", 8);
                break;
            case 2:
                raw_write (fd, "\4\31\5READY\13Socket-Type\0\0\0\3SUB", 27);
                break;
            case 3:
                raw_write (fd, "\0\1x", 3);
                break;
            case 4:
                raw_write (fd, "\0\0\0\0\0\0\0\0\0\0\0\0", 12);
                break;
        }
        CHECK (raw_closed (fd, 5000));
        close (fd);
        close (listener);
        OK (zmq_close (dealer));
        OK (zmq_ctx_term (ctx));
    }
}

/* A secured server never falls back: older protocols and other mechanisms are refused. */
GROUP (secured_server_never_falls_back)
{
    static const unsigned char zmtp2[] = {0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 1, 5, 0, 0, 0, 1, 'x'};
    for (int curve = 0; curve < 2; curve++) {
        char pub[41], sec[41], buf[16];
        ctx = ctx_new ();
        server = sock (ctx, ZMQ_PULL);
        if (curve) {
            OK (zmq_curve_keypair (pub, sec));
            set_int (server, ZMQ_CURVE_SERVER, 1);
            OK (zmq_setsockopt (server, ZMQ_CURVE_SECRETKEY, sec, 41));
        } else
            set_int (server, ZMQ_PLAIN_SERVER, 1);
        bind_any (server, "tcp", ep);
        for (int kind = 0; kind < 3; kind++) {
            int fd = raw_connect (ep);
            if (kind == 0)
                raw_write (fd, "\1\0\6\0hello", 9);
            else if (kind == 1)
                raw_write (fd, zmtp2, sizeof zmtp2);
            else {
                raw_write (fd, greeting_null, 64);
                raw_write (fd, "\4\31\5READY\13Socket-Type\0\0\0\4PUSH", 28);
            }
            raw_write (fd, "\0\5hello", 7);
            CHECK (raw_closed (fd, 5000));
            close (fd);
        }
        FAILS (zmq_recv (server, buf, sizeof buf, ZMQ_DONTWAIT), EAGAIN);
        OK (zmq_close (server));
        OK (zmq_ctx_term (ctx));
    }
}

GROUP (curve_garbage)
{
    char pub[41], sec[41];
    static unsigned char greeting[64] = {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 0, 'C', 'U', 'R', 'V', 'E'};
    ctx = ctx_new ();
    server = sock (ctx, ZMQ_ROUTER);
    OK (zmq_curve_keypair (pub, sec));
    set_int (server, ZMQ_CURVE_SERVER, 1);
    OK (zmq_setsockopt (server, ZMQ_CURVE_SECRETKEY, sec, 41));
    bind_any (server, "tcp", ep);
    unsigned char hello[202] = {4, 200, 5, 'H', 'E', 'L', 'L', 'O', 1, 0};
    static const struct { const char *bytes; size_t size; } commands[] = {
        {"\4\6\5HELLO", 8}, {"\4\11\10INITIATE", 11}, {"\4\10\7MESSAGE", 10}, {"\4\6\5READY", 8}, {"\4\10\7WELCOME", 10}, {"\0\1x", 3}};
    for (int i = 0; i < 7; i++) {
        int fd = raw_connect (ep);
        CHECK (raw_write (fd, greeting, 64));
        if (i < 6)
            raw_write (fd, commands[i].bytes, commands[i].size);
        else
            raw_write (fd, hello, sizeof hello);
        CHECK (raw_closed (fd, 5000));
        close (fd);
    }
    /* A client with the right keys is served. */
    void *client = sock (ctx, ZMQ_DEALER);
    char cpub[41], csec[41], id[16];
    OK (zmq_curve_keypair (cpub, csec));
    OK (zmq_setsockopt (client, ZMQ_CURVE_SERVERKEY, pub, 41));
    OK (zmq_setsockopt (client, ZMQ_CURVE_PUBLICKEY, cpub, 41));
    OK (zmq_setsockopt (client, ZMQ_CURVE_SECRETKEY, csec, 41));
    OK (zmq_connect (client, ep));
    SEND (client, "secret", 0);
    IS (zmq_recv (server, id, sizeof id, 0), 5);
    RECV (server, "secret");
    OK (zmq_close (client));
    OK (zmq_close (server));
    OK (zmq_ctx_term (ctx));
}

MAIN (ENTRY (server_that_hangs_up), ENTRY (server_that_lies), ENTRY (secured_server_never_falls_back),
      ENTRY (curve_garbage))
