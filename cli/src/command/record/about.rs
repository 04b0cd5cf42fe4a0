//! What a note, an incident or a canary is about: a promotion, a deployment, or what was deployed
//! somewhere at some time. However it is said, it ends as the entry of a request or a deployment.

use clap::Args;
use schemas::id::{Digest, EntryIndex, Environment, Project};
use schemas::kind::EventKind;
use schemas::thread::ThreadId;
use verifier::entry::Entry;
use verifier::event::Body;

use super::desk::Desk;
use super::{RecordArgs, deployment};
use crate::argument::{parse_environment, parse_index, parse_time};
use crate::compose::Attached;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::minute;
use crate::output::names::ends;

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "For note, incident and canary, beside --promotion")]
pub struct AboutArgs {
    /// The entry of the deployment or rollback that it is about
    #[arg(long, value_name = "INDEX")]
    pub deployment: Option<String>,
    /// With --subject and --to: what was deployed there then [for a note: now]
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
}

/// Entries that are read at once on the way back to a deployment, which is mostly near.
const PAGE: u64 = 20;

/// The entry that an event is about.
pub struct About {
    /// What the statement names; nothing for a canary of a deployment that names no promotion.
    pub attached: Option<Attached>,
    /// The entry, as people say it.
    name: String,
    pub entry: EntryIndex,
    /// Nothing where it could not be looked up, and need not be.
    said: Option<Said>,
}

/// What that entry says.
struct Said {
    environment: Environment,
    artifacts: Vec<Digest>,
    /// The promotion that a deployment carries out.
    promotion: Option<EntryIndex>,
}

/// The entry that the options name, if they do.
pub fn named(args: &RecordArgs, kind: EventKind, desk: &Desk) -> Result<Option<About>, Failure> {
    if !matches!(kind, EventKind::Note | EventKind::Incident | EventKind::Canary) {
        let given = [("--deployment", &args.about.deployment), ("--at", &args.about.at)];
        return match given.into_iter().find(|(_, value)| value.is_some()) {
            Some((option, _)) => {
                Err(Failure::usage(format!("{option} is for note, incident and canary")))
            }
            None => Ok(None),
        };
    }
    let deployed = args.about.deployment.as_deref().map(parse_index).transpose()?;
    let attached = match (deployment::promotion(args)?, deployed) {
        (Some(_), Some(_)) => {
            return Err(Failure::usage("--promotion and --deployment say the same: keep one"));
        }
        (Some(request), None) => Attached::Promotion(request),
        (None, Some(entry)) => Attached::Deployment(entry),
        (None, None) => return Ok(None),
    };
    if args.about.at.is_some() {
        return Err(Failure::usage(format!("{} has a time: leave --at out", attached.name())));
    }
    let placed = kind == EventKind::Note || args.deployment.to.is_some();
    let by_deployment = kind == EventKind::Canary && deployed.is_some();
    let enough = args.subject.is_some() && placed && !by_deployment;
    let said = match look(desk, attached) {
        Ok(said) => Some(said),
        // Whoever may only submit, or whose server is away, has said what the statement needs.
        Err(why) if why.exit == Exit::NotAllowed || desk.is_away() => match enough {
            true => None,
            false => return Err(unseen(why, kind, attached)),
        },
        Err(why) => return Err(why),
    };
    Ok(Some(About::new(kind, attached, said)))
}

/// Says what to add where an entry cannot be looked up.
fn unseen(why: Failure, kind: EventKind, attached: Attached) -> Failure {
    let add = match kind {
        EventKind::Note => "name the artifact too: --subject SUBJECT",
        EventKind::Canary => "name all of it: --promotion P-118 --subject SUBJECT --to ENV",
        _ => "name artifact and environment too: --subject SUBJECT --to ENV",
    };
    why.hint(format!("{} cannot be looked up: {add}", attached.name()))
}

/// Reads the entry of a request or a deployment.
fn look(desk: &Desk, attached: Attached) -> Result<Said, Failure> {
    let entry = attached.entry();
    let (what, kind) = match attached {
        Attached::Promotion(_) => ("promotion request", EventKind::PromotionRequest),
        Attached::Deployment(_) => ("deployment", EventKind::Deployment),
    };
    let none = || {
        Failure::not_found(format!("entry {entry} is no {what}"))
            .hint(format!("attestry log --kind {} lists them", kind.name()))
    };
    let event = desk.event(entry)?.ok_or_else(none)?;
    let (project, name, promotion) = match (&event.body, attached) {
        (Body::PromotionRequest(body), Attached::Promotion(_)) if body.withdraws.is_none() => {
            (&body.project, &body.to, None)
        }
        (Body::Deployment(body), Attached::Deployment(_)) => {
            (&body.project, &body.environment, body.promotion)
        }
        (Body::Rollback(body), Attached::Deployment(_)) => {
            (&body.project, &body.environment, body.promotion)
        }
        (_, Attached::Promotion(_) | Attached::Deployment(_)) => return Err(none()),
    };
    Ok(Said {
        environment: Environment { project: project.clone(), name: name.clone() },
        artifacts: event.artifacts().cloned().collect(),
        promotion,
    })
}

