//! The Merkle tree over leaf hashes (RFC 6962, section 2.1): hashes, growth and roots.

pub mod proof;
pub mod tile;
pub mod tile_path;

use schemas::id::{Hash, INTEGER_MAX, TreeSize};
use sha2::{Digest, Sha256};

/// Returns the leaf hash of an entry: SHA-256 over `0x00` and its bytes (RFC 6962, 2.1).
///
/// Takes stored bytes rather than a parsed statement. Hashing a re-encoded copy would tie every
/// proof already handed out to today's writer.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Hash(Sha256::new_with_prefix([0x00]).chain_update(entry).finalize().into())
}

/// Returns the hash of an inner node: SHA-256 over `0x01`, left and right (RFC 6962, 2.1).
///
/// The prefix differs from a leaf's, so no entry can be made that hashes like an inner node.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut node = [0x01; 65];
    node[1..33].copy_from_slice(&left.0);
    node[33..].copy_from_slice(&right.0);
    Hash(Sha256::digest(node).into())
}

/// Returns the SHA-256 of some bytes, given in pieces.
pub fn sha256(pieces: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    for piece in pieces {
        hasher.update(piece);
    }
    Hash(hasher.finalize().into())
}

/// Root of the tree without leaves: SHA-256 of nothing (RFC 6962, 2.1).
pub const EMPTY_ROOT: Hash = Hash([
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
    0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
]);

/// Returns the root of the tree over these leaf hashes.
pub fn root_of(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::new();
    leaves.iter().for_each(|leaf| frontier.push(*leaf));
    frontier.root()
}

/// A tree reduced to what its growth needs: its size and the roots of its perfect subtrees.
///
/// The peaks stand left to right, one per set bit of the size, so a log of any length is continued
/// from at most 53 hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: TreeSize,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// Starts the empty tree.
    pub fn new() -> Frontier {
        Frontier::default()
    }

    /// Continues a stored tree, unless the number of peaks cannot belong to that size.
    pub fn from_parts(size: TreeSize, peaks: Vec<Hash>) -> Option<Frontier> {
        let fits = size <= INTEGER_MAX && peaks.len() == size.count_ones() as usize;
        fits.then_some(Frontier { size, peaks })
    }

    pub fn size(&self) -> TreeSize {
        self.size
    }

    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Appends a leaf; one node hash on average.
    ///
    /// The new leaf completes one subtree per trailing one of the size, as a binary counter
    /// carries.
    pub fn push(&mut self, leaf: Hash) {
        let kept = self.peaks.len() - self.size.trailing_ones() as usize;
        let peak = fold_peaks(self.peaks.drain(kept..), leaf);
        self.peaks.push(peak);
        self.size += 1;
    }

    /// Returns the root of the tree as it stands.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().copied();
        match peaks.next_back() {
            Some(last) => fold_peaks(peaks, last),
            None => EMPTY_ROOT,
        }
    }
}

/// Hashes neighbouring subtrees together, from the smallest at the right to the largest.
fn fold_peaks(peaks: impl DoubleEndedIterator<Item = Hash>, last: Hash) -> Hash {
    peaks.rev().fold(last, |right, left| node_hash(&left, &right))
}

/// Gives the hashes that roots and proofs are made of, from wherever they are kept.
pub trait HashReader {
    type Error: std::error::Error + 'static;

    /// Returns the root of the perfect subtree over leaves `index * 2^level` and the
    /// `2^level - 1` that follow.
    fn subtree(&mut self, level: u8, index: u64) -> Result<Hash, Self::Error>;
}

/// Returns the root that a log had at an earlier size.
pub fn root_at<R: HashReader>(reader: &mut R, size: TreeSize) -> Result<Hash, R::Error> {
    range_root(reader, 0, size)
}

