//! The forms that issuers give their keys. They are facts of public rule sets, gitleaks' (v8,
//! config/gitleaks.toml) and noseyparker's (data/default/builtin/rules), and of the issuers' own
//! pages; written for two readers, the crate regex and PostgreSQL ("POSIX Regular Expressions"),
//! which `policy draft` lets look: no lazy repetition, no named group, nothing but ASCII.

use std::sync::LazyLock;

use regex::{Regex, RegexSet};

use super::{Found, is_placeholder};

/// What it is, and its form. Where a group stands the credential is the group.
const SHAPES: &[(&str, &str)] = &[
    ("an AWS access key", r"\b(A3T[0-9A-Z]|AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}\b"),
    ("a Google API key", r"\bAIza[0-9A-Za-z_-]{35}"),
    ("a Google OAuth secret", r"\bGOCSPX-[0-9A-Za-z_-]{20,}"),
    ("a Google OAuth token", r"\bya29\.[0-9A-Za-z_-]{20,}"),
    ("a Slack token", r"\bxox[abeoprs]-[0-9A-Za-z-]{10,}"),
    ("a Slack app token", r"\bxapp-[0-9]-[0-9A-Za-z-]{10,}"),
    ("a Slack webhook", r"hooks\.slack\.com/(services|workflows|triggers)/[0-9A-Za-z+/_-]{8,}"),
    ("a Discord webhook", r"discord(app)?\.com/api/webhooks/[0-9]+/[0-9A-Za-z_-]+"),
    ("a Teams webhook", r"webhook\.office\.com/webhookb2/[0-9A-Za-z@/-]{30,}"),
    ("a GitHub token", r"\bgh[pousr]_[0-9A-Za-z]{20,}"),
    ("a GitHub token", r"\bgithub_pat_[0-9A-Za-z_]{20,}"),
    ("a GitLab token", r"\bgl(pat|ptt|dt|rt|cbt|soat)-[0-9A-Za-z_-]{20,}"),
    ("a Stripe key", r"\b(sk|rk)_(test|live|prod)_[0-9A-Za-z]{10,}"),
    ("a Stripe webhook secret", r"\bwhsec_[0-9A-Za-z+/=]{20,}"),
    ("an OpenAI key", r"\bsk-[0-9A-Za-z_-]*T3BlbkFJ[0-9A-Za-z_-]{20,}"),
    ("an Anthropic key", r"\bsk-ant-[0-9a-z]+-[0-9A-Za-z_-]{20,}"),
    ("a SendGrid key", r"\bSG\.[0-9A-Za-z_-]{16,}\.[0-9A-Za-z_-]{16,}"),
    ("a Twilio key", r"\bSK[0-9a-fA-F]{32}\b"),
    ("a Mailgun key", r"\bkey-[0-9a-f]{32}\b"),
    ("an npm token", r"\bnpm_[0-9A-Za-z]{36}\b"),
    ("a PyPI token", r"\bpypi-AgEIcHlwaS5vcmc[0-9A-Za-z_-]{20,}"),
    ("a DigitalOcean token", r"\bdo[opr]_v1_[0-9a-f]{64}\b"),
    ("a Shopify token", r"\bshp(at|ca|pa|ss)_[0-9a-fA-F]{32}\b"),
    ("a Square token", r"\bsq0(atp|csp)-[0-9A-Za-z_-]{22,}"),
    ("a Databricks token", r"\bdapi[0-9a-f]{32}\b"),
    ("a Hugging Face token", r"\bhf_[A-Za-z]{34}\b"),
    ("a Vault token", r"\bhv[bs]\.[0-9A-Za-z_-]{24,}"),
    ("a Telegram bot token", r"\b[0-9]{8,10}:AA[0-9A-Za-z_-]{33}\b"),
    ("an Azure AD secret", r"\b[0-9A-Za-z_~.]{3}[0-9]Q~[0-9A-Za-z_~.-]{31,34}"),
    ("an Azure storage key", r"AccountKey=[0-9A-Za-z+/]{86}=="),
    ("a JSON web token", r"\bey[0-9A-Za-z_-]{10,}\.ey[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]*"),
    ("a private key", r"-----BEGIN[ 0-9A-Z_-]*PRIVATE KEY( BLOCK)?-----[^-]*(-----END[ 0-9A-Z_-]*-----)?"),
    ("an age key", r"\bAGE-SECRET-KEY-1[0-9A-Z]{58}\b"),
    ("a bearer token", r"\b[Bb]earer\s+[0-9A-Za-z._~+/-]*[0-9][0-9A-Za-z._~+/-]{7,}=*"),
    ("a basic login", r"\b[Bb]asic\s+[0-9A-Za-z+/]{3,}([0-9]|[a-z][A-Z])[0-9A-Za-z+/]{6,}={0,2}"),
    ("a password hash", r"\$2[abxy]\$[0-9]{2}\$[./0-9A-Za-z]{53}"),
    ("a password hash", r"\$(argon2(id|i|d)|scrypt|pbkdf2-sha[0-9]+|5|6|y|gy)\$[^\s]{16,}"),
    ("a password hash", r"\b(pbkdf2_sha[0-9]+|SCRAM-SHA-256)\$[0-9]+[$:][^\s]{16,}"),
];

