//! What every daily sync does, as one YAML file says it. The functions and workers read the file from the run bucket, Terraform reads the schedules from
//! it, the `policy` command explains it and makes the page that people read.

pub mod draft;
mod error;
mod rule;
mod types;
mod values;

pub use error::{Error, Errors};
pub use rule::Rule;
pub use types::*;
pub use values::{Cron, JsonPath, Step, TableName, Window};

impl Policy {
    /// Reads and checks a policy. All that is wrong with it is told at once, as far as one mistake does not hide another.
    pub fn parse(_yaml: &str) -> Result<Policy, Errors> {
        Err(Errors(vec![]))
    }
}
