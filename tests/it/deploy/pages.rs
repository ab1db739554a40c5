//! What the module's README says, from the module's own files; and what another's linter says.

use std::{collections::BTreeSet, process::Stdio};

use hcl::{Block, Body, Expression};
use sandbox::{executables::root, golden};
use tokio::process::Command;

use crate::python::packages;

const CHECKOV: &str = "checkov==3.2.459";

fn blocks(file: &str, kind: &str) -> Vec<(String, Block)> {
    let text = std::fs::read_to_string(root().join("infra").join(file))
        .unwrap_or_else(|error| panic!("infra/{file}: {error}"));
    let body: Body = hcl::parse(&text).unwrap_or_else(|error| panic!("infra/{file}: {error}"));
    let blocks = body.into_blocks().filter(|block| block.identifier() == kind);
    let named = blocks.map(|block| (block.labels()[0].as_str().to_owned(), block));
    let named: Vec<_> = named.collect();
    assert!(!named.is_empty(), "infra/{file} has no {kind}");
    named
}

fn attribute<'a>(block: &'a Block, name: &str) -> Option<&'a Expression> {
    block.body().attributes().find(|attribute| attribute.key() == name).map(|found| found.expr())
}

fn description(name: &str, block: &Block) -> String {
    match attribute(block, "description") {
        Some(Expression::String(text)) => text.clone(),
        Some(Expression::TemplateExpr(text)) => text.to_string(),
        _ => panic!("{name} has no description"),
    }
}

/// A list's item, in lines of 100 columns.
fn item(text: &str) -> String {
    let mut lines = vec!["-".to_owned()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("there is a line");
        if last.chars().count() + 1 + word.chars().count() > 100 {
            lines.push(format!("  {word}"));
        } else {
            last.push_str(&format!(" {word}"));
        }
    }
    lines.join("\n") + "\n"
}

fn inputs(file: &str) -> String {
    let items = blocks(file, "variable").into_iter().map(|(name, block)| {
        assert!(attribute(&block, "type").is_some(), "{name} of infra/{file} has no type");
        let default = match attribute(&block, "default") {
            None => "required".to_owned(),
            Some(value) => format!("default `{}`", hcl::format::to_string(value).expect("it is HCL").trim()),
        };
        item(&format!("**`{name}`**, {default}. {}", description(&name, &block)))
    });
    items.collect()
}

#[test]
fn the_modules_readme_has_every_input_and_output() {
    let readme = root().join("infra/README.md");
    golden::block(&readme, "inputs", &inputs("variables.tf"));
    let outputs = blocks("outputs.tf", "output").into_iter();
    let outputs = outputs.map(|(name, block)| item(&format!("**`{name}`**: {}", description(&name, &block))));
    golden::block(&readme, "outputs", &outputs.collect::<String>());
    let production = inputs("modules/production-account/variables.tf");
    golden::block(&readme, "inputs of production-account", &production);
}

/// `infra/alarms.tf` names an alarm in one of two ways: as a whole, or after each runbook.
#[test]
fn every_alarm_is_explained_with_what_to_type() {
    let page = std::fs::read_to_string(root().join("docs/operations.md")).expect("the page can be read");
    let chapter = page.split_once("## The alarms").and_then(|(_, rest)| rest.split_once("\n## "));
    let (chapter, _) = chapter.expect("the page has a chapter of alarms, and more after it");
    let explained: BTreeSet<&str> =
        chapter.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`')).collect();
    let alarms = std::fs::read_to_string(root().join("infra/alarms.tf")).expect("the alarms can be read");
    let each = alarms.lines().filter_map(|line| {
        let name = line.trim().strip_prefix("\"${name}-")?.strip_suffix("\" = {")?;
        Some(format!("<runbook>-{name}"))
    });
    let whole = alarms.lines().filter_map(|line| {
        let (name, value) = line.trim().split_once(" = ")?;
        let value = value.trim().strip_prefix("\"${var.name}-")?.strip_suffix('"')?;
        (name.trim() == "alarm_name" && !value.contains('$')).then(|| value.to_owned())
    });
    let there: BTreeSet<String> = each.chain(whole).collect();
    assert!(there.len() > 5, "{there:?}");
    assert_eq!(explained, there.iter().map(String::as_str).collect());
}

/// A check that is skipped says why beside the resource.
#[tokio::test]
async fn checkov_finds_nothing_that_is_not_explained() {
    let output = Command::new("python3")
        .args(["-m", "checkov.main", "--framework", "terraform", "--compact", "--quiet", "--skip-download"])
        .args(["--output", "json", "--directory"])
        .arg(root().join("infra"))
        .env("PYTHONPATH", packages(&[CHECKOV], true).await)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .output()
        .await
        .expect("python3 runs: the module is looked at by checkov");
    let said = String::from_utf8_lossy(&output.stderr);
    let answer: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{CHECKOV}: {error}\n{said}"));
    let failed = answer["results"]["failed_checks"].as_array();
    let failed = failed
        .into_iter()
        .flatten()
        .map(|check| format!("{} {} {}", check["check_id"], check["check_name"], check["resource"]));
    let failed: Vec<String> = failed.collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let summary = &answer["summary"];
    assert!(summary["passed"].as_u64() > Some(100), "{CHECKOV} looked at too little: {summary}");
    assert_eq!(summary["parsing_errors"], 0, "{CHECKOV} could not read a file");
}
