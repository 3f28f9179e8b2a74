//! CURVE keys in files: 40 characters of Z85 alone in a file, or a certificate as CZMQ writes it, of which the line
//! `public-key = "..."` or `secret-key = "..."` is read.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// How many characters a key has.
const LENGTH: usize = 40;

/// A file of keys is no longer than this.
const LONGEST: u64 = 64 * 1024;

/// Which key of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one that everybody may know.
    Public,
    /// The one that nobody else may know.
    Secret,
}

/// Whether these are 40 characters of Z85 (RFC 32).
fn is_key(text: &str) -> bool {
    let is_z85 = |c: char| c.is_ascii_alphanumeric() || ".-:+=^!/*?&<>()[]{}@%$#".contains(c);
    text.len() == LENGTH && text.chars().all(is_z85)
}

/// The key in a file's text.
fn find(text: &str, which: Which) -> Result<String, String> {
    let alone = text.trim();
    if is_key(alone) {
        return Ok(alone.to_owned());
    }
    let name = if which == Which::Public { "public-key" } else { "secret-key" };
    let value = text.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == name).then(|| value.trim().trim_matches('"').to_owned())
    });
    match value {
        Some(key) if is_key(&key) => Ok(key),
        Some(_) => Err(format!("its {name} is not {LENGTH} characters of Z85")),
        None => Err(format!("holds neither {LENGTH} characters of Z85 nor a {name}")),
    }
}

/// Reads a key. The text of an error names the file.
pub fn read(file: &Path, which: Which) -> Result<String, String> {
    let name = |what: String| format!("{}: {what}", file.display());
    // Of 40 characters nobody can tell which key they are.
    if which == Which::Secret && file.extension().is_some_and(|end| end == "pub") {
        return Err(name(
            "is the file of a public key, and the secret one is asked for".to_owned(),
        ));
    }
    let mut text = String::new();
    let opened = File::open(file).map_err(|e| name(e.to_string()))?;
    opened.take(LONGEST).read_to_string(&mut text).map_err(|e| name(e.to_string()))?;
    find(&text, which).map_err(name)
}

/// Whether others than its owner may read a file: worth a word if it holds a secret.
pub fn is_open_to_others(file: &Path) -> bool {
    file.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o077 != 0)
}

/// The file of the public key beside that of the secret one, as ssh-keygen names it.
pub fn public_beside(secret: &Path) -> PathBuf {
    let mut name = secret.as_os_str().to_owned();
    name.push(".pub");
    PathBuf::from(name)
}

/// Writes a key pair to a file and the one beside it: both, or neither, so that what stands side by side belongs together.
pub fn write_pair(file: &Path, public: &str, secret: &str, replace: bool) -> Result<(), String> {
    write(file, secret, Which::Secret, replace)?;
    let written = write(&public_beside(file), public, Which::Public, replace);
    if written.is_err() {
        let _ = std::fs::remove_file(file);
    }
    written
}

/// Writes a key to a file of its own, which must not be there unless `replace` says that it may.
fn write(file: &Path, key: &str, which: Which, replace: bool) -> Result<(), String> {
    let mode = if which == Which::Secret { 0o600 } else { 0o644 };
    let name = |e: std::io::Error| match e.kind() {
        ErrorKind::AlreadyExists => {
            format!("{}: is there already (--force replaces it)", file.display())
        }
        _ => format!("{}: {e}", file.display()),
    };
    if replace {
        match std::fs::remove_file(file) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(name(e)),
            _ => {}
        }
    }
    // A new file, so that the permissions are these from the beginning and no link leads elsewhere.
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(file);
    opened.and_then(|mut f| writeln!(f, "{key}")).map_err(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";

    #[test]
    fn a_key_is_found_alone_and_in_a_certificate() {
        assert_eq!(find(&format!("{KEY}\n"), Which::Secret), Ok(KEY.to_owned()));
        let certificate = format!("#   made\nmetadata\ncurve\n    public-key = \"{KEY}\"\n");
        assert_eq!(find(&certificate, Which::Public), Ok(KEY.to_owned()));
        assert!(find(&certificate, Which::Secret).is_err());
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for wrong in ["", "rq:rM", &KEY.replace('r', "~"), &format!("{KEY}x")] {
            assert!(find(wrong, Which::Secret).is_err(), "{wrong}");
        }
        assert!(find("secret-key = \"short\"", Which::Secret).is_err());
    }
}