/// What was deployed last, where artifact, environment and perhaps time say which deployment is
/// meant.
pub fn deployed(
    args: &RecordArgs,
    kind: EventKind,
    project: &Project,
    subject: Option<&Digest>,
    desk: &Desk,
) -> Result<Option<About>, Failure> {
    let (to, at) = (args.deployment.to.as_deref(), args.about.at.as_deref());
    let asked = match kind {
        EventKind::Note => to.is_some() || at.is_some(),
        // Without a time, subject and environment alone go on with an incident.
        EventKind::Incident => at.is_some(),
        EventKind::Canary if at.is_some() => {
            return Err(Failure::usage("a canary has times of its own: leave --at out"));
        }
        _ => false,
    };
    if !asked {
        return Ok(None);
    }
    let hint = format!("attestry record {} … --subject SUBJECT --to ENV", kind.name());
    let missing = |what: &str| Failure::usage(format!("{what} is missing")).hint(hint.clone());
    let subject = subject.ok_or_else(|| missing("--subject"))?;
    let there = parse_environment(to.ok_or_else(|| missing("--to"))?, Some(project))?;
    let at = at.map(parse_time).transpose()?;
    let (thread, joined) =
        (ThreadId::Artifact(subject.clone()), ThreadId::Environment(there.clone()));
    let is_deployment = |entry: &Entry| {
        let kind = EventKind::of_type(&entry.predicate_type);
        matches!(kind, EventKind::Deployment | EventKind::Rollback)
            && entry.thread(&joined).is_some()
            && at.is_none_or(|at| entry.time <= at)
    };
    let mut from = None;
    loop {
        let page = desk.back(&thread, from, PAGE)?;
        for stored in &page.entries {
            let entry = Entry::parse(&stored.entry).map_err(Failure::unexpected)?;
            if is_deployment(&entry) {
                return Ok(Some(About::new(kind, Attached::Deployment(entry.index), None)));
            }
        }
        from = page.next;
        if from.is_none() {
            let by = at.map_or(String::new(), |at| format!(" by {} UTC", minute(at)));
            let message = format!("{} was not deployed in {there}{by}", subject.short());
            return Err(Failure::not_found(message)
                .hint("attestry log --kind deployment lists deployments"));
        }
    }
}

impl About {
    fn new(kind: EventKind, attached: Attached, said: Option<Said>) -> About {
        let (name, entry) = (attached.name(), attached.entry());
        let named = match (kind, attached) {
            // A canary names no deployment, but the promotion that this one carries out.
            (EventKind::Canary, Attached::Deployment(_)) => {
                said.as_ref().and_then(|said| said.promotion).map(Attached::Promotion)
            }
            (_, attached) => Some(attached),
        };
        About { attached: named, name, entry, said }
    }

    /// `P-118`, or `entry 121`.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn environment(&self) -> Option<&Environment> {
        self.said.as_ref().map(|said| &said.environment)
    }

    /// The artifact that is meant. Options that say something else than the entry are refused.
    pub fn subject(
        &self,
        args: &RecordArgs,
        project: &Project,
        subject: Option<Digest>,
    ) -> Result<Option<Digest>, Failure> {
        let Some(said) = &self.said else { return Ok(subject) };
        let (name, there) = (&self.name, &said.environment);
        let to = args.deployment.to.as_deref();
        let to = to.map(|to| parse_environment(to, Some(project))).transpose()?;
        if *project != there.project || to.is_some_and(|to| to != *there) {
            return Err(Failure::usage(format!("{name} is about {there}"))
                .hint("leave --to and --project out: the entry says both"));
        }
        match (subject, said.artifacts.as_slice()) {
            (None, [only]) => Ok(Some(only.clone())),
            (None, several) => {
                let message = format!("{name} is about {} artifacts", several.len());
                Err(Failure::usage(message).hint("say which: --subject SUBJECT"))
            }
            (Some(subject), all) if all.contains(&subject) => Ok(Some(subject)),
            (Some(subject), all) => {
                let width = name.len().max("--subject".len());
                let message = format!("{name} is about another artifact");
                let failure = Failure::new(Exit::No, "subject-invalid", message)
                    .hint("leave --subject out: the entry says it");
                let failure = failure.detail(format!("{:width$}  {}", "--subject", ends(&subject)));
                Err(all.iter().fold(failure, |failure, it| {
                    failure.detail(format!("{name:width$}  {}", ends(it)))
                }))
            }
        }
    }
}
