//! Keys that sign: files, read with suspicion and written so that nobody else can read them; and SSH
//! keys, which stay where they are.
//!
//! Whoever can read a key file can sign as its identity until the key is revoked.

pub mod ssh;

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use schemas::id::KeyId;
use verifier::dsse;
use verifier::signature::{PublicKey, SigningKey};
use zeroize::Zeroizing;

use crate::argument::KeyArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use ssh::SshSigner;

/// Longest accepted key file, in bytes.
const KEY_BYTES_MAX: u64 = 16_384;

/// Whatever signs.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one for a process")]
pub enum Signer {
    File(SigningKey),
    Ssh(SshSigner),
}

impl Signer {
    pub fn public(&self) -> &PublicKey {
        match self {
            Signer::File(key) => key.public(),
            Signer::Ssh(key) => key.public(),
        }
    }

    /// Signs a payload; an SSH key may ask its holder first.
    pub fn sign(&self, payload: &[u8]) -> Result<(KeyId, Vec<u8>), Failure> {
        let message = dsse::pae(dsse::PAYLOAD_TYPE, payload);
        let signature = match self {
            Signer::File(key) => key.sign(&message).to_vec(),
            Signer::Ssh(key) => key.sign(&message)?,
        };
        Ok((self.public().key_id(), signature))
    }
}

/// Signs a payload with each key, and wraps it in an envelope.
pub fn sign(payload: &[u8], signers: &[&Signer]) -> Result<Vec<u8>, Failure> {
    let signatures = signers.iter().map(|it| it.sign(payload)).collect::<Result<Vec<_>, _>>()?;
    Ok(dsse::format_envelope(payload, &signatures))
}

/// Reads the key that `--key` or `ATTESTRY_KEY` names.
pub fn load(args: &KeyArgs, io: &mut Io) -> Result<Signer, Failure> {
    let named = args.key.clone().or_else(|| io.var("ATTESTRY_KEY").map(str::to_owned));
    match named {
        Some(spec) => read(&spec, io),
        None => Err(Failure::usage("no key to sign with")
            .hint("name one: --key FILE, or ATTESTRY_KEY; `attestry key generate FILE` makes one")),
    }
}

/// Reads a key: of SSH from its file (`ssh:FILE`) or an agent (`agent:SHA256:…`), others from a
/// file, from standard input (`-`) or from an environment variable (`env:NAME`).
pub fn read(spec: &str, io: &mut Io) -> Result<Signer, Failure> {
    if let Some(path) = spec.strip_prefix("ssh:") {
        return SshSigner::of_file(path, io).map(Signer::Ssh);
    }
    if let Some(fingerprint) = spec.strip_prefix("agent:") {
        return SshSigner::of_agent(fingerprint, io).map(Signer::Ssh);
    }
    read_pem(spec, io).map(Signer::File)
}

fn read_pem(spec: &str, io: &mut Io) -> Result<SigningKey, Failure> {
    if spec.is_empty() {
        return Err(crate::argument::empty("--key"));
    }
    let mut pem = Zeroizing::new(String::new());
    if let Some(name) = spec.strip_prefix("env:") {
        let value = io.var(name).ok_or_else(|| {
            Failure::usage(format!("the variable {name} is not set")).hint("is your secret empty?")
        })?;
        pem.push_str(value);
    } else if spec == "-" {
        let read = io.stdin.take(KEY_BYTES_MAX).read_to_string(&mut pem);
        read.map_err(|cause| Failure::file(Path::new("-"), &cause))?;
    } else {
        read_file(spec, io, &mut pem)?;
    }
    parse(spec, &pem)
}

fn parse(spec: &str, pem: &str) -> Result<SigningKey, Failure> {
    // Never a byte of the content in a message: it may be a key in another format.
    SigningKey::from_pkcs8_pem(pem.trim_ascii_start()).map_err(|cause| {
        let message = format!("{spec}: {cause}");
        let hint = if pem.contains("OPENSSH PRIVATE KEY") {
            "an SSH key is named so: --key ssh:FILE"
        } else if pem.contains("PUBLIC KEY") {
            "this is the public half; the private key stands in the file without .pub"
        } else {
            "make one with `attestry key generate FILE` or `openssl genpkey -algorithm ed25519`"
        };
        Failure::new(Exit::Usage, "key-malformed", message).hint(hint)
    })
}

