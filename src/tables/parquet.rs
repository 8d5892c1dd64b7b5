use std::borrow::Cow;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polars::prelude::{AnyValue, DataFrame, FileMetadata, ParallelStrategy, ParquetReader, SerReader};
use polars_arrow::datatypes::{ArrowDataType, ArrowSchema, Field};
use polars_parquet::read::schema::parquet_to_arrow_schema;
use polars_parquet::write::schema_to_metadata_key;
use serde_json::{Map, Number, Value};

use super::guard::guarded;
use super::{Cell, Row, TableError};

/// A Parquet file, one row group at a time.
pub(super) struct ParquetFile {
    path: PathBuf,
    pub(super) columns: Vec<String>,
    markers: Vec<(String, String)>,
    metadata: Arc<FileMetadata>,
    projection: Option<Vec<usize>>,
    next_group: usize,
    rows: usize,
}

impl ParquetFile {
    pub(super) fn open(path: &Path, file: File) -> Result<Self, TableError> {
        guarded(|| Self::open_unguarded(path, file)).unwrap_or_else(|| Err(damaged(path)))
    }

    fn open_unguarded(path: &Path, file: File) -> Result<Self, TableError> {
        let broken = |problem: String| TableError::Parquet { path: path.to_owned(), problem };
        let mut reader = ParquetReader::new(file);
        let mut metadata =
            FileMetadata::clone(reader.get_metadata().map_err(|error| broken(first_line(&error)))?);
        let markers = metadata.key_value_metadata.take().unwrap_or_default();
        let markers = markers.into_iter().filter_map(|pair| Some((pair.key, pair.value?)));
        let schema: ArrowSchema = parquet_to_arrow_schema(metadata.schema().fields())
            .into_iter()
            .map(|(name, mut field)| {
                field.dtype = plain_type(field.dtype);
                (name, field)
            })
            .collect();
        // Columns of a type that stays unknown here are not read; nothing of ours has such a type.
        let projection: Vec<usize> = schema
            .iter_values()
            .enumerate()
            .filter(|(_, field)| is_known(&field.dtype))
            .map(|(i, _)| i)
            .collect();
        let names: Vec<String> = schema.iter_names().map(ToString::to_string).collect();
        metadata.key_value_metadata = Some(vec![schema_to_metadata_key(&schema)]);
        Ok(Self {
            path: path.to_owned(),
            columns: projection.iter().map(|column| names[*column].clone()).collect(),
            markers: markers.collect(),
            metadata: Arc::new(metadata),
            projection: Some(projection),
            next_group: 0,
            rows: 0,
        })
    }

    pub(super) fn total_rows(&self) -> u64 {
        self.metadata.num_rows as u64
    }

    pub(super) fn rows_read(&self) -> u64 {
        self.rows as u64
    }

    pub(super) fn marker(&self, key: &str) -> Option<&str> {
        self.markers.iter().find(|(found, _)| found == key).map(|(_, value)| value.as_str())
    }

    /// The next row group, and the number of the rows before it.
    pub(super) fn next(&mut self) -> Result<Option<(u64, DataFrame)>, TableError> {
        while let Some(group) = self.metadata.row_groups.get(self.next_group) {
            let (before, count) = (self.rows, group.num_rows());
            self.next_group += 1;
            self.rows += count;
            if count > 0 {
                return Ok(Some((before as u64, self.read(before, count)?)));
            }
        }
        Ok(None)
    }

    fn read(&self, before: usize, count: usize) -> Result<DataFrame, TableError> {
        guarded(|| self.read_unguarded(before, count)).unwrap_or_else(|| Err(damaged(&self.path)))
    }

    fn read_unguarded(&self, before: usize, count: usize) -> Result<DataFrame, TableError> {
        let file = File::open(&self.path).map_err(TableError::read(&self.path))?;
        let mut reader = ParquetReader::new(file)
            .with_slice(Some((before, count)))
            .with_projection(self.projection.clone())
            .read_parallel(ParallelStrategy::None);
        reader.set_metadata(Arc::clone(&self.metadata));
        reader
            .finish()
            .map_err(|error| TableError::Parquet { path: self.path.clone(), problem: first_line(&error) })
    }
}

fn damaged(path: &Path) -> TableError {
    TableError::Parquet { path: path.to_owned(), problem: "its bytes are damaged".to_owned() }
}

