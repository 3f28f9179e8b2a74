/* PUB, SUB, XPUB, XSUB: RFC 29, zmq_socket(3), zmq_setsockopt(3). */
#include "common.h"

static const char *const transports[] = {"inproc", "tcp", "ipc"};

/* A publisher (bound) and a subscriber (connected), through an XPUB so that the test can wait for subscriptions. */
typedef struct
{
    void *ctx, *pub, *sub;
    char ep[EP_SIZE];
} duo_t;

static duo_t duo (int pub_type, int sub_type, const char *transport)
{
    duo_t d;
    d.ctx = ctx_new ();
    d.pub = sock (d.ctx, pub_type);
    d.sub = sock (d.ctx, sub_type);
    bind_any (d.pub, transport, d.ep);
    OK (zmq_connect (d.sub, d.ep));
    return d;
}

static void shut (duo_t *d)
{
    OK (zmq_close (d->pub));
    OK (zmq_close (d->sub));
    OK (zmq_ctx_term (d->ctx));
}

static void subscribe (void *sub, const char *topic)
{
    OK (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, topic, strlen (topic)));
}

static void unsubscribe (void *sub, const char *topic)
{
    OK (zmq_setsockopt (sub, ZMQ_UNSUBSCRIBE, topic, strlen (topic)));
}

/* XPUB receives 1+topic or 0+topic. */
#define SUBSCRIPTION(xpub, want) RECV (xpub, "\1" want)
#define CANCELLATION(xpub, want)                                                                                       \
    do {                                                                                                               \
        char buf_[300];                                                                                                \
        IS (zmq_recv (xpub, buf_, sizeof buf_, 0), sizeof (want));                                                     \
        CHECK (buf_[0] == 0 && !memcmp (buf_ + 1, want, sizeof (want) - 1));                                           \
    } while (0)

GROUP (prefix_matching)
{
    for (int t = 0; t < 3; t++) {
        duo_t d = duo (ZMQ_XPUB, ZMQ_SUB, transports[t]);
        subscribe (d.sub, "a");
        SUBSCRIPTION (d.pub, "a");
        subscribe (d.sub, "bc");
        SUBSCRIPTION (d.pub, "bc");
        static const char *const sent[] = {"", "a", "abc", "b", "bc", "bcd", "cab", "A"};
        for (size_t i = 0; i < sizeof sent / sizeof *sent; i++)
            SEND (d.pub, sent[i], 0);
        RECV (d.sub, "a");
        RECV (d.sub, "abc");
        RECV (d.sub, "bc");
        RECV (d.sub, "bcd");
        RECV_NONE (d.sub, 30);
        shut (&d);
    }
}

GROUP (empty_topic_matches_all)
{
    duo_t d = duo (ZMQ_XPUB, ZMQ_SUB, "tcp");
    subscribe (d.sub, "");
    SUBSCRIPTION (d.pub, "");
    SEND (d.pub, "", 0);
    SEND (d.pub, "anything", ZMQ_SNDMORE);
    SEND (d.pub, "second part is not matched", 0);
    RECV (d.sub, "");
    RECV (d.sub, "anything");
    IS (RCVMORE (d.sub), 1);
    RECV (d.sub, "second part is not matched");
    shut (&d);
}

GROUP (nothing_without_subscription)
{
    duo_t d = duo (ZMQ_PUB, ZMQ_SUB, "inproc");
    SEND (d.pub, "unheard", 0);
    RECV_NONE (d.sub, 30);
    shut (&d);
}

/* Subscriptions count: as many cancellations as subscriptions. */
GROUP (subscriptions_count)
{
    for (int t = 0; t < 2; t++) {
        duo_t d = duo (ZMQ_XPUB, ZMQ_SUB, transports[t]);
        subscribe (d.sub, "a");
        subscribe (d.sub, "a");
        SUBSCRIPTION (d.pub, "a");
        RECV_NONE (d.pub, 30);
        unsubscribe (d.sub, "a");
        RECV_NONE (d.pub, 30);
        SEND (d.pub, "a1", 0);
        RECV (d.sub, "a1");
        unsubscribe (d.sub, "a");
        CANCELLATION (d.pub, "a");
        SEND (d.pub, "a2", 0);
        RECV_NONE (d.sub, 30);
        /* One too many is harmless. */
        unsubscribe (d.sub, "a");
        subscribe (d.sub, "a");
        SUBSCRIPTION (d.pub, "a");
        shut (&d);
    }
}

