//! The definition of a database, taken by pg_dump and brought into another one by pg_restore: the
//! tools that keep everything that PostgreSQL can define, of the server's own major version.
//!
//! What they write is production's code. It runs in the new database alone, where nothing raw is.

use std::{collections::BTreeSet, fmt, path::PathBuf, process::Output};

use anyhow::Context as _;
use runbook::{
    Error, Result,
    error::Then,
    postgres::{is_of_the_moment, query_failed, said},
};
use tokio::process::Command;
use tokio_postgres::Client;

use crate::shared::sessions::Sessions;

/// An archive of pg_dump in a folder that goes with it.
pub struct Dump<'a> {
    sessions: &'a Sessions<'a>,
    pub major: u32,
    folder: tempfile::TempDir,
}

/// One object of the archive.
#[derive(Debug, Clone)]
pub struct Entry {
    id: u32,
    /// The catalog that has it where it was dumped, and its number there.
    was: (u32, u32),
    /// As pg_restore lists it: what it is, its schema, name and owner.
    pub line: String,
}

impl Entry {
    /// `12; 1259 16812 SEQUENCE public customers_id_seq shop_owner`: an identifier, the catalog and
    /// the object in it, and what it is (pg_restore's reference page, `-L`).
    fn read(line: &str) -> Option<Self> {
        let (id, rest) = line.split_once("; ")?;
        let mut words = rest.splitn(3, ' ');
        let (catalog, object, line) = (words.next()?, words.next()?, words.next()?);
        let was = (catalog.parse().ok()?, object.parse().ok()?);
        Some(Self { id: id.parse().ok()?, was, line: line.to_owned() })
    }

    /// A grant, of what is there or will be.
    pub fn is_right(&self) -> bool {
        self.is("ACL") || self.is("DEFAULT ACL")
    }

    pub fn is(&self, kind: &str) -> bool {
        self.line.strip_prefix(kind).is_some_and(|rest| rest.starts_with(' '))
    }
}

/// An object that could not be made, and why, in words that quote no row.
#[derive(Debug)]
pub struct Unmade {
    pub object: String,
    pub why: String,
    /// It is there, but not all that belongs to it: an owner that the master user may not name.
    pub there: bool,
}

impl fmt::Display for Unmade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.object, self.why)
    }
}

/// duplicate_object, _function, _schema, _table, _column
/// (https://www.postgresql.org/docs/current/errcodes-appendix.html).
const ALREADY_THERE: [&str; 5] = ["42710", "42723", "42P06", "42P07", "42701"];

#[derive(Debug, Clone, Copy)]
pub enum Section {
    PreData,
    PostData,
}

impl<'a> Dump<'a> {
    pub async fn of_schema(sessions: &'a Sessions<'a>, database: &str, major: u32) -> Result<Self> {
        Self::take(sessions, database, major, &["--schema-only".to_owned()]).await
    }

    /// The rows of these tables, quoted as SQL quotes them (so that pg_dump takes no letter of a
    /// name for a pattern), and large objects.
    pub async fn of_rows(
        sessions: &'a Sessions<'a>,
        database: &str,
        major: u32,
        tables: &[String],
        large_objects: bool,
    ) -> Result<Self> {
        let mut options = vec!["--section=data".to_owned()];
        options.extend(large_objects.then(|| "--large-objects".to_owned()));
        options.extend(tables.iter().map(|table| format!("--table={table}")));
        if tables.is_empty() {
            options.push("--exclude-schema=*".to_owned());
        }
        Self::take(sessions, database, major, &options).await
    }

    async fn take(
        sessions: &'a Sessions<'a>,
        database: &str,
        major: u32,
        options: &[String],
    ) -> Result<Self> {
        let folder = tempfile::tempdir().context("make a folder for pg_dump")?;
        let dump = Self { sessions, major, folder };
        let mut before = None;
        loop {
            let Err(words) = dump.write(database, options).await? else { return Ok(dump) };
            if is_lost(&words) {
                return Err(Error::NotReady(format!("PostgreSQL to come back (pg_dump of {database})")));
            }
            // It has changed nothing, and its words tell no condition. What it says twice is not of
            // the moment.
            if before.replace(words.clone()).is_some_and(|before| before == words) {
                return Err(Error::failed(format!("pg_dump of database {database} ended with: {words}"))
                    .changed("the copy, where wires were cut; CleanUp deletes it")
                    .fix("remove what it names in production, or give its master user the right to read it")
                    .then(Then::StartAgain));
            }
            tracing::warn!(database, words, "pg_dump is started again");
        }
    }

