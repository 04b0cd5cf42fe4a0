//! Who calls, and whether they may: every route says what it needs where it is listed.

use std::time::Duration;

use axum::extract::{Extension, FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use schemas::id::{Environment, Project};
use tower_http::timeout::TimeoutLayer;
use url::form_urlencoded;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, OpenApi};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use verifier::access::{Act, Reach};

use super::login::{SESSION, cookie};
use super::problem::Problem;
use super::rate::{self, Allowance};
use super::{REQUEST_MAX, Server};
use crate::access::{Caller, Carrier, PREFIX, Refusal};
use crate::store::Store;

/// What a caller of a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing: it tells nothing of the log, or is itself where callers say who they are.
    Nothing,
    /// To see how the log grows: any role. Whoever submits must be able to check receipts.
    Enter,
    /// To read hashes and entries, which a pack shows of every project: `auditor` of any of them.
    ReadEntries,
    /// To read anything else: `auditor` for every project.
    Read,
    /// To read what concerns one project alone, if the path or query names one as `project` (and
    /// perhaps one of its environments as `environment`): `auditor` for that one will do.
    ReadProject,
    /// To submit: any role but `auditor`. Handlers ask [`Caller::check_submission`] besides.
    Submit,
    /// To say who may call: `admin` for every project, or the first token of a ledger.
    Administer,
}

/// The name of the security scheme in the API document.
const SCHEME: &str = "token";

/// Longest value of the header `Authorization` that is looked at, in bytes.
const HEADER_BYTES_MAX: usize = 256;

/// The routes of a server. There is no way to add one without its need.
pub struct Routes<S: Store>(OpenApiRouter<Server<S>>);

impl<S: Store> Routes<S> {
    pub fn new(mut document: OpenApi) -> Routes<S> {
        let mut http = Http::new(HttpAuthScheme::Bearer);
        http.bearer_format = Some(format!("{PREFIX}…"));
        let components = document.components.get_or_insert_with(Components::default);
        components.add_security_scheme(SCHEME, SecurityScheme::Http(http));
        Routes(OpenApiRouter::with_openapi(document))
    }

    /// Adds what `routes!` has made of a handler.
    pub fn add(self, need: Need, routes: UtoipaMethodRouter<Server<S>>) -> Routes<S> {
        self.add_within(REQUEST_MAX, need, routes)
    }

    /// Adds one that may take as long as this until it begins to answer.
    pub fn add_within(
        self,
        longest: Duration,
        need: Need,
        routes: UtoipaMethodRouter<Server<S>>,
    ) -> Routes<S> {
        let (schemas, mut paths, methods) = routes;
        paths.paths.values_mut().for_each(|path| require(path, need));
        Routes(self.0.routes((schemas, paths, guarded(longest, need, methods))))
    }

    /// Adds a handler under a path that the API document writes otherwise.
    pub fn add_as(
        mut self,
        need: Need,
        path: &str,
        documented: &str,
        methods: MethodRouter<Server<S>>,
    ) -> Routes<S> {
        let paths = &mut self.0.get_openapi_mut().paths.paths;
        if let Some(path) = paths.get_mut(documented) {
            require(path, need);
        }
        Routes(self.0.route(path, guarded(REQUEST_MAX, need, methods)))
    }

    pub fn split_for_parts(self) -> (axum::Router<Server<S>>, OpenApi) {
        self.0.split_for_parts()
    }
}

/// Says in the API document what a path needs.
fn require(path: &mut PathItem, need: Need) {
    let methods = [&mut path.get, &mut path.put, &mut path.post, &mut path.delete, &mut path.patch];
    for operation in methods.into_iter().flatten() {
        let Operation { security, .. } = operation;
        *security = Some(match need {
            Need::Nothing => Vec::new(),
            _ => vec![SecurityRequirement::new(SCHEME, Vec::<String>::new())],
        });
    }
}

