/*
 * ZMQ_SOCKS_PROXY, ZMQ_SOCKS_USERNAME and ZMQ_SOCKS_PASSWORD (RFC 1928, RFC 1929), with a proxy in this process that
 * does as it is told.
 *
 * libzmq 4.3.4 aborts when a socket is closed between a failed attempt through a proxy and the next one. So every
 * group but the one about that lets the last attempt succeed.
 */
#include "socks_scene.h"

GROUP (options)
{
    static const int numbers[] = {ZMQ_SOCKS_PROXY, ZMQ_SOCKS_USERNAME, ZMQ_SOCKS_PASSWORD};
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_DEALER);
    char buf[600];
    int i;
    for (i = 0; i < 3; i++) {
        size_t size = sizeof buf;
        OK (zmq_getsockopt (s, numbers[i], buf, &size));
        CHECK (size == 1 && buf[0] == 0);
        set_text (s, numbers[i], "somehost:1080");
        size = sizeof buf;
        OK (zmq_getsockopt (s, numbers[i], buf, &size));
        CHECK (size == 14 && !strcmp (buf, "somehost:1080"));
        size = 13;
        FAILS (zmq_getsockopt (s, numbers[i], buf, &size), EINVAL);
        OK (zmq_setsockopt (s, numbers[i], NULL, 0));
        size = sizeof buf;
        OK (zmq_getsockopt (s, numbers[i], buf, &size));
        CHECK (size == 1 && buf[0] == 0);
    }
    FAILS (zmq_setsockopt (s, ZMQ_SOCKS_PROXY, "", 0), EINVAL);
    memset (buf, 'x', sizeof buf);
    for (i = 1; i < 3; i++) {
        OK (zmq_setsockopt (s, numbers[i], "", 0));
        OK (zmq_setsockopt (s, numbers[i], buf, 255));
        FAILS (zmq_setsockopt (s, numbers[i], buf, 256), EINVAL);
    }
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

GROUP (address)
{
    scene_t sc;
    char ep[EP_SIZE];
    zmq_msg_t msg;
    scene (&sc, &grant, 1);
    OK (zmq_connect (sc.push, "tcp://10.1.2.3:99"));
    last_endpoint (sc.push, ep);
    CHECK (!strcmp (ep, "tcp://10.1.2.3:99"));
    expect_success (&sc, sc.proxy->endpoint);
    exchange (&sc);
    SAID (sc.proxy, greeting, "\5\1\0", 3);
    SAID (sc.proxy, request, "\5\1\0\1\x0a\1\2\3\0\x63", 10);
    SEND (sc.push, "x", 0);
    OK (zmq_msg_init (&msg));
    IS (zmq_msg_recv (&msg, sc.pull, 0), 1);
    CHECK (!strcmp (zmq_msg_gets (&msg, "Peer-Address"), "127.0.0.1"));
    OK (zmq_msg_close (&msg));
    scene_end (&sc);
}

GROUP (name_is_left_to_the_proxy)
{
    static const behaviour_t script[] = {{"0500", NULL, "05000003096c6f63616c686f73740050", RELAY, 0}};
    char longest[EP_SIZE] = "tcp://";
    scene_t sc;
    scene (&sc, script, 1);
    OK (zmq_connect (sc.push, "tcp://no.such.host.invalid:4660"));
    expect_success (&sc, sc.proxy->endpoint);
    exchange (&sc);
    SAID (sc.proxy, request, "\5\1\0\3\x14no.such.host.invalid\x12\x34", 27);
    scene_end (&sc);

    memset (longest + 6, 'n', 255);
    strcpy (longest + 6 + 255, ":1");
    scene (&sc, &grant, 1);
    OK (zmq_connect (sc.push, longest));
    expect_success (&sc, sc.proxy->endpoint);
    IS (heard (sc.proxy, &sc.proxy->request_size), 4 + 1 + 255 + 2);
    scene_end (&sc);
}

GROUP (ipv6_address)
{
    static const behaviour_t script[] = {{"0500", NULL, "050000040000000000000000000000000000000112ff", RELAY, 0}};
    static const char *const endpoints[] = {"tcp://[2001:db8::7]:99", "tcp://2001:db8::7:99"};
    int i;
    for (i = 0; i < 2; i++) {
        scene_t sc;
        scene (&sc, script, 1);
        OK (zmq_connect (sc.push, endpoints[i]));
        expect_success (&sc, sc.proxy->endpoint);
        exchange (&sc);
        SAID (sc.proxy, request, "\5\1\0\4\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7\0\x63", 22);
        scene_end (&sc);
    }
}

