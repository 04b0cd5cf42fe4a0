//! The API reference: a page made of the API document, that needs nothing from anywhere else.

use std::fmt::Write as _;

use axum::extract::State;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::Server;
use super::problem::{self, Problem};
use crate::store::Store;

const CSS: &str = include_str!("reference.css");

/// The order in which the parts of the API are shown; others follow.
const TAGS: [&str; 11] = [
    "events",
    "promotions",
    "environments",
    "artifacts",
    "rules",
    "packs",
    "attachments",
    "log",
    "access",
    "health",
    "documentation",
];

/// The order in which methods of one path are shown.
const METHODS: [&str; 5] = ["get", "put", "post", "patch", "delete"];

/// The API reference for people.
#[utoipa::path(get, path = "/api", tag = "documentation", responses(
    (status = 200, description = "A page", body = String, content_type = "text/html"),
))]
pub async fn reference<S: Store>(_server: State<Server<S>>) -> Result<Response, Problem> {
    let failed = |cause: serde_json::Error| Problem::bad_request(cause.to_string());
    let document: Value =
        serde_json::from_str(&super::document::<S>().map_err(failed)?).map_err(failed)?;
    // Nothing but this style is loaded or run.
    let style = STANDARD.encode(verifier::merkle::sha256(&[CSS.as_bytes()]).0);
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
    ];
    Ok((headers, Html(page(&document))).into_response())
}

fn page(document: &Value) -> String {
    let text = |pointer| escape(document.pointer(pointer).and_then(Value::as_str).unwrap_or(""));
    let (title, about, version) =
        (text("/info/title"), text("/info/description"), text("/info/version"));
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title} API</title><style>{CSS}</style></head><body>\n\
         <h1>{title} API</h1><p class=\"quiet\">version {version} · \
         <a href=\"/api/v1/openapi.json\">OpenAPI document</a></p><p>{about}</p>\n"
    );
    let operations = operations(document);
    let mut tags: Vec<&str> = operations.iter().map(Operation::tag).collect();
    tags.dedup();
    out += "<nav>";
    for tag in &tags {
        let _ = write!(out, "<section><h2>{}</h2><ul>", escape(tag));
        for operation in operations.iter().filter(|it| it.tag() == *tag) {
            let (id, heading) = (operation.id(), operation.heading());
            let _ = write!(out, "<li><a href=\"#{id}\">{heading}</a></li>");
        }
        out += "</ul></section>\n";
    }
    out += "</nav>\n";
    for tag in tags {
        let _ = writeln!(out, "<h2>{}</h2>", escape(tag));
        for operation in operations.iter().filter(|it| it.tag() == tag) {
            operation.write(&mut out);
        }
    }
    out += "<h2>Schemas</h2>\n";
    for (name, schema) in members(document.pointer("/components/schemas")) {
        let name = escape(name);
        let _ = writeln!(out, "<h3 id=\"schema-{name}\">{name}</h3>");
        write_schema(&mut out, schema);
    }
    out + "</body></html>\n"
}

struct Operation<'a> {
    method: &'a str,
    path: &'a str,
    body: &'a Value,
}

/// All operations, those of one tag together.
fn operations(document: &Value) -> Vec<Operation<'_>> {
    let mut all = Vec::new();
    for (path, item) in members(document.get("paths")) {
        let of_method = |method| Some(Operation { method, path, body: item.get(method)? });
        all.extend(METHODS.into_iter().filter_map(of_method));
    }
    let place = |it: &Operation<'_>| TAGS.iter().position(|tag| *tag == it.tag());
    all.sort_by_key(|it| (place(it).unwrap_or(TAGS.len()), it.tag()));
    all
}

