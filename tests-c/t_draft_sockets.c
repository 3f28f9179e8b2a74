/*
 * The socket types of the draft API, where a libzmq built with it (4.3.6) does the same: zmq_socket(3), RFC 41 (SERVER,
 * CLIENT), 48 (RADIO, DISH), 49 (SCATTER, GATHER), 51 (PEER), 52 (CHANNEL). run.sh PREFIX LIBDIR compares with such a one.
 */
#define ZMQ_BUILD_DRAFT_API
#include "draft.h"

GROUP (facts)
{
    static const struct { int type, linger, thread_safe, events; } all[] = {
      {ZMQ_SERVER, -1, 1, ZMQ_POLLOUT}, {ZMQ_CLIENT, -1, 1, 0}, {ZMQ_RADIO, -1, 1, ZMQ_POLLOUT}, {ZMQ_DISH, 0, 1, ZMQ_POLLOUT},
      {ZMQ_GATHER, -1, 1, 0}, {ZMQ_SCATTER, -1, 1, 0}, {ZMQ_DGRAM, -1, 0, 0}, {ZMQ_PEER, -1, 1, ZMQ_POLLOUT},
      {ZMQ_CHANNEL, -1, 1, 0}};
    void *ctx = ctx_new ();
    IS (zmq_has ("draft"), 1);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        void *s = zmq_socket (ctx, all[i].type);
        CHECK (s != NULL);
        IS (get_int (s, ZMQ_TYPE), all[i].type);
        IS (get_int (s, ZMQ_LINGER), all[i].linger);
        IS (get_int (s, ZMQ_THREAD_SAFE), all[i].thread_safe);
        IS (get_int (s, ZMQ_EVENTS), all[i].events);
        IS (RCVMORE (s), 0);
        OK (zmq_close (s));
    }
    IS (zmq_socket (ctx, 21), 0);
    IS (errno, EINVAL);
    OK (zmq_ctx_term (ctx));
}

GROUP (routing_ids_of_messages)
{
    zmq_msg_t msg, copy;
    OK (zmq_msg_init_size (&msg, 3));
    OK (zmq_msg_init (&copy));
    IS (zmq_msg_routing_id (&msg), 0);
    FAILS (zmq_msg_set_routing_id (&msg, 0), EINVAL);
    OK (zmq_msg_set_routing_id (&msg, 0xfedcba98));
    OK (zmq_msg_copy (&copy, &msg));
    IS (zmq_msg_routing_id (&copy), 0xfedcba98);
    OK (zmq_msg_close (&copy));
    OK (zmq_msg_init (&copy));
    OK (zmq_msg_move (&copy, &msg));
    IS (zmq_msg_routing_id (&copy), 0xfedcba98);
    IS (zmq_msg_routing_id (&msg), 0);
    OK (zmq_msg_close (&copy));
    OK (zmq_msg_close (&msg));
}

GROUP (groups_of_messages)
{
    static const size_t lengths[] = {1, 14, 15, 16, 40, 254, 255};
    static const size_t sizes[] = {0, 20, 40, 41, 3000};
    char name[300];
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            zmq_msg_t msg, copy;
            OK (zmq_msg_init_size (&msg, sizes[k]));
            memset (zmq_msg_data (&msg), 'b', sizes[k]);
            CHECK (!strcmp (zmq_msg_group (&msg), ""));
            memset (name, 'n', lengths[i]);
            name[lengths[i]] = 0;
            OK (zmq_msg_set_group (&msg, name));
            CHECK (!strcmp (zmq_msg_group (&msg), name));
            OK (zmq_msg_init (&copy));
            OK (zmq_msg_copy (&copy, &msg));
            /* (libzmq changes no long name.) */
            if (lengths[i] <= 14)
                OK (zmq_msg_set_group (&msg, "another group"));
            CHECK (!strcmp (zmq_msg_group (&copy), name));
            CHECK (lengths[i] > 14 || !strcmp (zmq_msg_group (&msg), "another group"));
            OK (zmq_msg_move (&msg, &copy));
            CHECK (!strcmp (zmq_msg_group (&msg), name));
            IS (zmq_msg_size (&msg), sizes[k]);
            CHECK (sizes[k] == 0 || ((char *) zmq_msg_data (&msg))[sizes[k] - 1] == 'b');
            OK (zmq_msg_close (&msg));
            OK (zmq_msg_close (&copy));
        }
    /* Of a longer name the first 255 bytes count. */
    zmq_msg_t msg;
    OK (zmq_msg_init (&msg));
    memset (name, 'n', 256);
    name[256] = 0;
    OK (zmq_msg_set_group (&msg, name));
    IS (strlen (zmq_msg_group (&msg)), 255);
    OK (zmq_msg_close (&msg));
}

