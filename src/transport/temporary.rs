//! Where a socket is that is to be bound to any name: `ipc://*`.

use std::os::unix::ffi::OsStrExt;

use crate::error::Result;
use crate::sys::net::{self, UnixName};

/// A directory of our own with nothing in it but a socket; both go with this value.
#[derive(Debug)]
pub(super) struct TemporaryDirectory {
    /// As made, relative to the working directory of then.
    path: Vec<u8>,
    /// Where it is even after the working directory changed.
    absolute: Vec<u8>,
}

impl TemporaryDirectory {
    /// Makes one in the directory that TMPDIR, TEMPDIR or TMP names (the first that exists),
    /// or in the working directory.
    pub(super) fn new() -> Result<TemporaryDirectory> {
        let mut template = Vec::new();
        let named = ["TMPDIR", "TEMPDIR", "TMP"].into_iter().filter_map(std::env::var_os);
        let mut usable = named.filter(|name| std::path::Path::new(name).is_dir());
        if let Some(parent) = usable.next() {
            template.extend_from_slice(parent.as_bytes());
            if template.last() != Some(&b'/') {
                template.push(b'/');
            }
        }
        template.extend_from_slice(b"tmpXXXXXX");
        let path = net::make_temporary_directory(&template)?;
        let absolute = match std::path::absolute(std::ffi::OsStr::from_bytes(&path)) {
            Ok(absolute) => absolute.as_os_str().as_bytes().to_vec(),
            Err(_) => path.clone(),
        };
        Ok(TemporaryDirectory { path, absolute })
    }

    /// The name of the socket in it.
    pub(super) fn socket(&self) -> UnixName {
        UnixName::Path([self.path.as_slice(), b"/socket"].concat())
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        // Somebody may have tidied up before us; there is nobody to tell if it fails.
        let _ = net::unlink(&[self.absolute.as_slice(), b"/socket"].concat());
        let _ = net::remove_directory(&self.absolute);
    }
}
