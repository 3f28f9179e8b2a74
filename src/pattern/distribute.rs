//! Distribution: one message to many pipes (RFC 29, PUB: "SHALL NOT block on sending" and
//! "SHALL silently drop the message if the queue for a subscriber is full").

use super::ring::Ring;
use super::{Loss, PipeId, PipeSet};
use crate::error::Result;
use crate::msg::Msg;

/// Bodies of one part up to this size are copied by each pipe: where they go to is memory of the
/// pipe, and counting references would cost more.
const SHARE_ABOVE: usize = 256;

/// Marks a chosen pipe that is gone.
const GONE: PipeId = 1 << 31;

/// Copies each message to the pipes chosen for it. The choice is made before the first frame
/// and holds for the whole message.
#[derive(Debug, Default)]
pub(crate) struct Distribute {
    pipes: Ring,
    chosen: Vec<PipeId>,
    /// So many of them have gone since, in the middle of the message, and are [marked](GONE).
    gone: usize,
    /// The chosen ones are in the order of their numbers.
    sorted: bool,
    more: bool,
}

impl Distribute {
    pub(crate) fn attach(&mut self, id: PipeId) {
        self.pipes.insert(id);
    }

    pub(crate) fn detach(&mut self, id: PipeId) {
        self.pipes.remove(id);
        self.sort_chosen();
        if let Some(at) = self.place_of(id)
            && let Some(chosen) = self.chosen.get_mut(at)
        {
            *chosen |= GONE;
            self.gone += 1;
        }
        if self.gone == self.chosen.len() {
            self.chosen = Vec::new();
            self.gone = 0;
        }
    }

    /// Where a chosen pipe stands among those in order, unless it is gone.
    fn place_of(&self, id: PipeId) -> Option<usize> {
        let at = self.chosen.binary_search_by_key(&id, |chosen| chosen & !GONE).ok()?;
        (self.chosen.get(at) == Some(&id)).then_some(at)
    }

    /// From now on, until others are chosen, [`Distribute::is_chosen`] finds a pipe without looking at all of them.
    pub(crate) fn sort_chosen(&mut self) {
        if !self.sorted {
            self.sweep();
            self.chosen.sort_unstable();
            self.sorted = true;
        }
    }

    /// Forgets those that are gone.
    #[cold]
    fn sweep(&mut self) {
        if self.gone > 0 {
            self.chosen.retain(|&id| id & GONE == 0);
            self.gone = 0;
        }
    }

    /// Every pipe.
    pub(crate) fn all(&self) -> &[PipeId] {
        self.pipes.all()
    }

    /// Whether the next frame continues the message of the last one.
    #[inline]
    pub(crate) fn more(&self) -> bool {
        self.more
    }

