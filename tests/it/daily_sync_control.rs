//! The control plane of daily-sync against the sandbox's RDS, in virtual time: each function is
//! called until it is done. What the workers do is played by the test, so that it also shows what
//! happens without them.

use std::time::Duration;

use aws_sdk_rds::types::{DbCluster, Tag};
use runbook::{
    Context, Run,
    aurora::{self, ResourceId},
    daily_sync::{
        attestation::{self, Attestation},
        names, tags,
    },
    postgres::Tls,
};
use sandbox::{
    Options, Sandbox, aws, environments,
    faults::{Fault, Kind},
    sandbox::BUCKET,
};
use serde_json::{Value, json};

use crate::harness::World;

struct Sync {
    sandbox: Sandbox,
    run: Run,
}

impl Sync {
    async fn new() -> Self {
        let (sandbox, _) = World { targets: false, ..World::WHOLE }.start(Options::model(1)).await;
        let run = Self::a_run(&sandbox, "monday");
        Self { sandbox, run }
    }

    fn a_run(sandbox: &Sandbox, name: &str) -> Run {
        let mut run = Run::of(&aws::arn("states", &format!("execution:aurora-runbooks-daily-sync:{name}")));
        run.entered = sandbox.clock.now();
        run
    }

    fn context(&self, principal: &'static str) -> Context {
        Context::new(&self.sandbox.sdk(principal), self.sandbox.clock, BUCKET.to_owned(), Tls::Disable)
    }

    /// Calls a function as Step Functions does: again while it is not ready.
    async fn call(&self, name: &'static str, input: Value) -> runbook::Result<Value> {
        let run = Run { entered: self.sandbox.clock.now(), ..self.run.clone() };
        let payload = json!({"run": run, "input": input});
        for _ in 0..2000 {
            match functions::handle(name, &self.context(name), payload.clone()).await {
                Err(error) if error.waiting_for().is_some() => {
                    self.sandbox.clock.sleep(Duration::from_secs(20)).await;
                }
                answer => return answer,
            }
        }
        panic!("{name} is never ready");
    }

    async fn done(&self, name: &'static str, input: Value) -> Value {
        self.call(name, input).await.unwrap_or_else(|error| panic!("{name}: {}: {error}", error.name()))
    }

    async fn clusters(&self) -> Vec<DbCluster> {
        let answer = self.sandbox.rds_client().describe_db_clusters().send().await.unwrap();
        answer.db_clusters.unwrap_or_default()
    }

