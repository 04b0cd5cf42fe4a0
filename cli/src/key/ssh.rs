//! Signing by SSH keys, through the stock `ssh-keygen -Y sign`.
//!
//! Whatever holds the key asks for what it needs: a passphrase, a PIN, a touch, an agent's consent.
//! The private key never comes near this process. What comes back is checked before it is used.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest as _, Sha256};
use verifier::signature::PublicKey;
use verifier::signature::ssh::{NAMESPACE, SshKey};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;

/// Longest accepted file of a public key, list of an agent's keys, and signature, in bytes.
const TEXT_BYTES_MAX: u64 = 262_144;

const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----\n";
const END: &str = "-----END SSH SIGNATURE-----\n";

/// An SSH key that signs, known by its public half.
#[derive(Debug)]
pub struct SshSigner {
    public: PublicKey,
    place: Place,
    /// The current folder and the agent's socket, for the child process.
    dir: PathBuf,
    agent: Option<String>,
}

#[derive(Debug)]
enum Place {
    /// A private key file, or the public half of a key that an agent holds.
    File(PathBuf),
    /// An agent; the line of the public key.
    Agent(String),
}

impl SshSigner {
    /// A key by its file: `~/.ssh/id_ed25519`, whose public half lies beside it.
    pub fn of_file(path: &str, io: &mut Io) -> Result<SshSigner, Failure> {
        if path.is_empty() {
            return Err(crate::argument::empty("--key ssh:"));
        }
        // No shell looks behind `ssh:` for it.
        let home = path.strip_prefix("~/").zip(io.var("HOME"));
        let path = &home.map_or(path.to_owned(), |(rest, home)| format!("{home}/{rest}"));
        let public = if path.ends_with(".pub") { path.to_owned() } else { format!("{path}.pub") };
        let line = read_line(&public, io)?;
        let place = Place::File(io.path(path));
        SshSigner::new(parse_line(&public, &line)?, place, io)
    }

    /// A key that the agent holds, by its fingerprint as `ssh-add -l` prints it.
    pub fn of_agent(fingerprint: &str, io: &mut Io) -> Result<SshSigner, Failure> {
        let no_agent = || {
            Failure::usage("there is no agent: SSH_AUTH_SOCK is not set")
                .hint("eval $(ssh-agent) && ssh-add ~/.ssh/id_ed25519")
        };
        let socket = io.var("SSH_AUTH_SOCK").ok_or_else(no_agent)?.to_owned();
        let mut command = Command::new("ssh-add");
        command.arg("-L").env("SSH_AUTH_SOCK", socket).stdin(Stdio::null());
        let output = command.output().map_err(|cause| missing("ssh-add", &cause))?;
        let lines = String::from_utf8_lossy(&output.stdout).into_owned();
        let is = |line: &&str| fingerprint_of(line).as_deref() == Some(fingerprint);
        match lines.lines().find(is) {
            Some(line) => {
                let place = Place::Agent(line.to_owned());
                SshSigner::new(parse_line(fingerprint, line)?, place, io)
            }
            None => Err(Failure::not_found(format!("the agent holds no key {fingerprint}"))
                .hint("ssh-add -l lists what it holds, as SHA256:…")),
        }
    }

    fn new(public: PublicKey, place: Place, io: &Io) -> Result<SshSigner, Failure> {
        let agent = io.var("SSH_AUTH_SOCK").map(str::to_owned);
        Ok(SshSigner { public, place, dir: io.dir.clone(), agent })
    }

    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Has the message signed; returns the unarmoured SSHSIG blob, which holds.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Failure> {
        let armoured = match &self.place {
            Place::File(path) => self.keygen(message, &["-f", &path.display().to_string()])?,
            Place::Agent(line) => {
                let file = PublicFile::new(line)?;
                self.keygen(message, &["-U", "-f", &file.0.display().to_string()])?
            }
        };
        let blob = unarmour(&armoured).ok_or_else(|| failed("ssh-keygen wrote no signature"))?;
        let wrong = |cause| failed(format!("what ssh-keygen signed does not verify: {cause}"));
        self.public.verify(message, &blob).map_err(wrong)?;
        Ok(blob)
    }

    fn keygen(&self, message: &[u8], key: &[&str]) -> Result<String, Failure> {
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-Y", "sign", "-n", NAMESPACE, "-O", "hashalg=sha512"]).args(key);
        command.current_dir(&self.dir);
        match &self.agent {
            Some(socket) => command.env("SSH_AUTH_SOCK", socket),
            None => command.env_remove("SSH_AUTH_SOCK"),
        };
        // What it asks for it asks on the terminal, and what it complains about it writes there.
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|cause| missing("ssh-keygen", &cause))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A child that has ended says why by its status.
            let _ = stdin.write_all(message);
        }
        let output = child.wait_with_output().map_err(Failure::unexpected)?;
        if !output.status.success() {
            return Err(failed("ssh-keygen did not sign").hint("what it wrote stands above"));
        }
        String::from_utf8(output.stdout).map_err(Failure::unexpected)
    }
}

