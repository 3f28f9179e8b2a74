/* Options of contexts and properties of messages: defaults, ranges, numbers without a meaning. zmq_ctx_set(3), zmq_msg_get(3). */
#include "expect.h"
#include <limits.h>

/* `def` -1: cannot be read. Flags are read back as 0 or 1. */
static const struct { int option; int def, low, flag; } context_options[] = {
  {ZMQ_IO_THREADS, 1, 0, 0},
  {ZMQ_MAX_SOCKETS, 1023, 1, 0},
  {ZMQ_THREAD_SCHED_POLICY, -1, 0, 0},
  {ZMQ_MAX_MSGSZ, INT_MAX, 0, 0},
  {ZMQ_IPV6, 0, 0, 1},
  {ZMQ_BLOCKY, 1, 0, 1},
};

GROUP (context_options)
{
    static const int values[] = {0, 1, 2, 100, 65536, INT_MAX};
    for (size_t i = 0; i < sizeof context_options / sizeof *context_options; i++) {
        void *ctx = ctx_new ();
        int option = context_options[i].option, low = context_options[i].low;
        errno = 0;
        EXPECT (zmq_ctx_get (ctx, option) == context_options[i].def, "context option %d is %d", option, zmq_ctx_get (ctx, option));
        for (size_t k = 0; k < sizeof values / sizeof *values; k++) {
            if (values[k] < low)
                continue;
            EXPECT (zmq_ctx_set (ctx, option, values[k]) == 0, "context option %d refuses %d", option, values[k]);
            EXPECT (zmq_ctx_get (ctx, option) == (context_options[i].flag ? values[k] != 0 : values[k]), "context option %d: %d read as %d", option,
                    values[k], zmq_ctx_get (ctx, option));
        }
        FAILS (zmq_ctx_set (ctx, option, low - 1), EINVAL);
        FAILS (zmq_ctx_set (ctx, option, INT_MIN), EINVAL);
        OK (zmq_ctx_term (ctx));
    }
    void *ctx = ctx_new ();
    static const int unknown[] = {-1, 0, 8, 11, 12, 41, 43, 69, 71, INT_MAX};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        FAILS (zmq_ctx_get (ctx, unknown[i]), EINVAL);
        FAILS (zmq_ctx_set (ctx, unknown[i], 1), EINVAL);
    }
    /* One number, two names: the limit is read, the priority is written. */
    IS (zmq_ctx_get (ctx, ZMQ_SOCKET_LIMIT), 65535);
    OK (zmq_ctx_set (ctx, ZMQ_THREAD_PRIORITY, 0));
    FAILS (zmq_ctx_set (ctx, ZMQ_THREAD_PRIORITY, -1), EINVAL);
    IS (zmq_ctx_get (ctx, ZMQ_SOCKET_LIMIT), 65535);
    IS (zmq_ctx_get (ctx, ZMQ_MSG_T_SIZE), sizeof (zmq_msg_t));
    FAILS (zmq_ctx_set (ctx, ZMQ_MSG_T_SIZE, 64), EINVAL);
    /* Processors are a set. */
    FAILS (zmq_ctx_set (ctx, ZMQ_THREAD_AFFINITY_CPU_REMOVE, 0), EINVAL);
    OK (zmq_ctx_set (ctx, ZMQ_THREAD_AFFINITY_CPU_ADD, 0));
    OK (zmq_ctx_set (ctx, ZMQ_THREAD_AFFINITY_CPU_ADD, 0));
    OK (zmq_ctx_set (ctx, ZMQ_THREAD_AFFINITY_CPU_REMOVE, 0));
    FAILS (zmq_ctx_set (ctx, ZMQ_THREAD_AFFINITY_CPU_REMOVE, 0), EINVAL);
    FAILS (zmq_ctx_set (ctx, ZMQ_THREAD_AFFINITY_CPU_ADD, -1), EINVAL);
    FAILS (zmq_ctx_get (ctx, ZMQ_THREAD_AFFINITY_CPU_ADD), EINVAL);
    IS (zmq_ctx_get (ctx, ZMQ_THREAD_NAME_PREFIX), 0);
    OK (zmq_ctx_set (ctx, ZMQ_THREAD_NAME_PREFIX, 1234));
    IS (zmq_ctx_get (ctx, ZMQ_THREAD_NAME_PREFIX), 1234);
    OK (zmq_ctx_term (ctx));
    FAILS (zmq_ctx_set (NULL, ZMQ_IO_THREADS, 1), EFAULT);
    FAILS (zmq_ctx_get (NULL, ZMQ_IO_THREADS), EFAULT);
    IS (wrong, 0);
}

/* The first socket decides how many there may be. */
GROUP (context_limits_stand_from_the_first_socket_on)
{
    void *ctx = ctx_new (), *a = sock (ctx, ZMQ_PAIR), *b;
    OK (zmq_ctx_set (ctx, ZMQ_MAX_SOCKETS, 1));
    IS (zmq_ctx_get (ctx, ZMQ_MAX_SOCKETS), 1);
    b = sock (ctx, ZMQ_PAIR);
    OK (zmq_close (a));
    OK (zmq_close (b));
    OK (zmq_ctx_term (ctx));
}

GROUP (message_properties)
{
    zmq_msg_t small, large, copy;
    OK (zmq_msg_init_size (&small, 3));
    OK (zmq_msg_init_size (&large, 5000));
    OK (zmq_msg_init (&copy));
    for (int property = -1; property < 10; property++) {
        FAILS (zmq_msg_set (&small, property, 1), EINVAL);
        if (property == ZMQ_MORE || property == ZMQ_SHARED)
            IS (zmq_msg_get (&small, property), 0);
        else
            FAILS (zmq_msg_get (&small, property), EINVAL);
    }
    OK (zmq_msg_copy (&copy, &large));
    IS (zmq_msg_get (&copy, ZMQ_SHARED), 1);
    IS (zmq_msg_get (&large, ZMQ_SHARED), 1);
    /* Not from a connection: no descriptor, no properties. */
    FAILS (zmq_msg_get (&large, ZMQ_SRCFD), EINVAL);
    static const char *const names[] = {"", "Socket-Type", "Identity", "Routing-Id", "Peer-Address", "User-Id", "X-a"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        errno = 0;
        CHECK (zmq_msg_gets (&large, names[i]) == NULL);
        IS (errno, EINVAL);
    }
    OK (zmq_msg_close (&small));
    OK (zmq_msg_close (&large));
    OK (zmq_msg_close (&copy));
}

MAIN (ENTRY (context_options), ENTRY (context_limits_stand_from_the_first_socket_on), ENTRY (message_properties))
