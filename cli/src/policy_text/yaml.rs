//! Strict YAML: the part of the language in which a file has one reading.
//!
//! No anchors, aliases, tags, directives, merge keys or repeated keys, and one document. What is
//! signed is the JSON, but what people review is this text, so nothing in it may be invisible or
//! mean something other than what it says.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};
use serde_json::{Map, Value};

use super::characters::check_characters;
use super::problem::{Problem, Spot, problem};

/// Deepest nesting of lists and mappings; a policy needs seven.
pub const DEPTH_MAX: usize = 32;

/// Most values of a file. Each costs far more memory than its text.
pub const NODES_MAX: usize = 20_000;

/// Longest key in bytes: each path of a value repeats all keys above it.
const KEY_BYTES_MAX: usize = 100;

/// Most problems of one file; the rest would scroll the first ones away.
const PROBLEMS_MAX: usize = 50;

/// Largest integer that every JSON reader keeps exactly.
const INTEGER_MAX: i64 = schemas::id::INTEGER_MAX as i64;

/// Where a value stands, and the key before it if it has one.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub key: Spot,
    pub value: Spot,
}

/// The JSON of a file, and where each path of it stands.
#[derive(Debug)]
pub struct Yaml {
    pub value: Value,
    places: BTreeMap<String, Place>,
}

impl Yaml {
    /// Finds the nearest place at or above a path, and whether it is the path itself.
    pub fn place(&self, path: &str) -> (Place, bool) {
        let mut above = path;
        loop {
            if let Some(place) = self.places.get(above) {
                return (*place, above.len() == path.len());
            }
            match above.rfind(['.', '[']) {
                Some(end) => above = &above[..end],
                None if above.is_empty() => return (START, false),
                None => above = "",
            }
        }
    }
}

const START: Place = Place { key: Spot::TOP, value: Spot::TOP };

/// Reads a file, or lists what is wrong with it as YAML.
pub fn read(text: &str) -> Result<Yaml, Vec<Problem>> {
    check_characters(text).map_err(|problem| vec![problem])?;
    let mut reader = Reader::default();
    if let Err(stop) = reader.read(text) {
        reader.problems.push(*stop);
    }
    let empty = "the file holds no policy; `attestry policy new` writes one to start from";
    match reader.root {
        Some(value) if reader.problems.is_empty() => Ok(Yaml { value, places: reader.places }),
        None if reader.problems.is_empty() => Err(vec![problem(Spot::TOP, "", empty)]),
        Some(_) | None => Err(reader.problems),
    }
}

/// Joins a key to the path of its mapping.
pub fn key_path(above: &str, key: &str) -> String {
    if above.is_empty() { key.to_owned() } else { format!("{above}.{key}") }
}

fn spot(mark: Marker) -> Spot {
    Spot { line: mark.line(), column: mark.col() + 1 }
}

/// A list or mapping that is still open.
struct Open {
    path: String,
    content: Content,
}

enum Content {
    List(Vec<Value>),
    Mapping { object: Map<String, Value>, key: Option<(String, Spot)> },
}

/// Builds JSON from events on its own stack, so that no nesting can exhaust the program's.
#[derive(Default)]
struct Reader {
    open: Vec<Open>,
    root: Option<Value>,
    places: BTreeMap<String, Place>,
    problems: Vec<Problem>,
    nodes: usize,
}

/// A problem after which nothing more can be read.
type Stop = Box<Problem>;

fn stop(at: Spot, path: &str, message: impl Into<String>) -> Stop {
    Box::new(problem(at, path, message))
}

