//! The checks, a file a group, in the order in which they are asked: what is refused before
//! anything is made, then what is made and changed. A check is a line of its group's table.

mod catalogue;
mod copies;
mod database;
mod passwords;
mod permissions;
mod refusals;
mod snapshots;
mod upgrade;

pub use upgrade::Watched;

use crate::check::Check;

pub const GROUPS: [(&str, &[Check]); 8] = [
    ("catalogue", catalogue::CHECKS),
    ("refusals", refusals::CHECKS),
    ("database", database::CHECKS),
    ("snapshots", snapshots::CHECKS),
    ("permissions", permissions::CHECKS),
    ("copies", copies::CHECKS),
    ("passwords", passwords::CHECKS),
    ("upgrade", upgrade::CHECKS),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::GROUPS;

    #[test]
    fn every_check_has_a_name_of_its_own_a_source_and_one_line_of_the_local_aws() {
        let mut names = BTreeSet::new();
        for check in GROUPS.iter().flat_map(|(_, checks)| *checks) {
            assert!(names.insert(check.name), "{} is there twice", check.name);
            assert!(check.source.len() > 8, "{} has no source", check.name);
            if let Some(local) = check.local {
                assert!(
                    local.line().is_some(),
                    "{}: {:?} is not in one line of {}",
                    check.name,
                    local.phrase,
                    local.file
                );
            }
        }
        assert!(names.len() > 40, "only {} checks", names.len());
    }
}
