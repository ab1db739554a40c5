//! Masking on real servers: what must hold afterwards holds, what must be gone is gone.

use std::collections::BTreeSet;

use policy::Masking;
use runbook::{
    Error,
    postgres::{failed, query_failed},
};
use serde_json::{Value, json};
use workers::{daily_sync::sanitize_databases::look, shared::sessions::Lanes};

use crate::copy::{Copy, KEY};

const PARAMETERS: [(&str, &str); 2] =
    [("shared_preload_libraries", "pg_stat_statements"), ("pg_stat_statements.track", "all")];

/// Raw values of the shop and of the zoo, as bytes in a file.
const RAW: [&str; 8] = [
    "rawmark",
    "Rawmark",
    "@mail.example",
    "@post.example",
    "@inbox.example",
    "@firm.example",
    "Lindenstra",
    "+49 ",
];

fn policy() -> Value {
    json!({
        "key-secret": "masking-key",
        "databases": {
            "shop": {
                "large-objects": "truncate",
                "public.customers": {
                    "id": "integer", "email": "email", "first_name": "name", "last_name": "name",
                    "full_name": "keep", "phone": "phone",
                    "birth_date": {"rule": "date-shift", "days": 30}, "street": "address",
                    "postcode": "keep", "city": "keep", "preferences": "keep",
                    "profile": {"rule": "json", "paths": {"$.nickname": "name", "$.device.ip": "ip"}},
                    "created_at": "keep",
                },
                "public.products": {"id": "keep", "sku": "keep", "name": "keep", "description": "keep",
                    "attributes": "keep", "price": "keep"},
                "public.orders": {
                    "id": "keep", "placed_at": "keep", "customer_id": "integer", "status": "keep",
                    "ship_to": "address", "note": "free-text",
                },
                "public.order_items": {
                    "id": "keep", "order_id": "keep", "placed_at": "keep", "product_id": "keep",
                    "quantity": "keep", "unit_price": "keep",
                },
                "zoo.person": {
                    "id": "integer", "email": "email", "login": "hash", "phone": "phone",
                    "other_addresses": "email", "second": "email",
                    "profile": {"rule": "json",
                        "paths": {"$.email": "email", "$.age": {"rule": "numeric", "min": 18, "max": 90},
                            "$.cards[*].holder": "name", "$.cards[*].type": "keep", "$.cards[*]": "keep",
                            "$.theme": "keep"}},
                    "born": {"rule": "date-shift", "days": 20}, "note": "free-text", "salary": "numeric",
                    "address": "ip", "homepage": "url",
                    "token": "uuid", "fingerprint": "hash", "code": "hash", "active": "keep",
                    "friend": "integer",
                },
                "zoo.membership": {"person": "integer", "team": "hash", "since": "keep"},
                "zoo.badge": {"id": "uuid", "person": "integer", "team": "hash"},
                "zoo.visit": {"email": "email", "person": "integer", "at": "keep", "agent": "free-text"},
                "zoo.audited": {"id": "keep", "name": "name", "hidden": "keep"},
                "zoo.audit_trail": {"id": "keep", "old_name": "null"},
                "zoo.animal": {"id": "keep", "keeper": "name"},
                "zoo.lion": {"id": "keep", "keeper": "name", "mane": {"rule": "constant", "value": "short"}},
                "zoo.session": "truncate",
                "zoo.address": {"full_name": "name", "street": "address"},
            },
            "billing": {
                "ledger.accounts": {"id": "keep", "holder": "name", "iban": "hash", "tax_number": "hash",
                    "parent_id": "keep"},
                "ledger.invoices": {"number": "keep", "account_id": "keep", "issued_on": "keep",
                    "net": "keep", "vat": "keep", "contact_email": "email"},
                "ledger.payments": {
                    "id": "keep", "invoice": "keep", "amount": "keep",
                    "card_last4": {"rule": "sql",
                        "expression": "lpad((length(card_last4) * 7)::text, 4, '0')"},
                    "payer_ip": "ip", "paid_at": "keep",
                },
                "ledger.rates": {"account_id": "keep", "valid": "keep", "rate": "keep"},
            },
            "customer-events": {
                "public.Event": {
                    "eventId": "keep", "occurredAt": "keep", "customer": "integer",
                    "payload": {"rule": "json", "paths": {"$.email": "email", "$.at": "keep",
                        "$.type": "keep"}}, "tags": "keep",
                },
                "public.empty_so_far": {"id": "keep", "note": "free-text"},
            },
        },
    })
}

