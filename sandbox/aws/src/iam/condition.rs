//! The conditions of a statement
//! (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html).

use std::collections::BTreeMap;

use anyhow::{bail, ensure};

use super::policy::Pattern;

/// The values of a request by key. Keys are the same in upper and lower case, so they are kept in
/// lower case; a tag's key keeps its own after the slash.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Keys(BTreeMap<String, Vec<String>>);

impl Keys {
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.0.insert(normal(key), vec![value.into()]);
    }

    pub fn set_all(&mut self, key: &str, values: Vec<String>) {
        self.0.insert(normal(key), values);
    }

    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.set(key, value);
        self
    }

    pub fn get(&self, key: &str) -> Option<&[String]> {
        self.0.get(&normal(key)).map(Vec::as_slice)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

fn normal(key: &str) -> String {
    match key.split_once('/') {
        Some((name, tag)) => format!("{}/{tag}", name.to_lowercase()),
        None => key.to_lowercase(),
    }
}

#[derive(Debug, Clone)]
pub struct Condition {
    pub key: String,
    set: Set,
    test: Test,
    /// `…IfExists`: holds when the request has no such key.
    if_exists: bool,
}

/// How several values of the request are looked at
/// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html).
#[derive(Debug, Clone, Copy, PartialEq)]
enum Set {
    Single,
    All,
    Any,
}

#[derive(Debug, Clone)]
enum Test {
    Equals(Vec<String>),
    Like(Vec<Pattern>),
    Bool(bool),
    /// `true`: the key is absent.
    Null(bool),
    Not(Box<Test>),
}

impl Condition {
    pub fn parse(operator: &str, key: &str, values: &[String]) -> anyhow::Result<Self> {
        let (set, name) = match operator.split_once(':') {
            Some(("ForAllValues", name)) => (Set::All, name),
            Some(("ForAnyValue", name)) => (Set::Any, name),
            Some(_) => bail!("the sandbox does not know the operator {operator}"),
            None => (Set::Single, operator),
        };
        let (name, if_exists) = name.strip_suffix("IfExists").map_or((name, false), |name| (name, true));
        ensure!(!values.is_empty(), "{operator} of {key} has no value");
        let equals = || Test::Equals(values.to_vec());
        let like = || Test::Like(values.iter().cloned().map(Pattern).collect());
        let truth = || match values {
            [value] if value == "true" || value == "false" => Ok(value == "true"),
            _ => bail!("{operator} takes \"true\" or \"false\""),
        };
        let test = match name {
            "StringEquals" => equals(),
            "StringNotEquals" => Test::Not(Box::new(equals())),
            // "ArnEquals and ArnLike behave identically" (page in the module's head).
            "StringLike" | "ArnLike" | "ArnEquals" => like(),
            "StringNotLike" | "ArnNotLike" | "ArnNotEquals" => Test::Not(Box::new(like())),
            "Bool" => Test::Bool(truth()?),
            "Null" if set == Set::Single && !if_exists => Test::Null(truth()?),
            _ => bail!("the sandbox does not know the operator {operator}"),
        };
        Ok(Self { key: key.to_owned(), set, test, if_exists })
    }

    pub fn holds(&self, keys: &Keys) -> bool {
        let values = keys.get(&self.key);
        if let Test::Null(absent) = self.test {
            return values.is_none() == absent;
        }
        match (self.set, values) {
            // A negated operator holds for a key that is absent (page in the module's head).
            (Set::Single, None) => self.if_exists || matches!(self.test, Test::Not(_)),
            (Set::Single, Some(values)) => values.first().is_some_and(|value| self.test.holds(value)),
            // "ForAllValues … returns true if there are no context keys in the request".
            (Set::All, values) => values.unwrap_or_default().iter().all(|value| self.test.holds(value)),
            (Set::Any, values) => values.unwrap_or_default().iter().any(|value| self.test.holds(value)),
        }
    }
}

impl Test {
    fn holds(&self, value: &str) -> bool {
        match self {
            Self::Equals(wanted) => wanted.iter().any(|wanted| wanted == value),
            Self::Like(patterns) => patterns.iter().any(|pattern| pattern.matches(value)),
            Self::Bool(wanted) => value.eq_ignore_ascii_case(if *wanted { "true" } else { "false" }),
            Self::Null(_) => false,
            Self::Not(test) => !test.holds(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(operator: &str, key: &str, values: &[&str], keys: &Keys) -> bool {
        let values: Vec<String> = values.iter().map(|value| value.to_string()).collect();
        Condition::parse(operator, key, &values).unwrap().holds(keys)
    }

    #[test]
    fn a_condition_on_an_absent_key_does_not_hold_unless_it_says_so() {
        let none = Keys::default();
        assert!(!holds("StringEquals", "aws:ResourceTag/a", &["b"], &none));
        assert!(holds("StringEqualsIfExists", "aws:ResourceTag/a", &["b"], &none));
        assert!(holds("StringNotEquals", "aws:ResourceTag/a", &["b"], &none));
        assert!(holds("Null", "aws:ResourceTag/a", &["true"], &none));
        assert!(!holds("Null", "aws:ResourceTag/a", &["false"], &none));
        assert!(!holds("Bool", "kms:GrantIsForAWSResource", &["true"], &none));
    }

    #[test]
    fn keys_are_alike_in_both_cases_but_tags_and_values_are_not() {
        let keys = Keys::default().with("aws:ResourceTag/Team", "Shop");
        assert!(holds("StringEquals", "AWS:resourcetag/Team", &["Shop"], &keys));
        assert!(!holds("StringEquals", "aws:ResourceTag/team", &["Shop"], &keys));
        assert!(!holds("StringEquals", "aws:ResourceTag/Team", &["shop"], &keys));
        assert!(!holds("StringEquals", "aws:ResourceTag/Team", &["Sh*"], &keys));
        assert!(holds("StringLike", "aws:ResourceTag/Team", &["x", "Sh*"], &keys));
    }

    #[test]
    fn all_or_any_of_several_values_are_looked_at() {
        let mut keys = Keys::default();
        keys.set_all("aws:TagKeys", vec!["a".into(), "b".into()]);
        assert!(holds("ForAllValues:StringEquals", "aws:TagKeys", &["a", "b", "c"], &keys));
        assert!(!holds("ForAllValues:StringEquals", "aws:TagKeys", &["a"], &keys));
        assert!(holds("ForAnyValue:StringEquals", "aws:TagKeys", &["a"], &keys));
        let none = Keys::default();
        assert!(holds("ForAllValues:StringEquals", "aws:TagKeys", &["a"], &none));
        assert!(!holds("ForAnyValue:StringEquals", "aws:TagKeys", &["a"], &none));
    }
}
