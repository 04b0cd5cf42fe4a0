//! What a bill of materials says by itself: whose digest it names, and its components' licences.
//!
//! Read leniently, as the field's documents are, from CycloneDX and SPDX 2 as JSON. What cannot be
//! read is counted as unlicensed, never passed over. (SPDX 3 is a graph of another shape: of it
//! only its presence is known.)

use std::collections::BTreeMap;

use schemas::id::Digest;
use schemas::policy::SbomFormat;
use schemas::predicate::sbom;

use crate::json::Value;
use crate::projection::evidence::bounded;
use crate::projection::slice::{BillFacts, Covers, LICENCES_MAX, LicenceUse};

/// Longest spelling of a licence that is kept, in bytes.
const LICENCE_BYTES_MAX: usize = 1000;
/// Most digests of what a document is about that are looked at.
const NAMED_MAX: usize = 64;

/// A document as it was read; what it covers depends on the artifact that one asks about.
#[derive(Debug, Clone)]
pub struct Bill {
    format: SbomFormat,
    /// The SHA-256 of what it is about, in hex.
    named: Vec<String>,
    components: u64,
    unlicensed: u64,
    licences: BTreeMap<String, (u64, Option<String>)>,
    truncated: bool,
}

impl Bill {
    /// Reads a document of one of the predicate types that are documents.
    pub fn of(predicate_type: &str, document: &Value) -> Bill {
        let spdx = predicate_type.starts_with(sbom::TYPE_SPDX);
        let format = if spdx { SbomFormat::Spdx } else { SbomFormat::Cyclonedx };
        let mut bill = Bill {
            format,
            named: Vec::new(),
            components: 0,
            unlicensed: 0,
            licences: BTreeMap::new(),
            truncated: false,
        };
        if spdx {
            bill.read_spdx(document)
        } else {
            bill.read_cyclonedx(document)
        }
        bill
    }

    /// The facts that a slice keeps about this artifact.
    pub fn facts(&self, artifact: &Digest) -> BillFacts {
        let covers = match self.named.iter().any(|hex| hex == artifact.hex()) {
            true => Covers::Named,
            false if self.named.is_empty() => Covers::Unnamed,
            false => Covers::Other,
        };
        let licences = self.licences.iter().map(|(licence, (components, example))| LicenceUse {
            licence: licence.clone(),
            components: *components,
            example: example.clone(),
        });
        BillFacts {
            format: self.format,
            covers,
            components: self.components,
            unlicensed: self.unlicensed,
            licences: licences.collect(),
            truncated: self.truncated,
        }
    }

    fn read_cyclonedx(&mut self, document: &Value) {
        if let Some(about) = document.find(&["metadata", "component"]) {
            for hash in list(about, "hashes") {
                if hash.get("alg").and_then(Value::as_str) == Some("SHA-256") {
                    self.name(hash.get("content"));
                }
            }
            let purl = about.get("purl").and_then(Value::as_str).unwrap_or_default();
            for mark in ["@sha256:", "@sha256%3A", "@sha256%3a"] {
                if let Some((_, rest)) = purl.split_once(mark) {
                    self.name_text(rest.split(['?', '#']).next().unwrap_or(rest));
                }
            }
        }
        self.cyclonedx_components(list(document, "components"));
    }

    /// Components hold components; the depth is that of the document, which is bounded.
    fn cyclonedx_components(&mut self, components: &[Value]) {
        for component in components {
            let kind = component.get("type").and_then(Value::as_str);
            // What only holds others has no licence of its own.
            if !matches!(kind, Some("operating-system" | "file")) {
                let licences: Option<Vec<&str>> =
                    list(component, "licenses").iter().map(cyclonedx_licence).collect();
                let licences = licences.filter(|it| !it.is_empty()).map(|it| conjunction(&it));
                self.component(component.get("name"), licences);
            }
            self.cyclonedx_components(list(component, "components"));
        }
    }

