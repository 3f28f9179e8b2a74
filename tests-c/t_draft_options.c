/* Draft options: what they accept and say, and that each acts. */
#define ZMQ_BUILD_DRAFT_API
#include "common.h"

static void set_text (void *s, int option, const char *text)
{
    OK (zmq_setsockopt (s, option, text, strlen (text)));
}

/* An int that can be set and read back: its values, and those it refuses. */
static void number (int type, int option, int begin, const int *good, const int *bad, int readable)
{
    void *ctx = ctx_new (), *s = sock (ctx, type);
    char wide[8] = {1};
    size_t size;
    if (readable)
        IS (get_int (s, option), begin);
    for (; *good != -99; good++) {
        set_int (s, option, *good);
        if (readable)
            IS (get_int (s, option), *good);
    }
    for (; *bad != -99; bad++)
        FAILS (zmq_setsockopt (s, option, bad, sizeof *bad), EINVAL);
    for (size = 0; size < sizeof wide; size++) {
        if (size == sizeof (int))
            continue;
        FAILS (zmq_setsockopt (s, option, wide, size), EINVAL);
        size_t room = size;
        FAILS (zmq_getsockopt (s, option, wide, &room), EINVAL);
    }
    if (!readable) {
        size = sizeof (int);
        FAILS (zmq_getsockopt (s, option, wide, &size), EINVAL);
    }
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

GROUP (values)
{
    static const int none[] = {-99}, any[] = {0, 1, -1, INT32_MAX, -99}, positive[] = {1, 2, 8192, INT32_MAX, -99};
    static const int natural[] = {0, 1, 7, INT32_MAX, -99}, negative[] = {-1, INT32_MIN, -99}, zero[] = {0, -1, -99};
    static const int notify[] = {0, 1, 2, 3, -99}, no_notify[] = {4, -1, 100, -99}, some[] = {0, 1, 2, -99};
    static const int types[] = {ZMQ_PAIR, ZMQ_PUB, ZMQ_DEALER, ZMQ_ROUTER, ZMQ_XPUB, ZMQ_STREAM, ZMQ_SERVER};
    for (int i = 0; i < 7; i++) {
        number (types[i], ZMQ_IN_BATCH_SIZE, 8192, positive, zero, 1);
        number (types[i], ZMQ_OUT_BATCH_SIZE, 8192, positive, zero, 1);
        number (types[i], ZMQ_PRIORITY, 0, natural, negative, 1);
        number (types[i], ZMQ_BUSY_POLL, 0, any, none, 0);
        if (types[i] != ZMQ_ROUTER)
            number (types[i], ZMQ_ROUTER_NOTIFY, 0, none, some, 1);
        /* PUB has the options of XPUB. */
        if (types[i] != ZMQ_XPUB && types[i] != ZMQ_PUB)
            number (types[i], ZMQ_XPUB_MANUAL_LAST_VALUE, 0, none, some, 0);
        number (types[i], ZMQ_XSUB_VERBOSE_UNSUBSCRIBE, 0, none, some, 0);
    }
    number (ZMQ_ROUTER, ZMQ_ROUTER_NOTIFY, 0, notify, no_notify, 1);
    number (ZMQ_REP, ZMQ_ROUTER_NOTIFY, 0, notify, no_notify, 1);
}

/* Messages of any length, which cannot be read; none or a null pointer is no message. */
GROUP (texts)
{
    static const int options[] = {ZMQ_HELLO_MSG, ZMQ_DISCONNECT_MSG, ZMQ_HICCUP_MSG};
    static const int types[] = {ZMQ_PAIR, ZMQ_SUB, ZMQ_DEALER, ZMQ_ROUTER, ZMQ_STREAM, ZMQ_PEER};
    static char body[70000];
    void *ctx = ctx_new ();
    for (int t = 0; t < 6; t++) {
        void *s = sock (ctx, types[t]);
        for (int i = 0; i < 3; i++) {
            size_t size = sizeof body;
            OK (zmq_setsockopt (s, options[i], body, sizeof body));
            FAILS (zmq_getsockopt (s, options[i], body, &size), EINVAL);
            OK (zmq_setsockopt (s, options[i], "", 0));
            OK (zmq_setsockopt (s, options[i], NULL, 0));
        }
        OK (zmq_close (s));
    }
    OK (zmq_ctx_term (ctx));
}

static void *named (void *ctx, int type, const char *name)
{
    char text[8];
    void *s = sock (ctx, type);
    set_int (s, ZMQ_RECONNECT_IVL, 5);
    snprintf (text, sizeof text, "H%s", name);
    set_text (s, ZMQ_HELLO_MSG, text);
    *text = 'D';
    set_text (s, ZMQ_DISCONNECT_MSG, text);
    *text = 'K';
    set_text (s, ZMQ_HICCUP_MSG, text);
    set_int (s, ZMQ_RCVTIMEO, 5000);
    return s;
}

/* The next message, behind a routing id if there is one. */
static void got (void *s, const char *want)
{
    char id[16];
    int type = get_int (s, ZMQ_TYPE);
    if (type == ZMQ_ROUTER)
        IS (zmq_recv (s, id, sizeof id, 0), 5);
    RECV (s, want);
    IS (RCVMORE (s), 0);
}

static const int pairs[][2] = {{ZMQ_ROUTER, ZMQ_DEALER}, {ZMQ_DEALER, ZMQ_ROUTER}, {ZMQ_DEALER, ZMQ_DEALER},
                               {ZMQ_ROUTER, ZMQ_ROUTER}, {ZMQ_SERVER, ZMQ_CLIENT}, {ZMQ_CLIENT, ZMQ_SERVER},
                               {ZMQ_PEER, ZMQ_PEER}};

static int hears_disconnects (int type)
{
    return type == ZMQ_ROUTER || type == ZMQ_SERVER || type == ZMQ_PEER;
}

static void greetings (const char *transport)
{
    for (int i = 0; i < 7; i++) {
        void *ctx = ctx_new (), *a = named (ctx, pairs[i][0], "A"), *b = named (ctx, pairs[i][1], "B");
        char ep[EP_SIZE];
        int remote = strcmp (transport, "inproc");
        bind_any (a, transport, ep);
        OK (zmq_connect (b, ep));
        got (b, "HA");
        got (a, "HB");
        RECV_NONE (a, 1);
        RECV_NONE (b, 1);
        /* Who came has gone. */
        OK (zmq_close (b));
        if (hears_disconnects (pairs[i][0]))
            got (a, "DA");
        RECV_NONE (a, 5);
        /* Who was there has gone, and another one comes. */
        b = named (ctx, pairs[i][1], "B");
        OK (zmq_connect (b, ep));
        got (b, "HA");
        if (!remote)
            got (a, "HB");
        OK (zmq_close (a));
        if (remote && pairs[i][1] != ZMQ_ROUTER && pairs[i][1] != ZMQ_SERVER)
            got (b, "KB");
        RECV_NONE (b, 5);
        if (remote) {
            a = named (ctx, pairs[i][0], "N");
            EVENTUALLY (zmq_bind (a, ep) == 0, 5000);
            got (b, "HN");
            got (a, "HB");
            OK (zmq_close (a));
        }
        OK (zmq_close (b));
        OK (zmq_ctx_term (ctx));
    }
}

GROUP (greetings_tcp) { greetings ("tcp"); }
GROUP (greetings_ipc) { greetings ("ipc"); }
GROUP (greetings_inproc) { greetings ("inproc"); }

/* In front of what waited for a connection, over each anew; the options are those at connect. */
GROUP (hello_comes_first)
{
    void *ctx = ctx_new (), *d = named (ctx, ZMQ_DEALER, "1"), *r;
    char ep[EP_SIZE];
    free_tcp (ep);
    OK (zmq_connect (d, ep));
    SEND (d, "one", 0);
    set_text (d, ZMQ_HELLO_MSG, "later");
    for (int i = 0; i < 2; i++) {
        r = sock (ctx, ZMQ_ROUTER);
        EVENTUALLY (zmq_bind (r, ep) == 0, 5000);
        got (r, "H1");
        got (r, i ? "two" : "one");
        OK (zmq_close (r));
        RECV (d, "K1");
        SEND (d, "two", 0);
    }
    OK (zmq_close (d));
    /* The same within the process, before and after the bind. */
    for (int late = 0; late < 2; late++) {
        d = named (ctx, ZMQ_DEALER, "1");
        r = named (ctx, ZMQ_ROUTER, "2");
        if (late == 0)
            OK (zmq_bind (r, "inproc://first"));
        OK (zmq_connect (d, "inproc://first"));
        SEND (d, "one", 0);
        if (late)
            OK (zmq_bind (r, "inproc://first"));
        /* Nobody calls anything on the other socket. */
        RECV (d, "H2");
        got (r, "H1");
        got (r, "one");
        RECV_NONE (d, 1);
        OK (zmq_close (d));
        got (r, "D2");
        OK (zmq_close (r));
    }
    OK (zmq_ctx_term (ctx));
}

/* Who leaves does not hear that the other one has gone; nor does anybody of who never was a peer. */
GROUP (no_farewell)
{
    void *ctx = ctx_new (), *r = named (ctx, ZMQ_ROUTER, "A"), *d = sock (ctx, ZMQ_DEALER);
    char ep[EP_SIZE];
    bind_any (r, "tcp", ep);
    close (raw_connect (ep));
    OK (zmq_connect (d, ep));
    RECV (d, "HA");
    SEND (d, "one", 0);
    got (r, "one");
    OK (zmq_unbind (r, ep));
    RECV_NONE (r, 30);
    OK (zmq_close (d));
    OK (zmq_close (r));
    OK (zmq_ctx_term (ctx));
}

static int option_of (int fd, int option)
{
    int value = -1;
    socklen_t size = sizeof value;
    OK (getsockopt (fd, SOL_SOCKET, option, &value, &size));
    return value;
}

/* The kernel knows: of who connects, who listens and who was accepted. */
GROUP (priority_and_busy_poll)
{
    void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
    void *in_events = monitor (ctx, in), *out_events = monitor (ctx, out);
    char ep[EP_SIZE], address[EP_SIZE];
    uint32_t fd;
    int probe = socket (AF_INET, SOCK_STREAM, 0), one = 1;
    /* Needs a privilege. */
    int may = setsockopt (probe, SOL_SOCKET, SO_BUSY_POLL, &one, sizeof one) == 0;
    close (probe);
    set_int (in, ZMQ_PRIORITY, 5);
    set_int (out, ZMQ_PRIORITY, 4);
    set_int (out, ZMQ_BUSY_POLL, 9);
    bind_any (in, "tcp", ep);
    OK (zmq_connect (out, ep));
    SEND (out, "hello", 0);
    RECV (in, "hello");
    while (next_event (in_events, &fd, address) != ZMQ_EVENT_ACCEPTED)
        ;
    IS (option_of ((int) fd, SO_PRIORITY), 5);
    while (next_event (out_events, &fd, address) != ZMQ_EVENT_CONNECTED)
        ;
    IS (option_of ((int) fd, SO_PRIORITY), 4);
    IS (option_of ((int) fd, SO_BUSY_POLL), may ? 9 : option_of ((int) fd, SO_BUSY_POLL));
    OK (zmq_close (in));
    OK (zmq_close (out));
    OK (zmq_close (in_events));
    OK (zmq_close (out_events));
    OK (zmq_ctx_term (ctx));
}

/* Events up to this one. */
static void until (void *mon, int want)
{
    char address[EP_SIZE];
    uint32_t value;
    int event;
    do {
        event = next_event (mon, &value, address);
        CHECK (event == want || event == ZMQ_EVENT_CONNECT_DELAYED);
    } while (event != want);
}

/* Who disconnects from where nobody is wants no more attempts than the next one. */
static void stop_after_disconnect (const char *transport, int pending)
{
    void *ctx = ctx_new (), *nobody = sock (ctx, ZMQ_PULL), *s = sock (ctx, ZMQ_PUSH), *mon;
    char ep[EP_SIZE];
    bind_any (nobody, "tcp", ep);
    OK (zmq_unbind (nobody, ep));
    if (strcmp (transport, "tcp"))
        snprintf (ep, sizeof ep, "ipc://@nobody-%d", (int) getpid ());
    mon = monitor (ctx, s);
    set_int (s, ZMQ_RECONNECT_STOP, ZMQ_RECONNECT_STOP_AFTER_DISCONNECT);
    set_int (s, ZMQ_RECONNECT_IVL, 40 * slower ());
    OK (zmq_connect (s, ep));
    until (mon, ZMQ_EVENT_CLOSED);
    until (mon, ZMQ_EVENT_CONNECT_RETRIED);
    if (pending)
        SEND (s, "pending", 0);
    OK (zmq_disconnect (s, ep));
    until (mon, ZMQ_EVENT_CLOSED);
    IS (readable (mon, 150), 0);
    set_int (s, ZMQ_LINGER, 0);
    OK (zmq_close (s));
    OK (zmq_close (mon));
    OK (zmq_close (nobody));
    OK (zmq_ctx_term (ctx));
}

GROUP (stop_after_disconnect_tcp) { stop_after_disconnect ("tcp", 0); }
GROUP (stop_after_disconnect_ipc) { stop_after_disconnect ("ipc", 0); }
GROUP (stop_after_disconnect_pending) { stop_after_disconnect ("ipc", 1); }

/* With batches of any size everything arrives, in order. */
GROUP (batches)
{
    static const int sizes[] = {1, 2, 7, 100, 5000, 8192, 1000000};
    static char body[20000], back[20000];
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (char) (i * 7);
    for (int i = 0; i < 7; i++) {
        void *ctx = ctx_new (), *in = sock (ctx, ZMQ_PULL), *out = sock (ctx, ZMQ_PUSH);
        char ep[EP_SIZE];
        set_int (in, ZMQ_IN_BATCH_SIZE, sizes[i]);
        set_int (out, ZMQ_OUT_BATCH_SIZE, sizes[6 - i]);
        bind_any (in, i % 2 ? "ipc" : "tcp", ep);
        OK (zmq_connect (out, ep));
        for (size_t size = 0; size < 80; size++)
            IS (zmq_send (out, body, size, 0), size);
        IS (zmq_send (out, body, sizeof body, 0), sizeof body);
        for (size_t size = 0; size < 80; size++) {
            IS (zmq_recv (in, back, sizeof back, 0), size);
            CHECK (!memcmp (body, back, size));
        }
        IS (zmq_recv (in, back, sizeof back, 0), sizeof body);
        CHECK (!memcmp (body, back, sizeof body));
        OK (zmq_close (in));
        OK (zmq_close (out));
        OK (zmq_ctx_term (ctx));
    }
}

/* What libzmq 4.3.6, built with drafts, answers: each option from 93 on but for WSS_*, for each type. Measured;
   an int is set to each of `good` and to no other, `T`: text of any length is, too. `begin` is what is read at first, as an
   int, or else EINVAL; `T`: as a text. The other types accept nothing and read `others`. */
enum { EVERY = (1 << 21) - 1, NO = -1, T = -2 };
#define OF(type) (1 << (type))
static const struct { int option, types, begin; const char *good; int others; } table[] = {
    {ZMQ_ZAP_ENFORCE_DOMAIN, EVERY, 0, "01-5", NO},
    {ZMQ_LOOPBACK_FASTPATH, EVERY, 0, "01-5", NO},
    {ZMQ_METADATA, EVERY, NO, "", NO},
    {ZMQ_MULTICAST_LOOP, EVERY, 1, "01-5", NO},
    {ZMQ_ROUTER_NOTIFY, OF (ZMQ_ROUTER) | OF (ZMQ_REP), 0, "01", 0},
    {ZMQ_XPUB_MANUAL_LAST_VALUE, OF (ZMQ_PUB) | OF (ZMQ_XPUB), NO, "015", NO},
    {ZMQ_SOCKS_USERNAME, EVERY, T, "01-5T", NO},
    {ZMQ_SOCKS_PASSWORD, EVERY, T, "01-5T", NO},
    {ZMQ_IN_BATCH_SIZE, EVERY, 8192, "15", NO},
    {ZMQ_OUT_BATCH_SIZE, EVERY, 8192, "15", NO},
    {ZMQ_ONLY_FIRST_SUBSCRIBE, OF (ZMQ_PUB) | OF (ZMQ_XPUB) | OF (ZMQ_XSUB), NO, "015", NO},
    {ZMQ_RECONNECT_STOP, EVERY, 0, "01-5", NO},
    {ZMQ_HELLO_MSG, EVERY, NO, "01-5T", NO},
    {ZMQ_DISCONNECT_MSG, EVERY, NO, "01-5T", NO},
    {ZMQ_PRIORITY, EVERY, 0, "015", NO},
    {ZMQ_BUSY_POLL, EVERY, NO, "01-5", NO},
    {ZMQ_HICCUP_MSG, EVERY, NO, "01-5T", NO},
    {ZMQ_XSUB_VERBOSE_UNSUBSCRIBE, OF (ZMQ_XSUB), NO, "01-5", NO},
    {ZMQ_NORM_MODE, EVERY, 1, "01", NO},
    {ZMQ_NORM_UNICAST_NACK, EVERY, 0, "01", NO},
    {ZMQ_NORM_BUFFER_SIZE, EVERY, 2048, "15", NO},
    {ZMQ_NORM_SEGMENT_SIZE, EVERY, 1400, "15", NO},
    {ZMQ_NORM_BLOCK_SIZE, EVERY, 16, "15", NO},
    {ZMQ_NORM_NUM_PARITY, EVERY, 4, "015", NO},
    {ZMQ_NORM_NUM_AUTOPARITY, EVERY, 0, "015", NO},
    {ZMQ_NORM_PUSH, EVERY, 0, "01", NO},
    {ZMQ_TOPICS_COUNT, OF (ZMQ_PUB) | OF (ZMQ_SUB) | OF (ZMQ_XPUB) | OF (ZMQ_XSUB), 0, "", NO},
};

static void reads (void *s, int option, int want)
{
    int value = 0x77777777;
    char text[256];
    size_t size = want == T ? sizeof text : sizeof value;
    int rc = want == T ? zmq_getsockopt (s, option, text, &size) : zmq_getsockopt (s, option, &value, &size);
    IS (rc, want == NO ? -1 : 0);
    if (want == NO)
        IS (errno, EINVAL);
    else if (want == T)
        IS (size, 1);
    else
        IS (value, want);
}

static void takes (void *s, int option, const void *value, size_t size, int good)
{
    int rc = zmq_setsockopt (s, option, value, size);
    if (rc != (good ? 0 : -1) || (rc && errno != EINVAL))
        fail_at (__FILE__, __LINE__, "option %d with %zu octets: %d, errno %d", option, size, rc, rc ? errno : 0);
}

GROUP (every_option_of_every_type)
{
    static const struct { char name; int value; } values[] = {{'0', 0}, {'1', 1}, {'-', -1}, {'5', 5}};
    void *ctx = ctx_new ();
    for (int type = 0; type < 21; type++)
        for (size_t row = 0; row < sizeof table / sizeof *table; row++) {
            int has = table[row].types >> type & 1, option = table[row].option;
            const char *good = has ? table[row].good : "";
            void *s = sock (ctx, type);
            reads (s, option, has ? table[row].begin : table[row].others);
            for (int i = 0; i < 4; i++)
                takes (s, option, &values[i].value, sizeof (int), strchr (good, values[i].name) != NULL);
            if (option == ZMQ_XSUB_VERBOSE_UNSUBSCRIBE && has) {
                OK (zmq_close (s));
                continue;
            }
            takes (s, option, "abc", 3, strchr (good, 'T') != NULL);
            takes (s, option, "\1\0\0\0\0\0\0\0", 8, strchr (good, 'T') != NULL);
            OK (zmq_close (s));
        }
    OK (zmq_ctx_term (ctx));
}

/* libzmq reads an int whatever the length is, and crashes without one. */
GROUP (verbose_unsubscribe_is_an_int)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_XSUB);
    takes (s, ZMQ_XSUB_VERBOSE_UNSUBSCRIBE, "abc", 3, 0);
    takes (s, ZMQ_XSUB_VERBOSE_UNSUBSCRIBE, "\1\0\0\0\0\0\0\0", 8, 0);
    takes (s, ZMQ_XSUB_VERBOSE_UNSUBSCRIBE, NULL, 0, 0);
    OK (zmq_close (s));
    OK (zmq_ctx_term (ctx));
}

MAIN (ENTRY (values), ENTRY (texts), ENTRY (greetings_tcp), ENTRY (greetings_ipc), ENTRY (greetings_inproc),
      ENTRY (hello_comes_first), ENTRY (no_farewell), ENTRY (priority_and_busy_poll), ENTRY (batches),
      ENTRY (stop_after_disconnect_tcp), ENTRY (stop_after_disconnect_ipc), ENTRY (stop_after_disconnect_pending),
      ENTRY (every_option_of_every_type), ENTRY (verbose_unsubscribe_is_an_int))
