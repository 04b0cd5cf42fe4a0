//! `attestry policy test`: plays the cases of a fixture against its policy.

use clap::{Args, ValueEnum};
use schemas::policy::PolicyDocument;
use serde_json::{Value, json};

use super::{POLICY_BYTES_MAX, Refused, read};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::output::plural;
use crate::policy_test::simulate::{Dependent, Draws, Manner, Order, Simulated, simulate};
use crate::policy_test::{self, Fixture, Told};

#[derive(Debug, Args)]
pub struct TestArgs {
    /// The fixture in YAML; it names the policy beside it
    #[arg(value_name = "FILE")]
    pub file: String,
    /// Play the same evidence in other orders, and name the gates that depend on it: reorder,
    /// flapping, late, duplicate or all
    #[arg(long, value_name = "HOW", value_enum, hide_possible_values = true)]
    pub simulate: Option<Simulation>,
    /// How many orders are drawn for each case
    #[arg(long, value_name = "N", default_value_t = 100, requires = "simulate", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub rounds: u32,
    /// What the orders are drawn from: the same number, the same orders
    #[arg(long, value_name = "N", default_value_t = 1, requires = "simulate")]
    pub seed: u64,
}

/// What `--simulate` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Simulation {
    Reorder,
    Flapping,
    Late,
    Duplicate,
    All,
}

impl Simulation {
    fn manners(self) -> Vec<Manner> {
        match self {
            Simulation::Reorder => vec![Manner::Reorder],
            Simulation::Flapping => vec![Manner::Flapping],
            Simulation::Late => vec![Manner::Late],
            Simulation::Duplicate => vec![Manner::Duplicate],
            Simulation::All => Manner::ALL.to_vec(),
        }
    }
}

pub fn run(args: &TestArgs, io: &mut Io) -> Result<Exit, Failure> {
    let file = &args.file;
    let bytes = io.read_file(file, POLICY_BYTES_MAX)?;
    let refused =
        |cause: String| Failure::new(Exit::No, "fixture-refused", format!("{file}: {cause}"));
    let text = String::from_utf8(bytes).map_err(|_| refused("not UTF-8 text".to_owned()))?;
    let fixture = policy_test::read(&text).map_err(refused)?;
    let policy = std::path::Path::new(file).with_file_name(&fixture.policy);
    let policy = policy.to_string_lossy();
    let sound = read(&policy, io).map_err(|refused: Refused| refused.tell(&policy, io))?;
    if let Some(simulation) = args.simulate {
        let draws = Draws { rounds: args.rounds, seed: args.seed };
        return run_simulation(&fixture, &sound.document, &simulation.manners(), draws, io);
    }
    let told = policy_test::play(&fixture, &sound.document);
    let wrong = told.iter().filter(|it| !it.wrong.is_empty()).count() as u64;
    let mut text: String = told.iter().map(line).collect();
    let cases = plural(told.len() as u64, "case", "cases");
    text.push_str(&match wrong {
        0 => format!("{cases}, as expected\n"),
        some => format!("{cases}, {some} not as expected\n"),
    });
    let list: Vec<Value> = told
        .iter()
        .map(|it| json!({ "name": it.name, "wrong": it.wrong, "gates": it.gates }))
        .collect();
    io.answer(&text, &json!({ "cases": list, "wrong": wrong }))?;
    Ok(if wrong == 0 { Exit::Done } else { Exit::No })
}

fn line(told: &Told) -> String {
    let word = if told.wrong.is_empty() { "ok  " } else { "not " };
    let wrong: String = told.wrong.iter().map(|it| format!("       {it}\n")).collect();
    format!("  {word} {}\n{wrong}", told.name)
}

/// Plays every case in other orders. One that cannot be played shows nothing, so it is no yes.
fn run_simulation(
    fixture: &Fixture,
    policy: &PolicyDocument,
    manners: &[Manner],
    draws: Draws,
    io: &mut Io,
) -> Result<Exit, Failure> {
    let Draws { rounds, seed } = draws;
    let orders = plural(rounds.into(), "order", "orders");
    let mut text = format!("seed {seed}, at most {orders} of each case and manner\n");
    let (mut list, mut wrong) = (Vec::new(), 0);
    for case in &fixture.cases {
        let played: Result<Vec<Simulated>, String> =
            manners.iter().map(|it| simulate(fixture, policy, case, *it, draws)).collect();
        let holds = played.as_ref().is_ok_and(|all| all.iter().all(|it| it.dependent.is_empty()));
        wrong += u64::from(!holds);
        let word = if holds { "ok  " } else { "not " };
        text.push_str(&format!("  {word} {}\n", case.name));
        match played {
            Ok(played) => {
                text.push_str(&played.iter().map(played_lines).collect::<String>());
                let played: Vec<Value> = played.iter().map(played_json).collect();
                list.push(json!({ "name": case.name, "simulated": played }));
            }
            Err(cause) => {
                text.push_str(&format!("       cannot be played: {cause}\n"));
                list.push(json!({ "name": case.name, "wrong": cause }));
            }
        }
    }
    let cases = plural(fixture.cases.len() as u64, "case", "cases");
    text.push_str(&match wrong {
        0 => format!("{cases}, none depends on the order of its evidence\n"),
        some => format!("{cases}, {some} not the same in every order\n"),
    });
    io.answer(&text, &json!({ "seed": seed, "rounds": rounds, "cases": list, "wrong": wrong }))?;
    Ok(if wrong == 0 { Exit::Done } else { Exit::No })
}

fn played_lines(played: &Simulated) -> String {
    let refused = match played.refused {
        0 => String::new(),
        some => format!(", and {some} that a ledger would refuse"),
    };
    let orders = plural(played.orders as u64, "order", "orders");
    let mut text = format!("       {}: {orders}{refused}\n", played.manner.name());
    for Dependent { gate, orders } in &played.dependent {
        text.push_str(&format!("         {gate} depends on the order of the same evidence\n"));
        for Order { verdict, reason, events } in orders {
            text.push_str(&format!("           {}: {reason}\n", verdict.name()));
            text.extend(events.iter().map(|event| format!("             - {event}\n")));
        }
    }
    text
}

fn played_json(played: &Simulated) -> Value {
    let order = |it: &Order| json!({ "verdict": it.verdict.name(), "reason": it.reason, "events": it.events });
    let dependent =
        |it: &Dependent| json!({ "gate": it.gate, "orders": it.orders.each_ref().map(order) });
    let dependent: Vec<Value> = played.dependent.iter().map(dependent).collect();
    json!({
        "how": played.manner.name(), "orders": played.orders, "refused": played.refused,
        "dependent": dependent,
    })
}
