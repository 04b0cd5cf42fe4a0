//! Requests, written out before anything is measured.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use verifier::fixture::{artifact, project};

/// One request as it goes over the wire, and what its answer must hold.
pub struct Request {
    pub bytes: Vec<u8>,
    pub expected: Expected,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// One new event: 201.
    Event,
    /// So many lines, none of them a problem: 200.
    Lines(usize),
    /// Something to read: 200.
    Body,
}

/// Envelopes as they are posted: one a request, or so many in a batch.
pub fn requests(envelopes: &[Vec<u8>], batch: usize) -> Vec<Request> {
    if batch <= 1 {
        let path = format!("/api/v1/events?project={}", project());
        let one = |envelope: &Vec<u8>| Request {
            bytes: post(&path, "application/octet-stream", envelope),
            expected: Expected::Event,
        };
        return envelopes.iter().map(one).collect();
    }
    let line = |envelope: &Vec<u8>| {
        let envelope = STANDARD.encode(envelope);
        format!("{{\"envelope\":\"{envelope}\",\"project\":\"{}\"}}\n", project())
    };
    let many = |envelopes: &[Vec<u8>]| {
        let body: String = envelopes.iter().map(line).collect();
        Request {
            bytes: post("/api/v1/events/batch", "application/x-ndjson", body.as_bytes()),
            expected: Expected::Lines(envelopes.len()),
        }
    };
    envelopes.chunks(batch).map(many).collect()
}

/// A path as it is read, about one artifact after the other.
pub fn reads(path: &str, count: usize, artifacts: u64) -> Vec<Request> {
    let one = |nth: u64| {
        // Far from its neighbour, as people look at them.
        let about = nth * 7_919 % artifacts.max(1);
        let digest = artifact(&format!("artifact {about}")).to_string();
        let path = path.replace("{artifact}", &digest);
        let bytes = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes();
        Request { bytes, expected: Expected::Body }
    };
    (0..count as u64).map(one).collect()
}

fn post(path: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}
