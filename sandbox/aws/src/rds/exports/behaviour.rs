//! What a scenario may ask of exports. How long they take, how many rows a file and how many tables
//! a metadata file has, no page says.

use std::collections::BTreeMap;
use std::time::Duration;

use super::model::{self, ModelTable};

#[derive(Debug, Clone)]
pub struct Exports {
    /// STARTING: AWS restores the whole snapshot.
    pub starting: Duration,
    /// IN_PROGRESS: all tables together.
    pub extracting: Duration,
    pub canceling: Duration,
    /// A table that can be cut is cut into parts of about so many rows.
    pub rows_a_part: usize,
    /// Tables in one `export_tables_info_…` file.
    pub tables_a_file: usize,
    /// A value that is as long fails the task, a row skips its table
    /// (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-export-snapshot.Considerations.html).
    pub largest_value: usize,
    pub largest_row: usize,
    /// What the model gear's snapshots hold.
    pub tables: Vec<ModelTable>,
    /// Tables that are skipped for no reason of their own, `database.schema.table`, and the reason
    /// that is told.
    pub skip: BTreeMap<String, String>,
    /// So many of a table's last rows are not written, and nobody says so.
    pub lose: BTreeMap<String, usize>,
    /// The next task fails with this cause when it has read half of the tables.
    pub fail_next: Option<String>,
}

impl Default for Exports {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            starting: seconds(300),
            extracting: seconds(300),
            canceling: seconds(60),
            rows_a_part: 50_000,
            tables_a_file: 100,
            largest_value: 500 << 20,
            largest_row: 2 << 30,
            tables: model::shop(),
            skip: BTreeMap::new(),
            lose: BTreeMap::new(),
            fail_next: None,
        }
    }
}
