//! CycloneDX JSON, 1.2 to 1.7: a bill of materials, recorded as it is.
//!
//! Light checks of structure, no schema: `bomFormat`, `specVersion`, and that every component,
//! nested ones included, has a type and a name; without these its counts mean nothing. Unknown
//! component types, malformed hashes, serial numbers, timestamps and dependencies without `ref`
//! are warned of, for real tools write them. Not looked at: licences, citations, services,
//! signatures, compositions, vulnerabilities, whether references lead anywhere, and whether list
//! items are unique. A document that passes here may fail CycloneDX's own schema.

use schemas::id::{Digest, DigestAlgorithm, Time};
use schemas::predicate::report::Tool;
use schemas::predicate::sbom;
use verifier::json::Value;

use super::document::{list, shape, text};
use super::error::shown;
use super::warnings::Warnings;
use super::{AdapterError, Body, Reading, count};

/// The versions that are read, with the format that the report note keeps.
const VERSIONS: [(&str, &str, &str); 6] = [
    ("1.2", "cyclonedx-1.2", "CycloneDX 1.2"),
    ("1.3", "cyclonedx-1.3", "CycloneDX 1.3"),
    ("1.4", "cyclonedx-1.4", "CycloneDX 1.4"),
    ("1.5", "cyclonedx-1.5", "CycloneDX 1.5"),
    ("1.6", "cyclonedx-1.6", "CycloneDX 1.6"),
    ("1.7", "cyclonedx-1.7", "CycloneDX 1.7"),
];

const COMPONENT_TYPES: [&str; 13] = [
    "application",
    "framework",
    "library",
    "container",
    "platform",
    "operating-system",
    "device",
    "device-driver",
    "firmware",
    "file",
    "machine-learning-model",
    "data",
    "cryptographic-asset",
];

const HASH_ALGORITHMS: [&str; 14] = [
    "MD5",
    "SHA-1",
    "SHA-256",
    "SHA-384",
    "SHA-512",
    "SHA3-256",
    "SHA3-384",
    "SHA3-512",
    "BLAKE2b-256",
    "BLAKE2b-384",
    "BLAKE2b-512",
    "BLAKE3",
    "Streebog-256",
    "Streebog-512",
];

/// Reads the document.
pub fn read(bom: &Value<'_>, warnings: Warnings) -> Result<Reading, AdapterError> {
    let word = |name: &str| match bom.get(name) {
        Some(Value::String(word)) => Ok(word.as_ref()),
        other => Err(shape(name.to_owned(), "a text", other.unwrap_or(&Value::Null))),
    };
    if word("bomFormat")? != "CycloneDX" {
        return Err(AdapterError::CycloneDxFormat { found: shown(word("bomFormat")?) });
    }
    let found = word("specVersion")?;
    let &(version, format, format_name) = VERSIONS
        .iter()
        .find(|(version, _, _)| *version == found)
        .ok_or_else(|| AdapterError::CycloneDxVersion { found: shown(found) })?;
    let mut walk = Walk { warnings, components: 0 };
    walk.components(bom, "")?;
    if let Some(component) = bom.find(&["metadata", "component"]) {
        walk.component(component, "metadata.component.")?;
        walk.components -= 1;
    }
    let finished_at = walk.document(bom)?;
    let named = named(bom);
    let lists = ["services", "dependencies", "vulnerabilities"];
    let lists: Result<Vec<_>, AdapterError> =
        lists.iter().map(|name| Ok(count(name, list(bom, name, "")?.len()))).collect();
    let components = [count("components", walk.components)];
    let plural = if walk.components == 1 { "" } else { "s" };
    Ok(Reading {
        format,
        format_name,
        body: Body::Sbom { predicate_type: sbom::TYPE, version },
        named_where: (!named.is_empty()).then_some("hashes or purl of metadata.component"),
        named,
        tool: tool(bom),
        counts: lists?.into_iter().chain(components).collect(),
        finished_at,
        summary: format!("{} component{plural}", walk.components),
        warnings: walk.warnings.into_lines(),
    })
}

/// The walk over all components; the reader of JSON has bounded its depth.
struct Walk {
    warnings: Warnings,
    components: usize,
}

