//! Errors, version, capabilities, Z85, CURVE keys, counters, stopwatches and threads.

use super::constants::{ZMQ_VERSION_MAJOR, ZMQ_VERSION_MINOR, ZMQ_VERSION_PATCH};
use super::ffi::{errno, given_to_c, guard, reference, reference_mut, slice, slice_mut, string};
use super::types::zmq_thread_fn_ptr;
use crate::error::{Error, Result};
use crate::sync::atomic::{AtomicI32, Ordering};
use crate::sys::cancel::Cancel;
use crate::sys::poll::poll_with;
use crate::sys::{application, clock, thread};
use crate::util::{keys, reserve, strerror, z85};
use crate::{security, transport};
use std::ffi::{c_char, c_int, c_ulong, c_void};
use std::ptr;
use std::time::{Duration, Instant};

/// `errno` of the calling thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_errno() -> c_int {
    errno()
}

/// The text for an error number, never null (zmq_strerror(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_strerror(errnum: c_int) -> *const c_char {
    match strerror::own_text(errnum) {
        Some(text) => text.as_ptr(),
        // SAFETY: strerror takes any number.
        None => unsafe { libc::strerror(errnum) },
    }
}

/// The version of the library: that of the libzmq it stands in for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_version(major: *mut c_int, minor: *mut c_int, patch: *mut c_int) {
    let version = [ZMQ_VERSION_MAJOR, ZMQ_VERSION_MINOR, ZMQ_VERSION_PATCH];
    for (to, part) in [major, minor, patch].into_iter().zip(version) {
        // SAFETY: C gives addresses of integers, or null.
        if let Ok(to) = unsafe { reference_mut(to) } {
            *to = part;
        }
    }
}

/// 1 if the library provides `capability`, else 0 (zmq_has(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_has(capability: *const c_char) -> c_int {
    // SAFETY: C gives a zero-terminated string, or null.
    unsafe { string(capability) }.map_or(0, |name| c_int::from(has(name)))
}

/// What this library was built with, the draft API always. Transports and mechanisms that every build has have no name in
/// libzmq either. Names are case-sensitive.
fn has(name: &[u8]) -> bool {
    name == b"draft" || name == b"WS" || transport::is_optional(name) || security::is_optional(name)
}

/// Writes the Z85 text of `size` bytes to `dest`, with a zero behind it. Returns `dest`; null and
/// `EINVAL` if `size` is not a multiple of four (zmq_z85_encode(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_z85_encode(
    dest: *mut c_char,
    data: *const u8,
    size: usize,
) -> *mut c_char {
    guard(|| {
        let len = z85::encoded_len(size).ok_or(Error::Invalid)?;
        if dest.is_null() {
            return Err(Error::Fault);
        }
        // SAFETY: C gives `size` bytes, and room for five characters for every four, and a zero.
        let (data, text) = unsafe { (slice(data, size)?, slice_mut(dest.cast(), len + 1)?) };
        if let Some((end, text)) = text.split_last_mut() {
            z85::encode_to(text, data);
            *end = 0;
        }
        Ok(dest)
    })
}

/// Writes the bytes of a Z85 text to `dest`. Returns `dest`, null and `EINVAL` if the text is not
/// valid (zmq_z85_decode(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_z85_decode(dest: *mut u8, text: *const c_char) -> *mut u8 {
    guard(|| {
        // SAFETY: C gives a zero-terminated string, or null.
        let text = unsafe { string(text) }?;
        let len = z85::decoded_len(text.len()).ok_or(Error::Invalid)?;
        if dest.is_null() {
            return Err(Error::Fault);
        }
        // SAFETY: C gives room for four bytes for every five characters.
        let bytes = unsafe { slice_mut(dest, len)? };
        if z85::decode_to(bytes, text) { Ok(dest) } else { Err(Error::Invalid) }
    })
}

/// Writes a key as Z85 and a zero to memory of C.
unsafe fn store_key(to: *mut c_char, key: &[u8; keys::KEY_LEN]) -> Result<()> {
    // SAFETY: zmq_curve_keypair(3): the buffers have 41 bytes.
    let text = unsafe { slice_mut(to.cast::<u8>(), keys::KEY_TEXT_LEN + 1)? };
    text[keys::KEY_TEXT_LEN] = 0;
    z85::encode_to(&mut text[..keys::KEY_TEXT_LEN], key);
    Ok(())
}

/// Makes a CURVE key pair, in Z85: 40 characters and a zero each. `EFAULT`, or what the system's
/// random source says (zmq_curve_keypair(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_curve_keypair(
    z85_public_key: *mut c_char,
    z85_secret_key: *mut c_char,
) -> c_int {
    guard(|| {
        if z85_public_key.is_null() || z85_secret_key.is_null() {
            return Err(Error::Fault);
        }
        let mut secret = keys::SecretKey::default();
        let public = keys::generate(&mut secret)?;
        // SAFETY: C gives two buffers of 41 bytes.
        unsafe {
            store_key(z85_public_key, &public)?;
            store_key(z85_secret_key, &secret)?;
        }
        Ok(0)
    })
}

/// The public key that belongs to a secret one, both in Z85. `EFAULT`, `EINVAL` for what is no key
/// (zmq_curve_public(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_curve_public(
    z85_public_key: *mut c_char,
    z85_secret_key: *const c_char,
) -> c_int {
    guard(|| {
        let mut secret = keys::SecretKey::default();
        // SAFETY: C gives a zero-terminated string.
        let text = unsafe { string(z85_secret_key) }?;
        if !z85::decode_to(secret.as_mut_slice(), text) {
            return Err(Error::Invalid);
        }
        // SAFETY: C gives a buffer of 41 bytes.
        unsafe { store_key(z85_public_key, &keys::public_of(&secret)) }.map(|()| 0)
    })
}