/// A file with a public key, for as long as `ssh-keygen` reads it.
struct PublicFile(PathBuf);

impl PublicFile {
    fn new(line: &str) -> Result<PublicFile, Failure> {
        let mut name = [0; 8];
        getrandom::fill(&mut name).map_err(Failure::unexpected)?;
        let hex: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
        let path = std::env::temp_dir().join(format!("attestry-{hex}.pub"));
        let mut options = std::fs::OpenOptions::new();
        let mut file =
            options.write(true).create_new(true).open(&path).map_err(Failure::unexpected)?;
        let file = file.write_all(format!("{line}\n").as_bytes()).map(|()| PublicFile(path));
        file.map_err(Failure::unexpected)
    }
}

impl Drop for PublicFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Reads the public key of a `.pub` file's text.
pub fn parse_line(name: &str, text: &str) -> Result<PublicKey, Failure> {
    let malformed = |cause: String| {
        Failure::new(Exit::Usage, "key-malformed", format!("{name}: {cause}"))
            .hint("ssh-keygen -t ed25519, or -t ed25519-sk for a security key, makes one")
    };
    let blob =
        blob_of(text).ok_or_else(|| malformed("not one line of an SSH public key".into()))?;
    let key = SshKey::parse(&blob).map_err(|cause| malformed(cause.to_string()))?;
    Ok(PublicKey::Ssh(Box::new(key)))
}

/// Whether a text looks like a `.pub` file of SSH.
pub fn is_line(text: &str) -> bool {
    ["ssh-", "ecdsa-", "sk-"].iter().any(|start| text.starts_with(start))
}

fn read_line(name: &str, io: &mut Io) -> Result<String, Failure> {
    let bytes = io.read_file(name, TEXT_BYTES_MAX).map_err(|failure| {
        failure.hint("the public half must lie beside the key: ssh-keygen -y -f KEY > KEY.pub")
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The key of a line `TYPE BASE64 COMMENT`; the type must be the one in the key.
fn blob_of(text: &str) -> Option<Vec<u8>> {
    let line = text.strip_suffix('\n').unwrap_or(text);
    if line.contains('\n') {
        return None;
    }
    let (kind, rest) = line.split_once(' ')?;
    let blob = STANDARD.decode(rest.split(' ').next()?).ok()?;
    let start = [&u32::try_from(kind.len()).ok()?.to_be_bytes()[..], kind.as_bytes()].concat();
    blob.starts_with(&start).then_some(blob)
}

fn fingerprint_of(line: &str) -> Option<String> {
    let digest = Sha256::digest(blob_of(line)?);
    Some(format!("SHA256:{}", STANDARD_NO_PAD.encode(digest)))
}

fn unarmour(text: &str) -> Option<Vec<u8>> {
    let body = text.strip_prefix(BEGIN)?.strip_suffix(END)?;
    STANDARD.decode(body.replace('\n', "")).ok()
}

fn missing(program: &str, cause: &std::io::Error) -> Failure {
    failed(format!("{program} cannot be started: {cause}"))
        .hint("it comes with OpenSSH: apt install openssh-client")
}

fn failed(message: impl Into<String>) -> Failure {
    Failure::new(Exit::Unexpected, "ssh-signing-failed", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = include_str!("../../../tests/vectors/ssh/ed25519.pub");

    #[test]
    fn public_keys_are_one_line() {
        assert!(parse_line("x", LINE).is_ok());
        assert!(parse_line("x", LINE.trim_end()).is_ok());
        let (kind, rest) = LINE.split_once(' ').unwrap();
        for bad in [
            String::new(),
            format!("{LINE}{LINE}"),
            format!("ssh-rsa {rest}"),
            format!("{kind}  {rest}"),
            format!("{kind} AAAA"),
            kind.to_owned(),
            format!("command=\"x\" {LINE}"),
        ] {
            assert_eq!(parse_line("x", &bad).unwrap_err().code, "key-malformed", "{bad}");
        }
    }

    #[test]
    fn the_fingerprint_is_that_of_ssh_keygen() {
        // ssh-keygen -l -f tests/vectors/ssh/ed25519.pub
        assert_eq!(
            fingerprint_of(LINE.trim_end()).unwrap(),
            "SHA256:io6KPISiVsO765oU9yoVMIMYW4iLbfSJGwFSIOWbL3g"
        );
    }

    #[test]
    fn armour_comes_off() {
        let armoured = include_str!("../../../tests/vectors/ssh/ed25519.sig");
        assert!(unarmour(armoured).unwrap().starts_with(b"SSHSIG"));
        assert!(unarmour(armoured.trim_end()).is_none());
        assert!(unarmour("").is_none());
    }
}
