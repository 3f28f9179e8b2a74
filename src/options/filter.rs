//! Who may connect: ZMQ_TCP_ACCEPT_FILTER and its address masks, ZMQ_IPC_FILTER_UID and the like.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::error::{Error, Result};

/// Longest text of a filter.
const MAX_TEXT: usize = 255;

/// A peer is let in if one of those of its transport matches, or there is none.
#[derive(Debug, Clone, Default)]
pub struct AcceptFilters {
    /// Networks, over tcp.
    pub networks: Vec<AddressMask>,
    /// User ids, over ipc.
    pub users: Vec<u32>,
    /// Group ids, over ipc.
    pub groups: Vec<u32>,
    /// Process ids, over ipc.
    pub processes: Vec<i32>,
}

/// A network: an address and the number of leading bits that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressMask {
    network: IpAddr,
    prefix: u32,
}

impl AddressMask {
    /// Parses `address`, `address/bits` or `[address]/bits`, all numeric. Without ZMQ_IPV6 only
    /// IPv4 addresses (also in their IPv6 form) are networks.
    ///
    /// libzmq turns an IPv4 address into its IPv6 form when ZMQ_IPV6 is on, *before* it counts
    /// the bits, so that `10.0.0.0/8` then lets the whole IPv4 internet in. Here bits up to 32
    /// of an address written as IPv4 always are bits of that address; more than 32, valid with
    /// ZMQ_IPV6 only, count from the front of the IPv6 form as there.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is no address, or has more bits than one (zmq_setsockopt(3), ZMQ_TCP_ACCEPT_FILTER).
    pub fn parse(text: &[u8], ipv6: bool) -> Result<AddressMask> {
        if text.is_empty() || text.len() > MAX_TEXT {
            return Err(Error::Invalid);
        }
        let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
        let text = std::str::from_utf8(text).map_err(|_| Error::Invalid)?;
        let (address, bits) = match text.rsplit_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address = parse_address(address).ok_or(Error::Invalid)?;
        let limit = if ipv6 { 128 } else { 32 };
        let bits = bits.map(|bits| prefix_length(bits, limit)).transpose()?;
        match (address, ipv6) {
            (IpAddr::V4(v4), _) => {
                let prefix = bits.unwrap_or(32);
                let prefix = if prefix > 32 { prefix.saturating_sub(96) } else { prefix };
                Ok(AddressMask { network: IpAddr::V4(v4), prefix })
            }
            (IpAddr::V6(_), true) => {
                Ok(AddressMask { network: address, prefix: bits.unwrap_or(128) })
            }
            (IpAddr::V6(v6), false) => {
                let v4 = v6.to_ipv4_mapped().ok_or(Error::Invalid)?;
                Ok(AddressMask { network: IpAddr::V4(v4), prefix: bits.unwrap_or(32) })
            }
        }
    }

    /// Whether this peer is in the network. An IPv4 peer of an IPv6 listener shows up as
    /// `::ffff:a.b.c.d` and is compared as what it is.
    pub fn contains(&self, peer: IpAddr) -> bool {
        match (self.network, peer.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(peer)) => {
                let differing = u32::from(network) ^ u32::from(peer);
                self.prefix <= differing.leading_zeros()
            }
            (IpAddr::V6(network), peer) => {
                let peer = match peer {
                    IpAddr::V4(v4) => v4.to_ipv6_mapped(),
                    IpAddr::V6(v6) => v6,
                };
                let differing = u128::from(network) ^ u128::from(peer);
                self.prefix <= differing.leading_zeros()
            }
            (IpAddr::V4(_), IpAddr::V6(_)) => false,
        }
    }
}

/// A numeric address, IPv6 in brackets or not and with or without a (meaningless here) zone.
fn parse_address(text: &str) -> Option<IpAddr> {
    let text = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    if let Some(v4) = parse_ipv4(text) {
        return Some(IpAddr::V4(v4));
    }
    let text = text.split_once('%').map_or(text, |(address, _zone)| address);
    text.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}

/// The digits `text` begins with as a prefix length of at most `limit`; what follows them does
/// not matter. Zero must be written `0`.
fn prefix_length(text: &str, limit: u32) -> Result<u32> {
    if text == "0" {
        return Ok(0);
    }
    let text = text.trim_start();
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    match text.get(..end).unwrap_or_default().parse::<u32>() {
        Ok(bits) if bits > 0 && bits <= limit => Ok(bits),
        _ => Err(Error::Invalid),
    }
}

/// An IPv4 address in any of the numeric forms of inet_aton(3): one to four numbers, decimal,
/// octal or hexadecimal, of which the last fills the bytes that are left.
fn parse_ipv4(text: &str) -> Option<Ipv4Addr> {
    let mut numbers = [0u32; 4];
    let mut count = 0;
    for part in text.split('.') {
        *numbers.get_mut(count)? = parse_c_number(part)?;
        count += 1;
    }
    let (last, leading) = numbers.get(..count)?.split_last()?;
    let mut address = 0u32;
    for (at, number) in leading.iter().enumerate() {
        let byte = u8::try_from(*number).ok()?;
        address |= u32::from(byte) << (24 - 8 * at);
    }
    let free_bits = 32 - 8 * leading.len();
    if u64::from(*last) >> free_bits != 0 {
        return None;
    }
    Some(Ipv4Addr::from(address | last))
}

/// A number as C writes it: `0x` hexadecimal, `0` octal, decimal otherwise.
fn parse_c_number(text: &str) -> Option<u32> {
    let (digits, radix) = if let Some(hex) = text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        (hex, 16)
    } else if text.len() > 1 && text.starts_with('0') {
        (text, 8)
    } else {
        (text, 10)
    };
    if !digits.starts_with(|c: char| c.is_digit(radix)) {
        return None; // from_str_radix would take a sign
    }
    u32::from_str_radix(digits, radix).ok()
}
