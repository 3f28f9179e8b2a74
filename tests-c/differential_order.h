/*
 * Whether two answers to a script differ in nothing but whose message came first: all but what was received is the same;
 * each socket receives the same messages, each of them whole; and what one peer has sent comes in the order it was sent in.
 *
 * Who has sent a message is known by the id before it where a socket puts one there, else by its last part (envelopes
 * stand before that), for the script says who sent it. Of what nobody in the script has sent (a probe, a subscription, the
 * note of a stream's end) both must say the same order. Of two sockets that are connected more than once each connection
 * has an order of its own. Included once, by differential.c.
 */
#ifndef TESTS_C_DIFFERENTIAL_ORDER_H
#define TESTS_C_DIFFERENTIAL_ORDER_H

#include "differential_calls.h"

enum { TOLD = 600, PEERS = 64, PIPES = 4, PLACES = SOCKETS + PLAIN, STEPS = 100000 };

typedef struct
{
    /* Each line without what was received, and whether there was too much of anything. */
    uint64_t said[TOLD];
    int said_count, overflow;
    /* Messages, by who received them; whether their first part is the id of who has sent them. */
    struct { int by, ids; uint64_t text, first, last; } got[TOLD];
    int got_count;
    /* The last parts of what was sent. */
    struct { int by; uint64_t last; } sent[TOLD];
    int sent_count;
    /* Who has bound or connected to what. */
    struct { int place, binds; uint64_t to; } links[TOLD];
    int link_count;
    /* A place is a socket of a script, or a plain peer; there may be one after the other, each of which is a peer. */
    int peer_at[PLACES], place_of[PEERS], peer_count;
    /* The message that is being received there, and one more; where the last line was about; what is in each message. */
    int begun[PLACES], place;
    uint64_t held[MESSAGES];
} told_t;

/* ---- one answer ------------------------------------------------------------------------------------------------- */

static uint64_t mixed (uint64_t hash, uint64_t value)
{
    return ((hash ^ value) * 0x100000001b3ull) ^ (value >> 7);
}

/* As it is, or (`alike`) without the numbers of ids and ports, which say in which order they were seen. */
static uint64_t hash_of (const char *text, size_t size, int alike)
{
    uint64_t hash = 0xcbf29ce484222325ull;
    for (size_t i = 0; i < size; i++) {
        size_t word = 0, digits = 0;
        hash = mixed (hash, (unsigned char) text[i]);
        if (!alike || text[i] != '<')
            continue;
        word = strspn (text + i + 1, "abcdefghijklmnopqrstuvwxyz");
        digits = strspn (text + i + 1 + word, "0123456789");
        if (word && digits && text[i + 1 + word + digits] == '>')
            i += word + digits;
    }
    return hash;
}

/* Of bytes as a script has them, from number `from` on. */
static uint64_t hash_of_bytes (const char *word, int from)
{
    int size = bytes_of (word, buffer);
    out_size = 0;
    say_bytes (buffer + from, size > from ? size - from : 0);
    uint64_t hash = hash_of (out, out_size, 1);
    out_size = 0;
    return hash;
}

static void told_received (told_t *t, const char *head, const char *text, size_t size, int more)
{
    int *begun = &t->begun[t->place];
    uint64_t hash = hash_of (text, size, 1);
    if (*begun == 0) {
        if (t->got_count == TOLD) {
            t->overflow = 1;
            return;
        }
        *begun = ++t->got_count;
        t->got[*begun - 1].by = t->peer_at[t->place];
        t->got[*begun - 1].ids = strstr (head, "[ROUTER]") || strstr (head, "[STREAM]");
        t->got[*begun - 1].text = 0;
        t->got[*begun - 1].first = hash_of (text, size, 0);
    }
    t->got[*begun - 1].text = mixed (t->got[*begun - 1].text, hash);
    t->got[*begun - 1].last = hash;
    if (!more)
        *begun = 0;
}

