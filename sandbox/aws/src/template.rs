//! `${placeholders}` in files that Terraform's `templatefile` reads, too.

use std::collections::BTreeMap;

use anyhow::{Context, bail};

/// A variable is one text, or a list: `["${names}"]` becomes `["one","two"]`, as Terraform's
/// `join("\",\"", names)` makes it. So a file is valid JSON before and after.
#[derive(Debug, Clone, Default)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.0.insert(name.to_owned(), value.to_owned());
        self
    }

    /// An empty list leaves one empty text.
    pub fn set_all(self, name: &str, values: impl IntoIterator<Item = String>) -> Self {
        let values: Vec<String> = values.into_iter().collect();
        self.set(name, &values.join("\",\""))
    }

    pub fn render(&self, source: &str) -> anyhow::Result<String> {
        let mut rendered = String::new();
        let mut rest = source;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after.split_once('}').context("a placeholder is not closed")?;
            let Some(value) = self.0.get(name) else { bail!("nothing is named ${{{name}}}") };
            rendered.push_str(before);
            rendered.push_str(value);
            rest = after;
        }
        Ok(rendered + rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_fills_a_list() {
        let variables = Variables::default().set("a", "x").set_all("b", ["1".to_owned(), "2".to_owned()]);
        assert_eq!(variables.render(r#"["${a}-y", "${b}"]"#).unwrap(), r#"["x-y", "1","2"]"#);
        let none = Variables::default().set_all("b", None);
        assert_eq!(none.render(r#"["${b}"]"#).unwrap(), r#"[""]"#);
    }

    #[test]
    fn a_placeholder_that_nothing_fills_is_an_error() {
        assert!(Variables::default().render("${a}").is_err());
        assert!(Variables::default().set("a", "x").render("${a").is_err());
    }
}
