//! Counts signers. Nothing else in the tree does.

use std::collections::HashSet;

use schemas::id::{IdentityName, KeyId};

/// How many distinct root keys are among those that signed.
pub fn count_keys(signed: &[KeyId], roots: &HashSet<KeyId>) -> usize {
    signed.iter().filter(|key| roots.contains(key)).collect::<HashSet<_>>().len()
}

/// How many distinct identities with distinct keys stand behind some signatures: one person with
/// two keys counts once, and so does one key under two names.
pub fn count_identities<'a>(
    signers: impl IntoIterator<Item = (&'a IdentityName, &'a KeyId)>,
) -> usize {
    let mut keys = HashSet::new();
    let mut names = HashSet::new();
    signers.into_iter().filter(|(name, key)| keys.insert(*key) && names.insert(*name)).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::id::Hash;

    #[test]
    fn nobody_counts_twice() {
        let (a, b): (IdentityName, IdentityName) = ("a".parse().unwrap(), "b".parse().unwrap());
        let keys = [Hash([1; 32]), Hash([2; 32]), Hash([3; 32])];
        for (signers, expected) in [
            (vec![], 0),
            (vec![(&a, &keys[0])], 1),
            (vec![(&a, &keys[0]), (&a, &keys[0])], 1),
            (vec![(&a, &keys[0]), (&a, &keys[1])], 1),
            (vec![(&a, &keys[0]), (&b, &keys[0])], 1),
            (vec![(&a, &keys[0]), (&b, &keys[1])], 2),
        ] {
            assert_eq!(count_identities(signers), expected);
        }
        let roots = HashSet::from([keys[0], keys[1]]);
        assert_eq!(count_keys(&[keys[0], keys[0], keys[2]], &roots), 1);
        assert_eq!(count_keys(&[keys[0], keys[1]], &roots), 2);
    }
}
