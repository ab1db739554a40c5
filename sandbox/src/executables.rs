//! The shipped executables: `bootstrap` (every function) and `worker` (every worker).

use std::path::PathBuf;

use anyhow::{Context, ensure};
use tokio::process::Command;

#[derive(Debug, Clone)]
pub struct Executables {
    pub bootstrap: PathBuf,
    pub worker: PathBuf,
}

/// Builds them with the same features as everything else of the workspace, so that nothing is
/// compiled twice.
pub async fn build() -> anyhow::Result<Executables> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let root = root();
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--workspace", "--bins"]).current_dir(&root);
    let output =
        command.output().await.context("could not run cargo, which builds the functions and workers")?;
    ensure!(output.status.success(), "cargo build failed:\n{}", String::from_utf8_lossy(&output.stderr));
    // The folder of this very program: target/debug, or target/debug/deps for a test.
    let here = std::env::current_exe()?;
    let folder = here.parent().context("this program lies in no folder")?;
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    Ok(Executables { bootstrap: folder.join("bootstrap"), worker: folder.join("worker") })
}

/// The checkout.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}
