//! The command line as its users see it: kept texts, help, JSON, exit codes.

use harness::snapshot::{Transcript, check, folder};
use harness::{Place, story};
use serde_json::Value;

/// Digests of things that never change: artifacts and commits.
pub fn known() -> Vec<String> {
    let digest = |text: &str| verifier::merkle::sha256(&[text.as_bytes()]).to_string();
    vec![
        digest("payments 1.4.2-rc1\n"),
        digest("payments 1.4.2\n"),
        story::FIRST.to_owned(),
        story::MENDED.to_owned(),
    ]
}

#[test]
fn the_story_reads_as_it_is_kept() {
    let place = story::outset();
    let known = known();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let mut transcript = Transcript::new(&place);
    let mut stale = Vec::new();
    for chapter in story::beginning().into_iter().chain(story::release()) {
        for (line, code) in &chapter.lines {
            transcript.run(line, *code);
        }
        stale.extend(check(chapter.name, &transcript.take(&known)).err());
    }
    for (name, lines) in reading() {
        for (line, code) in lines {
            transcript.run(&line, code);
        }
        stale.extend(check(name, &transcript.take(&known)).err());
    }
    assert!(stale.is_empty(), "{}", stale.join("\n"));
}

/// What is read when all of it has happened.
fn reading() -> Vec<(&'static str, Vec<(String, u8)>)> {
    let lines = |lines: &[(&str, u8)]| {
        let lines = lines.iter().map(|(line, code)| (format!("attestry {line}"), *code));
        lines.collect::<Vec<_>>()
    };
    let period = story::period();
    let pack = format!(
        "attestry pack create --environment payments/prod {period} --for \"Example Audit LLP\" \
         --reason \"SOC 2 type II\" -o pack.zip"
    );
    vec![
        ("status", lines(&[("status", 0), ("status --project payments", 0)])),
        ("owed", lines(&[("inbox", 0), ("waivers", 0), ("drift", 3)])),
        ("lineage", lines(&[("lineage dist/app.zip", 0), ("lineage dist/rc.zip", 0)])),
        (
            "log",
            lines(&[
                ("log", 0),
                ("log --env payments/prod --kind deployment", 0),
                ("log --limit 2", 0),
            ]),
        ),
        ("show", lines(&[("show 10", 0), ("show P-27", 0), ("show 29 --raw", 0), ("show 99", 5)])),
        ("receipt", lines(&[("receipt 10", 0), ("receipt 10 -o ten.receipt", 0)])),
        (
            "verify",
            lines(&[
                ("verify --trust ledger/pin.txt", 3),
                ("verify ten.receipt --trust ledger/pin.txt", 0),
                ("verify", 2),
            ]),
        ),
        ("trust", lines(&[("trust show", 0)])),
        ("pack", vec![(pack.clone(), 0), (pack, 2)]),
        ("verify-pack", lines(&[("verify pack.zip --trust ledger/pin.txt", 3)])),
        (
            "offline",
            lines(&[
                ("trust show --pack pack.zip", 0),
                ("status --pack pack.zip --trust ledger/pin.txt", 0),
                ("log --pack pack.zip --trust ledger/pin.txt", 0),
                ("lineage dist/app.zip --pack pack.zip --trust ledger/pin.txt", 0),
                ("show 29 --pack pack.zip --trust ledger/pin.txt", 0),
            ]),
        ),
    ]
}

#[test]
fn every_kept_text_belongs_to_a_chapter() {
    let mut names: Vec<&str> =
        story::beginning().iter().chain(&story::release()).map(|chapter| chapter.name).collect();
    names.extend(reading().iter().map(|(name, _)| *name));
    let paths = harness::paths::chapters();
    names.extend(paths.iter().map(|chapter| chapter.name));
    for file in std::fs::read_dir(folder()).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let stem = name.strip_suffix(".txt").unwrap_or_default();
        assert!(names.contains(&stem), "{name} is kept for nothing");
    }
}

