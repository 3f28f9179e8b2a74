/*
 * Calls that concern sockets and messages, each as a line of a script says: its words are in `call_t`.
 *
 * `S`, `C`, `M` are the numbers of a socket, a context, a message; bytes are `x*N` (N times the letter x), or text with
 * \xHH for what cannot be seen, and `-` for none. An endpoint `@S` is what socket S was last bound to, `!P` where the
 * plain peer P listens.
 */
#ifndef TESTS_C_DIFFERENTIAL_CALLS_H
#define TESTS_C_DIFFERENTIAL_CALLS_H

#include "differential_results.h"

typedef struct
{
    char *word[WORDS];
    int count;
} call_t;

static const char *word (const call_t *c, int i)
{
    return i < c->count ? c->word[i] : "0";
}

static slot_t *slot (const call_t *c)
{
    int i = atoi (word (c, 1));
    return &slots[i < 0 || i >= SOCKETS ? 0 : i];
}

static int context_at (const call_t *c, int i)
{
    int n = atoi (word (c, i));
    return n < 0 || n >= CONTEXTS ? 0 : n;
}

static zmq_msg_t *message (const call_t *c, int i)
{
    return &messages[(unsigned) atoi (word (c, i)) % MESSAGES];
}

/* Memory that was never a message says nothing about what a call makes of it. */
static int *made (const call_t *c, int i)
{
    return &message_made[(unsigned) atoi (word (c, i)) % MESSAGES];
}

static const char *endpoint (const char *word)
{
    if (word[0] == '!')
        return plain_peers[(unsigned) atoi (word + 1) % PLAIN].endpoint;
    const char *known = slots[(unsigned) atoi (word + 1) % SOCKETS].endpoint;
    return word[0] == '@' && known[0] ? known : word;
}

static void call_socket (const call_t *c)
{
    slot_t *s = slot (c);
    int zero = 0, late = 60000, linger = -1, context = context_at (c, 2);
    if (s->socket || s->away)
        return;
    s->socket = zmq_socket (contexts[context], type_of (word (c, 3)));
    if (!s->socket) {
        result (-1);
        return;
    }
    say (" = a socket");
    s->context = context;
    s->type = type_of (word (c, 3));
    s->endpoint[0] = 0;
    s->id_size = 0;
    size_t size = sizeof linger;
    zmq_getsockopt (s->socket, ZMQ_LINGER, &linger, &size);
    if (linger != -1)
        say (" lingers %d", linger);
    /* What would take a time of its own. */
    zmq_setsockopt (s->socket, ZMQ_LINGER, &zero, sizeof zero);
    zmq_setsockopt (s->socket, ZMQ_RCVTIMEO, &zero, sizeof zero);
    zmq_setsockopt (s->socket, ZMQ_SNDTIMEO, &zero, sizeof zero);
    zmq_setsockopt (s->socket, ZMQ_RECONNECT_IVL, &late, sizeof late);
}

static void close_slot (slot_t *s)
{
    int zero = 0;
    zmq_setsockopt (s->socket, ZMQ_LINGER, &zero, sizeof zero);
    result (zmq_close (s->socket));
    s->socket = NULL;
}

static void close_monitor (slot_t *s)
{
    if (s->monitor)
        zmq_close (s->monitor);
    s->monitor = NULL;
}

static void call_set (const call_t *c)
{
    int option = option_of (word (c, 2)), number = atoi (word (c, 4));
    int64_t long_number = atoll (word (c, 4));
    char how = word (c, 3)[0];
    patient |= option == ZMQ_MAXMSGSIZE;
    if (how == 'i')
        result (zmq_setsockopt (slot (c)->socket, option, &number, sizeof number));
    else if (how == 'l')
        result (zmq_setsockopt (slot (c)->socket, option, &long_number, sizeof long_number));
    else if (how == 'n')
        result (zmq_setsockopt (slot (c)->socket, option, NULL, number));
    else {
        int size = bytes_of (word (c, 4), buffer);
        buffer[size] = 0;
        result (zmq_setsockopt (slot (c)->socket, option, buffer, size));
    }
}

static void call_get (const call_t *c)
{
    int option = option_of (word (c, 2));
    size_t size = atoi (word (c, 3));
    memset (buffer, '#', 512);
    int rc = zmq_getsockopt (slot (c)->socket, option, buffer, &size);
    result (rc);
    say (" size %zu ", size);
    if (rc == -1)
        return;
    buffer[size < 512 ? size : 512] = 0;
    if (option == ZMQ_LAST_ENDPOINT)
        say_address ((char *) buffer);
    else if (option == ZMQ_FD)
        say ("a descriptor");
    else if (size == 4)
        say ("%d", *(int *) buffer);
    else
        say_bytes (buffer, size);
}

