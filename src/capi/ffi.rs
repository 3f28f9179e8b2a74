//! What every exported function needs: errno, panics, and pointers turned into references.

use super::types::zmq_msg_t;
use crate::error::{Error, Result};
use crate::msg::Msg;
use crate::sys::cancel;
use crate::util::reserve;
use std::ffi::{CStr, c_char, c_int, c_long, c_ulong, c_void};
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Sets `errno` of the calling thread.
pub(crate) fn set_errno(number: c_int) {
    // SAFETY: the address is that of this thread's errno.
    unsafe { *libc::__errno_location() = number };
}

/// `errno` of the calling thread.
pub(crate) fn errno() -> c_int {
    // SAFETY: as in `set_errno`.
    unsafe { *libc::__errno_location() }
}

/// Reports `error` as C functions do: in `errno`, with -1 as the result.
pub(crate) fn fail(error: Error) -> c_int {
    set_errno(error.errno());
    -1
}

/// Result types of C functions, with the value that means "look at errno".
pub(crate) trait Failure {
    /// The value that reports a failure.
    const FAILED: Self;
}

impl Failure for c_int {
    const FAILED: c_int = -1;
}

impl Failure for c_long {
    const FAILED: c_long = -1;
}

impl Failure for c_ulong {
    const FAILED: c_ulong = 0;
}

impl Failure for u32 {
    const FAILED: u32 = 0;
}

impl Failure for () {
    const FAILED: () = ();
}

impl<T> Failure for *mut T {
    const FAILED: *mut T = std::ptr::null_mut();
}

impl<T> Failure for *const T {
    const FAILED: *const T = std::ptr::null();
}

/// Runs the body of an exported function and reports an error through `errno`.
///
/// A panic must not unwind into C. It means a defect of ours, so no error number tells the truth;
/// `EFAULT` is the one programs already treat as "this handle is unusable" and never retry on.
///
/// Where the thread was cancelled it ends here, and unwinds its callers: a function whose body waits
/// is `extern "C-unwind"`, and has nothing to put in order beside its body.
pub(crate) fn guard<T: Failure>(body: impl FnOnce() -> Result<T>) -> T {
    let error = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(value)) => return value,
        Ok(Err(error)) => error,
        Err(panic) => {
            // Dropping a panic's payload runs foreign code, which might panic again.
            std::mem::forget(panic);
            Error::Fault
        }
    };
    if error == Error::Cancelled {
        // SAFETY: the body is over and all that was its; what calls this is as the text above says.
        unsafe { cancel::go_on() };
    }
    set_errno(error.errno());
    T::FAILED
}

/// What C is given a pointer to, until it gives it back.
///
/// # Errors
/// [`Error::NoMemory`].
pub(crate) fn given_to_c<T>(object: T) -> Result<*mut c_void> {
    reserve::ready()?;
    Ok(Box::into_raw(Box::new(object)).cast())
}

/// For an exported function that may wait, as the first thing it does: where the thread was cancelled
/// it ends here.
///
/// # Safety
/// The caller is `extern "C-unwind"` and has nothing to put in order.
#[inline]
pub(crate) unsafe fn cancellation_point() {
    // SAFETY: passed on.
    unsafe { cancel::point() };
}

/// A reference to what C points at; `EFAULT` for null and misaligned pointers.
///
/// # Safety
/// Any other pointer must be valid for `'a`, and nothing may write to it meanwhile.
pub(crate) unsafe fn reference<'a, T>(pointer: *const T) -> Result<&'a T> {
    if !pointer.is_aligned() {
        return Err(Error::Fault);
    }
    // SAFETY: aligned and, if not null, valid by contract.
    unsafe { pointer.as_ref() }.ok_or(Error::Fault)
}

/// A mutable reference to what C points at; `EFAULT` for null and misaligned pointers.
///
/// # Safety
/// Any other pointer must be valid for `'a`, and nobody else may use it meanwhile.
pub(crate) unsafe fn reference_mut<'a, T>(pointer: *mut T) -> Result<&'a mut T> {
    if !pointer.is_aligned() {
        return Err(Error::Fault);
    }
    // SAFETY: aligned and, if not null, valid by contract.
    unsafe { pointer.as_mut() }.ok_or(Error::Fault)
}

/// Whether `count` things of this type can be one object. No length or count of C's is used before
/// it was checked here: what no object can have is a mistake in the caller's arithmetic, -1 mostly.
#[inline]
fn fits<T>(count: usize) -> bool {
    count <= isize::MAX as usize / size_of::<T>().max(1)
}

