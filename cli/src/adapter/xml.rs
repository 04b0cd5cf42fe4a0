//! The one strict reading of XML: elements and their attributes, and nothing from outside.
//!
//! A document type is refused before anything in it is looked at: no entity is ever defined, so
//! none can grow, and nothing external can be named. What stays are the five predefined entities
//! and character references.

use std::borrow::Cow;

use quick_xml::events::{BytesDecl, BytesStart, Event};
use quick_xml::{XmlVersion, escape};

/// Deepest accepted nesting of elements. JUnit needs five or six levels.
pub const DEPTH_MAX: usize = 64;
/// Most accepted elements: four bytes make one, and each costs far more than it weighs.
pub const ELEMENTS_MAX: usize = 4_000_000;
/// Longest accepted attribute value, in bytes. Tools put whole stack traces into `message`.
pub const ATTRIBUTE_BYTES_MAX: usize = 4 << 20;
/// Most accepted attributes of one element: looking for repeated names takes the square of it.
pub const ATTRIBUTES_MAX: usize = 64;

/// Why bytes are not one XML document within our limits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    #[error("the XML is not UTF-8 at byte {at}")]
    NotUtf8 { at: usize },
    #[error("the XML declares the encoding {declared:?} and is not plain ASCII")]
    Encoding { declared: String },
    #[error("the XML holds the control character 0x{byte:02x} at byte {at}")]
    ControlCharacter { byte: u8, at: usize },
    #[error("the XML has a document type at byte {at}")]
    DocumentType { at: u64 },
    #[error("the XML uses the undefined entity {name:?} at byte {at}")]
    Entity { name: String, at: u64 },
    #[error("the XML is malformed at byte {at}: {reason}")]
    Malformed { reason: String, at: u64 },
    #[error("the XML ends with {open} elements still open")]
    Truncated { open: usize },
    #[error("the XML is more than {DEPTH_MAX} elements deep at byte {at}")]
    TooDeep { at: u64 },
    #[error("the XML has more than {limit} {what} at byte {at}")]
    TooMany { what: &'static str, limit: usize, at: u64 },
}

impl XmlError {
    pub fn code(&self) -> &'static str {
        match self {
            XmlError::NotUtf8 { .. } | XmlError::Encoding { .. } => "xml-encoding",
            XmlError::ControlCharacter { .. } => "xml-control-character",
            XmlError::DocumentType { .. } => "xml-document-type",
            XmlError::Entity { .. } => "xml-entity",
            XmlError::Malformed { .. } => "xml-malformed",
            XmlError::Truncated { .. } => "xml-truncated",
            XmlError::TooDeep { .. } | XmlError::TooMany { .. } => "xml-limit",
        }
    }

    pub fn hint(&self) -> &'static str {
        match self {
            XmlError::NotUtf8 { .. } | XmlError::Encoding { .. } => {
                "have the tool write its report as UTF-8"
            }
            XmlError::ControlCharacter { .. } => {
                "XML forbids it even in captured output: have the tool strip colours and control \
                 characters"
            }
            XmlError::DocumentType { .. } | XmlError::Entity { .. } => {
                "reports need no document type and no entities of their own: remove them"
            }
            XmlError::Malformed { .. } | XmlError::Truncated { .. } => {
                "run the tool again: a report that breaks off may hide its failures"
            }
            XmlError::TooDeep { .. } | XmlError::TooMany { .. } => {
                "split the report and record its parts"
            }
        }
    }
}

/// An opening tag whose attributes have been checked.
#[derive(Debug)]
pub struct Element<'a>(BytesStart<'a>);

impl Element<'_> {
    /// The name without its namespace prefix: tools that use prefixes mean the same elements.
    pub fn name(&self) -> &str {
        self.0.local_name().into_inner()
    }

    /// The value of the attribute with exactly this name, references resolved.
    pub fn attribute(&self, name: &str) -> Option<String> {
        let mut attributes = self.0.attributes();
        // Repeated names were refused when the element was opened; looking again is quadratic.
        let mut attributes = attributes.with_checks(false).flatten();
        let attribute = attributes.find(|found| found.key.0 == name)?;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?;
        Some(value.into_owned())
    }
}

/// What the reader comes upon; text is checked and passed over.
#[derive(Debug)]
pub enum Node<'a> {
    Open(Element<'a>),
    Close,
}

/// A reader of one document.
pub struct Xml<'a> {
    reader: quick_xml::Reader<&'a [u8]>,
    ascii: bool,
    depth: usize,
    elements: usize,
    /// Whether anything but the declaration was seen: it can only stand first.
    begun: bool,
    /// A note about a declared encoding that the bytes contradict.
    pub warning: Option<String>,
}

