//! What the headers of libpgm 5.3 declare, as far as it is used.

use crate::sys::dl::library;
use libc::{c_int, c_void, sa_family_t, sockaddr_storage, socklen_t};
use std::ffi::c_char;
use std::mem::offset_of;

library! {
    /// What of libpgm is used.
    pub(super) struct Pgm from "libpgm-5.3.so.0" {
        fn pgm_init(error: *mut *mut PgmError) -> bool;
        fn pgm_getaddrinfo(network: *const c_char, hints: *const AddrInfo, to: *mut *mut AddrInfo, error: *mut *mut PgmError) -> bool;
        fn pgm_freeaddrinfo(info: *mut AddrInfo);
        fn pgm_error_free(error: *mut PgmError);
        fn pgm_socket(to: *mut *mut Sock, family: sa_family_t, kind: c_int, protocol: c_int, error: *mut *mut PgmError) -> bool;
        fn pgm_setsockopt(sock: *mut Sock, level: c_int, name: c_int, value: *const c_void, length: socklen_t) -> bool;
        fn pgm_getsockopt(sock: *mut Sock, level: c_int, name: c_int, value: *mut c_void, length: *mut socklen_t) -> bool;
        fn pgm_bind3(
            sock: *mut Sock,
            address: *const PgmAddress,
            length: socklen_t,
            send: *const InterfaceReq,
            send_length: socklen_t,
            receive: *const InterfaceReq,
            receive_length: socklen_t,
            error: *mut *mut PgmError,
        ) -> bool;
        fn pgm_connect(sock: *mut Sock, error: *mut *mut PgmError) -> bool;
        fn pgm_close(sock: *mut Sock, flush: bool) -> bool;
        fn pgm_send(sock: *mut Sock, bytes: *const c_void, length: usize, sent: *mut usize) -> c_int;
        fn pgm_recvmsgv(sock: *mut Sock, to: *mut MsgV, count: usize, flags: c_int, received: *mut usize, error: *mut *mut PgmError) -> c_int;
    }
}

/// `pgm_sock_t`.
#[repr(C)]
pub(super) struct Sock {
    pub(super) _opaque: [u8; 0],
}

/// `struct pgm_error_t`.
#[repr(C)]
pub(super) struct PgmError {
    pub(super) domain: c_int,
    pub(super) code: c_int,
    pub(super) message: *mut c_char,
}

/// `struct pgm_addrinfo_t`.
#[repr(C)]
pub(super) struct AddrInfo {
    pub(super) family: sa_family_t,
    pub(super) receive_count: u32,
    pub(super) receive: *mut GroupSource,
    pub(super) send_count: u32,
    pub(super) send: *mut GroupSource,
}

/// `struct pgm_group_source_req`, which begins as `struct group_req` does.
#[repr(C)]
pub(super) struct GroupSource {
    pub(super) interface: u32,
    pub(super) group: sockaddr_storage,
    pub(super) source: sockaddr_storage,
    pub(super) address: sockaddr_storage,
}

/// `struct pgm_interface_req_t`.
#[repr(C)]
pub(super) struct InterfaceReq {
    pub(super) interface: u32,
    pub(super) scope: u32,
    pub(super) address: sockaddr_storage,
}

/// `struct pgm_sockaddr_t`.
#[repr(C)]
pub(super) struct PgmAddress {
    pub(super) port: u16,
    pub(super) session: [u8; 6],
    pub(super) source_port: u16,
}

/// `struct pgm_sk_buff_t`, as far as it is of use.
#[repr(C)]
pub(super) struct Buffer {
    pub(super) link: [*mut c_void; 3],
    pub(super) sock: *mut Sock,
    pub(super) time: u64,
    pub(super) sender: [u8; 8],
    pub(super) sequence: u32,
    pub(super) padding: u32,
    pub(super) control: [u8; 48],
    pub(super) length: u16,
    pub(super) bits: u32,
    pub(super) headers: [*mut c_void; 4],
    pub(super) head: *mut c_void,
    pub(super) data: *const u8,
}

/// `struct pgm_msgv_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct MsgV {
    pub(super) count: u32,
    pub(super) buffers: [*mut Buffer; FRAGMENTS],
}

/// `PGM_MAX_FRAGMENTS`.
pub(super) const FRAGMENTS: usize = 16;

