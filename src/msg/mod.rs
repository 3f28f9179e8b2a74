//! Messages: one frame of content with its flags, in the 64 bytes of `zmq_msg_t`.
//!
//! Bodies of up to [`INLINE_MAX`] bytes live inside the message. Longer ones are a pointer, a
//! length and a reference-counted [`Header`] that knows how to free them, so copying a message
//! never copies a long body.

mod arena;
mod content;
mod envelope;
mod header;
#[cfg_attr(loom, path = "kept_none.rs")]
mod kept;
mod making;
mod metadata;
mod reclaim;
mod sink;

pub use arena::{ARENA_LIMIT, Arena};
pub use content::{BodyBuilder, RxBuffer};
pub use envelope::{Envelope, MAX_GROUP};
pub use header::ForeignFree;
pub use kept::set_busy;
pub use metadata::Metadata;
pub use reclaim::{Keeper, Reclaimer, Taken};
pub use sink::{Over, Sink, Slot};

use crate::error::Result;
use header::Header;
use std::mem::{MaybeUninit, offset_of, size_of};
use std::ptr;
use std::sync::Arc;

/// The longest body kept inside the message itself, in bytes.
pub const INLINE_MAX: usize = 40;

/// The longest body in memory of its own that is better copied than handed to another thread.
const COPY_LIMIT: usize = 256;

/// A further part of the same message follows.
pub const MORE: u8 = 1;
/// A ZMTP command, not a message of the application.
pub const COMMAND: u8 = 2;
/// The body may be shared with other messages (`ZMQ_SHARED`).
const SHARED: u8 = 128;

/// Marks memory that holds a live message; anything else in its place is `EFAULT` to C.
const MAGIC: u8 = 0x7a;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    /// The body is in `body.inline`.
    Inline = 0xa1,
    /// The body is owned through `body.long.header`.
    Counted = 0xa2,
    /// The body lives for ever (`zmq_msg_init_data` without a free function, `zmq_send_const`).
    Constant = 0xa3,
    /// The body belongs to the caller of the running send call, see [`Msg::borrowed`].
    Borrowed = 0xa4,
    /// The body is memory of the application that no other message uses: how it is given back is
    /// in `body.lent`. A header is made when the message is shared.
    Lent = 0xa5,
}

#[derive(Clone, Copy)]
#[repr(C)]
struct Long {
    data: *mut u8,
    len: usize,
    header: *mut Header,
}

/// Begins like [`Long`].
#[derive(Clone, Copy)]
#[repr(C)]
struct Lent {
    data: *mut u8,
    len: usize,
    /// Where the memory begins; `data` may be [narrowed](Msg::narrow).
    base: *mut u8,
    free: ForeignFree,
}

#[derive(Clone, Copy)]
#[repr(C)]
union Body {
    inline: [u8; INLINE_MAX],
    long: Long,
    lent: Lent,
}

const _: () = assert!(size_of::<Lent>() <= INLINE_MAX);

/// One frame. Same size and alignment as `zmq_msg_t`, which holds exactly this.
#[repr(C, align(8))]
pub struct Msg {
    body: Body,
    metadata: Option<Arc<Metadata>>,
    /// Who gives memory of the application back, while a socket has the message. None of a message of
    /// the application's own: dropping it gives the memory back.
    reclaimer: Option<&'static Reclaimer>,
    routing_id: u32,
    inline_len: u8,
    flags: u8,
    kind: Kind,
    magic: u8,
}

const _: () = assert!(size_of::<Msg>() == 64 && align_of::<Msg>() == 8);
const _: () = assert!(offset_of!(Msg, metadata) == 8 * (WORDS - 3));
const _: () = assert!(offset_of!(Msg, routing_id) == 8 * (WORDS - 1));

/// Words of 8 bytes in a message.
const WORDS: usize = size_of::<Msg>() / size_of::<u64>();

/// Copies a message word by word: most of it was written that way a moment ago, and wider reads would
/// wait until that has reached the cache.
///
/// # Safety
/// Both are valid for a message.
#[inline(always)]
unsafe fn copy_words(from: *const Msg, to: *mut Msg) {
    let (from, to) = (from.cast::<MaybeUninit<u64>>(), to.cast::<MaybeUninit<u64>>());
    for at in 0..WORDS {
        // SAFETY: by contract. Volatile keeps the compiler from making it one wide copy.
        unsafe { to.add(at).write(from.add(at).read_volatile()) };
    }
}

// SAFETY: long bodies are reference counted atomically and never written while shared; a
// borrowed body is only used during the call that lends it.
unsafe impl Send for Msg {}
// SAFETY: `&Msg` gives read access only.
unsafe impl Sync for Msg {}

