//! Whether a server is who it should be.
//!
//! Chains, times, purposes and alternative names are webpki's to judge. It is stricter than gnutls, with which libzmq
//! speaks TLS, in two ways that certificates made by hand run into, so there are two ways past it: a
//! certificate that is trusted itself needs nobody who vouches for it, and may be one that could vouch for others (`openssl
//! req -x509` makes such ones); and where a certificate has no names of hosts, its common name is one (RFC 6125, section 6.4.4).

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::sync::Arc;
use webpki::{EndEntityCert, KeyUsage};

/// id-at-commonName (RFC 5280, appendix A.1), as it is encoded.
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;

/// Believes what chains up to `roots`, or is one of `trusted`.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) provider: Arc<CryptoProvider>,
    pub(super) roots: RootCertStore,
    /// Those of the roots that may be a server's own.
    pub(super) trusted: Vec<CertificateDer<'static>>,
    /// Whether the server has to be the one of a name.
    pub(super) checks_name: bool,
}

impl Verifier {
    /// Whether this certificate is trusted itself, and all that is against it is that it could vouch for others, or nobody
    /// vouches for it.
    fn is_trusted(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> bool {
        if !self.trusted.contains(certificate) {
            return false;
        }
        let algorithms = self.provider.signature_verification_algorithms.all;
        let (anchors, usage) = (&self.roots.roots, KeyUsage::server_auth());
        let judged = EndEntityCert::try_from(certificate).and_then(|parsed| {
            let judge =
                parsed.verify_for_usage(algorithms, anchors, intermediates, now, usage, None, None);
            judge.map(|_| ())
        });
        // Its time and its purpose are judged first.
        matches!(judged, Err(webpki::Error::CaUsedAsEndEntity | webpki::Error::UnknownIssuer))
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        let chained = verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &self.roots,
            intermediates,
            now,
            algorithms,
        );
        if let Err(error) = chained
            && !self.is_trusted(certificate, intermediates, now)
        {
            return Err(error);
        }
        if self.checks_name
            && let Err(error) = verify_server_name(&parsed, name)
            && !is_commonly(certificate, name)
        {
            return Err(error);
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Whether this certificate has no names of hosts, and this one as its common name.
fn is_commonly(certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> bool {
    let ServerName::DnsName(name) = name else { return false };
    let Ok(parsed) = EndEntityCert::try_from(certificate) else { return false };
    parsed.valid_dns_names().next().is_none()
        && common_names(parsed.subject())
            .any(|common| common.eq_ignore_ascii_case(name.as_ref().as_bytes()))
}

/// What a Name (RFC 5280, section 4.1.2.4) without the head of its sequence says of common names.
fn common_names(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    let attributes = values(name, SET).flat_map(|set| values(set, SEQUENCE));
    attributes.filter_map(|attribute| {
        let (tag, kind, rest) = value(attribute)?;
        let is_common = tag == OBJECT_IDENTIFIER && kind == COMMON_NAME;
        value(rest).filter(|_| is_common).map(|(_, text, _)| text)
    })
}

/// The contents of the values with this tag that stand one behind the other.
fn values(mut der: &[u8], wanted: u8) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (tag, content, rest) = value(der)?;
        der = rest;
        Some((tag, content))
    })
    .filter_map(move |(tag, content)| (tag == wanted).then_some(content))
}

/// The first value of DER (X.690, section 8.1): its tag, its contents, and what comes behind. None is longer than 64 KiB.
fn value(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => (usize::from(*rest.first()?), rest.get(1..)?),
        0x82 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_names_are_found_whatever_stands_around_them() {
        // C=XX, CN=a.b, O=c
        let name = b"\x31\x0b\x30\x09\x06\x03\x55\x04\x06\x13\x02XX\
            \x31\x0c\x30\x0a\x06\x03\x55\x04\x03\x0c\x03a.b\
            \x31\x0a\x30\x08\x06\x03\x55\x04\x0a\x0c\x01c";
        assert_eq!(common_names(name).collect::<Vec<_>>(), [b"a.b"]);
        for end in 0..name.len() {
            assert!(common_names(&name[..end]).count() <= 1);
            let mut wrong = name.to_vec();
            for octet in [0, 0x7f, 0x80, 0x81, 0x82, 0x84, 0xff] {
                wrong[end] = octet;
                assert!(common_names(&wrong).count() <= 1);
            }
        }
    }
}
