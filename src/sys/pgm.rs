//! libpgm 5.3 (Debian: libpgm-5.3-0), which speaks PGM (RFC 3208): sockets that send packets to a multicast group, or receive
//! what others send there, each packet once and in order, or hear that some are lost for good.
//!
//! It is opened at run time ([`super::dl`]). What it does by itself, it does in calls of ours: it has no threads, tells which
//! descriptors to watch, and how long it can wait for the next call.

mod library;

use super::cancel::Shielded;
use super::clock;
use super::foreign::Inside;
use super::network::{Network, Received, Sent};
use super::random;
use crate::error::{Error, Result};
use crate::sync::PerProcess;
use libc::{c_int, c_void, socklen_t, timeval};
use library::{
    AddrInfo, FRAGMENTS, GROUP_REQ, GroupSource, InterfaceReq, MsgV, PROTOCOL, Pgm, PgmAddress,
    PgmError, Sock, option, status,
};
use std::ffi::CString;
use std::fmt::Debug;
use std::mem::zeroed;
use std::os::fd::RawFd;
use std::ptr::{self, null, null_mut};
use std::slice;
use std::time::{Duration, Instant};

/// `dscp` "expedited forwarding" (RFC 3246), as libzmq's packets have it.
const EXPEDITED: i32 = 0x2e << 2;

/// Microseconds between the packets that tell receivers how far the sender is: after the last of its data, and from then
/// on the last of these.
const HEARTBEATS: [i32; 9] =
    [100_000, 100_000, 100_000, 100_000, 1_300_000, 7_000_000, 16_000_000, 25_000_000, 30_000_000];

/// What a receiver waits for, in microseconds, and how often it asks for what is missing.
const RECEIVING: [(i32, i32); 7] = [
    (option::PEER_EXPIRY, 300_000_000),
    (option::SPMR_EXPIRY, 25_000),
    (option::NAK_BO_IVL, 50_000),
    (option::NAK_RPT_IVL, 200_000),
    (option::NAK_RDATA_IVL, 200_000),
    (option::NAK_DATA_RETRIES, 50),
    (option::NAK_NCF_RETRIES, 50),
];

/// It is called no sooner than this: a call a little too early is made again and again.
const SOONEST: Duration = Duration::from_millis(1);

/// How soon it is called again when it fails.
const BROKEN: Duration = Duration::from_millis(100);

/// Packets that one call receives, at most.
const MOST: usize = 8;

/// What a session is to be.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Sends; otherwise it receives.
    pub sends: bool,
    /// In datagrams of UDP (EPGM); otherwise of IP, which needs CAP_NET_RAW.
    pub in_udp: bool,
    /// The port of the group.
    pub port: u16,
    /// Octets of a packet, with all headers.
    pub packet: i32,
    /// Octets that are sent in a second, at most.
    pub rate: i32,
    /// Packets that are kept to be sent again, or that wait for one that is missing.
    pub window: i32,
    /// Networks that packets pass.
    pub hops: i32,
    /// Whether this machine gets what it sends.
    pub comes_back: bool,
    /// SO_SNDBUF and SO_RCVBUF; negative: the system's.
    pub buffers: [i32; 2],
}

/// Whether the library can be loaded.
pub fn is_available() -> bool {
    Pgm::get().is_some()
}

/// Its functions, and its world made ready, once in a process.
fn ready() -> Result<&'static Pgm> {
    static READY: PerProcess<bool> = PerProcess::not_yet(false);
    let pgm = Pgm::get().ok_or(Error::UnknownProtocol)?;
    let init = || {
        let _here = Shielded::begin();
        let mut error = Trouble { pgm, error: null_mut() };
        // SAFETY: room for an error.
        unsafe { (pgm.pgm_init)(&raw mut error.error) }
    };
    if *READY.get_or(|_| init()) { Ok(pgm) } else { Err(Error::UnknownProtocol) }
}

/// What a call said about its failure.
struct Trouble {
    pgm: &'static Pgm,
    error: *mut PgmError,
}

