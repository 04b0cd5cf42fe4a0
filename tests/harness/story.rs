//! One release as command lines: the people, the policy, the evidence, and what came of it.
//!
//! Every entry's index follows from the lines, so requests have known names.

use std::sync::OnceLock;

use crate::Place;

pub const POLICY: &str = r#"apiVersion: attestry/policy/v1
project: payments
environments:
  - name: staging
    gates:
      - provenance: { builders: ["https://ci.acme.example/runner"], source: "git+https://github.com/acme/payments" }
      - id: tests
        evidence: { kind: test, suites: [unit], result: passed }
      - vulnerabilities: { max: { critical: 0, high: 0 } }
  - name: prod
    from: [staging]
    gates:
      - approvals: { count: 2, roles: [release-approver, security], meaning: release, not: [author, requester], within: 72h }
"#;

/// Five mistakes, each on a line of its own.
const BROKEN_POLICY: &str = r#"apiVersion: attestry/policy/v1
project: payments
environments:
  - name: Staging
    gates:
      - evidence: { kind: test, suites: unit, result: passed }
      - vulnerabilities: { max: { critical: none } }
      - approval: { count: 2 }
  - name: prod
    from: [stagin]
    gates: []
"#;

/// An environment that anything may enter.
const OPEN_POLICY: &str = r#"apiVersion: attestry/policy/v1
project: payments
environments:
  - name: dev
    gates: []
  - name: staging
    gates:
      - soak: { in: dev, for: 1h }
"#;

/// The commits of the refused archive and of the mended one.
pub const FIRST: &str = "4be1f0a2c3d4e5f60718293a4b5c6d7e8f901234";
pub const MENDED: &str = "9c27d10be83fa645170c2b98d3e4f5a6071829ab";

const JUNIT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites><testsuite name="payments" tests="3" failures="0" errors="0" skipped="1" timestamp="2026-11-20T09:00:00">
<testcase classname="payments" name="adds"/><testcase classname="payments" name="rounds"/>
<testcase classname="payments" name="waits"><skipped/></testcase></testsuite></testsuites>
"#;
const SARIF: &str = r#"{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"clippy","rules":[]}},"results":[{"ruleId":"r1","level":"warning","message":{"text":"needless borrow"}}]}]}"#;
const SBOM: &str = r#"{"bomFormat":"CycloneDX","specVersion":"1.5","version":1,"components":[{"type":"library","name":"openssl","version":"3.0.12","purl":"pkg:generic/openssl@3.0.12"}]}"#;
const COVERAGE: &str = r#"{"coverage.line": 87.25}"#;
const REVIEW: &str =
    r#"{"authors":["alice@acme.example"],"reviewers":["bob@acme.example"],"outcome":"approved"}"#;
const SCAN_BAD: &str = r#"{"SchemaVersion":2,"CreatedAt":"2026-11-20T10:00:00Z","ArtifactName":"payments","ArtifactType":"filesystem","Results":[{"Target":"Cargo.lock","Class":"lang-pkgs","Type":"cargo","Vulnerabilities":[{"VulnerabilityID":"CVE-2026-1111","PkgName":"openssl","InstalledVersion":"3.0.11","FixedVersion":"3.0.12","Severity":"CRITICAL"}]}]}"#;
const SCAN_GOOD: &str = r#"{"SchemaVersion":2,"CreatedAt":"2026-11-20T10:00:00Z","ArtifactName":"payments","ArtifactType":"filesystem","Results":[{"Target":"Cargo.lock","Class":"lang-pkgs","Type":"cargo","Vulnerabilities":[{"VulnerabilityID":"CVE-2026-2222","PkgName":"zlib","InstalledVersion":"1.3","Severity":"MEDIUM"}]}]}"#;

/// Some command lines that belong together, each with its exit code.
pub struct Chapter {
    pub name: &'static str,
    pub lines: Vec<(String, u8)>,
}

pub(crate) fn chapter(name: &'static str, lines: &[(&str, u8)]) -> Chapter {
    let lines = lines.iter().map(|(line, code)| (format!("attestry {line}"), *code));
    Chapter { name, lines: lines.collect() }
}

/// An empty folder with the files that the story begins with.
pub fn outset() -> Place {
    let mut place = Place::new();
    for (name, text) in [
        ("policy.yaml", POLICY),
        ("broken.yaml", BROKEN_POLICY),
        ("open.yaml", OPEN_POLICY),
        ("reports/unit.xml", JUNIT),
        ("reports/clippy.sarif", SARIF),
        ("reports/sbom.json", SBOM),
        ("reports/coverage.json", COVERAGE),
        ("reports/review.json", REVIEW),
        ("reports/scan-rc.json", SCAN_BAD),
        ("reports/scan.json", SCAN_GOOD),
        ("dist/rc.zip", "payments 1.4.2-rc1\n"),
        ("dist/app.zip", "payments 1.4.2\n"),
    ] {
        place.write(name, text);
    }
    place.set("ATTESTRY_PROJECT", "payments");
    place
}

