/* Calls without a socket, and scripts: a call a line. */
#ifndef TESTS_C_DIFFERENTIAL_PERFORM_H
#define TESTS_C_DIFFERENTIAL_PERFORM_H

#include "differential_beside.h"

/* ---- polling, and calls without a socket ------------------------------------------------------------------------ */

static void call_poll (const call_t *c)
{
    zmq_pollitem_t items[WORDS];
    static int pipes[2] = {-1, -1}, closed[2], readerless[2];
    int count = c->count - 2;
    if (pipes[0] < 0) {
        if (pipe (pipes) || write (pipes[1], "x", 1) != 1 || pipe (closed) || pipe (readerless))
            return;
        close (closed[1]);
        close (readerless[0]);
    }
    for (int i = 0; i < count; i++) {
        const char *item = c->word[i + 2], *mask = strchr (item, ':');
        items[i] = (zmq_pollitem_t){.events = mask ? atoi (mask + 1) : 0, .revents = 0};
        switch (item[0]) {
            case 'r': case 'w': items[i].fd = pipes[item[0] == 'w']; break;
            case 'c': items[i].fd = closed[0]; break;
            case 'e': items[i].fd = readerless[1]; break;
            case 'b': items[i].fd = 900; break;
            default:
                items[i].socket = slots[atoi (item) % SOCKETS].socket;
                /* Descriptor 0 stands for no socket: the script's own input is nobody's business. */
                items[i].fd = items[i].socket ? 0 : pipes[0];
        }
    }
    int rc = zmq_poll (items, count, atoi (word (c, 1)));
    result (rc);
    for (int i = 0; i < count; i++)
        say (" %d", items[i].revents);
}

static void call_context (const call_t *c)
{
    const char *name = c->word[0];
    int n = context_at (c, 1), option = number_of (context_options, word (c, 2));
    if (!strcmp (name, "ctx_new")) {
        if (!contexts[n])
            contexts[n] = zmq_ctx_new ();
        say (" = %s", contexts[n] ? "a context" : "NULL");
    } else if (!strcmp (name, "ctx_set"))
        result (zmq_ctx_set (contexts[n], option, atoi (word (c, 3))));
    else if (!strcmp (name, "ctx_get"))
        result (zmq_ctx_get (contexts[n], option));
    else if (!strcmp (name, "ctx_shutdown")) {
        result (zmq_ctx_shutdown (contexts[n]));
        stopped[n] = 1;
    } else if (!strcmp (name, "ctx_stop")) {
        /* When libzmq's sockets learn of it is chance: with their first look. */
        int events[SOCKETS];
        result (zmq_ctx_shutdown (contexts[n]));
        look_at_events (events);
        stopped[n] = 1;
    } else {
        for (int i = 0; i < SOCKETS; i++)
            if (slots[i].socket && slots[i].context == n)
                return;
        for (int i = 0; i < SOCKETS; i++)
            if (slots[i].context == n)
                close_monitor (&slots[i]);
        result (zmq_ctx_term (contexts[n]));
        contexts[n] = NULL;
        stopped[n] = 0;
    }
}

static void call_text (const call_t *c)
{
    const char *name = c->word[0];
    char text[LINE * 2] = "";
    if (!strcmp (name, "has"))
        result (zmq_has (word (c, 1)));
    else if (!strcmp (name, "strerror"))
        say (" = %s", zmq_strerror (atoi (word (c, 1))));
    else if (!strcmp (name, "z85_encode")) {
        int size = bytes_of (word (c, 1), buffer) % LINE;
        char *encoded = zmq_z85_encode (text, buffer, size);
        int error = errno;
        say (" = %s", encoded ? encoded : error_name (error));
    } else if (!strcmp (name, "z85_decode")) {
        unsigned char *decoded = zmq_z85_decode (buffer, word (c, 1));
        int error = errno;
        say (" = ");
        if (decoded)
            say_bytes (decoded, strlen (word (c, 1)) / 5 * 4);
        else
            say ("%s", error_name (error));
    } else if (!strcmp (name, "curve_public")) {
        int rc = zmq_curve_public (text, word (c, 1));
        result (rc);
        say (" %s", rc == 0 ? text : "");
    }
}

static void tick (int id, void *arg)
{
    (void) arg;
    say (" tick %d", id);
}

