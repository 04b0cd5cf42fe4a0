//! Who sees what when, what is refused, and what is kept of what was published.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::Poll;

use super::{artifact, batch, entry, hash, head_at, put, statement, thread};
use crate::store::{
    ALONE_MAX, Append, Batch, Logged, Read, Rows, Seal, Store, StoreError, StoredEntry, Tile,
};

/// Polls a future once, and expects that it has to wait.
async fn assert_waits<F: Future>(future: &mut Pin<&mut F>) {
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Pending => Poll::Ready(()),
        Poll::Ready(_) => panic!("did not wait"),
    })
    .await;
}

fn full_batch() -> Batch {
    let signed = Logged { key: statement(1, None), index: 0, parts: 1, signers: vec![hash(2)] };
    Batch {
        threads: vec![artifact("ab")],
        statements: vec![signed],
        tiles: vec![Tile { level: 0, number: 0, hashes: vec![1; 64] }],
        ..batch(0, 2)
    }
}

async fn assert_holds(view: &mut impl Read, batch: &Batch) {
    assert_eq!(view.head(), &batch.head);
    assert_eq!(view.read_range(0, 9, u64::MAX).await.unwrap(), batch.entries);
    assert_eq!(view.threads_page(None, None, 9).await.unwrap(), batch.threads);
    assert_eq!(view.threads(&[artifact("ab").thread]).await.unwrap(), batch.threads);
    assert_eq!(view.tiles(&[(0, 0)]).await.unwrap(), batch.tiles);
}

pub async fn nothing_before_commit_everything_after<S: Store>(store: &S) {
    let (nothing, everything) = (Batch::default(), full_batch());
    let mut before = store.snapshot().await.unwrap();
    let mut append = store.lock().await.unwrap();
    append.write(&everything).await.unwrap();
    assert_holds(&mut append, &everything).await;
    assert_holds(&mut before, &nothing).await;
    assert_holds(&mut store.snapshot().await.unwrap(), &nothing).await;
    append.commit().await.unwrap();
    // The old view is still the old view.
    assert_holds(&mut before, &nothing).await;
    assert_holds(&mut store.snapshot().await.unwrap(), &everything).await;
    let mut lock = store.lock().await.unwrap();
    assert_holds(&mut lock, &everything).await;
    assert_eq!(lock.statements(&[statement(1, None)]).await.unwrap(), everything.statements);
}

pub async fn rollback_on_drop<S: Store>(store: &S) {
    let mut append = store.lock().await.unwrap();
    append.write(&full_batch()).await.unwrap();
    drop(append);
    let mut lock = store.lock().await.unwrap();
    assert_holds(&mut lock, &Batch::default()).await;
    assert_eq!(lock.statements(&[statement(1, None)]).await.unwrap(), []);
    drop(lock);
    assert_holds(&mut store.snapshot().await.unwrap(), &Batch::default()).await;
}

pub async fn second_writer_waits<S: Store>(store: &S) {
    let mut first = store.lock().await.unwrap();
    let mut second = pin!(store.lock());
    assert_waits(&mut second).await;
    first.write(&batch(0, 3)).await.unwrap();
    assert_waits(&mut second).await;
    first.commit().await.unwrap();
    let mut second = second.await.unwrap();
    assert_eq!(second.head(), &head_at(3));
    second.write(&batch(3, 4)).await.unwrap();
    second.commit().await.unwrap();
    assert_eq!(store.snapshot().await.unwrap().head(), &head_at(4));
}

