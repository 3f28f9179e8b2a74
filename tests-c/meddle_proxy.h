/*
 * A proxy that meddles: it passes on a number of bytes of one direction, whatever they are, and then cuts, resets,
 * half-closes, stalls or delays the connection. Bytes go on in the pieces it likes. No libzmq here.
 */
#ifndef TESTS_C_MEDDLE_PROXY_H
#define TESTS_C_MEDDLE_PROXY_H

#include "common.h"
#include <sys/ioctl.h>

/* What happens after the last byte that is passed on. */
enum { CUT, RESET, RESET_SENDER, RESET_RECEIVER, HALF_CLOSE, STALL, DELAY, ACTIONS };
static const char *const action_names[] = {"cut", "reset", "sender reset", "receiver reset", "half-closed", "stalled", "delayed"};

typedef struct
{
    int from, action; /* of who connects (0) or who accepts (1) */
    long at;          /* bytes; -1: never */
    int piece;        /* the longest piece; 0: as they come */
} plan_t;

static struct link
{
    int open;
    int fds[2]; /* who came, and to whom */
    struct
    {
        char bytes[16384];
        size_t size, at;
        int ended;
    } way[2]; /* what comes from each */
    long moved[2];
    plan_t plan;
    int64_t pause, until; /* nothing is passed on before; the end */
} the_link;

static int door = -1;
static char target[EP_SIZE];
static long cuts;
static plan_t next_plan; /* of the next connection; `cuts` says when it was used */
static uint64_t random_state = 1;

static unsigned below (unsigned n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned) (random_state >> 33) % n;
}

