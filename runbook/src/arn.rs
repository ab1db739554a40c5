//! Amazon Resource Names, read once.

use std::fmt::{self, Display};

use serde::{Deserialize, Serialize};

use crate::visible::visible;

/// `arn:<partition>:<service>:<region>:<account>:<resource>`
/// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Arn(String);

impl Arn {
    fn part(&self, index: usize) -> &str {
        self.0.splitn(6, ':').nth(index).unwrap_or_default()
    }

    pub fn service(&self) -> &str {
        self.part(2)
    }

    pub fn account(&self) -> &str {
        self.part(4)
    }

    /// All behind the account, such as `cluster-snapshot:orders`.
    pub fn resource(&self) -> &str {
        self.part(5)
    }

    /// The kind of the resource, such as `cluster-snapshot`; empty when the ARN has none.
    pub fn kind(&self) -> &str {
        self.resource().split_once([':', '/']).map_or("", |(kind, _)| kind)
    }

    /// The resource without its kind. A snapshot's own name may have a colon (`rds:orders-…`).
    pub fn name(&self) -> &str {
        self.resource().split_once([':', '/']).map_or(self.resource(), |(_, name)| name)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Arn {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        match parts[..] {
            ["arn", partition, service, _, _, resource]
                if ![partition, service, resource].iter().any(|part| part.is_empty()) && is_plain(&text) =>
            {
                Ok(Self(text))
            }
            _ => Err(format!("{text:?} is not an ARN")),
        }
    }
}

/// ARNs have 2,048 characters at most (arnType, botocore iam/2010-05-08), and none is a blank or
/// hides.
fn is_plain(text: &str) -> bool {
    text.len() <= 2048 && !text.contains(char::is_whitespace) && visible(text) == text
}

impl From<Arn> for String {
    fn from(arn: Arn) -> Self {
        arn.0
    }
}

impl Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_an_arn_are_read_by_their_place() {
        let arn = Arn::try_from(
            "arn:aws:rds:eu-west-1:111122223333:cluster-snapshot:rds:orders-2026-01-01".to_owned(),
        );
        let arn = arn.unwrap();
        assert_eq!((arn.service(), arn.account(), arn.kind()), ("rds", "111122223333", "cluster-snapshot"));
        assert_eq!(arn.name(), "rds:orders-2026-01-01");
        let turned = "arn:aws:rds:eu-west-1:111122223333:cluster:a\u{202e}b";
        let long = format!("arn:aws:rds:eu-west-1:111122223333:cluster:{}", "a".repeat(2048));
        for bad in [
            "",
            "orders",
            "arn:aws:rds",
            "arn:aws:rds:eu-west-1:111122223333:",
            "arn::rds:a:b:c",
            "arn:aws:rds:eu-west-1:111122223333:cluster:a\nb",
            turned,
            &long,
        ] {
            assert!(Arn::try_from(bad.to_owned()).is_err(), "{bad} was taken");
        }
    }
}
