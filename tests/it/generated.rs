//! Schemas that nobody thought of: random tables over every type of PostgreSQL, random constraints,
//! a random policy. The run refuses them by name, or no file holds a marker and pg_dump tells no
//! difference.

use std::collections::BTreeSet;

use crate::{
    copy::Copy,
    generated_tables::Generator,
    generated_types::{CATALOGUED, TYPES},
    hostile::{End, survived},
    hostile_places::Place,
};

/// Extensions whose types are among the columns.
pub const EXTENSIONS: &str = "CREATE EXTENSION citext SCHEMA public; CREATE EXTENSION hstore SCHEMA public;
    CREATE EXTENSION ltree SCHEMA public; CREATE EXTENSION cube SCHEMA public";

/// What goes wrong in production, with a marker in it.
const DEFECTS: [&str; 6] = [
    "COMMENT ON TABLE here.t0 IS 'ask rawMARK.1.x@mail.example'",
    "ALTER TABLE here.t0 ADD defect text DEFAULT 'rawMARK.1.x@mail.example';
     ALTER TABLE here.t0 DROP COLUMN defect",
    "CREATE FUNCTION here.defect() RETURNS text LANGUAGE sql AS $$ SELECT 'rawMARK.1.x@mail.example' $$",
    "CREATE VIEW here.defect AS SELECT * FROM here.t0 WHERE 'rawMARK.1.x@mail.example' <> 'x'",
    "CREATE TYPE here.defect AS ENUM ('rawMARK.1.x@mail.example')",
    "CREATE TABLE here.defect AS SELECT 'rawMARK.1.x@mail.example'::text AS what; DELETE FROM here.defect",
];

fn number_of(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().map_or(default, |text| text.parse().expect("a number"))
}

/// `GENERATED_CASES` says how many (15 of each version), `GENERATED_SEED` where they begin.
async fn random(id: &'static str, version: &str) {
    let copy = Copy::empty(id, version, &[]).await;
    let major = copy.engine.major(id).unwrap();
    copy.run("shop", EXTENSIONS).await;
    let (cases, first) = (number_of("GENERATED_CASES", 15), number_of("GENERATED_SEED", 1));
    let places: Vec<Place> =
        (0..cases).map(|number| case(number as usize + 1, first + number, major)).collect();
    let attested = survived(&copy, places, End::EitherWithItsShape).await;
    assert!(attested * 4 >= cases as usize, "only {attested} of {cases} were attested");
}

fn case(number: usize, seed: u64, major: u32) -> Place {
    let mut generator = Generator::new(seed, major);
    let (mut sql, mut rules) = (vec![generator.begins()], Vec::new());
    let tables = 2 + seed as usize % 5;
    for number in 0..tables {
        let table = generator.table(number, true);
        sql.extend(table.sql);
        rules.extend(table.rules.into_iter().map(|(column, rule)| (table.name.clone(), column, rule)));
    }
    for number in 1..tables {
        sql.push(generator.reference(number, number - 1));
    }
    if seed.is_multiple_of(3) {
        sql.push("CREATE TABLE here.people AS SELECT 'rawMARK.1.x@mail.example'::text AS email".to_owned());
        rules.push(("people".to_owned(), "email".to_owned(), "email".into()));
        sql.push(DEFECTS[seed as usize / 3 % DEFECTS.len()].to_owned());
    }
    Place::made(number, format!("seed {seed}"), &sql, rules)
}

#[tokio::test]
async fn random_schemas_and_policies_let_nothing_through_on_16() {
    random("random-16", "16.8").await;
}

#[tokio::test]
async fn random_schemas_and_policies_let_nothing_through_on_18() {
    random("random-18", "18.1").await;
}

/// Otherwise what is generated would say little of what is masked.
#[tokio::test]
async fn every_type_that_a_column_can_have_is_generated() {
    for (id, version) in [("types-16", "16.8"), ("types-18", "18.1")] {
        let copy = Copy::empty(id, version, &[]).await;
        let rows = copy.client("rdsadmin", "shop").await.query(CATALOGUED, &[]).await.unwrap();
        let there: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
        let bare = |name: &str| name.split(['(', '[']).next().unwrap_or_default().to_owned();
        let ours: BTreeSet<String> = TYPES.iter().map(|of| bare(of.name)).collect();
        let missing: Vec<&String> = there.iter().filter(|name| !ours.contains(&bare(name))).collect();
        assert!(there.len() > 60 && missing.is_empty(), "{version}: {missing:?} of {}", there.len());
    }
}
