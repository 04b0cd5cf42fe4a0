//! TLS from files: a certificate chain and its key, read again when the operator says so.
//!
//! Whoever holds the key can pose as this server towards clients, and hide entries from those who
//! do not remember checkpoints; it cannot sign anything for the log.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

/// Largest file of certificates or with a key, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read {0}")]
    File(PathBuf, #[source] std::io::Error),
    #[error("{0} is larger than {FILE_BYTES_MAX} bytes")]
    TooLarge(PathBuf),
    #[error("{0} can be read by every user of this machine")]
    Open(PathBuf),
    #[error("{path}: {cause}")]
    Malformed { path: PathBuf, cause: String },
    #[error("{certificate} and {key} do not serve together: {cause}")]
    Unfit { certificate: PathBuf, key: PathBuf, cause: rustls::Error },
}

/// What connections are protected with at the moment.
#[derive(Debug)]
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    config: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads a chain of certificates, the server's own first, and the key of that one, in PEM.
    pub fn load(certificate: &Path, key: &Path) -> Result<Tls, TlsError> {
        let config = RwLock::new(Arc::new(config(certificate, key)?));
        Ok(Tls { certificate: certificate.to_owned(), key: key.to_owned(), config })
    }

    /// Reads the files again; where they are not fit, connections go on with what was read before.
    pub fn reload(&self) -> Result<(), TlsError> {
        let next = Arc::new(config(&self.certificate, &self.key)?);
        *self.config.write().unwrap_or_else(|held| held.into_inner()) = next;
        Ok(())
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let config = self.config.read().unwrap_or_else(|held| held.into_inner());
        TlsAcceptor::from(Arc::clone(&config))
    }
}

fn config(certificate: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
    let malformed =
        |path: &Path, cause: String| TlsError::Malformed { path: path.to_owned(), cause };
    let chain = CertificateDer::pem_slice_iter(&read(certificate)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|cause| malformed(certificate, cause.to_string()))?;
    if chain.is_empty() {
        return Err(malformed(certificate, "there is no certificate in it".to_owned()));
    }
    check_private(key)?;
    let private = PrivateKeyDer::from_pem_slice(&read(key)?)
        .map_err(|cause| malformed(key, cause.to_string()))?;
    let unfit =
        |cause| TlsError::Unfit { certificate: certificate.to_owned(), key: key.to_owned(), cause };
    // The same provider as that of the database's connections.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unfit)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(unfit)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let failed = |cause| TlsError::File(path.to_owned(), cause);
    let mut bytes = Zeroizing::new(Vec::new());
    let file = File::open(path).map_err(failed)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    match bytes.len() as u64 > FILE_BYTES_MAX {
        true => Err(TlsError::TooLarge(path.to_owned())),
        false => Ok(bytes),
    }
}

/// A group may read a key, which is how some systems hand it to one service; not everybody.
#[cfg(unix)]
fn check_private(path: &Path) -> Result<(), TlsError> {
    use std::os::unix::fs::PermissionsExt as _;
    let failed = |cause| TlsError::File(path.to_owned(), cause);
    let mode = std::fs::metadata(path).map_err(failed)?.permissions().mode();
    if mode & 0o007 != 0 { Err(TlsError::Open(path.to_owned())) } else { Ok(()) }
}

#[cfg(not(unix))]
fn check_private(_: &Path) -> Result<(), TlsError> {
    Ok(())
}
