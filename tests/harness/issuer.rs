//! An issuer of ID tokens on this machine: keys made with OpenSSL, served over HTTP, used to sign
//! whatever a test asks for.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tempfile::TempDir;

/// How a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Rsa,
    P256,
}

/// A private key with its name.
pub struct Key {
    pub id: String,
    pub kind: Kind,
    folder: TempDir,
}

fn openssl(folder: &Path, line: &str, input: &[u8]) -> Vec<u8> {
    let mut command = Command::new("openssl");
    command.current_dir(folder).args(line.split(' '));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("openssl");
    child.stdin.take().expect("a pipe").write_all(input).expect("input");
    let output = child.wait_with_output().expect("openssl");
    assert!(output.status.success(), "openssl {line}");
    output.stdout
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Key {
    /// Makes a key with OpenSSL.
    ///
    /// # Panics
    /// Where there is no OpenSSL.
    pub fn new(id: &str, kind: Kind) -> Key {
        let folder = tempfile::tempdir().expect("a folder");
        let line = match kind {
            Kind::Rsa => "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem",
            Kind::P256 => "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem",
        };
        openssl(folder.path(), line, b"");
        Key { id: id.to_owned(), kind, folder }
    }

    /// The public half as a JWK.
    pub fn public(&self) -> Value {
        match self.kind {
            Kind::Rsa => {
                let text = openssl(self.folder.path(), "rsa -in key.pem -noout -modulus", b"");
                let text = String::from_utf8(text).expect("text");
                let hex = text.trim().strip_prefix("Modulus=").expect("a modulus");
                let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
                let modulus: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
                json!({ "kty": "RSA", "kid": self.id, "use": "sig", "alg": "RS256",
                    "n": base64(modulus), "e": "AQAB" })
            }
            Kind::P256 => {
                let der = openssl(self.folder.path(), "pkey -in key.pem -pubout -outform DER", b"");
                let point = &der[der.len() - 64..];
                json!({ "kty": "EC", "crv": "P-256", "kid": self.id,
                    "x": base64(&point[..32]), "y": base64(&point[32..]) })
            }
        }
    }

    /// The public key as DER, for those who would take it for a shared secret.
    pub fn public_pem(&self) -> Vec<u8> {
        openssl(self.folder.path(), "pkey -in key.pem -pubout", b"")
    }

    /// Signs claims under a header of the test's choice.
    pub fn sign_as(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", base64(header.to_string()), base64(claims.to_string()));
        let line = "dgst -sha256 -sign key.pem";
        let signature = openssl(self.folder.path(), line, signed.as_bytes());
        let signature = match self.kind {
            Kind::Rsa => signature,
            Kind::P256 => raw(&signature),
        };
        format!("{signed}.{}", base64(signature))
    }

    /// Signs claims as this key does.
    pub fn sign(&self, claims: &Value) -> String {
        let algorithm = match self.kind {
            Kind::Rsa => "RS256",
            Kind::P256 => "ES256",
        };
        self.sign_as(&json!({ "alg": algorithm, "typ": "JWT", "kid": self.id }), claims)
    }
}

/// The two numbers of an ECDSA signature without their DER.
fn raw(der: &[u8]) -> Vec<u8> {
    let mut rest = &der[2..];
    let mut out = Vec::new();
    for _ in 0..2 {
        let length = usize::from(rest[1]);
        let number = &rest[2..2 + length];
        let number = &number[number.len().saturating_sub(32)..];
        out.extend(std::iter::repeat_n(0, 32 - number.len()));
        out.extend(number);
        rest = &rest[2 + length..];
    }
    out
}

type Answers = dyn Fn(&str, &str) -> (u16, Value) + Send + Sync;

/// A web server that answers with JSON, until it is dropped.
pub struct Issuer {
    pub address: SocketAddr,
    /// How often somebody has asked.
    pub asked: Arc<AtomicU32>,
    answers: Arc<Mutex<Box<Answers>>>,
    stopping: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Issuer {
    /// Serves what `answers` says of a request's first line and body.
    ///
    /// # Panics
    /// Where there is no port.
    pub fn start(answers: impl Fn(&str, &str) -> (u16, Value) + Send + Sync + 'static) -> Issuer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (asked, stopping) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
        let answers: Arc<Mutex<Box<Answers>>> = Arc::new(Mutex::new(Box::new(answers)));
        let shared = (Arc::clone(&asked), Arc::clone(&stopping), Arc::clone(&answers));
        let thread = std::thread::spawn(move || {
            let (asked, stopping, answers) = shared;
            for stream in listener.incoming() {
                if stopping.load(Ordering::SeqCst) {
                    return;
                }
                asked.fetch_add(1, Ordering::SeqCst);
                if let Ok(stream) = stream {
                    let answers = answers.lock().expect("nobody has panicked");
                    // Whoever has gone away needs no answer.
                    let _ = answer(stream, &**answers);
                }
            }
        });
        Issuer { address, asked, answers, stopping, thread: Some(thread) }
    }

    /// Serves the public halves of these keys.
    pub fn of_keys(keys: &[&Key]) -> Issuer {
        let issuer = Issuer::start(|_, _| (404, Value::Null));
        issuer.set_keys(keys);
        issuer
    }

    pub fn set_keys(&self, keys: &[&Key]) {
        let keys: Vec<Value> = keys.iter().map(|key| key.public()).collect();
        let keys = json!({ "keys": keys });
        self.set(move |_, _| (200, keys.clone()));
    }

    /// Answers otherwise from now on.
    pub fn set(&self, answers: impl Fn(&str, &str) -> (u16, Value) + Send + Sync + 'static) {
        *self.answers.lock().expect("nobody has panicked") = Box::new(answers);
    }

    pub fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

fn answer(mut stream: TcpStream, answers: &Answers) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let (status, value) = answers(first.trim(), &String::from_utf8_lossy(&body));
    let text = value.to_string();
    write!(
        stream,
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{text}",
        text.len()
    )
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // One more caller, so that it looks.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
