//! The server's edge: TLS, callers who dawdle or press, answers that need not be sent again, and
//! attachments.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::http::{Answer, ask, ask_with, get};
use harness::story;
use ledger::http::tls::{Tls, TlsError};
use ledger::http::{Patience, Settings};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use schemas::id::Digest;
use verifier::merkle::sha256;

use crate::serve::{Running, assert_problem, envelope, opened, origin};

/// The longest that anything here may take.
const LONG: Duration = Duration::from_secs(30);

/// Makes a certificate for this machine and its key, with OpenSSL.
pub fn certificate(folder: &Path) -> Tls {
    let status = Command::new("openssl")
        .current_dir(folder)
        .args(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2".split(' '),
        )
        .args("-keyout tls.key -out tls.crt -subj /CN=attestry".split(' '))
        .args(["-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .stderr(Stdio::null())
        .status();
    assert!(status.unwrap().success(), "openssl");
    Tls::load(&folder.join("tls.crt"), &folder.join("tls.key")).unwrap()
}

type Secured = StreamOwned<ClientConnection, TcpStream>;

/// A client that trusts the certificate in a folder.
fn client(folder: &Path) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let pem = std::fs::read(folder.join("tls.crt")).unwrap();
    roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config)
}

fn connect(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream
}

fn secure(server: SocketAddr, client: &Arc<ClientConfig>) -> std::io::Result<Secured> {
    let name = ServerName::IpAddress(server.ip().into());
    let connection = ClientConnection::new(Arc::clone(client), name).unwrap();
    let mut stream = StreamOwned::new(connection, connect(server));
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: here\r\n\r\n")?;
    until(&mut stream, "ok\n")?;
    Ok(stream)
}

/// Reads until some text was there.
fn until(stream: &mut impl std::io::Read, text: &str) -> std::io::Result<String> {
    let (mut found, mut byte) = (Vec::new(), [0]);
    while !found.ends_with(text.as_bytes()) {
        if stream.read(&mut byte)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        found.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&found).into_owned())
}

/// Polls until something holds.
fn eventually(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + LONG;
    while !holds() {
        assert!(Instant::now() < end, "not within {LONG:?}: {what}");
        std::thread::yield_now();
    }
}

#[test]
fn tls_is_served_and_its_certificate_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let tls = Arc::new(certificate(folder.path()));
    let server = Running::with(story::team(), Settings { tls: Some(Arc::clone(&tls)), ..opened() });
    let old = client(folder.path());
    let stream = secure(server.address, &old).unwrap();
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    // Whoever speaks no TLS gets no HTTP.
    let mut plain = connect(server.address);
    plain.write_all(b"GET /healthz HTTP/1.1\r\nhost: here\r\n\r\n").unwrap();
    let mut said = Vec::new();
    let _ = plain.read_to_end(&mut said);
    assert!(!said.starts_with(b"HTTP"), "{said:?}");
    // Unfit files change nothing; fit ones are used from the next connection on.
    std::fs::write(folder.path().join("tls.crt.new"), "no certificate").unwrap();
    let good = std::fs::read(folder.path().join("tls.crt")).unwrap();
    std::fs::write(folder.path().join("tls.crt"), "no certificate").unwrap();
    assert!(tls.reload().is_err());
    secure(server.address, &old).unwrap();
    std::fs::write(folder.path().join("tls.crt"), good).unwrap();
    certificate(folder.path());
    tls.reload().unwrap();
    secure(server.address, &client(folder.path())).unwrap();
    assert!(secure(server.address, &old).is_err(), "the old certificate is no longer shown");
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path());
    let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    for (mode, fit) in [(0o600, true), (0o640, true), (0o644, false), (0o604, false)] {
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
        let loaded = Tls::load(&certificate, &key);
        assert_eq!(loaded.is_ok(), fit, "{mode:o}");
        assert!(fit || matches!(loaded, Err(TlsError::Open(_))), "{mode:o}");
    }
    let place = story::team();
    let line = format!(
        "attestry serve --listen 127.0.0.1:0 --tls-cert {} --tls-key {}",
        certificate.display(),
        key.display()
    );
    let outcome = place.expect(2, &line);
    assert!(outcome.stderr.contains("chmod"), "{}", outcome.stderr);
}