impl<'a> Xml<'a> {
    pub fn new(bytes: &'a [u8]) -> Result<Xml<'a>, XmlError> {
        let text =
            str::from_utf8(bytes).map_err(|error| XmlError::NotUtf8 { at: error.valid_up_to() })?;
        let control = |byte: &u8| *byte < 0x20 && !matches!(*byte, b'\t' | b'\n' | b'\r');
        if let Some(at) = bytes.iter().position(control) {
            return Err(XmlError::ControlCharacter { byte: bytes[at], at });
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = quick_xml::Reader::from_str(text);
        reader.config_mut().enable_all_checks(true);
        reader.config_mut().expand_empty_elements = true;
        let ascii = text.is_ascii();
        Ok(Xml { reader, ascii, depth: 0, elements: 0, begun: false, warning: None })
    }

    /// The document's root element.
    pub fn root(&mut self) -> Result<Element<'a>, XmlError> {
        match self.next()? {
            Some(Node::Open(element)) => Ok(element),
            Some(Node::Close) | None => Err(self.malformed("no root element")),
        }
    }

    /// The next tag; `None` once the document has ended as it should.
    pub fn next(&mut self) -> Result<Option<Node<'a>>, XmlError> {
        loop {
            let event = self.reader.read_event().map_err(|error| self.syntax(error))?;
            let first = !std::mem::replace(&mut self.begun, true);
            match event {
                Event::Start(start) => return self.open(start).map(Some),
                Event::End(_) => {
                    self.depth -= 1;
                    return Ok(Some(Node::Close));
                }
                Event::Eof if self.depth > 0 => {
                    return Err(XmlError::Truncated { open: self.depth });
                }
                Event::Eof => return Ok(None),
                Event::DocType(_) => return Err(XmlError::DocumentType { at: self.at() }),
                Event::Decl(declaration) if first => self.declared(&declaration)?,
                Event::Text(text) if self.depth > 0 || text.trim_ascii().is_empty() => {}
                Event::GeneralRef(name) if self.depth > 0 => self.reference(&name)?,
                Event::CData(_) if self.depth > 0 => {}
                Event::Comment(_) | Event::PI(_) => {}
                Event::Decl(_)
                | Event::Text(_)
                | Event::GeneralRef(_)
                | Event::CData(_)
                | Event::Empty(_) => return Err(self.malformed("content outside the root element")),
            }
        }
    }

    fn open(&mut self, start: BytesStart<'a>) -> Result<Node<'a>, XmlError> {
        if self.depth == 0 && self.elements > 0 {
            return Err(self.malformed("a second root element"));
        }
        self.depth += 1;
        self.elements += 1;
        if self.depth > DEPTH_MAX {
            return Err(XmlError::TooDeep { at: self.at() });
        }
        self.limit("elements", ELEMENTS_MAX, self.elements)?;
        self.attributes(&start)?;
        Ok(Node::Open(Element(start)))
    }

    /// Checks every attribute, also those that nobody asks for: half a reading is none.
    fn attributes(&self, start: &BytesStart<'_>) -> Result<(), XmlError> {
        for (position, attribute) in start.attributes().enumerate() {
            self.limit("attributes", ATTRIBUTES_MAX, position + 1)?;
            let attribute = attribute.map_err(|error| self.malformed(&error.to_string()))?;
            self.limit("bytes in an attribute", ATTRIBUTE_BYTES_MAX, attribute.value.len())?;
            if attribute.value.contains('<') {
                return Err(self.malformed("`<` in an attribute"));
            }
            self.unescape(&attribute.value)?;
        }
        Ok(())
    }

    fn limit(&self, what: &'static str, limit: usize, found: usize) -> Result<(), XmlError> {
        match found > limit {
            true => Err(XmlError::TooMany { what, limit, at: self.at() }),
            false => Ok(()),
        }
    }

    /// Checks one reference in text.
    fn reference(&self, name: &str) -> Result<(), XmlError> {
        self.unescape(&format!("&{name};")).map(|_| ())
    }

    fn unescape<'t>(&self, text: &'t str) -> Result<Cow<'t, str>, XmlError> {
        let resolved = escape::unescape(text).map_err(|error| match error {
            escape::EscapeError::UnrecognizedEntity(_, name) => {
                XmlError::Entity { name: name.chars().take(80).collect(), at: self.at() }
            }
            other => self.malformed(&other.to_string()),
        })?;
        let forbidden = |c: char| {
            (c < ' ' && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{fffe}' | '\u{ffff}')
        };
        match resolved.contains(forbidden) {
            true => Err(self.malformed("a reference to a forbidden character")),
            false => Ok(resolved),
        }
    }

    /// Bytes that are plain ASCII mean the same in every encoding that such tools declare.
    fn declared(&mut self, declaration: &BytesDecl<'_>) -> Result<(), XmlError> {
        let Some(encoding) = declaration.encoding() else {
            return Ok(());
        };
        let declared = encoding.map_err(|error| self.malformed(&error.to_string()))?;
        if ["utf-8", "utf8", "us-ascii", "ascii"].contains(&&*declared.to_ascii_lowercase()) {
            return Ok(());
        }
        let declared: String = declared.chars().take(40).collect();
        if !self.ascii {
            return Err(XmlError::Encoding { declared });
        }
        self.warning = Some(format!("the XML declares the encoding {declared:?}, and is ASCII"));
        Ok(())
    }

