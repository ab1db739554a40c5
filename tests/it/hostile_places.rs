//! The places of `tests/data/hostile`: a file a principle, a paragraph a place.
//!
//! `-- place:` begins one, with its name; a blank line ends a transaction. Lines that it may have:
//!
//! * `-- page:` the page of PostgreSQL's documentation that names it, the only one it must have.
//! * `-- since:`, `-- until:` the first and the last version that has it.
//! * `-- database:` where it is planted (`shop`), `-- create:` how that is made, `-- as:` by whom
//!   (`postgres`, the master user).
//! * `-- rule:`, `-- table:` lines of the policy. Columns without one are `email` by their name, or
//!   `keep`.
//! * `-- exception:` kind and action of an exception of the policy, and after a colon its object.
//! * `-- after:` what must be true of an attested copy.
//! * `-- refused:` a word that a refusal must hold; it must be refused then. `-- either:` a word
//!   that a refusal must hold if there is one, where all others must be attested.
//! * `-- named:` what a refusal may name instead of the schema, `-- undo:` what goes before the
//!   place is taken away.
//! * `-- cut:` what the dump may lack afterwards, `-- left:` a file out of which only a superuser
//!   could take it.
//! * `-- undone:` what is done after the sanitiser: all that follows.

use policy::{Exception, ExceptionKind};
use serde_json::{Value, from_value};

