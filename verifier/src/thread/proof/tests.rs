//! A thread that lacks anything is never proven to be whole.

use super::*;
use crate::checkpoint::{Checkpoint, log_vkey, sign_checkpoint, verify_checkpoint};
use crate::fixture::body::FULL_POLICY;
use crate::fixture::{World, artifact, key};
use crate::merkle::MemoryTree;
use crate::merkle::proof::prove_inclusion;
use crate::note::format_note;
use crate::pack::heads::{LineProof, encode};

fn prove_in(leaves: &[Hash], index: u64) -> Vec<Hash> {
    prove_inclusion(&mut MemoryTree::new(leaves.to_vec()), index, leaves.len() as u64).unwrap()
}

/// The lines of all threads as the log stands, and the number of one of them.
fn lines(world: &World, thread: &ThreadId) -> (Vec<Vec<u8>>, Option<usize>) {
    let state = &world.sequence.state;
    let mut heads: Vec<_> = state.all_heads().collect();
    heads.sort_by_key(|(thread, _)| (*thread).clone());
    let lines = heads.iter().map(|(thread, head)| state.heads_line(thread, head)).collect();
    (lines, heads.iter().position(|(known, _)| *known == thread))
}

/// A log with a release, heads, and `after` events about another artifact; and who was shown what.
struct Case {
    world: World,
    shown: ShownThread,
    thread: ThreadId,
}

fn case(after: usize) -> Case {
    let mut world = World::new();
    world.policy("paul", FULL_POLICY).unwrap();
    let thread = ThreadId::Artifact(world.release("app"));
    world.scan(&artifact("other"), &[]).unwrap();
    let (lines, number) = lines(&world, &thread);
    let number = number.unwrap();
    let at = world.heads().unwrap();
    for nth in 0..after {
        world.test(&artifact("other"), &format!("suite {nth}"), passed()).unwrap();
    }
    let leaves: Vec<Hash> = lines.iter().map(|line| merkle::leaf_hash(line)).collect();
    let line = String::from_utf8(lines[number].clone()).unwrap();
    let proof = encode(&prove_in(&leaves, number as u64));
    let line = LineProof { line, number: number as u64, proof };
    let proofs = HeadProofs { entry: at, lines: vec![line] };
    let envelope = world.records[at as usize].envelope.clone().unwrap();
    let heads = Some(ShownHeads { at: proven(&world, at), envelope, proofs });
    let entries = entries(&world, &thread);
    let rest = rest(&world, at);
    let last = prove_in(&world.leaves, world.size() - 1);
    Case { shown: ShownThread { entries, heads, rest, last }, world, thread }
}

fn passed() -> schemas::predicate::test::TestResult {
    schemas::predicate::test::TestResult::Passed
}

fn proven(world: &World, index: u64) -> ProvenEntry {
    let entry = world.records[index as usize].entry.clone();
    ProvenEntry { entry, proof: prove_in(&world.leaves, index) }
}

fn entries(world: &World, thread: &ThreadId) -> Vec<ProvenEntry> {
    let on = |index: &u64| {
        let entry = Entry::parse(&world.records[*index as usize].entry).unwrap();
        entry.thread(thread).is_some()
    };
    (0..world.size()).rev().filter(on).map(|index| proven(world, index)).collect()
}

fn rest(world: &World, start: u64) -> Vec<Vec<u8>> {
    world.records[start as usize + 1..].iter().map(|it| it.entry.clone()).collect()
}

impl Case {
    fn checkpoint(&self) -> VerifiedCheckpoint {
        let (world, key) = (&self.world, key("log"));
        let origin = world.origin().clone();
        let vkey = log_vkey(&origin, key.ed25519());
        let checkpoint = Checkpoint { origin, size: world.size(), root: world.root() };
        let note = format_note(&sign_checkpoint(&checkpoint, &key));
        verify_checkpoint(note.as_bytes(), &vkey).unwrap()
    }

    fn check(&self) -> Result<ProvenThread, Finding> {
        let trust = self.world.sequence.state.trust().unwrap();
        verify_thread(&self.thread, &self.shown, trust, &self.checkpoint())
    }

    #[track_caller]
    fn refused(&self, code: Code) {
        let found = self.check();
        assert!(found.as_ref().is_err_and(|it| it.code == code), "{}: {found:?}", code.name());
    }
}

