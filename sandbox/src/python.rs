//! Packages of PyPI that benchmarks and tests use, each fetched once.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use tokio::{process::Command, sync::Mutex};

/// Two tests of this process may want the same.
static FETCHING: Mutex<()> = Mutex::const_new(());

/// A folder for `PYTHONPATH` with these packages, and with what they need if `whole`.
pub async fn packages(packages: &[&str], whole: bool) -> anyhow::Result<PathBuf> {
    let _one_at_a_time = FETCHING.lock().await;
    let name = packages.join("-").replace("==", "-");
    let folder = std::env::temp_dir().join(format!("aurora-runbooks-{name}"));
    if !folder.exists() {
        // Under a name of its own until it is whole: another run of the tests may fetch them.
        let unfinished = folder.with_added_extension(format!("{}.unfinished", std::process::id()));
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"])
            .arg(&unfinished)
            .args((!whole).then_some("--no-deps"))
            .args(packages);
        let needed = format!("{packages:?} is needed: install Python 3.11 or newer with pip as `python3`");
        let output = pip.output().await.with_context(|| format!("python3: {needed}"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{needed} (is PyPI in reach?)\n{said}");
        if std::fs::rename(&unfinished, &folder).is_err() {
            std::fs::remove_dir_all(&unfinished).context("the other run's packages are used")?;
        }
    }
    Ok(folder)
}
