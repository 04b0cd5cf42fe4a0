//! Inclusion and consistency proofs: this leaf is in that tree; the later tree extends the earlier.
//!
//! Made as RFC 6962, sections 2.1.1 and 2.1.2, defines them; checked as RFC 9162, sections 2.1.3.2
//! and 2.1.4.2, spells out.

use schemas::id::{EntryIndex, Hash, TreeSize};

use super::{EMPTY_ROOT, HashReader, node_hash, range_root};

/// Why a proof does not prove what it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    #[error("entry {index} is not in a tree of size {size}")]
    IndexOutside { index: EntryIndex, size: TreeSize },
    #[error("a tree of size {size2} cannot extend one of size {size1}")]
    Shrunk { size1: TreeSize, size2: TreeSize },
    #[error("the proof has {found} hashes, its place in the tree needs {expected}")]
    Length { expected: usize, found: usize },
    #[error("the proof leads to root {computed}, the tree of size {size} has {expected}")]
    Root { size: TreeSize, computed: Hash, expected: Hash },
}

/// Checks that a leaf stands at an index of the tree with that size and root.
///
/// `Ok` says nothing about the root itself: it must come from a verified checkpoint.
pub fn verify_inclusion(
    index: EntryIndex,
    size: TreeSize,
    leaf: &Hash,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::IndexOutside { index, size });
    }
    let path = Path { node: index, last: size - 1 };
    check_length(proof, path.clone().count())?;
    let computed = path.zip(proof).fold(*leaf, |hash, (side, sibling)| side.join(sibling, &hash));
    check_root(size, computed, root)
}

/// Checks that the tree of `size2` and `root2` begins with all leaves of that of `size1`.
///
/// Every tree extends the empty one, by an empty proof; equal sizes need equal roots.
pub fn verify_consistency(
    size1: TreeSize,
    root1: &Hash,
    size2: TreeSize,
    root2: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if size1 > size2 {
        return Err(ProofError::Shrunk { size1, size2 });
    }
    if size1 == 0 || size1 == size2 {
        return verify_trivial_consistency(size1, root1, size2, root2, proof);
    }
    // The walk starts at the old tree's last perfect subtree. Where that is the whole old tree,
    // its root is known and not sent.
    let level = size1.trailing_zeros();
    let path = Path { node: (size1 - 1) >> level, last: (size2 - 1) >> level };
    let sent = usize::from(!size1.is_power_of_two());
    check_length(proof, path.clone().count() + sent)?;
    let (start, siblings) = proof.split_at(sent);
    let start = start.first().unwrap_or(root1);
    let (mut computed1, mut computed2) = (*start, *start);
    for (side, sibling) in path.zip(siblings) {
        if side == Side::Left {
            computed1 = side.join(sibling, &computed1);
        }
        computed2 = side.join(sibling, &computed2);
    }
    check_root(size1, computed1, root1)?;
    check_root(size2, computed2, root2)
}

fn verify_trivial_consistency(
    size1: TreeSize,
    root1: &Hash,
    size2: TreeSize,
    root2: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    check_length(proof, 0)?;
    if size1 == 0 {
        check_root(size1, EMPTY_ROOT, root1)?;
    }
    if size1 == size2 { check_root(size2, *root1, root2) } else { Ok(()) }
}

fn check_length(proof: &[Hash], expected: usize) -> Result<(), ProofError> {
    let found = proof.len();
    if found == expected { Ok(()) } else { Err(ProofError::Length { expected, found }) }
}

fn check_root(size: TreeSize, computed: Hash, root: &Hash) -> Result<(), ProofError> {
    let expected = *root;
    if computed == expected { Ok(()) } else { Err(ProofError::Root { size, computed, expected }) }
}

/// Where a sibling stands, seen from the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

impl Side {
    fn join(self, sibling: &Hash, hash: &Hash) -> Hash {
        match self {
            Side::Left => node_hash(sibling, hash),
            Side::Right => node_hash(hash, sibling),
        }
    }
}

/// The way from a node up to the root, as the sides of the siblings met.
///
/// `node` and the `last` node of its level are the `fn` and `sn` of RFC 9162. Knowing the sides
/// beforehand fixes the length of a proof by its place alone.
#[derive(Clone)]
struct Path {
    node: u64,
    last: u64,
}

impl Iterator for Path {
    type Item = Side;

