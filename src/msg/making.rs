//! Where messages come from: copies, memory of the application, pieces of a receive buffer.

use super::content::{BodyBuilder, RxBuffer};
use super::header::ForeignFree;
use super::{Body, INLINE_MAX, Kind, Lent, Long, Msg, SHARED, WORDS, content};
use crate::error::Result;
use std::ptr;

impl Msg {
    /// Writes what [`Msg::foreign`] gives to `place`, whose content is not dropped.
    ///
    /// # Safety
    /// As for [`Msg::foreign`]; `place` is valid for a message.
    #[inline]
    pub unsafe fn write_foreign(
        place: *mut Msg,
        data: *mut u8,
        len: usize,
        free: Option<ForeignFree>,
    ) {
        // SAFETY: by contract.
        unsafe {
            let Some(free) = free else { return place.write(Msg::foreign(data, len, None)) };
            let lent = Lent { data, len, base: data, free };
            ptr::addr_of_mut!((*place).body).cast::<Lent>().write(lent);
            let words = place.cast::<u64>();
            words.add(WORDS - 3).write(0);
            words.add(WORDS - 2).write(0);
            words.add(WORDS - 1).write(Msg::tail(Kind::Lent));
        }
    }

    /// A message of `size` bytes with undefined (but initialised or fresh) content.
    ///
    /// # Errors
    /// [`NoMemory`](crate::error::Error::NoMemory) if the body cannot be allocated.
    #[inline]
    pub fn with_size(size: usize) -> Result<Msg> {
        if size <= INLINE_MAX {
            let mut msg = Msg::new();
            msg.inline_len = size as u8;
            return Ok(msg);
        }
        let (header, data) = content::allocate(size)?;
        Ok(Msg::from_body(Body { long: Long { data, len: size, header } }, Kind::Counted, 0, 0))
    }

    /// A message holding a copy of `bytes`.
    ///
    /// # Errors
    /// [`NoMemory`](crate::error::Error::NoMemory) if the body cannot be allocated.
    #[inline]
    pub fn copy_from(bytes: &[u8]) -> Result<Msg> {
        let mut msg = Msg::with_size(bytes.len())?;
        msg.data_mut().copy_from_slice(bytes);
        Ok(msg)
    }

    /// Makes this a message with a copy of `bytes`, without properties, in the memory it has if that
    /// is of the same size.
    ///
    /// # Errors
    /// [`NoMemory`](crate::error::Error::NoMemory) if a body cannot be allocated; the message is
    /// unchanged then.
    #[inline]
    pub(super) fn refill(&mut self, bytes: &[u8]) -> Result<()> {
        let len = bytes.len();
        if len <= INLINE_MAX {
            *self = Msg::new();
            self.inline_len = len as u8;
        } else if self.has_place_for(len) {
            self.body.long.len = len;
            self.metadata = None;
            self.reclaimer = None;
            (self.routing_id, self.flags) = (0, 0);
        } else {
            *self = Msg::with_size(len)?;
        }
        // SAFETY: inline, or a body of its own of `len` bytes, and not the caller's.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.as_mut_ptr(), len) };
        Ok(())
    }

    /// Whether the body is a block of its own, nobody else's, for bodies of `len` bytes.
    #[inline]
    fn has_place_for(&self, len: usize) -> bool {
        self.kind == Kind::Counted
            // SAFETY: kind Counted uses `long` and has a live header.
            && unsafe {
                content::same_size(self.body.long.len, len)
                    && content::is_own_block(self.body.long.header, self.body.long.data)
            }
    }

    /// A message over memory of the application; `free` (if any) is called exactly once, when the
    /// last message that uses the memory is gone (zmq_msg_init_data(3)).
    ///
    /// # Safety
    /// `data` must be valid for `len` bytes until `free` is called, for ever if there is none.
    #[inline]
    pub unsafe fn foreign(data: *mut u8, len: usize, free: Option<ForeignFree>) -> Msg {
        match free {
            None => {
                let long = Long { data, len, header: ptr::null_mut() };
                Msg::from_body(Body { long }, Kind::Constant, 0, 0)
            }
            Some(free) => {
                let lent = Lent { data, len, base: data, free };
                Msg::from_body(Body { lent }, Kind::Lent, 0, 0)
            }
        }
    }

    /// A message that refers to the caller's buffer without owning it.
    ///
    /// # Safety
    /// The message, and everything made from it, must be dropped, or replaced through
    /// [`Msg::make_owned`], before the buffer is invalid. Pipes do that with whatever they store.
    #[inline]
    pub unsafe fn borrowed(bytes: &[u8]) -> Msg {
        let (data, len) = (bytes.as_ptr(), bytes.len());
        if len <= INLINE_MAX {
            let mut msg = Msg::new();
            msg.inline_len = len as u8;
            // SAFETY: `len` fits the inline body.
            unsafe { ptr::copy_nonoverlapping(data, msg.body.inline.as_mut_ptr(), len) };
            return msg;
        }
        let long = Long { data: data.cast_mut(), len, header: ptr::null_mut() };
        Msg::from_body(Body { long }, Kind::Borrowed, 0, 0)
    }

    /// A message over `len` bytes at `offset` of a receive buffer, without a copy if they are too
    /// many to be kept inline.
    ///
    /// # Panics
    /// If the range is outside the filled part of the buffer.
    #[inline]
    pub fn slice_of(buffer: &RxBuffer, offset: usize, len: usize) -> Msg {
        let bytes = &buffer.filled()[offset..offset + len];
        if len <= INLINE_MAX {
            let mut msg = Msg::new();
            msg.inline_len = len as u8;
            // SAFETY: the inline body is valid for INLINE_MAX bytes and `len` is not more.
            unsafe {
                ptr::copy_nonoverlapping(bytes.as_ptr(), msg.body.inline.as_mut_ptr(), len);
            }
            return msg;
        }
        let long = Long { data: bytes.as_ptr().cast_mut(), len, header: buffer.share() };
        Msg::from_body(Body { long }, Kind::Counted, 0, SHARED)
    }

    /// The message of a body that has arrived completely.
    ///
    /// # Panics
    /// If bytes are missing.
    pub fn from_body_builder(builder: BodyBuilder) -> Msg {
        #[allow(clippy::expect_used, reason = "the caller checked that nothing is missing")]
        let (header, data, len) = builder.finish().expect("body is complete");
        Msg::from_body(Body { long: Long { data, len, header } }, Kind::Counted, 0, 0)
    }
}
