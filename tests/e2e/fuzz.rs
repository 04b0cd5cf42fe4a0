//! The running server against its own API document: schemathesis asks, and compares the answers.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use harness::story;
use verifier::access::Scope;

use crate::access::token;
use crate::serve::Running;

/// Examples for each operation.
const EXAMPLES: &str = "30";

/// `ATTESTRY_SCHEMATHESIS` names the program, else it is on the path.
fn schemathesis() -> Option<PathBuf> {
    let named = std::env::var_os("ATTESTRY_SCHEMATHESIS").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path: Vec<PathBuf> =
        std::env::split_paths(&path).map(|folder| folder.join("schemathesis")).collect();
    named.into_iter().chain(on_path).find(|program| program.is_file())
}

#[test]
fn no_answer_is_outside_of_the_document() {
    let Some(program) = schemathesis() else {
        let note = "SKIPPED: no schemathesis (pip install schemathesis, or name one: \
                    ATTESTRY_SCHEMATHESIS)\n";
        let _ = std::io::stderr().write_all(note.as_bytes());
        return;
    };
    let place = story::released();
    // Who may read and submit, and is refused where tokens are made.
    let line = "attestry identity add ci --role auditor --project '*' --key attestry-root.pem";
    place.expect(0, line);
    place.write("fuzz.py", include_str!("fuzz.py"));
    place.write("schemathesis.toml", include_str!("fuzz.toml"));
    let server = Running::with(place, ledger::http::Settings::default());
    let token = token(&server, "ci", Scope::default());
    let output = Command::new(program)
        .current_dir(server.place.path())
        .args(["run", &format!("http://{}/api/v1/openapi.json", server.address)])
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .args(["--seed", "20261121", "--max-examples", EXAMPLES])
        .args(["--phases", "examples,coverage,fuzzing", "--no-color"])
        // A stream has no end; it has tests of its own.
        .args(["--exclude-path-regex", "/stream", "--request-timeout", "10"])
        .env("HYPOTHESIS_STORAGE_DIRECTORY", server.place.file("hypothesis"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
}
