//! A database at its size limit: a clear error, nothing lost, and it goes on with more room.

use ledger::store::{AnyStore, SqliteStore};
use ledger::{Ledger, LedgerError, Logged, Submission};

use crate::world::{World, state, world};

async fn submit(ledger: &Ledger, envelope: Vec<u8>) -> Result<Logged, LedgerError> {
    let one = Submission { envelope, project: None, attachments: Vec::new() };
    ledger.submit(vec![one]).await?.remove(0)
}

/// The ledger on a store that takes only so many pages more.
async fn limited(world: &World) -> Ledger {
    const PAGE_BYTES: u64 = 8192;
    let root = &world.ledger.folder().root;
    let path = root.join("ledger.db");
    let pages = std::fs::metadata(&path).unwrap().len() / PAGE_BYTES;
    let store = SqliteStore::open_limited(&path, u32::try_from(pages).unwrap() + 8).await.unwrap();
    let clock = world.clock.clone();
    Ledger::open_on(AnyStore::Sqlite(store), root, &state(&world.folder), clock, false)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_database_refuses_and_loses_nothing() {
    let world = world().await;
    world.ledger.close().await;
    let ledger = limited(&world).await;
    let mut logged = Vec::new();
    let refused = loop {
        let envelope = world.note(&"x".repeat(3000), &world.writer);
        match submit(&ledger, envelope.clone()).await {
            Ok(it) => logged.push(it),
            Err(cause) => {
                assert!(matches!(cause, LedgerError::Full), "{cause}");
                break envelope;
            }
        }
        assert!(logged.len() < 1000, "the limit was never reached");
    };
    assert!(!logged.is_empty());
    let size = 2 + logged.len() as u64;
    // Full stays full, and all that was acknowledged is there and can be verified.
    for _ in 0..3 {
        let again = submit(&ledger, refused.clone()).await;
        assert!(matches!(again, Err(LedgerError::Full)));
        assert_eq!(ledger.size().await.unwrap(), size);
        let report = ledger.verify(|_| ()).await.unwrap();
        assert_eq!((report.findings, report.size), (vec![], size));
    }
    for it in &logged {
        assert_eq!(ledger.entry(it.index).await.unwrap().index, it.index);
        ledger.receipt(it.index).await.unwrap();
    }
    ledger.close().await;
    // With more room the refused one goes in, once.
    let ledger = world.reopen(&world.ledger.folder().root).await.unwrap();
    let it = submit(&ledger, refused.clone()).await.unwrap();
    assert_eq!((it.index, it.repeated), (size, false));
    assert!(submit(&ledger, refused).await.unwrap().repeated);
    let report = ledger.verify(|_| ()).await.unwrap();
    assert_eq!((report.findings, report.size), (vec![], size + 1));
}
