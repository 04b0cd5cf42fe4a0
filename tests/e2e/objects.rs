//! Published tiles and attachments, in a folder and in a bucket of a real S3-compatible server.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use harness::http::{ask, get};
use harness::{Place, story};
use ledger::http::Settings;
use schemas::id::Digest;
use serde_json::json;
use verifier::merkle::sha256;
use verifier::merkle::tile_path::TilePath;

use crate::serve::{Running, envelope, open, opened, origin};

/// The longest that publishing may take.
const LONG: Duration = Duration::from_secs(60);

const FOLDER: &str = "ATTESTRY_BUCKET_FOLDER";

fn log_events(server: &Running, from: u64, to: u64) {
    use base64::Engine as _;
    let (origin, key) = (origin(&server.place), server.key());
    let line = |seed| {
        let bytes = envelope(&origin, seed, &key);
        let envelope = base64::engine::general_purpose::STANDARD.encode(bytes);
        json!({ "envelope": envelope }).to_string() + "\n"
    };
    let body: String = (from..to).map(line).collect();
    let answer = ask(server.address, "POST", "/api/v1/events/batch", body.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// The files under a folder, by their paths in it.
pub fn tree(folder: &Path, prefix: &str, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        match entry.path().is_dir() {
            true => tree(&entry.path(), &format!("{name}/"), found),
            // A partial tile is taken away once a wider one is there.
            false => found.extend(std::fs::read(entry.path()).ok().map(|bytes| (name, bytes))),
        }
    }
}

/// Waits until a folder shows what the server does, and compares every file with its answer.
fn assert_published(server: &Running, folder: &Path) {
    let end = Instant::now() + LONG;
    let note = get(server.address, "/checkpoint").body;
    while std::fs::read(folder.join("checkpoint")).ok().as_deref() != Some(note.as_slice()) {
        assert!(Instant::now() < end, "the checkpoint is not published");
        std::thread::yield_now();
    }
    let size = String::from_utf8_lossy(&note).lines().nth(1).unwrap().parse().unwrap();
    let mut found = BTreeMap::new();
    tree(folder, "", &mut found);
    for it in TilePath::between(0, size) {
        let path = format!("tile/{}", it.format());
        let served = get(server.address, &format!("/{path}"));
        assert_eq!(served.status, 200, "{path}");
        assert_eq!(found.get(&path), Some(&served.body), "{path}");
    }
}

fn has_partial(folder: &Path, tile: &str) -> bool {
    folder.join(format!("tile/{tile}.p")).is_dir()
        && std::fs::read_dir(folder.join(format!("tile/{tile}.p"))).unwrap().next().is_some()
}

#[test]
fn published_files_are_those_that_the_server_answers() {
    let settings = || Settings { publish_tiles: true, ..opened() };
    let server = Running::with(story::team(), settings());
    let published = server.place.file("ledger/published");
    log_events(&server, 0, 40);
    assert_published(&server, &published);
    assert!(has_partial(&published, "entries/000"));
    log_events(&server, 40, 700);
    assert_published(&server, &published);
    let end = Instant::now() + LONG;
    while has_partial(&published, "entries/000") || has_partial(&published, "0/000") {
        assert!(Instant::now() < end, "partial tiles of a full one are left");
        std::thread::yield_now();
    }
    // As if it was killed between the tiles and the checkpoint, or in the middle of the tiles.
    let place = server.stop();
    std::fs::remove_file(published.join("checkpoint")).unwrap();
    std::fs::remove_file(published.join("tile/0/001")).unwrap();
    let server = Running::with(place, settings());
    assert_published(&server, &published);
    server.stop();
}

#[test]
fn several_publish_at_once_and_nobody_goes_back() {
    let server = Running::start();
    let folder = server.place.path().to_owned();
    let size = |note: &[u8]| -> u64 {
        String::from_utf8_lossy(note).lines().nth(1).unwrap().parse().unwrap()
    };
    let seen = server.runtime.block_on(async {
        let ledgers = [open(&folder).await, open(&folder).await, open(&folder).await];
        let tasks: Vec<_> = ledgers
            .into_iter()
            .map(|ledger| {
                tokio::spawn(async move {
                    for _ in 0..20 {
                        ledger.publish_files().await.unwrap();
                    }
                })
            })
            .collect();
        let mut seen = Vec::new();
        for seed in 0..60 {
            let sent = envelope(&origin(&server.place), seed, &server.key());
            let address = server.address;
            let logged = tokio::task::spawn_blocking(move || {
                ask(address, "POST", "/api/v1/events", &sent).status
            });
            assert_eq!(logged.await.unwrap(), 201);
            seen.extend(std::fs::read(folder.join("ledger/published/checkpoint")).ok());
        }
        for task in tasks {
            task.await.unwrap();
        }
        open(&folder).await.publish_files().await.unwrap();
        seen
    });
    let sizes: Vec<u64> = seen.iter().map(|note| size(note)).collect();
    assert!(sizes.is_sorted() && !sizes.is_empty(), "{sizes:?}");
    assert_published(&server, &folder.join("ledger/published"));
    // Files of a longer log are left alone: this database is older than they are.
    let longer = std::fs::read(folder.join("ledger/published/checkpoint")).unwrap();
    let other = story::team();
    let shown = other.file("ledger/published");
    std::fs::create_dir_all(&shown).unwrap();
    std::fs::write(shown.join("checkpoint"), &longer).unwrap();
    let refused = server.runtime.block_on(async { open(other.path()).await.publish_files().await });
    assert!(refused.unwrap_err().to_string().contains("the published files show size"));
    assert_eq!(std::fs::read(shown.join("checkpoint")).unwrap(), longer);
}

/// A running S3-compatible server, with one bucket.
pub struct Bucket {
    server: Child,
    address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Drop for Bucket {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// `ATTESTRY_VERSITYGW` names the program, else it is on the path or where Go installs it.
fn versitygw() -> Option<PathBuf> {
    let named = std::env::var_os("ATTESTRY_VERSITYGW").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join("go/bin/versitygw"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path: Vec<PathBuf> =
        std::env::split_paths(&path).map(|folder| folder.join("versitygw")).collect();
    named.into_iter().chain(on_path).chain(home).find(|program| program.is_file())
}

impl Bucket {
    /// Starts one, or says loudly that there is none.
    pub fn start() -> Option<Bucket> {
        let Some(program) = versitygw() else {
            let note = "SKIPPED, and may be: no S3-compatible server (go install \
                        github.com/versity/versitygw/cmd/versitygw@v1.8.0)\n";
            let _ = std::io::stderr().write_all(note.as_bytes());
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("attestry")).unwrap();
        // It cannot take a free port by itself: another process may take this one before it does.
        for _ in 0..5 {
            let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let mut server = Command::new(&program)
                .args(["--access", "attestry", "--secret", "for-tests-only"])
                .args(["--port", &free.to_string(), "posix"])
                .arg(folder.path())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let end = Instant::now() + LONG;
            while Instant::now() < end && server.try_wait().unwrap().is_none() {
                if TcpStream::connect(free).is_ok() {
                    return Some(Bucket { server, address: free, folder });
                }
                std::thread::yield_now();
            }
            let _ = server.kill();
        }
        panic!("{} does not listen", program.display());
    }

    /// The folder in which it keeps what is under a prefix.
    pub fn folder(&self, prefix: &str) -> PathBuf {
        self.folder.path().join("attestry").join(prefix)
    }

    /// Tells a process where the bucket is, and how it is opened.
    pub fn tell(&self, child: &mut Command) {
        child
            .env("AWS_ENDPOINT_URL", format!("http://{}", self.address))
            .env("AWS_ACCESS_KEY_ID", "attestry")
            .env("AWS_SECRET_ACCESS_KEY", "for-tests-only")
            .env("AWS_REGION", "us-east-1")
            .env_remove("AWS_CA_BUNDLE");
    }
}

#[test]
fn a_ledger_keeps_its_objects_in_a_bucket() {
    let Some(bucket) = Bucket::start() else { return };
    // Settings of a bucket are the process's own: so it is another process.
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["objects::child_with_a_bucket", "--exact", "--nocapture"]);
    child.env(FOLDER, bucket.folder.path());
    bucket.tell(&mut child);
    let child = child.output().unwrap();
    let said = String::from_utf8_lossy(&child.stdout).into_owned()
        + &String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success() && said.contains("the bucket holds it all"), "{said}");
    assert!(!said.contains("for-tests-only"), "a secret is told: {said}");
}

/// What a ledger does whose objects are in a bucket; nothing where no parent has named one.
#[test]
fn child_with_a_bucket() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let place = Place::new();
    let init = "attestry init --origin bucket.example --root-out r.pem --objects";
    place.expect(0, &format!("{init} s3://attestry/other"));
    assert_eq!(std::fs::read(place.file("ledger/objects")).unwrap(), b"s3://attestry/other\n");
    let outcome = Place::new().run(&format!("{init} s3://no-such-bucket"));
    assert_ne!(outcome.code, 0, "{}", outcome.stdout);

    // A ledger of a team, its attachments moved as an operator would.
    let place = story::released();
    let here = place.file("ledger/attachments/sha256");
    let there = folder.join("attestry/team/attachments/sha256");
    std::fs::create_dir_all(&there).unwrap();
    for entry in std::fs::read_dir(&here).unwrap().flatten() {
        std::fs::copy(entry.path(), there.join(entry.file_name())).unwrap();
        std::fs::remove_file(entry.path()).unwrap();
    }
    std::fs::write(place.file("ledger/objects"), "s3://attestry/team\n").unwrap();
    story::pack(&place);
    let said = place.run("attestry verify pack.zip --trust ledger/pin.txt").stdout;
    assert!(said.contains("the pack holds") && !said.contains("attachment-absent"), "{said}");

    let server = Running::with(place, Settings { publish_tiles: true, ..opened() });
    for size in [10, 12 << 20] {
        let body = vec![7; size];
        let digest = Digest::sha256(&sha256(&[&body]));
        let path = format!("/api/v1/attachments/{digest}");
        let wrong = ask(server.address, "PUT", &path, &body[1..]);
        assert_eq!(wrong.status, 422, "{}", wrong.text());
        assert!(!there.join(digest.hex()).exists());
        let kept = ask(server.address, "PUT", &path, &body);
        assert_eq!(kept.status, 201, "{}", kept.text());
        assert_eq!(ask(server.address, "PUT", &path, &body).status, 200);
        assert!(get(server.address, &path).body == body);
        assert!(std::fs::read(there.join(digest.hex())).unwrap() == body);
    }
    assert_eq!(std::fs::read_dir(&here).unwrap().count(), 0, "nothing is kept beside the bucket");
    let published = folder.join("attestry/team/published");
    log_events(&server, 0, 300);
    assert_published(&server, &published);
    log_events(&server, 300, 600);
    assert_published(&server, &published);
    // Several at once: the checkpoint is replaced by whoever is first, and never goes back.
    let root = server.place.path().to_owned();
    server.runtime.block_on(async {
        let ledgers = [open(&root).await, open(&root).await];
        for ledger in ledgers {
            ledger.publish_files().await.unwrap();
        }
    });
    assert_published(&server, &published);
    server.stop();
    println!("the bucket holds it all");
}
