/* Version, capabilities, Z85, CURVE keys, clocks, counters, timers, threads: the small functions of zmq.h. */
#include "common.h"

GROUP (version)
{
    int major, minor, patch;
    zmq_version (&major, &minor, &patch);
    IS (major, 4);
    IS (minor, 3);
    CHECK (patch >= 0);
    IS (ZMQ_MAKE_VERSION (4, 3, 4), 40304);
    CHECK (ZMQ_VERSION >= 40300);
}

/* zmq_has(3): case-sensitive. */
GROUP (capabilities)
{
    IS (zmq_has ("ipc"), 1);
    IS (zmq_has ("curve"), 1);
    IS (zmq_has ("IPC"), 0);
    IS (zmq_has ("Curve"), 0);
    IS (zmq_has (""), 0);
    IS (zmq_has ("nonsense"), 0);
    IS (zmq_has ("vmci"), 0);
}

GROUP (z85)
{
    /* RFC 32's test vector. */
    static const uint8_t raw[8] = {0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b};
    char text[60];
    uint8_t back[40];
    CHECK (zmq_z85_encode (text, raw, 8) == text);
    CHECK (!strcmp (text, "HelloWorld"));
    CHECK (zmq_z85_decode (back, "HelloWorld") == back);
    CHECK (!memcmp (back, raw, 8));
    static const size_t bad_sizes[] = {1, 2, 3, 5, 7};
    for (int i = 0; i < 5; i++) {
        errno = 0;
        CHECK (zmq_z85_encode (text, raw, bad_sizes[i]) == NULL);
        IS (errno, EINVAL);
    }
    static const char *const bad[] = {"1", "Hell", "HelloWorl", "Hello World", "Hello\"orld", "#####", "%nSc1", "\\\\\\\\\\", "\200\200\200\200\200", "Hell\177"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        errno = 0;
        CHECK (zmq_z85_decode (back, bad[i]) == NULL);
        IS (errno, EINVAL);
    }
    CHECK (zmq_z85_decode (back, "%nSc0") == back);
    CHECK (!memcmp (back, "\377\377\377\377", 4));
    for (int i = 0; i < 200; i++) {
        uint8_t random[32];
        for (int k = 0; k < 32; k++)
            random[k] = (uint8_t) rand ();
        CHECK (zmq_z85_encode (text, random, 32) == text);
        IS (strlen (text), 40);
        CHECK (zmq_z85_decode (back, text) == back);
        CHECK (!memcmp (back, random, 32));
    }
}

GROUP (curve_keypairs)
{
    char pub[41], sec[41], pub2[41], sec2[41], derived[41];
    OK (zmq_curve_keypair (pub, sec));
    OK (zmq_curve_keypair (pub2, sec2));
    IS (strlen (pub), 40);
    IS (strlen (sec), 40);
    CHECK (strcmp (pub, pub2) && strcmp (sec, sec2) && strcmp (pub, sec));
    OK (zmq_curve_public (derived, sec));
    CHECK (!strcmp (derived, pub));
    /* The keys of zmq_curve(7). */
    OK (zmq_curve_public (derived, "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"));
    CHECK (!strcmp (derived, "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"));
    FAILS (zmq_curve_public (derived, "too short"), EINVAL);
}

GROUP (clocks)
{
    void *watch = zmq_stopwatch_start ();
    CHECK (watch != NULL);
    sleep_ms (20);
    unsigned long first = zmq_stopwatch_intermediate (watch);
    sleep_ms (10);
    unsigned long total = zmq_stopwatch_stop (watch);
    CHECK (first >= 19000 && total >= first + 9000 && total < 3000000);
    int64_t start = now_ms ();
    zmq_sleep (1);
    CHECK (now_ms () - start >= 990);
}

GROUP (atomic_counter)
{
    void *c = zmq_atomic_counter_new ();
    CHECK (c != NULL);
    IS (zmq_atomic_counter_value (c), 0);
    IS (zmq_atomic_counter_inc (c), 0);
    IS (zmq_atomic_counter_inc (c), 1);
    IS (zmq_atomic_counter_value (c), 2);
    IS (zmq_atomic_counter_dec (c), 1);
    IS (zmq_atomic_counter_dec (c), 0);
    zmq_atomic_counter_set (c, 7);
    IS (zmq_atomic_counter_value (c), 7);
    zmq_atomic_counter_destroy (&c);
    CHECK (c == NULL);
}

static void on_timer (int id, void *arg)
{
    (void) id;
    ++*(int *) arg;
}