GROUP (cancel_stops_delivery)
{
    duo_t d = duo (ZMQ_XPUB, ZMQ_SUB, "tcp");
    subscribe (d.sub, "x");
    subscribe (d.sub, "y");
    SUBSCRIPTION (d.pub, "x");
    SUBSCRIPTION (d.pub, "y");
    unsubscribe (d.sub, "x");
    CANCELLATION (d.pub, "x");
    SEND (d.pub, "x", 0);
    SEND (d.pub, "y", 0);
    RECV (d.sub, "y");
    shut (&d);
}

/* A subscriber that goes away cancels what it had, once nobody else has it. */
GROUP (leaving_cancels)
{
    for (int t = 0; t < 3; t++) {
        duo_t d = duo (ZMQ_XPUB, ZMQ_SUB, transports[t]);
        void *other = sock (d.ctx, ZMQ_SUB);
        OK (zmq_connect (other, d.ep));
        subscribe (d.sub, "shared");
        SUBSCRIPTION (d.pub, "shared");
        subscribe (other, "shared");
        subscribe (other, "own");
        SUBSCRIPTION (d.pub, "own");
        OK (zmq_close (other));
        CANCELLATION (d.pub, "own");
        RECV_NONE (d.pub, 50);
        SEND (d.pub, "shared", 0);
        RECV (d.sub, "shared");
        shut (&d);
    }
}

/* Sorted, whatever the order of the subscriptions was. */
GROUP (leaving_cancels_in_order)
{
    static const char *const topics[] = {"b", "ab", "", "a", "ba", "aa"}, *const sorted[] = {"", "a", "aa", "ab", "b", "ba"};
    duo_t d = duo (ZMQ_XPUB, ZMQ_SUB, "tcp");
    char got[10];
    for (int i = 0; i < 6; i++) {
        subscribe (d.sub, topics[i]);
        IS (zmq_recv (d.pub, got, sizeof got, 0), strlen (topics[i]) + 1);
    }
    OK (zmq_close (d.sub));
    d.sub = sock (d.ctx, ZMQ_SUB);
    for (size_t i = 0; i < 6; i++) {
        size_t length = strlen (sorted[i]);
        IS (zmq_recv (d.pub, got, sizeof got, 0), length + 1);
        CHECK (got[0] == 0 && !memcmp (got + 1, sorted[i], length));
    }
    shut (&d);
}

GROUP (xpub_verbose)
{
    char ep[EP_SIZE];
    for (int verbose = 0; verbose < 3; verbose++) {
        void *ctx = ctx_new (), *pub = sock (ctx, ZMQ_XPUB), *a = sock (ctx, ZMQ_SUB), *b = sock (ctx, ZMQ_SUB);
        if (verbose)
            set_int (pub, verbose == 1 ? ZMQ_XPUB_VERBOSE : ZMQ_XPUB_VERBOSER, 1);
        bind_any (pub, "inproc", ep);
        OK (zmq_connect (a, ep));
        OK (zmq_connect (b, ep));
        subscribe (a, "t");
        SUBSCRIPTION (pub, "t");
        subscribe (b, "t");
        if (verbose)
            SUBSCRIPTION (pub, "t");
        RECV_NONE (pub, 20);
        unsubscribe (a, "t");
        if (verbose == 2)
            CANCELLATION (pub, "t");
        RECV_NONE (pub, 20);
        unsubscribe (b, "t");
        CANCELLATION (pub, "t");
        RECV_NONE (pub, 20);
        OK (zmq_close (a));
        OK (zmq_close (b));
        OK (zmq_close (pub));
        OK (zmq_ctx_term (ctx));
    }
}

