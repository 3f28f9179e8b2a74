//! Libraries that are opened when somebody first asks for what they do. Without them the library works, but for that.
//!
//! [`library!`] makes a table of the functions that are used of one, and all of them are there or none. A library
//! is looked for once in the life of a process, and stays. A program linked statically has no loader that could
//! share its C library with what it loads (glibc would bring a second one, with a memory and an `errno` of its
//! own), so nothing is looked for there.

use super::cancel::Shielded;
use super::foreign::Inside;
use libloading::os::unix;
use std::ffi::{c_int, c_void};
use std::mem::ManuallyDrop;

/// A library that is loaded, and stays.
pub(super) struct Library(ManuallyDrop<unix::Library>);

impl Library {
    /// Loads the one in this file, whose name ends with a zero, unless it cannot be found or used.
    pub(super) fn open(file: &str) -> Option<Library> {
        // The made-up world has no libraries.
        if cfg!(sim) || !is_dynamic() {
            return None;
        }
        let _here = Shielded::begin();
        let _inside = Inside::enter();
        // SAFETY: what a library of the system does when it is loaded is what it does to any program linked with it.
        let library = unsafe { unix::Library::open(Some(file), unix::RTLD_NOW | unix::RTLD_LOCAL) };
        Some(Library(ManuallyDrop::new(library.ok()?)))
    }

    /// The function with this name, which ends with a zero.
    ///
    /// # Safety
    /// `T` is a pointer to a function of that type.
    pub(super) unsafe fn function<T: Copy>(&self, name: &str) -> Option<T> {
        const { assert!(size_of::<T>() == size_of::<*const ()>()) };
        // SAFETY: as promised. It outlives the symbol, as it stays.
        unsafe { self.0.get::<T>(name) }.ok().map(|symbol| *symbol)
    }
}

/// Whether a loader has started the program: it is one that names its loader.
fn is_dynamic() -> bool {
    unsafe extern "C" fn first(info: *mut libc::dl_phdr_info, _: usize, to: *mut c_void) -> c_int {
        // SAFETY: dl_iterate_phdr(3) describes an object that is loaded, and `to` is the caller's.
        let (headers, found) = unsafe {
            let count = usize::from((*info).dlpi_phnum);
            (std::slice::from_raw_parts((*info).dlpi_phdr, count), &mut *to.cast::<bool>())
        };
        *found = headers.iter().any(|header| header.p_type == libc::PT_INTERP);
        // The program is the first. No more of them.
        1
    }
    let mut found = false;
    // SAFETY: the callback takes what it is given.
    unsafe { libc::dl_iterate_phdr(Some(first), (&raw mut found).cast()) };
    found
}

/// Makes a table of functions, as a header declares them, and its `get`: `None` without the library, or without
/// one of them.
macro_rules! library {
    (
        $(#[$doc:meta])*
        $vis:vis struct $name:ident from $file:literal {
            $(fn $function:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)?;)*
        }
    ) => {
        $(#[$doc])*
        $vis struct $name {
            $($vis $function: unsafe extern "C" fn($($argument: $type),*) $(-> $result)?,)*
        }

        impl $name {
            /// Its functions, if it can be loaded. It is tried once.
            $vis fn get() -> Option<&'static $name> {
                // A child of fork(2) asks for itself, and is given what its parent has loaded: here its parent may have been
                // in the middle of it.
                static LOADED: $crate::sync::PerProcess<Option<$name>> =
                    $crate::sync::PerProcess::not_yet(None);
                LOADED.get_or(|_| $name::open()).as_ref()
            }

            fn open() -> Option<$name> {
                let library = $crate::sys::dl::Library::open(concat!($file, "\0"))?;
                // SAFETY: they are declared as in the library's header.
                unsafe {
                    Some($name {
                        $($function: library.function(concat!(stringify!($function), "\0"))?,)*
                    })
                }
            }
        }
    };
}
pub(super) use library;

#[cfg(all(test, not(any(loom, sim))))]
mod tests {
    library! {
        struct Math from "libm.so.6" {
            fn floor(number: f64) -> f64;
            fn fmax(one: f64, other: f64) -> f64;
        }
    }

    library! {
        #[expect(dead_code, reason = "never there")]
        struct Older from "libm.so.6" {
            fn floor(number: f64) -> f64;
            fn not_in_this_version();
        }
    }

    library! {
        #[expect(dead_code, reason = "never there")]
        struct Missing from "libnobody-has-this.so.7" {
            fn floor(number: f64) -> f64;
        }
    }

    #[test]
    fn all_functions_are_there_or_none() {
        let math = Math::get().unwrap();
        // SAFETY: as math.h declares them.
        assert_eq!(unsafe { ((math.floor)(3.5), (math.fmax)(1.0, 2.0)) }, (3.0, 2.0));
        assert!(std::ptr::eq(math, Math::get().unwrap()), "tried once");
        assert!(Older::get().is_none() && Missing::get().is_none());
        assert!(Missing::get().is_none());
    }
}
