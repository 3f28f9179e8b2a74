/* Event loops on ZMQ_FD that never read ZMQ_EVENTS: they do what there is to do until EAGAIN, and wait. Nothing is missed,
 * and nobody is woken for nothing (but for room to send, with libzmq and with us). */
#include "common.h"
#include <sys/epoll.h>

enum { COUNT = 100 };

static const char *transports[] = {"tcp", "ipc", "inproc"};

static void connect_to (void *binder, void *connecter, const char *transport)
{
    char ep[EP_SIZE];
    if (!strcmp (transport, "inproc"))
        OK (zmq_bind (binder, strcpy (ep, "inproc://here")));
    else
        bind_any (binder, transport, ep);
    OK (zmq_connect (connecter, ep));
}

static void *send_slowly (void *s)
{
    for (int i = 0; i < COUNT; i++) {
        sleep_ms (2);
        /* Now and then several at once. */
        for (int k = 0; k <= i % 3; k++)
            IS (zmq_send (s, &i, sizeof i, 0), sizeof i);
    }
    return NULL;
}

GROUP (receives_until_there_is_no_more)
{
    for (int t = 0; t < 3; t++) {
        void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
        connect_to (in, out, transports[t]);
        struct pollfd fd = {get_int (in, ZMQ_FD), POLLIN, 0};
        int got = 0, last = 0, value, woken = 0, all = 0;
        for (int i = 0; i < COUNT; i++)
            all += i % 3 + 1;
        pthread_t thread;
        pthread_create (&thread, NULL, send_slowly, out);
        int64_t until = now_ms () + 10000;
        do {
            while (zmq_recv (in, &value, sizeof value, ZMQ_DONTWAIT) == sizeof value) {
                CHECK (value >= last);
                last = value;
                got++;
            }
            IS (zmq_errno (), EAGAIN);
            CHECK (now_ms () < until);
            woken += got < all && poll (&fd, 1, 5000) == 1;
        } while (got < all);
        pthread_join (thread, NULL);
        if (woken > 3 * all)
            fail_at (__FILE__, __LINE__, "%s: woken %d times for %d messages", transports[t], woken, all);
        /* Quiet now. */
        for (int i = 0; i < 3; i++)
            FAILS (zmq_recv (in, &value, sizeof value, ZMQ_DONTWAIT), EAGAIN);
        IS (poll (&fd, 1, 30), 0);
        zmq_close (out);
        zmq_close (in);
        zmq_ctx_term (ctx);
    }
}

/* What the library has read while the program was away makes the descriptor readable, although the kernel has nothing of it
 * any more when the program comes to wait. */
GROUP (read_while_the_program_was_away)
{
    for (int t = 0; t < 3; t++) {
        void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
        connect_to (in, out, transports[t]);
        struct pollfd fd = {get_int (in, ZMQ_FD), POLLIN, 0};
        SEND (out, "first", 0);
        RECV (in, "first");
        for (int round = 0; round < 10; round++) {
            FAILS (zmq_recv (in, NULL, 0, ZMQ_DONTWAIT), EAGAIN);
            FAILS (zmq_recv (in, NULL, 0, ZMQ_DONTWAIT), EAGAIN);
            sleep_ms (15);
            SEND (out, "news", 0);
            sleep_ms (15);
            IS (poll (&fd, 1, 1000), 1);
            RECV (in, "news");
        }
        zmq_close (out);
        zmq_close (in);
        zmq_ctx_term (ctx);
    }
}

static void *receive_slowly (void *s)
{
    for (int i = 0; i < COUNT; i++) {
        int value;
        if (i % 10 == 0)
            sleep_ms (5);
        IS (zmq_recv (s, &value, sizeof value, 0), sizeof value);
        IS (value, i);
    }
    return NULL;
}

GROUP (sends_until_there_is_no_room)
{
    for (int t = 0; t < 3; t++) {
        void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
        set_int (in, ZMQ_RCVHWM, 3);
        set_int (out, ZMQ_SNDHWM, 3);
        connect_to (in, out, transports[t]);
        struct pollfd fd = {get_int (out, ZMQ_FD), POLLIN, 0};
        int next = 0;
        pthread_t thread;
        pthread_create (&thread, NULL, receive_slowly, in);
        int64_t until = now_ms () + 10000;
        for (;;) {
            while (next < COUNT && zmq_send (out, &next, sizeof next, ZMQ_DONTWAIT) == sizeof next)
                next++;
            if (next == COUNT)
                break;
            IS (zmq_errno (), EAGAIN);
            CHECK (now_ms () < until);
            OK (poll (&fd, 1, 5000));
        }
        pthread_join (thread, NULL);
        zmq_close (out);
        zmq_close (in);
        zmq_ctx_term (ctx);
    }
}

