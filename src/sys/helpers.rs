//! Helper threads: work that may block for as long as somebody else likes, so that neither the
//! application's threads nor the I/O threads can do it: getaddrinfo(3), and the steps of a GSSAPI context.
//!
//! There are at most [`MOST`] of them in a process, made here only; what is more waits its turn. A
//! helper ends when there is nothing left to do. Nobody can interrupt one, so nobody waits for one
//! either: work owns nothing of a context, whose end does not have to wait for a name server, and
//! whoever wants the answer leaves a way to be told that the helper finds closed if it comes too late.
//! The library is never unloaded (`build.rs`), so the code of a helper stays.

use super::thread;
use crate::error::{Error, Result};
use crate::sync::PerProcess;
use crate::sync::mutex::Mutex;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Helpers of a process, at most. A name server or a KDC that is down keeps each for some ten seconds.
const MOST: usize = 16;

/// Bytes of stack. The C library asks for the modules of nsswitch.conf(5) from here, too.
const STACK: usize = 256 * 1024;

/// What a helper does.
type Work = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Helpers {
    running: usize,
    waiting: VecDeque<Work>,
}

/// A forked child has no helpers, and nothing waiting.
static HELPERS: PerProcess<Mutex<Helpers>> =
    PerProcess::new(Mutex::new(Helpers { running: 0, waiting: VecDeque::new() }));

/// Has a helper do this, now or when one is free.
///
/// # Errors
/// What starting a thread says, if there is no helper yet: then nobody will do it.
pub fn run(work: impl FnOnce() + Send + 'static) -> Result<()> {
    let mut helpers = HELPERS.get().lock();
    helpers.waiting.try_reserve(1).map_err(|_| Error::NoMemory)?;
    helpers.waiting.push_back(Box::new(work));
    if helpers.running == MOST {
        return Ok(());
    }
    match thread::spawn(STACK, work_off) {
        Ok(_) => helpers.running += 1,
        Err(error) if helpers.running == 0 => {
            let undone = helpers.waiting.pop_back();
            drop(helpers);
            drop(undone);
            return Err(error);
        }
        // Those that run come to it.
        Err(_) => {}
    }
    Ok(())
}

/// The life of a helper.
fn work_off() {
    while let Some(work) = next() {
        // A panic was reported where it happened; there is more to do.
        let _ = catch_unwind(AssertUnwindSafe(work));
    }
}

/// What to do next. Without anything the helper is none any more.
fn next() -> Option<Work> {
    let mut helpers = HELPERS.get().lock();
    let work = helpers.waiting.pop_front();
    if work.is_none() {
        helpers.running -= 1;
    }
    work
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::{Arc, mpsc};

    /// More is asked for than there may be helpers, and some of it panics: all of it is done, by
    /// [`MOST`] threads at a time, none of which takes a signal.
    #[test]
    fn a_bounded_number_of_helpers_does_everything() {
        let gate = Arc::new(std::sync::Barrier::new(MOST + 1));
        let (tell, told) = mpsc::channel();
        for _ in 0..MOST {
            let (gate, tell) = (gate.clone(), tell.clone());
            run(move || {
                // All of the first are here at the same time, and nobody else is.
                gate.wait();
                // SAFETY: an empty set that lives during the calls.
                let blocked = unsafe {
                    let mut mask: libc::sigset_t = std::mem::zeroed();
                    libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &raw mut mask);
                    libc::sigismember(&raw const mask, libc::SIGUSR1) == 1
                };
                let _ = tell.send(blocked);
                gate.wait();
            })
            .unwrap();
        }
        for number in 0..100 {
            let tell = tell.clone();
            run(move || {
                assert!(number % 10 != 0, "a panic that the test wants");
                let _ = tell.send(true);
            })
            .unwrap();
        }
        gate.wait();
        for _ in 0..MOST {
            assert_eq!(told.recv(), Ok(true));
        }
        {
            let helpers = HELPERS.get().lock();
            assert_eq!((helpers.running, helpers.waiting.len()), (MOST, 100));
        }
        gate.wait();
        drop(tell);
        assert_eq!(told.iter().count(), 90);
    }
}
