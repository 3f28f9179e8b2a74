//! Unix domain sockets.

use super::*;
use crate::options::AcceptFilters;

/// A directory for one test's sockets.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn new(test: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("zmq-oxide-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn endpoint(&self, name: &str) -> String {
        format!("ipc://{}", self.0.join(name).display())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn own_credentials() -> String {
    // SAFETY: no pointers are involved.
    let (uid, gid) = unsafe { (libc::getuid(), libc::getgid()) };
    format!("localhost:{uid}:{gid}:{}", std::process::id())
}

#[test]
fn ipc_round_trip_and_names() {
    let scratch = Scratch::new("names");
    let abstract_name = format!("ipc://@zmq-oxide-names-{}", std::process::id());
    for endpoint in [scratch.endpoint("s"), abstract_name] {
        let options = defaults();
        let listener = bind(&endpoint, &options).unwrap();
        assert_eq!(listener.endpoint(), endpoint);
        let client = connect(&endpoint, &options).unwrap();
        let server = accept(&listener, &options);
        assert_eq!(server.local_endpoint(), endpoint);
        assert_eq!(client.remote_endpoint(), endpoint);
        assert_eq!(server.remote_endpoint(), "ipc://");
        assert_eq!(server.peer_address(), own_credentials());
        exchange(client, &server);
    }
}

#[test]
fn a_path_is_taken_over_and_stays_when_closed() {
    let scratch = Scratch::new("takeover");
    let endpoint = scratch.endpoint("s");
    let path = scratch.0.join("s");
    let options = defaults();
    let first = bind(&endpoint, &options).unwrap();
    let second = bind(&endpoint, &options).unwrap();
    let _client = connect(&endpoint, &options).unwrap();
    accept(&second, &options);
    assert!(matches!(first.accept(&options), Ok(None)));
    drop(first);
    drop(second);
    assert!(path.exists());
    assert_eq!(connect(&endpoint, &options).map(drop), Err(Error::ConnectionRefused));
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, b"not a socket").unwrap();
    bind(&endpoint, &options).unwrap();
    assert_eq!(connect(&scratch.endpoint("missing"), &options).map(drop), Err(Error::NotFound));
    assert_eq!(bind(&scratch.endpoint("no/s"), &options).map(drop), Err(Error::NotFound));
    let directory = format!("ipc://{}", scratch.0.display());
    assert_eq!(bind(&directory, &options).map(drop), Err(Error::AddressInUse));
}

#[test]
fn abstract_names_are_bound_once() {
    let endpoint = format!("ipc://@zmq-oxide-once-{}", std::process::id());
    let listener = bind(&endpoint, &defaults()).unwrap();
    assert_eq!(bind(&endpoint, &defaults()).map(drop), Err(Error::AddressInUse));
    drop(listener);
    bind(&endpoint, &defaults()).unwrap();
}

#[test]
fn wildcard_paths_come_and_go() {
    use std::os::unix::fs::PermissionsExt;
    let listener = bind("ipc://*", &defaults()).unwrap();
    let path = std::path::PathBuf::from(listener.endpoint().strip_prefix("ipc://").unwrap());
    assert!(path.ends_with("socket"));
    let directory = path.parent().unwrap().to_owned();
    assert_eq!(directory.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    let _client = connect(listener.endpoint(), &defaults()).unwrap();
    drop(listener);
    assert!(!path.exists() && !directory.exists());
}

#[test]
fn ipc_filters_look_at_credentials() {
    let listener = bind("ipc://*", &defaults()).unwrap();
    let passes = |options: &SocketOptions| {
        let _client = connect(listener.endpoint(), &defaults()).unwrap();
        wait(listener.as_fd(), libc::POLLIN);
        match listener.accept(options) {
            Ok(Some(_)) => true,
            Err(AcceptError::Refused) => false,
            other => panic!("{other:?}"),
        }
    };
    // SAFETY: no pointers are involved.
    let (uid, gid) = unsafe { (libc::getuid(), libc::getgid()) };
    let pid = i32::try_from(std::process::id()).unwrap();
    let no_group = u32::MAX - 7;
    assert!(passes(&SocketOptions {
        accept: AcceptFilters { users: vec![uid], ..AcceptFilters::default() },
        ..defaults()
    }));
    assert!(!passes(&SocketOptions {
        accept: AcceptFilters { users: vec![uid + 1], ..AcceptFilters::default() },
        ..defaults()
    }));
    assert!(passes(&SocketOptions {
        accept: AcceptFilters { groups: vec![gid], ..AcceptFilters::default() },
        ..defaults()
    }));
    assert!(!passes(&SocketOptions {
        accept: AcceptFilters { groups: vec![no_group], ..AcceptFilters::default() },
        ..defaults()
    }));
    assert!(passes(&SocketOptions {
        accept: AcceptFilters { processes: vec![pid], ..AcceptFilters::default() },
        ..defaults()
    }));
    assert!(!passes(&SocketOptions {
        accept: AcceptFilters { processes: vec![pid + 1], ..AcceptFilters::default() },
        ..defaults()
    }));
    let either = SocketOptions {
        accept: AcceptFilters {
            users: vec![uid + 1],
            processes: vec![pid],
            ..AcceptFilters::default()
        },
        ..defaults()
    };
    assert!(passes(&either));
}
