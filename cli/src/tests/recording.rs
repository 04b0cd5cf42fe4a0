//! What `record` and `identity` say over a ledger in a folder, in-process.

use std::path::Path;

use super::*;

/// A folder with a ledger: ci records, mia asks, grace approves.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Desk {
        let desk = Desk(tempfile::tempdir().unwrap());
        desk.done("init --origin ledger.acme.example");
        for name in ["ci", "mia", "grace"] {
            desk.done(&format!("key generate {name}.pem"));
        }
        desk.done(
            "identity add ci --pub ci.pem.pub --role emitter --kind build --kind test --kind deployment \
             --kind rollback --project search --key attestry-root.pem",
        );
        desk.done(
            "identity add grace --pub grace.pem.pub --role sre --project search --key attestry-root.pem",
        );
        for name in ["old.tar", "new.tar"] {
            desk.file(name, name);
        }
        desk
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    fn run(&self, line: &str) -> Ran {
        let (mut stdin, mut stdout, mut stderr) = (std::io::empty(), Vec::new(), Vec::new());
        let mut io = Io::new(&mut stdin, &mut stdout, &mut stderr, self.path());
        io.env.insert("HOME".to_owned(), self.path().display().to_string());
        let state = self.path().join("state").display().to_string();
        io.env.insert("ATTESTRY_STATE".to_owned(), state);
        let words = std::iter::once("attestry").chain(line.split_whitespace());
        let exit = run(words.map(OsString::from), &mut io);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { exit, stdout: text(stdout), stderr: text(stderr) }
    }

    #[track_caller]
    fn done(&self, line: &str) -> String {
        let ran = self.run(line);
        assert_eq!(ran.exit, 0, "{line}: {}{}", ran.stdout, ran.stderr);
        ran.stdout
    }

    /// Runs a line that is refused; gives what it says.
    #[track_caller]
    fn refused(&self, line: &str, exit: u8) -> String {
        let ran = self.run(line);
        assert_eq!(ran.exit, exit, "{line}: {}{}", ran.stdout, ran.stderr);
        ran.stderr
    }
}

const PROVENANCE: &str = r#"{"buildDefinition":{"buildType":"https://ci.example/type",
    "externalParameters":{}},"runDetails":{"builder":{"id":"https://ci.example"}}}"#;

#[test]
fn a_build_from_a_file_has_the_version_that_it_is_given() {
    let desk = Desk::new();
    desk.file("build.json", PROVENANCE);
    let line = "record build build.json --subject new.tar --version 43 --key ci.pem";
    let told = desk.done(line);
    assert!(told.starts_with("build  search 43  sha256:"), "{told}");
    assert!(told.contains("by https://ci.example   (JSON)"), "{told}");
    let tree = desk.done("lineage new.tar");
    assert!(tree.starts_with("search 43\n"), "{tree}");
    let said = desk.refused(&format!("{line} --builder https://other.example"), 2);
    assert!(said.contains("--builder is for a build without a file"), "{said}");
}

#[test]
fn an_old_report_recorded_again_is_told_from_the_newest() {
    let desk = Desk::new();
    desk.file("good.xml", "<testsuite><testcase name='a'/></testsuite>");
    desk.file("bad.xml", "<testsuite><testcase name='a'><skipped/></testcase></testsuite>");
    let again = |file: &str| {
        desk.run(&format!("record test {file} --subject new.tar --suite unit --key ci.pem"))
    };
    assert_eq!((again("good.xml").exit, again("bad.xml").exit), (0, 0));
    let told = again("good.xml");
    assert_eq!(told.exit, 0);
    assert!(told.stdout.contains("was logged before as entry 3"), "{}", told.stdout);
    assert!(told.stderr.contains("entry 4 is newer than entry 3"), "{}", told.stderr);
    assert!(told.stderr.lines().all(|line| output::columns(line) <= 80), "{}", told.stderr);
    // The newest one itself is what decides.
    let newest = again("bad.xml");
    assert!(newest.stdout.contains("was logged before as entry 4"), "{}", newest.stdout);
    assert!(!newest.stderr.contains("is newer than"), "{}", newest.stderr);
}

