//! What every store must do, whatever its database.
//!
//! `run` is called with a way to make fresh, empty stores. It covers what callers rely on and a
//! database could get wrong: order, visibility, the lock, and what is refused.

mod append;
mod outbox;
mod read;
mod tokens;

use schemas::id::{EntryIndex, Hash, Project, Time};
use schemas::thread::ThreadId;

use super::{Append, Batch, Head, LogHead, StatementKey, Store, StoredEntry, Thread};

/// Runs the whole suite, each part on a store of its own.
pub async fn run<S: Store>(make: impl AsyncFn() -> S) {
    read::empty_store(&make().await).await;
    read::ranges(&make().await).await;
    read::entries_by_index(&make().await).await;
    read::log_head(&make().await).await;
    read::threads(&make().await).await;
    read::pages_in_byte_order(&make().await).await;
    read::artifacts_by_prefix(&make().await).await;
    read::statements(&make().await).await;
    read::tiles(&make().await).await;
    read::many_keys_at_once(&make().await).await;
    append::nothing_before_commit_everything_after(&make().await).await;
    append::rollback_on_drop(&make().await).await;
    append::second_writer_waits(&make().await).await;
    append::refused_batches(&make().await).await;
    append::several_writes_in_one_append(&make().await).await;
    append::checkpoints(&make().await).await;
    append::checkpoint_race(&make().await).await;
    append::erasure(&make().await).await;
    append::copied_checkpoints(&make().await).await;
    append::seals(&make().await).await;
    tokens::tokens_are_kept(&make().await).await;
    tokens::tokens_are_revoked_and_marked(&make().await).await;
    tokens::first_token(&make().await).await;
    tokens::expired_tokens(&make().await).await;
    tokens::pages_of_tokens(&make().await).await;
    tokens::viewings(&make().await).await;
    outbox::endpoints(&make().await).await;
    outbox::places_move_with_their_deliveries(&make().await).await;
    outbox::one_holder_at_a_time(&make().await).await;
    outbox::attempts(&make().await).await;
    outbox::what_waits_and_what_is_kept_is_bounded(&make().await).await;
    outbox::notices_are_told_once(&make().await).await;
    outbox::notices_keep_to_the_room_there_is(&make().await).await;
}

fn hash(seed: u64) -> Hash {
    let mut bytes = [0xa5; 32];
    bytes[..8].copy_from_slice(&seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    bytes[24..].copy_from_slice(&seed.to_be_bytes());
    Hash(bytes)
}

fn entry(index: EntryIndex) -> StoredEntry {
    StoredEntry {
        index,
        entry: format!("entry {index:04}").into_bytes(),
        envelope: (index % 3 != 2).then(|| format!("envelope {index:04}").into_bytes()),
    }
}

fn head_at(size: u64) -> LogHead {
    LogHead {
        size,
        leaf: hash(size),
        time: (size > 0).then_some(Time(1000 * size as i64)),
        peaks: (0..u64::from(size.count_ones())).map(hash).collect(),
    }
}

/// A batch of plain entries `from..to`.
fn batch(from: u64, to: u64) -> Batch {
    Batch { entries: (from..to).map(entry).collect(), head: head_at(to), ..Batch::default() }
}

async fn put<S: Store>(store: &S, batch: &Batch) {
    let mut append = store.lock().await.unwrap();
    append.write(batch).await.unwrap();
    append.commit().await.unwrap();
}

fn thread(kind: &str, id: &str, index: u64) -> Thread {
    Thread {
        thread: ThreadId::parse(kind, id).unwrap(),
        head: Head { position: index / 2, index, leaf: hash(index) },
        slice: (kind != "project").then(|| format!("{{\"id\":\"{id}\"}}").into_bytes()),
    }
}

fn artifact(hex: &str) -> Thread {
    thread("artifact", &format!("sha256:{hex:0<64}"), 0)
}

/// About `artifact("ab")`, or about none.
fn statement(seed: u64, project: Option<Project>) -> StatementKey {
    let about = (seed % 2 == 1).then(|| format!("sha256:{:0<64}", "ab").parse().unwrap());
    StatementKey { about, statement: hash(seed), project }
}

fn project(name: &str) -> Option<Project> {
    Some(name.parse().unwrap())
}
