//! The API document: what handlers say of themselves, and what the layers around all of them answer.

mod shapes;

use utoipa::openapi::path::{HttpMethod, Operation, PathItem};
use utoipa::openapi::response::Response;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr};

use super::problem;

/// The one word under which handlers name every problem that is not theirs alone.
const OTHERS: &str = "default";

/// Names the problems of each operation one by one: those that its handler names, and those that
/// the layers around it answer.
pub fn complete(mut document: OpenApi) -> OpenApi {
    shapes::shape_bodies(&mut document);
    for item in document.paths.paths.values_mut() {
        for (method, operation) in operations(item) {
            let writes = !matches!(method, HttpMethod::Get | HttpMethod::Head);
            let secured = operation.security.as_ref().is_some_and(|all| !all.is_empty());
            let json = takes_json(operation);
            for parameter in operation.parameters.iter_mut().flatten() {
                if let RefOr::T(parameter) = parameter {
                    shapes::shape_parameter(parameter);
                }
            }
            name_bytes(operation);
            let own = operation.responses.responses.remove(OTHERS).is_some();
            for (status, about, applies) in [
                ("304", "The caller has it already", own && !writes),
                ("400", "The request is malformed", own || secured),
                ("401", "The token is missing, or not good", secured),
                ("403", "The caller lacks a role", secured),
                ("404", "There is no such thing", own),
                ("409", "Somebody was faster", own && writes),
                ("413", "The request is too large", own && writes),
                ("415", "The request is no JSON", own && json),
                ("422", "A rule refuses it", own && writes),
                ("429", "The caller sends too much", true),
                ("500", "The server failed", true),
                ("503", "The server is busy, or cannot log", true),
                ("507", "There is no room left", own && writes),
            ] {
                if applies {
                    let problem = if status == "304" { Response::new(about) } else { said(about) };
                    let responses = &mut operation.responses.responses;
                    responses.entry(status.to_owned()).or_insert(RefOr::T(problem));
                }
            }
        }
    }
    document
}

/// Calls bytes what they are: `Vec<u8>` would be documented as a list of numbers.
fn name_bytes(operation: &mut Operation) {
    const BYTES: [&str; 2] = ["application/octet-stream", "application/zip"];
    let mut contents = Vec::new();
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        contents.extend(body.content.iter_mut());
    }
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            contents.extend(response.content.iter_mut());
        }
    }
    for (kind, content) in contents {
        if let RefOr::T(content) = content
            && BYTES.contains(&kind.as_str())
        {
            let format = SchemaFormat::KnownFormat(KnownFormat::Binary);
            let bytes = ObjectBuilder::new().schema_type(Type::String).format(Some(format));
            content.schema = Some(Schema::Object(bytes.build()).into());
        }
    }
}

fn takes_json(operation: &Operation) -> bool {
    match &operation.request_body {
        Some(RefOr::T(body)) => body.content.contains_key("application/json"),
        Some(RefOr::Ref(_)) | None => false,
    }
}

fn said(about: &str) -> Response {
    let mut response = Response::new(about);
    let content = Content::new(Some(Ref::from_schema_name("Problem")));
    response.content.insert(problem::MEDIA_TYPE.to_owned(), RefOr::T(content));
    response
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (HttpMethod, &mut Operation)> {
    let all = [
        (HttpMethod::Get, &mut item.get),
        (HttpMethod::Put, &mut item.put),
        (HttpMethod::Post, &mut item.post),
        (HttpMethod::Patch, &mut item.patch),
        (HttpMethod::Delete, &mut item.delete),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}
