//! A ledger and its witnesses, over HTTP: quorums met and missed, and forks that stop the signing.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use harness::http::{Answer, ask, get};
use harness::serving::{Serving, wait_for};
use harness::{Place, story};
use ledger::cosigning::Witnesses;
use ledger::http::Settings;
use ledger::outgoing::{self, Outgoing};
use verifier::checkpoint::verify_checkpoint;
use verifier::cosignature::quorum::{Quorum, parse_policy_file};
use verifier::note::Vkey;
use verifier::pin::{Pin, parse_pin};
use verifier::receipt::verify_receipt;
use verifier::signature::SigningKey;

use crate::serve::{assert_problem, envelope, opened, origin};

fn pin(place: &Place) -> Pin {
    parse_pin(&std::fs::read(place.file("ledger/pin.txt")).unwrap()).unwrap()
}

/// Three witnesses of the ledger in a place, each with a folder of its own.
struct Three(Vec<(Vkey, Serving)>);

impl Three {
    fn start(folder: &Path, log: &Vkey) -> Three {
        let start = |nth: usize| {
            let name = format!("w{nth}.example");
            Serving::witness(&folder.join(&name), &name, vec![log.clone()])
        };
        Three((1..=3).map(start).collect())
    }

    /// Two of three are asked for.
    fn policy(&self) -> String {
        policy(self.0.iter().map(|(vkey, serving)| (vkey, serving.url())))
    }
}

fn policy<'v>(witnesses: impl Iterator<Item = (&'v Vkey, String)>) -> String {
    let lines: String = (1..)
        .zip(witnesses)
        .map(|(nth, (vkey, url))| format!("witness w{nth} {vkey} {url}\n"))
        .collect();
    format!("# two of three\n{lines}\ngroup g 2 w1 w2 w3\nquorum g\n")
}

fn settings(place: &Place, policy: &str) -> (Quorum, Settings) {
    let quorum = parse_policy_file(pin(place).log(), policy.as_bytes()).unwrap();
    let outgoing = Outgoing::new(&outgoing::Settings::default()).unwrap();
    let witnesses = Witnesses::new(quorum.clone(), outgoing).unwrap();
    (quorum, Settings { witnesses: Some(witnesses), ..opened() })
}

/// Logs so many events, unlike those of other seeds.
fn submit(place: &Place, server: SocketAddr, seeds: std::ops::Range<u64>) -> Vec<Answer> {
    let pem = std::fs::read_to_string(place.file("ci.pem")).unwrap();
    let (origin, key) = (origin(place), SigningKey::from_pkcs8_pem(&pem).unwrap());
    let one = |seed| ask(server, "POST", "/api/v1/events", &envelope(&origin, seed, &key));
    seeds.map(one).collect()
}

/// Waits until what is shown has the quorum and that many entries.
fn cosigned(server: SocketAddr, pin: &Pin, quorum: &Quorum, size: u64) -> String {
    wait_for("a quorum", || {
        let note = get(server, "/checkpoint");
        let checkpoint = verify_checkpoint(&note.body, pin.log()).unwrap();
        let met = quorum.evaluate(checkpoint.note()).is_met;
        (met && checkpoint.size() == size).then(|| note.text())
    })
}

