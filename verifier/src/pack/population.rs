//! The population: every deployment of an environment in a period, one row each.

use std::fmt::Write as _;

use schemas::id::{Digest, EntryIndex, Time};
use schemas::predicate::decision::Outcome;
use schemas::predicate::deployment::DeploymentResult;
use schemas::report::{Class, Finding};

use super::bag::Scope;
use super::replay::Replay;
use super::shown::Shown;
use crate::event::Body;

/// One deployment with what admitted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub deployment: EntryIndex,
    pub time: Time,
    pub artifact: Digest,
    pub name: String,
    pub version: String,
    pub result: DeploymentResult,
    pub request: Option<EntryIndex>,
    pub decision: Option<EntryIndex>,
    /// Who counted, and the entries of their approvals.
    pub approvers: Vec<String>,
    pub approvals: Vec<EntryIndex>,
    /// Empty, or the code of what was wrong with it.
    pub exception: String,
    /// Every entry that this row rests on.
    pub indexes: Vec<EntryIndex>,
}

/// Lists the deployments of the scope's environment in its period, in the order of the log.
///
/// Rests on shown entries alone: the newest decision about the same artifact before each
/// deployment, and the approvals that this decision names.
pub fn rows(scope: &Scope, replay: &Replay, findings: &[Finding]) -> Vec<Row> {
    let Replay { shown, state, .. } = replay;
    let environment = scope.environment();
    let mut rows = Vec::new();
    for (index, it) in &shown.entries {
        let Some(event) = &it.event else { continue };
        let Body::Deployment(body) = &event.body else {
            continue;
        };
        let here = body.project == scope.project && body.environment == scope.environment;
        let Some(artifact) = event.digests().next().filter(|_| here && scope.holds(it.entry.time))
        else {
            continue;
        };
        let known = state.artifact(artifact).ok().flatten();
        let known = known.and_then(|slice| slice.projects.get(&environment.project));
        let text = |text: Option<&String>| text.cloned().unwrap_or_default();
        // A deployment that the rules refused is still a row: somebody recorded it.
        let exception = findings
            .iter()
            .find(|finding| finding.index == Some(*index) && finding.class == Class::Rule)
            .map_or(String::new(), |finding| finding.code.name().to_owned());
        let mut row = Row {
            deployment: *index,
            time: it.entry.time,
            artifact: artifact.clone(),
            name: text(known.and_then(|known| known.name.as_ref())),
            version: text(known.and_then(|known| known.version.as_ref())),
            result: body.result,
            request: None,
            decision: None,
            approvers: Vec::new(),
            approvals: Vec::new(),
            exception,
            indexes: vec![*index],
        };
        if let Some(decision) = decision_behind(shown, scope, artifact, &row) {
            add_decision(&mut row, replay, decision);
        }
        row.indexes.sort_unstable();
        row.indexes.dedup();
        rows.push(row);
    }
    rows
}

/// The newest grant of what was deployed by one, else the newest decision: a denial closes its own
/// request, and what had been granted before stays so.
fn decision_behind(
    shown: &Shown,
    scope: &Scope,
    artifact: &Digest,
    row: &Row,
) -> Option<EntryIndex> {
    let newest = |is: &dyn Fn(Outcome) -> bool| decision_before(shown, scope, artifact, row, is);
    let grant = row.exception.is_empty().then(|| newest(&|it| it == Outcome::Granted));
    grant.flatten().or_else(|| newest(&|_| true))
}

fn decision_before(
    shown: &Shown,
    scope: &Scope,
    artifact: &Digest,
    row: &Row,
    is: &dyn Fn(Outcome) -> bool,
) -> Option<EntryIndex> {
    shown.entries.range(..row.deployment).rev().find_map(|(index, it)| {
        // A decision that the rules refused has no signer that counts, and decides nothing.
        let event = it.event.as_ref().filter(|_| !it.signers.is_empty())?;
        let Body::Decision(body) = &event.body else {
            return None;
        };
        let said = &body.extension;
        let same = said.project == scope.project
            && said.environment == scope.environment
            && event.digests().any(|digest| digest == artifact)
            && is(said.outcome);
        same.then_some(*index)
    })
}

fn add_decision(row: &mut Row, replay: &Replay, decision: EntryIndex) {
    let entries = &replay.shown.entries;
    let event = entries.get(&decision).and_then(|it| it.event.as_ref());
    let Some(Body::Decision(body)) = event.map(|event| &event.body) else {
        return;
    };
    let said = &body.extension;
    row.decision = Some(decision);
    row.request = Some(said.request.index);
    row.indexes.extend([decision, said.request.index, said.policy.index]);
    row.indexes.extend(said.gates.iter().flat_map(|gate| &gate.entries));
    let relied = replay.relied.get(&decision);
    let approvals = said.gates.iter().filter(|gate| gate.gate == "approvals");
    for entry in approvals.flat_map(|gate| &gate.entries) {
        let counted = relied.is_some_and(|relied| relied.contains(entry));
        let it = entries.get(entry).filter(|_| counted);
        let name = it.and_then(|it| it.signers.first()).map(ToString::to_string);
        if let Some(name) = name.filter(|name| !row.approvers.contains(name)) {
            row.approvers.push(name);
            row.approvals.push(*entry);
        }
    }
}

pub fn result_name(result: DeploymentResult) -> &'static str {
    match result {
        DeploymentResult::Started => "started",
        DeploymentResult::Succeeded => "succeeded",
        DeploymentResult::Failed => "failed",
    }
}

