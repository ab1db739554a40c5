//! What AWS lists, beside what the local AWS has in its tables.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::{
    check::{Answer, Check, Expected},
    local,
    subject::{ENGINE, Subject},
};

const FAMILIES: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../sandbox/aws/data/families.json"));
const VERSIONS: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../sandbox/aws/data/engine_versions.json"));

pub const CHECKS: &[Check] = &[
    Check {
        name: "parameters-that-the-local-aws-lacks",
        expected: Expected::Holds("every parameter of the cluster's family is known to the local AWS"),
        source: "AuroraUserGuide, AuroraPostgreSQL.Reference.ParameterGroups",
        local: local!("src/rds/families.rs", "holds each parameter once; `since`"),
        ask: |on| {
            Box::pin(async move {
                let (listed, known) = (listed(on).await?, known(on).await?);
                let unknown: Vec<_> = listed.difference(&known).collect();
                Ok(Answer::of(unknown.is_empty(), format!("{} listed; unknown: {unknown:?}", listed.len())))
            })
        },
    },
    Check {
        name: "parameters-that-aws-lacks",
        expected: Expected::Holds("every parameter of the local AWS is listed"),
        source: "AuroraUserGuide, AuroraPostgreSQL.Reference.ParameterGroups",
        local: local!("src/rds/families.rs", "(which lists both groups of aurora-postgresql14 whole)"),
        ask: |on| {
            Box::pin(async move {
                let (listed, known) = (listed(on).await?, known(on).await?);
                let invented: Vec<_> = known.difference(&listed).collect();
                Ok(Answer::of(
                    invented.is_empty(),
                    format!("{} known; not listed: {invented:?}", known.len()),
                ))
            })
        },
    },
    Check {
        name: "targets-that-the-local-aws-lacks",
        expected: Expected::Holds("every target of the cluster's version is known to the local AWS"),
        source: "AuroraUserGuide, USER_UpgradeDBInstance.Upgrading",
        local: local!("src/rds/versions.rs", "`sandbox/aws/data/engine_versions.json`: a target is never"),
        ask: |on| Box::pin(targets(on)),
    },
    Check {
        name: "port-of-cluster-and-member",
        expected: Expected::Holds("a cluster and its instance both show 5432, unless told otherwise"),
        source: "botocore rds 2014-10-31, CreateDBCluster.Port",
        local: local!("src/rds/create_cluster.rs", "const DEFAULT_PORT: u16 = 5432"),
        ask: |on| {
            Box::pin(async move {
                let (cluster, writer) = (on.cluster().await?, on.writer().await?);
                let ports = (cluster.shown.port(), writer.endpoint().and_then(|endpoint| endpoint.port()));
                Ok(Answer::of(ports == (Some(5432), Some(5432)), format!("they show {ports:?}")))
            })
        },
    },
    Check {
        name: "storage-type-that-is-not-said",
        expected: Expected::Holds("a cluster on standard storage shows no StorageType"),
        source: "botocore rds 2014-10-31, CreateDBCluster.StorageType",
        local: local!("src/rds/settings.rs", "`aurora` is not said again by RDS"),
        ask: |on| {
            Box::pin(async move {
                let cluster = on.cluster().await?;
                let said = cluster.shown.storage_type().map(str::to_owned);
                Ok(Answer::of(said.is_none(), format!("it shows {said:?}")))
            })
        },
    },
];

#[derive(Deserialize)]
struct Parameter {
    name: String,
    scope: String,
    since: Option<u32>,
    until: Option<u32>,
}

/// Which group it stands in, and its name.
type Listed = BTreeSet<(&'static str, String)>;

async fn known(on: &Subject) -> Result<Listed> {
    let major = on.cluster().await?.version.major();
    let all: Vec<Parameter> = serde_json::from_str(FAMILIES).context("read families.json")?;
    let of_major = all.into_iter().filter(|parameter| {
        parameter.since.is_none_or(|since| since <= major)
            && parameter.until.is_none_or(|until| until >= major)
    });
    let mut known = Listed::new();
    for Parameter { name, scope, .. } in of_major {
        if scope == "both" {
            known.insert(("instance", name.clone()));
        }
        known.insert(("cluster", name));
    }
    Ok(known)
}

async fn listed(on: &Subject) -> Result<Listed> {
    let family = format!("{ENGINE}{}", on.cluster().await?.version.major());
    let (rds, mut listed) = (on.rds(), Listed::new());
    let mut marker = None;
    loop {
        let ask = rds.describe_engine_default_cluster_parameters().db_parameter_group_family(&family);
        let page = ask.set_marker(marker).send().await?.engine_defaults.context("no defaults are shown")?;
        let names = page.parameters().iter().filter_map(|parameter| parameter.parameter_name());
        listed.extend(names.map(|name| ("cluster", name.to_owned())));
        marker = page.marker().map(str::to_owned);
        if marker.is_none() {
            break;
        }
    }
    loop {
        let ask = rds.describe_engine_default_parameters().db_parameter_group_family(&family);
        let page = ask.set_marker(marker).send().await?.engine_defaults.context("no defaults are shown")?;
        let names = page.parameters().iter().filter_map(|parameter| parameter.parameter_name());
        listed.extend(names.map(|name| ("instance", name.to_owned())));
        marker = page.marker().map(str::to_owned);
        if marker.is_none() {
            return Ok(listed);
        }
    }
}

async fn targets(on: &Subject) -> Result<Answer> {
    #[derive(Deserialize)]
    struct Versions {
        versions: BTreeMap<String, BTreeSet<String>>,
    }
    let version = on.cluster().await?.version.to_string();
    let Versions { versions } = serde_json::from_str(VERSIONS).context("read engine_versions.json")?;
    let Some(known) = versions.get(&version) else {
        return Ok(Answer::NotSo(format!("the local AWS does not know {version}")));
    };
    let answer =
        on.rds().describe_db_engine_versions().engine(ENGINE).engine_version(&version).send().await?;
    let shown = answer.db_engine_versions().iter().flat_map(|version| version.valid_upgrade_target());
    let shown: BTreeSet<String> =
        shown.filter_map(|target| target.engine_version().map(str::to_owned)).collect();
    let unknown: Vec<_> = shown.difference(known).collect();
    Ok(Answer::of(unknown.is_empty(), format!("from {version}: {shown:?}; unknown: {unknown:?}")))
}
