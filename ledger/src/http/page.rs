//! Lists in pages, which stay the same while the log grows.
//!
//! The first page fixes the tree size that the list is as of, and cursors carry it on. A cursor
//! holds nothing that the caller could not ask for, so it is not secret; but it is bound to its
//! list, the filters included, since a place in one list means nothing in another.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemas::id::TreeSize;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use url::form_urlencoded::{Serializer, parse};
use utoipa::{IntoParams, ToSchema};
use verifier::merkle::sha256;

use super::number;
use super::problem::Problem;

/// Most items of one page, and how many there are if nobody says.
pub const LIMIT_MAX: usize = 500;
const LIMIT: usize = 50;

/// Longest cursor that is read, in bytes.
const CURSOR_BYTES_MAX: usize = 1024;

/// Bytes of the hash that binds a cursor to its list.
const CHECK_BYTES: usize = 8;

/// Binds cursors to their spelling as well: another version is another list.
const VERSION: &[u8] = b"attestry/cursor/v1\n";

/// Which part of a list, and as of when.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// Where to go on: `next` of the page before. The filters must be the same.
    pub cursor: Option<String>,
    /// Most items of the page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    pub limit: Option<usize>,
    /// A tree size that is published already: the list as it was then [default: the newest].
    #[param(example = 36)]
    #[serde(default, deserialize_with = "number::optional")]
    pub as_of: Option<TreeSize>,
}

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    pub items: Vec<T>,
    /// The cursor of the page behind this one; none where the list ends. A page may be shorter
    /// than asked for, and empty even, where a filter leaves much out: then the list goes on here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The tree size that the list is as of.
    #[schema(value_type = u64, example = 36)]
    pub as_of: TreeSize,
}

/// The query of a list: its own filters, and [`Paging`].
pub struct Listed<F> {
    pub filter: F,
    paging: Paging,
    /// The list's path and filters.
    question: String,
}

/// A list that was asked for, from a place in it that has the shape `P`.
pub struct Listing<P> {
    pub as_of: TreeSize,
    pub limit: usize,
    /// Where to go on; none on the first page.
    pub from: Option<P>,
    question: String,
}

impl<F> Listed<F> {
    /// Reads the cursor. `published` is the size of the published checkpoint.
    pub fn listing<P: DeserializeOwned>(&self, published: TreeSize) -> Result<Listing<P>, Problem> {
        let limit = self.paging.limit.unwrap_or(LIMIT);
        if limit == 0 || limit > LIMIT_MAX {
            return Err(Problem::bad_request(format!("limit: a page has 1 to {LIMIT_MAX} items")));
        }
        let question = self.question.clone();
        let wanted = self.paging.as_of;
        let (as_of, from) = match self.paging.cursor.as_deref() {
            None => (wanted.unwrap_or(published), None),
            Some(cursor) => {
                let (as_of, place) = read_cursor(cursor, &question)?;
                if wanted.is_some_and(|wanted| wanted != as_of) {
                    return Err(invalid("the cursor goes on as of another tree size"));
                }
                (as_of, Some(place))
            }
        };
        if as_of > published {
            let detail = format!("as_of: {as_of} is not published yet, {published} is");
            return Err(Problem::not_found(detail));
        }
        Ok(Listing { as_of, limit, from, question })
    }
}

impl<P: Serialize> Listing<P> {
    /// Makes the page, to go on at `next`.
    pub fn page<T>(&self, items: Vec<T>, next: Option<P>) -> Result<Page<T>, Problem> {
        let next = next.map(|place| write_cursor(self.as_of, &place, &self.question));
        let next = next.transpose().map_err(|cause| Problem::bad_request(cause.to_string()))?;
        Ok(Page { items, next, as_of: self.as_of })
    }
}

fn write_cursor<P: Serialize>(
    as_of: TreeSize,
    place: &P,
    question: &str,
) -> serde_json::Result<String> {
    let mut bytes = serde_json::to_vec(&(as_of, place))?;
    bytes.extend(check(&bytes, question));
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn read_cursor<P: DeserializeOwned>(
    cursor: &str,
    question: &str,
) -> Result<(TreeSize, P), Problem> {
    let unreadable = || invalid("use `next` of a page of this list, with the same filters");
    if cursor.len() > CURSOR_BYTES_MAX {
        return Err(unreadable());
    }
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| unreadable())?;
    let end = bytes.len().checked_sub(CHECK_BYTES).ok_or_else(unreadable)?;
    let (place, bound) = bytes.split_at(end);
    if bound != check(place, question) {
        return Err(unreadable());
    }
    serde_json::from_slice(place).map_err(|_| unreadable())
}

