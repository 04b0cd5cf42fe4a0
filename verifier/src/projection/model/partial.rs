//! A state that knows nothing but what it is asked for folds like one that knows everything.

use schemas::thread::ThreadId;

use crate::admission::Refusal;
use crate::entry::Entry;
use crate::event::Event;
use crate::fixture::World;
use crate::projection::{Missing, State};
use crate::sequence::Sequence;

/// Folds what a world logged since `before` with a partial state, loaded where it says `Missing`.
pub fn compare(before: &Sequence, world: &World) {
    let size = before.chain.size() as usize;
    let mut whole = before.clone();
    whole.state.take_changed();
    for (at, record) in world.records.iter().enumerate().skip(size) {
        let Some(envelope) = &record.envelope else {
            continue;
        };
        let event = Event::read(envelope).unwrap();
        let keys = world.signed_by(&event);
        let entry = Entry::parse(&record.entry).unwrap();
        let filed = entry.threads.iter().find_map(|line| match &line.thread {
            ThreadId::Project(project) => Some(project.clone()),
            _ => None,
        });
        let known = whole.clone();
        let mut part = known.clone();
        part.state = nothing_of(&known.state);
        let (placed, _) = whole.append(&event, &keys, filed.as_ref(), entry.time).unwrap();
        assert_eq!(placed[0].bytes, world.records[at].entry);
        let again = loop {
            match part.append(&event, &keys, filed.as_ref(), entry.time) {
                Ok((placed, _)) => break placed,
                Err(Refusal::Missing(missing)) => load(&mut part.state, &known.state, missing),
                Err(Refusal::Rule(finding)) => panic!("{finding:?}"),
            }
        };
        assert_eq!(again[0].bytes, placed[0].bytes);
        assert_same(&mut part.state, &mut whole.state, &placed[0].entry);
    }
}

fn nothing_of(whole: &State) -> State {
    let head = whole.head(&ThreadId::Control).unwrap().copied();
    State::partial(whole.control().clone(), head).unwrap()
}

fn load(part: &mut State, whole: &State, missing: Missing) {
    match missing {
        Missing::Thread(thread) => {
            assert!(!part.knows(&thread), "{thread} was loaded already");
            let head = whole.head(&thread).unwrap().copied();
            match thread {
                ThreadId::Artifact(digest) => {
                    let slice = whole.artifact(&digest).unwrap().cloned();
                    part.know_artifact(digest, slice, head);
                }
                ThreadId::Environment(environment) => {
                    let slice = whole.environment(&environment).unwrap().cloned();
                    part.know_environment(environment, slice, head);
                }
                thread => part.know(thread, head),
            }
        }
        Missing::Statement(statement, project) => {
            let signers = whole.signers_of(&statement, project.as_ref()).unwrap();
            let signers = signers.map(<[_]>::to_vec);
            part.know_statement(statement, project, signers.as_deref());
        }
        Missing::Heads => panic!("nothing asks for the heads"),
    }
}

/// Every thread that moved has the same slice and head; and just those changed.
fn assert_same(part: &mut State, whole: &mut State, entry: &Entry) {
    for line in &entry.threads {
        let thread = &line.thread;
        assert_eq!(part.slice_json(thread), whole.slice_json(thread), "{thread}");
        assert_eq!(part.head(thread), whole.head(thread), "{thread}");
    }
    let (changed, all) = (part.take_changed(), whole.take_changed());
    assert_eq!(changed, all);
    let joined = |thread: &ThreadId| entry.thread(thread).is_some();
    assert!(all.iter().all(joined), "a slice changed whose thread did not move: {all:?}");
}
