/*
 * What stands beside the sockets of a script: peers that are plain sockets and say each byte themselves, a ZAP handler,
 * and a proxy, the latter two in threads of their own, which sleep while the script goes on.
 *
 * `P` is the number of a plain peer; the endpoint `!P` is where it listens.
 */
#ifndef TESTS_C_DIFFERENTIAL_BESIDE_H
#define TESTS_C_DIFFERENTIAL_BESIDE_H

#include "differential_calls.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/un.h>

/* ---- plain peers ------------------------------------------------------------------------------------------------ */

static void plain_connect (const call_t *c, int *fd)
{
    const char *address = endpoint (word (c, 2));
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int is_tcp = !strncmp (address, "tcp://", 6), rc;
    if (!is_tcp && strncmp (address, "ipc://", 6)) {
        say (" not tried");
        return;
    }
    *fd = socket (is_tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (is_tcp) {
        in.sin_port = htons (atoi (strrchr (address, ':') + 1));
        rc = connect (*fd, (struct sockaddr *) &in, sizeof in);
    } else {
        snprintf (un.sun_path, sizeof un.sun_path, "%s", address + 6);
        rc = connect (*fd, (struct sockaddr *) &un, sizeof un);
    }
    result (rc);
}

static void plain_bind (const call_t *c, int *fd)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    socklen_t size = sizeof in;
    plain_t *p = &plain_peers[(unsigned) atoi (word (c, 1)) % PLAIN];
    *fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    result (bind (*fd, (struct sockaddr *) &in, sizeof in) || listen (*fd, 8) ? -1 : 0);
    getsockname (*fd, (struct sockaddr *) &in, &size);
    snprintf (p->endpoint, sizeof p->endpoint, "tcp://127.0.0.1:%d", ntohs (in.sin_port));
}

static void plain_accept (int *fd)
{
    int peer = accept4 (*fd, NULL, NULL, SOCK_CLOEXEC);
    result (peer < 0 ? -1 : 0);
    if (peer < 0)
        return;
    close (*fd);
    *fd = peer;
}

