//! ID tokens of OpenID Connect issuers: three parts, one of two algorithms, one reading.
//!
//! The algorithm is the key's and not the token's word: an RSA key checks RS256, a P-256 key ES256,
//! and there is no third way, so neither `none` nor a public key taken for a shared secret can be
//! asked for. Keys come from where the operator has said, never from the token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use schemas::id::Time;
use verifier::json::{self, Value};

/// Longest ID token, in bytes. Those of forges have some 2 KiB.
pub const ID_TOKEN_BYTES_MAX: usize = 16 << 10;

/// Most keys of one issuer.
const KEYS_MAX: usize = 64;

/// Clocks differ: a token may be from so far ahead.
const AHEAD_MS: i64 = 60_000;

/// Why an ID token is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenError {
    #[error("{0} bytes; an ID token has at most {ID_TOKEN_BYTES_MAX}")]
    TooLarge(usize),
    #[error("{0}")]
    Malformed(&'static str),
    #[error("algorithm {0:?}; only RS256 and ES256 are accepted")]
    Algorithm(String),
    #[error("no rule names the issuer {0:?}")]
    Issuer(String),
    #[error("the issuer has no key {0:?} for this algorithm")]
    Key(String),
    #[error("the signature is not that of the issuer's key")]
    Signature,
    #[error("it is not meant for {0} alone")]
    Audience(String),
    #[error("it expired at {0}")]
    Expired(Time),
    #[error("it is not valid before {0}")]
    Early(Time),
}

/// How an issuer signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    Rs256,
    Es256,
}

/// A key of an issuer, with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerKey {
    pub id: String,
    material: Material,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Material {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// The uncompressed point.
    P256(Vec<u8>),
}

/// An ID token whose claims nobody has vouched for yet.
pub struct Unverified<'a> {
    pub issuer: String,
    pub key_id: String,
    pub algorithm: Algorithm,
    signed: &'a [u8],
    signature: Vec<u8>,
    payload: Vec<u8>,
}

/// Claims that the issuer has signed, for us, and that hold now: as JSON of one reading.
#[derive(Debug, Clone)]
pub struct Claims(Vec<u8>);

impl Claims {
    /// A claim that is text.
    pub fn text(&self, name: &str) -> Option<String> {
        let claims = json::parse(&self.0).ok()?;
        claims.get(name)?.as_str().map(str::to_owned)
    }

    /// Whether a claim says yes, as a word or as itself: issuers do either.
    pub fn says_yes(&self, name: &str) -> bool {
        let Ok(claims) = json::parse(&self.0) else { return false };
        let claim = claims.get(name);
        claim.and_then(Value::as_bool) == Some(true)
            || claim.and_then(Value::as_str) == Some("true")
    }
}

/// Takes a token apart. Nothing in it is believed yet.
pub fn parse(text: &str) -> Result<Unverified<'_>, IdTokenError> {
    if text.len() > ID_TOKEN_BYTES_MAX {
        return Err(IdTokenError::TooLarge(text.len()));
    }
    let malformed = IdTokenError::Malformed;
    let (signed, signature) =
        text.rsplit_once('.').ok_or(malformed("a JWT has three parts with dots between"))?;
    let (header, payload) =
        signed.split_once('.').ok_or(malformed("a JWT has three parts with dots between"))?;
    let decode =
        |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed("a part is no base64url"));
    let (header, payload, signature) = (decode(header)?, decode(payload)?, decode(signature)?);
    let header = json::parse(&header).map_err(|_| malformed("the header is no strict JSON"))?;
    let claims = json::parse(&payload).map_err(|_| malformed("the claims are no strict JSON"))?;
    let algorithm = match header.get("alg").and_then(Value::as_str) {
        Some("RS256") => Algorithm::Rs256,
        Some("ES256") => Algorithm::Es256,
        other => {
            let named = other.unwrap_or_default().chars().take(32).collect();
            return Err(IdTokenError::Algorithm(named));
        }
    };
    if header.get("crit").is_some() {
        return Err(malformed("the header demands extensions"));
    }
    let kind = header.get("typ").map(|kind| kind.as_str().unwrap_or_default());
    if kind.is_some_and(|kind| !kind.eq_ignore_ascii_case("jwt")) {
        return Err(malformed("the header says that it is something else than a JWT"));
    }
    let text_of = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let issuer = text_of(claims.get("iss")).ok_or(malformed("the claims name no issuer"))?;
    let key_id = text_of(header.get("kid")).unwrap_or_default();
    drop((header, claims));
    Ok(Unverified { issuer, key_id, algorithm, signed: signed.as_bytes(), signature, payload })
}

