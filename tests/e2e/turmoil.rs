//! Servers that are killed, stopped and cut off from their database under load: nothing that was
//! acknowledged is missing, nothing is there twice, and no two checkpoints disagree.
//!
//! `ATTESTRY_SEED=n` repeats a round's order as far as a machine lets it be repeated;
//! `ATTESTRY_ROUNDS=20` has so many of them in a row.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, RwLock};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::http::{Answer, try_ask};
use harness::moments::{Moments, seed};
use harness::postgres::{Server, own_server};
use harness::process::Process;
use harness::{Place, story};
use ledger::Ledger;
use schemas::id::{EntryIndex, Hash, TreeSize};
use schemas::predicate::Nonce;
use schemas::predicate::note::{self, Note};
use schemas::statement::{Statement, Subject};
use serde_json::{Value, json};
use verifier::checkpoint::{VerifiedCheckpoint, verify_checkpoint};
use verifier::entry::Entry;
use verifier::event::Event;
use verifier::merkle::{Frontier, leaf_hash};
use verifier::note::Vkey;
use verifier::receipt::verify_receipt;
use verifier::sign::sign_statement;
use verifier::signature::SigningKey;

const FOLDER: &str = "ATTESTRY_SERVE_FOLDER";
/// Further options of the server, separated by spaces.
const OPTIONS: &str = "ATTESTRY_SERVE_OPTIONS";
const SERVERS: usize = 3;
const CLIENTS: u64 = 6;
/// What must be acknowledged after a step before the next one is taken.
const BETWEEN: usize = 100;
/// The longest that anything may take that goes on by itself, whoever was stopped with the lock.
const PATIENCE: Duration = Duration::from_secs(60);

/// The child: serves, as the binary does, until it is told to stop.
///
/// Does nothing where no parent has named a folder.
#[test]
fn child_that_serves() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let (mut stdin, mut stdout, mut stderr) =
        (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let mut io = ::cli::Io::of_process(&mut stdin, &mut stdout, &mut stderr);
    io.dir = folder.into();
    let state = io.dir.join("state").display().to_string();
    io.env.insert("ATTESTRY_STATE".to_owned(), state);
    let line = ["attestry", "serve", "--listen", "127.0.0.1:0", "--json"];
    let open = ["--open-reading", "--open-submitting"];
    let more = std::env::var(OPTIONS).unwrap_or_default();
    let line = line.iter().chain(&open).copied().chain(more.split_whitespace());
    assert_eq!(::cli::run(line.map(Into::into), &mut io), 0);
}

/// A server on a place's ledger; what it complains of is in its file `complaints`.
fn serve(place: &Place) -> Process {
    serve_with(place, "", |_| {})
}

/// The same with further options, in an environment that somebody adds to.
pub fn serve_with(place: &Place, options: &str, tell: impl Fn(&mut Command)) -> Process {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        let complaints = File::options().create(true).append(true).open(place.file("complaints"));
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["turmoil::child_that_serves", "--exact", "--nocapture"]);
        child.env(FOLDER, place.path()).env(OPTIONS, options).stderr(complaints.unwrap());
        tell(&mut child);
        if let Some(process) = Process::start(&mut child) {
            return process;
        }
    }
    panic!("no server: {}", complaints(place));
}

fn complaints(place: &Place) -> String {
    std::fs::read_to_string(place.file("complaints")).unwrap_or_default()
}

/// Lets others work before something is asked again.
fn breathe() {
    std::thread::sleep(Duration::from_millis(5));
}

fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "{what}");
        breathe();
    }
}

/// What the clients share, and what they have been told.
struct Scene {
    addresses: RwLock<Vec<SocketAddr>>,
    over: AtomicBool,
    origin: String,
    vkey: Vkey,
    key: SigningKey,
    acknowledged: Mutex<Vec<Acknowledged>>,
    checkpoints: Mutex<BTreeMap<TreeSize, Hash>>,
    refusals: Mutex<BTreeMap<String, usize>>,
}

struct Acknowledged {
    index: EntryIndex,
    statement: Hash,
    entry: Vec<u8>,
}