/// `sizeof (struct group_req)`.
pub(super) const GROUP_REQ: usize = offset_of!(GroupSource, source);

// As a C compiler has them.
const _: () = assert!(size_of::<AddrInfo>() == 32 && size_of::<GroupSource>() == 392);
const _: () = assert!(size_of::<InterfaceReq>() == 136 && GROUP_REQ == 136);
const _: () = assert!(size_of::<PgmAddress>() == 10 && size_of::<MsgV>() == 136);
const _: () = assert!(offset_of!(Buffer, sender) == 40 && offset_of!(Buffer, length) == 104);
const _: () = assert!(offset_of!(Buffer, data) == 152);

/// `IPPROTO_PGM`, and the level of its options.
pub(super) const PROTOCOL: c_int = 113;

/// The options of pgm/socket.h.
pub(super) mod option {
    pub(in crate::sys::pgm) const SEND_SOCK: i32 = 0x2000;
    pub(in crate::sys::pgm) const RECV_SOCK: i32 = 0x2001;
    pub(in crate::sys::pgm) const REPAIR_SOCK: i32 = 0x2002;
    pub(in crate::sys::pgm) const PENDING_SOCK: i32 = 0x2003;
    pub(in crate::sys::pgm) const TIME_REMAIN: i32 = 0x2005;
    pub(in crate::sys::pgm) const RATE_REMAIN: i32 = 0x2006;
    pub(in crate::sys::pgm) const MTU: i32 = 0x2008;
    pub(in crate::sys::pgm) const MSS: i32 = 0x200a;
    pub(in crate::sys::pgm) const MULTICAST_LOOP: i32 = 0x200c;
    pub(in crate::sys::pgm) const MULTICAST_HOPS: i32 = 0x200d;
    pub(in crate::sys::pgm) const TOS: i32 = 0x200e;
    pub(in crate::sys::pgm) const AMBIENT_SPM: i32 = 0x200f;
    pub(in crate::sys::pgm) const HEARTBEAT_SPM: i32 = 0x2010;
    pub(in crate::sys::pgm) const TXW_SQNS: i32 = 0x2012;
    pub(in crate::sys::pgm) const PEER_EXPIRY: i32 = 0x2015;
    pub(in crate::sys::pgm) const SPMR_EXPIRY: i32 = 0x2016;
    pub(in crate::sys::pgm) const RXW_SQNS: i32 = 0x2018;
    pub(in crate::sys::pgm) const NAK_BO_IVL: i32 = 0x201b;
    pub(in crate::sys::pgm) const NAK_RPT_IVL: i32 = 0x201c;
    pub(in crate::sys::pgm) const NAK_RDATA_IVL: i32 = 0x201d;
    pub(in crate::sys::pgm) const NAK_DATA_RETRIES: i32 = 0x201e;
    pub(in crate::sys::pgm) const NAK_NCF_RETRIES: i32 = 0x201f;
    pub(in crate::sys::pgm) const SEND_ONLY: i32 = 0x2023;
    pub(in crate::sys::pgm) const RECV_ONLY: i32 = 0x2024;
    pub(in crate::sys::pgm) const NOBLOCK: i32 = 0x2027;
    pub(in crate::sys::pgm) const SEND_GROUP: i32 = 0x2028;
    pub(in crate::sys::pgm) const JOIN_GROUP: i32 = 0x2029;
    pub(in crate::sys::pgm) const UDP_ENCAP_UCAST_PORT: i32 = 0x2030;
    pub(in crate::sys::pgm) const UDP_ENCAP_MCAST_PORT: i32 = 0x2031;
    pub(in crate::sys::pgm) const ODATA_MAX_RTE: i32 = 0x2034;
}

/// What pgm_send and pgm_recvmsgv return (pgm/socket.h).
pub(super) mod status {
    pub(in crate::sys::pgm) const NORMAL: i32 = 1;
    pub(in crate::sys::pgm) const RESET: i32 = 2;
    pub(in crate::sys::pgm) const FIN: i32 = 3;
    pub(in crate::sys::pgm) const WOULD_BLOCK: i32 = 5;
    pub(in crate::sys::pgm) const RATE_LIMITED: i32 = 6;
    pub(in crate::sys::pgm) const TIMER_PENDING: i32 = 7;
    pub(in crate::sys::pgm) const CONGESTION: i32 = 8;
}
