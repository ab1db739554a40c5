//! From the YAML tree to JSON, held to the schema on the way: every mistake of form is found here,
//! with its place, and all of them in one go.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::error::Error;
use crate::format;
use crate::yaml::{Content, Key, Node, Place};

/// The document as JSON, with what is wrong with it and the place of every field.
pub struct Reading {
    pub json: Value,
    pub errors: Vec<Error>,
    pub places: BTreeMap<String, Place>,
}

pub fn read(root: &Node, schema: &Value) -> Reading {
    let mut walk = Walk { schema, errors: Vec::new(), places: BTreeMap::new() };
    let json = walk.node(root, schema, "", Place::START);
    Reading { json, errors: walk.errors, places: walk.places }
}

struct Walk<'s> {
    schema: &'s Value,
    errors: Vec<Error>,
    places: BTreeMap<String, Place>,
}

impl<'s> Walk<'s> {
    /// `holder` is where a reader looks for what the node lacks: its key, or the beginning of a
    /// list's item.
    fn node(&mut self, node: &Node, schema: &'s Value, field: &str, holder: Place) -> Value {
        self.places.insert(field.to_owned(), node.place);
        let schema = self.resolve(schema);
        match &node.content {
            Content::Scalar { text, plain } => self.scalar(text, *plain, node.place, schema, field),
            Content::List(items) => self.list(items, node.place, schema, field),
            Content::Mapping(entries) => self.mapping(entries, node.place, schema, field, holder),
        }
    }

    fn resolve(&self, schema: &'s Value) -> &'s Value {
        let name = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix("#/$defs/"));
        name.map_or(schema, |name| self.resolve(&self.schema["$defs"][name]))
    }

    fn fail(&mut self, place: Place, field: &str, message: impl Into<String>) -> Value {
        self.errors.push(place.error(field, message));
        Value::Null
    }

    fn scalar(&mut self, text: &str, plain: bool, place: Place, schema: &'s Value, field: &str) -> Value {
        if text.is_empty() && plain {
            let wanted = describe(schema);
            return self.fail(place, field, format!("is empty; {wanted} is wanted, or leave the key out"));
        }
        // `rule: null` names a rule, though YAML reads the bare word as nothing.
        if schema["const"].as_str() == Some(text) {
            return Value::String(text.to_owned());
        }
        let value = if plain { plain_scalar(text) } else { Value::String(text.to_owned()) };
        if let Some(words) = words(schema) {
            if words.contains(&&value) {
                return value;
            }
            let words: Vec<_> = words.into_iter().filter_map(Value::as_str).collect();
            let parameters = self.parameters(schema, text);
            let message = parameters
                .unwrap_or_else(|| format!("{text:?} is not {}{}", describe(schema), meant(text, words)));
            return self.fail(place, field, message);
        }
        let kind = schema["type"].as_str().unwrap_or_default();
        match (kind, &value) {
            ("string", Value::String(text)) => {
                let checked = match schema["format"].as_str() {
                    Some(format) => format::check(format, text),
                    None if text.trim().len() < schema["minLength"].as_u64().unwrap_or(0) as usize => {
                        Err("is empty".to_owned())
                    }
                    None => Ok(()),
                };
                if let Err(message) = checked {
                    return self.fail(place, field, message);
                }
            }
            ("string", _) => {
                return self.fail(
                    place,
                    field,
                    format!("{text} is read as {}; write it in quotes: \"{text}\"", kind_of(&value)),
                );
            }
            ("integer", Value::Number(number)) if number.is_i64() => {
                return self.range(value.clone(), place, schema, field);
            }
            ("number", Value::Number(_)) => return self.range(value.clone(), place, schema, field),
            ("boolean", Value::Bool(_)) => {}
            _ => {
                return self.fail(
                    place,
                    field,
                    format!("{text:?} is {}; {} is wanted", kind_of(&value), describe(schema)),
                );
            }
        }
        value
    }

