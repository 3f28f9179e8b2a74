//! Sockets, addresses and names: the system calls the transports are made of.
//!
//! Every descriptor made here is non-blocking and close-on-exec. No call here raises SIGPIPE.

#[cfg(sim)]
use super::sim::libc;
use std::ffi::{CStr, CString, c_char, c_int};
use std::io::IoSlice;
use std::mem::{MaybeUninit, size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd};

use super::cancel::Shielded;
use super::fd::OwnedFd;
use super::newer::Newer;
use super::raw;
use crate::error::{Error, Result};

/// Longest path of a Unix domain socket: `sun_path` less its NUL (unix(7)).
pub const MAX_UNIX_PATH: usize = 107;

/// An address as the system calls take it.
#[derive(Clone, Copy)]
pub struct SockAddr {
    storage: libc::sockaddr_storage,
    length: libc::socklen_t,
}

/// The name of a Unix domain socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnixName {
    /// A file.
    Path(Vec<u8>),
    /// A name outside the file system (unix(7), "abstract"), without its leading zero.
    Abstract(Vec<u8>),
    /// A socket that was not bound, as connecting ones are.
    Unnamed,
}

impl SockAddr {
    fn empty() -> SockAddr {
        // SAFETY: sockaddr_storage is plain data for which all zeros is a value.
        let storage = unsafe { zeroed() };
        SockAddr { storage, length: size_of::<libc::sockaddr_storage>() as libc::socklen_t }
    }

    /// Puts a `T`, one of the `sockaddr_*` types, into the storage.
    fn from_c<T: Copy>(address: T, length: usize) -> SockAddr {
        const { assert!(size_of::<T>() <= size_of::<libc::sockaddr_storage>()) };
        const { assert!(align_of::<T>() <= align_of::<libc::sockaddr_storage>()) };
        let mut result = SockAddr::empty();
        // SAFETY: the storage is large enough and aligned for a T (asserted above), and both
        // are plain data.
        unsafe { (&raw mut result.storage).cast::<T>().write(address) };
        result.length = length as libc::socklen_t;
        result
    }

    /// The storage seen as a `T`, one of the `sockaddr_*` types.
    fn as_c<T: Copy>(&self) -> T {
        const { assert!(size_of::<T>() <= size_of::<libc::sockaddr_storage>()) };
        const { assert!(align_of::<T>() <= align_of::<libc::sockaddr_storage>()) };
        // SAFETY: as in `from_c`; the storage is initialised as a whole.
        unsafe { (&raw const self.storage).cast::<T>().read() }
    }

    /// The address of a Unix domain socket; NameTooLong beyond [`MAX_UNIX_PATH`].
    pub fn unix(name: &UnixName) -> Result<SockAddr> {
        let (offset, bytes, terminator) = match name {
            UnixName::Path(path) => (0, path.as_slice(), 1),
            UnixName::Abstract(name) => (1, name.as_slice(), 0),
            UnixName::Unnamed => return Err(Error::Invalid),
        };
        if offset + bytes.len() > MAX_UNIX_PATH {
            return Err(Error::NameTooLong);
        }
        // SAFETY: sockaddr_un is plain data for which all zeros is a value.
        let mut address: libc::sockaddr_un = unsafe { zeroed() };
        address.sun_family = libc::AF_UNIX as libc::sa_family_t;
        for (to, from) in address.sun_path.iter_mut().skip(offset).zip(bytes) {
            *to = *from as c_char;
        }
        let header = std::mem::offset_of!(libc::sockaddr_un, sun_path);
        Ok(SockAddr::from_c(address, header + offset + bytes.len() + terminator))
    }

