//! What two ends of a link have to agree on.

/// How far two ends have agreed on what protects the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// They have, or there is nothing to agree on; and the kernel has all that we had to say about it.
    Reached,
    /// The peer has to say more.
    Hears,
    /// The kernel has to take more of ours.
    Speaks,
}
