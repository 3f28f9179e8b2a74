#![allow(clippy::unwrap_used, clippy::expect_used)]

mod descriptors;
mod endpoints;
mod ipc;
mod tcp;
mod tipc;
#[cfg(tls)]
mod tls;
mod udp;
mod vsock;

use std::net::{Ipv6Addr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use super::*;
use crate::sys::net;

/// Waits until one of the poll events comes; the deadline only ends a broken test.
fn wait(fd: BorrowedFd<'_>, events: i16) {
    let mut item = libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 };
    // SAFETY: one item, which outlives the call.
    let ready = unsafe { libc::poll(&raw mut item, 1, 10_000) };
    assert_eq!(ready, 1, "nothing happened for ten seconds");
}

fn defaults() -> SocketOptions {
    SocketOptions::default()
}

fn with_ipv6() -> SocketOptions {
    SocketOptions { ipv6: true, ..defaults() }
}

fn parse(endpoint: &str) -> Result<Address> {
    Address::parse(endpoint).map_err(Error::from)
}

fn bind(endpoint: &str, options: &SocketOptions) -> Result<Listener> {
    Listener::bind(&parse(endpoint)?, options).map_err(|failed| failed.error)
}

fn connect(endpoint: &str, options: &SocketOptions) -> Result<Stream> {
    let route = Route::new(parse(endpoint)?, options)?;
    let first = route.first().resolve(options)?.remove(0);
    let (mut stream, connected) = route.start(&first, options)?;
    if !connected? {
        wait(stream.as_fd(), libc::POLLOUT);
        stream.finish_connect()?;
    }
    stream.reached()?;
    Ok(stream)
}

fn accept(listener: &Listener, options: &SocketOptions) -> Stream {
    wait(listener.as_fd(), libc::POLLIN);
    listener.accept(options).unwrap().unwrap()
}

fn port_of(endpoint: &str) -> &str {
    endpoint.rsplit_once(':').unwrap().1
}

fn ipv6_works() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

/// Sends from one to the other and checks that the end of the stream arrives too.
fn exchange(from: Stream, to: &Stream) {
    assert_eq!(net::send(from.as_fd(), b"hello"), Ok(5));
    let mut buffer = [0; 16];
    wait(to.as_fd(), libc::POLLIN);
    assert_eq!(net::recv(to.as_fd(), &mut buffer), Ok(5));
    assert_eq!(&buffer[..5], b"hello");
    assert_eq!(net::recv(to.as_fd(), &mut buffer), Err(Error::Again));
    drop(from);
    wait(to.as_fd(), libc::POLLIN);
    assert_eq!(net::recv(to.as_fd(), &mut buffer), Ok(0));
}
