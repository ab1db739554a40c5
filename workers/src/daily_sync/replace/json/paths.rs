//! The paths of a policy as one tree. At each object or array one step leads on, so a document is
//! read once whatever the number of paths.

use std::collections::BTreeMap;

use policy::{JsonPath, Step};

#[derive(Clone, Default)]
pub struct Paths {
    nodes: Vec<Node>,
}

#[derive(Clone, Default)]
pub struct Node {
    keys: BTreeMap<String, usize>,
    members: Option<usize>,
    elements: Option<usize>,
    /// The number of the path that ends here.
    pub end: Option<usize>,
}

impl Paths {
    /// The number of a path is its place in the list.
    pub fn new<'a>(paths: impl Iterator<Item = &'a JsonPath>) -> Result<Self, String> {
        let mut tree = Self { nodes: vec![Node::default()] };
        let mut before: Vec<&JsonPath> = Vec::new();
        for (number, path) in paths.enumerate() {
            if let Some(other) = before.iter().find(|other| other.may_be(path)) {
                return Err(format!("{path} and {other} may be one and the same"));
            }
            tree.insert(0, &path.0, number);
            before.push(path);
        }
        Ok(tree)
    }

    pub fn root(&self) -> usize {
        0
    }

    pub fn node(&self, node: usize) -> &Node {
        &self.nodes[node]
    }

    fn insert(&mut self, node: usize, steps: &[Step], number: usize) {
        let Some((step, rest)) = steps.split_first() else {
            self.nodes[node].end = Some(number);
            return;
        };
        match step {
            Step::Key(key) => {
                let child = match self.nodes[node].keys.get(key) {
                    Some(child) => *child,
                    None => {
                        // What holds for every member holds for this one.
                        let child = match self.nodes[node].members {
                            Some(members) => self.copy(members),
                            None => self.add(Node::default()),
                        };
                        self.nodes[node].keys.insert(key.clone(), child);
                        child
                    }
                };
                self.insert(child, rest, number);
            }
            Step::Members => {
                let children: Vec<usize> = self.nodes[node].keys.values().copied().collect();
                children.into_iter().for_each(|child| self.insert(child, rest, number));
                let child = match self.nodes[node].members {
                    Some(child) => child,
                    None => self.add(Node::default()),
                };
                self.nodes[node].members = Some(child);
                self.insert(child, rest, number);
            }
            Step::Elements => {
                let child = match self.nodes[node].elements {
                    Some(child) => child,
                    None => self.add(Node::default()),
                };
                self.nodes[node].elements = Some(child);
                self.insert(child, rest, number);
            }
        }
    }

    fn add(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn copy(&mut self, node: usize) -> usize {
        let mut copy = self.nodes[node].clone();
        copy.keys.values_mut().for_each(|child| *child = self.copy(*child));
        copy.members = copy.members.map(|child| self.copy(child));
        copy.elements = copy.elements.map(|child| self.copy(child));
        self.add(copy)
    }
}

impl Node {
    /// Nothing is decided about below it.
    pub fn is_last(&self) -> bool {
        self.keys.is_empty() && self.members.is_none() && self.elements.is_none()
    }

    pub fn key(&self, key: &str) -> Option<usize> {
        self.keys.get(key).copied()
    }

    pub fn members(&self) -> Option<usize> {
        self.members
    }

    pub fn elements(&self) -> Option<usize> {
        self.elements
    }
}
