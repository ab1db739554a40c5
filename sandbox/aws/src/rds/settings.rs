//! Settings of a cluster that are checked alike when it is made and when it is modified.

use super::error::Fault;
use super::model::ENGINE;
use super::query::Input;

/// botocore rds 2014-10-31, CreateDBCluster: at least eight printable characters without `/`, `"`
/// and `@`.
pub fn checked_password(password: &str) -> Result<&str, Fault> {
    let legal = password.chars().all(|c| c.is_ascii_graphic() && !"/\"@".contains(c));
    if legal && (8..=128).contains(&password.len()) {
        return Ok(password);
    }
    Err(Fault::value(
        "The parameter MasterUserPassword is not a valid password. Only printable ASCII characters besides \
        '/', '@', '\"', ' ' may be used, \
         and it must have at least 8.",
    ))
}

/// `aurora` is not said again by RDS, `aurora-iopt1` is (botocore rds 2014-10-31, CreateDBCluster;
/// both restores begin with `aurora`, whatever their source has).
pub fn storage_type(input: &Input) -> Result<Option<String>, Fault> {
    match input.text("StorageType") {
        None | Some("aurora") => Ok(None),
        Some(optimized @ "aurora-iopt1") => Ok(Some(optimized.to_owned())),
        Some(other) => Err(Fault::value(format!("Invalid storage type: {other}"))),
    }
}

/// A new cluster is enrolled in Extended Support unless it says no, a restored one too (botocore
/// rds 2014-10-31).
pub fn lifecycle_support(input: &Input) -> Result<String, Fault> {
    const SUPPORTED: &str = "open-source-rds-extended-support";
    match input.text("EngineLifecycleSupport").unwrap_or(SUPPORTED) {
        known @ (SUPPORTED | "open-source-rds-extended-support-disabled") => Ok(known.to_owned()),
        other => Err(Fault::value(format!("Invalid engine lifecycle support: {other}"))),
    }
}

/// "Valid for Cluster Type: Aurora MySQL DB clusters only. … To disable backtracking, set this
/// value to 0" (botocore rds 2014-10-31, BacktrackWindow).
pub fn no_backtrack(input: &Input) -> Result<(), Fault> {
    match input.number("BacktrackWindow") {
        None | Some(0) => Ok(()),
        Some(_) => Err(Fault::combination(format!("Backtrack is not supported for the engine {ENGINE}."))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Sandbox;

    #[tokio::test(start_paused = true)]
    async fn storage_lifecycle_and_performance_insights_are_kept_and_not_carried_by_a_snapshot() {
        let sandbox = Sandbox::with_cluster().await;
        let orders = ("DBClusterIdentifier", "orders");
        let fresh = sandbox.cluster("orders").await;
        assert!(fresh.all("StorageType").is_empty(), "RDS does not say aurora");
        assert_eq!(fresh.text("EngineLifecycleSupport"), "open-source-rds-extended-support");
        let optimized = [orders, ("StorageType", "aurora-iopt1"), ("EnablePerformanceInsights", "true")];
        sandbox.ok("ModifyDBCluster", &optimized).await;
        let cluster = sandbox.cluster("orders").await;
        assert_eq!(
            (cluster.text("StorageType"), cluster.text("PerformanceInsightsEnabled")),
            ("aurora-iopt1", "true")
        );
        assert_eq!(sandbox.instance("orders-1").await.text("PerformanceInsightsEnabled"), "true");
        for (parameter, bad) in [("StorageType", "gp3"), ("BacktrackWindow", "3600")] {
            let (code, _) = sandbox.refused("ModifyDBCluster", &[orders, (parameter, bad)]).await;
            assert!(code.starts_with("InvalidParameter"), "{parameter}: {code}");
        }
        sandbox.ok("ModifyDBCluster", &[orders, ("BacktrackWindow", "0")]).await;

        let taken = [orders, ("DBClusterSnapshotIdentifier", "nightly")];
        assert_eq!(sandbox.ok("CreateDBClusterSnapshot", &taken).await.text("StorageType"), "aurora-iopt1");
        sandbox.pass(150).await;
        let restore =
            [("SnapshotIdentifier", "nightly"), ("Engine", "aurora-postgresql"), ("EngineVersion", "16.14")];
        let plain = [&restore[..], &[("DBClusterIdentifier", "plain")]].concat();
        assert!(sandbox.ok("RestoreDBClusterFromSnapshot", &plain).await.all("StorageType").is_empty());
        let told = [
            ("DBClusterIdentifier", "told"),
            ("StorageType", "aurora-iopt1"),
            ("EngineLifecycleSupport", "open-source-rds-extended-support-disabled"),
        ];
        let told = sandbox.ok("RestoreDBClusterFromSnapshot", &[&restore[..], &told].concat()).await;
        assert_eq!(
            (told.text("StorageType"), told.text("EngineLifecycleSupport")),
            ("aurora-iopt1", "open-source-rds-extended-support-disabled")
        );
    }
}