GROUP (who_has_groups_and_numbers)
{
    static const int others[] = {ZMQ_PAIR, ZMQ_SUB, ZMQ_ROUTER, ZMQ_CLIENT, ZMQ_RADIO, ZMQ_GATHER, ZMQ_CHANNEL};
    void *ctx = ctx_new (), *dish = sock (ctx, ZMQ_DISH);
    char name[300] = "";
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        void *s = sock (ctx, others[i]);
        FAILS (zmq_join (s, "A"), ENOTSUP);
        FAILS (zmq_leave (s, "A"), ENOTSUP);
        FAILS (zmq_disconnect_peer (s, 1), ENOTSUP);
        errno = 0;
        IS (zmq_connect_peer (s, "inproc://nobody"), 0);
        IS (errno, ENOTSUP);
        OK (zmq_close (s));
    }
    FAILS (zmq_leave (dish, "A"), EINVAL);
    OK (zmq_join (dish, "A"));
    FAILS (zmq_join (dish, "A"), EINVAL);
    OK (zmq_leave (dish, "A"));
    FAILS (zmq_leave (dish, "A"), EINVAL);
    OK (zmq_join (dish, ""));
    memset (name, 'n', 256);
    FAILS (zmq_join (dish, name), EINVAL);
    FAILS (zmq_leave (dish, name), EINVAL);
    name[255] = 0;
    OK (zmq_join (dish, name));
    OK (zmq_leave (dish, name));
    FAILS (zmq_join (ctx, "A"), ENOTSOCK);
    OK (zmq_close (dish));
    OK (zmq_ctx_term (ctx));
}

GROUP (one_part_only)
{
    static const int pairs[][2] = {{ZMQ_SERVER, ZMQ_CLIENT}, {ZMQ_CLIENT, ZMQ_SERVER}, {ZMQ_RADIO, ZMQ_DISH},
                                   {ZMQ_SCATTER, ZMQ_GATHER}, {ZMQ_PEER, ZMQ_PEER}, {ZMQ_CHANNEL, ZMQ_CHANNEL}};
    void *ctx = ctx_new ();
    char ep[EP_SIZE];
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        void *s, *peer;
        couple (ctx, pairs[i][0], pairs[i][1], "inproc", &s, &peer, ep);
        FAILS (zmq_send (s, "part", 4, ZMQ_SNDMORE), EINVAL);
        FAILS (zmq_send_const (s, "part", 4, ZMQ_SNDMORE | ZMQ_DONTWAIT), EINVAL);
        FAILS (send_as (s, "part", 0, NULL, ZMQ_SNDMORE), EINVAL);
        OK (zmq_close (s));
        OK (zmq_close (peer));
    }
    void *dish = sock (ctx, ZMQ_DISH), *gather = sock (ctx, ZMQ_GATHER);
    FAILS (zmq_send (dish, "x", 1, 0), ENOTSUP);
    FAILS (zmq_send (gather, "x", 1, 0), ENOTSUP);
    FAILS (zmq_send (gather, "x", 1, ZMQ_SNDMORE), ENOTSUP);
    void *radio = sock (ctx, ZMQ_RADIO), *scatter = sock (ctx, ZMQ_SCATTER);
    FAILS (zmq_recv (radio, ep, 1, 0), ENOTSUP);
    FAILS (zmq_recv (scatter, ep, 1, 0), ENOTSUP);
    OK (zmq_close (dish));
    OK (zmq_close (gather));
    OK (zmq_close (radio));
    OK (zmq_close (scatter));
    OK (zmq_ctx_term (ctx));
}

