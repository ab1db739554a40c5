//! The roles and policies of `infra/iam`, as Terraform would deploy them: the same files, the same
//! variables (infra/iam/README.md).

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use local_aws::{
    aws::{ACCOUNT, PRODUCTION, REGION, arn, arn_in},
    iam::{
        Deployed, Principal, Role,
        policy::{Pattern, Policy},
    },
    template::Variables,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    environments,
    executables::root,
    outside,
    sandbox::BUCKET,
    statemachine::{PREFIX, RUNBOOKS},
    worlds::exports,
};

/// What a deployment may have beside the rest, and whose statements are not there without it.
#[derive(Debug, Clone, Default)]
pub struct Switches {
    /// The customer's key that encrypts the run bucket.
    pub run_bucket: Option<String>,
    /// The same of the secrets.
    pub secrets: Option<String>,
    /// Whether the state machines write logs and X-Ray traces.
    pub logs: bool,
    pub traces: bool,
    /// The stable names of a policy's targets, and the clusters that it exports: the examples' when
    /// none.
    pub targets: Vec<String>,
    pub exported: Vec<String>,
}

/// A role as `infra/iam/roles` says it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleData {
    trust: String,
    /// `production`; the home account when none.
    account: Option<String>,
    /// The scope, and what is allowed in it.
    allow: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scope {
    #[serde(rename = "about")]
    _about: String,
    #[serde(rename = "Resource")]
    resource: Vec<String>,
    #[serde(rename = "Condition")]
    condition: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Trust {
    #[serde(rename = "Principal")]
    principal: Value,
    #[serde(rename = "Condition")]
    condition: Option<Value>,
}

/// A policy that stands on a bucket or a function, or on a key.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OnResource {
    #[serde(default)]
    on: Vec<String>,
    key: Option<String>,
    #[serde(rename = "Statement")]
    statement: Value,
}

/// Stands for the role's own name in the resources of the scopes, which are read once for all roles
/// of a file.
const OWN_NAME: &str = "{role}";

type Roles = BTreeMap<String, RoleData>;

/// A role's statements and its trust policy, as JSON: what the tests show to others.
pub struct Document {
    pub name: String,
    pub arn: String,
    pub policy: Value,
    pub trust: Value,
}

/// What every file may name.
pub fn variables(switches: &Switches) -> Variables {
    let or = |given: &[String], examples: &[&str]| match given {
        [] => examples.iter().map(ToString::to_string).collect(),
        given => given.to_vec(),
    };
    let stable: Vec<String> = or(&switches.targets, &[environments::DEV, environments::SUPPORT]);
    let exported: Vec<String> = or(&switches.exported, &["orders"]);
    // The stable name, what a replaced cluster is called, and what the next one is: with the eight
    // digits of a run's short id.
    let old: Vec<String> = stable.iter().map(|target| format!("{target}-old-????????")).collect();
    let fresh: Vec<String> = stable.iter().map(|target| format!("{target}-????????")).collect();
    let exported: Vec<String> = exported.iter().map(|cluster| format!("rds:{cluster}-")).collect();
    let listed = |names: &[String]| names.join("\" }, { \"prefix\": \"");
    // As infra/schedules.tf has it.
    let fits = listed(&exported).len() <= 1500;
    let exported = if fits { exported } else { vec!["rds:".to_owned()] };
    let cluster = |name: &String| arn("rds", &format!("cluster:{name}"));
    let instance = |name: &String| arn("rds", &format!("db:{name}-1"));
    let key_of = |account: &str| arn_in(account, "kms", "key/*");
    Variables::default()
        .set("prefix", PREFIX)
        .set("account", ACCOUNT)
        .set("production_account", PRODUCTION)
        .set("region", REGION)
        .set("run_bucket", BUCKET)
        .set("source_role", &role_arn("source", PRODUCTION))
        .set("external_id", environments::EXTERNAL_ID)
        .set("slack_webhook_url", outside::SLACK)
        .set("datadog_intake_url", outside::DATADOG)
        .set("datadog_api_key", outside::DATADOG_KEY)
        .set("image_repository", &arn("ecr", &format!("repository/{PREFIX}")))
        .set_all(
            "state_machines",
            RUNBOOKS.map(|name| arn("states", &format!("stateMachine:{PREFIX}-{name}"))),
        )
        .set_all("stable_names_of_clusters", stable.iter().map(cluster))
        .set_all("new_names_of_clusters", stable.iter().chain(&old).map(cluster))
        .set_all("new_names_of_instances", stable.iter().chain(&old).map(instance))
        .set_all("fresh_names_of_clusters", fresh.iter().map(cluster))
        .set_all("fresh_names_of_instances", fresh.iter().map(instance))
        .set_all("production_keys", [key_of(PRODUCTION)])
        .set_all("copy_keys", [key_of(PRODUCTION)])
        .set_all("cluster_keys", [key_of(ACCOUNT)])
        // As a list of prefixes: infra/iam/README.md.
        .set("exported_snapshots", &listed(&exported))
        .set_all("export_buckets", [format!("arn:aws:s3:::{}", exports::BUCKET)])
        .set_all("exported_files", [format!("arn:aws:s3:::{}/*", exports::BUCKET)])
        .set_all("export_roles", [exports::role_arn()])
        .set_all("export_keys", [key_of(ACCOUNT)])
        .set_all("shared_snapshots", [arn_in(PRODUCTION, "rds", "cluster-snapshot:*")])
        .set_all("masking_keys", [arn("secretsmanager", "secret:orders-sync/masking-key-??????")])
        .set_all("run_bucket_keys", switches.run_bucket.clone())
        .set_all("secrets_keys", switches.secrets.clone())
        .set_all("log_delivery", switches.logs.then(|| "*".to_owned()))
        .set_all(
            "state_machine_logs",
            switches
                .logs
                .then(|| arn("logs", &format!("log-group:/aws/vendedlogs/states/{PREFIX}-*:log-stream:*"))),
        )
        .set_all("tracing", switches.traces.then(|| "*".to_owned()))
}