    /// The address as IP address and port, if it is one.
    pub fn to_inet(&self) -> Option<SocketAddr> {
        match c_int::from(self.storage.ss_family) {
            libc::AF_INET => {
                let v4: libc::sockaddr_in = self.as_c();
                let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
                Some(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
            }
            libc::AF_INET6 => {
                let v6: libc::sockaddr_in6 = self.as_c();
                let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
                let port = u16::from_be(v6.sin6_port);
                Some(SocketAddrV6::new(ip, port, v6.sin6_flowinfo, v6.sin6_scope_id).into())
            }
            _ => None,
        }
    }

    /// The address as the name of a Unix domain socket, if it is one.
    pub fn to_unix(&self) -> Option<UnixName> {
        if c_int::from(self.storage.ss_family) != libc::AF_UNIX {
            return None;
        }
        let address: libc::sockaddr_un = self.as_c();
        let header = std::mem::offset_of!(libc::sockaddr_un, sun_path);
        let length = (self.length as usize).saturating_sub(header);
        let bytes: Vec<u8> = address.sun_path.iter().take(length).map(|c| *c as u8).collect();
        Some(match bytes.split_first() {
            None => UnixName::Unnamed,
            Some((0, name)) => UnixName::Abstract(name.to_vec()),
            Some(_) => UnixName::Path(bytes.into_iter().take_while(|byte| *byte != 0).collect()),
        })
    }

    fn family(&self) -> c_int {
        c_int::from(self.storage.ss_family)
    }

    fn as_ptr(&self) -> *const libc::sockaddr {
        (&raw const self.storage).cast()
    }
}

impl From<SocketAddr> for SockAddr {
    fn from(address: SocketAddr) -> SockAddr {
        match address {
            SocketAddr::V4(v4) => {
                // SAFETY: sockaddr_in is plain data for which all zeros is a value.
                let mut c: libc::sockaddr_in = unsafe { zeroed() };
                c.sin_family = libc::AF_INET as libc::sa_family_t;
                c.sin_port = v4.port().to_be();
                c.sin_addr.s_addr = u32::from(*v4.ip()).to_be();
                SockAddr::from_c(c, size_of::<libc::sockaddr_in>())
            }
            SocketAddr::V6(v6) => {
                // SAFETY: sockaddr_in6 is plain data for which all zeros is a value.
                let mut c: libc::sockaddr_in6 = unsafe { zeroed() };
                c.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                c.sin6_port = v6.port().to_be();
                c.sin6_addr.s6_addr = v6.ip().octets();
                c.sin6_flowinfo = v6.flowinfo();
                c.sin6_scope_id = v6.scope_id();
                SockAddr::from_c(c, size_of::<libc::sockaddr_in6>())
            }
        }
    }
}

impl std::fmt::Debug for SockAddr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.to_inet(), self.to_unix()) {
            (Some(inet), _) => inet.fmt(f),
            (_, Some(unix)) => unix.fmt(f),
            _ => write!(f, "address of family {}", self.family()),
        }
    }
}

/// 0 or more is the result, -1 stands for `errno`.
fn check(result: c_int) -> Result<c_int> {
    if result < 0 { Err(Error::last()) } else { Ok(result) }
}

/// Repeats a call that a signal interrupted. Only for calls that do not block.
fn retry(mut call: impl FnMut() -> isize) -> Result<usize> {
    loop {
        match usize::try_from(call()) {
            Ok(length) => return Ok(length),
            Err(_) => match Error::last() {
                Error::Interrupted => {}
                error => return Err(error),
            },
        }
    }
}

