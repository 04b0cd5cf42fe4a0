//! Artifacts: found by their first digits, and what the log says of each.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, Query, State};
use schemas::id::{Digest, EntryIndex, EnvironmentName, Hash, Project, Time};
use schemas::predicate::decision::Outcome;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use verifier::projection::slice::{ArtifactInProject, ArtifactSlice, Evidence, Place};
use verifier::view::Named;

use super::Server;
use super::problem::Problem;
use crate::store::{PREFIX_DIGITS_MIN, Store};

/// What an artifact is called: name and version are a build's words, and decide nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ArtifactName {
    #[schema(example = "payments")]
    pub name: Option<String>,
    #[schema(example = "1.4.2")]
    pub version: Option<String>,
    #[schema(value_type = String, example =
        "sha256:9f2c41d0a3b5c7d9e1f20314253647586970818293a4b5c6d7e8f90112233445")]
    pub digest: Digest,
}

impl ArtifactName {
    /// What it is called in a project.
    pub fn of(digest: &Digest, slice: Option<&ArtifactSlice>, project: &Project) -> ArtifactName {
        let known = slice.and_then(|slice| slice.projects.get(project));
        ArtifactName {
            name: known.and_then(|known| known.name.clone()),
            version: known.and_then(|known| known.version.clone()),
            digest: digest.clone(),
        }
    }
}

impl From<Named> for ArtifactName {
    fn from(it: Named) -> ArtifactName {
        let Named { name, version, digest } = it;
        ArtifactName { name, version, digest }
    }
}

/// The beginning of a digest.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Prefix {
    /// The first hex digits, at least eight, of any algorithm.
    #[param(min_length = 8, max_length = 128, example = "9f2c41d0")]
    pub prefix: String,
}

/// Artifacts whose digests begin alike: at most 16, so that more digits are needed for more.
#[derive(Debug, Serialize, ToSchema)]
pub struct FoundArtifacts {
    #[schema(value_type = Vec<String>)]
    pub items: Vec<Digest>,
}

/// Which part of an artifact's state to show.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct InProject {
    /// Only what was filed under this project.
    pub project: Option<String>,
}

/// What the log says of an artifact or commit.
#[derive(Debug, Serialize, ToSchema)]
pub struct ArtifactBody {
    #[schema(value_type = String)]
    pub digest: Digest,
    pub projects: Vec<ProjectBody>,
}

/// What it says of it in one project.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProjectBody {
    #[schema(value_type = String)]
    pub project: Project,
    pub name: Option<String>,
    pub version: Option<String>,
    /// The newest of each kind and suite.
    pub evidence: Vec<EvidenceBody>,
    /// Where it was decided about or deployed.
    pub environments: Vec<PlaceBody>,
    /// The entry of the newest event that cannot be read, by kind.
    pub unreadable: BTreeMap<String, EntryIndex>,
}

/// One piece of evidence.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceBody {
    /// `build`, `test`, `vulnerabilities`, `analysis`, `measurement`, `sbom` or `review`.
    pub kind: &'static str,
    /// The suite, the scan or the metric; none where there is one only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suite: Option<String>,
    pub entry: EntryIndex,
    /// When it was logged, RFC 3339.
    #[schema(value_type = String)]
    pub time: Time,
    /// When the tool says that it finished.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub tool_time: Option<Time>,
    /// SHA-256 of what was signed.
    #[schema(value_type = String)]
    pub statement: Hash,
    /// The identities that signed.
    pub signers: Vec<String>,
    /// What gates need of it, by kind.
    #[schema(value_type = Object)]
    pub facts: Value,
}

/// How an artifact stands in an environment.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlaceBody {
    #[schema(value_type = String)]
    pub environment: EnvironmentName,
    /// The newest decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided: Option<DecidedBody>,
    /// The newest deployment that succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployed: Option<DeployedBody>,
}

/// A decision about an artifact.
#[derive(Debug, Serialize, ToSchema)]
pub struct DecidedBody {
    pub entry: EntryIndex,
    #[schema(value_type = String)]
    pub time: Time,
    #[schema(example = "P-27")]
    pub request: String,
    /// `granted` or `denied`.
    #[schema(value_type = String)]
    pub outcome: Outcome,
}

/// A deployment of an artifact.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeployedBody {
    pub entry: EntryIndex,
    #[schema(value_type = String)]
    pub time: Time,
    /// A decision had granted it by then.
    pub granted: bool,
}

