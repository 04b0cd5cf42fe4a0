//! The server: the ledger over HTTP. Every route stands once, in `routes`.
//!
//! Nothing that decides lives here. A submitted envelope is judged by the rules that the verifier
//! has, whoever brings it. What a caller needs is said beside each route ([`auth::Need`]).

mod around;
pub mod artifacts;
mod asked;
pub mod attachments;
pub mod auth;
pub mod caching;
pub mod decisions;
pub mod delivery;
mod document;
pub mod drift;
pub mod environments;
pub mod event_list;
pub mod events;
pub mod exchange;
pub mod filter;
pub mod gate;
pub mod health;
pub mod inbox;
pub mod lineage;
mod listen;
pub mod log;
pub mod login;
pub mod metrics;
mod number;
pub mod packs;
pub mod page;
pub mod peer;
pub mod prepare;
pub mod problem;
pub mod promotions;
pub mod proofs;
pub mod rate;
mod reference;
mod request;
pub mod request_id;
pub mod reviews;
pub mod rules;
pub mod spooled;
pub mod status;
pub mod stream;
pub mod thread_proof;
pub mod tiles;
pub mod tls;
pub mod tokens;
pub mod viewings;
pub mod waivers;
mod walk;

use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa_axum::router::UtoipaMethodRouterExt as _;
use utoipa_axum::routes;

use crate::access::issuers::Issuers;
use crate::access::login::Login;
use crate::access::{Access, Openness};
use crate::cosigning::{Cosigning, Witnesses};
use crate::evaluator::{self, EVALUATE_EVERY};
use crate::ledger::Ledger;
use crate::objects::ATTACHMENT_BYTES_MAX;
use crate::outgoing::{self, Outgoing};
use crate::published::keep_published;
use crate::queue::Queue;
use crate::store::Store;
use crate::tail::Tail;
use crate::webhook;
use around::Around;
use auth::{Need, Routes};
use caching::{Freshness, Keepers};
use packs::Exports;
use peer::Range;
use problem::Problem;
use rate::Limits;
use stream::Streams;
use tls::Tls;

pub use listen::Patience;

pub(crate) const TEXT_PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Most bytes of one request: an envelope at its largest, or a batch.
const BODY_BYTES_MAX: usize = 32 << 20;

/// The longest that a request may take, unless its route says otherwise.
const REQUEST_MAX: Duration = Duration::from_secs(30);

/// What an operator may choose for a server.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What callers without a token may do.
    pub open: Openness,
    /// Whose ID tokens are exchanged for tokens of ours.
    pub issuers: Option<Arc<Issuers>>,
    /// Where people log in.
    pub login: Option<Arc<Login>>,
    /// How often open requests are evaluated again when nothing is logged.
    pub evaluate_every: Duration,
    pub webhooks: webhook::Settings,
    pub outgoing: outgoing::Settings,
    /// None serves without TLS, for this machine or a proxy.
    pub tls: Option<Arc<Tls>>,
    pub patience: Patience,
    /// Requests and events a second of each caller.
    pub rate_limit: Option<u32>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub proxies: Vec<Range>,
    pub attachment_bytes_max: u64,
    /// Writes tiles and checkpoint as files, for readers who do not ask this server.
    pub publish_tiles: bool,
    /// Who is to cosign what is published.
    pub witnesses: Option<Witnesses>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            open: Openness::default(),
            issuers: None,
            login: None,
            evaluate_every: EVALUATE_EVERY,
            tls: None,
            patience: Patience::default(),
            rate_limit: None,
            proxies: Vec::new(),
            attachment_bytes_max: ATTACHMENT_BYTES_MAX as u64,
            publish_tiles: false,
            witnesses: None,
            webhooks: webhook::Settings::default(),
            outgoing: outgoing::Settings::default(),
        }
    }
}

/// What every handler shares.
pub struct Shared<S: Store> {
    pub ledger: Arc<Ledger<S>>,
    pub queue: Queue,
    pub access: Arc<Access<S>>,
    pub issuers: Option<Arc<Issuers>>,
    pub login: Option<Arc<Login>>,
    pub streams: Streams,
    pub attachment_bytes_max: u64,
    pub exports: Exports,
}

/// A handle to it; the framework copies it several times at every call.
pub struct Server<S: Store>(Arc<Shared<S>>);

