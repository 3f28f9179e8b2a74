/*
 * When memory of the application comes back (zmq_msg_init_data(3)): once, never in a call that sends or closes, and under
 * no lock that the application's next call needs. A program may hold a lock of its own around its calls and take it in
 * the function.
 */
#include "common.h"

static const char *transports[] = {"tcp", "ipc", "inproc"};
static const size_t sizes[] = {10, 300, 100000};

/* A lock of the program's, which tells when it is taken twice. */
static pthread_mutex_t lock = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
/* What this thread is doing. */
static __thread const char *within = "nothing";
/* Where the function was last called by a thread of the program, and how often by other threads. */
static const char *called_in = NULL;
static int elsewhere = 0;
static int given_back = 0;

#define GIVEN_BACK() __atomic_load_n (&given_back, __ATOMIC_SEQ_CST)

static pthread_t the_program;

static void give_back (void *data, void *hint)
{
    (void) hint;
    if (pthread_equal (pthread_self (), the_program))
        called_in = within;
    else
        __atomic_add_fetch (&elsewhere, 1, __ATOMIC_SEQ_CST);
    int taken = pthread_mutex_lock (&lock);
    free (data);
    if (taken == 0)
        pthread_mutex_unlock (&lock);
    __atomic_add_fetch (&given_back, 1, __ATOMIC_SEQ_CST);
}

static void begin (void)
{
    the_program = pthread_self ();
    called_in = NULL;
    elsewhere = 0;
    __atomic_store_n (&given_back, 0, __ATOMIC_SEQ_CST);
}

/* A call of the program's, with its lock held; no memory comes back in it. */
#define HELD(call)                                                                                                     \
    do {                                                                                                               \
        IS (pthread_mutex_lock (&lock), 0);                                                                            \
        within = #call;                                                                                                \
        OK (call);                                                                                                     \
        within = "nothing";                                                                                            \
        IS (pthread_mutex_unlock (&lock), 0);                                                                          \
        if (called_in)                                                                                                 \
            fail_at (__FILE__, __LINE__, "memory came back in %s", called_in);                                         \
    } while (0)

static void lend (zmq_msg_t *msg, const char *text, size_t size)
{
    char *data = (char *) malloc (size);
    CHECK (data != NULL);
    memset (data, 'm', size);
    memcpy (data, text, strlen (text));
    OK (zmq_msg_init_data (msg, data, size, give_back, NULL));
}

static void send_held (void *s, const char *text, size_t size, int flags)
{
    zmq_msg_t msg;
    lend (&msg, text, size);
    HELD (zmq_msg_send (&msg, s, flags));
}

static int events_after_a_while (void *s)
{
    sleep_ms (5);
    return get_int (s, ZMQ_EVENTS);
}

static void receive (void *s, size_t size)
{
    zmq_msg_t msg;
    OK (zmq_msg_init (&msg));
    IS (zmq_msg_recv (&msg, s, 0), size);
    OK (zmq_msg_close (&msg));
    /* Which gives it back if the sender was of this process. */
    called_in = NULL;
}

GROUP (lock_around_sends)
{
    for (unsigned t = 0; t < 3; t++)
        for (unsigned z = 0; z < 3; z++) {
            void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
            char ep[EP_SIZE];
            begin ();
            bind_any (in, transports[t], ep);
            OK (zmq_connect (out, ep));
            for (int i = 0; i < 30; i++) {
                send_held (out, "m", sizes[z], i % 3 ? 0 : ZMQ_SNDMORE);
                /* With the function waiting for the lock, by now or soon, the socket is as usable as ever. */
                if (i % 10 == 9)
                    HELD (events_after_a_while (out));
                if (i % 4 == 3)
                    receive (in, sizes[z]);
            }
            for (int i = 0; i < 30 - 7; i++)
                receive (in, sizes[z]);
            EVENTUALLY (GIVEN_BACK () == 30, 5000);
            CHECK (t == 2 || elsewhere == 30);
            OK (zmq_close (in));
            OK (zmq_close (out));
            OK (zmq_ctx_term (ctx));
            IS (GIVEN_BACK (), 30);
        }
}

