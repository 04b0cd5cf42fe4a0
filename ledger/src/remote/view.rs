//! The log as a server shows it, read as a database is.

use schemas::id::{Digest, EntryIndex, TreeSize};
use schemas::thread::ThreadId;
use verifier::merkle::tile::TILE_WIDTH;
use verifier::merkle::tile_path::TilePath;
use verifier::note::format_note;

use super::error::stored;
use super::{Remote, RemoteError};
use crate::error::LedgerError;
use crate::http::events::EntryBody;
use crate::http::filter::thread_of;
use crate::http::log::{CheckpointsBody, EntriesBody, NAMED_MAX, ThreadBody, ThreadsBody, name};
use crate::store::{
    ALONE_MAX, Head, LogHead, PREFIX_DIGITS_MIN, Published, Read, StoreError, StoredEntry, Thread,
    Tile,
};

/// The log at a published checkpoint, and its threads as they are when they are asked for.
///
/// Entries and tiles never change. Threads may go on while somebody looks: whoever decides does so
/// under the server's lock, and not on this.
pub struct RemoteView {
    remote: Remote,
    head: LogHead,
    note: String,
}

impl RemoteView {
    pub async fn open(remote: Remote) -> Result<RemoteView, LedgerError> {
        let checkpoint = remote.checkpoint().await?;
        let head = LogHead { size: checkpoint.size(), ..LogHead::default() };
        let note = format_note(checkpoint.note());
        Ok(RemoteView { remote, head, note })
    }

    async fn ask<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, StoreError> {
        self.remote.asked().get(path).await.map_err(stored)
    }

    async fn ask_threads(&self, query: &str) -> Result<Vec<Thread>, StoreError> {
        let body: ThreadsBody = self.ask(&format!("/api/v1/threads?{query}")).await?;
        body.threads.into_iter().map(thread).collect()
    }

    /// A tile as wide as it is at this view; none that is not there yet.
    async fn tile(&self, level: u8, number: u64) -> Result<Option<Tile>, StoreError> {
        let nodes = self.head.size >> (8 * u32::from(level));
        let width = nodes.saturating_sub(number.saturating_mul(TILE_WIDTH)).min(TILE_WIDTH);
        if width == 0 {
            return Ok(None);
        }
        let path = TilePath { level: Some(level), number, width: width as u16 };
        let path = format!("/tile/{}", path.format());
        let answer = self.remote.asked().send(&path, None).await.map_err(stored)?;
        if answer.body.len() as u64 != 32 * width {
            return Err(RemoteError::unreadable("a tile of another width").into());
        }
        Ok(Some(Tile { level, number, hashes: answer.body }))
    }
}

fn entry(body: EntryBody) -> Result<StoredEntry, StoreError> {
    use base64::Engine;
    let decode = |text: String| base64::engine::general_purpose::STANDARD.decode(text);
    let envelope = body.envelope.map(decode).transpose().map_err(RemoteError::unreadable)?;
    Ok(StoredEntry { index: body.index, entry: body.entry.into_bytes(), envelope })
}

fn thread(body: ThreadBody) -> Result<Thread, StoreError> {
    let thread = thread_of(&body.thread);
    let thread = thread.ok_or_else(|| RemoteError::unreadable("the name of a thread"))?;
    let head = Head { position: body.position, index: body.index, leaf: body.leaf };
    let slice = body.slice.map(|raw| raw.get().as_bytes().to_vec());
    Ok(Thread { thread, head, slice })
}

impl Read for RemoteView {
    fn head(&self) -> &LogHead {
        &self.head
    }

    async fn read_range(
        &mut self,
        from: EntryIndex,
        to: EntryIndex,
        bytes_max: u64,
    ) -> Result<Vec<StoredEntry>, StoreError> {
        let to = to.min(self.head.size);
        if from >= to {
            return Ok(Vec::new());
        }
        let body: EntriesBody = self.ask(&format!("/api/v1/entries?from={from}&to={to}")).await?;
        let mut entries = Vec::with_capacity(body.entries.len());
        let mut bytes = 0;
        for (expected, it) in (from..to).zip(body.entries) {
            let it = entry(it)?;
            if it.index != expected {
                return Err(RemoteError::unreadable("entries out of their order").into());
            }
            bytes += (it.entry.len() + it.envelope.as_ref().map_or(0, Vec::len)) as u64;
            if bytes > bytes_max && !entries.is_empty() {
                break;
            }
            entries.push(it);
        }
        match entries.is_empty() {
            true => Err(RemoteError::unreadable("no entry where there is one").into()),
            false => Ok(entries),
        }
    }

