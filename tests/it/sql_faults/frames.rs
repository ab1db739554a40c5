//! Messages of PostgreSQL's protocol, as far as a proxy must know them
//! (https://www.postgresql.org/docs/current/protocol-message-formats.html).

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::wire::whole;

const SSL_REQUEST: u32 = 80_877_103;
const GSSENC_REQUEST: u32 = 80_877_104;

/// The first message that is not about encryption: there is none here.
pub async fn startup<S>(client: &mut S) -> std::io::Result<Vec<u8>>
where
    S: AsyncReadExt + AsyncWriteExt + Unpin,
{
    loop {
        let message = whole(client, &[]).await?;
        match code(&message) {
            Some(SSL_REQUEST | GSSENC_REQUEST) => client.write_all(b"N").await?,
            _ => return Ok(message),
        }
    }
}

fn code(message: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(message.get(4..8)?.try_into().ok()?))
}

/// The database that a client of that `application_name` wants; none of another, and of a request
/// to cancel.
pub fn database(startup: &[u8], application: &str) -> Option<String> {
    const VERSION_3: u32 = 196_608;
    if code(startup)? != VERSION_3 {
        return None;
    }
    let mut texts = startup[8..].split(|byte| *byte == 0).map(String::from_utf8_lossy);
    let (mut database, mut is_theirs) = (None, false);
    while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
        match &*name {
            "database" => database = Some(value.into_owned()),
            "application_name" => is_theirs = value == application,
            _ => {}
        }
    }
    database.filter(|_| is_theirs)
}

/// A message and its kind; none at the end of the connection.
pub async fn next<R: AsyncReadExt + Unpin>(from: &mut R) -> std::io::Result<Option<(u8, Vec<u8>)>> {
    let mut kind = [0];
    if from.read(&mut kind).await? == 0 {
        return Ok(None);
    }
    Ok(Some((kind[0], whole(from, &kind).await?)))
}

/// The text of a Query, or of a Parse, which names its statement first.
pub fn sql(kind: u8, message: &[u8]) -> String {
    let mut texts = message[5..].split(|byte| *byte == 0);
    if kind == b'P' {
        texts.next();
    }
    let text = String::from_utf8_lossy(texts.next().unwrap_or_default()).into_owned();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub fn query(sql: &str) -> Vec<u8> {
    let length = u32::try_from(sql.len() + 5).expect("a statement is short");
    [b"Q", length.to_be_bytes().as_slice(), sql.as_bytes(), b"\0"].concat()
}
