/*
 * What is written of a call: everything a caller can see of its result, in words that are the same every time. What
 * happens on other threads is waited for: until all threads sleep and no socket's ZMQ_EVENTS changes (`settle`), which
 * needs no clock. Included once, by differential_calls.h.
 */
#ifndef TESTS_C_DIFFERENTIAL_RESULTS_H
#define TESTS_C_DIFFERENTIAL_RESULTS_H

#include "differential_names.h"
#include <dirent.h>
#include <pthread.h>

enum { LONGEST = 1 << 17, WORDS = 16, LINE = 400, PLAIN = 4 };

typedef struct
{
    void *socket, *monitor;
    int context, type;
    /* Of STREAM: an id was sent, and data may be. */
    int addressed;
    /* A proxy has it. */
    int away;
    /* What it was last bound to, and the first part of what was last received. */
    char endpoint[EP_SIZE];
    unsigned char id[256];
    int id_size;
} slot_t;

/* Plain sockets: differential_beside.h. */
typedef struct
{
    int fd, greeted, pinged;
    char endpoint[EP_SIZE];
} plain_t;

static slot_t slots[SOCKETS];
static plain_t plain_peers[PLAIN];
static void *contexts[CONTEXTS];
/* Nobody looks at the sockets of a context that has been stopped but the script: the first look has effects. */
static int stopped[CONTEXTS];
static zmq_msg_t messages[MESSAGES];
/* -1: never made, which no call may be given. */
static int message_made[MESSAGES];
static unsigned char buffer[LONGEST + 1];
static int freed, unmonitored;
/* Something may be noticed some milliseconds late: that a message is too large, behind one that nobody has received. */
static int patient, zap_runs;

/* Into a buffer that is written at the end of each line, because the process may end at any moment. */
static char out[1 << 16];
static size_t out_size;

static void flush_out (void)
{
    if (write (1, out, out_size) < 0)
        _exit (9);
    out_size = 0;
}

static void __attribute__ ((format (printf, 1, 2))) say (const char *format, ...)
{
    va_list args;
    va_start (args, format);
    int n = vsnprintf (out + out_size, sizeof out - out_size, format, args);
    va_end (args);
    out_size += (size_t) n < sizeof out - out_size ? (size_t) n : sizeof out - out_size - 1;
    if (out_size > sizeof out / 2)
        flush_out ();
}

/* ---- words ------------------------------------------------------------------------------------------------------ */

/* Generated routing ids, request ids and ports have a number of their own each. */
static int number_of_id (const unsigned char *data, int size)
{
    static unsigned char known[64][8];
    static int sizes[64], count;
    for (int i = 0; i < count; i++)
        if (sizes[i] == size && !memcmp (known[i], data, size))
            return i;
    if (count < 64) {
        memcpy (known[count], data, size);
        sizes[count] = size;
    }
    return count < 64 ? count++ : 64;
}

static int is_text (const unsigned char *data, int size)
{
    for (int i = 0; i < size; i++)
        if (data[i] < ' ' || data[i] > '~')
            return 0;
    return 1;
}

static void say_bytes (const unsigned char *data, int size)
{
    int same = 1;
    while (same < size && data[same] == data[0])
        same++;
    if (size == 0)
        say ("-");
    else if (size == 5 && data[0] == 0)
        say ("<id%d>", number_of_id (data, size));
    else if (size == 4 && !is_text (data, 4) && (data[0] > 2 || !is_text (data + 1, 3)) && same < size)
        say ("<request%d>", number_of_id (data, size));
    else if (size > 3 && same == size && is_text (data, 1))
        say ("%c*%d", data[0], size);
    else
        for (int i = 0; i < size && i < 200; i++)
            say (is_text (data + i, 1) && data[i] != ' ' && data[i] != '\\' ? "%c" : "\\x%02x", data[i]);
}

/* A text with an address in it: which port the kernel gave, or which file libzmq made up, differs from run to run. */
static void say_address (const char *text)
{
    const char *port = strrchr (text, ':');
    if (port && atoi (port + 1) > 1) {
        unsigned char digits[8] = "";
        snprintf ((char *) digits, sizeof digits, "%s", port + 1);
        say ("%.*s:<port%d>", (int) (port - text), text, number_of_id (digits, 8));
    } else if (!strncmp (text, "ipc://", 6) && strstr (text, "tmp"))
        say ("ipc://<tmp>");
    else
        say_bytes ((const unsigned char *) text, strlen (text));
}

static int bytes_of (const char *word, unsigned char *data)
{
    int size = 0;
    if (word[0] && word[1] == '*') {
        size = atoi (word + 2);
        size = size > LONGEST ? LONGEST : size;
        memset (data, word[0], size);
    } else if (strcmp (word, "-"))
        while (*word && size < LINE) {
            unsigned value;
            if (word[0] == '\\' && word[1] == 'x' && sscanf (word + 2, "%2x", &value) == 1) {
                data[size++] = value;
                word += 4;
            } else
                data[size++] = *word++;
        }
    return size;
}

static void result (int rc)
{
    int error = errno;
    if (rc == -1)
        say (" = -1 %s", error_name (error));
    else
        say (" = %d", rc);
}

