//! Every question, asked of rows that are there, that are not, and at the ends of ranges.

use schemas::id::{Digest, EntryIndex};
use schemas::thread::ThreadId;

use super::{artifact, batch, entry, hash, head_at, project, put, statement, thread};
use crate::store::{
    Batch, Head, LogHead, Logged, RANGE_ENTRIES_MAX, Read, Rows, StatementKey, Store, StoreError,
    StoredEntry, Thread, Tile,
};

pub async fn empty_store<S: Store>(store: &S) {
    let mut view = store.snapshot().await.unwrap();
    assert_eq!(view.head(), &LogHead::default());
    assert_eq!(view.read_range(0, u64::MAX, u64::MAX).await.unwrap(), []);
    assert_eq!(view.entries(&[]).await.unwrap(), []);
    assert_eq!(view.entries(&[0, u64::MAX]).await.unwrap(), []);
    assert_eq!(view.threads(&[]).await.unwrap(), []);
    assert_eq!(view.threads(&[ThreadId::Control]).await.unwrap(), []);
    assert_eq!(view.threads_page(None, None, 10).await.unwrap(), []);
    assert_eq!(view.find_artifacts("00000000", 10).await.unwrap(), []);
    assert_eq!(view.tiles(&[(0, 0)]).await.unwrap(), []);
    assert_eq!(view.checkpoint().await.unwrap(), None);
    assert_eq!(view.checkpoint_at(0).await.unwrap(), None);
    drop(view);
    let mut lock = store.lock().await.unwrap();
    assert_eq!(lock.head(), &LogHead::default());
    assert_eq!(lock.statements(&[statement(1, None)]).await.unwrap(), []);
    drop(lock);
    assert_eq!(store.erase_envelopes(&[0]).await.unwrap(), 0);
}

pub async fn ranges<S: Store>(store: &S) {
    put(store, &batch(0, 10)).await;
    let mut view = store.snapshot().await.unwrap();
    // Each entry has 10 bytes, and 13 more of envelope but for every third.
    let cases = [
        (0, 10, u64::MAX, 0..10),
        (0, u64::MAX, u64::MAX, 0..10),
        (3, 5, u64::MAX, 3..5),
        (9, 100, u64::MAX, 9..10),
        (10, 11, u64::MAX, 0..0),
        (5, 5, u64::MAX, 0..0),
        (5, 4, u64::MAX, 0..0),
        (u64::MAX, u64::MAX, u64::MAX, 0..0),
        (0, 10, 0, 0..1),
        (0, 10, 45, 0..1),
        (0, 10, 46, 0..2),
        (0, 10, 56, 0..3),
        (2, 10, 32, 2..3),
        (2, 10, 33, 2..4),
    ];
    for (from, to, bytes_max, expected) in cases {
        let found = view.read_range(from, to, bytes_max).await.unwrap();
        let expected: Vec<StoredEntry> = expected.map(entry).collect();
        assert_eq!(found, expected, "{from}..{to} in {bytes_max} bytes");
    }
}

pub async fn entries_by_index<S: Store>(store: &S) {
    put(store, &batch(0, 5)).await;
    let mut found = store.snapshot().await.unwrap().entries(&[4, 1, 7, 2]).await.unwrap();
    found.sort_by_key(|entry| entry.index);
    assert_eq!(found, [entry(1), entry(2), entry(4)]);
}

pub async fn log_head<S: Store>(store: &S) {
    for size in [1, 2, 7] {
        let from = store.snapshot().await.unwrap().head().size;
        put(store, &batch(from, size)).await;
        assert_eq!(store.snapshot().await.unwrap().head(), &head_at(size));
        assert_eq!(store.lock().await.unwrap().head(), &head_at(size));
    }
}