/// A new stream socket for addresses like this one.
pub fn stream_socket(like: &SockAddr) -> Result<OwnedFd> {
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no pointers are involved.
    let fd = check(unsafe { libc::socket(like.family(), kind, 0) })?;
    // SAFETY: the descriptor was just made and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// bind(2).
pub fn bind(fd: BorrowedFd<'_>, address: &SockAddr) -> Result<()> {
    // SAFETY: the address is initialised and of the length told.
    check(unsafe { libc::bind(fd.as_raw_fd(), address.as_ptr(), address.length) }).map(drop)
}

/// listen(2).
pub fn listen(fd: BorrowedFd<'_>, backlog: i32) -> Result<()> {
    // SAFETY: no pointers are involved.
    check(unsafe { libc::listen(fd.as_raw_fd(), backlog) }).map(drop)
}

/// connect(2) without waiting: true if connected, false if that is still under way.
pub fn connect(fd: BorrowedFd<'_>, address: &SockAddr) -> Result<bool> {
    // SAFETY: the address is initialised and of the length told.
    match check(unsafe { raw::connect(fd.as_raw_fd(), address.as_ptr(), address.length) }) {
        Ok(_) => Ok(true),
        // An interrupted connect goes on in the background (connect(2)).
        Err(Error::Os(libc::EINPROGRESS) | Error::Interrupted) => Ok(false),
        Err(error) => Err(error),
    }
}

/// accept(2) with the address of the peer. `Err(Again)`: nobody waits.
pub fn accept(fd: BorrowedFd<'_>) -> Result<(OwnedFd, SockAddr)> {
    static ACCEPT4: Newer = Newer::new();
    let own = [
        Error::Again,
        Error::Interrupted,
        Error::Os(libc::ECONNABORTED),
        Error::Os(libc::ENOBUFS),
        Error::NoMemory,
        Error::TooManyFiles,
        Error::Os(libc::ENFILE),
    ];
    let made = |(new, peer): (c_int, SockAddr)| {
        // SAFETY: the descriptor was just made and nobody else has it.
        check(new).map(|new| (unsafe { OwnedFd::from_raw_fd(new) }, peer))
    };
    let accept4 = || {
        let mut peer = SockAddr::empty();
        let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        let (address, length) = (&raw mut peer.storage, &raw mut peer.length);
        // SAFETY: the storage is as large as the length says, and both outlive the call.
        let new = unsafe { raw::accept4(fd.as_raw_fd(), address.cast(), length, flags) };
        made((new, peer))
    };
    let accept = || {
        let mut peer = SockAddr::empty();
        let (address, length) = (&raw mut peer.storage, &raw mut peer.length);
        // SAFETY: as above.
        let new = unsafe { raw::accept(fd.as_raw_fd(), address.cast(), length) };
        let (new, peer) = made((new, peer))?;
        make_nonblocking(new.as_fd())?;
        Ok((new, peer))
    };
    ACCEPT4.call(&own, accept4, accept)
}

/// getsockname(2).
pub fn local_address(fd: BorrowedFd<'_>) -> Result<SockAddr> {
    let mut address = SockAddr::empty();
    // SAFETY: the storage is as large as the length says, and both outlive the call.
    check(unsafe {
        libc::getsockname(
            fd.as_raw_fd(),
            (&raw mut address.storage).cast(),
            &raw mut address.length,
        )
    })?;
    Ok(address)
}

/// getpeername(2).
pub fn peer_address(fd: BorrowedFd<'_>) -> Result<SockAddr> {
    let mut address = SockAddr::empty();
    // SAFETY: the storage is as large as the length says, and both outlive the call.
    check(unsafe {
        libc::getpeername(
            fd.as_raw_fd(),
            (&raw mut address.storage).cast(),
            &raw mut address.length,
        )
    })?;
    Ok(address)
}

/// setsockopt(2) with an `int`.
pub fn set_option(fd: BorrowedFd<'_>, level: c_int, name: c_int, value: c_int) -> Result<()> {
    set_option_bytes(fd, level, name, &value.to_ne_bytes())
}

/// setsockopt(2).
pub fn set_option_bytes(fd: BorrowedFd<'_>, level: c_int, name: c_int, value: &[u8]) -> Result<()> {
    let length = libc::socklen_t::try_from(value.len()).map_err(|_| Error::Invalid)?;
    // SAFETY: the value is as long as told.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, value.as_ptr().cast(), length) })
        .map(drop)
}

/// Whether closing a TCP socket shall abort its connection: what was not sent is thrown away, the
/// peer gets a reset, and nothing of it stays in TIME_WAIT (SO_LINGER of 0 seconds, socket(7)).
pub fn abort_on_close(fd: BorrowedFd<'_>, abort: bool) {
    let linger = libc::linger { l_onoff: c_int::from(abort), l_linger: 0 };
    // SAFETY: the value is as long as told, and outlives the call, which fails for no socket.
    let _ = check(unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            size_of::<libc::linger>() as libc::socklen_t,
        )
    });
}