impl Reader {
    fn read(&mut self, text: &str) -> Result<(), Stop> {
        let mut documents = 0;
        for event in Parser::new_from_str(text) {
            let (event, span) = event.map_err(|error| {
                let at = spot(*error.marker());
                stop(at, "", format!("not YAML that we read: {}", error.info()))
            })?;
            let at = spot(span.start);
            match event {
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        let message = "a second document; write one policy per file";
                        return Err(stop(at, "", message));
                    }
                }
                other => self.take(other, at)?,
            }
            if self.problems.len() >= PROBLEMS_MAX {
                return Err(stop(at, "", "too many problems; the rest of the file was not read"));
            }
        }
        Ok(())
    }

    fn take(&mut self, event: Event<'_>, at: Spot) -> Result<(), Stop> {
        match event {
            Event::Alias(_) => {
                let message = "an alias; write the value out, so that it stands where it is meant";
                self.problems.push(problem(at, "", message));
                self.scalar(Value::from("alias"), at)
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_marks(anchor, tag.is_some(), at);
                if self.expects_key() {
                    return self.key(&text, style, at);
                }
                let value = self.scalar_value(&text, style, at);
                self.scalar(value, at)
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_marks(anchor, tag.is_some(), at);
                self.enter(Content::List(Vec::new()), at)
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_marks(anchor, tag.is_some(), at);
                self.enter(Content::Mapping { object: Map::new(), key: None }, at)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.leave();
                Ok(())
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    fn refuse_marks(&mut self, anchor: usize, tagged: bool, at: Spot) {
        if anchor != 0 {
            let message = "an anchor; leave it out and write the value where it is meant";
            self.problems.push(problem(at, "", message));
        }
        if tagged {
            let message = "a tag; leave it out, and put what must be text in quotes";
            self.problems.push(problem(at, "", message));
        }
    }

    fn expects_key(&self) -> bool {
        let content = self.open.last().map(|open| &open.content);
        matches!(content, Some(Content::Mapping { key: None, .. }))
    }

    fn key(&mut self, text: &str, style: ScalarStyle, at: Spot) -> Result<(), Stop> {
        let Some(Open { path, content: Content::Mapping { object, key } }) = self.open.last_mut()
        else {
            return Ok(());
        };
        if text.is_empty() || text.len() > KEY_BYTES_MAX {
            let message = format!("a key of {} bytes; write 1 to {KEY_BYTES_MAX}", text.len());
            return Err(stop(at, path, message));
        }
        if text == "<<" && style == ScalarStyle::Plain {
            let message = "a merge key; write the fields out";
            self.problems.push(problem(at, path, message));
        } else if object.contains_key(text) {
            let first = self.places.get(&key_path(path, text)).map_or(at, |place| place.key);
            let message = format!("`{text}` stands here twice, first on line {}", first.line);
            self.problems.push(problem(at, &key_path(path, text), message));
        }
        *key = Some((text.to_owned(), at));
        Ok(())
    }

    fn scalar(&mut self, value: Value, at: Spot) -> Result<(), Stop> {
        self.next_path(at)?;
        self.attach(value);
        Ok(())
    }

    fn enter(&mut self, content: Content, at: Spot) -> Result<(), Stop> {
        if self.expects_key() {
            return Err(stop(at, "", "a list or mapping as a key; write a plain word"));
        }
        let path = self.next_path(at)?;
        if self.open.len() >= DEPTH_MAX {
            let message = format!("nested more than {DEPTH_MAX} deep; no policy needs that");
            return Err(stop(at, &path, message));
        }
        self.open.push(Open { path, content });
        Ok(())
    }

    fn leave(&mut self) {
        match self.open.pop().map(|open| open.content) {
            Some(Content::List(items)) => self.attach(Value::Array(items)),
            Some(Content::Mapping { object, .. }) => self.attach(Value::Object(object)),
            None => {}
        }
    }

    /// Counts the value that begins here and notes its place.
    fn next_path(&mut self, at: Spot) -> Result<String, Stop> {
        let (path, key) = match self.open.last() {
            None => (String::new(), at),
            Some(Open { path, content: Content::List(items) }) => {
                (format!("{path}[{}]", items.len()), at)
            }
            Some(Open { path, content: Content::Mapping { key, .. } }) => {
                let (word, key_at) = key.as_ref().map_or(("", at), |(word, at)| (word, *at));
                (key_path(path, word), key_at)
            }
        };
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(stop(at, &path, format!("more than {NODES_MAX} values in one policy")));
        }
        self.places.entry(path.clone()).or_insert(Place { key, value: at });
        Ok(path)
    }

    fn attach(&mut self, value: Value) {
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(value),
            Some(Content::List(items)) => items.push(value),
            Some(Content::Mapping { object, key }) => {
                if let Some((word, _)) = key.take() {
                    object.insert(word, value);
                }
            }
        }
    }

    /// Reads a scalar by the core schema, as far as JSON keeps it exactly.
    ///
    /// A number with a fraction stays text: `83.4` has no exact binary form, and the signed JSON
    /// would carry another number than the file.
    fn scalar_value(&mut self, text: &str, style: ScalarStyle, at: Spot) -> Value {
        if style != ScalarStyle::Plain {
            return Value::from(text);
        }
        match text {
            "" | "null" => {
                // Without this, `max_age:` with nothing after it would quietly lift the limit.
                if !self.open.is_empty() {
                    let message =
                        "no value here; write one (`[]` for an empty list) or leave the field out";
                    self.problems.push(problem(at, "", message));
                }
                Value::Null
            }
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ if is_integer(text) => match text.parse::<i64>() {
                Ok(number) if (-INTEGER_MAX..=INTEGER_MAX).contains(&number) => number.into(),
                Ok(_) | Err(_) => {
                    let message = format!("not exact in JSON; write at most {INTEGER_MAX}");
                    self.problems.push(problem(at, "", message));
                    Value::Null
                }
            },
            _ => Value::from(text),
        }
    }
}