/// Sends a request up to the middle of its body, and waits until the server has begun with it.
fn begin(stream: &mut (impl std::io::Read + std::io::Write), sent: &[u8]) {
    let head = format!(
        "POST /api/v1/events HTTP/1.1\r\nhost: here\r\nexpect: 100-continue\r\n\
         content-length: {}\r\n\r\n",
        sent.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    until(stream, "HTTP/1.1 100 Continue\r\n\r\n").unwrap();
    stream.write_all(&sent[..sent.len() / 2]).unwrap();
    stream.flush().unwrap();
}

#[test]
fn a_server_that_stops_finishes_what_it_has_begun() {
    let folder = tempfile::tempdir().unwrap();
    let tls = Arc::new(certificate(folder.path()));
    let client = client(folder.path());
    for tls in [None, Some(tls)] {
        let secured = tls.is_some();
        let mut server = Running::with(story::team(), Settings { tls, ..opened() });
        let sent = envelope(&origin(&server.place), 1, &server.key());
        let mut stream: Box<dyn Both> = match secured {
            true => Box::new(secure(server.address, &client).unwrap()),
            false => Box::new(connect(server.address)),
        };
        begin(&mut stream, &sent);
        server.tell_to_stop();
        eventually("the port is closed", || TcpStream::connect(server.address).is_err());
        stream.write_all(&sent[sent.len() / 2..]).unwrap();
        stream.flush().unwrap();
        let said = until(&mut stream, "\r\n").unwrap();
        assert!(said.starts_with("HTTP/1.1 201"), "{said}");
        server.stop().expect(0, "attestry verify --trust ledger/pin.txt");
    }
}

trait Both: std::io::Read + std::io::Write {}
impl<T: std::io::Read + std::io::Write> Both for T {}

#[test]
fn a_server_that_stops_does_not_wait_for_ever() {
    let patience = Patience { drain: Duration::from_millis(100), ..Patience::default() };
    let server = Running::with(story::team(), Settings { patience, ..opened() });
    let mut stream = connect(server.address);
    begin(&mut stream, &envelope(&origin(&server.place), 1, &server.key()));
    let started = Instant::now();
    server.stop();
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert!(until(&mut stream, "\r\n").is_err(), "it was cut off");
}

#[test]
fn dawdlers_are_let_go_and_connections_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let patience = Patience {
        connections_max: 1,
        handshake: Duration::from_millis(200),
        head: Duration::from_millis(200),
        ..Patience::default()
    };
    let server = Running::with(story::team(), Settings { patience: patience.clone(), ..opened() });
    let ends = |stream: &mut TcpStream| stream.read_to_end(&mut Vec::new()).is_ok();
    // One in the middle of its head, one that says nothing, one that is idle.
    for begun in ["GET /healthz HTT", "", "GET /healthz HTTP/1.1\r\nhost: here\r\n\r\n"] {
        let mut stream = connect(server.address);
        stream.write_all(begun.as_bytes()).unwrap();
        assert!(ends(&mut stream), "{begun}");
    }
    // The only place is taken; when it is free again, the next is answered.
    let mut first = connect(server.address);
    let second = std::thread::spawn(move || get(server.address, "/healthz").status);
    assert!(ends(&mut first));
    assert_eq!(second.join().unwrap(), 200);
    let tls = Some(Arc::new(certificate(folder.path())));
    let server = Running::with(story::team(), Settings { patience, tls, ..opened() });
    assert!(ends(&mut connect(server.address)), "no handshake");
}

fn press(server: SocketAddr, headers: &str) -> Option<Answer> {
    let mut answers = (0..50).map(|_| ask_with(server, "GET", "/checkpoint", headers, b""));
    answers.find(|answer| answer.status != 200)
}

#[test]
fn who_presses_is_told_to_wait() {
    let proxies = vec!["127.0.0.1".parse().unwrap()];
    let server =
        Running::with(story::team(), Settings { rate_limit: Some(2), proxies, ..opened() });
    let refused = press(server.address, "").unwrap();
    assert_problem(&refused, 429, "too-many-requests");
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    // Whether the server lives may always be asked; another client has what is its own.
    assert_eq!(get(server.address, "/healthz").status, 200);
    let other = "x-forwarded-for: 192.0.2.7\r\n";
    let answer = ask_with(server.address, "GET", "/checkpoint", other, b"");
    assert_eq!(answer.status, 200);
    // A batch is let in, and its lines are paid for.
    let third = "x-forwarded-for: 192.0.2.8\r\n";
    let lines = "{\"envelope\":\"\"}\n".repeat(40);
    let batch = ask_with(server.address, "POST", "/api/v1/events/batch", third, lines.as_bytes());
    assert_eq!(batch.status, 200, "{}", batch.text());
    let refused = ask_with(server.address, "GET", "/checkpoint", third, b"");
    assert_problem(&refused, 429, "too-many-requests");
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() >= 10);
    // A header that nobody trusts says nothing.
    let server = Running::with(story::team(), Settings { rate_limit: Some(2), ..opened() });
    assert!(press(server.address, "").is_some());
    assert_eq!(ask_with(server.address, "GET", "/checkpoint", other, b"").status, 429);
}

