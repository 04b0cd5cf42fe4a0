//! Tiles: the tree as files of up to 256 hashes, height 8 (c2sp.org/tlog-tiles).

use std::collections::BTreeMap;

use schemas::id::{Hash, TreeSize};

use super::tile_path::TilePath;
use super::{HashReader, MemoryTree, root_of};

/// Hashes in a full tile.
pub const TILE_WIDTH: u64 = 256;

/// Tree levels that one tile spans.
const TILE_HEIGHT: u8 = 8;

/// Consecutive subtree roots: number `number` of the tiles at a tile level.
///
/// At level 0 the hashes are leaf hashes; above, each is the root of a full tile one level below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    pub level: u8,
    pub number: u64,
    pub hashes: Vec<Hash>,
}

impl Tile {
    /// Returns the path that mirrors fetch this tile under, such as `tile/0/x001/234/067.p/8`.
    pub fn path(&self) -> String {
        let width = self.hashes.len() as u16;
        let path = TilePath { level: Some(self.level), number: self.number, width };
        format!("tile/{}", path.format())
    }
}

/// Gives stored tiles.
pub trait TileReader {
    type Error: std::error::Error + 'static;

    /// Returns the first `width` hashes of a tile; 1 to 256.
    fn tile(&mut self, level: u8, number: u64, width: u16) -> Result<Vec<Hash>, Self::Error>;
}

/// Why tiles do not yield a hash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TileError<E: std::error::Error + 'static> {
    #[error("cannot read a tile")]
    Read(#[from] E),
    #[error("tile {number} at level {level} has {found} hashes instead of {expected}")]
    Width { level: u8, number: u64, expected: u16, found: usize },
    #[error("a tree of size {size} has no perfect subtree {index} at level {level}")]
    NoSubtree { size: TreeSize, level: u8, index: u64 },
}

fn read_tile<R: TileReader>(
    reader: &mut R,
    level: u8,
    number: u64,
    width: u16,
) -> Result<Vec<Hash>, TileError<R::Error>> {
    let hashes = reader.tile(level, number, width)?;
    let found = hashes.len();
    if found != usize::from(width) {
        return Err(TileError::Width { level, number, expected: width, found });
    }
    Ok(hashes)
}

/// Reads the hashes of a tree of one size out of its tiles, each tile once while it is kept.
pub struct TileHashes<R> {
    reader: R,
    size: TreeSize,
    kept: BTreeMap<(u8, u64), MemoryTree>,
}

/// Tiles kept in memory, with their inner nodes about 16 KiB each.
///
/// One proof touches at most two tiles at each of seven levels; neighbouring entries share them.
const TILES_KEPT_MAX: usize = 64;

impl<R: TileReader> TileHashes<R> {
    /// Reads the tree of that size; its rightmost tiles are asked for at the width they have then.
    pub fn new(reader: R, size: TreeSize) -> TileHashes<R> {
        TileHashes { reader, size, kept: BTreeMap::new() }
    }

    fn kept_tile(
        &mut self,
        level: u8,
        number: u64,
        width: u16,
    ) -> Result<&MemoryTree, TileError<R::Error>> {
        if !self.kept.contains_key(&(level, number)) {
            let tile = MemoryTree::new(read_tile(&mut self.reader, level, number, width)?);
            if self.kept.len() == TILES_KEPT_MAX {
                self.kept.clear();
            }
            self.kept.insert((level, number), tile);
        }
        Ok(&self.kept[&(level, number)])
    }
}

impl<R: TileReader> HashReader for TileHashes<R> {
    type Error = TileError<R::Error>;

    fn subtree(&mut self, level: u8, index: u64) -> Result<Hash, Self::Error> {
        let outside = TileError::NoSubtree { size: self.size, level, index };
        let subtrees = self.size.checked_shr(level.into()).unwrap_or(0);
        if index >= subtrees {
            return Err(outside);
        }
        let (tile_level, height) = (level / TILE_HEIGHT, level % TILE_HEIGHT);
        let per_tile = TILE_WIDTH >> height;
        let number = index / per_tile;
        let stored = self.size >> (tile_level * TILE_HEIGHT);
        let width = (stored - number * TILE_WIDTH).min(TILE_WIDTH) as u16;
        let tile = self.kept_tile(tile_level, number, width)?;
        tile.get(height, index % per_tile).ok_or(outside)
    }
}

