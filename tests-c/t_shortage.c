/*
 * A resource runs out, and is there again a moment later: descriptors, threads. Whatever a scenario was doing, it goes on.
 * A signal has the process lift its own limit. FAULTS_ALL=1 tries every limit with every scenario, FAULTS_SEED others than usual.
 */
#include "scenarios.h"

#define SCENARIOS ((int) (sizeof scenarios / sizeof *scenarios))

static int limited;
static struct rlimit enough;

static void on_signal (int number)
{
    (void) number;
    setrlimit ((__rlimit_resource_t) limited, &enough);
}

static rlim_t in_use (int resource)
{
    unsigned long pages = 0;
    FILE *file;
    if (resource != RLIMIT_AS)
        return resource == RLIMIT_NOFILE ? (rlim_t) open_files () : 1;
    file = fopen ("/proc/self/statm", "r");
    CHECK (file && fscanf (file, "%lu", &pages) == 1);
    fclose (file);
    return pages * 4096;
}

/* Runs a scenario with `some` more of a resource than it has, for a moment. Its status. */
static int run (const struct scenario *what, int resource, int some)
{
    struct rlimit limit;
    int status, begun[2];
    char sign = 0;
    limited = resource;
    CHECK (pipe (begun) == 0);
    CHECK (getrlimit ((__rlimit_resource_t) resource, &enough) == 0);
    signal (SIGUSR1, on_signal);
    pid_t child = fork ();
    if (child == 0) {
        prctl (PR_SET_PDEATHSIG, SIGKILL);
        close (begun[0]);
        /* What a library says there is no verdict. */
        dup2 (2, 1);
        alarm_in (15);
        if (resource == RLIMIT_NPROC) {
            /* Root may have as many threads as it likes. */
            CHECK (setgid (65534) == 0 && setuid (65534) == 0);
        }
        limit = enough;
        limit.rlim_cur = in_use (resource) + (rlim_t) some * (resource == RLIMIT_AS ? 128 * 1024 : 1);
        CHECK (setrlimit ((__rlimit_resource_t) resource, &limit) == 0);
        CHECK (write (begun[1], &sign, 1) == 1);
        close (begun[1]);
        what->run ();
        _exit (0);
    }
    close (begun[1]);
    /* The shortage has begun when it ends. */
    CHECK (read (begun[0], &sign, 1) == 1);
    close (begun[0]);
    sleep_ms (30);
    CHECK (kill (child, SIGUSR1) == 0);
    CHECK (waitpid (child, &status, 0) == child);
    return status;
}

static int sweep (int resource, const char *name, int most)
{
    int all = getenv ("FAULTS_ALL") != NULL, bad = 0, runs = 0;
    unsigned seed = seed_from ("FAULTS_SEED");
    int64_t start = now_ms ();
    alarm (all ? 3600 : 100);
    srand (seed);
    for (int i = 0; all ? i < most * SCENARIOS : now_ms () < start + 2500 && !bad; i++, runs++) {
        int which = all ? i % SCENARIOS : rand () % SCENARIOS, some = all ? i / SCENARIOS : rand () % most;
        int status = run (&scenarios[which], resource, some);
        if (status) {
            bad++;
            fprintf (stderr, "    %s with %d %s: %s %d\n", scenarios[which].name, some, name, WIFSIGNALED (status) ? "signal" : "exits with",
                     WIFSIGNALED (status) ? WTERMSIG (status) : WEXITSTATUS (status));
        }
    }
    fprintf (stderr, "    %s: %d runs, %d bad, FAULTS_SEED=%u\n", name, runs, bad, seed);
    return bad;
}

GROUP (descriptors) { IS (sweep (RLIMIT_NOFILE, "descriptors", 36), 0); }

GROUP (threads)
{
    if (geteuid () != 0)
        fprintf (stderr, "SKIPPED: only root can become a user whose threads are counted\n");
    else {
        /* Where others may write, too. */
        char place[] = "/tmp/zmq-shortage-XXXXXX", command[100];
        CHECK (mkdtemp (place) && chmod (place, 0777) == 0 && setenv ("TMPDIR", place, 1) == 0);
        int bad = sweep (RLIMIT_NPROC, "threads", 4);
        snprintf (command, sizeof command, "rm -rf %s", place);
        IS (system (command), 0);
        IS (bad, 0);
    }
}

/* Address space, in pieces of 128 KiB: stacks of threads take 8 MiB each. */
GROUP (memory) { IS (sweep (RLIMIT_AS, "pieces of memory", 200), 0); }

MAIN (ENTRY (descriptors), ENTRY (threads), ENTRY (memory))
