//! An instance's log files, listed and downloaded in portions.

use jiff::Timestamp;
use serde_json::json;

use super::error::Fault;
use super::model::LogFile;
use super::paging::page;
use super::query::Input;
use super::{Answer, Rds};

/// botocore rds 2014-10-31, DownloadDBLogFilePortion: "the file is truncated at 1 MB in size".
const PORTION: usize = 1024 * 1024;
const MOST_LINES: usize = 10_000;

/// Statuses in which an instance's files can't be read.
const NOT_READY: [&str; 3] = ["creating", "deleting", "stopped"];

pub fn server_log(now: Timestamp) -> String {
    format!("error/postgresql.log.{}", now.strftime("%Y-%m-%d-%H"))
}

pub fn server_started(now: Timestamp, version: &str) -> LogFile {
    let at = now.strftime("%Y-%m-%d %H:%M:%S UTC");
    let content = format!(
        "{at}::@:[512]:LOG:  starting PostgreSQL {version} on x86_64-pc-linux-gnu, 64-bit\n\
         {at}::@:[512]:LOG:  database system is ready to accept connections\n"
    );
    LogFile { written: now, content }
}

impl Rds {
    /// Plants a log file on an instance, e.g. `error/pg_upgrade_internal.log.1771200000`.
    pub fn plant_log_file(&self, instance: &str, name: &str, content: &str) -> anyhow::Result<()> {
        let written = self.clock.now();
        let mut world = self.world();
        let instance = world.instance_mut(instance).map_err(|fault| anyhow::anyhow!("{}", fault.message))?;
        instance.logs.insert(name.to_owned(), LogFile { written, content: content.to_owned() });
        Ok(())
    }

    pub(super) fn describe_db_log_files(&self, input: &Input) -> Answer {
        let world = self.world();
        let instance = world.instance(input.required("DBInstanceIdentifier")?)?;
        if NOT_READY.contains(&instance.status) {
            return Err(Fault::new(
                "DBInstanceNotReady",
                format!("DB instance {} is {}", instance.id, instance.status),
            ));
        }
        let since = input.number("FileLastWritten").unwrap_or(0);
        let size = input.number("FileSize").unwrap_or(0);
        let files = instance.logs.iter().filter(|(name, file)| {
            input.text("FilenameContains").is_none_or(|part| name.contains(part))
                && file.written.as_millisecond() > since
                && file.content.len() as i64 >= size
        });
        let described = files.map(|(name, file)| {
            let written = file.written.as_millisecond();
            json!({"LogFileName": name, "LastWritten": written, "Size": file.content.len()})
        });
        page("DescribeDBLogFiles", described.collect(), input)
    }

    pub(super) fn download_db_log_file_portion(&self, input: &Input) -> Answer {
        let world = self.world();
        let instance = world.instance(input.required("DBInstanceIdentifier")?)?;
        if NOT_READY.contains(&instance.status) {
            return Err(Fault::new(
                "DBInstanceNotReady",
                format!("DB instance {} is {}", instance.id, instance.status),
            ));
        }
        let name = input.required("LogFileName")?;
        let missing = || {
            Fault::new(
                "DBLogFileNotFoundFault",
                format!("DBLog File: {name} is not found on the DB instance"),
            )
        };
        let file = instance.logs.get(name).ok_or_else(missing)?;
        let lines = input.number("NumberOfLines").map(|lines| usize::try_from(lines).unwrap_or(0));
        let marker = input.text("Marker").filter(|marker| !marker.is_empty());
        let (data, end) = portion(&file.content, marker, lines)?;
        Ok(json!({
            "LogFileData": data,
            // RDS's own markers look like `21:4096`: the hour and the offset.
            "Marker": format!("{}:{end}", file.written.strftime("%H")),
            "AdditionalDataPending": end < file.content.len(),
        }))
    }
}

/// The part of a file that a request asks for, and where it ends. `"0"` is the beginning; without a
/// marker it is the file's end.
fn portion<'a>(
    content: &'a str,
    marker: Option<&str>,
    lines: Option<usize>,
) -> Result<(&'a str, usize), Fault> {
    let most = lines.unwrap_or(MOST_LINES).min(MOST_LINES);
    let Some(marker) = marker else {
        let start = content
            .rmatch_indices('\n')
            .map(|(at, _)| at + 1)
            .filter(|at| *at < content.len())
            .nth(most.saturating_sub(1))
            .unwrap_or(0);
        let start = boundary(content, start.max(content.len().saturating_sub(PORTION)));
        return Ok((&content[start..], content.len()));
    };
    let offset = marker.rsplit(':').next().and_then(|offset| offset.parse().ok());
    let start = offset
        .filter(|start| content.is_char_boundary(*start))
        .ok_or_else(|| Fault::value(format!("Invalid marker: {marker}")))?;
    let rest = &content[start..];
    let end = rest.match_indices('\n').nth(most.saturating_sub(1)).map_or(rest.len(), |(at, _)| at + 1);
    let end = start + if end <= PORTION { end } else { whole_lines(rest) };
    Ok((&content[start..end], end))
}

/// As many whole lines as a portion holds; a longer line is cut.
fn whole_lines(rest: &str) -> usize {
    let mut end = PORTION;
    while !rest.is_char_boundary(end) {
        end -= 1;
    }
    rest[..end].rfind('\n').map_or(end, |at| at + 1)
}

fn boundary(content: &str, mut at: usize) -> usize {
    while !content.is_char_boundary(at) {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portions_put_together_are_the_file() {
        let content: String =
            (0..40_000).map(|n| format!("line {n} äöü: {}\n", "x".repeat(n % 120))).collect();
        let (mut read, mut marker) = (String::new(), "0".to_owned());
        loop {
            let (data, end) = portion(&content, Some(&marker), None).unwrap();
            assert!(data.len() <= PORTION && data.lines().count() <= MOST_LINES);
            read.push_str(data);
            if end == content.len() {
                break;
            }
            marker = format!("10:{end}");
        }
        assert_eq!(read, content);
    }

    #[test]
    fn without_a_marker_the_last_lines_come() {
        assert_eq!(portion("a\nb\nc\n", None, Some(2)).unwrap().0, "b\nc\n");
        assert_eq!(portion("a\nb\nc\n", Some("0"), Some(2)).unwrap().0, "a\nb\n");
        assert_eq!(portion("a\nb\n", None, Some(9)).unwrap().0, "a\nb\n");
        assert!(portion("a\n", Some("7:9"), None).is_err());
    }
}
