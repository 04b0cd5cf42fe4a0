//! What happens beside the normal path, as command lines: an emergency with its review, a request
//! taken back, the way back, and under which name somebody signs.

use crate::Place;
use crate::story::{self, Chapter, chapter};

/// Two people for a release, one of them for an emergency, nobody for going back.
const POLICY: &str = r#"apiVersion: attestry/policy/v1
project: payments
environments:
  - name: prod
    expires: 7d
    gates:
      - approvals: { count: 2, roles: [release-approver, security], meaning: release, not: [requester] }
    emergency:
      gates:
        - approvals: { count: 1, roles: [release-approver], not: [requester] }
      review: { within: 2d, roles: [security] }
    rollback:
      gates: []
"#;

const INCIDENT: &str = r#"{"id":"INC-42","status":"opened","severity":"sev1","at":"2026-01-05T10:00:00.000Z","summary":"payments fail"}"#;

/// A folder with a ledger whose last entries are 8 to 11: the policy, `ops` who records incidents,
/// one of them, and a build.
pub fn begun() -> Place {
    begun_with("2d")
}

/// The same with a review that falls due after so long.
pub fn begun_with(within: &str) -> Place {
    let place = story::team();
    place.write("paths.yaml", POLICY.replace("within: 2d", &format!("within: {within}")));
    place.write("incident.json", INCIDENT);
    place.write("notes.md", "1.4.2 stops INC-42\n");
    place.write("risk.md", "low: one line\n");
    place.write("settings.env", "TIMEOUT=5\n");
    place.expect(0, "attestry policy set paths.yaml --key mia.pem");
    place.expect(0, "attestry key generate ops.pem");
    place.expect(
        0,
        "attestry identity add ops --pub ops.pem.pub --role emitter --kind incident \
         --project payments --key attestry-root.pem",
    );
    place.expect(0, "attestry record incident incident.json --to prod --key ops.pem");
    let commit = story::MENDED;
    place.expect(
        0,
        &format!(
            "attestry record build --source git+https://github.com/acme/payments@{commit} \
             --builder https://ci.acme.example/runner --name payments --version 1.4.2 \
             --subject dist/app.zip --key ci.pem"
        ),
    );
    place
}

/// Entries 12 to 27.
pub fn chapters() -> Vec<Chapter> {
    let mut all = emergency();
    all.extend(others());
    all.push(noted());
    all
}

const PROMOTE: &str = "promote dist/app.zip --to prod --key mia.pem";

/// An emergency, and its review.
fn emergency() -> Vec<Chapter> {
    vec![
        chapter(
            "emergency",
            &[
                ("gate dist/app.zip --to prod --emergency", 3),
                (
                    &format!(
                        "{PROMOTE} --emergency --incident 10 --release-notes notes.md \
                         --risk risk.md --reason \"stops INC-42\""
                    ),
                    0,
                ),
                ("approve P-12 --reason \"reproduced, and mended by it\" --key bob.pem", 0),
                ("status", 0),
                ("show P-12", 0),
                ("approve P-12 --reason \"too late\" --key carol.pem", 3),
            ],
        ),
        chapter(
            "reviewed",
            &[
                (
                    "approve P-12 --meaning post-hoc-review --reason \"it was mine\" --key bob.pem",
                    3,
                ),
                (
                    "approve P-12 --meaning post-hoc-review --reason \"it was right\" --key carol.pem",
                    0,
                ),
                ("status", 0),
            ],
        ),
    ]
}

/// The way back, a request that is taken back, and a name on a card.
fn others() -> Vec<Chapter> {
    vec![
        chapter(
            "rolled-back",
            &[
                ("gate dist/rc.zip --to prod --rollback", 3),
                (
                    "promote dist/rc.zip --to prod --rollback --reason \"as before\" --key mia.pem",
                    3,
                ),
                (&format!("{PROMOTE} --rollback --reason \"as before\""), 0),
            ],
        ),
        chapter(
            "withdrawn",
            &[
                (&format!("{PROMOTE} --reason \"1.4.2 for all\" --ticket CHG-7"), 0),
                ("withdraw P-18 --reason \"not mine to take\" --key alice.pem", 4),
                ("withdraw P-18 --reason \"1.4.3 goes instead\" --key mia.pem", 0),
                ("approve P-18 --reason \"too late\" --key bob.pem", 3),
                ("withdraw P-18 --reason again --key mia.pem", 3),
                ("show P-18", 0),
                ("log --kind promotion-request", 0),
            ],
        ),
        chapter(
            "card",
            &[
                ("identity card bob", 5),
                (
                    "identity card bob --print-name \"Bob Baker\" --title \"Head of release\" \
                     --key attestry-root.pem",
                    0,
                ),
                ("identity card bob", 0),
                (&format!("{PROMOTE} --reason \"once more\""), 0),
                ("approve P-21 --reason \"looked at it\" --key bob.pem", 0),
                ("lineage dist/app.zip", 0),
            ],
        ),
    ]
}

/// Notes about a promotion and its deployment, named in each way.
fn noted() -> Chapter {
    const NOTE: &str = "record note --text";
    chapter(
        "noted",
        &[
            (
                "record deployment --subject dist/app.zip --to prod --result succeeded \
                 --promotion P-12 --key ci.pem",
                0,
            ),
            (&format!("{NOTE} \"it was the right thing\" --promotion P-12 --key carol.pem"), 0),
            (
                &format!(
                    "{NOTE} \"INC-42: the cache was cold; warm it before traffic comes\" \
                     --deployment 23 --key alice.pem"
                ),
                0,
            ),
            (
                &format!(
                    "{NOTE} \"two minutes of errors\" --subject dist/app.zip --to prod --key ci.pem"
                ),
                0,
            ),
            (&format!("{NOTE} \"for the next release\" --subject dist/app.zip --key ci.pem"), 0),
            (&format!("{NOTE} x --deployment 22 --key ci.pem"), 5),
            (&format!("{NOTE} x --promotion P-12 --subject dist/rc.zip --key ci.pem"), 3),
            (&format!("{NOTE} x --promotion P-12 --to staging --key ci.pem"), 2),
            (&format!("{NOTE} x --subject dist/rc.zip --to prod --key ci.pem"), 5),
            (&format!("{NOTE} x --subject dist/app.zip --to prod --at 2026-01-01 --key ci.pem"), 5),
            (&format!("{NOTE} x --to prod --key ci.pem"), 2),
            ("show P-12", 0),
            ("show 23", 0),
            ("lineage dist/app.zip", 0),
        ],
    )
}