GROUP (xpub_manual)
{
    duo_t d = duo (ZMQ_XPUB, ZMQ_SUB, "tcp");
    set_int (d.pub, ZMQ_XPUB_MANUAL, 1);
    subscribe (d.sub, "A");
    SUBSCRIPTION (d.pub, "A");
    /* Subscribed to something else instead. */
    OK (zmq_setsockopt (d.pub, ZMQ_SUBSCRIBE, "XA", 2));
    SEND (d.pub, "A", 0);
    SEND (d.pub, "XA", 0);
    /* The subscriber filters too, so nothing arrives until it wants this. */
    subscribe (d.sub, "XA");
    SUBSCRIPTION (d.pub, "XA");
    OK (zmq_setsockopt (d.pub, ZMQ_SUBSCRIBE, "XA", 2));
    SEND (d.pub, "XA2", 0);
    for (;;) {
        char buf[20] = {0};
        CHECK (zmq_recv (d.sub, buf, sizeof buf - 1, 0) > 0);
        if (!strcmp (buf, "XA2"))
            break;
        CHECK (!strcmp (buf, "XA"));
    }
    shut (&d);
}

GROUP (xpub_welcome_message)
{
    char ep[EP_SIZE];
    void *ctx = ctx_new (), *pub = sock (ctx, ZMQ_XPUB), *sub = sock (ctx, ZMQ_SUB);
    OK (zmq_setsockopt (pub, ZMQ_XPUB_WELCOME_MSG, "W", 1));
    bind_any (pub, "tcp", ep);
    subscribe (sub, "W");
    OK (zmq_connect (sub, ep));
    /* libzmq welcomes from within a call on the XPUB. */
    SUBSCRIPTION (pub, "W");
    RECV (sub, "W");
    OK (zmq_close (pub));
    OK (zmq_close (sub));
    OK (zmq_ctx_term (ctx));
}

/* XPUB_NODROP: a full subscriber makes the publisher wait instead of losing messages. */
GROUP (xpub_nodrop)
{
    char ep[EP_SIZE];
    void *ctx = ctx_new (), *pub = sock (ctx, ZMQ_XPUB), *sub = sock (ctx, ZMQ_SUB);
    int sent = 0;
    set_int (pub, ZMQ_SNDHWM, 20);
    set_int (pub, ZMQ_XPUB_NODROP, 1);
    set_int (sub, ZMQ_RCVHWM, 20);
    bind_any (pub, "inproc", ep);
    OK (zmq_connect (sub, ep));
    subscribe (sub, "");
    SUBSCRIPTION (pub, "");
    while (zmq_send (pub, "x", 1, ZMQ_DONTWAIT) == 1)
        sent++;
    IS (errno, EAGAIN);
    IS (sent, 40);
    for (int i = 0; i < sent; i++)
        RECV (sub, "x");
    SEND (pub, "y", 0);
    RECV (sub, "y");
    OK (zmq_close (pub));
    OK (zmq_close (sub));
    OK (zmq_ctx_term (ctx));
}

GROUP (invert_matching)
{
    char ep[EP_SIZE];
    void *ctx = ctx_new (), *pub = sock (ctx, ZMQ_XPUB), *sub = sock (ctx, ZMQ_SUB);
    set_int (pub, ZMQ_INVERT_MATCHING, 1);
    set_int (sub, ZMQ_INVERT_MATCHING, 1);
    bind_any (pub, "tcp", ep);
    OK (zmq_connect (sub, ep));
    subscribe (sub, "a");
    SUBSCRIPTION (pub, "a");
    SEND (pub, "apple", 0);
    SEND (pub, "pear", 0);
    RECV (sub, "pear");
    RECV_NONE (sub, 20);
    OK (zmq_close (pub));
    OK (zmq_close (sub));
    OK (zmq_ctx_term (ctx));
}

/* XSUB subscribes by sending; other messages pass upstream as they are. */
GROUP (xsub_upstream)
{
    for (int t = 0; t < 2; t++) {
        duo_t d = duo (ZMQ_XPUB, ZMQ_XSUB, transports[t]);
        IS (zmq_send (d.sub, "\1topic", 6, 0), 6);
        SUBSCRIPTION (d.pub, "topic");
        SEND (d.pub, "topic 1", 0);
        RECV (d.sub, "topic 1");
        SEND (d.sub, "user message", 0);
        RECV (d.pub, "user message");
        SEND (d.sub, "two", ZMQ_SNDMORE);
        SEND (d.sub, "parts", 0);
        RECV (d.pub, "two");
        IS (RCVMORE (d.pub), 1);
        RECV (d.pub, "parts");
        IS (zmq_send (d.sub, "\0topic", 6, 0), 6);
        CANCELLATION (d.pub, "topic");
        shut (&d);
    }
}

