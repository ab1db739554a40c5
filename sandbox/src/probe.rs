//! What an application would have seen: connects to the writer again and again, and notes for how
//! long it could not.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use runbook::postgres::Login;
use tokio::task::JoinHandle;
use tokio_postgres::{Config, NoTls};

/// In real time, because the server behind is real: a try every 50 ms.
const EVERY: Duration = Duration::from_millis(50);
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

pub struct Probe {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default, Clone)]
pub struct Seen {
    pub tries: u32,
    /// Each time that no connection could be made, and how long.
    pub outages: Vec<Duration>,
    since: Option<Instant>,
}

impl Seen {
    pub fn downtime(&self) -> Duration {
        self.outages.iter().sum::<Duration>() + self.since.map(|since| since.elapsed()).unwrap_or_default()
    }

    fn note(&mut self, connected: bool) {
        self.tries += 1;
        match (connected, self.since) {
            (false, None) => self.since = Some(Instant::now()),
            (true, Some(since)) => {
                self.outages.push(since.elapsed());
                self.since = None;
            }
            _ => {}
        }
    }
}

impl Probe {
    pub fn start(login: &Login, database: &str) -> Self {
        let mut config = Config::new();
        config
            .host(&login.host)
            .port(login.port)
            .user(&login.user)
            .password(&login.password)
            .dbname(database)
            .application_name("probe");
        let seen = Arc::new(Mutex::new(Seen::default()));
        let noted = seen.clone();
        let task = tokio::spawn(async move {
            loop {
                let connected =
                    tokio::time::timeout(ANSWER_WITHIN, select_one(&config)).await.unwrap_or(false);
                noted.lock().note(connected);
                tokio::time::sleep(EVERY).await;
            }
        });
        Self { seen, task }
    }

    pub fn seen(&self) -> Seen {
        self.seen.lock().clone()
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn select_one(config: &Config) -> bool {
    let Ok((client, connection)) = config.connect(NoTls).await else { return false };
    let connection = tokio::spawn(connection);
    let answered = client.simple_query("SELECT 1").await.is_ok();
    drop(client);
    // An open connection would hold up the server's stop.
    let _ = connection.await;
    answered
}