impl Unverified<'_> {
    /// Checks signature, audience and times.
    pub fn verify(
        self,
        keys: &[IssuerKey],
        audience: &str,
        now: Time,
    ) -> Result<Claims, IdTokenError> {
        let key = find(keys, &self.key_id, self.algorithm);
        let key = key.ok_or_else(|| IdTokenError::Key(self.key_id.chars().take(64).collect()))?;
        if !key.has_signed(self.signed, &self.signature) {
            return Err(IdTokenError::Signature);
        }
        let claims = json::parse(&self.payload)
            .map_err(|_| IdTokenError::Malformed("the claims are no strict JSON"))?;
        // One that others may use as well could be brought here by any of them.
        let meant = match claims.get("aud") {
            Some(Value::Array(all)) if all.len() == 1 => all[0].as_str(),
            other => other.and_then(Value::as_str),
        };
        if meant != Some(audience) {
            return Err(IdTokenError::Audience(audience.to_owned()));
        }
        let time = |name: &str| -> Result<Option<Time>, IdTokenError> {
            let Some(value) = claims.get(name) else { return Ok(None) };
            let seconds = value.as_u64().and_then(|it| i64::try_from(it).ok());
            let ms = seconds.and_then(|it| it.checked_mul(1000));
            // Far beyond the year 9999 a time has no spelling.
            let ms = ms.filter(|ms| *ms < 253_402_300_800_000);
            ms.map(|ms| Some(Time(ms))).ok_or(IdTokenError::Malformed("a time is no whole number"))
        };
        let expires = time("exp")?.ok_or(IdTokenError::Malformed("it never expires"))?;
        if expires <= now {
            return Err(IdTokenError::Expired(expires));
        }
        let from = time("nbf")?.max(time("iat")?);
        if let Some(from) = from.filter(|from| *from > now.plus_ms(AHEAD_MS)) {
            return Err(IdTokenError::Early(from));
        }
        drop(claims);
        Ok(Claims(self.payload))
    }
}

/// The key of this name that signs so. Whoever names none fits none.
pub fn find<'k>(keys: &'k [IssuerKey], id: &str, algorithm: Algorithm) -> Option<&'k IssuerKey> {
    let fits = |key: &&IssuerKey| key.id == id && key.algorithm() == algorithm;
    keys.iter().find(fits).filter(|_| !id.is_empty())
}

impl IssuerKey {
    fn algorithm(&self) -> Algorithm {
        match self.material {
            Material::Rsa { .. } => Algorithm::Rs256,
            Material::P256(_) => Algorithm::Es256,
        }
    }

    fn has_signed(&self, signed: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Rsa { n, e } => RsaPublicKeyComponents { n, e }
                .verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature)
                .is_ok(),
            Material::P256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(signed, signature)
                .is_ok(),
        }
    }
}

/// Reads a key set (RFC 7517). Keys for other uses and algorithms are passed over.
pub fn parse_keys(bytes: &[u8]) -> Result<Vec<IssuerKey>, &'static str> {
    let set = json::parse(bytes).map_err(|_| "the key set is no strict JSON")?;
    let keys = set.get("keys").and_then(Value::as_array).ok_or("the key set has no keys")?;
    if keys.len() > KEYS_MAX {
        return Err("the key set has more than 64 keys");
    }
    Ok(keys.iter().filter_map(parse_key).collect())
}