/* What a PUB or ROUTER drops comes back as well, and not in the call that dropped it. */
GROUP (lock_around_dropping_sends)
{
    for (unsigned t = 0; t < 3; t++)
        for (unsigned z = 0; z < 3; z++) {
            void *ctx = ctx_new (), *pub = sock (ctx, ZMQ_PUB), *sub = sock (ctx, ZMQ_SUB), *all = sock (ctx, ZMQ_SUB);
            void *router = sock (ctx, ZMQ_ROUTER), *rep = sock (ctx, ZMQ_REP), *req = sock (ctx, ZMQ_REQ);
            char ep[EP_SIZE], rep_ep[EP_SIZE];
            begin ();
            set_int (pub, ZMQ_SNDHWM, 2);
            set_int (all, ZMQ_RCVHWM, 2);
            bind_any (pub, transports[t], ep);
            send_held (pub, "nobody", sizes[z], 0);
            send_held (pub, "nobody", sizes[z], ZMQ_SNDMORE);
            send_held (pub, "nobody", sizes[z], 0);
            EVENTUALLY (GIVEN_BACK () == 3, 5000);
            OK (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "another", 7));
            OK (zmq_connect (sub, ep));
            sleep_ms (50);
            send_held (pub, "topic", sizes[z], 0);
            EVENTUALLY (GIVEN_BACK () == 4, 5000);
            OK (zmq_setsockopt (all, ZMQ_SUBSCRIBE, "", 0));
            OK (zmq_connect (all, ep));
            sleep_ms (50);
            for (int i = 0; i < 100; i++)
                send_held (pub, "full", sizes[z], 0);
            send_held (router, "nobody", sizes[z], ZMQ_SNDMORE);
            send_held (router, "part", sizes[z], ZMQ_SNDMORE);
            send_held (router, "last", sizes[z], 0);
            bind_any (rep, transports[t], rep_ep);
            OK (zmq_connect (req, rep_ep));
            OK (zmq_send (req, "?", 1, 0));
            RECV (rep, "?");
            OK (zmq_close (req));
            sleep_ms (20);
            send_held (rep, "gone", sizes[z], 0);
            OK (zmq_close (all));
            OK (zmq_close (sub));
            OK (zmq_close (pub));
            OK (zmq_close (router));
            OK (zmq_close (rep));
            OK (zmq_ctx_term (ctx));
            IS (GIVEN_BACK (), 108);
        }
}

/* What was sent and never left, or never was received. */
GROUP (lock_around_close)
{
    for (unsigned t = 0; t < 3; t++)
        for (int how = 0; how < 3; how++) {
            void *ctx = ctx_new (), *out = sock (ctx, ZMQ_DEALER), *in = sock (ctx, ZMQ_DEALER);
            char ep[EP_SIZE];
            begin ();
            if (how < 2)
                bind_any (in, transports[t], ep);
            else if (t == 0)
                free_tcp (ep);
            else if (t == 1)
                ipc_path (ep, "nobody");
            else
                strcpy (ep, "inproc://nobody");
            OK (zmq_connect (out, ep));
            for (int i = 0; i < 6; i++)
                send_held (out, "m", sizes[i % 3], i == 1 ? ZMQ_SNDMORE : 0);
            send_held (out, "of a message that never ends", 100, ZMQ_SNDMORE);
            if (how == 1)
                HELD (zmq_close (in));
            sleep_ms (10);
            HELD (zmq_close (out));
            if (how != 1)
                HELD (zmq_close (in));
            OK (zmq_ctx_term (ctx));
            IS (GIVEN_BACK (), 7);
        }
}

GROUP (lock_around_disconnect)
{
    const char *nowhere[] = {NULL, NULL, "inproc://nobody"};
    char tcp_ep[EP_SIZE], ipc_ep[EP_SIZE];
    free_tcp (tcp_ep);
    ipc_path (ipc_ep, "nobody");
    nowhere[0] = tcp_ep;
    nowhere[1] = ipc_ep;
    for (unsigned t = 0; t < 3; t++) {
        void *ctx = ctx_new (), *out = sock (ctx, ZMQ_DEALER);
        begin ();
        OK (zmq_connect (out, nowhere[t]));
        for (int i = 0; i < 6; i++)
            send_held (out, "m", sizes[i % 3], i == 1 ? ZMQ_SNDMORE : 0);
        send_held (out, "of a message that never ends", 100, ZMQ_SNDMORE);
        HELD (zmq_disconnect (out, nowhere[t]));
        HELD (zmq_close (out));
        OK (zmq_ctx_term (ctx));
        IS (GIVEN_BACK (), 7);
    }
}