    /// Forgets the pipes chosen so far.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.chosen.clear();
        self.gone = 0;
    }

    /// Chooses these pipes, none of which may be chosen yet.
    #[inline]
    pub(crate) fn choose(&mut self, ids: &[PipeId]) {
        self.sorted = false;
        self.chosen.extend_from_slice(ids);
    }

    /// Chooses every pipe for which `test` holds.
    pub(crate) fn choose_where(&mut self, mut test: impl FnMut(PipeId) -> bool) {
        self.sorted = false;
        let Distribute { pipes, chosen, .. } = self;
        chosen.extend(pipes.all().iter().copied().filter(|&id| test(id)));
    }

    /// Drops the chosen pipes for which `test` does not hold.
    #[inline]
    pub(crate) fn keep_where(&mut self, mut test: impl FnMut(PipeId) -> bool) {
        self.chosen.retain(|&id| test(id));
    }

    /// What comes of full queues: with `nodrop` (ZMQ_XPUB_NODROP) nobody gets the message if one of the chosen has one, and
    /// this is false; otherwise those that have one do without. A message for nobody is counted.
    #[inline(always)]
    pub(crate) fn leave_out_full<P: PipeSet>(&mut self, pipes: &mut P, nodrop: bool) -> bool {
        if nodrop && !self.all_writable(pipes) {
            self.clear();
            return false;
        }
        if self.is_idle() {
            self.count_unwanted(pipes);
        } else if !nodrop {
            self.keep_writable(pipes);
        }
        true
    }

    /// Drops the chosen pipes that are full.
    #[inline]
    fn keep_writable<P: PipeSet>(&mut self, pipes: &mut P) {
        self.chosen.retain(|&id| {
            let room = pipes.check_write(id);
            if !room {
                pipes.lost(Loss::Full(id));
            }
            room
        });
    }

    /// None of the pipes is to get the message.
    pub(crate) fn count_unwanted<P: PipeSet>(&self, pipes: &mut P) {
        let somebody = !self.pipes.all().is_empty();
        pipes.lost(if somebody { Loss::FilteredOut } else { Loss::NoPeer });
    }

    /// Whether the pipe gets the current message.
    pub(crate) fn is_chosen(&self, id: PipeId) -> bool {
        if self.sorted { self.place_of(id).is_some() } else { self.chosen.contains(&id) }
    }

    /// Whether no pipe gets the current message.
    pub(crate) fn is_idle(&self) -> bool {
        self.chosen.is_empty()
    }

    /// Takes back what was written of a message that has begun.
    pub(crate) fn take_back<P: PipeSet>(&mut self, pipes: &mut P) {
        if std::mem::take(&mut self.more) {
            self.sweep();
            self.chosen.drain(..).for_each(|id| pipes.rollback(id));
        }
    }

    /// Whether every chosen pipe has room.
    fn all_writable<P: PipeSet>(&self, pipes: &mut P) -> bool {
        self.chosen.iter().all(|&id| pipes.check_write(id))
    }

    /// Writes a frame to the chosen pipes. A long body, or one of a message in parts, is shared.
    ///
    /// # Errors
    /// [`NoMemory`](crate::error::Error::NoMemory) if a borrowed body cannot be copied, or a lent one shared; nothing was
    /// written then. A pipe among several that has no memory for the frame is as good as full.
    #[inline]
    pub(crate) fn write<P: PipeSet>(&mut self, pipes: &mut P, msg: &mut Msg) -> Result<()> {
        let more = msg.more();
        if self.more {
            self.sweep();
        }
        if let Some((&last, others)) = self.chosen.split_last() {
            let parts = more || self.more;
            if !others.is_empty() && (parts || msg.len() > SHARE_ABOVE) {
                // One copy for all of them, not one in each pipe.
                msg.make_owned()?;
            }
            if others.is_empty() {
                pipes.write(last, msg)?;
            } else {
                msg.make_shareable()?;
                self.chosen.retain(|&id| {
                    let written = msg.share().and_then(|mut copy| pipes.write(id, &mut copy));
                    if written.is_err() {
                        pipes.rollback(id);
                    }
                    written.is_ok()
                });
                drop(msg.take());
            }
        } else {
            drop(msg.take());
        }
        self.more = more;
        if !more {
            self.chosen.clear();
        }
        Ok(())
    }

    /// Writes a message of one part to the chosen pipes straight from `bytes`. False if that takes a
    /// copy and there is no memory for it; nothing was written then. A later pipe that has none is
    /// as good as full.
    #[inline]
    pub(crate) fn write_bytes<P: PipeSet>(&mut self, pipes: &mut P, bytes: &[u8]) -> bool {
        let mut any = self.chosen.is_empty();
        let mut copy = None;
        for id in self.chosen.drain(..) {
            if pipes.write_bytes(id, bytes, false) {
                any = true;
                continue;
            }
            let msg = copy.get_or_insert_with(|| Msg::copy_from(bytes));
            if let Ok(msg) = msg {
                any |= msg.share().and_then(|mut copy| pipes.write(id, &mut copy)).is_ok();
            }
        }
        any
    }
}
