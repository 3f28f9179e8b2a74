//! Lists of pipes that somebody has to come back to.

use crate::pattern::PipeId;
use crate::util::line::Line;

/// No pipe.
pub(super) const NONE: PipeId = PipeId::MAX;

/// The first and the last of the pipes that are listed, which name their neighbours themselves: to be
/// listed takes no memory, so there is always enough.
#[derive(Debug)]
pub(super) struct Reported {
    pub(super) first: PipeId,
    pub(super) last: PipeId,
    pub(super) len: usize,
}

impl Reported {
    /// Lists none.
    pub(super) const fn new() -> Reported {
        Reported { first: NONE, last: NONE, len: 0 }
    }
}

/// What a listed pipe says: who comes before it and behind it, or [`NONE`].
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) before: PipeId,
    pub(super) behind: PipeId,
}

/// Pipes with something unread.
#[derive(Debug, Default)]
pub(super) struct Unread {
    pub(super) pipes: Line,
    /// How many turns ended with a pipe that spent what was left.
    pub(super) turns: u64,
}
