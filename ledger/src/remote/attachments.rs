//! What is kept beside the log, on a server.

use schemas::id::Digest;
use verifier::merkle::sha256;

use super::asked::Body;
use super::{Remote, RemoteError};
use crate::error::LedgerError;

impl Remote {
    /// Reads an attachment; none where the server keeps it no more.
    pub async fn attachment(&self, digest: &Digest) -> Result<Option<Vec<u8>>, LedgerError> {
        let path = format!("/api/v1/attachments/{digest}");
        match self.asked().send(&path, None).await {
            Ok(answer) if Digest::sha256(&sha256(&[&answer.body])) == *digest => {
                Ok(Some(answer.body))
            }
            Ok(_) => {
                Err(RemoteError::Untrue(format!("attachment {digest} has other bytes")).into())
            }
            Err(LedgerError::Remote(cause)) if cause.is_absence() => Ok(None),
            Err(cause) => Err(cause),
        }
    }

    /// Uploads an attachment, which is named by its digest.
    pub(super) async fn attach(&self, bytes: &[u8]) -> Result<(), LedgerError> {
        let digest = sha256(&[bytes]);
        let path = format!("/api/v1/attachments/sha256:{digest}");
        self.asked().send(&path, Some(Body::File(bytes.to_vec()))).await.map(drop)
    }
}
