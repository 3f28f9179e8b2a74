//! Where a frame goes that stands ready as bytes in a buffer of the library.

use super::{Metadata, Msg, content};
use std::mem::MaybeUninit;
use std::sync::Arc;

/// Takes a frame straight from the buffer it stands in.
pub trait Sink {
    /// Takes the body; `more` says whether another part of the same message follows. False if a
    /// [`Msg`] that shares the buffer is better; nothing happened then.
    fn take(&mut self, bytes: &[u8], more: bool) -> bool;

    /// Where a body of `len` bytes may be put that is not here yet, valid for as many; what is put
    /// there does not count before it is complete. `None` if that is no better than a [`Msg`].
    #[inline]
    fn place(&mut self, len: usize) -> Option<*mut u8> {
        let _ = len;
        None
    }

    /// Whether messages as such are welcome, too: [`Sink::take_message`] may be called.
    const TAKES_MESSAGES: bool;

    /// Takes a message with its body.
    #[inline]
    fn take_message(&mut self, msg: Msg) {
        drop(msg);
    }

    /// Says which connection the message came from.
    #[inline]
    fn came_from(&mut self, metadata: &Arc<Metadata>) {
        let _ = metadata;
    }
}

/// The caller's buffer; what does not fit is lost (zmq_recv(3)).
impl Sink for [MaybeUninit<u8>] {
    /// A body must not be freed here: what frees it may be the application's.
    const TAKES_MESSAGES: bool = false;

    #[inline]
    fn place(&mut self, len: usize) -> Option<*mut u8> {
        (len <= self.len()).then(|| self.as_mut_ptr().cast())
    }

    #[inline]
    fn take(&mut self, bytes: &[u8], _more: bool) -> bool {
        let fits = bytes.len().min(self.len());
        // SAFETY: both are valid for `fits` bytes, and a caller's buffer is none of the library's.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.as_mut_ptr().cast(), fits) };
        true
    }
}

/// A message, which the application may keep: short bodies are copied, so that it pins no buffer.
impl Sink for Msg {
    const TAKES_MESSAGES: bool = true;

    #[inline]
    fn take(&mut self, bytes: &[u8], more: bool) -> bool {
        if bytes.len() > content::PIN_LIMIT {
            return false;
        }
        match Msg::copy_from(bytes) {
            Ok(msg) => {
                *self = msg;
                self.set_more(more);
                true
            }
            Err(_) => false,
        }
    }

    #[inline]
    fn take_message(&mut self, msg: Msg) {
        *self = msg;
    }

    #[inline]
    fn came_from(&mut self, metadata: &Arc<Metadata>) {
        self.set_metadata(Some(metadata.clone()));
    }
}
