//! PostgreSQL's own programs, of the server's major version: pg_dump refuses a newer server, and a
//! newer pg_restore sets parameters that an older server does not know.
//!
//! - `PG_BIN_16`, …: the folder of that major version's programs. Where it is not set, Debian's:
//!   `/usr/lib/postgresql/16/bin`.

use std::{collections::BTreeMap, path::PathBuf, process::Stdio};

use tokio::process::Command;

use super::{Login, Tls};
use crate::{Error, Result, error::Then};

#[derive(Debug, Clone, Default)]
pub struct Programs(BTreeMap<u32, PathBuf>);

impl Programs {
    pub fn from_environment() -> Self {
        let folder = |(name, folder): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.to_str()?.strip_prefix("PG_BIN_")?.parse().ok()?, folder.into()))
        };
        Self(std::env::vars_os().filter_map(folder).collect())
    }

    pub fn at(folders: impl IntoIterator<Item = (u32, PathBuf)>) -> Self {
        Self(folders.into_iter().collect())
    }

    /// A program that connects as `login` says. Its environment has nothing but that: what an
    /// administrator set for other programs does not change what is dumped.
    pub fn command(&self, major: u32, name: &str, login: &Login, tls: Option<&Tls>) -> Result<Command> {
        let folder = self.0.get(&major).cloned();
        let folder = folder.unwrap_or_else(|| format!("/usr/lib/postgresql/{major}/bin").into());
        let program = folder.join(name);
        if !program.is_file() {
            return Err(Error::refused(format!(
                "{name} of PostgreSQL {major} is needed and {} has none",
                folder.display()
            ))
            .fix(format!("add postgresql-client-{major} to the worker's image, or set PG_BIN_{major}"))
            .then(Then::StartAgain));
        }
        let mut command = Command::new(program);
        command.env_clear().env("LC_ALL", "C").stdin(Stdio::null()).kill_on_drop(true);
        command.env("PGHOST", &login.host).env("PGPORT", login.port.to_string());
        command.env("PGUSER", &login.user).env("PGPASSWORD", &login.password);
        command.env("PGAPPNAME", "aurora-runbooks").env("PGCONNECT_TIMEOUT", "15");
        match tls {
            Some(Tls::VerifyFull(_)) => {
                command.env("PGSSLMODE", "verify-full");
                command.envs(std::env::var_os("PGSSLROOTCERT").map(|file| ("PGSSLROOTCERT", file)));
            }
            Some(Tls::Disable) | None => {
                command.env("PGSSLMODE", "disable");
            }
        }
        Ok(command)
    }
}
