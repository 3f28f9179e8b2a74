/*
 * A bridge between two interfaces, as a program: all frames pass, but for some datagrams on the way to or from certain ports of UDP,
 * which are lost, late or doubled. Always the same ones of a port and a direction, so that each run sees the same.
 */
#ifndef TESTS_C_BRIDGE_H
#define TESTS_C_BRIDGE_H

#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>

/* What becomes of the frames of a port. */
enum faults {
    NO_FAULTS,
    /* Each seventh with data, and each third of the small ones that come back: questions for those that are lost. */
    LOSES,
    /* Each fifth with data waits until three others have passed, or 20 ms. */
    REORDERS,
    /* Each third comes twice. */
    DOUBLES,
    /* The forty that follow the first thirty with data, and whatever else is said meanwhile. */
    BREAKS,
    /* The same, and no question ever comes back. */
    BREAKS_UNASKED
};

/* Frames of more octets have data. */
enum { SMALL = 200, LATE = 20 };

typedef struct
{
    int port;
    enum faults faults;
    /* Per direction: frames with data, and others. */
    int large[2], small[2];
    /* One that waits: its length, its direction, how many have passed it, and since when. */
    unsigned char late[2048];
    int late_size, late_way, passed;
    int64_t since;
} crossing_t;

static void forward (int to, const unsigned char *frame, int size)
{
    /* A full queue is a network that loses something, and at the end one side goes first. */
    if (send (to, frame, size, 0) == -1)
        CHECK (errno == ENOBUFS || errno == ENETDOWN || errno == ENXIO);
}

/* The ports of a datagram of UDP over IPv4, or zeros. Its checksum, which may not be there yet, is said to be none. */
static void look_at (unsigned char *frame, int size, int ports[2])
{
    ports[0] = ports[1] = 0;
    int header = size < 42 || frame[12] != 8 || frame[13] ? 0 : (frame[14] & 15) * 4;
    unsigned char *udp = frame + 14 + header;
    if (!header || frame[23] != IPPROTO_UDP || size < 14 + header + 8 || (frame[20] & 0x1f) || frame[21])
        return;
    ports[0] = udp[0] << 8 | udp[1];
    ports[1] = udp[2] << 8 | udp[3];
    udp[6] = udp[7] = 0;
}

static void release_late (crossing_t *one, const int *out)
{
    if (one->late_size)
        forward (out[one->late_way], one->late, one->late_size);
    one->late_size = 0;
}

/* How often a frame is to be sent on now. */
static int copies (crossing_t *one, int way, const unsigned char *frame, int size)
{
    int large = size > SMALL, count = large ? ++one->large[way] : ++one->small[way];
    switch (one->faults) {
    case LOSES:
        return large ? count % 7 != 0 : !(way == 1 && count % 3 == 1);
    case BREAKS_UNASKED:
        if (way == 1)
            return 0;
        /* fall through */
    case BREAKS:
        return one->large[0] <= 30 || one->large[0] > 70;
    case DOUBLES:
        return count % 3 == 0 ? 2 : 1;
    case REORDERS:
        if (!large || count % 5 || one->late_size || size > (int) sizeof one->late)
            return 1;
        memcpy (one->late, frame, size);
        one->late_size = size, one->late_way = way, one->passed = 0, one->since = now_ms ();
        return 0;
    default:
        return 1;
    }
}

static void cross (int way, const int *out, unsigned char *frame, int size, crossing_t *all, int count)
{
    int ports[2], times = 1;
    crossing_t *one = NULL;
    look_at (frame, size, ports);
    for (int i = 0; i < count; i++)
        if (ports[0] && (all[i].port == ports[0] || all[i].port == ports[1]))
            one = all + i;
    if (one)
        times = copies (one, way, frame, size);
    for (int i = 0; i < times; i++)
        forward (out[way], frame, size);
    if (one && times && one->late_size && one->late_way == way && ++one->passed == 3)
        release_late (one, out);
}

static int raw_socket (const char *interface)
{
    int fd;
    OK (fd = socket (AF_PACKET, SOCK_RAW, htons (ETH_P_ALL)));
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons (ETH_P_ALL)};
    CHECK (at.sll_ifindex = if_nametoindex (interface));
    OK (bind (fd, (struct sockaddr *) &at, sizeof at));
    struct packet_mreq all = {.mr_ifindex = at.sll_ifindex, .mr_type = PACKET_MR_PROMISC};
    OK (setsockopt (fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof all));
    int room = 4 << 20;
    OK (setsockopt (fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room));
    OK (setsockopt (fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room));
    return fd;
}

/* From the first interface to the second is direction 0. Says when it is ready, and goes on until the process ends. */
static void bridge (const char *first, const char *second, crossing_t *all, int count, int ready)
{
    static unsigned char frame[65536];
    int in[2] = {raw_socket (first), raw_socket (second)}, out[2] = {in[1], in[0]};
    IS (write (ready, "", 1), 1);
    for (;;) {
        struct pollfd fds[2] = {{in[0], POLLIN, 0}, {in[1], POLLIN, 0}};
        int waits = -1;
        for (int i = 0; i < count; i++)
            if (all[i].late_size && now_ms () - all[i].since >= LATE)
                release_late (all + i, out);
            else if (all[i].late_size)
                waits = LATE;
        OK (poll (fds, 2, waits));
        for (int way = 0; way < 2; way++) {
            struct sockaddr_ll from;
            socklen_t length = sizeof from;
            int size = recvfrom (in[way], frame, sizeof frame, MSG_DONTWAIT, (struct sockaddr *) &from, &length);
            if (size > 0 && from.sll_pkttype != PACKET_OUTGOING)
                cross (way, out, frame, size, all, count);
        }
    }
}

#endif
