//! Recordings: snapshots, each a line of JSON.

use crate::stats::Snapshot;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;

/// A line is no longer than this: a hundred thousand peers.
const LONGEST: u64 = 256 << 20;

/// Writes a snapshot.
pub(super) fn write(snapshot: &Snapshot, out: &mut impl Write) -> Result<(), String> {
    let line = serde_json::to_string(snapshot).map_err(|e| e.to_string())?;
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|e| e.to_string())
}

/// A recording that is read.
pub(super) struct Recording<R> {
    from: BufReader<R>,
    name: String,
    line: u64,
}

impl Recording<File> {
    pub(super) fn open(file: &Path) -> Result<Recording<File>, String> {
        let name = file.display().to_string();
        let opened = File::open(file).map_err(|e| format!("{name}: {e}"))?;
        Ok(Recording::new(opened, name))
    }
}

impl<R: Read> Recording<R> {
    fn new(from: R, name: String) -> Recording<R> {
        Recording { from: BufReader::new(from), name, line: 0 }
    }

    /// The next snapshot; `None` at the end. A last line that is half written ends it, too.
    pub(super) fn next(&mut self) -> Result<Option<Snapshot>, String> {
        let mut line = Vec::new();
        let size = (&mut self.from).take(LONGEST).read_until(b'\n', &mut line);
        let size = size.map_err(|e| format!("{}: {e}", self.name))?;
        self.line += 1;
        if size == 0 {
            return Ok(None);
        }
        match serde_json::from_slice(&line) {
            Ok(snapshot) => Ok(Some(cleaned(snapshot))),
            Err(_) if self.line > 1 && line.last() != Some(&b'\n') => Ok(None),
            Err(e) => Err(format!("{}: line {}: {e}", self.name, self.line)),
        }
    }
}

/// A recording is somebody else's, too: its texts are cleaned as a process's are.
fn cleaned(mut snapshot: Snapshot) -> Snapshot {
    let clean = |text: &mut String| *text = crate::stats::region::clean(text.as_bytes());
    for process in &mut snapshot.processes {
        clean(&mut process.name);
        clean(&mut process.library);
        process.note.iter_mut().for_each(clean);
        for socket in &mut process.sockets {
            clean(&mut socket.kind);
            clean(&mut socket.endpoint);
            for peer in &mut socket.peers {
                let texts = [
                    &mut peer.state,
                    &mut peer.direction,
                    &mut peer.endpoint,
                    &mut peer.address,
                    &mut peer.mechanism,
                    &mut peer.peer_mechanism,
                    &mut peer.zmtp,
                    &mut peer.peer_kind,
                ];
                texts.into_iter().for_each(clean);
                peer.problem.iter_mut().for_each(|problem| clean(&mut problem.text));
            }
            let failures = socket.peers.iter_mut().map(|peer| &mut peer.failure);
            for failure in failures.chain([&mut socket.failure]).flatten() {
                let texts = [
                    &mut failure.text,
                    &mut failure.ours,
                    &mut failure.theirs,
                    &mut failure.address,
                ];
                texts.into_iter().for_each(clean);
            }
        }
    }
    snapshot
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{Process, Socket};

    fn all(text: &[u8]) -> Result<usize, String> {
        let mut recording = Recording::new(text, "it".to_owned());
        let mut count = 0;
        while recording.next()?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    #[test]
    fn a_recording_is_read_to_where_it_was_cut() {
        let mut bytes = Vec::new();
        for _ in 0..2 {
            write(&Snapshot::default(), &mut bytes).unwrap();
        }
        assert_eq!(all(&bytes), Ok(2));
        assert_eq!(all(&bytes[..bytes.len() - 3]), Ok(1));
        assert_eq!(all(b""), Ok(0));
        assert!(all(b"what").unwrap_err().starts_with("it: line 1: "));
        assert!(all(&[&bytes[..], b"[]x\n"].concat()).unwrap_err().starts_with("it: line 3: "));
    }

    #[test]
    fn what_a_terminal_might_obey_is_not_in_it() {
        let socket = Socket { endpoint: "\x1b[2J".to_owned(), ..Socket::default() };
        let process = Process { sockets: vec![socket], ..Process::default() };
        let mut bytes = Vec::new();
        write(&Snapshot { processes: vec![process], ..Snapshot::default() }, &mut bytes).unwrap();
        let read = Recording::new(&bytes[..], String::new()).next().unwrap().unwrap();
        assert_eq!(read.processes[0].sockets[0].endpoint, ".[2J");
    }
}