    fn read_spdx(&mut self, document: &Value) {
        let described: Vec<&str> = described(document);
        for package in list(document, "packages") {
            let id = package.get("SPDXID").and_then(Value::as_str).unwrap_or_default();
            if described.contains(&id) {
                for checksum in list(package, "checksums") {
                    if checksum.get("algorithm").and_then(Value::as_str) == Some("SHA256") {
                        self.name(checksum.get("checksumValue"));
                    }
                }
                continue;
            }
            let stated = ["licenseConcluded", "licenseDeclared"].iter().find_map(|member| {
                let text = package.get(member)?.as_str()?;
                (!matches!(text, "NOASSERTION" | "NONE" | "")).then(|| text.to_owned())
            });
            self.component(package.get("name"), stated);
        }
    }

    fn component(&mut self, name: Option<&Value>, licence: Option<String>) {
        self.components += 1;
        let Some(licence) = licence else {
            self.unlicensed += 1;
            return;
        };
        let room = self.licences.len() < LICENCES_MAX || self.licences.contains_key(&licence);
        if !room || licence.len() > LICENCE_BYTES_MAX {
            self.truncated = true;
            return;
        }
        let example = || name.and_then(Value::as_str).map(bounded);
        self.licences.entry(licence).or_insert_with(|| (0, example())).0 += 1;
    }

    fn name(&mut self, hex: Option<&Value>) {
        if let Some(hex) = hex.and_then(Value::as_str) {
            self.name_text(hex);
        }
    }

    fn name_text(&mut self, hex: &str) {
        let hex = hex.to_ascii_lowercase();
        let whole = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        if whole && self.named.len() < NAMED_MAX && !self.named.contains(&hex) {
            self.named.push(hex);
        }
    }
}

fn list<'v, 'a>(value: &'v Value<'a>, member: &str) -> &'v [Value<'a>] {
    value.get(member).and_then(Value::as_array).unwrap_or_default()
}

/// One member of `licenses`: an expression, or a licence by id or by name.
fn cyclonedx_licence<'v>(choice: &'v Value) -> Option<&'v str> {
    let text = |value: &'v Value, member| value.get(member).and_then(Value::as_str);
    text(choice, "expression").or_else(|| {
        let licence = choice.get("license")?;
        text(licence, "id").or_else(|| text(licence, "name"))
    })
}

/// Several licences of one component: all of them hold.
fn conjunction(licences: &[&str]) -> String {
    match licences {
        [one] => (*one).to_owned(),
        several => several.iter().map(|it| format!("({it})")).collect::<Vec<_>>().join(" AND "),
    }
}

