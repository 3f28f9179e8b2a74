/*  What the utility and message functions do, as text. tests/abi.rs runs this with our library and
 *  with the distribution's libzmq; both must print the same. Which one answered goes to stderr.  */
#define _GNU_SOURCE
#include <zmq.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

/*  Prints an expression, its value, and errno if it was set.  */
#define SHOW(expression)                                                       \
    do {                                                                       \
        errno = 0;                                                             \
        long value = (long) (expression);                                      \
        printf ("%s = %ld, errno %d\n", #expression, value, errno);            \
    } while (0)

static void errors (void)
{
    for (int number = -3; number < 140; number++)
        printf ("%d: %s\n", number, zmq_strerror (number));
    for (int number = ZMQ_HAUSNUMERO - 1; number < ZMQ_HAUSNUMERO + 60; number++)
        printf ("%d: %s\n", number, zmq_strerror (number));
    errno = EXDEV;
    SHOW ((errno = ETERM, zmq_errno ()));
}

static int freed;
static void *freed_data, *freed_hint;
static void release (void *data, void *hint)
{
    freed++;
    freed_data = data;
    freed_hint = hint;
}

static void properties (const zmq_msg_t *msg)
{
    for (int property = -1; property < 6; property++)
        printf ("%d ", zmq_msg_get (msg, property));
    errno = 0;
    int rc = zmq_msg_get (msg, 99);
    printf ("more %d unknown %d errno %d\n", zmq_msg_more (msg), rc, errno);
}

static void messages_of_size (size_t size)
{
    zmq_msg_t a, b;
    SHOW (zmq_msg_init_size (&a, size));
    SHOW (zmq_msg_size (&a));
    SHOW (zmq_msg_data (&a) != NULL);
    memset (zmq_msg_data (&a), 'x', size);
    properties (&a);
    SHOW (zmq_msg_init (&b));
    SHOW (zmq_msg_size (&b));
    SHOW (zmq_msg_copy (&b, &a));
    properties (&a);
    properties (&b);
    SHOW (memcmp (zmq_msg_data (&a), zmq_msg_data (&b), size));
    SHOW (zmq_msg_move (&a, &b));
    SHOW (zmq_msg_size (&a));
    SHOW (zmq_msg_size (&b));
    SHOW (zmq_msg_move (&a, &a));
    SHOW (zmq_msg_size (&a));
    SHOW (zmq_msg_close (&a));
    SHOW (zmq_msg_close (&a));
    SHOW (zmq_msg_close (&b));
}

static void message_over (void *data, size_t size, zmq_free_fn *free_fn)
{
    zmq_msg_t a, b;
    freed = 0;
    SHOW (zmq_msg_init_data (&a, data, size, free_fn, &freed));
    SHOW (zmq_msg_data (&a) == data);
    SHOW (zmq_msg_size (&a));
    properties (&a);
    zmq_msg_init (&b);
    SHOW (zmq_msg_copy (&b, &a));
    SHOW (zmq_msg_data (&b) == data);
    properties (&a);
    SHOW (zmq_msg_close (&b));
    properties (&a);
    SHOW (freed);
    SHOW (zmq_msg_init_size (&b, 1000));
    SHOW (zmq_msg_move (&a, &b));
    SHOW (freed);
    SHOW (free_fn == NULL || (freed_data == data && freed_hint == &freed));
    zmq_msg_close (&a);
    zmq_msg_close (&b);
    SHOW (freed);
}

static void no_message (zmq_msg_t *bad)
{
    zmq_msg_t good, large;
    zmq_msg_init (&good);
    zmq_msg_init_size (&large, 500);
    SHOW (zmq_msg_close (bad));
    SHOW (zmq_msg_move (&good, bad));
    SHOW (zmq_msg_move (bad, &good));
    SHOW (zmq_msg_copy (&good, bad));
    SHOW (zmq_msg_copy (bad, &good));
    SHOW (zmq_msg_copy (bad, &large));
    SHOW (zmq_msg_more (bad));
    SHOW (zmq_msg_get (bad, ZMQ_MORE));
    SHOW (zmq_msg_get (bad, 77));
    SHOW (zmq_msg_set (bad, ZMQ_MORE, 1));
    SHOW (zmq_msg_close (&good));
    SHOW (zmq_msg_close (&large));
}

static void messages (void)
{
    size_t sizes[] = {0, 1, 33, 100, 5000};
    for (int i = 0; i < 5; i++)
        messages_of_size (sizes[i]);
    char data[100];
    message_over (data, 100, release);
    message_over (data, 100, NULL);
    message_over (data, 5, release);
    message_over (data, 0, release);
    message_over (NULL, 0, release);
    message_over (NULL, 0, NULL);

    zmq_msg_t msg;
    SHOW (zmq_msg_init_size (&msg, (size_t) -1));
    SHOW (zmq_msg_init_size (&msg, (size_t) -200));
    SHOW (zmq_msg_init_size (&msg, SIZE_MAX / 2));
    zmq_msg_init (&msg);
    for (int property = -1; property < 6; property++)
        SHOW (zmq_msg_set (&msg, property, 1));
    SHOW (zmq_msg_gets (&msg, "Socket-Type") == NULL);
    SHOW (zmq_msg_gets (&msg, "") == NULL);
    SHOW (zmq_msg_gets (&msg, NULL) == NULL);
    zmq_msg_close (&msg);
    no_message (&msg);
    SHOW (zmq_msg_gets (&msg, "Socket-Type") == NULL);
    SHOW (zmq_msg_get (&msg, ZMQ_SRCFD));
    memset (&msg, 0, sizeof msg);
    no_message (&msg);
    memset (&msg, 0xff, sizeof msg);
    no_message (&msg);
}

static void z85 (void)
{
    uint8_t bytes[256];
    char text[400];
    for (int i = 0; i < 256; i++)
        bytes[i] = (uint8_t) i;
    for (size_t size = 0; size < 20; size++) {
        SHOW (zmq_z85_encode (text, bytes, size) == text);
        if (size % 4 == 0)
            printf ("[%s]\n", text);
    }
    zmq_z85_encode (text, bytes, 256);
    printf ("[%s]\n", text);
    uint8_t back[256];
    SHOW (zmq_z85_decode (back, text) == back && memcmp (back, bytes, 256) == 0);
    const char *texts[] = {"",      "0",          "Hell",  "Hello",      "HelloWorl",
                           "#####", "HelloWorld", "%nSc0", "%nSc1",      "Hel o",
                           "Hel~o", "Hell\x7f",   "Hell\x80", "Hell\xff", "HelloWor d"};
    for (int i = 0; i < 15; i++) {
        printf ("%d: ", i);
        SHOW (zmq_z85_decode (back, texts[i]) == back);
    }
}

static void curve (void)
{
    char public_key[41], secret_key[41], derived[41];
    SHOW (zmq_curve_keypair (public_key, secret_key));
    SHOW (strlen (public_key) == 40 && strlen (secret_key) == 40);
    SHOW (zmq_curve_public (derived, secret_key));
    SHOW (strcmp (derived, public_key));
    const char *secrets[] = {"JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6",
                             "0000000000000000000000000000000000000000",
                             "%nSc0%nSc0%nSc0%nSc0%nSc0%nSc0%nSc0%nSc0"};
    for (int i = 0; i < 3; i++) {
        SHOW (zmq_curve_public (derived, secrets[i]));
        printf ("%s\n", derived);
    }
    SHOW (zmq_curve_public (derived, ""));
    SHOW (zmq_curve_public (derived, "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh"));
    SHOW (zmq_curve_public (derived, "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh "));
}

static void counters (void)
{
    void *counter = zmq_atomic_counter_new ();
    SHOW (zmq_atomic_counter_value (counter));
    SHOW (zmq_atomic_counter_inc (counter));
    SHOW (zmq_atomic_counter_inc (counter));
    SHOW (zmq_atomic_counter_value (counter));
    SHOW (zmq_atomic_counter_dec (counter));
    SHOW (zmq_atomic_counter_dec (counter));
    SHOW (zmq_atomic_counter_dec (counter));
    SHOW (zmq_atomic_counter_value (counter));
    SHOW (zmq_atomic_counter_dec (counter));
    SHOW ((zmq_atomic_counter_set (counter, INT_MAX), zmq_atomic_counter_inc (counter)));
    SHOW (zmq_atomic_counter_value (counter));
    SHOW ((zmq_atomic_counter_destroy (&counter), counter == NULL));
}

static void *timers;
static int other_id, mode;
static void tick (int id, void *arg)
{
    printf ("timer %d runs\n", id);
    ++*(int *) arg;
    if (mode == 1)
        SHOW (zmq_timers_cancel (timers, id));
    if (mode == 2)
        SHOW (zmq_timers_cancel (timers, other_id));
    if (mode == 3)
        SHOW (zmq_timers_add (timers, 1000000, tick, arg));
}

static void wait_for_timers (void)
{
    long left;
    while ((left = zmq_timers_timeout (timers)) > 0) {
        struct timespec pause = {left / 1000, left % 1000 * 1000000};
        nanosleep (&pause, NULL);
    }
}

static void timers_in_mode (int how)
{
    int runs = 0;
    mode = how;
    timers = zmq_timers_new ();
    SHOW (zmq_timers_timeout (timers));
    SHOW (zmq_timers_execute (timers));
    /*  One call executes both: the second is as late as the first. */
    int first = zmq_timers_add (timers, 20, tick, &runs);
    other_id = zmq_timers_add (timers, 20, tick, &runs);
    printf ("ids %d %d\n", first, other_id);
    SHOW (zmq_timers_execute (timers));
    wait_for_timers ();
    struct timespec pause = {0, 5000000};
    nanosleep (&pause, NULL);
    SHOW (zmq_timers_execute (timers));
    SHOW (runs);
    SHOW (zmq_timers_timeout (timers) > 20);
    SHOW (zmq_timers_destroy (&timers));
    SHOW (timers == NULL);
}

static void timer_functions (void)
{
    for (int how = 0; how < 4; how++)
        timers_in_mode (how);
    int runs = 0;
    SHOW (zmq_timers_destroy (&timers));
    void *bad[] = {NULL, &timers};
    for (int i = 0; i < 2; i++) {
        SHOW (zmq_timers_add (bad[i], 10, tick, &runs));
        SHOW (zmq_timers_cancel (bad[i], 1));
        SHOW (zmq_timers_set_interval (bad[i], 1, 10));
        SHOW (zmq_timers_reset (bad[i], 1));
        SHOW (zmq_timers_timeout (bad[i]));
        SHOW (zmq_timers_execute (bad[i]));
    }
    timers = zmq_timers_new ();
    SHOW (zmq_timers_add (timers, 10, NULL, NULL));
    SHOW (zmq_timers_cancel (timers, 1));
    SHOW (zmq_timers_set_interval (timers, 1, 10));
    SHOW (zmq_timers_reset (timers, 1));
    SHOW (zmq_timers_add (timers, LONG_MAX, tick, &runs));
    SHOW (zmq_timers_timeout (timers) > 1000000);
    SHOW (zmq_timers_set_interval (timers, 1, 100000000));
    SHOW (zmq_timers_timeout (timers) > 99990000);
    SHOW (zmq_timers_reset (timers, 1));
    SHOW (zmq_timers_cancel (timers, 1));
    SHOW (zmq_timers_cancel (timers, 1));
    SHOW (zmq_timers_timeout (timers));
    SHOW (zmq_timers_add (timers, 0, tick, &runs));
    SHOW (zmq_timers_timeout (timers));
    SHOW (zmq_timers_destroy (&timers));
}

static bool blocked (int signal_number)
{
    sigset_t mask;
    pthread_sigmask (SIG_SETMASK, NULL, &mask);
    return sigismember (&mask, signal_number);
}

static void work (void *arg)
{
    char name[16];
    prctl (PR_GET_NAME, name);
    printf ("thread %s, SIGTERM blocked: %d\n", name, blocked (SIGTERM));
    *(int *) arg = 7;
}

static void leave (void *arg)
{
    *(int *) arg = 8;
    pthread_exit (NULL);
}

static void threads_and_time (void)
{
    int result = 0;
    void *thread = zmq_threadstart (work, &result);
    /* Not before it has ended: it prints, too. */
    bool begun = thread != NULL;
    zmq_threadclose (thread);
    SHOW (begun);
    SHOW (result);
    zmq_threadclose (zmq_threadstart (leave, &result));
    SHOW (result);
    SHOW (blocked (SIGTERM));
    void *watch = zmq_stopwatch_start ();
    zmq_sleep (1);
    unsigned long elapsed = zmq_stopwatch_intermediate (watch);
    SHOW (elapsed >= 1000000 && elapsed < 60000000);
    SHOW (zmq_stopwatch_stop (watch) >= elapsed);
    zmq_sleep (0);
}

static void capabilities (void)
{
    const char *names[] = {"ipc", "IPC", "curve", "Curve", "tcp", "plain", "WS", ""};
    for (int i = 0; i < 8; i++) {
        printf ("%s: ", names[i]);
        SHOW (zmq_has (names[i]));
    }
}

int main (void)
{
    int major, minor, patch;
    zmq_version (&major, &minor, &patch);
    fprintf (stderr, "%d.%d.%d", major, minor, patch);
    setvbuf (stdout, NULL, _IONBF, 0);
    errors ();
    messages ();
    z85 ();
    curve ();
    counters ();
    timer_functions ();
    threads_and_time ();
    capabilities ();
    return 0;
}
