//! Numbers that look random, and are the same for a seed on every machine.

/// SplitMix64 (Steele, Lea and Flood, 2014): enough to shuffle with, and nothing to keep a secret by.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 where there is none. A few are likelier by less than one in 2^32.
    pub fn below(&mut self, end: usize) -> usize {
        self.next().checked_rem(end as u64).unwrap_or_default() as usize
    }

    pub fn coin(&mut self) -> bool {
        self.next() & 1 == 1
    }

    /// Fisher and Yates.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            list.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first numbers of seed 0, as the algorithm's reference code prints them.
    #[test]
    fn the_numbers_are_those_of_the_reference() {
        let mut random = Random::new(0);
        let found = [random.next(), random.next(), random.next()];
        assert_eq!(found, [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f]);
    }

    #[test]
    fn every_order_of_three_is_drawn() {
        let mut random = Random::new(7);
        let drawn: std::collections::BTreeSet<[u8; 3]> = (0..100)
            .map(|_| {
                let mut list = [1, 2, 3];
                random.shuffle(&mut list);
                list
            })
            .collect();
        assert_eq!(drawn.len(), 6);
        assert_eq!(random.below(0), 0);
    }
}