/// Writes the rows as CSV (RFC 4180 with LF), one spelling.
pub fn format_csv(scope: &Scope, rows: &[Row]) -> String {
    let mut text = "deployment,digest,name,version,environment,time,result,request,decision,\
                    approvers,exception,indexes\n"
        .to_owned();
    for row in rows {
        let number = |index: Option<EntryIndex>| index.map_or(String::new(), |it| it.to_string());
        let indexes: Vec<String> = row.indexes.iter().map(ToString::to_string).collect();
        let fields = [
            row.deployment.to_string(),
            row.artifact.to_string(),
            row.name.clone(),
            row.version.clone(),
            scope.environment().to_string(),
            row.time.to_string(),
            result_name(row.result).to_owned(),
            number(row.request),
            number(row.decision),
            row.approvers.join(" "),
            row.exception.clone(),
            indexes.join(" "),
        ];
        let quoted: Vec<String> = fields.iter().map(|field| quote(field)).collect();
        let _ = writeln!(text, "{}", quoted.join(","));
    }
    text
}

/// Quotes what needs it, and disarms what a spreadsheet would run as a formula.
fn quote(field: &str) -> String {
    let disarmed = match field.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r') => format!("'{field}"),
        _ => field.to_owned(),
    };
    if disarmed.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", disarmed.replace('"', "\"\""))
    } else {
        disarmed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Entry;
    use crate::event::Event;
    use crate::fixture::cast::APPROVER;
    use crate::fixture::forge::{Filed, forge};
    use crate::fixture::{World, artifact, body, envelope, project};
    use crate::merkle;
    use crate::pack::replay::replay;
    use crate::pack::shown::ShownEntry;
    use schemas::predicate::approval::ApprovalOutcome;
    use schemas::predicate::deployment;
    use schemas::statement::{Statement, Subject};

    /// A ledger that looks at no rule: what it recorded is a row, and says which rule it breaks.
    #[test]
    fn a_deployment_that_breaks_a_rule_is_a_row_with_its_exception() {
        let mut world = World::new();
        world.policy("paul", body::FULL_POLICY).unwrap();
        world.release("first");
        let body = world.deployment_body("prod", DeploymentResult::Succeeded);
        let subject = vec![Subject::of(&artifact("first"), None)];
        let envelope = envelope(&Statement::new(subject, deployment::TYPE, body), &["mia"]);
        let mut filed = world.filed();
        filed.push(Filed { envelope, project: Some(project()), time: world.now });
        let rows = rows_of(&world, &filed);
        let exceptions: Vec<&str> = rows.iter().map(|row| row.exception.as_str()).collect();
        assert_eq!(exceptions, ["", "role-missing"]);
    }

    /// What runs was granted by the decision that granted it, whatever was denied since.
    #[test]
    fn a_row_names_the_decision_that_granted_it() {
        let mut world = World::new();
        world.policy("paul", body::FULL_POLICY).unwrap();
        let it = world.release("first");
        let request = world.request(&it, "prod").unwrap();
        let mut answer = world.approval_body(request, APPROVER);
        answer.outcome = ApprovalOutcome::Rejected;
        world.answer("ben", &answer).unwrap();
        let denial = world.decide(request).unwrap();
        world.deploy(&it, "prod").unwrap();
        let rows = rows_of(&world, &world.filed());
        assert_eq!(rows.len(), 2);
        assert!(rows[0].decision.is_some_and(|it| it < denial));
        assert_eq!((rows[1].decision, &rows[1].exception), (rows[0].decision, &String::new()));
        assert_eq!(rows[1].approvers, ["anna", "sara"]);
    }

    /// Each of several artifacts is a row of its own, with the one decision that admitted them.
    #[test]
    fn a_release_of_several_is_a_row_for_each() {
        let mut world = World::new();
        world
            .policy(
                "paul",
                body::policy_json(
                    "[]",
                    r#"[{"approvals":{"count":1,
            "roles":["release-approver"]}}]"#,
                )
                .as_str(),
            )
            .unwrap();
        let (app, worker) = (artifact("app"), artifact("worker"));
        let request = world.request_together(&[&app, &worker], "prod").unwrap();
        world.approve("anna", APPROVER, request).unwrap();
        let decision = world.decide(request).unwrap();
        world.deploy(&app, "prod").unwrap();
        world.deploy(&worker, "prod").unwrap();
        let rows = rows_of(&world, &world.filed());
        let found: Vec<&Digest> = rows.iter().map(|row| &row.artifact).collect();
        assert_eq!(found, [&app, &worker]);
        for row in rows {
            assert_eq!((row.request, row.decision), (Some(request), Some(decision)));
            assert_eq!((row.approvers, row.exception.as_str()), (vec!["anna".to_owned()], ""));
        }
    }

    fn rows_of(world: &World, filed: &[Filed]) -> Vec<Row> {
        let mut shown = Shown::default();
        for record in forge(world.origin(), filed) {
            let it = ShownEntry {
                entry: Entry::parse(&record.entry).unwrap(),
                leaf: merkle::leaf_hash(&record.entry),
                event: Some(Event::read(&record.envelope.unwrap()).unwrap()),
                keys: Vec::new(),
                signers: Vec::new(),
            };
            shown.entries.insert(it.entry.index, it);
        }
        let scope = Scope {
            origin: world.origin().clone(),
            project: project(),
            environment: "prod".parse().unwrap(),
            from: "2026-01-01T00:00:00.000Z".parse().unwrap(),
            to: "2027-01-01T00:00:00.000Z".parse().unwrap(),
            size: filed.len() as u64,
            framework: None,
        };
        let replay = replay(&scope, shown);
        rows(&scope, &replay, &replay.findings)
    }

    #[test]
    fn fields_are_quoted_and_disarmed() {
        for (field, expected) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("=cmd()", "'=cmd()"),
            ("@x,y", "\"'@x,y\""),
            ("", ""),
        ] {
            assert_eq!(quote(field), expected);
        }
    }
}
