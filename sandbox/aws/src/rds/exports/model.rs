//! The model gear's snapshots: tables with as many rows as they are asked to have.

use async_trait::async_trait;

use super::source::{Batch, Column, Kind, Part, Partitioning, Row, Source, Table};

#[derive(Debug, Clone)]
pub struct ModelTable {
    /// `database.schema.table`
    pub target: String,
    /// Name, and type as information_schema says it.
    pub columns: Vec<(String, String)>,
    pub rows: usize,
    /// Partitions of a partitioned table.
    pub batches: usize,
}

impl ModelTable {
    /// `shop.public.orders` with a few columns.
    pub fn new(target: &str, rows: usize) -> Self {
        let columns = [
            ("id", "bigint"),
            ("name", "text"),
            ("total", "numeric"),
            ("is_paid", "boolean"),
            ("placed_at", "timestamp with time zone"),
        ];
        let columns = columns.map(|(name, kind)| (name.to_owned(), kind.to_owned())).into();
        Self { target: target.to_owned(), columns, rows, batches: 1 }
    }

    fn table(&self) -> Table {
        let mut parts = self.target.splitn(3, '.').map(str::to_owned);
        let mut next = || parts.next().unwrap_or_default();
        let (database, schema, name) = (next(), next(), next());
        let column = |(name, original): &(String, String)| {
            Some(Column {
                name: name.clone(),
                original: original.clone(),
                kind: Kind::of(internal(original), false)?,
                char_length: 0,
                num_precision: 0,
                datetime_precision: if original.starts_with("timestamp") { 6 } else { 0 },
            })
        };
        let columns = self.columns.iter().filter_map(column).collect();
        Table { database, schema, name, columns, denied: false }
    }
}

/// The name in `pg_type` of a type that information_schema calls otherwise.
fn internal(original: &str) -> &str {
    match original {
        "boolean" => "bool",
        "smallint" => "int2",
        "integer" => "int4",
        "bigint" => "int8",
        "real" => "float4",
        "double precision" => "float8",
        other => other,
    }
}

/// What a snapshot holds unless a test says otherwise.
pub fn shop() -> Vec<ModelTable> {
    vec![
        ModelTable::new("shop.public.customers", 40),
        ModelTable { batches: 3, ..ModelTable::new("shop.public.events", 30) },
        ModelTable::new("shop.public.orders", 120),
        ModelTable::new("shop.public.refunds", 0),
    ]
}

pub struct Model(pub Vec<ModelTable>);

#[async_trait]
impl Source for Model {
    async fn databases(&self) -> anyhow::Result<Vec<String>> {
        let mut databases = vec!["postgres".to_owned()];
        databases.extend(self.0.iter().map(|table| table.table().database));
        databases.sort();
        databases.dedup();
        Ok(databases)
    }

    async fn tables(&self, database: &str) -> anyhow::Result<Vec<Table>> {
        let mut tables: Vec<Table> = self.0.iter().map(ModelTable::table).collect();
        tables.retain(|table| table.database == database);
        tables.sort_by(|a, b| (&a.schema, &a.name).cmp(&(&b.schema, &b.name)));
        Ok(tables)
    }

    async fn read(&self, table: &Table, rows_a_part: usize) -> anyhow::Result<Vec<Batch>> {
        let target = table.target();
        let model = self.0.iter().find(|model| model.target == target);
        let (rows, batches) = model.map_or((0, 1), |model| (model.rows, model.batches.max(1)));
        let (mut found, size) = (Vec::new(), rows.div_ceil(batches));
        for batch in 0..batches {
            let numbers: Vec<usize> = (batch * size..rows.min((batch + 1) * size)).collect();
            let part = |(index, numbers): (usize, &[usize])| Part {
                index,
                rows: numbers.iter().map(|number| row(&table.columns, *number)).collect(),
            };
            let parts: Vec<Part> = numbers.chunks(rows_a_part.max(1)).enumerate().map(part).collect();
            let partitioning = (batches == 1 && !parts.is_empty()).then(|| Partitioning {
                parts: parts.len(),
                constraint: "PRIMARY_KEY",
                column: table.columns.first().map(|column| column.name.clone()).unwrap_or_default(),
                column_type: "BIGINT".to_owned(),
                range: ("0".to_owned(), (rows - 1).to_string()),
            });
            found.push(Batch { parts, partitioning });
        }
        Ok(found)
    }

    async fn close(self: Box<Self>) -> anyhow::Result<()> {
        Ok(())
    }
}

/// Every seventh value of every column but the first is NULL.
fn row(columns: &[Column], number: usize) -> Row {
    let value = |(index, column): (usize, &Column)| {
        if index > 0 && (number + index).is_multiple_of(7) {
            return None;
        }
        Some(match column.kind {
            Kind::Boolean => if number.is_multiple_of(2) { "t" } else { "f" }.to_owned(),
            Kind::Int16 => (number % 30_000).to_string(),
            Kind::Int32 | Kind::Int64 => number.to_string(),
            Kind::Float | Kind::Double => format!("{number}.5"),
            Kind::Binary => format!("{:08x}", number as u32),
            Kind::Text => match column.original.as_str() {
                "numeric" => format!("{number}.25"),
                "timestamp with time zone" => format!("2026-11-25 02:{:02}:00+00", number % 60),
                _ => format!("{} {number}", column.name),
            },
        })
    };
    columns.iter().enumerate().map(value).collect()
}
