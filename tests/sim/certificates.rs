//! Who is who over TLS.

use crate::api::*;

/// A key of the only kind whose signatures have a length and bytes that follow from what is signed: a seed decides all. Made by
/// `openssl req -x509 -newkey ed25519 -nodes -days 36500 -subj /CN=made-up -addext subjectAltName=IP:127.0.0.1`,
/// with its certificate, and secret from nobody.
const KEY: &[u8] = b"-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIDVp/b4YN8q7p0+k1TuFjenNgjOYpA6pYY63/Gh1Eoch
-----END PRIVATE KEY-----
";

const CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----
MIIBSzCB/qADAgECAhRI7TUxSkkXINb/2AGOc37uZFKTljAFBgMrZXAwEjEQMA4G
A1UEAwwHbWFkZS11cDAgFw0yNjExMzAwMDMwNDhaGA8yMTI2MTEwNjAwMzA0OFow
EjEQMA4GA1UEAwwHbWFkZS11cDAqMAUGAytlcAMhAAr6vaifHLNcnWarawGRSnid
fuOHUSChQgQAifJD0Gtro2QwYjAdBgNVHQ4EFgQUQZyuq4zyDDGnwLJoosxkz/Br
FmkwHwYDVR0jBBgwFoAUQZyuq4zyDDGnwLJoosxkz/BrFmkwDwYDVR0TAQH/BAUw
AwEB/zAPBgNVHREECDAGhwR/AAABMAUGAytlcANBALtuMaoShSvwQTHsy97Ttlzx
AbhQzJu0sRuA5W4W18NxhPtnlW4Yyb9GduSac2XxOHPC6yfm4WsBBZMDUFnU1A8=
-----END CERTIFICATE-----
";

/// Says before a bind who we are, or before a connect whom we believe, if that is asked there.
pub(crate) fn introduce(socket: Socket, endpoint: &str, binds: bool) {
    if !endpoint.starts_with("wss:") {
        return;
    }
    if binds {
        socket.set_bytes(ZMQ_WSS_KEY_PEM, KEY);
        socket.set_bytes(ZMQ_WSS_CERT_PEM, CERTIFICATE);
    } else {
        socket.set_bytes(ZMQ_WSS_TRUST_PEM, CERTIFICATE);
    }
}
