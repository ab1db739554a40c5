//! The sandbox as Terraform sees it, with HashiCorp's own provider: what people have who run our
//! runbooks.
//!
//! Needs `terraform` (1.5 or newer) on the path and `hashicorp/aws` in a mirror: the folder that
//! `TF_PLUGIN_MIRROR` names, or one of Terraform's implied ones
//! (https://developer.hashicorp.com/terraform/cli/config/config-file#implied-local-mirror-directories),
//! or a folder `tf-plugins` beside them. Without them the tests fail and say so.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use sandbox::{Options, Sandbox, aws::REGION, executables::root, orders};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::harness::run;

const NEEDS_TERRAFORM: &str = "the sandbox is tested with Terraform and its AWS provider: install terraform, \
    and `terraform providers mirror` hashicorp/aws into a folder that TF_PLUGIN_MIRROR names";

/// A working folder with a configuration in it.
pub struct Terraform {
    folder: PathBuf,
    /// The configuration, in the working folder.
    root: PathBuf,
    pub variables: BTreeMap<&'static str, String>,
    pub environment: BTreeMap<&'static str, String>,
}

/// How a command of Terraform's ended, and all that it said.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub said: String,
}

impl Ended {
    #[track_caller]
    pub fn succeeded(self) -> Self {
        assert_eq!(self.code, 0, "{}", self.said);
        self
    }

    /// The attributes that a plan would change.
    pub fn changes(&self) -> Vec<&str> {
        let changes = self.said.lines().filter_map(|line| {
            let line = line.trim_start();
            let rest = ["~ ", "- ", "+ "].iter().find_map(|sign| line.strip_prefix(sign))?;
            rest.split_once(" = ").map(|(name, _)| name.trim())
        });
        changes.collect()
    }

    /// It failed, with each of these parts in what it said.
    #[track_caller]
    pub fn refused(&self, parts: &[&str]) {
        assert_ne!(self.code, 0, "{}", self.said);
        // Terraform breaks lines within a box of `│`.
        let said: Vec<&str> = self.said.split(|c: char| c.is_whitespace() || c == '│').collect();
        let said: String = said.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        for part in parts {
            assert!(said.contains(part), "{part:?} is not said:\n{}", self.said);
        }
    }
}

impl Terraform {
    /// One of `tests/data/terraform`, initialised against the local AWS at that address.
    pub async fn with(configuration: &str, url: &str) -> Self {
        let folder = std::env::temp_dir().join(format!(
            "aurora-runbooks-terraform-{}-{configuration}-{}",
            std::process::id(),
            url.rsplit(':').next().unwrap_or_default()
        ));
        std::fs::create_dir_all(&folder).expect("a working folder can be made");
        let from = root().join("tests/data/terraform").join(configuration);
        for entry in std::fs::read_dir(&from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
            let entry = entry.expect("the configuration can be read");
            std::fs::copy(entry.path(), folder.join(entry.file_name())).expect("it can be copied");
        }
        let mut terraform = Self::at(folder, "").await;
        terraform.variables = BTreeMap::from([("endpoint", url.to_owned()), ("region", REGION.to_owned())]);
        terraform
    }

    /// What lies in a working folder, which is removed at the end; initialised with the mirror's
    /// provider.
    pub async fn at(folder: PathBuf, root: &str) -> Self {
        let root = folder.join(root);
        let terraform = Self { folder, root, variables: BTreeMap::new(), environment: BTreeMap::new() };
        let mirror = format!("-plugin-dir={}", mirror().display());
        terraform.run(&["init", "-input=false", &mirror]).await.succeeded();
        terraform
    }

    pub async fn apply(&self) -> Ended {
        self.run(&["apply", "-auto-approve", "-input=false"]).await
    }

    /// Fails if there is anything to change.
    pub async fn changes_nothing(&self) {
        let plan = self.run(&["plan", "-detailed-exitcode", "-input=false"]).await;
        assert_eq!(plan.code, 0, "the plan is not empty:\n{}", plan.said);
    }