    /// Into the archive; or the program's words, and the server's.
    async fn write(&self, database: &str, options: &[String]) -> Result<std::result::Result<(), String>> {
        let mut command = self.command("pg_dump")?;
        command.env("PGDATABASE", database).args(["--format=custom", "--no-publications"]);
        command.args(["--no-subscriptions", "--no-security-labels", "--no-tablespaces"]);
        command.args(options).arg("--file").arg(self.archive());
        let done = command.output().await.context("start pg_dump")?;
        if done.status.success() {
            return Ok(Ok(()));
        }
        // It has read the catalog alone, so the server's words quote no row.
        let words = String::from_utf8_lossy(&done.stderr);
        let words: Vec<&str> = words.lines().filter(|line| line.starts_with("pg_dump: ")).take(10).collect();
        Ok(Err(words.join("; ")))
    }

    pub async fn entries(&self, section: Section) -> Result<Vec<Entry>> {
        let section = match section {
            Section::PreData => "pre-data",
            Section::PostData => "post-data",
        };
        let mut command = self.command("pg_restore")?;
        command.arg(format!("--section={section}")).arg("--list").arg(self.archive());
        let done = command.output().await.context("start pg_restore")?;
        if !done.status.success() {
            return Err(Error::unexpected(format!("pg_restore cannot list the archive: {}", errors(&done))));
        }
        Ok(String::from_utf8_lossy(&done.stdout).lines().filter_map(Entry::read).collect())
    }

    /// Everything in the archive.
    pub async fn restore_all(&self, was: &Client, client: &Client, into: &str) -> Result<Vec<Unmade>> {
        let mut command = self.command_into(into)?;
        command.arg(self.archive());
        self.run(command, (was, client), &[]).await
    }

