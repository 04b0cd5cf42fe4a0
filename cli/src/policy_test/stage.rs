//! The log in memory on which a case is played.

use std::collections::{BTreeMap, BTreeSet};

use schemas::id::{Digest, EntryIndex, Environment, Hash, KeyId, Origin, Project, Time};
use schemas::kind::KINDS;
use schemas::policy::PolicyDocument;
use schemas::predicate::promotion_request::{ARTIFACTS_MAX, RequestPath};
use schemas::predicate::{Nonce, Seen, policy, trust};
use schemas::statement::{Statement, Subject};
use schemas::trust::{ALL_PROJECTS, ENTRY_VERSION, Grant, Identity, Roots, TrustDocument, role};
use serde::Serialize;
use verifier::admission::Refusal;
use verifier::canonical::canonical_of;
use verifier::entry::genesis_prev;
use verifier::event::Event;
use verifier::merkle::sha256;
use verifier::note::{KeyAlgorithm, Vkey};
use verifier::policy::decide::compose_decision;
use verifier::policy::{Ask, Evaluation, evaluate, evaluate_together};
use verifier::projection::slice::Request;
use verifier::sequence::Sequence;
use verifier::sign::sign_statement;
use verifier::signature::SigningKey;
use verifier::trust::encode_key;

use super::{Case, Fixture};

/// The name of the log; nothing leaves it.
const ORIGIN: &str = "policy.test/fixture";

/// When a log begins whose fixture does not say so.
const BEGINS: &str = "2026-01-05T09:00:00.000Z";

/// Who records, sets policies and decides, without being named.
pub const EMITTER: &str = "ci";
const POLICY_ADMIN: &str = "policy-admin";
const SERVICE: &str = "service";
const NOBODY: &[String] = &[];

pub struct Stage {
    sequence: Sequence,
    origin: Origin,
    project: Project,
    pub now: Time,
    policy: Hash,
    nonces: u64,
}

/// A key that is made from a name, always the same one.
fn key(name: &str) -> Result<SigningKey, String> {
    let seed = sha256(&[b"attestry policy test ", name.as_bytes()]);
    SigningKey::from_seed(&seed.0).map_err(|cause| cause.to_string())
}

/// The artifact of a word.
pub fn artifact(word: &str) -> Digest {
    Digest::sha256(&sha256(&[word.as_bytes()]))
}

/// The artifacts of a question: the first one, and those that stand or fall with it.
pub fn together(first: &str, with: &[String]) -> Result<Vec<Digest>, String> {
    let words: BTreeSet<&str> = with.iter().map(String::as_str).chain([first]).collect();
    let count = with.len() + 1;
    if count > ARTIFACTS_MAX || words.len() < count {
        return Err(format!("`with`: at most {} artifacts, none of them twice", ARTIFACTS_MAX - 1));
    }
    Ok(std::iter::once(first).chain(with.iter().map(String::as_str)).map(artifact).collect())
}

/// The commit of a word.
pub fn commit(word: &str) -> Result<Digest, String> {
    let hex = sha256(&[b"commit ", word.as_bytes()]).to_string();
    format!("gitCommit:{}", &hex[..40]).parse().map_err(|_| "no commit".to_owned())
}

impl Stage {
    /// A log with its trust document and the policy in force.
    pub fn set(fixture: &Fixture, document: &PolicyDocument) -> Result<Stage, String> {
        let origin: Origin = ORIGIN.parse().map_err(|_| "no origin".to_owned())?;
        let begins = BEGINS.parse().map_err(|_| "no time".to_owned())?;
        let mut stage = Stage {
            sequence: Sequence::genesis(&origin),
            project: document.project.clone(),
            now: fixture.begins.unwrap_or(begins),
            policy: Hash([0; 32]),
            nonces: 0,
            origin,
        };
        let body = trust::Trust {
            ledger: stage.origin.clone(),
            nonce: stage.nonce(),
            trust: stage.trust_document(fixture)?,
            replaces: None,
        };
        let subject = stage.document_subject(&body.trust)?;
        stage.log(&Statement::new(vec![subject], trust::TYPE, body), "root")?;
        let body = policy::Policy {
            ledger: stage.origin.clone(),
            project: stage.project.clone(),
            nonce: stage.nonce(),
            replaces: None,
            policy: document.clone(),
            source: None,
        };
        let subject = stage.document_subject(&body.policy)?;
        stage.log(&Statement::new(vec![subject], policy::TYPE, body), POLICY_ADMIN)?;
        let in_force = stage.sequence.state.policy(&stage.project);
        stage.policy = in_force.map(|it| it.statement).ok_or("the policy is not in force")?;
        Ok(stage)
    }