/// Batches that do not continue a log of three entries.
fn wrong_batches() -> [(&'static str, Batch); 8] {
    let gap = vec![entry(3), entry(5)];
    let beyond = vec![thread("project", "a", 4)];
    let tiles = vec![Tile { level: 0, number: 4, hashes: vec![0; 32] }];
    [
        ("an index that is there", batch(2, 4)),
        ("from the beginning", batch(0, 1)),
        ("after a gap", batch(4, 5)),
        ("a gap inside", Batch { entries: gap, ..batch(3, 5) }),
        ("a head ahead of its entries", Batch { head: head_at(5), ..batch(3, 4) }),
        ("a head that goes back", Batch { head: head_at(2), ..batch(3, 3) }),
        ("a thread ahead of the log", Batch { threads: beyond, ..batch(3, 4) }),
        ("a tile ahead of the log", Batch { tiles, ..batch(3, 4) }),
    ]
}

pub async fn refused_batches<S: Store>(store: &S) {
    use StoreError::{Beyond, Broken, Gap, WrongSize};
    put(store, &batch(0, 3)).await;
    for (name, batch) in &wrong_batches() {
        let mut append = store.lock().await.unwrap();
        let refused = append.write(batch).await;
        let expected = matches!(refused, Err(Gap { .. } | WrongSize { .. } | Beyond { .. }));
        assert!(expected, "{name}: {refused:?}");
        // Nothing that was written before it in the same append can be committed either.
        assert!(matches!(append.entries(&[0]).await, Err(Broken)), "{name}");
        assert!(matches!(append.commit().await, Err(Broken)), "{name}");
    }
    assert_eq!(store.lock().await.unwrap().head(), &head_at(3));
    let mut view = store.snapshot().await.unwrap();
    assert_eq!(view.entries(&[2, 3, 4, 5]).await.unwrap(), [entry(2)]);
}

pub async fn several_writes_in_one_append<S: Store>(store: &S) {
    let mut append = store.lock().await.unwrap();
    append.write(&batch(0, 2)).await.unwrap();
    assert_eq!(append.head(), &head_at(2));
    append.write(&batch(2, 5)).await.unwrap();
    // Rows without entries: a projection that is folded again.
    let threads = vec![artifact("ab")];
    append.write(&Batch { threads, head: head_at(5), ..Batch::default() }).await.unwrap();
    append.commit().await.unwrap();
    let mut view = store.snapshot().await.unwrap();
    assert_eq!(view.head(), &head_at(5));
    assert_eq!(view.read_range(0, 9, u64::MAX).await.unwrap(), batch(0, 5).entries);
    assert_eq!(view.threads_page(None, None, 9).await.unwrap(), [artifact("ab")]);
}

pub async fn checkpoints<S: Store>(store: &S) {
    put(store, &batch(0, 5)).await;
    // Expected size, new size, note, whether it is published.
    let cases = [
        (Some(0), 2, "nothing published yet", false),
        (None, 2, "two", true),
        (None, 3, "not the first", false),
        (Some(1), 3, "somebody was faster", false),
        (Some(2), 4, "four", true),
        (Some(2), 5, "from an old one", false),
        (Some(4), 4, "four, cosigned", true),
        (Some(4), 5, "five", true),
    ];
    let mut published = None;
    for (expected, size, note, swaps) in cases {
        assert_eq!(store.swap_checkpoint(expected, size, note).await.unwrap(), swaps, "{note}");
        if swaps {
            published = Some((size, note.to_owned()));
        }
        let mut view = store.snapshot().await.unwrap();
        assert_eq!(view.checkpoint().await.unwrap(), published, "{note}");
    }
    let back = store.swap_checkpoint(Some(5), 4, "back").await;
    assert!(matches!(back, Err(StoreError::Backwards { published: 5, size: 4 })));
    let ahead = store.swap_checkpoint(Some(5), 6, "ahead").await;
    assert!(matches!(ahead, Err(StoreError::Ahead { size: 6, log: 5 })));

    let mut view = store.snapshot().await.unwrap();
    let kept = [(2, Some("two")), (3, None), (4, Some("four, cosigned")), (5, Some("five"))];
    for (size, note) in kept {
        assert_eq!(view.checkpoint_at(size).await.unwrap().as_deref(), note);
    }
}

pub async fn checkpoint_race<S: Store>(store: &S) {
    put(store, &batch(0, 9)).await;
    assert!(store.swap_checkpoint(None, 1, "first").await.unwrap());
    let swap = |size, note| store.swap_checkpoint(Some(1), size, note);
    let (a, b, c) = tokio::join!(swap(7, "seven"), swap(8, "eight"), swap(9, "nine"));
    let won = [(7, a.unwrap()), (8, b.unwrap()), (9, c.unwrap())];
    let winners: Vec<u64> = won.iter().filter(|(_, won)| *won).map(|(size, _)| *size).collect();
    assert_eq!(winners.len(), 1, "{won:?}");
    let published = store.snapshot().await.unwrap().checkpoint().await.unwrap();
    assert_eq!(published.map(|(size, _)| size), Some(winners[0]));
}

pub async fn erasure<S: Store>(store: &S) {
    put(store, &batch(0, 5)).await;
    // Entry 2 has no envelope, entry 7 is not there.
    assert_eq!(store.erase_envelopes(&[0, 2, 3, 7]).await.unwrap(), 2);
    assert_eq!(store.erase_envelopes(&[0, 2, 3, 7]).await.unwrap(), 0);
    let erased = |index| StoredEntry { envelope: None, ..entry(index) };
    let expected = [erased(0), entry(1), entry(2), erased(3), entry(4)];
    let mut view = store.snapshot().await.unwrap();
    assert_eq!(view.read_range(0, 9, u64::MAX).await.unwrap(), expected);
}

/// Written in their order behind those that are there, and read in pages.
pub async fn copied_checkpoints<S: Store>(store: &S) {
    let count = ALONE_MAX as u64 + 3;
    put(store, &batch(0, count)).await;
    assert!(store.swap_checkpoint(None, 1, "1").await.unwrap());
    let checkpoints = (2..=count).map(|size| (size, size.to_string())).collect();
    put(store, &Batch { checkpoints, head: head_at(count), ..Batch::default() }).await;
    let mut view = store.snapshot().await.unwrap();
    let mut after = 0;
    loop {
        let page = view.checkpoints(after).await.unwrap();
        assert!(page.len() <= ALONE_MAX);
        for (it, sequence) in page.iter().zip(after + 1..) {
            assert_eq!((it.sequence, it.size), (sequence, sequence));
            assert_eq!(it.note, sequence.to_string());
        }
        match page.last() {
            Some(last) => after = last.sequence,
            None => break,
        }
    }
    assert_eq!(after, count);
    assert_eq!(view.checkpoint().await.unwrap(), Some((count, count.to_string())));
}

/// Whoever moves a log goes past the seal, and nobody else.
pub async fn seals<S: Store>(store: &S) {
    put(store, &batch(0, 2)).await;
    let seal = Seal::MovedTo("elsewhere".to_owned());
    let mut append = store.lock().await.unwrap();
    append.set_seal(Some(seal.clone())).await.unwrap();
    drop(append);
    store.lock().await.unwrap().commit().await.unwrap();

    let mut append = store.lock().await.unwrap();
    assert_eq!(append.seal(), None);
    append.set_seal(Some(seal.clone())).await.unwrap();
    append.commit().await.unwrap();
    match store.lock().await {
        Err(StoreError::Sealed(found)) => assert_eq!(found, seal),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("a sealed log was locked"),
    }
    assert_eq!(store.snapshot().await.unwrap().head(), &head_at(2));

    let mut append = store.lock_sealed().await.unwrap();
    assert_eq!(append.seal(), Some(&seal));
    append.write(&batch(2, 3)).await.unwrap();
    append.set_seal(None).await.unwrap();
    append.commit().await.unwrap();
    assert_eq!(store.lock().await.unwrap().head(), &head_at(3));
}