    /// These objects, in the order of the list; what fails does not keep the others. The sessions
    /// are in the database that was dumped, and in the new one.
    pub async fn restore(
        &self,
        sessions: (&Client, &Client),
        into: &str,
        entries: &[&Entry],
        jobs: usize,
    ) -> Result<Vec<Unmade>> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let mut command = self.command_into(into)?;
        command.args(["--jobs", &jobs.to_string()]);
        command.arg("--use-list").arg(self.list(entries)?).arg(self.archive());
        self.run(command, sessions, entries).await
    }

    async fn run(
        &self,
        mut command: Command,
        sessions: (&Client, &Client),
        entries: &[&Entry],
    ) -> Result<Vec<Unmade>> {
        let done = command.output().await.context("start pg_restore")?;
        if done.status.success() {
            return Ok(Vec::new());
        }
        let stderr = String::from_utf8_lossy(&done.stderr);
        if is_lost(&stderr) {
            return Err(Error::NotReady("PostgreSQL to come back (pg_restore)".into()));
        }
        // It asks for what pg_dump has just been given by the same server.
        if let Some(words) = refusal_of_its_own(&stderr) {
            return Err(Error::NotReady(format!("PostgreSQL to take pg_restore's session ({words})")));
        }
        let refused = refused(&stderr);
        if entries.is_empty() || refused.is_empty() || !is_finished(&stderr) {
            return Err(Error::unexpected(format!("pg_restore ended with: {}", errors(&done))));
        }
        let mut unmade = Vec::new();
        for entry in entries.iter().filter(|entry| refused.contains(&entry.id)) {
            unmade.extend(self.once_more(sessions, entry).await?);
        }
        Ok(unmade)
    }

    /// pg_restore repeats the server's words, rows and all. So the statement is run here once more,
    /// where an error tells its condition; and it may succeed now that the others are there.
    async fn once_more(&self, (was, client): (&Client, &Client), entry: &Entry) -> Result<Option<Unmade>> {
        let mut command = self.command("pg_restore")?;
        command.arg("--use-list").arg(self.list(&[entry])?).args(["--file", "-"]).arg(self.archive());
        let done = command.output().await.context("start pg_restore")?;
        let script = String::from_utf8_lossy(&done.stdout);
        // What is for psql: minor versions of 2025 and later write these two lines (CVE-2025-8714).
        let for_psql = |line: &&str| !line.starts_with("\\restrict ") && !line.starts_with("\\unrestrict ");
        let script = script.lines().filter(for_psql).collect::<Vec<_>>().join("\n");
        let made = client.batch_execute(&script).await;
        client
            .batch_execute("SET ROLE NONE")
            .await
            .map_err(|error| query_failed("become oneself again", &error))?;
        if let Err(error) = &made
            && is_of_the_moment(error)
        {
            return Err(query_failed("make an object again", error));
        }
        let Err(error) = made else { return Ok(None) };
        let there = error.code().is_some_and(|code| ALREADY_THERE.contains(&code.code()));
        // Only the statement after it can have failed.
        if there && give_owner(was, client, entry).await? {
            return Ok(None);
        }
        let why = if there { "its owner cannot be set".to_owned() } else { said(&error) };
        Ok(Some(Unmade { object: entry.line.clone(), why, there }))
    }

    fn list(&self, entries: &[&Entry]) -> Result<PathBuf> {
        let lines: String = entries.iter().map(|entry| format!("{};\n", entry.id)).collect();
        let path = self.folder.path().join(format!("list-{}", entries.first().map_or(0, |entry| entry.id)));
        std::fs::write(&path, lines).context("write a list for pg_restore")?;
        Ok(path)
    }

    fn archive(&self) -> PathBuf {
        self.folder.path().join("archive")
    }

    fn command_into(&self, database: &str) -> Result<Command> {
        let mut command = self.command("pg_restore")?;
        // Only so does it say which object an error is of.
        command.args(["--verbose", "--dbname", &conninfo(database)]);
        Ok(command)
    }

    fn command(&self, name: &str) -> Result<Command> {
        let Sessions { cx, login } = self.sessions;
        cx.programs.command(self.major, name, login, cx.tls.as_ref())
    }
}

/// Whether an object that is there has the owner now that it had.
async fn give_owner(was: &Client, client: &Client, entry: &Entry) -> Result<bool> {
    let (catalog, object) = entry.was;
    let row = was.query_opt(include_str!("../sql/rebuild/owner.sql"), &[&catalog, &object]).await;
    let Some(row) = row.map_err(|error| query_failed("look for an owner", &error))? else { return Ok(false) };
    match client.batch_execute(row.get(0)).await {
        Ok(()) => Ok(true),
        Err(error) if is_of_the_moment(&error) => Err(query_failed("give an object to its owner", &error)),
        Err(_) => Ok(false),
    }
}