/* What stands behind each ` = `. */
static void told_results (told_t *t, const char *head, const char *at)
{
    for (const char *end; at; at = end) {
        end = strstr (at + 3, " = ");
        size_t size = end ? (size_t) (end - at) : strlen (at);
        uint64_t *said = &t->said[t->said_count - 1];
        *said = mixed (*said, at[3] == '-' ? hash_of (at, size, 1) : 1);
        if (at[3] == '-')
            continue;
        const char *text = at + 3 + strcspn (at + 3, " "), *last = at + size;
        if (!strncmp (text, " holds ", 7))
            text += 7 + strcspn (text + 7, " ");
        text += *text == ' ';
        int more = last - text > 9 && !strncmp (last - 9, " and more", 9);
        told_received (t, head, text, last - text - 9 * more, more);
    }
}

static void told_sent (told_t *t, int place, uint64_t last)
{
    if (t->sent_count == TOLD)
        t->overflow = 1;
    else {
        t->sent[t->sent_count].by = t->peer_at[place];
        t->sent[t->sent_count++].last = last;
    }
}

static void told_peer (told_t *t, int place)
{
    if (t->peer_count == PEERS - 1)
        t->overflow = 1;
    else {
        t->place_of[++t->peer_count] = place;
        t->peer_at[place] = t->peer_count;
        t->begun[place] = 0;
    }
}

static int is_one_of (const char *name, const char *const *names)
{
    while (*names && strcmp (*names, name))
        names++;
    return *names != NULL;
}

/* A call that has not failed. */
static void told_done (told_t *t, const call_t *c)
{
    static const char *const links[] = {"bind", "late_bind", "connect", NULL};
    const char *name = word (c, 0);
    int place = (unsigned) atoi (word (c, 1)) % SOCKETS, plain = SOCKETS + (unsigned) atoi (word (c, 1)) % PLAIN;
    int more = number_of (flag_names, word (c, 2)) & ZMQ_SNDMORE;
    if (!strcmp (name, "socket"))
        told_peer (t, place);
    else if (!strcmp (name, "plain_connect") || !strcmp (name, "plain_accept"))
        told_peer (t, plain);
    else if (is_one_of (name, links) && t->link_count < TOLD) {
        t->links[t->link_count].place = place;
        t->links[t->link_count].binds = name[0] != 'c';
        t->links[t->link_count++].to = hash_of (word (c, 2), strlen (word (c, 2)), 0);
    } else if (!strcmp (name, "send") && !more)
        told_sent (t, place, hash_of_bytes (word (c, 3), 0));
    else if (!strcmp (name, "plain_frame") && !(atoi (word (c, 2)) & 5))
        told_sent (t, plain, hash_of_bytes (word (c, 3), 0));
    else if (!strcmp (name, "plain_send")) /* A frame of ZMTP 1.0 has two bytes before its body. */
        told_sent (t, plain, hash_of_bytes (word (c, 2), 2));
    else if (!strcmp (name, "msg_send") && !(number_of (flag_names, word (c, 3)) & ZMQ_SNDMORE))
        told_sent (t, place, t->held[(unsigned) atoi (word (c, 2)) % MESSAGES]);
    else if (!strcmp (name, "sendiov"))
        told_sent (t, place, hash_of ("abcd", (unsigned) atoi (word (c, 2)) % 5, 1));
}

/* What messages hold, for when they are sent. */
static void told_messages (told_t *t, const call_t *c, const char *done)
{
    const char *name = word (c, 0), *text = strstr (done, " holds ");
    uint64_t *one = &t->held[(unsigned) atoi (word (c, !strcmp (name, "msg_recv") ? 2 : 1)) % MESSAGES];
    uint64_t *other = &t->held[(unsigned) atoi (word (c, 2)) % MESSAGES];
    if (!strcmp (name, "msg_copy") || !strcmp (name, "msg_move"))
        *other = *one;
    if (!strcmp (name, "msg_copy") || !strcmp (name, "msg_send") || !text)
        return;
    text += 7 + strcspn (text + 7, " ");
    text += *text == ' ';
    const char *more = strstr (text, " and more");
    *one = hash_of (text, more ? (size_t) (more - text) : strlen (text), 1);
}

