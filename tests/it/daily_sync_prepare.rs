//! PrepareTarget as it is shipped, on real PostgreSQL.

use std::time::Duration;

use aws_sdk_rds::types::Tag;
use runbook::{
    Run, aurora,
    daily_sync::{
        names,
        tags::{self, Role},
    },
    postgres::Login,
};
use sandbox::{Options, Sandbox, aws, orders, permissions, statemachine};
use serde_json::{Value, json};

const V16: &str = "16.14";

const POLICY: &str = r#"
syncs:
  orders:
    source:
      account: "111122223333"
      role: arn:aws:iam::111122223333:role/aurora-runbooks-source
      cluster: orders-production
      snapshot: {type: automated, max-age: 26h}
      kms-key: alias/sync
    schedule: {cron: 30 3 * * MON-FRI, time-zone: Europe/Berlin}
    quarantine:
      instance-class: db.r6g.large
      subnet-group: q
      security-group: sg-q
      cluster-parameter-group: q
      kms-key: alias/env
    targets:
      - cluster: orders-dev
        account: "444455556666"
        instance-class: db.r6g.large
        subnet-group: dev
        security-groups: [sg-dev]
        cluster-parameter-group: dev
        roles:
          - name: app_dev
            login: true
            secret: orders-dev/app
            databases: [shop]
            grants: ["SELECT, INSERT ON ALL TABLES IN SCHEMA public"]
          - {name: readers, databases: [shop], grants: ["USAGE ON SCHEMA public"]}
        keep-tables:
          - {database: shop, table: public.feature_flags}
          - {database: shop, table: public.added_today}
        settings: {shop: {search_path: 'public, "$user"', statement_timeout: 61s}}
        smoke:
          - {database: shop, sql: SELECT count(*) = 3 FROM feature_flags}
        keep-old: {count: 1, age: 48h}
    masking:
      key-secret: k
      databases:
        shop:
          public.feature_flags: {id: keep, name: keep, enabled: keep}
          public.added_today: {id: keep}
"#;

const FLAGS: &str = "CREATE TABLE feature_flags (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name \
text NOT NULL UNIQUE, enabled bool, \
                     label text GENERATED ALWAYS AS (name || '!') STORED)";

/// The task of the real ASL, alone: its variables come from the input.
fn machine() -> Value {
    let source: Value = serde_json::from_str(&statemachine::source("daily-sync").unwrap()).unwrap();
    let branch = &source["States"]["Sync"]["Branches"][0]["States"]["RefreshTargets"]["ItemProcessor"];
    let mut task = branch["States"]["RefreshTarget"]["Branches"][0]["States"]["PrepareTarget"].clone();
    task.as_object_mut().unwrap().remove("Next");
    task["End"] = true.into();
    let begin = json!({
        "Type": "Pass",
        "Assign": {"plan": "{% $states.input.plan %}", "fresh": "{% $states.input.fresh %}"},
        "Next": "PrepareTarget",
    });
    json!({"QueryLanguage": "JSONata", "StartAt": "Begin", "States": {"Begin": begin, "PrepareTarget": task}})
}

async fn cluster(
    sandbox: &Sandbox,
    name: &str,
    version: &str,
    tags: Vec<Tag>,
) -> (String, tokio_postgres::Client) {
    let rds = sandbox.rds_client();
    let create = rds
        .create_db_cluster()
        .db_cluster_identifier(name)
        .engine("aurora-postgresql")
        .engine_version(version);
    let create = create
        .master_username("postgres")
        .manage_master_user_password(true)
        .database_name("shop")
        .set_tags(Some(tags));
    let made = create.send().await.unwrap().db_cluster.unwrap();
    let instance =
        rds.create_db_instance().db_instance_identifier(names::instance(name)).db_cluster_identifier(name);
    instance.engine("aurora-postgresql").db_instance_class("db.r6g.large").send().await.unwrap();
    let login = available(sandbox, name).await;
    (made.db_cluster_resource_id.unwrap(), orders::connect(&login, "shop").await.unwrap())
}

async fn available(sandbox: &Sandbox, name: &str) -> Login {
    let cx = orders::context(sandbox);
    for _ in 0..200 {
        let cluster = aurora::cluster(&cx, name).await.unwrap();
        let members = aurora::members(&cx, &cluster).await.unwrap();
        if !members.is_empty() && aurora::ready(&cluster, &members).is_ok() {
            return aurora::read_login(&cx, &cluster, None).await.unwrap();
        }
        sandbox.clock.sleep(Duration::from_secs(10)).await;
    }
    panic!("{name} is never available");
}