fn members(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

fn items(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

fn string<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

impl<'a> Operation<'a> {
    fn tag(&self) -> &'a str {
        self.body.pointer("/tags/0").and_then(Value::as_str).unwrap_or("other")
    }

    fn id(&self) -> String {
        let path = self.path.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        format!("{}{}", self.method, escape(&path))
    }

    fn heading(&self) -> String {
        let (method, path) = (self.method.to_uppercase(), escape(self.path));
        format!("<span class=\"method\">{method}</span><span class=\"path\">{path}</span>")
    }

    fn write(&self, out: &mut String) {
        let _ = writeln!(out, "<h3 id=\"{}\">{}</h3>", self.id(), self.heading());
        for name in ["summary", "description"] {
            let text = string(self.body, name);
            if !text.is_empty() {
                let _ = writeln!(out, "<p>{}</p>", escape(text));
            }
        }
        if items(self.body.get("security")).next().is_some() {
            *out += "<p class=\"quiet\">Needs a token, unless the operator has opened it.</p>\n";
        }
        let parameters = items(self.body.get("parameters")).map(|it| {
            let note = format!("in {}", escape(string(it, "in")));
            row(string(it, "name"), it.get("required"), it.get("schema"), &note, it)
        });
        write_table(out, "Parameters", ["name", "type", ""], parameters);
        let body = self.body.get("requestBody");
        let about = body.map(|it| escape(string(it, "description"))).unwrap_or_default();
        let contents = members(body.and_then(|it| it.get("content"))).map(|(kind, content)| {
            let kind = escape(kind);
            format!("<td><code>{kind}</code></td><td>{}</td><td>{about}</td>", shape(content))
        });
        write_table(out, "Body", ["content type", "schema", ""], contents);
        let (problems, answers): (Vec<_>, Vec<_>) =
            members(self.body.get("responses")).partition(|(_, response)| is_problem(response));
        let answers = answers.into_iter().map(|(status, response)| {
            let about = escape(string(response, "description"));
            let contents = members(response.get("content"))
                .map(|(kind, it)| format!("<code>{}</code> {}", escape(kind), shape(it)));
            let contents = contents.collect::<Vec<_>>().join("<br>");
            format!("<td><code>{}</code></td><td>{contents}</td><td>{about}</td>", escape(status))
        });
        write_table(out, "Answers", ["status", "content", ""], answers);
        let problems: Vec<String> = problems
            .into_iter()
            .map(|(status, response)| {
                let about = escape(string(response, "description"));
                format!("<li><code>{}</code> {about}</li>", escape(status))
            })
            .collect();
        if !problems.is_empty() {
            let _ =
                writeln!(out, "<h4>Problems</h4><ul class=\"problems\">{}</ul>", problems.concat());
        }
    }
}

/// Answers that say the same in the same shape, of which every operation has many.
fn is_problem(response: &Value) -> bool {
    let kinds: Vec<&String> = members(response.get("content")).map(|(kind, _)| kind).collect();
    matches!(kinds.as_slice(), [kind] if *kind == problem::MEDIA_TYPE)
}

fn write_table(
    out: &mut String,
    title: &str,
    heads: [&str; 3],
    rows: impl Iterator<Item = String>,
) {
    let rows: Vec<String> = rows.map(|row| format!("<tr>{row}</tr>\n")).collect();
    if !rows.is_empty() {
        let heads = heads.map(|head| format!("<th>{head}</th>")).concat();
        let _ = writeln!(
            out,
            "<h4>{title}</h4><table><thead><tr>{heads}</tr></thead><tbody>{}</tbody></table>",
            rows.concat()
        );
    }
}

fn row(
    name: &str,
    required: Option<&Value>,
    schema: Option<&Value>,
    note: &str,
    about: &Value,
) -> String {
    let need = if required.and_then(Value::as_bool) == Some(true) { "" } else { "optional" };
    let notes: Vec<String> =
        [note.to_owned(), need.to_owned(), escape(string(about, "description"))]
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect();
    let (name, kind) = (escape(name), schema.map(type_of).unwrap_or_default());
    format!("<td><code>{name}</code></td><td>{kind}</td><td>{}</td>", notes.join(" · "))
}

fn shape(content: &Value) -> String {
    content.get("schema").map(type_of).unwrap_or_default()
}

/// The type of a value, with links to the schemas that it names.
fn type_of(schema: &Value) -> String {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        let name = escape(name.rsplit('/').next().unwrap_or_default());
        return format!("<a href=\"#schema-{name}\">{name}</a>");
    }
    for choice in ["oneOf", "anyOf", "allOf"] {
        let types: Vec<String> = items(schema.get(choice)).map(type_of).collect();
        if !types.is_empty() {
            return types.join(if choice == "allOf" { " and " } else { " or " });
        }
    }
    let values: Vec<String> = items(schema.get("enum"))
        .map(|value| format!("<code>{}</code>", escape(&value.to_string())))
        .collect();
    if !values.is_empty() {
        return values.join(" or ");
    }
    let kinds = match schema.get("type") {
        Some(Value::Array(kinds)) => {
            kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or ")
        }
        Some(Value::String(kind)) => kind.clone(),
        _ => "any".to_owned(),
    };
    let own = members(schema.get("properties"))
        .map(|(name, it)| format!("<code>{}</code>: {}", escape(name), type_of(it)));
    let own = own.collect::<Vec<_>>().join(", ");
    let format = string(schema, "format");
    match (schema.get("items"), own.is_empty(), format.is_empty()) {
        (Some(items), ..) => format!("{} of {}", escape(&kinds), type_of(items)),
        (None, false, _) => format!("{} {{ {own} }}", escape(&kinds)),
        (None, true, false) => format!("{} ({})", escape(&kinds), escape(format)),
        (None, true, true) => escape(&kinds),
    }
}

fn write_schema(out: &mut String, schema: &Value) {
    let about = string(schema, "description");
    if !about.is_empty() {
        let _ = writeln!(out, "<p>{}</p>", escape(about));
    }
    let required: Vec<&Value> = items(schema.get("required")).collect();
    let mut rows = members(schema.get("properties"))
        .map(|(name, it)| {
            let needed = Value::from(required.iter().any(|known| *known == name));
            row(name, Some(&needed), Some(it), "", it)
        })
        .peekable();
    if rows.peek().is_some() {
        write_table(out, "Members", ["name", "type", ""], rows);
    } else {
        let _ = writeln!(out, "<p>{}</p>", type_of(schema));
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_and_schema_is_there_and_every_link_leads_somewhere() {
        let text = crate::http::document::<crate::store::SqliteStore>().unwrap();
        let document: Value = serde_json::from_str(&text).unwrap();
        let page = page(&document);
        for operation in operations(&document) {
            assert!(page.contains(&format!("<h3 id=\"{}\"", operation.id())), "{}", operation.path);
        }
        let links = page.match_indices("href=\"#").map(|(at, mark)| &page[at + mark.len()..]);
        let mut count = 0;
        for target in links.map(|rest| rest.split('"').next().unwrap()) {
            assert!(page.contains(&format!("id=\"{target}\"")), "{target}");
            count += 1;
        }
        assert!(count > 10, "{count}");
        for outside in ["http://", "https://", "<script", "<img", "<link", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
    }

    #[test]
    fn what_the_document_says_is_text() {
        let hostile = "<b>\"'&";
        let document = serde_json::json!({ "paths": { hostile: { "get": {
            "tags": [hostile], "description": hostile, "responses": { hostile: {} },
        } } }, "components": { "schemas": { hostile: { "description": hostile } } } });
        assert!(!page(&document).contains("<b>"));
    }
}