    /// The message for a rule that stands as a word and needs parameters.
    fn parameters(&self, schema: &Value, text: &str) -> Option<String> {
        let rule =
            schema["oneOf"].as_array()?.iter().find(|rule| rule["properties"]["rule"]["const"] == text)?;
        let needed: Vec<_> = rule["required"]
            .as_array()?
            .iter()
            .filter_map(Value::as_str)
            .filter(|name| *name != "rule")
            .collect();
        Some(format!(
            "{text} needs {}: write {{rule: {text}, {}: …}}",
            needed.join(" and "),
            needed.join(": …, ")
        ))
    }

    fn range(&mut self, value: Value, place: Place, schema: &Value, field: &str) -> Value {
        let number = value.as_f64().unwrap_or_default();
        match (schema["minimum"].as_f64(), schema["maximum"].as_f64()) {
            (Some(least), _) if number < least => {
                self.fail(place, field, format!("{value} is less than {least}"))
            }
            (_, Some(most)) if number > most => {
                self.fail(place, field, format!("{value} is more than {most}"))
            }
            _ => value,
        }
    }

    fn list(&mut self, items: &[Node], place: Place, schema: &'s Value, field: &str) -> Value {
        if schema["type"] != "array" {
            return self.fail(place, field, format!("is a list; {} is wanted", describe(schema)));
        }
        if items.len() < schema["minItems"].as_u64().unwrap_or(0) as usize {
            return self.fail(place, field, "is an empty list; at least one is wanted");
        }
        let items = items.iter().enumerate();
        items
            .map(|(index, item)| self.node(item, &schema["items"], &format!("{field}[{index}]"), item.place))
            .collect()
    }

    fn mapping(
        &mut self,
        entries: &[(Key, Node)],
        place: Place,
        schema: &'s Value,
        field: &str,
        holder: Place,
    ) -> Value {
        let Some(schema) = self.alternative(entries, schema, field, holder) else { return Value::Null };
        if schema["type"] != "object" {
            return self.fail(place, field, format!("is a mapping; {} is wanted", describe(schema)));
        }
        if entries.len() < schema["minProperties"].as_u64().unwrap_or(0) as usize {
            return self.fail(place, field, "is an empty mapping; at least one entry is wanted");
        }
        let mut object = Map::new();
        let mut unknown = Vec::new();
        for (key, value) in entries {
            let inner = if field.is_empty() { key.text.clone() } else { format!("{field}.{}", key.text) };
            let known = &schema["properties"][&key.text];
            let schema = match (known, &schema["additionalProperties"]) {
                (Value::Null, Value::Object(_)) => {
                    let format = schema["propertyNames"]["format"].as_str();
                    if let Some(Err(message)) = format.map(|format| format::check(format, &key.text)) {
                        self.fail(key.place, &inner, message);
                    }
                    &schema["additionalProperties"]
                }
                (Value::Null, _) => {
                    let keys: Vec<_> = schema["properties"]
                        .as_object()
                        .into_iter()
                        .flatten()
                        .map(|(key, _)| key.as_str())
                        .collect();
                    let message = format!(
                        "is not known here; the keys are {}{}",
                        keys.join(", "),
                        meant(&key.text, keys.clone())
                    );
                    self.fail(key.place, &inner, message);
                    unknown.push(key.text.as_str());
                    continue;
                }
                (known, _) => known,
            };
            let value = self.node(value, schema, &inner, key.place);
            object.insert(key.text.clone(), value);
        }
        for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            // A key that is only misspelt is not reported twice.
            if !entries.iter().any(|(key, _)| key.text == required)
                && !unknown.iter().any(|key| alike(key, required))
            {
                let meaning = self.resolve(&schema["properties"][required])["description"].as_str();
                let meaning =
                    schema["properties"][required]["description"].as_str().or(meaning).unwrap_or_default();
                let sentence = meaning
                    .split_once(". ")
                    .map_or(meaning, |(first, _)| first)
                    .trim_end_matches('.')
                    .replace('\n', " ");
                let colon = if sentence.is_empty() { "" } else { ": " };
                self.fail(holder, field, format!("lacks {required}{colon}{sentence}"));
            }
        }
        Value::Object(object)
    }

    /// The alternative that a mapping is of: the one with its `rule`, or the only one.
    fn alternative(
        &mut self,
        entries: &[(Key, Node)],
        schema: &'s Value,
        field: &str,
        holder: Place,
    ) -> Option<&'s Value> {
        let Some(alternatives) = schema["oneOf"].as_array() else { return Some(schema) };
        if !alternatives.iter().any(|schema| schema["type"] == "object") {
            return Some(schema);
        }
        let mappings: Vec<_> = alternatives.iter().filter(|schema| schema["type"] == "object").collect();
        if !mappings.iter().any(|schema| schema["properties"]["rule"].is_object()) {
            return mappings.first().copied();
        }
        let named = entries.iter().find(|(key, _)| key.text == "rule");
        let Some((_, node)) = named else {
            self.fail(holder, field, "lacks rule: the name of the rule whose parameters these are");
            return None;
        };
        let Content::Scalar { text, .. } = &node.content else {
            self.fail(node.place, &format!("{field}.rule"), "is the name of a rule");
            return None;
        };
        let found = mappings.iter().find(|schema| schema["properties"]["rule"]["const"] == **text).copied();
        if found.is_none() {
            let message = if alternatives[0]["enum"]
                .as_array()
                .is_some_and(|words| words.iter().any(|word| word == text.as_str()))
            {
                format!("{text:?} takes no parameters; write {text} alone")
            } else {
                let names: Vec<_> = mappings
                    .iter()
                    .filter_map(|schema| schema["properties"]["rule"]["const"].as_str())
                    .collect();
                format!("{text:?} is no rule with parameters; those are {}", names.join(", "))
            };
            self.fail(node.place, &format!("{field}.rule"), message);
        }
        found
    }
}

