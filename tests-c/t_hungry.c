/*
 * Without memory to receive with, what a peer says waits in the kernel, and is read when there is memory again: whatever it is that
 * memory is wanted for, and whether the application is away, is back when there is memory again, or asks while there is none.
 */
#include "failing_malloc.h"
#include "scenarios.h"

#include <sys/syscall.h>

/* There is none to be mapped, either. */
void *mmap (void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    return refused () ? MAP_FAILED : (void *) syscall (SYS_mmap, at, size, protection, flags, fd, offset);
}

void *mmap64 (void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    return mmap (at, size, protection, flags, fd, offset);
}

enum { AWAY, BACK_LATER, ASKS, WAYS };

static const char greeting[64] = "\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL";

/* A peer of the bound socket that says what it likes: its greeting and half of its handshake. */
static int half_a_talker (const char *ep)
{
    char in[64 + 2 + 255];
    int fd = raw_connect (ep);
    CHECK (raw_write (fd, greeting, sizeof greeting));
    CHECK (raw_read (fd, in, 66) && raw_read (fd, in, (uint8_t) in[65]));
    return fd;
}

static const char ready[] = "\4\32\5READY\13Socket-Type\0\0\0\4PUSH";

static const char dealer[] = "\4\34\5READY\13Socket-Type\0\0\0\6DEALER";

static int talker (const char *ep)
{
    int fd = half_a_talker (ep);
    CHECK (raw_write (fd, ready, sizeof ready - 1));
    return fd;
}

/* A frame with a long length, its body full of numbers: where it ends. */
static char *frame (char *to, size_t size, int number)
{
    *to++ = 2;
    for (int i = 56; i >= 0; i -= 8)
        *to++ = (char) (size >> i);
    memset (to, number, size);
    return to + size;
}

/* The next message is this one, whole. */
static void comes (void *s, size_t size, int number)
{
    static char got[4 << 20];
    IS (zmq_recv (s, got, sizeof got, 0), size);
    for (size_t i = 0; i < size; i++)
        CHECK (got[i] == (char) number);
}

/* There is no memory for a while. */
static void shortage (int way, void *in)
{
    char got[100];
    sleep_ms (30);
    if (way == ASKS) {
        set (in, ZMQ_RCVTIMEO, 30);
        FAILS (zmq_recv (in, got, sizeof got, 0), EAGAIN);
        set (in, ZMQ_RCVTIMEO, 5000);
    }
    EVENTUALLY (report->refused > 0, 5000);
    counting = 0;
    if (way == AWAY)
        sleep_ms (40);
}

/* Without memory to receive with, what a peer says waits in the kernel, and is read when there is memory again. */
GROUP (short_ones)
{
    enum { COUNT = 300, SIZE = 1000, LONG = 50000 };
    static char bytes[COUNT * (SIZE + 9) + LONG + 9], *to = bytes;
    make_report ();
    for (int k = 0; k < COUNT; k++, to += SIZE + 9) {
        memcpy (to, "\2\0\0\0\0\0\0\x03\xe8", 9);
        memcpy (to + 9, &k, sizeof k);
    }
    memcpy (to, "\2\0\0\0\0\0\0\xc3\x50", 9);
    /* The application is away; it is back when there is memory again; or while there is none. */
    for (int back = 0; back < WAYS; back++) {
        char ep[EP_SIZE];
        void *ctx = a_context (), *in = a_socket (ctx, ZMQ_PULL);
        a_bind (in, "tcp", ep);
        /* Who has one connection only looks at it without being told. */
        int silent = talker (ep), fd = talker (ep), k = 0, got, n;
        set (in, ZMQ_RCVTIMEO, 5000);
        CHECK (raw_write (fd, bytes, SIZE + 9));
        IS (zmq_recv (in, &got, sizeof got, 0), SIZE);
        no_memory ();
        sleep_ms (50);
        CHECK (raw_write (fd, bytes, sizeof bytes));
        sleep_ms (40);
        EVENTUALLY (report->refused > 0, 5000);
        set (in, ZMQ_RCVTIMEO, 50);
        while (back == ASKS && (n = zmq_recv (in, &got, sizeof got, 0)) >= 0) {
            IS (got, k == COUNT ? 0 : k);
            IS (n, k++ == COUNT ? LONG : SIZE);
        }
        counting = 0;
        if (back == AWAY)
            sleep_ms (40);
        set (in, ZMQ_RCVTIMEO, 5000);
        for (; k <= COUNT; k++) {
            IS (zmq_recv (in, &got, sizeof got, 0), k == COUNT ? LONG : SIZE);
            IS (got, k == COUNT ? 0 : k);
        }
        close (fd);
        close (silent);
        an_end (ctx, &in, 1);
    }
}

