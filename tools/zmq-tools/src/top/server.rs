//! The smallest HTTP server that Prometheus is content with: GET /metrics, on 127.0.0.1, one request for a connection.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// A request's head is no longer than this.
const LONGEST: usize = 16 * 1024;

/// How long one client may take: others wait meanwhile.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Metrics,
    /// The same without a body.
    Head,
    Nothing,
    OtherMethod,
    Nonsense,
    /// More is to come.
    Part,
}

fn asked(head: &[u8]) -> Asked {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Partial) => return Asked::Part,
        Ok(httparse::Status::Complete(_)) => {}
        Err(_) => return Asked::Nonsense,
    }
    let path = request.path.unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default();
    match (request.method, path) {
        (Some("GET"), "/" | "/metrics") => Asked::Metrics,
        (Some("HEAD"), "/" | "/metrics") => Asked::Head,
        (Some("GET" | "HEAD"), _) => Asked::Nothing,
        _ => Asked::OtherMethod,
    }
}

/// Reads up to the end of a request's head.
fn read_head(stream: &mut TcpStream) -> std::io::Result<Asked> {
    let until = Instant::now() + PATIENCE;
    let mut head = Vec::new();
    let mut piece = [0; 2048];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let size = stream.read(&mut piece)?;
        head.extend(piece.get(..size).unwrap_or_default());
        match asked(&head) {
            Asked::Part if size == 0 || head.len() > LONGEST => return Ok(Asked::Nonsense),
            Asked::Part => {}
            whole => return Ok(whole),
        }
    }
}

/// Writes all of it before that moment, or no more: a client that takes a little now and then takes its time, too.
fn write_by(stream: &mut TcpStream, mut bytes: &[u8], until: Instant) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_write_timeout(Some(left))?;
        match stream.write(bytes) {
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            written => bytes = bytes.get(written?..).unwrap_or_default(),
        }
    }
    Ok(())
}

fn answer(
    stream: &mut TcpStream,
    page: impl FnOnce() -> Result<String, String>,
) -> std::io::Result<()> {
    let asked = read_head(stream)?;
    let plain = "text/plain; charset=utf-8";
    let metrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let (status, kind, body) = match asked {
        Asked::Metrics | Asked::Head => match page() {
            Ok(page) => ("200 OK", metrics, page),
            Err(text) => ("500 Internal Server Error", plain, text + "\n"),
        },
        Asked::Nothing => ("404 Not Found", plain, "metrics are at /metrics\n".to_owned()),
        Asked::OtherMethod => ("405 Method Not Allowed", plain, "GET or HEAD\n".to_owned()),
        Asked::Nonsense | Asked::Part => ("400 Bad Request", plain, "no HTTP\n".to_owned()),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let until = Instant::now() + PATIENCE;
    write_by(stream, head.as_bytes(), until)?;
    if asked != Asked::Head {
        write_by(stream, body.as_bytes(), until)?;
    }
    stream.shutdown(std::net::Shutdown::Write)
}

/// Listens on 127.0.0.1.
pub(super) fn listen(port: u16) -> Result<TcpListener, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    listener.map_err(|e| format!("cannot serve on 127.0.0.1:{port}: {e}"))
}

/// Serves until the process is ended.
pub(super) fn serve(listener: &TcpListener, mut page: impl FnMut() -> Result<String, String>) -> ! {
    loop {
        match listener.accept() {
            // A client that goes away, or does not speak HTTP, is its own loss.
            Ok((mut stream, _)) => {
                let _ = answer(&mut stream, &mut page);
            }
            // Out of descriptors, for a moment.
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_understood() {
        let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(asked(get("/metrics").as_bytes()), Asked::Metrics);
        assert_eq!(asked(get("/metrics?x=1").as_bytes()), Asked::Metrics);
        assert_eq!(asked(get("/other").as_bytes()), Asked::Nothing);
        assert_eq!(asked(b"HEAD / HTTP/1.0\r\n\r\n"), Asked::Head);
        assert_eq!(asked(b"POST /metrics HTTP/1.1\r\n\r\n"), Asked::OtherMethod);
        assert_eq!(asked(b"GET /metrics HTTP/1.1\r\nHost:"), Asked::Part);
        assert_eq!(asked(b"\xff\x00\x00\x00\x00\x00\x00\x00\x00\x7f"), Asked::Nonsense);
    }

    fn ask(request: &[u8]) -> String {
        let listener = listen(0).unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = answer(&mut stream, || Ok("a 1\n".to_owned()));
        });
        client.write_all(request).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let mut text = String::new();
        let _ = client.read_to_string(&mut text);
        server.join().unwrap();
        text
    }

    #[test]
    fn a_client_that_takes_little_at_a_time_is_left() {
        let listener = listen(0).unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        let reader = std::thread::spawn(move || {
            let mut piece = [0; 64 * 1024];
            while client.read(&mut piece).is_ok_and(|size| size > 0) {
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let began = Instant::now();
        let body = vec![b'x'; 32 << 20];
        let written = write_by(&mut stream, &body, began + Duration::from_millis(150));
        assert!(written.is_err() && began.elapsed() < Duration::from_secs(2));
        drop(stream);
        let _ = reader.join();
    }

    #[test]
    fn clients_are_answered() {
        let answer = ask(b"GET /metrics HTTP/1.1\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\na 1\n"));
        assert!(ask(b"HEAD / HTTP/1.1\r\n\r\n").ends_with("\r\n\r\n"));
        assert!(ask(b"GET /x HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
        assert!(ask(b"GET").starts_with("HTTP/1.1 400"));
    }
}