pub async fn threads<S: Store>(store: &S) {
    let (first, control) = (artifact("ab"), thread("control", "ledger", 1));
    let payments = thread("project", "payments", 1);
    let threads = vec![first.clone(), control.clone(), payments.clone()];
    put(store, &Batch { threads, ..batch(0, 2) }).await;

    // Replaced, twice in one batch: the last one counts.
    let later = |index, slice: &[u8]| Thread {
        head: Head { position: 1, index, leaf: hash(index) },
        slice: Some(slice.to_vec()),
        ..first.clone()
    };
    let threads = vec![later(2, b"{}"), payments.clone(), later(3, b"[]")];
    put(store, &Batch { threads, ..batch(2, 4) }).await;

    let asked = [&first, &control, &payments, &artifact("cd")].map(|it| it.thread.clone());
    let mut found = store.snapshot().await.unwrap().threads(&asked).await.unwrap();
    found.sort_by(|a, b| a.thread.cmp(&b.thread));
    assert_eq!(found, [later(3, b"[]"), control, payments]);
}

pub async fn pages_in_byte_order<S: Store>(store: &S) {
    let commit = "1".repeat(40);
    let sorted = [
        thread("artifact", &format!("gitCommit:{commit}"), 0),
        artifact("00"),
        artifact("ff"),
        thread("control", "ledger", 0),
        thread("environment", "a-b/c", 0),
        thread("environment", "a.b/c", 0),
        thread("environment", "a/b", 0),
        thread("environment", "a_b/c", 0),
        thread("environment", "aa/b", 0),
        thread("project", "a", 0),
        thread("project", "a-b", 0),
        thread("project", "a_b", 0),
        thread("project", "b", 0),
    ];
    let mut threads = sorted.to_vec();
    threads.reverse();
    put(store, &Batch { threads, ..batch(0, 1) }).await;

    let mut view = store.snapshot().await.unwrap();
    for limit in [1, 2, 5, 13, 100] {
        let mut all: Vec<Thread> = Vec::new();
        loop {
            let after = all.last().map(|last| last.thread.clone());
            let page = view.threads_page(None, after.as_ref(), limit).await.unwrap();
            assert!(page.len() <= limit as usize);
            if page.is_empty() {
                break;
            }
            all.extend(page);
        }
        assert_eq!(all, sorted, "in pages of {limit}");
    }
    let cases = [
        (Some("environment"), None, 4..9),
        (Some("environment"), Some(&sorted[5]), 6..9),
        (Some("environment"), Some(&sorted[8]), 0..0),
        (Some("environment"), Some(&sorted[0]), 4..9),
        (Some("artifact"), Some(&sorted[9]), 0..0),
        (Some("control"), None, 3..4),
        (Some("nothing"), None, 0..0),
        (None, Some(&sorted[12]), 0..0),
        (None, Some(&thread("environment", "a/a", 0)), 6..13),
    ];
    for (kind, after, expected) in cases {
        let page = view.threads_page(kind, after.map(|it| &it.thread), 100).await.unwrap();
        assert_eq!(page, sorted[expected], "{kind:?} after {after:?}");
    }
    assert_eq!(view.threads_page(None, None, 0).await.unwrap(), []);
}

pub async fn artifacts_by_prefix<S: Store>(store: &S) {
    let digest = |name: &str, head: &str, digits: usize| {
        format!("{name}:{head:f<digits$}").parse::<Digest>().unwrap()
    };
    let sorted = [
        digest("gitCommit", "0123456789", 40),
        digest("sha256", "0123456700", 64),
        digest("sha256", "0123456789", 64),
        digest("sha384", "0123456789", 96),
        digest("sha512", "0123456789", 128),
        digest("sha512", "0123456800", 128),
    ];
    let of = |digest: &Digest| thread("artifact", digest.as_str(), 0);
    let threads = sorted.iter().rev().map(of).collect();
    put(store, &Batch { threads, ..batch(0, 1) }).await;

    let mut view = store.snapshot().await.unwrap();
    let whole = sorted[2].hex().to_owned();
    let cases: [(&str, u32, &[Digest]); 9] = [
        ("01234567", 10, &sorted[..5]),
        ("01234567", 2, &sorted[..2]),
        ("012345678", 10, &[&sorted[..1], &sorted[2..5]].concat()),
        ("01234568", 10, &sorted[5..]),
        ("0123456", 10, &[]),
        ("89012345", 10, &[]),
        ("0123456%", 10, &[]),
        ("0123456_", 10, &[]),
        (&whole, 10, &[]),
    ];
    for (prefix, limit, expected) in cases {
        let found = view.find_artifacts(prefix, limit).await;
        match (found, prefix.len()) {
            (Err(StoreError::ShortPrefix { digits: 7 }), 7) => {}
            // A whole digest is a prefix of the longer ones that begin with it.
            (Ok(found), 64) => assert_eq!(found, sorted[2..5], "{prefix}"),
            (found, _) => assert_eq!(found.unwrap(), expected, "{prefix}"),
        }
    }
}

