//! Numbers as ECMAScript writes them (ECMA-262, Number::toString), which RFC 8785 prescribes.

use super::{CanonicalError, INTEGER_MAX};

/// Appends the canonical spelling of a JSON number's text.
pub fn write(text: &str, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
    if text.contains(['.', 'e', 'E']) {
        return write_double(text, out);
    }
    match text.strip_prefix('-').unwrap_or(text).parse() {
        Ok(0u64) => out.push(b'0'),
        Ok(1..=INTEGER_MAX) => out.extend(text.as_bytes()),
        _ => return Err(CanonicalError::IntegerTooLarge { text: shown(text) }),
    }
    Ok(())
}

fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

fn write_double(text: &str, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
    let value: f64 = text.parse().unwrap_or(f64::INFINITY);
    if !value.is_finite() {
        return Err(CanonicalError::NumberTooLarge { text: shown(text) });
    }
    if value == 0.0 {
        out.push(b'0');
        return Ok(());
    }
    if value < 0.0 {
        out.push(b'-');
    }
    let (digits, exponent) = shortest(value.abs());
    write_digits(&digits, exponent + 1, out);
    Ok(())
}

/// The shortest digits that read back as this double, and the power of ten of the first one.
fn shortest(value: f64) -> (Vec<u8>, i32) {
    let (mut digits, exponent) = split(&format!("{value:e}"));
    if let Some(even) = even_neighbour(value, &digits) {
        digits = even;
    }
    (digits, exponent)
}

/// Splits `d.ddde-x` into its digits and its exponent.
fn split(scientific: &str) -> (Vec<u8>, i32) {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let digits = mantissa.bytes().filter(|byte| *byte != b'.').collect();
    (digits, exponent.parse().unwrap_or_default())
}

/// The digits below the given ones, where the double lies exactly between and they are even.
///
/// Of two shortest spellings that are equally close, Rust prints the upper one, and ECMAScript
/// the even one: 1424953923781206.25 is written ….2, not ….3.
fn even_neighbour(value: f64, digits: &[u8]) -> Option<Vec<u8>> {
    let (last, leading) = digits.split_last()?;
    let lower = [leading, &[last - 1]].concat();
    let between = [&lower[..], b"5"].concat();
    // The first comparison is cheap and almost always enough; the second is exact.
    if last % 2 == 0 || split(&format!("{value:.*e}", digits.len())).0 != between {
        return None;
    }
    let (exact, exponent) = split(&format!("{value:.DOUBLE_DIGITS_MAX$e}"));
    let (tail, same) = (&exact[between.len()..], exact.starts_with(&between));
    let text = format!("{}e{}", str::from_utf8(&lower).ok()?, exponent + 1 - lower.len() as i32);
    let reads_back = text.parse() == Ok(value);
    (same && tail.iter().all(|digit| *digit == b'0') && reads_back).then_some(lower)
}

/// No double has more significant decimal digits than 767.
const DOUBLE_DIGITS_MAX: usize = 767;

/// Lays out digits whose value is 0.DIGITS times ten to `point`: ECMA-262's steps 6 to 10, where
/// `point` is called n and the number of digits k.
fn write_digits(digits: &[u8], point: i32, out: &mut Vec<u8>) {
    let count = digits.len() as i32;
    if (count..=21).contains(&point) {
        out.extend(digits);
        out.extend((count..point).map(|_| b'0'));
    } else if (1..=21).contains(&point) {
        let (whole, fraction) = digits.split_at(point as usize);
        out.extend([whole, b".", fraction].concat());
    } else if (-5..=0).contains(&point) {
        out.extend(b"0.");
        out.extend((point..0).map(|_| b'0'));
        out.extend(digits);
    } else {
        out.push(digits[0]);
        if count > 1 {
            out.push(b'.');
            out.extend(&digits[1..]);
        }
        out.extend(format!("e{:+}", point - 1).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeded::Seeded;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        write(text, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// RFC 8785, appendix B, and the borders of each layout.
    #[test]
    fn doubles_are_laid_out_as_in_ecmascript() {
        for (text, expected) in [
            ("-0", "0"),
            ("0.0", "0"),
            ("-0e5", "0"),
            ("1e-400", "0"),
            ("5e-324", "5e-324"),
            ("-5E-324", "-5e-324"),
            ("1.7976931348623157e308", "1.7976931348623157e+308"),
            ("9.007199254740992e15", "9007199254740992"),
            ("295147905179352830000.0", "295147905179352830000"),
            ("9.999999999999997e22", "9.999999999999997e+22"),
            ("1e23", "1e+23"),
            ("1.0000000000000001e23", "1.0000000000000001e+23"),
            ("999999999999999700000.0", "999999999999999700000"),
            ("1e20", "100000000000000000000"),
            ("1e21", "1e+21"),
            ("9.999999999999997e-7", "9.999999999999997e-7"),
            ("0.000001", "0.000001"),
            ("1e-7", "1e-7"),
            ("0.0000123", "0.0000123"),
            ("333333333.3333332", "333333333.3333332"),
            ("333333333.33333325", "333333333.33333325"),
            ("1424953923781206.25", "1424953923781206.2"),
            ("1.0", "1"),
            ("-4.50", "-4.5"),
            ("2e-3", "0.002"),
            ("1E2", "100"),
        ] {
            assert_eq!(written(text), expected, "{text}");
        }
    }

    #[test]
    fn seeded_doubles_are_written_as_by_another_canonicalizer() {
        let mut seeded = Seeded::new(0x5eed_0005);
        for _ in 0..50_000 {
            let wild = f64::from_bits(seeded.next());
            let tame = (seeded.next() % 2_000_000) as f64 / 1000.0 - 1000.0;
            let halfway = (seeded.next() >> 11) as f64 / 4.0;
            for value in [wild, tame, halfway].into_iter().filter(|value| value.is_finite()) {
                let theirs = serde_json_canonicalizer::to_string(&value).unwrap();
                assert_eq!(written(&format!("{value:e}")), theirs);
                assert_eq!(theirs.parse::<f64>().unwrap(), value);
            }
        }
    }
}
