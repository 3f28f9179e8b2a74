//! The end of a connection from our side, after the kernel has taken the last byte.
//!
//! close(2) with unread input makes a TCP connection end with a reset, and so does input that comes
//! later: what the kernel still had to send is thrown away then, however long ZMQ_LINGER is. What the
//! peer's kernel has acknowledged is safe, its application can read it after a reset, too. So where
//! something is not acknowledged yet and input may come in between, the connection is shut down for
//! writing and read from, until the peer has hung up or has got everything.
//!
//! Unix domain sockets hand over what is written at once: nothing can be lost there.

use crate::error::{Error, Result};
use crate::sys::clock;
use crate::sys::net;
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// Input that is dropped before others have their turn, in bytes.
const DISCARD: usize = 256 * 1024;

/// A peer that says nothing, and acknowledges nothing for so long, reads nothing: the kernel goes on
/// alone, as it would have after close(2).
const QUIET: Duration = Duration::from_millis(100);

/// The same of a peer that has said something since, so that closing means a reset.
const TALKING: Duration = Duration::from_secs(10);

/// How soon to look again for what makes no event, at first and later.
const SOON: Duration = Duration::from_millis(5);
const LATER: Duration = Duration::from_millis(100);

/// A connection that is shut down for writing.
#[derive(Debug)]
pub(super) struct Farewell {
    /// Bytes that the peer has not acknowledged, as last seen.
    owed: usize,
    /// When they last became fewer.
    moved: Instant,
    /// The peer has said something that it may go on saying.
    talking: bool,
    next_look: Duration,
    /// There is nothing to wait for any more.
    over: bool,
}

impl Farewell {
    /// Shuts down for writing. `None` if the connection may be closed as it is.
    pub(super) fn begin(fd: BorrowedFd<'_>) -> Option<Farewell> {
        let owed = net::unacknowledged(fd).ok().filter(|&bytes| bytes != 0)?;
        let unsent = net::not_sent(fd).ok()?;
        let talking = net::unread(fd).is_ok_and(|bytes| bytes != 0);
        if !talking && unsent == 0 {
            // All of it is on its way, and in front of any reset.
            return None;
        }
        net::shut_down_writing(fd).ok()?;
        let moved = clock::now();
        Some(Farewell { owed, moved, talking, next_look: SOON, over: false })
    }

    /// Drops what came and sees whether the peer has everything. How soon to look again if not.
    pub(super) fn go_on(&mut self, fd: BorrowedFd<'_>) -> Option<Duration> {
        if self.over {
            return None;
        }
        let input = discard(fd);
        let owed = net::unacknowledged(fd).unwrap_or(0);
        self.talking |= input.as_ref().is_ok_and(|dropped| dropped.bytes > 0);
        let now = clock::now();
        if owed < self.owed {
            (self.owed, self.moved) = (owed, now);
        }
        let patience = if self.talking { TALKING } else { QUIET };
        // The end of our stream counts as a byte.
        self.over = input.is_err() || owed <= 1 || now.duration_since(self.moved) >= patience;
        let next = self.next_look;
        self.next_look = (2 * next).min(LATER);
        (!self.over).then_some(next)
    }
}

/// What [`discard`] has dropped.
pub(super) struct Dropped {
    pub(super) bytes: usize,
    /// Whether there may be more.
    pub(super) more: bool,
}

/// Reads what has come for nobody, but not for very long.
///
/// # Errors
/// The connection is dead; [`Error::Os`] with `ECONNRESET` stands for an orderly end.
pub(super) fn discard(fd: BorrowedFd<'_>) -> Result<Dropped> {
    let mut buffer = [MaybeUninit::uninit(); 16 * 1024];
    let mut bytes = 0;
    while bytes < DISCARD {
        match net::recv_uninit(fd, &mut buffer) {
            Ok(0) => return Err(Error::Os(libc::ECONNRESET)),
            Ok(count) => bytes += count,
            Err(Error::Again) => return Ok(Dropped { bytes, more: false }),
            Err(Error::Interrupted) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Dropped { bytes, more: true })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (ours, listener.accept().unwrap().0)
    }

    /// Fills the connection until the kernel takes no more.
    fn fill(stream: &mut TcpStream) -> usize {
        stream.set_nonblocking(true).unwrap();
        let mut sent = 0;
        while let Ok(count) = stream.write(&[7; 65536]) {
            sent += count;
        }
        sent
    }

    #[test]
    fn what_is_acknowledged_needs_no_farewell() {
        let (mut ours, mut theirs) = pair();
        theirs.write_all(b"unread").unwrap();
        assert!(Farewell::begin(ours.as_fd()).is_none(), "nothing sent");
        ours.write_all(b"first").unwrap();
        theirs.read_exact(&mut [0; 5]).unwrap();
        theirs.write_all(b"acknowledges the first").unwrap();
        assert!(Farewell::begin(ours.as_fd()).is_none());
    }

    #[test]
    fn unix_domain_sockets_need_none() {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(b"unread").unwrap();
        ours.write_all(b"unread").unwrap();
        assert!(Farewell::begin(ours.as_fd()).is_none());
        drop(ours);
        let mut got = [0; 6];
        theirs.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"unread");
    }

    #[test]
    fn a_talking_peer_gets_everything() {
        let (mut ours, mut theirs) = pair();
        let sent = fill(&mut ours);
        theirs.write_all(&[1; 1000]).unwrap();
        let mut farewell = Farewell::begin(ours.as_fd()).unwrap();
        assert!(farewell.go_on(ours.as_fd()).is_some() && farewell.talking);
        assert_eq!(net::unread(ours.as_fd()), Ok(0));
        let mut received = 0;
        let mut buffer = [0; 65536];
        loop {
            match theirs.read(&mut buffer).unwrap() {
                0 => break,
                count => received += count,
            }
            // It goes on talking, and is not reset.
            theirs.write_all(&[1; 100]).unwrap();
            let _ = farewell.go_on(ours.as_fd());
        }
        assert_eq!(received, sent);
        theirs.shutdown(Shutdown::Both).unwrap();
        while farewell.go_on(ours.as_fd()).is_some() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_peer_that_reads_nothing_is_left_to_the_kernel() {
        let (mut ours, theirs) = pair();
        fill(&mut ours);
        let mut farewell = Farewell::begin(ours.as_fd()).unwrap();
        // On a busy machine a sleep takes longer than it was to take.
        let (began, mut waits) = (Instant::now(), Duration::ZERO);
        while let Some(wait) = farewell.go_on(ours.as_fd()) {
            assert!(waits < 2 * QUIET + 2 * LATER);
            waits += wait;
            std::thread::sleep(wait);
        }
        assert!(began.elapsed() >= QUIET && farewell.go_on(ours.as_fd()).is_none());
        drop(theirs);
    }
}
