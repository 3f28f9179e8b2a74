/*
 * System calls that fail: the n-th that a scenario makes, with each error that the kernel may give it, for n = 1, 2, ...
 * until no call is left. No signal ends the process, no call hangs, descriptors come back, and the scenario, which tries
 * again whatever fails, succeeds. The calls made inside the C library fail, too.
 *
 * The test traces the process (ptrace(2)) and is told of the calls in question by a filter (seccomp(2)): no tool is
 * needed. Where that is not allowed it says so, and nothing is tested. Each group tries every so manieth call, so that it
 * ends in seconds, starting anywhere; FAULTS_ALL=1 tries all of them, as `make faults` does.
 * FAULTS_SEED chooses where it goes, which is the same each time without it.
 * FAULTS_AT=n:k tries one: the n-th call with its k-th error.
 */
#include "scenarios.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>

/* Errors that are plausible at any moment, whatever went before. No EAGAIN for a socket: it would be a lie that no event
   follows. No failing close(2): the descriptor is gone all the same.
   No failing read(2) or write(2): they are made of eventfds only, which do not block. */
static const struct fault
{
    const char *name;
    int number;
    int errors[6];
} faults[] = {
    {"socket", SYS_socket, {EMFILE, ENFILE, ENOBUFS}},
    {"bind", SYS_bind, {EADDRINUSE, ENOMEM}},
    {"listen", SYS_listen, {EADDRINUSE}},
    {"accept4", SYS_accept4, {EMFILE, ENFILE, ENOBUFS, ECONNABORTED, EINTR, EPERM}},
    {"connect", SYS_connect, {ENOBUFS, EADDRNOTAVAIL, ECONNREFUSED, ENETUNREACH, EINTR}},
    {"epoll_create1", SYS_epoll_create1, {EMFILE, ENOMEM}},
    {"epoll_ctl", SYS_epoll_ctl, {ENOMEM, ENOSPC}},
    {"epoll_wait", SYS_epoll_wait, {EINTR}},
    {"epoll_pwait2", SYS_epoll_pwait2, {EINTR}},
    {"eventfd2", SYS_eventfd2, {EMFILE, ENFILE, ENOMEM}},
    {"ioctl", SYS_ioctl, {ENOMEM}},
    {"getsockopt", SYS_getsockopt, {ENOBUFS}},
    {"setsockopt", SYS_setsockopt, {ENOBUFS, ENOMEM}},
    {"getsockname", SYS_getsockname, {ENOBUFS}},
    {"getpeername", SYS_getpeername, {ENOTCONN, ENOBUFS}},
    {"recvfrom", SYS_recvfrom, {ECONNRESET, ENOMEM, EINTR, ETIMEDOUT}},
    {"recvmsg", SYS_recvmsg, {ECONNRESET, ENOMEM, EINTR}},
    {"sendto", SYS_sendto, {EPIPE, ECONNRESET, ENOBUFS, ENOMEM, EINTR}},
    {"sendmsg", SYS_sendmsg, {EPIPE, ECONNRESET, ENOBUFS, ENOMEM, EINTR}},
    {"mmap", SYS_mmap, {ENOMEM}},
    {"mremap", SYS_mremap, {ENOMEM}},
    {"munmap", SYS_munmap, {ENOMEM}},
    {"mprotect", SYS_mprotect, {ENOMEM}},
    {"madvise", SYS_madvise, {ENOMEM}},
    {"brk", SYS_brk, {ENOMEM}},
    {"clone3", SYS_clone3, {EAGAIN, ENOMEM}},
    {"futex", SYS_futex, {EINTR, EAGAIN}},
    {"membarrier", SYS_membarrier, {ENOSYS, EPERM}},
    {"getrandom", SYS_getrandom, {EINTR, ENOSYS}},
    {"ppoll", SYS_ppoll, {EINTR, ENOMEM}},
    {"openat", SYS_openat, {EMFILE, ENOENT}},
    {"shutdown", SYS_shutdown, {ENOTCONN, ENOBUFS}},
    {"unlink", SYS_unlink, {EACCES, ENOENT}},
};
#define FAULTS (sizeof faults / sizeof *faults)