GROUP (client_server)
{
    EACH_TRANSPORT {
        void *ctx = ctx_new (), *server, *one, *two = sock (ctx, ZMQ_CLIENT);
        char ep[EP_SIZE], body[5000];
        couple (ctx, ZMQ_SERVER, ZMQ_CLIENT, TRANSPORT, &server, &one, ep);
        OK (zmq_connect (two, ep));
        FAILS (send_as (server, "x", 0, NULL, 0), EHOSTUNREACH);
        FAILS (send_as (server, "x", 12345, NULL, 0), EHOSTUNREACH);
        FAILS (zmq_send (server, "x", 1, 0), EHOSTUNREACH);
        SEND (one, "from one", 0);
        uint32_t first = recv_as (server, "from one", "");
        SEND (two, "from two", 0);
        uint32_t second = recv_as (server, "from two", "");
        CHECK (first && second && first != second);
        IS (send_as (server, "to two", second, NULL, 0), 6);
        IS (send_as (server, "to one", first, NULL, 0), 6);
        IS (recv_as (one, "to one", ""), 0);
        IS (recv_as (two, "to two", ""), 0);
        /* What came can be sent back as it is. */
        memset (body, 'l', sizeof body - 1);
        body[sizeof body - 1] = 0;
        SEND (one, body, 0);
        zmq_msg_t msg;
        OK (zmq_msg_init (&msg));
        IS (zmq_msg_recv (&msg, server, 0), strlen (body));
        IS (zmq_msg_routing_id (&msg), first);
        IS (zmq_msg_send (&msg, server, 0), strlen (body));
        IS (recv_as (one, body, ""), 0);
        /* Who is gone is not reached, as soon as the server has seen that. */
        OK (zmq_close (one));
        EVENTUALLY (!readable (server, 0) && send_as (server, "x", first, NULL, ZMQ_DONTWAIT) == -1 && errno == EHOSTUNREACH, 5000);
        IS (send_as (server, "to two", second, NULL, 0), 6);
        RECV (two, "to two");
        OK (zmq_close (server));
        OK (zmq_close (two));
        OK (zmq_ctx_term (ctx));
    }
}

/* A SERVER waits for the peer that is full, and serves others meanwhile. */
GROUP (server_waits)
{
    void *ctx = ctx_new (), *server, *one, *two = sock (ctx, ZMQ_CLIENT);
    char ep[EP_SIZE];
    server = sock (ctx, ZMQ_SERVER);
    one = sock (ctx, ZMQ_CLIENT);
    set_int (server, ZMQ_SNDHWM, 2);
    set_int (one, ZMQ_RCVHWM, 2);
    bind_any (server, "inproc", ep);
    OK (zmq_connect (one, ep));
    OK (zmq_connect (two, ep));
    SEND (one, "1", 0);
    uint32_t first = recv_as (server, "1", "");
    SEND (two, "2", 0);
    uint32_t second = recv_as (server, "2", "");
    for (int i = 0; i < 4; i++)
        IS (send_as (server, "x", first, NULL, ZMQ_DONTWAIT), 1);
    FAILS (send_as (server, "y", first, NULL, ZMQ_DONTWAIT), EAGAIN);
    set_int (server, ZMQ_SNDTIMEO, 20);
    FAILS (send_as (server, "y", first, NULL, 0), EAGAIN);
    CHECK (writable (server, 0));
    IS (send_as (server, "z", second, NULL, ZMQ_DONTWAIT), 1);
    RECV (two, "z");
    for (int i = 0; i < 4; i++)
        RECV (one, "x");
    set_int (server, ZMQ_SNDTIMEO, 5000);
    IS (send_as (server, "y", first, NULL, 0), 1);
    RECV (one, "y");
    OK (zmq_close (server));
    OK (zmq_close (one));
    OK (zmq_close (two));
    OK (zmq_ctx_term (ctx));
}

