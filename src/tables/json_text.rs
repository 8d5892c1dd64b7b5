use serde_json::Value;

/// A text is not the JSON that it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at character {position}")]
pub struct JsonFault {
    /// The position of the fault in characters, 1-based.
    pub position: usize,
    /// What is wrong there.
    pub problem: String,
}

/// A JSON array of strings and nulls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StringArray {
    /// The elements in order; `null` is `None`.
    pub items: Vec<Option<String>>,
    /// How many halves of surrogate pairs without their other half became U+FFFD.
    pub lone_surrogates: u64,
}

/// Decodes a JSON array of strings and nulls.
///
/// More forgiving than a strict parser where released files are not strict: a lone surrogate such as
/// `\ud83d` becomes U+FFFD and is counted, and raw control characters may stand inside a string.
///
/// # Errors
/// `JsonFault` with the position when the text is anything else.
pub fn string_array(text: &str) -> Result<StringArray, JsonFault> {
    Parser::new(text, 1).array()
}

/// Decodes the same from a CSV field as it stands in the file, with every quote doubled.
///
/// # Errors
/// As `string_array`, with positions in the text without doubled quotes.
pub fn string_array_quoted(text: &str) -> Result<StringArray, JsonFault> {
    Parser::new(text, 2).array().or_else(|_| string_array(&text.replace("\"\"", "\"")))
}

/// Decodes any JSON; lone surrogates become U+FFFD and are counted.
///
/// # Errors
/// `JsonFault` when the text is not JSON.
pub fn value(text: &str) -> Result<(Value, u64), JsonFault> {
    match serde_json::from_str(text) {
        Ok(value) => Ok((value, 0)),
        Err(error) => {
            let (repaired, count) = without_lone_surrogates(text);
            if count > 0
                && let Ok(value) = serde_json::from_str(&repaired)
            {
                return Ok((value, count));
            }
            Err(fault_of(text, &error))
        }
    }
}

fn fault_of(text: &str, error: &serde_json::Error) -> JsonFault {
    let before: usize = text
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1))
        .map(|line| line.chars().count())
        .sum();
    let line = text.split('\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    let column = String::from_utf8_lossy(line.as_bytes().get(..error.column()).unwrap_or(line.as_bytes()));
    let full = error.to_string();
    let problem = full.rsplit_once(" at line ").map_or(full.as_str(), |(problem, _)| problem).to_owned();
    JsonFault { position: (before + column.chars().count()).max(1), problem }
}

/// The same JSON text with every lone surrogate written as U+FFFD, and how many there were.
fn without_lone_surrogates(text: &str) -> (String, u64) {
    let mut repaired = String::with_capacity(text.len());
    let (mut count, mut copied, mut from) = (0, 0, 0);
    while let Some(found) = memchr::memchr(b'\\', &text.as_bytes()[from..]) {
        let start = from + found;
        from = match escaped_unit(text, start) {
            None => (start + 2).min(text.len()),
            Some(unit) if is_high(unit) && escaped_unit(text, start + 6).is_some_and(is_low) => start + 12,
            Some(unit) if is_high(unit) || is_low(unit) => {
                repaired.push_str(&text[copied..start]);
                repaired.push_str("\\ufffd");
                count += 1;
                copied = start + 6;
                copied
            }
            Some(_) => start + 6,
        };
    }
    repaired.push_str(&text[copied..]);
    (repaired, count)
}

/// The code unit of an escape `\uXXXX` that begins at `start`.
fn escaped_unit(text: &str, start: usize) -> Option<u16> {
    let [b'\\', b'u', digits @ ..] = text.as_bytes().get(start..start + 6)? else { return None };
    digits.iter().try_fold(0, |unit, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            b'A'..=b'F' => digit - b'A' + 10,
            _ => return None,
        };
        Some(unit << 4 | u16::from(value))
    })
}

fn is_high(unit: u16) -> bool {
    (0xd800..0xdc00).contains(&unit)
}

fn is_low(unit: u16) -> bool {
    (0xdc00..0xe000).contains(&unit)
}

