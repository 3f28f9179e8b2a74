//! The GSSAPI mechanism (RFC 38), which in practice is Kerberos: who the two sides are, and keys for what they
//! say, come from the system's library.
//!
//! RFC 38 leaves the commands open. They are as libzmq 4.3 sends them, which `docs/design/gssapi.md` tells.
//! Steps of the library's may ask a KDC, so they are [`Work`](crate::wire::Work) for somebody who may wait.

mod dialogue;
mod provider;
mod session;

#[cfg(test)]
mod tests;
#[cfg(any(test, fuzzing))]
pub(super) mod toy;

pub use dialogue::Gssapi;

use super::row::Row;
use crate::options::SocketOptions;
use crate::options::numbers::value;
use crate::sys::gssapi::{self, Context, Principal};
use crate::wire::Mechanism;
use provider::{Absent, Provider};

/// The row of the table.
pub(super) static ROW: Row = Row {
    number: value::GSSAPI,
    optional: Some((b"gssapi", gssapi::is_there)),
    needs_zap_handler: false,
    make,
};

fn make(options: &SocketOptions) -> Box<dyn Mechanism> {
    let ours = &options.gssapi;
    let principal = Principal { name: ours.principal.clone(), kind: ours.principal_type };
    let service = Principal { name: ours.service.clone(), kind: ours.service_type };
    let service = (!options.as_server).then_some(service);
    let private = !ours.plaintext;
    let provider: Box<dyn Provider> = match Context::new(principal, service, private) {
        Some(context) => Box::new(context),
        None => Box::new(Absent),
    };
    if !options.as_server {
        return Box::new(Gssapi::client(provider, private));
    }
    // With ZMQ_ZAP_ENFORCE_DOMAIN and no domain, libzmq asks nobody.
    let zap = !options.zap_enforce_domain || !options.zap_domain.is_empty();
    Box::new(Gssapi::server(provider, private, zap))
}
