//! From a rule to the SQL expression that replaces a value.
//!
//! Every expression is a function of the value and the key alone, so that equal values stay equal,
//! in every table and database. NULL stays NULL. Expressions are written inline: a SQL function
//! round them would cost twice as much. docs/masking.md says what each promises.

use policy::Rule;
use runbook::postgres::literal;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Integer,
    Numeric,
    Float,
    Date,
    Timestamp,
    Ip,
    Cidr,
    Uuid,
    Json,
    Bytes,
    Other,
}

impl Kind {
    pub fn of(base: &str) -> Self {
        match base {
            "text" | "varchar" | "bpchar" | "citext" => Self::Text,
            "int2" | "int4" | "int8" => Self::Integer,
            "numeric" | "money" => Self::Numeric,
            "float4" | "float8" => Self::Float,
            "date" => Self::Date,
            "timestamp" | "timestamptz" => Self::Timestamp,
            "inet" => Self::Ip,
            "cidr" => Self::Cidr,
            "uuid" => Self::Uuid,
            "json" | "jsonb" => Self::Json,
            "bytea" => Self::Bytes,
            _ => Self::Other,
        }
    }
}

/// One value to be replaced.
#[derive(Debug, Clone)]
pub struct Slot<'a> {
    /// The SQL expression of the original value.
    pub value: &'a str,
    pub kind: Kind,
    /// How many characters fit.
    pub length: Option<usize>,
    /// Values that differ in case are equal.
    pub lower: bool,
    /// The values, or those of a key that refers to them, are unique.
    pub unique: bool,
    /// The numbers have 16 bits.
    pub small: bool,
    pub not_null: bool,
}

/// Letters for hexadecimal digits, such that words can be spoken.
const LETTERS: &str = "'0123456789abcdef', 'aeioubdfklmnrstv'";

impl Slot<'_> {
    fn text(&self) -> String {
        let text = format!("({})::text", self.value);
        if self.lower { format!("lower({text})") } else { text }
    }

    /// 64 hexadecimal digits of the value under the key; another rule, other digits.
    fn digest(&self, rule: &Rule) -> String {
        digest(&self.text(), rule)
    }

    /// How many hexadecimal digits fit beside `fixed` characters: 20, or fewer in a short column.
    fn digits(&self, fixed: usize) -> Result<usize, String> {
        let room = self.length.map_or(20, |length| length.saturating_sub(fixed).min(20));
        let least = if self.unique { 12 } else { 4 };
        if room < least {
            let why = if self.unique { " and stay unique" } else { "" };
            return Err(format!(
                "its values would not fit into {} characters{why}",
                self.length.unwrap_or_default()
            ));
        }
        Ok(room)
    }
}

fn digest(text: &str, rule: &Rule) -> String {
    format!(
        "encode(sha256(convert_to(current_setting('mask.key') || ':{}:' || {text}, 'UTF8')), 'hex')",
        rule.name()
    )
}

fn number(digest: &str, digits: usize) -> String {
    format!("('x' || substr({digest}, 1, {digits}))::bit({})::bigint", digits * 4)
}