GROUP (timers)
{
    void *timers = zmq_timers_new ();
    int fired = 0, id, other;
    CHECK (timers != NULL);
    IS (zmq_timers_timeout (timers), -1);
    IS (zmq_timers_execute (timers), 0);
    id = zmq_timers_add (timers, (size_t) (30 * slower ()), on_timer, &fired);
    CHECK (id >= 0);
    long wait = zmq_timers_timeout (timers);
    CHECK (wait > 0 && wait <= 30 * slower ());
    IS (zmq_timers_execute (timers), 0);
    IS (fired, 0);
    sleep_ms (35 * slower ());
    IS (zmq_timers_timeout (timers), 0);
    OK (zmq_timers_execute (timers));
    IS (fired, 1);
    /* It goes off again and again, until cancelled. */
    sleep_ms (35 * slower ());
    OK (zmq_timers_execute (timers));
    IS (fired, 2);
    OK (zmq_timers_set_interval (timers, id, 10000));
    CHECK (zmq_timers_timeout (timers) > 5000);
    OK (zmq_timers_reset (timers, id));
    other = zmq_timers_add (timers, 5, on_timer, &fired);
    CHECK (other != id);
    OK (zmq_timers_cancel (timers, other));
    FAILS (zmq_timers_cancel (timers, other), EINVAL);
    FAILS (zmq_timers_reset (timers, 4711), EINVAL);
    FAILS (zmq_timers_set_interval (timers, 4711, 5), EINVAL);
    FAILS (zmq_timers_add (timers, 5, NULL, NULL), EFAULT);
    FAILS (zmq_timers_add (NULL, 5, on_timer, NULL), EFAULT);
    FAILS (zmq_timers_cancel (NULL, 1), EFAULT);
    FAILS (zmq_timers_execute (NULL), EFAULT);
    FAILS (zmq_timers_timeout (NULL), EFAULT);
    OK (zmq_timers_cancel (timers, id));
    IS (zmq_timers_timeout (timers), -1);
    OK (zmq_timers_destroy (&timers));
    CHECK (timers == NULL);
    FAILS (zmq_timers_destroy (&timers), EFAULT);
}

static void in_thread (void *arg)
{
    *(int *) arg = 42;
}

GROUP (threads)
{
    int value = 0;
    void *thread = zmq_threadstart (in_thread, &value);
    CHECK (thread != NULL);
    zmq_threadclose (thread);
    IS (value, 42);
}

GROUP (monitor_sequence)
{
    void *ctx = ctx_new (), *rep = sock (ctx, ZMQ_REP), *req = sock (ctx, ZMQ_REQ), *mon = sock (ctx, ZMQ_PAIR);
    char ep[EP_SIZE], address[EP_SIZE];
    struct __attribute__ ((packed)) { uint16_t event; uint32_t value; } frame;
    static const int want[] = {ZMQ_EVENT_LISTENING, ZMQ_EVENT_ACCEPTED, ZMQ_EVENT_HANDSHAKE_SUCCEEDED, ZMQ_EVENT_DISCONNECTED, ZMQ_EVENT_CLOSED};
    OK (zmq_socket_monitor (rep, "inproc://mon", ZMQ_EVENT_ALL));
    OK (zmq_connect (mon, "inproc://mon"));
    bind_any (rep, "tcp", ep);
    OK (zmq_connect (req, ep));
    SEND (req, "q", 0);
    RECV (rep, "q");
    OK (zmq_close (req));
    for (int i = 0; i < 5; i++) {
        if (i == 4)
            OK (zmq_unbind (rep, ep));
        IS (zmq_recv (mon, &frame, sizeof frame, 0), 6);
        IS (frame.event, want[i]);
        IS (RCVMORE (mon), 1);
        memset (address, 0, sizeof address);
        CHECK (zmq_recv (mon, address, sizeof address - 1, 0) > 0);
        IS (RCVMORE (mon), 0);
        CHECK (!strcmp (address, ep));
    }
    OK (zmq_close (rep));
    IS (zmq_recv (mon, &frame, sizeof frame, 0), 6);
    IS (frame.event, ZMQ_EVENT_MONITOR_STOPPED);
    OK (zmq_close (mon));
    OK (zmq_ctx_term (ctx));
}

MAIN (ENTRY (version), ENTRY (capabilities), ENTRY (z85), ENTRY (curve_keypairs), ENTRY (clocks), ENTRY (atomic_counter),
      ENTRY (timers), ENTRY (threads), ENTRY (monitor_sequence))
