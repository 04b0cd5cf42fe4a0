//! Where a database is: `postgres://user@host/database?option=value`, never printed with a password.

use std::fmt;

use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

use crate::store::StoreError;

/// The options that an address may carry. Others are refused rather than ignored.
const OPTIONS: [&str; 11] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// The address of a database, as libpq and `psql` write it.
///
/// The password is better in `PGPASSWORD`, or in the file that `PGPASSFILE` names: an address is
/// shown to everybody who lists processes.
#[derive(Clone)]
pub struct Address {
    shown: String,
    options: Box<PgConnectOptions>,
}

impl Address {
    /// True for what is meant as an address and not as a path.
    pub fn is_one(text: &str) -> bool {
        text.starts_with("postgres:") || text.starts_with("postgresql:")
    }

    pub fn parse(text: &str) -> Result<Address, StoreError> {
        let wrong = |cause: &str| StoreError::Address { cause: cause.to_owned() };
        let url = Url::parse(text).map_err(|cause| wrong(&cause.to_string()))?;
        if !Address::is_one(text) || !url.has_authority() {
            return Err(wrong("it begins with postgres://"));
        }
        if url.fragment().is_some() {
            return Err(wrong("a # in it is written %23"));
        }
        for (name, _) in url.query_pairs() {
            if !OPTIONS.contains(&name.as_ref()) {
                return Err(wrong(&format!("it has the unknown option {name}")));
            }
        }
        let options = PgConnectOptions::from_url(&url).map_err(|cause| wrong(&told(&cause)))?;
        let options = strict_about_tls(options, &url).disable_statement_logging();
        Ok(Address { shown: without_password(url), options: Box::new(options) })
    }

    pub(super) fn options(&self) -> PgConnectOptions {
        PgConnectOptions::clone(&self.options)
    }
}

/// Asks for a proven server where nothing is said and the way leads over a network.
///
/// `prefer`, the default elsewhere, takes whatever answers, without encryption if it says so: who
/// is on the way could read every envelope, and be the database.
fn strict_about_tls(options: PgConnectOptions, url: &Url) -> PgConnectOptions {
    let said = url.query_pairs().any(|(name, _)| name == "sslmode")
        || std::env::var_os("PGSSLMODE").is_some();
    let host = options.get_host();
    let local = options.get_socket().is_some()
        || host.starts_with('/')
        || ["localhost", "127.0.0.1", "::1", "[::1]"].contains(&host);
    if said || local { options } else { options.ssl_mode(PgSslMode::VerifyFull) }
}

/// What the driver has against it. It never quotes the password.
fn told(cause: &sqlx::Error) -> String {
    match cause {
        sqlx::Error::Configuration(cause) => cause.to_string(),
        cause => cause.to_string(),
    }
}

fn without_password(mut url: Url) -> String {
    // Fails only where there is no host, and then there is no password either.
    let _ = url.set_password(None);
    if url.query_pairs().any(|(name, _)| name == "password") {
        let rest: Vec<(String, String)> =
            url.query_pairs().filter(|(name, _)| name != "password").map(owned).collect();
        url.set_query(None);
        if !rest.is_empty() {
            url.query_pairs_mut().extend_pairs(rest);
        }
    }
    url.into()
}

fn owned<A: Into<String>, B: Into<String>>((name, value): (A, B)) -> (String, String) {
    (name.into(), value.into())
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_shown() {
        let cases = [
            ("postgres://u@h/d", "postgres://u@h/d"),
            ("postgres://u:secret@h:99/d", "postgres://u@h:99/d"),
            ("postgresql://u:se%40cret@h/d?sslmode=require", "postgresql://u@h/d?sslmode=require"),
            ("postgres://u@h/d?password=secret", "postgres://u@h/d"),
            ("postgres:///d?host=/tmp&password=secret&user=u", "postgres:///d?host=%2Ftmp&user=u"),
            ("postgres://u:secret@%2Frun%2Fpg/d", "postgres://u@%2Frun%2Fpg/d"),
        ];
        for (text, shown) in cases {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.to_string(), shown, "{text}");
            assert!(!format!("{address:?}").contains("cret"), "{text}");
            assert_eq!(Address::parse(shown).unwrap().to_string(), shown, "{shown}");
        }
    }

    #[test]
    fn odd_addresses_are_refused_without_their_password() {
        for text in [
            "",
            "postgres",
            "postgres:d",
            "mysql://u:secret@h/d",
            "postgres://u:secret@h/d?sslpassword=secret",
            "postgres://u:secret@h/d?sslmode=sometimes",
            "postgres://u:secret@h/d#secret",
            "postgres://u:secret@h:port/d",
        ] {
            let error = Address::parse(text).unwrap_err();
            assert!(matches!(error, StoreError::Address { .. }), "{text}: {error}");
            assert!(!format!("{error} {error:?}").contains("secret"), "{text}: {error}");
        }
    }

    #[test]
    fn a_server_over_the_network_must_prove_itself() {
        let full = |text| {
            let options = Address::parse(text).unwrap().options();
            matches!(options.get_ssl_mode(), PgSslMode::VerifyFull)
        };
        assert!(full("postgres://u@db.example/d"));
        assert!(!full("postgres://u@db.example/d?sslmode=require"));
        assert!(!full("postgres://u@localhost/d"));
        assert!(!full("postgres://u@[::1]/d"));
        assert!(!full("postgres:///d?host=/tmp"));
    }
}
