//! The way from one engine version to another, over what RDS calls `ValidUpgradeTarget`.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use runbook::aurora::EngineVersion;

/// Engine version → the versions that it can be upgraded to directly.
pub type Targets = BTreeMap<EngineVersion, Vec<EngineVersion>>;

/// The shortest list of versions to go through, the target last; of equally short ones, the newest.
/// `wanted` is a major version or an exact one. Empty when `from` is one already.
pub fn shortest(
    targets: &Targets,
    from: &EngineVersion,
    wanted: &EngineVersion,
) -> Option<Vec<EngineVersion>> {
    if from.is_within(wanted) {
        return Some(Vec::new());
    }
    let mut seen = BTreeSet::from([from]);
    let mut level = vec![(from, Vec::new())];
    while !level.is_empty() {
        let mut next: Vec<(&EngineVersion, Vec<EngineVersion>)> = Vec::new();
        for (here, path) in &level {
            for version in targets.get(here).into_iter().flatten().filter(|version| seen.insert(version)) {
                next.push((version, path.iter().chain([version]).cloned().collect()));
            }
        }
        next.sort_by_key(|(version, _)| Reverse(*version));
        if let Some((_, path)) = next.iter().find(|(version, _)| version.is_within(wanted)) {
            return Some(path.clone());
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
        .map(|(from, to)| (version(from), to.into_iter().map(version).collect()))
        .collect()
    }

    fn version(text: &str) -> EngineVersion {
        text.parse().unwrap()
    }

    fn path(from: &str, wanted: &str) -> Option<Vec<String>> {
        let path = shortest(&targets(), &version(from), &version(wanted))?;
        Some(path.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_direct_path_takes_the_newest_minor_of_the_wanted_major() {
        assert_eq!(path("16.14", "18").unwrap(), ["18.4"]);
        assert_eq!(path("16.14", "18.1").unwrap(), ["18.1"]);
    }

    #[test]
    fn several_hops_are_found_where_there_is_no_direct_path() {
        assert_eq!(path("13.9", "18").unwrap(), ["15.9", "16.14", "18.4"]);
        assert_eq!(path("16.9", "18.4").unwrap(), ["17.5", "18.4"]);
    }

    #[test]
    fn a_cluster_that_is_there_already_has_nothing_to_go_through() {
        assert_eq!(path("18.1", "18").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn an_unreachable_version_has_no_path() {
        assert_eq!(path("18.4", "16"), None);
        assert_eq!(path("16.14", "19"), None);
    }
}
