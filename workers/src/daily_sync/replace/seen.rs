//! What a replacement has met: how many values, how many of them it could not change, and keyed
//! marks of some, by which attesting looks for the originals.

use std::collections::BTreeMap;

use policy::Rule;
use siphasher::sip::SipHasher24;

use super::{Key, Slot, key::Use};
use crate::daily_sync::fingerprints::{Mark, Within};

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// The column, its elements, or each path of the policy.
    pub parts: Vec<Part>,
    /// Values of documents that no path covers, by the path that would, and how many there are. At
    /// most 500 paths.
    pub unknown: BTreeMap<String, u64>,
}

/// What the values of one place came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    pub within: Within,
    pub values: u64,
    /// JSON's null, which stays. (SQL's NULL is never met.) A path that is nowhere has neither.
    pub nulls: u64,
    /// Those that came out as they were though the rule should have changed them.
    pub unchanged: u64,
    /// The ranks of all values, as often as they were met, added up.
    pub sum: u64,
    pub marks: Marks,
}

/// Marks of up to 300 different values, an even sample of all of them. What comes out by chance is
/// not in it, where one value found again is an error: short values, and the constant.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Marks(BTreeMap<u64, Mark>);

const MARKS: usize = 300;

impl Marks {
    pub fn iter(&self) -> impl Iterator<Item = &Mark> {
        self.0.values()
    }

    /// Each with its rank, by which a value is found fast.
    pub fn ranked(&self) -> impl Iterator<Item = (u64, Mark)> + '_ {
        self.0.iter().map(|(rank, mark)| (*rank, *mark))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The sample of both, as of a partitioned table or two columns that are one.
    pub fn add(&mut self, other: &Self) {
        self.0.extend(other.0.iter().map(|(rank, mark)| (*rank, *mark)));
        while self.0.len() > MARKS {
            self.0.pop_last();
        }
    }
}

impl Seen {
    /// Of two halves of one column.
    pub fn add(&mut self, other: &Self) {
        for (part, other) in self.parts.iter_mut().zip(&other.parts) {
            part.values += other.values;
            part.nulls += other.nulls;
            part.unchanged += other.unchanged;
            part.sum = part.sum.wrapping_add(other.sum);
            part.marks.add(&other.marks);
        }
        for (path, values) in &other.unknown {
            *self.unknown.entry(path.clone()).or_default() += values;
        }
    }

    pub fn of(tally: &Tally) -> Self {
        Self { parts: vec![tally.part.clone()], unknown: BTreeMap::new() }
    }
}

/// Counts for one place.
#[derive(Clone)]
pub struct Tally {
    part: Part,
    /// Orders the values by chance. The smallest are marked; a digest for each value would cost as
    /// much as its replacement.
    rank: SipHasher24,
    mark: Use,
    /// The characters that a value has at least, to be marked.
    least: Option<usize>,
}

impl Tally {
    pub(super) fn new(key: &Key, rule: &Rule, slot: &Slot, within: Within) -> Self {
        Self {
            part: Part { within, values: 0, nulls: 0, unchanged: 0, sum: 0, marks: Marks::default() },
            rank: key.shuffle("sample"),
            mark: key.of("fingerprint"),
            least: least(rule, slot),
        }
    }

    /// For values that somebody else replaces, or nobody.
    pub fn watching(key: &Key, least: usize) -> Self {
        Self {
            part: Part {
                within: Within::Column,
                values: 0,
                nulls: 0,
                unchanged: 0,
                sum: 0,
                marks: Marks::default(),
            },
            rank: key.shuffle("sample"),
            mark: key.of("fingerprint"),
            least: Some(least),
        }
    }

    pub fn part(&self) -> &Part {
        &self.part
    }

    pub fn met(&mut self, value: &str, unchanged: bool) {
        self.part.values += 1;
        self.part.unchanged += u64::from(unchanged);
        let rank = self.rank.hash(value.as_bytes());
        self.part.sum = self.part.sum.wrapping_add(rank);
        // The length in bytes is cheap, and no less than that in characters.
        let Some(least) = self.least.filter(|least| *least <= value.len()) else { return };
        let marks = &mut self.part.marks.0;
        let last = if marks.len() < MARKS { None } else { marks.last_key_value() };
        if last.is_some_and(|(last, _)| *last <= rank) || marks.contains_key(&rank) {
            return;
        }
        if value.chars().nth(least - 1).is_some() {
            marks.insert(rank, self.mark.mark(value));
            if marks.len() > MARKS {
                marks.pop_last();
            }
        }
    }

    /// One that is not to be looked for.
    pub(super) fn passed(&mut self) {
        self.part.values += 1;
    }

    pub(super) fn null(&mut self) {
        self.part.nulls += 1;
    }
}

/// From which length on a value that is found again was not made again by chance. Numbers, dates
/// and addresses of networks often are, whatever their length: of them all are marked, and the
/// share that is found says something.
fn least(rule: &Rule, slot: &Slot) -> Option<usize> {
    let short = slot.length.is_some_and(|length| length < 10);
    match rule {
        Rule::Keep | Rule::Sql { .. } | Rule::Json { .. } => None,
        Rule::Integer { .. } | Rule::Numeric { .. } | Rule::DateShift { .. } | Rule::Ip => Some(1),
        _ if short => None,
        // Of other types a value has more forms than one, and may be the constant in another one.
        Rule::Null | Rule::Constant { .. } if !slot.kind.is_text() || slot.array => None,
        Rule::Name | Rule::Address => Some(1),
        Rule::FreeText => Some(12),
        _ => Some(6),
    }
}
