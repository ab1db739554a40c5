//! The folders of one engine: data directories, snapshots and sockets. They, and the servers in
//! them, do not outlive this process.

use std::{
    fs::{DirBuilder, File},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context;

use super::{
    install::{Installs, create_folder},
    user::User,
};

pub struct Area {
    root: PathBuf,
    sockets: PathBuf,
    keeper: Child,
    /// The keeper reads from it until it closes, which the death of this process does too.
    alive: Option<ChildStdin>,
}

/// Waits for the end of this process, however it ends; then stops what runs and removes the
/// folders.
const KEEPER: &str = r#"
read -r _
for i in 1 2 3 4 5 6 7 8 9 10; do
    running=
    for file in "$0"/clusters/*/*/postmaster.pid; do
        [ -f "$file" ] && running=1 && kill -QUIT "$(head -n 1 "$file")" 2>/dev/null
    done
    [ -z "$running" ] && break
    sleep 0.2
done
rm -rf "$0" "$1"
"#;

impl Area {
    pub fn new(installs: &Installs) -> anyhow::Result<Self> {
        let user = installs.user();
        let all = installs.data();
        create_folder(all)?;
        user.own(all)?;
        remove_leftovers(all);
        let name = uuid::Uuid::new_v4().simple().to_string()[..8].to_owned();
        let root = all.join(&name);
        let sockets = sockets(&name);
        for folder in [&root, &root.join("clusters"), &root.join("snapshots"), &sockets] {
            private_folder(folder, user)?;
        }
        // Renamed when it is held, for a lock that nobody holds means an abandoned folder.
        let lock = File::create(root.join("lock.new"))?;
        lock.lock()?;
        std::fs::rename(root.join("lock.new"), root.join("lock"))?;
        // The keeper holds the lock with us, through its standard output, until all is gone.
        let mut command = user.command("/bin/sh", &root);
        let command = command.as_std_mut();
        std::os::unix::process::CommandExt::process_group(command, 0); // so that ctrl-C does not end it
        let spawned = command
            .arg("-c")
            .arg(KEEPER)
            .arg(&root)
            .arg(&sockets)
            .stdin(Stdio::piped())
            .stdout(lock)
            .stderr(Stdio::null())
            .spawn();
        let mut keeper = spawned.context("could not start the shell that cleans up after us")?;
        let alive = keeper.stdin.take();
        Ok(Self { root, sockets, keeper, alive })
    }

    pub fn sockets(&self) -> &Path {
        &self.sockets
    }

    pub fn cluster(&self, resource_id: &str) -> PathBuf {
        self.root.join("clusters").join(resource_id)
    }

    pub fn snapshot(&self, name: &str) -> PathBuf {
        self.root.join("snapshots").join(name)
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        drop(self.alive.take());
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline && matches!(self.keeper.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// A socket's path may have 107 bytes (unix(7)), so it cannot be below a cache folder of any
/// length.
fn sockets(name: &str) -> PathBuf {
    Path::new("/tmp").join(format!("pg-{name}"))
}

pub(super) fn private_folder(path: &Path, user: User) -> anyhow::Result<()> {
    DirBuilder::new()
        .mode(0o700)
        .create(path)
        .with_context(|| format!("could not create {}", path.display()))?;
    user.own(path)
}

/// Removes the folders of engines whose process and keeper both died, as they do when the machine
/// stops.
fn remove_leftovers(all: &Path) {
    for entry in std::fs::read_dir(all).into_iter().flatten().flatten() {
        let abandoned = File::open(entry.path().join("lock")).is_ok_and(|lock| lock.try_lock().is_ok());
        if abandoned {
            // Another process may be removing them as well.
            let _ = std::fs::remove_dir_all(sockets(&entry.file_name().to_string_lossy()));
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
