//! Gates asked without a request, and open requests evaluated again.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use schemas::id::{Digest, EntryIndex, Environment, Hash, IdentityName, Project};
use schemas::predicate::decision::Outcome;
use schemas::predicate::promotion_request::{ARTIFACTS_MAX, RequestPath};
use schemas::report::GateVerdict;
use schemas::thread::ThreadId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use verifier::access::{Act, Reach};
use verifier::policy::{Ask, Evaluation, path, supply};
use verifier::status::reviews;

use super::Server;
use super::artifacts::ArtifactName;
use super::asked::Asked;
use super::problem::Problem;
use super::reviews::DueReview;
use crate::access::Caller;
use crate::promotion::{Evaluated, Which};
use crate::store::Store;

/// What one gate says.
///
/// Documents the JSON of [`GateVerdict`], which decisions hold as well.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GateBody {
    /// Its name in the policy.
    #[schema(example = "approvals")]
    pub id: String,
    /// Its kind.
    #[schema(example = "approvals")]
    pub gate: String,
    /// `pass`, `waived`, `fail`, `waiting` or `indeterminate`; only the first two admit.
    #[schema(example = "waiting")]
    pub verdict: String,
    #[schema(example = "1 of 2: bob (release-approver)")]
    pub reason: String,
    /// The next step, where there is one.
    pub next: Option<String>,
    /// The entries that it looked at.
    pub entries: Vec<EntryIndex>,
    /// When time alone will change the verdict, RFC 3339.
    pub until: Option<String>,
}

/// The question whether an artifact could enter an environment now.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GateAsk {
    #[schema(value_type = String, example =
        "sha256:9f2c41d0a3b5c7d9e1f20314253647586970818293a4b5c6d7e8f90112233445")]
    pub artifact: Digest,
    /// Further artifacts that stand or fall with it, at most 15.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub with: Vec<Digest>,
    #[schema(value_type = String, example = "payments/prod")]
    pub environment: Environment,
    /// By which path: `normal`, `emergency` or `rollback`; the normal one where it is not said.
    #[serde(default)]
    #[schema(value_type = String, example = "normal")]
    pub path: RequestPath,
}

/// The answer, as `attestry gate --json` prints it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct GateAnswer {
    pub artifact: ArtifactName,
    /// All artifacts that were asked about, the first one too: they stand or fall together.
    #[serde(default)]
    pub artifacts: Vec<ArtifactName>,
    #[schema(value_type = String, example = "payments/prod")]
    pub environment: Environment,
    /// By which path: `normal`, `emergency` or `rollback`.
    #[serde(default)]
    #[schema(value_type = String, example = "normal")]
    pub path: RequestPath,
    /// The policy in force; none where the project has none.
    pub policy: Option<PolicyName>,
    /// The newest open request about exactly these by this path, whose approvals count.
    #[schema(example = "P-27")]
    pub request: Option<String>,
    /// Every gate admits.
    pub admitted: bool,
    #[schema(value_type = Vec<GateBody>)]
    pub gates: Vec<GateVerdict>,
    /// Who can supply what a gate still asks for, by the gate's id.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, Vec<String>>)]
    pub who: BTreeMap<String, Vec<IdentityName>>,
    /// Emergencies of this environment that nobody has reviewed yet. They stop nobody.
    #[serde(default)]
    pub reviews: Vec<DueReview>,
    /// Who may waive a gate that does not admit, by the gate's id.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, Vec<String>>)]
    pub waivers: BTreeMap<String, Vec<IdentityName>>,
}

/// A policy, named.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct PolicyName {
    /// 1 for the project's first.
    pub revision: u64,
    /// SHA-256 of its canonical JSON.
    #[schema(value_type = String)]
    pub digest: Hash,
    pub entry: EntryIndex,
}

/// Which open requests to evaluate again: all of them where nothing is named.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EvaluateAsk {
    /// The index of one request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 27)]
    pub request: Option<EntryIndex>,
    /// Those of one project, and those that wait for it elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "payments")]
    pub project: Option<Project>,
}

