/*
 * Sandboxes (seccomp(2)): system calls that an older kernel or a sandbox refuses, whatever the error, are done without
 * where there is an older way; and the system calls in use are those that docs/design/system-calls.md lists.
 */
#include "common.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/syscall.h>

#define COUNT(list) ((int) (sizeof list / sizeof *list))
#define CALL(name) {#name, __NR_##name}

/* Newer machines never had these. */
#ifndef __NR_epoll_wait
#define __NR_epoll_wait __NR_epoll_pwait
#endif
#ifndef __NR_mkdir
#define __NR_mkdir __NR_mkdirat
#endif
#ifndef __NR_rmdir
#define __NR_rmdir __NR_unlinkat
#endif
#ifndef __NR_unlink
#define __NR_unlink __NR_unlinkat
#endif

typedef struct
{
    const char *name;
    int number;
} call_t;

/* Each has an older way, or is done without (memfd_create): poll(2), epoll_wait(2), accept(2), a pipe, /dev/urandom, ordinary fences. */
static const call_t newer[] = {CALL (accept4),   CALL (epoll_create1), CALL (epoll_pwait2), CALL (eventfd2),
                               CALL (getrandom), CALL (membarrier),    CALL (ppoll),        CALL (statx),
                               CALL (memfd_create)};

/* What the library asks the kernel for, where nothing is refused. tests/layering.rs compares it with docs/design/system-calls.md. */
static const call_t ours[] = {
    /* the list */
    CALL (accept4), CALL (bind), CALL (clone3), CALL (close), CALL (connect), CALL (epoll_create1), CALL (epoll_ctl),
    CALL (epoll_pwait2), CALL (epoll_wait), CALL (eventfd2), CALL (fallocate), CALL (fcntl), CALL (fstat),
    CALL (ftruncate), CALL (futex), CALL (getpeername),
    CALL (getpid), CALL (getrandom), CALL (getsockname), CALL (getsockopt), CALL (ioctl), CALL (listen),
    CALL (madvise), CALL (membarrier), CALL (memfd_create), CALL (mkdir), CALL (mmap), CALL (mremap), CALL (munmap), CALL (nanosleep), CALL (openat), CALL (ppoll), CALL (prctl), CALL (prlimit64), CALL (read),
    CALL (recvfrom), CALL (recvmmsg), CALL (recvmsg), CALL (rmdir), CALL (rt_sigprocmask), CALL (sched_getaffinity), CALL (sched_yield), CALL (sendmmsg), CALL (sendmsg),
    CALL (sendto), CALL (setsockopt), CALL (shutdown), CALL (socket), CALL (unlink), CALL (write)
    /* the end */
};

/* What the C library and Rust's do by themselves: memory, threads, signals, files of /proc and /sys about processors. */
static const call_t theirs[] = {
    CALL (brk), CALL (clock_gettime), CALL (clock_nanosleep), CALL (clone), CALL (exit), CALL (exit_group),
    CALL (getcwd), CALL (gettid), CALL (lseek), CALL (mprotect),
    CALL (newfstatat), CALL (rseq), CALL (rt_sigaction),
    CALL (rt_sigreturn), CALL (set_robust_list), CALL (sigaltstack), CALL (statx), CALL (tgkill)};

#define MOST 100
static struct sock_filter filter[MOST + 4];

/* The calls of these lists end this way, all others that way, from now on. */
static void install (const call_t *list[], const int counts[], int lists, uint32_t these, uint32_t others)
{
    struct sock_fprog program = {0, filter};
    int n = 0, total = 0;
    for (int i = 0; i < lists; i++)
        total += counts[i];
    CHECK (total <= MOST);
    filter[n++] = (struct sock_filter) BPF_STMT (BPF_LD | BPF_W | BPF_ABS, offsetof (struct seccomp_data, nr));
    for (int i = 0; i < lists; i++)
        for (int j = 0; j < counts[i]; j++, total--)
            filter[n++] = (struct sock_filter) BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, (uint32_t) list[i][j].number,
                                                         (uint8_t) total, 0);
    filter[n++] = (struct sock_filter) BPF_STMT (BPF_RET | BPF_K, others);
    filter[n++] = (struct sock_filter) BPF_STMT (BPF_RET | BPF_K, these);
    program.len = (unsigned short) n;
    OK (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    /* For threads that run already, too. */
    IS (syscall (__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program), 0);
}

static void refuse (const call_t *list, int count, int error)
{
    const call_t *lists[] = {list};
    install (lists, &count, 1, SECCOMP_RET_ERRNO | (uint32_t) error, SECCOMP_RET_ALLOW);
}

typedef struct
{
    void *push, *pull;
} pair_t;

static pair_t connected (void *ctx, const char *transport)
{
    pair_t p = {sock (ctx, ZMQ_PUSH), sock (ctx, ZMQ_PULL)};
    char ep[EP_SIZE];
    bind_any (p.pull, transport, ep);
    OK (zmq_connect (p.push, ep));
    set_int (p.push, ZMQ_SNDTIMEO, 5000);
    set_int (p.pull, ZMQ_RCVTIMEO, 5000);
    return p;
}

static char big[300000];

static void *send_soon (void *push)
{
    sleep_ms (5);
    SEND (push, "later", 0);
    return NULL;
}