/// Entries 0 to 7: a ledger, five people, one policy.
pub fn beginning() -> Vec<Chapter> {
    let add = |rest: &str| {
        (format!("attestry identity add {rest} --project payments --key attestry-root.pem"), 0)
    };
    let kinds = "--kind build --kind test --kind analysis --kind measurement --kind sbom \
                 --kind vulnerabilities --kind review --kind deployment --kind note --kind other";
    let mut people: Vec<(String, u8)> = vec![
        add(&format!("ci --pub ci.pem.pub --role emitter {kinds}")),
        add("mia --pub mia.pem.pub --role policy-admin"),
        add("mia --role release-manager"),
        add("alice --pub alice.pem.pub --role release-approver --alias alice@acme.example"),
        add("bob --pub bob.pem.pub --role release-approver --alias bob@acme.example"),
        add("carol --pub carol.pem.pub --role security"),
    ];
    people.push(("attestry identity list".to_owned(), 0));
    vec![
        chapter(
            "init",
            &[("init --origin ledger.acme.example", 0), ("init --origin ledger.acme.example", 2)],
        ),
        chapter(
            "key",
            &[
                ("key generate ci.pem", 0),
                ("key generate mia.pem", 0),
                ("key generate alice.pem", 0),
                ("key generate bob.pem", 0),
                ("key generate carol.pem", 0),
                ("key generate carol.pem", 2),
            ],
        ),
        Chapter { name: "identity", lines: people },
        chapter(
            "policy",
            &[
                ("policy check broken.yaml", 3),
                ("policy check open.yaml", 0),
                ("policy check policy.yaml", 0),
                ("policy set policy.yaml --key mia.pem", 0),
            ],
        ),
    ]
}

/// What a pipeline records about one archive: seven entries.
fn evidence(artifact: &str, version: &str, commit: &str, scan: &str) -> Vec<(String, u8)> {
    let about = format!("--subject {artifact} --key ci.pem");
    [
        format!(
            "build --source git+https://github.com/acme/payments@{commit} \
             --builder https://ci.acme.example/runner --name payments --version {version} {about}"
        ),
        format!("review reports/review.json --subject gitCommit:{commit} --key ci.pem"),
        format!("test reports/unit.xml --suite unit {about}"),
        format!("coverage reports/coverage.json {about}"),
        format!("analysis reports/clippy.sarif {about}"),
        format!("sbom reports/sbom.json {about}"),
        format!("scan {scan} {about}"),
    ]
    .map(|rest| (format!("attestry record {rest}"), 0))
    .into()
}

/// Entries 8 to 35: a candidate refused, its successor promoted twice, two deployments, one of
/// them without a grant.
pub fn release() -> Vec<Chapter> {
    vec![
        Chapter {
            name: "record",
            lines: evidence("dist/rc.zip", "1.4.2-rc1", FIRST, "reports/scan-rc.json"),
        },
        chapter(
            "refused",
            &[
                ("gate dist/rc.zip --to staging", 3),
                ("promote dist/rc.zip --to staging --reason 1.4.2 --key mia.pem", 3),
            ],
        ),
        Chapter {
            name: "record-mended",
            lines: evidence("dist/app.zip", "1.4.2", MENDED, "reports/scan.json"),
        },
        chapter(
            "staging",
            &[
                ("promote dist/app.zip --to staging --reason \"1.4.2, mended\" --key mia.pem", 0),
                (
                    "record deployment --subject dist/app.zip --to staging --result succeeded --key ci.pem",
                    0,
                ),
            ],
        ),
        chapter(
            "waiting",
            &[
                (
                    "promote dist/app.zip --to prod --reason \"1.4.2, fixes INC-42\" --key mia.pem",
                    0,
                ),
                ("gate dist/app.zip --to prod", 3),
                ("evaluate P-27", 0),
                ("status", 0),
                ("inbox", 3),
            ],
        ),
        chapter(
            "approvals",
            &[
                ("approve P-27 --reason \"I wrote it and it works\" --key alice.pem", 0),
                ("approve P-27 --reason \"looked at the canary\" --key bob.pem", 0),
                ("approve P-27 --reason \"the library is mended\" --key carol.pem", 0),
                ("approve P-27 --reason \"too late\" --key carol.pem", 3),
            ],
        ),
        chapter(
            "deployed",
            &[
                (
                    "record deployment --subject dist/app.zip --to prod --result succeeded --key ci.pem",
                    0,
                ),
                (
                    "record deployment --subject dist/rc.zip --to prod --result succeeded --key ci.pem",
                    3,
                ),
            ],
        ),
        chapter(
            "rejected",
            &[
                ("promote dist/app.zip --to prod --reason \"once more\" --key mia.pem", 0),
                ("reject P-34 --reason \"open incident\" --key bob.pem", 0),
            ],
        ),
    ]
}

fn play(place: &Place, chapters: Vec<Chapter>) {
    for (line, code) in chapters.into_iter().flat_map(|it| it.lines) {
        place.expect(code, &line);
    }
}

/// What is kept for copies never goes away, so its ledger is replayed when it is made.
fn kept(place: Place) -> Place {
    let problems = crate::replaying::problems(place.path());
    assert!(problems.is_empty(), "attestry replay: {}", problems.join("; "));
    place
}

/// A folder with a ledger, five people and a policy.
pub fn team() -> Place {
    static TEAM: OnceLock<Place> = OnceLock::new();
    let made = || {
        let place = outset();
        play(&place, beginning());
        kept(place)
    };
    TEAM.get_or_init(made).copy()
}

/// A folder in which all of it has happened.
pub fn released() -> Place {
    static RELEASED: OnceLock<Place> = OnceLock::new();
    let made = || {
        let place = team();
        play(&place, release());
        kept(place)
    };
    RELEASED.get_or_init(made).copy()
}

/// `--from DAY --to DAY`, around now whatever the time is.
pub fn period() -> String {
    const DAY_MS: i64 = 86_400_000;
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(0));
    let day = |ms| schemas::id::Time(ms).to_string()[..10].to_owned();
    format!("--from {} --to {}", day(now - DAY_MS), day(now + DAY_MS))
}

/// Makes `pack.zip` of payments/prod.
pub fn pack(place: &Place) {
    let line = format!(
        "attestry pack create --environment payments/prod {} --for \"Example Audit LLP\" \
         --reason \"SOC 2 type II\" -o pack.zip",
        period()
    );
    place.expect(0, &line);
}
