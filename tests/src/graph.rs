//! A state machine as a Mermaid graph, for its README.

use std::fmt::Write;

use serde_json::Value;

pub fn mermaid(machine: &Value) -> String {
    let mut graph = String::from("```mermaid\nflowchart TD\n");
    let start = machine["StartAt"].as_str().unwrap_or_default();
    let _ = writeln!(graph, "    start([start]) --> {start}");
    for (name, state) in machine["States"].as_object().into_iter().flatten() {
        let worker = state["Resource"].as_str().is_some_and(|resource| resource.contains("ecs:runTask"));
        let shape = match state["Type"].as_str() {
            Some("Choice") => format!("{{{name}}}"),
            _ if worker => format!("[[{name}]]"),
            _ => format!("[{name}]"),
        };
        let _ = writeln!(graph, "    {name}{shape}");
        for choice in state["Choices"].as_array().into_iter().flatten() {
            let _ = writeln!(graph, "    {name} -- yes --> {}", choice["Next"].as_str().unwrap_or_default());
        }
        if let Some(next) = state["Default"].as_str() {
            let _ = writeln!(graph, "    {name} -- no --> {next}");
        }
        if let Some(next) = state["Next"].as_str() {
            let _ = writeln!(graph, "    {name} --> {next}");
        }
        if state["End"] == true {
            let _ = writeln!(graph, "    {name} --> done([done])");
        }
    }
    graph.push_str("```\n");
    graph
}
