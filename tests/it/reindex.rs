//! ReindexCollations on real PostgreSQL 18, whose own collations have versions.

use std::collections::BTreeMap;

use runbook::{Run, major_upgrade::Collations};
use sandbox::{orders, postgres::SUPERUSER, rds::engine::Engine};
use tokio_postgres::Client;
use workers::major_upgrade::reindex_collations::reindex;

use crate::copy::Copy;

/// Of a whole cluster at 18, as [`sandbox::worlds::findings`] plants it: a collation that sorts in
/// another way than when its index was made. Collations of libc have no version everywhere.
pub const WORN_CLUSTER: &str = "-- database: shop
-- as: master
CREATE COLLATION public.worn (provider = builtin, locale = 'C.UTF-8');
CREATE TABLE public.words (word text COLLATE public.worn PRIMARY KEY);

-- as: rdsadmin
UPDATE pg_collation SET collversion = '0' WHERE collname = 'worn';
";

const ID: &str = "reindex";

const SHOP: &str = "
    CREATE COLLATION worn (provider = builtin, locale = 'C.UTF-8');
    CREATE TABLE small (word text COLLATE worn, EXCLUDE USING btree (word WITH =));
    CREATE TABLE large (word text COLLATE worn, other text, kind int);
    INSERT INTO large SELECT md5(i::text), md5(i::text), i % 7 FROM generate_series(1, 5000) i;
    CREATE INDEX a_large ON large (word);
    CREATE UNIQUE INDEX b_unique ON large (lower(other COLLATE worn)) WHERE kind = 1;
    CREATE INDEX c_where ON large (kind) WHERE other COLLATE worn > 'f';
    CREATE INDEX untouched ON large (other)";

/// A collation of before, a double that came in behind a unique index, and what an interrupted
/// REINDEX leaves.
const WORN: &str = "
    UPDATE pg_collation SET collversion = '0' WHERE collname = 'worn';
    UPDATE pg_index SET indisready = false WHERE indexrelid = 'b_unique'::regclass;
    INSERT INTO large VALUES ('w', 'Zeisigmann', 1), ('w', 'Zeisigmann', 1);
    UPDATE pg_index SET indisready = true WHERE indexrelid = 'b_unique'::regclass;
    CREATE INDEX a_large_ccnew ON large (word);
    UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'a_large_ccnew'::regclass";

async fn indexes(client: &Client) -> BTreeMap<String, u32> {
    let sql = "SELECT relname::text, oid FROM pg_class WHERE relkind = 'i' \
               AND relnamespace = 'public'::regnamespace";
    client.query(sql, &[]).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
}

async fn version(client: &Client) -> String {
    let sql = "SELECT collversion FROM pg_collation WHERE collname = 'worn'";
    client.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn indexes_of_a_changed_collation_are_built_again_once_the_smallest_first_and_then_its_version() {
    let copy = Copy::empty(ID, "18.4", &[]).await;
    let (engine, login) = (&copy.engine, &copy.trial.login);
    let client = orders::connect(login, "shop").await.unwrap();
    client.batch_execute(SHOP).await.unwrap();
    engine.connect(ID, SUPERUSER, "shop").await.unwrap().batch_execute(WORN).await.unwrap();
    let before = indexes(&client).await;
    let cx = &copy.trial.cx;
    let run = Run::of("arn:aws:states:eu-central-1:444455556666:execution:reindex:once");

    let told = reindex(cx, &run, login, Collations::Tell).await.expect("told");
    assert_eq!((told.indexes, told.left.len()), (0, 4), "{told:?}");
    assert_eq!((indexes(&client).await, version(&client).await), (before.clone(), "0".to_owned()));

    let failed = reindex(cx, &run, login, Collations::Reindex).await.expect_err("there is a double");
    let text = failed.to_string();
    assert_eq!(failed.name(), "OperationFailed", "{text}");
    assert!(text.contains("do:  REINDEX INDEX CONCURRENTLY public.b_unique;"), "{text}");
    assert!(!text.contains("eisigmann"), "{text}");
    let after = indexes(&client).await;
    let changed = |name: &str| before.get(name) != after.get(name);
    assert!(changed("a_large") && changed("c_where") && !changed("b_unique") && !changed("untouched"));
    assert!(after["c_where"] < after["a_large"], "the smallest first: {after:?}");
    assert!(!after.contains_key("a_large_ccnew"), "{after:?}");
    assert_eq!(version(&client).await, "0", "one index is still in the old order");

    // Redriven, when the double is gone.
    client.batch_execute("DELETE FROM large WHERE word = 'w'").await.unwrap();
    let done = reindex(cx, &run, login, Collations::Reindex).await.expect("built");
    let last = indexes(&client).await;
    assert_eq!(
        (last["a_large"], last["c_where"]),
        (after["a_large"], after["c_where"]),
        "they are built once"
    );
    assert_ne!(last["b_unique"], before["b_unique"]);
    assert_eq!(last.len(), before.len() - 1, "nothing is left: {last:?}");
    assert_eq!(done.indexes, 3, "{done:?}");
    assert_eq!(done.left[0].statement, "REINDEX INDEX public.small_word_excl");
    assert_eq!(version(&client).await, "0", "an index that would lock its table is left to a person");

    client.batch_execute("DROP TABLE small").await.unwrap();
    let done = reindex(cx, &run, login, Collations::Reindex).await.expect("built");
    assert_eq!((done.left, version(&client).await), (Vec::new(), "1".to_owned()));
    engine.delete(ID).await.expect("deleted");
}
