//! Engine versions, which do not sort as text.

use std::fmt::{self, Display};

use serde::{Deserialize, Serialize};

/// `16.14`. Compared by its numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EngineVersion {
    numbers: Vec<u32>,
    /// What follows the numbers: `-limitless` is another product under the same engine name, and
    /// other engines of the account have versions such as `8.0.mysql_aurora.3.05.2`.
    suffix: String,
    text: String,
}

impl EngineVersion {
    pub fn major(&self) -> u32 {
        self.numbers[0]
    }

    pub fn is_limitless(&self) -> bool {
        self.suffix.contains("limitless")
    }

    /// A major version, or a major and a minor one, as RDS writes them, and nothing else.
    pub fn is_plain(&self) -> bool {
        let numbers: Vec<String> = self.numbers.iter().map(u32::to_string).collect();
        self.numbers.len() <= 2 && self.text == numbers.join(".")
    }

    /// Of that version, or of that major version: `18.4` is within `18` and within `18.4`.
    pub fn is_within(&self, wanted: &Self) -> bool {
        self.suffix == wanted.suffix && self.numbers.starts_with(&wanted.numbers)
    }
}

impl TryFrom<String> for EngineVersion {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl std::str::FromStr for EngineVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        // The dot before `mysql` belongs to the suffix.
        let numbers = if end < text.len() { text[..end].trim_end_matches('.') } else { text };
        let parsed: Option<Vec<u32>> = numbers.split('.').map(|number| number.parse().ok()).collect();
        match parsed {
            Some(parsed) => {
                Ok(Self { numbers: parsed, suffix: text[numbers.len()..].to_owned(), text: text.to_owned() })
            }
            None => Err(format!("{text:?} is not an engine version")),
        }
    }
}

impl From<EngineVersion> for String {
    fn from(version: EngineVersion) -> Self {
        version.text
    }
}

impl Display for EngineVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> EngineVersion {
        text.parse().unwrap()
    }

    #[test]
    fn versions_are_compared_by_their_numbers() {
        assert!(version("16.9") < version("16.14") && version("9.6.3") < version("10.1"));
        assert_eq!((version("16.14").major(), version("16.14").to_string().as_str()), (16, "16.14"));
        assert!(version("18.4").is_within(&version("18")) && version("18.4").is_within(&version("18.4")));
        assert!(!version("18.4").is_within(&version("1")) && !version("18.4").is_within(&version("18.14")));
        assert!(version("18").is_plain() && version("18.4").is_plain());
        for other in ["018", "18.04", "18.4.1", "18.4-rds"] {
            assert!(!version(other).is_plain(), "{other}");
        }
        assert!(version("16.8-limitless").is_limitless());
        assert!(!version("16.8-limitless").is_within(&version("16")));
    }

    #[test]
    fn the_versions_of_other_engines_are_read() {
        for (other, major) in [("8.0.mysql_aurora.3.05.2", 8), ("5.0.0", 5), ("15.00.4073.23.v1", 15)] {
            assert_eq!((version(other).major(), version(other).to_string().as_str()), (major, other));
        }
    }

    #[test]
    fn what_is_no_version_is_never_version_0() {
        for bad in ["", "eighteen", "18.", ".4", "+18", "99999999999", "18..4"] {
            assert!(bad.parse::<EngineVersion>().is_err(), "{bad} was taken");
        }
    }
}
