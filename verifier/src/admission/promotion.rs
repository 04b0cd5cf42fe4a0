//! The rules of a promotion: its request, approvals, decision and deployments.

use schemas::id::{Digest, DigestAlgorithm, Environment, EnvironmentName, Project};
use schemas::kind::EventKind;
use schemas::predicate::approval::{Approval, ApprovalOutcome};
use schemas::predicate::decision::{
    ADMITTED, Decision, DecisionExtension, FAILED, Outcome, ThreadRead, VerificationResult,
};
use schemas::predicate::deployment::{Deployment, DeploymentResult};
use schemas::predicate::promotion_request::PromotionRequest;
use schemas::predicate::{EntryRef, Seen};
use schemas::report::{Code, Finding, GateVerdict};
use schemas::trust::role;

use super::{Accepted, Case, Refusal, refuse};
use crate::policy::{self, Ask, Evaluation};
use crate::projection::Missing;
use crate::projection::slice::{APPROVALS_MAX, PLACES_MAX, REQUESTS_MAX, Request};

fn environment_of(project: &Project, name: &EnvironmentName) -> Environment {
    Environment { project: project.clone(), name: name.clone() }
}

impl Case<'_> {
    /// The one artifact of a promotion: one subject with a sha256.
    fn artifact(&self) -> Result<Digest, Refusal> {
        let [subject] = self.event.subjects.as_slice() else {
            return refuse(self, Code::SubjectInvalid, "a promotion is about one artifact");
        };
        let promotable =
            subject.digests.iter().find(|digest| digest.algorithm() == DigestAlgorithm::Sha256);
        match promotable {
            Some(digest) => Ok(digest.clone()),
            None => refuse(self, Code::SubjectInvalid, "a promotable subject needs a sha256"),
        }
    }

    /// Nobody has seen more than there is. (That what was seen is a prefix of this log is checked
    /// where the tree is at hand.)
    fn seen(&self, seen: &Seen) -> Result<(), Refusal> {
        if seen.size <= self.at.index {
            return Ok(());
        }
        let detail = format!("saw size {} before entry {}", seen.size, self.at.index);
        refuse(self, Code::PredicateInvalid, detail)
    }

    pub fn request(&self, body: &PromotionRequest) -> Result<Accepted, Refusal> {
        let signers = self.signers(
            format_args!("request promotions to {}/{}", body.project, body.to),
            |name| self.trust.has_role(name, role::RELEASE_MANAGER, &body.project, Some(&body.to)),
        )?;
        self.artifact()?;
        self.seen(&body.seen)?;
        let known = self.state.policy(&body.project);
        if known.and_then(|policy| policy.document.environment(&body.to)).is_none() {
            let detail = format!("the policy of {} has no environment {}", body.project, body.to);
            return refuse(self, Code::UnknownEnvironment, detail);
        }
        let environment = environment_of(&body.project, &body.to);
        let slice = self.state.environment(&environment)?;
        let requests = slice.iter().flat_map(|slice| slice.requests.values());
        let open = requests.filter(|request| !request.is_expired(self.at.time)).count();
        let texts = [Some(&body.reason), body.ticket.as_ref()];
        let bounded = texts.into_iter().flatten().all(|text| (1..=4096).contains(&text.len()));
        if open >= REQUESTS_MAX || !bounded {
            let detail =
                "reason and ticket of a request have 1 to 4,096 bytes, and 256 may be open";
            return refuse(self, Code::PredicateInvalid, detail);
        }
        Ok(Accepted::by(Some(body.project.clone()), signers))
    }

    /// The open request that an approval or decision names, about the same artifact.
    fn open_request(
        &self,
        environment: &Environment,
        named: &EntryRef,
    ) -> Result<&Request, Refusal> {
        let slice = self.state.environment(environment)?;
        let request = slice.and_then(|slice| slice.requests.get(&named.index));
        let Some(request) = request.filter(|request| !request.is_expired(self.at.time)) else {
            let detail = format!("P-{} is not open in {environment}", named.index);
            return refuse(self, Code::RequestUnknown, detail);
        };
        if request.statement != named.statement || request.artifact != self.artifact()? {
            let detail = format!("P-{} is about {}", named.index, request.artifact);
            return refuse(self, Code::RequestMismatch, detail);
        }
        Ok(request)
    }

    pub fn approval(&self, body: &Approval) -> Result<Accepted, Refusal> {
        let (project, name) = (&body.project, &body.environment);
        let signers = self.signers(
            format_args!("approve as {} for {project}/{name}", body.role),
            |identity| {
                role::is_approval(&body.role)
                    && self.trust.has_role(identity, &body.role, project, Some(name))
            },
        )?;
        if let Some(admin) = signers.iter().find(|signer| self.trust.is_admin(&signer.identity)) {
            return refuse(self, Code::AdminApproves, format!("{} is an admin", admin.identity));
        }
        self.signing_mode(body)?;
        let request = self.open_request(&environment_of(project, name), &body.request)?;
        self.seen(&body.seen)?;
        if body.expires_at <= self.at.time {
            let detail = format!("expired at {}", body.expires_at);
            return refuse(self, Code::ApprovalExpired, detail);
        }
        if self.state.policy(project).map(|policy| policy.statement) != Some(body.policy) {
            let detail = format!("given under policy {}", body.policy.short());
            return refuse(self, Code::PolicyChanged, detail);
        }
        let withdraws = request.approvals.iter().any(|approval| {
            Some(approval.statement) == body.withdraws
                && signers.iter().any(|signer| signer.identity == approval.signer.identity)
        });
        let sound = match body.outcome {
            ApprovalOutcome::Withdrawn => withdraws,
            ApprovalOutcome::Granted | ApprovalOutcome::Rejected => body.withdraws.is_none(),
        };
        let bounded = body.reason.len() <= 4096 && body.meaning.len() <= 63;
        // A withdrawal makes room.
        let room = withdraws || request.approvals.len() < APPROVALS_MAX;
        if !sound || !bounded || !room {
            let detail = "only a withdrawal names the approval (of the same person) that it takes \
                          back; texts are bounded";
            return refuse(self, Code::PredicateInvalid, detail);
        }
        Ok(Accepted::by(Some(project.clone()), signers))
    }

    /// An approval says how its key is held: just as the key that signed it is.
    fn signing_mode(&self, body: &Approval) -> Result<(), Refusal> {
        for key in self.signed_by {
            let signed = self.trust.public_key(key).map(|key| key.signing_mode());
            if signed != Some(body.signing_mode) {
                let signed = signed.map_or("no key of this ledger", |mode| mode.name());
                let detail = format!("says {}, signed by {signed}", body.signing_mode.name());
                return refuse(self, Code::SigningModeMismatch, detail);
            }
        }
        Ok(())
    }

    /// A decision counts where its reads are still the heads, its time is between the entry before
    /// and its own, and the gates say the same again.
    pub fn decision(&self, body: &Decision) -> Result<Accepted, Refusal> {
        let said = &body.extension;
        let environment = environment_of(&said.project, &said.environment);
        let signers = self.signers(format_args!("log decisions"), |name| {
            self.trust.has_role(name, role::SERVICE, &said.project, Some(&said.environment))
        })?;
        if said.rules != crate::RULES {
            return refuse(self, Code::RulesUnknown, format!("decided by rules {}", said.rules));
        }
        let request = self.open_request(&environment, &said.request)?;
        if said.at < self.at.time_before || said.at > self.at.time {
            let (from, to) = (self.at.time_before, self.at.time);
            let detail = format!("decided at {}, logged between {from} and {to}", said.at);
            return refuse(self, Code::DecisionTime, detail);
        }
        for read in &said.reads {
            self.still_head(read)?;
        }
        let ask = Ask {
            environment: &environment,
            artifact: &request.artifact,
            request: Some(said.request.index),
        };
        let again = policy::evaluate(self.state, &ask, said.at)?;
        self.compare(body, &environment, &again)?;
        let mut accepted = Accepted::by(Some(said.project.clone()), signers);
        accepted.relied = again.relied;
        Ok(accepted)
    }

    fn still_head(&self, read: &ThreadRead) -> Result<(), Refusal> {
        let Some(thread) = schemas::thread::ThreadId::parse(&read.kind, &read.id) else {
            return refuse(
                self,
                Code::PredicateInvalid,
                format!("no thread {} {}", read.kind, read.id),
            );
        };
        let head = self.state.head(&thread)?;
        let same = match (&read.head, head) {
            (Some(read), Some(head)) => {
                (read.position, read.index, read.leaf) == (head.position, head.index, head.leaf)
            }
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if same { Ok(()) } else { refuse(self, Code::DecisionStale, format!("{thread} has moved")) }
    }

    /// Compares what was decided with what comes out now, gate by gate.
    fn compare(
        &self,
        body: &Decision,
        environment: &Environment,
        again: &Evaluation,
    ) -> Result<(), Refusal> {
        let said = &body.extension;
        let disagree = |what: String| refuse(self, Code::DecisionDisagrees, what);
        let policy =
            self.state.policy(&said.project).map(|policy| (policy.entry, policy.statement));
        if policy != Some((said.policy.index, said.policy.statement)) {
            return disagree("it names another policy than the one in force".to_owned());
        }
        if said.gates.len() != again.gates.len() {
            return disagree(format!(
                "{} gates, evaluated again {}",
                said.gates.len(),
                again.gates.len()
            ));
        }
        for (said, again) in said.gates.iter().zip(&again.gates) {
            if let Some(member) = difference(said, again) {
                return disagree(format!(
                    "{member} of gate {}: {} on entries {:?}; evaluated again, {} is {} on {:?}: {}",
                    said.id,
                    said.verdict.name(),
                    said.entries,
                    again.id,
                    again.verdict.name(),
                    again.entries,
                    again.reason
                ));
            }
        }
        if Some(said.outcome) != again.outcome() {
            return disagree(format!("it says {:?}, the gates do not", said.outcome));
        }
        let reads: Vec<String> =
            said.reads.iter().map(|it| format!("{} {}", it.kind, it.id)).collect();
        let expected: Vec<String> = again.reads.iter().map(ToString::to_string).collect();
        if reads != expected {
            return disagree("it does not name the threads that were read".to_owned());
        }
        if !summary_agrees(body, said, environment) {
            return disagree("its summary says something else than its decision".to_owned());
        }
        Ok(())
    }

    pub fn deployment(&self, body: &Deployment) -> Result<Accepted, Refusal> {
        let (project, name) = (&body.project, &body.environment);
        let signers = self
            .signers(format_args!("record deployments to {project}/{name}"), |identity| {
                self.trust.may_emit(identity, EventKind::Deployment, project, Some(name))
            })?;
        let artifact = self.artifact()?;
        let slice = self.state.artifact(&artifact)?;
        let places = slice.and_then(|slice| slice.projects.get(project)).map(|it| &it.places);
        let place = places.and_then(|places| places.get(name));
        if place.is_none() && places.is_some_and(|places| places.len() >= PLACES_MAX) {
            let detail = format!("{artifact} is in {PLACES_MAX} environments already");
            return refuse(self, Code::SubjectInvalid, detail);
        }
        let granted = place.is_some_and(|place| place.is_granted())
            || self.holds_newest_grant(&artifact, &environment_of(project, name))?;
        let mut accepted = Accepted::by(Some(project.clone()), signers);
        if !granted && body.result != DeploymentResult::Failed {
            let detail = format!("{artifact} in {project}/{name}");
            let index = Some(self.at.index);
            accepted.notices.push(Finding::new(Code::DeployedWithoutGrant, index, detail));
        }
        Ok(accepted)
    }

    /// A denial closes its own request: the artifact with the environment's newest grant keeps it
    /// until another one is granted there.
    fn holds_newest_grant(
        &self,
        artifact: &Digest,
        environment: &Environment,
    ) -> Result<bool, Missing> {
        let granted = self.state.environment(environment)?.and_then(|it| it.granted.as_ref());
        Ok(granted.is_some_and(|granted| granted.artifact == *artifact))
    }
}

/// The first member in which two verdicts of a gate differ.
fn difference(said: &GateVerdict, again: &GateVerdict) -> Option<&'static str> {
    let GateVerdict { id, gate, verdict, reason, next, entries, until } = said;
    let same = [
        ("id", *id == again.id),
        ("kind", *gate == again.gate),
        ("verdict", *verdict == again.verdict),
        ("entries", *entries == again.entries),
        ("reason", *reason == again.reason),
        ("next step", *next == again.next),
        ("until", *until == again.until),
    ];
    same.into_iter().find(|(_, same)| !same).map(|(member, _)| member)
}

/// The standard members of the summary must say what our extension says.
fn summary_agrees(body: &Decision, said: &DecisionExtension, environment: &Environment) -> bool {
    let granted = said.outcome == Outcome::Granted;
    let result = if granted { VerificationResult::Passed } else { VerificationResult::Failed };
    let level = if granted { ADMITTED } else { FAILED };
    body.verification_result == result
        && body.verified_levels == [level]
        && body.time_verified == said.at
        && body.resource_uri == format!("attestry:{}/{environment}", said.ledger)
        && body.verifier.id == format!("attestry:{}", said.ledger)
        && body.policy.digest.get("sha256") == Some(&said.policy.statement.to_string())
}