/// The requests that were looked at, as `attestry evaluate --json` prints them.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct EvaluatedRequests {
    pub requests: Vec<EvaluatedBody>,
}

/// A request after it was looked at.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct EvaluatedBody {
    #[schema(example = "P-27")]
    pub request: String,
    #[schema(value_type = String, example = "payments/prod")]
    pub environment: Environment,
    #[schema(value_type = String)]
    pub artifact: Digest,
    /// All artifacts of the request, the first one too: they stand or fall together.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub artifacts: Vec<Digest>,
    /// `granted` or `denied`; none while it waits.
    #[schema(value_type = Option<String>)]
    pub outcome: Option<Outcome>,
    /// The entry of the decision that this evaluation has logged.
    pub decision: Option<EntryIndex>,
    #[schema(value_type = Vec<GateBody>)]
    pub gates: Vec<GateVerdict>,
}

impl From<&Which> for EvaluateAsk {
    fn from(which: &Which) -> EvaluateAsk {
        match which {
            Which::All => EvaluateAsk::default(),
            Which::Request(index) => EvaluateAsk { request: Some(*index), project: None },
            Which::Touched { project } => {
                EvaluateAsk { request: None, project: Some(project.clone()) }
            }
        }
    }
}

impl From<Evaluated> for EvaluatedBody {
    fn from(it: Evaluated) -> EvaluatedBody {
        EvaluatedBody {
            request: format!("P-{}", it.request),
            environment: it.environment,
            artifacts: [std::slice::from_ref(&it.artifact), &it.with].concat(),
            artifact: it.artifact,
            outcome: it.evaluation.outcome(),
            decision: it.decision,
            gates: it.evaluation.gates,
        }
    }
}

impl TryFrom<EvaluatedBody> for Evaluated {
    type Error = Problem;

    /// Reads a server's answer. What the evaluation has read stays with the server.
    fn try_from(it: EvaluatedBody) -> Result<Evaluated, Problem> {
        let EvaluatedBody { request, environment, artifact, decision, gates, .. } = it;
        // An older server knows requests for one artifact alone.
        let with = it.artifacts.into_iter().skip(1).collect();
        let outcome = it.outcome;
        let request = super::promotions::parse_request(&request)?;
        let evaluation = Evaluation::told(gates, outcome);
        Ok(Evaluated { request, environment, artifact, with, evaluation, decision })
    }
}

/// Asks whether an artifact could enter an environment now, and logs nothing.
#[utoipa::path(post, path = "/api/v1/gate", tag = "promotions", request_body = GateAsk,
    responses(
        (status = 200, description = "What every gate says", body = GateAnswer),
        (status = "default", description = "A problem", body = Problem,
            content_type = "application/problem+json"),
))]
pub async fn gate<S: Store>(
    State(server): State<Server<S>>,
    caller: Caller,
    Asked(asked): Asked<GateAsk>,
) -> Result<Json<GateAnswer>, Problem> {
    let GateAsk { artifact, with, environment, path: way } = asked;
    caller.check(Act::Read, Reach::Environment(&environment))?;
    let all = all_of(&artifact, &with)?;
    let mut threads: Vec<ThreadId> = all.iter().cloned().map(ThreadId::Artifact).collect();
    threads.push(ThreadId::Environment(environment.clone()));
    let mut loader = server.ledger.loader().await?;
    loader.know(&threads).await?;
    let (slice, now) = (loader.state.environment(&environment).ok().flatten(), server.ledger.now());
    let request = slice.and_then(|slice| path::open_request_of(slice, &all, way, now));
    let ask = Ask { environment: &environment, artifact: &artifact, request };
    let evaluation = loader.evaluate_together(&ask, &with, way, now).await?;
    let here = loader.state.environment(&environment).ok().flatten();
    let due = here.map_or(Vec::new(), |slice| reviews(slice, now));
    let name = |digest: &Digest| {
        let slice = loader.state.artifact(digest).ok().flatten();
        ArtifactName::of(digest, slice, &environment.project)
    };
    let policy = loader.state.policy(&environment.project);
    let asked = policy.zip(loader.state.trust()).map(|(policy, trust)| supply::Asked {
        policy: &policy.document,
        trust,
        environment: &environment,
        way,
        request: here.and_then(|slice| slice.requests.get(&request?)),
    });
    let who = asked.map(|it| it.missing(&evaluation)).unwrap_or_default();
    let gates = evaluation.gates;
    let waivers = asked.map(|it| it.waivable(&gates)).unwrap_or_default();
    Ok(Json(GateAnswer {
        artifact: name(&artifact),
        artifacts: all.iter().map(name).collect(),
        policy: policy.map(|it| PolicyName {
            revision: it.revision,
            digest: it.digest,
            entry: it.entry,
        }),
        environment,
        path: way,
        request: request.map(|index| format!("P-{index}")),
        who,
        reviews: due.into_iter().map(DueReview::from).collect(),
        waivers,
        admitted: gates.iter().all(|gate| gate.verdict.admits()),
        gates,
    }))
}

