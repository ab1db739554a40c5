//! What the last rehearsal of a cluster says about the upgrade that is to come.
//!
//! The run bucket only says which execution it was; what that found out, Step Functions says.

use std::time::Duration;

use aws_sdk_sfn::{error::ProvideErrorMetadata as _, types::ExecutionStatus};
use runbook::{
    Context, Error, Result, Run,
    aurora::{Cluster, EngineVersion},
    error::{Then, aws},
    rehearse_upgrade::{Rehearsal, is_rehearsal, rehearsal_key},
};

/// Of this cluster, along this path; a path that has been gone in part is still the same.
pub async fn last(
    cx: &Context,
    run: &Run,
    cluster: &Cluster,
    path: &[EngineVersion],
) -> Result<Option<Rehearsal>> {
    let kept: Option<Rehearsal> = cx.store.get_json(&rehearsal_key(&cluster.resource_id)).await?;
    let Some(kept) = kept.filter(|kept| is_rehearsal(&kept.execution, run)) else { return Ok(None) };
    let describe = cx.sfn.describe_execution().execution_arn(kept.execution.as_str()).send().await;
    let described = match describe {
        // Step Functions forgets an execution 90 days after it closed (quotas page).
        Err(error) if error.code() == Some("ExecutionDoesNotExist") => return Ok(None),
        described => described.map_err(aws("states:DescribeExecution"))?,
    };
    if *described.status() != ExecutionStatus::Succeeded {
        return Ok(None);
    }
    let said = described.output().and_then(|output| serde_json::from_str::<Rehearsal>(output).ok());
    Ok(said.filter(|said| {
        said.execution == kept.execution
            && said.resource_id == cluster.resource_id
            && fits(said, cluster, path)
    }))
}

fn fits(rehearsal: &Rehearsal, cluster: &Cluster, path: &[EngineVersion]) -> bool {
    let mut hops = rehearsal.path.iter();
    // Behind the version that the cluster has come to.
    let is_on_its_way = rehearsal.from == cluster.version || hops.any(|hop| *hop == cluster.version);
    is_on_its_way && !path.is_empty() && hops.eq(path)
}

/// Refuses an upgrade that has not been rehearsed lately; one that is half-way has been.
pub fn require(
    cx: &Context,
    cluster: &Cluster,
    last: Option<&Rehearsal>,
    within: Duration,
    target: &EngineVersion,
) -> Result<()> {
    let (id, hours) = (&cluster.id, within.as_secs().div_ceil(3600));
    let age = |last: &Rehearsal| {
        Duration::try_from(cx.clock.now().duration_since(last.rehearsed)).unwrap_or_default()
    };
    let found = match last {
        Some(last) if last.from != cluster.version || age(last) <= within => return Ok(()),
        Some(last) => format!("the last rehearsal of {id} to {target} ended at {}", last.rehearsed),
        None => format!("nobody has rehearsed the upgrade of {id} from {} to {target}", cluster.version),
    };
    Err(Error::refused(format!("{found}, and requireRehearsal asks for one of the last {hours} hours"))
        .fix(format!(
            "rehearse it: start an execution with {{\"cluster\": \"{id}\", \"target\": \"{target}\", \
             \"rehearse\": true}}"
        ))
        .then(Then::StartAgain))
}

/// For the plan's summary, which is what a person decides by.
pub fn words(last: Option<&Rehearsal>) -> String {
    let Some(last) = last else { return String::new() };
    let day = last.rehearsed.strftime("%Y-%m-%d");
    match last.downtime {
        Some(downtime) => format!("; rehearsed on {day}: expect {} of downtime", downtime.words()),
        None => format!("; rehearsed on {day}: its downtime could not be measured"),
    }
}

#[cfg(test)]
mod tests {
    use runbook::rehearse_upgrade::Span;

    use super::*;
    use crate::testing::{self, Parse};

    fn rehearsal(from: &str, path: &[&str]) -> Rehearsal {
        let version = |text: &&str| text.parse::<EngineVersion>().unwrap();
        Rehearsal {
            execution: Run::of("arn:aws:states:eu-west-1:444455556666:execution:a-rehearse-upgrade:one")
                .execution,
            summary: String::new(),
            cluster: "orders".into(),
            resource_id: "id-orders".to_owned().try_into().unwrap(),
            from: version(&from),
            path: path.iter().map(version).collect(),
            rehearsed: "2026-11-20T03:00:00Z".parse().unwrap(),
            phases: Vec::new(),
            downtime: Some(Span::of(420)),
            duration: Span::of(1800),
            findings: Vec::new(),
            plans: None,
        }
    }

    #[test]
    fn a_rehearsal_is_of_one_path_also_when_that_has_been_gone_in_part() {
        let versions = |path: &[&str]| path.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
        let at = |version: &str, path: &[&str], of: &Rehearsal| {
            fits(of, &testing::cluster("orders").engine_version(version).parse(), &versions(path))
        };
        let two_hops = rehearsal("13.20", &["17.4", "18.4"]);
        assert!(at("13.20", &["17.4", "18.4"], &two_hops) && at("17.4", &["18.4"], &two_hops));
        assert!(!at("13.20", &["17.5", "18.4"], &two_hops), "RDS offers another version now");
        assert!(!at("13.20", &["18.4"], &two_hops) && !at("16.14", &["18.4"], &two_hops));
        assert!(!at("18.4", &[], &two_hops));
    }

    #[test]
    fn what_to_expect_is_said_with_its_day() {
        let said = words(Some(&rehearsal("16.14", &["18.4"])));
        assert_eq!(said, "; rehearsed on 2026-11-20: expect 7 to 14 min of downtime");
    }
}
