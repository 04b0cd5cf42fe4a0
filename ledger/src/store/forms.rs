//! The forms in which values are stored, in every database the same.

use schemas::id::Hash;

/// The stored form of an index, size or number. All of them are below 2^53 where we write, and a
/// larger one in a question finds nothing, which is the answer.
pub fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The stored form of a list of hashes: 32 bytes each, one after the other.
pub fn format_hashes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

pub fn parse_hashes(bytes: &[u8]) -> Option<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    rest.is_empty().then(|| hashes.iter().map(|hash| Hash(*hash)).collect())
}