/* Puts `fd` into an epoll set, that into another, and so on, at most `most` times. Returns how many there are; `sets` has
 * them from the inside out. */
static int nest (int fd, int most, int *sets)
{
    for (int n = 0; n < most; n++) {
        struct epoll_event event = {.events = EPOLLIN};
        sets[n] = epoll_create1 (EPOLL_CLOEXEC);
        CHECK (sets[n] >= 0);
        if (epoll_ctl (sets[n], EPOLL_CTL_ADD, fd, &event) == -1) {
            close (sets[n]);
            return n;
        }
        fd = sets[n];
    }
    return most;
}

static void close_all (const int *sets, int count)
{
    while (count)
        close (sets[--count]);
}

/* An event loop may stand in others. The kernel lets epoll sets be nested so deep above a descriptor; libzmq's ZMQ_FD is one
 * like others, ours is a set itself, and takes one of the levels. */
GROUP (levels_of_nested_sets)
{
    int ends[2], sets[16];
    CHECK (pipe (ends) == 0);
    int possible = nest (ends[0], 16, sets);
    close_all (sets, possible);
    const char *side = getenv ("SIDE");
    int ours = !side || strcmp (side, "system");
    for (int t = 0; t < 3; t++) {
        void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
        int fd = get_int (in, ZMQ_FD), levels = nest (fd, 16, sets);
        close_all (sets, levels);
        connect_to (in, out, transports[t]);
        SEND (out, "here", 0);
        RECV (in, "here");
        IS (levels, possible - ours);
        IS (nest (fd, 16, sets), levels);
        close_all (sets, levels);
        zmq_close (out);
        zmq_close (in);
        zmq_ctx_term (ctx);
    }
}

/* A message is noticed four sets further out, whether the peers or the sets were there first. */
GROUP (nested_four_deep)
{
    for (int t = 0; t < 3; t++)
        for (int early = 0; early < 2; early++) {
            void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
            int sets[4], value;
            struct epoll_event event;
            if (early)
                IS (nest (get_int (in, ZMQ_FD), 4, sets), 4);
            connect_to (in, out, transports[t]);
            if (!early)
                IS (nest (get_int (in, ZMQ_FD), 4, sets), 4);
            for (int i = 0; i < COUNT; i++) {
                IS (zmq_send (out, &i, sizeof i, 0), sizeof i);
                while (!(get_int (in, ZMQ_EVENTS) & ZMQ_POLLIN))
                    IS (epoll_wait (sets[3], &event, 1, 5000), 1);
                IS (zmq_recv (in, &value, sizeof value, ZMQ_DONTWAIT), sizeof value);
                IS (value, i);
            }
            close_all (sets, 4);
            zmq_close (out);
            zmq_close (in);
            zmq_ctx_term (ctx);
        }
}

/* Nobody is woken again and again for what a program leaves unread. */
GROUP (quiet_although_there_is_more)
{
    static char body[20000];
    for (int t = 0; t < 2; t++) {
        void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
        set_int (in, ZMQ_RCVHWM, 2);
        set_int (in, ZMQ_RCVBUF, 1 << 20);
        set_int (out, ZMQ_SNDHWM, 0);
        connect_to (in, out, transports[t]);
        for (int i = 0; i < 200; i++)
            IS (zmq_send (out, body, sizeof body, 0), sizeof body);
        sleep_ms (100 * slower ());
        struct pollfd fd = {get_int (in, ZMQ_FD), POLLIN, 0};
        int woken = 0;
        do
            CHECK ((get_int (in, ZMQ_EVENTS) & ZMQ_POLLIN) && woken++ < 20);
        while (poll (&fd, 1, 50) == 1);
        for (int i = 0; i < 200; i++) {
            while (!(get_int (in, ZMQ_EVENTS) & ZMQ_POLLIN))
                IS (poll (&fd, 1, 5000), 1);
            IS (zmq_recv (in, body, sizeof body, ZMQ_DONTWAIT), sizeof body);
        }
        zmq_close (out);
        zmq_close (in);
        zmq_ctx_term (ctx);
    }
}

MAIN (ENTRY (levels_of_nested_sets), ENTRY (nested_four_deep), ENTRY (quiet_although_there_is_more), ENTRY (receives_until_there_is_no_more),
      ENTRY (read_while_the_program_was_away), ENTRY (sends_until_there_is_no_room))