    fn trust_document(&self, fixture: &Fixture) -> Result<TrustDocument, String> {
        let every: Vec<String> = KINDS.iter().map(|line| line.name.to_owned()).collect();
        let grant = |name: &str, role: &str, kinds: &[String]| -> Result<Grant, String> {
            Ok(Grant {
                identity: name.parse().map_err(|_| format!("{name} is no name of an identity"))?,
                role: role.to_owned(),
                kinds: kinds.to_vec(),
                projects: vec![ALL_PROJECTS.to_owned(), self.project.to_string()],
                environments: Vec::new(),
            })
        };
        let mut grants = vec![
            grant(EMITTER, role::EMITTER, &every)?,
            grant(POLICY_ADMIN, role::POLICY_ADMIN, &[])?,
            grant(SERVICE, role::SERVICE, &[])?,
        ];
        let mut people: BTreeMap<&str, &[String]> =
            [EMITTER, POLICY_ADMIN, SERVICE].map(|name| (name, NOBODY)).into();
        for (name, person) in &fixture.people {
            people.insert(name, &person.aliases);
            for role in &person.roles {
                let emitter = role == role::EMITTER;
                grants.push(grant(name, role, if emitter { &every } else { &[] })?);
            }
        }
        let identity = |(name, aliases): (&str, &[String])| -> Result<Identity, String> {
            Ok(Identity {
                name: name.parse().map_err(|_| format!("{name} is no name of an identity"))?,
                keys: vec![encode_key(key(name)?.public())],
                aliases: aliases.to_vec(),
                card: None,
                sigstore: Vec::new(),
            })
        };
        let name = ORIGIN.parse().map_err(|_| "no key name".to_owned())?;
        let log_key = Vkey::of(name, KeyAlgorithm::Ed25519, key("log")?.ed25519());
        Ok(TrustDocument {
            origin: self.origin.clone(),
            entry: ENTRY_VERSION.to_owned(),
            rules: verifier::RULES,
            log_key: log_key.to_string(),
            roots: Roots { threshold: 1, keys: vec![encode_key(key("root")?.public())] },
            identities: people.into_iter().map(identity).collect::<Result<_, _>>()?,
            grants,
            compromises: Vec::new(),
            sigstore_roots: Vec::new(),
        })
    }

    fn document_subject<T: Serialize>(&self, document: &T) -> Result<Subject, String> {
        let bytes = canonical_of(document).map_err(|cause| cause.to_string())?;
        Ok(Subject::of(&Digest::sha256(&sha256(&[&bytes])), None))
    }

    pub fn nonce(&mut self) -> Nonce {
        self.nonces += 1;
        Nonce::from_bytes(u128::from(self.nonces).to_be_bytes())
    }

    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What is about no artifact is about the ledger.
    pub fn itself(&self) -> Digest {
        Digest::sha256(&genesis_prev(&self.origin))
    }

    pub fn project(&self) -> &Project {
        &self.project
    }

    pub fn policy(&self) -> Hash {
        self.policy
    }

    pub fn seen(&self) -> Seen {
        Seen { size: self.sequence.chain.next(), root: self.sequence.chain.root() }
    }

    /// Signs and logs a statement, a second after the one before.
    pub fn log<P: Serialize>(
        &mut self,
        statement: &Statement<P>,
        by: &str,
    ) -> Result<EntryIndex, String> {
        let key = key(by)?;
        let envelope = sign_statement(statement, &[&key]).map_err(|cause| cause.to_string())?;
        let event = Event::read(&envelope).map_err(|cause| cause.to_string())?;
        self.now = self.now.plus_ms(1000);
        let keys: [KeyId; 1] = [key.public().key_id()];
        let filed = self.project.clone();
        let filed = (!event.is_project_free()).then_some(&filed);
        match self.sequence.append(&event, &keys, filed, self.now) {
            Ok(_) => Ok(self.sequence.chain.next() - 1),
            Err(Refusal::Rule(finding)) => Err(format!(
                "the ledger would refuse it: {} [{}]",
                finding.detail,
                finding.code.name()
            )),
            Err(other) => Err(format!("the ledger would refuse it: {other:?}")),
        }
    }

    pub fn environment(&self, name: &str) -> Result<Environment, String> {
        let name = name.parse().map_err(|_| format!("{name} is no name of an environment"))?;
        Ok(Environment { project: self.project.clone(), name })
    }

    /// The newest open request about just these artifacts.
    pub fn request(
        &self,
        about: &[Digest],
        to: &str,
    ) -> Result<Option<(EntryIndex, Request)>, String> {
        let environment = self.environment(to)?;
        let slice = self.sequence.state.environment(&environment).map_err(missing)?;
        let requests = slice.into_iter().flat_map(|slice| slice.requests.iter().rev());
        let mut about = requests.filter(|(_, it)| it.is_of(about) && !it.is_expired(self.now));
        Ok(about.next().map(|(index, request)| (*index, request.clone())))
    }

    /// What the policy says now.
    pub fn ask(&self, case: &Case) -> Result<Evaluation, String> {
        let about = together(&case.artifact, &case.with)?;
        let environment = self.environment(&case.to)?;
        let request = self.request(&about, &case.to)?.map(|(index, _)| index);
        let ask = Ask { environment: &environment, artifact: &about[0], request };
        let (state, way) = (&self.sequence.state, RequestPath::Normal);
        evaluate_together(state, &ask, &about[1..], way, self.now).map_err(missing)
    }

    /// Decides the newest open request, as a server would.
    pub fn decide(&mut self, about: &[Digest], to: &str) -> Result<EntryIndex, String> {
        let Some((request, _)) = self.request(about, to)? else {
            return Err(format!("nothing is requested for {to}"));
        };
        let (environment, nonce, at) = (self.environment(to)?, self.nonce(), self.now);
        let ask = Ask { environment: &environment, artifact: &about[0], request: Some(request) };
        let state = &self.sequence.state;
        let evaluation = evaluate(state, &ask, at).map_err(missing)?;
        let decision = compose_decision(state, &ask, &evaluation, at, nonce);
        let decision = decision.map_err(|cause| cause.to_string())?;
        self.log(&decision, SERVICE)
    }
}

fn missing(missing: verifier::projection::Missing) -> String {
    format!("the state does not know {missing:?}")
}