#[test]
fn a_rollback_leaves_a_file_or_the_beginning_of_a_digest() {
    let desk = Desk::new();
    let deploy = |name: &str| {
        desk.run(&format!(
            "record deployment --subject {name} --to search/prod --result succeeded --key ci.pem"
        ))
    };
    let back = |name: &str, from: &str| {
        let told = desk.run(&format!(
            "record rollback --subject {name} --to search/prod --from {from} --result succeeded --reason r \
             --key ci.pem"
        ));
        assert!(
            told.stdout.contains("back from sha256:"),
            "{from}: {}{}",
            told.stdout,
            told.stderr
        );
    };
    // Nothing was granted: each is logged with a remark, which fits a terminal.
    let remarked = deploy("old.tar");
    assert_eq!(remarked.exit, 3);
    assert!(remarked.stderr.lines().all(|line| output::columns(line) <= 80), "{}", remarked.stderr);
    deploy("new.tar");
    back("old.tar", "new.tar");
    let old = subject::hash_file(&desk.path().join("old.tar")).unwrap();
    back("new.tar", &old.to_string()[..15]);
    let new = subject::hash_file(&desk.path().join("new.tar")).unwrap();
    back("old.tar", &new.to_string());
}

#[test]
fn keys_that_were_taken_away_can_be_called_compromised_by_name() {
    let desk = Desk::new();
    let compromise = "identity compromise grace --from 1 --key attestry-root.pem";
    desk.done("identity revoke grace --key attestry-root.pem");
    let told = desk.done(compromise);
    assert!(told.contains("signed at or after entry 1 does not count"), "{told}");
    let said = desk.refused(&compromise.replace("grace", "mia"), 5);
    assert!(said.contains("there is no identity mia"), "{said}");
}

#[test]
fn a_note_is_about_the_newest_deployment_of_then() {
    let desk = Desk::new();
    let deploy = |name: &str| {
        let line = "--to search/prod --result succeeded --key ci.pem";
        desk.run(&format!("record deployment --subject {name} {line}"));
    };
    deploy("old.tar");
    deploy("new.tar");
    deploy("old.tar");
    let note = "record note --text slow --key grace.pem";
    let told = desk.done(&format!("{note} --subject old.tar --to search/prod"));
    assert!(told.contains("slow   (about entry 5)"), "{told}");
    let told = desk.done(&format!("{note} --subject new.tar --to search/prod --at 2999-01-01"));
    assert!(told.contains("(about entry 4)"), "{told}");
    let told = desk.done(&format!("{note} --deployment 3"));
    assert!(told.contains("(about entry 3)"), "{told}");
    let shown = desk.done("show 3");
    assert!(shown.contains("note      entry 8 by grace: slow\n"), "{shown}");
    for (options, exit, said) in [
        ("--subject old.tar --to search/prod --at 2001-01-01", 5, "not deployed in search/prod"),
        ("--subject old.tar --to search/staging", 5, "not deployed in search/staging"),
        ("--subject old.tar --at 2999-01-01", 2, "--to is missing"),
        ("--to search/prod", 2, "--subject is missing"),
        ("--deployment 3 --at 2999-01-01", 2, "leave --at out"),
        ("--deployment 3 --promotion P-3", 2, "keep one"),
        ("--deployment 3 --to search/staging", 2, "entry 3 is about search/prod"),
        ("--deployment 3 --subject new.tar", 3, "entry 3 is about another artifact"),
        ("--deployment 2", 5, "entry 2 is no deployment"),
        ("--promotion P-3", 5, "entry 3 is no promotion request"),
        ("--promotion P-999", 5, "entry 999 is no promotion request"),
    ] {
        let refused = desk.refused(&format!("{note} {options}"), exit);
        assert!(refused.contains(said), "{options}: {refused}");
        assert!(refused.lines().all(|line| output::columns(line) <= 80), "{refused}");
    }
}
