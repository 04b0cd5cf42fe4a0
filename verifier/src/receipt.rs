//! Receipts: an entry, its inclusion proof and a checkpoint in one file (c2sp.org/tlog-proof).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use schemas::id::{EntryIndex, Hash};

use crate::checkpoint::{
    CheckpointError, VerifiedCheckpoint, parse_hash, parse_integer, verify_checkpoint,
};
use crate::merkle::leaf_hash;
use crate::merkle::proof::{ProofError, verify_inclusion};
use crate::note::{NOTE_BYTES_MAX, Vkey, decode_base64};

/// Why a receipt is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    #[error("a file of {found} bytes, the limit is {limit}")]
    TooLong { found: usize, limit: usize },
    #[error("the receipt is not UTF-8 text")]
    NotText,
    #[error("the receipt does not start with the line {HEADER:?}")]
    Header,
    #[error("more than {RECEIPTS_MAX} receipts in one file")]
    TooManyReceipts,
    #[error("the extra line is not base64 of 1 to {EXTRA_BYTES_MAX} bytes")]
    Extra,
    #[error("the receipt has no line \"index N\" where it belongs")]
    Index,
    #[error("line {line} of the inclusion proof is not a base64 hash")]
    ProofLine { line: usize },
    #[error("the inclusion proof has more than {PROOF_HASHES_MAX} hashes")]
    TooManyHashes,
    #[error("the receipt does not end in an empty line and a checkpoint")]
    NoCheckpoint,
    #[error("the receipt carries no entry")]
    NoEntry,
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Proof(#[from] ProofError),
}

/// A receipt as read: nothing in it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The entry, in receipts of ours; never empty.
    pub extra: Option<Vec<u8>>,
    pub index: EntryIndex,
    /// From the leaf's sibling up to the root's child.
    pub proof: Vec<Hash>,
    /// The signed note, as it was issued.
    pub checkpoint: String,
}

/// Longest extra data, in bytes: the longest entry.
pub const EXTRA_BYTES_MAX: usize = 65_535;

/// Most hashes of a proof; a tree below 2^53 leaves needs 53.
pub const PROOF_HASHES_MAX: usize = 63;

/// Longest accepted receipt, in bytes: every part at its limit, with its line ends.
pub const RECEIPT_BYTES_MAX: usize = HEADER.len()
    + "\nextra \nindex 9007199254740991\n\n".len()
    + EXTRA_BYTES_MAX.div_ceil(3) * 4
    + PROOF_HASHES_MAX * 45
    + NOTE_BYTES_MAX;

/// Most receipts in one file; 2,048 subjects of four digests each take 35 entries.
pub const RECEIPTS_MAX: usize = 64;

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// Reads one receipt.
///
/// Off-spec: an `extra` line without data, and a checkpoint that repeats the header line, are
/// refused. The first has two spellings; the second would make a list of receipts ambiguous.
pub fn parse_receipt(bytes: &[u8]) -> Result<Receipt, ReceiptError> {
    let text = parse_text(bytes, RECEIPT_BYTES_MAX)?;
    let rest = text.strip_prefix(HEADER).and_then(|rest| rest.strip_prefix('\n'));
    let (extra, rest) = parse_extra(rest.ok_or(ReceiptError::Header)?)?;
    let (index, rest) = rest.split_once('\n').ok_or(ReceiptError::Index)?;
    let index = index.strip_prefix("index ").and_then(parse_integer).ok_or(ReceiptError::Index)?;
    let (proof, checkpoint) = parse_proof(rest)?;
    if !checkpoint.ends_with('\n') || checkpoint.lines().any(|line| line == HEADER) {
        return Err(ReceiptError::NoCheckpoint);
    }
    Ok(Receipt { extra, index, proof, checkpoint: checkpoint.to_owned() })
}

fn parse_text(bytes: &[u8], limit: usize) -> Result<&str, ReceiptError> {
    let found = bytes.len();
    if found > limit {
        return Err(ReceiptError::TooLong { found, limit });
    }
    str::from_utf8(bytes).map_err(|_| ReceiptError::NotText)
}

