//! Sigstore in a trust document: which instances are believed, and whom they certify.

use schemas::trust::{SIGSTORE_ROOT_BYTES_MAX, SigstoreName, TrustDocument};
use verifier::sigstore::SigstoreRoot;

use super::AddArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;

/// Reads trusted roots, and says what is wrong with one before anything is signed.
pub fn read_roots(files: &[String], io: &mut Io) -> Result<Vec<String>, Failure> {
    let mut roots = Vec::with_capacity(files.len());
    for file in files {
        if file.is_empty() {
            return Err(crate::argument::empty("a file"));
        }
        let bytes = io.read_file(file, SIGSTORE_ROOT_BYTES_MAX as u64)?;
        let malformed = |cause: String| {
            Failure::new(Exit::Usage, "sigstore-root-malformed", format!("{file}: {cause}")).hint(
                "a trusted_root.json, as `cosign trusted-root create` or Sigstore's TUF give it",
            )
        };
        let text = String::from_utf8(bytes).map_err(|cause| malformed(cause.to_string()))?;
        SigstoreRoot::parse(&text).map_err(|cause| malformed(cause.to_string()))?;
        roots.push(text);
    }
    Ok(roots)
}

/// Puts these roots in place of those before.
pub fn set_roots(document: &mut TrustDocument, roots: Vec<String>) -> Result<String, Failure> {
    if document.sigstore_roots == roots {
        return Err(Failure::usage("these are the trusted roots already"));
    }
    let certified = document.identities.iter().find(|identity| !identity.sigstore.is_empty());
    if let Some(identity) = certified.filter(|_| roots.is_empty()) {
        return Err(Failure::usage(format!("{} signs by Sigstore", identity.name))
            .hint(format!("take that away first: attestry identity revoke {}", identity.name)));
    }
    document.sigstore_roots = roots;
    let digests: Vec<String> = digests(document);
    Ok(match digests.as_slice() {
        [] => "no Sigstore instance is believed".to_owned(),
        _ => format!("bundles are checked by trusted root {}", digests.join(", ")),
    })
}

/// SHA-256 of each root, as `sha256sum trusted_root.json` prints it.
pub fn digests(document: &TrustDocument) -> Vec<String> {
    let digest = |text: &String| verifier::merkle::sha256(&[text.as_bytes()]).to_string();
    document.sigstore_roots.iter().map(digest).collect()
}

/// The certified name of an identity to add.
pub fn name_of(args: &AddArgs, document: &TrustDocument) -> Result<Option<SigstoreName>, Failure> {
    let (Some(issuer), Some(subject)) = (&args.sigstore_issuer, &args.sigstore_subject) else {
        return Ok(None);
    };
    let name = SigstoreName { issuer: issuer.clone(), subject: subject.clone() };
    if !name.is_sound() {
        let message = "--sigstore-issuer and --sigstore-subject are 1 to 1,024 bytes";
        return Err(Failure::usage(message).hint("is your variable empty?"));
    }
    if document.sigstore_roots.is_empty() {
        return Err(Failure::usage("no Sigstore instance is believed yet").hint(
            "attestry identity sigstore-roots trusted_root.json --key ROOT: the roots to check bundles by",
        ));
    }
    Ok(Some(name))
}