/* Whether nothing is known against it: within the process libzmq does not ask whether two types may talk, and what they
 * then say is chance. */
static int may_meet (int type, int binds, const char *address)
{
    static struct { char name[EP_SIZE]; int type, binds; } known[16];
    static int count;
    if (strncmp (address, "inproc://", 9) || type < 0 || type >= TYPES)
        return 1;
    for (int i = 0; i < count; i++)
        if (known[i].binds != binds && !strcmp (known[i].name, address) && !(fitting[type] & 1 << known[i].type))
            return 0;
    if (count == 16)
        return 0;
    snprintf (known[count].name, EP_SIZE, "%s", address);
    known[count].binds = binds;
    known[count++].type = type;
    return 1;
}

static void call_endpoint (const call_t *c)
{
    slot_t *s = slot (c);
    const char *address = endpoint (word (c, 2));
    size_t size = EP_SIZE;
    int binds = c->word[0][0] == 'b' || c->word[0][0] == 'l', connects = c->word[0][0] == 'c';
    if ((binds || connects) && s->socket && !may_meet (s->type, binds, address)) {
        say (" not tried");
        return;
    }
    int rc = binds                             ? zmq_bind (s->socket, address)
             : connects                        ? zmq_connect (s->socket, address)
             : !strcmp (c->word[0], "unbind") ? zmq_unbind (s->socket, address)
                                               : zmq_disconnect (s->socket, address);
    result (rc);
    /* Who asks a ZAP handler is answered at some moment. */
    if (connects && zap_runs)
        usleep (10000);
    if (rc == 0 && binds)
        zmq_getsockopt (s->socket, ZMQ_LAST_ENDPOINT, s->endpoint, &size);
}

static void call_monitor (const call_t *c)
{
    slot_t *s = slot (c);
    char address[EP_SIZE];
    snprintf (address, sizeof address, "inproc://monitor-%s", word (c, 1));
    if (!strcmp (c->word[0], "monitor_at")) {
        result (zmq_socket_monitor (s->socket, endpoint (word (c, 2)), number_of (event_names, word (c, 3))));
        return;
    }
    int rc = zmq_socket_monitor (s->socket, address, number_of (event_names, word (c, 2)));
    result (rc);
    if (rc == 0 && !s->monitor) {
        s->monitor = zmq_socket (contexts[s->context], ZMQ_PAIR);
        if (s->monitor)
            zmq_connect (s->monitor, address);
    }
}

static void call_send (const call_t *c)
{
    slot_t *s = slot (c);
    int flags = number_of (flag_names, word (c, 2));
    int size = bytes_of (word (c, 3), buffer);
    static const char constant[] = "constant";
    if (s->socket && s->type == ZMQ_STREAM && c->word[0][4] == 0 && !s->addressed) {
        say (" not tried");
        return;
    }
    s->addressed = 0;
    if (!strcmp (c->word[0], "send"))
        result (zmq_send (s->socket, buffer, size, flags));
    else if (!strcmp (c->word[0], "send_const"))
        result (zmq_send_const (s->socket, constant, sizeof constant - 1, flags));
    else {
        int rc = zmq_send (s->socket, s->id, s->id_size, flags);
        s->addressed = rc >= 0 && flags & ZMQ_SNDMORE;
        result (rc);
    }
}

static void call_flood (const call_t *c)
{
    int sent = 0, most = atoi (word (c, 2)), rc = 0;
    while (sent < most && (rc = zmq_send (slot (c)->socket, "flood", 5, ZMQ_DONTWAIT)) == 5)
        sent++;
    say (" %d sent", sent);
    result (rc);
}

static int more_of (slot_t *s)
{
    int more = -1;
    size_t size = sizeof more;
    zmq_getsockopt (s->socket, ZMQ_RCVMORE, &more, &size);
    return more;
}

/* `first`: nothing of this message has been received yet. */
static int receive (slot_t *s, int flags, int room, int *first)
{
    memset (buffer, '#', room < LONGEST ? room : LONGEST);
    int n = zmq_recv (s->socket, buffer, room, flags), error = errno;
    int got = n < room ? n : room;
    if (n >= 0 && *first) {
        s->id_size = got < (int) sizeof s->id ? got : (int) sizeof s->id;
        memcpy (s->id, buffer, s->id_size);
    }
    errno = error;
    result (n);
    if (n >= 0) {
        say (" ");
        if (n > got && n == 5 && buffer[0] == 0)
            say ("<piece of an id>");
        else
            say_bytes (buffer, got);
        *first = !more_of (s);
        say (*first ? "" : " and more");
    }
    return n;
}

static void call_recv (const call_t *c)
{
    int first = 1;
    receive (slot (c), number_of (flag_names, word (c, 2)), atoi (word (c, 3)), &first);
}