/* What other threads have to say, until the script's own says it. */
static struct
{
    pthread_mutex_t lock;
    char text[1 << 14];
    size_t size;
} beside = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void beside_say (const char *text, const unsigned char *data, int size)
{
    size_t room = sizeof beside.text - beside.size;
    if (room < 2000)
        return;
    beside.size += snprintf (beside.text + beside.size, room, "%s", text);
    /* Over ipc an address has the process in it. */
    if (data && size > 10 && !memcmp (data, "localhost:", 10))
        size = 10;
    for (int i = 0; data && i < size; i++)
        beside.size += sprintf (beside.text + beside.size, data[i] > ' ' && data[i] <= '~' ? "%s%c" : "%s\\x%02x",
                                i == 0 ? " " : "", data[i]);
    if (data && size == 0)
        beside.size += sprintf (beside.text + beside.size, " -");
}

/* ---- waiting ---------------------------------------------------------------------------------------------------- */

/* Whether every other thread of the process sleeps. */
static int threads_sleep (void)
{
    static struct { int tid, fd; } threads[64];
    static int count;
    static DIR *dir;
    if (!dir)
        dir = opendir ("/proc/self/task");
    rewinddir (dir);
    for (struct dirent *entry; (entry = readdir (dir));) {
        int tid = atoi (entry->d_name), i = 0, me = getpid ();
        while (i < count && threads[i].tid != tid)
            i++;
        if (tid == 0 || tid == me || i == 64)
            continue;
        if (i == count) {
            char path[64];
            snprintf (path, sizeof path, "/proc/self/task/%d/stat", tid);
            threads[i].tid = tid;
            threads[i].fd = open (path, O_RDONLY | O_CLOEXEC);
            count++;
        }
        char stat[128];
        ssize_t n = pread (threads[i].fd, stat, sizeof stat - 1, 0);
        if (n <= 0)
            continue;
        stat[n] = 0;
        const char *state = strrchr (stat, ')');
        if (state && state[2] != 'S' && state[2] != 'Z' && state[2] != 'X')
            return 0;
    }
    return 1;
}

static void wait_for_threads (void)
{
    for (int i = 0; i < 20000; i++) {
        if (threads_sleep ())
            return;
        if (i < 50)
            sched_yield ();
        else
            usleep (50);
    }
    say ("threads never sleep\n");
}

static void look_at_events (int *events)
{
    for (int i = 0; i < SOCKETS; i++) {
        size_t size = sizeof (int);
        events[i] = -1;
        if (!slots[i].socket || stopped[slots[i].context])
            continue;
        if (zmq_getsockopt (slots[i].socket, ZMQ_EVENTS, &events[i], &size))
            events[i] = -2;
    }
}

/* Until nothing moves any more; then says what has changed since the last time. */
static void settle (void)
{
    static int before[SOCKETS];
    int events[2][SOCKETS], quiet = 0;
    wait_for_threads ();
    look_at_events (events[0]);
    for (int i = 1; i < 200 && quiet < 2; i++) {
        /* What the kernel has in its hands is nobody's for a moment. */
        usleep (50);
        wait_for_threads ();
        look_at_events (events[i % 2]);
        quiet = memcmp (events[0], events[1], sizeof events[0]) ? 0 : quiet + 1;
    }
    if (memcmp (before, events[0], sizeof before)) {
        say ("  ready:");
        for (int i = 0; i < SOCKETS; i++)
            if (slots[i].socket && events[0][i] == -2)
                say (" %d?", i);
            else if (slots[i].socket && events[0][i] != -1)
                say (" %d%s%s", i, events[0][i] & 1 ? "i" : "", events[0][i] & 2 ? "o" : "");
        say ("\n");
    }
    memcpy (before, events[0], sizeof before);
}

/* What monitors and other threads have heard. */
static void say_events (void)
{
    pthread_mutex_lock (&beside.lock);
    say ("%.*s", (int) beside.size, beside.text);
    beside.size = 0;
    pthread_mutex_unlock (&beside.lock);
    for (int i = 0; i < SOCKETS; i++) {
        unsigned char head[6];
        char address[EP_SIZE];
        while (slots[i].monitor && zmq_recv (slots[i].monitor, head, 6, ZMQ_DONTWAIT) == 6) {
            uint16_t event;
            int32_t value;
            memcpy (&event, head, 2);
            memcpy (&value, head + 2, 4);
            int n = zmq_recv (slots[i].monitor, address, EP_SIZE - 1, ZMQ_DONTWAIT);
            address[n < 0 ? 0 : n] = 0;
            /* It comes with DISCONNECTED, before or after that of another connection. */
            if (event == ZMQ_EVENT_CONNECT_RETRIED)
                continue;
            /* A socket that was closed is gone when its peers within the process have read what it had sent. */
            if (event == ZMQ_EVENT_MONITOR_STOPPED && !unmonitored)
                continue;
            const name_t *name = event_names;
            while (name->name && name->number != event)
                name++;
            /* The others have a descriptor, or a time. */
            int shown = event & (ZMQ_EVENT_CONNECT_DELAYED | ZMQ_EVENT_BIND_FAILED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL
                                 | ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL
                                 | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_MONITOR_STOPPED);
            /* With unread bytes or without, a peer that hangs up does so. */
            if (event == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL && value == ECONNRESET)
                value = EPIPE;
            say ("  heard: %d %s %d ", i, name->name ? name->name : "?", shown ? value : 0);
            say_address (address);
            say ("\n");
        }
    }
}

#endif
