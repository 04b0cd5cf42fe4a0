//! How long decisions take: one evaluation, and all of a long log once more.
//!
//! `cargo bench -p attestry-verifier --bench evaluate [-- gates|replay] [--rounds N] [--events N]
//! [--decisions N]`

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a bench")]

#[path = "../bare.rs"]
mod bare;
mod gates;
#[allow(dead_code, reason = "shared with benches that use more of it")]
#[path = "../machine.rs"]
mod machine;
mod replay;

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let asked = |word: &str| words.iter().any(|it| it == word);
    println!("{}", machine::describe());
    if !asked("replay") {
        gates::measure();
    }
    if !asked("gates") {
        replay::measure();
    }
}
