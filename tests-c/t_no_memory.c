/*
 * A malloc that fails: the n-th that a scenario makes, alone or with all that follow for a while, for n = 1, 2, ... until
 * no call is left (FAULTS_ALL=1; FAULTS_AT=n:k: the n-th and those after it, k in all; FAULTS_SEED: others than usual). The malloc is this program's own (failing_malloc.h).
 */
#include "failing_malloc.h"
#include "scenarios.h"

/* Runs the scenario; the n-th malloc and as many after it fail. Its status. */
static int run (void (*scenario) (void), long n, long many)
{
    int status;
    memset (report, 0, sizeof *report);
    pid_t child = fork ();
    if (child == 0) {
        prctl (PR_SET_PDEATHSIG, SIGKILL);
        /* What a library says there is no verdict. */
        dup2 (2, 1);
        alarm_in (15);
        first = n;
        last = n + many - 1;
        counting = 1;
        scenario ();
        counting = 0;
        _exit (0);
    }
    CHECK (waitpid (child, &status, 0) == child);
    return status;
}

static void sweep (const char *name)
{
    static const long spans[] = {1, 3, 20};
    void (*scenario) (void) = scenario_named (name)->run;
    int bad = 0, runs = 0, all = getenv ("FAULTS_ALL") != NULL;
    long n;
    unsigned seed = seed_from ("FAULTS_SEED");
    int64_t start = now_ms ();
    alarm (all ? 3600 : 100);
    make_report ();
    const char *at = getenv ("FAULTS_AT");
    if (at) {
        long many = 1;
        sscanf (at, "%ld:%ld", &n, &many);
        IS (run (scenario, n, many), 0);
        return;
    }
    srand (seed);
    for (n = all ? 1 : 1 + rand () % 10; all || (now_ms () < start + 1500 && !bad); n += all ? 1 : 1 + rand () % 10) {
        long reached = 0;
        for (size_t i = 0; i < sizeof spans / sizeof *spans; i++) {
            int status = run (scenario, n, spans[i]);
            runs++;
            reached |= report->refused;
            if (status) {
                bad++;
                fprintf (stderr, "    %s, malloc %ld and %ld more fail: %s %d", name, n, spans[i] - 1, WIFSIGNALED (status) ? "signal" : "exits with",
                         WIFSIGNALED (status) ? WTERMSIG (status) : WEXITSTATUS (status));
                for (int f = 0; f < report->frames; f++)
                    fprintf (stderr, " %lx", report->at[f]);
                fprintf (stderr, "\n");
            }
        }
        if (!reached) {
            if (all)
                break;
            n = 0;
        }
    }
    fprintf (stderr, "    %s: %d runs, %ld calls, %d bad, FAULTS_SEED=%u\n", name, runs, n, bad, seed);
    CHECK (bad == 0);
}

/* None at all, for longer than any reserve lasts if everybody takes from it: what would begin is refused, what is there goes on. */
GROUP (for_a_while)
{
    static char body[100000];
    char ep[EP_SIZE], topic[100];
    void *ctx = a_context (), *all[] = {a_socket (ctx, ZMQ_PULL), a_socket (ctx, ZMQ_PUSH), a_socket (ctx, ZMQ_SUB)}, *more[4000];
    int count = 0, refusals = 0, fds[20], message_refused = 0;
    make_report ();
    a_bind (all[0], "tcp", ep);
    UNTIL (zmq_connect (all[1], ep) == 0);
    passes (all[1], all[0], 5);
    no_memory ();
    for (int round = 0; round < 4000; round++) {
        void *other = zmq_ctx_new (), *s = zmq_socket (ctx, round % 12);
        zmq_msg_t msg;
        if (other)
            OK (zmq_ctx_term (other));
        else
            refusals += errno == ENOMEM;
        if (s) {
            zmq_connect (s, ep);
            more[count++] = s;
        } else
            refusals += errno == ENOMEM;
        if (round < 20)
            fds[round] = raw_connect (ep);
        memset (topic, round % 250, sizeof topic);
        topic[0] = (char) (round / 250);
        if (zmq_setsockopt (all[2], ZMQ_SUBSCRIBE, topic, sizeof topic) == -1)
            refusals += errno == ENOMEM;
        if (zmq_msg_init_size (&msg, sizeof body) == 0)
            zmq_msg_close (&msg);
        else
            message_refused += errno == ENOMEM;
        set (all[1], ZMQ_SNDTIMEO, 0);
        zmq_send (all[1], body, round % 2 ? 10 : sizeof body, 0);
        zmq_recv (all[0], body, sizeof body, ZMQ_DONTWAIT);
    }
    counting = 0;
    for (int i = 0; i < 20; i++)
        close (fds[i]);
    fprintf (stderr, "    %d sockets were made, %d calls and %d messages refused, %ld mallocs\n", count, refusals, message_refused, report->refused);
    CHECK (refusals > 1000 && message_refused == 4000 && count < 1000);
    while (count)
        OK (zmq_close (more[--count]));
    /* Memory is there again, and with it everything else. */
    int64_t start = now_ms ();
    set (all[1], ZMQ_SNDTIMEO, 40);
    passes (all[1], all[0], 5);
    passes (all[1], all[0], 70000);
    UNTIL ((more[0] = zmq_socket (ctx, ZMQ_PUSH)) != NULL);
    UNTIL (zmq_connect (more[0], ep) == 0);
    passes (more[0], all[0], 300);
    CHECK (now_ms () - start < 5000);
    OK (zmq_close (more[0]));
    an_end (ctx, all, 3);
}

