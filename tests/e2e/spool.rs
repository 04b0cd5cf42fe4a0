//! A server that is away: what is recorded meanwhile waits, signed, and is delivered once, in its
//! order, whoever is killed on the way.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use harness::moments::{Moments, seed};
use harness::{Place, story};
use ledger::access::Openness;
use ledger::http::Settings;
use serde_json::Value;

use crate::remote::away;
use crate::serve::{Running, opened};
use crate::traces::LINE;

const TEST: &str =
    "attestry record test reports/unit.xml --subject dist/app.zip --suite unit --key ci.pem";
const NOTE: &str = "attestry record note --text late --key ci.pem";

/// A server that has been met by somebody and is gone, its own place, and where it was.
fn gone() -> (Place, Place, SocketAddr) {
    let server = Running::over(story::team());
    let (client, address) = (away(&server), server.address);
    client.expect(0, "attestry status");
    client.expect(0, NOTE);
    (client, server.stop(), address)
}

/// What the spool holds, by its own list.
fn listed(client: &Place) -> Value {
    serde_json::from_str(&client.expect(0, "attestry spool list --json").stdout).unwrap()
}

fn waiting(client: &Place) -> Vec<PathBuf> {
    let list = listed(client);
    let names = list["waiting"].as_array().unwrap().iter();
    let folder = client.file(".attestry/spool");
    names.map(|it| folder.join(it["name"].as_str().unwrap())).collect()
}

/// The kinds of the log from an entry on, in their order.
fn kinds(place: &Place, from: u64) -> Vec<String> {
    let log = place.expect(0, "attestry log --limit 0 --json").stdout;
    let log: Value = serde_json::from_str(&log).unwrap();
    let mut entries: Vec<(u64, String)> = log["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["index"].as_u64().unwrap(), it["kind"].as_str().unwrap().to_owned()))
        .filter(|(index, _)| *index >= from)
        .collect();
    entries.sort();
    entries.into_iter().map(|(_, kind)| kind).collect()
}

#[test]
fn what_is_recorded_meanwhile_is_delivered_once_and_in_order() {
    let (client, place, address) = gone();
    let outcome = client.expect(0, TEST);
    assert!(outcome.stdout.contains("2 passed"), "{outcome:?}");
    for said in [
        "warning: ledger.acme.example did not answer (connection refused)\n",
        "signed and spooled as",
        "goes on",
    ] {
        assert!(outcome.stderr.contains(said), "{said}: {}", outcome.stderr);
    }
    let is_error = |line: &str| line.starts_with("error: ");
    assert!(!outcome.stderr.lines().any(is_error), "{}", outcome.stderr);
    let build = "attestry record build --subject dist/app.zip --source \
                 git+https://github.com/acme/payments@9c27d10be83fa645170c2b98d3e4f5a6071829ab \
                 --builder https://ci.acme.example/runner --key ci.pem --json";
    let json: Value = serde_json::from_str(&client.expect(0, build).stdout).unwrap();
    assert_eq!(json["spooled"][0]["kind"], "build", "{json}");
    client.expect(0, NOTE);
    client.expect(0, "attestry record deployment --subject dist/app.zip --to staging --result started --key ci.pem");
    let files = waiting(&client);
    assert_eq!(files.len(), 4);
    for file in &files {
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    // Still away: delivering says so, and what has to be asked of the ledger cannot be done.
    for line in ["attestry spool push", "attestry status", "attestry gate dist/app.zip --to prod"] {
        assert_eq!(client.run(line).code, 6, "{line}");
    }
    assert_eq!(waiting(&client), files);
    // Whoever looks after the machine is told.
    let mut beside = story::team();
    beside.set("ATTESTRY_SPOOL", &client.file(".attestry/spool").display().to_string());
    let told = beside.expect(0, "attestry doctor").stdout;
    assert!(told.contains("warning  spool") && told.contains("4 events wait"), "{told}");

    let server = Running::at(address, place, opened());
    let outcome = client.expect(0, "attestry status");
    assert!(
        outcome.stderr.contains("delivered 4 of .attestry/spool: entries 9 to 12"),
        "{outcome:?}"
    );
    assert_eq!(kinds(&client, 9), ["test", "build", "note", "deployment"]);
    assert!(waiting(&client).is_empty());
    let pin = server.place.file("ledger/pin.txt").display().to_string();
    for file in &files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let receipt = format!(".attestry/spool/receipts/{name}.receipt");
        client.expect(0, &format!("attestry verify {receipt} --trust {pin}"));
    }
    assert!(client.expect(0, "attestry spool push").stdout.contains("nothing waits"));
    client.expect(0, NOTE);
    assert_eq!(kinds(&client, 13), ["note"]);
    let verified = server.stop().run("attestry verify --trust ledger/pin.txt");
    assert!([0, 3].contains(&verified.code), "{verified:?}");
}

/// Killed between the ledger's answer and the end of the delivery, an event is delivered again.
#[test]
fn a_delivery_that_is_repeated_logs_nothing_twice() {
    let (client, place, address) = gone();
    client.expect(0, TEST);
    let file = waiting(&client).remove(0);
    let bytes = std::fs::read(&file).unwrap();
    let server = Running::at(address, place, opened());
    let first = client.expect(0, "attestry spool push --json").stdout;
    let first: Value = serde_json::from_str(&first).unwrap();
    std::fs::write(&file, &bytes).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let again = client.expect(0, "attestry spool push --json").stdout;
    let again: Value = serde_json::from_str(&again).unwrap();
    assert_eq!(
        (&first["delivered"][0]["repeated"], &again["delivered"][0]["repeated"]),
        (&false.into(), &true.into())
    );
    assert_eq!(first["delivered"][0]["index"], again["delivered"][0]["index"]);
    assert_eq!(kinds(&client, 9), ["test"]);
    server.stop();
}

/// `kill -9` at moments of chance while many are delivered: each is logged once, in order.
#[test]
fn a_delivery_that_is_killed_loses_nothing() {
    const EVENTS: usize = 24;
    let (client, place, address) = gone();
    for nth in 0..EVENTS {
        client.expect(0, &format!("attestry record note --text number-{nth} --key ci.pem"));
    }
    let server = Running::at(address, place, opened());
    let seed = seed();
    println!("seed {seed}");
    let (mut moments, mut kills) = (Moments::new(seed), 0);
    for _ in 0..200 {
        let left = waiting(&client).len();
        if left == 0 {
            break;
        }
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["traces::child_that_runs_a_command_line", "--exact", "--nocapture"]);
        child.env(LINE, "attestry spool push").current_dir(client.path());
        child.env("ATTESTRY_STATE", client.file("state"));
        child.env("ATTESTRY_LEDGER", format!("http://{address}"));
        let mut child =
            child.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // After some of them, wherever it is then.
        let some = 1 + moments.next(4) as usize;
        while child.try_wait().unwrap().is_none() && waiting(&client).len() + some > left {
            std::thread::yield_now();
        }
        kills += usize::from(child.try_wait().unwrap().is_none());
        let _ = child.kill();
        let _ = child.wait();
    }
    assert!(waiting(&client).is_empty() && kills > 0, "{kills} kills");
    assert_eq!(kinds(&client, 9), vec!["note"; EVENTS]);
    for nth in 0..EVENTS {
        let shown = client.expect(0, &format!("attestry show {} --json", 9 + nth)).stdout;
        assert!(shown.contains(&format!("number-{nth}\"")), "{shown}");
    }
    server.stop().expect(0, "attestry verify --trust ledger/pin.txt");
}

