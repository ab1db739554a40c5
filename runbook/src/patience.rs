//! For how long an answer that looks temporary is believed.
//!
//! Some answers are given while AWS is busy and for good alike: `InvalidDBClusterStateFault`, a
//! connection that nobody takes. What a process has seen lately tells them apart, and nothing else
//! is decided by it: a process that has just started is patient again.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

/// A security group, a route, a name server or an endpoint that is missing does not come by itself.
pub const UNREACHABLE: SignedDuration = SignedDuration::from_mins(15);
const BUSY: SignedDuration = SignedDuration::from_mins(5);
const BUSY_LOOKS: u32 = 3;

#[derive(Debug, Clone, Default)]
pub struct Patience(Arc<Mutex<BTreeMap<String, Seen>>>);

#[derive(Debug)]
struct Seen {
    what: String,
    first: Timestamp,
    looks: u32,
}

impl Patience {
    /// Whether no call at all has come through for too long.
    pub fn is_unreachable(&self, whose: &str, now: Timestamp) -> bool {
        self.see(whose, "unreachable", now).0 >= UNREACHABLE
    }

    /// Whether AWS says the same again and again although nothing is busy.
    pub fn is_refusal(&self, whose: &str, what: &str, now: Timestamp) -> bool {
        let (since, looks) = self.see(whose, what, now);
        since >= BUSY && looks >= BUSY_LOOKS
    }

    pub fn forget(&self, whose: &str) {
        self.0.lock().remove(whose);
    }

    /// For how long the same was seen, and how often.
    fn see(&self, whose: &str, what: &str, now: Timestamp) -> (SignedDuration, u32) {
        let mut all = self.0.lock();
        let seen = all.entry(whose.to_owned()).or_insert_with(|| Seen {
            what: what.to_owned(),
            first: now,
            looks: 0,
        });
        if seen.what != what {
            *seen = Seen { what: what.to_owned(), first: now, looks: 0 };
        }
        seen.looks += 1;
        (now.duration_since(seen.first), seen.looks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_words_again_and_again_are_a_refusal() {
        let (patience, start) = (Patience::default(), Timestamp::UNIX_EPOCH);
        let minute = |minutes: i64| start + SignedDuration::from_mins(minutes);
        assert!(!patience.is_refusal("a", "x", minute(0)));
        assert!(!patience.is_refusal("a", "x", minute(6)), "two looks are not enough");
        assert!(!patience.is_refusal("a", "y", minute(7)), "other words");
        assert!(!patience.is_refusal("a", "y", minute(8)) && !patience.is_refusal("a", "y", minute(9)));
        assert!(patience.is_refusal("a", "y", minute(12)));
        assert!(!patience.is_refusal("b", "y", minute(12)), "another execution's");
        patience.forget("a");
        assert!(!patience.is_refusal("a", "y", minute(13)));
    }
}