impl Msg {
    const fn from_body(body: Body, kind: Kind, inline_len: u8, flags: u8) -> Msg {
        Msg {
            body,
            metadata: None,
            reclaimer: None,
            routing_id: 0,
            inline_len,
            flags,
            kind,
            magic: MAGIC,
        }
    }

    /// The last word of a message, in one piece: a processor that reads as one word what was written
    /// in several waits for all of them to reach the cache.
    const fn tail(kind: Kind) -> u64 {
        u64::from_ne_bytes([0, 0, 0, 0, 0, 0, kind as u8, MAGIC])
    }

    /// Moves the message to `to` and leaves an empty one, word by word as it was written.
    ///
    /// # Safety
    /// `to` is valid for a message, and what it holds is none that has to be dropped.
    #[inline(always)]
    pub(crate) unsafe fn move_to(&mut self, to: *mut Msg) {
        // SAFETY: both by contract, and not the same memory. What is left is an empty message: its
        // inline bytes may be any.
        unsafe {
            copy_words(self, to);
            let words = ptr::from_mut(self).cast::<u64>();
            words.add(WORDS - 3).write(0);
            words.add(WORDS - 2).write(0);
            words.add(WORDS - 1).write(Msg::tail(Kind::Inline));
        }
    }

    /// An empty message.
    #[inline]
    pub const fn new() -> Msg {
        Msg::from_body(Body { inline: [0; INLINE_MAX] }, Kind::Inline, 0, 0)
    }

    /// Makes sure that [`Msg::share`] needs no memory.
    ///
    /// # Errors
    /// [`NoMemory`](crate::error::Error::NoMemory); the message is unchanged then.
    #[inline]
    pub fn make_shareable(&mut self) -> Result<()> {
        if self.kind == Kind::Lent { self.make_counted() } else { Ok(()) }
    }

    #[cold]
    fn make_counted(&mut self) -> Result<()> {
        // SAFETY: the caller saw that the kind is Lent.
        let Lent { data, len, base, free } = unsafe { self.body.lent };
        let header = header::foreign(base, len, free)?;
        self.body = Body { long: Long { data, len, header } };
        self.kind = Kind::Counted;
        Ok(())
    }

    /// Keeps only this part of the body of a message nobody shares.
    ///
    /// # Panics
    /// If the range is outside the body.
    pub fn narrow(&mut self, place: std::ops::Range<usize>) {
        assert!(place.start <= place.end && place.end <= self.len(), "range outside the body");
        let len = place.len();
        if self.kind == Kind::Inline {
            self.data_mut().copy_within(place, 0);
            self.inline_len = len as u8;
        } else {
            // SAFETY: every kind but Inline uses `long`, or begins like it, and the range is inside the body. The
            // header stays where it is.
            unsafe {
                self.body.long.data = self.body.long.data.add(place.start);
                self.body.long.len = len;
            }
        }
    }

    /// Gives a borrowed message a body of its own; does nothing to others.
    ///
    /// # Errors
    /// [`NoMemory`](crate::error::Error::NoMemory); the message is unchanged then.
    #[inline]
    pub fn make_owned(&mut self) -> Result<()> {
        if self.kind == Kind::Borrowed {
            let mut own = Msg::copy_from(self.data())?;
            own.flags |= self.flags;
            own.routing_id = self.routing_id;
            own.metadata = self.metadata.take();
            *self = own;
        }
        Ok(())
    }

    /// Like [`Msg::make_owned`], with small bodies placed in `arena`.
    ///
    /// # Errors
    /// [`NoMemory`](crate::error::Error::NoMemory); the message is unchanged then.
    #[inline]
    pub fn make_owned_in(&mut self, arena: &mut Arena) -> Result<()> {
        if self.kind != Kind::Borrowed || self.len() > ARENA_LIMIT {
            return self.make_owned();
        }
        let len = self.len();
        let (data, header) = arena.place(self.data())?;
        self.body = Body { long: Long { data, len, header } };
        self.kind = Kind::Counted;
        self.flags |= SHARED;
        Ok(())
    }

    /// Gives a slice of a much larger receive buffer a body of its own, so that a message the
    /// application keeps does not pin the buffer. Best effort: without memory it stays a slice.
    #[inline(always)]
    pub fn unpin(&mut self) {
        if self.kind == Kind::Counted && self.len() <= content::PIN_LIMIT && self.is_slice() {
            self.copy_out();
        }
    }

    #[inline(never)]
    fn copy_out(&mut self) {
        if let Ok(mut own) = Msg::copy_from(self.data()) {
            own.flags |= self.flags & !SHARED;
            own.routing_id = self.routing_id;
            own.metadata = self.metadata.take();
            *self = own;
        }
    }

    /// Whether the body belongs to the caller of the running send call.
    #[inline]
    pub fn is_borrowed(&self) -> bool {
        self.kind == Kind::Borrowed
    }

