//! The bag (BagIt, RFC 8493): which files a pack has, and their digests.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use schemas::id::{EnvironmentName, Hash, Origin, Project, Time, TreeSize};
use schemas::report::{Code, Finding};

use crate::merkle;

pub const BAGIT: &str = "bagit.txt";
pub const BAG_INFO: &str = "bag-info.txt";
pub const MANIFEST: &str = "manifest-sha256.txt";
pub const TAG_MANIFEST: &str = "tagmanifest-sha256.txt";
pub const README: &str = "README.txt";

/// The one folder of the archive that holds everything.
pub const FOLDER: &str = "attestry-pack";

/// The format of packs that this verifier has.
pub const PACK_VERSION: &str = "attestry/pack/v1";

const BAGIT_TEXT: &str = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";

/// The files of a pack by their path below the folder.
pub type Files = BTreeMap<String, Vec<u8>>;

/// What a pack is about, as `bag-info.txt` says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    pub origin: Origin,
    pub project: Project,
    pub environment: EnvironmentName,
    pub from: Time,
    pub to: Time,
    /// Closing tree size.
    pub size: TreeSize,
    pub framework: Option<String>,
}

impl Scope {
    pub fn environment(&self) -> schemas::id::Environment {
        let (project, name) = (self.project.clone(), self.environment.clone());
        schemas::id::Environment { project, name }
    }

    pub fn holds(&self, time: Time) -> bool {
        self.from <= time && time < self.to
    }

    fn format(&self, payload: &Files) -> String {
        let octets: usize = payload.values().map(Vec::len).sum();
        let mut text = String::new();
        let framework =
            self.framework.as_deref().map(|name| ("Attestry-Framework", name.to_owned()));
        let lines = [
            ("Attestry-Pack", PACK_VERSION.to_owned()),
            ("Attestry-Origin", self.origin.to_string()),
            ("Attestry-Environment", self.environment().to_string()),
            ("Attestry-From", self.from.to_string()),
            ("Attestry-To", self.to.to_string()),
            ("Attestry-Size", self.size.to_string()),
        ];
        let oxum = [("Payload-Oxum", format!("{octets}.{}", payload.len()))];
        for (name, value) in lines.into_iter().chain(framework).chain(oxum) {
            let _ = writeln!(text, "{name}: {value}");
        }
        text
    }

    /// Reads the one spelling that `format` writes.
    fn parse(text: &str, payload: &Files) -> Option<Scope> {
        let value =
            |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let environment: schemas::id::Environment = value("Attestry-Environment")?.parse().ok()?;
        let scope = Scope {
            origin: value("Attestry-Origin")?.parse().ok()?,
            project: environment.project,
            environment: environment.name,
            from: value("Attestry-From")?.parse().ok()?,
            to: value("Attestry-To")?.parse().ok()?,
            size: crate::entry::integer(value("Attestry-Size")?)?,
            framework: value("Attestry-Framework").map(str::to_owned),
        };
        (scope.format(payload) == text).then_some(scope)
    }
}

/// Adds the tag files to the payload, and returns the pack id.
pub fn seal(scope: &Scope, readme: String, mut files: Files) -> (Files, Hash) {
    let info = scope.format(&files);
    let manifest = manifest(&files);
    let tags = Files::from([
        (BAGIT.to_owned(), BAGIT_TEXT.as_bytes().to_vec()),
        (BAG_INFO.to_owned(), info.into_bytes()),
        (MANIFEST.to_owned(), manifest),
        (README.to_owned(), readme.into_bytes()),
    ]);
    let tag_manifest = self::manifest(&tags);
    let id = merkle::sha256(&[&tag_manifest]);
    files.extend(tags);
    files.insert(TAG_MANIFEST.to_owned(), tag_manifest);
    (files, id)
}

fn manifest(files: &Files) -> Vec<u8> {
    let mut text = String::new();
    for (path, bytes) in files {
        let _ = writeln!(text, "{}  {path}", merkle::sha256(&[bytes]));
    }
    text.into_bytes()
}