GROUP (radio_dish)
{
    EACH_TRANSPORT for (int dish_binds = 0; dish_binds < 2; dish_binds++) {
        void *ctx = ctx_new (), *radio, *dish;
        char ep[EP_SIZE], longest[256];
        memset (longest, 'g', 255);
        longest[255] = 0;
        couple (ctx, dish_binds ? ZMQ_DISH : ZMQ_RADIO, dish_binds ? ZMQ_RADIO : ZMQ_DISH, TRANSPORT,
                dish_binds ? &dish : &radio, dish_binds ? &radio : &dish, ep);
        IS (send_as (radio, "nobody", 0, "A", 0), 6);
        OK (zmq_join (dish, "A"));
        OK (zmq_join (dish, longest));
        settle (radio, dish, longest, 1);
        IS (send_as (radio, "1", 0, "AB", 0), 1);
        IS (send_as (radio, "2", 0, "A", 0), 1);
        IS (send_as (radio, "3", 0, NULL, 0), 1);
        IS (send_as (radio, "", 0, "A", 0), 0);
        IS (send_as (radio, "4", 0, longest, 0), 1);
        IS (recv_as (dish, "2", "A"), 0);
        IS (recv_as (dish, "", "A"), 0);
        IS (recv_as (dish, "4", longest), 0);
        OK (zmq_leave (dish, "A"));
        settle (radio, dish, "A", 0);
        IS (send_as (radio, "5", 0, "A", 0), 1);
        IS (send_as (radio, "6", 0, longest, 0), 1);
        RECV (dish, "6");
        /* Without a group it is in that without a name. */
        OK (zmq_join (dish, ""));
        settle (radio, dish, "", 1);
        SEND (radio, "7", 0);
        IS (recv_as (dish, "7", ""), 0);
        FAILS (zmq_recv (dish, ep, 1, ZMQ_DONTWAIT), EAGAIN);
        OK (zmq_close (radio));
        OK (zmq_close (dish));
        OK (zmq_ctx_term (ctx));
    }
}

/* A long body, and what came on to another radio. */
GROUP (radio_passes_on)
{
    void *ctx = ctx_new (), *radio, *dish, *next, *last;
    char ep[EP_SIZE];
    couple (ctx, ZMQ_RADIO, ZMQ_DISH, "tcp", &radio, &dish, ep);
    couple (ctx, ZMQ_RADIO, ZMQ_DISH, "tcp", &next, &last, ep);
    OK (zmq_join (dish, "A"));
    OK (zmq_join (last, "A"));
    settle (radio, dish, "A", 1);
    settle (next, last, "A", 1);
    for (size_t size = 0; size < 200000; size = size * 3 + 1) {
        zmq_msg_t msg;
        OK (zmq_msg_init_size (&msg, size));
        memset (zmq_msg_data (&msg), 'x', size);
        OK (zmq_msg_set_group (&msg, "A"));
        IS (zmq_msg_send (&msg, radio, 0), size);
        OK (zmq_msg_init (&msg));
        IS (zmq_msg_recv (&msg, dish, 0), size);
        CHECK (zmq_msg_gets (&msg, "Socket-Type") && !strcmp (zmq_msg_gets (&msg, "Socket-Type"), "RADIO"));
        IS (zmq_msg_send (&msg, next, 0), size);
        OK (zmq_msg_init (&msg));
        IS (zmq_msg_recv (&msg, last, 0), size);
        CHECK (!strcmp (zmq_msg_group (&msg), "A"));
        CHECK (size == 0 || ((char *) zmq_msg_data (&msg))[size - 1] == 'x');
        OK (zmq_msg_close (&msg));
    }
    OK (zmq_close (radio));
    OK (zmq_close (dish));
    OK (zmq_close (next));
    OK (zmq_close (last));
    OK (zmq_ctx_term (ctx));
}

