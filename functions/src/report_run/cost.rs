//! What the run itself cost, by prices in variables; AWS's own bill knows better, a day later.
//!
//! - `PRICE_CURRENCY`: what the prices are in. `USD` when absent.
//! - `PRICE_STATE_TRANSITION`: of one transition of Step Functions.
//! - `PRICE_WORKER_HOUR`: of one worker's vCPU and memory on Fargate.
//! - `PRICE_QUARANTINE_HOUR`: of the quarantine's instance.
//!
//! A price that is absent, or no number, is left out; without any there is no cost.

use super::{
    history::History,
    report::{Cost, Item, Report},
};

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Prices {
    currency: Option<String>,
    state_transition: Option<f64>,
    worker_hour: Option<f64>,
    quarantine_hour: Option<f64>,
}

impl Prices {
    pub fn from_environment() -> Self {
        Self::of(|name| std::env::var(name).ok())
    }

    fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let price = |name: &str| {
            let price: f64 = variable(name)?.parse().ok()?;
            (price.is_finite() && price >= 0.0).then_some(price)
        };
        Self {
            currency: variable("PRICE_CURRENCY").filter(|currency| !currency.is_empty()),
            state_transition: price("PRICE_STATE_TRANSITION"),
            worker_hour: price("PRICE_WORKER_HOUR"),
            quarantine_hour: price("PRICE_QUARANTINE_HOUR"),
        }
    }

    pub(super) fn cost(&self, history: &History, report: &Report) -> Option<Cost> {
        let item = |what: &str, quantity: f64, unit: &str, price: Option<f64>| {
            let price = price.filter(|_| quantity > 0.0)?;
            let (what, unit) = (what.to_owned(), unit.to_owned());
            Some(Item { what, quantity, unit, price, amount: quantity * price })
        };
        let items: Vec<Item> = [
            item("Step Functions", history.transitions as f64, "state transitions", self.state_transition),
            item("Workers on Fargate", history.worker_seconds / 3600.0, "hours", self.worker_hour),
            item("Quarantine", quarantine_hours(report), "instance hours", self.quarantine_hour),
        ]
        .into_iter()
        .flatten()
        .collect();
        (!items.is_empty()).then(|| Cost {
            currency: self.currency.clone().unwrap_or_else(|| "USD".to_owned()),
            amount: items.iter().map(|item| item.amount).sum(),
            items,
        })
    }
}

/// From its restore until it is deleted, by whichever state did that.
fn quarantine_hours(report: &Report) -> f64 {
    let of = |name: &'static str| report.steps.iter().filter(move |step| step.state == name);
    let restored = of("RestoreQuarantine").chain(of("RestoreSnapshot")).map(|step| step.entered).min();
    let Some(restored) = restored else { return 0.0 };
    let deleted = of("DeleteQuarantine").chain(of("CleanUp")).chain(of("RemoveLeftovers"));
    let deleted = deleted.filter_map(|step| step.exited).min();
    deleted.unwrap_or_else(|| report.until()).duration_since(restored).as_secs_f64() / 3600.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_that_are_no_prices_are_left_out() {
        let prices = Prices::of(|name| match name {
            "PRICE_STATE_TRANSITION" => Some("0.000025".into()),
            "PRICE_WORKER_HOUR" => Some("NaN".into()),
            "PRICE_QUARANTINE_HOUR" => Some("cheap".into()),
            _ => None,
        });
        assert_eq!(prices, Prices { state_transition: Some(0.000_025), ..Prices::default() });
    }
}
