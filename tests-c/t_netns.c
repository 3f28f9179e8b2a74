/*
 * Networks that fail: two processes in network namespaces of their own (network_namespaces(7)), a pair of veth(4)
 * between them. The link goes down, an address goes, packets are dropped; heartbeats notice it (zmq_setsockopt(3),
 * ZMQ_HEARTBEAT_IVL), and when it is over both hear each other again: nothing twice, and in order. Needs root and ip(8);
 * says so and passes where that is not to be had.
 */
#include "common.h"
#include <sched.h>
#include <sys/mman.h>

static struct
{
    volatile int ready, go;
    volatile long heard[2], last[2], sent[2];
    char why[200];
} * shared;

static void *ctx, *s, *mon;
static int disconnected;

static int run (const char *command)
{
    char line[300];
    snprintf (line, sizeof line, "%s >/dev/null 2>&1", command);
    return system (line) == 0;
}

static void prepare (void)
{
    ctx = ctx_new ();
    s = sock (ctx, ZMQ_DEALER);
    set_int (s, ZMQ_HEARTBEAT_IVL, 50);
    set_int (s, ZMQ_HEARTBEAT_TIMEOUT, 200);
    set_int (s, ZMQ_CONNECT_TIMEOUT, 200);
    set_int (s, ZMQ_HANDSHAKE_IVL, 300);
    set_int (s, ZMQ_RECONNECT_IVL, 10);
    set_int (s, ZMQ_SNDHWM, 20);
}

/* Sends a number now and then, and takes those of the other one. */
static void talk (int me)
{
    long number = shared->sent[me] + 1;
    if (zmq_send (s, &number, sizeof number, ZMQ_DONTWAIT) == sizeof number)
        shared->sent[me] = number;
    while (zmq_recv (s, &number, sizeof number, ZMQ_DONTWAIT) == sizeof number) {
        if (number <= shared->last[me] || number > shared->sent[!me] + 1)
            fail_at (__FILE__, __LINE__, "%ld after %ld of %ld", number, shared->last[me], shared->sent[!me]);
        shared->heard[me]++;
        shared->last[me] = number;
    }
    sleep_ms (1);
}

static void other_side (void)
{
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    CHECK (unshare (CLONE_NEWNET) == 0);
    shared->ready = 1;
    EVENTUALLY (shared->go, 10000);
    CHECK (run ("ip addr add 10.99.0.2/24 dev v1 && ip link set v1 up"));
    prepare ();
    OK (zmq_connect (s, "tcp://10.99.0.1:5555"));
    for (;;)
        talk (1);
}

/* Two namespaces and their link. False where there are none to be had. */
static int set_up (void)
{
    char line[100];
    shared = mmap (NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK (shared != MAP_FAILED);
    if (unshare (CLONE_NEWNET) == -1 || !run ("ip link add v0 type veth peer name v1")) {
        fprintf (stderr, "    skipped: no network namespaces, or no ip(8)\n");
        return 0;
    }
    pid_t child = fork ();
    if (child == 0)
        other_side ();
    EVENTUALLY (shared->ready, 10000);
    snprintf (line, sizeof line, "ip link set v1 netns %d", (int) child);
    CHECK (run (line));
    CHECK (run ("ip addr add 10.99.0.1/24 dev v0 && ip link set v0 up"));
    prepare ();
    mon = monitor (ctx, s);
    OK (zmq_bind (s, "tcp://10.99.0.1:5555"));
    shared->go = 1;
    return 1;
}

static void look (void)
{
    uint8_t head[6];
    char address[EP_SIZE];
    talk (0);
    while (zmq_recv (mon, head, sizeof head, ZMQ_DONTWAIT) == sizeof head) {
        uint16_t event;
        memcpy (&event, head, sizeof event);
        disconnected += event == ZMQ_EVENT_DISCONNECTED;
        zmq_recv (mon, address, sizeof address, 0);
    }
    CHECK (waitpid (-1, NULL, WNOHANG) == 0);
}

static void until_both_hear (void)
{
    long here = shared->heard[0] + 30, there = shared->heard[1] + 30;
    for (int64_t until = now_ms () + 20000; shared->heard[0] < here || shared->heard[1] < there; look ())
        CHECK (now_ms () < until);
}

static void breaks_and_heals (const char *breaks, const char *heals)
{
    if (!set_up ())
        return;
    for (int turn = 0; turn < 2; turn++) {
        until_both_hear ();
        disconnected = 0;
        CHECK (run (breaks));
        for (int64_t until = now_ms () + 10000; !disconnected; look ())
            CHECK (now_ms () < until);
        for (int64_t until = now_ms () + 200; now_ms () < until;)
            look ();
        CHECK (run (heals));
        until_both_hear ();
    }
}

GROUP (link_goes_down) { breaks_and_heals ("ip link set v0 down", "ip link set v0 up"); }
GROUP (address_goes) { breaks_and_heals ("ip addr del 10.99.0.1/24 dev v0", "ip addr add 10.99.0.1/24 dev v0"); }
/* No event at all at either end: what one says to the other is dropped. */
GROUP (packets_vanish) { breaks_and_heals ("ip route add blackhole 10.99.0.2/32", "ip route del blackhole 10.99.0.2/32"); }

/* Every third packet is lost, both are heard all the same: no peer that is only slow is given up. */
GROUP (packets_are_lost)
{
    if (!set_up ())
        return;
    set_int (s, ZMQ_HEARTBEAT_IVL, 0);
    until_both_hear ();
    if (!run ("tc qdisc add dev v0 root netem loss 30% delay 2ms")) {
        fprintf (stderr, "    skipped: no netem in this kernel\n");
        return;
    }
    for (int turn = 0; turn < 5; turn++)
        until_both_hear ();
}

MAIN (ENTRY (link_goes_down), ENTRY (address_goes), ENTRY (packets_vanish), ENTRY (packets_are_lost))
