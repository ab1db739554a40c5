//! Where our engine differs from jsonata.js, the reference: an expression is refused, or rewritten
//! so that both give the same. The tree is the engine's own, as JSON.

use serde_json::{Value, json};

use super::functions::{NUMERAL, SOME};

/// What the engine does not interpret, or what Step Functions does not have.
pub fn refuse(tree: &Value) -> Result<(), String> {
    match tree {
        Value::Array(items) => items.iter().try_for_each(refuse),
        Value::Object(members) => {
            let called = members.get("Function").filter(|f| f["is_builtin"] == true);
            if called.is_some_and(|f| f["name"] == "eval")
                || members.get("Variable").is_some_and(|v| v == "eval")
            {
                return Err("calls $eval, which Step Functions does not support: use $parse".into());
            }
            if called.is_some_and(|f| f["name"] == "") {
                return Err("calls the context as a function, which the sandbox does not interpret".into());
            }
            if let Some(pattern) = members.get("Regex").and_then(|regex| regex["pattern"].as_str())
                && needs_backtracking(pattern)
            {
                return Err(format!(
                    "holds the regular expression /{pattern}/ with look-around or a back-reference, which \
                    the sandbox does not interpret"
                ));
            }
            members.values().try_for_each(refuse)
        }
        _ => Ok(()),
    }
}

/// Look-ahead, look-behind, `\1` or `\k<name>`: the engine's regular expressions have no memory.
fn needs_backtracking(pattern: &str) -> bool {
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        if c == '\\' && matches!(rest.next(), Some('1'..='9' | 'k')) {
            return true;
        }
    }
    ["(?=", "(?!", "(?<=", "(?<!"].iter().any(|group| pattern.contains(group))
}

/// What stands around the first argument of a built-in, so that the engine sees what jsonata.js
/// would have made of it:
/// - `$fromMillis(1.5)` drops the fraction (`new Date(1.5)`),
/// - `$number(" 12 ")` is an error (its syntax of numbers allows no spaces and no plus),
/// - `$reduce([], f)` without a start is nothing.
///
/// A built-in that is passed on by its name, as in `$map(x, $number)`, stays the engine's.
fn wrapper(name: &str, further_arguments: usize) -> Option<&'static str> {
    match (name, further_arguments) {
        ("fromMillis", _) => Some("floor"),
        ("number", 0) => Some(NUMERAL),
        ("reduce", 1) => Some(SOME),
        _ => None,
    }
}

/// Those that are the sandbox's own and read the context when they get no argument: a function of
/// ours does not see it.
const READ_CONTEXT: [&str; 5] = ["fromMillis", "number", "encodeUrl", "encodeUrlComponent", "base64encode"];

pub fn adapt(tree: &mut Value) {
    match tree {
        Value::Array(items) => items.iter_mut().for_each(adapt),
        Value::Object(members) => {
            // `x ~> $f(y)` is `$f(x, y)`.
            if let Some(chain) = members.get_mut("Binary").filter(|binary| binary["op"] == "ChainPipe") {
                adapt(&mut chain["lhs"]);
                let rhs = &mut chain["rhs"];
                let called = rhs["Function"]["name"].as_str().map(str::to_owned);
                let around = match (called, rhs.pointer_mut("/Function/args").and_then(Value::as_array_mut)) {
                    (Some(name), Some(further)) => {
                        further.iter_mut().for_each(adapt);
                        wrapper(&name, further.len())
                    }
                    _ => {
                        adapt(rhs);
                        rhs["Variable"].as_str().and_then(|name| wrapper(name, 0))
                    }
                };
                if let Some(around) = around {
                    wrap(&mut chain["lhs"], around);
                }
                return;
            }
            if let Some(called) = members.get_mut("Function").filter(|f| f["is_builtin"] == true) {
                let name = called["name"].as_str().unwrap_or_default().to_owned();
                if let Some(arguments) = called["args"].as_array_mut() {
                    if arguments.is_empty() && READ_CONTEXT.contains(&name.as_str()) {
                        arguments.push(json!({"Variable": ""}));
                    }
                    let further = arguments.len().saturating_sub(1);
                    arguments.iter_mut().for_each(adapt);
                    if let (Some(first), Some(around)) = (arguments.first_mut(), wrapper(&name, further)) {
                        wrap(first, around);
                    }
                }
                return;
            }
            members.values_mut().for_each(adapt);
        }
        _ => {}
    }
}

/// A `?` stays: it makes a function of the call.
fn wrap(argument: &mut Value, function: &str) {
    if argument == "Placeholder" {
        return;
    }
    let inner = argument.take();
    *argument = json!({"Function": {"name": function, "args": [inner], "is_builtin": true}});
}
