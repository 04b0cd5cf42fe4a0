//! Full verification of a log: its rate beside that of its signatures alone, and its memory.
//!
//! `cargo bench --bench verify [-- speed|memory] [--events N] [--rounds N]`

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a bench")]

#[path = "../bare.rs"]
mod bare;
#[path = "../machine.rs"]
mod machine;
mod memory;
mod speed;

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let asked = |word: &str| words.iter().any(|it| it == word);
    if asked(memory::SEND) {
        return memory::send();
    }
    if asked(memory::VERIFY) {
        return memory::verify();
    }
    println!("{}", machine::describe());
    if !asked("memory") {
        speed::measure();
    }
    if !asked("speed") {
        memory::measure();
    }
}
