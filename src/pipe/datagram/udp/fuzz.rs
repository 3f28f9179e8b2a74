//! What a fuzzer tries of datagrams, see `crate::fuzz`.

use super::{Outbox, SockAddr, SocketAddr, address, take_in};
use crate::types::Datagrams;
use crate::util::fuzz::Input;
use std::collections::VecDeque;

/// Datagrams that come, of which each is one message of two parts or none; addresses that a program sends to; and
/// what waits to be sent, against a list of the standard library.
pub(crate) fn pipe(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut inbox = VecDeque::new();
    let (mut out, mut model) =
        (Outbox::default(), VecDeque::<(Vec<u8>, Option<SocketAddr>)>::new());
    let from = SocketAddr::from(([127, 0, 0, 1], 5555));
    while !input.is_empty() {
        let (what, len) = (input.below(6), usize::from(input.short()) % 3000);
        let some = input.bytes(len);
        match what {
            0 | 1 => {
                let kind = if what == 0 { Datagrams::Received } else { Datagrams::Addressed };
                let before = inbox.len();
                take_in(kind, &mut inbox, some, &from.into());
                assert!([0, 2].contains(&(inbox.len() - before)));
                assert!(what == 0 || inbox.len() > before);
            }
            2 => {
                let to = address(some);
                if let Some(to) = to {
                    // What it says of others it takes itself.
                    assert_eq!(address(format!("{to}\0").as_bytes()), Some(to));
                }
                assert_eq!(out.push([&[], some, b"body"], to), Ok(()));
                model.push_back(([some, b"body"].concat(), to));
            }
            3 => {
                assert_eq!(out.push([some, &[], &[]], None), Ok(()));
                model.push_back((some.to_vec(), None));
            }
            4 => {
                out.pass(len % 4);
                model.drain(..(len % 4).min(model.len()));
            }
            _ => out.trim(),
        }
        let usual = SockAddr::from(SocketAddr::from(([127, 0, 0, 1], 1)));
        let mut batch = [(&[][..], usual); 3];
        let count = out.first(&usual, &mut batch);
        assert_eq!((out.sizes.len(), count), (model.len(), model.len().min(3)));
        for ((bytes, to), (wanted, own)) in batch.iter().zip(&model).take(count) {
            assert_eq!(bytes, wanted);
            assert_eq!(to.to_inet(), own.or_else(|| usual.to_inet()));
        }
    }
    for pair in inbox.make_contiguous().chunks(2) {
        assert!(pair[0].more() && !pair[1].more());
    }
}
