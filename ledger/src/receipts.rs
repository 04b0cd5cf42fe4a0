//! Receipts: entries with the proof that they are in the log that a checkpoint signs.

use std::collections::HashMap;

use schemas::id::{EntryIndex, Hash};
use verifier::checkpoint::VerifiedCheckpoint;
use verifier::note::format_note;
use verifier::receipt::{Receipt, format_receipts};

use crate::error::LedgerError;
use crate::store::Read;
use crate::tree::Tiles;
use crate::working::Place;

/// The receipts that need no look at the store: entries and tiles that an append has at hand
/// suffice for what it logged itself, unless somebody has published a longer log meanwhile.
pub(crate) fn receipts_at_hand(
    tiles: &mut Tiles,
    entries: &HashMap<EntryIndex, Vec<u8>>,
    places: &[&Place],
    checkpoint: &VerifiedCheckpoint,
) -> Result<Option<Vec<String>>, LedgerError> {
    let indexes = indexes_of(places);
    if !indexes.iter().all(|index| entries.contains_key(index)) {
        return Ok(None);
    }
    match tiles.inclusions_at_hand(&indexes, checkpoint.size()) {
        Some(proofs) => receipts_from(entries, proofs, places, checkpoint).map(Some),
        None => Ok(None),
    }
}

fn indexes_of(places: &[&Place]) -> Vec<EntryIndex> {
    places.iter().flat_map(|it| it.first..=it.last()).collect()
}

/// The receipt of each event: a list of them where its statement has several parts.
///
/// `entries` are those that were read just now, by index; others are read here.
pub(crate) async fn receipts_of<R: Read>(
    read: &mut R,
    tiles: &mut Tiles,
    mut entries: HashMap<EntryIndex, Vec<u8>>,
    places: &[&Place],
    checkpoint: &VerifiedCheckpoint,
) -> Result<Vec<String>, LedgerError> {
    let indexes = indexes_of(places);
    let unread: Vec<EntryIndex> =
        indexes.iter().filter(|index| !entries.contains_key(index)).copied().collect();
    if indexes.is_empty() {
        return Ok(Vec::new());
    }
    if !unread.is_empty() {
        let stored = read.entries(&unread).await?;
        entries.extend(stored.into_iter().map(|stored| (stored.index, stored.entry)));
    }
    let proofs = tiles.inclusions(read, &indexes, checkpoint.size()).await?;
    receipts_from(&entries, proofs, places, checkpoint)
}

fn receipts_from(
    entries: &HashMap<EntryIndex, Vec<u8>>,
    proofs: Vec<Vec<Hash>>,
    places: &[&Place],
    checkpoint: &VerifiedCheckpoint,
) -> Result<Vec<String>, LedgerError> {
    let mut proofs = proofs.into_iter();
    let note = format_note(checkpoint.note());
    let mut receipt = |index: EntryIndex| {
        let entry = entries.get(&index).ok_or(LedgerError::NoEntry(index))?;
        let (proof, checkpoint) = (proofs.next().unwrap_or_default(), note.clone());
        Ok(Receipt { extra: Some(entry.clone()), index, proof, checkpoint })
    };
    let mut parts = |place: &Place| (place.first..=place.last()).map(&mut receipt).collect();
    places
        .iter()
        .map(|place| {
            let receipts: Result<Vec<Receipt>, LedgerError> = parts(place);
            Ok(format_receipts(&receipts?))
        })
        .collect()
}