impl Trouble {
    /// Codes are those of pgm/error.h.
    fn errno(&self) -> Error {
        // SAFETY: null, or an error of the library's, ours until it is freed.
        match unsafe { self.error.as_ref() }.map(|error| error.code) {
            Some(13) => Error::TooManyFiles,
            Some(17) => Error::NoDevice,
            Some(15 | 19) => Error::NoMemory,
            Some(26) => Error::Os(libc::EPERM),
            _ => Error::Invalid,
        }
    }
}

impl Drop for Trouble {
    fn drop(&mut self) {
        if !self.error.is_null() {
            // SAFETY: the library made it, and nobody looks at it any more.
            unsafe { (self.pgm.pgm_error_free)(self.error) };
        }
    }
}

/// Of one endpoint.
pub struct Session {
    pgm: &'static Pgm,
    sock: *mut Sock,
    sends: bool,
    room: usize,
}

// SAFETY: the library's socket belongs to no thread.
unsafe impl Send for Session {}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("sends", &self.sends).field("room", &self.room).finish()
    }
}

/// The addresses of a network.
struct Addresses {
    pgm: &'static Pgm,
    info: *mut AddrInfo,
}

impl Addresses {
    /// The groups to receive from, and the one to send to.
    fn groups(&self) -> Option<(&[GroupSource], &GroupSource)> {
        // SAFETY: the library's, until they are freed; as many as it says.
        unsafe {
            let info = self.info.as_ref()?;
            let receive = info.receive.as_ref()?;
            let receive = slice::from_raw_parts(receive, info.receive_count as usize);
            Some((receive, info.send.as_ref().filter(|_| info.send_count > 0)?))
        }
    }
}

impl Drop for Addresses {
    fn drop(&mut self) {
        // SAFETY: the library made them, and nobody looks at them any more.
        unsafe { (self.pgm.pgm_freeaddrinfo)(self.info) };
    }
}

impl Session {
    /// Of a network, `interface;group`, either of which may be left out. **Blocks** if it has a name to look up.
    ///
    /// # Errors
    /// `UnknownProtocol` without the library, `Invalid` for what is no network, and what the system says.
    pub fn open(network: &str, settings: &Settings) -> Result<Session> {
        let pgm = ready()?;
        let _here = Shielded::begin();
        let _inside = Inside::enter();
        let name = CString::new(network).map_err(|_| Error::Invalid)?;
        let mut trouble = Trouble { pgm, error: null_mut() };
        let mut info = null_mut();
        // SAFETY: a text that ends with a zero, no hints, room for what comes.
        let known = unsafe {
            (pgm.pgm_getaddrinfo)(name.as_ptr(), null(), &raw mut info, &raw mut trouble.error)
        };
        if !known {
            return Err(Error::Invalid);
        }
        let addresses = Addresses { pgm, info };
        let (from, to) = addresses.groups().ok_or(Error::Invalid)?;
        let protocol = if settings.in_udp { libc::IPPROTO_UDP } else { PROTOCOL };
        let mut sock = null_mut();
        let family = to.group.ss_family;
        // SAFETY: room for a socket and an error.
        if !unsafe {
            (pgm.pgm_socket)(
                &raw mut sock,
                family,
                libc::SOCK_SEQPACKET,
                protocol,
                &raw mut trouble.error,
            )
        } {
            return Err(trouble.errno());
        }
        let mut session = Session { pgm, sock, sends: settings.sends, room: 0 };
        session.prepare(settings)?;
        session.bind(settings.port, to.interface)?;
        for group in from {
            session.set(option::JOIN_GROUP, ptr::from_ref(group).cast(), GROUP_REQ)?;
        }
        session.set(option::SEND_GROUP, ptr::from_ref(to).cast(), GROUP_REQ)?;
        session.set_int(option::MULTICAST_LOOP, i32::from(settings.comes_back))?;
        session.set_int(option::MULTICAST_HOPS, settings.hops)?;
        // A family may have none.
        let _ = session.set_int(option::TOS, EXPEDITED);
        session.set_int(option::NOBLOCK, 1)?;
        // SAFETY: a socket of ours that is bound.
        if !unsafe { (pgm.pgm_connect)(session.sock, &raw mut trouble.error) } {
            return Err(trouble.errno());
        }
        session.room = usize::try_from(session.get_int(option::MSS)?).unwrap_or(0);
        // One of fewer octets than its headers: the library's number is below zero then, and looks like a large one.
        if session.room > usize::try_from(settings.packet).unwrap_or(0) {
            return Err(Error::Invalid);
        }
        Ok(session)
    }

