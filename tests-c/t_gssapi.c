/* The mechanism GSSAPI, with a KDC of the program's own. Processes with different libraries: interop_gssapi.c. */
#include "gssapi.h"

#define FAILURES                                                                                                       \
    (ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
#define UNEXPECTED_COMMAND 0x10000001

#define NEEDS_KDC()                                                                                                    \
    if (!kdc_pid) {                                                                                                    \
        fprintf (stderr, "    skipped: please install krb5-kdc and krb5-admin-server\n");                              \
        return;                                                                                                        \
    }

/* ---- options ------------------------------------------------------------------------------------------------------ */

static void text_is (void *s, int option, const char *want)
{
    char text[300];
    size_t size = sizeof text;
    OK (zmq_getsockopt (s, option, text, &size));
    CHECK (size == strlen (want) + 1 && !strcmp (text, want));
}

static void role_is (void *s, int mechanism, int server)
{
    IS (get_int (s, ZMQ_MECHANISM), mechanism);
    IS (get_int (s, ZMQ_GSSAPI_SERVER), server);
}

GROUP (options)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_DEALER);
    int names[] = {ZMQ_GSSAPI_PRINCIPAL, ZMQ_GSSAPI_SERVICE_PRINCIPAL}, two = 2, three = 3, minus = -1;
    char text[256], small[4];
    size_t size = sizeof small;
    IS (zmq_has ("gssapi"), 1);
    IS (zmq_has ("GSSAPI"), 0);
    role_is (s, ZMQ_NULL, 0);
    set_int (s, ZMQ_GSSAPI_PLAINTEXT, 1);
    set_int (s, ZMQ_GSSAPI_PRINCIPAL_NAMETYPE, 2);
    role_is (s, ZMQ_NULL, 0);
    IS (get_int (s, ZMQ_GSSAPI_PLAINTEXT), 1);
    IS (get_int (s, ZMQ_GSSAPI_PRINCIPAL_NAMETYPE), 2);
    IS (get_int (s, ZMQ_GSSAPI_SERVICE_PRINCIPAL_NAMETYPE), 0);
    set_int (s, ZMQ_GSSAPI_SERVER, 1);
    role_is (s, ZMQ_GSSAPI, 1);
    set_int (s, ZMQ_GSSAPI_SERVER, 0);
    role_is (s, ZMQ_GSSAPI, 0);
    FAILS (zmq_setsockopt (s, ZMQ_GSSAPI_SERVER, &two, sizeof two), EINVAL);
    FAILS (zmq_setsockopt (s, ZMQ_GSSAPI_PLAINTEXT, &two, sizeof two), EINVAL);
    FAILS (zmq_setsockopt (s, ZMQ_GSSAPI_PRINCIPAL_NAMETYPE, &three, sizeof three), EINVAL);
    FAILS (zmq_setsockopt (s, ZMQ_GSSAPI_SERVICE_PRINCIPAL_NAMETYPE, &minus, sizeof minus), EINVAL);
    memset (text, 'a', sizeof text);
    for (int i = 0; i < 2; i++) {
        text_is (s, names[i], "");
        gssapi_text (s, names[i], "somebody");
        text_is (s, names[i], "somebody");
        FAILS (zmq_setsockopt (s, names[i], "", 0), EINVAL);
        FAILS (zmq_setsockopt (s, names[i], NULL, 0), EINVAL);
        FAILS (zmq_setsockopt (s, names[i], text, 256), EINVAL);
        OK (zmq_setsockopt (s, names[i], text, 255));
        FAILS (zmq_getsockopt (s, names[i], small, &size), EINVAL);
    }
    set_int (s, ZMQ_GSSAPI_SERVER, 1);
    gssapi_text (s, ZMQ_GSSAPI_PRINCIPAL, "somebody");
    role_is (s, ZMQ_GSSAPI, 1);
    gssapi_text (s, ZMQ_GSSAPI_SERVICE_PRINCIPAL, "service");
    role_is (s, ZMQ_GSSAPI, 0);
    set_int (s, ZMQ_PLAIN_SERVER, 1);
    role_is (s, ZMQ_PLAIN, 0);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

/* ---- good ones ------------------------------------------------------------------------------------------------------ */

