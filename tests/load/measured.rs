//! What was measured, and how it is told.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::Options;

/// Answers, and what went wrong.
#[derive(Debug, Default)]
pub struct Measured {
    pub latencies_us: Vec<u32>,
    errors: BTreeMap<String, usize>,
}

impl Measured {
    pub fn error(&mut self, why: String) {
        *self.errors.entry(why).or_default() += 1;
    }

    pub fn add(&mut self, other: Measured) {
        self.latencies_us.extend(other.latencies_us);
        for (why, count) in other.errors {
            *self.errors.entry(why).or_default() += count;
        }
    }

    /// So many things in so many seconds, and how long their requests took.
    pub fn report(&mut self, things: f64, seconds: f64) -> Value {
        self.latencies_us.sort_unstable();
        let last = self.latencies_us.len().saturating_sub(1);
        let at = |part: f64| {
            let us = self.latencies_us.get((last as f64 * part) as usize);
            us.map(|us| f64::from(*us) / 1e3)
        };
        json!({
            "perSecond": (things / seconds).round(),
            "seconds": (seconds * 100.0).round() / 100.0,
            "ms": { "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "max": at(1.0) },
            "errors": self.errors,
        })
    }
}

/// What the cores have done since the machine was started, in hundredths of seconds.
#[derive(Debug, Clone, Copy)]
pub struct Cores {
    all: f64,
    idle: f64,
    /// Wanted, and given to other machines by the host of a virtual one.
    stolen: f64,
}

impl Cores {
    pub fn now() -> Cores {
        let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        // user, nice, system, idle, waiting for disks, two of interrupts, stolen
        let words = stat.lines().next().unwrap_or_default().split_whitespace().skip(1).take(8);
        let ticks: Vec<f64> = words.filter_map(|word| word.parse().ok()).collect();
        let at = |nth: usize| ticks.get(nth).copied().unwrap_or(f64::NAN);
        Cores { all: ticks.iter().sum(), idle: at(3) + at(4), stolen: at(7) }
    }

    /// The parts of all cores that were idle and stolen since.
    pub fn since(self) -> Value {
        let now = Cores::now();
        let part = |was: f64, is: f64| ((is - was) / (now.all - self.all) * 1e3).round() / 1e3;
        json!({ "idle": part(self.idle, now.idle), "stolen": part(self.stolen, now.stolen) })
    }
}

/// How long the threads of a process have worked.
pub fn cpu_seconds_of(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // User and system time are the 12th and 13th words after the name, in hundredths.
    let words = stat.rsplit(')').next().unwrap_or_default();
    let ticks = words.split_whitespace().skip(11).take(2);
    ticks.filter_map(|it| it.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// The most memory that a process has had, in MB.
pub fn memory_mb_of(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kb = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    (kb.unwrap_or(f64::NAN) * 1024.0 / 1e5).round() / 10.0
}

pub fn print(options: &Options, report: &Value) {
    if options.json {
        println!("{report}");
        return;
    }
    for (name, value) in report.as_object().into_iter().flatten() {
        match value {
            Value::Object(parts) if name == "reads" => {
                parts.iter().for_each(|(path, value)| println!("GET {path}: {value}"));
            }
            value => println!("{name}: {}", value.as_str().unwrap_or(&value.to_string())),
        }
    }
}
