//! What was read back of a deployment, and how the sandbox runs it.

use std::collections::{BTreeMap, BTreeSet};

use sandbox::{
    aws::{ACCOUNT, arn},
    deployment::{CustomerKey, Deployment, Machine},
    events::{Rule, Target, Transform},
    iam::{
        Deployed as Iam, Principal, Role,
        policy::{Pattern, Policy},
    },
    permissions::role_arn,
    statemachine::PREFIX,
};
use serde::Deserialize;
use serde_json::Value;

/// As `tests/data/deploy/control_plane.py read` prints it.
#[derive(Deserialize)]
pub struct ReadBack {
    pub machines: Vec<ReadMachine>,
    pub functions: Vec<Function>,
    pub workers: Vec<Worker>,
    pub roles: Vec<ReadRole>,
    pub rules: Vec<ReadRule>,
    pub schedules: Vec<Schedule>,
    pub keys: Vec<ReadKey>,
    pub buckets: Vec<Bucket>,
}

#[derive(Deserialize)]
pub struct ReadMachine {
    pub name: String,
    pub definition: String,
    pub role: String,
    pub log_level: String,
    pub execution_data: bool,
    pub aliases: Vec<String>,
}

#[derive(Deserialize)]
pub struct Function {
    pub name: String,
    pub arn: String,
    pub handler: String,
    pub runtime: String,
    pub architectures: Vec<String>,
    pub timeout: u64,
    pub role: String,
    pub environment: BTreeMap<String, String>,
    pub policy: Value,
}

#[derive(Deserialize)]
pub struct Worker {
    pub family: String,
    pub task_role: String,
    pub execution_role: String,
    pub network_mode: String,
    pub architecture: String,
    pub name: String,
    pub image: String,
    pub command: Vec<String>,
    pub read_only: bool,
    pub environment: BTreeMap<String, String>,
}

#[derive(Deserialize)]
pub struct ReadRole {
    pub arn: String,
    pub trust: Value,
    pub policy: Value,
}

#[derive(Deserialize)]
pub struct ReadRule {
    pub account: String,
    pub name: String,
    pub description: String,
    pub bus: String,
    pub pattern: Option<Value>,
    pub schedule: Option<String>,
    pub targets: Vec<ReadTarget>,
}

#[derive(Deserialize)]
pub struct ReadTarget {
    pub id: String,
    pub arn: String,
    pub role: Option<String>,
    pub dead_letters: Option<String>,
    pub path: Option<String>,
    pub paths: Option<BTreeMap<String, String>>,
    pub template: Option<String>,
    pub input: Option<String>,
}

#[derive(Deserialize)]
pub struct Schedule {
    pub name: String,
    pub group: String,
    pub expression: String,
    pub zone: String,
    pub state: String,
    pub arn: String,
    pub input: String,
    pub role: String,
    pub dead_letters: String,
}

#[derive(Deserialize)]
pub struct ReadKey {
    pub arn: String,
    pub alias: String,
    pub policy: Value,
}

#[derive(Deserialize)]
pub struct Bucket {
    pub name: String,
    pub policy: Value,
    pub key: String,
    pub versioning: String,
    pub objects: BTreeMap<String, String>,
}

fn without_prefix<'a>(name: &'a str, of: &str) -> &'a str {
    let rest = name.strip_prefix(of).and_then(|rest| rest.strip_prefix('-'));
    rest.unwrap_or_else(|| panic!("{name} does not begin with {of}-"))
}

fn parsed(policy: &Value, of: &str) -> Policy {
    Policy::parse(policy).unwrap_or_else(|error| panic!("{of}: {error:#}"))
}

impl ReadBack {
    pub fn rule(&self, name: &str) -> &ReadRule {
        let name = format!("{PREFIX}-{name}");
        self.rules.iter().find(|rule| rule.name == name).unwrap_or_else(|| panic!("there is no rule {name}"))
    }