fn masking(value: Value) -> Masking {
    serde_json::from_value(value).expect("the policy is well-formed")
}

/// What must be the same before and after: a question and its database.
const SAME: [(&str, &str); 17] = [
    (
        "shop",
        "SELECT count(*)::text FROM public.orders AS o JOIN public.customers AS c ON c.id = o.customer_id",
    ),
    (
        "shop",
        "SELECT count(DISTINCT email)::text || ' ' || count(DISTINCT id) || ' ' || count(phone) FROM \
        public.customers",
    ),
    (
        "shop",
        "SELECT string_agg(n::text, ',' ORDER BY n) FROM (SELECT count(*) AS n FROM public.orders GROUP BY \
        customer_id) AS t",
    ),
    ("shop", "SELECT count(*)::text FROM public.customers WHERE full_name = first_name || ' ' || last_name"),
    (
        "shop",
        "SELECT count(*) || ' ' || count(DISTINCT p.token) FROM zoo.person AS p JOIN zoo.visit AS v ON \
        v.person = p.id AND v.email = p.email",
    ),
    (
        "shop",
        "SELECT count(*)::text FROM zoo.badge AS b JOIN zoo.membership AS m USING (person, team) JOIN \
        zoo.person AS p ON p.id = b.person",
    ),
    ("shop", "SELECT count(*)::text FROM zoo.person AS p JOIN zoo.person AS f ON f.id = p.friend"),
    (
        "shop",
        "SELECT sum(cardinality(other_addresses))::text || ' ' || count(DISTINCT phone) || ' ' || \
        sum(length(note)) FROM zoo.person",
    ),
    (
        "shop",
        "SELECT count(*)::text FROM zoo.person WHERE profile ->> 'theme' = 'dark' AND profile -> 'cards' -> \
        0 ->> 'type' = 'debit' AND profile -> 'cards' ->> 1 = 'none'",
    ),
    (
        "shop",
        "SELECT string_agg(tableoid::regclass || ' ' || n, ',' ORDER BY tableoid::regclass::text) FROM \
        (SELECT tableoid, count(*) AS n FROM zoo.animal GROUP BY 1) AS t",
    ),
    ("shop", "SELECT sum(hidden::int)::text FROM zoo.audited"),
    ("shop", "SELECT count(*)::text FROM zoo.audit_trail"),
    (
        "billing",
        "SELECT count(*)::text FROM ledger.accounts AS a JOIN ledger.invoices AS i ON i.account_id = a.id",
    ),
    (
        "billing",
        "SELECT count(DISTINCT iban)::text || ' ' || count(DISTINCT contact_email) FROM ledger.accounts, \
        LATERAL (SELECT contact_email FROM ledger.invoices WHERE account_id = id) AS i",
    ),
    ("shop", SHAPE),
    ("billing", SHAPE),
    ("customer-events", SHAPE),
];

/// Columns, constraints, indexes, triggers, policies, views, grants and comments.
const SHAPE: &str = "
    SELECT string_agg(line, E'\\n' ORDER BY line) FROM (
        SELECT format('%s.%s %s %s %s %s %s', attrelid::regclass, attname,
                format_type(atttypid, atttypmod), attnotnull, attcollation, attidentity, attacl) AS line
            FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped
        UNION ALL SELECT format('%s %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid),
                convalidated) FROM pg_constraint
        UNION ALL SELECT pg_get_indexdef(indexrelid) || indisvalid FROM pg_index
        UNION ALL SELECT pg_get_triggerdef(oid) || tgenabled::text FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT format('%s %s', pg_get_ruledef(oid), ev_enabled) FROM pg_rewrite
        UNION ALL SELECT format('%s %s', polname, pg_get_expr(polqual, polrelid)) FROM pg_policy
        UNION ALL SELECT format('%s %s %s %s %s %s', oid::regclass, relkind, relowner, relacl,
                relrowsecurity, relforcerowsecurity) FROM pg_class WHERE relkind <> 'S'
        UNION ALL SELECT format('%s %s', pg_describe_object(classoid, objoid, objsubid), description)
            FROM pg_description WHERE objoid >= 16384
    ) AS all_of_it WHERE line NOT LIKE 'pg_toast%' AND line NOT LIKE '%pg_toast.%'";

