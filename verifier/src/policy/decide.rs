//! Composes a decision from an evaluation: what the service signs.
//!
//! Pure: whoever composes on the same state, at the same time and with the same nonce, gets the
//! same payload. Admission evaluates again and compares, so a mistake here is refused there.

use std::collections::BTreeMap;

use schemas::id::{EntryIndex, Time};
use schemas::predicate::decision::{
    self, ADMITTED, Decision, DecisionExtension, FAILED, Outcome, ReadHead, SummaryVerifier,
    ThreadRead, VerificationResult,
};
use schemas::predicate::{EntryRef, Nonce};
use schemas::statement::{ResourceDescriptor, Statement, Subject};
use schemas::thread::ThreadId;

use super::{Ask, Evaluation};
use crate::RULES;
use crate::projection::slice::Request;
use crate::projection::{Missing, State};

/// The SLSA version whose level words the summary uses.
const SLSA_VERSION: &str = "1.2";

/// The SLSA build track's words, before the level.
const BUILD_LEVEL: &str = "SLSA_BUILD_LEVEL_";

/// Why there is nothing to sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    #[error("the question names no request")]
    NoRequest,
    #[error("P-{0} is not open for this artifact in this environment")]
    NotOpen(EntryIndex),
    #[error("no gate fails, and some do not admit yet")]
    Undecided,
    #[error("the ledger has no trust document, or the project no policy")]
    NoRules,
    #[error("the state does not know {0:?}")]
    Missing(Missing),
}

impl From<Missing> for ComposeError {
    fn from(missing: Missing) -> ComposeError {
        ComposeError::Missing(missing)
    }
}

/// Writes the decision that an evaluation at `at` gives, with the heads that it read.
///
/// The state must be the one that was evaluated; the decision must be logged before any of the
/// threads that it read moves.
pub fn compose_decision(
    state: &State,
    ask: &Ask,
    evaluation: &Evaluation,
    at: Time,
    nonce: Nonce,
) -> Result<Statement<Decision>, ComposeError> {
    let environment = ask.environment;
    let (index, request) = open_request(state, ask, at)?;
    let outcome = evaluation.outcome().ok_or(ComposeError::Undecided)?;
    let (Some(trust), Some(policy)) = (state.trust(), state.policy(&environment.project)) else {
        return Err(ComposeError::NoRules);
    };
    let ledger = trust.document.origin.clone();
    let reads =
        evaluation.reads.iter().map(|thread| read_of(state, thread)).collect::<Result<_, _>>()?;
    let result = match outcome {
        Outcome::Granted => VerificationResult::Passed,
        Outcome::Denied => VerificationResult::Failed,
    };
    let body = Decision {
        verifier: SummaryVerifier { id: format!("attestry:{ledger}") },
        time_verified: at,
        resource_uri: format!("attestry:{ledger}/{environment}"),
        policy: ResourceDescriptor {
            digest: BTreeMap::from([("sha256".to_owned(), policy.statement.to_string())]),
            ..ResourceDescriptor::default()
        },
        input_attestations: Vec::new(),
        verification_result: result,
        verified_levels: verified_levels(evaluation, outcome),
        slsa_version: SLSA_VERSION.to_owned(),
        extension: DecisionExtension {
            ledger,
            project: environment.project.clone(),
            nonce,
            environment: environment.name.clone(),
            request: EntryRef { index, statement: request.statement },
            policy: EntryRef { index: policy.entry, statement: policy.statement },
            rules: RULES,
            at,
            outcome,
            gates: evaluation.gates.clone(),
            reads,
        },
    };
    let subjects = request.artifacts().map(|artifact| Subject::of(artifact, None)).collect();
    Ok(Statement::new(subjects, decision::TYPE, body))
}

/// The summary's words: admitted, with the build level that the provenance gate has proven.
pub fn verified_levels(evaluation: &Evaluation, outcome: Outcome) -> Vec<String> {
    match outcome {
        Outcome::Denied => vec![FAILED.to_owned()],
        Outcome::Granted => {
            let level = evaluation.level.map(|level| format!("{BUILD_LEVEL}{level}"));
            [ADMITTED.to_owned()].into_iter().chain(level).collect()
        }
    }
}

fn open_request<'s>(
    state: &'s State,
    ask: &Ask,
    at: Time,
) -> Result<(EntryIndex, &'s Request), ComposeError> {
    let index = ask.request.ok_or(ComposeError::NoRequest)?;
    state
        .environment(ask.environment)?
        .and_then(|slice| slice.requests.get(&index))
        .filter(|request| request.is_about(ask.artifact) && !request.is_expired(at))
        .map(|request| (index, request))
        .ok_or(ComposeError::NotOpen(index))
}

fn read_of(state: &State, thread: &ThreadId) -> Result<ThreadRead, Missing> {
    let head = state.head(thread)?.map(|head| ReadHead {
        position: head.position,
        index: head.index,
        leaf: head.leaf,
    });
    Ok(ThreadRead { kind: thread.kind().to_owned(), id: thread.id(), head })
}
