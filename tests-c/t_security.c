/*
 * Security that fails, and what each side learns of it: wrong keys and passwords, answers of ZAP handlers, no handler,
 * other mechanisms, older protocols. Whoever is refused sends nothing through, and a good client at the same moment is
 * served. zmq_plain(7), zmq_curve(7), zmq_socket_monitor(3), RFC 24, RFC 26, RFC 27.
 */
#include "common.h"

#define FAILURES                                                                                                       \
    (ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)

/* A draft in zmq.h, but the released library has it. */
#ifndef ZMQ_ZAP_ENFORCE_DOMAIN
#define ZMQ_ZAP_ENFORCE_DOMAIN 93
#endif

static char server_public[41], server_secret[41], good_public[41], good_secret[41], bad_public[41], bad_secret[41];

static void make_keys (void)
{
    OK (zmq_curve_keypair (server_public, server_secret));
    OK (zmq_curve_keypair (good_public, good_secret));
    OK (zmq_curve_keypair (bad_public, bad_secret));
}

/* ---- the ZAP handler ---------------------------------------------------------------------------------------------- */

/* How a handler answers about whoever is not the good one. */
typedef struct
{
    const char *name, *version, *id, *status;
    /* Parts after the empty delimiter: 6 are right, 0 is no answer at all. */
    int parts;
    const char *delimiter;
    /* What the server's monitor is told. */
    int event, value;
} answer_t;

static const answer_t *answer;

/* The last request: the parts after the delimiter. */
static char request[10][300];
static int request_sizes[10];
static _Atomic int request_parts;

static void send_text (void *s, const char *text, int more)
{
    SEND (s, text, more ? ZMQ_SNDMORE : 0);
}

static int is_good (void)
{
    uint8_t key[32];
    if (!strcmp (request[5], "PLAIN"))
        return request_parts == 8 && !strcmp (request[6], "good") && !strcmp (request[7], "right");
    if (!strcmp (request[5], "CURVE"))
        return zmq_z85_decode (key, good_public) && request_sizes[6] == 32 && !memcmp (request[6], key, 32);
    /* NULL shows no more than where it comes from. */
    return !strcmp (request[3], "127.0.0.1");
}

static void reply (void *handler, const answer_t *a)
{
    const char *parts[] = {a->version, a->id ? a->id : request[1], a->status, "text", "someone", "", "more"};
    send_text (handler, a->delimiter, 1);
    for (int i = 0; i < a->parts; i++)
        send_text (handler, parts[i], i + 1 < a->parts);
}

static const answer_t yes = {"yes", "1.0", NULL, "200", 6, "", 0, 0};

static void *handle (void *handler)
{
    char id[300];
    int size;
    while ((size = zmq_recv (handler, id, sizeof id, 0)) > 0) {
        CHECK (zmq_recv (handler, id + 256, 1, 0) == 0);
        for (request_parts = 0; RCVMORE (handler); request_parts++) {
            CHECK (request_parts < 10);
            request_sizes[request_parts] = zmq_recv (handler, request[request_parts], 299, 0);
            request[request_parts][request_sizes[request_parts]] = 0;
        }
        const answer_t *how = is_good () ? &yes : answer;
        if (how->parts) {
            IS (zmq_send (handler, id, (size_t) size, ZMQ_SNDMORE), size);
            reply (handler, how);
        }
    }
    OK (zmq_close (handler));
    return NULL;
}

static pthread_t start_handler (void *ctx, const answer_t *how)
{
    pthread_t thread;
    void *handler = sock (ctx, ZMQ_ROUTER);
    answer = how;
    OK (zmq_bind (handler, "inproc://zeromq.zap.01"));
    CHECK (pthread_create (&thread, NULL, handle, handler) == 0);
    return thread;
}

/* ---- both sides --------------------------------------------------------------------------------------------------- */

enum
{
    NULL_,
    PLAIN,
    CURVE
};
static const char *const mechanisms[] = {"NULL", "PLAIN", "CURVE"};

