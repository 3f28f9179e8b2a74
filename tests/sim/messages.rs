//! Messages of the C interface, with what belongs to them besides their bytes, and the calls of the draft types.

use crate::api::*;
use std::ffi::{CStr, CString, c_int};
use std::mem::MaybeUninit;
use zmq::capi::types::zmq_msg_t;
use zmq::capi::{draft, message, socket};
use zmq::sys::sim::Choice;

/// A message.
pub(crate) struct Message(MaybeUninit<zmq_msg_t>);

impl Drop for Message {
    fn drop(&mut self) {
        // SAFETY: a live message.
        unsafe { message::zmq_msg_close(self.0.as_mut_ptr()) };
    }
}

impl Message {
    pub(crate) fn new(data: &[u8]) -> Message {
        let mut new = Message(MaybeUninit::uninit());
        // SAFETY: room for a message, and then for as many bytes as it has.
        unsafe {
            message::zmq_msg_init_size(new.0.as_mut_ptr(), data.len());
            let place = message::zmq_msg_data(new.0.as_mut_ptr());
            std::ptr::copy_nonoverlapping(data.as_ptr(), place.cast(), data.len());
        }
        new
    }

    /// For a group.
    pub(crate) fn with_group(mut self, group: &str) -> Message {
        let text = CString::new(group).unwrap();
        // SAFETY: a message and a text.
        unsafe { draft::zmq_msg_set_group(self.0.as_mut_ptr(), text.as_ptr()) };
        self
    }

    /// For the peer with this number.
    pub(crate) fn for_peer(mut self, number: u32) -> Message {
        // SAFETY: a message.
        unsafe { draft::zmq_msg_set_routing_id(self.0.as_mut_ptr(), number) };
        self
    }

    pub(crate) fn peer(&mut self) -> u32 {
        // SAFETY: a message.
        unsafe { draft::zmq_msg_routing_id(self.0.as_mut_ptr()) }
    }

    pub(crate) fn group(&mut self) -> String {
        // SAFETY: a message, whose group is a text.
        let text = unsafe { CStr::from_ptr(draft::zmq_msg_group(self.0.as_mut_ptr())) };
        text.to_string_lossy().into_owned()
    }

    pub(crate) fn data(&mut self) -> &[u8] {
        // SAFETY: as many bytes as it says.
        unsafe {
            let data = message::zmq_msg_data(self.0.as_mut_ptr()).cast::<u8>();
            std::slice::from_raw_parts(data, message::zmq_msg_size(self.0.as_ptr()))
        }
    }

    /// What is not accepted can be sent again.
    pub(crate) fn send(&mut self, to: Socket, flags: c_int) -> Result<(), i32> {
        let place = self.0.as_mut_ptr();
        // SAFETY: a message and a socket.
        again(|| told(unsafe { socket::zmq_msg_send(place, to.0, flags) })).map(drop)
    }

    pub(crate) fn recv(from: Socket, flags: c_int) -> Result<Message, i32> {
        let mut new = Message::new(b"");
        let place = new.0.as_mut_ptr();
        // SAFETY: a message and a socket.
        again(|| told(unsafe { socket::zmq_msg_recv(place, from.0, flags) })).map(|_| new)
    }
}

impl Socket {
    pub(crate) fn join(self, group: &str) -> Result<(), i32> {
        let text = CString::new(group).unwrap();
        // SAFETY: a socket and a text.
        again(|| told(unsafe { draft::zmq_join(self.0, text.as_ptr()) })).map(drop)
    }

    pub(crate) fn leave(self, group: &str) -> Result<(), i32> {
        let text = CString::new(group).unwrap();
        // SAFETY: a socket and a text.
        again(|| told(unsafe { draft::zmq_leave(self.0, text.as_ptr()) })).map(drop)
    }

    /// The number of the peer.
    pub(crate) fn connect_peer(self, endpoint: &str) -> u32 {
        let text = CString::new(endpoint).unwrap();
        // SAFETY: a socket and a text.
        let connect = || match unsafe { draft::zmq_connect_peer(self.0, text.as_ptr()) } {
            0 => Err(errno()),
            number => Ok(number),
        };
        let made = insist(connect);
        check(made.is_ok(), || format!("zmq_connect_peer {endpoint}: {made:?}"));
        made.unwrap_or(0)
    }

    pub(crate) fn disconnect_peer(self, number: u32) -> Result<(), i32> {
        // SAFETY: a socket.
        again(|| told(unsafe { draft::zmq_disconnect_peer(self.0, number) })).map(drop)
    }
}

/// Two numbers and some bytes that follow from them.
pub(crate) fn numbered(choice: &mut Choice, from: u32, number: u32, largest: u64) -> Vec<u8> {
    let mut bytes = [from.to_le_bytes(), number.to_le_bytes()].concat();
    bytes.resize(8 + choice.any_size(largest) as usize, number as u8);
    bytes
}

/// The numbers of such a message, if it is whole.
pub(crate) fn numbers(bytes: &[u8]) -> (u32, u32) {
    let word = |at: usize| bytes.get(at..at + 4).and_then(|word| word.try_into().ok());
    let words = [0, 4].map(|at| word(at).map_or(77, u32::from_le_bytes));
    let whole = bytes.get(8..).is_some_and(|rest| rest.iter().all(|b| *b == words[1] as u8));
    check(whole, || format!("a message of {} bytes is not what was sent", bytes.len()));
    (words[0], words[1])
}

/// Over WebSockets.
pub(crate) const WS: &str = "ws://127.0.0.1:5001/";
/// The same over TLS.
pub(crate) const WSS: &str = "wss://127.0.0.1:5001/";

/// An endpoint of one of the transports that have connections.
pub(crate) fn any_endpoint(choice: &mut Choice) -> String {
    choice.of(&["inproc://1", "tcp://127.0.0.1:5001", "ipc:///made-up/1", WS]).to_owned()
}
