//! The rules: what the service accepts and what then hurts.

use std::collections::BTreeSet;

use serde_json::Value;

use super::operations::{Operations, Resource, capital};

/// A state, and the Parallels and Maps that it stands in, the outermost first.
pub struct Place<'a> {
    pub name: &'a str,
    pub state: &'a Value,
    /// The states beside it.
    pub beside: &'a Value,
    pub inside: Vec<&'a Value>,
    pub root: &'a Value,
}

pub struct Machine<'a> {
    pub root: &'a Value,
    pub places: Vec<Place<'a>>,
    pub operations: &'a Operations,
}

pub type Rule = fn(&Machine) -> Vec<String>;

pub const RULES: [(&str, Rule); 12] = [
    ("a task is bounded", |machine| each(machine, bounded)),
    ("a token task beats, sooner than its time-out and within five minutes", |machine| each(machine, beats)),
    ("a token task, and no other, is given its token", |machine| each(machine, given_its_token)),
    ("States.ALL stands alone and last", |machine| each(machine, all_is_last)),
    ("an action and its parameters are in botocore's model", known_to_botocore),
    ("an error that is named can occur", only_errors_that_occur),
    ("a task is asked again for longer than the deadline", |machine| each(machine, polls_long_enough)),
    ("what is broken is given up before the deadline", |machine| each(machine, gives_up)),
    ("an execution of eight hours fits in its history", fits_in_a_history),
    ("what a state holds literally fits in a payload", |machine| each(machine, literals_fit)),
    ("causes that a Map collects are cut to fit in a payload", |machine| each(machine, causes_fit)),
    ("what is caught ends in a failure", |machine| each(machine, caught_is_a_failure)),
];

impl<'a> Machine<'a> {
    pub fn new(root: &'a Value, operations: &'a Operations) -> Self {
        let mut places = Vec::new();
        collect(root, root, &[], &mut places);
        Self { root, places, operations }
    }

    /// What breaks which rule.
    pub fn problems(&self) -> Vec<String> {
        let of_rule = |(name, rule): &(&str, Rule)| {
            rule(self).into_iter().map(|problem| format!("{name}: {problem}")).collect::<Vec<_>>()
        };
        RULES.iter().flat_map(of_rule).collect()
    }
}

/// The machines inside of a Parallel or a Map.
fn branches(state: &Value) -> impl Iterator<Item = &Value> {
    state["Branches"].as_array().into_iter().flatten().chain(state.get("ItemProcessor"))
}

fn collect<'a>(root: &'a Value, machine: &'a Value, inside: &[&'a Value], places: &mut Vec<Place<'a>>) {
    for (name, state) in machine["States"].as_object().into_iter().flatten() {
        places.push(Place { name, state, beside: &machine["States"], inside: inside.to_vec(), root });
        for branch in branches(state) {
            collect(root, branch, &[inside, &[state]].concat(), places);
        }
    }
}

fn each(machine: &Machine, rule: fn(&Place) -> Result<(), String>) -> Vec<String> {
    let broken = |place: &Place| rule(place).err().map(|problem| format!("{}: {problem}", place.name));
    machine.places.iter().filter_map(broken).collect()
}

fn ensure(holds: bool, problem: impl Into<String>) -> Result<(), String> {
    if holds { Ok(()) } else { Err(problem.into()) }
}

fn is_task(place: &Place) -> bool {
    place.state["Type"] == "Task"
}

fn waits_for_token(place: &Place) -> bool {
    Resource::read(place.state).is_some_and(|resource| resource.waits_for_token())
}

/// Without a time-out, a task may hang for the year that an execution may take
/// (https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html).
fn bounded(place: &Place) -> Result<(), String> {
    ensure(!is_task(place) || place.state["TimeoutSeconds"].is_u64(), "no TimeoutSeconds")
}

