//! Z85 (RFC 32). Placeholder, replaced at merge.

const ALPHABET: &[u8; 85] =
    b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/// Text of binary data whose length is a multiple of 4.
pub fn encode(data: &[u8]) -> Option<String> {
    if data.len() % 4 != 0 {
        return None;
    }
    let mut text = String::with_capacity(data.len() / 4 * 5);
    for chunk in data.chunks_exact(4) {
        let value = u32::from_be_bytes(chunk.try_into().ok()?);
        for power in (0..5).rev() {
            let digit = value / 85u32.pow(power) % 85;
            text.push(char::from(*ALPHABET.get(digit as usize)?));
        }
    }
    Some(text)
}

/// Binary data of a text whose length is a multiple of 5.
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    if text.len() % 5 != 0 {
        return None;
    }
    let mut data = Vec::with_capacity(text.len() / 5 * 4);
    for chunk in text.chunks_exact(5) {
        let mut value = 0u64;
        for byte in chunk {
            value = value * 85 + ALPHABET.iter().position(|c| c == byte)? as u64;
        }
        data.extend_from_slice(&u32::try_from(value).ok()?.to_be_bytes());
    }
    Some(data)
}