#[test]
fn what_is_known_is_not_sent_again() {
    let server = Running::start();
    let body = b"a report";
    let digest = Digest::sha256(&sha256(&[body]));
    let attachment = format!("/api/v1/attachments/{digest}");
    assert_eq!(ask(server.address, "PUT", &attachment, body).status, 201);
    let note = get(server.address, "/checkpoint").text();
    let size = note.lines().nth(1).unwrap();
    let partial = format!("/tile/0/000.p/{size}");
    for (path, cached) in [
        ("/api/v1/events/0", "public, max-age=31536000, immutable"),
        (&attachment, "public, max-age=31536000, immutable"),
        (&partial, "public, max-age=60"),
        ("/api/v1/events/0/receipt", "no-cache"),
        ("/checkpoint", "no-cache"),
        ("/api/v1/openapi.json", "no-cache"),
    ] {
        let whole = get(server.address, path);
        assert_eq!(whole.status, 200, "{path} {}", whole.text());
        assert_eq!(whole.header("cache-control"), Some(cached), "{path}");
        let etag = whole.header("etag").unwrap();
        assert!(etag.starts_with('"') && etag.ends_with('"'), "{path} {etag}");
        for known in [etag.to_owned(), format!("\"other\", W/{etag}"), "*".to_owned()] {
            let known = format!("if-none-match: {known}\r\n");
            let again = ask_with(server.address, "GET", path, &known, b"");
            assert_eq!((again.status, again.body.len()), (304, 0), "{path} {known}");
            assert_eq!(again.header("etag"), Some(etag), "{path}");
            assert_eq!(again.header("cache-control"), Some(cached), "{path}");
        }
        let other = ask_with(server.address, "GET", path, "if-none-match: \"other\"\r\n", b"");
        assert_eq!((other.status, &other.body), (200, &whole.body), "{path}");
        let head = ask(server.address, "HEAD", path, b"");
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        assert_eq!(head.header("etag"), Some(etag), "{path}");
        let length = whole.body.len().to_string();
        assert_eq!(head.header("content-length"), Some(length.as_str()), "{path}");
    }
    assert_eq!(get(server.address, "/api/v1/events/999").header("cache-control"), None);
}

/// The files of a folder and of those in it.
fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn attachments_are_what_they_are_called_or_nothing() {
    let settings = Settings { attachment_bytes_max: 13 << 20, ..opened() };
    let server = Running::with(story::team(), settings);
    let folder = server.place.file("ledger/attachments/sha256");
    let before = files(&folder);
    let kept = || files(&folder).into_iter().filter(|it| !before.contains(it)).collect::<Vec<_>>();
    let put = |digest: &Digest, body: &[u8]| {
        ask(server.address, "PUT", &format!("/api/v1/attachments/{digest}"), body)
    };
    // In one piece, in several, with nothing left over, and nothing at all.
    let bodies: [Vec<u8>; 4] = [vec![1; 1000], vec![2; 12 << 20], vec![3; 10 << 20], Vec::new()];
    for body in &bodies {
        let digest = Digest::sha256(&sha256(&[body]));
        let other = Digest::sha256(&sha256(&[body, b"!"]));
        let count = kept().len();
        assert_problem(&put(&other, body), 422, "digest-mismatch");
        eventually("nothing is left of it", || kept().len() == count);
        assert_eq!(put(&digest, body).status, 201);
        assert_eq!(put(&digest, body).status, 200, "again");
        assert_problem(&put(&digest, b"others"), 422, "digest-mismatch");
        let found = get(server.address, &format!("/api/v1/attachments/{digest}"));
        assert_eq!(found.status, 200);
        assert!(found.body == *body);
        for (name, value) in [
            ("content-type", "application/octet-stream"),
            ("content-disposition", "attachment"),
            ("x-content-type-options", "nosniff"),
            ("content-length", &body.len().to_string()),
            ("etag", &format!("\"{}\"", digest.hex())),
        ] {
            assert_eq!(found.header(name), Some(value), "{name}");
        }
    }
    assert_eq!(kept().len(), bodies.len());
    let large = vec![4; (13 << 20) + 1];
    assert_problem(&put(&Digest::sha256(&sha256(&[&large])), &large), 413, "attachment-too-large");
    let none = Digest::sha256(&sha256(&[b"nobody sent this"]));
    let missing = get(server.address, &format!("/api/v1/attachments/{none}"));
    assert_problem(&missing, 404, "not-found");
    for wrong in ["abc", "sha256:AB", "gitCommit:4be1f0a2c3d4e5f60718293a4b5c6d7e8f901234"] {
        let path = format!("/api/v1/attachments/{wrong}");
        assert_problem(&ask(server.address, "PUT", &path, b"abc"), 400, "request-malformed");
    }
    // Whoever hangs up in the middle leaves nothing behind.
    eventually("nothing is left of the large one", || kept().len() == bodies.len());
    let mut stream = connect(server.address);
    let head = format!(
        "PUT /api/v1/attachments/{none} HTTP/1.1\r\nhost: here\r\ncontent-length: 12000000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&vec![5; 11_000_000]).unwrap();
    eventually("a part is written", || kept().len() > bodies.len());
    drop(stream);
    eventually("it is gone again", || kept().len() == bodies.len());
    // What was changed behind the server's back breaks off.
    let digest = Digest::sha256(&sha256(&[&bodies[0]]));
    std::fs::write(folder.join(digest.hex()), vec![9; 1000]).unwrap();
    let mut stream = connect(server.address);
    let head = format!("GET /api/v1/attachments/{digest} HTTP/1.1\r\nhost: here\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    assert!(!said.ends_with(&[9; 1000]), "all of it was sent");
}

#[test]
fn the_api_reference_needs_nothing_from_elsewhere() {
    let server = Running::start();
    let page = get(server.address, "/api");
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(page.text().contains("/api/v1/events/batch"));
    assert!(!page.text().contains("://"), "an outside address");
}
