//! `Assign`: https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html

use super::reader::{Fields, Reader};
use crate::jsonata::Template;

#[derive(Debug, Default)]
pub struct Assign(pub Vec<(String, Template)>);

impl Assign {
    /// `$states` is reserved; a name starts with a letter or an underscore and has at most 80
    /// characters.
    pub fn read(reader: &mut Reader, fields: &mut Fields) -> Option<Self> {
        let place = fields.at("Assign");
        let Some(value) = fields.take("Assign") else { return Some(Self::default()) };
        let mut variables = reader.object(&place, value)?;
        let names: Vec<_> = variables.names().cloned().collect();
        let mut assign = Vec::new();
        for name in names {
            let starts = name.starts_with(|c: char| c.is_alphabetic() || c == '_');
            if name == "states"
                || name.chars().count() > 80
                || !starts
                || name.contains(|c: char| !c.is_alphanumeric() && c != '_')
            {
                reader.refuse(&place, format!("'{name}' is not a name for a variable"));
            }
            let template = variables.template(reader, &name)?;
            assign.push((name, template));
        }
        Some(Self(assign))
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}
