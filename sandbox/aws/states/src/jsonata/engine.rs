//! What an expression sees, and the engine that evaluates it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use jiff::Timestamp;
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError};
use jsonata_core::value::JValue;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;

use super::functions::{HostFn, OURS, argument, failed};

pub type Variables = BTreeMap<String, Value>;

/// `$states`, the variables, the time and where randomness starts.
pub struct Scope<'a> {
    pub states: Value,
    pub variables: &'a Variables,
    pub now: Timestamp,
    pub seed: u64,
}

pub fn evaluator(scope: Scope<'_>) -> Evaluator {
    let ours = OURS.map(|(name, function)| -> (&str, HostFn) { (name, Box::new(function)) });
    let of_time_and_chance = of_time_and_chance(&scope);
    let mut context = Context::new();
    context.bind("states".into(), JValue::from(scope.states));
    for (name, value) in scope.variables {
        context.bind(name.clone(), JValue::from(value.clone()));
    }
    let mut evaluator = Evaluator::with_context(context);
    for (name, function) in ours.into_iter().chain(of_time_and_chance) {
        // Fails for names that the compiled fast path may fold, and none of these is one.
        evaluator
            .register_fn_override(name, move |args: &[JValue]| function(args))
            .expect("the function is not a compiled one");
    }
    evaluator
}

/// Time and randomness come from the sandbox.
fn of_time_and_chance(scope: &Scope<'_>) -> [(&'static str, HostFn); 4] {
    let rng = Rc::new(RefCell::new(StdRng::seed_from_u64(scope.seed)));
    let (millis, iso) = (scope.now.as_millisecond() as f64, format!("{:.3}", scope.now));
    let of_uuid = Rc::clone(&rng);
    [
        ("uuid", Box::new(move |_| Ok(JValue::string(uuid(&mut of_uuid.borrow_mut()))))),
        ("random", Box::new(move |args| random(args, &mut rng.borrow_mut()))),
        (
            "now",
            Box::new(move |args| match args {
                [] => Ok(JValue::string(iso.as_str())),
                _ => Err(failed("$now takes no picture here")),
            }),
        ),
        ("millis", Box::new(move |_| Ok(JValue::from_f64(millis)))),
    ]
}

fn uuid(rng: &mut StdRng) -> String {
    uuid::Builder::from_random_bytes(rng.random()).into_uuid().to_string()
}

fn random(args: &[JValue], rng: &mut StdRng) -> Result<JValue, EvaluatorError> {
    match args {
        [] => Ok(JValue::from_f64(rng.random())),
        [seed] => {
            let seed = argument(seed, "random", "a number", JValue::as_f64)?;
            Ok(JValue::from_f64(StdRng::seed_from_u64(seed.to_bits()).random()))
        }
        _ => Err(failed("$random takes at most a seed")),
    }
}
