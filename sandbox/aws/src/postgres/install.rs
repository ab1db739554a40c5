//! Finds PostgreSQL, or fetches it into a cache folder that is kept between runs.

use std::{
    collections::BTreeMap,
    fs::{File, TryLockError},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, ensure};

use super::{fifteen, packages, user::User};

/// The PostgreSQL versions at hand, and where copies of them and their data live.
#[derive(Debug, Clone)]
pub struct Installs {
    bins: BTreeMap<u32, PathBuf>,
    cache: PathBuf,
    data: PathBuf,
    user: User,
    statistics: bool,
}

/// Finds PostgreSQL 16 and 18 (and 15 and 17 where named) or fetches them.
///
/// `SANDBOX_PG15` ... `SANDBOX_PG18` each name the bin folder of an install to use; with 16 and 18
/// named nothing is fetched. Their contrib extensions should be `trusted` in the control files, as
/// those of the fetched ones are made: else only `rdsadmin` can create them. `SANDBOX_CACHE` names
/// another cache folder, `SANDBOX_DATA` a folder for the data of servers alone, such as one in
/// memory.
pub async fn install() -> anyhow::Result<Installs> {
    let user = User::detect()?;
    let cache = std::path::absolute(cache_folder(user)?)?;
    create_folder(&cache)?;
    let data = std::path::absolute(variable("SANDBOX_DATA").unwrap_or_else(|| cache.join("data")))?;
    let mut bins = BTreeMap::new();
    for major in 15..=18 {
        let variable = format!("SANDBOX_PG{major}");
        if let Some(bin) = std::env::var_os(&variable).map(PathBuf::from) {
            ensure!(
                bin.join("pg_upgrade").is_file(),
                "{variable} must name a folder with PostgreSQL's programs; {} has no pg_upgrade",
                bin.display()
            );
            bins.insert(major, bin);
        }
    }
    if !(bins.contains_key(&16) && bins.contains_key(&18)) {
        for (major, bin) in fetched(&cache).await? {
            bins.entry(major).or_insert(bin);
        }
    }
    Ok(Installs { bins, cache, data, user, statistics: true })
}

async fn fetched(cache: &Path) -> anyhow::Result<BTreeMap<u32, PathBuf>> {
    let packages = packages::here()?;
    let tree = cache.join(format!("postgresql-{}", packages.key()));
    if !tree.is_dir() {
        let _lock = lock(&cache.join("install.lock")).await?;
        if !tree.is_dir() {
            let unfinished = cache.join("postgresql.unfinished");
            if unfinished.exists() {
                std::fs::remove_dir_all(&unfinished)?;
            }
            create_folder(&unfinished)?;
            packages.fetch(&unfinished).await?;
            std::fs::rename(&unfinished, &tree)?;
        }
    }
    Ok(packages::Packages::bins(&tree))
}

impl Installs {
    /// With PostgreSQL 15 beside the others; fetched where `SANDBOX_PG15` does not name one.
    pub async fn with_15(mut self) -> anyhow::Result<Self> {
        if self.bin(15).is_none() {
            let bin = fifteen::fetched(&self.cache).await?;
            self.bins.insert(15, bin);
        }
        Ok(self)
    }

    /// Upgrades leave the planner's statistics behind, as `pg_upgrade --no-statistics` does: which
    /// way Aurora calls it, nobody has published.
    #[must_use]
    pub fn without_statistics(self) -> Self {
        Self { statistics: false, ..self }
    }

    pub(super) fn carry_statistics(&self) -> bool {
        self.statistics
    }

    pub fn bin(&self, major: u32) -> Option<&Path> {
        self.bins.get(&major).map(PathBuf::as_path)
    }

    pub(super) fn majors(&self) -> impl Iterator<Item = u32> {
        self.bins.keys().copied()
    }

    pub(super) fn require(&self, major: u32) -> anyhow::Result<&Path> {
        self.bin(major).with_context(|| {
            format!("there is no PostgreSQL {major} here: set SANDBOX_PG{major} to the bin folder of one")
        })
    }

    pub(super) fn cache(&self) -> &Path {
        &self.cache
    }

    /// Where the servers' data directories are.
    pub(super) fn data(&self) -> &Path {
        &self.data
    }

    pub(super) fn user(&self) -> User {
        self.user
    }
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Another user must be able to reach the servers' programs and data, so root's own (closed) home
/// will not do.
fn cache_folder(user: User) -> anyhow::Result<PathBuf> {
    const NAME: &str = "aurora-runbooks";
    if let Some(folder) = variable("SANDBOX_CACHE") {
        return Ok(folder);
    }
    let mac = cfg!(target_os = "macos");
    if user.is_other() {
        return Ok(Path::new(if mac { "/Library/Caches" } else { "/var/cache" }).join(NAME));
    }
    let home = || variable("HOME").map(|home| home.join(if mac { "Library/Caches" } else { ".cache" }));
    let caches = variable("XDG_CACHE_HOME")
        .or_else(home)
        .context("neither HOME nor SANDBOX_CACHE is set: where may PostgreSQL be kept?")?;
    Ok(caches.join(NAME))
}

pub(super) fn create_folder(path: &Path) -> anyhow::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path)
        .with_context(|| format!("could not create {}", path.display()))
}

/// Waits until no other process holds the lock. It is let go when the file is dropped, or when this
/// process dies.
pub(super) async fn lock(path: &Path) -> anyhow::Result<File> {
    let file = File::create(path).with_context(|| format!("could not create {}", path.display()))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(Duration::from_millis(100)).await,
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("could not lock {}", path.display()));
            }
        }
    }
}