/* One of which a part is here that grows beyond its memory. */
GROUP (a_body_that_grows)
{
    enum { SIZE = 3 << 20, HERE = (1 << 20) - 50000 };
    char *bytes = malloc (SIZE + 100), *end = frame (frame (bytes, SIZE, 7), 10, 8);
    make_report ();
    for (int way = 0; way < WAYS; way++) {
        char ep[EP_SIZE];
        void *ctx = a_context (), *in = a_socket (ctx, ZMQ_PULL);
        a_bind (in, "tcp", ep);
        int fd = talker (ep);
        CHECK (raw_write (fd, bytes, HERE));
        sleep_ms (20);
        no_memory ();
        /* No more than the kernel takes, and enough to be worth a wake-up. */
        CHECK (raw_write (fd, bytes + HERE, 300000));
        shortage (way, in);
        CHECK (raw_write (fd, bytes + HERE + 300000, (size_t) (end - bytes) - HERE - 300000));
        set (in, ZMQ_RCVTIMEO, 5000);
        comes (in, SIZE, 7);
        comes (in, 10, 8);
        close (fd);
        an_end (ctx, &in, 1);
    }
    free (bytes);
}

/* One that zmq_recv reads to where it shall be, and that is not all here. */
GROUP (read_straight)
{
    enum { USUAL = 60000, SIZE = 20000, HERE = 10000 };
    static char usual[USUAL + 9], bytes[SIZE + 9 + 20], got[USUAL];
    char ep[EP_SIZE], *end = frame (frame (bytes, SIZE, 7), 10, 8);
    void *ctx = a_context (), *in = a_socket (ctx, ZMQ_PULL);
    frame (usual, USUAL, 5);
    make_report ();
    a_bind (in, "tcp", ep);
    int fd = talker (ep);
    for (int round = 0; round < 5; round++) {
        set (in, ZMQ_RCVTIMEO, 5000);
        /* Who knows what stands between long ones reads no more than that before one. */
        for (int i = 0; i < 3; i++) {
            CHECK (raw_write (fd, usual, sizeof usual));
            comes (in, USUAL, 5);
        }
        set (in, ZMQ_RCVTIMEO, 10);
        no_memory ();
        CHECK (raw_write (fd, bytes, 9 + HERE));
        FAILS (zmq_recv (in, got, sizeof got, 0), EAGAIN);
        FAILS (zmq_recv (in, got, sizeof got, 0), EAGAIN);
        EVENTUALLY (report->refused > 0, 5000);
        counting = 0;
        CHECK (raw_write (fd, bytes + 9 + HERE, (size_t) (end - bytes) - 9 - HERE));
        set (in, ZMQ_RCVTIMEO, 5000);
        comes (in, SIZE, 7);
        comes (in, 10, 8);
    }
    close (fd);
    an_end (ctx, &in, 1);
}

