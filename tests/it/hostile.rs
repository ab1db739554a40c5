//! A copy that wants raw data to get through, at every place where PostgreSQL has such a place: the
//! run is refused naming the object, or no file, no dump and no reader's query shows a raw value,
//! and nothing shows the key.

#![allow(clippy::print_stdout, reason = "says what became of each place, for who asks with --nocapture")]

use std::collections::BTreeSet;

use aho_corasick::AhoCorasick;
use tokio_postgres::Client;

use crate::{
    copy::{Copy, KEY},
    dump::{difference, dump},
    hostile_places::{Place, places},
    hostile_policy::{Rules, masking},
};

const PARAMETERS: [(&str, &str); 2] = [("max_prepared_transactions", "10"), ("rds.logical_replication", "1")];

/// A database's definition, its own properties too.
pub const DEFINITION: [&str; 2] = ["--schema-only", "--create"];

/// What must become of the places of a test.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Refused by name, or attested.
    Either,
    /// The same, and the definition of those that are attested is as it was.
    EitherWithItsShape,
    /// Attested, and the definition is as it was.
    Attested,
}

macro_rules! survived {
    ($($name:ident $file:literal $end:ident $id16:literal $id18:literal,)+) => {
        $(mod $name {
            use super::{End, from_file};

            const FILE: &str = include_str!(concat!("../data/hostile/", $file));

            #[tokio::test]
            async fn on_16() {
                from_file($id16, "16.8", FILE, End::$end).await;
            }

            #[tokio::test]
            async fn on_18() {
                from_file($id18, "18.1", FILE, End::$end).await;
            }
        })+
    };
}

survived! {
    no_code_of_the_copy_reaches_a_raw_row_or_the_key "code.sql" Either "code-16" "code-18",
    nothing_that_the_copy_says_about_our_work_is_believed "forged.sql" Either "forged-16" "forged-18",
    no_name_of_the_copy_is_taken_for_postgresqls_own "paths.sql" Attested "paths-16" "paths-18",
    no_setting_of_the_copy_changes_what_is_read "settings.sql" Either "settings-16" "settings-18",
    every_page_is_written_again "pages.sql" Either "pages-16" "pages-18",
    every_definition_is_searched "definitions.sql" Either "definitions-16" "definitions-18",
    nothing_inside_of_a_value_gets_through "values.sql" Either "values-16" "values-18",
    a_rule_that_cannot_do_its_work_says_so "rules.sql" Either "rules-16" "rules-18",
    credentials_are_found_by_what_they_look_like "secrets.sql" Either "secrets-16" "secrets-18",
    what_the_policy_excepts_stays_or_goes "exceptions.sql" Attested "except-16" "except-18",
    nothing_that_real_schemas_have_is_a_dead_end "dead_ends.sql" Attested "ends-16" "ends-18",
    what_nobody_asks_to_change_does_not_change "shape.sql" Attested "shape-16" "shape-18",
}

async fn from_file(id: &'static str, version: &str, file: &str, end: End) {
    let copy = Copy::empty(id, version, &PARAMETERS).await;
    let major = copy.engine.major(id).unwrap();
    survived(&copy, places(file).into_iter().filter(|place| place.is_in(major)).collect(), end).await;
}

