//! What evaluation and verification say: verdicts, findings, and every stable code.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{EntryIndex, Time};

/// What one gate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Pass,
    /// A signed exception stands in for the evidence.
    Waived,
    /// The evidence says no.
    Fail,
    /// Evidence, time or a person is still missing.
    Waiting,
    /// Could not tell; never admits.
    Indeterminate,
}

impl Verdict {
    pub fn admits(self) -> bool {
        match self {
            Verdict::Pass | Verdict::Waived => true,
            Verdict::Fail | Verdict::Waiting | Verdict::Indeterminate => false,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Waived => "waived",
            Verdict::Fail => "fail",
            Verdict::Waiting => "waiting",
            Verdict::Indeterminate => "indeterminate",
        }
    }
}

/// A gate's verdict with its reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GateVerdict {
    pub id: String,
    /// The gate's kind; `source-environment` for the policy's `from`.
    pub gate: String,
    pub verdict: Verdict,
    /// One sentence.
    pub reason: String,
    /// What to do next, where the gate does not admit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The entries it looked at.
    pub entries: Vec<EntryIndex>,
    /// When time alone could change the verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

/// The class of a finding, which is the exit code that it asks for (7 before 3 before 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Worth knowing; changes no answer.
    Note,
    /// 3: a rule is broken, a claim does not hold.
    Rule,
    /// 7: hash, chain, proof, log signature or bytes: somebody must be woken.
    Integrity,
    /// 8: could not tell.
    Unknown,
}

/// One thing that verification noticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    pub code: Code,
    pub class: Class,
    /// The entry it is about, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<EntryIndex>,
    /// Where, expected, observed: one line.
    pub detail: String,
}

impl Finding {
    pub fn new(code: Code, index: Option<EntryIndex>, detail: impl Into<String>) -> Finding {
        Finding { code, class: code.class(), index, detail: detail.into() }
    }
}

/// Lists every code once: variant, stable spelling, class, meaning.
macro_rules! codes {
    ($($variant:ident $name:literal $class:ident $meaning:literal;)*) => {
        /// The stable codes of findings and refusals.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
        pub enum Code {
            $(#[serde(rename = $name)] #[doc = $meaning] $variant,)*
        }

        impl Code {
            pub const ALL: &'static [Code] = &[$(Code::$variant),*];

            pub fn name(self) -> &'static str {
                match self { $(Code::$variant => $name,)* }
            }

            pub fn class(self) -> Class {
                match self { $(Code::$variant => Class::$class,)* }
            }

            pub fn meaning(self) -> &'static str {
                match self { $(Code::$variant => $meaning,)* }
            }
        }
    };
}

