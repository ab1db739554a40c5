//! What a plan says.

use std::collections::{BTreeMap, BTreeSet};

use sandbox::executables::root;
use serde_json::{Value, json};

use super::terraform::Terraform;
use super::{control_plane::ControlPlane, copy_of_the_module, example};

/// What MiniStack does not give back, by type: a plan after an apply finds it again. Anything else
/// is the module's own fault.
const FORGOTTEN: [(&str, &[&str]); 5] = [
    (
        "aws_cloudwatch_metric_alarm",
        &["actions_enabled", "alarm_description", "dimensions", "period", "statistic", "treat_missing_data"],
    ),
    ("aws_cloudwatch_event_bus_policy", &["policy"]),
    ("aws_sfn_alias", &["routing_configuration"]),
    ("aws_sfn_state_machine", &["revision_id", "state_machine_version_arn", "tracing_configuration"]),
    ("aws_vpc_endpoint", &["private_dns_enabled", "security_group_ids"]),
];

#[track_caller]
pub fn changes_only_what_the_control_plane_forgets(plan: &str) {
    let plan: Value = serde_json::from_str(plan).expect("terraform show -json prints JSON");
    let forgotten = BTreeMap::from(FORGOTTEN);
    for resource in plan["resource_changes"].as_array().expect("a plan has changes") {
        let (address, change) = (&resource["address"], &resource["change"]);
        if change["actions"] == json!(["no-op"]) {
            continue;
        }
        assert_eq!(change["actions"], json!(["update"]), "{address} is made again");
        let (before, after, unknown) = (&change["before"], &change["after"], &change["after_unknown"]);
        let members = [before, after, unknown].into_iter().filter_map(Value::as_object);
        let names: BTreeSet<&String> = members.flat_map(|members| members.keys()).collect();
        let known = forgotten.get(resource["type"].as_str().unwrap_or_default()).copied().unwrap_or_default();
        for name in names {
            let changes = before[name] != after[name] || unknown[name] == true;
            assert!(!changes || known.contains(&name.as_str()), "applying again changes {name} of {address}");
        }
    }
}

/// A plan names the variable, and what is wrong with it.
pub async fn bad_input_is_refused() {
    let plane = ControlPlane::start().await;
    let network = plane.ask("network").await;
    let mut terraform = example("complete", "bad-input", &plane, &network).await;
    let subnet = |name: &str| json!([network["private"][0], network[name]]).to_string();
    let bad_policy = |name: &str| root().join("infra/tests/policies").join(name).display().to_string();
    let main = root().join("infra/examples/complete/main.tf");
    let main = std::fs::read_to_string(main).expect("the example can be read");
    let all = r#"["major-upgrade", "rehearse-upgrade", "upgrade-fleet", "daily-sync", "snapshot-export"]"#;
    assert!(main.contains(all), "the example takes all runbooks");
    // Each reads the provider anew, so two that a plan can tell at once are told at once.
    for (runbooks, policy, subnets, said) in [
        (
            all,
            bad_policy("no-yaml.yaml"),
            subnet("foreign"),
            &[
                "var.policy_file is",
                "no-yaml.yaml",
                "yamldecode",
                "on line 3",
                "worker_subnet_ids: subnet-",
                " is a subnet of vpc-",
                "and not of vpc_id",
            ][..],
        ),
        (
            all,
            bad_policy("no-time-zone.yaml"),
            subnet("public"),
            &[
                "policy_file: ",
                "no-time-zone.yaml:2: syncs.orders.schedule has no time-zone",
                "worker_subnet_ids: subnet-",
                "is a public subnet, for its route table rtb-",
            ],
        ),
        (
            all,
            "nothing.yaml".to_owned(),
            network["private"].to_string(),
            &["policy_file: there is no file nothing.yaml"],
        ),
        (
            r#"["major-upgrades"]"#,
            terraform.variables["policy_file"].clone(),
            network["private"].to_string(),
            &["runbooks: major-upgrades is no runbook; there are daily-sync, major-upgrade, \
               rehearse-upgrade, snapshot-export, upgrade-fleet."],
        ),
    ] {
        terraform.write("main.tf", &main.replace(all, runbooks));
        terraform.variables.extend([("policy_file", policy), ("worker_subnet_ids", subnets)]);
        terraform.run(&["plan", "-input=false"]).await.refused(said);
    }
}

/// `terraform test`, with a provider that answers nothing true; and the form of every file.
pub async fn the_module_passes_its_own_tests() {
    let terraform = Terraform::at(copy_of_the_module("tests"), "infra").await;
    terraform.run(&["fmt", "-check", "-recursive", "-diff"]).await.succeeded();
    terraform.run(&["validate"]).await.succeeded();
    let tested = terraform.run(&["test"]).await.succeeded();
    assert!(tested.said.contains("Success!"), "{}", tested.said);
}
