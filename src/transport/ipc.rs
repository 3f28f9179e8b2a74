//! zmq_ipc(7): Unix domain sockets. An address is a path, `@name` in the abstract namespace, or `*`.

use std::os::fd::BorrowedFd;

use super::bound::{BindResult, Bound};
use super::row::{AddressError, Transport, Way};
use super::temporary::TemporaryDirectory;
use crate::error::Error;
use crate::options::{AcceptFilters, SocketOptions};
use crate::sys::net::{self, MAX_UNIX_PATH, SockAddr, UnixName};

/// The row of the table.
pub(super) static TRANSPORT: Transport = Transport {
    scheme: "ipc",
    check,
    optional: Some(|| true),
    knows_process: true,
    names_what_fails: true,
    listen,
    admit: |fd, _, options| passes_filters(fd, options),
    resolve: |text, _| Ok(vec![Way { target: SockAddr::unix(&name(text))?, source: None }]),
    endpoint: |address| address.to_unix().map(|name| endpoint(&name)),
    peer_address,
    ..Transport::PLAIN
};

fn check(text: &str) -> std::result::Result<(), AddressError> {
    if text == "@" {
        return Err(AddressError::Nobodys(Error::Invalid));
    }
    if text.len() > MAX_UNIX_PATH {
        return Err(AddressError::Nobodys(Error::NameTooLong));
    }
    Ok(())
}

/// The socket's name as the system knows it.
fn name(text: &str) -> UnixName {
    match text.strip_prefix('@') {
        Some(name) => UnixName::Abstract(name.as_bytes().to_vec()),
        None => UnixName::Path(text.as_bytes().to_vec()),
    }
}

fn listen(text: &str, options: &SocketOptions) -> BindResult {
    let directory = match text {
        "*" => Some(TemporaryDirectory::new()?),
        _ => None,
    };
    let name = directory.as_ref().map_or_else(|| name(text), TemporaryDirectory::socket);
    let address = SockAddr::unix(&name)?;
    if let UnixName::Path(path) = &name {
        // "Any existing binding to the same endpoint shall be overridden" (zmq_ipc(7)). If
        // there is nothing or something that cannot be removed, bind will tell.
        let _ = net::unlink(path);
    }
    Bound::listen(&address, options, directory, |_| Ok(()))
}

/// ZMQ_IPC_FILTER_UID, _GID and _PID: one that matches is enough. A group also matches users
/// that are listed in it, whatever group their process runs as.
fn passes_filters(fd: BorrowedFd<'_>, options: &SocketOptions) -> bool {
    let AcceptFilters { users, groups, processes, .. } = &options.accept;
    if users.is_empty() && groups.is_empty() && processes.is_empty() {
        return true;
    }
    let Ok(peer) = net::peer_credentials(fd) else { return false };
    users.contains(&peer.uid)
        || groups.contains(&peer.gid)
        || processes.contains(&peer.pid)
        || groups.iter().any(|gid| net::user_is_member(peer.uid, *gid))
}

/// `localhost:uid:gid:pid`.
fn peer_address(fd: BorrowedFd<'_>, _peer: &SockAddr) -> String {
    match net::peer_credentials(fd) {
        Ok(peer) => format!("localhost:{}:{}:{}", peer.uid, peer.gid, peer.pid),
        Err(_) => String::new(),
    }
}

/// The endpoint of a Unix domain socket.
fn endpoint(name: &UnixName) -> String {
    match name {
        UnixName::Path(path) => format!("ipc://{}", String::from_utf8_lossy(path)),
        UnixName::Abstract(name) => format!("ipc://@{}", String::from_utf8_lossy(name)),
        UnixName::Unnamed => "ipc://".to_owned(),
    }
}
