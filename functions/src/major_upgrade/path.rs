//! The way from one engine version to another, over what RDS calls `ValidUpgradeTarget`.

use std::collections::{BTreeMap, BTreeSet};

/// `16.14` as `[16, 14]`: version text does not sort.
pub fn numbers(version: &str) -> Vec<u32> {
    version.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

/// Engine version → the versions that it can be upgraded to directly.
pub type Targets = BTreeMap<String, Vec<String>>;

/// True when `version` is what the person asked for: `"18"` is every 18, `"18.4"` is 18.4.
pub fn satisfies(version: &str, wanted: &str) -> bool {
    version == wanted || version.split('.').next() == Some(wanted)
}

/// The shortest list of versions to go through, the target last; of equally short ones, the newest.
/// Empty when `from` is one already.
pub fn shortest(targets: &Targets, from: &str, wanted: &str) -> Option<Vec<String>> {
    if satisfies(from, wanted) {
        return Some(Vec::new());
    }
    let mut seen = BTreeSet::from([from.to_owned()]);
    let mut level = vec![vec![from.to_owned()]];
    while !level.is_empty() {
        let mut next = Vec::new();
        for path in &level {
            let here = path.last().expect("a path has a start");
            for version in targets.get(here).into_iter().flatten() {
                if seen.insert(version.clone()) {
                    next.push(path.iter().chain([version]).cloned().collect::<Vec<_>>());
                }
            }
        }
        next.sort_by_key(|path| std::cmp::Reverse(numbers(path.last().expect("a path has an end"))));
        if let Some(path) =
            next.iter().find(|path| path.last().is_some_and(|version| satisfies(version, wanted)))
        {
            return Some(path[1..].to_vec());
        }
        level = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets() -> Targets {
        [
            ("13.9", vec!["13.23", "14.9", "15.9"]),
            ("13.23", vec!["14.22", "15.9", "16.14"]),
            ("15.9", vec!["16.9", "16.14"]),
            ("16.9", vec!["16.14", "17.5"]),
            ("16.14", vec!["17.5", "18.1", "18.4"]),
            ("17.5", vec!["18.4"]),
        ]
        .into_iter()
        .map(|(from, to)| (from.to_owned(), to.into_iter().map(str::to_owned).collect()))
        .collect()
    }

    #[test]
    fn a_direct_path_takes_the_newest_minor_of_the_wanted_major() {
        assert_eq!(shortest(&targets(), "16.14", "18").unwrap(), ["18.4"]);
        assert_eq!(shortest(&targets(), "16.14", "18.1").unwrap(), ["18.1"]);
    }

    #[test]
    fn several_hops_are_found_where_there_is_no_direct_path() {
        assert_eq!(shortest(&targets(), "13.9", "18").unwrap(), ["15.9", "16.14", "18.4"]);
        assert_eq!(shortest(&targets(), "16.9", "18.4").unwrap(), ["17.5", "18.4"]);
    }

    #[test]
    fn a_cluster_that_is_there_already_has_nothing_to_go_through() {
        assert_eq!(shortest(&targets(), "18.1", "18").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn an_unreachable_version_has_no_path() {
        assert_eq!(shortest(&targets(), "18.4", "16"), None);
        assert_eq!(shortest(&targets(), "16.14", "19"), None);
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(numbers("16.14") > numbers("16.9"));
    }
}
