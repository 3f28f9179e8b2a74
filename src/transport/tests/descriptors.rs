//! Descriptors: what is written to them, those that were given, those that are refused.

use std::io::IoSlice;
use std::os::fd::IntoRawFd;

use super::*;

#[test]
fn pieces_are_written_together() {
    let options = defaults();
    let listener = bind("tcp://127.0.0.1:*", &options).unwrap();
    let client = connect(listener.endpoint(), &options).unwrap();
    let server = accept(&listener, &options);
    let pieces = [IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cde")];
    assert_eq!(net::send_vectored(client.as_fd(), &pieces), Ok(5));
    wait(server.as_fd(), libc::POLLIN);
    let mut buffer = [const { std::mem::MaybeUninit::<u8>::uninit() }; 8];
    assert_eq!(net::recv_uninit(server.as_fd(), &mut buffer), Ok(5));
    // SAFETY: recv_uninit said that five bytes are initialised.
    let text = buffer[..5].iter().map(|byte| unsafe { byte.assume_init() }).collect::<Vec<u8>>();
    assert_eq!(text, b"abcde");
}

/// A full peer is `Again`; a dead one is an error and never SIGPIPE. The test blocks the signal
/// for its thread, so that one that was raised would stay pending.
#[test]
fn writing_to_a_dead_peer_raises_no_signal() {
    // SAFETY: the sets are plain data and outlive the calls.
    let pending = || unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigpending(&raw mut set);
        libc::sigismember(&raw const set, libc::SIGPIPE)
    };
    // SAFETY: as above.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGPIPE);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
    }
    for endpoint in ["tcp://127.0.0.1:*", "ipc://*"] {
        let options = defaults();
        let listener = bind(endpoint, &options).unwrap();
        let client = connect(listener.endpoint(), &options).unwrap();
        let server = accept(&listener, &options);
        let block = [0; 65_536];
        let full = loop {
            match net::send(client.as_fd(), &block) {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(full, Error::Again);
        drop(server);
        wait(client.as_fd(), libc::POLLHUP);
        for vectored in [false, true, false] {
            let result = match vectored {
                true => net::send_vectored(client.as_fd(), &[IoSlice::new(&block)]),
                false => net::send(client.as_fd(), &block),
            };
            assert!(matches!(result, Err(Error::Os(libc::EPIPE | libc::ECONNRESET))), "{result:?}");
        }
        assert_eq!(pending(), 0);
    }
}

#[test]
fn a_given_descriptor_is_used_and_closed() {
    let given = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = given.local_addr().unwrap();
    let raw = given.into_raw_fd();
    let options = SocketOptions { use_fd: raw, ..defaults() };
    let listener = bind("tcp://127.0.0.1:1", &options).unwrap();
    assert!(listener.is_adopted());
    assert_eq!(listener.endpoint(), format!("tcp://{address}"));
    assert_eq!(bind("tcp://127.0.0.1:1", &options).map(drop), Err(Error::AddressInUse));
    let _client = connect(listener.endpoint(), &defaults()).unwrap();
    accept(&listener, &options);
    // A connection that nobody accepted ends when the listener is really closed.
    let waiting = connect(listener.endpoint(), &defaults()).unwrap();
    drop(listener);
    wait(waiting.as_fd(), libc::POLLIN);
    let ended = net::recv(waiting.as_fd(), &mut [0; 1]);
    assert!(matches!(ended, Ok(0) | Err(Error::Os(libc::ECONNRESET))), "{ended:?}");
}

#[test]
fn descriptors_that_do_not_listen_are_refused_and_stay_open() {
    let file = std::fs::File::open("/dev/null").unwrap();
    let use_fd = |fd| bind("tcp://127.0.0.1:*", &SocketOptions { use_fd: fd, ..defaults() });
    let refused = use_fd(file.as_raw_fd()).map(drop).unwrap_err();
    assert_eq!(refused.errno(), libc::ENOTSOCK);
    assert!(file.metadata().is_ok());
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    assert!(use_fd(socket.as_raw_fd()).is_err());
    assert!(socket.local_addr().is_ok());
    assert!(use_fd(1_000_000).is_err());
    assert_eq!(use_fd(-2).map(drop), Err(Error::Invalid));
}

#[test]
fn exhaustion_is_told_from_bad_luck() {
    use super::super::listener::classify;
    for errno in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM] {
        let error = Error::from_errno(errno);
        assert_eq!(classify(error), AcceptError::Exhausted(error));
    }
    for errno in [libc::ECONNABORTED, libc::EPROTO, libc::EINTR, libc::EPERM] {
        let error = Error::from_errno(errno);
        assert_eq!(classify(error), AcceptError::Failed(error));
    }
}

#[test]
fn membership_needs_a_user() {
    assert!(!net::user_is_member(u32::MAX - 7, 0));
    assert!(!net::user_is_member(0, u32::MAX - 7));
}

#[test]
fn a_scheme_has_one_row() {
    let schemes: Vec<&str> = TABLE.iter().map(|transport| transport.scheme).collect();
    for (at, scheme) in schemes.iter().enumerate() {
        assert!(!scheme.is_empty() && !schemes[..at].contains(scheme), "{scheme}");
    }
}