fn parse_key(key: &Value) -> Option<IssuerKey> {
    let text = |name: &str| key.get(name).map(|value| value.as_str().unwrap_or_default());
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
    let for_signing = text("use").is_none_or(|it| it == "sig");
    let material = match (text("kty")?, text("crv"), text("alg")) {
        ("RSA", None, None | Some("RS256")) => {
            let strip = |bytes: Vec<u8>| bytes.into_iter().skip_while(|byte| *byte == 0).collect();
            Material::Rsa { n: strip(bytes("n")?), e: strip(bytes("e")?) }
        }
        ("EC", Some("P-256"), None | Some("ES256")) => {
            let (x, y) = (bytes("x")?, bytes("y")?);
            let whole = x.len() == 32 && y.len() == 32;
            whole.then(|| Material::P256([&[4], x.as_slice(), y.as_slice()].concat()))?
        }
        _ => return None,
    };
    let id = text("kid").filter(|id| !id.is_empty())?.to_owned();
    for_signing.then_some(IssuerKey { id, material })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, claims: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.{}", part(header), part(claims), part("signature"))
    }

    fn check(header: &str, claims: &str, expected: &str) {
        let text = token(header, claims);
        let found = parse(&text).map_or_else(|cause| cause.to_string(), |it| it.issuer);
        assert!(found.contains(expected), "{header} {claims}: {found}, not {expected}");
    }

    #[test]
    fn a_token_has_one_reading() {
        let claims = r#"{"iss":"https://i.example"}"#;
        check(r#"{"alg":"RS256","kid":"k"}"#, claims, "https://i.example");
        check(r#"{"alg":"ES256","typ":"JWT"}"#, claims, "https://i.example");
        for alg in ["none", "None", "HS256", "RS384", "PS256", "EdDSA", "", "rs256"] {
            check(&format!(r#"{{"alg":"{alg}"}}"#), claims, "only RS256 and ES256");
        }
        check("{}", claims, "only RS256 and ES256");
        check(r#"{"alg":["RS256"]}"#, claims, "only RS256 and ES256");
        check(r#"{"alg":"RS256","alg":"none"}"#, claims, "header is no strict JSON");
        check(r#"{"alg":"RS256","crit":["b64"]}"#, claims, "demands extensions");
        check(r#"{"alg":"RS256","typ":"at+jwt"}"#, claims, "something else than a JWT");
        check(r#"{"alg":"RS256"}"#, r#"{"iss":"a","iss":"b"}"#, "claims are no strict JSON");
        check(r#"{"alg":"RS256"}"#, "{}", "name no issuer");
        check(r#"{"alg":"RS256"}"#, r#"{"iss":7}"#, "name no issuer");
        for bad in ["", ".", "..", "a.b", "a.b.c", "*.*.*", "eyJ9.eyJ9=.x"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        let long = "x".repeat(ID_TOKEN_BYTES_MAX + 1);
        assert!(matches!(parse(&long), Err(IdTokenError::TooLarge(_))));
    }

    #[test]
    fn keys_are_for_one_algorithm_and_have_names() {
        let point = URL_SAFE_NO_PAD.encode([7; 32]);
        let ec = |more: &str| {
            let set = format!(
                r#"{{"keys":[{{"kty":"EC","crv":"P-256","x":"{point}","y":"{point}"{more}}}]}}"#
            );
            parse_keys(set.as_bytes()).unwrap()
        };
        let keys = ec(r#","kid":"k""#);
        assert!(find(&keys, "k", Algorithm::Es256).is_some());
        assert!(find(&keys, "k", Algorithm::Rs256).is_none());
        assert!(find(&keys, "", Algorithm::Es256).is_none());
        assert_eq!(ec(""), []);
        assert_eq!(ec(r#","kid":"""#), []);
        assert_eq!(ec(r#","kid":"k","use":"enc""#), []);
        assert_eq!(ec(r#","kid":"k","alg":"HS256""#), []);
        assert_eq!(ec(r#","kid":"k","alg":"ES384""#), []);
        let shared = br#"{"keys":[{"kty":"oct","k":"AAAA","kid":"k","alg":"HS256"}]}"#;
        assert_eq!(parse_keys(shared).unwrap(), []);
        for bad in ["", "[]", "{}", r#"{"keys":7}"#, r#"{"keys":[],"keys":[]}"#] {
            assert!(parse_keys(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