    fn next(&mut self) -> Option<Side> {
        if self.last == 0 {
            return None;
        }
        let side =
            if self.node % 2 == 1 || self.node == self.last { Side::Left } else { Side::Right };
        // A last node without a right sibling rises unhashed until it is a right child.
        let unpaired = if side == Side::Left { self.node.trailing_zeros() } else { 0 };
        self.node = self.node >> unpaired >> 1;
        self.last = self.last >> unpaired >> 1;
        Some(side)
    }
}

/// Why a proof could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProveError<E: std::error::Error + 'static> {
    #[error("entry {index} is not in a tree of size {size}")]
    IndexOutside { index: EntryIndex, size: TreeSize },
    #[error("a tree of size {size2} cannot extend one of size {size1}")]
    Shrunk { size1: TreeSize, size2: TreeSize },
    #[error("cannot read the tree")]
    Read(#[from] E),
}

/// Makes the proof that the leaf at an index is in the tree of that size: `PATH` of RFC 6962.
pub fn prove_inclusion<R: HashReader>(
    reader: &mut R,
    index: EntryIndex,
    size: TreeSize,
) -> Result<Vec<Hash>, ProveError<R::Error>> {
    if index >= size {
        return Err(ProveError::IndexOutside { index, size });
    }
    let (mut start, mut end) = (0, size);
    let mut proof = Vec::new();
    while end - start > 1 {
        let split = split(start, end);
        if index < split {
            proof.push(range_root(reader, split, end)?);
            end = split;
        } else {
            proof.push(range_root(reader, start, split)?);
            start = split;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// Makes the proof that the tree of `size2` extends that of `size1`: `SUBPROOF` of RFC 6962.
///
/// Empty where there is nothing to show: from the empty tree, and between equal sizes.
pub fn prove_consistency<R: HashReader>(
    reader: &mut R,
    size1: TreeSize,
    size2: TreeSize,
) -> Result<Vec<Hash>, ProveError<R::Error>> {
    if size1 > size2 {
        return Err(ProveError::Shrunk { size1, size2 });
    }
    let (mut start, mut end) = (0, size2);
    let mut proof = Vec::new();
    while size1 != 0 && size1 != end {
        let split = split(start, end);
        if size1 <= split {
            proof.push(range_root(reader, split, end)?);
            end = split;
        } else {
            proof.push(range_root(reader, start, split)?);
            start = split;
        }
    }
    // Where the walk never turned right, what is left is the old tree, whose root is known.
    if start != 0 {
        proof.push(range_root(reader, start, end)?);
    }
    proof.reverse();
    Ok(proof)
}

/// Returns where a range of two or more leaves parts: after the largest power of two below its
/// width.
fn split(start: u64, end: u64) -> u64 {
    start + (1 << (end - start - 1).ilog2())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use tlog_tiles::tlog as oracle;

    use super::*;
    use crate::corpus::{base64, cases, read_json, text};
    use crate::merkle::tests::{leaves, reference_root, reference_split};
    use crate::merkle::{MemoryTree, NoSubtree, root_of};

    /// `PATH(m, D[n])` of RFC 6962, section 2.1.1.
    fn reference_path(m: usize, leaves: &[Hash]) -> Vec<Hash> {
        if leaves.len() == 1 {
            return vec![];
        }
        let k = reference_split(leaves.len());
        let (left, right) = leaves.split_at(k);
        let (mut path, sibling) = if m < k {
            (reference_path(m, left), reference_root(right))
        } else {
            (reference_path(m - k, right), reference_root(left))
        };
        path.push(sibling);
        path
    }

    /// `SUBPROOF(m, D[n], b)` of RFC 6962, section 2.1.2.
    fn reference_subproof(m: usize, leaves: &[Hash], known: bool) -> Vec<Hash> {
        if m == leaves.len() {
            return if known { vec![] } else { vec![reference_root(leaves)] };
        }
        let k = reference_split(leaves.len());
        let (left, right) = leaves.split_at(k);
        let (mut proof, sibling) = if m <= k {
            (reference_subproof(m, left, known), reference_root(right))
        } else {
            (reference_subproof(m - k, right, false), reference_root(left))
        };
        proof.push(sibling);
        proof
    }

    #[test]
    fn inclusion_proofs_are_those_of_the_rfc() {
        let all = leaves(130);
        let mut tree = MemoryTree::new(all.clone());
        for size in 1..=all.len() {
            let root = root_of(&all[..size]);
            for index in 0..size {
                let (at, of) = (index as u64, size as u64);
                let proof = prove_inclusion(&mut tree, at, of).unwrap();
                assert_eq!(proof, reference_path(index, &all[..size]), "{index} in {size}");
                assert_eq!(verify_inclusion(at, of, &all[index], &proof, &root), Ok(()));
            }
        }
    }

    #[test]
    fn consistency_proofs_are_those_of_the_rfc() {
        let all = leaves(70);
        let mut tree = MemoryTree::new(all.clone());
        let roots: Vec<Hash> = (0..=all.len()).map(|size| root_of(&all[..size])).collect();
        for size2 in 0..=all.len() {
            for size1 in 0..=size2 {
                let (old, new) = (size1 as u64, size2 as u64);
                let proof = prove_consistency(&mut tree, old, new).unwrap();
                if size1 > 0 {
                    let expected = reference_subproof(size1, &all[..size2], true);
                    assert_eq!(proof, expected, "{size1} to {size2}");
                }
                let verdict = verify_consistency(old, &roots[size1], new, &roots[size2], &proof);
                assert_eq!(verdict, Ok(()), "{size1} to {size2}");
            }
        }
    }

    /// Every way to damage one proof: each bit, each removal, repetition, swap and addition.
    fn damaged(proof: &[Hash]) -> Vec<Vec<Hash>> {
        let mut all = Vec::new();
        let mut add = |change: &dyn Fn(&mut Vec<Hash>)| {
            let mut copy = proof.to_vec();
            change(&mut copy);
            all.extend((copy != proof).then_some(copy));
        };
        for at in 0..proof.len() {
            (0..256).for_each(|bit| add(&|copy| copy[at].0[bit / 8] ^= 1 << (bit % 8)));
            add(&|copy| _ = copy.remove(at));
            add(&|copy| copy.insert(at, copy[at]));
            add(&|copy| copy[at] = EMPTY_ROOT);
            (0..at).for_each(|other| add(&|copy| copy.swap(at, other)));
        }
        (0..=proof.len()).for_each(|at| add(&|copy| copy.insert(at, Hash::default())));
        add(&Vec::clear);
        all
    }

    #[test]
    fn a_damaged_inclusion_proof_proves_nothing() {
        for size in [1, 2, 3, 4, 5, 6, 7, 8, 11, 16, 17, 33] {
            let all = leaves(size);
            let (of, root) = (size as u64, root_of(&all));
            for index in 0..of {
                let leaf = &all[index as usize];
                let proof = prove_inclusion(&mut &all[..], index, of).unwrap();
                for bad in damaged(&proof) {
                    assert!(verify_inclusion(index, of, leaf, &bad, &root).is_err());
                }
                for other in (0..of + 2).chain([of * 2, u64::MAX]).filter(|other| *other != index) {
                    assert!(verify_inclusion(other, of, leaf, &proof, &root).is_err());
                }
                assert!(verify_inclusion(index, of, &EMPTY_ROOT, &proof, &root).is_err());
                assert!(verify_inclusion(index, of, leaf, &proof, &EMPTY_ROOT).is_err());
            }
        }
    }

    #[test]
    fn a_damaged_consistency_proof_proves_nothing() {
        for size2 in [1, 2, 3, 4, 5, 6, 7, 8, 11, 16, 17, 33] {
            let all = leaves(size2);
            let (new, root2) = (size2 as u64, root_of(&all));
            for size1 in 0..=size2 {
                let (old, root1) = (size1 as u64, root_of(&all[..size1]));
                let proof = prove_consistency(&mut &all[..], old, new).unwrap();
                for bad in damaged(&proof) {
                    assert!(verify_consistency(old, &root1, new, &root2, &bad).is_err());
                }
                let other = Hash([7; 32]);
                assert!(verify_consistency(old, &other, new, &root2, &proof).is_err());
                let unbound = size1 == 0;
                let verdict = verify_consistency(old, &root1, new, &other, &proof);
                assert_eq!(verdict.is_ok(), unbound, "{size1} to {size2}");
            }
        }
    }

    #[test]
    fn a_size_is_bound_as_far_as_the_shape_of_its_proof() {
        let all = leaves(33);
        let root = root_of(&all);
        let proof = prove_inclusion(&mut &all[..], 32, 33).unwrap();
        for size in [0, 32, 34, 65, u64::MAX] {
            assert!(verify_inclusion(32, size, &all[32], &proof, &root).is_err(), "{size}");
        }
    }

    #[test]
    fn no_number_panics() {
        let edges = [0, 1, 2, 3, 1 << 32, (1 << 63) - 1, 1 << 63, u64::MAX - 1, u64::MAX];
        let hash = Hash([9; 32]);
        for (a, b) in edges.iter().flat_map(|a| edges.map(|b| (*a, b))) {
            for length in 0..=65 {
                let proof = vec![hash; length];
                assert!(length == 0 || verify_inclusion(a, b, &hash, &proof, &hash).is_err());
                assert!(length == 0 || verify_consistency(a, &hash, b, &hash, &proof).is_err());
            }
            let mut none: &[Hash] = &[];
            let refused = ProveError::Shrunk { size1: a, size2: b };
            if a > b {
                assert_eq!(prove_consistency(&mut none, a, b), Err(refused));
            }
            if a >= b {
                let refused = ProveError::IndexOutside { index: a, size: b };
                assert_eq!(prove_inclusion(&mut none, a, b), Err(refused));
            }
        }
        let unread: ProveError<NoSubtree> = NoSubtree { level: 63, index: 0 }.into();
        assert_eq!(prove_inclusion(&mut &[][..], u64::MAX - 1, u64::MAX), Err(unread));
    }

    #[derive(Default)]
    struct Stored(Vec<oracle::Hash>);

    impl oracle::HashReader for Stored {
        fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<oracle::Hash>, tlog_tiles::Error> {
            Ok(indexes.iter().map(|index| self.0[*index as usize]).collect())
        }
    }

    #[test]
    fn another_implementation_agrees() {
        let all = leaves(75);
        let mut tree = MemoryTree::new(all.clone());
        let mut stored = Stored::default();
        let ours = |proof: Vec<oracle::Hash>| -> Vec<Hash> {
            proof.into_iter().map(|hash| Hash(hash.0)).collect()
        };
        for (size, leaf) in (1..).zip(&all) {
            let leaf = oracle::Hash(leaf.0);
            let grown = oracle::stored_hashes_for_record_hash(size - 1, leaf, &stored).unwrap();
            stored.0.extend(grown);
            let root = oracle::tree_hash(size, &stored).unwrap();
            assert_eq!(root_of(&all[..size as usize]).0, root.0);
            for index in 0..size {
                let theirs = oracle::prove_record(size, index, &stored).unwrap();
                assert_eq!(prove_inclusion(&mut tree, index, size).unwrap(), ours(theirs));
                let theirs = oracle::prove_tree(size, index + 1, &stored).unwrap();
                assert_eq!(prove_consistency(&mut tree, index + 1, size).unwrap(), ours(theirs));
            }
        }
    }

    /// A hash of a vector; one of another length cannot even be written as ours.
    fn hash(value: &Value) -> Option<Hash> {
        base64(value.as_str().unwrap_or_default()).try_into().ok().map(Hash)
    }

    fn hashes(value: &Value) -> Option<Vec<Hash>> {
        cases(value).map(hash).collect()
    }

    #[test]
    fn published_inclusion_vectors() {
        let Some(vectors) = read_json("tlog/merkle-inclusion.json") else {
            return;
        };
        let verdict = |case: &Value| {
            let (leaf, root) = (hash(&case["leafHash"])?, hash(&case["root"])?);
            let (index, size) = (case["leafIdx"].as_u64()?, case["treeSize"].as_u64()?);
            verify_inclusion(index, size, &leaf, &hashes(&case["proof"])?, &root).ok()
        };
        assert_eq!(cases(&vectors).filter(|case| verdict(case).is_some()).count(), 4);
        for case in cases(&vectors) {
            let expected = case["wantErr"] == false;
            assert_eq!(verdict(case).is_some(), expected, "{}", text(case, "id"));
        }
    }

    #[test]
    fn published_consistency_vectors() {
        let Some(vectors) = read_json("tlog/merkle-consistency.json") else {
            return;
        };
        let verdict = |case: &Value| {
            let (root1, root2) = (hash(&case["root1"])?, hash(&case["root2"])?);
            let (size1, size2) = (case["size1"].as_u64()?, case["size2"].as_u64()?);
            verify_consistency(size1, &root1, size2, &root2, &hashes(&case["proof"])?).ok()
        };
        assert_eq!(cases(&vectors).filter(|case| verdict(case).is_some()).count(), 3);
        for case in cases(&vectors) {
            let expected = case["wantErr"] == false;
            assert_eq!(verdict(case).is_some(), expected, "{}", text(case, "id"));
        }
    }
}
