//! Z85: binary as printable text, four bytes as five characters (RFC 32).

const BLOCK: usize = 4;
const CHARACTERS: usize = 5;

/// The 85 characters in the order of their values (RFC 32, "The Z85 alphabet").
const ALPHABET: &[u8; 85] =
    b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

const NOT_A_DIGIT: u8 = 0xff;

/// Character to value.
const VALUES: [u8; 256] = {
    let mut values = [NOT_A_DIGIT; 256];
    let mut value = 0;
    while value < ALPHABET.len() {
        values[ALPHABET[value] as usize] = value as u8;
        value += 1;
    }
    values
};

/// The length of the text for `bytes` bytes; `None` if they are not whole blocks of four.
pub fn encoded_len(bytes: usize) -> Option<usize> {
    bytes.is_multiple_of(BLOCK).then(|| bytes / BLOCK * CHARACTERS)
}

/// The number of bytes in a text of `characters`; `None` if that is empty or not a multiple of
/// five (libzmq refuses the empty text too, although it encodes nothing to it).
pub fn decoded_len(characters: usize) -> Option<usize> {
    let whole = characters != 0 && characters.is_multiple_of(CHARACTERS);
    whole.then(|| characters / CHARACTERS * BLOCK)
}

/// Writes the text for `bytes` to `text`, which must have exactly [`encoded_len`] bytes. False,
/// with nothing written, if the lengths do not fit.
pub fn encode_to(text: &mut [u8], bytes: &[u8]) -> bool {
    if encoded_len(bytes.len()) != Some(text.len()) {
        return false;
    }
    for (block, out) in bytes.chunks_exact(BLOCK).zip(text.chunks_exact_mut(CHARACTERS)) {
        let mut rest = block.iter().fold(0u32, |number, &byte| number << 8 | u32::from(byte));
        for place in out.iter_mut().rev() {
            *place = ALPHABET[(rest % 85) as usize];
            rest /= 85;
        }
    }
    true
}

/// Writes the bytes of `text` to `bytes`, which must have exactly [`decoded_len`] bytes. False,
/// with `bytes` in any state, if the lengths do not fit, a character is not in the alphabet, or
/// five of them are worth more than 32 bits.
pub fn decode_to(bytes: &mut [u8], text: &[u8]) -> bool {
    if decoded_len(text.len()) != Some(bytes.len()) {
        return false;
    }
    for (block, out) in text.chunks_exact(CHARACTERS).zip(bytes.chunks_exact_mut(BLOCK)) {
        let mut number = 0u64;
        for &character in block {
            let value = VALUES[character as usize];
            if value == NOT_A_DIGIT {
                return false;
            }
            number = number * 85 + u64::from(value);
        }
        let Ok(number) = u32::try_from(number) else { return false };
        out.copy_from_slice(&number.to_be_bytes());
    }
    true
}

/// The text for `bytes`; `None` if they are not whole blocks of four.
pub fn encode(bytes: &[u8]) -> Option<String> {
    let mut text = vec![0; encoded_len(bytes.len())?];
    encode_to(&mut text, bytes).then(|| text.into_iter().map(char::from).collect())
}

/// The bytes of `text`; `None` where [`decode_to`] says false.
#[cfg(any(test, fuzzing))]
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = vec![0; decoded_len(text.len())?];
    decode_to(&mut bytes, text).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 32, "Test case".
    const BYTES: [u8; 8] = [0x86, 0x4F, 0xD2, 0x6F, 0xB5, 0x59, 0xF7, 0x5B];

    #[test]
    fn the_test_case_of_the_rfc() {
        assert_eq!(encode(&BYTES).as_deref(), Some("HelloWorld"));
        assert_eq!(decode(b"HelloWorld").as_deref(), Some(&BYTES[..]));
    }

    #[test]
    fn every_value_comes_back() {
        let bytes: Vec<u8> = (0..=255).chain([0xff; 4]).chain([0; 4]).collect();
        let text = encode(&bytes).unwrap();
        assert_eq!(decode(text.as_bytes()).unwrap(), bytes);
        assert_eq!(encode(&[]).as_deref(), Some(""));
    }

    #[test]
    fn partial_blocks_are_refused() {
        for len in [1, 2, 3, 5, 42] {
            assert_eq!(encode(&vec![0; len]), None);
        }
        for text in [&b""[..], b"0", b"0000", b"000000"] {
            assert_eq!(decode(text), None);
        }
    }

    #[test]
    fn characters_and_values_are_checked() {
        assert_eq!(decode(b"%nSc0").as_deref(), Some(&[0xff; 4][..]), "2^32 - 1 is the last");
        for text in [&b"%nSc1"[..], b"#####", b"0000 ", b"0000~", b"0000\x7f", b"0000\xff"] {
            assert_eq!(decode(text), None, "{text:?}");
        }
        for wrong in (0..=255u8).filter(|c| !ALPHABET.contains(c)) {
            assert_eq!(decode(&[b'0', b'0', wrong, b'0', b'0']), None);
        }
    }
}
