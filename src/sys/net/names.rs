//! Names of hosts and of network interfaces.

#[cfg(sim)]
use crate::sys::sim::libc;
use std::ffi::{CStr, CString, c_char, c_int};
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, SocketAddr};

use super::address::copy_address;
use super::{SockAddr, check};
use crate::error::{Error, Result};
use crate::sys::cancel::Shielded;
use crate::sys::foreign::Inside;

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
    let _inside = Inside::enter();
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
