//! The notes about a promotion and about the deployments that carry it out.

use schemas::id::{Digest, EntryIndex, Project, Time};
use schemas::kind::EventKind;
use schemas::thread::ThreadId;
use serde::Serialize;
use utoipa::ToSchema;
use verifier::lineage::notes;

use crate::documents::Documents;
use crate::error::LedgerError;
use crate::http::lineage::{LOOKED_AT_MAX, STEPS_MAX};
use crate::search::links;
use crate::store::Read;

/// A postmortem or a comment.
#[derive(Debug, Serialize, ToSchema)]
pub struct NoteBody {
    pub index: EntryIndex,
    /// The entry that it is about: the request, or a deployment.
    pub about: EntryIndex,
    /// When it was logged, RFC 3339.
    #[schema(value_type = String)]
    pub time: Time,
    /// Who signed.
    pub signers: Vec<String>,
    pub text: String,
}

/// Finds the notes about a request on its artifacts' threads, among the newest entries of each.
pub async fn about<R: Read>(
    read: &mut R,
    documents: &Documents,
    project: &Project,
    request: EntryIndex,
    artifacts: impl Iterator<Item = Digest>,
) -> Result<Vec<NoteBody>, LedgerError> {
    let size = read.head().size;
    let mut found: Vec<NoteBody> = Vec::new();
    for artifact in artifacts {
        let thread = ThreadId::Artifact(artifact);
        let (entries, _) = links(read, &thread, request + 1, size, None, LOOKED_AT_MAX).await?;
        let kinds = [EventKind::Note, EventKind::Deployment, EventKind::Rollback];
        let entries =
            entries.iter().filter(|it| kinds.contains(&EventKind::of_type(&it.predicate_type)));
        let wanted: Vec<EntryIndex> = entries.map(|entry| entry.index).take(STEPS_MAX).collect();
        let stored = read.entries(&wanted).await?;
        let lines = documents.lines(read, stored).await?;
        for (line, note) in notes::about(project, request, &lines) {
            let index = line.entry.index;
            if found.iter().all(|it| it.index != index) {
                let (time, signers) = (line.entry.time, line.signers.clone());
                let about = note.about.unwrap_or(request);
                found.push(NoteBody { index, about, time, signers, text: note.text.clone() });
            }
        }
    }
    found.sort_by_key(|it| it.index);
    Ok(found)
}