#[test]
fn a_whole_thread_is_proven_to_its_end() {
    for after in [0, 1, 5] {
        let case = case(after);
        let proven = case.check().unwrap();
        assert_eq!(proven.from, 0);
        assert_eq!(proven.newest.position + 1, case.shown.entries.len() as u64);
        // Without heads more of the log is read, and the answer is the same.
        let mut slow = case;
        slow.shown.heads = None;
        let found = slow.check().unwrap_err();
        assert!([Code::ChainBroken, Code::ThreadGap].contains(&found.code), "{found:?}");
        slow.shown.rest = rest(&slow.world, proven.newest.index);
        assert_eq!(slow.check().unwrap(), proven);
    }
}

#[test]
fn a_thread_that_went_on_is_read_from_its_newest_entry() {
    let mut case = case(2);
    let ThreadId::Artifact(digest) = case.thread.clone() else { panic!() };
    let newest = case.world.test(&digest, "later", passed()).unwrap();
    case.world.scan(&artifact("other"), &["low"]).unwrap();
    case.shown.entries = entries(&case.world, &case.thread);
    let heads = case.shown.heads.as_mut().unwrap();
    let at = heads.proofs.entry;
    heads.at = proven(&case.world, at);
    case.shown.rest = rest(&case.world, newest);
    case.shown.last = prove_in(&case.world.leaves, case.world.size() - 1);
    assert_eq!(case.check().unwrap().newest.index, newest);
    // Who hides that it went on is found out by what comes behind the heads.
    case.shown.entries.remove(0);
    case.shown.rest = rest(&case.world, at);
    case.refused(Code::ThreadGap);
    case.shown.rest.retain(|it| Entry::parse(it).unwrap().index != newest);
    case.refused(Code::ChainBroken);
    case.shown.rest.clear();
    case.refused(Code::ThreadGap);
}

#[test]
fn whatever_is_left_out_is_noticed() {
    let whole = case(3);
    for nth in 0..whole.shown.entries.len() {
        let mut case = case(3);
        case.shown.entries.remove(nth);
        match nth {
            0 => case.refused(Code::HeadUnproven),
            // The rest is a shorter part of the thread, and says so.
            _ if nth + 1 == whole.shown.entries.len() => {
                assert_eq!(case.check().unwrap().from, 1);
            }
            _ => case.refused(Code::ThreadBroken),
        }
    }
    for nth in 0..whole.shown.rest.len() {
        let mut case = case(3);
        case.shown.rest.remove(nth);
        let is_last = nth + 1 == whole.shown.rest.len();
        case.refused(if is_last { Code::ThreadGap } else { Code::ChainBroken });
    }
    let mut case = case(3);
    case.shown.entries.clear();
    case.refused(Code::ThreadGap);
}

#[test]
fn what_is_forged_is_noticed() {
    let check = |code, forge: fn(&mut Case)| {
        let mut case = case(3);
        forge(&mut case);
        case.refused(code);
    };
    check(Code::ProofInvalid, |it| it.shown.last[0].0[0] ^= 1);
    check(Code::ProofInvalid, |it| it.shown.entries[1].proof[0].0[0] ^= 1);
    check(Code::ProofInvalid, |it| it.shown.heads.as_mut().unwrap().at.proof[0].0[0] ^= 1);
    check(Code::EntryMalformed, |it| it.shown.entries[0].entry.push(b'\n'));
    check(Code::ThreadBroken, |it| it.shown.entries.swap(1, 2));
    check(Code::ThreadBroken, |it| it.shown.entries[0] = proven(&it.world, 0));
    check(Code::EnvelopeMismatch, |it| {
        let other = it.world.records[0].envelope.clone().unwrap();
        it.shown.heads.as_mut().unwrap().envelope = other;
    });
    check(Code::PredicateInvalid, |it| {
        let heads = it.shown.heads.as_mut().unwrap();
        (heads.at, heads.envelope) =
            (proven(&it.world, 0), it.world.records[0].envelope.clone().unwrap());
    });
    check(Code::ProofInvalid, |it| {
        let line = &mut it.shown.heads.as_mut().unwrap().proofs.lines[0];
        line.number ^= 1;
    });
    check(Code::HeadUnproven, |it| it.shown.heads.as_mut().unwrap().proofs.lines.clear());
    check(Code::HeadsStale, |it| it.shown.heads.as_mut().unwrap().proofs.entry += 1);
    check(Code::ChainBroken, |it| it.shown.rest.swap(0, 1));
}

/// Heads are believed of whoever the trust document lets speak for the ledger.
#[test]
fn heads_are_signed_by_the_ledgers_service() {
    let case = case(1);
    let mut document = case.world.document.clone();
    document.grants.retain(|grant| grant.identity.as_str() != "service");
    let trust = Trust::of(document).unwrap();
    let found = verify_thread(&case.thread, &case.shown, &trust, &case.checkpoint());
    assert_eq!(found.unwrap_err().code, Code::RoleMissing);
}
