//! The projection: state obtained by folding the log, in slices.
//!
//! A complete state knows every thread, so what is absent is empty. A partial state (the ledger's
//! working set, or a pack) knows some threads, and answers [`Missing`] for the others: whoever
//! drives the fold loads what is missing and asks again, or takes the event as logged. So the
//! rules stay pure and synchronous wherever the slices are kept.

pub mod apply;
pub mod evidence;
#[cfg(test)]
mod model;
pub mod promotion;
pub mod slice;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rayon::prelude::*;
use schemas::id::{Digest, EntryIndex, Environment, Hash, KeyId, Project};
use schemas::thread::ThreadId;

use crate::canonical;
use crate::entry::Entry;
use crate::merkle;
use crate::trust::{Trust, TrustError};
use slice::{ArtifactSlice, ControlSlice, EnvironmentSlice, PolicyInForce};

/// The newest entry of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub position: u64,
    pub index: EntryIndex,
    pub leaf: Hash,
}

/// Something that a partial state does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    Thread(ThreadId),
    /// Whether this statement is logged already under this project.
    Statement(Hash, Option<Project>),
    /// The root over all threads.
    Heads,
}

/// What a heads event commits to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadsRoot {
    pub threads: u64,
    pub root: Hash,
}

/// The state just before some entry.
#[derive(Debug, Clone, Default)]
pub struct State {
    partial: bool,
    /// What is logged is known even where threads are not: the statements of a pack.
    all_statements: bool,
    threads: HashMap<ThreadId, Known>,
    known_statements: HashSet<(Hash, Option<Project>)>,
    heads_root: Option<HeadsRoot>,
    trust: Option<Arc<Trust>>,
    control: ControlSlice,
    artifacts: HashMap<Digest, ArtifactSlice>,
    environments: HashMap<Environment, EnvironmentSlice>,
    statements: Statements,
}

/// What a state knows of a thread, besides its slice.
#[derive(Debug, Clone, Default)]
struct Known {
    head: Option<Head>,
    /// Of the slice as it stands, once somebody has asked.
    slice_hash: Option<Hash>,
    /// The slice has changed since [`State::take_changed`].
    changed: bool,
}

impl State {
    /// The state before entry 0: complete and empty.
    pub fn empty() -> State {
        State::default()
    }

    /// A state that knows nothing yet but the control thread, which it is given.
    pub fn partial(control: ControlSlice, head: Option<Head>) -> Result<State, TrustError> {
        let mut state = State { partial: true, ..State::default() };
        state.know(ThreadId::Control, head);
        state.set_control(control)?;
        Ok(state)
    }

    /// The state of a pack before its first entry: these threads are known from their beginning,
    /// and no others.
    pub fn of_threads(threads: impl IntoIterator<Item = ThreadId>) -> State {
        let unmet = |thread| (thread, Known::default());
        State {
            partial: true,
            all_statements: true,
            threads: threads.into_iter().map(unmet).collect(),
            ..State::default()
        }
    }

    /// Makes a thread known: its slice as stored (none: no entry yet) and its head.
    pub fn know_artifact(
        &mut self,
        digest: Digest,
        slice: Option<ArtifactSlice>,
        head: Option<Head>,
    ) {
        let thread = ThreadId::Artifact(digest.clone());
        if let Some(slice) = slice {
            self.artifacts.insert(digest, slice);
        }
        self.know(thread, head);
    }

    pub fn know_environment(
        &mut self,
        environment: Environment,
        slice: Option<EnvironmentSlice>,
        head: Option<Head>,
    ) {
        let thread = ThreadId::Environment(environment.clone());
        if let Some(slice) = slice {
            self.environments.insert(environment, slice);
        }
        self.know(thread, head);
    }

    /// Makes a thread known that has no slice, or none yet.
    pub fn know(&mut self, thread: ThreadId, head: Option<Head>) {
        let known = self.threads.entry(thread).or_default();
        known.head = head.or(known.head);
    }

    /// Makes known who signed a statement under a project, if it is logged at all.
    pub fn know_statement(
        &mut self,
        statement: Hash,
        project: Option<Project>,
        signers: Option<&[KeyId]>,
    ) {
        if let Some(signers) = signers {
            self.statements.insert(&statement, project.as_ref(), signers);
        }
        self.known_statements.insert((statement, project));
    }

    pub fn is_partial(&self) -> bool {
        self.partial
    }