/* Nobody has to do anything for memory to come back. */
GROUP (comes_back_by_itself)
{
    for (unsigned t = 0; t < 2; t++) {
        void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH), *pub = sock (ctx, ZMQ_PUB);
        char ep[EP_SIZE];
        int sent = 0;
        begin ();
        bind_any (in, transports[t], ep);
        OK (zmq_connect (out, ep));
        sleep_ms (50);
        for (int round = 0; round < 60; round++) {
            for (int i = 0; i <= round % 5; i++, sent++) {
                zmq_msg_t msg;
                lend (&msg, "m", sizes[round % 3]);
                OK (zmq_msg_send (&msg, round % 2 ? out : pub, 0));
            }
            EVENTUALLY (GIVEN_BACK () == sent, 3000);
            sleep_ms (round % 7);
        }
        OK (zmq_close (in));
        OK (zmq_close (out));
        OK (zmq_close (pub));
        OK (zmq_ctx_term (ctx));
        IS (GIVEN_BACK (), sent);
    }
}

/* ---- each once --------------------------------------------------------------------------------------------------- */

#define MANY 10000
static char counts[MANY];

static void count_one (void *data, void *hint)
{
    __atomic_add_fetch ((char *) hint, 1, __ATOMIC_SEQ_CST);
    free (data);
}

static void *receive_many (void *s)
{
    zmq_msg_t msg;
    OK (zmq_msg_init (&msg));
    for (int i = 0; i < MANY; i++)
        OK (zmq_msg_recv (&msg, s, 0));
    OK (zmq_msg_close (&msg));
    return NULL;
}

static void *run_proxy (void *sides)
{
    zmq_proxy (((void **) sides)[0], ((void **) sides)[1], NULL);
    return NULL;
}

/* Through all kinds of queues, a fifth of them with a copy that outlives the sending; 3: into a proxy and out of it. */
GROUP (each_comes_back_once)
{
    for (unsigned t = 0; t < 4; t++) {
        void *ctx = ctx_new (), *other = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
        void *sides[2] = {sock (ctx, ZMQ_PULL), sock (other, ZMQ_PUSH)};
        char ep[EP_SIZE], proxy_ep[EP_SIZE];
        pthread_t receiver, proxy;
        zmq_msg_t copies[MANY / 5];
        memset (counts, 0, sizeof counts);
        bind_any (in, t < 3 ? transports[t] : "tcp", ep);
        bind_any (sides[0], "inproc", proxy_ep);
        OK (zmq_connect (sides[1], t < 3 ? "tcp://127.0.0.1:9" : ep));
        OK (zmq_connect (out, t < 3 ? ep : proxy_ep));
        IS (pthread_create (&receiver, NULL, receive_many, in), 0);
        IS (pthread_create (&proxy, NULL, run_proxy, sides), 0);
        for (int i = 0; i < MANY; i++) {
            size_t size = i % 50 == 49 ? 50000 : i % 3 ? 100 : 10000;
            zmq_msg_t msg;
            OK (zmq_msg_init_data (&msg, calloc (1, size), size, count_one, &counts[i]));
            if (i % 5 == 0) {
                OK (zmq_msg_init (&copies[i / 5]));
                OK (zmq_msg_copy (&copies[i / 5], &msg));
            }
            OK (zmq_msg_send (&msg, out, 0));
            if (i % 5 == 4)
                OK (zmq_msg_close (&copies[i / 5]));
        }
        IS (pthread_join (receiver, NULL), 0);
        OK (zmq_ctx_shutdown (ctx));
        OK (zmq_ctx_shutdown (other));
        IS (pthread_join (proxy, NULL), 0);
        OK (zmq_close (in));
        OK (zmq_close (out));
        OK (zmq_close (sides[0]));
        OK (zmq_close (sides[1]));
        OK (zmq_ctx_term (ctx));
        OK (zmq_ctx_term (other));
        for (int i = 0; i < MANY; i++)
            if (counts[i] != 1)
                fail_at (__FILE__, __LINE__, "memory of message %d came back %d times", i, counts[i]);
    }
}

/* ---- of the application's own ------------------------------------------------------------------------------------- */