/// The packages that an SPDX document is about.
fn described<'v>(document: &'v Value) -> Vec<&'v str> {
    let ids = list(document, "documentDescribes").iter().filter_map(Value::as_str);
    let text = |value: &'v Value, member| value.get(member).and_then(Value::as_str);
    let related = list(document, "relationships").iter().filter_map(|it| {
        let from = text(it, "spdxElementId")?;
        let describes = text(it, "relationshipType")? == "DESCRIBES";
        (describes && from == "SPDXRef-DOCUMENT").then(|| text(it, "relatedSpdxElement"))?
    });
    ids.chain(related).take(NAMED_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::artifact;
    use crate::json;

    const SPDX: &str = "https://spdx.dev/Document/v2.3";

    /// Components, unlicensed and licences of a document about `app`.
    fn read(predicate_type: &str, text: &str) -> BillFacts {
        let value = json::parse(text.as_bytes()).unwrap();
        Bill::of(predicate_type, &value).facts(&artifact("app"))
    }

    fn licences(facts: &BillFacts) -> Vec<(&str, u64)> {
        facts.licences.iter().map(|it| (it.licence.as_str(), it.components)).collect()
    }

    #[test]
    fn cyclonedx_names_licences_in_three_ways() {
        let facts = read(
            sbom::TYPE,
            r#"{"components":[
                {"name":"a","licenses":[{"license":{"id":"MIT"}}]},
                {"name":"b","licenses":[{"expression":"MIT OR Apache-2.0"}],"components":[
                    {"name":"c","licenses":[{"license":{"id":"MIT"}},{"license":{"name":"Own"}}]}]},
                {"name":"d"},{"name":"e","licenses":[{}]},
                {"type":"operating-system","name":"debian"}]}"#,
        );
        assert_eq!((facts.components, facts.unlicensed), (5, 2));
        let expected = [("(MIT) AND (Own)", 1), ("MIT", 1), ("MIT OR Apache-2.0", 1)];
        assert_eq!(licences(&facts), expected);
        assert_eq!(facts.licences[1].example.as_deref(), Some("a"));
        assert_eq!(facts.covers, Covers::Unnamed);
    }

    #[test]
    fn spdx_names_what_it_describes() {
        let package = |id: &str, rest: &str| format!(r#"{{"SPDXID":"{id}","name":"{id}"{rest}}}"#);
        let hex = artifact("app");
        let checksum = format!(
            r#","checksums":[{{"algorithm":"SHA256","checksumValue":"{}"}}]"#,
            hex.hex().to_ascii_uppercase()
        );
        let packages = [
            package("root", &checksum),
            package("a", r#","licenseConcluded":"NOASSERTION","licenseDeclared":"MIT""#),
            package("b", r#","licenseConcluded":"NONE""#),
        ]
        .join(",");
        let by = |about: &str| read(SPDX, &format!(r#"{{"packages":[{packages}],{about}}}"#));
        let related = r#""relationships":[{"spdxElementId":"SPDXRef-DOCUMENT",
            "relationshipType":"DESCRIBES","relatedSpdxElement":"root"}]"#;
        for about in [r#""documentDescribes":["root"]"#, related] {
            let facts = by(about);
            assert_eq!((facts.components, facts.unlicensed), (2, 1));
            assert_eq!(licences(&facts), [("MIT", 1)]);
            assert_eq!(facts.covers, Covers::Named);
        }
        assert_eq!(by(r#""documentDescribes":["b"]"#).covers, Covers::Unnamed);
    }

    #[test]
    fn another_artifact_is_told_from_none() {
        let about = |what: &str| {
            let text = format!(r#"{{"metadata":{{"component":{{{what}}}}}}}"#);
            read(sbom::TYPE, &text).covers
        };
        let hash = |hex: &str| format!(r#""hashes":[{{"alg":"SHA-256","content":"{hex}"}}]"#);
        let (app, other) = (artifact("app"), artifact("other"));
        assert_eq!(about(&hash(app.hex())), Covers::Named);
        assert_eq!(about(&hash(other.hex())), Covers::Other);
        assert_eq!(about(&hash("1234")), Covers::Unnamed);
        assert_eq!(
            about(&format!(r#""purl":"pkg:oci/a@sha256%3A{}?x=y""#, app.hex())),
            Covers::Named
        );
        assert_eq!(about(&format!(r#""purl":"pkg:oci/a@sha256:{}""#, other.hex())), Covers::Other);
    }

    #[test]
    fn a_slice_stays_bounded() {
        let many: Vec<String> = (0..300)
            .map(|n| format!(r#"{{"licenses":[{{"license":{{"name":"L{n}"}}}}]}}"#))
            .collect();
        let facts = read(sbom::TYPE, &format!(r#"{{"components":[{}]}}"#, many.join(",")));
        assert_eq!((facts.components, facts.licences.len(), facts.truncated), (300, 256, true));
        let long = format!(r#"{{"licenses":[{{"expression":"{}"}}]}}"#, "x".repeat(1001));
        assert!(read(sbom::TYPE, &format!(r#"{{"components":[{long}]}}"#)).truncated);
        for odd in ["{}", "[]", r#"{"components":{}}"#, r#"{"components":[1,"a",null]}"#] {
            assert!(!read(sbom::TYPE, odd).truncated && !read(SPDX, odd).truncated);
        }
    }
}
