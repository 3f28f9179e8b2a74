//! Pipes to other sockets of the process: whose they are, what the other ends say, and the straight way.

use super::PipeTable;
use super::local::{Change, InprocEnd, News, Owner};
use super::pipe::{Kind, Pipe, PipeEvent};
use crate::pattern::PipeId;
use crate::stats::{PeerStats, State};

impl PipeTable {
    /// Makes an end a new pipe of the socket that says where news of it go to. What happened to the
    /// end before is an event now.
    pub fn own_inproc(&mut self, end: InprocEnd, owner: Owner, endpoint: u32) -> PipeId {
        self.inprocs += 1;
        self.had_inproc = true;
        let mut end = end;
        end.tell(PeerStats::of(&self.stats));
        end.stats.state(if end.peer_is_known() { State::Ready } else { State::Unbound });
        let id = self.insert(Pipe::new(Kind::Inproc(end), endpoint));
        let Some(pipe) = self.get(id) else { return id };
        let Some(end) = pipe.inproc() else { return id };
        end.own(owner, id, pipe.serial);
        // All that news could have told of. There may be room in any case: nobody found it full.
        let (known, closed) = (end.peer_is_known(), end.reader.writer_gone());
        if known {
            self.meet(id);
        }
        self.events.push_back(PipeEvent::Readable(id));
        if closed {
            self.end(id);
        }
        id
    }

    /// It is known whose the other end of a pipe is.
    fn meet(&mut self, id: PipeId) {
        if let Some(Pipe { kind: Kind::Inproc(end), .. }) = self.get(id)
            && !std::mem::replace(&mut end.met, true)
        {
            let (out, into) = end.limits();
            end.stats.limits(out as usize, into as usize);
            end.stats.state(State::Ready);
            self.events.push_back(PipeEvent::Connected(id));
        }
    }

    /// News from the other end of an inproc pipe.
    pub fn on_news(&mut self, news: News) {
        let id = news.pipe;
        // The other end outlives ours by a moment, in which another pipe may get the number.
        let Some(pipe) = self.get(id).filter(|pipe| pipe.serial == news.serial) else { return };
        match news.change {
            Change::Readable => {
                if std::mem::take(&mut pipe.wants_read) {
                    self.events.push_back(PipeEvent::Readable(id));
                }
            }
            Change::Writable => {
                if pipe.wants_write {
                    pipe.resumes();
                    self.events.push_back(PipeEvent::Writable(id));
                }
            }
            Change::Closed => {
                if !pipe.ending {
                    self.end(id);
                }
            }
            Change::Known => self.meet(id),
        }
    }

    /// Whether there are pipes to other sockets of the process.
    pub fn has_inproc(&mut self) -> bool {
        self.had_inproc = self.inprocs != 0;
        self.had_inproc
    }

    /// From now on until another comes, [`PipeTable::may_have_inproc`] says no.
    pub fn forget_inproc(&mut self) {
        self.had_inproc = false;
    }

    /// Whether there may be some, or were when [`PipeTable::has_inproc`] was asked last.
    #[inline]
    pub fn may_have_inproc(&self) -> bool {
        self.had_inproc
    }

    /// A pipe of a socket without connections: there is no batch for several that a message may be in.
    #[inline(always)]
    fn within_process(&mut self, id: PipeId) -> Option<&mut Pipe> {
        debug_assert!(self.connections == 0 && !self.batch.is_pending());
        self.pipes.get_mut(id as usize)?.as_mut()
    }

    /// The end of a pipe to another socket, if there is nothing to consider before writing to it but
    /// whether there is room.
    #[inline(always)]
    pub fn straight_out(&mut self, id: PipeId) -> Option<&mut InprocEnd> {
        let pipe = self.within_process(id)?;
        if pipe.ending || pipe.lingering {
            return None;
        }
        let Kind::Inproc(end) = &mut pipe.kind else { return None };
        (!end.writer.conflates() && !end.writer.in_message()).then_some(end)
    }

