/*
 * For tests of multicast: an endpoint of the process's own on the loopback interface, and packets made by hand. More must not be on
 * its way than a socket's buffer holds, some sixty packets: within one machine questions for those that are lost do not reach who
 * has sent them, as sender and receiver share the port.
 */
#ifndef TESTS_C_MULTICAST_H
#define TESTS_C_MULTICAST_H

/* Each run has a group and a port of its own. */
static int multicast_port (void)
{
    static int port;
    return port ? port : (port = 20000 + getpid () % 20000);
}

static const char UNUSED *multicast_endpoint (void)
{
    static char ep[EP_SIZE];
    int port = multicast_port ();
    snprintf (ep, sizeof ep, "epgm://127.0.0.1;239.192.%d.%d:%d", port >> 8 & 255, port & 255, port);
    return ep;
}

/* libpgm warns of the loopback interface, on stdout. */
static void __attribute__ ((constructor)) no_warnings (void)
{
    setenv ("PGM_MIN_LOG_LEVEL", "ERROR", 1);
}

#define NEEDS_PGM()                                                                                                    \
    do {                                                                                                               \
        if (!zmq_has ("pgm")) {                                                                                        \
            fprintf (stderr, "    skipped: no libpgm-5.3.so.0\n");                                                     \
            return;                                                                                                    \
        }                                                                                                              \
    } while (0)

/* libzmq's connect comes back before its I/O thread has joined the group; what it is too early for is lost. */
#define SETTLE() sleep_ms (50)

/* One that sends as fast as it likes. */
static void UNUSED *multicast_socket (void *ctx, int type)
{
    void *s = sock (ctx, type);
    set_int (s, ZMQ_RATE, 1000000);
    set_int (s, ZMQ_RECOVERY_IVL, 100);
    set_int (s, ZMQ_LINGER, 0);
    return s;
}

static char multicast_big[30000];

/* One message of parts, one that nobody subscribes to, and one of many packets. */
static void UNUSED send_some (void *pub, int i)
{
    memset (multicast_big, 'b', sizeof multicast_big);
    memcpy (multicast_big, "big", 3);
    SEND (pub, "A", ZMQ_SNDMORE);
    SEND (pub, "", ZMQ_SNDMORE);
    SEND (pub, "hello", 0);
    SEND (pub, "other", 0);
    IS (zmq_send (pub, multicast_big, i * 3000 + 3, 0), i * 3000 + 3);
}

static void UNUSED subscribe_to_some (void *sub)
{
    OK (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "A", 1));
    OK (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "big", 3));
}

static void UNUSED receive_some (void *sub, int i)
{
    static char got[sizeof multicast_big + 1];
    RECV (sub, "A");
    IS (RCVMORE (sub), 1);
    RECV (sub, "");
    RECV (sub, "hello");
    IS (zmq_recv (sub, got, sizeof got, 0), i * 3000 + 3);
    IS (memcmp (got, multicast_big, i * 3000 + 3), 0);
}

/* A packet of data of PGM (RFC 3208, "ODATA") from this sender, in a datagram. */
static void UNUSED send_packet (int sender, unsigned number, const void *payload, unsigned size)
{
    unsigned char packet[300] = {0x30, 0x39, multicast_port () >> 8, multicast_port () & 255, 4, 0, 0, 0, 1, 2, 3, 4, sender >> 8, sender};
    packet[14] = size >> 8, packet[15] = size;
    for (int i = 0; i < 4; i++)
        packet[16 + i] = number >> (24 - 8 * i);
    memcpy (packet + 24, payload, size);
    unsigned length = 24 + size, sum = 0;
    for (unsigned i = 0; i < length; i += 2)
        sum += packet[i] << 8 | packet[i + 1];
    sum = ~((sum & 0xffff) + (sum >> 16));
    packet[6] = sum >> 8, packet[7] = sum;
    static int fd = -1;
    if (fd == -1)
        OK (fd = socket (AF_INET, SOCK_DGRAM, 0));
    struct in_addr loopback = {htonl (INADDR_LOOPBACK)};
    OK (setsockopt (fd, IPPROTO_IP, IP_MULTICAST_IF, &loopback, sizeof loopback));
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons (multicast_port ())};
    to.sin_addr.s_addr = htonl (0xefc00000 | multicast_port ());
    IS (sendto (fd, packet, length, 0, (struct sockaddr *) &to, sizeof to), length);
}

#endif
