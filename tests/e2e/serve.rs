//! The server: many callers at once, answers as documented, and a log that other people's code
//! reads and verifies over HTTP.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use harness::http::{Answer, ask, ask_with, get};
use harness::{Place, repository, story};
use ledger::access::Openness;
use ledger::{Ledger, http};
use schemas::predicate::note::{self, Note};
use schemas::statement::{Statement, Subject};
use serde_json::json;
use tlog_tiles::tile::{Tile, TileHashReader, TileReader};
use tlog_tiles::tlog;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use verifier::receipt::verify_receipt;
use verifier::sign::sign_statement;
use verifier::signature::SigningKey;

/// A server that is open to everybody: most tests do not ask who calls.
pub fn opened() -> http::Settings {
    let open = Openness { reading: true, submitting: true };
    http::Settings { open, ..http::Settings::default() }
}

/// A running server on a free port of this machine.
pub struct Running {
    pub place: Place,
    pub address: SocketAddr,
    pub runtime: Runtime,
    stop: Option<oneshot::Sender<()>>,
    done: Option<tokio::task::JoinHandle<std::io::Result<()>>>,
}

impl Running {
    pub fn start() -> Running {
        Running::over(story::team())
    }

    pub fn over(place: Place) -> Running {
        Running::with(place, opened())
    }

    pub fn with(place: Place, settings: http::Settings) -> Running {
        Running::at("127.0.0.1:0".parse().unwrap(), place, settings)
    }

    /// The same where its callers know it already.
    pub fn at(address: SocketAddr, place: Place, settings: http::Settings) -> Running {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let (address, done) = runtime.block_on(async {
            let ledger = open(place.path()).await;
            let listener = tokio::net::TcpListener::bind(address).await.unwrap();
            let address = listener.local_addr().unwrap();
            let stopped = async { drop(stopped.await) };
            (address, tokio::spawn(http::serve(Arc::new(ledger), settings, listener, stopped)))
        });
        Running { place, address, runtime, stop: Some(stop), done: Some(done) }
    }

    /// Tells the server to stop, and does not wait.
    pub fn tell_to_stop(&mut self) {
        drop(self.stop.take());
    }

    /// Stops the server as an operator does, and waits until it has answered everybody.
    pub fn stop(mut self) -> Place {
        drop(self.stop.take());
        let done = self.done.take().unwrap();
        self.runtime.block_on(done).unwrap().unwrap();
        std::mem::take(&mut self.place)
    }

    pub fn key(&self) -> SigningKey {
        let pem = std::fs::read_to_string(self.place.file("ci.pem")).unwrap();
        SigningKey::from_pkcs8_pem(&pem).unwrap()
    }

    pub fn submit(&self, envelope: &[u8]) -> Answer {
        ask(self.address, "POST", "/api/v1/events", envelope)
    }
}

pub async fn open(folder: &Path) -> Ledger {
    Ledger::open(&folder.join("ledger"), &folder.join("state")).await.unwrap()
}

pub fn origin(place: &Place) -> String {
    let pin = std::fs::read_to_string(place.file("ledger/pin.txt")).unwrap();
    let line = pin.lines().find_map(|line| line.strip_prefix("log ")).unwrap();
    line.split('+').next().unwrap().to_owned()
}

/// A signed note; `seed` makes it unlike every other.
pub fn envelope(origin: &str, seed: u64, key: &SigningKey) -> Vec<u8> {
    let mut nonce = [0; 16];
    nonce[..8].copy_from_slice(&seed.to_be_bytes());
    let body = Note {
        ledger: origin.parse().unwrap(),
        project: "payments".parse().unwrap(),
        nonce: schemas::predicate::Nonce::from_bytes(nonce),
        text: "sent by one of many callers".into(),
        about: None,
    };
    let digest = format!("sha256:{:064x}", seed % 7).parse().unwrap();
    let statement = Statement::new(vec![Subject::of(&digest, None)], note::TYPE, body);
    sign_statement(&statement, &[key]).unwrap()
}

pub fn assert_problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.json()["code"], code, "{}", answer.text());
    assert_eq!(answer.json()["requestId"], answer.header("x-request-id").unwrap());
}

