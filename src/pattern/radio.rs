//! RADIO: one to the members of a group (RFC 48).

use super::distribute::Distribute;
use super::subscriptions::{Subscriptions, Tell, parse};
use super::value::set_switch;
use super::{Attach, MAX_GROUP, Pattern, PipeId, PipeSet};
use crate::error::{Error, Result};
use crate::msg::Msg;
use crate::options::numbers::option;
use crate::util::line::Line;

/// "SHALL send a message to all peers that have joined its group", "SHALL silently drop the message if the
/// queue for a peer is full". To the pipe a message is two parts: the group and the body.
#[derive(Debug, Default)]
pub struct Radio {
    out: Distribute,
    members: Subscriptions,
    /// Pipes that get every group.
    hears_all: Line,
    /// ZMQ_XPUB_NODROP, which RADIO has, too.
    nodrop: bool,
    /// A message did not get out because of that; nothing changed since.
    blocked: bool,
}

impl Radio {
    /// Reads what a peer has to say: which groups it joins and leaves. Whatever else comes is dropped.
    fn listen<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        self.hear(pipes, id);
        pipes.asked_for(self.members.len());
    }

    fn hear<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        while let Some(msg) = pipes.read(id) {
            pipes.uncounted(id, &msg);
            let Some((join, group)) = parse(msg.data()).filter(|_| msg.is_command()) else {
                continue;
            };
            if group.len() > MAX_GROUP {
                // No message has such a group.
                continue;
            }
            self.blocked = false;
            if !join {
                self.members.cancel(group, id);
            } else if self.members.add(group, id).is_err() {
                // It would wait in vain; connected again, it joins again.
                pipes.close(id);
                return;
            }
        }
    }

    /// Sends the message to the members of its group, encoded once for all of them. False if that is not possible, or there
    /// is one member alone.
    #[inline]
    fn send_to_all<P: PipeSet>(&mut self, pipes: &mut P, msg: &Msg) -> bool {
        let group = msg.group().to_bytes();
        let set = self.members.find_exactly(group);
        let all = self.members.found();
        all.len() > 1
            && self.hears_all.is_empty()
            && pipes.write_to_all(all, set, [group, msg.data()])
    }

    /// Chooses the pipes for a message of the group that was looked for last.
    #[inline]
    fn choose<P: PipeSet>(&mut self, pipes: &mut P) -> Result<()> {
        let Radio { out, members, hears_all, .. } = self;
        out.clear();
        out.choose(members.found());
        hears_all.iter().for_each(|id| out.choose(&[id]));
        if !out.leave_out_full(pipes, self.nodrop) {
            self.blocked = true;
            return Err(Error::Again);
        }
        Ok(())
    }
}

impl Pattern for Radio {
    fn attach<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId, _how: Attach) {
        self.out.attach(id);
        if pipes.hears_all(id) {
            self.hears_all.push(id, ());
        }
        self.listen(pipes, id);
    }

    /// Its groups stay while the pipe does, as subscriptions do.
    fn disconnected<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        self.listen(pipes, id);
    }

    fn detach<P: PipeSet>(&mut self, _pipes: &mut P, id: PipeId) {
        self.out.detach(id);
        self.hears_all.remove(id);
        self.members.remove_pipe(id, Tell::Nothing, drop);
        self.blocked = false;
    }

    fn read_activated<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        self.listen(pipes, id);
    }

    fn write_activated<P: PipeSet>(&mut self, _pipes: &mut P, _id: PipeId) {
        self.blocked = false;
    }

    #[inline(never)]
    fn send<P: PipeSet>(&mut self, pipes: &mut P, msg: &mut Msg) -> Result<()> {
        if msg.more() {
            return Err(Error::Invalid);
        }
        if self.send_to_all(pipes, msg) {
            drop(msg.take());
            return Ok(());
        }
        self.choose(pipes)?;
        if self.out.is_idle() {
            drop(msg.take());
            return Ok(());
        }
        let mut group = Msg::copy_from(msg.group().to_bytes())?;
        group.set_more(true);
        let written = self.out.write(pipes, &mut group).and_then(|()| self.out.write(pipes, msg));
        written.inspect_err(|_| self.out.take_back(pipes))
    }

    #[inline(never)]
    fn recv<P: PipeSet>(&mut self, _pipes: &mut P) -> Result<Msg> {
        Err(Error::NotSupported)
    }

    #[inline(never)]
    fn has_in<P: PipeSet>(&mut self, _pipes: &mut P) -> bool {
        false
    }

    #[inline(never)]
    fn has_out<P: PipeSet>(&mut self, _pipes: &mut P) -> bool {
        !(self.nodrop && self.blocked)
    }

    fn set_option<P: PipeSet>(
        &mut self,
        _pipes: &mut P,
        option: i32,
        value: &[u8],
    ) -> Option<Result<()>> {
        match option {
            option::XPUB_NODROP => {
                self.blocked = false;
                set_switch(&mut self.nodrop, value)
            }
            _ => None,
        }
    }

    fn drops(&self) -> bool {
        !self.nodrop
    }
}
