//! When a delivery that was not accepted is tried again, and when no more.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use schemas::id::Time;

use crate::store::outbox::{Attempt, Delivery};

/// How long a delivery is tried.
const TRIED_MS_MAX: i64 = 3 * 86_400_000;

/// The longest wait between two attempts.
const WAIT_MAX: Duration = Duration::from_secs(12 * 3600);

/// Each wait is so many times as long as the one before.
const LONGER: u32 = 3;

/// The next attempt: later each time, by some chance more, and not before the receiver asked for.
pub fn next(
    delivery: &Delivery,
    first_wait: Duration,
    asked: Option<Duration>,
    chance: u8,
    now: Time,
) -> Attempt {
    let attempts = u32::try_from(delivery.attempts).unwrap_or(u32::MAX);
    let wait = LONGER.checked_pow(attempts).and_then(|times| first_wait.checked_mul(times));
    let wait = wait.unwrap_or(WAIT_MAX).min(WAIT_MAX);
    // Up to a quarter more, so that many who failed together do not come back together.
    let wait =
        (wait + wait * u32::from(chance) / 1024).max(asked.unwrap_or_default().min(WAIT_MAX));
    let due = Time(now.0 + i64::try_from(wait.as_millis()).unwrap_or(TRIED_MS_MAX));
    if due.since(delivery.since) > TRIED_MS_MAX { Attempt::GivenUp } else { Attempt::Retry(due) }
}

/// The wait that a receiver asks for, in seconds; dates are not read.
pub fn asked(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::outbox::Message;

    fn delivery(attempts: u64) -> Delivery {
        let [suppression, webhook, kind, body] = [const { String::new() }; 4];
        Delivery {
            id: 1,
            endpoint: 1,
            message: Message { suppression, webhook, kind, index: 0, body },
            since: Time(0),
            due: Some(Time(0)),
            attempts,
            delivered: None,
            answer: None,
        }
    }

    /// Alone, the schedule ends after three days, and no wait is longer than half a day.
    #[test]
    fn attempts_get_rarer_and_end() {
        let (mut now, mut waits) = (0, Vec::new());
        loop {
            let next = next(&delivery(waits.len() as u64), FIRST, None, 0, Time(now));
            let Attempt::Retry(Time(due)) = next else {
                assert_eq!(next, Attempt::GivenUp);
                break;
            };
            waits.push((due - now) / 1000);
            now = due;
        }
        assert_eq!(waits[..6], [5, 15, 45, 135, 405, 1215]);
        assert!(waits.windows(2).all(|pair| pair[0] <= pair[1]));
        assert_eq!(waits.last(), Some(&43_200));
        assert!((60 * 3600..=72 * 3600).contains(&(now / 1000)), "{now}");
    }

    const FIRST: Duration = Duration::from_secs(5);

    #[test]
    fn chance_and_the_receiver_make_waits_longer() {
        let due = |attempts, asked: Option<u64>, chance| {
            let asked = asked.map(Duration::from_secs);
            match next(&delivery(attempts), FIRST, asked, chance, Time(1000)) {
                Attempt::Retry(Time(due)) => due - 1000,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(due(0, None, 0), 5000);
        assert!((6000..6250).contains(&due(0, None, 255)));
        assert_eq!(due(0, Some(120), 0), 120_000);
        assert_eq!(due(3, Some(1), 0), 135_000);
        assert_eq!(due(0, Some(u64::MAX), 0), 43_200_000);
        assert_eq!(due(60, None, 0), 43_200_000);
    }
}
