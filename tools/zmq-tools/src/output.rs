//! What a program says. Who reads it may have had enough, or the disk may be full: that is no panic, as it is with `println!`.

use std::io::{ErrorKind, Write};

/// Prints; `Ok(false)` if nobody reads it any more. The text of an error is for the user.
pub fn print(text: &str) -> Result<bool, String> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(e) => Err(format!("standard output: {e}")),
        Ok(()) => Ok(true),
    }
}

/// Says something on standard error, if there is anybody to hear it.
pub fn say(text: &str) {
    let _ = std::io::stderr().lock().write_all(format!("{text}\n").as_bytes());
}
