//! Heads by the day.

use std::sync::atomic::{AtomicBool, Ordering};

use ledger::{ExportAsk, Ledger, Submission};
use verifier::pack;

use crate::world::{World, world};

const HOUR_MS: i64 = 3_600_000;

#[tokio::test(flavor = "multi_thread")]
async fn heads_are_logged_daily_where_the_log_has_grown() {
    let world = world().await;
    // Hours to wait, whether something is logged before, whether heads are due then.
    let cases = [
        (0, false, false),
        (23, false, false),
        (1, false, true),
        (1, false, false),
        (24, false, false),
        (0, true, true),
        (23, true, false),
        (1, false, true),
    ];
    for (step, (hours, grows, due)) in cases.into_iter().enumerate() {
        world.clock.advance(hours * HOUR_MS);
        if grows {
            world.submit(world.note("more", &world.writer)).await.unwrap();
        }
        let size = world.ledger.size().await.unwrap();
        let logged = world.ledger.log_heads_daily().await.unwrap();
        assert_eq!(logged, due.then_some(size), "step {step}");
        assert_eq!(world.ledger.control().await.unwrap().heads.is_some(), step >= 2);
    }
    assert_eq!(world.verify().await.findings, vec![]);
}

/// Two servers find them due at one time.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_find_heads_due_one_logs_them() {
    let world = world().await;
    let other = world.reopen(&world.ledger.folder().root).await.unwrap();
    world.clock.advance(24 * HOUR_MS);
    let (one, two) = tokio::join!(world.ledger.log_heads_daily(), other.log_heads_daily());
    let logged: Vec<u64> = [one.unwrap(), two.unwrap()].into_iter().flatten().collect();
    assert_eq!(logged, [2]);
    other.close().await;
}

fn ask() -> ExportAsk {
    ExportAsk {
        environment: "payments/prod".parse().unwrap(),
        from: "2026-11-20T00:00:00.000Z".parse().unwrap(),
        to: "2026-11-21T00:00:00.000Z".parse().unwrap(),
        audience: "an auditor".into(),
        reason: "yearly".into(),
        framework: None,
        patience: std::time::Duration::ZERO,
    }
}

/// Appends batches of notes, some of them about artifacts that are new, until told to stop.
async fn append(world: &World, ledger: &Ledger, stop: &AtomicBool) {
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        let batch = (0..8).map(|_| {
            number = (number + 1) % 100;
            let envelope = world.note_about(number, &world.writer);
            Submission { envelope, project: None, attachments: Vec::new() }
        });
        for answer in ledger.submit(batch.collect()).await.unwrap() {
            answer.unwrap();
        }
    }
}

/// While two servers append without a pause, both export: every pack holds, and every heads event
/// says what the log was just before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn heads_and_packs_are_right_while_others_append() {
    let world = world().await;
    let other = world.reopen(&world.ledger.folder().root).await.unwrap();
    let (stop, ask) = (AtomicBool::new(false), ask());
    let export = async |ledger: &Ledger| {
        for _ in 0..4 {
            let exported = ledger.export(&ask).await.unwrap();
            let report = pack::verify(exported.files, Some(world.ledger.pin()));
            assert_eq!(report.findings, vec![]);
            assert_eq!(report.heads_at, Some(exported.size - 1));
        }
    };
    let exports = async {
        tokio::join!(export(&world.ledger), export(&other));
        stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(append(&world, &world.ledger, &stop), append(&world, &other, &stop), exports);
    let report = world.verify().await;
    assert_eq!((report.findings, report.counts.heads), (vec![], 8));
    other.close().await;
}

/// Of two that publish at once the slower one may have the longer log: it is published all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_is_acknowledged_is_published_whoever_was_faster() {
    let world = world().await;
    let other = world.reopen(&world.ledger.folder().root).await.unwrap();
    for round in 0..100 {
        let submit = async |ledger: &Ledger| {
            let envelope = world.note("one of two", &world.writer);
            let one = Submission { envelope, project: None, attachments: Vec::new() };
            ledger.submit(vec![one]).await.unwrap().remove(0).unwrap()
        };
        tokio::join!(submit(&world.ledger), submit(&other));
        let (size, published) =
            (world.ledger.size().await.unwrap(), other.published_size().await.unwrap());
        assert_eq!(published, size, "round {round}");
    }
    other.close().await;
}
