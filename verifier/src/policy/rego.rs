//! Rego rules: checked when a policy is written, and evaluated in counted steps.
//!
//! The same text and input give the same value on every machine: the engine's version is pinned,
//! its builtins are those of a list (no clock, no randomness, no network), and it is bounded by
//! sizes and steps, never by a timer. A rule that cannot be evaluated is "could not tell".

mod head;

use std::sync::Arc;
use std::thread;

use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::RegoVM;
use regorus::rvm::program::Program;
use regorus::rvm::vm::{ExecutionMode, ExecutionState};
use regorus::{CompiledPolicy, Engine, Value};

/// Longest text of a module, and longest input, in bytes.
pub const TEXT_BYTES_MAX: usize = 32 * 1024;
const INPUT_BYTES_MAX: usize = 4 << 20;

/// Most steps of an evaluation.
const STEPS_MAX: usize = 200_000;

/// The stack of reading and evaluating a module. Nesting is bounded, but rules depend on rules: a
/// chain as long as a module allows must not end the process.
const STACK_BYTES: usize = 128 << 20;

/// The builtins that a rule may call. Part of the rules version.
///
/// What is absent reads a clock, chance or a network (`time.now_ns`, `rand.intn`, `http.send`,
/// `opa.runtime`, `uuid.*`), writes somewhere (`trace`, `print`), or makes much of little
/// (`numbers.range`).
pub const BUILTINS: &[&str] = &[
    "__builtin_sets.intersection",
    "__builtin_sets.union",
    "abs",
    "array.concat",
    "array.reverse",
    "array.slice",
    "base64.decode",
    "base64.encode",
    "base64.is_valid",
    "bits.and",
    "bits.or",
    "bits.xor",
    "ceil",
    "concat",
    "contains",
    "count",
    "endswith",
    "floor",
    "format_int",
    "glob.match",
    "hex.decode",
    "hex.encode",
    "indexof",
    "intersection",
    "is_array",
    "is_boolean",
    "is_null",
    "is_number",
    "is_object",
    "is_set",
    "is_string",
    "json.filter",
    "json.remove",
    "lower",
    "max",
    "min",
    "object.filter",
    "object.get",
    "object.keys",
    "object.remove",
    "object.subset",
    "object.union",
    "regex.is_valid",
    "regex.match",
    "replace",
    "round",
    "semver.compare",
    "semver.is_valid",
    "sort",
    "split",
    "sprintf",
    "startswith",
    "strings.any_prefix_match",
    "strings.any_suffix_match",
    "strings.count",
    "strings.reverse",
    "substring",
    "sum",
    "to_number",
    "trim",
    "trim_left",
    "trim_prefix",
    "trim_right",
    "trim_space",
    "trim_suffix",
    "type_name",
    "union",
    "upper",
];

/// Why a rule gives no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegoError {
    #[error("{0} bytes of Rego, at most {TEXT_BYTES_MAX} are read")]
    TextTooLong(usize),
    #[error("{0} bytes of input, at most {INPUT_BYTES_MAX} are read")]
    InputTooLong(usize),
    #[error("{0:?} is no rule; write it like data.release.allow")]
    Rule(String),
    #[error("the module cannot be read: {0}")]
    Module(String),
    #[error(
        "{0:?} would not say here what it says in OPA: give its parts names of their own (docs/rego.md)"
    )]
    Head(String),
    #[error("calls {0}, which no rule may")]
    Builtin(String),
    #[error("the rule cannot be evaluated: {0}")]
    Evaluation(String),
    #[error("the rule has no value for this input")]
    Undefined,
    #[error("the engine failed")]
    Engine,
}

/// Reads a module and finds its rule, or says why it may not be part of a policy.
pub fn check(text: &str, rule: &str) -> Result<(), RegoError> {
    apart(text, rule, |text, rule| compile(text, rule).map(|_| ()))
}

