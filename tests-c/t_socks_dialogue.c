/*
 * What is said to a SOCKS proxy and what it may say (RFC 1928, RFC 1929): logins, refusals, damaged replies, slow ones. As in
 * t_socks every group but the ones about that lets the last attempt succeed.
 */
#include "socks_scene.h"

GROUP (login)
{
    static const struct
    {
        const char *name, *password;
        behaviour_t behaviour;
        const char *greeting, *login;
        int login_size;
    } cases[] = {
        {"me", "secret", {"0502", "0100", GRANTED, RELAY, 0}, "\5\1\2", "\1\2me\6secret", 11},
        {"me", NULL, {"0502", "0100", GRANTED, RELAY, 0}, "\5\1\2", "\1\2me\0", 5},
        {"me", "", {"0502", "0100", GRANTED, RELAY, 0}, "\5\1\2", "\1\2me\0", 5},
        /* The proxy may do without. */
        {"me", "secret", {"0500", NULL, GRANTED, RELAY, 0}, "\5\1\2", "", 0},
        /* A password alone, or an empty name, is no login. */
        {NULL, "secret", {"0500", NULL, GRANTED, RELAY, 0}, "\5\1\0", "", 0},
        {"", "secret", {"0500", NULL, GRANTED, RELAY, 0}, "\5\1\0", "", 0},
    };
    size_t i;
    for (i = 0; i < sizeof cases / sizeof *cases; i++) {
        scene_t sc;
        scene (&sc, &cases[i].behaviour, 1);
        if (cases[i].name)
            set_text (sc.push, ZMQ_SOCKS_USERNAME, cases[i].name);
        if (cases[i].password)
            set_text (sc.push, ZMQ_SOCKS_PASSWORD, cases[i].password);
        OK (zmq_connect (sc.push, "tcp://peer.example:99"));
        expect_success (&sc, sc.proxy->endpoint);
        exchange (&sc);
        SAID (sc.proxy, greeting, cases[i].greeting, 3);
        SAID (sc.proxy, login, cases[i].login, cases[i].login_size);
        scene_end (&sc);
    }
}

GROUP (longest_login)
{
    char text[256];
    scene_t sc;
    memset (text, 'x', 255);
    text[255] = 0;
    scene (&sc, &grant_login, 1);
    set_text (sc.push, ZMQ_SOCKS_USERNAME, text);
    set_text (sc.push, ZMQ_SOCKS_PASSWORD, text);
    OK (zmq_connect (sc.push, "tcp://peer.example:99"));
    expect_success (&sc, sc.proxy->endpoint);
    exchange (&sc);
    IS (heard (sc.proxy, &sc.proxy->login_size), 1 + 256 + 256);
    scene_end (&sc);
}

GROUP (login_refused)
{
    static const behaviour_t script[] = {
        {"0502", "0101", NULL, WAIT, 0},
        {"0502", "01ff", NULL, WAIT, 0},
        {"0502", "0500", NULL, WAIT, 0}, /* not a version of RFC 1929 */
        {"05ff", NULL, NULL, WAIT, 0},
        {"0502", "0100", GRANTED, RELAY, 0},
    };
    FAIL_THEN_SUCCEED (script, "me", "wrong");
}

GROUP (method_refused)
{
    static const behaviour_t script[] = {
        {"05ff", NULL, NULL, WAIT, 0},
        {"0501", NULL, NULL, WAIT, 0},
        {"0400", NULL, NULL, WAIT, 0},
        {"4854", NULL, NULL, WAIT, 0}, /* HTTP */
        {"0500", NULL, GRANTED, RELAY, 0},
    };
    FAIL_THEN_SUCCEED (script, NULL, NULL);
}

/* There is no name to log in with. */
GROUP (login_never_offered)
{
    static const behaviour_t script[] = {{"0502", "0100", GRANTED, RELAY, 0}, {"0500", NULL, GRANTED, RELAY, 0}};
    FAIL_THEN_SUCCEED (script, NULL, "secret");
}

GROUP (request_refused)
{
    static const behaviour_t script[] = {
        {"0500", NULL, "05010001000000000000", WAIT, 0},
        {"0500", NULL, "05020001000000000000", WAIT, 0},
        {"0500", NULL, "05030001000000000000", WAIT, 0},
        {"0500", NULL, "05040001000000000000", WAIT, 0},
        {"0500", NULL, "05050001000000000000", WAIT, 0},
        {"0500", NULL, "05060001000000000000", WAIT, 0},
        {"0500", NULL, "05070001000000000000", WAIT, 0},
        {"0500", NULL, "05080001000000000000", WAIT, 0},
        {"0500", NULL, "05ff0001000000000000", WAIT, 0},
        {"0500", NULL, "05050003000000", WAIT, 0},
        {"0500", NULL, GRANTED, RELAY, 0},
    };
    FAIL_THEN_SUCCEED (script, NULL, NULL);
}