/// Returns every tile that appending leaves makes or changes, level by level, left to right.
///
/// The reader gives the partial tiles at the right edge of the tree before the append, and nothing
/// else. A tile that becomes full sends its root to the level above; a partial one never does.
pub fn append_tiles<R: TileReader>(
    reader: &mut R,
    size_before: TreeSize,
    leaves: &[Hash],
) -> Result<Vec<Tile>, TileError<R::Error>> {
    let mut tiles = Vec::new();
    let mut stored = size_before;
    let mut level = 0;
    let mut row = leaves.to_vec();
    while !row.is_empty() {
        let changed = append_row(reader, level, stored, row)?;
        row =
            changed.iter().filter(|tile| is_full(tile)).map(|tile| root_of(&tile.hashes)).collect();
        tiles.extend(changed);
        stored /= TILE_WIDTH;
        level += 1;
    }
    Ok(tiles)
}

fn is_full(tile: &Tile) -> bool {
    tile.hashes.len() as u64 == TILE_WIDTH
}

/// Appends hashes to one level that holds `stored` already.
fn append_row<R: TileReader>(
    reader: &mut R,
    level: u8,
    stored: u64,
    row: Vec<Hash>,
) -> Result<Vec<Tile>, TileError<R::Error>> {
    let first = stored / TILE_WIDTH;
    let mut hashes = match (stored % TILE_WIDTH) as u16 {
        0 => Vec::new(),
        width => read_tile(reader, level, first, width)?,
    };
    hashes.extend(row);
    let tiles = hashes.chunks(TILE_WIDTH as usize).zip(first..);
    Ok(tiles.map(|(chunk, number)| Tile { level, number, hashes: chunk.to_vec() }).collect())
}

#[cfg(test)]
mod tests {
    use tlog_tiles::tlog as oracle;

    use super::*;
    use crate::corpus::{base64, read_json, text};
    use crate::merkle::proof::{
        prove_consistency, prove_inclusion, verify_consistency, verify_inclusion,
    };
    use crate::merkle::tests::leaves;
    use crate::merkle::{Frontier, leaf_hash, root_at};

    /// Tiles as a store keeps them: the widest of each number.
    #[derive(Default)]
    struct Store {
        tiles: BTreeMap<(u8, u64), Vec<Hash>>,
        reads: usize,
    }

    #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
    #[error("no tile")]
    struct NoTile;

    impl TileReader for &mut Store {
        type Error = NoTile;

        fn tile(&mut self, level: u8, number: u64, width: u16) -> Result<Vec<Hash>, NoTile> {
            self.reads += 1;
            let tile = self.tiles.get(&(level, number)).ok_or(NoTile)?;
            Ok(tile.iter().take(width.into()).copied().collect())
        }
    }

    impl Store {
        fn append(&mut self, size: u64, leaves: &[Hash]) -> Vec<Tile> {
            let tiles = append_tiles(&mut &mut *self, size, leaves).unwrap();
            for tile in &tiles {
                self.tiles.insert((tile.level, tile.number), tile.hashes.clone());
            }
            tiles
        }
    }

    struct Stored(Vec<oracle::Hash>);

    impl oracle::HashReader for Stored {
        fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<oracle::Hash>, tlog_tiles::Error> {
            Ok(indexes.iter().map(|index| self.0[*index as usize]).collect())
        }
    }

    /// Sizes around every edge of tiles at levels 0, 1 and 2.
    const SIZES: [u64; 15] =
        [1, 2, 255, 256, 257, 511, 512, 700, 1024, 4097, 65_535, 65_536, 65_537, 65_800, 66_048];

    #[test]
    fn appended_tiles_are_those_of_another_implementation() {
        let all = leaves(66_048);
        let (mut store, mut stored) = (Store::default(), Stored(Vec::new()));
        let mut before = 0;
        for after in SIZES {
            let new = &all[before as usize..after as usize];
            for (index, leaf) in (before..).zip(new) {
                let leaf = oracle::Hash(leaf.0);
                let grown = oracle::stored_hashes_for_record_hash(index, leaf, &stored).unwrap();
                stored.0.extend(grown);
            }
            let ours = store.append(before, new);
            let theirs = tlog_tiles::tile::Tile::new_tiles(8, before, after);
            assert_eq!(ours.len(), theirs.len(), "{before} to {after}");
            for (tile, theirs) in ours.iter().zip(theirs) {
                let bytes = tile.hashes.iter().flat_map(|hash| hash.0).collect::<Vec<u8>>();
                assert_eq!(bytes, theirs.read_data(&stored).unwrap(), "{}", tile.path());
                assert_eq!(tile.path(), theirs.path().replace("tile/8/", "tile/"));
            }
            before = after;
        }
    }

