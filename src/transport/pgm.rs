//! zmq_pgm(7). An address is `interface;group:port`: PUB and XPUB send to the group, SUB and XSUB receive what others send there,
//! and bind is connect. With `pgm` packets are IP's own, which takes privileges; with `epgm` they are in datagrams of UDP.

use super::row::{DatagramSocket, Medium, Transport};
use crate::error::{Error, Result};
use crate::options::SocketOptions;
use crate::sys::pgm::{Session, Settings, is_available};
use crate::types::SocketType;

/// The rows of the table.
pub(super) static PGM: Transport = Transport {
    scheme: "pgm",
    optional: Some(is_available),
    open_datagrams: Some(|text, socket_type, _, options| open("pgm", text, socket_type, options)),
    ..EITHER
};
pub(super) static EPGM: Transport = Transport {
    scheme: "epgm",
    open_datagrams: Some(|text, socket_type, _, options| open("epgm", text, socket_type, options)),
    ..EITHER
};

const EITHER: Transport = Transport {
    carries: |socket_type| socket_type.info().multicasts,
    needs_dns: |_| true,
    ..Transport::PLAIN
};

/// The window holds this many packets, at most: the library has a table of them.
const LARGEST_WINDOW: i64 = 1 << 24;

fn open(
    scheme: &str,
    text: &str,
    socket_type: SocketType,
    options: &SocketOptions,
) -> Result<DatagramSocket> {
    if !is_available() {
        return Err(Error::UnknownProtocol);
    }
    let (network, port) = text.rsplit_once(':').ok_or(Error::Invalid)?;
    let port = port.parse().ok().filter(|&port| port != 0).ok_or(Error::Invalid)?;
    let settings = settings(scheme == "epgm", port, socket_type.info().publishes, options);
    let session = Session::open(network, &settings)?;
    let medium = Medium::Packets(Box::new(session));
    Ok(DatagramSocket { medium, endpoint: format!("{scheme}://{text}") })
}

fn settings(in_udp: bool, port: u16, sends: bool, o: &SocketOptions) -> Settings {
    // zmq_setsockopt(3): ZMQ_RATE is in kilobits per second, ZMQ_RECOVERY_IVL in milliseconds.
    let rate = i64::from(o.rate) * 1000 / 8;
    let bytes = i64::from(o.recovery_ivl).saturating_mul(i64::from(o.rate) / 8);
    let window = (bytes / i64::from(o.multicast_maxtpdu.max(1))).clamp(1, LARGEST_WINDOW);
    Settings {
        sends,
        in_udp,
        port,
        packet: o.multicast_maxtpdu,
        rate: i32::try_from(rate).unwrap_or(i32::MAX),
        window: i32::try_from(window).unwrap_or(i32::MAX),
        hops: o.multicast_hops,
        comes_back: o.multicast_loop,
        buffers: [o.sndbuf, o.rcvbuf],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What libzmq 4.3.4 tells libpgm.
    #[test]
    fn windows_are_as_measured() {
        let window = |rate, recovery_ivl, multicast_maxtpdu| {
            let options =
                SocketOptions { rate, recovery_ivl, multicast_maxtpdu, ..SocketOptions::default() };
            let settings = settings(true, 5555, true, &options);
            (settings.rate, settings.window)
        };
        assert_eq!(window(100, 10_000, 1500), (12_500, 80));
        assert_eq!(window(1, 10_000, 1500), (125, 1));
        assert_eq!(window(90, 10_000, 1500), (11_250, 73));
        assert_eq!(window(1_000_000, 100_000, 1500), (125_000_000, 8_333_333));
        assert_eq!(window(100, 100, 1500), (12_500, 1));
        assert_eq!(window(100, 10_000, 1472), (12_500, 81));
        assert_eq!(window(100, 10_000, 65_535), (12_500, 1));
        assert_eq!(window(i32::MAX, i32::MAX, 1), (i32::MAX, 1 << 24));
    }
}
