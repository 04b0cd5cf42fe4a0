//! What happens in a case: short forms for what cases are made of, and any statement as it is.

mod record;

use schemas::id::Digest;
use schemas::policy::Duration;
use schemas::predicate::{
    analysis, approval, build, deployment, measurement, promotion_request, review, test,
    vulnerabilities,
};
use schemas::statement::{Statement, Subject};
use serde::Deserialize;
use serde_json::{Value, json};

use super::stage::{EMITTER, Stage, artifact, commit, together};
use super::{Case, Members};

/// One event, or time that passes. Fields that a short form does not know go into the predicate
/// as they are written.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Happening {
    /// `wait: 24h`
    Wait(Duration),
    Build(Members),
    Review(Members),
    Test(Members),
    Scan(Members),
    Measurement(Members),
    Analysis(Members),
    Deployment(Members),
    Request(Members),
    Approval(Members),
    /// The newest open request is decided.
    Decide(Members),
    /// Any kind: `kind`, `predicate`, `about` (a word for an artifact) or `commit`.
    Record(Members),
}

/// The members of one event; what is taken is gone.
struct Fields(Members);

impl Fields {
    fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(format!("`{name}` is a word")),
        }
    }

    fn text_or(&mut self, name: &str, otherwise: &str) -> Result<String, String> {
        Ok(self.text(name)?.unwrap_or_else(|| otherwise.to_owned()))
    }

    fn required(&mut self, name: &str) -> Result<String, String> {
        self.text(name)?.ok_or_else(|| format!("`{name}` is missing"))
    }

    fn words(&mut self, name: &str) -> Result<Vec<String>, String> {
        let wrong = || format!("`{name}` is a list of words");
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(value) => serde_json::from_value(value).map_err(|_| wrong()),
        }
    }

    /// The artifacts that a request is about: those of the case, unless it names its own.
    fn together(&mut self, case: &Case) -> Result<Vec<Digest>, String> {
        let named = self.0.contains_key("with");
        let (first, with) = (self.text("artifact")?, self.words("with")?);
        let with = if named || first.is_some() { &with } else { &case.with };
        together(first.as_deref().unwrap_or(&case.artifact), with)
    }

    /// Adds what is left to a predicate.
    fn into_rest(self, predicate: &mut Value) {
        if let Value::Object(object) = predicate {
            object.extend(self.0);
        }
    }
}

/// Lets an event happen.
pub fn happen(stage: &mut Stage, event: &Happening, case: &Case) -> Result<(), String> {
    let (members, of): (&Members, Form) = match event {
        Happening::Wait(time) => {
            stage.now = stage.now.plus_ms(time.ms());
            return Ok(());
        }
        Happening::Build(members) => (members, built),
        Happening::Review(members) => (members, reviewed),
        Happening::Test(members) => (members, tested),
        Happening::Scan(members) => (members, scanned),
        Happening::Measurement(members) => (members, measured),
        Happening::Analysis(members) => (members, analysed),
        Happening::Deployment(members) => (members, deployed),
        Happening::Request(members) => (members, requested),
        Happening::Approval(members) => (members, approved),
        Happening::Decide(members) => (members, decided),
        Happening::Record(members) => {
            return record::recorded(stage, Fields(members.clone()), case);
        }
    };
    let mut fields = Fields(members.clone());
    let about = match event {
        Happening::Request(_) | Happening::Approval(_) | Happening::Decide(_) => {
            fields.together(case)?
        }
        _ => vec![artifact(&fields.text_or("artifact", &case.artifact)?)],
    };
    of(stage, fields, &about, case)
}

type Form = fn(&mut Stage, Fields, &[Digest], &Case) -> Result<(), String>;

/// Logs a predicate of the field, as it is.
fn log(
    stage: &mut Stage,
    by: &str,
    about: &[Digest],
    kind: &str,
    predicate: Value,
) -> Result<(), String> {
    let subjects = about.iter().map(|it| Subject::of(it, None)).collect();
    stage.log(&Statement::new(subjects, kind, predicate), by).map(|_| ())
}

