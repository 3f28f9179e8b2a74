//! Contexts: the options, I/O threads, inproc names and socket count of a group of sockets.

pub mod registry;

use crate::error::{Error, Result};
use crate::msg::Reclaimer;
use crate::reactor::{IoThread, Resolver};
use crate::sync::asymmetric;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::mutex::Mutex;
use crate::sync::statics::AtomicU32;
use crate::sync::{PerProcess, Signal};
use crate::sys::cancel::Cancel;
use crate::sys::clock;
use crate::sys::thread::{self, ThreadOptions};
use crate::util::memory;
use registry::Registry;
use std::ffi::c_int;
use std::sync::Arc;

/// Options of a context (zmq_ctx_set(3)), with their numbers in `zmq.h`.
pub mod option {
    #![allow(missing_docs, reason = "the names are those of zmq_ctx_set(3)")]
    pub const IO_THREADS: i32 = 1;
    pub const MAX_SOCKETS: i32 = 2;
    pub const SOCKET_LIMIT: i32 = 3;
    pub const THREAD_PRIORITY: i32 = 3;
    pub const THREAD_SCHED_POLICY: i32 = 4;
    pub const MAX_MSGSZ: i32 = 5;
    pub const MSG_T_SIZE: i32 = 6;
    pub const THREAD_AFFINITY_CPU_ADD: i32 = 7;
    pub const THREAD_AFFINITY_CPU_REMOVE: i32 = 8;
    pub const THREAD_NAME_PREFIX: i32 = 9;
    pub const ZERO_COPY_RECV: i32 = 10;
    pub const IPV6: i32 = 42;
    pub const BLOCKY: i32 = 70;
}

/// What ZMQ_SOCKET_LIMIT says. Nothing here depends on it, and ZMQ_MAX_SOCKETS may exceed it, as
/// with libzmq where it uses epoll.
pub const SOCKET_LIMIT: c_int = 65_535;

/// The longest ZMQ_THREAD_NAME_PREFIX, in bytes.
const NAME_MAX: usize = 16;

