//! The Query protocol's requests: a form, read by the API's shapes
//! (https://smithy.io/2.0/aws/protocols/aws-query-protocol.html).

use serde_json::{Map, Value};

use super::api::{API, Shape, Structure};
use super::error::Fault;

/// An action's parameters: each one known to the model, of the right type, and the required ones
/// there.
#[derive(Debug, Default)]
pub struct Input(Map<String, Value>);

/// Splits a request's form into its action and the rest, in the order of the form.
pub fn parse_form(body: &[u8]) -> Result<(String, Vec<(String, String)>), Fault> {
    let mut action = None;
    let mut rest = Vec::new();
    for (name, value) in url::form_urlencoded::parse(body) {
        match &*name {
            "Action" => action = Some(value.into_owned()),
            "Version" if value == "2014-10-31" => {}
            "Version" => return Err(Fault::value(format!("Unknown API version {value}"))),
            _ => rest.push((name.into_owned(), value.into_owned())),
        }
    }
    Ok((action.ok_or_else(|| Fault::new("InvalidAction", "The request names no action"))?, rest))
}

impl Input {
    pub fn read(action: &str, form: &[(String, String)]) -> Result<Self, Fault> {
        let operation = API
            .operations
            .get(action)
            .ok_or_else(|| Fault::new("InvalidAction", format!("Could not find operation {action}")))?;
        let structure = &API.structures[&operation.input];
        let mut root = Value::Object(Map::new());
        for (name, value) in form {
            let path: Vec<&str> = name.split('.').collect();
            put(&mut root, structure, &path, value, name)?;
        }
        let Value::Object(members) = root else { unreachable!("the root is an object") };
        for name in &structure.required {
            match members.get(name) {
                None => {
                    let message = format!("The request must contain the parameter {name}.");
                    return Err(Fault::new("MissingParameter", message));
                }
                Some(value) if value == "" => return Err(blank(name)),
                Some(_) => {}
            }
        }
        Ok(Self(members))
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// A parameter that the model requires, or that this case does.
    pub fn required(&self, name: &str) -> Result<&str, Fault> {
        self.text(name).filter(|value| !value.is_empty()).ok_or_else(|| blank(name))
    }

    pub fn flag(&self, name: &str) -> Option<bool> {
        self.0.get(name)?.as_bool()
    }

    pub fn number(&self, name: &str) -> Option<i64> {
        self.0.get(name)?.as_i64()
    }

    pub fn list(&self, name: &str) -> &[Value] {
        self.0.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    pub fn texts(&self, name: &str) -> Vec<String> {
        self.list(name).iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }
}

/// AWS's words (quoted e.g. in hashicorp/terraform-provider-aws#2436).
fn blank(name: &str) -> Fault {
    Fault::value(format!("The parameter {name} must be provided and must not be blank."))
}

fn put(
    target: &mut Value,
    structure: &Structure,
    path: &[&str],
    value: &str,
    whole: &str,
) -> Result<(), Fault> {
    let unknown = || Fault::value(format!("Unknown parameter: {whole}"));
    let (name, rest) = path.split_first().ok_or_else(unknown)?;
    let shape = structure.members.get(*name).ok_or_else(unknown)?;
    let members = target.as_object_mut().ok_or_else(unknown)?;
    put_shape(members.entry(*name).or_insert(Value::Null), shape, rest, value, whole)
}

fn put_shape(
    target: &mut Value,
    shape: &Shape,
    path: &[&str],
    value: &str,
    whole: &str,
) -> Result<(), Fault> {
    let unknown = || Fault::value(format!("Unknown parameter: {whole}"));
    match shape {
        // An empty list is sent as `Name=`.
        Shape::List(..) if path.is_empty() && value.is_empty() => *target = Value::Array(Vec::new()),
        Shape::List(element, inner) => {
            // SDKs send the list's own element name; `member` is the protocol's default, and
            // botocore leaves it out nowhere.
            let path = if path.first().is_some_and(|first| first == element || *first == "member") {
                &path[1..]
            } else {
                path
            };
            let (index, rest) = path.split_first().ok_or_else(unknown)?;
            let index =
                index.parse::<usize>().ok().filter(|index| (1..=1000).contains(index)).ok_or_else(unknown)?;
            if !target.is_array() {
                *target = Value::Array(Vec::new());
            }
            let items = target.as_array_mut().ok_or_else(unknown)?;
            if items.len() < index {
                items.resize(index, Value::Null);
            }
            put_shape(&mut items[index - 1], inner, rest, value, whole)?;
        }
        Shape::Named(name) => match API.structures.get(name) {
            Some(structure) => {
                if !target.is_object() {
                    *target = Value::Object(Map::new());
                }
                put(target, structure, path, value, whole)?;
            }
            None if path.is_empty() => *target = scalar(name, value, whole)?,
            None => return Err(unknown()),
        },
    }
    Ok(())
}

fn scalar(kind: &str, text: &str, whole: &str) -> Result<Value, Fault> {
    let malformed =
        |what: &str| Fault::value(format!("The parameter {whole} must be {what}, found {text:?}"));
    Ok(match kind {
        "integer" => text.parse::<i64>().map_err(|_| malformed("an integer"))?.into(),
        "double" => text.parse::<f64>().map_err(|_| malformed("a number"))?.into(),
        "boolean" => match text {
            "true" => true.into(),
            "false" => false.into(),
            _ => return Err(malformed("true or false")),
        },
        "timestamp" => {
            text.parse::<jiff::Timestamp>().map_err(|_| malformed("an ISO 8601 time"))?;
            text.into()
        }
        _ => text.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(action: &str, form: &[(&str, &str)]) -> Result<Input, Fault> {
        Input::read(action, &form.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect::<Vec<_>>())
    }

    #[test]
    fn lists_are_read_under_their_element_name_and_under_member() {
        for element in ["Tag", "member"] {
            let key = format!("Tags.{element}.1.Key");
            let input = read("AddTagsToResource", &[("ResourceName", "arn"), (&key, "team")]).unwrap();
            assert_eq!(input.list("Tags"), [serde_json::json!({"Key": "team"})]);
        }
    }

    #[test]
    fn a_parameter_that_the_model_lacks_is_refused() {
        let refused = |form| read("DescribeDBClusters", form).unwrap_err();
        assert_eq!(refused(&[("ClusterName", "x")]).code, "InvalidParameterValue");
        assert_eq!(refused(&[("Filters.Filter.1.Nom", "x")]).code, "InvalidParameterValue");
        assert_eq!(refused(&[("MaxRecords", "many")]).code, "InvalidParameterValue");
    }

    #[test]
    fn a_missing_parameter_is_named() {
        let missing = read("DeleteDBCluster", &[]).unwrap_err();
        assert!(missing.code == "MissingParameter" && missing.message.contains("DBClusterIdentifier"));
        let blank = read("DeleteDBCluster", &[("DBClusterIdentifier", "")]).unwrap_err();
        assert_eq!(blank.code, "InvalidParameterValue");
    }
}
