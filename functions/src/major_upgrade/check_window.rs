//! Looks whether the upgrade may begin now, or when the window opens for long enough.
//!
//! Changes: nothing. Again is harmless. Undo: none needed. Errors: `Refused` (no day of the window
//! is as long as what the owner expects).

use std::time::Duration;

use jiff::Timestamp;
use runbook::{Context, Error, Result, Run, State, error::Then, state::friendly_duration};
use serde::{Deserialize, Serialize};

use super::window::{Standing, Window};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CheckWindow {
    window: Window,
    #[serde(with = "friendly_duration")]
    expected_duration: Duration,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Checked {
    summary: String,
    /// When to look again; null when the upgrade may begin.
    opens: Option<Timestamp>,
}

impl State for CheckWindow {
    const NAME: &'static str = "CheckWindow";
    type Output = Checked;

    async fn reconcile(self, cx: &Context, _: &Run) -> Result<Checked> {
        let Self { window, expected_duration } = self;
        let shown = |at: jiff::Zoned| at.strftime("%a %Y-%m-%d %H:%M %Z").to_string();
        Ok(match window.standing(cx.clock.now(), expected_duration) {
            Standing::Open(until) => Checked {
                summary: format!("{window} is open until {}: long enough", shown(until)),
                opens: None,
            },
            Standing::Opens(at) => Checked {
                opens: Some(at.timestamp()),
                summary: format!("{window} opens {}: nothing is begun before", shown(at)),
            },
            Standing::TooShort => return Err(too_short(&window, expected_duration)),
        })
    }
}

pub fn too_short(window: &Window, takes: Duration) -> Error {
    Error::refused(format!(
        "no day of the window {window} is {} minutes long, which is how long the upgrade is expected to take",
        takes.as_secs().div_ceil(60)
    ))
    .fix("give a longer window, or another expectedDuration")
    .then(Then::StartAgain)
}