/* Short and long messages, waiting for them in the call, with zmq_poll and with a timeout. */
static void exchange (pair_t p)
{
    pthread_t thread;
    zmq_pollitem_t items[] = {{p.pull, 0, ZMQ_POLLIN, 0}};
    for (int i = 0; i < 20; i++) {
        int size = i % 5 ? 10 : (int) sizeof big / (1 + i);
        IS (zmq_send (p.push, big, (size_t) size, 0), size);
        IS (zmq_recv (p.pull, big, sizeof big, 0), size);
    }
    for (int i = 0; i < 3; i++) {
        IS (pthread_create (&thread, NULL, send_soon, p.push), 0);
        if (i)
            IS (zmq_poll (items, 1, i == 1 ? 5000 : -1), 1);
        RECV (p.pull, "later");
        pthread_join (thread, NULL);
    }
    IS (zmq_poll (items, 1, 3), 0);
    set_int (p.pull, ZMQ_RCVTIMEO, 3);
    FAILS (zmq_recv (p.pull, big, 10, 0), EAGAIN);
    OK (zmq_close (p.push));
    OK (zmq_close (p.pull));
}

static const char *transports[] = {"tcp", "ipc", "inproc"};

static void work (void)
{
    void *ctx = ctx_new ();
    struct rusage used;
    char public[41], secret[41];
    for (int i = 0; i < COUNT (transports); i++)
        exchange (connected (ctx, transports[i]));
    OK (zmq_curve_keypair (public, secret));
    OK (zmq_ctx_term (ctx));
    /* Nobody looked again and again for what the refused call would have waited for. */
    OK (getrusage (RUSAGE_SELF, &used));
    CHECK (used.ru_utime.tv_sec + used.ru_stime.tv_sec < 2);
}

static int running; /* the sandbox closes when everything runs already */

static void work_refused (const call_t *list, int count, int error)
{
    int status;
    pid_t pid;
    fflush (NULL);
    pid = fork ();
    CHECK (pid >= 0);
    if (pid == 0) {
        alarm_in (15);
        if (running) {
            void *ctx = ctx_new ();
            pair_t p[COUNT (transports)];
            for (int i = 0; i < COUNT (transports); i++)
                p[i] = connected (ctx, transports[i]);
            exchange (connected (ctx, "tcp"));
            refuse (list, count, error);
            for (int i = 0; i < COUNT (transports); i++)
                exchange (p[i]);
            OK (zmq_ctx_term (ctx));
        } else
            refuse (list, count, error);
        work ();
        _exit (0);
    }
    IS (waitpid (pid, &status, 0), pid);
    if (status != 0)
        fail_at (__FILE__, __LINE__, "%s%s with error %d: status 0x%x", list->name, count > 1 ? " and others" : "", error,
                 status);
}

static const int errors[] = {EPERM, ENOSYS, EACCES};

GROUP (each_newer_call_refused)
{
    for (int i = 0; i < COUNT (newer); i++)
        for (int e = 0; e < COUNT (errors); e++)
            work_refused (&newer[i], 1, errors[e]);
}

GROUP (all_newer_calls_refused)
{
    for (int e = 0; e < COUNT (errors); e++)
        work_refused (newer, COUNT (newer), errors[e]);
}

GROUP (refused_while_running)
{
    running = 1;
    for (int i = 0; i < COUNT (newer); i++)
        work_refused (&newer[i], 1, EPERM);
    work_refused (newer, COUNT (newer), EPERM);
}

/* Where memfd_create(2) is deadly (a list of calls without it), a program without statistics lives. */
GROUP (deadly_memory)
{
    static const call_t deadly[] = {CALL (memfd_create)};
    const call_t *lists[] = {deadly};
    const int counts[] = {1};
    OK (setenv ("ZMQ_STATS", "0", 1));
    install (lists, counts, 1, 0x80000000U /* SECCOMP_RET_KILL_PROCESS */, SECCOMP_RET_ALLOW);
    work ();
}

static void trapped (int sig UNUSED, siginfo_t *info, void *context UNUSED)
{
    char text[] = "    system call 000 is not in the list\n";
    for (int i = 0, n = info->si_syscall; i < 3; i++, n /= 10)
        text[18 - i] = (char) ('0' + n % 10);
    if (write (2, text, sizeof text - 1) < 0)
        _exit (2);
    _exit (1);
}

GROUP (no_other_calls_than_listed)
{
    const call_t *lists[] = {ours, theirs};
    const int counts[] = {COUNT (ours), COUNT (theirs)};
    struct sigaction action = {0};
    action.sa_sigaction = trapped;
    action.sa_flags = SA_SIGINFO;
    OK (sigaction (SIGSYS, &action, NULL));
    install (lists, counts, 2, SECCOMP_RET_ALLOW, SECCOMP_RET_TRAP);
    void *ctx = ctx_new ();
    for (int i = 0; i < COUNT (transports); i++)
        exchange (connected (ctx, transports[i]));
    void *any = sock (ctx, ZMQ_PULL);
    OK (zmq_bind (any, "ipc://*"));
    OK (zmq_close (any));
    char public[41], secret[41];
    OK (zmq_curve_keypair (public, secret));
    OK (zmq_ctx_term (ctx));
}

MAIN (ENTRY_SLOW (each_newer_call_refused, 90), ENTRY (all_newer_calls_refused), ENTRY_SLOW (refused_while_running, 60),
      ENTRY (deadly_memory), ENTRY (no_other_calls_than_listed))
