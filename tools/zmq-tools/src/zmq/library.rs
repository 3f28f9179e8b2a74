//! The functions of `libzmq.so.5`, loaded when a program starts: whatever the dynamic linker finds (LD_LIBRARY_PATH, the
//! directory beside the one the tools are installed in, the system's), so that any libzmq will do, and one without draft
//! functions lacks those alone.

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use std::ffi::{c_char, c_int, c_long, c_short, c_void};

/// The file name that every libzmq 4 has.
const NAME: &str = "libzmq.so.5";

/// `zmq_msg_t`.
#[repr(C, align(8))]
pub(super) struct RawMsg(pub [u8; 64]);

/// `zmq_pollitem_t`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct PollItem {
    /// A socket, or null.
    pub socket: *mut c_void,
    /// A descriptor, if there is no socket.
    pub fd: c_int,
    /// What to wait for.
    pub events: c_short,
    /// What there is.
    pub revents: c_short,
}

type Ptr = *mut c_void;
type Msg = *mut RawMsg;

/// Declares the table of functions, of which those behind `draft` may be missing.
macro_rules! functions {
    ({ $($name:ident: fn($($arg:ty),*) -> $ret:ty;)* } draft { $($draft:ident: fn($($darg:ty),*) -> $dret:ty;)* }) => {
        /// Pointers into the library, which stays loaded as long as this lives.
        #[allow(missing_docs, reason = "they are those of zmq.h")]
        pub(super) struct Functions {
            $(pub $name: unsafe extern "C" fn($($arg),*) -> $ret,)*
            $(pub $draft: Option<unsafe extern "C" fn($($darg),*) -> $dret>,)*
            _library: Library,
        }

        impl Functions {
            fn find(library: Library) -> Result<Functions, libloading::Error> {
                // SAFETY: the types are those of zmq.h, and the pointers live no longer than the library beside them.
                unsafe {
                    Ok(Functions {
                        $($name: *library.get(concat!("zmq_", stringify!($name), "\0").as_bytes())?,)*
                        $($draft: library
                            .get(concat!("zmq_", stringify!($draft), "\0").as_bytes())
                            .ok()
                            .map(|f: libloading::os::unix::Symbol<_>| *f),)*
                        _library: library,
                    })
                }
            }
        }
    };
}

functions! {{
    version: fn(*mut c_int, *mut c_int, *mut c_int) -> ();
    errno: fn() -> c_int;
    strerror: fn(c_int) -> *const c_char;
    ctx_new: fn() -> Ptr;
    ctx_term: fn(Ptr) -> c_int;
    socket: fn(Ptr, c_int) -> Ptr;
    close: fn(Ptr) -> c_int;
    bind: fn(Ptr, *const c_char) -> c_int;
    connect: fn(Ptr, *const c_char) -> c_int;
    setsockopt: fn(Ptr, c_int, *const c_void, usize) -> c_int;
    getsockopt: fn(Ptr, c_int, *mut c_void, *mut usize) -> c_int;
    msg_init: fn(Msg) -> c_int;
    msg_init_size: fn(Msg, usize) -> c_int;
    msg_data: fn(Msg) -> Ptr;
    msg_size: fn(*const RawMsg) -> usize;
    msg_more: fn(*const RawMsg) -> c_int;
    msg_send: fn(Msg, Ptr, c_int) -> c_int;
    msg_recv: fn(Msg, Ptr, c_int) -> c_int;
    msg_close: fn(Msg) -> c_int;
    poll: fn(*mut PollItem, c_int, c_long) -> c_int;
    curve_keypair: fn(*mut c_char, *mut c_char) -> c_int;
    curve_public: fn(*mut c_char, *const c_char) -> c_int;
} draft {
    connect_peer: fn(Ptr, *const c_char) -> u32;
    join: fn(Ptr, *const c_char) -> c_int;
    msg_set_group: fn(Msg, *const c_char) -> c_int;
    msg_group: fn(Msg) -> *const c_char;
    msg_set_routing_id: fn(Msg, u32) -> c_int;
    msg_routing_id: fn(Msg) -> u32;
}}

impl Functions {
    /// Loads the library. The text of an error is for the user.
    pub(super) fn load() -> Result<Functions, String> {
        // SAFETY: loading a libzmq runs nothing but its initializers, which any program linked to it runs.
        let library = unsafe { Library::open(Some(NAME), RTLD_NOW | RTLD_LOCAL) };
        let library = library.map_err(|e| format!("cannot load {NAME}: {e}"))?;
        Functions::find(library).map_err(|e| format!("{NAME} is too old: {e}"))
    }
}
