/* What each socket type promises: RFC 28 (REQ-REP), 30 (PIPELINE), 31 (EXCLUSIVE PAIR), zmq_socket(3). */
#include "common.h"

static const char *const transports[] = {"inproc", "tcp", "ipc"};
#define EACH_TRANSPORT(t) for (int t = 0; t < 3; t++)

#define OPEN(a, ta, b, tb, transport)                                                                                  \
    char ep[EP_SIZE];                                                                                                  \
    void *ctx = ctx_new (), *a = sock (ctx, ta), *b = sock (ctx, tb);                                                  \
    bind_any (a, transport, ep);                                                                                       \
    OK (zmq_connect (b, ep))
#define SHUT(a, b)                                                                                                     \
    OK (zmq_close (a));                                                                                                \
    OK (zmq_close (b));                                                                                                \
    OK (zmq_ctx_term (ctx))

GROUP (pair_both_ways)
{
    EACH_TRANSPORT (t)
    {
        OPEN (a, ZMQ_PAIR, b, ZMQ_PAIR, transports[t]);
        for (int i = 0; i < 50; i++) {
            SEND (a, "to b", 0);
            SEND (b, "to a", ZMQ_SNDMORE);
            SEND (b, "more", 0);
        }
        for (int i = 0; i < 50; i++) {
            RECV (b, "to b");
            RECV (a, "to a");
            IS (RCVMORE (a), 1);
            RECV (a, "more");
            IS (RCVMORE (a), 0);
        }
        SHUT (a, b);
    }
}

/* A second peer of a PAIR is refused; the first stays. */
GROUP (pair_is_exclusive)
{
    for (int t = 0; t < 2; t++) {
        OPEN (a, ZMQ_PAIR, b, ZMQ_PAIR, transports[t]);
        SEND (b, "hello", 0);
        RECV (a, "hello");
        void *third = sock (ctx, ZMQ_PAIR);
        OK (zmq_connect (third, ep));
        zmq_send (third, "intruder", 8, ZMQ_DONTWAIT);
        RECV_NONE (a, 100);
        SEND (a, "back", 0);
        RECV (b, "back");
        OK (zmq_close (third));
        SHUT (a, b);
    }
}

GROUP (pair_takes_the_next_peer)
{
    OPEN (a, ZMQ_PAIR, b, ZMQ_PAIR, "tcp");
    SEND (b, "first", 0);
    RECV (a, "first");
    OK (zmq_close (b));
    /* Until the hang-up is noticed, a newcomer is refused; so keep asking. */
    for (int i = 0; i < 200; i++) {
        b = sock (ctx, ZMQ_PAIR);
        OK (zmq_connect (b, ep));
        SEND (b, "second", 0);
        if (readable (a, 50))
            break;
        OK (zmq_close (b));
    }
    RECV (a, "second");
    SHUT (a, b);
}

GROUP (req_rep)
{
    EACH_TRANSPORT (t)
    {
        OPEN (rep, ZMQ_REP, req, ZMQ_REQ, transports[t]);
        for (int i = 0; i < 20; i++) {
            SEND (req, "question", ZMQ_SNDMORE);
            SEND (req, "", 0);
            RECV (rep, "question");
            IS (RCVMORE (rep), 1);
            RECV (rep, "");
            IS (RCVMORE (rep), 0);
            SEND (rep, "answer", 0);
            RECV (req, "answer");
            IS (RCVMORE (req), 0);
        }
        SHUT (rep, req);
    }
}

/* REQ: an envelope of one empty delimiter. */
GROUP (req_envelope)
{
    OPEN (router, ZMQ_ROUTER, req, ZMQ_REQ, "tcp");
    char id[300];
    int n;
    SEND (req, "body", 0);
    n = zmq_recv (router, id, sizeof id, 0);
    IS (n, 5);
    IS (id[0], 0);
    IS (RCVMORE (router), 1);
    RECV (router, "");
    RECV (router, "body");
    IS (RCVMORE (router), 0);
    IS (zmq_send (router, id, n, ZMQ_SNDMORE), n);
    SEND (router, "", ZMQ_SNDMORE);
    SEND (router, "reply", 0);
    RECV (req, "reply");
    SHUT (router, req);
}