/// Finds artifacts by the first digits of their digests.
#[utoipa::path(get, path = "/api/v1/artifacts", tag = "artifacts", params(Prefix),
    responses(
        (status = 200, description = "Those that begin so", body = FoundArtifacts),
        (status = "default", description = "A problem", body = Problem,
            content_type = "application/problem+json"),
))]
pub async fn find<S: Store>(
    State(server): State<Server<S>>,
    Query(asked): Query<Prefix>,
) -> Result<Json<FoundArtifacts>, Problem> {
    let digits = asked.prefix.as_str();
    let hex = digits.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if !hex || !(PREFIX_DIGITS_MIN..=128).contains(&digits.len()) {
        let detail = format!("prefix: {PREFIX_DIGITS_MIN} to 128 lower-case hex digits");
        return Err(Problem::bad_request(detail));
    }
    Ok(Json(FoundArtifacts { items: server.ledger.find(digits).await? }))
}

/// Reads what the log says of an artifact: its evidence, and where it was decided about and
/// deployed. As of the newest entry.
#[utoipa::path(get, path = "/api/v1/artifacts/{digest}", tag = "artifacts",
    params(("digest" = String, Path, description = "sha256:… or gitCommit:…, in full"), InProject),
    responses(
        (status = 200, description = "The artifact", body = ArtifactBody),
        (status = "default", description = "A problem", body = Problem,
            content_type = "application/problem+json"),
))]
pub async fn read<S: Store>(
    State(server): State<Server<S>>,
    Path(digest): Path<String>,
    Query(asked): Query<InProject>,
) -> Result<Json<ArtifactBody>, Problem> {
    let digest: Digest =
        digest.parse().map_err(|cause| Problem::bad_request(format!("digest: {cause}")))?;
    let only = super::environments::parse_project(asked.project.as_deref())?;
    let slice = server.ledger.artifact(&digest).await?.unwrap_or_default();
    let fits = |it: &Project| only.as_ref().is_none_or(|only| only == it);
    let shown = slice.projects.iter().filter(|(project, _)| fits(project));
    let projects: Vec<ProjectBody> =
        shown.map(|(project, known)| project_body(project, known)).collect();
    if projects.is_empty() {
        return Err(Problem::not_found(format!("the log says nothing of {digest} there")));
    }
    Ok(Json(ArtifactBody { digest, projects }))
}

fn project_body(project: &Project, it: &ArtifactInProject) -> ProjectBody {
    let mut evidence = Vec::new();
    evidence.extend(it.build.iter().map(|build| body("build", None, build, json!(build.facts))));
    evidence.extend(each("test", &it.tests));
    evidence.extend(each("vulnerabilities", &it.scans));
    evidence.extend(each("analysis", &it.analyses));
    evidence.extend(each("measurement", &it.metrics));
    evidence.extend(it.sbom.iter().map(|sbom| {
        body("sbom", None, sbom, json!({ "predicateType": sbom.facts.predicate_type }))
    }));
    evidence.extend(it.review.iter().map(|it| body("review", None, it, json!(it.facts))));
    ProjectBody {
        project: project.clone(),
        name: it.name.clone(),
        version: it.version.clone(),
        evidence,
        environments: it.places.iter().map(|(name, place)| place_body(name, place)).collect(),
        unreadable: it.unreadable.clone(),
    }
}

fn each<'a, T: Serialize>(
    kind: &'static str,
    suites: &'a BTreeMap<String, Evidence<T>>,
) -> impl Iterator<Item = EvidenceBody> + 'a {
    suites.iter().map(move |(suite, it)| body(kind, Some(suite), it, json!(it.facts)))
}

fn body<T>(
    kind: &'static str,
    suite: Option<&String>,
    it: &Evidence<T>,
    facts: Value,
) -> EvidenceBody {
    EvidenceBody {
        kind,
        suite: suite.filter(|suite| !suite.is_empty()).cloned(),
        entry: it.entry,
        time: it.time,
        tool_time: it.tool_time,
        statement: it.statement,
        signers: it.signers.iter().map(|signer| signer.identity.to_string()).collect(),
        facts,
    }
}

fn place_body(environment: &EnvironmentName, place: &Place) -> PlaceBody {
    PlaceBody {
        environment: environment.clone(),
        decided: place.decided.as_ref().map(|it| DecidedBody {
            entry: it.entry,
            time: it.time,
            request: format!("P-{}", it.request),
            outcome: it.outcome,
        }),
        deployed: place.deployed.as_ref().map(|it| DeployedBody {
            entry: it.entry,
            time: it.time,
            granted: it.granted,
        }),
    }
}
