/*
 * What sockets of the draft API do here, and not in libzmq: they are polled, have a ZMQ_FD, are watched and go through a
 * proxy as all others, from any thread; and what peers may say.
 */
#define ZMQ_BUILD_DRAFT_API
#include "draft.h"

/* ZMQ_FD and ZMQ_EVENTS of a CLIENT and a SERVER, as event loops use them. */
GROUP (descriptors)
{
    static const char *transports[] = {"tcp", "inproc"};
    for (size_t i = 0; i < 2; i++) {
        void *ctx = ctx_new (), *server, *client;
        char ep[EP_SIZE];
        couple (ctx, ZMQ_SERVER, ZMQ_CLIENT, transports[i], &server, &client, ep);
        struct pollfd fds[2] = {{get_int (server, ZMQ_FD), POLLIN, 0}, {get_int (client, ZMQ_FD), POLLIN, 0}};
        for (int round = 0; round < 3; round++) {
            while (get_int (server, ZMQ_EVENTS) & ZMQ_POLLIN || get_int (client, ZMQ_EVENTS) & ZMQ_POLLIN)
                ;
            SEND (client, "question", 0);
            while (!(get_int (server, ZMQ_EVENTS) & ZMQ_POLLIN))
                IS (poll (&fds[0], 1, 5000), 1);
            uint32_t number = recv_as (server, "question", "");
            IS (send_as (server, "answer", number, NULL, 0), 6);
            while (!(get_int (client, ZMQ_EVENTS) & ZMQ_POLLIN))
                IS (poll (&fds[1], 1, 5000), 1);
            RECV (client, "answer");
        }
        OK (zmq_close (server));
        OK (zmq_close (client));
        OK (zmq_ctx_term (ctx));
    }
}

/* What comes in parts does not make a socket readable. */
GROUP (readable_means_a_message)
{
    void *ctx = ctx_new (), *client = sock (ctx, ZMQ_CLIENT), *dealer = sock (ctx, ZMQ_DEALER);
    char ep[EP_SIZE];
    /* Within the process nobody looks at the type. */
    bind_any (client, "inproc", ep);
    OK (zmq_connect (dealer, ep));
    for (int i = 0; i < 3; i++) {
        SEND (dealer, "a", ZMQ_SNDMORE);
        SEND (dealer, "b", 0);
        CHECK (!readable (client, 0));
        IS (get_int (client, ZMQ_EVENTS), ZMQ_POLLOUT);
        SEND (dealer, "one", 0);
        CHECK (readable (client, 0));
        RECV (client, "one");
    }
    OK (zmq_close (client));
    OK (zmq_close (dealer));
    OK (zmq_ctx_term (ctx));
}

/* One zmq_poll for all of them. */
GROUP (polled_together)
{
    void *ctx = ctx_new (), *server, *client, *radio, *dish, *scatter, *gather, *pull, *push;
    char ep[EP_SIZE];
    couple (ctx, ZMQ_SERVER, ZMQ_CLIENT, "tcp", &server, &client, ep);
    couple (ctx, ZMQ_RADIO, ZMQ_DISH, "inproc", &radio, &dish, ep);
    couple (ctx, ZMQ_GATHER, ZMQ_SCATTER, "ipc", &gather, &scatter, ep);
    couple (ctx, ZMQ_PULL, ZMQ_PUSH, "tcp", &pull, &push, ep);
    OK (zmq_join (dish, "A"));
    zmq_pollitem_t items[] = {{server, 0, ZMQ_POLLIN, 0}, {dish, 0, ZMQ_POLLIN, 0}, {gather, 0, ZMQ_POLLIN, 0},
                              {pull, 0, ZMQ_POLLIN, 0}, {client, 0, ZMQ_POLLIN, 0}};
    SEND (client, "1", 0);
    IS (send_as (radio, "2", 0, "A", 0), 1);
    SEND (scatter, "3", 0);
    SEND (push, "4", 0);
    int seen = 0;
    char buf[8];
    while (seen < 4) {
        CHECK (zmq_poll (items, 5, 5000) > 0);
        for (int i = 0; i < 5; i++)
            if (items[i].revents & ZMQ_POLLIN) {
                IS (zmq_recv (items[i].socket, buf, sizeof buf, ZMQ_DONTWAIT), 1);
                IS (buf[0], '1' + i);
                seen++;
            }
    }
    void *all[] = {server, client, radio, dish, gather, scatter, pull, push};
    for (size_t i = 0; i < 8; i++)
        OK (zmq_close (all[i]));
    OK (zmq_ctx_term (ctx));
}

/* ---- proxies ------------------------------------------------------------------------------------------------------ */

static void *run_proxy (void *arg)
{
    void **sockets = (void **) arg;
    zmq_proxy (sockets[0], sockets[1], NULL);
    zmq_close (sockets[0]);
    zmq_close (sockets[1]);
    return NULL;
}

