//! What a role needs.

use super::*;

/// What page blue-green-deployments-authorizing-access lists for each call.
const PERMISSIONS: [(&str, &[&str]); 3] = [
    (
        "CreateBlueGreenDeployment",
        &["AddTagsToResource", "CreateDBCluster", "CreateDBInstance", "CreateDBClusterEndpoint"],
    ),
    ("SwitchoverBlueGreenDeployment", &["ModifyDBCluster", "PromoteReadReplicaDBCluster"]),
    ("DeleteBlueGreenDeployment", &["DeleteDBCluster", "DeleteDBInstance", "DeleteDBClusterEndpoint"]),
];

#[tokio::test(start_paused = true)]
async fn each_call_needs_what_it_does_to_clusters_of_any_name() {
    let statement = |actions: &[&str], resource: &str, condition: &Value| {
        let actions: Vec<_> = actions.iter().map(|action| format!("rds:{action}")).collect();
        json!({"Effect": "Allow", "Action": actions, "Resource": resource, "Condition": condition})
    };
    let none = json!({});
    let role = |name: &str, statements: Value| Role {
        arn: format!("arn:aws:iam::{ACCOUNT}:role/{name}"),
        trust: Policy::parse(&json!([])).unwrap(),
        policy: Policy::parse(&statements).unwrap(),
    };
    let mut roles = Vec::new();
    for (call, along) in PERMISSIONS {
        roles.push(role(&format!("{call}-alone"), json!([statement(&[call], "*", &none)])));
        let named = [statement(&[call], "*", &none), statement(along, &arn("rds", "cluster:shop*"), &none)];
        roles.push(role(&format!("{call}-named"), json!(named)));
        let whole = [statement(&[call], "*", &none), statement(along, "*", &none)];
        roles.push(role(&format!("{call}-whole"), json!(whole)));
    }
    let tagged = json!({"StringEquals": {"aws:ResourceTag/team": "shop"}});
    let other = json!({"StringEquals": {"aws:ResourceTag/team": "billing"}});
    for (name, condition) in [("tagged", tagged), ("other", other)] {
        let switch = statement(&["SwitchoverBlueGreenDeployment"], "*", &none);
        let along = ["ModifyDBCluster", "PromoteReadReplicaDBCluster"];
        let along = statement(&along, &arn("rds", "cluster:*"), &condition);
        roles.push(role(name, json!([switch, along])));
    }
    let world = World::in_sandbox(Options { roles, ..Options::model(7) }).await;
    let id = world.created("shop-to-18").await;
    let denied = |role: &str, call: &str| {
        let session = Session { role: role.into(), name: "s".into(), policy: None, service: None };
        let caller = Caller { session: Some(session), ..Caller::home(role, "rds") };
        let form = match call {
            "CreateBlueGreenDeployment" => {
                let source = arn("rds", &format!("cluster:{BLUE}"));
                format!("BlueGreenDeploymentName=a&Source={source}&Tags.Tag.1.Key=a&Tags.Tag.1.Value=b")
            }
            _ => format!("BlueGreenDeploymentIdentifier={id}"),
        };
        let request = Request::new(format!("Action={call}&{form}").into());
        let refusal = world.sandbox.iam.refusal(&caller, call, &request);
        refusal.map(|answer| String::from_utf8_lossy(answer.body()).into_owned())
    };
    for (call, along) in PERMISSIONS {
        for kind in ["alone", "named"] {
            let said = denied(&format!("{call}-{kind}"), call).expect("it is denied");
            assert!(along.iter().any(|action| said.contains(&format!("rds:{action} "))), "{said}");
        }
        assert_eq!(denied(&format!("{call}-whole"), call), None);
    }
    let call = "SwitchoverBlueGreenDeployment";
    assert_eq!(denied("tagged", call), None, "the tags of the cluster count");
    assert!(denied("other", call).is_some());
}
