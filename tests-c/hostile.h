/* One socket, and those who say to it what no ZeroMQ peer says. */
#include "common.h"

static const unsigned char UNUSED greeting_null[64] = {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 0, 'N', 'U', 'L', 'L'};
static const unsigned char UNUSED greeting_31[64] = {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 1, 'N', 'U', 'L', 'L'};

static void *ctx, *server;
static char ep[EP_SIZE];

/* A long frame with this 64-bit length and the given flags. */
static void UNUSED frame_of_length (int fd, int flags, uint64_t length)
{
    unsigned char head[9] = {(unsigned char) (flags | 2)};
    for (int i = 0; i < 8; i++)
        head[8 - i] = (unsigned char) (length >> (8 * i));
    raw_write (fd, head, 9);
}
