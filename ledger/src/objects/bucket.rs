//! A bucket: S3, or what speaks like it.
//!
//! Endpoint, region and credentials come from the standard variables `AWS_…` or the files and
//! services that those name; the ledger's folder holds the bucket's name alone.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::client::{HttpClient, HttpConnector};
use object_store::{ClientOptions, ObjectStore, RetryConfig};
use url::{Host, Url};

use crate::error::{LedgerError, malformed};
use crate::outgoing;

/// The variables that may name an endpoint, the strongest first.
const ENDPOINTS: [&str; 3] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];

/// The longest that a request is repeated.
const RETRY_MAX: Duration = Duration::from_secs(15);

/// The name of a bucket, and of the part of it that is the ledger's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    name: String,
    prefix: String,
}

impl Bucket {
    /// Reads `s3://BUCKET` or `s3://BUCKET/PREFIX`.
    pub fn parse(text: &str) -> Result<Bucket, LedgerError> {
        let wrong = |cause: &str| malformed(text.chars().take(80).collect::<String>(), cause);
        let rest = text.strip_prefix("s3://").ok_or_else(|| wrong("not s3://BUCKET/PREFIX"))?;
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_end_matches('/');
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if !(3..=63).contains(&name.len())
            || !name.bytes().all(|it| plain(it) || b".-".contains(&it))
        {
            return Err(wrong("a bucket's name has 3 to 63 of a-z, 0-9, dot and dash"));
        }
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
        let climbs = prefix.split('/').any(|part| matches!(part, "" | "." | ".."));
        if prefix.len() > 255 || !prefix.bytes().all(known) || (climbs && !prefix.is_empty()) {
            return Err(wrong("a prefix has names of A-Z, a-z, 0-9, dot, dash and underscore"));
        }
        Ok(Bucket { name: name.to_owned(), prefix: prefix.to_owned() })
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn open(&self) -> Result<Arc<dyn ObjectStore>, LedgerError> {
        let authorities = std::env::var_os("AWS_CA_BUNDLE").map(PathBuf::from);
        let settings = outgoing::Settings { authorities, ..outgoing::Settings::default() };
        let client = Connector(outgoing::streaming(&settings)?);
        let mut builder =
            AmazonS3Builder::from_env().with_bucket_name(&self.name).with_http_connector(client);
        builder = builder.with_retry(RetryConfig {
            max_retries: 3,
            retry_timeout: RETRY_MAX,
            ..RetryConfig::default()
        });
        if endpoint_is_here() {
            builder = builder.with_allow_http(true);
        }
        let store = builder.build().map_err(|cause| malformed(self.to_string(), cause))?;
        Ok(Arc::new(store))
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix.as_str() {
            "" => write!(f, "s3://{}", self.name),
            prefix => write!(f, "s3://{}/{prefix}", self.name),
        }
    }
}

/// Within this machine plain HTTP is allowed; elsewhere only where `AWS_ALLOW_HTTP` says so.
fn endpoint_is_here() -> bool {
    let named = ENDPOINTS.iter().find_map(|name| std::env::var(name).ok());
    let endpoint = named.and_then(|text| Url::parse(&text).ok());
    endpoint.is_some_and(|url| match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    })
}

/// The client that the bucket is spoken to with: the server's own, with its roots and limits.
#[derive(Debug)]
struct Connector(reqwest::Client);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_read_strictly() {
        for good in ["s3://bucket", "s3://my.bucket-1/a/b_c.d"] {
            assert_eq!(Bucket::parse(good).unwrap().to_string(), good);
        }
        assert_eq!(Bucket::parse("s3://bucket/a/").unwrap().prefix, "a");
        for bad in [
            "",
            "bucket",
            "s3://",
            "s3://ab",
            "s3://Bucket",
            "s3://key:secret@bucket",
            "s3://bucket/../a",
            "s3://bucket/a//b",
            "s3://bucket/a?b=c",
            "https://bucket/",
        ] {
            assert!(Bucket::parse(bad).is_err(), "{bad}");
        }
    }
}