/// The expression, or why the rule does not fit.
pub fn expression(rule: &Rule, slot: &Slot<'_>) -> Result<String, String> {
    let value = slot.value;
    let wrong = || Err(format!("the rule {} does not fit its type", rule.name()));
    match (rule, slot.kind) {
        (Rule::Keep, _) => Ok(value.to_owned()),
        (Rule::Null, _) if slot.not_null => Err("it is NOT NULL".into()),
        (Rule::Null, _) => Ok("NULL".into()),
        (Rule::Sql { expression }, _) => Ok(format!("({expression})")),
        (Rule::Constant { value: constant }, _) => {
            if slot.unique {
                return Err("its values are unique".into());
            }
            Ok(format!("CASE WHEN {value} IS NOT NULL THEN {} END", literal(constant)))
        }
        (Rule::Email, Kind::Text) => {
            let digits = slot.digits(13)?;
            Ok(format!("'u' || substr({}, 1, {digits}) || '@example.com'", slot.digest(rule)))
        }
        (Rule::Url, Kind::Text) => {
            let digits = slot.digits(20)?;
            Ok(format!("'https://example.com/' || substr({}, 1, {digits})", slot.digest(rule)))
        }
        (Rule::Name, Kind::Text) => {
            let letters = slot.digits(0)?.min(if slot.unique { 20 } else { 10 });
            Ok(format!("initcap(translate(substr({}, 1, {letters}), {LETTERS}))", slot.digest(rule)))
        }
        (Rule::Address, Kind::Text) => {
            let letters = slot.digits(9)?.min(if slot.unique { 20 } else { 10 });
            Ok(format!(
                "initcap(translate(substr({}, 1, {letters}), {LETTERS})) || ' Street 1'",
                slot.digest(rule)
            ))
        }
        (Rule::Phone, Kind::Text) => {
            let digits = slot.digits(1)?.min(if slot.unique { 20 } else { 15 });
            Ok(format!("'+' || translate(substr({}, 1, {digits}), 'abcdef', '012345')", slot.digest(rule)))
        }
        (Rule::FreeText, Kind::Text) if slot.unique => {
            Err("its values are unique, and free text is only as long as it was: use hash".into())
        }
        (Rule::FreeText, Kind::Text) => {
            let (length, digest) = (format!("length({})", slot.text()), slot.digest(rule));
            Ok(format!(
                "left(repeat(translate({digest}, '0123456789abcdef', 'aeiou bdklmnrst.'), 1 + {length} / \
                64), {length})"
            ))
        }
        (Rule::Hash, Kind::Text) => {
            let digits = match slot.length {
                Some(length) if length < 40 => slot.digits(0).map(|_| length)?,
                _ => 40,
            };
            Ok(format!("substr({}, 1, {digits})", slot.digest(rule)))
        }
        (Rule::Hash, Kind::Bytes) => {
            Ok(format!("sha256(convert_to(current_setting('mask.key') || ':hash:', 'UTF8') || {value})"))
        }
        (Rule::Uuid, Kind::Uuid) => Ok(format!("substr({}, 1, 32)::uuid", slot.digest(rule))),
        (Rule::Uuid, Kind::Text) => match slot.length {
            Some(length) if length < 36 => Err(format!("a UUID does not fit into {length} characters")),
            _ => Ok(format!("substr({}, 1, 32)::uuid::text", slot.digest(rule))),
        },
        (Rule::Ip, Kind::Ip | Kind::Cidr | Kind::Text) => ip(rule, slot),
        (Rule::Integer { min, max }, Kind::Integer) => integer(rule, slot, *min, *max),
        (Rule::Numeric { min, max }, Kind::Integer | Kind::Numeric | Kind::Float) => {
            let bound = |bound: &Option<serde_json::Number>| bound.as_ref().map(ToString::to_string);
            numeric(rule, slot, bound(min), bound(max))
        }
        (Rule::DateShift { days }, Kind::Date | Kind::Timestamp) => {
            let shift = shift(&slot.digest(rule), *days);
            Ok(match slot.kind {
                Kind::Date => format!("{value} + ({shift})::int"),
                _ => format!("{value} + interval '1 day' * ({shift})"),
            })
        }
        _ => wrong(),
    }
}

/// A number of days from -`days` to `days`, never 0.
pub fn shift(digest: &str, days: u32) -> String {
    let number = format!("{} % {}", number(digest, 15), u64::from(days) * 2);
    format!("CASE WHEN ({number}) < {days} THEN ({number}) - {days} ELSE ({number}) - {days} + 1 END")
}

