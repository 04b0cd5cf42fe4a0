//! Objects: members are written as they come, and put in order when the object ends.

use serde::ser::{Serialize, SerializeMap, SerializeStruct, SerializeStructVariant};

use super::super::{CanonicalError, canonical_of, utf16_order, write_string};
use super::{Canonical, Result};
use crate::json::{self, Value};

/// An object whose members are written in the order they come, and sorted when it ends.
pub struct Object<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
    /// The name of each member, and where in `out` it begins.
    members: Vec<(String, usize)>,
    end: &'static [u8],
}

impl<'o> Object<'o> {
    /// Starts an object; `end` closes it and whatever was opened around it.
    pub fn new(out: &'o mut Vec<u8>, end: &'static [u8]) -> Object<'o> {
        Object { start: out.len(), out, members: Vec::new(), end }
    }

    fn name(&mut self, name: String) {
        let begins = self.out.len();
        write_string(&name, self.out);
        self.out.push(b':');
        self.members.push((name, begins));
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        value.serialize(Canonical { out: self.out })
    }

    fn finish(mut self) -> Result {
        let ends: Vec<usize> = self.members.iter().skip(1).map(|member| member.1).collect();
        let ends = ends.into_iter().chain([self.out.len()]);
        let mut members: Vec<_> = std::mem::take(&mut self.members).into_iter().zip(ends).collect();
        members.sort_by(|((left, _), _), ((right, _), _)| utf16_order(left, right));
        if let Some(pair) = members.windows(2).find(|pair| pair[0].0.0 == pair[1].0.0) {
            return Err(CanonicalError::DuplicateMember { name: pair[0].0.0.clone() });
        }
        let written = self.out.split_off(self.start);
        self.out.push(b'{');
        for (nth, ((_, begins), ends)) in members.into_iter().enumerate() {
            if nth > 0 {
                self.out.push(b',');
            }
            self.out.extend(&written[begins - self.start..ends - self.start]);
        }
        self.out.extend(self.end);
        Ok(())
    }
}

impl SerializeMap for Object<'_> {
    type Ok = ();
    type Error = CanonicalError;

    /// Takes whatever is written as a string (text, identifiers, unit variants), and integers in
    /// their digits, as JSON writers do.
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result {
        let written = canonical_of(key)?;
        match json::parse(&written) {
            Ok(Value::String(name)) => self.name(name.into_owned()),
            Ok(Value::Number(digits)) => self.name(digits.to_owned()),
            _ => return Err(CanonicalError::KeyNotString),
        }
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
                self.name(name.to_owned());
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
