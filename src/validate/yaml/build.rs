//! Parser events → values and positions, within limits.

use std::borrow::Cow;
use std::collections::HashMap;

use granit_parser::{Event, Marker, ScalarStyle, Span, Tag};
use serde_json::{Map, Value};

use super::super::sink::Sink;
use super::super::text::{code, quote};
use super::spans::{Mark, Spans, dotted, push};
use super::{Limits, bytes, over, scalar, syntax};
use crate::api::finding::Finding;

/// How much of the file is given up.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stop {
    /// The rest of this document.
    Document,
    /// The rest of the file.
    File,
}

/// Builds one document after the other; counts for the whole file.
pub(super) struct Builder<'a> {
    text: &'a str,
    limits: &'a Limits,
    nodes: usize,
    aliases: usize,
    anchors: usize,
    first_line: u32,
    valid: bool,
    spans: Spans,
    stack: Vec<Frame>,
    root: Option<Value>,
    named: HashMap<usize, Done>,
}

/// A map or list that is still open.
struct Frame {
    node: usize,
    mark: Mark,
    anchor: usize,
    nodes: usize,
    height: usize,
    kind: Kind,
}

enum Kind {
    List(Vec<Value>),
    Map(Map<String, Value>, Option<Key>),
}

/// A key that waits for its value.
enum Key {
    Named(String, Mark),
    /// Said to be wrong already; its value is dropped.
    Refused,
}

/// A finished value, with what it costs to write it out again.
#[derive(Clone)]
struct Done {
    value: Value,
    nodes: usize,
    height: usize,
}

impl<'a> Builder<'a> {
    pub(super) fn new(text: &'a str, limits: &'a Limits) -> Self {
        Self {
            text,
            limits,
            nodes: 0,
            aliases: 0,
            anchors: 0,
            first_line: 1,
            valid: true,
            spans: Spans::default(),
            stack: Vec::new(),
            root: None,
            named: HashMap::new(),
        }
    }

    /// Begins a document.
    pub(super) fn start(&mut self, at: Marker) {
        self.first_line = syntax::mark(at).0;
        self.valid = true;
        self.spans = Spans::default();
        self.stack.clear();
        self.root = None;
        self.named.clear();
    }

    /// The line on which this document began.
    pub(super) fn first_line(&self) -> u32 {
        self.first_line
    }

    /// The finished document and whether it is free of findings; none if it is empty.
    pub(super) fn end(&mut self) -> Option<(Value, Spans, bool)> {
        let value = self.root.take().filter(|value| !value.is_null())?;
        Some((value, std::mem::take(&mut self.spans), self.valid))
    }

