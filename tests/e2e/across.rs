//! One project's requests wait for what another project deploys: decided with that deployment, by
//! command line and over a server, by whoever deploys and by nobody's hand in the project that waits.

use harness::Place;
use harness::serving::wait_for;
use serde_json::{Value, json};

use crate::remote::away;
use crate::serve::Running;

const ACCOUNTS: &str = r#"apiVersion: attestry/policy/v1
project: accounts
environments:
  - name: staging
    gates: []
  - name: prod
    from: [staging]
    gates: []
"#;

const CHECKOUT: &str = r#"apiVersion: attestry/policy/v1
project: checkout
environments:
  - name: prod
    gates:
      - dependency: { project: accounts, versions: ">=2.0.0" }
"#;

fn new() -> Place {
    let place = Place::new();
    place.expect(0, "attestry init --origin ledger.acme.example");
    place
}

/// A project with a lead, a pipeline, a policy, and version 2.0.0 of what it builds.
fn enrol(place: &Place, project: &str, policy: &str) {
    place.write(&format!("{project}.yaml"), policy);
    place.write(&format!("{project}.tar"), format!("{project} 2.0.0\n"));
    let (ci, lead) = (format!("ci-{project}"), format!("lead-{project}"));
    for name in [&ci, &lead] {
        place.expect(0, &format!("attestry key generate {name}.pem"));
    }
    for (name, rest) in [
        (
            &ci,
            format!("--pub {ci}.pem.pub --role emitter --kind build --kind deployment --kind note"),
        ),
        (&lead, format!("--pub {lead}.pem.pub --role release-manager")),
        (&lead, "--role policy-admin".to_owned()),
    ] {
        let add = format!("attestry identity add {name} {rest} --project {project}");
        place.expect(0, &format!("{add} --key attestry-root.pem"));
    }
    place.expect(0, &format!("attestry policy set {project}.yaml --key {lead}.pem"));
    let source = format!("git+https://acme.example/{project}@{}", "2".repeat(40));
    let built = format!(
        "attestry record build --subject {project}.tar --version 2.0.0 --source {source} \
         --builder https://ci.acme.example --project {project} --key {ci}.pem"
    );
    place.expect(0, &built);
}

/// Two projects; `checkout` calls what `accounts` serves.
fn teams() -> Place {
    let place = new();
    enrol(&place, "accounts", ACCOUNTS);
    enrol(&place, "checkout", CHECKOUT);
    place
}

fn json(place: &Place, line: &str) -> Value {
    serde_json::from_str(&place.expect(0, &format!("{line} --json")).stdout).unwrap()
}

fn promote(place: &Place, project: &str, to: &str) -> Value {
    let line = format!(
        "attestry promote {project}.tar --to {project}/{to} --reason 2.0 --key lead-{project}.pem"
    );
    json(place, &line)
}

/// `accounts` is granted wherever it goes; nothing is deployed yet.
fn granted(place: &Place) {
    for to in ["staging", "prod"] {
        assert_eq!(promote(place, "accounts", to)["outcome"], "granted", "{to}");
    }
}

fn deploy(place: &Place) -> Value {
    json(
        place,
        "attestry record deployment --subject accounts.tar --to accounts/prod --result succeeded \
         --key ci-accounts.pem",
    )
}

#[test]
fn a_deployment_decides_what_has_waited_for_it_in_another_project() {
    let place = teams();
    let waiting = promote(&place, "checkout", "prod");
    assert_eq!(waiting["outcome"], Value::Null);
    granted(&place);
    let note = "attestry record note --text moved --project accounts --key ci-accounts.pem";
    assert_eq!(json(&place, note)["decisions"], json!([]), "granted is not deployed");
    let deployed = deploy(&place);
    let decided = &deployed["decisions"][0];
    assert_eq!(decided["request"], waiting["request"]);
    assert_eq!(decided["environment"], "checkout/prod");
    assert_eq!(decided["outcome"], "granted");
    let entry = decided["decision"].as_u64().unwrap();
    assert_eq!(entry, deployed["logged"][0]["index"].as_u64().unwrap() + 1);
    assert!(place.expect(0, "attestry evaluate").stdout.contains("no request is open"));
    let replay = json(&place, "attestry replay");
    assert_eq!((&replay["agreed"], &replay["disagreed"]), (&json!(3), &json!(0)));
    place.expect(0, "attestry verify --trust ledger/pin.txt");
}