static void UNUSED nothing (int id, void *arg)
{
    (void) id;
    (void) arg;
}

static void UNUSED at_once (void *arg)
{
    (void) arg;
}

/* Whatever else a program can make: of each some are still made, then there is no more, and no end. */
GROUP (whatever_a_program_makes)
{
    enum { MOST = 20000 };
    static void *timers[MOST], *counters[MOST], *watches[MOST], *threads[MOST];
    int made[4] = {0}, refused[5] = {0};
    make_report ();
    void *one = zmq_timers_new ();
    CHECK (one && zmq_timers_add (one, 1000, nothing, NULL) == 1);
    no_memory ();
    for (int i = 0; i < MOST; i++) {
        void *made_now[] = {zmq_timers_new (), zmq_atomic_counter_new (), zmq_stopwatch_start (), i % 100 ? NULL : zmq_threadstart (at_once, NULL)},
             **all[] = {timers, counters, watches, threads};
        for (int k = 0; k < 4; k++) {
            if (made_now[k])
                all[k][made[k]++] = made_now[k];
            else
                refused[k] += k < 3 || i % 100 == 0;
        }
        if (zmq_timers_add (one, 1000, nothing, NULL) == -1)
            refused[4] += errno == ENOMEM;
    }
    counting = 0;
    fprintf (stderr, "    refused: %d sets of timers, %d counters, %d stopwatches, %d threads, %d timers\n", refused[0], refused[1], refused[2], refused[3],
             refused[4]);
    CHECK (refused[0] > MOST / 2 && refused[1] > MOST / 2 && refused[2] > MOST / 2 && refused[3] > MOST / 200 && refused[4] > MOST / 2);
    while (made[0])
        OK (zmq_timers_destroy (&timers[--made[0]]));
    while (made[1])
        zmq_atomic_counter_destroy (&counters[--made[1]]);
    while (made[2])
        zmq_stopwatch_stop (watches[--made[2]]);
    while (made[3])
        zmq_threadclose (threads[--made[3]]);
    UNTIL (zmq_timers_add (one, 1000, nothing, NULL) > 1);
    OK (zmq_timers_destroy (&one));
}

GROUP (push_pull) { sweep ("push_pull"); }
GROUP (req_rep) { sweep ("req_rep"); }
GROUP (inproc_pair) { sweep ("inproc"); }
GROUP (pub_sub) { sweep ("pub_sub"); }
GROUP (dealer_router) { sweep ("dealer_router"); }
GROUP (with_curve) { sweep ("curve"); }
GROUP (with_a_monitor) { sweep ("monitored"); }
GROUP (through_a_proxy) { sweep ("proxied"); }

MAIN (ENTRY (for_a_while), ENTRY (whatever_a_program_makes), ENTRY (push_pull), ENTRY (req_rep), ENTRY (inproc_pair), ENTRY (pub_sub), ENTRY (dealer_router), ENTRY (with_curve), ENTRY (with_a_monitor),
      ENTRY (through_a_proxy))
