//! Names of what somebody can log in with, by their words.

/// A word that says it by itself.
const WORDS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "passkey",
    "pwd",
    "token",
    "secret",
    "credential",
    "cred",
    "pin",
    "otp",
    "totp",
    "hotp",
    "mfa",
    "tfa",
    "jwt",
    "bearer",
    "cookie",
    "cvv",
    "cvc",
    "apikey",
    "salt",
    "pepper",
    "keytab",
    "dsn",
    "pgpass",
    "htpasswd",
];

/// Two words that say it side by side, or run together.
const PAIRS: &[(&str, &[&str])] = &[
    (
        "key",
        &[
            "api",
            "access",
            "private",
            "ssh",
            "encryption",
            "encrypt",
            "master",
            "signing",
            "sign",
            "auth",
            "license",
            "licence",
            "ssl",
            "tls",
            "shared",
            "session",
            "recovery",
            "deploy",
            "gpg",
            "pgp",
            "rsa",
            "hmac",
            "server",
            "storage",
            "account",
            "admin",
            "host",
            "service",
            "stream",
            "webhook",
            "integration",
        ],
    ),
    (
        "code",
        &[
            "recovery",
            "backup",
            "verification",
            "verify",
            "access",
            "security",
            "auth",
            "confirmation",
            "activation",
            "reset",
            "login",
            "unlock",
            "pin",
            "invite",
            "invitation",
            "pass",
        ],
    ),
    ("id", &["session", "sess"]),
    ("hash", &["pass", "session", "login"]),
    ("digest", &["pass", "reset", "remember", "activation", "session"]),
    (
        "url",
        &["webhook", "hook", "database", "db", "redis", "smtp", "amqp", "jdbc", "broker", "reset", "login"],
    ),
    ("uri", &["webhook", "hook", "database", "db", "redis", "smtp", "amqp", "jdbc", "broker", "otp"]),
    ("link", &["magic", "login", "reset"]),
    ("string", &["connection", "conn"]),
    ("header", &["auth", "authorization"]),
    ("answer", &["security"]),
    ("factor", &["second"]),
    ("fa", &["2"]),
    ("seed", &["otp", "mfa", "wallet"]),
    ("phrase", &["pass", "seed", "recovery"]),
    ("word", &["pass"]),
];

/// Endings of words that were written without a boundary, as in `usertoken`.
const ENDINGS: &[&str] = &["password", "passwd", "passphrase", "token", "secret", "apikey"];

/// As the last word they say that this is about a credential, and none.
const ABOUT: &[&str] = &[
    "type",
    "kind",
    "status",
    "state",
    "count",
    "length",
    "size",
    "at",
    "on",
    "date",
    "time",
    "expiry",
    "expires",
    "expiration",
    "ttl",
    "policy",
    "name",
    "id",
    "arn",
    "version",
    "algorithm",
    "algo",
    "required",
    "enabled",
    "format",
    "attempts",
    "provider",
    "scope",
    "prefix",
    "changed",
    "updated",
    "created",
    "expired",
    "verified",
];

/// The words of a name, in lower case: of `accessToken`, `ACCESS_TOKEN`, `access-token2` and
/// `HTTPAccessTokens`. A number is a word.
pub(crate) fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let characters: Vec<char> = name.chars().collect();
    let mut open = false;
    for (at, c) in characters.iter().enumerate() {
        if !c.is_alphanumeric() {
            open = false;
            continue;
        }
        let before = at.checked_sub(1).map(|at| characters[at]);
        let starts = before.is_some_and(|before| {
            let digits = before.is_ascii_digit() != c.is_ascii_digit();
            let hump = before.is_lowercase() && c.is_uppercase();
            // The end of an abbreviation: of HTTPAccess the A.
            let next = characters.get(at + 1).is_some_and(|next| next.is_lowercase());
            digits || hump || (before.is_uppercase() && c.is_uppercase() && next)
        });
        if !open || starts {
            words.push(String::new());
        }
        open = true;
        if let Some(word) = words.last_mut() {
            word.extend(c.to_lowercase());
        }
    }
    words
}

fn singular(word: &str) -> &str {
    match word.strip_suffix('s') {
        Some(one) if one.len() > 1 && !one.ends_with('s') => one,
        _ => word,
    }
}

fn is(word: &str, known: &str) -> bool {
    word == known || singular(word) == known
}

fn is_word(word: &str) -> bool {
    let together = |(second, firsts): &(&str, &[&str])| {
        let first = singular(word).strip_suffix(second);
        first.is_some_and(|first| first != "2" && firsts.contains(&first))
    };
    WORDS.iter().any(|known| is(word, known))
        || ENDINGS.iter().any(|ending| singular(word).ends_with(ending))
        || word.starts_with("password")
        || PAIRS.iter().any(together)
}

fn is_pair(pair: &[String]) -> bool {
    PAIRS
        .iter()
        .any(|(second, firsts)| is(&pair[1], second) && firsts.iter().any(|first| is(&pair[0], first)))
}

/// Whether a column, key, variable or setting of this name holds what somebody can log in with.
pub fn named(name: &str) -> bool {
    let words: Vec<String> = match words(name) {
        words if words.len() > 1 && words[1..].iter().all(|word| number(word)) => words[..1].to_vec(),
        words => words,
    };
    let end = words.iter().rposition(|word| !number(word)).map_or(0, |last| last + 1);
    let Some(last) = words[..end].last() else { return false };
    let at_the_end = end >= 2 && is_pair(&words[end - 2..end]);
    if at_the_end || is(last, "pass") {
        return true;
    }
    if end > 1 && ABOUT.iter().any(|about| is(last, about)) {
        return false;
    }
    words.iter().any(|word| is_word(word)) || words.windows(2).any(is_pair)
}

/// Whether it is called a password: then what is assigned to it is one, however plain.
pub(super) fn is_password(name: &str) -> bool {
    let password = ["password", "passwd", "pwd", "passphrase", "passcode", "pass", "pgpassword"];
    named(name) && words(name).iter().any(|word| password.iter().any(|known| is(word, known)))
}

fn number(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_digit())
}
