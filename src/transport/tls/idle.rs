//! Buffers that octets of peers are read into. A session has one while there is something in it, and no longer: half of a record is
//! with rustls. So peers that are quiet, or have said half of a greeting, cost none, however many they are.

use crate::error::Result;
use crate::sync::PerProcess;
use crate::sync::mutex::Mutex;
use crate::util::buffer::Buffer;
use crate::util::memory::try_room;

/// What one read asks the kernel for.
pub(super) const INPUT: usize = 1 << 16;

/// As many are kept as threads are likely to read at the same time.
const MOST: usize = 4;

static IDLE: PerProcess<Mutex<Vec<Buffer>>> = PerProcess::new(Mutex::new(Vec::new()));

fn idle() -> &'static Mutex<Vec<Buffer>> {
    IDLE.get_or(|_| Mutex::new(Vec::new()))
}

#[cfg(test)]
thread_local! {
    /// There is no memory for one.
    pub(in crate::transport) static REFUSES: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// One of [`INPUT`] octets.
///
/// # Errors
/// `NoMemory`.
pub(super) fn take() -> Result<Buffer> {
    #[cfg(test)]
    if REFUSES.get() {
        return Err(crate::error::Error::NoMemory);
    }
    if let Some(buffer) = idle().lock().pop() {
        return Ok(buffer);
    }
    let mut buffer = Buffer::new();
    buffer.reserve_exact(INPUT)?;
    buffer.resize(INPUT);
    Ok(buffer)
}

/// It is not used any more.
pub(super) fn give(buffer: Buffer) {
    let mut idle = idle().lock();
    if buffer.len() == INPUT && idle.len() < MOST && try_room(&mut *idle, 1).is_ok() {
        idle.push(buffer);
    }
}
