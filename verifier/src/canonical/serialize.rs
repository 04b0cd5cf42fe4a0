//! Our own structs to canonical JSON, without a tree between.

use std::fmt::Display;
use std::io::Write as _;

use serde::ser::{
    self, Serialize, SerializeSeq, SerializeTuple, SerializeTupleStruct, SerializeTupleVariant,
    Serializer,
};

use super::{CanonicalError, INTEGER_MAX, write_string};

mod object;

use object::Object;

type Result<T = ()> = std::result::Result<T, CanonicalError>;

impl ser::Error for CanonicalError {
    fn custom<T: Display>(message: T) -> CanonicalError {
        CanonicalError::Custom { message: message.to_string() }
    }
}

/// Appends one value to `out`.
pub struct Canonical<'o> {
    pub out: &'o mut Vec<u8>,
}

impl Canonical<'_> {
    fn integer(self, value: impl Display, magnitude: u128) -> Result {
        if magnitude > u128::from(INTEGER_MAX) {
            let text = value.to_string();
            return Err(CanonicalError::IntegerTooLarge { text });
        }
        // Writing to memory does not fail.
        let _ = write!(self.out, "{value}");
        Ok(())
    }

    fn float(value: impl Display) -> Result {
        Err(CanonicalError::Float { value: value.to_string() })
    }
}

/// The integer methods: each writes decimal digits, or refuses.
macro_rules! integers {
    ($($method:ident $unsigned:ident $type:ty,)*) => {
        $(fn $method(self, value: $type) -> Result {
            self.integer(value, integers!($unsigned value))
        })*
    };
    (signed $value:ident) => { i128::from($value).unsigned_abs() };
    (unsigned $value:ident) => { u128::from($value) };
}

impl<'o> Serializer for Canonical<'o> {
    type Ok = ();
    type Error = CanonicalError;
    type SerializeSeq = List<'o>;
    type SerializeTuple = List<'o>;
    type SerializeTupleStruct = List<'o>;
    type SerializeTupleVariant = List<'o>;
    type SerializeMap = Object<'o>;
    type SerializeStruct = Object<'o>;
    type SerializeStructVariant = Object<'o>;

    integers! {
        serialize_i8 signed i8,
        serialize_i16 signed i16,
        serialize_i32 signed i32,
        serialize_i64 signed i64,
        serialize_i128 signed i128,
        serialize_u8 unsigned u8,
        serialize_u16 unsigned u16,
        serialize_u32 unsigned u32,
        serialize_u64 unsigned u64,
        serialize_u128 unsigned u128,
    }

    fn serialize_bool(self, value: bool) -> Result {
        self.out.extend(if value { &b"true"[..] } else { b"false" });
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result {
        Canonical::float(value)
    }

    fn serialize_f64(self, value: f64) -> Result {
        Canonical::float(value)
    }

    fn serialize_char(self, value: char) -> Result {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, text: &str) -> Result {
        write_string(text, self.out);
        Ok(())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result {
        Err(CanonicalError::Bytes { len: bytes.len() })
    }

    fn serialize_none(self) -> Result {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result {
        self.out.extend(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result {
        write_variant(variant, self.out);
        value.serialize(Canonical { out: &mut *self.out })?;
        self.out.push(b'}');
        Ok(())
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<List<'o>> {
        self.out.push(b'[');
        Ok(List { out: self.out, first: true, end: b"]" })
    }

    fn serialize_tuple(self, len: usize) -> Result<List<'o>> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_struct(self, _name: &'static str, len: usize) -> Result<List<'o>> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<List<'o>> {
        write_variant(variant, self.out);
        self.out.push(b'[');
        Ok(List { out: self.out, first: true, end: b"]}" })
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Object<'o>> {
        Ok(Object::new(self.out, b"}"))
    }

    fn serialize_struct(self, _name: &'static str, len: usize) -> Result<Object<'o>> {
        self.serialize_map(Some(len))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Object<'o>> {
        write_variant(variant, self.out);
        Ok(Object::new(self.out, b"}}"))
    }
}

/// Opens the object with one member that stands for a variant with content.
fn write_variant(name: &str, out: &mut Vec<u8>) {
    out.push(b'{');
    write_string(name, out);
    out.push(b':');
}

/// An array that is being written.
pub struct List<'o> {
    out: &'o mut Vec<u8>,
    first: bool,
    end: &'static [u8],
}

impl List<'_> {
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        value.serialize(Canonical { out: self.out })
    }

    fn finish(self) -> Result {
        self.out.extend(self.end);
        Ok(())
    }
}

/// serde has four words for a list; all are written alike.
macro_rules! lists {
    ($($shape:ident $method:ident,)*) => {$(
        impl $shape for List<'_> {
            type Ok = ();
            type Error = CanonicalError;
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
                self.element(value)
            }
            fn end(self) -> Result {
                self.finish()
            }
        }
    )*};
}

lists! {
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field,
}

#[cfg(test)]
mod tests;
