//! System calls that an older kernel does not have, or a sandbox does not allow, and what does their
//! work then.
//!
//! A kernel answers ENOSYS. A sandbox (seccomp(2)) answers what its author thought of, mostly EPERM,
//! and the call itself may have errors of its own. So whatever it answers that it does not say by
//! itself, the older call is asked, and what that says counts.

use crate::error::{Error, Result};
use crate::sync::atomic::Ordering;
use crate::sync::statics::AtomicBool;

/// One such call, as far as the process has found out.
pub(super) struct Newer {
    refused: AtomicBool,
}

/// Errors of every call that makes a descriptor: the older one would say the same.
pub(super) const NO_DESCRIPTOR: [Error; 3] =
    [Error::TooManyFiles, Error::Os(libc::ENFILE), Error::NoMemory];

impl Newer {
    pub(super) const fn new() -> Newer {
        Newer { refused: AtomicBool::new(false) }
    }

    /// The result of `newer`, or of `older` where that is refused. Errors in `own` mean that it is not.
    ///
    /// # Errors
    /// Those of the calls.
    #[inline]
    pub(super) fn call<T>(
        &self,
        own: &[Error],
        newer: impl FnOnce() -> Result<T>,
        older: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        if self.refused.load(Ordering::Relaxed) {
            return older();
        }
        match newer() {
            Err(error) if !own.contains(&error) => self.instead(own, older),
            result => result,
        }
    }

    #[cold]
    fn instead<T>(&self, own: &[Error], older: impl FnOnce() -> Result<T>) -> Result<T> {
        let result = older();
        // If that fails as well, it was not the call.
        if result.as_ref().err().is_none_or(|error| own.contains(error)) {
            self.refused.store(true, Ordering::Relaxed);
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_older_call_can_do_is_left_to_it() {
        const REFUSED: Result<u8> = Err(Error::Os(libc::EPERM));
        let call = Newer::new();
        let own = [Error::Interrupted];
        assert_eq!(call.call(&own, || Ok(1), || Ok(2)), Ok(1));
        assert_eq!(call.call(&own, || Err(Error::Interrupted), || Ok(2)), Err(Error::Interrupted));
        assert_eq!(call.call(&own, || Err(Error::Fault), || REFUSED), REFUSED);
        assert_eq!(call.call(&own, || Ok(1), || Ok(2)), Ok(1), "not refused so far");
        assert_eq!(call.call(&own, || REFUSED, || Ok(2)), Ok(2));
        assert_eq!(call.call(&own, || Ok(1), || Ok(2)), Ok(2), "not asked again");
    }
}