/// What no line break can help: a digest, a key, a link; a command line as it was typed; an entry
/// as it is hashed.
#[test]
fn kept_texts_fit_a_terminal() {
    for file in std::fs::read_dir(folder()).unwrap().flatten() {
        let text = std::fs::read_to_string(file.path()).unwrap();
        for line in text.lines().filter(|line| !line.starts_with("$ ")) {
            let line = line.strip_prefix("! ").unwrap_or(line);
            let whole = line.split_whitespace().any(|word| word.len() >= 60);
            let fits = whole || line.chars().count() <= 80;
            assert!(fits, "{}: {line}", file.path().display());
        }
    }
}

/// The subcommands that a help text lists.
fn subcommands(help: &str) -> Vec<String> {
    let list = help.split("Commands:\n").nth(1).unwrap_or_default();
    list.lines()
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

/// Every command that does something, by its words.
fn commands(place: &Place) -> Vec<String> {
    let mut found = Vec::new();
    for name in subcommands(&place.expect(0, "attestry --help").stdout) {
        let help = place.expect(0, &format!("attestry {name} --help")).stdout;
        match subcommands(&help) {
            inner if inner.is_empty() => found.push(name),
            inner => found.extend(inner.iter().map(|it| format!("{name} {it}"))),
        }
    }
    found
}

/// The example at the beginning of a help text, on one line.
fn example(help: &str) -> String {
    let text = help.strip_prefix("Example:\n").expect("an example first");
    let text = text.split("\n\n").next().unwrap();
    text.replace("\\\n", " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What the examples name, made real: the same words, with indexes and digests of the story.
fn real(example: &str) -> String {
    let day = story::period();
    let mut days = day.split(' ');
    let (from, to) = (days.nth(1).unwrap(), days.nth(1).unwrap());
    [
        ("sha256:9f2c41d0", "sha256:160b7f97"),
        ("P-1193", "P-39"),
        ("P-118", "P-39"),
        ("1174", "10"),
        ("1170", "40"),
        ("2026-07-01", from),
        ("2026-10-01", to),
        ("key generate ci.pem", "key generate new.pem"),
        ("identity add ci --pub ci.pem.pub", "identity add new --pub new.pem.pub"),
        ("policy.yaml --key carol.pem", "policy.yaml --key mia.pem"),
        ("init --origin", "init --dir new --root-out new-root.pem --origin"),
    ]
    .iter()
    .fold(example.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// A place where the examples of the help texts find what they name.
fn example_place() -> Place {
    let mut place = story::released();
    story::pack(&place);
    std::fs::copy(place.file("ledger/pin.txt"), place.file("pin.txt")).unwrap();
    place.write("target/junit.xml", std::fs::read(place.file("reports/unit.xml")).unwrap());
    place.write("dist/app.tar.gz", "an archive");
    place.expect(0, "attestry promote dist/app.zip --to prod --reason \"once more\" --key mia.pem");
    place.expect(0, "attestry webhook add https://hooks.acme.example/");
    place.set("ATTESTRY_PROJECT", "payments");
    place
}

#[test]
fn every_help_begins_with_an_example_that_works() {
    let mut place = example_place();
    let commands = commands(&place);
    assert!(commands.len() >= 23, "{commands:?}");
    // Whoever reads the help for the first time has set their key once.
    place.set("ATTESTRY_KEY", "mia.pem");
    for command in &commands {
        let help = place.expect(0, &format!("attestry {command} --help")).stdout;
        assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
        assert!(help.contains("--json"), "{command} has no --json");
        let answers =
            ["record", "promote", "approve", "reject", "gate", "evaluate", "verify", "spool push"];
        let answers = [
            &answers[..],
            &["observe", "waive", "freeze", "replay", "what-if", "metrics", "policy test"],
            &["withdraw", "inbox", "waivers", "drift"],
        ];
        let answers = answers.concat();
        let says = help.contains("Exit codes: 0 ");
        assert_eq!(says, answers.contains(&command.as_str()), "{command}: {help}");
        assert!(!help.lines().any(|line| line.trim() == "<FILE>"), "{command}: {help}");
        let line = example(&help);
        assert!(line.starts_with(&format!("attestry {command}")), "{command}: {line}");
        let line = real(&line);
        let (line, _) = line.split_once(" > ").unwrap_or((&line, ""));
        let mut here = place.copy();
        let code = match command.as_str() {
            // What waits is a no; the story has a deployment without grant, and nobody has looked.
            "gate" | "verify" | "inbox" | "drift" => 3,
            // The id of a token is random; nothing waits; and the keys are the reader's own.
            "token revoke" | "spool drop" | "trust roots" => 5,
            // The demo and the server have tests of their own, the example's database and server are on
            // no machine here, and nothing was sent that could be sent again.
            "demo" | "move" | "serve" | "witness serve" | "webhook replay" | "spool push" => {
                continue;
            }
            // Their files are other tools' or a second policy: tests of their own have them.
            "observe" | "waive" | "freeze" | "policy test" | "policy diff" | "what-if" => continue,
            "identity sigstore-roots" => continue,
            _ => 0,
        };
        if command == "record" {
            here.set("ATTESTRY_KEY", "ci.pem");
        }
        if command == "identity add" {
            here.expect(0, "attestry key generate new.pem");
        }
        here.expect(code, line);
    }
}

#[test]
fn json_is_one_object_on_standard_output_for_every_command() {
    let place = example_place();
    place.expect(0, "attestry key generate new.pem");
    let period = story::period();
    let lines: Vec<(String, u8)> = [
        ("init --origin x.example --dir new --root-out new-root.pem", 0),
        ("init --origin x.example", 2),
        ("key generate more.pem", 0),
        ("identity add new --pub new.pem.pub --role auditor --project payments --key attestry-root.pem", 0),
        ("identity list", 0),
        ("witness init w --name w.example", 0),
        ("witness init w --name w.example", 2),
        ("move --to moved", 0),
        ("move --to moved", 2),
        ("move --cancel", 0),
        ("identity compromise new --from 41 --key attestry-root.pem", 0),
        ("identity revoke new --key attestry-root.pem", 0),
        ("identity card carol", 5),
        ("identity card carol --print-name \"Carol Cole\" --key attestry-root.pem", 0),
        ("identity card carol", 0),
        ("token create --identity ci --expires 90d", 0),
        ("token create --identity ci --role auditor --expires 90d", 4),
        ("token list", 0),
        ("token revoke 0123456789abcdef", 5),
        ("spool list", 0),
        ("spool push", 2),
        ("spool drop 00000000000000000000000000", 5),
        ("trust show", 0),
        ("trust roots --key attestry-root.pem", 2),
        ("policy new", 0),
        ("policy check policy.yaml", 0),
        ("policy check broken.yaml", 3),
        ("policy set policy.yaml --key mia.pem", 0),
        ("record note --text hello --key ci.pem", 0),
        ("record test reports/unit.xml --subject dist/app.zip --key ci.pem", 0),
        ("record test reports/unit.xml --subject dist/app.zip --key bob.pem", 4),
        ("record deployment --subject dist/rc.zip --to prod --result succeeded --key ci.pem", 3),
        ("promote dist/rc.zip --to staging --reason x --key mia.pem", 3),
        ("promote dist/app.zip --to staging --reason x --key mia.pem", 0),
        ("gate dist/app.zip --to prod", 3),
        ("evaluate", 0),
        ("evaluate P-39", 0),
        ("approve P-39 --reason x --key bob.pem", 0),
        ("reject P-39 --reason x --key carol.pem", 0),
        ("reject P-39 --reason x --key carol.pem", 3),
        ("withdraw P-39 --reason x --key mia.pem", 3),
        ("promote dist/app.zip --to prod --emergency --reason x --key mia.pem", 3),
        ("gate dist/app.zip --to prod --rollback", 3),
        ("status", 0),
        ("inbox --role nobody", 5),
        ("waivers", 0),
        ("drift", 3),
        ("log", 0),
        ("log --kind nothing", 2),
        ("show 10", 0),
        ("show 10 --raw", 0),
        ("show 999", 5),
        ("lineage dist/app.zip", 0),
        ("receipt 10", 0),
        ("receipt 10 -o r", 0),
        ("webhook add https://hooks.acme.example/x --project payments --kind decision", 0),
        ("webhook add ftp://hooks.acme.example/x", 2),
        ("webhook add https://me:secret@hooks.acme.example/x", 2),
        ("webhook add https://hooks.acme.example/x --kind note", 2),
        ("webhook list", 0),
        ("webhook key", 0),
        ("webhook deliveries --failed", 0),
        ("webhook replay 1", 5),
        ("webhook remove 1", 0),
        ("verify --trust pin.txt", 3),
        ("verify pack.zip --trust pin.txt", 3),
        ("verify r --trust pin.txt", 0),
        ("verify target/junit.xml --trust pin.txt", 7),
        ("verify", 2),
        ("frobnicate", 2),
        ("log --limit many", 2),
        ("status --ledger nowhere", 5),
    ]
    .map(|(line, code)| (line.to_owned(), code))
    .into();
    let pack =
        format!("pack create --environment payments/prod {period} --for A --reason R -o two.zip");
    for (line, code) in lines.into_iter().chain([(pack, 0)]) {
        let outcome = place.expect(code, &format!("attestry {line} --json"));
        let value: Value = serde_json::from_str(&outcome.stdout)
            .unwrap_or_else(|cause| panic!("$ {line}: {cause}\n{}", outcome.stdout));
        assert!(value.is_object(), "$ {line}: {value}");
        assert_eq!(outcome.stdout.lines().count(), 1, "$ {line}");
        let error = &value["error"];
        if code == 2 || code == 4 || code == 5 {
            assert_eq!(error["exit"], Value::from(code), "$ {line}: {value}");
            assert!(error["code"].is_string() && error["message"].is_string(), "$ {line}: {value}");
        }
    }
    // The demo is whole in its own test; here only its answer counts.
}

/// Data goes to standard output, and everything else beside it.
#[test]
fn data_and_words_have_their_own_streams() {
    let place = example_place();
    let receipt = place.expect(0, "attestry receipt 10");
    assert!(receipt.stdout.starts_with("c2sp.org/tlog-proof@v1\n") && receipt.stderr.is_empty());
    let policy = place.expect(0, "attestry policy new --project payments");
    place.write("new.yaml", &policy.stdout);
    place.expect(0, "attestry policy check new.yaml");
    let raw = place.expect(0, "attestry show 10 --raw").stdout;
    assert!(raw.starts_with("attestry/entry/v1\nindex 10\n") && raw.ends_with('\n'));
    for line in
        ["record test gone.xml --subject dist/app.zip --key ci.pem", "show 999", "gate", "verify"]
    {
        let refused = place.run(&format!("attestry {line}"));
        assert_eq!(refused.stdout, "", "$ {line}");
        assert!(refused.stderr.starts_with("error: "), "$ {line}: {}", refused.stderr);
    }
    let approved = place.expect(0, "attestry approve P-39 --reason x --key bob.pem");
    assert!(approved.stderr.starts_with("You sign: "), "{}", approved.stderr);
    assert!(approved.stdout.starts_with("approval logged"), "{}", approved.stdout);
    let version = place.expect(0, "attestry --version");
    assert!(version.stdout.starts_with("attestry "), "{}", version.stdout);
}

#[test]
fn every_exit_code_is_reached() {
    let place = example_place();
    place.write("broken.zip", "no zip");
    // The closing checkpoint of a log that has grown: nothing at hand says how they go together.
    place.expect(0, "attestry receipt 10 -o old.receipt");
    let receipt = std::fs::read_to_string(place.file("old.receipt")).unwrap();
    place.write("kept", receipt.split_once("\n\n").unwrap().1);
    place.expect(0, "attestry record note --text more --key ci.pem");
    place.expect(0, "attestry receipt 10 -o new.receipt");
    for (code, line) in [
        (0, "status"),
        (2, "status --nonsense"),
        (3, "gate dist/rc.zip --to staging"),
        (4, "record test reports/unit.xml --subject dist/app.zip --key bob.pem"),
        (5, "show 999"),
        (7, "verify broken.zip --trust pin.txt"),
        (8, "verify new.receipt --trust pin.txt --checkpoint kept"),
    ] {
        place.expect(code, &format!("attestry {line}"));
    }
}

/// Also with the longest digests: only the signed statement itself is printed as it is.
#[test]
fn entries_and_warnings_fit_into_80_columns() {
    let place = story::released();
    let digest = format!("sha512:{}", "9f2c41d0".repeat(16));
    let long = format!(
        "attestry record test reports/unit.xml --suite unit --subject {digest} --key ci.pem"
    );
    place.expect(0, &long);
    let line = "attestry record deployment --subject dist/rc.zip --to prod --result succeeded";
    let deployed = place.expect(3, &format!("{line} --key ci.pem"));
    let narrow = |text: &str| {
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    };
    narrow(&deployed.stdout);
    narrow(&deployed.stderr);
    assert!(deployed.stderr.contains("[deployed-without-grant]"), "{}", deployed.stderr);
    for index in [10, 27, 37, 38] {
        let shown = place.expect(0, &format!("attestry show {index}")).stdout;
        let (head, _) = shown.split_once("\n{\n").unwrap();
        narrow(head);
        let raw = place.expect(0, &format!("attestry show {index} --raw")).stdout;
        let words = |text: &str| text.split_whitespace().collect::<String>();
        assert!(words(head).contains(&words(&raw)), "{head}");
    }
    narrow(&place.expect(3, "attestry verify --trust ledger/pin.txt").stdout);
}

/// The variable says which project is meant where one must be; it hides no entry of the ledger.
#[test]
fn only_an_option_filters_the_log() {
    let mut place = story::released();
    let entries = |outcome: &str| {
        let value: Value = serde_json::from_str(outcome).unwrap();
        let list = value["entries"].as_array().unwrap().iter();
        let list: Vec<u64> = list.map(|it| it["index"].as_u64().unwrap()).collect();
        (list, value["leftOut"].clone())
    };
    let log = |place: &Place, rest: &str| {
        let line = format!("attestry log {rest} --json");
        entries(&place.expect(0, &line).stdout)
    };
    let whole: Vec<u64> = (0..37).collect();
    assert_eq!(log(&place, ""), (whole.clone(), Value::from(0)));
    assert_eq!(log(&place, "--limit 0"), (whole.clone(), Value::from(0)));
    assert_eq!(log(&place, "--limit 37"), (whole.clone(), Value::from(0)));
    assert_eq!(log(&place, "--limit 5"), (whole[32..].to_vec(), Value::from(32)));
    let (of_project, _) = log(&place, "--limit 0 --project payments");
    assert_eq!(of_project.first(), Some(&7), "{of_project:?}");
    assert_eq!(of_project, log(&place, "--project payments").0);
    assert_eq!(log(&place, "--limit 2 --project payments").1, Value::from(of_project.len() - 2));
    // What a filter would leave out is not counted through the whole log for a short answer.
    assert_eq!(log(&place, "--kind trust --limit 1"), (vec![6], Value::from(6)));
    assert_eq!(log(&place, "--env prod --kind deployment").0, [32, 33]);
    assert_eq!(log(&place, "--env prod --kind deployment --limit 0").0, [32, 33]);
    place.set("ATTESTRY_PROJECT", "other");
    assert_eq!(log(&place, "--env payments/prod --kind deployment").0, [32, 33]);
    let nothing = place.expect(0, "attestry log --kind export");
    assert_eq!((nothing.stdout.as_str(), nothing.stderr.as_str()), ("", "no entry is like that\n"));
}
