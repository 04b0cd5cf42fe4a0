//! Sums, products and percentages of exact decimals, digit by digit.
//!
//! Numbers are short (64 characters, three digits of exponent at most), so schoolbook arithmetic
//! is fast enough, and nothing is ever rounded.

use std::cmp::Ordering;

use super::Decimal;

/// Digits, lowest first, times ten to the power of minus `scale`; with a sign.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Number {
    negative: bool,
    digits: Vec<u8>,
    scale: i32,
}

/// Widest span of exponents that is written out: beyond it a sum would need that many digits.
const SCALE_MAX: i32 = 1100;

impl Number {
    fn of(decimal: &Decimal) -> Number {
        let mut digits: Vec<u8> = decimal.digits.iter().rev().map(|digit| digit - b'0').collect();
        let mut scale = digits.len() as i32 - decimal.exponent;
        // A power of ten above the digits is written out.
        while scale < 0 && -scale <= SCALE_MAX {
            digits.insert(0, 0);
            scale += 1;
        }
        Number { negative: decimal.negative, digits, scale }
    }

    fn times(&self, other: &Number) -> Number {
        let mut digits = vec![0u8; self.digits.len() + other.digits.len() + 1];
        for (at, a) in self.digits.iter().enumerate() {
            let mut carry = 0;
            for (off, b) in other.digits.iter().chain([&0]).enumerate() {
                let sum = digits[at + off] + a * b + carry;
                (digits[at + off], carry) = (sum % 10, sum / 10);
            }
        }
        let negative = self.negative != other.negative;
        Number { negative, digits, scale: self.scale + other.scale }
    }

    /// The digits with `scale` digits behind the point.
    fn at_scale(&self, scale: i32) -> Vec<u8> {
        let zeros = usize::try_from(scale - self.scale).unwrap_or(0);
        [vec![0; zeros], self.digits.clone()].concat()
    }

    fn minus(&self, other: &Number) -> Number {
        let scale = self.scale.max(other.scale);
        let (a, b) = (self.at_scale(scale), other.at_scale(scale));
        if self.negative != other.negative {
            return Number { negative: self.negative, digits: sum(&a, &b), scale };
        }
        match compare(&a, &b) {
            Ordering::Less => Number { negative: !self.negative, digits: less(&b, &a), scale },
            Ordering::Equal | Ordering::Greater => {
                Number { negative: self.negative, digits: less(&a, &b), scale }
            }
        }
    }

    fn cmp(&self, other: &Number) -> Ordering {
        let difference = self.minus(other);
        match (difference.digits.iter().all(|digit| *digit == 0), difference.negative) {
            (true, _) => Ordering::Equal,
            (false, true) => Ordering::Less,
            (false, false) => Ordering::Greater,
        }
    }
}

fn sum(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut digits = Vec::with_capacity(a.len().max(b.len()) + 1);
    let mut carry = 0;
    for at in 0..=a.len().max(b.len()) {
        let sum = a.get(at).unwrap_or(&0) + b.get(at).unwrap_or(&0) + carry;
        digits.push(sum % 10);
        carry = sum / 10;
    }
    digits
}

/// `a - b` where `a` is not below `b`.
fn less(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut digits = Vec::with_capacity(a.len());
    let mut borrow = 0;
    for (at, digit) in a.iter().enumerate() {
        let take = b.get(at).unwrap_or(&0) + borrow;
        borrow = u8::from(*digit < take);
        digits.push(digit + 10 * borrow - take);
    }
    digits
}

fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let digit = |of: &[u8], at: usize| of.get(at).copied().unwrap_or(0);
    let places = (0..a.len().max(b.len())).rev();
    places
        .map(|at| digit(a, at).cmp(&digit(b, at)))
        .find(|it| it.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// Compares the change from `base` to `value`, in percent of `base`, with `percent`.
///
/// `None` where there is nothing to compare with: a base of zero, or numbers too far apart to be
/// written out.
pub fn change_in_percent(value: &Decimal, base: &Decimal, percent: &Decimal) -> Option<Ordering> {
    let [value, base, percent] = [value, base, percent].map(Number::of);
    let written = [&value, &base, &percent].iter().all(|it| (0..=SCALE_MAX).contains(&it.scale));
    if !written || base.digits.is_empty() {
        return None;
    }
    let hundred = Number { negative: false, digits: vec![0, 0, 1], scale: 0 };
    let magnitude = Number { negative: false, ..base.clone() };
    Some(value.minus(&base).times(&hundred).cmp(&magnitude.times(&percent)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_exact() {
        use Ordering::{Equal, Greater, Less};
        for (value, base, percent, expected) in [
            ("105", "100", "5", Equal),
            ("105.0000000000000000000001", "100", "5", Greater),
            ("104.9999999999999999999999", "100", "5", Less),
            ("95", "100", "-5", Equal),
            ("94.9", "100", "-5", Less),
            ("0.33", "0.3", "10", Equal),
            ("0.3300000000000000001", "0.3", "10.0", Greater),
            ("-90", "-100", "10", Equal),
            ("-110", "-100", "-10", Equal),
            ("10", "-10", "200", Equal),
            ("0", "3", "-100", Equal),
            ("1e3", "500", "100", Equal),
            ("1200", "1e3", "2e1", Equal),
            ("9999999999999999999999999999999999999", "1", "1", Greater),
            ("100", "100", "0", Equal),
        ] {
            let [value, base, percent] =
                [value, base, percent].map(|text| text.parse::<Decimal>().unwrap());
            let found = change_in_percent(&value, &base, &percent);
            assert_eq!(found, Some(expected), "{value:?} {base:?} {percent:?}");
        }
    }

    #[test]
    fn nothing_is_compared_with_zero() {
        let zero: Decimal = "0.00".parse().unwrap();
        assert_eq!(change_in_percent(&zero, &zero, &zero), None);
    }

    /// Against integers that the machine multiplies itself.
    #[test]
    fn small_numbers_agree_with_the_machine() {
        for value in -12i64..=12 {
            for base in (-12i64..=12).filter(|base| *base != 0) {
                for percent in [-150i64, -100, -50, -1, 0, 1, 33, 100, 250] {
                    let expected = ((value - base) * 100).cmp(&(base.abs() * percent));
                    let [v, b, p] = [value, base, percent].map(Decimal::from);
                    assert_eq!(change_in_percent(&v, &b, &p), Some(expected));
                }
            }
        }
    }
}