/// Plants every place, and lets the sanitiser go over the server until nothing is wrong: what it
/// names is taken away before the next attempt, as a person would. Answers how many were attested.
pub async fn survived(copy: &Copy, all: Vec<Place>, end: End) -> usize {
    let mut unplanted = Vec::new();
    for place in &all {
        if !databases(copy).await.contains(&place.database) {
            let plain = format!("CREATE DATABASE {}", place.database);
            copy.run("postgres", if place.create.is_empty() { &plain } else { &place.create }).await;
        }
        unplanted.extend(plant(copy, place).await);
    }
    for place in all.iter().filter(|place| !place.cleaning.is_empty()) {
        open(copy, "rdsadmin", &place.database).await.batch_execute(&place.cleaning).await.unwrap();
    }
    assert!(unplanted.is_empty(), "{}", unplanted.join("\n"));
    let planted = copy.leaks(&["rawp0"]).await;
    assert!(!planted.is_empty() || end == End::Attested, "the test finds what it looks for");

    let mut left: Vec<&Place> = all.iter().collect();
    let (mut wrong, mut rounds, mut before) = (Vec::new(), 0, String::new());
    let mut caught: BTreeSet<String> = BTreeSet::new();
    loop {
        rounds += 1;
        if end != End::Either {
            before = dump(copy, "shop", &DEFINITION).await;
        }
        let rules = Rules::of(&left);
        let text = match copy.sanitise(&masking(copy, &rules).await).await {
            Ok(found) => {
                // The copy goes nowhere, as the place wants it; the others must hold all the same.
                for line in &found {
                    let mut named = left.iter().filter(|place| place.is_named(line)).peekable();
                    if named.peek().is_none() {
                        wrong.push(format!("attesting names no place: {line}"));
                    }
                    for place in named {
                        println!("not attested: {}\n    {line}", place.name);
                        caught.insert(place.schema.clone());
                    }
                }
                break;
            }
            Err(error) => error.to_string(),
        };
        let (named, others): (Vec<&Place>, _) = left.iter().partition(|place| place.is_named(&text));
        assert!(!named.is_empty(), "after {rounds} rounds it is refused and names no place:\n{text}");
        assert!(rounds < 6, "after {rounds} rounds something is still wrong:\n{text}");
        for place in &named {
            let said = said(&text, place);
            for word in place.refused.iter().filter(|word| !said.contains(word.as_str())) {
                wrong.push(format!("{}: the refusal does not name {word}:\n    {said}", place.name));
            }
            let may =
                !place.either.is_empty() && place.either.iter().all(|word| said.contains(word.as_str()));
            if end == End::Attested && !may {
                wrong.push(format!("{}: it is refused:\n    {said}", place.name));
            }
            println!("round {rounds}, refused: {}\n    {said}", place.name);
            take_away(copy, place).await;
        }
        left = others;
    }
    left.retain(|place| !caught.contains(&place.schema) || end == End::Attested);
    for place in &left {
        println!("attested: {}", place.name);
        if !place.refused.is_empty() {
            wrong.push(format!("{}: it is not refused", place.name));
        }
        wrong.extend(questions(copy, place).await);
    }
    let silent: Vec<&Place> = all.iter().filter(|place| !caught.contains(&place.schema)).collect();
    wrong.extend(leaks(copy, &silent).await);
    if end != End::Either {
        let cut: Vec<&str> = left.iter().flat_map(|place| &place.cut).map(String::as_str).collect();
        wrong.extend(difference(&before, &dump(copy, "shop", &DEFINITION).await, &cut));
    }
    assert!(
        wrong.is_empty(),
        "{}: {} things, {} places:\n{}",
        copy.id,
        wrong.len(),
        all.len(),
        wrong.join("\n")
    );
    left.len()
}

/// A session in which a place's settings of the database or the master user do not hold.
pub async fn open(copy: &Copy, user: &str, database: &str) -> Client {
    let client = copy.client(user, database).await;
    client
        .batch_execute(
            "SET ROLE NONE; SET default_transaction_read_only = off; SET search_path = public;
             SET statement_timeout = 0; SET lock_timeout = 0;
             SET idle_in_transaction_session_timeout = 0; SET client_encoding = 'UTF8';
             SET standard_conforming_strings = on; SET check_function_bodies = on; SET array_nulls = on;
             SET default_transaction_isolation = 'read committed'",
        )
        .await
        .unwrap();
    client
}

/// Answers what could not be planted.
pub async fn plant(copy: &Copy, place: &Place) -> Vec<String> {
    let mut wrong = Vec::new();
    for (user, batches) in &place.batches {
        let client = open(copy, user, &place.database).await;
        for batch in batches {
            if let Err(error) = client.batch_execute(batch).await {
                wrong.push(format!("{}: {error:?} in\n{batch}", place.name));
            }
        }
    }
    wrong
}

/// The paragraphs of a refusal that name a place.
fn said(text: &str, place: &Place) -> String {
    let named: Vec<&str> = text.split("\n\n").filter(|part| place.is_named(part)).collect();
    if named.len() == 1 && named[0].lines().count() > 6 {
        // One long list.
        return named[0].lines().filter(|line| place.is_named(line)).collect::<Vec<_>>().join("\n    ");
    }
    named.join("\n").replace('\n', "\n    ")
}

