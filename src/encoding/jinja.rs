//! The template engine as transformers sets up Jinja.

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};

/// An environment whose blocks leave no blank lines, with the methods of Python's texts and lists.
///
/// `strftime_now` is left undefined on purpose: templates that would write today's date fall back to a
/// fixed one, since the same battle must have the same ids tomorrow.
pub(super) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    let mut blocks = SyntaxConfig::builder();
    blocks.trim_blocks(true).lstrip_blocks(true);
    // The delimiters are the usual ones, which never contradict each other.
    environment.set_syntax(blocks.build().unwrap_or_default());
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_function("raise_exception", |message: String| -> Result<String, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, message))
    });
    environment.add_filter("tojson", |value: minijinja::Value| -> Result<String, Error> {
        let json = serde_json::to_value(&value)
            .map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))?;
        let mut written = String::new();
        write_as_python(&json, &mut written);
        Ok(written)
    });
    environment
}

/// Python's `json.dumps(value, ensure_ascii=False)`: a blank after each comma and colon.
fn write_as_python(value: &serde_json::Value, out: &mut String) {
    match value {
        serde_json::Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                write_as_python(item, out);
            }
            out.push(']');
        }
        serde_json::Value::Object(entries) => {
            out.push('{');
            for (index, (key, item)) in entries.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                out.push_str(&serde_json::Value::from(key.as_str()).to_string());
                out.push_str(": ");
                write_as_python(item, out);
            }
            out.push('}');
        }
        plain => out.push_str(&plain.to_string()),
    }
}

/// The engine's message with the reasons below it on one line.
pub(super) fn reason(error: &Error) -> String {
    let mut said = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        said.push_str(": ");
        said.push_str(&inner.to_string());
        cause = inner.source();
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_helpers_of_python_templates_are_there() {
        let write = |source: &str| environment().render_str(source, minijinja::context! { text => " Ab " });
        assert_eq!(write("{{ text.strip().upper() }}|{{ text | trim }}").unwrap(), "AB|Ab");
        assert_eq!(write("{% if true %}\n  x\n{% endif %}\ny").unwrap(), "  x\ny");
        assert_eq!(write("{{ [1, {'a': 'é\"'}] | tojson }}").unwrap(), r#"[1, {"a": "é\""}]"#);
        assert_eq!(
            write("{% for i in [1,2,3] %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}").unwrap(),
            "1"
        );
        assert_eq!(write("{{ strftime_now is defined }}").unwrap(), "False");
        assert!(
            reason(&write("{{ raise_exception('no system role') }}").unwrap_err()).contains("no system role")
        );
    }
}
