//! The masking of a policy file, which may be a whole policy, what stands under its `masking`, or
//! only the databases, as `policy draft` prints them.
//!
//! A part is read as the part of a whole policy that it would be, so that the same mistakes are
//! found in the same words, at the lines of the file.

use std::path::Path;

use anyhow::{Context as _, bail};
use policy::{Errors, Masking, Policy};

/// All that a policy has besides.
const AROUND: &str = "syncs:
  trial:
    source: {account: \"111122223333\", role: \"arn:aws:iam::111122223333:role/a\", cluster: a,
      snapshot: {type: automated, max-age: 26h}, kms-key: alias/a}
    schedule: {cron: 0 3 * * *, time-zone: UTC}
    quarantine: {instance-class: db.r6g.large, subnet-group: a, security-group: sg-quarantine,
      cluster-parameter-group: a, kms-key: alias/a}
    targets:
      - {cluster: b, account: \"444455556666\", instance-class: db.r6g.large, subnet-group: b,
         security-groups: [sg-b], cluster-parameter-group: b, keep-old: {count: 1, age: 1h}}
    masking:
";
const KEY_SECRET: &str = "      key-secret: trial/masking-key\n";
const DATABASES: &str = "      databases:\n";

pub fn read(file: &Path, sync: Option<&str>) -> anyhow::Result<Masking> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).with_context(|| format!("could not read {name}"))?;
    parse(&text, sync, &name)
}

fn parse(text: &str, sync: Option<&str>, name: &str) -> anyhow::Result<Masking> {
    let keys: Vec<&str> = text.lines().filter_map(top_key).collect();
    let part = ["masking", "databases", "exceptions", "key-secret"];
    let (before, indent) = if keys.contains(&"syncs") {
        return whole(text, sync, name);
    } else if keys == ["masking"] {
        (AROUND.strip_suffix("    masking:\n").unwrap_or(AROUND).to_owned(), 4)
    } else if !keys.is_empty() && keys.iter().all(|key| part.contains(key)) {
        let secret = if keys.contains(&"key-secret") { "" } else { KEY_SECRET };
        (format!("{AROUND}{secret}"), 6)
    } else {
        (format!("{AROUND}{KEY_SECRET}{DATABASES}"), 8)
    };
    if sync.is_some() {
        bail!("{name} is a part of a policy and has no syncs: leave --sync out");
    }
    let margin = " ".repeat(indent);
    let inside: String = text.lines().map(|line| format!("{margin}{line}\n")).collect();
    let policy = Policy::parse(&format!("{before}{inside}")).map_err(|Errors(mut errors)| {
        for error in &mut errors {
            error.line = error.line.saturating_sub(before.lines().count()).max(1);
            error.column = error.column.saturating_sub(indent).max(1);
            for outside in ["syncs.trial.masking.", "syncs.trial."] {
                if let Some(field) = error.field.strip_prefix(outside) {
                    error.field = field.to_owned();
                }
            }
        }
        said(name, &errors)
    })?;
    let sync = policy.syncs.into_values().next();
    sync.and_then(|sync| sync.masking).context("the policy has no sync")
}

fn whole(text: &str, sync: Option<&str>, name: &str) -> anyhow::Result<Masking> {
    let mut policy = Policy::parse(text).map_err(|Errors(errors)| said(name, &errors))?;
    let known = policy.syncs.keys().cloned().collect::<Vec<_>>().join(", ");
    let sync = match (sync, policy.syncs.len()) {
        (Some(sync), _) => sync.to_owned(),
        (None, 1) => known.clone(),
        (None, _) => bail!("{name} has several syncs; say with --sync which one: {known}"),
    };
    let found = policy.syncs.remove(&sync);
    let found = found.with_context(|| format!("{sync:?} is none of the policy's syncs: {known}"))?;
    found.masking.context("the policy masks nothing")
}

/// In the form that editors make links of: file, line, column.
fn said(name: &str, errors: &[policy::Error]) -> anyhow::Error {
    let lines =
        errors.iter().map(|error| format!("{name}:{}:{}: {}", error.line, error.column, error.what()));
    anyhow::anyhow!("{}", lines.collect::<Vec<_>>().join("\n"))
}

/// The key of a line that begins at the margin.
fn top_key(line: &str) -> Option<&str> {
    let (key, _) = line.split_once(':')?;
    let begins = key.chars().next()?;
    (!begins.is_whitespace() && begins != '#' && begins != '-').then(|| key.trim_matches(['"', '\'']))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAFT: &str = "# of the shop\nshop: # draft\n  public.people:\n    email: email # draft\n";

    fn indented(text: &str) -> String {
        text.lines().map(|line| format!("  {line}\n")).collect()
    }

    #[test]
    fn a_draft_what_stands_under_masking_and_a_whole_policy_are_read_alike() {
        let draft = parse(DRAFT, None, "draft.yaml").unwrap();
        assert_eq!(draft.databases.keys().collect::<Vec<_>>(), ["shop"]);
        let part = format!("databases:\n{}", indented(DRAFT));
        assert_eq!(parse(&part, None, "part.yaml").unwrap(), draft);
        let masking = format!("masking:\n  key-secret: trial/masking-key\n{}", indented(&part));
        assert_eq!(parse(&masking, None, "masking.yaml").unwrap(), draft);
        let around = format!("{AROUND}{KEY_SECRET}{DATABASES}");
        let inside: String = DRAFT.lines().map(|line| format!("        {line}\n")).collect();
        let whole = format!("{around}{inside}");
        assert_eq!(parse(&whole, None, "policy.yaml").unwrap(), draft);
        assert_eq!(parse(&whole, Some("trial"), "policy.yaml").unwrap(), draft);
        assert!(parse(&whole, Some("other"), "policy.yaml").unwrap_err().to_string().contains("trial"));
        assert!(parse(DRAFT, Some("trial"), "draft.yaml").is_err());
    }

    #[test]
    fn a_mistake_is_shown_at_its_line_of_the_file() {
        let wrong = DRAFT.replace("email: email", "email: mail");
        let said = |text: &str| parse(text, None, "my.yaml").unwrap_err().to_string();
        let draft = said(&wrong);
        assert!(draft.starts_with("my.yaml:4:12: databases.shop.public.people.email: \"mail\""), "{draft}");
        let part = said(&format!("exceptions: []\ndatabases:\n{}", indented(&wrong)));
        assert!(part.starts_with("my.yaml:6:14: databases.shop.public.people.email: \"mail\""), "{part}");
    }
}