/// True for the one plain spelling of a whole number; `007`, `+7` and `-0` stay text.
fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain && (text == "0" || !digits.starts_with('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> String {
        read(text).map(|yaml| yaml.value.to_string()).unwrap_or_else(|p| format!("{p:?}"))
    }

    /// `expected` lists line, column and a part of the message.
    fn refuse(text: &str, expected: &[(usize, usize, &str)]) {
        let found = read(text).unwrap_err();
        assert_eq!(found.len(), expected.len(), "{text:.200}\n{found:#?}");
        for (problem, (line, column, part)) in found.iter().zip(expected) {
            assert_eq!((problem.line, problem.column), (*line, *column), "{problem:?}");
            assert!(problem.message.contains(part), "{}", problem.message);
        }
    }

    #[test]
    fn scalars_are_what_they_look_like() {
        for (text, expected) in [
            ("80", "80"),
            ("-7", "-7"),
            ("0", "0"),
            ("9007199254740991", "9007199254740991"),
            ("true", "true"),
            ("false", "false"),
            ("83.40", "\"83.40\""),
            ("0.1", "\"0.1\""),
            ("'80'", "\"80\""),
            ("\"true\"", "\"true\""),
            ("\"\"", "\"\""),
            ("'null'", "\"null\""),
            ("\"\\u00e9\"", "\"é\""),
            ("|-\n  80", "\"80\""),
            (">-\n  a\n  b", "\"a b\""),
        ] {
            assert_eq!(json(&format!("k: {text}")), format!("{{\"k\":{expected}}}"));
        }
        for odd in [
            "0x1f",
            "0o7",
            "1e3",
            "yes",
            "no",
            "on",
            "off",
            "~",
            ".inf",
            ".5",
            "2026-01-01",
            "007",
            "+7",
            "-0",
            "1_000",
            "True",
            "NULL",
            "12:30",
            "-",
            "1.",
            "24h",
            "é",
        ] {
            let text = format!("k: {}", if odd == "-" { "'-'" } else { odd });
            assert_eq!(json(&text), format!("{{\"k\":\"{odd}\"}}"));
        }
    }

    #[test]
    fn documents_are_json() {
        for (text, expected) in [
            ("a: [1, {b: c}]\nd:\n- e\n- f: g\n", r#"{"a":[1,{"b":"c"}],"d":["e",{"f":"g"}]}"#),
            ("---\na: 1\n...\n", r#"{"a":1}"#),
            ("a: 1\r\nb:\r\n  c: 2\r\n", r#"{"a":1,"b":{"c":2}}"#),
            ("# only\n\na: '#x' # y\n", r##"{"a":"#x"}"##),
            ("1: a\ntrue: b\n", r#"{"1":"a","true":"b"}"#),
            ("größe: 1\n", r#"{"größe":1}"#),
            ("{\"a\": 1, \"b\": []}", r#"{"a":1,"b":[]}"#),
            ("x", "\"x\""),
        ] {
            assert_eq!(json(text), expected);
        }
    }

    #[test]
    fn second_readings_are_refused() {
        for (text, expected) in [
            ("a: &x 1\nb: *x\n", &[(1, 4, "anchor"), (2, 4, "alias")][..]),
            ("a: *x\n", &[(1, 4, "unknown anchor")]),
            ("&x a: 1\n", &[(1, 1, "anchor")]),
            ("a: !!str 1\n", &[(1, 4, "tag")]),
            ("a: ! 1\nb: !c [1]\nd: !e {f: 1}\n", &[(1, 4, "tag"), (2, 4, "tag"), (3, 4, "tag")]),
            ("!!str a: 1\n", &[(1, 1, "tag")]),
            ("a: 1\nb: 2\na: 3\n", &[(3, 1, "first on line 1")]),
            ("a: {b: 1, \"b\": 2}", &[(1, 11, "`b` stands here twice")]),
            ("a: 1\n'a': 2\n", &[(2, 1, "twice")]),
            ("<<: {a: 1}\n", &[(1, 1, "merge key")]),
            ("a: 1\n---\nb: 2\n", &[(2, 1, "second document")]),
            ("--- a\n--- b\n", &[(2, 1, "second document")]),
            ("? [1]\n: 2\n", &[(1, 3, "as a key")]),
            ("? {a: 1}\n: 2\n", &[(1, 3, "as a key")]),
            ("'': 1\n", &[(1, 1, "key of 0 bytes")]),
            (
                "a:\nb: null\nc: [1, null]\nd:\n-\n",
                &[(1, 2, "no value"), (2, 4, "no value"), (3, 8, "no value"), (5, 2, "no value")],
            ),
            (
                "a: 9007199254740992\nb: -9007199254740992\nc: 99999999999999999999\n",
                &[(1, 4, "not exact"), (2, 4, "not exact"), (3, 4, "not exact")],
            ),
        ] {
            refuse(text, expected);
        }
    }

    #[test]
    fn broken_files_name_the_line() {
        let empty = &[(1, 1, "attestry policy new")][..];
        for (text, expected) in [
            ("", empty),
            ("\n\n", empty),
            ("# only a comment\n", empty),
            ("a:\n\t- b\n", &[(2, 2, "tabs")]),
            ("a: b: c\n", &[(1, 5, "mapping values")]),
            ("a: [1, 2\nb: 3\n", &[(2, 2, "")]),
            ("a: 'b\n", &[(1, 4, "quoted scalar")]),
            ("a: 1\n  b: 2\n", &[(2, 4, "")]),
            ("a: @x\n", &[(1, 4, "")]),
        ] {
            refuse(text, expected);
        }
    }

    #[test]
    fn everything_is_limited() {
        let deep = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&deep(DEPTH_MAX)).is_ok());
        refuse(&deep(DEPTH_MAX + 1), &[(1, 33, "more than 32 deep")]);
        refuse(&"[".repeat(1 << 20), &[(1, 256, "recursion limit")]);
        refuse(&"- ".repeat(1 << 19), &[(1, 65, "more than 32 deep")]);
        refuse(&"{a: ".repeat(100), &[(1, 129, "more than 32 deep")]);
        refuse(&"? ".repeat(1 << 19), &[(1, 3, "as a key")]);
        let list = |count: usize| format!("[{}]", "1,".repeat(count));
        assert!(read(&list(NODES_MAX - 1)).is_ok());
        refuse(&list(NODES_MAX), &[(1, 2 * NODES_MAX, "more than 20000 values")]);
        let key = |length: usize| format!("{}: 1\n", "k".repeat(length));
        assert!(read(&key(KEY_BYTES_MAX)).is_ok());
        refuse(&key(KEY_BYTES_MAX + 1), &[(1, 1, "key of 101 bytes")]);
        let many = read(&"- !a 1\n".repeat(1000)).unwrap_err();
        assert_eq!(many.len(), PROBLEMS_MAX + 1);
    }

    #[test]
    fn laughs_do_not_grow() {
        let mut text = "a0: &a0 [lol, lol]\n".to_owned();
        for i in 1..20 {
            text.push_str(&format!("a{i}: &a{i} [*a{0}, *a{0}, *a{0}]\n", i - 1));
        }
        let found = read(&text).unwrap_err();
        assert_eq!(found.len(), PROBLEMS_MAX + 1);
        assert!(found.iter().any(|problem| problem.message.contains("alias")));
    }

    #[test]
    fn places_are_found_from_below() {
        let yaml = read("a:\n  - b: 1\n    c: {d: 2}\n").unwrap();
        for (path, line, key, value, exact) in [
            ("a", 1, 1, 3, true),
            ("a[0]", 2, 5, 5, true),
            ("a[0].b", 2, 5, 8, true),
            ("a[0].c.d", 3, 9, 12, true),
            ("a[0].c.x[3].y", 3, 5, 8, false),
            ("a[7]", 1, 1, 3, false),
            ("x", 1, 1, 1, false),
            ("", 1, 1, 1, true),
        ] {
            let (place, found) = yaml.place(path);
            assert_eq!((place.key.line, place.key.column, found), (line, key, exact), "{path}");
            assert_eq!(place.value.column, value, "{path}");
        }
    }
}
