//! What an operator says of the server's edge: TLS, limits, proxies, files for readers elsewhere.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use ledger::http::peer::Range;
use ledger::http::tls::{Tls, TlsError};
use ledger::http::{Patience, Settings};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;

#[derive(Debug, Args)]
pub struct EdgeArgs {
    /// Serve over TLS with this chain of certificates, in PEM; read again on SIGHUP
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The key of the first certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Requests and events a second that one caller may send; else there is no limit
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub rate_limit: Option<u32>,
    /// Believe X-Forwarded-For of proxies in this range, such as 10.0.0.0/8
    #[arg(long, value_name = "CIDR")]
    pub trusted_proxy: Vec<Range>,
    /// Connections at the same time
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub max_connections: u32,
    /// Seconds to finish what is under way when told to stop
    #[arg(long, value_name = "SECS", default_value_t = 30)]
    pub drain: u32,
    /// Largest attachment that may be uploaded, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub max_attachment: u32,
    /// Also write tiles and checkpoint as files, for readers behind a CDN
    #[arg(long)]
    pub publish_tiles: bool,
}

impl EdgeArgs {
    pub fn settings(&self, io: &Io) -> Result<Settings, Failure> {
        let tls = match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => {
                let loaded = Tls::load(&io.path(certificate), &io.path(key));
                Some(Arc::new(loaded.map_err(|cause| unusable(&cause))?))
            }
            (None, _) | (_, None) => None,
        };
        let patience = Patience {
            connections_max: self.max_connections as usize,
            drain: Duration::from_secs(self.drain.into()),
            ..Patience::default()
        };
        Ok(Settings {
            tls,
            patience,
            rate_limit: self.rate_limit,
            proxies: self.trusted_proxy.clone(),
            attachment_bytes_max: u64::from(self.max_attachment) << 20,
            publish_tiles: self.publish_tiles,
            ..Settings::default()
        })
    }
}

fn unusable(cause: &TlsError) -> Failure {
    let behind = std::error::Error::source(cause).map(|it| format!(": {it}")).unwrap_or_default();
    let failure = Failure::new(Exit::Usage, "tls-unusable", format!("{cause}{behind}"));
    match cause {
        TlsError::Open(_) => failure.hint("keep it from others: chmod o= FILE"),
        TlsError::Malformed { .. } | TlsError::Unfit { .. } => {
            failure.hint("PEM is meant: the chain with the server's own certificate first")
        }
        TlsError::File(..) | TlsError::TooLarge(_) => failure,
    }
}