    /// Writes a file of the configuration.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.root.join(name), text).expect("the folder can be written to");
    }

    pub async fn output(&self, name: &str) -> String {
        self.run(&["output", "-raw", name]).await.succeeded().said
    }

    /// Nothing of this machine's AWS or Terraform settings reaches it.
    pub async fn run(&self, arguments: &[&str]) -> Ended {
        let mut terraform = Command::new("terraform");
        for (name, _) in std::env::vars_os() {
            if ["AWS_", "TF_"].iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
                terraform.env_remove(name);
            }
        }
        terraform
            .args(arguments)
            .args(["-no-color"])
            .current_dir(&self.root)
            .env("TF_CLI_CONFIG_FILE", "/dev/null")
            .env("TF_IN_AUTOMATION", "1")
            .env("CHECKPOINT_DISABLE", "1")
            // Each command reads the provider's schemas anew, a third of it in Go's collector.
            .env("GOGC", "400")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .envs(self.variables.iter().map(|(name, value)| (format!("TF_VAR_{name}"), value)))
            .envs(&self.environment)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let ended = tokio::time::timeout(Duration::from_secs(600), terraform.output())
            .await
            .unwrap_or_else(|_| panic!("terraform {arguments:?} ends within ten minutes"));
        let Output { status, stdout, stderr } =
            ended.unwrap_or_else(|error| panic!("terraform: {error}: {NEEDS_TERRAFORM}"));
        let said = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        Ended { code: status.code().unwrap_or(-1), said }
    }
}

