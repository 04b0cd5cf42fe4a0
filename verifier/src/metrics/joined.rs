//! A history with its parts joined once: what became of each deployment, and what followed it.

use std::collections::BTreeMap;

use schemas::id::{Digest, EntryIndex, EnvironmentName};
use schemas::predicate::deployment::DeploymentResult;
use schemas::predicate::incident::Cause;

use super::history::{At, Decision, Deployment, History, IncidentStory, Observation};

pub struct Joined<'a> {
    pub history: &'a History,
    /// The successful deployments of each artifact in each environment, in the order of the log.
    deployed: BTreeMap<&'a Digest, BTreeMap<&'a EnvironmentName, Vec<&'a Deployment>>>,
    /// The events by which a deployment failed, by its entry.
    failures: BTreeMap<EntryIndex, Vec<At>>,
    observed: BTreeMap<&'a EnvironmentName, Vec<&'a Observation>>,
    /// The incidents that a deployment caused, each with its environment.
    pub caused: Vec<(&'a EnvironmentName, &'a IncidentStory)>,
}

impl<'a> Joined<'a> {
    pub fn of(history: &'a History) -> Joined<'a> {
        let mut joined = Joined {
            history,
            deployed: BTreeMap::new(),
            failures: BTreeMap::new(),
            observed: BTreeMap::new(),
            caused: Vec::new(),
        };
        joined.join_deployments();
        joined.join_incidents();
        for it in &history.observations {
            joined.observed.entry(&it.environment).or_default().push(it);
        }
        joined
    }

    /// A rollback fails the newest deployment of the artifact that it leaves.
    fn join_deployments(&mut self) {
        for it in &self.history.deployments {
            if let Some(left) = it.left.as_ref()
                && let Some(newest) = self.deployed_there(left, &it.environment).last()
            {
                self.failures.entry(newest.at.index).or_default().push(it.at);
            }
            if it.result == DeploymentResult::Succeeded {
                let places = self.deployed.entry(&it.artifact).or_default();
                places.entry(&it.environment).or_default().push(it);
            }
        }
    }

    fn deployed_there(
        &self,
        artifact: &Digest,
        environment: &EnvironmentName,
    ) -> &[&'a Deployment] {
        let there = self.deployed.get(artifact).and_then(|places| places.get(environment));
        there.map(Vec::as_slice).unwrap_or_default()
    }

    fn join_incidents(&mut self) {
        let succeeded =
            self.history.deployments.iter().filter(|it| it.result == DeploymentResult::Succeeded);
        let by_index: BTreeMap<EntryIndex, &Deployment> =
            succeeded.clone().map(|it| (it.at.index, it)).collect();
        let by_promotion: BTreeMap<EntryIndex, &Deployment> =
            succeeded.filter_map(|it| Some((it.promotion?, it))).collect();
        for ((environment, _), story) in &self.history.incidents {
            let (Some(first), Some(entry)) = (story.first, story.indexes.first()) else { continue };
            let causing = story.cause.as_ref().and_then(|cause| match cause {
                Cause::Deployment(index) => by_index.get(index).copied(),
                Cause::Promotion(request) => by_promotion.get(request).copied(),
                Cause::Artifact(artifact) => {
                    let all = self.deployed_there(artifact, environment);
                    let before = all.partition_point(|it| it.at.index < *entry);
                    all.get(before.checked_sub(1)?).copied()
                }
            });
            if let Some(by) = causing.filter(|it| it.environment == *environment) {
                let at = At { index: *entry, time: first.time };
                self.failures.entry(by.at.index).or_default().push(at);
                self.caused.push((environment, story));
            }
        }
    }

    /// The entries by which a deployment failed while it was watched; none while it stands.
    pub fn failed(&self, it: &Deployment, watch_ms: i64) -> Vec<EntryIndex> {
        let failures = self.failures.get(&it.at.index).map(Vec::as_slice).unwrap_or_default();
        let watched = failures.iter().filter(|at| at.time.since(it.at.time) <= watch_ms);
        watched.map(|at| at.index).collect()
    }

    /// The first successful deployments that carry out a grant, one for each of its artifacts; none
    /// as long as one of them is missing. The last one of them comes last.
    pub fn carried_out(&self, grant: &'a Decision) -> Vec<&'a Deployment> {
        let first = |of: &Digest| self.deployed_after(of, &grant.environment, grant.at.index);
        let found: Option<Vec<_>> = grant.artifacts.iter().map(first).collect();
        let mut found = found.unwrap_or_default();
        found.sort_by_key(|it| it.at.index);
        found
    }

    /// The first successful deployment of an artifact there after an entry.
    pub fn deployed_after(
        &self,
        artifact: &Digest,
        environment: &EnvironmentName,
        after: EntryIndex,
    ) -> Option<&'a Deployment> {
        let all = self.deployed_there(artifact, environment);
        all.get(all.partition_point(|it| it.at.index <= after)).copied()
    }

    /// Everywhere that an artifact was deployed.
    pub fn deployments_of(&self, artifact: &Digest) -> impl Iterator<Item = &'a Deployment> {
        let places = self.deployed.get(artifact).into_iter().flat_map(BTreeMap::values);
        places.flat_map(|all| all.iter().copied())
    }

    /// The observations of an environment that were logged after an entry.
    pub fn observed_after(
        &self,
        environment: &EnvironmentName,
        after: EntryIndex,
    ) -> impl Iterator<Item = &'a Observation> {
        let all = self.observed.get(environment).map(Vec::as_slice).unwrap_or_default();
        all[all.partition_point(|it| it.at.index <= after)..].iter().copied()
    }
}