/// A database's name as a connection string that holds nothing else.
fn conninfo(database: &str) -> String {
    format!("dbname='{}'", database.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// Whose the errors after it are.
const OBJECT: &str = "pg_restore: from TOC entry ";

/// The identifiers of the objects that failed.
fn refused(stderr: &str) -> BTreeSet<u32> {
    let id = |line: &str| {
        let rest = line.strip_prefix(OBJECT)?;
        rest.split_once(';')?.0.parse().ok()
    };
    stderr.lines().filter_map(id).collect()
}

/// Whether a program has lost its connection, or got none, by libpq's own words: its locale is C
/// (src/interfaces/libpq: fe-connect.c, fe-misc.c, fe-secure.c).
fn is_lost(stderr: &str) -> bool {
    let words = [
        "connection to server",
        "server closed the connection",
        "could not receive data from server",
        "could not send data to server",
        "no connection to the server",
        "SSL SYSCALL error",
    ];
    words.iter().any(|words| stderr.contains(words))
}

/// That the server refused a statement of pg_restore's own, of those that begin a session, and in
/// which words (src/bin/pg_dump: `warn_or_exit_horribly`, `die_on_query_failure`).
fn refusal_of_its_own(stderr: &str) -> Option<&str> {
    let error = |line| str::strip_prefix(line, "pg_restore: error: ");
    let is_ended = |error: &&str| error.starts_with("query failed: ");
    let mut before = stderr.lines().take_while(|line| !line.starts_with(OBJECT)).filter_map(error);
    before.find(|error| is_ended(error) || error.starts_with("could not execute query: ")).or_else(|| {
        // A job's stands behind the words of objects, which may quote rows.
        let ended = !is_finished(stderr) && stderr.lines().filter_map(error).any(|error| is_ended(&error));
        ended.then_some("one of its jobs has ended")
    })
}

/// Whether pg_restore has tried every object: its last line counts those that failed
/// (src/bin/pg_dump/pg_restore.c).
fn is_finished(stderr: &str) -> bool {
    let last = stderr.lines().last().unwrap_or_default();
    last.starts_with("pg_restore: warning: errors ignored on restore: ")
}

/// The programs' own words; a server's words after them may quote rows.
fn errors(done: &Output) -> String {
    let stderr = String::from_utf8_lossy(&done.stderr);
    let words = stderr.lines().filter(|line| line.starts_with("pg_") && line.contains("error:")).take(10);
    let words = words.map(|line| line.split("ERROR:").next().unwrap_or_default().trim_end());
    format!("{} ({})", words.collect::<Vec<_>>().join("; "), done.status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_what_its_line_says_and_not_what_its_name_says() {
        let entry = Entry::read("12; 1259 16812 TABLE public ACL shop_owner").unwrap();
        assert!(entry.id == 12 && entry.was == (1259, 16812) && entry.is("TABLE") && !entry.is("ACL"));
        let entry = Entry::read("3202; 0 0 ACL - SCHEMA reporting shop_owner").unwrap();
        assert!(entry.is("ACL"));
        assert!(Entry::read(";     dbname: shop").is_none());
    }

    #[test]
    fn failed_entries_are_read_from_the_programs_own_lines() {
        let stderr = "pg_restore: while PROCESSING TOC:\n\
                      pg_restore: from TOC entry 7; 2606 1 CONSTRAINT a b\n\
                      pg_restore: error: could not execute query: ERROR:  x\nDETAIL: from TOC entry 8; y\n";
        assert_eq!(refused(stderr), BTreeSet::from([7]));
    }

    #[test]
    fn a_program_that_has_lost_its_server_is_told_from_one_that_was_refused() {
        assert!(is_lost("pg_dump: error: query failed: server closed the connection unexpectedly\n"));
        assert!(is_lost("pg_restore: error: connection to server at \"h\", port 1 failed: refused\n"));
        assert!(!is_lost("pg_dump: error: query failed: ERROR:  permission denied for table t\n"));
    }

    #[test]
    fn a_program_whose_session_was_refused_is_told_from_one_whose_objects_were() {
        let died = "pg_restore: error: query failed: ERROR:  canceling statement\n";
        let refused = "pg_restore: from TOC entry 7; 2606 1 CONSTRAINT a b\n\
                       pg_restore: error: could not execute query: ERROR:  x\n";
        let last = "pg_restore: warning: errors ignored on restore: 1\n";
        let began = "pg_restore: while INITIALIZING:\npg_restore: error: could not execute query: y\n";
        let job = format!("{refused}{died}pg_restore: error: a worker process died unexpectedly\n");
        assert_eq!(refusal_of_its_own(died), Some("query failed: ERROR:  canceling statement"));
        assert_eq!(refusal_of_its_own(&job), Some("one of its jobs has ended"));
        let all = format!("{began}{refused}{last}");
        assert_eq!(refusal_of_its_own(&all), Some("could not execute query: y"));
        let named = format!("{refused}Command was: COMMENT ON TABLE t IS '\n{died}{began}';\n{last}");
        for an_objects in [format!("{refused}{last}"), named] {
            assert!(is_finished(&an_objects), "{an_objects}");
            assert_eq!(refusal_of_its_own(&an_objects), None, "{an_objects}");
        }
    }

    #[test]
    fn a_hostile_name_of_a_database_names_a_database() {
        assert_eq!(conninfo(r"a' host=evil \"), r"dbname='a\' host=evil \\'");
    }
}
