//! Guests come one after the other, each with the same name, and are gone before their host looks. Who is
//! there in the end takes their place: the host hears it, and can talk to it.

use crate::api::*;
use std::time::Duration;
use zmq::sys::sim::{self, Choice};

fn guest(context: Context, kind: i32, endpoint: &str) -> Socket {
    let guest = context.socket(kind);
    if kind == ZMQ_DEALER {
        guest.name(b"guest");
    }
    guest.connect(endpoint);
    guest
}

pub(crate) fn run(choice: &mut Choice) {
    let context = Context::new();
    let (host_kind, kind) = choice.of(&[(ZMQ_PAIR, ZMQ_PAIR), (ZMQ_ROUTER, ZMQ_DEALER)]);
    let endpoint = format!("inproc://{}", choice.below(3));
    eprintln!("successors: {host_kind}, {endpoint}");
    let host = context.socket(host_kind);
    if host_kind == ZMQ_ROUTER {
        host.set(ZMQ_ROUTER_MANDATORY, 1);
    }
    let early = choice.once_in(2);
    if early {
        host.bind(&endpoint);
    }
    let longest = choice.of(&[1, 1000, 100_000, 5_000_000]);
    let guests = choice.between(1, 5);
    let (mut own, name) = (Choice::new(choice.number()), endpoint.clone());
    let thread = sim::spawn("guests", move || {
        for _ in 0..guests {
            let guest = guest(context, kind, &name);
            pause(&mut own, longest);
            for _ in 0..own.below(3) {
                let _ = guest.send(b"nobody hears this for long", ZMQ_DONTWAIT);
            }
            pause(&mut own, longest);
            guest.close();
        }
    });
    pause(choice, longest);
    if !early {
        host.bind(&endpoint);
    }
    for _ in 0..choice.below(5) {
        let _ = host.recv_all(ZMQ_DONTWAIT);
        pause(choice, longest);
    }
    thread.join();
    // What they said is heard, and with it that they are gone.
    while host.recv_all(ZMQ_DONTWAIT).is_ok() {}
    sim::sleep(Duration::from_millis(100));
    while host.recv_all(ZMQ_DONTWAIT).is_ok() {}
    let last = guest(context, kind, &endpoint);
    let sent = last.send(b"here I am", 0);
    check(sent.is_ok(), || format!("zmq_send: {sent:?}"));
    host.set(ZMQ_RCVTIMEO, 5000);
    let heard = host.recv_all(0).map(|mut parts| parts.pop());
    check(heard == Ok(Some(b"here I am".to_vec())), || format!("the host hears {heard:?}"));
    host.set(ZMQ_SNDTIMEO, 5000);
    if host_kind == ZMQ_ROUTER {
        let to = host.send(b"guest", ZMQ_SNDMORE);
        check(to.is_ok(), || format!("to the last guest: {to:?}"));
    }
    let sent = host.send(b"welcome", 0);
    check(sent.is_ok(), || format!("the host says: {sent:?}"));
    last.set(ZMQ_RCVTIMEO, 5000);
    let heard = last.recv(0);
    check(heard == Ok(b"welcome".to_vec()), || format!("the last guest hears {heard:?}"));
    host.close();
    last.close();
    context.term();
}
