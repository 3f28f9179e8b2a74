//! Addresses as the system calls take them.

#[cfg(sim)]
use crate::sys::sim::libc;
use std::ffi::{c_char, c_int};
use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use crate::error::{Error, Result};

/// Longest path of a Unix domain socket: `sun_path` less its NUL (unix(7)).
pub const MAX_UNIX_PATH: usize = 107;

/// An address as the system calls take it.
#[derive(Clone, Copy)]
pub struct SockAddr {
    pub(super) storage: libc::sockaddr_storage,
    pub(super) length: libc::socklen_t,
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
    pub(super) fn empty() -> SockAddr {
        // SAFETY: sockaddr_storage is plain data for which all zeros is a value.
        let storage = unsafe { zeroed() };
        SockAddr { storage, length: size_of::<libc::sockaddr_storage>() as libc::socklen_t }
    }

    /// Puts a `T`, one of the `sockaddr_*` types, into the storage.
    pub(super) fn from_c<T: Copy>(address: T, length: usize) -> SockAddr {
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
    pub(super) fn as_c<T: Copy>(&self) -> T {
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

    /// The address of a socket between a virtual machine and its host (vsock(7)).
    pub fn vsock(machine: u32, port: u32) -> SockAddr {
        // SAFETY: sockaddr_vm is plain data for which all zeros is a value.
        let mut address: libc::sockaddr_vm = unsafe { zeroed() };
        address.svm_family = libc::AF_VSOCK as libc::sa_family_t;
        (address.svm_cid, address.svm_port) = (machine, port);
        SockAddr::from_c(address, size_of::<libc::sockaddr_vm>())
    }

    /// Machine and port, if it is such an address.
    pub fn to_vsock(&self) -> Option<(u32, u32)> {
        let address: libc::sockaddr_vm = self.as_c();
        (self.family() == libc::AF_VSOCK).then_some((address.svm_cid, address.svm_port))
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

    pub(super) fn family(&self) -> c_int {
        c_int::from(self.storage.ss_family)
    }

    pub(super) fn as_ptr(&self) -> *const libc::sockaddr {
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

/// # Safety
/// `address` must be null or readable for `length` bytes.
pub(super) unsafe fn copy_address(
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
