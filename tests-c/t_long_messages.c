/* Long messages: they wait for no reader, are the caller's again at once, and come in pieces. zmq_send(3). */
#include "common.h"

/* Long messages for a reader that is away: they queue, a send does not wait for it, and all of them are read later,
 * into buffers or as messages. */
GROUP (long_messages_do_not_wait_for_the_reader)
{
    enum { COUNT = 300, SIZE = 100000 };
    static const char *const transports[] = {"tcp", "ipc"};
    /* Message i starts at byte i; they are of up to SIZE + 2 bytes. */
    enum { ALL = SIZE + 2 + COUNT };
    char *body = malloc (ALL), *got = malloc (ALL);
    CHECK (body && got);
    for (int i = 0; i < ALL; i++)
        body[i] = (char) (i * 7 + i / 251);
    for (int t = 0; t < 2; t++) {
        void *ctx = ctx_new (), *ctx2 = ctx_new (), *in = sock (ctx2, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
        char ep[EP_SIZE];
        set_int (in, ZMQ_RCVHWM, 1);
        bind_any (in, transports[t], ep);
        OK (zmq_connect (out, ep));
        SEND (out, "first", 0);
        RECV (in, "first");
        int64_t began = now_ms ();
        for (int i = 0; i < COUNT; i++)
            IS (zmq_send (out, body + i, SIZE + i % 3, 0), SIZE + i % 3);
        /* A wait of a second for each would be 300. */
        CHECK (now_ms () - began < 5000);
        for (int i = 0; i < COUNT; i++) {
            if (i % 4 == 3) {
                zmq_msg_t m;
                OK (zmq_msg_init (&m));
                IS (zmq_msg_recv (&m, in, 0), SIZE + i % 3);
                CHECK (!memcmp (zmq_msg_data (&m), body + i, SIZE + i % 3));
                OK (zmq_msg_close (&m));
            } else {
                /* What does not fit is lost. */
                int room = i % 4 == 2 ? SIZE / 2 : SIZE + 2;
                IS (zmq_recv (in, got, room, 0), SIZE + i % 3);
                CHECK (!memcmp (got, body + i, room < SIZE + i % 3 ? room : SIZE + i % 3));
            }
        }
        OK (zmq_close (in));
        OK (zmq_close (out));
        OK (zmq_ctx_term (ctx));
        OK (zmq_ctx_term (ctx2));
    }
    free (body);
    free (got);
}

enum { LENT_COUNT = 40, LENT_SIZE = 1500000 };
struct lent { void *socket; int whole; };

static void fill_lent (char *body, int number)
{
    for (int i = 0; i < LENT_SIZE; i += 4096)
        body[i] = (char) (number + i / 4096);
    body[LENT_SIZE - 1] = (char) number;
}

static void *read_lent (void *arg)
{
    struct lent *lent = arg;
    char *got = malloc (LENT_SIZE), *want = calloc (1, LENT_SIZE);
    CHECK (got && want);
    for (;;) {
        int size = zmq_recv (lent->socket, got, LENT_SIZE, 0);
        if (size == 4)
            break;
        if (size == 1)
            continue;
        IS (size, LENT_SIZE);
        /* The number of a message is its first byte. */
        fill_lent (want, got[0]);
        CHECK (!memcmp (got, want, LENT_SIZE));
        if (++lent->whole % 7 == 0)
            sleep_ms (15);
    }
    free (got);
    free (want);
    return NULL;
}

/* What zmq_send was given is the caller's again when it returns, however slow the reader is: messages many times as
 * long as what the kernel takes at once, and a close behind them. */
GROUP (long_messages_are_the_callers_again)
{
    static const char *const transports[] = {"tcp", "ipc"};
    char *body = calloc (1, LENT_SIZE);
    CHECK (body);
    for (int t = 0; t < 2; t++) {
        void *ctx = ctx_new (), *ctx2 = ctx_new (), *out = sock (ctx, ZMQ_PUSH);
        struct lent lent = {sock (ctx2, ZMQ_PULL), 0};
        char ep[EP_SIZE];
        pthread_t reader;
        set_int (lent.socket, ZMQ_RCVHWM, 1);
        set_int (out, ZMQ_LINGER, -1);
        bind_any (lent.socket, transports[t], ep);
        OK (zmq_connect (out, ep));
        SEND (out, "-", 0);
        OK (pthread_create (&reader, NULL, read_lent, &lent));
        for (int i = 0; i < LENT_COUNT; i++) {
            fill_lent (body, i);
            IS (zmq_send (out, body, LENT_SIZE, 0), LENT_SIZE);
            memset (body, 0, LENT_SIZE);
        }
        SEND (out, "last", 0);
        OK (zmq_close (out));
        OK (pthread_join (reader, NULL));
        IS (lent.whole, LENT_COUNT);
        OK (zmq_close (lent.socket));
        OK (zmq_ctx_term (ctx));
        OK (zmq_ctx_term (ctx2));
    }
    free (body);
}

/* A long message that comes in pieces is not there before the last of them, whatever was tried meanwhile. */
GROUP (long_message_in_pieces)
{
    enum { SIZE = 600000, PIECES = 6 };
    static const unsigned char greeting[64] = {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 0, 'N', 'U', 'L', 'L'};
    static const unsigned char ready[] = "\4\32\5READY\13Socket-Type\0\0\0\4PUSH";
    unsigned char *frame = malloc (9 + SIZE), *got = malloc (SIZE), theirs[64 + 28];
    CHECK (frame && got);
    memcpy (frame, "\2\0\0\0\0\0", 6);
    frame[6] = SIZE >> 16 & 0xff;
    frame[7] = SIZE >> 8 & 0xff;
    frame[8] = SIZE & 0xff;
    for (int i = 0; i < SIZE; i++)
        frame[9 + i] = (unsigned char) (i * 5 + i / 253);
    void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL);
    char ep[EP_SIZE];
    bind_any (in, "tcp", ep);
    int fd = raw_connect (ep);
    CHECK (raw_write (fd, greeting, sizeof greeting));
    CHECK (raw_write (fd, ready, sizeof ready - 1));
    CHECK (raw_read (fd, theirs, sizeof theirs));
    for (int round = 0; round < 4; round++) {
        for (int piece = 0; piece < PIECES; piece++) {
            RECV_NONE (in, 20);
            FAILS (zmq_recv (in, got, SIZE, ZMQ_DONTWAIT), EAGAIN);
            int from = piece * (SIZE / PIECES), to = (piece + 1) * (SIZE / PIECES);
            CHECK (raw_write (fd, frame + (piece ? 9 : 0) + from, to - from + (piece ? 0 : 9)));
        }
        memset (got, 0, SIZE);
        IS (zmq_recv (in, got, SIZE, 0), SIZE);
        CHECK (!memcmp (got, frame + 9, SIZE));
    }
    close (fd);
    free (frame);
    free (got);
    OK (zmq_close (in));
    OK (zmq_ctx_term (ctx));
}

MAIN (ENTRY (long_messages_do_not_wait_for_the_reader), ENTRY (long_messages_are_the_callers_again),
      ENTRY (long_message_in_pieces))
