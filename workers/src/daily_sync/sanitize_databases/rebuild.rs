//! A database made again: its definition from pg_dump, its rows replaced on their way, and in the
//! end its name.
//!
//! Nothing of production's runs where a raw row is: the old database is only read, column by
//! column. Checks, indexes, triggers and views come to life in the new one, which holds replaced
//! rows alone. So every page and every row of a catalog is written by this run, and what nobody
//! asked to change is as pg_dump has it.
//!
//! Killed at any moment, a database is begun again; once it is whole it has a second name, and only
//! the change of names is left to do. Both names are MACs: nobody else can have given them.

use futures::future::try_join_all;
use parking_lot::Mutex;
use policy::Exception;
use runbook::{
    Error, Finding, Result,
    error::Then,
    postgres::{failed, is_of_the_moment, query_failed, quote, said},
};
use tokio_postgres::{Client, error::SqlState};

use super::{
    dump::{Dump, Entry, Section, Unmade},
    plan::{Plan, Rows},
    problems::Problems,
    record::Record,
    tables,
};
use crate::{
    daily_sync::replace::Key,
    shared::{
        seal::Seal,
        sessions::{Lanes, Sessions, texts},
    },
};

pub struct Rebuild<'a> {
    pub sessions: &'a Sessions<'a>,
    pub seal: &'a Seal,
    pub key: &'a Key,
    pub exceptions: &'a [Exception],
    pub lanes: Lanes,
}