typedef struct
{
    void *ctx, *server, *client;
    char ep[EP_SIZE];
} scene_t;

static scene_t begin (int server, int client, int plaintext)
{
    scene_t t = {.ctx = ctx_new ()};
    t.server = sock (t.ctx, server);
    t.client = sock (t.ctx, client);
    gssapi_server (t.server, "zmq@localhost", plaintext);
    gssapi_client (t.client, "alice", "zmq@localhost", plaintext);
    bind_any (t.server, "tcp", t.ep);
    return t;
}

static void end (scene_t *t)
{
    OK (zmq_close (t->client));
    OK (zmq_close (t->server));
    OK (zmq_ctx_term (t->ctx));
}

static void good_one_is_served (scene_t *t)
{
    OK (zmq_connect (t->client, t->ep));
    SEND (t->client, "good", ZMQ_SNDMORE);
    SEND (t->client, "one", 0);
    RECV (t->server, "good");
    IS (RCVMORE (t->server), 1);
    RECV (t->server, "one");
    IS (RCVMORE (t->server), 0);
    SEND (t->server, "welcome", 0);
    RECV (t->client, "welcome");
}

static void exchange (int plaintext)
{
    scene_t t = begin (ZMQ_DEALER, ZMQ_DEALER, plaintext);
    static char big[300000], got[sizeof big];
    set_int (t.client, ZMQ_HEARTBEAT_IVL, 20);
    set_int (t.client, ZMQ_HEARTBEAT_TIMEOUT, 10000);
    good_one_is_served (&t);
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (char) (i ^ i >> 8);
    for (int i = 0; i < 5; i++) {
        IS (zmq_send (t.client, big, sizeof big, 0), sizeof big);
        IS (zmq_recv (t.server, got, sizeof got, 0), sizeof got);
        CHECK (!memcmp (big, got, sizeof big));
        SEND (t.server, "", 0);
        RECV (t.client, "");
    }
    /* Heartbeats are wrapped, too: the connection is still there. */
    sleep_ms (60);
    SEND (t.server, "still", 0);
    RECV (t.client, "still");
    end (&t);
}

GROUP (in_clear) { NEEDS_KDC (); exchange (1); }
GROUP (encrypted) { NEEDS_KDC (); exchange (0); }

static void published (int plaintext)
{
    scene_t t = begin (ZMQ_XPUB, ZMQ_SUB, plaintext);
    OK (zmq_setsockopt (t.client, ZMQ_SUBSCRIBE, "he", 2));
    OK (zmq_connect (t.client, t.ep));
    set_int (t.server, ZMQ_RCVTIMEO, 5000);
    RECV (t.server, "\1he");
    SEND (t.server, "other", 0);
    SEND (t.server, "hello", 0);
    RECV (t.client, "hello");
    OK (zmq_setsockopt (t.client, ZMQ_UNSUBSCRIBE, "he", 2));
    char cancel[10];
    IS (zmq_recv (t.server, cancel, sizeof cancel, 0), 3);
    CHECK (!memcmp (cancel, "\0he", 3));
    end (&t);
}

GROUP (published_in_clear) { NEEDS_KDC (); published (1); }
GROUP (published_encrypted) { NEEDS_KDC (); published (0); }

/* Without ZMQ_GSSAPI_PRINCIPAL: whom there are credentials for. */
GROUP (default_credentials)
{
    NEEDS_KDC ();
    scene_t t = {.ctx = ctx_new ()};
    t.server = sock (t.ctx, ZMQ_DEALER);
    t.client = sock (t.ctx, ZMQ_DEALER);
    set_int (t.server, ZMQ_GSSAPI_SERVER, 1);
    gssapi_text (t.client, ZMQ_GSSAPI_SERVICE_PRINCIPAL, "zmq@localhost");
    bind_any (t.server, "tcp", t.ep);
    good_one_is_served (&t);
    end (&t);
}

