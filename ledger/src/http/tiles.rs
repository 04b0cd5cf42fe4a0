//! The log as files: the read API of c2sp.org/tlog-tiles, byte for byte.

use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use schemas::id::TreeSize;
use verifier::merkle::tile::TILE_WIDTH;
use verifier::merkle::tile_path::TilePath;

use super::Server;
use super::caching::{Freshness, keep};
use super::problem::Problem;
use crate::LedgerError;
use crate::error::malformed;
use crate::ledger::Ledger;
use crate::store::{Read, Store};

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// The published checkpoint, a C2SP signed note: where witnesses are asked, the newest that a
/// quorum of them has cosigned.
#[utoipa::path(get, path = "/checkpoint", tag = "log", responses(
    (status = 200, description = "The checkpoint", body = String, content_type = "text/plain"),
    (status = "default", description = "A problem", body = Problem,
        content_type = "application/problem+json"),
))]
pub async fn checkpoint<S: Store>(State(server): State<Server<S>>) -> Result<Response, Problem> {
    let note = server.ledger.shown_checkpoint().await?;
    let etag = verifier::merkle::sha256(&[note.as_bytes()]).to_string();
    Ok(keep(([(header::CONTENT_TYPE, TEXT)], note), Freshness::Never, Some(etag)))
}

/// A tile of hashes, or a bundle of entries, as far as a published checkpoint covers it.
#[utoipa::path(get, path = "/tile/{path}", tag = "log",
    params(("path" = String, Path, description =
        "level (0 to 7) or `entries`, then the number in groups of three digits, each but the \
         last behind an `x`; a partial one ends in `.p/` and its width")),
    responses(
        (status = 200, description = "Hashes of 32 bytes, or entries behind 16-bit lengths",
            body = Vec<u8>, content_type = "application/octet-stream"),
        (status = "default", description = "A problem", body = Problem,
            content_type = "application/problem+json"),
))]
pub async fn tile<S: Store>(
    State(server): State<Server<S>>,
    Path(path): Path<String>,
) -> Result<Response, Problem> {
    let none = || Problem::not_found(format!("no tile {path:?} is published"));
    let it = TilePath::parse(&path).ok_or_else(none)?;
    let bytes = server.ledger.tile(&it).await?.ok_or_else(none)?;
    // A partial tile never changes either, and nobody asks for it once it is full.
    let is_full = u64::from(it.width) == TILE_WIDTH;
    let freshness = if is_full { Freshness::Immutable } else { Freshness::Minute };
    let etag = verifier::merkle::sha256(&[&bytes]).to_string();
    Ok(keep(([(header::CONTENT_TYPE, BYTES)], bytes), freshness, Some(etag)))
}

impl<S: Store> Ledger<S> {
    /// The bytes of a tile or bundle; none where no published checkpoint covers all of it.
    pub async fn tile(&self, it: &TilePath) -> Result<Option<Vec<u8>>, LedgerError> {
        let mut read = self.store.snapshot().await?;
        let published: TreeSize = read.checkpoint().await?.map_or(0, |(size, _)| size);
        if !it.is_within(published) {
            return Ok(None);
        }
        let width = usize::from(it.width);
        let Some(level) = it.level else {
            let from = it.number * TILE_WIDTH;
            let entries = read.entries_alone(from, from + u64::from(it.width)).await?;
            if entries.len() != width {
                return Err(malformed("entry", "fewer are stored than published"));
            }
            return Ok(Some(bundle(entries.into_iter().map(|(_, entry)| entry))));
        };
        let tile = read.tiles(&[(level, it.number)]).await?.into_iter().next();
        let hashes = tile.map(|tile| tile.hashes).unwrap_or_default();
        let hashes = hashes.get(..32 * width).map(<[u8]>::to_vec);
        hashes.map(Some).ok_or_else(|| malformed("tile", "fewer hashes are stored than published"))
    }
}

/// Entries one behind the other, each after its length in two bytes, big-endian. An entry is never
/// longer than 65,535 bytes, for this.
fn bundle(entries: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut out = Vec::new();
    for entry in entries {
        out.extend((entry.len() as u16).to_be_bytes());
        out.extend(entry);
    }
    out
}
