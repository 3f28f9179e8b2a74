//! Words for whoever runs the program.

#[cfg(not(sim))]
use super::{raw, signals};

/// Writes a line to standard error, all at once, if that can be done without waiting: nobody waits for who reads it, and
/// nobody dies of it if who reads it has gone (`2>&1 | head`). What cannot be written is lost.
#[cfg(not(sim))]
pub fn say(line: &str) {
    // A pipe says that it takes some if it takes 4096 bytes, and so many are written at once.
    let bytes = line.as_bytes();
    let bytes = bytes.get(..4095).unwrap_or(bytes);
    signals::without_sigpipe(|| write(libc::STDERR_FILENO, bytes));
}

/// There is nobody in a made-up world.
#[cfg(sim)]
pub fn say(_line: &str) {}

/// Others may write there as well, other processes among them: that there was room a moment ago does not mean that there is
/// some. So the write itself is told not to wait; where that cannot be said (terminals, files, older kernels) a look has
/// to do.
#[cfg(not(sim))]
fn write(fd: libc::c_int, bytes: &[u8]) -> bool {
    if let Some(written) = write_at_once(fd, bytes) {
        return written;
    }
    let mut place = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
    // SAFETY: one entry, and as many bytes as the length says; both outlive the calls.
    unsafe {
        raw::poll(&raw mut place, 1, 0) == 1
            && place.revents & libc::POLLOUT != 0
            && raw::write(fd, bytes.as_ptr().cast(), bytes.len()) >= 0
    }
}

/// Whether it has been written, without waiting (pwritev2(2), RWF_NOWAIT). `None`: it cannot be asked for here.
#[cfg(not(sim))]
fn write_at_once(fd: libc::c_int, bytes: &[u8]) -> Option<bool> {
    let piece = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // At the file's own position, which is what -1 stands for.
    // SAFETY: one piece, of as many bytes as its length says, which outlives the call.
    let written = unsafe {
        libc::syscall(
            libc::SYS_pwritev2,
            fd,
            &raw const piece,
            1,
            -1_isize,
            -1_isize,
            libc::RWF_NOWAIT,
        )
    };
    match std::io::Error::last_os_error().raw_os_error() {
        _ if written >= 0 => Some(true),
        // Of a pipe or a socket. A file may be written to, but not so.
        Some(libc::EAGAIN) => is_stream(fd).then_some(false),
        Some(libc::EPIPE) => Some(false),
        _ => None,
    }
}

#[cfg(not(sim))]
fn is_stream(fd: libc::c_int) -> bool {
    let mut status = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: there is room for what it says.
    let kind = unsafe {
        (libc::fstat(fd, status.as_mut_ptr()) == 0)
            .then(|| status.assume_init().st_mode & libc::S_IFMT)
    };
    matches!(kind, Some(libc::S_IFIFO | libc::S_IFSOCK))
}

#[cfg(all(test, not(any(sim, loom))))]
mod tests {
    use super::*;

    fn pipe() -> [libc::c_int; 2] {
        let mut ends = [-1; 2];
        // SAFETY: room for two.
        assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
        ends
    }

    fn close(fd: libc::c_int) {
        // SAFETY: the test's.
        assert_eq!(unsafe { libc::close(fd) }, 0);
    }

    /// Of a look and a write, somebody else may have come in between: the write does not wait.
    #[test]
    fn what_a_full_pipe_does_not_take_is_lost() {
        let [reader, writer] = pipe();
        // SAFETY: numbers, and a byte that is there.
        unsafe { assert_eq!(libc::fcntl(writer, libc::F_SETPIPE_SZ, 4096), 4096) };
        assert!(write(writer, &[b'x'; 4095]));
        assert!(!write(writer, b"more"));
        let at_once = write_at_once(writer, b"more");
        assert!(at_once.is_none_or(|written| !written));
        close(reader);
        close(writer);
    }

    /// The test holds the signal, which would wait for it.
    #[test]
    fn nobody_dies_of_a_pipe_without_a_reader() {
        let [reader, writer] = pipe();
        close(reader);
        let waits = || {
            // SAFETY: a set that lives during the calls.
            unsafe {
                let mut set: libc::sigset_t = std::mem::zeroed();
                libc::sigpending(&raw mut set);
                libc::sigismember(&raw const set, libc::SIGPIPE) == 1
            }
        };
        let held = signals::Held::begin();
        assert!(!signals::without_sigpipe(|| write(writer, b"x")));
        assert!(!waits());
        // One that waits already is the application's.
        // SAFETY: to this thread, which holds it.
        unsafe { libc::raise(libc::SIGPIPE) };
        assert!(!signals::without_sigpipe(|| write(writer, b"x")));
        assert!(waits());
        signals::without_sigpipe(|| ());
        drop(held);
        close(writer);
    }
}
