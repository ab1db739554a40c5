//! What StartExportTask refuses.

use super::*;

#[tokio::test(start_paused = true)]
async fn what_cannot_be_exported_is_refused() {
    let world = world().await;
    let production = world.sandbox.as_production();
    production.rds.in_account(PRODUCTION).unwrap();
    let foreign = arn_in(PRODUCTION, "rds", "cluster-snapshot:nightly");
    let long = "a".repeat(61);
    for (parameter, bad, code) in [
        ("ExportTaskIdentifier", "rds:orders", "InvalidParameterValue"),
        ("ExportTaskIdentifier", "orders-", "InvalidParameterValue"),
        ("ExportTaskIdentifier", &long, "InvalidParameterValue"),
        ("SourceArn", "nightly", "InvalidParameterValue"),
        ("SourceArn", "arn:aws:rds:eu-west-1:444455556666:snapshot:nightly", "DBSnapshotNotFound"),
        ("SourceArn", "arn:aws:rds:eu-west-1:444455556666:cluster:orders", "InvalidExportSourceState"),
        (
            "SourceArn",
            "arn:aws:rds:eu-west-1:444455556666:cluster-snapshot:none",
            "DBClusterSnapshotNotFoundFault",
        ),
        ("SourceArn", &foreign, "DBClusterSnapshotNotFoundFault"),
        ("S3BucketName", "none", "InvalidS3BucketFault"),
        ("S3Prefix", "a:b", "InvalidParameterValue"),
        ("IamRoleArn", "arn:aws:iam::444455556666:role/none", "IamRoleNotFound"),
        ("IamRoleArn", "export", "InvalidParameterValue"),
        ("KmsKeyId", "alias/none", "KMSKeyNotAccessibleFault"),
        ("ExportOnly.member.1", "shop.public.or-ders", "InvalidExportOnly"),
        ("ExportOnly.member.1", "shop.public.orders.id", "InvalidExportOnly"),
        ("KmsKeyId", "", "InvalidParameterValue"),
    ] {
        let refused = world.sandbox.refused("StartExportTask", &form(&[(parameter, bad)])).await;
        assert_eq!(refused.0, code, "{parameter}={bad}: {}", refused.1);
    }
    let fresh = [("DBClusterIdentifier", "orders"), ("DBClusterSnapshotIdentifier", "fresh")];
    world.sandbox.ok("CreateDBClusterSnapshot", &fresh).await;
    let fresh = arn("rds", "cluster-snapshot:fresh");
    let refused = world.sandbox.refused("StartExportTask", &form(&[("SourceArn", &fresh)])).await;
    assert_eq!(refused.0, "InvalidExportSourceState");
    assert_eq!(world.files(""), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn five_tasks_run_at_a_time_one_of_a_snapshot_and_no_name_comes_twice() {
    let world = world().await;
    for number in 1..=6 {
        let name = format!("copy-{number}");
        let taken = [("DBClusterIdentifier", "orders"), ("DBClusterSnapshotIdentifier", &*name)];
        world.sandbox.ok("CreateDBClusterSnapshot", &taken).await;
    }
    world.sandbox.pass(150).await;
    let start = async |task: &str, snapshot: &str| {
        let source = arn("rds", &format!("cluster-snapshot:{snapshot}"));
        let form = form(&[("ExportTaskIdentifier", task), ("SourceArn", &source)]);
        let (status, answer) = world.sandbox.call("StartExportTask", &form).await;
        if status == 200 { "started".to_owned() } else { answer.text("Code").to_owned() }
    };
    assert_eq!(start("export-1", "copy-1").await, "started");
    assert_eq!(start("Export-1", "copy-2").await, "ExportTaskAlreadyExists");
    assert_eq!(start("again", "copy-1").await, "InvalidExportSourceState");
    for number in 2..=5 {
        assert_eq!(start(&format!("export-{number}"), &format!("copy-{number}")).await, "started");
    }
    assert_eq!(start("export-6", "copy-6").await, "ExportTaskLimitReachedFault");
    world.sandbox.pass(800).await;
    assert_eq!(start("export-6", "copy-6").await, "started");
    assert_eq!(start("again", "copy-1").await, "started");
    assert_eq!(start("export-1", "copy-2").await, "ExportTaskAlreadyExists");
}