    fn syntax(&self, error: quick_xml::Error) -> XmlError {
        let mut reason = error.to_string();
        reason.truncate(reason.floor_char_boundary(200));
        XmlError::Malformed { reason, at: self.reader.error_position() }
    }

    fn malformed(&self, reason: &str) -> XmlError {
        XmlError::Malformed { reason: reason.to_owned(), at: self.at() }
    }

    fn at(&self) -> u64 {
        self.reader.buffer_position()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: &str) {
        let found = match names(bytes) {
            Ok(names) => names.join(" "),
            Err(error) => error.code().to_owned(),
        };
        assert_eq!(found, expected, "{}", String::from_utf8_lossy(&bytes[..bytes.len().min(120)]));
    }

    fn names(bytes: &[u8]) -> Result<Vec<String>, XmlError> {
        let mut xml = Xml::new(bytes)?;
        let mut names = vec![xml.root()?.name().to_owned()];
        while let Some(node) = xml.next()? {
            if let Node::Open(element) = node {
                names.push(element.name().to_owned());
            }
        }
        Ok(names)
    }

    #[test]
    fn documents() {
        check(b"<?xml version='1.0'?><!-- c --><a><b/>t&amp;&#65;<![CDATA[<x>]]></a>\n", "a b");
        check(b"\xef\xbb\xbf<?xml version='1.0' encoding='UTF-8'?><a/>", "a");
        check(b"<j:a xmlns:j='urn:j'><j:b/></j:a>", "a b");
        check(b"<?xml version='1.0' encoding='utf-16'?><a/>", "a");
        check("<?xml version='1.0' encoding='ISO-8859-1'?><a>é</a>".as_bytes(), "xml-encoding");
        check(b"<a>\xe9</a>", "xml-encoding");
        check(b"\xff\xfe<\0a\0/\0>\0", "xml-encoding");
        check(b"<a>\0</a>", "xml-control-character");
        check(b"<a>\x1b[31m</a>", "xml-control-character");
    }

    #[test]
    fn broken_documents() {
        for bytes in [
            b"<a><b></a></b>".as_slice(),
            b"<a/><b/>",
            b"<a/>text",
            b"text<a/>",
            b"<a/>&amp;",
            b"<!-- only -->",
            b"<a x='1' x='2'/>",
            b"<a x=1/>",
            b"<a x='<'/>",
            b"<a>&#0;</a>",
            b"<a>&#8;</a>",
            b"<a x='&#xffff;'/>",
            b"<a>&#xd800;</a>",
            b"<a>& b</a>",
            b"<a/><?xml version='1.0'?>",
            b"</a>",
        ] {
            check(bytes, "xml-malformed");
        }
        for bytes in [b"<a>".as_slice(), b"<a><b></b>", b"<a><b/>"] {
            check(bytes, "xml-truncated");
        }
        for bytes in [b"<a".as_slice(), b"<a><!-- ", b"<a><![CDATA[ ", b"<"] {
            check(bytes, "xml-malformed");
        }
    }

    #[test]
    fn nothing_is_defined_and_nothing_is_fetched() {
        let bomb = b"<!DOCTYPE a [<!ENTITY x 'xx'><!ENTITY y '&x;&x;'>]><a>&y;</a>";
        check(bomb, "xml-document-type");
        check(b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", "xml-document-type");
        check(b"<a>&x;</a>", "xml-entity");
        check(b"<a b='&x;'/>", "xml-entity");
        check(b"<a>&nbsp;</a>", "xml-entity");
    }

    #[test]
    fn limits() {
        let tower = |levels: usize| format!("{}{}", "<a>".repeat(levels), "</a>".repeat(levels));
        check(tower(DEPTH_MAX).as_bytes(), &["a"; DEPTH_MAX].join(" "));
        check(tower(DEPTH_MAX + 1).as_bytes(), "xml-limit");
        check("<a>".repeat(100_000).as_bytes(), "xml-limit");
        let long = |bytes: usize| format!("<a x='{}'/>", "y".repeat(bytes));
        check(long(ATTRIBUTE_BYTES_MAX).as_bytes(), "a");
        check(long(ATTRIBUTE_BYTES_MAX + 1).as_bytes(), "xml-limit");
        let wide = |many: usize| {
            let attributes: Vec<String> = (0..many).map(|i| format!("a{i}=''")).collect();
            format!("<a {}/>", attributes.join(" "))
        };
        check(wide(ATTRIBUTES_MAX).as_bytes(), "a");
        check(wide(1_000_000).as_bytes(), "xml-limit");
    }

    #[test]
    fn attributes_are_resolved() {
        let mut xml = Xml::new(b"<a x='1 &lt; 2' y:x='no' z='a\tb'/>").unwrap();
        let root = xml.root().unwrap();
        assert_eq!(root.attribute("x").as_deref(), Some("1 < 2"));
        assert_eq!(root.attribute("z").as_deref(), Some("a b"));
        assert_eq!(root.attribute("y"), None);
    }
}
