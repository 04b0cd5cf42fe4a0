//! Waivers in force, those that end soon, and those that ended while what they let in still runs.

use schemas::id::{EntryIndex, Environment, EnvironmentName, Project, Time};
use schemas::predicate::decision::Outcome;
use schemas::report::{GateVerdict, Verdict};

use crate::granted::{Grant, grant_of, running_in};
use crate::policy::waiver::{InForce, Listed, Place, Standing, list};
use crate::projection::Missing;
use crate::projection::slice::WaiverKept;
use crate::view::{Named, View};

/// So long before its end a waiver is said to end soon.
pub const SOON_MS: i64 = 14 * 86_400_000;

/// What runs somewhere, and the newest decision that granted it there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runs {
    pub environment: Environment,
    pub artifact: Named,
    pub decision: EntryIndex,
}

/// The same with what the gates said in that decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunsBy {
    pub runs: Runs,
    pub gates: Vec<GateVerdict>,
}

/// A waiver, and what runs by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub project: Project,
    /// Absent: every environment.
    pub environment: Option<EnvironmentName>,
    pub gate: String,
    pub standing: Standing,
    pub waiver: Held,
    /// It is in force, and its review was due before now.
    pub review_due: bool,
    pub relied: Vec<Runs>,
}

/// What is known of a waiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    Kept(Box<WaiverKept>),
    /// The state has it no longer: it was taken back, or ended long ago. The decision tells of it.
    Gone {
        said: String,
        until: Option<Time>,
    },
}

/// What runs in the environments of these projects, where a decision is known to have granted it.
pub fn running(view: &View<'_>, projects: &[Project]) -> Result<Vec<Runs>, Missing> {
    let mut found = Vec::new();
    for environment in environments(view, projects) {
        let Some(slice) = view.environment(&environment)? else { continue };
        for artifact in running_in(slice) {
            // Asked for again and granted without a waiver, it rests on none any more.
            let grant = grant_of(view, slice, &environment, artifact, EntryIndex::MAX)?;
            if let Grant::By(step) = grant {
                let artifact = view.named(artifact, &environment.project)?;
                let (environment, decision) = (environment.clone(), step.entry);
                found.push(Runs { environment, artifact, decision });
            }
        }
    }
    Ok(found)
}

/// Lists the waivers of these projects: those that ended and are relied upon first, then those that
/// end soon, then the others that are in force.
pub fn waivers(
    view: &View<'_>,
    projects: &[Project],
    running: &[RunsBy],
) -> Result<Vec<Row>, Missing> {
    let environments = environments(view, projects);
    let mut places = Vec::new();
    for environment in &environments {
        if let Some(slice) = view.environment(environment)? {
            let Environment { project, name } = environment;
            places.push(Place { project, environment: Some(name), waivers: &slice.waivers });
        }
    }
    for project in projects {
        if let Some(waivers) = view.state.control().waivers.get(project) {
            places.push(Place { project, environment: None, waivers });
        }
    }
    let decisions: Vec<InForce> = running
        .iter()
        .map(|it| InForce { entry: it.runs.decision, outcome: Outcome::Granted, gates: &it.gates })
        .collect();
    let listed = list(&places, &decisions, view.at, SOON_MS);
    let mut rows: Vec<Row> = running.iter().flat_map(|it| gone(it, &listed)).collect();
    let kept = listed.into_iter().filter(|it| it.standing != Standing::Expired);
    rows.extend(kept.map(|it| row(it, running, view.at)));
    Ok(rows)
}

fn row(it: Listed, running: &[RunsBy], at: Time) -> Row {
    let relied =
        running.iter().map(|it| &it.runs).filter(|runs| it.relied.contains(&runs.decision));
    Row {
        relied: relied.cloned().collect(),
        project: it.project,
        environment: it.environment,
        gate: it.waiver.gate.clone(),
        standing: it.standing,
        review_due: it.waiver.review_at <= at && at < it.waiver.expires_at,
        waiver: Held::Kept(Box::new(it.waiver)),
    }
}

/// The gates that were waived for what runs, by waivers that are not kept any more.
fn gone(it: &RunsBy, listed: &[Listed]) -> Vec<Row> {
    let is_kept = |gate: &GateVerdict| {
        let same =
            |it: &Listed| it.waiver.gate == gate.id && gate.entries.contains(&it.waiver.entry);
        listed.iter().any(same)
    };
    let waived = it.gates.iter().filter(|gate| gate.verdict == Verdict::Waived);
    let row = |gate: &GateVerdict| Row {
        project: it.runs.environment.project.clone(),
        environment: Some(it.runs.environment.name.clone()),
        gate: gate.id.clone(),
        standing: Standing::ExpiredRelied,
        waiver: Held::Gone { said: gate.reason.clone(), until: gate.until },
        review_due: false,
        relied: vec![it.runs.clone()],
    };
    waived.filter(|gate| !is_kept(gate)).map(row).collect()
}

/// The environments of these projects that their policies name.
fn environments(view: &View<'_>, projects: &[Project]) -> Vec<Environment> {
    let of = |project: &Project| {
        let policy = view.state.policy(project);
        let rules = policy.map(|policy| &policy.document.environments[..]).unwrap_or_default();
        let name = |rule: &schemas::policy::EnvironmentRule| Environment {
            project: project.clone(),
            name: rule.name.clone(),
        };
        rules.iter().map(name).collect::<Vec<_>>()
    };
    projects.iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests;
