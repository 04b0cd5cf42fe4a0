//! The command line as a whole: parsing, help, exits and JSON errors, in-process.

#[cfg(feature = "ledger")]
mod recording;

use clap::CommandFactory;

use super::*;

struct Ran {
    exit: u8,
    stdout: String,
    stderr: String,
}

fn attestry(line: &[&str]) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    let (mut stdin, mut stdout, mut stderr) = (std::io::empty(), Vec::new(), Vec::new());
    let mut io = Io::new(&mut stdin, &mut stdout, &mut stderr, dir.path());
    io.env.insert("HOME".to_owned(), dir.path().display().to_string());
    let words = std::iter::once("attestry").chain(line.iter().copied()).map(OsString::from);
    let exit = run(words, &mut io);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { exit, stdout: text(stdout), stderr: text(stderr) }
}

fn each_command(command: &clap::Command, path: &str, check: &mut dyn FnMut(&str, &clap::Command)) {
    check(path, command);
    for sub in command.get_subcommands() {
        each_command(sub, &format!("{path} {}", sub.get_name()), check);
    }
}

#[test]
fn every_help_starts_with_an_example_and_fits_80_columns() {
    let command = command::Cli::command();
    let mut lines: Vec<Vec<String>> = Vec::new();
    each_command(&command, "", &mut |path, _| {
        lines.push(path.split_whitespace().map(str::to_owned).collect());
    });
    assert!(lines.len() > 5);
    for line in lines {
        let mut words: Vec<&str> = line.iter().map(String::as_str).collect();
        words.push("--help");
        let ran = attestry(&words);
        assert_eq!((ran.exit, ran.stderr.as_str()), (0, ""), "{words:?}");
        assert!(ran.stdout.starts_with("Example:\n  attestry"), "{words:?}: {}", ran.stdout);
        for row in ran.stdout.lines() {
            assert!(output::columns(row) <= 80, "{words:?}: {row:?}");
        }
    }
}

#[test]
fn clap_finds_no_fault_in_the_definitions() {
    command::Cli::command().debug_assert();
}

