//! What stands in documents and no path covers, by the paths that would cover it.
//!
//! They are shown to people, and a key may be a person's: what does not look like a name that a
//! programmer gave, or is one of very many, is `.*`. Documents are hostile: what is kept here has
//! an end, whatever they hold.

use std::collections::BTreeMap;

use policy::{JsonPath, Step};

/// A step of a document's own path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// By a key that the policy names.
    Known(String),
    Key(String),
    /// By one of the keys that the policy names together, or that are too many.
    Members,
    Elements,
}

#[derive(Clone, Default)]
pub struct Unknown {
    root: Branch,
    branches: usize,
}

#[derive(Clone, Default)]
struct Branch {
    /// Values that end here.
    values: u64,
    /// Keys that do not look like names.
    keys: u64,
    ways: BTreeMap<Way, Branch>,
    /// There were too many keys.
    collapsed: bool,
}

/// More different keys than these are those of a map.
const KEYS: usize = 50;
/// So many steps of a path are kept.
pub const DEPTH: usize = 32;
const BRANCHES: usize = 5_000;
const PATHS: usize = 500;

/// Whether it looks like a name of a programmer's, rather than like a value.
pub fn is_name(key: &str) -> bool {
    let number = key.len() >= 6 && key.bytes().all(|byte| byte.is_ascii_digit());
    let odd = |c: char| c == '@' || c.is_whitespace() || c.is_control();
    !key.is_empty() && !number && !key.contains(odd) && key.chars().nth(64).is_none()
}

impl Unknown {
    pub fn value(&mut self, path: Vec<Way>) {
        self.branch(path).values += 1;
    }

    /// The object at the path has a key that does not look like a name.
    pub fn key(&mut self, path: Vec<Way>) {
        self.branch(path).keys += 1;
    }

    /// Or the last one on the way to it that there is room for.
    fn branch(&mut self, path: Vec<Way>) -> &mut Branch {
        let mut branch = &mut self.root;
        for way in path {
            let way = branch.shown(way);
            if !branch.ways.contains_key(&way) {
                if self.branches == BRANCHES {
                    break;
                }
                self.branches += 1;
            }
            branch = branch.ways.entry(way).or_default();
        }
        branch
    }

    pub fn paths(&self) -> BTreeMap<String, u64> {
        let mut found = BTreeMap::new();
        self.root.list(&mut Vec::new(), &mut found);
        while found.len() > PATHS {
            found.pop_last();
        }
        found
    }
}

impl Branch {
    fn shown(&mut self, way: Way) -> Way {
        let Way::Key(key) = &way else { return way };
        // The language of paths has no way to write a key that holds the closing bracket.
        if self.collapsed || !is_name(key) || key.contains("']") {
            return Way::Members;
        }
        let keys = self.ways.keys().filter(|way| matches!(way, Way::Key(_))).count();
        if keys < KEYS || self.ways.contains_key(&way) {
            return way;
        }
        self.collapse();
        Way::Members
    }

    fn collapse(&mut self) {
        self.collapsed = true;
        for (way, branch) in std::mem::take(&mut self.ways) {
            let way = if matches!(way, Way::Key(_)) { Way::Members } else { way };
            self.ways.entry(way).or_default().add(branch);
        }
    }

    fn add(&mut self, other: Self) {
        self.values += other.values;
        self.keys += other.keys;
        self.collapsed |= other.collapsed;
        for (way, branch) in other.ways {
            self.ways.entry(way).or_default().add(branch);
        }
        if self.collapsed || self.ways.keys().filter(|way| matches!(way, Way::Key(_))).count() > KEYS {
            self.collapse();
        }
    }

    fn list(&self, path: &mut Vec<Step>, found: &mut BTreeMap<String, u64>) {
        for (what, count) in [("", self.values), (".* (keys)", self.keys)] {
            if count > 0 {
                // Two steps are written alike when a key is known in one place and not in another.
                *found.entry(format!("{}{what}", JsonPath(path.clone()))).or_default() += count;
            }
        }
        for (way, branch) in &self.ways {
            path.push(match way {
                Way::Known(key) | Way::Key(key) => Step::Key(key.clone()),
                Way::Members => Step::Members,
                Way::Elements => Step::Elements,
            });
            branch.list(path, found);
            path.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(branch: &Branch) -> usize {
        branch.ways.values().map(|branch| 1 + size(branch)).sum()
    }

    #[test]
    fn hostile_documents_do_not_make_it_grow_without_end() {
        let mut unknown = Unknown::default();
        for n in 0..100_000_u32 {
            let key = |shift: u32| Way::Key(format!("k{}", n >> shift & 31));
            unknown.value(vec![key(0), Way::Elements, key(5), key(10), Way::Members, key(15)]);
        }
        assert!(size(&unknown.root) <= BRANCHES);
        assert_eq!(unknown.paths().len(), PATHS);
        // Whatever there is no room for is counted above it.
        let mut all = BTreeMap::new();
        unknown.root.list(&mut Vec::new(), &mut all);
        assert_eq!(all.values().sum::<u64>(), 100_000);
    }
}