/* Subscriptions are sent again to a publisher that came back, and to one connected later. */
GROUP (resubscribes)
{
    char ep[EP_SIZE];
    void *ctx = ctx_new (), *sub = sock (ctx, ZMQ_SUB);
    free_tcp (ep);
    subscribe (sub, "one");
    subscribe (sub, "two");
    set_int (sub, ZMQ_RECONNECT_IVL, 10);
    OK (zmq_connect (sub, ep));
    for (int round = 0; round < 3; round++) {
        void *pub = sock (ctx, ZMQ_XPUB);
        EVENTUALLY (zmq_bind (pub, ep) == 0, 5000);
        for (int i = 0; i < 2; i++) {
            char buf[10];
            /* libzmq subscribes anew from within a call on the SUB. */
            EVENTUALLY (get_int (sub, ZMQ_EVENTS) >= 0 && readable (pub, 1), 10000);
            IS (zmq_recv (pub, buf, sizeof buf, 0), 4);
            CHECK (!memcmp (buf, "\1one", 4) || !memcmp (buf, "\1two", 4));
        }
        SEND (pub, "two", 0);
        RECV (sub, "two");
        OK (zmq_close (pub));
    }
    OK (zmq_close (sub));
    OK (zmq_ctx_term (ctx));
}

GROUP (subscriptions_are_exempt_from_hwm)
{
    char ep[EP_SIZE], topic[32];
    void *ctx = ctx_new (), *pub = sock (ctx, ZMQ_XPUB), *sub = sock (ctx, ZMQ_SUB);
    set_int (sub, ZMQ_SNDHWM, 1);
    set_int (sub, ZMQ_RCVHWM, 1);
    set_int (pub, ZMQ_SNDHWM, 1);
    set_int (pub, ZMQ_RCVHWM, 1);
    for (int i = 0; i < 500; i++) {
        sprintf (topic, "topic-%03d", i);
        subscribe (sub, topic);
    }
    bind_any (pub, "tcp", ep);
    OK (zmq_connect (sub, ep));
    for (int i = 0; i < 500; i++) {
        set_int (pub, ZMQ_RCVTIMEO, 2000);
        IS (zmq_recv (pub, topic, sizeof topic, 0), 10);
    }
    SEND (pub, "topic-499", 0);
    RECV (sub, "topic-499");
    OK (zmq_close (pub));
    OK (zmq_close (sub));
    OK (zmq_ctx_term (ctx));
}

/* XSUB-XPUB in the middle, as a forwarder, passes both ways. */
GROUP (forwarding)
{
    char ep1[EP_SIZE], ep2[EP_SIZE], buf[64];
    void *ctx = ctx_new (), *pub = sock (ctx, ZMQ_XPUB), *xsub = sock (ctx, ZMQ_XSUB), *xpub = sock (ctx, ZMQ_XPUB),
         *sub = sock (ctx, ZMQ_SUB);
    bind_any (pub, "tcp", ep1);
    OK (zmq_connect (xsub, ep1));
    bind_any (xpub, "tcp", ep2);
    OK (zmq_connect (sub, ep2));
    subscribe (sub, "news");
    int n = zmq_recv (xpub, buf, sizeof buf, 0);
    IS (n, 5);
    IS (zmq_send (xsub, buf, n, 0), n);
    SUBSCRIPTION (pub, "news");
    SEND (pub, "news: one", 0);
    n = zmq_recv (xsub, buf, sizeof buf, 0);
    IS (zmq_send (xpub, buf, n, 0), n);
    RECV (sub, "news: one");
    OK (zmq_close (pub));
    OK (zmq_close (xsub));
    OK (zmq_close (xpub));
    OK (zmq_close (sub));
    OK (zmq_ctx_term (ctx));
}

