use std::borrow::Cow;

use serde_json::Value;

/// One field of one row.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'a> {
    /// Nothing is recorded: JSON or Parquet `null`, an absent key, an empty CSV field without quotes.
    Null,
    /// Text; every field of a CSV file is text.
    Text(Cow<'a, str>),
    /// Text of a CSV field as it stands between its quotes, with every quote inside doubled: undoing that
    /// would copy most of a file, and the decoder of lists reads it as it is.
    Quoted(&'a str),
    /// A number, a truth value, a list or an object.
    Value(Value),
}

impl Cell<'_> {
    /// The cell as text, numbers as they print and lists and objects as JSON; `None` where nothing is recorded.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Null => None,
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Quoted(text) => Some(Cow::Owned(text.replace("\"\"", "\""))),
            Self::Value(value) => Some(Cow::Owned(value.to_string())),
        }
    }

    /// Whether nothing is recorded.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The cell as a number; truth values count as 0 and 1.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Null | Self::Quoted(_) => None,
            Self::Text(text) => text.trim().parse().ok(),
            Self::Value(Value::Bool(value)) => Some(f64::from(u8::from(*value))),
            Self::Value(value) => value.as_f64(),
        }
    }

    /// The same cell without `Quoted`: nothing, text or a value.
    #[must_use]
    pub fn plain(&self) -> Cell<'_> {
        match self {
            Self::Null => Cell::Null,
            Self::Text(text) => Cell::Text(Cow::Borrowed(text)),
            Self::Quoted(_) => self.text().map_or(Cell::Null, Cell::Text),
            Self::Value(value) => Cell::Value(value.clone()),
        }
    }

    pub(super) fn of_value(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::String(text) => Self::Text(Cow::Owned(text)),
            other => Self::Value(other),
        }
    }
}

/// One row of a table.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// Its number, 1-based, without the header.
    pub number: u64,
    /// Its fields, in the order of the columns.
    pub cells: Vec<Cell<'a>>,
    /// Fields of JSON lines under keys that the first rows did not have.
    pub more: Vec<(String, Cell<'a>)>,
    /// How many halves of surrogate pairs without their other half became U+FFFD here.
    pub lone_surrogates: u64,
}

impl<'a> Row<'a> {
    /// The field of a column; a column beyond the last holds nothing.
    #[must_use]
    pub fn cell(&self, column: usize) -> &Cell<'a> {
        self.cells.get(column).unwrap_or(&Cell::Null)
    }
}