/// getsockopt(2) of a plain-data `T`, which `initial` fills as far as the system does not.
fn get_option_as<T: Copy>(fd: BorrowedFd<'_>, level: c_int, name: c_int, initial: T) -> Result<T> {
    let mut value = initial;
    let mut length = size_of::<T>() as libc::socklen_t;
    // SAFETY: the value is as large as the length says, and every caller's T is integers only.
    check(unsafe {
        libc::getsockopt(fd.as_raw_fd(), level, name, (&raw mut value).cast(), &raw mut length)
    })?;
    Ok(value)
}

/// getsockopt(2) of an `int`.
pub fn get_option(fd: BorrowedFd<'_>, level: c_int, name: c_int) -> Result<c_int> {
    get_option_as(fd, level, name, 0)
}

/// The error a connect that ended in the background left (SO_ERROR), which is then forgotten.
pub fn take_error(fd: BorrowedFd<'_>) -> Result<()> {
    match get_option(fd, libc::SOL_SOCKET, libc::SO_ERROR)? {
        0 => Ok(()),
        number => Err(Error::from_errno(number)),
    }
}

/// Makes a descriptor of the caller's non-blocking and close-on-exec.
pub fn make_nonblocking(fd: BorrowedFd<'_>) -> Result<()> {
    let raw = fd.as_raw_fd();
    // SAFETY: no pointers are involved.
    let flags = check(unsafe { libc::fcntl(raw, libc::F_GETFL, 0) })?;
    // SAFETY: as above.
    check(unsafe { libc::fcntl(raw, libc::F_SETFL, flags | libc::O_NONBLOCK) })?;
    close_on_exec(fd)
}

/// Keeps a descriptor out of programs that the process becomes.
pub(super) fn close_on_exec(fd: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: no pointers are involved.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) }).map(drop)
}

/// Who connected over a Unix domain socket (SO_PEERCRED).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the definitions")]
pub struct Credentials {
    pub pid: i32,
    pub uid: u32,
    pub gid: u32,
}

/// The credentials of the peer of a Unix domain socket.
pub fn peer_credentials(fd: BorrowedFd<'_>) -> Result<Credentials> {
    let none = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let c = get_option_as(fd, libc::SOL_SOCKET, libc::SO_PEERCRED, none)?;
    Ok(Credentials { pid: c.pid, uid: c.uid, gid: c.gid })
}

/// Reads what has arrived. 0 is the end of the stream (or an empty buffer), `Err(Again)` means
/// nothing now.
pub fn recv(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize> {
    // SAFETY: the buffer is exclusively ours and as long as told.
    unsafe { recv_raw(fd, buffer.as_mut_ptr(), buffer.len()) }
}

/// Like [`recv`], into memory that holds nothing yet. The first bytes, as many as the result
/// says, are initialised then.
pub fn recv_uninit(fd: BorrowedFd<'_>, buffer: &mut [MaybeUninit<u8>]) -> Result<usize> {
    // SAFETY: the buffer is exclusively ours and as long as told; the kernel only writes to it.
    unsafe { recv_raw(fd, buffer.as_mut_ptr().cast(), buffer.len()) }
}

/// Like [`recv`], for a buffer known by its address.
///
/// # Safety
/// `buffer` must be writable for `length` bytes and not be accessed meanwhile.
pub unsafe fn recv_raw(fd: BorrowedFd<'_>, buffer: *mut u8, length: usize) -> Result<usize> {
    // SAFETY: the caller's promise.
    retry(|| unsafe { raw::recv(fd.as_raw_fd(), buffer, length, libc::MSG_DONTWAIT) })
}

/// Like [`recv_raw`], for two buffers, filled one after the other.
///
/// # Safety
/// As [`recv_raw`], for both.
pub unsafe fn recv_raw_vectored(
    fd: BorrowedFd<'_>,
    buffers: [(*mut u8, usize); 2],
) -> Result<usize> {
    let mut pieces =
        buffers.map(|(base, length)| libc::iovec { iov_base: base.cast(), iov_len: length });
    // SAFETY: msghdr is plain data for which all zeros is a value.
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_iov = pieces.as_mut_ptr();
    message.msg_iovlen = pieces.len() as _;
    // SAFETY: the header describes pieces that are writable, by the caller's promise.
    retry(|| unsafe { raw::recvmsg(fd.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) })
}

/// Writes as much as the system takes now, at least a byte. `Err(Again)`: nothing now. A peer
/// that is gone is `EPIPE` or `ECONNRESET`, never a signal.
pub fn send(fd: BorrowedFd<'_>, data: &[u8]) -> Result<usize> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the data is readable and as long as told.
    retry(|| unsafe { raw::send(fd.as_raw_fd(), data.as_ptr(), data.len(), flags) })
}

/// Like [`send`] for several pieces at once. Only the first 1024 (IOV_MAX) are looked at.
pub fn send_vectored(fd: BorrowedFd<'_>, pieces: &[IoSlice<'_>]) -> Result<usize> {
    // Describing pieces costs more than a short message's bytes do.
    if let [only] = pieces {
        return send(fd, only);
    }
    let count = pieces.len().min(libc::UIO_MAXIOV as usize);
    // SAFETY: msghdr is plain data for which all zeros is a value.
    let mut message: libc::msghdr = unsafe { zeroed() };
    // IoSlice promises the layout of iovec; sendmsg only reads through the pointer.
    message.msg_iov = pieces.as_ptr().cast_mut().cast();
    message.msg_iovlen = count as _;
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the header describes `count` readable pieces that outlive the call.
    retry(|| unsafe { raw::sendmsg(fd.as_raw_fd(), &raw const message, flags) })
}

