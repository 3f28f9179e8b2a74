/* What the draft socket types say and hear on the wire, where a libzmq built with them (4.3.6) does the same. */
#define ZMQ_BUILD_DRAFT_API
#include "draft.h"

/* RFC 48: JOIN and LEAVE are commands, a message is its group and its body. */
GROUP (radio_on_the_wire)
{
    void *ctx = ctx_new (), *radio = sock (ctx, ZMQ_RADIO);
    char ep[EP_SIZE];
    bind_any (radio, "tcp", ep);
    int fd = raw_peer (ep, "DISH");
    /* Messages mean nothing, nor does the command of a SUB. */
    WRITE (fd, "\0\2\1A" "\4\x0b\x09SUBSCRIBEA" "\1\1x\0\1y" "\4\x06\4JOINB");
    EVENTUALLY (send_as (radio, "?", 0, "B", 0) == 1 && poll (&(struct pollfd){fd, POLLIN, 0}, 1, 1) == 1, 5000);
    READ (fd, "\1\1B\0\1?");
    IS (send_as (radio, "a", 0, "A", 0), 1);
    IS (send_as (radio, "", 0, "B", 0), 0);
    READ (fd, "\1\1B\0\0");
    WRITE (fd, "\4\x05\4JOIN" "\4\x07\5LEAVEB" "\4\x06\4JOINC");
    EVENTUALLY (send_as (radio, "?", 0, "C", 0) == 1 && poll (&(struct pollfd){fd, POLLIN, 0}, 1, 1) == 1, 5000);
    READ (fd, "\1\1C\0\1?");
    IS (send_as (radio, "b", 0, "B", 0), 1);
    SEND (radio, "none", 0);
    READ (fd, "\1\0\0\4none");
    close (fd);
    OK (zmq_close (radio));
    OK (zmq_ctx_term (ctx));
}

GROUP (dish_on_the_wire)
{
    void *ctx = ctx_new (), *dish = sock (ctx, ZMQ_DISH);
    char ep[EP_SIZE];
    OK (zmq_join (dish, "A"));
    bind_any (dish, "tcp", ep);
    int fd = raw_peer (ep, "RADIO");
    /* libzmq's DISH sees its peer in a call. */
    EVENTUALLY (!readable (dish, 0) && poll (&(struct pollfd){fd, POLLIN, 0}, 1, 1) == 1, 5000);
    READ (fd, "\4\x06\4JOINA");
    OK (zmq_join (dish, "Movies"));
    OK (zmq_leave (dish, "A"));
    READ (fd, "\4\x0b\4JOINMovies" "\4\x07\5LEAVEA");
    WRITE (fd, "\1\1A\0\1x" "\1\6Movies\0\1y" "\1\6movies\0\1z");
    IS (recv_as (dish, "y", "Movies"), 0);
    RECV_NONE (dish, 20);
    close (fd);
    OK (zmq_close (dish));
    OK (zmq_ctx_term (ctx));
}

/* What a peer sends in parts is not delivered. */
GROUP (parts_are_dropped)
{
    static const struct { int type; const char *peer; } cases[] = {
      {ZMQ_SERVER, "CLIENT"}, {ZMQ_CLIENT, "SERVER"}, {ZMQ_GATHER, "SCATTER"}, {ZMQ_PEER, "PEER"}, {ZMQ_CHANNEL, "CHANNEL"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        void *ctx = ctx_new (), *s = sock (ctx, cases[i].type);
        char ep[EP_SIZE];
        bind_any (s, "tcp", ep);
        int fd = raw_peer (ep, cases[i].peer);
        WRITE (fd, "\1\1a\0\1b" "\0\3one" "\1\1a\1\1b\0\1c" "\1\1a\0\0" "\0\3two");
        RECV (s, "one");
        (void) recv_as (s, "two", "");
        close (fd);
        OK (zmq_close (s));
        OK (zmq_ctx_term (ctx));
    }
}

/* Who does not belong here is sent away in the handshake. */
GROUP (others_are_refused)
{
    static const struct { int type; const char *peer; } cases[] = {
      {ZMQ_SERVER, "DEALER"}, {ZMQ_SERVER, "SERVER"}, {ZMQ_CLIENT, "ROUTER"}, {ZMQ_RADIO, "SUB"}, {ZMQ_DISH, "PUB"},
      {ZMQ_GATHER, "PUSH"}, {ZMQ_SCATTER, "PULL"}, {ZMQ_PEER, "SERVER"}, {ZMQ_CHANNEL, "PAIR"}, {ZMQ_PAIR, "CHANNEL"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        void *ctx = ctx_new (), *s = sock (ctx, cases[i].type);
        char ep[EP_SIZE];
        bind_any (s, "tcp", ep);
        int fd = raw_hello (ep, cases[i].peer);
        CHECK (raw_closed (fd, 5000));
        close (fd);
        OK (zmq_close (s));
        OK (zmq_ctx_term (ctx));
    }
}

MAIN (ENTRY (radio_on_the_wire), ENTRY (dish_on_the_wire), ENTRY (parts_are_dropped), ENTRY (others_are_refused))
