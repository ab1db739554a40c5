//! https://docs.aws.amazon.com/step-functions/latest/dg/state-fail.html

use super::reader::{Fields, Reader};
use super::setting::Setting;

#[derive(Debug)]
pub struct Fail {
    pub error: Option<Setting<String>>,
    pub cause: Option<Setting<String>>,
}

impl Fail {
    pub fn read(reader: &mut Reader, fields: &mut Fields) -> Option<Self> {
        let error = Setting::text(reader, fields, "Error");
        let cause = Setting::text(reader, fields, "Cause");
        Some(Self { error, cause })
    }
}