/* Names of principals as Kerberos writes them. */
GROUP (names_of_principals)
{
    NEEDS_KDC ();
    scene_t t = {.ctx = ctx_new ()};
    t.server = sock (t.ctx, ZMQ_DEALER);
    t.client = sock (t.ctx, ZMQ_DEALER);
    gssapi_server (t.server, "zmq/localhost@ZMQ.TEST", 0);
    gssapi_client (t.client, "alice@ZMQ.TEST", "zmq/localhost@ZMQ.TEST", 0);
    set_int (t.server, ZMQ_GSSAPI_PRINCIPAL_NAMETYPE, ZMQ_GSSAPI_NT_KRB5_PRINCIPAL);
    set_int (t.client, ZMQ_GSSAPI_PRINCIPAL_NAMETYPE, ZMQ_GSSAPI_NT_KRB5_PRINCIPAL);
    set_int (t.client, ZMQ_GSSAPI_SERVICE_PRINCIPAL_NAMETYPE, ZMQ_GSSAPI_NT_KRB5_PRINCIPAL);
    bind_any (t.server, "tcp", t.ep);
    good_one_is_served (&t);
    end (&t);
}

/* ---- the ZAP handler -------------------------------------------------------------------------------------------------- */

/* Answers one question. */
static void answer_zap (void *handler, const char *status)
{
    char parts[10][256];
    int count = 0;
    set_int (handler, ZMQ_RCVTIMEO, 10000);
    do {
        int size = zmq_recv (handler, parts[count], 255, 0);
        CHECK (size >= 0 && count < 9);
        parts[count++][size] = 0;
    } while (RCVMORE (handler));
    IS (count, 7);
    CHECK (!strcmp (parts[3], "127.0.0.1") && !strcmp (parts[5], "GSSAPI") && !strcmp (parts[6], "alice@ZMQ.TEST"));
    SEND (handler, "1.0", ZMQ_SNDMORE);
    SEND (handler, parts[1], ZMQ_SNDMORE);
    SEND (handler, status, ZMQ_SNDMORE);
    SEND (handler, "text", ZMQ_SNDMORE);
    SEND (handler, "Alice", ZMQ_SNDMORE);
    SEND (handler, "", 0);
}

GROUP (the_handler_is_asked)
{
    NEEDS_KDC ();
    for (int plaintext = 0; plaintext < 2; plaintext++) {
        scene_t t = begin (ZMQ_DEALER, ZMQ_DEALER, plaintext);
        void *handler = sock (t.ctx, ZMQ_REP);
        zmq_msg_t msg;
        OK (zmq_bind (handler, "inproc://zeromq.zap.01"));
        OK (zmq_connect (t.client, t.ep));
        SEND (t.client, "hello", 0);
        answer_zap (handler, "200");
        OK (zmq_msg_init (&msg));
        IS (zmq_msg_recv (&msg, t.server, 0), 5);
        CHECK (zmq_msg_gets (&msg, "User-Id") && !strcmp (zmq_msg_gets (&msg, "User-Id"), "Alice"));
        OK (zmq_msg_close (&msg));
        OK (zmq_close (handler));
        end (&t);
    }
}

static uint32_t next_failure (void *mon, int want)
{
    uint32_t value;
    char address[EP_SIZE];
    int event;
    set_int (mon, ZMQ_RCVTIMEO, 10000);
    while (!((event = next_event (mon, &value, address)) & FAILURES))
        ;
    IS (event, want);
    return value;
}

GROUP (the_handler_refuses)
{
    NEEDS_KDC ();
    for (int plaintext = 0; plaintext < 2; plaintext++) {
        scene_t t = begin (ZMQ_DEALER, ZMQ_DEALER, plaintext);
        void *handler = sock (t.ctx, ZMQ_REP), *at_server = monitor (t.ctx, t.server), *at_client = monitor (t.ctx, t.client);
        OK (zmq_bind (handler, "inproc://zeromq.zap.01"));
        set_int (t.client, ZMQ_RECONNECT_IVL, -1);
        OK (zmq_connect (t.client, t.ep));
        SEND (t.client, "hello", 0);
        answer_zap (handler, "400");
        IS (next_failure (at_server, ZMQ_EVENT_HANDSHAKE_FAILED_AUTH), 400);
        IS (next_failure (at_client, ZMQ_EVENT_HANDSHAKE_FAILED_AUTH), 400);
        FAILS (zmq_recv (t.server, NULL, 0, ZMQ_DONTWAIT), EAGAIN);
        OK (zmq_close (handler));
        OK (zmq_close (at_server));
        OK (zmq_close (at_client));
        end (&t);
    }
}