#[test]
fn many_callers_are_logged_once_each_and_nothing_is_lost() {
    const CALLERS: u64 = 16;
    const EACH: u64 = 20;
    let server = Running::start();
    let origin = origin(&server.place);
    let vkey = server.runtime.block_on(open(server.place.path())).pin().log().clone();
    let receipts: Vec<(u64, String)> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let (server, origin) = (&server, &origin);
                scope.spawn(move || {
                    let key = server.key();
                    (0..EACH)
                        .map(|nth| {
                            let answer =
                                server.submit(&envelope(origin, caller * EACH + nth, &key));
                            assert_eq!(answer.status, 201, "{}", answer.text());
                            let body = answer.json();
                            let receipt = body["receipt"].as_str().unwrap().to_owned();
                            (body["index"].as_u64().unwrap(), receipt)
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    });
    let mut indexes: Vec<u64> = receipts.iter().map(|(index, _)| *index).collect();
    indexes.sort_unstable();
    indexes.dedup();
    assert_eq!(indexes.len() as u64, CALLERS * EACH, "every event has an index of its own");
    for (index, receipt) in &receipts {
        assert_eq!(verify_receipt(receipt.as_bytes(), &vkey).unwrap().index(), *index);
    }
    // Once more: answered with the receipt of the first time, and not logged again.
    let again = server.submit(&envelope(&origin, 0, &server.key()));
    assert_eq!((again.status, &again.json()["repeated"]), (200, &json!(true)));
    let size = indexes.last().unwrap() + 1;
    let place = server.stop();
    let outcome = place.expect(0, "attestry verify --trust ledger/pin.txt --json");
    let report: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["size"], size, "{report}");
}

/// Two servers, each with a folder of its own, on one PostgreSQL: the head row orders them.
#[test]
fn two_servers_share_a_log_in_postgresql() {
    const CALLERS: u64 = 4;
    const EACH: u64 = 15;
    let Some(database) = harness::postgres::server() else { return };
    let place = story::team();
    place.expect(0, &format!("attestry move --to {}", database.database()));
    let servers = [Running::over(place.copy()), Running::over(place.copy())];
    let origin = origin(&place);
    let mut indexes: Vec<u64> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..2 * CALLERS)
            .map(|caller| {
                let (server, origin) = (&servers[(caller % 2) as usize], &origin);
                scope.spawn(move || {
                    let key = server.key();
                    let log = |nth| {
                        let sent = envelope(origin, caller * EACH + nth, &key);
                        let answer = server.submit(&sent);
                        assert_eq!(answer.status, 201, "{}", answer.text());
                        answer.json()["index"].as_u64().unwrap()
                    };
                    (0..EACH).map(log).collect::<Vec<_>>()
                })
            })
            .collect();
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    });
    indexes.sort_unstable();
    indexes.dedup();
    assert_eq!(indexes.len() as u64, 2 * CALLERS * EACH, "every event has an index of its own");
    // What one of them has logged, the other answers as logged.
    let again = servers[1].submit(&envelope(&origin, 0, &servers[1].key()));
    assert_eq!(again.status, 200, "{}", again.text());
    for server in servers {
        server.stop().expect(0, "attestry verify --trust ledger/pin.txt");
    }
}

#[test]
fn refusals_are_problem_documents() {
    let server = Running::start();
    let origin = origin(&server.place);
    let stranger = SigningKey::from_seed(&[9; 32]).unwrap();
    assert_problem(&server.submit(&envelope(&origin, 1, &stranger)), 403, "signature-invalid");
    assert_problem(&server.submit(b"no envelope"), 422, "envelope-malformed");
    assert_problem(&server.submit(b""), 422, "envelope-malformed");
    let other = envelope("another.example", 1, &server.key());
    assert_problem(&server.submit(&other), 422, "other-ledger");
    let address = server.address;
    assert_problem(&get(address, "/api/v1/events/999999"), 404, "not-found");
    assert_problem(&get(address, "/nowhere"), 404, "not-found");
    assert_problem(&ask(address, "DELETE", "/checkpoint", b""), 405, "method-not-allowed");
    for path in ["/tile/0/001", "/tile/0/000.p/255", "/tile/9/000", "/tile/0/../0/000"] {
        assert_problem(&get(address, path), 404, "not-found");
    }
    let too_large = ask(address, "POST", "/api/v1/events", &vec![b' '; (32 << 20) + 1]);
    assert_problem(&too_large, 413, "request-too-large");
    assert_problem(&get(address, "/api/v1/events/many"), 400, "request-malformed");
    let unknown = ask(address, "POST", "/api/v1/events?projet=payments", b"");
    assert_problem(&unknown, 400, "request-malformed");
    assert_eq!(get(address, "/healthz").status, 200);
    assert_eq!(get(address, "/readyz").status, 200);
}

#[test]
fn every_answer_has_the_id_of_its_request() {
    let server = Running::start();
    let ask = |path: &str, id: &str| {
        ask_with(server.address, "GET", path, &format!("x-request-id: {id}\r\n"), b"")
    };
    for path in ["/healthz", "/checkpoint", "/nowhere", "/api/v1/events/many"] {
        let long = "a".repeat(64);
        for good in ["deploy-7.a_b", &long] {
            assert_eq!(ask(path, good).header("x-request-id"), Some(good), "{path}");
        }
        let made: Vec<String> = ["", "a b", "a\u{e4}", &format!("{long}a")]
            .iter()
            .map(|bad| ask(path, bad).header("x-request-id").unwrap().to_owned())
            .collect();
        assert!(made.iter().all(|id| id.len() == 32), "{made:?}");
        assert!(made.iter().all(|id| made.iter().filter(|it| *it == id).count() == 1));
    }
    assert_problem(&ask("/nowhere", "mine"), 404, "not-found");
    assert_eq!(ask("/nowhere", "mine").json()["requestId"], "mine");
}

