//! The Merkle tree as the store keeps it: tiles, loaded as proofs ask for them.

use std::collections::HashMap;

use schemas::id::{EntryIndex, Hash, TreeSize};
use verifier::merkle::proof::{ProveError, prove_consistency, prove_inclusion};
use verifier::merkle::root_at;
use verifier::merkle::tile::{TileError, TileHashes, TileReader, append_tiles};

use crate::error::LedgerError;
use crate::store::{Read, StoreError, Tile};

/// A tile that is not loaded yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("tile {number} at level {level} is not loaded")]
pub struct NotLoaded {
    level: u8,
    number: u64,
}

/// Tiles that have been loaded.
#[derive(Debug, Default)]
pub struct Tiles {
    loaded: HashMap<(u8, u64), Vec<Hash>>,
}

impl TileReader for &mut Tiles {
    type Error = NotLoaded;

    fn tile(&mut self, level: u8, number: u64, width: u16) -> Result<Vec<Hash>, NotLoaded> {
        match self.loaded.get(&(level, number)) {
            // A tile that has grown since is read at the width it had.
            Some(hashes) => Ok(hashes.iter().take(width.into()).copied().collect()),
            None => Err(NotLoaded { level, number }),
        }
    }
}

impl Tiles {
    async fn load<R: Read>(&mut self, read: &mut R, keys: &[(u8, u64)]) -> Result<(), LedgerError> {
        let mut missing: Vec<(u8, u64)> = keys.to_vec();
        for Tile { level, number, hashes } in read.tiles(keys).await? {
            missing.retain(|key| *key != (level, number));
            let hashes =
                hashes.chunks_exact(32).filter_map(|hash| Some(Hash(hash.try_into().ok()?)));
            self.loaded.insert((level, number), hashes.collect());
        }
        match missing.first() {
            None => Ok(()),
            Some(_) => Err(StoreError::Corrupt { table: "tile", what: "missing tile" }.into()),
        }
    }

    /// Asks, loads what the question turns out to need, and asks again.
    async fn ask<R: Read, T>(
        &mut self,
        read: &mut R,
        size: TreeSize,
        question: impl Fn(&mut TileHashes<&mut Tiles>) -> Result<T, ProveError<TileError<NotLoaded>>>,
    ) -> Result<T, LedgerError> {
        loop {
            let answer = question(&mut TileHashes::new(&mut *self, size));
            match answer {
                Ok(answer) => return Ok(answer),
                Err(ProveError::Read(TileError::Read(NotLoaded { level, number }))) => {
                    self.load(read, &[(level, number)]).await?;
                }
                Err(cause) => return Err(crate::error::malformed("tree", cause)),
            }
        }
    }

    pub async fn root<R: Read>(
        &mut self,
        read: &mut R,
        size: TreeSize,
    ) -> Result<Hash, LedgerError> {
        self.ask(read, size, |hashes| root_at(hashes, size).map_err(ProveError::Read)).await
    }

    /// Proves several entries from what is loaded, unless that does not suffice.
    pub fn inclusions_at_hand(
        &mut self,
        indexes: &[EntryIndex],
        size: TreeSize,
    ) -> Option<Vec<Vec<Hash>>> {
        let mut hashes = TileHashes::new(&mut *self, size);
        indexes.iter().map(|index| prove_inclusion(&mut hashes, *index, size).ok()).collect()
    }

    /// The tiles at the right edge of a tree of this size, of those that are loaded.
    pub fn edge(&self, size: TreeSize) -> Tiles {
        let keys = edge(size);
        let of_edge = |key: &(u8, u64)| Some((*key, self.loaded.get(key)?.clone()));
        Tiles { loaded: keys.iter().filter_map(of_edge).collect() }
    }

    /// Proves several entries at once: neighbours share their tiles, and the hashes inside them.
    pub async fn inclusions<R: Read>(
        &mut self,
        read: &mut R,
        indexes: &[EntryIndex],
        size: TreeSize,
    ) -> Result<Vec<Vec<Hash>>, LedgerError> {
        let mut leaves: Vec<(u8, u64)> = indexes.iter().map(|index| (0, index / 256)).collect();
        leaves.dedup();
        leaves.retain(|key| !self.loaded.contains_key(key));
        self.load(read, &leaves).await?;
        let all = |hashes: &mut TileHashes<&mut Tiles>| {
            indexes.iter().map(|index| prove_inclusion(hashes, *index, size)).collect()
        };
        self.ask(read, size, all).await
    }

    pub async fn consistency<R: Read>(
        &mut self,
        read: &mut R,
        from: TreeSize,
        to: TreeSize,
    ) -> Result<Vec<Hash>, LedgerError> {
        self.ask(read, to, |hashes| prove_consistency(hashes, from, to)).await
    }

    /// The tiles that change when leaves are appended.
    pub async fn append<R: Read>(
        &mut self,
        read: &mut R,
        size: TreeSize,
        leaves: &[Hash],
    ) -> Result<Vec<Tile>, LedgerError> {
        let mut edge = edge(size);
        edge.retain(|key| !self.loaded.contains_key(key));
        self.load(read, &edge).await?;
        let changed = append_tiles(&mut &mut *self, size, leaves)
            .map_err(|cause| crate::error::malformed("tree", cause))?;
        let row = |tile: &verifier::merkle::tile::Tile| Tile {
            level: tile.level,
            number: tile.number,
            hashes: tile.hashes.iter().flat_map(|hash| hash.0).collect(),
        };
        let rows = changed.iter().map(row).collect();
        self.loaded.extend(changed.into_iter().map(|it| ((it.level, it.number), it.hashes)));
        Ok(rows)
    }
}

/// The tiles of a tree that grow when leaves are appended.
fn edge(size: TreeSize) -> Vec<(u8, u64)> {
    (0..7)
        .map(|level| (level, size >> (8 * u32::from(level))))
        .filter(|(_, stored)| stored % 256 != 0)
        .map(|(level, stored)| (level, stored / 256))
        .collect()
}
