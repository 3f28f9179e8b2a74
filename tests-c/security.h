/* A ZAP handler, a secured server, and a good and a bad client, for tests of security. */
#include "common.h"

#define FAILURES                                                                                                       \
    (ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)

/* A draft in zmq.h, but the released library has it. */
#ifndef ZMQ_ZAP_ENFORCE_DOMAIN
#define ZMQ_ZAP_ENFORCE_DOMAIN 93
#endif

static char server_public[41], server_secret[41], good_public[41], good_secret[41], bad_public[41], bad_secret[41];

static void UNUSED make_keys (void)
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

static void UNUSED send_text (void *s, const char *text, int more)
{
    SEND (s, text, more ? ZMQ_SNDMORE : 0);
}

static int UNUSED is_good (void)
{
    uint8_t key[32];
    if (!strcmp (request[5], "PLAIN"))
        return request_parts == 8 && !strcmp (request[6], "good") && !strcmp (request[7], "right");
    if (!strcmp (request[5], "CURVE"))
        return zmq_z85_decode (key, good_public) && request_sizes[6] == 32 && !memcmp (request[6], key, 32);
    /* NULL shows no more than where it comes from. */
    return !strcmp (request[3], "127.0.0.1");
}

static void UNUSED reply (void *handler, const answer_t *a)
{
    const char *parts[] = {a->version, a->id ? a->id : request[1], a->status, "text", "someone", "", "more"};
    send_text (handler, a->delimiter, 1);
    for (int i = 0; i < a->parts; i++)
        send_text (handler, parts[i], i + 1 < a->parts);
}

static const answer_t yes = {"yes", "1.0", NULL, "200", 6, "", 0, 0};

static void UNUSED *handle (void *handler)
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

static pthread_t UNUSED start_handler (void *ctx, const answer_t *how)
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

static void UNUSED as_server (void *s, int mechanism)
{
    if (mechanism == PLAIN)
        set_int (s, ZMQ_PLAIN_SERVER, 1);
    if (mechanism == CURVE) {
        set_int (s, ZMQ_CURVE_SERVER, 1);
        OK (zmq_setsockopt (s, ZMQ_CURVE_SECRETKEY, server_secret, 41));
    }
}

static void UNUSED as_client (void *s, int mechanism, int good)
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

static void UNUSED *watch (void *ctx, void *s, int events)
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
static void UNUSED expect_event (void *monitor, const char *what, int event, int value)
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

static int UNUSED port_of (const char *ep)
{
    return atoi (strrchr (ep, ':') + 1);
}

/* The bad one comes from another address, by which a handler can tell it without any credentials. */
static void UNUSED connect_from_elsewhere (void *s, const char *ep)
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

static scene_t UNUSED begin (int mechanism, const char *domain, int enforce)
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

static void UNUSED good_one_is_served (scene_t *scene)
{
    OK (zmq_connect (scene->good, scene->ep));
    SEND (scene->good, "good", 0);
    RECV (scene->server, "good");
    FAILS (zmq_recv (scene->server, NULL, 0, ZMQ_DONTWAIT), EAGAIN);
}

static void UNUSED end (scene_t *scene, pthread_t *handler)
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