fn parse_extra(text: &str) -> Result<(Option<Vec<u8>>, &str), ReceiptError> {
    let Some(extra) = text.strip_prefix("extra ") else {
        return Ok((None, text));
    };
    let (extra, rest) = extra.split_once('\n').ok_or(ReceiptError::Extra)?;
    let extra = decode_base64(extra, EXTRA_BYTES_MAX).filter(|extra| !extra.is_empty());
    Ok((Some(extra.ok_or(ReceiptError::Extra)?), rest))
}

/// Reads hashes up to the empty line, and returns what follows it.
fn parse_proof(mut text: &str) -> Result<(Vec<Hash>, &str), ReceiptError> {
    let mut proof = Vec::new();
    loop {
        let (line, rest) = text.split_once('\n').ok_or(ReceiptError::NoCheckpoint)?;
        if line.is_empty() {
            return Ok((proof, rest));
        }
        if proof.len() == PROOF_HASHES_MAX {
            return Err(ReceiptError::TooManyHashes);
        }
        let hash = parse_hash(line).ok_or(ReceiptError::ProofLine { line: proof.len() + 1 })?;
        proof.push(hash);
        text = rest;
    }
}

/// Writes a receipt: the bytes that [`parse_receipt`] read.
pub fn format_receipt(receipt: &Receipt) -> String {
    let mut out = format!("{HEADER}\n");
    if let Some(extra) = &receipt.extra {
        out += &format!("extra {}\n", BASE64.encode(extra));
    }
    out += &format!("index {}\n", receipt.index);
    for hash in &receipt.proof {
        out += &format!("{}\n", BASE64.encode(hash.0));
    }
    out + "\n" + &receipt.checkpoint
}

/// Reads a list of receipts: one after the other, with nothing between them.
///
/// A statement in several parts has one receipt per part. Each header line starts a receipt, which
/// is unambiguous because no receipt holds a second one.
pub fn parse_receipts(bytes: &[u8]) -> Result<Vec<Receipt>, ReceiptError> {
    let text = parse_text(bytes, RECEIPTS_MAX * RECEIPT_BYTES_MAX)?;
    let mut receipts = Vec::new();
    let mut start = 0;
    while start < text.len() {
        if receipts.len() == RECEIPTS_MAX {
            return Err(ReceiptError::TooManyReceipts);
        }
        let end = text[start..].find(NEXT_HEADER).map_or(text.len(), |found| start + found + 1);
        receipts.push(parse_receipt(&bytes[start..end])?);
        start = end;
    }
    if receipts.is_empty() { Err(ReceiptError::Header) } else { Ok(receipts) }
}

/// A header line that follows another line.
const NEXT_HEADER: &str = "\nc2sp.org/tlog-proof@v1\n";

/// Writes a list of receipts.
pub fn format_receipts(receipts: &[Receipt]) -> String {
    receipts.iter().map(format_receipt).collect()
}

/// An entry that is proven to stand at an index of a log.
///
/// Made by [`verify_receipt`] alone. What the entry says, who signed it and whether that entry is
/// what the holder needs is not decided by this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedReceipt {
    entry: Vec<u8>,
    index: EntryIndex,
    checkpoint: VerifiedCheckpoint,
}

impl VerifiedReceipt {
    pub fn entry(&self) -> &[u8] {
        &self.entry
    }

    pub fn index(&self) -> EntryIndex {
        self.index
    }

    pub fn checkpoint(&self) -> &VerifiedCheckpoint {
        &self.checkpoint
    }
}

/// Checks a receipt of ours, whose extra data is the entry.
///
/// Extra data is unauthenticated by itself: it is believed because its leaf hash is proven.
pub fn verify_receipt(bytes: &[u8], log: &Vkey) -> Result<VerifiedReceipt, ReceiptError> {
    let receipt = parse_receipt(bytes)?;
    let entry = receipt.extra.as_deref().ok_or(ReceiptError::NoEntry)?;
    let checkpoint = verify_proof_of(&receipt, &leaf_hash(entry), log)?;
    Ok(VerifiedReceipt { index: receipt.index, entry: entry.to_vec(), checkpoint })
}

