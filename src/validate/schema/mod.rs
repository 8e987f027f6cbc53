//! Does a value have the shape that its CRD asks for: the API server's own
//! structural checks, offline, with positions.
//!
//! - [`node`]: the schema, compiled once
//! - [`check`]: the walk: types, fields, lists
//! - [`leaf`]: lengths, patterns, ranges, enums, formats
//! - [`metadata`]: the part of ObjectMeta that a file may set
//! - [`defaults`]: what the API server fills in
//! - [`nearest`]: did you mean …?

mod check;
mod defaults;
mod leaf;
mod metadata;
mod nearest;
mod node;

use serde_json::Value;

use crate::api::finding::Finding;

use super::place::Place;
use node::Node;

/// A rule that cannot be decided here, only by the API server. Never to be
/// taken for "holds".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unchecked {
    /// The field of the schema or of the value, as a dotted path.
    pub field: String,
    /// The rule.
    pub rule: String,
    /// Why it cannot be decided.
    pub reason: String,
}

/// The compiled schema of one version of a CRD.
#[derive(Debug)]
pub struct Schema {
    root: Node,
    unchecked: Vec<Unchecked>,
}

impl Schema {
    /// Compiles an `openAPIV3Schema`.
    pub fn compile(schema: &Value) -> Self {
        let mut unchecked = Vec::new();
        let root = Node::compile(schema, "", &mut unchecked);
        Self { root, unchecked }
    }

    /// Parts of the schema that [`Self::check`] leaves to the API server.
    pub fn unchecked(&self) -> &[Unchecked] {
        &self.unchecked
    }

    /// Everything in a whole resource that the schema does not allow.
    pub fn check(&self, value: &Value, place: Place<'_>) -> Vec<Finding> {
        check::resource(&self.root, value, place).0
    }

    /// The same, and whether the shape is good enough to ask rules about it.
    pub(super) fn examine(&self, value: &Value, place: Place<'_>) -> (Vec<Finding>, bool) {
        check::resource(&self.root, value, place)
    }

    /// Fills in defaults and drops empty fields as the API server does.
    pub fn default(&self, value: &mut Value) {
        defaults::apply(&self.root, value);
    }
}

#[cfg(test)]
mod tests;
