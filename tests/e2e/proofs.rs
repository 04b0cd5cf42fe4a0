//! A client that believes nothing proves by itself that it was shown a whole thread.

use std::net::SocketAddr;

use harness::http::get;
use harness::story;
use ledger::http::log::EntriesBody;
use ledger::http::thread_proof::ThreadProofBody;
use schemas::report::Code;
use schemas::thread::ThreadId;
use schemas::trust::TrustDocument;
use serde::de::DeserializeOwned;
use verifier::checkpoint::{VerifiedCheckpoint, verify_checkpoint};
use verifier::pin::{Pin, parse_pin};
use verifier::thread::proof::{ShownHeads, ShownThread, start_of_rest, verify_thread};
use verifier::trust::Trust;

use crate::serve::{Running, assert_problem};

fn read<T: DeserializeOwned>(server: SocketAddr, path: &str) -> T {
    let answer = get(server, path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

/// What a server shows of a thread, gathered as a client does it: page by page, and then the rest of
/// the log.
fn shown(server: SocketAddr, pin: &Pin, thread: &str) -> (ShownThread, VerifiedCheckpoint) {
    let path = format!("/api/v1/proofs/thread?thread={thread}");
    let first: ThreadProofBody = read(server, &path);
    let size = first.size;
    let checkpoint = verify_checkpoint(first.checkpoint.as_bytes(), pin.log()).unwrap();
    assert_eq!((checkpoint.size(), first.thread.as_str()), (size, thread));
    let newest = first.entries[0].index;
    let heads: Option<ShownHeads> = first.heads.map(|it| it.try_into().unwrap());
    let at = heads.as_ref().map(|it| it.proofs.entry);
    let (mut entries, mut next) = (first.entries, first.next);
    while let Some(start) = next {
        let on: ThreadProofBody = read(server, &format!("{path}&size={size}&start={start}"));
        entries.extend(on.entries);
        next = on.next;
    }
    let (mut rest, mut from) = (Vec::new(), start_of_rest(newest, at) + 1);
    while from < size {
        let some: EntriesBody = read(server, &format!("/api/v1/entries?from={from}&to={size}"));
        from += some.entries.len() as u64;
        rest.extend(some.entries.into_iter().map(|it| it.entry.into_bytes()));
    }
    let entries = entries.into_iter().map(Into::into).collect();
    (ShownThread { entries, heads, rest, last: first.last }, checkpoint)
}

fn trust(server: SocketAddr) -> Trust {
    let body: serde_json::Value = read(server, "/api/v1/trust");
    let document: TrustDocument = serde_json::from_value(body["document"].clone()).unwrap();
    Trust::of(document).unwrap()
}

#[test]
fn a_client_proves_a_thread_whole() {
    let place = story::released();
    // Heads, as every pack has them logged, and something behind them.
    story::pack(&place);
    place.expect(0, "attestry record note --text \"after the heads\" --key ci.pem");
    let pin = parse_pin(&std::fs::read(place.file("ledger/pin.txt")).unwrap()).unwrap();
    let server = Running::over(place);
    let (address, trust) = (server.address, trust(server.address));
    let rows: serde_json::Value = read(address, "/api/v1/events?limit=500");
    let rows = rows["items"].as_array().unwrap();
    let mut threads: Vec<String> = rows
        .iter()
        .flat_map(|row| row["threads"].as_array().unwrap())
        .map(|it| it.as_str().unwrap().replacen(' ', ":", 1))
        .collect();
    threads.sort();
    threads.dedup();
    assert!(threads.len() >= 7, "{threads:?}");
    let (mut by_heads, mut by_reading) = (0, 0);
    for name in &threads {
        let (kind, id) = name.split_once(':').unwrap();
        let thread = ThreadId::parse(kind, id).unwrap();
        let (shown, checkpoint) = shown(address, &pin, name);
        let proven = verify_thread(&thread, &shown, &trust, &checkpoint).unwrap();
        let on = |row: &&serde_json::Value| {
            let threads = row["threads"].as_array().unwrap();
            threads.iter().any(|it| it.as_str().unwrap().replacen(' ', ":", 1) == *name)
        };
        let count = rows.iter().filter(on).count();
        assert_eq!((proven.from, proven.newest.position + 1), (0, count as u64), "{name}");
        match shown.heads {
            Some(_) => by_heads += 1,
            None => by_reading += 1,
        }
        // A server that keeps the newest entry to itself is found out.
        let mut short = shown.clone();
        short.entries.remove(0);
        let found = verify_thread(&thread, &short, &trust, &checkpoint).unwrap_err();
        let known = [Code::HeadUnproven, Code::ThreadGap, Code::ChainBroken];
        assert!(known.contains(&found.code), "{name}: {found:?}");
        let mut unread = shown.clone();
        if unread.rest.pop().is_some() {
            assert!(verify_thread(&thread, &unread, &trust, &checkpoint).is_err(), "{name}");
        }
    }
    // What has not moved since the heads is proven by them, and the rest by reading on.
    assert!(by_heads >= 4 && by_reading >= 2, "{by_heads} {by_reading}");
    // Without what is kept beside the log, there is more to read, and nothing else changes.
    std::fs::remove_dir_all(server.place.file("ledger/heads")).unwrap();
    let again = Running::over(server.stop());
    for name in &threads {
        let (kind, id) = name.split_once(':').unwrap();
        let (shown, checkpoint) = shown(again.address, &pin, name);
        assert!(shown.heads.is_none(), "{name}");
        let thread = ThreadId::parse(kind, id).unwrap();
        assert_eq!(verify_thread(&thread, &shown, &trust, &checkpoint).unwrap().from, 0, "{name}");
    }
}

#[test]
fn what_is_no_thread_has_no_proof() {
    let server = Running::over(story::team());
    let ask = |query: &str| get(server.address, &format!("/api/v1/proofs/thread?{query}"));
    assert_problem(&ask("thread=payments"), 400, "request-malformed");
    assert_problem(&ask("thread=project:shop"), 404, "not-found");
    assert_problem(&ask("thread=control:ledger&size=4711"), 404, "not-found");
    assert_problem(&ask("thread=control:ledger&from=4711"), 404, "not-found");
    assert_problem(&ask(""), 400, "request-malformed");
}