impl Rebuild<'_> {
    pub fn whole_name(&self, database: &str) -> String {
        self.seal.name(database, "whole")
    }

    /// Whatever an earlier attempt has begun of a database goes.
    pub async fn begin_again(&self, database: &str) -> Result<()> {
        let base = self.sessions.open(beside(database)).await?;
        drop_database(&base, &self.seal.name(database, "in work")).await?;
        drop_database(&base, &self.whole_name(database)).await
    }

    /// The new database, whole and under its second name; or everything that a person must change.
    pub async fn make(&self, plan: &Plan) -> Result<std::result::Result<Record, Vec<Finding>>> {
        let (old, new) = (plan.database.as_str(), self.seal.name(&plan.database, "in work"));
        let base = self.sessions.open(beside(old)).await?;
        let was = self.sessions.open(old).await?;
        let major = major(&was).await?;
        let lanes = self.lanes.within(connection_limit(&was).await?);
        self.say(format!("reading the definition of database {old}"));
        let dump = Dump::of_schema(self.sessions, old, major).await?;
        create(&base, old, &new).await?;
        let mut record = Record::new(old);
        let owners = self.before_rows(&dump, &was, old, &new, &mut record).await?;
        let mut problems = Problems::new(old);
        // What the extensions' own scripts make is theirs.
        let theirs = include_str!("../sql/rebuild/tables-of-extensions.sql");
        let client = self.sessions.open(&new).await?;
        record.of_extensions = texts(&client, "look for tables of extensions", theirs).await?;
        drop(client);
        for table in texts(&was, "look for tables of extensions", theirs).await? {
            if !record.of_extensions.contains(&table) {
                problems.hidden(&table);
            }
        }
        if let Err(findings) = problems.end() {
            drop_database(&base, &new).await?;
            return Ok(Err(findings));
        }
        let outcomes = tables::load(self.sessions, (old, &new), &plan.tables, self.key, lanes).await?;
        let mut problems = Problems::new(old);
        for plan in &plan.tables {
            match outcomes.get(&plan.table.name) {
                Some(Ok(done)) => record.add(plan, done, self.exceptions, &mut problems),
                Some(Err(refused)) => problems.not_loaded(&plan.table.name, refused),
                None if matches!(plan.rows, Rows::None) => record.add_empty(plan),
                // A partitioned table of no partitions.
                None => {
                    let none = tables::Done::none(plan, self.key)?;
                    record.add(plan, &none, self.exceptions, &mut problems);
                }
            }
        }
        record.emptied = super::emptied::marks(self.sessions, plan, self.key).await?;
        // What is checked next would only repeat, for every reference, that rows are missing.
        let loaded = outcomes.values().all(std::result::Result::is_ok);
        if loaded {
            let rebuild = Rebuild { lanes, ..*self };
            rebuild.after_rows(&dump, plan, &new, &owners, &mut problems, &mut record).await?;
        }
        if let Err(findings) = problems.end() {
            drop_database(&base, &new).await?;
            return Ok(Err(findings));
        }
        super::forget_statements(&was).await;
        record.oid = oid(&base, &new).await?;
        let rename = format!("ALTER DATABASE {} RENAME TO {}", quote(&new), quote(&self.whole_name(old)));
        drop(was);
        base.batch_execute(&rename).await.map_err(|error| failed("name the new database", &error))?;
        Ok(Ok(record))
    }

    /// Gives a whole database its name, in place of the one that it was made from.
    pub async fn take_over(&self, database: &str) -> Result<()> {
        let whole = self.whole_name(database);
        let base = self.sessions.open(beside(database)).await?;
        // Before: nobody knows any more when the old one is gone.
        if is_template(&base, database).await.map_err(|error| query_failed("look for a database", &error))? {
            let template = format!("ALTER DATABASE {} IS_TEMPLATE true", quote(&whole));
            base.batch_execute(&template).await.map_err(|error| failed("replace a template", &error))?;
        }
        let dropped = drop_it(&base, database).await;
        dropped.map_err(|error| not_ours(&format!("drop database {database}"), &error))?;
        let name = format!("ALTER DATABASE {} RENAME TO {}", quote(&whole), quote(database));
        base.batch_execute(&name)
            .await
            .map_err(|error| not_ours(&format!("give database {database} its name"), &error))
    }

    /// Everything that rows need. Answers which owners may create where for as long as the objects
    /// are made: `ALTER … OWNER TO` asks for it, and production may have taken it from them since.
    async fn before_rows(
        &self,
        dump: &Dump<'_>,
        was: &Client,
        old: &str,
        new: &str,
        record: &mut Record,
    ) -> Result<Vec<(String, String)>> {
        self.say(format!("defining database {old} again"));
        let entries = dump.entries(Section::PreData).await?;
        // Only who made an extension may comment on it, and it brings its comment.
        let not_now = |entry: &&Entry| entry.is_right() || entry.line.starts_with("COMMENT - EXTENSION ");
        let (schemas, others): (Vec<&Entry>, Vec<&Entry>) =
            entries.iter().filter(|entry| !not_now(entry)).partition(|entry| entry.is("SCHEMA"));
        let client = self.sessions.open(new).await?;
        let mut unmade = dump.restore((was, &client), new, &schemas, 1).await?;
        let owners = let_owners_create(was, &client).await?;
        extensions(was, &client).await?;
        unmade.extend(dump.restore((was, &client), new, &others, 1).await?);
        undefined(old, unmade, record)?;
        let rows = was.query(include_str!("../sql/rebuild/functions.sql"), &[]).await;
        for row in rows.map_err(|error| query_failed("look for functions", &error))? {
            let give: String = row.get(0);
            client.batch_execute(&give).await.map_err(|error| failed("prepare a function", &error))?;
        }
        Ok(owners)
    }

    async fn after_rows(
        &self,
        dump: &Dump<'_>,
        plan: &Plan,
        new: &str,
        owners: &[(String, String)],
        problems: &mut Problems,
        record: &mut Record,
    ) -> Result<()> {
        let old = plan.database.as_str();
        let was = self.sessions.open(old).await?;
        let client = self.sessions.open(new).await?;
        let tables =
            texts(&was, "look for tables", include_str!("../sql/rebuild/extension-tables.sql")).await?;
        if !tables.is_empty() || plan.keep_large_objects {
            let rows =
                Dump::of_rows(self.sessions, old, dump.major, &tables, plan.keep_large_objects).await?;
            undefined(old, rows.restore_all(&was, &client, new).await?, record)?;
        }
        sequences(&was, &client).await?;
        self.say(format!("indexes and constraints of database {old}"));
        let entries = dump.entries(Section::PostData).await?;
        let entries: Vec<&Entry> = entries.iter().filter(|entry| !entry.is_right()).collect();
        let jobs = (self.lanes.sessions / 2).max(1);
        for unmade in dump.restore((&was, &client), new, &entries, jobs).await? {
            if unmade.there {
                record.lost.push(unmade.to_string());
            } else {
                problems.not_made(&unmade.object, &unmade.why);
            }
        }
        views(&was, &client, problems, self).await?;
        self.say(format!("collecting statistics of database {old}"));
        self.analyze(&client, new, problems).await?;
        let rows = was.query(include_str!("../sql/rebuild/functions.sql"), &[]).await;
        for row in rows.map_err(|error| query_failed("look for functions", &error))? {
            let take: String = row.get(1);
            client.batch_execute(&take).await.map_err(|error| failed("restore a function", &error))?;
        }
        for (schema, owner) in owners {
            let revoke = format!("REVOKE CREATE ON SCHEMA {} FROM {}", quote(schema), quote(owner));
            client.batch_execute(&revoke).await.map_err(|error| failed("take a right back", &error))?;
        }
        let mut rights = dump.entries(Section::PreData).await?;
        rights.extend(dump.entries(Section::PostData).await?);
        let rights: Vec<&Entry> = rights.iter().filter(|entry| entry.is_right()).collect();
        // Who lacks a right sees less.
        let lost = dump.restore((&was, &client), new, &rights, 1).await?;
        record.lost.extend(lost.iter().map(ToString::to_string));
        properties(&was, old, new).await
    }

    async fn analyze(&self, client: &Client, new: &str, problems: &mut Problems) -> Result<()> {
        let tables = texts(client, "list tables", include_str!("../sql/rebuild/analyzed.sql")).await?;
        let (lanes, queue) = (self.lanes.sessions.min(tables.len()), Mutex::new(tables));
        let lane = async || {
            let client = self.sessions.open(new).await?;
            let mut failed = Vec::new();
            loop {
                let next = queue.lock().pop();
                let Some(table) = next else { return Ok::<_, Error>(failed) };
                match client.batch_execute(&format!("ANALYZE {table}")).await {
                    Ok(()) => {}
                    Err(error) if is_of_the_moment(&error) => {
                        return Err(query_failed("collect statistics", &error));
                    }
                    Err(error) => failed.push((table, said(&error))),
                }
            }
        };
        let failed = try_join_all((0..lanes).map(|_| lane())).await?;
        for (table, why) in failed.into_iter().flatten() {
            problems.not_made(&format!("STATISTICS {table}"), &why);
        }
        Ok(())
    }

    /// A database that holds nothing of people's own: its catalogs may still hold rows that are
    /// gone. Where its owner does not let us, it stays.
    pub async fn make_empty(&self, database: &str) -> Result<()> {
        let base = self.sessions.open(beside(database)).await?;
        let whole = self.whole_name(database);
        let again = async {
            create(&base, database, &whole).await?;
            properties(&base, database, &whole).await?;
            self.take_over(database).await
        };
        if let Err(error) = again.await {
            // The next attempt goes on from whatever is there; the new one may be the only one now.
            if error.waiting_for().is_some() {
                return Err(error);
            }
            tracing::warn!(database, %error, "this empty database was not made again");
            if database == "template1" {
                let template = base.batch_execute("ALTER DATABASE template1 IS_TEMPLATE true").await;
                template.map_err(|error| failed("leave the template as it was", &error))?;
            }
            drop_database(&base, &whole).await?;
        }
        Ok(())
    }

    fn say(&self, text: String) {
        self.sessions.cx.progress.say(text);
    }
}

