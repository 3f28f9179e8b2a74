//! Security contexts of the GSSAPI (RFC 2743; in C RFC 2744), from the system's Kerberos library if there is one.
//!
//! Steps of a context that is being set up may ask a KDC, a name server or a file, so only a helper thread
//! takes them ([`super::helpers`]). Once it is set up, wrapping and unwrapping only computes.

use super::cancel::Shielded;
use super::dl::library;
use super::foreign::Inside;
use std::ffi::{c_int, c_void};
use std::ops::Deref;
use std::ptr::{null, null_mut};

/// `gss_buffer_desc`.
#[repr(C)]
struct Buffer {
    length: usize,
    value: *mut c_void,
}

impl Buffer {
    const EMPTY: Buffer = Buffer { length: 0, value: null_mut() };

    /// Bytes that a call reads.
    fn over(bytes: &[u8]) -> Buffer {
        Buffer { length: bytes.len(), value: bytes.as_ptr().cast_mut().cast() }
    }
}

/// `gss_OID_desc`.
#[repr(C)]
struct Oid {
    length: u32,
    elements: *const u8,
}

// SAFETY: constants.
unsafe impl Sync for Oid {}

impl Oid {
    const fn new(elements: &'static [u8]) -> Oid {
        Oid { length: elements.len() as u32, elements: elements.as_ptr() }
    }
}

