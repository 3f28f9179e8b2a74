/*
 * Reading the statistics of a process (docs/stats.md), as another program would: by way of /proc/PID/fd, with pread(2). The
 * numbers below are those of src/stats/layout.rs, which a unit test there compares.
 */
#ifndef TESTS_C_STATS_H
#define TESTS_C_STATS_H

#include "common.h"
#include <stdbool.h>

enum {
    /* the header */
    HEADER_VERSION = 8, HEADER_HEADER_SIZE = 16, HEADER_RECORD_SIZE = 20, HEADER_RECORDS = 24, HEADER_USED = 28,
    HEADER_PID = 32, HEADER_HIDDEN_SOCKETS = 36, HEADER_START_TIME = 40, HEADER_HIDDEN_PEERS = 48,
    /* every record */
    RECORD_SEQUENCE = 0, RECORD_KIND = 4, RECORD_ID = 8, RECORD_OWNER = 16,
    /* a socket */
    SOCKET_TYPE = 32, SOCKET_STATE = 36, SOCKET_CONTEXT = 40, SOCKET_THREAD = 44, SOCKET_LINGER = 48,
    SOCKET_TERMINATING = 52, SOCKET_BOUND = 56, SOCKET_CONNECTED = 60, SOCKET_MESSAGES_OUT = 64, SOCKET_BYTES_OUT = 72,
    SOCKET_MESSAGES_IN = 80, SOCKET_BYTES_IN = 88, SOCKET_DROPPED_FULL = 96, SOCKET_DROPPED_NO_PEER = 104,
    SOCKET_DROPPED_UNKNOWN = 112, SOCKET_FILTERED_OUT = 120, SOCKET_FILTERED_IN = 128, SOCKET_AGAIN_OUT = 136,
    SOCKET_AGAIN_IN = 144, SOCKET_BLOCKED_OUT = 152, SOCKET_BLOCKED_IN = 160, SOCKET_BLOCKED_OUT_SINCE = 168,
    SOCKET_BLOCKED_IN_SINCE = 176, SOCKET_SUBSCRIPTIONS = 184, SOCKET_FAILURE = 188, SOCKET_FAILURE_DETAIL = 192,
    SOCKET_FAILURES = 196, SOCKET_FAILURE_OURS = 208, SOCKET_FAILURE_THEIRS = 209, SOCKET_DROPPED_BEFORE = 216,
    SOCKET_ENDPOINT = 256, SOCKET_FAILURE_ADDRESS = 384,
    /* a peer */
    PEER_STATE = 32, PEER_DIRECTION = 36, PEER_MECHANISM = 37, PEER_PEER_MECHANISM = 38, PEER_ZMTP_MAJOR = 39,
    PEER_ZMTP_MINOR = 40, PEER_PEER_TYPE = 41, PEER_PEER_PID = 44, PEER_RECONNECTS = 48, PEER_ATTEMPTS = 52,
    PEER_LINK = 56, PEER_MESSAGES_OUT = 64, PEER_BYTES_OUT = 72, PEER_MESSAGES_IN = 80, PEER_BYTES_IN = 88,
    PEER_DROPPED_FULL = 96, PEER_LEFT = 104, PEER_CAME = 112, PEER_HEARD_AT = 120, PEER_LIMIT_OUT = 128,
    PEER_LIMIT_IN = 132, PEER_DEEPEST_OUT = 136, PEER_DEEPEST_IN = 140, PEER_FULL_SINCE = 144,
    PEER_STALLED_SINCE = 152, PEER_RETRY_AT = 168, PEER_ERROR = 176, PEER_FAILURE = 180, PEER_FAILURE_DETAIL = 200,
    PEER_ENDPOINT = 256, PEER_ADDRESS = 384
    /* the end */
};

/* Of PEER_STATE. */
enum { RESOLVING = 1, CONNECTING, HANDSHAKING, READY, WAITING, LINGERING, GONE, UNBOUND };

enum { STATS_SIZE = 1 << 20 };

/* What was read last. */
static unsigned char stats_bytes[STATS_SIZE];

static uint32_t word (const unsigned char *at, int offset)
{
    uint32_t value;
    memcpy (&value, at + offset, sizeof value);
    return value;
}

static uint64_t UNUSED number (const unsigned char *at, int offset)
{
    uint64_t value;
    memcpy (&value, at + offset, sizeof value);
    return value;
}

