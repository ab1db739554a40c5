//! A major upgrade by pg_upgrade, and what it leaves behind when it fails.

use std::path::Path;

use anyhow::Context;

use super::{
    install::Installs,
    server::Server,
    template::{self, SUPERUSER},
    user::run,
};
use crate::rds::engine::{Parameters, UpgradeFailure};

/// Stops the server, upgrades its data directory and starts it in the new version; or starts it
/// again as it was.
///
/// The files are moved or linked, not copied: pg_upgrade touches the old ones only after everything
/// that a database's content can make fail, and says so by renaming the old pg_control
/// (https://www.postgresql.org/docs/18/pgupgrade.html, step 17 and `--swap`).
pub async fn upgrade(
    installs: &Installs,
    old: &Server,
    target: u32,
    parameters: &Parameters,
) -> anyhow::Result<Result<Server, UpgradeFailure>> {
    let new = Server { major: target, bin: installs.require(target)?.to_owned(), ..old.clone() };
    let fresh = old.folder.join("new");
    old.stop().await?;
    let outcome = async {
        template::fresh(installs, target, &fresh).await?;
        new.write_parameters(&fresh, parameters).await?;
        run(pg_upgrade(old, &new, &fresh, installs.carry_statistics())).await
    };
    let Err(error) = outcome.await else {
        let retired = old.folder.join("old");
        tokio::fs::rename(old.data(), &retired).await?;
        tokio::fs::rename(&fresh, new.data()).await?;
        tokio::fs::remove_dir_all(retired).await?;
        new.start().await?;
        return Ok(Ok(new));
    };
    let mut files = evidence(&fresh.join("pg_upgrade_output.d"))?;
    for (_, text) in &mut files {
        *text = as_on_rds(text, old, &new);
    }
    if fresh.exists() {
        tokio::fs::remove_dir_all(&fresh).await?;
    }
    if !old.data().join("global/pg_control").exists() {
        return Err(error.context(
            "the upgrade broke off while the files moved: only a snapshot can bring the cluster back",
        ));
    }
    old.start().await.context("the server does not start again after a failed upgrade")?;
    match explain(files) {
        Some(failure) => Ok(Err(failure)),
        None => Err(error),
    }
}

fn pg_upgrade(old: &Server, new: &Server, fresh: &Path, statistics: bool) -> tokio::process::Command {
    let mut command = new.program("pg_upgrade");
    command.arg("-b").arg(&old.bin).arg("-B").arg(&new.bin).arg("-d").arg(old.data()).arg("-D").arg(fresh);
    command.args([
        "-U",
        SUPERUSER,
        "-j",
        "2",
        "--no-sync",
        if new.major >= 18 { "--swap" } else { "--link" },
    ]);
    // Since 18 they are carried unless it is told not to.
    if new.major >= 18 && !statistics {
        command.arg("--no-statistics");
    }
    // Several clusters may be upgraded at a time; each keeps to its own port's socket.
    let port = old.port.to_string();
    command.args(["-p", &port, "-P", &port]).arg("--socketdir").arg(&old.sockets);
    command
}

/// What RDS publishes of a failed run's output folder: pg_upgrade's own log and its server's, the
/// lists of offending objects, and of the databases' logs those with an error. The rest is of no
/// use to a reader, and `pg_upgrade_utility.log` repeats the roles' password hashes.
fn evidence(folder: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        if !folder.is_dir() {
            continue;
        }
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
                continue;
            }
            let text = String::from_utf8_lossy(&std::fs::read(entry.path())?).into_owned();
            let failed_dump = name.starts_with("pg_upgrade_dump_")
                && ["pg_restore: error:", "pg_dump: error:"].iter().any(|part| text.contains(part));
            let published = matches!(name.as_str(), "pg_upgrade_internal.log" | "pg_upgrade_server.log")
                || name.ends_with(".txt")
                || failed_dump;
            if published && !text.is_empty() {
                files.push((name, text));
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Puts the paths of an RDS host where this machine's stand.
fn as_on_rds(text: &str, old: &Server, new: &Server) -> String {
    let mut text = text.to_owned();
    for (here, there) in [
        (&old.bin, "/rdsdbbin/postgres/bin"),
        (&new.bin, "/rdsdbbin/postgres-new/bin"),
        (&old.folder, "/rdsdbdata"),
        (&old.sockets, "/tmp"),
    ] {
        text = text.replace(&*here.to_string_lossy(), there);
    }
    text
}

/// Parts of what pg_upgrade prints, and the function of its check.c (or pg_upgrade.c) that printed
/// it: RDS's event names the function.
const CHECKS: [(&str, &str); 11] = [
    ("reg* data types in user tables", "check_for_reg_data_type_usage"),
    ("system-defined composite types", "check_for_composite_data_type_usage"),
    ("aclitem", "check_for_aclitem_data_type_usage"),
    ("allow connections", "check_for_connection_status"),
    ("loadable libraries", "check_loadable_libraries"),
    ("inconsistent NOT NULL constraints", "check_for_not_null_inheritance"),
    ("logical replication slots", "check_old_cluster_for_valid_slots"),
    ("subscription", "check_old_cluster_subscription_state"),
    ("Creating dump of database schemas", "generate_old_dump"),
    ("Restoring global objects", "prepare_new_globals"),
    ("Restoring database schemas", "create_new_objects"),
];

/// How a line of pg_upgrade's log begins that tells a step.
const STEPS: [&str; 9] = [
    "Checking ",
    "Creating ",
    "Setting ",
    "Analyzing ",
    "Freezing ",
    "Deleting ",
    "Copying ",
    "Resetting ",
    "Restoring ",
];

/// Turns the files into what RDS shows of them.
fn explain(mut files: Vec<(String, String)>) -> Option<UpgradeFailure> {
    let internal = files.iter_mut().find(|(name, _)| name == "pg_upgrade_internal.log")?;
    // The last step is the one that failed; everything after its first line says why.
    let step = internal.1.lines().rfind(|line| STEPS.iter().any(|verb| line.starts_with(verb)))?.to_owned();
    let start = internal.1.rfind(&step)?;
    let (_, why) = internal.1.split_at(start);
    let check = CHECKS.iter().find(|(part, _)| why.contains(part)).map_or("pg_upgrade", |(_, check)| check);
    let reason = format!("fatal : pg_upgrade reported failure for {check}");
    internal.1.insert_str(start + step.len(), &format!("\n{reason}"));
    Some(UpgradeFailure { reason, files })
}