#[test]
fn a_quorum_is_collected_shown_and_demanded() {
    let place = story::team();
    let pin = pin(&place);
    let witnesses = Three::start(place.path(), pin.log());
    place.write("policy", witnesses.policy());
    place.expect(3, "attestry verify --trust ledger/pin.txt --witnesses policy");
    let (quorum, settings) = settings(&place, &witnesses.policy());
    let server = Serving::ledger(&place, settings);
    // What was published before, then what comes.
    cosigned(server.address, &pin, &quorum, 8);
    for answer in submit(&place, server.address, 0..5) {
        assert_eq!(answer.status, 201, "{}", answer.text());
        // The answer does not wait for witnesses.
        let receipt = answer.json()["receipt"].as_str().unwrap().to_owned();
        verify_receipt(receipt.as_bytes(), pin.log()).unwrap();
    }
    cosigned(server.address, &pin, &quorum, 13);
    let receipt = get(server.address, "/api/v1/events/12/receipt");
    place.write("12.receipt", &receipt.body);
    let said =
        place.expect(0, "attestry verify 12.receipt --trust ledger/pin.txt --witnesses policy");
    assert!(said.stdout.contains("its witnesses had seen it then"), "{}", said.stdout);
    // Whatever has three cosignatures is published in the database too.
    wait_for("three cosignatures", || {
        let note = std::fs::read_to_string(place.file("ledger/checkpoint")).unwrap();
        (note.matches('\u{2014}').count() == 4).then_some(())
    });
    server.stop();
    let said = place.expect(0, "attestry verify --trust ledger/pin.txt --witnesses policy");
    assert!(said.stdout.contains("bounded by cosignatures: all of it existed by"), "{said:?}");
    assert!(said.stdout.contains("as many as are asked for"), "{said:?}");
}

/// An address at which nobody answers.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn one_witness_may_be_away_and_two_may_not() {
    let place = story::team();
    let pin = pin(&place);
    let mut witnesses = Three::start(place.path(), pin.log());
    let (away, stopped) = witnesses.0.pop().unwrap();
    stopped.stop();
    let asked = witnesses.0.iter().map(|(vkey, serving)| (vkey, serving.url()));
    let text = policy(asked.chain([(&away, nobody())]));
    let (quorum, chosen) = settings(&place, &text);
    let server = Serving::ledger(&place, chosen);
    assert!(submit(&place, server.address, 0..3).iter().all(|it| it.status == 201));
    let met = cosigned(server.address, &pin, &quorum, 11);
    let (_, second) = witnesses.0.pop().unwrap();
    second.stop();
    // Appends go on; what is shown stays at the last quorum, and says so by its size.
    let answers = submit(&place, server.address, 3..6);
    assert!(answers.iter().all(|it| it.status == 201));
    assert_eq!(get(server.address, "/readyz").status, 200);
    let shown = get(server.address, "/checkpoint").text();
    let text_of = |note: &str| note.split("\n\n").next().unwrap().to_owned();
    assert_eq!(text_of(&shown), text_of(&met));
    let receipt = get(server.address, "/api/v1/events/13/receipt");
    let receipt = verify_receipt(&receipt.body, pin.log()).unwrap();
    assert!(!quorum.evaluate(receipt.checkpoint().note()).is_met);
    // They come back, and the quorum with them.
    let (back, returned) =
        Serving::witness(&place.file("w2.example"), "w2.example", vec![pin.log().clone()]);
    assert!(quorum.witnesses().any(|it| it.key == back));
    server.stop();
    let asked = witnesses.0.iter().map(|(vkey, serving)| (vkey, serving.url()));
    let text = policy(asked.chain([(&back, returned.url()), (&away, nobody())]));
    let (quorum, chosen) = settings(&place, &text);
    let server = Serving::ledger(&place, chosen);
    cosigned(server.address, &pin, &quorum, 14);
}

