//! Words for whoever runs the program.

/// Writes a line to standard error, all at once, if that can be done without waiting: nobody waits for who reads it. What
/// cannot be written is lost.
#[cfg(not(sim))]
pub fn say(line: &str) {
    use super::raw;
    let mut place = libc::pollfd { fd: libc::STDERR_FILENO, events: libc::POLLOUT, revents: 0 };
    // A pipe says that it takes some if it takes 4096 bytes, and so many are written at once.
    let bytes = line.as_bytes();
    let bytes = bytes.get(..4095).unwrap_or(bytes);
    // SAFETY: one entry, and as many bytes as the length says; both outlive the calls.
    unsafe {
        if raw::poll(&raw mut place, 1, 0) == 1 && place.revents & libc::POLLOUT != 0 {
            raw::write(libc::STDERR_FILENO, bytes.as_ptr().cast(), bytes.len());
        }
    }
}

/// There is nobody in a made-up world.
#[cfg(sim)]
pub fn say(_line: &str) {}
