//! Proposes a rule for a column that has none: a first guess by name and type, for people to check.

use crate::Rule;

/// What is known of a column without looking at its values. `base` is the type below domain and array, as `pg_type.typname`.
#[derive(Debug, Clone, Copy)]
pub struct Described<'a> {
    pub name: &'a str,
    pub base: &'a str,
    pub array: bool,
    pub not_null: bool,
    /// Computed by the server, part of a key, or referring to one.
    pub key: bool,
}

/// What is personal by its name gets a rule; free text that nobody can judge by its name is masked as well; numbers, times and the like stay.
pub fn propose(column: Described<'_>) -> Rule {
    let name = column.name.to_lowercase().replace(['-', ' '], "_");
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    match column.base {
        "text" | "varchar" | "bpchar" | "citext" => {
            if has(&["password", "passwd", "secret", "token", "api_key", "apikey", "private_key", "totp", "mfa"]) {
                Rule::Hash
            } else if has(&["mail"]) {
                Rule::Email
            } else if has(&["phone", "mobile", "fax", "telefon"]) {
                Rule::Phone
            } else if has(&["street", "address", "city", "ship_to", "bill_to"]) && !has(&["ip_"]) {
                Rule::Address
            } else if name == "ip" || has(&["ip_addr", "_ip", "ip_", "remote_addr"]) {
                Rule::Ip
            } else if has(&["url", "link", "website", "homepage"]) {
                Rule::Url
            } else if has(&["iban", "tax", "ssn", "passport", "licen", "account_number", "card"]) {
                Rule::Hash
            } else if has(&[
                "first_name",
                "last_name",
                "full_name",
                "surname",
                "nickname",
                "username",
                "holder",
                "contact",
                "firstname",
                "lastname",
            ]) {
                Rule::Name
            } else if column.key
                || has(&["status", "state", "type", "kind", "code", "currency", "country", "locale", "language", "sku", "number"])
            {
                Rule::Keep
            } else if name == "name" {
                Rule::Name
            } else {
                Rule::FreeText
            }
        }
        "date" | "timestamp" | "timestamptz" if has(&["birth", "dob"]) => Rule::DateShift { days: 30 },
        "inet" | "cidr" => Rule::Ip,
        "bytea" => Rule::Hash,
        // Nobody knows what is in a document: a person must say which of its paths stay.
        "json" | "jsonb" if column.not_null => Rule::Constant { value: "{}".into() },
        "hstore" | "xml" | "tsvector" if column.not_null => Rule::Constant { value: String::new() },
        "json" | "jsonb" | "hstore" | "xml" | "tsvector" => Rule::Null,
        _ => Rule::Keep,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposed(name: &str, base: &str) -> Rule {
        propose(Described { name, base, array: false, not_null: false, key: false })
    }

    #[test]
    fn what_is_personal_by_its_name_is_not_kept() {
        assert_eq!(proposed("contact_email", "citext"), Rule::Email);
        assert_eq!(proposed("phoneNumber", "varchar"), Rule::Phone);
        assert_eq!(proposed("remark", "text"), Rule::FreeText);
        assert_eq!(proposed("profile", "jsonb"), Rule::Null);
        assert_eq!(proposed("quantity", "int4"), Rule::Keep);
        assert_eq!(proposed("birth_date", "date"), Rule::DateShift { days: 30 });
    }
}