impl Drop for Terraform {
    fn drop(&mut self) {
        // A folder that stays behind in the temporary one harms nobody.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The folder that holds `registry.terraform.io/hashicorp/aws`.
fn mirror() -> PathBuf {
    let named = std::env::var_os("TF_PLUGIN_MIRROR").map(PathBuf::from);
    let home = std::env::home_dir().unwrap_or_default();
    let implied = [
        home.join(".terraform.d/plugins"),
        home.join(".local/share/terraform/plugins"),
        "/usr/local/share/terraform/plugins".into(),
        "/usr/share/terraform/plugins".into(),
    ];
    let own = [&home, Path::new("/opt"), Path::new("/usr/local/share"), Path::new("/srv")]
        .map(|folder| folder.join("tf-plugins"));
    let holds = |folder: &PathBuf| folder.join("registry.terraform.io/hashicorp/aws").is_dir();
    named
        .into_iter()
        .chain(implied)
        .chain(own)
        .find(holds)
        .unwrap_or_else(|| panic!("no mirror has hashicorp/aws: {NEEDS_TERRAFORM}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_aws_provider_makes_a_cluster_finds_nothing_to_change_and_cannot_upgrade_it_naively() {
    let sandbox = Sandbox::start(Options::real()).await.expect("the sandbox starts");
    let mut terraform = Terraform::with("orders", &sandbox.url).await;
    terraform.apply().await.succeeded();
    terraform.changes_nothing().await;
    let cluster = sandbox.rds_client().describe_db_clusters().send().await.expect("it is described");
    let cluster = &cluster.db_clusters()[0];
    assert_eq!(
        (cluster.port(), cluster.preferred_maintenance_window()),
        (Some(5432), Some("sun:04:00-sun:05:00"))
    );
    assert_eq!(Some(terraform.output("endpoint").await.as_str()), cluster.endpoint());

    terraform.variables.insert("engine_version", "18.4".into());
    let flag = "The AllowMajorVersionUpgrade flag must be present when upgrading to a new major version";
    terraform.apply().await.refused(&["InvalidParameterCombination", flag]);
    terraform.variables.insert("allow_major_version_upgrade", "true".into());
    let custom = "The current DB instance parameter group orders-instance-16 is custom. You must explicitly \
        specify a new DB instance parameter group, either default or custom, for the engine version upgrade";
    terraform.apply().await.refused(&["InvalidParameterCombination", custom]);
    let unchanged = sandbox.rds_client().describe_db_clusters().send().await.expect("it is described");
    assert_eq!(unchanged.db_clusters()[0].engine_version(), Some("16.14"));
}

/// VerifyUpgrade's text: the attributes below each comment that names a resource, and the imports.
struct Advice {
    attributes: BTreeMap<String, BTreeMap<String, String>>,
    imports: String,
}

impl Advice {
    fn read(text: &str) -> Self {
        let (mut attributes, mut imports) = (BTreeMap::<_, BTreeMap<_, _>>::new(), String::new());
        let mut resource = String::new();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if line.starts_with("import {") {
                imports.push_str(line);
                for line in lines.by_ref().take_while(|line| *line != "}") {
                    imports.push_str(&format!("\n{line}"));
                }
                imports.push_str("\n}\n");
            } else if let Some(named) = line.strip_prefix("# aws_rds_cluster") {
                resource = format!("aws_rds_cluster{named}");
            } else if let Some((name, value)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
                let value = value.trim_matches('"').to_owned();
                attributes.entry(resource.clone()).or_default().insert(name.trim().to_owned(), value);
            }
        }
        Self { attributes, imports }
    }

    #[track_caller]
    fn attribute(&self, resource: &str, name: &str) -> String {
        let found = self.attributes.get(resource).and_then(|attributes| attributes.get(name));
        found.unwrap_or_else(|| panic!("no {name} of {resource}: {:?}", self.attributes)).clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_an_upgrade_the_attributes_and_imports_that_it_prints_leave_terraform_nothing_to_change() {
    let sandbox = Sandbox::start(Options::real()).await.expect("the sandbox starts");
    let mut terraform = Terraform::with("members", &sandbox.url).await;
    terraform.apply().await.succeeded();

    // What people try first; its flag stays in Terraform's state.
    terraform.variables.insert("engine_version", "18.4".into());
    terraform.variables.insert("allow_major_version_upgrade", "true".into());
    terraform.apply().await.refused(&["is custom. You must explicitly specify a new DB instance parameter"]);
    terraform.variables.remove("allow_major_version_upgrade");

    let secret = json!({ "username": "postgres", "password": "terraform-made-it" });
    let create = orders::context(&sandbox).secrets.create_secret().name("orders/master");
    let secret = create.secret_string(secret.to_string()).send().await.expect("the secret is created");
    let input = json!({ "cluster": "orders", "target": "18", "secretArn": secret.arn() });
    let upgrade = run(&sandbox, "terraform", &input).await.succeeded();
    let described = sandbox.wait(&upgrade.arn).await.expect("it is described");
    let output: Value = serde_json::from_str(described.output().unwrap_or_default()).expect("JSON");
    let text = output["terraform"].as_str().expect("VerifyUpgrade's text");

    let advice = Advice::read(text);
    let version = advice.attribute("aws_rds_cluster orders", "engine_version");
    assert_eq!(version, "18.4");
    terraform.variables.insert("engine_version", version);
    let group = advice.attribute("aws_rds_cluster orders", "db_cluster_parameter_group_name");
    assert_eq!(group, "orders-18");
    terraform.variables.insert("cluster_group", group);
    let groups = ["orders-1", "orders-2"].map(|instance| {
        let resource = format!("aws_rds_cluster_instance {instance}");
        assert_eq!(advice.attribute(&resource, "engine_version"), "18.4");
        (instance, advice.attribute(&resource, "db_parameter_group_name"))
    });
    assert_eq!(groups, [("orders-1", "orders-1-18".into()), ("orders-2", "orders-2-18".into())]);
    terraform.variables.insert("groups", json!(BTreeMap::from(groups)).to_string());
    assert_eq!(advice.imports.matches("import {").count(), 3, "{text}");
    terraform.write("imports.tf", &advice.imports);
    let generate = ["plan", "-input=false", "-generate-config-out=groups.tf"];
    let plan = terraform.run(&generate).await.succeeded();
    // The flag is all that is left of the refused apply; with it written as the text says, nothing.
    assert_eq!(plan.changes(), ["allow_major_version_upgrade"], "{}", plan.said);
    assert!(text.contains("\n# allow_major_version_upgrade     = true\n"), "{text}");
    terraform.variables.insert("allow_major_version_upgrade", "true".into());
    let plan = terraform.run(&["plan", "-input=false"]).await.succeeded();
    assert!(plan.said.contains("3 to import, 0 to add, 0 to change, 0 to destroy"), "{}", plan.said);

    // Left out instead, its removal changes nothing on AWS.
    terraform.variables.remove("allow_major_version_upgrade");
    let before = changes_of_the_cluster(&sandbox);
    let applied = terraform.apply().await.succeeded();
    assert!(applied.said.contains("3 imported, 0 added, 1 changed, 0 destroyed"), "{}", applied.said);
    assert_eq!(changes_of_the_cluster(&sandbox), before);
    terraform.changes_nothing().await;
}

/// Calls of Terraform's that changed a cluster or an instance.
fn changes_of_the_cluster(sandbox: &Sandbox) -> usize {
    let calls = sandbox.gateway.calls();
    let changes = ["ModifyDBCluster", "ModifyDBInstance", "RebootDBInstance"];
    calls
        .iter()
        .filter(|call| call.principal == "terraform" && changes.contains(&call.action.as_str()))
        .count()
}
