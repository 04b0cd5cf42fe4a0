//! Requests that this server makes of others: one client, with its limits, for whoever needs one.
//!
//! Whoever answers is believed nothing: answers are bounded before they are kept, and no redirect
//! is followed, since it would lead where no operator has looked.

pub mod public;
mod silence;

use std::fs::File;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, ClientBuilder, RequestBuilder, StatusCode, Url};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use self::public::{PublicOnly, is_public};
pub use self::silence::Silence;
use crate::error::{LedgerError, file_error, malformed};

/// The longest that connecting may take.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// The longest that a request may take with its answer, unless it says another time itself.
const REQUEST_MAX: Duration = Duration::from_secs(15);

/// Largest accepted file of certificate authorities, in bytes.
const AUTHORITIES_BYTES_MAX: u64 = 1 << 20;

/// What an operator may choose for outgoing requests.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Further certificate authorities to trust: a file in PEM.
    pub authorities: Option<PathBuf>,
    /// Speaks `http` to other machines too: who is asked, and what is said, is then anybody's word.
    /// Within this machine `http` is always allowed.
    pub danger_plain_http: bool,
}

/// Why a request was not made, or has no answer.
#[derive(Debug, thiserror::Error)]
pub enum OutgoingError {
    #[error("not a web address: {0:?}")]
    Address(String),
    #[error("{0}: plain http would leave this machine unprotected")]
    Plain(Url),
    #[error("{0} is no public address")]
    NotPublic(Url),
    #[error("{0} did not answer")]
    NoAnswer(String, #[source] Silence),
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
}

/// An answer, whatever its status says.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// Makes requests. A copy shares its connections.
#[derive(Debug, Clone)]
pub struct Outgoing {
    client: Client,
    danger_plain_http: bool,
    reach: Reach,
}

/// Which machines may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Any that an operator names.
    Anywhere,
    /// Those of the public internet: for addresses that come from somebody else.
    Public,
}

impl Outgoing {
    pub fn new(settings: &Settings) -> Result<Outgoing, LedgerError> {
        Outgoing::within(Reach::Anywhere, settings)
    }

    /// Asks only machines that are within reach, whatever a name leads to.
    pub fn within(reach: Reach, settings: &Settings) -> Result<Outgoing, LedgerError> {
        let client = client(settings)?.timeout(REQUEST_MAX);
        let client = match reach {
            Reach::Anywhere => client,
            // A proxy would resolve the name again, and reach what it likes.
            Reach::Public => client.dns_resolver(PublicOnly).no_proxy(),
        };
        let client = client.build().map_err(|cause| malformed("the HTTP client", cause))?;
        Ok(Outgoing { client, danger_plain_http: settings.danger_plain_http, reach })
    }