/// Logs one of our own kinds: with ledger, project and nonce.
fn log_own(
    stage: &mut Stage,
    by: &str,
    about: &[Digest],
    kind: &str,
    predicate: Value,
) -> Result<(), String> {
    let mut own = json!({
        "ledger": stage.origin(), "project": stage.project(), "nonce": stage.nonce(),
    });
    if let (Value::Object(own), Value::Object(written)) = (&mut own, predicate) {
        own.extend(written);
    }
    log(stage, by, about, kind, own)
}

/// A note about a report that nobody has: the fixture says what it said.
fn report(stage: &mut Stage, suite: Option<String>, counts: Option<Value>) -> Value {
    let nonce = format!("{:?}", stage.nonce());
    json!({
        "format": "json", "digest": artifact(&nonce), "sizeBytes": 1, "binding": "subject",
        "suite": suite.unwrap_or_default(), "counts": counts.unwrap_or(json!({})),
    })
}

fn built(stage: &mut Stage, mut it: Fields, about: &[Digest], _: &Case) -> Result<(), String> {
    let source = it.text_or("source", "git+https://git.example/app")?;
    let builder = it.text_or("builder", "https://ci.example")?;
    let mut commits = it.words("commits")?;
    if commits.is_empty() {
        commits.push("head".to_owned());
    }
    let mut dependencies = Vec::new();
    for word in &commits {
        dependencies.push(json!({"uri": source, "digest": {"gitCommit": commit(word)?.hex()}}));
    }
    for uri in it.words("unpinned")? {
        dependencies.push(json!({"uri": uri}));
    }
    let run = format!("{:?}", stage.nonce());
    let predicate = json!({
        "buildDefinition": {"buildType": build::RECORDED_BUILD, "externalParameters": {},
            "resolvedDependencies": dependencies},
        "runDetails": {"builder": {"id": builder}, "metadata": {"invocationId": run}},
    });
    let by = it.text_or("by", EMITTER)?;
    log(stage, &by, about, build::TYPE, predicate)
}

fn reviewed(stage: &mut Stage, mut it: Fields, _: &[Digest], _: &Case) -> Result<(), String> {
    let about = commit(&it.text_or("commit", "head")?)?;
    let by = it.text_or("by", EMITTER)?;
    let mut predicate = json!({
        "authors": it.words("authors")?, "reviewers": it.words("reviewers")?,
        "outcome": it.text_or("outcome", "approved")?,
    });
    it.into_rest(&mut predicate);
    log_own(stage, &by, &[about], review::TYPE, predicate)
}

fn tested(stage: &mut Stage, mut it: Fields, about: &[Digest], _: &Case) -> Result<(), String> {
    let result = it.text_or("result", "passed")?.to_uppercase();
    let (suite, counts) = (it.text("suite")?, it.take("counts"));
    let failed = it.words("failed")?;
    let by = it.text_or("by", EMITTER)?;
    let counts = counts.or_else(|| Some(json!({"passed": 1, "failed": failed.len()})));
    let predicate = json!({
        "result": result, "configuration": [], "failedTests": failed,
        "attestry_report": report(stage, suite, counts),
    });
    log(stage, &by, about, test::TYPE, predicate)
}

fn scanned(stage: &mut Stage, mut it: Fields, about: &[Digest], _: &Case) -> Result<(), String> {
    let found = it.words("found")?;
    let result: Vec<Value> = found
        .iter()
        .enumerate()
        .map(|(nth, word)| {
            json!({"id": format!("CVE-{nth}"), "severity": [{"method": "test", "score": word}]})
        })
        .collect();
    let (suite, by) = (it.text("suite")?, it.text_or("by", EMITTER)?);
    let predicate = json!({
        "scanner": {"uri": "pkg:generic/scanner", "result": result},
        "metadata": {"scanFinishedOn": stage.now},
        "attestry_report": report(stage, suite, None),
    });
    log(stage, &by, about, vulnerabilities::TYPE, predicate)
}

