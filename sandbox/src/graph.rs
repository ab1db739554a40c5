//! A state machine as a Mermaid graph, for a README, and a sentence about its shapes.

use std::{collections::BTreeSet, fmt::Write};

use serde_json::Value;

pub fn mermaid(machine: &Value) -> String {
    let mut graph = Graph { text: String::from("```mermaid\nflowchart TD\n"), shapes: BTreeSet::new() };
    graph.line(1, &format!("start([start]) --> {}", text(machine, "StartAt")));
    graph.flow(machine, 1);
    let legend: Vec<&str> = graph.shapes.iter().map(|shape| shape.legend()).collect();
    format!("{}```\n\n{}\n", graph.text, legend.join("\n"))
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Shape {
    Function,
    Worker,
    Choice,
    Pass,
    End,
}

impl Shape {
    fn of(state: &Value) -> Self {
        match text(state, "Type") {
            "Choice" => Self::Choice,
            "Succeed" | "Fail" => Self::End,
            "Task" if text(state, "Resource").contains("ecs:runTask") => Self::Worker,
            "Task" => Self::Function,
            _ => Self::Pass,
        }
    }

    /// https://mermaid.js.org/syntax/flowchart.html#node-shapes
    fn draw(self, name: &str) -> String {
        match self {
            Self::Function => format!("{name}({name})"),
            Self::Worker => format!("{name}[[{name}]]"),
            Self::Choice => format!("{name}{{{name}}}"),
            Self::Pass => format!("{name}[{name}]"),
            Self::End => format!("{name}([{name}])"),
        }
    }

    fn legend(self) -> &'static str {
        match self {
            Self::Function => "Boxes with round corners are functions on Lambda.",
            Self::Worker => "Boxes with double sides are workers on Fargate, which speak SQL.",
            Self::Choice => "Diamonds choose by the condition beside the arrow.",
            Self::Pass => "Plain boxes pass on what they get.",
            Self::End => "Boxes with round sides are ends of the execution.",
        }
    }
}

struct Graph {
    text: String,
    shapes: BTreeSet<Shape>,
}

impl Graph {
    fn line(&mut self, depth: usize, line: &str) {
        let _ = writeln!(self.text, "{}{line}", "    ".repeat(depth));
    }

    /// The states of a machine, or of what a Parallel or a Map holds.
    fn flow(&mut self, flow: &Value, depth: usize) {
        for (name, state) in flow["States"].as_object().into_iter().flatten() {
            let inner: Vec<&Value> = list(state, "Branches").chain(state.get("ItemProcessor")).collect();
            if inner.is_empty() {
                let shape = Shape::of(state);
                self.shapes.insert(shape);
                self.line(depth, &shape.draw(name));
            } else {
                let each = match state.get("Items") {
                    Some(items) => format!(", for each of {}", expression(items)),
                    None => String::new(),
                };
                self.line(depth, &format!("subgraph {name} [\"{name}{each}\"]"));
                // Otherwise the inside of a subgraph is laid across, and too wide to be read.
                self.line(depth + 1, "direction TB");
                for inner in inner {
                    self.flow(inner, depth + 1);
                }
                self.line(depth, "end");
            }
            for choice in list(state, "Choices") {
                let condition = expression(&choice["Condition"]);
                self.line(depth, &format!("{name} -- \"{condition}\" --> {}", text(choice, "Next")));
            }
            if let Some(next) = state["Default"].as_str() {
                self.line(depth, &format!("{name} -- otherwise --> {next}"));
            }
            if let Some(next) = state["Next"].as_str() {
                self.line(depth, &format!("{name} --> {next}"));
            }
            for catch in list(state, "Catch") {
                self.line(depth, &format!("{name} -. fails .-> {}", text(catch, "Next")));
            }
            // Inside, the end is the end of what is around it.
            if state["End"] == true && depth == 1 {
                self.line(depth, &format!("{name} --> done([done])"));
            }
        }
    }
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_else(|| panic!("{field} must be a text in {value}"))
}

fn list<'v>(state: &'v Value, field: &str) -> impl Iterator<Item = &'v Value> {
    state[field].as_array().into_iter().flatten()
}

/// The JSONata of `{% … %}`, fit for a text in quotes
/// (https://mermaid.js.org/syntax/flowchart.html#entity-codes-to-escape-characters).
fn expression(value: &Value) -> String {
    let whole = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let inner = whole.strip_prefix("{%").and_then(|rest| rest.strip_suffix("%}")).unwrap_or(&whole);
    inner.trim().replace('#', "#35;").replace('"', "#quot;")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn graph(states: Value) -> String {
        let start = states.as_object().unwrap().keys().next().unwrap().clone();
        mermaid(&json!({"StartAt": start, "States": states}))
    }

    #[test]
    fn an_arrow_of_a_choice_says_its_condition_whatever_the_states_are_called() {
        let graph = graph(json!({"IsChosen": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% $plan.skipped = \"yes\" %}", "Next": "Nothing"}],
            "Default": "Sync"
        }}));
        assert!(graph.contains("IsChosen -- \"$plan.skipped = #quot;yes#quot;\" --> Nothing\n"), "{graph}");
        assert!(graph.contains("IsChosen -- otherwise --> Sync\n"), "{graph}");
    }

    #[test]
    fn functions_and_workers_have_the_shapes_that_the_legend_names() {
        let graph = graph(json!({
            "Look": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Next": "Work"},
            "Work": {"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask.waitForTaskToken", "End": true}
        }));
        for line in [
            "Look(Look)",
            "Boxes with round corners are functions",
            "Work[[Work]]",
            "Boxes with double sides are workers",
            "Work --> done([done])",
        ] {
            assert!(graph.contains(line), "{line} is missing in {graph}");
        }
        assert!(!graph.contains("Diamonds"), "there is none in {graph}");
    }

    #[test]
    fn what_is_done_for_each_item_says_of_what() {
        let map = json!({"Refresh": {
            "Type": "Map", "Items": "{% $plan.targets %}", "Next": "Done",
            "ItemProcessor": {"StartAt": "One", "States": {"One": {"Type": "Pass", "End": true}}}
        }});
        let graph = graph(map);
        assert!(graph.contains("subgraph Refresh [\"Refresh, for each of $plan.targets\"]\n"), "{graph}");
        assert!(graph.contains("        One[One]\n    end\n"), "{graph}");
    }
}
