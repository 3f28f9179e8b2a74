/*
 * Peers without, or with broken, security: older protocols, commands out of order, keys of nobody. Whoever is refused sends
 * nothing through, and a good client at the same moment is served. RFC 24, RFC 26, RFC 37.
 */
#include "security.h"

static const answer_t no = {"400", "1.0", NULL, "400", 6, "", 0, 0};

/* ---- plain TCP ---------------------------------------------------------------------------------------------------- */

static void greet (int fd, const char *mechanism, int as_server)
{
    unsigned char greeting[64] = {0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0}, got[64];
    strcpy ((char *) greeting + 12, mechanism);
    greeting[32] = (unsigned char) as_server;
    CHECK (raw_write (fd, greeting, 64));
    CHECK (raw_read (fd, got, 64));
}

/* Peers of ZMTP 1.0 and 2.0 know no security: a secured server hangs up and lets nothing through. */
GROUP (no_downgrade)
{
    static const unsigned char zmtp1[] = {1, 0, 4, 0, 'b', 'a', 'd'};
    static const unsigned char zmtp2[] = {0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 1, 8, 0, 0, 0, 3, 'b', 'a', 'd'};
    for (int mechanism = NULL_; mechanism <= CURVE; mechanism++) {
        /* NULL counts as secured once it has a domain. */
        scene_t scene = begin (mechanism, "domain", 0);
        pthread_t handler = start_handler (scene.ctx, &no);
        as_client (scene.good, mechanism, 1);
        int old[2] = {raw_connect (scene.ep), raw_connect (scene.ep)};
        raw_write (old[0], zmtp1, sizeof zmtp1);
        raw_write (old[1], zmtp2, sizeof zmtp2);
        good_one_is_served (&scene);
        for (int i = 0; i < 2; i++) {
            CHECK (raw_closed (old[i], 10000));
            close (old[i]);
        }
        FAILS (zmq_recv (scene.server, NULL, 0, ZMQ_DONTWAIT), EAGAIN);
        end (&scene, &handler);
    }
}

typedef struct
{
    int mechanism, size;
    const char *bytes;
    int code;
} command_t;

#define ZMTP(what) ZMQ_PROTOCOL_ERROR_ZMTP_##what
/* A short command frame. */
#define COMMAND(mechanism, length, text, code)                                                                         \
    {                                                                                                                  \
        mechanism, 2 + length, "\4" text, code                                                                         \
    }

/* What a client sends instead of its first command. */
static const command_t to_servers[] = {
    COMMAND (PLAIN, 6, "\6\5READY", ZMTP (UNEXPECTED_COMMAND)),
    COMMAND (PLAIN, 9, "\11\10INITIATE", ZMTP (UNEXPECTED_COMMAND)),
    COMMAND (PLAIN, 6, "\6\5HELLO", ZMTP (MALFORMED_COMMAND_HELLO)),
    COMMAND (PLAIN, 9, "\11\5HELLO\5ab", ZMTP (MALFORMED_COMMAND_HELLO)),
    COMMAND (PLAIN, 12, "\14\5HELLO\4good\0", ZMTP (UNSPECIFIED)),
    COMMAND (PLAIN, 18, "\22\5HELLO\4good\5rightx", ZMTP (MALFORMED_COMMAND_HELLO)),
    COMMAND (CURVE, 6, "\6\5READY", ZMTP (UNEXPECTED_COMMAND)),
    COMMAND (CURVE, 9, "\11\10INITIATE", ZMTP (UNEXPECTED_COMMAND)),
    COMMAND (CURVE, 6, "\6\5HELLO", ZMTP (MALFORMED_COMMAND_HELLO)),
    COMMAND (CURVE, 9, "\11\5HELLO\1\0x", ZMTP (MALFORMED_COMMAND_HELLO)),
};

GROUP (broken_clients)
{
    for (size_t i = 0; i < sizeof to_servers / sizeof *to_servers; i++) {
        const command_t *c = &to_servers[i];
        char what[64];
        scene_t scene = begin (c->mechanism, NULL, 0);
        pthread_t handler = start_handler (scene.ctx, &no);
        int fd = raw_connect (scene.ep), auth = c->code == ZMTP (UNSPECIFIED);
        greet (fd, mechanisms[c->mechanism], 0);
        CHECK (raw_write (fd, c->bytes, (size_t) c->size));
        snprintf (what, sizeof what, "command %d", (int) i);
        /* The one that is well formed has an empty password. */
        if (auth)
            expect_event (scene.events, what, ZMQ_EVENT_HANDSHAKE_FAILED_AUTH, 400);
        else
            expect_event (scene.events, what, ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL, c->code);
        /* Libzmq leaves it to the client to go when it was told why it should. */
        CHECK (auth || raw_closed (fd, 10000));
        close (fd);
        as_client (scene.good, c->mechanism, 1);
        good_one_is_served (&scene);
        end (&scene, &handler);
    }
}

GROUP (curve_hello_of_nobody)
{
    unsigned char hello[202] = {4, 200, 5, 'H', 'E', 'L', 'L', 'O', 1, 0};
    scene_t scene = begin (CURVE, NULL, 0);
    /* The right size, and a box that does not open; then a version there is not. */
    for (int kind = 0; kind < 2; kind++) {
        int fd = raw_connect (scene.ep);
        hello[8] = kind ? 2 : 1;
        greet (fd, "CURVE", 0);
        CHECK (raw_write (fd, hello, sizeof hello));
        expect_event (scene.events, kind ? "version" : "box", ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL,
                      kind ? ZMTP (MALFORMED_COMMAND_HELLO) : ZMTP (CRYPTOGRAPHIC));
        CHECK (raw_closed (fd, 10000));
        close (fd);
    }
    as_client (scene.good, CURVE, 1);
    good_one_is_served (&scene);
    end (&scene, NULL);
}

