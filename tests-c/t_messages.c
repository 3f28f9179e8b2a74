/* zmq_msg_*: life cycle, sizes, sharing, free functions, properties, iovecs. */
#include "common.h"

static int freed;
static void *freed_hint;
static void count_free (void *data, void *hint)
{
    (void) data;
    freed_hint = hint;
    __atomic_add_fetch (&freed, 1, __ATOMIC_SEQ_CST);
}
#define FREED() __atomic_load_n (&freed, __ATOMIC_SEQ_CST)

GROUP (init_and_sizes)
{
    static const size_t sizes[] = {0, 1, 29, 30, 33, 34, 64, 255, 256, 8192, 1 << 20};
    zmq_msg_t msg;
    OK (zmq_msg_init (&msg));
    IS (zmq_msg_size (&msg), 0);
    IS (zmq_msg_more (&msg), 0);
    OK (zmq_msg_close (&msg));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        OK (zmq_msg_init_size (&msg, sizes[i]));
        IS (zmq_msg_size (&msg), sizes[i]);
        CHECK (zmq_msg_data (&msg) != NULL);
        memset (zmq_msg_data (&msg), 0xa5, sizes[i]);
        OK (zmq_msg_close (&msg));
    }
}

GROUP (init_size_too_large)
{
    zmq_msg_t msg;
    FAILS (zmq_msg_init_size (&msg, (size_t) -1), ENOMEM);
    FAILS (zmq_msg_init_size (&msg, ((size_t) -1) / 2), ENOMEM);
}

GROUP (closed_message)
{
    zmq_msg_t msg, other;
    OK (zmq_msg_init_size (&msg, 100));
    OK (zmq_msg_close (&msg));
    FAILS (zmq_msg_close (&msg), EFAULT);
    OK (zmq_msg_init (&other));
    FAILS (zmq_msg_move (&other, &msg), EFAULT);
    FAILS (zmq_msg_copy (&other, &msg), EFAULT);
    OK (zmq_msg_close (&other));
}

GROUP (uninitialised_message)
{
    zmq_msg_t msg;
    static const int fills[] = {0x00, 0x5a, 0xff};
    for (int i = 0; i < 3; i++) {
        memset (&msg, fills[i], sizeof msg);
        FAILS (zmq_msg_close (&msg), EFAULT);
    }
}

GROUP (send_closed_message)
{
    void *ctx = ctx_new (), *a = sock (ctx, ZMQ_PAIR), *b = sock (ctx, ZMQ_PAIR);
    char ep[EP_SIZE];
    zmq_msg_t msg;
    bind_any (a, "inproc", ep);
    OK (zmq_connect (b, ep));
    OK (zmq_msg_init (&msg));
    OK (zmq_msg_close (&msg));
    FAILS (zmq_msg_send (&msg, a, 0), EFAULT);
    FAILS (zmq_msg_recv (&msg, b, ZMQ_DONTWAIT), EFAULT);
    OK (zmq_close (a));
    OK (zmq_close (b));
    OK (zmq_ctx_term (ctx));
}

GROUP (init_data_frees_once)
{
    static char data[500];
    int hint;
    zmq_msg_t msg, copy, moved;
    OK (zmq_msg_init_data (&msg, data, sizeof data, count_free, &hint));
    CHECK (zmq_msg_data (&msg) == data);
    OK (zmq_msg_init (&copy));
    OK (zmq_msg_copy (&copy, &msg));
    CHECK (zmq_msg_data (&copy) == data);
    OK (zmq_msg_init (&moved));
    OK (zmq_msg_move (&moved, &copy));
    IS (zmq_msg_size (&copy), 0);
    IS (zmq_msg_size (&moved), sizeof data);
    OK (zmq_msg_close (&msg));
    OK (zmq_msg_close (&copy));
    IS (FREED (), 0);
    OK (zmq_msg_close (&moved));
    IS (FREED (), 1);
    CHECK (freed_hint == &hint);
    /* Without a free function the data is the caller's. */
    OK (zmq_msg_init_data (&msg, data, sizeof data, NULL, NULL));
    IS (zmq_msg_size (&msg), sizeof data);
    OK (zmq_msg_close (&msg));
    IS (FREED (), 1);
}

