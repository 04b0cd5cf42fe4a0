//! The rules by which ID tokens mean identities, from their file.

use std::sync::Arc;

use ledger::access::issuers::Issuers;
use ledger::access::login::Login;
use ledger::access::rules::Rules;
use ledger::outgoing::{Outgoing, Settings};

use super::failure_of;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::policy_text::{render, yaml};

/// Largest file of rules, in bytes.
const RULES_BYTES_MAX: u64 = 1 << 20;

/// Who may come with an ID token, and where people log in.
pub type Issuing = (Option<Arc<Issuers>>, Option<Arc<Login>>);

/// Reads the rules by which ID tokens mean identities: strict YAML, of which JSON is a part.
/// `outgoing` is how issuers are asked.
pub fn read_rules(file: &str, outgoing: &Settings, io: &mut Io) -> Result<Issuing, Failure> {
    let wrong = |cause: String| Failure::new(Exit::Usage, "oidc-rules", format!("{file}: {cause}"));
    let bytes = io.read_file(file, RULES_BYTES_MAX)?;
    let text = String::from_utf8(bytes).map_err(|_| wrong("it is no UTF-8".to_owned()))?;
    let value = yaml::read(&text).map_err(|problems| wrong(render(&problems, file, &text)))?.value;
    let rules = Rules::read(value).map_err(wrong)?;
    let folder = io.path(file);
    let mut rules = rules.resolve(folder.parent().unwrap_or(&folder));
    let outgoing = Outgoing::new(outgoing).map_err(|cause| failure_of(&cause))?;
    let login = rules.login.take().map(|it| Arc::new(Login::new(it, outgoing.clone())));
    Ok((Some(Arc::new(Issuers::new(rules, outgoing))), login))
}
