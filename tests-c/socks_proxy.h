/*
 * A SOCKS 5 proxy that does as it is told, for t_socks.c.
 */
#ifndef TESTS_C_SOCKS_PROXY_H
#define TESTS_C_SOCKS_PROXY_H

#include "common.h"

/* ---- the proxy -------------------------------------------------------------------------------------------------- */

/* What the proxy does with one client. Its answers are in hexadecimal digits. */
typedef struct
{
    /* To the greeting, to the login and to the request. NULL: there is none, and no reading of what it would answer. */
    const char *method, *login, *reply;
    /* What follows the last of them. RELAY_GLUED sends the first bytes of the peer together with the reply. */
    enum { RELAY, RELAY_GLUED, HANG_UP, WAIT } then;
    /* Byte by byte. */
    int slowly;
} behaviour_t;

#define GRANTED "050000017f0000011234"
static const behaviour_t grant = {"0500", NULL, GRANTED, RELAY, 0};
static const behaviour_t grant_login = {"0502", "0100", GRANTED, RELAY, 0};

typedef struct
{
    int listener;
    /* As ZMQ_SOCKS_PROXY wants it, and as monitor events name it. */
    char address[64], endpoint[80];
    /* The proxy connects to this one, whatever the client asks for. */
    char peer[EP_SIZE];
    /* One behaviour per client; the last one is for all that follow. */
    const behaviour_t *script;
    int steps;
    pthread_mutex_t lock;
    /* What the last client said. */
    uint8_t greeting[300], login[600], request[300];
    int greeting_size, login_size, request_size;
    int clients;
} proxy_t;

static size_t from_hex (const char *hex, uint8_t *bytes)
{
    size_t n = 0;
    for (; *hex; hex += 2, n++) {
        unsigned byte = 0;
        CHECK (sscanf (hex, "%2x", &byte) == 1);
        bytes[n] = (uint8_t) byte;
    }
    return n;
}

static void say (int fd, const char *hex, int slowly)
{
    uint8_t bytes[300];
    size_t n = from_hex (hex, bytes), i;
    if (!slowly) {
        raw_write (fd, bytes, n);
        return;
    }
    for (i = 0; i < n; i++) {
        raw_write (fd, bytes + i, 1);
        sleep_ms (1);
    }
}

/* Adds `count` more bytes of the client to a message of `*size`; 0 if it has left. */
static int more (int fd, uint8_t *message, int *size, int count)
{
    if (!raw_read (fd, message + *size, (size_t) count))
        return 0;
    *size += count;
    return 1;
}

static int hear_greeting (int fd, uint8_t *m, int *size) { return more (fd, m, size, 2) && more (fd, m, size, m[1]); }

static int hear_login (int fd, uint8_t *m, int *size)
{
    return more (fd, m, size, 2) && more (fd, m, size, m[1] + 1) && more (fd, m, size, m[*size - 1]);
}

static int hear_request (int fd, uint8_t *m, int *size)
{
    return more (fd, m, size, 5) && more (fd, m, size, m[3] == 1 ? 3 + 2 : m[3] == 4 ? 15 + 2 : m[4] + 2);
}

/* Hears one message, keeps it for the test, and answers. */
static int answer (proxy_t *p, int fd, int (*hear) (int, uint8_t *, int *), uint8_t *kept, int *kept_size,
                   const char *hex, int slowly)
{
    uint8_t message[600];
    int size = 0, complete = hear (fd, message, &size);
    pthread_mutex_lock (&p->lock);
    memcpy (kept, message, (size_t) size);
    *kept_size = size;
    pthread_mutex_unlock (&p->lock);
    if (complete && hex)
        say (fd, hex, slowly);
    return complete;
}

static void wait_for_hangup (int fd)
{
    char byte;
    while (recv (fd, &byte, 1, 0) > 0)
        ;
}

