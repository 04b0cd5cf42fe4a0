//! `attestry witness`: one key, one history of each log, whatever happens to the process.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use harness::Place;
use harness::http::{Answer, ask, get};
use harness::serving::Serving;
use schemas::id::{Hash, Origin, TreeSize};
use verifier::checkpoint::{Checkpoint, log_vkey, sign_checkpoint};
use verifier::merkle::proof::prove_consistency;
use verifier::merkle::{leaf_hash, root_of, sha256};
use verifier::note::{SignedNote, Vkey};
use verifier::signature::SigningKey;
use verifier::witness::{Held, format_request, parse_answer, parse_size};

/// A log in memory; what it was told to fork has other leaves from that index on.
struct Log {
    origin: Origin,
    key: SigningKey,
}

impl Log {
    fn new() -> Log {
        let key = SigningKey::from_seed(&[5; 32]).unwrap();
        Log { origin: "log.example/tests".parse().unwrap(), key }
    }

    fn hash(&self) -> Hash {
        sha256(&[self.origin.as_str().as_bytes()])
    }

    fn vkey(&self) -> Vkey {
        log_vkey(&self.origin, self.key.ed25519())
    }

    fn leaves(size: TreeSize, fork: &str) -> Vec<Hash> {
        (0..size).map(|index| leaf_hash(format!("{fork}{index}").as_bytes())).collect()
    }

    fn note(&self, size: TreeSize, fork: &str) -> SignedNote {
        let root = root_of(&Log::leaves(size, fork));
        sign_checkpoint(&Checkpoint { origin: self.origin.clone(), size, root }, &self.key)
    }

    fn request(&self, old: TreeSize, size: TreeSize, fork: &str) -> String {
        let leaves = Log::leaves(size, fork);
        let proof = prove_consistency(&mut &leaves[..], old.min(size), size).unwrap();
        format_request(old, &proof, &self.note(size, fork))
    }
}

fn add(server: SocketAddr, request: &str) -> Answer {
    ask(server, "POST", "/add-checkpoint", request.as_bytes())
}

#[test]
fn the_protocol_over_http() {
    let (place, log) = (Place::new(), Log::new());
    let (vkey, serving) = Serving::witness(&place.file("w"), "w.example", vec![log.vkey()]);
    let server = serving.address;
    let monitored = format!("/{}/checkpoint", log.hash());
    assert_eq!(get(server, &monitored).status, 404, "nothing was cosigned yet");
    let answer = add(server, &log.request(0, 3, ""));
    assert_eq!(answer.status, 200, "{}", answer.text());
    parse_answer(&answer.body, &log.note(3, ""), &vkey).unwrap();
    let shown = get(server, &monitored);
    assert_eq!(Held::parse(&shown.body, &log.vkey(), &vkey).unwrap().size(), 3);

    let conflict = add(server, &log.request(0, 5, ""));
    assert_eq!((conflict.status, conflict.header("content-type")), (409, Some("text/x.tlog.size")));
    assert_eq!(conflict.text(), "3\n");
    for (request, status) in [
        (log.request(3, 5, "other"), 422),
        (log.request(3, 3, "other"), 422),
        (log.request(4, 3, ""), 400),
        (log.request(0, 5, "").replace("log.example/tests", "log.example/other"), 404),
        (log.request(3, 5, "").replace("\n5\n", "\n6\n"), 403),
        ("old 3\n".to_owned(), 400),
        (String::new(), 400),
        (" ".repeat(200_000), 413),
    ] {
        let answer = add(server, &request);
        assert_eq!(answer.status, status, "{request}\n{}", answer.text());
    }
    assert_eq!(get(server, "/add-checkpoint").status, 405);
    assert_eq!(get(server, "/0000/checkpoint").status, 404);
    assert_eq!(add(server, &log.request(3, 3, "")).status, 200);
    assert_eq!(add(server, &log.request(3, 300, "")).status, 200);
    serving.stop();
    // What it has seen, it has seen also after a restart.
    let (again, serving) = Serving::witness(&place.file("w"), "w.example", vec![log.vkey()]);
    assert_eq!(again, vkey);
    assert_eq!(add(serving.address, &log.request(0, 5, "other")).text(), "300\n");
}

/// Whoever is first: a witness cosigns one root at one size, of each log.
#[test]
fn two_histories_at_once_get_one_cosignature() {
    const CALLERS: usize = 8;
    const SIZE: TreeSize = 5;
    let place = Place::new();
    let logs: Vec<Log> = (0..10)
        .map(|nth| Log { origin: format!("log.example/{nth}").parse().unwrap(), ..Log::new() })
        .collect();
    let vkeys = logs.iter().map(Log::vkey).collect();
    let (vkey, serving) = Serving::witness(&place.file("w"), "w.example", vkeys);
    let server = serving.address;
    for log in &logs {
        let answers: Vec<(String, Answer)> = std::thread::scope(|scope| {
            let ask = |caller| {
                let fork = format!("history of caller {caller}: ");
                scope.spawn(move || (fork.clone(), add(server, &log.request(0, SIZE, &fork))))
            };
            let callers: Vec<_> = (0..CALLERS).map(ask).collect();
            callers.into_iter().map(|caller| caller.join().unwrap()).collect()
        });
        let (given, refused): (Vec<_>, Vec<_>) =
            answers.iter().partition(|(_, answer)| answer.status == 200);
        let [(fork, answer)] = given.as_slice() else { panic!("{} were given", given.len()) };
        parse_answer(&answer.body, &log.note(SIZE, fork), &vkey).unwrap();
        assert!(refused.iter().all(|(_, it)| (it.status, it.text()) == (409, "5\n".to_owned())));
        let shown = get(server, &format!("/{}/checkpoint", log.hash()));
        let held = Held::parse(&shown.body, &log.vkey(), &vkey).unwrap();
        assert_eq!(*held.root(), root_of(&Log::leaves(SIZE, fork)));
    }
}

