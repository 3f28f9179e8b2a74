/* A PULL behind a SOCKS proxy, and a PUSH that goes through it. */
#include "socks_proxy.h"

/* Draft in libzmq's header, there all the same. */
#ifndef ZMQ_SOCKS_USERNAME
#define ZMQ_SOCKS_USERNAME 99
#define ZMQ_SOCKS_PASSWORD 100
#endif

/* ---- a PULL behind the proxy and a PUSH that goes through it ----------------------------------------------------- */

typedef struct
{
    void *ctx, *pull, *push, *mon;
    /* Its thread uses it for as long as the process lives. */
    proxy_t *proxy;
    char pull_ep[EP_SIZE];
} scene_t;

static void UNUSED set_text (void *s, int option, const char *text) { OK (zmq_setsockopt (s, option, text, strlen (text))); }

static void UNUSED scene_unserved (scene_t *sc)
{
    sc->ctx = ctx_new ();
    sc->pull = sock (sc->ctx, ZMQ_PULL);
    sc->push = sock (sc->ctx, ZMQ_PUSH);
    bind_any (sc->pull, "tcp", sc->pull_ep);
    sc->proxy = malloc (sizeof *sc->proxy);
    proxy_bind (sc->proxy);
    set_text (sc->push, ZMQ_SOCKS_PROXY, sc->proxy->address);
    set_int (sc->push, ZMQ_RECONNECT_IVL, 10);
    sc->mon = monitor (sc->ctx, sc->push);
}

static void UNUSED scene (scene_t *sc, const behaviour_t *script, int steps)
{
    scene_unserved (sc);
    proxy_serve (sc->proxy, sc->pull_ep, script, steps);
}

/* An attempt that the proxy, or whatever stands there, ends. */
static void UNUSED expect_failure (scene_t *sc)
{
    EVENT (sc->mon, ZMQ_EVENT_CONNECT_DELAYED, sc->proxy->endpoint);
    CHECK ((int32_t) EVENT (sc->mon, ZMQ_EVENT_CLOSED, sc->proxy->endpoint) >= 0);
    EVENT (sc->mon, ZMQ_EVENT_CONNECT_RETRIED, sc->proxy->endpoint);
}

static void UNUSED expect_success (scene_t *sc, const char *name)
{
    EVENT (sc->mon, ZMQ_EVENT_CONNECT_DELAYED, name);
    EVENT (sc->mon, ZMQ_EVENT_CONNECTED, name);
    EVENT (sc->mon, ZMQ_EVENT_HANDSHAKE_SUCCEEDED, name);
}

static void UNUSED exchange (scene_t *sc)
{
    SEND (sc->push, "through", ZMQ_SNDMORE);
    SEND (sc->push, "the proxy", 0);
    RECV (sc->pull, "through");
    RECV (sc->pull, "the proxy");
}

static void UNUSED scene_end (scene_t *sc)
{
    OK (zmq_close (sc->push));
    EVENT (sc->mon, ZMQ_EVENT_MONITOR_STOPPED, "");
    OK (zmq_close (sc->mon));
    OK (zmq_close (sc->pull));
    OK (zmq_ctx_term (sc->ctx));
}

/* All attempts but the last fail. */
static void UNUSED fail_then_succeed (const behaviour_t *script, int steps, const char *name, const char *password)
{
    scene_t sc;
    int i;
    scene (&sc, script, steps);
    if (name)
        set_text (sc.push, ZMQ_SOCKS_USERNAME, name);
    if (password)
        set_text (sc.push, ZMQ_SOCKS_PASSWORD, password);
    OK (zmq_connect (sc.push, "tcp://peer.example:99"));
    for (i = 1; i < steps; i++)
        expect_failure (&sc);
    expect_success (&sc, sc.proxy->endpoint);
    exchange (&sc);
    IS (clients (sc.proxy), steps);
    scene_end (&sc);
}

#define FAIL_THEN_SUCCEED(script, name, password)                                                                      \
    fail_then_succeed (script, (int) (sizeof (script) / sizeof *(script)), name, password)
