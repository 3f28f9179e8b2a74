//! How much of a long body has to arrive before its reader is woken up (SO_RCVLOWAT).
//!
//! A reader that is faster than the network would be woken for each segment of a long body, which
//! costs more than reading it does.

use crate::sys::net;
use std::os::fd::BorrowedFd;

/// What is worth a wake-up.
const PIECE: usize = 128 * 1024;

/// What the kernel was told about one connection.
pub(super) struct Pace {
    /// Whether only [`PIECE`] bytes make the descriptor readable.
    slow: bool,
    /// Whether the kernel does that at all; not known before it matters.
    works: Option<bool>,
    /// The descriptor was not readable with what may be there now.
    missed: bool,
}

impl Pace {
    pub(super) fn new() -> Pace {
        Pace { slow: false, works: None, missed: false }
    }

    /// There is nothing more to read now, and `missing` bytes of a long body are still to come.
    #[inline]
    pub(super) fn settle(&mut self, fd: BorrowedFd<'_>, missing: usize) {
        // Changing it costs a system call, too.
        let slow = if self.slow { missing >= PIECE } else { missing >= 2 * PIECE };
        if slow != self.slow {
            self.change(fd, slow);
        }
    }

    #[cold]
    fn change(&mut self, fd: BorrowedFd<'_>, slow: bool) {
        // Other sockets ignore it.
        let works = *self.works.get_or_insert_with(|| {
            let domain = net::get_option(fd, libc::SOL_SOCKET, libc::SO_DOMAIN);
            matches!(domain, Ok(libc::AF_INET | libc::AF_INET6))
        });
        let bytes = if slow { PIECE as i32 } else { 1 };
        if works && net::set_option(fd, libc::SOL_SOCKET, libc::SO_RCVLOWAT, bytes).is_ok() {
            self.missed = self.slow;
            self.slow = slow;
        } else {
            self.works = Some(false);
        }
    }

    /// Whether, since the last read, bytes may have come of which nobody was told: there has to be
    /// another read then. True once.
    #[inline]
    pub(super) fn may_have_missed(&mut self) -> bool {
        std::mem::take(&mut self.missed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::epoll::{self, Epoll, NO_EVENT};
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::{AsFd, AsRawFd};
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    fn low_water(stream: &impl AsFd) -> i32 {
        net::get_option(stream.as_fd(), libc::SOL_SOCKET, libc::SO_RCVLOWAT).unwrap()
    }

    #[test]
    fn a_descriptor_is_readable_once_a_piece_is_there() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut writer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut reader = listener.accept().unwrap().0;
        let set = Epoll::new().unwrap();
        set.add(reader.as_raw_fd(), epoll::IN | epoll::EDGE, 0).unwrap();
        let wait = |milliseconds| {
            let mut events = [NO_EVENT; 1];
            set.wait(&mut events, Some(Duration::from_millis(milliseconds))).unwrap()
        };
        let mut pace = Pace::new();
        pace.settle(reader.as_fd(), 2 * PIECE - 1);
        assert_eq!(low_water(&reader), 1);
        pace.settle(reader.as_fd(), 2 * PIECE);
        assert_eq!(low_water(&reader), PIECE as i32);
        assert!(!pace.may_have_missed());

        writer.write_all(&vec![7; PIECE / 2]).unwrap();
        assert_eq!(wait(20), 0);
        writer.write_all(&vec![7; PIECE / 2]).unwrap();
        assert_eq!(wait(10_000), 1);
        reader.read_exact(&mut vec![0; PIECE]).unwrap();

        pace.settle(reader.as_fd(), PIECE);
        assert_eq!(low_water(&reader), PIECE as i32);
        pace.settle(reader.as_fd(), PIECE - 1);
        assert_eq!(low_water(&reader), 1);
        assert!(pace.may_have_missed());
        assert!(!pace.may_have_missed());
        writer.write_all(&[7]).unwrap();
        assert_eq!(wait(10_000), 1);
    }

    #[test]
    fn other_sockets_are_left_alone() {
        let (one, _other) = UnixStream::pair().unwrap();
        let mut pace = Pace::new();
        pace.settle(one.as_fd(), 8 * PIECE);
        pace.settle(one.as_fd(), 0);
        assert_eq!(low_water(&one), 1);
        assert!(!pace.may_have_missed());
    }
}