    /// How many threads are known.
    pub fn threads_known(&self) -> usize {
        self.threads.len()
    }

    /// Forgets which statements are logged: a partial state that lives on asks for them again.
    pub fn forget_statements(&mut self) {
        self.known_statements = HashSet::new();
        self.statements = Statements::default();
    }

    pub fn know_heads_root(&mut self, root: Option<HeadsRoot>) {
        self.heads_root = root;
    }

    pub fn knows(&self, thread: &ThreadId) -> bool {
        !self.partial || self.threads.contains_key(thread)
    }

    fn require(&self, thread: &ThreadId) -> Result<(), Missing> {
        if self.knows(thread) { Ok(()) } else { Err(Missing::Thread(thread.clone())) }
    }

    pub fn artifact(&self, digest: &Digest) -> Result<Option<&ArtifactSlice>, Missing> {
        if self.partial {
            self.require(&ThreadId::Artifact(digest.clone()))?;
        }
        Ok(self.artifacts.get(digest))
    }

    pub fn environment(
        &self,
        environment: &Environment,
    ) -> Result<Option<&EnvironmentSlice>, Missing> {
        if self.partial {
            self.require(&ThreadId::Environment(environment.clone()))?;
        }
        Ok(self.environments.get(environment))
    }

    pub fn control(&self) -> &ControlSlice {
        &self.control
    }

    pub fn trust(&self) -> Option<&Arc<Trust>> {
        self.trust.as_ref()
    }

    pub fn policy(&self, project: &Project) -> Option<&PolicyInForce> {
        self.control.policies.get(project)
    }

    pub fn head(&self, thread: &ThreadId) -> Result<Option<&Head>, Missing> {
        match self.threads.get(thread) {
            Some(known) => Ok(known.head.as_ref()),
            None => self.require(thread).map(|()| None),
        }
    }

    pub fn all_heads(&self) -> impl Iterator<Item = (&ThreadId, &Head)> {
        let threads = self.threads.iter();
        threads.filter_map(|(thread, known)| Some((thread, known.head.as_ref()?)))
    }

    pub fn artifacts(&self) -> impl Iterator<Item = (&Digest, &ArtifactSlice)> {
        self.artifacts.iter()
    }

    pub fn environments(&self) -> impl Iterator<Item = (&Environment, &EnvironmentSlice)> {
        self.environments.iter()
    }

    /// Who signed this statement under this project; `None` where it is not logged.
    pub fn signers_of(
        &self,
        statement: &Hash,
        project: Option<&Project>,
    ) -> Result<Option<&[KeyId]>, Missing> {
        let found = self.statements.get(statement, project);
        if found.is_none() && self.partial && !self.all_statements {
            let key = (*statement, project.cloned());
            if !self.known_statements.contains(&key) {
                return Err(Missing::Statement(key.0, key.1));
            }
        }
        Ok(found)
    }

    /// Moves the heads of an entry's threads to it. Threads that a partial state does not know
    /// stay unknown.
    pub fn advance(&mut self, entry: &Entry, leaf: Hash) {
        for line in &entry.threads {
            let head = Head { position: line.position, index: entry.index, leaf };
            if let Some(known) = self.threads.get_mut(&line.thread) {
                known.head = Some(head);
            } else if !self.partial {
                self.know(line.thread.clone(), Some(head));
            }
        }
    }

    fn set_control(&mut self, control: ControlSlice) -> Result<(), TrustError> {
        let document = control.trust.as_ref().map(|trust| trust.document.clone());
        self.trust = document.map(Trust::of).transpose()?.map(Arc::new);
        self.control = control;
        Ok(())
    }

    /// The threads whose slices changed since this was last asked, in order.
    pub fn take_changed(&mut self) -> Vec<ThreadId> {
        let changed = |(thread, known): (&ThreadId, &mut Known)| {
            std::mem::take(&mut known.changed).then(|| thread.clone())
        };
        let mut changed: Vec<ThreadId> = self.threads.iter_mut().filter_map(changed).collect();
        changed.sort_unstable();
        changed
    }

    fn touch(&mut self, thread: ThreadId) {
        let known = self.threads.entry(thread).or_default();
        known.slice_hash = None;
        known.changed = true;
    }

