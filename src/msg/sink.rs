//! Where a frame goes that stands ready as bytes in a buffer of the library.

use super::{ForeignFree, Kind, Lent, Metadata, Msg, content, copy_words};
use std::mem::MaybeUninit;
use std::ptr;
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

    /// [`Sink::take_message`] of the message at `from`; says how long its body is.
    ///
    /// # Safety
    /// There is one, which is gone afterwards.
    #[inline]
    unsafe fn take_message_at(&mut self, from: *const Msg) -> usize {
        // SAFETY: by contract.
        let msg = unsafe { from.read() };
        let len = msg.len();
        self.take_message(msg);
        len
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

/// A message, which the application may keep: short bodies are copied, so that it pins no buffer. What
/// it was before is gone, but for its memory, which may serve again.
impl Sink for Msg {
    const TAKES_MESSAGES: bool = true;

    #[inline]
    fn take(&mut self, bytes: &[u8], more: bool) -> bool {
        if bytes.len() > content::PIN_LIMIT {
            return false;
        }
        let filled = self.refill(bytes).is_ok();
        if filled {
            self.set_more(more);
        }
        filled
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

/// A message of the application's that is to be received into. What it was before comes from the
/// same connection as a rule: its reference to that is kept, instead of giving one back and taking
/// another, both of which other processors take part in.
pub struct Slot<'a> {
    msg: &'a mut Msg,
    came_from: Option<Arc<Metadata>>,
}

impl<'a> Slot<'a> {
    /// For a message that is [free](Msg::is_ours) to be dropped anywhere.
    #[inline]
    pub fn new(msg: &'a mut Msg) -> Slot<'a> {
        debug_assert!(msg.is_ours(), "what frees the body may be the application's");
        let came_from = msg.metadata.take();
        Slot { msg, came_from }
    }

    /// Nothing was received: the message is again what it was before.
    #[inline]
    pub fn restore(self) {
        self.msg.metadata = self.came_from;
    }
}

impl Sink for Slot<'_> {
    const TAKES_MESSAGES: bool = true;

    #[inline]
    fn take(&mut self, bytes: &[u8], more: bool) -> bool {
        Sink::take(self.msg, bytes, more)
    }

    #[inline]
    fn take_message(&mut self, msg: Msg) {
        self.msg.take_message(msg);
    }

    #[inline]
    fn came_from(&mut self, metadata: &Arc<Metadata>) {
        let same = self.came_from.take().filter(|kept| Arc::ptr_eq(kept, metadata));
        self.msg.metadata = Some(same.unwrap_or_else(|| metadata.clone()));
    }
}

/// A message of the application's that is to be received into, while a lock is held: what frees its
/// old body is called later.
pub struct Over<'a> {
    msg: &'a mut Msg,
    lent: Option<(*mut u8, ForeignFree)>,
}

impl<'a> Over<'a> {
    /// `None` if the message is one of the rare ones that take more.
    #[inline(always)]
    pub fn new(msg: &'a mut Msg) -> Option<Over<'a>> {
        let lent = match msg.kind {
            Kind::Inline => None,
            Kind::Lent if msg.metadata.is_none() => {
                // SAFETY: the kind says so.
                let Lent { base, free, .. } = unsafe { msg.body.lent };
                Some((base, free))
            }
            _ if msg.is_ours() => None,
            _ => return None,
        };
        Some(Over { msg, lent })
    }

    /// Frees what the message was before. Only after something was received, and without any lock.
    #[inline(always)]
    pub fn finish(self) {
        if let Some((base, free)) = self.lent {
            // SAFETY: the message that was its only user has been overwritten.
            unsafe { free.call(base) };
        }
    }

    /// The place, without anything that would have to be dropped or was kept for later.
    #[inline(always)]
    fn cleared(&mut self) -> &mut Msg {
        if self.lent.is_some() {
            // SAFETY: valid for a message; the old one is freed by `finish`.
            unsafe { ptr::write(self.msg, Msg::new()) };
        }
        self.msg
    }
}

impl Sink for Over<'_> {
    const TAKES_MESSAGES: bool = true;

    #[inline(always)]
    fn take(&mut self, bytes: &[u8], more: bool) -> bool {
        // If it fails the old message must still be there.
        self.lent.is_none() && Sink::take(self.msg, bytes, more)
    }

    #[inline(always)]
    fn take_message(&mut self, msg: Msg) {
        *self.cleared() = msg;
    }

    #[inline(always)]
    unsafe fn take_message_at(&mut self, from: *const Msg) -> usize {
        if self.lent.is_none() && !self.msg.is_plain_value() {
            // SAFETY: live, and overwritten below.
            unsafe { ptr::drop_in_place(self.msg) };
        }
        // SAFETY: valid for a message, and there is nothing to drop any more.
        unsafe { copy_words(from, self.msg) };
        self.msg.len()
    }
}
