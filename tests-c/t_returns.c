/* What calls leave behind when they fail: revents, messages, buffers, lengths and counts are as libzmq leaves them. */
#include "common.h"

static void on_alarm (int number)
{
    (void) number;
}

/* A signal in 50 ms, which interrupts. */
static void alarm_soon (void)
{
    struct sigaction action;
    struct itimerval in = {{0, 0}, {0, 50000}};
    memset (&action, 0, sizeof action);
    action.sa_handler = on_alarm;
    sigaction (SIGALRM, &action, NULL);
    setitimer (ITIMER_REAL, &in, NULL);
}

static void *shut_down_soon (void *ctx)
{
    sleep_ms (50);
    OK (zmq_ctx_shutdown (ctx));
    return NULL;
}

/* Polls with revents that an earlier call might have left; all are 0 afterwards. */
static void poll_fails (zmq_pollitem_t *items, int count, long timeout, int error)
{
    for (int i = 0; i < count; i++)
        items[i].revents = ZMQ_POLLIN | ZMQ_POLLOUT;
    FAILS (zmq_poll (items, count, timeout), error);
    for (int i = 0; i < count; i++)
        IS (items[i].revents, 0);
}

/* Programs of the guide look at revents without looking at the result. */
GROUP (revents_after_a_signal)
{
    void *ctx = ctx_new (), *pull = sock (ctx, ZMQ_PULL), *router = sock (ctx, ZMQ_ROUTER), *push = sock (ctx, ZMQ_PUSH);
    int fds[2];
    char ep[EP_SIZE];
    CHECK (pipe (fds) == 0);
    bind_any (pull, "tcp", ep);
    bind_any (router, "ipc", ep);
    bind_any (push, "inproc", ep);
    zmq_pollitem_t items[] = {{pull, 0, ZMQ_POLLIN, 0},   {NULL, fds[0], ZMQ_POLLIN, 0}, {push, 0, ZMQ_POLLOUT, 0},
                              {router, 0, ZMQ_POLLIN, 0}, {pull, 0, ZMQ_POLLIN, 0},      {router, 0, ZMQ_POLLIN, 0}};
    for (int count = 1; count <= 6; count++)
        /* Again and again: sets that are polled often are polled another way. */
        for (int round = 0; round < 4; round++) {
            alarm_soon ();
            poll_fails (items, count, round % 2 ? 5000 : -1, EINTR);
        }
    zmq_pollitem_t descriptor[] = {{NULL, fds[0], ZMQ_POLLIN, 0}};
    alarm_soon ();
    poll_fails (descriptor, 1, -1, EINTR);
}

GROUP (revents_after_the_end)
{
    for (int count = 1; count <= 5; count++) {
        void *ctx = ctx_new (), *lasting = ctx_new (), *ending = sock (ctx, ZMQ_PULL), *other = sock (lasting, ZMQ_PULL);
        char ep[EP_SIZE];
        pthread_t thread;
        bind_any (ending, "tcp", ep);
        bind_any (other, "tcp", ep);
        zmq_pollitem_t items[5];
        for (int i = 0; i < count; i++)
            items[i] = (zmq_pollitem_t){i == count / 2 ? ending : other, 0, ZMQ_POLLIN, 0};
        CHECK (pthread_create (&thread, NULL, shut_down_soon, ctx) == 0);
        poll_fails (items, count, -1, ETERM);
        pthread_join (thread, NULL);
        OK (zmq_close (ending));
        OK (zmq_close (other));
        OK (zmq_ctx_term (ctx));
        OK (zmq_ctx_term (lasting));
    }
}

/* libzmq leaves what was there if the socket has failed before. */
GROUP (revents_are_never_stale)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PULL);
    char ep[EP_SIZE];
    bind_any (s, "tcp", ep);
    OK (zmq_ctx_shutdown (ctx));
    FAILS (zmq_recv (s, NULL, 0, 0), ETERM);
    zmq_pollitem_t item = {s, 0, ZMQ_POLLIN, 0};
    poll_fails (&item, 1, 10, ETERM);
}

/* Arguments that are refused before anything is looked at. */
GROUP (revents_after_misuse)
{
    static long junk[16];
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PULL);
    zmq_pollitem_t items[] = {{s, 0, ZMQ_POLLIN, 7}, {junk, 0, ZMQ_POLLIN, 7}};
    FAILS (zmq_poll (items, 2, 0), ENOTSOCK);
    FAILS (zmq_poll (items, -1, 0), EINVAL);
    IS (zmq_poll (items, 0, 0), 0);
    IS (items[0].revents, 7);
    IS (items[1].revents, 7);
}

static int freed;

static void count_freed (void *data, void *hint)
{
    (void) data;
    (void) hint;
    freed++;
}

