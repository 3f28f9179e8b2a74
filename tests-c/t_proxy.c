/* zmq_proxy(3), zmq_proxy_steerable(3), zmq_device(3). */
#include "common.h"

typedef struct
{
    void *front, *back, *capture, *control;
    int device; /* 0: proxy; else the type for zmq_device */
    int rc, error;
} proxy_t;

static void *run_proxy (void *arg)
{
    proxy_t *p = (proxy_t *) arg;
    if (p->device)
        p->rc = zmq_device (p->device, p->front, p->back);
    else if (p->control)
        p->rc = zmq_proxy_steerable (p->front, p->back, p->capture, p->control);
    else
        p->rc = zmq_proxy (p->front, p->back, p->capture);
    p->error = errno;
    OK (zmq_close (p->front));
    if (p->back != p->front)
        OK (zmq_close (p->back));
    if (p->capture)
        OK (zmq_close (p->capture));
    if (p->control)
        OK (zmq_close (p->control));
    return NULL;
}

static void *run_proxy_only (void *arg)
{
    proxy_t *p = (proxy_t *) arg;
    p->rc = zmq_proxy (p->front, p->back, p->capture);
    p->error = errno;
    return NULL;
}

static void finish (void *ctx, pthread_t thread, proxy_t *p)
{
    OK (zmq_ctx_shutdown (ctx));
    pthread_join (thread, NULL);
    IS (p->rc, -1);
    IS (p->error, ETERM);
    OK (zmq_ctx_term (ctx));
}

static void *echo_worker (void *rep)
{
    char buf[64];
    for (;;) {
        int n = zmq_recv (rep, buf, sizeof buf, 0);
        if (n == -1 || zmq_send (rep, buf, n, 0) == -1)
            break;
    }
    IS (errno, ETERM);
    OK (zmq_close (rep));
    return NULL;
}

static void request_reply (int device, int front_type, int back_type, const char *transport)
{
    void *ctx = ctx_new (), *reqs[3];
    proxy_t p = {sock (ctx, front_type), sock (ctx, back_type), NULL, NULL, device, 0, 0};
    char front[EP_SIZE], back[EP_SIZE], body[32];
    pthread_t thread, workers[2];
    bind_any (p.front, transport, front);
    bind_any (p.back, transport, back);
    pthread_create (&thread, NULL, run_proxy, &p);
    for (int w = 0; w < 2; w++) {
        /* Not by the worker: one can have done all the work before the other begins. */
        void *rep = sock (ctx, ZMQ_REP);
        OK (zmq_connect (rep, back));
        pthread_create (&workers[w], NULL, echo_worker, rep);
    }
    for (int c = 0; c < 3; c++) {
        reqs[c] = sock (ctx, ZMQ_REQ);
        OK (zmq_connect (reqs[c], front));
    }
    for (int i = 0; i < 100; i++) {
        for (int c = 0; c < 3; c++) {
            sprintf (body, "%d of %d", i, c);
            SEND (reqs[c], body, 0);
        }
        for (int c = 0; c < 3; c++) {
            sprintf (body, "%d of %d", i, c);
            RECV (reqs[c], body);
        }
    }
    for (int c = 0; c < 3; c++)
        OK (zmq_close (reqs[c]));
    OK (zmq_ctx_shutdown (ctx));
    for (int w = 0; w < 2; w++)
        pthread_join (workers[w], NULL);
    finish (ctx, thread, &p);
}

GROUP (request_reply_proxy)
{
    request_reply (0, ZMQ_ROUTER, ZMQ_DEALER, "inproc");
    request_reply (0, ZMQ_ROUTER, ZMQ_DEALER, "tcp");
    request_reply (0, ZMQ_ROUTER, ZMQ_DEALER, "ipc");
}

/* As programs for 2.x wrote it. */
GROUP (queue_device)
{
    request_reply (ZMQ_QUEUE, ZMQ_XREP, ZMQ_XREQ, "tcp");
}

