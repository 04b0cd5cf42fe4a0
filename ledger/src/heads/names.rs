//! Names of threads in their order, close together: a log may have millions of them.

use std::cmp::Ordering;

use schemas::id::{Digest, DigestAlgorithm};
use schemas::thread::ThreadId;

/// The algorithms that open an artifact thread, in the order of their names.
const ALGORITHMS: [DigestAlgorithm; 4] = [
    DigestAlgorithm::GitCommit,
    DigestAlgorithm::Sha256,
    DigestAlgorithm::Sha384,
    DigestAlgorithm::Sha512,
];

/// Stands before the names of threads that are no artifacts, in the order of their kinds.
const KINDS: [(u8, &str); 3] = [(0x80, "control"), (0x81, "environment"), (0x82, "project")];

/// A name in half the bytes of its text, in the same order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(Vec<u8>);

impl Name {
    pub fn of(thread: &ThreadId) -> Name {
        let ThreadId::Artifact(digest) = thread else {
            let tag = KINDS.iter().find(|(_, kind)| *kind == thread.kind()).map_or(0xff, |it| it.0);
            return Name([&[tag], thread.id().as_bytes()].concat());
        };
        let place = ALGORITHMS.iter().position(|it| *it == digest.algorithm()).unwrap_or_default();
        let digits = digest.hex().as_bytes().chunks_exact(2);
        let byte = |pair: &[u8]| half(pair[0]) << 4 | half(pair[1]);
        Name(std::iter::once(place as u8).chain(digits.map(byte)).collect())
    }

    /// Reads a name back; none where it is no thread's.
    fn thread(bytes: &[u8]) -> Option<ThreadId> {
        let (tag, rest) = bytes.split_first()?;
        if let Some(algorithm) = ALGORITHMS.get(usize::from(*tag)) {
            let hex: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
            return Digest::new(*algorithm, &hex).ok().map(ThreadId::Artifact);
        }
        let (_, kind) = KINDS.iter().find(|(it, _)| it == tag)?;
        ThreadId::parse(kind, std::str::from_utf8(rest).ok()?)
    }
}

/// The value of a lower-case hex digit.
fn half(digit: u8) -> u8 {
    match digit {
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'0') & 0x0f,
    }
}

/// Sorted names, one behind the other.
#[derive(Debug, Default)]
pub struct Names {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Names {
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Adds one that comes after all that are there.
    pub fn push(&mut self, name: &Name) {
        self.push_bytes(&name.0);
    }

    fn push_bytes(&mut self, name: &[u8]) {
        self.bytes.extend_from_slice(name);
        self.ends.push(self.bytes.len());
    }

    fn get(&self, number: usize) -> &[u8] {
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[number]]
    }

    pub fn thread(&self, number: usize) -> Option<ThreadId> {
        (number < self.len()).then(|| Name::thread(self.get(number)))?
    }

    /// The number of a name, or the one that it would have.
    pub fn search(&self, name: &Name) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.get(middle).cmp(&name.0) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Ok(middle),
                Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    /// Adds sorted names that are not there yet, each with its value, and puts the values among
    /// those that the names have already.
    pub fn merge<T>(&mut self, values: Vec<T>, new: Vec<(Name, T)>) -> Vec<T> {
        let mut names = Names {
            bytes: Vec::with_capacity(
                self.bytes.len() + new.iter().map(|it| it.0.0.len()).sum::<usize>(),
            ),
            ends: Vec::with_capacity(self.len() + new.len()),
        };
        let mut merged = Vec::with_capacity(self.len() + new.len());
        let mut new = new.into_iter().peekable();
        for (number, value) in values.into_iter().enumerate() {
            let here = self.get(number);
            while let Some((name, value)) = new.next_if(|(name, _)| name.0.as_slice() < here) {
                names.push(&name);
                merged.push(value);
            }
            names.push_bytes(here);
            merged.push(value);
        }
        for (name, value) in new {
            names.push(&name);
            merged.push(value);
        }
        *self = names;
        merged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threads() -> Vec<ThreadId> {
        let hex = |digit: char, digits: usize| digit.to_string().repeat(digits);
        let mut threads = vec![ThreadId::Control];
        for digit in ['0', '9', 'a', 'f'] {
            for (algorithm, digits) in [
                ("gitCommit", 40),
                ("gitCommit", 64),
                ("sha256", 64),
                ("sha384", 96),
                ("sha512", 128),
            ] {
                let id = format!("{algorithm}:{}", hex(digit, digits));
                threads.push(ThreadId::parse("artifact", &id).unwrap());
            }
        }
        for (kind, id) in [
            ("environment", "a/b"),
            ("environment", "a-b/c"),
            ("environment", "a.b/c"),
            ("environment", "a0/b"),
            ("project", "a"),
            ("project", "a-b"),
            ("project", "z"),
        ] {
            threads.push(ThreadId::parse(kind, id).unwrap());
        }
        threads
    }

    #[test]
    fn names_sort_as_their_threads_and_are_read_back() {
        let mut threads = threads();
        threads.sort_by_key(Name::of);
        let sorted = threads.clone();
        threads.sort();
        assert_eq!(sorted, threads);
        let mut names = Names::default();
        threads.iter().for_each(|thread| names.push(&Name::of(thread)));
        for (number, thread) in threads.iter().enumerate() {
            assert_eq!(names.thread(number).as_ref(), Some(thread));
            assert_eq!(names.search(&Name::of(thread)), Ok(number));
        }
        assert_eq!(names.thread(threads.len()), None);
    }

    #[test]
    fn merging_keeps_the_order_wherever_the_new_ones_belong() {
        let mut threads = threads();
        threads.sort();
        for step in 1..=threads.len() + 1 {
            let is_new = |number: &usize| number.is_multiple_of(step);
            let name = |number: usize| (Name::of(&threads[number]), number);
            let (new, old): (Vec<usize>, Vec<usize>) = (0..threads.len()).partition(is_new);
            let mut names = Names::default();
            old.iter().for_each(|number| names.push(&name(*number).0));
            for number in &new {
                let before = old.iter().filter(|it| *it < number).count();
                assert_eq!(names.search(&name(*number).0), Err(before));
            }
            let merged = names.merge(old, new.into_iter().map(name).collect());
            assert_eq!(merged, (0..threads.len()).collect::<Vec<_>>());
            let all: Vec<_> = (0..names.len()).filter_map(|it| names.thread(it)).collect();
            assert_eq!(all, threads);
        }
    }
}
