//! What every daily sync and every export does, as one YAML file says it. The functions and workers
//! read the file from the run bucket, Terraform reads the schedules from it, the `policy` command
//! explains it and makes the page that people read.

mod check;
mod check_exports;
mod choose;
pub mod draft;
mod error;
mod exception;
mod export;
mod format;
#[cfg(feature = "command")]
pub mod page;
mod read;
mod rule;
mod runs;
mod schema;
pub mod secrets;
#[cfg(feature = "command")]
mod snapshots;
mod tell;
#[cfg(test)]
#[cfg(feature = "command")]
mod tests;
mod types;
mod values;
mod yaml;

pub use choose::{Choice, Snapshot};
pub use error::{Error, Errors};
pub use exception::{Action, Exception, ExceptionKind, is_queue};
pub use export::{Accepted, DifferenceKind, Export, ExportSource, Verify};
pub use format::{export as check_export, sync as check_sync};
pub use rule::{PathRule, Rule, TableRule};
pub use schema::schema;
#[cfg(feature = "command")]
pub use snapshots::snapshots;
pub use tell::{Tell, default_tell, tell};
pub use types::*;
pub use values::{Cron, JsonPath, Step, TableName, TimeOfDay, Window};

impl Policy {
    /// Reads and checks a policy. All mistakes of form are reported at once; when there are none,
    /// all mistakes of sense.
    pub fn parse(yaml: &str) -> Result<Policy, Errors> {
        let root = yaml::parse(yaml)?;
        let read::Reading { json, errors, places } = read::read(&root, schema().as_value());
        if !errors.is_empty() {
            return Err(Errors(errors));
        }
        // What the schema lets pass, serde takes.
        let mut policy: Policy = serde_json::from_value(json)
            .map_err(|error| Errors(vec![yaml::Place::START.error("", error.to_string())]))?;
        for (name, sync) in &mut policy.syncs {
            sync.exported = policy.exports.values().any(|export| export.source.sync.as_ref() == Some(name));
        }
        let errors = check::check(&policy, &places);
        if errors.is_empty() { Ok(policy) } else { Err(Errors(errors)) }
    }
}
