//! A datagram from RADIO to DISH: the length of the group in one byte, the group, and the body. RFC 48 leaves
//! that to the transport; it is what libzmq sends.

/// What comes before the body. `None`: no group is that long.
pub fn head(group: &[u8]) -> Option<([u8; 1], &[u8])> {
    u8::try_from(group.len()).ok().map(|length| ([length], group))
}

/// Group and body. `None` if the group would be longer than the datagram.
pub fn parse(datagram: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&length, rest) = datagram.split_first()?;
    rest.split_at_checked(usize::from(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(group: &[u8], body: &[u8]) -> Vec<u8> {
        let (length, group) = head(group).unwrap_or_default();
        [&length, group, body].concat()
    }

    /// What libzmq 4.3.6 sent.
    #[test]
    fn datagrams_are_as_captured() {
        assert_eq!(write(b"TV", b"hello"), b"\x02TVhello");
        assert_eq!(write(b"Movies", b"hello"), b"\x06Movieshello");
        assert_eq!(parse(b"\x02TVhello"), Some((&b"TV"[..], &b"hello"[..])));
    }

    /// Of every length, with every length of a group in it.
    #[test]
    fn groups_end_within_their_datagram() {
        for length in 0..=600 {
            for group in 0..=255_u8 {
                let mut datagram = vec![b'x'; length];
                if let Some(first) = datagram.first_mut() {
                    *first = group;
                }
                match parse(&datagram) {
                    Some((found, body)) => {
                        assert_eq!(found.len(), usize::from(group));
                        assert_eq!(1 + found.len() + body.len(), length);
                        assert_eq!(write(found, body), datagram);
                    }
                    None => assert!(length <= usize::from(group)),
                }
            }
        }
        assert_eq!(head(&[b'g'; 256]), None);
    }
}
