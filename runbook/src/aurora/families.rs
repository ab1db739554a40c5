//! The parameters of families, kept for the looks of one state.

use std::{collections::BTreeMap, sync::Arc};

use aws_sdk_rds::types::Parameter;
use jiff::Timestamp;
use parking_lot::Mutex;

use crate::{Arn, Run};

/// The parameters of a family, by name, with their defaults.
pub type Family = BTreeMap<String, Parameter>;

/// What this process has read: hundreds of parameters, a hundred a call. For how long RDS leaves
/// them as they are no page says, so another run, and a redrive, read them again.
#[derive(Debug, Clone, Default)]
pub struct Families(Arc<Mutex<Option<Read>>>);

#[derive(Debug)]
struct Read {
    execution: Arn,
    since: Timestamp,
    families: BTreeMap<(&'static str, String), Arc<Family>>,
}

impl Read {
    fn is_of(&self, run: &Run) -> bool {
        self.execution == run.execution && self.since == run.since()
    }
}

impl Families {
    pub fn get(&self, run: &Run, kind: &'static str, name: &str) -> Option<Arc<Family>> {
        let read = self.0.lock();
        read.as_ref().filter(|read| read.is_of(run))?.families.get(&(kind, name.to_owned())).cloned()
    }

    pub fn keep(&self, run: &Run, kind: &'static str, name: &str, family: Family) -> Arc<Family> {
        let family = Arc::new(family);
        let mut read = self.0.lock();
        let of_run = read.take().filter(|read| read.is_of(run)).unwrap_or_else(|| Read {
            execution: run.execution.clone(),
            since: run.since(),
            families: BTreeMap::new(),
        });
        read.insert(of_run).families.insert((kind, name.to_owned()), Arc::clone(&family));
        family
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_run_and_a_redrive_read_a_family_again() {
        let run = Run::of("arn:aws:states:eu-west-1:444455556666:execution:major-upgrade:one");
        let families = Families::default();
        families.keep(&run, "cluster", "aurora-postgresql18", Family::new());
        families.keep(&run, "instance", "aurora-postgresql18", Family::new());
        assert!(families.get(&run, "cluster", "aurora-postgresql18").is_some());
        assert!(families.get(&run, "cluster", "aurora-postgresql17").is_none());
        let other = Run::of("arn:aws:states:eu-west-1:444455556666:execution:major-upgrade:two");
        let redriven = Run { redriven: Some("2026-11-25T04:00:00Z".parse().unwrap()), ..run.clone() };
        for again in [other, redriven] {
            assert!(families.get(&again, "cluster", "aurora-postgresql18").is_none());
        }
    }
}