/* A message of the given kind: short, long, of the application's memory. */
static void fill (zmq_msg_t *msg, int kind)
{
    static char memory[200];
    if (kind == 2)
        OK (zmq_msg_init_data (msg, memory, sizeof memory, count_freed, NULL));
    else
        OK (zmq_msg_init_size (msg, kind ? 200 : 5));
}

static void receive_fails (void *s, int flags, int error, int kept)
{
    for (int kind = 0; kind < 3; kind++) {
        zmq_msg_t msg;
        freed = 0;
        fill (&msg, kind);
        size_t before = zmq_msg_size (&msg);
        if (error == EINTR)
            alarm_soon ();
        FAILS (zmq_msg_recv (&msg, s, flags), error);
        IS (zmq_msg_size (&msg), kept ? before : 0);
        IS (zmq_msg_more (&msg), 0);
        IS (freed, kind == 2 && !kept);
        OK (zmq_msg_close (&msg));
        IS (freed, kind == 2);
    }
}

/* Where a message would have been put but for a signal, a time limit or the end, what was there is gone. */
GROUP (message_after_a_failed_receive)
{
    static const int types[] = {ZMQ_PULL, ZMQ_SUB, ZMQ_REP, ZMQ_ROUTER, ZMQ_DEALER, ZMQ_PAIR, ZMQ_XSUB};
    static char junk[64];
    void *ctx = ctx_new ();
    char ep[EP_SIZE];
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        void *s = sock (ctx, types[i]);
        bind_any (s, i % 2 ? "tcp" : "inproc", ep);
        receive_fails (s, ZMQ_DONTWAIT, EAGAIN, 0);
        receive_fails (s, 0, EINTR, 0);
        set_int (s, ZMQ_RCVTIMEO, 10);
        receive_fails (s, 0, EAGAIN, 0);
    }
    receive_fails (sock (ctx, ZMQ_REQ), 0, EFSM, 1);
    receive_fails (sock (ctx, ZMQ_PUB), 0, ENOTSUP, 1);
    receive_fails (sock (ctx, ZMQ_PUSH), 0, ENOTSUP, 1);
    receive_fails (junk, 0, ENOTSOCK, 1);
}

/* libzmq's XPUB and STREAM leave the message, and so does every socket that has failed for its end before. */
GROUP (message_after_any_failed_receive)
{
    void *ctx = ctx_new (), *xpub = sock (ctx, ZMQ_XPUB), *stream = sock (ctx, ZMQ_STREAM);
    receive_fails (xpub, ZMQ_DONTWAIT, EAGAIN, 0);
    receive_fails (stream, ZMQ_DONTWAIT, EAGAIN, 0);
    OK (zmq_ctx_shutdown (ctx));
    receive_fails (xpub, 0, ETERM, 0);
    receive_fails (stream, ZMQ_DONTWAIT, ETERM, 0);
}

static void send_fails (void *s, int error)
{
    for (int kind = 0; kind < 3; kind++)
        for (int more = 0; more < 2; more++) {
            zmq_msg_t msg;
            freed = 0;
            fill (&msg, kind);
            size_t before = zmq_msg_size (&msg);
            FAILS (zmq_msg_send (&msg, s, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0)), error);
            IS (zmq_msg_size (&msg), before);
            IS (zmq_msg_more (&msg), error == ETERM ? 0 : more);
            IS (freed, 0);
            OK (zmq_msg_close (&msg));
        }
}

/* It stays, as the part it was to be. */
GROUP (message_after_a_failed_send)
{
    void *ctx = ctx_new (), *push = sock (ctx, ZMQ_PUSH), *ending_ctx = ctx_new (), *ending = sock (ending_ctx, ZMQ_PUSH);
    void *pull = sock (ctx, ZMQ_PULL), *rep = sock (ctx, ZMQ_REP);
    send_fails (push, EAGAIN);
    send_fails (pull, ENOTSUP);
    send_fails (rep, EFSM);
    OK (zmq_ctx_shutdown (ending_ctx));
    send_fails (ending, ETERM);
    send_fails (ending, ETERM);
    void *router = sock (ctx, ZMQ_ROUTER);
    set_int (router, ZMQ_ROUTER_MANDATORY, 1);
    zmq_msg_t msg;
    fill (&msg, 0);
    FAILS (zmq_msg_send (&msg, router, ZMQ_SNDMORE), EHOSTUNREACH);
    IS (zmq_msg_size (&msg), 5);
    IS (zmq_msg_more (&msg), 1);
}

