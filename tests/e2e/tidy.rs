//! What the repository promises about itself: layers, sizes, links, and what it does not contain.

use std::path::{Path, PathBuf};
use std::process::Command;

use harness::repository;

/// Longest file without its tests, in lines.
const LINES_MAX: usize = 400;

/// Files that are longer; the list may only shrink.
const LONG: [&str; 1] = ["cli/src/policy_text.rs"];

/// Every file that git knows or would add.
fn files() -> Vec<PathBuf> {
    let args = ["ls-files", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").current_dir(repository()).args(args).output().unwrap();
    assert!(output.status.success(), "git ls-files");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(PathBuf::from).filter(|path| repository().join(path).exists()).collect()
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(repository().join(path)).unwrap()).into_owned()
}

fn tree(args: &[&str]) -> Vec<String> {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(repository()).args(["tree", "--edges", "normal", "--prefix", "none"]);
    let output = command.args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn the_offline_verifier_links_no_database_server_or_network() {
    let offline = tree(&["-p", "attestry", "--no-default-features"]);
    for banned in
        ["tokio", "sqlx", "rusqlite", "libsqlite3-sys", "hyper", "rustls", "axum", "reqwest"]
    {
        assert!(!offline.iter().any(|name| name == banned), "the offline build links {banned}");
    }
    assert!(offline.iter().any(|name| name == "attestry-verifier"));
}

#[test]
fn layers_point_one_way() {
    let layers = ["attestry-schemas", "attestry-verifier", "attestry-ledger", "attestry"];
    for (depth, layer) in layers.iter().enumerate() {
        let below = tree(&["-p", layer]);
        for above in &layers[depth + 1..] {
            assert!(!below.iter().any(|name| name == above), "{layer} depends on {above}");
        }
    }
    for name in tree(&["-p", "attestry-verifier"]) {
        assert!(!["tokio", "sqlx", "rusqlite", "reqwest"].contains(&name.as_str()), "{name}");
    }
    // regorus brings rand, and with it getrandom: the builtin that calls it is refused where a policy is
    // read (docs/rego.md). Nothing of ours may.
    for name in tree(&["-p", "attestry-verifier", "--depth", "1"]) {
        assert!(!["rand", "getrandom"].contains(&name.as_str()), "{name}");
    }
}

#[test]
fn files_are_short_and_promise_nothing() {
    let mut problems = Vec::new();
    for path in files() {
        let name = path.display().to_string();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = read(&path);
        let code = text.split("#[cfg(test)]").next().unwrap_or_default().lines().count();
        let is_test = name.contains("tests")
            || name.contains("conformance")
            || name.contains("bench")
            || name.contains("model");
        if code > LINES_MAX && !is_test && !LONG.contains(&name.as_str()) {
            problems.push(format!("{name} has {code} lines without its tests"));
        }
        for word in [
            concat!("to", "do!("),
            concat!("unimple", "mented!("),
            concat!("FIX", "ME"),
            concat!("#[ig", "nore"),
        ] {
            if text.contains(word) {
                problems.push(format!("{name} holds {word}"));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn nothing_names_one_machine() {
    let words = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("crates", "-io."),
    ];
    for path in files() {
        let text = read(&path);
        if path.ends_with("Cargo.lock") {
            continue;
        }
        for word in words {
            assert!(!text.contains(word), "{} names {word}", path.display());
        }
    }
}

#[test]
fn links_in_documents_lead_somewhere() {
    let mut dead = Vec::new();
    for path in files().into_iter().filter(|path| path.extension().is_some_and(|it| it == "md")) {
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        for target in links(&read(&path)) {
            let file = target.split('#').next().unwrap_or_default();
            let outside =
                target.contains("://") || target.starts_with("mailto:") || file.is_empty();
            if !outside && !repository().join(&folder).join(file).exists() {
                dead.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{}", dead.join("\n"));
}

/// The targets of Markdown links outside of fenced blocks.
fn links(text: &str) -> Vec<String> {
    let mut fenced = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        }
        let mut rest = if fenced { "" } else { line };
        while let Some((_, after)) = rest.split_once("](") {
            let Some((target, after)) = after.split_once(')') else {
                break;
            };
            found.push(target.to_owned());
            rest = after;
        }
    }
    found
}

#[test]
fn the_readme_is_short() {
    let lines = read(Path::new("README.md")).lines().count();
    assert!((1..=150).contains(&lines), "README.md has {lines} lines");
}