/// Another address of a private network (RFC 1918), or of a unique local one (RFC 4193), which has
/// room for as many as there are.
fn ip(rule: &Rule, slot: &Slot<'_>) -> Result<String, String> {
    let digest = slot.digest(rule);
    let v6 = format!("('fd00' || regexp_replace(substr({digest}, 1, 28), '(....)', ':\\1', 'g'))::inet");
    let v4 = format!("('10.0.0.0'::inet + {})", number(&digest, 6));
    let address = if slot.unique {
        v6
    } else {
        format!("CASE WHEN position(':' in {}) > 0 THEN {v6} ELSE {v4} END", slot.text())
    };
    Ok(match slot.kind {
        Kind::Cidr => {
            format!(
                "network(set_masklen({address}, least(masklen({}), CASE family({address}) WHEN 4 THEN 32 \
                ELSE 128 END)))",
                slot.value
            )
        }
        Kind::Text => {
            let needed = if slot.unique { 39 } else { 15 };
            if slot.length.is_some_and(|length| length < needed) {
                return Err(format!(
                    "an address does not fit into {} characters",
                    slot.length.unwrap_or_default()
                ));
            }
            format!("host({address})")
        }
        _ => address,
    })
}

fn integer(rule: &Rule, slot: &Slot<'_>, min: Option<i64>, max: Option<i64>) -> Result<String, String> {
    let value = slot.value;
    if min.is_none() && max.is_none() {
        return Ok(format!("aurora_runbooks.permute(({value})::bigint, {})", slot.small));
    }
    if slot.unique {
        return Err("its values are unique, and numbers of a range may meet: leave min and max out".into());
    }
    let (min, max) = (min.unwrap_or(0), max.unwrap_or(i32::MAX.into()));
    if min > max {
        return Err(format!("min {min} is more than max {max}"));
    }
    Ok(format!("{min} + {} % {}", number(&slot.digest(rule), 15), i128::from(max) - i128::from(min) + 1))
}

fn numeric(rule: &Rule, slot: &Slot<'_>, min: Option<String>, max: Option<String>) -> Result<String, String> {
    if slot.unique {
        return Err("its values are unique, and other numbers may meet".into());
    }
    let value = format!("({})::numeric", slot.value);
    // 1.0 and 1.00 are equal.
    let part = format!(
        "({} / 4503599627370496.0)",
        number(&digest(&format!("trim_scale({value})::text"), rule), 13)
    );
    let number = match (min, max) {
        (None, None) => format!("{value} * (0.8 + 0.4 * {part})"),
        (min, max) => {
            let (min, max) = (min.unwrap_or("0".into()), max.unwrap_or("1000000".into()));
            format!("({min}) + {part} * (({max}) - ({min}))")
        }
    };
    Ok(match slot.kind {
        Kind::Integer => format!("round({number})"),
        // As many digits as the value had, where the type does not say how many.
        Kind::Numeric => format!("round({number}, scale({value}))"),
        _ => number,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(kind: Kind, length: Option<usize>, unique: bool) -> Slot<'static> {
        Slot { value: "c", kind, length, lower: false, unique, small: false, not_null: true }
    }

    #[test]
    fn a_short_unique_column_is_refused_rather_than_made_ambiguous() {
        assert!(expression(&Rule::Email, &slot(Kind::Text, Some(40), true)).is_ok());
        assert!(expression(&Rule::Email, &slot(Kind::Text, Some(20), false)).is_ok());
        assert!(
            expression(&Rule::Email, &slot(Kind::Text, Some(20), true)).unwrap_err().contains("stay unique")
        );
        assert!(expression(&Rule::Constant { value: "x".into() }, &slot(Kind::Text, None, true)).is_err());
    }

    #[test]
    fn a_rule_that_does_not_fit_the_type_is_refused() {
        assert!(expression(&Rule::Email, &slot(Kind::Date, None, false)).is_err());
        assert!(expression(&Rule::DateShift { days: 3 }, &slot(Kind::Text, None, false)).is_err());
        assert!(expression(&Rule::Null, &slot(Kind::Text, None, false)).unwrap_err().contains("NOT NULL"));
    }

    #[test]
    fn a_constant_cannot_leave_its_quotes() {
        let sql =
            expression(&Rule::Constant { value: "'; DROP".into() }, &slot(Kind::Text, None, false)).unwrap();
        assert!(sql.contains("'''; DROP'"), "{sql}");
    }
}
