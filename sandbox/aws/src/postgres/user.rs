//! Who runs the servers: PostgreSQL refuses to run as root
//! (https://www.postgresql.org/docs/current/postgres-user.html), so root runs them as `nobody`.

use std::{
    ffi::OsStr,
    path::Path,
    process::{Command as StdCommand, Stdio},
};

use anyhow::{Context, bail, ensure};
use tokio::process::Command;

#[derive(Debug, Clone, Copy)]
pub struct User {
    /// The uid and gid to change to; nothing when we are an ordinary user already.
    other: Option<(u32, u32)>,
}

impl User {
    pub fn detect() -> anyhow::Result<Self> {
        let other =
            if id(&["-u"])? == 0 { Some((id(&["-u", "nobody"])?, id(&["-g", "nobody"])?)) } else { None };
        Ok(Self { other })
    }

    pub fn is_other(self) -> bool {
        self.other.is_some()
    }

    /// A command of that user, at home in `home`, that knows nothing of our own PostgreSQL settings
    /// and speaks English.
    pub fn command(self, program: impl AsRef<OsStr>, home: &Path) -> Command {
        let mut command = Command::new(program);
        if let Some((uid, gid)) = self.other {
            command.uid(uid).gid(gid);
        }
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        command
            .current_dir(home)
            .env("HOME", home)
            .env("TMPDIR", home)
            .env("LC_ALL", "C")
            .env("LANG", "C")
            .stdin(Stdio::null());
        command
    }

    /// Makes the folder that user's own.
    pub fn own(self, path: &Path) -> anyhow::Result<()> {
        let Some((uid, gid)) = self.other else { return Ok(()) };
        std::os::unix::fs::chown(path, Some(uid), Some(gid))
            .with_context(|| format!("could not give {} to nobody", path.display()))
    }
}

fn id(arguments: &[&str]) -> anyhow::Result<u32> {
    let output = StdCommand::new("id").args(arguments).output().context("could not run `id`")?;
    ensure!(
        output.status.success(),
        "`id {}` failed: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    String::from_utf8_lossy(&output.stdout).trim().parse().context("`id` printed no number")
}

/// Runs the command to its end and answers what it printed; what it complained about is in the
/// error.
pub async fn run(mut command: Command) -> anyhow::Result<String> {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    let name = name.rsplit('/').next().unwrap_or_default();
    let output =
        command.kill_on_drop(true).output().await.with_context(|| format!("could not run {name}"))?;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        bail!("{name} failed ({}): {}", output.status, [out.trim(), err.trim()].join("\n").trim());
    }
    Ok(out.into_owned())
}