    /// The end of a pipe from another socket, if what stands in its queue comes next.
    #[inline(always)]
    pub fn straight_in(&mut self, id: PipeId) -> Option<&mut InprocEnd> {
        let pipe = self.within_process(id)?;
        if pipe.lingering || pipe.next.is_some() {
            return None;
        }
        let Kind::Inproc(end) = &mut pipe.kind else { return None };
        (!end.reader.conflates()).then_some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msg::{Arena, Msg};
    use crate::pattern::PipeSet;
    use crate::pipe::local::{InprocConfig, Mailbox, pair};
    use crate::sync::Mutex;

    /// Keeps what it gets.
    #[derive(Default)]
    struct Kept(Mutex<Vec<News>>);

    impl Mailbox for Kept {
        fn post(&self, _generation: u32, news: News) {
            self.0.lock().push(news);
        }
    }

    fn owner() -> (Owner, &'static Kept) {
        let kept: &'static Kept = Box::leak(Box::default());
        (Owner { mailbox: kept, generation: 1 }, kept)
    }

    fn send(end: &mut InprocEnd, text: &str) {
        end.write(&mut Msg::copy_from(text.as_bytes()).unwrap(), &mut Arena::default()).unwrap();
    }

    /// All that comes of an end that is owned after the other has done this.
    fn found(acts: impl FnOnce(InprocEnd) -> Option<InprocEnd>) -> Vec<PipeEvent> {
        let mut pipes = PipeTable::new();
        let (connecting, binding) = pair(&InprocConfig::default(), None);
        let kept = acts(connecting);
        pipes.own_inproc(binding, owner().0, super::super::NO_ENDPOINT);
        drop(kept);
        pipes.take_events()
    }

    #[test]
    fn what_happened_before_an_end_was_owned_is_found() {
        let (met, readable) = (PipeEvent::Connected(0), PipeEvent::Readable(0));
        assert_eq!(found(Some), [met, readable]);
        assert_eq!(found(|_gone| None), [met, readable, PipeEvent::Finished(0)]);
        let sent_and_gone = |mut end: InprocEnd| {
            send(&mut end, "m");
            None
        };
        // It ends when that has been read.
        assert_eq!(found(sent_and_gone), [met, readable, readable, PipeEvent::HungUp(0)]);
    }

    #[test]
    fn the_peer_is_met_once_whoever_is_first() {
        for owned_first in [true, false] {
            let mut pipes = PipeTable::new();
            let mut seen = Vec::new();
            let (owner, kept) = owner();
            let (connecting, binding) = pair(&InprocConfig::default(), None);
            let binder = InprocConfig { routing_id: b"A".to_vec(), ..InprocConfig::default() };
            let id = if owned_first {
                let id = pipes.own_inproc(connecting, owner, super::super::NO_ENDPOINT);
                seen = pipes.take_events();
                assert_eq!(seen, [PipeEvent::Readable(id)]);
                assert_eq!(pipes.peer_routing_id(id), b"");
                binding.bring(&binder);
                id
            } else {
                binding.bring(&binder);
                pipes.own_inproc(connecting, owner, super::super::NO_ENDPOINT)
            };
            let news = std::mem::take(&mut *kept.0.lock());
            assert_eq!(news.len(), usize::from(owned_first));
            news.into_iter().for_each(|n| pipes.on_news(n));
            // The news may come although it is known already.
            let serial = pipes.get(id).map_or(0, |p| p.serial);
            pipes.on_news(News { pipe: id, serial, change: Change::Known });
            seen.append(&mut pipes.take_events());
            let met = seen.iter().filter(|e| **e == PipeEvent::Connected(id));
            assert_eq!((met.count(), pipes.peer_routing_id(id)), (1, b"A".as_slice()));
        }
    }

    #[test]
    fn an_end_without_a_word_is_alone_until_somebody_owns_the_other() {
        let config = InprocConfig::default();
        let (mut connecting, binding) = pair(&config, None);
        assert!(connecting.is_alone());
        let mut part = Msg::copy_from(b"m").unwrap();
        part.set_more(true);
        connecting.write(&mut part, &mut Arena::default()).unwrap();
        assert!(connecting.is_alone(), "the message is not whole");
        send(&mut connecting, "m");
        assert!(!connecting.is_alone());
        let (connecting, other) = pair(&config, None);
        drop(binding);
        PipeTable::new().own_inproc(other, owner().0, super::super::NO_ENDPOINT);
        assert!(!connecting.is_alone());
        let (mut newest, _other) = pair(&InprocConfig { conflate: true, ..config }, None);
        assert!(newest.is_alone());
        send(&mut newest, "m");
        assert!(!newest.is_alone());
    }

    #[test]
    fn news_of_a_former_pipe_are_not_taken_for_the_next_ones() {
        let mut pipes = PipeTable::new();
        let (owner, kept) = owner();
        let (first, first_peer) = pair(&InprocConfig::default(), None);
        let (second, mut second_peer) = pair(&InprocConfig::default(), None);
        let id = pipes.own_inproc(first, owner, super::super::NO_ENDPOINT);
        pipes.remove(id);
        assert_eq!(pipes.own_inproc(second, owner, super::super::NO_ENDPOINT), id);
        pipes.events.clear();
        drop(first_peer);
        let news = std::mem::take(&mut *kept.0.lock());
        assert!(news.iter().any(|n| n.pipe == id && n.change == Change::Closed));
        news.into_iter().for_each(|n| pipes.on_news(n));
        assert!(pipes.events.is_empty() && pipes.check_write(id));
        assert!(!pipes.check_read(id));
        send(&mut second_peer, "m");
        let news = std::mem::take(&mut *kept.0.lock());
        news.into_iter().for_each(|n| pipes.on_news(n));
        assert_eq!(pipes.take_events(), [PipeEvent::Readable(id)]);
    }
}