/* Long topics, binary topics, many topics that share prefixes. */
GROUP (topic_shapes)
{
    duo_t d = duo (ZMQ_XPUB, ZMQ_SUB, "tcp");
    static char topic[2000], got[2002];
    for (size_t i = 0; i < sizeof topic; i++)
        topic[i] = (char) (i % 251);
    static const size_t sizes[] = {1, 63, 64, 200, 1000, 2000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        OK (zmq_setsockopt (d.sub, ZMQ_SUBSCRIBE, topic, sizes[i]));
        IS (zmq_recv (d.pub, got, sizeof got, 0), sizes[i] + 1);
        CHECK (got[0] == 1 && !memcmp (got + 1, topic, sizes[i]));
    }
    IS (zmq_send (d.pub, topic, sizeof topic, 0), sizeof topic);
    IS (zmq_recv (d.sub, got, sizeof got, 0), sizeof topic);
    /* One message, once, however many subscriptions match. */
    RECV_NONE (d.sub, 20);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        OK (zmq_setsockopt (d.sub, ZMQ_UNSUBSCRIBE, topic, sizes[i]));
        IS (zmq_recv (d.pub, got, sizeof got, 0), sizes[i] + 1);
        CHECK (got[0] == 0 && !memcmp (got + 1, topic, sizes[i]));
    }
    SEND (d.pub, "\1", 0);
    RECV_NONE (d.sub, 20);
    shut (&d);
}

/* Around the limit of one-byte frame sizes; libzmq before 4.3.6 sends some of these wrongly. */
GROUP (topics_at_the_frame_limit)
{
    duo_t d = duo (ZMQ_XPUB, ZMQ_SUB, "tcp");
    char topic[300], got[302];
    memset (topic, 't', sizeof topic);
    for (int size = 240; size <= 260; size++) {
        OK (zmq_setsockopt (d.sub, ZMQ_SUBSCRIBE, topic, (size_t) size));
        IS (zmq_recv (d.pub, got, sizeof got, 0), size + 1);
        CHECK (got[0] == 1 && !memcmp (got + 1, topic, (size_t) size));
        OK (zmq_setsockopt (d.sub, ZMQ_UNSUBSCRIBE, topic, (size_t) size));
        IS (zmq_recv (d.pub, got, sizeof got, 0), size + 1);
        CHECK (got[0] == 0 && !memcmp (got + 1, topic, (size_t) size));
    }
    shut (&d);
}

/* A subscriber that connects to several publishers hears all; one publisher tells all subscribers. */
GROUP (many_to_many)
{
    void *ctx = ctx_new (), *pubs[3], *subs[3];
    char ep[EP_SIZE];
    for (int s = 0; s < 3; s++) {
        subs[s] = sock (ctx, ZMQ_SUB);
        subscribe (subs[s], "");
    }
    for (int p = 0; p < 3; p++) {
        pubs[p] = sock (ctx, ZMQ_XPUB);
        set_int (pubs[p], ZMQ_XPUB_VERBOSE, 1);
        bind_any (pubs[p], "tcp", ep);
        for (int s = 0; s < 3; s++)
            OK (zmq_connect (subs[s], ep));
        for (int s = 0; s < 3; s++)
            SUBSCRIPTION (pubs[p], "");
    }
    for (int p = 0; p < 3; p++)
        for (int i = 0; i < 50; i++)
            SEND (pubs[p], "tick", 0);
    for (int s = 0; s < 3; s++) {
        for (int i = 0; i < 150; i++)
            RECV (subs[s], "tick");
        RECV_NONE (subs[s], 5);
        OK (zmq_close (subs[s]));
        OK (zmq_close (pubs[s]));
    }
    OK (zmq_ctx_term (ctx));
}

MAIN (ENTRY (prefix_matching), ENTRY (empty_topic_matches_all), ENTRY (nothing_without_subscription),
      ENTRY (subscriptions_count), ENTRY (cancel_stops_delivery), ENTRY (leaving_cancels), ENTRY (leaving_cancels_in_order), ENTRY (xpub_verbose),
      ENTRY (xpub_manual), ENTRY (xpub_welcome_message), ENTRY (xpub_nodrop), ENTRY (invert_matching),
      ENTRY (xsub_upstream), ENTRY (resubscribes), ENTRY (subscriptions_are_exempt_from_hwm), ENTRY (forwarding),
      ENTRY (topic_shapes), ENTRY (topics_at_the_frame_limit), ENTRY (many_to_many))