static void tell_of_calls (void)
{
    struct sock_filter code[FAULTS + 3];
    struct sock_fprog program = {FAULTS + 3, code};
    code[0] = (struct sock_filter) BPF_STMT (BPF_LD | BPF_W | BPF_ABS, offsetof (struct seccomp_data, nr));
    for (size_t i = 0; i < FAULTS; i++)
        code[1 + i] = (struct sock_filter) BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, (unsigned) faults[i].number, (unsigned char) (FAULTS - i), 0);
    code[1 + FAULTS] = (struct sock_filter) BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    code[2 + FAULTS] = (struct sock_filter) BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_TRACE);
    CHECK (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    CHECK (prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

/* In the child. */
static void play (void (*scenario) (void))
{
    int before;
    /* What the process does once is not counted among what leaks: the C library's own. */
    alarm_in (15);
    before = open_files ();
    tell_of_calls ();
    scenario ();
    IS (open_files (), before);
    _exit (0);
}

static const struct fault *fault_of (long number)
{
    for (size_t i = 0; i < FAULTS; i++)
        if (faults[i].number == (int) number)
            return &faults[i];
    return NULL;
}

/* What came of one run. */
typedef struct
{
    const struct fault *fault; /* the one that was given, if there were so many calls */
    int error, status;
} outcome_t;

/* The only call that fails; 0: any. */
static int only;

static int counts (pid_t thread)
{
    struct user_regs_struct registers;
    return !only || (ptrace (PTRACE_GETREGS, thread, NULL, &registers) == 0 && (int) registers.orig_rax == only);
}

static void tamper (pid_t thread, int k, outcome_t *out)
{
    struct user_regs_struct registers;
    if (ptrace (PTRACE_GETREGS, thread, NULL, &registers) != 0)
        return;
    out->fault = fault_of ((long) registers.orig_rax);
    /* Nothing is to be had for the other things that these do. */
    if ((registers.orig_rax == SYS_futex && (registers.rsi & 0x7f) != 0 && (registers.rsi & 0x7f) != 9)
        || (registers.orig_rax == SYS_epoll_ctl && registers.rsi != 1))
        return;
    if (!out->fault || k >= 6 || !(out->error = out->fault->errors[k]))
        return;
    /* The kernel skips the call, and this is its result. A break that is not moved stays where it is. */
    registers.orig_rax = (unsigned long long) -1;
    registers.rax = out->fault->number == SYS_brk ? 0 : (unsigned long long) -out->error;
    ptrace (PTRACE_SETREGS, thread, NULL, &registers);
}

/* Runs the scenario with the n-th of its calls failing with its k-th error. */
static outcome_t run (void (*scenario) (void), int n, int k)
{
    outcome_t out = {NULL, 0, 0};
    int count = 0, status;
    pid_t child = fork (), pid;
    if (child == 0) {
        prctl (PR_SET_PDEATHSIG, SIGKILL);
        /* What a library says there is no verdict. */
        dup2 (2, 1);
        ptrace (PTRACE_TRACEME, 0, NULL, NULL);
        raise (SIGSTOP);
        play (scenario);
    }
    CHECK (waitpid (child, &status, 0) == child && WIFSTOPPED (status));
    ptrace (PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL);
    ptrace (PTRACE_CONT, child, NULL, 0);
    while ((pid = waitpid (-1, &status, __WALL)) > 0) {
        int signal = 0;
        if (!WIFSTOPPED (status)) {
            if (pid != child)
                continue;
            out.status = status;
            break;
        }
        if (status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8)) {
            if (counts (pid) && ++count == n)
                tamper (pid, k, &out);
        } else if (WSTOPSIG (status) != SIGTRAP && WSTOPSIG (status) != SIGSTOP)
            signal = WSTOPSIG (status);
        ptrace (PTRACE_CONT, pid, NULL, signal);
    }
    return out;
}

static int allowed (void)
{
    int status;
    pid_t child = fork ();
    if (child == 0)
        _exit (ptrace (PTRACE_TRACEME, 0, NULL, NULL) == 0 && raise (SIGSTOP) == 0 ? 0 : 1);
    CHECK (waitpid (child, &status, 0) == child);
    if (!WIFSTOPPED (status)) {
        fprintf (stderr, "SKIPPED: no process may be traced here, so that no system call can be made to fail\n");
        return 0;
    }
    ptrace (PTRACE_CONT, child, NULL, 0);
    waitpid (child, &status, 0);
    return 1;
}

/* Whether it went well; says so otherwise. */
static int judge (const char *name, int n, int k, const outcome_t *out)
{
    if (WIFEXITED (out->status) && WEXITSTATUS (out->status) == 0)
        return 1;
    fprintf (stderr, "    %s, call %d fails: %s gives %s: %s %d (FAULTS_AT=%d:%d)\n", name, n, out->fault ? out->fault->name : "none", strerrorname_np (out->error),
             WIFSIGNALED (out->status) ? WTERMSIG (out->status) == SIGALRM ? "hangs, signal" : "is ended by signal" : "exits with",
             WIFSIGNALED (out->status) ? WTERMSIG (out->status) : WEXITSTATUS (out->status), n, k);
    return 0;
}

static void sweep (const char *name)
{
    void (*scenario) (void) = scenario_named (name)->run;
    const char *at = getenv ("FAULTS_AT");
    int all = getenv ("FAULTS_ALL") != NULL || only, bad = 0, runs = 0, n, k;
    unsigned seed = seed_from ("FAULTS_SEED");
    int64_t start = now_ms ();
    if (!allowed ())
        return;
    alarm (all ? 3600 : 100);
    if (at && sscanf (at, "%d:%d", &n, &k) == 2) {
        outcome_t out = run (scenario, n, k);
        CHECK (judge (name, n, k, &out));
        return;
    }
    srand (seed);
    /* Every call in turn, or big steps that are made until the time is over. */
    for (n = all ? 1 : 1 + rand () % 12; all || (now_ms () < start + 2500 && !bad); n += all ? 1 : 1 + rand () % 12) {
        outcome_t out = run (scenario, n, k = all ? 0 : rand () % 3);
        if (!out.fault && all)
            break;
        runs++;
        bad += !judge (name, n, k, &out);
        for (k = 1; all && k < 6 && out.fault && out.fault->errors[k]; k++, runs++) {
            outcome_t next = run (scenario, n, k);
            bad += !judge (name, n, k, &next);
        }
        if (!out.fault)
            n = 0;
    }
    fprintf (stderr, "    %s: %d runs, %d calls, %d bad, FAULTS_SEED=%u\n", name, runs, n, bad, seed);
    CHECK (bad == 0);
}

GROUP (push_pull) { sweep ("push_pull"); }
GROUP (req_rep) { sweep ("req_rep"); }
GROUP (inproc_pair) { sweep ("inproc"); }
GROUP (pub_sub) { sweep ("pub_sub"); }
GROUP (dealer_router) { sweep ("dealer_router"); }
GROUP (with_curve) { sweep ("curve"); }
GROUP (with_a_monitor) { sweep ("monitored"); }
GROUP (through_a_proxy) { sweep ("proxied"); }

/* A peer that nobody can watch is sent away, and the listener goes on. */
GROUP (every_watch)
{
    only = SYS_epoll_ctl;
    sweep ("push_pull");
    sweep ("dealer_router");
}

MAIN (ENTRY (every_watch), ENTRY (push_pull), ENTRY (req_rep), ENTRY (inproc_pair), ENTRY (pub_sub), ENTRY (dealer_router), ENTRY (with_curve), ENTRY (with_a_monitor),
      ENTRY (through_a_proxy))