/* A DISH in front and a RADIO behind: groups go through. The same with GATHER and SCATTER. */
GROUP (proxies)
{
    void *ctx = ctx_new (), *radio, *last, *scatter, *gather, *dishes[2], *parts[2];
    char ep[EP_SIZE];
    couple (ctx, ZMQ_DISH, ZMQ_RADIO, "tcp", &dishes[0], &radio, ep);
    couple (ctx, ZMQ_RADIO, ZMQ_DISH, "tcp", &dishes[1], &last, ep);
    couple (ctx, ZMQ_GATHER, ZMQ_SCATTER, "tcp", &parts[0], &scatter, ep);
    couple (ctx, ZMQ_SCATTER, ZMQ_GATHER, "inproc", &parts[1], &gather, ep);
    OK (zmq_join (dishes[0], "A"));
    OK (zmq_join (last, "A"));
    pthread_t threads[2];
    IS (pthread_create (&threads[0], NULL, run_proxy, dishes), 0);
    IS (pthread_create (&threads[1], NULL, run_proxy, parts), 0);
    EVENTUALLY (send_as (radio, "x", 0, "A", 0) == 1 && readable (last, 2), 5000);
    zmq_msg_t msg;
    OK (zmq_msg_init (&msg));
    IS (zmq_msg_recv (&msg, last, 0), 1);
    CHECK (!strcmp (zmq_msg_group (&msg), "A"));
    OK (zmq_msg_close (&msg));
    for (int i = 0; i < 100; i++) {
        SEND (scatter, "through", 0);
        RECV (gather, "through");
    }
    OK (zmq_close (radio));
    OK (zmq_close (last));
    OK (zmq_close (scatter));
    OK (zmq_close (gather));
    OK (zmq_ctx_shutdown (ctx));
    pthread_join (threads[0], NULL);
    pthread_join (threads[1], NULL);
    OK (zmq_ctx_term (ctx));
}

/* ---- monitors and timeouts ---------------------------------------------------------------------------------------- */