/// The value of a rule for an input, both as JSON.
pub fn evaluate(text: &str, rule: &str, input: &str) -> Result<serde_json::Value, RegoError> {
    if input.len() > INPUT_BYTES_MAX {
        return Err(RegoError::InputTooLong(input.len()));
    }
    apart(text, rule, |text, rule| {
        let (policy, program) = compile(text, rule)?;
        let failed = |cause: &dyn std::fmt::Display| RegoError::Evaluation(first_line(cause));
        let input = Value::from_json_str(input).map_err(|cause| failed(&cause))?;
        let mut machine = RegoVM::new_with_policy(policy);
        machine.load_program(program);
        machine.set_max_instructions(STEPS_MAX);
        // Calls go on a stack of the machine's own, so rules that call each other in a circle end
        // at the last step, and not at the end of ours.
        machine.set_execution_mode(ExecutionMode::Suspendable);
        machine.set_strict_builtin_errors(true);
        machine.set_data(Value::new_object()).map_err(|cause| failed(&cause))?;
        machine.set_input(input);
        let value = machine.execute_entry_point_by_name(rule).map_err(|cause| failed(&cause))?;
        if matches!(machine.execution_state(), ExecutionState::Suspended { .. }) {
            return Err(RegoError::Engine);
        }
        if value == Value::Undefined {
            return Err(RegoError::Undefined);
        }
        let json = value.to_json_str().map_err(|cause| failed(&cause))?;
        serde_json::from_str(&json).map_err(|cause| failed(&cause))
    })
}

/// Works on a stack of its own. A panic of the engine is an error of the rule.
fn apart<T: Send>(
    text: &str,
    rule: &str,
    work: impl FnOnce(&str, &str) -> Result<T, RegoError> + Send,
) -> Result<T, RegoError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(RegoError::TextTooLong(text.len()));
    }
    if !is_rule(rule) {
        return Err(RegoError::Rule(rule.chars().take(100).collect()));
    }
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(STACK_BYTES);
        let running = thread.spawn_scoped(scope, || work(text, rule));
        running.map_err(|_| RegoError::Engine)?.join().map_err(|_| RegoError::Engine)?
    })
}

/// `data.` and at least two names.
fn is_rule(rule: &str) -> bool {
    let name = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let mut parts = rule.split('.');
    rule.len() <= 200
        && parts.next() == Some("data")
        && parts.all(name)
        && rule.matches('.').count() >= 2
}

fn compile(text: &str, rule: &str) -> Result<(CompiledPolicy, Arc<Program>), RegoError> {
    let module = |cause: &dyn std::fmt::Display| RegoError::Module(first_line(cause));
    if let Some(head) = head::misread(text) {
        return Err(RegoError::Head(head));
    }
    let mut engine = Engine::new();
    engine.set_rego_v0(false);
    engine.set_strict_builtin_errors(true);
    engine.add_policy("policy.rego".to_owned(), text.to_owned()).map_err(|it| module(&it))?;
    let policy = engine.compile_with_entrypoint(&Arc::from(rule)).map_err(|it| module(&it))?;
    let program =
        Compiler::compile_from_policy(&policy, &[rule]).map_err(|cause| module(&cause))?;
    let called = program.builtin_info_table.iter().map(|it| it.name.as_str());
    match called.filter(|name| !BUILTINS.contains(name)).min() {
        Some(name) => Err(RegoError::Builtin(name.to_owned())),
        None => Ok((policy, program)),
    }
}

/// The first line that says something: the engine draws pictures around its messages.
fn first_line(cause: &dyn std::fmt::Display) -> String {
    let text = cause.to_string();
    let lines = || text.lines().map(str::trim);
    let says = |line: &&str| !line.is_empty() && !line.starts_with(['-', '|']);
    let line = lines().find(|line| line.starts_with("error:")).or_else(|| lines().find(says));
    line.unwrap_or_default().chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests;