/* ---- bad ones ----------------------------------------------------------------------------------------------------------- */

/* A client that gets nowhere, while a good one goes on. What is to be seen of it, if anything, is an event. */
static void nobody_comes_in (const char *server, const char *name, const char *service, int failure)
{
    scene_t t = begin (ZMQ_DEALER, ZMQ_DEALER, 0);
    void *other = sock (t.ctx, ZMQ_DEALER), *bad = sock (t.ctx, ZMQ_DEALER);
    void *mon = monitor (t.ctx, failure && server ? other : bad);
    char ep[EP_SIZE];
    gssapi_server (other, server ? server : "zmq@localhost", 0);
    bind_any (other, "tcp", ep);
    gssapi_client (bad, name, service, 0);
    set_int (bad, ZMQ_RECONNECT_IVL, 20);
    OK (zmq_connect (bad, ep));
    SEND (bad, "bad", 0);
    if (failure) {
        next_failure (mon, failure);
        next_failure (mon, failure);
    }
    good_one_is_served (&t);
    RECV_NONE (other, 50);
    OK (zmq_close (mon));
    OK (zmq_close (bad));
    OK (zmq_close (other));
    end (&t);
}

/* Both libraries let nobody in; what ours tells its monitor, libzmq does not. */
GROUP (nobody_without_credentials) { NEEDS_KDC (); nobody_comes_in (NULL, "mallory", "zmq@localhost", 0); }
GROUP (nobody_for_a_service_that_is_not) { NEEDS_KDC (); nobody_comes_in (NULL, "alice", "nobody@localhost", 0); }
GROUP (nobody_for_another_service) { NEEDS_KDC (); nobody_comes_in (NULL, "alice", "other@localhost", 0); }
GROUP (nobody_to_a_server_without_keys) { NEEDS_KDC (); nobody_comes_in ("other@localhost", "alice", "other@localhost", 0); }
GROUP (no_credentials_are_told)
{
    NEEDS_KDC ();
    nobody_comes_in (NULL, "mallory", "zmq@localhost", ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL);
}
GROUP (a_bad_ticket_is_told)
{
    NEEDS_KDC ();
    nobody_comes_in ("zmq@localhost", "alice", "other@localhost", ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL);
}

/* One side encrypts, the other does not. */
GROUP (both_have_to_encrypt)
{
    NEEDS_KDC ();
    for (int plaintext = 0; plaintext < 2; plaintext++) {
        scene_t t = begin (ZMQ_DEALER, ZMQ_DEALER, plaintext);
        void *mon = monitor (t.ctx, t.client);
        set_int (t.client, ZMQ_GSSAPI_PLAINTEXT, !plaintext);
        OK (zmq_connect (t.client, t.ep));
        IS (next_failure (mon, ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL), UNEXPECTED_COMMAND);
        OK (zmq_close (mon));
        end (&t);
    }
}

/* ---- strangers ------------------------------------------------------------------------------------------------------------ */

static int stranger (const char *ep, const void *said, size_t size)
{
    static const char greeting[64] = "\xff\0\0\0\0\0\0\0\1\x7f\3\0GSSAPI";
    char theirs[64];
    int fd = raw_connect (ep);
    CHECK (raw_write (fd, greeting, 64) && raw_read (fd, theirs, 64));
    CHECK (!memcmp (theirs + 12, "GSSAPI\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 21));
    raw_write (fd, said, size);
    return fd;
}

static const struct
{
    const char *said;
    size_t size;
} garbage[] = {
    {"\4\x15\x08INITIATE\0\0\0\x08garbage!", 23},
    /* Lengths that lie. */
    {"\4\x15\x08INITIATE\0\0\0\x09garbage!", 23},
    {"\4\x15\x08INITIATE\xff\xff\xff\xffgarbage!", 23},
    {"\4\x0a\x08INITIATE\0", 12},
    {"\4\x09\x08INITIATE", 11},
    /* What has no place here. */
    {"\4\0", 2},
    {"\4\x06\5READY", 8},
    {"\4\x0e\7MESSAGE\0\0\0\2\5\4", 16},
};

GROUP (garbage_makes_no_context)
{
    NEEDS_KDC ();
    scene_t t = begin (ZMQ_DEALER, ZMQ_DEALER, 0);
    int fds[sizeof garbage / sizeof *garbage];
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++)
        fds[i] = stranger (t.ep, garbage[i].said, garbage[i].size);
    good_one_is_served (&t);
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++)
        close (fds[i]);
    end (&t);
}