/// The asked artifact with those that stand or fall with it, each of them once.
fn all_of(artifact: &Digest, with: &[Digest]) -> Result<Vec<Digest>, Problem> {
    let all = [std::slice::from_ref(artifact), with].concat();
    let mut distinct = all.clone();
    distinct.sort_unstable();
    distinct.dedup();
    if all.len() > ARTIFACTS_MAX || distinct.len() != all.len() {
        let detail = format!("with: at most {} artifacts, none of them twice", ARTIFACTS_MAX - 1);
        return Err(Problem::bad_request(detail));
    }
    Ok(all)
}

/// Evaluates open requests again, and logs the decisions that fall.
///
/// A caller for some projects only names one of them, or a request there. Requests of other projects
/// whose gates read that one are evaluated too, 64 of them at most; they are told to callers who may
/// submit there. What is decided by a decision that fell follows behind it.
#[utoipa::path(post, path = "/api/v1/evaluate", tag = "promotions", request_body = EvaluateAsk,
    responses(
        (status = 200, description = "Those that were open, and what was decided on their account; the one that is named also where it was decided before", body = EvaluatedRequests),
        (status = "default", description = "A problem", body = Problem,
            content_type = "application/problem+json"),
))]
pub async fn evaluate<S: Store>(
    State(server): State<Server<S>>,
    caller: Caller,
    Asked(asked): Asked<EvaluateAsk>,
) -> Result<Json<EvaluatedRequests>, Problem> {
    let which = match asked {
        EvaluateAsk { request: None, project: None } => {
            caller.check(Act::Submit, Reach::All)?;
            Which::All
        }
        EvaluateAsk { request: Some(index), project: None } => {
            let Some((environment, _)) = server.ledger.request(index).await? else {
                return Ok(Json(EvaluatedRequests { requests: Vec::new() }));
            };
            caller.check(Act::Submit, Reach::Project(&environment.project))?;
            crate::promotion::note_span([index]);
            Which::Request(index)
        }
        EvaluateAsk { request: None, project: Some(project) } => {
            caller.check(Act::Submit, Reach::Project(&project))?;
            Which::Touched { project }
        }
        EvaluateAsk { request: Some(_), project: Some(_) } => {
            return Err(Problem::bad_request("name a request or a project, not both"));
        }
    };
    let mut evaluated = server.ledger.evaluate_open(which).await?;
    // What is decided in other projects on this account is told to whoever submits there, too.
    let may =
        |it: &Evaluated| caller.check(Act::Submit, Reach::Project(&it.environment.project)).is_ok();
    evaluated.retain(may);
    Ok(Json(EvaluatedRequests { requests: evaluated.into_iter().map(Into::into).collect() }))
}