/* REQ: a reply without the delimiter is discarded. (From the network it also costs its sender the connection.) */
GROUP (req_discards_malformed_replies)
{
    OPEN (router, ZMQ_ROUTER, req, ZMQ_REQ, "inproc");
    char id[300];
    int n;
    SEND (req, "body", 0);
    n = zmq_recv (router, id, sizeof id, 0);
    RECV (router, "");
    RECV (router, "body");
    IS (zmq_send (router, id, n, ZMQ_SNDMORE), n);
    SEND (router, "no delimiter", 0);
    IS (zmq_send (router, id, n, ZMQ_SNDMORE), n);
    SEND (router, "", 0);
    IS (zmq_send (router, id, n, ZMQ_SNDMORE), n);
    SEND (router, "", ZMQ_SNDMORE);
    SEND (router, "good", 0);
    RECV (req, "good");
    SHUT (router, req);
}

GROUP (req_load_balances)
{
    void *ctx = ctx_new (), *req = sock (ctx, ZMQ_REQ), *reps[3];
    char ep[EP_SIZE];
    for (int i = 0; i < 3; i++) {
        reps[i] = sock (ctx, ZMQ_REP);
        bind_any (reps[i], "inproc", ep);
        OK (zmq_connect (req, ep));
    }
    for (int i = 0; i < 9; i++) {
        SEND (req, "q", 0);
        RECV (reps[i % 3], "q");
        SEND (reps[i % 3], "a", 0);
        RECV (req, "a");
    }
    for (int i = 0; i < 3; i++)
        OK (zmq_close (reps[i]));
    OK (zmq_close (req));
    OK (zmq_ctx_term (ctx));
}

GROUP (req_relaxed_correlate)
{
    OPEN (router, ZMQ_ROUTER, req, ZMQ_REQ, "tcp");
    char id[300], stamp[2][8];
    int n = 0;
    set_int (req, ZMQ_REQ_RELAXED, 1);
    set_int (req, ZMQ_REQ_CORRELATE, 1);
    for (int i = 0; i < 2; i++) {
        SEND (req, i ? "second" : "first", 0);
        n = zmq_recv (router, id, sizeof id, 0);
        IS (zmq_recv (router, stamp[i], 8, 0), 4);
        RECV (router, "");
        RECV (router, i ? "second" : "first");
    }
    CHECK (memcmp (stamp[0], stamp[1], 4));
    for (int i = 0; i < 2; i++) {
        IS (zmq_send (router, id, n, ZMQ_SNDMORE), n);
        IS (zmq_send (router, stamp[i], 4, ZMQ_SNDMORE), 4);
        SEND (router, "", ZMQ_SNDMORE);
        SEND (router, i ? "to second" : "to first", 0);
    }
    /* The answer to the first was given up. */
    RECV (req, "to second");
    SHUT (router, req);
}

/* REP keeps the whole envelope and returns it. */
GROUP (rep_envelope)
{
    OPEN (rep, ZMQ_REP, dealer, ZMQ_DEALER, "tcp");
    SEND (dealer, "hop 1", ZMQ_SNDMORE);
    SEND (dealer, "hop 2", ZMQ_SNDMORE);
    SEND (dealer, "", ZMQ_SNDMORE);
    SEND (dealer, "q", 0);
    RECV (rep, "q");
    IS (RCVMORE (rep), 0);
    SEND (rep, "a1", ZMQ_SNDMORE);
    SEND (rep, "a2", 0);
    RECV (dealer, "hop 1");
    RECV (dealer, "hop 2");
    RECV (dealer, "");
    RECV (dealer, "a1");
    RECV (dealer, "a2");
    IS (RCVMORE (dealer), 0);
    SHUT (rep, dealer);
}

GROUP (rep_drops_requests_without_envelope)
{
    OPEN (rep, ZMQ_REP, dealer, ZMQ_DEALER, "tcp");
    SEND (dealer, "no delimiter", 0);
    SEND (dealer, "none", ZMQ_SNDMORE);
    SEND (dealer, "either", 0);
    SEND (dealer, "", ZMQ_SNDMORE);
    SEND (dealer, "good", 0);
    RECV (rep, "good");
    SHUT (rep, dealer);
}

/* The client that asked may be gone: the reply is dropped and REP is ready for the next. */
GROUP (rep_survives_lost_client)
{
    OPEN (rep, ZMQ_REP, req, ZMQ_REQ, "tcp");
    SEND (req, "q", 0);
    RECV (rep, "q");
    OK (zmq_close (req));
    sleep_ms (50);
    SEND (rep, "lost", 0);
    req = sock (ctx, ZMQ_REQ);
    OK (zmq_connect (req, ep));
    SEND (req, "q2", 0);
    RECV (rep, "q2");
    SEND (rep, "a2", 0);
    RECV (req, "a2");
    SHUT (rep, req);
}