codes! {
    EntryMalformed "entry-malformed" Integrity "an entry is not spelt as the format demands";
    IndexMismatch "index-mismatch" Integrity "an entry stands at another position than it says";
    ChainBroken "chain-broken" Integrity "an entry does not name the leaf hash of the one before it";
    TimeBackwards "time-backwards" Integrity "an entry's time is below the time of the one before";
    ThreadGap "thread-gap" Integrity "a thread's positions do not follow one another: an entry was left out";
    ThreadBroken "thread-broken" Integrity "a thread line names another entry than the one before it";
    ThreadsNotDerived "threads-not-derived" Integrity "an entry's thread lines are not those that its statement gives";
    PartsBroken "parts-broken" Integrity "the parts of a statement do not stand together";
    PositionTwice "position-twice" Integrity "two entries claim one position of the log, or one place in a thread";
    EnvelopeMismatch "envelope-mismatch" Integrity "the envelope's bytes are not those that the entry names";
    EnvelopeMissing "envelope-missing" Integrity "an envelope is missing and no erasure is logged";
    EnvelopeMalformed "envelope-malformed" Integrity "a logged envelope has no single reading";
    StatementMismatch "statement-mismatch" Integrity "the envelope holds another statement than the entry names";
    TypeMismatch "type-mismatch" Integrity "the entry's type is not the statement's predicate type";
    RootMismatch "root-mismatch" Integrity "the entries do not hash to the checkpoint's root";
    ProofInvalid "proof-invalid" Integrity "an inclusion or consistency proof does not hold";
    ProofMissing "proof-missing" Integrity "an entry comes without a proof that it is in the log";
    CheckpointInvalid "checkpoint-invalid" Integrity "a checkpoint is malformed or not signed by the log key";
    CheckpointMissing "checkpoint-missing" Integrity "there is no checkpoint to verify against";
    NotExtending "not-extending" Integrity "the log does not extend a checkpoint kept from earlier";
    GenesisMismatch "genesis-mismatch" Integrity "entry 0 is another one than the pin names";
    LogKeyMismatch "log-key-mismatch" Integrity "the trust document names another log key or origin than the pin";
    HeadsMismatch "heads-mismatch" Integrity "a heads event does not match the threads or the state";
    HeadUnproven "head-unproven" Integrity "a thread's newest entry is not the one that the last heads event names";
    ManifestMismatch "manifest-mismatch" Integrity "a file of the pack is not the one in its manifest";
    PackMalformed "pack-malformed" Integrity "the pack is not built as the format demands";
    DerivedMismatch "derived-mismatch" Integrity "a table or report of the pack is not the one that its entries give";
    AttachmentMismatch "attachment-mismatch" Integrity "an attachment's bytes are not those that a statement names";
    EntryMissing "entry-missing" Integrity "an entry that the pack must hold is not in it";

    SignatureInvalid "signature-invalid" Rule "no signature of a known identity verifies";
    SignatureExtra "signature-extra" Rule "an envelope of our own kinds holds a signature that does not verify";
    RoleMissing "role-missing" Rule "the signer has no grant for this";
    ThresholdMissed "threshold-missed" Rule "too few root keys signed a trust document";
    TrustRefused "trust-refused" Rule "a trust document breaks a rule of trust documents";
    PolicyRefused "policy-refused" Rule "a policy breaks a rule of policies";
    NotReplacing "not-replacing" Rule "the document does not name the one in force as replaced";
    OtherLedger "other-ledger" Rule "the statement was made for another ledger";
    ProjectMismatch "project-mismatch" Rule "the statement names another project than it is filed under";
    UnknownProject "unknown-project" Rule "no grant names this project";
    UnknownEnvironment "unknown-environment" Rule "the project's policy has no such environment";
    PredicateInvalid "predicate-invalid" Rule "the predicate is not as its type demands";
    SubjectInvalid "subject-invalid" Rule "the subject is not as its kind demands";
    RequestUnknown "request-unknown" Rule "there is no such request, or it is not open";
    RequestMismatch "request-mismatch" Rule "the event is not about its request's artifact and environment";
    SubjectsDiffer "subjects-differ" Rule "an answer to a request for several artifacts, or to one of one, is not about exactly those";
    IllegalMove "illegal-move" Rule "the event claims a move that its promotion's state does not allow";
    ReviewerInvolved "reviewer-involved" Rule "who asked for an emergency or approved it does not review it";
    IncidentMismatch "incident-mismatch" Rule "the incident is not open, or is not attributed to that artifact";
    NothingWithdrawn "nothing-withdrawn" Rule "there is no such waiver, freeze or approval to take back";
    ApprovalExpired "approval-expired" Rule "the approval had expired before it was logged";
    PolicyChanged "policy-changed" Rule "the approval was given under a policy that is no longer in force";
    AdminApproves "admin-approves" Rule "an admin cannot approve";
    SigningModeMismatch "signing-mode-mismatch" Rule "an approval says another way of signing than its key's";
    DecisionStale "decision-stale" Rule "a thread that the decision read has moved since";
    DecisionTime "decision-time" Rule "the decision's time is not between the entry before and its own";
    DecisionOtherPolicy "decision-other-policy" Rule "the decision was made by another policy than the one in force";
    DecisionDisagrees "decision-disagrees" Rule "evaluated again, the decision comes out differently";
    HeadsStale "heads-stale" Rule "a heads event is not about the log just before it";
    StatementRepeated "statement-repeated" Rule "a statement is logged again without a new signer";
    ClockSkew "clock-skew" Rule "the time is too far from the last entry's";
    DeployedWithoutGrant "deployed-without-grant" Rule "something was deployed that no decision had granted";
    ReliedOnCompromisedKey "relied-on-compromised-key" Rule "a decision relied on a key that was compromised by then";
    WaiverExpiredInUse "waiver-expired-in-use" Rule "something still ran under a waiver after its end";
    ReportNamesOtherSubject "report-names-other-subject" Rule "the report is about another artifact";

    QuorumMissed "quorum-missed" Rule "the witnesses that the pin asks for have not cosigned the checkpoint";
    RulesUnknown "rules-unknown" Unknown "this verifier does not have that version of the rules";
    DecisionNotReplayed "decision-not-replayed" Unknown "not everything that the decision read is at hand";
    EnvelopeWithheld "envelope-withheld" Unknown "an envelope was withheld from the pack";

    AttachmentAbsent "attachment-absent" Note "an attachment is not in the pack: of that file it holds only the digest";
    RootsNotPinned "roots-not-pinned" Note "the roots are as claimed by the holder of the log key";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_kebab_case_and_distinct() {
        let mut names: Vec<&str> = Code::ALL.iter().map(|code| code.name()).collect();
        assert!(names.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
    }
}
