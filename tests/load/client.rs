//! Connections that are kept alive, on one thread: the servers need the cores.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::ask::{Expected, Request};
use crate::measured::Measured;

/// Sends all requests, each once, and waits for every answer.
pub fn run(addresses: &[SocketAddr], connections: usize, requests: &Arc<Vec<Request>>) -> Measured {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (next, measured) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::default()));
    runtime.block_on(async {
        let connections: Vec<_> = (0..connections)
            .map(|nth| {
                let address = addresses[nth % addresses.len()];
                let (requests, next) = (Arc::clone(requests), Arc::clone(&next));
                let measured = Arc::clone(&measured);
                tokio::spawn(connection(address, requests, next, measured))
            })
            .collect();
        for connection in connections {
            connection.await.unwrap();
        }
    });
    std::mem::take(&mut measured.lock().unwrap())
}

async fn connection(
    address: SocketAddr,
    requests: Arc<Vec<Request>>,
    next: Arc<AtomicUsize>,
    measured: Arc<Mutex<Measured>>,
) {
    let mut own = Measured::default();
    let mut stream = connect(address).await;
    let mut answer = Vec::new();
    while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
        let start = Instant::now();
        let answered = match exchange(&mut stream, request, &mut answer).await {
            Ok(head) => holds(&answer, head, request.expected),
            Err(cause) => Err(cause.to_string()),
        };
        match answered {
            Ok(()) => own.latencies_us.push(start.elapsed().as_micros() as u32),
            Err(why) => {
                own.error(why);
                stream = connect(address).await;
            }
        }
    }
    measured.lock().unwrap().add(own);
}

async fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Sends a request and reads its whole answer; says how long the head of that is.
async fn exchange(
    stream: &mut TcpStream,
    request: &Request,
    answer: &mut Vec<u8>,
) -> std::io::Result<usize> {
    stream.write_all(&request.bytes).await?;
    answer.clear();
    let mut whole = None;
    loop {
        if stream.read_buf(answer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if whole.is_none() {
            whole = length(answer);
        }
        if let Some((head, body)) = whole
            && answer.len() >= head + body
        {
            return Ok(head);
        }
    }
}

/// The lengths of head and body, once the head is there.
fn length(answer: &[u8]) -> Option<(usize, usize)> {
    let head = answer.windows(4).position(|it| it == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&answer[..head]).ok()?;
    let named = |line: &str| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse().ok()).flatten()
    };
    Some((head, text.lines().find_map(named)?))
}

fn holds(answer: &[u8], head: usize, expected: Expected) -> Result<(), String> {
    let status = &answer[9..12];
    let body = &answer[head..];
    let right = match expected {
        Expected::Event => status == b"201",
        Expected::Body => status == b"200",
        Expected::Lines(count) => {
            let lines = || body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            status == b"200"
                && lines().count() == count
                && lines().all(|line| line.starts_with(b"{\"logged\""))
        }
    };
    if right {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&answer[..answer.len().min(600)]).into_owned();
    Err(said)
}
