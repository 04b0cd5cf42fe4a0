//! The register of gates: one line for each, and everything that follows from the lines.

use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};

use super::condition::When;
use super::duration::Duration;
use super::rule::{Fails, GateLabels, WaiverRule};
use super::{
    analysis, approvals, canary, configuration, dependency, evidence, freeze, licenses,
    measurement, migration, provenance, rego, rollback_ready, sbom, slo, soak, vulnerabilities,
    window,
};

/// Hands the register to another macro: the type of the parameters, the module that has them here
/// and the gate's rule in the verifier, the gate's name, and what it asks, as a question.
///
/// Whatever must know every gate is made from these lines, so that a gate is added in one place.
#[macro_export]
macro_rules! for_gates {
    ($then:ident) => {
        $then! {
            Provenance provenance "provenance"
                "Who built the artifact, and from which source?";
            Evidence evidence "evidence"
                "Is there evidence of this kind, and does it say yes?";
            Measurement measurement "measurement"
                "Is a number within its limits, or near that of the version that runs there now?";
            Vulnerabilities vulnerabilities "vulnerabilities"
                "Has a scan found at most so many of each severity?";
            Analysis analysis "analysis"
                "Has a static analysis found at most so much, so much new, and so many secrets?";
            Sbom sbom "sbom"
                "Is there a bill of materials, and does it cover the artifact?";
            Licenses licenses "licenses"
                "Does every component have an admitted licence?";
            Soak soak "soak"
                "Has it run in another environment for long enough?";
            Canary canary "canary"
                "Has a canary passed, for long enough and with enough samples?";
            Slo slo "slo"
                "Is error budget left, and does it burn slowly enough?";
            Freeze freeze "freeze"
                "Is nothing frozen?";
            Configuration configuration "configuration"
                "Was the configuration approved, and does it match that of another environment?";
            Migration migration "migration"
                "Can its database migration be taken back, and was it tried?";
            RollbackReady rollback_ready "rollback-ready"
                "Is there something to go back to, and was going back tried?";
            Dependency dependency "dependency"
                "Is another project's artifact there already?";
            Window window "window"
                "Is now a time at which an artifact may enter?";
            Approvals approvals "approvals"
                "Have enough people with the right roles signed?";
            Rego rego "rego"
                "What does a rule of the policy's own say?";
        }
    };
}

macro_rules! register {
    ($($variant:ident $module:ident $name:literal $asks:literal;)*) => {
        /// The kinds of gates with their parameters; each is evaluated in the verifier's file of
        /// its name.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Gate {
            $(#[doc = $asks] $variant($module::$variant),)*
        }

        impl Gate {
            pub fn kind(&self) -> &'static str {
                match self { $(Gate::$variant(_) => $name,)* }
            }
        }

        /// Every gate, in the order of the register.
        pub const GATES: &[GateLine] = &[
            $(GateLine { name: $name, asks: $asks, schema: || schema_for!($module::$variant) },)*
        ];

        /// The gate of a rule as it is written down: exactly one of these.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub(super) struct GateText {
            /// Unique among the gates of its path; the gate's kind where it is not written.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub id: Option<String>,
            /// One sentence for those who meet the gate.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            why: Option<String>,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            when: Option<When>,
            /// What a fail does to the request: it is denied at once, or waits for better
            /// evidence.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            fails: Option<Fails>,
            /// A gate that still does not admit this long after the request is overdue.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            limit: Option<Duration>,
            /// The role that is told when the gate is overdue.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            escalate: Option<String>,
            /// Who may waive the gate; absent: nobody.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            waiver: Option<WaiverRule>,
            $(
                #[serde(default, rename = $name, skip_serializing_if = "Option::is_none")]
                $module: Option<$module::$variant>,
            )*
        }

        impl GateText {
            pub fn of(id: Option<String>, labels: GateLabels) -> GateText {
                let GateLabels { why, when, fails, limit, escalate, waiver } = labels;
                let fails = (fails != Fails::default()).then_some(fails);
                GateText { id, why, when, fails, limit, escalate, waiver, ..GateText::default() }
            }

            pub fn take_labels(&mut self) -> GateLabels {
                GateLabels {
                    why: self.why.take(),
                    when: self.when.take(),
                    fails: self.fails.unwrap_or_default(),
                    limit: self.limit.take(),
                    escalate: self.escalate.take(),
                    waiver: self.waiver.take(),
                }
            }

            /// The gates that it holds, and what is left.
            pub fn take_gates(&mut self) -> Vec<Gate> {
                let gates = [$(self.$module.take().map(Gate::$variant),)*];
                gates.into_iter().flatten().collect()
            }

            pub fn put(&mut self, gate: Gate) {
                match gate { $(Gate::$variant(it) => self.$module = Some(it),)* }
            }
        }
    };
}

for_gates!(register);

/// One line of the register.
pub struct GateLine {
    pub name: &'static str,
    /// What it asks, as a question.
    pub asks: &'static str,
    /// The JSON Schema of its parameters.
    pub schema: fn() -> Schema,
}
