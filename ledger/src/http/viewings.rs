//! Who has read what is on the record to be read: packs.

use axum::Json;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Server;
use super::number;
use super::problem::Problem;
use crate::store::{Store, Viewing};

/// Somebody who has read something.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ViewingBody {
    pub sequence: u64,
    /// The identity that called; none where reading is open and no token was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// The id of its token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// What was read, such as a pack by its id.
    pub what: String,
    /// RFC 3339.
    pub at: String,
}

/// Where a page begins.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Behind {
    /// The sequence behind which it begins.
    #[serde(default, deserialize_with = "number::given")]
    pub after: u64,
}

impl From<Viewing> for ViewingBody {
    fn from(it: Viewing) -> ViewingBody {
        ViewingBody {
            sequence: it.sequence,
            identity: it.identity.map(|name| name.to_string()),
            token: it.token.map(|id| id.to_string()),
            what: it.what,
            at: it.at.to_string(),
        }
    }
}

/// Lists who has read packs, in the order in which they were read: a page of them.
#[utoipa::path(get, path = "/api/v1/viewings", tag = "access", params(Behind),
    responses(
        (status = 200, description = "Those behind one", body = Vec<ViewingBody>),
        (status = "default", description = "A problem", body = Problem,
            content_type = "application/problem+json"),
))]
pub async fn list<S: Store>(
    State(server): State<Server<S>>,
    Query(behind): Query<Behind>,
) -> Result<Json<Vec<ViewingBody>>, Problem> {
    let viewings = server.ledger.viewings(behind.after).await?;
    Ok(Json(viewings.into_iter().map(ViewingBody::from).collect()))
}
