//! The sandbox as clients see it that are not ours: boto3 and the AWS CLI, as PyPI has them.

use std::{process::Stdio, time::Duration};

use sandbox::{Options, Sandbox, aws::REGION, executables::root};
use tokio::process::Command;

use crate::python::packages;

pub const PACKAGES: [&str; 2] = ["boto3==1.44.8", "awscli==1.46.3"];
const NEEDS_PYTHON: &str =
    "the sandbox is tested with boto3 and the AWS CLI: install Python 3.11 or newer with pip as `python3`";

/// Runs the script as a person would who points boto3 at the sandbox; nothing of this machine's AWS
/// settings reaches it.
async fn run_script(sandbox: &Sandbox) {
    let mut python = Command::new("python3");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
        python.env_remove(name);
    }
    python
        .arg(root().join("tests/data/clients/boto3_client.py"))
        .env("PYTHONPATH", packages(&PACKAGES, true).await)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("AWS_ENDPOINT_URL", &sandbox.url)
        .env("AWS_ACCESS_KEY_ID", "boto3")
        .env("AWS_SECRET_ACCESS_KEY", "any")
        .env("AWS_DEFAULT_REGION", REGION)
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(180), python.output())
        .await
        .expect("the script ends within three minutes");
    let output = output.unwrap_or_else(|error| panic!("python3: {error}: {NEEDS_PYTHON}"));
    let (done, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "these steps passed:\n{done}\nand then:\n{said}");
}

/// AWS alone decides when maintenance is pending, and no client can ask for it: it comes once the
/// script has changed the instance's class.
async fn plant_maintenance(sandbox: &Sandbox) {
    let rds = sandbox.rds_client();
    loop {
        let clusters = rds.describe_db_clusters().send().await.expect("the clusters are described");
        let arn = clusters.db_clusters().iter().find_map(|cluster| cluster.db_cluster_arn());
        let instances = rds.describe_db_instances().send().await.expect("the instances are described");
        let changed = instances
            .db_instances()
            .iter()
            .any(|instance| instance.db_instance_class() == Some("db.r6g.xlarge"));
        if let Some(arn) = arn.filter(|_| changed) {
            sandbox.rds.plant_maintenance(arn, "os-upgrade", "New Operating System update is available");
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn boto3_and_the_aws_cli_live_through_a_whole_cluster() {
    let sandbox = Sandbox::start(Options::real()).await.expect("the sandbox starts");
    let planted = async {
        plant_maintenance(&sandbox).await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = run_script(&sandbox) => {}
        () = planted => unreachable!("it only waits for the script"),
    }
}