fn beats(place: &Place) -> Result<(), String> {
    // A person has no heart to beat: a function that asks one waits for the answer itself.
    let asks_a_person = Resource::read(place.state).is_some_and(|resource| resource.service == "lambda");
    if !waits_for_token(place) || asks_a_person {
        return Ok(());
    }
    let beat = place.state["HeartbeatSeconds"].as_u64().ok_or("no HeartbeatSeconds")?;
    let timeout = place.state["TimeoutSeconds"].as_u64().unwrap_or(u64::MAX);
    ensure(beat < timeout && beat <= 300, format!("HeartbeatSeconds {beat} of TimeoutSeconds {timeout}"))
}

fn given_its_token(place: &Place) -> Result<(), String> {
    let is_given = place.state["Arguments"].to_string().contains("$states.context.Task.Token");
    ensure(
        is_given == waits_for_token(place),
        if is_given { "nobody waits for the token" } else { "no token" },
    )
}

fn handlers<'a>(place: &Place<'a>) -> impl Iterator<Item = (&'a Value, bool)> {
    ["Retry", "Catch"].into_iter().flat_map(|field| {
        let handlers = place.state[field].as_array().map(Vec::as_slice).unwrap_or_default();
        handlers.iter().enumerate().map(move |(index, handler)| (handler, index + 1 == handlers.len()))
    })
}