/// A bag whose bytes are all as its manifests say.
pub struct Bag {
    pub id: Hash,
    pub scope: Scope,
    pub readme: String,
    /// The files below `data/`, by their path with it.
    pub payload: Files,
}

/// Checks a bag: every file is in a manifest with its digest, and none is missing or too many.
///
/// Where `bag-info.txt` can be read, the bag is returned with whatever was found.
pub fn open(files: Files) -> (Option<Bag>, Vec<Finding>) {
    let mut findings = Vec::new();
    let (payload, tags): (Files, Files) =
        files.into_iter().partition(|(path, _)| path.starts_with("data/"));
    let text = |name: &str| tags.get(name).and_then(|bytes| str::from_utf8(bytes).ok());
    let mut listed: Files = tags.clone();
    let tag_manifest = listed.remove(TAG_MANIFEST).unwrap_or_default();
    compare(TAG_MANIFEST, &tag_manifest, &listed, &mut findings);
    compare(MANIFEST, tags.get(MANIFEST).map_or(&[][..], Vec::as_slice), &payload, &mut findings);
    if text(BAGIT) != Some(BAGIT_TEXT) {
        findings.push(malformed(format!("{BAGIT} is not of BagIt 1.0")));
    }
    let expected = [BAGIT, BAG_INFO, MANIFEST, README];
    if let Some(extra) = listed.keys().find(|name| !expected.contains(&name.as_str())) {
        findings.push(malformed(format!("{extra} does not belong into a pack")));
    }
    let scope = text(BAG_INFO).and_then(|text| {
        // The octet count is compared where the manifest holds; where it does not, that is the
        // finding, and the rest is still worth reading.
        Scope::parse(text, &payload).or_else(|| lenient_scope(text))
    });
    let Some(scope) = scope else {
        findings.push(malformed(format!("{BAG_INFO} does not say what the pack is about")));
        return (None, findings);
    };
    if findings.is_empty() && text(BAG_INFO) != Some(&scope.format(&payload)) {
        findings.push(malformed(format!("{BAG_INFO} is not spelt as the format demands")));
    }
    let readme = text(README).unwrap_or_default().to_owned();
    let id = merkle::sha256(&[&tag_manifest]);
    (Some(Bag { id, scope, readme, payload }), findings)
}

fn lenient_scope(text: &str) -> Option<Scope> {
    let without_oxum: Vec<&str> =
        text.lines().filter(|line| !line.starts_with("Payload-Oxum: ")).collect();
    let empty = Files::new();
    let text = format!("{}\nPayload-Oxum: 0.0\n", without_oxum.join("\n"));
    Scope::parse(&text, &empty)
}

fn malformed(detail: String) -> Finding {
    Finding::new(Code::PackMalformed, None, detail)
}

/// Compares a manifest with the files it must list.
fn compare(name: &str, manifest: &[u8], files: &Files, findings: &mut Vec<Finding>) {
    let mut wrong = |detail: String| {
        if findings.len() < 100 {
            findings.push(Finding::new(Code::ManifestMismatch, None, detail));
        }
    };
    let Some(listed) = parse(manifest) else {
        return wrong(format!("{name} is missing or malformed"));
    };
    for (path, digest) in &listed {
        match files.get(path) {
            None => wrong(format!("{path} is in {name} and not in the pack")),
            Some(bytes) => {
                let found = merkle::sha256(&[bytes]);
                if found != *digest {
                    wrong(format!("{path} hashes to {found}, {name} has {digest}"));
                }
            }
        }
    }
    for path in files.keys().filter(|path| !listed.contains_key(*path)) {
        wrong(format!("{path} is in the pack and not in {name}"));
    }
}

fn parse(manifest: &[u8]) -> Option<BTreeMap<String, Hash>> {
    let text = str::from_utf8(manifest).ok()?;
    let mut listed = BTreeMap::new();
    for line in text.lines() {
        let (digest, path) = line.split_once("  ")?;
        if listed.insert(path.to_owned(), digest.parse().ok()?).is_some() {
            return None;
        }
    }
    (!listed.is_empty() && text.ends_with('\n')).then_some(listed)
}
