//! What the options of an endpoint say about TLS (ZMQ_WSS_*).

use super::sources;
use super::verify::Verifier;
use crate::error::{Error, Result};
use crate::options::SocketOptions;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::NoServerSessionStorage;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// How the connections of an endpoint begin.
#[derive(Clone)]
pub(in crate::transport) enum Config {
    /// We are the server.
    Server(Arc<ServerConfig>),
    /// We are the client of this server.
    Client(Arc<ClientConfig>, ServerName<'static>),
}

impl Config {
    /// For who listens.
    ///
    /// # Errors
    /// [`Error::Invalid`]: there is no certificate, or no key that belongs to it (libzmq ends the process).
    pub(in crate::transport) fn listening(options: &SocketOptions) -> Result<Config> {
        let (chain, key) = identity(options)?.ok_or(Error::Invalid)?;
        let mut config = ServerConfig::builder_with_details(sources::provider(), sources::time())
            .with_safe_default_protocol_versions()
            .map_err(invalid)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(invalid)?;
        // Each connection is one of its own: there is nothing to resume, and no memory that peers have us keep.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Config::Server(Arc::new(config)))
    }

    /// For who connects to this host. The server has to be the one that ZMQ_WSS_HOSTNAME names. Without that any will do
    /// that somebody of ZMQ_WSS_TRUST_PEM vouches for, as in libzmq; but with all that the system trusts it has to be
    /// the host of the endpoint, since everybody has a certificate of some kind.
    ///
    /// # Errors
    /// [`Error::Invalid`]: an option that is set holds none of what it should.
    pub(in crate::transport) fn connecting(host: &str, options: &SocketOptions) -> Result<Config> {
        let draft = &options.draft;
        let provider = sources::provider();
        let (mut roots, trusted) = (RootCertStore::empty(), certificates(&draft.wss_trust_pem)?);
        for certificate in &trusted {
            roots.add(certificate.clone()).map_err(invalid)?;
        }
        if draft.wss_trust_system {
            // What the system has that makes no sense is nobody's fault here.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        let checks_name = !draft.wss_hostname.is_empty() || draft.wss_trust_system;
        let name = match &draft.wss_hostname {
            none if none.is_empty() => server_name(host),
            name => server_name(std::str::from_utf8(name).map_err(invalid)?),
        };
        let name = match name {
            Err(_) if !checks_name => ServerName::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            name => name?,
        };
        let verifier = Verifier { provider: provider.clone(), roots, trusted, checks_name };
        let config = ClientConfig::builder_with_details(provider, sources::time())
            .with_safe_default_protocol_versions()
            .map_err(invalid)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match identity(options)? {
            Some((chain, key)) => config.with_client_auth_cert(chain, key).map_err(invalid)?,
            None => config.with_no_client_auth(),
        };
        config.resumption = Resumption::disabled();
        Ok(Config::Client(Arc::new(config), name))
    }
}

fn server_name(name: &str) -> Result<ServerName<'static>> {
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    ServerName::try_from(bare).map(|name| name.to_owned()).map_err(invalid)
}

/// Our certificate with those that vouch for it, and its key, unless neither is set.
fn identity(
    options: &SocketOptions,
) -> Result<Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>> {
    let (chain, key) = (&options.draft.wss_cert_pem, &options.draft.wss_key_pem);
    if chain.is_empty() && key.is_empty() {
        return Ok(None);
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(invalid)?;
    let chain = certificates(chain)?;
    if chain.is_empty() { Err(Error::Invalid) } else { Ok(Some((chain, key))) }
}

/// The certificates of a text, of which there has to be one if it is not empty.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let found: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(invalid)?;
    if found.is_empty() && !pem.is_empty() { Err(Error::Invalid) } else { Ok(found) }
}

fn invalid<E>(_: E) -> Error {
    Error::Invalid
}
