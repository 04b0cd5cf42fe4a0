//! The rules of a promotion: its request, approvals and decision.

use schemas::id::Environment;
use schemas::predicate::approval::{Approval, ApprovalOutcome, POST_HOC_REVIEW};
use schemas::predicate::decision::{
    Decision, DecisionExtension, Outcome, ThreadRead, VerificationResult,
};
use schemas::predicate::promotion_request::{PromotionRequest, RequestPath};
use schemas::predicate::{EntryRef, Seen};
use schemas::report::{Code, GateVerdict};
use schemas::trust::role;

use super::environment::environment_of;
use super::{Accepted, Case, Refusal, bounded, refuse};
use crate::policy::decide::verified_levels;
use crate::policy::{self, Ask, Evaluation, path};
use crate::projection::promotion::Closed;
use crate::projection::slice::{APPROVALS_MAX, REQUESTS_MAX, REVIEWS_MAX, Request, Signer};

impl Case<'_> {
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
        let environment = environment_of(&body.project, &body.to);
        // Who asked may take it back, whatever became of the role.
        let slice = self.state.environment(&environment)?;
        let withdrawn = body.withdraws.as_ref().map(|it| it.index);
        let withdrawn = withdrawn.and_then(|index| slice?.requests.get(&index));
        let asked = withdrawn.map(|request| &request.requester.identity);
        let what = format_args!("request promotions to {environment}");
        let signers = self.signers(what, role::RELEASE_MANAGER, |name| {
            Some(name) == asked
                || self.trust.has_role(name, role::RELEASE_MANAGER, &body.project, Some(&body.to))
        })?;
        self.artifacts()?;
        self.seen(&body.seen)?;
        let known = self.state.policy(&body.project);
        if known.and_then(|policy| policy.document.environment(&body.to)).is_none() {
            let detail = format!("the policy of {} has no environment {}", body.project, body.to);
            return refuse(self, Code::UnknownEnvironment, detail);
        }
        let texts = [Some(&body.reason), body.ticket.as_ref()];
        let texts = texts.into_iter().flatten().all(|text| bounded(text, 4096));
        if !texts || body.incident.is_some_and(|entry| entry >= self.at.index) {
            let detail = "reason and ticket of a request have 1 to 4,096 bytes, and its incident \
                          is an earlier entry";
            return refuse(self, Code::PredicateInvalid, detail);
        }
        match &body.withdraws {
            Some(withdrawn) => drop(self.open_request(&environment, withdrawn)?),
            None => self.asking(body, &environment)?,
        }
        Ok(Accepted::by(Some(body.project.clone()), signers))
    }

    /// There is room for a request, and its path may be taken.
    fn asking(&self, body: &PromotionRequest, environment: &Environment) -> Result<(), Refusal> {
        let artifacts = self.artifacts()?;
        let slice = self.state.environment(environment)?;
        let requests = slice.iter().flat_map(|slice| slice.requests.values());
        let open = requests.filter(|request| !request.is_expired(self.at.time));
        let (mut count, mut emergencies) = (0, 0);
        for request in open {
            count += 1;
            emergencies += usize::from(request.path == RequestPath::Emergency);
        }
        let due = slice.map_or(0, |slice| slice.reviews_due.len());
        if count >= REQUESTS_MAX {
            return refuse(self, Code::PredicateInvalid, "256 requests are open already");
        }
        match body.path {
            RequestPath::Normal => Ok(()),
            RequestPath::Emergency if due + emergencies < REVIEWS_MAX => Ok(()),
            RequestPath::Emergency => {
                let detail = "64 emergencies wait for a decision or their review";
                refuse(self, Code::IllegalMove, detail)
            }
            RequestPath::Rollback => {
                for artifact in artifacts {
                    if !path::was_granted(self.state, &artifact, environment)? {
                        let detail = format!("{artifact} was never granted in {environment}");
                        return refuse(self, Code::IllegalMove, detail);
                    }
                }
                Ok(())
            }
        }
    }

    /// The open request that an approval or decision names, about the same artifacts.
    fn open_request(
        &self,
        environment: &Environment,
        named: &EntryRef,
    ) -> Result<&Request, Refusal> {
        let slice = self.state.environment(environment)?;
        let request = slice.and_then(|slice| slice.requests.get(&named.index));
        let Some(request) = request.filter(|request| !request.is_expired(self.at.time)) else {
            let mut closed = slice.iter().flat_map(|slice| &slice.closed);
            let closed = closed.find(|closed| closed.request() == named.index);
            let is = closed.map_or("not open", Closed::state);
            let detail = format!("P-{} is {is} in {environment}", named.index);
            return refuse(self, Code::RequestUnknown, detail);
        };
        if request.statement != named.statement {
            let detail = format!("P-{} is about {}", named.index, request.artifact);
            return refuse(self, Code::RequestMismatch, detail);
        }
        self.answers(named.index, request.artifacts())?;
        Ok(request)
    }

    pub fn approval(&self, body: &Approval) -> Result<Accepted, Refusal> {
        let (project, name) = (&body.project, &body.environment);
        let signers =
            self.signers(format_args!("approve for {project}/{name}"), &body.role, |identity| {
                role::is_approval(&body.role)
                    && self.trust.has_role(identity, &body.role, project, Some(name))
            })?;
        if let Some(admin) = signers.iter().find(|signer| self.trust.is_admin(&signer.identity)) {
            return refuse(self, Code::AdminApproves, format!("{} is an admin", admin.identity));
        }
        self.signing_mode(body)?;
        self.own_card(body, &signers)?;
        let environment = environment_of(project, name);
        if body.meaning == POST_HOC_REVIEW {
            self.post_hoc_review(body, &environment, &signers)?;
            return Ok(Accepted::by(Some(project.clone()), signers));
        }
        let request = self.open_request(&environment, &body.request)?;
        self.current(body)?;
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

    /// An approval is given for a time that is not over, under the policy in force.
    fn current(&self, body: &Approval) -> Result<(), Refusal> {
        self.seen(&body.seen)?;
        if body.expires_at <= self.at.time {
            let detail = format!("expired at {}", body.expires_at);
            return refuse(self, Code::ApprovalExpired, detail);
        }
        if self.state.policy(&body.project).map(|policy| policy.statement) != Some(body.policy) {
            let detail = format!("given under policy {}", body.policy.short());
            return refuse(self, Code::PolicyChanged, detail);
        }
        Ok(())
    }

    /// A review of an emergency after the fact closes what is due; neither a yes nor a no moves
    /// what was granted.
    fn post_hoc_review(
        &self,
        body: &Approval,
        environment: &Environment,
        signers: &[Signer],
    ) -> Result<(), Refusal> {
        let slice = self.state.environment(environment)?;
        let due = slice.and_then(|slice| slice.reviews_due.get(&body.request.index));
        let Some(due) = due else {
            let detail = format!("no review of P-{} is due in {environment}", body.request.index);
            return refuse(self, Code::RequestUnknown, detail);
        };
        if due.statement != body.request.statement {
            let detail = format!("P-{} is about {}", body.request.index, due.artifact);
            return refuse(self, Code::RequestMismatch, detail);
        }
        self.answers(body.request.index, due.artifacts())?;
        self.current(body)?;
        if let Some(signer) = signers.iter().find(|it| due.involved.contains(&it.identity)) {
            let detail = format!("{} asked for it or approved it", signer.identity);
            return refuse(self, Code::ReviewerInvolved, detail);
        }
        if !due.roles.is_empty() && !due.roles.contains(&body.role) {
            let detail = format!("it is reviewed as {}", due.roles.join(" or "));
            return refuse(self, Code::RoleMissing, detail);
        }
        let whole = body.withdraws.is_none() && body.outcome != ApprovalOutcome::Withdrawn;
        if !whole || !bounded(&body.reason, 4096) {
            let detail = "a review says yes or no with its reason, and takes nothing back";
            return refuse(self, Code::PredicateInvalid, detail);
        }
        Ok(())
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

    /// Nobody signs under another person's name.
    fn own_card(&self, body: &Approval, signers: &[Signer]) -> Result<(), Refusal> {
        let Some(card) = &body.card else { return Ok(()) };
        let identities = self.trust.document.identities.iter();
        let mut theirs = identities.filter(|it| it.card.as_ref() == Some(card));
        if theirs.any(|it| signers.iter().any(|signer| signer.identity == it.name)) {
            return Ok(());
        }
        let detail = format!("{card} is not the person card of whoever signed");
        refuse(self, Code::PredicateInvalid, detail)
    }

    /// A decision counts where its reads are still the heads, its time is between the entry before
    /// and its own, and the gates say the same again.
    pub fn decision(&self, body: &Decision) -> Result<Accepted, Refusal> {
        let said = &body.extension;
        let environment = environment_of(&said.project, &said.environment);
        let signers = self.signers(format_args!("log decisions"), role::SERVICE, |name| {
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

    /// A decision is made by the policy in force: by another one it is none, whatever its gates say.
    fn by_policy_in_force(&self, said: &DecisionExtension) -> Result<(), Refusal> {
        let in_force = self.state.policy(&said.project);
        let in_force = in_force.map(|policy| (policy.entry, policy.statement));
        if in_force == Some((said.policy.index, said.policy.statement)) {
            return Ok(());
        }
        let named = |(entry, statement): (u64, schemas::id::Hash)| {
            format!("policy {} of entry {entry}", statement.short())
        };
        let in_force = in_force.map_or_else(|| "none".to_owned(), named);
        let by = named((said.policy.index, said.policy.statement));
        refuse(self, Code::DecisionOtherPolicy, format!("decided by {by}, in force is {in_force}"))
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
        self.by_policy_in_force(said)?;
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
        let levels = verified_levels(again, said.outcome);
        if body.verified_levels != levels || !summary_agrees(body, said, environment) {
            return disagree("its summary says something else than its decision".to_owned());
        }
        Ok(())
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
    body.verification_result == result
        && body.time_verified == said.at
        && body.resource_uri == format!("attestry:{}/{environment}", said.ledger)
        && body.verifier.id == format!("attestry:{}", said.ledger)
        && body.policy.digest.get("sha256") == Some(&said.policy.statement.to_string())
}