/* What came with the end of the handshake, to more connections than there are buffers kept. */
GROUP (behind_the_handshake)
{
    enum { PEERS = 70 };
    make_report ();
    for (int way = 0; way < WAYS; way++) {
        char bytes[3000], got[1000], ep[EP_SIZE], *end;
        int fds[PEERS], came[PEERS] = {0}, count = 0, n;
        void *ctx = a_context (), *in = a_socket (ctx, ZMQ_PULL);
        a_bind (in, "tcp", ep);
        /* There is a set for the connections. */
        int other = talker (ep);
        CHECK (raw_write (other, bytes, (size_t) (frame (bytes, 10, 9) - bytes)));
        set (in, ZMQ_RCVTIMEO, 5000);
        comes (in, 10, 9);
        for (int i = 0; i < PEERS; i++)
            fds[i] = half_a_talker (ep);
        no_memory ();
        for (int i = 0; i < PEERS; i++) {
            memcpy (bytes, ready, sizeof ready - 1);
            end = frame (frame (bytes + sizeof ready - 1, 1000, i), 1000, i);
            CHECK (raw_write (fds[i], bytes, (size_t) (end - bytes)));
        }
        sleep_ms (50);
        set (in, ZMQ_RCVTIMEO, 20);
        for (; way == ASKS && (n = zmq_recv (in, got, sizeof got, 0)) >= 0; count++)
            came[(int) got[0]]++;
        EVENTUALLY (report->refused > 0, 5000);
        counting = 0;
        if (way == AWAY)
            sleep_ms (40);
        set (in, ZMQ_RCVTIMEO, 2000);
        for (; count < 2 * PEERS; count++) {
            IS (zmq_recv (in, got, sizeof got, 0), sizeof got);
            came[(int) got[0]]++;
        }
        for (int i = 0; i < PEERS; i++) {
            IS (came[i], 2);
            close (fds[i]);
        }
        close (other);
        an_end (ctx, &in, 1);
    }
}