/// Makes a counter with the value zero. Null and `ENOMEM` on failure (zmq_atomic_counter_new(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_atomic_counter_new() -> *mut c_void {
    guard(|| given_to_c(AtomicI32::new(0)))
}

/// Sets the value.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_atomic_counter_set(counter: *mut c_void, value: c_int) {
    guard(|| {
        // SAFETY: C gives what `zmq_atomic_counter_new` returned.
        unsafe { reference(counter.cast::<AtomicI32>()) }?.store(value, Ordering::SeqCst);
        Ok(())
    });
}

/// Adds one and returns the value before that.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_atomic_counter_inc(counter: *mut c_void) -> c_int {
    // SAFETY: as in `zmq_atomic_counter_set`.
    guard(|| Ok(unsafe { reference(counter.cast::<AtomicI32>()) }?.fetch_add(1, Ordering::SeqCst)))
}

/// Takes one away and returns 0 if the counter is zero now, else 1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_atomic_counter_dec(counter: *mut c_void) -> c_int {
    guard(|| {
        // SAFETY: as in `zmq_atomic_counter_set`.
        let counter = unsafe { reference(counter.cast::<AtomicI32>()) }?;
        Ok(c_int::from(counter.fetch_sub(1, Ordering::SeqCst) != 1))
    })
}

/// The value.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_atomic_counter_value(counter: *mut c_void) -> c_int {
    // SAFETY: as in `zmq_atomic_counter_set`.
    guard(|| Ok(unsafe { reference(counter.cast::<AtomicI32>()) }?.load(Ordering::SeqCst)))
}

/// Ends a counter and sets the pointer to it to null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_atomic_counter_destroy(counter_p: *mut *mut c_void) {
    guard(|| {
        // SAFETY: C gives the address of its pointer to a counter, which nobody uses any more.
        unsafe {
            let counter = reference_mut(counter_p)?;
            if !counter.is_null() {
                drop(Box::from_raw(counter.cast::<AtomicI32>()));
                *counter = ptr::null_mut();
            }
        }
        Ok(())
    });
}

/// Microseconds since `start`.
fn microseconds(start: &Instant) -> c_ulong {
    c_ulong::try_from(clock::since(*start).as_micros()).unwrap_or(c_ulong::MAX)
}

/// Starts a stopwatch. Null and `ENOMEM` on failure.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_stopwatch_start() -> *mut c_void {
    guard(|| given_to_c(clock::now()))
}

/// The microseconds since the stopwatch was started.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_stopwatch_intermediate(watch: *mut c_void) -> c_ulong {
    // SAFETY: C gives what `zmq_stopwatch_start` returned.
    guard(|| Ok(microseconds(unsafe { reference(watch.cast::<Instant>()) }?)))
}

/// The microseconds since the stopwatch was started, which ends here.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_stopwatch_stop(watch: *mut c_void) -> c_ulong {
    guard(|| {
        // SAFETY: C gives what `zmq_stopwatch_start` returned, for the last time.
        let elapsed = microseconds(unsafe { reference(watch.cast::<Instant>()) }?);
        // SAFETY: as above, and no reference is left.
        drop(unsafe { Box::from_raw(watch.cast::<Instant>()) });
        Ok(elapsed)
    })
}

/// Sleeps for a number of seconds, or until a signal comes.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_sleep(seconds: c_int) {
    // A negative number is a very long time, as in libzmq.
    let time = Duration::from_secs(u64::from(seconds as libc::c_uint));
    guard(|| poll_with(&mut [], Some(time), None, Cancel::Acts).map(drop));
}

/// Starts a thread. Returns a handle for `zmq_threadclose`, null and `EFAULT`, `ENOMEM` or `EAGAIN` if
/// there can be no thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_threadstart(func: zmq_thread_fn_ptr, arg: *mut c_void) -> *mut c_void {
    guard(|| {
        let function = func.ok_or(Error::Fault)?;
        reserve::ready()?;
        // SAFETY: C gives a function that a thread may call with this argument.
        let thread = unsafe { application::start(function, arg) }?;
        Ok(Box::into_raw(Box::new(thread)).cast())
    })
}

/// Waits for the end of a thread and frees its handle.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_threadclose(thread: *mut c_void) {
    let handle = thread.cast::<application::Thread>();
    // SAFETY: C gives what `zmq_threadstart` returned, for the last time.
    let id = guard(|| unsafe { reference(handle) }.map(application::Thread::id));
    if id != 0 {
        // SAFETY: joined once. This thread may end here, and the handle stays then.
        unsafe { thread::join(id) };
        // SAFETY: `zmq_threadstart` made it, and nobody uses it any more.
        drop(unsafe { Box::from_raw(handle) });
    }
}

#[cfg(test)]
mod tests {
    use super::has;

    #[test]
    fn names_of_capabilities_are_exact() {
        assert!(has(b"ipc") && has(b"curve") && has(b"draft"));
        for name in [&b"IPC"[..], b"curve ", b"", b"DRAFT", b"plain", b"tcp", b"epgm"] {
            assert!(!has(name), "{name:?}");
        }
    }
}