async fn take_away(copy: &Copy, place: &Place) {
    let client = open(copy, "rdsadmin", &place.database).await;
    let schemas = format!(
        "SELECT coalesce(string_agg(format('DROP SCHEMA %I CASCADE', nspname), ';'), '') FROM pg_namespace
         WHERE nspname ~ '^{}'",
        place.schema
    );
    let sql: String = client.query_one(&schemas, &[]).await.unwrap().get(0);
    for undo in place.undo.iter().chain([&sql]) {
        client
            .batch_execute(undo)
            .await
            .unwrap_or_else(|error| panic!("{}: {error:?} in {undo}", place.name));
    }
}

/// What the place itself says must be true of a copy that is attested.
async fn questions(copy: &Copy, place: &Place) -> Vec<String> {
    let mut wrong = Vec::new();
    for question in &place.after {
        let client = open(copy, "rdsadmin", &place.database).await;
        match client.query_one(question, &[]).await.map(|row| row.get::<_, Option<bool>>(0)) {
            Ok(Some(true)) => {}
            Ok(_) => wrong.push(format!("{}: it is not so: {question}", place.name)),
            Err(error) => wrong.push(format!("{}: {error:?} in {question}", place.name)),
        }
    }
    wrong
}

/// Markers and the key in files, dumps and what tables and views answer. What was taken away before
/// the last attempt must be gone as well.
async fn leaks(copy: &Copy, silent: &[&Place]) -> Vec<String> {
    let mut found = Vec::new();
    let words = |place: &Place| {
        let raw = format!("raw{}", place.schema);
        [raw.to_uppercase(), format!("rest{}", place.schema), raw]
    };
    let all: Vec<String> = silent.iter().flat_map(|place| words(place)).collect();
    if !copy.leaks(&all.iter().map(String::as_str).collect::<Vec<_>>()).await.is_empty() {
        for place in silent {
            let files = copy.leaks(&words(place).each_ref().map(String::as_str)).await;
            let files = files.into_iter().filter(|file| !place.left.iter().any(|left| file.contains(left)));
            found.extend(files.map(|file| format!("{}: on disk: {file}", place.name)));
        }
    }
    found.extend(copy.leaks(&[KEY]).await.into_iter().map(|file| format!("the key is on disk: {file}")));
    for database in databases(copy).await {
        let text = dump(copy, &database, &[]).await + &answers(copy, &database).await;
        for place in silent {
            let bytes: String = words(place)[2].bytes().map(|byte| format!("{byte:02x}")).collect();
            let mut words = words(place).to_vec();
            words.push(bytes);
            let words = AhoCorasick::new(words).unwrap();
            // The text is long, and nearly always holds none.
            if !words.is_match(&text) {
                continue;
            }
            let told = text.lines().filter(|line| words.is_match(line));
            let told: BTreeSet<String> = told.map(|line| line.chars().take(160).collect()).collect();
            let told = told.into_iter().take(5);
            found.extend(told.map(|line| format!("{}: in {database}: {line}", place.name)));
        }
        if text.contains(KEY) {
            found.push(format!("the key can be read in {database}"));
        }
    }
    found
}

pub async fn databases(copy: &Copy) -> Vec<String> {
    let sql =
        "SELECT datname::text FROM pg_database WHERE datname NOT IN ('template0', 'rdsadmin') ORDER BY 1";
    let rows = open(copy, "rdsadmin", "postgres").await.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// What every view answers, as far as it answers.
async fn answers(copy: &Copy, database: &str) -> String {
    let client = open(copy, "rdsadmin", database).await;
    let views =
        "SELECT format('SELECT coalesce(string_agg(v::text, E''\\n''), '''') FROM %s AS v', c.oid::regclass)
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')";
    let mut text = String::new();
    for row in client.query(views, &[]).await.unwrap() {
        if let Ok(row) = client.query_one(row.get::<_, &str>(0), &[]).await {
            text += row.get::<_, &str>(0);
            text.push('\n');
        }
    }
    text
}