static void as_server (void *s, int mechanism)
{
    if (mechanism == PLAIN)
        set_int (s, ZMQ_PLAIN_SERVER, 1);
    if (mechanism == CURVE) {
        set_int (s, ZMQ_CURVE_SERVER, 1);
        OK (zmq_setsockopt (s, ZMQ_CURVE_SECRETKEY, server_secret, 41));
    }
}

static void as_client (void *s, int mechanism, int good)
{
    if (mechanism == PLAIN) {
        OK (zmq_setsockopt (s, ZMQ_PLAIN_USERNAME, "good", 4));
        OK (zmq_setsockopt (s, ZMQ_PLAIN_PASSWORD, good ? "right" : "wrong", 5));
    }
    if (mechanism == CURVE) {
        OK (zmq_setsockopt (s, ZMQ_CURVE_SERVERKEY, server_public, 41));
        OK (zmq_setsockopt (s, ZMQ_CURVE_PUBLICKEY, good ? good_public : bad_public, 41));
        OK (zmq_setsockopt (s, ZMQ_CURVE_SECRETKEY, good ? good_secret : bad_secret, 41));
    }
}

static void *watch (void *ctx, void *s, int events)
{
    static int counter;
    char ep[64];
    void *monitor = sock (ctx, ZMQ_PAIR);
    sprintf (ep, "inproc://watch-%d", counter++);
    OK (zmq_socket_monitor (s, ep, events));
    OK (zmq_connect (monitor, ep));
    return monitor;
}

/* The next event has to be this one, or one of these. A value of -1 may be any. */
static void expect_event (void *monitor, const char *what, int event, int value)
{
    unsigned char head[6];
    char address[EP_SIZE];
    uint16_t got;
    uint32_t number;
    if (!readable (monitor, 10000))
        fail_at (__FILE__, __LINE__, "%s: no event", what);
    IS (zmq_recv (monitor, head, sizeof head, 0), 6);
    CHECK (zmq_recv (monitor, address, sizeof address, 0) > 0);
    memcpy (&got, head, 2);
    memcpy (&number, head + 2, 4);
    if (!(got & event) || (value != -1 && (int) number != value))
        fail_at (__FILE__, __LINE__, "%s: event 0x%x value 0x%x, expected 0x%x 0x%x", what, got, number, event, value);
}

static int port_of (const char *ep)
{
    return atoi (strrchr (ep, ':') + 1);
}

/* The bad one comes from another address, by which a handler can tell it without any credentials. */
static void connect_from_elsewhere (void *s, const char *ep)
{
    char from[EP_SIZE];
    snprintf (from, sizeof from, "tcp://127.0.0.2:0;127.0.0.1:%d", port_of (ep));
    OK (zmq_connect (s, from));
}

typedef struct
{
    void *ctx, *server, *events, *bad, *bad_events, *good;
    char ep[EP_SIZE];
} scene_t;

static scene_t begin (int mechanism, const char *domain, int enforce)
{
    scene_t scene;
    make_keys ();
    scene.ctx = ctx_new ();
    scene.server = sock (scene.ctx, ZMQ_PULL);
    scene.bad = sock (scene.ctx, ZMQ_PUSH);
    scene.good = sock (scene.ctx, ZMQ_PUSH);
    as_server (scene.server, mechanism);
    if (domain)
        OK (zmq_setsockopt (scene.server, ZMQ_ZAP_DOMAIN, domain, strlen (domain)));
    if (enforce)
        set_int (scene.server, ZMQ_ZAP_ENFORCE_DOMAIN, 1);
    scene.events = watch (scene.ctx, scene.server, FAILURES);
    scene.bad_events = watch (scene.ctx, scene.bad, FAILURES | ZMQ_EVENT_DISCONNECTED);
    /* Once is enough. */
    set_int (scene.bad, ZMQ_RECONNECT_IVL, 60000);
    bind_any (scene.server, "tcp", scene.ep);
    return scene;
}

