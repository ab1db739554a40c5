//! What `pg_dump` says of a database, with the programs of its server's own version.

use std::collections::BTreeMap;

use sandbox::postgres::{SUPERUSER, install};

use crate::copy::Copy;

/// The dump as text, but for the lines that are another at every call.
pub async fn dump(copy: &Copy, database: &str, options: &[&str]) -> String {
    let installs = install().await.unwrap();
    let bin = installs.bin(copy.engine.major(copy.id).unwrap()).unwrap().to_owned();
    let port = copy.ask(SUPERUSER, "postgres", "SHOW port").await;
    let answer = tokio::process::Command::new(bin.join("pg_dump"))
        .arg("--host")
        .arg(copy.engine.sockets())
        .args(["--port", &port, "--username", SUPERUSER, "--dbname", database])
        .args(options)
        .output()
        .await
        .unwrap();
    assert!(answer.status.success(), "pg_dump {database}: {}", String::from_utf8_lossy(&answer.stderr));
    let text = String::from_utf8_lossy(&answer.stdout);
    // `\restrict` and `\unrestrict` carry a random word (PostgreSQL's page on pg_dump).
    let lines =
        text.lines().filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"));
    lines.map(|line| format!("{line}\n")).collect()
}

/// Statements that went or came, but for lines that hold one of these words. Their order may be
/// another one: it follows from numbers that a new database gives again.
pub fn difference(before: &str, after: &str, cut: &[&str]) -> Vec<String> {
    let statements = |text: &str| -> BTreeMap<String, usize> {
        let mut all = BTreeMap::new();
        // Each begins with a comment that says what it is.
        for part in text.split("\n--\n-- Name: ") {
            let lines = part.lines().filter(|line| !cut.iter().any(|word| line.contains(word)));
            let text = lines.collect::<Vec<_>>().join("\n").trim().to_owned();
            // Nothing is left of what is cut but its comment's last line.
            if text != "--" {
                *all.entry(text).or_default() += 1;
            }
        }
        all
    };
    let (old, new) = (statements(before), statements(after));
    assert!(old.len() > 5, "only {} statements were found", old.len());
    let missing = |of: &BTreeMap<String, usize>, from: &BTreeMap<String, usize>, word: &str| -> Vec<String> {
        let without = of.iter().filter(|(text, count)| from.get(*text).is_none_or(|other| other < count));
        without.map(|(text, _)| format!("{word}: {text}")).collect()
    };
    let mut found = missing(&old, &new, "gone");
    found.extend(missing(&new, &old, "came"));
    found
}
