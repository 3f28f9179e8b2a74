/*
 * A malloc that fails: the n-th that a scenario makes, alone or with all that follow for a while, for n = 1, 2, ... until
 * no call is left (FAULTS_ALL=1; FAULTS_AT=n:k: the n-th and those after it, k in all; FAULTS_SEED: others than usual). The malloc is this program's own, which takes the place of the C library's for every library in it.
 */
#include "scenarios.h"
#include <dlfcn.h>
#include <execinfo.h>
#include <malloc.h>
#include <sys/mman.h>

void *__libc_malloc (size_t);
void *__libc_calloc (size_t, size_t);
void *__libc_realloc (void *, size_t);
void *__libc_memalign (size_t, size_t);

/* Shared with the parent. */
static struct report
{
    long made, refused;
    int frames;
    long at[40]; /* where in the library the last one that was refused was asked for */
} *report;
static long first, last; /* the calls that fail */
static int counting;
static char *library;

static int refused (void)
{
    long number;
    if (!counting)
        return 0;
    number = __atomic_add_fetch (&report->made, 1, __ATOMIC_RELAXED);
    if (number < first || number > last)
        return 0;
    if (getenv ("NO_MEMORY_WHERE")) {
        void *frames[40];
        int count = backtrace (frames, 40);
        for (int i = 0; i < count; i++)
            report->at[i] = (char *) frames[i] - library;
        report->frames = count;
    }
    __atomic_add_fetch (&report->refused, 1, __ATOMIC_RELAXED);
    errno = ENOMEM;
    return 1;
}

void *malloc (size_t size)
{
    return refused () ? NULL : __libc_malloc (size);
}

void *calloc (size_t count, size_t size)
{
    return refused () ? NULL : __libc_calloc (count, size);
}

void *realloc (void *old, size_t size)
{
    return refused () ? NULL : __libc_realloc (old, size);
}

void *memalign (size_t align, size_t size)
{
    return refused () ? NULL : __libc_memalign (align, size);
}

void *aligned_alloc (size_t align, size_t size)
{
    return refused () ? NULL : __libc_memalign (align, size);
}

int posix_memalign (void **to, size_t align, size_t size)
{
    return refused () || !(*to = __libc_memalign (align, size)) ? ENOMEM : 0;
}

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
        alarm (15);
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
    void *frames[4];
    Dl_info info;
    int bad = 0, runs = 0, all = getenv ("FAULTS_ALL") != NULL;
    long n;
    unsigned seed = seed_from ("FAULTS_SEED");
    int64_t start = now_ms ();
    alarm (all ? 3600 : 100);
    CHECK (backtrace (frames, 4) > 0);
    CHECK (dladdr ((void *) zmq_poll, &info));
    library = info.dli_fbase;
    report = mmap (NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK (report != MAP_FAILED);
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
    report = mmap (NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK (report != MAP_FAILED);
    a_bind (all[0], "tcp", ep);
    UNTIL (zmq_connect (all[1], ep) == 0);
    passes (all[1], all[0], 5);
    first = 1;
    last = 1L << 60;
    counting = 1;
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

/* A peer of the bound socket that says what it likes. */
static int talker (const char *ep)
{
    static const char greeting[64] = "\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL", ready[] = "\4\32\5READY\13Socket-Type\0\0\0\4PUSH";
    char in[64 + 2 + 255];
    int fd = raw_connect (ep);
    CHECK (raw_write (fd, greeting, sizeof greeting) && raw_write (fd, ready, sizeof ready - 1));
    CHECK (raw_read (fd, in, 66) && raw_read (fd, in, (uint8_t) in[65]));
    return fd;
}

/* Without memory to receive with, what a peer says waits in the kernel, and is read when there is memory again. */
GROUP (reads_on_later)
{
    enum { COUNT = 300, SIZE = 1000, LONG = 50000 };
    static char bytes[COUNT * (SIZE + 9) + LONG + 9], *to = bytes;
    report = mmap (NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK (report != MAP_FAILED);
    for (int k = 0; k < COUNT; k++, to += SIZE + 9) {
        memcpy (to, "\2\0\0\0\0\0\0\x03\xe8", 9);
        memcpy (to + 9, &k, sizeof k);
    }
    memcpy (to, "\2\0\0\0\0\0\0\xc3\x50", 9);
    /* The application is away; it is back when there is memory again; or while there is none. */
    for (int back = 0; back < 3; back++) {
        char ep[EP_SIZE];
        void *ctx = a_context (), *in = a_socket (ctx, ZMQ_PULL);
        a_bind (in, "tcp", ep);
        /* Who has one connection only looks at it without being told. */
        int silent = talker (ep), fd = talker (ep), k = 0, got, n;
        set (in, ZMQ_RCVTIMEO, 5000);
        CHECK (raw_write (fd, bytes, SIZE + 9));
        IS (zmq_recv (in, &got, sizeof got, 0), SIZE);
        first = 1;
        last = 1L << 60;
        counting = 1;
        report->refused = 0;
        sleep_ms (50);
        CHECK (raw_write (fd, bytes, sizeof bytes));
        sleep_ms (100);
        CHECK (report->refused > 0);
        set (in, ZMQ_RCVTIMEO, 50);
        while (back == 2 && (n = zmq_recv (in, &got, sizeof got, 0)) >= 0) {
            IS (got, k == COUNT ? 0 : k);
            IS (n, k++ == COUNT ? LONG : SIZE);
        }
        counting = 0;
        if (back == 0)
            sleep_ms (100);
        set (in, ZMQ_RCVTIMEO, 5000);
        for (; k <= COUNT; k++) {
            IS (zmq_recv (in, &got, sizeof got, 0), k == COUNT ? LONG : SIZE);
            IS (got, k == COUNT ? 0 : k);
        }
        close (fd);
        close (silent);
        an_end (ctx, &in, 1);
    }
}

GROUP (push_pull) { sweep ("push_pull"); }
GROUP (req_rep) { sweep ("req_rep"); }
GROUP (inproc_pair) { sweep ("inproc"); }
GROUP (pub_sub) { sweep ("pub_sub"); }
GROUP (dealer_router) { sweep ("dealer_router"); }
GROUP (with_curve) { sweep ("curve"); }
GROUP (with_a_monitor) { sweep ("monitored"); }
GROUP (through_a_proxy) { sweep ("proxied"); }

MAIN (ENTRY (for_a_while), ENTRY (reads_on_later), ENTRY (push_pull), ENTRY (req_rep), ENTRY (inproc_pair), ENTRY (pub_sub), ENTRY (dealer_router), ENTRY (with_curve), ENTRY (with_a_monitor),
      ENTRY (through_a_proxy))