static void pipeline (int device)
{
    void *ctx = ctx_new (), *push = sock (ctx, ZMQ_PUSH), *pull = sock (ctx, ZMQ_PULL);
    proxy_t p = {sock (ctx, ZMQ_PULL), sock (ctx, ZMQ_PUSH), NULL, NULL, device, 0, 0};
    char front[EP_SIZE], back[EP_SIZE], body[32];
    pthread_t thread;
    bind_any (p.front, "tcp", front);
    bind_any (p.back, "tcp", back);
    pthread_create (&thread, NULL, run_proxy, &p);
    OK (zmq_connect (push, front));
    OK (zmq_connect (pull, back));
    for (int i = 0; i < 500; i++) {
        sprintf (body, "%d", i);
        SEND (push, body, ZMQ_SNDMORE);
        SEND (push, "", 0);
    }
    for (int i = 0; i < 500; i++) {
        sprintf (body, "%d", i);
        RECV (pull, body);
        IS (RCVMORE (pull), 1);
        RECV (pull, "");
        IS (RCVMORE (pull), 0);
    }
    OK (zmq_close (push));
    OK (zmq_close (pull));
    finish (ctx, thread, &p);
}

GROUP (pipeline_proxy)
{
    pipeline (0);
}

GROUP (streamer_device)
{
    pipeline (ZMQ_STREAMER);
}

static void forward (int device, int front_type, int back_type)
{
    void *ctx = ctx_new (), *pub = sock (ctx, ZMQ_XPUB), *sub = sock (ctx, ZMQ_SUB);
    proxy_t p = {sock (ctx, front_type), sock (ctx, back_type), NULL, NULL, device, 0, 0};
    char front[EP_SIZE], back[EP_SIZE], buf[32];
    pthread_t thread;
    if (front_type == ZMQ_SUB)
        OK (zmq_setsockopt (p.front, ZMQ_SUBSCRIBE, "", 0));
    bind_any (p.front, "tcp", front);
    bind_any (p.back, "tcp", back);
    pthread_create (&thread, NULL, run_proxy, &p);
    OK (zmq_connect (pub, front));
    OK (zmq_connect (sub, back));
    OK (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "a", 1));
    CHECK (zmq_recv (pub, buf, sizeof buf, 0) >= 1);
    IS (buf[0], 1);
    /* With PUB in the middle the subscription stays there, unseen: repeat until it works. */
    while (!readable (sub, 10)) {
        SEND (pub, "a0", 0);
        SEND (pub, "b", 0);
    }
    RECV (sub, "a0");
    SEND (pub, "a1", 0);
    for (;;) {
        memset (buf, 0, sizeof buf);
        CHECK (zmq_recv (sub, buf, sizeof buf - 1, 0) > 0);
        if (!strcmp (buf, "a1"))
            break;
        CHECK (!strcmp (buf, "a0"));
    }
    OK (zmq_close (pub));
    OK (zmq_close (sub));
    finish (ctx, thread, &p);
}

GROUP (forwarder_proxy)
{
    forward (0, ZMQ_XSUB, ZMQ_XPUB);
}

GROUP (forwarder_device)
{
    forward (ZMQ_FORWARDER, ZMQ_SUB, ZMQ_PUB);
}

/* Within the process. */
static void link_up (void *of_proxy, void *ours)
{
    char ep[EP_SIZE];
    bind_any (of_proxy, "inproc", ep);
    OK (zmq_connect (ours, ep));
}

GROUP (capture)
{
    void *ctx = ctx_new (), *push = sock (ctx, ZMQ_PUSH), *pull = sock (ctx, ZMQ_PULL), *tap = sock (ctx, ZMQ_PULL);
    proxy_t p = {sock (ctx, ZMQ_PULL), sock (ctx, ZMQ_PUSH), sock (ctx, ZMQ_PUSH), NULL, 0, 0, 0};
    pthread_t thread;
    link_up (p.front, push);
    link_up (p.back, pull);
    link_up (p.capture, tap);
    pthread_create (&thread, NULL, run_proxy, &p);
    for (int i = 0; i < 20; i++) {
        SEND (push, "one", ZMQ_SNDMORE);
        SEND (push, "two", 0);
    }
    for (int i = 0; i < 20; i++) {
        RECV (pull, "one");
        RECV (pull, "two");
        RECV (tap, "one");
        IS (RCVMORE (tap), 1);
        RECV (tap, "two");
        IS (RCVMORE (tap), 0);
    }
    OK (zmq_close (push));
    OK (zmq_close (pull));
    OK (zmq_close (tap));
    finish (ctx, thread, &p);
}

