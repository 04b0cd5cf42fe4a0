//! What clients have seen: a ledger that does not extend it stops, and keeps the evidence.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::http::{Answer, ask_with, get};
use harness::serving::Serving;
use harness::{Place, story};
use schemas::id::Hash;
use verifier::checkpoint::{Checkpoint, sign_checkpoint, verify_checkpoint};
use verifier::note::format_note;
use verifier::pin::parse_pin;
use verifier::signature::SigningKey;

use crate::serve::{assert_problem, envelope, opened, origin};

struct Log {
    place: Place,
    server: Serving,
}

impl Log {
    fn start() -> Log {
        Log::over(story::team())
    }

    fn over(place: Place) -> Log {
        let server = Serving::ledger(&place, opened());
        Log { place, server }
    }

    fn submit(&self, seed: u64, seen: &[&str]) -> Answer {
        let pem = std::fs::read_to_string(self.place.file("ci.pem")).unwrap();
        let key = SigningKey::from_pkcs8_pem(&pem).unwrap();
        let body = envelope(&origin(&self.place), seed, &key);
        let headers: String = seen.iter().map(|it| format!("Attestry-Seen: {it}\r\n")).collect();
        ask_with(self.server.address, "POST", "/api/v1/events", &headers, &body)
    }

    fn size(&self) -> u64 {
        let note = get(self.server.address, "/checkpoint");
        let pin = std::fs::read(self.place.file("ledger/pin.txt")).unwrap();
        verify_checkpoint(&note.body, parse_pin(&pin).unwrap().log()).unwrap().size()
    }

    fn signed(&self, size: u64, root: Hash, key: &str) -> String {
        let pem = std::fs::read_to_string(self.place.file(key)).unwrap();
        let key = SigningKey::from_pkcs8_pem(&pem).unwrap();
        let origin = origin(&self.place).parse().unwrap();
        STANDARD.encode(format_note(&sign_checkpoint(&Checkpoint { origin, size, root }, &key)))
    }

    fn evidence(&self) -> usize {
        std::fs::read_dir(self.place.file("ledger/evidence")).map_or(0, Iterator::count)
    }
}

#[test]
fn what_a_client_has_seen_is_a_prefix_or_stops_the_ledger() {
    let log = Log::start();
    let now = || STANDARD.encode(get(log.server.address, "/checkpoint").body);
    let (first, mut seed) = (now(), 0..);
    let mut submit = |seen: &[&str]| log.submit(seed.next().unwrap(), seen);
    assert_eq!(submit(&[&first]).status, 201);
    assert_eq!(submit(&[&now()]).status, 201);
    assert_eq!(submit(&[&first]).status, 201, "an older one is a prefix too");
    let size = log.size();
    // Not ours, or not readable: that proves nothing, and nothing is logged.
    let strange = log.signed(size, Hash([7; 32]), "ci.pem");
    let bad = STANDARD.encode(b"no note");
    let long = "A".repeat(16_388);
    for seen in [&[strange.as_str()][..], &[&bad], &["%"], &[""], &[&long], &[&first, &first]] {
        assert_problem(&submit(seen), 400, "request-malformed");
        assert_eq!((log.size(), log.evidence()), (size, 0));
    }
    assert_eq!(submit(&[]).status, 201);
    // Another history under the log's own key.
    let forged = log.signed(size, Hash([7; 32]), "ledger/keys/log.pem");
    assert_problem(&submit(&[&forged]), 503, "forked");
    assert_eq!(log.evidence(), 1);
    assert_problem(&submit(&[]), 503, "forked");
    assert_problem(&submit(&[&first]), 503, "forked");
    assert_problem(&get(log.server.address, "/readyz"), 503, "forked");
    assert_eq!(log.size(), size + 1);
    log.server.stop();
    let said = log.place.expect(7, "attestry log").stderr;
    assert!(said.contains("evidence") && said.contains("[forked]"), "{said}");
}

/// A backup was put back: the client has seen more than there is.
#[test]
fn a_ledger_that_is_behind_its_clients_stops_and_goes_on_with_the_right_database() {
    let place = story::team();
    let older = place.copy();
    let log = Log::over(place);
    (0..3).for_each(|seed| assert_eq!(log.submit(seed, &[]).status, 201));
    let newest = STANDARD.encode(get(log.server.address, "/checkpoint").body);
    log.server.stop();
    let behind = Log::over(older);
    assert_problem(&behind.submit(10, &[&newest]), 503, "forked");
    assert_eq!(behind.evidence(), 1);
    behind.server.stop();
    behind.place.expect(7, "attestry log");
    // With the right database the same evidence is a prefix, and nothing is wrong.
    std::fs::remove_dir_all(behind.place.file("ledger/evidence")).unwrap();
    behind.place.expect(0, "attestry log");
    let right = log.place.copy();
    let (from, to) = (right.file("ledger"), behind.place.file("ledger"));
    for name in ["ledger.db", "checkpoint"] {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
    std::fs::create_dir(to.join("evidence")).unwrap();
    let note = STANDARD.decode(newest).unwrap();
    std::fs::write(to.join("evidence/seen.checkpoint"), note).unwrap();
    behind.place.expect(0, "attestry verify --trust ledger/pin.txt");
}

/// However many contradictions are brought, the folder stays small.
#[test]
fn evidence_is_bounded() {
    let log = Log::start();
    for byte in 0..40 {
        let forged = log.signed(3, Hash([byte; 32]), "ledger/keys/log.pem");
        assert_problem(&log.submit(u64::from(byte), &[&forged]), 503, "forked");
    }
    assert_eq!(log.evidence(), 32);
}

/// A file that is elsewhere for a while: SQLite goes on with what it has open, and to sync it fails.
#[test]
fn a_disk_that_failed_to_sync_stops_a_ledger_until_it_is_started_again() {
    let log = Log::start();
    assert_eq!(log.submit(1, &[]).status, 201);
    let (wal, away) = (log.place.file("ledger/ledger.db-wal"), log.place.file("away"));
    std::fs::rename(&wal, &away).unwrap();
    assert_problem(&log.submit(2, &[]), 503, "commit-unknown");
    std::fs::rename(&away, &wal).unwrap();
    assert_problem(&log.submit(2, &[]), 503, "unsynced");
    for path in ["/readyz", "/checkpoint", "/api/v1/events"] {
        assert_problem(&get(log.server.address, path), 503, "unsynced");
    }
    assert_eq!(get(log.server.address, "/healthz").status, 200);
    log.server.stop();
    let log = Log::over(log.place);
    assert_eq!(log.submit(2, &[]).status, 200, "it was logged, and is on the disk now");
    assert_eq!(get(log.server.address, "/readyz").status, 200);
}
