//! Rates, and the mean with its median and 90th percentile, in whole numbers.

use schemas::metrics::{Frequency, Rate, Statistic};

/// The day, in ms.
const DAY_MS: i64 = 86_400_000;

pub fn rate(part: usize, of: usize) -> Rate {
    let (part, of) = (part as u64, of as u64);
    // Rounds half up, in whole numbers.
    let basis_points = (of > 0).then(|| (part * 20_000 + of) / (2 * of));
    Rate { part, of, basis_points }
}

/// Of any number of values, in any order.
pub fn statistic(mut values: Vec<i64>) -> Statistic {
    values.sort_unstable();
    let count = values.len();
    let sum: i128 = values.iter().map(|value| i128::from(*value)).sum();
    let mean = i64::try_from(sum / count.max(1) as i128).ok().filter(|_| count > 0);
    // The nearest rank: the smallest value that so many hundredths of them do not exceed.
    let rank = |hundredths: usize| values.get((count * hundredths).div_ceil(100).wrapping_sub(1));
    Statistic { mean, median: rank(50).copied(), p90: rank(90).copied() }
}

/// So many within a span, of which at least a day is counted.
pub fn frequency(count: usize, span_ms: i64) -> Frequency {
    let days = span_ms.max(1).saturating_add(DAY_MS - 1) / DAY_MS;
    Frequency { count: count as u64, days: days as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_round_half_up_and_nothing_has_none() {
        for (part, of, expected) in [
            (0, 0, None),
            (0, 3, Some(0)),
            (1, 3, Some(3_333)),
            (2, 3, Some(6_667)),
            (1, 8, Some(1_250)),
            (1, 20_000, Some(1)),
            (1, 20_001, Some(0)),
            (3, 3, Some(10_000)),
        ] {
            assert_eq!(rate(part, of).basis_points, expected, "{part} of {of}");
        }
    }

    #[test]
    fn a_mean_has_its_median_and_percentile() {
        let check = |values: &[i64], mean, median, p90| {
            assert_eq!(statistic(values.to_vec()), Statistic { mean, median, p90 }, "{values:?}");
        };
        check(&[], None, None, None);
        check(&[7], Some(7), Some(7), Some(7));
        check(&[10, 1], Some(5), Some(1), Some(10));
        check(&[3, 1, 2], Some(2), Some(2), Some(3));
        check(&(1..=10).collect::<Vec<_>>(), Some(5), Some(5), Some(9));
        check(&(1..=100).collect::<Vec<_>>(), Some(50), Some(50), Some(90));
        check(&[i64::MAX, i64::MAX], Some(i64::MAX), Some(i64::MAX), Some(i64::MAX));
        check(&[-3, -4], Some(-3), Some(-4), Some(-3));
    }

    #[test]
    fn a_period_has_at_least_a_day() {
        for (span, days) in [(0, 1), (1, 1), (DAY_MS, 1), (DAY_MS + 1, 2), (30 * DAY_MS, 30)] {
            assert_eq!(frequency(5, span), Frequency { count: 5, days });
        }
    }
}
