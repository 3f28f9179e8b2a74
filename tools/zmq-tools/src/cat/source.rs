//! Where what is sent comes from.

use super::args::Args;
use super::input::{Cut, Input};
use crate::zmq::{Kind, Message, Way};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

/// What there is to send.
pub(super) enum Source {
    /// One message, so many times, with so much time between.
    Fixed { message: Message, left: u64, interval: Duration },
    /// What is read.
    Input(Box<Input<File>>),
    /// What was received.
    Echo(Option<Message>),
    /// Nothing, any more.
    Nothing,
}

/// What a source has.
#[derive(Debug)]
pub(super) enum Next {
    /// This.
    Message(Message),
    /// Nothing before this moment.
    At(Instant),
    /// Nothing before standard input can be read, or something has been received.
    Later,
    /// Nothing any more.
    End,
}

impl Source {
    pub(super) fn new(args: &Args) -> Result<Source, String> {
        if args.kind.way() == Way::In {
            return Ok(Source::Nothing);
        }
        if args.echo {
            return Ok(Source::Echo(None));
        }
        if !args.repeats() {
            // Not std's own, which holds back what it has read.
            let file = std::io::stdin().as_fd().try_clone_to_owned();
            let file = File::from(file.map_err(|e| format!("standard input: {e}"))?);
            let format = args.input_format.unwrap_or(args.format);
            return Ok(Source::Input(Box::new(Input::new(file, format))));
        }
        let parts = match &args.file {
            Some(file) => {
                vec![std::fs::read(file).map_err(|e| format!("{}: {e}", file.display()))?]
            }
            None => args.data.iter().map(|text| text.clone().into_bytes()).collect(),
        };
        let group = args.group.first().filter(|_| args.kind == Kind::Radio);
        let group = group.map(|g| g.to_string_lossy().into_owned());
        // An answer is one to every question.
        let often = args.interval.is_some() || args.kind.way() == Way::Answer;
        let left = if often { u64::MAX } else { args.count.unwrap_or(1) };
        let left = if args.kind.way() == Way::Both && !often { 1 } else { left };
        Ok(Source::Fixed {
            message: Message { parts, group, routing_id: None },
            left,
            interval: args.interval.unwrap_or(Duration::ZERO),
        })
    }

    /// The next message, `due` at that moment, which moves on. Reads nothing.
    pub(super) fn next(&mut self, due: &mut Instant) -> Result<Next, String> {
        let now = Instant::now();
        if *due > now && !matches!(self, Source::Nothing) {
            return Ok(Next::At(*due));
        }
        Ok(match self {
            Source::Fixed { left: 0, .. } | Source::Nothing => Next::End,
            Source::Fixed { message, left, interval } => {
                *left -= 1;
                // From when it was due, unless that is long ago.
                *due = (*due + *interval).max(now);
                Next::Message(message.clone())
            }
            Source::Echo(message) => message.take().map_or(Next::Later, Next::Message),
            Source::Input(input) => match input.cut()? {
                Cut::Message(message) => Next::Message(message),
                Cut::More => Next::Later,
                Cut::End => Next::End,
            },
        })
    }

    /// The next message, however long it takes.
    pub(super) fn wait(&mut self, due: &mut Instant) -> Result<Option<Message>, String> {
        loop {
            match self.next(due)? {
                Next::Message(message) => return Ok(Some(message)),
                Next::At(due) => std::thread::sleep(due.saturating_duration_since(Instant::now())),
                Next::Later => self.read()?,
                Next::End => return Ok(None),
            }
        }
    }

    /// Reads once.
    pub(super) fn read(&mut self) -> Result<(), String> {
        match self {
            Source::Input(input) => input.read(),
            // Who waits for an echo has to receive.
            _ => Err("nothing to send".to_owned()),
        }
    }

    /// What has to be readable before there is more.
    pub(super) fn descriptor(&self) -> Option<i32> {
        match self {
            Source::Input(_) => Some(std::io::stdin().as_raw_fd()),
            _ => None,
        }
    }

    /// Something came.
    pub(super) fn received(&mut self, message: Message) {
        if let Source::Echo(echo) = self {
            *echo = Some(message);
        }
    }
}
