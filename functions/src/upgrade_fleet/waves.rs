//! How many clusters come first, and how many after them.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// How large a wave is: a number of clusters, or a percentage of all that are upgraded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    Clusters(usize),
    Percent(usize),
}

/// One cluster, then a tenth; the last wave is whatever is left.
pub fn default_waves() -> Vec<Size> {
    vec![Size::Clusters(1), Size::Percent(10)]
}

/// Where each wave ends, counted from the first of `all` clusters. The last ends with them.
pub fn ends(waves: &[Size], all: usize) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut end = 0;
    for wave in waves {
        end += match wave {
            Size::Clusters(clusters) => *clusters,
            // A wave without a cluster would let nobody see anything.
            Size::Percent(percent) => (all * percent).div_ceil(100).max(1),
        };
        if end >= all {
            break;
        }
        ends.push(end);
    }
    if all > 0 {
        ends.push(all);
    }
    ends
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Clusters(usize),
            Percent(String),
        }
        let refused = || de::Error::custom("a wave is a number of clusters, 1 to 1000, or such as \"10%\"");
        match Written::deserialize(deserializer).map_err(|_| refused())? {
            Written::Clusters(clusters @ 1..=1000) => Ok(Self::Clusters(clusters)),
            Written::Clusters(_) => Err(refused()),
            Written::Percent(text) => {
                let digits = text.strip_suffix('%').filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
                let percent = digits.and_then(|digits| digits.parse().ok());
                percent.filter(|percent| (1..=100).contains(percent)).map(Self::Percent).ok_or_else(refused)
            }
        }
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Clusters(clusters) => clusters.serialize(serializer),
            Self::Percent(percent) => format!("{percent}%").serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_wave_is_whatever_is_left() {
        assert_eq!(ends(&default_waves(), 200), [1, 21, 200]);
        assert_eq!(ends(&default_waves(), 1), [1]);
        assert_eq!(ends(&default_waves(), 3), [1, 2, 3]);
        assert_eq!(ends(&[Size::Clusters(5)], 5), [5]);
        assert_eq!(ends(&[], 7), [7]);
        assert_eq!(ends(&default_waves(), 0), [0_usize; 0]);
    }

    #[test]
    fn a_wave_that_is_none_is_refused() {
        let read = |json: &str| serde_json::from_str::<Size>(json).ok();
        assert_eq!((read("3"), read("\"10%\"")), (Some(Size::Clusters(3)), Some(Size::Percent(10))));
        let texts = ["\"10\"", "\"0%\"", "\"101%\"", "\"+5%\"", "\"%\""];
        for bad in ["0", "1001", "-1", "1.5", "null", "[1]"].into_iter().chain(texts) {
            assert_eq!(read(bad), None, "{bad} was taken");
        }
    }
}
