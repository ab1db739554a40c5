//! Calls of EC2, STS, Lambda, and the services that speak JSON.

use serde_json::Value;

use super::{Call, keys};
use crate::events::of_entry;
use crate::iam::evaluate::Access;

/// A describe of EC2 knows no resource.
pub fn ec2(call: &Call<'_>) -> Option<Vec<Access>> {
    let name = format!("ec2:{}", call.operation);
    (call.operation == "DescribeSecurityGroups").then(|| vec![call.access(&name, "*".to_owned())])
}

pub fn sts(call: &Call<'_>) -> Option<Vec<Access>> {
    let form = call.form();
    let text = |name: &str| form.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    match call.operation {
        // "No permissions are required to perform this operation" (GetCallerIdentity).
        "GetCallerIdentity" => Some(Vec::new()),
        "AssumeRole" => {
            let mut access = call.access("sts:AssumeRole", text("RoleArn").unwrap_or("*").to_owned());
            access.keys.set("sts:RoleSessionName", text("RoleSessionName").unwrap_or_default());
            if let Some(id) = text("ExternalId") {
                access.keys.set("sts:ExternalId", id);
            }
            Some(vec![access])
        }
        _ => None,
    }
}

/// `/2015-03-31/functions/<name or ARN>/invocations`
pub fn lambda(call: &Call<'_>) -> Option<Vec<Access>> {
    let path = call.path();
    let function = path.strip_prefix("2015-03-31/functions/")?.strip_suffix("/invocations")?;
    let arn = match function.strip_prefix("arn:") {
        Some(_) => function.to_owned(),
        None => call.arn("lambda", &format!("function:{function}")),
    };
    Some(vec![call.access("lambda:InvokeFunction", arn)])
}

pub fn json(call: &Call<'_>) -> Option<Vec<Access>> {
    let body = call.body();
    let text = |name: &str| body[name].as_str().unwrap_or("*").to_owned();
    let name = format!("{}:{}", call.caller.service, call.operation);
    Some(match name.as_str() {
        "states:StartExecution" => vec![start(call, &name, &text("stateMachineArn"))],
        "states:ListExecutions" => vec![call.access(&name, text("stateMachineArn"))],
        "states:ListTagsForResource" => vec![call.access(&name, text("resourceArn"))],
        "states:DescribeExecution"
        | "states:DescribeStateMachineForExecution"
        | "states:GetExecutionHistory"
        | "states:RedriveExecution"
        | "states:StopExecution" => vec![call.access(&name, text("executionArn"))],
        // A token says which task it is; the actions know no resource, and a policy that names the
        // state machine denies them (aws/aws-cdk discussion #26401).
        "states:SendTaskFailure" | "states:SendTaskHeartbeat" | "states:SendTaskSuccess" => {
            vec![call.access(&name, "*".to_owned())]
        }
        "ecs:RunTask" => run_task(call, &body),
        "events:PutEvents" => put_events(call, &body),
        // What EventBridge does by itself with the role of a target: an API destination is invoked,
        // another bus is sent to.
        "events:InvokeApiDestination" => vec![call.access(&name, text("ApiDestination"))],
        "events:ForwardEvent" => {
            vec![put_event(
                call,
                &text("EventBusName"),
                &body["Event"]["source"],
                &body["Event"]["detail-type"],
            )]
        }
        // It knows no resource.
        "application-autoscaling:DescribeScalableTargets" => vec![call.access(&name, "*".to_owned())],
        "ssm:GetCalendarState" => calendars(call, &name, &body),
        "secretsmanager:GetSecretValue"
        | "secretsmanager:PutSecretValue"
        | "secretsmanager:DescribeSecret" => secret(call, &name, &body),
        _ => return None,
    })
}

/// "To authorize a version or an alias to invoke an API action, Step Functions uses the state
/// machine's ARN"; which one it is, is a key
/// (https://docs.aws.amazon.com/step-functions/latest/dg/auth-version-alias.html).
fn start(call: &Call<'_>, name: &str, arn: &str) -> Access {
    let Some((position, _)) = arn.match_indices(':').nth(6) else {
        return call.access(name, arn.to_owned());
    };
    let mut access = call.access(name, arn[..position].to_owned());
    access.keys.set("states:StateMachineQualifier", &arn[position + 1..]);
    access
}

/// Each entry is asked about
/// (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-conditions.html).
fn put_events(call: &Call<'_>, body: &Value) -> Vec<Access> {
    let entries = body["Entries"].as_array().map(Vec::as_slice).unwrap_or_default();
    let access = |entry: &Value| {
        let bus = of_entry(&call.caller.account, entry["EventBusName"].as_str());
        put_event(call, &bus, &entry["Source"], &entry["DetailType"])
    };
    entries.iter().map(access).collect()
}

fn put_event(call: &Call<'_>, bus: &str, source: &Value, detail_type: &Value) -> Access {
    let mut access = call.access("events:PutEvents", bus.to_owned());
    access.keys.set("events:source", source.as_str().unwrap_or_default());
    access.keys.set("events:detail-type", detail_type.as_str().unwrap_or_default());
    access
}

/// Each calendar is a document, named alone or, when another account shares it, by its ARN.
fn calendars(call: &Call<'_>, name: &str, body: &Value) -> Vec<Access> {
    let names = body["CalendarNames"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let arn = |of: &str| match of.starts_with("arn:") {
        true => of.to_owned(),
        false => call.arn("ssm", &format!("document/{of}")),
    };
    names.map(|of| call.access(name, arn(of))).collect()
}

/// A customer's key of a secret
/// (https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html).
fn secret(call: &Call<'_>, name: &str, body: &Value) -> Vec<Access> {
    let id = body["SecretId"].as_str().unwrap_or_default();
    let found = call.world.secrets.find(&call.caller.account, id);
    let (arn, key) = found.unwrap_or_else(|| (call.arn("secretsmanager", &format!("secret:{id}")), None));
    let actions: &[&str] = match call.operation {
        "GetSecretValue" => &["Decrypt"],
        "PutSecretValue" => &["Decrypt", "GenerateDataKey"],
        _ => &[],
    };
    let mut accesses = vec![call.access(name, arn)];
    if let Some(key) = key {
        accesses.extend(keys::use_of(call, "secretsmanager", &key, actions));
    }
    accesses
}

/// The revision is the newest unless one is named, and the policy is asked about that
/// (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html); the roles of its
/// task definition are passed on.
fn run_task(call: &Call<'_>, body: &Value) -> Vec<Access> {
    let definition = body["taskDefinition"].as_str().unwrap_or_default();
    let definition = definition.rsplit('/').next().unwrap_or_default();
    let family = definition.split(':').next().unwrap_or_default();
    let revision = definition.split_once(':').map_or("1", |(_, revision)| revision);
    let cluster = body["cluster"].as_str().unwrap_or("default");
    let cluster = cluster.rsplit('/').next().unwrap_or_default();
    let mut run =
        call.access("ecs:RunTask", call.arn("ecs", &format!("task-definition/{family}:{revision}")));
    run.keys.set("ecs:cluster", call.arn("ecs", &format!("cluster/{cluster}")));
    let mut accesses = vec![run];
    for role in call.world.task_roles.get(family).into_iter().flatten() {
        let mut pass = call.access("iam:PassRole", role.clone());
        pass.keys.set("iam:PassedToService", "ecs-tasks.amazonaws.com");
        accesses.push(pass);
    }
    accesses
}
