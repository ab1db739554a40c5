//! The plans of a rehearsal on real PostgreSQL 16 and 18: what of production's queries is compared,
//! what is told of them, and what planning them may not do. One server is production and clone.

use runbook::{
    Run,
    postgres::Login,
    rehearse_upgrade::plans::{self, Action, Outcome, PlanRegression, Plans, Query},
};
use sandbox::{
    postgres::{SUPERUSER, install},
    rds::engine::{Engine, Parameters},
};
use tokio_postgres::Client;
use workers::rehearse_upgrade::{
    capture_plans::{Captured, capture},
    compare_plans::compare,
};

use crate::{canaries, copy::Copy};

const ID: &str = "plans";
const PARAMETERS: [(&str, &str); 2] =
    [("shared_preload_libraries", "pg_stat_statements"), ("track_activity_query_size", "600")];

/// Two roles, each with an `orders` of its own in its search_path; and functions that are called
/// IMMUTABLE and are not.
const SHOP: &str = "
    CREATE ROLE watcher LOGIN PASSWORD 'watcher-password' IN ROLE pg_monitor;
    CREATE ROLE north; CREATE ROLE south;
    GRANT north, south TO postgres WITH ADMIN OPTION;
    CREATE SCHEMA north AUTHORIZATION north; CREATE SCHEMA south AUTHORIZATION south;
    ALTER ROLE north SET search_path = north;
    ALTER ROLE south IN DATABASE shop SET search_path = south;
    CREATE TABLE north.orders AS SELECT i AS id, 'Zeisigmann ' || i AS name FROM generate_series(1, 20000) i;
    CREATE TABLE south.orders AS TABLE north.orders;
    CREATE UNIQUE INDEX to_drop ON north.orders (id);
    CREATE UNIQUE INDEX to_stay ON south.orders (id);
    CREATE VIEW north.birds AS SELECT * FROM north.orders WHERE name = 'Kanaria Zeisigmann';
    CREATE TABLE north.wrote (by text);
    CREATE FUNCTION north.writes() RETURNS int LANGUAGE plpgsql VOLATILE
        AS $$ BEGIN INSERT INTO north.wrote VALUES (current_user); RETURN 1; END $$;
    CREATE FUNCTION north.writing() RETURNS int LANGUAGE plpgsql IMMUTABLE
        AS $$ BEGIN PERFORM north.writes(); RETURN 1; END $$;
    CREATE FUNCTION north.raising() RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
        IF current_setting('transaction_read_only') = 'on' THEN RAISE 'the card 4711471147114711'; END IF;
        RETURN 1; END $$;
    GRANT ALL ON ALL TABLES IN SCHEMA north TO north; GRANT ALL ON ALL TABLES IN SCHEMA south TO south;
    ALTER TABLE north.orders OWNER TO north; ALTER TABLE south.orders OWNER TO south;
    ANALYZE";

/// What each of them runs.
const HOSTILE: &str = "SELECT max(id) FROM orders";
const SAME: &str = "SELECT name FROM orders WHERE id = 7";
const NORTH: [&str; 6] = [
    "/* of Kanaria Zeisigmann */ SELECT count(*) FROM birds -- 99887766",
    "SELECT now() - interval '1 day' FROM orders LIMIT 1",
    "SELECT id FROM orders WHERE id = writing()",
    "SELECT id FROM orders WHERE id = raising()",
    "UPDATE orders SET name = 'Kanariensitz' WHERE id = 4711",
    "WITH gone AS (SELECT 1) SELECT relname FROM pg_class, gone WHERE relname = 'Kanariensitz'",
];

async fn run(client: &Client, role: &str, sql: &str) {
    let statements = [format!("SET ROLE {role}"), format!("SET search_path = {role}"), sql.into()];
    for statement in statements {
        client.batch_execute(&statement).await.unwrap_or_else(|error| panic!("{error:?} in {statement}"));
    }
    client.batch_execute("RESET ROLE; RESET search_path").await.unwrap();
}

async fn count(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap().get(0)
}

#[track_caller]
fn query<'a>(plans: &'a Plans, role: &str, part: &str) -> &'a Query {
    let has = |query: &&Query| query.text.as_ref().is_some_and(|text| text.contains(part));
    let found = plans.queries.iter().filter(|query| query.role == role).find(has);
    found.unwrap_or_else(|| panic!("no {part} of {role} in {plans:#?}"))
}

#[track_caller]
fn reason(query: &Query) -> &str {
    match &query.outcome {
        Outcome::Lost { reason } | Outcome::Unexplained { reason } => reason,
        Outcome::Compared { .. } => panic!("it was compared: {query:?}"),
    }
}