/// Returns the root of the tree over the leaves `start..end`.
///
/// The start is 0 or a multiple of a power of two no smaller than the range, which is what
/// splitting as RFC 6962 does yields; each perfect subtree is then one read.
fn range_root<R: HashReader>(reader: &mut R, start: u64, end: u64) -> Result<Hash, R::Error> {
    let mut peaks = Vec::new();
    let mut next = start;
    while next < end {
        let level = (end - next).ilog2();
        peaks.push(reader.subtree(level as u8, next >> level)?);
        next += 1 << level;
    }
    let last = peaks.pop();
    Ok(last.map_or(EMPTY_ROOT, |last| fold_peaks(peaks.into_iter(), last)))
}

/// A whole tree in memory: every perfect subtree's root, one row per level.
///
/// For trees of thousands of leaves that are proven from often, such as that of a `heads` event,
/// and for the inside of a tile.
#[derive(Clone, Debug, Default)]
pub struct MemoryTree {
    rows: Vec<Vec<Hash>>,
}

impl MemoryTree {
    /// Builds the tree over these leaf hashes.
    pub fn new(leaves: Vec<Hash>) -> MemoryTree {
        let mut rows = vec![leaves];
        while let Some(row) = rows.last().filter(|row| row.len() > 1) {
            let above = row.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
            rows.push(above);
        }
        MemoryTree { rows }
    }

    /// The leaves, in their order.
    pub fn leaves(&self) -> &[Hash] {
        self.rows.first().map_or(&[], Vec::as_slice)
    }

    pub fn into_leaves(mut self) -> Vec<Hash> {
        if self.rows.is_empty() { Vec::new() } else { self.rows.swap_remove(0) }
    }

    /// Puts another leaf in the place of one, and hashes what stands above it. A place that the
    /// tree does not have stays without one.
    pub fn replace(&mut self, number: usize, leaf: Hash) {
        let mut hash = leaf;
        for level in 0..self.rows.len() {
            let place = number >> level;
            let Some(there) = self.rows[level].get_mut(place) else { return };
            *there = hash;
            let Some([left, right]) = self.rows[level].chunks_exact(2).nth(place / 2) else {
                return;
            };
            hash = node_hash(left, right);
        }
    }

    /// Returns a perfect subtree's root, or nothing where the tree has no such subtree.
    pub fn get(&self, level: u8, index: u64) -> Option<Hash> {
        let row = self.rows.get(usize::from(level))?;
        row.get(usize::try_from(index).ok()?).copied()
    }
}

/// Says that a proof needs a subtree which the reader's tree does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no perfect subtree {index} at level {level}")]
pub struct NoSubtree {
    pub level: u8,
    pub index: u64,
}

impl HashReader for MemoryTree {
    type Error = NoSubtree;

    fn subtree(&mut self, level: u8, index: u64) -> Result<Hash, NoSubtree> {
        self.get(level, index).ok_or(NoSubtree { level, index })
    }
}

impl HashReader for &MemoryTree {
    type Error = NoSubtree;

    fn subtree(&mut self, level: u8, index: u64) -> Result<Hash, NoSubtree> {
        self.get(level, index).ok_or(NoSubtree { level, index })
    }
}

/// Reads straight from leaf hashes, hashing anew each time: for small trees and single proofs.
impl HashReader for &[Hash] {
    type Error = NoSubtree;