/* Lists with a place for each peer grow by more than 32 KiB. */
GROUP (one_peer_more)
{
    enum { PEERS = 1100, BEFORE = 1000 };
    char bytes[100], ep[EP_SIZE], got[100];
    int fds[PEERS];
    struct rlimit limit;
    CHECK (getrlimit (RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    CHECK (setrlimit (RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max > 3 * PEERS);
    make_report ();
    void *ctx = a_context (), *in = a_socket (ctx, ZMQ_DEALER);
    set (in, ZMQ_BACKLOG, PEERS);
    a_bind (in, "tcp", ep);
    for (int i = 0; i < PEERS; i++)
        fds[i] = half_a_talker (ep);
    set (in, ZMQ_RCVTIMEO, 3000);
    for (int i = 0; i < PEERS; i++) {
        memcpy (bytes, dealer, sizeof dealer - 1);
        if (i == BEFORE)
            no_memory ();
        CHECK (raw_write (fds[i], bytes, (size_t) (frame (bytes + sizeof dealer - 1, 10, i) - bytes)));
        if (i < BEFORE)
            IS (zmq_recv (in, got, sizeof got, 0), 10);
    }
    sleep_ms (30);
    EVENTUALLY (report->refused > 0, 5000);
    counting = 0;
    for (int i = BEFORE; i < PEERS; i++)
        IS (zmq_recv (in, got, sizeof got, 0), 10);
    for (int i = 0; i < PEERS; i++)
        close (fds[i]);
    an_end (ctx, &in, 1);
}

/*
 * The rest of a message of very many parts, which stays when the endpoint goes it came from, is a list that is longer than any
 * block of a reserve: 4 MiB.
 */
GROUP (rest_of_very_many_parts)
{
    enum { PARTS = 50000 };
    static char bytes[PARTS * 3], in[64 + 2 + 255];
    char ep[EP_SIZE], got[10];
    for (int i = 0; i < PARTS; i++)
        memcpy (bytes + i * 3, (char[]) {i < PARTS - 1, 1, (char) i}, 3);
    make_report ();
    void *ctx = a_context (), *pull = a_socket (ctx, ZMQ_PULL);
    int listener = raw_listen (ep, 1), fd;
    set (pull, ZMQ_RCVTIMEO, 5000);
    OK (zmq_connect (pull, ep));
    CHECK ((fd = accept (listener, NULL, NULL)) >= 0 && raw_write (fd, greeting, sizeof greeting));
    CHECK (raw_read (fd, in, 66) && raw_read (fd, in, (uint8_t) in[65]));
    CHECK (raw_write (fd, ready, sizeof ready - 1) && raw_write (fd, bytes, sizeof bytes));
    IS (zmq_recv (pull, got, sizeof got, 0), 1);
    no_memory ();
    OK (zmq_disconnect (pull, ep));
    EVENTUALLY (report->refused > 0, 5000);
    for (int i = 1; i < PARTS; i++) {
        IS (zmq_recv (pull, got, sizeof got, 0), 1);
        IS (got[0], (char) i);
    }
    counting = 0;
    close (fd);
    close (listener);
    an_end (ctx, &pull, 1);
}

/* Subscriptions of a peer that tells them as commands, with topics that are no part of a message; and a PING. */
GROUP (commands)
{
    static const char subscriber[] = "\4\31\5READY\13Socket-Type\0\0\0\3SUB", ping[] = "\4\7\4PING\0\0";
    make_report ();
    for (int way = 0; way < WAYS; way++) {
        char bytes[3000], ep[EP_SIZE], pong[7], *to = bytes;
        void *ctx = a_context (), *in = a_socket (ctx, ZMQ_XPUB);
        a_bind (in, "tcp", ep);
        char modern[64], told[64 + 2 + 255];
        memcpy (modern, greeting, sizeof modern);
        modern[11] = 1;
        int fd = raw_connect (ep);
        CHECK (raw_write (fd, modern, sizeof modern) && raw_write (fd, subscriber, sizeof subscriber - 1));
        CHECK (raw_read (fd, told, 66) && raw_read (fd, told + 66, (uint8_t) told[65]));
        for (int i = 0; i < 5; i++) {
            memcpy (to, "\4\xd2\11SUBSCRIBE", 12);
            memset (to + 12, 'a' + i, 200);
            to += 212;
        }
        memcpy (to, ping, sizeof ping - 1);
        to += sizeof ping - 1;
        sleep_ms (20);
        no_memory ();
        CHECK (raw_write (fd, bytes, (size_t) (to - bytes)));
        shortage (way, in);
        set (in, ZMQ_RCVTIMEO, 5000);
        for (int i = 0; i < 5; i++) {
            IS (zmq_recv (in, told, sizeof told, 0), 201);
            IS (told[0], 1);
            IS (told[200], 'a' + i);
        }
        CHECK (raw_read (fd, pong, sizeof pong) && !memcmp (pong, "\4\5\4PONG", 7));
        close (fd);
        an_end (ctx, &in, 1);
    }
}

/* ---- a peer that encrypts is a process of its own, which has memory ------------------------------------------------------- */

static const char *const key_public = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7",
                  *const key_secret = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6";

/* Connects, says hello, and sends `count` messages of `size` octets when it is told to; then it goes, if it is told to. */
static pid_t encrypting_peer (const char *ep, const int *told, int count, size_t size)
{
    char sign, body[100000];
    pid_t child = fork ();
    if (child != 0)
        return child;
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    close (told[1]);
    void *ctx = a_context (), *out = a_socket (ctx, ZMQ_PUSH);
    set (out, ZMQ_SNDTIMEO, 5000);
    set (out, ZMQ_SNDHWM, 0);
    set (out, ZMQ_LINGER, 5000);
    OK (zmq_setsockopt (out, ZMQ_CURVE_SERVERKEY, key_public, 41));
    OK (zmq_setsockopt (out, ZMQ_CURVE_PUBLICKEY, key_public, 41));
    OK (zmq_setsockopt (out, ZMQ_CURVE_SECRETKEY, key_secret, 41));
    OK (zmq_connect (out, ep));
    SEND (out, "hello", 0);
    CHECK (read (told[0], &sign, 1) == 1);
    for (int i = 0; i < count; i++) {
        memset (body, i, size);
        memcpy (body, &i, sizeof i);
        IS (zmq_send (out, body, size, 0), size);
    }
    CHECK (read (told[0], &sign, 1) >= 0);
    OK (zmq_close (out));
    OK (zmq_ctx_term (ctx));
    _exit (0);
}

static void encrypted_of (int count, size_t size, int goes)
{
    char got[100000];
    make_report ();
    for (int way = 0; way < WAYS; way++) {
        char ep[EP_SIZE];
        int told[2], status, k = 0, n, yes = 1;
        /* Its address has to be known to the child, and its context be none that the child inherits. */
        int place = socket (AF_INET, SOCK_STREAM, 0);
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl (INADDR_LOOPBACK)}};
        socklen_t len = sizeof a;
        setsockopt (place, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
        CHECK (bind (place, (struct sockaddr *) &a, sizeof a) == 0 && getsockname (place, (struct sockaddr *) &a, &len) == 0);
        CHECK (listen (place, 5) == 0);
        snprintf (ep, sizeof ep, "tcp://127.0.0.1:%d", ntohs (a.sin_port));
        CHECK (pipe (told) == 0);
        pid_t child = encrypting_peer (ep, told, count, size);
        close (told[0]);
        void *ctx = a_context (), *in = a_socket (ctx, ZMQ_PULL);
        set (in, ZMQ_RCVHWM, 0);
        set (in, ZMQ_CURVE_SERVER, 1);
        OK (zmq_setsockopt (in, ZMQ_CURVE_SECRETKEY, key_secret, 41));
        OK (zmq_setsockopt (in, ZMQ_USE_FD, &place, sizeof place));
        OK (zmq_bind (in, ep));
        set (in, ZMQ_RCVTIMEO, 5000);
        RECV (in, "hello");
        no_memory ();
        CHECK (write (told[1], "", 1) == 1);
        if (goes)
            CHECK (write (told[1], "", 1) == 1);
        sleep_ms (40);
        set (in, ZMQ_RCVTIMEO, 20);
        while (way == ASKS && (n = zmq_recv (in, got, sizeof got, 0)) >= 0) {
            IS (n, size);
            IS (*(int *) got, k);
            k++;
        }
        EVENTUALLY (report->refused > 0, 5000);
        counting = 0;
        if (way == AWAY)
            sleep_ms (40);
        set (in, ZMQ_RCVTIMEO, 5000);
        for (; k < count; k++) {
            IS (zmq_recv (in, got, sizeof got, 0), size);
            IS (*(int *) got, k);
            CHECK (size == sizeof k || got[size - 1] == (char) k);
        }
        close (told[1]);
        CHECK (waitpid (child, &status, 0) == child && status == 0);
        an_end (ctx, &in, 1);
    }
}

GROUP (encrypted) { encrypted_of (50, 300, 0); }
GROUP (encrypted_long_ones) { encrypted_of (5, 70000, 0); }
/* Their list alone is longer than any block of a reserve. */
GROUP (encrypted_many) { encrypted_of (20000, 4, 0); }
/* Whoever said it has gone meanwhile. */
GROUP (encrypted_last_words) { encrypted_of (300, 300, 1); }

MAIN (ENTRY (short_ones), ENTRY (a_body_that_grows), ENTRY (read_straight), ENTRY (behind_the_handshake), ENTRY (one_peer_more),
      ENTRY (rest_of_very_many_parts), ENTRY (commands), ENTRY (encrypted),
      ENTRY (encrypted_long_ones), ENTRY (encrypted_many), ENTRY (encrypted_last_words))
