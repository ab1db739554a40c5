use super::*;

fn entry(target: &str, columns: &[(&str, &str)]) -> Entry {
    let mappings: Vec<_> = columns
        .iter()
        .map(|(name, original)| {
            let text = "binary (UTF8)";
            serde_json::json!({"columnName": name, "originalType": original, "expectedExportedType": text})
        })
        .collect();
    serde_json::from_value(serde_json::json!({
        "target": target, "status": "COMPLETE", "sizeGB": 0.0,
        "tableStatistics": {"partitioningInfo": {"numberOfPartitions": 2, "numberOfCompletedPartitions": 2}},
        "schemaMetadata": {"originalTypeMappings": mappings}
    }))
    .unwrap()
}

fn left_out(target: &str, why: &str) -> Entry {
    Entry { target: target.into(), warning_message: Some(why.into()), ..Entry::default() }
}

fn file(path: &str, rows: u64, columns: &[(&str, &str)]) -> File {
    let columns = columns.iter().map(|(name, kind)| ((*name).to_owned(), (*kind).to_owned())).collect();
    File { path: path.into(), bytes: 100, footer: Ok(Footer { rows, columns }) }
}

fn orders(parts: &[u64]) -> Vec<File> {
    let part = |(index, rows): (usize, &u64)| {
        file(&format!("shop/public.orders/1/part-{index}.gz.parquet"), *rows, &[("id", "int64")])
    };
    parts.iter().enumerate().map(part).collect()
}

fn source(tables: &[(&str, u64)]) -> Source {
    let rows = tables.iter().map(|(name, rows)| ((*name).to_owned(), *rows)).collect();
    Source { of: "the rows that monday counted".into(), rows }
}

fn look(entries: &[Entry], warning: Option<&str>, files: Vec<File>, source: Option<&Source>) -> Seen {
    let entries = entries.iter().map(|entry| (entry.target.clone(), entry.clone())).collect();
    compare(&entries, warning, files, source, &[])
}

/// `table kind what`
fn said(seen: &Seen) -> Vec<String> {
    let tables = seen.tables.iter();
    tables
        .flat_map(|table| {
            table.differences.iter().map(move |one| format!("{} {} {}", table.table, one.kind, one.what))
        })
        .collect()
}

const ID: &[(&str, &str)] = &[("id", "bigint")];

#[test]
fn rows_of_all_parts_and_batches_are_compared_with_what_was_counted() {
    let entries = [entry("shop.public.orders", ID)];
    let counted = source(&[("shop.public.orders", 30)]);
    let mut files = orders(&[10, 15]);
    files.push(file("shop/public.orders/2/part-0.gz.parquet", 5, &[("id", "int64")]));
    let seen = look(&entries, None, files, Some(&counted));
    assert!(said(&seen).is_empty(), "{seen:?}");
    assert_eq!((seen.tables[0].rows, seen.tables[0].files, seen.tables[0].bytes), (30, 3, 300));
    assert_eq!(seen.tables[0].folder.as_deref(), Some("shop/public.orders"));

    let seen = look(&entries, None, orders(&[10, 15]), Some(&counted));
    assert_eq!(said(&seen), ["shop.public.orders rows has 25 rows, and the source 30"]);
}

#[test]
fn a_table_that_is_left_out_or_not_mentioned_is_named_with_awss_reason_and_once() {
    let entries = [entry("shop.public.orders", ID), left_out("shop.public.a/b", "UNSUPPORTED_TABLE_NAME")];
    let warning = r#"{"skippedTables": [{"tableName": "shop.public.a/b", "reason": "UNSUPPORTED_TABLE_NAME"}],
        "skippedObjectives": [], "general": [{"reason": "FAILED_TO_EXTRACT_TABLES_LIST_FOR_DATABASE"}]}"#;
    let counted = source(&[("shop.public.orders", 1), ("shop.public.a/b", 3), ("shop.public.cache", 2)]);
    assert_eq!(
        said(&look(&entries, Some(warning), orders(&[1]), Some(&counted))),
        [
            "* skipped (the whole export): AWS warns of FAILED_TO_EXTRACT_TABLES_LIST_FOR_DATABASE",
            "shop.public.a/b skipped is left out by AWS: UNSUPPORTED_TABLE_NAME",
            "shop.public.cache missing is not in the export, and the source has 2 rows of it",
        ]
    );
}