const FOLDER: &str = "ATTESTRY_WITNESS_FOLDER";

/// The child: a witness as a user starts it, until somebody kills it.
///
/// Does nothing where no parent has named a folder.
#[test]
fn child_that_witnesses_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let (mut stdin, mut stdout, mut stderr) = (&b""[..], std::io::stdout(), std::io::stderr());
    let mut io = cli::Io::new(&mut stdin, &mut stdout, &mut stderr, Path::new(&folder));
    let line = "attestry witness serve --dir w --log log.vkey --listen 127.0.0.1:0 --json";
    cli::run(line.split(' ').map(Into::into), &mut io);
}

/// A child, and where it listens.
fn start(folder: &Path) -> (Child, SocketAddr) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["witness_serve::child_that_witnesses_until_it_is_killed", "--exact", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // The test runner's own words may stand before it.
    let said = lines.find_map(|line| {
        let line = line.unwrap();
        let at = line.find('{')?;
        serde_json::from_str::<serde_json::Value>(&line[at..]).ok()
    });
    let address = said.unwrap()["listening"].as_str().unwrap().parse().unwrap();
    (child, address)
}

/// The body of a good answer, if there was one.
fn add_unless_killed(server: SocketAddr, body: &str) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(server).ok()?;
    let length = body.len();
    let head = format!("POST /add-checkpoint HTTP/1.1\r\nhost: w\r\ncontent-length: {length}\r\n");
    stream.write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes()).ok()?;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let at = answer.windows(4).position(|it| it == b"\r\n\r\n")?;
    answer.starts_with(b"HTTP/1.1 200").then(|| answer[at + 4..].to_vec())
}

#[test]
fn what_a_witness_cosigned_survives_a_kill() {
    const ROUNDS: u64 = 20;
    let (place, log) = (Place::new(), Log::new());
    place.write("log.vkey", format!("{}\n", log.vkey()));
    let said = place.expect(0, "attestry witness init w --name w.example --json").stdout;
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    let vkey: Vkey = said["vkey"].as_str().unwrap().parse().unwrap();
    let (mut given, mut size) = (0, 0);
    for round in 0..ROUNDS {
        let (mut child, server) = start(place.path());
        // What it holds: no less than what it gave away, and no more than what it was asked for.
        let conflict = add(server, &log.request(1 << 12, 1 << 12, ""));
        let held = parse_size(&conflict.body).unwrap();
        assert!((given..=size).contains(&held), "round {round}: {given} {held} {size}");
        if held > 0 {
            let other = add(server, &log.request(held, held + 1, "another history "));
            assert_eq!(other.status, 422, "round {round}");
        }
        (given, size) = (held, held);
        for _ in 0..=round % 3 {
            size += 1;
            let answer = add(server, &log.request(given, size, ""));
            parse_answer(&answer.body, &log.note(size, ""), &vkey).unwrap();
            given = size;
        }
        // One more, of which nobody knows how far it came.
        size += 1;
        let body = log.request(given, size, "");
        let sending = std::thread::spawn(move || add_unless_killed(server, &body));
        let moment = Instant::now() + Duration::from_micros(150 * round);
        while Instant::now() < moment {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let answer = sending.join().unwrap();
        if answer.is_some_and(|it| parse_answer(&it, &log.note(size, ""), &vkey).is_ok()) {
            given = size;
        }
    }
    assert!(given >= ROUNDS, "{given}");
}

#[test]
fn a_witness_has_one_key_and_one_process() {
    let (place, log) = (Place::new(), Log::new());
    place.write("log.vkey", format!("{}\n", log.vkey()));
    let serve = "attestry witness serve --dir w --log log.vkey --listen 127.0.0.1:0";
    let said = place.expect(5, serve).stderr;
    assert!(said.contains("[no-witness]") && said.contains("attestry witness init"), "{said}");
    place.expect(2, "attestry witness init w --name a+b");
    place.expect(2, "attestry witness init w --name \"\"");
    place.expect(0, "attestry witness init w --name w.example");
    let said = place.expect(2, "attestry witness init w --name w.example").stderr;
    assert!(said.contains("[file-exists]"), "{said}");
    let (_, serving) = Serving::witness(&place.file("w"), "w.example", vec![log.vkey()]);
    let said = place.expect(1, serve).stderr;
    assert!(said.contains("another process has it open"), "{said}");
    assert_eq!(add(serving.address, &log.request(0, 3, "")).status, 200);
    serving.stop();
    // What it has kept is believed with both signatures only.
    let path = place.file(&format!("w/{}.checkpoint", log.hash()));
    let kept = std::fs::read_to_string(&path).unwrap();
    for bad in [kept.replace("\n3\n", "\n2\n"), String::new(), kept[..kept.len() - 5].to_owned()] {
        std::fs::write(&path, bad).unwrap();
        let said = place.expect(1, serve).stderr;
        assert!(said.contains("is malformed"), "{said}");
    }
    let other = SigningKey::from_seed(&[6; 32]).unwrap();
    std::fs::write(place.file("w/witness.pem"), other.to_pkcs8_pem().unwrap().as_bytes()).unwrap();
    let said = place.expect(1, serve).stderr;
    assert!(said.contains("it is not of the key in"), "{said}");
}
