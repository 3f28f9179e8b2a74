//! Parts in double quotes, with \" \\ \n \r \t and \xNN for what cannot be printed: one line for a message, a blank between
//! its parts.

/// Writes a part.
pub(super) fn write(part: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in part {
        match byte {
            b'"' => out.extend(b"\\\""),
            b'\\' => out.extend(b"\\\\"),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b'\t' => out.extend(b"\\t"),
            b' '..=b'~' => out.push(byte),
            _ => out.extend(format!("\\x{byte:02x}").bytes()),
        }
    }
    out.push(b'"');
}

/// The parts of a line.
pub(super) fn read(line: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut parts = Vec::new();
    let mut bytes = line.iter().copied();
    loop {
        match bytes.next() {
            None if parts.is_empty() => return Err("nothing in quotes".to_owned()),
            None => return Ok(parts),
            Some(b' ' | b'\t' | b'\r') => {}
            Some(b'"') => parts.push(read_part(&mut bytes)?),
            Some(other) => return Err(format!("{:?} outside of quotes", char::from(other))),
        }
    }
}

/// What stands up to the closing quote.
fn read_part(bytes: &mut impl Iterator<Item = u8>) -> Result<Vec<u8>, String> {
    let mut part = Vec::new();
    loop {
        part.push(match bytes.next() {
            None => return Err("no quote at the end".to_owned()),
            Some(b'"') => return Ok(part),
            Some(b'\\') => match bytes.next() {
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                Some(b'x') => hexadecimal(bytes.next(), bytes.next())?,
                Some(other @ (b'"' | b'\\')) => other,
                _ => return Err("a \\ that stands for nothing".to_owned()),
            },
            Some(other) => other,
        });
    }
}

fn hexadecimal(high: Option<u8>, low: Option<u8>) -> Result<u8, String> {
    let digit = |d: Option<u8>| d.and_then(|d| char::from(d).to_digit(16));
    match (digit(high), digit(low)) {
        (Some(high), Some(low)) => u8::try_from(high * 16 + low).map_err(|e| e.to_string()),
        _ => Err("\\x without two hexadecimal digits".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back() {
        let parts: Vec<Vec<u8>> = vec![(0..=255).collect(), Vec::new(), b"a b".to_vec()];
        let mut line = Vec::new();
        for part in &parts {
            write(part, &mut line);
            line.push(b' ');
        }
        assert!(line.is_ascii() && !line.contains(&b'\n'));
        assert_eq!(read(&line), Ok(parts));
    }

    #[test]
    fn what_is_not_quoted_is_refused() {
        for wrong in ["", "a", "\"a", "\"\\", "\"\\q\"", "\"\\x1\"", "\"\\xgg\"", "\"a\" b"] {
            assert!(read(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