/// Bytes written to a TCP connection that the peer has not acknowledged (tcp(7), SIOCOUTQ).
pub fn unacknowledged(fd: BorrowedFd<'_>) -> Result<usize> {
    queue_len(fd, libc::TIOCOUTQ)
}

/// Those of them that are not sent yet. No other kind of connection knows of any.
pub fn not_sent(fd: BorrowedFd<'_>) -> Result<usize> {
    const SIOCOUTQNSD: libc::Ioctl = 0x894b;
    queue_len(fd, SIOCOUTQNSD)
}

/// Bytes that have come and are not read.
pub fn unread(fd: BorrowedFd<'_>) -> Result<usize> {
    queue_len(fd, libc::FIONREAD)
}

fn queue_len(fd: BorrowedFd<'_>, request: libc::Ioctl) -> Result<usize> {
    let mut bytes: c_int = 0;
    // SAFETY: all of these requests write an int.
    let rc = unsafe { libc::ioctl(fd.as_raw_fd(), request, &raw mut bytes) };
    if rc == -1 { Err(Error::last()) } else { Ok(usize::try_from(bytes).unwrap_or(0)) }
}

/// Says that nothing more will be written, behind what is.
pub fn shut_down_writing(fd: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: no memory is involved.
    let rc = unsafe { libc::shutdown(fd.as_raw_fd(), libc::SHUT_WR) };
    if rc == -1 { Err(Error::last()) } else { Ok(()) }
}

/// Which addresses [`resolve`] looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// IPv4 only.
    V4,
    /// IPv6, and IPv4 in its IPv6 form (`::ffff:a.b.c.d`).
    V6,
    /// Whatever there is.
    Any,
}

/// getaddrinfo(3), which **blocks** unless `numeric`: then names are not looked up and fail.
/// Any failure but lack of memory or of descriptors is `Err(NotFound)`.
pub fn resolve(host: &str, lookup: Lookup, numeric: bool) -> Result<Vec<IpAddr>> {
    let host = CString::new(host).map_err(|_| Error::NotFound)?;
    // SAFETY: addrinfo is plain data for which all zeros (null pointers) is a value.
    let mut hints: libc::addrinfo = unsafe { zeroed() };
    hints.ai_socktype = libc::SOCK_STREAM;
    (hints.ai_family, hints.ai_flags) = match lookup {
        Lookup::V4 => (libc::AF_INET, 0),
        Lookup::V6 => (libc::AF_INET6, libc::AI_V4MAPPED | libc::AI_ALL),
        Lookup::Any => (libc::AF_UNSPEC, 0),
    };
    if numeric {
        hints.ai_flags |= libc::AI_NUMERICHOST;
    }
    let mut list = std::ptr::null_mut();
    let _here = Shielded::begin();
    // SAFETY: the name ends with a NUL, and all pointers outlive the call.
    let code = unsafe {
        libc::getaddrinfo(host.as_ptr(), std::ptr::null(), &raw const hints, &raw mut list)
    };
    match code {
        0 => {}
        libc::EAI_MEMORY => return Err(Error::NoMemory),
        libc::EAI_SYSTEM if Error::last() == Error::TooManyFiles => {
            return Err(Error::TooManyFiles);
        }
        _ => return Err(Error::NotFound),
    }
    let mut addresses = Vec::new();
    let mut next: *const libc::addrinfo = list;
    // SAFETY: `next` is null or an element of the list, which is freed below only.
    while let Some(entry) = unsafe { next.as_ref() } {
        // SAFETY: ai_addr is null or an address of the length told.
        if let Some(address) = unsafe { copy_address(entry.ai_addr, entry.ai_addrlen) } {
            addresses.extend(address.to_inet().map(|inet| inet.ip()));
        }
        next = entry.ai_next;
    }
    // SAFETY: the list came from getaddrinfo and nothing refers to it any more.
    unsafe { libc::freeaddrinfo(list) };
    Ok(addresses)
}