/* Until peers have connected, a connecting DEALER's queue takes what is sent; then it is all delivered, in order. */
GROUP (dealer_router_many)
{
    EACH_TRANSPORT (t)
    {
        char buf[64], ep[EP_SIZE];
        void *ctx = ctx_new (), *router = sock (ctx, ZMQ_ROUTER), *dealers[4];
        int next[4] = {0};
        bind_any (router, transports[t], ep);
        for (int d = 0; d < 4; d++) {
            char name[2] = {(char) ('A' + d), 0};
            dealers[d] = sock (ctx, ZMQ_DEALER);
            OK (zmq_setsockopt (dealers[d], ZMQ_ROUTING_ID, name, 1));
            OK (zmq_connect (dealers[d], ep));
            for (int i = 0; i < 100; i++) {
                sprintf (buf, "%d", i);
                SEND (dealers[d], buf, 0);
            }
        }
        for (int i = 0; i < 400; i++) {
            char id[8] = {0}, want[16];
            IS (zmq_recv (router, id, sizeof id, 0), 1);
            sprintf (want, "%d", next[id[0] - 'A']++);
            RECV (router, want);
            IS (RCVMORE (router), 0);
            IS (zmq_send (router, id, 1, ZMQ_SNDMORE), 1);
            SEND (router, want, 0);
        }
        for (int d = 0; d < 4; d++) {
            for (int i = 0; i < 100; i++) {
                sprintf (buf, "%d", i);
                RECV (dealers[d], buf);
            }
            OK (zmq_close (dealers[d]));
        }
        OK (zmq_close (router));
        OK (zmq_ctx_term (ctx));
    }
}

GROUP (router_unroutable)
{
    void *ctx = ctx_new (), *router = sock (ctx, ZMQ_ROUTER);
    char ep[EP_SIZE];
    bind_any (router, "tcp", ep);
    SEND (router, "nobody", ZMQ_SNDMORE);
    SEND (router, "dropped", 0);
    set_int (router, ZMQ_ROUTER_MANDATORY, 1);
    FAILS (zmq_send (router, "nobody", 6, ZMQ_SNDMORE), EHOSTUNREACH);
    /* An id without a message is no message: ignored. */
    SEND (router, "nobody", 0);
    OK (zmq_close (router));
    OK (zmq_ctx_term (ctx));
}

/* A second peer with a taken id is ignored; with HANDOVER it takes over. */
GROUP (router_taken_id)
{
    for (int handover = 0; handover < 2; handover++) {
        char ep[EP_SIZE], id[8];
        void *ctx = ctx_new (), *router = sock (ctx, ZMQ_ROUTER), *a = sock (ctx, ZMQ_DEALER), *b = sock (ctx, ZMQ_DEALER);
        set_int (router, ZMQ_ROUTER_HANDOVER, handover);
        bind_any (router, "tcp", ep);
        OK (zmq_setsockopt (a, ZMQ_ROUTING_ID, "X", 1));
        OK (zmq_setsockopt (b, ZMQ_ROUTING_ID, "X", 1));
        OK (zmq_connect (a, ep));
        SEND (a, "from a", 0);
        IS (zmq_recv (router, id, sizeof id, 0), 1);
        RECV (router, "from a");
        OK (zmq_connect (b, ep));
        SEND (b, "from b", 0);
        if (handover) {
            IS (zmq_recv (router, id, sizeof id, 0), 1);
            RECV (router, "from b");
        } else
            RECV_NONE (router, 150);
        SEND (router, "X", ZMQ_SNDMORE);
        SEND (router, "reply", 0);
        RECV (handover ? b : a, "reply");
        RECV_NONE (handover ? a : b, 50);
        OK (zmq_close (a));
        OK (zmq_close (b));
        OK (zmq_close (router));
        OK (zmq_ctx_term (ctx));
    }
}

GROUP (router_connect_routing_id)
{
    void *ctx = ctx_new (), *dealer = sock (ctx, ZMQ_DEALER), *router = sock (ctx, ZMQ_ROUTER);
    char ep[EP_SIZE];
    bind_any (dealer, "tcp", ep);
    OK (zmq_setsockopt (router, ZMQ_CONNECT_ROUTING_ID, "peer", 4));
    OK (zmq_connect (router, ep));
    set_int (router, ZMQ_ROUTER_MANDATORY, 1);
    SEND (router, "peer", ZMQ_SNDMORE);
    SEND (router, "hello", 0);
    RECV (dealer, "hello");
    SEND (dealer, "back", 0);
    RECV (router, "peer");
    RECV (router, "back");
    SHUT (dealer, router);
}

