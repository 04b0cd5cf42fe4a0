//! Measured delivery, as `attestry metrics --json` prints it.

use axum::Json;
use axum::extract::{Query, State};
use schemas::id::{EnvironmentName, Time, TreeSize};
use schemas::metrics::MetricsReport;
use serde::Deserialize;
use utoipa::IntoParams;
use verifier::metrics::{Scope, WATCH_MS};

use super::Server;
use super::environments::{parse_project, parse_time};
use super::problem::Problem;
use crate::error::LedgerError;
use crate::measuring;
use crate::store::{Read as _, Store};

const DAY_MS: i64 = 86_400_000;

/// A period unless one is named, in days.
const DAYS: i64 = 90;

/// Which part of a project's history is measured.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MetricsQuery {
    #[param(example = "payments")]
    pub project: String,
    /// Only this environment.
    #[param(value_type = Option<String>, example = "prod")]
    pub environment: Option<EnvironmentName>,
    /// From this time or day, UTC; else 90 days before `to`.
    #[param(example = "2026-07-01")]
    pub from: Option<String>,
    /// Before this time or day; else up to the newest entry.
    #[param(example = "2026-10-01")]
    pub to: Option<String>,
    /// How many days a deployment is watched before it is called good; else 7.
    #[param(minimum = 1, maximum = 365)]
    pub watch: Option<i64>,
    /// By the first entries of the log alone: the same answer whenever it is asked.
    #[param(minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    pub as_of: Option<TreeSize>,
}

/// Measures delivery from the log: each number with its definition and the entries behind it.
#[utoipa::path(get, path = "/api/v1/metrics", tag = "promotions", params(MetricsQuery),
    responses(
        (status = 200, description = "The numbers", body = Object, content_type = "application/json"),
        (status = "default", description = "A problem", body = Problem,
            content_type = "application/problem+json"),
))]
pub async fn metrics<S: Store>(
    State(server): State<Server<S>>,
    Query(asked): Query<MetricsQuery>,
) -> Result<Json<MetricsReport>, Problem> {
    let project = parse_project(Some(&asked.project))?;
    let project = project.ok_or_else(|| Problem::bad_request("project is missing"))?;
    let watch = asked.watch.unwrap_or(WATCH_MS / DAY_MS);
    if !(1..=365).contains(&watch) {
        return Err(Problem::bad_request("watch is 1 to 365 days"));
    }
    let time = |text: &Option<String>| text.as_deref().map(parse_time).transpose();
    let (from, to) = (time(&asked.from)?, time(&asked.to)?);
    let mut read = server.ledger.store.snapshot().await.map_err(LedgerError::from)?;
    let end = read.head().size;
    let size = asked.as_of.unwrap_or(end);
    if size == 0 || size > end {
        return Err(Problem::bad_request(format!("as_of is 1 to {end}")));
    }
    let newest = measuring::time_of(&mut read, size - 1).await?;
    let to = to.unwrap_or_else(|| newest.plus_ms(1));
    let from = from.unwrap_or_else(|| Time(to.0.saturating_sub(DAYS * DAY_MS)));
    if from >= to {
        return Err(Problem::bad_request("from is not before to"));
    }
    let environments = asked.environment.into_iter().collect();
    let scope = Scope { environments, from, to, watch_ms: watch * DAY_MS };
    Ok(Json(measuring::metrics(&mut read, &project, Some(size), &scope).await?))
}
