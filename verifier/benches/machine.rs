//! Where a figure was measured, and how windows of it are put together.

use std::time::{Duration, Instant};

/// The allocator of the binary that we ship.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// One line about the machine.
pub fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown", |text| text.trim_start_matches([' ', '\t', ':']));
    let rustc = std::process::Command::new("rustc").arg("-V").output();
    let rustc =
        rustc.map_or_else(|_| String::new(), |it| String::from_utf8_lossy(&it.stdout).into());
    format!("{cores} cores of {model}; {}; {}", std::env::consts::ARCH, rustc.trim())
}

/// How long something takes.
pub fn time<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let done = work();
    (done, start.elapsed())
}

/// How long all threads of this process have worked, which others' work changes less than the
/// time on the wall.
pub fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // User and system time are the 12th and 13th words after the name, in hundredths.
    let words = stat.rsplit(')').next().unwrap_or_default();
    let ticks = words.split_whitespace().skip(11).take(2);
    ticks.filter_map(|it| it.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// The middle one: other people's work makes single windows slow, and none fast.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The word after `--name`, as a number.
pub fn option(name: &str, default: u64) -> u64 {
    let mut words = std::env::args().skip_while(|word| word != name);
    words.nth(1).and_then(|word| word.parse().ok()).unwrap_or(default)
}