/* A duplicate connect id is an error of that connect, not the end of the process. */
GROUP (router_duplicate_connect_routing_id)
{
    void *ctx = ctx_new (), *dealer = sock (ctx, ZMQ_DEALER), *router = sock (ctx, ZMQ_ROUTER);
    char ep[EP_SIZE], ep2[EP_SIZE];
    bind_any (dealer, "tcp", ep);
    bind_any (dealer, "tcp", ep2);
    OK (zmq_setsockopt (router, ZMQ_CONNECT_ROUTING_ID, "peer", 4));
    OK (zmq_connect (router, ep));
    OK (zmq_setsockopt (router, ZMQ_CONNECT_ROUTING_ID, "peer", 4));
    zmq_connect (router, ep2);
    SEND (router, "peer", ZMQ_SNDMORE);
    SEND (router, "hello", 0);
    RECV (dealer, "hello");
    SHUT (dealer, router);
}

GROUP (probe_router)
{
    char ep[EP_SIZE], id[300];
    void *ctx = ctx_new (), *router = sock (ctx, ZMQ_ROUTER), *dealer = sock (ctx, ZMQ_DEALER);
    bind_any (router, "tcp", ep);
    OK (zmq_setsockopt (dealer, ZMQ_ROUTING_ID, "probing", 7));
    set_int (dealer, ZMQ_PROBE_ROUTER, 1);
    OK (zmq_connect (dealer, ep));
    IS (zmq_recv (router, id, sizeof id, 0), 7);
    RECV (router, "");
    IS (RCVMORE (router), 0);
    SHUT (router, dealer);
}

/* A REP probes, too: libzmq's is a kind of ROUTER. What is bound does so when its socket looks who has come. */
GROUP (probe_by_rep)
{
    static const char *const transports[] = {"tcp", "ipc", "inproc"};
    for (int t = 0; t < 6; t++) {
        char ep[EP_SIZE];
        void *ctx = ctx_new (), *rep = sock (ctx, ZMQ_REP), *dealer = sock (ctx, ZMQ_DEALER);
        set_int (rep, ZMQ_PROBE_ROUTER, 1);
        bind_any (t % 2 ? dealer : rep, transports[t / 2], ep);
        OK (zmq_connect (t % 2 ? rep : dealer, ep));
        zmq_pollitem_t come = {dealer, 0, ZMQ_POLLIN, 0};
        for (int i = 0; i < 500 && zmq_poll (&come, 1, 10) == 0; i++)
            (void) get_int (rep, ZMQ_EVENTS);
        CHECK (come.revents == ZMQ_POLLIN);
        if (come.revents) {
            RECV (dealer, "");
            IS (RCVMORE (dealer), 0);
        }
        SEND (dealer, "", ZMQ_SNDMORE);
        SEND (dealer, "asked", 0);
        RECV (rep, "asked");
        SEND (rep, "answered", 0);
        RECV (dealer, "");
        RECV (dealer, "answered");
        SHUT (rep, dealer);
    }
}

GROUP (push_pull_balances)
{
    for (int t = 0; t < 2; t++) {
        void *ctx = ctx_new (), *push = sock (ctx, ZMQ_PUSH), *pulls[3];
        char ep[EP_SIZE], buf[16];
        bind_any (push, transports[t], ep);
        for (int i = 0; i < 3; i++) {
            pulls[i] = sock (ctx, ZMQ_PULL);
            OK (zmq_connect (pulls[i], ep));
        }
        /* Wait until all three take part. */
        for (int have = 0; have != 7;) {
            SEND (push, "ready?", 0);
            for (int i = 0; i < 3; i++)
                if (readable (pulls[i], 2)) {
                    RECV (pulls[i], "ready?");
                    have |= 1 << i;
                }
        }
        sleep_ms (30);
        for (int i = 0; i < 3; i++)
            while (readable (pulls[i], 0))
                RECV (pulls[i], "ready?");
        for (int i = 0; i < 30; i++) {
            sprintf (buf, "%d", i);
            SEND (push, buf, 0);
        }
        for (int i = 0; i < 3; i++) {
            int last = -1;
            for (int k = 0; k < 10; k++) {
                char got[16] = {0};
                CHECK (zmq_recv (pulls[i], got, sizeof got - 1, 0) > 0);
                CHECK (atoi (got) > last);
                last = atoi (got);
            }
            RECV_NONE (pulls[i], 0);
            OK (zmq_close (pulls[i]));
        }
        OK (zmq_close (push));
        OK (zmq_ctx_term (ctx));
    }
}