impl<S: Store> Clone for Server<S> {
    fn clone(&self) -> Server<S> {
        Server(Arc::clone(&self.0))
    }
}

impl<S: Store> Deref for Server<S> {
    type Target = Shared<S>;

    fn deref(&self) -> &Shared<S> {
        &self.0
    }
}

#[derive(OpenApi)]
#[openapi(
    paths(tiles::tile),
    info(
        title = "Attestry",
        description = "A ledger of signed events about software delivery: submit envelopes, read \
        entries, receipts and the Merkle tree. Times are UTC, sizes are bytes.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    )
)]
struct Document;

/// Every route, with what its callers need.
fn routes<S: Store>() -> Routes<S> {
    let few = DefaultBodyLimit::max(exchange::BODY_BYTES_MAX);
    let exchange = routes!(exchange::exchange).layer(few);
    Routes::new(Document::openapi())
        .add(Need::Submit, routes!(events::submit))
        .add(Need::Submit, routes!(events::submit_batch))
        .add(Need::ReadProject, routes!(event_list::list))
        .add(Need::Read, routes!(stream::stream))
        .add(Need::Read, routes!(events::entry))
        .add(Need::ReadEntries, routes!(events::receipt))
        .add(Need::Enter, routes!(tiles::checkpoint))
        // Its paths have slashes, so the API document names it apart.
        .add_as(Need::ReadEntries, "/tile/{*path}", "/tile/{path}", get(tiles::tile::<S>))
        .add(Need::Nothing, routes!(log::ledger))
        .add(Need::Read, routes!(log::entries))
        .add(Need::Enter, routes!(log::threads))
        .add(Need::Enter, routes!(log::checkpoints))
        .add(Need::Enter, routes!(proofs::inclusion))
        .add(Need::Enter, routes!(proofs::consistency))
        .add(Need::ReadEntries, routes!(thread_proof::thread))
        .add(Need::Submit, routes!(prepare::prepare))
        .add(Need::Submit, routes!(gate::evaluate))
        .add(Need::ReadEntries, routes!(gate::gate))
        .add(Need::ReadProject, routes!(promotions::list))
        .add(Need::ReadEntries, routes!(promotions::read))
        .add(Need::ReadProject, routes!(decisions::list))
        .add(Need::ReadProject, routes!(delivery::metrics))
        .add(Need::ReadEntries, routes!(decisions::read))
        .add(Need::ReadProject, routes!(environments::list))
        .add(Need::ReadProject, routes!(environments::read))
        .add(Need::ReadEntries, routes!(artifacts::find))
        .add(Need::ReadProject, routes!(artifacts::read))
        .add(Need::ReadProject, routes!(lineage::read))
        .add(Need::ReadProject, routes!(status::read))
        .add(Need::ReadProject, routes!(inbox::read))
        .add(Need::ReadProject, routes!(waivers::read))
        .add(Need::ReadProject, routes!(drift::read))
        .add(Need::ReadEntries, routes!(rules::trust))
        .add(Need::ReadProject, routes!(rules::policy))
        .add_within(packs::CREATE_MAX, Need::ReadEntries, routes!(packs::create))
        .add(Need::Administer, routes!(tokens::list))
        .add(Need::Administer, routes!(tokens::create))
        .add(Need::Administer, routes!(tokens::revoke))
        .add(Need::Administer, routes!(viewings::list))
        .add(Need::Nothing, exchange)
        .add(Need::Nothing, routes!(login::begin))
        .add(Need::Nothing, routes!(login::back))
        .add(Need::Nothing, routes!(login::end))
        .add_within(attachments::UPLOAD_MAX, Need::Submit, routes!(attachments::upload))
        .add(Need::Read, routes!(attachments::attachment))
        .add(Need::Nothing, routes!(openapi))
        .add(Need::Nothing, routes!(reference::reference))
        .add(Need::Nothing, routes!(health::alive))
        .add(Need::Nothing, routes!(health::ready))
}