/// Checks that a receipt proves this leaf, ignoring its extra data.
pub fn verify_proof_of(
    receipt: &Receipt,
    leaf: &Hash,
    log: &Vkey,
) -> Result<VerifiedCheckpoint, ReceiptError> {
    let checkpoint = verify_checkpoint(receipt.checkpoint.as_bytes(), log)?;
    let (size, root) = (checkpoint.size(), checkpoint.root());
    verify_inclusion(receipt.index, size, leaf, &receipt.proof, root)?;
    Ok(checkpoint)
}

#[cfg(test)]
mod tests {
    use crate::signature::SigningKey;

    use super::*;
    use crate::checkpoint::{Checkpoint, log_vkey, sign_checkpoint};
    use crate::corpus::{cases, read_json, text};
    use crate::merkle::proof::prove_inclusion;
    use crate::merkle::{MemoryTree, root_of};
    use crate::note::{NoteError, format_note};

    fn key() -> SigningKey {
        SigningKey::from_seed(&[1; 32]).unwrap()
    }

    fn log() -> Vkey {
        log_vkey(&"log.example".parse().unwrap(), key().ed25519())
    }

    /// The receipt of `entry N` in a log of some size.
    fn receipt(index: u64, size: u64) -> Receipt {
        let leaves: Vec<Hash> =
            (0..size).map(|at| leaf_hash(format!("entry {at}").as_bytes())).collect();
        let origin = "log.example".parse().unwrap();
        let checkpoint = Checkpoint { origin, size, root: root_of(&leaves) };
        Receipt {
            extra: Some(format!("entry {index}").into_bytes()),
            index,
            proof: prove_inclusion(&mut MemoryTree::new(leaves), index, size).unwrap(),
            checkpoint: format_note(&sign_checkpoint(&checkpoint, &key())),
        }
    }

    #[test]
    fn published_vectors() {
        let Some(vectors) = read_json("tlog/tlog-proof.json") else {
            return;
        };
        for case in cases(&vectors) {
            let read = parse_receipt(text(case, "proof").as_bytes());
            assert_eq!(read.is_ok(), text(case, "expect") == "parse ok", "{}", text(case, "id"));
            read.iter().for_each(|read| assert_eq!(format_receipt(read), text(case, "proof")));
        }
    }

    #[test]
    fn a_receipt_proves_its_entry() {
        for (index, size) in (1..=9).flat_map(|size| (0..size).map(move |index| (index, size))) {
            let receipt = receipt(index, size);
            let text = format_receipt(&receipt);
            assert_eq!(parse_receipt(text.as_bytes()), Ok(receipt.clone()));
            let verified = verify_receipt(text.as_bytes(), &log()).unwrap();
            assert_eq!(verified.entry(), format!("entry {index}").as_bytes());
            assert_eq!((verified.index(), verified.checkpoint().size()), (index, size));

            let bare = Receipt { extra: None, ..receipt };
            let leaf = leaf_hash(format!("entry {index}").as_bytes());
            assert!(verify_proof_of(&bare, &leaf, &log()).is_ok());
            assert!(verify_proof_of(&bare, &Hash::default(), &log()).is_err());
            let bare = format_receipt(&bare);
            assert_eq!(verify_receipt(bare.as_bytes(), &log()), Err(ReceiptError::NoEntry));
        }
    }