/// The two that sessions begin in. An attempt that died between the drop of one and its new name
/// has left the other one alone.
pub async fn names_again(sessions: &Sessions<'_>, seal: &Seal) -> Result<()> {
    let base = match sessions.open("postgres").await {
        Ok(base) => base,
        Err(_) => sessions.open("template1").await?,
    };
    for database in ["postgres", "template1"] {
        let whole = seal.name(database, "whole");
        let ask = "SELECT datname::text FROM pg_database WHERE datname IN ($1, $2)";
        let found = base.query(ask, &[&database, &whole]).await;
        let found = found.map_err(|error| query_failed("look for a database", &error))?;
        if let [one] = &found[..]
            && one.get::<_, &str>(0) == whole
        {
            let rename = format!("ALTER DATABASE {} RENAME TO {}", quote(&whole), quote(database));
            base.batch_execute(&rename)
                .await
                .map_err(|error| not_ours(&format!("give database {database} its name"), &error))?;
        }
    }
    Ok(())
}

/// The database to be connected to while another one is made, named or dropped.
pub fn beside(database: &str) -> &'static str {
    if database == "postgres" { "template1" } else { "postgres" }
}

async fn major(client: &Client) -> Result<u32> {
    let row = client.query_one("SELECT current_setting('server_version_num')::int / 10000", &[]).await;
    let row = row.map_err(|error| query_failed("ask for the version", &error))?;
    u32::try_from(row.get::<_, i32>(0)).map_err(|error| Error::Unexpected(error.into()))
}

