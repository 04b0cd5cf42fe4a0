//! Why somebody gave no answer, in the few words that a reader can act on.

use std::error::Error;

use super::CONNECT_MAX;

/// The reason alone. The libraries below say first which of their layers has failed, and put what
/// has happened (`connection refused`) behind it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Silence(String);

impl Silence {
    pub(super) fn of(cause: &reqwest::Error) -> Silence {
        Silence(match (cause.is_timeout(), cause.is_connect()) {
            (true, true) => format!("connect timed out after {} s", CONNECT_MAX.as_secs()),
            (true, false) => "no whole answer in time".to_owned(),
            (false, _) => innermost(cause),
        })
    }
}

/// The last of a chain of causes, without the number that the system has for it.
fn innermost(cause: &dyn Error) -> String {
    let mut last = cause;
    while let Some(behind) = last.source() {
        last = behind;
    }
    let text = last.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    // `Connection refused`, but not `DNS …`: a name stays as it is.
    let is_word = text.chars().nth(1).is_some_and(char::is_lowercase);
    match text.chars().next().filter(|_| is_word) {
        Some(first) => format!("{}{}", first.to_lowercase(), &text[first.len_utf8()..]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;
    use crate::error::chain;
    use crate::outgoing::{Outgoing, OutgoingError, Settings};

    #[test]
    fn the_last_cause_is_told_without_its_number() {
        let refused = io::Error::from_raw_os_error(111);
        assert_eq!(innermost(&refused), "connection refused");
        let certificate =
            rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let wrapped = io::Error::new(io::ErrorKind::InvalidData, certificate);
        assert_eq!(innermost(&wrapped), "invalid peer certificate: UnknownIssuer");
        assert_eq!(innermost(&io::Error::other("DNS says no")), "DNS says no");
        assert_eq!(innermost(&io::Error::other("")), "");
    }

    async fn asked(address: &str) -> String {
        let outgoing = Outgoing::new(&Settings::default()).unwrap();
        let request = outgoing.get(&format!("http://{address}/")).unwrap();
        let request = request.timeout(Duration::from_millis(500));
        let cause = outgoing.send(request, 10).await.unwrap_err();
        assert!(matches!(cause, OutgoingError::NoAnswer(..)), "{cause:?}");
        chain(&cause)
    }

    #[tokio::test]
    async fn nobody_there_somebody_silent_and_somebody_who_hangs_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        // The system takes the connection, and nobody ever answers on it.
        assert_eq!(asked(&address).await, "127.0.0.1 did not answer: no whole answer in time");
        drop(listener);
        assert_eq!(asked(&address).await, "127.0.0.1 did not answer: connection refused");

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((mut peer, _)) = listener.accept().await {
                let _ = peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await;
            }
        });
        let told = asked(&address).await;
        assert!(told.starts_with("127.0.0.1 did not answer: "), "{told}");
        assert!(!told.contains("os error") && told.len() < 100, "{told}");
    }
}
