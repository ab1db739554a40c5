//! A password that changes under a worker: read again for a while, then a person must look. Real
//! gear.

use std::time::Duration;

use runbook::{aurora, postgres};
use sandbox::orders::{self, Shape};
use serde_json::json;

use crate::harness::*;

const SHAPE: Shape<'static> = Shape { version: "16.14", parameters: &[], maintenance: false };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_rotated_under_a_worker_is_waited_for_and_read_again() {
    let (sandbox, _) = real(SHAPE).await;
    let cx = orders::context(&sandbox);
    let cluster = aurora::cluster(&cx, orders::CLUSTER).await.unwrap();
    let before = aurora::login(&cx, &cluster, None).await.unwrap();
    let session = postgres::connect(&cx, &before, "shop").await.unwrap();

    let modify = sandbox.rds_client().modify_db_cluster().db_cluster_identifier(orders::CLUSTER);
    modify.rotate_master_user_password(true).apply_immediately(true).send().await.unwrap();
    for _ in 0..100 {
        if !postgres::accepts(&cx, &before).await.unwrap() {
            break;
        }
        cx.clock.sleep(Duration::from_secs(5)).await;
    }
    session.query_one("SELECT 1", &[]).await.expect("the session that was open goes on");
    let error = postgres::connect(&cx, &before, "shop").await.map(drop).unwrap_err();
    let waits = error.waiting_for().unwrap_or_else(|| panic!("{}: {error}", error.name()));
    assert!(waits.contains("password authentication failed"), "{waits}");
    let rotated = aurora::login(&cx, &cluster, None).await.unwrap();
    assert_ne!(rotated.password, before.password);

    // The secret says the new one only minutes later.
    let late = cx
        .secrets
        .create_secret()
        .name("late")
        .secret_string(json!({"username": before.user, "password": before.password}).to_string());
    let late = late.send().await.unwrap().arn.unwrap();
    let start = cx.clock.now();
    let (login, ()) = tokio::join!(aurora::login(&cx, &cluster, Some(&late)), async {
        cx.clock.sleep(Duration::from_secs(3 * 60)).await;
        let value = json!({"username": rotated.user, "password": rotated.password}).to_string();
        cx.secrets.put_secret_value().secret_id(&late).secret_string(value).send().await.unwrap();
    });
    let minutes = cx.clock.now().duration_since(start).as_mins();
    assert!((3..10).contains(&minutes), "{minutes} minutes");
    postgres::connect(&cx, &login.unwrap(), "shop").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_stays_wrong_for_ten_minutes_is_refused_with_what_to_put_where() {
    let (sandbox, _) = real(SHAPE).await;
    let secret = json!({"username": "postgres", "password": "yesterday's"}).to_string();
    let create = orders::context(&sandbox).secrets.create_secret().name("wrong").secret_string(secret);
    let mut input = to_18();
    input["secretArn"] = json!(create.send().await.unwrap().arn);
    let refused = run(&sandbox, "wrong-password", &input).await.failed("Refused");
    assert_eq!(refused.states(), ["ResolveUpgrade", "InspectDatabases"]);
    refused.says(&[
        "PostgreSQL has refused the login of postgres for 10 min",
        "put the present user name and password of a role that may connect into the secret",
        "redrive",
    ]);
    assert!(!refused.cause.contains("yesterday's"), "{}", refused.cause);
    let calls = sandbox.gateway.calls().into_iter();
    let read: Vec<_> = calls
        .filter(|call| call.principal == "inspect-databases" && call.action == "GetSecretValue")
        .map(|call| call.at)
        .collect();
    let minutes = read[read.len() - 1].duration_since(read[0]).as_mins();
    assert!((9..12).contains(&minutes) && read.len() > 10, "read {} times in {minutes} min", read.len());
    assert_eq!(mutations(&sandbox), Vec::<String>::new(), "nothing was changed");
}