/* Nobody takes what is captured, and it is waited for as long as ZMQ_SNDTIMEO says, whatever comes meanwhile. */
GROUP (capture_without_room)
{
    void *ctx = ctx_new (), *push = sock (ctx, ZMQ_PUSH), *pull = sock (ctx, ZMQ_PULL), *steer = sock (ctx, ZMQ_PAIR);
    proxy_t p = {sock (ctx, ZMQ_PULL), sock (ctx, ZMQ_PUSH), sock (ctx, ZMQ_PUSH), sock (ctx, ZMQ_PAIR), 0, 0, 0};
    pthread_t thread;
    int said = 0;
    link_up (p.front, push);
    link_up (p.back, pull);
    link_up (p.control, steer);
    set_int (p.capture, ZMQ_SNDTIMEO, 200 * slower ());
    SEND (push, "captured", 0);
    pthread_create (&thread, NULL, run_proxy, &p);
    while (pthread_tryjoin_np (thread, NULL) && said++ < 100) {
        zmq_send (steer, "RESUME", 6, ZMQ_DONTWAIT);
        sleep_ms (20 * slower ());
    }
    CHECK (said < 60);
    IS (p.rc, -1);
    IS (p.error, EAGAIN);
    OK (zmq_close (push));
    OK (zmq_close (pull));
    OK (zmq_close (steer));
    OK (zmq_ctx_term (ctx));
}

/* A REP for control answers every command, as zmq_proxy_steerable(3) of libzmq 4.3.5 says. */
GROUP (steerable_by_req)
{
    void *ctx = ctx_new (), *push = sock (ctx, ZMQ_PUSH), *pull = sock (ctx, ZMQ_PULL), *steer = sock (ctx, ZMQ_REQ);
    proxy_t p = {sock (ctx, ZMQ_PULL), sock (ctx, ZMQ_PUSH), NULL, sock (ctx, ZMQ_REP), 0, 0, 0};
    pthread_t thread;
    link_up (p.front, push);
    link_up (p.back, pull);
    link_up (p.control, steer);
    set_int (steer, ZMQ_RCVTIMEO, 1000);
    pthread_create (&thread, NULL, run_proxy, &p);
    static const char *const commands[] = {"PAUSE", "RESUME", "TERMINATE"};
    for (int i = 0; i < 3; i++) {
        SEND (steer, commands[i], 0);
        RECV (steer, "");
        IS (RCVMORE (steer), 0);
    }
    pthread_join (thread, NULL);
    IS (p.rc, 0);
    OK (zmq_close (push));
    OK (zmq_close (pull));
    OK (zmq_close (steer));
    OK (zmq_ctx_term (ctx));
}

/* With a PAIR for control there are no replies to PAUSE and RESUME. */
GROUP (steerable_by_pair)
{
    void *ctx = ctx_new (), *push = sock (ctx, ZMQ_PUSH), *pull = sock (ctx, ZMQ_PULL), *steer = sock (ctx, ZMQ_PAIR);
    proxy_t p = {sock (ctx, ZMQ_PULL), sock (ctx, ZMQ_PUSH), NULL, sock (ctx, ZMQ_PAIR), 0, 0, 0};
    pthread_t thread;
    link_up (p.front, push);
    link_up (p.back, pull);
    link_up (p.control, steer);
    pthread_create (&thread, NULL, run_proxy, &p);
    SEND (push, "x", 0);
    RECV (pull, "x");
    SEND (steer, "PAUSE", 0);
    RECV_NONE (steer, 30);
    SEND (push, "later", 0);
    RECV_NONE (pull, 60);
    SEND (steer, "RESUME", 0);
    RECV (pull, "later");
    SEND (steer, "STATISTICS", 0);
    uint64_t stats[8];
    for (int i = 0; i < 8; i++) {
        IS (zmq_recv (steer, &stats[i], 8, 0), 8);
        IS (RCVMORE (steer), i < 7);
    }
    /* Frontend: messages and bytes received, then sent; the same for the backend. */
    static const uint64_t want[8] = {2, 6, 0, 0, 0, 0, 2, 6};
    for (int i = 0; i < 8; i++)
        IS (stats[i], want[i]);
    SEND (steer, "TERMINATE", 0);
    pthread_join (thread, NULL);
    IS (p.rc, 0);
    OK (zmq_close (push));
    OK (zmq_close (pull));
    OK (zmq_close (steer));
    OK (zmq_ctx_term (ctx));
}

