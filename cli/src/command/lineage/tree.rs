//! A tree of lines, each perhaps with the entry that says so.

use serde_json::{Value, json};
use verifier::lineage::Node;

use crate::output::{WIDTH, columns, wrap};

pub fn render(node: &Node) -> String {
    let mut out = String::new();
    push(node, &mut out, "", "");
    out
}

/// Writes the node behind `first`, and what belongs to it behind `rest`.
fn push(node: &Node, out: &mut String, first: &str, rest: &str) {
    let entry = node.entry.map_or(String::new(), |entry| format!("entry {entry}"));
    let below = if node.children.is_empty() { "" } else { "│  " };
    let room = WIDTH.saturating_sub(columns(rest) + columns(&entry) + 2).max(24);
    for (number, line) in wrap(&node.text, room).iter().enumerate() {
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
    let last = node.children.len().saturating_sub(1);
    for (number, child) in node.children.iter().enumerate() {
        let (branch, under) =
            if number == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        push(child, out, &format!("{rest}{branch}"), &format!("{rest}{under}"));
    }
}

pub fn to_json(node: &Node) -> Value {
    let children: Vec<Value> = node.children.iter().map(to_json).collect();
    json!({ "text": node.text, "entry": node.entry, "children": children })
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
        let text = render(&root);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "payments");
        assert!(lines[1].starts_with("├─ build ") && lines[1].ends_with("entry 7"));
        assert!(lines[2].starts_with("│  └─ source "));
        assert!(lines[3].starts_with("└─ a a") && lines[3].ends_with("entry 8"));
        assert!(lines.iter().all(|line| columns(line) <= WIDTH), "{text}");
    }
}