    #[test]
    fn tiles_give_every_root_and_proof() {
        let all = leaves(66_048);
        let mut store = Store::default();
        store.append(0, &all);
        let mut roots = Vec::new();
        let mut frontier = Frontier::new();
        for leaf in &all {
            frontier.push(*leaf);
            if SIZES.contains(&frontier.size()) {
                roots.push((frontier.size(), frontier.root()));
            }
        }
        for (at, (size, root)) in roots.iter().enumerate() {
            let mut tiles = TileHashes::new(&mut store, *size);
            assert_eq!(root_at(&mut tiles, *size), Ok(*root));
            for index in (0..*size).step_by(97).chain([size - 1]) {
                let proof = prove_inclusion(&mut tiles, index, *size).unwrap();
                let leaf = &all[index as usize];
                assert_eq!(verify_inclusion(index, *size, leaf, &proof, root), Ok(()));
            }
            for (old, old_root) in &roots[..at] {
                let proof = prove_consistency(&mut tiles, *old, *size).unwrap();
                assert_eq!(verify_consistency(*old, old_root, *size, root, &proof), Ok(()));
            }
        }
    }

    #[test]
    fn neighbours_share_their_tiles() {
        let all = leaves(70_000);
        let mut store = Store::default();
        store.append(0, &all);
        let mut tiles = TileHashes::new(&mut store, 70_000);
        for index in 0..4096 {
            prove_inclusion(&mut tiles, index, 70_000).unwrap();
        }
        // 16 tiles of leaves, the right edge at levels 0 to 2, and the first tile of level 1.
        assert!(store.reads <= 16 + 4, "{} reads", store.reads);
    }

    #[test]
    fn what_tiles_lack_is_an_error() {
        let mut store = Store::default();
        store.append(0, &leaves(300));
        for (size, level, index) in [(300, 0, 300), (300, 8, 1), (300, 9, 0), (300, 255, 0)] {
            let missing = Err(TileError::NoSubtree { size, level, index });
            assert_eq!(TileHashes::new(&mut store, size).subtree(level, index), missing);
        }
        assert_eq!(
            TileHashes::new(&mut store, 600).subtree(0, 512),
            Err(TileError::Read(NoTile)),
            "the store ends before"
        );
        let short = TileError::Width { level: 0, number: 1, expected: 45, found: 44 };
        assert_eq!(TileHashes::new(&mut store, 301).subtree(0, 257), Err(short.clone()));
        assert_eq!(append_tiles(&mut &mut store, 301, &leaves(1)), Err(short));
        assert_eq!(append_tiles(&mut &mut store, 300, &[]), Ok(vec![]));
        assert_eq!(
            append_tiles(&mut &mut store, u64::MAX, &leaves(1)),
            Err(TileError::Read(NoTile))
        );
    }

    #[test]
    fn paths_group_digits_by_three() {
        let path = |level, number, width| Tile { level, number, hashes: leaves(width) }.path();
        assert_eq!(path(0, 0, 256), "tile/0/000");
        assert_eq!(path(3, 999, 1), "tile/3/999.p/1");
        assert_eq!(path(0, 1_234_067, 8), "tile/0/x001/x234/067.p/8");
        assert_eq!(path(1, 1000, 255), "tile/1/x001/000.p/255");
    }

    #[test]
    fn a_published_log_has_our_tiles_and_leaves() {
        let Some(log) = read_json("tlog/tlog-tiles-tessera.json") else {
            return;
        };
        let file = |path: String| base64(text(&log["files_base64"], &path));
        for size in [1, 3, 7, 8, 15] {
            let mut entries = &file(format!("tile/entries/000.p/{size}"))[..];
            let mut hashes = Vec::new();
            while let Some((length, rest)) = entries.split_first_chunk::<2>() {
                let (entry, rest) = rest.split_at(u16::from_be_bytes(*length).into());
                hashes.push(leaf_hash(entry));
                entries = rest;
            }
            let tiles = append_tiles(&mut &mut Store::default(), 0, &hashes).unwrap();
            let [tile] = tiles.as_slice() else { panic!("one tile") };
            let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
            assert_eq!(bytes, file(tile.path()));
            let checkpoint = text(&log["checkpoints"], &size.to_string()).as_bytes();
            let vkey = text(&log, "vkey").parse().unwrap();
            let checkpoint = crate::checkpoint::verify_checkpoint(checkpoint, &vkey).unwrap();
            assert_eq!((checkpoint.size(), *checkpoint.root()), (size, root_of(&hashes)));
        }
    }
}