    /// The canonical JSON of a thread's slice; `None` for a project, which has none.
    pub fn slice_json(&self, thread: &ThreadId) -> Option<Vec<u8>> {
        let bytes = match thread {
            ThreadId::Artifact(digest) => match self.artifacts.get(digest) {
                Some(slice) => canonical::canonical_of(slice),
                None => canonical::canonical_of(&ArtifactSlice::default()),
            },
            ThreadId::Environment(environment) => match self.environments.get(environment) {
                Some(slice) => canonical::canonical_of(slice),
                None => canonical::canonical_of(&EnvironmentSlice::default()),
            },
            ThreadId::Control => canonical::canonical_of(&self.control),
            ThreadId::Project(_) => return None,
        };
        // Reading lets no integer beyond 2^53 into a slice, and slices hold no fractions.
        Some(bytes.expect("a slice has a canonical form"))
    }

    /// The line by which a heads event commits to a thread.
    pub fn heads_line(&self, thread: &ThreadId, head: &Head) -> Vec<u8> {
        let known = self.threads.get(thread).and_then(|known| known.slice_hash);
        heads_line(thread, head, known.or_else(|| self.slice_hash(thread)))
    }

    fn slice_hash(&self, thread: &ThreadId) -> Option<Hash> {
        let json = self.slice_json(thread)?;
        Some(merkle::sha256(&[&json]))
    }

    /// The root over one line for each thread, in the order of entries. Over all cores: the
    /// slices that changed since the last time are written and hashed.
    pub fn heads_root(&mut self) -> Result<HeadsRoot, Missing> {
        if self.partial {
            return self.heads_root.ok_or(Missing::Heads);
        }
        let hashes: Vec<Option<Hash>> = self
            .threads
            .par_iter()
            .map(|(thread, known)| known.slice_hash.or_else(|| self.slice_hash(thread)))
            .collect();
        for (known, hash) in self.threads.values_mut().zip(hashes) {
            known.slice_hash = hash;
        }
        let mut sorted: Vec<(&ThreadId, &Head)> = self.all_heads().collect();
        sorted.sort_unstable_by_key(|(thread, _)| *thread);
        let leaves: Vec<Hash> = sorted
            .par_iter()
            .map(|(thread, head)| merkle::leaf_hash(&self.heads_line(thread, head)))
            .collect();
        Ok(HeadsRoot { threads: leaves.len() as u64, root: merkle::root_of(&leaves) })
    }
}

/// Writes `KIND ID POSITION INDEX LEAFHASH SLICEHASH`, `-` where a thread has no slice.
pub fn heads_line(thread: &ThreadId, head: &Head, slice: Option<Hash>) -> Vec<u8> {
    let slice = slice.map_or_else(|| "-".to_owned(), |hash| hash.to_string());
    format!("{thread} {} {} {} {slice}", head.position, head.index, head.leaf).into_bytes()
}

/// Who signed which statement, in about thirty bytes for each.
///
/// The one part of the state that grows with events: without it a repeated statement could pass
/// for a new one. Keys are the first half of the statement's hash and the interned project.
#[derive(Debug, Clone, Default)]
struct Statements {
    projects: HashMap<Project, u32>,
    signer_sets: Vec<Vec<KeyId>>,
    interned: HashMap<Vec<KeyId>, u32>,
    seen: HashMap<([u8; 16], u32), u32>,
}

impl Statements {
    fn get(&self, statement: &Hash, project: Option<&Project>) -> Option<&[KeyId]> {
        let project = match project {
            Some(project) => *self.projects.get(project)?,
            None => u32::MAX,
        };
        let set = *self.seen.get(&(half(statement), project))?;
        self.signer_sets.get(set as usize).map(Vec::as_slice)
    }

    fn insert(&mut self, statement: &Hash, project: Option<&Project>, signers: &[KeyId]) {
        let next = self.projects.len() as u32;
        let project = match project {
            Some(project) => match self.projects.get(project) {
                Some(number) => *number,
                None => *self.projects.entry(project.clone()).or_insert(next),
            },
            None => u32::MAX,
        };
        let set = match self.interned.get(signers) {
            Some(set) => *set,
            None => {
                let set = self.signer_sets.len() as u32;
                self.signer_sets.push(signers.to_vec());
                self.interned.insert(signers.to_vec(), set);
                set
            }
        };
        self.seen.insert((half(statement), project), set);
    }
}

fn half(hash: &Hash) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&hash.0[..16]);
    half
}
