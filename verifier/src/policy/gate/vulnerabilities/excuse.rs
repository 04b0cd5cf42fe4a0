//! Vulnerabilities that do not count: by the policy's own list until a day, or by VEX statements.

use std::collections::{BTreeMap, BTreeSet};

use schemas::id::{EntryIndex, Time};
use schemas::policy::{AllowedVulnerability, SeverityWord, VexUse, Vulnerabilities};
use schemas::predicate::vex::VexStatus;

use crate::policy::Context;
use crate::projection::slice::{ArtifactInProject, NamedVulnerability, ScanFacts, VexFacts};

/// What excuses vulnerabilities of the artifact now.
pub struct Excuses<'a> {
    allowed: BTreeMap<&'a str, &'a AllowedVulnerability>,
    /// Allowances that are over, by vulnerability.
    ended: BTreeMap<&'a str, &'a AllowedVulnerability>,
    /// By vulnerability: the entry and what is said there.
    vex: BTreeMap<&'a str, (EntryIndex, &'a [VexFacts])>,
}

/// The vulnerabilities of one scan that do not count.
#[derive(Default)]
pub struct Excused {
    /// Their places among those that the scan names.
    pub named: BTreeSet<usize>,
    pub counts: BTreeMap<SeverityWord, u64>,
    pub entries: BTreeSet<EntryIndex>,
    allowed: u64,
    by_vex: u64,
    /// The first vulnerability whose allowance is over.
    ended: Option<(String, String)>,
}

impl<'a> Excuses<'a> {
    pub fn of(
        gate: &'a Vulnerabilities,
        known: Option<&'a ArtifactInProject>,
        context: &Context,
    ) -> Excuses<'a> {
        let by_id = |it: &'a AllowedVulnerability| (it.id.as_str(), it);
        let (allowed, ended): (Vec<_>, Vec<_>) =
            gate.allow.iter().partition(|it| context.at < begins(&it.until));
        let honoured = known.filter(|_| gate.vex == VexUse::Honour);
        let vex = honoured.into_iter().flat_map(|known| &known.vex);
        let sound = vex.filter(|(_, it)| context.counts(it.entry, &it.signers));
        Excuses {
            allowed: allowed.into_iter().map(by_id).collect(),
            ended: ended.into_iter().map(by_id).collect(),
            vex: sound.map(|(name, it)| (name.as_str(), (it.entry, &it.facts[..]))).collect(),
        }
    }

    /// Looks at every vulnerability that a scan names; one that it only counts has no excuse.
    pub fn of_scan(&self, gate: &Vulnerabilities, facts: &ScanFacts) -> Excused {
        let mut excused = Excused::default();
        for (nth, it) in facts.worst.iter().enumerate() {
            if gate.fixable_only && it.fixed_in.is_none() {
                continue;
            }
            let vex = self.vex.get(it.id.as_str()).filter(|(_, said)| is_unaffected(it, said));
            if self.allowed.contains_key(it.id.as_str()) {
                excused.allowed += 1;
            } else if let Some((entry, _)) = vex {
                excused.by_vex += 1;
                excused.entries.insert(*entry);
            } else {
                if let Some(ended) = self.ended.get(it.id.as_str()) {
                    let said = || (it.id.clone(), ended.until.clone());
                    excused.ended.get_or_insert_with(said);
                }
                continue;
            }
            excused.named.insert(nth);
            *excused.counts.entry(it.severity).or_default() += 1;
        }
        excused
    }
}

impl Excused {
    /// What a reason says of them.
    pub fn remark(&self) -> String {
        let mut remark = String::new();
        if self.allowed > 0 {
            remark.push_str(&format!("; {} allowed", self.allowed));
        }
        if self.by_vex > 0 {
            remark.push_str(&format!("; {} by VEX", self.by_vex));
        }
        if let Some((id, until)) = &self.ended {
            remark.push_str(&format!("; {id} was allowed until {until}"));
        }
        remark
    }
}

/// When a day begins; what is no day is over already.
fn begins(day: &str) -> Time {
    Time::parse(format!("{day}T00:00:00.000Z").as_bytes()).unwrap_or(Time(i64::MIN))
}

/// True where some statement says that it does not matter here, and none says otherwise.
fn is_unaffected(it: &NamedVulnerability, said: &[VexFacts]) -> bool {
    let mut unaffected = false;
    for facts in said.iter().filter(|facts| is_about(it, facts)) {
        match facts.status {
            VexStatus::Fixed => unaffected = true,
            // Without a justification it is only somebody's wish.
            VexStatus::NotAffected if facts.justification.is_some() => unaffected = true,
            VexStatus::NotAffected | VexStatus::Affected | VexStatus::UnderInvestigation => {
                return false;
            }
        }
    }
    unaffected
}

/// A statement about parts is about this vulnerability where one of them is its package.
fn is_about(it: &NamedVulnerability, facts: &VexFacts) -> bool {
    facts.parts.is_empty()
        || it
            .package
            .as_deref()
            .is_some_and(|package| facts.parts.iter().any(|part| is_package(part, package)))
}

/// Compares a purl with `name` or `name version`, as scans name packages. A purl without version
/// is every version.
fn is_package(purl: &str, package: &str) -> bool {
    let path = purl.split(['?', '#']).next().unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default();
    let (name, version) = match last.split_once('@') {
        Some((name, version)) => (name, Some(version.replace("%2B", "+").replace("%3A", ":"))),
        None => (last, None),
    };
    let (ours, our_version) = package.rsplit_once(' ').unwrap_or((package, ""));
    // A scan may name a package by its whole path.
    let same = ours == name || ours.rsplit('/').next() == Some(name);
    purl.starts_with("pkg:") && same && version.is_none_or(|version| version == our_version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purl_names_a_package() {
        for (purl, package, expected) in [
            ("pkg:apk/alpine/libssl3@3.0.8-r3", "libssl3 3.0.8-r3", true),
            ("pkg:apk/alpine/libssl3", "libssl3 3.0.8-r3", true),
            ("pkg:apk/alpine/libssl3@3.0.8-r3?arch=x86", "libssl3 3.0.8-r3", true),
            ("pkg:apk/alpine/libssl3@3.0.8-r4", "libssl3 3.0.8-r3", false),
            ("pkg:apk/alpine/libcrypto3@3.0.8-r3", "libssl3 3.0.8-r3", false),
            ("pkg:apk/alpine/ssl3@3.0.8-r3", "libssl3 3.0.8-r3", false),
            ("pkg:golang/golang.org/x/net@v0.7.0", "golang.org/x/net v0.7.0", true),
            ("pkg:deb/debian/gcc@1%3A12.2%2B1", "gcc 1:12.2+1", true),
            ("libssl3", "libssl3", false),
            ("", "libssl3", false),
        ] {
            assert_eq!(is_package(purl, package), expected, "{purl} {package}");
        }
    }
}