/*
 * What a server answers to the first command of a client. 0: no event, the client just tries again. (PLAIN in libzmq
 * spells ERROR "^RROR", and every client of it has to live with that.)
 */
static const command_t to_clients[] = {
    COMMAND (NULL_, 6, "\6\5HELLO", ZMTP (UNEXPECTED_COMMAND)),
    COMMAND (NULL_, 4, "\4\3abc", ZMTP (UNEXPECTED_COMMAND)),
    COMMAND (NULL_, 9, "\11\5READYabc", 0),
    COMMAND (NULL_, 6, "\6\5ERROR", ZMTP (MALFORMED_COMMAND_ERROR)),
    COMMAND (NULL_, 9, "\11\5ERROR\11no", ZMTP (MALFORMED_COMMAND_ERROR)),
    COMMAND (NULL_, 7, "\7\5ERROR\0", 0),
    COMMAND (NULL_, 10, "\12\5ERROR\3abc", 0),
    COMMAND (NULL_, 10, "\12\5ERROR\003400", 400),
    COMMAND (PLAIN, 6, "\6\5READY", ZMTP (UNEXPECTED_COMMAND)),
    COMMAND (PLAIN, 6, "\6\5HELLO", ZMTP (UNEXPECTED_COMMAND)),
    COMMAND (PLAIN, 9, "\11\7WELCOMEx", ZMTP (MALFORMED_COMMAND_WELCOME)),
    COMMAND (PLAIN, 9, "\11^RROR\003300", 300),
    COMMAND (PLAIN, 9, "\11^RROR\003400", 400),
    COMMAND (PLAIN, 9, "\11^RROR\003500", 500),
    COMMAND (PLAIN, 9, "\11^RROR\003abc", 0),
    COMMAND (PLAIN, 8, "\10^RROR\11no", ZMTP (MALFORMED_COMMAND_ERROR)),
    COMMAND (CURVE, 8, "\10\7WELCOME", ZMTP (CRYPTOGRAPHIC)),
    COMMAND (CURVE, 9, "\11\7WELCOMEx", ZMTP (CRYPTOGRAPHIC)),
    COMMAND (CURVE, 9, "\11\5ERROR\11no", ZMTP (MALFORMED_COMMAND_ERROR)),
    COMMAND (CURVE, 7, "\7\5ERROR\0", 0),
    COMMAND (CURVE, 10, "\12\5ERROR\003300", 300),
    COMMAND (CURVE, 10, "\12\5ERROR\003400", 400),
    COMMAND (CURVE, 10, "\12\5ERROR\3abc", 0),
};

GROUP (broken_servers)
{
    make_keys ();
    for (size_t i = 0; i < sizeof to_clients / sizeof *to_clients; i++) {
        const command_t *c = &to_clients[i];
        void *ctx = ctx_new (), *client = sock (ctx, ZMQ_PUSH), *events;
        struct sockaddr_in a;
        struct timeval patience = {5, 0};
        socklen_t len = sizeof a;
        unsigned char head[2], body[255];
        char ep[EP_SIZE], what[64];
        int listener = socket (AF_INET, SOCK_STREAM, 0), fd;
        memset (&a, 0, sizeof a);
        a.sin_family = AF_INET;
        a.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
        CHECK (bind (listener, (struct sockaddr *) &a, sizeof a) == 0 && listen (listener, 5) == 0);
        CHECK (getsockname (listener, (struct sockaddr *) &a, &len) == 0);
        sprintf (ep, "tcp://127.0.0.1:%d", ntohs (a.sin_port));
        as_client (client, c->mechanism, 1);
        set_int (client, ZMQ_RECONNECT_IVL, 10);
        events = watch (ctx, client, FAILURES | ZMQ_EVENT_DISCONNECTED);
        OK (zmq_connect (client, ep));
        fd = accept (listener, NULL, NULL);
        CHECK (fd != -1);
        setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        greet (fd, mechanisms[c->mechanism], 1);
        CHECK (raw_read (fd, head, 2) && head[0] == 4 && raw_read (fd, body, head[1]));
        CHECK (!memcmp (body, c->mechanism == NULL_ ? "\5READY" : "\5HELLO", 6));
        CHECK (raw_write (fd, c->bytes, (size_t) c->size));
        snprintf (what, sizeof what, "answer %d", (int) i);
        if (c->code >= 300 && c->code <= 500)
            expect_event (events, what, ZMQ_EVENT_HANDSHAKE_FAILED_AUTH, c->code);
        else if (c->code)
            expect_event (events, what, ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL, c->code);
        expect_event (events, what, ZMQ_EVENT_DISCONNECTED, -1);
        CHECK (raw_closed (fd, 10000));
        close (fd);
        close (listener);
        OK (zmq_close (events));
        OK (zmq_close (client));
        OK (zmq_ctx_term (ctx));
    }
}

MAIN (ENTRY (no_downgrade), ENTRY (broken_clients), ENTRY (curve_hello_of_nobody), ENTRY (broken_servers))
