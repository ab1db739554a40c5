//! Policy documents, parsed into types.
//!
//! Grammar: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html.
//! `Not…` elements and policy variables are refused: nothing of ours needs them, and what is not
//! understood must not be taken for an answer.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::condition::Condition;

#[derive(Debug, Clone, Default)]
pub struct Policy {
    pub statements: Vec<Statement>,
}

#[derive(Debug, Clone)]
pub struct Statement {
    pub effect: Effect,
    /// Of a resource's policy and of a trust policy; none in an identity's.
    pub principals: Vec<Principal>,
    pub actions: Vec<Pattern>,
    /// Empty in a trust policy, which stands on its resource.
    pub resources: Vec<Pattern>,
    pub conditions: Vec<Condition>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Allow,
    Deny,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    Anyone,
    /// Everybody whom that account allows.
    Account(String),
    /// A role or a user.
    Arn(String),
    /// `lambda.amazonaws.com` and the like.
    Service(String),
}

/// `*` is any text, `?` one character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(pub String);

impl Pattern {
    pub fn matches(&self, text: &str) -> bool {
        wildcard(self.0.as_bytes(), text.as_bytes())
    }

    /// Names of actions are the same in upper and lower case
    /// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_action.html).
    pub fn matches_action(&self, action: &str) -> bool {
        wildcard(self.0.to_lowercase().as_bytes(), action.to_lowercase().as_bytes())
    }
}

/// The last `*` seen is the only one to come back to.
fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(letter) if *letter == b'?' || *letter == text[t] => (p, t) = (p + 1, t + 1),
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, t) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|letter| *letter == b'*')
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RawStatement {
    #[serde(rename = "Sid")]
    _sid: Option<String>,
    effect: String,
    principal: Option<Value>,
    action: Value,
    resource: Option<Value>,
    #[serde(default)]
    condition: BTreeMap<String, BTreeMap<String, Value>>,
}

impl Policy {
    /// From the list `Statement` of a document.
    pub fn parse(statements: &Value) -> anyhow::Result<Self> {
        let list = statements.as_array().context("a policy is a list of statements")?;
        let parsed = list.iter().map(|statement| {
            Statement::parse(statement).with_context(|| format!("a statement is not valid: {statement}"))
        });
        Ok(Self { statements: parsed.collect::<anyhow::Result<_>>()? })
    }
}

impl Statement {
    fn parse(statement: &Value) -> anyhow::Result<Self> {
        ensure!(!statement.to_string().contains("${"), "a placeholder or a policy variable is left in it");
        let raw = RawStatement::deserialize(statement)?;
        let effect = match raw.effect.as_str() {
            "Allow" => Effect::Allow,
            "Deny" => Effect::Deny,
            other => bail!("an effect is Allow or Deny, not {other}"),
        };
        let actions = patterns(&raw.action)?;
        ensure!(!actions.is_empty(), "it names no action");
        let resources = raw.resource.as_ref().map(patterns).transpose()?.unwrap_or_default();
        let principals = raw.principal.as_ref().map(principals).transpose()?.unwrap_or_default();
        ensure!(!resources.is_empty() || !principals.is_empty(), "it names neither resource nor principal");
        let conditions = raw.condition.iter().flat_map(|(operator, keys)| {
            keys.iter().map(|(key, values)| Condition::parse(operator, key, &texts(values)?))
        });
        Ok(Self {
            effect,
            principals,
            actions,
            resources,
            conditions: conditions.collect::<anyhow::Result<_>>()?,
        })
    }
}

fn patterns(value: &Value) -> anyhow::Result<Vec<Pattern>> {
    Ok(texts(value)?.into_iter().map(Pattern).collect())
}

/// One text or a list of texts.
fn texts(value: &Value) -> anyhow::Result<Vec<String>> {
    let one = |value: &Value| match value {
        Value::String(text) if !text.is_empty() => Ok(text.clone()),
        other => bail!("a text was expected, not {other}"),
    };
    match value {
        Value::Array(items) => items.iter().map(one).collect(),
        other => Ok(vec![one(other)?]),
    }
}

fn principals(value: &Value) -> anyhow::Result<Vec<Principal>> {
    if value == "*" {
        return Ok(vec![Principal::Anyone]);
    }
    let members = value.as_object().context("a principal is \"*\", {\"AWS\": …} or {\"Service\": …}")?;
    let mut found = Vec::new();
    for (kind, names) in members {
        for name in texts(names)? {
            found.push(match kind.as_str() {
                "Service" => Principal::Service(name),
                "AWS" if name == "*" => Principal::Anyone,
                "AWS" => account(&name).map_or_else(|| Principal::Arn(name.clone()), Principal::Account),
                other => bail!("the sandbox knows no principals of kind {other}"),
            });
        }
    }
    Ok(found)
}

/// The account in `arn:aws:iam::444455556666:root`, or alone.
fn account(name: &str) -> Option<String> {
    let inner = name.strip_prefix("arn:aws:iam::").and_then(|rest| rest.strip_suffix(":root"));
    let digits = inner.unwrap_or(name);
    (digits.len() == 12 && digits.bytes().all(|letter| letter.is_ascii_digit())).then(|| digits.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_star_is_any_text_and_a_question_mark_one_character() {
        let matches = |pattern: &str, text: &str| Pattern(pattern.to_owned()).matches(text);
        assert!(matches("*", "") && matches("*", "anything"));
        assert!(matches("arn:*:cluster:orders-???", "arn:aws:rds:r:1:cluster:orders-dev"));
        assert!(!matches("arn:*:cluster:orders-???", "arn:aws:rds:r:1:cluster:orders-de"));
        assert!(matches("a*b*c", "a-b-b-c") && !matches("a*b*c", "a-b-b"));
        assert!(!matches("sync-*", "my-sync-1") && !matches("Sync", "sync"));
        assert!(Pattern("RDS:modify*".into()).matches_action("rds:ModifyDBCluster"));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let refused = |statement: Value| Policy::parse(&json!([statement])).is_err();
        let good = json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"});
        assert!(!refused(good.clone()));
        let with = |name: &str, value: Value| {
            let mut statement = good.clone();
            statement[name] = value;
            statement
        };
        assert!(refused(with("NotAction", json!("s3:*"))));
        assert!(refused(with("Effect", json!("allow"))));
        assert!(refused(with("Resource", json!([]))));
        assert!(refused(with("Resource", json!("arn:aws:s3:::${bucket}/*"))));
        assert!(refused(with("Condition", json!({"StringSounds": {"aws:PrincipalArn": "a"}}))));
        assert!(refused(with("Principal", json!({"Federated": "a"}))));
    }

    #[test]
    fn an_account_is_a_principal_by_its_number_and_by_its_root() {
        let parsed = principals(&json!({"AWS": ["444455556666", "arn:aws:iam::444455556666:root"]}));
        let account = Principal::Account("444455556666".into());
        assert_eq!(parsed.unwrap(), [account.clone(), account]);
        let role = "arn:aws:iam::444455556666:role/a";
        assert_eq!(principals(&json!({"AWS": role})).unwrap(), [Principal::Arn(role.into())]);
    }
}
