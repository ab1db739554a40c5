//! The values of a parameter group that depend on the instance class, e.g.
//! `LEAST({DBInstanceClassMemory/9531392},5000)`
//! (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/USER_ParamValuesRef.html).

/// Every class of the sandbox has as much memory and as many processors as a db.r6g.large.
const MEMORY: f64 = 16.0 * 1024.0 * 1024.0 * 1024.0;
const PROCESSORS: f64 = 2.0;

/// What the server is given: the value itself, or what its formula yields. A formula that this does
/// not understand yields none.
pub fn evaluate(value: &str) -> Option<String> {
    if !value.contains(['{', '(']) {
        return Some(value.to_owned());
    }
    term(value.trim()).map(|number| format!("{number:.0}"))
}

fn term(text: &str) -> Option<f64> {
    for (name, combine) in
        [("LEAST", f64::min as fn(f64, f64) -> f64), ("GREATEST", f64::max), ("SUM", |a, b| a + b)]
    {
        if let Some(arguments) = text.strip_prefix(name) {
            let arguments = arguments.strip_prefix('(')?.strip_suffix(')')?;
            return split(arguments)
                .into_iter()
                .map(|argument| term(argument.trim()))
                .reduce(|a, b| Some(combine(a?, b?)))?;
        }
    }
    match text.strip_prefix('{') {
        Some(expression) => product(expression.strip_suffix('}')?).map(f64::floor),
        None => text.parse().ok(),
    }
}

/// `DBInstanceClassMemory*1024/63963136`, and the one function RDS has: `log(…)`, base 2.
fn product(text: &str) -> Option<f64> {
    if let Some((inside, after)) = text.strip_prefix("log(").and_then(|rest| rest.split_once(')')) {
        return product(&format!("{}{after}", product(inside)?.log2()));
    }
    let mut result = None;
    let mut operator = '*';
    for piece in text.split_inclusive(['*', '/']) {
        let factor = match piece.trim_end_matches(['*', '/']).trim() {
            "DBInstanceClassMemory" => MEMORY,
            "DBInstanceVCPU" => PROCESSORS,
            number => number.parse().ok()?,
        };
        result = Some(match (result, operator) {
            (None, _) => factor,
            (Some(left), '/') => left / factor,
            (Some(left), _) => left * factor,
        });
        operator = piece.chars().last()?;
    }
    result
}

/// At the commas outside parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0;
    text.split(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth == 0
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_evaluated_for_the_class() {
        assert_eq!(evaluate("65536").unwrap(), "65536");
        assert_eq!(evaluate("LEAST({DBInstanceClassMemory/9531392},5000)").unwrap(), "1802");
        assert_eq!(evaluate("GREATEST({DBInstanceClassMemory/64371566592},3)").unwrap(), "3");
        assert_eq!(evaluate("SUM({DBInstanceClassMemory/12038},-50003)").unwrap(), "1377133");
        assert_eq!(evaluate("GREATEST({log(DBInstanceClassMemory/21474836480)*600},200)").unwrap(), "200");
        assert_eq!(evaluate("{Unknown/3}"), None);
    }
}
