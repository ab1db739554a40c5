//! What a target major version lacks, from lists that were made by comparing real servers.

const TARGET_LACKS: &str = include_str!("target_lacks.txt");
const KNOWN_SETTINGS: &str = include_str!("known_settings.txt");

/// The newest major version that the lists know.
pub const NEWEST: u32 = 18;

/// The names that are gone somewhere between two major versions.
#[derive(Debug, Default)]
pub struct Lacks {
    /// `schema.table.column`
    pub columns: Vec<&'static str>,
    /// `schema.name`
    pub functions: Vec<&'static str>,
    pub parameters: Vec<&'static str>,
    /// `name reason`
    pub extensions: Vec<&'static str>,
    /// Every setting of the libraries that refuse any other name with their prefix.
    pub known_settings: Vec<&'static str>,
}

impl Lacks {
    /// What is gone on the target. An upgrade of several hops meets all of it, so where it starts
    /// does not matter.
    pub fn of(target: u32) -> Self {
        let mut lacks = Self { known_settings: lines(KNOWN_SETTINGS).collect(), ..Self::default() };
        for line in lines(TARGET_LACKS) {
            let mut words = line.splitn(3, ' ');
            let (Some(kind), Some(since), Some(name)) = (words.next(), words.next(), words.next()) else {
                continue;
            };
            if since.parse::<u32>().is_ok_and(|since| since > target) {
                continue;
            }
            match kind {
                "column" => lacks.columns.push(name),
                "function" => lacks.functions.push(name),
                "parameter" => lacks.parameters.push(name),
                "extension" => lacks.extensions.push(name),
                _ => {}
            }
        }
        lacks
    }
}

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_list_is_understood() {
        for line in lines(TARGET_LACKS) {
            let words: Vec<&str> = line.splitn(3, ' ').collect();
            assert!(
                matches!(words[..], ["column" | "function" | "parameter" | "extension", since, _]
                    if since.parse::<u32>().is_ok()),
                "{line}"
            );
        }
    }

    #[test]
    fn a_target_lacks_what_went_before_it_and_nothing_that_goes_later() {
        let (seventeen, eighteen) = (Lacks::of(17), Lacks::of(18));
        assert!(seventeen.columns.contains(&"pg_catalog.pg_stat_bgwriter.buffers_backend"));
        assert!(!seventeen.columns.contains(&"pg_catalog.pg_stat_wal.wal_write"));
        assert!(eighteen.columns.contains(&"pg_catalog.pg_stat_wal.wal_write"));
        assert!(seventeen.extensions.iter().any(|gone| gone.starts_with("old_snapshot ")));
        assert!(!Lacks::of(16).parameters.contains(&"old_snapshot_threshold"));
    }
}
