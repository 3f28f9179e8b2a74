//! What a fuzzer tries of TLS, see `crate::fuzz`.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::{Agreement, Config, INPUT, Session};
use crate::options::SocketOptions;
use crate::util::fuzz::Input;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

/// Certificates of the C tests.
const CERTIFICATES: &str = include_str!("../../../tests-c/certificates.h");

fn pem(name: &str) -> Vec<u8> {
    let (_, text) = CERTIFICATES.split_once(&format!("char {name}[] =")).unwrap();
    let text = text.split(';').next().unwrap_or_default();
    let lines: String = text.split('"').skip(1).step_by(2).collect();
    lines.replace("\\n", "\n").into_bytes()
}

/// The options of a server, and of a client that trusts it.
fn options() -> SocketOptions {
    let mut options = SocketOptions::default();
    options.draft.wss_cert_pem = pem("server_crt");
    options.draft.wss_key_pem = pem("server_key").into();
    options.draft.wss_trust_pem = pem("authority_crt");
    options.draft.wss_hostname = b"server.test".to_vec();
    options
}

/// A client, with TLS 1.3 or 1.2, whose keys are good for ten records.
#[cfg(test)]
pub(in crate::transport) fn short_keys(is_new: bool) -> Config {
    use super::sources::provider;
    use super::verify::Verifier;
    use rustls::crypto::CryptoProvider;
    use rustls::crypto::ring::cipher_suite as known;
    use rustls::{CipherSuiteCommon, SupportedCipherSuite, Tls12CipherSuite, Tls13CipherSuite};
    use std::sync::Arc;

    let short = |common: &CipherSuiteCommon| CipherSuiteCommon {
        suite: common.suite,
        hash_provider: common.hash_provider,
        confidentiality_limit: 10,
    };
    let suite = match known::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 {
        SupportedCipherSuite::Tls12(old) if !is_new => {
            SupportedCipherSuite::Tls12(Box::leak(Box::new(Tls12CipherSuite {
                common: short(&old.common),
                ..*old
            })))
        }
        _ => {
            let new = known::TLS13_AES_128_GCM_SHA256.tls13().unwrap();
            SupportedCipherSuite::Tls13(Box::leak(Box::new(Tls13CipherSuite {
                common: short(&new.common),
                ..*new
            })))
        }
    };
    let provider = Arc::new(CryptoProvider { cipher_suites: vec![suite], ..(*provider()).clone() });
    let trusted = super::config::certificates(&pem("server_crt")).unwrap();
    let roots = rustls::RootCertStore::empty();
    let verifier = Verifier { provider: provider.clone(), roots, trusted, checks_name: false };
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Config::Client(Arc::new(config), "server.test".try_into().unwrap())
}

/// Those of a client and of a server whom it believes.
#[cfg(test)]
pub(in crate::transport) fn configs() -> [Config; 2] {
    let options = options();
    [Config::connecting("127.0.0.1", &options).unwrap(), Config::listening(&options).unwrap()]
}

/// A new server.
pub(in crate::transport) fn server() -> Session {
    Session::new(&Config::listening(&options()).unwrap()).unwrap()
}

/// Two that have agreed, and their ends of a connection: a client and a server.
pub(in crate::transport) fn pair() -> [(Session, UnixStream); 2] {
    meet(&Config::connecting("127.0.0.1", &options()).unwrap())
}

/// The same with such a client.
pub(in crate::transport) fn meet(client: &Config) -> [(Session, UnixStream); 2] {
    let mut client = Session::new(client).unwrap();
    let (mut server, (ours, theirs)) = (server(), UnixStream::pair().unwrap());
    loop {
        let client = client.agree(ours.as_fd()).unwrap();
        let server = server.agree(theirs.as_fd()).unwrap();
        if client == Agreement::Reached && server == Agreement::Reached {
            break;
        }
    }
    [(client, ours), (server, theirs)]
}

/// All that a session has to say now, and whether it has failed or ended then.
pub(in crate::transport) fn hear(
    session: &mut Session,
    from: &UnixStream,
    room: usize,
) -> (Vec<u8>, bool) {
    let (mut heard, mut buffer) = (Vec::new(), vec![0; room]);
    loop {
        // SAFETY: the buffer is ours and as long as told.
        match unsafe { session.recv(from.as_fd(), (buffer.as_mut_ptr(), room)) } {
            Ok(0) => return (heard, true),
            Ok(count) => heard.extend_from_slice(&buffer[..count]),
            Err(crate::error::Error::Interrupted) => {}
            Err(crate::error::Error::Again) => return (heard, false),
            Err(_) => return (heard, true),
        }
    }
}

/// What a client says that may be none, in any pieces.
pub(crate) fn hello(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (piece, mut server) = (1 + usize::from(input.short()), server());
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    for piece in input.rest().chunks(piece) {
        theirs.write_all(piece).unwrap();
        match server.agree(ours.as_fd()) {
            Ok(Agreement::Reached) => panic!("nobody has the key"),
            Ok(_) => assert!(server.input.len() <= INPUT),
            Err(_) => {
                assert!(server.agree(ours.as_fd()).is_err(), "for good");
                break;
            }
        }
    }
    drop((server, ours));
    let mut said = Vec::new();
    // It may have gone with something unread.
    let _ = theirs.read_to_end(&mut said);
    assert!(said.len() < 16 * 1024);
}

/// Somebody in the middle changes, cuts, doubles or adds what a client says: the server hears what was said up to there.
pub(crate) fn spoiled(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let [(mut client, ours), (mut server, theirs)] = pair();
    let (mut middle, mut to_middle) = (UnixStream::pair().unwrap(), Vec::new());
    let said: Vec<u8> = (0..20_000_usize).map(|n| (n % 251) as u8).collect();
    assert_eq!(client.send(middle.0.as_fd(), &said), Ok(said.len()));
    client.close(middle.0.as_fd());
    drop(middle.0);
    middle.1.read_to_end(&mut to_middle).unwrap();
    let (how, at) = (input.byte(), usize::from(input.short()) % to_middle.len());
    match how % 4 {
        0 => to_middle[at] ^= 1 << (input.byte() % 8),
        1 => to_middle.truncate(at),
        2 => to_middle.extend_from_within(at..),
        _ => drop(to_middle.splice(at..at, input.rest().iter().copied())),
    }
    let mut ours = ours;
    ours.write_all(&to_middle).unwrap();
    drop(ours);
    let (heard, ended) = hear(&mut server, &theirs, 1 + usize::from(input.short()));
    assert!(ended && said.starts_with(&heard), "{} bytes", heard.len());
}

/// Inputs for [`hello`] that lead far in.
pub(crate) fn hellos() -> Vec<Vec<u8>> {
    let config = Config::connecting("127.0.0.1", &options()).unwrap();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let _ = Session::new(&config).unwrap().agree(ours.as_fd());
    drop(ours);
    let mut hello = vec![0xff, 0xff];
    theirs.read_to_end(&mut hello).unwrap();
    let mut again = hello.clone();
    again.extend_from_slice(b"\x14\x03\x03\0\x01\x01\x17\x03\x03\0\x20");
    again.extend_from_slice(&[7; 32]);
    let mut slow = hello.clone();
    slow[1] = 0;
    vec![b"\xff\xffGET / HTTP/1.1\r\n\r\n".to_vec(), hello, again, slow]
}