static void good_one_is_served (scene_t *scene)
{
    OK (zmq_connect (scene->good, scene->ep));
    SEND (scene->good, "good", 0);
    RECV (scene->server, "good");
    FAILS (zmq_recv (scene->server, NULL, 0, ZMQ_DONTWAIT), EAGAIN);
}

static void end (scene_t *scene, pthread_t *handler)
{
    OK (zmq_close (scene->events));
    OK (zmq_close (scene->bad_events));
    OK (zmq_close (scene->bad));
    OK (zmq_close (scene->good));
    OK (zmq_close (scene->server));
    if (handler) {
        OK (zmq_ctx_shutdown (scene->ctx));
        CHECK (pthread_join (*handler, NULL) == 0);
    }
    OK (zmq_ctx_term (scene->ctx));
}

/* ---- answers of handlers ------------------------------------------------------------------------------------------ */

#define AUTH(status) ZMQ_EVENT_HANDSHAKE_FAILED_AUTH, status
#define ZAP(what) ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL, ZMQ_PROTOCOL_ERROR_ZAP_##what

static const answer_t answers[] = {
    {"300", "1.0", NULL, "300", 6, "", AUTH (300)},
    {"400", "1.0", NULL, "400", 6, "", AUTH (400)},
    {"500", "1.0", NULL, "500", 6, "", AUTH (500)},
    {"version", "2.0", NULL, "200", 6, "", ZAP (BAD_VERSION)},
    {"no version", "", NULL, "200", 6, "", ZAP (BAD_VERSION)},
    {"request id", "1.0", "77", "200", 6, "", ZAP (BAD_REQUEST_ID)},
    {"no request id", "1.0", "", "200", 6, "", ZAP (BAD_REQUEST_ID)},
    {"one part", "1.0", NULL, "200", 1, "", ZAP (MALFORMED_REPLY)},
    {"a part too few", "1.0", NULL, "200", 5, "", ZAP (MALFORMED_REPLY)},
    {"a part too many", "1.0", NULL, "200", 7, "", ZAP (MALFORMED_REPLY)},
    {"delimiter", "1.0", NULL, "200", 6, "x", ZAP (UNSPECIFIED)},
    {"status 100", "1.0", NULL, "100", 6, "", ZAP (INVALID_STATUS_CODE)},
    {"status 201", "1.0", NULL, "201", 6, "", ZAP (INVALID_STATUS_CODE)},
    {"status 600", "1.0", NULL, "600", 6, "", ZAP (INVALID_STATUS_CODE)},
    {"status 2000", "1.0", NULL, "2000", 6, "", ZAP (INVALID_STATUS_CODE)},
    {"status yes", "1.0", NULL, "yes", 6, "", ZAP (INVALID_STATUS_CODE)},
    {"no status", "1.0", NULL, "", 6, "", ZAP (INVALID_STATUS_CODE)},
};

static void check_answer (int mechanism, const answer_t *how)
{
    char what[64];
    scene_t scene = begin (mechanism, "domain", 0);
    pthread_t handler = start_handler (scene.ctx, how);
    snprintf (what, sizeof what, "%s, %s", mechanisms[mechanism], how->name);
    as_client (scene.bad, mechanism, 0);
    as_client (scene.good, mechanism, 1);
    connect_from_elsewhere (scene.bad, scene.ep);
    zmq_send (scene.bad, "bad", 3, ZMQ_DONTWAIT); /* unless it is refused already */
    expect_event (scene.events, what, how->event, how->value);
    if (how->value == 400 || how->value == 500)
        /* The client is told. */
        expect_event (scene.bad_events, what, how->event, how->value);
    else if (how->value != 300)
        /* All it sees is that the server hangs up, with NULL maybe after its own handshake. (With 300 libzmq does not even
         * do that.) */
        expect_event (scene.bad_events, "client", ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_DISCONNECTED, -1);
    good_one_is_served (&scene);
    end (&scene, &handler);
}

GROUP (zap_answers_null)
{
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        check_answer (NULL_, &answers[i]);
}

