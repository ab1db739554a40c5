//! A start and its states: a machine, a branch of a Parallel, or what a Map does with each item.

use std::collections::BTreeMap;

use super::reader::{Fields, Reader};
use super::state::State;

#[derive(Debug)]
pub struct Flow {
    pub start_at: String,
    pub states: BTreeMap<String, State>,
}

impl Flow {
    pub fn read(reader: &mut Reader, mut fields: Fields) -> Option<Self> {
        fields.require(reader, &["States", "StartAt"]);
        let start_at = fields.text(reader, "StartAt");
        let place = fields.at("States");
        let states = fields.take("States").and_then(|states| reader.object(&place, states));
        fields.end(reader);
        let mut states = states?;
        let names: Vec<_> = states.names().cloned().collect();
        let mut read = BTreeMap::new();
        for name in names {
            let place = states.at(&name);
            if name.chars().count() > 80 {
                reader.refuse(&place, "a state's name has at most 80 characters");
            }
            if let Some(state) = states.take(&name).and_then(|state| State::read(reader, &place, state)) {
                read.insert(name, state);
            }
        }
        Some(Self { start_at: start_at?, states: read })
    }
}