fn read_file(name: &str, io: &Io, pem: &mut String) -> Result<(), Failure> {
    let failed = |cause| Failure::file(Path::new(name), &cause);
    let file = File::open(io.path(name)).map_err(failed)?;
    // Asked of the open file: the one that is read is the one that was checked.
    let private = check_private(name, &file);
    file.take(KEY_BYTES_MAX).read_to_string(pem).map_err(failed)?;
    // Anybody may read the public half; that it is no key to sign with is said by whoever parses it.
    if pem.contains("PUBLIC KEY") { Ok(()) } else { private }
}

#[cfg(unix)]
fn check_private(name: &str, file: &File) -> Result<(), Failure> {
    use std::os::unix::fs::MetadataExt;
    let meta = file.metadata().map_err(|cause| Failure::file(Path::new(name), &cause))?;
    if meta.is_file() && meta.mode() & 0o077 != 0 {
        let message =
            format!("others can read the key file {name} (mode {:03o})", meta.mode() & 0o777);
        return Err(Failure::new(Exit::NotAllowed, "key-file-open", message)
            .hint(format!("chmod 600 {name}, and think about who may have read it")));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_private(_: &str, _: &File) -> Result<(), Failure> {
    Ok(())
}

/// Makes a key from the system's randomness.
pub fn generate() -> Result<SigningKey, Failure> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut()).map_err(Failure::unexpected)?;
    SigningKey::from_seed(&seed).map_err(Failure::unexpected)
}

/// Writes a private key into a new file that only its owner can read.
pub fn write_private(name: &Path, key: &SigningKey, io: &Io) -> Result<(), Failure> {
    let pem = key.to_pkcs8_pem().map_err(Failure::unexpected)?;
    let failed = |cause: std::io::Error| match cause.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Failure::new(Exit::Usage, "file-exists", format!("{} exists already", name.display()))
                .hint("a key is never overwritten: choose another name")
        }
        _ => Failure::file(name, &cause),
    };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(io.path(name)).map_err(failed)?;
    file.write_all(pem.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_io<T>(
        dir: &Path,
        stdin: &str,
        env: &[(&str, &str)],
        work: impl FnOnce(&mut Io) -> T,
    ) -> T {
        let (mut stdin, mut stdout, mut stderr) = (stdin.as_bytes(), Vec::new(), Vec::new());
        let mut io = Io::new(&mut stdin, &mut stdout, &mut stderr, dir);
        io.env =
            env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        work(&mut io)
    }

    fn code(result: Result<Signer, Failure>) -> String {
        result.map_or_else(|failure| failure.code.to_string(), |_| "key".to_owned())
    }

    #[test]
    fn keys_come_from_file_stdin_or_environment() {
        let dir = tempfile::tempdir().unwrap();
        let key = generate().unwrap();
        let pem = key.to_pkcs8_pem().unwrap();
        with_io(dir.path(), &pem, &[("SECRET", pem.as_str()), ("EMPTY", "")], |io| {
            write_private(Path::new("ci.pem"), &key, io).unwrap();
            assert_eq!(code(read("ci.pem", io)), "key");
            assert_eq!(code(read("-", io)), "key");
            assert_eq!(code(read("env:SECRET", io)), "key");
            assert_eq!(code(read("env:EMPTY", io)), "usage");
            assert_eq!(code(read("", io)), "usage");
            assert_eq!(code(read("missing.pem", io)), "file-not-found");
            let again = write_private(Path::new("ci.pem"), &key, io).unwrap_err();
            assert_eq!(again.code, "file-exists");
        });
    }

    #[cfg(unix)]
    #[test]
    fn a_key_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let key = generate().unwrap();
        with_io(dir.path(), "", &[], |io| {
            write_private(Path::new("ci.pem"), &key, io).unwrap();
            for (mode, expected) in
                [(0o600, "key"), (0o400, "key"), (0o640, "key-file-open"), (0o604, "key-file-open")]
            {
                let file = dir.path().join("ci.pem");
                std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
                let result = read("ci.pem", io);
                if let Err(failure) = &result {
                    assert!(failure.hint.as_deref().unwrap_or_default().starts_with("chmod 600 "));
                }
                assert_eq!(code(result), expected, "{mode:o}");
            }
        });
    }

    #[test]
    fn a_malformed_key_is_never_echoed() {
        let dir = tempfile::tempdir().unwrap();
        let text = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n";
        let failure = with_io(dir.path(), text, &[], |io| read("-", io)).unwrap_err();
        assert_eq!(failure.code, "key-malformed");
        assert!(!failure.render().contains("c2VjcmV0"));
    }
}
