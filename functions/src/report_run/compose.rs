//! Makes the report: of what Step Functions shows, then of what the states left in the run bucket
//! and what RDS's events say.

use aws_sdk_sfn::{operation::describe_execution::DescribeExecutionOutput, types::HistoryEvent};
use jiff::Timestamp;
use runbook::{
    Arn, Finding,
    state::{begins_again, kebab},
};
use serde_json::Value;

use super::{
    history::{self, History, plain_cause, timestamp},
    report::{Kind, Link, Place, Report, Step, VERSION},
    words::is_plain,
};

impl Report {
    /// Of what Step Functions shows alone. `now` is when it is made.
    pub fn new(execution: &DescribeExecutionOutput, events: &[HistoryEvent], now: Timestamp) -> Self {
        Self::of(execution, history::read(events), now).0
    }

    /// The same, and the history that it was made of.
    pub(super) fn of(
        execution: &DescribeExecutionOutput,
        history: History,
        now: Timestamp,
    ) -> (Self, History) {
        let arn = execution.execution_arn();
        // arn:…:execution:<machine>:<execution>
        let parsed = Arn::try_from(arn.to_owned()).ok();
        let (runbook, name) =
            parsed.as_ref().and_then(|arn| arn.name().split_once(':')).unwrap_or((arn, arn));
        let input: Value = json(execution.input()).unwrap_or_default();
        let output: Value = json(execution.output()).unwrap_or_default();
        let status = execution.status().as_str().to_owned();
        let error = execution.error().map(str::to_owned);
        let text = |name: &str| input.get(name).and_then(Value::as_str).map(str::to_owned);
        let started = timestamp(execution.start_date());
        let stopped = execution.stop_date().map(timestamp);
        let mut report = Self {
            version: VERSION,
            name: name.to_owned(),
            execution: arn.to_owned(),
            state_machine: execution.state_machine_arn().to_owned(),
            runbook: plain_runbook(runbook).to_owned(),
            kind: kind(&status, error.as_deref()),
            status,
            cluster: text("cluster"),
            sync: text("sync"),
            tell: policy::default_tell(),
            input,
            started,
            stopped,
            written: now,
            error,
            cause: execution.cause().map(plain_cause),
            redrives: execution.redrive_count().unwrap_or_default(),
            redriven: history.redriven.clone(),
            steps: history.steps.clone(),
            ..Self::default()
        };
        report.total = report.took().as_secs();
        report.say_failure(execution.redrive_status().is_none_or(|status| {
            !matches!(status, aws_sdk_sfn::types::ExecutionRedriveStatus::NotRedrivable)
        }));
        report.read_outputs(&history);
        report.gather_fleet(&history);
        report.outcome = report.sentence(output["summary"].as_str().map(str::to_owned));
        report.links = report.console();
        (report, history)
    }

    /// The text of the error, in its parts, and the command that goes on.
    fn say_failure(&mut self, redrivable: bool) {
        if matches!(self.kind, Kind::Running | Kind::Succeeded) {
            return;
        }
        self.next = Some(self.again(redrivable));
        let Some(cause) = self.cause.clone() else { return };
        let said = Said::read(&cause);
        (self.found, self.changed, self.remedy) = (Some(said.found), said.changed, said.remedy);
        if self.kind == Kind::Blocked {
            self.findings = blocking(&cause);
        }
    }

    /// What to type when what stopped the run is out of the way. An upgrade goes on, where Step
    /// Functions lets it: for 14 days
    /// (https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html).
    fn again(&self, redrivable: bool) -> String {
        if redrivable && !begins_again(&self.runbook) {
            return format!("aws stepfunctions redrive-execution --execution-arn {}", self.execution);
        }
        format!(
            "aws stepfunctions start-execution --state-machine-arn {} --input {}",
            self.state_machine,
            quoted(&self.input.to_string())
        )
    }