pub async fn statements<S: Store>(store: &S) {
    let logged = |seed, project, index, signers: &[u64]| Logged {
        key: statement(seed, project),
        index,
        parts: 1 + seed as u16,
        signers: signers.iter().copied().map(hash).collect(),
    };
    let first = [
        logged(1, None, 0, &[10]),
        logged(1, project("payments"), 1, &[10, 11]),
        logged(2, project("payments"), 2, &[]),
    ];
    let at = |index| Thread { head: Head { index, ..artifact("ab").head }, ..artifact("ab") };
    let threads = vec![at(2)];
    put(store, &Batch { threads, statements: first.to_vec(), ..batch(0, 3) }).await;
    // A repeat brings a signer; where the statement is first logged stays, however far the thread goes.
    let repeat = Logged { parts: 9, ..logged(1, project("payments"), 3, &[10, 11, 12]) };
    put(store, &Batch { threads: vec![at(3)], statements: vec![repeat], ..batch(3, 4) }).await;

    let asked = [
        statement(1, None),
        statement(1, project("payments")),
        statement(2, project("payments")),
        statement(2, None),
        statement(3, project("payments")),
        StatementKey { about: None, ..statement(1, None) },
        StatementKey { about: Some(Digest::sha256(&hash(2))), ..statement(1, None) },
    ];
    let mut found = store.lock().await.unwrap().statements(&asked).await.unwrap();
    found.sort_by_key(|it| it.index);
    let [one, _, three] = first;
    assert_eq!(found, [one, logged(1, project("payments"), 1, &[10, 11, 12]), three]);
}

pub async fn tiles<S: Store>(store: &S) {
    let tile = |level, number, count: usize| Tile {
        level,
        number,
        hashes: [level, number as u8].repeat(16 * count),
    };
    let first = vec![tile(0, 0, 256), tile(0, 1, 1), tile(1, 0, 1)];
    put(store, &Batch { tiles: first, ..batch(0, 257) }).await;
    put(store, &Batch { tiles: vec![tile(0, 1, 3)], ..batch(257, 259) }).await;
    let mut view = store.snapshot().await.unwrap();
    let mut found = view.tiles(&[(1, 0), (0, 1), (0, 0), (1, 1), (63, 0)]).await.unwrap();
    found.sort_by_key(|tile| (tile.level, tile.number));
    assert_eq!(found, [tile(0, 0, 256), tile(0, 1, 3), tile(1, 0, 1)]);
}

/// More keys than any one statement takes.
pub async fn many_keys_at_once<S: Store>(store: &S) {
    let count = 5003;
    let threads: Vec<Thread> = (0..count).map(|seed| artifact(&hash(seed).to_string())).collect();
    let asked: Vec<ThreadId> = threads.iter().map(|it| it.thread.clone()).collect();
    put(store, &Batch { threads, ..batch(0, count) }).await;
    let mut view = store.snapshot().await.unwrap();
    assert_eq!(view.threads(&asked).await.unwrap().len(), asked.len());
    let indexes: Vec<EntryIndex> = (0..count).rev().collect();
    assert_eq!(view.entries(&indexes).await.unwrap().len(), indexes.len());
    let range = view.read_range(0, count, u64::MAX).await.unwrap();
    assert_eq!(range.len(), RANGE_ENTRIES_MAX);
}