fn measured(stage: &mut Stage, mut it: Fields, about: &[Digest], _: &Case) -> Result<(), String> {
    let by = it.text_or("by", EMITTER)?;
    let (unit, samples) = (it.text("unit")?, it.take("samples"));
    let metrics: Vec<Value> =
        it.0.into_iter()
            .map(|(name, value)| {
                let mut metric = json!({"name": name, "value": value});
                if let Some(unit) = &unit {
                    metric["unit"] = json!(unit);
                }
                if let Some(samples) = &samples {
                    metric["samples"] = samples.clone();
                }
                metric
            })
            .collect();
    log_own(stage, &by, about, measurement::TYPE, json!({ "metrics": metrics }))
}

fn analysed(stage: &mut Stage, mut it: Fields, about: &[Digest], _: &Case) -> Result<(), String> {
    let (suite, by) = (it.text("suite")?, it.text_or("by", EMITTER)?);
    let levels = |written: Option<Value>| -> Value {
        let mut levels = json!({"error": 0, "warning": 0, "note": 0, "none": 0});
        if let (Value::Object(levels), Some(Value::Object(written))) = (&mut levels, written) {
            levels.extend(written);
        }
        levels
    };
    let mut predicate = json!({
        "levels": levels(it.take("levels")), "suppressed": 0, "report": report(stage, suite, None),
    });
    if let Some(new) = it.take("new") {
        predicate["new"] = levels(Some(new));
    }
    it.into_rest(&mut predicate);
    log_own(stage, &by, about, analysis::TYPE, predicate)
}

fn deployed(stage: &mut Stage, mut it: Fields, about: &[Digest], _: &Case) -> Result<(), String> {
    let by = it.text_or("by", EMITTER)?;
    let mut predicate = json!({
        "environment": it.required("to")?, "result": it.text_or("result", "succeeded")?,
    });
    it.into_rest(&mut predicate);
    log_own(stage, &by, about, deployment::TYPE, predicate)
}

fn requested(
    stage: &mut Stage,
    mut it: Fields,
    about: &[Digest],
    case: &Case,
) -> Result<(), String> {
    let by = it.required("by")?;
    let mut predicate = json!({
        "to": it.text_or("to", &case.to)?, "reason": it.text_or("reason", "a test")?,
        "seen": stage.seen(),
    });
    it.into_rest(&mut predicate);
    log_own(stage, &by, about, promotion_request::TYPE, predicate)
}

fn approved(
    stage: &mut Stage,
    mut it: Fields,
    about: &[Digest],
    case: &Case,
) -> Result<(), String> {
    let (by, to) = (it.required("by")?, it.text_or("to", &case.to)?);
    let Some((index, request)) = stage.request(about, &to)? else {
        return Err(format!("nothing is requested for {to}"));
    };
    let mut predicate = json!({
        "environment": to, "request": {"index": index, "statement": request.statement},
        "policy": stage.policy(), "outcome": it.text_or("outcome", "granted")?,
        "meaning": it.text_or("meaning", "release")?, "role": it.required("role")?,
        "reason": it.text_or("reason", "a test")?, "signingMode": it.text_or("signing", "key")?,
        "expiresAt": stage.now.plus_ms(7 * 86_400_000), "seen": stage.seen(),
    });
    it.into_rest(&mut predicate);
    // Whatever answers a request is about the same, in its order.
    let about: Vec<Digest> = request.artifacts().cloned().collect();
    log_own(stage, &by, &about, approval::TYPE, predicate)
}

fn decided(stage: &mut Stage, mut it: Fields, about: &[Digest], case: &Case) -> Result<(), String> {
    let to = it.text_or("to", &case.to)?;
    stage.decide(about, &to).map(|_| ())
}
