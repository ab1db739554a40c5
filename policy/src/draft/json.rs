//! The paths of a document, as a sample of the column has them, and a rule for each.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    Described,
    column::Shape,
    names::{Meaning, meaning},
    propose,
};
use crate::{JsonPath, PathRule, Rule, Step};

/// What the script says of the documents of a column: no value, and no key that may be one.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Documents {
    pub documents: u64,
    pub paths: Vec<Leaf>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Leaf {
    /// `.key`, `.*` or `[*]` each.
    path: Vec<String>,
    /// Of `string`, `number`, `boolean`, `null`.
    types: Vec<String>,
    /// In how many of the documents.
    documents: u64,
    shape: Option<Shape>,
}

impl Documents {
    /// No rule where a document is a value by itself, or holds nothing yet.
    pub fn rule(&self) -> Option<Rule> {
        if self.paths.is_empty() || self.paths.iter().any(|leaf| leaf.path.is_empty()) {
            return None;
        }
        let mut paths: BTreeMap<JsonPath, PathRule> = BTreeMap::new();
        for leaf in &self.paths {
            // What one day of twenty has may be missing tomorrow.
            let optional = leaf.documents.saturating_mul(20) < self.documents;
            let path = leaf.path();
            match paths.iter_mut().find(|(other, _)| other.may_be(&path)) {
                // A key beside a wildcard: one value may stand at both.
                Some((_, at)) => at.rule = Rule::Null,
                None => {
                    paths.insert(path, PathRule { rule: leaf.rule(), optional });
                }
            }
        }
        Some(Rule::Json { paths })
    }
}

impl Leaf {
    fn path(&self) -> JsonPath {
        let step = |step: &String| match step.as_str() {
            "[*]" => Step::Elements,
            ".*" => Step::Members,
            key => Step::Key(key.strip_prefix('.').unwrap_or(key).to_owned()),
        };
        JsonPath(self.path.iter().map(step).collect())
    }

    fn rule(&self) -> Rule {
        let path = self.path();
        let secret = path.keys().any(|key| meaning(key) == Some(Meaning::Secret));
        let is = |kind: &str| self.types.iter().any(|known| known == kind);
        // The nearest key says it: elements of an array are called like the array.
        let name = path.keys().last().unwrap_or_default();
        let described = |base| Described { name, base, array: false, not_null: false, key: false };
        match (is("string"), is("number")) {
            (true, false) if secret => Rule::Hash,
            (true, false) => match (propose(described("text")), self.shape) {
                (Rule::Keep | Rule::FreeText | Rule::Name, Some(shape)) => shape.rule(),
                (named, _) => named,
            },
            // A number under a rule for text would become a text.
            (true, true) => Rule::Null,
            (false, _) if secret => Rule::Null,
            (false, true) => propose(described("numeric")),
            (false, false) => Rule::Keep,
        }
    }
}
