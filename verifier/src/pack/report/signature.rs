//! The check of one signature, with tools that whoever reads a pack has already.

use super::super::shown::{Shown, ShownEntry, envelope_path};
use crate::event::Body;
use crate::signature::PublicKey;
use crate::signature::ssh::{NAMESPACE, SshKey};
use crate::trust::Trust;

/// OpenSSL or OpenSSH over one envelope: the newest approval, else the newest event of our own
/// spelling.
pub fn check(shown: &Shown, trust: Option<&Trust>) -> String {
    let key = |it: &ShownEntry| match it.keys.as_slice() {
        [one] => trust.and_then(|trust| trust.public_key(one)).cloned(),
        _ => None,
    };
    let own = |it: &ShownEntry| it.event.as_ref().is_some_and(|event| event.kind.is_own());
    let is_approval = |it: &ShownEntry| {
        matches!(it.event.as_ref().map(|event| &event.body), Some(Body::Approval(_)))
    };
    let usable = || shown.entries.values().rev().filter(|it| own(it) && key(it).is_some());
    let found = usable().find(|it| is_approval(it)).or_else(|| usable().next());
    let Some((it, key)) = found.and_then(|it| Some((it, key(it)?))) else {
        return String::new();
    };
    let index = it.entry.index;
    let tool = match &*key {
        PublicKey::Ed25519(_) => openssl(&key),
        PublicKey::Ssh(key) => openssh(key, &it.keys[0].to_string()),
        // OpenSSL wants DER, and a hash.
        PublicKey::P256(_) => return String::new(),
    };
    let name = match &*key {
        PublicKey::Ssh(_) => "OpenSSH",
        PublicKey::Ed25519(_) | PublicKey::P256(_) => "OpenSSL 3",
    };
    format!(
        "A signature, with {name} (entry {index}):\n\n\
         \x20   E={}\n\
         \x20   D=$(mktemp -d)\n\
         \x20   sed -E 's/.*\"payload\":\"([^\"]*)\".*/\\1/' $E | base64 -d > \"$D/payload\"\n\
         \x20   sed -E 's/.*\"sig\":\"([^\"]*)\".*/\\1/' $E | base64 -d > \"$D/sig\"\n\
         \x20   T=application/vnd.in-toto+json\n\
         \x20   printf 'DSSEv1 %d %s %d ' ${{#T}} $T $(wc -c < \"$D/payload\") > \"$D/signed\"\n\
         \x20   cat \"$D/payload\" >> \"$D/signed\"\n\
         {tool}",
        envelope_path(&it.entry.envelope)
    )
}

fn openssl(key: &PublicKey) -> String {
    format!(
        "\x20   openssl pkeyutl -verify -pubin -inkey data/keys/{}.pem \\\n\
         \x20     -rawin -in \"$D/signed\" -sigfile \"$D/sig\"\n\
         \x20   rm -r \"$D\"\n\n\
         prints: Signature Verified Successfully\n\n",
        key.key_id()
    )
}

fn openssh(key: &SshKey, id: &str) -> String {
    format!(
        "\x20   echo '-----BEGIN SSH SIGNATURE-----' > \"$D/armoured\"\n\
         \x20   base64 -w 70 \"$D/sig\" >> \"$D/armoured\"\n\
         \x20   echo '-----END SSH SIGNATURE-----' >> \"$D/armoured\"\n\
         \x20   sed 's/^/signer /' data/keys/{id}.pub > \"$D/allowed\"\n\
         \x20   ssh-keygen -Y verify -f \"$D/allowed\" -I signer -n {NAMESPACE} \\\n\
         \x20     -s \"$D/armoured\" < \"$D/signed\"\n\
         \x20   rm -r \"$D\"\n\n\
         prints: Good \"{NAMESPACE}\" signature for signer with {} key {}\n\n",
        key.name(),
        key.fingerprint()
    )
}
