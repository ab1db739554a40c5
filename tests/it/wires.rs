//! Live wires: each kind planted, found and cut by a master user who is no superuser.

use std::{collections::BTreeSet, net::TcpListener};

use runbook::postgres::databases;
use sandbox::worlds::{
    findings::{Planted, apply},
    wires::{stubborn, wires},
};
use workers::{
    daily_sync::{attest_sanitized::wires as attest, sanitize_databases::cut},
    shared::roles::{self, Of},
};

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
    let detected = attest::find(&sessions, &names, &[]).await.unwrap();
    assert_eq!(
        planted.iter().filter(|kind| !detected.contains_key(**kind)).collect::<Vec<_>>(),
        Vec::<&&str>::new(),
        "the detector is blind"
    );

    let cut = cut::cut(&sessions, &[]).await.unwrap();
    let found: BTreeSet<&str> = cut.iter().map(|wire| wire.kind.as_str()).collect();
    // Whether a queue's rows go along is in the policy: masking empties it, or copies nothing of
    // it.
    let of_the_cut: BTreeSet<&str> = planted.iter().copied().filter(|kind| *kind != "queue-table").collect();
    assert_eq!(found, of_the_cut);
    assert_eq!(cut::kinds().count(), of_the_cut.len() + 1, "a kind without a plant");
    copy.run("shop", "TRUNCATE public.mail_outbox").await;

    let left = attest::find(&sessions, &names, &[]).await.unwrap();
    assert!(left.is_empty(), "{left:#?}");
    assert!(cut::cut(&copy.sessions(), &[]).await.unwrap().is_empty(), "a second run finds nothing");
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
    let error = cut::cut(&copy.sessions(), &[]).await.unwrap_err();
    assert_eq!(error.name(), "OperationFailed");
    assert!(
        error.to_string().contains("security-label") && error.to_string().contains("customers"),
        "{error}"
    );
}

/// A role that only RDS could let the master user act for, and one that it may act for but does
/// not.
#[tokio::test]
async fn the_master_user_acts_for_owners_and_leaves_them_again() {
    let copy = Copy::empty("owners", "16.8", &[]).await;
    copy.run(
        "shop",
        "CREATE ROLE app NOLOGIN; GRANT app TO CURRENT_USER WITH SET TRUE, INHERIT TRUE;
         GRANT ALL ON SCHEMA public TO app;
         CREATE TABLE of_app (id int); ALTER TABLE of_app OWNER TO app; REVOKE app FROM CURRENT_USER;
         CREATE ROLE bystander NOLOGIN",
    )
    .await;
    copy.client("rdsadmin", "shop")
        .await
        .batch_execute(
            "CREATE ROLE carried NOLOGIN; CREATE TABLE public.of_carried (id int);
             ALTER TABLE public.of_carried OWNER TO carried;
             CREATE ROLE rdsproxyadmin LOGIN; CREATE TABLE public.of_rds (id int);
             ALTER TABLE public.of_rds OWNER TO rdsproxyadmin",
        )
        .await
        .unwrap();
    let member = async |role: &str| {
        let sql = format!("SELECT pg_has_role('postgres', '{role}', 'USAGE')::text");
        copy.ask("rdsadmin", "shop", &sql).await == "true"
    };
    assert!(!member("app").await, "it acts for the owner from the first");
    let client = copy.sessions().open("shop").await.unwrap();
    let memberships = roles::become_member(&client, Of::Owners).await.unwrap();
    assert!(member("app").await && !member("bystander").await);
    assert_eq!(memberships.lacking, ["carried"]);
    memberships.give_back(&client).await.unwrap();
    assert!(!member("app").await);
}

#[tokio::test]
async fn who_merely_sounds_like_rds_cannot_log_in_to_a_copy() {
    let copy = Copy::empty("names", "16.8", &[]).await;
    copy.run("postgres", "CREATE ROLE rds_reporting LOGIN PASSWORD 'theirs'; CREATE ROLE rds_group NOLOGIN")
        .await;
    cut::cut(&copy.sessions(), &[]).await.unwrap();
    let logins =
        "SELECT string_agg(rolname, ',' ORDER BY rolname) FROM pg_roles WHERE rolcanlogin AND NOT rolsuper";
    assert_eq!(copy.ask("rdsadmin", "postgres", logins).await, "postgres");
}

#[tokio::test]
async fn a_slot_of_18_is_kept_when_it_was_read_and_stops_the_upgrade_when_not() {
    const KEPT: &str = include_str!("../../workers/src/major_upgrade/sql/inspect/kept-slot.sql");
    const UNUSABLE: &str = include_str!("../../workers/src/major_upgrade/sql/inspect/unusable-slot.sql");
    let copy = Copy::empty("slots", "18.1", &PARAMETERS).await;
    copy.client("rdsadmin", "shop")
        .await
        .batch_execute("SELECT pg_create_logical_replication_slot('cdc', 'pgoutput')")
        .await
        .unwrap();
    let client = copy.sessions().open("postgres").await.unwrap();
    let slots = async |sql: &str| {
        let rows = client.query(sql, &[]).await.unwrap();
        rows.iter().map(|row| (row.get("object"), row.get("detail"))).collect::<Vec<(String, String)>>()
    };
    assert!(matches!(&slots(KEPT).await[..], [(name, _)] if name == "cdc"));
    assert!(slots(UNUSABLE).await.is_empty());

    copy.run("shop", "CREATE TABLE t AS SELECT repeat(n::text, 100) FROM generate_series(1, 20000) AS n")
        .await;
    assert!(slots(KEPT).await.is_empty());
    let unusable = slots(UNUSABLE).await;
    assert!(
        matches!(&unusable[..], [(name, why)] if name == "cdc" && why.contains("not read, not in use")),
        "{unusable:?}"
    );
}