    /// What has to be said before the socket is bound.
    fn prepare(&self, settings: &Settings) -> Result<()> {
        if settings.in_udp {
            self.set_int(option::UDP_ENCAP_UCAST_PORT, settings.port.into())?;
            self.set_int(option::UDP_ENCAP_MCAST_PORT, settings.port.into())?;
        }
        for (name, size) in [libc::SO_SNDBUF, libc::SO_RCVBUF].into_iter().zip(settings.buffers) {
            if size >= 0 {
                self.set_at(libc::SOL_SOCKET, name, (&raw const size).cast(), size_of::<c_int>())?;
            }
        }
        self.set_int(option::MTU, settings.packet)?;
        if !settings.sends {
            self.set_int(option::RECV_ONLY, 1)?;
            self.set_int(option::RXW_SQNS, settings.window)?;
            return RECEIVING.iter().try_for_each(|&(name, value)| self.set_int(name, value));
        }
        self.set_int(option::SEND_ONLY, 1)?;
        self.set_int(option::ODATA_MAX_RTE, settings.rate)?;
        self.set_int(option::TXW_SQNS, settings.window)?;
        self.set_int(option::AMBIENT_SPM, HEARTBEATS[HEARTBEATS.len() - 1])?;
        self.set(option::HEARTBEAT_SPM, HEARTBEATS.as_ptr().cast(), size_of_val(&HEARTBEATS))
    }

    fn bind(&self, port: u16, interface: u32) -> Result<()> {
        let mut address = PgmAddress { port, session: [0; 6], source_port: 0 };
        random::fill(&mut address.session)?;
        // SAFETY: plain data for which all zeros is a value.
        let mut request: InterfaceReq = unsafe { zeroed() };
        request.interface = interface;
        let mut trouble = Trouble { pgm: self.pgm, error: null_mut() };
        let length = size_of::<InterfaceReq>() as socklen_t;
        // SAFETY: a socket of ours, and addresses of the lengths told.
        let bound = unsafe {
            (self.pgm.pgm_bind3)(
                self.sock,
                &raw const address,
                size_of::<PgmAddress>() as socklen_t,
                &raw const request,
                length,
                &raw const request,
                length,
                &raw mut trouble.error,
            )
        };
        if bound { Ok(()) } else { Err(trouble.errno()) }
    }

    fn set_at(&self, level: c_int, name: i32, value: *const c_void, length: usize) -> Result<()> {
        // SAFETY: a socket of ours, and as many bytes as told.
        let set = unsafe {
            (self.pgm.pgm_setsockopt)(self.sock, level, name, value, length as socklen_t)
        };
        if set { Ok(()) } else { Err(Error::Invalid) }
    }

    fn set(&self, name: i32, value: *const c_void, length: usize) -> Result<()> {
        self.set_at(PROTOCOL, name, value, length)
    }

    fn set_int(&self, name: i32, value: i32) -> Result<()> {
        self.set(name, (&raw const value).cast(), size_of::<c_int>())
    }

    fn get<T>(&self, name: i32, mut value: T) -> Result<T> {
        let mut length = size_of::<T>() as socklen_t;
        // SAFETY: a socket of ours, and room for as much as told.
        let got = unsafe {
            (self.pgm.pgm_getsockopt)(
                self.sock,
                PROTOCOL,
                name,
                (&raw mut value).cast(),
                &raw mut length,
            )
        };
        if got { Ok(value) } else { Err(Error::Invalid) }
    }

    fn get_int(&self, name: i32) -> Result<c_int> {
        self.get(name, 0)
    }

    /// When the time is over that the library tells.
    fn remaining(&self, name: i32) -> Instant {
        let none = timeval { tv_sec: 0, tv_usec: 0 };
        let left = self.get(name, none).unwrap_or(none);
        let seconds = u64::try_from(left.tv_sec).unwrap_or(0);
        let left = Duration::from_secs(seconds)
            + Duration::from_micros(u64::try_from(left.tv_usec).unwrap_or(0));
        clock::now() + left.max(SOONEST)
    }

