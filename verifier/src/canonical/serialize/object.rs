//! Objects: members are written as they come, and put in order when the object ends.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap, SerializeStruct, SerializeStructVariant};

use super::super::{CanonicalError, utf16_order, write_string};
use super::{Canonical, Result};
use crate::json::{self, Value};

/// An object whose members are written in the order they come, and sorted when it ends.
pub struct Object<'o> {
    out: &'o mut Vec<u8>,
    /// Where in `out` the members begin.
    start: usize,
    /// The name of each member, and where in `out` it begins.
    members: Vec<(Cow<'static, str>, usize)>,
    end: &'static [u8],
}

impl<'o> Object<'o> {
    /// Starts an object; `end` closes it and whatever was opened around it.
    pub fn new(out: &'o mut Vec<u8>, end: &'static [u8]) -> Object<'o> {
        out.push(b'{');
        Object { start: out.len(), out, members: Vec::new(), end }
    }

    /// Puts a comma before the next member, and says where that begins.
    fn next(&mut self) -> usize {
        if !self.members.is_empty() {
            self.out.push(b',');
        }
        self.out.len()
    }

    fn name(&mut self, name: Cow<'static, str>) {
        let begins = self.next();
        write_string(&name, self.out);
        self.out.push(b':');
        self.members.push((name, begins));
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        value.serialize(Canonical { out: self.out })
    }

    fn finish(mut self) -> Result {
        let order = |pair: &[(Cow<'_, str>, usize)]| utf16_order(&pair[0].0, &pair[1].0);
        if !self.members.windows(2).all(|pair| order(pair).is_lt()) {
            self.sort()?;
        }
        self.out.extend(self.end);
        Ok(())
    }

    /// Writes the members again, in their order.
    fn sort(&mut self) -> Result {
        let written = self.out.split_off(self.start);
        let begins = |nth: usize| self.members[nth].1 - self.start;
        let member = |nth: usize| match nth + 1 == self.members.len() {
            true => &written[begins(nth)..],
            // A comma stands between the two.
            false => &written[begins(nth)..begins(nth + 1) - 1],
        };
        let mut sorted: Vec<usize> = (0..self.members.len()).collect();
        let name = |nth: usize| &*self.members[nth].0;
        sorted.sort_by(|left, right| utf16_order(name(*left), name(*right)));
        if let Some(pair) = sorted.windows(2).find(|it| name(it[0]) == name(it[1])) {
            let name = name(pair[0]).to_owned();
            return Err(CanonicalError::DuplicateMember { name });
        }
        for (nth, which) in sorted.into_iter().enumerate() {
            if nth > 0 {
                self.out.push(b',');
            }
            self.out.extend(member(which));
        }
        Ok(())
    }
}

impl SerializeMap for Object<'_> {
    type Ok = ();
    type Error = CanonicalError;

    /// Takes whatever is written as a string (text, identifiers, unit variants), and integers in
    /// their digits, as JSON writers do.
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result {
        let begins = self.next();
        self.value(key)?;
        let name = match json::parse(&self.out[begins..]) {
            Ok(Value::String(name)) => name.into_owned(),
            Ok(Value::Number(digits)) => digits.to_owned(),
            _ => return Err(CanonicalError::KeyNotString),
        };
        self.out.truncate(begins);
        write_string(&name, self.out);
        self.out.push(b':');
        self.members.push((Cow::Owned(name), begins));
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        self.value(value)
    }

    fn end(self) -> Result {
        self.finish()
    }
}

macro_rules! structs {
    ($($shape:ident,)*) => {$(
        impl $shape for Object<'_> {
            type Ok = ();
            type Error = CanonicalError;
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result {
                self.name(Cow::Borrowed(name));
                self.value(value)
            }
            fn end(self) -> Result {
                self.finish()
            }
        }
    )*};
}

structs! {
    SerializeStruct,
    SerializeStructVariant,
}