/// What C points at, `count` times; `EFAULT` for null and misaligned pointers, `ENOMEM` for a count
/// that no object can have. A pointer to nothing may be null.
///
/// # Safety
/// Any other pointer must be valid for `'a`, and nothing may write to it meanwhile.
#[inline]
pub(crate) unsafe fn slice<'a, T>(pointer: *const T, count: usize) -> Result<&'a [T]> {
    if count == 0 {
        return Ok(&[]);
    }
    if !fits::<T>(count) {
        return Err(Error::NoMemory);
    }
    if pointer.is_null() || !pointer.is_aligned() {
        return Err(Error::Fault);
    }
    // SAFETY: not null, aligned, not too long, and valid by contract.
    Ok(unsafe { std::slice::from_raw_parts(pointer, count) })
}

/// The same of what C lets us write to.
///
/// # Safety
/// Any other pointer must be valid for `'a`, and nobody else may use it meanwhile.
#[inline]
pub(crate) unsafe fn slice_mut<'a, T>(pointer: *mut T, count: usize) -> Result<&'a mut [T]> {
    if count == 0 {
        return Ok(&mut []);
    }
    if !fits::<T>(count) {
        return Err(Error::NoMemory);
    }
    if pointer.is_null() || !pointer.is_aligned() {
        return Err(Error::Fault);
    }
    // SAFETY: not null, aligned, not too long, and valid by contract.
    Ok(unsafe { std::slice::from_raw_parts_mut(pointer, count) })
}

/// The bytes of a buffer of C's, see [`slice()`].
///
/// # Safety
/// As for [`slice()`].
#[inline]
pub(crate) unsafe fn bytes<'a>(buffer: *const c_void, len: usize) -> Result<&'a [u8]> {
    // SAFETY: passed on.
    unsafe { slice(buffer.cast::<u8>(), len) }
}

/// The room in a buffer of C's, initialised or not. A length that no object can have means the
/// longest there can be: libzmq, too, writes what there is, and not more.
///
/// # Safety
/// As for [`slice_mut`], as far as `len` can be true.
#[inline]
pub(crate) unsafe fn room<'a>(
    buffer: *mut c_void,
    len: usize,
) -> Result<&'a mut [MaybeUninit<u8>]> {
    // SAFETY: passed on.
    unsafe { slice_mut(buffer.cast(), len.min(isize::MAX as usize)) }
}

/// The bytes of a C string, without its zero; `EFAULT` for null.
///
/// # Safety
/// Any other pointer must be a zero-terminated string that lives and stays as it is for `'a`.
pub(crate) unsafe fn string<'a>(text: *const c_char) -> Result<&'a [u8]> {
    if text.is_null() {
        return Err(Error::Fault);
    }
    // SAFETY: zero-terminated by contract.
    Ok(unsafe { CStr::from_ptr(text) }.to_bytes())
}

/// Where a message is or will be; `EFAULT` for null and misaligned pointers.
pub(crate) fn place(msg: *mut zmq_msg_t) -> Result<*mut Msg> {
    let place = msg.cast::<Msg>();
    if place.is_null() || !place.is_aligned() { Err(Error::Fault) } else { Ok(place) }
}

/// The message at `msg`; `EFAULT` if there is none (never initialised, or closed).
///
/// # Safety
/// A pointer that is not null must be readable for 64 bytes, and nobody may change the message
/// for `'a`.
#[inline]
pub(crate) unsafe fn message<'a>(msg: *const zmq_msg_t) -> Result<&'a Msg> {
    let place = place(msg.cast_mut())?;
    // SAFETY: 64 readable, aligned bytes, and a reference only if a message is there.
    unsafe { if Msg::is_live(place) { Ok(&*place) } else { Err(Error::Fault) } }
}

/// The message at `msg`, to be changed; `EFAULT` if there is none.
///
/// # Safety
/// As [`message`], and nobody else may use the message for `'a`.
#[inline]
pub(crate) unsafe fn message_mut<'a>(msg: *mut zmq_msg_t) -> Result<&'a mut Msg> {
    let place = place(msg)?;
    // SAFETY: as in `message`, and exclusive by contract.
    unsafe { if Msg::is_live(place) { Ok(&mut *place) } else { Err(Error::Fault) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_and_panics_become_errno() {
        assert_eq!(guard(|| Ok(7 as c_int)), 7);
        assert_eq!(guard(|| Err::<c_int, _>(Error::Terminated)), -1);
        assert_eq!(errno(), crate::error::ETERM);
        assert!(guard::<*mut u8>(|| panic!("for the test")).is_null());
        assert_eq!(errno(), libc::EFAULT);
    }

    #[test]
    fn misaligned_and_null_messages_are_faults() {
        let mut space = [0u64; 9];
        let odd = space.as_mut_ptr().cast::<u8>().wrapping_add(1).cast();
        // SAFETY: 64 readable bytes or null.
        unsafe {
            assert_eq!(message(odd).err(), Some(Error::Fault));
            assert_eq!(message(std::ptr::null()).err(), Some(Error::Fault));
            assert_eq!(message_mut(space.as_mut_ptr().cast()).err(), Some(Error::Fault));
        }
    }
}