GROUP (buffers_and_counts)
{
    static long junk[16];
    void *ctx = ctx_new (), *pull = sock (ctx, ZMQ_PULL), *push = sock (ctx, ZMQ_PUSH), *gone_ctx = ctx_new ();
    void *gone = sock (gone_ctx, ZMQ_PULL);
    char text[8] = "abcdefg", ep[EP_SIZE];
    bind_any (pull, "inproc", ep);
    OK (zmq_connect (push, ep));
    OK (zmq_ctx_shutdown (gone_ctx));
    FAILS (zmq_recv (pull, text, sizeof text, ZMQ_DONTWAIT), EAGAIN);
    FAILS (zmq_recv (gone, text, sizeof text, 0), ETERM);
    FAILS (zmq_recv (junk, text, sizeof text, 0), ENOTSOCK);
    CHECK (!strcmp (text, "abcdefg"));

    struct iovec parts[3];
    size_t count = 3;
    memset (parts, 0xaa, sizeof parts);
    FAILS (zmq_recviov (pull, parts, &count, ZMQ_DONTWAIT), EAGAIN);
    IS (count, 0);
    count = 3;
    FAILS (zmq_recviov (gone, parts, &count, 0), ETERM);
    IS (count, 0);
    count = 3;
    FAILS (zmq_recviov (junk, parts, &count, 0), ENOTSOCK);
    IS (count, 3);
    CHECK (parts[0].iov_len == (size_t) 0xaaaaaaaaaaaaaaaa);
    /* What did not fit is there for the next call. */
    SEND (push, "a", ZMQ_SNDMORE);
    SEND (push, "", ZMQ_SNDMORE);
    SEND (push, "ccc", 0);
    count = 2;
    IS (zmq_recviov (pull, parts, &count, 0), 2);
    CHECK (count == 2 && parts[0].iov_len == 1 && parts[1].iov_len == 0 && parts[1].iov_base);
    free (parts[0].iov_base);
    free (parts[1].iov_base);
    count = 3;
    IS (zmq_recviov (pull, parts, &count, 0), 1);
    CHECK (count == 1 && parts[0].iov_len == 3);
    free (parts[0].iov_base);
}

/* A value that does not fit leaves buffer and length; one that is shorter than the buffer clears the rest. */
GROUP (buffers_of_getsockopt)
{
    static const struct { int option; size_t room; int wanted; } cases[] = {
        {ZMQ_LINGER, 3, -1}, {ZMQ_LINGER, 4, 4}, {ZMQ_LINGER, 8, -1}, {ZMQ_LINGER, 0, -1}, {ZMQ_EVENTS, 3, -1},
        {ZMQ_EVENTS, 8, 4}, {ZMQ_FD, 3, -1}, {ZMQ_FD, 8, 4}, {ZMQ_TYPE, 3, -1}, {ZMQ_TYPE, 8, -1}, {ZMQ_RCVMORE, 3, -1},
        {ZMQ_RCVMORE, 8, 4}, {ZMQ_LAST_ENDPOINT, 0, -1}, {ZMQ_LAST_ENDPOINT, 60, 1}, {ZMQ_MAXMSGSIZE, 4, -1},
        {ZMQ_MAXMSGSIZE, 16, -1}, {ZMQ_ROUTING_ID, 0, 0}, {ZMQ_ROUTING_ID, 20, 0}, {9999, 8, -1},
        {ZMQ_PLAIN_USERNAME, 0, -1}, {ZMQ_PLAIN_USERNAME, 10, 1}, {ZMQ_CURVE_PUBLICKEY, 33, -1},
        {ZMQ_CURVE_PUBLICKEY, 41, 41}, {ZMQ_SUBSCRIBE, 8, -1}, {ZMQ_TCP_ACCEPT_FILTER, 8, -1}, {ZMQ_MECHANISM, 8, -1},
        {ZMQ_THREAD_SAFE, 3, -1}, {ZMQ_THREAD_SAFE, 8, 4}, {ZMQ_AFFINITY, 8, 8}, {ZMQ_AFFINITY, 9, -1},
        {ZMQ_SOCKS_PROXY, 1, 1}, {ZMQ_SOCKS_PROXY, 9, 1},
    };
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char buffer[64];
        size_t size = cases[i].room;
        memset (buffer, 0xaa, sizeof buffer);
        int rc = zmq_getsockopt (s, cases[i].option, buffer, &size);
        int failed = cases[i].wanted < 0;
        if (rc != -failed || size != (failed ? cases[i].room : (size_t) cases[i].wanted) || (failed && errno != EINVAL))
            fail_at (__FILE__, __LINE__, "option %d into %zu bytes: %d, size %zu", cases[i].option, cases[i].room, rc, size);
        for (size_t at = failed ? 0 : size; at < sizeof buffer; at++)
            IS (buffer[at], !failed && at < cases[i].room ? 0 : 0xaa);
    }
}

MAIN (ENTRY (revents_after_a_signal), ENTRY (revents_after_the_end), ENTRY (revents_are_never_stale),
      ENTRY (revents_after_misuse), ENTRY (message_after_a_failed_receive), ENTRY (message_after_any_failed_receive),
      ENTRY (message_after_a_failed_send), ENTRY (buffers_and_counts), ENTRY (buffers_of_getsockopt))
