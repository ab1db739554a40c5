//! The workers of the model gear. A worker speaks SQL, and no PostgreSQL stands behind: each takes
//! its time, answers what its state answers, and leaves what later states look for.

use std::time::Duration;

use policy::TableName;
use runbook::{
    Context, Error, Result, Run,
    aurora::{self, Cluster, ResourceId, Status},
    daily_sync::{
        attestation::{self, Attestation},
        tags,
    },
    error::aws,
};
use serde::Deserialize;
use serde_json::{Value, json};
use workers::{
    major_upgrade::switch_over::{Eyes, SwitchOver, probe::Downtime},
    snapshot_export::counts,
};

/// Not a multiple of a heartbeat's interval: what happens at the same instant has no order.
const TIME: Duration = Duration::from_secs(290);

#[derive(Deserialize)]
struct Payload {
    run: Run,
    input: Value,
}

pub async fn work(cx: &Context, state: &str, payload: Result<Value>) -> Result<Value> {
    cx.clock.sleep(TIME).await;
    // It reads S3 and no PostgreSQL: the shipped code works in either gear.
    if state == "reconcile-export" {
        let known = workers::call(state, cx, payload?).await;
        return known.unwrap_or_else(|| Err(Error::unexpected("the workers have lost a state")));
    }
    let payload: Payload = serde_json::from_value(payload?)
        .map_err(|error| Error::refused(format!("the payload of {state} is malformed: {error}")))?;
    match state {
        "sanitize-databases" => Ok(json!({
            "summary": "no PostgreSQL stands behind the model gear",
            "wires": {},
            "tables": 0,
            "rows": 0,
            "seconds": TIME.as_secs(),
        })),
        "attest-sanitized" => attest(cx, payload).await,
        "count-rows" => count(cx, payload).await,
        // A test that wants ReindexCollations to be entered says so by the run's name.
        "run-analyze" => Ok(json!({
            "summary": "no PostgreSQL stands behind the model gear",
            "drifted": u8::from(payload.run.name().contains("drifted")),
        })),
        "switch-over" => switch_over(cx, payload).await,
        "compare-plans" => Ok(json!({
            "summary": "no PostgreSQL stands behind the model gear", "compared": 0, "changed": 0,
        })),
        "prepare-target" => Ok(json!({
            "summary": "no PostgreSQL stands behind the model gear", "roles": 0, "kept": [], "smoke": 0,
        })),
        _ => Ok(json!({"summary": "no PostgreSQL stands behind the model gear"})),
    }
}

/// The shipped code, but for what only SQL shows.
async fn switch_over(cx: &Context, Payload { run, input }: Payload) -> Result<Value> {
    let input: SwitchOver = runbook::state::read(input).map_err(Error::refused)?;
    let switched = input.switch(cx, &run, &NoServers).await?;
    serde_json::to_value(switched).map_err(|error| Error::Unexpected(error.into()))
}

/// Green always follows, and nobody measures.
struct NoServers;

impl Eyes for NoServers {
    async fn check(&self, _: &Cluster, _: &Cluster) -> Result<()> {
        Ok(())
    }

    async fn watch<T: Send>(
        &self,
        _: &Cluster,
        done: impl Future<Output = T> + Send,
    ) -> (T, Option<Downtime>) {
        (done.await, None)
    }
}

/// The rows of the model gear's snapshots (local_aws::rds::exports), as CountRows remembers them.
const ROWS: [(&str, u64); 4] =
    [("public.customers", 40), ("public.events", 30), ("public.orders", 120), ("public.refunds", 0)];

async fn count(cx: &Context, Payload { run, input }: Payload) -> Result<Value> {
    let name = input["cluster"].as_str().unwrap_or_default();
    let copy = aurora::find_cluster(cx, name).await?.filter(|copy| copy.status != Status::Deleting);
    let copy = copy.ok_or_else(|| Error::conflict(format!("the restored copy {name} is gone")))?;
    if copy.resource_id.as_str() != input["resourceId"].as_str().unwrap_or_default() {
        return Err(Error::refused(format!("{name} is another cluster than the one that was restored")));
    }
    let table = |(name, rows): (&str, u64)| {
        let table = name.parse::<TableName>().map_err(Error::refused)?;
        Ok(counts::Table { table, rows })
    };
    let tables = ROWS.into_iter().map(table).collect::<Result<_>>()?;
    let counts = [counts::Database { database: "shop".into(), tables }];
    let counted = counts::put(cx, &run, &counts).await?;
    Ok(json!({
        "summary": "190 rows in 4 tables of 1 databases are counted",
        "tables": 4, "rows": 190, "seconds": TIME.as_secs(), "counted": counted,
    }))
}

/// The attestation of the kit, bound to the cluster and the run, and the cluster's tag.
async fn attest(cx: &Context, Payload { run, input }: Payload) -> Result<Value> {
    let text = |name: &str| {
        input[name]
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| Error::refused(format!("the input of AttestSanitized must have {name}")))
    };
    let name = text("cluster")?;
    let resource_id = ResourceId::try_from(text("resourceId")?).map_err(Error::refused)?;
    let key = attestation::key(&resource_id);
    let cluster = aurora::cluster(cx, &name).await?;
    let attestation = Attestation {
        execution: run.execution.clone(),
        resource_id,
        attested: cx.clock.now(),
        counts: json!({"wires": 0}),
    };
    cx.store.put_json(&key, &attestation).await?;
    let tag = cx.rds.add_tags_to_resource().resource_name(cluster.arn.as_str());
    tag.tags(tags::tag(tags::ATTESTED_RUN, run.name())).send().await.map_err(aws("rds:AddTagsToResource"))?;
    Ok(json!({"summary": format!("{name} holds no original value"), "attestation": key}))
}
