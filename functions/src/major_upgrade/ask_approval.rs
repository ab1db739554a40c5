//! Asks a person whether the upgrade shall begin, and waits for the answer.
//!
//! No function waits: the state does, for its task token, and a person answers with it; report-run
//! says how. Changes: writes the question into the run's folder. Again is harmless: the newest
//! token is the one that counts. Undo: none needed. Errors: `Refused` (the person has said no);
//! `States.Timeout` (nobody has answered in a week).

use std::time::Duration;

use runbook::{
    Context, Error, Result, Run, State,
    major_upgrade::{Question, question_key},
};
use serde::{Deserialize, Serialize};

/// TimeoutSeconds of the state.
pub const PATIENCE: Duration = Duration::from_hours(7 * 24);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AskApproval {
    token: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    summary: String,
}

impl State for AskApproval {
    const NAME: &'static str = "AskApproval";
    type Output = Asked;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Asked> {
        let until = run.since() + PATIENCE;
        let question = Question { token: self.token, until };
        if !question.is_plain() {
            return Err(Error::unexpected("Step Functions gave a task token that is none"));
        }
        cx.store.put_json(&question_key(run.name()), &question).await?;
        Ok(Asked { summary: format!("asked, until {until}") })
    }
}
