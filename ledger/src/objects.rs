//! Objects: attachments and published files, in the ledger's folder or in a bucket.
//!
//! Whoever can write here can take an attachment away, or put other bytes in its place; the second
//! is noticed by whoever reads it, since its name is its digest. Whoever can only read here sees
//! what every reader of the ledger sees.

mod bucket;
mod upload;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, future};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    Error as StoreError, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, UpdateVersion,
};
use schemas::id::{Digest, EntryIndex, Hash};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use verifier::merkle;

use crate::error::{LedgerError, file_error, malformed};
use crate::folder::{Folder, write_durably};

pub use bucket::Bucket;
pub use upload::{UploadError, Uploaded};

/// Largest attachment.
pub const ATTACHMENT_BYTES_MAX: usize = 256 << 20;

/// Uploads at the same time.
const UPLOADS_MAX: usize = 16;

/// Where attachments and published files are.
#[derive(Debug)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: String,
    /// The ledger's folder, where the objects are in it.
    folder: Option<PathBuf>,
    uploads: Semaphore,
}

/// A file that is published, and by what it is recognised when it is replaced.
pub struct Shown {
    pub bytes: Bytes,
    version: UpdateVersion,
}

impl Objects {
    /// Opens the place that the ledger's folder names.
    pub fn open(folder: &Folder) -> Result<Objects, LedgerError> {
        match folder.bucket()? {
            Some(bucket) => Objects::in_bucket(&bucket),
            None => Objects::in_folder(folder.root.clone()),
        }
    }

    fn in_folder(folder: PathBuf) -> Result<Objects, LedgerError> {
        let store = LocalFileSystem::new_with_prefix(&folder)
            .map_err(|cause| failed(&folder.display(), cause))?
            // What was answered is there after a loss of power.
            .with_fsync(true);
        let uploads = Semaphore::new(UPLOADS_MAX);
        Ok(Objects { store: Arc::new(store), prefix: String::new(), folder: Some(folder), uploads })
    }

    fn in_bucket(bucket: &Bucket) -> Result<Objects, LedgerError> {
        let (store, prefix) = (bucket.open()?, bucket.prefix().to_owned());
        Ok(Objects { store, prefix, folder: None, uploads: Semaphore::new(UPLOADS_MAX) })
    }

    /// Refuses a bucket that cannot be reached, or in which a log is published already.
    pub async fn check_unused(bucket: &Bucket) -> Result<(), LedgerError> {
        let objects = Objects::in_bucket(bucket)?;
        let path = objects.path("published")?;
        let found = objects.store.list_with_delimiter(Some(&path)).await;
        match found.map_err(|cause| failed(&path, cause))?.objects.is_empty() {
            true => Ok(()),
            false => Err(malformed(bucket.to_string(), "a log is published there already")),
        }
    }

    fn path(&self, name: &str) -> Result<Path, LedgerError> {
        let path = if self.prefix.is_empty() {
            Path::parse(name)
        } else {
            Path::parse(format!("{}/{name}", self.prefix))
        };
        path.map_err(|cause| malformed(name, cause))
    }

    fn attachment_path(&self, digest: &Digest) -> Result<Path, LedgerError> {
        // A digest is lower-case hex by construction, so it cannot climb out.
        self.path(&format!("attachments/{}/{}", digest.algorithm().name(), digest.hex()))
    }

    /// Keeps bytes under their SHA-256; what is there already stays.
    pub async fn attach(&self, bytes: &[u8]) -> Result<Digest, LedgerError> {
        if bytes.len() > ATTACHMENT_BYTES_MAX {
            let (size, max) = (bytes.len(), ATTACHMENT_BYTES_MAX);
            return Err(LedgerError::AttachmentTooLarge { size, max });
        }
        let digest = Digest::sha256(&merkle::sha256(&[bytes]));
        if !self.has_attachment(&digest).await? {
            let path = self.attachment_path(&digest)?;
            let put = self.store.put(&path, bytes.to_vec().into()).await;
            put.map_err(|cause| failed(&path, cause))?;
        }
        Ok(digest)
    }

