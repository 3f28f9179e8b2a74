//! Types that are another type, but for what they send or receive: SUB, PUB and those of one part.

/// What such a pattern leaves to its `inner` one: all that happens to pipes. It stands in its
/// `impl Pattern`, so that none of them misses an event that the other one is told of.
macro_rules! inner_has_the_pipes {
    () => {
        fn attach<P: PipeSet>(&mut self, pipes: &mut P, id: super::PipeId, how: super::Attach) {
            self.inner.attach(pipes, id, how);
        }

        fn connected<P: PipeSet>(&mut self, pipes: &mut P, id: super::PipeId) {
            self.inner.connected(pipes, id);
        }

        fn disconnected<P: PipeSet>(&mut self, pipes: &mut P, id: super::PipeId) {
            self.inner.disconnected(pipes, id);
        }

        fn before_detach<P: PipeSet>(&mut self, pipes: &mut P, id: super::PipeId) {
            self.inner.before_detach(pipes, id);
        }

        fn detach<P: PipeSet>(&mut self, pipes: &mut P, id: super::PipeId) {
            self.inner.detach(pipes, id);
        }

        fn hung_up<P: PipeSet>(&mut self, pipes: &mut P, id: super::PipeId) {
            self.inner.hung_up(pipes, id);
        }

        #[inline]
        fn read_activated<P: PipeSet>(&mut self, pipes: &mut P, id: super::PipeId) {
            self.inner.read_activated(pipes, id);
        }

        #[inline]
        fn write_activated<P: PipeSet>(&mut self, pipes: &mut P, id: super::PipeId) {
            self.inner.write_activated(pipes, id);
        }

        fn reading(&self) -> Option<super::PipeId> {
            self.inner.reading()
        }
    };
}

pub(super) use inner_has_the_pipes;