fn guarded<S: Store>(
    longest: Duration,
    need: Need,
    methods: MethodRouter<Server<S>>,
) -> MethodRouter<Server<S>> {
    let timeout = TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, longest);
    let guard = from_fn(
        move |server: Extension<Server<S>>, path: RawPathParams, request: Request, next: Next| {
            admit(need, server.0, path, request, next)
        },
    );
    methods.route_layer((timeout, guard))
}

/// Lets a call through to its handler, with its [`Caller`], or says why not.
async fn admit<S: Store>(
    need: Need,
    server: Server<S>,
    path: RawPathParams,
    mut request: Request,
    next: Next,
) -> Response {
    if need == Need::Nothing {
        return next.run(request).await;
    }
    let query = request.uri().query().unwrap_or_default().to_owned();
    let changes = !request.method().is_safe();
    let caller = match caller(&server, request.headers(), &query, changes).await {
        Ok(caller) => caller,
        Err(refusal) => return Problem::from(refusal).into_response(),
    };
    if let Some(name) = caller.identity() {
        tracing::Span::current().record("caller", tracing::field::display(name));
    }
    let place = Place::named(&path.iter().collect::<Vec<_>>(), &query);
    let may = match need {
        Need::Nothing => Ok(()),
        Need::Enter => caller.check(Act::Enter, Reach::Any),
        Need::ReadEntries => caller.check(Act::Read, Reach::Any),
        Need::Read => caller.check(Act::Read, Reach::All),
        Need::ReadProject => caller.check(Act::Read, place.reach()),
        Need::Submit => caller.check(Act::Submit, Reach::Any),
        Need::Administer => caller.check(Act::Administer, Reach::All),
    };
    if let Err(refusal) = may {
        return Problem::from(refusal).into_response();
    }
    if let (Some(allowance), Some(name)) =
        (request.extensions().get::<Allowance>(), caller.identity())
        && let Err(wait) = allowance.admit_as(name)
    {
        return rate::too_many(wait);
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}

async fn caller<S: Store>(
    server: &Server<S>,
    headers: &HeaderMap,
    query: &str,
    changes: bool,
) -> Result<Caller, Refusal> {
    if query.contains(PREFIX) || query.contains("access_token=") {
        return Err(Refusal::Malformed(
            "a token in an address stands in everybody's logs: revoke it, and send the next one \
             in the header Authorization",
        ));
    }
    let mut sent = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = sent.next() else { return session(server, headers, changes).await };
    if sent.next().is_some() {
        return Err(Refusal::Malformed("two headers Authorization"));
    }
    if value.len() > HEADER_BYTES_MAX {
        return Err(Refusal::Malformed("the header Authorization is too long for a token"));
    }
    let text = value.to_str().ok().and_then(|text| text.split_once(' '));
    match text {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
            server.access.caller(token.trim_matches(' '), Carrier::Header).await
        }
        Some(_) | None => Err(Refusal::Malformed("the header is not: Authorization: Bearer …")),
    }
}

/// Who has logged in with this browser; a session that is over is nobody's.
///
/// A call that changes something comes from a page of this server: browsers say so themselves.
async fn session<S: Store>(
    server: &Server<S>,
    headers: &HeaderMap,
    changes: bool,
) -> Result<Caller, Refusal> {
    let Some(text) = cookie(headers, SESSION) else { return Ok(server.access.anonymous()) };
    let site = headers.get("sec-fetch-site").and_then(|site| site.to_str().ok());
    if changes && site != Some("same-origin") {
        return Err(Refusal::Malformed(
            "a session changes something only from a page of this server",
        ));
    }
    match server.access.caller(text, Carrier::Cookie).await {
        Err(Refusal::Ledger(cause)) => Err(cause.into()),
        Err(_) => Ok(server.access.anonymous()),
        Ok(caller) => Ok(caller),
    }
}