impl Walk {
    fn components(&mut self, parent: &Value<'_>, at: &str) -> Result<(), AdapterError> {
        for (position, component) in list(parent, "components", at)?.iter().enumerate() {
            self.component(component, &format!("{at}components[{position}]."))?;
        }
        Ok(())
    }

    fn component(&mut self, component: &Value<'_>, at: &str) -> Result<(), AdapterError> {
        self.components += 1;
        for name in ["type", "name"] {
            match component.get(name) {
                Some(Value::String(_)) => {}
                other => {
                    let other = other.unwrap_or(&Value::Null);
                    return Err(shape(format!("{at}{name}"), "a text", other));
                }
            }
        }
        let kind = text(component, "type").unwrap_or_default();
        if !COMPONENT_TYPES.contains(&kind) {
            self.warnings.push(format!("{at}type is {:?}, not of CycloneDX", shown(kind)));
        }
        for hash in list(component, "hashes", at)? {
            if !is_hash(hash) {
                self.warnings.push(format!("{at}hashes holds one that is malformed"));
            }
        }
        self.components(component, at)
    }

    /// Checks what stands beside the components; returns when the document was made.
    fn document(&mut self, bom: &Value<'_>) -> Result<Option<Time>, AdapterError> {
        if self.components == 0 {
            self.warnings.push("the document lists no component");
        }
        if bom.get("serialNumber").is_some_and(|number| !number.as_str().is_some_and(is_serial)) {
            self.warnings.push("serialNumber is no urn:uuid");
        }
        let lost = list(bom, "dependencies", "")?.iter().filter(|it| text(it, "ref").is_none());
        self.warnings.push_count(
            lost.count() as u64,
            "dependency has no ref",
            "dependencies have no ref",
        );
        let Some(stamp) = bom.find(&["metadata", "timestamp"]) else {
            return Ok(None);
        };
        let made_at = stamp.as_str().and_then(Time::parse_rfc3339);
        if made_at.is_none() {
            self.warnings.push("metadata.timestamp is no time");
        }
        Ok(made_at)
    }
}

