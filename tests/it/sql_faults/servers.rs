//! The servers behind the wire, as their superuser: what a statement that shall fail finds there.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use sandbox::postgres::PostgresEngine;
use tokio_postgres::Client;

const SUPERUSER: &str = "rdsadmin";
/// The database that no worker replaces.
const DATABASE: &str = "rdsadmin";
/// Needs temporary files when `work_mem` is small.
const SPILLS: &str =
    "SELECT count(*) FROM (SELECT * FROM generate_series(1, 50000) AS n ORDER BY -n) AS all_of_them";

pub struct Servers {
    engine: Arc<PostgresEngine>,
    /// Resource ids, by the port of the server on this host.
    known: BTreeMap<u16, String>,
}

impl Servers {
    pub async fn of(engine: &Arc<PostgresEngine>, resource_ids: &[String]) -> Self {
        let mut known = BTreeMap::new();
        for resource_id in resource_ids {
            let admin = engine.connect(resource_id, SUPERUSER, DATABASE).await.unwrap();
            let port: String = admin.query_one("SHOW port", &[]).await.unwrap().get(0);
            known.insert(port.parse().unwrap(), resource_id.clone());
        }
        Self { engine: engine.clone(), known }
    }

    fn at(&self, port: u16) -> &str {
        self.known.get(&port).expect("the wire was told of every server that a worker speaks to")
    }

    /// Whether the master user may have no session more.
    pub async fn limit(&self, port: u16, none_more: bool) {
        let limit = if none_more { 0 } else { -1 };
        let alter = format!("ALTER ROLE postgres CONNECTION LIMIT {limit}");
        self.session(port, DATABASE).await.batch_execute(&alter).await.unwrap();
    }

    async fn session(&self, port: u16, database: &str) -> Client {
        self.engine.connect(self.at(port), SUPERUSER, database).await.unwrap()
    }

    /// Makes the server so that the statement which is answered fails with that condition, for as
    /// long as the session stands. `local` is the port that the worker's comes from.
    pub async fn prepare(
        &self,
        code: &str,
        (port, database): (u16, &str),
        local: u16,
    ) -> (String, Option<Client>) {
        let statement = match code {
            // One that terminates or cancels a session or statement, while it runs.
            "57P01" => "SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(60)".into(),
            "57014" => "SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(60)".into(),
            // What a session meets on a reader.
            "25006" => "SELECT set_config('transaction_read_only', 'on', true); \
                        CREATE TABLE public.on_a_reader ()"
                .into(),
            "55P03" => {
                let other = self.session(port, database).await;
                other.batch_execute("SELECT pg_advisory_lock(1)").await.unwrap();
                let waits = "SELECT set_config('lock_timeout', '20ms', true), pg_advisory_xact_lock(1)";
                return (waits.into(), Some(other));
            }
            "40P01" => {
                let other = self.session(port, database).await;
                // Only the worker's server process looks for a deadlock.
                let first = "SET deadlock_timeout = '1h'; BEGIN; SELECT pg_advisory_xact_lock(1)";
                other.batch_execute(first).await.unwrap();
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    let second = other.batch_execute("SELECT pg_advisory_xact_lock(2)").await;
                    second.expect("the other session goes on");
                });
                // It looks for a deadlock once, after `deadlock_timeout`, which is 1 s.
                "SELECT pg_advisory_xact_lock(2), pg_sleep(0.1), pg_advisory_xact_lock(1)".into()
            }
            "53100" => {
                let of_session = "SELECT pid FROM pg_stat_activity WHERE client_port = $1";
                let admin = self.session(port, DATABASE).await;
                // The folder of temporary files is there when one was needed.
                admin.batch_execute("SET work_mem = '64kB'").await.unwrap();
                admin.batch_execute(SPILLS).await.unwrap();
                let row = admin.query_one(of_session, &[&i32::from(local)]).await.unwrap();
                no_room(&self.engine.volume(self.at(port)).unwrap(), row.get(0));
                format!("SELECT set_config('work_mem', '64kB', true); {SPILLS}")
            }
            other => panic!("nothing is known that fails with {other}"),
        };
        (statement, None)
    }

    /// The links of [`no_room`] that no file has replaced.
    pub fn make_room(&self) {
        for resource_id in self.known.values() {
            let volume = self.engine.volume(resource_id).unwrap();
            let Ok(folder) = std::fs::read_dir(volume.join(TEMPORARY)) else { continue };
            for file in folder.flatten().filter(|file| file.path().is_symlink()) {
                std::fs::remove_file(file.path()).unwrap();
            }
        }
    }
}

const TEMPORARY: &str = "base/pgsql_tmp";

/// The temporary files of a server process are called by its number (src/backend/storage/file/fd.c,
/// OpenTemporaryFileInTablespace). The device /dev/full has no room (full(4)).
fn no_room(volume: &Path, pid: i32) {
    for number in 0..32 {
        let path = volume.join(TEMPORARY).join(format!("pgsql_tmp{pid}.{number}"));
        std::os::unix::fs::symlink("/dev/full", path).unwrap();
    }
}