    fn sentence(&self, summary: Option<String>) -> String {
        // After a failure a run may clean up: what failed is where it stopped.
        let stopped = self.steps.iter().find(|step| step.is_open() || step.caught);
        let state = stopped.or(self.steps.last()).map_or("no state".to_owned(), Step::label);
        match self.kind {
            Kind::Succeeded => summary
                .or_else(|| self.steps.last()?.summary.clone())
                .unwrap_or_else(|| "The run succeeded.".to_owned()),
            Kind::Running => {
                let at_work =
                    self.steps.iter().filter(|step| step.is_open() && step.failed_at(false).is_none());
                let at_work: Vec<String> = at_work.map(Step::label).collect();
                match (at_work.is_empty(), self.steps.is_empty()) {
                    (true, true) => "The run has begun.".to_owned(),
                    (true, false) => format!("The run goes on after {state}."),
                    (false, _) => format!("The run is in {}.", at_work.join(" and ")),
                }
            }
            Kind::Failed | Kind::Blocked => {
                format!("{state} stopped the run with {}.", self.error.as_deref().unwrap_or("an error"))
            }
            Kind::TimedOut => format!("The run timed out in {state}."),
            Kind::Aborted => format!("The run was stopped by a person or a tool in {state}."),
        }
    }

    /// The Region of the execution, and the console's address there.
    /// https://docs.aws.amazon.com/general/latest/gr/rande.html has the partitions' domains.
    pub(super) fn region(&self) -> Option<(&str, String)> {
        let parts: Vec<&str> = self.execution.splitn(6, ':').collect();
        let ["arn", partition, _, region, ..] = parts[..] else { return None };
        let domain = match partition {
            "aws-cn" => "console.amazonaws.cn",
            "aws-us-gov" => "console.amazonaws-us-gov.com",
            _ => "console.aws.amazon.com",
        };
        (is_plain(partition) && is_plain(region)).then(|| (region, format!("https://{region}.{domain}")))
    }

    /// The addresses are as the console shows them.
    /// The console's page of an execution in the Region of this one.
    pub(super) fn page_of(&self, execution: &str) -> Option<String> {
        let (region, console) = self.region()?;
        let execution = in_address(execution);
        Some(format!("{console}/states/home?region={region}#/v2/executions/details/{execution}"))
    }

    fn console(&self) -> Vec<Link> {
        let Some((region, console)) = self.region() else { return Vec::new() };
        let link =
            |title: &str, path: String| Link { title: title.to_owned(), url: format!("{console}/{path}") };
        let execution = self.page_of(&self.execution);
        let mut links: Vec<Link> =
            execution.map(|url| Link { title: "Execution".to_owned(), url }).into_iter().collect();
        // The console writes a log group's slashes twice escaped, with $ for %.
        let machine = self.state_machine.rsplit(':').next().unwrap_or_default();
        let prefix = machine.strip_suffix(&format!("-{}", self.runbook)).filter(|prefix| is_plain(prefix));
        let stopped = self.steps.iter().find(|step| step.is_open() || step.caught).or(self.steps.last());
        let state = stopped.map(|step| (kebab(&step.state), step)).filter(|(state, _)| is_plain(state));
        if let (Some(prefix), Some((name, step))) = (prefix, state) {
            let group = match step.place {
                Place::Function => format!("$252Faws$252Flambda$252F{prefix}-{name}"),
                Place::Worker => format!("$252Fecs$252F{prefix}"),
            };
            let title = format!("Logs of {}", step.state);
            links.push(link(
                &title,
                format!("cloudwatch/home?region={region}#logsV2:log-groups/log-group/{group}"),
            ));
        }
        let cluster = |name: &str| {
            link(
                &format!("Cluster {name}"),
                format!("rds/home?region={region}#database:id={};is-cluster=true", in_address(name)),
            )
        };
        let of_targets = self.targets.iter().map(|target| target.name.as_str());
        let own = self.cluster.as_deref().filter(|_| self.sync.is_none());
        links.extend(own.into_iter().chain(of_targets).map(cluster));
        links
    }
}

/// The machine's name is the runbook's behind the deployment's prefix.
fn plain_runbook(machine: &str) -> &str {
    const RUNBOOKS: [&str; 5] =
        ["major-upgrade", "rehearse-upgrade", "upgrade-fleet", "daily-sync", "snapshot-export"];
    RUNBOOKS.into_iter().find(|runbook| machine.ends_with(runbook)).unwrap_or(machine)
}