GROUP (monitored)
{
    void *ctx = ctx_new (), *server = sock (ctx, ZMQ_SERVER), *client = sock (ctx, ZMQ_CLIENT);
    char ep[EP_SIZE], address[EP_SIZE];
    uint32_t value;
    void *mon = monitor (ctx, server);
    bind_any (server, "tcp", ep);
    EVENT (mon, ZMQ_EVENT_LISTENING, ep);
    OK (zmq_connect (client, ep));
    IS (next_event (mon, &value, address), ZMQ_EVENT_ACCEPTED);
    IS (next_event (mon, &value, address), ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    OK (zmq_close (client));
    IS (next_event (mon, &value, address), ZMQ_EVENT_DISCONNECTED);
    OK (zmq_close (server));
    OK (zmq_close (mon));
    OK (zmq_ctx_term (ctx));
}

/* zmq_join never waits, whatever the timeouts say. */
GROUP (joining_at_once)
{
    void *ctx = ctx_new (), *dish = sock (ctx, ZMQ_DISH);
    set_int (dish, ZMQ_RCVTIMEO, 0);
    set_int (dish, ZMQ_SNDTIMEO, 0);
    set_int (dish, ZMQ_SNDHWM, 1);
    char name[16], ep[EP_SIZE];
    void *radio = sock (ctx, ZMQ_RADIO);
    bind_any (radio, "tcp", ep);
    OK (zmq_connect (dish, ep));
    for (int i = 0; i < 5000; i++) {
        sprintf (name, "group %d", i);
        OK (zmq_join (dish, name));
    }
    EVENTUALLY (send_as (radio, "x", 0, "group 4999", 0) == 1 && readable (dish, 2), 10000);
    for (int i = 0; i < 5000; i += 2) {
        sprintf (name, "group %d", i);
        OK (zmq_leave (dish, name));
    }
    OK (zmq_close (dish));
    OK (zmq_close (radio));
    OK (zmq_ctx_term (ctx));
}

/* Who was disconnected is not there any more, at once; what was said to it before arrives. */
GROUP (disconnected_at_once)
{
    static const char *transports[] = {"tcp", "ipc", "inproc"};
    for (size_t i = 0; i < 3; i++) {
        void *ctx = ctx_new (), *here = sock (ctx, ZMQ_PEER), *server = sock (ctx, ZMQ_SERVER), *client = sock (ctx, ZMQ_CLIENT);
        void *there = sock (ctx, ZMQ_PEER);
        char ep[EP_SIZE];
        bind_any (there, transports[i], ep);
        uint32_t to = zmq_connect_peer (here, ep);
        IS (send_as (here, "last words", to, NULL, 0), 10);
        OK (zmq_disconnect_peer (here, to));
        FAILS (zmq_disconnect_peer (here, to), EHOSTUNREACH);
        FAILS (send_as (here, "x", to, NULL, 0), EHOSTUNREACH);
        CHECK (recv_as (there, "last words", "") != 0);
        bind_any (server, transports[i], ep);
        OK (zmq_connect (client, ep));
        SEND (client, "hello", 0);
        to = recv_as (server, "hello", "");
        IS (send_as (server, "last words", to, NULL, 0), 10);
        OK (zmq_disconnect_peer (server, to));
        FAILS (send_as (server, "x", to, NULL, 0), EHOSTUNREACH);
        RECV (client, "last words");
        OK (zmq_close (here));
        OK (zmq_close (there));
        OK (zmq_close (server));
        OK (zmq_close (client));
        OK (zmq_ctx_term (ctx));
    }
}

/* Datagrams go nowhere else. */
GROUP (dgram_is_for_udp)
{
    void *ctx = ctx_new (), *dgram = sock (ctx, ZMQ_DGRAM);
    FAILS (zmq_bind (dgram, "tcp://127.0.0.1:*"), ENOCOMPATPROTO);
    FAILS (zmq_connect (dgram, "inproc://name"), ENOCOMPATPROTO);
    FAILS (zmq_send (dgram, "x", 1, ZMQ_DONTWAIT), EINVAL);
    FAILS (zmq_send (dgram, "x", 1, ZMQ_SNDMORE | ZMQ_DONTWAIT), EAGAIN);
    OK (zmq_close (dgram));
    OK (zmq_ctx_term (ctx));
}

/* ---- what peers may say ------------------------------------------------------------------------------------------- */

/* A JOIN of a group that no message can have ends libzmq's RADIO. What comes behind it counts. */
GROUP (groups_too_long)
{
    void *ctx = ctx_new (), *radio = sock (ctx, ZMQ_RADIO), *dish = sock (ctx, ZMQ_DISH);
    char ep[EP_SIZE], join[400], group[300];
    bind_any (radio, "tcp", ep);
    int fd = raw_peer (ep, "DISH");
    memset (join, 'g', sizeof join);
    memcpy (join, "\6\0\0\0\0\0\0\1\5\4JOIN", 14);
    CHECK (raw_write (fd, join, 9 + 0x105));
    CHECK (raw_write (fd, "\4\x06\4JOINA", 8));
    EVENTUALLY (send_as (radio, "x", 0, "A", 0) == 1 && poll (&(struct pollfd){fd, POLLIN, 0}, 1, 1) == 1, 5000);
    close (fd);
    /* Nor does a message of such a group come to a DISH, nor one in three parts, nor one without a group. */
    bind_any (dish, "tcp", ep);
    OK (zmq_join (dish, "A"));
    fd = raw_peer (ep, "RADIO");
    memset (group, 'A', sizeof group);
    memcpy (group, "\3\0\0\0\0\0\0\1\0", 9);
    CHECK (raw_write (fd, group, 9 + 256) && raw_write (fd, "\0\1x", 3));
    CHECK (raw_write (fd, "\0\1A" "\1\1A\1\1x\0\1y" "\1\1A\0\3one", 20));
    RECV (dish, "one");
    RECV_NONE (dish, 10);
    close (fd);
    OK (zmq_close (radio));
    OK (zmq_close (dish));
    OK (zmq_ctx_term (ctx));
}

static void *ask (void *arg)
{
    char body[32];
    for (int i = 0; i < 200; i++) {
        sprintf (body, "%d", i);
        OK (zmq_send (arg, body, strlen (body), 0));
        CHECK (zmq_recv (arg, body, sizeof body, 0) > 0);
    }
    return NULL;
}

/* Threads that share a CLIENT, and one that answers whoever asked. */
GROUP (threads_share_a_client)
{
    void *ctx = ctx_new (), *server, *client;
    char ep[EP_SIZE];
    pthread_t threads[3];
    couple (ctx, ZMQ_SERVER, ZMQ_CLIENT, "tcp", &server, &client, ep);
    for (int i = 0; i < 3; i++)
        IS (pthread_create (&threads[i], NULL, ask, client), 0);
    for (int i = 0; i < 600; i++) {
        zmq_msg_t msg;
        OK (zmq_msg_init (&msg));
        OK (zmq_msg_recv (&msg, server, 0));
        OK (zmq_msg_send (&msg, server, 0));
    }
    for (int i = 0; i < 3; i++)
        pthread_join (threads[i], NULL);
    OK (zmq_close (server));
    OK (zmq_close (client));
    OK (zmq_ctx_term (ctx));
}

MAIN (ENTRY (descriptors), ENTRY (readable_means_a_message), ENTRY (polled_together), ENTRY (proxies), ENTRY (monitored),
      ENTRY (joining_at_once), ENTRY (disconnected_at_once), ENTRY (dgram_is_for_udp), ENTRY (groups_too_long),
      ENTRY (threads_share_a_client))