#[test]
fn a_batch_answers_line_by_line() {
    use base64::Engine as _;
    let server = Running::start();
    let (origin, key) = (origin(&server.place), server.key());
    let line = |bytes: &[u8]| {
        let envelope = base64::engine::general_purpose::STANDARD.encode(bytes);
        json!({ "envelope": envelope }).to_string()
    };
    let body = [
        line(&envelope(&origin, 1, &key)),
        line(b"no envelope"),
        line(&envelope(&origin, 2, &key)),
        line(&envelope(&origin, 1, &key)),
    ]
    .join("\n");
    let answer = ask(server.address, "POST", "/api/v1/events/batch", body.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let text = answer.text();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert_eq!(lines[1]["problem"]["code"], "envelope-malformed");
    assert_eq!(lines[0]["logged"]["repeated"], false);
    assert_eq!(lines[3]["logged"]["repeated"], true);
    assert_eq!(lines[0]["logged"]["index"], lines[3]["logged"]["index"]);
    let bad = ask(server.address, "POST", "/api/v1/events/batch", b"{}\n");
    assert_problem(&bad, 400, "request-malformed");
    assert!(bad.text().contains("line 1"), "{}", bad.text());
}

/// Reads tiles over HTTP for somebody else's implementation.
struct Fetch(SocketAddr);

impl TileReader for Fetch {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        let fetch = |tile: &Tile| {
            // Their paths name the height too, which C2SP fixes.
            let path = tile.path().replacen("tile/8/", "/tile/", 1);
            let answer = get(self.0, &path);
            assert_eq!(answer.status, 200, "{path}");
            assert_eq!(answer.body.len() as u32, tile.width() * 32, "{path}");
            answer.body
        };
        Ok(tiles.iter().map(fetch).collect())
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

#[test]
fn another_implementation_reads_and_verifies_the_whole_log() {
    let server = Running::start();
    let (origin, key) = (origin(&server.place), server.key());
    for from in [0_u64, 300] {
        let body: String = (from..from + 300)
            .map(|seed| {
                use base64::Engine as _;
                let bytes = envelope(&origin, seed, &key);
                let envelope = base64::engine::general_purpose::STANDARD.encode(bytes);
                json!({ "envelope": envelope }).to_string() + "\n"
            })
            .collect();
        let answer = ask(server.address, "POST", "/api/v1/events/batch", body.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let address = server.address;
    let note = get(address, "/checkpoint");
    assert_eq!(note.header("cache-control"), Some("no-cache"));
    let pin = std::fs::read_to_string(server.place.file("ledger/pin.txt")).unwrap();
    let vkey = pin.lines().find_map(|line| line.strip_prefix("log ")).unwrap();
    let note = signed_note::Note::from_bytes(&note.body).unwrap();
    let known: Box<dyn signed_note::Verifier> =
        Box::new(signed_note::StandardVerifier::new(vkey).unwrap());
    let (verified, _) = note.verify(&signed_note::VerifierList::new(vec![known])).unwrap();
    assert_eq!(verified.len(), 1);
    let text = String::from_utf8(note.text().to_vec()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], origin);
    let size: u64 = lines[1].parse().unwrap();
    assert!(size > 512, "more than two full tiles");
    let root = tlog::Hash::parse_hash(lines[2]).unwrap();
    let fetch = Fetch(address);
    let reader = TileHashReader::new(size, root, &fetch);
    let mut index = 0;
    while index < size {
        let (number, width) = (index / 256, (size - index).min(256));
        let partial = if width < 256 { format!(".p/{width}") } else { String::new() };
        let bundle = get(address, &format!("/tile/entries/{number:03}{partial}"));
        assert_eq!(bundle.status, 200);
        let kept =
            if width < 256 { "public, max-age=60" } else { "public, max-age=31536000, immutable" };
        assert_eq!(bundle.header("cache-control"), Some(kept));
        let mut rest = bundle.body.as_slice();
        while let Some((len, tail)) = rest.split_first_chunk::<2>() {
            let (entry, tail) = tail.split_at(usize::from(u16::from_be_bytes(*len)));
            let proof = tlog::prove_record(size, index, &reader).unwrap();
            tlog::check_record(&proof, size, root, index, tlog::record_hash(entry)).unwrap();
            (rest, index) = (tail, index + 1);
        }
    }
    assert_eq!(index, size);
    let proof = tlog::prove_tree(size, 257, &reader).unwrap();
    let old = tlog::tree_hash(257, &reader).unwrap();
    tlog::check_tree(&proof, size, root, 257, old).unwrap();
}

/// `ATTESTRY_BLESS=1` writes it anew.
#[test]
fn the_api_document_is_that_of_the_code() {
    let path = repository().join("docs/openapi.json");
    let text = http::document::<ledger::store::SqliteStore>().unwrap();
    if std::env::var_os("ATTESTRY_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text);
    let server = Running::start();
    let served = get(server.address, "/api/v1/openapi.json");
    assert_eq!(served.text(), text);
}
