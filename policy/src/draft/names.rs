//! What a name says of its values, by its words: of `zip_code`, `ZipCode` and `zipcode` the same.

use crate::secrets;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Secret,
    Email,
    Ip,
    /// What an office or a bank knows a person by.
    Identity,
    Phone,
    Url,
    Address,
    Latitude,
    Longitude,
    /// A day of a person's life.
    LifeDate,
    /// What a person earns or owns.
    Money,
    Person,
    /// A word of the application's, not of a person's.
    Code,
}

use Meaning::*;

/// What says it: a word, two words side by side, what is long enough to be seen within a
/// run-together one.
struct Told(
    Meaning,
    &'static [&'static str],
    &'static [(&'static str, &'static str)],
    &'static [&'static str],
);

/// In this order: of `email_address` the first.
const MEANINGS: &[Told] = &[
    Told(Email, &["mail", "email"], &[("e", "mail")], &["email"]),
    Told(Ip, &["ip", "ipaddress", "inet"], &[("remote", "addr"), ("client", "addr")], &["ipaddr"]),
    Told(
        Identity,
        &[
            "iban",
            "ssn",
            "sin",
            "nin",
            "passport",
            "nationalid",
            "taxid",
            "taxnumber",
            "vatid",
            "bic",
            "swift",
            "pesel",
            "bsn",
            "aadhaar",
            "cpf",
            "curp",
            "nif",
            "imei",
            "imsi",
            "mac",
            "pan",
            "card",
        ],
        &[
            ("national", "id"),
            ("tax", "id"),
            ("tax", "number"),
            ("vat", "number"),
            ("social", "security"),
            ("account", "number"),
            ("account", "no"),
            ("routing", "number"),
            ("sort", "code"),
            ("bank", "account"),
            ("id", "number"),
            ("identity", "number"),
            ("insurance", "number"),
            ("license", "number"),
            ("licence", "number"),
            ("driver", "license"),
            ("drivers", "license"),
            ("driving", "licence"),
            ("license", "plate"),
            ("licence", "plate"),
            ("patient", "number"),
            ("medical", "record"),
        ],
        &[
            "nationalid",
            "accountnumber",
            "cardnumber",
            "creditcard",
            "passport",
            "socialsecurity",
            "taxnumber",
        ],
    ),
    Told(
        Phone,
        &[
            "phone",
            "mobile",
            "fax",
            "telefon",
            "telephone",
            "tel",
            "msisdn",
            "cellphone",
            "whatsapp",
            "handy",
        ],
        &[("cell", "number"), ("contact", "number")],
        &["phone", "telefon"],
    ),
    Told(Url, &["url", "uri", "link", "website", "homepage", "webpage"], &[], &["website", "homepage"]),
    Told(
        Address,
        &[
            "street",
            "address",
            "addr",
            "city",
            "town",
            "zip",
            "zipcode",
            "postcode",
            "postalcode",
            "plz",
            "suburb",
            "residence",
            "addressline",
            "village",
            "neighborhood",
            "neighbourhood",
        ],
        &[("postal", "code"), ("post", "code"), ("ship", "to"), ("bill", "to"), ("house", "number")],
        &["address", "zipcode", "postalcode", "postcode", "street"],
    ),
    Told(Latitude, &["latitude", "lat"], &[], &["latitude"]),
    Told(Longitude, &["longitude", "lng", "lon"], &[], &["longitude"]),
    Told(
        LifeDate,
        &["born", "birth", "birthday", "birthdate", "dob", "died", "death", "deceased"],
        &[("date", "birth")],
        &["birthd", "dateofbirth"],
    ),
    Told(
        Money,
        &["salary", "wage", "income", "payrate", "pension", "bonus"],
        &[("pay", "rate")],
        &["salary"],
    ),
    Told(
        Person,
        &[
            "surname",
            "forename",
            "firstname",
            "lastname",
            "middlename",
            "fullname",
            "nickname",
            "username",
            "displayname",
            "screenname",
            "maidenname",
            "holder",
            "contact",
            "recipient",
            "sender",
            "login",
            "nick",
            "addressee",
            "signature",
            "realname",
        ],
        &[
            ("first", "name"),
            ("last", "name"),
            ("middle", "name"),
            ("full", "name"),
            ("given", "name"),
            ("family", "name"),
            ("display", "name"),
            ("screen", "name"),
            ("maiden", "name"),
            ("real", "name"),
            ("nick", "name"),
            ("user", "name"),
            ("customer", "name"),
            ("person", "name"),
            ("employee", "name"),
            ("patient", "name"),
            ("contact", "name"),
            ("recipient", "name"),
            ("sort", "name"),
        ],
        &["firstname", "lastname", "surname", "username", "fullname", "nickname"],
    ),
    Told(
        Code,
        &[
            "status", "state", "type", "kind", "code", "currency", "country", "locale", "language", "sku",
            "number", "slug", "unit", "level", "role", "category", "mode", "color", "colour", "size",
            "priority", "format",
        ],
        &[],
        &[],
    ),
];

