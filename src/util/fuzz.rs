//! Reading the bytes of a fuzzer, see `crate::fuzz`, and what is tried of this layer.

use super::z85;

/// The bytes of one input, from the front: what to do, and with what. Behind the end there are zeros.
#[derive(Debug)]
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// All of these bytes.
    pub(crate) fn new(bytes: &'a [u8]) -> Input<'a> {
        Input(bytes)
    }

    /// Whether none are left.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte.
    pub(crate) fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or(0)
    }

    /// A number below `limit`, which is at most 256.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte()) % limit
    }

    /// Two bytes as a number.
    pub(crate) fn short(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// The next `len` bytes, or as many as there are.
    pub(crate) fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (now, later) = self.0.split_at(len.min(self.0.len()));
        self.0 = later;
        now
    }

    /// All that are left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        self.bytes(usize::MAX)
    }
}

/// Text to bytes and back, and bytes to text and back.
pub(crate) fn z85(bytes: &[u8]) {
    let text = z85::encode(bytes);
    assert_eq!(text.is_some(), bytes.len().is_multiple_of(4));
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        assert_eq!(text.len(), bytes.len() / 4 * 5);
        assert_eq!(z85::decode(text.as_bytes()).as_deref(), Some(bytes));
    }
    // A text has one meaning, and a meaning one text.
    if let Some(meant) = z85::decode(bytes) {
        assert_eq!(z85::encode(&meant).map(String::into_bytes).as_deref(), Some(bytes));
    }
}
