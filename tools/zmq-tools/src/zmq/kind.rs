//! Socket types, as far as a program that only sends and prints has to know them.

use clap::ValueEnum;

/// A socket type by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "zmq_socket(3) describes them")]
pub enum Kind {
    Pair,
    Pub,
    Sub,
    Req,
    Rep,
    Dealer,
    Router,
    Pull,
    Push,
    Xpub,
    Xsub,
    Stream,
    Server,
    Client,
    Radio,
    Dish,
    Gather,
    Scatter,
    Dgram,
    Peer,
    Channel,
}

/// Who speaks when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It only sends.
    Out,
    /// It only receives.
    In,
    /// It asks, and waits for the answer.
    Ask,
    /// It waits for a question, and answers.
    Answer,
    /// Both, in any order.
    Both,
}

impl Kind {
    /// The number in `zmq.h`: types are listed in the order of theirs.
    pub fn number(self) -> i32 {
        self as i32
    }

    /// Who speaks when.
    pub fn way(self) -> Way {
        match self {
            Kind::Pub | Kind::Push | Kind::Radio | Kind::Scatter => Way::Out,
            Kind::Sub | Kind::Pull | Kind::Dish | Kind::Gather => Way::In,
            Kind::Req => Way::Ask,
            Kind::Rep => Way::Answer,
            _ => Way::Both,
        }
    }

    /// Whether it is among the types of the draft interface, which not every libzmq has.
    pub fn is_draft(self) -> bool {
        self.number() > Kind::Stream.number()
    }

    /// Whether a message may have several parts.
    pub fn has_parts(self) -> bool {
        !self.is_draft() || self == Kind::Dgram
    }

    /// Whether it takes subscriptions.
    pub fn subscribes(self) -> bool {
        matches!(self, Kind::Sub | Kind::Xsub)
    }

    /// Whether a message says by a number to whom it goes.
    pub fn has_routing_ids(self) -> bool {
        matches!(self, Kind::Server | Kind::Peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_zmq_h() {
        assert_eq!(Kind::Pair.number(), 0);
        assert_eq!(Kind::Push.number(), 8);
        assert_eq!(Kind::Stream.number(), 11);
        assert_eq!(Kind::Scatter.number(), 17);
        assert_eq!(Kind::Channel.number(), 20);
        assert!(!Kind::Stream.is_draft() && Kind::Server.is_draft());
    }
}
