//! A state machine as a Mermaid graph, for its README.

use std::fmt::Write;

use serde_json::Value;

pub fn mermaid(machine: &Value) -> String {
    let mut graph = String::from("```mermaid\nflowchart TD\n");
    let start = machine["StartAt"].as_str().unwrap_or_default();
    let _ = writeln!(graph, "    start([start]) --> {start}");
    flow(&mut graph, machine, 1);
    graph.push_str("```\n");
    graph
}

/// The states of a machine, or of what a Parallel or a Map holds.
fn flow(graph: &mut String, flow: &Value, depth: usize) {
    let indent = "    ".repeat(depth);
    for (name, state) in flow["States"].as_object().into_iter().flatten() {
        let inner: Vec<&Value> =
            state["Branches"].as_array().into_iter().flatten().chain(state.get("ItemProcessor")).collect();
        if inner.is_empty() {
            let _ = writeln!(graph, "{indent}{name}{}", shape(name, state));
        } else {
            let each = if state["Type"] == "Map" { "each of " } else { "" };
            let _ = writeln!(graph, "{indent}subgraph {name} [\"{each}{name}\"]");
            for inner in inner {
                self::flow(graph, inner, depth + 1);
            }
            let _ = writeln!(graph, "{indent}end");
        }
        for choice in state["Choices"].as_array().into_iter().flatten() {
            let _ =
                writeln!(graph, "{indent}{name} -- yes --> {}", choice["Next"].as_str().unwrap_or_default());
        }
        if let Some(next) = state["Default"].as_str() {
            let _ = writeln!(graph, "{indent}{name} -- no --> {next}");
        }
        if let Some(next) = state["Next"].as_str() {
            let _ = writeln!(graph, "{indent}{name} --> {next}");
        }
        for catch in state["Catch"].as_array().into_iter().flatten() {
            let _ =
                writeln!(graph, "{indent}{name} -. fails .-> {}", catch["Next"].as_str().unwrap_or_default());
        }
        // Inside, the end is the end of what is around it.
        if state["End"] == true && depth == 1 {
            let _ = writeln!(graph, "{indent}{name} --> done([done])");
        }
    }
}

fn shape(name: &str, state: &Value) -> String {
    let worker = state["Resource"].as_str().is_some_and(|resource| resource.contains("ecs:runTask"));
    match state["Type"].as_str() {
        Some("Choice") => format!("{{{name}}}"),
        Some("Succeed" | "Fail") => format!("([{name}])"),
        _ if worker => format!("[[{name}]]"),
        _ => format!("[{name}]"),
    }
}
