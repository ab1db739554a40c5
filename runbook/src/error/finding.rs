//! What a check finds, and what a person does about it.

use std::fmt::Write;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::visible::one_line;

/// What stands in the way of an upgrade, or is worth knowing before it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The check that found it, e.g. `prepared-transaction`.
    pub check: String,
    pub level: Level,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// What was found.
    pub object: String,
    /// Why it matters.
    pub reason: String,
    /// What to do.
    pub remedy: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Info,
    Warn,
    Block,
}

impl Finding {
    /// Names this finding in a skip list: `<check>:<database>/<object>`, or `<check>:<object>` for
    /// the whole cluster. Whatever somebody has called a thing: it is one line, and nothing hides.
    pub fn id(&self) -> String {
        one_line(&match &self.database {
            Some(database) => format!("{}:{database}/{}", self.check, self.object),
            None => format!("{}:{}", self.check, self.object),
        })
    }
}

/// A finding that shall not stop a run, as its input says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SkippedFinding {
    /// The finding's id as the error shows it, e.g. "logical-slot:shop/cdc", or a check's name for
    /// all that it finds.
    pub finding: String,
    /// Why, for the report.
    #[schemars(length(min = 1))]
    pub reason: String,
}

impl SkippedFinding {
    pub fn names(&self, finding: &Finding) -> bool {
        self.finding == finding.check || self.finding == finding.id()
    }
}

/// All findings with what was skipped turned into warnings, and those that block.
pub fn judge(found: Vec<Finding>, skip: &[SkippedFinding]) -> (Vec<Finding>, Vec<Finding>) {
    let findings: Vec<Finding> = found
        .into_iter()
        .map(|finding| match skip.iter().find(|skip| skip.names(&finding)) {
            Some(skip) if finding.level == Level::Block => Finding {
                level: Level::Warn,
                reason: format!("{} [skipped: {}]", finding.reason, skip.reason),
                ..finding
            },
            _ => finding,
        })
        .collect();
    let blocking = findings.iter().filter(|finding| finding.level == Level::Block).cloned().collect();
    (findings, blocking)
}

pub(super) fn blocked(findings: &[Finding]) -> String {
    let mut text = format!(
        "{} thing{} must be fixed first; nothing in production was changed.",
        findings.len(),
        if findings.len() == 1 { "" } else { "s" }
    );
    for finding in findings {
        let _ = write!(text, "\n\n{}\n  why: {}\n  do:  {}", finding.id(), finding.reason, finding.remedy);
    }
    text.push_str("\n\nThen run it again with the same input.");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(check: &str, level: Level) -> Finding {
        let (object, reason, remedy) = ("x".to_owned(), "because".to_owned(), "DROP x".to_owned());
        Finding { check: check.to_owned(), level, database: Some("shop".to_owned()), object, reason, remedy }
    }

    fn skip(finding: &str) -> SkippedFinding {
        SkippedFinding { finding: finding.to_owned(), reason: "the consumer starts again".to_owned() }
    }

    #[test]
    fn only_blocking_findings_block() {
        let (findings, blocking) =
            judge(vec![finding("logical-slot", Level::Block), finding("publication", Level::Warn)], &[]);
        assert_eq!((findings.len(), blocking.len()), (2, 1));
        assert_eq!(blocking[0].check, "logical-slot");
    }

    #[test]
    fn a_skipped_finding_is_told_with_its_reason_and_blocks_no_more() {
        let (findings, blocking) =
            judge(vec![finding("logical-slot", Level::Block)], &[skip("logical-slot:shop/x")]);
        assert!(blocking.is_empty());
        assert_eq!(findings[0].level, Level::Warn);
        assert!(findings[0].reason.contains("the consumer starts again"));
    }

    #[test]
    fn a_skip_names_one_finding_or_a_whole_check() {
        let blocking = |skipped| judge(vec![finding("logical-slot", Level::Block)], &[skip(skipped)]).1.len();
        assert_eq!(blocking("logical-slot:shop/x"), 0);
        assert_eq!(blocking("logical-slot"), 0);
        assert_eq!(blocking("logical-slot:shop/y"), 1);
    }
}