    async fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .clusters()
            .await
            .iter()
            .filter_map(|cluster| cluster.db_cluster_identifier().map(str::to_owned))
            .collect();
        names.sort();
        names
    }

    async fn cluster(&self, name: &str) -> DbCluster {
        self.clusters()
            .await
            .into_iter()
            .find(|cluster| cluster.db_cluster_identifier() == Some(name))
            .unwrap_or_else(|| panic!("no {name}"))
    }

    async fn snapshots(&self) -> Vec<String> {
        let mut found = Vec::new();
        for account in aws::ACCOUNTS {
            let describe =
                self.sandbox.rds_client_in(account).describe_db_cluster_snapshots().snapshot_type("manual");
            let all = describe.send().await.unwrap().db_cluster_snapshots.unwrap_or_default();
            found.extend(
                all.iter()
                    .filter_map(|snapshot| snapshot.db_cluster_snapshot_identifier().map(str::to_owned)),
            );
        }
        found
    }

    /// Up to the quarantined cluster.
    async fn quarantine(&self) -> Value {
        let plan = self.done("select-snapshot", json!({"sync": "orders"})).await;
        let copy = self.done("copy-snapshot", json!({"sync": "orders", "snapshot": plan["snapshot"]})).await;
        self.done("share-snapshot", json!({"sync": "orders"})).await;
        let input = json!({
            "sync": "orders",
            "snapshot": copy["snapshot"],
            "engineVersion": plan["engineVersion"],
            "workerSecurityGroups": ["sg-workers"],
        });
        self.done("restore-quarantine", input).await
    }

    /// What AttestSanitized leaves.
    async fn attest(&self, quarantine: &Value) {
        let resource_id = resource_id(quarantine);
        let attestation = Attestation {
            execution: self.run.execution.clone(),
            resource_id: resource_id.clone(),
            attested: self.sandbox.clock.now(),
            counts: Value::Null,
        };
        self.context("owner").store.put_json(&attestation::key(&resource_id), &attestation).await.unwrap();
        let cluster = self.cluster(quarantine["cluster"].as_str().unwrap()).await;
        let tag = Tag::builder().key(tags::ATTESTED_RUN).value(self.run.name()).build();
        let add =
            self.sandbox.rds_client().add_tags_to_resource().resource_name(cluster.db_cluster_arn().unwrap());
        add.tags(tag).send().await.unwrap();
    }

    async fn sanitized(&self) -> Value {
        let quarantine = self.quarantine().await;
        self.attest(&quarantine).await;
        let input = json!({
            "sync": "orders", "cluster": quarantine["cluster"], "resourceId": quarantine["resourceId"],
        });
        let snapshot = self.done("snapshot-sanitized", input).await;
        self.done("delete-quarantine", json!({"sync": "orders"})).await;
        snapshot["snapshot"].clone()
    }

    async fn fresh(&self, target: &str, snapshot: &Value) -> Value {
        self.done("restore-target", json!({"sync": "orders", "target": target, "snapshot": snapshot})).await
    }

    fn swap_input(fresh: &Value) -> Value {
        json!({
            "sync": "orders",
            "target": fresh["target"],
            "resourceId": fresh["resourceId"],
            "former": fresh["former"],
        })
    }

    async fn target(&self, target: &str, snapshot: &Value) -> Value {
        let fresh = self.fresh(target, snapshot).await;
        self.done("swap-target", Self::swap_input(&fresh)).await;
        self.done("retire-old", json!({"sync": "orders", "target": target})).await
    }

    /// A whole run, and the next.
    async fn whole(&mut self, name: &str) {
        self.run = Self::a_run(&self.sandbox, name);
        let snapshot = self.sanitized().await;
        for target in ["orders-dev", "orders-support"] {
            self.target(target, &snapshot).await;
        }
        assert_eq!(self.clean_up().await, Vec::<String>::new());
    }

    async fn clean_up(&self) -> Vec<String> {
        let answer = self.done("clean-up", json!({"sync": "orders"})).await;
        serde_json::from_value(answer["left"].clone()).unwrap()
    }

    /// Every call that changes something and that a function made with production's role.
    fn changes_in_production(&self) -> Vec<String> {
        let calls = self.sandbox.gateway.calls();
        let mut changes: Vec<String> = calls
            .into_iter()
            .filter(|call| {
                call.account == aws::PRODUCTION
                    && !["owner", "rds"].contains(&&*call.principal)
                    && call.mutates()
            })
            .map(|call| call.action)
            .collect();
        changes.sort();
        changes.dedup();
        changes
    }
}