    pub async fn has_attachment(&self, digest: &Digest) -> Result<bool, LedgerError> {
        let path = self.attachment_path(digest)?;
        match self.store.head(&path).await {
            Ok(_) => Ok(true),
            Err(StoreError::NotFound { .. }) => Ok(false),
            Err(cause) => Err(failed(&path, cause)),
        }
    }

    /// Reads an attachment and checks that it is the one that was asked for.
    pub async fn attachment(&self, digest: &Digest) -> Result<Option<Vec<u8>>, LedgerError> {
        let path = self.attachment_path(digest)?;
        let Some((size, stream)) = self.read_attachment(digest).await? else { return Ok(None) };
        if size > ATTACHMENT_BYTES_MAX as u64 {
            return Err(malformed(path.to_string(), "it is larger than an attachment may be"));
        }
        let whole = stream.try_fold(Vec::new(), |mut whole, chunk| async move {
            whole.extend_from_slice(&chunk);
            Ok(whole)
        });
        whole.await.map(Some).map_err(file_error(path.to_string()))
    }

    /// Reads an attachment as a stream, with its size.
    ///
    /// The last bytes come only when all of them were those of the digest: what is not, breaks off.
    pub async fn read_attachment(
        &self,
        digest: &Digest,
    ) -> Result<Option<(u64, impl Stream<Item = io::Result<Bytes>> + Send + use<>)>, LedgerError>
    {
        let path = self.attachment_path(digest)?;
        let found = match self.store.get(&path).await {
            Ok(found) => found,
            Err(StoreError::NotFound { .. }) => return Ok(None),
            Err(cause) => return Err(failed(&path, cause)),
        };
        let size = found.meta.size;
        let chunks = found.into_stream().map_err(io::Error::other);
        Ok(Some((size, checked(chunks.boxed(), digest.clone()))))
    }

    /// Writes a published file; the same bytes may be written again.
    pub async fn publish(&self, name: &str, bytes: Vec<u8>) -> Result<(), LedgerError> {
        let path = self.path(&format!("published/{name}"))?;
        self.store.put(&path, bytes.into()).await.map_err(|cause| failed(&path, cause))?;
        Ok(())
    }

    /// Takes the published files under a name away.
    pub async fn withdraw(&self, name: &str) -> Result<(), LedgerError> {
        let path = self.path(&format!("published/{name}"))?;
        let found: Vec<_> = self
            .store
            .list(Some(&path))
            .try_collect()
            .await
            .map_err(|cause| failed(&path, cause))?;
        for meta in found {
            match self.store.delete(&meta.location).await {
                // Another server was faster.
                Ok(()) | Err(StoreError::NotFound { .. }) => {}
                Err(cause) => return Err(failed(&meta.location, cause)),
            }
        }
        Ok(())
    }

    /// A published file as it is shown now.
    pub async fn shown(&self, name: &str) -> Result<Option<Shown>, LedgerError> {
        let path = self.path(&format!("published/{name}"))?;
        let found = match self.store.get(&path).await {
            Ok(found) => found,
            Err(StoreError::NotFound { .. }) => return Ok(None),
            Err(cause) => return Err(failed(&path, cause)),
        };
        let version =
            UpdateVersion { e_tag: found.meta.e_tag.clone(), version: found.meta.version.clone() };
        let bytes = found.bytes().await.map_err(|cause| failed(&path, cause))?;
        Ok(Some(Shown { bytes, version }))
    }