/* Who is full misses it, unless ZMQ_XPUB_NODROP. */
GROUP (radio_drops)
{
    void *ctx = ctx_new (), *radio = sock (ctx, ZMQ_RADIO), *dish = sock (ctx, ZMQ_DISH);
    char ep[EP_SIZE];
    set_int (radio, ZMQ_SNDHWM, 2);
    set_int (dish, ZMQ_RCVHWM, 2);
    bind_any (radio, "inproc", ep);
    OK (zmq_connect (dish, ep));
    OK (zmq_join (dish, "A"));
    int got = 0;
    for (int i = 0; i < 20; i++)
        IS (send_as (radio, "x", 0, "A", 0), 1);
    for (; readable (dish, 0); got++)
        RECV (dish, "x");
    IS (got, 4);
    OK (zmq_close (radio));
    OK (zmq_close (dish));
    OK (zmq_ctx_term (ctx));
}

GROUP (radio_waits)
{
    void *ctx = ctx_new (), *radio = sock (ctx, ZMQ_RADIO), *dish = sock (ctx, ZMQ_DISH);
    char ep[EP_SIZE];
    set_int (radio, ZMQ_SNDHWM, 2);
    set_int (dish, ZMQ_RCVHWM, 2);
    set_int (radio, ZMQ_XPUB_NODROP, 1);
    bind_any (radio, "inproc", ep);
    OK (zmq_connect (dish, ep));
    OK (zmq_join (dish, "A"));
    for (int i = 0; i < 4; i++)
        IS (send_as (radio, "y", 0, "A", ZMQ_DONTWAIT), 1);
    FAILS (send_as (radio, "z", 0, "A", ZMQ_DONTWAIT), EAGAIN);
    IS (send_as (radio, "z", 0, "B", ZMQ_DONTWAIT), 1);
    for (int i = 0; i < 4; i++)
        RECV (dish, "y");
    IS (send_as (radio, "z", 0, "A", 0), 1);
    RECV (dish, "z");
    OK (zmq_close (radio));
    OK (zmq_close (dish));
    OK (zmq_ctx_term (ctx));
}

/* A radio that comes back hears again of what is joined. */
GROUP (radio_comes_back)
{
    void *ctx = ctx_new (), *radio, *dish = sock (ctx, ZMQ_DISH);
    char ep[EP_SIZE];
    free_tcp (ep);
    set_int (dish, ZMQ_RECONNECT_IVL, 10);
    OK (zmq_join (dish, "A"));
    OK (zmq_join (dish, "B"));
    OK (zmq_leave (dish, "A"));
    OK (zmq_connect (dish, ep));
    for (int i = 0; i < 2; i++) {
        radio = sock (ctx, ZMQ_RADIO);
        EVENTUALLY (zmq_bind (radio, ep) == 0, 5000);
        settle (radio, dish, "B", 1);
        IS (send_as (radio, "1", 0, "A", 0), 1);
        IS (send_as (radio, "2", 0, "B", 0), 1);
        IS (recv_as (dish, "2", "B"), 0);
        OK (zmq_close (radio));
    }
    OK (zmq_close (dish));
    OK (zmq_ctx_term (ctx));
}

GROUP (scatter_gather)
{
    EACH_TRANSPORT {
        void *ctx = ctx_new (), *scatter, *one, *two = sock (ctx, ZMQ_GATHER), *other = sock (ctx, ZMQ_SCATTER);
        char ep[EP_SIZE], second[EP_SIZE];
        couple (ctx, ZMQ_GATHER, ZMQ_SCATTER, TRANSPORT, &one, &scatter, ep);
        bind_any (two, TRANSPORT, second);
        OK (zmq_connect (scatter, second));
        OK (zmq_connect (other, ep));
        for (int i = 0; i < 3; i++) {
            SEND (scatter, "a", 0);
            SEND (scatter, "b", 0);
        }
        for (int i = 0; i < 3; i++) {
            RECV (one, "a");
            RECV (two, "b");
        }
        SEND (other, "c", 0);
        RECV (one, "c");
        FAILS (zmq_recv (one, ep, 1, ZMQ_DONTWAIT), EAGAIN);
        OK (zmq_close (scatter));
        OK (zmq_close (other));
        OK (zmq_close (one));
        OK (zmq_close (two));
        OK (zmq_ctx_term (ctx));
    }
}

