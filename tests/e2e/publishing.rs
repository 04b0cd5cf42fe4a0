//! Servers that publish tiles into one bucket, of a real S3-compatible server: they are killed in the
//! middle, and several do it at once. Whoever reads the bucket sees a log that only grows, and
//! every byte of it is right.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::http::{get, try_ask};
use harness::process::Process;
use harness::serving::wait_for;
use harness::{Place, story};
use schemas::id::{Hash, TreeSize};
use serde_json::json;
use verifier::checkpoint::verify_checkpoint;
use verifier::merkle::tile_path::TilePath;
use verifier::note::Vkey;
use verifier::signature::SigningKey;

use crate::objects::{Bucket, tree};
use crate::serve::{envelope, origin};
use crate::turmoil::serve_with;

/// The longest that a request may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many events go in one request.
const BATCH: u64 = 150;

/// What readers of the bucket have seen, and whose log it is.
struct Bucketed<'a> {
    bucket: &'a Bucket,
    published: PathBuf,
    vkey: Vkey,
    origin: String,
    key: SigningKey,
    /// Every checkpoint that was ever shown.
    shown: Mutex<BTreeMap<TreeSize, Hash>>,
}

impl Bucketed<'_> {
    /// Makes a place's ledger keep its objects under a prefix of the bucket.
    fn of<'a>(bucket: &'a Bucket, place: &Place, prefix: &str) -> Bucketed<'a> {
        place.write("ledger/objects", format!("s3://attestry/{prefix}\n"));
        let pin = std::fs::read(place.file("ledger/pin.txt")).unwrap();
        let pem = std::fs::read_to_string(place.file("ci.pem")).unwrap();
        Bucketed {
            bucket,
            published: bucket.folder(prefix).join("published"),
            vkey: verifier::pin::parse_pin(&pin).unwrap().log().clone(),
            origin: origin(place),
            key: SigningKey::from_pkcs8_pem(&pem).unwrap(),
            shown: Mutex::default(),
        }
    }

    fn serve(&self, place: &Place) -> Process {
        serve_with(place, "--publish-tiles", |child: &mut Command| self.bucket.tell(child))
    }

    /// Logs a batch; says whether it was acknowledged.
    fn submit(&self, server: SocketAddr, from: u64) -> bool {
        let line = |seed| {
            let envelope = STANDARD.encode(envelope(&self.origin, seed, &self.key));
            json!({ "envelope": envelope }).to_string() + "\n"
        };
        let body: String = (from..from + BATCH).map(line).collect();
        let path = "/api/v1/events/batch";
        let answer = try_ask(server, "POST", path, body.as_bytes(), PATIENCE);
        answer.is_ok_and(|answer| answer.status == 200)
    }

    /// How many tiles are shown.
    fn tiles(&self) -> usize {
        let mut found = BTreeMap::new();
        tree(&self.published.join("tile"), "", &mut found);
        found.len()
    }

    /// Reads the bucket as a client does that has no other source: checkpoint, then tiles.
    fn look(&self) -> Option<TreeSize> {
        let note = std::fs::read(self.published.join("checkpoint")).ok()?;
        let checkpoint = verify_checkpoint(&note, &self.vkey).unwrap();
        let (size, root) = (checkpoint.size(), *checkpoint.root());
        let mut shown = self.shown.lock().unwrap();
        if let Some((last, before)) = shown.last_key_value() {
            assert!(size >= *last, "the checkpoint went back from {last} to {size}");
            assert!(size > *last || root == *before, "two checkpoints of size {size}");
        }
        shown.insert(size, root);
        drop(shown);
        for it in TilePath::between(0, size) {
            let there = |it: TilePath| self.published.join("tile").join(it.format()).is_file();
            // A partial tile is withdrawn once the full one is there: asked for in this order.
            assert!(there(it) || there(it.full()), "{} at size {size} is missing", it.format());
        }
        Some(size)
    }

    /// Waits until the bucket shows the whole log, and compares every file in it with what a
    /// server answers, those of smaller trees too.
    fn check(&self, server: SocketAddr) -> TreeSize {
        let note = wait_for("the whole log in the bucket", || {
            let note = get(server, "/checkpoint").body;
            let shown = std::fs::read(self.published.join("checkpoint")).ok()?;
            (shown == note).then_some(note)
        });
        let size = self.look().unwrap();
        assert_eq!(size, verify_checkpoint(&note, &self.vkey).unwrap().size());
        let mut found = BTreeMap::new();
        tree(&self.published, "", &mut found);
        for (path, bytes) in &found {
            let served = get(server, &format!("/{path}"));
            assert_eq!(served.status, 200, "{path}");
            assert!(served.body == *bytes, "{path} has other bytes than the log");
        }
        for (size, root) in &*self.shown.lock().unwrap() {
            let it = get(server, &format!("/api/v1/checkpoints?size={size}")).json();
            for it in it["checkpoints"].as_array().unwrap() {
                let it = verify_checkpoint(it["note"].as_str().unwrap().as_bytes(), &self.vkey);
                let it = it.unwrap();
                assert_eq!((it.size(), it.root()), (*size, root));
            }
        }
        size
    }
}

