//! What the attestor is for: a copy that is sanitised, and then one thing of it undone.

#![allow(clippy::print_stdout, reason = "says what became of each place, for who asks with --nocapture")]

use sandbox::worlds::{
    findings::apply,
    wires::{stubborn, wires},
};

use crate::{
    copy::{Copy, KEY},
    hostile::{open, plant},
    hostile_places::{Place, places},
    hostile_policy::{Rules, masking},
};

const PARAMETERS: [(&str, &str); 4] = [
    ("max_prepared_transactions", "10"),
    ("rds.logical_replication", "1"),
    ("max_logical_replication_workers", "0"),
    ("shared_preload_libraries", "pg_stat_statements"),
];

#[tokio::test]
async fn whatever_is_undone_is_found_and_named_on_16() {
    undone("undone-16", "16.8").await;
}

#[tokio::test]
async fn whatever_is_undone_is_found_and_named_on_18() {
    undone("undone-18", "18.1").await;
}

async fn undone(id: &'static str, version: &str) {
    let copy = Copy::empty(id, version, &[]).await;
    let all = places(include_str!("../data/hostile/mutations.sql"));
    copy.run("postgres", "CREATE DATABASE fresh").await;
    for place in &all {
        let wrong = plant(&copy, place).await;
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
    let policy = masking(&copy, &Rules::of(&all.iter().collect::<Vec<&Place>>())).await;
    let wrong = copy.sanitise(&policy).await.unwrap_or_else(|error| panic!("{error}"));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    for place in &all {
        let client = open(&copy, "postgres", &place.database).await;
        for batch in &place.undone {
            let done = client.batch_execute(batch).await;
            done.unwrap_or_else(|error| panic!("{}: {error:?} in\n{batch}", place.name));
        }
    }
    let found = copy.trial.attest(&policy, KEY).await.unwrap().wrong;
    for line in &found {
        println!("{line}");
    }
    let unseen: Vec<&str> = all
        .iter()
        .filter(|place| !found.iter().any(|line| place.is_named(line)))
        .map(|place| place.name.as_str())
        .collect();
    assert!(unseen.is_empty(), "{} of {} are not found: {unseen:#?}", unseen.len(), all.len());
    for line in &found {
        assert!(!line.contains("rawp0") && !line.contains("RAWP0"), "it quotes a value: {line}");
    }
}

/// The cut is not to be trusted either: what it left comes to light.
#[tokio::test]
async fn every_wire_that_comes_back_is_found_and_named() {
    let copy = Copy::of_the_shop("wires-back", "18.1", &PARAMETERS).await;
    let policy = masking(&copy, &Rules::default()).await;
    let wrong = copy.sanitise(&policy).await.unwrap_or_else(|error| panic!("{error}"));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for wire in wires().into_iter().chain([stubborn()]) {
        apply(&copy.engine, copy.id, wire.plant)
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", wire.slug));
    }
    let found = copy.trial.attest(&policy, KEY).await.unwrap().wrong;
    let named = |slug: &str| found.iter().any(|line| line.contains(&format!("{slug}:")));
    let unseen: Vec<&str> =
        wires().iter().chain([&stubborn()]).map(|wire| wire.slug).filter(|slug| !named(slug)).collect();
    assert!(unseen.is_empty(), "{unseen:?} are not found:\n{}", found.join("\n"));
}
