//! What `pg_dump` says of a database, with the programs of its server's own version.

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
