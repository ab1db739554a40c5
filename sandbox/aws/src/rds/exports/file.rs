//! One Parquet file, compressed with gzip as AWS's are (`….gz.parquet`). Every column is optional:
//! Spark writes "all columns" so
//! (https://spark.apache.org/docs/latest/sql-data-sources-parquet.html).

use std::sync::Arc;

use anyhow::Context;
use parquet::basic::{Compression, GzipLevel, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FloatType, Int32Type, Int64Type,
};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{Type, TypePtr};

use super::source::{Column, Kind, Row};

pub fn encode(columns: &[Column], rows: &[Row]) -> anyhow::Result<Vec<u8>> {
    let fields = columns.iter().map(field).collect::<anyhow::Result<Vec<TypePtr>>>()?;
    let schema = Type::group_type_builder("spark_schema").with_fields(fields).build()?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::GZIP(GzipLevel::default()))
        // For the few rows of a sandbox it would double the work.
        .set_dictionary_enabled(false)
        .set_created_by("local-aws".to_owned())
        .build();
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties))?;
    let mut group = writer.next_row_group()?;
    for (index, column) in columns.iter().enumerate() {
        let mut writer = group.next_column()?.context("the group has the schema's columns")?;
        let values: Vec<Option<&str>> = rows.iter().map(|row| row[index].as_deref()).collect();
        let written = write(&mut writer, column.kind, &values);
        written.with_context(|| format!("write the column {}", column.name))?;
        writer.close()?;
    }
    group.close()?;
    Ok(writer.into_inner()?)
}

fn field(column: &Column) -> anyhow::Result<TypePtr> {
    let (physical, logical) = match column.kind {
        Kind::Boolean => (Physical::BOOLEAN, None),
        Kind::Int16 => (Physical::INT32, Some(LogicalType::integer(16, true))),
        Kind::Int32 => (Physical::INT32, None),
        Kind::Int64 => (Physical::INT64, None),
        Kind::Float => (Physical::FLOAT, None),
        Kind::Double => (Physical::DOUBLE, None),
        Kind::Binary => (Physical::BYTE_ARRAY, None),
        Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
    };
    let builder = Type::primitive_type_builder(&column.name, physical);
    let built = builder.with_repetition(Repetition::OPTIONAL).with_logical_type(logical).build()?;
    Ok(Arc::new(built))
}

fn write(writer: &mut SerializedColumnWriter<'_>, kind: Kind, values: &[Option<&str>]) -> anyhow::Result<()> {
    match kind {
        Kind::Boolean => put::<BoolType>(writer, values, |text| Ok(text == "t")),
        Kind::Int16 | Kind::Int32 => put::<Int32Type>(writer, values, |text| Ok(text.parse()?)),
        Kind::Int64 => put::<Int64Type>(writer, values, |text| Ok(text.parse()?)),
        Kind::Float => put::<FloatType>(writer, values, |text| Ok(text.parse()?)),
        Kind::Double => put::<DoubleType>(writer, values, |text| Ok(text.parse()?)),
        Kind::Binary => put::<ByteArrayType>(writer, values, |text| Ok(hex::decode(text)?.into())),
        Kind::Text => put::<ByteArrayType>(writer, values, |text| Ok(ByteArray::from(text))),
    }
}

fn put<T: DataType>(
    writer: &mut SerializedColumnWriter<'_>,
    values: &[Option<&str>],
    read: impl Fn(&str) -> anyhow::Result<T::T>,
) -> anyhow::Result<()> {
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let values = values.iter().flatten().map(|text| read(text)).collect::<anyhow::Result<Vec<_>>>()?;
    writer.typed::<T>().write_batch(&values, Some(&levels), None)?;
    Ok(())
}