    /// One packet, or the news that some are lost, of who has sent it. Returns its length.
    fn hand_on(from: &MsgV, lost: bool, each: &mut dyn FnMut(u64, Option<&[u8]>) -> bool) -> usize {
        let buffers = from.buffers.iter().take(from.count as usize);
        // SAFETY: they are the library's until it is called again, or null.
        let mut buffers = buffers.filter_map(|buffer| unsafe { buffer.as_ref() });
        let Some(first) = buffers.next() else { return 0 };
        let sender = u64::from_ne_bytes(first.sender);
        let length = usize::from(first.length);
        let rest: usize = buffers.map(|buffer| usize::from(buffer.length)).sum();
        // One in several pieces is none of libzmq's or ours.
        if lost || rest > 0 || first.data.is_null() {
            each(sender, None);
        } else {
            // SAFETY: as long as it says.
            each(sender, Some(unsafe { slice::from_raw_parts(first.data, length) }));
        }
        length + rest
    }
}

impl Network for Session {
    fn descriptors(&self) -> Vec<RawFd> {
        let receiving = [option::RECV_SOCK, option::PENDING_SOCK, option::REPAIR_SOCK];
        let count = if self.sends { 3 } else { 2 };
        receiving.iter().take(count).filter_map(|&name| self.get_int(name).ok()).collect()
    }

    fn out(&self) -> Option<RawFd> {
        if self.sends { self.get_int(option::SEND_SOCK).ok() } else { None }
    }

    fn room(&self) -> usize {
        self.room
    }

    fn send(&mut self, packet: &[u8]) -> Sent {
        let _here = Shielded::begin();
        let mut sent = 0;
        // SAFETY: a socket of ours, and as many bytes as told.
        let status = unsafe {
            (self.pgm.pgm_send)(self.sock, packet.as_ptr().cast(), packet.len(), &raw mut sent)
        };
        match status {
            status::RATE_LIMITED => Sent::At(self.remaining(option::RATE_REMAIN)),
            status::CONGESTION => Sent::At(self.remaining(option::TIME_REMAIN)),
            status::WOULD_BLOCK => Sent::Blocked,
            _ => Sent::Done,
        }
    }

    fn receive(&mut self, each: &mut dyn FnMut(u64, Option<&[u8]>) -> bool) -> Received {
        let _here = Shielded::begin();
        let most = if self.sends { 1 } else { MOST };
        let mut list = [MsgV { count: 0, buffers: [null_mut(); FRAGMENTS] }; MOST];
        let mut received = 0;
        let mut trouble = Trouble { pgm: self.pgm, error: null_mut() };
        let flags = libc::MSG_ERRQUEUE;
        // SAFETY: a socket of ours, and room for as many packets as told.
        let status = unsafe {
            (self.pgm.pgm_recvmsgv)(
                self.sock,
                list.as_mut_ptr(),
                most,
                flags,
                &raw mut received,
                &raw mut trouble.error,
            )
        };
        match status {
            status::NORMAL => {
                for packet in &list {
                    if received == 0 {
                        break;
                    }
                    let size = Session::hand_on(packet, false, each);
                    received = received.saturating_sub(size);
                }
                Received::Some
            }
            status::RESET => {
                let [first, ..] = &list;
                Session::hand_on(first, true, each);
                Received::Some
            }
            status::TIMER_PENDING => Received::Nothing(Some(self.remaining(option::TIME_REMAIN))),
            status::RATE_LIMITED => Received::Nothing(Some(self.remaining(option::RATE_REMAIN))),
            status::WOULD_BLOCK => Received::Nothing(None),
            // A sender has gone.
            status::FIN => Received::Some,
            // The network is down, mostly.
            _ => Received::Nothing(Some(clock::now() + BROKEN)),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _here = Shielded::begin();
        let _inside = Inside::enter();
        // SAFETY: a socket of ours, for the last time.
        unsafe { (self.pgm.pgm_close)(self.sock, true) };
    }
}
