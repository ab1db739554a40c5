//! https://docs.aws.amazon.com/step-functions/latest/dg/state-parallel.html

use super::flow::Flow;
use super::reader::{Fields, Reader};
use crate::jsonata::Template;

#[derive(Debug)]
pub struct Parallel {
    pub branches: Vec<Flow>,
    pub arguments: Option<Template>,
}

impl Parallel {
    pub fn read(reader: &mut Reader, fields: &mut Fields) -> Option<Self> {
        fields.require(reader, &["Branches"]);
        let arguments = fields.template(reader, "Arguments");
        let place = fields.at("Branches");
        let branches = fields.array(reader, "Branches")?;
        if branches.is_empty() {
            reader.refuse(&place, "Value cannot be empty");
        }
        let mut flows = Vec::new();
        for (index, branch) in branches.into_iter().enumerate() {
            let fields = reader.object(&format!("{place}[{index}]"), branch);
            flows.push(fields.and_then(|fields| Flow::read(reader, fields)));
        }
        Some(Self { branches: flows.into_iter().collect::<Option<_>>()?, arguments })
    }
}