#[test]
fn a_table_beside_the_filter_is_not_missed() {
    let counted =
        source(&[("shop.public.orders", 1), ("shop.publicity.ads", 1), ("billing.ledger.rates", 1)]);
    let entries = BTreeMap::from([("shop.public.orders".to_owned(), entry("shop.public.orders", ID))]);
    let compare = |only: &[&str]| {
        let only: Vec<String> = only.iter().map(ToString::to_string).collect();
        said(&compare(&entries, None, orders(&[1]), Some(&counted), &only)).len()
    };
    assert_eq!((compare(&["shop.public"]), compare(&["shop"]), compare(&[])), (0, 1, 2));
}

#[test]
fn a_file_that_is_cut_off_or_of_no_table_is_named() {
    let mut files = orders(&[10]);
    files[0].footer = Err("is cut off: it does not end as a Parquet file does".into());
    files.push(file("shop/public.ghost/1/part-0.gz.parquet", 5, &[]));
    assert_eq!(
        said(&look(&[entry("shop.public.orders", ID)], None, files, None)),
        [
            "shop.public.ghost rows has 1 files, and AWS does not mention the table",
            "shop.public.orders rows has 1 files that cannot be read: shop/public.orders/1/part-0.gz.parquet \
             is cut off: it does not end as a Parquet file does",
        ]
    );
}

#[test]
fn what_aws_itself_says_is_not_done_is_a_difference_without_any_count() {
    let mut part = entry("shop.public.orders", ID);
    part.table_statistics.partitioning_info.as_mut().unwrap().number_of_completed_partitions = 1;
    part.size_gb = Some(0.1);
    let mut failed = entry("shop.public.refunds", ID);
    failed.status = Some("FAILED".into());
    assert_eq!(
        said(&look(&[part, failed], None, vec![], None)),
        [
            "shop.public.orders rows has 1 of the 2 parts that AWS cut it into",
            "shop.public.orders rows has no file, and AWS has read rows of it",
            "shop.public.refunds skipped is not complete, as AWS says: FAILED",
        ]
    );
}

#[test]
fn a_column_that_is_missing_or_too_narrow_is_named() {
    let columns = [("id", "bigint"), ("price", "numeric"), ("note", "text")];
    let written = [("id", "int32"), ("price", "byte_array (string)"), ("extra", "int64")];
    let files = vec![file("shop/public.orders/1/part-0.gz.parquet", 1, &written)];
    let seen = look(&[entry("shop.public.orders", &columns)], None, files, None);
    assert_eq!(
        said(&seen),
        [
            "shop.public.orders type has a column extra that AWS does not announce",
            "shop.public.orders type has files without the column note",
            "shop.public.orders type loses values of id: bigint is written as int32",
        ]
    );
    assert_eq!(seen.tables[0].differences[2].column.as_deref(), Some("id"));
}

#[test]
fn an_empty_table_and_an_empty_database_are_no_differences() {
    let entries = [entry("shop.public.orders", ID), left_out("postgres", "The database has no tables.")];
    for counted in [None, Some(&source(&[("shop.public.orders", 0)]))] {
        let seen = look(&entries, None, vec![], counted);
        assert!(said(&seen).is_empty(), "{seen:?}");
        assert_eq!(seen.warnings, ["database postgres: The database has no tables."]);
        assert_eq!(seen.tables[0].columns[0].parquet, "byte_array (string)");
    }
    let full = source(&[("postgres.public.x", 1), ("shop.public.orders", 0)]);
    assert_eq!(said(&look(&entries, None, vec![], Some(&full))).len(), 2, "it is not empty at all");
}

#[test]
fn odd_names_find_their_folders() {
    assert!(is_of("my_shop/public.Odd_Name", "my shop.public.Odd Name"));
    assert!(is_of("shop/public.with.dots", "shop.public.with.dots"));
    assert!(!is_of("shop/public.orders", "shop.public.order"));
    assert!(!is_of("shop.public.orders", "shop.public.orders"), "no folder of a database");
}