/// Every role with its policies.
pub fn documents(switches: &Switches) -> anyhow::Result<Vec<Document>> {
    let files = role_files()?;
    let callers = files.values().flatten().filter(|(_, role)| role.allow.contains_key("production"));
    let callers: Vec<String> = callers.map(|(name, _)| role_arn(name, ACCOUNT)).collect();
    let variables = variables(switches).set_all("callers_of_production", callers);
    let mut documents = Vec::new();
    for (file, roles) in &files {
        let of_file = of_runbook(variables.clone(), roles);
        let trusts: BTreeMap<String, Trust> = parse("iam/trust.json", &of_file)?;
        let scopes: BTreeMap<String, Scope> = parse("iam/scopes.json", &of_file.set("role", OWN_NAME))?;
        for (name, role) in roles {
            let document = document(name, role, &scopes, &trusts);
            documents.push(document.with_context(|| format!("role {name} of infra/iam/roles/{file}"))?);
        }
    }
    Ok(documents)
}

/// A state machine calls the functions and workers of its own file.
fn of_runbook(variables: Variables, roles: &Roles) -> Variables {
    let of =
        |trust: &'static str| roles.iter().filter(move |(_, role)| role.trust == trust).map(|(name, _)| name);
    let execution = role_arn("task-execution", ACCOUNT);
    variables
        .set_all("functions", of("lambda").map(|name| arn("lambda", &format!("function:{PREFIX}-{name}"))))
        .set_all(
            "workers",
            of("ecs-tasks").map(|name| arn("ecs", &format!("task-definition/{PREFIX}-{name}:*"))),
        )
        .set_all("worker_roles", of("ecs-tasks").map(|name| role_arn(name, ACCOUNT)).chain([execution]))
}