/* Before it is sent and after it was received a message is the application's: it comes back where it is let go. */
GROUP (own_messages_at_once)
{
    void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH), *lonely = sock (ctx, ZMQ_PUSH);
    char ep[EP_SIZE], byte;
    zmq_msg_t msg, other;
    begin ();
    lend (&msg, "m", 300);
    OK (zmq_msg_close (&msg));
    IS (GIVEN_BACK (), 1);
    lend (&msg, "m", 300);
    FAILS (zmq_msg_send (&msg, lonely, ZMQ_DONTWAIT), EAGAIN);
    IS (GIVEN_BACK (), 1);
    lend (&other, "m", 300);
    OK (zmq_msg_move (&msg, &other));
    IS (GIVEN_BACK (), 2);
    lend (&other, "m", 300);
    OK (zmq_msg_copy (&msg, &other));
    IS (GIVEN_BACK (), 3);
    OK (zmq_msg_close (&msg));
    IS (GIVEN_BACK (), 3);
    OK (zmq_msg_close (&other));
    IS (GIVEN_BACK (), 4);
    bind_any (in, "inproc", ep);
    OK (zmq_connect (out, ep));
    for (int i = 0; i < 3; i++) {
        lend (&msg, "m", 300);
        OK (zmq_msg_send (&msg, out, 0));
    }
    IS (GIVEN_BACK (), 4);
    OK (zmq_msg_init (&msg));
    OK (zmq_msg_recv (&msg, in, 0));
    OK (zmq_msg_recv (&msg, in, 0));
    IS (GIVEN_BACK (), 5);
    OK (zmq_msg_close (&msg));
    IS (GIVEN_BACK (), 6);
    IS (zmq_recv (in, &byte, 1, 0), 300);
    IS (GIVEN_BACK (), 7);
    IS (elsewhere, 0);
    /* One that was received may outlive its context. */
    lend (&msg, "m", 300);
    OK (zmq_msg_send (&msg, out, 0));
    OK (zmq_msg_recv (&msg, in, 0));
    OK (zmq_close (in));
    OK (zmq_close (out));
    OK (zmq_close (lonely));
    OK (zmq_ctx_term (ctx));
    IS (GIVEN_BACK (), 7);
    OK (zmq_msg_close (&msg));
    IS (GIVEN_BACK (), 8);
}

/* ---- without I/O threads ------------------------------------------------------------------------------------------ */

GROUP (without_io_threads)
{
    void *ctx = ctx_new (), *in, *out;
    char ep[EP_SIZE];
    begin ();
    OK (zmq_ctx_set (ctx, ZMQ_IO_THREADS, 0));
    in = sock (ctx, ZMQ_PULL);
    out = sock (ctx, ZMQ_PUSH);
    FAILS (zmq_bind (in, "tcp://127.0.0.1:*"), EMTHREAD);
    bind_any (in, "inproc", ep);
    OK (zmq_connect (out, ep));
    send_held (out, "m", 300, 0);
    receive (in, 300);
    IS (GIVEN_BACK (), 1);
    for (int i = 0; i < 3; i++)
        send_held (out, "unread", 300, 0);
    HELD (zmq_close (in));
    HELD (zmq_close (out));
    EVENTUALLY (GIVEN_BACK () == 4, 5000);
    OK (zmq_ctx_term (ctx));
    IS (GIVEN_BACK (), 4);
}

GROUP (without_io_threads_dropped)
{
    void *ctx = ctx_new (), *pub;
    begin ();
    OK (zmq_ctx_set (ctx, ZMQ_IO_THREADS, 0));
    pub = sock (ctx, ZMQ_PUB);
    for (int i = 0; i < 100; i++)
        send_held (pub, "nobody", 300, 0);
    EVENTUALLY (GIVEN_BACK () == 100, 5000);
    IS (elsewhere, 100);
    OK (zmq_close (pub));
    OK (zmq_ctx_term (ctx));
}

MAIN (ENTRY (lock_around_sends), ENTRY (lock_around_dropping_sends), ENTRY (lock_around_close), ENTRY (lock_around_disconnect),
      ENTRY (comes_back_by_itself), ENTRY (each_comes_back_once), ENTRY (own_messages_at_once), ENTRY (without_io_threads),
      ENTRY (without_io_threads_dropped))
