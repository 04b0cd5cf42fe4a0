//! Changes of a trust document: pure functions of the document in force and what was asked.

use std::collections::BTreeSet;

use schemas::id::{Digest, IdentityName, KeyId};
use schemas::trust::{ALL_PROJECTS, Compromise, Grant, Identity, KeyText, TrustDocument, role};
use verifier::merkle::sha256;
use verifier::signature::PublicKey;
use verifier::signature::ecdsa::SignatureForm;
use verifier::trust::{decode_key, encode_key};

use super::sigstore;
use super::{AddArgs, CompromiseArgs, RevokeArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::key::ssh;

/// Reads public keys, in PEM or as SSH has them; `raw` says that signatures of P-256 keys are r and s.
pub fn read_public(files: &[String], raw: bool, io: &mut Io) -> Result<Vec<KeyText>, Failure> {
    let mut keys = Vec::new();
    for file in files {
        if file.is_empty() {
            return Err(crate::argument::empty("--pub"));
        }
        let bytes = io.read_file(file, 16_384)?;
        let text = String::from_utf8_lossy(&bytes);
        if text.contains("PRIVATE KEY") {
            return Err(Failure::usage(format!("{file} is a private key"))
                .hint(format!("give the public half: --pub {file}.pub")));
        }
        let key = if ssh::is_line(&text) {
            ssh::parse_line(file, &text)?
        } else {
            PublicKey::from_spki_pem(&text).map_err(|cause| {
                Failure::new(Exit::Usage, "key-malformed", format!("{file}: {cause}"))
            })?
        };
        keys.push(encode_key(&match key {
            PublicKey::P256(key) if raw => PublicKey::P256(key.with_form(SignatureForm::Raw)),
            _ if raw => {
                return Err(Failure::usage(format!("{file}: --raw-signatures is for P-256 keys")));
            }
            key => key,
        }));
    }
    Ok(keys)
}

pub fn parse_name(text: &str) -> Result<IdentityName, Failure> {
    if text.is_empty() {
        return Err(crate::argument::empty("NAME"));
    }
    text.parse().map_err(|cause| Failure::usage(format!("{cause}")))
}

/// Adds an identity, or keys, aliases, a card and a grant to one that is there.
pub fn add(
    document: &mut TrustDocument,
    args: &AddArgs,
    keys: &[KeyText],
    card: Option<&[u8]>,
) -> Result<String, Failure> {
    let name = parse_name(&args.name)?;
    let at = document.identities.iter().position(|identity| identity.name == name);
    let new = at.is_none();
    let sigstore = sigstore::name_of(args, document)?;
    if new && keys.is_empty() && sigstore.is_none() {
        return Err(Failure::usage(format!("{name} is new, and has no key")).hint("--pub FILE.pub"));
    }
    let at = at.unwrap_or_else(|| {
        let (name, keys, sigstore, aliases) = (name.clone(), Vec::new(), Vec::new(), Vec::new());
        document.identities.push(Identity { name, keys, sigstore, aliases, card: None });
        document.identities.len() - 1
    });
    let identity = &mut document.identities[at];
    let fresh: Vec<KeyText> =
        keys.iter().filter(|key| !identity.keys.contains(key)).cloned().collect();
    identity.keys.extend(fresh);
    let certified = sigstore.is_some();
    identity.sigstore.extend(sigstore);
    for alias in &args.aliases {
        if !identity.aliases.contains(alias) {
            identity.aliases.push(alias.clone());
        }
    }
    if let Some(card) = card {
        identity.card = Some(Digest::sha256(&sha256(&[card])));
    }
    let granted = grant(document, &name, args)?;
    let changed = !keys.is_empty()
        || certified
        || !args.aliases.is_empty()
        || card.is_some()
        || granted.is_some();
    if !changed && args.role.is_some() {
        return Err(Failure::usage(format!("{name} has that already")));
    }
    if !changed {
        return Err(Failure::usage("nothing to add")
            .hint("--role R --project P, --pub F, --alias A or --card F"));
    }
    Ok(match (new, granted) {
        (true, Some(role)) => format!("added {name} as {role}"),
        (true, None) => format!("added {name}"),
        (false, Some(role)) => format!("gave {name} the role {role}"),
        (false, None) => format!("changed {name}"),
    })
}

fn grant(
    document: &mut TrustDocument,
    name: &IdentityName,
    args: &AddArgs,
) -> Result<Option<String>, Failure> {
    let Some(role) = args.role.clone() else {
        if args.kinds.is_empty() && args.projects.is_empty() && args.environments.is_empty() {
            return Ok(None);
        }
        return Err(Failure::usage("--role is missing"));
    };
    check_grant(&role, args)?;
    let environments = args.environments.iter().map(|text| text.parse()).collect::<Result<_, _>>();
    let grant = Grant {
        identity: name.clone(),
        role: role.clone(),
        kinds: args.kinds.iter().map(|word| kind_name(word)).collect(),
        projects: args.projects.clone(),
        environments: environments
            .map_err(|cause| Failure::usage(format!("--environment: {cause}")))?,
    };
    if document.grants.contains(&grant) {
        return Ok(None);
    }
    document.grants.push(grant);
    Ok(Some(role))
}

/// The aliases of kinds are accepted here as they are in `record`.
fn kind_name(word: &str) -> String {
    match word {
        "scan" => "vulnerabilities",
        "coverage" => "measurement",
        other => other,
    }
    .to_owned()
}

fn check_grant(role: &str, args: &AddArgs) -> Result<(), Failure> {
    if !role::is_word(role) {
        return Err(Failure::usage(format!(
            "--role {role:?}: a role is lower-case letters, digits and hyphens"
        )));
    }
    let empty = |list: &[String]| list.iter().any(String::is_empty);
    if empty(&args.projects) || empty(&args.kinds) || empty(&args.environments) {
        return Err(Failure::usage("an option is empty").hint("is your variable empty?"));
    }
    if args.projects.is_empty() {
        return Err(Failure::usage("--project is missing")
            .hint(format!("--project P, or --project '{ALL_PROJECTS}' for every project")));
    }
    if (role == role::EMITTER) == args.kinds.is_empty() {
        let message = "an emitter lists the kinds that it records, other roles none";
        return Err(Failure::usage(message).hint(
            "--kind build --kind test --kind scan --kind sbom --kind analysis --kind coverage",
        ));
    }
    Ok(())
}

/// Takes a role away, or all grants and keys.
pub fn revoke(document: &mut TrustDocument, args: &RevokeArgs) -> Result<String, Failure> {
    let name = parse_name(&args.name)?;
    if !document.identities.iter().any(|identity| identity.name == name) {
        return Err(unknown(document, &name));
    }
    let before = document.grants.len();
    let goes = |grant: &Grant| {
        grant.identity == name && args.role.as_ref().is_none_or(|role| *role == grant.role)
    };
    document.grants.retain(|grant| !goes(grant));
    if let Some(role) = &args.role {
        if document.grants.len() == before {
            return Err(Failure::not_found(format!("{name} is no {role}")));
        }
        return Ok(format!("{name} is no {role} any more"));
    }
    // The identity stays by name and alias, so that old commits keep their author.
    for identity in document.identities.iter_mut().filter(|identity| identity.name == name) {
        identity.keys.clear();
        identity.sigstore.clear();
    }
    Ok(format!("{name} may sign nothing any more"))
}

fn unknown(document: &TrustDocument, name: &IdentityName) -> Failure {
    let names: Vec<&str> = document.identities.iter().map(|it| it.name.as_str()).collect();
    Failure::not_found(format!("there is no identity {name}"))
        .hint(format!("there are: {}", names.join(", ")))
}

/// The keys that a document gives to a name.
pub fn keys_of(document: &TrustDocument, name: &IdentityName) -> Vec<KeyId> {
    let mut identities = document.identities.iter();
    let Some(identity) = identities.find(|identity| identity.name == *name) else {
        return Vec::new();
    };
    let decoded = identity.keys.iter().filter_map(|key| decode_key(key).ok());
    let certified = identity.sigstore.iter().map(verifier::sigstore::key_id);
    decoded.map(|key| key.key_id()).chain(certified).collect()
}

/// Notes that a key is compromised from an entry on.
///
/// Whose keys were taken away is asked for those that they had: `former` finds them in the log.
pub fn compromise(
    document: &mut TrustDocument,
    args: &CompromiseArgs,
    former: impl FnOnce(&IdentityName) -> Result<BTreeSet<KeyId>, Failure>,
) -> Result<String, Failure> {
    let keys = match args.whose.parse::<KeyId>() {
        Ok(key) => vec![key],
        Err(_) => {
            let name = parse_name(&args.whose)?;
            if !document.identities.iter().any(|identity| identity.name == name) {
                return Err(unknown(document, &name));
            }
            match keys_of(document, &name) {
                none if none.is_empty() => former(&name)?.into_iter().collect(),
                keys => keys,
            }
        }
    };
    if keys.is_empty() {
        return Err(Failure::not_found(format!("{} never had a key", args.whose))
            .hint("attestry trust show lists the keys of each identity"));
    }
    for key in &keys {
        match document.compromises.iter_mut().find(|notice| notice.key == *key) {
            Some(notice) => notice.from = notice.from.min(args.from),
            None => document.compromises.push(Compromise { key: *key, from: args.from }),
        }
    }
    let names: Vec<String> = keys.iter().map(KeyId::short).collect();
    Ok(format!(
        "what key {} signed at or after entry {} does not count",
        names.join(", "),
        args.from
    ))
}
