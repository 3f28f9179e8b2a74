//! Flushing where messages of WebSocket carry the frames, and control frames among those.

use super::carried::Carried;
use super::{BATCH, TxQueue};
use crate::error::{Error, Result};
use crate::msg::Msg;
use crate::transport::Link;
use crate::util::memory::try_room;
use crate::wire::frame::{self, Framing, MAX_HEADER};
use crate::wire::zws::{Content, Encoder, GROWTH};
use std::os::fd::BorrowedFd;

impl TxQueue {
    /// From now on messages of WebSocket carry what is sent.
    pub fn carry(&mut self, encoder: Encoder, content: Content, link: Link) {
        self.carried = Some(Box::new(Carried::new(encoder, content, link)));
        self.unusual = true;
    }

    /// [`TxQueue::flush`] over WebSocket.
    ///
    /// # Errors
    /// There are no secret numbers to be had: the connection cannot go on.
    #[cold]
    pub(super) fn flush_carried(&mut self, fd: BorrowedFd<'_>) -> Result<bool> {
        let Some(mut carried) = self.carried.take() else { return Ok(self.bytes == 0) };
        let result = self.flush_through(&mut carried, fd);
        self.carried = Some(carried);
        result
    }

    fn flush_through(&mut self, carried: &mut Carried, fd: BorrowedFd<'_>) -> Result<bool> {
        while self.bytes > 0 && self.lost.is_none() {
            if carried.unsent().is_empty() {
                match self.encode_batch(carried) {
                    Err(Error::NoMemory) if carried.unsent().is_empty() => {
                        self.starve();
                        return Ok(false);
                    }
                    Ok(()) | Err(Error::NoMemory) => {}
                    Err(error) => return Err(error),
                }
            }
            let octets = carried.unsent();
            let wanted = octets.len();
            let tried = carried.link.send(fd, octets);
            if !self.handed_over(tried, wanted, |sent| carried.advance(sent)) {
                return Ok(false);
            }
        }
        Ok(self.bytes == 0)
    }

    /// Makes messages of the first frames of the queue, of which none is under way.
    fn encode_batch(&self, carried: &mut Carried) -> Result<()> {
        let mut room = self.bytes.min(BATCH);
        for chunk in self.chunks.iter().skip(self.done) {
            let (split, mut at) = (chunk.bytes.len(), chunk.sent);
            loop {
                let piece = match &chunk.body {
                    _ if at < split => chunk.bytes.get(at..),
                    Some(body) => body.data().get(at - split..),
                    None => None,
                };
                let Some(piece) = piece.filter(|piece| !piece.is_empty()) else { break };
                let most = room.min(piece.len());
                carried.messages.reserve(most + GROWTH)?;
                try_room(&mut carried.marks, 1)?;
                let used = carried.encoder.encode(piece, room, &mut carried.messages)?;
                if used == 0 {
                    // There is always room for the first frame.
                    let begun = !carried.unsent().is_empty();
                    return if begun { Ok(()) } else { Err(Error::Protocol) };
                }
                carried.marks.push_back((carried.messages.len(), used));
                at += used;
                room -= used;
            }
        }
        Ok(())
    }

    /// Appends a command that stands for a control frame of WebSocket. It is not encrypted, and for this
    /// connection only.
    ///
    /// # Errors
    /// [`Error::NoMemory`]; nothing has happened then.
    fn push_control_command(&mut self, body: &[u8]) -> Result<()> {
        let mut header = [0; MAX_HEADER];
        let header_len = frame::encode_header(Framing::V2, body.len(), false, true, &mut header);
        self.open_chunk()?;
        let Some(chunk) = self.chunks.back_mut() else { return Err(Error::NoMemory) };
        chunk.control = true;
        chunk.reserve(header_len + body.len())?;
        chunk.bytes.extend_from_slice(&header[..header_len]);
        chunk.bytes.extend_from_slice(body);
        self.bytes += header_len + body.len();
        Ok(())
    }

    /// Whether a last frame can be said: the kernel has all before it.
    pub fn may_close(&self) -> bool {
        let between = self.carried.as_ref().is_some_and(|carried| carried.is_between_frames());
        between && self.bytes == 0 && self.lost.is_none()
    }

    /// Has the link say that nothing more comes, where it can.
    pub fn close_link(&self, fd: BorrowedFd<'_>) {
        if let Some(carried) = &self.carried {
            carried.link.close(fd);
        }
    }

    /// Appends such a command, or any other.
    ///
    /// # Errors
    /// [`Error::NoMemory`]; nothing has happened then.
    pub fn push_command_of(&mut self, body: &[u8]) -> Result<()> {
        if self.carried.is_some() && body.first() == Some(&0) {
            self.push_control_command(body)
        } else {
            self.push_command(Msg::copy_from(body)?)
        }
    }
}