/// The part of a ledger that the address of a call names.
struct Place {
    project: Option<Project>,
    environment: Option<Environment>,
}

impl Place {
    fn named(path: &[(&str, &str)], query: &str) -> Place {
        let pairs = form_urlencoded::parse(query.as_bytes());
        let find = |name: &str| {
            let queried = pairs.filter(|(key, _)| key == name).map(|(_, value)| value);
            let mut values: Vec<String> = queried.map(Into::into).collect();
            let parts = path.iter().filter(|(key, _)| *key == name);
            values.extend(parts.map(|(_, value)| (*value).to_owned()));
            // Whoever names two of them gets neither.
            (values.len() == 1).then(|| values.remove(0))
        };
        let project = find("project").and_then(|text| text.parse().ok());
        let environment = find("environment").and_then(|text| match (&project, text.parse()) {
            (_, Ok(whole)) => Some(whole),
            (Some(project), Err(_)) => format!("{project}/{text}").parse().ok(),
            (None, Err(_)) => None,
        });
        Place { project, environment }
    }

    fn reach(&self) -> Reach<'_> {
        match (&self.environment, &self.project) {
            (Some(environment), None) => Reach::Environment(environment),
            (Some(it), Some(project)) if it.project == *project => Reach::Environment(it),
            (None, Some(project)) => Reach::Project(project),
            (Some(_), Some(_)) | (None, None) => Reach::All,
        }
    }
}

impl<T: Send + Sync> FromRequestParts<T> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &T) -> Result<Caller, Problem> {
        parts.extensions.get().cloned().ok_or_else(|| Refusal::Missing(None).into())
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        let detail = refusal.to_string();
        let who = |code, title| Problem::new(StatusCode::UNAUTHORIZED, code, title, detail.clone());
        match refusal {
            Refusal::Missing(_) => who("token-missing", "The call needs a token."),
            Refusal::Malformed(_) => who("token-malformed", "The token cannot be read."),
            Refusal::Unknown(_) => who("token-unknown", "The token is not known here."),
            Refusal::Expired { .. } => who("token-expired", "The token has expired."),
            Refusal::Revoked(_) => who("token-revoked", "The token was revoked."),
            Refusal::Denied(_) | Refusal::Bootstrap(_) => {
                let title = "The caller lacks a role.";
                Problem::new(StatusCode::FORBIDDEN, "role-missing", title, detail)
            }
            Refusal::Ledger(cause) => Problem::from(&cause),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &[(&str, &str)], query: &str, expected: &str) {
        let place = Place::named(path, query);
        let found = match place.reach() {
            Reach::Any => "any".to_owned(),
            Reach::All => "all".to_owned(),
            Reach::Project(project) => project.to_string(),
            Reach::Environment(environment) => environment.to_string(),
        };
        assert_eq!(found, expected, "{path:?} {query}");
    }

    /// Whatever is not one well-formed name is about everything, which few may read.
    #[test]
    fn an_address_names_one_project_or_none() {
        check(&[], "", "all");
        check(&[], "project=payments", "payments");
        check(&[], "project=payments&limit=2", "payments");
        check(&[("project", "payments")], "limit=2", "payments");
        check(&[], "project=payments&environment=prod", "payments/prod");
        check(&[("environment", "payments/prod")], "", "payments/prod");
        check(&[("project", "payments"), ("environment", "prod")], "", "payments/prod");
        check(&[], "environment=prod", "all");
        check(&[], "environment=payments/prod&project=shop", "all");
        check(&[], "project=payments&project=shop", "all");
        check(&[], "project=payments&%70roject=shop", "all");
        check(&[("project", "payments")], "project=shop", "all");
        check(&[("project", "payments")], "project=payments", "all");
        check(&[], "project=", "all");
        check(&[], "project=*", "all");
        check(&[], "project=Payments", "all");
        check(&[], "Project=payments", "all");
        check(&[], "project=payments%00", "all");
    }
}
