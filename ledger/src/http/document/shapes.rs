//! What the words of requests look like: a word has the same shape in every operation.

use schemas::id::INTEGER_MAX;
use utoipa::Number;
use utoipa::openapi::path::Parameter;
use utoipa::openapi::schema::{KnownFormat, Object, Schema, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{OpenApi, RefOr};

/// The bodies that callers send.
const ASKED: [&str; 7] =
    ["BatchEvent", "EvaluateAsk", "Exchange", "GateAsk", "NewToken", "PackAsk", "PrepareBody"];

/// A name of a project, an environment or an identity.
macro_rules! name {
    () => {
        "[a-z0-9][a-z0-9._-]{0,62}"
    };
}

/// What may stand for a digest of an artifact or a commit.
const DIGEST: &str = "^(sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}\
    |gitCommit:([0-9a-f]{40}|[0-9a-f]{64}))$";

/// A day, or a time of RFC 3339.
const TIME: &str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2}))?$";

/// Words, and the regular expression that every text of theirs fits.
const PATTERNS: [(&str, &str); 13] = [
    ("project", concat!("^", name!(), "$")),
    ("environment", concat!("^(", name!(), "/)?", name!(), "$")),
    ("identity", concat!("^", name!(), "$")),
    ("signer", concat!("^", name!(), "$")),
    ("digest", DIGEST),
    ("artifact", DIGEST),
    ("prefix", "^[0-9a-f]{8,128}$"),
    ("request", "^(P-)?(0|[1-9][0-9]{0,14})$"),
    ("from", TIME),
    ("to", TIME),
    ("expires", "^[1-9][0-9]{0,7}[smhd]$"),
    ("grant_type", "^urn:ietf:params:oauth:grant-type:token-exchange$"),
    ("subject_token_type", "^urn:ietf:params:oauth:token-type:(id_token|jwt)$"),
];

/// Gives every named text of a body that callers send its shape, and every index its end.
pub fn shape_bodies(document: &mut OpenApi) {
    let Some(components) = &mut document.components else { return };
    for (name, schema) in &mut components.schemas {
        let RefOr::T(Schema::Object(body)) = schema else { continue };
        if name == "u64" {
            end_integer(body);
        }
        let asked = ASKED.contains(&name.as_str());
        for (word, property) in body.properties.iter_mut().filter(|_| asked) {
            if let RefOr::T(Schema::Object(property)) = property {
                shape(word, property);
            }
        }
    }
}

/// The same for a parameter.
pub fn shape_parameter(parameter: &mut Parameter) {
    if let Some(RefOr::T(Schema::Object(schema))) = &mut parameter.schema {
        shape(&parameter.name, schema);
        end_integer(schema);
    }
}

fn shape(word: &str, schema: &mut Object) {
    let is_text = match &schema.schema_type {
        SchemaType::Type(only) => *only == Type::String,
        SchemaType::Array(any) => any.contains(&Type::String),
        SchemaType::AnyValue => false,
    };
    if !is_text || schema.pattern.is_some() || schema.enum_values.is_some() {
        return;
    }
    if let Some((_, pattern)) = PATTERNS.iter().find(|(known, _)| *known == word) {
        schema.pattern = Some((*pattern).to_owned());
    }
}

/// Says where indexes and sizes end: at the largest integer of an entry.
fn end_integer(schema: &mut Object) {
    let long = schema.format == Some(SchemaFormat::KnownFormat(KnownFormat::Int64));
    if long && schema.maximum.is_none() {
        schema.maximum = Some(Number::UInt(INTEGER_MAX as usize));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> Object {
        Object::with_type(Type::String)
    }

    #[test]
    fn a_word_has_its_shape_and_another_none() {
        let mut project = text();
        shape("project", &mut project);
        assert_eq!(project.pattern.as_deref(), Some("^[a-z0-9][a-z0-9._-]{0,62}$"));
        let mut other = text();
        shape("reason", &mut other);
        assert_eq!(other.pattern, None);
        let mut number = Object::with_type(Type::Integer);
        shape("request", &mut number);
        assert_eq!(number.pattern, None);
    }
}