/// A row of a row group.
pub(super) fn row(frame: &DataFrame, index: usize, number: u64) -> Row<'_> {
    let cells = frame
        .columns()
        .iter()
        .map(|column| match column.as_materialized_series().get(index) {
            Ok(AnyValue::String(text)) => Cell::Text(Cow::Borrowed(text)),
            Ok(value) => cell(&value),
            Err(_) => Cell::Null,
        })
        .collect();
    Row { number, cells, more: Vec::new(), lone_surrogates: 0 }
}

fn cell(value: &AnyValue) -> Cell<'static> {
    match value {
        // JSON has no word for these, and a reader must see them.
        AnyValue::Float64(number) if !number.is_finite() => Cell::Text(number.to_string().into()),
        AnyValue::Float32(number) if !number.is_finite() => Cell::Text(number.to_string().into()),
        other => Cell::of_value(json(other)),
    }
}

fn json(value: &AnyValue) -> Value {
    match value {
        AnyValue::Boolean(value) => Value::Bool(*value),
        AnyValue::String(text) => Value::String((*text).to_owned()),
        AnyValue::StringOwned(text) => Value::String(text.to_string()),
        AnyValue::Int32(number) => Value::from(*number),
        AnyValue::Int64(number) => Value::from(*number),
        AnyValue::UInt32(number) => Value::from(*number),
        AnyValue::UInt64(number) => Value::from(*number),
        AnyValue::Float32(number) => Number::from_f64(shortest(*number)).map_or(Value::Null, Value::Number),
        AnyValue::Float64(number) => Number::from_f64(*number).map_or(Value::Null, Value::Number),
        AnyValue::Binary(bytes) => Value::String(String::from_utf8_lossy(bytes).into_owned()),
        AnyValue::List(items) => Value::Array(items.iter().map(|item| json(&item)).collect()),
        AnyValue::Struct(_, _, fields) => {
            let values = value._iter_struct_av();
            let named =
                fields.iter().zip(values).map(|(field, value)| (field.name().to_string(), json(&value)));
            Value::Object(named.collect::<Map<_, _>>())
        }
        _ => Value::Null,
    }
}

/// The f64 that prints as the f32 does, so that 0.1 stays 0.1.
fn shortest(number: f32) -> f64 {
    number.to_string().parse().unwrap_or_else(|_| f64::from(number))
}

/// The type as which a column is read: points in time and small integers as the integers that they are
/// stored as, dictionaries as their values.
fn plain_type(found: ArrowDataType) -> ArrowDataType {
    let plain_field = |field: Field| Field { dtype: plain_type(field.dtype), ..field };
    match found {
        ArrowDataType::Timestamp(..)
        | ArrowDataType::Time64(_)
        | ArrowDataType::Date64
        | ArrowDataType::Duration(_) => ArrowDataType::Int64,
        ArrowDataType::Int8
        | ArrowDataType::Int16
        | ArrowDataType::UInt8
        | ArrowDataType::UInt16
        | ArrowDataType::Date32
        | ArrowDataType::Time32(_) => ArrowDataType::Int32,
        ArrowDataType::Dictionary(_, values, _) => plain_type(*values),
        ArrowDataType::List(item) => ArrowDataType::List(Box::new(plain_field(*item))),
        ArrowDataType::LargeList(item) => ArrowDataType::LargeList(Box::new(plain_field(*item))),
        ArrowDataType::Struct(fields) => ArrowDataType::Struct(fields.into_iter().map(plain_field).collect()),
        other => other,
    }
}

fn is_known(found: &ArrowDataType) -> bool {
    match found {
        ArrowDataType::Null
        | ArrowDataType::Boolean
        | ArrowDataType::Int32
        | ArrowDataType::Int64
        | ArrowDataType::UInt32
        | ArrowDataType::UInt64
        | ArrowDataType::Float32
        | ArrowDataType::Float64
        | ArrowDataType::Utf8
        | ArrowDataType::LargeUtf8
        | ArrowDataType::Utf8View
        | ArrowDataType::Binary
        | ArrowDataType::LargeBinary
        | ArrowDataType::BinaryView => true,
        ArrowDataType::List(item) | ArrowDataType::LargeList(item) => is_known(&item.dtype),
        ArrowDataType::Struct(fields) => fields.iter().all(|field| is_known(&field.dtype)),
        _ => false,
    }
}

/// The first line of what polars says; the rest are hints for programmers.
pub(super) fn first_line(error: &impl ToString) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
