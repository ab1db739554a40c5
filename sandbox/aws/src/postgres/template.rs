//! `initdb` takes a second, so each version's result is kept and copied.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::{
    configuration,
    install::{Installs, create_folder, lock},
    user::{User, run},
};

/// The superuser of every server, as on RDS.
pub const SUPERUSER: &str = "rdsadmin";

/// Who may log in: on the socket (in a private folder) everybody, over TCP with a password
/// everybody but the superuser. The database `rdsadmin` is nobody else's, as on RDS.
const PG_HBA: &str = "local all rdsadmin trust
local replication rdsadmin trust
local rdsadmin all reject
local all all trust
host all rdsadmin 127.0.0.1/32 reject
host rdsadmin all 127.0.0.1/32 reject
host all all 127.0.0.1/32 scram-sha-256
host replication all 127.0.0.1/32 scram-sha-256
";

/// Makes `data` a fresh data directory of that version.
pub async fn fresh(installs: &Installs, major: u32, data: &Path) -> anyhow::Result<()> {
    let bin = installs.require(major)?;
    let user = installs.user();
    let all = installs.cache().join("templates");
    create_folder(&all)?;
    user.own(&all)?;
    let mut version = user.command(bin.join("postgres"), &all);
    version.arg("--version");
    let version = run(version).await?;
    let key = hex::encode(
        &Sha256::digest(format!("{}{version}{PG_HBA}{}", bin.display(), include_str!("template.rs")))[..6],
    );
    let template = all.join(format!("{major}-{key}"));
    if !template.is_dir() {
        let _lock = lock(&installs.cache().join("template.lock")).await?;
        if !template.is_dir() {
            let unfinished = all.join("unfinished");
            if unfinished.exists() {
                std::fs::remove_dir_all(&unfinished)?;
            }
            initdb(user, bin, major, &unfinished).await?;
            std::fs::rename(&unfinished, &template)?;
        }
    }
    copy(user, &template, data).await
}

async fn initdb(user: User, bin: &Path, major: u32, data: &Path) -> anyhow::Result<()> {
    let mut initdb = user.command(bin.join("initdb"), data.parent().unwrap_or(data));
    let locale = if cfg!(target_os = "macos") { "en_US.UTF-8" } else { "C.UTF-8" };
    initdb.arg("--pgdata").arg(data).args([
        "--username",
        SUPERUSER,
        "--encoding=UTF8",
        "--locale",
        locale,
        "--auth=trust",
        "--no-sync",
    ]);
    if major >= 18 {
        // 18 made checksums the default; pg_upgrade wants both sides alike.
        initdb.arg("--no-data-checksums");
    }
    run(initdb).await?;
    std::fs::write(data.join("pg_hba.conf"), PG_HBA)?;
    let conf = data.join("postgresql.conf");
    let text = std::fs::read_to_string(&conf)?;
    std::fs::write(conf, format!("{text}\ninclude_if_exists = '{}'\n", configuration::FILE))?;
    Ok(())
}

/// Copies a folder, sharing the blocks where the file system can.
pub async fn copy(user: User, from: &Path, to: &Path) -> anyhow::Result<()> {
    let mut copy = user.command("cp", Path::new("/"));
    if cfg!(target_os = "macos") {
        copy.args(["-R", "-p", "-c"]);
    } else {
        copy.args(["-a", "--reflink=auto"]);
    }
    copy.arg(from).arg(to);
    run(copy).await.map(drop)
}