GROUP (proxy_by_name)
{
    scene_t sc;
    char name[80], endpoint[90];
    scene (&sc, &grant, 1);
    sprintf (name, "localhost%s", strrchr (sc.proxy->address, ':'));
    sprintf (endpoint, "tcp://%s", name);
    set_text (sc.push, ZMQ_SOCKS_PROXY, name);
    OK (zmq_connect (sc.push, "tcp://peer.example:99"));
    expect_success (&sc, endpoint);
    exchange (&sc);
    scene_end (&sc);
}

GROUP (proxy_with_source)
{
    scene_t sc;
    char name[80], endpoint[90];
    scene (&sc, &grant, 1);
    sprintf (name, "127.0.0.1:0;%s", sc.proxy->address);
    sprintf (endpoint, "tcp://%s", name);
    set_text (sc.push, ZMQ_SOCKS_PROXY, name);
    OK (zmq_connect (sc.push, "tcp://peer.example:99"));
    expect_success (&sc, endpoint);
    exchange (&sc);
    scene_end (&sc);
}

/* The option is checked when it is used, again and again. */
GROUP (proxy_that_is_no_address)
{
    static const char *const nonsense[] = {"nonsense", "127.0.0.1", "tcp://127.0.0.1:1080"};
    int i, j;
    for (i = 0; i < 3; i++) {
        scene_t sc;
        char endpoint[80];
        scene_unserved (&sc);
        sprintf (endpoint, "tcp://%s", nonsense[i]);
        set_text (sc.push, ZMQ_SOCKS_PROXY, nonsense[i]);
        OK (zmq_connect (sc.push, "tcp://peer.example:99"));
        for (j = 0; j < 2; j++)
            EVENT (sc.mon, ZMQ_EVENT_CONNECT_RETRIED, endpoint);
        OK (zmq_close (sc.push));
        OK (zmq_close (sc.mon));
        OK (zmq_close (sc.pull));
        OK (zmq_ctx_term (sc.ctx));
        /* Nobody serves it. */
        close (sc.proxy->listener);
        free (sc.proxy);
    }
}

/* Options are taken when connecting: what is set later does not matter. */
GROUP (option_as_it_was)
{
    scene_t sc;
    scene (&sc, &grant_login, 1);
    set_text (sc.push, ZMQ_SOCKS_USERNAME, "me");
    set_text (sc.push, ZMQ_SOCKS_PASSWORD, "secret");
    OK (zmq_connect (sc.push, "tcp://peer.example:99"));
    OK (zmq_setsockopt (sc.push, ZMQ_SOCKS_PROXY, NULL, 0));
    OK (zmq_setsockopt (sc.push, ZMQ_SOCKS_USERNAME, NULL, 0));
    expect_success (&sc, sc.proxy->endpoint);
    SAID (sc.proxy, greeting, "\5\1\2", 3);
    SAID (sc.proxy, login, "\1\2me\6secret", 11);
    OK (zmq_disconnect (sc.push, "tcp://peer.example:99"));
    OK (zmq_connect (sc.push, sc.pull_ep));
    exchange (&sc);
    IS (clients (sc.proxy), 1);
    OK (zmq_close (sc.push));
    OK (zmq_close (sc.mon));
    OK (zmq_close (sc.pull));
    OK (zmq_ctx_term (sc.ctx));
}

GROUP (proxy_comes_late)
{
    scene_t sc;
    scene_unserved (&sc);
    OK (zmq_connect (sc.push, "tcp://peer.example:99"));
    expect_failure (&sc);
    expect_failure (&sc);
    proxy_serve (sc.proxy, sc.pull_ep, &grant, 1);
    exchange (&sc);
    SAID (sc.proxy, request, "\5\1\0\3\x0cpeer.example\0\x63", 19);
    OK (zmq_close (sc.push));
    OK (zmq_close (sc.mon));
    OK (zmq_close (sc.pull));
    OK (zmq_ctx_term (sc.ctx));
}