static void call_timers (const call_t *c)
{
    static void *timers;
    const char *name = c->word[0];
    int id = atoi (word (c, 1));
    if (!timers)
        timers = zmq_timers_new ();
    if (!strcmp (name, "timers_add"))
        result (zmq_timers_add (timers, atoi (word (c, 1)), tick, NULL));
    else if (!strcmp (name, "timers_cancel"))
        result (zmq_timers_cancel (timers, id));
    else if (!strcmp (name, "timers_reset"))
        result (zmq_timers_reset (timers, id));
    else if (!strcmp (name, "timers_interval"))
        result (zmq_timers_set_interval (timers, id, atoi (word (c, 2))));
    else if (!strcmp (name, "timers_execute"))
        result (zmq_timers_execute (timers));
    else {
        /* A time that has begun to pass is not the same twice. */
        long left = zmq_timers_timeout (timers);
        say (" = %s", left < 0 ? "none" : left == 0 ? "now" : "later");
    }
}

/* Calls with NULL, of which none may end the process; more would end libzmq's. */
static void call_null (const call_t *c)
{
    int value = 0;
    size_t size = sizeof value;
    zmq_pollitem_t item = {0};
    switch (atoi (word (c, 1))) {
        case 0: result (zmq_send (NULL, "x", 1, 0)); break;
        case 1: result (zmq_recv (NULL, &value, 1, 0)); break;
        case 2: result (zmq_bind (NULL, "inproc://x")); break;
        case 3: result (zmq_connect (NULL, "inproc://x")); break;
        case 4: result (zmq_setsockopt (NULL, ZMQ_LINGER, &value, size)); break;
        case 5: result (zmq_getsockopt (NULL, ZMQ_LINGER, &value, &size)); break;
        case 6: result (zmq_close (NULL)); break;
        case 7: result (zmq_ctx_term (NULL)); break;
        case 8: result (zmq_ctx_shutdown (NULL)); break;
        case 9: result (zmq_ctx_set (NULL, ZMQ_IO_THREADS, 1)); break;
        case 10: result (zmq_ctx_get (NULL, ZMQ_IO_THREADS)); break;
        case 11: say (" = %s", zmq_socket (NULL, ZMQ_PAIR) ? "a socket" : error_name (errno)); break;
        case 12: result (zmq_poll (NULL, 0, 0)); break;
        case 13: result (zmq_poll (NULL, 1, 0)); break;
        case 14: result (zmq_poll (&item, -1, 0)); break;
        case 15: result (zmq_unbind (NULL, "inproc://x")); break;
        case 16: result (zmq_disconnect (NULL, "inproc://x")); break;
        case 17: result (zmq_socket_monitor (NULL, "inproc://x", ZMQ_EVENT_ALL)); break;
        case 18: result (zmq_proxy (NULL, NULL, NULL)); break;
        case 19: result (zmq_sendiov (NULL, NULL, 0, 0)); break;
        case 20: result (zmq_send_const (NULL, "x", 1, 0)); break;
        case 21: result (zmq_timers_cancel (NULL, 0)); break;
        case 22: result (zmq_timers_execute (NULL)); break;
    }
}

/* ---- scripts ---------------------------------------------------------------------------------------------------- */

static void call_close (const call_t *c)
{
    slot_t *s = slot (c);
    if (!s->socket)
        return;
    close_slot (s);
}

static void call_unmonitor (const call_t *c)
{
    slot_t *s = slot (c);
    result (zmq_socket_monitor (s->socket, NULL, 0));
    unmonitored = 1;
}