impl Scene {
    fn of(place: &Place, servers: &[Process]) -> Scene {
        let pin = std::fs::read(place.file("ledger/pin.txt")).unwrap();
        let vkey = verifier::pin::parse_pin(&pin).unwrap().log().clone();
        let pem = std::fs::read_to_string(place.file("ci.pem")).unwrap();
        Scene {
            addresses: RwLock::new(servers.iter().map(|server| server.address).collect()),
            over: AtomicBool::new(false),
            origin: vkey.name().to_string(),
            vkey,
            key: SigningKey::from_pkcs8_pem(&pem).unwrap(),
            acknowledged: Mutex::default(),
            checkpoints: Mutex::default(),
            refusals: Mutex::default(),
        }
    }

    /// Where the servers listen, now: one that has been started again listens elsewhere.
    fn addresses(&self) -> Vec<SocketAddr> {
        self.addresses.read().unwrap().clone()
    }

    fn count(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    /// A signed note; no two numbers give the same.
    fn envelope(&self, number: u64) -> Vec<u8> {
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&number.to_be_bytes());
        let body = Note {
            ledger: self.origin.parse().unwrap(),
            project: "payments".parse().unwrap(),
            nonce: Nonce::from_bytes(nonce),
            text: "written while everything falls down".into(),
            about: None,
        };
        let digest = format!("sha256:{:064x}", number % 7).parse().unwrap();
        let statement = Statement::new(vec![Subject::of(&digest, None)], note::TYPE, body);
        sign_statement(&statement, &[&self.key]).unwrap()
    }

    /// Sends events of its own, alone and in batches, each until it is acknowledged by somebody.
    fn send(&self, client: u64, seed: u64) {
        let mut moments = Moments::new(seed.wrapping_add(client));
        let mut number = client << 32;
        while !self.over.load(Ordering::Relaxed) {
            let count = [1, 1, 2, 12, 40][moments.next(5) as usize];
            let envelopes: Vec<Vec<u8>> =
                (number..number + count).map(|number| self.envelope(number)).collect();
            number += count;
            let until = Instant::now() + PATIENCE;
            loop {
                let servers = self.addresses();
                let server = servers[moments.next(servers.len() as u64) as usize];
                // Some hang up on a server that was stopped, others wait until it goes on.
                let patience = Duration::from_secs([1, 5, 30][moments.next(3) as usize]);
                match self.submit(server, &envelopes, patience) {
                    Ok(events) => break self.keep(&envelopes, &events),
                    Err(why) => *self.refusals.lock().unwrap().entry(why).or_default() += 1,
                }
                assert!(Instant::now() < until, "not acknowledged: {:?}", self.refusals);
                breathe();
            }
        }
    }

    /// The events as the server has logged them, or why to come again.
    fn submit(
        &self,
        server: SocketAddr,
        envelopes: &[Vec<u8>],
        patience: Duration,
    ) -> Result<Vec<Value>, String> {
        let ask = |path: &str, body: &[u8]| {
            let answer = try_ask(server, "POST", path, body, patience);
            answer.map_err(|cause| format!("no answer: {:?}", cause.kind()))
        };
        if let [envelope] = envelopes {
            let answer = ask("/api/v1/events", envelope)?;
            return Ok(vec![accepted(&answer)?.json()]);
        }
        let lines = envelopes.iter().map(|it| json!({ "envelope": STANDARD.encode(it) }));
        let body: Vec<String> = lines.map(|line| line.to_string()).collect();
        let answer = ask("/api/v1/events/batch", body.join("\n").as_bytes())?;
        let text = accepted(&answer)?.text();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        Ok(lines.map(|line| line["logged"].clone()).collect())
    }

    fn keep(&self, envelopes: &[Vec<u8>], events: &[Value]) {
        assert_eq!(envelopes.len(), events.len());
        for (envelope, event) in envelopes.iter().zip(events) {
            let receipt = event["receipt"].as_str().unwrap_or_else(|| panic!("{event}"));
            let receipt = verify_receipt(receipt.as_bytes(), &self.vkey).unwrap();
            self.saw(receipt.checkpoint());
            let statement = Event::read(envelope).unwrap().statement;
            let (index, entry) = (receipt.index(), receipt.entry().to_vec());
            assert_eq!(Entry::parse(&entry).unwrap().statement, statement, "another's receipt");
            self.acknowledged.lock().unwrap().push(Acknowledged { index, statement, entry });
        }
    }