#[tokio::test]
async fn a_dropped_index_is_a_regression_that_blocks_and_planning_writes_and_tells_nothing() {
    let copy = Copy::on(install().await.expect("PostgreSQL"), ID, "16.14", &PARAMETERS).await;
    let (engine, clone, cx) = (&copy.engine, &copy.trial.login, &copy.trial.cx);
    let superuser = engine.connect(ID, SUPERUSER, "shop").await.unwrap();
    superuser.batch_execute(SHOP).await.unwrap();
    let user = "watcher".to_owned();
    let production = Login { user, password: "watcher-password".into(), ..clone.clone() };

    let captured = capture(cx, &production, clone).await.expect("captured");
    assert!(captured.summary.contains("run CREATE EXTENSION pg_stat_statements"), "{captured:?}");

    superuser.batch_execute("CREATE EXTENSION pg_stat_statements").await.unwrap();
    superuser.batch_execute("SELECT pg_stat_statements_reset()").await.unwrap();
    for sql in NORTH.iter().chain([&SAME]) {
        run(&superuser, "north", sql).await;
    }
    run(&superuser, "south", SAME).await;
    run(&superuser, "south", HOSTILE).await;
    run(&superuser, "south", "CREATE TEMP TABLE passing (x int); SELECT x FROM passing; DROP TABLE passing")
        .await;
    // Of 599 bytes: as long as pg_stat_activity shows.
    let long = |padding| format!("SELECT /*{}*/ count(*) FROM south.orders", "-".repeat(padding));
    run(&superuser, "south", &long(599 - long(0).len())).await;
    let wrote = count(&superuser, "SELECT count(*) FROM north.wrote").await;
    assert!(wrote > 0);

    // Again is harmless.
    capture(cx, &production, clone).await.expect("captured");
    let captured: Captured = capture(cx, &production, clone).await.expect("captured again");
    assert_eq!((captured.explained, captured.unexplained), (5, 5), "{captured:?}");
    assert!(captured.without_tables > 0, "{captured:?}");
    assert_eq!(count(&superuser, "SELECT count(*) FROM north.wrote").await, wrote);
    let members = "SELECT count(*) FROM pg_auth_members WHERE roleid IN ('north'::regrole, 'south'::regrole) \
                   AND grantor = 'postgres'::regrole";
    assert_eq!(count(&superuser, members).await, 0, "the master user is a member of nobody's role any more");
    let sql = "SELECT string_agg(role || ' ' || plan, ' ' ORDER BY role) FROM aurora_runbooks_plans.queries \
               WHERE query LIKE 'SELECT name%'";
    let same: String = superuser.query_one(sql, &[]).await.unwrap().get(0);
    let (north, south) = same.split_once("south ").expect("two roles ran it");
    assert!(north.contains("north.orders") && north.contains("to_drop"), "{same}");
    assert!(south.contains("south.orders") && south.contains("to_stay"), "{same}");
    let plans = "SELECT string_agg(plan, '') FROM aurora_runbooks_plans.queries";
    let plans: String = superuser.query_one(plans, &[]).await.unwrap().get(0);
    assert_eq!(canaries::rows_in(&plans), Vec::<String>::new());

    // Somebody has put another statement behind one, in the clone.
    let hostile = "UPDATE aurora_runbooks_plans.queries SET query = query || '; CREATE TABLE south.evil ()' \
                   WHERE role = 'south' AND query LIKE 'SELECT max%'";
    assert_eq!(superuser.execute(hostile, &[]).await.unwrap(), 1);
    superuser.batch_execute("DROP INDEX north.to_drop").await.unwrap();
    drop(superuser);
    let parameters: Parameters = PARAMETERS.map(|(name, value)| (name.into(), value.into())).into();
    engine.upgrade(ID, "18.4", &parameters).await.expect("pg_upgrade runs").expect("upgraded");

    let run = Run::of("arn:aws:states:eu-central-1:444455556666:execution:rehearse:once");
    let gate = |action| Some(PlanRegression { cost_ratio: 10.0, action });
    let compared = compare(cx, &run, clone, gate(Action::Tell)).await.expect("told");
    let plans: Plans = cx.store.get_json(&plans::key(&run)).await.unwrap().expect("plans.json");
    assert_eq!((plans.compared, plans.changed, plans.costlier, plans.lost), (4, 2, 0, 1), "{plans:#?}");
    let Outcome::Compared { changed: true, ratio, before, after, .. } =
        &query(&plans, "north", "SELECT name").outcome
    else {
        panic!("{plans:#?}");
    };
    assert!(*ratio > 10.0 && before[0].index.as_deref() == Some("to_drop"), "{before:?}");
    assert_eq!((after[0].kind.as_str(), after[0].relation.as_deref()), ("Seq Scan", Some("north.orders")));
    // As before: counted, and not listed.
    for (role, part) in [("south", "SELECT name"), ("north", "birds")] {
        let listed = |query: &&Query| query.role == role && query.text.as_ref().unwrap().contains(part);
        assert_eq!(plans.queries.iter().find(listed), None);
    }
    for (role, part, why) in [
        ("south", "SELECT max(id)", "not one statement that can be prepared"),
        ("north", "interval", "not one statement that can be prepared"),
        ("north", "writing", "runs a function that writes"),
        ("north", "raising", "SQLSTATE P0001"),
        ("south", "passing", "a name in it is unknown"),
        ("south", "count(*)", "may be cut"),
    ] {
        let found = reason(query(&plans, role, part));
        assert!(found.contains(why), "{part}: {found}");
    }
    let worst = compared.worst.as_ref().expect("one is the worst");
    assert!(worst.changed && worst.ratio >= *ratio, "{worst:?}");

    let blocked = compare(cx, &run, clone, gate(Action::Block)).await.expect_err("it is blocked");
    let text = blocked.to_string();
    assert_eq!(blocked.name(), "Blocked", "{text}");
    let id = format!("plan-regression:shop/query {}", query(&plans, "north", "SELECT name").number);
    assert!(
        text.contains(&id) && text.contains("with another plan; the input allows less than 10"),
        "{text}"
    );

    let stored = cx.store.get_text(&plans::key(&run)).await.unwrap().unwrap();
    for told in [stored, text, format!("{captured:?}{compared:?}"), cx.progress.last()] {
        assert_eq!(canaries::rows_in(&told), Vec::<String>::new());
        assert!(!told.contains("/*") && !told.contains("--"), "comments hold what they like: {told}");
    }
    let superuser = engine.connect(ID, SUPERUSER, "shop").await.unwrap();
    assert_eq!(count(&superuser, "SELECT count(*) FROM north.wrote").await, wrote);
    assert_eq!(count(&superuser, "SELECT count(*) FROM pg_class WHERE relname = 'evil'").await, 0);
    engine.delete(ID).await.expect("deleted");
}
