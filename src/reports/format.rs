//! Numbers as a person reads them; every report uses these and no others.

/// Four decimals: a log loss in nats.
pub(super) fn nats(value: f64) -> String {
    format!("{value:.4}")
}

/// Four decimals with a sign: a difference in nats.
pub(super) fn signed(value: f64) -> String {
    // Adding 0 turns a negative zero into zero.
    format!("{:+.4}", (value * 1e4).round() / 1e4 + 0.0)
}

/// A share as a percentage with one decimal.
pub(super) fn share(value: f64) -> String {
    format!("{:.1} %", 100.0 * value)
}

/// A probability with three decimals.
pub(super) fn probability(value: f64) -> String {
    format!("{value:.3}")
}

/// A count with commas between thousands.
pub(super) fn count(value: usize) -> String {
    grouped(&value.to_string())
}

/// The digits of a number with commas between thousands.
pub(super) fn grouped(number: &str) -> String {
    let (whole, rest) = number.find('.').map_or((number, ""), |point| number.split_at(point));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    format!("{sign}{text}{rest}")
}

/// Text for a cell of a Markdown table.
pub(super) fn cell(text: &str) -> String {
    inline(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Text from outside in running Markdown: nothing in it is markup.
pub(super) fn inline(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' => {
                safe.push('\\');
                safe.push(character);
            }
            other => safe.push(other),
        }
    }
    safe
}

/// A sentence of ours in Markdown: what it names in backticks is code, the rest is no markup.
pub(super) fn prose(text: &str) -> String {
    spans(text).map(|(is_code, part)| if is_code { format!("`{part}`") } else { inline(part) }).collect()
}

/// The same in HTML.
pub(super) fn prose_html(text: &str) -> String {
    let escaped = |part: &str| {
        part.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
    };
    let span = |(is_code, part): (bool, &str)| {
        if is_code { format!("<code>{}</code>", escaped(part)) } else { escaped(part) }
    };
    spans(text).map(span).collect()
}

/// The parts of a text outside and inside backticks; a backtick without a partner is part of the text.
fn spans(text: &str) -> impl Iterator<Item = (bool, &str)> {
    let paired = text.matches('`').count() / 2 * 2;
    text.splitn(paired + 1, '`').enumerate().map(|(place, part)| (place % 2 == 1, part))
}

/// Text from outside as a block of code in Markdown, fenced so that nothing in it can end the block.
pub(super) fn fenced(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}text\n{}\n{fence}", text.trim_end())
}

/// A positive number with three significant digits, such as `0.00123`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small number of digits")]
pub(super) fn significant(value: f64) -> String {
    let magnitude = if value > 0.0 { value.log10().floor() } else { 0.0 };
    let digits = (2.0 - magnitude).clamp(0.0, 12.0) as usize;
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [significant(12.345), significant(0.012_345), significant(0.0)],
            ["12.3", "0.0123", "0.00"]
        );
        assert_eq!([count(0), count(999), count(1_234_567)], ["0", "999", "1,234,567"]);
        assert_eq!(grouped("-12345.67"), "-12,345.67");
        assert_eq!([signed(-0.000_01), signed(-0.00123)], ["+0.0000", "-0.0012"]);
        assert_eq!(share(0.1234), "12.3 %");
    }

    #[test]
    fn text_from_outside_is_no_markup() {
        assert_eq!(prose("of `a_b` < `c"), "of `a_b` &lt; \\`c");
        assert_eq!(prose_html("of `a<b` & `c"), "of <code>a&lt;b</code> &amp; `c");
        assert_eq!(cell("a|b\n<script>"), "a\\|b &lt;script>");
        assert_eq!(fenced("x\n````\ny"), "`````text\nx\n````\ny\n`````");
    }
}
