/* What the examples share: endpoints as "@tcp://..." (bind) or ">tcp://..." (connect), and strings as messages. */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

static inline void check (int ok, const char *what)
{
    if (!ok) {
        fprintf (stderr, "%s: %s\n", what, zmq_strerror (zmq_errno ()));
        exit (1);
    }
}

static inline void join (void *s, const char *endpoint)
{
    check ((*endpoint == '@' ? zmq_bind (s, endpoint + 1) : zmq_connect (s, endpoint + 1)) == 0, endpoint);
}

static inline void *open_socket (void *context, int type, const char *endpoint)
{
    void *s = zmq_socket (context, type);
    check (s != NULL, "zmq_socket");
    join (s, endpoint);
    return s;
}

/* The same, and waits until this many peers are there: a socket that distributes counts on those it has, and the first
 * worker to come would get everything. ZMQ_EVENTS makes the socket look at its new peers. */
static inline void *open_for_peers (void *context, int type, const char *endpoint, int peers)
{
    void *s = zmq_socket (context, type), *monitor = zmq_socket (context, ZMQ_PAIR);
    int events;
    size_t size = sizeof events;
    check (s != NULL && monitor != NULL, "zmq_socket");
    check (zmq_socket_monitor (s, "inproc://peers", ZMQ_EVENT_HANDSHAKE_SUCCEEDED) == 0, "zmq_socket_monitor");
    check (zmq_connect (monitor, "inproc://peers") == 0, "inproc://peers");
    join (s, endpoint);
    while (peers-- > 0) /* each event is two frames: what happened, and where */
        check (zmq_recv (monitor, NULL, 0, 0) >= 0 && zmq_recv (monitor, NULL, 0, 0) >= 0, "zmq_recv");
    check (zmq_socket_monitor (s, NULL, 0) == 0, "zmq_socket_monitor");
    zmq_close (monitor);
    check (zmq_getsockopt (s, ZMQ_EVENTS, &events, &size) == 0, "ZMQ_EVENTS");
    return s;
}

static inline void send_string (void *s, const char *text)
{
    check (zmq_send (s, text, strlen (text), 0) >= 0, "zmq_send");
}

static inline void receive_string (void *s, char *text, size_t room)
{
    int n = zmq_recv (s, text, room - 1, 0);
    check (n >= 0 && (size_t) n < room, "zmq_recv");
    text[n] = 0;
}

static inline void usage (int argc, int wanted, const char *text)
{
    setvbuf (stdout, NULL, _IOLBF, 0);
    if (argc != wanted) {
        fprintf (stderr, "usage: %s\n", text);
        exit (2);
    }
}

#endif