/// The words that a schema of words allows: an enumeration, an enumeration whose words are
/// described one by one, or words beside a mapping.
fn words(schema: &Value) -> Option<Vec<&Value>> {
    if let Some(words) = schema["enum"].as_array() {
        return Some(words.iter().collect());
    }
    let alternatives = schema["oneOf"].as_array()?;
    let described: Vec<_> = alternatives.iter().filter_map(|alternative| alternative.get("const")).collect();
    if described.is_empty() { words(&alternatives[0]) } else { Some(described) }
}

fn alike(a: &str, b: &str) -> bool {
    strsim::damerau_levenshtein(a, b) <= 1 + a.len() / 5
}

fn meant(text: &str, words: Vec<&str>) -> String {
    let near = words
        .into_iter()
        .filter(|word| alike(text, word))
        .min_by_key(|word| strsim::damerau_levenshtein(text, word));
    near.map(|word| format!("; did you mean {word}?")).unwrap_or_default()
}

/// The core schema of YAML 1.2, chapter 10.3.
fn plain_scalar(text: &str) -> Value {
    let number = || {
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.').then_some(())?;
        let digits = unsigned.bytes().all(|b| b.is_ascii_digit());
        let whole = digits.then(|| text.parse::<i64>().ok().map(Value::from)).flatten();
        whole.or_else(|| text.parse::<f64>().ok().map(Value::from))
    };
    match text {
        "null" | "Null" | "NULL" | "~" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number().unwrap_or_else(|| Value::String(text.to_owned())),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

/// What the schema wants, in words.
fn describe(schema: &Value) -> String {
    if let Some(words) = words(schema) {
        let words: Vec<_> = words.into_iter().filter_map(Value::as_str).collect();
        let mapping = schema["oneOf"]
            .as_array()
            .is_some_and(|alternatives| alternatives.iter().any(|other| other["type"] == "object"));
        let one_of = if words.len() > 1 { "one of " } else { "" };
        return format!("{one_of}{}{}", words.join(", "), if mapping { " or a mapping" } else { "" });
    }
    match schema["type"].as_str() {
        Some("string") => "text",
        Some("integer") => "a whole number",
        Some("number") => "a number",
        Some("boolean") => "true or false",
        Some("array") => "a list",
        _ => "a mapping",
    }
    .to_owned()
}
