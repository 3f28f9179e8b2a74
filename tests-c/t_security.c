/*
 * Security that fails, and what each side learns of it: wrong keys and passwords, answers of ZAP handlers, no handler,
 * other mechanisms, older protocols. Whoever is refused sends nothing through, and a good client at the same moment is
 * served. zmq_plain(7), zmq_curve(7), zmq_socket_monitor(3), RFC 24, RFC 26, RFC 27.
 */
#include "security.h"

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
        set_int (scene.server, ZMQ_HANDSHAKE_IVL, 500 * slower ());
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

/* A server that connects comes back to where a client was that its handler refused: another may listen there by then. */
GROUP (refused_by_who_connected)
{
    static const answer_t no = {"no", "1.0", NULL, "400", 6, "", 0, 0};
    for (int mechanism = PLAIN; mechanism <= CURVE; mechanism++) {
        char ep[EP_SIZE];
        make_keys ();
        void *ctx = ctx_new (), *server = sock (ctx, ZMQ_PULL), *bad = sock (ctx, ZMQ_PUSH), *good = sock (ctx, ZMQ_PUSH);
        pthread_t handler = start_handler (ctx, &no);
        as_server (server, mechanism);
        as_client (bad, mechanism, 0);
        as_client (good, mechanism, 1);
        set_int (server, ZMQ_RECONNECT_IVL, 10);
        bind_any (bad, "tcp", ep);
        request_parts = 0;
        OK (zmq_connect (server, ep));
        EVENTUALLY (request_parts > 0, 10000);
        OK (zmq_unbind (bad, ep));
        EVENTUALLY (zmq_bind (good, ep) == 0, 10000);
        SEND (good, "good", 0);
        RECV (server, "good");
        OK (zmq_close (server));
        OK (zmq_close (bad));
        OK (zmq_close (good));
        OK (zmq_ctx_shutdown (ctx));
        OK (pthread_join (handler, NULL));
        OK (zmq_ctx_term (ctx));
        request_parts = 0;
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

/* How often a secret key is in memory, given as text. What is done with it may have changed its first and its last byte
 * before (RFC 7748, section 5: the scalar is clamped). */
static int count_secret (const char *text)
{
    uint8_t key[32];
    CHECK (zmq_z85_decode (key, text));
    for (int i = 0; i < 32; i++)
        key[i] = (uint8_t) ~key[i];
    return count_in_memory (key + 1, 30);
}

/* Nor does what makes keys leave any behind. */
GROUP (made_keys_are_forgotten)
{
    char public[41], secret[41], again[41];
    OK (zmq_curve_keypair (public, secret));
    IS (count_secret (secret), 0);
    OK (zmq_curve_public (again, secret));
    CHECK (strcmp (public, again) == 0);
    IS (count_secret (secret), 0);
}

MAIN (ENTRY (zap_answers_null), ENTRY (zap_answers_plain), ENTRY (zap_answers_curve), ENTRY (zap_silence),
      ENTRY (refused_by_who_connected),
      ENTRY (zap_questions), ENTRY (no_handler), ENTRY (enforced_without_a_domain), ENTRY (curve_wrong_server_key),
      ENTRY (curve_stolen_public_key), ENTRY (mechanisms_against_each_other), ENTRY (secret_keys_are_forgotten), ENTRY (made_keys_are_forgotten))