/// A login within an address, of which the password is the secret.
const LOGIN: &str = r#"\b[A-Za-z][0-9A-Za-z+.-]*://[^\s/:@'"]*:([^\s/@'"]+)@"#;

static SET: LazyLock<RegexSet> = LazyLock::new(|| {
    let patterns = SHAPES.iter().map(|(_, pattern)| pattern).chain([&LOGIN]);
    RegexSet::new(patterns).expect("the patterns are ours")
});

static EACH: LazyLock<Vec<Regex>> = LazyLock::new(|| SHAPES.iter().map(|(_, shape)| regex(shape)).collect());

static LOGINS: LazyLock<Regex> = LazyLock::new(|| regex(LOGIN));

pub(super) fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the patterns are ours")
}

pub(super) fn find(text: &str) -> impl Iterator<Item = Found> {
    let mut found = Vec::new();
    // One pass says which of them are there at all: of most texts none.
    for number in SET.matches(text) {
        match SHAPES.get(number) {
            Some((kind, _)) => {
                found.extend(EACH[number].find_iter(text).map(|at| Found { at: at.range(), kind }))
            }
            None => {
                let passwords = LOGINS.captures_iter(text).filter_map(|captures| captures.get(1));
                let real = passwords.filter(|password| !is_placeholder(password.as_str()));
                found.extend(
                    real.map(|password| Found { at: password.range(), kind: "a login in an address" }),
                );
            }
        }
    }
    found.into_iter()
}

/// The same forms as PostgreSQL's regular expressions read them, where a boundary of words is `\y`.
pub fn sql_patterns() -> impl Iterator<Item = String> {
    SHAPES.iter().map(|(_, pattern)| *pattern).chain([LOGIN]).map(|pattern| pattern.replace(r"\b", r"\y"))
}

/// Invented ones, each between brackets in what stands around it: for tests that compare readers.
pub const EXAMPLES: &[&str] = &[
    "[AKIAABCDEFGHIJKLMNOP]",
    "key [ASIA2345672345672345] of prod",
    "[AIzaSyA1234567890abcdefghijklmnopqrstuv]",
    "[xoxb-123456789012-abcdefghijkl]",
    "https://[hooks.slack.com/services/T01/B02/abcdefgh]",
    "[ghp_abcdefghijklmnopqrstuvwxyz0123456789]",
    "[sk_live_4eC39HqLyjWDarjtT1]",
    "[glpat-abcdefghij0123456789]",
    "[SG.abcdefghijklmnop12.abcdefghijklmnop34]",
    "Authorization: [Bearer abc123def456ghi789]",
    "[eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N]",
    "-- [-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n-----END RSA PRIVATE KEY-----]",
    "postgres://loader:[hunter-2]@db.example/x",
    "redis://:[p4ss]@cache",
    "[$2b$12$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZabcde]",
];
