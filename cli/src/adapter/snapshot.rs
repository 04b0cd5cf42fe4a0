//! What runs, as somebody has looked: a Kubernetes pod list, `docker ps`, or our own open format.
//!
//! A look that leaves out what it could not tell would pass for a whole one: a container that runs
//! without a digest is refused and never passed over.

use std::collections::BTreeMap;

use schemas::id::{Digest, DigestAlgorithm, Time};
use schemas::predicate::observation::{ARTIFACTS_MAX, Observed};
use verifier::json::{self, Value};

use super::document::{list, shape, text};
use super::error::shown;
use super::{AdapterError, REPORT_BYTES_MAX, without_mark};

/// What somebody has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub format: &'static str,
    pub format_name: &'static str,
    /// Who looked, where the file tells it.
    pub source: String,
    pub taken_at: Option<Time>,
    pub artifacts: Vec<Observed>,
}

/// Reads a snapshot in any of the formats.
pub fn read(bytes: &[u8]) -> Result<Snapshot, AdapterError> {
    if bytes.len() > REPORT_BYTES_MAX {
        return Err(AdapterError::TooLarge { bytes: bytes.len() });
    }
    let bytes = without_mark(bytes).unwrap_or(bytes).trim_ascii();
    if bytes.is_empty() {
        return Err(AdapterError::NoContent);
    }
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    // One object on each line, or one in all.
    if let Ok(line) = json::parse(first)
        && line.get("Image").is_some()
        && line.get("ID").is_some()
    {
        return docker(bytes);
    }
    let root = json::parse(bytes)?;
    if root.as_object().is_none() {
        return Err(AdapterError::NotAnObject { found: root.kind() });
    }
    match root.get("items") {
        Some(_) => kubernetes(&root),
        None => open(&root),
    }
}

/// Counts what runs by digest.
#[derive(Default)]
struct Seen(BTreeMap<Digest, Observed>);

impl Seen {
    fn add(&mut self, digest: Digest, name: Option<&str>, tag: Option<&str>) {
        let short = |text: &str| (1..=200).contains(&text.len()).then(|| text.to_owned());
        let observed = self.0.entry(digest.clone()).or_insert_with(|| Observed {
            digest,
            name: name.and_then(short),
            tag: tag.and_then(short),
            instances: 0,
        });
        observed.instances += 1;
    }

    fn finish(self) -> Result<Vec<Observed>, AdapterError> {
        match self.0.len() <= ARTIFACTS_MAX {
            true => Ok(self.0.into_values().collect()),
            false => Err(AdapterError::TooManyArtifacts { found: self.0.len() }),
        }
    }
}

/// `kubectl get pods -o json`: the containers that run.
fn kubernetes(root: &Value<'_>) -> Result<Snapshot, AdapterError> {
    let mut seen = Seen::default();
    for (nth, pod) in list(root, "items", "")?.iter().enumerate() {
        let status = pod.get("status").unwrap_or(&Value::Null);
        for name in ["containerStatuses", "ephemeralContainerStatuses", "initContainerStatuses"] {
            let at = format!("items[{nth}].status.");
            for container in list(status, name, &at)? {
                let runs = container.get("state").and_then(|state| state.get("running")).is_some();
                if runs {
                    let id = text(container, "imageID").unwrap_or_default();
                    let image = text(container, "image").unwrap_or_default();
                    let (name, digest) = pinned(id).ok_or_else(|| unpinned(container, "name"))?;
                    seen.add(digest, name.or(Some(name_of(image))), tag_of(image));
                }
            }
        }
    }
    Ok(Snapshot {
        format: "kubernetes-pods",
        format_name: "Kubernetes",
        source: "kubernetes".to_owned(),
        taken_at: None,
        artifacts: seen.finish()?,
    })
}

/// `docker ps --no-trunc --format json`: one object on each line.
fn docker(bytes: &[u8]) -> Result<Snapshot, AdapterError> {
    let mut seen = Seen::default();
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        let container = json::parse(line)?;
        if text(&container, "State").is_none_or(|state| state == "running") {
            let image = text(&container, "Image").unwrap_or_default();
            let (name, digest) = pinned(image).ok_or_else(|| unpinned(&container, "Names"))?;
            seen.add(digest, name.map(name_of), name.and_then(tag_of));
        }
    }
    Ok(Snapshot {
        format: "docker-ps",
        format_name: "Docker",
        source: "docker".to_owned(),
        taken_at: None,
        artifacts: seen.finish()?,
    })
}

/// Our own format: the fields of an observation that somebody else can know.
fn open(root: &Value<'_>) -> Result<Snapshot, AdapterError> {
    let known = ["takenAt", "source", "artifacts"];
    let mut members = root.as_object().unwrap_or_default().iter();
    if let Some((name, value)) = members.find(|(name, _)| !known.contains(&name.as_ref())) {
        return Err(shape(shown(name), "no such member", value));
    }
    if root.get("artifacts").is_none() {
        return Err(AdapterError::SnapshotUnknown);
    }
    let taken_at = match root.get("takenAt") {
        None => None,
        Some(found) => {
            let time = found.as_str().and_then(Time::parse_rfc3339);
            Some(time.ok_or_else(|| shape("takenAt".to_owned(), "a time", found))?)
        }
    };
    let mut artifacts = Vec::new();
    for (nth, artifact) in list(root, "artifacts", "")?.iter().enumerate() {
        let observed: Observed = json::read(artifact).map_err(|cause| AdapterError::Shape {
            at: format!("artifacts[{nth}].{}", shown(&cause.path)),
            expected: "what a snapshot says",
            found: shown(&cause.message),
        })?;
        artifacts.push(observed);
    }
    Ok(Snapshot {
        format: "attestry-snapshot",
        format_name: "snapshot",
        source: text(root, "source").unwrap_or("snapshot").to_owned(),
        taken_at,
        artifacts,
    })
}