    /// Takes one event of this document.
    pub(super) fn event(&mut self, event: Event<'_>, span: Span, sink: &mut Sink) -> Result<(), Stop> {
        let mark = syntax::mark(span.start);
        if let Some(tag) = event.tag() {
            self.tag(tag, span.tag_start().map_or(mark, syntax::mark), sink);
        }
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                self.scalar(text, plain, anchor, span, sink)
            }
            Event::Alias(target) => self.alias(target, mark, sink),
            Event::SequenceStart(_, anchor, _) => self.open(Kind::List(Vec::new()), anchor, mark, sink),
            Event::MappingStart(_, anchor, _) => self.open(Kind::Map(Map::new(), None), anchor, mark, sink),
            Event::SequenceEnd | Event::MappingEnd => self.close(sink),
            _ => Ok(()),
        }
    }

    /// A finding that leaves the document readable but not valid.
    fn object(&mut self, mark: Mark, message: impl Into<String>, hint: impl Into<String>, sink: &mut Sink) {
        self.valid = false;
        let finding = Finding::of_file(sink.file(), message).at(mark.0, mark.1).hint(hint);
        let field = dotted(&self.pointer());
        sink.push(if field.is_empty() { finding } else { finding.field(field) });
    }

    /// Where in the document we are.
    fn pointer(&self) -> String {
        self.stack.iter().fold(String::new(), |at, frame| match &frame.kind {
            Kind::List(items) => push(&at, &items.len().to_string()),
            Kind::Map(_, Some(Key::Named(name, _))) => push(&at, name),
            Kind::Map(..) => at,
        })
    }

    /// Counts values; each is charged where it stands and where an anchor or alias copies it.
    fn charge(&mut self, nodes: usize, mark: Mark, sink: &mut Sink) -> Result<(), Stop> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes <= self.limits.nodes {
            return Ok(());
        }
        let message = over("too many values in one file, aliases written out", "nodes", self.limits.nodes);
        self.object(mark, message, "split the file, or use fewer aliases", sink);
        Err(Stop::File)
    }

    fn tag(&mut self, tag: &Tag, mark: Mark, sink: &mut Sink) {
        let hint = match tag.suffix() {
            "str" => "remove it and put the value in quotes",
            "binary" => "remove it and write the bytes as base64, in quotes",
            _ => "remove it",
        };
        self.object(mark, format!("the tag {} is not supported", code(&tag.original())), hint, sink);
    }

    fn scalar(
        &mut self,
        text: Cow<'_, str>,
        plain: bool,
        anchor: usize,
        span: Span,
        sink: &mut Sink,
    ) -> Result<(), Stop> {
        let mark = syntax::mark(span.start);
        self.charge(1, mark, sink)?;
        if text.len() > self.limits.scalar {
            let message = over(&format!("a string of {} bytes", text.len()), "scalar", self.limits.scalar);
            self.object(mark, message, "shorten it", sink);
            return Err(Stop::Document);
        }
        if text.contains(bytes::is_unseen) {
            self.unseen(&text, span, sink);
        }
        let key = self.expects_key();
        let mut value = Value::Null;
        if plain {
            let read = scalar::resolve(&text);
            if let Some(doubt) = &read.doubt {
                let message = format!("{} must be quoted: {doubt}", code(&text));
                self.object(mark, message, format!("write {} if you mean the text", quote(&text)), sink);
            } else if key && text == "<<" {
                self.object(mark, "merge keys (`<<`) are not supported", "write the fields out", sink);
            } else if key && !read.value.is_string() {
                let message = format!("the key {} is not a string", code(&text));
                self.object(mark, message, format!("write {}", quote(&text)), sink);
            }
            value = read.value;
        }
        if key || !plain {
            value = Value::String(text.into_owned());
        }
        let node = self.spans.add(mark);
        self.finish(Done { value, nodes: 1, height: 0 }, anchor, node, mark, sink)
    }

    fn unseen(&mut self, text: &str, span: Span, sink: &mut Sink) {
        self.valid = false;
        if sink.is_full() {
            sink.count();
        } else if let Some((at, message)) = bytes::hidden(self.text, text, span) {
            self.object(at, message, "remove it", sink);
        }
    }

    fn expects_key(&self) -> bool {
        matches!(self.stack.last(), Some(Frame { kind: Kind::Map(_, None), .. }))
    }

    fn alias(&mut self, target: usize, mark: Mark, sink: &mut Sink) -> Result<(), Stop> {
        self.aliases += 1;
        if self.aliases > self.limits.aliases {
            let message = over("too many aliases in one file", "aliases", self.limits.aliases);
            self.object(mark, message, "write the values out", sink);
            return Err(Stop::File);
        }
        let node = self.spans.add(mark);
        let Some(done) = self.named.get(&target).cloned() else {
            self.object(
                mark,
                "the alias stands inside the value that it repeats",
                "write the value out",
                sink,
            );
            return self.finish(Done { value: Value::Null, nodes: 1, height: 0 }, 0, node, mark, sink);
        };
        self.charge(done.nodes, mark, sink)?;
        if self.stack.len() + done.height > self.limits.depth {
            return Err(self.too_deep(mark, sink));
        }
        self.finish(done, 0, node, mark, sink)
    }

    fn too_deep(&mut self, mark: Mark, sink: &mut Sink) -> Stop {
        let message = over("maps and lists are nested too deeply", "depth", self.limits.depth);
        self.object(mark, message, "flatten the document", sink);
        Stop::Document
    }

    fn open(&mut self, kind: Kind, anchor: usize, mark: Mark, sink: &mut Sink) -> Result<(), Stop> {
        self.charge(1, mark, sink)?;
        if self.stack.len() >= self.limits.depth {
            return Err(self.too_deep(mark, sink));
        }
        let node = self.spans.add(mark);
        self.stack.push(Frame { node, mark, anchor, nodes: 1, height: 1, kind });
        Ok(())
    }

    fn close(&mut self, sink: &mut Sink) -> Result<(), Stop> {
        let Some(frame) = self.stack.pop() else { return Ok(()) };
        let value = match frame.kind {
            Kind::List(items) => Value::Array(items),
            Kind::Map(entries, _) => Value::Object(entries),
        };
        let done = Done { value, nodes: frame.nodes, height: frame.height };
        self.finish(done, frame.anchor, frame.node, frame.mark, sink)
    }

    /// Names a finished value, then puts it into the map or list around it.
    fn finish(
        &mut self,
        done: Done,
        anchor: usize,
        node: usize,
        mark: Mark,
        sink: &mut Sink,
    ) -> Result<(), Stop> {
        if anchor != 0 {
            self.anchors += 1;
            if self.anchors > self.limits.anchors {
                let message = over("too many anchors in one file", "anchors", self.limits.anchors);
                self.object(mark, message, "write the values out", sink);
                return Err(Stop::File);
            }
            self.charge(done.nodes, mark, sink)?;
            self.named.insert(anchor, done.clone());
        }
        if self.expects_key() {
            self.key(done.value, mark, sink);
            return Ok(());
        }
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(done.value);
            return Ok(());
        };
        frame.nodes = frame.nodes.saturating_add(done.nodes);
        frame.height = frame.height.max(done.height + 1);
        match &mut frame.kind {
            Kind::List(items) => {
                items.push(done.value);
                self.spans.put(frame.node, None, node);
            }
            Kind::Map(entries, key) => {
                if let Some(Key::Named(name, mark)) = key.take() {
                    self.spans.put(frame.node, Some((name.as_str().into(), mark)), node);
                    entries.insert(name, done.value);
                }
            }
        }
        Ok(())
    }

    /// Takes a value as the next key of the innermost map.
    fn key(&mut self, value: Value, mark: Mark, sink: &mut Sink) {
        let Some(Frame { node, kind: Kind::Map(entries, waiting), .. }) = self.stack.last_mut() else {
            return;
        };
        let Value::String(name) = value else {
            *waiting = Some(Key::Refused);
            self.object(
                mark,
                "a key must be a string, not a map, list or number",
                "write a plain name",
                sink,
            );
            return;
        };
        if !entries.contains_key(&name) {
            *waiting = Some(Key::Named(name, mark));
            return;
        }
        *waiting = Some(Key::Refused);
        if sink.is_full() {
            self.valid = false;
            return sink.count();
        }
        let first = self.spans.key_mark(*node, &name).map_or(0, |(line, _)| line);
        let message = format!("duplicate key {}: first set on line {first}", code(&name));
        self.object(mark, message, "keep one of them", sink);
    }
}
