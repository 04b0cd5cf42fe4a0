//! A tree of lines, each perhaps with the entry that says so.

use schemas::id::EntryIndex;
use serde_json::{Value, json};

use crate::output::{WIDTH, columns, wrap};

#[derive(Debug, Clone)]
pub struct Node {
    text: String,
    entry: Option<EntryIndex>,
    children: Vec<Node>,
}

impl Node {
    pub fn new(text: impl Into<String>, entry: Option<EntryIndex>) -> Node {
        Node { text: text.into(), entry, children: Vec::new() }
    }

    pub fn add(&mut self, child: Node) {
        self.children.push(child);
    }

    pub fn is_leaf(&self) -> bool {
        self.children.is_empty()
    }

    pub fn render(&self) -> String {
        let mut out = String::new();
        self.push(&mut out, "", "");
        out
    }

    /// Writes the node behind `first`, and what belongs to it behind `rest`.
    fn push(&self, out: &mut String, first: &str, rest: &str) {
        let entry = self.entry.map_or(String::new(), |entry| format!("entry {entry}"));
        let below = if self.children.is_empty() { "" } else { "│  " };
        let room = WIDTH.saturating_sub(columns(rest) + columns(&entry) + 2).max(24);
        for (number, line) in wrap(&self.text, room).iter().enumerate() {
            let start = match number {
                0 => format!("{first}{line}"),
                _ => format!("{rest}{below}{line}"),
            };
            let end = if number == 0 && !entry.is_empty() {
                let gap = WIDTH.saturating_sub(columns(&start) + columns(&entry)).max(2);
                format!("{:gap$}{entry}", "")
            } else {
                String::new()
            };
            out.push_str(&format!("{start}{end}\n"));
        }
        let last = self.children.len().saturating_sub(1);
        for (number, child) in self.children.iter().enumerate() {
            let (branch, under) =
                if number == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            child.push(out, &format!("{rest}{branch}"), &format!("{rest}{under}"));
        }
    }

    pub fn to_json(&self) -> Value {
        let children: Vec<Value> = self.children.iter().map(Node::to_json).collect();
        json!({ "text": self.text, "entry": self.entry, "children": children })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_and_entries_line_up() {
        let mut root = Node::new("payments", None);
        let mut build = Node::new("build", Some(7));
        build.add(Node::new("source", Some(6)));
        root.add(build);
        root.add(Node::new("a ".repeat(60), Some(8)));
        let text = root.render();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "payments");
        assert!(lines[1].starts_with("├─ build ") && lines[1].ends_with("entry 7"));
        assert!(lines[2].starts_with("│  └─ source "));
        assert!(lines[3].starts_with("└─ a a") && lines[3].ends_with("entry 8"));
        assert!(lines.iter().all(|line| columns(line) <= WIDTH), "{text}");
    }
}