GROUP (damaged_reply)
{
    static const behaviour_t script[] = {
        {"0500", NULL, "04000001000000000000", WAIT, 0}, /* version */
        {"0500", NULL, "05000101000000000000", WAIT, 0}, /* the reserved byte */
        {"0500", NULL, "05000000000000000000", WAIT, 0}, /* forms of address */
        {"0500", NULL, "05000002000000000000", WAIT, 0},
        {"0500", NULL, "050000ff000000000000", WAIT, 0},
        {"0500", NULL, GRANTED, RELAY, 0},
    };
    FAIL_THEN_SUCCEED (script, NULL, NULL);
}

GROUP (proxy_hangs_up)
{
    static const behaviour_t script[] = {
        {NULL, NULL, NULL, HANG_UP, 0},
        {"", NULL, NULL, HANG_UP, 0},
        {"05", NULL, NULL, HANG_UP, 0},
        {"0502", NULL, NULL, HANG_UP, 0},
        {"0502", "", NULL, HANG_UP, 0},
        {"0502", "0100", NULL, HANG_UP, 0},
        {"0502", "0100", "", HANG_UP, 0},
        {"0502", "0100", "0500", HANG_UP, 0},
        {"0502", "0100", "05000003", HANG_UP, 0},
        {"0502", "0100", "0500000309616263", HANG_UP, 0},
        {"0502", "0100", GRANTED, RELAY, 0},
    };
    FAIL_THEN_SUCCEED (script, "me", "secret");
}

/* Behind the reply it is the peer that hangs up, in the middle of the handshake. */
GROUP (peer_hangs_up)
{
    static const behaviour_t script[] = {{"0500", NULL, GRANTED, HANG_UP, 0}, {"0500", NULL, GRANTED, RELAY, 0}};
    scene_t sc;
    scene (&sc, script, 2);
    OK (zmq_connect (sc.push, "tcp://peer.example:99"));
    EVENT (sc.mon, ZMQ_EVENT_CONNECT_DELAYED, sc.proxy->endpoint);
    EVENT (sc.mon, ZMQ_EVENT_CONNECTED, sc.proxy->endpoint);
    EVENT (sc.mon, ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL, sc.proxy->endpoint);
    EVENT (sc.mon, ZMQ_EVENT_DISCONNECTED, sc.proxy->endpoint);
    EVENT (sc.mon, ZMQ_EVENT_CONNECT_RETRIED, sc.proxy->endpoint);
    expect_success (&sc, sc.proxy->endpoint);
    exchange (&sc);
    scene_end (&sc);
}

GROUP (slow_proxy)
{
    static const behaviour_t scripts[] = {
        {"0502", "0100", GRANTED, RELAY, 1},
        {"0502", "0100", "05000003096c6f63616c686f73740050", RELAY, 1},
        {"0502", "0100", "05000003000050", RELAY, 1},
        {"0502", "0100", "050000040000000000000000000000000000000112ff", RELAY, 1},
    };
    int i;
    for (i = 0; i < 4; i++)
        fail_then_succeed (&scripts[i], 1, "me", "secret");
}

/* The peer's first bytes come together with the reply. */
GROUP (peer_speaks_at_once)
{
    static const behaviour_t scripts[] = {
        {"0500", NULL, GRANTED, RELAY_GLUED, 0},
        {"0500", NULL, "05000003096c6f63616c686f73740050", RELAY_GLUED, 0},
        {"0500", NULL, "050000040000000000000000000000000000000112ff", RELAY_GLUED, 0},
    };
    int i;
    for (i = 0; i < 3; i++)
        fail_then_succeed (&scripts[i], 1, NULL, NULL);
}

MAIN (ENTRY (login), ENTRY (longest_login), ENTRY (login_refused), ENTRY (method_refused),
      ENTRY (login_never_offered), ENTRY (request_refused), ENTRY (damaged_reply), ENTRY (proxy_hangs_up),
      ENTRY (peer_hangs_up), ENTRY (slow_proxy), ENTRY (peer_speaks_at_once))
