//! A commit that did not reach the disk: nobody is answered on its word, and nothing is signed or shown.

use ledger::LedgerError;
use ledger::store::{Append, Batch, LogHead, Read, SqliteStore, Store, StoreError, StoredEntry};
use schemas::id::Hash;
use verifier::merkle::{Frontier, leaf_hash};

use crate::world::{World, world};

/// What a disk does that fails to sync: SQLite goes on with its open file, and to sync it fails.
fn fail_syncs(world: &World) {
    std::fs::remove_file(world.ledger.folder().root.join("ledger.db-wal")).unwrap();
}

fn is_unknown(cause: &LedgerError) -> bool {
    matches!(cause, LedgerError::Store(StoreError::CommitUnknown(_)))
}

fn is_unsynced(cause: &LedgerError) -> bool {
    matches!(cause, LedgerError::Store(StoreError::Unsynced(_)))
}

/// Another process may have logged it, and been stopped before its sync.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_answered_once_the_log_is_on_the_disk() {
    let world = world().await;
    let envelope = world.note("hello", &world.writer);
    world.submit(envelope.clone()).await.unwrap();
    assert!(world.submit(envelope.clone()).await.unwrap().repeated);
    fail_syncs(&world);
    let one = ledger::Submission { envelope, project: None, attachments: Vec::new() };
    let refused = world.ledger.submit(vec![one]).await.err().unwrap();
    assert!(is_unknown(&refused), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_left_is_signed_once_it_is_on_the_disk() {
    let world = world().await;
    let path = world.ledger.folder().root.join("ledger.db");
    let signed = || std::fs::read(world.ledger.folder().checkpoint()).unwrap();
    let before = signed();
    let other = SqliteStore::open(&path).await.unwrap();
    let mut append = other.lock().await.unwrap();
    let LogHead { size, peaks, time, .. } = append.head().clone();
    let mut frontier = Frontier::from_parts(size, peaks).unwrap();
    let leaf: Hash = leaf_hash(b"entry");
    frontier.push(leaf);
    let peaks = frontier.peaks().to_vec();
    let entries = vec![StoredEntry { index: size, entry: b"entry".to_vec(), envelope: None }];
    let head = LogHead { size: size + 1, leaf, time, peaks };
    append.write(&Batch { entries, head, ..Batch::default() }).await.unwrap();
    append.commit().await.unwrap();
    fail_syncs(&world);
    let refused = world.ledger.catch_up().await.err().unwrap();
    assert!(is_unknown(&refused), "{refused}");
    let refused = world.ledger.published_size().await.err().unwrap();
    assert!(is_unsynced(&refused), "{refused}");
    assert_eq!(signed(), before);
}