struct Parser<'a> {
    text: &'a str,
    position: usize,
    /// How many bytes a quote takes: 2 where every quote is doubled.
    quote_bytes: usize,
    lone_surrogates: u64,
    /// Where a string with escapes is put together before it is copied at its exact length.
    scratch: String,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, quote_bytes: usize) -> Self {
        Self { text, position: 0, quote_bytes, lone_surrogates: 0, scratch: String::new() }
    }

    fn array(mut self) -> Result<StringArray, JsonFault> {
        let mut items = Vec::new();
        self.blanks();
        self.expect(b'[', "`[` is missing")?;
        self.blanks();
        if self.peek() == Some(b']') {
            self.position += 1;
        } else {
            loop {
                items.push(self.element()?);
                self.blanks();
                match self.peek() {
                    Some(b',') => self.position += 1,
                    Some(b']') => break self.position += 1,
                    _ => return Err(self.fault("`,` or `]` is missing")),
                }
                self.blanks();
            }
        }
        self.blanks();
        if self.position < self.text.len() {
            return Err(self.fault("something follows the array"));
        }
        Ok(StringArray { items, lone_surrogates: self.lone_surrogates })
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.position += 1;
        }
    }

    fn fault(&self, problem: &str) -> JsonFault {
        let before = self.text.as_bytes().get(..self.position).unwrap_or(self.text.as_bytes());
        let position = String::from_utf8_lossy(before).chars().count() + 1;
        JsonFault { position, problem: problem.to_owned() }
    }

    fn expect(&mut self, byte: u8, problem: &str) -> Result<(), JsonFault> {
        if self.peek() != Some(byte) {
            return Err(self.fault(problem));
        }
        self.position += 1;
        Ok(())
    }

    fn element(&mut self) -> Result<Option<String>, JsonFault> {
        if self.text.as_bytes()[self.position..].starts_with(b"null") {
            self.position += 4;
            return Ok(None);
        }
        self.expect(b'"', "an element is neither text nor `null`")?;
        self.position += self.quote_bytes - 1;
        self.string().map(Some)
    }

    /// The rest of a string behind its opening quote.
    fn string(&mut self) -> Result<String, JsonFault> {
        let bytes = self.text.as_bytes();
        self.scratch.clear();
        loop {
            let Some(found) = memchr::memchr2(b'"', b'\\', &bytes[self.position..]) else {
                return Err(self.fault("a string that begins here is not closed"));
            };
            let end = self.position + found;
            let piece = &self.text[self.position..end];
            self.position = end + 1;
            if bytes[end] == b'"' {
                self.position = end + self.quote_bytes;
                if self.scratch.is_empty() {
                    return Ok(piece.to_owned());
                }
                self.scratch.push_str(piece);
                return Ok(self.scratch.as_str().to_owned());
            }
            if self.scratch.capacity() == 0 {
                self.scratch.reserve(bytes.len() - end + piece.len());
            }
            self.scratch.push_str(piece);
            self.escape()?;
        }
    }

    /// One escape behind its backslash.
    fn escape(&mut self) -> Result<(), JsonFault> {
        let character = match self.peek() {
            Some(b'n') => '\n',
            Some(b'"') => {
                self.position += self.quote_bytes - 1;
                '"'
            }
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'u') => return self.unicode(),
            _ => return Err(self.fault("an escape is not one that JSON knows")),
        };
        self.position += 1;
        self.scratch.push(character);
        Ok(())
    }

    fn unicode(&mut self) -> Result<(), JsonFault> {
        let start = self.position - 1;
        let unit = escaped_unit(self.text, start).ok_or_else(|| self.fault("`\\u` needs four digits"))?;
        self.position = start + 6;
        let low = if is_high(unit) {
            escaped_unit(self.text, self.position).filter(|low| is_low(*low))
        } else {
            None
        };
        let decoded = char::decode_utf16([unit].into_iter().chain(low)).next();
        if let Some(Ok(character)) = decoded {
            self.scratch.push(character);
            self.position += if low.is_some() { 6 } else { 0 };
        } else {
            self.scratch.push(char::REPLACEMENT_CHARACTER);
            self.lone_surrogates += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_of_strings_and_nulls_are_decoded() {
        let found = string_array(r#" [ "a\"b\\\/\n" , null,"", "\u00e9\ud83d\ude00x" ] "#).unwrap();
        let text = |value: &str| Some(value.to_owned());
        assert_eq!(found.items, [text("a\"b\\/\n"), None, text(""), text("é😀x")]);
        assert_eq!(found.lone_surrogates, 0);
        assert_eq!(string_array("[]").unwrap(), StringArray::default());
        assert_eq!(string_array("[\"raw\nline\"]").unwrap().items, [text("raw\nline")]);
    }

    #[test]
    fn lone_surrogates_become_replacement_characters_and_are_counted() {
        let found = string_array(r#"["\ud83d","\ude00\ud83dx","\ud83d\u0041"]"#).unwrap();
        assert_eq!(found.lone_surrogates, 4);
        assert_eq!(found.items[2].as_deref(), Some("\u{fffd}A"));
        let (found, count) = value(r#"{"a":"\ud83d \\ud83d \ud83d\ude00"}"#).unwrap();
        assert_eq!((found["a"].as_str(), count), (Some("\u{fffd} \\ud83d 😀"), 1));
    }

    #[test]
    fn broken_text_is_refused_with_its_position() {
        let position = |text: &str| string_array(text).unwrap_err().position;
        assert_eq!(position(""), 1);
        assert_eq!(position("[\"é\" \"b\"]"), 6);
        assert_eq!(position("[\"a\",]"), 6);
        assert_eq!(position("[1]"), 2);
        assert_eq!(position("[\"a\"] x"), 7);
        assert_eq!(position(r#"["\q"]"#), 4);
        assert_eq!(position(r#"["\u12"]"#), 4);
        assert_eq!(position("[\"a"), 3);
        assert_eq!(string_array_quoted("[\"\"é\"\" \"\"b\"\"]").unwrap_err().position, 6);
        assert_eq!(value("{\"é\": x}").unwrap_err().position, 7);
    }

    #[test]
    fn our_decoder_agrees_with_a_strict_one_where_that_one_reads() {
        for text in [r#"["x","y\u0000z"]"#, r"[null]", r#"["\ud83d\ude00\t\b\f"]"#, "[\"日本\",\"\\u65e5\"]"]
        {
            let strict: Vec<Option<String>> = serde_json::from_str(text).unwrap();
            assert_eq!(string_array(text).unwrap().items, strict);
            assert_eq!(string_array_quoted(&text.replace('"', "\"\"")).unwrap().items, strict);
        }
    }
}