/* A descriptor for the statistics of a process that are its own; -1: there are none. */
static int stats_open (pid_t pid)
{
    char path[64], target[64];
    snprintf (path, sizeof path, "/proc/%d/fd", (int) pid);
    DIR *dir = opendir (path);
    CHECK (dir != NULL);
    int fd = -1;
    for (struct dirent *entry; fd == -1 && (entry = readdir (dir));) {
        unsigned char pid_bytes[4];
        ssize_t length = readlinkat (dirfd (dir), entry->d_name, target, sizeof target - 1);
        if (length <= 0)
            continue;
        target[length] = '\0';
        if (strcmp (target, "/memfd:zmq-stats (deleted)"))
            continue;
        OK (fd = openat (dirfd (dir), entry->d_name, O_RDONLY | O_CLOEXEC));
        if (pread (fd, pid_bytes, 4, HEADER_PID) != 4 || (pid_t) word (pid_bytes, 0) != pid) {
            close (fd);
            fd = -1;
        }
    }
    closedir (dir);
    return fd;
}

/* Reads those of a process; whether there are any. */
static bool stats_of_process (pid_t pid)
{
    int fd = stats_open (pid);
    if (fd == -1)
        return false;
    IS (pread (fd, stats_bytes, STATS_SIZE, 0), STATS_SIZE);
    close (fd);
    CHECK (!memcmp (stats_bytes, "ZMQSTATS", 8));
    IS (word (stats_bytes, HEADER_VERSION), 1);
    return true;
}

static const unsigned char *record_at (uint32_t n)
{
    return stats_bytes + word (stats_bytes, HEADER_HEADER_SIZE) + (size_t) n * word (stats_bytes, HEADER_RECORD_SIZE);
}

/* The first record of this kind from `n` on whose number at `offset` is this; NULL if there is none. */
static const unsigned char *find_record (uint32_t kind, int offset, uint32_t value)
{
    for (uint32_t n = 0; n < word (stats_bytes, HEADER_USED); n++)
        if (word (record_at (n), RECORD_KIND) == kind && word (record_at (n), offset) == value)
            return record_at (n);
    return NULL;
}

/* The first socket of this type. */
static const unsigned char UNUSED *socket_of (int type)
{
    CHECK (stats_of_process (getpid ()));
    return find_record (1, SOCKET_TYPE, (uint32_t) type);
}

/* The first peer of the first socket of this type. */
static const unsigned char UNUSED *peer_of (int type)
{
    const unsigned char *s = socket_of (type);
    return s ? find_record (2, RECORD_OWNER, word (s, RECORD_ID)) : NULL;
}

/* How many peers that has. */
static int UNUSED peers_of (int type)
{
    const unsigned char *s = socket_of (type);
    int count = 0;
    for (uint32_t n = 0; s && n < word (stats_bytes, HEADER_USED); n++)
        count += word (record_at (n), RECORD_KIND) == 2 && number (record_at (n), RECORD_OWNER) == number (s, RECORD_ID);
    return count;
}

/* What that socket and its peers have counted together. */
static uint64_t UNUSED sum_of (int type, int of_socket, int of_peers)
{
    const unsigned char *s = socket_of (type);
    uint64_t sum;
    CHECK (s != NULL);
    sum = number (s, of_socket);
    for (uint32_t n = 0; n < word (stats_bytes, HEADER_USED); n++)
        if (word (record_at (n), RECORD_KIND) == 2 && number (record_at (n), RECORD_OWNER) == number (s, RECORD_ID))
            sum += number (record_at (n), of_peers);
    return sum;
}

#define SENT(type) sum_of (type, SOCKET_MESSAGES_OUT, PEER_MESSAGES_OUT)
#define SENT_BYTES(type) sum_of (type, SOCKET_BYTES_OUT, PEER_BYTES_OUT)
#define RECEIVED(type) sum_of (type, SOCKET_MESSAGES_IN, PEER_MESSAGES_IN)
#define RECEIVED_BYTES(type) sum_of (type, SOCKET_BYTES_IN, PEER_BYTES_IN)
#define DROPPED(type) sum_of (type, SOCKET_DROPPED_FULL, PEER_DROPPED_FULL)
#define OF_SOCKET(type, field) number (socket_of (type), field)
#define OF_PEER(type, field) number (peer_of (type), field)
#define WORD_OF_SOCKET(type, field) word (socket_of (type), field)
#define WORD_OF_PEER(type, field) word (peer_of (type), field)
#define BYTE_OF_PEER(type, field) (peer_of (type)[field])

#endif