/// Of the database that the session is in.
async fn connection_limit(client: &Client) -> Result<i32> {
    let ask = "SELECT datconnlimit FROM pg_database WHERE datname = current_database()";
    let row = client.query_one(ask, &[]).await;
    Ok(row.map_err(|error| query_failed("ask for a database's connections", &error))?.get(0))
}

async fn oid(client: &Client, database: &str) -> Result<u32> {
    let row = client.query_one("SELECT oid FROM pg_database WHERE datname = $1", &[&database]).await;
    Ok(row.map_err(|error| query_failed("look for the new database", &error))?.get(0))
}

pub async fn drop_database(client: &Client, database: &str) -> Result<()> {
    let dropped = drop_it(client, database).await;
    dropped.map_err(|error| failed(&format!("drop database {database}"), &error))
}

async fn drop_it(client: &Client, database: &str) -> std::result::Result<(), tokio_postgres::Error> {
    // It may not stand in one message with another statement.
    let drop = format!("DROP DATABASE IF EXISTS {}", quote(database));
    client.batch_execute("SET client_min_messages = error").await?;
    if is_template(client, database).await? {
        client.batch_execute(&format!("ALTER DATABASE {} IS_TEMPLATE false", quote(database))).await?;
    }
    match client.batch_execute(&drop).await {
        // By itself it ends autovacuum's workers, which FORCE may not without pg_signal_backend
        // (src/backend/storage/ipc/procarray.c, CountOtherDBBackends and TerminateOtherDBBackends).
        Err(error) if error.code() == Some(&SqlState::OBJECT_IN_USE) => {
            client.batch_execute(&format!("{drop} WITH (FORCE)")).await
        }
        dropped => dropped,
    }
}

async fn is_template(client: &Client, database: &str) -> std::result::Result<bool, tokio_postgres::Error> {
    let ask = "SELECT datistemplate FROM pg_database WHERE datname = $1";
    Ok(client.query_opt(ask, &[&database]).await?.is_some_and(|row| row.get(0)))
}

async fn create(base: &Client, old: &str, new: &str) -> Result<()> {
    let row = base.query_one(include_str!("../sql/rebuild/database.sql"), &[&old, &new]).await;
    let statement: String = row.map_err(|error| query_failed("read a database's properties", &error))?.get(0);
    base.batch_execute(&statement).await.map_err(|error| {
        // Nobody else can have given it that name: a worker has died, and its server process has
        // not noticed yet.
        if error.code() == Some(&SqlState::DUPLICATE_DATABASE) {
            return Error::NotReady(format!("a former attempt to let go of database {new}"));
        }
        not_ours(&format!("make database {old} again"), &error)
    })
}

/// Who makes a database again has the rights of its owner, and may create databases.
fn not_ours(doing: &str, error: &tokio_postgres::Error) -> Error {
    let told = failed(doing, error);
    if is_of_the_moment(error) {
        return told;
    }
    told.changed("the copy, where wires were cut; CleanUp deletes it")
        .fix(
            "in production, make the master user a member of that database's owner, and let it create \
             databases",
        )
        .then(Then::StartAgain)
}

async fn properties(was: &Client, old: &str, new: &str) -> Result<()> {
    let rows = was.query(include_str!("../sql/rebuild/properties.sql"), &[&old, &new]).await;
    for row in rows.map_err(|error| query_failed("read a database's rights", &error))? {
        let statement: String = row.get(0);
        let done = was.batch_execute(&statement).await;
        done.map_err(|error| failed(&format!("give database {old} its rights again"), &error))?;
    }
    Ok(())
}

