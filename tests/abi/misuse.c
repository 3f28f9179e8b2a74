/*  What libzmq answers with an abort, a crash or an endless loop, and this library with an error.
 *  Exits with the number of the line that is wrong.  */
#include <zmq.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                       \
    do {                                                                       \
        if (!(condition)) {                                                    \
            fprintf (stderr, "line %d: %s, errno %d\n", __LINE__, #condition, errno); \
            exit (1);                                                          \
        }                                                                      \
    } while (0)
#define FAULT(call, result) CHECK ((errno = 0, (call) == (result) && errno == EFAULT))

static void *timers;
static int runs, mode;
static void tick (int id, void *arg)
{
    (void) id;
    (void) arg;
    runs++;
    if (mode == 1)
        CHECK (zmq_timers_execute (timers) == 0);
    if (mode == 2)
        CHECK (zmq_timers_destroy (&timers) == 0);
}

static void messages (void)
{
    zmq_msg_t msg, closed;
    zmq_msg_init (&closed);
    zmq_msg_close (&closed);
    FAULT (zmq_msg_data (&closed), NULL);
    FAULT (zmq_msg_size (&closed), 0);
    FAULT (zmq_msg_init (NULL), -1);
    FAULT (zmq_msg_init_size (NULL, 5), -1);
    FAULT (zmq_msg_init_data (NULL, NULL, 0, NULL, NULL), -1);
    FAULT (zmq_msg_init_data (&msg, NULL, 5, NULL, NULL), -1);
    FAULT (zmq_msg_close (NULL), -1);
    FAULT (zmq_msg_move (NULL, NULL), -1);
    FAULT (zmq_msg_copy (NULL, NULL), -1);
    FAULT (zmq_msg_data (NULL), NULL);
    FAULT (zmq_msg_size (NULL), 0);
    FAULT (zmq_msg_more (NULL), 0);
    FAULT (zmq_msg_get (NULL, ZMQ_MORE), -1);
    CHECK (zmq_msg_gets (NULL, "Socket-Type") == NULL && errno == EINVAL);
    /*  A message that could not be made is no message. */
    CHECK (zmq_msg_init_size (&msg, SIZE_MAX) == -1 && errno == ENOMEM);
    FAULT (zmq_msg_close (&msg), -1);
    CHECK (zmq_msg_init_size (&msg, 100) == 0);
    memset (zmq_msg_data (&msg), 'x', 100);
    CHECK (zmq_msg_copy (&msg, &msg) == 0 && zmq_msg_size (&msg) == 100);
    CHECK (*(char *) zmq_msg_data (&msg) == 'x');
    CHECK (zmq_msg_close (&msg) == 0);
}

static void handles (void)
{
    zmq_atomic_counter_destroy (NULL);
    zmq_atomic_counter_set (NULL, 1);
    FAULT (zmq_atomic_counter_value (NULL), -1);
    FAULT (zmq_stopwatch_stop (NULL), 0);
    FAULT (zmq_stopwatch_intermediate (NULL), 0);
    FAULT (zmq_threadstart (NULL, NULL), NULL);
    zmq_threadclose (NULL);
    zmq_version (NULL, NULL, NULL);
    CHECK (zmq_has (NULL) == 0);
    char text[41];
    FAULT (zmq_curve_public (NULL, "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"), -1);
    FAULT (zmq_curve_public (text, NULL), -1);
    FAULT (zmq_curve_keypair (NULL, text), -1);
    /*  Keys of another length: libzmq reads or writes beyond its buffers. */
    CHECK (zmq_curve_public (text, "HelloWorld") == -1 && errno == EINVAL);
    CHECK (zmq_curve_public (text, "0000000000000000000000000000000000000000HelloWorld") == -1);
    FAULT (zmq_z85_encode (NULL, (const uint8_t *) "abcd", 4), NULL);
    FAULT (zmq_z85_decode (NULL, "Hello"), NULL);
    FAULT (zmq_z85_decode ((uint8_t *) text, NULL), NULL);
    CHECK (zmq_z85_encode (NULL, NULL, 42) == NULL && errno == EINVAL);
}

static void timer_functions (void)
{
    FAULT (zmq_timers_destroy (NULL), -1);
    timers = zmq_timers_new ();
    /*  An interval of zero runs once per call. */
    CHECK (zmq_timers_add (timers, 0, tick, NULL) == 1);
    CHECK (zmq_timers_execute (timers) == 0 && runs == 1);
    CHECK (zmq_timers_cancel (timers, 1) == 0);
    /*  The largest interval is no overflow. */
    CHECK (zmq_timers_add (timers, SIZE_MAX, tick, NULL) == 2);
    CHECK (zmq_timers_timeout (timers) == LONG_MAX);
    CHECK (zmq_timers_execute (timers) == 0 && runs == 1);
    CHECK (zmq_timers_cancel (timers, 2) == 0);
    CHECK (zmq_timers_reset (timers, 2) == -1 && errno == EINVAL);
    /*  A handler may call execute, or end its timers. */
    runs = 0;
    CHECK (zmq_timers_add (timers, 1, tick, NULL) == 3);
    CHECK (zmq_timers_add (timers, 1, tick, NULL) == 4);
    for (mode = 1; mode <= 2; mode++) {
        while (zmq_timers_timeout (timers) > 0)
            ;
        CHECK (zmq_timers_execute (timers) == 0);
    }
    CHECK (timers == NULL);
}

int main (void)
{
    messages ();
    handles ();
    timer_functions ();
    return 0;
}