/// As the last of several words they say that this is about such a thing, and none.
const ABOUT: &[&str] = &[
    "type",
    "kind",
    "status",
    "state",
    "count",
    "verified",
    "confirmed",
    "enabled",
    "format",
    "version",
    "preference",
    "optin",
];

pub(super) fn meaning(name: &str) -> Option<Meaning> {
    if secrets::named(name) {
        return Some(Secret);
    }
    let words = secrets::words(name);
    let run_together = words.concat();
    let last = words.last()?;
    if words.len() > 1 && ABOUT.contains(&last.as_str()) {
        return Some(Code);
    }
    let is = |word: &str, known: &str| word == known || word.strip_suffix('s') == Some(known);
    let told = MEANINGS.iter().find(|Told(_, alone, pairs, within)| {
        let pair = |two: &[String]| pairs.iter().any(|(one, other)| is(&two[0], one) && is(&two[1], other));
        words.iter().any(|word| alone.iter().any(|known| is(word, known)))
            || words.windows(2).any(pair)
            || within.iter().any(|part| run_together.contains(part))
    });
    told.map(|Told(meaning, ..)| *meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_understood_by_their_words_however_they_are_written() {
        for (meaning_of, names) in [
            (Email, &["email", "contact_email", "eMail", "mail_address", "EmailAddress", "useremail"][..]),
            (Ip, &["ip", "client_ip", "ipAddress", "remote_addr"]),
            (
                Identity,
                &[
                    "nationalidnumber",
                    "national_id",
                    "accountnumber",
                    "account_number",
                    "card",
                    "card_number",
                    "creditCardNumber",
                    "iban",
                    "tax_number",
                    "ssn",
                ],
            ),
            (Phone, &["phone", "phoneNumber", "mobile", "home_phone", "phonenumber", "fax"]),
            (
                Address,
                &[
                    "zipcode",
                    "zip",
                    "postal_code",
                    "postalcode",
                    "post_code",
                    "street",
                    "address2",
                    "addressline1",
                    "city",
                    "ship_to",
                ],
            ),
            (LifeDate, &["born", "birthdate", "date_of_birth", "dob", "birth_date", "born_on"]),
            (Money, &["salary", "basesalary", "income"]),
            (Person, &["first_name", "lastName", "lastname", "user_name", "nickname", "contact"]),
            (Secret, &["token", "password_hash", "pin"]),
            (Code, &["status", "phone_type", "email_verified", "country_code", "card_type"]),
        ] {
            for name in names {
                assert_eq!(meaning(name), Some(meaning_of), "{name}");
            }
        }
        for name in ["remark", "discarded", "cardinality", "shipping", "equipment", "material", "description"]
        {
            assert_eq!(meaning(name), None, "{name}");
        }
    }
}
