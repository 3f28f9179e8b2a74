//! What a message carries besides its body: the number of the peer it came from or goes to (RFC 41), and
//! its group (RFC 48).
//!
//! The number has its place in the message. A group may be as long as [`MAX_GROUP`]: it is in [`Metadata`]
//! of its own, in front of that of the connection, which messages of one group share.

use super::{Metadata, Msg};
use crate::error::{Error, Result};
use crate::sys::local::Local;
use crate::util::reserve;
use std::ffi::{CStr, CString};
use std::sync::Arc;

/// The longest group, in bytes.
pub const MAX_GROUP: usize = 255;

/// Puts a group on messages. Those that follow one another are mostly of one connection, or none, and
/// share what it takes.
#[derive(Debug)]
pub struct Envelope {
    group: CString,
    /// That of the last message.
    last: Option<Arc<Metadata>>,
}

impl Envelope {
    /// For messages of this group.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is too long, or there is a zero in it; [`Error::NoMemory`].
    pub fn new(group: &[u8]) -> Result<Envelope> {
        if group.len() > MAX_GROUP {
            return Err(Error::Invalid);
        }
        reserve::ready()?;
        Ok(Envelope { group: CString::new(group).map_err(|_| Error::Invalid)?, last: None })
    }

    /// Gives a message the group.
    #[inline]
    pub fn put_on(&mut self, msg: &mut Msg) {
        let of = msg.metadata.take().and_then(Metadata::of_connection);
        let same = self.last.as_ref().filter(|last| last.has_come_from(of.as_ref()));
        let metadata = match same {
            Some(last) => last.clone(),
            None => Arc::new(Metadata::of_group(self.group.clone(), of)),
        };
        if same.is_none() {
            self.last = Some(metadata.clone());
        }
        msg.metadata = Some(metadata);
    }
}

/// That of the group whose name the thread gave last.
static LAST: Local<Option<Envelope>> = Local::new();

impl Msg {
    /// Its group; empty if it has none.
    #[inline]
    pub fn group(&self) -> &CStr {
        self.metadata().and_then(|metadata| metadata.group()).unwrap_or_default()
    }

    /// Puts the message into a group. On an error it stays in the one it is in.
    ///
    /// # Errors
    /// As [`Envelope::new`].
    pub fn set_group(&mut self, group: &[u8]) -> Result<()> {
        if self.metadata.is_some() {
            // What is known of where it came from would be kept alive by the next message.
            Envelope::new(group)?.put_on(self);
            return Ok(());
        }
        let same = |last: &Envelope| last.group.as_bytes() == group;
        let put = |last: &mut Option<Envelope>| -> Result<()> {
            if !last.as_ref().is_some_and(same) {
                *last = Some(Envelope::new(group)?);
            }
            last.iter_mut().for_each(|envelope| envelope.put_on(self));
            Ok(())
        };
        match LAST.with(|| None, put) {
            Some(result) => result,
            None => Envelope::new(group).map(|mut envelope| envelope.put_on(self)),
        }
    }

    /// The number of the peer it came from, or is to go to; 0: none.
    #[inline]
    pub fn routing_id(&self) -> u32 {
        self.routing_id
    }

    /// Says which peer it is to go to, or came from.
    #[inline]
    pub fn set_routing_id(&mut self, routing_id: u32) {
        self.routing_id = routing_id;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_shared_by_those_that_follow() {
        let mut connection = Metadata::default();
        connection.add(b"Name", b"value");
        let connection = Arc::new(connection);
        let mut envelope = Envelope::new(b"group").expect("memory");
        let mut came = || {
            let mut msg = Msg::new();
            msg.set_metadata(Some(connection.clone()));
            envelope.put_on(&mut msg);
            msg
        };
        let (first, second) = (came(), came());
        let same = |a: &Msg, b: &Msg| Arc::ptr_eq(a.metadata().unwrap(), b.metadata().unwrap());
        assert!(same(&first, &second) && first.group() == c"group");
        assert_eq!(first.metadata().unwrap().get(b"Name"), Some(c"value"));
        let mut alone = Msg::new();
        envelope.put_on(&mut alone);
        assert!(alone.group() == c"group" && !same(&alone, &first));
        assert_eq!(alone.metadata().unwrap().get(b"Name"), None);
        // From one group to another, what is known of the connection stays.
        let mut first = first;
        first.set_group(b"other").unwrap();
        assert_eq!(first.group(), c"other");
        assert_eq!(first.metadata().unwrap().get(b"Name"), Some(c"value"));
        assert_eq!(Arc::strong_count(&connection), 3);
    }

    #[test]
    fn a_group_has_a_length_and_no_zero() {
        let mut msg = Msg::copy_from(b"body").unwrap();
        assert_eq!((msg.group(), msg.routing_id()), (c"", 0));
        msg.set_group(&[b'a'; MAX_GROUP]).unwrap();
        assert_eq!(msg.set_group(&[b'a'; MAX_GROUP + 1]), Err(Error::Invalid));
        assert_eq!(msg.set_group(b"a\0b"), Err(Error::Invalid));
        assert_eq!(msg.group().to_bytes(), [b'a'; MAX_GROUP]);
        msg.set_routing_id(7);
        let copy = msg.share().unwrap();
        assert_eq!((copy.group(), copy.routing_id()), (msg.group(), 7));
        msg.set_group(b"").unwrap();
        assert_eq!((msg.group(), msg.data()), (c"", &b"body"[..]));
    }

    #[test]
    fn a_thread_that_names_a_group_again_needs_no_memory_for_it() {
        let named = |group: &[u8]| {
            let mut msg = Msg::new();
            msg.set_group(group).unwrap();
            msg
        };
        let (one, again, other) = (named(b"one"), named(b"one"), named(b"other"));
        assert!(Arc::ptr_eq(one.metadata().unwrap(), again.metadata().unwrap()));
        assert_eq!((one.group(), other.group(), named(b"one").group()), (c"one", c"other", c"one"));
    }
}
