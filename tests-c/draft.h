/* Helpers for tests of the draft socket types. */
#ifndef TESTS_C_DRAFT_H
#define TESTS_C_DRAFT_H

#include "common.h"

static const char *const transports[] UNUSED = {"tcp", "ipc", "inproc"};
#define EACH_TRANSPORT for (size_t at_ = 0; at_ < sizeof transports / sizeof *transports; at_++)
#define TRANSPORT transports[at_]

/* Sends to a peer of a SERVER or PEER, or to a group of a RADIO. On an error the message was left as it was. */
static int UNUSED send_as (void *s, const char *body, uint32_t routing_id, const char *group, int flags)
{
    zmq_msg_t msg;
    OK (zmq_msg_init_size (&msg, strlen (body)));
    memcpy (zmq_msg_data (&msg), body, strlen (body));
    if (routing_id)
        OK (zmq_msg_set_routing_id (&msg, routing_id));
    if (group)
        OK (zmq_msg_set_group (&msg, group));
    int rc = zmq_msg_send (&msg, s, flags), saved = errno;
    if (rc == -1) {
        IS (zmq_msg_size (&msg), strlen (body));
        IS (zmq_msg_routing_id (&msg), routing_id);
        CHECK (!strcmp (zmq_msg_group (&msg), group ? group : ""));
        CHECK (!memcmp (zmq_msg_data (&msg), body, strlen (body)));
    }
    OK (zmq_msg_close (&msg));
    errno = saved;
    return rc;
}

/* Receives this; returns the number of the peer, and checks the group. */
static uint32_t UNUSED recv_as (void *s, const char *want, const char *group)
{
    zmq_msg_t msg;
    OK (zmq_msg_init (&msg));
    IS (zmq_msg_recv (&msg, s, 0), strlen (want));
    CHECK (!memcmp (zmq_msg_data (&msg), want, strlen (want)));
    CHECK (!strcmp (zmq_msg_group (&msg), group));
    IS (zmq_msg_more (&msg), 0);
    uint32_t routing_id = zmq_msg_routing_id (&msg);
    OK (zmq_msg_close (&msg));
    return routing_id;
}

/* A bound and a connected socket. */
static void UNUSED couple (void *ctx, int type, int type_of_peer, const char *transport, void **bound, void **connected, char *ep)
{
    *bound = sock (ctx, type);
    *connected = sock (ctx, type_of_peer);
    bind_any (*bound, transport, ep);
    OK (zmq_connect (*connected, ep));
}

/* Until the dish hears of this group, or does not any more: the radio learns that in its own time. */
static void UNUSED settle (void *radio, void *dish, const char *group, int joined)
{
    for (int tries = 0; tries < 2000; tries++) {
        IS (send_as (radio, "?", 0, group, 0), 1);
        if (readable (dish, joined ? 5 : 1) == joined)
            break;
        if (!joined)
            (void) recv_as (dish, "?", group);
    }
    while (readable (dish, 20))
        (void) recv_as (dish, "?", group);
}

/* ---- peers that are not ours ---------------------------------------------------------------------------------- */

/* A peer of this type, which speaks ZMTP 3.1, has said all it says in the handshake. */
static int UNUSED raw_hello (const char *ep, const char *type)
{
    unsigned char greeting[64] = {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 1, 'N', 'U', 'L', 'L'}, ready[64];
    int fd = raw_connect (ep), size = 2 + 6 + 12 + 4 + (int) strlen (type);
    CHECK (raw_write (fd, greeting, sizeof greeting));
    ready[0] = 4;
    ready[1] = (unsigned char) (size - 2);
    memcpy (ready + 2, "\5READY\13Socket-Type\0\0\0", 21);
    ready[23] = (unsigned char) strlen (type);
    memcpy (ready + 24, type, strlen (type));
    CHECK (raw_write (fd, ready, (size_t) size));
    return fd;
}

/* And has heard all. */
static int UNUSED raw_peer (const char *ep, const char *type)
{
    unsigned char got[256];
    int fd = raw_hello (ep, type);
    CHECK (raw_read (fd, got, 66) && got[64] == 4 && raw_read (fd, got + 66, got[65]));
    return fd;
}

#define WRITE(fd, bytes) CHECK (raw_write (fd, bytes, sizeof bytes - 1))
#define READ(fd, bytes)                                                                                                \
    do {                                                                                                               \
        char got_[sizeof bytes];                                                                                       \
        CHECK (raw_read (fd, got_, sizeof bytes - 1));                                                                 \
        CHECK (!memcmp (got_, bytes, sizeof bytes - 1));                                                               \
    } while (0)

#endif
