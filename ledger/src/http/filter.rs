//! Which events a caller wants: by project, kind and thread.

use schemas::id::Project;
use schemas::kind::EventKind;
use schemas::thread::ThreadId;
use verifier::entry::Entry;
use verifier::event::Event;

use super::event_list::parse_kind;
use super::problem::Problem;
use crate::ledger::Stored;

/// Reads a thread's name: its kind, a colon, its id.
pub fn thread_of(text: &str) -> Option<ThreadId> {
    let (kind, id) = text.split_once(':')?;
    ThreadId::parse(kind, id)
}

/// What an event must be like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    pub kind: Option<EventKind>,
    pub threads: Vec<ThreadId>,
}

impl Filter {
    /// Reads what a query says; a thread as `artifact:sha256:…`, `environment:payments/prod`,
    /// `project:payments` or `control:ledger`.
    pub fn of(
        project: Option<&str>,
        kind: Option<&str>,
        thread: Option<&str>,
    ) -> Result<Filter, Problem> {
        let project = project.map(|name| {
            let parsed: Result<Project, _> = name.parse();
            parsed.map_err(|cause| Problem::bad_request(format!("project: {cause}")))
        });
        let kind = kind.map(parse_kind);
        let thread = thread.map(|text| {
            thread_of(text).ok_or_else(|| Problem::bad_request("thread: no thread has such a name"))
        });
        let threads = [thread.transpose()?, project.transpose()?.map(ThreadId::Project)];
        Ok(Filter { kind: kind.transpose()?, threads: threads.into_iter().flatten().collect() })
    }

    /// True where every event fits.
    pub fn is_open(&self) -> bool {
        *self == Filter::default()
    }

    /// Whether a stored event is like that; one that cannot be read fits no filter.
    pub fn fits(&self, stored: &Stored) -> bool {
        if self.is_open() {
            return true;
        }
        let Ok(entry) = Entry::parse(&stored.entry) else { return false };
        self.threads.iter().all(|thread| entry.thread(thread).is_some())
            && self.kind.is_none_or(|kind| kind == kind_of(&entry, stored.envelope.as_deref()))
    }
}

/// The kind of an entry, by its envelope where its type alone does not tell.
pub fn kind_of(entry: &Entry, envelope: Option<&[u8]>) -> EventKind {
    let by_type = EventKind::of_type(&entry.predicate_type);
    match (by_type, envelope) {
        (EventKind::Decision | EventKind::Other, Some(envelope)) => {
            Event::read(envelope).map_or(by_type, |event| event.kind)
        }
        _ => by_type,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(project: &str, kind: &str, thread: &str) -> Result<Filter, Problem> {
        fn some(text: &str) -> Option<&str> {
            (!text.is_empty()).then_some(text)
        }
        Filter::of(some(project), some(kind), some(thread))
    }

    #[test]
    fn what_is_asked_for_is_read_strictly() {
        assert!(query("", "", "").unwrap().is_open());
        let filter = query("payments", "decision", "environment:payments/prod").unwrap();
        assert_eq!(filter.kind, Some(EventKind::Decision));
        assert_eq!(filter.threads.len(), 2);
        let artifact = format!("artifact:sha256:{}", "a".repeat(64));
        assert_eq!(query("", "", &artifact).unwrap().threads.len(), 1);
        assert_eq!(query("", "", "control:ledger").unwrap().threads, [ThreadId::Control]);
        for (project, kind, thread) in [
            ("Payments", "", ""),
            ("", "decisions", ""),
            ("", "", "payments"),
            ("", "", "environment payments/prod"),
            ("", "", "artifact:sha256:ab"),
            ("", "", "control:other"),
        ] {
            let problem = query(project, kind, thread).unwrap_err();
            assert_eq!(problem.status, 400, "{project}{kind}{thread}");
        }
    }
}