static const struct
{
    const char *name;
    void (*run) (const call_t *);
    /* The first word is the number of one. */
    int of_socket;
} calls[] = {
    {"ctx_new", call_context, 0},
    {"ctx_set", call_context, 0},
    {"ctx_get", call_context, 0},
    {"ctx_shutdown", call_context, 0},
    {"ctx_stop", call_context, 0},
    {"ctx_term", call_context, 0},
    {"socket", call_socket, 0},
    {"close", call_close, 1},
    {"set", call_set, 1},
    {"get", call_get, 1},
    {"bind", call_endpoint, 1},
    {"connect", call_endpoint, 1},
    {"unbind", call_endpoint, 1},
    {"disconnect", call_endpoint, 1},
    {"monitor", call_monitor, 1},
    {"monitor_at", call_monitor, 1},
    {"unmonitor", call_unmonitor, 1},
    {"send", call_send, 1},
    {"send_const", call_send, 1},
    {"send_id", call_send, 1},
    {"flood", call_flood, 1},
    {"recv", call_recv, 1},
    {"drain", call_drain, 1},
    {"sendiov", call_iov, 1},
    {"recviov", call_iov, 1},
    {"msg_init", call_message, 0},
    {"msg_init_size", call_message, 0},
    {"msg_init_data", call_message, 0},
    {"msg_copy", call_message, 0},
    {"msg_move", call_message, 0},
    {"msg_close", call_message, 0},
    {"msg_get", call_property, 0},
    {"msg_set", call_property, 0},
    {"msg_gets", call_property, 0},
    {"msg_send", call_with_message, 1},
    {"msg_recv", call_with_message, 1},
    {"poll", call_poll, 0},
    {"has", call_text, 0},
    {"strerror", call_text, 0},
    {"z85_encode", call_text, 0},
    {"z85_decode", call_text, 0},
    {"curve_public", call_text, 0},
    {"timers_add", call_timers, 0},
    {"timers_cancel", call_timers, 0},
    {"timers_reset", call_timers, 0},
    {"timers_interval", call_timers, 0},
    {"timers_execute", call_timers, 0},
    {"timers_timeout", call_timers, 0},
    {"null", call_null, 0},
    {"plain_connect", call_plain, 0},
    {"plain_bind", call_plain, 0},
    {"plain_accept", call_plain, 0},
    {"plain_greet", call_plain, 0},
    {"plain_ready", call_plain, 0},
    {"plain_frame", call_plain, 0},
    {"plain_send", call_plain, 0},
    {"plain_recv", call_plain, 0},
    {"plain_shut", call_plain, 0},
    {"plain_close", call_plain, 0},
    {"zap", call_zap, 0},
    {"proxy", call_proxy, 0},
    {"steer", call_steer, 0},
    {"late_bind", call_late_bind, 1},
};

static void perform (char *line)
{
    call_t c = {.count = 0};
    say ("%s", line);
    for (char *w = strtok (line, " "); w && c.count < WORDS; w = strtok (NULL, " "))
        c.word[c.count++] = w;
    if (c.count == 0)
        return;
    size_t i = 0;
    while (i < sizeof calls / sizeof *calls && strcmp (calls[i].name, c.word[0]))
        i++;
    if (i == sizeof calls / sizeof *calls) {
        say (" no such call\n");
        return;
    }
    /* Which kind of socket it was tells differences apart. */
    if (calls[i].of_socket && slot (&c)->socket)
        say (" [%s]", type_names[slot (&c)->type]);
    flush_out ();
    errno = 0;
    calls[i].run (&c);
    say ("\n");
    settle ();
    say_events ();
    unmonitored = 0;
    flush_out ();
}

/* What a script leaves is looked at, too, and ends. */
static void end_script (void)
{
    end_beside ();
    for (int i = 0; i < SOCKETS; i++)
        if (slots[i].socket) {
            say ("at the end %d [%s]", i, type_names[slots[i].type]);
            receive_all (&slots[i], 50);
            /* REP has the next request when this one is answered. */
            for (int n = 0; n < 5 && slots[i].type == ZMQ_REP; n++) {
                if (zmq_send (slots[i].socket, "", 0, ZMQ_DONTWAIT) != 0)
                    break;
                settle ();
                receive_all (&slots[i], 50);
            }
            say ("\n");
            settle ();
        }
    for (int i = 0; i < SOCKETS; i++)
        if (slots[i].socket) {
            say ("closed %d [%s]", i, type_names[slots[i].type]);
            close_slot (&slots[i]);
            say ("\n");
            settle ();
            say_events ();
        }
    flush_out ();
    for (int i = 0; i < SOCKETS; i++)
        close_monitor (&slots[i]);
    for (int i = 0; i < MESSAGES; i++)
        if (message_made[i])
            zmq_msg_close (&messages[i]);
    for (int i = 0; i < CONTEXTS; i++)
        if (contexts[i]) {
            say ("ended %d", i);
            flush_out ();
            result (zmq_ctx_term (contexts[i]));
            say ("\n");
        }
    join_zap ();
    say ("freed %d\n", freed);
    flush_out ();
}

/* Lines, each with a newline. */
static void perform_all (char *script)
{
    for (char *line = script, *end; (end = strchr (line, '\n')); line = end + 1) {
        char copy[LINE];
        snprintf (copy, sizeof copy, "%.*s", (int) (end - line), line);
        perform (copy);
    }
    end_script ();
}

#endif