static void told_line (told_t *t, char *text)
{
    static const char *const receives[] = {"recv", "drain", "msg_recv", "at", NULL};
    char words[LINE], *ready = strstr (text, "  ready:"), *end;
    call_t c = {.count = 0};
    if (ready)
        *ready = 0;
    if (text[0] == 0)
        return;
    if (t->said_count == TOLD) {
        t->overflow = 1;
        return;
    }
    char *done = strstr (text, " = ");
    size_t size = done ? (size_t) (done - text) : strlen (text);
    snprintf (words, sizeof words, "%.*s", (int) size, text);
    for (char *w = strtok_r (words, " ", &end); w && c.count < WORDS; w = strtok_r (NULL, " ", &end))
        c.word[c.count++] = w;
    /* What is ready may be said in the middle of what is left at the end. */
    int goes_on = done == text, received = goes_on || is_one_of (word (&c, 0), receives);
    if (!goes_on && received)
        t->place = (unsigned) atoi (word (&c, word (&c, 0)[0] == 'a' ? 3 : 1)) % SOCKETS;
    t->said[t->said_count++] = hash_of (text, received ? size : strlen (text), 1);
    if (received && done)
        told_results (t, text, done);
    /* Who is left with a request answers it, and the next ones, with nothing. */
    for (int i = 0; word (&c, 0)[0] == 'a' && strstr (text, "[REP]") && i < 5; i++)
        told_sent (t, t->place, hash_of_bytes ("-", 0));
    if (done && !strncmp (word (&c, 0), "msg_", 4))
        told_messages (t, &c, done);
    if (!done || done[3] != '-')
        told_done (t, &c);
    /* How many were sent before that failed stands behind the socket's type. */
    for (int i = strcmp (word (&c, 0), "flood") ? 0 : atoi (word (&c, 4)); i > 0; i--)
        told_sent (t, (unsigned) atoi (word (&c, 1)) % SOCKETS, hash_of ("flood", 5, 1));
}

static void tell (told_t *t, const char *answer)
{
    memset (t, 0, sizeof *t);
    for (const char *at = answer, *end; (end = strchr (at, '\n')); at = end + 1) {
        static char text[1 << 16];
        snprintf (text, sizeof text, "%.*s", (int) (end - at), at);
        told_line (t, text);
    }
}

/* ---- two of them ------------------------------------------------------------------------------------------------ */

static int by_number (const void *a, const void *b)
{
    uint64_t one = *(const uint64_t *) a, other = *(const uint64_t *) b;
    return one < other ? -1 : one > other;
}

static int same_numbers (uint64_t list[2][TOLD], const int count[2])
{
    for (int i = 0; i < 2; i++)
        qsort (list[i], count[i], sizeof list[i][0], by_number);
    return count[0] == count[1] && !memcmp (list[0], list[1], count[0] * sizeof list[0][0]);
}

/* Those of which the answer itself says that one peer has sent them, or that nobody in the script has: 0 for others. */
static uint64_t group_of (const told_t *t, int i)
{
    if (t->got[i].ids)
        return mixed (t->got[i].first, t->got[i].by);
    for (int n = 0; n < t->sent_count; n++)
        if (t->sent[n].last == t->got[i].last)
            return 0;
    return 1 + t->got[i].by;
}

/* For each group one number that says what is in it, in its order. */
static int orders (const told_t *t, uint64_t list[TOLD])
{
    uint64_t groups[TOLD];
    int count = 0;
    for (int i = 0; i < t->got_count; i++) {
        int n = 0;
        uint64_t group = group_of (t, i);
        while (n < count && groups[n] != group)
            n++;
        if (group == 0)
            continue;
        if (n == count) {
            groups[count] = group;
            list[count++] = t->got[i].by;
        }
        list[n] = mixed (list[n], t->got[i].text);
    }
    return count;
}

