//! Switches over to green, once, and measures how long users could not write.
//!
//! Changes: one SwitchoverBlueGreenDeployment: green takes the names of the cluster and of its
//! instances, which are called `…-old1` from then on. Before it, SQL must show that green follows.
//! A probe of its own asks every 100 ms through the cluster's endpoint whether it may write; it
//! writes nothing.
//!
//! Again is harmless: names and resource ids say whether it is done, whoever did it; an object in
//! the run bucket, written before the call and only once an entry into this state or a redrive of
//! it, keeps a switchover that was rolled back from being begun again by itself. A worker that dies
//! leaves the switchover to RDS, and its time unmeasured.
//!
//! Undo: before it, delete the deployment with green; after it, the old cluster is what it was at
//! the switchover, and going back loses what was written since.
//!
//! Errors: `NotReady` while a member is not available, green is behind or RDS is at work; `Blocked`
//! (green no longer follows); `Conflict` (the deployment is gone); `Refused` (RDS does not take the
//! request); `OperationFailed` (rolled back: nothing has changed).

use std::{future::Future, time::Duration};

use aws_sdk_rds::error::SdkError;
use jiff::{SignedDuration, Timestamp};
use runbook::{
    Context, Error, Finding, Level, Result, Run, State,
    aurora::{
        self, Cluster, Deployment, EngineVersion, Fault, Phase, ResourceId, find_deployment, identifier,
        message, said_of,
    },
    error::{Then, aws},
    store::When,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod guard;
mod left;
pub mod probe;

use left::left;
use probe::Downtime;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SwitchOver {
    /// The DB cluster identifier, which green takes.
    pub cluster: String,
    /// The secret with `username` and `password`.
    pub secret_arn: Option<String>,
    /// The version that green has.
    #[schemars(with = "String")]
    pub version: EngineVersion,
    /// The identifier of the Blue/Green deployment; null when it is gone after a switchover.
    pub deployment: Option<String>,
    /// Green's DbClusterResourceId, which stays.
    #[schemars(with = "String")]
    pub resource_id: ResourceId,
    /// For how many seconds RDS tries.
    pub timeout: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Switched {
    pub summary: String,
    /// Null when nobody has measured it.
    pub downtime: Option<Downtime>,
    /// What is left for a person, and what has to be looked after by hand.
    pub left: Vec<String>,
    /// The commands that go back, without what was written since.
    pub way_back: Vec<String>,
}

/// What SQL shows of a switchover.
pub trait Eyes: Sync {
    /// `NotReady` or `Blocked` while green does not follow blue.
    fn check(&self, blue: &Cluster, green: &Cluster) -> impl Future<Output = Result<()>> + Send;

    /// Looks on while something is done.
    fn watch<T: Send>(
        &self,
        blue: &Cluster,
        done: impl Future<Output = T> + Send,
    ) -> impl Future<Output = (T, Option<Downtime>)> + Send;
}

/// RDS takes longer for all round it than what it tries the switchover for.
const SLACK: Duration = Duration::from_mins(10);
/// How often RDS is asked while it switches over, and while nothing shows of it.
const LOOK: Duration = Duration::from_secs(2);
const SELDOM: Duration = Duration::from_secs(20);
/// AVAILABLE has been read for a while after the call (hashicorp's provider waits through it).
const FIRST_SIGN: SignedDuration = SignedDuration::from_mins(5);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    requested: Timestamp,
}

impl State for SwitchOver {
    const NAME: &'static str = "SwitchOver";
    type Output = Switched;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Switched> {
        let eyes = guard::Sql { cx, secret_arn: self.secret_arn.clone() };
        self.switch(cx, run, &eyes).await
    }
}

/// One look at both sides.
struct Seen {
    deployment: Option<Deployment>,
    production: Option<Cluster>,
}

impl SwitchOver {
    pub async fn switch(&self, cx: &Context, run: &Run, eyes: &impl Eyes) -> Result<Switched> {
        let seen = self.look(cx).await?;
        if self.has_moved(&seen) {
            return self.done(cx, seen, None).await;
        }
        let Some(deployment) = seen.deployment else {
            return Err(Error::conflict(format!(
                "Blue/Green deployment {} is gone: somebody has deleted it",
                self.deployment.as_deref().unwrap_or("of this cluster")
            ))
            .then(Then::StartAgain));
        };
        let key = format!("{}/switchover-{}.json", run.prefix(), run.since().as_millisecond());
        let begun = cx.store.get_json::<Request>(&key).await?;
        let under_way = matches!(deployment.phase, Phase::Switching | Phase::Switched) || begun.is_some();
        let (ended, downtime) = if under_way {
            let requested = begun.map_or(cx.clock.now(), |begun| begun.requested);
            (self.follow(cx, requested).await, None)
        } else {
            let blue = seen.production;
            let blue = blue.ok_or_else(|| Error::NotReady(format!("cluster {} to be seen", self.cluster)))?;
            let green = self.check(cx, &deployment, &blue).await?;
            eyes.check(&blue, &green).await?;
            eyes.watch(&blue, self.carry_out(cx, &deployment, &key)).await
        };
        self.done(cx, ended?, downtime).await
    }

    async fn look(&self, cx: &Context) -> Result<Seen> {
        let deployment = match &self.deployment {
            Some(id) => find_deployment(cx, id).await?,
            None => None,
        };
        Ok(Seen { deployment, production: aurora::find_cluster(cx, &self.cluster).await? })
    }

    /// Names and resource ids say it; a status may come late or be gone with the deployment.
    fn has_moved(&self, seen: &Seen) -> bool {
        let green = |cluster: &Cluster| cluster.id == self.cluster && cluster.resource_id == self.resource_id;
        seen.production.as_ref().is_some_and(green)
    }

    /// What RDS shows must be whole before users feel anything. Answers green.
    async fn check(&self, cx: &Context, deployment: &Deployment, blue: &Cluster) -> Result<Cluster> {
        let delete = deployment.delete();
        match &deployment.phase {
            Phase::Available | Phase::NotSwitched => {}
            Phase::Invalid => {
                let said = said_of(cx, deployment, deployment.created()).await?;
                return Err(Error::failed(format!(
                    "Blue/Green deployment {} is INVALID_CONFIGURATION, which nothing ends.{}",
                    deployment.name,
                    quoted(&said)
                ))
                .changed("nothing of the cluster")
                .fix(format!("delete it with its green ({delete})"))
                .then(Then::StartAgain));
            }
            phase => {
                let waiting = format!("Blue/Green deployment {} to be AVAILABLE ({phase})", deployment.name);
                return Err(Error::NotReady(waiting));
            }
        }
        let name = deployment.target.as_deref().map(identifier).unwrap_or_default();
        let green = aurora::find_cluster(cx, name).await?;
        let green = green.filter(|green| green.resource_id == self.resource_id);
        let green = green.ok_or_else(|| Error::NotReady(format!("the green cluster {name:?} to be seen")))?;
        // AVAILABLE of the deployment does not say so of each (hashicorp's provider tries again).
        for side in [blue, &green] {
            aurora::ready(side, &aurora::members(cx, side).await?)?;
        }
        let missing = deployment.members.iter().filter(|member| member.target.is_none());
        let missing: Vec<Finding> = missing
            .map(|member| Finding {
                check: "green-member".into(),
                level: Level::Block,
                database: None,
                object: identifier(&member.source).to_owned(),
                reason: format!("it has no green side ({}), and would not be switched over", member.phase),
                remedy: format!("delete the deployment with its green ({delete}); it is made again"),
            })
            .collect();
        if missing.is_empty() { Ok(green) } else { Err(Error::Blocked(missing)) }
    }

    /// The one call, and what becomes of it.
    async fn carry_out(&self, cx: &Context, deployment: &Deployment, key: &str) -> Result<Seen> {
        let requested = cx.clock.now();
        let request = Request { requested };
        if !cx.store.put_json_when(key, &request, When::Absent).await?
            // It may be this one's, whose answer was lost; or another worker begins it now.
            && cx.store.get_json(key).await? != Some(request)
        {
            return self.follow(cx, requested).await;
        }
        cx.progress.say(format!("switching over to {}", deployment.target.as_deref().unwrap_or("green")));
        let call = cx.rds.switchover_blue_green_deployment();
        let call = call.blue_green_deployment_identifier(&deployment.id);
        let timeout = i32::try_from(self.timeout).unwrap_or(i32::MAX);
        let Err(error) = call.switchover_timeout(timeout).send().await else {
            return self.follow(cx, requested).await;
        };
        if !matches!(error, SdkError::ServiceError(_)) {
            // The answer was lost: what becomes of it shows whether RDS took the request.
            return self.follow(cx, requested).await;
        }
        // RDS said no, so nothing was begun and the next attempt may ask.
        cx.store.delete(key).await?;
        Err(match Fault::of(&error) {
            Some(Fault::InvalidBlueGreenDeploymentStateFault) => {
                Error::NotReady(format!("RDS to take the switchover ({})", message(&error)))
            }
            Some(Fault::BlueGreenDeploymentNotFoundFault) => {
                Error::NotReady(format!("Blue/Green deployment {} to be seen", deployment.name))
            }
            _ => aws("rds:SwitchoverBlueGreenDeployment")(error),
        })
    }

    /// Until the names have moved or RDS has taken everything back.
    async fn follow(&self, cx: &Context, requested: Timestamp) -> Result<Seen> {
        let until = requested
            + SignedDuration::from_secs(i64::from(self.timeout))
            + SignedDuration::try_from(SLACK).unwrap_or_default();
        let (mut in_progress, mut stood) = (false, 0);
        loop {
            let seen = match self.look(cx).await {
                // A call that is lost must not end the measuring.
                Err(error) if error.waiting_for().is_some() && cx.clock.now() < until => {
                    cx.clock.sleep(LOOK).await;
                    continue;
                }
                seen => seen?,
            };
            let phase = seen.deployment.as_ref().map(|deployment| deployment.phase.clone());
            if self.has_moved(&seen) && phase != Some(Phase::Switching) {
                return Ok(seen);
            }
            let now = cx.clock.now();
            let (over, silent) = (now >= until, now >= requested + FIRST_SIGN);
            if let Some(deployment) = &seen.deployment {
                // Before it is begun, AVAILABLE is still shown for a while, or what an earlier
                // attempt has left.
                let stands = matches!(deployment.phase, Phase::Available | Phase::NotSwitched);
                stood = if stands { stood + 1 } else { 0 };
                // One answer may be a stale one.
                let is_back = in_progress && stood > 2;
                if stands && (is_back || silent || is_canceled(cx, deployment, requested).await?) {
                    return Err(self.rolled_back(cx, deployment, requested).await?);
                }
                in_progress |= deployment.phase == Phase::Switching;
            }
            if over {
                let phase = phase.map_or("gone".to_owned(), |phase| phase.to_string());
                return Err(Error::NotReady(format!(
                    "RDS to end the switchover (the deployment is {phase})"
                )));
            }
            let begins = now < requested + SignedDuration::from_mins(1);
            cx.clock.sleep(if in_progress || begins { LOOK } else { SELDOM }).await;
        }
    }

    async fn rolled_back(&self, cx: &Context, deployment: &Deployment, since: Timestamp) -> Result<Error> {
        let said = said_of(cx, deployment, since).await?;
        Ok(Error::failed(format!(
            "RDS has not switched {} over to {}: everything is as before.{}",
            self.cluster,
            self.version,
            quoted(&said)
        ))
        .changed(format!("nothing, {} is in use as before and green follows it", self.cluster))
        .fix(format!(
            "change what RDS names, or give a longer switchoverTimeout; to go back to no green: {}",
            deployment.delete()
        ))
        .then(Then::Redrive))
    }

    /// Waits until all of it may be used, and says what is left.
    async fn done(&self, cx: &Context, seen: Seen, downtime: Option<Downtime>) -> Result<Switched> {
        let mut seen = seen;
        let production = loop {
            let waiting = match &seen.production {
                Some(production) if self.has_moved(&seen) => {
                    let members = aurora::members(cx, production).await?;
                    let switching = seen.deployment.as_ref().is_some_and(|one| one.phase == Phase::Switching);
                    match aurora::ready(production, &members) {
                        Ok(()) if !switching && !members.is_empty() => break production.clone(),
                        Err(error) if downtime.is_none() => return Err(error),
                        _ => format!("{} and its instances to be available", self.cluster),
                    }
                }
                _ => format!("{} to be seen as green was", self.cluster),
            };
            // What was measured would be lost with this worker.
            if downtime.is_none() {
                return Err(Error::NotReady(waiting));
            }
            cx.progress.say(format!("waiting for {waiting}"));
            cx.clock.sleep(LOOK).await;
            if let Ok(next) = self.look(cx).await {
                seen = next;
            }
        };
        let measured = match &downtime {
            Some(downtime) => downtime.words(),
            None => "how long nobody could write was not measured".to_owned(),
        };
        let (left, way_back) = left(&production, seen.deployment.as_ref());
        Ok(Switched {
            summary: format!("{} is at {}: {measured}", self.cluster, production.version),
            downtime,
            left,
            way_back,
        })
    }
}

/// By RDS's events, which may be missing.
async fn is_canceled(cx: &Context, deployment: &Deployment, since: Timestamp) -> Result<bool> {
    let said = said_of(cx, deployment, since).await?;
    Ok(said.iter().any(|said| {
        let said = said.to_lowercase();
        said.contains("switchover") && (said.contains("cancel") || said.contains("rolled back"))
    }))
}

fn quoted(said: &[String]) -> String {
    said.iter().map(|said| format!("\n\nRDS says: {said}")).collect()
}