    /// Reads an address: `https`, or `http` where that is allowed.
    pub fn parse(&self, address: &str) -> Result<Url, OutgoingError> {
        let url = Url::parse(address).map_err(|_| OutgoingError::Address(excerpt(address)))?;
        let literal = match url.host() {
            Some(url::Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(url::Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(url::Host::Domain(_)) | None => None,
        };
        // An address that is no name is connected to without being resolved.
        if self.reach == Reach::Public && literal.is_some_and(|it| !is_public(it)) {
            return Err(OutgoingError::NotPublic(url));
        }
        match (url.scheme(), url.host()) {
            ("https", Some(_)) => Ok(url),
            ("http", Some(host)) if self.danger_plain_http || is_loopback(&host) => Ok(url),
            ("http", Some(_)) => Err(OutgoingError::Plain(url)),
            _ => Err(OutgoingError::Address(excerpt(address))),
        }
    }

    pub fn get(&self, address: &str) -> Result<RequestBuilder, OutgoingError> {
        Ok(self.client.get(self.parse(address)?))
    }

    pub fn post(&self, address: &str) -> Result<RequestBuilder, OutgoingError> {
        Ok(self.client.post(self.parse(address)?))
    }

    pub fn put(&self, address: &str) -> Result<RequestBuilder, OutgoingError> {
        Ok(self.client.put(self.parse(address)?))
    }

    /// Sends a request and reads its answer, which may have that many bytes.
    pub async fn send(
        &self,
        request: RequestBuilder,
        body_bytes_max: usize,
    ) -> Result<Answer, OutgoingError> {
        let mut response = request.send().await.map_err(no_answer)?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(no_answer)? {
            if body.len() + chunk.len() > body_bytes_max {
                return Err(OutgoingError::TooLarge(body_bytes_max));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, headers, body })
    }

    /// Sends a request and reads no more of its answer than the status and the headers.
    pub async fn send_for_head(&self, request: RequestBuilder) -> Result<Answer, OutgoingError> {
        let mut response = request.send().await.map_err(no_answer)?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        Ok(Answer { status, headers, body: Vec::new() })
    }
}

fn no_answer(cause: reqwest::Error) -> OutgoingError {
    // An address may hold a secret; its host does not.
    let host = cause.url().and_then(|url| url.host_str()).unwrap_or("the server").to_owned();
    OutgoingError::NoAnswer(host, Silence::of(&cause.without_url()))
}

/// A client for answers that are streamed: each of their parts may take as long as a whole answer.
pub(crate) fn streaming(settings: &Settings) -> Result<Client, LedgerError> {
    let client = client(settings)?.read_timeout(REQUEST_MAX).build();
    client.map_err(|cause| malformed("the HTTP client", cause))
}

fn client(settings: &Settings) -> Result<ClientBuilder, LedgerError> {
    let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(path) = &settings.authorities {
        add_authorities(&mut roots, path)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|cause| malformed("TLS", cause))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(concat!("attestry/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_MAX))
}

fn add_authorities(roots: &mut RootCertStore, path: &Path) -> Result<(), LedgerError> {
    let file = File::open(path).map_err(file_error(path))?;
    let mut pem = Vec::new();
    file.take(AUTHORITIES_BYTES_MAX).read_to_end(&mut pem).map_err(file_error(path))?;
    let what = || path.display().to_string();
    let before = roots.len();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|cause| malformed(what(), cause))?;
        roots.add(certificate).map_err(|cause| malformed(what(), cause))?;
    }
    if roots.len() == before { Err(malformed(what(), "no certificate")) } else { Ok(()) }
}

fn is_loopback(host: &url::Host<&str>) -> bool {
    match host {
        url::Host::Domain(name) => *name == "localhost",
        url::Host::Ipv4(address) => address.is_loopback(),
        url::Host::Ipv6(address) => address.is_loopback(),
    }
}

fn excerpt(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::Router;
    use axum::response::Redirect;
    use axum::routing::get;

    use super::*;

    async fn server() -> SocketAddr {
        let router = Router::new()
            .route("/ten", get(|| async { "0123456789" }))
            .route("/away", get(|| async { Redirect::temporary("/ten") }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }

    #[tokio::test]
    async fn answers_are_bounded_and_redirects_are_not_followed() {
        let (outgoing, address) = (Outgoing::new(&Settings::default()).unwrap(), server().await);
        let ask = async |path: &str, most| {
            let request = outgoing.get(&format!("http://{address}{path}")).unwrap();
            outgoing.send(request, most).await
        };
        let answer = ask("/ten", 10).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.body.as_slice()), (200, &b"0123456789"[..]));
        assert!(matches!(ask("/ten", 9).await, Err(OutgoingError::TooLarge(9))));
        assert_eq!(ask("/away", 100).await.unwrap().status.as_u16(), 307);
    }

    #[test]
    fn plain_http_stays_on_this_machine() {
        let check = |address: &str, allowed: bool, allowed_with_danger: bool| {
            for (danger_plain_http, expected) in [(false, allowed), (true, allowed_with_danger)] {
                let settings = Settings { danger_plain_http, ..Settings::default() };
                let found = Outgoing::new(&settings).unwrap().parse(address);
                assert_eq!(found.is_ok(), expected, "{address} {found:?}");
            }
        };
        check("https://w.example/a", true, true);
        check("http://127.0.0.1:80/", true, true);
        check("http://[::1]/", true, true);
        check("http://localhost/", true, true);
        check("http://w.example/", false, true);
        check("http://127.0.0.1.w.example/", false, true);
        check("http://10.0.0.1/", false, true);
        for none in ["", "w.example", "ftp://127.0.0.1/", "file:///etc/passwd", "https://"] {
            check(none, false, false);
        }
    }

    #[tokio::test]
    async fn what_is_within_this_machine_is_out_of_reach() {
        let outgoing = Outgoing::within(Reach::Public, &Settings::default()).unwrap();
        for address in
            ["https://127.0.0.1/", "https://[::1]/", "https://2130706433/", "https://10.1/"]
        {
            let refused = outgoing.post(address);
            assert!(matches!(refused, Err(OutgoingError::NotPublic(_))), "{address} {refused:?}");
        }
        let port = server().await.port();
        let request = outgoing.get(&format!("http://localhost:{port}/ten")).unwrap();
        let refused = outgoing.send(request, 10).await.unwrap_err();
        let told = crate::error::chain(&refused);
        assert!(told.contains("no public address"), "{told}");
    }

    #[test]
    fn a_file_without_authorities_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        for text in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n"] {
            std::fs::write(&path, text).unwrap();
            let settings = Settings { authorities: Some(path.clone()), ..Settings::default() };
            assert!(Outgoing::new(&settings).is_err(), "{text:?}");
        }
    }
}
