//! The footers of the Parquet files: rows and columns of each, by range reads, never a whole file.
//! (https://parquet.apache.org/docs/file-format/)

use futures::{StreamExt, TryStreamExt, stream};
use parquet::{
    basic::{ConvertedType, LogicalType},
    file::{
        FOOTER_SIZE,
        metadata::{FooterTail, ParquetMetaData, ParquetMetaDataReader},
    },
};
use runbook::{
    Context, Result, Run,
    store::{Listed, Store},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What is read of a file at first: a footer is seldom longer.
const GUESS: u64 = 64 << 10;
const AT_ONCE: usize = 64;
/// A longer footer is none: of a table with 1,600 columns, PostgreSQL's most, in 1,000 row groups
/// it would be shorter.
const LONGEST: u64 = 256 << 20;
/// Files whose footers are remembered together, so that a worker that dies is not far back.
pub const CHUNK: usize = 250;

/// A file of the export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Below the task's folder.
    pub path: String,
    pub bytes: u64,
    /// What is wrong with it, when its footer cannot be read.
    pub footer: std::result::Result<Footer, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footer {
    pub rows: u64,
    /// Name and type: `int64`, `byte_array (string)`.
    pub columns: Vec<(String, String)>,
}

/// Footers that a worker of this run has read.
#[derive(Serialize, Deserialize)]
struct Remembered {
    /// Which objects those are: another one under the same name is read again.
    of: String,
    footers: Vec<std::result::Result<Footer, String>>,
}

/// Every Parquet file of the folder, in the order of their names.
pub async fn read(
    cx: &Context,
    run: &Run,
    bucket: &Store,
    folder: &str,
    objects: &[Listed],
) -> Result<Vec<File>> {
    let objects: Vec<&Listed> = objects.iter().filter(|object| object.key.ends_with(".parquet")).collect();
    let mut files = Vec::with_capacity(objects.len());
    for (number, chunk) in objects.chunks(CHUNK).enumerate() {
        cx.progress.say(format!("{} of {} files are read", files.len(), objects.len()));
        let key = format!("{}/footers-{number}.json", run.prefix());
        let of = fingerprint(chunk);
        let known: Option<Remembered> = cx.store.get_json(&key).await?;
        let footers = match known.filter(|known| known.of == of) {
            Some(known) => known.footers,
            None => {
                let reading: Vec<_> = chunk.iter().map(|object| footer(bucket, object)).collect();
                let footers = stream::iter(reading).buffered(AT_ONCE).try_collect().await?;
                let remembered = Remembered { of, footers };
                // A run of one chunk is read again as fast as it is remembered.
                if objects.len() > CHUNK {
                    cx.store.put_json(&key, &remembered).await?;
                }
                remembered.footers
            }
        };
        files.extend(chunk.iter().zip(footers).map(|(object, footer)| File {
            path: object.key[folder.len()..].to_owned(),
            bytes: object.size,
            footer,
        }));
    }
    Ok(files)
}

fn fingerprint(objects: &[&Listed]) -> String {
    let mut hash = Sha256::new();
    for object in objects {
        hash.update(format!("{}\0{}\0{}\n", object.key, object.size, object.etag));
    }
    hex::encode(hash.finalize())
}

async fn footer(bucket: &Store, object: &Listed) -> Result<std::result::Result<Footer, String>> {
    let gone = || Ok(Err("has changed or gone while it was read".to_owned()));
    let Some(tail) = bucket.tail(object, GUESS).await? else { return gone() };
    let whole = match length(&tail) {
        Ok(length) => length + FOOTER_SIZE as u64,
        Err(why) => return Ok(Err(why)),
    };
    if whole > object.size {
        return Ok(Err("is cut off: its footer is longer than the file".to_owned()));
    }
    if whole > LONGEST {
        return Ok(Err(format!("has a footer of {whole} bytes, more than {LONGEST}")));
    }
    let tail = if whole <= tail.len() as u64 {
        tail
    } else {
        let Some(longer) = bucket.tail(object, whole).await? else { return gone() };
        longer
    };
    Ok(parse(&tail, whole as usize))
}

/// The footer of a file that has no more bytes than these.
pub fn of_file(bytes: &[u8]) -> std::result::Result<Footer, String> {
    let whole = length(bytes)? + FOOTER_SIZE as u64;
    parse(bytes, usize::try_from(whole).map_err(|_| "is too short for its footer")?)
}

/// How long the footer is, by the last bytes of a file.
fn length(tail: &[u8]) -> std::result::Result<u64, String> {
    let last = tail.last_chunk::<FOOTER_SIZE>().ok_or("is too short to be a Parquet file")?;
    let tail = FooterTail::try_new(last).map_err(|_| "is cut off: it does not end as a Parquet file does")?;
    Ok(tail.metadata_length() as u64)
}

/// The footer of so many bytes at the end of these.
fn parse(tail: &[u8], whole: usize) -> std::result::Result<Footer, String> {
    let start = tail.len().checked_sub(whole).ok_or("is too short for its footer")?;
    let metadata = ParquetMetaDataReader::decode_metadata(&tail[start..tail.len() - FOOTER_SIZE])
        .map_err(|error| format!("has a footer that cannot be read: {error}"))?;
    let rows = u64::try_from(metadata.file_metadata().num_rows());
    Ok(Footer { rows: rows.map_err(|_| "has fewer rows than none")?, columns: columns(&metadata) })
}

fn columns(metadata: &ParquetMetaData) -> Vec<(String, String)> {
    let leaves = metadata.file_metadata().schema_descr().columns().iter();
    let columns = leaves.map(|leaf| {
        let physical = leaf.physical_type().to_string().to_lowercase();
        // Older writers have only the older word.
        let converted = Some(leaf.converted_type()).filter(|converted| *converted == ConvertedType::UTF8);
        let logical = leaf.logical_type_ref().map(word).or(converted.map(|_| "string".to_owned()));
        (leaf.path().string(), logical.map_or(physical.clone(), |word| format!("{physical} ({word})")))
    });
    columns.collect()
}

/// As people call it.
fn word(logical: &LogicalType) -> String {
    let text = format!("{logical:?}");
    text.split([' ', '(', '{']).next().unwrap_or_default().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_end_as_a_parquet_file_does_is_said_to_be_cut_off() {
        assert!(length(b"PAR1").unwrap_err().contains("too short"));
        assert!(length(b"\x10\0\0\0PAR2").unwrap_err().contains("cut off"));
        assert_eq!(length(b"\x10\0\0\0PAR1"), Ok(16));
        assert!(parse(b"\xff\xff\xff\xff\x04\0\0\0PAR1", 12).unwrap_err().contains("cannot be read"));
    }

    #[test]
    fn what_was_read_is_read_again_when_an_object_has_changed() {
        let listed = |etag: &str| Listed { key: "a".into(), size: 1, etag: etag.into() };
        assert_eq!(fingerprint(&[&listed("1")]), fingerprint(&[&listed("1")]));
        assert_ne!(fingerprint(&[&listed("1")]), fingerprint(&[&listed("2")]));
    }
}
