//! Whole numbers: another one for each, or any one of a range.

use std::fmt::Write as _;

use siphasher::sip::SipHasher24;

use super::{Key, Slot, Unfit, key::Digest};

/// Another number for every number, as long and with the same sign, and no number for two: the low
/// bits are permuted, and the bits above stay, so that none becomes too long for its type.
#[derive(Clone)]
pub(super) struct Permutation {
    shuffle: SipHasher24,
    small: bool,
}

const ROUNDS: u64 = 4;

impl Permutation {
    pub(super) fn new(key: &Key, small: bool) -> Self {
        Self { shuffle: key.shuffle("integer"), small }
    }

    pub(super) fn write(&self, text: &str, out: &mut String) -> Result<(), Unfit> {
        let value = text.parse().map_err(|_| Unfit("is no whole number of 64 bits"))?;
        write!(out, "{}", self.permute(value)).expect("a String takes all");
        Ok(())
    }

    fn permute(&self, value: i64) -> i64 {
        // Of a negative number the complement: there are as many as of the others, and the least
        // one is no exception.
        let size = (if value < 0 { !value } else { value }).cast_unsigned();
        let half = if self.small {
            7
        } else if size < 1 << 40 {
            15
        } else if size < 1 << 50 {
            20
        } else {
            25
        };
        let ones = (1 << (2 * half)) - 1;
        // One step on, as seen through a Feistel network: a network alone leaves some number as it
        // is, about one of all.
        let moved = self.back(half, (self.forth(half, size & ones) + 1) & ones);
        let size = (size & !ones | moved).cast_signed();
        if value < 0 { !size } else { size }
    }

    fn forth(&self, half: u64, low: u64) -> u64 {
        let ones = (1 << half) - 1;
        let (left, right) = (0..ROUNDS).fold((low >> half, low & ones), |(left, right), round| {
            (right, left ^ self.round(half, round, right) & ones)
        });
        left << half | right
    }

    fn back(&self, half: u64, low: u64) -> u64 {
        let ones = (1 << half) - 1;
        let (left, right) = (0..ROUNDS).rev().fold((low >> half, low & ones), |(left, right), round| {
            (right ^ self.round(half, round, left) & ones, left)
        });
        left << half | right
    }

    fn round(&self, half: u64, round: u64, part: u64) -> u64 {
        self.shuffle.hash(&(part | round << 32 | half << 40).to_le_bytes())
    }
}

/// Any number from `min` on.
#[derive(Clone)]
pub(super) struct Range {
    min: i64,
    count: u128,
}

impl Range {
    pub(super) fn new(min: Option<i64>, max: Option<i64>, slot: &Slot) -> Result<Self, String> {
        if slot.unique {
            return Err(
                "its values are unique, and numbers of a range may meet: leave min and max out".into()
            );
        }
        let most = if slot.small { i64::from(i16::MAX) } else { i32::MAX.into() };
        let (min, max) = (min.unwrap_or(0), max.unwrap_or(most));
        if min > max {
            return Err(format!("min {min} is more than max {max}"));
        }
        if slot.small && (min < i16::MIN.into() || max > i16::MAX.into()) {
            return Err(format!("a smallint is from {} to {}", i16::MIN, i16::MAX));
        }
        Ok(Self { min, count: (i128::from(max) - i128::from(min) + 1).cast_unsigned() })
    }

    pub(super) fn write(&self, digest: &Digest, out: &mut String) {
        let number = i128::from(self.min) + (digest.wide_number() % self.count).cast_signed();
        write!(out, "{number}").expect("a String takes all");
    }
}
