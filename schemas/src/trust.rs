//! The trust document: root keys, identities, their keys, and what they may do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{Digest, EntryIndex, EnvironmentName, IdentityName, KeyId, Origin};

/// The entry format that this document's log keeps for its life.
pub const ENTRY_VERSION: &str = "attestry/entry/v1";

/// Most identities of a ledger.
pub const IDENTITIES_MAX: usize = 10_000;

/// Most trusted roots of Sigstore instances.
pub const SIGSTORE_ROOTS_MAX: usize = 8;

/// Longest trusted root of a Sigstore instance, in bytes; the largest in use is a quarter of it.
pub const SIGSTORE_ROOT_BYTES_MAX: usize = 131_072;

/// Longest issuer and subject of a Sigstore identity, in bytes.
pub const SIGSTORE_NAME_BYTES_MAX: usize = 1_024;

/// Everything that decides who may say what, from the entry that logs it to the one that replaces
/// it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrustDocument {
    pub origin: Origin,
    pub entry: String,
    pub rules: u32,
    /// The vkey of the log key: `name+hash+key`.
    pub log_key: String,
    pub roots: Roots,
    pub identities: Vec<Identity>,
    pub grants: Vec<Grant>,
    /// The `trusted_root.json` of each Sigstore instance that is believed, as text: SHA-256 of it is
    /// that of the file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sigstore_roots: Vec<String>,
    /// Notices of compromised keys; a later document may add to them and never drop one.
    #[serde(default)]
    pub compromises: Vec<Compromise>,
}

/// The keys that sign trust documents, and how many of them are needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Roots {
    pub threshold: u32,
    pub keys: Vec<KeyText>,
}

/// A public key: algorithm and base64 of its DER SubjectPublicKeyInfo, or of its SSH wire format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyText {
    pub algorithm: KeyAlgorithm,
    pub key: String,
    /// The pages that may ask a passkey; the key itself names its relying party.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KeyAlgorithm {
    Ed25519,
    /// ECDSA over P-256 with SHA-256, signatures in ASN.1 DER.
    EcdsaP256,
    /// The same with signatures of 64 bytes, r and s.
    EcdsaP256Raw,
    /// An SSH key, a security key's among them; signatures are SSHSIG blobs.
    Ssh,
    /// A security key's SSH key that browsers ask; signatures are SSHSIG blobs of WebAuthn.
    Passkey,
}

/// Somebody who signs: a name (a pseudonym if you like) with keys and aliases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    pub name: IdentityName,
    pub keys: Vec<KeyText>,
    /// Whom a Sigstore instance certifies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sigstore: Vec<SigstoreName>,
    /// Forge logins and commit e-mails (or their hashes) by which reviews name this identity.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Digest of the person card: a salted attachment that can be erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<Digest>,
}

/// Who signed, as a Sigstore certificate says it: both compared exactly, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SigstoreName {
    /// The address of whoever vouched, such as `https://token.actions.githubusercontent.com`.
    pub issuer: String,
    /// A workflow's address or an e-mail address.
    pub subject: String,
}

impl SigstoreName {
    /// True where both are 1 to 1,024 bytes without control characters.
    pub fn is_sound(&self) -> bool {
        [&self.issuer, &self.subject].into_iter().all(|text| {
            (1..=SIGSTORE_NAME_BYTES_MAX).contains(&text.len())
                && !text.chars().any(char::is_control)
        })
    }
}

/// A role that an identity has, for projects and environments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    pub identity: IdentityName,
    /// `emitter`, `release-manager`, `policy-admin`, `admin`, `auditor`, `service`; any other word
    /// is an approval role.
    pub role: String,
    /// Kinds that an emitter may record; empty for other roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
    /// Project names, or the one word `*` for all of them.
    pub projects: Vec<String>,
    /// Empty: every environment of those projects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<EnvironmentName>,
}

/// What this key signed at or after this index does not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Compromise {
    pub key: KeyId,
    pub from: EntryIndex,
}

/// The project word of a grant that covers every project.
pub const ALL_PROJECTS: &str = "*";

/// The roles that mean something to the ledger itself.
pub mod role {
    pub const EMITTER: &str = "emitter";
    pub const RELEASE_MANAGER: &str = "release-manager";
    pub const POLICY_ADMIN: &str = "policy-admin";
    pub const ADMIN: &str = "admin";
    pub const AUDITOR: &str = "auditor";
    pub const SERVICE: &str = "service";
    pub const KNOWN: [&str; 6] = [EMITTER, RELEASE_MANAGER, POLICY_ADMIN, ADMIN, AUDITOR, SERVICE];

    /// True for a word that may be granted: lower-case letters, digits and hyphens.
    pub fn is_word(role: &str) -> bool {
        (1..=63).contains(&role.len())
            && role.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    }

    /// True for the words that make their holder an approver.
    pub fn is_approval(role: &str) -> bool {
        is_word(role) && !KNOWN.contains(&role)
    }
}
