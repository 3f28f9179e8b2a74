/* What the tests of socket monitors have in common. */
#include "common.h"

/* For attempts that shall not be repeated while the test runs. */
#define NOT_AGAIN 3600000

#define NO_DETAIL ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL
#define PROTOCOL ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL
#define AUTH ZMQ_EVENT_HANDSHAKE_FAILED_AUTH

static int UNUSED fd_event (const char *file, int line, void *mon, int want, const char *address)
{
    int32_t fd = (int32_t) event_at (file, line, mon, want, address);
    if (fd < 0)
        fail_at (file, line, "event 0x%x without descriptor: %d", want, (int) fd);
    return (int) fd;
}
#define FD_EVENT(mon, want, address) fd_event (__FILE__, __LINE__, mon, want, address)
#define VALUE_EVENT(mon, want, address, value) IS (EVENT (mon, want, address), value)

/* The socket is closed, and has nothing more to say. */
static void UNUSED last_words (void *s, void *mon)
{
    OK (zmq_close (s));
    VALUE_EVENT (mon, ZMQ_EVENT_MONITOR_STOPPED, "", 0);
    OK (zmq_close (mon));
}