/// # Safety
/// `address` must be null or readable for `length` bytes.
unsafe fn copy_address(
    address: *const libc::sockaddr,
    length: libc::socklen_t,
) -> Option<SockAddr> {
    let mut copy = SockAddr::empty();
    if address.is_null() || length > copy.length {
        return None;
    }
    // SAFETY: readable as far as the caller says, and the storage was found large enough.
    unsafe {
        std::ptr::copy_nonoverlapping(
            address.cast::<u8>(),
            (&raw mut copy.storage).cast::<u8>(),
            length as usize,
        );
    }
    copy.length = length;
    Some(copy)
}

/// The IP addresses of the network interface of this name, in the system's order, ports 0.
pub fn interface_addresses(name: &str) -> Result<Vec<SocketAddr>> {
    let mut list = std::ptr::null_mut();
    let _here = Shielded::begin();
    // SAFETY: the pointer outlives the call.
    check(unsafe { libc::getifaddrs(&raw mut list) })?;
    let mut addresses = Vec::new();
    let mut next: *const libc::ifaddrs = list;
    // SAFETY: `next` is null or an element of the list, which is freed below only.
    while let Some(entry) = unsafe { next.as_ref() } {
        // SAFETY: ifa_name is a string (getifaddrs(3)).
        let entry_name = unsafe { CStr::from_ptr(entry.ifa_name) };
        if entry_name.to_bytes() == name.as_bytes() {
            // SAFETY: ifa_addr is null or an address of its family.
            addresses.extend(unsafe { inet_address(entry.ifa_addr) });
        }
        next = entry.ifa_next;
    }
    // SAFETY: the list came from getifaddrs and nothing refers to it any more.
    unsafe { libc::freeifaddrs(list) };
    Ok(addresses)
}

/// # Safety
/// `address` must be null or a whole address of its family.
unsafe fn inet_address(address: *const libc::sockaddr) -> Option<SocketAddr> {
    // SAFETY: null or readable, says the caller.
    let family = c_int::from(unsafe { address.as_ref() }?.sa_family);
    let length = match family {
        libc::AF_INET => size_of::<libc::sockaddr_in>(),
        libc::AF_INET6 => size_of::<libc::sockaddr_in6>(),
        _ => return None,
    };
    // SAFETY: an address of this family is that long.
    unsafe { copy_address(address, length as libc::socklen_t) }?.to_inet()
}

/// The number of the network interface of this name.
pub fn interface_index(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    let _here = Shielded::begin();
    // SAFETY: the name ends with a NUL.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => None,
        index => Some(index),
    }
}

/// The address as numbers, without port and brackets, with its zone if it needs one.
pub fn host_text(address: &SocketAddr) -> String {
    let c = SockAddr::from(*address);
    let mut text: [c_char; 256] = [0; 256]; // above NI_MAXHOST of any numeric form
    let _here = Shielded::begin();
    // SAFETY: address and text are as long as told.
    let code = unsafe {
        libc::getnameinfo(
            c.as_ptr(),
            c.length,
            text.as_mut_ptr(),
            text.len() as libc::socklen_t,
            std::ptr::null_mut(),
            0,
            libc::NI_NUMERICHOST,
        )
    };
    if code != 0 {
        return address.ip().to_string();
    }
    text.iter().map(|c| char::from(*c as u8)).take_while(|c| *c != '\0').collect()
}

