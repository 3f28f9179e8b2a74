//! Sockets of the process that forked this one.
//!
//! They go on working in the parent. What the child does with its copies of them must not touch what
//! both have, the connections and epoll sets, nor wait for locks that only threads of the parent have.
//! So a child can close them, which the parent does not notice, and set and read their options, which
//! programs do before they close (`multiprocessing` of Python does); other calls fail with ETERM.
//! libzmq's fail with EINTR there, which well-meaning programs try again for ever.

use super::Socket;
use super::face::{DEAD, LIVE};
use super::options::{self, Facts};
use crate::error::{Error, Result};
use crate::options::SocketOptions;
use crate::pattern::AnyPattern;
use crate::pipe::PipeTable;
use crate::sync::PerProcess;
use crate::sync::atomic::Ordering;
use crate::sync::mutex::Mutex;
use crate::types::SocketType;
use std::collections::BTreeMap;

/// What this process knows of a socket of its parent's.
struct Inherited {
    options: SocketOptions,
    /// Without pipes, it only knows the options of its type.
    pattern: AnyPattern,
    pipes: PipeTable,
    socket_type: SocketType,
    receive_more: bool,
    last_endpoint: String,
}

/// Those whose options this process has asked for or set, by address.
static INHERITED: PerProcess<Mutex<BTreeMap<usize, Inherited>>> =
    PerProcess::new(Mutex::new(BTreeMap::new()));

impl Socket {
    /// Only this process's handle goes away.
    #[cold]
    pub(super) fn close_inherited(&self) -> Result<()> {
        INHERITED.get().lock().remove(&std::ptr::from_ref(self).addr());
        let closed = self.magic.swap(DEAD, Ordering::SeqCst) == LIVE;
        if closed { Ok(()) } else { Err(Error::NotSocket) }
    }

    #[cold]
    pub(super) fn set_inherited_option(&self, option: i32, value: Option<&[u8]>) -> Result<()> {
        self.with_inherited(|known| {
            let Inherited { options, pattern, pipes, socket_type, .. } = known;
            options::store(pattern, pipes, options, *socket_type, option, value)
        })
    }

    #[cold]
    pub(super) fn inherited_option(&self, option: i32, capacity: usize) -> Result<Vec<u8>> {
        self.with_inherited(|known| known.facts().get(option, capacity))
    }

    fn with_inherited<R>(&self, call: impl FnOnce(&mut Inherited) -> Result<R>) -> Result<R> {
        let mut all = INHERITED.get().lock();
        let known = all.entry(std::ptr::from_ref(self).addr());
        call(known.or_insert_with(|| self.inherit()))
    }

    /// The options as they were at the fork, unless somebody had the socket's lock then: that thread
    /// is not here, and may have been changing them.
    fn inherit(&self) -> Inherited {
        let number = i32::from(self.socket_type.load(Ordering::Relaxed));
        let socket_type = SocketType::from_number(number).unwrap_or(SocketType::Pair);
        let mut known = Inherited {
            options: SocketOptions::for_type(socket_type),
            pattern: AnyPattern::new(socket_type),
            pipes: PipeTable::new(),
            socket_type,
            receive_more: false,
            last_endpoint: String::new(),
        };
        // SAFETY: no thread of this process locks an inherited socket, see `lock_live`.
        if let Some(place) = unsafe { self.core.inherited() }
            && let Some(core) = &place.core
        {
            known.options = core.options.clone();
            known.receive_more = core.receive_more;
            known.last_endpoint.clone_from(&core.endpoints.last);
        }
        known
    }
}

impl Inherited {
    fn facts(&self) -> Facts<'_> {
        Facts {
            options: &self.options,
            pattern: &self.pattern,
            socket_type: self.socket_type,
            receive_more: self.receive_more,
            last_endpoint: &self.last_endpoint,
        }
    }
}