GROUP (init_data_over_tcp)
{
    static char data[5000];
    void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
    char ep[EP_SIZE], back[5000];
    zmq_msg_t msg;
    memset (data, 'd', sizeof data);
    bind_any (in, "tcp", ep);
    OK (zmq_connect (out, ep));
    for (int i = 0; i < 10; i++) {
        OK (zmq_msg_init_data (&msg, data, i % 2 ? 10 : sizeof data, count_free, NULL));
        IS (zmq_msg_send (&msg, out, 0), i % 2 ? 10 : sizeof data);
        IS (zmq_msg_size (&msg), 0);
        OK (zmq_msg_close (&msg));
    }
    for (int i = 0; i < 10; i++) {
        IS (zmq_recv (in, back, sizeof back, 0), i % 2 ? 10 : sizeof data);
        CHECK (!memcmp (back, data, i % 2 ? 10 : sizeof data));
    }
    EVENTUALLY (FREED () == 10, 5000);
    OK (zmq_close (in));
    OK (zmq_close (out));
    OK (zmq_ctx_term (ctx));
    IS (FREED (), 10);
}

/* Dropped messages are freed too: no peer, and a context that goes away with a full queue. */
GROUP (init_data_dropped)
{
    static char data[500];
    void *ctx = ctx_new (), *pub = sock (ctx, ZMQ_PUB), *push = sock (ctx, ZMQ_PUSH);
    char ep[EP_SIZE];
    zmq_msg_t msg;
    free_tcp (ep);
    OK (zmq_connect (push, ep));
    OK (zmq_msg_init_data (&msg, data, sizeof data, count_free, NULL));
    IS (zmq_msg_send (&msg, pub, 0), sizeof data);
    EVENTUALLY (FREED () == 1, 2000);
    for (int i = 0; i < 5; i++) {
        OK (zmq_msg_init_data (&msg, data, sizeof data, count_free, NULL));
        IS (zmq_msg_send (&msg, push, 0), sizeof data);
    }
    IS (FREED (), 1);
    OK (zmq_close (pub));
    OK (zmq_close (push));
    OK (zmq_ctx_term (ctx));
    IS (FREED (), 6);
}

/* A failed send leaves the message with the caller. */
GROUP (failed_send_keeps)
{
    void *ctx = ctx_new (), *push = sock (ctx, ZMQ_PUSH);
    zmq_msg_t msg;
    OK (zmq_msg_init_size (&msg, 200));
    memset (zmq_msg_data (&msg), 'k', 200);
    FAILS (zmq_msg_send (&msg, push, ZMQ_DONTWAIT), EAGAIN);
    IS (zmq_msg_size (&msg), 200);
    CHECK (((char *) zmq_msg_data (&msg))[199] == 'k');
    OK (zmq_msg_close (&msg));
    OK (zmq_close (push));
    OK (zmq_ctx_term (ctx));
}

GROUP (copy_shares_large_only)
{
    zmq_msg_t msg, copy;
    OK (zmq_msg_init_size (&msg, 10));
    OK (zmq_msg_init (&copy));
    IS (zmq_msg_get (&msg, ZMQ_SHARED), 0);
    OK (zmq_msg_copy (&copy, &msg));
    CHECK (zmq_msg_data (&copy) != zmq_msg_data (&msg));
    IS (zmq_msg_get (&copy, ZMQ_SHARED), 0);
    OK (zmq_msg_close (&msg));
    OK (zmq_msg_init_size (&msg, 1000));
    OK (zmq_msg_copy (&copy, &msg));
    CHECK (zmq_msg_data (&copy) == zmq_msg_data (&msg));
    IS (zmq_msg_get (&msg, ZMQ_SHARED), 1);
    IS (zmq_msg_get (&copy, ZMQ_SHARED), 1);
    OK (zmq_msg_close (&msg));
    OK (zmq_msg_close (&copy));
}

