//! Live wires: each kind planted, found and cut by a master user who is no superuser.

use std::{collections::BTreeSet, net::TcpListener};

use runbook::postgres::databases;
use sandbox::worlds::{
    findings::{Planted, apply},
    wires::{stubborn, wires},
};
use workers::daily_sync::{attest_sanitized::wires as attest, sanitize_databases::cut};

use crate::copy::Copy;

const PARAMETERS: [(&str, &str); 4] = [
    ("max_prepared_transactions", "10"),
    ("rds.logical_replication", "1"),
    ("max_logical_replication_workers", "0"),
    ("shared_preload_libraries", "pg_stat_statements"),
];

#[tokio::test]
async fn every_kind_of_wire_is_found_and_cut_on_16_by_a_master_who_is_no_superuser() {
    found_and_cut(Copy::of_the_shop("wires-16", "16.8", &PARAMETERS).await).await;
}

#[tokio::test]
async fn every_kind_of_wire_is_found_and_cut_on_18_by_a_master_who_is_no_superuser() {
    found_and_cut(Copy::of_the_shop("wires-18", "18.1", &PARAMETERS).await).await;
}

async fn found_and_cut(copy: Copy) {
    let publisher = TcpListener::bind("127.0.0.1:0").expect("a port to listen on");
    let port = publisher.local_addr().unwrap().port().to_string();
    for wire in wires() {
        // Everything that lies outside is at this port.
        apply(&copy.engine, copy.id, &wire.plant.replace("59999", &port)).await.unwrap();
    }
    let sessions = copy.sessions();
    let names = databases(&sessions.open("postgres").await.unwrap()).await.unwrap();
    let planted: BTreeSet<&str> = wires().iter().map(|Planted { slug, .. }| *slug).collect();
    let detected = attest::find(&sessions, &names).await.unwrap();
    assert_eq!(
        planted.iter().filter(|kind| !detected.contains_key(**kind)).collect::<Vec<_>>(),
        Vec::<&&str>::new(),
        "the detector is blind"
    );

    let cut = cut::cut(&sessions).await.unwrap();
    let found: BTreeSet<&str> = cut.iter().map(|wire| wire.kind.as_str()).collect();
    assert_eq!(found, planted);
    assert_eq!(cut::kinds().count(), planted.len() + 1, "a kind without a plant");

    let left = attest::find(&sessions, &names).await.unwrap();
    assert!(left.is_empty(), "{left:#?}");
    assert!(cut::cut(&copy.sessions()).await.unwrap().is_empty(), "a second run finds nothing");
    publisher.set_nonblocking(true).unwrap();
    assert!(publisher.accept().is_err(), "something spoke to the publisher, the partner or the bank");
    let passwords =
        "SELECT coalesce(string_agg(rolname, ','), '') FROM pg_authid WHERE rolpassword IS NOT NULL";
    assert_eq!(copy.ask("rdsadmin", "postgres", passwords).await, "postgres");
    assert_eq!(copy.ask("rdsadmin", "shop", "SELECT count(*)::text FROM public.partner_login").await, "0");
    assert!(
        copy.client("postgres", "shop")
            .await
            .batch_execute("SELECT public.sign('x')")
            .await
            .unwrap_err()
            .to_string()
            .contains("db error")
    );
}

#[tokio::test]
async fn a_wire_that_cannot_be_cut_stops_the_run_and_is_named() {
    let copy = Copy::of_the_shop("stubborn", "16.8", &PARAMETERS).await;
    apply(&copy.engine, copy.id, stubborn().plant).await.unwrap();
    let error = cut::cut(&copy.sessions()).await.unwrap_err();
    assert_eq!(error.name(), "OperationFailed");
    assert!(
        error.to_string().contains("security-label") && error.to_string().contains("customers"),
        "{error}"
    );
}
