//! Aliases: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-state-machine-alias.html;
//! the texts are those of localstack/localstack, v2/test_sfn_api_aliasing.snapshot.json.

use serde_json::{Value, json};

use super::arn::{MachineArn, entry};
use super::request::{Answer, ApiError, arn, error, invalid, paged, text, too_long};
use crate::StepFunctions;
use crate::registry::{Alias, Entry, Registry, Route};
use crate::run::history::epoch;

pub fn create(service: &StepFunctions, body: &Value) -> Answer {
    let now = service.world.clock.now();
    let name = name(body)?;
    let (machine, routes) = routes(body)?;
    let mut registry = service.registry();
    let entry = of(&mut registry, &machine)?;
    check_versions(entry, &routes)?;
    let arn = format!("{machine}:{name}");
    let description = body["description"].as_str().map(str::to_owned);
    if let Some(existing) = entry.aliases.get(name) {
        if existing.routes == routes && existing.description == description {
            return Ok(json!({"stateMachineAliasArn": arn, "creationDate": epoch(existing.created)}));
        }
        let message = "Failed to create alias because an alias with the same name and a different routing \
            configuration already exists.";
        return error("ConflictException", message);
    }
    entry.aliases.insert(name.to_owned(), Alias { description, routes, created: now, updated: now });
    Ok(json!({"stateMachineAliasArn": arn, "creationDate": epoch(now)}))
}

pub fn update(service: &StepFunctions, body: &Value) -> Answer {
    let now = service.world.clock.now();
    let named = MachineArn::read(arn(body, "stateMachineAliasArn")?);
    let routes = if body["routingConfiguration"].is_null() { None } else { Some(routes(body)?.1) };
    let mut registry = service.registry();
    let entry = of(&mut registry, &named.machine)?;
    if let Some(routes) = &routes {
        check_versions(entry, routes)?;
    }
    let Some(alias) = named.alias().and_then(|name| entry.aliases.get_mut(name)) else { return absent() };
    if let Some(description) = body["description"].as_str() {
        alias.description = Some(description.to_owned());
    }
    alias.routes = routes.unwrap_or_else(|| alias.routes.clone());
    alias.updated = now;
    Ok(json!({"updateDate": epoch(now)}))
}

pub fn describe(service: &StepFunctions, body: &Value) -> Answer {
    let arn = arn(body, "stateMachineAliasArn")?;
    let named = MachineArn::read(arn);
    let mut registry = service.registry();
    let entry = of(&mut registry, &named.machine)?;
    let Some((name, alias)) = named.alias().and_then(|name| entry.aliases.get_key_value(name)) else {
        return absent();
    };
    let route = |route: &Route| {
        let version = format!("{}:{}", named.machine, route.version);
        json!({"stateMachineVersionArn": version, "weight": route.weight})
    };
    let routes: Vec<_> = alias.routes.iter().map(route).collect();
    let mut answer = json!({
        "stateMachineAliasArn": arn,
        "name": name,
        "routingConfiguration": routes,
        "creationDate": epoch(alias.created),
        "updateDate": epoch(alias.updated),
    });
    if let Some(description) = &alias.description {
        answer["description"] = description.as_str().into();
    }
    Ok(answer)
}

/// One that is not there is deleted already.
pub fn delete(service: &StepFunctions, body: &Value) -> Answer {
    let named = MachineArn::read(arn(body, "stateMachineAliasArn")?);
    if let (Some(entry), Some(name)) = (service.registry().machines.get_mut(&named.machine), named.alias()) {
        entry.aliases.remove(name);
    }
    Ok(json!({}))
}

/// Of a machine, oldest first, or only those that lead to a version.
pub fn list(service: &StepFunctions, body: &Value) -> Answer {
    let named = MachineArn::read(arn(body, "stateMachineArn")?);
    let mut registry = service.registry();
    let unqualified = json!({"stateMachineArn": named.machine});
    let entry = entry(&mut registry, &unqualified)?;
    let leads = |alias: &Alias| {
        named.version().is_none_or(|number| alias.routes.iter().any(|route| route.version == number))
    };
    let mut aliases: Vec<_> = entry.aliases.iter().filter(|(_, alias)| leads(alias)).collect();
    aliases.sort_by_key(|(_, alias)| alias.created);
    let entry = |(name, alias): (&String, &Alias)| {
        let arn = format!("{}:{name}", named.machine);
        json!({"stateMachineAliasArn": arn, "creationDate": epoch(alias.created)})
    };
    paged(aliases.into_iter().map(entry).collect(), body, "stateMachineAliases")
}