    /// Two roots at one size are a fork.
    fn saw(&self, checkpoint: &VerifiedCheckpoint) {
        let (size, root) = (checkpoint.size(), *checkpoint.root());
        let before = self.checkpoints.lock().unwrap().insert(size, root);
        assert!(before.is_none_or(|before| before == root), "two checkpoints at size {size}");
    }

    /// Looks at the checkpoints of all servers until it is over.
    fn watch(&self) {
        while !self.over.load(Ordering::Relaxed) {
            for server in self.addresses() {
                let patience = Duration::from_millis(200);
                let answer = try_ask(server, "GET", "/checkpoint", b"", patience);
                if let Ok(answer) = answer
                    && answer.status == 200
                {
                    self.saw(&verify_checkpoint(&answer.body, &self.vkey).unwrap());
                }
            }
            breathe();
        }
    }

    fn is_ready(&self, server: usize) -> bool {
        let answer = try_ask(self.addresses()[server], "GET", "/readyz", b"", PATIENCE);
        answer.is_ok_and(|answer| answer.status == 200)
    }

    /// Waits until somebody has been served, however long ago the last one was.
    fn go_on(&self) {
        let before = self.count();
        wait_for("nobody is served any more", || self.count() >= before + BETWEEN);
    }

    /// Opens what is left behind, and compares it with what was promised.
    fn check(&self, place: &Place) -> TreeSize {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let entries = runtime.block_on(entries(place));
        let (mut statements, mut frontier) = (BTreeMap::new(), Frontier::new());
        let mut promised = self.checkpoints.lock().unwrap().clone();
        for (index, entry) in entries.iter().enumerate() {
            let index = index as EntryIndex;
            let twice = statements.insert(Entry::parse(entry).unwrap().statement, index);
            assert_eq!(twice, None, "entry {index} is there twice");
            frontier.push(leaf_hash(entry));
            if let Some(root) = promised.remove(&frontier.size()) {
                assert_eq!(root, frontier.root(), "checkpoint of size {}", frontier.size());
            }
        }
        assert!(promised.is_empty(), "checkpoints ahead of the log: {promised:?}");
        let acknowledged = self.acknowledged.lock().unwrap();
        for it in &*acknowledged {
            assert_eq!(entries.get(it.index as usize), Some(&it.entry), "lost: {}", it.index);
            assert_eq!(statements.remove(&it.statement), Some(it.index), "logged elsewhere");
        }
        // What is left was logged before the first of them.
        assert_eq!(statements.len(), entries.len() - acknowledged.len());
        assert!(statements.values().all(|index| *index < 8), "{statements:?}");
        entries.len() as TreeSize
    }
}

/// A server refuses with 503 and nothing else, whatever has happened to it.
fn accepted(answer: &Answer) -> Result<&Answer, String> {
    match answer.status {
        200 | 201 => Ok(answer),
        503 => Err(answer.json()["code"].to_string()),
        _ => panic!("{}", answer.text()),
    }
}

async fn entries(place: &Place) -> Vec<Vec<u8>> {
    let folder = place.path();
    let ledger = Ledger::open(&folder.join("ledger"), &folder.join("state")).await.unwrap();
    let size = ledger.size().await.unwrap();
    let mut entries = Vec::new();
    while (entries.len() as TreeSize) < size {
        let stored = ledger.entries(entries.len() as EntryIndex, size).await.unwrap();
        entries.extend(stored.into_iter().map(|stored| stored.entry));
    }
    ledger.close().await;
    entries
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Kill,
    Pause,
    Restart,
    Crash,
}

/// The servers of one round, and the one that is stopped.
struct Round<'a> {
    database: &'a Server,
    places: &'a [Place],
    servers: Vec<Process>,
    paused: Option<(usize, Instant)>,
}