/// Two ledgers under one key: the one whose history the witnesses have not seen stops.
#[test]
fn a_fork_is_stopped_by_its_witnesses() {
    // The fork is longer than what was cosigned, as long, and shorter.
    for (events, code) in [(5, "extend"), (3, "extend"), (1, "longer than this one")] {
        let place = story::team();
        let pin = pin(&place);
        let fork = place.copy();
        let witnesses = Three::start(place.path(), pin.log());
        let (quorum, chosen) = settings(&place, &witnesses.policy());
        let server = Serving::ledger(&place, chosen);
        assert!(submit(&place, server.address, 0..3).iter().all(|it| it.status == 201));
        cosigned(server.address, &pin, &quorum, 11);

        let alone = Serving::ledger(&fork, opened());
        let answers = submit(&fork, alone.address, 100..100 + events);
        assert!(answers.iter().all(|it| it.status == 201), "nobody has told it yet");
        alone.stop();
        let (_, chosen) = settings(&fork, &witnesses.policy());
        let forked = Serving::ledger(&fork, chosen);
        // Asked before the first append: not even one event is signed.
        let refused = submit(&fork, forked.address, 200..201).remove(0);
        assert_problem(&refused, 503, "forked");
        assert_problem(&get(forked.address, "/readyz"), 503, "forked");
        assert_eq!(get(forked.address, "/checkpoint").status, 200, "reading goes on");
        forked.stop();
        // What the witness cosigned is the evidence, and keeps the ledger shut.
        let kept: Vec<_> =
            std::fs::read_dir(fork.file("ledger/evidence")).unwrap().flatten().collect();
        assert_eq!(kept.len(), 1, "{events} {code}");
        let note = std::fs::read(kept[0].path()).unwrap();
        assert_eq!(verify_checkpoint(&note, pin.log()).unwrap().size(), 11);
        let said = fork.expect(7, "attestry verify --trust ledger/pin.txt").stderr;
        assert!(said.contains("[forked]") && said.contains("evidence"), "{said}");
        // The other one goes on.
        assert!(submit(&place, server.address, 3..4).iter().all(|it| it.status == 201));
        cosigned(server.address, &pin, &quorum, 12);
        server.stop();
    }
}

#[test]
fn policies_that_cannot_be_asked_are_refused() {
    let place = story::team();
    let witnesses = Three::start(place.path(), pin(&place).log());
    let policy = witnesses.policy();
    let without: String =
        policy.lines().map(|line| line.split(" http").next().unwrap().to_owned() + "\n").collect();
    for (text, code) in [
        (without, "witness-policy-unusable"),
        (policy.replace("http://127.0.0.1", "http://192.0.2.1"), "witness-policy-unusable"),
        (policy.replace("quorum g", "quorum nobody"), "witness-policy-malformed"),
        (policy.replace("http:", "ftp:"), "witness-policy-unusable"),
    ] {
        place.write("policy", &text);
        let said = place.expect(2, "attestry serve --listen 127.0.0.1:0 --witness-policy policy");
        assert!(said.stderr.contains(&format!("[{code}]")), "{text}\n{}", said.stderr);
    }
}

/// A pack of a server that asks witnesses waits for them, so that an auditor can ask for a quorum;
/// where they do not come it says so.
#[test]
fn a_pack_waits_for_its_witnesses() {
    let place = story::released();
    let pin = pin(&place);
    let mut witnesses = Three::start(place.path(), pin.log());
    place.write("policy", witnesses.policy());
    let mut client = place.copy();
    let (_, settings) = settings(&place, &witnesses.policy());
    let server = Serving::ledger(&place, settings);
    let period = story::period();
    let line = format!(
        "attestry pack create --environment payments/prod {period} --for auditors --reason yearly"
    );
    client.set("ATTESTRY_LEDGER", &server.url());
    let made = client.expect(0, &format!("{line} -o cosigned.zip"));
    assert!(made.stdout.contains("cosigned by as many witnesses"), "{made:?}");
    let verify = "--trust ledger/pin.txt --witnesses policy --json";
    let verified = client.run(&format!("attestry verify cosigned.zip {verify}"));
    assert!(!verified.stdout.contains("quorum-missed"), "{verified:?}");
    // Beside the server, in its folder: what it collects is seen there too.
    let here = place.expect(0, &format!("{line} -o here.zip --json"));
    let here: serde_json::Value = serde_json::from_str(&here.stdout).unwrap();
    assert_eq!(here["witnesses"], "met", "{here}");
    for _ in 0..2 {
        witnesses.0.pop().unwrap().1.stop();
    }
    let missed = client.expect(0, &format!("{line} --patience 1 -o alone.zip"));
    assert!(missed.stderr.contains("not enough witnesses"), "{missed:?}");
    let verified = client.run(&format!("attestry verify alone.zip {verify}"));
    assert!(verified.stdout.contains("quorum-missed"), "{verified:?}");
    server.stop();
}