/* How many connections there may have been between two places. */
static int pipes_between (const told_t *t, int one, int other)
{
    int count = 0;
    for (int i = 0; i < t->link_count; i++) {
        char name[16];
        int at = t->links[i].place, to = at == one ? other : one, meets = 0;
        if (t->links[i].binds || (at != one && at != other))
            continue;
        snprintf (name, sizeof name, "@%d", to);
        meets = t->links[i].to == hash_of (name, strlen (name), 0);
        for (int n = 0; n < t->link_count && !meets; n++)
            meets = t->links[n].binds && t->links[n].place == to && t->links[n].to == t->links[i].to;
        count += meets;
    }
    return count < 1 ? 1 : count > PIPES ? PIPES : count;
}

typedef struct
{
    const told_t *told;
    int by, steps, pipes[PEERS], at[PEERS][PIPES];
} search_t;

/* Whether what was received from number `i` on can have come over these connections, each in its order. */
static int can_have_come (search_t *s, int i)
{
    const told_t *t = s->told;
    while (i < t->got_count && (t->got[i].by != s->by || group_of (t, i)))
        i++;
    if (i == t->got_count)
        return 1;
    if (s->steps-- < 0)
        return 0;
    for (int peer = 0; peer <= t->peer_count; peer++)
        for (int pipe = 0; pipe < s->pipes[peer]; pipe++) {
            int *at = &s->at[peer][pipe], before = *at, n = before;
            while (n < t->sent_count && (t->sent[n].by != peer || t->sent[n].last != t->got[i].last))
                n++;
            if (n == t->sent_count)
                continue;
            *at = n + 1;
            if (can_have_come (s, i + 1))
                return 1;
            *at = before;
        }
    return 0;
}

static int each_in_its_order (const told_t *t)
{
    for (int by = 0; by <= t->peer_count; by++) {
        search_t s = {.told = t, .by = by, .steps = STEPS};
        for (int peer = 0; peer <= t->peer_count; peer++)
            s.pipes[peer] = pipes_between (t, t->place_of[peer], t->place_of[by]);
        if (!can_have_come (&s, 0))
            return 0;
    }
    return 1;
}

static int another_order_of_peers (const char *ours, const char *system)
{
    static told_t told[2];
    uint64_t list[2][TOLD];
    int count[2];
    tell (&told[0], ours);
    tell (&told[1], system);
    if (told[0].overflow || told[1].overflow || told[0].said_count != told[1].said_count
        || memcmp (told[0].said, told[1].said, told[0].said_count * sizeof told[0].said[0]))
        return 0;
    for (int i = 0; i < 2; i++) {
        count[i] = told[i].got_count;
        for (int n = 0; n < count[i]; n++)
            list[i][n] = mixed (told[i].got[n].text, told[i].got[n].by);
    }
    if (!same_numbers (list, count))
        return 0;
    for (int i = 0; i < 2; i++)
        count[i] = orders (&told[i], list[i]);
    return same_numbers (list, count) && each_in_its_order (&told[0]) && each_in_its_order (&told[1]);
}

/* ---- made up ---------------------------------------------------------------------------------------------------- */

