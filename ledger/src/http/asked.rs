//! What callers send as JSON: an object.

use axum::Json;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::problem::Problem;

/// A body of JSON, which is an object: a list of the same values in order would be read as well,
/// and the API document says nothing of it.
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Asked<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Asked<T>, Response> {
        let json = Json::<Box<RawValue>>::from_request(request, state).await;
        let Json(text) = json.map_err(IntoResponse::into_response)?;
        read(text.get()).map(Asked).map_err(IntoResponse::into_response)
    }
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    let wrong = |said: &str| Problem::of_framework(StatusCode::UNPROCESSABLE_ENTITY, said);
    if !text.starts_with('{') {
        return Err(wrong("the body is no JSON object"));
    }
    serde_json::from_str(text).map_err(|cause| wrong(&cause.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Question {
        project: Option<String>,
    }

    #[test]
    fn only_an_object_is_read() {
        let asked: Question = read(r#"{"project":"payments"}"#).unwrap();
        assert_eq!(asked.project.as_deref(), Some("payments"));
        for wrong in ["[null]", r#"["payments"]"#, "null", "7", r#"{"project":7}"#] {
            assert!(read::<Question>(wrong).is_err(), "{wrong}");
        }
    }
}
