//! What an export leaves out, and how it says so.

use super::*;

#[tokio::test(start_paused = true)]
async fn what_is_left_out_is_told_in_a_warning_and_the_task_is_complete() {
    let world = world().await;
    world.behave(|exports| {
        let odd = vec![("a,b".to_owned(), "text".to_owned())];
        exports.tables.extend([
            ModelTable { columns: odd, ..ModelTable::new("shop.public.odd", 5) },
            ModelTable::new("shop.public.a/b", 5),
            ModelTable::new("shop.public.closed", 5),
        ]);
        exports.skip.insert("shop.public.closed".to_owned(), "PERMISSIONS_DO_NOT_EXIST".to_owned());
        exports.tables_a_file = 3;
        exports.lose.insert("shop.public.orders".to_owned(), 2);
    });
    let ended = world.export(&[]).await;
    assert_eq!(ended.text("Status"), "COMPLETE");
    let warning = ended.text("WarningMessage").replace("&quot;", "\"");
    let warning: Value = serde_json::from_str(&warning).unwrap();
    let skipped = |table: &str, reason: &str| json!({"tableName": table, "reason": reason});
    assert_eq!(
        warning,
        json!({"skippedTables": [
            skipped("shop.public.a/b", "UNSUPPORTED_TABLE_NAME"),
            skipped("shop.public.closed", "PERMISSIONS_DO_NOT_EXIST"),
            skipped("shop.public.odd", "UNSUPPORTED_COLUMN_NAME"),
        ], "skippedObjectives": [], "general": []})
    );
    let tables = world.files("export-1/export_tables_info_");
    let expected = ["1_to_3", "4_to_6", "7_to_8"]
        .map(|range| format!("export-1/export_tables_info_export-1_from_{range}.json"));
    assert_eq!(tables, expected);
    assert_eq!(world.files("export-1/shop/public.closed"), Vec::<String>::new());
    assert_eq!(world.rows("export-1/shop/public.orders/"), 118);
}

#[tokio::test(start_paused = true)]
async fn a_partial_export_has_what_is_named_and_tells_of_a_database_that_is_not_there() {
    let world = world().await;
    let ended =
        world.export(&[("ExportOnly.member.1", "shop.public.orders"), ("ExportOnly.member.2", "none")]).await;
    assert_eq!(ended.text("Status"), "COMPLETE");
    assert!(ended.text("WarningMessage").contains("FAILED_TO_EXTRACT_TABLES_LIST_FOR_DATABASE"));
    assert_eq!(ended.element("ExportOnly").all("member"), ["shop.public.orders", "none"]);
    let tables = world.json("export-1/export_tables_info_export-1_from_1_to_1.json");
    assert_eq!(tables["perTableStatus"][0]["target"], "shop.public.orders");
    assert_eq!(world.files("export-1/shop/").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_too_large_fails_the_task_and_a_row_skips_its_table() {
    let mut world = world().await;
    world.behave(|exports| exports.largest_row = 30);
    let ended = world.export(&[]).await;
    assert_eq!(ended.text("Status"), "COMPLETE");
    assert!(ended.text("WarningMessage").contains("ROW_TOO_LARGE"));
    world.behave(|exports| exports.largest_value = 10);
    world.start(&[("ExportTaskIdentifier", "export-2")]).await;
    world.sandbox.pass(800).await;
    let ended = world.task("export-2").await;
    let cause = "An unknown internal error occurred.";
    assert_eq!((ended.text("Status"), ended.text("FailureCause")), ("FAILED", cause));
    let events = world.events();
    let failed = events.iter().find(|event| event["detail"]["EventID"] == "RDS-EVENT-0489").unwrap();
    assert!(failed["detail"]["Message"].as_str().unwrap().contains("shop.public.customers"));
}
