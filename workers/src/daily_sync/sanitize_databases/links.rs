//! Columns that foreign keys tie together: they must be replaced by one and the same expression.

use std::collections::BTreeMap;

use super::schema::{Column, Schema, Table};

/// What must hold for all columns that are tied together.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    pub unique: bool,
    pub length: Option<usize>,
    pub lower: bool,
    pub small: bool,
}

pub struct Links {
    group: BTreeMap<(u32, String), usize>,
    links: BTreeMap<usize, Link>,
}

impl Link {
    fn of(column: &Column) -> Self {
        Self {
            unique: column.unique,
            length: column.length,
            lower: column.case_insensitive,
            small: column.base == "int2",
        }
    }

    fn join(&mut self, other: &Self) {
        self.unique |= other.unique;
        self.lower |= other.lower;
        self.small |= other.small;
        self.length = [self.length, other.length].into_iter().flatten().min();
    }
}

impl Links {
    pub fn of(schema: &Schema) -> Self {
        let by_oid = schema.by_oid();
        // Each points at one of its group; the last one at itself.
        let mut to: Vec<usize> = Vec::new();
        let mut group: BTreeMap<(u32, String), usize> = BTreeMap::new();
        for table in schema.roots() {
            for column in &table.columns {
                group.insert((table.oid, column.name.clone()), to.len());
                to.push(to.len());
            }
        }
        for (one, other) in pairs(schema) {
            if let (Some(&one), Some(&other)) = (group.get(&one), group.get(&other)) {
                let (one, other) = (last(&mut to, one), last(&mut to, other));
                to[other] = one;
            }
        }
        group.values_mut().for_each(|number| *number = last(&mut to, *number));
        let mut links: BTreeMap<usize, Link> = BTreeMap::new();
        for ((table, name), number) in &group {
            if let Some(column) = by_oid.get(table).and_then(|table| table.column(name)) {
                let link = Link::of(column);
                links.entry(*number).and_modify(|all| all.join(&link)).or_insert(link);
            }
        }
        Self { group, links }
    }

    pub fn of_column(&self, table: &Table, column: &Column) -> Link {
        let number = self.group.get(&(table.oid, column.name.clone()));
        number.and_then(|number| self.links.get(number)).cloned().unwrap_or_else(|| Link::of(column))
    }
}

/// Where a number leads; the way there is halved for whoever asks next.
fn last(to: &mut [usize], mut number: usize) -> usize {
    while to[number] != number {
        to[number] = to[to[number]];
        number = to[number];
    }
    number
}

/// The columns that a foreign key holds equal, by the roots of their tables.
pub fn pairs(schema: &Schema) -> Vec<((u32, String), (u32, String))> {
    let by_oid = schema.by_oid();
    let root = |oid: u32| by_oid.get(&oid).and_then(|table| table.root).unwrap_or(oid);
    let pair = |key: &super::schema::ForeignKey| {
        let (child, parent) = (root(key.table), root(key.parent));
        let columns = key.columns.iter().zip(&key.parent_columns);
        columns.map(|(one, other)| ((child, one.clone()), (parent, other.clone()))).collect::<Vec<_>>()
    };
    schema.foreign_keys.iter().flat_map(pair).collect()
}