/* One socket at both ends: an echo for ROUTER-like patterns; here PAIR. */
GROUP (single_socket)
{
    void *ctx = ctx_new (), *s = sock (ctx, ZMQ_PAIR), *peer = sock (ctx, ZMQ_PAIR);
    proxy_t p = {s, s, NULL, NULL, 0, 0, 0};
    char ep[EP_SIZE];
    pthread_t thread;
    bind_any (s, "inproc", ep);
    OK (zmq_connect (peer, ep));
    pthread_create (&thread, NULL, run_proxy, &p);
    SEND (peer, "echo", 0);
    RECV (peer, "echo");
    OK (zmq_close (peer));
    finish (ctx, thread, &p);
}

/* A slow sink holds up the proxy, not loses: with high-water marks all along, every message arrives. */
GROUP (back_pressure)
{
    void *ctx = ctx_new (), *push = sock (ctx, ZMQ_PUSH), *pull = sock (ctx, ZMQ_PULL);
    proxy_t p = {sock (ctx, ZMQ_PULL), sock (ctx, ZMQ_PUSH), NULL, NULL, 0, 0, 0};
    char body[16];
    int sent = 0, got = 0;
    pthread_t thread;
    set_int (push, ZMQ_SNDHWM, 3);
    set_int (pull, ZMQ_RCVHWM, 3);
    set_int (p.front, ZMQ_RCVHWM, 3);
    set_int (p.back, ZMQ_SNDHWM, 3);
    link_up (p.front, push);
    link_up (p.back, pull);
    pthread_create (&thread, NULL, run_proxy, &p);
    while (got < 2000) {
        zmq_pollitem_t items[2] = {{pull, 0, ZMQ_POLLIN, 0}, {push, 0, sent < 2000 ? ZMQ_POLLOUT : 0, 0}};
        CHECK (zmq_poll (items, 2, -1) > 0);
        if (items[1].revents) {
            sprintf (body, "%d", sent++);
            SEND (push, body, 0);
        }
        /* The sink dawdles: it takes one for every two that are offered. */
        if (items[0].revents && (sent % 2 || !items[1].revents)) {
            memset (body, 0, sizeof body);
            CHECK (zmq_recv (pull, body, sizeof body - 1, 0) > 0);
            IS (atoi (body), got);
            got++;
        }
    }
    OK (zmq_close (push));
    OK (zmq_close (pull));
    finish (ctx, thread, &p);
}

static const size_t sizes[] = {0, 1, 40, 41, 255, 256, 1024, 1025, 4096, 4097, 8192, 8193, 20000, 70000};
enum { SIZES = sizeof sizes / sizeof *sizes, PARTED = 600 };

/* What part `part` of message `number` is: its size, and the byte that fills it. */
static size_t size_of (int number, int part)
{
    return sizes[(number * 5 + part * 3) % SIZES];
}

static void *send_parted (void *s)
{
    char *body = malloc (70000);
    for (int i = 0; i < PARTED; i++)
        for (int part = 0; part <= i % 4; part++) {
            size_t size = size_of (i, part);
            memset (body, i + part, size);
            IS (zmq_send (s, body, size, part < i % 4 ? ZMQ_SNDMORE : 0), size);
        }
    free (body);
    return NULL;
}

static void receive_parted (void *s, int pause)
{
    char *body = malloc (70001);
    for (int i = 0; i < PARTED; i++) {
        if (pause && i % 100 == 0)
            sleep_ms (pause);
        for (int part = 0; part <= i % 4; part++) {
            size_t size = size_of (i, part);
            IS (zmq_recv (s, body, 70001, 0), size);
            IS (RCVMORE (s), part < i % 4);
            for (size_t at = 0; at < size; at++)
                if (body[at] != (char) (i + part))
                    fail_at (__FILE__, __LINE__, "message %d, part %d differs at %zu", i, part, at);
        }
    }
    free (body);
}