/// What kinds of names there are, as ZMQ_GSSAPI_NT_* of zmq.h number them: `GSS_C_NT_HOSTBASED_SERVICE` and
/// `GSS_C_NT_USER_NAME` (RFC 2744, appendix A), `GSS_KRB5_NT_PRINCIPAL_NAME` (RFC 1964, 2.1.1).
static NAME_TYPES: [Oid; 3] = [
    Oid::new(b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x01\x04"),
    Oid::new(b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x01\x01"),
    Oid::new(b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01"),
];

type Handle = *mut c_void;

library! {
    struct Api from "libgssapi_krb5.so.2" {
        fn gss_import_name(minor: *mut u32, text: *const Buffer, kind: *const Oid, name: *mut Handle) -> u32;
        fn gss_release_name(minor: *mut u32, name: *mut Handle) -> u32;
        fn gss_display_name(minor: *mut u32, name: Handle, text: *mut Buffer, kind: *mut *const Oid) -> u32;
        fn gss_acquire_cred(
            minor: *mut u32, name: Handle, seconds: u32, mechanisms: *const c_void, usage: c_int,
            credentials: *mut Handle, of: *mut Handle, until: *mut u32,
        ) -> u32;
        fn gss_release_cred(minor: *mut u32, credentials: *mut Handle) -> u32;
        fn gss_init_sec_context(
            minor: *mut u32, credentials: Handle, context: *mut Handle, peer: Handle,
            mechanism: *const Oid, flags: u32, seconds: u32, bindings: *const c_void,
            token: *const Buffer, of: *mut *const Oid, out: *mut Buffer, got: *mut u32,
            until: *mut u32,
        ) -> u32;
        fn gss_accept_sec_context(
            minor: *mut u32, context: *mut Handle, credentials: Handle, token: *const Buffer,
            bindings: *const c_void, peer: *mut Handle, mechanism: *mut *const Oid,
            out: *mut Buffer, got: *mut u32, until: *mut u32, delegated: *mut Handle,
        ) -> u32;
        fn gss_delete_sec_context(minor: *mut u32, context: *mut Handle, out: *mut Buffer) -> u32;
        fn gss_wrap(
            minor: *mut u32, context: Handle, confidential: c_int, quality: u32,
            text: *const Buffer, was: *mut c_int, out: *mut Buffer,
        ) -> u32;
        fn gss_unwrap(
            minor: *mut u32, context: Handle, token: *const Buffer, out: *mut Buffer,
            was: *mut c_int, quality: *mut u32,
        ) -> u32;
        fn gss_release_buffer(minor: *mut u32, buffer: *mut Buffer) -> u32;
    }
}

/// `GSS_S_COMPLETE`, without any of the notes that a call may add.
const COMPLETE: u32 = 0;
/// `GSS_S_CONTINUE_NEEDED`.
const CONTINUE: u32 = 1;
/// `GSS_C_INITIATE` and `GSS_C_ACCEPT`.
const INITIATE: c_int = 1;
const ACCEPT: c_int = 2;

/// What is asked of a context: both sides are who they say (`GSS_C_MUTUAL_FLAG`), nothing is replayed or left
/// out (`REPLAY`, `SEQUENCE`).
const FLAGS: u32 = MUTUAL | 4 | 8;
const MUTUAL: u32 = 2;
/// Nobody reads or changes what is wrapped: `GSS_C_CONF_FLAG` and `GSS_C_INTEG_FLAG`.
const PRIVATE: u32 = 16 | 32;

/// Whether the library is here.
pub fn is_there() -> bool {
    Api::get().is_some()
}

/// Bytes that the library has made.
pub struct Token {
    api: &'static Api,
    buffer: Buffer,
}

// SAFETY: memory that nobody else knows, and free(3) takes it on any thread.
unsafe impl Send for Token {}

impl Token {
    fn new(api: &'static Api) -> Token {
        Token { api, buffer: Buffer::EMPTY }
    }
}

impl Deref for Token {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        if self.buffer.value.is_null() {
            return &[];
        }
        // SAFETY: the library says that they are there, and they are ours until they are released.
        unsafe { std::slice::from_raw_parts(self.buffer.value.cast(), self.buffer.length) }
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        // SAFETY: the library's, or empty.
        unsafe { (self.api.gss_release_buffer)(&mut 0, &raw mut self.buffer) };
    }
}

/// Something of the library's with a function that ends it.
struct Owned {
    handle: Handle,
    release: unsafe extern "C" fn(*mut u32, *mut Handle) -> u32,
}

impl Drop for Owned {
    fn drop(&mut self) {
        if !self.handle.is_null() {
            // SAFETY: the library made it, and nobody else has it.
            unsafe { (self.release)(&mut 0, &raw mut self.handle) };
        }
    }
}

/// A name as the application gives it.
#[derive(Debug, Clone, Default)]
pub struct Principal {
    /// What stands before the first zero counts. Empty: whoever there are credentials for.
    pub name: Vec<u8>,
    /// A `ZMQ_GSSAPI_NT_*`.
    pub kind: i32,
}

impl Principal {
    /// As the library knows it; `None` if it cannot be one.
    fn import(&self, api: &'static Api) -> Option<Owned> {
        let text = self.name.split(|byte| *byte == 0).next().unwrap_or_default();
        let kind = usize::try_from(self.kind).ok().and_then(|kind| NAME_TYPES.get(kind))?;
        let mut name = Owned { handle: null_mut(), release: api.gss_release_name };
        // SAFETY: all of it lives during the call.
        let status = unsafe {
            (api.gss_import_name)(&mut 0, &Buffer::over(text), kind, &raw mut name.handle)
        };
        (status == COMPLETE).then_some(name)
    }
}

/// Why there is no context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// On our side: no credentials, no ticket for the peer, no KDC.
    Ours,
    /// The token makes no context.
    Token,
}

/// What a step has come to.
pub struct Step {
    /// For the peer; empty: nothing.
    pub token: Token,
    /// Whether the context is set up.
    pub established: bool,
}

/// A security context, and who has it set up.
pub struct Context {
    api: &'static Api,
    handle: Handle,
    /// Whom to have credentials for.
    principal: Principal,
    /// Whom to reach, if it is us who begin.
    service: Option<Principal>,
    /// Whether what is wrapped is to be encrypted.
    private: bool,
    /// Of the principal, and the service's name, while the context is being set up.
    begun: Option<(Owned, Owned)>,
    /// Who begins, if that is the peer.
    peer: Vec<u8>,
}

// SAFETY: a context, names and credentials may be used on any thread, by one at a time.
unsafe impl Send for Context {}

impl Context {
    /// One that is to be set up with this service, by whoever begins, or (`None`) with whoever begins. `None`
    /// without the library.
    pub fn new(principal: Principal, service: Option<Principal>, private: bool) -> Option<Context> {
        let api = Api::get()?;
        Some(Context {
            api,
            handle: null_mut(),
            principal,
            service,
            private,
            begun: None,
            peer: Vec::new(),
        })
    }

    /// The next step of setting it up, with the peer's token if it has come. It may take as long as a KDC likes.
    ///
    /// # Errors
    /// There will be no context.
    pub fn step(&mut self, token: &[u8]) -> Result<Step, Failure> {
        let _here = Shielded::begin();
        let _inside = Inside::enter();
        if self.begun.is_none() {
            self.begun = Some(self.begin().ok_or(Failure::Ours)?);
        }
        let out = Token::new(self.api);
        let step = if self.service.is_some() {
            self.initiate(token, out)
        } else {
            self.accept(token, out)
        };
        if !matches!(step, Ok(Step { established: false, .. })) {
            self.begun = None;
        }
        step
    }

    /// Credentials, and the name of the service. libzmq asks for credentials that serve both ways, so that its
    /// clients need a keytab of their own, and its servers a KDC; ours do not.
    fn begin(&self) -> Option<(Owned, Owned)> {
        let api = self.api;
        let mut credentials = Owned { handle: null_mut(), release: api.gss_release_cred };
        if !self.principal.name.is_empty() {
            let usage = if self.service.is_some() { INITIATE } else { ACCEPT };
            let name = self.principal.import(api)?;
            // SAFETY: the name lives during the call, and the handle is ours.
            let status = unsafe {
                (api.gss_acquire_cred)(
                    &mut 0,
                    name.handle,
                    0,
                    null(),
                    usage,
                    &raw mut credentials.handle,
                    null_mut(),
                    null_mut(),
                )
            };
            if status != COMPLETE {
                return None;
            }
        }
        let service = match &self.service {
            Some(service) => service.import(api)?,
            None => Owned { handle: null_mut(), release: api.gss_release_name },
        };
        Some((credentials, service))
    }

    fn initiate(&mut self, token: &[u8], mut out: Token) -> Result<Step, Failure> {
        let Some((credentials, service)) = &self.begun else { return Err(Failure::Ours) };
        let flags = if self.private { FLAGS | PRIVATE } else { FLAGS };
        let (first, mut got) = (self.handle.is_null(), 0);
        // SAFETY: all handles are the library's and live, and so do the buffers.
        let status = unsafe {
            (self.api.gss_init_sec_context)(
                &mut 0,
                credentials.handle,
                &raw mut self.handle,
                service.handle,
                null(),
                flags,
                0,
                null(),
                &Buffer::over(token),
                null_mut(),
                &raw mut out.buffer,
                &raw mut got,
                null_mut(),
            )
        };
        match status {
            CONTINUE => Ok(Step { token: out, established: false }),
            COMPLETE if self.is_enough(got) => Ok(Step { token: out, established: true }),
            _ if first => Err(Failure::Ours),
            _ => Err(Failure::Token),
        }
    }

    fn accept(&mut self, token: &[u8], mut out: Token) -> Result<Step, Failure> {
        let Some((credentials, _)) = &self.begun else { return Err(Failure::Ours) };
        let mut peer = Owned { handle: null_mut(), release: self.api.gss_release_name };
        let mut got = 0;
        // SAFETY: as above.
        let status = unsafe {
            (self.api.gss_accept_sec_context)(
                &mut 0,
                &raw mut self.handle,
                credentials.handle,
                &Buffer::over(token),
                null(),
                &raw mut peer.handle,
                null_mut(),
                &raw mut out.buffer,
                &raw mut got,
                null_mut(),
                null_mut(),
            )
        };
        match status {
            CONTINUE => Ok(Step { token: out, established: false }),
            COMPLETE if self.is_enough(got) => {
                self.peer = self.display(&peer).ok_or(Failure::Token)?;
                Ok(Step { token: out, established: true })
            }
            _ => Err(Failure::Token),
        }
    }

    /// Whether a context with these flags is what we want. Who begins has to be sure of the other side.
    fn is_enough(&self, flags: u32) -> bool {
        let private = !self.private || flags & PRIVATE == PRIVATE;
        private && (self.service.is_none() || flags & MUTUAL != 0)
    }

    fn display(&self, name: &Owned) -> Option<Vec<u8>> {
        let mut text = Token::new(self.api);
        // SAFETY: the name is the library's, and the buffer ours.
        let status = unsafe {
            (self.api.gss_display_name)(&mut 0, name.handle, &raw mut text.buffer, null_mut())
        };
        (status == COMPLETE && !name.handle.is_null()).then(|| text.to_vec())
    }

    /// Who began, as `name@REALM`, if that was the peer and the context is set up.
    pub fn peer(&self) -> &[u8] {
        &self.peer
    }

    /// Encrypts a text (`GSS_Wrap`). `None`: the context is not good for that, or any more.
    pub fn wrap(&mut self, text: &[u8]) -> Option<Token> {
        let _here = Shielded::begin();
        let (mut out, mut private) = (Token::new(self.api), 0);
        if self.handle.is_null() {
            return None;
        }
        // SAFETY: the context is the library's and live, and so are the buffers.
        let status = unsafe {
            (self.api.gss_wrap)(
                &mut 0,
                self.handle,
                1,
                0,
                &Buffer::over(text),
                &raw mut private,
                &raw mut out.buffer,
            )
        };
        (status == COMPLETE && private != 0).then_some(out)
    }

    /// Decrypts what the peer has wrapped (`GSS_Unwrap`). `None` if it is not the next that it has.
    pub fn unwrap(&mut self, token: &[u8]) -> Option<Token> {
        let _here = Shielded::begin();
        let (mut out, mut private) = (Token::new(self.api), 0);
        if self.handle.is_null() {
            return None;
        }
        // SAFETY: as above.
        let status = unsafe {
            (self.api.gss_unwrap)(
                &mut 0,
                self.handle,
                &Buffer::over(token),
                &raw mut out.buffer,
                &raw mut private,
                null_mut(),
            )
        };
        (status == COMPLETE && private != 0).then_some(out)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if !self.handle.is_null() {
            // SAFETY: the library made it, and nobody else has it.
            unsafe { (self.api.gss_delete_sec_context)(&mut 0, &raw mut self.handle, null_mut()) };
        }
    }
}
