//! What of an upgrade's input is refused before any side effect.

use std::collections::BTreeSet;

use jiff::Timestamp;
use runbook::{Arn, Error, Result, visible::visible};

use super::{check_window::too_short, resolve_upgrade::ResolveUpgrade, window::Standing};

/// How much of a worker's input `skip` and `secretArn` may take, in the characters of
/// [`ResolveUpgrade::worker_characters`]. "A total of 8192 characters are allowed for overrides.
/// This limit includes the JSON formatting characters" (botocore ecs, RunTaskRequest), and 2,048
/// of them may be the task token (botocore stepfunctions, TaskToken). Longer ones must not fail
/// VerifyUpgrade when the upgrade is done.
pub const WORKER_CHARACTERS: usize = 4800;

impl ResolveUpgrade {
    /// Everything that can be seen without AWS.
    pub(crate) fn check(&self) -> Result<()> {
        let valid = |name: &str| {
            name.len() <= 63
                && name.starts_with(|c: char| c.is_ascii_alphabetic())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        if !valid(&self.cluster) {
            return Err(Error::refused(format!("cluster {:?} is not a DB cluster identifier", self.cluster))
                .fix("give it as the RDS console shows it: letters, digits and hyphens, at most 63"));
        }
        if !self.target.is_plain() {
            return Err(Error::refused(format!("target {:?} is not a version", self.target.to_string()))
                .fix("give a major version such as \"18\", or an exact one such as \"18.4\""));
        }
        let parameters = self.parameters.iter().map(|change| (&change.name, &change.reason)).enumerate();
        let skip = self.skip.iter().map(|skip| (&skip.finding, &skip.reason)).enumerate();
        let entries = parameters.map(|entry| ("parameters", entry)).chain(skip.map(|entry| ("skip", entry)));
        for (list, (index, (name, reason))) in entries {
            if name.trim().is_empty() {
                return Err(Error::refused(format!("{list}[{index}] names nothing")));
            }
            if reason.trim().is_empty() {
                return Err(Error::refused(format!("{list}[{index}], {name:?}, has no reason"))
                    .fix("give one: whoever reads the report will ask for it"));
            }
        }
        if !(30..=3600).contains(&self.switchover_timeout) {
            return Err(Error::refused(format!(
                "switchoverTimeout {} is not between 30 and 3600 seconds",
                self.switchover_timeout
            )));
        }
        self.check_parameters()?;
        self.check_secret()?;
        self.check_room()?;
        self.check_when()
    }

    /// What no parameter group takes is refused before any is made. Which names a family has is
    /// known only there.
    fn check_parameters(&self) -> Result<()> {
        let mut seen = BTreeSet::new();
        for (index, change) in self.parameters.iter().enumerate() {
            let is_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            if !change.name.chars().all(is_name) {
                return Err(Error::refused(format!(
                    "parameters[{index}].name {:?} is no parameter's name",
                    change.name
                ))
                .fix("give it as the parameter group shows it"));
            }
            if !seen.insert(change.name.as_str()) {
                let found = format!("parameters[{index}].name {:?} stands there before", change.name);
                return Err(Error::refused(found));
            }
            if change.value.as_deref().is_some_and(|value| visible(value) != *value) {
                return Err(Error::refused(format!(
                    "parameters[{index}].value, of {}, has a character that nobody sees",
                    change.name
                )));
            }
        }
        Ok(())
    }

    fn check_secret(&self) -> Result<()> {
        let Some(secret) = &self.secret_arn else { return Ok(()) };
        match Arn::try_from(secret.clone()) {
            Ok(arn) if arn.service() == "secretsmanager" && arn.kind() == "secret" => Ok(()),
            _ => Err(Error::refused(format!("secretArn {secret:?} is not the ARN of a secret"))
                .fix("give it as the console of Secrets Manager shows it, or leave it out")),
        }
    }

    /// Calendars and window.
    fn check_when(&self) -> Result<()> {
        let named = |name: &String| {
            name.len() <= 200 && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:/".contains(c))
        };
        if let Some(wrong) = self.change_calendars.iter().find(|name| name.is_empty() || !named(name)) {
            return Err(Error::refused(format!(
                "changeCalendars: {wrong:?} is no name of a Change Calendar"
            ))
            .fix("give its name, or the ARN of one that another account shares"));
        }
        if self.change_calendars.len() > 10 {
            return Err(Error::refused("changeCalendars: GetCalendarState takes ten").fix("name fewer"));
        }
        match &self.window {
            Some(window)
                if let Some(takes) = self.expected_duration
                    && window.standing(Timestamp::UNIX_EPOCH, takes) == Standing::TooShort =>
            {
                Err(too_short(window, takes))
            }
            _ => Ok(()),
        }
    }

    fn check_room(&self) -> Result<()> {
        let characters = self.worker_characters();
        if characters > WORKER_CHARACTERS {
            return Err(Error::refused(format!(
                "\"skip\" takes {characters} characters of the workers' input, with \"secretArn\" and the \
                 signs that JSON adds, and {WORKER_CHARACTERS} fit"
            ))
            .fix("shorten the reasons, or skip a whole check by its name alone"));
        }
        Ok(())
    }

    /// What `skip` and `secretArn` take of RunTask's overrides: JSON in a text in JSON. Bytes, of
    /// which there never are fewer than characters, however they are counted.
    pub fn worker_characters(&self) -> usize {
        let input = serde_json::json!({"secretArn": self.secret_arn, "skip": self.skip});
        serde_json::Value::from(input.to_string()).to_string().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(json: serde_json::Value) -> Result<()> {
        let input: ResolveUpgrade =
            serde_json::from_value(json).map_err(|error| Error::refused(error.to_string()))?;
        input.check()
    }

    #[test]
    fn the_smallest_input_is_enough() {
        input(serde_json::json!({"cluster": "orders", "target": "18"})).unwrap();
    }

    #[test]
    fn malformed_input_is_refused() {
        for bad in [
            serde_json::json!({"cluster": "orders"}),
            serde_json::json!({"cluster": "orders", "target": 18}),
            serde_json::json!({"cluster": "orders; drop", "target": "18"}),
            serde_json::json!({"cluster": "orders", "target": "eighteen"}),
            serde_json::json!({"cluster": "orders", "target": "18.4.1"}),
            serde_json::json!({"cluster": "orders", "target": "18", "dryRun": true}),
            serde_json::json!({"cluster": "orders", "target": "18", "deadline": "soon"}),
            serde_json::json!({"cluster": "orders", "target": "18", "method": "green"}),
            serde_json::json!({"cluster": "orders", "target": "18", "switchoverTimeout": 29}),
            serde_json::json!({"cluster": "orders", "target": "18", "skip": [{"finding": "x"}]}),
            serde_json::json!({
                "cluster": "orders", "target": "18", "skip": [{"finding": "x", "reason": " "}],
            }),
        ] {
            assert!(matches!(input(bad.clone()), Err(Error::Refused(_))), "{bad} was taken");
        }
    }

    #[test]
    fn a_skip_list_that_no_worker_could_get_is_refused_at_once() {
        let skip = |count: usize, reason: &str| {
            let entry = serde_json::json!({"finding": "reg-column:shop/public.a.b", "reason": reason});
            input(serde_json::json!({"cluster": "orders", "target": "18", "skip": vec![entry; count]}))
        };
        skip(40, "unused").unwrap();
        let text = skip(80, "unused").unwrap_err().to_string();
        assert!(text.contains("skip a whole check by its name alone"), "{text}");
        // Each quote becomes four characters.
        skip(1, &"'".repeat(2000)).unwrap();
        assert!(matches!(skip(1, &"\"".repeat(2000)), Err(Error::Refused(_))));
    }
}