fn check(place: &[u8], question: &str) -> [u8; CHECK_BYTES] {
    let hash = sha256(&[VERSION, question.as_bytes(), b"\n", place]);
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&hash.0[..CHECK_BYTES]);
    check
}

fn invalid(detail: &str) -> Problem {
    let title = "The cursor is not one of this list.";
    Problem::new(StatusCode::BAD_REQUEST, "cursor-invalid", title, detail)
}

impl<F: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Listed<F> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Listed<F>, Problem> {
        const PAGING: [&str; 3] = ["cursor", "limit", "as_of"];
        let given = parse(parts.uri.query().unwrap_or_default().as_bytes());
        let (paging, mut filters): (Vec<_>, Vec<_>) =
            given.partition(|(name, _)| PAGING.contains(&name.as_ref()));
        filters.sort_unstable();
        let query = |pairs| Serializer::new(String::new()).extend_pairs(pairs).finish();
        let (paging, filters): (String, String) = (query(paging), query(filters));
        Ok(Listed {
            filter: read_query(&filters)?,
            paging: read_query(&paging)?,
            question: format!("{}?{filters}", parts.uri.path()),
        })
    }
}

fn read_query<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let wrong = |cause: String| Problem::bad_request(cause);
    let uri: Uri = format!("/?{query}").parse().map_err(|_| wrong("a query too long".into()))?;
    let Query(read) = Query::try_from_uri(&uri).map_err(|cause| wrong(cause.body_text()))?;
    Ok(read)
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Filter {
        project: Option<String>,
    }

    async fn asked(uri: &str) -> Result<Listed<Filter>, Problem> {
        let (mut parts, ()) = Request::get(uri).body(()).unwrap().into_parts();
        Listed::from_request_parts(&mut parts, &()).await
    }

    async fn listing(uri: &str) -> Result<Listing<u64>, &'static str> {
        let asked = asked(uri).await.map_err(|problem| problem.code)?;
        asked.listing(36).map_err(|problem| problem.code)
    }

    #[tokio::test]
    async fn a_cursor_goes_on_in_its_own_list_only() {
        let first = listing("/decisions?project=payments&limit=7").await.unwrap();
        assert_eq!((first.as_of, first.limit, first.from), (36, 7, None));
        let next = first.page(vec!["row"], Some(27)).unwrap().next.unwrap();
        let on = format!("/decisions?cursor={next}&project=payments");
        let second = listing(&on).await.unwrap();
        assert_eq!((second.as_of, second.limit, second.from), (36, 50, Some(27)));
        let invalid = Some("cursor-invalid");
        for foreign in [
            format!("/decisions?cursor={next}"),
            format!("/decisions?cursor={next}&project=other"),
            format!("/promotions?cursor={next}&project=payments"),
            format!("{on}&as_of=35"),
        ] {
            assert_eq!(listing(&foreign).await.err(), invalid, "{foreign}");
        }
        for at in 0..next.len() {
            let mut bad = next.clone().into_bytes();
            bad[at] = if bad[at] == b'A' { b'B' } else { b'A' };
            let bad = String::from_utf8(bad).unwrap();
            let bad = format!("/decisions?cursor={bad}&project=payments");
            assert_eq!(listing(&bad).await.err(), invalid, "{bad}");
        }
        let long = "A".repeat(CURSOR_BYTES_MAX + 1);
        for bad in ["", "A", "not base64", &long] {
            let bad = format!("/decisions?cursor={}", bad.replace(' ', "+"));
            assert_eq!(listing(&bad).await.err(), invalid, "{bad}");
        }
    }

    #[tokio::test]
    async fn a_list_is_as_of_what_is_published() {
        assert_eq!(listing("/decisions?as_of=12").await.unwrap().as_of, 12);
        for bad in ["as_of=x", "limit=0", "limit=501", "limit=1&limit=2", "projet=x"] {
            let code = listing(&format!("/decisions?{bad}")).await.err();
            assert_eq!(code, Some("request-malformed"), "{bad}");
        }
        assert_eq!(listing("/decisions?as_of=37").await.err(), Some("not-found"));
        let filter = asked("/decisions?project=a%2Fb&limit=3").await.unwrap().filter;
        assert_eq!(filter.project.as_deref(), Some("a/b"));
    }
}