fn is_hash(hash: &Value<'_>) -> bool {
    let content = text(hash, "content").unwrap_or_default();
    let known = text(hash, "alg").is_some_and(|name| HASH_ALGORITHMS.contains(&name));
    known
        && [32, 40, 64, 96, 128].contains(&content.len())
        && content.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// True for `urn:uuid:` and a UUID in lower or upper case.
fn is_serial(text: &str) -> bool {
    let Some(uuid) = text.strip_prefix("urn:uuid:") else {
        return false;
    };
    let parts: Vec<&str> = uuid.split('-').collect();
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
        && parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The program that wrote the document: the first of `metadata.tools`, in its older form (a list)
/// or its newer one (components).
fn tool(bom: &Value<'_>) -> Option<Tool> {
    let tools = bom.find(&["metadata", "tools"])?;
    let first = tools.as_array().or_else(|| tools.get("components")?.as_array())?.first()?;
    let name = shown(text(first, "name")?);
    Some(Tool { name, version: text(first, "version").map(shown) })
}

/// The digests by which the document names what it is about: the hashes of `metadata.component`,
/// and the digest in its purl or bom-ref (`pkg:oci/app@sha256%3A…`), as image scanners write it.
fn named(bom: &Value<'_>) -> Vec<Digest> {
    let Some(component) = bom.find(&["metadata", "component"]) else {
        return Vec::new();
    };
    let hashes = component.get("hashes").and_then(Value::as_array).unwrap_or_default();
    let by_hash = hashes.iter().filter_map(|hash| {
        let algorithm = match text(hash, "alg")? {
            "SHA-256" => DigestAlgorithm::Sha256,
            "SHA-384" => DigestAlgorithm::Sha384,
            "SHA-512" => DigestAlgorithm::Sha512,
            _ => return None,
        };
        Digest::new(algorithm, &text(hash, "content")?.to_ascii_lowercase()).ok()
    });
    let references = ["purl", "bom-ref"].into_iter().filter_map(|name| text(component, name));
    let mut named: Vec<Digest> = by_hash.chain(references.filter_map(digest_in)).collect();
    named.sort();
    named.dedup();
    named
}

/// The digest that is the version of a package URL.
fn digest_in(purl: &str) -> Option<Digest> {
    let path = purl.strip_prefix("pkg:")?.split(['?', '#']).next()?;
    let (_, version) = path.rsplit_once('@')?;
    version.replace("%3A", ":").replace("%3a", ":").parse().ok()
}

#[cfg(test)]
mod tests {
    use schemas::kind::EventKind;

    use super::*;
    use crate::adapter::read;

    /// Expects the summary and the number of warnings, or the code of the refusal.
    fn check(members: &str, expected: &str, warned: usize) {
        let bom = format!(r#"{{"bomFormat":"CycloneDX","specVersion":"1.6"{members}}}"#);
        let (found, warnings) = match read(bom.as_bytes(), EventKind::Sbom) {
            Ok(reading) => (reading.summary, reading.warnings),
            Err(error) => (error.code().to_owned(), Vec::new()),
        };
        assert_eq!((found.as_str(), warnings.len()), (expected, warned), "{members} {warnings:?}");
    }

    #[test]
    fn components_are_counted_at_every_depth() {
        let library = r#""type":"library","name":"a""#;
        check("", "0 components", 1);
        check(&format!(r#","components":[{{{library}}}]"#), "1 component", 0);
        let nested = format!(r#"{{{library},"components":[{{{library}}},{{{library}}}]}}"#);
        check(&format!(r#","components":[{nested},{nested}]"#), "6 components", 0);
        check(&format!(r#","metadata":{{"component":{nested}}}"#), "2 components", 0);
    }

    #[test]
    fn structure() {
        check(r#","components":{}"#, "report-shape", 0);
        check(r#","components":[1]"#, "report-shape", 0);
        check(r#","components":[{"type":"library"}]"#, "report-shape", 0);
        check(r#","components":[{"name":"a"}]"#, "report-shape", 0);
        check(r#","components":[{"name":"a","type":"foo"}]"#, "1 component", 1);
        check(
            r#","serialNumber":"urn:uuid:1","metadata":{"timestamp":"2020-04-13"}"#,
            "0 components",
            3,
        );
        check(r#","dependencies":[{"ref":"a"},{"ref":""},{}]"#, "0 components", 2);
        for (bom, code) in [
            (r#"{"bomFormat":"CDX","specVersion":"1.6"}"#, "cyclonedx-format"),
            (r#"{"bomFormat":"CycloneDX","specVersion":"1.1"}"#, "cyclonedx-version"),
            (r#"{"bomFormat":"CycloneDX","specVersion":1.6}"#, "report-shape"),
            (r#"{"bomFormat":"CycloneDX"}"#, "report-shape"),
            (r#"{"bomFormat":null,"specVersion":"1.6"}"#, "report-shape"),
            ("\u{feff}{\"bomFormat\":\"CycloneDX\"}", "json-byte-order-mark"),
        ] {
            assert_eq!(read(bom.as_bytes(), EventKind::Sbom).unwrap_err().code(), code, "{bom}");
        }
    }

    #[test]
    fn the_main_component_names_the_artifact() {
        let hex = "AB".repeat(32);
        let bom = format!(
            r#"{{"bomFormat":"CycloneDX","specVersion":"1.5","metadata":{{"component":{{
                "type":"container","name":"a","bom-ref":"pkg:oci/a@sha256:{low}?arch=amd64",
                "purl":"pkg:oci/a@sha256%3A{other}","hashes":[
                    {{"alg":"SHA-256","content":"{hex}"}},{{"alg":"MD5","content":"00"}},
                    {{"alg":"SHA-512","content":"abc"}}]}}}}}}"#,
            low = hex.to_ascii_lowercase(),
            other = "cd".repeat(32),
        );
        let reading = read(bom.as_bytes(), EventKind::Sbom).unwrap();
        let named: Vec<String> = reading.named.iter().map(Digest::short).collect();
        assert_eq!(named, ["sha256:abababab", "sha256:cdcdcdcd"]);
    }
}
