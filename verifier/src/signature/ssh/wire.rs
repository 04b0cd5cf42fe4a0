//! The wire format of SSH (RFC 4251, 5): read with limits, and to the end.

/// What was not read yet. Every method answers nothing where the bytes are not as it demands.
pub struct Wire<'a> {
    rest: &'a [u8],
}

impl<'a> Wire<'a> {
    pub fn new(bytes: &'a [u8]) -> Wire<'a> {
        Wire { rest: bytes }
    }

    pub fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    pub fn byte(&mut self) -> Option<u8> {
        self.bytes(1).map(|taken| taken[0])
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.bytes(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// A length and so many bytes.
    pub fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u32()?).ok()?;
        self.bytes(length)
    }

    /// A positive number of at most 256 bits, in its one encoding: without a leading zero byte that
    /// is not needed to keep the sign.
    pub fn number(&mut self) -> Option<[u8; 32]> {
        let digits = self.string()?;
        let digits = match digits {
            [0, rest @ ..] if rest.first().is_some_and(|digit| digit & 0x80 != 0) => rest,
            [0, ..] | [] => return None,
            [digit, ..] if digit & 0x80 != 0 => return None,
            plain => plain,
        };
        let mut number = [0; 32];
        number[32_usize.checked_sub(digits.len())?..].copy_from_slice(digits);
        Some(number)
    }

    /// Nothing is left.
    pub fn end(&self) -> Option<()> {
        self.rest.is_empty().then_some(())
    }
}

/// Writes a length and so many bytes; what is written here is always short.
pub fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.extend(length.to_be_bytes());
    out.extend(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_end_where_they_say() {
        let mut wire = Wire::new(b"\0\0\0\x02abc");
        assert_eq!(wire.string(), Some(&b"ab"[..]));
        assert!(wire.end().is_none());
        assert_eq!(wire.byte(), Some(b'c'));
        assert!(wire.end().is_some());
        assert_eq!(wire.byte(), None);
        assert_eq!(Wire::new(b"\0\0\0\x03ab").string(), None);
        assert_eq!(Wire::new(b"\xff\xff\xff\xffab").string(), None);
        assert_eq!(Wire::new(b"\0\0\0").string(), None);
    }

    #[test]
    fn a_number_has_one_encoding() {
        let number = |digits: &[u8]| {
            let mut bytes = Vec::new();
            put_string(&mut bytes, digits);
            Wire::new(&bytes).number()
        };
        assert_eq!(number(&[1]).unwrap()[31], 1);
        assert_eq!(number(&[0, 0x80]).unwrap()[31], 0x80);
        assert_eq!(number(&[0x7f; 32]), Some([0x7f; 32]));
        assert_eq!(number(&[&[0][..], &[0xff; 32]].concat()), Some([0xff; 32]));
        for bad in [&[][..], &[0], &[0, 1], &[0x80], &[0, 0, 0x80], &[1; 33], &[0xff; 32]] {
            assert_eq!(number(bad), None, "{bad:?}");
        }
    }
}