/* What stands behind a long message may still be on its way, although ZMQ_EVENTS says the same as before. */
static void receive_all (slot_t *s, int most)
{
    int first = 1, events[SOCKETS];
    for (int i = 0; i < most && receive (s, ZMQ_DONTWAIT, LONGEST, &first) >= 0; i++)
        for (int k = 0; k < 3; k++) {
            wait_for_threads ();
            look_at_events (events);
        }
}

static void call_drain (const call_t *c)
{
    receive_all (slot (c), 100);
}

static void call_iov (const call_t *c)
{
    slot_t *s = slot (c);
    struct iovec parts[4] = {{0}};
    size_t count = (unsigned) atoi (word (c, 2)) % 5;
    int flags = number_of (flag_names, word (c, 3));
    if (!strcmp (c->word[0], "sendiov")) {
        for (size_t i = 0; i < count; i++)
            parts[i] = (struct iovec){.iov_base = "abcd", .iov_len = i + 1};
        result (zmq_sendiov (s->socket, parts, count, flags));
        return;
    }
    int rc = zmq_recviov (s->socket, parts, &count, flags);
    result (rc);
    say (" count %zu", count);
    for (int i = 0; rc > 0 && i < rc && i < 4; i++) {
        say (" ");
        say_bytes (parts[i].iov_base, parts[i].iov_len);
        free (parts[i].iov_base);
    }
}

/* ---- messages --------------------------------------------------------------------------------------------------- */

static void count_free (void *data, void *hint)
{
    (void) hint;
    __atomic_fetch_add (&freed, 1, __ATOMIC_SEQ_CST);
    free (data);
}

static void say_message (zmq_msg_t *m)
{
    size_t size = zmq_msg_size (m);
    say (" holds %zu ", size);
    if (zmq_msg_data (m))
        say_bytes (zmq_msg_data (m), size < 200 ? size : 200);
    say (zmq_msg_more (m) ? " and more" : "");
}

static void call_message (const call_t *c)
{
    const char *name = c->word[0];
    zmq_msg_t *m = message (c, 1);
    int *is_made = made (c, 1), size = bytes_of (word (c, 2), buffer), rc;
    if (!strcmp (name, "msg_init") || !strcmp (name, "msg_init_size") || !strcmp (name, "msg_init_data")) {
        if (*is_made)
            zmq_msg_close (m);
        *is_made = 1;
        if (!strcmp (name, "msg_init"))
            rc = zmq_msg_init (m);
        else if (!strcmp (name, "msg_init_size")) {
            rc = zmq_msg_init_size (m, size);
            if (rc == 0)
                memcpy (zmq_msg_data (m), buffer, size);
        } else {
            void *copy = malloc (size + 1);
            memcpy (copy, buffer, size);
            rc = zmq_msg_init_data (m, copy, size, count_free, NULL);
        }
    } else if (!strcmp (name, "msg_close"))
        rc = *is_made ? zmq_msg_close (m) : 0;
    else if (!*is_made || !*made (c, 2))
        return;
    else
        rc = !strcmp (name, "msg_copy") ? zmq_msg_copy (message (c, 2), m) : zmq_msg_move (message (c, 2), m);
    result (rc);
    if (!strcmp (name, "msg_close"))
        *is_made = 0;
    else
        say_message (m);
}

static void call_property (const call_t *c)
{
    const char *name = c->word[0];
    zmq_msg_t *m = message (c, 1);
    if (!*made (c, 1))
        return;
    if (!strcmp (name, "msg_get")) {
        int value = zmq_msg_get (m, atoi (word (c, 2)));
        /* Of a descriptor, whether there is one. */
        result (atoi (word (c, 2)) == ZMQ_SRCFD && value > 0 ? 1 : value);
    }
    else if (!strcmp (name, "msg_set"))
        result (zmq_msg_set (m, atoi (word (c, 2)), atoi (word (c, 3))));
    else {
        const char *text = zmq_msg_gets (m, word (c, 2));
        int error = errno;
        say (" = ");
        /* Over ipc it has the process in it. */
        if (text && !strncmp (text, "localhost:", 10))
            say ("localhost:...");
        else if (text)
            say_bytes ((const unsigned char *) text, strlen (text));
        else
            say ("NULL %s", error_name (error));
    }
}

static void call_with_message (const call_t *c)
{
    if (!*made (c, 2))
        return;
    int flags = number_of (flag_names, word (c, 3)), sends = !strcmp (c->word[0], "msg_send");
    zmq_msg_t *m = message (c, 2);
    int rc = sends ? zmq_msg_send (m, slot (c)->socket, flags) : zmq_msg_recv (m, slot (c)->socket, flags);
    result (rc);
    if (rc >= 0 || sends)
        say_message (message (c, 2));
}

#endif