/// The number that a text begins with, 0 if it is none.
fn number_in(text: &[u8]) -> c_int {
    let end = text
        .iter()
        .enumerate()
        .position(|(at, byte)| !(byte.is_ascii_digit() || at == 0 && *byte == b'-'));
    let digits = text.get(..end.unwrap_or(text.len())).unwrap_or_default();
    std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

#[derive(Clone)]
struct Options {
    io_threads: c_int,
    max_sockets: c_int,
    /// Only remembered, as in libzmq; ZMQ_MAXMSGSIZE is the limit that counts.
    max_message: c_int,
    ipv6: bool,
    blocky: bool,
    zero_copy: bool,
    thread: ThreadOptions,
}

/// What the first socket of a context decides.
struct Started {
    threads: Vec<Arc<IoThread>>,
    /// With ZMQ_IO_THREADS 0: a thread that gives memory of the application back, as libzmq's of this
    /// name does, and serves no socket.
    reaper: Option<Arc<IoThread>>,
    /// ZMQ_MAX_SOCKETS then.
    max_sockets: usize,
}

impl Started {
    fn all(&self) -> impl Iterator<Item = &Arc<IoThread>> {
        self.threads.iter().chain(&self.reaper)
    }
}

/// What a process has of a context. A forked child begins without sockets, names and threads: those
/// of its parent are none of its business.
#[derive(Default)]
struct Own {
    registry: Mutex<Registry>,
    started: Mutex<Option<Started>>,
    sockets: AtomicUsize,
    /// Moves when the last socket is gone.
    empty: Signal,
}

/// The number of the next context.
static CONTEXTS: AtomicU32 = AtomicU32::new(1);

/// One context. A forked child has it, too, with the options it had at the fork, which need no lock
/// of the parent's to be read: a change is the exchange of one pointer.
pub struct Context {
    options: PerProcess<Mutex<Arc<Options>>>,
    own: PerProcess<Own>,
    /// Shut down or being terminated: every call on a socket fails with ETERM.
    stopped: AtomicBool,
    /// Which context of the process it is, from 1.
    number: u32,
}

impl Default for Context {
    fn default() -> Self {
        Context::new()
    }
}

impl Context {
    /// A context with default options. Threads start with the first socket.
    pub fn new() -> Context {
        thread::count_forks();
        // Before there are threads of ours: to register a process of one thread takes the kernel
        // less than a microsecond, one of several some five milliseconds.
        asymmetric::prepare();
        clock::calibrate();
        Context {
            options: PerProcess::here(Mutex::new(Arc::new(Options {
                io_threads: 1,
                max_sockets: 1023,
                max_message: c_int::MAX,
                ipv6: false,
                blocky: true,
                zero_copy: true,
                thread: ThreadOptions {
                    name_prefix: Vec::new(),
                    affinity: Vec::new(),
                    policy: -1,
                    priority: -1,
                },
            }))),
            own: PerProcess::here(Own::default()),
            stopped: AtomicBool::new(false),
            number: CONTEXTS.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Which context of the process it is, from 1, for those who look into it.
    pub fn number(&self) -> u32 {
        self.number
    }

    fn options(&self) -> &Mutex<Arc<Options>> {
        // SAFETY: the parent's, which only its threads lock; it is one pointer, exchanged at once.
        self.options.get_or(|parents| Mutex::new(unsafe { parents.inherited() }.clone()))
    }

    /// The names bound with `inproc://`, and the sockets.
    pub fn registry(&self) -> &Mutex<Registry> {
        &self.own.get().registry
    }

    /// Sets an option.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an unknown option or a value out of range.
    pub fn set(&self, name: c_int, value: c_int) -> Result<()> {
        let mut current = self.options().lock();
        let mut options = Options::clone(&current);
        match name {
            option::IO_THREADS if value >= 0 => options.io_threads = value,
            option::MAX_SOCKETS if value > 0 => options.max_sockets = value,
            option::THREAD_PRIORITY if value >= 0 => options.thread.priority = value,
            option::THREAD_SCHED_POLICY if value >= 0 => options.thread.policy = value,
            option::MAX_MSGSZ if value >= 0 => options.max_message = value,
            option::THREAD_AFFINITY_CPU_ADD if value >= 0 => {
                let cpu = value as usize;
                if !options.thread.affinity.contains(&cpu) {
                    options.thread.affinity.push(cpu);
                }
            }
            option::THREAD_AFFINITY_CPU_REMOVE if value >= 0 => {
                let at = options.thread.affinity.iter().position(|&c| c == value as usize);
                options.thread.affinity.remove(at.ok_or(Error::Invalid)?);
            }
            option::THREAD_NAME_PREFIX => {
                options.thread.name_prefix = value.to_string().into_bytes();
            }
            option::ZERO_COPY_RECV if value >= 0 => options.zero_copy = value != 0,
            option::IPV6 if value >= 0 => options.ipv6 = value != 0,
            option::BLOCKY if value >= 0 => options.blocky = value != 0,
            _ => return Err(Error::Invalid),
        }
        *current = Arc::new(options);
        Ok(())
    }

    /// Reads an option.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an unknown option.
    pub fn get(&self, name: c_int) -> Result<c_int> {
        let options = self.options().lock().clone();
        Ok(match name {
            option::IO_THREADS => options.io_threads,
            option::MAX_SOCKETS => options.max_sockets,
            option::SOCKET_LIMIT => SOCKET_LIMIT,
            option::THREAD_SCHED_POLICY => options.thread.policy,
            option::MAX_MSGSZ => options.max_message,
            option::MSG_T_SIZE => 64,
            option::THREAD_NAME_PREFIX => number_in(&options.thread.name_prefix),
            option::ZERO_COPY_RECV => c_int::from(options.zero_copy),
            option::IPV6 => c_int::from(options.ipv6),
            option::BLOCKY => c_int::from(options.blocky),
            _ => return Err(Error::Invalid),
        })
    }

    /// Sets an option that may be a text: ZMQ_THREAD_NAME_PREFIX of 1 to 16 bytes. What has the size of an
    /// `int` is one, as in libzmq, and the others have to be.
    ///
    /// # Errors
    /// As [`Context::set`]; [`Error::NoMemory`].
    pub fn set_bytes(&self, name: c_int, value: &[u8]) -> Result<()> {
        if let Ok(number) = value.try_into() {
            return self.set(name, c_int::from_ne_bytes(number));
        }
        if name != option::THREAD_NAME_PREFIX || !(1..=NAME_MAX).contains(&value.len()) {
            return Err(Error::Invalid);
        }
        let prefix = memory::copy_of(value)?;
        let mut current = self.options().lock();
        let mut options = Options::clone(&current);
        options.thread.name_prefix = prefix;
        *current = Arc::new(options);
        Ok(())
    }

    /// The bytes of an option for a buffer of `capacity`, see [`Context::set_bytes`].
    ///
    /// # Errors
    /// As [`Context::get`]; [`Error::Invalid`] for a buffer of another size than a number's, or too small
    /// for a text.
    pub fn get_bytes(&self, name: c_int, capacity: usize) -> Result<Vec<u8>> {
        if capacity == size_of::<c_int>() {
            return self.get(name).map(|number| number.to_ne_bytes().to_vec());
        }
        let options = self.options().lock().clone();
        let prefix = &options.thread.name_prefix;
        match name {
            option::THREAD_NAME_PREFIX if prefix.len() <= capacity => Ok(prefix.clone()),
            _ => Err(Error::Invalid),
        }
    }

    /// Counts a new socket, and starts the I/O threads with the first one. Sockets of the library
    /// itself are not `limited` by ZMQ_MAX_SOCKETS.
    ///
    /// # Errors
    /// [`Error::Terminated`], [`Error::TooManyFiles`] beyond ZMQ_MAX_SOCKETS, and what starting
    /// threads says.
    pub fn add_socket(&self, resolver: Resolver, limited: bool) -> Result<()> {
        let own = self.own.get();
        let mut started = own.started.lock();
        if self.is_stopped() {
            return Err(Error::Terminated);
        }
        if let Some(started) = &*started {
            if limited && own.sockets.load(Ordering::SeqCst) >= started.max_sockets {
                return Err(Error::TooManyFiles);
            }
        } else {
            *started = Some(self.start(resolver)?);
        }
        own.sockets.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn start(&self, resolver: Resolver) -> Result<Started> {
        let options = self.options().lock().clone();
        let start = |name: &str| IoThread::start(name, options.thread.clone(), resolver);
        let mut threads = Vec::new();
        for number in 0..options.io_threads.max(0) as usize {
            match start(&format!("IO/{number}")) {
                Ok(thread) => threads.push(Arc::new(thread)),
                Err(error) => {
                    threads.iter().for_each(|t: &Arc<IoThread>| t.stop());
                    return Err(error);
                }
            }
        }
        let reaper = if threads.is_empty() { Some(Arc::new(start("Reaper")?)) } else { None };
        Ok(Started { threads, reaper, max_sockets: options.max_sockets as usize })
    }

    /// Who gives memory of the application back that the sockets are done with.
    pub fn reclaimer(&self) -> Option<&'static Reclaimer> {
        let started = self.own.get().started.lock();
        started.as_ref()?.all().next().map(|thread| thread.reclaimer())
    }

    /// A socket is gone.
    pub fn remove_socket(&self) {
        let own = self.own.get();
        if own.sockets.fetch_sub(1, Ordering::SeqCst) == 1 {
            own.empty.notify();
        }
    }

    /// The I/O thread with the least load among those `affinity` allows (0: all).
    pub fn io_thread(&self, affinity: u64) -> Option<Arc<IoThread>> {
        let started = self.own.get().started.lock();
        let allowed = |n: usize| affinity == 0 || (n < 64 && affinity & (1 << n) != 0);
        let candidates = started.as_ref()?.threads.iter().enumerate().filter(|(n, _)| allowed(*n));
        candidates.min_by_key(|(_, t)| t.load()).map(|(_, t)| t.clone())
    }

    /// Whether somebody has closed descriptors of an I/O thread, see [`IoThread::is_whole`].
    pub fn has_lost_threads(&self) -> bool {
        let started = self.own.get().started.lock();
        started.iter().flat_map(|s| &s.threads).any(|thread| !thread.is_whole())
    }

    /// ZMQ_IPV6 and ZMQ_LINGER that new sockets start with.
    pub fn socket_defaults(&self) -> (bool, i32) {
        let options = self.options().lock().clone();
        (options.ipv6, if options.blocky { -1 } else { 0 })
    }

    /// Whether the context is shut down.
    #[inline]
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// From now on calls on sockets fail with ETERM. The caller wakes those that are blocked.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    /// Waits until the last socket is gone, then ends the threads.
    ///
    /// # Errors
    /// [`Error::Interrupted`] after a signal, and [`Error::Cancelled`]; call again.
    pub fn finish(&self) -> Result<()> {
        let own = self.own.get();
        loop {
            let sleeper = own.empty.enter();
            if own.sockets.load(Ordering::SeqCst) == 0 {
                break;
            }
            sleeper.sleep(None, Cancel::Acts)?;
        }
        // What closed sockets left for names that nobody has bound: the threads are still there to give
        // memory of the application back.
        let left = std::mem::take(&mut *own.registry.lock());
        drop(left);
        let started = own.started.lock().take();
        started.iter().flat_map(Started::all).for_each(|t| t.stop());
        Ok(())
    }
}