static int raw_socket (const char *ep, struct sockaddr_storage *to, socklen_t *size)
{
    int tcp = !strncmp (ep, "tcp", 3), small = 32768, one = 1;
    memset (to, 0, sizeof *to);
    if (tcp) {
        struct sockaddr_in *a = (struct sockaddr_in *) to;
        a->sin_family = AF_INET;
        a->sin_addr.s_addr = htonl (INADDR_LOOPBACK);
        a->sin_port = htons ((uint16_t) atoi (strrchr (ep, ':') + 1));
        *size = sizeof *a;
    } else {
        struct sockaddr_un *a = (struct sockaddr_un *) to;
        a->sun_family = AF_UNIX;
        strcpy (a->sun_path, ep + 6);
        *size = sizeof *a;
    }
    int fd = socket (tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK (fd >= 0);
    setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    /* What the kernel may hold is limited, so that it can be told what may be lost. */
    setsockopt (fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    setsockopt (fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    if (tcp)
        setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

/* Listens at `ep` for who is to be led to `to`. */
static void open_door (const char *ep, const char *to)
{
    struct sockaddr_storage a;
    socklen_t size;
    strcpy (target, to);
    door = raw_socket (ep, &a, &size);
    CHECK (bind (door, (struct sockaddr *) &a, size) == 0 && listen (door, 20) == 0);
    fcntl (door, F_SETFL, O_NONBLOCK);
}

/* Ends the connection, with a reset for those of both in the mask. What is passed on and still on its way would be
 * overtaken by the next connection, which nobody could notice: the end waits for it. */
static void hang_up (struct link *l, int reset)
{
    struct linger hard = {1, 0};
    for (int i = 0; i < 2; i++) {
        int left;
        if (reset >> i & 1)
            setsockopt (l->fds[i], SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        else if (strncmp (target, "ipc", 3))
            /* Unless that one has gone. */
            for (int k = 0; k < 5000 && ioctl (l->fds[i], TIOCOUTQ, &left) == 0 && left > 1 && poll (&(struct pollfd){l->fds[i], 0, 0}, 1, 1) == 0; k++)
                ;
        close (l->fds[i]);
    }
    l->open = 0;
}

/* The next has to wait for the end of the one before: it would overtake what is still on its way there. */
static void welcome (struct link *l)
{
    struct sockaddr_storage a;
    socklen_t size;
    int fd = accept4 (door, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on;
    if (fd < 0)
        return;
    on = raw_socket (target, &a, &size);
    if (connect (on, (struct sockaddr *) &a, size) == -1) {
        close (on);
        close (fd);
        return;
    }
    fcntl (on, F_SETFL, O_NONBLOCK);
    memset (l, 0, sizeof *l);
    l->fds[0] = fd;
    l->fds[1] = on;
    l->open = 1;
    l->plan = next_plan;
}

static void act (struct link *l)
{
    int from = l->plan.from;
    l->plan.at = -1;
    cuts++;
    switch (l->plan.action) {
        case CUT:
            return hang_up (l, 0);
        case RESET:
            return hang_up (l, 3);
        case RESET_SENDER:
            return hang_up (l, 1 << from);
        case RESET_RECEIVER:
            return hang_up (l, 2 >> from);
        case HALF_CLOSE:
            /* What comes from the sender is taken no more; the other direction goes on for a moment. */
            shutdown (l->fds[1 - from], SHUT_WR);
            l->way[from].ended = 1;
            l->until = now_ms () + 4;
            return;
        case STALL:
            l->pause = l->until = now_ms () + 8;
            return;
        default:
            /* A pause, and a cut a little further on. */
            cuts--;
            l->pause = now_ms () + 3;
            l->plan.action = CUT;
            l->plan.at = l->moved[from] + 29;
    }
}

/* Passes on what comes from one side, as far as the plan goes. */
static void pass (struct link *l, int from)
{
    plan_t *p = &l->plan;
    long most = sizeof l->way[from].bytes;
    if (p->at >= 0 && p->from == from && p->at - l->moved[from] < most)
        most = p->at - l->moved[from];
    if (most == 0)
        return act (l);
    if (p->piece && most > p->piece)
        most = 1 + (long) below ((unsigned) p->piece);
    if (l->way[from].at == l->way[from].size && !l->way[from].ended) {
        ssize_t n = recv (l->fds[from], l->way[from].bytes, (size_t) most, 0);
        if (n < 0)
            return errno == EAGAIN ? (void) 0 : hang_up (l, 3);
        if (n == 0) {
            shutdown (l->fds[1 - from], SHUT_WR);
            l->way[from].ended = 1;
            if (l->way[1 - from].ended)
                hang_up (l, 0);
            return;
        }
        l->way[from].size = (size_t) n;
        l->way[from].at = 0;
    }
    size_t left = l->way[from].size - l->way[from].at;
    ssize_t n = left ? send (l->fds[1 - from], l->way[from].bytes + l->way[from].at, left, MSG_NOSIGNAL) : 0;
    if (n < 0)
        return errno == EAGAIN ? (void) 0 : hang_up (l, 3);
    l->way[from].at += (size_t) n;
    l->moved[from] += n;
    if (p->at == l->moved[from] && p->from == from)
        act (l);
}

/* One look at everything. */
static void relay (int ms)
{
    struct link *l = &the_link;
    struct pollfd items[3] = {{l->open ? -1 : door, POLLIN, 0}};
    for (int from = 0; from < 2; from++) {
        int waits = l->way[from].at < l->way[from].size, back = l->way[1 - from].at < l->way[1 - from].size;
        int idle = !l->open || l->pause > now_ms () || (l->way[from].ended && !back);
        items[1 + from] = (struct pollfd){idle ? -1 : l->fds[from], (short) ((waits || l->way[from].ended ? 0 : POLLIN) | (back ? POLLOUT : 0)), 0};
    }
    poll (items, 3, ms);
    for (int from = 0; from < 2; from++) {
        if (l->open && l->plan.at == 0)
            act (l);
        if (l->open && l->until && now_ms () >= l->until)
            hang_up (l, l->plan.piece ? 3 : 0);
        if (l->open && items[1 + from].revents & POLLOUT)
            pass (l, 1 - from);
        if (l->open && items[1 + from].revents & ~POLLOUT)
            pass (l, from);
    }
    if (items[0].revents)
        welcome (l);
}

static void close_door (void)
{
    if (the_link.open)
        hang_up (&the_link, 0);
    close (door);
    door = -1;
}

#endif