GROUP (zap_answers_plain)
{
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        check_answer (PLAIN, &answers[i]);
}

GROUP (zap_answers_curve)
{
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        check_answer (CURVE, &answers[i]);
}

/* A handler that says nothing: ZMQ_HANDSHAKE_IVL is the limit, and others do not wait behind it. */
GROUP (zap_silence)
{
    static const answer_t silence = {"silence", "", NULL, "", 0, "", 0, 0};
    for (int mechanism = NULL_; mechanism <= CURVE; mechanism++) {
        scene_t scene = begin (mechanism, "domain", 0);
        pthread_t handler = start_handler (scene.ctx, &silence);
        OK (zmq_unbind (scene.server, scene.ep));
        set_int (scene.server, ZMQ_HANDSHAKE_IVL, 500);
        bind_any (scene.server, "tcp", scene.ep);
        as_client (scene.bad, mechanism, 0);
        as_client (scene.good, mechanism, 1);
        connect_from_elsewhere (scene.bad, scene.ep);
        zmq_send (scene.bad, "bad", 3, ZMQ_DONTWAIT); /* unless it is refused already */
        EVENTUALLY (request_parts > 0, 10000);
        good_one_is_served (&scene);
        expect_event (scene.events, mechanisms[mechanism], ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL, -1);
        expect_event (scene.bad_events, mechanisms[mechanism], ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL, -1);
        request_parts = 0;
        end (&scene, &handler);
    }
}

/* What the handler is asked, and where its answer is found. */
GROUP (zap_questions)
{
    for (int mechanism = NULL_; mechanism <= CURVE; mechanism++) {
        scene_t scene = begin (mechanism, "the domain", 0);
        uint8_t key[32];
        zmq_msg_t msg;
        OK (zmq_unbind (scene.server, scene.ep));
        OK (zmq_setsockopt (scene.server, ZMQ_ROUTING_ID, "server", 6));
        bind_any (scene.server, "tcp", scene.ep);
        pthread_t handler = start_handler (scene.ctx, &answers[1]);
        as_client (scene.good, mechanism, 1);
        OK (zmq_connect (scene.good, scene.ep));
        SEND (scene.good, "x", 0);
        OK (zmq_msg_init (&msg));
        IS (zmq_msg_recv (&msg, scene.server, 0), 1);
        CHECK (zmq_msg_gets (&msg, "User-Id") && !strcmp (zmq_msg_gets (&msg, "User-Id"), "someone"));
        OK (zmq_msg_close (&msg));
        IS (request_parts, mechanism == NULL_ ? 6 : mechanism == PLAIN ? 8 : 7);
        CHECK (!strcmp (request[0], "1.0"));
        CHECK (!strcmp (request[1], "1"));
        CHECK (!strcmp (request[2], "the domain"));
        CHECK (!strcmp (request[3], "127.0.0.1"));
        CHECK (!strcmp (request[4], "server"));
        CHECK (!strcmp (request[5], mechanisms[mechanism]));
        if (mechanism == PLAIN)
            CHECK (!strcmp (request[6], "good") && !strcmp (request[7], "right"));
        if (mechanism == CURVE)
            CHECK (zmq_z85_decode (key, good_public) && request_sizes[6] == 32 && !memcmp (request[6], key, 32));
        end (&scene, &handler);
    }
}

/* ---- without a handler -------------------------------------------------------------------------------------------- */