GROUP (strangers_are_hung_up_on)
{
    NEEDS_KDC ();
    scene_t t = begin (ZMQ_DEALER, ZMQ_DEALER, 0);
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        int fd = stranger (t.ep, garbage[i].said, garbage[i].size);
        CHECK (raw_closed (fd, 5000));
        close (fd);
    }
    good_one_is_served (&t);
    end (&t);
}

/* ---- a KDC that says nothing ------------------------------------------------------------------------------------------- */

/* Neither the other sockets of the context nor its end wait for it. */
GROUP (nobody_waits_for_the_kdc)
{
    NEEDS_KDC ();
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    a.sin_port = htons ((uint16_t) kdc_port ());
    int udp = socket (AF_INET, SOCK_DGRAM, 0), tcp = socket (AF_INET, SOCK_STREAM, 0);
    void *ctx = ctx_new (), *server = sock (ctx, ZMQ_DEALER), *client = sock (ctx, ZMQ_DEALER);
    void *one = sock (ctx, ZMQ_PAIR), *two = sock (ctx, ZMQ_PAIR), *mon;
    char ep[EP_SIZE], plain[EP_SIZE], asked[16];
    CHECK (bind (udp, (struct sockaddr *) &a, sizeof a) == 0);
    CHECK (bind (tcp, (struct sockaddr *) &a, sizeof a) == 0 && listen (tcp, 5) == 0);
    kdc_clients_of ("mute.conf", ntohs (a.sin_port));
    kdc_use ("KRB5_CONFIG", "", "mute.conf");
    /* Without the tickets that others have got. */
    setenv ("KRB5CCNAME", "MEMORY:", 1);
    gssapi_server (server, "zmq@localhost", 0);
    gssapi_client (client, "alice", "zmq@localhost", 0);
    set_int (client, ZMQ_HANDSHAKE_IVL, 300);
    mon = monitor (ctx, client);
    bind_any (server, "tcp", ep);
    OK (zmq_connect (client, ep));
    IS (recv (udp, asked, sizeof asked, 0), sizeof asked);
    int64_t start = now_ms ();
    bind_any (one, "tcp", plain);
    OK (zmq_connect (two, plain));
    SEND (two, "others", 0);
    RECV (one, "others");
    /* The attempt is over in its time, though the KDC has still said nothing. */
    next_failure (mon, ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL);
    OK (zmq_close (mon));
    OK (zmq_close (one));
    OK (zmq_close (two));
    OK (zmq_close (client));
    OK (zmq_close (server));
    OK (zmq_ctx_term (ctx));
    CHECK (now_ms () - start < 2000);
}

int main (int argc, char **argv)
{
    static const group_t groups[] = {
        ENTRY (options), ENTRY (in_clear), ENTRY (encrypted), ENTRY (published_in_clear), ENTRY (published_encrypted),
        ENTRY (default_credentials), ENTRY (names_of_principals), ENTRY (the_handler_is_asked),
        ENTRY (the_handler_refuses), ENTRY (nobody_without_credentials), ENTRY (nobody_for_a_service_that_is_not),
        ENTRY (nobody_for_another_service), ENTRY (nobody_to_a_server_without_keys), ENTRY (no_credentials_are_told),
        ENTRY (a_bad_ticket_is_told), ENTRY (both_have_to_encrypt), ENTRY (garbage_makes_no_context),
        ENTRY (strangers_are_hung_up_on), ENTRY (nobody_waits_for_the_kdc),
    };
    int failed;
    if (kdc_is_installed ())
        kdc_start ();
    failed = run_groups (groups, sizeof groups / sizeof *groups, argc, argv);
    kdc_end ();
    return failed;
}
