//! The checks of a pack's README.txt, with tools that are not ours.

use std::path::Path;
use std::process::Command;

use cli::pack_file::{self, Limits};
use harness::{Place, story};

/// What a block of indented lines prints, and what the text behind it promises.
struct Check {
    script: String,
    promise: String,
}

/// The commands of README.txt: indented lines, up to where the text goes on.
fn checks(readme: &str) -> Vec<Check> {
    let mut checks: Vec<Check> = Vec::new();
    let mut open = false;
    for line in readme.lines() {
        if let Some(command) = line.strip_prefix("    ") {
            if !open {
                let (script, promise) = (String::new(), String::new());
                checks.push(Check { script, promise });
            }
            open = true;
            let check = checks.last_mut().unwrap();
            check.script.push_str(command);
            check.script.push('\n');
        } else {
            // A block ends at the first line of text; one empty line stands between.
            open = open && line.is_empty();
            if let Some(check) = checks.last_mut().filter(|_| !open) {
                check.promise.push_str(line);
                check.promise.push('\n');
            }
        }
    }
    checks
}

fn bash(folder: &Path, script: &str) -> (bool, String) {
    let output = Command::new("bash")
        .current_dir(folder)
        .env("TMPDIR", folder.parent().unwrap())
        .args(["-euo", "pipefail", "-c", script])
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

/// Runs every check of a pack's README.txt, which must say what it promises; gives its text.
pub fn check_readme(place: &Place, exit: u8) -> String {
    let files = pack_file::read(&place.file("pack.zip"), &Limits::PACK).unwrap();
    for (path, bytes) in &files {
        place.write(&format!("attestry-pack/{path}"), bytes);
    }
    let folder = place.file("attestry-pack");
    let readme = String::from_utf8(files["README.txt"].clone()).unwrap();
    let list = checks(&readme);
    let id = verifier::merkle::sha256(&[&files["tagmanifest-sha256.txt"]]).to_string();
    for check in &list {
        let Check { script, promise } = check;
        if script.starts_with("attestry ") {
            std::fs::copy(place.file("pack.zip"), place.file("PACK.zip")).unwrap();
            std::fs::copy(place.file("ledger/pin.txt"), place.file("pin.txt")).unwrap();
            place.expect(exit, script.trim());
            continue;
        }
        let (done, said) = bash(&folder, script);
        assert!(done, "{script}\n{said}");
        let promised = promise.lines().find_map(|line| line.strip_prefix("prints"));
        match promised.map(|text| text.trim_start_matches(':').trim()) {
            Some("nothing. The pack id is the SHA-256 of tagmanifest-sha256.txt:") => {
                assert_eq!(said, "", "{script}");
            }
            Some(text) => assert_eq!(said.trim_end(), text, "{script}"),
            None if script.contains("tagmanifest") => assert!(said.starts_with(&id), "{said}"),
            None => assert!(script.starts_with("grep '^prev'"), "no promise for {script}"),
        }
    }
    // What grep shows is what the hash of the entry before gave.
    let said: Vec<String> = list
        .iter()
        .filter(|it| it.script.contains("printf '\\0'") || it.script.starts_with("grep"))
        .map(|it| bash(&folder, &it.script).1)
        .collect();
    let (hash, prev) = (said[0].split_whitespace().next(), said[1].split_whitespace().nth(1));
    assert_eq!(hash, prev);
    readme
}

#[test]
fn the_readme_of_a_pack_checks_it_without_us() {
    let place = story::released();
    story::pack(&place);
    let readme = check_readme(&place, 3);
    for word in ["sha256sum --quiet -c", "openssl", "| sha256sum"] {
        assert!(readme.contains(word), "{readme}");
    }
    // Two readers of one machine do not meet: no fixed names, and nothing is left behind.
    let left = std::fs::read_dir(place.path()).unwrap().flatten();
    let left = left.map(|it| it.file_name().into_string().unwrap());
    assert_eq!(left.filter(|name| name.starts_with("tmp.")).count(), 0);
    assert!(!readme.contains("/tmp") && readme.contains("mktemp -d"), "{readme}");
}

#[test]
fn a_changed_byte_is_noticed_by_the_outside_tools_too() {
    let place = story::released();
    story::pack(&place);
    let files = pack_file::read(&place.file("pack.zip"), &Limits::PACK).unwrap();
    for (path, bytes) in &files {
        let mut bytes = bytes.clone();
        if path == "data/population.csv" {
            bytes[20] ^= 1;
        }
        place.write(&format!("attestry-pack/{path}"), bytes);
    }
    let readme = String::from_utf8(files["README.txt"].clone()).unwrap();
    let first = &checks(&readme)[0].script;
    let (done, said) = bash(&place.file("attestry-pack"), first);
    assert!(!done && said.contains("data/population.csv: FAILED"), "{said}");
}
