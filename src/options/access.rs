//! How options are set and read: by their rows of the table.

use super::SocketOptions;
use super::table::{self, OptionInfo, Shape};
use crate::error::{Error, Result};
use crate::util::keys::SecretKey;
use crate::util::z85;

impl SocketOptions {
    /// zmq_setsockopt(3) with a value that is not a null pointer. `None`: not an option of all
    /// types, ask the pattern. An option the table knows but that cannot be set, or a value
    /// of the wrong size or out of range, is EINVAL and changes nothing.
    ///
    /// For options of some types only, ask [`super::supported_by`] first.
    pub fn set(&mut self, option: i32, value: &[u8]) -> Option<Result<()>> {
        Some(self.store(table::find(option)?, value))
    }

    /// zmq_setsockopt(3) with a null pointer and length 0, which clears some options and is
    /// EINVAL for the others. (A null pointer with a length is EINVAL at the C boundary.)
    pub fn set_null(&mut self, option: i32) -> Option<Result<()>> {
        let info = table::find(option)?;
        Some(match info.shape {
            Shape::Bytes { min: 0, set, .. } => set(self, &[]),
            Shape::Text { clear: Some(clear), .. } | Shape::List { clear: Some(clear), .. } => {
                clear(self);
                Ok(())
            }
            _ => Err(Error::Invalid),
        })
    }

    /// zmq_getsockopt(3) into a buffer of `capacity` bytes: the bytes to store there, whose
    /// number is the new length. `None`: not an option of all types, ask the pattern.
    pub fn get(&self, option: i32, capacity: usize) -> Option<Result<Vec<u8>>> {
        Some(self.load(table::find(option)?, capacity))
    }

    fn store(&mut self, info: &OptionInfo, value: &[u8]) -> Result<()> {
        match info.shape {
            Shape::Int { min, max, set: Some(set), .. } => {
                let number = i32::from_ne_bytes(exactly(value)?);
                if number < min || number > max {
                    return Err(Error::Invalid);
                }
                set(self, number);
                Ok(())
            }
            Shape::Flag { strict, set, .. } => {
                let number = i32::from_ne_bytes(exactly(value)?);
                if strict && !matches!(number, 0 | 1) {
                    return Err(Error::Invalid);
                }
                set(self, number != 0);
                Ok(())
            }
            Shape::Int64 { set, .. } => {
                set(self, i64::from_ne_bytes(exactly(value)?));
                Ok(())
            }
            Shape::Uint64 { set, .. } => {
                set(self, u64::from_ne_bytes(exactly(value)?));
                Ok(())
            }
            Shape::Bytes { min, max, set, .. } | Shape::Text { min, max, set, .. } => {
                if value.len() < min || value.len() > max {
                    return Err(Error::Invalid);
                }
                set(self, value)
            }
            Shape::Key { set, .. } => {
                let mut key = SecretKey::default();
                read_curve_key(value, &mut key)?;
                set(self, &key);
                Ok(())
            }
            Shape::List { add, .. } => add(self, value),
            Shape::Int { set: None, .. } => Err(Error::Invalid),
        }
    }

    fn load(&self, info: &OptionInfo, capacity: usize) -> Result<Vec<u8>> {
        match info.shape {
            Shape::Int { get, .. } => fitting(&get(self).to_ne_bytes(), capacity),
            Shape::Flag { get, .. } => fitting(&i32::from(get(self)).to_ne_bytes(), capacity),
            Shape::Int64 { get, .. } => fitting(&get(self).to_ne_bytes(), capacity),
            Shape::Uint64 { get, .. } => fitting(&get(self).to_ne_bytes(), capacity),
            Shape::Bytes { get: Some(get), .. } => {
                let bytes = get(self);
                if bytes.len() > capacity {
                    return Err(Error::Invalid);
                }
                Ok(bytes.to_vec())
            }
            Shape::Text { get, .. } => {
                let text = get(self);
                if text.len() >= capacity {
                    return Err(Error::Invalid);
                }
                Ok([text, &[0]].concat())
            }
            Shape::Key { get, .. } => match capacity {
                32 => Ok(get(self).to_vec()),
                41 => {
                    let text = z85::encode(get(self)).ok_or(Error::Invalid)?;
                    Ok([text.as_bytes(), &[0]].concat())
                }
                _ => Err(Error::Invalid),
            },
            Shape::Bytes { get: None, .. } | Shape::List { .. } => Err(Error::Invalid),
        }
    }
}

/// The value if it has exactly the size of a `T`.
fn exactly<const N: usize>(value: &[u8]) -> Result<[u8; N]> {
    value.try_into().map_err(|_| Error::Invalid)
}

/// A number is only read into a buffer of exactly its size.
fn fitting(bytes: &[u8], capacity: usize) -> Result<Vec<u8>> {
    if bytes.len() == capacity { Ok(bytes.to_vec()) } else { Err(Error::Invalid) }
}

/// A CURVE key as 32 raw bytes, or 40 characters of Z85 (RFC 32) with or without their NUL. It is read into where it is
/// overwritten afterwards: a key that is returned leaves a copy on the stack.
fn read_curve_key(value: &[u8], key: &mut SecretKey) -> Result<()> {
    // The length first: what is said to be longer may not be there.
    let text = match value.len() {
        32 | 40 => value,
        41 => value.strip_suffix(&[0]).ok_or(Error::Invalid)?,
        _ => return Err(Error::Invalid),
    };
    if text.len() == 32 {
        key.copy_from_slice(text);
    } else if !z85::decode_to(key.as_mut_slice(), text) {
        return Err(Error::Invalid);
    }
    Ok(())
}