/// Waits until somebody has written a tile more, but not for long: there may be none to write.
fn wait_for_tiles(published: &Bucketed, more: usize) {
    let (before, until) = (published.tiles(), Instant::now() + Duration::from_secs(3));
    while published.tiles() < before + more && Instant::now() < until {
        std::thread::yield_now();
    }
}

#[test]
fn a_server_killed_while_it_publishes_leaves_a_bucket_that_is_right() {
    let Some(bucket) = Bucket::start() else { return };
    let place = story::team();
    let published = Bucketed::of(&bucket, &place, "killed");
    let mut next = 0;
    for round in 0..8 {
        let server = published.serve(&place);
        for _ in 0..2 {
            assert!(published.submit(server.address, next));
            next += BATCH;
        }
        wait_for_tiles(&published, 1 + round % 4);
        server.kill();
        published.look();
    }
    let server = published.serve(&place);
    assert_eq!(published.check(server.address), 8 + next);
    assert!(server.terminate());
    place.expect(0, "attestry verify --trust ledger/pin.txt");
}

/// Two servers log and publish without a pause, one of them is killed on the way and another takes
/// its place; somebody reads the bucket all the while.
fn two_at_once(places: [&Place; 2], prefix: &str, bucket: &Bucket) {
    let published = Bucketed::of(bucket, places[0], prefix);
    places[1].write("ledger/objects", format!("s3://attestry/{prefix}\n"));
    let over = AtomicBool::new(false);
    let servers = places.map(|place| published.serve(place));
    let (acknowledged, looks) = (Mutex::new(0), Mutex::new(0));
    let send = &|server: SocketAddr, from: u64, batches: u64| {
        for nth in 0..batches {
            if !published.submit(server, from + nth * BATCH) {
                // It was killed.
                return;
            }
            *acknowledged.lock().unwrap() += BATCH;
            let before = published.tiles();
            wait_for_tiles(&published, usize::from(nth % 3 == 0 && before > 0));
        }
    };
    let [first, second] = servers;
    let (here, there) = (first.address, second.address);
    std::thread::scope(|scope| {
        let watched = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                *looks.lock().unwrap() += usize::from(published.look().is_some());
            }
        });
        let _over = Over(&over);
        let sends = scope.spawn(|| send(here, 0, 12));
        let killed = scope.spawn(|| send(there, 1 << 20, 40));
        sends.join().unwrap();
        second.kill();
        killed.join().unwrap();
        let third = published.serve(places[1]);
        let address = third.address;
        let sends = [(here, 1 << 21), (address, 1 << 22)];
        let sends = sends.map(|(server, from)| scope.spawn(move || send(server, from, 6)));
        for it in sends {
            it.join().unwrap();
        }
        assert!(third.terminate());
        over.store(true, Ordering::Relaxed);
        watched.join().unwrap();
    });
    let size = published.check(here);
    assert!(first.terminate());
    let acknowledged = *acknowledged.lock().unwrap();
    assert!(size >= 8 + acknowledged, "{size} entries, {acknowledged} acknowledged");
    let (looks, shown) = (*looks.lock().unwrap(), published.shown.lock().unwrap().len());
    assert!(looks > 0 && shown > 2, "{looks} looks, {shown} checkpoints");
    println!("{prefix}: {size} entries, {shown} checkpoints in {looks} looks");
    places[0].expect(0, "attestry verify --trust ledger/pin.txt");
}

/// Says that it is over, also where somebody panics.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn servers_on_one_sqlite_folder_publish_into_one_bucket() {
    let Some(bucket) = Bucket::start() else { return };
    let place = story::team();
    two_at_once([&place, &place], "sqlite", &bucket);
}

#[test]
fn servers_on_one_postgresql_publish_into_one_bucket() {
    let Some(database) = harness::postgres::server() else { return };
    let Some(bucket) = Bucket::start() else { return };
    let place = story::team();
    place.expect(0, &format!("attestry move --to {}", database.database()));
    let other = place.copy();
    two_at_once([&place, &other], "postgres", &bucket);
}
