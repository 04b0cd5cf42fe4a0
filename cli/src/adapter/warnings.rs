//! What a reader of a report should know and what does not stop the reading.

/// Most warnings kept of one report: a file with a thousand oddities needs no thousand lines.
const WARNINGS_MAX: usize = 20;

/// The warnings about one report, in the order of its content.
#[derive(Debug, Default)]
pub struct Warnings {
    lines: Vec<String>,
    left_out: usize,
}

impl Warnings {
    /// Adds a line; one that is there already says nothing new.
    pub fn push(&mut self, line: impl Into<String>) {
        let line = line.into();
        if self.lines.contains(&line) {
            return;
        }
        match self.lines.len() < WARNINGS_MAX {
            true => self.lines.push(line),
            false => self.left_out += 1,
        }
    }

    /// Adds a line about a number of things, unless there are none.
    pub fn push_count(&mut self, count: u64, singular: &str, plural: &str) {
        match count {
            0 => {}
            1 => self.push(format!("1 {singular}")),
            more => self.push(format!("{more} {plural}")),
        }
    }

    pub fn into_lines(mut self) -> Vec<String> {
        if self.left_out > 0 {
            self.lines.push(format!("{} more warnings", self.left_out));
        }
        self.lines
    }
}