GROUP (no_handler)
{
    static const struct { int mechanism; const char *domain; int enforce, welcome; } cases[] = {
      {NULL_, NULL, 0, 1}, {NULL_, "d", 0, 1}, {NULL_, NULL, 1, 1},
      {NULL_, "d", 1, 0},  {PLAIN, NULL, 0, 0}, {PLAIN, "d", 0, 0},
      {PLAIN, "d", 1, 0},  {CURVE, NULL, 0, 1}, {CURVE, "d", 0, 1},
      {CURVE, NULL, 1, 1}, {CURVE, "d", 1, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scene_t scene = begin (cases[i].mechanism, cases[i].domain, cases[i].enforce);
        as_client (scene.good, cases[i].mechanism, 1);
        if (cases[i].welcome)
            good_one_is_served (&scene);
        else {
            char what[64];
            snprintf (what, sizeof what, "no handler, case %d", (int) i);
            set_int (scene.good, ZMQ_RECONNECT_IVL, 60000);
            OK (zmq_connect (scene.good, scene.ep));
            SEND (scene.good, "x", 0);
            expect_event (scene.events, what, ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL, EFAULT);
            RECV_NONE (scene.server, 50);
        }
        end (&scene, NULL);
    }
}

/* With a domain to enforce there is nothing to ask a handler about a CURVE client without one. */
GROUP (enforced_without_a_domain)
{
    static const int asked[] = {NULL_, CURVE};
    for (size_t i = 0; i < 2; i++) {
        scene_t scene = begin (asked[i], NULL, 1);
        pthread_t handler = start_handler (scene.ctx, &answers[1]);
        as_client (scene.bad, asked[i], 0);
        connect_from_elsewhere (scene.bad, scene.ep);
        SEND (scene.bad, "not asked", 0);
        RECV (scene.server, "not asked");
        IS (request_parts, 0);
        end (&scene, &handler);
    }
}

/* ---- keys and mechanisms ------------------------------------------------------------------------------------------ */

GROUP (curve_wrong_server_key)
{
    scene_t scene = begin (CURVE, NULL, 0);
    as_client (scene.bad, CURVE, 1);
    OK (zmq_setsockopt (scene.bad, ZMQ_CURVE_SERVERKEY, bad_public, 41));
    as_client (scene.good, CURVE, 1);
    OK (zmq_connect (scene.bad, scene.ep));
    zmq_send (scene.bad, "bad", 3, ZMQ_DONTWAIT); /* unless it is refused already */
    expect_event (scene.events, "server", ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL, ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC);
    expect_event (scene.bad_events, "client", ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL, -1);
    good_one_is_served (&scene);
    end (&scene, NULL);
}

/* A client that has the public key of another, but not the secret one. */
GROUP (curve_stolen_public_key)
{
    scene_t scene = begin (CURVE, NULL, 0);
    pthread_t handler = start_handler (scene.ctx, &answers[1]);
    as_client (scene.bad, CURVE, 0);
    OK (zmq_setsockopt (scene.bad, ZMQ_CURVE_PUBLICKEY, good_public, 41));
    as_client (scene.good, CURVE, 1);
    OK (zmq_connect (scene.bad, scene.ep));
    zmq_send (scene.bad, "bad", 3, ZMQ_DONTWAIT); /* unless it is refused already */
    expect_event (scene.events, "server", ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL, ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC);
    expect_event (scene.bad_events, "client", ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL, -1);
    good_one_is_served (&scene);
    end (&scene, &handler);
}

/* Who binds is not necessarily the server of a mechanism. Two servers wait for each other, which is no failure yet. */
GROUP (mechanisms_against_each_other)
{
    static const struct { int mechanism, server; } sides[] = {{NULL_, 1}, {PLAIN, 1}, {PLAIN, 0}, {CURVE, 1}, {CURVE, 0}};
    for (int bound = 0; bound < 5; bound++)
        for (int other = 0; other < 5; other++) {
            int same = sides[bound].mechanism == sides[other].mechanism;
            char what[64];
            if (same && (sides[bound].server || sides[other].server))
                continue;
            scene_t scene = begin (sides[bound].server ? sides[bound].mechanism : NULL_, NULL, 0);
            pthread_t handler = start_handler (scene.ctx, &answers[1]);
            if (!sides[bound].server) {
                as_client (scene.server, sides[bound].mechanism, 1);
                OK (zmq_unbind (scene.server, scene.ep));
                bind_any (scene.server, "tcp", scene.ep);
            }
            if (sides[other].server)
                as_server (scene.bad, sides[other].mechanism);
            else
                as_client (scene.bad, sides[other].mechanism, 1);
            OK (zmq_connect (scene.bad, scene.ep));
            zmq_send (scene.bad, "bad", 3, ZMQ_DONTWAIT); /* unless it is refused already */
            snprintf (what, sizeof what, "pair %d %d", bound, other);
            int code = same ? ZMQ_PROTOCOL_ERROR_ZMTP_UNEXPECTED_COMMAND : ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH;
            expect_event (scene.events, what, ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL, code);
            if (!same)
                expect_event (scene.bad_events, what, ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL, code);
            /* The counterpart it wants is served. */
            if (sides[bound].server)
                as_client (scene.good, sides[bound].mechanism, 1);
            else
                as_server (scene.good, sides[bound].mechanism);
            good_one_is_served (&scene);
            end (&scene, &handler);
        }
}

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
        pthread_t handler = start_handler (scene.ctx, &answers[1]);
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
        pthread_t handler = start_handler (scene.ctx, &answers[1]);
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

/* ---- what is left ------------------------------------------------------------------------------------------------- */

/* How often the bytes are in the memory of this process. They come inverted, so that they are not found themselves. */
static int count_in_memory (const uint8_t *inverted, size_t size)
{
    static uint8_t chunk[1 << 20];
    FILE *maps = fopen ("/proc/self/maps", "r");
    int memory = open ("/proc/self/mem", O_RDONLY), found = 0;
    char line[500];
    CHECK (maps && memory != -1);
    while (fgets (line, sizeof line, maps)) {
        unsigned long at, to;
        char mode[8];
        if (sscanf (line, "%lx-%lx %7s", &at, &to, mode) != 3 || strncmp (mode, "rw", 2))
            continue;
        while (at < to) {
            size_t part = to - at < sizeof chunk ? to - at : sizeof chunk;
            ssize_t n = pread (memory, chunk, part, (off_t) at);
            if (n <= 0)
                break;
            for (ssize_t i = 0; i + (ssize_t) size <= n; i++) {
                size_t same = 0;
                while (same < size && (chunk[i + (ssize_t) same] ^ inverted[same]) == 0xff)
                    same++;
                unsigned long where = at + (unsigned long) i;
                found += same == size && (where < (unsigned long) chunk || where >= (unsigned long) (chunk + sizeof chunk));
            }
            at += (unsigned long) n;
        }
        explicit_bzero (chunk, sizeof chunk);
    }
    fclose (maps);
    close (memory);
    return found;
}

/* Secret keys are in memory as long as they are needed, and no longer. */
GROUP (secret_keys_are_forgotten)
{
    uint8_t server_key[32], client_key[32];
    scene_t scene = begin (CURVE, NULL, 0);
    CHECK (zmq_z85_decode (server_key, server_secret) && zmq_z85_decode (client_key, good_secret));
    for (int i = 0; i < 32; i++) {
        server_key[i] = (uint8_t) ~server_key[i];
        client_key[i] = (uint8_t) ~client_key[i];
    }
    as_client (scene.good, CURVE, 1);
    CHECK (count_in_memory (server_key, 32) > 0);
    CHECK (count_in_memory (client_key, 32) > 0);
    good_one_is_served (&scene);
    end (&scene, NULL);
    IS (count_in_memory (server_key, 32), 0);
    IS (count_in_memory (client_key, 32), 0);
}

MAIN (ENTRY (zap_answers_null), ENTRY (zap_answers_plain), ENTRY (zap_answers_curve), ENTRY (zap_silence), ENTRY (zap_questions),
      ENTRY (no_handler), ENTRY (enforced_without_a_domain), ENTRY (curve_wrong_server_key),
      ENTRY (curve_stolen_public_key), ENTRY (mechanisms_against_each_other), ENTRY (no_downgrade), ENTRY (broken_clients),
      ENTRY (curve_hello_of_nobody), ENTRY (broken_servers),
      ENTRY (secret_keys_are_forgotten))
