//! Chance that can be had again: a seed, printed by whoever uses it, and what follows from it.

/// A small generator: the moments need not be good, only repeatable.
#[derive(Debug, Clone)]
pub struct Moments(u64);

impl Moments {
    /// Seeds next to each other do not begin alike.
    pub fn new(seed: u64) -> Moments {
        let mut moments = Moments(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).max(1));
        moments.next(1);
        moments
    }

    /// A number from 0 up to, not including, another.
    pub fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.next(last as u64 + 1) as usize);
        }
    }
}

/// The seed that `ATTESTRY_SEED` names, else one of the moment.
pub fn seed() -> u64 {
    let named = std::env::var("ATTESTRY_SEED").ok().and_then(|text| text.parse().ok());
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    named.unwrap_or_else(|| since.map_or(1, |since| since.as_millis() as u64)).max(1)
}
