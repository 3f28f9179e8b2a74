//! Names, scheduling and placement of the library's own threads, and fork detection.

use super::cancel::Shielded;
#[cfg(sim)]
use super::sim::libc;
use super::{foreign, shared};
use crate::error::{Error, Result};
use crate::sync::atomic::Ordering;
use crate::sync::statics::{AtomicBool, AtomicU64};
use std::ffi::{CStr, CString, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a context wants of its threads (zmq_ctx_set(3)).
#[derive(Debug, Clone)]
pub struct ThreadOptions {
    /// Put in front of each thread's name (ZMQ_THREAD_NAME_PREFIX).
    pub name_prefix: Vec<u8>,
    /// Processors the threads may run on; empty for all (ZMQ_THREAD_AFFINITY_CPU_ADD).
    pub affinity: Vec<usize>,
    /// Scheduling policy, -1 for the process's own (ZMQ_THREAD_SCHED_POLICY).
    pub policy: i32,
    /// Scheduling priority, -1 for the default (ZMQ_THREAD_PRIORITY).
    pub priority: i32,
}

/// The name of a thread with this role.
pub fn name(options: &ThreadOptions, role: &str) -> CString {
    let prefix = options.name_prefix.split(|byte| *byte == 0).next().unwrap_or_default();
    let slash = if prefix.is_empty() { "" } else { "/" };
    let name = prefix.iter().copied().chain(slash.bytes()).chain("ZMQbg/".bytes());
    // The system takes 15 bytes.
    let short: Vec<u8> = name.chain(role.bytes()).take(15).collect();
    CString::new(short).unwrap_or_default()
}

/// Applies a name and `options` to the running thread, which may be one that has no memory. What the
/// system refuses (no permission for a real-time policy, say) leaves the thread as it was: a thread
/// with ordinary priority still does its work.
pub fn apply(name: &CStr, options: &ThreadOptions) {
    // SAFETY: a zero-terminated name of at most 15 bytes for the running thread.
    unsafe { libc::pthread_setname_np(libc::pthread_self(), name.as_ptr()) };
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

/// A thread of the library's own. It is left alone when this is dropped.
pub struct Thread(libc::pthread_t);

// SAFETY: the identifier of a thread means the same in every thread.
unsafe impl Send for Thread {}

/// What a new thread does.
type Body = Box<dyn FnOnce() + Send>;

/// Begins a thread with so many bytes of stack and all signals blocked. A panic ends the thread only.
///
/// Not std's: its threads register a destructor as they begin, and where there is no memory for that
/// the C library ends the process.
///
/// # Errors
/// `EAGAIN`, and what else pthread_create(3) says.
pub fn spawn(stack: usize, body: impl FnOnce() + Send + 'static) -> Result<Thread> {
    extern "C" fn begin(body: *mut c_void) -> *mut c_void {
        // SAFETY: `spawn` hands a boxed Body over.
        let body = unsafe { Box::from_raw(body.cast::<Body>()) };
        // It was reported where it happened.
        let _ = catch_unwind(AssertUnwindSafe(body));
        std::ptr::null_mut()
    }
    let body: Box<Body> = Box::new(Box::new(body));
    let body = Box::into_raw(body);
    let blocked = block_signals();
    // SAFETY: plain structures that live during the calls; the new thread owns the body if there is
    // one.
    let (failed, thread) = unsafe {
        let mut thread: libc::pthread_t = std::mem::zeroed();
        let mut attributes: libc::pthread_attr_t = std::mem::zeroed();
        let mut failed = libc::pthread_attr_init(&raw mut attributes);
        if failed == 0 {
            // If the system wants more, its own size is enough.
            libc::pthread_attr_setstacksize(&raw mut attributes, stack);
            failed = libc::pthread_create(&raw mut thread, &attributes, begin, body.cast());
            libc::pthread_attr_destroy(&raw mut attributes);
        }
        (failed, thread)
    };
    drop(blocked);
    if failed != 0 {
        // SAFETY: no thread took it over.
        drop(unsafe { Box::from_raw(body) });
        return Err(Error::from_errno(failed));
    }
    Ok(Thread(thread))
}

impl Thread {
    /// Waits until the thread has ended.
    pub fn join(self) {
        let _here = Shielded::begin();
        // SAFETY: joined once, and not detached then.
        unsafe { libc::pthread_join(self.0, std::ptr::null_mut()) };
        std::mem::forget(self);
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        // SAFETY: neither joined nor detached before.
        unsafe { libc::pthread_detach(self.0) };
    }
}

/// Waits until a thread of the application's has ended. The calling thread may end here, see
/// [`cancel::point`](super::cancel::point).
///
/// # Safety
/// The thread is joined once. No frame of ours below this has anything to put in order.
pub unsafe fn join(thread: libc::pthread_t) {
    // libc does not say that it may unwind.
    unsafe extern "C-unwind" {
        fn pthread_join(thread: libc::pthread_t, result: *mut *mut c_void) -> i32;
    }
    // SAFETY: by contract.
    unsafe { pthread_join(thread, std::ptr::null_mut()) };
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
    shared::leave_to_parent();
    foreign::in_child();
}

/// From now on forks are counted, see [`process_generation`], and wait for calls of others, see [`foreign`].
pub fn count_forks() {
    static COUNTED: AtomicBool = AtomicBool::new(false);
    // Threads that come here at the same time do not wait for each other, or a child forked meanwhile
    // might for ever. A fork that is counted twice makes no difference.
    if !COUNTED.load(Ordering::Acquire) {
        let (before, in_parent) = (foreign::before_fork, foreign::in_parent);
        // SAFETY: the handlers only touch atomics, ask for memory of their own, and sleep.
        let failed = unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(forked)) };
        COUNTED.store(failed == 0, Ordering::Release);
    }
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