fn document(
    name: &str,
    role: &RoleData,
    scopes: &BTreeMap<String, Scope>,
    trusts: &BTreeMap<String, Trust>,
) -> anyhow::Result<Document> {
    let mut statements = Vec::new();
    for (scope, actions) in &role.allow {
        let Scope { resource, condition, .. } =
            scopes.get(scope).with_context(|| format!("infra/iam/scopes.json has no {scope}"))?;
        let resource = resource.iter().filter(|resource| !resource.is_empty());
        let resource: Vec<String> = resource.map(|resource| resource.replace(OWN_NAME, name)).collect();
        // A list that is empty in this deployment allows nothing.
        if resource.is_empty() {
            continue;
        }
        let mut statement =
            json!({ "Sid": sid(scope), "Effect": "Allow", "Action": actions, "Resource": resource });
        if let Some(condition) = condition {
            statement["Condition"] = condition.clone();
        }
        statements.push(statement);
    }
    let trust =
        trusts.get(&role.trust).with_context(|| format!("infra/iam/trust.json has no {}", role.trust))?;
    let mut assume = json!({ "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": trust.principal });
    if let Some(condition) = &trust.condition {
        assume["Condition"] = condition.clone();
    }
    let account = match role.account.as_deref() {
        None => ACCOUNT,
        Some("production") => PRODUCTION,
        Some(other) => anyhow::bail!("there is no account {other}"),
    };
    Ok(Document {
        name: name.to_owned(),
        arn: role_arn(name, account),
        policy: Value::Array(statements),
        trust: json!([assume]),
    })
}

/// `our-clusters` is `OurClusters`: a Sid has letters and digits.
fn sid(scope: &str) -> String {
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    scope.split('-').map(capital).collect()
}

pub fn role_arn(name: &str, account: &str) -> String {
    format!("arn:aws:iam::{account}:role/{PREFIX}-{name}")
}

fn role_files() -> anyhow::Result<BTreeMap<String, Roles>> {
    let folder = root().join("infra/iam/roles");
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(&folder).with_context(|| format!("could not read {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).context("no name")?;
        let roles = serde_json::from_slice(&std::fs::read(&path)?);
        files.insert(name.clone(), roles.with_context(|| format!("infra/iam/roles/{name} is not valid"))?);
    }
    Ok(files)
}

fn parse<T: serde::de::DeserializeOwned>(file: &str, variables: &Variables) -> anyhow::Result<T> {
    let path = root().join("infra").join(file);
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))?;
    let rendered = variables.render(&text).with_context(|| format!("infra/{file}"))?;
    serde_json::from_str(&rendered).with_context(|| format!("infra/{file} is not valid"))
}

/// The statements that stand on buckets, functions and keys, by name.
pub fn resource_policies(switches: &Switches) -> anyhow::Result<Map<String, Value>> {
    parse("iam/resources.json", &variables(switches))
}

pub fn deployed(switches: &Switches) -> anyhow::Result<Deployed> {
    let mut deployed = Deployed::default();
    for Document { name, arn, policy, trust } in documents(switches)? {
        let parsed = |document: &Value| Policy::parse(document).with_context(|| format!("role {name}"));
        deployed.roles.push(Role { arn, policy: parsed(&policy)?, trust: parsed(&trust)? });
    }
    for (name, policy) in resource_policies(switches)? {
        let OnResource { on, key, statement } = serde_json::from_value(policy)?;
        ensure!(on.is_empty() == key.is_some(), "{name} of infra/iam/resources.json has either on or key");
        let policy = Policy::parse(&statement).with_context(|| name.clone())?;
        deployed.resource_policies.extend(on.into_iter().map(|on| (Pattern(on), policy.clone())));
        deployed.key_policies.extend(key.map(|key| (key, policy)));
    }
    let functions = functions::STATES.iter().map(|state| runbook::state::kebab(state));
    for name in functions.chain(functions::CALLED_BY_EVENTS.map(str::to_owned)) {
        let source_arn = arn("lambda", &format!("function:{PREFIX}-{name}"));
        let role = role_arn(&name, ACCOUNT);
        deployed.principals.insert(name, Principal { role, service: "lambda.amazonaws.com", source_arn });
    }
    for name in workers::STATES.iter().map(|state| runbook::state::kebab(state)) {
        let source_arn = arn("ecs", &format!("task/{PREFIX}/{name}"));
        let role = role_arn(&name, ACCOUNT);
        deployed.principals.insert(name, Principal { role, service: "ecs-tasks.amazonaws.com", source_arn });
    }
    Ok(deployed)
}

/// By family of task definitions: the worker's own role, and the one that starts it.
pub fn task_roles() -> BTreeMap<String, Vec<String>> {
    let states = workers::STATES.iter().map(|state| runbook::state::kebab(state));
    let roles = |name: &str| vec![role_arn(name, ACCOUNT), role_arn("task-execution", ACCOUNT)];
    states.map(|name| (format!("{PREFIX}-{name}"), roles(&name))).collect()
}