/// Whether the user is listed as a member of the group (group(5)).
pub fn user_is_member(uid: u32, gid: u32) -> bool {
    let Some(user) = user_name(uid) else { return false };
    let is_member = |group: &libc::group| {
        let mut next = group.gr_mem;
        loop {
            // SAFETY: gr_mem is an array of strings that ends with a null pointer.
            let member = unsafe { next.read() };
            if member.is_null() {
                return false;
            }
            // SAFETY: as above.
            if unsafe { CStr::from_ptr(member) } == user.as_c_str() {
                return true;
            }
            // SAFETY: this was not the last element.
            next = unsafe { next.add(1) };
        }
    };
    let _here = Shielded::begin();
    // SAFETY: group is plain data for which all zeros (null pointers) is a value.
    let mut entry: libc::group = unsafe { zeroed() };
    with_growing_buffer(|buffer, length| {
        let mut found = std::ptr::null_mut();
        // SAFETY: the buffer is as long as told, and all pointers outlive the call.
        let code = unsafe { libc::getgrgid_r(gid, &raw mut entry, buffer, length, &raw mut found) };
        // SAFETY: null or `entry`, whose strings are in the buffer, still there.
        (code, unsafe { found.as_ref() }.is_some_and(is_member))
    })
}

fn user_name(uid: u32) -> Option<CString> {
    let _here = Shielded::begin();
    // SAFETY: passwd is plain data for which all zeros (null pointers) is a value.
    let mut entry: libc::passwd = unsafe { zeroed() };
    with_growing_buffer(|buffer, length| {
        let mut found = std::ptr::null_mut();
        // SAFETY: the buffer is as long as told, and all pointers outlive the call.
        let code = unsafe { libc::getpwuid_r(uid, &raw mut entry, buffer, length, &raw mut found) };
        // SAFETY: null or `entry`, whose strings are in the buffer, still there.
        let name = unsafe { found.as_ref() }
            .map(|user| unsafe { CStr::from_ptr(user.pw_name) }.to_owned());
        (code, name)
    })
}

/// Calls again with a larger buffer while the answer is ERANGE.
fn with_growing_buffer<T: Default>(mut call: impl FnMut(*mut c_char, usize) -> (c_int, T)) -> T {
    let mut buffer: Vec<c_char> = vec![0; 1024];
    loop {
        let (code, result) = call(buffer.as_mut_ptr(), buffer.len());
        match code {
            0 => return result,
            libc::ERANGE if buffer.len() < 1 << 20 => buffer.resize(buffer.len() * 4, 0),
            _ => return T::default(),
        }
    }
}

/// mkdtemp(3): makes a directory only we can enter; the last six bytes of `template` are `X`.
pub fn make_temporary_directory(template: &[u8]) -> Result<Vec<u8>> {
    let mut path = CString::new(template).map_err(|_| Error::Invalid)?.into_bytes_with_nul();
    let _here = Shielded::begin();
    // SAFETY: the template ends with a NUL and is ours to change.
    if unsafe { libc::mkdtemp(path.as_mut_ptr().cast::<c_char>()) }.is_null() {
        return Err(Error::last());
    }
    path.pop();
    Ok(path)
}

/// unlink(2), which takes away a name but never a directory.
pub fn unlink(path: &[u8]) -> Result<()> {
    let path = CString::new(path).map_err(|_| Error::Invalid)?;
    // SAFETY: the path ends with a NUL.
    check(unsafe { libc::unlink(path.as_ptr()) }).map(drop)
}

/// rmdir(2).
pub fn remove_directory(path: &[u8]) -> Result<()> {
    let path = CString::new(path).map_err(|_| Error::Invalid)?;
    // SAFETY: the path ends with a NUL.
    check(unsafe { libc::rmdir(path.as_ptr()) }).map(drop)
}