GROUP (properties)
{
    zmq_msg_t msg;
    OK (zmq_msg_init_size (&msg, 3));
    IS (zmq_msg_get (&msg, ZMQ_MORE), 0);
    IS (zmq_msg_get (&msg, ZMQ_SRCFD), -1);
    FAILS (zmq_msg_get (&msg, 4711), EINVAL);
    FAILS (zmq_msg_set (&msg, ZMQ_MORE, 1), EINVAL);
    FAILS (zmq_msg_set (&msg, 4711, 1), EINVAL);
    errno = 0;
    CHECK (zmq_msg_gets (&msg, "Socket-Type") == NULL);
    IS (errno, EINVAL);
    OK (zmq_msg_close (&msg));
}

GROUP (metadata)
{
    void *ctx = ctx_new (), *rep = sock (ctx, ZMQ_REP), *req = sock (ctx, ZMQ_REQ);
    char ep[EP_SIZE];
    zmq_msg_t msg;
    OK (zmq_setsockopt (req, ZMQ_ROUTING_ID, "MyId", 4));
    bind_any (rep, "tcp", ep);
    OK (zmq_connect (req, ep));
    SEND (req, "q", 0);
    OK (zmq_msg_init (&msg));
    IS (zmq_msg_recv (&msg, rep, 0), 1);
    CHECK (!strcmp (zmq_msg_gets (&msg, "Socket-Type"), "REQ"));
    CHECK (!strcmp (zmq_msg_gets (&msg, "Identity"), "MyId"));
    CHECK (!strcmp (zmq_msg_gets (&msg, "Peer-Address"), "127.0.0.1"));
    errno = 0;
    CHECK (zmq_msg_gets (&msg, "User-Id") == NULL);
    IS (errno, EINVAL);
    errno = 0;
    CHECK (zmq_msg_gets (&msg, "Nope") == NULL);
    IS (errno, EINVAL);
    CHECK (zmq_msg_get (&msg, ZMQ_SRCFD) >= 0);
    /* The properties outlive the connection. */
    OK (zmq_close (req));
    OK (zmq_close (rep));
    OK (zmq_ctx_term (ctx));
    CHECK (!strcmp (zmq_msg_gets (&msg, "Socket-Type"), "REQ"));
    OK (zmq_msg_close (&msg));
}

/* zmq_msg_gets(3) names the property Routing-Id; on the wire it is Identity. */
GROUP (metadata_routing_id)
{
    void *ctx = ctx_new (), *rep = sock (ctx, ZMQ_REP), *req = sock (ctx, ZMQ_REQ);
    char ep[EP_SIZE];
    zmq_msg_t msg;
    OK (zmq_setsockopt (req, ZMQ_ROUTING_ID, "MyId", 4));
    bind_any (rep, "tcp", ep);
    OK (zmq_connect (req, ep));
    SEND (req, "q", 0);
    OK (zmq_msg_init (&msg));
    IS (zmq_msg_recv (&msg, rep, 0), 1);
    CHECK (zmq_msg_gets (&msg, "Routing-Id") != NULL);
    CHECK (!strcmp (zmq_msg_gets (&msg, "Routing-Id"), "MyId"));
    OK (zmq_msg_close (&msg));
    OK (zmq_close (req));
    OK (zmq_close (rep));
    OK (zmq_ctx_term (ctx));
}