    /// Keeps the hashes of the lines of a heads event, and forgets those of earlier ones.
    ///
    /// Whoever changes them is noticed: their root is in the log.
    pub async fn keep_heads(&self, at: EntryIndex, bytes: Vec<u8>) -> Result<(), LedgerError> {
        let path = self.path(&format!("heads/{at}"))?;
        self.store.put(&path, bytes.into()).await.map_err(|cause| failed(&path, cause))?;
        let place = self.path("heads")?;
        let found = self.store.list_with_delimiter(Some(&place)).await;
        for meta in found.map_err(|cause| failed(&place, cause))?.objects {
            let index = meta.location.filename().and_then(|name| name.parse().ok());
            if index.is_some_and(|index: EntryIndex| index < at) {
                match self.store.delete(&meta.location).await {
                    // Another server was faster.
                    Ok(()) | Err(StoreError::NotFound { .. }) => {}
                    Err(cause) => return Err(failed(&meta.location, cause)),
                }
            }
        }
        Ok(())
    }

    /// The hashes of the lines of a heads event, where they are kept.
    pub async fn heads(&self, at: EntryIndex) -> Result<Option<Bytes>, LedgerError> {
        let path = self.path(&format!("heads/{at}"))?;
        let found = match self.store.get(&path).await {
            Ok(found) => found,
            Err(StoreError::NotFound { .. }) => return Ok(None),
            Err(cause) => return Err(failed(&path, cause)),
        };
        Ok(Some(found.bytes().await.map_err(|cause| failed(&path, cause))?))
    }

    /// Replaces a published file unless somebody has replaced it meanwhile; whether it did.
    pub async fn replace(
        &self,
        name: &str,
        before: Option<Shown>,
        bytes: Vec<u8>,
    ) -> Result<bool, LedgerError> {
        if let Some(folder) = &self.folder {
            let path = folder.join("published").join(name);
            let replace = move || replace_file(&path, before.map(|it| it.bytes), &bytes);
            let done = tokio::task::spawn_blocking(replace).await;
            return done.map_err(|_| LedgerError::Abandoned)?;
        }
        let path = self.path(&format!("published/{name}"))?;
        let mode = before.map_or(PutMode::Create, |shown| PutMode::Update(shown.version));
        match self.store.put_opts(&path, bytes.into(), PutOptions::from(mode)).await {
            Ok(_) => Ok(true),
            Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }) => Ok(false),
            Err(cause) => Err(failed(&path, cause)),
        }
    }
}

/// A folder has no conditional writing: those who replace a file take turns.
fn replace_file(
    path: &std::path::Path,
    before: Option<Bytes>,
    bytes: &[u8],
) -> Result<bool, LedgerError> {
    let turn = path.with_extension("lock");
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder).map_err(file_error(folder))?;
    let file = std::fs::File::create(&turn).map_err(file_error(&turn))?;
    file.lock().map_err(file_error(&turn))?;
    let now = match std::fs::read(path) {
        Ok(now) => Some(Bytes::from(now)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => None,
        Err(cause) => return Err(file_error(path)(cause)),
    };
    if now != before {
        return Ok(false);
    }
    write_durably(path, bytes, 0o644)?;
    Ok(true)
}

/// Passes chunks on one behind, so that the last waits for the digest of all.
fn checked(
    chunks: impl Stream<Item = io::Result<Bytes>> + Send + Unpin,
    digest: Digest,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let start = Some((chunks, Sha256::new(), Bytes::new(), digest));
    futures_util::stream::try_unfold(start, |state| async move {
        let Some((mut chunks, mut hasher, held, digest)) = state else { return Ok(None) };
        let Some(chunk) = chunks.try_next().await? else {
            let found = Digest::sha256(&Hash(hasher.finalize().into()));
            let wrong = || io::Error::other("the attachment's bytes are not those of its name");
            return if found == digest { Ok(Some((held, None))) } else { Err(wrong()) };
        };
        hasher.update(&chunk);
        Ok(Some((held, Some((chunks, hasher, chunk, digest)))))
    })
    .try_filter(|chunk| future::ready(!chunk.is_empty()))
}

/// Says which object could not be used; the cause names no secret.
fn failed(path: &dyn ToString, cause: StoreError) -> LedgerError {
    file_error(path.to_string())(io::Error::other(cause))
}
