//! Names, scheduling and placement of the library's own threads, and fork detection.

use crate::sync::atomic::Ordering;
use crate::sync::statics::AtomicU64;
use std::ffi::CString;
use std::sync::Once;

/// What a context wants of its threads (zmq_ctx_set(3)).
#[derive(Debug, Clone)]
pub struct ThreadOptions {
    /// Put in front of each thread's name (ZMQ_THREAD_NAME_PREFIX).
    pub name_prefix: String,
    /// Processors the threads may run on; empty for all (ZMQ_THREAD_AFFINITY_CPU_ADD).
    pub affinity: Vec<usize>,
    /// Scheduling policy, -1 for the process's own (ZMQ_THREAD_SCHED_POLICY).
    pub policy: i32,
    /// Scheduling priority, -1 for the default (ZMQ_THREAD_PRIORITY).
    pub priority: i32,
}

/// Applies `options` to the running thread. What the system refuses (no permission for a real-time
/// policy, say) leaves the thread as it was: a thread with ordinary priority still does its work.
pub fn apply(options: &ThreadOptions, role: &str) {
    let prefix = &options.name_prefix;
    let name =
        if prefix.is_empty() { format!("ZMQbg/{role}") } else { format!("{prefix}/ZMQbg/{role}") };
    let short: Vec<u8> = name.bytes().take(15).collect();
    if let Ok(name) = CString::new(short) {
        // SAFETY: a zero-terminated name of at most 15 bytes for the running thread.
        unsafe { libc::pthread_setname_np(libc::pthread_self(), name.as_ptr()) };
    }
    if options.policy >= 0 || options.priority >= 0 {
        // SAFETY: plain structures that live during the calls.
        unsafe {
            let mut policy = 0;
            let mut parameters: libc::sched_param = std::mem::zeroed();
            let this = libc::pthread_self();
            if libc::pthread_getschedparam(this, &mut policy, &mut parameters) == 0 {
                if options.policy >= 0 {
                    policy = options.policy;
                }
                let lowest = libc::sched_get_priority_min(policy);
                parameters.sched_priority = options.priority.max(lowest);
                libc::pthread_setschedparam(this, policy, &parameters);
            }
        }
    }
    if !options.affinity.is_empty() {
        // SAFETY: the set is plain data; CPU_SET is only called with numbers below CPU_SETSIZE.
        unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            for &cpu in options.affinity.iter().filter(|&&c| c < libc::CPU_SETSIZE as usize) {
                libc::CPU_SET(cpu, &mut set);
            }
            libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set);
        }
    }
}

/// Keeps the application's signals away from the running thread: they belong to the
/// application's threads, whose blocking calls must return `EINTR` (zmq_recv(3)).
pub fn block_signals() -> SavedSignals {
    // SAFETY: plain sets that live during the calls.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut saved: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_BLOCK, &all, &mut saved);
        SavedSignals { saved }
    }
}

/// The signal mask to go back to; a thread spawned meanwhile keeps all signals blocked.
pub struct SavedSignals {
    saved: libc::sigset_t,
}

impl Drop for SavedSignals {
    fn drop(&mut self) {
        // SAFETY: a mask the system gave us.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.saved, std::ptr::null_mut()) };
    }
}

static FORKS: AtomicU64 = AtomicU64::new(0);

extern "C" fn forked() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// From now on forks are counted, see [`process_generation`].
pub fn count_forks() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handler only touches an atomic.
        unsafe { libc::pthread_atfork(None, None, Some(forked)) };
    });
}

/// A number that differs between a process and its forked children, once forks are counted.
/// Whoever remembers it knows later whether it runs in the process that made a thing, without a
/// system call.
#[inline]
pub fn process_generation() -> u64 {
    FORKS.load(Ordering::Relaxed)
}

/// A number that no other living thread of the process has, never 0.
#[inline]
pub fn token() -> usize {
    #[cfg(all(target_arch = "x86_64", target_os = "linux", not(loom)))]
    {
        let token: usize;
        // SAFETY: reads the first word of the thread control block, which is its own address
        // (System V ABI for x86-64, "Thread-Local Storage"), and nothing else.
        unsafe {
            std::arch::asm!(
                "mov {}, fs:0",
                out(reg) token,
                options(nostack, preserves_flags, readonly, pure)
            );
        }
        token
    }
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux", not(loom))))]
    {
        // SAFETY: no arguments, and never fails.
        unsafe { libc::pthread_self() as usize }
    }
}
