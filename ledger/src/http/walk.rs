//! Lists that are read from the threads of environments: in the order of their names, each from
//! its newest entry back.

use schemas::id::{EntryIndex, Environment, Project};
use schemas::thread::ThreadId;
use serde::{Deserialize, Serialize};
use verifier::entry::Entry;

use super::page::Listing;
use crate::error::{LedgerError, malformed};
use crate::ledger::Stored;
use crate::reading::newest_of;
use crate::store::Read;

/// Most entries that one page looks at. Where few of them are wanted the page is short, and says
/// where to go on.
const LOOKED_AT_MAX: usize = 1000;

/// A place in the threads of environments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spot {
    pub environment: Environment,
    pub index: EntryIndex,
}

/// What to do with an entry of a thread.
pub enum Look {
    Take,
    Pass,
    /// This one and every older one is not wanted.
    Stop,
}

/// An entry of an environment's thread.
pub struct Found {
    pub environment: Environment,
    pub entry: Entry,
    pub stored: Stored,
}

/// The environments that the policies name, or those of one project, or the one that is named.
pub fn environments(
    control: &verifier::projection::slice::ControlSlice,
    project: Option<&Project>,
    environment: Option<Environment>,
) -> Vec<Environment> {
    if let Some(environment) = environment {
        return vec![environment];
    }
    let policies = control.policies.iter();
    let mut found: Vec<Environment> = policies
        .filter(|(known, _)| project.is_none_or(|project| project == *known))
        .flat_map(|(project, policy)| {
            let rules = policy.document.environments.iter();
            rules.map(|it| Environment { project: project.clone(), name: it.name.clone() })
        })
        .collect();
    found.sort();
    found
}

/// Walks back until the page is full, and says where to go on.
pub async fn walk<R: Read>(
    read: &mut R,
    environments: &[Environment],
    listing: &Listing<Spot>,
    look: impl Fn(&Entry) -> Look,
) -> Result<(Vec<Found>, Option<Spot>), LedgerError> {
    let (mut found, mut looked_at) = (Vec::new(), 0);
    for environment in environments {
        let thread = ThreadId::Environment(environment.clone());
        let mut next = match &listing.from {
            Some(spot) if *environment < spot.environment => continue,
            Some(spot) if *environment == spot.environment => Some(spot.index),
            Some(_) | None => newest_of(read, &thread).await?,
        };
        while let Some(index) = next {
            if found.len() == listing.limit || looked_at == LOOKED_AT_MAX {
                return Ok((found, Some(Spot { environment: environment.clone(), index })));
            }
            looked_at += 1;
            let stored = read.entries(&[index]).await?.into_iter().next();
            let stored = stored.ok_or(LedgerError::NoEntry(index))?;
            let entry = Entry::parse(&stored.entry)
                .map_err(|cause| malformed(format!("entry {index}"), cause))?;
            let line = entry.thread(&thread).ok_or(LedgerError::NoEntry(index))?;
            next = line.before.map(|link| link.index).filter(|before| *before < index);
            match look(&entry) {
                Look::Take if index < listing.as_of => {
                    found.push(Found { environment: environment.clone(), entry, stored });
                }
                Look::Take | Look::Pass => {}
                Look::Stop => break,
            }
        }
    }
    Ok((found, None))
}