    async fn entries_alone(
        &mut self,
        from: EntryIndex,
        to: EntryIndex,
    ) -> Result<Vec<(EntryIndex, Vec<u8>)>, StoreError> {
        let to = to.min(from.saturating_add(ALONE_MAX as u64));
        let entries = self.read_range(from, to, u64::MAX).await?;
        Ok(entries.into_iter().map(|stored| (stored.index, stored.entry)).collect())
    }

    async fn entries(&mut self, indexes: &[EntryIndex]) -> Result<Vec<StoredEntry>, StoreError> {
        let mut found = Vec::with_capacity(indexes.len());
        for some in indexes.chunks(NAMED_MAX) {
            let body: EntriesBody = self.ask(&entry_path(some)).await?;
            for it in body.entries {
                found.push(entry(it)?);
            }
        }
        Ok(found)
    }

    async fn threads(&mut self, threads: &[ThreadId]) -> Result<Vec<Thread>, StoreError> {
        let mut found = Vec::with_capacity(threads.len());
        for some in threads.chunks(NAMED_MAX) {
            let names: Vec<String> = some.iter().map(name).collect();
            found.extend(self.ask_threads(&format!("threads={}", names.join(","))).await?);
        }
        Ok(found)
    }

    async fn threads_page(
        &mut self,
        kind: Option<&str>,
        after: Option<&ThreadId>,
        limit: u32,
    ) -> Result<Vec<Thread>, StoreError> {
        let mut query = format!("limit={limit}");
        if let Some(kind) = kind {
            query += &format!("&kind={kind}");
        }
        if let Some(after) = after {
            query += &format!("&after={}", name(after));
        }
        self.ask_threads(&query).await
    }

    async fn find_artifacts(
        &mut self,
        prefix: &str,
        limit: u32,
    ) -> Result<Vec<Digest>, StoreError> {
        if prefix.len() < PREFIX_DIGITS_MIN {
            return Err(StoreError::ShortPrefix { digits: prefix.len() });
        }
        let found = self.ask_threads(&format!("prefix={prefix}")).await?;
        let digests = found.into_iter().filter_map(|row| match row.thread {
            ThreadId::Artifact(digest) => Some(digest),
            _ => None,
        });
        Ok(digests.take(limit as usize).collect())
    }

    async fn tiles(&mut self, keys: &[(u8, u64)]) -> Result<Vec<Tile>, StoreError> {
        let mut found = Vec::with_capacity(keys.len());
        for (level, number) in keys {
            found.extend(self.tile(*level, *number).await?);
        }
        Ok(found)
    }

    async fn checkpoint(&mut self) -> Result<Option<(TreeSize, String)>, StoreError> {
        Ok(Some((self.head.size, self.note.clone())))
    }

    async fn checkpoint_at(&mut self, size: TreeSize) -> Result<Option<String>, StoreError> {
        let body: CheckpointsBody = self.ask(&format!("/api/v1/checkpoints?size={size}")).await?;
        Ok(body.checkpoints.into_iter().next().map(|it| it.note))
    }

    async fn checkpoints(&mut self, after: u64) -> Result<Vec<Published>, StoreError> {
        let path = format!("/api/v1/checkpoints?after={after}");
        let body: CheckpointsBody = self.ask(&path).await?;
        let published = body.checkpoints.into_iter().map(|it| {
            let sequence = it.sequence;
            let sequence = sequence.ok_or_else(|| RemoteError::unreadable("a place"))?;
            Ok(Published { sequence, size: it.size, note: it.note })
        });
        published.collect()
    }
}

/// Where entries are.
fn entry_path(indexes: &[EntryIndex]) -> String {
    let list: Vec<String> = indexes.iter().map(ToString::to_string).collect();
    format!("/api/v1/entries?indexes={}", list.join(","))
}