fn of<'a>(registry: &'a mut Registry, machine: &str) -> Result<&'a mut Entry, ApiError> {
    registry.machines.get_mut(machine).map_or_else(absent, Ok)
}

fn absent<T>() -> Result<T, ApiError> {
    error("ResourceNotFound", "Request references a resource that does not exist.")
}

fn name(body: &Value) -> Result<&str, ApiError> {
    let name = text(body, "name")?;
    if name.chars().count() > 80 {
        return too_long("name", 80);
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let more_than_a_number = name.contains(|c: char| c.is_ascii_alphabetic() || "_-.".contains(c));
    if more_than_a_number && name.chars().all(allowed) {
        return Ok(name);
    }
    let pattern = r"^(?=.*[a-zA-Z_\-\.])[a-zA-Z0-9_\-\.]+$";
    invalid("name", Some(name), &format!("satisfy regular expression pattern: {pattern}"))
}

/// One or two versions of one machine, whose weights make 100 together.
fn routes(body: &Value) -> Result<(String, Vec<Route>), ApiError> {
    let field = "routingConfiguration";
    let list = body[field].as_array().map(Vec::as_slice).unwrap_or_default();
    if list.is_empty() {
        return invalid(field, None, "have length greater than or equal to 1");
    }
    if list.len() > 2 {
        return invalid(field, Some(&body[field].to_string()), "have length less than or equal to 2");
    }
    let arns: Vec<_> =
        list.iter().map(|item| item["stateMachineVersionArn"].as_str().unwrap_or_default()).collect();
    let received = arns.join(", ");
    let named: Vec<_> = arns.iter().map(|arn| MachineArn::read(arn)).collect();
    let machine = named[0].machine.clone();
    let mut routes = Vec::new();
    for (index, (item, named)) in list.iter().zip(&named).enumerate() {
        let Some(version) = named.version() else {
            let message = format!(
                "Routing configuration must contain state machine version ARNs. Received: [{received}]"
            );
            return error("ValidationException", message);
        };
        let Some(weight) = item["weight"].as_u64().filter(|weight| *weight <= 100) else {
            let field = format!("routingConfiguration.{}.member.weight", index + 1);
            return invalid(
                &field,
                Some(&item["weight"].to_string()),
                "have value less than or equal to 100",
            );
        };
        routes.push(Route { version, weight });
    }
    if named.iter().any(|named| named.machine != machine) {
        return error(
            "ValidationException",
            "Routing configuration must contain versions of one state machine.",
        );
    }
    if routes.len() == 2 && routes[0].version == routes[1].version {
        let message = format!(
            "Routing configuration must contain distinct state machine version ARNs. Received: [{received}]"
        );
        return error("ValidationException", message);
    }
    if routes.iter().map(|route| route.weight).sum::<u64>() != 100 {
        return error("ValidationException", "Sum of routing configuration weights must equal 100.");
    }
    Ok((machine, routes))
}

fn check_versions(entry: &Entry, routes: &[Route]) -> Result<(), ApiError> {
    let there = |route: &Route| entry.versions.contains_key(&route.version);
    if routes.iter().all(there) { Ok(()) } else { absent() }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::fake::Fake;

    async fn two_versions(fake: &Fake) -> String {
        let succeed = |output: u32| json!({"A": {"Type": "Succeed", "Output": output}});
        let machine = fake.create("m", succeed(1), "A").await;
        fake.api("PublishStateMachineVersion", json!({"stateMachineArn": machine})).await;
        let definition =
            json!({"QueryLanguage": "JSONata", "StartAt": "A", "States": succeed(2)}).to_string();
        let update = json!({"stateMachineArn": machine, "definition": definition, "publish": true});
        fake.api("UpdateStateMachine", update).await;
        machine
    }

    fn to(machine: &str, weights: &[(u64, u64)]) -> Value {
        let route = |(version, weight): &(u64, u64)| {
            let arn = format!("{machine}:{version}");
            json!({"stateMachineVersionArn": arn, "weight": weight})
        };
        weights.iter().map(route).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn an_alias_leads_to_its_versions_and_keeps_them() {
        let fake = Fake::alone();
        let machine = two_versions(&fake).await;
        let live = json!({"name": "live", "routingConfiguration": to(&machine, &[(1, 100)])});
        let created = fake.api("CreateStateMachineAlias", live.clone()).await;
        let alias = format!("{machine}:live");
        assert_eq!(created["stateMachineAliasArn"], alias);
        assert_eq!(fake.api("CreateStateMachineAlias", live).await, created);
        let other = json!({"name": "live", "routingConfiguration": to(&machine, &[(2, 100)])});
        assert_eq!(fake.api("CreateStateMachineAlias", other).await["__type"], "ConflictException");

        let answer = fake.api("StartExecution", json!({"stateMachineArn": alias})).await;
        let run = fake.finish(answer["executionArn"].as_str().unwrap()).await;
        assert_eq!(
            (&run["output"], &run["stateMachineAliasArn"], &run["stateMachineVersionArn"]),
            (&json!("1"), &json!(alias), &json!(format!("{machine}:1")))
        );
        let started = &fake.history(run["executionArn"].as_str().unwrap()).await[0];
        assert_eq!(started["executionStartedEventDetails"]["stateMachineAliasArn"], alias);

        let delete = json!({"stateMachineVersionArn": format!("{machine}:1")});
        let refused = fake.api("DeleteStateMachineVersion", delete.clone()).await;
        assert!(
            refused["message"].as_str().unwrap().ends_with("referencing this version: [live]"),
            "{refused}"
        );
        fake.sleep(5).await;
        let update = json!({"stateMachineAliasArn": alias, "description": "d",
            "routingConfiguration": to(&machine, &[(2, 100)])});
        assert_eq!(fake.api("UpdateStateMachineAlias", update).await, json!({"updateDate": 5.0}));
        let described = fake.api("DescribeStateMachineAlias", json!({"stateMachineAliasArn": alias})).await;
        assert_eq!(
            (&described["description"], &described["routingConfiguration"], &described["creationDate"]),
            (&json!("d"), &to(&machine, &[(2, 100)]), &json!(0.0))
        );
        assert_eq!(fake.api("DeleteStateMachineVersion", delete).await, json!({}));
        let listed = fake.api("ListStateMachineAliases", json!({"stateMachineArn": machine})).await;
        assert_eq!(
            listed["stateMachineAliases"],
            json!([{"stateMachineAliasArn": alias, "creationDate": 0.0}])
        );
        fake.api("DeleteStateMachineAlias", json!({"stateMachineAliasArn": alias})).await;
        let gone = fake.api("DescribeStateMachineAlias", json!({"stateMachineAliasArn": alias})).await;
        assert_eq!(gone["__type"], "ResourceNotFound");
    }

    #[tokio::test(start_paused = true)]
    async fn weights_share_the_executions() {
        let fake = Fake::alone();
        let machine = two_versions(&fake).await;
        let both = json!({"name": "both", "routingConfiguration": to(&machine, &[(1, 50), (2, 50)])});
        let alias = fake.api("CreateStateMachineAlias", both).await["stateMachineAliasArn"].clone();
        let mut outputs = Vec::new();
        for _ in 0..20 {
            let answer = fake.api("StartExecution", json!({"stateMachineArn": alias})).await;
            outputs.push(fake.finish(answer["executionArn"].as_str().unwrap()).await["output"].clone());
        }
        assert!(outputs.contains(&json!("1")) && outputs.contains(&json!("2")), "{outputs:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_routes_nowhere_is_refused() {
        let fake = Fake::alone();
        let machine = two_versions(&fake).await;
        let whole = json!([{"stateMachineVersionArn": machine, "weight": 100}]);
        for (name, routes, code, message) in [
            ("a", to(&machine, &[(1, 60), (2, 30)]), "ValidationException", "must equal 100"),
            (
                "a",
                to(&machine, &[(1, 101)]),
                "ValidationException",
                "Value '101' at 'routingConfiguration.1.member.weight'",
            ),
            (
                "a",
                to(&machine, &[(1, 50), (1, 50)]),
                "ValidationException",
                "distinct state machine version ARNs",
            ),
            ("a", to(&machine, &[(3, 100)]), "ResourceNotFound", "does not exist"),
            ("a", to(&machine, &[]), "ValidationException", "'routingConfiguration'"),
            ("a", whole, "ValidationException", "must contain state machine version ARNs"),
            ("123", to(&machine, &[(1, 100)]), "ValidationException", "Value '123' at 'name'"),
            ("a b", to(&machine, &[(1, 100)]), "ValidationException", "regular expression pattern"),
        ] {
            let body = json!({"name": name, "routingConfiguration": routes});
            let answer = fake.api("CreateStateMachineAlias", body).await;
            assert_eq!(answer["__type"], code, "{answer}");
            assert!(answer["message"].as_str().unwrap().contains(message), "{answer}");
        }
    }
}
