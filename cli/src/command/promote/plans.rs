//! The plans that go with a request, by their digests.

use clap::Args;
use schemas::id::Digest;
use schemas::predicate::promotion_request::Plans;
use verifier::merkle::sha256;

use crate::failure::Failure;
use crate::io::Io;

/// Largest plan that is read, in bytes.
const PLAN_BYTES_MAX: u64 = 64 << 20;

/// Each is a file, or the digest of one that is kept elsewhere.
#[derive(Debug, Clone, Default, Args)]
pub struct PlanArgs {
    /// The release notes: a file, which is kept beside the log, or its sha256:…
    #[arg(long, value_name = "FILE")]
    pub release_notes: Option<String>,
    /// The risk assessment, likewise
    #[arg(long, value_name = "FILE")]
    pub risk: Option<String>,
    /// The plan for going back, likewise
    #[arg(long, value_name = "FILE")]
    pub rollback_plan: Option<String>,
    /// The plan for a migration, likewise
    #[arg(long, value_name = "FILE")]
    pub migration_plan: Option<String>,
    /// The configuration that it shall run with; the file itself is not kept
    #[arg(long, value_name = "FILE")]
    pub configuration: Option<String>,
}

/// The digests that the request names, and the files that are kept.
#[derive(Debug, Default)]
pub struct Read {
    pub plans: Option<Plans>,
    pub files: Vec<Vec<u8>>,
}

pub fn read(args: &PlanArgs, io: &mut Io) -> Result<Read, Failure> {
    let mut files = Vec::new();
    let mut kept = |option: &str, written: &Option<String>| -> Result<_, Failure> {
        let Some(plan) = one(option, written, io)? else { return Ok(None) };
        files.extend(plan.file);
        Ok(Some(plan.digest))
    };
    let release_notes = kept("--release-notes", &args.release_notes)?;
    let risk_assessment = kept("--risk", &args.risk)?;
    let rollback = kept("--rollback-plan", &args.rollback_plan)?;
    let migration = kept("--migration-plan", &args.migration_plan)?;
    // A configuration may hold what must not stand in a ledger.
    let configuration = one("--configuration", &args.configuration, io)?.map(|plan| plan.digest);
    let plans = Plans { rollback, migration, release_notes, risk_assessment, configuration };
    let some = plans.named().next().is_some();
    Ok(Read { plans: some.then_some(plans), files })
}

/// A plan, and its bytes where a file was named.
struct Plan {
    digest: Digest,
    file: Option<Vec<u8>>,
}

fn one(option: &str, written: &Option<String>, io: &mut Io) -> Result<Option<Plan>, Failure> {
    let Some(written) = written.as_deref() else { return Ok(None) };
    if written.is_empty() {
        return Err(crate::argument::empty(option));
    }
    if written.starts_with("sha256:") {
        let digest: Digest =
            written.parse().map_err(|cause| Failure::usage(format!("{option}: {cause}")))?;
        return Ok(Some(Plan { digest, file: None }));
    }
    let bytes = io.read_file(written, PLAN_BYTES_MAX)?;
    Ok(Some(Plan { digest: Digest::sha256(&sha256(&[&bytes])), file: Some(bytes) }))
}

/// What each plan is, and below it its digest, whole: beside a label it is wider than 80 columns.
pub fn lines(plans: Option<&Plans>) -> String {
    let plans = plans.into_iter().flat_map(Plans::named);
    plans.map(|(name, digest)| format!("  {name}\n    {digest}\n")).collect()
}
