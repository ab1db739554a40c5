//! https://docs.aws.amazon.com/step-functions/latest/dg/state-choice.html

use super::assign::Assign;
use super::reader::{Fields, Reader};
use super::setting::Setting;
use crate::jsonata::Template;

#[derive(Debug)]
pub struct Choice {
    pub rules: Vec<Rule>,
    pub default: Option<String>,
}

#[derive(Debug)]
pub struct Rule {
    pub condition: Setting<bool>,
    pub next: String,
    pub assign: Assign,
    pub output: Option<Template>,
}

impl Choice {
    pub fn read(reader: &mut Reader, fields: &mut Fields) -> Option<Self> {
        fields.require(reader, &["Choices"]);
        let place = fields.at("Choices");
        let choices = fields.array(reader, "Choices");
        let default = fields.text(reader, "Default");
        let choices = choices?;
        if choices.is_empty() {
            reader.refuse(&place, "Value cannot be empty");
        }
        let mut rules = Vec::new();
        for (index, choice) in choices.into_iter().enumerate() {
            let mut fields = reader.object(&format!("{place}[{index}]"), choice)?;
            rules.push(Rule::read(reader, &mut fields));
            fields.end(reader);
        }
        Some(Self { rules: rules.into_iter().collect::<Option<_>>()?, default })
    }
}

impl Rule {
    fn read(reader: &mut Reader, fields: &mut Fields) -> Option<Self> {
        fields.require(reader, &["Condition", "Next"]);
        let condition = Setting::read(reader, fields, "Condition", serde_json::Value::as_bool, |_| {
            "must be a boolean or an expression".into()
        });
        let next = fields.text(reader, "Next");
        let assign = Assign::read(reader, fields);
        let output = fields.template(reader, "Output");
        Some(Self { condition: condition?, next: next?, assign: assign?, output })
    }
}
