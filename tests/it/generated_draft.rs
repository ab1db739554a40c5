//! From a database that nobody has described to a copy that holds: 500 tables, `policy draft`, at
//! most one list of what is wrong, and the attestation.

use policy::{Masking, Policy, draft};

use crate::{
    copy::Copy,
    draft::answer,
    dump::{difference, dump},
    generated::EXTENSIONS,
    generated_tables::Generator,
    hostile::{DEFINITION, databases, plant},
    hostile_places::Place,
};

const SCHEMAS: usize = 50;
const TABLES: usize = 10;

/// What stands round the masking in a policy.
const SYNC: &str = "
syncs:
  shop:
    source:
      account: '111122223333'
      role: arn:aws:iam::111122223333:role/source
      cluster: shop
      snapshot: {type: automated, max-age: 26h}
      kms-key: alias/sync
    schedule: {cron: 30 3 * * MON-FRI, time-zone: Europe/Berlin}
    quarantine:
      instance-class: db.r6g.large
      subnet-group: quarantine
      security-group: sg-0a1b2c3d
      cluster-parameter-group: quarantine
      kms-key: alias/environments
    targets:
      - cluster: shop-dev
        account: '444455556666'
        instance-class: db.t4g.medium
        subnet-group: dev
        security-groups: [sg-1b2c3d4e]
        cluster-parameter-group: shop-dev
        keep-old: {count: 1, age: 48h}
    masking:
      key-secret: shop/masking-key
      databases:
";

async fn drafted(copy: &Copy) -> Masking {
    let mut yaml = SYNC.to_owned();
    for database in databases(copy).await {
        let (printed, complaints) = answer(copy, &database, copy.id).await;
        // Of a table whose rows are hidden from their owner the draft sees no shapes.
        let hidden = |line: &str| line.contains("row-level security") || line.contains("ROW LEVEL SECURITY");
        let others: Vec<&str> = complaints.lines().filter(|line| !hidden(line)).collect();
        assert!(others.is_empty(), "{database}: {}", others.join("\n"));
        for line in draft::draft(&database, &printed).unwrap().lines() {
            yaml += &format!("        {line}\n");
        }
    }
    let mut policy = Policy::parse(&yaml).unwrap_or_else(|errors| panic!("{errors}"));
    policy.syncs.remove("shop").expect("it is there").masking.expect("it masks")
}

async fn a_draft_holds(id: &'static str, version: &str) {
    let copy = Copy::empty(id, version, &[]).await;
    copy.run("shop", EXTENSIONS).await;
    let mut generator = Generator::new(1, copy.engine.major(id).unwrap());
    for schema in 1..=SCHEMAS {
        let mut sql = vec![generator.begins()];
        sql.extend((0..TABLES).flat_map(|number| generator.table(number, false).sql));
        sql.extend((1..TABLES).map(|number| generator.reference(number, number - 1)));
        let wrong = plant(&copy, &Place::made(schema, format!("schema {schema}"), &sql, Vec::new())).await;
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
    let before = dump(&copy, "shop", &DEFINITION).await;
    let masking = drafted(&copy).await;
    let wrong = copy.sanitise(&masking).await.unwrap_or_else(|error| panic!("{error}"));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let wrong = difference(&before, &dump(&copy, "shop", &DEFINITION).await, &[]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_draft_of_five_hundred_tables_holds_on_16() {
    a_draft_holds("draft-16", "16.8").await;
}

#[tokio::test]
async fn a_draft_of_five_hundred_tables_holds_on_18() {
    a_draft_holds("draft-18", "18.1").await;
}
