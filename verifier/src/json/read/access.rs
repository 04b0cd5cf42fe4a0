//! The elements of arrays, the members of objects and the variants of enums, one by one.

use serde::de::value::StrDeserializer;
use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::{Member, ReadError, Value};

pub(super) fn visit_array<'de, V: Visitor<'de>>(
    values: &'de [Value<'_>],
    visitor: V,
) -> Result<V::Value, ReadError> {
    let mut elements = Elements { values, next: 0 };
    let read = visitor.visit_seq(&mut elements)?;
    if elements.next == values.len() {
        return Ok(read);
    }
    Err(de::Error::invalid_length(values.len(), &"fewer elements in array"))
}

struct Elements<'de, 'a> {
    values: &'de [Value<'a>],
    next: usize,
}

impl<'de> SeqAccess<'de> for Elements<'de, '_> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ReadError> {
        let Some(value) = self.values.get(self.next) else {
            return Ok(None);
        };
        let nth = self.next;
        self.next += 1;
        seed.deserialize(value).map(Some).map_err(|error| error.in_element(nth))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.values.len() - self.next)
    }
}

pub(super) fn visit_object<'de, V: Visitor<'de>>(
    members: &'de [Member<'_>],
    visitor: V,
) -> Result<V::Value, ReadError> {
    let mut unread = Members { members, value: None };
    let read = visitor.visit_map(&mut unread)?;
    if unread.members.is_empty() {
        return Ok(read);
    }
    Err(de::Error::invalid_length(members.len(), &"fewer members in object"))
}

struct Members<'de, 'a> {
    members: &'de [Member<'a>],
    value: Option<&'de Member<'a>>,
}

impl<'de> MapAccess<'de> for Members<'de, '_> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ReadError> {
        let Some((member, rest)) = self.members.split_first() else {
            return Ok(None);
        };
        self.members = rest;
        self.value = Some(member);
        seed.deserialize(Name(&member.0)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, ReadError> {
        let Some((name, value)) = self.value.take() else {
            return Err(de::Error::custom("value asked for before its name"));
        };
        seed.deserialize(value).map_err(|error| error.in_member(name))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.members.len())
    }
}

/// A member name as a map key: a string, or a newtype or unit variant written as one.
struct Name<'de>(&'de str);

impl<'de> Deserializer<'de> for Name<'de> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_borrowed_str(self.0)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_enum(Variant { name: self.0, content: None })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// An enum: its name alone, or an object with the name as its one member.
pub(super) struct Variant<'de, 'a> {
    pub name: &'de str,
    pub content: Option<&'de Value<'a>>,
}

impl<'de> EnumAccess<'de> for Variant<'de, '_> {
    type Error = ReadError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), ReadError> {
        let name: StrDeserializer<'_, ReadError> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> Variant<'de, '_> {
    fn content<T>(
        self,
        expected: &'static str,
        read: impl FnOnce(&'de Value<'_>) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        match self.content {
            Some(content) => read(content).map_err(|error| error.in_member(self.name)),
            None => Err(de::Error::invalid_type(Unexpected::UnitVariant, &expected)),
        }
    }
}

impl<'de> VariantAccess<'de> for Variant<'de, '_> {
    type Error = ReadError;

    fn unit_variant(self) -> Result<(), ReadError> {
        match self.content {
            None => Ok(()),
            Some(content) => <()>::deserialize(content).map_err(|e| e.in_member(self.name)),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, ReadError> {
        self.content("a value", |content| seed.deserialize(content))
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.content("an array", |content| content.deserialize_seq(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.content("an object", |content| content.deserialize_struct("", fields, visitor))
    }
}