/// A decision is an event too: who waited for it need not wait for the timer.
#[test]
fn a_grant_decides_what_has_waited_to_come_from_there() {
    let place = teams();
    let prod = promote(&place, "accounts", "prod");
    assert_eq!(prod["outcome"], Value::Null, "not granted in staging");
    let staging = promote(&place, "accounts", "staging");
    assert_eq!(staging["outcome"], "granted");
    assert_eq!(staging["decisions"][0]["request"], prod["request"]);
    assert_eq!(staging["decisions"][0]["outcome"], "granted");
}

/// What was recorded stays recorded, and its receipt is there.
#[test]
fn where_nothing_can_be_decided_it_is_logged_all_the_same() {
    let place = teams();
    promote(&place, "checkout", "prod");
    granted(&place);
    let key = place.file("ledger/keys/service.pem");
    std::fs::rename(&key, place.file("service.pem")).unwrap();
    let line = "attestry record deployment --subject accounts.tar --to accounts/prod \
                --result succeeded --key ci-accounts.pem";
    let outcome = place.expect(0, line);
    assert!(outcome.stdout.contains("logged as entry"), "{outcome:?}");
    assert!(outcome.stderr.contains("open requests could not be evaluated"), "{outcome:?}");
    assert!(outcome.stderr.contains("[key-missing]"), "{outcome:?}");
    std::fs::rename(place.file("service.pem"), &key).unwrap();
    let said = place.expect(0, "attestry evaluate").stdout;
    assert!(said.contains("granted as entry"), "{said}");
}

/// Whoever deploys has no right in the project that waits, and is told nothing of it.
#[test]
fn over_a_server_it_is_decided_and_told_to_whom_it_concerns() {
    let server = Running::with(teams(), ledger::http::Settings::default());
    let made = "attestry token create --identity ci-accounts --expires 1h";
    let token = json(&server.place, made)["token"].as_str().unwrap().to_owned();
    let mut pipeline = away(&server);
    pipeline.set("ATTESTRY_TOKEN", &token);
    pipeline.set("ATTESTRY_PROJECT", "accounts");
    let waiting = promote(&server.place, "checkout", "prod");
    granted(&server.place);
    let deployed = deploy(&pipeline);
    assert_eq!(deployed["decisions"], json!([]), "{deployed}");
    let request = waiting["request"].as_str().unwrap();
    let decided = wait_for("the decision", || {
        let line = format!("attestry show {request} --json");
        let shown: Value = serde_json::from_str(&server.place.expect(0, &line).stdout).unwrap();
        let state = shown["promotion"]["state"].as_str().unwrap().to_owned();
        (!state.starts_with("open")).then_some(state)
    });
    assert!(decided.contains("granted"), "{decided}");
}

/// An environment without its project is one of the ledger's only project, whatever is asked.
#[test]
fn the_only_project_need_not_be_named() {
    let place = new();
    enrol(&place, "accounts", ACCOUNTS);
    granted(&place);
    deploy(&place);
    let same = |line: &str| {
        let whole = line.replace(" prod", " accounts/prod");
        let (short, whole) = (json(&place, line), json(&place, &whole));
        assert_eq!(short, whole, "{line}");
        short
    };
    let listed = same("attestry log --env prod");
    assert_eq!(listed["entries"].as_array().unwrap().len(), 3, "{listed}");
    assert_eq!(same("attestry replay --environment prod")["agreed"], 1);
    place.expect(
        0,
        "attestry pack create --environment prod --from 2026-01-01 --to 2100-01-01 \
         --for \"Example Audit LLP\" --reason \"SOC 2\" -o pack.zip",
    );
    let shown = json(&place, "attestry log --env prod --pack pack.zip --trust ledger/pin.txt");
    assert_eq!(shown["entries"].as_array().unwrap().len(), 3, "{shown}");

    enrol(&place, "checkout", CHECKOUT);
    for line in ["log --env prod", "replay --environment prod"] {
        let outcome = place.expect(2, &format!("attestry {line}"));
        assert!(outcome.stderr.contains("which project?"), "{outcome:?}");
    }
}