impl Round<'_> {
    fn take(&mut self, step: Step, scene: &Scene, moments: &mut Moments) {
        let sleeps = |it: &usize| {
            self.paused.is_some_and(|(paused, until)| paused == *it && Instant::now() < until)
        };
        let awake: Vec<usize> = (0..SERVERS).filter(|it| !sleeps(it)).collect();
        let server = awake[moments.next(awake.len() as u64) as usize];
        match step {
            Step::Kill => {
                let again = serve_again(&self.places[server], self.servers.remove(server));
                scene.addresses.write().unwrap()[server] = again.address;
                self.servers.insert(server, again);
            }
            Step::Pause => {
                // Longer or shorter than what PostgreSQL lets somebody hold the lock in silence.
                let seconds = [2, 12][moments.next(2) as usize];
                self.servers[server].pause(seconds);
                self.paused = Some((server, Instant::now() + Duration::from_secs(seconds + 1)));
            }
            Step::Restart | Step::Crash => {
                let crash = matches!(step, Step::Crash);
                self.database.stop(if crash { "immediate" } else { "fast" });
                let ready = scene.is_ready(server);
                self.database.start_again();
                assert!(!ready, "ready without a database");
            }
        }
    }
}

fn serve_again(place: &Place, server: Process) -> Process {
    server.kill();
    serve(place)
}

fn round(database: &Server, seed: u64) {
    let mut moments = Moments::new(seed);
    let place = story::team();
    place.expect(0, &format!("attestry move --to {}", database.database()));
    let places: Vec<Place> = (0..SERVERS).map(|_| place.copy()).collect();
    let servers: Vec<Process> = places.iter().map(serve).collect();
    let scene = Scene::of(&place, &servers);
    let mut steps = [Step::Kill, Step::Pause, Step::Restart, Step::Crash];
    moments.shuffle(&mut steps);
    println!("seed {seed}: {steps:?}");
    let mut round = Round { database, places: &places, servers, paused: None };
    std::thread::scope(|scope| {
        // Whatever fails here, the others are not to go on for ever.
        let _over = Over(&scene.over);
        for client in 0..CLIENTS {
            let scene = &scene;
            scope.spawn(move || scene.send(client, seed));
        }
        scope.spawn(|| scene.watch());
        scene.go_on();
        for step in steps {
            round.take(step, &scene, &mut moments);
            scene.go_on();
        }
        for server in 0..SERVERS {
            wait_for("a server does not come back", || scene.is_ready(server));
        }
    });
    for server in round.servers {
        assert!(server.terminate(), "a server does not stop as it should");
    }
    let size = scene.check(&places[0]);
    for place in &places {
        let verified = place.expect(0, "attestry verify --trust ledger/pin.txt --json").stdout;
        let report: Value = serde_json::from_str(&verified).unwrap();
        assert_eq!(report["size"], size, "{report}");
    }
    let (checkpoints, refusals) = (&scene.checkpoints, &scene.refusals);
    let checkpoints = checkpoints.lock().unwrap().len();
    println!(
        "  {size} entries, {checkpoints} checkpoints seen, refused: {:?}",
        refusals.lock().unwrap()
    );
}

/// Tells the clients that it is over, also where somebody panics.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn servers_and_their_database_fall_and_the_log_stands() {
    let Some(database) = own_server() else { return };
    let rounds = std::env::var("ATTESTRY_ROUNDS").ok().and_then(|text| text.parse().ok());
    let seed = seed();
    for nth in 0..rounds.unwrap_or(1) {
        let began = Instant::now();
        round(&database, seed + nth);
        println!("  {:.1} s", began.elapsed().as_secs_f64());
    }
}

/// Somebody starts a second server on the same folder by mistake: the file's lock orders the two.
#[test]
fn a_second_server_on_one_sqlite_folder_does_no_harm() {
    let seed = seed();
    println!("seed {seed}");
    let place = story::team();
    let mut servers: Vec<Process> = (0..2).map(|_| serve(&place)).collect();
    let scene = Scene::of(&place, &servers);
    std::thread::scope(|scope| {
        let _over = Over(&scene.over);
        for client in 0..CLIENTS {
            let scene = &scene;
            scope.spawn(move || scene.send(client, seed));
        }
        scope.spawn(|| scene.watch());
        scene.go_on();
        let again = serve_again(&place, servers.remove(1));
        scene.addresses.write().unwrap()[1] = again.address;
        servers.push(again);
        scene.go_on();
        scene.go_on();
    });
    for server in servers {
        assert!(server.terminate(), "a server does not stop as it should");
    }
    let size = scene.check(&place);
    let verified = place.expect(0, "attestry verify --trust ledger/pin.txt --json").stdout;
    let report: Value = serde_json::from_str(&verified).unwrap();
    assert_eq!(report["size"], size, "{report}");
    println!("  {size} entries, refused: {:?}", scene.refusals.lock().unwrap());
}