GROUP (lost_connection_comes_back)
{
    scene_t sc;
    char ep[EP_SIZE];
    scene (&sc, &grant, 1);
    OK (zmq_connect (sc.push, "tcp://peer.example:99"));
    expect_success (&sc, sc.proxy->endpoint);
    exchange (&sc);
    OK (zmq_close (sc.pull));
    EVENT (sc.mon, ZMQ_EVENT_DISCONNECTED, sc.proxy->endpoint);
    sc.pull = sock (sc.ctx, ZMQ_PULL);
    strcpy (ep, sc.pull_ep);
    EVENTUALLY (zmq_bind (sc.pull, ep) == 0, 5000);
    exchange (&sc);
    CHECK (clients (sc.proxy) >= 2);
    OK (zmq_close (sc.push));
    OK (zmq_close (sc.mon));
    OK (zmq_close (sc.pull));
    OK (zmq_ctx_term (sc.ctx));
}

/* The dialogue is part of the handshake (ZMQ_HANDSHAKE_IVL) and of connecting (ZMQ_CONNECT_TIMEOUT). */
static void silent_proxy (int option)
{
    static const behaviour_t script[] = {
        {"", NULL, NULL, WAIT, 0},
        {"0500", NULL, "0500000103", WAIT, 0},
        {"0500", NULL, GRANTED, RELAY, 0},
    };
    scene_t sc;
    int64_t start;
    int i;
    scene (&sc, script, 3);
    set_int (sc.push, option, 300);
    start = now_ms ();
    OK (zmq_connect (sc.push, "tcp://peer.example:99"));
    for (i = 1; i < 3; i++) {
        expect_failure (&sc);
        CHECK (now_ms () - start >= 300 * i);
    }
    /* On a busy machine the good attempt may take too long, too. */
    exchange (&sc);
    OK (zmq_close (sc.push));
    OK (zmq_close (sc.mon));
    OK (zmq_close (sc.pull));
    OK (zmq_ctx_term (sc.ctx));
}

GROUP (silent_proxy_handshake_ivl) { silent_proxy (ZMQ_HANDSHAKE_IVL); }
GROUP (silent_proxy_connect_timeout) { silent_proxy (ZMQ_CONNECT_TIMEOUT); }

/* zmq_close in every stage of an attempt. */
GROUP (close_at_any_time)
{
    static const behaviour_t stages[] = {
        {"", NULL, NULL, WAIT, 0},
        {"0500", NULL, "", WAIT, 0},
        {"0500", NULL, "05000001", WAIT, 0},
        {"0500", NULL, GRANTED, WAIT, 0},
    };
    int i;
    for (i = 0; i < 4; i++) {
        scene_t sc;
        scene (&sc, &stages[i], 1);
        OK (zmq_connect (sc.push, "tcp://peer.example:99"));
        EVENTUALLY (clients (sc.proxy) == 1, 10000);
        sleep_ms (i % 2 * 20);
        OK (zmq_close (sc.push));
        OK (zmq_close (sc.mon));
        OK (zmq_close (sc.pull));
        OK (zmq_ctx_term (sc.ctx));
    }
}

GROUP (close_between_attempts)
{
    static const behaviour_t script[] = {{"05ff", NULL, NULL, WAIT, 0}};
    scene_t sc;
    scene (&sc, script, 1);
    set_int (sc.push, ZMQ_RECONNECT_IVL, 60000);
    OK (zmq_connect (sc.push, "tcp://peer.example:99"));
    expect_failure (&sc);
    scene_end (&sc);
}

/* What cannot be asked of a proxy is told at once. */
GROUP (impossible_destination)
{
    scene_t sc;
    char name[EP_SIZE] = "tcp://";
    memset (name + 6, 'n', 256);
    strcpy (name + 6 + 256, ":1");
    scene (&sc, &grant, 1);
    FAILS (zmq_connect (sc.push, name), EINVAL);
    FAILS (zmq_connect (sc.push, "tcp://:99"), EINVAL);
    FAILS (zmq_connect (sc.push, "tcp://[]:99"), EINVAL);
    FAILS (zmq_connect (sc.push, "tcp://peer.example:0"), EINVAL);
    OK (zmq_connect (sc.push, "tcp://peer.example:99"));
    expect_success (&sc, sc.proxy->endpoint);
    IS (clients (sc.proxy), 1);
    scene_end (&sc);
}

/* `tcp://source;peer`: the source is ours, no business of the proxy. */
GROUP (destination_with_source)
{
    scene_t sc;
    char endpoint[120];
    scene (&sc, &grant, 1);
    sprintf (endpoint, "tcp://127.0.0.1:0;%s", sc.proxy->address);
    OK (zmq_connect (sc.push, "tcp://127.0.0.1:0;peer.example:99"));
    expect_success (&sc, endpoint);
    exchange (&sc);
    SAID (sc.proxy, request, "\5\1\0\3\x0cpeer.example\0\x63", 19);
    scene_end (&sc);
}

