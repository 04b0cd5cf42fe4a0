//! The parameters of the provenance gate: builders, and a source that only one repository matches.

use schemas::policy::Provenance;

use super::words::{check_list, name_trouble};
use super::{Complaints, Site};

/// The levels of SLSA's build track.
const BUILD_LEVELS: std::ops::RangeInclusive<u8> = 1..=3;

/// Longest builder or source.
const URI_BYTES_MAX: usize = 500;

pub(super) fn check(gate: &Provenance, site: &Site, complaints: &mut Complaints) {
    if gate.builders.is_empty() {
        let message = "names no builder, so nothing could pass; write for example \
                       `builders: [\"https://github.com/actions/runner\"]`";
        complaints.add(site.at("builders"), message);
    }
    check_list(&site.at("builders"), &gate.builders, complaints, |builder| {
        uri_trouble(builder).map(str::to_owned)
    });
    check_list(&site.at("refs"), &gate.refs, complaints, name_trouble);
    for (builder, level) in &gate.levels {
        if !gate.builders.contains(builder) || !BUILD_LEVELS.contains(level) {
            let message = "not the level of a listed builder; write for example \
                           `levels: { \"https://github.com/actions/runner\": 2 }`";
            complaints.add(site.at(&format!("levels.{builder}")), message);
        }
    }
    if gate.level.is_some_and(|level| !BUILD_LEVELS.contains(&level)) {
        complaints.add(site.at("level"), "no build level; write 1, 2 or 3");
    } else if gate.level.is_some() && gate.levels.is_empty() {
        let message = "no builder has a level; write them under `levels`";
        complaints.add(site.at("level"), message);
    }
    if let Some(trouble) = source_trouble(&gate.source) {
        let message =
            format!("{trouble}; write it like `git+https://github.com/acme/payments`, without `@`");
        complaints.add(site.at("source"), message);
    }
}

/// Non-ASCII letters are refused because two that look alike name different builders and sources.
fn uri_trouble(uri: &str) -> Option<&'static str> {
    if uri.is_empty() {
        return Some("an empty URI; write one or leave it out");
    }
    if uri.len() > URI_BYTES_MAX {
        return Some("longer than 500 bytes; write a shorter URI");
    }
    let plain = uri.bytes().all(|byte| byte.is_ascii_graphic());
    (!plain).then_some("holds a space or a character beyond ASCII; write it percent-encoded")
}

/// Says why a source could match a dependency that the author did not mean.
///
/// A dependency equals the source up to `@`. So a bare host would admit
/// `git+https://host@other.example/...`, where `host` is only a user name, and an `@` in the last
/// segment would pin a revision that no dependency shows before its own `@`.
fn source_trouble(source: &str) -> Option<&'static str> {
    if let Some(trouble) = uri_trouble(source) {
        return Some(trouble);
    }
    let Some((scheme, rest)) = source.split_once("://") else {
        return Some("the source has no scheme");
    };
    if !is_scheme(scheme) {
        return Some("the source starts with no scheme in lower case");
    }
    let Some((host, path)) = rest.split_once('/') else {
        return Some("the source is a bare host without a path");
    };
    let local = scheme == "file" || scheme.ends_with("+file");
    if host.is_empty() && !local {
        return Some("the source names no host");
    }
    match path.rsplit('/').next() {
        None | Some("") => Some("the source ends with `/` instead of a repository"),
        Some(last) if last.contains('@') => Some("the source holds an `@` in its last segment"),
        Some(_) => None,
    }
}

fn is_scheme(scheme: &str) -> bool {
    scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.bytes().all(|b| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.')
        })
}

#[cfg(test)]
mod tests {
    use crate::policy::document::tests::check_one as check;

    #[test]
    fn sources_name_one_repository() {
        let source = |text: &str, expected: &[(&str, &str)]| {
            check(&format!(r#"{{"provenance":{{"builders":["b"],"source":"{text}"}}}}"#), expected);
        };
        for good in [
            "git+https://github.com/acme/payments",
            "git+ssh://git@github.com/acme/payments",
            "https://npm.example/@scope/name",
            "git+file:///srv/payments",
        ] {
            source(good, &[]);
        }
        for (bad, part) in [
            ("", "empty"),
            ("github.com/acme/payments", "no scheme"),
            ("git@github.com:acme/payments", "no scheme"),
            ("://host/path", "no scheme"),
            ("GIT+HTTPS://host/path", "lower case"),
            ("git+https://github.com", "bare host"),
            ("git+https:///path", "no host"),
            ("git+https://github.com/", "ends with"),
            ("git+https://github.com/acme/", "ends with"),
            ("git+https://github.com/acme/payments@main", "`@` in its last"),
            ("git+https://github.com/a b", "space"),
            ("git+https://gíthub.com/a", "beyond ASCII"),
            (&format!("git+https://h/{}", "a".repeat(500)), "500 bytes"),
        ] {
            source(bad, &[(".source", part)]);
        }
    }

    #[test]
    fn builders_are_named() {
        let builders = |list: &str, expected: &[(&str, &str)]| {
            check(
                &format!(r#"{{"provenance":{{"builders":{list},"source":"git+https://h/p"}}}}"#),
                expected,
            );
        };
        let levels = |rest: &str, expected: &[(&str, &str)]| {
            let gate = format!(r#"{{"builders":["b"],"source":"git+https://h/p",{rest}}}"#);
            check(&format!(r#"{{"provenance":{gate}}}"#), expected);
        };
        levels(r#""levels":{"b":3},"level":2,"refs":["refs/heads/*"]"#, &[]);
        levels(r#""levels":{"b":4}"#, &[(".levels.b", "listed builder")]);
        levels(r#""levels":{"c":1}"#, &[(".levels.c", "listed builder")]);
        levels(r#""level":2"#, &[(".level", "no builder has a level")]);
        levels(r#""levels":{"b":1},"level":0"#, &[(".level", "write 1, 2 or 3")]);
        levels(r#""refs":[""]"#, &[(".refs[0]", "empty")]);
        builders("[]", &[(".builders", "no builder")]);
        builders(r#"[""]"#, &[(".builders[0]", "empty")]);
        builders(r#"["a","a"]"#, &[(".builders[1]", "twice")]);
        builders(r#"["a\n"]"#, &[(".builders[0]", "ASCII")]);
    }
}
