//! What a VEX document says of one artifact.
//!
//! A document may speak of products that are not the statement's subject. A statement about other
//! digests says nothing of this artifact; one that names no digest is about the subject, as its
//! signer says.

use std::collections::BTreeMap;

use schemas::id::Digest;
use schemas::predicate::vex::{Vex, VexProduct, VexStatement};

use crate::projection::slice::{
    ArtifactInProject, VEX_MAX, VEX_PARTS_MAX, VEX_STATEMENTS_MAX, VexFacts,
};

/// Longest name of a vulnerability or part that counts, in bytes: a cut one would be another's.
const NAME_BYTES_MAX: usize = 256;

/// What is said of each vulnerability, by every name that it goes by.
pub fn facts(vex: &Vex, artifact: &Digest) -> BTreeMap<String, Vec<VexFacts>> {
    let mut found: BTreeMap<String, Vec<VexFacts>> = BTreeMap::new();
    for statement in &vex.statements {
        let Some(parts) = parts(statement, artifact) else { continue };
        let facts = VexFacts {
            status: statement.status,
            justification: statement.justification.as_deref().map(super::bounded),
            parts,
        };
        for name in statement.vulnerability.names() {
            if (1..=NAME_BYTES_MAX).contains(&name.len()) {
                found.entry(name.to_owned()).or_default().push(facts.clone());
            }
        }
    }
    found
}

/// True where the slice stays within its limits.
pub fn has_room(known: &ArtifactInProject, vex: &Vex, artifact: &Digest) -> bool {
    let facts = facts(vex, artifact);
    let new = facts.keys().filter(|name| !known.vex.contains_key(*name));
    known.vex.len() + new.count() <= VEX_MAX && is_bounded(&facts)
}

fn is_bounded(facts: &BTreeMap<String, Vec<VexFacts>>) -> bool {
    facts.values().all(|list| {
        let few = |it: &VexFacts| it.parts.len() <= VEX_PARTS_MAX;
        list.len() <= VEX_STATEMENTS_MAX && list.iter().all(few)
    })
}

/// The parts that a statement is about, or nothing where it is about other artifacts.
fn parts(statement: &VexStatement, artifact: &Digest) -> Option<Vec<String>> {
    let ours = |product: &&VexProduct| product.names().any(|name| name.contains(artifact.hex()));
    let other = |product: &&VexProduct| product.names().any(names_a_digest);
    let products = &statement.products;
    let mine: Vec<&VexProduct> = if products.iter().any(|it| ours(&it)) {
        products.iter().filter(ours).collect()
    } else {
        let unbound: Vec<&VexProduct> = products.iter().filter(|it| !other(it)).collect();
        if unbound.is_empty() && !products.is_empty() {
            return None;
        }
        unbound
    };
    // Where one product has no parts the statement is about all of it.
    if mine.iter().any(|product| product.subcomponents().is_empty()) {
        return Some(Vec::new());
    }
    let parts = mine.iter().flat_map(|product| product.subcomponents());
    let name = |part: &VexProduct| part.names().next().map(str::to_owned);
    // A part without a usable name cannot be compared: it is kept, and matches nothing.
    let named = parts.map(|part| name(part).filter(|it| it.len() <= NAME_BYTES_MAX));
    Some(named.map(Option::unwrap_or_default).collect())
}

/// A SHA-256 by itself, or in a purl, where the colon before it is escaped.
fn names_a_digest(text: &str) -> bool {
    let text = text.replace("%3A", ":").replace("%3a", ":");
    let mut words = text.split(|c: char| !c.is_ascii_hexdigit());
    words.any(|word| word.len() == 64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::artifact;

    fn check(products: &str, expected: Option<&[&str]>) {
        let text = format!(
            r#"{{"statements":[{{"vulnerability":{{"name":"CVE-1","aliases":["GHSA-1"]}},
               "status":"not_affected","products":[{products}]}}]}}"#
        );
        let value = crate::json::parse(text.as_bytes()).unwrap();
        let vex: Vex = crate::json::read(&value).unwrap();
        let found = facts(&vex, &artifact("app"));
        assert_eq!(found.get("GHSA-1"), found.get("CVE-1"), "{products}");
        let parts = found.get("CVE-1").map(|list| list[0].parts.clone());
        let expected = expected.map(|it| it.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
        assert_eq!(parts, expected, "{products}");
    }

    #[test]
    fn a_statement_is_about_the_products_that_it_names() {
        let (app, other) = (artifact("app"), artifact("other"));
        let oci = |digest: &Digest| format!(r#"{{"@id":"pkg:oci/it@sha256%3A{}"}}"#, digest.hex());
        let with = |id: &str, parts: &str| format!(r#"{{"@id":"{id}","subcomponents":[{parts}]}}"#);
        check("", Some(&[]));
        check(r#""pkg:generic/payments""#, Some(&[]));
        check(&oci(&app), Some(&[]));
        check(&oci(&other), None);
        check(&format!("{},{}", oci(&app), oci(&other)), Some(&[]));
        check(&format!(r#"{{"hashes":{{"sha-256":"{}"}}}}"#, other.hex()), None);
        check(&format!(r#"{{"hashes":{{"sha-256":"{}"}}}}"#, app.hex()), Some(&[]));
        check(&with("pkg:x/y", r#"{"@id":"pkg:deb/zlib@1.3"}"#), Some(&["pkg:deb/zlib@1.3"]));
        check(&with("pkg:x/y", "{}"), Some(&[""]));
        check(&format!("{},{}", with("pkg:x/y", "{}"), r#""pkg:x/z""#), Some(&[]));
        // What is said of another's parts is not said of ours.
        let others = with(&format!("pkg:oci/it@sha256:{}", other.hex()), r#"{"@id":"pkg:a/b"}"#);
        check(&others, None);
    }
}