/// `docker-pullable://name:tag@sha256:…`, `name@sha256:…`, or the digest alone.
fn pinned(text: &str) -> Option<(Option<&str>, Digest)> {
    let text = text.rsplit_once("://").map_or(text, |(_, rest)| rest);
    let (name, digest) = match text.split_once('@') {
        Some((name, digest)) => (Some(name), digest),
        None => (None, text),
    };
    let hex = digest.strip_prefix("sha256:")?;
    Some((name, Digest::new(DigestAlgorithm::Sha256, hex).ok()?))
}

fn unpinned(container: &Value<'_>, name: &str) -> AdapterError {
    AdapterError::NoDigest { container: shown(text(container, name).unwrap_or("a container")) }
}

/// The image without its tag and digest.
fn name_of(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or_default();
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => image,
    }
}

/// The tag by which an image was named; a port is none.
fn tag_of(image: &str) -> Option<&str> {
    let image = image.split('@').next()?;
    let (_, tag) = image.rsplit_once(':')?;
    (!tag.contains('/') && !tag.is_empty() && !image.starts_with("sha256:")).then_some(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let found = match read(text.as_bytes()) {
            Ok(it) => {
                let of = |it: &Observed| {
                    let (name, tag) = (it.name.as_deref(), it.tag.as_deref());
                    format!("{}x{} {name:?} {tag:?}", it.instances, &it.digest.hex()[..2])
                };
                let seen: Vec<String> = it.artifacts.iter().map(of).collect();
                format!("{}: {}", it.format, seen.join("; "))
            }
            Err(error) => error.code().to_owned(),
        };
        assert_eq!(found, expected, "{text}");
    }

    /// A container as `kubectl get pods -o json` prints it, cut to what is read.
    fn container(image: &str, id: &str, state: &str) -> String {
        format!(r#"{{"name":"app","image":"{image}","imageID":"{id}","state":{{"{state}":{{}}}}}}"#)
    }

    fn pods(containers: &[String]) -> String {
        let pod = |it: &String| format!(r#"{{"status":{{"containerStatuses":[{it}]}}}}"#);
        let pods: Vec<String> = containers.iter().map(pod).collect();
        format!(r#"{{"kind":"List","items":[{}]}}"#, pods.join(","))
    }

    #[test]
    fn pods_are_counted_by_the_digest_that_runs() {
        let (a, b) = ("aa".repeat(32), "bb".repeat(32));
        let pinned = format!("docker-pullable://r.example:5000/app@sha256:{a}");
        let one = container("r.example:5000/app:1.4.2", &pinned, "running");
        let expected = r#"Some("r.example:5000/app") Some("1.4.2")"#;
        check(&pods(&[one.clone(), one.clone()]), &format!("kubernetes-pods: 2xaa {expected}"));
        let bare = container("r.example:5000/app", &format!("sha256:{b}"), "running");
        let both =
            format!(r#"kubernetes-pods: 1xaa {expected}; 1xbb Some("r.example:5000/app") None"#);
        check(&pods(&[one.clone(), bare]), &both);
        let waits = container("app:1", "", "waiting");
        check(&pods(&[one, waits]), &format!("kubernetes-pods: 1xaa {expected}"));
        check(&pods(&[]), "kubernetes-pods: ");
        check(&pods(&[container("app:1", "", "running")]), "no-digest");
        check(&pods(&[container("app:1", "docker://sha256:ab", "running")]), "no-digest");
        check(r#"{"items":{}}"#, "report-shape");
    }

    #[test]
    fn containers_of_docker_are_lines() {
        let a = "aa".repeat(32);
        let line = |image: &str, state: &str| {
            format!(r#"{{"ID":"1","Image":"{image}","Names":"app-1","State":"{state}"}}"#)
        };
        let image = format!("app:1.4.2@sha256:{a}");
        let two = format!("{}\n{}\n", line(&image, "running"), line(&image, "running"));
        check(&two, r#"docker-ps: 2xaa Some("app") Some("1.4.2")"#);
        check(&line(&format!("sha256:{a}"), "running"), "docker-ps: 1xaa None None");
        check(&line("app:1.4.2", "running"), "no-digest");
        check(&line("app:1.4.2", "exited"), "docker-ps: ");
        check(&format!("{}\n{{", line(&image, "running")), "json-malformed");
    }

    #[test]
    fn the_open_format_is_read_strictly() {
        let a = format!("sha256:{}", "aa".repeat(32));
        let one = format!(r#"{{"digest":"{a}","tag":"1","instances":2}}"#);
        let text = format!(r#"{{"takenAt":"2026-11-20T22:00:00Z","artifacts":[{one}]}}"#);
        check(&text, r#"attestry-snapshot: 2xaa None Some("1")"#);
        check(r#"{"artifacts":[]}"#, "attestry-snapshot: ");
        check(r#"{"artifacts":[{}]}"#, "report-shape");
        check(r#"{"artifacts":[],"pods":1}"#, "report-shape");
        check(r#"{"takenAt":"noon","artifacts":[]}"#, "report-shape");
        check(r#"{"source":"x"}"#, "snapshot-unknown");
        check("[]", "json-not-an-object");
        check("", "report-empty");
        check("nothing", "json-malformed");
    }

    #[test]
    fn so_many_artifacts_are_seen() {
        let containers: Vec<String> = (0..1025)
            .map(|number| container("a", &format!("sha256:{number:064x}"), "running"))
            .collect();
        check(&pods(&containers), "too-many-artifacts");
    }
}
