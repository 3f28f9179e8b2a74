//! zmq_ipc(7): Unix domain sockets. An address is a path, `@name` in the abstract namespace, or `*`.

use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;

use super::listener::BindResult;
use super::{AddressError, Listener, Transport, Way};
use crate::error::{Error, Result};
use crate::options::SocketOptions;
use crate::sys::net::{self, MAX_UNIX_PATH, SockAddr, UnixName};

/// The row of the table.
pub(super) static TRANSPORT: Transport = Transport {
    scheme: "ipc",
    check,
    optional: true,
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
    Listener::listen(&TRANSPORT, &address, options, directory, |_| Ok(()))
}

/// ZMQ_IPC_FILTER_UID, _GID and _PID: one that matches is enough. A group also matches users
/// that are listed in it, whatever group their process runs as.
fn passes_filters(fd: BorrowedFd<'_>, options: &SocketOptions) -> bool {
    let uids = &options.ipc_uid_accept_filters;
    let gids = &options.ipc_gid_accept_filters;
    let pids = &options.ipc_pid_accept_filters;
    if uids.is_empty() && gids.is_empty() && pids.is_empty() {
        return true;
    }
    let Ok(peer) = net::peer_credentials(fd) else { return false };
    uids.contains(&peer.uid)
        || gids.contains(&peer.gid)
        || pids.contains(&peer.pid)
        || gids.iter().any(|gid| net::user_is_member(peer.uid, *gid))
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

/// A directory of our own with nothing in it but a socket; both go with this value.
#[derive(Debug)]
pub(super) struct TemporaryDirectory {
    /// As made, relative to the working directory of then.
    path: Vec<u8>,
    /// Where it is even after the working directory changed.
    absolute: Vec<u8>,
}

impl TemporaryDirectory {
    /// Makes one in the directory that TMPDIR, TEMPDIR or TMP names (the first that exists),
    /// or in the working directory.
    pub(super) fn new() -> Result<TemporaryDirectory> {
        let mut template = Vec::new();
        let named = ["TMPDIR", "TEMPDIR", "TMP"].into_iter().filter_map(std::env::var_os);
        let mut usable = named.filter(|name| std::path::Path::new(name).is_dir());
        if let Some(parent) = usable.next() {
            template.extend_from_slice(parent.as_bytes());
            if template.last() != Some(&b'/') {
                template.push(b'/');
            }
        }
        template.extend_from_slice(b"tmpXXXXXX");
        let path = net::make_temporary_directory(&template)?;
        let absolute = match std::path::absolute(std::ffi::OsStr::from_bytes(&path)) {
            Ok(absolute) => absolute.as_os_str().as_bytes().to_vec(),
            Err(_) => path.clone(),
        };
        Ok(TemporaryDirectory { path, absolute })
    }

    /// The name of the socket in it.
    pub(super) fn socket(&self) -> UnixName {
        UnixName::Path([self.path.as_slice(), b"/socket"].concat())
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        // Somebody may have tidied up before us; there is nobody to tell if it fails.
        let _ = net::unlink(&[self.absolute.as_slice(), b"/socket"].concat());
        let _ = net::remove_directory(&self.absolute);
    }
}