/// Every route, with its limits.
fn router<S: Store>(server: Server<S>, keepers: Keepers, limits: Limits) -> Router {
    let (router, _) = routes::<S>().split_for_parts();
    let around = Around { server: server.clone(), keepers, limits: Arc::new(limits) };
    let around = Arc::new(around);
    router
        .fallback(|| async { Problem::not_found("no such path") })
        .method_not_allowed_fallback(|| async {
            let title = "This path has other methods.";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", title, "see Allow")
        })
        .layer((
            from_fn_with_state(around, around::around::<S>),
            CatchPanicLayer::new(),
            DefaultBodyLimit::max(BODY_BYTES_MAX),
        ))
        .with_state(server)
}

/// The API document, OpenAPI 3.1, as JSON with a final newline.
pub fn document<S: Store>() -> Result<String, serde_json::Error> {
    let (_, document) = routes::<S>().split_for_parts();
    Ok(document::complete(document).to_pretty_json()? + "\n")
}

/// This document, OpenAPI 3.1.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "health",
    responses((status = 200, description = "The API document", content_type = "application/json")))]
async fn openapi<S: Store>(_server: State<Server<S>>) -> Result<Response, Problem> {
    let text = document::<S>().map_err(|cause| Problem::bad_request(cause.to_string()))?;
    let etag = verifier::merkle::sha256(&[text.as_bytes()]).to_string();
    let headers = [(header::CONTENT_TYPE, "application/json")];
    Ok(caching::keep((headers, text), Freshness::Never, Some(etag)))
}

/// Serves until `stop` is there, then answers what was accepted.
pub async fn serve<S: Store>(
    ledger: Arc<Ledger<S>>,
    settings: Settings,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let cosigning = match settings.witnesses {
        Some(witnesses) => Some(start_cosigning(&ledger, witnesses).await),
        None => None,
    };
    // A log that somebody says is forked is served for reading, and signs nothing.
    if ledger.check_signing().is_ok() {
        ledger.catch_up().await.map_err(std::io::Error::other)?;
    }
    let (queue, gathering) = Queue::start(Arc::clone(&ledger));
    let (stopping, stopped) = watch::channel(false);
    let tail = Tail::follow(Arc::clone(&ledger)).await.map_err(std::io::Error::other)?;
    let streams = Streams::new(tail.clone(), stopped.clone());
    let mut own_work = JoinSet::new();
    let (every, own) = (settings.evaluate_every, Arc::clone(&ledger));
    own_work.spawn(evaluator::evaluate(own, every, stopped.clone()));
    own_work.spawn(evaluator::keep_heads(Arc::clone(&ledger), stopped.clone()));
    let outgoing = Outgoing::within(settings.webhooks.reach, &settings.outgoing)
        .map_err(std::io::Error::other)?;
    let (first_wait, own) = (settings.webhooks.first_wait, Arc::clone(&ledger));
    own_work.spawn(webhook::deliver(own, outgoing, first_wait, tail, stopped.clone()));
    if settings.publish_tiles {
        own_work.spawn(keep_published(Arc::clone(&ledger), stopped));
    }
    let access = Arc::new(Access::new(Arc::clone(&ledger), settings.open));
    let keepers = if settings.open.reading { Keepers::Anybody } else { Keepers::CallerAlone };
    let Settings { issuers, login, attachment_bytes_max, tls, patience, .. } = settings;
    let limits = Limits::new(settings.rate_limit, settings.proxies);
    let exports = Exports::default();
    let shared =
        Shared { ledger, queue, access, issuers, login, streams, attachment_bytes_max, exports };
    let router = router(Server(Arc::new(shared)), keepers, limits);
    let stop = async move {
        stop.await;
        stopping.send_replace(true);
    };
    listen::serve(listener, router, tls, patience, stop).await;
    // The last handle to the queue has gone with the router: it logs what it holds, and ends.
    let _ = gathering.await;
    while own_work.join_next().await.is_some() {}
    if let Some(cosigning) = cosigning {
        cosigning.abort();
    }
    Ok(())
}

/// Asks every witness once before anything is appended here: one that holds another history, or a
/// longer one, is heard before the first signature. One that does not answer holds nobody up.
async fn start_cosigning<S: Store>(
    ledger: &Arc<Ledger<S>>,
    witnesses: Witnesses,
) -> tokio::task::JoinHandle<()> {
    let mut cosigning = Cosigning::new(Arc::clone(ledger), witnesses);
    if let Err(cause) = cosigning.round().await {
        tracing::warn!(%cause, "no cosignatures were collected");
    }
    tokio::spawn(cosigning.run())
}
