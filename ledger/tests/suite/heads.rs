//! Heads by the day.

use crate::world::world;

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
