//! The two accounts of the sandbox, and its one region.

/// Where the runbooks run: functions, state machines, buckets, secrets, and the environments'
/// clusters.
pub const ACCOUNT: &str = "444455556666";
/// Where production runs. The runbooks reach it with an assumed role only.
pub const PRODUCTION: &str = "111122223333";
pub const ACCOUNTS: [&str; 2] = [ACCOUNT, PRODUCTION];
pub const REGION: &str = "eu-west-1";

/// Of a resource of the home account.
pub fn arn(service: &str, resource: &str) -> String {
    arn_in(ACCOUNT, service, resource)
}

pub fn arn_in(account: &str, service: &str, resource: &str) -> String {
    format!("arn:aws:{service}:{REGION}:{account}:{resource}")
}

/// The account in an ARN.
pub fn account_of(arn: &str) -> Option<&str> {
    arn.strip_prefix("arn:")?.split(':').nth(3)
}
