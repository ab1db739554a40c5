//! Values inside values: arrays and JSON documents. ALTER TABLE takes no subquery, so each such
//! column gets a function for the time of masking.

use policy::{Rule, Step};
use runbook::postgres::literal;

use super::{
    rules::{Kind, Slot, expression, shift},
    schema::Column,
};

/// The function's definition and the expression that calls it.
pub struct Helper {
    pub definition: String,
    pub call: String,
}

/// Every element replaced on its own; an array of several dimensions becomes one of one.
pub fn array(name: &str, column: &Column, slot: &Slot<'_>, rule: &Rule) -> Result<Helper, String> {
    let element = Slot { value: "e", unique: false, not_null: false, ..slot.clone() };
    let replaced = expression(rule, &element)?;
    let element_type = column.element_type();
    let body = format!(
        "SELECT coalesce((SELECT array_agg(({replaced})::{element_type} ORDER BY n) FROM unnest(v) WITH \
        ORDINALITY AS u (e, n)), v)"
    );
    let function = Function { data_type: format!("{element_type}[]"), language: "sql", body };
    Ok(function.helper(name, slot))
}

/// One path after the other. In PL/pgSQL, for there the document after each step is a variable; as
/// subqueries the planner would write each step into the next one as often as that looks at it.
pub fn json(name: &str, base: &str, slot: &Slot<'_>, paths: &[(&[Step], &Rule)]) -> Result<Helper, String> {
    let mut body = "DECLARE x jsonb := v; BEGIN ".to_owned();
    for (steps, rule) in paths {
        body += &format!("x := {}; ", at("x", steps, rule, 0)?);
    }
    let body = body + "RETURN x; END";
    let function = Function { data_type: format!("pg_catalog.{base}"), language: "plpgsql", body };
    Ok(function.helper(name, slot))
}

/// From a value to the one that replaces it, of the same type.
struct Function {
    data_type: String,
    language: &'static str,
    body: String,
}

impl Function {
    fn helper(&self, name: &str, slot: &Slot<'_>) -> Helper {
        let Self { data_type, language, body } = self;
        Helper {
            definition: format!(
                "CREATE OR REPLACE FUNCTION aurora_runbooks.{name}(v {data_type}) RETURNS {data_type} STABLE \
                STRICT LANGUAGE {language} AS {}",
                literal(body)
            ),
            call: format!("aurora_runbooks.{name}(({})::{data_type})", slot.value),
        }
    }
}

/// The document `v` with the value at the path replaced. What is not there stays not there.
fn at(v: &str, steps: &[Step], rule: &Rule, depth: usize) -> Result<String, String> {
    let Some((step, rest)) = steps.split_first() else { return leaf(v, rule) };
    let (e, n) = (format!("e{depth}"), format!("n{depth}"));
    Ok(match step {
        Step::Key(key) => {
            let key = literal(key);
            let inner = at(&format!("({v} -> {key})"), rest, rule, depth + 1)?;
            format!(
                "CASE WHEN jsonb_typeof({v}) = 'object' AND {v} ? {key} THEN {v} || \
                jsonb_build_object({key}, {inner}) ELSE {v} END"
            )
        }
        Step::Elements => {
            let inner = at(&e, rest, rule, depth + 1)?;
            let all = format!(
                "(SELECT jsonb_agg({inner} ORDER BY {n}) FROM jsonb_array_elements({v}) WITH ORDINALITY AS \
                u{depth} ({e}, {n}))"
            );
            format!("CASE WHEN jsonb_typeof({v}) = 'array' THEN coalesce({all}, {v}) ELSE {v} END")
        }
        Step::Members => {
            let inner = at(&e, rest, rule, depth + 1)?;
            let all = format!(
                "(SELECT jsonb_object_agg({n}, {inner}) FROM jsonb_each({v}) AS u{depth} ({n}, {e}))"
            );
            format!("CASE WHEN jsonb_typeof({v}) = 'object' THEN coalesce({all}, {v}) ELSE {v} END")
        }
    })
}

/// A number stays a number where the rule makes numbers; an object or array where a value was meant
/// becomes one value, so that nothing survives in it.
fn leaf(v: &str, rule: &Rule) -> Result<String, String> {
    let text = format!("({v} #>> '{{}}')");
    let slot = |kind| Slot {
        value: &text,
        kind,
        length: None,
        lower: false,
        unique: false,
        small: false,
        not_null: false,
    };
    let replaced = match rule {
        Rule::Keep => return Ok(v.to_owned()),
        Rule::Null => return Ok("'null'::jsonb".into()),
        Rule::Integer { .. } => {
            return Ok(number(v, &format!("({})", expression(rule, &slot(Kind::Integer))?)));
        }
        Rule::Numeric { .. } => {
            return Ok(number(v, &format!("({})", expression(rule, &slot(Kind::Numeric))?)));
        }
        Rule::DateShift { days } => {
            let digest = format!(
                "encode(sha256(convert_to(current_setting('mask.key') || ':date-shift:' || {text}, \
                'UTF8')), 'hex')"
            );
            format!(
                "overlay({text} placing (left({text}, 10)::date + ({})::int)::text from 1 for 10)",
                shift(&digest, *days)
            )
        }
        Rule::Constant { value } => format!("{}::text", literal(value)),
        Rule::Sql { .. } | Rule::Json { .. } => {
            return Err(format!("the rule {} does not go inside a document", rule.name()));
        }
        rule => expression(rule, &slot(Kind::Text))?,
    };
    Ok(format!("CASE WHEN jsonb_typeof({v}) = 'null' THEN {v} ELSE to_jsonb(({replaced})::text) END"))
}

fn number(v: &str, replaced: &str) -> String {
    format!(
        "CASE jsonb_typeof({v}) WHEN 'null' THEN {v} WHEN 'number' THEN to_jsonb({replaced}) ELSE \
        'null'::jsonb END"
    )
}