    fn is_slice(&self) -> bool {
        // SAFETY: kind Counted has a live header in `long`.
        unsafe { content::is_rx_buffer(self.body.long.header) }
    }

    /// Whether memory at this place holds a live message (`EFAULT` otherwise).
    ///
    /// # Safety
    /// `msg` must be readable for 64 bytes.
    pub unsafe fn is_live(msg: *const Msg) -> bool {
        let bytes = msg.cast::<u8>();
        // SAFETY: the caller vouches for 64 readable bytes; single bytes have no invalid values.
        unsafe {
            let kind = *bytes.add(std::mem::offset_of!(Msg, kind));
            let magic = *bytes.add(std::mem::offset_of!(Msg, magic));
            magic == MAGIC && (Kind::Inline as u8..=Kind::Lent as u8).contains(&kind)
        }
    }

    /// [`Msg::more`] of memory that holds a message or held one: closing keeps the mark.
    ///
    /// # Safety
    /// `msg` must be readable for 64 bytes.
    pub unsafe fn more_at(msg: *const Msg) -> bool {
        // SAFETY: as in `is_live`.
        unsafe { *msg.cast::<u8>().add(std::mem::offset_of!(Msg, flags)) & MORE != 0 }
    }

    /// The number of bytes of the body.
    #[inline]
    pub fn len(&self) -> usize {
        if self.kind == Kind::Inline {
            self.inline_len as usize
        } else {
            // SAFETY: every kind but Inline uses `long`.
            unsafe { self.body.long.len }
        }
    }

    /// Whether the body has no bytes.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The body.
    #[inline]
    pub fn data(&self) -> &[u8] {
        // SAFETY: inline bytes are initialised; a long body is valid for `len` bytes as long as
        // the message lives. A null pointer with length 0 is not turned into a slice.
        unsafe {
            if self.kind == Kind::Inline {
                std::slice::from_raw_parts(self.body.inline.as_ptr(), self.inline_len as usize)
            } else if self.body.long.len == 0 {
                &[]
            } else {
                std::slice::from_raw_parts(self.body.long.data, self.body.long.len)
            }
        }
    }

