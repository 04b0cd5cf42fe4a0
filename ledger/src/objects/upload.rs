//! An upload: bytes that arrive one after the other, and are an attachment only when all of them
//! are there and have the digest that they were announced with.

use object_store::{MultipartUpload, ObjectStoreExt as _};
use schemas::id::{Digest, Hash};
use sha2::{Digest as _, Sha256};
use tokio::sync::SemaphorePermit;

use super::{Objects, failed};
use crate::error::LedgerError;

/// Bytes of one part. Buckets want at least 5 MiB, and some want all but the last the same size.
const PART_BYTES: usize = 5 << 20;

/// Why an upload is none.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    #[error("as many uploads as the server takes are under way")]
    Busy,
    #[error("the bytes have the digest {found}, announced was {announced}")]
    OtherDigest { announced: Digest, found: Digest },
    #[error("more than {max} bytes")]
    TooLarge { max: u64 },
    #[error(transparent)]
    Ledger(LedgerError),
}

/// What became of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uploaded {
    Kept,
    /// It was there already, and stays as it is.
    Known,
}

/// An upload under way. Dropped before it is finished, it leaves nothing behind.
pub struct Upload<'a> {
    objects: &'a Objects,
    announced: Digest,
    bytes_max: u64,
    size: u64,
    hasher: Sha256,
    is_known: bool,
    part: Vec<u8>,
    parts: Parts,
    _turn: SemaphorePermit<'a>,
}

/// The parts that are written; taken away again unless they are completed.
struct Parts(Option<Box<dyn MultipartUpload>>);

impl Drop for Parts {
    fn drop(&mut self) {
        let Some(mut upload) = self.0.take() else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(cause) = upload.abort().await {
                    tracing::warn!(%cause, "parts of a broken upload are left in the bucket");
                }
            });
        }
    }
}

impl Objects {
    /// Begins an upload of the bytes that have this digest.
    pub async fn upload(&self, announced: Digest, max: u64) -> Result<Upload<'_>, UploadError> {
        let turn = self.uploads.try_acquire().map_err(|_| UploadError::Busy)?;
        let is_known = self.has_attachment(&announced).await.map_err(UploadError::Ledger)?;
        Ok(Upload {
            objects: self,
            announced,
            bytes_max: max,
            size: 0,
            hasher: Sha256::new(),
            is_known,
            part: Vec::new(),
            parts: Parts(None),
            _turn: turn,
        })
    }
}

impl Upload<'_> {
    pub async fn write(&mut self, mut chunk: &[u8]) -> Result<(), UploadError> {
        self.size += chunk.len() as u64;
        if self.size > self.bytes_max {
            return Err(UploadError::TooLarge { max: self.bytes_max });
        }
        self.hasher.update(chunk);
        while !self.is_known && !chunk.is_empty() {
            let (now, later) = chunk.split_at(chunk.len().min(PART_BYTES - self.part.len()));
            self.part.extend_from_slice(now);
            chunk = later;
            if self.part.len() == PART_BYTES {
                self.put_part().await.map_err(UploadError::Ledger)?;
            }
        }
        Ok(())
    }

    async fn put_part(&mut self) -> Result<(), LedgerError> {
        let path = self.objects.attachment_path(&self.announced)?;
        let failed = |cause| failed(&path, cause);
        let upload = match &mut self.parts.0 {
            Some(upload) => upload,
            none => none.insert(self.objects.store.put_multipart(&path).await.map_err(failed)?),
        };
        upload.put_part(std::mem::take(&mut self.part).into()).await.map_err(failed)
    }

    /// Keeps the attachment if it is what was announced.
    pub async fn finish(mut self) -> Result<Uploaded, UploadError> {
        let hash = Hash(std::mem::take(&mut self.hasher).finalize().into());
        let (announced, found) = (self.announced.clone(), Digest::sha256(&hash));
        if found != announced {
            return Err(UploadError::OtherDigest { announced, found });
        }
        if self.is_known {
            return Ok(Uploaded::Known);
        }
        self.complete().await.map_err(UploadError::Ledger)?;
        Ok(Uploaded::Kept)
    }

    async fn complete(&mut self) -> Result<(), LedgerError> {
        let path = self.objects.attachment_path(&self.announced)?;
        let failed = |cause| failed(&path, cause);
        if self.parts.0.is_none() {
            let whole = std::mem::take(&mut self.part);
            self.objects.store.put(&path, whole.into()).await.map_err(failed)?;
            return Ok(());
        }
        if !self.part.is_empty() {
            self.put_part().await?;
        }
        if let Some(upload) = &mut self.parts.0 {
            upload.complete().await.map_err(failed)?;
            self.parts.0 = None;
        }
        Ok(())
    }
}
