use super::*;

#[test]
fn names_of_credentials_are_found_by_their_words() {
    for name in [
        "password",
        "Password",
        "user_password",
        "passwordHash",
        "password_digest",
        "encrypted_passwords",
        "pwd",
        "db_pwd",
        "passcode",
        "token",
        "tokens",
        "remember_token",
        "accessToken",
        "access-token",
        "ACCESS_TOKEN",
        "APIToken",
        "usertoken",
        "refreshtoken",
        "token2",
        "oauth2_token",
        "api_key",
        "apiKey",
        "APIKey",
        "apikey",
        "api key",
        "API_KEYS",
        "private_key",
        "ssh_key",
        "sshKeys",
        "session_id",
        "sessionId",
        "sessionid",
        "cvv",
        "cvv2",
        "card_cvc",
        "pin",
        "pin_code",
        "otp",
        "otp_secret",
        "totp_seed",
        "mfa_secret",
        "secret",
        "client_secret",
        "clientsecret",
        "webhook_url",
        "webhookUrl",
        "smtp_pass",
        "recovery_codes",
        "salt",
        "password_salt",
        "aws_secret_access_key",
        "connection_string",
        "2fa",
        "user_2fa_backup",
        "reset_digest",
        "credentials",
        "jwt",
        "auth_cookie",
        "security_answer",
        "magic_link",
        "database_url",
    ] {
        assert!(named(name), "{name}");
    }
    for name in [
        "token_type",
        "password_changed_at",
        "tokens_count",
        "secret_name",
        "token_id",
        "passenger",
        "passport",
        "compass",
        "bypass_reason",
        "spin",
        "opinion",
        "pinned",
        "secretary",
        "key",
        "keyboard",
        "monkey",
        "public_key",
        "postcode",
        "zip_code",
        "currency_code",
        "country_code",
        "url",
        "website_url",
        "order_id",
        "description",
        "author",
        "authority",
        "salted_butter_name",
        "assault",
        "accession",
        "hash",
        "status",
        "tokenizer_name",
        "session_count",
        "basalt",
        "2",
        "",
    ] {
        assert!(!named(name), "{name}");
    }
}

fn unmarked(text: &str) -> (String, std::ops::Range<usize>) {
    let start = text.find('[').unwrap();
    let end = text.rfind(']').unwrap() - 1;
    let mut plain = text.to_owned();
    plain.remove(text.rfind(']').unwrap());
    plain.remove(start);
    (plain, start..end)
}

#[test]
fn credentials_are_found_by_the_forms_that_their_issuers_give_them() {
    for marked in EXAMPLES {
        let (text, at) = unmarked(marked);
        assert!(in_text(&text).iter().any(|found| found.at == at), "{text}: {:?}", in_text(&text));
        let code = format!("SELECT '{text}'::text");
        assert!(in_code(&code).iter().any(|found| found.at == (at.start + 8..at.end + 8)), "{code}");
        assert!(is_value(&text), "{text}");
        assert_eq!(in_text(&redacted(&text, &in_text(&text))), [], "{text}");
    }
}

#[test]
fn what_is_assigned_to_such_a_name_is_one() {
    for (text, secret) in [
        ("loaded with password=rates-password-74 every night", "rates-password-74"),
        ("host=x user=y password=hunter dbname=z", "hunter"),
        ("call with token=8f14e45fceea", "8f14e45fceea"),
        ("api_key = 9a8b7c6d5e", "9a8b7c6d5e"),
        ("{\"api_key\": \"9a8b7c6d5e\"}", "9a8b7c6d5e"),
        ("the API key: 9a8b7c6d5e", "9a8b7c6d5e"),
        ("webhook-secret: 'q1w2e3r4'", "q1w2e3r4"),
        ("PGPASSWORD=letmein psql", "letmein"),
        ("options=token=8f14e45fceea", "8f14e45fceea"),
        ("see Zk3v9QxT7mB1rW5yL8nC2pD4 for it", "Zk3v9QxT7mB1rW5yL8nC2pD4"),
        ("d41d8cd98f00b204e9800998ecf8427e", "d41d8cd98f00b204e9800998ecf8427e"),
    ] {
        let found = in_text(text);
        assert_eq!(found.iter().map(|one| &text[one.at.clone()]).collect::<Vec<_>>(), [secret], "{text}");
    }
    for text in [
        "the password of the day",
        "password: must have 8 characters",
        "a token: see the wiki",
        "token = $1",
        "password = %L",
        "api_key={{ key }}",
        "https://example.com/a:b@c",
        "https://%s:%s@host/",
        "the akia is a dog",
        "token_type = bearer2",
        "6f9619ff-8b86-d011-b42d-00c04fc964ff",
        "customers_2024_q1_partition_of_orders",
        "images/products/shoes/2024/red",
        "2024-01-01T00:00:00",
        "basic authentication",
        "Bearer authentication",
        "getUserProfileV2FromCacheOrDatabase",
        "password=redacted",
    ] {
        assert_eq!(in_text(text), [], "{text}");
    }
}

#[test]
fn in_code_an_identifier_is_none_and_a_literal_may_be() {
    for (code, secret) in [
        ("BEGIN token := 'abc123def'; END", "abc123def"),
        ("DECLARE api_key CONSTANT text := 'abc123def'; BEGIN END", "abc123def"),
        ("f(x integer, secret text DEFAULT 'abc123def'::text)", "abc123def"),
        ("(current_setting('app.token'::text, true) = 'abc123def'::text)", "abc123def"),
        ("$function$ SELECT dblink('host=db password=hunter2') $function$", "hunter2"),
        ("SELECT 1; -- the old token=8f14e45fceea", "8f14e45fceea"),
        ("SELECT 1 /* password=hunter */", "hunter"),
        ("headers = {\"Authorization\": \"Bearer abc123def456ghi789\"}", "Bearer abc123def456ghi789"),
        ("SET password TO 'abcd'", "abcd"),
    ] {
        let found = in_code(code);
        let texts: Vec<_> = found.iter().map(|one| &code[one.at.clone()]).collect();
        assert!(texts.contains(&secret), "{code}: {texts:?}");
        let clean = redacted(code, &found);
        assert!(!clean.contains(secret) && in_code(&clean).is_empty(), "{clean}");
    }
    for code in [
        "UPDATE users SET password = p_password WHERE id = 1",
        "NEW.password := crypt(NEW.password, gen_salt('bf'))",
        "SELECT * FROM sessions WHERE token = v_token2",
        "IF token_type = 'bearer2' THEN",
        "EXECUTE format('ALTER ROLE %I PASSWORD %L', name, password)",
        "EXECUTE 'SELECT 1 FROM t WHERE token = $1' USING token",
        "RAISE EXCEPTION 'invalid token: %', token",
        "IF state = 'expired' AND token = 'expired' THEN",
        "CHECK (length(password) >= 8)",
        "CREATE UNIQUE INDEX users_reset_password_token ON public.users USING btree (reset_password_token)",
        "nextval('public.very_long_sequence_name_of_2024_id_seq'::regclass)",
    ] {
        assert_eq!(in_code(code), [], "{code}");
    }
}

#[test]
fn what_is_found_is_taken_out_once_however_it_overlaps() {
    let at = |at| Found { at, kind: "x" };
    assert_eq!(redacted("abcdefgh", &[at(1..5), at(2..3), at(4..6)]), "aredactedgh");
    assert_eq!(redacted("abc", &[]), "abc");
}