GROUP (other_transports_ignore_it)
{
    static const char *const transports[] = {"ipc", "inproc"};
    void *ctx = ctx_new ();
    int i;
    for (i = 0; i < 2; i++) {
        void *a = sock (ctx, ZMQ_PAIR), *b = sock (ctx, ZMQ_PAIR);
        char ep[EP_SIZE];
        set_text (b, ZMQ_SOCKS_PROXY, "127.0.0.1:1");
        bind_any (a, transports[i], ep);
        OK (zmq_connect (b, ep));
        SEND (b, "direct", 0);
        RECV (a, "direct");
        OK (zmq_close (a));
        OK (zmq_close (b));
    }
    OK (zmq_ctx_term (ctx));
}

GROUP (bind_ignores_it)
{
    void *ctx = ctx_new (), *a = sock (ctx, ZMQ_PAIR), *b = sock (ctx, ZMQ_PAIR);
    char ep[EP_SIZE];
    set_text (a, ZMQ_SOCKS_PROXY, "127.0.0.1:1");
    bind_any (a, "tcp", ep);
    OK (zmq_connect (b, ep));
    SEND (b, "direct", 0);
    RECV (a, "direct");
    OK (zmq_close (a));
    OK (zmq_close (b));
    OK (zmq_ctx_term (ctx));
}

/* A STREAM socket has no handshake but the one with the proxy. */
GROUP (stream)
{
    static const behaviour_t scripts[] = {
        {"0500", NULL, GRANTED, RELAY, 0},
        {"0500", NULL, GRANTED, RELAY, 1},
    };
    int i;
    for (i = 0; i < 2; i++) {
        void *ctx = ctx_new (), *far = sock (ctx, ZMQ_STREAM), *near = sock (ctx, ZMQ_STREAM), *mon;
        char ep[EP_SIZE], id[256], far_id[256];
        int n, m;
        static proxy_t two[2];
        proxy_t *proxy = &two[i];
        bind_any (far, "tcp", ep);
        proxy_bind (proxy);
        proxy_serve (proxy, ep, &scripts[i], 1);
        set_text (near, ZMQ_SOCKS_PROXY, proxy->address);
        mon = monitor (ctx, near);
        OK (zmq_connect (near, "tcp://peer.example:99"));
        EVENT (mon, ZMQ_EVENT_CONNECT_DELAYED, proxy->endpoint);
        EVENT (mon, ZMQ_EVENT_CONNECTED, proxy->endpoint);
        n = zmq_recv (near, id, sizeof id, 0);
        CHECK (n > 0 && RCVMORE (near));
        RECV (near, "");
        m = zmq_recv (far, far_id, sizeof far_id, 0);
        CHECK (m > 0 && RCVMORE (far));
        RECV (far, "");
        IS (zmq_send (near, id, (size_t) n, ZMQ_SNDMORE), n);
        SEND (near, "GET /", 0);
        IS (zmq_recv (far, far_id, sizeof far_id, 0), m);
        RECV (far, "GET /");
        IS (zmq_send (far, far_id, (size_t) m, ZMQ_SNDMORE), m);
        SEND (far, "200 OK", 0);
        IS (zmq_recv (near, id, sizeof id, 0), n);
        RECV (near, "200 OK");
        OK (zmq_close (near));
        OK (zmq_close (mon));
        OK (zmq_close (far));
        OK (zmq_ctx_term (ctx));
    }
}

MAIN (ENTRY (options), ENTRY (address), ENTRY (name_is_left_to_the_proxy), ENTRY (ipv6_address),
      ENTRY (proxy_by_name), ENTRY (proxy_with_source), ENTRY (proxy_that_is_no_address), ENTRY (option_as_it_was),
      ENTRY (proxy_comes_late), ENTRY (lost_connection_comes_back), ENTRY_SLOW (silent_proxy_handshake_ivl, 10),
      ENTRY_SLOW (silent_proxy_connect_timeout, 10), ENTRY (close_at_any_time), ENTRY (close_between_attempts),
      ENTRY (impossible_destination), ENTRY (destination_with_source), ENTRY (other_transports_ignore_it),
      ENTRY (bind_ignores_it), ENTRY (stream))