/* A message tells its origin, however what came before it was received, and whoever asked whether it is there. */
GROUP (metadata_after_zmq_recv)
{
    static const int types[][2] = {
        {ZMQ_DEALER, ZMQ_ROUTER}, {ZMQ_REQ, ZMQ_REP},   {ZMQ_PUSH, ZMQ_PULL},
        {ZMQ_PUB, ZMQ_SUB},       {ZMQ_PAIR, ZMQ_PAIR}, {ZMQ_DEALER, ZMQ_DEALER},
    };
    void *ctx = ctx_new ();
    zmq_msg_t msg;
    OK (zmq_msg_init (&msg));
    for (int t = 0; t < 6; t++)
        for (int asks = 0; asks < 2; asks++) {
            void *from = sock (ctx, types[t][0]), *to = sock (ctx, types[t][1]);
            char ep[EP_SIZE], buf[10];
            bind_any (to, "tcp", ep);
            if (types[t][1] == ZMQ_SUB)
                OK (zmq_setsockopt (to, ZMQ_SUBSCRIBE, "", 0));
            OK (zmq_connect (from, ep));
            if (types[t][0] == ZMQ_PUB)
                EVENTUALLY (zmq_send (from, "hello", 5, 0) == 5 && readable (to, 10), 10000);
            for (int i = 0; i < 3; i++) {
                SEND (from, "first", ZMQ_SNDMORE);
                SEND (from, "second", 0);
                for (int part = types[t][1] == ZMQ_ROUTER ? -1 : 0; part < 2; part++) {
                    if (asks)
                        CHECK (readable (to, 10000));
                    if (part < 1) {
                        OK (zmq_recv (to, buf, sizeof buf, 0));
                        part -= types[t][1] == ZMQ_SUB && !RCVMORE (to);
                        continue;
                    }
                    IS (zmq_msg_recv (&msg, to, 0), 6);
                    CHECK (zmq_msg_gets (&msg, "Peer-Address") && !strcmp (zmq_msg_gets (&msg, "Peer-Address"), "127.0.0.1"));
                }
                if (types[t][1] == ZMQ_REP) {
                    SEND (to, "reply", 0);
                    RECV (from, "reply");
                }
            }
            OK (zmq_close (from));
            OK (zmq_close (to));
        }
    OK (zmq_msg_close (&msg));
    OK (zmq_ctx_term (ctx));
}

/* The same of a message of one part, which waits behind a routing id or another message. */
GROUP (metadata_of_single_parts)
{
    void *ctx = ctx_new (), *router = sock (ctx, ZMQ_ROUTER), *dealer = sock (ctx, ZMQ_DEALER);
    char ep[EP_SIZE], buf[10];
    zmq_msg_t msg;
    bind_any (router, "tcp", ep);
    OK (zmq_connect (dealer, ep));
    OK (zmq_msg_init (&msg));
    for (int i = 0; i < 5; i++)
        SEND (dealer, "one", 0);
    for (int i = 0; i < 5; i++) {
        IS (zmq_recv (router, buf, sizeof buf, 0), 5);
        IS (zmq_msg_recv (&msg, router, 0), 3);
        CHECK (zmq_msg_gets (&msg, "Peer-Address") && !strcmp (zmq_msg_gets (&msg, "Socket-Type"), "DEALER"));
    }
    OK (zmq_msg_close (&msg));
    OK (zmq_close (router));
    OK (zmq_close (dealer));
    OK (zmq_ctx_term (ctx));
}

GROUP (receive_truncates)
{
    void *ctx = ctx_new (), *a = sock (ctx, ZMQ_PAIR), *b = sock (ctx, ZMQ_PAIR);
    char ep[EP_SIZE], buf[10] = "yyyyyyyyy";
    bind_any (a, "tcp", ep);
    OK (zmq_connect (b, ep));
    SEND (b, "0123456789abcdef", 0);
    IS (zmq_recv (a, buf, 4, 0), 16);
    CHECK (!memcmp (buf, "0123yy", 6));
    SEND (b, "0123456789abcdef", 0);
    IS (zmq_recv (a, NULL, 0, 0), 16);
    IS (zmq_send (b, NULL, 0, 0), 0);
    IS (zmq_recv (a, buf, 10, 0), 0);
    OK (zmq_close (a));
    OK (zmq_close (b));
    OK (zmq_ctx_term (ctx));
}

GROUP (more_flag)
{
    void *ctx = ctx_new (), *a = sock (ctx, ZMQ_PAIR), *b = sock (ctx, ZMQ_PAIR);
    char ep[EP_SIZE];
    zmq_msg_t msg;
    bind_any (a, "inproc", ep);
    OK (zmq_connect (b, ep));
    SEND (b, "1", ZMQ_SNDMORE);
    SEND (b, "2", ZMQ_SNDMORE);
    SEND (b, "3", 0);
    OK (zmq_msg_init (&msg));
    for (int i = 0; i < 3; i++) {
        IS (zmq_msg_recv (&msg, a, 0), 1);
        IS (((char *) zmq_msg_data (&msg))[0], '1' + i);
        IS (zmq_msg_more (&msg), i < 2);
        IS (zmq_msg_get (&msg, ZMQ_MORE), i < 2);
        IS (RCVMORE (a), i < 2);
    }
    OK (zmq_msg_close (&msg));
    OK (zmq_close (a));
    OK (zmq_close (b));
    OK (zmq_ctx_term (ctx));
}

