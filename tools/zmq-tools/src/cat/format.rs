//! How a message is written on standard output.

use super::{quoted, value};
use crate::zmq::Message;
use clap::ValueEnum;

/// How messages are written and read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One line for each message, dots for what cannot be printed, a blank between parts
    Ascii,
    /// The same in double quotes, with \n, \" and \x00 for what cannot be printed
    Quoted,
    /// The bytes as they are, with nothing between
    Raw,
    /// One object for each line
    Json,
    /// One map for each message
    Msgpack,
}

impl Format {
    /// The message as bytes.
    pub(super) fn write(self, message: &Message) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Format::Raw => return message.parts.concat(),
            Format::Msgpack => {
                // Writing to a vector does not fail.
                let _ = rmpv::encode::write_value(&mut out, &value::to_pack(message));
                return out;
            }
            Format::Json => out.extend(value::to_json(message).to_string().bytes()),
            Format::Ascii | Format::Quoted => {
                for (at, part) in message.parts.iter().enumerate() {
                    out.extend((at > 0).then_some(b' '));
                    if self == Format::Quoted {
                        quoted::write(part, &mut out);
                    } else {
                        let seen = |b: &u8| if (b' '..=b'~').contains(b) { *b } else { b'.' };
                        out.extend(part.iter().map(seen));
                    }
                }
            }
        }
        out.push(b'\n');
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_is_as_described() {
        let message =
            Message { parts: vec![b"a\"\0".to_vec(), b"b".to_vec()], ..Message::default() };
        assert_eq!(Format::Ascii.write(&message), b"a\". b\n");
        assert_eq!(Format::Quoted.write(&message), b"\"a\\\"\\x00\" \"b\"\n");
        assert_eq!(Format::Raw.write(&message), b"a\"\0b");
        assert_eq!(Format::Json.write(&message), b"{\"parts\":[\"a\\\"\\u0000\",\"b\"]}\n");
        assert_eq!(Format::Msgpack.write(&Message::of(*b"a")), b"\x81\xa5parts\x91\xc4\x01a");
    }
}
