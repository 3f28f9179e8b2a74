/* Sockets over TLS, and somebody on the way between them. */
#include "common.h"

static void text (void *s, int option, const char *value) { OK (zmq_setsockopt (s, option, value, strlen (value))); }

static void identity (void *s, const char *crt, const char *key)
{
    text (s, ZMQ_WSS_CERT_PEM, crt);
    text (s, ZMQ_WSS_KEY_PEM, key);
}

static void trust (void *s, const char *crt, const char *name)
{
    text (s, ZMQ_WSS_TRUST_PEM, crt);
    text (s, ZMQ_WSS_HOSTNAME, name);
}

static void listen_at (void *s, const char *crt, const char *key, char *ep)
{
    identity (s, crt, key);
    OK (zmq_bind (s, "wss://127.0.0.1:*/page"));
    last_endpoint (s, ep);
}

static void *server (void *ctx, int type, const char *crt, const char *key, char *ep)
{
    void *s = sock (ctx, type);
    listen_at (s, crt, key, ep);
    return s;
}

/* The same without its path. */
static void port_of (const char *ep, char *port)
{
    strcpy (port, ep);
    *strrchr (port, '/') = 0;
}

/* ---- a relay ---------------------------------------------------------------------------------------------------- */

typedef struct
{
    /* It hands on so many bytes at once. */
    int piece;
    /* One bit of the byte there is changed, in the first connection; 0: none. */
    int damage, to_server;
    int listener;
    char port[EP_SIZE];
    pthread_t thread;
} relay_t;

/* Hands on what is here; false if there was an end. */
static int hand_on (relay_t *r, int from, int to, int *damage)
{
    char bytes[20000];
    ssize_t n = recv (from, bytes, (size_t) r->piece < sizeof bytes ? (size_t) r->piece : sizeof bytes, MSG_DONTWAIT);
    if (n <= 0)
        return n < 0 && errno == EAGAIN;
    if (*damage > 0 && *damage <= n)
        bytes[*damage - 1] ^= 1;
    *damage -= (int) n;
    return raw_write (to, bytes, (size_t) n);
}

static void *relay_thread (void *arg)
{
    relay_t *r = (relay_t *) arg;
    int client;
    for (int first = 1; (client = accept (r->listener, NULL, NULL)) >= 0; first = 0) {
        int one = 1, peer = raw_connect (r->port), none = 0, damage = first ? r->damage : 0;
        setsockopt (client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct pollfd p[2] = {{client, POLLIN, 0}, {peer, POLLIN, 0}};
        while (poll (p, 2, -1) > 0) {
            if (p[0].revents && !hand_on (r, client, peer, r->to_server ? &damage : &none))
                break;
            if (p[1].revents && !hand_on (r, peer, client, r->to_server ? &none : &damage))
                break;
        }
        close (client);
        close (peer);
    }
    return NULL;
}

/* One to the server of this endpoint; `via` is the way to it. */
static void relay_begin (relay_t *r, const char *ep, char *via)
{
    struct sockaddr_in a;
    socklen_t size = sizeof a;
    memset (&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    r->listener = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK (bind (r->listener, (struct sockaddr *) &a, sizeof a) == 0 && listen (r->listener, 10) == 0);
    CHECK (getsockname (r->listener, (struct sockaddr *) &a, &size) == 0);
    port_of (ep, r->port);
    snprintf (via, EP_SIZE, "wss://127.0.0.1:%d/page", ntohs (a.sin_port));
    CHECK (pthread_create (&r->thread, NULL, relay_thread, r) == 0);
}

/* The sockets are closed. */
static void relay_end (relay_t *r)
{
    shutdown (r->listener, SHUT_RDWR);
    pthread_join (r->thread, NULL);
    close (r->listener);
}