#[test]
fn what_is_refused_is_set_aside_and_what_is_behind_it_goes_on() {
    let (client, place, address) = gone();
    client.expect(0, "attestry key generate zoe.pem");
    client.expect(0, "attestry record note --text stranger --key zoe.pem");
    client.expect(0, NOTE);
    let name = waiting(&client)[0].file_name().unwrap().to_string_lossy().into_owned();
    let server = Running::at(address, place, opened());
    // Another command does its own work, and says loudly what was refused.
    let told = client.expect(0, "attestry status");
    assert!(
        told.stderr.contains("warning: refused, and kept as .attestry/spool/refused/"),
        "{told:?}"
    );
    assert!(told.stderr.contains("delivered 1 of"), "{told:?}");
    assert_eq!(kinds(&client, 9), ["note"]);
    let list = listed(&client);
    assert_eq!(
        (list["waiting"].as_array().unwrap().len(), &list["refused"][0]["name"]),
        (0, &name.clone().into())
    );
    assert!(list["refused"][0]["refused"].as_str().unwrap().contains('['), "{list}");
    // Once more, and refused once more: said by its exit.
    let again = client.run("attestry spool push --refused");
    assert!([3, 4].contains(&again.code), "{again:?}");
    assert_eq!(listed(&client)["refused"][0]["name"], name.as_str());
    // Whoever is granted the role later may have it logged then.
    let grant = "attestry identity add zoe --pub zoe.pem.pub --role emitter --kind note --project payments --key attestry-root.pem";
    client.expect(0, grant);
    client.expect(0, "attestry spool push --refused");
    assert_eq!(kinds(&client, 9), ["note", "trust", "note"]);
    assert!(listed(&client)["refused"].as_array().unwrap().is_empty());
    client.expect(0, "attestry spool list");
    server.stop().expect(0, "attestry verify --trust ledger/pin.txt");
}

#[test]
fn what_waits_may_be_dropped() {
    let (client, _place, _) = gone();
    client.expect(0, NOTE);
    let name = waiting(&client)[0].file_name().unwrap().to_string_lossy().into_owned();
    client.expect(2, "attestry spool drop ../../ci.pem");
    client.expect(0, &format!("attestry spool drop {name}"));
    client.expect(5, &format!("attestry spool drop {name}"));
    assert!(waiting(&client).is_empty());
}