/* When the other side's end of a connection is heard of here is chance, and so is what this gives. */
static void plain_write (int fd, const void *data, size_t size)
{
    int one = 1;
    /* Or the kernel waits for an acknowledgement of what was written before. Not of AF_UNIX. */
    setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (send (fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        errno = 0;
}

/* ZMTP 3.x (RFC 37): signature, version, mechanism, as-server. */
static void plain_greet (const call_t *c, int fd)
{
    unsigned char greeting[64] = {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3};
    greeting[11] = atoi (word (c, 2));
    strncpy ((char *) greeting + 12, word (c, 3), 20);
    greeting[32] = atoi (word (c, 4));
    plain_write (fd, greeting, sizeof greeting);
}

/* A frame with these flags: 1 more, 2 long, 4 command. */
static void plain_frame (int fd, int flags, const unsigned char *data, int size)
{
    static unsigned char frame[LONGEST + 16];
    int head = 0;
    frame[head++] = flags | (size > 255 ? 2 : 0);
    for (int shift = frame[0] & 2 ? 56 : 0; shift >= 0; shift -= 8)
        frame[head++] = shift > 24 ? 0 : size >> shift;
    memcpy (frame + head, data, size);
    plain_write (fd, frame, head + size);
}

static int put_property (unsigned char *at, const char *name, const unsigned char *value, int size)
{
    int length = strlen (name);
    at[0] = length;
    memcpy (at + 1, name, length);
    memset (at + 1 + length, 0, 3);
    at[4 + length] = size;
    memcpy (at + 5 + length, value, size);
    return 5 + length + size;
}

/* READY with the type and, if there is one, the id. */
static void plain_ready (const call_t *c, int fd)
{
    unsigned char body[600] = "\5READY", id[LINE];
    int size = 6, length = bytes_of (word (c, 3), id);
    size += put_property (body + size, "Socket-Type", (const unsigned char *) word (c, 2), strlen (word (c, 2)));
    if (c->count > 3)
        size += put_property (body + size, "Identity", id, length);
    plain_frame (fd, 4, body, size);
}

/* `patient`: a PING is answered within some milliseconds, whatever the application does. */
static void plain_recv (int fd, int patient)
{
    static unsigned char got[LONGEST];
    int size = 0, n, error;
    struct pollfd ready = {.fd = fd, .events = POLLRDHUP};
    if (patient)
        poll (&ready, 1, 25);
    while ((n = recv (fd, got + size, sizeof got - size, MSG_DONTWAIT)) > 0)
        size += n;
    error = errno;
    /* How much is written before the end of a connection, and whether that is one with unread bytes, is chance. */
    if (n == 0 || error != EAGAIN) {
        say (" = the end");
        return;
    }
    say (" = %d ", size);
    /* Longer ones are the body of a message. */
    for (int i = 0, same; i < size; i += same) {
        for (same = 1; i + same < size && got[i + same] == got[i]; same++)
            ;
        say (is_text (got + i, 1) && got[i] != ' ' && got[i] != '\\' ? "%c" : "\\x%02x", got[i]);
        if (same > 3)
            say ("*%d", same);
        else
            same = 1;
    }
}

static void call_plain (const call_t *c)
{
    const char *name = c->word[0] + 6;
    plain_t *p = &plain_peers[(unsigned) atoi (word (c, 1)) % PLAIN];
    int *fd = &p->fd, size;
    if (!strcmp (name, "connect") || !strcmp (name, "bind")) {
        if (*fd > 0)
            close (*fd);
        p->greeted = p->pinged = 0;
        if (name[0] == 'c')
            plain_connect (c, fd);
        else
            plain_bind (c, fd);
        return;
    }
    if (*fd <= 0)
        return;
    /* Without a greeting a frame is one by chance. */
    if (!p->greeted && (name[0] == 'f' || !strcmp (name, "ready"))) {
        say (" not tried");
        return;
    }
    p->greeted |= name[0] == 'g' || !strcmp (name, "send");
    if (!strcmp (name, "accept"))
        plain_accept (fd);
    else if (!strcmp (name, "greet"))
        plain_greet (c, *fd);
    else if (!strcmp (name, "ready"))
        plain_ready (c, *fd);
    else if (!strcmp (name, "send")) {
        size = bytes_of (word (c, 2), buffer);
        plain_write (*fd, buffer, size);
    } else if (!strcmp (name, "frame")) {
        size = bytes_of (word (c, 3), buffer);
        int pings = buffer[1] == 'P';
        p->pinged |= pings;
        plain_frame (*fd, atoi (word (c, 2)), buffer, size);
        /* Or the script's next message may come before the answer, which is nobody's promise. */
        if (patient || pings)
            usleep (20000);
    } else if (!strcmp (name, "recv"))
        plain_recv (*fd, p->pinged);
    else if (!strcmp (name, "shut"))
        result (shutdown (*fd, SHUT_WR));
    else {
        close (*fd);
        *fd = 0;
    }
}

/* ---- ZAP -------------------------------------------------------------------------------------------------------- */

static struct
{
    pthread_t thread;
    void *socket;
    const char *status;
} zap;

/* Answers as the word after `zap` says; what it was asked stands in `beside`. RFC 27. */
static void *answer_zap (void *arg)
{
    (void) arg;
    for (;;) {
        unsigned char part[256], id[256];
        int more = 1, n = 0, id_size = 0, count = 0;
        size_t size = sizeof more;
        pthread_mutex_lock (&beside.lock);
        for (; more && (n = zmq_recv (zap.socket, part, sizeof part, count ? 0 : ZMQ_DONTWAIT)) >= 0; count++) {
            zmq_getsockopt (zap.socket, ZMQ_RCVMORE, &more, &size);
            if (count == 1)
                memcpy (id, part, id_size = n);
            beside_say (count == 0 ? "  asked:" : count == 1 ? " ..." : "", count == 1 ? NULL : part, n);
        }
        if (count)
            beside_say ("\n", NULL, 0);
        pthread_mutex_unlock (&beside.lock);
        if (n < 0 && errno != EAGAIN)
            break;
        zmq_pollitem_t item = {.socket = zap.socket, .events = ZMQ_POLLIN};
        if (n < 0) {
            if (zmq_poll (&item, 1, -1) < 0)
                break;
            continue;
        }
        if (!strcmp (zap.status, "silent"))
            break;
        int user = !strcmp (zap.status, "user");
        zmq_send (zap.socket, "1.0", 3, ZMQ_SNDMORE);
        zmq_send (zap.socket, id, id_size, ZMQ_SNDMORE);
        zmq_send (zap.socket, user ? "200" : zap.status, 3, ZMQ_SNDMORE);
        zmq_send (zap.socket, "text", 4, ZMQ_SNDMORE);
        zmq_send (zap.socket, "someone", user ? 7 : 0, ZMQ_SNDMORE);
        zmq_send (zap.socket, "\5Hello\0\0\0\5World", user ? 15 : 0, 0);
    }
    zmq_close (zap.socket);
    return NULL;
}

static void call_zap (const call_t *c)
{
    static char status[20];
    if (zap_runs || !contexts[context_at (c, 1)])
        return;
    int zero = 0;
    snprintf (status, sizeof status, "%s", word (c, 2));
    zap.status = status;
    zap.socket = zmq_socket (contexts[context_at (c, 1)], ZMQ_REP);
    if (!zap.socket) {
        result (-1);
        return;
    }
    zmq_setsockopt (zap.socket, ZMQ_LINGER, &zero, sizeof zero);
    result (zmq_bind (zap.socket, "inproc://zeromq.zap.01"));
    zap_runs = pthread_create (&zap.thread, NULL, answer_zap, NULL) == 0;
}

/* ---- proxies ---------------------------------------------------------------------------------------------------- */

static struct
{
    pthread_t thread;
    slot_t *slot[3];
    void *end[3], *steered, *steers;
    int running, rc, error;
} proxy;

static void *run_proxy (void *arg)
{
    (void) arg;
    proxy.rc = zmq_proxy_steerable (proxy.end[0], proxy.end[1], proxy.end[2], proxy.steered);
    proxy.error = errno;
    return NULL;
}

/* `proxy S S [S]`: the sockets are the proxy's until it ends. */
static void call_proxy (const call_t *c)
{
    int count = c->count - 1 > 3 ? 3 : c->count - 1;
    if (proxy.running || count < 2)
        return;
    for (int i = 0; i < 3; i++) {
        proxy.slot[i] = i < count ? &slots[(unsigned) atoi (word (c, i + 1)) % SOCKETS] : NULL;
        proxy.end[i] = i < count ? proxy.slot[i]->socket : NULL;
        if (i < count && (!proxy.end[i] || stopped[proxy.slot[i]->context]))
            return;
    }
    void *context = contexts[proxy.slot[0]->context];
    proxy.steered = zmq_socket (context, ZMQ_PAIR);
    proxy.steers = zmq_socket (context, ZMQ_PAIR);
    if (!proxy.steered || !proxy.steers || zmq_bind (proxy.steered, "inproc://steered")
        || zmq_connect (proxy.steers, "inproc://steered"))
        return;
    for (int i = 0; i < count; i++) {
        proxy.slot[i]->socket = NULL;
        proxy.slot[i]->away = 1;
    }
    proxy.running = pthread_create (&proxy.thread, NULL, run_proxy, NULL) == 0;
}

static void end_proxy (void)
{
    int zero = 0;
    pthread_join (proxy.thread, NULL);
    errno = proxy.error;
    say (" proxy");
    result (proxy.rc);
    for (int i = 0; i < 3; i++)
        if (proxy.slot[i]) {
            int events;
            size_t size = sizeof events;
            /* libzmq's sockets learn of the end of their context with the first look. */
            if (proxy.rc == -1)
                zmq_getsockopt (proxy.end[i], ZMQ_EVENTS, &events, &size);
            proxy.slot[i]->socket = proxy.end[i];
            proxy.slot[i]->away = 0;
        }
    zmq_setsockopt (proxy.steers, ZMQ_LINGER, &zero, sizeof zero);
    zmq_close (proxy.steers);
    zmq_close (proxy.steered);
    proxy.running = 0;
}

/* PAUSE, RESUME, STATISTICS, TERMINATE. */
static void call_steer (const call_t *c)
{
    if (!proxy.running)
        return;
    const char *command = word (c, 1);
    result (zmq_send (proxy.steers, command, strlen (command), ZMQ_DONTWAIT));
    if (!strcmp (command, "TERMINATE") || stopped[proxy.slot[0]->context]) {
        end_proxy ();
        return;
    }
    settle ();
    uint64_t number;
    for (int i = 0; zmq_recv (proxy.steers, &number, sizeof number, ZMQ_DONTWAIT) == sizeof number; i++)
        say (i == 0 ? " = %llu" : " %llu", (unsigned long long) number);
}

/* A bind that others wait for, and the time until they have come. */
static void call_late_bind (const call_t *c)
{
    call_endpoint (c);
    usleep (100000);
}

/* What the script leaves of all this. */
static void end_beside (void)
{
    if (proxy.running) {
        int context = proxy.slot[0]->context;
        /* libzmq has the order captured, too. */
        if (!stopped[context] && !proxy.slot[2])
            zmq_send (proxy.steers, "TERMINATE", 9, ZMQ_DONTWAIT);
        else
            zmq_ctx_shutdown (contexts[context]);
        end_proxy ();
        int events[SOCKETS];
        look_at_events (events);
        stopped[context] |= proxy.rc == -1;
        say ("\n");
    }
    for (int i = 0; i < PLAIN; i++)
        if (plain_peers[i].fd > 0) {
            say ("plain %d", i);
            plain_recv (plain_peers[i].fd, plain_peers[i].pinged);
            say ("\n");
            close (plain_peers[i].fd);
            plain_peers[i].fd = 0;
            settle ();
            say_events ();
        }
}

static void join_zap (void)
{
    if (zap_runs)
        pthread_join (zap.thread, NULL);
}

#endif
