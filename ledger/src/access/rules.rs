//! Whose ID tokens mean which identity: rules that an operator writes, first match first.
//!
//! Whoever can change this file can call the server as any identity of the log.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use schemas::id::{IdentityName, Project};
use serde::Deserialize;
use verifier::access::Scope;

use super::id_token::Claims;
use super::login::LoginRules;

/// Claims whose value in a rule may end in `*`.
const PATTERNED: [&str; 7] =
    ["sub", "repository", "ref", "workflow_ref", "job_workflow_ref", "project_path", "ref_path"];

/// Claims one of which a rule must name: an issuer serves the whole world.
const TELLING: [&str; 8] = [
    "sub",
    "repository",
    "repository_id",
    "repository_owner_id",
    "project_path",
    "project_id",
    "namespace_id",
    "email",
];

/// The file of rules.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Rules {
    /// Issuers for machines: their ID tokens are exchanged.
    #[serde(default)]
    pub issuers: Vec<Issuer>,
    /// The issuer for people.
    #[serde(default)]
    pub login: Option<LoginRules>,
}

/// Somebody whose ID tokens are accepted.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Issuer {
    /// Exactly as its tokens name it.
    pub issuer: String,
    /// Whom its tokens must be meant for, and nobody else.
    pub audience: String,
    /// Its key set: an `https` address, or a file.
    pub keys: String,
    pub rules: Vec<Rule>,
}

/// Claims, and the identity of whoever has them all.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Every one must be there and equal; a value that ends in `*` is a beginning.
    pub claims: BTreeMap<String, String>,
    pub identity: IdentityName,
    /// Of its roles only these.
    #[serde(default)]
    pub roles: BTreeSet<String>,
    /// Of its projects only these.
    #[serde(default)]
    pub projects: BTreeSet<Project>,
}

impl Rules {
    /// Reads rules, or says what is wrong with them.
    pub fn read(value: serde_json::Value) -> Result<Rules, String> {
        let rules: Rules = serde_json::from_value(value).map_err(|cause| cause.to_string())?;
        let mut names = BTreeSet::new();
        for issuer in &rules.issuers {
            if !names.insert(&issuer.issuer) {
                return Err(format!("issuer {} stands twice", issuer.issuer));
            }
            issuer.check()?;
        }
        if let Some(login) = &rules.login {
            login.check()?;
            login.issuer.check()?;
        }
        Ok(rules)
    }

    /// Looks for the files that they name beside their own file.
    pub fn resolve(mut self, folder: &Path) -> Rules {
        let login = self.login.iter_mut().map(|login| &mut login.issuer);
        for issuer in self.issuers.iter_mut().chain(login) {
            if !issuer.keys.contains("://") {
                issuer.keys = folder.join(&issuer.keys).to_string_lossy().into_owned();
            }
        }
        if let Some(LoginRules { secret_file: Some(path), .. }) = &mut self.login {
            *path = folder.join(&path);
        }
        self
    }
}

impl Issuer {
    fn check(&self) -> Result<(), String> {
        if self.issuer.is_empty() || self.audience.is_empty() || self.keys.is_empty() {
            return Err("an issuer has a name, an audience and keys".to_owned());
        }
        let name = &self.issuer;
        for (nth, rule) in self.rules.iter().enumerate() {
            rule.check().map_err(|cause| format!("{name}, rule {}: {cause}", nth + 1))?;
        }
        Ok(())
    }
}

impl Rule {
    fn check(&self) -> Result<(), String> {
        if !self.claims.keys().any(|name| TELLING.contains(&name.as_str())) {
            let telling = TELLING.join(", ");
            return Err(format!("it would fit strangers: it names none of {telling}"));
        }
        for (name, value) in &self.claims {
            let start = value.strip_suffix('*');
            if start.unwrap_or(value).contains('*') {
                return Err(format!("{name}: * stands at the end, or nowhere"));
            }
            if start.is_some() && !PATTERNED.contains(&name.as_str()) {
                return Err(format!("{name} is compared whole: it takes no *"));
            }
            if start.unwrap_or(value).is_empty() {
                return Err(format!("{name} is empty"));
            }
        }
        Ok(())
    }

    /// Whether somebody has all the claims. An e-mail address counts once it is verified.
    pub fn fits(&self, claims: &Claims) -> bool {
        self.claims.iter().all(|(name, expected)| {
            let is = claims.text(name).is_some_and(|found| match expected.strip_suffix('*') {
                Some(start) => found.starts_with(start),
                None => found == *expected,
            });
            is && (name != "email" || claims.says_yes("email_verified"))
        })
    }

    pub fn scope(&self) -> Scope {
        Scope { roles: self.roles.clone(), projects: self.projects.clone() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules(claims: serde_json::Value) -> Result<Rules, String> {
        Rules::read(json!({ "issuers": [{
            "issuer": "https://i.example", "audience": "us", "keys": "keys.json",
            "rules": [{ "claims": claims, "identity": "ci" }],
        }] }))
    }

    #[test]
    fn rules_that_fit_strangers_are_refused() {
        for (claims, expected) in [
            (json!({ "repository": "acme/payments" }), ""),
            (json!({ "repository": "acme/*", "ref": "refs/heads/*" }), ""),
            (json!({ "email": "ann@acme.example" }), ""),
            (json!({}), "fit strangers"),
            (json!({ "ref": "refs/heads/main" }), "fit strangers"),
            (json!({ "repository": "*" }), "empty"),
            (json!({ "repository": "" }), "empty"),
            (json!({ "repository": "*/payments" }), "at the end"),
            (json!({ "repository": "acme/**" }), "at the end"),
            (json!({ "email": "*" }), "takes no *"),
            (json!({ "sub": "x", "actor": "ann*" }), "takes no *"),
            (json!({ "repository": 7 }), "expected a string"),
        ] {
            let found = rules(claims.clone()).map(drop).err().unwrap_or_default();
            assert!(
                found.contains(expected) && found.is_empty() == expected.is_empty(),
                "{claims}: {found}"
            );
        }
        for bad in [
            json!({ "issuers": [], "isuers": [] }),
            json!({ "issuers": [{ "issuer": "a", "audience": "", "keys": "k", "rules": [] }] }),
            json!({ "issuers": [{ "issuer": "a", "audience": "b", "keys": "k" }] }),
            json!({ "issuers": [
                { "issuer": "a", "audience": "b", "keys": "k", "rules": [] },
                { "issuer": "a", "audience": "c", "keys": "l", "rules": [] },
            ] }),
        ] {
            assert!(Rules::read(bad.clone()).is_err(), "{bad}");
        }
    }
}