async fn ask_all(copy: &Copy) -> Vec<String> {
    let mut answers = Vec::new();
    for (database, question) in SAME {
        answers.push(format!("{question}: {}", copy.ask("rdsadmin", database, question).await));
    }
    answers
}

async fn emails(copy: &Copy, database: &str, question: &str) -> BTreeSet<String> {
    let rows = copy.client("rdsadmin", database).await.query(question, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Addresses that the customers and, in another database, the events have in common.
async fn common(copy: &Copy) -> usize {
    let customers = emails(copy, "shop", "SELECT email::text FROM public.customers").await;
    let events = emails(copy, "customer-events", "SELECT DISTINCT payload ->> 'email' FROM \"Event\"").await;
    customers.intersection(&events).count()
}

async fn a_zoo(id: &'static str) -> Copy {
    let copy = Copy::of_the_shop(id, "16.8", &PARAMETERS).await;
    copy.run("shop", include_str!("../data/masking/zoo.sql")).await;
    copy.client("rdsadmin", "shop")
        .await
        .batch_execute("GRANT EXECUTE ON FUNCTION pg_stat_statements_reset TO rds_superuser")
        .await
        .unwrap();
    // Some addresses that both databases know.
    copy.run(
        "customer-events",
        "UPDATE \"Event\" SET payload = jsonb_set(payload, '{email}', '\"anna.schmidt143@mail.example\"') \
        WHERE \"eventId\" % 1000 = 0",
    )
    .await;
    copy.run("shop", "UPDATE public.customers SET email = 'anna.schmidt143@mail.example' WHERE id = 143")
        .await;
    copy
}

/// The zoo without the shop round it.
async fn only_a_zoo(id: &'static str) -> Copy {
    let copy = Copy::empty(id, "16.8", &PARAMETERS).await;
    copy.run("postgres", include_str!("../../sandbox/data/shop/roles.sql")).await;
    copy.run("postgres", "ALTER DATABASE shop OWNER TO shop_owner").await;
    copy.run("shop", "CREATE EXTENSION citext").await;
    copy.run("shop", include_str!("../data/masking/zoo.sql")).await;
    copy
}

#[tokio::test]
async fn keys_joins_and_everything_round_the_values_hold_and_no_raw_value_is_left_on_disk() {
    let copy = a_zoo("masking").await;
    let masking = masking(policy());
    // The settings of roles and databases are wires; they go before.
    copy.trial.cut(&masking).await.unwrap();
    let (before, common_before) = (ask_all(&copy).await, common(&copy).await);
    assert!(common_before > 0);
    assert!(!copy.leaks(&RAW).await.is_empty(), "the test finds what it looks for");

    let wrong = copy.sanitise(&masking).await.unwrap_or_else(|error| panic!("{error}"));
    assert!(wrong.is_empty(), "{wrong:#?}");
    for (before, after) in before.iter().zip(ask_all(&copy).await) {
        similar(before, &after);
    }
    assert_eq!(common(&copy).await, common_before, "equal values of two databases are equal no more");
    assert_eq!(copy.leaks(&RAW).await, Vec::<String>::new());
    let view = copy
        .ask(
            "rdsadmin",
            "shop",
            "SELECT count(*) || ' ' || count(*) FILTER (WHERE login ~ \
        '^[0-9a-f]{40}$') FROM zoo.people_by_letter",
        )
        .await;
    assert_eq!(view, "3000 3000");
    assert_eq!(
        copy.ask(
            "rdsadmin",
            "shop",
            "SELECT count(*)::text FROM pg_stat_statements WHERE query LIKE '%masking key%'"
        )
        .await,
        "0"
    );
    copy.run(
        "shop",
        "SET search_path = zoo, public; INSERT INTO person (email, login, profile, salary, \
    token) VALUES ('new@x', 'newcomer', '{}', 1, md5('x')::uuid)",
    )
    .await;
}

/// The lines that differ, not two pages.
fn similar(before: &str, after: &str) {
    let (old, new): (BTreeSet<&str>, BTreeSet<&str>) = (before.lines().collect(), after.lines().collect());
    let gone: Vec<_> = old.difference(&new).collect();
    let came: Vec<_> = new.difference(&old).collect();
    assert!(gone.is_empty() && came.is_empty(), "gone: {gone:#?}\ncame: {came:#?}");
}

#[tokio::test]
async fn killed_between_two_tables_and_run_again_it_comes_to_the_same_end() {
    let (whole, killed) = tokio::join!(only_a_zoo("whole"), only_a_zoo("killed"));
    let mut policy = policy();
    policy["databases"].as_object_mut().unwrap().retain(|database, _| database == "shop");
    policy["databases"]["shop"].as_object_mut().unwrap().retain(|table, _| !table.starts_with("public."));
    let masking = masking(policy);
    assert_eq!(whole.sanitise(&masking).await.unwrap(), Vec::<String>::new());

    killed.trial.cut(&masking).await.unwrap();
    let mut attempts = 0;
    loop {
        // Longer each time: some of it is done when the axe falls.
        attempts += 1;
        let longer = std::time::Duration::from_millis(100 * attempts * attempts);
        match tokio::time::timeout(longer, killed.trial.mask(&masking, &[], KEY)).await {
            Ok(Err(Error::NotReady(_))) | Err(_) => {}
            Ok(done) => {
                done.unwrap();
                break;
            }
        }
    }
    assert!(attempts > 1, "it was never killed");
    // Once more when all is done: nothing is done.
    let done = killed.trial.mask(&masking, &[], KEY).await.unwrap();
    assert_eq!(done.len(), 1);
    assert_eq!(killed.trial.attest(&masking, KEY).await.unwrap().wrong, Vec::<String>::new());
    let ours = "SELECT count(*)::text FROM pg_database WHERE datname LIKE 'aurora%'";
    assert_eq!(killed.ask("rdsadmin", "postgres", ours).await, "0");
    similar(&whole.ask("rdsadmin", "shop", SHAPE).await, &killed.ask("rdsadmin", "shop", SHAPE).await);
    for table in
        ["zoo.person", "zoo.membership", "zoo.badge", "zoo.visit", "zoo.audited", "zoo.lion", "zoo.address"]
    {
        let sum = format!("SELECT md5(string_agg(t::text, E'\\n' ORDER BY t::text)) FROM {table} AS t");
        assert_eq!(
            whole.ask("rdsadmin", "shop", &sum).await,
            killed.ask("rdsadmin", "shop", &sum).await,
            "{table}"
        );
    }
}

#[tokio::test]
async fn killed_before_a_database_that_sessions_begin_in_has_its_name_again_it_comes_to_the_same_end() {
    let copy = only_a_zoo("names").await;
    let mut policy = policy();
    policy["databases"].as_object_mut().unwrap().retain(|database, _| database == "shop");
    policy["databases"]["shop"].as_object_mut().unwrap().retain(|table, _| !table.starts_with("public."));
    let masking = masking(policy);
    copy.trial.cut(&masking).await.unwrap();
    let templates = "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database WHERE datistemplate";
    for (database, beside) in [("postgres", "shop"), ("template1", "shop")] {
        let whole = copy.trial.seal(KEY).name(database, "whole");
        copy.run(beside, &format!("ALTER DATABASE {database} RENAME TO \"{whole}\"")).await;
        copy.trial.mask(&masking, &[], KEY).await.unwrap();
        assert_eq!(copy.ask("rdsadmin", "shop", templates).await, "template0 template1");
    }
    assert_eq!(copy.trial.attest(&masking, KEY).await.unwrap().wrong, Vec::<String>::new());
}

#[tokio::test]
async fn however_the_rows_are_spread_over_sessions_the_same_is_found() {
    let mut copy = only_a_zoo("lanes").await;
    let mut policy = policy();
    policy["databases"].as_object_mut().unwrap().retain(|database, _| database == "shop");
    policy["databases"]["shop"].as_object_mut().unwrap().retain(|table, _| !table.starts_with("public."));
    let masking = masking(policy);
    let originals = copy.ask("rdsadmin", "shop", "SELECT array_agg(email)::text FROM zoo.person").await;
    assert_eq!(copy.sanitise(&masking).await.unwrap(), Vec::<String>::new());
    let pages = "SELECT (pg_relation_size('zoo.person') / 8192 > 20)::text";
    assert_eq!(copy.ask("rdsadmin", "shop", pages).await, "true", "there are pages to spread");
    let last = |number: usize, set: &str| {
        format!(
            "SET session_replication_role = replica; UPDATE zoo.person AS p SET {set} \
             FROM (SELECT ctid, row_number() OVER (ORDER BY ctid DESC) AS n FROM zoo.person) AS x, \
             unnest('{originals}'::text[]) WITH ORDINALITY AS r (email, n) \
             WHERE x.n = r.n AND p.ctid = x.ctid AND r.n <= {number}"
        )
    };
    copy.run("shop", &last(900, "note = 'write to ' || r.email")).await;
    copy.run("shop", "UPDATE zoo.lion SET mane = 'long' WHERE id = (SELECT max(id) FROM zoo.lion)").await;
    copy.run("shop", "DELETE FROM zoo.visit WHERE at = (SELECT max(at) FROM zoo.visit)").await;
    let spread = copy.trial.attest(&masking, KEY).await.unwrap();
    copy.trial.lanes = Some(Lanes::over(1));
    let whole = copy.trial.attest(&masking, KEY).await.unwrap();
    // The server takes dead rows away whenever it likes.
    let lasting = |wrong: &[String]| {
        wrong.iter().filter(|line| !line.ends_with("dead rows")).cloned().collect::<Vec<_>>()
    };
    assert_eq!(lasting(&spread.wrong), lasting(&whole.wrong));
    assert_eq!((spread.counts, spread.summary), (whole.counts, whole.summary));
    let wrong = whole.wrong.join("\n");
    for part in [
        "shop: zoo.person.note holds original values of shop: zoo.person.email in ",
        "shop: zoo.lion.mane: 1 other values than the rule makes are there (rule constant)",
        "shop: zoo.visit.email: ",
    ] {
        assert!(wrong.contains(part), "{part:?} is missing in:\n{wrong}");
    }
}

#[tokio::test]
async fn what_nobody_has_decided_about_stops_the_run_with_the_lines_to_paste() {
    let copy = a_zoo("undecided").await;
    copy.run(
        "shop",
        "ALTER TABLE public.customers ADD nickname text; CREATE TABLE public.referrals (id int PRIMARY KEY, \
        \"E-Mail\" text, \"on\" date)",
    )
    .await;
    copy.run("postgres", "CREATE DATABASE archive; ").await;
    copy.run("postgres", "ALTER DATABASE archive ALLOW_CONNECTIONS false").await;
    let mut policy = policy();
    let shop = &mut policy["databases"]["shop"];
    shop["large-objects"].take();
    shop["public.gone"] = json!({"id": "keep"});
    shop["public.products"]["colour"] = json!("keep");
    shop["zoo.visit_2024"] = json!("truncate");
    shop["zoo.membership"]["person"] = json!("keep");
    shop["public.customers"]["birth_date"] = json!("email");
    shop["public.customers"]["city"] = json!("null");
    let Err(Error::Blocked(findings)) = look(&copy.sessions(), &masking(policy)).await else {
        panic!("it is not blocked")
    };
    let text = Error::Blocked(findings).to_string();
    for part in [
        "unclassified-column:shop/public.customers",
        "  shop:\n    public.customers:\n      nickname: name",
        "unclassified-table:shop/public.referrals",
        "    public.referrals:\n      id: keep\n      E-Mail: email\n      \"on\": keep",
        "unclassified-large-objects:shop/3 large objects",
        "unknown-table:shop/public.gone",
        "unknown-column:shop/public.products.colour",
        "partition:shop/zoo.visit_2024",
        "different-rules:shop/zoo.membership.person",
        "rule-does-not-fit:shop/public.customers.birth_date",
        "rule-does-not-fit:shop/public.customers.city",
        "unreachable-database:archive",
    ] {
        assert!(text.contains(part), "{part:?} is missing in:\n{text}");
    }
}

#[tokio::test]
async fn a_copy_that_this_run_did_not_make_again_is_never_attested() {
    let copy = a_zoo("attest").await;
    let masking = masking(policy());
    copy.trial.cut(&masking).await.unwrap();
    copy.run(
        "shop",
        "INSERT INTO zoo.audit_trail VALUES (1, 'a former name'); CREATE ROLE intruder LOGIN;
         CREATE TABLE public.leak (email text)",
    )
    .await;
    copy.run("billing", "CREATE PUBLICATION tap FOR TABLE ledger.rates").await;
    let wrong = copy.trial.attest(&masking, KEY).await.unwrap().wrong.join("\n");
    for part in [
        "a live wire, login-role: intruder",
        "a live wire, publication: billing: tap",
        "shop: public.leak.email has no rule",
        "zoo.session shall be empty",
        "there are large objects",
        "database shop was not made again by this run",
        "database billing was not made again by this run",
    ] {
        assert!(wrong.contains(part), "{part:?} is missing in:\n{wrong}");
    }
}

#[tokio::test]
async fn no_error_quotes_a_row() {
    let copy = Copy::empty("errors", "18.1", &[]).await;
    copy.run(
        "shop",
        "CREATE TABLE people (id int PRIMARY KEY, born date, CHECK (born < '3000-01-01'));
         CREATE VIEW young AS SELECT * FROM people WHERE id < 10 WITH CHECK OPTION;
         CREATE FUNCTION cry() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF NEW.id = 77 THEN
                 RAISE EXCEPTION 'rawmark-%', NEW.born USING ERRCODE = 'undefined_table';
             END IF;
             IF NEW.id = 78 THEN RAISE EXCEPTION 'rawmark-%', NEW.born USING ERRCODE = 'ZZ001'; END IF;
             IF NEW.id = 79 THEN RAISE EXCEPTION 'rawmark-%', NEW.born; END IF;
             RETURN NEW; END $$;
         CREATE TRIGGER cry BEFORE INSERT ON people FOR EACH ROW EXECUTE FUNCTION cry();
         INSERT INTO people VALUES (4711, '2000-01-01')",
    )
    .await;
    let client = copy.client("postgres", "shop").await;
    let telling = [
        ("SELECT 'rawmark'::int", "22P02"),
        ("INSERT INTO people VALUES (4711, '2000-01-01')", "23505 table people constraint people_pkey"),
        ("INSERT INTO people VALUES (4712, '4711-01-01')", "23514"),
        ("INSERT INTO young VALUES (4713, '2000-01-01')", "44000"),
        ("INSERT INTO people VALUES (77, '4711-01-01')", "42P01"),
        ("INSERT INTO people VALUES (78, '4711-01-01')", "ZZ001"),
        ("INSERT INTO people VALUES (79, '4711-01-01')", "P0001"),
    ];
    for (sql, expected) in telling {
        let error = client.batch_execute(sql).await.unwrap_err();
        let raw = format!("{error:?}");
        assert!(raw.contains("rawmark") || raw.contains("471"), "{sql} quotes nothing: {raw}");
        let text = failed("write", &error).to_string();
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains("rawmark") && !text.contains("471"), "{text}");
    }
    let error = client.batch_execute("SELECT * FROM nowhere").await.unwrap_err();
    assert_eq!(failed("read", &error).to_string(), "could not read: relation \"nowhere\" does not exist");

    // The session is ended by another: it is waited for, with every wording.
    let pid: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    copy.run("postgres", &format!("SELECT pg_terminate_backend({pid}, 10000)")).await;
    for _ in 0..2 {
        let error = client.batch_execute("SELECT 1").await.unwrap_err();
        assert_eq!(failed("read", &error).name(), "NotReady", "{error:?}");
        assert_eq!(query_failed("read", &error).name(), "NotReady", "{error:?}");
    }
    // A value of another type than ours is a mistake of ours, and no reason to wait.
    let client = copy.client("postgres", "shop").await;
    let row = client.query_one("SELECT 1", &[]).await.unwrap();
    let error = row.try_get::<_, String>(0).unwrap_err();
    assert_eq!(query_failed("read", &error).name(), "Unexpected");
}