/// What an empty database of the same version does not take stands for something that a superuser
/// made, or that the server lacks.
fn undefined(database: &str, unmade: Vec<Unmade>, record: &mut Record) -> Result<()> {
    let (there, unmade): (Vec<_>, Vec<_>) = unmade.into_iter().partition(|unmade| unmade.there);
    record.lost.extend(there.iter().map(ToString::to_string));
    if unmade.is_empty() {
        return Ok(());
    }
    let lines: String = unmade.iter().map(|unmade| format!("\n- {unmade}")).collect();
    Err(Error::failed(format!(
        "{} objects of database {database} cannot be made again:{lines}",
        unmade.len()
    ))
    .changed("the copy, where wires were cut; CleanUp deletes it")
    .fix("drop them in production, or give its master user the right to make them")
    .then(Then::StartAgain))
}

async fn let_owners_create(was: &Client, new: &Client) -> Result<Vec<(String, String)>> {
    let rows = was.query(include_str!("../sql/rebuild/schema-owners.sql"), &[]).await;
    let mut given = Vec::new();
    for row in rows.map_err(|error| query_failed("look for owners", &error))? {
        let (schema, owner): (String, String) = (row.get(0), row.get(1));
        let grant = format!("GRANT CREATE ON SCHEMA {} TO {}", quote(&schema), quote(&owner));
        new.batch_execute(&grant).await.map_err(|error| failed("let an owner create", &error))?;
        given.push((schema, owner));
    }
    Ok(given)
}

/// pg_dump asks for an extension and not for its version.
async fn extensions(was: &Client, new: &Client) -> Result<()> {
    let rows = was.query(include_str!("../sql/rebuild/extensions.sql"), &[]).await;
    for row in rows.map_err(|error| query_failed("look for extensions", &error))? {
        let (name, schema, version, there): (String, String, String, bool) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        if !there {
            tracing::warn!(name, version, "the server no longer has this version: the default one is taken");
            continue;
        }
        let create = format!(
            "CREATE EXTENSION {} WITH SCHEMA {} VERSION {} CASCADE",
            quote(&name),
            quote(&schema),
            quote(&version)
        );
        new.batch_execute(&create)
            .await
            .map_err(|error| failed(&format!("create extension {name}"), &error))?;
    }
    Ok(())
}

async fn sequences(was: &Client, new: &Client) -> Result<()> {
    for sequence in texts(was, "look for sequences", include_str!("../sql/rebuild/sequences.sql")).await? {
        let stands = was.query_one(&format!("SELECT last_value, is_called FROM {sequence}"), &[]).await;
        let row = stands.map_err(|error| query_failed(&format!("read sequence {sequence}"), &error))?;
        let (last, called): (i64, bool) = (row.get(0), row.get(1));
        let set = "SELECT setval($1::text::regclass, $2, $3)";
        let done = new.execute(set, &[&sequence, &last, &called]).await;
        done.map_err(|error| query_failed(&format!("set sequence {sequence}"), &error))?;
    }
    Ok(())
}

async fn views(was: &Client, new: &Client, problems: &mut Problems, rebuild: &Rebuild<'_>) -> Result<()> {
    let views = include_str!("../sql/mask/materialized-views.sql");
    let mut left = texts(was, "look for materialised views", views).await?;
    loop {
        let mut refused = Vec::new();
        let number = left.len();
        for view in left {
            rebuild.say(format!("filling {view}"));
            if let Err(error) = new.batch_execute(&format!("REFRESH MATERIALIZED VIEW {view}")).await {
                if is_of_the_moment(&error) {
                    return Err(query_failed("refresh a view", &error));
                }
                refused.push((view, said(&error)));
            }
        }
        // One that a function reads has to be filled before it.
        if refused.is_empty() || refused.len() == number {
            for (view, why) in refused {
                problems.not_made(&format!("MATERIALIZED VIEW {view}"), &why);
            }
            return Ok(());
        }
        left = refused.into_iter().map(|(view, _)| view).collect();
    }
}
