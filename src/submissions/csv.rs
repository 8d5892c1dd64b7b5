//! Comma-separated text read as it is: the doctor must see every fault of a file, so nothing is refused here.

use std::borrow::Cow;

/// A file as records of text.
pub(super) struct Parsed {
    /// The first record.
    pub(super) header: Vec<String>,
    /// The others, each with as many fields as it happens to have; blank lines are left out.
    pub(super) records: Vec<Vec<String>>,
    /// Whether the file ends inside quotes.
    pub(super) ends_in_quotes: bool,
}

/// Splits text as RFC 4180 says: fields in double quotes may hold commas, line breaks and doubled quotes.
pub(super) fn parse(text: &str) -> Parsed {
    let mut records = Vec::new();
    let mut record = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    let mut characters = text.strip_prefix('\u{feff}').unwrap_or(text).chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' if quoted || field.is_empty() => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut field)),
            '\r' if !quoted && characters.peek() == Some(&'\n') => {}
            '\n' if !quoted => finish(&mut record, &mut field, &mut records),
            other => field.push(other),
        }
    }
    finish(&mut record, &mut field, &mut records);
    let mut records = records.into_iter();
    Parsed { header: records.next().unwrap_or_default(), records: records.collect(), ends_in_quotes: quoted }
}

fn finish(record: &mut Vec<String>, field: &mut String, records: &mut Vec<Vec<String>>) {
    if record.is_empty() && field.is_empty() {
        return;
    }
    record.push(std::mem::take(field));
    records.push(std::mem::take(record));
}

/// A value as it is written, in quotes where it needs them.
pub(super) fn field(value: &str) -> Cow<'_, str> {
    if value.contains([',', '"', '\n', '\r']) {
        Cow::Owned(format!("\"{}\"", value.replace('"', "\"\"")))
    } else {
        Cow::Borrowed(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_line_breaks_and_a_byte_order_mark_are_understood() {
        let parsed = parse("\u{feff}id,x\r\n\"a,\"\"b\"\"\n\",1\n\n2,\n");
        assert_eq!(parsed.header, ["id", "x"]);
        assert_eq!(parsed.records, [vec!["a,\"b\"\n", "1"], vec!["2", ""]]);
        assert!(!parsed.ends_in_quotes);
        assert!(parse("id\n\"open").ends_in_quotes);
    }

    #[test]
    fn what_is_written_is_read_back() {
        for value in ["plain", "with,comma", "with \"quotes\"", "two\nlines"] {
            assert_eq!(parse(&field(value)).header, [value]);
        }
    }
}