/* Two peers, 1 and 2, of which each sends two messages to 0; then, on one line each, what is received, by either library. */
static const struct
{
    const char *what, *type, *ours, *system;
    int explained;
} made_up[] = {
    {"another's first", "PULL", " = 2 aa = 2 bb = 2 cc = 2 dd", " = 2 cc = 2 aa = 2 dd = 2 bb", 1},
    {"one behind the other", "PULL", " = 2 aa = 2 bb = 2 cc = 2 dd", " = 2 cc = 2 dd = 2 aa = 2 bb", 1},
    {"one's second first", "PULL", " = 2 aa = 2 bb = 2 cc = 2 dd", " = 2 bb = 2 aa = 2 cc = 2 dd", 0},
    {"one's second first with ours", "PULL", " = 2 cc = 2 bb = 2 aa = 2 dd", " = 2 aa = 2 bb = 2 cc = 2 dd", 0},
    {"one's second first, another's between", "PULL", " = 2 aa = 2 cc = 2 bb = 2 dd", " = 2 bb = 2 cc = 2 aa = 2 dd", 0},
    {"the same, wrong with both", "PULL", " = 2 bb = 2 cc = 2 aa = 2 dd", " = 2 cc = 2 bb = 2 aa = 2 dd", 0},
    {"parts of another message", "PULL", " = 1 x and more = 2 aa = 2 cc", " = 1 x and more = 2 cc = 2 aa", 0},
    {"a part before its message", "PULL", " = 1 x and more = 2 aa = 2 cc", " = 2 cc = 1 x and more = 2 aa", 1},
    {"one twice", "PULL", " = 2 aa = 2 aa = 2 cc", " = 2 aa = 2 cc = 2 cc", 0},
    {"one's twice with both", "PULL", " = 2 aa = 2 aa = 2 cc", " = 2 cc = 2 aa = 2 aa", 0},
    {"one less", "PULL", " = 2 aa = 2 cc = -1 EAGAIN", " = 2 cc = -1 EAGAIN", 0},
    {"another error", "PULL", " = 2 aa = 2 cc = -1 EAGAIN", " = 2 cc = 2 aa = -1 EFSM", 0},
    {"another's id first", "ROUTER", " = 5 <id0> and more = 2 aa = 5 <id1> and more = 2 cc",
     " = 5 <id0> and more = 2 cc = 5 <id1> and more = 2 aa", 1},
    {"one's second first, with ids", "ROUTER", " = 5 <id0> and more = 2 aa = 5 <id0> and more = 2 bb",
     " = 5 <id0> and more = 2 bb = 5 <id0> and more = 2 aa", 0},
    {"a probe behind a message of its peer's", "ROUTER", " = 2 r1 and more = 0 - = 2 r1 and more = 2 aa",
     " = 2 r1 and more = 2 aa = 2 r1 and more = 0 -", 0},
    {"another's name", "ROUTER", " = 2 r1 and more = 2 aa = 2 r2 and more = 2 cc",
     " = 2 r2 and more = 2 aa = 2 r1 and more = 2 cc", 0},
    {"subscriptions", "XPUB", " = 2 \\x01a = 2 \\x01b", " = 2 \\x01b = 2 \\x01a", 0},
};

static int check_order (int *passed)
{
    static const char before[] = "socket 0 0 %s = a socket\nsocket 1 0 PUSH = a socket\nsocket 2 0 PUSH = a socket\n"
                                 "bind 0 ipc://p0 [PULL] = 0\nconnect 1 @0 [PUSH] = 0\nconnect 2 @0 [PUSH] = 0\n"
                                 "send 1 0 a*2 [PUSH] = 2\nsend 2 0 c*2 [PUSH] = 2\n  ready: 0%s\nsend 1 0 b*2 [PUSH] = 2\n"
                                 "send 2 0 d*2 [PUSH] = 2\ndrain 0 [%s]%s\n";
    int failed = 0;
    for (size_t i = 0; i < sizeof made_up / sizeof *made_up; i++) {
        char texts[3][1000];
        snprintf (texts[0], sizeof texts[0], before, made_up[i].type, "i", made_up[i].type, made_up[i].ours);
        snprintf (texts[1], sizeof texts[1], before, made_up[i].type, "", made_up[i].type, made_up[i].system);
        snprintf (texts[2], sizeof texts[2], "%ssend 1 0 e = -1 EAGAIN\n", texts[1]);
        if (another_order_of_peers (texts[0], texts[1]) == made_up[i].explained && !another_order_of_peers (texts[0], texts[2])) {
            (*passed)++;
            continue;
        }
        failed++;
        printf ("FAIL order:%s is %sexplained\n", made_up[i].what, made_up[i].explained ? "not " : "");
    }
    return failed;
}

#endif