    #[test]
    fn every_changed_or_missing_byte_is_noticed() {
        let good = format_receipt(&receipt(3, 6)).into_bytes();
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                assert!(verify_receipt(&bad, &log()).is_err(), "byte {at} bit {bit}");
            }
            let mut bad = good.clone();
            bad.remove(at);
            assert!(verify_receipt(&bad, &log()).is_err(), "byte {at} removed");
            bad.insert(at, good[at]);
            bad.insert(at, good[at]);
            assert!(verify_receipt(&bad, &log()).is_err(), "byte {at} repeated");
            assert!(verify_receipt(&good[..at], &log()).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn receipts_have_one_spelling() {
        let good = format_receipt(&receipt(3, 6));
        let extra = good.lines().nth(1).unwrap();
        let first = good.lines().nth(3).unwrap();
        let line = |expected| Err::<(), _>(expected);
        let check = |bad: String, expected| {
            assert_eq!(parse_receipt(bad.as_bytes()).map(|_| ()), expected, "{bad}");
        };
        check(good.replacen("@v1", "@v2", 1), line(ReceiptError::Header));
        check(good.replacen("@v1\n", "@v1\r\n", 1), line(ReceiptError::Header));
        check(format!("\n{good}"), line(ReceiptError::Header));
        check(good.replace(extra, "extra "), line(ReceiptError::Extra));
        check(good.replace(extra, "extra ZR=="), line(ReceiptError::Extra));
        check(good.replace(extra, "extra ZQ"), line(ReceiptError::Extra));
        check(good.replace(extra, "extra"), line(ReceiptError::Index));
        check(good.replace(extra, &format!("{extra}\n{extra}")), line(ReceiptError::Index));
        for index in ["index 03", "index +3", "index", "index ", "index  3", "index 3 ", "Index 3"]
        {
            check(good.replace("index 3", index), line(ReceiptError::Index));
        }
        let huge = good.replace("index 3", "index 9007199254740992");
        check(huge, line(ReceiptError::Index));
        let bad_line = || line(ReceiptError::ProofLine { line: 1 });
        check(good.replace(first, &first[4..]), bad_line());
        check(good.replace(first, &format!("{first} ")), bad_line());
        check(good.replace(first, &format!("AAAA{first}")), bad_line());
        let second_blank = good.replacen("\n\n", "\n", 1);
        check(second_blank, line(ReceiptError::ProofLine { line: 4 }));
        check(good.trim_end().to_owned(), line(ReceiptError::NoCheckpoint));
        check(format!("{good}{good}"), line(ReceiptError::NoCheckpoint));
        check(format!("{HEADER}\nindex 0\n\n"), line(ReceiptError::NoCheckpoint));
    }

    #[test]
    fn limits_are_checked() {
        let with = |extra: usize, hashes: usize, checkpoint: usize| {
            let checkpoint = "a".repeat(checkpoint - 1) + "\n";
            let (extra, proof) = (Some(vec![7; extra]), vec![Hash::default(); hashes]);
            let receipt = Receipt { extra, index: (1 << 53) - 1, proof, checkpoint };
            parse_receipt(format_receipt(&receipt).as_bytes()).map(|read| assert_eq!(read, receipt))
        };
        assert_eq!(with(EXTRA_BYTES_MAX, PROOF_HASHES_MAX, NOTE_BYTES_MAX), Ok(()));
        assert_eq!(with(EXTRA_BYTES_MAX + 1, 0, 1), Err(ReceiptError::Extra));
        assert_eq!(with(1, PROOF_HASHES_MAX + 1, 1), Err(ReceiptError::TooManyHashes));
        let limit = RECEIPT_BYTES_MAX;
        let long = with(EXTRA_BYTES_MAX, PROOF_HASHES_MAX, NOTE_BYTES_MAX + 1);
        assert_eq!(long, Err(ReceiptError::TooLong { found: limit + 1, limit }));
    }

    #[test]
    fn a_list_is_its_receipts_one_after_the_other() {
        for count in [1, 2, 5, RECEIPTS_MAX] {
            let receipts: Vec<Receipt> =
                (0..count as u64).map(|index| receipt(index, 64)).collect();
            let text = format_receipts(&receipts);
            assert_eq!(parse_receipts(text.as_bytes()), Ok(receipts));
        }
        let one = format_receipt(&receipt(3, 6));
        let check = |text: String| parse_receipts(text.as_bytes()).map(|list| list.len());
        assert_eq!(check(String::new()), Err(ReceiptError::Header));
        assert_eq!(check(format!("\n{one}")), Err(ReceiptError::Header));
        assert_eq!(check(one.trim_end().to_owned()), Err(ReceiptError::NoCheckpoint));
        assert_eq!(check(one.repeat(RECEIPTS_MAX + 1)), Err(ReceiptError::TooManyReceipts));
        // A blank line between two becomes part of the first, whose note then ends wrongly.
        let apart = format!("{one}\n{one}");
        let first = parse_receipts(apart.as_bytes()).unwrap().remove(0);
        let refused = verify_receipt(format_receipt(&first).as_bytes(), &log());
        let malformed = CheckpointError::Note(NoteError::NoSignatures);
        assert_eq!(refused, Err(ReceiptError::Checkpoint(malformed)));
    }
}
