/* STREAM: peers that do not speak ZMTP. zmq_socket(3), "Native Pattern". */
#include "common.h"

GROUP (stream_server)
{
    void *ctx = ctx_new (), *stream = sock (ctx, ZMQ_STREAM);
    char ep[EP_SIZE], id[300], id2[300], buf[300];
    bind_any (stream, "tcp", ep);
    int fd = raw_connect (ep);
    int n = zmq_recv (stream, id, sizeof id, 0);
    IS (n, 5);
    IS (RCVMORE (stream), 1);
    RECV (stream, "");
    IS (RCVMORE (stream), 0);
    CHECK (raw_write (fd, "GET", 3));
    IS (zmq_recv (stream, id2, sizeof id2, 0), n);
    CHECK (!memcmp (id, id2, (size_t) n));
    RECV (stream, "GET");
    IS (RCVMORE (stream), 0);
    IS (zmq_send (stream, id, n, ZMQ_SNDMORE), n);
    SEND (stream, "answer", 0);
    CHECK (raw_read (fd, buf, 6));
    CHECK (!memcmp (buf, "answer", 6));
    /* An empty frame closes the connection. */
    IS (zmq_send (stream, id, n, ZMQ_SNDMORE), n);
    SEND (stream, "", 0);
    /* libzmq does so no earlier than with the next call on the socket. */
    for (int i = 0; i < 250 && !raw_closed (fd, 20); i++)
        get_int (stream, ZMQ_EVENTS);
    CHECK (raw_closed (fd, 0) || recv (fd, buf, 1, MSG_DONTWAIT) == 0);
    close (fd);
    /* Unknown ids are an error. */
    FAILS (zmq_send (stream, "12345", 5, ZMQ_SNDMORE), EHOSTUNREACH);
    OK (zmq_close (stream));
    OK (zmq_ctx_term (ctx));
}

GROUP (stream_peer_hangs_up)
{
    void *ctx = ctx_new (), *stream = sock (ctx, ZMQ_STREAM);
    char ep[EP_SIZE], id[300];
    bind_any (stream, "tcp", ep);
    int fd = raw_connect (ep);
    IS (zmq_recv (stream, id, sizeof id, 0), 5);
    RECV (stream, "");
    close (fd);
    IS (zmq_recv (stream, id, sizeof id, 0), 5);
    RECV (stream, "");
    RECV_NONE (stream, 20);
    OK (zmq_close (stream));
    OK (zmq_ctx_term (ctx));
}

GROUP (stream_without_notify)
{
    void *ctx = ctx_new (), *stream = sock (ctx, ZMQ_STREAM);
    char ep[EP_SIZE], id[300];
    set_int (stream, ZMQ_STREAM_NOTIFY, 0);
    bind_any (stream, "tcp", ep);
    int fd = raw_connect (ep);
    RECV_NONE (stream, 50);
    CHECK (raw_write (fd, "x", 1));
    IS (zmq_recv (stream, id, sizeof id, 0), 5);
    RECV (stream, "x");
    close (fd);
    RECV_NONE (stream, 50);
    OK (zmq_close (stream));
    OK (zmq_ctx_term (ctx));
}

GROUP (stream_client)
{
    void *ctx = ctx_new (), *server = sock (ctx, ZMQ_STREAM), *client = sock (ctx, ZMQ_STREAM);
    char ep[EP_SIZE], cid[300], sid[300];
    size_t size = sizeof cid;
    bind_any (server, "tcp", ep);
    OK (zmq_connect (client, ep));
    OK (zmq_getsockopt (client, ZMQ_ROUTING_ID, cid, &size));
    IS (zmq_recv (client, cid, sizeof cid, 0), 5);
    RECV (client, "");
    IS (zmq_recv (server, sid, sizeof sid, 0), 5);
    RECV (server, "");
    IS (zmq_send (client, cid, 5, ZMQ_SNDMORE), 5);
    SEND (client, "ping", 0);
    IS (zmq_recv (server, sid, sizeof sid, 0), 5);
    RECV (server, "ping");
    IS (zmq_send (server, sid, 5, ZMQ_SNDMORE), 5);
    SEND (server, "pong", 0);
    IS (zmq_recv (client, cid, sizeof cid, 0), 5);
    RECV (client, "pong");
    OK (zmq_close (client));
    OK (zmq_close (server));
    OK (zmq_ctx_term (ctx));
}

MAIN (ENTRY (stream_server), ENTRY (stream_peer_hangs_up), ENTRY (stream_without_notify), ENTRY (stream_client))