/// Nothing can be signed for a ledger that nobody has met, and nothing looked up in one.
#[test]
fn without_enough_to_sign_nothing_is_spooled() {
    let (mut client, place, address) = gone();
    let unknown =
        client.run("attestry record note --text x --key ci.pem --subject sha256:00000000");
    assert_eq!(unknown.code, 6, "{unknown:?}");
    assert!(unknown.stderr.contains("whole digest"), "{unknown:?}");
    // A deployment by its entry needs no look where the artifact is named.
    let about = "attestry record note --text x --key ci.pem --deployment 8";
    let unknown = client.run(about);
    assert_eq!(unknown.code, 6, "{unknown:?}");
    assert!(unknown.stderr.contains("entry 8 cannot be looked up"), "{unknown:?}");
    client.expect(0, &format!("{about} --subject dist/app.zip"));
    let newest = "attestry record note --text x --key ci.pem --subject dist/app.zip --to prod";
    assert_eq!(client.run(newest).code, 6);
    let name = waiting(&client)[0].file_name().unwrap().to_string_lossy().into_owned();
    client.expect(0, &format!("attestry spool drop {name}"));
    std::fs::remove_dir_all(client.file("state")).unwrap();
    let never = client.run(NOTE);
    assert_eq!(never.code, 6, "{never:?}");
    assert!(
        never.stderr.contains("never met") && never.stderr.contains("ATTESTRY_PIN"),
        "{never:?}"
    );
    assert!(waiting(&client).is_empty());
    // By a pin from another road it can.
    client.set("ATTESTRY_PIN", &place.file("ledger/pin.txt").display().to_string());
    client.expect(0, NOTE);
    let server = Running::at(address, place, opened());
    client.expect(0, "attestry spool push");
    assert_eq!(kinds(&client, 9), ["note"]);
    server.stop();
}

/// Whoever may not submit delivers nothing, and nothing is set aside for it; what waits for another
/// ledger waits on.
#[test]
fn what_cannot_be_delivered_now_waits_on() {
    let (mut client, place, address) = gone();
    client.expect(0, NOTE);
    let open = Openness { reading: true, submitting: false };
    let server = Running::at(address, place, Settings { open, ..opened() });
    let told = client.expect(0, "attestry status");
    assert!(told.stderr.contains("1 in .attestry/spool wait on"), "{told:?}");
    assert_eq!(client.run("attestry spool push").code, 4);
    let list = listed(&client);
    assert_eq!(
        (list["waiting"].as_array().unwrap().len(), list["refused"].as_array().unwrap().len()),
        (1, 0)
    );
    let place = server.stop();
    let other = Place::new();
    other.expect(0, "attestry init --origin ledger.acme.example");
    let other = Running::over(other);
    client.set("ATTESTRY_LEDGER", &format!("http://{}", other.address));
    let pushed: Value =
        serde_json::from_str(&client.expect(0, "attestry spool push --json").stdout).unwrap();
    assert_eq!((&pushed["forOtherLedgers"], &pushed["left"]), (&1.into(), &1.into()));
    // The same ledger at another address is the same ledger.
    let moved = Running::over(place);
    client.set("ATTESTRY_LEDGER", &format!("http://{}", moved.address));
    client.expect(0, "attestry spool push");
    assert!(waiting(&client).is_empty());
    moved.stop();
    other.stop();
}

/// Answers every request with one status, as a gateway does, until it is dropped.
fn gateway(status: &'static str) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, asked) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten().take(20) {
            let mut stream = stream;
            let mut head = [0; 4096];
            let _ = stream.read(&mut head);
            count.fetch_add(1, Ordering::Relaxed);
            let answer =
                format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (address, asked)
}

#[test]
fn a_gateway_that_answers_for_a_server_that_is_away_is_no_answer() {
    let place = story::team();
    let mut client = place.copy();
    client.set("ATTESTRY_PIN", &place.file("ledger/pin.txt").display().to_string());
    for (status, code, waits) in [
        ("502 Bad Gateway", 0, 1),
        ("503 Service Unavailable", 0, 2),
        ("504 Gateway Timeout", 0, 3),
        ("429 Too Many Requests", 6, 3),
        ("500 Internal Server Error", 1, 3),
        ("403 Forbidden", 4, 3),
    ] {
        let (address, asked) = gateway(status);
        client.set("ATTESTRY_LEDGER", &format!("http://{address}"));
        let outcome = client.run(NOTE);
        assert_eq!(outcome.code, code, "{status}: {outcome:?}");
        if code == 0 {
            let said = format!("did not answer (status {}, server-failed)", &status[..3]);
            assert!(outcome.stderr.replace('\n', " ").contains(&said), "{said}: {outcome:?}");
        }
        assert_eq!(waiting(&client).len(), waits, "{status}");
        assert!(asked.load(Ordering::Relaxed) > 0);
    }
}