/// In the SQL `here` is the schema of the place and MARK its marker, so that what is found says
/// where it comes from.
#[derive(Debug, Default)]
pub struct Place {
    pub name: String,
    pub schema: String,
    since: u32,
    until: u32,
    pub database: String,
    /// How the database is made, where it is no ordinary one.
    pub create: String,
    /// A user and what is executed in one session of it.
    pub batches: Vec<(&'static str, Vec<String>)>,
    /// Table, column, rule.
    pub rules: Vec<(String, String, Value)>,
    pub tables: Vec<(String, String)>,
    pub exceptions: Vec<Exception>,
    pub after: Vec<String>,
    pub refused: Vec<String>,
    /// What a refusal says, where all others must be attested.
    pub either: Vec<String>,
    pub undo: Vec<String>,
    /// What is done when all places are planted, so that none lies in another's reach.
    pub cleaning: String,
    /// What is done after the sanitiser.
    pub undone: Vec<String>,
    /// Files of which only a superuser could take it.
    pub left: Vec<String>,
    /// What the dump may lack afterwards.
    pub cut: Vec<String>,
    /// Other words than the schema by which a refusal may name it.
    named: Vec<String>,
}

const FIXTURE: &str = include_str!("../data/hostile/fixture.sql");

pub fn places(file: &str) -> Vec<Place> {
    let mut parts = file.split("-- place: ");
    let cleaned = parts.next().is_some_and(|head| head.contains("-- cleaned: loot"));
    let mut found: Vec<Place> = parts.enumerate().map(|(number, text)| place(number + 1, text)).collect();
    for place in found.iter_mut().filter(|_| cleaned) {
        place.cleaning = format!("DELETE FROM {}.loot WHERE what ~ 'raw'", place.schema);
    }
    assert!(found.len() > 2, "only {} places were found", found.len());
    found
}

fn place(number: usize, text: &str) -> Place {
    let schema = format!("p{number:03}");
    let (name, text) = text.split_once('\n').expect("a place is more than its name");
    let text = localised(text, &schema);
    let (planted, undone) = text.split_once("-- undone:\n").unwrap_or((&text, ""));
    let batches = |sql: &str| sql.split("\n\n").map(str::to_owned).collect::<Vec<_>>();
    let said = |key: &str| -> Vec<String> {
        let start = format!("-- {key}: ");
        text.lines().filter_map(|line| line.strip_prefix(&start)).map(str::to_owned).collect()
    };
    assert_eq!(said("page").len(), 1, "{name}: which page of PostgreSQL names it?");
    let only = |key: &str| said(key).into_iter().next();
    let qualified = |table: &str| match table.split_once('.') {
        Some(_) => table.to_owned(),
        None => format!("{schema}.{table}"),
    };
    let rules = said("rule").into_iter().map(|line| {
        let (column, rule) = line.split_once(": ").expect("a column and its rule");
        let (table, column) = column.rsplit_once('.').expect("a table and its column");
        let rule = serde_json::from_str(rule).unwrap_or_else(|_| rule.into());
        (qualified(table), column.to_owned(), rule)
    });
    let tables = said("table").into_iter().map(|line| {
        let (table, word) = line.split_once(": ").expect("a table and what becomes of it");
        (qualified(table), word.to_owned())
    });
    let database = only("database").unwrap_or_else(|| "shop".to_owned());
    let exceptions = said("exception").into_iter().map(|line| exception(&line, &database));
    let exceptions = exceptions.collect();
    let user = if only("as").as_deref() == Some("rdsadmin") { "rdsadmin" } else { "postgres" };
    let fixture = localised(FIXTURE, &schema);
    Place {
        name: name.to_owned(),
        since: only("since").map_or(0, |version| version.parse().expect("a major version")),
        until: only("until").map_or(u32::MAX, |version| version.parse().expect("a major version")),
        create: only("create").unwrap_or_default(),
        database,
        exceptions,
        batches: vec![
            ("postgres", vec![format!("CREATE SCHEMA {schema}"), fixture]),
            (user, batches(planted)),
        ],
        rules: rules.collect(),
        tables: tables.collect(),
        after: said("after"),
        refused: said("refused"),
        either: said("either"),
        undo: said("undo"),
        undone: batches(undone),
        cleaning: String::new(),
        left: said("left"),
        cut: said("cut"),
        named: said("named"),
        schema,
    }
}

fn exception(line: &str, database: &str) -> Exception {
    let (what, object) = line.split_once(": ").expect("an exception and its object");
    let (kind, action) = what.split_once(' ').expect("a kind and an action");
    let kind = ExceptionKind::named(kind).expect("a kind of the policy");
    Exception {
        kind,
        database: (!kind.is_of_the_cluster()).then(|| database.to_owned()),
        object: object.to_owned(),
        action: from_value(action.into()).expect("an action of the policy"),
        reason: "it opens nothing".to_owned(),
    }
}

fn localised(text: &str, schema: &str) -> String {
    let text = text.replace("MARK", schema);
    let letter = |c: Option<char>| c.is_some_and(char::is_alphabetic);
    let mut sql = String::new();
    let mut parts = text.split("here").peekable();
    while let Some(part) = parts.next() {
        sql += part;
        let Some(next) = parts.peek() else { break };
        // Not the end of `where`.
        let word = !letter(part.chars().last()) && !letter(next.chars().next());
        sql += if word { schema } else { "here" };
    }
    sql
}

impl Place {
    /// A place that no file has: its statements, and of each table the rules by column.
    pub fn made(number: usize, name: String, sql: &[String], rules: Vec<(String, String, Value)>) -> Self {
        let schema = format!("p{number:03}");
        let mut batch = vec![format!("CREATE SCHEMA {schema}")];
        batch.extend(sql.iter().map(|sql| localised(sql, &schema)));
        let rules = rules.into_iter();
        Self {
            name,
            until: u32::MAX,
            database: "shop".to_owned(),
            batches: vec![("postgres", batch)],
            rules: rules.map(|(table, column, rule)| (format!("{schema}.{table}"), column, rule)).collect(),
            schema,
            ..Self::default()
        }
    }

    pub fn is_in(&self, major: u32) -> bool {
        (self.since..=self.until).contains(&major) && self.is_asked_for()
    }

    /// `HOSTILE_PLACES=a trigger,-TRUNCATE` asks for what has these words in its name.
    fn is_asked_for(&self) -> bool {
        let words = std::env::var("HOSTILE_PLACES").unwrap_or_default();
        let words: Vec<&str> = words.split(',').filter(|word| !word.is_empty()).collect();
        let (without, with): (Vec<&str>, _) = words.iter().partition(|word| word.starts_with('-'));
        (with.is_empty() || with.iter().any(|word| self.name.contains(word)))
            && !without.iter().any(|word| self.name.contains(&word[1..]))
    }

    /// Whether a text names something of this place.
    pub fn is_named(&self, text: &str) -> bool {
        text.contains(&self.schema) || self.named.iter().any(|word| text.contains(word.as_str()))
    }
}