    /// For the sandbox: nothing is taken from `infra/`. `production_key` is that of production's
    /// own clusters, which no deployment of ours makes.
    pub fn deployment(&self, production_key: &str) -> Deployment {
        let [bucket] = &self.buckets[..] else { panic!("one bucket is deployed") };
        let mut iam = Iam::default();
        for ReadRole { arn, trust, policy } in &self.roles {
            let role = Role { arn: arn.clone(), trust: parsed(trust, arn), policy: parsed(policy, arn) };
            iam.roles.push(role);
        }
        let mut run_buckets = BTreeMap::new();
        let mut functions = BTreeSet::new();
        for function in &self.functions {
            assert_eq!(without_prefix(&function.name, PREFIX), function.handler);
            let principal = Principal {
                role: function.role.clone(),
                service: "lambda.amazonaws.com",
                source_arn: function.arn.clone(),
            };
            iam.principals.insert(function.handler.clone(), principal);
            run_buckets.insert(function.handler.clone(), function.environment["RUN_BUCKET"].clone());
            functions.insert(function.handler.clone());
            if function.policy.as_array().is_some_and(|policy| !policy.is_empty()) {
                let policy = parsed(&function.policy, &function.name);
                iam.resource_policies.push((Pattern(function.arn.clone()), policy));
            }
        }
        let mut task_roles = BTreeMap::new();
        for worker in &self.workers {
            let [command] = &worker.command[..] else { panic!("{}: {:?}", worker.family, worker.command) };
            assert_eq!(without_prefix(&worker.family, PREFIX), command);
            let principal = Principal {
                role: worker.task_role.clone(),
                service: "ecs-tasks.amazonaws.com",
                source_arn: arn("ecs", &format!("task/{PREFIX}/{command}")),
            };
            iam.principals.insert(command.clone(), principal);
            run_buckets.insert(command.clone(), worker.environment["RUN_BUCKET"].clone());
            task_roles
                .insert(worker.family.clone(), vec![worker.task_role.clone(), worker.execution_role.clone()]);
        }
        let policy = parsed(&bucket.policy, &bucket.name);
        let arn_of_bucket = format!("arn:aws:s3:::{}", bucket.name);
        for pattern in [format!("{arn_of_bucket}/*"), arn_of_bucket] {
            iam.resource_policies.push((Pattern(pattern), policy.clone()));
        }
        let own = CustomerKey {
            arn: production_key.to_owned(),
            alias: "alias/production".to_owned(),
            of_run_bucket: false,
        };
        let mut keys = vec![own];
        for ReadKey { arn, alias, policy } in &self.keys {
            iam.key_policies.insert(alias.clone(), parsed(policy, alias));
            let of_run_bucket = *arn == bucket.key;
            keys.push(CustomerKey { arn: arn.clone(), alias: alias.clone(), of_run_bucket });
        }
        Deployment {
            machines: self.machines.iter().map(ReadMachine::machine).collect(),
            rules: self.rules.iter().filter_map(ReadRule::rule).collect(),
            // Their secrets cannot be read back.
            destinations: Vec::new(),
            functions,
            run_buckets,
            task_roles,
            iam,
            keys,
        }
    }
}

impl ReadMachine {
    fn machine(&self) -> Machine {
        Machine { name: self.name.clone(), definition: self.definition.clone(), role_arn: self.role.clone() }
    }
}

impl ReadRule {
    /// None for a rule that leaves our functions and machines alone.
    fn rule(&self) -> Option<Rule> {
        let targets: Vec<Target> = self.targets.iter().filter_map(ReadTarget::target).collect();
        (self.account == ACCOUNT && !targets.is_empty()).then(|| Rule {
            name: without_prefix(&self.name, PREFIX).to_owned(),
            description: self.description.clone(),
            account: self.account.clone(),
            bus: self.bus.clone(),
            pattern: self.pattern.clone(),
            schedule: self.schedule.clone(),
            targets,
        })
    }
}

impl ReadTarget {
    fn target(&self) -> Option<Target> {
        let id = self.id.clone();
        if let Some(named) = self.arn.strip_prefix(&arn("states", "stateMachine:")) {
            let (name, alias) = named.split_once(':').expect("an alias of a machine is started");
            let role = role_arn("events", ACCOUNT);
            assert_eq!(self.role, Some(role), "{name} is started with the role of rules");
            let transform = self.paths.clone().zip(self.template.clone());
            let transform = transform.map(|(paths, template)| Transform { paths, template });
            let statemachine = without_prefix(name, PREFIX).to_owned();
            let alias = Some(alias.to_owned());
            return Some(Target::StateMachine { id, statemachine, alias, input: None, transform });
        }
        let (kind, name) = self.arn.rsplit_once(':')?;
        let function =
            (kind == arn("lambda", "function")).then(|| without_prefix(name, PREFIX).to_owned())?;
        let input = self.input.as_ref().map(|input| parsed_json(input, &self.id));
        Some(Target::Function { id, function, input })
    }
}

fn parsed_json(text: &str, what: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{what}: {error}: {text}"))
}