fn kind(status: &str, error: Option<&str>) -> Kind {
    match (status, error) {
        ("SUCCEEDED", _) => Kind::Succeeded,
        ("FAILED", Some("Blocked")) => Kind::Blocked,
        ("TIMED_OUT", _) => Kind::TimedOut,
        ("ABORTED", _) => Kind::Aborted,
        // https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html
        ("RUNNING" | "PENDING_REDRIVE", _) => Kind::Running,
        _ => Kind::Failed,
    }
}

fn json<T: serde::de::DeserializeOwned>(text: Option<&str>) -> Option<T> {
    serde_json::from_str(text?).ok()
}

/// Percent-encoded but for what RFC 3986 calls unreserved, and colons.
fn in_address(text: &str) -> String {
    let escaped = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(escaped).collect()
}

/// One word for a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A failure's text in the parts that `runbook::Error` makes it of.
struct Said {
    found: String,
    changed: Option<String>,
    remedy: Option<String>,
}

impl Said {
    fn read(cause: &str) -> Self {
        let (rest, remedy) = match cause.split_once("\nNext: ") {
            Some((before, next)) => (before, Some(next)),
            None => (cause, None),
        };
        let (found, changed) = match rest.split_once("\nChanged: ") {
            Some((before, changed)) => (before, Some(changed)),
            None => (rest, None),
        };
        Self {
            found: found.trim().to_owned(),
            changed: changed.map(|text| text.trim().to_owned()),
            // The command is a field of its own.
            remedy: remedy.map(|text| {
                let text = text.split_once(": aws stepfunctions").map_or(text, |(before, _)| before);
                text.trim().to_owned()
            }),
        }
    }
}

/// The findings of a blocked run's text: `<id>`, `why`, `do`.
fn blocking(cause: &str) -> Vec<Finding> {
    let one = |block: &str| {
        let (id, rest) = block.split_once("\n  why: ")?;
        let (reason, remedy) = rest.split_once("\n  do:  ")?;
        let (check, object) = id.trim().split_once(':')?;
        let (database, object) = match object.split_once('/') {
            Some((database, object)) => (Some(database.to_owned()), object),
            None => (None, object),
        };
        Some(Finding {
            check: check.to_owned(),
            level: runbook::Level::Block,
            database,
            object: object.to_owned(),
            reason: reason.trim().to_owned(),
            remedy: remedy.trim().to_owned(),
        })
    };
    // A finding may hold an empty line: what does not begin one belongs to the former.
    let mut blocks: Vec<String> = Vec::new();
    for part in cause.split("\n\n") {
        match blocks.last_mut() {
            Some(last) if !part.contains("\n  why: ") && !part.starts_with("Then run it again") => {
                last.push_str("\n\n");
                last.push_str(part);
            }
            _ => blocks.push(part.to_owned()),
        }
    }
    blocks.iter().filter_map(|block| one(block)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failures_text_is_read_back_in_its_parts() {
        let said = Said::read(
            "the key is disabled\nChanged: one tag.\nNext: enable it, then redrive the execution: aws \
             stepfunctions redrive-execution --execution-arn arn:x",
        );
        assert_eq!(
            (said.found.as_str(), said.changed.as_deref(), said.remedy.as_deref()),
            ("the key is disabled", Some("one tag."), Some("enable it, then redrive the execution"))
        );
        assert_eq!(Said::read("it broke").found, "it broke");
    }

    #[test]
    fn the_findings_of_a_blocked_run_are_read_back_from_its_text() {
        let finding = |object: &str| Finding {
            check: "logical-slot".into(),
            level: runbook::Level::Block,
            database: Some("shop".into()),
            object: object.into(),
            reason: "it holds\n\nits own lines".into(),
            remedy: "SELECT 1;".into(),
        };
        let all = vec![finding("one"), finding("a/b: c")];
        assert_eq!(blocking(&runbook::Error::Blocked(all.clone()).to_string()), all);
    }

    #[test]
    fn an_input_with_quotes_stays_one_word_of_the_shell() {
        assert_eq!(quoted(r#"{"a": "it's"}"#), r#"'{"a": "it'\''s"}'"#);
    }

    #[test]
    fn nothing_of_an_arn_becomes_another_host_or_another_page() {
        assert_eq!(in_address("a/b?c#d&\"é"), "a%2Fb%3Fc%23d%26%22%C3%A9");
        assert!(!is_plain("evil.example/") && is_plain("eu-west-1"));
    }
}
