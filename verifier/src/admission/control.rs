//! The rules of what changes the rules: trust documents, policies, heads and exports.

use schemas::id::{Digest, Hash, KeyId};
use schemas::predicate::export::Export;
use schemas::predicate::heads::Heads;
use schemas::predicate::policy::Policy;
use schemas::predicate::trust::Trust as TrustBody;
use schemas::report::{Code, Finding};
use schemas::trust::role;

use super::{Accepted, Case, Moment, Refusal, refuse};
use crate::dsse::Spelling;
use crate::event::{Body, Event};
use crate::policy::document::check_document;
use crate::threshold;
use crate::trust::{Trust, TrustError};

/// Entry 0: a trust document signed by a threshold of its own roots, replacing nothing.
pub fn judge_genesis(event: &Event, signed_by: &[KeyId], at: &Moment) -> Result<Accepted, Refusal> {
    let refuse =
        |code, detail: String| Err(Refusal::Rule(Finding::new(code, Some(at.index), detail)));
    let Body::Trust(body, digest) = &event.body else {
        return refuse(Code::TrustRefused, "entry 0 is no trust document".to_owned());
    };
    let trust = match Trust::of(body.trust.clone()) {
        Ok(trust) => trust,
        Err(cause) => return refuse(trust_code(&cause), cause.to_string()),
    };
    if body.ledger != trust.document.origin || body.replaces.is_some() || at.index != 0 {
        return refuse(
            Code::TrustRefused,
            "entry 0 names its own origin and replaces nothing".into(),
        );
    }
    if !has_one_subject(event, digest) {
        return refuse(Code::SubjectInvalid, "the subject is not the document".into());
    }
    if signed_by.len() != event.signed.signatures.len() || event.signed.spelling != Spelling::Own {
        return refuse(Code::SignatureExtra, "a signature does not verify".into());
    }
    let roots = trust.sound_roots(at.index);
    let signed = threshold::count_keys(signed_by, &roots);
    if signed < trust.document.roots.threshold as usize || signed != signed_by.len() {
        let detail = format!("{signed} of {} root keys signed", trust.document.roots.threshold);
        return refuse(Code::ThresholdMissed, detail);
    }
    Ok(Accepted::by(None, Vec::new()))
}

fn trust_code(cause: &TrustError) -> Code {
    match cause {
        TrustError::Rules(_) => Code::RulesUnknown,
        _ => Code::TrustRefused,
    }
}

/// True where the event has one subject, with just this SHA-256.
pub(super) fn has_one_subject(event: &Event, digest: &Hash) -> bool {
    event.subjects.len() == 1 && event.digests().eq([&Digest::sha256(digest)])
}

impl Case<'_> {
    /// A later trust document: signed by a threshold of the roots in force, and of its own roots
    /// where they are others.
    pub fn trust_document(&self, body: &TrustBody, digest: &Hash) -> Result<Accepted, Refusal> {
        let in_force = self.state.control().trust.as_ref().map(|trust| trust.statement);
        if body.replaces != in_force {
            return refuse(self, Code::NotReplacing, "it does not replace the document in force");
        }
        if !has_one_subject(self.event, digest) {
            return refuse(self, Code::SubjectInvalid, "the subject is not the document");
        }
        let next = Trust::of(body.trust.clone())
            .and_then(|next| next.check_follows(self.trust).map(|()| next));
        let next = match next {
            Ok(next) => next,
            Err(cause) => return refuse(self, trust_code(&cause), cause.to_string()),
        };
        let mut needed = vec![self.trust];
        if next.document.roots != self.trust.document.roots {
            needed.push(&next);
        }
        for trust in needed {
            let roots = trust.sound_roots(self.at.index);
            let signed = threshold::count_keys(self.signed_by, &roots);
            let threshold = trust.document.roots.threshold;
            if signed < threshold as usize {
                let detail = format!("{signed} of {threshold} root keys signed");
                return refuse(self, Code::ThresholdMissed, detail);
            }
        }
        Ok(Accepted::by(None, Vec::new()))
    }

    pub fn policy(&self, body: &Policy, digest: &Hash) -> Result<Accepted, Refusal> {
        let project = &body.project;
        let signers = self.signers(format_args!("set the policy of {project}"), |name| {
            self.trust.has_role(name, role::POLICY_ADMIN, project, None)
        })?;
        let in_force = self.state.policy(project).map(|policy| policy.statement);
        if body.replaces != in_force {
            return refuse(self, Code::NotReplacing, "it does not replace the policy in force");
        }
        if !has_one_subject(self.event, digest) {
            return refuse(self, Code::SubjectInvalid, "the subject is not the document");
        }
        if body.policy.project != *project {
            return refuse(self, Code::ProjectMismatch, "the document is of another project");
        }
        match check_document(&body.policy).first() {
            Some(complaint) => {
                let detail = format!("{}: {}", complaint.path, complaint.message);
                refuse(self, Code::PolicyRefused, detail)
            }
            None => Ok(Accepted::by(Some(project.clone()), signers)),
        }
    }

    /// Heads are about the log just before their own entry, so that the state is at hand.
    pub fn heads(&self, body: &Heads) -> Result<Accepted, Refusal> {
        let service = |name: &_| self.is_service(name);
        let signers = self.signers(format_args!("log heads"), service)?;
        if body.size != self.at.index {
            let detail = format!("heads of size {} at entry {}", body.size, self.at.index);
            return refuse(self, Code::HeadsStale, detail);
        }
        if !has_one_subject(self.event, &self.trust.ledger) {
            return refuse(self, Code::SubjectInvalid, "the subject is not the ledger");
        }
        Ok(Accepted::by(None, signers))
    }

    pub fn export(&self, body: &Export) -> Result<Accepted, Refusal> {
        let signers = self.signers(format_args!("log exports"), |name| {
            self.trust.has_role(name, role::SERVICE, &body.project, None)
        })?;
        let one = self.event.subjects.len() == 1 && self.event.digests().count() == 1;
        if !one || body.to <= body.from || body.size > self.at.index {
            return refuse(self, Code::PredicateInvalid, "an export names one pack and its period");
        }
        Ok(Accepted::by(Some(body.project.clone()), signers))
    }

    /// The service identity of the ledger as a whole.
    fn is_service(&self, name: &schemas::id::IdentityName) -> bool {
        self.trust
            .document
            .grants
            .iter()
            .any(|grant| grant.identity == *name && grant.role == role::SERVICE)
    }
}