GROUP (pull_fair_queues)
{
    void *ctx = ctx_new (), *pull = sock (ctx, ZMQ_PULL), *push[3];
    char ep[EP_SIZE];
    int counts[3] = {0};
    bind_any (pull, "inproc", ep);
    for (int i = 0; i < 3; i++) {
        char name[2] = {(char) ('0' + i), 0};
        push[i] = sock (ctx, ZMQ_PUSH);
        OK (zmq_connect (push[i], ep));
        for (int k = 0; k < 20; k++)
            SEND (push[i], name, 0);
    }
    /* Nobody is served a second time before everyone was served once, give or take the start. */
    for (int k = 0; k < 30; k++) {
        char got;
        IS (zmq_recv (pull, &got, 1, 0), 1);
        counts[got - '0']++;
    }
    for (int i = 0; i < 3; i++) {
        CHECK (counts[i] >= 9 && counts[i] <= 11);
        OK (zmq_close (push[i]));
    }
    OK (zmq_close (pull));
    OK (zmq_ctx_term (ctx));
}

/* A multipart message comes whole, even with other writers, and goes to one peer. */
GROUP (multipart_is_atomic)
{
    for (int t = 0; t < 2; t++) {
        void *ctx = ctx_new (), *pull = sock (ctx, ZMQ_PULL), *push[3];
        char ep[EP_SIZE], buf[16];
        bind_any (pull, transports[t], ep);
        for (int i = 0; i < 3; i++) {
            push[i] = sock (ctx, ZMQ_PUSH);
            OK (zmq_connect (push[i], ep));
        }
        for (int k = 0; k < 50; k++)
            for (int part = 0; part < 4; part++)
                for (int i = 0; i < 3; i++) {
                    sprintf (buf, "%d.%d.%d", i, k, part);
                    SEND (push[i], buf, part < 3 ? ZMQ_SNDMORE : 0);
                }
        int next[3] = {0};
        for (int m = 0; m < 150; m++) {
            int who = -1;
            for (int part = 0; part < 4; part++) {
                memset (buf, 0, sizeof buf);
                CHECK (zmq_recv (pull, buf, sizeof buf - 1, 0) > 0);
                IS (RCVMORE (pull), part < 3);
                if (part == 0)
                    who = buf[0] - '0';
                char want[40];
                sprintf (want, "%d.%d.%d", who, next[who], part);
                CHECK (!strcmp (buf, want));
            }
            next[who]++;
        }
        for (int i = 0; i < 3; i++)
            OK (zmq_close (push[i]));
        OK (zmq_close (pull));
        OK (zmq_ctx_term (ctx));
    }
}

/* A message whose last part is never sent is not delivered in part. */
GROUP (unfinished_multipart_is_not_delivered)
{
    for (int t = 0; t < 2; t++) {
        OPEN (pull, ZMQ_PULL, push, ZMQ_PUSH, transports[t]);
        SEND (push, "whole", 0);
        SEND (push, "half", ZMQ_SNDMORE);
        RECV (pull, "whole");
        RECV_NONE (pull, 50);
        OK (zmq_close (push));
        RECV_NONE (pull, 50);
        push = sock (ctx, ZMQ_PUSH);
        OK (zmq_connect (push, ep));
        SEND (push, "next", 0);
        RECV (pull, "next");
        SHUT (pull, push);
    }
}

/* Peers that do not fit hang up on each other and nothing is delivered. */
GROUP (incompatible_peers)
{
    OPEN (pull, ZMQ_PULL, pub, ZMQ_DEALER, "tcp");
    /* If they have found out already there is nobody to send to. */
    CHECK (zmq_send (pub, "misguided", 9, ZMQ_DONTWAIT) == 9 || errno == EAGAIN);
    RECV_NONE (pull, 150);
    void *push = sock (ctx, ZMQ_PUSH);
    OK (zmq_connect (push, ep));
    SEND (push, "proper", 0);
    RECV (pull, "proper");
    OK (zmq_close (push));
    SHUT (pull, pub);
}

MAIN (ENTRY (pair_both_ways), ENTRY (pair_is_exclusive), ENTRY (pair_takes_the_next_peer), ENTRY (req_rep),
      ENTRY (req_envelope), ENTRY (req_discards_malformed_replies), ENTRY (req_load_balances),
      ENTRY (req_relaxed_correlate), ENTRY (rep_envelope), ENTRY (rep_drops_requests_without_envelope),
      ENTRY (rep_survives_lost_client), ENTRY (dealer_router_many), ENTRY (router_unroutable),
      ENTRY (router_taken_id), ENTRY (router_connect_routing_id), ENTRY (router_duplicate_connect_routing_id),
      ENTRY (probe_router), ENTRY (probe_by_rep), ENTRY (push_pull_balances), ENTRY (pull_fair_queues), ENTRY (multipart_is_atomic),
      ENTRY (unfinished_multipart_is_not_delivered), ENTRY (incompatible_peers))