/* The peer may be away for the moment. */
static int try_connect (const char *ep)
{
    struct sockaddr_in a;
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK (fd >= 0);
    memset (&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    a.sin_port = htons ((uint16_t) atoi (strrchr (ep, ':') + 1));
    if (connect (fd, (struct sockaddr *) &a, sizeof a) == 0)
        return fd;
    close (fd);
    return -1;
}

static void relay (int client, int peer)
{
    char buf[4096];
    for (;;) {
        struct pollfd p[2] = {{client, POLLIN, 0}, {peer, POLLIN, 0}};
        int i;
        if (poll (p, 2, -1) < 0)
            return;
        for (i = 0; i < 2; i++) {
            ssize_t n = p[i].revents ? recv (p[i].fd, buf, sizeof buf, 0) : -1;
            if (n == 0 || (n > 0 && !raw_write (p[1 - i].fd, buf, (size_t) n)))
                return;
        }
    }
}

static void serve (proxy_t *p, int fd, const behaviour_t *b)
{
    const char *reply = b->then == RELAY_GLUED ? NULL : b->reply;
    if (b->method && !answer (p, fd, hear_greeting, p->greeting, &p->greeting_size, b->method, b->slowly))
        return;
    if (b->login && !answer (p, fd, hear_login, p->login, &p->login_size, b->login, b->slowly))
        return;
    if (b->reply && !answer (p, fd, hear_request, p->request, &p->request_size, reply, b->slowly))
        return;
    if (b->then == WAIT)
        wait_for_hangup (fd);
    if (b->then == RELAY || b->then == RELAY_GLUED) {
        int peer = try_connect (p->peer);
        if (peer < 0)
            return;
        if (b->then == RELAY_GLUED) {
            uint8_t both[4096];
            size_t head = from_hex (b->reply, both);
            ssize_t n = recv (peer, both + head, sizeof both - head, 0);
            CHECK (n > 0);
            raw_write (fd, both, head + (size_t) n);
        }
        relay (fd, peer);
        close (peer);
    }
}

static void *proxy_thread (void *arg)
{
    proxy_t *p = (proxy_t *) arg;
    int one = 1;
    for (;;) {
        int number, fd = accept (p->listener, NULL, NULL);
        CHECK (fd >= 0);
        setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        pthread_mutex_lock (&p->lock);
        number = p->clients++;
        pthread_mutex_unlock (&p->lock);
        serve (p, fd, &p->script[number < p->steps ? number : p->steps - 1]);
        close (fd);
    }
    return NULL;
}

/* A proxy that nobody serves yet. */
static void proxy_bind (proxy_t *p)
{
    struct sockaddr_in a;
    socklen_t len = sizeof a;
    memset (p, 0, sizeof *p);
    memset (&a, 0, sizeof a);
    pthread_mutex_init (&p->lock, NULL);
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    p->listener = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK (bind (p->listener, (struct sockaddr *) &a, sizeof a) == 0);
    CHECK (getsockname (p->listener, (struct sockaddr *) &a, &len) == 0);
    sprintf (p->address, "127.0.0.1:%d", ntohs (a.sin_port));
    sprintf (p->endpoint, "tcp://%s", p->address);
}

static void proxy_serve (proxy_t *p, const char *peer, const behaviour_t *script, int steps)
{
    pthread_t thread;
    snprintf (p->peer, sizeof p->peer, "%s", peer);
    p->script = script;
    p->steps = steps;
    CHECK (listen (p->listener, 16) == 0);
    CHECK (pthread_create (&thread, NULL, proxy_thread, p) == 0);
    pthread_detach (thread);
}

static int clients (proxy_t *p)
{
    int n;
    pthread_mutex_lock (&p->lock);
    n = p->clients;
    pthread_mutex_unlock (&p->lock);
    return n;
}

/* How long a message was that it has heard. */
static int UNUSED heard (proxy_t *p, const int *size)
{
    pthread_mutex_lock (&p->lock);
    int n = *size;
    pthread_mutex_unlock (&p->lock);
    return n;
}

#define SAID(p, what, bytes, size)                                                                                     \
    do {                                                                                                               \
        pthread_mutex_lock (&(p)->lock);                                                                               \
        CHECK ((p)->what##_size == (int) (size) && !memcmp ((p)->what, bytes, size));                                  \
        pthread_mutex_unlock (&(p)->lock);                                                                             \
    } while (0)

#endif