fn names(handler: &Value) -> Vec<&str> {
    handler["ErrorEquals"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
fn all_is_last(place: &Place) -> Result<(), String> {
    let holds = |(handler, is_last): (&Value, bool)| {
        let names = names(handler);
        !names.contains(&"States.ALL") || is_last && names.len() == 1
    };
    ensure(handlers(place).all(holds), "States.ALL before other names")
}

fn known_to_botocore(machine: &Machine) -> Vec<String> {
    let problems = |place: &Place| {
        let Some(resource) = Resource::read(place.state) else {
            return vec![format!("{} is no integration", place.state["Resource"])];
        };
        let patterns: &[&str] =
            if resource.is_sdk { &["waitForTaskToken"] } else { &["sync", "sync:2", "waitForTaskToken"] };
        if let Some(pattern) = resource.pattern.filter(|pattern| !patterns.contains(pattern)) {
            return vec![format!("{pattern} is no pattern of {}", resource.key())];
        }
        match machine.operations.get(&resource.key()).and_then(Option::as_ref) {
            Some(operation) => operation.parameters.problems("Arguments", &place.state["Arguments"]),
            None => vec![format!("there is no {}", resource.key())],
        }
    };
    let tasks = machine.places.iter().filter(|place| is_task(place));
    tasks
        .flat_map(|place| {
            problems(place)
                .into_iter()
                .map(|problem| format!("{}: {problem}", place.name))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// What the service itself raises of any task.
const OF_TASKS: [&str; 5] = [
    "States.ALL",
    "States.Permissions",
    "States.QueryEvaluationError",
    "States.TaskFailed",
    "States.Timeout",
];

/// What is raised beside the errors of the model (tests/it/contract.rs has where each is known
/// from).
const OF_LAMBDA: [&str; 6] = [
    "Lambda.AWSLambdaException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.SdkClientException",
    "Lambda.Unknown",
    "Runtime.ExitError",
    "Sandbox.Timedout",
];
const OF_ECS: [&str; 4] =
    ["AmazonECS.Unknown", "ECS.AmazonECSException", "ECS.SdkClientException", "ECS.ThrottlingException"];

/// The generic ones of the integration of Step Functions itself (local_aws::states).
const OF_STEP_FUNCTIONS: [&str; 2] =
    ["StepFunctions.AWSStepFunctionsException", "StepFunctions.SdkClientException"];

fn errors(machine: &Machine, task: &Value) -> BTreeSet<String> {
    let mut found: BTreeSet<String> = OF_TASKS.map(str::to_owned).into();
    let Some(resource) = Resource::read(task) else { return found };
    let prefix = match resource.service {
        "ecs" => "ECS".to_owned(),
        "stepfunctions" => "StepFunctions".to_owned(),
        other => capital(other),
    };
    // So says every history that was found (StepFunctions.ExecutionAlreadyExistsException).
    let as_exceptions = resource.is_sdk || resource.service == "stepfunctions";
    let operation = machine.operations.get(&resource.key()).and_then(Option::as_ref);
    let of_model = operation.into_iter().flat_map(|operation| &operation.errors);
    // The names of an AWS SDK integration are those of the second Java SDK's exceptions
    // (https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html).
    let ending = |error: &str| if as_exceptions && !error.ends_with("Exception") { "Exception" } else { "" };
    found.extend(of_model.map(|error| format!("{prefix}.{error}{}", ending(error))));
    if resource.is_sdk {
        found.extend([format!("{prefix}.{prefix}Exception"), format!("{prefix}.SdkClientException")]);
    }
    let others: &[&str] = match resource.service {
        "lambda" => &OF_LAMBDA,
        "ecs" => &OF_ECS,
        "stepfunctions" => &OF_STEP_FUNCTIONS,
        _ => &[],
    };
    found.extend(others.iter().map(|name| (*name).to_owned()));
    // A function of ours, or who answers the token.
    if resource.service == "lambda" || resource.waits_for_token() {
        found.extend(runbook::Error::NAMES.map(str::to_owned));
    }
    if resource.waits_for_token() {
        found.extend(["States.HeartbeatTimeout", functions::fail_stopped_task::ERROR].map(str::to_owned));
    }
    found
}

fn only_errors_that_occur(machine: &Machine) -> Vec<String> {
    let mut problems = Vec::new();
    for place in &machine.places {
        let possible = match place.state["Type"].as_str() {
            Some("Task") => errors(machine, place.state),
            Some("Parallel" | "Map") => {
                let is_inside = |task: &&Place| task.inside.iter().any(|one| std::ptr::eq(*one, place.state));
                let tasks = machine.places.iter().filter(is_inside).filter(|task| is_task(task));
                let mut found: BTreeSet<_> = tasks.flat_map(|task| errors(machine, task.state)).collect();
                found.extend(["States.ALL", "States.BranchFailed"].map(str::to_owned));
                found
            }
            _ => BTreeSet::new(),
        };
        for name in handlers(place).flat_map(|(handler, _)| names(handler)) {
            if !possible.contains(name) {
                problems.push(format!("{}: nothing raises {name}", place.name));
            }
        }
    }
    problems
}

/// Seconds before each attempt of a retrier
/// (https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html: 1 s, three
/// attempts and twice as long each, when it says nothing).
fn pauses(retrier: &Value) -> impl Iterator<Item = f64> {
    let number = |name: &str, default: f64| retrier[name].as_f64().unwrap_or(default);
    let (backoff, most) = (number("BackoffRate", 2.0), number("MaxDelaySeconds", f64::MAX));
    let first = number("IntervalSeconds", 1.0);
    let attempts = retrier["MaxAttempts"].as_u64().unwrap_or(3) as usize;
    std::iter::successors(Some(first), move |pause| Some((pause * backoff).min(most)))
        .map(move |pause| pause.min(most))
        .take(attempts)
}

fn retriers<'a>(place: &Place<'a>) -> impl Iterator<Item = &'a Value> {
    place.state["Retry"].as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

fn is_poll(retrier: &Value) -> bool {
    names(retrier).contains(&"NotReady")
}

fn deadline() -> f64 {
    runbook::state::default_deadline().as_secs_f64()
}

/// Else the state ends with `NotReady`, which says what it waited for, not that it took too long.
fn polls_long_enough(place: &Place) -> Result<(), String> {
    // A call of AWS's is made once.
    let of_aws = |resource: Resource<'_>| resource.is_sdk || resource.service == "stepfunctions";
    if !is_task(place) || Resource::read(place.state).is_some_and(of_aws) {
        return Ok(());
    }
    let poll = retriers(place).find(|retrier| is_poll(retrier)).ok_or("NotReady is not retried")?;
    let whole: f64 = pauses(poll).sum();
    ensure(whole > deadline(), format!("it is asked for {whole:.0} s of {:.0}", deadline()))?;
    // Two minutes are what lists of all clusters need to leave each other room; whoever has waited
    // for an hour may wait an eighth of it once more.
    let mut waited = 0.0_f64;
    for pause in pauses(poll) {
        let most = (waited / 8.0).clamp(120.0, 600.0);
        ensure(pause <= most, format!("{pause:.0} s between two looks, after {waited:.0} s"))?;
        waited += pause;
    }
    Ok(())
}

/// How long an attempt may take before it ends with one of these.
fn attempt(place: &Place, names: &[&str]) -> f64 {
    let seconds = |field: &str| place.state[field].as_f64().unwrap_or(f64::MAX);
    if names.contains(&"States.Timeout") || names.contains(&"States.ALL") {
        seconds("TimeoutSeconds")
    } else if names.contains(&"States.HeartbeatTimeout") {
        seconds("HeartbeatSeconds")
    } else {
        0.0
    }
}

fn gives_up(place: &Place) -> Result<(), String> {
    for retrier in retriers(place).filter(|retrier| !is_poll(retrier)) {
        let names = names(retrier);
        let whole: f64 = pauses(retrier).map(|pause| pause + attempt(place, &names)).sum();
        ensure(whole < deadline(), format!("{} for {whole:.0} s of {:.0}", names.join(", "), deadline()))?;
    }
    Ok(())
}

/// "Maximum execution history size: 25,000 events"
/// (https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html).
const HISTORY: f64 = 25_000.0;
/// How often a state is entered at most: targets of a sync, hops of an upgrade.
const ENTRIES: f64 = 20.0;

/// Scheduled, started, ended; with a token submitted, too (HistoryEventType, botocore
/// stepfunctions/2016-11-23).
fn events_of_attempt(state: &Value) -> f64 {
    if Resource::read(state).is_some_and(|resource| resource.waits_for_token()) { 4.0 } else { 3.0 }
}

/// The events of eight hours of polling, of the states that can poll at one time.
fn events_of_polls(machine: &Value) -> f64 {
    let of_state = |state: &Value| {
        let place = Place { name: "", state, beside: &machine["States"], inside: Vec::new(), root: machine };
        let of_task = retriers(&place).filter(|retrier| is_poll(retrier)).map(|poll| {
            let mut left = deadline();
            let polls = pauses(poll).take_while(|pause| {
                left -= pause;
                left > 0.0
            });
            polls.count() as f64 * events_of_attempt(state)
        });
        let inner = branches(state).map(events_of_polls).sum::<f64>();
        let at_once = match state["Type"].as_str() {
            Some("Map") => state["MaxConcurrency"].as_f64().filter(|most| *most > 0.0).unwrap_or(ENTRIES),
            _ => 1.0,
        };
        of_task.sum::<f64>() + inner * at_once
    };
    machine["States"].as_object().into_iter().flatten().map(|(_, state)| of_state(state)).fold(0.0, f64::max)
}

fn fits_in_a_history(machine: &Machine) -> Vec<String> {
    // Entered, exited, the first attempt, and all that services spoil.
    let beside_polls = machine.places.iter().map(|place| {
        let spoilt =
            retriers(place).filter(|retrier| !is_poll(retrier)).map(|retrier| pauses(retrier).count());
        2.0 + events_of_attempt(place.state) * (1 + spoilt.sum::<usize>()) as f64
    });
    let events = beside_polls.sum::<f64>() * ENTRIES + events_of_polls(machine.root);
    if events < HISTORY { Vec::new() } else { vec![format!("{events:.0} events")] }
}

/// "Maximum input or output size for a task, state, or execution: 256 KiB" (service-quotas).
const PAYLOAD: usize = 262_144;

fn literals_fit(place: &Place) -> Result<(), String> {
    for field in ["Arguments", "Output", "Assign"] {
        let length = place.state[field].to_string().len();
        ensure(length < PAYLOAD, format!("{field} has {length} bytes"))?;
    }
    Ok(())
}

/// A cause has up to 32,768 characters (SendTaskFailure), and a Map's result holds one of each item
/// that failed. Past the limit the execution ends with States.DataLimitExceeded, which no
/// `States.ALL` catches.
fn causes_fit(place: &Place) -> Result<(), String> {
    if !place.inside.iter().any(|around| around["Type"] == "Map") {
        return Ok(());
    }
    for catcher in place.state["Catch"].as_array().into_iter().flatten() {
        let kept = catcher["Output"].as_object().into_iter().flat_map(|output| output.values());
        for kept in kept.filter_map(Value::as_str).filter(|kept| kept.contains("errorOutput.Cause")) {
            let cut = kept.strip_prefix("{% $substring(").and_then(|kept| kept.strip_suffix(") %}"));
            let cut = cut.and_then(|kept| kept.rsplit_once(", 0, ")?.1.parse::<usize>().ok());
            // A character has up to four bytes.
            let fits = cut.is_some_and(|cut| cut * 4 * (ENTRIES as usize) < PAYLOAD);
            ensure(fits, "the causes of twenty items have no room")?;
        }
    }
    Ok(())
}

/// The state in which the machine ends well from here, if `$failure` is set.
fn ends_well<'a>(beside: &'a Value, from: &'a str, seen: &mut BTreeSet<&'a str>) -> Option<&'a str> {
    if !seen.insert(from) {
        return None;
    }
    let state = &beside[from];
    let is_end = state["Type"] == "Succeed" || state["End"] == true;
    if is_end || !state["Assign"]["failure"].is_null() {
        return Some(from);
    }
    let of_choice = state["Choices"].as_array().into_iter().flatten();
    let of_choice = of_choice.filter(|rule| !rule["Condition"].to_string().contains("$failure = null and"));
    let mut next = of_choice.map(|rule| &rule["Next"]).chain([&state["Next"], &state["Default"]]);
    next.find_map(|next| ends_well(beside, next.as_str()?, seen))
}

/// What the Map's items came to is what the next state gets, every one of them.
fn is_given_on(place: &Place, map: &Value) -> bool {
    let all = map["Assign"].as_object().into_iter().flatten();
    let mut all = all.filter(|(_, made)| **made == "{% $states.result %}").map(|(name, _)| name);
    let next = map["Next"].as_str().and_then(|next| place.root["States"].get(next));
    let input = next.map(|next| next["Arguments"]["Payload"]["input"].to_string()).unwrap_or_default();
    all.any(|name| input.contains(&format!("\"{{% ${name} %}}\"")))
}

/// A catcher leads to Fail states; or it sets `$failure`, without which no Choice on the way ends
/// well; or, inside of a Map, it makes an item with an `error`, of which a state around it makes
/// `$failure`, or which the Map gives to a function that fails by it; or it leads back, so that no
/// good end is reached but by the state itself.
fn caught_is_a_failure(place: &Place) -> Result<(), String> {
    for catcher in place.state["Catch"].as_array().into_iter().flatten() {
        let next = catcher["Next"].as_str().ok_or("a catcher without Next")?;
        let good_end = ends_well(place.beside, next, &mut BTreeSet::new());
        let collected = |around: &&Value| {
            around["Assign"]["failure"].as_str().is_some_and(|made| made.contains("$exists(error)"))
                || is_given_on(place, around)
        };
        let is_item = !catcher["Output"]["error"].is_null() && place.inside.iter().any(collected);
        match good_end {
            Some(_) if is_item => {}
            Some(_) if ends_well(place.beside, next, &mut BTreeSet::from([place.name])).is_none() => {}
            Some(end) => return Err(format!("{} ends well in {end}", names(catcher).join(", "))),
            None => {
                let is_set = !catcher["Assign"]["failure"].is_null();
                let leads_to_fail = place.beside[next]["Type"] == "Fail";
                ensure(is_set || leads_to_fail, format!("{next} does not know what was caught"))?;
            }
        }
    }
    Ok(())
}