fn check(line: &[&str], exit: u8, told: &str) {
    let ran = attestry(line);
    assert_eq!(ran.exit, exit, "{line:?}: {} {}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains(told), "{line:?}: {}", ran.stderr);
    assert_eq!(ran.stdout, "", "{line:?}");
}

#[test]
fn wrong_usage_is_two_and_says_what_to_do() {
    check(&[], 2, "Usage: attestry");
    check(&["frobnicate"], 2, "frobnicate");
    check(&["verify", "pack.zip"], 2, "verified against what?");
    check(&["verify", "pack.zip", "--trust", ""], 2, "is your variable empty?");
    check(&["verify", "pack.zip", "--trust", "pin.txt"], 5, "no file pin.txt");
    check(&["policy", "check", "missing.yaml"], 5, "missing.yaml: no such file");
    check(&["log", "--pack", "missing.zip"], 5, "missing.zip");
}

#[cfg(feature = "ledger")]
#[test]
fn commands_say_what_is_missing() {
    check(&["record", "test", "--subject", ""], 2, "is your variable empty?");
    check(&["record", "test", "--subject", "app:1.2"], 2, "[tag-not-digest]");
    check(&["record", "frob"], 2, "is no kind that is recorded");
    check(&["record", "approval"], 2, "attestry approve");
    check(&["record", "test", "missing.xml"], 5, "missing.xml");
    check(&["gate", "app:1.2", "--to", "prod"], 2, "[tag-not-digest]");
    let hex = format!("sha256:{}", "ab".repeat(32));
    check(&["gate", &hex, "--to", "prod"], 5, "[no-ledger]");
    check(&["promote", &hex, "--to", "prod", "--reason", ""], 2, "--reason is empty");
    check(&["promote", &hex, "--to", "prod", "--reason", "x"], 2, "no key to sign with");
    check(&["approve", "Q-1", "--reason", "x"], 2, "write it as P-118");
    check(&["approve", "P-1", "--reason", "x", "--expires", "3w"], 2, "--expires");
    check(&["withdraw", "Q-1", "--reason", "x"], 2, "write it as P-118");
    check(&["withdraw", "P-1", "--reason", ""], 2, "--reason is empty");
    check(&["promote", &hex, "--to", "a", "--reason", "x", "--risk", ""], 2, "--risk is empty");
    check(&["gate", &hex, "--to", "a", "--rollback", "--emergency"], 2, "cannot be used with");
    check(&["status"], 5, "[no-ledger]");
    check(&["init", "--origin", "a+b"], 2, "--origin");
}

#[cfg(not(feature = "ledger"))]
#[test]
fn the_offline_build_says_which_one_has_the_rest() {
    for word in ["record", "init", "promote", "withdraw", "demo"] {
        check(&[word, "--anything", "x"], 2, "[offline-build]");
    }
    check(&["policy", "set", "x"], 2, "[offline-build]");
    check(&["status"], 2, "--pack FILE");
}

#[test]
fn json_errors_stand_on_standard_output() {
    for line in [
        &["verify", "x", "--json"][..],
        &["frobnicate", "--json"],
        &["--json", "log", "--pack", "x"],
    ] {
        let ran = attestry(line);
        assert_ne!(ran.exit, 0, "{line:?}");
        let value: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        assert!(value["error"]["code"].is_string(), "{value}");
        assert!(value["error"]["message"].is_string(), "{value}");
        assert_eq!(value["error"]["exit"], ran.exit, "{value}");
    }
}

/// Runs a line in a folder with a policy and a fixture of it, one case of these events.
fn policy_test(events: &str, options: &[&str]) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    let policy = "apiVersion: attestry/policy/v1\nproject: p\nenvironments:\n  - name: prod\n    gates: [{ \
                  evidence: { kind: test, suites: [unit], result: passed } }]\n";
    std::fs::write(dir.path().join("policy.yaml"), policy).unwrap();
    let fixture = format!(
        "policy: policy.yaml\ncases:\n  - name: two runs\n    to: prod\n    events: [{events}]\n    expect: \
         {{ outcome: granted }}\n"
    );
    std::fs::write(dir.path().join("test.yaml"), fixture).unwrap();
    let (mut stdin, mut stdout, mut stderr) = (std::io::empty(), Vec::new(), Vec::new());
    let mut io = Io::new(&mut stdin, &mut stdout, &mut stderr, dir.path());
    let words = ["attestry", "policy", "test", "test.yaml"].iter().chain(options);
    let exit = run(words.map(OsString::from), &mut io);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { exit, stdout: text(stdout), stderr: text(stderr) }
}

#[test]
fn a_policy_is_tested_in_other_orders() {
    const RUNS: &str = "{ test: { suite: unit, result: failed } }, { test: { suite: unit } }";
    assert_eq!(policy_test(RUNS, &[]).exit, 0);
    let told = policy_test(RUNS, &["--simulate", "reorder", "--seed", "7"]);
    assert_eq!(told.exit, 3, "{}", told.stderr);
    let expected = [
        "seed 7, at most 100 orders of each case and manner",
        "  not  two runs",
        "       reorder: 2 orders",
        "         evidence depends on the order of the same evidence",
        "             - test: { suite: unit, result: failed }",
        "1 case, 1 not the same in every order",
    ];
    for line in expected {
        assert!(told.stdout.lines().any(|it| it == line), "{line}: {}", told.stdout);
    }
    let all = policy_test("{ build: {} }", &["--simulate", "all", "--json"]);
    assert_eq!(all.exit, 0, "{}{}", all.stdout, all.stderr);
    let json: serde_json::Value = serde_json::from_str(&all.stdout).unwrap();
    assert_eq!(json["cases"][0]["simulated"].as_array().unwrap().len(), 4, "{json}");
    assert_eq!((&json["wrong"], &json["seed"]), (&0.into(), &1.into()));
    // What cannot be played shows nothing.
    let refused = policy_test("{ decide: {} }", &["--simulate", "late"]);
    assert_eq!(refused.exit, 3);
    assert!(refused.stdout.contains("cannot be played: event 1: nothing is requested"));
    assert_eq!(policy_test(RUNS, &["--rounds", "5"]).exit, 2);
    assert_eq!(policy_test(RUNS, &["--simulate", "late", "--rounds", "0"]).exit, 2);
}
