//! A client that speaks just enough HTTP to look at every byte of an answer.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// The longest that a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer of a server.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// # Panics
    /// Where the body is no JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Asks once, on a connection of its own.
///
/// # Panics
/// Where the server does not answer within half a minute, or not with HTTP.
pub fn ask(server: SocketAddr, method: &str, path: &str, body: &[u8]) -> Answer {
    ask_with(server, method, path, "", body)
}

/// Asks once, with further header lines, each ending in CR LF.
///
/// # Panics
/// Where the server does not answer within half a minute, or not with HTTP.
pub fn ask_with(
    server: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &[u8],
) -> Answer {
    exchange(server, method, path, headers, body, PATIENCE).expect("an answer")
}

/// Asks once; fails where there is no whole answer within some time.
pub fn try_ask(
    server: SocketAddr,
    method: &str,
    path: &str,
    body: &[u8],
    patience: Duration,
) -> io::Result<Answer> {
    exchange(server, method, path, "", body, patience)
}

fn exchange(
    server: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &[u8],
    patience: Duration,
) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&server, patience)?;
    stream.set_read_timeout(Some(patience))?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {server}\r\nconnection: close\r\n\
         content-length: {}\r\n{headers}\r\n",
        body.len()
    );
    // A server may refuse a request before it has read it all.
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(body);
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    parse(&bytes, method == "HEAD").ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

pub fn get(server: SocketAddr, path: &str) -> Answer {
    ask(server, "GET", path, b"")
}

fn parse(bytes: &[u8], head_only: bool) -> Option<Answer> {
    let end = bytes.windows(4).position(|it| it == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1))?.parse().ok()?;
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let answer = Answer { status, headers, body: bytes[end + 4..].to_vec() };
    let length = answer.header("content-length").and_then(|text| text.parse().ok());
    // Cut off in the middle, it is no answer; these two say how long the body would be.
    let bodiless = head_only || answer.status == 304;
    if bodiless {
        return Some(answer);
    }
    length.is_none_or(|length: usize| length == answer.body.len()).then_some(answer)
}
