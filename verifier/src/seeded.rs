//! A seeded stream of numbers and JSON texts, so that a failing case can be run again.

/// xorshift64*: small, and the same on every machine.
pub struct Seeded(u64);

impl Seeded {
    pub fn new(seed: u64) -> Seeded {
        println!("seed {seed:#x}");
        Seeded(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 33) as usize % limit
    }

    pub fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }

    /// Appends a JSON text: mostly right, with every construct that a parser can get wrong.
    pub fn json(&mut self, depth: usize, out: &mut String) {
        out.push_str(self.pick(SPACES));
        match self.below(if depth == 0 { 5 } else { 8 }) {
            0 => out.push_str(self.pick(&["null", "true", "false"])),
            1 | 2 => out.push_str(self.pick(NUMBERS)),
            3 | 4 => self.string(out),
            5 | 6 => self.object(depth, out),
            _ => self.list(depth, out),
        }
        out.push_str(self.pick(SPACES));
    }

    fn list(&mut self, depth: usize, out: &mut String) {
        out.push('[');
        for nth in 0..self.below(5) {
            out.push_str(if nth == 0 { "" } else { "," });
            self.json(depth - 1, out);
        }
        out.push(']');
    }

    fn object(&mut self, depth: usize, out: &mut String) {
        out.push('{');
        for nth in 0..self.below(6) {
            out.push_str(if nth == 0 { "" } else { "," });
            self.string(out);
            out.push(':');
            self.json(depth - 1, out);
        }
        out.push('}');
    }

    fn string(&mut self, out: &mut String) {
        out.push('"');
        for _ in 0..self.below(6) {
            out.push_str(self.pick(PIECES));
        }
        out.push('"');
    }
}

const SPACES: &[&str] = &["", "", "", "", " ", "\n", "\t\r "];

const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "1",
    "-1",
    "12",
    "9007199254740991",
    "1.5",
    "0.1",
    "-0.0",
    "1e2",
    "1E+2",
    "1e-7",
    "1e21",
    "123456789.125",
    "5e-324",
    "333333333.33333329",
    "0.000001",
    "1.7976931348623157e308",
];

const PIECES: &[&str] = &[
    "a",
    "b",
    "key",
    "longer piece of text",
    "\\n",
    "\\\"",
    "\\\\",
    "\\/",
    "\\b\\f\\r\\t",
    "é",
    "\\u00e9",
    "€",
    "\\u20ac",
    "😀",
    "\\ud83d\\ude00",
    "\u{fb33}",
    "\\u0000",
    "\\u001f",
    "\u{7f}",
    "\u{2028}",
];
