use schemas::report::Verdict::{Fail, Indeterminate, Pass, Waiting, Waived};

use super::cases::{Row, Table, app, assert_answer};
use super::*;
use crate::fixture::{World, artifact, environment};
use crate::policy::{Ask, evaluate};

macro_rules! tables {
    ($($variant:ident $module:ident $name:literal $asks:literal;)*) => {
        /// The table of every gate of the register. A gate without one does not compile.
        const TABLES: &[(&str, &Table)] = &[$(($name, &$module::tests::TABLE),)*];
    };
}

schemas::for_gates!(tables);

/// The gates of which what is logged speaks against an artifact: where it does not count, they pass.
const AGAINST: [&str; 1] = ["freeze"];

/// The verdict that a row of this name has on every gate, where its name says one.
fn named(row: &str) -> Option<Verdict> {
    [Pass, Fail, Waived, Waiting, Indeterminate].into_iter().find(|it| it.name() == row)
}

#[test]
fn every_gate_decides_its_eight_cases() {
    let mut wrong = Vec::new();
    for (gate, table) in TABLES {
        for (name, row) in table.rows() {
            println!("{gate}: {name}");
            wrong.extend(wrong_with(gate, name, table, row));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn wrong_with(gate: &str, name: &str, table: &Table, row: &Row) -> Option<String> {
    let Row::Case { verdict, reason, .. } = row else { return None };
    let (answer, entries) = table.answer(row)?;
    let meant = named(name).is_none_or(|named| named == *verdict);
    // Evidence that may not count lets nothing through.
    let careful = named(name).is_some() || !verdict.admits() || AGAINST.contains(&gate);
    let said = answer.verdict == *verdict && answer.reason.contains(reason) && !reason.is_empty();
    let next = answer.next.as_ref().is_none_or(|next| !next.is_empty());
    let sound = meant
        && careful
        && said
        && next
        && answer.gate == gate
        && answer.next.is_none() == verdict.admits()
        && answer.entries == entries;
    (!sound).then(|| format!("{gate}, {name}: {verdict:?}, {reason}, on {entries:?}: {answer:?}"))
}

/// A case that a gate cannot come to says why; and none is missing on every gate.
#[test]
fn a_case_without_meaning_says_why() {
    for (gate, table) in TABLES {
        let cases = table.rows().into_iter().filter(|(_, row)| matches!(row, Row::Case { .. }));
        assert!(cases.count() >= 4, "{gate}");
        for (name, row) in table.rows() {
            if let Row::No(why) = row {
                assert!(why.split(' ').count() >= 8, "{gate}, {name}: {why}");
            }
        }
        assert!(matches!(table.pass, Row::Case { .. }), "{gate}");
        assert!(matches!(table.waived, Row::Case { .. }), "{gate}");
        assert!(matches!(table.waiting, Row::Case { .. }), "{gate}");
    }
}

/// `docs/gate-cases.md` shows the tables with what the gates really say.
///
/// `ATTESTRY_BLESS=1 cargo test -p attestry-verifier the_page_of_cases` writes it anew.
#[test]
#[expect(clippy::disallowed_methods, reason = "compares a page of the documents with the code")]
fn the_page_of_cases_is_fresh() {
    let mut page = HEAD.to_owned();
    for (gate, table) in TABLES {
        page.push_str(&section(gate, table));
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/gate-cases.md");
    if std::env::var_os("ATTESTRY_BLESS").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(found == page, "docs/gate-cases.md is stale: ATTESTRY_BLESS=1 cargo test");
}

const HEAD: &str = "\
# What each gate says

Made from the tables beside the [gates](../verifier/src/policy/gate); a test compares. Under one policy,
eight histories: the first five come to the five verdicts; the last three have evidence that would pass,
were it not about another artifact, too old, or by a signer without the role. [gates.md](gates.md) has
the parameters of each gate.

Digests, entries and times are those of the tests' own ledger, where `sara` may waive for security, `ben`
approves, and `mia` asks.
";

fn section(gate: &str, table: &Table) -> String {
    let policy: serde_json::Value = serde_json::from_str(table.gate).unwrap();
    let mut section = format!(
        "\n## `{gate}`\n\n```json\n{policy}\n```\n\n| case | verdict | reason | next step |\n|---|---|---|---|\n"
    );
    for (name, row) in table.rows() {
        let cells = match (row, table.answer(row)) {
            (Row::No(why), _) => format!("none | {why} | "),
            (Row::Case { gate, .. }, Some((answer, _))) => {
                let other = gate.map_or(String::new(), |gate| format!("under `{gate}`: "));
                let (verdict, next) = (answer.verdict.name(), answer.next.unwrap_or_default());
                format!("{verdict} | {other}{} | {next}", cell(&answer.reason))
            }
            (Row::Case { .. }, None) => panic!("{gate}, {name}: no answer"),
        };
        section.push_str(&format!("| {name} | {cells} |\n"));
    }
    section
}

/// A text that stays within its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// A policy whose `prod` takes what is granted in `staging` or `lab`.
const FROM: &str = r#"{"apiVersion":"attestry/policy/v1","project":"payments","environments":[
    {"name":"lab","gates":[{"evidence":{"kind":"sbom"}}]},
    {"name":"staging","gates":[]},
    {"name":"prod","from":["lab","staging"],"gates":[]}]}"#;

fn from(history: impl FnOnce(&mut World) -> Vec<EntryIndex>, verdict: Verdict, reason: &str) {
    let mut world = World::new();
    world.policy("paul", FROM).unwrap();
    let entries = history(&mut world);
    let answers = world.evaluate("prod", &app(), None).gates;
    assert_eq!((answers[0].id.as_str(), answers.len()), ("from", 1));
    assert_eq!(answers[0].gate, "source-environment");
    assert_answer(&answers[0], verdict, reason, &entries);
}

fn granted(world: &mut World, name: &str, to: &str) -> EntryIndex {
    let request = world.request(&artifact(name), to).unwrap();
    world.decide(request).unwrap()
}

#[test]
fn an_artifact_comes_from_where_it_was_granted() {
    from(|w| vec![granted(w, "app", "staging")], Pass, "granted in staging");
    from(|_| vec![], Waiting, "not granted in lab or staging");
    let another = |w: &mut World| {
        granted(w, "other", "staging");
        vec![]
    };
    from(another, Waiting, "not granted");
    let deployed_only = |w: &mut World| {
        w.deploy(&app(), "staging").unwrap();
        vec![]
    };
    from(deployed_only, Waiting, "not granted");
    let replaced = |w: &mut World| {
        let entry = granted(w, "app", "staging");
        granted(w, "other", "staging");
        vec![entry]
    };
    from(replaced, Pass, "granted in staging");
    let denied_since = |w: &mut World| {
        granted(w, "app", "staging");
        let request = w.request(&app(), "staging").unwrap();
        let rejecting = r#"[{"provenance":{"builders":["x"],"source":"git+https://h/p"}}]"#;
        let policy = FROM.replacen(
            r#""staging","gates":[]"#,
            &format!(r#""staging","gates":{rejecting}"#),
            1,
        );
        w.policy("paul", &policy).unwrap();
        w.build(&app(), &super::cases::source()).unwrap();
        w.decide(request).unwrap();
        vec![]
    };
    from(denied_since, Waiting, "not granted");
}

#[test]
fn without_a_rule_nobody_can_tell() {
    let tell = |world: &World, to: &str, reason: &str| {
        let answer = world.evaluate(to, &app(), None).gates.remove(0);
        assert_answer(&answer, Indeterminate, reason, &[]);
    };
    let mut world = World::new();
    tell(&world, "prod", "payments has no policy");
    world.policy("paul", FROM).unwrap();
    tell(&world, "moon", "no environment moon");
    let ask = Ask { environment: &environment("prod"), artifact: &app(), request: None };
    let empty = crate::projection::State::empty();
    let evaluation = evaluate(&empty, &ask, Time(0)).unwrap();
    assert_eq!(evaluation.gates[0].verdict, Indeterminate);
    assert_eq!(evaluation.outcome(), None);
}

#[test]
fn the_worst_part_speaks_for_a_gate() {
    let part = |verdict, reason: &str| Answer::new(verdict, reason).next(reason).on([1]);
    for (verdicts, worst, reason) in [
        (&[Pass, Pass][..], Pass, "0; 1"),
        (&[Pass, Waived], Waived, "1"),
        (&[Waiting, Pass, Waiting], Waiting, "0; 2"),
        (&[Waiting, Indeterminate], Indeterminate, "1"),
        (&[Indeterminate, Fail, Waiting], Fail, "1"),
        (&[], Indeterminate, "nothing to evaluate"),
    ] {
        let parts = verdicts.iter().enumerate();
        let joined = join(parts.map(|(nth, it)| part(*it, &nth.to_string())).collect());
        assert_eq!((joined.verdict, joined.reason.as_str()), (worst, reason));
    }
}

#[test]
fn spans_are_short() {
    for (ms, text) in [
        (-5, "0 s"),
        (59_999, "59 s"),
        (60_000, "1 min"),
        (3_600_000, "1 h"),
        (86_400_000, "1 d"),
        (90_000_000, "1 d 1 h"),
        (7 * 86_400_000 + 3_600_000, "7 d"),
    ] {
        assert_eq!(for_people(ms), text);
    }
}