    fn subtree(&mut self, level: u8, index: u64) -> Result<Hash, NoSubtree> {
        let leaves = || {
            let width = 1_usize.checked_shl(level.into())?;
            let start = usize::try_from(index).ok()?.checked_mul(width)?;
            self.get(start..start.checked_add(width)?)
        };
        leaves().map(root_of).ok_or(NoSubtree { level, index })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// `MTH` of RFC 6962, section 2.1, word for word and with no care for speed.
    pub fn reference_root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Hash(Sha256::digest([]).into()),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(reference_split(leaves.len()));
                let node = [&[1], &reference_root(left).0[..], &reference_root(right).0[..]];
                Hash(Sha256::digest(node.concat()).into())
            }
        }
    }

    /// The largest power of two smaller than n.
    pub fn reference_split(n: usize) -> usize {
        let mut k = 1;
        while k * 2 < n {
            k *= 2;
        }
        k
    }

    pub fn leaves(count: usize) -> Vec<Hash> {
        (0..count).map(|index| leaf_hash(format!("entry {index}").as_bytes())).collect()
    }

    #[test]
    fn roots_are_those_of_the_rfc_at_every_size() {
        let all = leaves(130);
        let mut memory = MemoryTree::new(all.clone());
        let mut frontier = Frontier::new();
        for size in 0..=all.len() {
            let expected = reference_root(&all[..size]);
            assert_eq!(frontier.root(), expected, "frontier of {size}");
            assert_eq!(root_of(&all[..size]), expected, "leaves of {size}");
            assert_eq!(root_at(&mut memory, size as u64), Ok(expected), "memory tree at {size}");
            assert_eq!(root_at(&mut &all[..], size as u64), Ok(expected), "slice at {size}");
            let peaks = frontier.peaks().to_vec();
            assert_eq!(Frontier::from_parts(size as u64, peaks), Some(frontier.clone()));
            all.get(size).into_iter().for_each(|leaf| frontier.push(*leaf));
        }
        assert_eq!(EMPTY_ROOT, reference_root(&[]));
    }

    #[test]
    fn a_tree_with_another_leaf_is_the_tree_of_those_leaves() {
        for size in 1..=33 {
            let mut all = leaves(size);
            let mut tree = MemoryTree::new(all.clone());
            for number in (0..size).rev() {
                all[number] = node_hash(&all[number], &all[0]);
                tree.replace(number, all[number]);
                assert_eq!(root_at(&mut tree, size as u64).unwrap(), root_of(&all), "{size}");
            }
            assert_eq!(tree.leaves(), all);
            tree.replace(size, all[0]);
            assert_eq!(tree.into_leaves(), all);
        }
        assert!(MemoryTree::new(Vec::new()).into_leaves().is_empty());
        assert!(MemoryTree::default().into_leaves().is_empty());
    }

    #[test]
    fn hashes_have_their_prefixes() {
        assert_eq!(leaf_hash(b"ab"), Hash(Sha256::digest(b"\0ab").into()));
        let (left, right) = (Hash([2; 32]), Hash([3; 32]));
        let bytes = [vec![1], vec![2; 32], vec![3; 32]].concat();
        assert_eq!(node_hash(&left, &right), Hash(Sha256::digest(bytes).into()));
    }

    #[test]
    fn a_frontier_has_one_peak_per_set_bit() {
        for (size, peaks) in [(0, 1), (1, 0), (1, 2), (7, 2), (8, 3), (INTEGER_MAX, 52)] {
            assert_eq!(Frontier::from_parts(size, vec![EMPTY_ROOT; peaks]), None, "{size} {peaks}");
        }
        assert_eq!(Frontier::from_parts(u64::MAX, vec![EMPTY_ROOT; 64]), None);
        let mut largest = Frontier::from_parts(INTEGER_MAX, vec![EMPTY_ROOT; 53]).unwrap();
        largest.push(EMPTY_ROOT);
        assert_eq!((largest.size(), largest.peaks().len()), (INTEGER_MAX + 1, 1));
    }

    #[test]
    fn readers_say_what_they_do_not_have() {
        let all = leaves(5);
        let mut memory = MemoryTree::new(all.clone());
        for (level, index) in [(0, 5), (1, 2), (2, 1), (3, 0), (64, 0), (255, 1), (63, u64::MAX)] {
            let missing = Err(NoSubtree { level, index });
            assert_eq!(memory.subtree(level, index), missing);
            assert_eq!((&all[..]).subtree(level, index), missing);
        }
        assert_eq!(root_at(&mut memory, u64::MAX), Err(NoSubtree { level: 63, index: 0 }));
    }
}