fn resource_id(quarantine: &Value) -> ResourceId {
    serde_json::from_value(quarantine["resourceId"].clone()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn two_days_of_syncs_leave_the_published_clusters_and_the_old_ones_that_are_kept() {
    let mut sync = Sync::new().await;
    sync.whole("monday").await;
    let monday = sync.run.short_id();
    assert_eq!(sync.names().await, ["orders-dev".to_owned(), format!("orders-support-{monday}")]);
    let first = sync.cluster("orders-dev").await.db_cluster_resource_id().unwrap().to_owned();

    sync.whole("tuesday").await;
    let tuesday = sync.run.short_id();
    let mut names = vec![
        "orders-dev".to_owned(),
        format!("orders-dev-old-{tuesday}"),
        format!("orders-support-{monday}"),
        format!("orders-support-{tuesday}"),
    ];
    names.sort();
    assert_eq!(sync.names().await, names);
    assert_eq!(
        sync.cluster(&format!("orders-dev-old-{tuesday}")).await.db_cluster_resource_id().unwrap(),
        first
    );
    let dev = sync.cluster("orders-dev").await;
    let member = dev.db_cluster_members()[0].db_instance_identifier();
    assert_eq!(member, Some("orders-dev-1"));
    assert!(tags::has_role(&dev.tag_list().into(), tags::Role::Published));
    let secret: Value = serde_json::from_str(&sync.sandbox.secrets.value("orders-dev/app").unwrap()).unwrap();
    assert_eq!(secret["host"].as_str(), dev.endpoint());
    let support = sync.cluster(&format!("orders-support-{tuesday}")).await;
    let secret: Value =
        serde_json::from_str(&sync.sandbox.secrets.value("orders-support/connection").unwrap()).unwrap();
    assert_eq!((secret["host"].as_str(), support.deletion_protection()), (support.endpoint(), Some(true)));
    assert_eq!(sync.snapshots().await, Vec::<String>::new());
    let allowed = ["CopyDBClusterSnapshot", "DeleteDBClusterSnapshot", "ModifyDBClusterSnapshotAttribute"];
    assert!(
        sync.changes_in_production().iter().all(|action| allowed.contains(&action.as_str())),
        "{:?}",
        sync.changes_in_production()
    );

    sync.whole("wednesday").await;
    assert!(
        !sync.names().await.contains(&format!("orders-dev-old-{tuesday}")),
        "one old copy is kept, and it is wednesday's"
    );
}

#[tokio::test(start_paused = true)]
async fn no_instance_exists_before_productions_password_is_dead() {
    let sync = Sync::new().await;
    let quarantine = sync.quarantine().await;
    let cluster = sync.cluster(quarantine["cluster"].as_str().unwrap()).await;
    assert_eq!(cluster.master_user_secret().unwrap().secret_status(), Some("active"));
    let calls = sync.sandbox.gateway.calls();
    let at = |action: &str| {
        calls
            .iter()
            .rposition(|call| call.principal == "restore-quarantine" && call.action == action)
            .unwrap()
    };
    assert!(at("ModifyDBCluster") < at("CreateDBInstance"));
    let between = calls[at("CreateDBInstance")].at.duration_since(calls[at("ModifyDBCluster")].at);
    assert!(
        between >= jiff::SignedDuration::from_secs(60),
        "the sandbox takes a minute to change a password"
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_valid_attestation_nothing_goes_on() {
    let sync = Sync::new().await;
    let quarantine = sync.quarantine().await;
    let input =
        json!({"sync": "orders", "cluster": quarantine["cluster"], "resourceId": quarantine["resourceId"]});
    assert_eq!(sync.call("snapshot-sanitized", input.clone()).await.unwrap_err().name(), "Refused");
    // Yesterday's proof is none.
    let attestation = json!({
        "execution": "arn:aws:states:::execution:m:yesterday",
        "resourceId": quarantine["resourceId"],
        "attested": "2026-01-01T00:00:00Z",
    });
    let key = attestation::key(&resource_id(&quarantine));
    sync.context("owner").store.put_json(&key, &attestation).await.unwrap();
    assert_eq!(sync.call("snapshot-sanitized", input).await.unwrap_err().name(), "Refused");
    // A person's snapshot of the raw data under the right name is not ours.
    let name = names::sanitized("orders", &sync.run);
    let create = sync
        .sandbox
        .rds_client()
        .create_db_cluster_snapshot()
        .db_cluster_identifier(quarantine["cluster"].as_str().unwrap());
    create.db_cluster_snapshot_identifier(&name).send().await.unwrap();
    let restore = json!({"sync": "orders", "target": "orders-dev", "snapshot": name});
    assert_eq!(sync.call("restore-target", restore).await.unwrap_err().name(), "Refused");
    assert_eq!(
        sync.call("delete-quarantine", json!({"sync": "orders"})).await.unwrap_err().name(),
        "Refused"
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_run_leaves_no_raw_data_and_yesterdays_target() {
    let mut sync = Sync::new().await;
    sync.whole("monday").await;
    let before = sync.names().await;
    sync.run = Sync::a_run(&sync.sandbox, "tuesday");
    sync.quarantine().await;
    assert_eq!(sync.clean_up().await, Vec::<String>::new());
    assert_eq!(sync.names().await, before);
    assert_eq!(sync.snapshots().await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_swap_stopped_between_its_renames_is_put_back() {
    let mut sync = Sync::new().await;
    sync.whole("monday").await;
    let first = sync.cluster("orders-dev").await.db_cluster_resource_id().unwrap().to_owned();
    for next_run in [false, true] {
        sync.run = Sync::a_run(&sync.sandbox, if next_run { "wednesday" } else { "tuesday" });
        let snapshot = sync.sanitized().await;
        let fresh = sync.fresh("orders-dev", &snapshot).await;
        let old = names::old("orders-dev", &sync.run);
        let payload = json!({"run": sync.run, "input": Sync::swap_input(&fresh)});
        // Until the first rename is asked for, and then never again.
        let mut renames = 0;
        while renames == 0 {
            let answer =
                functions::handle("swap-target", &sync.context("swap-target"), payload.clone()).await;
            assert!(answer.as_ref().is_err_and(|error| error.waiting_for().is_some()));
            renames =
                usize::from(answer.unwrap_err().to_string().contains("to be renamed to orders-dev-old"));
            sync.sandbox.clock.sleep(Duration::from_secs(5)).await;
        }
        sync.sandbox.clock.sleep(Duration::from_secs(300)).await;
        assert!(sync.names().await.contains(&old) && !sync.names().await.contains(&"orders-dev".to_owned()));
        if next_run {
            // The execution was aborted: the CleanUp of the next one finds it.
            sync.run = Sync::a_run(&sync.sandbox, "thursday");
            sync.done("select-snapshot", json!({"sync": "orders"})).await;
        }
        assert_eq!(sync.clean_up().await, Vec::<String>::new());
        let back = sync.cluster("orders-dev").await;
        assert_eq!(back.db_cluster_resource_id(), Some(first.as_str()));
        assert!(tags::has_role(&back.tag_list().into(), tags::Role::Published));
        assert_eq!(sync.names().await.len(), 2, "{:?}", sync.names().await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_second_rename_gives_the_name_back() {
    let mut sync = Sync::new().await;
    sync.whole("monday").await;
    let first = sync.cluster("orders-dev").await.db_cluster_resource_id().unwrap().to_owned();
    sync.run = Sync::a_run(&sync.sandbox, "tuesday");
    let snapshot = sync.sanitized().await;
    let fresh = sync.fresh("orders-dev", &snapshot).await;
    // While the first rename hides the former cluster it cannot get its name back either: the
    // second rename is tried once more.
    for _ in 0..2 {
        let second = Fault::once(Kind::Denied, "rds", "ModifyDBCluster").by("swap-target");
        sync.sandbox.gateway.lay(second.after(1));
    }
    let error = sync.call("swap-target", Sync::swap_input(&fresh)).await.unwrap_err();
    assert_eq!(error.name(), "OperationFailed", "{error}");
    assert_eq!(sync.clean_up().await, Vec::<String>::new());
    assert_eq!(sync.cluster("orders-dev").await.db_cluster_resource_id(), Some(first.as_str()));
}

/// Calls SwapTarget when RDS still shows a cluster under a name that it has lost meanwhile: the
/// policies find no tags there, so that the change is denied. The cluster then gets its name back.
async fn denied_for_its_name(sync: &Sync, name: &str, input: &Value) -> String {
    let cx = sync.context("swap-target");
    // A stale answer is the earliest of the last three.
    for _ in 0..3 {
        let ids: [ResourceId; 2] =
            ["resourceId", "former"].map(|id| input[id].as_str().unwrap().to_owned().try_into().unwrap());
        let clusters = aurora::clusters_of(&cx, &ids).await.unwrap();
        for cluster in &clusters {
            aurora::members(&cx, cluster).await.unwrap();
        }
    }
    let rename = async |from: &str, to: &str| {
        let modify = sync.sandbox.rds_client().modify_db_cluster().db_cluster_identifier(from);
        modify.new_db_cluster_identifier(to).apply_immediately(true).send().await.unwrap();
        sync.sandbox.clock.sleep(Duration::from_secs(180)).await;
    };
    rename(name, "elsewhere").await;
    for describe in ["DescribeDBClusters", "DescribeDBInstances"] {
        sync.sandbox.gateway.lay(Fault::once(Kind::Stale, "rds", describe).by("swap-target"));
    }
    let payload = json!({"run": sync.run, "input": input});
    let answer = Box::pin(functions::handle("swap-target", &cx, payload)).await.unwrap_err();
    // Instances are not asked at every look.
    sync.sandbox.gateway.withdraw(|kind| kind == Kind::Stale);
    rename("elsewhere", name).await;
    let waits = answer.waiting_for().unwrap_or_else(|| panic!("{}: {answer}", answer.name()));
    assert!(waits.contains("is not authorized to perform"), "{waits}");
    waits.to_owned()
}

/// Calls SwapTarget until it waits for that.
async fn until(sync: &Sync, what: &str, input: &Value) {
    for _ in 0..200 {
        let payload = json!({"run": sync.run, "input": input});
        let cx = sync.context("swap-target");
        let answer = Box::pin(functions::handle("swap-target", &cx, payload)).await;
        let error = answer.unwrap_err();
        if error.waiting_for().unwrap_or_else(|| panic!("{error}")).contains(what) {
            return;
        }
        sync.sandbox.clock.sleep(Duration::from_secs(20)).await;
    }
    panic!("SwapTarget never waits for {what}");
}

#[tokio::test(start_paused = true)]
async fn a_change_denied_for_a_name_that_a_cluster_has_lost_is_only_a_delay() {
    let mut sync = Sync::new().await;
    sync.whole("monday").await;
    sync.run = Sync::a_run(&sync.sandbox, "tuesday");
    let snapshot = sync.sanitized().await;
    let fresh = sync.fresh("orders-dev", &snapshot).await;
    let input = Sync::swap_input(&fresh);

    let waits = denied_for_its_name(&sync, "orders-dev", &input).await;
    assert!(waits.contains("rds:AddTagsToResource"), "{waits}");

    until(&sync, "to be renamed to orders-dev-old", &input).await;
    sync.sandbox.clock.sleep(Duration::from_secs(300)).await;
    let waits = denied_for_its_name(&sync, fresh["cluster"].as_str().unwrap(), &input).await;
    assert!(waits.contains("rds:ModifyDBCluster"), "{waits}");

    until(&sync, "to be renamed to orders-dev-1", &input).await;
    sync.sandbox.clock.sleep(Duration::from_secs(600)).await;
    let waits = denied_for_its_name(&sync, "orders-dev", &input).await;
    assert!(waits.contains("rds:StopDBCluster"), "{waits}");

    sync.done("swap-target", input).await;
    assert_eq!(sync.clean_up().await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_deleted_is_named_and_the_rest_goes() {
    let sync = Sync::new().await;
    let quarantine = sync.quarantine().await;
    let denied = Fault::once(Kind::Denied, "rds", "DeleteDBInstance").by("clean-up");
    sync.sandbox.gateway.lay(denied.times(1000));
    let left = sync.clean_up().await;
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(
        left[0].contains(quarantine["cluster"].as_str().unwrap()) && left[0].contains("not allowed"),
        "{left:?}"
    );
    assert_eq!(sync.snapshots().await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn the_lease_of_a_run_that_is_over_is_free() {
    let mut sync = Sync::new().await;
    sync.done("select-snapshot", json!({"sync": "orders"})).await;
    sync.run = Sync::a_run(&sync.sandbox, "tuesday");
    // No such execution runs any more.
    sync.done("select-snapshot", json!({"sync": "orders"})).await;
}

#[tokio::test(start_paused = true)]
async fn yesterdays_targets_are_replaced_under_their_name_and_in_their_secret() {
    let mut sync = Sync::new().await;
    environments::create_targets(&sync.sandbox).await.unwrap();
    let before = sync.names().await;
    let first = sync.cluster("orders-dev").await.db_cluster_resource_id().unwrap().to_owned();
    sync.whole("monday").await;
    let monday = sync.run.short_id();
    let old = sync.cluster(&format!("orders-dev-old-{monday}")).await;
    assert_eq!(old.db_cluster_resource_id(), Some(first.as_str()));
    let names = sync.names().await;
    assert!(before.iter().all(|name| names.contains(name)) && names.len() == 4, "{names:?}");
    let connection: Value =
        serde_json::from_str(&sync.sandbox.secrets.value("orders-support/connection").unwrap()).unwrap();
    let support = sync.cluster(&format!("orders-support-{monday}")).await;
    assert_eq!(connection["host"].as_str(), support.endpoint());
}