/* Messages of all sizes and numbers of parts pass whole and in order, whatever either side can do without a copy; with low
 * high-water marks and a sink that stops now and then, too. */
GROUP (all_sizes_and_parts)
{
    static const char *const ways[][2] = {{"tcp", "tcp"}, {"inproc", "tcp"}, {"tcp", "inproc"}, {"ipc", "ipc"}};
    for (int w = 0; w < 8; w++) {
        void *ctx = ctx_new (), *push = sock (ctx, w % 2 ? ZMQ_DEALER : ZMQ_PUSH);
        void *pull = sock (ctx, w % 2 ? ZMQ_DEALER : ZMQ_PULL);
        proxy_t p = {sock (ctx, w % 2 ? ZMQ_DEALER : ZMQ_PULL), sock (ctx, w % 2 ? ZMQ_DEALER : ZMQ_PUSH), NULL, NULL, 0, 0, 0};
        char front[EP_SIZE], back[EP_SIZE];
        pthread_t thread, sender;
        if (w >= 4) {
            set_int (push, ZMQ_SNDHWM, 5);
            set_int (pull, ZMQ_RCVHWM, 5);
            set_int (p.front, ZMQ_RCVHWM, 5);
            set_int (p.back, ZMQ_SNDHWM, 5);
        }
        bind_any (p.front, ways[w % 4][0], front);
        bind_any (p.back, ways[w % 4][1], back);
        OK (zmq_connect (push, front));
        OK (zmq_connect (pull, back));
        pthread_create (&thread, NULL, run_proxy, &p);
        pthread_create (&sender, NULL, send_parted, push);
        receive_parted (pull, w >= 4 ? 5 : 0);
        pthread_join (sender, NULL);
        OK (zmq_close (push));
        OK (zmq_close (pull));
        finish (ctx, thread, &p);
    }
}

/* Two proxies that pass between the same two sockets in opposite directions do not stop each other. */
GROUP (two_proxies_between_the_same_sockets)
{
    void *ctx = ctx_new (), *a = sock (ctx, ZMQ_DEALER), *b = sock (ctx, ZMQ_DEALER);
    void *front = sock (ctx, ZMQ_DEALER), *back = sock (ctx, ZMQ_DEALER);
    proxy_t p = {front, back, NULL, NULL, 0, 0, 0}, q = {back, front, NULL, NULL, 0, 0, 0};
    char front_ep[EP_SIZE], back_ep[EP_SIZE], body[16];
    pthread_t threads[2];
    bind_any (front, "tcp", front_ep);
    bind_any (back, "tcp", back_ep);
    OK (zmq_connect (a, front_ep));
    OK (zmq_connect (b, back_ep));
    pthread_create (&threads[0], NULL, run_proxy_only, &p);
    pthread_create (&threads[1], NULL, run_proxy_only, &q);
    for (int i = 0; i < 3000; i++) {
        SEND (a, "to b", 0);
        SEND (b, "to a", 0);
        if (i % 10)
            continue;
        for (int k = i ? 9 : 0; k >= 0; k--) {
            CHECK (zmq_recv (a, body, sizeof body, 0) == 4 && !memcmp (body, "to a", 4));
            CHECK (zmq_recv (b, body, sizeof body, 0) == 4 && !memcmp (body, "to b", 4));
        }
    }
    OK (zmq_close (a));
    OK (zmq_close (b));
    OK (zmq_ctx_shutdown (ctx));
    for (int t = 0; t < 2; t++)
        pthread_join (threads[t], NULL);
    OK (zmq_close (front));
    OK (zmq_close (back));
    OK (zmq_ctx_term (ctx));
}

MAIN (ENTRY (request_reply_proxy), ENTRY (queue_device), ENTRY (pipeline_proxy), ENTRY (streamer_device),
      ENTRY (forwarder_proxy), ENTRY (forwarder_device), ENTRY (capture), ENTRY (capture_without_room), ENTRY (steerable_by_pair), ENTRY (steerable_by_req),
      ENTRY (single_socket), ENTRY (back_pressure), ENTRY (all_sizes_and_parts), ENTRY (two_proxies_between_the_same_sockets))
