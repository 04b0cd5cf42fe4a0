//! Where the ledger's time comes from.

use std::sync::atomic::{AtomicI64, Ordering};

use schemas::id::Time;

/// A clock that lags by more than this behind the newest entry stops the ledger.
pub const BEHIND_MS_MAX: i64 = 5 * 60_000;

/// A clock that runs ahead of the newest entry by more than this needs an operator's word: an
/// entry dated 2038 would hold every later entry there.
pub const AHEAD_MS_MAX: i64 = 31 * 86_400_000;

/// Gives the time of day.
pub trait Clock: Send + Sync {
    fn now(&self) -> Time;
}

/// The machine's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Time {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Time(since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// A clock that tests set.
pub struct ManualClock(AtomicI64);

impl ManualClock {
    pub fn at(time: Time) -> ManualClock {
        ManualClock(AtomicI64::new(time.0))
    }

    pub fn advance(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Time {
        Time(self.0.load(Ordering::SeqCst))
    }
}
