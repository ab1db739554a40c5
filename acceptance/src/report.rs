//! One report: a page for people, and the same as JSON.

use std::{fmt::Write as _, path::Path};

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::{
    check::{Check, Verdict},
    subject::Subject,
};

#[derive(Debug, Serialize)]
pub struct Report {
    pub at: jiff::Timestamp,
    pub region: String,
    pub seconds: i64,
    /// Somebody ended it before the last check.
    pub stopped: bool,
    pub findings: Vec<Finding>,
    /// Nothing is left of what the checks made.
    pub clean: bool,
    /// What was removed, or what is left.
    pub cleaned: String,
}

#[derive(Debug, Serialize)]
pub struct Finding {
    pub group: &'static str,
    pub name: &'static str,
    pub verdict: Verdict,
    pub expected: String,
    pub source: &'static str,
    /// `file:line` of the local AWS.
    pub local: Option<String>,
    pub answered: String,
}

impl Finding {
    pub fn new(group: &'static str, check: &Check, verdict: Verdict, answered: &str) -> Self {
        let local = check.local.map(|local| match local.line() {
            Some(line) => format!("{}:{line}", local.file),
            None => local.file.to_owned(),
        });
        let Check { name, source, .. } = *check;
        let (expected, answered) = (check.expected.text(), answered.to_owned());
        Self { group, name, verdict, expected, source, local, answered }
    }
}

impl Report {
    pub fn new(subject: &Subject) -> Self {
        let (at, region) = (subject.cx.clock.now(), subject.named.region.clone());
        let (findings, cleaned) = (Vec::new(), String::new());
        Self { at, region, seconds: 0, stopped: false, findings, clean: false, cleaned }
    }

    pub fn count(&self, verdict: Verdict) -> usize {
        self.findings.iter().filter(|finding| finding.verdict == verdict).count()
    }

    /// What disagrees stands first.
    pub fn markdown(&self) -> String {
        let mut page = format!(
            "# Acceptance report\n\nOf {} in {}, {} min. {} agreed, {} disagreed, {} not settled.\n",
            self.at.strftime("%Y-%m-%d %H:%M UTC"),
            self.region,
            self.seconds / 60,
            self.count(Verdict::Agreed),
            self.count(Verdict::Disagreed),
            self.count(Verdict::NotSettled),
        );
        for verdict in [Verdict::Disagreed, Verdict::NotSettled, Verdict::Agreed] {
            let findings = self.findings.iter().filter(|finding| finding.verdict == verdict);
            let mut headed = false;
            for finding in findings {
                if !std::mem::replace(&mut headed, true) {
                    page.push_str(&format!("\n## {}\n", capital(verdict.text())));
                }
                let local = finding.local.as_deref().unwrap_or("the local AWS says nothing yet");
                let answered = finding.answered.replace(['\n', '\r'], " ");
                let Finding { group, name, expected, source, .. } = finding;
                // Writing into a string does not fail.
                let _ = write!(
                    page,
                    "\n### {group}: {name}\n\n* Expected: {expected}\n* By: {source}\n* Local AWS: \
                     {local}\n* \
                    AWS answered: {answered}\n"
                );
            }
        }
        if self.stopped {
            page.push_str("\nIt was stopped before the last check.\n");
        }
        page.push_str(&format!("\n## Cleaning up\n\n{}\n", self.cleaned));
        page
    }

    /// `acceptance.md` and `acceptance.json` in that folder.
    pub fn write(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        let json = serde_json::to_string_pretty(self)?;
        for (name, text) in [("acceptance.md", self.markdown()), ("acceptance.json", json)] {
            let file = folder.join(name);
            std::fs::write(&file, text).with_context(|| format!("write {}", file.display()))?;
        }
        Ok(())
    }
}

fn capital(text: &str) -> String {
    text[..1].to_uppercase() + &text[1..]
}