/// The machine of PrepareTarget alone, and the policy that SelectSnapshot keeps for each run.
async fn deploy(sandbox: &Sandbox, runs: &[&str]) {
    for run in runs {
        let kept = format!("runs/{run}/policy.yaml");
        orders::context(sandbox).store.put(&kept, "application/yaml", POLICY.into()).await.unwrap();
    }
    let create = sandbox.sfn().create_state_machine().name("aurora-runbooks-prepare");
    let create = create.definition(statemachine::render(&machine().to_string()).unwrap());
    create.role_arn(permissions::role_arn("daily-sync", aws::ACCOUNT)).send().await.unwrap();
}

/// The name and the tags of the cluster that a run restores for `orders-dev`.
fn fresh_of(run: &str) -> (String, Vec<Tag>) {
    let run = Run::of(&aws::arn("states", &format!("execution:aurora-runbooks-prepare:{run}")));
    let mut all = tags::of(&run, "orders", Role::Fresh);
    all.extend([tags::tag(tags::TARGET, "orders-dev"), tags::tag(tags::ATTESTED_RUN, run.name())]);
    (names::fresh("orders-dev", &run), all)
}

async fn prepare(sandbox: &Sandbox, name: &str, input: &Value) -> Result<Value, String> {
    let machine = aws::arn("states", "stateMachine:aurora-runbooks-prepare");
    let started = sandbox
        .sfn()
        .start_execution()
        .state_machine_arn(machine)
        .name(name)
        .input(input.to_string())
        .send()
        .await
        .unwrap();
    let ended = sandbox.wait(&started.execution_arn).await.unwrap();
    match ended.output() {
        Some(output) => Ok(serde_json::from_str(output).unwrap()),
        None => Err(format!("{}: {}", ended.error().unwrap_or_default(), ended.cause().unwrap_or_default())),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_cluster_becomes_the_environments() {
    let sandbox = Sandbox::start(Options::real()).await.unwrap();
    let cx = orders::context(&sandbox);
    deploy(&sandbox, &["first", "second", "third", "fourth"]).await;
    cx.secrets.create_secret().name("orders-dev/app").secret_string(r#"{"theirs": 1}"#).send().await.unwrap();
    let (fresh_name, all) = fresh_of("first");
    let ((former, present), (resource_id, fresh)) =
        tokio::join!(cluster(&sandbox, "orders-dev", V16, vec![]), cluster(&sandbox, &fresh_name, V16, all));
    present.batch_execute(FLAGS).await.unwrap();
    present
        .batch_execute(
            "INSERT INTO feature_flags (name, enabled) VALUES ('a', true), ('b', false), ('it''s', NULL)",
        )
        .await
        .unwrap();
    // Production has more rows, another owner, a column less and one more, and a table that the
    // environment does not have yet.
    fresh
        .batch_execute(&format!(
            "CREATE ROLE shop_owner NOLOGIN; GRANT shop_owner TO CURRENT_USER;
             GRANT CREATE ON SCHEMA public TO shop_owner; SET ROLE shop_owner;
             {FLAGS}; ALTER TABLE feature_flags ADD added int DEFAULT 7;
             INSERT INTO feature_flags (name, enabled) SELECT 'p' || n, true FROM generate_series(1, 10) n;
             CREATE TABLE added_today (id int); INSERT INTO added_today VALUES (1); RESET ROLE"
        ))
        .await
        .unwrap();

    let fresh_input =
        json!({"target": "orders-dev", "cluster": fresh_name, "resourceId": resource_id, "former": former});
    let input = json!({"plan": {"sync": "orders", "deadline": "1h"}, "fresh": fresh_input});
    let output = prepare(&sandbox, "first", &input).await.unwrap();
    assert_eq!(output["kept"], json!([{"database": "shop", "table": "public.feature_flags", "rows": 3}]));
    let rows = fresh
        .query(
            "SELECT name || coalesce(enabled::text, '-') || label || added FROM feature_flags ORDER BY 1",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(
        rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>(),
        ["atruea!7", "bfalseb!7", "it's-it's!7"]
    );
    let next: i64 = fresh
        .query_one("INSERT INTO feature_flags (name) VALUES ('next') RETURNING id", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(next, 11, "no id that production has used comes again");
    fresh.batch_execute("DELETE FROM feature_flags WHERE name = 'next'").await.unwrap();

    // The role logs in with what its secret says, and what others keep in the secret stays.
    let secret = || serde_json::from_str::<Value>(&sandbox.secrets.value("orders-dev/app").unwrap()).unwrap();
    let first = secret();
    assert_eq!((&first["theirs"], &first["username"]), (&json!(1), &json!("app_dev")));
    let described = aurora::cluster(&cx, &fresh_name).await.unwrap();
    let mut login = aurora::read_login(&cx, &described, None).await.unwrap();
    (login.user, login.password) = ("app_dev".into(), first["password"].as_str().unwrap().into());
    let app = orders::connect(&login, "shop").await.unwrap();
    let path: String = app.query_one("SHOW search_path", &[]).await.unwrap().get(0);
    assert_eq!(path, "public, \"$user\"");
    app.batch_execute("SELECT FROM feature_flags").await.unwrap();
    app.batch_execute("DELETE FROM feature_flags").await.unwrap_err();

    // Another day's cluster, here the same one with that day's tags: the environment's clients keep
    // their password.
    let add = sandbox.rds_client().add_tags_to_resource().resource_name(described.arn.to_string());
    add.tags(tags::tag(tags::EXECUTION, "second"))
        .tags(tags::tag(tags::ATTESTED_RUN, "second"))
        .send()
        .await
        .unwrap();
    prepare(&sandbox, "second", &input).await.unwrap();
    assert_eq!(secret(), first);

    // Without this run's attestation, and with a smoke query that says no, nobody is sent to it.
    assert!(prepare(&sandbox, "third", &input).await.unwrap_err().starts_with("Conflict"));
    present.batch_execute("DELETE FROM feature_flags WHERE name = 'a'").await.unwrap();
    let add = sandbox.rds_client().add_tags_to_resource().resource_name(described.arn.to_string());
    add.tags(tags::tag(tags::EXECUTION, "fourth"))
        .tags(tags::tag(tags::ATTESTED_RUN, "fourth"))
        .send()
        .await
        .unwrap();
    let error = prepare(&sandbox, "fourth", &input).await.unwrap_err();
    assert!(
        error.starts_with("OperationFailed") && error.contains("SELECT count(*) = 3 FROM feature_flags"),
        "{error}"
    );
}

/// Roles and a table from before 16, as they come through pg_upgrade: nobody has ADMIN OPTION.
#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_done_with_roles_from_before_16_is_reported_once_and_whole() {
    let sandbox = Sandbox::start(Options { postgres_15: true, ..Options::real() }).await.unwrap();
    deploy(&sandbox, &["old", "again"]).await;
    orders::context(&sandbox)
        .secrets
        .create_secret()
        .name("orders-dev/app")
        .secret_string("{}")
        .send()
        .await
        .unwrap();
    let (name, all) = fresh_of("old");
    let (resource_id, master) = cluster(&sandbox, &name, "15.18", all).await;
    master
        .batch_execute(
            "CREATE ROLE app_dev; CREATE ROLE shop_owner; GRANT shop_owner TO CURRENT_USER;
             GRANT CREATE ON SCHEMA public TO shop_owner; SET ROLE shop_owner;
             CREATE TABLE orders (id int); RESET ROLE; REVOKE shop_owner FROM CURRENT_USER",
        )
        .await
        .unwrap();
    let upgrade = sandbox.rds_client().modify_db_cluster().db_cluster_identifier(&name);
    let upgrade = upgrade.engine_version(V16).allow_major_version_upgrade(true).apply_immediately(true);
    upgrade.send().await.unwrap();
    sandbox.clock.sleep(Duration::from_secs(600)).await;
    let login = available(&sandbox, &name).await;
    let master = orders::connect(&login, "shop").await.unwrap();
    let look = "SELECT current_setting('server_version_num')::int / 10000,
                       (SELECT count(*) FROM pg_auth_members
                        WHERE roleid IN ('app_dev'::regrole, 'shop_owner'::regrole))";
    let row = master.query_one(look, &[]).await.unwrap();
    assert_eq!((row.get::<_, i32>(0), row.get::<_, i64>(1)), (16, 0));

    let fresh = json!({"target": "orders-dev", "cluster": name, "resourceId": resource_id, "former": null});
    let input = json!({"plan": {"sync": "orders", "deadline": "1h"}, "fresh": fresh});
    let error = prepare(&sandbox, "old", &input).await.unwrap_err();
    for part in [
        "OperationFailed",
        "PostgreSQL refuses 2 statements of postgres",
        "- ALTER ROLE \"app_dev\" LOGIN;\n    permission denied to alter role Only roles with the CREATEROLE \
         attribute and the ADMIN option on role \"app_dev\" may alter this role.",
        "- GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO \"app_dev\"; -- in shop\n    permission \
         denied for table orders",
        "name roles in the policy that production does not have",
    ] {
        assert!(error.contains(part), "{part:?} is not said:\n{error}");
    }
    assert!(!error.contains("SCRAM"), "{error}");
}