    /// The address of the body, which C may write through (zmq_msg_data(3)).
    #[inline]
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        // SAFETY: the kind says which member is in use.
        unsafe {
            if self.kind == Kind::Inline {
                self.body.inline.as_mut_ptr()
            } else {
                self.body.long.data
            }
        }
    }

    /// The body of a message nobody shares, for filling it.
    ///
    /// # Panics
    /// If the body is shared, borrowed or constant.
    #[inline]
    pub fn data_mut(&mut self) -> &mut [u8] {
        let len = self.len();
        match self.kind {
            Kind::Inline | Kind::Lent => {}
            // SAFETY: kind Counted has a live header.
            Kind::Counted => unsafe {
                assert!(content::is_unique(self.body.long.header), "writing to a shared body");
            },
            Kind::Constant | Kind::Borrowed => panic!("writing to a body that is not ours"),
        }
        if len == 0 {
            return &mut [];
        }
        // SAFETY: inline, or the only reference to a counted body of `len` bytes.
        unsafe { std::slice::from_raw_parts_mut(self.as_mut_ptr(), len) }
    }

    /// The frame's flags: [`MORE`], [`COMMAND`].
    #[inline]
    pub fn flags(&self) -> u8 {
        self.flags & (MORE | COMMAND)
    }

    /// Replaces the flags, see [`Msg::flags`].
    #[inline]
    pub(crate) fn set_flags(&mut self, flags: u8) {
        self.flags = self.flags & !(MORE | COMMAND) | flags;
    }

    /// Whether the body is not in counted memory: copying it is all there is to do.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self.kind, Kind::Inline | Kind::Borrowed)
    }

    /// Whether there is nothing to do when the message is dropped.
    #[inline]
    fn is_plain_value(&self) -> bool {
        self.kind == Kind::Inline && self.metadata.is_none()
    }

    /// Whether no memory of the application is involved.
    #[inline]
    pub fn is_ours(&self) -> bool {
        match self.kind {
            // SAFETY: kind Counted has a live header.
            Kind::Counted => unsafe { content::is_ours(self.body.long.header) },
            Kind::Lent => false,
            Kind::Inline | Kind::Constant | Kind::Borrowed => true,
        }
    }

    /// Whether a copy of the bytes is as good as the message: it has no properties, and the body
    /// is not memory of the application that it may want back.
    #[inline]
    pub(crate) fn is_bytes(&self) -> bool {
        self.metadata.is_none()
            && (self.is_plain()
                // SAFETY: kind Counted has a live header.
                || self.kind == Kind::Counted && unsafe { content::is_ours(self.body.long.header) })
    }

    /// Whether copying the body, even for a reader of the same process, costs less than handing it
    /// on and having another thread free it.
    #[inline]
    pub(crate) fn is_better_copied(&self) -> bool {
        self.is_bytes() && (self.is_plain() || self.len() <= COPY_LIMIT)
    }

    /// Whether another part of the same message follows.
    #[inline]
    pub fn more(&self) -> bool {
        self.flags & MORE != 0
    }

    /// Says whether another part follows.
    #[inline]
    pub fn set_more(&mut self, more: bool) {
        if more {
            self.flags |= MORE;
        } else {
            self.flags &= !MORE;
        }
    }

    /// Whether this is a ZMTP command.
    #[inline]
    pub fn is_command(&self) -> bool {
        self.flags & COMMAND != 0
    }

    /// Marks the frame as a ZMTP command.
    pub fn set_command(&mut self) {
        self.flags |= COMMAND;
    }

    /// `ZMQ_SHARED`: whether the body may be shared with another message.
    pub fn shared(&self) -> bool {
        self.kind == Kind::Constant || self.flags & SHARED != 0
    }

    /// Another message with the same content; long bodies are shared, not copied
    /// (zmq_msg_copy(3)). The message must own its body.
    ///
    /// # Errors
    /// [`NoMemory`](crate::error::Error::NoMemory) if it [needs some](Msg::make_shareable); the
    /// message is unchanged then.
    #[inline]
    pub fn share(&mut self) -> Result<Msg> {
        self.make_shareable()?;
        if self.kind == Kind::Counted {
            self.flags |= SHARED;
            // SAFETY: kind Counted has a live header.
            unsafe { content::retain(self.body.long.header) };
        }
        Ok(Msg {
            body: self.body,
            metadata: self.metadata.clone(),
            reclaimer: self.reclaimer,
            routing_id: self.routing_id,
            inline_len: self.inline_len,
            flags: self.flags,
            kind: self.kind,
            magic: MAGIC,
        })
    }

    /// Hands the message to a socket: what the library drops of it from now on goes back by way of
    /// `reclaimer`.
    #[inline(always)]
    pub(crate) fn hand_over(&mut self, reclaimer: Option<&'static Reclaimer>) {
        self.reclaimer = reclaimer;
    }

    /// Makes it the application's own, which it was not before it was received, or could not be sent.
    #[inline(always)]
    pub(crate) fn hand_back(&mut self) {
        self.reclaimer = None;
    }

    /// Whether it can be dropped anywhere, under any lock: that calls nothing of the application's.
    #[inline]
    pub(crate) fn is_safe_to_drop(&self) -> bool {
        self.reclaimer.is_some() || self.is_ours()
    }

    /// For the only user of memory that was lent.
    fn end_loan(&mut self) {
        // SAFETY: the caller saw that the kind is Lent, and nobody uses the memory any more.
        let Lent { base, len, free, .. } = unsafe { self.body.lent };
        match self.reclaimer {
            Some(reclaimer) => reclaimer.retire(base, len, free),
            // SAFETY: as above.
            None => unsafe { free.call(base) },
        }
    }

    /// Takes the content out, leaving an empty message.
    #[inline]
    pub fn take(&mut self) -> Msg {
        std::mem::take(self)
    }

    /// The properties of the connection this message came from, if known.
    pub fn metadata(&self) -> Option<&Arc<Metadata>> {
        self.metadata.as_ref()
    }

    /// Attaches the properties of the connection the message came from.
    #[inline]
    pub fn set_metadata(&mut self, metadata: Option<Arc<Metadata>>) {
        self.metadata = metadata;
    }

    /// Ends the message in place and leaves memory that [`Msg::is_live`] refuses.
    ///
    /// # Safety
    /// `msg` must point to a live message.
    pub unsafe fn close(msg: *mut Msg) {
        // SAFETY: live by contract, and not used as a Msg afterwards.
        unsafe {
            ptr::drop_in_place(msg);
            ptr::addr_of_mut!((*msg).magic).write(0);
        }
    }
}

impl Default for Msg {
    #[inline]
    fn default() -> Self {
        Msg::new()
    }
}

impl Drop for Msg {
    #[inline]
    fn drop(&mut self) {
        match self.kind {
            // SAFETY: kind Counted holds one reference to a live header.
            Kind::Counted => unsafe { content::release(self.body.long.header, self.reclaimer) },
            Kind::Lent => self.end_loan(),
            Kind::Inline | Kind::Constant | Kind::Borrowed => {}
        }
    }
}

impl std::fmt::Debug for Msg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Msg").field("len", &self.len()).field("flags", &self.flags()).finish()
    }
}

#[cfg(all(test, loom))]
mod models;
#[cfg(test)]
mod tests;