GROUP (send_const_sends_the_bytes)
{
    void *ctx = ctx_new (), *a = sock (ctx, ZMQ_PAIR), *b = sock (ctx, ZMQ_PAIR);
    static const char text[] = "a constant that stays where it is, and is longer than a small message";
    char ep[EP_SIZE];
    bind_any (a, "inproc", ep);
    OK (zmq_connect (b, ep));
    IS (zmq_send_const (b, text, strlen (text), 0), strlen (text));
    RECV (a, text);
    OK (zmq_close (a));
    OK (zmq_close (b));
    OK (zmq_ctx_term (ctx));
}

GROUP (iovecs)
{
    void *ctx = ctx_new (), *a = sock (ctx, ZMQ_PAIR), *b = sock (ctx, ZMQ_PAIR);
    char ep[EP_SIZE];
    struct iovec out[3] = {{(void *) "one", 3}, {(void *) "", 0}, {(void *) "three", 5}}, in[5];
    size_t count = 5;
    bind_any (a, "inproc", ep);
    OK (zmq_connect (b, ep));
    OK (zmq_sendiov (b, out, 3, ZMQ_SNDMORE));
    memset (in, 0, sizeof in);
    IS (zmq_recviov (a, in, &count, 0), 3);
    IS (count, 3);
    IS (in[0].iov_len, 3);
    IS (in[1].iov_len, 0);
    IS (in[2].iov_len, 5);
    CHECK (!memcmp (in[0].iov_base, "one", 3) && !memcmp (in[2].iov_base, "three", 5));
    for (size_t i = 0; i < count; i++)
        free (in[i].iov_base);
    FAILS (zmq_sendiov (b, out, 0, 0), EINVAL);
    FAILS (zmq_sendiov (b, NULL, 1, 0), EINVAL);
    count = 0;
    FAILS (zmq_recviov (a, in, &count, 0), EINVAL);
    FAILS (zmq_recviov (a, in, NULL, 0), EINVAL);
    count = 1;
    FAILS (zmq_recviov (a, in, &count, ZMQ_DONTWAIT), EAGAIN);
    OK (zmq_close (a));
    OK (zmq_close (b));
    OK (zmq_ctx_term (ctx));
}

/* Fewer iovecs than parts: the rest comes with the next call. */
GROUP (iovecs_in_portions)
{
    void *ctx = ctx_new (), *a = sock (ctx, ZMQ_PAIR), *b = sock (ctx, ZMQ_PAIR);
    char ep[EP_SIZE];
    struct iovec in[2];
    size_t count = 2;
    bind_any (a, "inproc", ep);
    OK (zmq_connect (b, ep));
    SEND (b, "1", ZMQ_SNDMORE);
    SEND (b, "2", ZMQ_SNDMORE);
    SEND (b, "3", 0);
    IS (zmq_recviov (a, in, &count, 0), 2);
    IS (count, 2);
    free (in[0].iov_base);
    free (in[1].iov_base);
    count = 2;
    IS (zmq_recviov (a, in, &count, 0), 1);
    IS (count, 1);
    CHECK (*(char *) in[0].iov_base == '3');
    free (in[0].iov_base);
    OK (zmq_close (a));
    OK (zmq_close (b));
    OK (zmq_ctx_term (ctx));
}

MAIN (ENTRY (init_and_sizes), ENTRY (init_size_too_large), ENTRY (closed_message), ENTRY (uninitialised_message),
      ENTRY (send_closed_message), ENTRY (init_data_frees_once), ENTRY (init_data_over_tcp), ENTRY (init_data_dropped),
      ENTRY (failed_send_keeps), ENTRY (copy_shares_large_only), ENTRY (properties), ENTRY (metadata), ENTRY (metadata_routing_id),
      ENTRY (metadata_after_zmq_recv), ENTRY (metadata_of_single_parts), ENTRY (receive_truncates), ENTRY (more_flag), ENTRY (send_const_sends_the_bytes), ENTRY (iovecs),
      ENTRY (iovecs_in_portions))
