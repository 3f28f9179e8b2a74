//! Datagrams (udp(7)), several with one call, and the groups that they are sent to.

#[cfg(sim)]
use crate::sys::sim::libc;
use std::ffi::{c_int, c_uint};
use std::mem::{MaybeUninit, zeroed};
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd};

use super::{SockAddr, check, retry, set_option, set_option_bytes};
use crate::error::{Error, Result};
use crate::sys::fd::OwnedFd;
use crate::sys::raw;

/// Datagrams that one call sends or receives, at most.
pub const MOST_DATAGRAMS: usize = 16;

/// The network interface that a group is joined on, or sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interface {
    /// The one that the system chooses.
    Any,
    /// By its number.
    Index(u32),
    /// By its address.
    Address(std::net::Ipv4Addr),
}

/// A new socket for datagrams to or from addresses like this one.
pub fn datagram_socket(like: &SockAddr) -> Result<OwnedFd> {
    let kind = libc::SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no pointers are involved.
    let fd = check(unsafe { libc::socket(like.family(), kind, 0) })?;
    // SAFETY: the descriptor was just made and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `struct ip_mreqn`.
fn request(group: [u8; 4], interface: Interface) -> [u8; 12] {
    let mut bytes = [0; 12];
    let (address, index) = match interface {
        Interface::Any => ([0; 4], 0),
        Interface::Index(index) => ([0; 4], index),
        Interface::Address(address) => (address.octets(), 0),
    };
    bytes[..4].copy_from_slice(&group);
    bytes[4..8].copy_from_slice(&address);
    bytes[8..].copy_from_slice(&index.to_ne_bytes());
    bytes
}

/// Gets what is sent to a group, too (ip(7), IP_ADD_MEMBERSHIP; ipv6(7), IPV6_ADD_MEMBERSHIP).
pub fn join_group(fd: BorrowedFd<'_>, group: IpAddr, interface: Interface) -> Result<()> {
    match (group, interface) {
        (IpAddr::V4(group), _) => {
            let request = request(group.octets(), interface);
            set_option_bytes(fd, libc::IPPROTO_IP, libc::IP_ADD_MEMBERSHIP, &request)
        }
        (IpAddr::V6(group), _) => {
            let mut request = [0; 20];
            request[..16].copy_from_slice(&group.octets());
            request[16..].copy_from_slice(&index(interface).to_ne_bytes());
            set_option_bytes(fd, libc::IPPROTO_IPV6, libc::IPV6_ADD_MEMBERSHIP, &request)
        }
    }
}

fn index(interface: Interface) -> u32 {
    if let Interface::Index(index) = interface { index } else { 0 }
}

/// How what is sent to groups leaves: where, how far, and whether sockets of this machine get it.
pub fn send_to_groups(
    fd: BorrowedFd<'_>,
    v6: bool,
    interface: Interface,
    hops: i32,
    comes_back: bool,
) -> Result<()> {
    let comes_back = c_int::from(comes_back);
    if v6 {
        set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_LOOP, comes_back)?;
        set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_HOPS, hops)?;
        let index = index(interface).cast_signed();
        set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_IF, index)
    } else {
        set_option(fd, libc::IPPROTO_IP, libc::IP_MULTICAST_LOOP, comes_back)?;
        set_option(fd, libc::IPPROTO_IP, libc::IP_MULTICAST_TTL, hops)?;
        let request = request([0; 4], interface);
        set_option_bytes(fd, libc::IPPROTO_IP, libc::IP_MULTICAST_IF, &request)
    }
}

/// Sends datagrams, each to its address: how many of them the system has taken, at least one. `Err(Again)`:
/// none now; any other error is that of the first.
pub fn send_datagrams(fd: BorrowedFd<'_>, datagrams: &[(&[u8], SockAddr)]) -> Result<usize> {
    let mut pieces = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; MOST_DATAGRAMS];
    // SAFETY: mmsghdr is plain data for which all zeros is a value.
    let mut list: [libc::mmsghdr; MOST_DATAGRAMS] = unsafe { zeroed() };
    let count = datagrams.len().min(MOST_DATAGRAMS);
    for (((bytes, to), piece), entry) in datagrams.iter().zip(&mut pieces).zip(&mut list) {
        // The call only reads, through both.
        *piece = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
        entry.msg_hdr.msg_iov = piece;
        entry.msg_hdr.msg_iovlen = 1;
        entry.msg_hdr.msg_name = to.as_ptr().cast_mut().cast();
        entry.msg_hdr.msg_namelen = to.length;
    }
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: as many entries as told, which describe readable bytes and addresses that outlive the call.
    retry(|| unsafe { raw::sendmmsg(fd.as_raw_fd(), list.as_mut_ptr(), count as c_uint, flags) })
}

/// Where datagrams are received: room for [`MOST_DATAGRAMS`] of the longest.
#[derive(Debug, Default)]
pub struct Slots {
    bytes: Vec<u8>,
}

impl Slots {
    /// More than a datagram can have: its length has 16 bits (udp(7)). Pages that nothing comes to are none.
    const SLOT: usize = 1 << 16;

    /// Receives what is here, up to `most` datagrams: each goes to `each`, with the address it comes from.
    /// How many there were; `Err(Again)`: none.
    ///
    /// # Errors
    /// `NoMemory`, and what recvmmsg(2) says: of datagrams sent before, too.
    pub fn receive(
        &mut self,
        fd: BorrowedFd<'_>,
        most: usize,
        mut each: impl FnMut(&[u8], &SockAddr),
    ) -> Result<usize> {
        let wanted = Slots::SLOT * MOST_DATAGRAMS;
        self.bytes.clear();
        self.bytes.try_reserve_exact(wanted).map_err(|_| Error::NoMemory)?;
        let room = &mut self.bytes.spare_capacity_mut()[..wanted];
        let mut from = [SockAddr::empty(); MOST_DATAGRAMS];
        let mut pieces =
            [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; MOST_DATAGRAMS];
        // SAFETY: mmsghdr is plain data for which all zeros is a value.
        let mut list: [libc::mmsghdr; MOST_DATAGRAMS] = unsafe { zeroed() };
        let slots = room.chunks_exact_mut(Slots::SLOT);
        for (((slot, piece), entry), from) in slots.zip(&mut pieces).zip(&mut list).zip(&mut from) {
            *piece = libc::iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: slot.len() };
            entry.msg_hdr.msg_iov = piece;
            entry.msg_hdr.msg_iovlen = 1;
            entry.msg_hdr.msg_name = (&raw mut from.storage).cast();
            entry.msg_hdr.msg_namelen = from.length;
        }
        let count = most.min(MOST_DATAGRAMS) as c_uint;
        // SAFETY: as many entries as told, which describe bytes and addresses that are ours to write to and
        // outlive the call.
        let received = retry(|| unsafe {
            raw::recvmmsg(fd.as_raw_fd(), list.as_mut_ptr(), count, libc::MSG_DONTWAIT)
        })?;
        let slots = room.chunks_exact(Slots::SLOT);
        for ((slot, entry), from) in slots.zip(&list).zip(&mut from).take(received) {
            let slot = slot.get(..entry.msg_len as usize).unwrap_or_default();
            from.length = entry.msg_hdr.msg_namelen;
            each(written(slot), from);
        }
        Ok(received)
    }
}

/// What the kernel has written to.
fn written(bytes: &[MaybeUninit<u8>]) -> &[u8] {
    // SAFETY: the caller's are as long as the kernel says that it has written.
    unsafe { &*(std::ptr::from_ref(bytes) as *const [u8]) }
}