GROUP (peers)
{
    EACH_TRANSPORT {
        void *ctx = ctx_new (), *here = sock (ctx, ZMQ_PEER), *there = sock (ctx, ZMQ_PEER);
        char ep[EP_SIZE];
        bind_any (there, TRANSPORT, ep);
        uint32_t to = zmq_connect_peer (here, ep), again = zmq_connect_peer (here, ep);
        CHECK (to && again && to != again);
        IS (send_as (here, "hello", to, NULL, 0), 5);
        uint32_t back = recv_as (there, "hello", "");
        CHECK (back != 0);
        IS (send_as (there, "answer", back, NULL, 0), 6);
        IS (recv_as (here, "answer", ""), to);
        IS (send_as (here, "again", again, NULL, 0), 5);
        CHECK (recv_as (there, "again", "") != back);
        /* The one is gone, the other not. */
        OK (zmq_disconnect_peer (at_ % 2 ? there : here, at_ % 2 ? back : to));
        /* (In libzmq it may seem to be full for long: EAGAIN.) */
        IS (send_as (at_ % 2 ? there : here, "x", at_ % 2 ? back : to, NULL, ZMQ_DONTWAIT), -1);
        IS (send_as (here, "still", again, NULL, 0), 5);
        CHECK (recv_as (there, "still", "") != 0);
        OK (zmq_close (here));
        OK (zmq_close (there));
        OK (zmq_ctx_term (ctx));
    }
}

/* zmq_connect_peer(3), "Errors". */
GROUP (connect_peer_fails)
{
    static const struct { const char *ep; int error; } cases[] = {
      {"udp://127.0.0.1:5", ENOCOMPATPROTO}, {"foo://x", EPROTONOSUPPORT}, {"tcp://", EINVAL}, {"x", EINVAL}};
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PEER);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        errno = 0;
        IS (zmq_connect_peer (s, cases[i].ep), 0);
        IS (errno, cases[i].error);
    }
    set_int (s, ZMQ_IMMEDIATE, 1);
    IS (zmq_connect_peer (s, "tcp://127.0.0.1:5"), 0);
    IS (errno, EFAULT);
    FAILS (zmq_disconnect_peer (s, 0), EHOSTUNREACH);
    FAILS (zmq_disconnect_peer (s, 1), EHOSTUNREACH);
    OK (zmq_close (s));
    errno = 0;
    IS (zmq_connect_peer (ctx, "tcp://127.0.0.1:5"), 0);
    IS (errno, ENOTSOCK);
    OK (zmq_ctx_term (ctx));
}

GROUP (channel)
{
    EACH_TRANSPORT {
        void *ctx = ctx_new (), *one, *other, *third = sock (ctx, ZMQ_CHANNEL);
        char ep[EP_SIZE];
        couple (ctx, ZMQ_CHANNEL, ZMQ_CHANNEL, TRANSPORT, &one, &other, ep);
        SEND (other, "hello", 0);
        RECV (one, "hello");
        OK (zmq_connect (third, ep));
        for (int i = 0; i < 100; i++) {
            SEND (one, "there", 0);
            SEND (other, "and back", 0);
        }
        for (int i = 0; i < 100; i++) {
            RECV (other, "there");
            RECV (one, "and back");
        }
        FAILS (zmq_recv (third, ep, 1, ZMQ_DONTWAIT), EAGAIN);
        OK (zmq_close (one));
        OK (zmq_close (other));
        OK (zmq_close (third));
        OK (zmq_ctx_term (ctx));
    }
}

MAIN (ENTRY (facts), ENTRY (routing_ids_of_messages), ENTRY (groups_of_messages), ENTRY (who_has_groups_and_numbers),
      ENTRY (one_part_only), ENTRY (client_server), ENTRY (server_waits), ENTRY (radio_dish), ENTRY (radio_passes_on),
      ENTRY (radio_drops), ENTRY (radio_waits), ENTRY (radio_comes_back), ENTRY (scatter_gather), ENTRY (peers), ENTRY (connect_peer_fails),
      ENTRY (channel))
